// SPDX-License-Identifier: Apache-2.0
// The check values of spec/integrity.md 2.8.
#include "tests/test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(check_values), cmocka_unit_test(zero_blocks)};
    return cmocka_run_group_tests_name("sum", tests, NULL, NULL);
}
