// SPDX-License-Identifier: Apache-2.0
// A create from name to file object: mounts what must be mounted, sends IRP_MJ_CREATE, and when the file
// system meets a link (STATUS_REPARSE) rewrites the name and starts again, as the I/O manager does
// (spec/reparse.md 4).
#include "handle/handle.h"

#include "base/text.h"

// 63 links on a path; one with a complete target counts twice, so 31 of those (spec/reparse.md 4.4).
enum { LINK_BUDGET = 63, COST_RELATIVE = 1, COST_ABSOLUTE = 2 };

struct link {
    bool relative;
    struct str target; // UTF-8, as stored, '\' between components
    char *memory;
};

// --- one create ----------------------------------------------------------------------------------

// Opens with these rights only do not mount: they ask about the drive, not about the medium
// (spec/storage.md 1.1).
enum { ATTRIBUTE_ACCESS = FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE };

// Where the create goes, referenced. raw: to the drive itself.
static nt_status pick_device(const struct open *open, u32 access, bool raw, struct device **out)
{
    *out = NULL;
    if (open->related) {
        *out = open->related->device;
        dev_reference(*out);
        return STATUS_SUCCESS;
    }
    struct device *real = open->name.entry->device;
    nt_status status = STATUS_SUCCESS;
    raw |= open->name.entry->kind == DRIVE_TAPE || (open->name.volume && (access & ~ATTRIBUTE_ACCESS) == 0);
    if (!raw)
        status = dev_mount(real, out);
    if (*out)
        return STATUS_SUCCESS;
    if (!open->name.volume)
        return status == STATUS_SUCCESS ? STATUS_UNRECOGNIZED_VOLUME : status;
    *out = real; // whatever kept the medium from being mounted: the drive can be asked about it
    dev_reference(real);
    return STATUS_SUCCESS;
}

static nt_status create_once(struct open *open, bool raw, struct irp_reparse *reparse,
                             struct file_object *file)
{
    struct device *device;
    TRY(pick_device(open, file->access, raw, &device));
    file->device = device;
    file->share = open->share;
    file->options = open->options;
    file->volume_open = open->name.volume && !open->related;
    struct irp irp = {.major = IRP_MJ_CREATE,
                      .file = file,
                      .privileges = hf_privileges(),
                      .p.create = {.path = open->name.path,
                                   .separator = open->name.separator,
                                   .opens_root = !file->volume_open,
                                   .target_directory = open->target_directory,
                                   .related = open->related,
                                   .access = file->access,
                                   .share = open->share,
                                   .disposition = open->disposition,
                                   .options = open->options,
                                   .attributes = open->attributes,
                                   .reparse = reparse}};
    nt_status status = dev_call(device, &irp);
    if (status == STATUS_SUCCESS) {
        open->action = (u32)irp.information;
        return status;
    }
    dev_release(device);
    file->device = NULL;
    return status;
}

void file_close(struct file_object *file, const _Atomic bool *cancel)
{
    // A close cannot be refused: what these two answer is in the trace.
    for (enum irp_major major = IRP_MJ_CLEANUP; major <= IRP_MJ_CLOSE; major++) {
        struct irp irp = {.major = major, .file = file, .privileges = hf_privileges(), .cancel = cancel};
        nt_status status = dev_call(file->device, &irp);
        (void)status;
    }
    dev_release(file->device);
    file->device = NULL;
}

// --- links ---------------------------------------------------------------------------------------

