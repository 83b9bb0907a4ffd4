// SPDX-License-Identifier: Apache-2.0
// The table behind HANDLEs: a HANDLE is a slot's number and generation, so that a stale or invented one is an
// error and never an address. One mutex guards the table and the reference counts; it is a leaf.
#include "handle/win32.h"

// HANDLE:  generation (9 bits) | slot (20 bits) | 00, never 0
enum { SLOTS_MAX = 1 << 20, SLOTS_GROW = 64, GENERATIONS = 511 };

struct slot {
    struct win32_object *object;
    uint32_t generation, next_free;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots;
static uint32_t slot_count, first_free; // slot 0 is never used: 0 ends the free list

static bool grow(void)
{
    uint32_t count = slot_count ? slot_count * 2 : SLOTS_GROW;
    struct slot *larger = count > SLOTS_MAX ? NULL : realloc(slots, count * sizeof *slots);
    if (!larger)
        return false;
    slots = larger;
    for (uint32_t i = slot_count ? slot_count : 1; i < count; i++) {
        slots[i] = (struct slot){.next_free = first_free};
        first_free = i;
    }
    slot_count = count;
    return true;
}

static HANDLE publish(struct win32_object *object)
{
    HANDLE handle = INVALID_HANDLE_VALUE;
    pthread_mutex_lock(&mutex);
    if (first_free || grow()) {
        uint32_t index = first_free;
        struct slot *slot = &slots[index];
        first_free = slot->next_free;
        slot->object = object;
        slot->generation = slot->generation % GENERATIONS + 1;
        handle = (HANDLE)(uintptr_t)(slot->generation << 22 | index << 2);
    }
    pthread_mutex_unlock(&mutex);
    return handle;
}

HANDLE win32_object_new(enum win32_kind kind, hf_handle file, struct win32_object **out)
{
    struct win32_object *object = calloc(1, sizeof *object);
    HANDLE handle = INVALID_HANDLE_VALUE;
    if (object) {
        object->kind = kind;
        object->references = out ? 2 : 1;
        object->file = file;
        pthread_mutex_init(&object->mutex, NULL);
        handle = publish(object);
    }
    if (handle == INVALID_HANDLE_VALUE) {
        if (object)
            pthread_mutex_destroy(&object->mutex);
        free(object);
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    }
    if (out)
        *out = handle == INVALID_HANDLE_VALUE ? NULL : object;
    return handle;
}

// The slot of a handle of one of these kinds, or NULL. Under the mutex.
static struct slot *find(HANDLE handle, unsigned kinds)
{
    uintptr_t value = (uintptr_t)handle;
    uint32_t index = (uint32_t)(value >> 2) & (SLOTS_MAX - 1);
    if (value % 4 != 0 || index == 0 || index >= slot_count)
        return NULL;
    struct slot *slot = &slots[index];
    bool valid = slot->object && slot->generation == value >> 22 && (slot->object->kind & kinds);
    return valid ? slot : NULL;
}

struct win32_object *win32_object_get(HANDLE handle, unsigned kinds)
{
    struct win32_object *object = NULL;
    pthread_mutex_lock(&mutex);
    struct slot *slot = find(handle, kinds);
    if (slot) {
        object = slot->object;
        object->references++;
    }
    pthread_mutex_unlock(&mutex);
    if (!object)
        SetLastError(ERROR_INVALID_HANDLE);
    return object;
}

struct win32_object *win32_object_remove(HANDLE handle, unsigned kinds)
{
    struct win32_object *object = NULL;
    pthread_mutex_lock(&mutex);
    struct slot *slot = find(handle, kinds);
    if (slot) {
        object = slot->object;
        slot->object = NULL;
        slot->next_free = first_free;
        first_free = (uint32_t)(slot - slots);
    }
    pthread_mutex_unlock(&mutex);
    if (!object)
        SetLastError(ERROR_INVALID_HANDLE);
    return object;
}

struct win32_object *win32_object_hold(struct win32_object *object)
{
    pthread_mutex_lock(&mutex);
    object->references++;
    pthread_mutex_unlock(&mutex);
    return object;
}

void win32_object_put(struct win32_object *object)
{
    pthread_mutex_lock(&mutex);
    bool last = --object->references == 0;
    pthread_mutex_unlock(&mutex);
    if (!last)
        return;
    pthread_mutex_destroy(&object->mutex);
    free(object->entries);
    free(object);
}

void win32_object_clean(void *pointer)
{
    struct win32_object *object = *(struct win32_object **)pointer;
    if (object)
        win32_object_put(object);
}

BOOL CloseHandle(HANDLE handle)
{
    if (handle == GetCurrentProcess())
        return TRUE;
    WIN32_OBJECT *object = win32_object_remove(handle, WIN32_FILE | WIN32_EVENT | WIN32_TOKEN);
    if (!object)
        return FALSE;
    if (object->kind != WIN32_FILE)
        return TRUE;
    // Ends what waits on the file; its OVERLAPPED structures are nobody's any more when this returns.
    nt_status status = hf_close(object->file);
    win32_wait_idle(object);
    return win32_result(status);
}
