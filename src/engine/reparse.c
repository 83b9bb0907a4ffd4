// SPDX-License-Identifier: Apache-2.0
// Reparse data, verbatim, and the index of their tags.
#include "engine/reparse.h"
#include "engine/dirent.h"
#include "engine/store.h"
#include "engine/txn.h"

nt_status reparse_get(struct store *s, u64 id, u8 *buffer, u32 size, u32 *length)
{
    u32 used = 0;
    *length = 0;
    for (;;) {
        struct key key;
        struct record record;
        key_begin(&key, id, KIND_REPARSE);
        key_add_u64(&key, used);
        nt_status status = tree_find(s, &key, TREE_EQUAL, &record);
        if (status == STATUS_NO_SUCH_FILE) {
            *length = used;
            return used > 0 ? STATUS_SUCCESS : STATUS_NOT_A_REPARSE_POINT;
        }
        TRY(status);
        if (record.len == 0 || used + record.len > MAXIMUM_REPARSE_DATA_BUFFER_SIZE)
            return STATUS_FILE_CORRUPT_ERROR;
        if (used + record.len > size)
            return STATUS_BUFFER_TOO_SMALL;
        memcpy(buffer + used, record.value, record.len);
        used += record.len;
        if (record.len < VALUE_MAX) {
            *length = used;
            return STATUS_SUCCESS;
        }
    }
}

void tag_key(struct key *key, u32 tag, u64 id)
{
    u8 tag_be[4] = {(u8)(tag >> 24), (u8)(tag >> 16), (u8)(tag >> 8), (u8)tag};
    key_begin(key, OBJECT_TAGS, KIND_TAG);
    key_add(key, tag_be, sizeof tag_be);
    key_add_u64(key, id);
}

bool tag_parse(struct slice key, u32 *tag, u64 *id)
{
    const u8 *b = key.p + 9;
    if (!key_is_of(key, OBJECT_TAGS, KIND_TAG) || key.len != 9 + 4 + 8)
        return false;
    *tag = (u32)b[0] << 24 | (u32)b[1] << 16 | (u32)b[2] << 8 | b[3];
    *id = get_be64(b + 4);
    return true;
}

nt_status reparse_delete(struct txn *t, u64 id)
{
    struct key key;
    struct record record;
    for (u32 at = 0;; at += record.len) {
        key_begin(&key, id, KIND_REPARSE);
        key_add_u64(&key, at);
        nt_status status = tree_find(t->store, &key, TREE_EQUAL, &record);
        if (status == STATUS_NO_SUCH_FILE)
            return at > 0 ? STATUS_SUCCESS : STATUS_NOT_A_REPARSE_POINT;
        TRY(status);
        TRY(tree_delete(t, &key));
        if (at == 0 && record.len >= 4) {
            tag_key(&key, get_le32(record.value), id);
            status = tree_delete(t, &key);
            TRY(status == STATUS_NO_SUCH_FILE ? STATUS_SUCCESS : status);
        }
        if (record.len == 0)
            return STATUS_FILE_CORRUPT_ERROR;
    }
}

// The name that says that its object has no reparse data says it no longer.
static nt_status plain_clear(struct txn *t, u64 id)
{
    struct link_position position = {.key_len = 0};
    struct dirent name, entry;
    struct key key;
    u64 parent;
    for (;;) {
        nt_status status = link_next(t->store, id, &position, &parent, &name);
        if (status == STATUS_NO_MORE_FILES)
            return STATUS_SUCCESS;
        TRY(status);
        struct str n = {name.name, name.name_len};
        status = dirent_find(t->store, parent, n, &entry);
        if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_NAME_INVALID)
            continue; // a check reports it
        TRY(status);
        if (entry.id != id || !entry.plain)
            continue;
        TRY(name_key(t->store, &key, parent, KIND_DIRENT, NULL, n));
        return tree_patch(t, &key, offsetof(struct raw_dirent, plain), &(u8){0}, 1);
    }
}

nt_status reparse_set(struct txn *t, u64 id, const u8 *buffer, u32 length)
{
    struct key key;
    if (length < 4 || length > MAXIMUM_REPARSE_DATA_BUFFER_SIZE)
        return STATUS_IO_REPARSE_DATA_INVALID;
    TRY(plain_clear(t, id));
    nt_status status = reparse_delete(t, id);
    TRY(status == STATUS_NOT_A_REPARSE_POINT ? STATUS_SUCCESS : status);
    for (u32 at = 0; at < length; at += VALUE_MAX) {
        key_begin(&key, id, KIND_REPARSE);
        key_add_u64(&key, at);
        TRY(tree_put(t, &key, buffer + at, MIN(length - at, (u32)VALUE_MAX)));
    }
    tag_key(&key, get_le32(buffer), id);
    return tree_put(t, &key, "", 0);
}

nt_status reparse_next(struct store *s, u32 *tag, u64 *id)
{
    struct key key;
    struct record record;
    tag_key(&key, *tag, *id);
    TRY(tree_next(s, &key, OBJECT_TAGS, KIND_TAG, &record));
    return tag_parse(key_slice(&record.key), tag, id) ? STATUS_SUCCESS : STATUS_FILE_CORRUPT_ERROR;
}
