// SPDX-License-Identifier: Apache-2.0
// What the kernel says and libfuse 3.14 does not know: its requests and answers pass through here (custom I/O
// of the session). Who drops set-user-id bits and capabilities is agreed upon so that the kernel need not ask
// for capabilities before each write (FUSE_HANDLE_KILLPRIV_V2); a statx, which wants the birth time, is shown
// to libfuse as the getattr that it begins like, an O_TMPFILE as the create whose message it has. libfuse
// reads and serves a request on one thread, so what it does not hand on is kept for the thread.
#include "tools/mount.h"

#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fuse.h>

// Newer than the header of Debian 12.
enum { OPCODE_TMPFILE = 51, OPCODE_STATX = 52, NOTIFY_INC_EPOCH = 8 };
struct raw_statx_in {
    uint32_t getattr_flags, reserved;
    uint64_t fh;
    uint32_t flags, mask;
};
struct raw_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};
struct raw_statx_out {
    uint64_t attr_valid;
    uint32_t attr_valid_nsec, flags;
    uint64_t spare[2];
    struct {
        uint32_t mask, blksize;
        uint64_t attributes;
        uint32_t nlink, uid, gid;
        uint16_t mode, spare0;
        uint64_t ino, size, blocks, attributes_mask;
        struct raw_time atime, btime, ctime, mtime;
        uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
        uint64_t spare2[14];
    } stat;
};
_Static_assert(sizeof(struct raw_statx_in) == 24, "fuse_statx_in");
_Static_assert(sizeof(struct raw_statx_out) == 32 + 256, "fuse_statx_out");

static _Thread_local struct raw_request current;
// What was agreed upon when the connection began, before there is a second thread.
static uint32_t offered, agreed;

const struct raw_request *raw_current(void)
{
    return &current;
}

// --- requests ------------------------------------------------------------------------------------

// The message of a request: at least this long, or NULL.
static void *body(struct fuse_in_header *in, size_t length, size_t size)
{
    return length >= sizeof *in + size ? in + 1 : NULL;
}

// The kernel's setxattr has two more words than libfuse expects.
static size_t setxattr_shorten(struct fuse_in_header *in, size_t length)
{
    struct fuse_setxattr_in *arg = body(in, length, sizeof *arg);
    if (!arg)
        return length;
    current.acl_kills_sgid = arg->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID;
    unsigned char *rest = (unsigned char *)arg + sizeof *arg;
    size_t head = sizeof *in + sizeof *arg;
    memmove((unsigned char *)arg + FUSE_COMPAT_SETXATTR_IN_SIZE, rest, length - head);
    length -= sizeof *arg - FUSE_COMPAT_SETXATTR_IN_SIZE;
    in->len = (uint32_t)length;
    return length;
}

static size_t request_read(struct fuse_in_header *in, size_t length)
{
    const struct fuse_init_in *init;
    const struct fuse_write_in *write;
    const struct fuse_open_in *open;
    const struct fuse_create_in *create;
    const struct fuse_setattr_in *setattr;
    const struct raw_statx_in *statx;
    current = (struct raw_request){.opcode = in->opcode};
    switch (in->opcode) {
    case FUSE_INIT:
        if ((init = body(in, length, offsetof(struct fuse_init_in, flags2))) != NULL)
            offered = init->flags;
        break;
    case FUSE_WRITE:
        if ((write = body(in, length, sizeof *write)) != NULL)
            current.kill_privileges = write->write_flags & FUSE_WRITE_KILL_SUIDGID;
        break;
    case FUSE_OPEN:
        if ((open = body(in, length, sizeof *open)) != NULL)
            current.kill_privileges = open->open_flags & FUSE_OPEN_KILL_SUIDGID;
        break;
    case FUSE_CREATE:
        if ((create = body(in, length, sizeof *create)) != NULL)
            current.kill_privileges = create->open_flags & FUSE_OPEN_KILL_SUIDGID;
        break;
    case OPCODE_TMPFILE:
        current.unnamed = true;
        in->opcode = FUSE_CREATE;
        break;
    case FUSE_SETATTR:
        if ((setattr = body(in, length, sizeof *setattr)) != NULL)
            current.kill_privileges = setattr->valid & FATTR_KILL_SUIDGID;
        break;
    case FUSE_SETXATTR:
        if (agreed & FUSE_SETXATTR_EXT)
            return setxattr_shorten(in, length);
        break;
    case OPCODE_STATX:
        if ((statx = body(in, length, sizeof *statx)) != NULL) {
            current.statx_mask = statx->mask ? statx->mask : STATX_BASIC_STATS;
            in->opcode = FUSE_GETATTR;
        }
        break;
    default:
        break;
    }
    return length;
}

static ssize_t raw_read(int fd, void *buffer, size_t size, void *mount)
{
    (void)mount;
    ssize_t length = read(fd, buffer, size);
    if (length < (ssize_t)sizeof(struct fuse_in_header))
        return length;
    return (ssize_t)request_read(buffer, (size_t)length);
}

// --- answers -------------------------------------------------------------------------------------

static ssize_t raw_writev(int fd, struct iovec *iov, int count, void *mount)
{
    (void)mount;
    const struct fuse_out_header *out = iov[0].iov_base;
    if (current.opcode != FUSE_INIT || !out->unique || out->error || count < 2 ||
        iov[1].iov_len < FUSE_COMPAT_22_INIT_OUT_SIZE)
        return writev(fd, iov, count);
    current.opcode = 0;
    struct fuse_init_out *init = iov[1].iov_base;
    // Look-ups and listings of one directory side by side: libfuse before 3.17 never passes that on.
    agreed = offered & (FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_PARALLEL_DIROPS);
    // A kernel that does not know the newer agreement asks for capabilities itself, and drops bits itself.
    init->flags |= agreed;
    return writev(fd, iov, count);
}

static struct raw_time time_raw(struct timespec t)
{
    return (struct raw_time){.seconds = t.tv_sec, .nanoseconds = (uint32_t)t.tv_nsec};
}

void raw_reply_statx(fuse_req_t req, const struct hf_attr *attr, const struct stat *st)
{
    struct raw_statx_out out = {
        .attr_valid = MOUNT_ATTR_TIMEOUT,
        .stat = {.mask = STATX_BASIC_STATS | STATX_BTIME,
                 .blksize = (uint32_t)st->st_blksize,
                 .nlink = (uint32_t)st->st_nlink,
                 .uid = st->st_uid,
                 .gid = st->st_gid,
                 .mode = (uint16_t)st->st_mode,
                 .ino = st->st_ino,
                 .size = (uint64_t)st->st_size,
                 .blocks = (uint64_t)st->st_blocks,
                 .atime = time_raw(st->st_atim),
                 .btime = {.seconds = attr->created.seconds, .nanoseconds = attr->created.nanoseconds},
                 .ctime = time_raw(st->st_ctim),
                 .mtime = time_raw(st->st_mtim),
                 .rdev_major = major(st->st_rdev),
                 .rdev_minor = minor(st->st_rdev)},
    };
    fuse_reply_buf(req, (const char *)&out, sizeof out);
}

void raw_names_expire(struct fuse_session *session)
{
    struct fuse_out_header out = {.len = sizeof out, .error = NOTIFY_INC_EPOCH};
    (void)!write(fuse_session_fd(session), &out, sizeof out);
}

bool raw_attach(struct fuse_session *session)
{
    static const struct fuse_custom_io io = {.read = raw_read, .writev = raw_writev};
    return fuse_session_custom_io(session, &io, fuse_session_fd(session)) == 0;
}
