// SPDX-License-Identifier: Apache-2.0
// SET, SET_EX, GET and DELETE of reparse points (spec/reparse.md 3.1 - 3.5, with the choices of its section
// 8). Tag, data, attribute and ChangeTime change in one transaction, which is on the medium before SUCCESS is
// returned.
#include "fs/request.h"

enum {
    HEADER = REPARSE_DATA_BUFFER_HEADER_SIZE,
    GUID_HEADER = REPARSE_GUID_DATA_BUFFER_HEADER_SIZE,
    GUID_OFFSET = 8,
    GUID_SIZE = 16,
    EX_HEADER = 32,
    TAG_RESERVED_BITS = 0x0fff0000,
    SYMLINK_FIXED = 12,
    MOUNT_POINT_FIXED = 8,
};

// What the object must carry already; SET is SET_EX with the new buffer's own tag, or none.
struct expected {
    u32 tag;
    const u8 *guid;
    bool or_none;
};

static u32 tag_of(const u8 *buffer)
{
    return get_le32(buffer);
}

// The four offsets and lengths that both kinds of link begin with.
struct link_names {
    u32 substitute, substitute_length, print, print_length;
};
static struct link_names link_names(const u8 *buffer)
{
    return (struct link_names){get_le16(buffer + 8), get_le16(buffer + 10), get_le16(buffer + 12),
                               get_le16(buffer + 14)};
}

// Both names end with a NUL, the second begins right behind the first, and nothing follows.
static bool mount_point_is_valid(const u8 *buffer, u32 data)
{
    if (data < MOUNT_POINT_FIXED)
        return false;
    struct link_names n = link_names(buffer);
    return n.substitute == 0 && n.print == n.substitute_length + 2 &&
           data == MOUNT_POINT_FIXED + n.substitute_length + 2 + n.print_length + 2;
}

static bool symlink_is_valid(const u8 *buffer, u32 data)
{
    if (data < SYMLINK_FIXED)
        return false;
    struct link_names n = link_names(buffer);
    bool even = !((n.substitute | n.substitute_length | n.print | n.print_length) & 1);
    return n.substitute_length && n.print_length && even &&
           n.substitute + n.substitute_length + SYMLINK_FIXED <= data &&
           n.print + n.print_length + SYMLINK_FIXED <= data;
}

nt_status reparse_validate(const u8 *buffer, u32 length)
{
    static const u8 no_guid[GUID_SIZE];
    if (length < HEADER || length > MAXIMUM_REPARSE_DATA_BUFFER_SIZE)
        return STATUS_IO_REPARSE_DATA_INVALID;
    u32 tag = tag_of(buffer), data = get_le16(buffer + 4);
    bool plain = length == data + HEADER, guid = length == data + GUID_HEADER;
    if (!plain && !guid)
        return STATUS_IO_REPARSE_DATA_INVALID;
    if (!IsReparseTagMicrosoft(tag) && (plain || memcmp(buffer + GUID_OFFSET, no_guid, GUID_SIZE) == 0))
        return STATUS_IO_REPARSE_DATA_INVALID;
    if (guid && (tag == IO_REPARSE_TAG_MOUNT_POINT || tag == IO_REPARSE_TAG_SYMLINK))
        return STATUS_IO_REPARSE_DATA_INVALID;
    if (tag & TAG_RESERVED_BITS || tag <= IO_REPARSE_TAG_RESERVED_TWO)
        return STATUS_IO_REPARSE_TAG_INVALID;
    if (tag == IO_REPARSE_TAG_MOUNT_POINT && !mount_point_is_valid(buffer, data))
        return STATUS_IO_REPARSE_DATA_INVALID;
    if (tag == IO_REPARSE_TAG_SYMLINK && !symlink_is_valid(buffer, data))
        return STATUS_IO_REPARSE_DATA_INVALID;
    return STATUS_SUCCESS;
}

