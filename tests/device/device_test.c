// SPDX-License-Identifier: Apache-2.0
// Device objects, mounting by taste, verify, and a stack as a block device, with a made-up disk driver below
// and two made-up file systems above.
#include "tests/test.h"

#include <holdfast/winioctl.h>

#include "device/device.h"

enum { SIZE = 8192 };

// The disk: a byte array and what it was asked.
static struct disk {
    u8 bytes[SIZE];
    bool readonly;
    nt_status ready; // answer to CHECK_VERIFY
    u32 last_flags;
    u32 calls;
    int destroyed;
} disk;

static nt_status disk_control(struct device *device, struct irp *irp)
{
    (void)device;
    switch (irp->p.control.code) {
    case IOCTL_DISK_GET_LENGTH_INFO:
        ((GET_LENGTH_INFORMATION *)irp->p.control.out)->Length = SIZE;
        return STATUS_SUCCESS;
    case IOCTL_DISK_GET_DRIVE_GEOMETRY:
        *(HF_DISK_GEOMETRY *)irp->p.control.out = (HF_DISK_GEOMETRY){.BytesPerSector = 2048};
        return STATUS_SUCCESS;
    case IOCTL_DISK_IS_WRITABLE:
        return disk.readonly ? STATUS_MEDIA_WRITE_PROTECTED : STATUS_SUCCESS;
    case IOCTL_STORAGE_CHECK_VERIFY:
        return disk.ready;
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}

static nt_status disk_transfer(struct device *device, struct irp *irp)
{
    (void)device;
    disk.calls++;
    disk.last_flags = irp->flags;
    size_t total = 0;
    for (int i = 0; i < irp->p.read.iov_count; i++) {
        const struct iovec *v = &irp->p.read.iov[i];
        u8 *at = disk.bytes + irp->p.read.offset + total;
        memcpy(irp->major == IRP_MJ_READ ? v->iov_base : at, irp->major == IRP_MJ_READ ? at : v->iov_base,
               v->iov_len);
        total += v->iov_len;
    }
    assert_int_equal(total, irp->p.read.length);
    irp->information = total;
    return STATUS_SUCCESS;
}

static nt_status disk_flush(struct device *device, struct irp *irp)
{
    (void)device;
    disk.calls++;
    disk.last_flags = irp->flags;
    return STATUS_SUCCESS;
}

static void disk_destroy(struct device *device)
{
    (void)device;
    disk.destroyed++;
}

static const struct driver disk_driver = {
    .name = "disk",
    .dispatch = {[IRP_MJ_READ] = disk_transfer,
                 [IRP_MJ_WRITE] = disk_transfer,
                 [IRP_MJ_FLUSH_BUFFERS] = disk_flush,
                 [IRP_MJ_DEVICE_CONTROL] = disk_control},
    .destroy = disk_destroy,
};

// Two file systems: each knows media whose first byte is its letter.
static struct fs {
    char letter;
    int tastes, verifies;
    nt_status taste, verify; // SUCCESS: as the first byte says
    struct device *volume;
    void (*meanwhile)(struct device *real); // happens while it looks
} fs_a = {.letter = 'A'}, fs_b = {.letter = 'B'};

static nt_status fs_mount(struct fs *fs, const struct driver *driver, struct irp *irp)
{
    struct device *real = irp->p.mount.real;
    fs->tastes++;
    assert_true(irp->flags & IRP_OVERRIDE_VERIFY);
    if (fs->meanwhile)
        fs->meanwhile(real);
    if (fs->taste != STATUS_SUCCESS)
        return fs->taste;
    if (disk.bytes[0] != fs->letter)
        return STATUS_UNRECOGNIZED_VOLUME;
    TRY(dev_new(driver, real->name, real->type, 0, &fs->volume));
    fs->volume->lower = real;
    SCOPE_LOCK(&real->mutex);
    real->vpb->volume = fs->volume;
    real->vpb->flags |= VPB_MOUNTED;
    return STATUS_SUCCESS;
}

static nt_status fs_verify(struct fs *fs, struct irp *irp)
{
    fs->verifies++;
    assert_true(irp->flags & IRP_OVERRIDE_VERIFY);
    if (fs->meanwhile)
        fs->meanwhile(irp->p.mount.real);
    if (fs->verify != STATUS_SUCCESS)
        return fs->verify;
    return disk.bytes[0] == fs->letter ? STATUS_SUCCESS : STATUS_WRONG_VOLUME;
}

static nt_status a_control(struct device *device, struct irp *irp);
static nt_status b_control(struct device *device, struct irp *irp);
static const struct driver driver_a = {.name = "a", .dispatch = {[IRP_MJ_FILE_SYSTEM_CONTROL] = a_control}};
static const struct driver driver_b = {.name = "b", .dispatch = {[IRP_MJ_FILE_SYSTEM_CONTROL] = b_control}};

static nt_status a_control(struct device *device, struct irp *irp)
{
    (void)device;
    return irp->minor == IRP_MN_MOUNT_VOLUME ? fs_mount(&fs_a, &driver_a, irp) : fs_verify(&fs_a, irp);
}

static nt_status b_control(struct device *device, struct irp *irp)
{
    (void)device;
    return irp->minor == IRP_MN_MOUNT_VOLUME ? fs_mount(&fs_b, &driver_b, irp) : fs_verify(&fs_b, irp);
}

static void medium_change(struct device *real)
{
    dev_mark_verify(real);
}

static int setup(void **state)
{
    struct device *real;
    disk = (struct disk){0};
    fs_a = (struct fs){.letter = 'A'};
    fs_b = (struct fs){.letter = 'B'};
    assert_ok(dev_new(&disk_driver, "PhysicalDrive7", FILE_DEVICE_DISK, 16, &real));
    real->vpb = vpb_new(real);
    *state = real;
    return 0;
}

static int teardown(void **state)
{
    dev_set_vpb(*state, NULL);
    if (fs_a.volume)
        dev_release(fs_a.volume);
    if (fs_b.volume)
        dev_release(fs_b.volume);
    dev_release(*state);
    assert_int_equal(disk.destroyed, 1);
    return 0;
}

static void references_keep_a_device(void **state)
{
    struct device *real = *state;
    assert_string_equal(real->name, "PhysicalDrive7");
    dev_reference(real);
    dev_release(real);
    assert_int_equal(disk.destroyed, 0);
}

static void an_entry_that_is_missing_is_an_invalid_request(void **state)
{
    struct irp irp = {.major = IRP_MJ_QUERY_INFORMATION, .information = 99};
    assert_status(dev_call(*state, &irp), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(irp.information, 0);
    irp.major = IRP_MJ_COUNT;
    assert_status(dev_call(*state, &irp), STATUS_INVALID_DEVICE_REQUEST);
}

static void the_first_file_system_that_knows_the_medium_mounts_it(void **state)
{
    struct device *real = *state, *volume;
    disk.bytes[0] = 'B';
    assert_ok(dev_mount(real, &volume));
    assert_ptr_equal(volume, fs_b.volume);
    assert_int_equal(fs_a.tastes, 1);
    dev_release(volume);
    assert_ok(dev_mount(real, &volume));
    assert_int_equal(fs_b.tastes, 1);
    dev_release(volume);
}

static void a_medium_that_nobody_knows_is_raw(void **state)
{
    struct device *real = *state, *volume;
    assert_ok(dev_mount(real, &volume));
    assert_null(volume);
    assert_true(real->vpb->flags & VPB_RAW);
    disk.bytes[0] = 'A';
    assert_ok(dev_mount(real, &volume));
    assert_ptr_equal(volume, fs_a.volume);
    assert_false(real->vpb->flags & VPB_RAW);
    dev_release(volume);
}

static void a_mount_fails_as_the_device_or_the_file_system_says(void **state)
{
    struct device *real = *state, *volume;
    disk.bytes[0] = 'B';
    disk.ready = STATUS_NO_MEDIA_IN_DEVICE;
    assert_status(dev_mount(real, &volume), STATUS_NO_MEDIA_IN_DEVICE);
    assert_int_equal(fs_a.tastes, 0);
    disk.ready = STATUS_INVALID_DEVICE_REQUEST; // has no media to ask for
    fs_a.taste = STATUS_DISK_CORRUPT_ERROR;
    assert_status(dev_mount(real, &volume), STATUS_DISK_CORRUPT_ERROR);
    assert_null(volume);
    assert_int_equal(fs_b.tastes, 0);
}

static void only_a_mounted_device_is_marked(void **state)
{
    struct device *real = *state, *volume;
    assert_false(dev_mark_verify(real));
    assert_int_equal(real->flags, 0);
    disk.bytes[0] = 'A';
    assert_ok(dev_mount(real, &volume));
    assert_true(dev_mark_verify(real));
    assert_int_equal(real->flags, DO_VERIFY_VOLUME);
    dev_release(volume);
}

static void verify_asks_the_file_system_once(void **state)
{
    struct device *real = *state, *volume;
    disk.bytes[0] = 'A';
    assert_ok(dev_mount(real, &volume));
    dev_release(volume);
    assert_ok(dev_verify(real, 0));
    assert_int_equal(fs_a.verifies, 0);
    dev_mark_verify(real);
    assert_ok(dev_verify(real, 0));
    assert_ok(dev_verify(real, 0));
    assert_int_equal(fs_a.verifies, 1);
    assert_int_equal(real->flags, 0);
}

static void a_device_error_leaves_the_mark(void **state)
{
    struct device *real = *state, *volume;
    disk.bytes[0] = 'A';
    assert_ok(dev_mount(real, &volume));
    dev_release(volume);
    dev_mark_verify(real);
    disk.ready = STATUS_NO_MEDIA_IN_DEVICE;
    assert_status(dev_verify(real, 0), STATUS_NO_MEDIA_IN_DEVICE);
    assert_int_equal(fs_a.verifies, 0);
    assert_int_equal(real->flags, DO_VERIFY_VOLUME);
    disk.ready = STATUS_SUCCESS;
    fs_a.verify = STATUS_DEVICE_DATA_ERROR;
    assert_status(dev_verify(real, 0), STATUS_DEVICE_DATA_ERROR);
    assert_int_equal(real->flags, DO_VERIFY_VOLUME);
    assert_true(real->vpb->flags & VPB_MOUNTED);
}

static void a_wrong_volume_gives_way_and_may_come_back(void **state)
{
    struct device *real = *state, *volume;
    disk.bytes[0] = 'A';
    assert_ok(dev_mount(real, &volume));
    dev_release(volume);
    struct vpb *first = real->vpb;
    vpb_reference(first); // as the file system's own
    disk.bytes[0] = 'B';
    dev_mark_verify(real);
    assert_status(dev_verify(real, 0), STATUS_WRONG_VOLUME);
    assert_int_equal(real->flags, 0);
    assert_ptr_not_equal(real->vpb, first);
    assert_ptr_equal(real->vpb->volume, fs_b.volume);
    assert_true(first->flags & VPB_MOUNTED);
    dev_set_vpb(real, first);
    assert_ok(dev_mount(real, &volume));
    assert_ptr_equal(volume, fs_a.volume);
    dev_release(volume);
    vpb_release(first);
}

static void a_wrong_volume_with_nothing_readable_is_raw(void **state)
{
    struct device *real = *state, *volume;
    disk.bytes[0] = 'A';
    assert_ok(dev_mount(real, &volume));
    dev_release(volume);
    disk.bytes[0] = 0;
    dev_mark_verify(real);
    assert_status(dev_verify(real, 0), STATUS_WRONG_VOLUME);
    assert_int_equal(real->flags, 0);
    assert_false(real->vpb->flags & VPB_MOUNTED);
}

static void a_swap_during_mount_or_verify_asks_for_another(void **state)
{
    struct device *real = *state, *volume;
    disk.bytes[0] = 'A';
    fs_a.meanwhile = medium_change;
    assert_ok(dev_mount(real, &volume));
    dev_release(volume);
    assert_int_equal(real->flags, DO_VERIFY_VOLUME);
    assert_ok(dev_verify(real, 0));
    assert_int_equal(real->flags, DO_VERIFY_VOLUME);
    fs_a.meanwhile = NULL;
    assert_ok(dev_verify(real, 0));
    assert_int_equal(real->flags, 0);
}

static void a_stack_is_a_block_device(void **state)
{
    struct device *real = *state;
    struct blk *b;
    u8 data[6] = "hello", x[2], y[4];
    assert_ok(dev_as_blk(real, &b));
    assert_int_equal(b->size, SIZE);
    assert_int_equal(b->sector, 2048);
    assert_ok(blk_pwrite(b, data, 6, SIZE - 6, NULL));
    assert_int_equal(disk.last_flags, 0);
    dev_blk_override(b, true);
    assert_ok(blk_preadv(b, (struct iovec[]){{x, 2}, {y, 4}}, 2, SIZE - 6, NULL));
    assert_int_equal(disk.last_flags, IRP_OVERRIDE_VERIFY);
    assert_memory_equal(x, "he", 2);
    assert_memory_equal(y, "llo", 4);
    assert_ok(blk_pread_fresh(b, x, 2, SIZE - 6, NULL));
    assert_int_equal(disk.last_flags, IRP_OVERRIDE_VERIFY | IRP_READ_FRESH);
    assert_int_equal(disk.calls, 3);
    assert_ok(blk_flush(b, NULL));
    assert_int_equal(disk.calls, 4);
    assert_ok(blk_ready(b, NULL));
    assert_status(blk_pread(b, data, 1, SIZE, NULL), STATUS_NONEXISTENT_SECTOR);
    blk_close(b);
    disk.readonly = true;
    assert_ok(dev_as_blk(real, &b));
    assert_status(blk_pwrite(b, data, 1, 0, NULL), STATUS_MEDIA_WRITE_PROTECTED);
    blk_close(b);
    assert_int_equal(real->references, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(references_keep_a_device),
        T(an_entry_that_is_missing_is_an_invalid_request),
        T(the_first_file_system_that_knows_the_medium_mounts_it),
        T(a_medium_that_nobody_knows_is_raw),
        T(a_mount_fails_as_the_device_or_the_file_system_says),
        T(only_a_mounted_device_is_marked),
        T(verify_asks_the_file_system_once),
        T(a_device_error_leaves_the_mark),
        T(a_wrong_volume_gives_way_and_may_come_back),
        T(a_wrong_volume_with_nothing_readable_is_raw),
        T(a_swap_during_mount_or_verify_asks_for_another),
        T(a_stack_is_a_block_device),
    };
    dev_register_fs(&driver_a);
    dev_register_fs(&driver_b);
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
