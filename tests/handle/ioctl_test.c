// SPDX-License-Identifier: Apache-2.0
// Control codes: names, the access their bits ask for, buffers, and who answers which kind of code.
#include "tests/handle/stack.h"

static void names_of_codes(void **state)
{
    (void)state;
    u32 code;
    assert_string_equal(hf_code_name(0x9c280), "FSCTL_SET_INTEGRITY_INFORMATION");
    assert_string_equal(hf_code_name(0x2d4800), "IOCTL_STORAGE_CHECK_VERIFY");
    assert_null(hf_code_name(0));
    assert_true(hf_code_from_name("IOCTL_STORAGE_CHECK_VERIFY2", &code));
    assert_int_equal(code, 0x2d0800);
    assert_true(hf_code_from_name("fsctl_get_reparse_point", &code));
    assert_int_equal(code, 0x900a8);
    assert_false(hf_code_from_name("FSCTL", &code));
    assert_false(hf_code_from_name(NULL, &code));
    assert_int_equal(code, 0);
}

// integrity 57, 58: the code asks for both rights.
static void integrity_057_058_access_bits(void **state)
{
    (void)state;
    hf_handle h;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = CHECKSUM_TYPE_UNCHANGED};
    static const struct {
        u32 access;
        nt_status status;
    } rows[] = {{FILE_READ_DATA, STATUS_ACCESS_DENIED},
                {FILE_WRITE_DATA, STATUS_ACCESS_DENIED},
                {FILE_READ_DATA | FILE_WRITE_DATA, STATUS_SUCCESS}};
    put("X:\\i", "");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_ok(stack_open("X:\\i", rows[i].access, 0, 0, &h));
        assert_int_equal(hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0, NULL),
                         rows[i].status);
        assert_ok(hf_close(h));
    }
    remove_name("X:\\i");
}

// storage 7
static void case_007_check_verify_access(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    assert_ok(stack_open("\\\\.\\X:", FILE_READ_ATTRIBUTES, 0, 0, &h));
    assert_status(hf_ioctl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 0, &done), STATUS_ACCESS_DENIED);
    assert_ok(hf_ioctl(h, IOCTL_STORAGE_CHECK_VERIFY2, NULL, 0, NULL, 0, &done));
    assert_ok(hf_close(h));
}

// storage 10
static void case_010_null_output(void **state)
{
    (void)state;
    hf_handle h;
    size_t done = 7;
    assert_ok(stack_open("\\\\.\\X:", GENERIC_READ, 0, 0, &h));
    assert_status(hf_ioctl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 4, &done), STATUS_ACCESS_VIOLATION);
    assert_int_equal(done, 0);
    assert_status(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, NULL, 4, NULL, 0, &done), STATUS_ACCESS_VIOLATION);
    u32 count = 99;
    assert_ok(hf_ioctl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, &count, 4, &done));
    assert_int_equal(done, 4);
    assert_int_equal(count, 0);
    assert_ok(hf_close(h));
}

static void who_answers(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    STORAGE_DEVICE_NUMBER number;
    put("X:\\f", "");
    assert_ok(stack_open("X:\\f", GENERIC_READ | GENERIC_WRITE, 0, 0, &h));
    assert_status(hf_ioctl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 0, &done), STATUS_INVALID_PARAMETER);
    assert_status(hf_ioctl(h, CTL_CODE(9, 0xfff, 0, 0), NULL, 0, NULL, 0, &done),
                  STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(hf_close(h));
    assert_ok(stack_open("\\\\.\\X:", GENERIC_READ, 0, 0, &h));
    assert_ok(hf_ioctl(h, FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, &done));
    assert_ok(hf_ioctl(h, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &number, sizeof number, &done));
    assert_int_equal(done, sizeof number);
    assert_int_equal(number.DeviceType, FILE_DEVICE_DISK);
    assert_int_equal(number.DeviceNumber, 0);
    assert_status(hf_ioctl(h, CTL_CODE(0x2d, 0xfff, 0, 0), NULL, 0, NULL, 0, &done),
                  STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(hf_close(h));
    remove_name("X:\\f");
}

// A warning brings its data, an error none; RP-082 and RP-083.
static void RP_082_083_lengths(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    u8 buffer[64];
    make_link("X:\\l", false, IO_REPARSE_TAG_SYMLINK, SYMLINK_FLAG_RELATIVE, "target");
    assert_ok(stack_open("X:\\l", READ_CONTROL, 0, FILE_OPEN_REPARSE_POINT, &h));
    assert_status(hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, buffer, 27, &done), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(done, 0);
    assert_status(hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, buffer, 28, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(done, 28);
    assert_ok(hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, buffer, sizeof buffer, &done));
    assert_int_equal(done, 48);
    assert_ok(hf_close(h));
    remove_name("X:\\l");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_codes),
        cmocka_unit_test(integrity_057_058_access_bits),
        cmocka_unit_test(case_007_check_verify_access),
        cmocka_unit_test(case_010_null_output),
        cmocka_unit_test(who_answers),
        cmocka_unit_test(RP_082_083_lengths),
    };
    return cmocka_run_group_tests_name("ioctl", tests, stack_setup, stack_teardown);
}
