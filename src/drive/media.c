// SPDX-License-Identifier: Apache-2.0
// Has the medium changed? Every command to a drive goes through run(): its answer is looked up in THE sense
// table, a unit attention is counted, marks the mounted volume for verification and is decided by the matrix
// of spec/storage.md 2.3; then come the retries.
//
// What was meant for one medium never reaches another: M1, a request that carries a number is refused once
// the drive has counted a change since; M2, a command carries the back end's number of the medium that was
// in when the flags and the count were looked at; M3, what can write is tried again only on that medium.
// M4: a flush that the drive has tried is not tried again here. What the device lost with the first one, a
// second one would not say. M5: a flush for a medium succeeds only if the drive met no attention that its
// volume does not know of, whichever command took it up: a drive that was reset has lost its cache.
#include "drive/media.h"

#include <stdatomic.h>

#include "drive/sense.h"

struct command {
    enum sense_use use;
    u32 flags;  // enum irp_flags
    u64 medium; // irp.medium
    const struct iovec *iov;
    int iov_count;
    u64 offset;
    nt_status (*send)(struct drive *drive, const struct command *c, u64 medium, struct sense *sense);
    enum blk_command control;
};

static nt_status send_ready(struct drive *drive, const struct command *c, u64 medium, struct sense *sense)
{
    (void)c;
    (void)medium;
    return blk_ready(drive->blk, sense);
}

static nt_status send_flush(struct drive *drive, const struct command *c, u64 medium, struct sense *sense)
{
    (void)c;
    return blk_flush_medium(drive->blk, medium, sense);
}

static nt_status send_read(struct drive *drive, const struct command *c, u64 medium, struct sense *sense)
{
    bool fresh = c->flags & IRP_READ_FRESH;
    return (fresh ? blk_read_fresh_medium : blk_read_medium)(drive->blk, medium, c->iov, c->iov_count,
                                                             c->offset, sense);
}

static nt_status send_write(struct drive *drive, const struct command *c, u64 medium, struct sense *sense)
{
    bool flush = c->flags & IRP_WRITE_FLUSH;
    return (flush ? blk_write_flush_medium : blk_write_medium)(drive->blk, medium, c->iov, c->iov_count,
                                                               c->offset, sense);
}

static nt_status send_control(struct drive *drive, const struct command *c, u64 medium, struct sense *sense)
{
    (void)medium;
    return blk_command(drive->blk, c->control, sense);
}

static void notify(struct device *device, enum drive_event event)
{
    struct drive *drive = drive_of(device);
    drive_event_fn *listener;
    void *context;
    {
        SCOPE_LOCK(&drive->mutex);
        listener = drive->listener;
        context = drive->listener_context;
    }
    if (listener)
        listener(context, device, event, drive->count);
}

// The first state known after the attach is no news.
static void set_state(struct device *device, enum media_state state)
{
    struct drive *drive = drive_of(device);
    enum media_state before;
    {
        SCOPE_LOCK(&drive->mutex);
        before = drive->state;
        drive->state = state;
        if (state == MEDIA_PRESENT)
            drive->size = blk_size(drive->blk);
    }
    if (before != MEDIA_UNKNOWN && before != state)
        notify(device, state == MEDIA_PRESENT ? DRIVE_EVENT_ARRIVAL : DRIVE_EVENT_REMOVAL);
}

bool media_must_verify(const struct device *device, u32 irp_flags)
{
    return (device->flags & DO_VERIFY_VOLUME) && !(irp_flags & IRP_OVERRIDE_VERIFY);
}

// Some drives let a medium come in without a word. A drive that was empty and is ready, or that has another
// capacity, holds another medium (D20).
static bool changed_silently(struct drive *drive)
{
    SCOPE_LOCK(&drive->mutex);
    return drive->options.removable && drive->options.kind != DRIVE_TAPE &&
           (drive->state == MEDIA_ABSENT ||
            (drive->state == MEDIA_PRESENT && drive->size != blk_size(drive->blk)));
}