// MISMATCH and CONFLICT as in 3.3. fcb.lock is held.
static nt_status match_existing(struct vcb *vcb, const struct fcb *fcb, const struct expected *expected)
{
    u32 tag = fcb->inode.reparse_tag;
    if (tag == 0 && expected->or_none)
        return STATUS_SUCCESS;
    if (tag != expected->tag)
        return STATUS_IO_REPARSE_TAG_MISMATCH;
    if (tag == 0 || IsReparseTagMicrosoft(tag))
        return STATUS_SUCCESS;
    u8 existing[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    u32 length;
    TRY(reparse_get(vcb->store, fcb->id, existing, sizeof existing, &length));
    if (length < GUID_HEADER)
        return STATUS_FILE_CORRUPT_ERROR;
    return memcmp(existing + GUID_OFFSET, expected->guid, GUID_SIZE) == 0 ? STATUS_SUCCESS
                                                                          : STATUS_REPARSE_ATTRIBUTE_CONFLICT;
}

static nt_status default_stream_size(struct fcb *fcb, u64 *size)
{
    struct scb *scb;
    struct stream_info info;
    *size = 0;
    TRY(scb_get(fcb, (struct str){0}, &scb));
    stream_get_info(scb->stream, &info);
    scb_put(scb);
    *size = info.size;
    return STATUS_SUCCESS;
}

// May this object carry the tag? Steps 8 to 11 of 3.2.
static nt_status may_carry(struct vcb *vcb, const struct irp *irp, u32 tag)
{
    struct scb *scb = irp_ccb(irp)->scb;
    struct fcb *fcb = scb->fcb;
    bool directory = fcb_is_directory(fcb);
    if (tag == IO_REPARSE_TAG_MOUNT_POINT && (!directory || scb->name_len))
        return STATUS_NOT_A_DIRECTORY;
    if (tag == IO_REPARSE_TAG_SYMLINK && !(irp->privileges & PRIVILEGE_CREATE_SYMBOLIC_LINK))
        return STATUS_PRIVILEGE_NOT_HELD;
    if (directory && !IsReparseTagDirectory(tag)) {
        bool empty;
        TRY(dirent_is_empty(vcb->store, fcb->id, &empty));
        if (!empty || fcb->id == OBJECT_ROOT) // a root is never followed: no link may pretend to be one
            return STATUS_DIRECTORY_NOT_EMPTY;
    }
    if (!directory && tag == IO_REPARSE_TAG_SYMLINK) {
        u64 size;
        TRY(default_stream_size(fcb, &size));
        if (size)
            return STATUS_IO_REPARSE_DATA_INVALID;
    }
    return STATUS_SUCCESS;
}

// Write data (NULL: remove it) and everything that goes with it, or nothing.
static nt_status store_reparse(struct vcb *vcb, const struct ccb *ccb, const u8 *buffer, u32 length)
{
    struct fcb *fcb = ccb->scb->fcb;
    struct inode next = fcb->inode;
    next.reparse_tag = buffer ? tag_of(buffer) : 0;
    if (buffer)
        next.attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    else
        next.attributes &= ~FILE_ATTRIBUTE_REPARSE_POINT;
    if (!ccb->user_set_changed)
        next.changed = time_now();

    struct txn *t;
    TRY(txn_begin(vcb->store, buffer ? TXN_NORMAL : TXN_FREEING, &t));
    nt_status status = buffer ? reparse_set(t, fcb->id, buffer, length) : reparse_delete(t, fcb->id);
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &next);
    TRY(txn_end(t, status));
    fcb->inode.reparse_tag = next.reparse_tag;
    fcb_change_attributes(fcb, FILE_ATTRIBUTE_REPARSE_POINT, next.attributes & FILE_ATTRIBUTE_REPARSE_POINT);
    fcb->inode.changed = next.changed;
    if (!fcb_is_directory(fcb))
        fcb->archive_later = true;
    return STATUS_SUCCESS;
}

static nt_status set(struct vcb *vcb, struct irp *irp, const u8 *in, u32 length,
                     const struct expected *expected)
{
    const struct ccb *ccb = irp_ccb(irp);
    struct fcb *fcb = ccb->scb->fcb;
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    memcpy(buffer, in, length);
    put_le16(buffer + 6, 0); // Reserved
    if (!irp_is_done(irp)) {
        SCOPE_FCB(fcb);
        TRY(may_carry(vcb, irp, tag_of(buffer)));
        TRY(match_existing(vcb, fcb, expected));
        TRY(store_reparse(vcb, ccb, buffer, length));
        irp_note(irp, vcb);
    }
    return store_sync(vcb->store);
}

nt_status reparse_point_set_check(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    if (irp->p.control.in_length > MAXIMUM_REPARSE_DATA_BUFFER_SIZE)
        return STATUS_IO_REPARSE_DATA_INVALID;
    return reparse_validate(irp->p.control.in, (u32)irp->p.control.in_length);
}

