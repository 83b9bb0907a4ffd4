// SPDX-License-Identifier: Apache-2.0
// The space of the mount's open files: allocating, punching, zeroing, finding data and holes, copying by
// sharing clusters, all by the control codes that Windows has for it.
#include "tools/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <unistd.h>

// --- fallocate -----------------------------------------------------------------------------------

static nt_status space_check(struct mount *m, uint64_t bytes)
{
    FILE_FS_FULL_SIZE_INFORMATION size;
    size_t done;
    nt_status status = hf_query_volume(m->root, FileFsFullSizeInformation, &size, sizeof size, &done);
    if (status != STATUS_SUCCESS)
        return status;
    uint64_t unit = (uint64_t)size.SectorsPerAllocationUnit * size.BytesPerSector;
    return bytes / unit >= (uint64_t)size.CallerAvailableAllocationUnits ? STATUS_DISK_FULL : STATUS_SUCCESS;
}

static nt_status size_extend(struct mount *m, uint64_t node, uint64_t end)
{
    struct hf_attr attr;
    nt_status status = hf_node_get(m->root, node, &attr);
    if (status != STATUS_SUCCESS || attr.size >= end)
        return status;
    attr.size = end;
    return mount_set(m, node, HF_ATTR_SIZE, &attr);
}

// What is written goes to new places, so clusters set aside for a file would not be the ones it uses:
// allocating makes the file as long as asked, if there is room now.
static nt_status allocate(struct mount *m, const struct mount_file *file, bool keep_size, uint64_t end)
{
    struct hf_attr attr;
    nt_status status = hf_node_get(m->root, file->node, &attr);
    if (status == STATUS_SUCCESS && end > attr.allocated)
        status = space_check(m, end - attr.allocated);
    if (status == STATUS_SUCCESS && !keep_size)
        status = size_extend(m, file->node, end);
    return status;
}

static nt_status zero(struct mount *m, const struct mount_file *file, int mode, uint64_t start, uint64_t end)
{
    FILE_ZERO_DATA_INFORMATION range = {.FileOffset = (int64_t)start, .BeyondFinalZero = (int64_t)end};
    size_t done;
    nt_status status = STATUS_SUCCESS;
    // In a sparse file zeros take no space.
    if (mode & FALLOC_FL_PUNCH_HOLE)
        status = hf_ioctl(file->handle, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &done);
    if (status == STATUS_SUCCESS)
        status = hf_ioctl(file->handle, FSCTL_SET_ZERO_DATA, &range, sizeof range, NULL, 0, &done);
    if (status == STATUS_SUCCESS && !(mode & FALLOC_FL_KEEP_SIZE))
        status = size_extend(m, file->node, end);
    return status;
}

// Unlike a write, these two do not say whether the caller may keep the bits.
static nt_status modified(fuse_req_t req, uint64_t node)
{
    struct mount *m = mount_of(req);
    m->changed = true;
    return fuse_req_ctx(req)->uid == 0 ? mount_capability_drop(m, node) : mount_privileges_drop(m, node);
}

void mount_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                     struct fuse_file_info *fi)
{
    (void)ino;
    struct mount *m = mount_of(req);
    const struct mount_file *file = file_of(fi);
    uint64_t start = (uint64_t)offset, end = start + (uint64_t)length;
    nt_status status = STATUS_NOT_SUPPORTED;
    switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
        status = allocate(m, file, mode == FALLOC_FL_KEEP_SIZE, end);
        break;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
        status = zero(m, file, mode, start, end);
        break;
    default:
        break;
    }
    if (status == STATUS_SUCCESS)
        status = modified(req, file->node);
    reply_status(req, status);
}

// --- lseek ---------------------------------------------------------------------------------------

static nt_status data_find(hf_handle handle, uint64_t offset, uint64_t size,
                           FILE_ALLOCATED_RANGE_BUFFER *range)
{
    FILE_ALLOCATED_RANGE_BUFFER asked = {.FileOffset = (int64_t)offset, .Length = (int64_t)(size - offset)};
    size_t done;
    nt_status status =
        hf_ioctl(handle, FSCTL_QUERY_ALLOCATED_RANGES, &asked, sizeof asked, range, sizeof *range, &done);
    if (status == STATUS_BUFFER_OVERFLOW || status == STATUS_BUFFER_TOO_SMALL)
        status = done >= sizeof *range ? STATUS_SUCCESS : status;
    if (status == STATUS_SUCCESS && done < sizeof *range)
        *range = (FILE_ALLOCATED_RANGE_BUFFER){.FileOffset = (int64_t)size};
    return status;
}

static void seek(fuse_req_t req, const struct mount_file *file, uint64_t offset, int whence)
{
    struct hf_attr attr;
    FILE_ALLOCATED_RANGE_BUFFER range = {0};
    nt_status status = hf_node_get(mount_of(req)->root, file->node, &attr);
    if (status == STATUS_SUCCESS && offset >= attr.size) {
        fuse_reply_err(req, ENXIO);
        return;
    }
    uint64_t at = offset;
    if (status == STATUS_SUCCESS)
        status = data_find(file->handle, offset, attr.size, &range);
    // Ranges that touch each other may come one by one.
    while (status == STATUS_SUCCESS && whence == SEEK_HOLE && (uint64_t)range.FileOffset <= at &&
           at < attr.size) {
        at = (uint64_t)range.FileOffset + (uint64_t)range.Length;
        if (at < attr.size)
            status = data_find(file->handle, at, attr.size, &range);
    }
    if (status != STATUS_SUCCESS) {
        reply_status(req, status);
        return;
    }
    if (whence == SEEK_HOLE) {
        fuse_reply_lseek(req, (off_t)(at < attr.size ? at : attr.size));
        return;
    }
    at = (uint64_t)range.FileOffset > offset ? (uint64_t)range.FileOffset : offset;
    if (at >= attr.size)
        fuse_reply_err(req, ENXIO);
    else
        fuse_reply_lseek(req, (off_t)at);
}

