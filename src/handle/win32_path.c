// SPDX-License-Identifier: Apache-2.0
// Functions that take a file's name and act on that name: create, remove, move, link, attributes. On a
// reparse point they act on the link itself, as spec/reparse.md 4.6 lists.
#include "handle/win32.h"

#include <holdfast/win32/ntifs.h>

#include <stdio.h>

BOOL CreateDirectoryA(LPCSTR name, LPSECURITY_ATTRIBUTES security)
{
    (void)security;
    hf_handle directory;
    // Whatever has the name already, a dangling link too, is a collision and not followed.
    struct hf_open_options options = {.access = FILE_LIST_DIRECTORY | SYNCHRONIZE,
                                      .disposition = FILE_CREATE,
                                      .options = FILE_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT};
    WIN32_FREE char *native = win32_name(name);
    if (!native || !win32_result(hf_open(native, &options, &directory)))
        return FALSE;
    win32_close(directory);
    return TRUE;
}

// Open the link or file of this kind, mark it for deletion, close it.
static BOOL remove_name(const char *name, uint32_t kind)
{
    hf_handle file;
    if (!win32_open(name, DELETE | FILE_READ_ATTRIBUTES, kind | FILE_OPEN_REPARSE_POINT, &file))
        return FALSE;
    BOOL ok = win32_result(hf_delete(file));
    win32_close(file);
    return ok;
}

BOOL RemoveDirectoryA(LPCSTR name)
{
    return remove_name(name, FILE_DIRECTORY_FILE);
}

BOOL DeleteFileA(LPCSTR name)
{
    return remove_name(name, FILE_NON_DIRECTORY_FILE);
}

// --- move ----------------------------------------------------------------------------------------

static BOOL is_directory(hf_handle file)
{
    struct hf_stat st;
    return hf_stat(file, &st) == STATUS_SUCCESS && (st.attributes & FILE_ATTRIBUTE_DIRECTORY);
}

// Once the directory of a name is flushed, the name and the closed file behind it are on stable storage.
static BOOL flush_directory_of(char *native)
{
    hf_handle directory;
    struct hf_open_options options = {.access = FILE_ADD_SUBDIRECTORY | SYNCHRONIZE,
                                      .options = FILE_DIRECTORY_FILE};
    strrchr(native, '\\')[1] = 0;
    if (!win32_result(hf_open(native, &options, &directory)))
        return FALSE;
    BOOL ok = win32_result(hf_flush(directory));
    win32_close(directory);
    return ok;
}

BOOL MoveFileExA(LPCSTR from, LPCSTR to, DWORD flags)
{
    hf_handle file;
    if (!to) // a deletion at the next boot
        return win32_fail(ERROR_NOT_SUPPORTED);
    WIN32_FREE char *native = win32_name(to);
    if (!native || !win32_open(from, DELETE | FILE_READ_ATTRIBUTES, FILE_OPEN_REPARSE_POINT, &file))
        return FALSE;
    BOOL ok = win32_result(hf_rename(file, NULL, native, flags & MOVEFILE_REPLACE_EXISTING));
    bool copy = !ok && GetLastError() == ERROR_NOT_SAME_DEVICE && (flags & MOVEFILE_COPY_ALLOWED) &&
                !is_directory(file);
    win32_close(file);
    if (copy)
        ok = CopyFileA(from, to, !(flags & MOVEFILE_REPLACE_EXISTING)) && DeleteFileA(from);
    return ok && (!(flags & MOVEFILE_WRITE_THROUGH) || flush_directory_of(native));
}

BOOL MoveFileA(LPCSTR from, LPCSTR to)
{
    return MoveFileExA(from, to, MOVEFILE_COPY_ALLOWED);
}

// --- links ---------------------------------------------------------------------------------------

BOOL CreateHardLinkA(LPCSTR link, LPCSTR existing, LPSECURITY_ATTRIBUTES security)
{
    (void)security;
    hf_handle file;
    WIN32_FREE char *native = win32_name(link);
    if (!native || !win32_open(existing, FILE_WRITE_ATTRIBUTES,
                               FILE_OPEN_REPARSE_POINT | FILE_NON_DIRECTORY_FILE, &file))
        return FALSE;
    BOOL ok = win32_result(hf_link(file, NULL, native, false));
    win32_close(file);
    return ok;
}

