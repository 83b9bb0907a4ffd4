// SPDX-License-Identifier: Apache-2.0
// IRP_MJ_CREATE: the walk along the path, and opening, making or overwriting what is at its end. The walk
// takes no lock on the directories it passes; the last one is locked (exclusive when something may be made in
// it) while the file in it is found and opened. A link on the way ends the request with STATUS_REPARSE; the
// sender rewrites the name.
#include "fs/node.h"

enum {
    SETTABLE = FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |
               FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_TEMPORARY | FILE_ATTRIBUTE_OFFLINE |
               FILE_ATTRIBUTE_NOT_CONTENT_INDEXED,
};

struct open {
    struct vcb *vcb;
    struct irp *irp;
    struct ccb *ccb;      // taken over by the file object on success
    u64 dir;              // directory that the walk has reached
    u32 parent_end;       // bytes of the path up to it
    u32 end;              // and up to the end of the component (without its stream) that is looked at
    struct str name;      // the last component; len 0: the starting object itself
    struct str stream;    // of it; p NULL: none named
    bool names_directory; // "::$INDEX_ALLOCATION"
    bool trailing;        // the path ends with a separator
};

static bool overwrites(u32 disposition)
{
    return disposition == FILE_SUPERSEDE || disposition == FILE_OVERWRITE || disposition == FILE_OVERWRITE_IF;
}

static bool may_create(u32 disposition)
{
    return disposition != FILE_OPEN && disposition != FILE_OVERWRITE;
}

// --- the walk ------------------------------------------------------------------------------------

static bool is_link(const struct inode *inode)
{
    bool directory = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    return inode->reparse_tag && inode->id != OBJECT_ROOT &&
           !(directory && IsReparseTagDirectory(inode->reparse_tag));
}

// The link check of the component that ends at o->end (spec/reparse.md 4.5). STATUS_REPARSE with the buffer
// for those who rewrite names.
static nt_status check_link(struct open *o, const struct inode *inode)
{
    u32 tag = inode->reparse_tag;
    struct irp_reparse *reparse = o->irp->p.create.reparse;
    if (!is_link(inode))
        return STATUS_SUCCESS;
    if ((tag != IO_REPARSE_TAG_SYMLINK && tag != IO_REPARSE_TAG_MOUNT_POINT) || !reparse ||
        o->vcb->info.options & OPTION_NO_REPARSE)
        return STATUS_IO_REPARSE_TAG_NOT_HANDLED;
    TRY(reparse_get(o->vcb->store, inode->id, reparse->buffer, MAXIMUM_REPARSE_DATA_BUFFER_SIZE,
                    &reparse->length));
    reparse->consumed = o->end;
    reparse->parent = o->parent_end;
    reparse->directory = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    return STATUS_REPARSE;
}

// Split and check the component that starts at byte `start` of the path.
static nt_status parse_component(struct open *o, u32 start, u32 len)
{
    struct str component = {o->irp->p.create.path.p + start, len};
    char separator = o->irp->p.create.separator;
    o->name = component;
    o->stream = (struct str){0};
    o->names_directory = false;
    if (separator != '/')
        TRY(name_split_stream(component, &o->name, &o->stream, &o->names_directory));
    o->end = start + o->name.len;
    if (o->name.len == 0 && o->stream.len && start == 0)
        return STATUS_SUCCESS; // ":stream" of the object that the walk starts from
    return name_check(o->name, separator);
}

// Go down into a component that is not the last one.
static nt_status step(struct open *o)
{
    struct dirent entry;
    struct inode inode;
    if (o->stream.p)
        return STATUS_OBJECT_NAME_INVALID;
    nt_status status = dirent_find(o->vcb->store, o->dir, o->name, &entry);
    if (status == STATUS_SUCCESS)
        status = inode_get(o->vcb->store, entry.id, &inode);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_FILE_INVALID)
        return STATUS_OBJECT_PATH_NOT_FOUND;
    TRY(status);
    TRY(check_link(o, &inode));
    if (!(inode.attributes & FILE_ATTRIBUTE_DIRECTORY))
        return STATUS_OBJECT_PATH_NOT_FOUND;
    o->dir = entry.id;
    o->parent_end = o->end;
    return STATUS_SUCCESS;
}

