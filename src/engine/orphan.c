// SPDX-License-Identifier: Apache-2.0
// The orphan list: what was removed or cut off, and is taken apart in as many transactions as that takes.
#include "engine/orphan.h"
#include "engine/extent.h"
#include "engine/store.h"
#include "engine/stream_record.h"
#include "engine/txn.h"

static void orphan_key(struct key *key, u64 id)
{
    key_begin(key, OBJECT_ORPHANS, KIND_ORPHAN);
    key_add_u64(key, id);
}

nt_status object_orphan(struct txn *t, u64 id)
{
    struct key key;
    orphan_key(&key, id);
    return tree_put(t, &key, "", 0);
}

// Remove what is left of an object, a few records in a transaction; at last its place in the orphan list.
static nt_status reap_records(struct txn *t, u64 id, bool *done)
{
    struct key key;
    struct record record;
    *done = false;
    while (!txn_is_full(t)) {
        key_begin(&key, id, 0);
        nt_status status = tree_find(t->store, &key, TREE_ABOVE, &record);
        if (status == STATUS_NO_SUCH_FILE || (status == STATUS_SUCCESS && get_be64(record.key.b) != id)) {
            *done = true;
            orphan_key(&key, id);
            status = tree_delete(t, &key);
            return status == STATUS_NO_SUCH_FILE ? STATUS_SUCCESS : status;
        }
        TRY(status);
        // A piece that does not follow from the first one is a record like any other.
        status =
            key_belongs(&record.key, id, KIND_REPARSE) ? reparse_delete(t, id) : STATUS_NOT_A_REPARSE_POINT;
        if (status == STATUS_SUCCESS)
            continue;
        TRY(status == STATUS_NOT_A_REPARSE_POINT ? STATUS_SUCCESS : status);
        TRY(tree_delete(t, &record.key));
    }
    return STATUS_SUCCESS;
}

static nt_status reap_all_records(struct store *s, u64 id)
{
    for (bool done = false; !done;) {
        struct txn *t;
        TRY(txn_begin(s, TXN_FREEING, &t));
        TRY(txn_end(t, reap_records(t, id, &done)));
    }
    return STATUS_SUCCESS;
}

// The data objects of named streams, so that reaping a file needs only its own id. They have no streams of
// their own; what a damaged record names instead may have.
static nt_status reap_streams(struct store *s, u64 id)
{
    struct dir_position position = {0};
    struct stream_entry entry;
    for (;;) {
        nt_status status = stream_next(s, id, &position, &entry);
        if (status == STATUS_NO_MORE_FILES)
            return STATUS_SUCCESS;
        TRY(status);
        struct txn *t;
        u64 orphan;
        TRY(txn_begin(s, TXN_FREEING, &t));
        status =
            txn_end(t, stream_remove(t, id, (struct str){entry.name.name, entry.name.name_len}, &orphan));
        bool other_name = status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_NAME_INVALID;
        TRY(other_name ? STATUS_FILE_CORRUPT_ERROR : status);
        TRY(extent_trim(s, orphan, 0, NULL, false));
        TRY(reap_all_records(s, orphan));
    }
}

// The default stream's extents may belong to another object than the file (after its sums were made or
// dropped).
static nt_status reap_default_stream(struct store *s, u64 id)
{
    struct key key;
    struct raw_stream raw;
    key_begin(&key, id, KIND_INODE);
    nt_status status = stream_load(s, &key, &raw);
    if (status == STATUS_SUCCESS && from_le64(raw.data) != id)
        return extent_trim(s, from_le64(raw.data), 0, NULL, false);
    return status == STATUS_NO_SUCH_FILE || status == STATUS_FILE_CORRUPT_ERROR ? STATUS_SUCCESS : status;
}

nt_status object_reap(struct store *s, u64 id)
{
    TRY(reap_streams(s, id));
    TRY(reap_default_stream(s, id));
    TRY(extent_trim(s, id, 0, NULL, false));
    return reap_all_records(s, id);
}

nt_status orphan_tail(struct txn *t, u64 data, u64 first, const struct key *stream)
{
    struct key key;
    struct record record;
    u8 value[8 + KEY_MAX];
    u32 len = stream ? stream->len : 0;
    put_le64(value, first);
    if (stream)
        memcpy(value + 8, stream->b, len);
    orphan_key(&key, data);
    nt_status status = tree_find(t->store, &key, TREE_EQUAL, &record);
    if (status == STATUS_SUCCESS && record.len == 0)
        return STATUS_SUCCESS; // all of it is to go: so is this
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_SUCCESS : status);
    return tree_put(t, &key, value, 8 + len);
}

nt_status orphan_remove(struct txn *t, u64 id)
{
    struct key key;
    orphan_key(&key, id);
    return tree_delete(t, &key);
}

