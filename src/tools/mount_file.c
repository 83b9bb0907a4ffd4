// SPDX-License-Identifier: Apache-2.0
// The mount's open files: handles, reading, writing, control codes. Data goes between the request's memory
// and hf_read and hf_write without another copy. A failed read is an error for all of its request, never a
// short one, which the kernel would fill up with zeros; it then asks again page by page, so only damaged
// units fail.
#include "tools/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNIT = 16384, BUFFER_SIZE = 1 << 20 };

// --- memory of each thread -----------------------------------------------------------------------

static pthread_key_t buffer_key;
static pthread_once_t buffer_once = PTHREAD_ONCE_INIT;

static void buffer_key_make(void)
{
    if (pthread_key_create(&buffer_key, free) != 0)
        abort(); // before anything is mounted: the first request of the first thread
}

void *thread_buffer(size_t size)
{
    pthread_once(&buffer_once, buffer_key_make);
    if (size > BUFFER_SIZE)
        return NULL;
    void *buffer = pthread_getspecific(buffer_key);
    if (!buffer) {
        buffer = aligned_alloc(4096, BUFFER_SIZE);
        if (buffer && pthread_setspecific(buffer_key, buffer) != 0) {
            free(buffer);
            buffer = NULL;
        }
    }
    return buffer;
}

// --- the open files ------------------------------------------------------------------------------

struct mount_file *mount_file_new(struct mount *m, uint64_t node, hf_handle handle)
{
    struct mount_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->node = node;
    file->handle = handle;
    pthread_mutex_lock(&m->files_lock);
    file->next = m->files;
    file->link = &m->files;
    if (file->next)
        file->next->link = &file->next;
    m->files = file;
    pthread_mutex_unlock(&m->files_lock);
    return file;
}

void mount_file_free(struct mount *m, struct mount_file *file)
{
    pthread_mutex_lock(&m->files_lock);
    *file->link = file->next;
    if (file->next)
        file->next->link = file->link;
    pthread_mutex_unlock(&m->files_lock);
    call_forget(m->door, (uint64_t)(uintptr_t)file);
    (void)hf_close(file->handle); // cannot fail for a handle of ours
    free(file);
}

bool mount_has_writer(struct mount *m, uint64_t node)
{
    bool found = false;
    pthread_mutex_lock(&m->files_lock);
    for (const struct mount_file *file = m->files; file && !found; file = file->next)
        found = file->node == node && file->writable;
    pthread_mutex_unlock(&m->files_lock);
    return found;
}

static bool flags_write(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY;
}

// The kernel reads through any open file (to fill the rest of a page that is written in part).
static uint32_t access_of(int flags)
{
    uint32_t access = FILE_READ_DATA | FILE_READ_ATTRIBUTES;
    return flags_write(flags) ? access | FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_ATTRIBUTES : access;
}

// Takes the handle over.
static nt_status opened(struct mount *m, uint64_t node, int flags, hf_handle handle, struct mount_file **out)
{
    *out = mount_file_new(m, node, handle);
    if (!*out) {
        (void)hf_close(handle);
        return STATUS_NO_MEMORY;
    }
    (*out)->writable = flags_write(flags);
    return STATUS_SUCCESS;
}

static nt_status open_node(struct mount *m, uint64_t node, int flags, struct mount_file **out)
{
    hf_handle handle;
    *out = NULL;
    nt_status status = hf_node_open(m->root, node, access_of(flags), &handle);
    return status == STATUS_SUCCESS ? opened(m, node, flags, handle, out) : status;
}

static void reply_open(fuse_req_t req, struct mount_file *file, struct fuse_file_info *fi,
                       const struct fuse_entry_param *e)
{
    fi->fh = (uint64_t)(uintptr_t)file;
    fi->keep_cache = 1;
    int error = e ? fuse_reply_create(req, e, fi) : fuse_reply_open(req, fi);
    if (error == -ENOENT) // interrupted: there will be no release
        mount_file_free(mount_of(req), file);
}

static nt_status create_named(fuse_req_t req, fuse_ino_t parent, const char *name, struct hf_node_new *what,
                              int flags, struct hf_attr *attr, struct mount_file **file)
{
    nt_status status = mount_create_node(req, parent, name, what, attr);
    // Somebody else created it since the kernel looked. Only the kernel knows whether the caller may open it:
    // told that what it knows is stale it looks again.
    if (status == STATUS_OBJECT_NAME_COLLISION && !(flags & O_EXCL))
        status = STATUS_FILE_INVALID;
    return status == STATUS_SUCCESS ? open_node(mount_of(req), attr->id, flags, file) : status;
}

// O_TMPFILE. Whether it may be linked (not with O_EXCL) the kernel remembers.
static nt_status create_unnamed(fuse_req_t req, fuse_ino_t parent, struct hf_node_new *what, int flags,
                                struct hf_attr *attr, struct mount_file **file)
{
    hf_handle handle;
    nt_status status = mount_create_unnamed(req, parent, what, access_of(flags), attr, &handle);
    return status == STATUS_SUCCESS ? opened(mount_of(req), attr->id, flags, handle, file) : status;
}

