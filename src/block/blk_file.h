// SPDX-License-Identifier: Apache-2.0
// What image files and Linux block devices share: both are a path that is the drive and a descriptor that is
// the medium in it.
#ifndef BLOCK_BLK_FILE_H
#define BLOCK_BLK_FILE_H

#include <sys/stat.h>

#include "block/blk.h"

// Look at an opened medium: is it of the right kind, how large is it, how large its sectors? Returns errno.
typedef int blk_file_probe(int fd, const struct stat *st, u64 *size, u32 *sector);

// What changes when another medium comes to be behind an open descriptor.
struct blk_file_mark {
    u64 sequence, size;
};
typedef struct blk_file_mark blk_file_look(int fd);

// exclusive: O_EXCL in the flags of an open for writing (block devices). look: NULL where a descriptor leads
// to one medium for ever.
nt_status blk_file_open(struct blk *b, const char *path, blk_file_probe *probe, blk_file_look *look,
                        bool exclusive);
void blk_file_close(struct blk *b);
nt_status blk_file_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense);
nt_status blk_file_preadv_fresh(struct blk *b, const struct iovec *iov, int n, u64 offset,
                                struct sense *sense);
nt_status blk_file_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense);
nt_status blk_file_pwritev_flush(struct blk *b, const struct iovec *iov, int n, u64 offset,
                                 struct sense *sense);
nt_status blk_file_flush(struct blk *b, struct sense *sense);
nt_status blk_file_ready(struct blk *b, struct sense *sense);
nt_status blk_file_command(struct blk *b, enum blk_command c, struct sense *sense);
bool blk_file_same(struct blk *b);
nt_status blk_file_change(struct blk *b, struct sense *sense);

#endif
