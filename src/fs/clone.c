// SPDX-License-Identifier: Apache-2.0
// FSCTL_DUPLICATE_EXTENTS_TO_FILE and _EX: clusters of one stream become part of another (MS-FSA 2.1.5.10.4
// and .5, whose order of checks this follows; MS-FSCC 2.3.7 to 2.3.10; spec/integrity.md 3.5). The handle
// floor has turned the handle in the buffer into a file object, of which nothing is known: not even that it
// is ours.
#include "fs/request.h"

struct clone {
    u64 from, to, count; // bytes
};

static nt_status clone_parse(const struct vcb *vcb, const u8 *in, struct clone *c)
{
    *c = (struct clone){get_le64(in), get_le64(in + 8), get_le64(in + 16)};
    u64 end;
    if (!is_aligned(c->from | c->to | c->count, vcb->info.cluster))
        return STATUS_INVALID_PARAMETER;
    if (add_overflows(c->from, c->count, &end) || end > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    if (add_overflows(c->to, c->count, &end) || end > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

// A handle of a data stream of this volume that may read its data and attributes.
static nt_status source_stream(const struct irp *irp, struct scb **out)
{
    struct file_object *source = irp->p.control.source;
    u32 needed = FILE_READ_DATA | FILE_READ_ATTRIBUTES;
    *out = NULL;
    if (!source || source->device != irp->file->device || !source->context)
        return STATUS_INVALID_PARAMETER;
    struct ccb *ccb = source->context;
    if (!ccb->scb || ccb_is_directory(ccb) || (source->access & needed) != needed)
        return STATUS_INVALID_PARAMETER;
    TRY(fcb_verify(ccb->scb->fcb)); // after a change of media, as fs_enter did for the target
    *out = ccb->scb;
    return STATUS_SUCCESS;
}

static nt_status clone_check(struct irp *irp, struct scb *source, const struct clone *c)
{
    struct scb *target = irp_ccb(irp)->scb;
    struct stream_info from, to;
    stream_get_info(source->stream, &from);
    stream_get_info(target->stream, &to);
    if (c->from + c->count > align_up(from.size, irp_ccb(irp)->vcb->info.cluster))
        return STATUS_NOT_SUPPORTED;
    if (from.sparse && !to.sparse)
        return STATUS_NOT_SUPPORTED;
    TRY(lock_check(target, irp->file, c->to, c->count, true));
    return lock_check(source, irp->p.control.source, c->from, c->count, false);
}

// in: SourceFileOffset, TargetFileOffset, ByteCount.
static nt_status clone_run(struct vcb *vcb, struct irp *irp, const u8 *in)
{
    struct ccb *ccb = irp_ccb(irp);
    struct clone c;
    struct scb *source;
    TRY(clone_parse(vcb, in, &c));
    if (c.count == 0)
        return STATUS_SUCCESS;
    if (ccb_is_directory(ccb))
        return STATUS_NOT_SUPPORTED;
    TRY(source_stream(irp, &source));
    TRY(clone_check(irp, source, &c));
    nt_status status = stream_clone(source->stream, c.from, ccb->scb->stream, c.to, c.count);
    if (status == STATUS_INVALID_PARAMETER || status == STATUS_NOT_SUPPORTED)
        return status; // nothing was done
    // A failure may have come in the middle of the range.
    fcb_mark_written(ccb->scb->fcb, ccb);
    return status == STATUS_TOO_MANY_LINKS ? STATUS_BLOCK_TOO_MANY_REFERENCES : status;
}

nt_status clone_extents(struct vcb *vcb, struct irp *irp)
{
    const u8 *in = irp->p.control.in;
    return clone_run(vcb, irp, in + offsetof(DUPLICATE_EXTENTS_DATA, SourceFileOffset));
}

// All or nothing is not to be had for a range that takes several transactions, so it is not promised.
nt_status clone_extents_ex_check(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    const u8 *in = irp->p.control.in;
    u32 flags = get_le32(in + offsetof(DUPLICATE_EXTENTS_DATA_EX, Flags));
    if (get_le64(in) != sizeof(DUPLICATE_EXTENTS_DATA_EX))
        return STATUS_NOT_SUPPORTED;
    return flags & DUPLICATE_EXTENTS_DATA_EX_SOURCE_ATOMIC ? STATUS_NOT_SUPPORTED : STATUS_SUCCESS;
}

nt_status clone_extents_ex(struct vcb *vcb, struct irp *irp)
{
    const u8 *in = irp->p.control.in;
    return clone_run(vcb, irp, in + offsetof(DUPLICATE_EXTENTS_DATA_EX, SourceFileOffset));
}
