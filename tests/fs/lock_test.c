// SPDX-License-Identifier: Apache-2.0
// Byte-range locks: who is in whose way, how they end, and waiting that can be cancelled.
#include "tests/test.h"

#include <sched.h>

#include "tests/fs/volume.h"

static struct volume v;
static struct file_object a, b;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    volume_put(&v, "f", "0123456789");
    assert_ok(volume_open(&v, &a, "f", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &b, "f", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(volume_close(&a));
    assert_ok(volume_close(&b));
    volume_free(&v);
    return 0;
}

struct request {
    struct file_object *file;
    enum irp_minor minor;
    u64 offset, length;
    u32 key;
    bool shared, wait;
    const _Atomic bool *cancel;
    nt_status status; // of a request that runs on its own thread
};

static nt_status send(const struct request *r)
{
    struct irp irp = {.major = IRP_MJ_LOCK_CONTROL, .minor = r->minor, .cancel = r->cancel};
    irp.p.lock.offset = r->offset;
    irp.p.lock.length = r->length;
    irp.p.lock.key = r->key;
    irp.p.lock.exclusive = !r->shared;
    irp.p.lock.fail_immediately = !r->wait;
    return volume_send(r->file, &irp);
}

#define LOCK(f, ...)   send(&(struct request){.file = (f), .minor = IRP_MN_LOCK, __VA_ARGS__})
#define UNLOCK(f, ...) send(&(struct request){.file = (f), .minor = IRP_MN_UNLOCK, __VA_ARGS__})

static void exclusive_bears_no_other(void **state)
{
    (void)state;
    assert_ok(LOCK(&a, .offset = 2, .length = 3));
    assert_status(LOCK(&b, .offset = 4, .length = 1), STATUS_LOCK_NOT_GRANTED);
    assert_status(LOCK(&b, .offset = 0, .length = 3, .shared = true), STATUS_LOCK_NOT_GRANTED);
    assert_status(LOCK(&a, .offset = 2, .length = 3), STATUS_LOCK_NOT_GRANTED);
    assert_ok(LOCK(&b, .offset = 0, .length = 2));
    assert_ok(LOCK(&b, .offset = 5, .length = UINT64_MAX - 4));
}

static void shared_locks_share_and_stop_writers(void **state)
{
    (void)state;
    char data[4];
    assert_ok(LOCK(&a, .offset = 0, .length = 4, .shared = true));
    assert_ok(LOCK(&b, .offset = 2, .length = 4, .shared = true));
    assert_status(LOCK(&b, .offset = 3, .length = 1), STATUS_LOCK_NOT_GRANTED);
    assert_ok(volume_read(&b, 0, data, 4, NULL));
    assert_status(volume_write(&b, 0, "x", 1), STATUS_FILE_LOCK_CONFLICT);
    assert_status(volume_write(&a, 0, "x", 1), STATUS_FILE_LOCK_CONFLICT); // its owner neither
}

static void unlock_needs_the_exact_lock(void **state)
{
    (void)state;
    assert_ok(LOCK(&a, .offset = 2, .length = 3, .key = 7));
    assert_status(UNLOCK(&a, .offset = 2, .length = 2, .key = 7), STATUS_RANGE_NOT_LOCKED);
    assert_status(UNLOCK(&a, .offset = 2, .length = 3), STATUS_RANGE_NOT_LOCKED);
    assert_status(UNLOCK(&b, .offset = 2, .length = 3, .key = 7), STATUS_RANGE_NOT_LOCKED);
    assert_ok(UNLOCK(&a, .offset = 2, .length = 3, .key = 7));
    assert_status(UNLOCK(&a, .offset = 2, .length = 3, .key = 7), STATUS_RANGE_NOT_LOCKED);
}

static void unlock_all_and_close_end_them(void **state)
{
    (void)state;
    assert_ok(LOCK(&a, .offset = 0, .length = 1));
    assert_ok(LOCK(&a, .offset = 1, .length = 1));
    assert_ok(LOCK(&b, .offset = 2, .length = 1));
    assert_ok(send(&(struct request){&a, .minor = IRP_MN_UNLOCK_ALL}));
    assert_ok(LOCK(&b, .offset = 0, .length = 2));
    assert_status(LOCK(&a, .offset = 2, .length = 1), STATUS_LOCK_NOT_GRANTED);
    assert_ok(volume_close(&b));
    assert_ok(LOCK(&a, .offset = 0, .length = 10));
}

static void bad_requests(void **state)
{
    (void)state;
    struct file_object root, attributes;
    assert_status(LOCK(&a, .offset = UINT64_MAX, .length = 2), STATUS_INVALID_LOCK_RANGE);
    assert_ok(LOCK(&a, .offset = UINT64_MAX, .length = 1));
    assert_ok(LOCK(&a, .offset = 5, .length = 0));
    assert_ok(LOCK(&b, .offset = 4, .length = 4)); // nothing was locked there
    assert_ok(volume_open(&v, &root, "", FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(LOCK(&root, .offset = 0, .length = 1), STATUS_INVALID_PARAMETER);
    assert_ok(volume_close(&root));
    assert_ok(volume_open(&v, &attributes, "f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_status(LOCK(&attributes, .offset = 20, .length = 1), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&attributes));
    assert_status(send(&(struct request){&a, .minor = IRP_MN_NONE}), STATUS_INVALID_DEVICE_REQUEST);
}

static void *run(void *argument)
{
    struct request *r = argument;
    r->status = send(r);
    return NULL;
}

static void a_waiter_gets_the_lock(void **state)
{
    (void)state;
    pthread_t thread;
    struct request wait = {&b, .minor = IRP_MN_LOCK, .length = 10, .wait = true};
    assert_ok(LOCK(&a, .length = 10));
    assert_int_equal(pthread_create(&thread, NULL, run, &wait), 0);
    sched_yield();
    // Whoever waits stops nobody else: this needs the volume exclusively in turn with it.
    volume_put(&v, "g", "other");
    assert_ok(UNLOCK(&a, .length = 10));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(wait.status);
    assert_status(LOCK(&a, .length = 1), STATUS_LOCK_NOT_GRANTED);
}

static void a_waiter_can_be_cancelled(void **state)
{
    (void)state;
    pthread_t thread;
    _Atomic bool cancel = false;
    struct request wait = {&b, .minor = IRP_MN_LOCK, .length = 10, .wait = true, .cancel = &cancel};
    assert_ok(LOCK(&a, .length = 10));
    assert_int_equal(pthread_create(&thread, NULL, run, &wait), 0);
    cancel = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_status(wait.status, STATUS_CANCELLED);
    assert_ok(UNLOCK(&a, .length = 10));
    assert_ok(LOCK(&a, .length = 10)); // the waiter left nothing behind
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(exclusive_bears_no_other),
        CASE(shared_locks_share_and_stop_writers),
        CASE(unlock_needs_the_exact_lock),
        CASE(unlock_all_and_close_end_them),
        CASE(bad_requests),
        CASE(a_waiter_gets_the_lock),
        CASE(a_waiter_can_be_cancelled),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
