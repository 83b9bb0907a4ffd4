// SPDX-License-Identifier: Apache-2.0
// Reparse points: reads and builds the buffers of symbolic links and mount points, and the commands
// reparse and ln. The layouts and what the file system accepts are in spec/reparse.md 2 and 3.1; buffers
// of other tags pass verbatim.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

enum { SYMLINK_PATH = 20, MOUNT_POINT_PATH = 16 }; // where PathBuffer begins

nt_status reparse_read(hf_handle h, union reparse_buffer *buffer, size_t *length)
{
    memset(buffer, 0, sizeof *buffer);
    return hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, buffer, sizeof *buffer, length);
}

static char *path_buffer_text(const union reparse_buffer *buffer, size_t length, size_t start,
                              uint16_t offset, uint16_t bytes)
{
    if (start + offset + bytes > length || bytes % 2)
        return NULL;
    size_t used = (size_t)bytes / 2 * 3;
    char *text = memory(used + 1);
    if (hf_from_utf16(buffer->bytes + start + offset, bytes / 2u, text, &used) != STATUS_SUCCESS) {
        free(text);
        return NULL;
    }
    text[used] = 0;
    return text;
}

bool reparse_names(const union reparse_buffer *buffer, size_t length, char **substitute, char **print)
{
    *substitute = *print = NULL;
    uint32_t tag = buffer->data.ReparseTag;
    size_t start = tag == IO_REPARSE_TAG_SYMLINK ? SYMLINK_PATH : MOUNT_POINT_PATH;
    if ((tag != IO_REPARSE_TAG_SYMLINK && tag != IO_REPARSE_TAG_MOUNT_POINT) || length < start)
        return false;
    // Offsets and lengths are at the same places in both.
    const __typeof__(buffer->data.u.MountPointReparseBuffer) *names = &buffer->data.u.MountPointReparseBuffer;
    *substitute =
        path_buffer_text(buffer, length, start, names->SubstituteNameOffset, names->SubstituteNameLength);
    *print = path_buffer_text(buffer, length, start, names->PrintNameOffset, names->PrintNameLength);
    if (*substitute && *print)
        return true;
    free(*substitute);
    free(*print);
    *substitute = *print = NULL;
    return false;
}

char *reparse_posix_target(const union reparse_buffer *buffer, size_t length)
{
    char *substitute, *print;
    if (!reparse_names(buffer, length, &substitute, &print))
        return NULL;
    free(print);
    size_t skip = 0;
    if (strncmp(substitute, "\\??\\", 4) == 0) {
        skip = 4;
        if (isalpha((unsigned char)substitute[4]) && substitute[5] == ':')
            skip = 6;
    }
    memmove(substitute, substitute + skip, strlen(substitute) + 1 - skip);
    for (char *p = substitute; *p; p++)
        *p = *p == '\\' ? '/' : *p;
    return substitute;
}

// Appends text as UTF-16 at *bytes of the path buffer.
static nt_status names_append(union reparse_buffer *buffer, size_t start, size_t *bytes, const char *text)
{
    size_t units = (sizeof buffer->bytes - start - *bytes) / 2;
    nt_status status = hf_to_utf16(text, strlen(text), buffer->bytes + start + *bytes, &units);
    if (status == STATUS_SUCCESS)
        *bytes += 2 * units;
    return status;
}

