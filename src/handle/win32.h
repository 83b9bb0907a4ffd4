// SPDX-License-Identifier: Apache-2.0
// What the files of the Win32-shaped library (libholdfast-win32) offer one another. It stands on
// <holdfast/holdfast.h> alone; text is UTF-8 inside, the W functions convert and call the A functions.
#ifndef HANDLE_WIN32_H
#define HANDLE_WIN32_H

#include <holdfast/holdfast.h>

#include <holdfast/win32/windows.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static inline void win32_free(void *pointer)
{
    free(*(void **)pointer);
}
#define WIN32_FREE __attribute__((cleanup(win32_free)))

// --- win32_text.c: errors, text, names -----------------------------------------------------------

// Set the last error and return FALSE.
BOOL win32_fail(DWORD error);
// TRUE for success; for anything else the last error is set.
BOOL win32_result(nt_status status);
// Newly allocated; NULL with the last error set. win32_narrow also for a NULL argument.
char *win32_narrow(LPCWSTR wide);
// The name in the spelling of hf_open, newly allocated; attaches $HOLDFAST_DEVICES the first time.
char *win32_name(const char *name);
// Text into a caller's buffer of size characters, ended by NUL; false when it does not fit.
bool win32_put_wide(const char *text, LPWSTR out, DWORD size);

static inline FILETIME win32_time(uint64_t time)
{
    return (FILETIME){(DWORD)time, (DWORD)(time >> 32)};
}

// hf_open of a Win32 name, sharing with everyone; FALSE with the last error set.
BOOL win32_open(const char *name, uint32_t access, uint32_t options, hf_handle *out);
// Close; the status of what was done before stays the result.
void win32_close(hf_handle file);

// --- win32_object.c: what a HANDLE stands for ----------------------------------------------------

enum win32_kind { WIN32_FILE = 1, WIN32_EVENT = 2, WIN32_FIND = 4, WIN32_TOKEN = 8 };

struct win32_object {
    enum win32_kind kind;
    unsigned references; // under the table's mutex
    // Files and listings; hf_close knows stale ones, so it may be used without a lock.
    hf_handle file;
    bool overlapped, append;
    pthread_mutex_t mutex; // one request at a time on a handle with a file pointer
    uint64_t position;
    // Files and events, under the signal mutex.
    bool manual, signalled;
    unsigned pending; // overlapped requests under way
    // Listings.
    size_t at, length;
    union {
        uint64_t aligned;
        uint8_t bytes[16384];
    } * entries;
};

// INVALID_HANDLE_VALUE and the last error when there is no room.
HANDLE win32_object_new(enum win32_kind kind, hf_handle file, struct win32_object **object);
// Referenced until win32_object_put; NULL with ERROR_INVALID_HANDLE when it is none of these kinds.
struct win32_object *win32_object_get(HANDLE handle, unsigned kinds);
struct win32_object *win32_object_hold(struct win32_object *object); // one reference more
void win32_object_put(struct win32_object *object);
// Take it out of the table; the caller has the table's reference now.
struct win32_object *win32_object_remove(HANDLE handle, unsigned kinds);
void win32_object_clean(void *pointer);
#define WIN32_OBJECT __attribute__((cleanup(win32_object_clean))) struct win32_object

// --- win32_wait.c --------------------------------------------------------------------------------

void win32_signal(struct win32_object *object, bool signalled);
// Until the last overlapped request of a file has filled its OVERLAPPED.
void win32_wait_idle(struct win32_object *file);
// Run the request in the background: FALSE with ERROR_IO_PENDING, or with the error why it was not started.
BOOL win32_overlapped_start(struct win32_object *file, const struct hf_request *request,
                            OVERLAPPED *overlapped);
// After a request that ran here: fill overlapped, if there is one.
void win32_overlapped_sync(struct win32_object *file, OVERLAPPED *overlapped, nt_status status, size_t done);

#endif
