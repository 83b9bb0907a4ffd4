// SPDX-License-Identifier: Apache-2.0
// Background requests: every kind, hundreds at once, cancelling what waits, and waiting locks that must not
// starve the rest.
#include "tests/handle/stack.h"

#include <pthread.h>

struct waited {
    struct hf_request request;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done;
    nt_status status;
    size_t bytes;
};

static void on_complete(struct hf_request *request, nt_status status, size_t done)
{
    struct waited *w = request->context;
    SCOPE_LOCK(&w->mutex);
    assert_false(w->done);
    w->done = true;
    w->status = status;
    w->bytes = done;
    pthread_cond_signal(&w->changed);
}

static void submit(struct waited *w, struct hf_request request)
{
    *w = (struct waited){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    w->request = request;
    w->request.complete = on_complete;
    w->request.context = w;
    assert_status(hf_submit(&w->request), STATUS_PENDING);
}

static nt_status wait_for(struct waited *w)
{
    SCOPE_LOCK(&w->mutex);
    while (!w->done)
        pthread_cond_wait(&w->changed, &w->mutex);
    return w->status;
}

static hf_handle open_file(void)
{
    hf_handle h;
    assert_ok(stack_open("X:\\a", GENERIC_READ | GENERIC_WRITE, FILE_OPEN_IF, 0, &h));
    return h;
}

static void every_kind(void **state)
{
    (void)state;
    struct waited w;
    char data[8];
    hf_handle h = open_file();
    submit(&w, (struct hf_request){.kind = HF_REQUEST_WRITE, .handle = h, .in = "abcd", .in_length = 4});
    assert_ok(wait_for(&w));
    assert_int_equal(w.bytes, 4);
    submit(&w, (struct hf_request){.kind = HF_REQUEST_FLUSH, .handle = h});
    assert_ok(wait_for(&w));
    submit(&w, (struct hf_request){
                   .kind = HF_REQUEST_READ, .handle = h, .out = data, .out_length = 8, .offset = 1});
    assert_ok(wait_for(&w));
    assert_int_equal(w.bytes, 3);
    assert_memory_equal(data, "bcd", 3);
    submit(&w, (struct hf_request){
                   .kind = HF_REQUEST_READ, .handle = h, .out = data, .out_length = 8, .offset = 4});
    assert_status(wait_for(&w), STATUS_END_OF_FILE);
    submit(&w, (struct hf_request){.kind = HF_REQUEST_IOCTL,
                                   .handle = h,
                                   .code = FSCTL_GET_REPARSE_POINT,
                                   .out = data,
                                   .out_length = 8});
    assert_status(wait_for(&w), STATUS_NOT_A_REPARSE_POINT);
    submit(&w, (struct hf_request){.kind = HF_REQUEST_LOCK, .handle = h, .in_length = 1, .exclusive = true});
    assert_ok(wait_for(&w));
    assert_ok(hf_unlock(h, 0, 1));
    assert_ok(hf_close(h));
}

static void refusals(void **state)
{
    (void)state;
    hf_handle h = open_file();
    struct hf_request r = {.kind = HF_REQUEST_FLUSH, .handle = h};
    assert_status(hf_submit(NULL), STATUS_INVALID_PARAMETER);
    assert_status(hf_submit(&r), STATUS_INVALID_PARAMETER); // nobody to tell
    r.complete = on_complete;
    r.kind = (enum hf_request_kind)99;
    assert_status(hf_submit(&r), STATUS_INVALID_PARAMETER);
    assert_ok(hf_cancel(h)); // nothing to cancel
    assert_ok(hf_close(h));
}

static void hundreds_at_once(void **state)
{
    (void)state;
    enum { N = 300 };
    static struct waited writes[N];
    static u32 values[N], back[N];
    hf_handle h = open_file();
    for (u32 i = 0; i < N; i++) {
        values[i] = i * 31 + 7;
        submit(&writes[i], (struct hf_request){.kind = HF_REQUEST_WRITE,
                                               .handle = h,
                                               .in = &values[i],
                                               .in_length = 4,
                                               .offset = 4 * (u64)i});
    }
    for (u32 i = 0; i < N; i++)
        assert_ok(wait_for(&writes[i]));
    assert_ok(hf_read(h, 0, back, sizeof back, NULL));
    assert_memory_equal(back, values, sizeof back);
    assert_ok(hf_close(h));
}

// More waiting locks than there are threads: a write still goes through, and the unlock lets the locks
// through.
static void waiting_locks_do_not_starve_others(void **state)
{
    (void)state;
    enum { N = 100 };
    static struct waited locks[N];
    struct waited w;
    hf_handle holder = open_file(), h = open_file();
    assert_ok(hf_lock(holder, 1000, 1, true, false));
    for (u32 i = 0; i < N; i++)
        submit(&locks[i],
               (struct hf_request){.kind = HF_REQUEST_LOCK, .handle = h, .offset = 1000, .in_length = 1});
    submit(&w, (struct hf_request){.kind = HF_REQUEST_WRITE, .handle = h, .in = "x", .in_length = 1});
    assert_ok(wait_for(&w));
    for (u32 i = 0; i < N; i++)
        assert_false(locks[i].done);
    assert_ok(hf_unlock(holder, 1000, 1));
    for (u32 i = 0; i < N; i++)
        assert_ok(wait_for(&locks[i]));
    assert_ok(hf_close(h));
    assert_ok(hf_close(holder));
}

static void cancel_ends_what_waits(void **state)
{
    (void)state;
    enum { N = 100 };
    static struct waited locks[N];
    hf_handle holder = open_file(), h = open_file(), other = open_file();
    struct waited others;
    assert_ok(hf_lock(holder, 0, 1, true, false));
    submit(&others, (struct hf_request){.kind = HF_REQUEST_LOCK, .handle = other, .in_length = 1});
    for (u32 i = 0; i < N; i++)
        submit(&locks[i], (struct hf_request){.kind = HF_REQUEST_LOCK, .handle = h, .in_length = 1});
    assert_ok(hf_cancel(h));
    for (u32 i = 0; i < N; i++)
        assert_status(wait_for(&locks[i]), STATUS_CANCELLED);
    assert_false(others.done);
    assert_ok(hf_close(other)); // a close cancels too
    assert_status(wait_for(&others), STATUS_CANCELLED);
    assert_ok(hf_close(h));
    assert_ok(hf_close(holder));
}

static void close_in_complete(struct hf_request *request, nt_status status, size_t done)
{
    nt_status closed = hf_close(request->handle);
    on_complete(request, status == STATUS_SUCCESS ? closed : status, done);
}

static void completion_may_close(void **state)
{
    (void)state;
    struct waited w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    w.request = (struct hf_request){
        .kind = HF_REQUEST_FLUSH, .handle = open_file(), .complete = close_in_complete, .context = &w};
    assert_status(hf_submit(&w.request), STATUS_PENDING);
    assert_ok(wait_for(&w));
    remove_name("X:\\a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),
        cmocka_unit_test(refusals),
        cmocka_unit_test(hundreds_at_once),
        cmocka_unit_test(waiting_locks_do_not_starve_others),
        cmocka_unit_test(cancel_ends_what_waits),
        cmocka_unit_test(completion_may_close),
    };
    return cmocka_run_group_tests_name("async", tests, stack_setup, stack_teardown);
}
