// SPDX-License-Identifier: Apache-2.0
// CreateFile and what is done with an open file's bytes: read, write, pointer, size, flush, locks. A handle
// without FILE_FLAG_OVERLAPPED keeps a file pointer and runs one request at a time.
#include "handle/win32.h"

// --- CreateFile ----------------------------------------------------------------------------------

#define ATTRIBUTES_MASK 0x0003ffa7u // of the flags: attributes that a new file may be given

static bool is_volume_or_device(const char *native)
{
    return strncmp(native, "\\\\.\\", 4) == 0 && !strchr(native + 4, '\\');
}

static uint32_t native_options(const char *native, DWORD flags)
{
    static const struct {
        DWORD flag;
        uint32_t option;
    } map[] = {{FILE_FLAG_OPEN_REPARSE_POINT, FILE_OPEN_REPARSE_POINT},
               {FILE_FLAG_DELETE_ON_CLOSE, FILE_DELETE_ON_CLOSE},
               {FILE_FLAG_WRITE_THROUGH, FILE_WRITE_THROUGH},
               {FILE_FLAG_NO_BUFFERING, FILE_NO_INTERMEDIATE_BUFFERING}};
    uint32_t options = 0;
    for (size_t i = 0; i < ARRAYSIZE(map); i++)
        options |= flags & map[i].flag ? map[i].option : 0;
    if (!(flags & FILE_FLAG_BACKUP_SEMANTICS) && !is_volume_or_device(native))
        options |= FILE_NON_DIRECTORY_FILE;
    return options;
}

static bool native_disposition(DWORD disposition, DWORD access, uint32_t *out)
{
    static const uint32_t map[] = {[CREATE_NEW] = FILE_CREATE,
                                   [CREATE_ALWAYS] = FILE_OVERWRITE_IF,
                                   [OPEN_EXISTING] = FILE_OPEN,
                                   [OPEN_ALWAYS] = FILE_OPEN_IF,
                                   [TRUNCATE_EXISTING] = FILE_OVERWRITE};
    if (disposition < CREATE_NEW || disposition > TRUNCATE_EXISTING)
        return false;
    *out = map[disposition];
    return disposition != TRUNCATE_EXISTING || (access & (GENERIC_WRITE | GENERIC_ALL | FILE_WRITE_DATA));
}

// CreateFile has its own error for a collision.
static DWORD create_error(nt_status status)
{
    return status == STATUS_OBJECT_NAME_COLLISION ? ERROR_FILE_EXISTS : hf_status_to_win32(status);
}

static HANDLE publish(hf_handle file, DWORD access, DWORD flags)
{
    struct win32_object *object;
    HANDLE handle = win32_object_new(WIN32_FILE, file, &object);
    if (!object) {
        win32_close(file);
        return handle;
    }
    object->overlapped = flags & FILE_FLAG_OVERLAPPED;
    object->append =
        (access & FILE_APPEND_DATA) && !(access & (FILE_WRITE_DATA | GENERIC_WRITE | GENERIC_ALL));
    win32_object_put(object);
    return handle;
}

HANDLE CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                   DWORD flags, HANDLE template_file)
{
    (void)security, (void)template_file;
    WIN32_FREE char *native = win32_name(name);
    uint32_t action = 0, native_how;
    if (!native)
        return INVALID_HANDLE_VALUE;
    if (!native_disposition(disposition, access, &native_how)) {
        win32_fail(ERROR_INVALID_PARAMETER);
        return INVALID_HANDLE_VALUE;
    }
    struct hf_open_options options = {.access = access | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                                      .share = share ? share : HF_SHARE_NONE,
                                      .disposition = native_how,
                                      .options = native_options(native, flags),
                                      .attributes = flags & ATTRIBUTES_MASK & ~FILE_ATTRIBUTE_NORMAL,
                                      .action = &action};
    if (flags & FILE_FLAG_DELETE_ON_CLOSE)
        options.access |= DELETE;
    hf_handle file;
    nt_status status = hf_open(native, &options, &file);
    if (status != STATUS_SUCCESS) {
        win32_fail(create_error(status));
        return INVALID_HANDLE_VALUE;
    }
    bool existed = (disposition == CREATE_ALWAYS || disposition == OPEN_ALWAYS) && action != FILE_CREATED;
    HANDLE handle = publish(file, access, flags);
    if (handle != INVALID_HANDLE_VALUE)
        SetLastError(existed ? ERROR_ALREADY_EXISTS : ERROR_SUCCESS);
    return handle;
}

