// SPDX-License-Identifier: Apache-2.0
// THE table of file-system control codes: a code is a row. A row is tested in the order that the documents
// ask for: feature, kind of open, sizes, its own check of the input, access, write protection; then the
// handler runs. Codes without a row are INVALID_DEVICE_REQUEST.
#include "fs/request.h"

enum kinds { FILES = 1, DIRECTORIES = 2, VOLUMES = 4, OBJECTS = FILES | DIRECTORIES, ANYTHING = 7 };

enum row_flags {
    WRITES = 1,    // MEDIA_WRITE_PROTECTED on a read-only volume
    NO_OUTPUT = 2, // an output buffer is INVALID_PARAMETER
    FIRST = 8,     // ... even before access is looked at
    UNLOCKED = 4,  // the handler looks at the state of the volume and takes vcb.lock itself
};

typedef nt_status handler(struct vcb *vcb, struct irp *irp);

struct size {
    u32 least;
    nt_status otherwise;
};

struct row {
    u32 code;
    enum kinds kinds;
    u32 flags;
    u64 option; // volume option that turns the code off
    struct size in, out;
    u32 access;     // any one of these; 0: none needed
    handler *check; // may be NULL
    handler *run;
};

static handler set_sparse, zero_data_check, set_zero_data, get_retrieval_pointers, ranges_check,
    query_allocated_ranges;

enum { ANY_WRITE = FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES };
#define IN(size, status)  .in = {size, STATUS_##status}
#define OUT(size, status) .out = {size, STATUS_##status}

static const struct row rows[] = {
    // clang-format off
    {FSCTL_LOCK_VOLUME, VOLUMES, UNLOCKED, .run = vcb_lock_volume},
    {FSCTL_UNLOCK_VOLUME, VOLUMES, UNLOCKED, .run = vcb_unlock_volume},
    {FSCTL_DISMOUNT_VOLUME, VOLUMES, UNLOCKED, .run = vcb_dismount},
    {FSCTL_IS_VOLUME_MOUNTED, ANYTHING, UNLOCKED, .run = vcb_is_mounted},
    {FSCTL_HF_EVENTS, ANYTHING, UNLOCKED, .run = events_get},
    {FSCTL_GET_RETRIEVAL_POINTERS, FILES, 0, IN(8, INVALID_PARAMETER), OUT(32, BUFFER_TOO_SMALL),
        .run = get_retrieval_pointers},
    {FSCTL_SET_SPARSE, FILES, WRITES | FIRST, .access = ANY_WRITE, .run = set_sparse},
    {FSCTL_SET_ZERO_DATA, FILES, WRITES, IN(16, INVALID_PARAMETER), .access = FILE_WRITE_DATA,
        .check = zero_data_check, .run = set_zero_data},
    {FSCTL_QUERY_ALLOCATED_RANGES, FILES, 0, IN(16, INVALID_PARAMETER), .access = FILE_READ_DATA,
        .check = ranges_check, .run = query_allocated_ranges},
    {FSCTL_DUPLICATE_EXTENTS_TO_FILE, OBJECTS, WRITES, IN(32, BUFFER_TOO_SMALL), .access = FILE_WRITE_DATA,
        .run = clone_extents},
    {FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, OBJECTS, WRITES, IN(48, BUFFER_TOO_SMALL), .access = FILE_WRITE_DATA,
        .check = clone_extents_ex_check, .run = clone_extents_ex},
    {FSCTL_GET_INTEGRITY_INFORMATION, OBJECTS, 0, OPTION_NO_INTEGRITY, OUT(16, INVALID_PARAMETER),
        .run = integrity_get},
    // Both data rights, by the bits of the code: whoever decodes it has asked for them.
    {FSCTL_SET_INTEGRITY_INFORMATION, OBJECTS, WRITES, OPTION_NO_INTEGRITY, IN(8, INVALID_PARAMETER),
        .check = integrity_set_check, .run = integrity_set},
    // Needs no right at all on a volume with OPTION_SETEX_ANY.
    {FSCTL_SET_INTEGRITY_INFORMATION_EX, OBJECTS, WRITES, OPTION_NO_INTEGRITY, IN(16, INVALID_PARAMETER),
        .access = ANY_WRITE, .check = integrity_set_ex_check, .run = integrity_set_ex},
    {FSCTL_SET_REPARSE_POINT, OBJECTS, WRITES | NO_OUTPUT, OPTION_NO_REPARSE, IN(1, INVALID_BUFFER_SIZE),
        .access = ANY_WRITE, .check = reparse_point_set_check, .run = reparse_point_set},
    {FSCTL_SET_REPARSE_POINT_EX, OBJECTS, WRITES | NO_OUTPUT, OPTION_NO_REPARSE, IN(1, INVALID_BUFFER_SIZE),
        .access = ANY_WRITE, .check = reparse_point_set_ex_check, .run = reparse_point_set_ex},
    {FSCTL_GET_REPARSE_POINT, ANYTHING, 0, OPTION_NO_REPARSE, OUT(1, INVALID_USER_BUFFER),
        .check = reparse_point_get_check, .run = reparse_point_get},
    {FSCTL_DELETE_REPARSE_POINT, OBJECTS, WRITES | NO_OUTPUT, OPTION_NO_REPARSE, IN(1, INVALID_BUFFER_SIZE),
        .access = ANY_WRITE, .check = reparse_point_delete_check, .run = reparse_point_delete},
    // clang-format on
};