// The substitute name of a symbolic link or mount point. The file system checked the buffer when it was set,
// but it comes from a disk.
static nt_status link_decode(const struct irp_reparse *reparse, struct link *link)
{
    const u8 *b = reparse->buffer;
    *link = (struct link){0};
    if (reparse->length < REPARSE_DATA_BUFFER_HEADER_SIZE)
        return STATUS_IO_REPARSE_DATA_INVALID;
    u32 tag = get_le32(b), names;
    if (tag == IO_REPARSE_TAG_SYMLINK)
        names = offsetof(REPARSE_DATA_BUFFER, u.SymbolicLinkReparseBuffer.PathBuffer);
    else if (tag == IO_REPARSE_TAG_MOUNT_POINT)
        names = offsetof(REPARSE_DATA_BUFFER, u.MountPointReparseBuffer.PathBuffer);
    else
        return STATUS_IO_REPARSE_TAG_NOT_HANDLED;
    if (reparse->length < names || reparse->length > MAXIMUM_REPARSE_DATA_BUFFER_SIZE)
        return STATUS_IO_REPARSE_DATA_INVALID;
    u32 offset = get_le16(b + offsetof(REPARSE_DATA_BUFFER, u.MountPointReparseBuffer.SubstituteNameOffset));
    u32 length = get_le16(b + offsetof(REPARSE_DATA_BUFFER, u.MountPointReparseBuffer.SubstituteNameLength));
    if (offset + length > reparse->length - names || length == 0 || length % 2 != 0)
        return STATUS_IO_REPARSE_DATA_INVALID;
    link->relative = tag == IO_REPARSE_TAG_SYMLINK &&
                     (get_le32(b + offsetof(REPARSE_DATA_BUFFER, u.SymbolicLinkReparseBuffer.Flags)) &
                      SYMLINK_FLAG_RELATIVE);
    size_t bytes = (size_t)length / 2 * 3;
    link->memory = malloc(bytes);
    if (!link->memory)
        return STATUS_NO_MEMORY;
    nt_status status = text_from_utf16(b + names + offset, length / 2, link->memory, &bytes);
    link->target = (struct str){link->memory, (u32)bytes};
    if (status == STATUS_SUCCESS && memchr(link->memory, 0, bytes))
        status = STATUS_OBJECT_NAME_INVALID;
    if (status != STATUS_SUCCESS)
        free(link->memory);
    return status;
}

static bool has_prefix(struct str text, struct str prefix)
{
    return text.len >= prefix.len && memcmp(text.p, prefix.p, prefix.len) == 0;
}

static struct str str_from(struct str text, u32 at)
{
    return (struct str){text.p + at, text.len - at};
}

// Rules for targets that hold for every open (the table in spec/reparse.md 4.2). '/' is never a separator.
static nt_status target_check(const struct link *link, bool directory)
{
    struct str target = link->target;
    bool nt_path = has_prefix(target, STR("\\??\\"));
    if (memchr(target.p, '/', target.len))
        return STATUS_OBJECT_NAME_INVALID;
    if (!link->relative)
        return nt_path || has_prefix(target, STR("\\Device\\")) ? STATUS_SUCCESS : STATUS_OBJECT_NAME_INVALID;
    if (nt_path || memmem(target.p, target.len, "\\\\", 2))
        return STATUS_OBJECT_NAME_INVALID;
    if (!directory && target.p[target.len - 1] == '\\')
        return STATUS_OBJECT_NAME_INVALID;
    return STATUS_SUCCESS;
}

// \??\X:\dir -> the drive and the rest. A target that leads nowhere is a name that was not found.
static nt_status target_split(struct str target, struct drive_entry **entry, struct str *path)
{
    *entry = NULL;
    *path = (struct str){0};
    if (!has_prefix(target, STR("\\??\\")))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    target = str_from(target, 4);
    struct str device = {0};
    path_next(&target, '\\', &device);
    if (target.len > 0 && target.p[target.len - 1] == '\\')
        target.len--;
    TRY(path_check(target, '\\'));
    nt_status status = entry_get(device, entry);
    if (status == STATUS_OBJECT_PATH_NOT_FOUND)
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    *path = target;
    return status;
}

