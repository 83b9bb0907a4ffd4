// SPDX-License-Identifier: Apache-2.0
// IRP_MJ_DIRECTORY_CONTROL: listings. An information class is a row that says where its fields are; our own
// class with UTF-8 names has its own writer. What a handle's listing has reached is kept in its ccb and taken
// out as a copy, so that two threads on one handle see entries twice at worst.
#include <holdfast/holdfast.h>

#include "fs/request.h"

enum { ENTRY_ALIGN = 8, NAME_LENGTH_AT = 60, ATTRIBUTES_AT = 56 };
enum { TIMES_AT = 8, END_OF_FILE_AT = 40, ALLOCATION_AT = 48 };

struct dir_class {
    u32 class_;
    u16 name_at;        // also the size of the fixed part
    u16 name_length_at; // 0: our own class
    u16 ea_at, tag_at;  // 0: none; the tag stands in the EA size when it has no place of its own
    u16 id_at;          // 0: none
};

static const struct dir_class classes[] = {
    {FileDirectoryInformation, 64, NAME_LENGTH_AT, 0, 0, 0},
    {FileFullDirectoryInformation, 68, NAME_LENGTH_AT, 64, 0, 0},
    {FileIdFullDirectoryInformation, 80, NAME_LENGTH_AT, 64, 0, 72},
    {FileBothDirectoryInformation, 94, NAME_LENGTH_AT, 64, 0, 0},
    {FileIdBothDirectoryInformation, 104, NAME_LENGTH_AT, 64, 0, 96},
    {FileIdExtdDirectoryInformation, 88, NAME_LENGTH_AT, 64, 68, 72},
    {FileIdExtdBothDirectoryInformation, 114, NAME_LENGTH_AT, 64, 68, 72},
    {FileNamesInformation, 12, 8, 0, 0, 0},
    {FileHfDirectoryInformation, offsetof(struct hf_dirent, name), 0, 0, 0, 0},
};

// One entry, before it is written in the form of a class.
struct found {
    struct inode inode;
    struct dirent entry;
};

struct listing {
    struct vcb *vcb;
    const struct ccb *ccb;
    u64 dir;
    struct str pattern;
    struct dir_position position;
    bool exhausted;
    u8 dots;
};

// --- what there is -------------------------------------------------------------------------------

static nt_status parent_of(struct listing *l, u64 *parent)
{
    struct dirent name;
    return ccb_name(l->vcb, l->ccb, parent, &name);
}

// "." and "..", which a root has not.
static nt_status next_dot(struct listing *l, struct found *f, bool *got)
{
    static const char dots[] = "..";
    *got = false;
    while (l->dir != OBJECT_ROOT && l->dots < 2) {
        struct str name = {dots, ++l->dots};
        u64 id = l->dir;
        if (!text_matches(store_case_table(l->vcb->store), l->pattern, name))
            continue;
        if (l->dots == 2)
            TRY(parent_of(l, &id));
        TRY(vcb_inode(l->vcb, id, &f->inode));
        f->entry = (struct dirent){.id = id, .directory = true, .name_len = name.len};
        memcpy(f->entry.name, name.p, name.len);
        *got = true;
        return STATUS_SUCCESS;
    }
    return STATUS_SUCCESS;
}

static bool is_plain(struct str pattern)
{
    for (u32 i = 0; i < pattern.len; i++)
        if (strchr("*?<>\"", pattern.p[i]))
            return false;
    return true;
}

// The next directory entry that matches. A pattern without wildcards is looked up, not searched.
static nt_status next_entry(struct listing *l, struct dirent *entry)
{
    struct store *store = l->vcb->store;
    if (is_plain(l->pattern)) {
        if (l->exhausted)
            return STATUS_NO_MORE_FILES;
        l->exhausted = true;
        nt_status status = dirent_find(store, l->dir, l->pattern, entry);
        return status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_NAME_INVALID
                   ? STATUS_NO_MORE_FILES
                   : status;
    }
    nt_status status;
    do {
        status = dirent_next(store, l->dir, &l->position, entry);
    } while (status == STATUS_SUCCESS &&
             !text_matches(store_case_table(store), l->pattern, (struct str){entry->name, entry->name_len}));
    return status;
}

