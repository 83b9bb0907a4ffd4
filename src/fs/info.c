// SPDX-License-Identifier: Apache-2.0
// Information about a file, by class: one table of what can be asked and one of what can be set. A query's
// fixed part always fits (shorter buffers are INFO_LENGTH_MISMATCH); names after it are cut with
// BUFFER_OVERFLOW.
#include "fs/request.h"

enum {
    PATH_BYTES = 32767 * 3 + 1,
    LENGTH_MAX = INT32_MAX, // more is a caller's negative number
    SETTABLE = FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |
               FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_TEMPORARY | FILE_ATTRIBUTE_OFFLINE |
               FILE_ATTRIBUTE_NOT_CONTENT_INDEXED,
};

struct query {
    struct vcb *vcb;
    struct irp *irp;
    struct ccb *ccb;
    struct fcb *fcb;
    struct stream_info stream;
    u8 *out;
    size_t length;
};

// Layouts that ntfile.h need not publish.
struct file_all {
    FILE_BASIC_INFORMATION basic;
    FILE_STANDARD_INFORMATION standard;
    FILE_INTERNAL_INFORMATION internal;
    u32 ea_size, access;
    i64 position;
    u32 mode, alignment;
    FILE_NAME_INFORMATION name;
};
_Static_assert(sizeof(struct file_all) == 104 && offsetof(struct file_all, name) == 96,
               "FILE_ALL_INFORMATION");

struct link_entry { // FILE_LINK_ENTRY_INFORMATION
    u32 next, pad;
    u64 parent;
    u32 units;
    u16 name[1];
};
_Static_assert(offsetof(struct link_entry, name) == 20, "FILE_LINK_ENTRY_INFORMATION");

static nt_status reply(struct query *q, const void *data, size_t size)
{
    memcpy(q->out, data, size);
    q->irp->information = size;
    return STATUS_SUCCESS;
}