static nt_status names_set(hf_handle h, uint32_t tag, uint32_t flags, const char *substitute,
                           const char *print)
{
    union reparse_buffer buffer = {.data = {.ReparseTag = tag}};
    bool mount_point = tag == IO_REPARSE_TAG_MOUNT_POINT;
    size_t start = mount_point ? MOUNT_POINT_PATH : SYMLINK_PATH, bytes = 0;
    nt_status status = names_append(&buffer, start, &bytes, substitute);
    if (status != STATUS_SUCCESS)
        return status;
    size_t substitute_bytes = bytes;
    bytes += mount_point ? 2 : 0; // only mount points end their names with NUL
    size_t print_start = bytes;
    if (bytes + 4 > sizeof buffer.bytes - start)
        return STATUS_OBJECT_NAME_INVALID;
    status = names_append(&buffer, start, &bytes, print);
    if (status != STATUS_SUCCESS)
        return status;
    size_t print_bytes = bytes - print_start;
    bytes += mount_point ? 2 : 0;
    if (start + bytes > sizeof buffer.bytes)
        return STATUS_OBJECT_NAME_INVALID;
    __typeof__(buffer.data.u.MountPointReparseBuffer) *names = &buffer.data.u.MountPointReparseBuffer;
    names->SubstituteNameLength = (uint16_t)substitute_bytes;
    names->PrintNameOffset = (uint16_t)print_start;
    names->PrintNameLength = (uint16_t)print_bytes;
    if (!mount_point)
        buffer.data.u.SymbolicLinkReparseBuffer.Flags = flags;
    size_t length = start + bytes, done;
    buffer.data.ReparseDataLength = (uint16_t)(length - REPARSE_DATA_BUFFER_HEADER_SIZE);
    return hf_ioctl(h, FSCTL_SET_REPARSE_POINT, &buffer, length, NULL, 0, &done);
}

// Is text a path on a drive, "X:\dir" or "X:/dir"?
static bool is_drive_path(const char *text)
{
    return isalpha((unsigned char)text[0]) && text[1] == ':' && (text[2] == '\\' || text[2] == '/');
}

// '\' for '/', each run of them once, behind a prefix.
static char *windows_path(const char *prefix, const char *text)
{
    size_t start = strlen(prefix);
    char *path = memory(start + strlen(text) + 1), *out = path + start;
    memcpy(path, prefix, start);
    for (; *text; text++) {
        char c = *text == '/' ? '\\' : *text;
        if (c != '\\' || out == path + start || out[-1] != '\\')
            *out++ = c;
    }
    return path;
}

nt_status reparse_set_symlink(hf_handle h, const char *target)
{
    char *path = windows_path("", target);
    nt_status status;
    if (is_drive_path(path)) {
        char *full = windows_path("\\??\\", target);
        status = names_set(h, IO_REPARSE_TAG_SYMLINK, 0, full, path);
        free(full);
    } else {
        status = names_set(h, IO_REPARSE_TAG_SYMLINK, SYMLINK_FLAG_RELATIVE, path, path);
    }
    free(path);
    return status;
}

static nt_status set_mount_point(hf_handle h, const char *target)
{
    char prefix[] = "\\??\\X:";
    prefix[4] = target_drive();
    char *path = windows_path(is_drive_path(target) ? "\\??\\" : prefix, target);
    size_t end = strlen(path);
    if (path[end - 1] == '\\' && path[end - 2] != ':') // a root keeps it
        path[end - 1] = 0;
    nt_status status = names_set(h, IO_REPARSE_TAG_MOUNT_POINT, 0, path, path + 4);
    free(path);
    return status;
}

// --- ln ------------------------------------------------------------------------------------------

static void ln_hard(const struct target *from, const struct target *to)
{
    hf_handle h;
    nt_status status = target_open(from, FILE_WRITE_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(from), status, "cannot open");
        return;
    }
    status = hf_link(h, NULL, to->name, false);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(to), status, "cannot link");
    handle_close(from, h);
}

// Whether what a new link would lead to is a directory. hf_open folds the dots.
static bool ln_leads_to_directory(const struct target *link, const char *text)
{
    struct target t;
    target_copy(&t, link);
    bool drive = is_drive_path(text), absolute = drive || text[0] == '/' || text[0] == '\\';
    target_pop(&t, absolute ? 3 : (size_t)(target_basename(&t) - t.name));
    size_t start = target_append(&t, drive ? text + 2 : text);
    for (char *p = t.name + start; *p; p++)
        *p = *p == '\\' ? '/' : *p;
    bool directory = target_is_directory(&t);
    target_free(&t);
    return directory;
}

