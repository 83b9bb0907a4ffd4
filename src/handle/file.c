// SPDX-License-Identifier: Apache-2.0
// Requests on an open handle: read, write, flush, locks, information, rename, listings. Each checks the
// handle's granted access as the I/O manager does, then sends one IRP from the stack.
#include "handle/handle.h"

#include "base/text.h"

nt_status request_send(struct handle *handle, const _Atomic bool *cancel, struct irp *irp, size_t *done)
{
    irp->file = &handle->file;
    irp->privileges = hf_privileges();
    irp->cancel = cancel ? cancel : &handle->closing;
    nt_status status = dev_call(handle->file.device, irp);
    if (done)
        *done = HF_STATUS_IS_ERROR(status) ? 0 : (size_t)irp->information;
    return status;
}

// What every request begins with: the output cleared, the handle referenced, its access and the buffer
// checked.
static nt_status request_begin(hf_handle h, struct handle **handle, size_t *done)
{
    if (done)
        *done = 0;
    return handle_get(h, handle);
}

static nt_status access_check(const struct handle *handle, u32 needed)
{
    return (handle->file.access & needed) == needed ? STATUS_SUCCESS : STATUS_ACCESS_DENIED;
}

static nt_status buffer_check(const void *data, size_t length)
{
    return !data && length > 0 ? STATUS_ACCESS_VIOLATION : STATUS_SUCCESS;
}

// Offsets are signed 64-bit on Windows.
static nt_status range_check(u64 offset, size_t length)
{
    u64 end;
    return add_overflows(offset, length, &end) || end > INT64_MAX ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

// --- data ----------------------------------------------------------------------------------------

nt_status request_read(struct handle *handle, const _Atomic bool *cancel, u64 offset, void *data,
                       size_t length, size_t *done)
{
    TRY(access_check(handle, FILE_READ_DATA));
    TRY(buffer_check(data, length));
    TRY(range_check(offset, length));
    struct irp irp = {.major = IRP_MJ_READ, .p.read = {.data = data, .length = length, .offset = offset}};
    return request_send(handle, cancel, &irp, done);
}

nt_status hf_read(hf_handle h, uint64_t offset, void *data, size_t length, size_t *done)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, done));
    return request_read(handle, NULL, offset, data, length, done);
}

nt_status request_write(struct handle *handle, const _Atomic bool *cancel, u64 offset, const void *data,
                        size_t length, size_t *done)
{
    if (!(handle->file.access & (FILE_WRITE_DATA | FILE_APPEND_DATA)))
        return STATUS_ACCESS_DENIED;
    TRY(buffer_check(data, length));
    if (offset != HF_APPEND)
        TRY(range_check(offset, length));
    struct irp irp = {.major = IRP_MJ_WRITE,
                      .p.write = {.data = (void *)(uintptr_t)data, .length = length, .offset = offset}};
    return request_send(handle, cancel, &irp, done);
}

nt_status hf_write(hf_handle h, uint64_t offset, const void *data, size_t length, size_t *done)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, done));
    return request_write(handle, NULL, offset, data, length, done);
}

nt_status request_flush(struct handle *handle, const _Atomic bool *cancel)
{
    if (!(handle->file.access & (FILE_WRITE_DATA | FILE_APPEND_DATA)))
        return STATUS_ACCESS_DENIED;
    struct irp irp = {.major = IRP_MJ_FLUSH_BUFFERS};
    return request_send(handle, cancel, &irp, NULL);
}

nt_status hf_flush(hf_handle h)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, NULL));
    return request_flush(handle, NULL);
}

// --- locks ---------------------------------------------------------------------------------------

nt_status request_lock(struct handle *handle, const _Atomic bool *cancel, u64 offset, u64 length,
                       bool exclusive, bool wait)
{
    if (!(handle->file.access & (FILE_READ_DATA | FILE_WRITE_DATA)))
        return STATUS_ACCESS_DENIED;
    struct irp irp = {
        .major = IRP_MJ_LOCK_CONTROL,
        .minor = IRP_MN_LOCK,
        .p.lock = {.offset = offset, .length = length, .exclusive = exclusive, .fail_immediately = !wait}};
    return request_send(handle, cancel, &irp, NULL);
}

nt_status hf_lock(hf_handle h, uint64_t offset, uint64_t length, bool exclusive, bool wait)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, NULL));
    return request_lock(handle, NULL, offset, length, exclusive, wait);
}

