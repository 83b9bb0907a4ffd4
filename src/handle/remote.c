// SPDX-License-Identifier: Apache-2.0
// A volume behind a mount: a driver that is drive and file system in one and packs each request into a call
// through the mount (holdfast/linux.h). What the kernel may have in its cache takes the kernel's way instead:
// data of ordinary files is read and written on a descriptor of the file, and where a request changes data or
// size behind the kernel, the kernel writes back first and hears of the new size afterwards. Where the kernel
// cannot open the file (a named stream, shares that refuse it), data goes through the call too.
// docs/adr/0014.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle/handle.h"

enum {
    DATA_MAX = HF_LINUX_MESSAGE_MAX - sizeof(struct hf_linux_call), // what one message carries
    OPEN_TRIES = 20,
    OPEN_WAIT_MS = 10,
    LOCK_WAIT_MS = 20,
};

struct remote {
    struct remote_link link;
};

struct remote_file {
    u64 handle;
    int data; // the kernel's own open file; -1: there is none, data goes through the call
    int path; // names the file to the kernel, which must hear of a new size; or -1
    bool writable;
    _Atomic bool grown; // written through the call: the kernel's size may be an old one
    struct range_locks locks;
};

static struct remote *remote_of(const struct device *device)
{
    return device->extension;
}

static struct remote_file *file_of(const struct file_object *file)
{
    return file ? file->context : NULL;
}

// --- one call ------------------------------------------------------------------------------------

static nt_status link_error(int error)
{
    status_set_text("the mount does not answer: %s", strerror(error));
    return HF_LINUX_NOT_A_MOUNT(error) ? STATUS_INVALID_DEVICE_REQUEST : STATUS_DEVICE_NOT_CONNECTED;
}

