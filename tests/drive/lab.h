// SPDX-License-Identifier: Apache-2.0
// A drive on the table: a simulated drive below, a driver under test, and a file system that takes every
// medium and always finds it unchanged. Waits are shortened to a millisecond a second.
#ifndef TESTS_DRIVE_LAB_H
#define TESTS_DRIVE_LAB_H

#include "tests/test.h"

#include <holdfast/winioctl.h>

#include "block/blk_sim.h"
#include "drive/media.h"

enum { LAB_SIZE = 1 << 20, LAB_EVENTS = 64 };

struct lab {
    struct blk *blk;
    struct device *device;
    struct device *volume; // what the file system mounted
    u32 events[DRIVE_EVENT_FAILURE_PREDICTED + 1];
    u32 last_event_count;
    u64 ready_before; // TEST UNIT READYs up to here do not count
};

static struct lab lab;

static nt_status lab_fs_control(struct device *device, struct irp *irp);
static const struct driver lab_fs = {.name = "lab",
                                     .dispatch = {[IRP_MJ_FILE_SYSTEM_CONTROL] = lab_fs_control}};

static nt_status lab_fs_control(struct device *device, struct irp *irp)
{
    (void)device;
    if (irp->minor != IRP_MN_MOUNT_VOLUME)
        return STATUS_SUCCESS;
    struct device *real = irp->p.mount.real;
    TRY(dev_new(&lab_fs, real->name, real->type, 0, &lab.volume));
    SCOPE_LOCK(&real->mutex);
    real->vpb->volume = lab.volume;
    real->vpb->flags |= VPB_MOUNTED;
    return STATUS_SUCCESS;
}

static void lab_event(void *context, struct device *device, enum drive_event event, u32 count)
{
    (void)device;
    ((struct lab *)context)->events[event]++;
    ((struct lab *)context)->last_event_count = count;
}

// TEST UNIT READYs since the last question.
static inline u64 lab_readies(void)
{
    u64 now = blk_sim_count(lab.blk, SIM_READY), since = now - lab.ready_before;
    lab.ready_before = now;
    return since;
}

static inline void lab_attach(const struct drive_options *options, u64 size)
{
    u32 flags = options->removable ? BLK_REMOVABLE : 0;
    struct drive_options with_clock = *options;
    if (with_clock.retry_unit_ms == 0)
        with_clock.retry_unit_ms = 1;
    if (!lab.blk)
        assert_ok(blk_sim_new(size, flags, &lab.blk));
    assert_ok(drive_attach(lab.blk, &with_clock, &lab.device));
    drive_listen(lab.device, lab_event, &lab);
    lab_readies();
}

static inline void lab_kind(enum drive_kind kind, bool removable)
{
    lab_attach(&(struct drive_options){.kind = kind, .number = 3, .removable = removable}, LAB_SIZE);
}

static inline void lab_compat(enum drive_kind kind)
{
    lab_attach(&(struct drive_options){.kind = kind, .removable = true, .compat = DRIVE_COMPAT_CLASSPNP},
               LAB_SIZE);
}

static inline void lab_mount(void)
{
    struct device *volume;
    assert_ok(dev_mount(lab.device, &volume));
    assert_ptr_equal(volume, lab.volume);
    dev_release(volume);
    lab_readies();
}

static inline int lab_begin(void **state)
{
    static bool registered;
    (void)state;
    if (!registered)
        dev_register_fs(&lab_fs);
    registered = true;
    lab = (struct lab){0};
    return 0;
}

static inline int lab_end(void **state)
{
    (void)state;
    if (lab.device && lab.volume)
        dev_set_vpb(lab.device, NULL);
    if (lab.volume)
        dev_release(lab.volume);
    if (lab.device)
        dev_release(lab.device);
    return 0;
}

static inline nt_status lab_control(u32 code, u32 flags, const void *in, size_t in_length, void *out,
                                    size_t out_length, u64 *information)
{
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL, .flags = flags, .information = 77};
    irp.p.control.code = code;
    irp.p.control.in = in;
    irp.p.control.in_length = in_length;
    irp.p.control.out = out;
    irp.p.control.out_length = out_length;
    nt_status status = dev_call(lab.device, &irp);
    if (information)
        *information = irp.information;
    return status;
}

static inline nt_status lab_ask(u32 code, void *out, size_t out_length)
{
    return lab_control(code, 0, NULL, 0, out, out_length, NULL);
}

static inline nt_status lab_check(void)
{
    return lab_ask(IOCTL_STORAGE_CHECK_VERIFY, NULL, 0);
}

static inline nt_status lab_check_flags(u32 flags)
{
    return lab_control(IOCTL_STORAGE_CHECK_VERIFY, flags, NULL, 0, NULL, 0, NULL);
}

static inline nt_status lab_transfer(enum irp_major major, u32 flags, void *data, size_t length, u64 offset)
{
    struct irp irp = {.major = major, .flags = flags};
    irp.p.read.data = data;
    irp.p.read.length = length;
    irp.p.read.offset = offset;
    nt_status status = dev_call(lab.device, &irp);
    assert_int_equal(irp.information, status == STATUS_SUCCESS ? length : 0);
    return status;
}

static inline void lab_next(u8 key, u8 asc, u8 ascq)
{
    blk_sim_answer(lab.blk, SIM_SENSE(key, asc, ascq));
}

static inline void lab_next_n(int n, u8 key, u8 asc, u8 ascq)
{
    while (n-- > 0)
        lab_next(key, asc, ascq);
}

static inline bool lab_marked(void)
{
    return (lab.device->flags & DO_VERIFY_VOLUME) != 0;
}

// Status, TEST UNIT READYs, count and flag after a CHECK_VERIFY.
#define LAB_EXPECT(call, status, readies, count, marked)        \
    do {                                                        \
        assert_status(call, status);                            \
        assert_int_equal(lab_readies(), readies);               \
        assert_int_equal(drive_media_count(lab.device), count); \
        assert_int_equal(lab_marked(), marked);                 \
        assert_int_equal(blk_sim_answers_left(lab.blk), 0);     \
    } while (0)

#define LAB_TEST(name) cmocka_unit_test_setup_teardown(name, lab_begin, lab_end)

#endif
