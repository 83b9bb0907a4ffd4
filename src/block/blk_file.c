// SPDX-License-Identifier: Apache-2.0
// Image files. The path is the drive, the file found behind it is the medium: for a removable one, another
// file at the path is another medium, none is an empty drive. The open descriptor keeps a medium's inode
// number from being used again, so comparing (device, inode) is enough.
#include "block/blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum { IOV_BATCH = 64, DIRECT_UNTRIED = -1, DIRECT_NONE = -2 };

struct file {
    char *path;
    blk_file_probe *probe;
    blk_file_look *look; // may be NULL
    bool exclusive;
    bool readonly;      // asked for: every medium is opened for reading only
    bool ejected;       // until LOAD
    bool prevented;     // EJECT is refused
    int fd;             // -1: no medium
    _Atomic int direct; // the same without the host's page cache; -1: not tried yet, -2: not to be had
    dev_t device;
    ino_t inode;
    struct blk_file_mark mark;
};

// What a failed system call means in SCSI terms.
static nt_status report_errno(struct sense *sense, int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return sense_report(sense, SENSE_PROTECT, 0x27, 0x07);
    case EROFS:
    case EPERM:
    case EACCES:
    case EBADF:
        return sense_report(sense, SENSE_PROTECT, 0x27, 0x00);
    case ENOMEDIUM:
        return sense_report(sense, SENSE_NOT_READY, 0x3a, 0x00);
    case ENXIO:
    case ENODEV:
        *sense = (struct sense){.transport = BLK_NO_DEVICE};
        return sense_plain_status(sense);
    case ETIMEDOUT:
        *sense = (struct sense){.transport = BLK_TIMED_OUT};
        return sense_plain_status(sense);
    default:
        return sense_report(sense, SENSE_MEDIUM, 0x11, 0x00);
    }
}

static int open_path(const struct file *f, bool *readonly)
{
    // O_NONBLOCK: a FIFO at the path must not hang us.
    int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    *readonly = f->readonly;
    if (!*readonly) {
        int fd = open(f->path, flags | O_RDWR | (f->exclusive ? O_EXCL : 0));
        if (fd >= 0 || (errno != EACCES && errno != EROFS && errno != EPERM))
            return fd;
        *readonly = true;
    }
    return open(f->path, flags | O_RDONLY);
}

