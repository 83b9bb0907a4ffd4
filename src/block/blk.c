// SPDX-License-Identifier: Apache-2.0
// The one checking wrapper in front of every back end, the table of prefixes, and the plain status of a
// sense. For removable media it also holds the medium still while a command runs (blk.lock).
#include "block/blk.h"

static const struct blk_ops *const back_ends[] = {&blk_file_ops, &blk_dev_ops, &blk_ram_ops};

nt_status sense_plain_status(const struct sense *sense)
{
    if (sense->transport != BLK_TRANSPORT_OK)
        return STATUS_IO_DEVICE_ERROR;
    switch (sense->key) {
    case SENSE_RECOVERED:
        return STATUS_SUCCESS;
    case SENSE_NOT_READY:
        return sense->asc == 0x3a ? STATUS_NO_MEDIA_IN_DEVICE : STATUS_DEVICE_NOT_READY;
    case SENSE_MEDIUM:
        return STATUS_DEVICE_DATA_ERROR;
    case SENSE_ILLEGAL:
        return sense->asc == 0x21 ? STATUS_NONEXISTENT_SECTOR : STATUS_IO_DEVICE_ERROR;
    case SENSE_ATTENTION:
        return STATUS_VERIFY_REQUIRED;
    case SENSE_PROTECT:
        return sense->asc == 0x27 && sense->ascq == 0x07 ? STATUS_DISK_FULL : STATUS_MEDIA_WRITE_PROTECTED;
    default:
        return STATUS_IO_DEVICE_ERROR;
    }
}

nt_status sense_report(struct sense *sense, u8 key, u8 asc, u8 ascq)
{
    *sense = (struct sense){.key = key, .asc = asc, .ascq = ascq};
    return sense_plain_status(sense);
}

nt_status blk_new(const struct blk_ops *ops, void *state, const char *spec, struct blk **out)
{
    *out = NULL;
    struct blk *b = calloc(1, sizeof *b);
    if (!b)
        return STATUS_INSUFFICIENT_RESOURCES;
    b->spec = strdup(spec);
    if (!b->spec || pthread_rwlock_init(&b->lock, NULL) != 0) {
        free(b->spec);
        free(b);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    b->ops = ops;
    b->state = state;
    b->sector = 512;
    b->medium = 1;
    *out = b;
    return STATUS_SUCCESS;
}

void blk_close(struct blk *b)
{
    if (!b)
        return;
    b->ops->close(b);
    pthread_rwlock_destroy(&b->lock);
    free(b->spec);
    free(b);
}

// A spec without a known prefix is a path, so that "a:b" can be a file's name.
static const struct blk_ops *find_back_end(const char *spec, const char **path)
{
    for (size_t i = 0; i < ARRAY_LEN(back_ends); i++) {
        size_t len = strlen(back_ends[i]->prefix);
        if (strncmp(spec, back_ends[i]->prefix, len) == 0 && spec[len] == ':') {
            *path = spec + len + 1;
            return back_ends[i];
        }
    }
    *path = spec;
    return &blk_file_ops;
}

nt_status blk_open(const char *spec, u32 flags, struct blk **out)
{
    *out = NULL;
    const char *path;
    const struct blk_ops *ops = find_back_end(spec, &path);
    struct blk *b;
    TRY(blk_new(ops, NULL, spec, &b));
    b->flags = flags;
    nt_status status = ops->open(b, path);
    if (status != STATUS_SUCCESS) {
        blk_close(b);
        return status;
    }
    *out = b;
    return STATUS_SUCCESS;
}

void blk_set_medium(struct blk *b, u64 size, bool readonly)
{
    __atomic_store_n(&b->size, size, __ATOMIC_RELEASE);
    if (readonly)
        __atomic_fetch_or(&b->flags, BLK_READONLY, __ATOMIC_RELEASE);
    else
        __atomic_fetch_and(&b->flags, ~(u32)BLK_READONLY, __ATOMIC_RELEASE);
}

// Begin a command: hold the medium still until blk_leave, unless it changed. medium 0 means whichever is in.
static nt_status blk_enter(struct blk *b, u64 medium, struct sense *sense)
{
    *sense = (struct sense){0};
    if (!blk_has(b, BLK_REMOVABLE))
        return STATUS_SUCCESS;
    for (;;) {
        pthread_rwlock_rdlock(&b->lock);
        if (!b->ops->same || b->ops->same(b))
            break;
        pthread_rwlock_unlock(&b->lock);
        SCOPE_WRITE(&b->lock);
        if (!b->ops->same(b))
            TRY(b->ops->change(b, sense));
    }
    if (medium == 0 || medium == blk_medium(b))
        return STATUS_SUCCESS;
    pthread_rwlock_unlock(&b->lock);
    return sense_report(sense, SENSE_ATTENTION, 0x28, 0);
}

static void blk_leave(struct blk *b)
{
    if (blk_has(b, BLK_REMOVABLE))
        pthread_rwlock_unlock(&b->lock);
}

static nt_status check_transfer(struct blk *b, size_t len, u64 offset, bool write, struct sense *sense)
{
    u64 size = blk_size(b);
    if (size == 0 && blk_has(b, BLK_REMOVABLE))
        TRY(b->ops->ready(b, sense)); // says why there is nothing
    if (offset > size || len > size - offset)
        return sense_report(sense, SENSE_ILLEGAL, 0x21, 0);
    if (write && blk_has(b, BLK_READONLY))
        return sense_report(sense, SENSE_PROTECT, 0x27, 0);
    return STATUS_SUCCESS;
}

enum transfer { TRANSFER_READ, TRANSFER_READ_FRESH, TRANSFER_WRITE, TRANSFER_WRITE_FLUSH };

static nt_status pass_on(struct blk *b, enum transfer kind, const struct iovec *iov, int n, u64 offset,
                         struct sense *sense)
{
    if (kind == TRANSFER_READ_FRESH && b->ops->preadv_fresh)
        return b->ops->preadv_fresh(b, iov, n, offset, sense);
    if (kind == TRANSFER_READ || kind == TRANSFER_READ_FRESH)
        return b->ops->preadv(b, iov, n, offset, sense);
    if (kind == TRANSFER_WRITE_FLUSH && b->ops->pwritev_flush)
        return b->ops->pwritev_flush(b, iov, n, offset, sense);
    TRY(b->ops->pwritev(b, iov, n, offset, sense));
    return kind == TRANSFER_WRITE_FLUSH ? b->ops->flush(b, sense) : STATUS_SUCCESS;
}

static nt_status transfer(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                          enum transfer kind, struct sense *sense)
{
    struct sense unwanted;
    if (!sense)
        sense = &unwanted;
    size_t len = 0;
    for (int i = 0; i < n; i++)
        if (add_overflows(len, iov[i].iov_len, &len) || len > INT32_MAX)
            return STATUS_INVALID_PARAMETER;
    TRY(blk_enter(b, medium, sense));
    nt_status status = check_transfer(b, len, offset, kind >= TRANSFER_WRITE, sense);
    if (status == STATUS_SUCCESS && len > 0)
        status = pass_on(b, kind, iov, n, offset, sense);
    blk_leave(b);
    return status;
}

nt_status blk_read_medium(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                          struct sense *s)
{
    return transfer(b, medium, iov, n, offset, TRANSFER_READ, s);
}

nt_status blk_read_fresh_medium(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                                struct sense *s)
{
    return transfer(b, medium, iov, n, offset, TRANSFER_READ_FRESH, s);
}

nt_status blk_write_medium(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                           struct sense *s)
{
    return transfer(b, medium, iov, n, offset, TRANSFER_WRITE, s);
}

nt_status blk_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    return transfer(b, 0, iov, n, offset, TRANSFER_READ, sense);
}