HANDLE CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                   DWORD flags, HANDLE template_file)
{
    WIN32_FREE char *text = win32_narrow(name);
    return text ? CreateFileA(text, access, share, security, disposition, flags, template_file)
                : INVALID_HANDLE_VALUE;
}

// --- read and write ------------------------------------------------------------------------------

static uint64_t offset_of(const OVERLAPPED *overlapped)
{
    return (uint64_t)overlapped->OffsetHigh << 32 | overlapped->Offset; // all ones: append
}

static nt_status transfer(struct win32_object *file, const struct hf_request *request, uint64_t offset,
                          size_t *done)
{
    if (request->kind == HF_REQUEST_READ)
        return hf_read(file->file, offset, request->out, request->out_length, done);
    return hf_write(file->file, offset, request->in, request->in_length, done);
}

// On a handle with a file pointer. Without an OVERLAPPED, reading at the end is no error: 0 bytes.
static BOOL transfer_here(struct win32_object *file, const struct hf_request *request, LPDWORD done,
                          LPOVERLAPPED overlapped)
{
    size_t bytes = 0;
    pthread_mutex_lock(&file->mutex);
    uint64_t offset = overlapped ? offset_of(overlapped) : file->position;
    if (request->kind == HF_REQUEST_WRITE && file->append)
        offset = HF_APPEND;
    nt_status status = transfer(file, request, offset, &bytes);
    struct hf_stat st;
    if (offset != HF_APPEND)
        file->position = offset + bytes;
    else if (status == STATUS_SUCCESS && hf_stat(file->file, &st) == STATUS_SUCCESS)
        file->position = st.size;
    pthread_mutex_unlock(&file->mutex);
    win32_overlapped_sync(file, overlapped, status, bytes);
    if (done)
        *done = (DWORD)bytes;
    return status == STATUS_END_OF_FILE && !overlapped ? TRUE : win32_result(status);
}

static BOOL transfer_start(HANDLE handle, struct hf_request *request, LPDWORD done, LPOVERLAPPED overlapped)
{
    if (done)
        *done = 0;
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file)
        return FALSE;
    if (!overlapped && (file->overlapped || !done))
        return win32_fail(ERROR_INVALID_PARAMETER);
    if (!file->overlapped)
        return transfer_here(file, request, done, overlapped);
    request->offset = file->append && request->kind == HF_REQUEST_WRITE ? HF_APPEND : offset_of(overlapped);
    return win32_overlapped_start(file, request, overlapped);
}

BOOL ReadFile(HANDLE file, LPVOID data, DWORD length, LPDWORD done, LPOVERLAPPED overlapped)
{
    struct hf_request request = {.kind = HF_REQUEST_READ, .out = data, .out_length = length};
    return transfer_start(file, &request, done, overlapped);
}

BOOL WriteFile(HANDLE file, LPCVOID data, DWORD length, LPDWORD done, LPOVERLAPPED overlapped)
{
    struct hf_request request = {.kind = HF_REQUEST_WRITE, .in = data, .in_length = length};
    return transfer_start(file, &request, done, overlapped);
}

BOOL FlushFileBuffers(HANDLE handle)
{
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    return file && win32_result(hf_flush(file->file));
}

// --- pointer and size ----------------------------------------------------------------------------

BOOL GetFileSizeEx(HANDLE handle, PLARGE_INTEGER size)
{
    struct hf_stat st;
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file || !win32_result(hf_stat(file->file, &st)))
        return FALSE;
    if (!size)
        return win32_fail(ERROR_INVALID_PARAMETER);
    size->QuadPart = (LONGLONG)st.size;
    return TRUE;
}

// The low half of a 64-bit answer may look like failure: then the last error is NO_ERROR.
static DWORD low_half(LONGLONG value)
{
    if ((DWORD)value == INVALID_FILE_SIZE)
        SetLastError(NO_ERROR);
    return (DWORD)value;
}

