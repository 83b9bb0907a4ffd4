// SPDX-License-Identifier: Apache-2.0
// Listings, and information about open files and volumes. A Win32 information class is a row in a table: the
// NT class that it is, byte for byte.
#include "handle/win32.h"

// --- listings ------------------------------------------------------------------------------------

static const FILE_BOTH_DIR_INFORMATION *entry_at(const struct win32_object *find)
{
    return (const void *)(find->entries->bytes + find->at);
}

static nt_status fill(struct win32_object *find, const char *pattern, bool restart)
{
    find->at = 0;
    return hf_query_directory(find->file, FileBothDirectoryInformation, pattern, restart, false,
                              find->entries->bytes, sizeof find->entries->bytes, &find->length);
}

// The entry at hand as Win32 shows it; the tag of a reparse point is where NT has the size of attributes.
static void entry_data(const FILE_BOTH_DIR_INFORMATION *entry, WIN32_FIND_DATAW *data)
{
    bool reparse = entry->FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT;
    size_t bytes = entry->FileNameLength;
    if (bytes > sizeof data->cFileName - sizeof(WCHAR))
        bytes = sizeof data->cFileName - sizeof(WCHAR);
    *data = (WIN32_FIND_DATAW){.dwFileAttributes = entry->FileAttributes,
                               .ftCreationTime = win32_time((uint64_t)entry->CreationTime),
                               .ftLastAccessTime = win32_time((uint64_t)entry->LastAccessTime),
                               .ftLastWriteTime = win32_time((uint64_t)entry->LastWriteTime),
                               .nFileSizeHigh = (DWORD)((uint64_t)entry->EndOfFile >> 32),
                               .nFileSizeLow = (DWORD)entry->EndOfFile,
                               .dwReserved0 = reparse ? entry->EaSize : 0};
    memcpy(data->cFileName, (const uint8_t *)entry + offsetof(FILE_BOTH_DIR_INFORMATION, FileName), bytes);
}

static BOOL narrow_data(const WIN32_FIND_DATAW *wide, WIN32_FIND_DATAA *data)
{
    size_t units = 0, bytes = sizeof data->cFileName - 1;
    *data = (WIN32_FIND_DATAA){.dwFileAttributes = wide->dwFileAttributes,
                               .ftCreationTime = wide->ftCreationTime,
                               .ftLastAccessTime = wide->ftLastAccessTime,
                               .ftLastWriteTime = wide->ftLastWriteTime,
                               .nFileSizeHigh = wide->nFileSizeHigh,
                               .nFileSizeLow = wide->nFileSizeLow,
                               .dwReserved0 = wide->dwReserved0};
    while (wide->cFileName[units])
        units++;
    nt_status status = hf_from_utf16(wide->cFileName, units, data->cFileName, &bytes);
    return status == STATUS_BUFFER_TOO_SMALL ? win32_fail(ERROR_MORE_DATA) : win32_result(status);
}

// Cut "X:\dir\pattern" in two: the pattern, and in native the directory. "*.*" means every name to Win32.
static char *split_pattern(char *native)
{
    char *last = strrchr(native, '\\') + 1;
    char *pattern = strdup(strcmp(last, "*.*") == 0 ? "*" : last);
    *last = 0;
    return pattern;
}

static DWORD find_error(nt_status status)
{
    return status == STATUS_NO_MORE_FILES ? ERROR_FILE_NOT_FOUND : hf_status_to_win32(status);
}

// Open the directory, which links on its path lead to.
static BOOL find_open(const char *name, hf_handle *directory, char **pattern)
{
    WIN32_FREE char *native = win32_name(name);
    *pattern = native ? split_pattern(native) : NULL;
    if (!*pattern)
        return FALSE;
    if (!**pattern)
        return win32_fail(ERROR_FILE_NOT_FOUND);
    struct hf_open_options options = {.access = FILE_LIST_DIRECTORY | SYNCHRONIZE,
                                      .options = FILE_DIRECTORY_FILE};
    nt_status status = hf_open(native, &options, directory);
    return win32_result(status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_OBJECT_PATH_NOT_FOUND : status);
}

