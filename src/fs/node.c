// SPDX-License-Identifier: Apache-2.0
// IRP_MJ_NODE: its table of operations, and those on one node: find, get, set, path. A look-up takes no lock
// on the directory: an entry and the inode behind it are read one after the other, and a file that was
// deleted in between was not found.
#include "fs/node.h"

#include <stdio.h>

enum {
    SETTABLE = FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |
               FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_TEMPORARY | FILE_ATTRIBUTE_OFFLINE |
               FILE_ATTRIBUTE_NOT_CONTENT_INDEXED,
    PERMISSIONS = 07777,
    // Of a file that gets an owner before it ever had a mode.
    FILE_DEFAULT = 0644,
    DIRECTORY_DEFAULT = 0755,
    TICKS = 10000000, // of 100 ns in a second
};
#define EPOCH_SECONDS ((i64)(TIME_UNIX_EPOCH / TICKS))

// --- what is shared ------------------------------------------------------------------------------

nt_status node_check_alive(const struct fcb *fcb)
{
    return fcb->inode.links == 0 && fcb->handles == 0 ? STATUS_FILE_INVALID : STATUS_SUCCESS;
}

nt_status node_check_parent(const struct fcb *parent)
{
    u32 tag = parent->inode.reparse_tag;
    if (!fcb_is_directory(parent))
        return STATUS_NOT_A_DIRECTORY;
    if (parent->inode.links == 0)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (tag && parent->id != OBJECT_ROOT && !IsReparseTagDirectory(tag))
        return IsReparseTagNameSurrogate(tag) ? STATUS_NOT_A_DIRECTORY : STATUS_IO_REPARSE_TAG_NOT_HANDLED;
    return parent->delete_pending ? STATUS_DELETE_PENDING : STATUS_SUCCESS;
}

nt_status node_check_name(struct str name)
{
    return name.len > HF_NODE_NAME_MAX ? STATUS_OBJECT_NAME_INVALID : name_check(name, '/');
}

nt_status node_inode(struct vcb *vcb, u64 id, struct inode *inode)
{
    TRY(vcb_inode(vcb, id, inode));
    if (inode->links)
        return STATUS_SUCCESS;
    struct fcb *fcb = fcb_find(vcb, id);
    bool held = false;
    if (fcb) {
        SCOPE_READ(&fcb->lock);
        held = fcb->handles > 0;
    }
    if (fcb)
        fcb_put(fcb);
    return held ? STATUS_SUCCESS : STATUS_FILE_INVALID;
}

nt_status node_parent(struct vcb *vcb, u64 id, u64 *parent)
{
    struct link_position position = {.key_len = 0};
    struct dirent name;
    *parent = OBJECT_ROOT;
    if (id == OBJECT_ROOT)
        return STATUS_SUCCESS;
    nt_status status = link_next(vcb->store, id, &position, parent, &name);
    return status == STATUS_NO_MORE_FILES ? STATUS_OBJECT_NAME_NOT_FOUND : status;
}

// --- attributes ----------------------------------------------------------------------------------

static struct hf_time time_out(u64 ticks, u8 nanos)
{
    return (struct hf_time){.seconds = (i64)(ticks / TICKS) - EPOCH_SECONDS,
                            .nanoseconds = (u32)(ticks % TICKS) * 100 + nanos};
}

// The next time that the volume can say.
static void time_in(const struct hf_time *t, u64 *ticks, u8 *nanos)
{
    u64 since_1601;
    *ticks = 0;
    *nanos = 0;
    if (t->seconds < -EPOCH_SECONDS)
        return;
    if (mul_overflows((u64)t->seconds + (u64)EPOCH_SECONDS, (u64)TICKS, &since_1601) ||
        add_overflows(since_1601, (u64)t->nanoseconds / 100, ticks)) {
        *ticks = UINT64_MAX;
        return;
    }
    *nanos = (u8)(t->nanoseconds % 100);
}

nt_status node_is_directory(struct vcb *vcb, const struct inode *inode, bool *yes)
{
    struct node_kind kind;
    *yes = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    if (!*yes || !inode->reparse_tag)
        return STATUS_SUCCESS;
    TRY(node_kind(vcb, inode, &kind));
    *yes = kind.type == S_IFDIR;
    return STATUS_SUCCESS;
}

static u32 shown_attributes(const struct inode *inode)
{
    u32 attributes = inode->attributes & ~(u32)FILE_ATTRIBUTE_INTEGRITY_STREAM;
    if (inode->algorithm != CHECKSUM_TYPE_NONE)
        attributes |= FILE_ATTRIBUTE_INTEGRITY_STREAM;
    return attributes ? attributes : FILE_ATTRIBUTE_NORMAL;
}

