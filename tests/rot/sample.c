// SPDX-License-Identifier: Apache-2.0
// The sample volume and its comparison. Every loop is bounded by what the sample holds: a damaged volume that
// never comes to an end is a wrong answer, not a hang.
#include "tests/rot/sample.h"

static struct str str_of(const char *text)
{
    return (struct str){text, (u32)strlen(text)};
}

// --- filling -------------------------------------------------------------------------------------

static nt_status create(struct store *s, u64 dir, const char *name, u32 attributes, u16 algorithm, u64 *id)
{
    struct txn *t;
    bool directory = attributes & FILE_ATTRIBUTE_DIRECTORY;
    struct inode inode = {.attributes = attributes, .links = 1, .created = 1, .algorithm = algorithm};
    TRY(txn_begin(s, TXN_NORMAL, &t));
    nt_status status = inode_create(t, &inode);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, dir, str_of(name), inode.id, directory);
    *id = inode.id;
    return txn_end(t, status);
}

static void destroy(struct store *s, u64 dir, const char *name)
{
    struct dirent entry;
    struct txn *t;
    if (dirent_find(s, dir, str_of(name), &entry) != STATUS_SUCCESS)
        return;
    assert_ok(txn_begin(s, TXN_FREEING, &t));
    nt_status status = dirent_remove(t, dir, str_of(name));
    if (status == STATUS_SUCCESS)
        status = object_orphan(t, entry.id);
    assert_ok(txn_end(t, status));
    assert_ok(object_reap(s, entry.id));
}

static nt_status fill_stream(struct store *s, u64 id, const char *name, u64 offset, size_t len, u32 seed)
{
    struct stream *m;
    size_t done;
    u8 *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (u8)(seed >> 24);
    }
    assert_ok(stream_open(s, id, str_of(name), &m));
    nt_status status = stream_write(m, offset, data, len, &done);
    stream_close(m);
    free(data);
    return status;
}

static nt_status make_file(struct store *s, u64 dir, const char *name, size_t len, bool sums, u64 *id)
{
    struct store_info info;
    store_get_info(s, &info);
    u16 algorithm = info.cluster == 4096 ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_CRC64;
    TRY(create(s, dir, name, FILE_ATTRIBUTE_ARCHIVE, sums ? algorithm : CHECKSUM_TYPE_NONE, id));
    return fill_stream(s, *id, "", 0, len, (u32)*id);
}

static void set_reparse(struct store *s, u64 id, u32 length)
{
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    struct inode inode;
    struct txn *t;
    memset(buffer, (int)length, sizeof buffer);
    put_le32(buffer, 0x80001234u);
    assert_ok(inode_get(s, id, &inode));
    inode.reparse_tag = 0x80001234u;
    inode.attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    assert_ok(txn_begin(s, TXN_NORMAL, &t));
    nt_status status = reparse_set(t, id, buffer, length);
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &inode);
    assert_ok(txn_end(t, status));
}

static void add_link(struct store *s, u64 id, u64 dir, const char *name)
{
    struct inode inode;
    struct txn *t;
    assert_ok(inode_get(s, id, &inode));
    inode.links++;
    assert_ok(txn_begin(s, TXN_NORMAL, &t));
    nt_status status = dirent_add(t, dir, str_of(name), id, false);
    if (status == STATUS_SUCCESS)
        status = inode_put(t, &inode);
    assert_ok(txn_end(t, status));
}

static void add_stream(struct store *s, u64 id, const char *name, u16 algorithm, size_t len)
{
    struct txn *t;
    assert_ok(txn_begin(s, TXN_NORMAL, &t));
    assert_ok(txn_end(t, stream_create(t, id, str_of(name), algorithm)));
    assert_ok(fill_stream(s, id, name, 0, len, (u32)len));
}

static void make_clone(struct store *s, u64 dir, u64 source_id)
{
    struct stream *source, *target;
    u64 id;
    assert_ok(make_file(s, dir, "clone", 100000, true, &id));
    assert_ok(stream_open(s, source_id, str_of(""), &source));
    assert_ok(stream_open(s, id, str_of(""), &target));
    assert_ok(stream_clone(source, 0, target, 16384, 65536));
    stream_close(target);
    stream_close(source);
}

