// SPDX-License-Identifier: Apache-2.0
// Byte order, alignment, the clock.
#include "tests/test.h"

#include <time.h>

#include "base/base.h"

static void little_endian(void **state)
{
    (void)state;
    le32 v = to_le32(0x11223344);
    assert_int_equal(v.b[0], 0x44);
    assert_int_equal(v.b[3], 0x11);
    assert_int_equal(from_le32(v), 0x11223344);
    u8 key[8];
    put_be64(key, 0x0102030405060708);
    assert_int_equal(key[0], 1);
    assert_int_equal(get_be64(key), 0x0102030405060708);
}

static void alignment(void **state)
{
    (void)state;
    assert_int_equal(align_up(1, 4096), 4096);
    assert_int_equal(align_up(4096, 4096), 4096);
    assert_int_equal(align_down(8191, 4096), 4096);
    assert_true(is_aligned(65536, 16384));
    assert_false(is_aligned(65537, 16384));
}

static void clock_counts_from_1601(void **state)
{
    (void)state;
    u64 seconds = (time_now() - TIME_UNIX_EPOCH) / 10000000;
    assert_in_range(seconds, (u64)time(NULL) - 2, (u64)time(NULL) + 2);
}

#ifdef HOLDFAST_DEBUG
static void *ask(void *m)
{
    return (void *)base_mutex_is_held(m);
}

static void only_the_owner_holds_a_mutex(void **state)
{
    (void)state;
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_t other;
    void *held;
    assert_false(base_mutex_is_held(&m));
    pthread_mutex_lock(&m);
    ASSERT_HELD(&m);
    assert_int_equal(pthread_create(&other, NULL, ask, &m), 0);
    pthread_join(other, &held);
    assert_null(held);
    pthread_mutex_unlock(&m);
    assert_false(base_mutex_is_held(&m));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef HOLDFAST_DEBUG
        cmocka_unit_test(only_the_owner_holds_a_mutex),
#endif
        cmocka_unit_test(little_endian),
        cmocka_unit_test(alignment),
        cmocka_unit_test(clock_counts_from_1601),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
