// SPDX-License-Identifier: Apache-2.0
// Inside the drive floor: the state of a drive, commands to it, and the control codes that all kinds share.
#ifndef DRIVE_MEDIA_H
#define DRIVE_MEDIA_H

#include "drive/drive.h"

enum media_state { MEDIA_UNKNOWN, MEDIA_PRESENT, MEDIA_ABSENT };

struct drive {
    struct blk *blk;
    struct drive_options options;
    _Atomic u32 count;  // media changes since the attach; a hint that may count too many (D6)
    _Atomic u32 told;   // fixed drives: the count of which a flush has told
    _Atomic u64 medium; // the medium of blk that transfers are for: moves on only after a change was marked
    pthread_mutex_t mutex;          // what follows
    _Atomic enum media_state state; // every transfer asks for it, without the mutex
    u64 size;                       // of the medium when it was last seen
    drive_event_fn *listener;
    void *listener_context;
    pthread_mutex_t removal; // of PREVENT and ALLOW: the count and what the drive was told agree
    u32 locks;
};

static inline struct drive *drive_of(struct device *device)
{
    return device->extension;
}

// --- media.c -------------------------------------------------------------------------------------

// One command with its retries (spec/storage.md 2.1 to 2.3). irp gives flags and cancel.
nt_status media_ready(struct device *device, struct irp *irp, u32 flags); // flags: enum irp_flags, on top
nt_status media_read(struct device *device, struct irp *irp);             // IRP_MJ_READ
nt_status media_write(struct device *device, struct irp *irp);            // IRP_MJ_WRITE
nt_status media_flush(struct device *device, struct irp *irp);            // IRP_MJ_FLUSH_BUFFERS
nt_status media_command(struct device *device, struct irp *irp, enum blk_command command);

// Take up what the drive has in it when it is attached, without counting that as a change.
void media_begin(struct device *device);
// DO_VERIFY_VOLUME is set, and this request does not pass it.
bool media_must_verify(const struct device *device, u32 irp_flags);

// --- drive.c -------------------------------------------------------------------------------------

struct ioctl_row {
    u32 code;
    u32 in_length, out_length; // at least
    bool medium;               // touches the medium: refused while it must be verified
    nt_status (*handler)(struct device *device, struct irp *irp);
};

nt_status drive_succeed(struct device *device, struct irp *irp);
// DEVICE_CONTROL: the rows of this kind of drive first, then those that all have in common.
nt_status drive_control(struct device *device, struct irp *irp, const struct ioctl_row *rows, size_t n);
void drive_destroy(struct device *device);
// Fill the output buffer; its length was checked.
void drive_answer(struct irp *irp, const void *data, size_t length);

// Rows that disk and CD share.
nt_status drive_check_verify(struct device *device, struct irp *irp);
nt_status drive_get_length(struct device *device, struct irp *irp);
nt_status drive_is_writable(struct device *device, struct irp *irp);
nt_status drive_get_geometry(struct device *device, struct irp *irp, u32 tracks, u32 sectors);
// Ready enough to ask for capacity or write protection: a unit attention is counted, but never surfaces here.
nt_status drive_capacity_ready(struct device *device, struct irp *irp);

extern const struct driver drive_disk_driver, drive_cdrom_driver, drive_tape_driver;

#endif