void mount_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    struct hf_node_new what = {.mode = (mode & 07777) | S_IFREG};
    struct hf_attr attr;
    struct mount_file *file;
    nt_status status = raw_current()->unnamed
                           ? create_unnamed(req, parent, &what, fi->flags, &attr, &file)
                           : create_named(req, parent, name, &what, fi->flags, &attr, &file);
    if (status != STATUS_SUCCESS) {
        reply_status(req, status);
        return;
    }
    struct fuse_entry_param e = mount_entry(m, &attr);
    reply_open(req, file, fi, &e);
}

nt_status mount_privileges_drop(struct mount *m, uint64_t node)
{
    struct hf_attr attr = {0};
    nt_status status = mount_capability_drop(m, node);
    return status == STATUS_SUCCESS ? mount_set(m, node, HF_ATTR_KILL, &attr) : status;
}

static nt_status truncate_opened(struct mount *m, uint64_t node)
{
    struct hf_attr attr = {.size = 0};
    uint32_t mask = HF_ATTR_SIZE | (raw_current()->kill_privileges ? HF_ATTR_KILL : 0);
    nt_status status = mount_capability_drop(m, node);
    return status == STATUS_SUCCESS ? mount_set(m, node, mask, &attr) : status;
}

void mount_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    struct mount_file *file;
    nt_status status = open_node(m, node_of(ino), fi->flags, &file);
    if (status == STATUS_SUCCESS && fi->flags & O_TRUNC) {
        status = truncate_opened(m, node_of(ino));
        if (status != STATUS_SUCCESS)
            mount_file_free(m, file);
    }
    if (status == STATUS_SUCCESS)
        reply_open(req, file, fi, NULL);
    else
        reply_status(req, status);
}

void mount_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    mount_file_free(mount_of(req), file_of(fi));
    fuse_reply_err(req, 0);
}

// Everything that was done before is safe afterwards, in other files too.
static nt_status flush(const struct mount *m, const struct mount_file *file)
{
    hf_handle handle;
    if (m->options.readonly)
        return STATUS_SUCCESS;
    if (file->directory)
        return hf_flush(m->root);
    if (file->writable)
        return hf_flush(file->handle);
    // Linux lets readers flush what others wrote.
    nt_status status = hf_node_open(m->root, file->node, FILE_APPEND_DATA, &handle);
    if (status != STATUS_SUCCESS)
        return hf_flush(m->root);
    status = hf_flush(handle);
    (void)hf_close(handle);
    return status;
}

void mount_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
    (void)ino, (void)data_only;
    reply_status(req, flush(mount_of(req), file_of(fi)));
}

// --- data ----------------------------------------------------------------------------------------

// Direct reads may be short: what is good before a damaged unit.
static nt_status read_prefix(hf_handle handle, uint64_t offset, char *buffer, size_t length, size_t *done)
{
    size_t good = 0, part;
    nt_status status = STATUS_SUCCESS;
    while (status == STATUS_SUCCESS && good < length) {
        size_t step = UNIT - (size_t)((offset + good) % UNIT);
        step = step < length - good ? step : length - good;
        status = hf_read(handle, offset + good, buffer + good, step, &part);
        good += status == STATUS_SUCCESS ? part : 0;
    }
    *done = good;
    return good ? STATUS_SUCCESS : status;
}

void mount_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)ino;
    struct mount_file *file = file_of(fi);
    char *buffer = thread_buffer(size);
    size_t done;
    if (!buffer) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    nt_status status = hf_read(file->handle, (uint64_t)offset, buffer, size, &done);
    // A lock owner comes only with reads past the page cache; a mapping of such a file reads through it.
    if (status == STATUS_DATA_CHECKSUM_ERROR && fi->flags & O_DIRECT && fi->lock_owner)
        status = read_prefix(file->handle, (uint64_t)offset, buffer, size, &done);
    if (status == STATUS_SUCCESS || status == STATUS_END_OF_FILE)
        fuse_reply_buf(req, buffer, status == STATUS_SUCCESS ? done : 0);
    else
        reply_status(req, status);
}

void mount_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                 struct fuse_file_info *fi)
{
    (void)ino;
    struct mount *m = mount_of(req);
    struct mount_file *file = file_of(fi);
    size_t done = 0, part = 0;
    m->changed = true;
    nt_status status = mount_capability_drop(m, file->node);
    if (status == STATUS_SUCCESS && raw_current()->kill_privileges)
        status = mount_privileges_drop(m, file->node);
    while (status == STATUS_SUCCESS && done < size) {
        status = hf_write(file->handle, (uint64_t)offset + done, data + done, size - done, &part);
        done += part;
        if (status == STATUS_SUCCESS && part == 0)
            break;
    }
    // What the kernel writes from its cache it takes for written, however little was: only an error is told.
    if (done == size || (done > 0 && !fi->writepage))
        fuse_reply_write(req, done);
    else
        reply_status(req, status == STATUS_SUCCESS ? STATUS_DISK_FULL : status);
}

