// SPDX-License-Identifier: Apache-2.0
// The check values of spec/integrity.md 2.8.
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "tests/test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/sum.h"

static void check_values(void **state)
{
    (void)state;
    assert_int_equal(sum_crc32c("123456789", 9), 0xE3069283);
    assert_true(sum_crc64("123456789", 9) == 0x995DC9BBDF1939FA);
}

static void zero_blocks(void **state)
{
    (void)state;
    static const u8 zeros[65536];
    assert_int_equal(sum_crc32c(zeros, 4096), 0x98F94189);
    assert_int_equal(sum_crc32c(zeros, 16384), 0x94640B85);
    assert_int_equal(sum_crc32c(zeros, 65536), 0x72C0C4A4);
    assert_true(sum_crc64(zeros, 4096) == 0x26D3D39425EAF0A5);
    assert_true(sum_crc64(zeros, 16384) == 0x0C8AE2138D0DB1A7);
    assert_true(sum_crc64(zeros, 65536) == 0x26AF09CA494F655E);
}

// Else the next SSE instruction of whoever asked for the sum costs as much as a third of the sum.
static void upper_halves_are_left_clean(void **state)
{
    (void)state;
#ifdef __x86_64__
    enum { OSXSAVE = 1 << 27, XGETBV_1 = 1 << 2, AVX_UPPER = 1 << 2 };
    unsigned a, b, c, d, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE) || !__get_cpuid_count(13, 1, &a, &b, &c, &d) ||
        !(a & XGETBV_1))
        return; // this processor does not tell
    static const u8 zeros[16384];
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            assert_int_equal(sum_crc32c(zeros, 4096), 0x98F94189);
        else
            assert_true(sum_crc64(zeros, 16384) == 0x0C8AE2138D0DB1A7);
        __asm__ volatile("xgetbv" : "=a"(a), "=d"(high) : "c"(1)); // what is in use
        assert_int_equal(a & AVX_UPPER, 0);
    }
#endif
}

// The sums themselves are assembly: one byte too much must be a finding all the same.
static void a_sanitizer_sees_what_is_summed(void **state)
{
    (void)state;
#if SUM_TELLS_SANITIZER
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            u8 *data = calloc(1, 100);
            (void)!freopen("/dev/null", "w", stderr);
            if (i == 0)
                (void)sum_crc32c(data, 101);
            else
                (void)sum_crc64(data, 101);
            _exit(0);
        }
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_false(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(check_values), cmocka_unit_test(zero_blocks),
                                       cmocka_unit_test(upper_halves_are_left_clean),
                                       cmocka_unit_test(a_sanitizer_sees_what_is_summed)};
    return cmocka_run_group_tests_name("sum", tests, NULL, NULL);
}
