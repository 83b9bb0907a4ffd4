// SPDX-License-Identifier: Apache-2.0
// What all drives have in common: names, buffers of the table, eject, load, lock, and a real image file
// swapped under a drive.
#include "tests/drive/lab.h"

#include <fcntl.h>
#include <unistd.h>

static nt_status removal(struct file_object *file, bool prevent)
{
    PREVENT_MEDIA_REMOVAL in = {.PreventMediaRemoval = prevent};
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL, .file = file};
    irp.p.control.code = IOCTL_STORAGE_MEDIA_REMOVAL;
    irp.p.control.in = &in;
    irp.p.control.in_length = sizeof in;
    nt_status status = dev_call(lab.device, &irp);
    assert_int_equal(irp.information, 0);
    return status;
}

static nt_status cleanup(struct file_object *file)
{
    struct irp irp = {.major = IRP_MJ_CLEANUP, .file = file};
    return dev_call(lab.device, &irp);
}

static void names_and_numbers(void **state)
{
    static const struct {
        enum drive_kind kind;
        const char *name;
        u32 type, partition;
    } rows[] = {{DRIVE_DISK, "PhysicalDrive3", 7, 0},
                {DRIVE_CDROM, "CdRom3", 2, UINT32_MAX},
                {DRIVE_TAPE, "Tape3", 0x1f, UINT32_MAX}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        STORAGE_DEVICE_NUMBER number;
        u64 information;
        lab_kind(rows[i].kind, true);
        assert_string_equal(lab.device->name, rows[i].name);
        assert_ok(
            lab_control(IOCTL_STORAGE_GET_DEVICE_NUMBER, 0, NULL, 0, &number, sizeof number, &information));
        assert_int_equal(information, 12);
        assert_int_equal(number.DeviceType, rows[i].type);
        assert_int_equal(number.DeviceNumber, 3);
        assert_int_equal(number.PartitionNumber, rows[i].partition);
        lab_end(state);
        lab_begin(state);
    }
}