static HANDLE find_first(const char *name, WIN32_FIND_DATAW *data)
{
    WIN32_FREE char *pattern = NULL;
    hf_handle directory;
    struct win32_object *made;
    if (!data) {
        win32_fail(ERROR_INVALID_PARAMETER);
        return INVALID_HANDLE_VALUE;
    }
    if (!find_open(name, &directory, &pattern))
        return INVALID_HANDLE_VALUE;
    HANDLE handle = win32_object_new(WIN32_FIND, directory, &made);
    if (!made) {
        win32_close(directory);
        return handle;
    }
    WIN32_OBJECT *find = made;
    find->entries = malloc(sizeof *find->entries);
    nt_status status = find->entries ? fill(find, pattern, true) : STATUS_NO_MEMORY;
    if (status != STATUS_SUCCESS) {
        FindClose(handle);
        win32_fail(find_error(status));
        return INVALID_HANDLE_VALUE;
    }
    entry_data(entry_at(find), data);
    return handle;
}

static BOOL find_next(HANDLE handle, WIN32_FIND_DATAW *data)
{
    WIN32_OBJECT *find = win32_object_get(handle, WIN32_FIND);
    if (!find || !data)
        return find ? win32_fail(ERROR_INVALID_PARAMETER) : FALSE;
    nt_status status = STATUS_SUCCESS;
    pthread_mutex_lock(&find->mutex);
    uint32_t next = find->length ? entry_at(find)->NextEntryOffset : 0;
    if (next)
        find->at += next;
    else
        status = fill(find, NULL, false);
    if (status == STATUS_SUCCESS)
        entry_data(entry_at(find), data);
    else
        find->length = 0;
    pthread_mutex_unlock(&find->mutex);
    return win32_result(status);
}

HANDLE FindFirstFileW(LPCWSTR pattern, LPWIN32_FIND_DATAW data)
{
    WIN32_FREE char *text = win32_narrow(pattern);
    return text ? find_first(text, data) : INVALID_HANDLE_VALUE;
}

HANDLE FindFirstFileA(LPCSTR pattern, LPWIN32_FIND_DATAA data)
{
    WIN32_FIND_DATAW wide;
    HANDLE find = find_first(pattern, data ? &wide : NULL);
    if (find != INVALID_HANDLE_VALUE && !narrow_data(&wide, data)) {
        FindClose(find);
        win32_fail(ERROR_MORE_DATA);
        return INVALID_HANDLE_VALUE;
    }
    return find;
}

BOOL FindNextFileW(HANDLE find, LPWIN32_FIND_DATAW data)
{
    return find_next(find, data);
}

BOOL FindNextFileA(HANDLE find, LPWIN32_FIND_DATAA data)
{
    WIN32_FIND_DATAW wide;
    return find_next(find, data ? &wide : NULL) && narrow_data(&wide, data);
}

BOOL FindClose(HANDLE handle)
{
    WIN32_OBJECT *find = win32_object_remove(handle, WIN32_FIND);
    return find && win32_result(hf_close(find->file));
}

// --- information by handle -----------------------------------------------------------------------

static uint32_t volume_serial(hf_handle file)
{
    uint8_t buffer[256] = {0};
    FILE_FS_VOLUME_INFORMATION volume = {0};
    size_t done = 0;
    nt_status status = hf_query_volume(file, FileFsVolumeInformation, buffer, sizeof buffer, &done);
    if (status == STATUS_SUCCESS)
        memcpy(&volume, buffer, sizeof volume);
    return volume.VolumeSerialNumber;
}

