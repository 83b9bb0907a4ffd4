// SPDX-License-Identifier: Apache-2.0
// Has the medium changed? The conformance cases of spec/storage.md 5 for disks and CDs, by number.
#include "tests/drive/lab.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>

enum { READY = IOCTL_STORAGE_CHECK_VERIFY };

static void removable(void)
{
    lab_kind(DRIVE_DISK, true);
}

static void removable_mounted(void)
{
    removable();
    lab_mount();
}

// --- medium state --------------------------------------------------------------------------------

static void case_012_no_medium(void **state)
{
    (void)state;
    removable();
    lab_next(2, 0x3a, 0);
    LAB_EXPECT(lab_check(), STATUS_NO_MEDIA_IN_DEVICE, 1, 0, false);
}

static void case_013_no_medium_mounted(void **state)
{
    (void)state;
    removable_mounted();
    lab_next(2, 0x3a, 0);
    LAB_EXPECT(lab_check(), STATUS_NO_MEDIA_IN_DEVICE, 1, 0, true);
    assert_true(lab.device->vpb->flags & VPB_MOUNTED);
    assert_int_equal(lab.events[DRIVE_EVENT_REMOVAL], 1);
}

static void case_014_no_medium_tray(void **state)
{
    (void)state;
    removable();
    for (u8 ascq = 1; ascq <= 2; ascq++) {
        lab_next(2, 0x3a, ascq);
        LAB_EXPECT(lab_check(), STATUS_NO_MEDIA_IN_DEVICE, 1, 0, false);
    }
}

static void case_015_becoming_ready(void **state)
{
    (void)state;
    removable();
    lab_next_n(2, 2, 0x04, 0x01);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 3, 0, false);
    assert_int_equal(lab.events[DRIVE_EVENT_BECOMING_READY], 2);
}

static void case_016_never_becoming_ready(void **state)
{
    (void)state;
    removable();
    lab_next_n(5, 2, 0x04, 0x01);
    LAB_EXPECT(lab_check(), STATUS_DEVICE_NOT_READY, 5, 0, false);
}

static void case_017_manual_intervention(void **state)
{
    (void)state;
    removable();
    lab_next(2, 0x04, 0x03);
    LAB_EXPECT(lab_check(), STATUS_NO_MEDIA_IN_DEVICE, 1, 0, false);
}

static void case_018_formatting(void **state)
{
    (void)state;
    removable();
    lab_next(2, 0x04, 0x04);
    LAB_EXPECT(lab_check(), STATUS_DEVICE_NOT_READY, 1, 0, false);
}

static void case_019_start_needed(void **state)
{
    (void)state;
    lab_attach(&(struct drive_options){.kind = DRIVE_DISK, .removable = true, .start_needed = true},
               LAB_SIZE);
    lab_next(2, 0x04, 0x02);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 2, 0, false);
    assert_int_equal(blk_sim_count(lab.blk, SIM_START), 1);
    lab_next(2, 0x04, 0x02);
    LAB_EXPECT(lab_ask(IOCTL_STORAGE_CHECK_VERIFY2, NULL, 0), STATUS_SUCCESS, 2, 0, false);
    assert_int_equal(blk_sim_count(lab.blk, SIM_START), 1);
}

static void case_019_start_only_when_asked_for(void **state)
{
    (void)state;
    removable();
    lab_next(2, 0x04, 0x02);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 2, 0, false);
    assert_int_equal(blk_sim_count(lab.blk, SIM_START), 0);
}

static void case_020_cause_not_reportable(void **state)
{
    (void)state;
    removable();
    lab_next(2, 0x04, 0x00);
    LAB_EXPECT(lab_check(), STATUS_DEVICE_NOT_READY, 1, 0, false);
}

static void case_020_cause_not_reportable_cd(void **state)
{
    (void)state;
    lab_kind(DRIVE_CDROM, true);
    lab_next(2, 0x04, 0x00);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 2, 0, false);
}

// --- unit attention ------------------------------------------------------------------------------

static void case_021_unit_attention_mounted_removable(void **state)
{
    (void)state;
    removable_mounted();
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 1, 1, true);
}

