// SPDX-License-Identifier: Apache-2.0
// The records of streams: the default one in the inode, named ones with names of their own.
#include "engine/stream_record.h"
#include "engine/dirent.h"
#include "engine/store.h"
#include "engine/txn.h"

nt_status stream_create(struct txn *t, u64 id, struct str name, u16 algorithm)
{
    struct store *s = t->store;
    struct key key;
    struct record record;
    struct {
        struct raw_stream raw;
        char name[TEXT_NAME_BYTES];
    } value = {0};
    TRY(name_key(s, &key, id, KIND_STREAM, NULL, name));
    nt_status status = tree_find(s, &key, TREE_EQUAL, &record);
    if (status != STATUS_NO_SUCH_FILE)
        return status == STATUS_SUCCESS ? STATUS_OBJECT_NAME_COLLISION : status;
    value.raw.data = to_le64(store_new_object(s));
    value.raw.algorithm = to_le16(algorithm);
    memcpy(value.name, name.p, name.len);
    return tree_put(t, &key, &value, (u32)sizeof value.raw + name.len);
}

nt_status stream_key(struct store *s, u64 id, struct str name, struct key *key)
{
    if (name.len > 0)
        return name_key(s, key, id, KIND_STREAM, NULL, name);
    key_begin(key, id, KIND_INODE);
    return STATUS_SUCCESS;
}

nt_status stream_decode(struct slice key, struct slice value, struct raw_stream *raw)
{
    bool inode = key.p[8] == KIND_INODE, named = key.p[8] == KIND_STREAM;
    if (!(inode && value.len == sizeof(struct raw_inode)) && !(named && value.len > sizeof *raw))
        return STATUS_FILE_CORRUPT_ERROR;
    memcpy(raw, value.p + (inode ? offsetof(struct raw_inode, data) : 0), sizeof *raw);
    // The objects below the root are the volume's own.
    return from_le64(raw->data) < OBJECT_ROOT ? STATUS_FILE_CORRUPT_ERROR : STATUS_SUCCESS;
}

nt_status stream_load(struct store *s, const struct key *key, struct raw_stream *raw)
{
    struct record record;
    TRY(tree_find(s, key, TREE_EQUAL, &record));
    return stream_decode(key_slice(key), (struct slice){record.value, record.len}, raw);
}

nt_status stream_remove(struct txn *t, u64 id, struct str name, u64 *orphan)
{
    struct key key;
    struct raw_stream raw;
    *orphan = 0;
    TRY(name_key(t->store, &key, id, KIND_STREAM, NULL, name));
    nt_status status = stream_load(t->store, &key, &raw);
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_OBJECT_NAME_NOT_FOUND : status);
    *orphan = from_le64(raw.data);
    TRY(tree_delete(t, &key));
    return object_orphan(t, *orphan);
}

nt_status stream_next(struct store *s, u64 id, struct dir_position *position, struct stream_entry *entry)
{
    struct key key;
    struct record record;
    memset(entry, 0, sizeof *entry);
    key_begin(&key, id, KIND_STREAM);
    key_add(&key, position->key, position->key_len);
    TRY(tree_next(s, &key, id, KIND_STREAM, &record));
    const struct raw_stream *raw = (const struct raw_stream *)record.value;
    if (record.len <= sizeof *raw || record.len - sizeof *raw > TEXT_NAME_BYTES)
        return STATUS_FILE_CORRUPT_ERROR;
    entry->size = from_le64(raw->size);
    entry->allocated = from_le64(raw->allocated);
    entry->name.name_len = (u32)(record.len - sizeof *raw);
    memcpy(entry->name.name, raw + 1, entry->name.name_len);
    return dir_position_set(position, key_slice(&record.key));
}