nt_status node_attr(struct vcb *vcb, const struct inode *inode, struct hf_attr *attr)
{
    bool directory = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    struct node_kind kind = {.type = directory ? S_IFDIR : S_IFREG};
    if (inode->reparse_tag)
        TRY(node_kind(vcb, inode, &kind));
    *attr = (struct hf_attr){
        .id = inode->id,
        .size = kind.type == S_IFLNK   ? kind.length
                : kind.type == S_IFREG ? inode->size
                                       : 0,
        .allocated = directory ? 0 : inode->allocated,
        .created = time_out(inode->created, inode->nanos[INODE_CREATED]),
        .accessed = time_out(inode->accessed, inode->nanos[INODE_ACCESSED]),
        .written = time_out(inode->written, inode->nanos[INODE_WRITTEN]),
        .changed = time_out(inode->changed, inode->nanos[INODE_CHANGED]),
        .mode = kind.type | (inode->mode ? inode->mode & PERMISSIONS : HF_MODE_UNSET),
        .uid = inode->mode ? inode->uid : 0,
        .gid = inode->mode ? inode->gid : 0,
        .links = directory && inode->links ? 1 : inode->links,
        .attributes = shown_attributes(inode),
        .reparse_tag = inode->reparse_tag,
    };
    if (kind.type == S_IFCHR || kind.type == S_IFBLK)
        attr->device = kind.has_device ? kind.device : inode->device;
    return STATUS_SUCCESS;
}

nt_status node_fcb_attr(struct fcb *fcb, struct hf_attr *attr)
{
    struct inode inode = fcb->inode;
    struct stream_info info;
    if (fcb_stream_info(fcb, &info))
        inode_take_stream(&inode, &info);
    return node_attr(fcb->vcb, &inode, attr);
}

// --- find, get, path -----------------------------------------------------------------------------

static nt_status node_get(struct vcb *vcb, struct irp *irp)
{
    struct inode inode;
    TRY(node_inode(vcb, irp->p.node->id, &inode));
    return node_attr(vcb, &inode, irp->p.node->attr);
}

static nt_status check_directory(struct vcb *vcb, u64 id)
{
    struct inode inode;
    bool directory;
    TRY(node_inode(vcb, id, &inode));
    TRY(node_is_directory(vcb, &inode, &directory));
    return directory ? STATUS_SUCCESS : STATUS_NOT_A_DIRECTORY;
}

static bool is_dots(struct str name)
{
    return name.len > 0 && name.len <= 2 && memcmp(name.p, "..", name.len) == 0;
}

static nt_status find_dots(struct vcb *vcb, const struct irp_node *n)
{
    struct inode inode;
    u64 id = n->id;
    TRY(check_directory(vcb, id));
    if (n->name.len == 2)
        TRY(node_parent(vcb, n->id, &id));
    TRY(node_inode(vcb, id, &inode));
    return node_attr(vcb, &inode, n->attr);
}

static nt_status node_find(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    struct dirent entry;
    struct inode inode;
    if (is_dots(n->name))
        return find_dots(vcb, n);
    if (n->name.len > HF_NODE_NAME_MAX)
        return STATUS_OBJECT_NAME_INVALID;
    nt_status status = dirent_find(vcb->store, n->id, n->name, &entry);
    if (status == STATUS_SUCCESS)
        status = vcb_inode(vcb, entry.id, &inode);
    if (status == STATUS_SUCCESS)
        return node_attr(vcb, &inode, n->attr);
    if (status == STATUS_FILE_INVALID)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
        TRY(check_directory(vcb, n->id));
    return status;
}

static nt_status node_path(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    struct inode inode;
    TRY(node_inode(vcb, n->id, &inode));
    return object_path(vcb->store, n->id, n->out, n->length);
}

// --- set -----------------------------------------------------------------------------------------

static nt_status check_set(const struct fcb *fcb, u32 mask, const struct hf_attr *attr)
{
    const struct hf_time *times[] = {&attr->created, &attr->accessed, &attr->written, &attr->changed};
    for (u32 i = 0; i < ARRAY_LEN(times); i++)
        if (mask & (u32)HF_ATTR_CREATED << i && times[i]->nanoseconds >= 1000000000)
            return STATUS_INVALID_PARAMETER;
    u32 wrong = FILE_ATTRIBUTE_TEMPORARY;
    if (mask & HF_ATTR_ATTRIBUTES && attr->attributes & wrong && fcb_is_directory(fcb))
        return STATUS_INVALID_PARAMETER;
    return node_check_alive(fcb);
}