// Up to the directory that holds the last component, which is left in o->name. Under POSIX rules repeated
// separators count as one.
static nt_status walk(struct open *o)
{
    struct str path = o->irp->p.create.path;
    char separator = o->irp->p.create.separator;
    u32 next = 0;
    while (separator == '/' && next < path.len && path.p[next] == '/')
        next++;
    for (;;) {
        u32 start = next, end = start;
        while (end < path.len && path.p[end] != separator)
            end++;
        next = end + (end < path.len);
        while (separator == '/' && next < path.len && path.p[next] == '/')
            next++;
        TRY(parse_component(o, start, end - start));
        if (next == path.len) {
            o->trailing = next > end;
            return STATUS_SUCCESS;
        }
        TRY(step(o));
    }
}

// --- opening what is there -----------------------------------------------------------------------

static nt_status check_kind(const struct open *o, bool directory)
{
    u32 options = o->irp->p.create.options;
    if (o->trailing && (!directory || o->stream.p))
        return o->irp->p.create.separator == '/' ? STATUS_NOT_A_DIRECTORY : STATUS_OBJECT_NAME_INVALID;
    if ((options & FILE_DIRECTORY_FILE || o->names_directory) && (!directory || o->stream.p))
        return STATUS_NOT_A_DIRECTORY;
    if (!directory || o->stream.len)
        return STATUS_SUCCESS;
    if (options & FILE_NON_DIRECTORY_FILE || o->stream.p)
        return STATUS_FILE_IS_A_DIRECTORY;
    return overwrites(o->irp->p.create.disposition) ? STATUS_OBJECT_NAME_COLLISION : STATUS_SUCCESS;
}