BOOL GetFileInformationByHandle(HANDLE handle, LPBY_HANDLE_FILE_INFORMATION info)
{
    struct hf_stat st;
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file || !win32_result(hf_stat(file->file, &st)))
        return FALSE;
    if (!info)
        return win32_fail(ERROR_INVALID_PARAMETER);
    *info = (BY_HANDLE_FILE_INFORMATION){.dwFileAttributes = st.attributes,
                                         .ftCreationTime = win32_time(st.created),
                                         .ftLastAccessTime = win32_time(st.accessed),
                                         .ftLastWriteTime = win32_time(st.written),
                                         .dwVolumeSerialNumber = volume_serial(file->file),
                                         .nFileSizeHigh = (DWORD)(st.size >> 32),
                                         .nFileSizeLow = (DWORD)st.size,
                                         .nNumberOfLinks = st.links,
                                         .nFileIndexHigh = (DWORD)(st.id >> 32),
                                         .nFileIndexLow = (DWORD)st.id};
    return TRUE;
}

static const struct {
    FILE_INFO_BY_HANDLE_CLASS class_;
    uint32_t native;
    bool listing, restart;
} queries[] = {
    {FileBasicInfo, FileBasicInformation, false, false},
    {FileStandardInfo, FileStandardInformation, false, false},
    {FileNameInfo, FileNameInformation, false, false},
    {FileStreamInfo, FileStreamInformation, false, false},
    {FileAttributeTagInfo, FileAttributeTagInformation, false, false},
    {FileAlignmentInfo, FileAlignmentInformation, false, false},
    {FileIdInfo, FileIdInformation, false, false},
    {FileIdBothDirectoryInfo, FileIdBothDirectoryInformation, true, false},
    {FileIdBothDirectoryRestartInfo, FileIdBothDirectoryInformation, true, true},
    {FileFullDirectoryInfo, FileFullDirectoryInformation, true, false},
    {FileFullDirectoryRestartInfo, FileFullDirectoryInformation, true, true},
    {FileIdExtdDirectoryInfo, FileIdExtdDirectoryInformation, true, false},
    {FileIdExtdDirectoryRestartInfo, FileIdExtdDirectoryInformation, true, true},
};

BOOL GetFileInformationByHandleEx(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS info_class, LPVOID info,
                                  DWORD length)
{
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    size_t done;
    if (!file)
        return FALSE;
    for (size_t i = 0; i < ARRAYSIZE(queries); i++) {
        if (queries[i].class_ != info_class)
            continue;
        if (!queries[i].listing)
            return win32_result(hf_query(file->file, queries[i].native, info, length, &done));
        return win32_result(hf_query_directory(file->file, queries[i].native, NULL, queries[i].restart, false,
                                               info, length, &done));
    }
    return win32_fail(ERROR_INVALID_PARAMETER);
}

static BOOL rename_by_info(hf_handle file, const FILE_RENAME_INFO *info, DWORD length, bool extended)
{
    size_t at = offsetof(FILE_RENAME_INFO, FileName);
    if (!info || length < at || info->FileNameLength > length - at || info->FileNameLength % 2 != 0)
        return win32_fail(ERROR_INVALID_PARAMETER);
    WCHAR *wide = calloc(1, info->FileNameLength + sizeof(WCHAR));
    if (!wide)
        return win32_fail(ERROR_NOT_ENOUGH_MEMORY);
    memcpy(wide, info->FileName, info->FileNameLength);
    WIN32_FREE char *text = win32_narrow(wide);
    free(wide);
    // With a root the name is relative to that handle; without one it is a Win32 name.
    WIN32_OBJECT *root =
        text && info->RootDirectory ? win32_object_get(info->RootDirectory, WIN32_FILE) : NULL;
    if (!text || (info->RootDirectory && !root))
        return FALSE;
    WIN32_FREE char *native = root ? NULL : win32_name(text);
    if (!root && !native)
        return FALSE;
    return win32_result(hf_rename(file, root ? root->file : NULL, root ? text : native,
                                  extended ? info->Flags : info->ReplaceIfExists != 0));
}

