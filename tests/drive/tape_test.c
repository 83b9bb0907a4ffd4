// SPDX-License-Identifier: Apache-2.0
// The tape driver: cases 83 to 86 of spec/storage.md 5.
#include "tests/drive/lab.h"

static void case_083_any_buffer_is_left_alone(void **state)
{
    (void)state;
    u8 out[8];
    lab_kind(DRIVE_TAPE, true);
    memset(out, 0xaa, sizeof out);
    for (size_t length = 0; length <= sizeof out; length++) {
        u64 information;
        assert_ok(lab_control(IOCTL_STORAGE_CHECK_VERIFY, 0, NULL, 0, out, length, &information));
        assert_int_equal(information, 0);
        assert_memory_equal(out, "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa", 8);
    }
    assert_ok(lab_ask(IOCTL_TAPE_CHECK_VERIFY, NULL, 0));
}

static void case_084_unit_attention_once(void **state)
{
    (void)state;
    lab_kind(DRIVE_TAPE, true);
    lab_next(6, 0x28, 0);
    assert_status(lab_check(), STATUS_VERIFY_REQUIRED);
    assert_int_equal(lab_readies(), 1);
    assert_false(lab_marked());
    assert_ok(lab_check());
    lab_next(6, 0x29, 0);
    assert_status(lab_check(), STATUS_VERIFY_REQUIRED);
    assert_ok(lab_check());
}

static void case_085_no_medium(void **state)
{
    (void)state;
    lab_kind(DRIVE_TAPE, true);
    lab_next(2, 0x3a, 0);
    assert_status(lab_check(), STATUS_NO_MEDIA);
    lab_next(2, 0x3a, 0);
    assert_status(lab_ask(IOCTL_TAPE_GET_STATUS, NULL, 0), STATUS_NO_MEDIA);
}

static void case_086_get_status(void **state)
{
    (void)state;
    u32 other;
    lab_kind(DRIVE_TAPE, true);
    assert_ok(lab_ask(IOCTL_TAPE_GET_STATUS, NULL, 0));
    assert_ok(blk_sim_add_medium(lab.blk, LAB_SIZE, false, &other));
    blk_sim_insert(lab.blk, other, true);
    assert_status(lab_ask(IOCTL_TAPE_GET_STATUS, NULL, 0), STATUS_VERIFY_REQUIRED);
    assert_ok(lab_ask(IOCTL_TAPE_GET_STATUS, NULL, 0));
    lab_next(6, 0x29, 0);
    assert_status(lab_ask(IOCTL_TAPE_GET_STATUS, NULL, 0), STATUS_BUS_RESET);
    assert_ok(lab_ask(IOCTL_TAPE_GET_STATUS, NULL, 0));
}

static void a_tape_has_no_data_path_yet(void **state)
{
    (void)state;
    u8 data[512];
    lab_kind(DRIVE_TAPE, true);
    assert_status(lab_transfer(IRP_MJ_READ, 0, data, 512, 0), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(lab_ask(IOCTL_DISK_GET_LENGTH_INFO, data, 8), STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(lab_ask(IOCTL_STORAGE_EJECT_MEDIA, NULL, 0));
    assert_status(lab_check(), STATUS_NO_MEDIA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(case_083_any_buffer_is_left_alone),
        LAB_TEST(case_084_unit_attention_once),
        LAB_TEST(case_085_no_medium),
        LAB_TEST(case_086_get_status),
        LAB_TEST(a_tape_has_no_data_path_yet),
    };
    return cmocka_run_group_tests_name("tape", tests, NULL, NULL);
}