nt_status hf_unlock(hf_handle h, uint64_t offset, uint64_t length)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, NULL));
    struct irp irp = {
        .major = IRP_MJ_LOCK_CONTROL, .minor = IRP_MN_UNLOCK, .p.lock = {.offset = offset, .length = length}};
    return request_send(handle, NULL, &irp, NULL);
}

// --- information ---------------------------------------------------------------------------------

// Access that a class needs, where it needs any (the I/O manager's table).
static const struct {
    u32 class_, query, set;
} class_access[] = {
    {FileBasicInformation, FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES},
    {FileAllInformation, FILE_READ_ATTRIBUTES, 0},
    {FileNetworkOpenInformation, FILE_READ_ATTRIBUTES, 0},
    {FileAttributeTagInformation, FILE_READ_ATTRIBUTES, 0},
    {FileStatInformation, FILE_READ_ATTRIBUTES, 0},
    {FileDispositionInformation, 0, DELETE},
    {FileDispositionInformationEx, 0, DELETE},
    {FileAllocationInformation, 0, FILE_WRITE_DATA},
    {FileEndOfFileInformation, 0, FILE_WRITE_DATA},
};

static nt_status class_check(const struct handle *handle, u32 class_, bool set)
{
    for (size_t i = 0; i < ARRAY_LEN(class_access); i++)
        if (class_access[i].class_ == class_)
            return access_check(handle, set ? class_access[i].set : class_access[i].query);
    return STATUS_SUCCESS;
}

nt_status hf_query(hf_handle h, uint32_t class_, void *out, size_t length, size_t *done)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, done));
    TRY(buffer_check(out, length));
    TRY(class_check(handle, class_, false));
    struct irp irp = {.major = IRP_MJ_QUERY_INFORMATION,
                      .p.query = {.class_ = class_, .data = out, .length = length}};
    return request_send(handle, NULL, &irp, done);
}

nt_status hf_set(hf_handle h, uint32_t class_, const void *in, size_t length)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, NULL));
    TRY(buffer_check(in, length));
    if (class_ == FileRenameInformation || class_ == FileLinkInformation ||
        class_ == FileRenameInformationEx || class_ == FileLinkInformationEx)
        return STATUS_INVALID_INFO_CLASS; // these need a resolved target: hf_rename, hf_link
    TRY(class_check(handle, class_, true));
    struct irp irp = {.major = IRP_MJ_SET_INFORMATION,
                      .p.set = {.class_ = class_, .data = in, .length = length}};
    return request_send(handle, NULL, &irp, NULL);
}

nt_status hf_query_volume(hf_handle h, uint32_t class_, void *out, size_t length, size_t *done)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, done));
    TRY(buffer_check(out, length));
    struct irp irp = {.major = IRP_MJ_QUERY_VOLUME_INFORMATION,
                      .p.query = {.class_ = class_, .data = out, .length = length}};
    return request_send(handle, NULL, &irp, done);
}

nt_status hf_set_label(hf_handle h, const char *label)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, NULL));
    TRY(access_check(handle, FILE_WRITE_DATA));
    size_t bytes = label ? strlen(label) : 0;
    if (bytes > NAME_BYTES)
        return STATUS_INVALID_PARAMETER;
    struct irp irp = {.major = IRP_MJ_SET_VOLUME_INFORMATION,
                      .p.set = {.class_ = FileFsLabelInformation, .name = {label ? label : "", (u32)bytes}}};
    return request_send(handle, NULL, &irp, NULL);
}

nt_status hf_delete(hf_handle h)
{
    FILE_DISPOSITION_INFORMATION info = {.DeleteFile = 1};
    return hf_set(h, FileDispositionInformation, &info, sizeof info);
}

nt_status hf_path(hf_handle h, char *out, size_t size)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, NULL));
    if (!out || size == 0)
        return STATUS_BUFFER_TOO_SMALL;
    size_t len = size - 1;
    nt_status status = file_path(&handle->file, out, &len);
    out[len] = 0;
    return status;
}

nt_status hf_stat(hf_handle h, struct hf_stat *st)
{
    if (!st)
        return STATUS_INVALID_PARAMETER;
    *st = (struct hf_stat){0};
    FILE_STAT_INFORMATION info;
    size_t done;
    TRY(hf_query(h, FileStatInformation, &info, sizeof info, &done));
    *st = (struct hf_stat){.id = (u64)info.FileId,
                           .size = (u64)info.EndOfFile,
                           .allocated = (u64)info.AllocationSize,
                           .created = (u64)info.CreationTime,
                           .accessed = (u64)info.LastAccessTime,
                           .written = (u64)info.LastWriteTime,
                           .changed = (u64)info.ChangeTime,
                           .attributes = info.FileAttributes,
                           .reparse_tag = info.ReparseTag,
                           .links = info.NumberOfLinks};
    return STATUS_SUCCESS;
}

