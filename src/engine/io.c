// SPDX-License-Identifier: Apache-2.0
// The engine's only way to its device: nothing else in the engine calls blk_*. So what may not write cannot,
// whatever its callers forget to ask.
#include "engine/io.h"

void io_init(struct io *io, struct blk *b)
{
    io->blk = b;
    atomic_init(&io->writes, false);
}

void io_start_writes(struct io *io)
{
    atomic_store(&io->writes, true);
}

void io_stop_writes(struct io *io)
{
    atomic_store(&io->writes, false);
}

bool io_may_write(struct io *io)
{
    return atomic_load(&io->writes);
}

nt_status io_read(const struct io *io, void *data, size_t len, u64 offset)
{
    return blk_pread(io->blk, data, len, offset, NULL);
}

nt_status io_read_fresh(const struct io *io, void *data, size_t len, u64 offset)
{
    return blk_pread_fresh(io->blk, data, len, offset, NULL);
}

nt_status io_readv(const struct io *io, const struct iovec *iov, int n, u64 offset)
{
    return blk_preadv(io->blk, iov, n, offset, NULL);
}

static nt_status pass(struct io *io)
{
    return io_may_write(io) ? STATUS_SUCCESS : STATUS_MEDIA_WRITE_PROTECTED;
}

nt_status io_write(struct io *io, const void *data, size_t len, u64 offset)
{
    TRY(pass(io));
    return blk_pwrite(io->blk, data, len, offset, NULL);
}

nt_status io_writev(struct io *io, const struct iovec *iov, int n, u64 offset)
{
    TRY(pass(io));
    return blk_pwritev(io->blk, iov, n, offset, NULL);
}

nt_status io_write_flush(struct io *io, const void *data, size_t len, u64 offset)
{
    TRY(pass(io));
    return blk_pwrite_flush(io->blk, data, len, offset, NULL);
}

nt_status io_flush(struct io *io)
{
    TRY(pass(io));
    return blk_flush(io->blk, NULL);
}
