// SPDX-License-Identifier: Apache-2.0
// Byte-range locks of a stream, with Windows' rules: an exclusive lock bears no other lock on its bytes, not
// even one of its owner; a shared lock keeps everybody from writing, its owner too. Whoever waits for a lock
// holds neither vcb.lock nor scb.mutex, so that it stops nobody else.
#include <time.h>

#include "fs/request.h"

static bool overlaps(const struct byte_lock *l, u64 offset, u64 length)
{
    return length && l->length && offset <= l->offset + (l->length - 1) && l->offset <= offset + (length - 1);
}

nt_status lock_check_held(const struct scb *scb, const struct file_object *owner, u64 offset, u64 length,
                          bool write)
{
    for (const struct byte_lock *l = scb->locks; l; l = l->next) {
        bool own = l->owner == owner;
        bool in_the_way = write ? !(l->exclusive && own) : l->exclusive && !own;
        if (in_the_way && overlaps(l, offset, length))
            return STATUS_FILE_LOCK_CONFLICT;
    }
    return STATUS_SUCCESS;
}

nt_status lock_check(struct scb *scb, const struct file_object *owner, u64 offset, u64 length, bool write)
{
    // Most streams have no locks; their readers and writers need not meet at the mutex.
    if (!__atomic_load_n(&scb->locks, __ATOMIC_ACQUIRE))
        return STATUS_SUCCESS;
    SCOPE_LOCK(&scb->mutex);
    return lock_check_held(scb, owner, offset, length, write);
}

static void set_head(struct scb *scb, struct byte_lock *head)
{
    __atomic_store_n(&scb->locks, head, __ATOMIC_RELEASE);
}

// Take the lock out of the list: the one that ends exactly the lock described by the IRP, or, with all, every
// one of the owner. False when there was none.
static bool remove_locks(struct scb *scb, const struct file_object *owner, const struct irp *exact)
{
    struct byte_lock *kept = NULL, **tail = &kept, *next;
    bool found = false;
    for (struct byte_lock *l = scb->locks; l; l = next) {
        next = l->next;
        bool hit = l->owner == owner;
        if (exact)
            hit = hit && !found && l->offset == exact->p.lock.offset && l->length == exact->p.lock.length &&
                  l->key == exact->p.lock.key;
        if (hit) {
            found = true;
            free(l);
        } else {
            *tail = l;
            tail = &l->next;
        }
    }
    *tail = NULL;
    set_head(scb, kept);
    if (found)
        pthread_cond_broadcast(&scb->unlocked);
    return found;
}

void lock_release_all(struct scb *scb, const struct file_object *owner)
{
    SCOPE_LOCK(&scb->mutex);
    remove_locks(scb, owner, NULL);
}

// Add the lock if nothing is in its way; takes over *lock on success. scb.mutex is held.
static nt_status grant(struct scb *scb, struct byte_lock **lock)
{
    struct byte_lock *wanted = *lock;
    for (const struct byte_lock *l = scb->locks; l; l = l->next)
        if ((wanted->exclusive || l->exclusive) && overlaps(l, wanted->offset, wanted->length))
            return STATUS_LOCK_NOT_GRANTED;
    wanted->next = scb->locks;
    set_head(scb, wanted);
    *lock = NULL;
    return STATUS_SUCCESS;
}

// Until some lock goes away or a short time has passed, which is how soon a cancelled request notices.
static void wait_for_unlock(struct scb *scb)
{
    enum { POLL_NS = 20 * 1000 * 1000, SECOND_NS = 1000 * 1000 * 1000 };
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_NS;
    if (until.tv_nsec >= SECOND_NS) {
        until.tv_nsec -= SECOND_NS;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&scb->unlocked, &scb->mutex, &until);
}

// Try once; when the lock is taken and the caller wants to wait, sleep without vcb.lock. RETRY: slept, try
// again.
static nt_status try_or_wait(struct vcb *vcb, struct irp *irp, struct scb *scb, struct byte_lock **lock)
{
    {
        SCOPE_LOCK(&scb->mutex);
        nt_status status = grant(scb, lock);
        if (status == STATUS_SUCCESS || irp->p.lock.fail_immediately)
            return status;
        fs_leave(vcb);
        wait_for_unlock(scb);
    }
    nt_status status = fs_enter(vcb, irp);
    if (status != STATUS_SUCCESS) {
        hold_read(&vcb->lock); // our caller drops what it took
        return status;
    }
    return irp->cancel && *irp->cancel ? STATUS_CANCELLED : STATUS_RETRY;
}

static nt_status lock(struct vcb *vcb, struct irp *irp, struct scb *scb)
{
    u64 offset = irp->p.lock.offset, length = irp->p.lock.length, last;
    if (length && add_overflows(offset, length - 1, &last))
        return STATUS_INVALID_LOCK_RANGE;
    SCOPE_FREE struct byte_lock *wanted = malloc(sizeof *wanted);
    if (!wanted)
        return STATUS_INSUFFICIENT_RESOURCES;
    *wanted = (struct byte_lock){.offset = offset,
                                 .length = length,
                                 .key = irp->p.lock.key,
                                 .exclusive = irp->p.lock.exclusive,
                                 .owner = irp->file};
    nt_status status;
    do {
        status = try_or_wait(vcb, irp, scb, &wanted);
    } while (status == STATUS_RETRY);
    return status;
}

nt_status fs_lock_control(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    if (!ccb->scb || ccb_is_directory(ccb))
        return STATUS_INVALID_PARAMETER;
    struct scb *scb = ccb->scb;
    if (irp->minor == IRP_MN_UNLOCK_ALL) {
        lock_release_all(scb, irp->file);
        return STATUS_SUCCESS;
    }
    if (irp->minor == IRP_MN_UNLOCK) {
        SCOPE_LOCK(&scb->mutex);
        return remove_locks(scb, irp->file, irp) ? STATUS_SUCCESS : STATUS_RANGE_NOT_LOCKED;
    }
    if (irp->minor != IRP_MN_LOCK)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (!(irp->file->access & (FILE_READ_DATA | FILE_WRITE_DATA)))
        return STATUS_ACCESS_DENIED;
    return lock(vcb, irp, scb);
}
