// SPDX-License-Identifier: Apache-2.0
// The threads. Each keeps files of its own, about which it promises something, and fights with the others
// over a folder where anything may happen, but nothing may be damaged.
#include "tests/torture/torture.h"

#include <holdfast/posix.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMON_NAMES = 10, CHUNK = 60000 };

struct worker {
    struct shared *shared;
    struct promise *promise;
    uint32_t index;
    uint64_t seed;
    uint32_t log, version; // done, not yet flushed
    uint8_t names[NAMES];  // the same
    uint8_t data[CHUNK];
    pthread_t thread;
};

// Statuses that a fight can never be the reason of.
static bool is_damage(nt_status status)
{
    switch (status) {
    case STATUS_DATA_CHECKSUM_ERROR:
    case STATUS_DISK_CORRUPT_ERROR:
    case STATUS_FILE_CORRUPT_ERROR:
    case STATUS_MEDIA_WRITE_PROTECTED:
    case STATUS_IO_DEVICE_ERROR:
    case STATUS_DEVICE_DATA_ERROR:
    case STATUS_INVALID_HANDLE:
    case STATUS_UNRECOGNIZED_VOLUME:
        return true;
    default:
        return false;
    }
}

// One's own files: only a full volume is an excuse. True: it was done.
static bool mine(struct worker *w, const char *what, nt_status status)
{
    if (status != STATUS_SUCCESS && status != STATUS_DISK_FULL)
        fail(w->shared, "thread %u: %s gave %s (%s)", w->index, what, hf_status_name(status),
             hf_error_text());
    return status == STATUS_SUCCESS;
}

static bool ours(struct worker *w, const char *what, nt_status status)
{
    if (is_damage(status))
        fail(w->shared, "thread %u: common %s gave %s (%s)", w->index, what, hf_status_name(status),
             hf_error_text());
    return status == STATUS_SUCCESS;
}

// --- files of one's own --------------------------------------------------------------------------

static void append_record(struct worker *w)
{
    char name[64];
    size_t done;
    hf_handle h;
    if (w->log >= RECORDS_MOST)
        return;
    snprintf(name, sizeof name, "X:/t%u/log", w->index);
    atomic_store(&w->promise->log_begun, w->log + 1);
    if (!mine(w, "opening the log", open_file(name, FILE_OPEN_IF, 0, &h)))
        return;
    fill(w->index, 0, (uint64_t)w->log * RECORD, w->data, RECORD);
    // At its place and not at the end: a full volume may have taken a part of it before.
    w->log += mine(w, "writing the log", hf_write(h, (uint64_t)w->log * RECORD, w->data, RECORD, &done));
    mine(w, "closing the log", hf_close(h));
}

static void replace_version(struct worker *w)
{
    char name[64], new_name[64];
    size_t done;
    hf_handle h;
    uint32_t version = w->version + 1, length = version_length(w->index, version);
    snprintf(name, sizeof name, "X:/t%u/whole", w->index);
    snprintf(new_name, sizeof new_name, "X:/t%u/whole.new", w->index);
    if (!mine(w, "making a version", open_file(new_name, FILE_OVERWRITE_IF, 0, &h)))
        return;
    fill(w->index, version, 0, w->data, length);
    if (mine(w, "writing a version", hf_write(h, 0, w->data, length, &done))) {
        atomic_store(&w->promise->version_begun, version);
        if (mine(w, "replacing", hf_rename(h, NULL, name, true)))
            w->version = version;
    }
    mine(w, "closing a version", hf_close(h));
}

static void change_name(struct worker *w)
{
    char name[64];
    size_t done;
    hf_handle h;
    uint32_t i = random_below(&w->seed, NAMES), length = random_below(&w->seed, 20000);
    snprintf(name, sizeof name, "X:/t%u/name %u", w->index, i);
    atomic_store(&w->promise->names[i], NAME_EITHER);
    if (w->names[i] == NAME_THERE) {
        if (mine(w, "opening to delete", open_file(name, FILE_OPEN, 0, &h))) {
            if (mine(w, "deleting", hf_delete(h)))
                w->names[i] = NAME_GONE;
            mine(w, "closing what is deleted", hf_close(h));
        }
    } else if (mine(w, "creating", open_file(name, FILE_CREATE, 0, &h))) {
        w->names[i] = NAME_THERE;
        fill(w->index, i, 0, w->data, length);
        mine(w, "writing", hf_write(h, 0, w->data, length, &done));
        mine(w, "closing what is new", hf_close(h));
    }
}

// What was done before is a promise after.
static void flush(struct worker *w)
{
    char name[64];
    hf_handle h;
    uint32_t log = w->log, version = w->version;
    snprintf(name, sizeof name, "X:/t%u", w->index);
    if (!mine(w, "opening to flush", open_file(name, FILE_OPEN, FILE_DIRECTORY_FILE, &h)))
        return;
    if (mine(w, "flushing", hf_flush(h))) {
        atomic_store(&w->promise->log_flushed, log);
        atomic_store(&w->promise->version_flushed, version);
        for (int i = 0; i < NAMES; i++)
            atomic_store(&w->promise->names[i], w->names[i]);
        atomic_fetch_add(&w->shared->flushes, 1);
    }
    mine(w, "closing what is flushed", hf_close(h));
}

