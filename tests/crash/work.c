// SPDX-License-Identifier: Apache-2.0
// Operations on a volume and its model. The model is told what the engine answered, never what it stored.
#include "tests/crash/work.h"

#include <holdfast/ntfile.h>
#include <holdfast/winioctl.h>

#include "base/sum.h"

enum { DIRECTORY_BYTE = 8, NAME_FACT = 9, OWNER_FACT = 20, BUFFER = 1 << 20 };

static u8 buffer[BUFFER];

u32 work_random(struct work *w, u32 below)
{
    w->rng = w->rng * 1664525 + 1013904223;
    return (u32)(((u64)w->rng * below) >> 32);
}

static void step(struct work *w, bool durable, const char *format, ...)
{
    char text[FACT_KEY];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    history_step(&w->history, text, blk_sim_recorded(w->blk), durable);
}

// --- life ----------------------------------------------------------------------------------------

void work_begin(struct work *w, const struct work_volume *volume, u32 seed)
{
    struct store_format_options format = {
        .cluster = volume->cluster, .copies = volume->copies, .options = volume->options};
    *w = (struct work){.rng = seed * 2654435761u,
                       .sums = volume->cluster == 4096 ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_CRC64};
    assert_ok(blk_sim_new(volume->size, 0, &w->blk));
    assert_ok(store_format(w->blk, &format));
    assert_ok(store_open(w->blk, 0, WORK_CACHE, &w->store));
    assert_ok(blk_sim_record(w->blk));
    history_init(&w->history, volume->cluster);
    step(w, true, "format");
}

void work_end(struct work *w)
{
    assert_ok(store_close(w->store));
    w->store = NULL;
    step(w, true, "close");
}

void work_free(struct work *w)
{
    history_free(&w->history);
    blk_close(w->blk);
}

void work_commit(struct work *w)
{
    bool sync = work_random(w, 3) > 0;
    assert_ok(sync ? store_sync(w->store) : store_commit(w->store));
    step(w, true, sync ? "sync" : "commit");
}

void work_maybe_commit(struct work *w)
{
    if (work_random(w, 5) == 0)
        work_commit(w);
}

void work_reopen(struct work *w)
{
    assert_ok(store_close(w->store));
    step(w, true, "close");
    assert_ok(store_open(w->blk, 0, WORK_CACHE, &w->store));
    step(w, false, "open");
}

void work_kill(struct work *w)
{
    assert_ok(store_set_label(w->store, STR("killed"))); // or there might be nothing but data to flush
    blk_sim_fail(w->blk, SIM_FLUSH, 2, (struct sense){SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK});
    assert_status(store_commit(w->store), STATUS_NO_MEDIA_IN_DEVICE);
    store_abandon(w->store);
    step(w, false, "kill");
    assert_ok(store_open(w->blk, 0, WORK_CACHE, &w->store));
    step(w, false, "open");
}

// --- names ---------------------------------------------------------------------------------------

struct place {
    u64 parent;
    struct str name;
};

static const struct version *name_now(const struct work *w, const char *path)
{
    char file[FACT_KEY];
    snprintf(file, sizeof file, "%.*s", (int)strcspn(path, ":"), path);
    for (u32 i = 0; i < w->history.fact_count; i++)
        if (w->history.facts[i].kind == FACT_NAME && strcmp(w->history.facts[i].key, file) == 0)
            return history_now(&w->history, i);
    return NULL;
}

bool work_exists(const struct work *w, const char *path)
{
    return name_now(w, path) != NULL;
}

static u64 object_of(const struct work *w, const char *path)
{
    const struct version *v = name_now(w, path);
    assert_non_null(v);
    return get_le64(v->data);
}

static bool is_directory(const struct work *w, const char *path)
{
    return name_now(w, path)->data[DIRECTORY_BYTE];
}

static struct place place_of(const struct work *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct place p = {OBJECT_ROOT, {slash + 1, (u32)strlen(slash + 1)}};
    if (slash != path) {
        char parent[FACT_KEY];
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
        p.parent = object_of(w, parent);
    }
    return p;
}

