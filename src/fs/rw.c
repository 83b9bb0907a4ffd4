// SPDX-License-Identifier: Apache-2.0
// Read, write and flush. Data moves under the stream's own locks; neither the fcb's lock nor any allocation
// is on this path. Reading leaves LastAccessTime alone, as Windows does by default: it would turn every read
// into a write. With the device option atime=relatime some reads are noted, which takes a comparison else.
#include <stdio.h>

#include "fs/request.h"

bool vcb_is_readonly(struct vcb *vcb)
{
    if (vcb->info.readonly)
        return true;
    struct store_info info;
    store_get_info(vcb->store, &info);
    return info.readonly;
}

void fcb_mark_written(struct fcb *fcb, const struct ccb *ccb)
{
    fcb_touch(fcb, ccb, TIME_WRITTEN | TIME_CHANGED | MARK_ARCHIVE);
}

void fcb_mark_read(struct fcb *fcb, const struct ccb *ccb)
{
    if (!fcb->vcb->asked.relatime ||
        time_now() < atomic_load_explicit(&fcb->fresh_until, memory_order_relaxed))
        return;
    if (!vcb_is_readonly(fcb->vcb))
        fcb_touch(fcb, ccb, TIME_ACCESSED);
}

nt_status file_explain(struct vcb *vcb, const struct ccb *ccb, u64 offset, u64 length, nt_status status)
{
    enum { UNIT = 16384, PATH_SIZE = 1024 };
    if (status != STATUS_DATA_CHECKSUM_ERROR)
        return status;
    char path[PATH_SIZE];
    if (object_path(vcb->store, ccb->scb->fcb->id, path, sizeof path) != STATUS_SUCCESS)
        snprintf(path, sizeof path, "file %llu", (unsigned long long)ccb->scb->fcb->id);
    for (char *p = path; *p; p++)
        if (*p == '/')
            *p = '\\';
    status_set_text("%s%s%.*s: the data in bytes %llu..%llu do not match their checksum", path,
                    ccb->scb->name_len ? ":" : "", (int)ccb->scb->name_len, ccb->scb->name,
                    (unsigned long long)align_down(offset, UNIT),
                    (unsigned long long)align_up(offset + length, UNIT) - 1);
    return status;
}

