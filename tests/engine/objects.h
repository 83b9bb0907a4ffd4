// SPDX-License-Identifier: Apache-2.0
// Steps that tests of objects share: names, reparse data, and records that no driver would write.
#ifndef TESTS_ENGINE_OBJECTS_H
#define TESTS_ENGINE_OBJECTS_H

#include "engine/store.h"
#include "engine/txn.h"
#include "tests/engine/volume.h"

static inline struct str str_of(const char *s)
{
    return (struct str){s, (u32)strlen(s)};
}

static inline nt_status name_add(struct volume *v, u64 dir, const char *name, u64 id, bool directory)
{
    struct txn *t;
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    return txn_end(t, dirent_add(t, dir, str_of(name), id, directory));
}

static inline nt_status name_remove(struct volume *v, u64 dir, const char *name)
{
    struct txn *t;
    assert_ok(txn_begin(v->store, TXN_FREEING, &t));
    return txn_end(t, dirent_remove(t, dir, str_of(name)));
}

static inline void links_set(struct volume *v, u64 id, u32 links)
{
    struct txn *t;
    struct inode inode;
    assert_ok(inode_get(v->store, id, &inode));
    inode.links = links;
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
}

static inline nt_status reparse_replace(struct volume *v, u64 id, const u8 *data, u32 len)
{
    struct txn *t;
    struct inode inode;
    assert_ok(inode_get(v->store, id, &inode));
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    nt_status status = len > 0 ? reparse_set(t, id, data, len) : reparse_delete(t, id);
    inode.reparse_tag = len > 0 ? get_le32(data) : 0;
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &inode);
    return txn_end(t, status);
}

static inline bool name_is_plain(struct volume *v, u64 dir, const char *name)
{
    struct dirent entry;
    assert_ok(dirent_find(v->store, dir, str_of(name), &entry));
    return entry.plain;
}

static inline nt_status name_move(struct volume *v, u64 from, const char *old, u64 to, const char *new,
                                  nt_status end)
{
    struct txn *t;
    struct dirent entry;
    assert_ok(dirent_find(v->store, from, str_of(old), &entry));
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    nt_status status = dirent_remove(t, from, str_of(old));
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, to, str_of(new), entry.id, entry.directory);
    return txn_end(t, status == STATUS_SUCCESS ? end : status);
}

enum { ODD = 5000, LONGEST = KEY_MAX - 9 };

struct odd_record {
    u32 tail, len;
};

static inline void record_put(struct volume *v, u64 object, enum record_kind kind, u32 tail, u32 len)
{
    struct txn *t;
    struct key key;
    u8 bytes[VALUE_MAX];
    memset(bytes, 'A', sizeof bytes);
    key_begin(&key, object, kind);
    key_add(&key, bytes, tail);
    memset(bytes, 0xff, sizeof bytes);
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, bytes, len)));
}

static inline void record_delete(struct volume *v, u64 object, enum record_kind kind, u32 tail)
{
    struct txn *t;
    struct key key;
    u8 bytes[KEY_MAX];
    memset(bytes, 'A', sizeof bytes);
    key_begin(&key, object, kind);
    key_add(&key, bytes, tail);
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_delete(t, &key)));
}

// The check names what is wrong and survives.
static inline void check_reports(struct volume *v)
{
    struct check_totals totals;
    struct check_options options = {.data = true};
    assert_status(store_check(v->store, &options, &totals), STATUS_DISK_CORRUPT_ERROR);
    assert_true(totals.findings > 0);
}

#endif
