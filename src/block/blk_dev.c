// SPDX-License-Identifier: Apache-2.0
// Linux block devices: as an image file, but size and sector come from the device, and a writer claims it
// with O_EXCL, so that a mounted one is refused.
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

static nt_status open_device(struct blk *b, const char *path)
{
    return blk_file_open(b, path, probe_device, true);
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
