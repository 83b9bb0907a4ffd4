// SPDX-License-Identifier: Apache-2.0
// Volumes: mounting, dispatch, lock, dismount, what a volume handle may do.
#include "block/blk_sim.h"
#include "engine/super.h"
#include "tests/fs/volume.h"

static struct volume v;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    volume_free(&v);
    return 0;
}

static nt_status control(struct file_object *f, u32 code)
{
    return volume_fsctl(f, code, NULL, 0, NULL, 0, NULL);
}

static void mounting(void **state)
{
    (void)state;
    struct vcb *vcb = v.device->extension;
    struct device *again;
    assert_ok(dev_mount(v.drive, &again));
    assert_ptr_equal(again, v.device);
    dev_release(again);
    assert_int_equal(vcb->state, VCB_MOUNTED);
    assert_true(v.drive->vpb->flags & VPB_MOUNTED);
    assert_int_equal(v.drive->vpb->serial, vcb->info.identity.serial);
}

static void foreign_media_are_passed_on(void **state)
{
    (void)state;
    struct drive_options options = {.kind = DRIVE_DISK};
    struct device *drive, *volume;
    struct blk *blk;
    assert_ok(blk_open("ram:8388608", 0, &blk));
    assert_ok(drive_attach(blk, &options, &drive));
    assert_ok(dev_mount(drive, &volume));
    assert_null(volume);
    assert_true(drive->vpb->flags & VPB_RAW);
    dev_release(drive);
}

// The places of both copies of this slot's superblock cannot be read.
static nt_status slot_is_unreadable(void *context, enum sim_kind kind, u64 offset, struct sense *sense)
{
    const struct raw_super *super = context;
    u32 slot = (u32)(from_le64(super->generation) % 2);
    if (kind == SIM_READ && (offset == super_place(super, slot, 0) || offset == super_place(super, slot, 1)))
        return sense_report(sense, SENSE_MEDIUM, 0x11, 0);
    return STATUS_SUCCESS;
}

static void readers_see_what_is_known(void **state)
{
    (void)state;
    for (u32 flags = 0; flags <= BLK_READONLY; flags += BLK_READONLY) {
        struct store_format_options options = {.cluster = 4096};
        struct drive_options drive = {.kind = DRIVE_DISK, .retry_unit_ms = 1};
        struct device *real, *volume;
        struct raw_super super;
        struct blk *blk;
        nt_status hidden;
        struct io io;
        assert_ok(blk_sim_new(8 << 20, 0, &blk));
        assert_ok(store_format(blk, &options));
        io_init(&io, blk);
        assert_ok(super_read(&io, &super, &hidden));
        super.generation = to_le64(from_le64(super.generation) + 1); // the other slot's
        blk_sim_watch(blk, slot_is_unreadable, &super);
        blk->flags |= flags;
        volume_register();
        assert_ok(drive_attach(blk, &drive, &real));
        nt_status status = dev_mount(real, &volume);
        if (flags & BLK_READONLY) {
            assert_ok(status);
            dev_release(volume);
        } else {
            assert_status(status, STATUS_DEVICE_DATA_ERROR);
        }
        dev_release(real);
    }
}

static void cache_setting_reaches_the_volume(void **state)
{
    (void)state;
    struct file_object f;
    fs_set_options(v.drive, &(struct fs_options){.cache_bytes = 2 << 20});
    assert_ok(volume_open(&v, &f, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(control(&f, FSCTL_DISMOUNT_VOLUME));
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &f, "", FILE_READ_DATA, FILE_OPEN, 0));
    assert_int_equal(((struct vcb *)f.device->extension)->asked.cache_bytes, 2 << 20);
    assert_ok(volume_close(&f));
    fs_set_options(v.drive, NULL);
}