static nt_status next(struct listing *l, struct found *f)
{
    bool got;
    TRY(next_dot(l, f, &got));
    if (got)
        return STATUS_SUCCESS;
    nt_status status;
    do {
        TRY(next_entry(l, &f->entry));
        status = vcb_inode(l->vcb, f->entry.id, &f->inode);
    } while (status == STATUS_FILE_INVALID); // deleted between the two look-ups
    return status;
}

// --- how it is written ---------------------------------------------------------------------------

// Neither is shown in listings (spec/integrity.md 4.2).
static u32 listed_attributes(const struct inode *inode)
{
    u32 hidden = FILE_ATTRIBUTE_INTEGRITY_STREAM | FILE_ATTRIBUTE_NO_SCRUB_DATA;
    u32 attributes = inode->attributes & ~hidden;
    return attributes ? attributes : FILE_ATTRIBUTE_NORMAL;
}

static void put_common(u8 *out, const struct inode *inode)
{
    bool directory = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    u64 times[] = {inode->created, inode->accessed, inode->written, inode->changed};
    for (u32 i = 0; i < ARRAY_LEN(times); i++)
        put_le64(out + TIMES_AT + i * sizeof(u64), times[i]);
    put_le64(out + END_OF_FILE_AT, directory ? 0 : inode->size);
    put_le64(out + ALLOCATION_AT, directory ? 0 : inode->allocated);
    put_le32(out + ATTRIBUTES_AT, listed_attributes(inode));
}

// The entry in the form of a Windows class. *size: of the whole entry; BUFFER_OVERFLOW when it does not fit.
static nt_status put_windows(const struct dir_class *c, const struct found *f, u8 *out, size_t room,
                             size_t *size)
{
    u8 name[TEXT_NAME_UNITS * 2];
    size_t units = TEXT_NAME_UNITS;
    TRY(text_to_utf16((struct str){f->entry.name, f->entry.name_len}, name, &units));
    *size = c->name_at + units * 2;
    if (*size > room)
        return STATUS_BUFFER_OVERFLOW;
    memset(out, 0, c->name_at);
    put_le32(out + c->name_length_at, (u32)(units * 2));
    if (c->name_length_at == NAME_LENGTH_AT)
        put_common(out, &f->inode);
    u16 tag_at = c->tag_at ? c->tag_at : c->ea_at;
    if (tag_at)
        put_le32(out + tag_at, f->inode.reparse_tag);
    if (c->id_at)
        put_le64(out + c->id_at, f->inode.id);
    memcpy(out + c->name_at, name, units * 2);
    return STATUS_SUCCESS;
}

static nt_status put_native(const struct dir_class *c, const struct found *f, u8 *out, size_t room,
                            size_t *size)
{
    const struct inode *inode = &f->inode;
    bool directory = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    struct hf_dirent d = {.stat = {.id = inode->id,
                                   .size = directory ? 0 : inode->size,
                                   .allocated = directory ? 0 : inode->allocated,
                                   .created = inode->created,
                                   .accessed = inode->accessed,
                                   .written = inode->written,
                                   .changed = inode->changed,
                                   .attributes = listed_attributes(inode),
                                   .reparse_tag = inode->reparse_tag,
                                   .links = inode->links},
                          .name_length = f->entry.name_len};
    *size = c->name_at + f->entry.name_len + 1;
    if (*size > room)
        return STATUS_BUFFER_OVERFLOW;
    memcpy(out, &d, c->name_at);
    memcpy(out + c->name_at, f->entry.name, f->entry.name_len);
    out[*size - 1] = 0;
    return STATUS_SUCCESS;
}

static void link_entries(const struct dir_class *c, u8 *previous, size_t distance)
{
    u32 value = (u32)distance;
    if (c->name_length_at)
        put_le32(previous, value);
    else
        memcpy(previous + offsetof(struct hf_dirent, next), &value, sizeof value);
}