static void note_name(struct work *w, const char *path, u64 id, bool directory)
{
    u8 value[NAME_FACT];
    put_le64(value, id);
    value[DIRECTORY_BYTE] = directory;
    history_set(&w->history, history_fact(&w->history, FACT_NAME, path), 0, value, sizeof value);
}

static void forget_name(struct work *w, const char *path)
{
    history_drop(&w->history, history_fact(&w->history, FACT_NAME, path));
}

static void forget_object(struct work *w, u64 id)
{
    char whole[32], prefix[32];
    size_t len = (size_t)snprintf(prefix, sizeof prefix, "%llu:", (unsigned long long)id);
    snprintf(whole, sizeof whole, "%llu", (unsigned long long)id);
    for (u32 i = 0; i < w->history.fact_count; i++) {
        const struct fact *f = &w->history.facts[i];
        bool own = f->kind == FACT_STREAM || f->kind == FACT_XATTR ? strncmp(f->key, prefix, len) == 0
                                                                   : strcmp(f->key, whole) == 0;
        if (own && history_now(&w->history, i))
            history_drop(&w->history, i);
    }
}

static u32 object_fact(struct work *w, enum fact_kind kind, u64 id)
{
    char key[FACT_KEY];
    snprintf(key, sizeof key, "%llu", (unsigned long long)id);
    return history_fact(&w->history, kind, key);
}

static const char *stream_name(const char *path)
{
    const char *colon = strchr(path, ':');
    return colon ? colon + 1 : "";
}

static u32 stream_fact(struct work *w, const char *path)
{
    char key[FACT_KEY];
    snprintf(key, sizeof key, "%llu:%s", (unsigned long long)object_of(w, path), stream_name(path));
    return history_fact(&w->history, FACT_STREAM, key);
}

static const struct version *content(struct work *w, const char *path)
{
    const struct version *v = history_now(&w->history, stream_fact(w, path));
    assert_non_null(v);
    return v;
}

bool work_has_stream(struct work *w, const char *path)
{
    return history_now(&w->history, stream_fact(w, path)) != NULL;
}

u64 work_length(struct work *w, const char *path)
{
    return content(w, path)->size;
}

static nt_status create(struct work *w, const char *path, u32 attributes, u16 algorithm)
{
    struct txn *t;
    struct place p = place_of(w, path);
    bool directory = attributes & FILE_ATTRIBUTE_DIRECTORY;
    struct inode inode = {.attributes = attributes, .links = 1, .algorithm = algorithm};
    TRY(txn_begin(w->store, TXN_NORMAL, &t));
    nt_status status = inode_create(t, &inode);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, p.parent, p.name, inode.id, directory);
    TRY(txn_end(t, status));
    note_name(w, path, inode.id, directory);
    if (!directory)
        history_set(&w->history, stream_fact(w, path), algorithm, NULL, 0);
    step(w, false, "create %s", path);
    return STATUS_SUCCESS;
}

nt_status work_create(struct work *w, const char *path, u16 algorithm)
{
    return create(w, path, FILE_ATTRIBUTE_ARCHIVE, algorithm);
}

void work_directory(struct work *w, const char *path)
{
    assert_ok(create(w, path, FILE_ATTRIBUTE_DIRECTORY, 0));
}

// One name less; *last: the object lost its last one and is in the orphan list.
static nt_status unlink_step(struct txn *t, const struct work *w, const char *path, bool *last)
{
    struct place p = place_of(w, path);
    struct inode inode;
    TRY(inode_get(w->store, object_of(w, path), &inode));
    TRY(dirent_remove(t, p.parent, p.name));
    *last = --inode.links == 0;
    return *last ? object_orphan(t, inode.id) : inode_put(t, &inode);
}

static u64 unlink_alone(struct work *w, const char *path, bool *last)
{
    struct txn *t;
    u64 id = object_of(w, path);
    assert_ok(txn_begin(w->store, TXN_FREEING, &t));
    assert_ok(txn_end(t, unlink_step(t, w, path, last)));
    forget_name(w, path);
    if (*last)
        forget_object(w, id);
    return id;
}

