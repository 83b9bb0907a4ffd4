// SPDX-License-Identifier: Apache-2.0
// Handles: closed, made-up and reused ones, closing under running requests, what open asks of its options,
// privileges, and what is left when a program ends without closing anything.
#include "tests/handle/stack.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/sum.h"

static void never_complete(struct hf_request *request, nt_status status, size_t done)
{
    (void)request, (void)status, (void)done;
    abort();
}

static void every_call(hf_handle h, nt_status expected)
{
    char data[64];
    size_t done = 1;
    hf_handle other;
    struct hf_stat st;
    struct hf_open_options o = {.root = h};
    struct hf_request request = {.kind = HF_REQUEST_FLUSH, .handle = h, .complete = never_complete};
    assert_int_equal(hf_close(h), expected);
    assert_int_equal(hf_read(h, 0, data, 1, &done), expected);
    assert_int_equal(done, 0);
    assert_int_equal(hf_write(h, 0, data, 1, &done), expected);
    assert_int_equal(hf_flush(h), expected);
    assert_int_equal(hf_lock(h, 0, 1, true, false), expected);
    assert_int_equal(hf_unlock(h, 0, 1), expected);
    assert_int_equal(hf_query(h, FileBasicInformation, data, 40, &done), expected);
    assert_int_equal(hf_set(h, FileBasicInformation, data, 40), expected);
    assert_int_equal(hf_query_volume(h, FileFsSizeInformation, data, 24, &done), expected);
    assert_int_equal(hf_set_label(h, "l"), expected);
    assert_int_equal(hf_rename(h, NULL, "X:\\a", false), expected);
    assert_int_equal(hf_link(h, NULL, "X:\\a", false), expected);
    assert_int_equal(hf_delete(h), expected);
    assert_int_equal(hf_path(h, data, sizeof data), expected);
    assert_int_equal(hf_stat(h, &st), expected);
    assert_int_equal(hf_list(h, NULL, true, data, sizeof data, &done), expected);
    assert_int_equal(hf_ioctl(h, FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, &done), expected);
    assert_int_equal(hf_submit(&request), expected);
    assert_int_equal(hf_cancel(h), expected);
    if (h)
        assert_int_equal(hf_open("a", &o, &other), expected);
}

static void bad_handles(void **state)
{
    (void)state;
    hf_handle h;
    every_call(NULL, STATUS_INVALID_HANDLE);
    every_call((hf_handle)-1, STATUS_INVALID_HANDLE);
    every_call((hf_handle)4, STATUS_INVALID_HANDLE);
    every_call((hf_handle)(uintptr_t)0xdeadbeefdeadbee0, STATUS_INVALID_HANDLE);
    every_call((hf_handle)(void *)&h, STATUS_INVALID_HANDLE);
    assert_ok(stack_open("X:\\", 0, 0, 0, &h));
    assert_true(h != NULL && (uintptr_t)h % 4 == 0 && (uintptr_t)h < 1ull << 53);
    every_call((hf_handle)((uintptr_t)h + 1), STATUS_INVALID_HANDLE);
    assert_ok(hf_close(h));
    every_call(h, STATUS_INVALID_HANDLE);
}

static void a_slot_is_reused_under_another_number(void **state)
{
    (void)state;
    hf_handle old, h;
    assert_ok(stack_open("X:\\", 0, 0, 0, &old));
    assert_ok(hf_close(old));
    for (int i = 0; i < 1000; i++) {
        assert_ok(stack_open("X:\\", 0, 0, 0, &h));
        assert_ptr_not_equal(h, old);
        assert_status(hf_close(old), STATUS_INVALID_HANDLE);
        assert_ok(hf_close(h));
    }
}

static void many_handles(void **state)
{
    (void)state;
    enum { N = 1000 };
    static hf_handle handles[N];
    struct hf_stat st;
    for (int i = 0; i < N; i++)
        assert_ok(stack_open("X:\\", 0, 0, 0, &handles[i]));
    for (int i = 0; i < N; i++) {
        assert_ok(hf_stat(handles[i], &st));
        assert_ok(hf_close(handles[i]));
    }
}

