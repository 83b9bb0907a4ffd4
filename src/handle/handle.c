// SPDX-License-Identifier: Apache-2.0
// The handle table, open and close, privileges. A handle is a slot number and the slot's generation, never a
// pointer: a closed or invented one is found out without touching memory that it might point to.
#include "handle/handle.h"

#include <stdatomic.h>
#include <unistd.h>

// hf_handle:  generation | slot (20 bits) | 00        multiples of 4, below 2^53, never 0
// state:      generation (31 bits) << 32 | OPEN | references; the open handle itself is one reference
enum { CHUNK_SLOTS = 256, CHUNKS = 4096, SLOT_BITS = 20 };
#define NO_SLOT        UINT32_MAX
#define OPEN           0x80000000ull
#define REFERENCES     0x7fffffffull
#define GENERATION_MAX MIN(0x7fffffffull, UINTPTR_MAX >> (SLOT_BITS + 2))
_Static_assert(CHUNK_SLOTS *CHUNKS == 1 << SLOT_BITS, "every slot number has a slot");
_Static_assert((int)HF_PRIVILEGE_CREATE_SYMBOLIC_LINK == (int)PRIVILEGE_CREATE_SYMBOLIC_LINK &&
                   (int)HF_PRIVILEGE_MANAGE_VOLUME == (int)PRIVILEGE_MANAGE_VOLUME,
               "the public privileges are those of the packets");

static struct handle *_Atomic chunks[CHUNKS]; // made when needed, kept until the process ends
static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER; // free list, growth
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;          // a closing handle lost its last reference
static u32 first_free = NO_SLOT;
static u32 slots; // made so far

static _Atomic u32 privileges = PRIVILEGE_CREATE_SYMBOLIC_LINK | PRIVILEGE_MANAGE_VOLUME;

// --- the table -----------------------------------------------------------------------------------

static struct handle *slot_at(u32 index)
{
    struct handle *chunk = atomic_load_explicit(&chunks[index / CHUNK_SLOTS], memory_order_acquire);
    return chunk ? &chunk[index % CHUNK_SLOTS] : NULL;
}

static nt_status table_grow(void)
{
    if (slots == 1u << SLOT_BITS)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct handle *chunk = calloc(CHUNK_SLOTS, sizeof *chunk);
    if (!chunk)
        return STATUS_NO_MEMORY;
    for (u32 i = CHUNK_SLOTS; i-- > 0;) {
        chunk[i].index = slots + i;
        chunk[i].next_free = first_free;
        first_free = slots + i;
    }
    atomic_store_explicit(&chunks[slots / CHUNK_SLOTS], chunk, memory_order_release);
    slots += CHUNK_SLOTS;
    return STATUS_SUCCESS;
}

static nt_status slot_take(struct handle **out)
{
    *out = NULL;
    SCOPE_LOCK(&table_mutex);
    if (first_free == NO_SLOT)
        TRY(table_grow());
    *out = slot_at(first_free);
    first_free = (*out)->next_free;
    return STATUS_SUCCESS;
}

static void slot_give(struct handle *handle)
{
    SCOPE_LOCK(&table_mutex);
    handle->next_free = first_free;
    first_free = handle->index;
}

// The slot is filled: from here on look-ups find it.
static hf_handle slot_publish(struct handle *handle)
{
    u64 generation = (atomic_load(&handle->state) >> 32) % GENERATION_MAX + 1;
    atomic_store_explicit(&handle->state, generation << 32 | OPEN | 1, memory_order_release);
    return (hf_handle)(uintptr_t)(generation << (SLOT_BITS + 2) | (u64)handle->index << 2);
}