void work_delete(struct work *w, const char *path)
{
    bool last;
    u64 id = unlink_alone(w, path, &last);
    step(w, false, "delete %s", path);
    if (last)
        assert_ok(object_reap(w->store, id));
    step(w, false, "reap %s", path);
}

void work_forget(struct work *w, const char *path)
{
    bool last;
    unlink_alone(w, path, &last);
    step(w, false, "forget %s", path);
}

void work_link(struct work *w, const char *path, const char *new_path)
{
    struct txn *t;
    struct place p = place_of(w, new_path);
    struct inode inode;
    u64 id = object_of(w, path);
    assert_ok(inode_get(w->store, id, &inode));
    inode.links++;
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    nt_status status = dirent_add(t, p.parent, p.name, id, false);
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &inode);
    assert_ok(txn_end(t, status));
    note_name(w, new_path, id, false);
    step(w, false, "link %s %s", path, new_path);
}

void work_rename(struct work *w, const char *path, const char *new_path)
{
    struct txn *t;
    struct place from = place_of(w, path), to = place_of(w, new_path);
    bool replaced = work_exists(w, new_path), last = false, directory = is_directory(w, path);
    u64 id = object_of(w, path), old = replaced ? object_of(w, new_path) : 0;
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    nt_status status = replaced ? unlink_step(t, w, new_path, &last) : STATUS_SUCCESS;
    if (status == STATUS_SUCCESS)
        status = dirent_remove(t, from.parent, from.name);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, to.parent, to.name, id, directory);
    assert_ok(txn_end(t, status));
    if (last)
        forget_object(w, old);
    forget_name(w, path);
    note_name(w, new_path, id, directory);
    step(w, false, "rename %s %s", path, new_path);
    if (last)
        assert_ok(object_reap(w->store, old));
    step(w, false, "reap what was %s", new_path);
}

static nt_status exchange_names(struct txn *t, const struct place *a, u64 a_id, const struct place *b,
                                u64 b_id)
{
    TRY(dirent_remove(t, a->parent, a->name));
    TRY(dirent_remove(t, b->parent, b->name));
    TRY(dirent_add(t, a->parent, a->name, b_id, false));
    return dirent_add(t, b->parent, b->name, a_id, false);
}

void work_exchange(struct work *w, const char *path, const char *other)
{
    struct txn *t;
    struct place a = place_of(w, path), b = place_of(w, other);
    u64 a_id = object_of(w, path), b_id = object_of(w, other);
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, exchange_names(t, &a, a_id, &b, b_id)));
    note_name(w, path, b_id, false);
    note_name(w, other, a_id, false);
    step(w, false, "exchange %s %s", path, other);
}

// --- owners, extended attributes -----------------------------------------------------------------

static void owner_bytes(const struct inode *inode, u8 *out)
{
    put_le32(out, inode->mode);
    put_le32(out + 4, inode->uid);
    put_le32(out + 8, inode->gid);
    put_le32(out + 12, inode->device);
    memcpy(out + 16, inode->nanos, sizeof inode->nanos);
}

void work_owner(struct work *w, const char *path)
{
    struct txn *t;
    struct inode inode;
    u8 value[OWNER_FACT];
    u64 id = object_of(w, path);
    assert_ok(inode_get(w->store, id, &inode));
    inode.mode = 1 + work_random(w, 0xFFFF);
    inode.uid = work_random(w, UINT32_MAX);
    inode.gid = work_random(w, UINT32_MAX);
    inode.device = work_random(w, UINT32_MAX);
    for (u32 i = 0; i < INODE_TIMES; i++)
        inode.nanos[i] = (u8)work_random(w, 100);
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    owner_bytes(&inode, value);
    history_set(&w->history, object_fact(w, FACT_OWNER, id), 0, value, sizeof value);
    step(w, false, "owner %s", path);
}