static void option_checks(void **state)
{
    (void)state;
    hf_handle h;
    u32 action;
    struct hf_open_options bad[] = {
        {.disposition = 6},
        {.share = 8},
        {.options = FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE},
        {.options = FILE_DELETE_ON_CLOSE},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        h = (hf_handle)1;
        assert_status(hf_open("X:\\", &bad[i], &h), STATUS_INVALID_PARAMETER);
        assert_null(h);
    }
    assert_status(hf_open("X:\\", NULL, NULL), STATUS_INVALID_PARAMETER);
    assert_ok(hf_open("X:\\", NULL, &h));
    assert_ok(hf_close(h));
    struct hf_open_options o = {.access = GENERIC_WRITE, .disposition = FILE_OPEN_IF, .action = &action};
    assert_ok(hf_open("X:\\o", &o, &h));
    assert_int_equal(action, FILE_CREATED);
    assert_ok(hf_close(h));
    o.disposition = HF_SUPERSEDE;
    assert_ok(hf_open("X:\\o", &o, &h));
    assert_int_equal(action, FILE_SUPERSEDED);
    assert_ok(hf_close(h));
    o.disposition = FILE_CREATE;
    assert_status(hf_open("X:\\o", &o, &h), STATUS_OBJECT_NAME_COLLISION);
    assert_int_equal(action, 0);
    remove_name("X:\\o");
}

static void sharing(void **state)
{
    (void)state;
    hf_handle a, b;
    put("X:\\s", "x");
    struct hf_open_options none = {.access = GENERIC_READ, .share = HF_SHARE_NONE};
    assert_ok(hf_open("X:\\s", &none, &a));
    assert_status(stack_open("X:\\s", GENERIC_READ, 0, 0, &b), STATUS_SHARING_VIOLATION);
    assert_ok(hf_close(a));
    assert_ok(stack_open("X:\\s", GENERIC_READ, 0, 0, &b));
    assert_ok(hf_close(b));
    remove_name("X:\\s");
}

static void access_rights(void **state)
{
    (void)state;
    assert_int_equal(access_map(GENERIC_READ), FILE_GENERIC_READ);
    assert_int_equal(access_map(GENERIC_WRITE | GENERIC_EXECUTE), FILE_GENERIC_WRITE | FILE_GENERIC_EXECUTE);
    assert_int_equal(access_map(GENERIC_ALL), FILE_ALL_ACCESS);
    assert_int_equal(access_map(DELETE), DELETE);
    hf_handle h;
    u32 access = 0;
    size_t done;
    put("X:\\r", "x");
    assert_ok(stack_open("X:\\r", MAXIMUM_ALLOWED, 0, 0, &h));
    assert_ok(hf_query(h, FileAccessInformation, &access, sizeof access, &done));
    assert_int_equal(access, FILE_ALL_ACCESS);
    assert_ok(hf_close(h));
    remove_name("X:\\r");
}

static void relative_names(void **state)
{
    (void)state;
    hf_handle root, h;
    make_directory("X:\\rel");
    put("X:\\rel\\a", "relative");
    assert_ok(stack_open("X:\\rel", FILE_LIST_DIRECTORY, 0, 0, &root));
    struct hf_open_options o = {.access = FILE_READ_DATA, .root = root};
    assert_ok(hf_open("a", &o, &h));
    assert_ok(hf_close(h));
    assert_status(hf_open("b", &o, &h), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(hf_open("..\\rel\\a", &o, &h), STATUS_OBJECT_NAME_INVALID);
    assert_status(hf_open("\\a", &o, &h), STATUS_OBJECT_NAME_INVALID);
    assert_ok(hf_close(root));
    remove_name("X:\\rel\\a");
    remove_name("X:\\rel");
}

static void privileges(void **state)
{
    (void)state;
    u32 all = HF_PRIVILEGE_CREATE_SYMBOLIC_LINK | HF_PRIVILEGE_MANAGE_VOLUME;
    assert_int_equal(hf_privileges(), all);
    assert_int_equal(hf_set_privileges(0xfffffffc), all);
    assert_int_equal(hf_privileges(), 0);
    u8 link[] = {0x0c, 0, 0, 0xa0, 0x18, 0, 0,   0, 6,   0, 6,   0, 0,   0, 6,   0,
                 1,    0, 0, 0,    'b',  0, 'a', 0, 'r', 0, 'b', 0, 'a', 0, 'r', 0};
    hf_handle h;
    assert_ok(stack_open("X:\\p", FILE_WRITE_DATA | DELETE, FILE_CREATE, FILE_DELETE_ON_CLOSE, &h));
    // RP-033 on a file
    assert_status(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, link, sizeof link, NULL, 0, NULL),
                  STATUS_PRIVILEGE_NOT_HELD);
    assert_int_equal(hf_set_privileges(all), 0);
    assert_ok(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, link, sizeof link, NULL, 0, NULL));
    assert_ok(hf_close(h));
}

