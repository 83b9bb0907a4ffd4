// SPDX-License-Identifier: Apache-2.0
// Records of objects: inodes, directory entries with their back links, named streams, reparse data, orphans.
// Values from the medium passed their page's checksum but are checked again for length and range: a checksum
// does not prove sense.
#include "engine/store.h"

// --- inodes --------------------------------------------------------------------------------------

static void decode_inode(u64 id, const struct raw_inode *raw, struct inode *inode)
{
    *inode = (struct inode){.id = id,
                            .attributes = from_le32(raw->attributes),
                            .links = from_le32(raw->links),
                            .created = from_le64(raw->created),
                            .accessed = from_le64(raw->accessed),
                            .written = from_le64(raw->written),
                            .changed = from_le64(raw->changed),
                            .reparse_tag = from_le32(raw->reparse_tag),
                            .mode = from_le32(raw->mode),
                            .uid = from_le32(raw->uid),
                            .gid = from_le32(raw->gid),
                            .device = from_le32(raw->device),
                            .size = from_le64(raw->data.size),
                            .allocated = from_le64(raw->data.allocated),
                            .algorithm = from_le16(raw->data.algorithm),
                            .enforcement_off = from_le16(raw->data.flags) & STREAM_ENFORCEMENT_OFF};
    memcpy(inode->nanos, raw->nanos, sizeof inode->nanos);
}

static bool inode_possible(u32 mode, const u8 nanos[INODE_TIMES])
{
    bool possible = mode <= 0xFFFF;
    for (int i = 0; i < INODE_TIMES; i++)
        possible &= nanos[i] < 100;
    return possible;
}

static nt_status encode_inode(struct store *s, const struct inode *inode, struct raw_inode *raw)
{
    static const u8 none[INODE_TIMES];
    if (!inode_possible(inode->mode, inode->nanos))
        return STATUS_INVALID_PARAMETER;
    if (inode->mode || inode->uid || inode->gid || inode->device ||
        memcmp(inode->nanos, none, sizeof none) != 0)
        store_uses(s, FEATURE_POSIX);
    *raw = (struct raw_inode){.attributes = to_le32(inode->attributes),
                              .links = to_le32(inode->links),
                              .created = to_le64(inode->created),
                              .accessed = to_le64(inode->accessed),
                              .written = to_le64(inode->written),
                              .changed = to_le64(inode->changed),
                              .reparse_tag = to_le32(inode->reparse_tag),
                              .mode = to_le32(inode->mode),
                              .uid = to_le32(inode->uid),
                              .gid = to_le32(inode->gid),
                              .device = to_le32(inode->device)};
    memcpy(raw->nanos, inode->nanos, sizeof raw->nanos);
    return STATUS_SUCCESS;
}

nt_status inode_get(struct store *s, u64 id, struct inode *inode)
{
    struct key key;
    struct record record;
    memset(inode, 0, sizeof *inode);
    key_begin(&key, id, KIND_INODE);
    nt_status status = tree_find(s, &key, TREE_EQUAL, &record);
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_FILE_INVALID : status);
    const struct raw_inode *raw = (const struct raw_inode *)record.value;
    if (record.len != sizeof *raw || !inode_possible(from_le32(raw->mode), raw->nanos))
        return STATUS_FILE_CORRUPT_ERROR;
    decode_inode(id, raw, inode);
    return STATUS_SUCCESS;
}

nt_status inode_create(struct txn *t, struct inode *inode)
{
    struct raw_inode raw;
    struct key key;
    TRY(encode_inode(t->store, inode, &raw));
    inode->id = store_new_object(t->store);
    raw.data.data = to_le64(inode->id);
    raw.data.algorithm = to_le16(inode->algorithm);
    raw.data.flags = to_le16(inode->enforcement_off ? STREAM_ENFORCEMENT_OFF : 0);
    key_begin(&key, inode->id, KIND_INODE);
    return tree_put(t, &key, &raw, sizeof raw);
}

nt_status inode_put(struct txn *t, const struct inode *inode)
{
    struct raw_inode raw;
    struct key key;
    TRY(encode_inode(t->store, inode, &raw));
    key_begin(&key, inode->id, KIND_INODE);
    return tree_patch(t, &key, 0, &raw, offsetof(struct raw_inode, data));
}

// --- names ---------------------------------------------------------------------------------------

// The next record of an object and kind behind *key; NO_MORE_FILES after the last.
static nt_status next_of(struct store *s, struct key *key, u64 object, enum record_kind kind,
                         struct record *record)
{
    nt_status status = tree_find(s, key, TREE_ABOVE, record);
    if (status == STATUS_NO_SUCH_FILE ||
        (status == STATUS_SUCCESS && !key_belongs(&record->key, object, kind)))
        return STATUS_NO_MORE_FILES;
    return status;
}