static u32 xattr_fact(struct work *w, const char *path, const char *name)
{
    char key[FACT_KEY];
    snprintf(key, sizeof key, "%llu:%s", (unsigned long long)object_of(w, path), name);
    return history_fact(&w->history, FACT_XATTR, key);
}

bool work_has_xattr(struct work *w, const char *path, const char *name)
{
    return history_now(&w->history, xattr_fact(w, path, name)) != NULL;
}

void work_xattr(struct work *w, const char *path, const char *name, u32 len)
{
    struct txn *t;
    for (u32 i = 0; i < len; i++)
        buffer[i] = (u8)work_random(w, 256);
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    assert_ok(
        txn_end(t, xattr_set(t, object_of(w, path), (struct str){name, (u32)strlen(name)}, buffer, len)));
    history_set(&w->history, xattr_fact(w, path, name), 0, buffer, len);
    step(w, false, "xattr %s %s %u", path, name, len);
}

void work_xattr_remove(struct work *w, const char *path, const char *name)
{
    struct txn *t;
    assert_ok(txn_begin(w->store, TXN_FREEING, &t));
    assert_ok(txn_end(t, xattr_remove(t, object_of(w, path), (struct str){name, (u32)strlen(name)})));
    history_drop(&w->history, xattr_fact(w, path, name));
    step(w, false, "no xattr %s %s", path, name);
}

// --- reparse data --------------------------------------------------------------------------------

void work_reparse(struct work *w, const char *path, u32 len)
{
    struct txn *t;
    struct inode inode;
    u64 id = object_of(w, path);
    for (u32 i = 0; i < len; i++)
        buffer[i] = (u8)work_random(w, 256);
    assert_ok(inode_get(w->store, id, &inode));
    inode.reparse_tag = len > 0 ? get_le32(buffer) : 0;
    inode.attributes &= ~(u32)FILE_ATTRIBUTE_REPARSE_POINT;
    inode.attributes |= len > 0 ? FILE_ATTRIBUTE_REPARSE_POINT : 0;
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    nt_status status = len > 0 ? reparse_set(t, id, buffer, len) : reparse_delete(t, id);
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &inode);
    assert_ok(txn_end(t, status));
    if (len > 0)
        history_set(&w->history, object_fact(w, FACT_REPARSE, id), 0, buffer, len);
    else
        history_drop(&w->history, object_fact(w, FACT_REPARSE, id));
    step(w, false, "reparse %s %u", path, len);
}

// --- streams -------------------------------------------------------------------------------------

static struct stream *open_stream(struct work *w, const char *path)
{
    struct stream *m;
    const char *name = stream_name(path);
    assert_ok(stream_open(w->store, object_of(w, path), (struct str){name, (u32)strlen(name)}, &m));
    return m;
}

void work_stream(struct work *w, const char *path, u16 algorithm)
{
    struct txn *t;
    const char *name = stream_name(path);
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    struct str n = {name, (u32)strlen(name)};
    assert_ok(txn_end(t, stream_create(t, object_of(w, path), n, algorithm)));
    history_set(&w->history, stream_fact(w, path), algorithm, NULL, 0);
    step(w, false, "stream %s", path);
}

void work_stream_remove(struct work *w, const char *path)
{
    struct txn *t;
    u64 orphan;
    const char *name = stream_name(path);
    assert_ok(txn_begin(w->store, TXN_FREEING, &t));
    struct str n = {name, (u32)strlen(name)};
    assert_ok(txn_end(t, stream_remove(t, object_of(w, path), n, &orphan)));
    history_drop(&w->history, stream_fact(w, path));
    step(w, false, "remove %s", path);
    assert_ok(object_reap(w->store, orphan));
    step(w, false, "reap what was %s", path);
}

// The content as it is, with room up to a new size; to be changed and given to note_content.
static u8 *content_copy(const struct version *v, u64 size)
{
    u8 *data = calloc(1, MAX(v->size, size) + 1);
    assert_non_null(data);
    memcpy(data, v->data, v->size);
    return data;
}

static void note_content(struct work *w, u32 fact, u8 *data, u64 size)
{
    history_set(&w->history, fact, history_now(&w->history, fact)->flags, data, size);
    free(data);
}

