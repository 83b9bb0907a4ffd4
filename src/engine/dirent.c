// SPDX-License-Identifier: Apache-2.0
// Names: directory entries, and the links that lead back from an object to them. Values from the medium
// passed their page's checksum but are checked again for length and range: a checksum does not prove sense.
#include "engine/dirent.h"
#include "engine/store.h"
#include "engine/txn.h"

nt_status name_key(struct store *s, struct key *key, u64 object, enum record_kind kind, const u64 *parent,
                   struct str name)
{
    char folded[TEXT_NAME_BYTES];
    u32 len;
    if (name.len == 0 || memchr(name.p, 0, name.len) || memchr(name.p, '/', name.len))
        return STATUS_OBJECT_NAME_INVALID;
    TRY(text_fold(s->table, name, folded, &len));
    key_begin(key, object, kind);
    if (parent)
        key_add_u64(key, *parent);
    key_add(key, folded, len);
    return STATUS_SUCCESS;
}

static nt_status decode_dirent(struct slice value, struct dirent_seen *entry)
{
    const struct raw_dirent *raw = (const struct raw_dirent *)value.p;
    u32 name_len = value.len - MIN(value.len, (u32)sizeof *raw);
    if (name_len == 0 || name_len > TEXT_NAME_BYTES)
        return STATUS_FILE_CORRUPT_ERROR;
    entry->id = from_le64(raw->object);
    entry->directory = raw->directory;
    entry->plain = raw->plain == 1;
    entry->name = (struct str){(const char *)(raw + 1), name_len};
    return STATUS_SUCCESS;
}

static void copy_dirent(struct dirent *to, const struct dirent_seen *from)
{
    to->id = from->id;
    to->directory = from->directory;
    to->plain = from->plain;
    to->name_len = from->name.len;
    memcpy(to->name, from->name.p, from->name.len);
}

nt_status dirent_find(struct store *s, u64 dir, struct str name, struct dirent *entry)
{
    struct key key;
    struct record record;
    memset(entry, 0, offsetof(struct dirent, name));
    TRY(name_key(s, &key, dir, KIND_DIRENT, NULL, name));
    nt_status status = tree_find(s, &key, TREE_EQUAL, &record);
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_OBJECT_NAME_NOT_FOUND : status);
    struct dirent_seen seen;
    TRY(decode_dirent((struct slice){record.value, record.len}, &seen));
    copy_dirent(entry, &seen);
    return STATUS_SUCCESS;
}

nt_status dir_position_set(struct dir_position *position, struct slice key)
{
    u32 len = key.len - 9u;
    if (len > sizeof position->key)
        return STATUS_FILE_CORRUPT_ERROR;
    position->key_len = len;
    memcpy(position->key, key.p + 9, len);
    return STATUS_SUCCESS;
}

struct dirent_walk {
    u64 dir;
    struct dir_position *position;
    dirent_see *see;
    void *context;
};

static nt_status see_dirent(void *context, struct slice key, struct slice value)
{
    struct dirent_walk *w = context;
    struct dirent_seen entry;
    if (!key_is_of(key, w->dir, KIND_DIRENT))
        return STATUS_NO_MORE_FILES;
    TRY(decode_dirent(value, &entry));
    entry.folded = (struct str){(const char *)key.p + 9, key.len - 9};
    if (entry.folded.len > TEXT_NAME_BYTES)
        return STATUS_FILE_CORRUPT_ERROR;
    enum dirent_answer answer = w->see(w->context, &entry);
    if (answer != DIRENT_LEFT)
        TRY(dir_position_set(w->position, key));
    return answer == DIRENT_TAKEN ? TREE_GO_ON : STATUS_SUCCESS;
}

nt_status dirents_next(struct store *s, u64 dir, struct dir_position *position, dirent_see *see,
                       void *context)
{
    struct key key;
    struct dirent_walk w = {.dir = dir, .position = position, .see = see, .context = context};
    key_begin(&key, dir, KIND_DIRENT);
    key_add(&key, position->key, position->key_len);
    nt_status status = tree_look(s, &key, TREE_ABOVE, see_dirent, &w);
    return status == STATUS_NO_SUCH_FILE ? STATUS_NO_MORE_FILES : status;
}

static enum dirent_answer take_one(void *context, const struct dirent_seen *entry)
{
    copy_dirent(context, entry);
    return DIRENT_LAST;
}

nt_status dirent_next(struct store *s, u64 dir, struct dir_position *position, struct dirent *entry)
{
    memset(entry, 0, offsetof(struct dirent, name));
    return dirents_next(s, dir, position, take_one, entry);
}

nt_status dir_position_after(struct store *s, u64 dir, struct str name, struct dir_position *position)
{
    struct key key;
    position->key_len = 0;
    TRY(name_key(s, &key, dir, KIND_DIRENT, NULL, name));
    return dir_position_set(position, key_slice(&key));
}

nt_status dirent_is_empty(struct store *s, u64 dir, bool *empty)
{
    struct key key;
    struct record record;
    *empty = false;
    key_begin(&key, dir, KIND_DIRENT);
    nt_status status = tree_next(s, &key, dir, KIND_DIRENT, &record);
    *empty = status == STATUS_NO_MORE_FILES;
    return *empty ? STATUS_SUCCESS : status;
}

// What stands between an object and a plain entry.
struct naming {
    u64 id;
    bool exists, named, streams, reparse;
};