static void case_022_no_count_with_verify_required(void **state)
{
    (void)state;
    u8 out[4] = {0xaa, 0xaa, 0xaa, 0xaa};
    u64 information;
    removable_mounted();
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_control(READY, 0, NULL, 0, out, 4, &information), STATUS_VERIFY_REQUIRED, 1, 1, true);
    assert_int_equal(information, 0);
    assert_memory_equal(out, "\xaa\xaa\xaa\xaa", 4);
}

static void case_023_override_sees_through(void **state)
{
    (void)state;
    u8 out[4];
    u64 information;
    removable_mounted();
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_control(READY, IRP_OVERRIDE_VERIFY, NULL, 0, out, 4, &information), STATUS_SUCCESS, 2, 1,
               true);
    assert_int_equal(information, 4);
    assert_int_equal(get_le32(out), 1);
}

static void case_024_override_five_attentions(void **state)
{
    (void)state;
    removable_mounted();
    lab_next_n(5, 6, 0x28, 0);
    LAB_EXPECT(lab_check_flags(IRP_OVERRIDE_VERIFY), STATUS_IO_DEVICE_ERROR, 5, 5, true);
}

static void case_025_not_mounted(void **state)
{
    (void)state;
    u8 out[4] = {0xaa, 0xaa, 0xaa, 0xaa};
    u64 information;
    removable();
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_control(READY, 0, NULL, 0, out, 4, &information), STATUS_IO_DEVICE_ERROR, 1, 1, false);
    assert_int_equal(information, 0);
    assert_memory_equal(out, "\xaa\xaa\xaa\xaa", 4);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 1, 1, false);
}

static void case_026_not_mounted_classpnp(void **state)
{
    (void)state;
    lab_compat(DRIVE_DISK);
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 2, 1, false);
}

static void case_027_reset(void **state)
{
    (void)state;
    removable_mounted();
    lab_next(6, 0x29, 0);
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 1, 1, true);
}

static void case_028_eject_request(void **state)
{
    (void)state;
    removable_mounted();
    lab_next(6, 0x5a, 0x01);
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 1, 1, true);
    assert_int_equal(lab.events[DRIVE_EVENT_EJECT_REQUEST], 1);
    assert_int_equal(lab.events[DRIVE_EVENT_FAILURE_PREDICTED], 0);
    assert_int_equal(lab.last_event_count, 1);
}

static void case_029_capacity_changed(void **state)
{
    (void)state;
    removable_mounted();
    lab_next(6, 0x2a, 0x09);
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 1, 1, true);
}

static void case_030_other_attentions(void **state)
{
    (void)state;
    static const u8 codes[][2] = {{0x3b, 0x00}, {0x3b, 0x0d}, {0x3f, 0x0e}, {0x3f, 0x03}};
    removable_mounted();
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        lab_next(6, codes[i][0], codes[i][1]);
        LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 1, i + 1, true);
        assert_ok(dev_verify(lab.device, 0));
        lab_readies();
    }
}

static void case_031_fixed_disk(void **state)
{
    (void)state;
    lab_kind(DRIVE_DISK, false);
    lab_mount();
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 2, 1, false);
}

static void case_032_fixed_disk_five_attentions(void **state)
{
    (void)state;
    lab_kind(DRIVE_DISK, false);
    lab_next_n(5, 6, 0x29, 0);
    LAB_EXPECT(lab_check(), STATUS_IO_DEVICE_ERROR, 5, 5, false);
}

static void case_033_cd_mounted(void **state)
{
    (void)state;
    lab_kind(DRIVE_CDROM, true);
    lab_mount();
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 1, 1, true);
}

static void case_034_cd_not_mounted(void **state)
{
    (void)state;
    lab_kind(DRIVE_CDROM, true);
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_check(), STATUS_IO_DEVICE_ERROR, 1, 1, false);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 1, 1, false);
}

static void case_034_cd_not_mounted_classpnp(void **state)
{
    (void)state;
    lab_compat(DRIVE_CDROM);
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 2, 1, false);
}

static void case_035_no_medium_attention_then_medium_attention(void **state)
{
    (void)state;
    removable_mounted();
    lab_next(6, 0x3a, 0);
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 1, 1, true);
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_check_flags(IRP_OVERRIDE_VERIFY), STATUS_SUCCESS, 2, 2, true);
}

