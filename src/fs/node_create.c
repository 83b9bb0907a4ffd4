// SPDX-License-Identifier: Apache-2.0
// New nodes for POSIX callers: inode, name, reparse data, extended attributes and the directory's times in
// one transaction. What gets no name yet waits in the orphan list instead, so that a crash leaves nothing.
#include "fs/node.h"

// A node before it has a number.
struct making {
    struct vcb *vcb;
    struct fcb *parent;
    struct str name; // len 0: none
    const struct hf_node_new *what;
    const u8 *reparse;
    u32 reparse_length;
    struct inode inode;
};

static struct inode make_inode(const struct making *m)
{
    bool directory = S_ISDIR(m->what->mode);
    const struct inode *parent = &m->parent->inode;
    struct inode inode = inode_new(m->vcb, m->parent, 0, directory);
    inode.links = m->name.len > 0;
    inode.mode = m->what->mode & (S_IFMT | 07777);
    inode.uid = m->what->uid;
    inode.gid = m->what->gid;
    if (S_ISCHR(m->what->mode) || S_ISBLK(m->what->mode))
        inode.device = m->what->device;
    if (parent->mode & S_ISGID) {
        inode.gid = parent->gid;
        inode.mode |= directory ? S_ISGID : 0;
    }
    if (m->reparse_length) {
        inode.reparse_tag = get_le32(m->reparse);
        inode.attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    }
    return inode;
}

static nt_status write_node(struct making *m, struct txn *t, const struct inode *parent)
{
    struct inode *inode = &m->inode;
    TRY(inode_create(t, inode));
    if (m->reparse_length) // before its name, which so is not plain
        TRY(reparse_set(t, inode->id, m->reparse, m->reparse_length));
    if (m->name.len)
        TRY(dirent_add(t, parent->id, m->name, inode->id, S_ISDIR(inode->mode)));
    else
        TRY(object_orphan(t, inode->id));
    for (size_t i = 0; i < m->what->xattr_count; i++) {
        const struct hf_xattr *x = &m->what->xattrs[i];
        if (x->length > HF_XATTR_SIZE_MAX)
            return STATUS_EA_TOO_LARGE;
        TRY(xattr_set(t, inode->id, (struct str){x->name, (u32)strlen(x->name)}, x->value, (u32)x->length));
    }
    return m->name.len ? inode_put(t, parent) : STATUS_SUCCESS;
}

// parent.lock is held exclusive.
static nt_status make(struct making *m)
{
    struct txn *t;
    TRY(node_check_parent(m->parent));
    m->inode = make_inode(m);
    struct inode parent = m->parent->inode;
    inode_touch(&parent, TIME_WRITTEN | TIME_CHANGED, m->inode.created);
    TRY(txn_begin(m->vcb->store, TXN_NORMAL, &t));
    TRY(txn_end(t, write_node(m, t, &parent)));
    if (!m->name.len)
        return STATUS_SUCCESS;
    m->parent->inode = parent;
    m->parent->dirty = false;
    return STATUS_SUCCESS;
}

static nt_status create(struct vcb *vcb, struct irp *irp, const u8 *reparse, u32 reparse_length)
{
    const struct irp_node *n = irp->p.node;
    struct making m = {
        .vcb = vcb, .name = n->name, .what = n->what, .reparse = reparse, .reparse_length = reparse_length};
    SCOPE_FCB_PUT struct fcb *parent = NULL;
    if (irp_is_done(irp)) {
        TRY(node_inode(vcb, irp->done.object, &m.inode));
        return node_attr(vcb, &m.inode, n->attr);
    }
    TRY(fcb_get(vcb, n->id, &parent));
    m.parent = parent;
    {
        SCOPE_FCB(parent);
        TRY(make(&m));
    }
    irp_note(irp, vcb);
    irp->done.object = m.inode.id;
    return node_attr(vcb, &m.inode, n->attr);
}

nt_status node_create_unnamed(struct vcb *vcb, u64 directory, const struct hf_node_new *what,
                              struct fcb **out)
{
    struct making m = {.vcb = vcb, .what = what};
    SCOPE_FCB_PUT struct fcb *parent = NULL;
    *out = NULL;
    if (!S_ISREG(what->mode))
        return STATUS_INVALID_PARAMETER;
    TRY(fcb_get(vcb, directory, &parent));
    m.parent = parent;
    {
        SCOPE_FCB(parent);
        TRY(make(&m));
    }
    nt_status status = fcb_get(vcb, m.inode.id, out);
    if (status != STATUS_SUCCESS) // it waits for the next open of the volume
        (void)object_reap(vcb->store, m.inode.id);
    return status;
}

// Apart, because of its buffer.
static __attribute__((noinline)) nt_status create_special(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    u8 reparse[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    u32 length;
    TRY(node_reparse_make(n->what->mode & S_IFMT, n->what->target, reparse, &length));
    return create(vcb, irp, reparse, length);
}

nt_status node_create(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    TRY(node_check_name(n->name));
    if (S_ISREG(n->what->mode) || S_ISDIR(n->what->mode))
        return create(vcb, irp, NULL, 0);
    return create_special(vcb, irp);
}
