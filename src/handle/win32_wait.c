// SPDX-License-Identifier: Apache-2.0
// Control codes with and without OVERLAPPED, events and waiting. One mutex and one condition serve every
// event and every overlapped request: signals are rare, and so nothing is missed and nothing has an order.
#include "handle/win32.h"

#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

// Requests in the background; there is no allocation on their way.
static struct pending {
    struct hf_request request;
    uint8_t input[sizeof(DUPLICATE_EXTENTS_DATA_EX)]; // that of a code with a handle in it, translated
    struct win32_object *file, *event;
    OVERLAPPED *overlapped;
    struct pending *next_free;
} pendings[1024];
static struct pending *first_free; // used before, free again
static size_t never_used = ARRAYSIZE(pendings);

// --- events --------------------------------------------------------------------------------------

void win32_signal(struct win32_object *object, bool signalled)
{
    pthread_mutex_lock(&mutex);
    object->signalled = signalled;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

HANDLE CreateEventA(LPSECURITY_ATTRIBUTES security, BOOL manual, BOOL signalled, LPCSTR name)
{
    (void)security;
    struct win32_object *event;
    if (name) { // a named one is shared between processes
        win32_fail(ERROR_NOT_SUPPORTED);
        return NULL;
    }
    HANDLE handle = win32_object_new(WIN32_EVENT, NULL, &event);
    if (!event)
        return NULL;
    event->manual = manual != FALSE;
    event->signalled = signalled != FALSE;
    win32_object_put(event);
    return handle;
}

HANDLE CreateEventW(LPSECURITY_ATTRIBUTES security, BOOL manual, BOOL signalled, LPCWSTR name)
{
    return CreateEventA(security, manual, signalled, name ? "" : NULL);
}

static BOOL event_set(HANDLE handle, bool signalled)
{
    WIN32_OBJECT *event = win32_object_get(handle, WIN32_EVENT);
    if (!event)
        return FALSE;
    win32_signal(event, signalled);
    return TRUE;
}

BOOL SetEvent(HANDLE event)
{
    return event_set(event, true);
}

BOOL ResetEvent(HANDLE event)
{
    return event_set(event, false);
}

// Wait for a signal until the moment, NULL: for ever. Under the mutex; false when time is up.
static bool wait_until(const struct timespec *moment)
{
    if (!moment)
        return pthread_cond_wait(&changed, &mutex) == 0;
    return pthread_cond_clockwait(&changed, &mutex, CLOCK_MONOTONIC, moment) == 0;
}

DWORD WaitForSingleObject(HANDLE handle, DWORD milliseconds)
{
    WIN32_OBJECT *object = win32_object_get(handle, WIN32_EVENT | WIN32_FILE);
    if (!object)
        return WAIT_FAILED;
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    long nanoseconds = moment.tv_nsec + (long)(milliseconds % 1000) * 1000000;
    moment.tv_sec += milliseconds / 1000 + nanoseconds / 1000000000;
    moment.tv_nsec = nanoseconds % 1000000000;
    pthread_mutex_lock(&mutex);
    while (!object->signalled && wait_until(milliseconds == INFINITE ? NULL : &moment))
        ;
    bool signalled = object->signalled;
    if (object->kind == WIN32_EVENT && !object->manual)
        object->signalled = false;
    pthread_mutex_unlock(&mutex);
    return signalled ? WAIT_OBJECT_0 : WAIT_TIMEOUT;
}

VOID Sleep(DWORD milliseconds)
{
    struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}

ULONGLONG GetTickCount64(VOID)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (ULONGLONG)time.tv_sec * 1000 + (ULONGLONG)time.tv_nsec / 1000000;
}

DWORD GetTickCount(VOID)
{
    return (DWORD)GetTickCount64();
}

// --- handles inside buffers ----------------------------------------------------------------------

// A code whose input holds a HANDLE gets a copy with the hf_handle behind it, NULL when there is none. What
// follows the structure says nothing.
static const void *input_translate(DWORD code, const void *in, size_t *length,
                                   uint8_t copy[sizeof(DUPLICATE_EXTENTS_DATA_EX)])
{
    bool extended = code == FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX;
    size_t size = extended ? sizeof(DUPLICATE_EXTENTS_DATA_EX) : sizeof(DUPLICATE_EXTENTS_DATA);
    size_t at = extended ? offsetof(DUPLICATE_EXTENTS_DATA_EX, FileHandle)
                         : offsetof(DUPLICATE_EXTENTS_DATA, FileHandle);
    if ((code != FSCTL_DUPLICATE_EXTENTS_TO_FILE && !extended) || !in || *length < size)
        return in;
    HANDLE handle;
    memcpy(copy, in, size);
    memcpy(&handle, copy + at, sizeof handle);
    WIN32_OBJECT *object = win32_object_get(handle, WIN32_FILE);
    hf_handle file = object ? object->file : NULL;
    memcpy(copy + at, &file, sizeof file);
    *length = size;
    return copy;
}

// --- overlapped requests -------------------------------------------------------------------------

