// SPDX-License-Identifier: Apache-2.0
// Storage class drivers: a disk, CD-ROM or tape drive on a block back end. One sense table, one media-change
// logic.
#ifndef DRIVE_DRIVE_H
#define DRIVE_DRIVE_H

#include "device/device.h"

enum drive_kind { DRIVE_DISK, DRIVE_CDROM, DRIVE_TAPE };

// Behaviour where Microsoft's documents and its sample drivers differ (spec/storage.md 6): documents by
// default.
enum drive_compat { DRIVE_COMPAT_DOCUMENTS, DRIVE_COMPAT_CLASSPNP };

struct drive_options {
    enum drive_kind kind;
    u32 number; // device number: PhysicalDrive<number>, CdRom<number>, Tape<number>
    bool removable;
    enum drive_compat compat;
    u32 retry_unit_ms; // what the tables call one second; 1000 by default (0 means 1000)
    bool start_needed; // send START UNIT on 2/04/02
};

// Build the device object; takes over the blk on success. Swallows the unit attention of the attach (D19).
nt_status drive_attach(struct blk *blk, const struct drive_options *options, struct device **out);

// Media events for listeners and tests: what happened, with the media change count.
enum drive_event {
    DRIVE_EVENT_ARRIVAL,
    DRIVE_EVENT_REMOVAL,
    DRIVE_EVENT_EJECT_REQUEST,
    DRIVE_EVENT_BECOMING_READY,
    DRIVE_EVENT_FAILURE_PREDICTED,
};
// Called in the middle of the request that found it, which holds locks: it must not send requests.
typedef void drive_event_fn(void *context, struct device *device, enum drive_event event, u32 count);
void drive_listen(struct device *device, drive_event_fn *fn, void *context);

u32 drive_media_count(struct device *device);

#endif