// Is the request for a medium that the drive has counted a change since? A fixed drive has but one.
static bool is_for_another(const struct drive *drive, const struct command *c)
{
    return c->medium != 0 && drive->options.removable && c->medium != drive->count + 1ull;
}

static bool is_flush(const struct command *c)
{
    return c->send == send_flush || (c->send == send_write && c->flags & IRP_WRITE_FLUSH);
}

// M5. A removable drive's volume follows the count when it has verified its medium (is_for_another); a fixed
// drive's hears of a change with the next flush.
static bool has_news(struct drive *drive, const struct command *c)
{
    u32 count = drive->count;
    if (c->medium == 0 || !is_flush(c))
        return false;
    return drive->options.removable ? is_for_another(drive, c)
                                    : atomic_exchange(&drive->told, count) != count;
}

// The matrix. The order matters: a transfer that meanwhile passed the test of DO_VERIFY_VOLUME still carries
// the old medium's number, so the new number may be known only after the flag is set.
static nt_status attend(struct device *device, const struct command *c, const struct sense_row *row,
                        bool *retry)
{
    struct drive *drive = drive_of(device);
    bool override = (c->flags & IRP_OVERRIDE_VERIFY) != 0;
    bool classpnp = drive->options.compat == DRIVE_COMPAT_CLASSPNP;
    drive->count++;
    bool mounted = drive->options.removable && dev_mark_verify(device);
    drive->medium = blk_medium(drive->blk);
    if (row->marks & SENSE_PRESENT)
        set_state(device, MEDIA_PRESENT);
    if (row->marks & SENSE_EJECT)
        notify(device, DRIVE_EVENT_EJECT_REQUEST);
    if (row->marks & SENSE_PREDICTED)
        notify(device, DRIVE_EVENT_FAILURE_PREDICTED);
    *retry = false;
    if (drive->options.kind == DRIVE_TAPE)
        return row->status;
    if (has_news(drive, c) || (mounted && !override) || is_for_another(drive, c))
        return STATUS_VERIFY_REQUIRED;
    *retry = row->delay >= 0 && (!drive->options.removable || override || classpnp);
    return STATUS_IO_DEVICE_ERROR;
}

static nt_status decide(struct device *device, const struct command *c, const struct sense_row *row,
                        bool *retry)
{
    if (row->marks & SENSE_UNIT)
        return attend(device, c, row, retry);
    *retry = row->delay >= 0;
    // A verify or mount sees the error itself; marking the volume again would make it verify for ever.
    if ((row->marks & SENSE_VERIFY) && drive_of(device)->options.removable &&
        !(c->flags & IRP_OVERRIDE_VERIFY))
        dev_mark_verify(device);
    if (row->marks & SENSE_ABSENT)
        set_state(device, MEDIA_ABSENT);
    if (row->marks & SENSE_BECOMING)
        notify(device, DRIVE_EVENT_BECOMING_READY);
    if (row->marks & SENSE_PREDICTED)
        notify(device, DRIVE_EVENT_FAILURE_PREDICTED);
    return row->status;
}

static nt_status wait_before_retry(struct drive *drive, const struct command *c, const struct irp *irp,
                                   const struct sense_row *row)
{
    struct sense ignored;
    if ((row->marks & SENSE_START) && drive->options.start_needed && !(c->flags & IRP_LOW_PRIORITY)) {
        // Whether it started is what the retry finds out.
        nt_status started = blk_command(drive->blk, BLK_START, &ignored);
        (void)started;
    }
    u64 ms = (u64)row->delay * (drive->options.retry_unit_ms ? drive->options.retry_unit_ms : 1000);
    return irp_wait(irp, (u32)MIN(ms, UINT32_MAX));
}