// Offsets are signed 64-bit numbers everywhere outside, so that is how far a range may reach.
static nt_status range_check(u64 offset, u64 length)
{
    u64 end;
    if (add_overflows(offset, length, &end) || end > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

// To the drive, for the volume's own medium.
static nt_status pass_down(struct vcb *vcb, struct irp *irp)
{
    irp->medium = dev_blk_medium(vcb->blk);
    return dev_call(vcb->real, irp);
}

nt_status fs_read(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    struct scb *scb = ccb->scb;
    u64 offset = irp->p.read.offset;
    size_t length = irp->p.read.length;

    if (scb && ccb_is_directory(ccb))
        return STATUS_INVALID_DEVICE_REQUEST;
    if (!(irp->file->access & FILE_READ_DATA))
        return STATUS_ACCESS_DENIED;
    TRY(range_check(offset, length));
    if (!scb)
        return pass_down(vcb, irp);
    if (length == 0)
        return STATUS_SUCCESS;
    TRY(lock_check(scb, irp->file, offset, length, false));
    size_t done = 0;
    nt_status status = stream_read(scb->stream, offset, irp->p.read.data, length, &done);
    irp->information = done;
    if (done)
        fcb_mark_read(scb->fcb, ccb);
    return file_explain(vcb, ccb, offset, length, status);
}

// Behind the file system: only for the handle that locked the volume, so that nothing it knows is in use.
static nt_status write_volume(struct vcb *vcb, struct irp *irp)
{
    if (vcb->locked_by != irp->file)
        return STATUS_ACCESS_DENIED;
    irp_ccb(irp)->wrote_raw = true;
    return pass_down(vcb, irp);
}

// From byte `from` of the request's data on; *written counts from its start.
static nt_status write_data(struct vcb *vcb, struct irp *irp, u64 offset, size_t from, size_t *written)
{
    struct ccb *ccb = irp_ccb(irp);
    const u8 *data = (const u8 *)irp->p.write.data + from;
    size_t length = irp->p.write.length - from, done = 0;
    TRY(range_check(offset, length));
    nt_status status = stream_write(ccb->scb->stream, offset, data, length, &done);
    *written = from + done;
    if (done)
        fcb_mark_written(ccb->scb->fcb, ccb);
    return file_explain(vcb, ccb, offset, length, status);
}

static nt_status write_at(struct vcb *vcb, struct irp *irp)
{
    size_t written = 0;
    TRY(lock_check(irp_ccb(irp)->scb, irp->file, irp->p.write.offset, irp->p.write.length, true));
    nt_status status = write_data(vcb, irp, irp->p.write.offset, 0, &written);
    irp->information = written;
    return status;
}

enum { APPEND_SPLIT = -1 }; // irp_done.offset: the bytes are not in one place

// The mutex makes "where does it end" and the write one step for all who append. Locks on what lies behind
// the end are compared like any others. A second try writes everything again where it is, since the device
// may have lost it; only what found no place before another appender came goes behind that.
static nt_status write_append(struct vcb *vcb, struct irp *irp)
{
    struct scb *scb = irp_ccb(irp)->scb;
    struct irp_done *done = &irp->done;
    size_t length = irp->p.write.length, from = 0, written = 0;
    SCOPE_LOCK(&scb->mutex);
    struct stream_info info;
    stream_get_info(scb->stream, &info);
    if (!irp_is_done(irp)) {
        done->offset = info.size;
    } else if (done->offset == (u64)APPEND_SPLIT ||
               (done->bytes < length && done->offset + done->bytes != info.size)) {
        done->offset = (u64)APPEND_SPLIT;
        from = done->bytes;
    }
    u64 offset = done->offset == (u64)APPEND_SPLIT ? info.size : done->offset;
    TRY(range_check(offset, length - from));
    TRY(lock_check_held(scb, irp->file, offset, length - from, true));
    nt_status status = from < length ? write_data(vcb, irp, offset, from, &written) : STATUS_SUCCESS;
    if (written > 0)
        irp_note(irp, vcb);
    irp->information = done->bytes = MAX(done->bytes, written);
    return status;
}

static nt_status flush_file(struct vcb *vcb, struct fcb *fcb)
{
    {
        SCOPE_FCB(fcb);
        TRY(fcb_save(fcb));
    }
    return store_sync(vcb->store);
}

// A flush of the root directory is one of the volume.
static bool is_of_volume(const struct ccb *ccb)
{
    return !ccb->scb || (ccb->scb->fcb->id == OBJECT_ROOT && ccb->scb->name_len == 0);
}

u64 ccb_lost_so_far(const struct ccb *ccb)
{
    const struct vcb *vcb = ccb->vcb;
    u64 now = is_of_volume(ccb) ? vcb->lost + store_lost_so_far(vcb->store)
                                : ccb->scb->lost + stream_lost_so_far(ccb->scb->stream);
    return vcb->dropped + now;
}

// What the device lost is no business of the flush that is over: it succeeded. But it is the moment at which
// everybody who has the file open must hear of it.
static nt_status tell_lost(struct vcb *vcb, struct ccb *ccb)
{
    u64 count;
    TRY(is_of_volume(ccb) ? store_lost(vcb->store, &count) : stream_lost(ccb->scb->stream, &count));
    count = ccb_lost_so_far(ccb);
    return atomic_exchange(&ccb->told, count) == count ? STATUS_SUCCESS : STATUS_LOST_WRITEBEHIND_DATA;
}

nt_status fs_write(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    struct scb *scb = ccb->scb;
    u64 offset = irp->p.write.offset;
    size_t length = irp->p.write.length;
    u32 access = irp->file->access;
    // Who may only append writes at the end, whatever the offset says.
    bool append = offset == UINT64_MAX || !(access & FILE_WRITE_DATA);

    if (scb && ccb_is_directory(ccb))
        return STATUS_INVALID_DEVICE_REQUEST;
    if (!(access & (FILE_WRITE_DATA | (scb ? FILE_APPEND_DATA : 0))))
        return STATUS_ACCESS_DENIED;
    if (!append || !scb)
        TRY(range_check(offset, length));
    if (vcb->info.readonly)
        return STATUS_MEDIA_WRITE_PROTECTED;
    if (!scb)
        return write_volume(vcb, irp);
    if (length == 0)
        return STATUS_SUCCESS;
    TRY(append ? write_append(vcb, irp) : write_at(vcb, irp));
    if (!(irp->file->options & FILE_WRITE_THROUGH))
        return STATUS_SUCCESS;
    TRY(flush_file(vcb, scb->fcb));
    return irp->done.offset == (u64)APPEND_SPLIT ? tell_lost(vcb, ccb) : STATUS_SUCCESS;
}

nt_status fs_flush(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    TRY(ccb->scb ? flush_file(vcb, ccb->scb->fcb) : store_sync(vcb->store));
    return tell_lost(vcb, ccb);
}