static void device_control_wants_a_volume_handle(void **state)
{
    (void)state;
    struct file_object f;
    u8 out[64];
    u64 done;
    assert_ok(volume_open(&v, &f, "", FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(volume_ioctl(&f, IOCTL_STORAGE_CHECK_VERIFY, out, 4, &done), STATUS_INVALID_PARAMETER);
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &f, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_ioctl(&f, IOCTL_STORAGE_CHECK_VERIFY, out, 4, &done));
    assert_int_equal(done, 4);
    assert_ok(volume_close(&f));
}

static void volume_opens(void **state)
{
    (void)state;
    struct file_object f;
    struct volume_create c = {.access = FILE_READ_DATA, .disposition = FILE_CREATE};
    assert_status(volume_create(&v, &f, &c), STATUS_INVALID_PARAMETER);
    c.disposition = FILE_OPEN;
    c.options = FILE_DELETE_ON_CLOSE;
    assert_status(volume_create(&v, &f, &c), STATUS_CANNOT_DELETE);
}

static void case_081_lock_unlock_dismount(void **state)
{
    (void)state;
    struct file_object volume, other, f;
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &f, "f", FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(control(&f, FSCTL_LOCK_VOLUME), STATUS_INVALID_PARAMETER);
    assert_status(control(&f, FSCTL_DISMOUNT_VOLUME), STATUS_INVALID_PARAMETER);
    assert_status(control(&volume, FSCTL_LOCK_VOLUME), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &other, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(control(&volume, FSCTL_LOCK_VOLUME), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&other));

    assert_status(control(&volume, FSCTL_UNLOCK_VOLUME), STATUS_NOT_LOCKED);
    assert_ok(control(&volume, FSCTL_LOCK_VOLUME));
    assert_true(v.drive->vpb->flags & VPB_LOCKED);
    assert_status(control(&volume, FSCTL_LOCK_VOLUME), STATUS_ACCESS_DENIED);
    assert_status(volume_probe(&v, "f", 0), STATUS_ACCESS_DENIED);
    assert_status(volume_open(&v, &other, NULL, FILE_READ_DATA, FILE_OPEN, 0), STATUS_ACCESS_DENIED);
    assert_ok(control(&volume, FSCTL_UNLOCK_VOLUME));
    assert_false(v.drive->vpb->flags & VPB_LOCKED);
    assert_ok(volume_open(&v, &other, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(control(&other, FSCTL_UNLOCK_VOLUME), STATUS_NOT_LOCKED);
    assert_ok(volume_close(&other));

    assert_ok(volume_open(&v, &f, "f", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_write(&f, 0, "DATA", 4));
    assert_ok(control(&volume, FSCTL_DISMOUNT_VOLUME));
    char data[4];
    assert_status(volume_read(&f, 0, data, 4, NULL), STATUS_VOLUME_DISMOUNTED);
    assert_status(volume_flush(&f), STATUS_VOLUME_DISMOUNTED);
    assert_status(control(&volume, FSCTL_DISMOUNT_VOLUME), STATUS_VOLUME_DISMOUNTED);
    assert_status(control(&volume, FSCTL_IS_VOLUME_MOUNTED), STATUS_VOLUME_DISMOUNTED);
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&volume));
    volume_expect(&v, "f", "DATA"); // mounted again, and nothing was lost
}

static void closing_the_locking_handle_unlocks(void **state)
{
    (void)state;
    struct file_object volume;
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(control(&volume, FSCTL_LOCK_VOLUME));
    assert_ok(volume_close(&volume));
    assert_ok(volume_probe(&v, "", 0));
    assert_false(v.drive->vpb->flags & VPB_LOCKED);
}

static void raw_writes_need_the_lock_and_ask_for_a_verify(void **state)
{
    (void)state;
    struct file_object volume;
    u8 sector[512];
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_read(&volume, 8 << 20, sector, sizeof sector, NULL));
    assert_status(volume_write(&volume, 8 << 20, sector, sizeof sector), STATUS_ACCESS_DENIED);
    assert_ok(control(&volume, FSCTL_LOCK_VOLUME));
    assert_ok(volume_write(&volume, 8 << 20, sector, sizeof sector)); // what was there before
    assert_ok(volume_close(&volume));
    assert_true(v.drive->flags & DO_VERIFY_VOLUME);
    volume_expect(&v, "f", "data");
    assert_false(v.drive->flags & DO_VERIFY_VOLUME);
}

static void requests_without_a_handle(void **state)
{
    (void)state;
    struct file_object nobody = {.device = v.device};
    struct irp irp = {.major = IRP_MJ_READ};
    assert_status(volume_send(&nobody, &irp), STATUS_INVALID_PARAMETER);
    irp = (struct irp){.major = IRP_MJ_FILE_SYSTEM_CONTROL, .minor = IRP_MN_USER_FS_REQUEST};
    assert_status(volume_send(&nobody, &irp), STATUS_INVALID_PARAMETER);
    irp = (struct irp){.major = IRP_MJ_CLEANUP};
    assert_ok(volume_send(&nobody, &irp));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mounting),
        cmocka_unit_test(readers_see_what_is_known),
        TEST(foreign_media_are_passed_on),
        TEST(cache_setting_reaches_the_volume),
        TEST(device_control_wants_a_volume_handle),
        TEST(volume_opens),
        TEST(case_081_lock_unlock_dismount),
        TEST(closing_the_locking_handle_unlocks),
        TEST(raw_writes_need_the_lock_and_ask_for_a_verify),
        TEST(requests_without_a_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