static void ln_reparse(const struct target *link, const char *text, bool directory, bool junction)
{
    hf_handle h;
    nt_status status = target_open(
        link, FILE_WRITE_ATTRIBUTES | DELETE, FILE_CREATE,
        FILE_OPEN_REPARSE_POINT | (directory ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE), &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(link), status, "cannot create");
        return;
    }
    status = junction ? set_mount_point(h, text) : reparse_set_symlink(h, text);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(link), status, "cannot make the link");
        status = hf_delete(h);
        if (status != STATUS_SUCCESS)
            fail_status(target_shown(link), status, "cannot remove what is left of it");
    }
    handle_close(link, h);
}

void command_ln(const struct args *args)
{
    struct target link, from;
    const char *text = args->words[0];
    bool symbolic = option_given(args, "symbolic"), junction = option_given(args, "junction");
    if (symbolic && junction)
        usage_error("ln: --symbolic and --junction exclude each other");
    if ((symbolic || junction) && !text[0])
        usage_error("ln: the target is empty");
    if (junction && text[0] != '/' && !is_drive_path(text))
        usage_error("ln: the target of a mount point is an absolute path, such as /dir or X:\\dir");
    target_parse(&link, args->words[1], TARGET_PATH);
    if (target_is_root(&link))
        usage_error("ln: the root directory cannot become a link");
    if (!symbolic && !junction) {
        target_parse(&from, text, TARGET_PATH);
        if (strcmp(from.image, link.image) != 0)
            usage_error("ln: both names must be on the same volume");
        if (target_attach(&link, ATTACH_WRITE))
            ln_hard(&from, &link);
        target_free(&from);
    } else if (target_attach(&link, ATTACH_WRITE)) {
        bool directory = junction || option_given(args, "directory") || ln_leads_to_directory(&link, text);
        ln_reparse(&link, text, directory, junction);
    }
    target_free(&link);
}

// --- reparse -------------------------------------------------------------------------------------

static void guid_text(const HF_GUID *g, char *text, size_t size)
{
    const unsigned char *d = g->Data4;
    snprintf(text, size, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", g->Data1, g->Data2, g->Data3,
             d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]);
}

static void reparse_json(const union reparse_buffer *buffer, size_t length)
{
    struct json_object *object = json_object_new_object();
    json_add_number(object, "tag", buffer->data.ReparseTag);
    json_add_text(object, "tag_name", tag_name(buffer->data.ReparseTag));
    char guid[40], *substitute, *print;
    size_t header = REPARSE_DATA_BUFFER_HEADER_SIZE;
    if (!IsReparseTagMicrosoft(buffer->data.ReparseTag)) {
        header = REPARSE_GUID_DATA_BUFFER_HEADER_SIZE;
        guid_text(&buffer->guid.ReparseGuid, guid, sizeof guid);
        json_add_text(object, "guid", guid);
    }
    if (reparse_names(buffer, length, &substitute, &print)) {
        json_add_text(object, "substitute_name", substitute);
        json_add_text(object, "print_name", print);
        if (buffer->data.ReparseTag == IO_REPARSE_TAG_SYMLINK)
            json_add_bool(object, "relative",
                          buffer->data.u.SymbolicLinkReparseBuffer.Flags & SYMLINK_FLAG_RELATIVE);
    }
    free(substitute);
    free(print);
    if (length >= header)
        json_add_hex(object, "data", buffer->bytes + header, length - header);
    json_add_hex(object, "buffer", buffer, length);
    out_json(object);
}

static void reparse_print(const union reparse_buffer *buffer, size_t length)
{
    const char *name = tag_name(buffer->data.ReparseTag);
    char guid[40], *substitute, *print;
    size_t header = REPARSE_DATA_BUFFER_HEADER_SIZE;
    printf("tag             0x%08x%s%s\n", buffer->data.ReparseTag, name ? " " : "", name ? name : "");
    if (!IsReparseTagMicrosoft(buffer->data.ReparseTag)) {
        header = REPARSE_GUID_DATA_BUFFER_HEADER_SIZE;
        guid_text(&buffer->guid.ReparseGuid, guid, sizeof guid);
        printf("guid            %s\n", guid);
    }
    if (reparse_names(buffer, length, &substitute, &print)) {
        fputs("substitute name ", stdout);
        out_name(substitute);
        fputs("\nprint name      ", stdout);
        out_name(print);
        putchar('\n');
        if (buffer->data.ReparseTag == IO_REPARSE_TAG_SYMLINK)
            printf("relative        %s\n",
                   buffer->data.u.SymbolicLinkReparseBuffer.Flags & SYMLINK_FLAG_RELATIVE ? "yes" : "no");
    } else if (length > header) {
        fputs("data            ", stdout);
        out_hex(buffer->bytes + header, length - header);
    }
    free(substitute);
    free(print);
}

