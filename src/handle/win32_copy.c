// SPDX-License-Identifier: Apache-2.0
// CopyFile and ReplaceFile: functions that are made of several file operations. Integrity follows
// spec/integrity.md 4.2 and docs/adr/0010: the setting of a file with data cannot be changed, so a file that
// must change it is written anew.
#include "handle/win32.h"

#include <stdatomic.h>
#include <stdio.h>

enum { COPY_BYTES = 65536, STREAMS_BYTES = 16384 };

// --- data, streams, times ------------------------------------------------------------------------

static nt_status copy_data(hf_handle from, hf_handle to)
{
    uint8_t buffer[COPY_BYTES];
    for (uint64_t at = 0;;) {
        size_t got = 0, put = 0;
        nt_status status = hf_read(from, at, buffer, sizeof buffer, &got);
        if (status == STATUS_END_OF_FILE || (status == STATUS_SUCCESS && got == 0))
            return STATUS_SUCCESS;
        if (status == STATUS_SUCCESS)
            status = hf_write(to, at, buffer, got, &put);
        if (status != STATUS_SUCCESS)
            return status;
        at += got;
    }
}

static nt_status copy_stream(const char *from, const char *to, const char *stream)
{
    struct hf_open_options read = {.access = FILE_READ_DATA | SYNCHRONIZE,
                                   .options = FILE_NON_DIRECTORY_FILE};
    struct hf_open_options write = {.access = FILE_WRITE_DATA | SYNCHRONIZE,
                                    .disposition = FILE_OVERWRITE_IF};
    size_t size = (strlen(from) > strlen(to) ? strlen(from) : strlen(to)) + strlen(stream) + 1;
    WIN32_FREE char *name = malloc(size);
    hf_handle source, target;
    if (!name)
        return STATUS_NO_MEMORY;
    snprintf(name, size, "%s%s", from, stream);
    nt_status status = hf_open(name, &read, &source);
    if (status != STATUS_SUCCESS)
        return status;
    snprintf(name, size, "%s%s", to, stream);
    status = hf_open(name, &write, &target);
    if (status == STATUS_SUCCESS) {
        status = copy_data(source, target);
        win32_close(target);
    }
    win32_close(source);
    return status;
}

// The named streams of the open file from; the list calls the file's own data "::$DATA".
static nt_status copy_streams(hf_handle file, const char *from, const char *to)
{
    WIN32_FREE uint8_t *list = malloc(STREAMS_BYTES);
    size_t done = 0;
    if (!list)
        return STATUS_NO_MEMORY;
    nt_status status = hf_query(file, FileStreamInformation, list, STREAMS_BYTES, &done);
    for (size_t at = 0; status == STATUS_SUCCESS && done > 0;) {
        FILE_STREAM_INFORMATION entry;
        char stream[1024];
        size_t bytes = sizeof stream - 1;
        memcpy(&entry, list + at, offsetof(FILE_STREAM_INFORMATION, StreamName));
        status = hf_from_utf16(list + at + offsetof(FILE_STREAM_INFORMATION, StreamName),
                               entry.StreamNameLength / 2, stream, &bytes);
        stream[status == STATUS_SUCCESS ? bytes : 0] = 0;
        if (status == STATUS_SUCCESS && strcmp(stream, "::$DATA") != 0)
            status = copy_stream(from, to, stream);
        if (entry.NextEntryOffset == 0)
            break;
        at += entry.NextEntryOffset;
    }
    return status;
}

// Attributes that a copy takes over; FILE_ATTRIBUTE_INTEGRITY_STREAM only where create is told so.
static uint32_t plain_attributes(uint32_t attributes)
{
    return attributes & (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |
                         FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED);
}

