// SPDX-License-Identifier: Apache-2.0
// Names, Win32 errors and errno of statuses; the error text; the trace ring.
#include "tests/test.h"

#include <errno.h>

#include "base/status.h"

static void names(void **state)
{
    (void)state;
    nt_status status;
    assert_string_equal(status_name(STATUS_DATA_CHECKSUM_ERROR), "STATUS_DATA_CHECKSUM_ERROR");
    assert_string_equal(status_name((nt_status)(int)0xC0FFEE00u), "STATUS_0xC0FFEE00");
    assert_true(status_from_name("STATUS_DISK_FULL", &status));
    assert_true(status == STATUS_DISK_FULL);
    assert_true(status_from_name("DISK_FULL", &status));
    assert_false(status_from_name("NO_SUCH", &status));
}

// The pairs of spec/integrity.md 3.10, spec/reparse.md 2.8 and spec/storage.md 2.9 that programs meet most.
static void win32_errors(void **state)
{
    (void)state;
    assert_int_equal(status_to_win32(STATUS_SUCCESS), 0);
    assert_int_equal(status_to_win32(STATUS_DATA_CHECKSUM_ERROR), 323);
    assert_int_equal(status_to_win32(STATUS_VERIFY_REQUIRED), 1110);
    assert_int_equal(status_to_win32(STATUS_WRONG_VOLUME), 34);
    assert_int_equal(status_to_win32(STATUS_NOT_A_REPARSE_POINT), 4390);
    assert_int_equal(status_to_win32(STATUS_PRIVILEGE_NOT_HELD), 1314);
    assert_int_equal(status_to_win32(STATUS_NO_SUCH_DEVICE), 433);
    assert_int_equal(status_to_win32((nt_status)(int)0xC0FFEE00u), 317);
}

static void errno_both_ways(void **state)
{
    (void)state;
    assert_int_equal(status_to_errno(STATUS_SUCCESS), 0);
    assert_int_equal(status_to_errno(STATUS_DATA_CHECKSUM_ERROR), EIO);
    assert_int_equal(status_to_errno(STATUS_NOT_A_REPARSE_POINT), ENODATA);
    assert_int_equal(status_to_errno(STATUS_NONEXISTENT_EA_ENTRY), ENODATA);
    assert_int_equal(status_to_errno(STATUS_NO_EAS_ON_FILE), ENODATA);
    assert_int_equal(status_to_errno(STATUS_EA_TOO_LARGE), E2BIG);
    assert_int_equal(status_to_errno(STATUS_OBJECT_NAME_INVALID), EILSEQ);
    assert_int_equal(status_to_errno(STATUS_FILE_INVALID), ESTALE);
    assert_int_equal(status_to_errno(STATUS_WRONG_VOLUME), ESTALE);
    assert_status(status_from_errno(ENOSPC), STATUS_DISK_FULL);
    assert_status(status_from_errno(EIO), STATUS_IO_DEVICE_ERROR);
    assert_status(status_from_errno(EBADMSG), STATUS_IO_DEVICE_ERROR);
}

static void severity(void **state)
{
    (void)state;
    assert_true(HF_STATUS_IS_ERROR(STATUS_ACCESS_DENIED));
    assert_true(HF_STATUS_IS_WARNING(STATUS_VERIFY_REQUIRED));
    assert_true(HF_STATUS_IS_WARNING(STATUS_DEVICE_BUSY));
    assert_false(HF_STATUS_IS_ERROR(STATUS_REPARSE));
}

// Wrong bytes, bytes that cannot be read now, and what tells of neither.
static void three_answers_of_a_medium(void **state)
{
    (void)state;
    static const nt_status damage[] = {STATUS_DISK_CORRUPT_ERROR, STATUS_FILE_CORRUPT_ERROR,
                                       STATUS_DATA_CHECKSUM_ERROR};
    static const nt_status unreadable[] = {STATUS_DEVICE_DATA_ERROR, STATUS_IO_DEVICE_ERROR,
                                           STATUS_DEVICE_HARDWARE_ERROR, STATUS_IO_TIMEOUT};
    static const nt_status neither[] = {
        STATUS_SUCCESS,      STATUS_NO_MEDIA_IN_DEVICE,     STATUS_VERIFY_REQUIRED,
        STATUS_WRONG_VOLUME, STATUS_INSUFFICIENT_RESOURCES, STATUS_NO_SUCH_FILE,
        STATUS_CANCELLED,    STATUS_MEDIA_WRITE_PROTECTED};
    for (size_t i = 0; i < ARRAY_LEN(damage); i++)
        assert_true(status_is_damage(damage[i]) && !status_is_unreadable(damage[i]));
    for (size_t i = 0; i < ARRAY_LEN(unreadable); i++)
        assert_true(!status_is_damage(unreadable[i]) && status_is_unreadable(unreadable[i]));
    for (size_t i = 0; i < ARRAY_LEN(neither); i++)
        assert_false(status_is_local(neither[i]));
}

static void error_text(void **state)
{
    (void)state;
    status_set_text("%s: %d", "file", 7);
    assert_string_equal(status_text(), "file: 7");
    status_clear_text();
    assert_string_equal(status_text(), "");
}

static void trace_keeps_failures(void **state)
{
    (void)state;
    static char out[65536];
    for (int i = 0; i < 300; i++)
        trace_request("test", (u32)i, i % 2 ? STATUS_ACCESS_DENIED : STATUS_SUCCESS, 0);
    size_t n = trace_dump(out, sizeof out);
    assert_int_equal(n, strlen(out));
    assert_non_null(strstr(out, "test 00000001 = STATUS_ACCESS_DENIED [0]\n"));
    assert_null(strstr(out, "test 00000002 "));
    assert_true(trace_dump(out, 100) < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(win32_errors),
        cmocka_unit_test(errno_both_ways),
        cmocka_unit_test(severity),
        cmocka_unit_test(error_text),
        cmocka_unit_test(three_answers_of_a_medium),
        cmocka_unit_test(trace_keeps_failures),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