static nt_status check_attributes(const struct open *o, const struct fcb *fcb)
{
    u32 attributes = fcb->inode.attributes, asked = o->irp->p.create.attributes;
    bool readonly = attributes & FILE_ATTRIBUTE_READONLY;
    bool overwriting = overwrites(o->irp->p.create.disposition);
    if (o->irp->p.create.options & FILE_DELETE_ON_CLOSE && (readonly || fcb->id == OBJECT_ROOT))
        return STATUS_CANNOT_DELETE;
    if (!(attributes & FILE_ATTRIBUTE_DIRECTORY) && readonly &&
        (overwriting || o->irp->p.create.access & (FILE_WRITE_DATA | FILE_APPEND_DATA)))
        return STATUS_ACCESS_DENIED;
    // Who replaces a hidden or system file must know that it is one.
    u32 guarded = attributes & (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
    if (overwriting && o->stream.len == 0 && (guarded & ~asked))
        return STATUS_ACCESS_DENIED;
    return STATUS_SUCCESS;
}

// Overwriting a file removes its named streams; those that somebody has open stay.
static nt_status drop_named_streams(struct fcb *fcb)
{
    struct dir_position position = {0};
    struct stream_entry entry;
    nt_status status;
    while ((status = stream_next(fcb->vcb->store, fcb->id, &position, &entry)) == STATUS_SUCCESS) {
        struct str name = {entry.name.name, entry.name.name_len};
        struct scb *open = name.len ? scb_find(fcb, name) : NULL;
        if (open)
            scb_put(open);
        else if (name.len)
            TRY(stream_delete(fcb, name));
    }
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

// The file becomes an ordinary empty one with the attributes asked for: they come last, since what they were
// decides what is to be done.
static nt_status overwrite(struct open *o, struct fcb *fcb, struct scb *scb)
{
    struct inode inode = fcb->inode;
    struct txn *t;
    if (o->stream.len) {
        TRY(stream_set_size(scb->stream, 0));
        fcb_mark_written(fcb, NULL);
        return STATUS_SUCCESS;
    }
    u32 kept = FILE_ATTRIBUTE_INTEGRITY_STREAM | FILE_ATTRIBUTE_NO_SCRUB_DATA;
    if (o->irp->p.create.disposition != FILE_SUPERSEDE)
        kept |= SETTABLE;
    bool sparse = inode.attributes & FILE_ATTRIBUTE_SPARSE_FILE;
    inode.attributes = (inode.attributes & kept) | (o->irp->p.create.attributes & SETTABLE);
    inode.attributes |= FILE_ATTRIBUTE_ARCHIVE;
    inode_touch(&inode, TIME_WRITTEN | TIME_CHANGED, time_now());
    inode.reparse_tag = 0;
    TRY(stream_set_size(scb->stream, 0));
    if (sparse)
        TRY(stream_set_sparse(scb->stream, false));
    TRY(drop_named_streams(fcb));
    TRY(txn_begin(o->vcb->store, TXN_FREEING, &t));
    nt_status status = fcb->inode.reparse_tag ? reparse_delete(t, fcb->id) : STATUS_SUCCESS;
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &inode);
    TRY(txn_end(t, status));
    fcb->inode = inode;
    fcb->dirty = false;
    return STATUS_SUCCESS;
}

static nt_status create_stream(struct open *o, struct fcb *fcb)
{
    u16 algorithm = CHECKSUM_TYPE_NONE;
    struct txn *t;
    if (fcb->inode.attributes & FILE_ATTRIBUTE_INTEGRITY_STREAM)
        algorithm = o->vcb->info.cluster == 65536 ? CHECKSUM_TYPE_CRC64 : CHECKSUM_TYPE_CRC32;
    TRY(txn_begin(o->vcb->store, TXN_NORMAL, &t));
    TRY(txn_end(t, stream_create(t, fcb->id, o->stream, algorithm)));
    irp_note(o->irp, o->vcb);
    return STATUS_SUCCESS;
}

// The stream that is to be opened, and what the create will have done to it.
static nt_status find_stream(struct open *o, struct fcb *fcb, struct scb **scb, u32 *action)
{
    u32 disposition = o->irp->p.create.disposition;
    struct str name = {o->stream.p, o->stream.len};
    *action = !overwrites(disposition)        ? FILE_OPENED
              : disposition == FILE_SUPERSEDE ? FILE_SUPERSEDED
                                              : FILE_OVERWRITTEN;
    nt_status status = scb_get(fcb, name, scb);
    if (irp_is_done(o->irp)) { // made by the last try
        *action = FILE_CREATED;
        return status;
    }
    if (status == STATUS_OBJECT_NAME_NOT_FOUND && name.len && may_create(disposition)) {
        if (fcb->inode.attributes & FILE_ATTRIBUTE_READONLY && !fcb_is_directory(fcb))
            return STATUS_ACCESS_DENIED;
        *action = FILE_CREATED;
        TRY(create_stream(o, fcb));
        return scb_get(fcb, name, scb);
    }
    if (status == STATUS_SUCCESS && name.len && disposition == FILE_CREATE) {
        scb_put(*scb);
        return STATUS_OBJECT_NAME_COLLISION;
    }
    return status;
}

// Open a stream of a file whose name, kind and attributes passed. made: the file is new. fcb.lock is held
// exclusive.
static nt_status open_stream(struct open *o, struct fcb *fcb, bool made)
{
    u32 access = o->irp->p.create.access, share = o->irp->p.create.share, action = FILE_CREATED;
    u32 disposition = o->irp->p.create.disposition, implied = 0;
    struct scb *scb;
    if (made)
        TRY(scb_get(fcb, o->stream, &scb));
    else
        TRY(find_stream(o, fcb, &scb, &action));
    if (action != FILE_CREATED && overwrites(disposition))
        implied = disposition == FILE_SUPERSEDE ? DELETE : FILE_WRITE_DATA;
    nt_status status =
        scb->delete_pending ? STATUS_DELETE_PENDING : share_check(scb, access | implied, share);
    if (status == STATUS_SUCCESS && implied)
        status = overwrite(o, fcb, scb);
    if (status != STATUS_SUCCESS) {
        scb_put(scb);
        return status;
    }
    share_add(scb, access, share);
    scb->handles++;
    fcb->handles++;
    o->ccb->scb = scb;
    o->ccb->delete_on_close = o->irp->p.create.options & FILE_DELETE_ON_CLOSE;
    o->irp->information = action;
    return STATUS_SUCCESS;
}

// fcb.lock is held exclusive.
static nt_status open_existing(struct open *o, struct fcb *fcb)
{
    if (fcb->deleted || fcb->delete_pending)
        return STATUS_DELETE_PENDING;
    if (!(o->irp->p.create.options & FILE_OPEN_REPARSE_POINT))
        TRY(check_link(o, &fcb->inode));
    if (o->irp->p.create.disposition == FILE_CREATE && o->stream.len == 0)
        return STATUS_OBJECT_NAME_COLLISION;
    TRY(check_kind(o, fcb_is_directory(fcb)));
    TRY(check_attributes(o, fcb));
    return open_stream(o, fcb, false);
}

static nt_status open_object(struct open *o, u64 id)
{
    struct fcb *fcb;
    TRY(fcb_get(o->vcb, id, &fcb));
    nt_status status;
    {
        SCOPE_FCB(fcb);
        status = open_existing(o, fcb);
    }
    fcb_put(fcb);
    return status;
}

// --- making --------------------------------------------------------------------------------------

struct inode inode_new(const struct vcb *vcb, const struct fcb *parent, u32 attributes, bool directory)
{
    const struct store_info *info = &vcb->info;
    u64 now = time_now();
    // Both are inherited, and neither can be declined (spec/integrity.md 4.1).
    u32 inherited = (parent->inode.attributes | attributes) &
                    (FILE_ATTRIBUTE_INTEGRITY_STREAM | FILE_ATTRIBUTE_NO_SCRUB_DATA);
    if (info->options & OPTION_NO_INTEGRITY)
        inherited = 0;
    struct inode inode = {.links = 1, .created = now, .accessed = now, .written = now, .changed = now};
    inode.attributes = (attributes & SETTABLE) | inherited;
    inode.attributes |= directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE;
    if (inherited & FILE_ATTRIBUTE_INTEGRITY_STREAM)
        inode.algorithm = info->cluster == 65536 ? CHECKSUM_TYPE_CRC64 : CHECKSUM_TYPE_CRC32;
    return inode;
}

// Inode, name, stream and the directory's times in one transaction.
static nt_status make(struct open *o, struct fcb *parent, struct inode *inode)
{
    struct txn *t;
    struct inode dir = parent->inode;
    bool directory = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    inode_touch(&dir, TIME_WRITTEN | TIME_CHANGED, inode->created);
    TRY(txn_begin(o->vcb->store, TXN_NORMAL, &t));
    nt_status status = inode_create(t, inode);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, parent->id, o->name, inode->id, directory);
    if (status == STATUS_SUCCESS && o->stream.len)
        status = stream_create(t, inode->id, o->stream, inode->algorithm);
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &dir);
    TRY(txn_end(t, status));
    parent->inode = dir;
    return STATUS_SUCCESS;
}