// --- the common folder ---------------------------------------------------------------------------

static void common_name(struct worker *w, const char *stream, char out[64])
{
    uint32_t n = random_below(&w->seed, COMMON_NAMES), folder = random_below(&w->seed, 3);
    if (folder == 0)
        snprintf(out, 64, "X:\\common\\file %u%s", n, stream);
    else
        snprintf(out, 64, "X:\\common\\dir %u\\file %u%s", folder, n, stream);
}

static nt_status common_control(struct worker *w, hf_handle h, uint32_t what)
{
    static const uint8_t reparse[] = {0x23, 0, 0, 0x80, 4, 0, 0, 0, 't', 'e', 's', 't'};
    static const uint8_t no_reparse[] = {0x23, 0, 0, 0x80, 0, 0, 0, 0};
    uint8_t out[512];
    size_t done;
    int64_t range[2] = {random_below(&w->seed, CHUNK), CHUNK};
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER integrity = {.ChecksumAlgorithm = what & 8 ? CHECKSUM_TYPE_CRC64
                                                                                      : CHECKSUM_TYPE_NONE};
    switch (what % 5) {
    case 0:
        return hf_ioctl(h, FSCTL_SET_REPARSE_POINT, reparse, sizeof reparse, NULL, 0, &done);
    case 1:
        return hf_ioctl(h, FSCTL_DELETE_REPARSE_POINT, no_reparse, sizeof no_reparse, NULL, 0, &done);
    case 2:
        return hf_ioctl(h, FSCTL_SET_ZERO_DATA, range, sizeof range, NULL, 0, &done);
    case 3:
        return hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION, &integrity, sizeof integrity, NULL, 0, &done);
    default:
        return hf_query(h, FileStreamInformation, out, sizeof out, &done);
    }
}

// Clusters of another common file, as much as both have.
static nt_status common_clone(struct worker *w, hf_handle h)
{
    enum { CLUSTER = 65536 }; // the largest, so aligned on every volume
    char from[64];
    struct hf_stat here, there;
    hf_handle source;
    size_t done;
    common_name(w, "", from);
    nt_status status = hf_open(from, &(struct hf_open_options){.access = GENERIC_READ}, &source);
    if (status != STATUS_SUCCESS)
        return status;
    status = hf_stat(source, &there);
    if (status == STATUS_SUCCESS)
        status = hf_stat(h, &here);
    if (status == STATUS_SUCCESS && here.size > 0 && there.size > 0) {
        uint64_t least = here.size < there.size ? here.size : there.size;
        DUPLICATE_EXTENTS_DATA in = {.FileHandle = source,
                                     .ByteCount = (int64_t)((least + CLUSTER - 1) / CLUSTER * CLUSTER)};
        status = hf_ioctl(h, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &in, sizeof in, NULL, 0, &done);
    }
    nt_status closed = hf_close(source);
    return status == STATUS_SUCCESS ? closed : status;
}

// As a mount asks: by number, owners, extended attributes, two names exchanged.
static nt_status common_node(struct worker *w, hf_handle h)
{
    static const char *const names[] = {"user.a", "user.b", "trusted.c"};
    const char *name = names[random_below(&w->seed, 3)];
    struct hf_attr attr = {.mode = random_below(&w->seed, 01000), .uid = w->index};
    struct hf_stat st;
    char a[16], b[16];
    size_t length;
    hf_handle dir;
    nt_status status = hf_stat(h, &st);
    if (status != STATUS_SUCCESS)
        return status;
    switch (random_below(&w->seed, 6)) {
    case 0:
        return hf_node_set(h, st.id, HF_ATTR_MODE | HF_ATTR_UID, &attr);
    case 1:
        return hf_node_get(h, st.id, &attr);
    case 2:
        length = random_below(&w->seed, 2) ? random_below(&w->seed, 200) : random_below(&w->seed, CHUNK);
        fill(w->index, 1, 0, w->data, (uint32_t)length);
        return hf_xattr_set(h, st.id, name, w->data, length, 0);
    case 3:
        return hf_xattr_get(h, st.id, name, w->data, sizeof w->data, &length);
    case 4:
        return hf_xattr_remove(h, st.id, name);
    default:
        status = open_file("X:/common/dir 1", FILE_OPEN, FILE_DIRECTORY_FILE, &dir);
        if (status != STATUS_SUCCESS)
            return status;
        snprintf(a, sizeof a, "file %u", random_below(&w->seed, COMMON_NAMES));
        snprintf(b, sizeof b, "file %u", random_below(&w->seed, COMMON_NAMES));
        status = hf_stat(dir, &st);
        if (status == STATUS_SUCCESS)
            status = hf_node_rename(dir, st.id, a, st.id, b, HF_RENAME_EXCHANGE);
        nt_status closed = hf_close(dir);
        return status == STATUS_SUCCESS ? closed : status;
    }
}

