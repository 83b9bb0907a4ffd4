// SPDX-License-Identifier: Apache-2.0
// The engine's only way to its device. Every write and every flush passes io_may_write: a store that was
// opened for reading never has it, and one that failed has it no more.
#ifndef ENGINE_IO_H
#define ENGINE_IO_H

#include <stdatomic.h>

#include "block/blk.h"

struct io {
    struct blk *blk;
    _Atomic bool writes;
};

void io_init(struct io *io, struct blk *b); // for reading
void io_start_writes(struct io *io); // whoever opens a volume for writing, once all is known that decides it
void io_stop_writes(struct io *io);  // for good
bool io_may_write(struct io *io);

nt_status io_read(const struct io *io, void *data, size_t len, u64 offset);
// What the medium holds, past every cache on the way that can be passed (blk_pread_fresh).
nt_status io_read_fresh(const struct io *io, void *data, size_t len, u64 offset);
nt_status io_readv(const struct io *io, const struct iovec *iov, int n, u64 offset);
// MEDIA_WRITE_PROTECTED for a reader, and nothing reaches the device.
nt_status io_write(struct io *io, const void *data, size_t len, u64 offset);
nt_status io_writev(struct io *io, const struct iovec *iov, int n, u64 offset);
nt_status io_write_flush(struct io *io, const void *data, size_t len, u64 offset);
nt_status io_flush(struct io *io);

#endif
