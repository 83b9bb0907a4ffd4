// SPDX-License-Identifier: Apache-2.0
// The disk driver's control codes: buffers, aliases, answers. Cases of spec/storage.md 5 by number.
#include "tests/drive/lab.h"

static void case_002_no_buffer(void **state)
{
    (void)state;
    u64 information;
    lab_kind(DRIVE_DISK, true);
    LAB_EXPECT(lab_control(IOCTL_STORAGE_CHECK_VERIFY, 0, NULL, 0, NULL, 0, &information), STATUS_SUCCESS, 1,
               0, false);
    assert_int_equal(information, 0);
}

static void case_003_count_in_the_buffer(void **state)
{
    (void)state;
    u8 out[4] = {0xff, 0xff, 0xff, 0xff};
    u64 information;
    lab_kind(DRIVE_DISK, true);
    drive_of(lab.device)->count = 0x01020304;
    assert_ok(lab_control(IOCTL_STORAGE_CHECK_VERIFY, 0, NULL, 0, out, 4, &information));
    assert_int_equal(information, 4);
    assert_memory_equal(out, "\x04\x03\x02\x01", 4);
}

static void case_004_no_more_than_four_bytes(void **state)
{
    (void)state;
    u8 out[8];
    u64 information;
    memset(out, 0xaa, sizeof out);
    lab_kind(DRIVE_DISK, true);
    assert_ok(lab_control(IOCTL_STORAGE_CHECK_VERIFY, 0, NULL, 0, out, 8, &information));
    assert_int_equal(information, 4);
    assert_memory_equal(out, "\0\0\0\0\xaa\xaa\xaa\xaa", 8);
}

static void case_005_short_buffers(void **state)
{
    (void)state;
    u8 out[4] = {0xaa, 0xaa, 0xaa, 0xaa};
    u64 information;
    lab_kind(DRIVE_DISK, true);
    lab_mount();
    lab_next(6, 0x28, 0);
    for (size_t length = 1; length <= 3; length++) {
        assert_status(lab_control(IOCTL_STORAGE_CHECK_VERIFY, 0, NULL, 0, out, length, &information),
                      STATUS_BUFFER_TOO_SMALL);
        assert_int_equal(information, 0);
    }
    assert_memory_equal(out, "\xaa\xaa\xaa\xaa", 4);
    assert_int_equal(lab_readies(), 0);
    assert_int_equal(drive_media_count(lab.device), 0);
    assert_false(lab_marked());
    assert_int_equal(blk_sim_answers_left(lab.blk), 1);
}

static void case_006_older_names(void **state)
{
    (void)state;
    static const u32 codes[] = {IOCTL_DISK_CHECK_VERIFY, IOCTL_CDROM_CHECK_VERIFY, IOCTL_TAPE_CHECK_VERIFY};
    u8 out[4];
    u64 information;
    lab_kind(DRIVE_DISK, true);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        LAB_EXPECT(lab_ask(codes[i], NULL, 0), STATUS_SUCCESS, 1, 0, false);
        assert_ok(lab_control(codes[i], 0, NULL, 0, out, 4, &information));
        assert_int_equal(information, 4);
        assert_status(lab_ask(codes[i], out, 2), STATUS_BUFFER_TOO_SMALL);
        lab_readies();
    }
    assert_ok(lab_ask(IOCTL_DISK_EJECT_MEDIA, NULL, 0));
    assert_ok(lab_ask(IOCTL_DISK_LOAD_MEDIA, NULL, 0));
    assert_int_equal(blk_sim_count(lab.blk, SIM_EJECT), 1);
    assert_int_equal(blk_sim_count(lab.blk, SIM_LOAD), 1);
}

static void case_008_second_spelling(void **state)
{
    (void)state;
    u8 out[4];
    u64 information;
    lab_kind(DRIVE_DISK, true);
    assert_ok(lab_control(IOCTL_STORAGE_CHECK_VERIFY2, 0, NULL, 0, out, 4, &information));
    assert_int_equal(information, 4);
}

static void case_009_input_is_ignored(void **state)
{
    (void)state;
    u8 in[16] = {1, 2, 3};
    lab_kind(DRIVE_DISK, true);
    assert_ok(lab_control(IOCTL_STORAGE_CHECK_VERIFY, 0, in, sizeof in, NULL, 0, NULL));
}

static void case_068_internal_set_verify(void **state)
{
    (void)state;
    struct file_object file = {0};
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL, .file = &file};
    lab_kind(DRIVE_DISK, true);
    lab_mount();
    irp.p.control.code = (u32)IOCTL_DISK_INTERNAL_SET_VERIFY;
    assert_status(dev_call(lab.device, &irp), STATUS_NOT_SUPPORTED);
    assert_false(lab_marked());
    assert_ok(lab_ask((u32)IOCTL_DISK_INTERNAL_SET_VERIFY, NULL, 0));
    assert_true(lab_marked());
    irp.p.control.code = (u32)IOCTL_DISK_INTERNAL_CLEAR_VERIFY;
    assert_status(dev_call(lab.device, &irp), STATUS_NOT_SUPPORTED);
    assert_true(lab_marked());
    assert_ok(lab_ask((u32)IOCTL_DISK_INTERNAL_CLEAR_VERIFY, NULL, 0));
    assert_false(lab_marked());
}