static const struct row *row_of(u32 code)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

static enum kinds kind_of(const struct ccb *ccb)
{
    if (!ccb->scb)
        return VOLUMES;
    return ccb_is_directory(ccb) ? DIRECTORIES : FILES;
}

static bool may(const struct row *row, const struct vcb *vcb, const struct irp *irp)
{
    if (row->code == FSCTL_SET_INTEGRITY_INFORMATION_EX && vcb->info.options & OPTION_SETEX_ANY)
        return true;
    return !row->access || irp->file->access & row->access;
}

static nt_status run(const struct row *row, struct vcb *vcb, struct irp *irp)
{
    size_t in = irp->p.control.in ? irp->p.control.in_length : 0;
    size_t out = irp->p.control.out ? irp->p.control.out_length : 0;
    if (vcb->info.options & row->option)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (!(row->kinds & kind_of(irp_ccb(irp))))
        return STATUS_INVALID_PARAMETER;
    if (in < row->in.least)
        return row->in.otherwise;
    if (row->flags & NO_OUTPUT && irp->p.control.out_length)
        return STATUS_INVALID_PARAMETER;
    if (out < row->out.least)
        return row->out.otherwise;
    if (row->check)
        TRY(row->check(vcb, irp));
    bool protected = row->flags & WRITES && vcb_is_readonly(vcb);
    if (protected && row->flags & FIRST)
        return STATUS_MEDIA_WRITE_PROTECTED;
    if (!may(row, vcb, irp))
        return STATUS_ACCESS_DENIED;
    if (protected)
        return STATUS_MEDIA_WRITE_PROTECTED;
    return row->run(vcb, irp);
}

nt_status fs_fsctl(struct vcb *vcb, struct irp *irp)
{
    const struct row *row = row_of(irp->p.control.code);
    if (!row)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (row->flags & UNLOCKED)
        return row->kinds & kind_of(irp_ccb(irp)) ? row->run(vcb, irp) : STATUS_INVALID_PARAMETER;
    TRY(fs_enter(vcb, irp));
    nt_status status = run(row, vcb, irp);
    fs_leave(vcb);
    return status;
}

// FILE_SET_SPARSE_BUFFER is one BOOLEAN; without it the file becomes sparse (MS-FSA 2.1.5.10.38). Holes do
// not hang on it, so those of a file that is no longer sparse stay.
static nt_status set_sparse(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    struct ccb *ccb = irp_ccb(irp);
    struct fcb *fcb = ccb->scb->fcb;
    const u8 *in = irp->p.control.in;
    bool sparse = !in || irp->p.control.in_length == 0 || in[0];
    SCOPE_FCB(fcb);
    TRY(stream_set_sparse(ccb->scb->stream, sparse));
    if (ccb->scb->name_len == 0)
        fcb_change_attributes(fcb, FILE_ATTRIBUTE_SPARSE_FILE, sparse ? FILE_ATTRIBUTE_SPARSE_FILE : 0);
    fcb_touch(fcb, ccb, TIME_CHANGED);
    return fcb_save(fcb);
}