nt_status reparse_point_set(struct vcb *vcb, struct irp *irp)
{
    const u8 *in = irp->p.control.in;
    struct expected expected = {.tag = tag_of(in), .guid = in + GUID_OFFSET, .or_none = true};
    return set(vcb, irp, in, (u32)irp->p.control.in_length, &expected);
}

nt_status reparse_point_set_ex_check(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    const u8 *in = irp->p.control.in;
    size_t length = irp->p.control.in_length;
    if (length < EX_HEADER + HEADER || length > EX_HEADER + MAXIMUM_REPARSE_DATA_BUFFER_SIZE)
        return STATUS_IO_REPARSE_DATA_INVALID;
    u32 flags = get_le32(in + offsetof(REPARSE_DATA_BUFFER_EX, Flags));
    if (flags & ~(u32)REPARSE_DATA_EX_FLAG_GIVEN_TAG_OR_NONE ||
        get_le64(in + offsetof(REPARSE_DATA_BUFFER_EX, Reserved)))
        return STATUS_INVALID_PARAMETER;
    return reparse_validate(in + EX_HEADER, (u32)length - EX_HEADER);
}

nt_status reparse_point_set_ex(struct vcb *vcb, struct irp *irp)
{
    const u8 *in = irp->p.control.in;
    struct expected expected = {
        .tag = get_le32(in + offsetof(REPARSE_DATA_BUFFER_EX, ExistingReparseTag)),
        .guid = in + offsetof(REPARSE_DATA_BUFFER_EX, ExistingReparseGuid),
        .or_none =
            get_le32(in + offsetof(REPARSE_DATA_BUFFER_EX, Flags)) & REPARSE_DATA_EX_FLAG_GIVEN_TAG_OR_NONE,
    };
    return set(vcb, irp, in + EX_HEADER, (u32)irp->p.control.in_length - EX_HEADER, &expected);
}

nt_status reparse_point_get_check(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    return irp->p.control.in_length ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

nt_status reparse_point_get(struct vcb *vcb, struct irp *irp)
{
    const struct ccb *ccb = irp_ccb(irp);
    if (!ccb->scb)
        return STATUS_NOT_A_REPARSE_POINT;
    struct fcb *fcb = ccb->scb->fcb;
    size_t room = irp->p.control.out_length;
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    u32 length;
    SCOPE_READ(&fcb->lock);
    if (fcb->inode.reparse_tag == 0)
        return STATUS_NOT_A_REPARSE_POINT;
    TRY(reparse_get(vcb->store, fcb->id, buffer, sizeof buffer, &length));
    if (room < length && room < sizeof(REPARSE_GUID_DATA_BUFFER))
        return STATUS_BUFFER_TOO_SMALL;
    irp->information = MIN(room, length);
    memcpy(irp->p.control.out, buffer, irp->information);
    return room < length ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

nt_status reparse_point_delete_check(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    const u8 *in = irp->p.control.in;
    size_t length = irp->p.control.in_length;
    if (length != HEADER && length != GUID_HEADER)
        return STATUS_IO_REPARSE_DATA_INVALID;
    if (get_le16(in + 4) != 0)
        return STATUS_IO_REPARSE_DATA_INVALID;
    if (tag_of(in) <= IO_REPARSE_TAG_RESERVED_ONE)
        return STATUS_IO_REPARSE_TAG_INVALID;
    if (!IsReparseTagMicrosoft(tag_of(in)) && length == HEADER)
        return STATUS_IO_REPARSE_DATA_INVALID;
    return STATUS_SUCCESS;
}

nt_status reparse_point_delete(struct vcb *vcb, struct irp *irp)
{
    const struct ccb *ccb = irp_ccb(irp);
    struct fcb *fcb = ccb->scb->fcb;
    const u8 *in = irp->p.control.in;
    struct expected expected = {.tag = tag_of(in), .guid = in + GUID_OFFSET};
    if (!irp_is_done(irp)) {
        SCOPE_FCB(fcb);
        if (fcb->inode.reparse_tag == 0)
            return STATUS_NOT_A_REPARSE_POINT;
        TRY(match_existing(vcb, fcb, &expected));
        TRY(store_reparse(vcb, ccb, NULL, 0));
        irp_note(irp, vcb);
    }
    return store_sync(vcb->store);
}