static nt_status open_made(struct open *o, u64 id)
{
    struct fcb *fcb;
    TRY(fcb_get(o->vcb, id, &fcb));
    nt_status status;
    {
        SCOPE_FCB(fcb);
        status = fcb->deleted || fcb->delete_pending ? STATUS_DELETE_PENDING : open_stream(o, fcb, true);
    }
    fcb_put(fcb);
    return status;
}

// parent.lock is held exclusive, so nobody finds the new file before it is open, unless it takes a second
// try.
static nt_status create_new(struct open *o, struct fcb *parent)
{
    u32 options = o->irp->p.create.options;
    bool directory = options & FILE_DIRECTORY_FILE || o->names_directory;
    if (parent->delete_pending)
        return STATUS_DELETE_PENDING;
    if (o->trailing && (!directory || o->stream.p))
        return STATUS_OBJECT_NAME_INVALID;
    if (directory && o->stream.p)
        return STATUS_NOT_A_DIRECTORY;
    if (options & FILE_DELETE_ON_CLOSE && o->irp->p.create.attributes & FILE_ATTRIBUTE_READONLY)
        return STATUS_CANNOT_DELETE;
    struct inode inode = inode_new(o->vcb, parent, o->irp->p.create.attributes, directory);
    TRY(make(o, parent, &inode));
    irp_note(o->irp, o->vcb);
    o->irp->done.object = inode.id;
    return open_made(o, inode.id);
}

// --- the request ---------------------------------------------------------------------------------

static void remember_name(struct ccb *ccb, u64 parent, struct str name)
{
    ccb->parent = parent;
    ccb->name_len = name.len;
    memcpy(ccb->name, name.p, name.len);
}