DWORD GetFileSize(HANDLE file, LPDWORD high)
{
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file, &size))
        return INVALID_FILE_SIZE;
    if (high)
        *high = (DWORD)size.HighPart;
    return low_half(size.QuadPart);
}

BOOL SetFilePointerEx(HANDLE handle, LARGE_INTEGER distance, PLARGE_INTEGER position, DWORD method)
{
    struct hf_stat st = {0};
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file)
        return FALSE;
    if (method > FILE_END)
        return win32_fail(ERROR_INVALID_PARAMETER);
    if (method == FILE_END && !win32_result(hf_stat(file->file, &st)))
        return FALSE;
    pthread_mutex_lock(&file->mutex);
    int64_t base = method == FILE_CURRENT ? (int64_t)file->position : (int64_t)st.size, to;
    bool valid = !__builtin_add_overflow(base, distance.QuadPart, &to) && to >= 0;
    if (valid)
        file->position = (uint64_t)to;
    pthread_mutex_unlock(&file->mutex);
    if (!valid)
        return win32_fail(ERROR_NEGATIVE_SEEK);
    if (position)
        position->QuadPart = to;
    return TRUE;
}

DWORD SetFilePointer(HANDLE file, LONG distance, PLONG distance_high, DWORD method)
{
    LARGE_INTEGER by = {.QuadPart = distance}, position;
    if (distance_high)
        by = (LARGE_INTEGER){.LowPart = (DWORD)distance, .HighPart = *distance_high};
    if (!SetFilePointerEx(file, by, &position, method))
        return INVALID_SET_FILE_POINTER;
    if (distance_high)
        *distance_high = position.HighPart;
    return low_half(position.QuadPart);
}

BOOL SetEndOfFile(HANDLE handle)
{
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file)
        return FALSE;
    pthread_mutex_lock(&file->mutex);
    FILE_END_OF_FILE_INFORMATION end = {(int64_t)file->position};
    pthread_mutex_unlock(&file->mutex);
    return win32_result(hf_set(file->file, FileEndOfFileInformation, &end, sizeof end));
}

DWORD GetFileType(HANDLE handle)
{
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (file)
        SetLastError(NO_ERROR);
    return file ? FILE_TYPE_DISK : FILE_TYPE_UNKNOWN;
}

// --- locks ---------------------------------------------------------------------------------------

static uint64_t join(DWORD low, DWORD high)
{
    return (uint64_t)high << 32 | low;
}

BOOL LockFile(HANDLE handle, DWORD offset, DWORD offset_high, DWORD length, DWORD length_high)
{
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    return file && win32_result(hf_lock(file->file, join(offset, offset_high), join(length, length_high),
                                        true, false));
}

BOOL UnlockFile(HANDLE handle, DWORD offset, DWORD offset_high, DWORD length, DWORD length_high)
{
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    return file && win32_result(hf_unlock(file->file, join(offset, offset_high), join(length, length_high)));
}

BOOL LockFileEx(HANDLE handle, DWORD flags, DWORD reserved, DWORD length, DWORD length_high,
                LPOVERLAPPED overlapped)
{
    (void)reserved;
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file)
        return FALSE;
    if (!overlapped)
        return win32_fail(ERROR_INVALID_PARAMETER);
    bool wait = !(flags & LOCKFILE_FAIL_IMMEDIATELY);
    struct hf_request request = {.kind = HF_REQUEST_LOCK,
                                 .offset = offset_of(overlapped),
                                 .in_length = join(length, length_high),
                                 .exclusive = flags & LOCKFILE_EXCLUSIVE_LOCK};
    if (file->overlapped && wait)
        return win32_overlapped_start(file, &request, overlapped);
    nt_status status = hf_lock(file->file, request.offset, request.in_length, request.exclusive, wait);
    win32_overlapped_sync(file, overlapped, status, 0);
    return win32_result(status);
}

BOOL UnlockFileEx(HANDLE handle, DWORD reserved, DWORD length, DWORD length_high, LPOVERLAPPED overlapped)
{
    (void)reserved;
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file)
        return FALSE;
    if (!overlapped)
        return win32_fail(ERROR_INVALID_PARAMETER);
    return win32_result(hf_unlock(file->file, offset_of(overlapped), join(length, length_high)));
}
