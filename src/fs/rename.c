// SPDX-License-Identifier: Apache-2.0
// Names that change: rename, hard link, unlink. vcb.rename is held for the whole of a rename or link, so the
// tree of directories stands still while it is looked at; then the directories are locked, an ancestor first,
// and then the files. Each change is one transaction, the file that is replaced included.
#include "fs/request.h"

enum { DEPTH_MOST = 65536 };

struct rename {
    struct vcb *vcb;
    struct ccb *ccb;
    struct fcb *fcb;       // what gets the name
    struct fcb *from, *to; // directories; from is NULL for a link
    struct dirent old;     // its name in from
    struct str name;       // its new name in to
    u32 flags;
    struct fcb *victim; // what has that name now; NULL: nothing, or the file itself
    struct dirent victim_entry;
    bool same_entry;    // the new name finds the old one: only its case changes
    bool drop_old_only; // the new name is another link of the same file
    bool gone;          // the victim has neither names nor handles any more
};

// --- the tree of directories ---------------------------------------------------------------------

nt_status dir_is_at_or_above(struct vcb *vcb, u64 above, u64 id, bool *yes)
{
    *yes = false;
    for (u32 depth = 0; depth < DEPTH_MOST; depth++) {
        struct link_position position = {0};
        struct dirent name;
        u64 parent;
        if (id == above) {
            *yes = true;
            return STATUS_SUCCESS;
        }
        if (id == OBJECT_ROOT)
            return STATUS_SUCCESS;
        nt_status status = link_next(vcb->store, id, &position, &parent, &name);
        if (status == STATUS_NO_MORE_FILES)
            return STATUS_SUCCESS;
        TRY(status);
        id = parent;
    }
    return STATUS_FILE_CORRUPT_ERROR;
}

// Ids of all files that somebody has open, but for this one. The caller frees *ids.
static nt_status open_files(struct vcb *vcb, const struct fcb *but, u64 **ids, size_t *count)
{
    SCOPE_LOCK(&vcb->table);
    *count = 0;
    *ids = calloc((size_t)vcb->handles + 1, sizeof **ids);
    if (!*ids)
        return STATUS_INSUFFICIENT_RESOURCES;
    for (size_t i = 0; i < FCB_BUCKETS; i++)
        for (const struct fcb *fcb = vcb->buckets[i]; fcb; fcb = fcb->next)
            if (fcb != but && fcb->streams && *count < vcb->handles)
                (*ids)[(*count)++] = fcb->id;
    return STATUS_SUCCESS;
}

// A directory does not move while something below it is open.
static nt_status check_nothing_open_below(struct vcb *vcb, const struct fcb *directory)
{
    size_t count;
    SCOPE_FREE u64 *ids = NULL;
    TRY(open_files(vcb, directory, &ids, &count));
    for (size_t i = 0; i < count; i++) {
        bool below;
        TRY(dir_is_at_or_above(vcb, directory->id, ids[i], &below));
        if (below)
            return STATUS_ACCESS_DENIED;
    }
    return STATUS_SUCCESS;
}

nt_status dirs_lock(struct vcb *vcb, struct fcb *from, struct fcb *to)
{
    struct fcb *first = to, *second = from == to ? NULL : from;
    if (second) {
        bool above, below;
        TRY(dir_is_at_or_above(vcb, second->id, first->id, &above));
        TRY(dir_is_at_or_above(vcb, first->id, second->id, &below));
        if (above || (!below && second->id < first->id)) {
            first = from;
            second = to;
        }
    }
    fcb_lock(first);
    if (second)
        fcb_lock(second);
    return STATUS_SUCCESS;
}

void dirs_unlock(struct fcb *from, struct fcb *to)
{
    pthread_rwlock_unlock(&to->lock);
    if (from && from != to)
        pthread_rwlock_unlock(&from->lock);
}

static void lock_files(struct rename *r)
{
    struct fcb *first = r->fcb, *second = r->victim;
    if (second && second->id < first->id) {
        first = r->victim;
        second = r->fcb;
    }
    fcb_lock(first);
    if (second)
        fcb_lock(second);
}

static void unlock_files(struct rename *r)
{
    pthread_rwlock_unlock(&r->fcb->lock);
    if (r->victim)
        pthread_rwlock_unlock(&r->victim->lock);
}

// --- changes inside a transaction ----------------------------------------------------------------

nt_status name_remove(struct txn *t, u64 directory, struct str name, struct inode *inode)
{
    TRY(dirent_remove(t, directory, name));
    inode_touch(inode, TIME_CHANGED, time_now());
    inode->links -= inode->links > 0;
    TRY(inode_put(t, inode));
    return inode->links ? STATUS_SUCCESS : object_orphan(t, inode->id);
}

