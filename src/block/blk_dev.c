// SPDX-License-Identifier: Apache-2.0
// Linux block devices: as an image file, but size and sector come from the device, and a writer claims it
// with O_EXCL, so that a mounted one is refused. The node in /dev stays when the card in a reader is
// exchanged; what tells is the kernel's number of the disk (Linux 5.15, /sys/block/*/diskseq), which moves on
// with each change that the kernel sees, and the size. Not noticed: a card of the same size on an older
// kernel, and one that comes in while the kernel polls for no media events (events_poll_msecs) and the reader
// says nothing.
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "block/blk_file.h"

static int probe_device(int fd, const struct stat *st, u64 *size, u32 *sector)
{
    int bytes = 0;
    if (!S_ISBLK(st->st_mode))
        return ENOTBLK;
    if (ioctl(fd, BLKGETSIZE64, size) != 0 || ioctl(fd, BLKSSZGET, &bytes) != 0)
        return errno;
    *sector = (u32)bytes;
    return 0;
}

static struct blk_file_mark look_at_device(int fd)
{
    struct blk_file_mark mark = {0};
#ifdef BLKGETDISKSEQ
    if (ioctl(fd, BLKGETDISKSEQ, &mark.sequence) != 0)
        mark.sequence = 0; // an older kernel
#endif
    if (ioctl(fd, BLKGETSIZE64, &mark.size) != 0)
        mark.size = 0;
    return mark;
}

static nt_status open_device(struct blk *b, const char *path)
{
    return blk_file_open(b, path, probe_device, look_at_device, true);
}

const struct blk_ops blk_dev_ops = {
    .prefix = "dev",
    .open = open_device,
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