static nt_status common_on_handle(struct worker *w, hf_handle h)
{
    char to[64];
    size_t done;
    uint32_t what = random_below(&w->seed, 20), offset = random_below(&w->seed, 100000),
             length = random_below(&w->seed, CHUNK);
    struct hf_stat st;
    common_name(w, "", to);
    switch (what) {
    case 0:
    case 1:
    case 2:
        fill(w->index, what, offset, w->data, length);
        return hf_write(h, what ? offset : HF_APPEND, w->data, length, &done);
    case 3:
    case 4:
        return hf_read(h, offset / 2, w->data, length, &done);
    case 5:
        return hf_set(h, FileEndOfFileInformation, &(FILE_END_OF_FILE_INFORMATION){offset}, 8);
    case 6:
        return hf_rename(h, NULL, to, random_below(&w->seed, 2));
    case 7:
        return hf_link(h, NULL, to, random_below(&w->seed, 2));
    case 8:
    case 9:
        return hf_delete(h);
    case 10:
        return hf_stat(h, &st);
    case 11:
    case 12:
        return common_clone(w, h);
    case 13:
    case 14:
        return common_node(w, h);
    default:
        return common_control(w, h, random_below(&w->seed, 16));
    }
}

static void list_common(struct worker *w)
{
    uint8_t list[2048];
    size_t done;
    hf_handle h;
    char name[64];
    snprintf(name, sizeof name, "X:/common/dir %u", 1 + random_below(&w->seed, 2));
    if (!ours(w, "opening a folder", open_file(name, FILE_OPEN_IF, FILE_DIRECTORY_FILE, &h)))
        return;
    while (ours(w, "listing", hf_list(h, NULL, false, list, sizeof list, &done)))
        ;
    if (random_below(&w->seed, 30) == 0)
        ours(w, "deleting a folder", hf_delete(h));
    ours(w, "closing a folder", hf_close(h));
}

static void use_common(struct worker *w)
{
    static const uint32_t dispositions[] = {FILE_OPEN,    FILE_OPEN,      FILE_OPEN_IF,
                                            FILE_OPEN_IF, FILE_OVERWRITE, HF_SUPERSEDE};
    static const char *const streams[] = {"", "", "", ":s", ":stream"};
    char name[64];
    hf_handle h;
    common_name(w, streams[random_below(&w->seed, 5)], name);
    if (!ours(w, "opening", open_file(name, dispositions[random_below(&w->seed, 6)], 0, &h)))
        return;
    for (uint32_t n = random_below(&w->seed, 4); n > 0; n--)
        ours(w, "request", common_on_handle(w, h));
    ours(w, "closing", hf_close(h));
}

// --- the process ---------------------------------------------------------------------------------

static void *run(void *context)
{
    struct worker *w = context;
    while (!atomic_load(&w->shared->failed)) {
        uint32_t what = random_below(&w->seed, 20);
        if (what < 3)
            append_record(w);
        else if (what < 6)
            replace_version(w);
        else if (what < 9)
            change_name(w);
        else if (what < 10)
            flush(w);
        else if (what < 11)
            list_common(w);
        else
            use_common(w);
        atomic_fetch_add(&w->shared->operations, 1);
    }
    return NULL;
}

static nt_status make_folder(const char *name)
{
    hf_handle h;
    nt_status status = open_file(name, FILE_OPEN_IF, FILE_DIRECTORY_FILE, &h);
    return status == STATUS_SUCCESS ? hf_close(h) : status;
}

int work(struct shared *shared, uint64_t seed, uint32_t threads)
{
    static struct worker workers[THREADS_MOST];
    nt_status status = make_folder("X:/common");
    for (uint32_t i = 0; i < threads && status == STATUS_SUCCESS; i++) {
        char name[64];
        snprintf(name, sizeof name, "X:/t%u", i);
        status = make_folder(name);
    }
    if (status != STATUS_SUCCESS)
        return fail(shared, "making folders gave %s", hf_status_name(status));
    for (uint32_t i = 0; i < threads; i++) {
        struct worker *w = &workers[i];
        struct promise *p = &shared->promises[i];
        *w = (struct worker){.shared = shared,
                             .promise = p,
                             .index = i,
                             .seed = seed * THREADS_MOST + i,
                             .log = atomic_load(&p->log_flushed),
                             .version = atomic_load(&p->version_flushed)};
        for (int n = 0; n < NAMES; n++)
            w->names[n] = atomic_load(&p->names[n]);
        if (pthread_create(&w->thread, NULL, run, w) != 0)
            return fail(shared, "no thread");
    }
    for (uint32_t i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    return 1;
}
