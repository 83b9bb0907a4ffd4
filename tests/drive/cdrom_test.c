// SPDX-License-Identifier: Apache-2.0
// The CD-ROM driver.
#include "tests/drive/lab.h"

static void case_008_second_spelling_counts_too(void **state)
{
    (void)state;
    u8 out[4];
    u64 information;
    lab_kind(DRIVE_CDROM, true);
    assert_ok(lab_control(IOCTL_STORAGE_CHECK_VERIFY2, 0, NULL, 0, out, 4, &information));
    assert_int_equal(information, 4);
    assert_ok(lab_ask(IOCTL_CDROM_CHECK_VERIFY, NULL, 0));
}

static void geometry_of_a_cd(void **state)
{
    (void)state;
    static const u32 codes[] = {IOCTL_CDROM_GET_DRIVE_GEOMETRY, IOCTL_DISK_GET_DRIVE_GEOMETRY};
    lab_attach(&(struct drive_options){.kind = DRIVE_CDROM, .removable = true}, 64 * MIB);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        HF_DISK_GEOMETRY geometry;
        assert_ok(lab_ask(codes[i], &geometry, sizeof geometry));
        assert_int_equal(geometry.BytesPerSector, 2048);
        assert_int_equal(geometry.Cylinders, 16);
        assert_int_equal(geometry.MediaType, HF_MEDIA_TYPE_REMOVABLE);
    }
}

static void a_cd_is_never_written(void **state)
{
    (void)state;
    u8 data[2048] = {0};
    lab_kind(DRIVE_CDROM, true);
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, sizeof data, 0), STATUS_MEDIA_WRITE_PROTECTED);
    assert_ok(lab_transfer(IRP_MJ_READ, 0, data, sizeof data, 0));
    assert_status(lab_ask(IOCTL_DISK_IS_WRITABLE, NULL, 0), STATUS_MEDIA_WRITE_PROTECTED);
    assert_true(lab.device->characteristics & DEVICE_READ_ONLY);
}

static void what_only_a_disk_knows_is_refused(void **state)
{
    (void)state;
    lab_kind(DRIVE_CDROM, true);
    assert_status(lab_ask((u32)IOCTL_DISK_INTERNAL_SET_VERIFY, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(lab_ask(IOCTL_TAPE_GET_STATUS, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(case_008_second_spelling_counts_too),
        LAB_TEST(geometry_of_a_cd),
        LAB_TEST(a_cd_is_never_written),
        LAB_TEST(what_only_a_disk_knows_is_refused),
    };
    return cmocka_run_group_tests_name("cdrom", tests, NULL, NULL);
}