static nt_status set_times(hf_handle file, const struct hf_stat *st, bool created)
{
    FILE_BASIC_INFORMATION basic = {.CreationTime = created ? (int64_t)st->created : 0,
                                    .LastAccessTime = created ? (int64_t)st->accessed : 0,
                                    .LastWriteTime = (int64_t)st->written,
                                    .FileAttributes = plain_attributes(st->attributes)};
    if (basic.FileAttributes == 0)
        basic.FileAttributes = FILE_ATTRIBUTE_NORMAL;
    return hf_set(file, FileBasicInformation, &basic, sizeof basic);
}

// --- CopyFile ------------------------------------------------------------------------------------

static BOOL copy_opened(hf_handle source, const char *from, const char *to, BOOL fail_if_exists)
{
    struct hf_stat st;
    uint32_t action = 0;
    hf_handle target;
    if (!win32_result(hf_stat(source, &st)))
        return FALSE;
    // Create gives the copy integrity when its directory or this attribute says so. It becomes read-only at
    // the end: its streams are still to be written.
    uint32_t integrity = st.attributes & FILE_ATTRIBUTE_INTEGRITY_STREAM;
    struct hf_open_options options = {
        .access = FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES | DELETE | SYNCHRONIZE,
        .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        .disposition = fail_if_exists ? FILE_CREATE : FILE_OVERWRITE_IF,
        .options = FILE_NON_DIRECTORY_FILE,
        .attributes = (plain_attributes(st.attributes) & ~FILE_ATTRIBUTE_READONLY) | integrity,
        .action = &action};
    nt_status status = hf_open(to, &options, &target);
    if (status != STATUS_SUCCESS)
        return win32_fail(status == STATUS_OBJECT_NAME_COLLISION ? ERROR_FILE_EXISTS
                                                                 : hf_status_to_win32(status));
    status = copy_data(source, target);
    if (status == STATUS_SUCCESS)
        status = copy_streams(source, from, to);
    if (status == STATUS_SUCCESS)
        status = set_times(target, &st, false);
    if (status != STATUS_SUCCESS && action == FILE_CREATED) { // half a copy does not stay
        nt_status deleted = hf_delete(target);
        (void)deleted; // what stopped the copy is the error to tell
    }
    win32_close(target);
    return win32_result(status);
}

BOOL CopyFileA(LPCSTR from, LPCSTR to, BOOL fail_if_exists)
{
    struct hf_open_options options = {.access = FILE_READ_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                                      .share = FILE_SHARE_READ,
                                      .options = FILE_NON_DIRECTORY_FILE};
    hf_handle source;
    WIN32_FREE char *from_native = win32_name(from);
    WIN32_FREE char *to_native = from_native ? win32_name(to) : NULL;
    if (!to_native || !win32_result(hf_open(from_native, &options, &source)))
        return FALSE;
    BOOL ok = copy_opened(source, from_native, to_native, fail_if_exists);
    win32_close(source);
    return ok;
}

BOOL CopyFileW(LPCWSTR from, LPCWSTR to, BOOL fail_if_exists)
{
    WIN32_FREE char *from_text = win32_narrow(from);
    WIN32_FREE char *to_text = from_text ? win32_narrow(to) : NULL;
    return to_text && CopyFileA(from_text, to_text, fail_if_exists);
}

// --- ReplaceFile ---------------------------------------------------------------------------------

// What the replaced file had, and where the three names are.
struct replace {
    char *replaced, *replacement, *backup; // native; backup may be NULL
    struct hf_stat original;
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER integrity; // algorithm NONE: it had none
};

static bool has_integrity(const struct hf_stat *st)
{
    return st->attributes & FILE_ATTRIBUTE_INTEGRITY_STREAM;
}

static nt_status open_file(const char *native, uint32_t access, hf_handle *out)
{
    struct hf_open_options options = {.access = access | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                                      .options = FILE_NON_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT};
    return hf_open(native, &options, out);
}

static nt_status stat_file(const char *native, struct hf_stat *st)
{
    hf_handle file;
    nt_status status = open_file(native, 0, &file);
    if (status != STATUS_SUCCESS)
        return status;
    status = hf_stat(file, st);
    win32_close(file);
    return status;
}

