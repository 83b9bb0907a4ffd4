// SPDX-License-Identifier: Apache-2.0
// A stack of devices seen as a block device: what the engine reads, writes and flushes becomes IRPs that name
// the medium that they are for.
#include <stdatomic.h>

#include <holdfast/winioctl.h>

#include "device/device.h"

struct stack_blk {
    struct device *real;
    _Atomic bool override;
    _Atomic u64 medium;
};

static struct irp stack_irp(const struct stack_blk *s, enum irp_major major)
{
    return (struct irp){.major = major, .flags = s->override ? IRP_OVERRIDE_VERIFY : 0, .medium = s->medium};
}

static nt_status stack_open(struct blk *b, const char *path)
{
    (void)b;
    (void)path;
    return STATUS_NOT_SUPPORTED;
}

static void stack_close(struct blk *b)
{
    struct stack_blk *s = b->state;
    dev_release(s->real);
    free(s);
}

static nt_status stack_transfer(struct blk *b, enum irp_major major, u32 flags, const struct iovec *iov,
                                int n, u64 offset)
{
    struct stack_blk *s = b->state;
    struct irp irp = stack_irp(s, major);
    irp.flags |= flags;
    irp.p.read.iov = iov;
    irp.p.read.iov_count = n;
    irp.p.read.offset = offset;
    for (int i = 0; i < n; i++)
        irp.p.read.length += iov[i].iov_len;
    return dev_call(s->real, &irp);
}

static nt_status stack_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    (void)sense;
    return stack_transfer(b, IRP_MJ_READ, 0, iov, n, offset);
}

static nt_status stack_preadv_fresh(struct blk *b, const struct iovec *iov, int n, u64 offset,
                                    struct sense *sense)
{
    (void)sense;
    return stack_transfer(b, IRP_MJ_READ, IRP_READ_FRESH, iov, n, offset);
}

static nt_status stack_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    (void)sense;
    return stack_transfer(b, IRP_MJ_WRITE, 0, iov, n, offset);
}

static nt_status stack_pwritev_flush(struct blk *b, const struct iovec *iov, int n, u64 offset,
                                     struct sense *sense)
{
    (void)sense;
    return stack_transfer(b, IRP_MJ_WRITE, IRP_WRITE_FLUSH, iov, n, offset);
}

static nt_status stack_flush(struct blk *b, struct sense *sense)
{
    (void)sense;
    struct irp irp = stack_irp(b->state, IRP_MJ_FLUSH_BUFFERS);
    return dev_call(((struct stack_blk *)b->state)->real, &irp);
}

static nt_status stack_ready(struct blk *b, struct sense *sense)
{
    (void)sense;
    struct irp irp = stack_irp(b->state, IRP_MJ_DEVICE_CONTROL);
    irp.p.control.code = IOCTL_STORAGE_CHECK_VERIFY;
    return dev_call(((struct stack_blk *)b->state)->real, &irp);
}

static const struct blk_ops stack_ops = {
    .prefix = "stack",
    .open = stack_open,
    .close = stack_close,
    .preadv = stack_preadv,
    .preadv_fresh = stack_preadv_fresh,
    .pwritev = stack_pwritev,
    .pwritev_flush = stack_pwritev_flush,
    .flush = stack_flush,
    .ready = stack_ready,
};

static nt_status ask(struct device *real, u32 code, void *out, size_t out_length)
{
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL, .flags = IRP_OVERRIDE_VERIFY};
    irp.p.control.code = code;
    irp.p.control.out = out;
    irp.p.control.out_length = out_length;
    return dev_call(real, &irp);
}

// The number of the medium that is in: one more than the changes that the drive has counted. 0: the device
// counts none.
static nt_status number_medium(struct device *real, u64 *number)
{
    u8 count[4];
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL, .flags = IRP_OVERRIDE_VERIFY};
    irp.p.control.code = IOCTL_STORAGE_CHECK_VERIFY;
    irp.p.control.out = count;
    irp.p.control.out_length = sizeof count;
    nt_status status = dev_call(real, &irp);
    *number = status == STATUS_SUCCESS && irp.information == sizeof count ? get_le32(count) + 1ull : 0;
    return status == STATUS_INVALID_DEVICE_REQUEST ? STATUS_SUCCESS : status;
}

nt_status dev_as_blk(struct device *real, struct blk **out)
{
    *out = NULL;
    GET_LENGTH_INFORMATION length;
    HF_DISK_GEOMETRY geometry;
    u64 medium;
    // First: what is asked of a medium that came in afterwards leads to nothing.
    TRY(number_medium(real, &medium));
    TRY(ask(real, IOCTL_DISK_GET_LENGTH_INFO, &length, sizeof length));
    TRY(ask(real, IOCTL_DISK_GET_DRIVE_GEOMETRY, &geometry, sizeof geometry));
    nt_status writable = ask(real, IOCTL_DISK_IS_WRITABLE, NULL, 0);
    if (writable != STATUS_SUCCESS && writable != STATUS_MEDIA_WRITE_PROTECTED)
        return writable;
    SCOPE_FREE struct stack_blk *s = calloc(1, sizeof *s);
    if (!s)
        return STATUS_INSUFFICIENT_RESOURCES;
    s->real = real;
    s->medium = medium;
    TRY(blk_new(&stack_ops, s, real->name, out));
    s = NULL;
    dev_reference(real);
    (*out)->size = (u64)length.Length;
    (*out)->sector = geometry.BytesPerSector;
    (*out)->flags = writable == STATUS_SUCCESS ? 0 : BLK_READONLY;
    return STATUS_SUCCESS;
}

void dev_blk_override(struct blk *b, bool on)
{
    ASSERT(b->ops == &stack_ops);
    ((struct stack_blk *)b->state)->override = on;
}

void dev_blk_follow(struct blk *b, const struct blk *proved)
{
    ASSERT(b->ops == &stack_ops);
    ((struct stack_blk *)b->state)->medium = dev_blk_medium(proved);
}

u64 dev_blk_medium(const struct blk *b)
{
    ASSERT(b->ops == &stack_ops);
    return ((const struct stack_blk *)b->state)->medium;
}