static void case_078_is_writable(void **state)
{
    (void)state;
    u32 locked;
    lab_kind(DRIVE_DISK, true);
    assert_ok(lab_ask(IOCTL_DISK_IS_WRITABLE, NULL, 0));
    assert_ok(blk_sim_add_medium(lab.blk, LAB_SIZE, true, &locked));
    blk_sim_insert(lab.blk, locked, true);
    assert_status(lab_ask(IOCTL_DISK_IS_WRITABLE, NULL, 0), STATUS_MEDIA_WRITE_PROTECTED);
    assert_int_equal(drive_media_count(lab.device), 1);
}

static void case_079_size_after_a_swap(void **state)
{
    (void)state;
    GET_LENGTH_INFORMATION length;
    HF_DISK_GEOMETRY geometry;
    u32 smaller;
    u64 information;
    lab_attach(&(struct drive_options){.removable = true}, 64 * MIB);
    assert_ok(blk_sim_add_medium(lab.blk, 32 * MIB, false, &smaller));
    assert_ok(lab_control(IOCTL_DISK_GET_LENGTH_INFO, 0, NULL, 0, &length, sizeof length, &information));
    assert_int_equal(length.Length, 64 * MIB);
    assert_int_equal(information, 8);
    assert_status(lab_ask(IOCTL_DISK_GET_LENGTH_INFO, &length, 7), STATUS_BUFFER_TOO_SMALL);
    blk_sim_insert(lab.blk, smaller, true);
    assert_ok(lab_ask(IOCTL_DISK_GET_LENGTH_INFO, &length, sizeof length));
    assert_int_equal(length.Length, 32 * MIB);
    assert_ok(
        lab_control(IOCTL_DISK_GET_DRIVE_GEOMETRY, 0, NULL, 0, &geometry, sizeof geometry, &information));
    assert_int_equal(information, 24);
    assert_int_equal(geometry.MediaType, HF_MEDIA_TYPE_REMOVABLE);
    assert_int_equal(geometry.BytesPerSector, 512);
    assert_int_equal(geometry.Cylinders, 32 * MIB / (255 * 63 * 512));
    blk_sim_remove(lab.blk);
    assert_status(lab_ask(IOCTL_DISK_GET_LENGTH_INFO, &length, sizeof length), STATUS_NO_MEDIA_IN_DEVICE);
    assert_status(lab_ask(IOCTL_DISK_GET_DRIVE_GEOMETRY, &geometry, sizeof geometry),
                  STATUS_NO_MEDIA_IN_DEVICE);
}

static void a_fixed_disk_does_not_ask_the_device_for_its_size(void **state)
{
    (void)state;
    HF_DISK_GEOMETRY geometry;
    lab_kind(DRIVE_DISK, false);
    assert_ok(lab_ask(IOCTL_DISK_GET_DRIVE_GEOMETRY, &geometry, sizeof geometry));
    assert_int_equal(geometry.MediaType, HF_MEDIA_TYPE_FIXED);
    assert_int_equal(lab_readies(), 0);
    assert_status(lab_ask(IOCTL_STORAGE_EJECT_MEDIA, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
}

static void reads_and_writes(void **state)
{
    (void)state;
    u8 data[1024], a[100], b[924];
    lab_kind(DRIVE_DISK, true);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (u8)i;
    assert_ok(lab_transfer(IRP_MJ_WRITE, 0, data, sizeof data, 4096));
    struct iovec iov[] = {{a, sizeof a}, {b, sizeof b}};
    struct irp irp = {.major = IRP_MJ_READ};
    irp.p.read.iov = iov;
    irp.p.read.iov_count = 2;
    irp.p.read.length = sizeof data;
    irp.p.read.offset = 4096;
    assert_ok(dev_call(lab.device, &irp));
    assert_int_equal(irp.information, sizeof data);
    assert_memory_equal(a, data, sizeof a);
    assert_memory_equal(b, data + sizeof a, sizeof b);
    struct blk *stack;
    assert_ok(dev_as_blk(lab.device, &stack));
    assert_int_equal(stack->size, LAB_SIZE);
    assert_ok(blk_pread(stack, b, sizeof b, 4096, NULL));
    assert_memory_equal(b, data, sizeof b);
    assert_ok(blk_flush(stack, NULL));
    assert_int_equal(blk_sim_count(lab.blk, SIM_FLUSH), 1);
    blk_close(stack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(case_002_no_buffer),
        LAB_TEST(case_003_count_in_the_buffer),
        LAB_TEST(case_004_no_more_than_four_bytes),
        LAB_TEST(case_005_short_buffers),
        LAB_TEST(case_006_older_names),
        LAB_TEST(case_008_second_spelling),
        LAB_TEST(case_009_input_is_ignored),
        LAB_TEST(case_068_internal_set_verify),
        LAB_TEST(case_078_is_writable),
        LAB_TEST(case_079_size_after_a_swap),
        LAB_TEST(a_fixed_disk_does_not_ask_the_device_for_its_size),
        LAB_TEST(reads_and_writes),
    };
    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
