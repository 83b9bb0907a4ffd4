// SPDX-License-Identifier: Apache-2.0
// Byte-range locks on a file in a mount, as locks of its open file description (fcntl): the kernel keeps
// them, all who lock that way meet them, and they go with the descriptor. What Windows asks beyond that (an
// unlock names exactly what was locked, shared locks of one owner lie over one another) is in the list of the
// handle's own.
#include "handle/handle.h"

#include <errno.h>
#include <fcntl.h>

static bool overlaps(const struct range_lock *lock, u64 offset, u64 end)
{
    u64 lock_end = lock->offset + lock->length;
    return lock->offset < end && offset < lock_end;
}

// False: there is nothing that the kernel could lock.
static bool kernel_range(u64 offset, u64 length, short type, struct flock *lock)
{
    u64 end = MIN(offset + length, (u64)INT64_MAX);
    if (offset >= end)
        return false;
    *lock = (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)(end - offset)};
    return true;
}

nt_status remote_lock(struct range_locks *locks, int fd, u64 offset, u64 length, bool exclusive)
{
    u64 end;
    struct flock flock;
    if (add_overflows(offset, length, &end))
        return STATUS_INVALID_LOCK_RANGE;
    SCOPE_LOCK(&locks->mutex);
    for (const struct range_lock *l = locks->first; l; l = l->next)
        if ((exclusive || l->exclusive) && overlaps(l, offset, end))
            return STATUS_LOCK_NOT_GRANTED;
    struct range_lock *lock = malloc(sizeof *lock);
    if (!lock)
        return STATUS_NO_MEMORY;
    if (kernel_range(offset, length, exclusive ? F_WRLCK : F_RDLCK, &flock) &&
        fcntl(fd, F_OFD_SETLK, &flock) != 0) {
        int error = errno;
        free(lock);
        if (error == EAGAIN || error == EACCES)
            return STATUS_LOCK_NOT_GRANTED;
        status_set_text("the kernel locks %s", exclusive ? "exclusively only what is open for writing"
                                                         : "only what is open for reading");
        return error == EBADF ? STATUS_ACCESS_DENIED : status_from_errno(error);
    }
    *lock =
        (struct range_lock){.next = locks->first, .offset = offset, .length = length, .exclusive = exclusive};
    locks->first = lock;
    return STATUS_SUCCESS;
}

// Where the handle's other locks, all shared, do not cover it.
static void kernel_unlock(const struct range_locks *locks, int fd, u64 offset, u64 length)
{
    u64 end = offset + length;
    while (offset < end) {
        u64 stop = end, skip = 0;
        for (const struct range_lock *l = locks->first; l; l = l->next) {
            if (!overlaps(l, offset, end))
                continue;
            if (l->offset <= offset)
                skip = MAX(skip, l->offset + l->length);
            else
                stop = MIN(stop, l->offset);
        }
        struct flock flock;
        if (skip == 0 && kernel_range(offset, stop - offset, F_UNLCK, &flock))
            (void)fcntl(fd, F_OFD_SETLK, &flock);
        offset = skip ? skip : stop;
    }
}

nt_status remote_unlock(struct range_locks *locks, int fd, u64 offset, u64 length)
{
    SCOPE_LOCK(&locks->mutex);
    struct range_lock **at = &locks->first;
    while (*at && ((*at)->offset != offset || (*at)->length != length))
        at = &(*at)->next;
    struct range_lock *lock = *at;
    if (!lock)
        return STATUS_RANGE_NOT_LOCKED;
    *at = lock->next;
    free(lock);
    kernel_unlock(locks, fd, offset, length);
    return STATUS_SUCCESS;
}

void remote_unlock_all(struct range_locks *locks, int fd)
{
    SCOPE_LOCK(&locks->mutex);
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    if (locks->first && fd >= 0)
        (void)fcntl(fd, F_OFD_SETLK, &all);
    for (struct range_lock *next; locks->first; locks->first = next) {
        next = locks->first->next;
        free(locks->first);
    }
}

nt_status remote_lock_check(struct range_locks *locks, int fd, u64 offset, u64 length, bool write)
{
    struct flock flock;
    if (!kernel_range(offset, length, write ? F_WRLCK : F_RDLCK, &flock))
        return STATUS_SUCCESS;
    if (fcntl(fd, F_OFD_GETLK, &flock) == 0 && flock.l_type != F_UNLCK)
        return STATUS_FILE_LOCK_CONFLICT;
    if (!write)
        return STATUS_SUCCESS;
    // A shared lock keeps its owner from writing too.
    u64 end = offset + length;
    SCOPE_LOCK(&locks->mutex);
    for (const struct range_lock *l = locks->first; l; l = l->next)
        if (!l->exclusive && overlaps(l, offset, end))
            return STATUS_FILE_LOCK_CONFLICT;
    return STATUS_SUCCESS;
}
