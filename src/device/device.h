// SPDX-License-Identifier: Apache-2.0
// Device objects, the VPB, mounting by taste, verify-and-retry, and a device stack seen as a block device.
//
//   handle -> volume device (fs driver) -> real device (disk, cdrom, tape driver) -> blk
//                     |                          |
//                     +------ vpb ---------------+     vpb.volume is mounted on vpb.real
//
// Lock order: device.verify_mutex, then the fs driver's own locks, then device.mutex (a leaf: flags, vpb,
// counts; never held across a dev_call).
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include "block/blk.h"
#include "device/irp.h"

struct driver {
    const char *name; // "disk", "cdrom", "tape", "holdfast"
    nt_status (*dispatch[IRP_MJ_COUNT])(struct device *device,
                                        struct irp *irp); // NULL: INVALID_DEVICE_REQUEST
    void (*destroy)(struct device *device);               // when the last reference is dropped; may be NULL
};

enum device_flags {
    DO_VERIFY_VOLUME = 2, // the medium may have changed since it was mounted
};
enum device_characteristics {
    DEVICE_REMOVABLE_MEDIA = 1,
    DEVICE_READ_ONLY = 2,
    DEVICE_VIRTUAL_VOLUME = 4, // a file system's volume device
};
enum vpb_flags {
    VPB_MOUNTED = 1,
    VPB_LOCKED = 2, // by FSCTL_LOCK_VOLUME
    VPB_RAW = 4,    // no file system took the medium
};

// What is mounted where. One per mount; the real device points to the current one, an fs keeps its own. The
// VPB holds no reference on either device: the fs takes its VPB off the real device before its volume device
// goes.
struct vpb {
    u32 references;
    u32 flags;             // enum vpb_flags; under real->mutex
    struct device *volume; // the fs driver's device object
    struct device *real;
    u32 serial;
};

struct device {
    const struct driver *driver;
    void *extension; // the driver's own
    char name[32];   // "PhysicalDrive0", "CdRom0"; a volume device has its real device's name
    u32 type;        // FILE_DEVICE_*
    u32 number;      // STORAGE_DEVICE_NUMBER.DeviceNumber
    u32 characteristics;
    _Atomic u32 flags; // enum device_flags
    _Atomic u32 references;
    _Atomic u32 changes;          // how often dev_mark_verify was called: a mount or verify that saw it move
                                  // met two media
    pthread_mutex_t mutex;        // vpb, and the driver's small state
    pthread_mutex_t verify_mutex; // one mount or verify at a time
    struct vpb *vpb;              // real devices: the current VPB, never NULL; volume devices: NULL
    struct device *lower;         // volume devices: the real device
};

// A handle's worth of state, owned by the handle floor; the driver that answered the create hangs its own on
// it.
struct file_object {
    struct device *
        device; // where IRPs are sent: the volume device, or the real device for raw and attribute-only opens
    void *context; // the driver's: fs keeps its CCB here
    u32 access;    // granted
    u32 share;
    u32 options;      // FILE_* create options
    bool volume_open; // the open named the volume or device itself, not a file on it
};

nt_status dev_new(const struct driver *driver, const char *name, u32 type, size_t extension_size,
                  struct device **out);
void dev_reference(struct device *device);
void dev_release(struct device *device);

// Send an IRP: clears information, dispatches, traces. A missing dispatch entry is INVALID_DEVICE_REQUEST.
nt_status dev_call(struct device *device, struct irp *irp);

// The file-system drivers that taste a medium, in the order in which they registered.
void dev_register_fs(const struct driver *driver);

// Make sure that something is mounted on the real device: the file systems get MOUNT_VOLUME until one answers
// other than UNRECOGNIZED_VOLUME. The one that takes the medium fills the VPB and sets VPB_MOUNTED in it. A
// volume device with a reference for the caller in *volume, or NULL there when no file system knows the
// medium (raw). Fails with the device's own status when it is not ready.
nt_status dev_mount(struct device *real, struct device **volume);

// The I/O manager's IoVerifyVolume: if DO_VERIFY_VOLUME is set, ask the mounted file system; WRONG_VOLUME
// mounts what is there now on a new VPB (and is still returned). SUCCESS when the flag is not set. Device
// errors pass through and leave the flag set. One thread verifies, the others wait (spec/storage.md 3.2).
nt_status dev_verify(struct device *real, u32 irp_flags);

// The medium may have changed: set DO_VERIFY_VOLUME if the real device's VPB is mounted; true when it was.
bool dev_mark_verify(struct device *real);
// The medium has been verified: clear DO_VERIFY_VOLUME, unless device.changes is not any more what it was
// when the verify began to look; then false.
bool dev_clear_verify(struct device *real, u32 changes);

// Replace the current VPB of a real device by this one (a returned volume) or, with NULL, by a fresh
// unmounted one. The old one keeps its flags, for the day its medium comes back.
void dev_set_vpb(struct device *real, struct vpb *vpb);
struct vpb *vpb_new(struct device *real);
void vpb_reference(struct vpb *vpb);
void vpb_release(struct vpb *vpb);

// The device stack as a block device for the engine: reads, writes and flushes become IRPs to real. With
// override on, they carry IRP_OVERRIDE_VERIFY. The blk holds a reference on the device.
//
// It is for one medium: each IRP carries the number of the one that was in when the blk was made. From the
// moment at which the drive notices another one, or cannot be sure that it is not, they answer
// VERIFY_REQUIRED, override or not, and nothing is tried again on what came in. Whoever has proved, by
// reading it through a blk of its own, that the medium is the same volume lets the old blk follow.
nt_status dev_as_blk(struct device *real, struct blk **out);
void dev_blk_override(struct blk *b, bool on);
void dev_blk_follow(struct blk *b, const struct blk *proved);
u64 dev_blk_medium(const struct blk *b); // irp.medium of its requests

#endif