nt_status dir_put(struct txn *t, const struct fcb *directory, u64 now)
{
    struct inode inode = directory->inode;
    inode_touch(&inode, TIME_WRITTEN | TIME_CHANGED, now);
    return inode_put(t, &inode);
}

nt_status dir_check_empty(struct vcb *vcb, u64 directory)
{
    bool empty;
    TRY(dirent_is_empty(vcb->store, directory, &empty));
    return empty ? STATUS_SUCCESS : STATUS_DIRECTORY_NOT_EMPTY;
}

void dir_touch(struct fcb *directory, u64 now)
{
    inode_touch(&directory->inode, TIME_WRITTEN | TIME_CHANGED, now);
}

void fcb_reap(struct fcb *fcb)
{
    fcb_close_streams(fcb);
    nt_status status = object_reap(fcb->vcb->store, fcb->id);
    (void)status;
}

nt_status file_unlink(struct vcb *vcb, struct fcb *parent, struct str name, struct fcb *fcb)
{
    struct inode inode = fcb->inode;
    struct txn *t;
    u64 now = time_now();
    TRY(txn_begin(vcb->store, TXN_FREEING, &t));
    nt_status status = name_remove(t, parent->id, name, &inode);
    if (status == STATUS_SUCCESS)
        status = dir_put(t, parent, now);
    TRY(txn_end(t, status));
    fcb->inode = inode;
    fcb->deleted = inode.links == 0;
    dir_touch(parent, now);
    return STATUS_SUCCESS;
}

static nt_status change_names(struct rename *r, struct txn *t, struct inode *inode, struct inode *victim,
                              u64 now)
{
    bool directory = fcb_is_directory(r->fcb);
    struct str old = {r->old.name, r->old.name_len};
    inode_touch(inode, TIME_CHANGED, now);
    if (r->victim)
        TRY(name_remove(t, r->to->id, (struct str){r->victim_entry.name, r->victim_entry.name_len}, victim));
    if (r->from)
        TRY(dirent_remove(t, r->from->id, old));
    if (r->drop_old_only)
        inode->links--;
    else
        TRY(dirent_add(t, r->to->id, r->name, r->fcb->id, directory));
    if (!r->from)
        inode->links++;
    TRY(inode_put(t, inode));
    TRY(dir_put(t, r->to, now));
    return r->from && r->from != r->to ? dir_put(t, r->from, now) : STATUS_SUCCESS;
}

static nt_status commit_names(struct rename *r)
{
    struct inode inode = r->fcb->inode, victim = {0};
    struct txn *t;
    u64 now = time_now();
    if (r->victim)
        victim = r->victim->inode;
    TRY(txn_begin(r->vcb->store, TXN_NORMAL, &t));
    TRY(txn_end(t, change_names(r, t, &inode, &victim, now)));
    r->fcb->inode = inode;
    dir_touch(r->to, now);
    if (r->from)
        dir_touch(r->from, now);
    if (r->victim) {
        r->victim->inode = victim;
        r->victim->deleted = victim.links == 0;
    }
    if (r->from) {
        r->ccb->parent = r->to->id;
        r->ccb->name_len = r->name.len;
        memcpy(r->ccb->name, r->name.p, r->name.len);
    }
    return STATUS_SUCCESS;
}

// --- rules ---------------------------------------------------------------------------------------

static bool replaces(const struct rename *r)
{
    return r->flags & FILE_RENAME_REPLACE_IF_EXISTS;
}
static bool is_posix(const struct rename *r)
{
    return r->flags & FILE_RENAME_POSIX_SEMANTICS;
}

// What stands at the new name, and may it be replaced? Fills victim. r->to is locked.
static nt_status look_at_target(struct rename *r)
{
    struct dirent *entry = &r->victim_entry;
    nt_status status = dirent_find(r->vcb->store, r->to->id, r->name, entry);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
        return STATUS_SUCCESS;
    TRY(status);
    if (entry->id == r->fcb->id) {
        r->same_entry = r->from == r->to && entry->name_len == r->old.name_len &&
                        memcmp(entry->name, r->old.name, entry->name_len) == 0;
        r->drop_old_only = r->from && !r->same_entry;
        return r->same_entry || replaces(r) ? STATUS_SUCCESS : STATUS_OBJECT_NAME_COLLISION;
    }
    if (!replaces(r))
        return STATUS_OBJECT_NAME_COLLISION;
    // As POSIX has it an empty directory makes room for another one. Whether it is empty is known before it
    // is locked: a directory above one of those that are locked must not be.
    if (entry->directory != fcb_is_directory(r->fcb) || (entry->directory && !is_posix(r)))
        return STATUS_ACCESS_DENIED;
    if (entry->directory)
        TRY(dir_check_empty(r->vcb, entry->id));
    return fcb_get(r->vcb, entry->id, &r->victim);
}

