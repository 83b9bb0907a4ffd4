// SPDX-License-Identifier: Apache-2.0
// Last error, UTF-16 at the surface, Win32 names in native spelling, error texts. The devices of
// $HOLDFAST_DEVICES are attached when the first name is used.
#include "handle/win32.h"

#include <stdatomic.h>
#include <stdio.h>

// --- the last error ------------------------------------------------------------------------------

static _Thread_local DWORD last_error;

DWORD GetLastError(VOID)
{
    return last_error;
}

VOID SetLastError(DWORD error)
{
    last_error = error;
}

BOOL win32_fail(DWORD error)
{
    last_error = error;
    return FALSE;
}

BOOL win32_result(nt_status status)
{
    return status == STATUS_SUCCESS ? TRUE : win32_fail(hf_status_to_win32(status));
}

// --- text ----------------------------------------------------------------------------------------

char *win32_narrow(LPCWSTR wide)
{
    size_t units = 0;
    if (!wide) {
        win32_fail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    while (wide[units])
        units++;
    size_t bytes = units * 3;
    char *text = malloc(bytes + 1);
    if (!text) {
        win32_fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    if (!win32_result(hf_from_utf16(wide, units, text, &bytes))) {
        free(text);
        return NULL;
    }
    text[bytes] = 0;
    return text;
}

bool win32_put_wide(const char *text, LPWSTR out, DWORD size)
{
    size_t units = size ? size - 1 : 0;
    if (size == 0 || hf_to_utf16(text, strlen(text), out, &units) != STATUS_SUCCESS)
        return false;
    out[units] = 0;
    return true;
}

// --- names ---------------------------------------------------------------------------------------

static pthread_once_t attach_once = PTHREAD_ONCE_INIT;
static _Atomic int attach_status;

static void attach(void)
{
    nt_status status = hf_attach_list(NULL);
    if (status != STATUS_SUCCESS)
        fprintf(stderr, "holdfast: HOLDFAST_DEVICES: %s (%s)\n", hf_error_text(), hf_status_name(status));
    atomic_store(&attach_status, (int)status);
}

// The first call after a failed attach fails with its error; later ones find what did get attached.
static bool attached(void)
{
    pthread_once(&attach_once, attach);
    return win32_result((nt_status)atomic_exchange(&attach_status, (int)STATUS_SUCCESS));
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// The current directory is the root of the first drive; 0 when there is none.
static char current_drive(void)
{
    char names[4096];
    if (hf_list_devices(names, sizeof names) != STATUS_SUCCESS)
        return 0;
    for (const char *name = names; *name; name += strlen(name) + 1)
        if (is_letter(name[0]) && name[1] == ':')
            return name[0];
    return 0;
}

// Win32 takes dots and blanks from the end of a name, but "." and ".." are directories.
static void trim(char *path)
{
    char *last = strrchr(path, '\\') + 1;
    if (strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
        return;
    for (size_t n = strlen(last); n > 0 && (last[n - 1] == '.' || last[n - 1] == ' '); n--)
        last[n - 1] = 0;
}

static bool is_nt_form(const char *name)
{
    return strncmp(name, "\\\\?\\", 4) == 0 || strncmp(name, "\\??\\", 4) == 0;
}

// The drive that stands for a mount, attached with the first path into it; 0 when no letter is free.
static char mount_drive(const char *point)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static char *points[26]; // by letter, from Z: down
    char name[] = "Z:", letter = 0;
    char *spec = malloc(strlen(point) + sizeof "mount:");
    if (!spec)
        return 0;
    memcpy(spec, "mount:", 6);
    memcpy(spec + 6, point, strlen(point) + 1);
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 26 && !letter; i++, name[0]--) {
        if (points[i] && strcmp(points[i], point) == 0) {
            letter = name[0];
        } else if (!points[i] && hf_attach(name, spec) == STATUS_SUCCESS) {
            points[i] = strdup(point);
            letter = name[0];
        }
    }
    pthread_mutex_unlock(&mutex);
    free(spec);
    return letter;
}

// A path of Linux in a mount of a volume, as a name on the drive that stands for the mount. NULL: it is none.
static char *mount_name(const char *name)
{
    enum { PATH_SIZE = 4096 };
    char *point = name[0] == '/' && name[1] != '/' ? malloc(2 * PATH_SIZE) : NULL, *out = NULL, *inside;
    if (!point)
        return NULL;
    inside = point + PATH_SIZE;
    if (hf_mount_of(name, point, PATH_SIZE, inside, PATH_SIZE) == STATUS_SUCCESS) {
        char letter = mount_drive(point);
        size_t size = strlen(inside) + 3;
        out = letter ? malloc(size) : NULL;
        if (out)
            snprintf(out, size, "%c:%s", letter, inside);
    }
    free(point);
    return out;
}

char *win32_name(const char *name)
{
    if (!attached())
        return NULL;
    if (!name || !*name) {
        win32_fail(name ? ERROR_PATH_NOT_FOUND : ERROR_INVALID_PARAMETER);
        return NULL;
    }
    char *mounted = mount_name(name);
    if (mounted) {
        for (char *c = mounted; *c; c++)
            *c = *c == '/' ? '\\' : *c;
        return mounted;
    }
    size_t size = strlen(name) + 4; // "X:\" and NUL
    char *out = malloc(size);
    if (!out) {
        win32_fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    if (is_nt_form(name)) {
        memcpy(out, name, size - 3);
        return out;
    }
    bool drive = is_letter(name[0]) && name[1] == ':', rooted = strchr("\\/", name[0]) != NULL;
    bool device = rooted && strchr("\\/", name[1]) && name[1];
    if (device) {
        memcpy(out, name, size - 3);
    } else {
        const char *rest = drive ? name + 2 : name;
        while (*rest == '\\' || *rest == '/')
            rest++;
        char letter = drive ? name[0] : current_drive();
        if (!letter) {
            win32_fail(ERROR_PATH_NOT_FOUND);
            free(out);
            return NULL;
        }
        snprintf(out, size, "%c:\\%s", letter, rest);
    }
    for (char *at = out; *at; at++)
        *at = *at == '/' ? '\\' : *at;
    if (!device)
        trim(out);
    return out;
}

BOOL win32_open(const char *name, uint32_t access, uint32_t options, hf_handle *out)
{
    struct hf_open_options how = {.access = access | SYNCHRONIZE, .options = options};
    WIN32_FREE char *native = win32_name(name);
    *out = NULL;
    return native && win32_result(hf_open(native, &how, out));
}

void win32_close(hf_handle file)
{
    nt_status status = hf_close(file);
    (void)status; // it refuses stale handles only
}

// --- error texts ---------------------------------------------------------------------------------

static const struct {
    DWORD error;
    const char *text;
} texts[] = {
    {ERROR_SUCCESS, "The operation completed successfully."},
    {ERROR_INVALID_FUNCTION, "Incorrect function."},
    {ERROR_FILE_NOT_FOUND, "The system cannot find the file specified."},
    {ERROR_PATH_NOT_FOUND, "The system cannot find the path specified."},
    {ERROR_ACCESS_DENIED, "Access is denied."},
    {ERROR_INVALID_HANDLE, "The handle is invalid."},
    {ERROR_NOT_ENOUGH_MEMORY, "Not enough memory resources are available to process this command."},
    {ERROR_NO_MORE_FILES, "There are no more files."},
    {ERROR_WRITE_PROTECT, "The media is write protected."},
    {ERROR_NOT_READY, "The device is not ready."},
    {ERROR_CRC, "Data error (cyclic redundancy check)."},
    {ERROR_GEN_FAILURE, "A device attached to the system is not functioning."},
    {ERROR_SHARING_VIOLATION,
     "The process cannot access the file because it is being used by another process."},
    {ERROR_LOCK_VIOLATION, "The process cannot access the file because another process has locked a portion "
                           "of the file."},
    {ERROR_WRONG_DISK, "The wrong diskette is in the drive."},
    {ERROR_HANDLE_EOF, "Reached the end of the file."},
    {ERROR_NOT_SUPPORTED, "The request is not supported."},
    {ERROR_FILE_EXISTS, "The file exists."},
    {ERROR_INVALID_PARAMETER, "The parameter is incorrect."},
    {ERROR_DISK_FULL, "There is not enough space on the disk."},
    {ERROR_SEM_TIMEOUT, "The semaphore timeout period has expired."},
    {ERROR_INSUFFICIENT_BUFFER, "The data area passed to a system call is too small."},
    {ERROR_INVALID_NAME, "The filename, directory name, or volume label syntax is incorrect."},
    {ERROR_DIR_NOT_ROOT, "The directory is not the root directory."},
    {ERROR_DIR_NOT_EMPTY, "The directory is not empty."},
    {ERROR_BUSY, "The requested resource is in use."},
    {ERROR_ALREADY_EXISTS, "Cannot create a file when that file already exists."},
    {ERROR_MORE_DATA, "More data is available."},
    {ERROR_DIRECTORY, "The directory name is invalid."},
    {ERROR_DATA_CHECKSUM_ERROR, "A data integrity checksum error occurred. Data in the file stream is "
                                "corrupt."},
    {ERROR_OPERATION_ABORTED, "The I/O operation has been aborted because of either a thread exit or an "
                              "application request."},
    {ERROR_IO_INCOMPLETE, "Overlapped I/O event is not in a signaled state."},
    {ERROR_IO_PENDING, "Overlapped I/O operation is in progress."},
    {ERROR_NOACCESS, "Invalid access to memory location."},
    {ERROR_UNRECOGNIZED_VOLUME, "The volume does not contain a recognized file system."},
    {ERROR_MEDIA_CHANGED, "The media in the drive may have changed."},
    {ERROR_NO_MEDIA_IN_DRIVE, "No media in drive."},
    {ERROR_IO_DEVICE, "The request could not be performed because of an I/O device error."},
    {ERROR_NOT_ALL_ASSIGNED, "Not all privileges or groups referenced are assigned to the caller."},
    {ERROR_PRIVILEGE_NOT_HELD, "A required privilege is not held by the client."},
    {ERROR_FILE_CORRUPT, "The file or directory is corrupted and unreadable."},
    {ERROR_DISK_CORRUPT, "The disk structure is corrupted and unreadable."},
    {ERROR_CANT_ACCESS_FILE, "The file cannot be accessed by the system."},
    {ERROR_CANT_RESOLVE_FILENAME, "The name of the file cannot be resolved by the system."},
    {ERROR_NOT_A_REPARSE_POINT, "The file or directory is not a reparse point."},
    {ERROR_REPARSE_ATTRIBUTE_CONFLICT,
     "The reparse point attribute cannot be set because it conflicts with an "
     "existing attribute."},
    {ERROR_INVALID_REPARSE_DATA, "The data present in the reparse point buffer is invalid."},
    {ERROR_REPARSE_TAG_INVALID, "The tag present in the reparse point buffer is invalid."},
    {ERROR_REPARSE_TAG_MISMATCH, "There is a mismatch between the tag specified in the request and the tag "
                                 "present in the reparse point."},
};

static const char *text_of(DWORD error)
{
    for (size_t i = 0; i < ARRAYSIZE(texts); i++)
        if (texts[i].error == error)
            return texts[i].text;
    return NULL;
}

DWORD FormatMessageA(DWORD flags, LPCVOID source, DWORD message, DWORD language, LPSTR buffer, DWORD size,
                     va_list *arguments)
{
    (void)source, (void)language, (void)arguments;
    const char *text = flags & FORMAT_MESSAGE_FROM_SYSTEM ? text_of(message) : NULL;
    if (!text || !buffer) {
        win32_fail(text ? ERROR_INVALID_PARAMETER : ERROR_MR_MID_NOT_FOUND);
        return 0;
    }
    size_t length = strlen(text) + 2; // "\r\n"
    char *out = buffer;
    if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
        out = malloc(length + 1);
        if (!out)
            return (DWORD)win32_fail(ERROR_NOT_ENOUGH_MEMORY);
        *(char **)(void *)buffer = out;
    } else if (size <= length) {
        return (DWORD)win32_fail(ERROR_INSUFFICIENT_BUFFER);
    }
    snprintf(out, length + 1, "%s\r\n", text);
    return (DWORD)length;
}

DWORD FormatMessageW(DWORD flags, LPCVOID source, DWORD message, DWORD language, LPWSTR buffer, DWORD size,
                     va_list *arguments)
{
    char text[512];
    DWORD length = FormatMessageA(flags & ~FORMAT_MESSAGE_ALLOCATE_BUFFER, source, message, language, text,
                                  sizeof text, arguments);
    if (length == 0)
        return 0;
    LPWSTR out = buffer;
    if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
        size = length + 1;
        out = malloc(size * sizeof *out);
        if (!out)
            return (DWORD)win32_fail(ERROR_NOT_ENOUGH_MEMORY);
        *(LPWSTR *)(void *)buffer = out;
    }
    return win32_put_wide(text, out, size) ? length : (DWORD)win32_fail(ERROR_INSUFFICIENT_BUFFER);
}

HLOCAL LocalFree(HLOCAL memory)
{
    free(memory);
    return NULL;
}
