// SPDX-License-Identifier: Apache-2.0
// Block back ends: bytes at offsets on something. Callers use only the blk_* functions, which check every
// call (range, access, alignment of nothing: back ends take any offset and length) before the back end sees
// it.
#ifndef BLOCK_BLK_H
#define BLOCK_BLK_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/status.h"

// What a device says of a failure, in SCSI terms; a back end without SCSI below says the nearest thing.
// key 0 with transport 0 is "no sense": nothing to report.
struct sense {
    u8 key, asc, ascq;
    u8 transport; // enum blk_transport: when not 0, the command did not reach the device and key/asc/ascq
                  // mean nothing
};
enum blk_transport {
    BLK_TRANSPORT_OK,
    BLK_TIMED_OUT,
    BLK_ABORTED,
    BLK_SELECTION_TIMEOUT,
    BLK_NO_DEVICE,
    BLK_BUS_RESET,
    BLK_PARITY,
    BLK_BUSY,
    BLK_RESERVED, // reservation conflict
    BLK_OVERRUN,
};
enum sense_key {
    SENSE_NONE = 0,
    SENSE_RECOVERED = 1,
    SENSE_NOT_READY = 2,
    SENSE_MEDIUM = 3,
    SENSE_HARDWARE = 4,
    SENSE_ILLEGAL = 5,
    SENSE_ATTENTION = 6,
    SENSE_PROTECT = 7,
    SENSE_BLANK = 8,
    SENSE_ABORTED = 11,
};

// Things told to the drive rather than to the medium.
enum blk_command {
    BLK_START,   // START UNIT
    BLK_LOAD,    // START STOP UNIT, LoEj 1 Start 1
    BLK_EJECT,   // START STOP UNIT, LoEj 1 Start 0
    BLK_PREVENT, // PREVENT MEDIUM REMOVAL; EJECT then fails with 5/53/02
    BLK_ALLOW,
};

enum blk_flags {
    BLK_READONLY = 1,  // open for reading only; shared with other readers
    BLK_REMOVABLE = 2, // the medium can change or vanish under us
    BLK_UNLOCKED = 4,  // with READONLY: only look, also at what somebody uses
};

enum { BLK_DIRECT_ALIGN = 4096 };

struct blk {
    const struct blk_ops *ops;
    void *state; // the back end's own
    char *spec;  // as given to blk_open, for messages
    u64 size;    // bytes on the current medium, kept by the back end; 0 when there is none
    u32 sector;  // logical sector: 512, or 2048 for CD images
    u32 flags;   // enum blk_flags; BLK_READONLY is also set when the medium is write-protected
    u64 medium;  // removable: 1, 2, 3 ...: moves on together with each unit attention for a new medium
    pthread_rwlock_t lock; // removable: commands share it, a change of medium has it alone
};

// A back end. Every function but open and close reports sense; a back end fills *sense on failure and returns
// the plain status of it (sense_plain_status), so that callers without a class driver above have something to
// go by. Offsets and lengths were checked against size; iov lengths add up to less than 2 GiB. close is
// called also after a failed open. same and change are for removable media and may be NULL: same is asked
// before every command, with the lock shared; when it says no, change is called with the lock held alone. It
// takes up the new medium and reports the unit attention, or reports why there is none.
struct blk_ops {
    const char *prefix; // "file"
    nt_status (*open)(struct blk *b, const char *path);
    void (*close)(struct blk *b);
    nt_status (*preadv)(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense);
    // The same past caches that may not be what the medium holds; may be NULL: there are none.
    nt_status (*preadv_fresh)(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense);
    nt_status (*pwritev)(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense);
    nt_status (*flush)(struct blk *b, struct sense *sense); // SYNCHRONIZE CACHE
    // pwritev and flush in one, in whatever order is fastest; may be NULL.
    nt_status (*pwritev_flush)(struct blk *b, const struct iovec *iov, int n, u64 offset,
                               struct sense *sense);
    nt_status (*ready)(struct blk *b, struct sense *sense);                       // TEST UNIT READY
    nt_status (*command)(struct blk *b, enum blk_command c, struct sense *sense); // may be NULL: 5/20/00
    bool (*same)(struct blk *b);
    nt_status (*change)(struct blk *b, struct sense *sense);
};