// The substitute name of a target: X:\a and what else names a drive becomes \??\X:\a; the rest is relative.
static char *substitute_of(const char *target, bool *relative)
{
    bool drive = target[0] && target[1] == ':', device = strncmp(target, "\\\\", 2) == 0;
    *relative = !drive && !device;
    if (*relative)
        return strdup(target);
    WIN32_FREE char *native = win32_name(target);
    const char *rest = native;
    if (!native)
        return NULL;
    bool prefixed = strncmp(rest, "\\\\?\\", 4) == 0 || strncmp(rest, "\\\\.\\", 4) == 0;
    rest += prefixed ? 4 : device ? 2 : 0;
    size_t size = strlen(rest) + sizeof "\\??\\UNC\\";
    char *out = malloc(size);
    if (out)
        snprintf(out, size, "\\??\\%s%s", device && !prefixed ? "UNC\\" : "", rest);
    return out;
}

// Print name first, substitute name behind it, no NULs: the order in which Windows writes it.
static nt_status set_link(hf_handle file, const char *print, const char *substitute, bool relative)
{
    enum { NAMES = FIELD_OFFSET(REPARSE_DATA_BUFFER, SymbolicLinkReparseBuffer.PathBuffer), UNITS = 8000 };
    union {
        REPARSE_DATA_BUFFER b;
        uint8_t bytes[NAMES + UNITS * 2];
    } buffer = {0};
    uint8_t *names = buffer.bytes + NAMES;
    size_t print_units = UNITS;
    nt_status status = hf_to_utf16(print, strlen(print), names, &print_units);
    size_t units = UNITS - print_units, done;
    if (status == STATUS_SUCCESS)
        status = hf_to_utf16(substitute, strlen(substitute), names + print_units * 2, &units);
    if (status != STATUS_SUCCESS)
        return status == STATUS_BUFFER_TOO_SMALL ? STATUS_OBJECT_NAME_INVALID : status;
    size_t length = NAMES + (print_units + units) * 2;
    buffer.b.ReparseTag = IO_REPARSE_TAG_SYMLINK;
    buffer.b.ReparseDataLength = (uint16_t)(length - REPARSE_DATA_BUFFER_HEADER_SIZE);
    buffer.b.SymbolicLinkReparseBuffer.PrintNameLength = (uint16_t)(print_units * 2);
    buffer.b.SymbolicLinkReparseBuffer.SubstituteNameOffset = (uint16_t)(print_units * 2);
    buffer.b.SymbolicLinkReparseBuffer.SubstituteNameLength = (uint16_t)(units * 2);
    buffer.b.SymbolicLinkReparseBuffer.Flags = relative ? SYMLINK_FLAG_RELATIVE : 0;
    return hf_ioctl(file, FSCTL_SET_REPARSE_POINT, buffer.bytes, length, NULL, 0, &done);
}

// SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE asks for the developer mode, which Holdfast does not have: the
// privilege decides.
BOOLEAN CreateSymbolicLinkA(LPCSTR link, LPCSTR target, DWORD flags)
{
    bool relative;
    hf_handle file;
    WIN32_FREE char *native = win32_name(link);
    if (!native)
        return FALSE;
    if (!target || !*target ||
        (flags & ~(SYMBOLIC_LINK_FLAG_DIRECTORY | SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE)))
        return (BOOLEAN)win32_fail(ERROR_INVALID_PARAMETER);
    if (!(hf_privileges() & HF_PRIVILEGE_CREATE_SYMBOLIC_LINK))
        return (BOOLEAN)win32_fail(ERROR_PRIVILEGE_NOT_HELD);
    WIN32_FREE char *substitute = substitute_of(target, &relative);
    if (!substitute)
        return FALSE;
    bool directory = flags & SYMBOLIC_LINK_FLAG_DIRECTORY;
    struct hf_open_options options = {.access = FILE_WRITE_ATTRIBUTES | DELETE | SYNCHRONIZE,
                                      .disposition = FILE_CREATE,
                                      .options = FILE_OPEN_REPARSE_POINT |
                                                 (directory ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE)};
    if (!win32_result(hf_open(native, &options, &file)))
        return FALSE;
    nt_status status = set_link(file, target, substitute, relative);
    if (status != STATUS_SUCCESS && hf_delete(file) != STATUS_SUCCESS)
        status = STATUS_CANNOT_DELETE; // an empty file stays behind
    win32_close(file);
    return (BOOLEAN)win32_result(status);
}

// --- attributes ----------------------------------------------------------------------------------