static void case_036_cd_no_medium_attention(void **state)
{
    (void)state;
    lab_kind(DRIVE_CDROM, true);
    lab_mount();
    lab_next(6, 0x3a, 0);
    LAB_EXPECT(lab_check(), STATUS_NO_MEDIA_IN_DEVICE, 1, 0, false);
}

static void case_037_two_swaps(void **state)
{
    (void)state;
    removable_mounted();
    lab_next_n(2, 6, 0x28, 0);
    assert_status(lab_check(), STATUS_VERIFY_REQUIRED);
    assert_ok(dev_verify(lab.device, 0));
    assert_int_equal(drive_media_count(lab.device), 2);
    lab_readies();
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 1, 2, false);
}

static void case_038_attention_taken_by_a_poll(void **state)
{
    (void)state;
    removable_mounted();
    lab_next(6, 0x28, 0);
    assert_ok(lab_check_flags(IRP_OVERRIDE_VERIFY | IRP_LOW_PRIORITY));
    lab_readies();
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 0, 1, true);
}

static void case_038_attention_taken_by_a_poll_classpnp(void **state)
{
    (void)state;
    u8 out[4];
    lab_compat(DRIVE_DISK);
    lab_mount();
    lab_next(6, 0x28, 0);
    assert_ok(lab_check_flags(IRP_OVERRIDE_VERIFY | IRP_LOW_PRIORITY));
    lab_readies();
    LAB_EXPECT(lab_ask(READY, out, 4), STATUS_SUCCESS, 1, 1, true);
    assert_int_equal(get_le32(out), 1);
}

static void case_039_poll_not_mounted(void **state)
{
    (void)state;
    u8 out[4];
    removable();
    lab_next(6, 0x28, 0);
    assert_ok(lab_check_flags(IRP_OVERRIDE_VERIFY | IRP_LOW_PRIORITY));
    lab_readies();
    LAB_EXPECT(lab_ask(READY, out, 4), STATUS_SUCCESS, 1, 1, false);
    assert_int_equal(get_le32(out), 1);
}

static void case_040_attention_of_the_attach(void **state)
{
    (void)state;
    assert_ok(blk_sim_new(LAB_SIZE, BLK_REMOVABLE, &lab.blk));
    lab_next(6, 0x29, 0);
    removable();
    LAB_EXPECT(lab_check(), STATUS_SUCCESS, 1, 0, false);
}

// --- errors --------------------------------------------------------------------------------------

static void case_041_medium_error(void **state)
{
    (void)state;
    removable();
    lab_next(3, 0x11, 0);
    LAB_EXPECT(lab_check(), STATUS_DEVICE_DATA_ERROR, 1, 0, false);
    lab_mount();
    lab_next(3, 0x11, 0);
    LAB_EXPECT(lab_check(), STATUS_DEVICE_DATA_ERROR, 1, 0, true);
}

// case 42 to 53: the next answers, and what comes of them.
static void expect_disk(struct sim_answer answer, int times, nt_status status, u32 readies)
{
    removable();
    for (int i = 0; i < times; i++)
        blk_sim_answer(lab.blk, answer);
    LAB_EXPECT(lab_check(), status, readies, 0, false);
}

static void case_042_unknown_format(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(3, 0x30, 0x01), 1, STATUS_UNRECOGNIZED_MEDIA, 1);
}

static void case_042_cleaning_cartridge(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(3, 0x30, 0x03), 1, STATUS_CLEANER_CARTRIDGE_INSTALLED, 1);
}

static void case_043_hardware_error(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(4, 0x44, 0), 1, STATUS_DEVICE_HARDWARE_ERROR, 1);
}

static void case_043_hardware_error_cd(void **state)
{
    (void)state;
    lab_kind(DRIVE_CDROM, true);
    lab_next_n(6, 4, 0x44, 0);
    LAB_EXPECT(lab_check(), STATUS_IO_DEVICE_ERROR, 6, 0, false);
}

static void case_044_command_refused(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(5, 0x20, 0), 1, STATUS_INVALID_DEVICE_REQUEST, 1);
}