// --- control codes -------------------------------------------------------------------------------

bool caller_in_group(void *context, uint32_t gid)
{
    enum { GROUPS_MAX = 65536 };
    fuse_req_t req = context;
    bool found = fuse_req_ctx(req)->gid == gid;
    int count = found ? 0 : fuse_req_getgroups(req, 0, NULL);
    gid_t *groups = count > 0 && count <= GROUPS_MAX ? calloc((size_t)count, sizeof *groups) : NULL;
    int got = groups ? fuse_req_getgroups(req, count, groups) : 0;
    for (int i = 0; i < got && i < count; i++)
        found |= groups[i] == gid;
    free(groups);
    return found;
}

struct ioctl_answer {
    struct mount_task task;
    fuse_req_t req;
    int error;
    size_t length;
    unsigned char data[];
};

static void answer_send(struct mount *m, struct mount_task *task)
{
    struct ioctl_answer *answer = (struct ioctl_answer *)task;
    (void)m;
    if (answer->error)
        fuse_reply_err(answer->req, answer->error);
    else
        fuse_reply_ioctl(answer->req, 0, answer->length ? answer->data : NULL, answer->length);
    free(answer);
}

nt_status mount_door_writes(void *mount, uint64_t node, bool root)
{
    struct mount *m = mount;
    struct hf_attr attr;
    nt_status status = mount_capability_drop(m, node);
    if (status == STATUS_SUCCESS)
        status = hf_node_get(m->root, node, &attr);
    if (status == STATUS_SUCCESS && !root && S_ISREG(attr.mode & S_IFMT) && attr.mode & (S_ISUID | S_ISGID))
        status = mount_set(m, node, HF_ATTR_KILL, &attr);
    return status;
}

static struct call_fd fd_of(struct mount_file *file)
{
    return (struct call_fd){.key = (uint64_t)(uintptr_t)file,
                            .node = file->node,
                            .file = file->handle,
                            .directory = file->directory};
}

static void ioctl_serve(fuse_req_t req, struct mount_file *file, unsigned int command, const void *in,
                        size_t in_size, size_t out_size)
{
    struct mount *m = mount_of(req);
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    struct call_caller caller = {
        .uid = ctx->uid, .gid = ctx->gid, .in_group = caller_in_group, .context = req};
    struct call_fd fd = fd_of(file);
    struct ioctl_answer *answer = malloc(sizeof *answer + out_size);
    if (!answer) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    *answer = (struct ioctl_answer){.task.run = answer_send, .req = req};
    (void)mount_changes_noted();
    if (command == HF_CIFS_IOC_SET_INTEGRITY)
        answer->error = hf_status_to_errno(call_set_integrity(m->door, &caller, &fd));
    else if (HF_LINUX_IS_IOCTL(command))
        answer->error =
            call_serve(m->door, &caller, &fd, in, in_size, answer->data, out_size, &answer->length);
    else
        answer->error = ENOTTY;
    m->changed = true;
    // The kernel hears of changes before the caller hears that they were made.
    if (mount_changes_noted())
        mount_task_add(&m->tellings, &answer->task);
    else
        answer_send(m, &answer->task);
}

// A call about data that the kernel may not have written yet: it does so first, which only the notifier's
// thread may wait for.
struct ioctl_later {
    struct mount_task task;
    fuse_req_t req;
    struct mount_file *file;
    uint64_t node;
    unsigned int command;
    size_t in_size, out_size;
    unsigned char in[];
};

static void ioctl_after_writing(struct mount *m, struct mount_task *task)
{
    struct ioctl_later *later = (struct ioctl_later *)task;
    mount_tell_node(m, later->node, true);
    ioctl_serve(later->req, later->file, later->command, later->in, later->in_size, later->out_size);
    free(later);
}

void mount_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int command, void *arg, struct fuse_file_info *fi,
                 unsigned int flags, const void *in, size_t in_size, size_t out_size)
{
    (void)arg, (void)ino, (void)flags;
    struct mount *m = mount_of(req);
    struct mount_file *file = file_of(fi);
    struct call_fd fd = fd_of(file);
    uint64_t node = HF_LINUX_IS_IOCTL(command) ? call_data_node(m->door, &fd, in, in_size) : 0;
    if (!node || !mount_has_writer(m, node)) {
        ioctl_serve(req, file, command, in, in_size, out_size);
        return;
    }
    struct ioctl_later *later = malloc(sizeof *later + in_size);
    if (!later) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    *later = (struct ioctl_later){.task.run = ioctl_after_writing,
                                  .req = req,
                                  .file = file,
                                  .node = node,
                                  .command = command,
                                  .in_size = in_size,
                                  .out_size = out_size};
    memcpy(later->in, in, in_size);
    mount_task_add(&m->tellings, &later->task);
}