static BOOL stat_name(const char *name, struct hf_stat *st)
{
    hf_handle file;
    if (!win32_open(name, FILE_READ_ATTRIBUTES, FILE_OPEN_REPARSE_POINT, &file))
        return FALSE;
    BOOL ok = win32_result(hf_stat(file, st));
    win32_close(file);
    return ok;
}

DWORD GetFileAttributesA(LPCSTR name)
{
    struct hf_stat st;
    return stat_name(name, &st) ? st.attributes : INVALID_FILE_ATTRIBUTES;
}

BOOL GetFileAttributesExA(LPCSTR name, GET_FILEEX_INFO_LEVELS level, LPVOID data)
{
    struct hf_stat st;
    if (level != GetFileExInfoStandard || !data)
        return win32_fail(ERROR_INVALID_PARAMETER);
    if (!stat_name(name, &st))
        return FALSE;
    *(WIN32_FILE_ATTRIBUTE_DATA *)data =
        (WIN32_FILE_ATTRIBUTE_DATA){.dwFileAttributes = st.attributes,
                                    .ftCreationTime = win32_time(st.created),
                                    .ftLastAccessTime = win32_time(st.accessed),
                                    .ftLastWriteTime = win32_time(st.written),
                                    .nFileSizeHigh = (DWORD)(st.size >> 32),
                                    .nFileSizeLow = (DWORD)st.size};
    return TRUE;
}

BOOL SetFileAttributesA(LPCSTR name, DWORD attributes)
{
    hf_handle file;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = attributes ? attributes : FILE_ATTRIBUTE_NORMAL};
    if (!win32_open(name, FILE_WRITE_ATTRIBUTES, FILE_OPEN_REPARSE_POINT, &file))
        return FALSE;
    BOOL ok = win32_result(hf_set(file, FileBasicInformation, &basic, sizeof basic));
    win32_close(file);
    return ok;
}

// --- the same in UTF-16 --------------------------------------------------------------------------

BOOL CreateDirectoryW(LPCWSTR name, LPSECURITY_ATTRIBUTES security)
{
    WIN32_FREE char *text = win32_narrow(name);
    return text && CreateDirectoryA(text, security);
}

BOOL RemoveDirectoryW(LPCWSTR name)
{
    WIN32_FREE char *text = win32_narrow(name);
    return text && RemoveDirectoryA(text);
}

BOOL DeleteFileW(LPCWSTR name)
{
    WIN32_FREE char *text = win32_narrow(name);
    return text && DeleteFileA(text);
}

BOOL MoveFileExW(LPCWSTR from, LPCWSTR to, DWORD flags)
{
    WIN32_FREE char *from_text = win32_narrow(from);
    WIN32_FREE char *to_text = to ? win32_narrow(to) : NULL;
    return from_text && (to_text || !to) && MoveFileExA(from_text, to_text, flags);
}

BOOL MoveFileW(LPCWSTR from, LPCWSTR to)
{
    return MoveFileExW(from, to, MOVEFILE_COPY_ALLOWED);
}

BOOL CreateHardLinkW(LPCWSTR link, LPCWSTR existing, LPSECURITY_ATTRIBUTES security)
{
    WIN32_FREE char *link_text = win32_narrow(link);
    WIN32_FREE char *existing_text = link_text ? win32_narrow(existing) : NULL;
    return existing_text && CreateHardLinkA(link_text, existing_text, security);
}

BOOLEAN CreateSymbolicLinkW(LPCWSTR link, LPCWSTR target, DWORD flags)
{
    WIN32_FREE char *link_text = win32_narrow(link);
    WIN32_FREE char *target_text = link_text ? win32_narrow(target) : NULL;
    return target_text ? CreateSymbolicLinkA(link_text, target_text, flags) : FALSE;
}

DWORD GetFileAttributesW(LPCWSTR name)
{
    WIN32_FREE char *text = win32_narrow(name);
    return text ? GetFileAttributesA(text) : INVALID_FILE_ATTRIBUTES;
}

BOOL GetFileAttributesExW(LPCWSTR name, GET_FILEEX_INFO_LEVELS level, LPVOID data)
{
    WIN32_FREE char *text = win32_narrow(name);
    return text && GetFileAttributesExA(text, level, data);
}

BOOL SetFileAttributesW(LPCWSTR name, DWORD attributes)
{
    WIN32_FREE char *text = win32_narrow(name);
    return text && SetFileAttributesA(text, attributes);
}
