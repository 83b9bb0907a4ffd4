// SPDX-License-Identifier: Apache-2.0
// Status names and mappings, all made from the one list in ntstatus.h; last-error text; the trace ring.
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct status_row {
    nt_status status;
    u32 win32;
    const char *name;
} rows[] = {
#define ROW(name, value, win32) {name, win32, #name},
    HF_STATUS_LIST(ROW)
#undef ROW
};

enum { ERROR_MR_MID_NOT_FOUND = 317, TRACE_LINES = 256, TEXT_SIZE = 512 };

static const struct status_row *row_of(nt_status status)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return &rows[i];
    return NULL;
}

const char *status_name(nt_status status)
{
    static _Thread_local char unknown[24];
    const struct status_row *row = row_of(status);
    if (row)
        return row->name;
    snprintf(unknown, sizeof unknown, "STATUS_0x%08X", (unsigned)status);
    return unknown;
}

bool status_from_name(const char *name, nt_status *status)
{
    static const char prefix[] = "STATUS_";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, name) == 0 || strcmp(rows[i].name + sizeof prefix - 1, name) == 0) {
            *status = rows[i].status;
            return true;
        }
    }
    return false;
}

bool status_is_damage(nt_status status)
{
    return status == STATUS_DISK_CORRUPT_ERROR || status == STATUS_FILE_CORRUPT_ERROR ||
           status == STATUS_DATA_CHECKSUM_ERROR;
}

bool status_is_unreadable(nt_status status)
{
    static const nt_status said[] = {
        STATUS_DEVICE_DATA_ERROR, STATUS_IO_DEVICE_ERROR,    STATUS_DEVICE_HARDWARE_ERROR,
        STATUS_CRC_ERROR,         STATUS_IO_TIMEOUT,         STATUS_DATA_OVERRUN,
        STATUS_NO_DATA_DETECTED,  STATUS_NONEXISTENT_SECTOR, STATUS_INVALID_DEVICE_REQUEST,
        STATUS_UNRECOGNIZED_MEDIA};
    for (size_t i = 0; i < ARRAY_LEN(said); i++)
        if (status == said[i])
            return true;
    return false;
}

u32 status_to_win32(nt_status status)
{
    const struct status_row *row = row_of(status);
    return row ? row->win32 : ERROR_MR_MID_NOT_FOUND;
}

// First match wins in both directions, so the preferred pair of each comes first.
static const struct errno_row {
    int error;
    nt_status status;
} errno_rows[] = {
    {0, STATUS_SUCCESS},
    {ENOENT, STATUS_OBJECT_NAME_NOT_FOUND},
    {ENOENT, STATUS_OBJECT_PATH_NOT_FOUND},
    {ENOENT, STATUS_NO_SUCH_FILE},
    {EEXIST, STATUS_OBJECT_NAME_COLLISION},
    {EEXIST, STATUS_IO_REPARSE_TAG_MISMATCH},
    {EEXIST, STATUS_REPARSE_ATTRIBUTE_CONFLICT},
    {EACCES, STATUS_ACCESS_DENIED},
    {EACCES, STATUS_DELETE_PENDING},
    {EACCES, STATUS_CANNOT_DELETE},
    {EPERM, STATUS_PRIVILEGE_NOT_HELD},
    {ENOSPC, STATUS_DISK_FULL},
    {ENOSPC, STATUS_DISK_RESOURCES_EXHAUSTED},
    {EROFS, STATUS_MEDIA_WRITE_PROTECTED},
    {EINVAL, STATUS_INVALID_PARAMETER},
    {EINVAL, STATUS_IO_REPARSE_DATA_INVALID},
    {EINVAL, STATUS_IO_REPARSE_TAG_INVALID},
    {EINVAL, STATUS_INVALID_BUFFER_SIZE},
    {EINVAL, STATUS_INFO_LENGTH_MISMATCH},
    {EBUSY, STATUS_SHARING_VIOLATION},
    {EBUSY, STATUS_DEVICE_BUSY},
    {EAGAIN, STATUS_FILE_LOCK_CONFLICT},
    {EAGAIN, STATUS_LOCK_NOT_GRANTED},
    {EISDIR, STATUS_FILE_IS_A_DIRECTORY},
    {ENOTDIR, STATUS_NOT_A_DIRECTORY},
    {ENOTEMPTY, STATUS_DIRECTORY_NOT_EMPTY},
    {EILSEQ, STATUS_OBJECT_NAME_INVALID},
    {ENODATA, STATUS_NONEXISTENT_EA_ENTRY},
    {ENODATA, STATUS_NO_EAS_ON_FILE},
    {ENODATA, STATUS_NOT_A_REPARSE_POINT},
    {E2BIG, STATUS_EA_TOO_LARGE},
    {ELOOP, STATUS_REPARSE_POINT_NOT_RESOLVED},
    {ENOTTY, STATUS_INVALID_DEVICE_REQUEST},
    {EOPNOTSUPP, STATUS_NOT_SUPPORTED},
    {EOPNOTSUPP, STATUS_IO_REPARSE_TAG_NOT_HANDLED},
    {ENOSYS, STATUS_NOT_IMPLEMENTED},
    {EXDEV, STATUS_NOT_SAME_DEVICE},
    {ENOMEM, STATUS_NO_MEMORY},
    {ENOMEM, STATUS_INSUFFICIENT_RESOURCES},
    {EBADF, STATUS_INVALID_HANDLE},
    {EBADF, STATUS_FILE_CLOSED},
    {EMLINK, STATUS_TOO_MANY_LINKS},
    {EMLINK, STATUS_BLOCK_TOO_MANY_REFERENCES},
    {ERANGE, STATUS_BUFFER_TOO_SMALL},
    {ERANGE, STATUS_BUFFER_OVERFLOW},
    {EFBIG, STATUS_FILE_SYSTEM_LIMITATION},
    {ECANCELED, STATUS_CANCELLED},
    {ETIMEDOUT, STATUS_IO_TIMEOUT},
    {ENODEV, STATUS_NO_SUCH_DEVICE},
    {ENXIO, STATUS_DEVICE_NOT_CONNECTED},
    {ENOMEDIUM, STATUS_NO_MEDIA_IN_DEVICE},
    {ENOMEDIUM, STATUS_NO_MEDIA},
    {ESTALE, STATUS_WRONG_VOLUME},
    {ESTALE, STATUS_FILE_INVALID},
    {ESTALE, STATUS_VOLUME_DISMOUNTED},
    {EFAULT, STATUS_ACCESS_VIOLATION},
};