static nt_status open_in(struct open *o, struct fcb *parent)
{
    struct dirent entry;
    if (parent->deleted)
        return STATUS_OBJECT_PATH_NOT_FOUND;
    if (o->irp->done.object) {
        remember_name(o->ccb, parent->id, o->name);
        return open_made(o, o->irp->done.object);
    }
    nt_status status = dirent_find(o->vcb->store, parent->id, o->name, &entry);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND && may_create(o->irp->p.create.disposition)) {
        remember_name(o->ccb, parent->id, o->name);
        return create_new(o, parent);
    }
    TRY(status);
    remember_name(o->ccb, parent->id, (struct str){entry.name, entry.name_len});
    return open_object(o, entry.id);
}

static nt_status open_name(struct open *o)
{
    struct fcb *parent;
    nt_status status = fcb_get(o->vcb, o->dir, &parent);
    if (status != STATUS_SUCCESS)
        return status == STATUS_FILE_INVALID ? STATUS_OBJECT_PATH_NOT_FOUND : status;
    if (may_create(o->irp->p.create.disposition))
        fcb_lock(parent);
    else
        pthread_rwlock_rdlock(&parent->lock);
    status = open_in(o, parent);
    pthread_rwlock_unlock(&parent->lock);
    fcb_put(parent);
    return status;
}

// SL_OPEN_TARGET_DIRECTORY, for renames: open the directory of the last component. Information: 1 when that
// component exists, else 0.
static nt_status open_parent(struct open *o)
{
    struct dirent entry;
    if (o->stream.p)
        return STATUS_OBJECT_NAME_INVALID;
    nt_status found = dirent_find(o->vcb->store, o->dir, o->name, &entry);
    if (found != STATUS_SUCCESS && found != STATUS_OBJECT_NAME_NOT_FOUND)
        return found;
    o->trailing = false;
    TRY(open_object(o, o->dir));
    o->irp->information = found == STATUS_SUCCESS;
    return STATUS_SUCCESS;
}

static nt_status open_by_id(struct open *o)
{
    struct str path = o->irp->p.create.path;
    if (path.len != sizeof(u64) || may_create(o->irp->p.create.disposition))
        return STATUS_INVALID_PARAMETER;
    o->end = path.len;
    nt_status status = open_object(o, get_le64(path.p));
    return status == STATUS_FILE_INVALID ? STATUS_INVALID_PARAMETER : status;
}

// What a tag stands for that nobody here knows is not for reading.
static nt_status check_node(struct open *o, const struct fcb *fcb)
{
    u32 data = FILE_READ_DATA | FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_EXECUTE;
    struct node_kind kind;
    TRY(node_check_alive(fcb));
    if (fcb->delete_pending && !fcb->deleted)
        return STATUS_DELETE_PENDING;
    if (is_link(&fcb->inode) && o->irp->p.create.access & data) {
        TRY(node_kind(o->vcb, &fcb->inode, &kind));
        if (kind.unknown)
            return STATUS_IO_REPARSE_TAG_NOT_HANDLED;
    }
    return check_attributes(o, fcb);
}

// For POSIX callers: also a file whose last name is gone, as long as somebody else has it open.
static nt_status open_node(struct open *o, u64 id)
{
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    TRY(fcb_get(o->vcb, id, &fcb));
    SCOPE_FCB(fcb);
    TRY(check_node(o, fcb));
    return open_stream(o, fcb, false);
}

// A new file without a name: found by nobody before it is open, and gone if it cannot be opened.
static nt_status open_unnamed(struct open *o)
{
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    TRY(node_create_unnamed(o->vcb, o->irp->p.create.node, o->irp->p.create.what, &fcb));
    nt_status status;
    {
        SCOPE_FCB(fcb);
        fcb->unnamed = true;
        status = open_stream(o, fcb, true);
        if (status == STATUS_SUCCESS)
            return node_fcb_attr(fcb, o->irp->p.create.attr);
    }
    fcb_reap(fcb);
    return status;
}

// The tag that keeps a walk from passing; 0: none.
static u32 link_tag(struct fcb *fcb)
{
    SCOPE_READ(&fcb->lock);
    return is_link(&fcb->inode) ? fcb->inode.reparse_tag : 0;
}