// The kernel does not write back what it has before it asks. Where somebody may have written, it is made to.
struct seek_task {
    struct mount_task task;
    fuse_req_t req;
    struct mount_file *file;
    uint64_t offset;
    int whence;
};

static void seek_later(struct mount *m, struct mount_task *task)
{
    struct seek_task *later = (struct seek_task *)task;
    mount_tell_node(m, later->file->node, true);
    seek(later->req, later->file, later->offset, later->whence);
    free(later);
}

void mount_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi)
{
    (void)ino;
    struct mount *m = mount_of(req);
    struct mount_file *file = file_of(fi);
    if (whence != SEEK_DATA && whence != SEEK_HOLE) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    if (!mount_has_writer(m, file->node)) {
        seek(req, file, (uint64_t)offset, whence);
        return;
    }
    struct seek_task *later = malloc(sizeof *later);
    if (!later) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    *later = (struct seek_task){
        .task.run = seek_later, .req = req, .file = file, .offset = (uint64_t)offset, .whence = whence};
    mount_task_add(&m->seeks, &later->task);
}

// --- copy_file_range -----------------------------------------------------------------------------

enum { COPY_STEP = 1 << 20 };

static uint32_t cluster_size(struct mount *m)
{
    FILE_FS_SIZE_INFORMATION size;
    size_t done;
    if (hf_query_volume(m->root, FileFsSizeInformation, &size, sizeof size, &done) != STATUS_SUCCESS)
        return 0;
    return size.SectorsPerAllocationUnit * size.BytesPerSector;
}

// Whole clusters that lie alike in both files; 0 if that cannot be, or the volume does not want to.
static size_t copy_shared(struct mount *m, const struct mount_file *from, uint64_t in,
                          const struct mount_file *to, uint64_t out, size_t length)
{
    enum { SHARE_STEP = 256 << 20 };
    uint32_t cluster = cluster_size(m);
    struct hf_attr attr;
    size_t done;
    length = length < SHARE_STEP ? length : SHARE_STEP;
    if (!cluster || in % cluster || out % cluster || hf_node_get(m->root, to->node, &attr) != STATUS_SUCCESS)
        return 0;
    length -= length % cluster;
    if (length == 0)
        return 0;
    // Both ends must lie in the files.
    if (out + length > attr.size && size_extend(m, to->node, out + length) != STATUS_SUCCESS)
        return 0;
    DUPLICATE_EXTENTS_DATA what = {.FileHandle = from->handle,
                                   .SourceFileOffset = (int64_t)in,
                                   .TargetFileOffset = (int64_t)out,
                                   .ByteCount = (int64_t)length};
    nt_status status =
        hf_ioctl(to->handle, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &what, sizeof what, NULL, 0, &done);
    if (status == STATUS_SUCCESS)
        return length;
    if (out + length > attr.size)
        (void)mount_set(m, to->node, HF_ATTR_SIZE, &attr); // as it was
    return 0;
}

static nt_status copy_bytes(const struct mount_file *from, uint64_t in, const struct mount_file *to,
                            uint64_t out, size_t length, size_t *done)
{
    char *buffer = thread_buffer(COPY_STEP);
    size_t got, part;
    *done = 0;
    if (!buffer)
        return STATUS_NO_MEMORY;
    length = length < COPY_STEP ? length : COPY_STEP;
    nt_status status = hf_read(from->handle, in, buffer, length, &got);
    if (status == STATUS_END_OF_FILE)
        return STATUS_SUCCESS;
    while (status == STATUS_SUCCESS && *done < got) {
        status = hf_write(to->handle, out + *done, buffer + *done, got - *done, &part);
        *done += part;
    }
    return *done ? STATUS_SUCCESS : status;
}

// In steps, so that one request neither runs nor holds others up for long: the caller goes on.
void mount_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t in, struct fuse_file_info *fi_in,
                           fuse_ino_t ino_out, off_t out, struct fuse_file_info *fi_out, size_t length,
                           int flags)
{
    (void)ino_in, (void)ino_out, (void)flags;
    enum { COPY_MAX = 16 << 20 };
    struct mount *m = mount_of(req);
    const struct mount_file *from = file_of(fi_in), *to = file_of(fi_out);
    struct hf_attr attr;
    size_t copied = 0, done = 1;
    nt_status status = modified(req, to->node);
    if (status == STATUS_SUCCESS)
        status = hf_node_get(m->root, from->node, &attr);
    if (status == STATUS_SUCCESS) {
        uint64_t left = attr.size > (uint64_t)in ? attr.size - (uint64_t)in : 0;
        length = length < left ? length : (size_t)left;
        copied = copy_shared(m, from, (uint64_t)in, to, (uint64_t)out, length);
    }
    size_t limit = copied ? copied : COPY_MAX;
    limit = length - copied < COPY_STEP ? length : limit; // and the rest of a cluster at the end
    while (status == STATUS_SUCCESS && done && copied < length && copied < limit) {
        status = copy_bytes(from, (uint64_t)in + copied, to, (uint64_t)out + copied, length - copied, &done);
        copied += done;
    }
    if (copied)
        fuse_reply_write(req, copied);
    else
        reply_status(req, status);
}