// --- closing under running requests --------------------------------------------------------------

static hf_handle _Atomic shared;
static atomic_bool stop;

static void *reader(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        char data[16];
        size_t done;
        nt_status status = hf_read(atomic_load(&shared), 0, data, sizeof data, &done);
        if (status != STATUS_SUCCESS && status != STATUS_INVALID_HANDLE)
            return (void *)1;
    }
    return NULL;
}

static void close_while_others_read(void **state)
{
    (void)state;
    enum { THREADS = 3, ROUNDS = 2000 };
    pthread_t threads[THREADS];
    put("X:\\c", "closing");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        hf_handle h;
        assert_ok(stack_open("X:\\c", FILE_READ_DATA, 0, 0, &h));
        atomic_store(&shared, h);
        assert_ok(hf_close(h));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    remove_name("X:\\c");
}

static void *lock_and_wait(void *argument)
{
    return (void *)(uintptr_t)(u32)hf_lock(argument, 0, 1, true, true);
}

// Ends a lock that waits: the close does not wait for the lock's holder.
static void close_ends_a_waiting_lock(void **state)
{
    (void)state;
    hf_handle holder, waiter;
    pthread_t thread;
    void *result;
    put("X:\\w", "w");
    assert_ok(stack_open("X:\\w", FILE_READ_DATA, 0, 0, &holder));
    assert_ok(stack_open("X:\\w", FILE_READ_DATA, 0, 0, &waiter));
    assert_ok(hf_lock(holder, 0, 1, true, false));
    assert_int_equal(pthread_create(&thread, NULL, lock_and_wait, waiter), 0);
    struct handle *handle;
    assert_ok(handle_get(waiter, &handle));
    handle_put(handle);
    while ((atomic_load(&handle->state) & 0x7fffffff) < 2) // until the lock is under way
        sched_yield();
    assert_ok(hf_close(waiter));
    pthread_join(thread, &result);
    assert_int_equal((u32)(uintptr_t)result, (u32)STATUS_CANCELLED);
    assert_ok(hf_close(holder));
    remove_name("X:\\w");
}

// --- the end of a program ------------------------------------------------------------------------

// Neither closed nor detached, and no flush: the bytes are there afterwards.
static void exit_commits(void **state)
{
    (void)state;
    assert_ok(hf_detach("X:"));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hf_handle h;
        size_t done;
        if (hf_attach("Z:", stack_spec) != STATUS_SUCCESS ||
            stack_open("Z:\\left", GENERIC_WRITE, FILE_CREATE, 0, &h) != STATUS_SUCCESS ||
            hf_write(h, 0, "behind", 6, &done) != STATUS_SUCCESS)
            _exit(1);
        exit(0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    assert_ok(hf_attach("X:", stack_spec));
    expect("X:\\left", "behind");
    remove_name("X:\\left");
}

static u32 image_sum(void)
{
    FILE *f = fopen(stack_image, "rb");
    u8 *data = malloc(IMAGE_SIZE);
    assert_true(f && data && fread(data, IMAGE_SIZE, 1, f) == 1);
    u32 sum = sum_crc32c(data, IMAGE_SIZE);
    free(data);
    fclose(f);
    return sum;
}

// A child that only inherited the volume leaves it alone when it ends.
static void exit_of_a_fork_does_nothing(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    assert_ok(stack_open("X:\\f", GENERIC_WRITE, FILE_CREATE, 0, &h));
    assert_ok(hf_write(h, 0, "before", 6, &done));
    u32 sum = image_sum();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        exit(0);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    assert_int_equal(image_sum(), sum);
    assert_ok(hf_write(h, 6, " after", 6, &done));
    assert_ok(hf_close(h));
    assert_ok(hf_detach("X:"));
    assert_ok(hf_attach("X:", stack_spec));
    expect("X:\\f", "before after");
    remove_name("X:\\f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_handles),
        cmocka_unit_test(a_slot_is_reused_under_another_number),
        cmocka_unit_test(many_handles),
        cmocka_unit_test(option_checks),
        cmocka_unit_test(sharing),
        cmocka_unit_test(access_rights),
        cmocka_unit_test(relative_names),
        cmocka_unit_test(privileges),
        cmocka_unit_test(close_while_others_read),
        cmocka_unit_test(close_ends_a_waiting_lock),
        cmocka_unit_test(exit_commits),
        cmocka_unit_test(exit_of_a_fork_does_nothing),
    };
    return cmocka_run_group_tests_name("handle", tests, stack_setup, stack_teardown);
}