nt_status reply_text(struct irp *irp, size_t at, const void *utf16, size_t bytes)
{
    size_t n = MIN(bytes, irp->p.query.length - at) & ~(size_t)1;
    memcpy((u8 *)irp->p.query.data + at, utf16, n);
    irp->information = at + n;
    return n < bytes ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

// A handle of a file shows whether its own stream is under integrity and sparse (spec/integrity.md 3.8).
static u32 attributes_of(const struct query *q)
{
    u32 attributes = fcb_attributes(q->fcb);
    if (fcb_is_directory(q->fcb))
        return attributes;
    attributes &= ~(FILE_ATTRIBUTE_NORMAL | FILE_ATTRIBUTE_INTEGRITY_STREAM | FILE_ATTRIBUTE_SPARSE_FILE);
    if (q->stream.algorithm != CHECKSUM_TYPE_NONE)
        attributes |= FILE_ATTRIBUTE_INTEGRITY_STREAM;
    if (q->stream.sparse)
        attributes |= FILE_ATTRIBUTE_SPARSE_FILE;
    return attributes ? attributes : FILE_ATTRIBUTE_NORMAL;
}

static FILE_BASIC_INFORMATION basic_of(const struct query *q)
{
    const struct inode *i = &q->fcb->inode;
    return (FILE_BASIC_INFORMATION){(i64)i->created, (i64)i->accessed, (i64)i->written,
                                    (i64)i->changed, attributes_of(q), 0};
}

static nt_status query_basic(struct query *q)
{
    FILE_BASIC_INFORMATION basic = basic_of(q);
    return reply(q, &basic, sizeof basic);
}

static bool is_delete_pending(const struct query *q)
{
    return q->fcb->delete_pending || q->ccb->scb->delete_pending;
}

static FILE_STANDARD_INFORMATION standard_of(const struct query *q)
{
    u32 links = q->fcb->inode.links;
    return (FILE_STANDARD_INFORMATION){
        .AllocationSize = (i64)q->stream.allocated,
        .EndOfFile = (i64)q->stream.size,
        .NumberOfLinks = q->fcb->delete_pending && links ? links - 1 : links,
        .DeletePending = is_delete_pending(q),
        .Directory = ccb_is_directory(q->ccb),
    };
}

static nt_status query_standard(struct query *q)
{
    FILE_STANDARD_INFORMATION standard = standard_of(q);
    return reply(q, &standard, sizeof standard);
}

static nt_status query_internal(struct query *q)
{
    FILE_INTERNAL_INFORMATION internal = {(i64)q->fcb->id};
    return reply(q, &internal, sizeof internal);
}

static nt_status query_ea(struct query *q)
{
    FILE_EA_INFORMATION ea = {0};
    return reply(q, &ea, sizeof ea);
}

static nt_status query_access(struct query *q)
{
    return reply(q, &q->irp->file->access, sizeof q->irp->file->access);
}

// The position is kept by whoever keeps one, above us.
static nt_status query_position(struct query *q)
{
    i64 position = 0;
    return reply(q, &position, sizeof position);
}

static u32 mode_of(const struct query *q)
{
    return q->irp->file->options &
           (FILE_WRITE_THROUGH | FILE_NO_INTERMEDIATE_BUFFERING | FILE_DELETE_ON_CLOSE);
}

static nt_status query_mode(struct query *q)
{
    u32 mode = mode_of(q);
    return reply(q, &mode, sizeof mode);
}

static nt_status query_alignment(struct query *q)
{
    u32 byte_aligned = 0;
    return reply(q, &byte_aligned, sizeof byte_aligned);
}

static nt_status path_of(const struct query *q, char *path, size_t size)
{
    struct dirent entry;
    u64 parent;
    if (q->fcb->id == OBJECT_ROOT)
        return object_path(q->vcb->store, OBJECT_ROOT, path, size);
    TRY(ccb_name(q->vcb, q->ccb, &parent, &entry));
    TRY(object_path(q->vcb->store, parent, path, size));
    size_t len = strlen(path);
    if (len == 1)
        len = 0; // the root is "/", what lies in it "/name"
    if (len + 1 + entry.name_len + 1 > size)
        return STATUS_BUFFER_TOO_SMALL;
    path[len++] = '/';
    memcpy(path + len, entry.name, entry.name_len);
    path[len + entry.name_len] = 0;
    return STATUS_SUCCESS;
}

// "/dir/file:stream"; to be freed.
static nt_status full_path(const struct query *q, char **out, size_t *len)
{
    const struct scb *scb = q->ccb->scb;
    char *path = *out = malloc(PATH_BYTES + 1 + TEXT_NAME_BYTES);
    if (!path)
        return STATUS_INSUFFICIENT_RESOURCES;
    TRY(path_of(q, path, PATH_BYTES));
    *len = strlen(path);
    if (scb->name_len) {
        path[(*len)++] = ':';
        memcpy(path + *len, scb->name, scb->name_len);
        *len += scb->name_len;
    }
    return STATUS_SUCCESS;
}

// "\dir\file:stream" behind a 32-bit length at `at`.
static nt_status put_name(struct query *q, size_t at)
{
    SCOPE_FREE char *path = NULL;
    SCOPE_FREE u8 *utf16 = malloc((size_t)PATH_BYTES * 2);
    size_t len, units = PATH_BYTES;
    if (!utf16)
        return STATUS_INSUFFICIENT_RESOURCES;
    TRY(full_path(q, &path, &len));
    for (size_t i = 0; i < len; i++)
        if (path[i] == '/')
            path[i] = '\\';
    TRY(text_to_utf16((struct str){path, (u32)len}, utf16, &units));
    put_le32(q->out + at, (u32)(units * 2));
    return reply_text(q->irp, at + 4, utf16, units * 2);
}

static nt_status query_name(struct query *q)
{
    return put_name(q, 0);
}

static nt_status query_path(struct query *q)
{
    SCOPE_FREE char *path = NULL;
    size_t len;
    TRY(full_path(q, &path, &len));
    TRY(reply(q, path, MIN(len, q->length)));
    return len > q->length ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static nt_status query_all(struct query *q)
{
    struct file_all all = {
        .basic = basic_of(q),
        .standard = standard_of(q),
        .internal = {(i64)q->fcb->id},
        .access = q->irp->file->access,
        .mode = mode_of(q),
    };
    memcpy(q->out, &all, offsetof(struct file_all, name));
    return put_name(q, offsetof(struct file_all, name));
}

static nt_status query_network_open(struct query *q)
{
    const struct inode *i = &q->fcb->inode;
    FILE_NETWORK_OPEN_INFORMATION open = {
        (i64)i->created,          (i64)i->accessed,    (i64)i->written,  (i64)i->changed,
        (i64)q->stream.allocated, (i64)q->stream.size, attributes_of(q), 0};
    return reply(q, &open, sizeof open);
}

static nt_status query_attribute_tag(struct query *q)
{
    FILE_ATTRIBUTE_TAG_INFORMATION tag = {attributes_of(q), q->fcb->inode.reparse_tag};
    return reply(q, &tag, sizeof tag);
}

static nt_status query_id(struct query *q)
{
    FILE_ID_INFORMATION id = {.VolumeSerialNumber = q->vcb->info.identity.serial};
    put_le64(id.FileId, q->fcb->id);
    return reply(q, &id, sizeof id);
}

static nt_status query_stat(struct query *q)
{
    const struct inode *i = &q->fcb->inode;
    FILE_STAT_INFORMATION stat = {
        .FileId = (i64)q->fcb->id,
        .CreationTime = (i64)i->created,
        .LastAccessTime = (i64)i->accessed,
        .LastWriteTime = (i64)i->written,
        .ChangeTime = (i64)i->changed,
        .AllocationSize = (i64)q->stream.allocated,
        .EndOfFile = (i64)q->stream.size,
        .FileAttributes = attributes_of(q),
        .ReparseTag = i->reparse_tag,
        .NumberOfLinks = i->links,
        .EffectiveAccess = q->irp->file->access,
    };
    return reply(q, &stat, sizeof stat);
}

// A list of records of variable size, each beginning with the distance to the next. Records are 8-byte
// aligned.
struct list {
    struct query *q;
    size_t end;  // where the next record would begin
    size_t last; // where the last one does
    u32 records;
};

// Room for a record with `fixed` bytes before its name, linked to the one before; NULL when it does not fit.
static u8 *list_add(struct list *l, size_t fixed, size_t name_bytes)
{
    size_t at = align_up(l->end, 8);
    if (at + fixed + name_bytes > l->q->length)
        return NULL;
    u8 *record = l->q->out + at;
    if (l->records++)
        put_le32(l->q->out + l->last, (u32)(at - l->last));
    put_le32(record, 0);
    l->last = at;
    l->end = at + fixed + name_bytes;
    return record;
}

static nt_status add_stream(struct list *l, struct str name, u64 size, u64 allocated)
{
    enum { SUFFIX = 6, UNITS = TEXT_NAME_UNITS + 1 + SUFFIX };
    char text[1 + TEXT_NAME_BYTES + SUFFIX] = ":";
    u8 utf16[UNITS * 2];
    size_t units = UNITS;
    memcpy(text + 1, name.p, name.len);
    memcpy(text + 1 + name.len, ":$DATA", SUFFIX);
    TRY(text_to_utf16((struct str){text, 1 + name.len + SUFFIX}, utf16, &units));
    u8 *record = list_add(l, offsetof(FILE_STREAM_INFORMATION, StreamName), units * 2);
    if (!record)
        return STATUS_BUFFER_OVERFLOW;
    put_le32(record + offsetof(FILE_STREAM_INFORMATION, StreamNameLength), (u32)units * 2);
    put_le64(record + offsetof(FILE_STREAM_INFORMATION, StreamSize), size);
    put_le64(record + offsetof(FILE_STREAM_INFORMATION, StreamAllocationSize), allocated);
    memcpy(record + offsetof(FILE_STREAM_INFORMATION, StreamName), utf16, units * 2);
    return STATUS_SUCCESS;
}

static nt_status add_streams(struct list *l)
{
    struct query *q = l->q;
    struct dir_position position = {0};
    struct stream_entry entry;
    nt_status status;
    if (!fcb_is_directory(q->fcb)) {
        struct scb *scb;
        struct stream_info info;
        TRY(scb_get(q->fcb, (struct str){0}, &scb));
        stream_get_info(scb->stream, &info);
        scb_put(scb);
        TRY(add_stream(l, STR(""), info.size, info.allocated));
    }
    while ((status = stream_next(q->vcb->store, q->fcb->id, &position, &entry)) == STATUS_SUCCESS)
        TRY(add_stream(l, (struct str){entry.name.name, entry.name.name_len}, entry.size, entry.allocated));
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

static nt_status query_streams(struct query *q)
{
    struct list list = {.q = q};
    nt_status status = add_streams(&list);
    q->irp->information = list.end;
    return status;
}

// FILE_LINKS_INFORMATION: bytes needed, entries returned, entries.
static nt_status query_links(struct query *q)
{
    enum { HEADER = 8 };
    struct list list = {.q = q, .end = HEADER};
    struct link_position position = {0};
    struct dirent name;
    u64 parent;
    size_t needed = HEADER;
    nt_status status;
    while ((status = link_next(q->vcb->store, q->fcb->id, &position, &parent, &name)) == STATUS_SUCCESS) {
        u8 utf16[TEXT_NAME_UNITS * 2];
        size_t units = TEXT_NAME_UNITS;
        TRY(text_to_utf16((struct str){name.name, name.name_len}, utf16, &units));
        needed = align_up(needed, 8) + offsetof(struct link_entry, name) + units * 2;
        u8 *record = list_add(&list, offsetof(struct link_entry, name), units * 2);
        if (!record)
            continue; // only count
        put_le32(record + offsetof(struct link_entry, pad), 0);
        put_le64(record + offsetof(struct link_entry, parent), parent);
        put_le32(record + offsetof(struct link_entry, units), (u32)units);
        memcpy(record + offsetof(struct link_entry, name), utf16, units * 2);
    }
    if (status != STATUS_NO_MORE_FILES)
        return status;
    put_le32(q->out, (u32)needed);
    put_le32(q->out + 4, list.records);
    q->irp->information = list.end;
    return list.end < needed ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static const struct query_row {
    u32 class_;
    u32 least;  // bytes; fewer are INFO_LENGTH_MISMATCH
    u32 access; // any one of these; 0: none needed
    nt_status (*run)(struct query *q);
} query_rows[] = {
    {FileBasicInformation, sizeof(FILE_BASIC_INFORMATION), FILE_READ_ATTRIBUTES, query_basic},
    {FileStandardInformation, sizeof(FILE_STANDARD_INFORMATION), 0, query_standard},
    {FileInternalInformation, sizeof(FILE_INTERNAL_INFORMATION), 0, query_internal},
    {FileEaInformation, sizeof(FILE_EA_INFORMATION), 0, query_ea},
    {FileAccessInformation, sizeof(u32), 0, query_access},
    {FileNameInformation, sizeof(FILE_NAME_INFORMATION), 0, query_name},
    {FilePositionInformation, sizeof(i64), 0, query_position},
    {FileModeInformation, sizeof(u32), 0, query_mode},
    {FileAlignmentInformation, sizeof(u32), 0, query_alignment},
    {FileAllInformation, sizeof(struct file_all), FILE_READ_ATTRIBUTES, query_all},
    {FileStreamInformation, 0, 0, query_streams},
    {FileNetworkOpenInformation, sizeof(FILE_NETWORK_OPEN_INFORMATION), FILE_READ_ATTRIBUTES,
     query_network_open},
    {FileAttributeTagInformation, sizeof(FILE_ATTRIBUTE_TAG_INFORMATION),
     FILE_READ_DATA | FILE_READ_ATTRIBUTES, query_attribute_tag},
    {FileHardLinkInformation, 8, 0, query_links},
    {FileIdInformation, sizeof(FILE_ID_INFORMATION), 0, query_id},
    {FileStatInformation, sizeof(FILE_STAT_INFORMATION), FILE_READ_ATTRIBUTES, query_stat},
    {FileHfNameInformation, 0, 0, query_path},
};

nt_status fs_query_information(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    if (irp->p.query.class_ == FileReparsePointInformation)
        return STATUS_NOT_SUPPORTED; // a directory class, of one directory that we do not have
    for (size_t i = 0; i < ARRAY_LEN(query_rows); i++) {
        const struct query_row *row = &query_rows[i];
        if (row->class_ != irp->p.query.class_)
            continue;
        if (irp->p.query.length < row->least || irp->p.query.length > LENGTH_MAX)
            return STATUS_INFO_LENGTH_MISMATCH;
        if (!ccb->scb)
            return STATUS_INVALID_PARAMETER;
        if (row->access && !(irp->file->access & row->access))
            return STATUS_ACCESS_DENIED;
        struct query q = {.vcb = vcb,
                          .irp = irp,
                          .ccb = ccb,
                          .fcb = ccb->scb->fcb,
                          .out = irp->p.query.data,
                          .length = irp->p.query.length};
        SCOPE_FCB(q.fcb);
        stream_get_info(ccb->scb->stream, &q.stream);
        return row->run(&q);
    }
    return STATUS_INVALID_INFO_CLASS;
}

// --- set -----------------------------------------------------------------------------------------

// 0 leaves the time, -1 ends its automatic updates through this handle, and so does setting it.
static nt_status check_time(i64 t)
{
    return t < -1 ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}
static void set_time(i64 from, u64 *to, u8 *nanos, bool *user_set)
{
    if (from != 0)
        *user_set = true;
    if (from <= 0)
        return;
    *to = (u64)from;
    *nanos = 0;
}

static nt_status set_basic(struct vcb *vcb, struct irp *irp)
{
    (void)vcb;
    struct ccb *ccb = irp_ccb(irp);
    struct fcb *fcb = ccb->scb->fcb;
    struct inode *inode = &fcb->inode;
    FILE_BASIC_INFORMATION in;
    memcpy(&in, irp->p.set.data, sizeof in);
    TRY(check_time(in.CreationTime));
    TRY(check_time(in.LastAccessTime));
    TRY(check_time(in.LastWriteTime));
    TRY(check_time(in.ChangeTime));
    if (in.FileAttributes & FILE_ATTRIBUTE_TEMPORARY && fcb_is_directory(fcb))
        return STATUS_INVALID_PARAMETER;

    SCOPE_FCB(fcb);
    set_time(in.CreationTime, &inode->created, &inode->nanos[INODE_CREATED], &ccb->user_set_created);
    set_time(in.LastAccessTime, &inode->accessed, &inode->nanos[INODE_ACCESSED], &ccb->user_set_accessed);
    set_time(in.LastWriteTime, &inode->written, &inode->nanos[INODE_WRITTEN], &ccb->user_set_written);
    set_time(in.ChangeTime, &inode->changed, &inode->nanos[INODE_CHANGED], &ccb->user_set_changed);
    if (in.FileAttributes)
        fcb_change_attributes(fcb, SETTABLE, in.FileAttributes & SETTABLE);
    fcb_touch(fcb, ccb, TIME_CHANGED);
    fcb->dirty = true;
    return fcb_save(fcb);
}

enum disposition_flags { // FILE_DISPOSITION_INFORMATION_EX
    DISPOSITION_DELETE = 1,
    DISPOSITION_POSIX_SEMANTICS = 2,
    DISPOSITION_FORCE_IMAGE_SECTION_CHECK = 4, // there are no image sections: nothing to check
    DISPOSITION_IGNORE_READONLY = 16,
};

static nt_status may_delete(struct vcb *vcb, const struct fcb *fcb, u32 flags)
{
    if (fcb->id == OBJECT_ROOT)
        return STATUS_CANNOT_DELETE;
    if (fcb->inode.attributes & FILE_ATTRIBUTE_READONLY && !(flags & DISPOSITION_IGNORE_READONLY))
        return STATUS_CANNOT_DELETE;
    if (fcb_is_directory(fcb)) {
        bool empty;
        TRY(dirent_is_empty(vcb->store, fcb->id, &empty));
        if (!empty)
            return STATUS_DIRECTORY_NOT_EMPTY;
    }
    return STATUS_SUCCESS;
}

static nt_status dispose(struct vcb *vcb, struct irp *irp, u32 flags)
{
    struct scb *scb = irp_ccb(irp)->scb;
    struct fcb *fcb = scb->fcb;
    SCOPE_FCB(fcb);
    if (scb->name_len) {
        SCOPE_LOCK(&scb->mutex);
        scb->delete_pending = flags & DISPOSITION_DELETE;
        return STATUS_SUCCESS;
    }
    irp_ccb(irp)->deletes_at_once = false;
    if (!(flags & DISPOSITION_DELETE)) {
        fcb->delete_pending = false;
        return STATUS_SUCCESS;
    }
    TRY(may_delete(vcb, fcb, flags));
    irp_ccb(irp)->deletes_at_once = flags & DISPOSITION_POSIX_SEMANTICS;
    return fcb_doom(fcb, irp_ccb(irp));
}

static nt_status set_disposition(struct vcb *vcb, struct irp *irp)
{
    return dispose(vcb, irp, *(const u8 *)irp->p.set.data ? DISPOSITION_DELETE : 0);
}

static nt_status set_disposition_ex(struct vcb *vcb, struct irp *irp)
{
    u32 flags = get_le32(irp->p.set.data);
    u32 known = DISPOSITION_DELETE | DISPOSITION_POSIX_SEMANTICS | DISPOSITION_FORCE_IMAGE_SECTION_CHECK |
                DISPOSITION_IGNORE_READONLY;
    return flags & ~known ? STATUS_NOT_SUPPORTED : dispose(vcb, irp, flags);
}

// The lock keeps what is cut off apart from the file's last name, which goes to the same place.
static nt_status set_stream_size(struct scb *scb, u64 size)
{
    SCOPE_FCB(scb->fcb);
    return stream_set_size(scb->stream, size);
}

static nt_status set_size(struct vcb *vcb, struct irp *irp, bool only_shrink)
{
    struct ccb *ccb = irp_ccb(irp);
    u64 size = get_le64(irp->p.set.data);
    if (size > INT64_MAX || ccb_is_directory(ccb))
        return STATUS_INVALID_PARAMETER;
    struct stream_info info;
    stream_get_info(ccb->scb->stream, &info);
    if (size == info.size || (only_shrink && size > info.size))
        return STATUS_SUCCESS;
    u64 edge = MIN(size, info.size);
    nt_status status = set_stream_size(ccb->scb, size);
    stream_get_info(ccb->scb->stream, &info);
    if (info.size == size) // though what was cut off may not be taken apart yet
        fcb_mark_written(ccb->scb->fcb, ccb);
    return file_explain(vcb, ccb, edge, 1, status);
}

static nt_status set_end_of_file(struct vcb *vcb, struct irp *irp)
{
    return set_size(vcb, irp, false);
}

// Space is not reserved ahead: a larger allocation is a hint that is not taken, a smaller one cuts the file.
static nt_status set_allocation(struct vcb *vcb, struct irp *irp)
{
    return set_size(vcb, irp, true);
}

static const struct set_row {
    u32 class_;
    u32 least;
    u32 access;
    nt_status (*run)(struct vcb *vcb, struct irp *irp);
} set_rows[] = {
    {FileBasicInformation, sizeof(FILE_BASIC_INFORMATION), FILE_WRITE_ATTRIBUTES, set_basic},
    {FileRenameInformation, 0, DELETE, file_rename},
    {FileRenameInformationEx, 0, DELETE, file_rename},
    {FileLinkInformation, 0, 0, file_link},
    {FileLinkInformationEx, 0, 0, file_link},
    {FileDispositionInformation, sizeof(FILE_DISPOSITION_INFORMATION), DELETE, set_disposition},
    {FileDispositionInformationEx, sizeof(u32), DELETE, set_disposition_ex},
    {FileAllocationInformation, sizeof(FILE_ALLOCATION_INFORMATION), FILE_WRITE_DATA, set_allocation},
    {FileEndOfFileInformation, sizeof(FILE_END_OF_FILE_INFORMATION), FILE_WRITE_DATA, set_end_of_file},
};

nt_status fs_set_information(struct vcb *vcb, struct irp *irp)
{
    for (size_t i = 0; i < ARRAY_LEN(set_rows); i++) {
        const struct set_row *row = &set_rows[i];
        if (row->class_ != irp->p.set.class_)
            continue;
        if (irp->p.set.length < row->least || irp->p.set.length > LENGTH_MAX)
            return STATUS_INFO_LENGTH_MISMATCH;
        if (!irp_ccb(irp)->scb)
            return STATUS_INVALID_PARAMETER;
        if (row->access && !(irp->file->access & row->access))
            return STATUS_ACCESS_DENIED;
        if (vcb_is_readonly(vcb))
            return STATUS_MEDIA_WRITE_PROTECTED;
        return row->run(vcb, irp);
    }
    return STATUS_INVALID_INFO_CLASS;
}