// A new file, called like the other one with a number behind.
static nt_status create_temporary(const char *beside, char **name, hf_handle *file)
{
    static _Atomic unsigned counter;
    size_t size = strlen(beside) + sizeof "~ffffffff.tmp";
    struct hf_open_options options = {.access = FILE_WRITE_DATA | FILE_READ_DATA | FILE_WRITE_ATTRIBUTES |
                                                DELETE | SYNCHRONIZE,
                                      .disposition = FILE_CREATE,
                                      .options = FILE_NON_DIRECTORY_FILE};
    nt_status status;
    *name = malloc(size);
    if (!*name)
        return STATUS_NO_MEMORY;
    do {
        snprintf(*name, size, "%s~%08x.tmp", beside, atomic_fetch_add(&counter, 1));
        status = hf_open(*name, &options, file);
    } while (status == STATUS_OBJECT_NAME_COLLISION);
    return status;
}

// Write what source holds into a new file beside another with this integrity setting, and give it a name.
static nt_status rewrite(const char *source_name, const char *target_name,
                         const FSCTL_GET_INTEGRITY_INFORMATION_BUFFER *integrity)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = integrity->ChecksumAlgorithm,
                                                  .Flags = integrity->Flags};
    WIN32_FREE char *name = NULL;
    hf_handle source, target;
    struct hf_stat st;
    size_t done;
    nt_status status = open_file(source_name, FILE_READ_DATA, &source);
    if (status != STATUS_SUCCESS)
        return status;
    status = create_temporary(target_name, &name, &target);
    if (status != STATUS_SUCCESS) {
        win32_close(source);
        return status;
    }
    status = hf_ioctl(target, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0, &done);
    if (status == STATUS_SUCCESS)
        status = copy_data(source, target);
    if (status == STATUS_SUCCESS)
        status = copy_streams(source, source_name, name);
    if (status == STATUS_SUCCESS)
        status = hf_stat(source, &st);
    if (status == STATUS_SUCCESS)
        status = set_times(target, &st, true);
    win32_close(source);
    if (status == STATUS_SUCCESS)
        status = hf_rename(target, NULL, target_name, true);
    if (status != STATUS_SUCCESS && hf_delete(target) != STATUS_SUCCESS)
        status = STATUS_CANNOT_DELETE; // the temporary file stays behind
    win32_close(target);
    return status;
}

static nt_status rename_file(const char *from, const char *to)
{
    hf_handle file;
    nt_status status = open_file(from, DELETE, &file);
    if (status != STATUS_SUCCESS)
        return status;
    status = hf_rename(file, NULL, to, true);
    win32_close(file);
    return status;
}

// The directory that a file lies in: does it give integrity to what is created there?
static nt_status directory_integrity(const char *native, bool *out)
{
    struct hf_open_options options = {.access = FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                                      .options = FILE_DIRECTORY_FILE};
    WIN32_FREE char *path = strdup(native);
    hf_handle directory;
    struct hf_stat st = {0};
    *out = false;
    if (!path)
        return STATUS_NO_MEMORY;
    strrchr(path, '\\')[1] = 0;
    nt_status status = hf_open(path, &options, &directory);
    if (status != STATUS_SUCCESS)
        return status;
    status = hf_stat(directory, &st);
    win32_close(directory);
    *out = has_integrity(&st);
    return status;
}

static nt_status look_at_original(struct replace *r)
{
    hf_handle file;
    size_t done;
    nt_status status = open_file(r->replaced, FILE_READ_DATA, &file);
    if (status != STATUS_SUCCESS)
        return status;
    status = hf_stat(file, &r->original);
    if (status == STATUS_SUCCESS && has_integrity(&r->original))
        status = hf_ioctl(file, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &r->integrity, sizeof r->integrity,
                          &done);
    win32_close(file);
    return status;
}