BOOL SetFileInformationByHandle(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS info_class, LPVOID info,
                                DWORD length)
{
    static const struct {
        FILE_INFO_BY_HANDLE_CLASS class_;
        uint32_t native;
    } sets[] = {{FileBasicInfo, FileBasicInformation},
                {FileDispositionInfo, FileDispositionInformation},
                {FileDispositionInfoEx, FileDispositionInformationEx},
                {FileAllocationInfo, FileAllocationInformation},
                {FileEndOfFileInfo, FileEndOfFileInformation}};
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file)
        return FALSE;
    if (info_class == FileRenameInfo || info_class == FileRenameInfoEx)
        return rename_by_info(file->file, info, length, info_class == FileRenameInfoEx);
    for (size_t i = 0; i < ARRAYSIZE(sets); i++)
        if (sets[i].class_ == info_class)
            return win32_result(hf_set(file->file, sets[i].native, info, length));
    return win32_fail(ERROR_INVALID_PARAMETER);
}

BOOL GetFileTime(HANDLE handle, LPFILETIME created, LPFILETIME accessed, LPFILETIME written)
{
    struct hf_stat st;
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file || !win32_result(hf_stat(file->file, &st)))
        return FALSE;
    if (created)
        *created = win32_time(st.created);
    if (accessed)
        *accessed = win32_time(st.accessed);
    if (written)
        *written = win32_time(st.written);
    return TRUE;
}