static void case_045_no_such_unit(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(5, 0x25, 0), 1, STATUS_NO_SUCH_DEVICE, 1);
}

static void case_046_aborted_once(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(0xb, 0, 6), 1, STATUS_SUCCESS, 2);
}

static void case_046_aborted_always(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(0xb, 0, 6), 5, STATUS_IO_DEVICE_ERROR, 5);
}

static void case_047_no_sense(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(0, 0, 0), 5, STATUS_IO_DEVICE_ERROR, 5);
}

static void case_048_failure_predicted(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(1, 0x5d, 0), 1, STATUS_SUCCESS, 1);
    assert_int_equal(lab.events[DRIVE_EVENT_FAILURE_PREDICTED], 1);
}

static void case_049_blank(void **state)
{
    (void)state;
    expect_disk(SIM_SENSE(8, 0, 0), 1, STATUS_NO_DATA_DETECTED, 1);
}

static void case_050_time_out_once(void **state)
{
    (void)state;
    expect_disk(SIM_TRANSPORT(BLK_TIMED_OUT), 1, STATUS_SUCCESS, 2);
}

static void case_050_time_out_always(void **state)
{
    (void)state;
    expect_disk(SIM_TRANSPORT(BLK_TIMED_OUT), 5, STATUS_IO_TIMEOUT, 5);
}

static void case_051_transport_gone(void **state)
{
    (void)state;
    expect_disk(SIM_TRANSPORT(BLK_NO_DEVICE), 1, STATUS_NO_SUCH_DEVICE, 1);
    blk_sim_answer(lab.blk, SIM_TRANSPORT(BLK_SELECTION_TIMEOUT));
    LAB_EXPECT(lab_check(), STATUS_DEVICE_NOT_CONNECTED, 1, 0, false);
}

static void case_052_reserved_by_another(void **state)
{
    (void)state;
    expect_disk(SIM_TRANSPORT(BLK_RESERVED), 1, STATUS_DEVICE_BUSY, 1);
}

static void case_053_busy(void **state)
{
    (void)state;
    expect_disk(SIM_TRANSPORT(BLK_BUSY), 5, STATUS_DEVICE_NOT_READY, 5);
}

static void case_054_no_memory(void **state)
{
    (void)state;
    expect_disk((struct sim_answer){.what = SIM_NO_MEMORY}, 1, STATUS_INSUFFICIENT_RESOURCES, 1);
}

static void *cancel_later(void *cancel)
{
    while (blk_sim_count(lab.blk, SIM_READY) == lab.ready_before)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_store((_Atomic bool *)cancel, true);
    return NULL;
}

// The wait would take ten hours.
static void case_055_cancel_during_a_wait(void **state)
{
    (void)state;
    _Atomic bool cancel = false;
    pthread_t thread;
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL, .cancel = &cancel, .p.control.code = READY};
    lab_attach(&(struct drive_options){.removable = true, .retry_unit_ms = 3600000}, LAB_SIZE);
    lab_next(2, 0x04, 0x01);
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &cancel), 0);
    assert_status(dev_call(lab.device, &irp), STATUS_CANCELLED);
    assert_int_equal(irp.information, 0);
    pthread_join(thread, NULL);
}

// --- flag set ------------------------------------------------------------------------------------

static void case_056_transfers_are_refused(void **state)
{
    (void)state;
    u8 data[512] = {0};
    removable_mounted();
    lab_next(6, 0x28, 0);
    assert_status(lab_check(), STATUS_VERIFY_REQUIRED);
    assert_status(lab_transfer(IRP_MJ_READ, 0, data, 512, 0), STATUS_VERIFY_REQUIRED);
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, 512, 0), STATUS_VERIFY_REQUIRED);
    struct irp flush = {.major = IRP_MJ_FLUSH_BUFFERS};
    assert_status(dev_call(lab.device, &flush), STATUS_VERIFY_REQUIRED);
    assert_int_equal(blk_sim_count(lab.blk, SIM_READ), 0);
    assert_int_equal(blk_sim_count(lab.blk, SIM_WRITE), 0);
    assert_int_equal(blk_sim_count(lab.blk, SIM_FLUSH), 0);
    assert_ok(lab_transfer(IRP_MJ_READ, IRP_OVERRIDE_VERIFY, data, 512, 0));
    assert_ok(lab_transfer(IRP_MJ_WRITE, IRP_OVERRIDE_VERIFY, data, 512, 0));
}