// FILE_ZERO_DATA_INFORMATION: from FileOffset up to, not including, BeyondFinalZero (MS-FSA 2.1.5.10.39).
static nt_status zero_data_check(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    const u8 *in = irp->p.control.in;
    u64 from = get_le64(in), beyond = get_le64(in + 8);
    return from > INT64_MAX || beyond > INT64_MAX || beyond < from ? STATUS_INVALID_PARAMETER
                                                                   : STATUS_SUCCESS;
}

// Never beyond the end. A long range takes several transactions.
static nt_status set_zero_data(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    struct scb *scb = ccb->scb;
    const u8 *in = irp->p.control.in;
    u64 from = get_le64(in), beyond = get_le64(in + 8);
    struct stream_info info;
    stream_get_info(scb->stream, &info);
    beyond = MIN(beyond, info.size);
    if (from >= beyond)
        return STATUS_SUCCESS;
    TRY(lock_check(scb, irp->file, from, beyond - from, true));
    nt_status status = stream_zero(scb->stream, from, beyond - from);
    fcb_mark_written(scb->fcb, ccb); // a failure may have come in the middle of the range
    return file_explain(vcb, ccb, from, beyond - from, status);
}

// FILE_ALLOCATED_RANGE_BUFFER in, any number of them out (MS-FSA 2.1.5.10.22, MS-FSCC 2.3.51).
static nt_status ranges_check(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    const u8 *in = irp->p.control.in;
    u64 from = get_le64(in), length = get_le64(in + 8);
    return from > INT64_MAX || length > INT64_MAX - from ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

// What is mapped of the range asked for, clipped to it and to the end. Pieces that follow one another in the
// stream are one range wherever they are on the device. Who gets BUFFER_OVERFLOW goes on behind the last
// range.
static nt_status query_allocated_ranges(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    enum { RANGE = sizeof(FILE_ALLOCATED_RANGE_BUFFER) };
    struct stream *stream = irp_ccb(irp)->scb->stream;
    const u8 *in = irp->p.control.in;
    u64 at = get_le64(in), end = at + get_le64(in + 8), start = 0, mapped_to = UINT64_MAX;
    u8 *out = irp->p.control.out;
    size_t room = out ? irp->p.control.out_length / RANGE : 0, count = 0;
    while (at < end) {
        u64 device, length;
        nt_status status = stream_map(stream, at, &device, &length);
        if (status == STATUS_END_OF_FILE)
            break;
        TRY(status);
        length = MIN(length, end - at);
        if (device != UINT64_MAX && mapped_to != at) {
            if (count == room)
                return count > 0 ? STATUS_BUFFER_OVERFLOW : STATUS_BUFFER_TOO_SMALL;
            start = at;
            put_le64(out + count++ * RANGE, start);
            irp->information = count * RANGE;
        }
        at += length;
        if (device != UINT64_MAX) {
            mapped_to = at;
            put_le64(out + (count - 1) * RANGE + 8, at - start);
        }
    }
    return STATUS_SUCCESS;
}

// Cluster numbers count from the start of the device, so that device offset = Lcn * cluster size.
static nt_status get_retrieval_pointers(struct vcb *vcb, struct irp *irp)
{
    enum { HEADER = 16, EXTENT = 16 };
    struct stream *stream = irp_ccb(irp)->scb->stream;
    u64 cluster = vcb->info.cluster, vcn = get_le64(irp->p.control.in);
    u8 *out = irp->p.control.out;
    size_t room = (irp->p.control.out_length - HEADER) / EXTENT;
    struct stream_info info;
    stream_get_info(stream, &info);
    u64 end = align_up(info.size, cluster) / cluster;
    if (vcn > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    if (vcn >= end)
        return STATUS_END_OF_FILE;

    u32 count = 0;
    u64 start = vcn;
    for (; vcn < end && count < room; count++) {
        u64 device, length;
        TRY(stream_map(stream, vcn * cluster, &device, &length));
        vcn = MIN(vcn + MAX(align_up(length, cluster) / cluster, 1), end);
        put_le64(out + HEADER + count * EXTENT, vcn);
        put_le64(out + HEADER + count * EXTENT + 8, device == UINT64_MAX ? UINT64_MAX : device / cluster);
    }
    put_le32(out, count);
    put_le32(out + 4, 0);
    put_le64(out + 8, start);
    irp->information = HEADER + (u64)count * EXTENT;
    return vcn < end ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}