nt_status orphan_remove_tail(struct txn *t, u64 data)
{
    struct key key;
    struct record record;
    orphan_key(&key, data);
    nt_status status = tree_find(t->store, &key, TREE_EQUAL, &record);
    if (status == STATUS_NO_SUCH_FILE || (status == STATUS_SUCCESS && record.len == 0))
        return STATUS_SUCCESS;
    TRY(status);
    return tree_delete(t, &key);
}

// Clusters behind the end of the default stream, whose own entry gave way to the whole object's. When the
// stream's data has another number, that entry is still there.
static nt_status adopt_tail(struct txn *t, u64 id)
{
    struct store *s = t->store;
    struct key key;
    struct raw_stream raw;
    struct extent e;
    key_begin(&key, id, KIND_INODE);
    TRY(stream_load(s, &key, &raw));
    u64 size = from_le64(raw.size), first = size / s->cluster + (size % s->cluster > 0);
    if (from_le64(raw.data) != id)
        return STATUS_SUCCESS;
    nt_status status = extent_find(s, id, first, &e);
    if (status == STATUS_NO_SUCH_FILE)
        return STATUS_SUCCESS;
    TRY(status);
    return orphan_tail(t, id, first, &key);
}

nt_status object_adopt(struct txn *t, u64 id)
{
    TRY(orphan_remove(t, id));
    return adopt_tail(t, id);
}

// An entry of the orphan list: a whole object (tail false), or what is left of a stream from first on.
struct orphan {
    u64 id, first;
    bool tail;
    struct key stream; // empty: of any
};

static nt_status decode_orphan(struct slice key, struct slice value, struct orphan *o)
{
    if (key.len != 9 + 8)
        return STATUS_DISK_CORRUPT_ERROR;
    *o = (struct orphan){.id = get_be64(key.p + 9), .tail = value.len > 0};
    if (o->id < OBJECT_FIRST) // of the volume itself
        return STATUS_DISK_CORRUPT_ERROR;
    if (!o->tail)
        return STATUS_SUCCESS;
    o->stream.len = (u16)(value.len - MIN(value.len, 8u));
    if (value.len < 8 || (o->stream.len > 0 && o->stream.len < 9) || o->stream.len > KEY_MAX)
        return STATUS_DISK_CORRUPT_ERROR;
    o->first = get_le64(value.p);
    memcpy(o->stream.b, value.p + 8, o->stream.len);
    return STATUS_SUCCESS;
}

nt_status orphan_finish(struct store *s, const struct record *record)
{
    struct orphan o;
    TRY(decode_orphan(key_slice(&record->key), (struct slice){record->value, record->len}, &o));
    if (!o.tail)
        return object_reap(s, o.id);
    return extent_trim(s, o.id, o.first, o.stream.len > 0 ? &o.stream : NULL, true);
}

static nt_status look_extents(struct store *s, u64 data, u64 first)
{
    for (;;) {
        struct extent e;
        nt_status status = extent_find_part(s, data, first, 0, &e);
        if (status == STATUS_NO_SUCH_FILE)
            return STATUS_SUCCESS;
        TRY(status);
        if (!space_can_free(s, e.unit, (u64)e.clusters * s->cluster_units))
            return STATUS_DISK_CORRUPT_ERROR;
        first = MAX(e.first + e.clusters, first + 1);
    }
}

bool orphan_is_mapped(struct store *s, struct slice key, struct slice value, u64 *id)
{
    struct orphan o;
    struct raw_stream raw;
    *id = 0;
    if (decode_orphan(key, value, &o) != STATUS_SUCCESS)
        return false;
    *id = o.id;
    if (o.stream.len == 0)
        key_begin(&o.stream, o.id, KIND_INODE);
    return stream_load(s, &o.stream, &raw) == STATUS_SUCCESS && from_le64(raw.data) == o.id;
}

nt_status orphan_look(struct store *s, struct slice key, struct slice value)
{
    struct orphan o;
    struct record record;
    struct key at;
    TRY(decode_orphan(key, value, &o));
    if (o.tail)
        return look_extents(s, o.id, o.first);
    key_begin(&at, o.id, 0);
    for (;; at = record.key) {
        nt_status status = tree_find(s, &at, TREE_ABOVE, &record);
        if (status == STATUS_NO_SUCH_FILE || (status == STATUS_SUCCESS && get_be64(record.key.b) != o.id))
            return look_extents(s, o.id, 0);
        TRY(status);
        bool owner =
            key_belongs(&record.key, o.id, KIND_INODE) || key_belongs(&record.key, o.id, KIND_STREAM);
        if (!owner)
            continue;
        struct raw_stream raw;
        TRY(stream_decode(key_slice(&record.key), (struct slice){record.value, record.len}, &raw));
    }
}
