// SPDX-License-Identifier: Apache-2.0
// GET, SET and SET_EX of integrity (spec/integrity.md 3.1 - 3.3, with the choices of its section 6). Both set
// codes become one `change`, so that the rules stand here once. The status of a stream can change only while
// it is empty, unless the volume was formatted with integrity-change=any.
#include "fs/request.h"

enum { CHUNK = 16384, FLAG_OFF = FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF };

struct change {
    bool keep;     // leave the algorithm
    u16 algorithm; // otherwise: this one
    bool off;      // enforcement off
};

nt_status integrity_get(struct vcb *vcb, struct irp *irp)
{
    struct stream_info info;
    stream_get_info(irp_ccb(irp)->scb->stream, &info);
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER out = {
        .ChecksumAlgorithm = info.algorithm,
        .Flags = info.enforcement_off ? FLAG_OFF : 0,
        .ChecksumChunkSizeInBytes = CHUNK,
        .ClusterSizeInBytes = vcb->info.cluster,
    };
    memcpy(irp->p.control.out, &out, sizeof out);
    irp->information = sizeof out;
    return STATUS_SUCCESS;
}

// The file system chooses by the cluster size; what was asked for is kept only on a volume that echoes.
static u16 choose_algorithm(const struct vcb *vcb, u16 asked)
{
    if (vcb->info.options & OPTION_INTEGRITY_ECHO &&
        (asked == CHECKSUM_TYPE_CRC32 || asked == CHECKSUM_TYPE_CRC64))
        return asked;
    return vcb->info.cluster == 65536 ? CHECKSUM_TYPE_CRC64 : CHECKSUM_TYPE_CRC32;
}

// What both codes refuse. Flags beside OFF are an error on their own and ignored next to it (6.6).
static nt_status check(const struct scb *scb, u32 flags, const struct change *change)
{
    struct stream_info info;
    stream_get_info(scb->stream, &info);
    u16 algorithm = change->keep ? info.algorithm : change->algorithm;
    if (flags && !(flags & FLAG_OFF))
        return STATUS_INVALID_PARAMETER;
    if (algorithm == CHECKSUM_TYPE_NONE && change->off)
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

static nt_status decode_set(const struct vcb *vcb, const struct irp *irp, struct change *change)
{
    const u8 *in = irp->p.control.in;
    u16 asked = get_le16(in + offsetof(FSCTL_SET_INTEGRITY_INFORMATION_BUFFER, ChecksumAlgorithm));
    u32 flags = get_le32(in + offsetof(FSCTL_SET_INTEGRITY_INFORMATION_BUFFER, Flags));
    bool v1_knows =
        asked == CHECKSUM_TYPE_NONE || asked == CHECKSUM_TYPE_CRC64 || asked == CHECKSUM_TYPE_UNCHANGED;
    if (vcb->info.options & OPTION_INTEGRITY_V1 && !v1_knows)
        return STATUS_INVALID_PARAMETER;
    *change = (struct change){
        .keep = asked == CHECKSUM_TYPE_UNCHANGED,
        .algorithm = asked == CHECKSUM_TYPE_NONE ? CHECKSUM_TYPE_NONE : choose_algorithm(vcb, asked),
        .off = flags & FLAG_OFF,
    };
    return check(irp_ccb(irp)->scb, flags, change);
}

static nt_status decode_set_ex(const struct vcb *vcb, const struct irp *irp, struct change *change)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX in;
    memcpy(&in, irp->p.control.in, sizeof in);
    if (in.Version != 1)
        return STATUS_INVALID_PARAMETER;
    *change = (struct change){
        .keep = in.KeepIntegrityStateUnchanged,
        .algorithm = in.EnableIntegrity ? choose_algorithm(vcb, CHECKSUM_TYPE_UNCHANGED) : CHECKSUM_TYPE_NONE,
        .off = get_le32(&in.Flags) & FLAG_OFF,
    };
    return check(irp_ccb(irp)->scb, get_le32(&in.Flags), change);
}

// One stream: test whether the change is allowed, or make it.
static nt_status apply_stream(const struct vcb *vcb, struct stream *stream, const struct change *change,
                              bool test)
{
    struct stream_info info;
    stream_get_info(stream, &info);
    u16 algorithm = change->keep ? info.algorithm : change->algorithm;
    bool off = change->off && algorithm != CHECKSUM_TYPE_NONE;
    if (algorithm != info.algorithm && info.size && !(vcb->info.options & OPTION_INTEGRITY_ANY))
        return STATUS_INVALID_PARAMETER;
    if (test || (algorithm == info.algorithm && off == info.enforcement_off))
        return STATUS_SUCCESS;
    return stream_set_integrity(stream, algorithm, off);
}

// Set on the default stream holds for all data streams of the file (6.11).
static nt_status apply_named(struct vcb *vcb, struct fcb *fcb, const struct change *change, bool test)
{
    struct dir_position position = {0};
    struct stream_entry entry;
    nt_status status;
    while ((status = stream_next(vcb->store, fcb->id, &position, &entry)) == STATUS_SUCCESS) {
        struct scb *scb;
        TRY(scb_get(fcb, (struct str){entry.name.name, entry.name.name_len}, &scb));
        status = apply_stream(vcb, scb->stream, change, test);
        scb_put(scb);
        TRY(status);
    }
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

// The attribute says what new children (of a directory) and new streams (of a file) get. On the medium it is
// the algorithm that counts: the attribute is made from it whenever the inode is read.
static void couple_attribute(struct fcb *fcb, struct stream *stream)
{
    struct stream_info info;
    stream_get_info(stream, &info);
    fcb_change_attributes(fcb, FILE_ATTRIBUTE_INTEGRITY_STREAM,
                          info.algorithm == CHECKSUM_TYPE_NONE ? 0 : FILE_ATTRIBUTE_INTEGRITY_STREAM);
}

static nt_status apply(struct vcb *vcb, struct scb *scb, const struct change *change)
{
    struct fcb *fcb = scb->fcb;
    bool whole_file = scb->name_len == 0 && !fcb_is_directory(fcb);
    TRY(apply_stream(vcb, scb->stream, change, true));
    if (whole_file)
        TRY(apply_named(vcb, fcb, change, true));
    TRY(apply_stream(vcb, scb->stream, change, false));
    if (whole_file)
        TRY(apply_named(vcb, fcb, change, false));
    if (scb->name_len == 0)
        couple_attribute(fcb, scb->stream);
    return STATUS_SUCCESS;
}

typedef nt_status decoder(const struct vcb *vcb, const struct irp *irp, struct change *change);

// Decoded again under the fcb's lock: the rules look at the stream's present algorithm.
static nt_status set(struct vcb *vcb, struct irp *irp, decoder *decode)
{
    struct scb *scb = irp_ccb(irp)->scb;
    struct change change;
    SCOPE_FCB(scb->fcb);
    TRY(decode(vcb, irp, &change));
    return apply(vcb, scb, &change);
}

nt_status integrity_set_check(struct vcb *vcb, struct irp *irp)
{
    struct change change;
    return decode_set(vcb, irp, &change);
}

nt_status integrity_set(struct vcb *vcb, struct irp *irp)
{
    return set(vcb, irp, decode_set);
}

nt_status integrity_set_ex_check(struct vcb *vcb, struct irp *irp)
{
    struct change change;
    return decode_set_ex(vcb, irp, &change);
}

nt_status integrity_set_ex(struct vcb *vcb, struct irp *irp)
{
    return set(vcb, irp, decode_set_ex);
}
