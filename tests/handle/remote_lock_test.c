// SPDX-License-Identifier: Apache-2.0
// Windows' byte-range locks made of the kernel's: two open files of one ordinary file stand for two handles.
#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "handle/handle.h"

static char path[] = "/tmp/holdfast-lock-XXXXXX";
static int a, b;
static struct range_locks la, lb;

static int setup(void **state)
{
    (void)state;
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    a = mkstemp(path);
    b = open(path, O_RDWR | O_CLOEXEC);
    assert_true(a >= 0 && b >= 0);
    pthread_mutex_init(&la.mutex, NULL);
    pthread_mutex_init(&lb.mutex, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remote_unlock_all(&la, a);
    remote_unlock_all(&lb, b);
    close(a);
    close(b);
    unlink(path);
    return 0;
}

static void exclusive(void **state)
{
    (void)state;
    assert_ok(remote_lock(&la, a, 10, 10, true));
    assert_status(remote_lock(&lb, b, 19, 1, false), STATUS_LOCK_NOT_GRANTED);
    assert_status(remote_lock(&la, a, 19, 1, true), STATUS_LOCK_NOT_GRANTED); // its owner neither
    assert_ok(remote_lock(&lb, b, 20, 1, true));
    assert_status(remote_lock_check(&lb, b, 0, 11, false), STATUS_FILE_LOCK_CONFLICT);
    assert_status(remote_lock_check(&lb, b, 0, 11, true), STATUS_FILE_LOCK_CONFLICT);
    assert_ok(remote_lock_check(&lb, b, 0, 10, true));
    assert_ok(remote_lock_check(&la, a, 0, 20, true));
    assert_status(remote_unlock(&la, a, 10, 9), STATUS_RANGE_NOT_LOCKED);
    assert_status(remote_unlock(&lb, b, 10, 10), STATUS_RANGE_NOT_LOCKED);
    assert_ok(remote_unlock(&la, a, 10, 10));
    assert_status(remote_unlock(&la, a, 10, 10), STATUS_RANGE_NOT_LOCKED);
    assert_ok(remote_lock(&lb, b, 10, 10, true));
}

static void shared(void **state)
{
    (void)state;
    assert_ok(remote_lock(&la, a, 0, 30, false));
    assert_ok(remote_lock(&la, a, 10, 10, false)); // over the first
    assert_ok(remote_lock(&lb, b, 0, 5, false));
    assert_status(remote_lock(&lb, b, 29, 1, true), STATUS_LOCK_NOT_GRANTED);
    assert_ok(remote_lock_check(&lb, b, 0, 30, false));
    assert_status(remote_lock_check(&la, a, 29, 1, true), STATUS_FILE_LOCK_CONFLICT);
    // What lies below a lock that goes is still locked, and no more than that.
    assert_ok(remote_unlock(&la, a, 0, 30));
    assert_ok(remote_lock_check(&lb, b, 5, 5, true));
    assert_status(remote_lock_check(&lb, b, 9, 2, true), STATUS_FILE_LOCK_CONFLICT);
    assert_status(remote_lock_check(&lb, b, 19, 1, true), STATUS_FILE_LOCK_CONFLICT);
    assert_ok(remote_lock_check(&lb, b, 20, 100, true));
}

static void odd_ranges(void **state)
{
    (void)state;
    assert_ok(remote_lock(&la, a, 5, 0, true)); // nothing, but it must be given back
    assert_ok(remote_lock_check(&lb, b, 0, 10, true));
    assert_ok(remote_unlock(&la, a, 5, 0));
    assert_ok(remote_lock(&la, a, INT64_MAX - 1, 100, true));
    assert_status(remote_lock(&lb, b, INT64_MAX - 1, 1, true), STATUS_LOCK_NOT_GRANTED);
    assert_ok(remote_lock(&la, a, UINT64_MAX - 10, 10, true)); // beyond what the kernel counts
    assert_status(remote_lock(&la, a, UINT64_MAX - 10, 11, true), STATUS_INVALID_LOCK_RANGE);
    remote_unlock_all(&la, a);
    assert_ok(remote_lock(&lb, b, INT64_MAX - 1, 1, true));
}

static void only_what_is_open_for_it(void **state)
{
    (void)state;
    int r = open(path, O_RDONLY | O_CLOEXEC);
    struct range_locks locks = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    assert_status(remote_lock(&locks, r, 0, 1, true), STATUS_ACCESS_DENIED);
    assert_ok(remote_lock(&locks, r, 0, 1, false));
    assert_status(remote_lock_check(&la, a, 0, 1, true), STATUS_FILE_LOCK_CONFLICT);
    remote_unlock_all(&locks, r);
    assert_ok(remote_lock_check(&la, a, 0, 1, true));
    close(r);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(exclusive),
        CASE(shared),
        CASE(odd_ranges),
        CASE(only_what_is_open_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