static void fill_buffer(struct work *w, u32 len)
{
    assert_true(len <= BUFFER);
    for (u32 i = 0; i < len; i += 4) {
        w->rng = w->rng * 1664525 + 1013904223;
        memcpy(buffer + i, &w->rng, MIN(4, len - i));
    }
}

nt_status work_write(struct work *w, const char *path, u64 offset, u32 len)
{
    u32 fact = stream_fact(w, path);
    const struct version *v = content(w, path);
    size_t done;
    fill_buffer(w, len);
    struct stream *m = open_stream(w, path);
    nt_status status = stream_write(m, offset, buffer, len, &done);
    stream_close(m);
    if (done > 0) {
        u64 size = MAX(v->size, offset + done);
        u8 *data = content_copy(v, size);
        memcpy(data + offset, buffer, done);
        note_content(w, fact, data, size);
    }
    w->history.gradual = fact;
    step(w, false, "write %s %llu %u", path, (unsigned long long)offset, len);
    return status;
}

void work_size(struct work *w, const char *path, u64 size)
{
    u8 *data = content_copy(content(w, path), size);
    struct stream *m = open_stream(w, path);
    assert_ok(stream_set_size(m, size));
    stream_close(m);
    note_content(w, stream_fact(w, path), data, size);
    step(w, false, "size %s %llu", path, (unsigned long long)size);
}

static void first_name(struct work *w, const char *path, u64 id)
{
    struct txn *t;
    struct place p = place_of(w, path);
    struct inode inode;
    assert_ok(inode_get(w->store, id, &inode));
    inode.links = 1;
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    assert_ok(dirent_add(t, p.parent, p.name, id, false));
    assert_ok(inode_put(t, &inode));
    assert_ok(txn_end(t, object_adopt(t, id)));
}

void work_publish(struct work *w, const char *path, u16 algorithm, u32 len, u32 cut)
{
    struct txn *t;
    struct stream *m;
    size_t done;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .algorithm = algorithm};
    assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(txn_end(t, object_orphan(t, inode.id)));
    step(w, false, "create without a name");
    fill_buffer(w, len);
    assert_ok(stream_open(w->store, inode.id, (struct str){NULL, 0}, &m));
    assert_ok(stream_write(m, 0, buffer, len, &done));
    step(w, false, "write %u without a name", len);
    work_maybe_commit(w);
    assert_ok(stream_set_size(m, len - cut));
    stream_close(m);
    step(w, false, "cut %u without a name", cut);
    work_maybe_commit(w);
    if (!path)
        return;
    first_name(w, path, inode.id);
    note_name(w, path, inode.id, false);
    history_set(&w->history, stream_fact(w, path), algorithm, buffer, len - cut);
    step(w, false, "publish %s", path);
}

void work_zero(struct work *w, const char *path, u64 offset, u64 len)
{
    const struct version *v = content(w, path);
    u8 *data = content_copy(v, 0);
    u64 size = v->size;
    struct stream *m = open_stream(w, path);
    assert_ok(stream_zero(m, offset, len));
    stream_close(m);
    if (offset < size)
        memset(data + offset, 0, MIN(len, size - offset));
    note_content(w, stream_fact(w, path), data, size);
    w->history.gradual = stream_fact(w, path);
    step(w, false, "zero %s %llu %llu", path, (unsigned long long)offset, (unsigned long long)len);
}

void work_clone(struct work *w, const char *from, u64 from_offset, const char *to, u64 to_offset, u64 len)
{
    const struct version *target = content(w, to), *source_now = content(w, from);
    u64 size = target->size;
    u8 *data = content_copy(target, 0);
    struct stream *source = open_stream(w, from), *m = strcmp(from, to) ? open_stream(w, to) : source;
    assert_ok(stream_clone(source, from_offset, m, to_offset, len));
    if (m != source)
        stream_close(m);
    stream_close(source);
    u64 n = MIN(len, size - to_offset), there = MIN(n, source_now->size - from_offset);
    memcpy(data + to_offset, source_now->data + from_offset, there);
    memset(data + to_offset + there, 0, n - there); // behind the source's end
    note_content(w, stream_fact(w, to), data, size);
    w->history.gradual = stream_fact(w, to);
    step(w, false, "clone %s %llu %s %llu %llu", from, (unsigned long long)from_offset, to,
         (unsigned long long)to_offset, (unsigned long long)len);
}