void command_reparse_get(const struct args *args)
{
    struct target t;
    hf_handle h;
    target_parse(&t, args->words[0], TARGET_PATH);
    if (target_attach(&t, ATTACH_READ)) {
        static union reparse_buffer buffer;
        size_t length;
        nt_status status = target_open(&t, 0, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
        if (status == STATUS_SUCCESS) {
            status = reparse_read(h, &buffer, &length);
            handle_close(&t, h);
        }
        if (status != STATUS_SUCCESS)
            fail_status(target_shown(&t), status, "cannot read the reparse point");
        else if (option_given(args, "raw"))
            fwrite(&buffer, 1, length, stdout);
        else if (option_given(args, "hex"))
            out_hex(&buffer, length);
        else if (option_given(args, "json"))
            reparse_json(&buffer, length);
        else
            reparse_print(&buffer, length);
    }
    target_free(&t);
}

void command_reparse_set(const struct args *args)
{
    struct target t;
    hf_handle h;
    unsigned char *data;
    size_t length, done;
    const char *file = option_value(args, "file"), *hex = option_value(args, "hex");
    if (!file == !hex)
        usage_error("reparse set: expects either --file or --hex");
    target_parse(&t, args->words[0], TARGET_PATH);
    if (hex && !parse_hex(hex, &data, &length))
        usage_error("reparse set: --hex is not an even number of hex digits");
    // Larger buffers go through too: the file system is what refuses them.
    if ((hex || file_read_all(file, 1 << 20, &data, &length)) && target_attach(&t, ATTACH_WRITE)) {
        nt_status status = target_open(&t, FILE_WRITE_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
        if (status == STATUS_SUCCESS) {
            status = hf_ioctl(h, FSCTL_SET_REPARSE_POINT, data, length, NULL, 0, &done);
            if (status != STATUS_SUCCESS)
                fail_status(target_shown(&t), status, "cannot set the reparse point");
            handle_close(&t, h);
        } else {
            fail_status(target_shown(&t), status, "cannot open");
        }
    }
    free(data);
    target_free(&t);
}

// DELETE wants the header of the point that is there: its tag, and its GUID unless the tag is Microsoft's.
static nt_status reparse_delete(hf_handle h)
{
    static union reparse_buffer buffer;
    size_t length, done;
    nt_status status = reparse_read(h, &buffer, &length);
    if (status != STATUS_SUCCESS)
        return status;
    buffer.data.ReparseDataLength = 0;
    bool microsoft = IsReparseTagMicrosoft(buffer.data.ReparseTag);
    return hf_ioctl(h, FSCTL_DELETE_REPARSE_POINT, &buffer,
                    microsoft ? REPARSE_DATA_BUFFER_HEADER_SIZE : REPARSE_GUID_DATA_BUFFER_HEADER_SIZE, NULL,
                    0, &done);
}

void command_reparse_delete(const struct args *args)
{
    struct target t;
    hf_handle h;
    target_parse(&t, args->words[0], TARGET_PATH);
    if (target_attach(&t, ATTACH_WRITE)) {
        nt_status status = target_open(&t, FILE_WRITE_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
        if (status == STATUS_SUCCESS) {
            status = reparse_delete(h);
            if (status != STATUS_SUCCESS)
                fail_status(target_shown(&t), status, "cannot delete the reparse point");
            handle_close(&t, h);
        } else {
            fail_status(target_shown(&t), status, "cannot open");
        }
    }
    target_free(&t);
}
