// SPDX-License-Identifier: Apache-2.0
// Names for POSIX callers: link, unlink, rename. What a name led to stays for those who have it open. Only a
// handle of the Windows door that does not share deletion stands in the way.
//
// Locks as in fs.h; of the objects themselves a directory comes before a file, then the lower id.
#include "fs/node.h"

static bool same_name(const struct dirent *entry, struct str name)
{
    return entry->name_len == name.len && memcmp(entry->name, name.p, name.len) == 0;
}

// --- link ----------------------------------------------------------------------------------------

static nt_status write_link(struct vcb *vcb, struct fcb *parent, struct str name, struct fcb *fcb)
{
    struct inode inode = fcb->inode;
    u64 now = time_now();
    struct txn *t;
    inode_touch(&inode, TIME_CHANGED, now);
    inode.links++;
    TRY(txn_begin(vcb->store, TXN_NORMAL, &t));
    nt_status status = dirent_add(t, parent->id, name, fcb->id, false);
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &inode);
    if (status == STATUS_SUCCESS)
        status = dir_put(t, parent, now);
    if (status == STATUS_SUCCESS && fcb->unnamed)
        status = object_adopt(t, fcb->id);
    TRY(txn_end(t, status));
    fcb->inode = inode;
    fcb->deleted = fcb->unnamed = false;
    dir_touch(parent, now);
    return STATUS_SUCCESS;
}

// Both locks are held exclusive.
static nt_status check_link(const struct fcb *parent, const struct fcb *fcb)
{
    TRY(node_check_parent(parent));
    // Without handles it is going already.
    if (fcb->inode.links == 0 && (!fcb->unnamed || fcb->handles == 0))
        return STATUS_FILE_INVALID;
    if (fcb->delete_pending)
        return STATUS_DELETE_PENDING;
    return fcb->inode.links >= FILE_LINKS_MOST ? STATUS_TOO_MANY_LINKS : STATUS_SUCCESS;
}

nt_status node_link(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    SCOPE_FCB_PUT struct fcb *parent = NULL;
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    TRY(node_check_name(n->name));
    TRY(fcb_get(vcb, n->id, &fcb));
    if (fcb_is_directory(fcb))
        return STATUS_NOT_SUPPORTED;
    TRY(fcb_get(vcb, n->to, &parent));
    if (!fcb_is_directory(parent))
        return STATUS_NOT_A_DIRECTORY;
    SCOPE_FCB(parent);
    SCOPE_FCB(fcb);
    if (!irp_is_done(irp)) {
        TRY(check_link(parent, fcb));
        TRY(write_link(vcb, parent, n->name, fcb));
        irp_note(irp, vcb);
    }
    return node_fcb_attr(fcb, n->attr);
}

// --- unlink --------------------------------------------------------------------------------------

static nt_status check_kind(struct vcb *vcb, const struct fcb *fcb, bool as_directory)
{
    bool directory;
    TRY(node_is_directory(vcb, &fcb->inode, &directory));
    if (directory != as_directory)
        return directory ? STATUS_FILE_IS_A_DIRECTORY : STATUS_NOT_A_DIRECTORY;
    return fcb_is_directory(fcb) ? dir_check_empty(vcb, fcb->id) : STATUS_SUCCESS;
}

// The Windows door was about to remove this name when the last handle closes: that is done.
static void forget_deletion(struct fcb *fcb, u64 parent, const struct dirent *entry)
{
    if (fcb->delete_pending && fcb->doomed->parent == parent &&
        same_name(entry, (struct str){fcb->doomed->name, fcb->doomed->name_len}))
        fcb->delete_pending = false;
}

// parent.lock is held exclusive. *out: what had the name, with a reference, also when it stays.
static nt_status unlink_name(struct vcb *vcb, struct fcb *parent, const struct irp_node *n, struct fcb **out,
                             bool *gone)
{
    struct dirent entry;
    TRY(dirent_find(vcb->store, parent->id, n->name, &entry));
    TRY(fcb_get(vcb, entry.id, out));
    struct fcb *fcb = *out;
    SCOPE_FCB(fcb);
    TRY(check_kind(vcb, fcb, n->flags));
    TRY(share_check_delete(fcb));
    TRY(file_unlink(vcb, parent, (struct str){entry.name, entry.name_len}, fcb));
    forget_deletion(fcb, parent->id, &entry);
    *gone = fcb_is_free(fcb);
    return STATUS_SUCCESS;
}