// The new file has the name; now the original's creation time and attributes.
static nt_status take_identity(const struct replace *r)
{
    FILE_BASIC_INFORMATION basic = {.CreationTime = (int64_t)r->original.created,
                                    .FileAttributes = plain_attributes(r->original.attributes)};
    hf_handle file;
    if (basic.FileAttributes == 0)
        basic.FileAttributes = FILE_ATTRIBUTE_NORMAL;
    nt_status status = open_file(r->replaced, FILE_WRITE_ATTRIBUTES, &file);
    if (status != STATUS_SUCCESS)
        return status;
    status = hf_set(file, FileBasicInformation, &basic, sizeof basic);
    win32_close(file);
    return status;
}

// docs/adr/0010: first the replacement gets the integrity it must have, then the backup is made, then one
// rename puts the replacement in place. A failure on the way leaves both files under their names, or with the
// original as the backup.
static BOOL replace_files(struct replace *r)
{
    static const FSCTL_GET_INTEGRITY_INFORMATION_BUFFER none = {.ChecksumAlgorithm = CHECKSUM_TYPE_NONE};
    bool backup_keeps = true;
    struct hf_stat replacement;
    if (!win32_result(look_at_original(r)) || !win32_result(stat_file(r->replacement, &replacement)))
        return FALSE;
    if (r->backup && has_integrity(&r->original) &&
        !win32_result(directory_integrity(r->backup, &backup_keeps)))
        return FALSE;
    if (has_integrity(&r->original) && !has_integrity(&replacement) && backup_keeps &&
        rewrite(r->replacement, r->replacement, &r->integrity) != STATUS_SUCCESS)
        return win32_fail(ERROR_UNABLE_TO_MOVE_REPLACEMENT);
    nt_status status = STATUS_SUCCESS;
    if (r->backup)
        status = backup_keeps ? rename_file(r->replaced, r->backup) : rewrite(r->replaced, r->backup, &none);
    if (status != STATUS_SUCCESS)
        return win32_fail(ERROR_UNABLE_TO_REMOVE_REPLACED);
    status = rename_file(r->replacement, r->replaced);
    if (status != STATUS_SUCCESS)
        return win32_fail(r->backup && backup_keeps ? ERROR_UNABLE_TO_MOVE_REPLACEMENT_2
                                                    : ERROR_UNABLE_TO_MOVE_REPLACEMENT);
    return win32_result(take_identity(r));
}

BOOL ReplaceFileA(LPCSTR replaced, LPCSTR replacement, LPCSTR backup, DWORD flags, LPVOID exclude,
                  LPVOID reserved)
{
    if (exclude || reserved)
        return win32_fail(ERROR_INVALID_PARAMETER);
    WIN32_FREE char *replaced_native = win32_name(replaced);
    WIN32_FREE char *replacement_native = replaced_native ? win32_name(replacement) : NULL;
    WIN32_FREE char *backup_native = replacement_native && backup ? win32_name(backup) : NULL;
    if (!replacement_native || (backup && !backup_native))
        return FALSE;
    struct replace r = {
        .replaced = replaced_native, .replacement = replacement_native, .backup = backup_native};
    (void)flags; // there is no ACL to merge, and nothing that writing through would change here
    return replace_files(&r);
}

BOOL ReplaceFileW(LPCWSTR replaced, LPCWSTR replacement, LPCWSTR backup, DWORD flags, LPVOID exclude,
                  LPVOID reserved)
{
    WIN32_FREE char *replaced_text = win32_narrow(replaced);
    WIN32_FREE char *replacement_text = replaced_text ? win32_narrow(replacement) : NULL;
    WIN32_FREE char *backup_text = replacement_text && backup ? win32_narrow(backup) : NULL;
    if (!replacement_text || (backup && !backup_text))
        return FALSE;
    return ReplaceFileA(replaced_text, replacement_text, backup_text, flags, exclude, reserved);
}