nt_status file_path(struct file_object *file, char *out, size_t *len)
{
    struct irp irp = {.major = IRP_MJ_QUERY_INFORMATION,
                      .file = file,
                      .privileges = hf_privileges(),
                      .p.query = {.class_ = FileHfNameInformation, .data = out, .length = *len}};
    *len = 0;
    nt_status status = dev_call(file->device, &irp);
    if (status == STATUS_BUFFER_OVERFLOW)
        return STATUS_BUFFER_TOO_SMALL;
    TRY(status);
    *len = irp.information;
    return STATUS_SUCCESS;
}

// Replace open's path by memory, which it takes over.
static void open_set_path(struct open *open, char *memory, u32 len)
{
    free(open->name.memory);
    open->name.memory = memory;
    open->name.path = (struct str){memory, len};
}

// A link below a related object: from here on the path is complete, so that ".." may leave that object.
static nt_status open_make_complete(struct open *open, struct irp_reparse *reparse)
{
    if (reparse->consumed == 0) // the related object itself is the link
        return open->name.path.len > 0 ? STATUS_REPARSE_POINT_NOT_RESOLVED : STATUS_IO_REPARSE_DATA_INVALID;
    size_t len = NAME_BYTES;
    char *memory = malloc(len + open->name.path.len + 1);
    if (!memory)
        return STATUS_NO_MEMORY;
    nt_status status = file_path(open->related, memory, &len);
    if (status != STATUS_SUCCESS) {
        free(memory);
        return status;
    }
    // "/dir" -> "dir" in the spelling of the open.
    u32 base = 0;
    struct str full = {memory, (u32)len}, component;
    while (path_next(&full, '/', &component)) {
        if (component.len == 0)
            continue;
        if (base > 0)
            memory[base++] = open->name.separator;
        memmove(memory + base, component.p, component.len);
        base += component.len;
    }
    u32 shift = base > 0 ? base + 1 : 0;
    if (base > 0)
        memory[base] = open->name.separator;
    memcpy(memory + shift, open->name.path.p, open->name.path.len);
    reparse->parent = reparse->parent > 0 ? reparse->parent + shift : base;
    reparse->consumed += shift;
    open_set_path(open, memory, open->name.path.len + shift);
    open->related = NULL;
    return STATUS_SUCCESS;
}

// The stream's name behind the link's, "link:stream", which goes to the target too.
static struct str stream_suffix(const struct open *open, const struct irp_reparse *reparse)
{
    const char *from = open->name.path.p + reparse->parent, *end = open->name.path.p + reparse->consumed;
    const char *colon = open->name.separator == '\\' ? memchr(from, ':', (size_t)(end - from)) : NULL;
    return colon ? (struct str){colon, (u32)(end - colon)} : (struct str){0};
}

// New path = base + target + stream + rest of the old path.
static nt_status open_rewrite(struct open *open, const struct irp_reparse *reparse, struct str base,
                              struct str target)
{
    struct str path = open->name.path, stream = stream_suffix(open, reparse);
    struct str rest = str_from(path, reparse->consumed);
    char separator = open->name.separator, *memory = malloc((size_t)path.len + target.len + 4);
    if (!memory)
        return STATUS_NO_MEMORY;
    u32 len = base.len;
    memcpy(memory, base.p, base.len);
    if (!path_append(memory, &len, separator, target, '\\', false)) {
        free(memory);
        return STATUS_IO_REPARSE_DATA_INVALID;
    }
    memcpy(memory + len, stream.p ? stream.p : "", stream.len);
    len += stream.len;
    if (rest.len > 0 && len == 0) // rest begins with a separator
        rest = str_from(rest, 1);
    memcpy(memory + len, rest.p, rest.len);
    len += rest.len;
    open_set_path(open, memory, len);
    size_t units;
    nt_status status = text_units(open->name.path, &units);
    return status != STATUS_SUCCESS || units > NAME_UNITS ? STATUS_REPARSE_POINT_NOT_RESOLVED
                                                          : STATUS_SUCCESS;
}