static int64_t time_or_leave(const FILETIME *time)
{
    return time ? (int64_t)((uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime) : 0;
}

BOOL SetFileTime(HANDLE handle, const FILETIME *created, const FILETIME *accessed, const FILETIME *written)
{
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    FILE_BASIC_INFORMATION basic = {.CreationTime = time_or_leave(created),
                                    .LastAccessTime = time_or_leave(accessed),
                                    .LastWriteTime = time_or_leave(written)};
    return file && win32_result(hf_set(file->file, FileBasicInformation, &basic, sizeof basic));
}

// --- volumes -------------------------------------------------------------------------------------

struct volume_facts {
    char label[256], fs_name[64];
    DWORD serial, component, flags;
};

static nt_status text_at(const uint8_t *buffer, size_t at, size_t bytes, size_t done, char *out, size_t size)
{
    size_t room = size - 1;
    if (done < at || bytes > done - at)
        return STATUS_INFO_LENGTH_MISMATCH;
    nt_status status = hf_from_utf16(buffer + at, bytes / 2, out, &room);
    out[status == STATUS_SUCCESS ? room : 0] = 0;
    return status;
}

static nt_status volume_query(hf_handle root, struct volume_facts *facts)
{
    uint8_t buffer[512] = {0};
    FILE_FS_VOLUME_INFORMATION volume;
    FILE_FS_ATTRIBUTE_INFORMATION attributes;
    size_t done;
    nt_status status = hf_query_volume(root, FileFsVolumeInformation, buffer, sizeof buffer, &done);
    if (status != STATUS_SUCCESS)
        return status;
    memcpy(&volume, buffer, sizeof volume);
    facts->serial = volume.VolumeSerialNumber;
    status = text_at(buffer, offsetof(FILE_FS_VOLUME_INFORMATION, VolumeLabel), volume.VolumeLabelLength,
                     done, facts->label, sizeof facts->label);
    if (status == STATUS_SUCCESS)
        status = hf_query_volume(root, FileFsAttributeInformation, buffer, sizeof buffer, &done);
    if (status != STATUS_SUCCESS)
        return status;
    memcpy(&attributes, buffer, sizeof attributes);
    facts->component = (DWORD)attributes.MaximumComponentNameLength;
    facts->flags = attributes.FileSystemAttributes;
    return text_at(buffer, offsetof(FILE_FS_ATTRIBUTE_INFORMATION, FileSystemName),
                   attributes.FileSystemNameLength, done, facts->fs_name, sizeof facts->fs_name);
}

// name must be a root, written with the separator at its end; NULL: that of the current directory.
static BOOL volume_facts(const char *name, struct volume_facts *facts)
{
    hf_handle root;
    char path[4];
    *facts = (struct volume_facts){0};
    size_t length = name ? strlen(name) : 1;
    if (name && (length == 0 || !strchr("\\/", name[length - 1])))
        return win32_fail(ERROR_INVALID_NAME);
    if (!win32_open(name ? name : "\\", FILE_READ_ATTRIBUTES, FILE_DIRECTORY_FILE, &root))
        return FALSE;
    BOOL ok = win32_result(hf_path(root, path, sizeof path));
    if ((ok && strcmp(path, "/") != 0) || (!ok && GetLastError() == ERROR_INSUFFICIENT_BUFFER))
        ok = win32_fail(ERROR_DIR_NOT_ROOT);
    ok = ok && win32_result(volume_query(root, facts));
    win32_close(root);
    return ok;
}

static void volume_numbers(const struct volume_facts *facts, LPDWORD serial, LPDWORD component, LPDWORD flags)
{
    if (serial)
        *serial = facts->serial;
    if (component)
        *component = facts->component;
    if (flags)
        *flags = facts->flags;
}

static bool put_narrow(const char *text, LPSTR out, DWORD size)
{
    size_t bytes = strlen(text) + 1;
    if (bytes > size)
        return false;
    memcpy(out, text, bytes);
    return true;
}

BOOL GetVolumeInformationA(LPCSTR root, LPSTR label, DWORD label_size, LPDWORD serial, LPDWORD component,
                           LPDWORD flags, LPSTR fs_name, DWORD fs_name_size)
{
    struct volume_facts facts;
    if (!volume_facts(root, &facts))
        return FALSE;
    volume_numbers(&facts, serial, component, flags);
    if ((label && !put_narrow(facts.label, label, label_size)) ||
        (fs_name && !put_narrow(facts.fs_name, fs_name, fs_name_size)))
        return win32_fail(ERROR_BAD_LENGTH);
    return TRUE;
}

BOOL GetVolumeInformationW(LPCWSTR root, LPWSTR label, DWORD label_size, LPDWORD serial, LPDWORD component,
                           LPDWORD flags, LPWSTR fs_name, DWORD fs_name_size)
{
    struct volume_facts facts;
    WIN32_FREE char *text = root ? win32_narrow(root) : NULL;
    if ((root && !text) || !volume_facts(text, &facts))
        return FALSE;
    volume_numbers(&facts, serial, component, flags);
    if ((label && !win32_put_wide(facts.label, label, label_size)) ||
        (fs_name && !win32_put_wide(facts.fs_name, fs_name, fs_name_size)))
        return win32_fail(ERROR_BAD_LENGTH);
    return TRUE;
}

BOOL GetDiskFreeSpaceExA(LPCSTR directory, PULARGE_INTEGER available, PULARGE_INTEGER total,
                         PULARGE_INTEGER free_bytes)
{
    hf_handle handle;
    FILE_FS_FULL_SIZE_INFORMATION size = {0};
    size_t done;
    if (!win32_open(directory ? directory : "\\", FILE_READ_ATTRIBUTES, FILE_DIRECTORY_FILE, &handle))
        return FALSE;
    BOOL ok = win32_result(hf_query_volume(handle, FileFsFullSizeInformation, &size, sizeof size, &done));
    win32_close(handle);
    if (!ok)
        return FALSE;
    ULONGLONG unit = (ULONGLONG)size.SectorsPerAllocationUnit * size.BytesPerSector;
    if (available)
        available->QuadPart = (ULONGLONG)size.CallerAvailableAllocationUnits * unit;
    if (total)
        total->QuadPart = (ULONGLONG)size.TotalAllocationUnits * unit;
    if (free_bytes)
        free_bytes->QuadPart = (ULONGLONG)size.ActualAvailableAllocationUnits * unit;
    return TRUE;
}

BOOL GetDiskFreeSpaceExW(LPCWSTR directory, PULARGE_INTEGER available, PULARGE_INTEGER total,
                         PULARGE_INTEGER free_bytes)
{
    WIN32_FREE char *text = directory ? win32_narrow(directory) : NULL;
    return (text || !directory) && GetDiskFreeSpaceExA(text, available, total, free_bytes);
}