// The request is over: fill overlapped, then wake who waits for it, who may free it.
static void overlapped_done(OVERLAPPED *overlapped, struct win32_object *file, struct win32_object *event,
                            nt_status status, size_t done)
{
    pthread_mutex_lock(&mutex);
    overlapped->InternalHigh = done;
    __atomic_store_n(&overlapped->Internal, (ULONG_PTR)(DWORD)status, __ATOMIC_RELEASE);
    file->signalled = true;
    if (event)
        event->signalled = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

// The low bit of the event tells a completion port to look away; it is no part of the handle.
static struct win32_object *event_of(const OVERLAPPED *overlapped)
{
    HANDLE event = (HANDLE)((uintptr_t)overlapped->hEvent & ~(uintptr_t)1);
    return event ? win32_object_get(event, WIN32_EVENT) : NULL;
}

void win32_overlapped_sync(struct win32_object *file, OVERLAPPED *overlapped, nt_status status, size_t done)
{
    if (!overlapped) {
        win32_signal(file, true);
        return;
    }
    WIN32_OBJECT *event = event_of(overlapped);
    overlapped_done(overlapped, file, event, status, done);
}

static struct pending *pending_take(void)
{
    struct pending *pending = NULL;
    pthread_mutex_lock(&mutex);
    if (first_free) {
        pending = first_free;
        first_free = pending->next_free;
    } else if (never_used > 0) {
        pending = &pendings[--never_used];
    }
    pthread_mutex_unlock(&mutex);
    return pending;
}

static void pending_give(struct pending *pending)
{
    pthread_mutex_lock(&mutex);
    pending->file->pending--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    win32_object_clean(&pending->event);
    win32_object_clean(&pending->file);
    pthread_mutex_lock(&mutex);
    pending->next_free = first_free;
    first_free = pending;
    pthread_mutex_unlock(&mutex);
}

static void pending_complete(struct hf_request *request, nt_status status, size_t done)
{
    struct pending *pending = request->context;
    overlapped_done(pending->overlapped, pending->file, pending->event, status, done);
    pending_give(pending);
}

// Before the request can complete: nothing is signalled while it is under way.
static void pending_prepare(struct pending *pending)
{
    pthread_mutex_lock(&mutex);
    pending->overlapped->InternalHigh = 0;
    __atomic_store_n(&pending->overlapped->Internal, (ULONG_PTR)STATUS_PENDING, __ATOMIC_RELEASE);
    pending->file->signalled = false;
    pending->file->pending++;
    if (pending->event)
        pending->event->signalled = false;
    pthread_mutex_unlock(&mutex);
}

void win32_wait_idle(struct win32_object *file)
{
    pthread_mutex_lock(&mutex);
    while (file->pending)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

BOOL win32_overlapped_start(struct win32_object *file, const struct hf_request *request,
                            OVERLAPPED *overlapped)
{
    WIN32_OBJECT *event = event_of(overlapped);
    if (overlapped->hEvent && !event)
        return FALSE;
    struct pending *pending = pending_take();
    if (!pending)
        return win32_fail(ERROR_NOT_ENOUGH_MEMORY);
    *pending = (struct pending){.request = *request, .overlapped = overlapped};
    pending->file = win32_object_hold(file);
    pending->event = event ? win32_object_hold(event) : NULL;
    if (request->kind == HF_REQUEST_IOCTL)
        pending->request.in =
            input_translate(request->code, request->in, &pending->request.in_length, pending->input);
    pending->request.handle = file->file;
    pending->request.complete = pending_complete;
    pending->request.context = pending;
    pending_prepare(pending);
    nt_status status = hf_submit(&pending->request);
    if (status != STATUS_PENDING) {
        overlapped->Internal = (ULONG_PTR)(DWORD)status;
        pending_give(pending);
    }
    return win32_result(status);
}

BOOL GetOverlappedResult(HANDLE handle, LPOVERLAPPED overlapped, LPDWORD done, BOOL wait)
{
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file)
        return FALSE;
    if (!overlapped || !done)
        return win32_fail(ERROR_INVALID_PARAMETER);
    WIN32_OBJECT *event = event_of(overlapped);
    pthread_mutex_lock(&mutex);
    while (wait && !HasOverlappedIoCompleted(overlapped))
        pthread_cond_wait(&changed, &mutex);
    bool pending = !HasOverlappedIoCompleted(overlapped);
    if (wait && event && !event->manual)
        event->signalled = false;
    nt_status status = (nt_status)(DWORD)overlapped->Internal;
    *done = (DWORD)overlapped->InternalHigh;
    pthread_mutex_unlock(&mutex);
    return pending ? win32_fail(ERROR_IO_INCOMPLETE) : win32_result(status);
}

BOOL CancelIoEx(HANDLE handle, LPOVERLAPPED overlapped)
{
    (void)overlapped; // what waits on a handle is cancelled together
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    return file && win32_result(hf_cancel(file->file));
}

BOOL CancelIo(HANDLE file)
{
    return CancelIoEx(file, NULL);
}

// --- control codes -------------------------------------------------------------------------------

// A warning (VERIFY_REQUIRED, MORE_DATA ...) is FALSE too, but its byte count is told; an error's is 0.
BOOL DeviceIoControl(HANDLE handle, DWORD code, LPVOID in, DWORD in_length, LPVOID out, DWORD out_length,
                     LPDWORD returned, LPOVERLAPPED overlapped)
{
    if (returned)
        *returned = 0;
    WIN32_OBJECT *file = win32_object_get(handle, WIN32_FILE);
    if (!file)
        return FALSE;
    if (overlapped && file->overlapped) {
        struct hf_request request = {.kind = HF_REQUEST_IOCTL,
                                     .in = in,
                                     .in_length = in_length,
                                     .out = out,
                                     .out_length = out_length,
                                     .code = code};
        return win32_overlapped_start(file, &request, overlapped);
    }
    size_t done = 0, length = in_length;
    uint8_t copy[sizeof(DUPLICATE_EXTENTS_DATA_EX)];
    const void *input = input_translate(code, in, &length, copy);
    nt_status status = hf_ioctl(file->file, code, input, length, out, out_length, &done);
    if (HF_STATUS_IS_ERROR(status))
        done = 0;
    if (returned)
        *returned = (DWORD)done;
    win32_overlapped_sync(file, overlapped, status, done);
    return win32_result(status);
}