nt_status blk_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    return transfer(b, 0, iov, n, offset, TRANSFER_WRITE, sense);
}

nt_status blk_pread(struct blk *b, void *data, size_t len, u64 offset, struct sense *sense)
{
    return transfer(b, 0, &(struct iovec){data, len}, 1, offset, TRANSFER_READ, sense);
}

nt_status blk_pread_fresh(struct blk *b, void *data, size_t len, u64 offset, struct sense *sense)
{
    return transfer(b, 0, &(struct iovec){data, len}, 1, offset, TRANSFER_READ_FRESH, sense);
}

nt_status blk_pwrite(struct blk *b, const void *data, size_t len, u64 offset, struct sense *sense)
{
    return transfer(b, 0, &(struct iovec){(void *)(uintptr_t)data, len}, 1, offset, TRANSFER_WRITE, sense);
}

nt_status blk_write_flush_medium(struct blk *b, u64 medium, const struct iovec *iov, int n, u64 offset,
                                 struct sense *s)
{
    return transfer(b, medium, iov, n, offset, TRANSFER_WRITE_FLUSH, s);
}

nt_status blk_pwrite_flush(struct blk *b, const void *data, size_t len, u64 offset, struct sense *sense)
{
    struct iovec one = {(void *)(uintptr_t)data, len};
    return transfer(b, 0, &one, 1, offset, TRANSFER_WRITE_FLUSH, sense);
}

nt_status blk_flush_medium(struct blk *b, u64 medium, struct sense *s)
{
    struct sense unwanted;
    if (!s)
        s = &unwanted;
    TRY(blk_enter(b, medium, s));
    nt_status status = b->ops->flush(b, s);
    blk_leave(b);
    return status;
}

nt_status blk_flush(struct blk *b, struct sense *sense)
{
    return blk_flush_medium(b, 0, sense);
}

nt_status blk_ready(struct blk *b, struct sense *sense)
{
    struct sense unwanted;
    if (!sense)
        sense = &unwanted;
    TRY(blk_enter(b, 0, sense));
    nt_status status = b->ops->ready(b, sense);
    blk_leave(b);
    return status;
}

nt_status blk_command(struct blk *b, enum blk_command c, struct sense *sense)
{
    struct sense unwanted;
    if (!sense)
        sense = &unwanted;
    *sense = (struct sense){0};
    if (!b->ops->command)
        return sense_report(sense, SENSE_ILLEGAL, 0x20, 0);
    SCOPE_WRITE(&b->lock);
    return b->ops->command(b, c, sense);
}