// --- rename and link -----------------------------------------------------------------------------

// Where the new name goes: the opened parent, and the last component in open->name.path.
static nt_status target_open(const char *name, struct handle *root, struct open *open,
                             struct file_object *parent)
{
    *parent =
        (struct file_object){.access = FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | FILE_TRAVERSE | SYNCHRONIZE};
    if (root) {
        TRY(name_parse_relative(name, root->separator, &open->name));
        open->related = &root->file;
        open->name.entry = root->entry;
        entry_get_again(root->entry);
    } else {
        TRY(name_parse(name, &open->name));
    }
    if (open->name.path.len == 0) // a volume or a root directory
        return STATUS_OBJECT_NAME_INVALID;
    return open_create(open, parent);
}

static struct str last_component(const struct name *name)
{
    const char *separator = memrchr(name->path.p, name->separator, name->path.len);
    u32 at = separator ? (u32)(separator + 1 - name->path.p) : 0;
    return (struct str){name->path.p + at, name->path.len - at};
}

static nt_status name_set(struct handle *handle, struct handle *root, const char *name, u32 class_, u32 flags)
{
    struct open open = {.share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                        .disposition = FILE_OPEN,
                        .target_directory = true};
    struct file_object parent;
    nt_status status = target_open(name, root, &open, &parent);
    if (status == STATUS_SUCCESS) {
        struct irp irp = {.major = IRP_MJ_SET_INFORMATION,
                          .p.set = {.class_ = class_,
                                    .target = &parent,
                                    .name = last_component(&open.name),
                                    .separator = open.name.separator,
                                    .flags = flags}};
        status = parent.device == handle->file.device ? request_send(handle, NULL, &irp, NULL)
                                                      : STATUS_NOT_SAME_DEVICE;
        file_close(&parent, NULL);
    }
    if (status != STATUS_SUCCESS && name && !status_text()[0])
        status_set_text("%s", name);
    name_free(&open.name);
    return status;
}

static nt_status name_request(hf_handle h, hf_handle root_handle, const char *name, u32 class_, u32 access,
                              u32 flags)
{
    SCOPE_HANDLE struct handle *handle = NULL, *root = NULL;
    TRY(request_begin(h, &handle, NULL));
    if (root_handle)
        TRY(handle_get(root_handle, &root));
    TRY(access_check(handle, access));
    status_clear_text();
    return name_set(handle, root, name, class_, flags);
}

nt_status hf_rename(hf_handle h, hf_handle root, const char *name, uint32_t flags)
{
    return name_request(h, root, name, FileRenameInformationEx, DELETE, flags);
}

nt_status hf_link(hf_handle h, hf_handle root, const char *name, uint32_t flags)
{
    return name_request(h, root, name, FileLinkInformationEx, 0, flags);
}

// --- listings ------------------------------------------------------------------------------------

nt_status hf_query_directory(hf_handle h, uint32_t class_, const char *pattern, bool restart, bool single,
                             void *out, size_t length, size_t *done)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(request_begin(h, &handle, done));
    TRY(access_check(handle, FILE_LIST_DIRECTORY));
    TRY(buffer_check(out, length));
    size_t bytes = pattern ? strlen(pattern) : 0, units;
    if (bytes > TEXT_NAME_BYTES)
        return STATUS_OBJECT_NAME_INVALID;
    struct str text = {pattern ? pattern : "", (u32)bytes};
    TRY(text_units(text, &units));
    struct irp irp = {.major = IRP_MJ_DIRECTORY_CONTROL,
                      .minor = IRP_MN_QUERY_DIRECTORY,
                      .p.directory = {.class_ = class_,
                                      .pattern = text,
                                      .restart = restart,
                                      .single = single,
                                      .data = out,
                                      .length = length}};
    return request_send(handle, NULL, &irp, done);
}

nt_status hf_list(hf_handle h, const char *pattern, bool restart, void *out, size_t length, size_t *done)
{
    nt_status status =
        hf_query_directory(h, FileHfDirectoryInformation, pattern, restart, false, out, length, done);
    // That nothing matches at all is a status of its own only for Windows' classes.
    return status == STATUS_NO_SUCH_FILE ? STATUS_NO_MORE_FILES : status;
}