// Fill the buffer. The listing stays before the first entry that did not fit.
static nt_status fill(struct listing *l, const struct dir_class *c, struct irp *irp)
{
    u8 *out = irp->p.directory.data;
    size_t length = irp->p.directory.length, at = 0, last = 0, used = 0;
    for (;;) {
        struct listing before = *l;
        struct found f;
        size_t size = 0, room = at < length ? length - at : 0;
        nt_status status = next(l, &f);
        if (status == STATUS_SUCCESS)
            status = c->name_length_at ? put_windows(c, &f, out + at, room, &size)
                                       : put_native(c, &f, out + at, room, &size);
        if (status != STATUS_SUCCESS) {
            irp->information = used;
            if (status != STATUS_NO_MORE_FILES)
                *l = before;
            return used ? STATUS_SUCCESS : status;
        }
        if (used)
            link_entries(c, out + last, at - last);
        last = at;
        used = at + size;
        at = align_up(used, ENTRY_ALIGN);
        if (irp->p.directory.single) {
            irp->information = used;
            return STATUS_SUCCESS;
        }
    }
}

// --- the request ---------------------------------------------------------------------------------

// The first call's pattern holds until a restart brings another one. *first: nothing was listed with it yet.
static nt_status begin(struct ccb *ccb, const struct irp *irp, struct listing *l, bool *first)
{
    struct str pattern = irp->p.directory.pattern;
    bool restart = irp->p.directory.restart;
    size_t units;
    if (pattern.len > TEXT_NAME_BYTES || text_units(pattern, &units) != STATUS_SUCCESS)
        return STATUS_OBJECT_NAME_INVALID;
    SCOPE_LOCK(&ccb->scb->mutex);
    *first = restart || !ccb->listed;
    if (!ccb->listed || (restart && pattern.len)) {
        struct str all = STR("*");
        pattern = pattern.len ? pattern : all;
        memcpy(ccb->pattern, pattern.p, pattern.len);
        ccb->pattern_len = pattern.len;
        ccb->listed = true;
    }
    if (*first) {
        ccb->position = (struct dir_position){0};
        ccb->exhausted = false;
        ccb->dots = 0;
    }
    l->pattern = (struct str){ccb->pattern, ccb->pattern_len};
    l->position = ccb->position;
    l->exhausted = ccb->exhausted;
    l->dots = ccb->dots;
    return STATUS_SUCCESS;
}

// again: nothing was listed, and the same call comes again.
static void end(struct ccb *ccb, const struct listing *l, bool again)
{
    SCOPE_LOCK(&ccb->scb->mutex);
    ccb->listed = !again;
    ccb->position = l->position;
    ccb->exhausted = l->exhausted;
    ccb->dots = l->dots;
}

static const struct dir_class *class_of(u32 class_)
{
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (classes[i].class_ == class_)
            return &classes[i];
    return NULL;
}

nt_status fs_directory_control(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    const struct dir_class *c = class_of(irp->p.directory.class_);
    if (irp->minor != IRP_MN_QUERY_DIRECTORY)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (!ccb->scb || !ccb_is_directory(ccb))
        return STATUS_INVALID_PARAMETER;
    if (!c) // FileReparsePointInformation too: it lists an index file that is not visible here
        return STATUS_INVALID_INFO_CLASS;
    if (!(irp->file->access & FILE_LIST_DIRECTORY))
        return STATUS_ACCESS_DENIED;
    if (irp->p.directory.length < c->name_at)
        return STATUS_INFO_LENGTH_MISMATCH;
    struct listing l = {.vcb = vcb, .ccb = ccb, .dir = ccb->scb->fcb->id};
    bool first;
    TRY(begin(ccb, irp, &l, &first));
    nt_status status = fill(&l, c, irp);
    end(ccb, &l, first && !irp->p.directory.restart && status == STATUS_VERIFY_REQUIRED);
    fcb_mark_read(ccb->scb->fcb, ccb);
    return status == STATUS_NO_MORE_FILES && first ? STATUS_NO_SUCH_FILE : status;
}
