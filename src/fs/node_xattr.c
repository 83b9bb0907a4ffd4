// SPDX-License-Identifier: Apache-2.0
// Extended attributes by a file's number. Setting and removing one changes the file's change time in the same
// transaction.
#include "fs/node.h"

_Static_assert((int)XATTR_NAME_MAX == (int)HF_XATTR_NAME_MAX &&
                   (int)XATTR_VALUE_MAX == (int)HF_XATTR_SIZE_MAX,
               "the public limits are the engine's");

// fcb.lock is held.
static nt_status find(struct vcb *vcb, const struct irp_node *n, u32 *length)
{
    u32 room = (u32)MIN(n->length, (size_t)XATTR_VALUE_MAX);
    return xattr_get(vcb->store, n->id, n->name, n->out, room, length);
}

nt_status node_xattr_get(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    u32 length = 0;
    TRY(fcb_get(vcb, n->id, &fcb));
    SCOPE_READ(&fcb->lock);
    TRY(node_check_alive(fcb));
    TRY(find(vcb, n, &length));
    irp->information = length;
    return STATUS_SUCCESS;
}

// Bytes of the list of names, which must not get longer than a caller can be given.
static nt_status list_length(struct vcb *vcb, u64 id, size_t *length)
{
    struct xattr_position position = {.name_len = 0};
    nt_status status;
    u32 size;
    *length = 0;
    while ((status = xattr_next(vcb->store, id, &position, &size)) == STATUS_SUCCESS)
        *length += position.name_len + 1;
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

static nt_status check_set(struct vcb *vcb, const struct irp_node *n)
{
    u32 length;
    size_t all;
    nt_status status = xattr_get(vcb->store, n->id, n->name, NULL, 0, &length);
    if (status == STATUS_SUCCESS)
        return n->flags & HF_XATTR_CREATE ? STATUS_OBJECT_NAME_COLLISION : STATUS_SUCCESS;
    if (status != STATUS_NONEXISTENT_EA_ENTRY || n->flags & HF_XATTR_REPLACE)
        return status;
    TRY(list_length(vcb, n->id, &all));
    return all + n->name.len + 1 > HF_XATTR_LIST_MAX ? STATUS_EA_TOO_LARGE : STATUS_SUCCESS;
}

// set: or remove. fcb.lock is held exclusive.
static nt_status change(struct vcb *vcb, struct fcb *fcb, const struct irp_node *n, bool set)
{
    struct inode inode = fcb->inode;
    struct txn *t;
    inode_touch(&inode, TIME_CHANGED, time_now());
    TRY(txn_begin(vcb->store, set ? TXN_NORMAL : TXN_FREEING, &t));
    nt_status status =
        set ? xattr_set(t, n->id, n->name, n->in, (u32)n->length) : xattr_remove(t, n->id, n->name);
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &inode);
    TRY(txn_end(t, status));
    fcb->inode = inode;
    fcb->dirty = false;
    return STATUS_SUCCESS;
}

nt_status node_xattr_set(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    if (n->length > XATTR_VALUE_MAX)
        return STATUS_EA_TOO_LARGE;
    TRY(fcb_get(vcb, n->id, &fcb));
    SCOPE_FCB(fcb);
    TRY(node_check_alive(fcb));
    TRY(check_set(vcb, n));
    return change(vcb, fcb, n, true);
}

nt_status node_xattr_remove(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    TRY(fcb_get(vcb, n->id, &fcb));
    SCOPE_FCB(fcb);
    TRY(node_check_alive(fcb));
    return change(vcb, fcb, n, false);
}

// fcb.lock is held.
static nt_status list(struct vcb *vcb, const struct irp_node *n, size_t *length)
{
    struct xattr_position position = {.name_len = 0};
    char *out = n->out;
    nt_status status;
    u32 size;
    *length = 0;
    while ((status = xattr_next(vcb->store, n->id, &position, &size)) == STATUS_SUCCESS) {
        size_t at = *length;
        *length += position.name_len + 1;
        if (n->length == 0)
            continue;
        if (*length > n->length)
            return STATUS_BUFFER_TOO_SMALL;
        memcpy(out + at, position.name, position.name_len);
        out[*length - 1] = 0;
    }
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

nt_status node_xattr_list(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    size_t length;
    TRY(fcb_get(vcb, n->id, &fcb));
    SCOPE_READ(&fcb->lock);
    TRY(node_check_alive(fcb));
    TRY(list(vcb, n, &length));
    irp->information = length;
    return STATUS_SUCCESS;
}