// spec: "file:/path", a bare path means the same, "dev:/dev/loop0", "ram:BYTES".
// SHARING_VIOLATION when another process (or this one) has it open for writing, or has it open and we want to
// write.
nt_status blk_open(const char *spec, u32 flags, struct blk **out);
// Make a blk of a back end that is not found by prefix (a device stack, a filter). Takes over state on
// success.
nt_status blk_new(const struct blk_ops *ops, void *state, const char *spec, struct blk **out);
void blk_close(struct blk *b); // NULL is allowed

// sense may be NULL. Beyond the end: NONEXISTENT_SECTOR with sense 5/21/00. Write to BLK_READONLY:
// MEDIA_WRITE_PROTECTED with 7/27/00. All or nothing as far as the caller is concerned: no short counts.
nt_status blk_pread(struct blk *b, void *data, size_t len, u64 offset, struct sense *sense);
nt_status blk_pwrite(struct blk *b, const void *data, size_t len, u64 offset, struct sense *sense);
nt_status blk_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense);
nt_status blk_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense);
// What the medium holds, past every cache on the way that can be passed. What was written and is still on its
// way there is waited for. Costs least with memory and offsets aligned to BLK_DIRECT_ALIGN.
nt_status blk_pread_fresh(struct blk *b, void *data, size_t len, u64 offset, struct sense *sense);
// A write and a flush in one: afterwards it and all writes before are on stable storage, in no order.
nt_status blk_pwrite_flush(struct blk *b, const void *data, size_t len, u64 offset, struct sense *sense);
// The same for this medium only (a value of b->medium): when another one is in, unit attention 6/28/00 and
// nothing is touched. A command that was on its way during a swap, with what its sender knew before, must not
// land on the new medium only because the attention went to another command.
nt_status blk_read_medium(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                          struct sense *s);
nt_status blk_read_fresh_medium(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                                struct sense *s);
nt_status blk_write_medium(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                           struct sense *s);
nt_status blk_write_flush_medium(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                                 struct sense *s);
nt_status blk_flush_medium(struct blk *b, u64 medium, struct sense *s);
nt_status blk_flush(struct blk *b, struct sense *sense);
nt_status blk_ready(struct blk *b, struct sense *sense);
nt_status blk_command(struct blk *b, enum blk_command c, struct sense *sense);

// The status of a sense without any class driver's context: 6/xx VERIFY_REQUIRED, 2/3A NO_MEDIA_IN_DEVICE,
// 3/xx DEVICE_DATA_ERROR, 7/27/07 DISK_FULL, 7/xx MEDIA_WRITE_PROTECTED, 2/xx DEVICE_NOT_READY, else
// IO_DEVICE_ERROR.
nt_status sense_plain_status(const struct sense *sense);
// For back ends: fill sense and return its plain status.
nt_status sense_report(struct sense *sense, u8 key, u8 asc, u8 ascq);

// Both change with the medium, at any time.
static inline u64 blk_size(const struct blk *b)
{
    return __atomic_load_n(&b->size, __ATOMIC_ACQUIRE);
}
static inline bool blk_has(const struct blk *b, enum blk_flags flag)
{
    return (__atomic_load_n(&b->flags, __ATOMIC_ACQUIRE) & flag) != 0;
}
static inline u64 blk_medium(const struct blk *b)
{
    return __atomic_load_n(&b->medium, __ATOMIC_ACQUIRE);
}
// For back ends, when a medium comes or goes (size 0): what is in now.
void blk_set_medium(struct blk *b, u64 size, bool readonly);

extern const struct blk_ops blk_file_ops, blk_dev_ops, blk_ram_ops;

#endif