nt_status node_unlink(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    SCOPE_FCB_PUT struct fcb *parent = NULL;
    SCOPE_FCB_PUT struct fcb *fcb = NULL;
    bool gone = false;
    TRY(node_check_name(n->name));
    TRY(fcb_get(vcb, n->id, &parent));
    if (!fcb_is_directory(parent))
        return STATUS_NOT_A_DIRECTORY;
    {
        SCOPE_FCB(parent);
        TRY(unlink_name(vcb, parent, n, &fcb, &gone));
    }
    if (gone)
        fcb_reap(fcb);
    return STATUS_SUCCESS;
}

// --- rename --------------------------------------------------------------------------------------

struct move {
    struct vcb *vcb;
    struct fcb *from, *to;        // directories
    struct dirent source, target; // their entries; target.id 0: there is none
    struct str name;              // the new one
    bool exchange;
    struct fcb *fcb, *victim; // what moves; what is replaced, or moves the other way. NULL: nothing
};

static struct str entry_name(const struct dirent *entry)
{
    return (struct str){entry->name, entry->name_len};
}

// victim: copies of the inodes, to be taken over afterwards.
static nt_status write_names(const struct move *m, struct txn *t, struct inode *inode, struct inode *victim,
                             u64 now)
{
    if (m->victim && m->exchange) {
        TRY(dirent_remove(t, m->to->id, entry_name(&m->target)));
        TRY(dirent_remove(t, m->from->id, entry_name(&m->source)));
        TRY(dirent_add(t, m->from->id, entry_name(&m->source), victim->id, fcb_is_directory(m->victim)));
        inode_touch(victim, TIME_CHANGED, now);
        TRY(inode_put(t, victim));
    } else {
        if (m->victim)
            TRY(name_remove(t, m->to->id, entry_name(&m->target), victim));
        TRY(dirent_remove(t, m->from->id, entry_name(&m->source)));
    }
    struct str name = m->exchange ? entry_name(&m->target) : m->name;
    TRY(dirent_add(t, m->to->id, name, inode->id, fcb_is_directory(m->fcb)));
    inode_touch(inode, TIME_CHANGED, now);
    TRY(inode_put(t, inode));
    TRY(dir_put(t, m->to, now));
    return m->from != m->to ? dir_put(t, m->from, now) : STATUS_SUCCESS;
}

static nt_status commit_names(struct move *m)
{
    struct inode inode = m->fcb->inode, victim = {.links = 0};
    u64 now = time_now();
    struct txn *t;
    if (m->victim)
        victim = m->victim->inode;
    TRY(txn_begin(m->vcb->store, TXN_NORMAL, &t));
    TRY(txn_end(t, write_names(m, t, &inode, &victim, now)));
    m->fcb->inode = inode;
    dir_touch(m->to, now);
    dir_touch(m->from, now);
    if (!m->victim)
        return STATUS_SUCCESS;
    m->victim->inode = victim;
    m->victim->deleted = victim.links == 0;
    if (!m->exchange)
        forget_deletion(m->victim, m->to->id, &m->target);
    return STATUS_SUCCESS;
}

// Find both entries. *done: there is nothing to do.
static nt_status look(struct move *m, struct str old, u32 flags, bool *done)
{
    struct store *store = m->vcb->store;
    TRY(dirent_find(store, m->from->id, old, &m->source));
    nt_status status = dirent_find(store, m->to->id, m->name, &m->target);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
        return m->exchange ? status : STATUS_SUCCESS;
    TRY(status);
    bool same_entry =
        m->source.id == m->target.id && m->from == m->to && same_name(&m->source, entry_name(&m->target));
    // On a volume that folds case an entry may get its own name in another spelling.
    bool respelled = same_entry && !same_name(&m->target, m->name);
    if (flags & HF_RENAME_NOREPLACE && !respelled)
        return STATUS_OBJECT_NAME_COLLISION;
    *done = m->source.id == m->target.id && (!respelled || m->exchange);
    if (respelled)
        m->target.id = 0;
    return STATUS_SUCCESS;
}