static nt_status run(struct device *device, struct irp *irp, const struct command *c)
{
    static const struct sense medium_changed = {.key = SENSE_ATTENTION, .asc = 0x28};
    struct drive *drive = drive_of(device);
    enum drive_kind kind = drive->options.kind;
    u32 retries = kind == DRIVE_CDROM ? 5 : 4;
    bool transfers = c->use != SENSE_OF_READY && c->send != send_control;
    for (u32 attempt = 0;; attempt++) {
        u64 medium = drive->medium; // before the flag and the count are looked at: see attend
        if (transfers && media_must_verify(device, c->flags))
            return STATUS_VERIFY_REQUIRED;
        if (is_for_another(drive, c)) { // M1
            dev_mark_verify(device);
            return STATUS_VERIFY_REQUIRED;
        }
        struct sense sense = {0};
        nt_status status = c->send(drive, c, medium, &sense);
        bool no_sense = sense.key == SENSE_NONE && sense.transport == BLK_TRANSPORT_OK;
        if (no_sense && status != STATUS_SUCCESS && status != STATUS_IO_DEVICE_ERROR)
            return status; // did not reach the drive
        const struct sense_row *row;
        if (!no_sense || status != STATUS_SUCCESS) {
            row = sense_find(kind, c->use, &sense);
        } else if (c->use == SENSE_OF_READY && changed_silently(drive)) {
            row = sense_find(kind, c->use, &medium_changed);
        } else {
            if (c->use == SENSE_OF_READY)
                set_state(device, MEDIA_PRESENT);
            return has_news(drive, c) ? STATUS_VERIFY_REQUIRED : STATUS_SUCCESS;
        }
        bool retry;
        status = decide(device, c, row, &retry);
        bool writes = c->send == send_write || c->send == send_flush;
        if ((is_flush(c) && sense.transport != BLK_BUSY) || (writes && medium != drive->medium)) // M4, M3
            retry = false;
        if (!retry || attempt == retries)
            return status;
        TRY(wait_before_retry(drive, c, irp, row));
    }
}

nt_status media_ready(struct device *device, struct irp *irp, u32 flags)
{
    return run(device, irp,
               &(struct command){.use = SENSE_OF_READY, .flags = irp->flags | flags, .send = send_ready});
}

nt_status media_command(struct device *device, struct irp *irp, enum blk_command control)
{
    return run(device, irp,
               &(struct command){
                   .use = SENSE_OF_OTHER, .flags = irp->flags, .send = send_control, .control = control});
}

nt_status media_flush(struct device *device, struct irp *irp)
{
    return run(device, irp,
               &(struct command){
                   .use = SENSE_OF_OTHER, .flags = irp->flags, .medium = irp->medium, .send = send_flush});
}

static nt_status transfer(struct device *device, struct irp *irp, struct command *c)
{
    struct iovec one = {irp->p.read.data, irp->p.read.length};
    c->flags = irp->flags;
    c->medium = irp->medium;
    c->offset = irp->p.read.offset;
    c->iov = irp->p.read.iov ? irp->p.read.iov : &one;
    c->iov_count = irp->p.read.iov ? irp->p.read.iov_count : 1;
    // What comes into an empty drive without a word must be noticed before it is read or written.
    if (drive_of(device)->state == MEDIA_ABSENT && !media_must_verify(device, irp->flags))
        TRY(media_ready(device, irp, 0));
    TRY(run(device, irp, c));
    irp->information = irp->p.read.length;
    return STATUS_SUCCESS;
}

nt_status media_read(struct device *device, struct irp *irp)
{
    return transfer(device, irp, &(struct command){.use = SENSE_OF_READ, .send = send_read});
}

nt_status media_write(struct device *device, struct irp *irp)
{
    return transfer(device, irp, &(struct command){.use = SENSE_OF_WRITE, .send = send_write});
}

void media_begin(struct device *device)
{
    enum { ATTENTIONS = 5 };
    struct drive *drive = drive_of(device);
    struct sense sense = {0};
    nt_status status = STATUS_SUCCESS;
    for (int i = 0; i < ATTENTIONS; i++) {
        status = blk_ready(drive->blk, &sense);
        if (sense.transport != BLK_TRANSPORT_OK || sense.key != SENSE_ATTENTION)
            break;
    }
    drive->medium = blk_medium(drive->blk);
    if (status == STATUS_SUCCESS)
        set_state(device, MEDIA_PRESENT);
    else if (status == STATUS_NO_MEDIA_IN_DEVICE)
        set_state(device, MEDIA_ABSENT);
}