// A key that ends with a folded name.
static nt_status name_key(struct store *s, struct key *key, u64 object, enum record_kind kind,
                          const u64 *parent, struct str name)
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

// A listing goes on behind this key.
static nt_status set_position(struct dir_position *position, struct slice key)
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
        TRY(set_position(w->position, key));
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
    return set_position(position, key_slice(&key));
}

nt_status dirent_is_empty(struct store *s, u64 dir, bool *empty)
{
    struct key key;
    struct record record;
    *empty = false;
    key_begin(&key, dir, KIND_DIRENT);
    nt_status status = next_of(s, &key, dir, KIND_DIRENT, &record);
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
    TRY(next_of(s, &key, id, KIND_LINK, &record));
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

// --- named streams -------------------------------------------------------------------------------

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

nt_status stream_remove(struct txn *t, u64 id, struct str name, u64 *orphan)
{
    struct key key;
    struct record record;
    *orphan = 0;
    TRY(name_key(t->store, &key, id, KIND_STREAM, NULL, name));
    nt_status status = tree_find(t->store, &key, TREE_EQUAL, &record);
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_OBJECT_NAME_NOT_FOUND : status);
    if (record.len < sizeof(struct raw_stream))
        return STATUS_FILE_CORRUPT_ERROR;
    *orphan = from_le64(((const struct raw_stream *)record.value)->data);
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
    TRY(next_of(s, &key, id, KIND_STREAM, &record));
    const struct raw_stream *raw = (const struct raw_stream *)record.value;
    if (record.len <= sizeof *raw || record.len - sizeof *raw > TEXT_NAME_BYTES)
        return STATUS_FILE_CORRUPT_ERROR;
    entry->size = from_le64(raw->size);
    entry->allocated = from_le64(raw->allocated);
    entry->name.name_len = (u32)(record.len - sizeof *raw);
    memcpy(entry->name.name, raw + 1, entry->name.name_len);
    return set_position(position, key_slice(&record.key));
}

// --- reparse data --------------------------------------------------------------------------------

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
    TRY(next_of(s, &key, OBJECT_TAGS, KIND_TAG, &record));
    return tag_parse(key_slice(&record.key), tag, id) ? STATUS_SUCCESS : STATUS_FILE_CORRUPT_ERROR;
}

// --- orphans -------------------------------------------------------------------------------------

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
    enum { BATCH = 8 };
    struct key key;
    struct record record;
    *done = false;
    for (int n = 0; n < BATCH; n++) {
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
    struct record record;
    key_begin(&key, id, KIND_INODE);
    nt_status status = tree_find(s, &key, TREE_EQUAL, &record);
    if (status == STATUS_SUCCESS && record.len == sizeof(struct raw_inode)) {
        u64 data = from_le64(((const struct raw_inode *)record.value)->data.data);
        return data != id ? extent_trim(s, data, 0, NULL, false) : STATUS_SUCCESS;
    }
    return status == STATUS_NO_SUCH_FILE ? STATUS_SUCCESS : status;
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
    struct record record;
    struct extent e;
    key_begin(&key, id, KIND_INODE);
    TRY(tree_find(s, &key, TREE_EQUAL, &record));
    if (record.len != sizeof(struct raw_inode))
        return STATUS_FILE_CORRUPT_ERROR;
    const struct raw_stream *raw = &((const struct raw_inode *)record.value)->data;
    u64 size = from_le64(raw->size), first = size / s->cluster + (size % s->cluster > 0);
    if (from_le64(raw->data) != id)
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
        TRY(space_prefetch(s, e.unit, (u64)e.clusters * s->cluster_units));
        first = MAX(e.first + e.clusters, first + 1);
    }
}

bool orphan_is_mapped(struct store *s, struct slice key, struct slice value, u64 *id)
{
    struct orphan o;
    struct record record;
    *id = 0;
    if (decode_orphan(key, value, &o) != STATUS_SUCCESS)
        return false;
    *id = o.id;
    if (o.stream.len == 0)
        key_begin(&o.stream, o.id, KIND_INODE);
    u32 stream = stream_offset(&o.stream);
    return tree_find(s, &o.stream, TREE_EQUAL, &record) == STATUS_SUCCESS &&
           record.len >= stream + sizeof(struct raw_stream) &&
           from_le64(((const struct raw_stream *)(record.value + stream))->data) == o.id;
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
        u32 stream = stream_offset(&record.key);
        bool owner =
            key_belongs(&record.key, o.id, KIND_INODE) || key_belongs(&record.key, o.id, KIND_STREAM);
        if (!owner)
            continue;
        if (record.len < stream + sizeof(struct raw_stream))
            return STATUS_FILE_CORRUPT_ERROR;
        u64 data = from_le64(((const struct raw_stream *)(record.value + stream))->data);
        if (data != o.id)
            TRY(look_extents(s, data, 0));
    }
}