// Take up the medium that is at the path now. Returns errno; EWOULDBLOCK when someone else uses it.
static int open_medium(struct blk *b)
{
    struct file *f = b->state;
    bool readonly;
    int fd = open_path(f, &readonly);
    if (fd < 0)
        return errno;
    struct stat st;
    u64 size = 0;
    int error = fstat(fd, &st) == 0 ? f->probe(fd, &st, &size, &b->sector) : errno;
    bool locked = !readonly || !blk_has(b, BLK_UNLOCKED);
    if (error == 0 && locked && flock(fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0)
        error = errno;
    if (error != 0) {
        close(fd);
        return error;
    }
    // Twice the usual readahead: what reads on and on works on one part while the medium brings the next.
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    f->fd = fd;
    f->device = st.st_dev;
    f->inode = st.st_ino;
    if (f->look)
        f->mark = f->look(fd);
    blk_set_medium(b, size, readonly);
    return 0;
}

static void close_medium(struct blk *b)
{
    struct file *f = b->state;
    if (f->fd >= 0)
        close(f->fd);
    if (f->direct >= 0)
        close(f->direct);
    f->fd = -1;
    f->direct = DIRECT_UNTRIED;
    blk_set_medium(b, 0, f->readonly);
}

nt_status blk_file_open(struct blk *b, const char *path, blk_file_probe *probe, blk_file_look *look,
                        bool exclusive)
{
    struct file *f = calloc(1, sizeof *f);
    if (!f)
        return STATUS_INSUFFICIENT_RESOURCES;
    *f = (struct file){.path = strdup(path),
                       .probe = probe,
                       .look = look,
                       .exclusive = exclusive,
                       .readonly = blk_has(b, BLK_READONLY),
                       .fd = -1,
                       .direct = DIRECT_UNTRIED};
    b->state = f;
    if (!f->path)
        return STATUS_INSUFFICIENT_RESOURCES;
    int error = open_medium(b);
    if (error == 0 || (error == ENOENT && blk_has(b, BLK_REMOVABLE)))
        return STATUS_SUCCESS;
    if (error == EWOULDBLOCK) {
        status_set_text("%s: in use", path);
        return STATUS_SHARING_VIOLATION;
    }
    status_set_text("%s: %s", path, strerror(error));
    return status_from_errno(error);
}

void blk_file_close(struct blk *b)
{
    struct file *f = b->state;
    if (!f)
        return;
    close_medium(b);
    free(f->path);
    free(f);
}

// Threads that find it untried at once: one of them wins.
static int direct_get(struct blk *b)
{
    struct file *f = b->state;
    int known = f->direct;
    if (known != DIRECT_UNTRIED)
        return known;
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", f->fd);
    int fd = open(name, (blk_has(b, BLK_READONLY) ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
    int found = fd < 0 ? DIRECT_NONE : fd;
    if (atomic_compare_exchange_strong(&f->direct, &known, found))
        return found;
    if (fd >= 0)
        close(fd);
    return known;
}

// The descriptor that passes the page cache; negative when this transfer cannot go that way.
static int direct_for(struct blk *b, const struct iovec *iov, int n, u64 offset)
{
    bool fits = n == 1 && offset % BLK_DIRECT_ALIGN == 0 && iov->iov_len % BLK_DIRECT_ALIGN == 0 &&
                (uintptr_t)iov->iov_base % BLK_DIRECT_ALIGN == 0;
    return fits ? direct_get(b) : DIRECT_NONE;
}

// The kernel may transfer less than asked; go on from there. The caller's iovec stays as it is.
static nt_status transfer(struct blk *b, const struct iovec *iov, int n, u64 offset, bool write,
                          struct sense *sense)
{
    const struct file *f = b->state;
    if (f->fd < 0)
        return sense_report(sense, SENSE_NOT_READY, 0x3a, 0);
    size_t skip = 0; // bytes of iov[0] that are done
    while (n > 0) {
        struct iovec batch[IOV_BATCH];
        int used = MIN(n, IOV_BATCH);
        memcpy(batch, iov, (size_t)used * sizeof *iov);
        batch[0].iov_base = (char *)batch[0].iov_base + skip;
        batch[0].iov_len -= skip;
        ssize_t done = write       ? pwritev(f->fd, batch, used, (off_t)offset)
                       : used == 1 ? pread(f->fd, batch->iov_base, batch->iov_len, (off_t)offset)
                                   : preadv(f->fd, batch, used, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return report_errno(sense, errno);
        offset += (u64)done;
        skip += (size_t)done;
        for (; n > 0 && skip >= iov->iov_len; iov++, n--)
            skip -= iov->iov_len;
        if (done == 0 && n > 0) // the file was cut short behind our back
            return sense_report(sense, SENSE_MEDIUM, 0x11, 0);
    }
    return STATUS_SUCCESS;
}

nt_status blk_file_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    return transfer(b, iov, n, offset, false, sense);
}

// Past the page cache, before which the kernel writes what is dirty there. Where that cannot be done the
// cache is told to forget: what is dirty stays in it, and was not written yet, so it is not on the medium to
// look at.
nt_status blk_file_preadv_fresh(struct blk *b, const struct iovec *iov, int n, u64 offset,
                                struct sense *sense)
{
    enum { FOLIO_MAX = 2 << 20 }; // the cache keeps a folio of which only a part is forgotten
    const struct file *f = b->state;
    TRY(blk_file_ready(b, sense));
    int fd = direct_for(b, iov, n, offset);
    ssize_t done = fd < 0 ? 0 : pread(fd, iov->iov_base, iov->iov_len, (off_t)offset);
    if (fd >= 0 && done == (ssize_t)iov->iov_len)
        return STATUS_SUCCESS;
    if (done < 0 && errno != EINVAL && errno != EINTR)
        return report_errno(sense, errno);
    u64 from = align_down(offset, FOLIO_MAX), end = offset;
    for (int i = 0; i < n; i++)
        end += iov[i].iov_len;
    (void)posix_fadvise(f->fd, (off_t)from, (off_t)(align_up(end, FOLIO_MAX) - from), POSIX_FADV_DONTNEED);
    return transfer(b, iov, n, offset, false, sense);
}

nt_status blk_file_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    return transfer(b, iov, n, offset, true, sense);
}

nt_status blk_file_flush(struct blk *b, struct sense *sense)
{
    const struct file *f = b->state;
    TRY(blk_file_ready(b, sense));
    return fdatasync(f->fd) == 0 ? STATUS_SUCCESS : report_errno(sense, errno);
}

nt_status blk_file_ready(struct blk *b, struct sense *sense)
{
    const struct file *f = b->state;
    return f->fd >= 0 ? STATUS_SUCCESS : sense_report(sense, SENSE_NOT_READY, 0x3a, 0);
}

bool blk_file_same(struct blk *b)
{
    const struct file *f = b->state;
    struct stat st;
    if (f->ejected)
        return true;
    bool there = stat(f->path, &st) == 0;
    if (f->fd < 0)
        return !there;
    if (!there || st.st_dev != f->device || st.st_ino != f->inode)
        return false;
    struct blk_file_mark now = f->look ? f->look(f->fd) : f->mark;
    return now.sequence == f->mark.sequence && now.size == f->mark.size;
}

nt_status blk_file_change(struct blk *b, struct sense *sense)
{
    close_medium(b);
    switch (open_medium(b)) {
    case 0:
        __atomic_fetch_add(&b->medium, 1, __ATOMIC_RELEASE);
        return sense_report(sense, SENSE_ATTENTION, 0x28, 0);
    case ENOENT:
    case ENOTDIR:
        return sense_report(sense, SENSE_NOT_READY, 0x3a, 0);
    default: // there, but someone else has it, or it is none of our kind
        return sense_report(sense, SENSE_NOT_READY, 0x04, 0x03);
    }
}

nt_status blk_file_command(struct blk *b, enum blk_command c, struct sense *sense)
{
    struct file *f = b->state;
    if ((c == BLK_EJECT || c == BLK_LOAD) && !blk_has(b, BLK_REMOVABLE))
        return sense_report(sense, SENSE_ILLEGAL, 0x20, 0);
    switch (c) {
    case BLK_PREVENT:
    case BLK_ALLOW:
        f->prevented = c == BLK_PREVENT;
        break;
    case BLK_EJECT:
        if (f->prevented)
            return sense_report(sense, SENSE_ILLEGAL, 0x53, 0x02);
        f->ejected = true;
        close_medium(b);
        break;
    case BLK_LOAD:
        f->ejected = false; // the next command finds the medium and reports it as new
        break;
    case BLK_START:
        break;
    }
    return STATUS_SUCCESS;
}

// Past the page cache, so that it is on its way together with what the cache begins to write, and the flush
// finds nothing that it would have to begin. False: written in the usual way instead.
static bool write_direct(struct blk *b, const struct iovec *iov, int n, u64 offset)
{
    const struct file *f = b->state;
    int fd = direct_for(b, iov, n, offset);
    if (fd < 0)
        return false;
    (void)sync_file_range(f->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return pwrite(fd, iov->iov_base, iov->iov_len, (off_t)offset) == (ssize_t)iov->iov_len;
}

nt_status blk_file_pwritev_flush(struct blk *b, const struct iovec *iov, int n, u64 offset,
                                 struct sense *sense)
{
    TRY(blk_file_ready(b, sense));
    if (!write_direct(b, iov, n, offset))
        TRY(transfer(b, iov, n, offset, true, sense));
    return blk_file_flush(b, sense);
}

static int probe_file(int fd, const struct stat *st, u64 *size, u32 *sector)
{
    (void)fd;
    (void)sector;
    *size = (u64)st->st_size;
    if (S_ISDIR(st->st_mode))
        return EISDIR;
    return S_ISREG(st->st_mode) ? 0 : EINVAL;
}

static nt_status open_file(struct blk *b, const char *path)
{
    return blk_file_open(b, path, probe_file, NULL, false);
}

const struct blk_ops blk_file_ops = {
    .prefix = "file",
    .open = open_file,
    .close = blk_file_close,
    .preadv = blk_file_preadv,
    .preadv_fresh = blk_file_preadv_fresh,
    .pwritev = blk_file_pwritev,
    .pwritev_flush = blk_file_pwritev_flush,
    .flush = blk_file_flush,
    .ready = blk_file_ready,
    .command = blk_file_command,
    .same = blk_file_same,
    .change = blk_file_change,
};