// The same object again, through a handle of it (spec/reparse.md 4.3).
static nt_status reopen(struct open *o, const struct ccb *related)
{
    struct scb *scb = related->scb;
    u32 tag = link_tag(scb->fcb);
    if (tag && !(o->irp->p.create.options & FILE_OPEN_REPARSE_POINT))
        return tag == IO_REPARSE_TAG_SYMLINK || tag == IO_REPARSE_TAG_MOUNT_POINT
                   ? STATUS_IO_REPARSE_DATA_INVALID
                   : STATUS_IO_REPARSE_TAG_NOT_HANDLED;
    if (scb->name_len)
        o->stream = (struct str){scb->name, scb->name_len};
    remember_name(o->ccb, related->parent, (struct str){related->name, related->name_len});
    return open_object(o, scb->fcb->id);
}

// Where the walk starts. A path below a handle that is itself a link leads nowhere.
static nt_status start_at(struct open *o, const struct ccb *related)
{
    struct str path = o->irp->p.create.path;
    if (!related || !related->scb)
        return STATUS_INVALID_PARAMETER;
    struct fcb *fcb = related->scb->fcb;
    TRY(fcb_verify(fcb));
    o->dir = fcb->id;
    if (path.len == 0)
        return STATUS_SUCCESS;
    if (link_tag(fcb))
        return STATUS_REPARSE_POINT_NOT_RESOLVED;
    bool stream = o->irp->p.create.separator != '/' && path.p[0] == ':';
    return fcb_is_directory(fcb) || stream ? STATUS_SUCCESS : STATUS_OBJECT_PATH_NOT_FOUND;
}

static nt_status open_file(struct open *o)
{
    struct file_object *related = o->irp->p.create.related;
    u32 disposition = o->irp->p.create.disposition;
    if (disposition > FILE_OVERWRITE_IF ||
        (o->irp->p.create.options & FILE_DIRECTORY_FILE && overwrites(disposition)))
        return STATUS_INVALID_PARAMETER;
    if (o->irp->p.create.what)
        return disposition == FILE_CREATE ? open_unnamed(o) : STATUS_INVALID_PARAMETER;
    if (o->irp->p.create.node)
        return disposition == FILE_OPEN ? open_node(o, o->irp->p.create.node) : STATUS_INVALID_PARAMETER;
    if (o->irp->p.create.options & FILE_OPEN_BY_FILE_ID)
        return open_by_id(o);
    if (related)
        TRY(start_at(o, related->context));
    if (o->irp->p.create.path.len == 0) {
        if (o->irp->p.create.target_directory)
            return STATUS_OBJECT_NAME_INVALID; // a root has no parent
        return related ? reopen(o, related->context) : open_object(o, o->dir);
    }
    TRY(walk(o));
    if (o->irp->p.create.target_directory)
        return open_parent(o);
    return o->name.len ? open_name(o) : open_object(o, o->dir);
}

static nt_status open_volume(const struct open *o)
{
    u32 disposition = o->irp->p.create.disposition;
    if (o->irp->p.create.path.len || (disposition != FILE_OPEN && disposition != FILE_OPEN_IF))
        return STATUS_INVALID_PARAMETER;
    if (o->irp->p.create.options & FILE_DELETE_ON_CLOSE)
        return STATUS_CANNOT_DELETE;
    o->irp->information = FILE_OPENED;
    return STATUS_SUCCESS;
}

// One more handle, unless the volume is locked.
static nt_status count_handle(struct vcb *vcb)
{
    SCOPE_LOCK(&vcb->table);
    if (vcb->locked_by)
        return STATUS_ACCESS_DENIED;
    vcb->handles++;
    return STATUS_SUCCESS;
}

nt_status fs_create(struct vcb *vcb, struct irp *irp)
{
    struct open o = {.vcb = vcb, .irp = irp, .dir = OBJECT_ROOT};
    o.ccb = calloc(1, sizeof *o.ccb);
    if (!o.ccb)
        return STATUS_INSUFFICIENT_RESOURCES;
    o.ccb->vcb = vcb;
    nt_status status = count_handle(vcb);
    if (status == STATUS_SUCCESS) {
        status = irp->p.create.opens_root ? open_file(&o) : open_volume(&o);
        if (status == STATUS_SUCCESS) {
            o.ccb->told = ccb_lost_so_far(o.ccb);
            irp->file->context = o.ccb;
            return status;
        }
        SCOPE_LOCK(&vcb->table);
        vcb->handles--;
    }
    free(o.ccb);
    return status;
}