nt_status status_from_errno(int error)
{
    for (size_t i = 0; i < ARRAY_LEN(errno_rows); i++)
        if (errno_rows[i].error == error)
            return errno_rows[i].status;
    return STATUS_IO_DEVICE_ERROR;
}

int status_to_errno(nt_status status)
{
    for (size_t i = 0; i < ARRAY_LEN(errno_rows); i++)
        if (errno_rows[i].status == status)
            return errno_rows[i].error;
    return EIO;
}

static _Thread_local char last_text[TEXT_SIZE];

void status_set_text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(last_text, sizeof last_text, format, args);
    va_end(args);
}

void status_clear_text(void)
{
    last_text[0] = '\0';
}

const char *status_text(void)
{
    return last_text;
}

static struct trace_line {
    u64 time;
    u64 information;
    const char *what;
    u32 code;
    nt_status status;
} trace_ring[TRACE_LINES];
static u64 trace_count;
static pthread_mutex_t trace_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t trace_once = PTHREAD_ONCE_INIT;
static bool trace_prints;

static void trace_setup(void)
{
    trace_prints = getenv("HOLDFAST_TRACE") != NULL;
}

void trace_request(const char *what, u32 code, nt_status status, u64 information)
{
    pthread_once(&trace_once, trace_setup);
    if (trace_prints)
        fprintf(stderr, "holdfast: %s %08X = %s [%llu]\n", what, code, status_name(status),
                (unsigned long long)information);
    if (!HF_STATUS_IS_ERROR(status) && !HF_STATUS_IS_WARNING(status))
        return;
    SCOPE_LOCK(&trace_mutex);
    trace_ring[trace_count++ % TRACE_LINES] = (struct trace_line){
        .time = time_now(), .information = information, .what = what, .code = code, .status = status};
}

size_t trace_dump(char *out, size_t size)
{
    size_t used = 0;
    SCOPE_LOCK(&trace_mutex);
    u64 first = trace_count > TRACE_LINES ? trace_count - TRACE_LINES : 0;
    if (size > 0)
        out[0] = '\0';
    for (u64 i = first; i < trace_count; i++) {
        const struct trace_line *line = &trace_ring[i % TRACE_LINES];
        int n = snprintf(out + used, size - used, "%llu %s %08X = %s [%llu]\n",
                         (unsigned long long)line->time, line->what, line->code, status_name(line->status),
                         (unsigned long long)line->information);
        if (n < 0 || (size_t)n >= size - used)
            break;
        used += (size_t)n;
    }
    return used;
}