void work_integrity(struct work *w, const char *path, u16 algorithm)
{
    u32 fact = stream_fact(w, path);
    const struct version *v = content(w, path);
    u64 size = v->size;
    u8 *data = content_copy(v, 0);
    struct stream *m = open_stream(w, path);
    nt_status status = stream_set_integrity(m, algorithm, false);
    stream_close(m);
    if (status == STATUS_SUCCESS)
        history_set(&w->history, fact, algorithm, data, size);
    else
        assert_status(status, STATUS_NOT_SUPPORTED); // it shares clusters
    free(data);
    step(w, false, "integrity %s %u", path, algorithm);
}

// --- what a volume holds -------------------------------------------------------------------------

struct survey {
    struct store *store;
    const struct history *history;
    struct finding *finding;
    u32 reparse_points;
};

static nt_status survey_stream(struct survey *s, u64 id, struct str name)
{
    struct stream *m;
    struct stream_info info;
    char key[FACT_KEY];
    size_t done = 0;
    TRY(stream_open(s->store, id, name, &m));
    stream_get_info(m, &info);
    u8 *room = finding_room(s->finding, info.size);
    nt_status status = room ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
    if (room && info.size > 0)
        status = stream_read(m, 0, room, info.size, &done);
    stream_close(m);
    TRY(status);
    snprintf(key, sizeof key, "%llu:%.*s", (unsigned long long)id, (int)name.len, name.p);
    finding_add(s->finding, s->history, FACT_STREAM, key, info.algorithm, done);
    return done == info.size ? STATUS_SUCCESS : STATUS_FILE_CORRUPT_ERROR;
}