static nt_status set_size(struct vcb *vcb, struct fcb *fcb, u64 size)
{
    struct node_kind kind;
    struct scb *scb;
    if (fcb_is_directory(fcb))
        return STATUS_FILE_IS_A_DIRECTORY;
    if (size > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    if (fcb->inode.reparse_tag) {
        TRY(node_kind(vcb, &fcb->inode, &kind));
        return kind.unknown ? STATUS_IO_REPARSE_TAG_NOT_HANDLED : STATUS_INVALID_PARAMETER;
    }
    if (fcb->inode.attributes & FILE_ATTRIBUTE_READONLY)
        return STATUS_ACCESS_DENIED;
    u32 all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    TRY(scb_get(fcb, (struct str){0}, &scb));
    nt_status status = share_check(scb, FILE_WRITE_DATA, all);
    if (status == STATUS_SUCCESS)
        status = stream_set_size(scb->stream, size);
    if (status == STATUS_SUCCESS)
        fcb_mark_written(fcb, NULL);
    scb_put(scb);
    return status;
}

static void set_mode(struct inode *inode, u32 mask, const struct hf_attr *attr)
{
    bool directory = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    if (!(mask & (HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_GID | HF_ATTR_KILL)) ||
        (!inode->mode && !(mask & (HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_GID))))
        return;
    if (!inode->mode) {
        inode->mode = directory ? S_IFDIR | DIRECTORY_DEFAULT : S_IFREG | FILE_DEFAULT;
        inode->uid = inode->gid = 0;
    }
    if (mask & HF_ATTR_MODE)
        inode->mode = (inode->mode & ~(u32)PERMISSIONS) | (attr->mode & PERMISSIONS);
    if (mask & HF_ATTR_UID)
        inode->uid = attr->uid;
    if (mask & HF_ATTR_GID)
        inode->gid = attr->gid;
    if (mask & HF_ATTR_KILL && !directory)
        inode->mode &= ~(u32)(inode->mode & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID);
}

static void set_times(struct inode *inode, u32 mask, const struct hf_attr *attr)
{
    const struct hf_time *from[] = {&attr->created, &attr->accessed, &attr->written, &attr->changed};
    u64 *to[] = {&inode->created, &inode->accessed, &inode->written, &inode->changed};
    for (u32 i = 0; i < INODE_TIMES; i++)
        if (mask & (u32)HF_ATTR_CREATED << i)
            time_in(from[i], to[i], &inode->nanos[i]);
    if (!(mask & HF_ATTR_CHANGED))
        inode_touch(inode, TIME_CHANGED, time_now());
}

// fcb.lock is held exclusive.
static nt_status set_locked(struct vcb *vcb, struct fcb *fcb, u32 mask, const struct hf_attr *attr)
{
    struct txn *t;
    TRY(check_set(fcb, mask, attr));
    if (mask & HF_ATTR_SIZE)
        TRY(set_size(vcb, fcb, attr->size));
    fcb_settle(fcb);
    struct inode inode = fcb->inode;
    set_mode(&inode, mask, attr);
    if (mask & HF_ATTR_ATTRIBUTES)
        inode.attributes = (inode.attributes & ~(u32)SETTABLE) | (attr->attributes & SETTABLE);
    set_times(&inode, mask, attr);
    // Without room for more a file can still be cut, and its owner changed.
    TRY(txn_begin(vcb->store, TXN_FREEING, &t));
    TRY(txn_end(t, inode_put(t, &inode)));
    fcb->inode = inode;
    fcb->dirty = false;
    return STATUS_SUCCESS;
}

static nt_status node_set(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    TRY(fcb_get(vcb, n->id, &fcb));
    SCOPE_FCB(fcb);
    TRY(set_locked(vcb, fcb, n->flags, n->attr));
    return node_fcb_attr(fcb, n->attr);
}

// --- the request ---------------------------------------------------------------------------------

nt_status fs_node(struct vcb *vcb, struct irp *irp)
{
    static nt_status (*const handlers[])(struct vcb * vcb, struct irp * irp) = {
        [IRP_MN_NODE_FIND] = node_find,
        [IRP_MN_NODE_GET] = node_get,
        [IRP_MN_NODE_SET] = node_set,
        [IRP_MN_NODE_CREATE] = node_create,
        [IRP_MN_NODE_LINK] = node_link,
        [IRP_MN_NODE_UNLINK] = node_unlink,
        [IRP_MN_NODE_RENAME] = node_rename,
        [IRP_MN_NODE_READLINK] = node_readlink,
        [IRP_MN_NODE_PATH] = node_path,
        [IRP_MN_NODE_LIST] = node_list,
        [IRP_MN_XATTR_GET] = node_xattr_get,
        [IRP_MN_XATTR_SET] = node_xattr_set,
        [IRP_MN_XATTR_REMOVE] = node_xattr_remove,
        [IRP_MN_XATTR_LIST] = node_xattr_list,
    };
    if (!irp_ccb(irp)->scb)
        return STATUS_INVALID_PARAMETER;
    if ((unsigned)irp->minor >= ARRAY_LEN(handlers) || !handlers[irp->minor])
        return STATUS_INVALID_DEVICE_REQUEST;
    return handlers[irp->minor](vcb, irp);
}