nt_status handle_get(hf_handle h, struct handle **out)
{
    u64 value = (uintptr_t)h, generation = value >> (SLOT_BITS + 2);
    *out = NULL;
    struct handle *handle = value % 4 == 0 ? slot_at((u32)(value >> 2) & ((1u << SLOT_BITS) - 1)) : NULL;
    if (!handle)
        return STATUS_INVALID_HANDLE;
    u64 state = atomic_load_explicit(&handle->state, memory_order_relaxed);
    do {
        if (state >> 32 != generation || !(state & OPEN))
            return STATUS_INVALID_HANDLE;
    } while (!atomic_compare_exchange_weak_explicit(&handle->state, &state, state + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    *out = handle;
    return STATUS_SUCCESS;
}

void handle_put(struct handle *handle)
{
    u64 before = atomic_fetch_sub_explicit(&handle->state, 1, memory_order_release);
    ASSERT((before & REFERENCES) > 0);
    if ((before & (OPEN | REFERENCES)) == 1) {
        SCOPE_LOCK(&table_mutex);
        pthread_cond_broadcast(&idle);
    }
}

// From open to closing: only one caller gets past this for each handle.
static nt_status slot_unpublish(hf_handle h, struct handle **out)
{
    TRY(handle_get(h, out));
    u64 before = atomic_fetch_and(&(*out)->state, ~OPEN);
    if (before & OPEN)
        return STATUS_SUCCESS;
    handle_put(*out);
    return STATUS_INVALID_HANDLE;
}

// Nobody else has a reference any more.
static void slot_finish(struct handle *handle)
{
    file_close(&handle->file, NULL);
    entry_put(handle->entry);
    slot_give(handle);
}

// --- open and close ------------------------------------------------------------------------------

u32 access_map(u32 access)
{
    static const struct {
        u32 generic, meaning;
    } map[] = {{GENERIC_READ, FILE_GENERIC_READ},
               {GENERIC_WRITE, FILE_GENERIC_WRITE},
               {GENERIC_EXECUTE, FILE_GENERIC_EXECUTE},
               {GENERIC_ALL, FILE_ALL_ACCESS}};
    u32 mapped = access;
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        if (access & map[i].generic)
            mapped = (mapped & ~map[i].generic) | map[i].meaning;
    return mapped;
}

// The I/O manager's own checks of a create's parameters.
static nt_status options_check(const struct hf_open_options *options, struct open *open, u32 *access)
{
    u32 kinds = FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE;
    *access = access_map(options->access ? options->access : FILE_READ_ATTRIBUTES);
    open->disposition = options->disposition == HF_SUPERSEDE ? FILE_SUPERSEDE
                        : options->disposition == 0          ? FILE_OPEN
                                                             : options->disposition;
    open->share = options->share == HF_SHARE_NONE ? 0
                  : options->share == 0           ? FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
                                                  : options->share;
    open->options = options->options;
    open->attributes = options->attributes;
    open->stopped = options->stopped;
    if (open->disposition > FILE_OVERWRITE_IF || (open->options & kinds) == kinds ||
        (open->share & ~(u32)(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)))
        return STATUS_INVALID_PARAMETER;
    if ((open->options & FILE_DELETE_ON_CLOSE) && !(*access & (DELETE | MAXIMUM_ALLOWED)))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

// FILE_OPEN_BY_FILE_ID: the path is the file's number in digits; the file system takes its eight bytes.
static nt_status name_to_id(struct name *name)
{
    u64 id = 0;
    for (u32 i = 0; i < name->path.len; i++) {
        char c = name->path.p[i];
        if (c < '0' || c > '9' || mul_overflows(id, 10, &id) || add_overflows(id, (u64)(c - '0'), &id))
            return STATUS_INVALID_PARAMETER;
    }
    char *bytes = malloc(sizeof id);
    if (!bytes)
        return STATUS_NO_MEMORY;
    put_le64(bytes, id);
    free(name->memory);
    name->memory = bytes;
    name->path = (struct str){bytes, sizeof id};
    return STATUS_SUCCESS;
}

// Fill open->name, and related when there is a root.
static nt_status open_parse(const char *text, struct handle *root, struct open *open)
{
    if (root) {
        TRY(name_parse_relative(text, root->separator, &open->name));
        open->related = &root->file;
        open->name.entry = root->entry;
        entry_get_again(root->entry);
    } else {
        TRY(name_parse(text, &open->name));
    }
    if (open->options & FILE_OPEN_BY_FILE_ID)
        return name_to_id(&open->name);
    if (!open->name.directory)
        return STATUS_SUCCESS;
    if (open->options & FILE_NON_DIRECTORY_FILE)
        return STATUS_OBJECT_NAME_INVALID;
    open->options |= FILE_DIRECTORY_FILE;
    return STATUS_SUCCESS;
}

// MAXIMUM_ALLOWED: everything, or on a volume or file that cannot be written what reading needs.
static nt_status open_granted(struct open *open, u32 access, struct file_object *file)
{
    file->access = access;
    if (!(access & MAXIMUM_ALLOWED))
        return open_create(open, file);
    u32 asked = access & ~MAXIMUM_ALLOWED;
    file->access = asked | FILE_ALL_ACCESS;
    nt_status status = open_create(open, file);
    if (status != STATUS_ACCESS_DENIED && status != STATUS_MEDIA_WRITE_PROTECTED)
        return status;
    file->access = asked | FILE_GENERIC_READ | FILE_GENERIC_EXECUTE;
    return open_create(open, file);
}

// Say which name failed, before what a lower floor said about it.
static void open_failed(const char *text, nt_status status)
{
    if (status == STATUS_SUCCESS || !text)
        return;
    SCOPE_FREE char *more = strdup(status_text());
    if (more && more[0])
        status_set_text("%s: %s", text, more);
    else
        status_set_text("%s", text);
}

static nt_status open_slot(const char *text, const struct hf_open_options *options, struct handle *root,
                           hf_handle *out)
{
    struct open open = {0};
    struct handle *handle = NULL;
    u32 access;
    TRY(options_check(options, &open, &access));
    nt_status status = open_parse(text, root, &open);
    if (status == STATUS_SUCCESS)
        status = slot_take(&handle);
    if (status == STATUS_SUCCESS) {
        handle->file = (struct file_object){0};
        atomic_store(&handle->closing, false);
        status = open_granted(&open, access, &handle->file);
    }
    if (status == STATUS_SUCCESS) {
        handle->entry = open.name.entry;
        handle->separator = open.name.separator;
        open.name.entry = NULL; // the handle has it now
        if (options->action)
            *options->action = open.action;
        *out = slot_publish(handle);
    } else if (handle) {
        slot_give(handle);
    }
    name_free(&open.name);
    return status;
}

nt_status hf_open(const char *name, const struct hf_open_options *options, hf_handle *out)
{
    static const struct hf_open_options defaults = {0};
    SCOPE_HANDLE struct handle *root = NULL;
    if (!out)
        return STATUS_INVALID_PARAMETER;
    *out = NULL;
    if (!options)
        options = &defaults;
    if (options->action)
        *options->action = 0;
    status_clear_text();
    if (options->root)
        TRY(handle_get(options->root, &root));
    nt_status status = open_slot(name, options, root, out);
    open_failed(name, status);
    return status;
}

nt_status handle_open_node(struct handle *volume, u64 id, const struct hf_node_new *what, u32 access,
                           struct hf_attr *attr, hf_handle *out)
{
    struct handle *handle;
    TRY(slot_take(&handle));
    handle->file = (struct file_object){.device = volume->file.device,
                                        .access = access_map(access ? access : FILE_READ_ATTRIBUTES),
                                        .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                        .options = FILE_OPEN_REPARSE_POINT};
    atomic_store(&handle->closing, false);
    struct irp irp = {.major = IRP_MJ_CREATE,
                      .file = &handle->file,
                      .privileges = hf_privileges(),
                      .p.create = {.node = id,
                                   .what = what,
                                   .attr = attr,
                                   .separator = '/',
                                   .opens_root = true,
                                   .access = handle->file.access,
                                   .share = handle->file.share,
                                   .disposition = what ? FILE_CREATE : FILE_OPEN,
                                   .options = handle->file.options}};
    nt_status status = dev_call(handle->file.device, &irp);
    if (status != STATUS_SUCCESS) {
        slot_give(handle);
        return status;
    }
    dev_reference(handle->file.device);
    entry_get_again(volume->entry);
    handle->entry = volume->entry;
    handle->separator = '/';
    *out = slot_publish(handle);
    return STATUS_SUCCESS;
}

nt_status hf_close(hf_handle h)
{
    struct handle *handle;
    TRY(slot_unpublish(h, &handle));
    atomic_store(&handle->closing, true);
    async_cancel(handle);
    // Two references are ours: the one just taken and the open handle's own. Running requests have the
    // others.
    atomic_fetch_sub(&handle->state, 1);
    handle_put(handle);
    {
        SCOPE_LOCK(&table_mutex);
        while (atomic_load(&handle->state) & REFERENCES)
            pthread_cond_wait(&idle, &table_mutex);
    }
    slot_finish(handle);
    return STATUS_SUCCESS;
}

void handle_close_all(void)
{
    for (u32 index = 0; index < slots; index++) {
        struct handle *handle = slot_at(index);
        atomic_store(&handle->closing, true);
        u64 state = atomic_load(&handle->state);
        if ((state & OPEN) && handle->entry->owner == getpid() && (state & REFERENCES) == 1 &&
            atomic_compare_exchange_strong(&handle->state, &state, state & ~(OPEN | REFERENCES)))
            slot_finish(handle);
    }
}

// --- privileges ----------------------------------------------------------------------------------

static _Thread_local u32 privileges_withheld;

uint32_t hf_privileges(void)
{
    return atomic_load_explicit(&privileges, memory_order_relaxed) & ~privileges_withheld;
}

uint32_t hf_limit_privileges(uint32_t limit)
{
    u32 before = ~privileges_withheld;
    privileges_withheld = ~limit;
    status_clear_text();
    return before;
}

uint32_t hf_set_privileges(uint32_t enabled)
{
    return atomic_exchange(&privileges, enabled & (PRIVILEGE_CREATE_SYMBOLIC_LINK | PRIVILEGE_MANAGE_VOLUME));
}