static void add_xattr(struct store *s, u64 id, const char *name, u32 length)
{
    struct txn *t;
    u8 value[XATTR_VALUE_MAX];
    for (u32 i = 0; i < length; i++)
        value[i] = (u8)(i * 11 + i / 251 + length);
    assert_ok(txn_begin(s, TXN_NORMAL, &t));
    assert_ok(txn_end(t, xattr_set(t, id, str_of(name), value, length)));
}

static void set_owner(struct store *s, u64 id, u32 mode)
{
    struct txn *t;
    struct inode inode;
    assert_ok(inode_get(s, id, &inode));
    inode.mode = mode;
    inode.uid = 1000;
    inode.gid = 100;
    inode.device = 7;
    memset(inode.nanos, 42, sizeof inode.nanos);
    assert_ok(txn_begin(s, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
}

static void make_owned(struct store *s, u64 dir)
{
    u64 id;
    assert_ok(make_file(s, dir, "owned", 5000, true, &id));
    set_owner(s, id, 0100640);
    add_xattr(s, id, "security.small", 20);
    add_xattr(s, id, "user.empty", 0);
    add_xattr(s, id, "user.large", 40000);
    assert_ok(create(s, dir, "owned directory", FILE_ATTRIBUTE_DIRECTORY, 0, &id));
    set_owner(s, id, 042775);
    add_xattr(s, id, "system.acl", 4093);
}

static void make_specials(struct store *s, u64 dir)
{
    struct stream *m;
    u64 id, big, other;
    struct inode inode;
    assert_ok(make_file(s, dir, "big", 200000, true, &big));
    assert_ok(inode_get(s, big, &inode));
    make_clone(s, dir, big);
    assert_ok(make_file(s, dir, "plain", 100000, false, &id));
    assert_ok(make_file(s, dir, "unenforced", 30000, true, &id));
    assert_ok(stream_open(s, id, str_of(""), &m));
    assert_ok(stream_set_integrity(m, inode.algorithm, true));
    stream_close(m);
    assert_ok(make_file(s, dir, "sparse", 5000, true, &id));
    assert_ok(fill_stream(s, id, "", 400000, 5000, 7));
    assert_ok(make_file(s, dir, "streams", 300, true, &id));
    add_stream(s, id, "summed", inode.algorithm, 20000);
    add_stream(s, id, "plain", CHECKSUM_TYPE_NONE, 5000);
    assert_ok(make_file(s, dir, "reparse", 0, true, &id));
    set_reparse(s, id, 100);
    assert_ok(create(s, dir, "mount", FILE_ATTRIBUTE_DIRECTORY, 0, &id));
    set_reparse(s, id, 16000);
    make_owned(s, dir);
    assert_ok(create(s, dir, "other", FILE_ATTRIBUTE_DIRECTORY, 0, &other));
    assert_ok(make_file(s, other, "linked", 4096, true, &id));
    add_link(s, id, dir, "link");
}

static void make_many(struct store *s, u64 dir)
{
    static const size_t lengths[] = {0, 1, 100, 4095, 4096, 4097, 16384, 16385};
    char name[200];
    u64 id;
    for (u32 i = 0; i < 96; i++) {
        // Long names, so that the tree has leaves enough to be called one.
        snprintf(name, sizeof name, "%03u-%0150u", i, i);
        assert_ok(make_file(s, dir, name, lengths[i % 8], i % 3 != 0, &id));
    }
}

void sample_fill(struct store *s, u32 round)
{
    char name[64];
    u64 dir, many, id;
    snprintf(name, sizeof name, "round %u", round);
    for (u32 i = 0; round > 0 && i < SAMPLE_OBJECTS; i++) {
        char old[64];
        snprintf(old, sizeof old, "fill %u %u", round - 1, i);
        destroy(s, OBJECT_ROOT, old);
    }
    assert_ok(create(s, OBJECT_ROOT, name, FILE_ATTRIBUTE_DIRECTORY, 0, &dir));
    if (round == 0) {
        assert_ok(create(s, dir, "many", FILE_ATTRIBUTE_DIRECTORY, 0, &many));
        make_many(s, many);
        make_specials(s, dir);
    }
    for (u32 i = 0; i < SAMPLE_OBJECTS; i++) {
        snprintf(name, sizeof name, "fill %u %u", round, i);
        nt_status status = make_file(s, OBJECT_ROOT, name, 60000 - 5000 * (round % 3), i % 8 != 1, &id);
        if (status != STATUS_SUCCESS) {
            assert_status(status, STATUS_DISK_FULL);
            destroy(s, OBJECT_ROOT, name);
            break;
        }
    }
    assert_ok(store_commit(s));
}

// --- taking --------------------------------------------------------------------------------------

static void take_stream(struct store *s, struct sample_object *o, struct str name)
{
    struct sample_stream *to = &o->streams[o->stream_count++];
    struct stream *m;
    size_t done = 0;
    assert_true(o->stream_count <= SAMPLE_STREAMS && name.len < sizeof to->name);
    if (name.len > 0)
        memcpy(to->name, name.p, name.len);
    assert_ok(stream_open(s, o->inode.id, name, &m));
    stream_get_info(m, &to->info);
    to->data = malloc(to->info.size + 1);
    if (to->info.size > 0)
        assert_ok(stream_read(m, 0, to->data, to->info.size, &done));
    assert_int_equal(done, to->info.size);
    stream_close(m);
}

static void take_xattrs(struct store *s, struct sample_object *o)
{
    struct xattr_position position = {0};
    u32 length;
    while (xattr_next(s, o->inode.id, &position, &length) == STATUS_SUCCESS) {
        struct sample_xattr *x = &o->xattrs[o->xattr_count++];
        assert_true(o->xattr_count < SAMPLE_XATTRS && position.name_len < sizeof x->name);
        memcpy(x->name, position.name, position.name_len);
        x->value = malloc(length + 1ull);
        assert_ok(xattr_get(s, o->inode.id, str_of(x->name), x->value, length, &x->length));
        assert_int_equal(x->length, length);
    }
}

static void take_object(struct store *s, struct sample_object *o)
{
    struct dir_position position = {0};
    struct stream_entry entry;
    assert_ok(inode_get(s, o->entry.id, &o->inode));
    if (o->inode.reparse_tag != 0) {
        o->reparse = malloc(MAXIMUM_REPARSE_DATA_BUFFER_SIZE);
        assert_ok(
            reparse_get(s, o->inode.id, o->reparse, MAXIMUM_REPARSE_DATA_BUFFER_SIZE, &o->reparse_length));
    }
    take_xattrs(s, o);
    if (o->inode.attributes & FILE_ATTRIBUTE_DIRECTORY)
        return;
    take_stream(s, o, str_of(""));
    while (stream_next(s, o->inode.id, &position, &entry) == STATUS_SUCCESS)
        take_stream(s, o, (struct str){entry.name.name, entry.name.name_len});
}

void sample_take(struct store *s, struct sample *sample)
{
    u64 longest = 0;
    sample->objects = calloc(SAMPLE_OBJECTS, sizeof *sample->objects);
    sample->count = 1;
    sample->objects[0].entry = (struct dirent){.id = OBJECT_ROOT, .directory = true};
    for (u32 i = 0; i < sample->count; i++) {
        struct sample_object *o = &sample->objects[i];
        struct dir_position position = {0};
        take_object(s, o);
        for (u32 n = 0; n < o->stream_count; n++)
            longest = MAX(longest, o->streams[n].info.size);
        while (o->entry.directory) {
            struct sample_object *child = &sample->objects[sample->count];
            assert_true(sample->count < SAMPLE_OBJECTS);
            if (dirent_next(s, o->entry.id, &position, &child->entry) != STATUS_SUCCESS)
                break;
            child->parent = o;
            sample->count++;
        }
    }
    sample->room = malloc(longest + 1);
}

void sample_free(struct sample *sample)
{
    for (u32 i = 0; i < sample->count; i++) {
        free(sample->objects[i].reparse);
        for (u32 n = 0; n < sample->objects[i].stream_count; n++)
            free(sample->objects[i].streams[n].data);
        for (u32 n = 0; n < sample->objects[i].xattr_count; n++)
            free(sample->objects[i].xattrs[n].value);
    }
    free(sample->objects);
    free(sample->room);
}

// --- comparing -----------------------------------------------------------------------------------

bool sample_may_say(nt_status status)
{
    return status == STATUS_DISK_CORRUPT_ERROR || status == STATUS_FILE_CORRUPT_ERROR ||
           status == STATUS_DATA_CHECKSUM_ERROR || status == STATUS_DEVICE_DATA_ERROR ||
           status == STATUS_IO_DEVICE_ERROR || status == STATUS_IO_TIMEOUT;
}

static void wrong(struct verdict *v, const struct sample_object *o, const char *what, nt_status status)
{
    if (v->wrong[0] == '\0')
        snprintf(v->wrong, sizeof v->wrong, "%.100s (object %llu): %s, %s", o->entry.name,
                 (unsigned long long)o->entry.id, what, test_status_name(status));
}

// True when there is an answer to compare.
static bool answered(struct verdict *v, const struct sample_object *o, const char *what, nt_status status)
{
    if (status == STATUS_SUCCESS)
        return true;
    if (sample_may_say(status))
        v->errors++;
    else
        wrong(v, o, what, status);
    return false;
}

static bool same_inode(const struct inode *a, const struct inode *b)
{
    return a->id == b->id && a->attributes == b->attributes && a->links == b->links &&
           a->created == b->created && a->accessed == b->accessed && a->written == b->written &&
           a->changed == b->changed && a->reparse_tag == b->reparse_tag && a->size == b->size &&
           a->allocated == b->allocated && a->algorithm == b->algorithm &&
           a->enforcement_off == b->enforcement_off && a->mode == b->mode && a->uid == b->uid &&
           a->gid == b->gid && a->device == b->device && memcmp(a->nanos, b->nanos, sizeof a->nanos) == 0;
}

// Where sums are promised every byte must be right; elsewhere the bytes of one damaged place may differ.
static void compare_bytes(struct verdict *v, const struct sample_object *o, const struct sample_stream *want,
                          const u8 *got, u64 len)
{
    bool promised = want->info.algorithm != CHECKSUM_TYPE_NONE && !want->info.enforcement_off;
    if (memcmp(got, want->data, len) == 0)
        return;
    if (promised)
        wrong(v, o, "wrong bytes from an integrity stream", STATUS_SUCCESS);
    for (u64 i = 0; i < len; i++)
        v->stale += got[i] != want->data[i];
}

static void compare_stream(struct store *s, const struct sample *sample, const struct sample_object *o,
                           const struct sample_stream *want, enum sample_depth depth, struct verdict *v)
{
    struct stream *m;
    struct stream_info info;
    size_t done = 0;
    if (!answered(v, o, "open", stream_open(s, o->inode.id, str_of(want->name), &m)))
        return;
    stream_get_info(m, &info);
    if (info.size != want->info.size || info.allocated != want->info.allocated ||
        info.algorithm != want->info.algorithm || info.enforcement_off != want->info.enforcement_off)
        wrong(v, o, "another stream state", STATUS_SUCCESS);
    // In two requests, so that what is beside the damage is compared too.
    u64 half = align_up(want->info.size / 2 + 1, 16384);
    for (u64 at = 0; depth == SAMPLE_DATA && at < want->info.size && v->wrong[0] == '\0'; at += half) {
        u64 len = MIN(half, want->info.size - at);
        if (!answered(v, o, "read", stream_read(m, at, sample->room + at, len, &done)))
            continue;
        struct sample_stream part = *want;
        part.data += at;
        if (done != len)
            wrong(v, o, "a short read", STATUS_SUCCESS);
        else
            compare_bytes(v, o, &part, sample->room + at, len);
    }
    stream_close(m);
}

static void compare_stream_list(struct store *s, const struct sample_object *o, struct verdict *v)
{
    struct dir_position position = {0};
    struct stream_entry entry;
    for (u32 i = 1; i <= o->stream_count; i++) {
        nt_status status = stream_next(s, o->inode.id, &position, &entry);
        if (i == o->stream_count ? status == STATUS_NO_MORE_FILES : !answered(v, o, "list streams", status))
            return;
        if (i == o->stream_count) {
            if (answered(v, o, "list streams", status))
                wrong(v, o, "a stream too many", status);
        } else if (strncmp(entry.name.name, o->streams[i].name, entry.name.name_len) != 0) {
            wrong(v, o, "another stream name", status);
        }
    }
}

static void compare_reparse(struct store *s, const struct sample_object *o, struct verdict *v)
{
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    u32 length;
    nt_status status = reparse_get(s, o->inode.id, buffer, sizeof buffer, &length);
    if (o->inode.reparse_tag == 0 && status == STATUS_NOT_A_REPARSE_POINT)
        return;
    if (answered(v, o, "get reparse data", status) &&
        (length != o->reparse_length || memcmp(buffer, o->reparse, length) != 0))
        wrong(v, o, "other reparse data", status);
}

// Up to the first error of the listing, and each by its name.
static void compare_xattrs(struct store *s, const struct sample_object *o, struct verdict *v)
{
    struct xattr_position position = {0};
    u8 value[XATTR_VALUE_MAX];
    u32 length;
    for (u32 i = 0; i < o->xattr_count; i++) {
        const struct sample_xattr *x = &o->xattrs[i];
        if (answered(v, o, "get xattr",
                     xattr_get(s, o->inode.id, str_of(x->name), value, sizeof value, &length)) &&
            (length != x->length || memcmp(value, x->value, length) != 0))
            wrong(v, o, "another value of an xattr", STATUS_SUCCESS);
    }
    for (u32 i = 0; i <= o->xattr_count; i++) {
        nt_status status = xattr_next(s, o->inode.id, &position, &length);
        if (i == o->xattr_count && status == STATUS_NO_MORE_FILES)
            return;
        if (!answered(v, o, "list xattrs", status))
            return;
        if (i == o->xattr_count || strlen(o->xattrs[i].name) != position.name_len ||
            memcmp(position.name, o->xattrs[i].name, position.name_len) != 0 || length != o->xattrs[i].length)
            wrong(v, o, "another xattr", status);
    }
}

// The directory's listing up to the first error, against its children in the sample.
static void compare_listing(struct store *s, const struct sample *sample, const struct sample_object *dir,
                            struct verdict *v)
{
    struct dir_position position = {0};
    struct dirent entry;
    for (u32 i = 0; i < sample->count; i++) {
        const struct sample_object *child = &sample->objects[i];
        if (child->parent != dir)
            continue;
        if (!answered(v, child, "list", dirent_next(s, dir->entry.id, &position, &entry)))
            return;
        if (entry.id != child->entry.id || entry.name_len != child->entry.name_len ||
            memcmp(entry.name, child->entry.name, entry.name_len) != 0)
            wrong(v, child, "another entry", STATUS_SUCCESS);
    }
    nt_status status = dirent_next(s, dir->entry.id, &position, &entry);
    if (status != STATUS_NO_MORE_FILES && answered(v, dir, "list", status))
        wrong(v, dir, "an entry too many", status);
}

void sample_compare(struct store *s, const struct sample *sample, enum sample_depth depth, struct verdict *v)
{
    for (u32 i = 0; i < sample->count && v->wrong[0] == '\0'; i++) {
        const struct sample_object *o = &sample->objects[i];
        struct str name = {o->entry.name, o->entry.name_len};
        struct dirent entry;
        struct inode inode;
        if (o->parent && answered(v, o, "find", dirent_find(s, o->parent->entry.id, name, &entry)) &&
            entry.id != o->entry.id)
            wrong(v, o, "another object", STATUS_SUCCESS);
        if (o->entry.directory)
            compare_listing(s, sample, o, v);
        if (!answered(v, o, "inode", inode_get(s, o->entry.id, &inode)))
            continue;
        if (!same_inode(&inode, &o->inode))
            wrong(v, o, "another inode", STATUS_SUCCESS);
        compare_reparse(s, o, v);
        compare_xattrs(s, o, v);
        for (u32 n = 0; n < o->stream_count; n++)
            compare_stream(s, sample, o, &o->streams[n], depth, v);
        if (o->stream_count > 0)
            compare_stream_list(s, o, v);
    }
}
