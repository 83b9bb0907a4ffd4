// SPDX-License-Identifier: Apache-2.0
// A store on a RAM disk for the engine's tests, with the few steps that nearly every test takes.
#ifndef TESTS_ENGINE_VOLUME_H
#define TESTS_ENGINE_VOLUME_H

#include "tests/test.h"

#include <holdfast/ntfile.h>
#include <holdfast/winioctl.h>

#include "engine/engine.h"

struct volume {
    struct blk *blk;
    struct store *store;
    u8 scratch[4096];
};

// Numbers below a limit, the same ones for the same start.
static inline u32 volume_random(u32 *state, u32 below)
{
    *state = *state * 1664525 + 1013904223;
    return (u32)(((u64)*state * below) >> 32);
}

static inline void volume_make(struct volume *v, u64 size, u32 cluster, u8 copies, u64 options)
{
    char spec[64];
    snprintf(spec, sizeof spec, "ram:%llu", (unsigned long long)size);
    memset(v, 0, sizeof *v);
    assert_ok(blk_open(spec, 0, &v->blk));
    struct store_format_options format = {.cluster = cluster, .copies = copies, .options = options};
    assert_ok(store_format(v->blk, &format));
    assert_ok(store_open(v->blk, 0, 0, &v->store));
}

static inline void volume_free(struct volume *v)
{
    assert_ok(store_close(v->store));
    blk_close(v->blk);
}

static inline void volume_reopen(struct volume *v)
{
    assert_ok(store_close(v->store));
    assert_ok(store_open(v->blk, 0, 0, &v->store));
}

static inline void volume_finding(void *context, const struct check_finding *f)
{
    (void)context;
    print_error("check: kind %d object %llu offset %llu length %llu %s: %s\n", (int)f->kind,
                (unsigned long long)f->object, (unsigned long long)f->offset, (unsigned long long)f->length,
                f->path, f->text);
}

static inline void volume_check(struct volume *v)
{
    struct check_totals totals;
    struct check_options options = {.data = true, .finding = volume_finding};
    assert_ok(store_commit(v->store));
    assert_ok(store_check(v->store, &options, &totals));
}

static inline u64 volume_create(struct volume *v, u64 dir, const char *name, bool directory)
{
    struct txn *t;
    struct inode inode = {.attributes = directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE,
                          .links = 1,
                          .algorithm = CHECKSUM_TYPE_CRC32};
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    nt_status status = inode_create(t, &inode);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, dir, (struct str){name, (u32)strlen(name)}, inode.id, directory);
    assert_ok(txn_end(t, status));
    return inode.id;
}

static inline void volume_delete(struct volume *v, u64 dir, const char *name)
{
    struct txn *t;
    struct dirent entry;
    struct str n = {name, (u32)strlen(name)};
    assert_ok(dirent_find(v->store, dir, n, &entry));
    assert_ok(txn_begin(v->store, TXN_FREEING, &t));
    nt_status status = dirent_remove(t, dir, n);
    if (status == STATUS_SUCCESS)
        status = object_orphan(t, entry.id);
    assert_ok(txn_end(t, status));
    assert_ok(object_reap(v->store, entry.id));
}

// A file of the given length in the root directory; DISK_FULL removes what was made of it.
static inline nt_status volume_write_file(struct volume *v, const char *name, size_t len)
{
    struct txn *t;
    struct stream *m;
    size_t done = 0;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .links = 1, .algorithm = CHECKSUM_TYPE_CRC32};
    nt_status status = txn_begin(v->store, TXN_NORMAL, &t);
    if (status != STATUS_SUCCESS)
        return status;
    status = inode_create(t, &inode);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, inode.id, false);
    status = txn_end(t, status);
    if (status != STATUS_SUCCESS)
        return status;
    u8 *data = malloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (u8)(i * 31 + (i >> 8));
    assert_ok(stream_open(v->store, inode.id, (struct str){NULL, 0}, &m));
    status = stream_write(m, 0, data, len, &done);
    stream_close(m);
    free(data);
    if (status != STATUS_SUCCESS)
        volume_delete(v, OBJECT_ROOT, name);
    return status;
}

#endif