static nt_status check_victim(const struct rename *r)
{
    struct fcb *victim = r->victim;
    if (victim->inode.attributes & FILE_ATTRIBUTE_READONLY &&
        !(r->flags & FILE_RENAME_IGNORE_READONLY_ATTRIBUTE))
        return STATUS_ACCESS_DENIED;
    if (victim->delete_pending)
        return STATUS_DELETE_PENDING;
    if (!is_posix(r))
        return victim->handles ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
    TRY(share_check_delete(victim));
    return fcb_is_directory(victim) ? dir_check_empty(r->vcb, victim->id) : STATUS_SUCCESS;
}

// With the directories locked.
static nt_status put_in_place(struct rename *r)
{
    if (r->to->deleted || r->to->delete_pending)
        return STATUS_DELETE_PENDING;
    TRY(look_at_target(r));
    struct str old = {r->old.name, r->old.name_len};
    bool no_change = r->from
                         ? r->same_entry && old.len == r->name.len && memcmp(old.p, r->name.p, old.len) == 0
                         : r->victim_entry.id == r->fcb->id && r->victim_entry.name_len;
    if (no_change)
        return STATUS_SUCCESS;
    lock_files(r);
    nt_status status = r->fcb->deleted || r->fcb->delete_pending ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
    if (status == STATUS_SUCCESS && r->victim)
        status = check_victim(r);
    if (status == STATUS_SUCCESS && !r->from && r->fcb->inode.links >= FILE_LINKS_MOST && !r->victim)
        status = STATUS_TOO_MANY_LINKS;
    if (status == STATUS_SUCCESS)
        status = commit_names(r);
    r->gone = r->victim && fcb_is_free(r->victim);
    unlock_files(r);
    return status;
}

static nt_status check_directory_move(struct rename *r)
{
    bool inside;
    if (r->fcb->id == OBJECT_ROOT)
        return STATUS_INVALID_PARAMETER;
    TRY(dir_is_at_or_above(r->vcb, r->fcb->id, r->to->id, &inside));
    return inside ? STATUS_INVALID_PARAMETER : check_nothing_open_below(r->vcb, r->fcb);
}

// The directory that gets the name; without a target the one where the file is. One more reference.
static nt_status find_target(struct rename *r, struct irp *irp, u64 present)
{
    struct file_object *target = irp->p.set.target;
    if (!target)
        return fcb_get(r->vcb, present, &r->to);
    if (target->device != irp->file->device)
        return STATUS_NOT_SAME_DEVICE;
    const struct ccb *ccb = target->context;
    if (!ccb || !ccb->scb)
        return STATUS_INVALID_PARAMETER;
    TRY(fcb_verify(ccb->scb->fcb));
    if (!ccb_is_directory(ccb))
        return STATUS_NOT_A_DIRECTORY;
    return fcb_get(r->vcb, ccb->scb->fcb->id, &r->to);
}

// vcb.rename is held.
static nt_status run(struct rename *r, struct irp *irp, bool link)
{
    u64 present;
    TRY(ccb_name(r->vcb, r->ccb, &present, &r->old));
    TRY(find_target(r, irp, present));
    if (!link)
        TRY(fcb_get(r->vcb, present, &r->from));
    if (!link && fcb_is_directory(r->fcb))
        TRY(check_directory_move(r));
    TRY(dirs_lock(r->vcb, r->from, r->to));
    nt_status status = put_in_place(r);
    dirs_unlock(r->from, r->to);
    if (status == STATUS_SUCCESS && r->gone)
        fcb_reap(r->victim);
    return status;
}

static nt_status change(struct vcb *vcb, struct irp *irp, bool link)
{
    struct ccb *ccb = irp_ccb(irp);
    if (irp->p.set.flags & ~FILE_RENAME_KNOWN_FLAGS)
        return STATUS_NOT_SUPPORTED;
    TRY(name_check(irp->p.set.name, irp->p.set.separator));
    struct rename r = {
        .vcb = vcb, .ccb = ccb, .fcb = ccb->scb->fcb, .name = irp->p.set.name, .flags = irp->p.set.flags};
    nt_status status;
    {
        SCOPE_LOCK(&vcb->rename);
        status = run(&r, irp, link);
    }
    if (r.victim)
        fcb_put(r.victim);
    if (r.from)
        fcb_put(r.from);
    if (r.to)
        fcb_put(r.to);
    return status;
}

nt_status file_rename(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    if (!ccb->scb || ccb->scb->name_len || ccb->scb->fcb->id == OBJECT_ROOT)
        return STATUS_INVALID_PARAMETER;
    return change(vcb, irp, false);
}

nt_status file_link(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    if (!ccb->scb || ccb->scb->name_len)
        return STATUS_INVALID_PARAMETER;
    if (fcb_is_directory(ccb->scb->fcb))
        return STATUS_FILE_IS_A_DIRECTORY;
    return change(vcb, irp, true);
}