static nt_status survey_xattrs(struct survey *s, u64 id)
{
    struct xattr_position position = {0};
    char key[FACT_KEY];
    u32 length;
    nt_status status;
    while ((status = xattr_next(s->store, id, &position, &length)) == STATUS_SUCCESS) {
        struct str name = {position.name, position.name_len};
        u8 *room = finding_room(s->finding, length);
        if (!room)
            return STATUS_INSUFFICIENT_RESOURCES;
        TRY(xattr_get(s->store, id, name, room, length, &length));
        snprintf(key, sizeof key, "%llu:%.*s", (unsigned long long)id, (int)name.len, name.p);
        finding_add(s->finding, s->history, FACT_XATTR, key, 0, length);
    }
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

static nt_status survey_owner(struct survey *s, const struct inode *inode)
{
    char key[FACT_KEY];
    snprintf(key, sizeof key, "%llu", (unsigned long long)inode->id);
    if (inode->mode == 0)
        return STATUS_SUCCESS;
    u8 *room = finding_room(s->finding, OWNER_FACT);
    if (!room)
        return STATUS_INSUFFICIENT_RESOURCES;
    owner_bytes(inode, room);
    finding_add(s->finding, s->history, FACT_OWNER, key, 0, OWNER_FACT);
    return STATUS_SUCCESS;
}

static nt_status survey_object(struct survey *s, u64 id)
{
    struct dir_position position = {0};
    struct stream_entry entry;
    struct inode inode;
    char key[FACT_KEY];
    nt_status status;
    TRY(inode_get(s->store, id, &inode));
    snprintf(key, sizeof key, "%llu:", (unsigned long long)id);
    for (u32 i = 0; inode.links > 1 && i < s->finding->count; i++)
        if (strcmp(s->finding->items[i].key, key) == 0)
            return STATUS_SUCCESS; // was there by another name
    if (inode.reparse_tag != 0) {
        u32 length;
        u8 *room = finding_room(s->finding, MAXIMUM_REPARSE_DATA_BUFFER_SIZE);
        TRY(reparse_get(s->store, id, room, MAXIMUM_REPARSE_DATA_BUFFER_SIZE, &length));
        snprintf(key, sizeof key, "%llu", (unsigned long long)id);
        finding_add(s->finding, s->history, FACT_REPARSE, key, 0, length);
        s->reparse_points++;
    }
    TRY(survey_owner(s, &inode));
    TRY(survey_xattrs(s, id));
    if (inode.attributes & FILE_ATTRIBUTE_DIRECTORY)
        return STATUS_SUCCESS;
    TRY(survey_stream(s, id, (struct str){NULL, 0}));
    while ((status = stream_next(s->store, id, &position, &entry)) == STATUS_SUCCESS)
        TRY(survey_stream(s, id, (struct str){entry.name.name, entry.name.name_len}));
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

static nt_status survey_directory(struct survey *s, u64 dir, const char *path)
{
    struct dir_position position = {0};
    struct dirent entry;
    nt_status status;
    while ((status = dirent_next(s->store, dir, &position, &entry)) == STATUS_SUCCESS) {
        char key[FACT_KEY];
        snprintf(key, sizeof key, "%s/%.*s", path, (int)entry.name_len, entry.name);
        u8 *room = finding_room(s->finding, NAME_FACT);
        if (!room)
            return STATUS_INSUFFICIENT_RESOURCES;
        put_le64(room, entry.id);
        room[DIRECTORY_BYTE] = entry.directory;
        finding_add(s->finding, s->history, FACT_NAME, key, 0, NAME_FACT);
        TRY(survey_object(s, entry.id));
        if (entry.directory)
            TRY(survey_directory(s, entry.id, key));
    }
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

nt_status work_survey(struct store *store, const struct history *h, struct finding *f, char *why,
                      size_t why_size)
{
    struct survey s = {store, h, f, 0};
    u32 tag = 0, count = 0;
    u64 id = 0;
    nt_status status;
    finding_clear(f);
    status = survey_directory(&s, OBJECT_ROOT, "");
    if (status != STATUS_SUCCESS) {
        snprintf(why, why_size, "%s behind %s", test_status_name(status),
                 f->count > 0 ? f->items[f->count - 1].key : "nothing");
        return status;
    }
    while ((status = reparse_next(store, &tag, &id)) == STATUS_SUCCESS)
        count++;
    if (status == STATUS_NO_MORE_FILES && count == s.reparse_points)
        return STATUS_SUCCESS;
    snprintf(why, why_size, "the index has %u reparse points, the files %u", count, s.reparse_points);
    return STATUS_FILE_CORRUPT_ERROR;
}

static nt_status grow(struct store *s, const char *key, u64 size, bool *zero)
{
    struct stream *m;
    size_t done;
    const char *name = strchr(key, ':') + 1;
    *zero = true;
    TRY(stream_open(s, strtoull(key, NULL, 10), (struct str){name, (u32)strlen(name)}, &m));
    nt_status status = stream_set_size(m, size + BUFFER / 8);
    if (status == STATUS_SUCCESS)
        status = stream_read(m, size, buffer, BUFFER / 8, &done);
    stream_close(m);
    for (u32 i = 0; status == STATUS_SUCCESS && i < BUFFER / 8; i++)
        *zero &= buffer[i] == 0;
    return status;
}

nt_status work_grow_all(struct store *s, const struct history *h, const struct finding *f, char *why,
                        size_t why_size)
{
    for (u32 i = 0; i < f->count; i++) {
        const struct found *item = &f->items[i];
        bool zero = true;
        if (h->facts[item->fact].kind != FACT_STREAM || item->flags != 0)
            continue;
        nt_status status = grow(s, item->key, item->size, &zero);
        if (status == STATUS_DISK_FULL)
            continue;
        snprintf(why, why_size, "growing %s: %s", item->key, zero ? test_status_name(status) : "not zero");
        TRY(zero ? status : STATUS_FILE_CORRUPT_ERROR);
    }
    snprintf(why, why_size, "a commit after growing streams");
    return store_commit(s);
}