static void case_069_prevented_eject(void **state)
{
    (void)state;
    lab_kind(DRIVE_DISK, true);
    assert_ok(removal(NULL, true));
    assert_status(lab_ask(IOCTL_STORAGE_EJECT_MEDIA, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(lab_check());
    assert_ok(removal(NULL, false));
    assert_ok(lab_ask(IOCTL_STORAGE_EJECT_MEDIA, NULL, 0));
    assert_status(lab_check(), STATUS_NO_MEDIA_IN_DEVICE);
    assert_int_equal(lab.events[DRIVE_EVENT_REMOVAL], 1);
}

static void case_071_unlock_without_lock(void **state)
{
    (void)state;
    lab_kind(DRIVE_DISK, true);
    assert_ok(removal(NULL, false));
    assert_int_equal(blk_sim_count(lab.blk, SIM_ALLOW), 0);
}

static void case_072_two_locks(void **state)
{
    (void)state;
    struct file_object a = {0}, b = {0};
    lab_kind(DRIVE_DISK, true);
    assert_ok(removal(&a, true));
    assert_ok(removal(&b, true));
    assert_ok(removal(&a, false));
    assert_int_equal(blk_sim_count(lab.blk, SIM_ALLOW), 0);
    assert_status(lab_ask(IOCTL_STORAGE_EJECT_MEDIA, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(removal(&b, false));
    assert_int_equal(blk_sim_count(lab.blk, SIM_ALLOW), 1);
    assert_ok(cleanup(&a));
    assert_ok(cleanup(&b));
    assert_int_equal(blk_sim_count(lab.blk, SIM_ALLOW), 1);
}

static void locks_outlive_their_handle(void **state)
{
    (void)state;
    struct file_object a = {0}, b = {0};
    lab_kind(DRIVE_DISK, true);
    assert_ok(removal(&a, true));
    assert_ok(cleanup(&a));
    assert_int_equal(blk_sim_count(lab.blk, SIM_ALLOW), 0);
    assert_ok(removal(&b, false));
    assert_int_equal(blk_sim_count(lab.blk, SIM_ALLOW), 1);
    assert_ok(lab_ask(IOCTL_STORAGE_EJECT_MEDIA, NULL, 0));
}

static void a_refused_lock_does_not_count(void **state)
{
    (void)state;
    struct file_object a = {0};
    lab_kind(DRIVE_DISK, true);
    blk_sim_fail(lab.blk, SIM_PREVENT, 1, (struct sense){.key = SENSE_ILLEGAL, .asc = 0x20});
    assert_status(removal(&a, true), STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(removal(&a, true));
    blk_sim_fail(lab.blk, SIM_ALLOW, 1, (struct sense){.key = SENSE_ILLEGAL, .asc = 0x20});
    assert_status(removal(&a, false), STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(removal(&a, false));
    assert_int_equal(blk_sim_count(lab.blk, SIM_ALLOW), 2);
}

static void locks_of_fixed_media_are_not_sent(void **state)
{
    (void)state;
    lab_kind(DRIVE_DISK, false);
    assert_ok(removal(NULL, true));
    assert_int_equal(blk_sim_count(lab.blk, SIM_PREVENT), 0);
    assert_status(lab_ask(IOCTL_STORAGE_MEDIA_REMOVAL, NULL, 0), STATUS_INFO_LENGTH_MISMATCH);
}

static void case_073_load_after_eject(void **state)
{
    (void)state;
    static const u32 codes[] = {IOCTL_STORAGE_LOAD_MEDIA, IOCTL_STORAGE_LOAD_MEDIA2};
    lab_kind(DRIVE_DISK, true);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_ok(lab_ask(IOCTL_STORAGE_EJECT_MEDIA, NULL, 0));
        assert_ok(lab_ask(codes[i], NULL, 0));
        assert_int_equal(blk_sim_count(lab.blk, SIM_LOAD), i + 1);
        assert_ok(lab_check()); // this drive says nothing of a load by the host
    }
    assert_ok(lab_ask(IOCTL_STORAGE_EJECT_MEDIA, NULL, 0));
    assert_status(lab_check(), STATUS_NO_MEDIA_IN_DEVICE);
    assert_ok(lab_ask(IOCTL_STORAGE_LOAD_MEDIA, NULL, 0));
    assert_status(lab_check(), STATUS_IO_DEVICE_ERROR); // seen empty, so it may be another one
    assert_ok(lab_check());
    assert_int_equal(drive_media_count(lab.device), 1);
}

static void case_080_short_buffers_of_the_table(void **state)
{
    (void)state;
    STORAGE_HOTPLUG_INFO hotplug;
    u8 out[16];
    u64 information;
    lab_kind(DRIVE_DISK, true);
    assert_status(lab_control(IOCTL_STORAGE_GET_DEVICE_NUMBER, 0, NULL, 0, out, 11, &information),
                  STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(information, 12);
    assert_status(lab_control(IOCTL_STORAGE_GET_HOTPLUG_INFO, 0, NULL, 0, out, 7, &information),
                  STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(information, 8);
    assert_ok(lab_ask(IOCTL_STORAGE_GET_HOTPLUG_INFO, &hotplug, sizeof hotplug));
    assert_int_equal(hotplug.Size, 8);
    assert_int_equal(hotplug.MediaRemovable, 1);
}

static void unknown_codes_are_refused(void **state)
{
    (void)state;
    u64 information;
    lab_kind(DRIVE_DISK, true);
    assert_status(lab_control(0xffffffff, 0, NULL, 0, NULL, 0, &information), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(information, 0);
    assert_status(lab_ask(0x2d1400, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(lab_ask(0, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
}

static void an_empty_drive_can_be_attached(void **state)
{
    (void)state;
    u32 first;
    struct device *volume;
    assert_ok(blk_sim_new(0, BLK_REMOVABLE, &lab.blk));
    lab_kind(DRIVE_DISK, true);
    assert_status(lab_check(), STATUS_NO_MEDIA_IN_DEVICE);
    assert_status(dev_mount(lab.device, &volume), STATUS_NO_MEDIA_IN_DEVICE);
    assert_ok(blk_sim_add_medium(lab.blk, LAB_SIZE, false, &first));
    blk_sim_insert(lab.blk, first, true);
    assert_status(lab_check(), STATUS_IO_DEVICE_ERROR);
    assert_ok(lab_check());
    assert_int_equal(lab.events[DRIVE_EVENT_ARRIVAL], 1);
    lab_mount();
}

// A mount is not the application that has to hear of a change: it goes on with the medium that is there.
static void a_change_before_the_mount_does_not_fail_it(void **state)
{
    (void)state;
    lab_kind(DRIVE_DISK, true);
    blk_sim_insert(lab.blk, 0, true);
    lab_mount();
    assert_int_equal(drive_media_count(lab.device), 1);
    assert_false(lab_marked());
}

static void fill(const char *path, char with)
{
    char block[4096];
    memset(block, with, sizeof block);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_int_equal(write(fd, block, sizeof block), sizeof block);
    close(fd);
}

static void an_image_file_swapped_under_a_drive(void **state)
{
    (void)state;
    char dir[] = "/tmp/drive_test.XXXXXX", image[64], other[64];
    u8 data[512];
    assert_non_null(mkdtemp(dir));
    snprintf(image, sizeof image, "%s/a", dir);
    snprintf(other, sizeof other, "%s/b", dir);
    fill(image, 'A');
    fill(other, 'B');
    assert_ok(blk_open(image, BLK_REMOVABLE, &lab.blk));
    assert_ok(drive_attach(lab.blk, &(struct drive_options){.removable = true}, &lab.device));
    struct device *volume;
    assert_ok(dev_mount(lab.device, &volume));
    dev_release(volume);
    assert_ok(lab_transfer(IRP_MJ_READ, 0, data, 512, 0));
    assert_int_equal(data[0], 'A');
    assert_int_equal(rename(other, image), 0);
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, 512, 0), STATUS_VERIFY_REQUIRED);
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, 512, 0), STATUS_VERIFY_REQUIRED);
    assert_ok(lab_transfer(IRP_MJ_READ, IRP_OVERRIDE_VERIFY, data, 512, 0));
    assert_int_equal(data[0], 'B');
    assert_ok(dev_verify(lab.device, 0));
    unlink(image);
    assert_status(lab_check(), STATUS_NO_MEDIA_IN_DEVICE);
    assert_status(dev_verify(lab.device, 0), STATUS_NO_MEDIA_IN_DEVICE);
    assert_true(lab_marked());
    fill(image, 'C');
    assert_ok(dev_verify(lab.device, 0));
    assert_false(lab_marked());
    assert_ok(lab_check());
    assert_int_equal(drive_media_count(lab.device), 2);
    unlink(image);
    rmdir(dir);
}

static void case_001_codes_and_layouts(void **state)
{
    (void)state;
    static const struct {
        u32 code, value;
    } codes[] = {{IOCTL_STORAGE_CHECK_VERIFY, 0x002d4800},
                 {IOCTL_STORAGE_CHECK_VERIFY2, 0x002d0800},
                 {IOCTL_DISK_CHECK_VERIFY, 0x00074800},
                 {IOCTL_CDROM_CHECK_VERIFY, 0x00024800},
                 {IOCTL_TAPE_CHECK_VERIFY, 0x001f4800},
                 {IOCTL_STORAGE_MEDIA_REMOVAL, 0x002d4804},
                 {IOCTL_DISK_MEDIA_REMOVAL, 0x00074804},
                 {IOCTL_STORAGE_EJECT_MEDIA, 0x002d4808},
                 {IOCTL_DISK_EJECT_MEDIA, 0x00074808},
                 {IOCTL_STORAGE_LOAD_MEDIA, 0x002d480c},
                 {IOCTL_DISK_LOAD_MEDIA, 0x0007480c},
                 {IOCTL_STORAGE_LOAD_MEDIA2, 0x002d080c},
                 {IOCTL_STORAGE_GET_HOTPLUG_INFO, 0x002d0c14},
                 {IOCTL_STORAGE_GET_DEVICE_NUMBER, 0x002d1080},
                 {IOCTL_DISK_GET_DRIVE_GEOMETRY, 0x00070000},
                 {IOCTL_DISK_IS_WRITABLE, 0x00070024},
                 {IOCTL_DISK_GET_LENGTH_INFO, 0x0007405c},
                 {IOCTL_DISK_INTERNAL_SET_VERIFY, 0x00070403},
                 {IOCTL_DISK_INTERNAL_CLEAR_VERIFY, 0x00070407},
                 {IOCTL_CDROM_GET_DRIVE_GEOMETRY, 0x0002404c},
                 {IOCTL_TAPE_GET_STATUS, 0x001f4024},
                 {FSCTL_LOCK_VOLUME, 0x00090018},
                 {FSCTL_UNLOCK_VOLUME, 0x0009001c},
                 {FSCTL_DISMOUNT_VOLUME, 0x00090020},
                 {FSCTL_IS_VOLUME_MOUNTED, 0x00090028}};
    for (u32 i = 0; i < ARRAY_LEN(codes); i++)
        assert_int_equal(codes[i].code, codes[i].value);
    assert_int_equal(sizeof(PREVENT_MEDIA_REMOVAL), 1);
    assert_int_equal(sizeof(STORAGE_DEVICE_NUMBER), 12);
    assert_int_equal(sizeof(STORAGE_HOTPLUG_INFO), 8);
    assert_int_equal(sizeof(GET_LENGTH_INFORMATION), 8);
    assert_int_equal(sizeof(HF_DISK_GEOMETRY), 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_001_codes_and_layouts),
        LAB_TEST(names_and_numbers),
        LAB_TEST(case_069_prevented_eject),
        LAB_TEST(case_071_unlock_without_lock),
        LAB_TEST(case_072_two_locks),
        LAB_TEST(locks_outlive_their_handle),
        LAB_TEST(a_refused_lock_does_not_count),
        LAB_TEST(locks_of_fixed_media_are_not_sent),
        LAB_TEST(case_073_load_after_eject),
        LAB_TEST(case_080_short_buffers_of_the_table),
        LAB_TEST(unknown_codes_are_refused),
        LAB_TEST(an_empty_drive_can_be_attached),
        LAB_TEST(a_change_before_the_mount_does_not_fail_it),
        LAB_TEST(an_image_file_swapped_under_a_drive),
    };
    return cmocka_run_group_tests_name("drive", tests, NULL, NULL);
}