// A link to a file must lead to a file, a link to a directory to a directory (Windows 10 1709 and later).
static nt_status kind_check(struct open *open, const struct irp_reparse *reparse)
{
    if (reparse->consumed < open->name.path.len || open->target_directory ||
        stream_suffix(open, reparse).len > 0)
        return STATUS_SUCCESS;
    if (open->options & (reparse->directory ? FILE_NON_DIRECTORY_FILE : FILE_DIRECTORY_FILE))
        return reparse->directory ? STATUS_FILE_IS_A_DIRECTORY : STATUS_NOT_A_DIRECTORY;
    open->options |= reparse->directory ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE;
    return STATUS_SUCCESS;
}

static nt_status follow_decoded(struct open *open, struct irp_reparse *reparse, const struct link *link)
{
    TRY(target_check(link, reparse->directory));
    if (open->related)
        TRY(open_make_complete(open, reparse));
    TRY(kind_check(open, reparse));
    if (link->relative) {
        bool from_root = link->target.p[0] == '\\';
        struct str base = {open->name.path.p, from_root ? 0 : reparse->parent};
        return open_rewrite(open, reparse, base, link->target);
    }
    struct drive_entry *entry;
    struct str target;
    TRY(target_split(link->target, &entry, &target));
    entry_put(open->name.entry);
    open->name.entry = entry;
    return open_rewrite(open, reparse, (struct str){"", 0}, target);
}

static nt_status link_follow(struct open *open, struct irp_reparse *reparse, u32 *budget)
{
    struct link link;
    if (open->options &
        FILE_OPEN_BY_FILE_ID) // a number has no directory that the target could be relative to
        return STATUS_REPARSE_POINT_NOT_RESOLVED;
    if (reparse->consumed > open->name.path.len || reparse->parent > reparse->consumed)
        return STATUS_IO_REPARSE_DATA_INVALID;
    TRY(link_decode(reparse, &link));
    u32 cost = link.relative ? COST_RELATIVE : COST_ABSOLUTE;
    nt_status status = STATUS_REPARSE_POINT_NOT_RESOLVED;
    if (cost <= *budget) {
        *budget -= cost;
        status = follow_decoded(open, reparse, &link);
    }
    free(link.memory);
    return status;
}

static nt_status link_report(struct hf_stopped *stopped, const struct irp_reparse *reparse)
{
    stopped->consumed = reparse->consumed;
    stopped->parent = reparse->parent;
    stopped->directory = reparse->directory;
    stopped->length = reparse->length;
    memcpy(stopped->buffer, reparse->buffer, reparse->length);
    return STATUS_STOPPED_ON_SYMLINK;
}

// The medium is not the one that was mounted when the create was sent.
static bool medium_changed(nt_status status)
{
    return status == STATUS_WRONG_VOLUME || status == STATUS_VERIFY_REQUIRED ||
           status == STATUS_VOLUME_DISMOUNTED;
}

// The medium of a mounted volume went away: its files cannot be opened, the drive still can.
static bool medium_gone(nt_status status)
{
    return status == STATUS_NO_MEDIA_IN_DEVICE || status == STATUS_DEVICE_NOT_READY ||
           status == STATUS_UNRECOGNIZED_MEDIA || status == STATUS_IO_DEVICE_ERROR;
}

nt_status open_create(struct open *open, struct file_object *file)
{
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    u32 budget = LINK_BUDGET;
    bool restarted = false, raw = false;
    for (;;) {
        struct irp_reparse reparse = {.buffer = buffer};
        nt_status status = create_once(open, raw, &reparse, file);
        if (status == STATUS_REPARSE && open->stopped)
            return link_report(open->stopped, &reparse);
        if (status == STATUS_REPARSE)
            TRY(link_follow(open, &reparse, &budget));
        else if (medium_changed(status) && !open->related && !restarted)
            restarted = true; // once, on whatever is mounted now (spec/storage.md 3.4)
        else if (medium_gone(status) && open->name.volume && !raw)
            raw = true;
        else
            return status;
    }
}