static nt_status see_naming(void *context, struct slice key, struct slice value)
{
    struct naming *n = context;
    (void)value;
    if (key_is_of(key, n->id, KIND_INODE)) {
        n->exists = true;
        return TREE_GO_ON;
    }
    n->named = key_is_of(key, n->id, KIND_LINK);
    n->streams = key_is_of(key, n->id, KIND_STREAM);
    n->reparse = key_is_of(key, n->id, KIND_REPARSE);
    return STATUS_SUCCESS;
}

static nt_status look_naming(struct store *s, struct naming *n, enum record_kind from)
{
    struct key key;
    key_begin(&key, n->id, from);
    nt_status status = tree_look(s, &key, TREE_AT_LEAST, see_naming, n);
    return status == STATUS_NO_SUCH_FILE ? STATUS_SUCCESS : status;
}

// May the name that comes next say that it is plain? Only one of an object's names does, so that there is
// only one to change when the object gets reparse data.
static nt_status may_be_plain(struct store *s, u64 id, bool *plain)
{
    struct naming n = {.id = id};
    *plain = false;
    TRY(look_naming(s, &n, KIND_INODE));
    if (n.streams) // reparse data lie behind them
        TRY(look_naming(s, &n, KIND_REPARSE));
    *plain = n.exists && !n.named && !n.reparse;
    return STATUS_SUCCESS;
}

nt_status dirent_add(struct txn *t, u64 dir, struct str name, u64 id, bool directory)
{
    struct store *s = t->store;
    struct key key;
    struct record record;
    struct {
        struct raw_dirent raw;
        char name[TEXT_NAME_BYTES];
    } value = {.raw = {.object = to_le64(id), .directory = directory}};
    bool plain;
    TRY(name_key(s, &key, dir, KIND_DIRENT, NULL, name));
    nt_status status = tree_find(s, &key, TREE_EQUAL, &record);
    if (status != STATUS_NO_SUCH_FILE)
        return status == STATUS_SUCCESS ? STATUS_OBJECT_NAME_COLLISION : status;
    TRY(may_be_plain(s, id, &plain));
    if (plain)
        store_uses(s, FEATURE_PLAIN);
    value.raw.plain = plain;
    memcpy(value.name, name.p, name.len);
    TRY(tree_put(t, &key, &value, (u32)sizeof value.raw + name.len));
    TRY(name_key(s, &key, id, KIND_LINK, &dir, name));
    return tree_put(t, &key, name.p, name.len);
}

nt_status dirent_remove(struct txn *t, u64 dir, struct str name)
{
    struct store *s = t->store;
    struct dirent entry;
    struct key key;
    TRY(dirent_find(s, dir, name, &entry));
    TRY(name_key(s, &key, dir, KIND_DIRENT, NULL, name));
    TRY(tree_delete(t, &key));
    TRY(name_key(s, &key, entry.id, KIND_LINK, &dir, name));
    nt_status status = tree_delete(t, &key);
    return status == STATUS_NO_SUCH_FILE ? STATUS_FILE_CORRUPT_ERROR : status;
}

nt_status link_next(struct store *s, u64 id, struct link_position *position, u64 *parent, struct dirent *name)
{
    struct key key;
    struct record record;
    *parent = 0;
    memset(name, 0, offsetof(struct dirent, name));
    key_begin(&key, id, KIND_LINK);
    key_add(&key, position->key, position->key_len);
    TRY(tree_next(s, &key, id, KIND_LINK, &record));
    if (record.key.len <= 17 || record.len == 0 || record.len > sizeof name->name)
        return STATUS_FILE_CORRUPT_ERROR;
    *parent = get_be64(record.key.b + 9);
    name->id = id;
    name->name_len = record.len;
    memcpy(name->name, record.value, record.len);
    position->key_len = record.key.len - 9u;
    memcpy(position->key, record.key.b + 9, position->key_len);
    return STATUS_SUCCESS;
}

nt_status link_next_in(struct store *s, u64 id, u64 parent, struct link_position *position,
                       struct dirent *name)
{
    u64 found;
    if (position->key_len == 0) {
        put_be64(position->key, parent);
        position->key_len = 8;
    }
    TRY(link_next(s, id, position, &found, name));
    if (found == parent)
        return STATUS_SUCCESS;
    memset(name, 0, offsetof(struct dirent, name));
    return STATUS_NO_MORE_FILES;
}

nt_status object_path(struct store *s, u64 id, char *out, size_t size)
{
    enum { DEPTH_MAX = 4096 };
    size_t at = size;
    if (size < 2)
        return STATUS_BUFFER_TOO_SMALL;
    out[--at] = '\0';
    // Built from its end; a chain of parents in damaged records may be a ring.
    for (u32 depth = 0; id != OBJECT_ROOT; depth++) {
        struct link_position position = {0};
        struct dirent name;
        u64 parent;
        nt_status status = link_next(s, id, &position, &parent, &name);
        TRY(status == STATUS_NO_MORE_FILES || depth == DEPTH_MAX ? STATUS_FILE_INVALID : status);
        if (name.name_len + 1 > at)
            return STATUS_BUFFER_TOO_SMALL;
        at -= name.name_len;
        memcpy(out + at, name.name, name.name_len);
        out[--at] = '/';
        id = parent;
    }
    if (out[at] == '\0')
        out[--at] = '/';
    memmove(out, out + at, size - at);
    return STATUS_SUCCESS;
}