// head->out_length becomes what is in out.
static nt_status call(const struct remote *r, struct hf_linux_call *head, const void *in, size_t in_length,
                      void *out, size_t out_length)
{
    char text[512];
    struct hf_linux_call ask = *head;
    int error;
    if (in_length > UINT32_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    do { // interrupted: the mount has not seen it
        *head = ask;
        head->in_length = (u32)in_length;
        head->out_length = (u32)MIN(out_length, HF_LINUX_BUFFER_MAX);
        error = hf_linux_exchange(r->link.send, r->link.context, head, in, out, text, sizeof text);
    } while (error == EINTR);
    if (error)
        return link_error(error);
    if (text[0])
        status_set_text("%s", text);
    return (nt_status)(int)head->status;
}

static struct hf_linux_call head_of(const struct irp *irp, enum hf_linux_op op)
{
    const struct remote_file *f = file_of(irp->file);
    return (struct hf_linux_call){.op = (u16)op, .handle = f ? f->handle : 0, .privileges = irp->privileges};
}

// --- what the kernel knows -----------------------------------------------------------------------

static nt_status errno_status(int error)
{
    return error == EIO || error == 0 ? STATUS_IO_DEVICE_ERROR : status_from_errno(error);
}

// What programs wrote, and the kernel still holds, reaches the volume.
static void write_back(const struct remote_file *f)
{
    if (f->data >= 0)
        (void)sync_file_range(
            f->data, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

static nt_status query_size(const struct remote *r, const struct irp *irp, u64 *size)
{
    FILE_STANDARD_INFORMATION info = {0};
    struct hf_linux_call head = head_of(irp, HF_LINUX_QUERY);
    head.code = FileStandardInformation;
    TRY(call(r, &head, NULL, 0, &info, sizeof info));
    *size = (u64)info.EndOfFile;
    return STATUS_SUCCESS;
}

// The kernel takes no size but its own while it knows a file, so it has to set it itself. grown: only a
// larger one, since others may have written behind the end meanwhile.
static void size_tell(const struct remote *r, const struct irp *irp, const struct remote_file *f, bool grown)
{
    u64 size;
    struct stat st;
    if ((f->path < 0 && (f->data < 0 || !f->writable)) || query_size(r, irp, &size) != STATUS_SUCCESS)
        return;
    if (grown && fstat(f->path >= 0 ? f->path : f->data, &st) == 0 && (u64)st.st_size >= size)
        return;
    if (f->path >= 0) {
        char name[40];
        snprintf(name, sizeof name, "/proc/self/fd/%d", f->path);
        (void)!truncate(name, (off_t)size);
    } else {
        (void)!ftruncate(f->data, (off_t)size);
    }
}

static struct timespec timespec_of(i64 ticks)
{
    const i64 second = 10000000, epoch = 11644473600; // 1970 in seconds since 1601
    if (ticks <= 0)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){.tv_sec = ticks / second - epoch, .tv_nsec = ticks % second * 100};
}

// The same for times: of a file it knows, it has the time of writing itself, and would put that back. Only
// the volume knows the other times; it is told all of them afterwards.
static void times_tell(const struct irp *irp, const struct remote_file *f)
{
    FILE_BASIC_INFORMATION info;
    char name[40];
    if (irp->p.set.length < sizeof info || (f->data < 0 && f->path < 0))
        return;
    memcpy(&info, irp->p.set.data, sizeof info);
    struct timespec times[] = {timespec_of(info.LastAccessTime), timespec_of(info.LastWriteTime)};
    snprintf(name, sizeof name, "/proc/self/fd/%d", f->data >= 0 ? f->data : f->path);
    if (info.LastWriteTime > 0)
        (void)!utimensat(AT_FDCWD, name, times, 0);
}

static void data_forget(const struct remote_file *f)
{
    if (f->data >= 0)
        (void)posix_fadvise(f->data, 0, 0, POSIX_FADV_DONTNEED);
}

static void data_close(struct remote_file *f)
{
    remote_unlock_all(&f->locks, f->data);
    if (f->data >= 0)
        close(f->data);
    if (f->path >= 0)
        close(f->path);
    f->data = f->path = -1;
}

// --- create --------------------------------------------------------------------------------------

// The path on the volume, if the mount shows it, for openat on the mount's root.
static const char *path_shown(const struct remote *r, const char *path)
{
    size_t below = strlen(r->link.below);
    if (r->link.base < 0 || strncmp(path, r->link.below, below) != 0 || path[below] != '/')
        return NULL;
    return path + below + 1;
}

static int open_same(const struct remote *r, const char *path, int flags, u64 node)
{
    struct stat st;
    int fd = openat(r->link.base, path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == node)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

// Let the kernel open what the call has opened. It may not be able to; then data goes the other way.
static void data_open(const struct remote *r, const struct irp *irp, struct remote_file *f,
                      const struct hf_linux_opened *opened, const char *path)
{
    u32 access = irp->p.create.access, action = (u32)irp->information;
    bool reads = access & FILE_READ_DATA, writes = access & (FILE_WRITE_DATA | FILE_APPEND_DATA);
    bool overwritten = action == FILE_OVERWRITTEN || action == FILE_SUPERSEDED;
    bool dates = access & FILE_WRITE_ATTRIBUTES;
    const char *shown = path_shown(r, path);
    if (!shown || (!reads && !writes && !overwritten && !dates) || opened->reparse_tag ||
        opened->attributes & FILE_ATTRIBUTE_DIRECTORY || strchr(path, '\\'))
        return;
    f->writable = writes;
    // A file that goes with its handle must not be held by the kernel, which lets go of it a little later.
    bool goes = irp->p.create.options & FILE_DELETE_ON_CLOSE;
    if ((reads || writes) && !goes)
        f->data = open_same(r, shown, writes && reads ? O_RDWR : writes ? O_WRONLY : O_RDONLY, opened->node);
    if (f->data < 0 && (writes || overwritten || dates))
        f->path = open_same(r, shown, O_PATH, opened->node);
    if (overwritten)
        size_tell(r, irp, f, false);
}

// stripped: what was left off the path that the answer's offsets count in.
static nt_status stopped_take(const u8 *answer, u32 length, u32 stripped, struct irp_reparse *reparse)
{
    u32 shift = stripped ? stripped + 1 : 0;
    struct hf_linux_stopped stopped;
    if (length < sizeof stopped)
        return STATUS_INTERNAL_ERROR;
    memcpy(&stopped, answer, sizeof stopped);
    if (!reparse || stopped.length != length - sizeof stopped ||
        stopped.length > MAXIMUM_REPARSE_DATA_BUFFER_SIZE)
        return reparse ? STATUS_INTERNAL_ERROR : STATUS_IO_REPARSE_TAG_NOT_HANDLED;
    *reparse = (struct irp_reparse){.buffer = reparse->buffer,
                                    .length = stopped.length,
                                    .consumed = stopped.consumed + shift,
                                    .parent = stopped.parent ? stopped.parent + shift : stripped,
                                    .directory = stopped.directory};
    memcpy(reparse->buffer, answer + sizeof stopped, stopped.length);
    return STATUS_REPARSE;
}

// As the kernel has it: asking umask() for it would change it for other threads.
static u32 umask_now(void)
{
    char line[128];
    unsigned mask = 022;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Umask: %o", &mask) == 1)
            break;
    if (file)
        fclose(file);
    return mask & 0777;
}

static struct hf_linux_open ask_of(const struct irp *irp)
{
    u32 disposition = irp->p.create.disposition;
    bool creates = disposition != FILE_OPEN && disposition != FILE_OVERWRITE;
    const struct remote_file *related = file_of(irp->p.create.related);
    return (struct hf_linux_open){
        .related = related ? related->handle : 0,
        .flags = (irp->p.create.opens_root ? HF_LINUX_OPEN_PATH : (u32)HF_LINUX_OPEN_VOLUME) |
                 (irp->p.create.separator == '/' ? 0 : (u32)HF_LINUX_OPEN_WINDOWS) |
                 (irp->p.create.target_directory ? (u32)HF_LINUX_OPEN_PARENT : 0),
        .access = irp->p.create.access,
        .share = irp->p.create.share,
        .disposition = disposition,
        .options = irp->p.create.options,
        .attributes = irp->p.create.attributes,
        .umask = creates ? umask_now() : 0,
    };
}

// The kernel lets go of a file some time after its last descriptor was closed; until then shares and
// deletions wait for it.
static nt_status create_call(const struct remote *r, struct irp *irp, const u8 *ask, size_t ask_length,
                             u8 *answer, size_t *length)
{
    for (int tries = OPEN_TRIES;; tries--) {
        struct hf_linux_call head = head_of(irp, HF_LINUX_OPEN);
        head.handle = 0;
        nt_status status = call(r, &head, ask, ask_length, answer, *length);
        bool wait = status == STATUS_SHARING_VIOLATION || status == STATUS_DELETE_PENDING;
        if (!wait || tries <= 1 || r->link.base < 0) {
            *length = head.out_length;
            irp->information = head.information;
            return status;
        }
        TRY(irp_wait(irp, OPEN_WAIT_MS));
    }
}

static nt_status create_take(const struct remote *r, struct irp *irp, u8 *answer, size_t length)
{
    struct hf_linux_opened opened;
    if (length < sizeof opened)
        return STATUS_INTERNAL_ERROR;
    memcpy(&opened, answer, sizeof opened);
    struct remote_file *f = malloc(sizeof *f);
    if (!f) {
        struct hf_linux_call head = {.op = HF_LINUX_CLOSE, .handle = opened.handle};
        TRY(call(r, &head, NULL, 0, NULL, 0));
        return STATUS_NO_MEMORY;
    }
    *f = (struct remote_file){.handle = opened.handle, .data = -1, .path = -1};
    pthread_mutex_init(&f->locks.mutex, NULL);
    irp->file->context = f;
    char *path = (char *)answer + sizeof opened;
    path[length - sizeof opened] = 0;
    // A path with ':' may name a stream, in Windows' spelling; then it is the kernel's file only if it has
    // that name.
    if (irp->p.create.opens_root && !irp->p.create.target_directory &&
        !(irp->p.create.separator == '\\' && strchr(path, ':')))
        data_open(r, irp, f, &opened, path);
    return STATUS_SUCCESS;
}

// The door's paths begin at the descriptor's directory: take that from the path. Its length, or UINT32_MAX
// for a path that leads elsewhere.
static u32 path_strip(const struct remote *r, char separator, struct str *path)
{
    const char *start = r->link.start ? r->link.start : r->link.below;
    u32 length = (u32)strlen(start);
    if (length == 0)
        return 0;
    start++, length--;
    if (path->len < length || (path->len > length && path->p[length] != separator))
        return UINT32_MAX;
    for (u32 i = 0; i < length; i++)
        if (path->p[i] != (start[i] == '/' ? separator : start[i]))
            return UINT32_MAX;
    u32 skip = MIN(length + 1, path->len);
    *path = (struct str){path->p + skip, path->len - skip};
    return length;
}

static nt_status create(struct device *device, struct irp *irp)
{
    enum { ANSWER = 1 << 17 };
    struct remote *r = remote_of(device);
    struct hf_linux_open ask = ask_of(irp);
    struct str path = irp->p.create.path;
    char digits[24];
    u64 node = irp->p.create.node;
    u32 stripped = 0;
    if (irp->p.create.what) // as all requests by number but an open
        return STATUS_INVALID_DEVICE_REQUEST;
    if (!node && irp->p.create.options & FILE_OPEN_BY_FILE_ID) {
        if (path.len != sizeof node)
            return STATUS_INVALID_PARAMETER;
        node = get_le64(path.p);
    }
    if (node) {
        ask.options |= FILE_OPEN_BY_FILE_ID;
        path = (struct str){digits, (u32)snprintf(digits, sizeof digits, "%llu", (unsigned long long)node)};
    } else if (!irp->p.create.related && irp->p.create.opens_root) {
        stripped = path_strip(r, irp->p.create.separator, &path);
        if (stripped == UINT32_MAX)
            return STATUS_OBJECT_PATH_NOT_FOUND;
    }
    SCOPE_FREE u8 *message = malloc(sizeof ask + path.len), *answer = malloc(ANSWER);
    if (!message || !answer)
        return STATUS_NO_MEMORY;
    memcpy(message, &ask, sizeof ask);
    memcpy(message + sizeof ask, path.len ? path.p : "", path.len);
    size_t length = ANSWER - 1;
    nt_status status = create_call(r, irp, message, sizeof ask + path.len, answer, &length);
    if (status == STATUS_STOPPED_ON_SYMLINK)
        return stopped_take(answer, (u32)length, stripped, irp->p.create.reparse);
    if (strlen(status_text()) == path.len && memcmp(status_text(), path.p ? path.p : "", path.len) == 0)
        status_clear_text(); // the path as it was sent: whoever asked knows it in full
    TRY(status);
    return create_take(r, irp, answer, length);
}

// Here, and not in close: the file may go with this handle, and a request that still runs must find it.
static nt_status cleanup(struct device *device, struct irp *irp)
{
    struct remote *r = remote_of(device);
    struct remote_file *f = file_of(irp->file);
    if (!f)
        return STATUS_SUCCESS;
    if (atomic_load(&f->grown))
        size_tell(r, irp, f, true);
    data_close(f);
    struct hf_linux_call head = head_of(irp, HF_LINUX_CLOSE);
    return call(r, &head, NULL, 0, NULL, 0);
}

static nt_status close_file(struct device *device, struct irp *irp)
{
    struct remote_file *f = file_of(irp->file);
    (void)device;
    if (f)
        pthread_mutex_destroy(&f->locks.mutex);
    free(f);
    irp->file->context = NULL;
    return STATUS_SUCCESS;
}

// --- data ----------------------------------------------------------------------------------------

static nt_status read_call(const struct remote *r, struct irp *irp)
{
    u8 *data = irp->p.read.data;
    size_t length = irp->p.read.length, done = 0;
    do {
        struct hf_linux_call head = head_of(irp, HF_LINUX_READ);
        size_t piece = MIN(length - done, DATA_MAX);
        head.offset = irp->p.read.offset + done;
        nt_status status = call(r, &head, NULL, 0, data + done, piece);
        if (status == STATUS_END_OF_FILE && done > 0)
            return STATUS_SUCCESS;
        if (status != STATUS_SUCCESS) { // all or nothing, as the volume reads
            irp->information = 0;
            return status;
        }
        done += head.out_length;
        irp->information = done;
        if (head.out_length < piece)
            break;
    } while (done < length);
    return STATUS_SUCCESS;
}

static nt_status read_kernel(const struct remote *r, struct irp *irp, struct remote_file *f)
{
    u8 *data = irp->p.read.data;
    size_t length = irp->p.read.length, done = 0;
    u64 offset = irp->p.read.offset;
    TRY(remote_lock_check(&f->locks, f->data, offset, length, false));
    while (done < length) {
        ssize_t n = pread(f->data, data + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) // the kernel has one word for all that is wrong; the volume knows more
            return read_call(r, irp);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    irp->information = done;
    return done == 0 && length > 0 ? STATUS_END_OF_FILE : STATUS_SUCCESS;
}

static nt_status read_file(struct device *device, struct irp *irp)
{
    struct remote_file *f = file_of(irp->file);
    if (!f)
        return STATUS_INVALID_PARAMETER;
    return f->data >= 0 && irp->p.read.length > 0 ? read_kernel(remote_of(device), irp, f)
                                                  : read_call(remote_of(device), irp);
}

static nt_status write_call(const struct remote *r, struct irp *irp, struct remote_file *f)
{
    const u8 *data = irp->p.write.data;
    size_t length = irp->p.write.length, done = 0;
    bool append = irp->p.write.offset == UINT64_MAX;
    do {
        struct hf_linux_call head = head_of(irp, HF_LINUX_WRITE);
        // What is appended goes in as few steps as there can be: others may append too.
        size_t piece = MIN(length - done, append ? (size_t)HF_LINUX_BUFFER_MAX : DATA_MAX);
        head.offset = append ? UINT64_MAX : irp->p.write.offset + done;
        nt_status status = call(r, &head, data + done, piece, NULL, 0);
        if (!HF_STATUS_IS_ERROR(status))
            atomic_store(&f->grown, true);
        TRY(status);
        done += head.information;
        irp->information = done;
        if (head.information < piece)
            break;
    } while (done < length);
    return STATUS_SUCCESS;
}

static nt_status write_kernel(struct irp *irp, struct remote_file *f)
{
    const u8 *data = irp->p.write.data;
    size_t length = irp->p.write.length, done = 0;
    u64 offset = irp->p.write.offset;
    bool append = offset == UINT64_MAX || !(irp->file->access & FILE_WRITE_DATA);
    int flags = (append ? RWF_APPEND : 0) | (irp->file->options & FILE_WRITE_THROUGH ? RWF_DSYNC : 0);
    if (!append)
        TRY(remote_lock_check(&f->locks, f->data, offset, length, true));
    while (done < length) {
        struct iovec iov = {(u8 *)(uintptr_t)data + done, length - done};
        ssize_t n = pwritev2(f->data, &iov, 1, append ? 0 : (off_t)(offset + done), flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && done == 0)
            return errno_status(errno);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    irp->information = done;
    return STATUS_SUCCESS;
}

static nt_status write_file(struct device *device, struct irp *irp)
{
    struct remote_file *f = file_of(irp->file);
    if (!f)
        return STATUS_INVALID_PARAMETER;
    return f->data >= 0 && f->writable && irp->p.write.length > 0 ? write_kernel(irp, f)
                                                                  : write_call(remote_of(device), irp, f);
}

static nt_status flush(struct device *device, struct irp *irp)
{
    struct remote *r = remote_of(device);
    struct remote_file *f = file_of(irp->file);
    if (!f)
        return STATUS_INVALID_PARAMETER;
    if (atomic_exchange(&f->grown, false))
        size_tell(r, irp, f, true);
    if (f->data >= 0 && fsync(f->data) != 0)
        return errno_status(errno);
    struct hf_linux_call head = head_of(irp, HF_LINUX_FLUSH);
    return call(r, &head, NULL, 0, NULL, 0);
}

// --- information ---------------------------------------------------------------------------------

static nt_status simple(const struct remote *r, struct irp *irp, enum hf_linux_op op, u32 code,
                        const void *in, size_t in_length, void *out, size_t out_length)
{
    struct hf_linux_call head = head_of(irp, op);
    if (!head.handle)
        return STATUS_INVALID_DEVICE_REQUEST;
    head.code = code;
    nt_status status = call(r, &head, in, in_length, out, out_length);
    irp->information = head.out_length;
    return status;
}

static nt_status query(struct device *device, struct irp *irp)
{
    bool volume = irp->major == IRP_MJ_QUERY_VOLUME_INFORMATION;
    if (file_of(irp->file) && !volume)
        write_back(file_of(irp->file));
    return simple(remote_of(device), irp, volume ? HF_LINUX_QUERY_VOLUME : HF_LINUX_QUERY,
                  irp->p.query.class_, NULL, 0, irp->p.query.data, irp->p.query.length);
}

static nt_status set_name(const struct remote *r, struct irp *irp)
{
    const struct remote_file *directory = file_of(irp->p.set.target);
    struct str name = irp->p.set.name;
    if (!directory)
        return STATUS_INVALID_PARAMETER;
    struct hf_linux_target target = {.directory = directory->handle, .flags = irp->p.set.flags};
    SCOPE_FREE u8 *in = malloc(sizeof target + name.len);
    if (!in)
        return STATUS_NO_MEMORY;
    memcpy(in, &target, sizeof target);
    memcpy(in + sizeof target, name.p, name.len);
    bool link = irp->p.set.class_ == FileLinkInformation || irp->p.set.class_ == FileLinkInformationEx;
    return simple(r, irp, link ? HF_LINUX_LINK : HF_LINUX_RENAME, 0, in, sizeof target + name.len, NULL, 0);
}

static nt_status set(struct device *device, struct irp *irp)
{
    struct remote *r = remote_of(device);
    struct remote_file *f = file_of(irp->file);
    u32 class_ = irp->p.set.class_;
    if (!f)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (irp->major == IRP_MJ_SET_VOLUME_INFORMATION)
        return simple(r, irp, HF_LINUX_SET_LABEL, 0, irp->p.set.name.p, irp->p.set.name.len, NULL, 0);
    if (irp->p.set.target)
        return set_name(r, irp);
    write_back(f);
    if (class_ == FileBasicInformation)
        times_tell(irp, f);
    TRY(simple(r, irp, HF_LINUX_SET, class_, irp->p.set.data, irp->p.set.length, NULL, 0));
    if (class_ == FileEndOfFileInformation || class_ == FileAllocationInformation)
        size_tell(r, irp, f, false);
    return STATUS_SUCCESS;
}

// Where an entry of a directory class has the length of its name (32 bits) and the name; false: not known
// here.
static bool entry_layout(u32 class_, size_t *length_at, size_t *name_at)
{
    static const struct {
        u32 class_;
        u16 length, name;
    } rows[] = {
        {FileDirectoryInformation, 60, 64},        {FileFullDirectoryInformation, 60, 68},
        {FileBothDirectoryInformation, 60, 94},    {FileNamesInformation, 8, 12},
        {FileIdBothDirectoryInformation, 60, 104}, {FileIdFullDirectoryInformation, 60, 80},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].class_ != class_)
            continue;
        *length_at = rows[i].length;
        *name_at = rows[i].name;
        return true;
    }
    return false;
}

// Programs follow the entries' offsets without asking, and what serves a mount may be anybody's program.
static nt_status listing_check(u32 class_, const u8 *data, size_t length)
{
    bool ours = class_ == FileHfDirectoryInformation;
    size_t next_at = ours ? offsetof(struct hf_dirent, next) : 0,
           length_at = offsetof(struct hf_dirent, name_length), name_at = offsetof(struct hf_dirent, name),
           at = 0;
    if (!ours && !entry_layout(class_, &length_at, &name_at))
        length_at = name_at = 4; // of others only the offsets
    while (length > 0) {
        if (length - at < name_at + ours)
            return STATUS_INTERNAL_ERROR;
        u32 name = length_at == name_at ? 0 : get_le32(data + at + length_at),
            next = get_le32(data + at + next_at);
        if (name > length - at - name_at - ours || (ours && data[at + name_at + name]))
            return STATUS_INTERNAL_ERROR;
        if (next == 0)
            break;
        if (next < name_at || next % 4 || next >= length - at)
            return STATUS_INTERNAL_ERROR;
        at += next;
    }
    return STATUS_SUCCESS;
}

static nt_status list(struct device *device, struct irp *irp)
{
    struct remote *r = remote_of(device);
    struct hf_linux_call head = head_of(irp, HF_LINUX_LIST);
    if (!head.handle)
        return STATUS_INVALID_DEVICE_REQUEST;
    head.code = irp->p.directory.class_;
    head.flags = (irp->p.directory.restart ? (u32)HF_LINUX_RESTART : 0) |
                 (irp->p.directory.single ? (u32)HF_LINUX_SINGLE : 0);
    // As many entries as one message carries; the caller asks again.
    nt_status status = call(r, &head, irp->p.directory.pattern.p, irp->p.directory.pattern.len,
                            irp->p.directory.data, MIN(irp->p.directory.length, DATA_MAX));
    if (status == STATUS_SUCCESS)
        TRY(listing_check(irp->p.directory.class_, irp->p.directory.data, head.out_length));
    irp->information = head.out_length;
    return status;
}

// --- control codes -------------------------------------------------------------------------------

// A clone's source is a handle of this process; the mount wants its own for it. copy holds the input with
// that.
static const void *source_translate(const struct device *device, const struct irp *irp, u8 *copy)
{
    u32 code = irp->p.control.code;
    bool extended = code == FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX;
    size_t length = irp->p.control.in_length;
    size_t at = extended ? offsetof(DUPLICATE_EXTENTS_DATA_EX, FileHandle)
                         : offsetof(DUPLICATE_EXTENTS_DATA, FileHandle);
    if ((code != FSCTL_DUPLICATE_EXTENTS_TO_FILE && !extended) || length < at + sizeof(u64) ||
        length > sizeof(DUPLICATE_EXTENTS_DATA_EX))
        return irp->p.control.in;
    const struct file_object *source = irp->p.control.source;
    const struct remote_file *f = source && source->device == device ? file_of(source) : NULL;
    u64 handle = f ? f->handle : 0;
    if (f)
        write_back(f);
    memcpy(copy, irp->p.control.in, length);
    memcpy(copy + at, &handle, sizeof handle);
    return copy;
}

static nt_status control(struct device *device, struct irp *irp)
{
    struct remote_file *f = file_of(irp->file);
    u32 code = irp->p.control.code;
    u8 copy[sizeof(DUPLICATE_EXTENTS_DATA_EX)];
    if (!f)
        return STATUS_INVALID_DEVICE_REQUEST;
    write_back(f);
    nt_status status =
        simple(remote_of(device), irp, HF_LINUX_CONTROL, code, source_translate(device, irp, copy),
               irp->p.control.in_length, irp->p.control.out, irp->p.control.out_length);
    if (ACCESS_FROM_CTL_CODE(code) & FILE_WRITE_ACCESS)
        data_forget(f);
    return status;
}

// --- locks ---------------------------------------------------------------------------------------

static nt_status lock_once(const struct remote *r, struct irp *irp, struct remote_file *f)
{
    u64 offset = irp->p.lock.offset, length = irp->p.lock.length;
    if (irp->minor == IRP_MN_UNLOCK_ALL) {
        remote_unlock_all(&f->locks, f->data);
        return STATUS_SUCCESS;
    }
    bool locks = irp->minor == IRP_MN_LOCK;
    if (f->data >= 0)
        return locks ? remote_lock(&f->locks, f->data, offset, length, irp->p.lock.exclusive)
                     : remote_unlock(&f->locks, f->data, offset, length);
    struct hf_linux_call head = head_of(irp, locks ? HF_LINUX_LOCK : HF_LINUX_UNLOCK);
    head.offset = offset;
    head.extra = length;
    head.flags = irp->p.lock.exclusive ? HF_LINUX_EXCLUSIVE : 0;
    return call(r, &head, NULL, 0, NULL, 0);
}

// Waiting is done here: a thread of the mount that waited would be missing there.
static nt_status lock(struct device *device, struct irp *irp)
{
    struct remote_file *f = file_of(irp->file);
    if (!f)
        return STATUS_INVALID_PARAMETER;
    for (;;) {
        nt_status status = lock_once(remote_of(device), irp, f);
        if (status != STATUS_LOCK_NOT_GRANTED || irp->minor != IRP_MN_LOCK || irp->p.lock.fail_immediately)
            return status;
        TRY(irp_wait(irp, LOCK_WAIT_MS));
    }
}

// --- the device ----------------------------------------------------------------------------------

static void destroy(struct device *device)
{
    struct remote *r = remote_of(device);
    if (r->link.close)
        r->link.close(r->link.context);
    if (r->link.base >= 0)
        close(r->link.base);
    free(r->link.below);
    free(r->link.start);
}

static const struct driver remote_driver = {
    .name = "remote",
    .dispatch =
        {
            [IRP_MJ_CREATE] = create,
            [IRP_MJ_CLEANUP] = cleanup,
            [IRP_MJ_CLOSE] = close_file,
            [IRP_MJ_READ] = read_file,
            [IRP_MJ_WRITE] = write_file,
            [IRP_MJ_FLUSH_BUFFERS] = flush,
            [IRP_MJ_QUERY_INFORMATION] = query,
            [IRP_MJ_SET_INFORMATION] = set,
            [IRP_MJ_QUERY_VOLUME_INFORMATION] = query,
            [IRP_MJ_SET_VOLUME_INFORMATION] = set,
            [IRP_MJ_DIRECTORY_CONTROL] = list,
            [IRP_MJ_FILE_SYSTEM_CONTROL] = control,
            [IRP_MJ_DEVICE_CONTROL] = control,
            [IRP_MJ_LOCK_CONTROL] = lock,
        },
    .destroy = destroy,
};

bool device_is_remote(const struct device *device)
{
    return device->driver == &remote_driver;
}

static void fd_close(void *context)
{
    close(*(int *)context);
    free(context);
}

// The directory itself if it can be read, for the calls; the mount's root, for openat.
static nt_status connect_mount(const char *path, struct remote_link *link)
{
    SCOPE_FREE struct place *place = malloc(sizeof *place);
    SCOPE_FREE int *fd = malloc(sizeof *fd);
    if (!place || !fd)
        return STATUS_NO_MEMORY;
    TRY(place_find(path, place));
    const char *start = place->below;
    *fd = open(place->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) {
        *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        start = strcmp(place->inside, "/") == 0 ? "" : place->inside;
    }
    if (*fd < 0) {
        status_set_text("%s: %s", place->point, strerror(errno));
        return status_from_errno(errno);
    }
    *link = (struct remote_link){.send = hf_linux_send_fd,
                                 .close = fd_close,
                                 .context = fd,
                                 .base = open(place->point, O_PATH | O_DIRECTORY | O_CLOEXEC),
                                 .below = strdup(place->below),
                                 .start = strdup(start)};
    fd = NULL;
    return STATUS_SUCCESS;
}

nt_status (*remote_connect)(const char *path, struct remote_link *link) = connect_mount;

nt_status remote_attach(const char *path, struct device **out)
{
    struct remote_link link = {.base = -1};
    struct device *device;
    *out = NULL;
    TRY(remote_connect(path, &link));
    nt_status status =
        link.below ? dev_new(&remote_driver, "mount", FILE_DEVICE_DISK, sizeof(struct remote), &device)
                   : STATUS_NO_MEMORY;
    struct remote r = {link};
    if (status != STATUS_SUCCESS) {
        if (link.close)
            link.close(link.context);
        if (link.base >= 0)
            close(link.base);
        free(link.below);
        free(link.start);
        return status;
    }
    *remote_of(device) = r;
    // Its own volume: whoever looks for what is mounted on the drive finds the drive.
    device->vpb = vpb_new(device);
    struct hf_linux_hello hello;
    struct hf_linux_call head = {.op = HF_LINUX_HELLO};
    if (device->vpb) {
        device->vpb->volume = device;
        device->vpb->flags = VPB_MOUNTED;
        status = call(&r, &head, NULL, 0, &hello, sizeof hello);
    } else {
        status = STATUS_NO_MEMORY;
    }
    if (status != STATUS_SUCCESS)
        dev_release(device);
    else
        *out = device;
    return status;
}