static void case_057_control_codes_are_refused(void **state)
{
    (void)state;
    u8 out[24];
    removable_mounted();
    dev_mark_verify(lab.device);
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 0, 0, true);
    assert_status(lab_ask(IOCTL_STORAGE_CHECK_VERIFY2, NULL, 0), STATUS_VERIFY_REQUIRED);
    assert_status(lab_ask(IOCTL_DISK_GET_DRIVE_GEOMETRY, out, 24), STATUS_VERIFY_REQUIRED);
    assert_status(lab_ask(IOCTL_DISK_GET_LENGTH_INFO, out, 8), STATUS_VERIFY_REQUIRED);
    assert_status(lab_ask(IOCTL_DISK_IS_WRITABLE, NULL, 0), STATUS_VERIFY_REQUIRED);
    assert_int_equal(lab_readies(), 0);
    assert_ok(lab_ask(IOCTL_STORAGE_GET_DEVICE_NUMBER, out, 12));
    assert_ok(lab_ask(IOCTL_STORAGE_GET_HOTPLUG_INFO, out, 8));
    assert_ok(lab_control(IOCTL_DISK_GET_LENGTH_INFO, IRP_OVERRIDE_VERIFY, NULL, 0, out, 8, NULL));
    // A short buffer is told before the state of the medium.
    assert_status(lab_ask(READY, out, 3), STATUS_BUFFER_TOO_SMALL);
}

// --- transfers that meet a change ----------------------------------------------------------------

static void a_read_that_meets_an_attention_follows_the_matrix(void **state)
{
    (void)state;
    u8 data[512];
    removable();
    lab_next(6, 0x28, 0);
    assert_status(lab_transfer(IRP_MJ_READ, 0, data, 512, 0), STATUS_IO_DEVICE_ERROR);
    assert_ok(lab_transfer(IRP_MJ_READ, 0, data, 512, 0));
    lab_mount();
    lab_next(6, 0x28, 0);
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, 512, 0), STATUS_VERIFY_REQUIRED);
    assert_true(lab_marked());
    lab_next(6, 0x28, 0);
    assert_ok(lab_transfer(IRP_MJ_READ, IRP_OVERRIDE_VERIFY, data, 512, 0));
    assert_int_equal(drive_media_count(lab.device), 3);
}

static void transfer_errors(void **state)
{
    (void)state;
    u8 data[512];
    removable();
    assert_status(lab_transfer(IRP_MJ_READ, 0, data, 512, LAB_SIZE), STATUS_NONEXISTENT_SECTOR);
    assert_ok(lab_transfer(IRP_MJ_READ, 0, data, 0, 0));
    lab_next(7, 0x27, 0);
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, 512, 0), STATUS_MEDIA_WRITE_PROTECTED);
    lab_next(7, 0x27, 7);
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, 512, 0), STATUS_DISK_RESOURCES_EXHAUSTED);
    lab_next(0xb, 0, 0);
    assert_ok(lab_transfer(IRP_MJ_READ, 0, data, 512, 0));
}

// A swap that the drive keeps to itself is noticed when the drive was seen empty, before anything is written.
static void silent_swap_seen_empty(void **state)
{
    (void)state;
    u8 data[4] = "old", seen[4];
    u32 other;
    removable_mounted();
    assert_ok(blk_sim_add_medium(lab.blk, LAB_SIZE, false, &other));
    blk_sim_remove(lab.blk);
    assert_status(lab_check(), STATUS_NO_MEDIA_IN_DEVICE);
    assert_true(lab_marked());
    blk_sim_insert(lab.blk, other, false);
    lab.device->flags &= ~(u32)DO_VERIFY_VOLUME; // as if nobody had marked it
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, 4, 0), STATUS_VERIFY_REQUIRED);
    assert_int_equal(drive_media_count(lab.device), 1);
    blk_sim_peek(lab.blk, other, seen, 4, 0);
    assert_memory_equal(seen, "\0\0\0\0", 4);
    assert_int_equal(lab.events[DRIVE_EVENT_ARRIVAL], 1);
}