// Nothing goes below itself, and nothing with names in it is replaced, so that no directory that is locked
// comes after one of those in from and to. With the directories locked, before the objects are.
static nt_status check_tree(const struct move *m)
{
    bool inside = false;
    if (m->source.directory && m->from != m->to)
        TRY(dir_is_at_or_above(m->vcb, m->source.id, m->to->id, &inside));
    if (!inside && m->exchange && m->target.directory && m->from != m->to)
        TRY(dir_is_at_or_above(m->vcb, m->target.id, m->from->id, &inside));
    return inside ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

static nt_status check_replaced(const struct move *m)
{
    struct inode source, target;
    bool from_directory, to_directory;
    TRY(inode_get(m->vcb->store, m->source.id, &source));
    TRY(inode_get(m->vcb->store, m->target.id, &target));
    TRY(node_is_directory(m->vcb, &source, &from_directory));
    TRY(node_is_directory(m->vcb, &target, &to_directory));
    if (from_directory != to_directory)
        return to_directory ? STATUS_FILE_IS_A_DIRECTORY : STATUS_NOT_A_DIRECTORY;
    return m->target.directory ? dir_check_empty(m->vcb, m->target.id) : STATUS_SUCCESS;
}

static void lock_objects(struct move *m)
{
    struct fcb *first = m->fcb, *second = m->victim;
    if (second && (first->directory != second->directory ? second->directory : second->id < first->id)) {
        first = m->victim;
        second = m->fcb;
    }
    fcb_lock(first);
    if (second)
        fcb_lock(second);
}

static void unlock_objects(struct move *m)
{
    pthread_rwlock_unlock(&m->fcb->lock);
    if (m->victim)
        pthread_rwlock_unlock(&m->victim->lock);
}

// With everything locked.
static nt_status check_objects(struct move *m)
{
    if (m->fcb->delete_pending || (m->exchange && m->victim->delete_pending))
        return STATUS_DELETE_PENDING;
    TRY(share_check_delete(m->fcb));
    if (!m->victim)
        return STATUS_SUCCESS;
    TRY(share_check_delete(m->victim));
    return !m->exchange && fcb_is_directory(m->victim) ? dir_check_empty(m->vcb, m->victim->id)
                                                       : STATUS_SUCCESS;
}

// With the directories locked.
static nt_status move(struct move *m, struct str old, u32 flags, bool *gone)
{
    bool done = false;
    TRY(node_check_parent(m->to));
    TRY(look(m, old, flags, &done));
    if (done)
        return STATUS_SUCCESS;
    TRY(check_tree(m));
    if (m->target.id && !m->exchange)
        TRY(check_replaced(m));
    TRY(fcb_get(m->vcb, m->source.id, &m->fcb));
    if (m->target.id)
        TRY(fcb_get(m->vcb, m->target.id, &m->victim));
    lock_objects(m);
    nt_status status = check_objects(m);
    if (status == STATUS_SUCCESS)
        status = commit_names(m);
    *gone = status == STATUS_SUCCESS && m->victim && fcb_is_free(m->victim);
    unlock_objects(m);
    return status;
}

// vcb.rename is held.
static nt_status run(struct move *m, const struct irp_node *n, bool *gone)
{
    TRY(fcb_get(m->vcb, n->id, &m->from));
    TRY(fcb_get(m->vcb, n->to, &m->to));
    if (!fcb_is_directory(m->from) || !fcb_is_directory(m->to))
        return STATUS_NOT_A_DIRECTORY;
    TRY(dirs_lock(m->vcb, m->from, m->to));
    nt_status status = move(m, n->name, n->flags, gone);
    dirs_unlock(m->from, m->to);
    return status;
}

nt_status node_rename(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    struct move m = {.vcb = vcb, .name = n->to_name, .exchange = n->flags & HF_RENAME_EXCHANGE};
    nt_status status;
    bool gone = false;
    if (n->flags & ~(u32)(HF_RENAME_NOREPLACE | HF_RENAME_EXCHANGE) ||
        n->flags == (HF_RENAME_NOREPLACE | HF_RENAME_EXCHANGE))
        return STATUS_INVALID_PARAMETER;
    TRY(node_check_name(n->name));
    TRY(node_check_name(n->to_name));
    {
        SCOPE_LOCK(&vcb->rename);
        status = run(&m, n, &gone);
    }
    if (gone)
        fcb_reap(m.victim);
    struct fcb *all[] = {m.from, m.to, m.fcb, m.victim};
    for (u32 i = 0; i < ARRAY_LEN(all); i++)
        if (all[i])
            fcb_put(all[i]);
    return status;
}
