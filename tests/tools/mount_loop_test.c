// SPDX-License-Identifier: Apache-2.0
// The threads of a mount, with a file system that only has names: stuck requests must not keep others from
// being served, and the loop must end when the session does. Another process serves, so that its end frees
// everybody.
#define FUSE_USE_VERSION 314
#include "tools/mount_loop.h"

#include "tests/test.h"

#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STUCK = 12, CLIENTS = 4, ASKED = 3000, NAP_US = 200000 };

// --- the one that serves -------------------------------------------------------------------------

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int stuck;
    bool released;
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

// Directories "d5", each with files: "wait" is answered after "go" was; the size of "count" is how many wait;
// the size of "n5" is 5. Waiting ones must be in directories of their own: libfuse before 3.17 cannot let the
// kernel have two look-ups in one directory.
static void server_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    (void)parent;
    long number = strtol(name + 1, NULL, 10);
    struct fuse_entry_param entry = {
        .ino = 2, .attr = {.st_mode = S_IFREG | 0600, .st_nlink = 1}, .attr_timeout = 60};
    if (name[0] == 'd') {
        entry.ino = 100 + (fuse_ino_t)number;
        entry.attr.st_mode = S_IFDIR | 0700;
    }
    if (name[0] == 'n') {
        entry.ino = 1000 + (fuse_ino_t)number;
        entry.attr.st_size = number;
    }
    pthread_mutex_lock(&server.mutex);
    if (strcmp(name, "count") == 0)
        entry.attr.st_size = server.stuck;
    server.released |= strcmp(name, "go") == 0;
    pthread_cond_broadcast(&server.changed);
    if (strcmp(name, "wait") == 0) {
        entry.ino = 3;
        server.stuck++;
        while (!server.released)
            pthread_cond_wait(&server.changed, &server.mutex);
    }
    pthread_mutex_unlock(&server.mutex);
    fuse_reply_entry(req, &entry);
}

static int serve(const char *directory, int ready)
{
    static const struct fuse_lowlevel_ops operations = {.lookup = server_lookup};
    char program[] = "test", *arguments[] = {program, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct fuse_session *session = fuse_session_new(&args, &operations, sizeof operations, NULL);
    if (!session || fuse_session_mount(session, directory) != 0 || fuse_set_signal_handlers(session) != 0 ||
        write(ready, "", 1) != 1)
        return 100;
    int result = loop_run(session, false);
    fuse_session_unmount(session);
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    return result;
}

// --- the one that asks ---------------------------------------------------------------------------

static char directory[64];
static pid_t child;

static int start(void **state)
{
    (void)state;
    int ready[2];
    char byte;
    child = 0;
    if (access("/dev/fuse", R_OK | W_OK) != 0)
        return 0; // each test skips
    snprintf(directory, sizeof directory, "/tmp/mount_loop_test.XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    child = fork();
    if (child == 0)
        _exit(serve(directory, ready[1]));
    assert_true(child > 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (child <= 0)
        return 0;
    kill(child, SIGKILL); // nobody is there if the test went well
    umount2(directory, MNT_DETACH);
    return rmdir(directory);
}

static void need_fuse(void)
{
    if (child == 0) {
        print_message("/dev/fuse cannot be used\n");
        skip();
    }
}

static long ask(int in, const char *format, int number)
{
    char leaf[32], name[128];
    struct stat st;
    snprintf(leaf, sizeof leaf, format, number);
    snprintf(name, sizeof name, "%s/d%d/%s", directory, in, leaf);
    return stat(name, &st) == 0 ? (long)st.st_size : -1;
}

static void expect_end(void)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    child = -1;
    assert_int_equal(rmdir(directory), 0);
}

static void end_by_unmount(void)
{
    assert_int_equal(umount2(directory, 0), 0);
    expect_end();
}

static void *ask_stuck(void *context)
{
    return ask(*(int *)context, "wait", 0) == 0 ? context : NULL;
}

static void stick(int count)
{
    pthread_t threads[STUCK];
    int numbers[STUCK];
    void *result;
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_stuck, &numbers[i]), 0);
    }
    while (ask(STUCK, "count", 0) < count)
        usleep(1000);
    assert_int_equal(ask(STUCK, "go", 0), 0);
    for (int i = 0; i < count; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
}

static void stuck_requests_do_not_stop_others(void **state)
{
    (void)state;
    need_fuse();
    stick(STUCK);
    assert_int_equal(ask(STUCK, "n%d", 7), 7);
    end_by_unmount();
}

static void *ask_many(void *context)
{
    int first = *(int *)context * ASKED;
    for (int i = first; i < first + ASKED; i++)
        if (ask(*(int *)context, "n%d", i) != i)
            return NULL;
    return context;
}

static void everybody_gets_the_right_answer(void **state)
{
    (void)state;
    need_fuse();
    pthread_t threads[CLIENTS];
    int numbers[CLIENTS];
    void *result;
    for (int i = 0; i < CLIENTS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &numbers[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    end_by_unmount();
}

// Long enough for the watch to sleep: then it must still notice who is stuck.
static void the_watch_wakes_up(void **state)
{
    (void)state;
    need_fuse();
    for (int i = 0; i < 3; i++) {
        usleep(NAP_US);
        assert_int_equal(ask(0, "n%d", i), i);
    }
    usleep(NAP_US);
    stick(1);
    end_by_unmount();
}

static void a_signal_ends_it(void **state)
{
    (void)state;
    need_fuse();
    assert_int_equal(ask(0, "n%d", 5), 5);
    assert_int_equal(kill(child, SIGTERM), 0);
    expect_end();
}

static void a_signal_ends_it_asleep(void **state)
{
    (void)state;
    need_fuse();
    usleep(NAP_US);
    assert_int_equal(kill(child, SIGTERM), 0);
    expect_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stuck_requests_do_not_stop_others, start, end),
        cmocka_unit_test_setup_teardown(everybody_gets_the_right_answer, start, end),
        cmocka_unit_test_setup_teardown(the_watch_wakes_up, start, end),
        cmocka_unit_test_setup_teardown(a_signal_ends_it, start, end),
        cmocka_unit_test_setup_teardown(a_signal_ends_it_asleep, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