static void case_066_silent_swap_by_capacity(void **state)
{
    (void)state;
    u32 other;
    removable_mounted();
    assert_ok(blk_sim_add_medium(lab.blk, LAB_SIZE / 2, false, &other));
    blk_sim_insert(lab.blk, other, false);
    LAB_EXPECT(lab_check(), STATUS_VERIFY_REQUIRED, 1, 1, true);
    assert_ok(dev_verify(lab.device, 0));
    assert_ok(lab_check());
}

// case 64, 65: swaps under threads that write the old volume's data and know nothing.
struct writer {
    _Atomic bool stop;
    _Atomic u32 refused, started;
};

static void *write_old(void *context)
{
    struct writer *w = context;
    u8 data[512];
    memset(data, 'o', sizeof data);
    u64 offset = sizeof data * (u64)w->started++;
    while (!w->stop) {
        struct irp irp = {.major = IRP_MJ_WRITE};
        irp.p.write.data = data;
        irp.p.write.length = sizeof data;
        irp.p.write.offset = offset;
        if (dev_call(lab.device, &irp) != STATUS_SUCCESS)
            w->refused++;
    }
    return NULL;
}

static void case_065_a_swap_under_writers(void **state)
{
    (void)state;
    enum { WRITERS = 3, SWAPS = 20 };
    u8 seen[WRITERS * 512], zeroes[WRITERS * 512] = {0};
    u32 other;
    for (int swap = 0; swap < SWAPS; swap++) {
        struct writer w = {0};
        pthread_t threads[WRITERS];
        lab_end(state);
        lab_begin(state);
        removable_mounted();
        assert_ok(blk_sim_add_medium(lab.blk, LAB_SIZE, false, &other));
        for (int i = 0; i < WRITERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, write_old, &w), 0);
        while (blk_sim_count(lab.blk, SIM_WRITE) < 10)
            sched_yield();
        blk_sim_insert(lab.blk, other, true);
        while (w.refused < 10)
            sched_yield();
        w.stop = true;
        for (int i = 0; i < WRITERS; i++)
            pthread_join(threads[i], NULL);
        blk_sim_peek(lab.blk, other, seen, sizeof seen, 0);
        assert_memory_equal(seen, zeroes, sizeof seen);
        assert_true(lab_marked());
    }
}

static void case_088_the_count_wraps(void **state)
{
    (void)state;
    u8 out[4];
    removable();
    drive_of(lab.device)->count = UINT32_MAX;
    lab_next(6, 0x28, 0);
    LAB_EXPECT(lab_check(), STATUS_IO_DEVICE_ERROR, 1, 0, false);
    assert_ok(lab_ask(READY, out, 4));
    assert_int_equal(get_le32(out), 0);
}

// --- what is meant for one medium ----------------------------------------------------------------

static u32 another_medium(void)
{
    u32 other;
    assert_ok(blk_sim_add_medium(lab.blk, LAB_SIZE, false, &other));
    return other;
}

static void assert_blank(u32 medium)
{
    static u8 bytes[LAB_SIZE], zeros[LAB_SIZE];
    blk_sim_peek(lab.blk, medium, bytes, sizeof bytes, 0);
    assert_memory_equal(bytes, zeros, sizeof bytes);
}

// Whoever meets the attention, and though the request passes the verify.
static void a_request_for_one_medium_reaches_no_other(void **state)
{
    static const enum irp_major majors[] = {IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_FLUSH_BUFFERS};
    u8 data[512] = "for the first one";
    (void)state;
    removable();
    u32 other = another_medium();
    for (size_t i = 0; i < ARRAY_LEN(majors); i++) {
        for (u32 polled = 0; polled < 2; polled++) {
            blk_sim_insert(lab.blk, 0, true);
            assert_ok(lab_check_flags(IRP_OVERRIDE_VERIFY));
            u64 number = drive_media_count(lab.device) + 1ull, flushes = blk_sim_count(lab.blk, SIM_FLUSH);
            struct irp irp = {.major = majors[i], .flags = IRP_OVERRIDE_VERIFY, .medium = number};
            irp.p.write.data = data;
            irp.p.write.length = majors[i] == IRP_MJ_FLUSH_BUFFERS ? 0 : sizeof data;
            assert_ok(dev_call(lab.device, &irp));
            blk_sim_insert(lab.blk, other, true);
            if (polled)
                assert_ok(lab_check_flags(IRP_OVERRIDE_VERIFY));
            for (u32 again = 0; again < 2; again++)
                assert_status(dev_call(lab.device, &irp), STATUS_VERIFY_REQUIRED);
            assert_true(blk_sim_count(lab.blk, SIM_FLUSH) <= flushes + 1);
        }
    }
    assert_blank(other);
}

// The other drivers' behaviour tries again after an attention, but not on what came in.
static void a_write_is_not_tried_again_on_the_next_medium(void **state)
{
    u8 data[512] = "x";
    (void)state;
    lab_compat(DRIVE_DISK);
    u32 other = another_medium();
    lab_next(6, 0x29, 0);
    assert_ok(lab_transfer(IRP_MJ_WRITE, 0, data, sizeof data, 0));
    blk_sim_insert(lab.blk, other, true);
    assert_status(lab_transfer(IRP_MJ_WRITE, 0, data, sizeof data, 0), STATUS_IO_DEVICE_ERROR);
    assert_blank(other);
    assert_ok(lab_transfer(IRP_MJ_WRITE, 0, data, sizeof data, 0)); // a new one may
}

static void a_failed_flush_is_not_tried_again(void **state)
{
    static const struct sense timed_out = {.transport = BLK_TIMED_OUT}, reset = {SENSE_ATTENTION, 0x29, 0, 0},
                              busy = {.transport = BLK_BUSY};
    struct irp flush = {.major = IRP_MJ_FLUSH_BUFFERS};
    struct irp write = {.major = IRP_MJ_WRITE, .flags = IRP_WRITE_FLUSH, .medium = 1};
    u8 data[512] = "x";
    (void)state;
    lab_kind(DRIVE_DISK, false);
    blk_sim_fail(lab.blk, SIM_FLUSH, 1, timed_out);
    assert_status(dev_call(lab.device, &flush), STATUS_IO_TIMEOUT);
    assert_int_equal(blk_sim_count(lab.blk, SIM_FLUSH), 1);
    blk_sim_fail(lab.blk, SIM_FLUSH, 1, reset);
    flush.medium = 1;
    assert_status(dev_call(lab.device, &flush), STATUS_VERIFY_REQUIRED);
    write.p.write.data = data;
    write.p.write.length = sizeof data;
    blk_sim_fail(lab.blk, SIM_FLUSH, 1, timed_out);
    assert_status(dev_call(lab.device, &write), STATUS_IO_TIMEOUT);
    assert_int_equal(blk_sim_count(lab.blk, SIM_FLUSH), 3);
    blk_sim_fail(lab.blk, SIM_FLUSH, 1, busy); // the drive has not begun
    assert_ok(dev_call(lab.device, &flush));
}

// A drive that was reset has lost its cache, and says so once, to any command: the next flush tells it.
static void a_flush_tells_of_an_attention_that_another_command_met(void **state)
{
    static const struct sense reset = {SENSE_ATTENTION, 0x29, 0, 0};
    static const enum sim_kind met_by[] = {SIM_READ, SIM_WRITE, SIM_READY};
    struct irp flush = {.major = IRP_MJ_FLUSH_BUFFERS, .medium = 1};
    struct irp write = {.major = IRP_MJ_WRITE, .flags = IRP_WRITE_FLUSH, .medium = 1};
    u8 data[512] = "x";
    (void)state;
    lab_kind(DRIVE_DISK, false);
    write.p.write.data = data;
    write.p.write.length = sizeof data;
    assert_ok(dev_call(lab.device, &flush));
    for (u32 i = 0; i < ARRAY_LEN(met_by); i++) {
        struct irp *covers = i % 2 ? &write : &flush;
        blk_sim_fail(lab.blk, met_by[i], 1, reset);
        assert_ok(lab_transfer(IRP_MJ_WRITE, 0, data, sizeof data, 0));
        assert_ok(lab_transfer(IRP_MJ_READ, 0, data, sizeof data, 0));
        (void)lab_check();
        assert_status(dev_call(lab.device, covers), STATUS_VERIFY_REQUIRED);
        assert_ok(dev_call(lab.device, covers));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(case_012_no_medium),
        LAB_TEST(case_013_no_medium_mounted),
        LAB_TEST(case_014_no_medium_tray),
        LAB_TEST(case_015_becoming_ready),
        LAB_TEST(case_016_never_becoming_ready),
        LAB_TEST(case_017_manual_intervention),
        LAB_TEST(case_018_formatting),
        LAB_TEST(case_019_start_needed),
        LAB_TEST(case_019_start_only_when_asked_for),
        LAB_TEST(case_020_cause_not_reportable),
        LAB_TEST(case_020_cause_not_reportable_cd),
        LAB_TEST(case_021_unit_attention_mounted_removable),
        LAB_TEST(case_022_no_count_with_verify_required),
        LAB_TEST(case_023_override_sees_through),
        LAB_TEST(case_024_override_five_attentions),
        LAB_TEST(case_025_not_mounted),
        LAB_TEST(case_026_not_mounted_classpnp),
        LAB_TEST(case_027_reset),
        LAB_TEST(case_028_eject_request),
        LAB_TEST(case_029_capacity_changed),
        LAB_TEST(case_030_other_attentions),
        LAB_TEST(case_031_fixed_disk),
        LAB_TEST(case_032_fixed_disk_five_attentions),
        LAB_TEST(case_033_cd_mounted),
        LAB_TEST(case_034_cd_not_mounted),
        LAB_TEST(case_034_cd_not_mounted_classpnp),
        LAB_TEST(case_035_no_medium_attention_then_medium_attention),
        LAB_TEST(case_036_cd_no_medium_attention),
        LAB_TEST(case_037_two_swaps),
        LAB_TEST(case_038_attention_taken_by_a_poll),
        LAB_TEST(case_038_attention_taken_by_a_poll_classpnp),
        LAB_TEST(case_039_poll_not_mounted),
        LAB_TEST(case_040_attention_of_the_attach),
        LAB_TEST(case_041_medium_error),
        LAB_TEST(case_042_unknown_format),
        LAB_TEST(case_042_cleaning_cartridge),
        LAB_TEST(case_043_hardware_error),
        LAB_TEST(case_043_hardware_error_cd),
        LAB_TEST(case_044_command_refused),
        LAB_TEST(case_045_no_such_unit),
        LAB_TEST(case_046_aborted_once),
        LAB_TEST(case_046_aborted_always),
        LAB_TEST(case_047_no_sense),
        LAB_TEST(case_048_failure_predicted),
        LAB_TEST(case_049_blank),
        LAB_TEST(case_050_time_out_once),
        LAB_TEST(case_050_time_out_always),
        LAB_TEST(case_051_transport_gone),
        LAB_TEST(case_052_reserved_by_another),
        LAB_TEST(case_053_busy),
        LAB_TEST(case_054_no_memory),
        LAB_TEST(case_055_cancel_during_a_wait),
        LAB_TEST(case_056_transfers_are_refused),
        LAB_TEST(case_057_control_codes_are_refused),
        LAB_TEST(a_read_that_meets_an_attention_follows_the_matrix),
        LAB_TEST(transfer_errors),
        LAB_TEST(silent_swap_seen_empty),
        LAB_TEST(case_065_a_swap_under_writers),
        LAB_TEST(case_066_silent_swap_by_capacity),
        LAB_TEST(case_088_the_count_wraps),
        LAB_TEST(a_request_for_one_medium_reaches_no_other),
        LAB_TEST(a_write_is_not_tried_again_on_the_next_medium),
        LAB_TEST(a_failed_flush_is_not_tried_again),
        LAB_TEST(a_flush_tells_of_an_attention_that_another_command_met),
    };
    return cmocka_run_group_tests_name("media", tests, NULL, NULL);
}
