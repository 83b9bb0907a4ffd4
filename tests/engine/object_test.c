// SPDX-License-Identifier: Apache-2.0
// Objects and their names: inodes, directories in folded order, links, paths, named streams, reparse data and
// its index, orphans; and records with lengths that no driver would write.
#include "tests/test.h"

#include "engine/store.h"
#include "tests/engine/volume.h"

static struct str str_of(const char *s)
{
    return (struct str){s, (u32)strlen(s)};
}

static nt_status add(struct volume *v, u64 dir, const char *name, u64 id, bool directory)
{
    struct txn *t;
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    return txn_end(t, dirent_add(t, dir, str_of(name), id, directory));
}

static nt_status remove_name(struct volume *v, u64 dir, const char *name)
{
    struct txn *t;
    assert_ok(txn_begin(v->store, TXN_FREEING, &t));
    return txn_end(t, dirent_remove(t, dir, str_of(name)));
}

static void set_links(struct volume *v, u64 id, u32 links)
{
    struct txn *t;
    struct inode inode;
    assert_ok(inode_get(v->store, id, &inode));
    inode.links = links;
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
}

static void inodes_keep_what_they_are_given(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct inode back, inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_HIDDEN,
                                .links = 1,
                                .created = 1,
                                .accessed = 1ull << 60,
                                .written = 3,
                                .changed = UINT64_MAX,
                                .algorithm = CHECKSUM_TYPE_CRC64,
                                .enforcement_off = true,
                                .mode = 0107777,
                                .uid = UINT32_MAX,
                                .gid = 1u << 31,
                                .device = 0x12345678,
                                .nanos = {0, 1, 98, 99}};
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, OBJECT_ROOT, STR("f"), inode.id, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_true(inode.id >= OBJECT_FIRST);
    assert_ok(inode_get(v.store, inode.id, &back));
    assert_memory_equal(&back, &inode, sizeof back);
    // A put leaves the stream's state alone.
    inode.attributes = FILE_ATTRIBUTE_READONLY;
    inode.written = 77;
    inode.mode = 0100600;
    inode.uid = 1;
    inode.gid = 2;
    inode.device = 3;
    memcpy(inode.nanos, (u8[]){99, 0, 7, 1}, sizeof inode.nanos);
    inode.algorithm = 0;
    inode.size = 1000;
    inode.enforcement_off = false;
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    volume_reopen(&v);
    assert_ok(inode_get(v.store, inode.id, &back));
    assert_int_equal(back.attributes, FILE_ATTRIBUTE_READONLY);
    assert_int_equal(back.written, 77);
    assert_int_equal(back.mode, 0100600);
    assert_int_equal(back.uid, 1);
    assert_int_equal(back.gid, 2);
    assert_int_equal(back.device, 3);
    assert_memory_equal(back.nanos, inode.nanos, sizeof back.nanos);
    assert_int_equal(back.size, 0);
    assert_int_equal(back.algorithm, CHECKSUM_TYPE_CRC64);
    assert_true(back.enforcement_off);
    assert_status(inode_get(v.store, inode.id + 1, &back), STATUS_FILE_INVALID);
    assert_int_equal(back.id, 0);
    // Ids are never used again, not even across a reopen.
    u64 last = volume_create(&v, OBJECT_ROOT, "g", false);
    volume_delete(&v, OBJECT_ROOT, "g");
    volume_reopen(&v);
    assert_true(volume_create(&v, OBJECT_ROOT, "g", false) > last);
    volume_check(&v);
    volume_free(&v);
}

static void listings_come_in_folded_order(void **state)
{
    (void)state;
    static const char *names[] = {"b", "A", "c", "Z", "z1", "É", "é2", "a2", "10", "9", "_", "ß", "Ω", "ω1"};
    static const char *sorted[] = {"10", "9", "A", "a2", "b", "c", "Z", "z1", "_", "É", "é2", "ß", "Ω", "ω1"};
    static const char *by_bytes[] = {"10", "9",  "A", "Z", "_",  "a2", "b",
                                     "c",  "z1", "É", "ß", "é2", "Ω",  "ω1"};
    for (int sensitive = 0; sensitive < 2; sensitive++) {
        struct volume v;
        struct dir_position position = {0};
        struct dirent entry;
        volume_make(&v, 8 * MIB, 4096, 2, sensitive ? OPTION_CASE_SENSITIVE : 0);
        assert_int_equal(store_case_table(v.store) == NULL, sensitive);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            volume_create(&v, OBJECT_ROOT, names[i], i % 2);
        for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
            const char *want = sensitive ? by_bytes[i] : sorted[i];
            assert_ok(dirent_next(v.store, OBJECT_ROOT, &position, &entry));
            assert_int_equal(entry.name_len, strlen(want));
            assert_memory_equal(entry.name, want, entry.name_len);
        }
        assert_status(dirent_next(v.store, OBJECT_ROOT, &position, &entry), STATUS_NO_MORE_FILES);
        volume_check(&v);
        volume_free(&v);
    }
}

static void a_listing_stands_still_when_entries_come_and_go(void **state)
{
    (void)state;
    struct volume v;
    struct dir_position position = {0};
    struct dirent entry;
    char name[16];
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    for (int i = 0; i < 200; i += 2) {
        snprintf(name, sizeof name, "n%03d", i);
        volume_create(&v, OBJECT_ROOT, name, false);
    }
    for (int i = 0; i < 200; i += 2) {
        assert_ok(dirent_next(v.store, OBJECT_ROOT, &position, &entry));
        snprintf(name, sizeof name, "n%03d", i);
        assert_memory_equal(entry.name, name, 4);
        volume_delete(&v, OBJECT_ROOT, name); // the place where the listing stands
        snprintf(name, sizeof name, "n%03d", i - 1);
        volume_create(&v, OBJECT_ROOT, i > 0 ? name : "m", false); // behind it
    }
    assert_status(dirent_next(v.store, OBJECT_ROOT, &position, &entry), STATUS_NO_MORE_FILES);
    volume_check(&v);
    volume_free(&v);
}

static void names_that_differ_only_in_case(void **state)
{
    (void)state;
    struct volume v;
    struct dirent entry;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "Straße É", false);
    assert_status(add(&v, OBJECT_ROOT, "STRAßE é", id, false), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("sTRAßE é"), &entry));
    assert_int_equal(entry.id, id);
    assert_memory_equal(entry.name, "Straße É", entry.name_len); // as it was created
    assert_status(dirent_find(v.store, OBJECT_ROOT, STR("STRASSE É"), &entry), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(dirent_find(v.store, OBJECT_ROOT, STR("Straße"), &entry), STATUS_OBJECT_NAME_NOT_FOUND);
    // Removed and found again by another spelling.
    assert_ok(remove_name(&v, OBJECT_ROOT, "STRAßE É"));
    assert_status(remove_name(&v, OBJECT_ROOT, "Straße É"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(add(&v, OBJECT_ROOT, "other", id, false));
    volume_check(&v);
    volume_free(&v);

    volume_make(&v, 8 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    id = volume_create(&v, OBJECT_ROOT, "name", false);
    assert_true(volume_create(&v, OBJECT_ROOT, "NAME", false) != id);
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("name"), &entry));
    assert_int_equal(entry.id, id);
    assert_status(dirent_find(v.store, OBJECT_ROOT, STR("Name"), &entry), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(add(&v, OBJECT_ROOT, "NAME", id, false), STATUS_OBJECT_NAME_COLLISION);
    volume_check(&v);
    volume_free(&v);
}

static void impossible_names(void **state)
{
    (void)state;
    struct volume v;
    struct dirent entry;
    char longest[3 * 256 + 1];
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    struct str bad[] = {STR(""),     STR("a/b"),   STR("/"),           STR("a\0b"),
                        STR("\xff"), STR("a\xc3"), STR("\xed\xa0\x80")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct txn *t;
        assert_status(dirent_find(v.store, OBJECT_ROOT, bad[i], &entry), STATUS_OBJECT_NAME_INVALID);
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_status(txn_end(t, dirent_add(t, OBJECT_ROOT, bad[i], id, false)), STATUS_OBJECT_NAME_INVALID);
    }
    // 255 units of three bytes each fit, one more does not.
    for (int i = 0; i < 256; i++)
        memcpy(longest + 3 * i, "\xe4\xb8\x80", 4);
    assert_status(add(&v, OBJECT_ROOT, longest, id, false), STATUS_OBJECT_NAME_INVALID);
    longest[3 * 255] = '\0';
    assert_ok(add(&v, OBJECT_ROOT, longest, id, false));
    set_links(&v, id, 2);
    assert_ok(dirent_find(v.store, OBJECT_ROOT, str_of(longest), &entry));
    assert_int_equal(entry.name_len, 765);
    struct dir_position position = {0};
    assert_ok(dirent_next(v.store, OBJECT_ROOT, &position, &entry));
    assert_ok(dirent_next(v.store, OBJECT_ROOT, &position, &entry));
    assert_int_equal(entry.name_len, 765);
    assert_status(dirent_next(v.store, OBJECT_ROOT, &position, &entry), STATUS_NO_MORE_FILES);
    struct link_position link = {0};
    u64 parent;
    assert_ok(link_next(v.store, id, &link, &parent, &entry));
    assert_ok(link_next(v.store, id, &link, &parent, &entry));
    assert_int_equal(entry.name_len, 765);
    volume_check(&v);
    volume_free(&v);
}

static void links_and_paths(void **state)
{
    (void)state;
    struct volume v;
    struct link_position position = {0};
    struct dirent name;
    u64 parent;
    char path[64];
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 dir = volume_create(&v, OBJECT_ROOT, "Dir", true);
    u64 deep = volume_create(&v, dir, "Deep", true);
    u64 file = volume_create(&v, deep, "file", false);
    assert_ok(object_path(v.store, OBJECT_ROOT, path, sizeof path));
    assert_string_equal(path, "/");
    assert_ok(object_path(v.store, file, path, sizeof path));
    assert_string_equal(path, "/Dir/Deep/file");
    assert_ok(object_path(v.store, file, path, sizeof "/Dir/Deep/file"));
    assert_string_equal(path, "/Dir/Deep/file");
    assert_status(object_path(v.store, file, path, sizeof "/Dir/Deep/file" - 1), STATUS_BUFFER_TOO_SMALL);
    assert_status(object_path(v.store, file, path, 0), STATUS_BUFFER_TOO_SMALL);
    assert_status(object_path(v.store, 4711, path, sizeof path), STATUS_FILE_INVALID);
    assert_ok(add(&v, OBJECT_ROOT, "Second", file, false));
    assert_ok(add(&v, deep, "third", file, false));
    set_links(&v, file, 3);
    // By parent, then by name.
    static const char *names[] = {"Second", "file", "third"};
    u64 parents[] = {OBJECT_ROOT, deep, deep};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(link_next(v.store, file, &position, &parent, &name));
        assert_int_equal(parent, parents[i]);
        assert_int_equal(name.name_len, strlen(names[i]));
        assert_memory_equal(name.name, names[i], name.name_len);
    }
    assert_status(link_next(v.store, file, &position, &parent, &name), STATUS_NO_MORE_FILES);
    bool empty;
    assert_ok(dirent_is_empty(v.store, deep, &empty));
    assert_false(empty);
    volume_check(&v);
    assert_ok(remove_name(&v, deep, "file"));
    assert_ok(remove_name(&v, deep, "third"));
    set_links(&v, file, 1);
    assert_ok(dirent_is_empty(v.store, deep, &empty));
    assert_true(empty);
    assert_ok(object_path(v.store, file, path, sizeof path));
    assert_string_equal(path, "/Second");
    volume_check(&v);
    volume_free(&v);
}

// --- named streams
// -----------------------------------------------------------------------------------------------------------

// What a directory's cookies are made of: an entry is found again by its child and its place among the
// child's names in that directory.
static void entries_found_again_by_their_child(void **state)
{
    (void)state;
    static const char *const names[] = {"b", "Echo", "a", "delta", "C"}, *const folded[] = {"a", "b", "C",
                                                                                            "delta", "Echo"};
    struct volume v;
    struct dirent entry;
    struct dir_position at, next;
    struct link_position position = {0};
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 d1 = volume_create(&v, OBJECT_ROOT, "d1", true), d2 = volume_create(&v, OBJECT_ROOT, "d2", true);
    u64 f = volume_create(&v, d1, "one", false);
    volume_create(&v, d2, "bb", false);
    for (u32 i = 0; i < ARRAY_LEN(names); i++)
        assert_ok(add(&v, d2, names[i], f, false));
    assert_ok(add(&v, OBJECT_ROOT, "a", f, false));
    for (u32 i = 0; i < ARRAY_LEN(names); i++) {
        assert_ok(link_next_in(v.store, f, d2, &position, &entry));
        assert_int_equal(entry.id, f);
        assert_int_equal(entry.name_len, strlen(folded[i]));
        assert_memory_equal(entry.name, folded[i], entry.name_len);
        // The listing goes on where it went on before.
        assert_ok(dir_position_after(v.store, d2, (struct str){entry.name, entry.name_len}, &at));
        next = (struct dir_position){0};
        do
            assert_ok(dirent_next(v.store, d2, &next, &entry));
        while (entry.id != f || entry.name_len != strlen(folded[i]) ||
               memcmp(entry.name, folded[i], entry.name_len) != 0);
        assert_int_equal(at.key_len, next.key_len);
        assert_memory_equal(at.key, next.key, at.key_len);
    }
    assert_status(link_next_in(v.store, f, d2, &position, &entry), STATUS_NO_MORE_FILES);
    position = (struct link_position){0};
    assert_status(link_next_in(v.store, f, d2 + 1, &position, &entry), STATUS_NO_MORE_FILES);
    assert_int_equal(entry.name_len, 0);
    assert_ok(dir_position_after(v.store, d2, STR("BA"), &at)); // no such entry: the next one is bb
    assert_ok(dirent_next(v.store, d2, &at, &entry));
    assert_memory_equal(entry.name, "bb", 2);
    assert_status(dir_position_after(v.store, d2, STR("a/b"), &at), STATUS_OBJECT_NAME_INVALID);
    assert_status(dir_position_after(v.store, d2, STR(""), &at), STATUS_OBJECT_NAME_INVALID);
    volume_free(&v);
}

static void named_streams(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct stream *m;
    struct stream_entry entry;
    struct dir_position position = {0};
    size_t done;
    u8 data[20000], back[20000];
    u64 orphan;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    memset(data, 9, sizeof data);
    static const char *names[] = {"Zone", "a", "M"};
    for (u32 i = 0; i < 3; i++) {
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, stream_create(t, id, str_of(names[i]), i ? CHECKSUM_TYPE_CRC32 : 0)));
        assert_ok(stream_open(v.store, id, str_of(names[i]), &m));
        assert_ok(stream_write(m, 0, data, 5000 * i, &done));
        stream_close(m);
    }
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_status(txn_end(t, stream_create(t, id, STR("ZONE"), 0)), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_status(txn_end(t, stream_create(t, id, STR(""), 0)), STATUS_OBJECT_NAME_INVALID);
    volume_reopen(&v);
    static const struct {
        const char *name;
        u64 size, allocated;
    } want[] = {{"a", 5000, 8192}, {"M", 10000, 12288}, {"Zone", 0, 0}};
    for (u32 i = 0; i < 3; i++) {
        assert_ok(stream_next(v.store, id, &position, &entry));
        assert_int_equal(entry.name.name_len, strlen(want[i].name));
        assert_memory_equal(entry.name.name, want[i].name, entry.name.name_len);
        assert_int_equal(entry.size, want[i].size);
        assert_int_equal(entry.allocated, want[i].allocated);
    }
    assert_status(stream_next(v.store, id, &position, &entry), STATUS_NO_MORE_FILES);
    assert_ok(stream_open(v.store, id, STR("m"), &m));
    assert_ok(stream_read(m, 0, back, sizeof back, &done));
    assert_int_equal(done, 10000);
    assert_memory_equal(back, data, done);
    stream_close(m);
    volume_check(&v);
    // Away with one, its data with it.
    u64 free = v.store->space.root.free;
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_ok(txn_end(t, stream_remove(t, id, STR("m"), &orphan)));
    assert_ok(object_reap(v.store, orphan));
    assert_int_equal(v.store->space.root.free, free + 3);
    assert_status(stream_open(v.store, id, STR("M"), &m), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_null(m);
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_status(txn_end(t, stream_remove(t, id, STR("m"), &orphan)), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_check(&v);
    volume_delete(&v, OBJECT_ROOT, "f"); // with the two that are left
    assert_true(v.store->space.root.free >= free + 5);
    volume_check(&v);
    volume_free(&v);
}

// --- reparse data
// -----------------------------------------------------------------------------------------------------------

static nt_status set_reparse(struct volume *v, u64 id, const u8 *data, u32 len)
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

static void reparse_data_of_every_length(void **state)
{
    (void)state;
    struct volume v;
    static u8 data[16385], back[16385];
    u32 length, rng = 1;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_status(reparse_get(v.store, id, back, sizeof back, &length), STATUS_NOT_A_REPARSE_POINT);
    assert_status(set_reparse(&v, id, data, 0), STATUS_NOT_A_REPARSE_POINT);
    for (u32 i = 0; i < sizeof data; i++)
        data[i] = (u8)volume_random(&rng, 256);
    // Every 61st length, and all near the ends of records.
    for (u32 len = 4; len <= 16384; len++) {
        if (len % 61 != 0 && len > 20 && (len + 3) % 4096 > 6)
            continue;
        assert_ok(set_reparse(&v, id, data, len));
        if (len % 3 == 0)
            store_purge(v.store);
        memset(back, 0, sizeof back);
        assert_ok(reparse_get(v.store, id, back, sizeof back, &length));
        assert_int_equal(length, len);
        assert_memory_equal(back, data, len);
        assert_int_equal(back[len], 0);
        assert_ok(reparse_get(v.store, id, back, len, &length));
        assert_status(reparse_get(v.store, id, back, len - 1, &length), STATUS_BUFFER_TOO_SMALL);
    }
    assert_ok(set_reparse(&v, id, data, 16384));
    assert_ok(reparse_get(v.store, id, back, sizeof back, &length));
    assert_int_equal(length, 16384);
    assert_ok(set_reparse(&v, id, data, 4096)); // shorter: nothing of the old one is left
    assert_ok(reparse_get(v.store, id, back, sizeof back, &length));
    assert_int_equal(length, 4096);
    assert_status(set_reparse(&v, id, data, 3), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set_reparse(&v, id, data, 16385), STATUS_IO_REPARSE_DATA_INVALID);
    volume_check(&v);
    assert_ok(set_reparse(&v, id, data, 0));
    assert_status(reparse_get(v.store, id, back, sizeof back, &length), STATUS_NOT_A_REPARSE_POINT);
    volume_check(&v);
    volume_free(&v);
}

// --- plain entries -------------------------------------------------------------------------------

static bool is_plain(struct volume *v, u64 dir, const char *name)
{
    struct dirent entry;
    assert_ok(dirent_find(v->store, dir, str_of(name), &entry));
    return entry.plain;
}

static nt_status move_name(struct volume *v, u64 from, const char *old, u64 to, const char *new,
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

static void an_only_name_is_plain(void **state)
{
    (void)state;
    struct volume v;
    struct dir_position position = {0};
    struct dirent entry;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 d = volume_create(&v, OBJECT_ROOT, "d", true), f = volume_create(&v, d, "f", false);
    assert_true(is_plain(&v, OBJECT_ROOT, "d") && is_plain(&v, d, "f"));
    assert_ok(dirent_next(v.store, d, &position, &entry));
    assert_true(entry.plain);
    // A second name is not, also when it is the only one that is left.
    assert_ok(add(&v, d, "a", f, false));
    set_links(&v, f, 2);
    assert_true(is_plain(&v, d, "f") && !is_plain(&v, d, "a"));
    assert_ok(move_name(&v, d, "f", OBJECT_ROOT, "g", STATUS_SUCCESS));
    assert_false(is_plain(&v, OBJECT_ROOT, "g"));
    volume_check(&v);
    assert_ok(remove_name(&v, OBJECT_ROOT, "g"));
    set_links(&v, f, 1);
    assert_false(is_plain(&v, d, "a"));
    // Until it moves.
    assert_ok(move_name(&v, d, "a", d, "b", STATUS_SUCCESS));
    assert_true(is_plain(&v, d, "b"));
    assert_ok(move_name(&v, d, "b", OBJECT_ROOT, "c", STATUS_SUCCESS));
    assert_true(is_plain(&v, OBJECT_ROOT, "c"));
    volume_reopen(&v);
    assert_true(is_plain(&v, OBJECT_ROOT, "c"));
    // Another value than 1 means nothing yet.
    struct txn *t;
    struct key key;
    struct record record;
    key_begin(&key, OBJECT_ROOT, KIND_DIRENT);
    key_add(&key, "C", 1);
    assert_ok(tree_find(v.store, &key, TREE_EQUAL, &record));
    ((struct raw_dirent *)record.value)->plain = 2;
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, record.value, record.len)));
    assert_false(is_plain(&v, OBJECT_ROOT, "c"));
    // Nobody knows what an object is that does not exist.
    assert_ok(add(&v, d, "nothing", 4711, false));
    assert_false(is_plain(&v, d, "nothing"));
    assert_ok(remove_name(&v, d, "nothing"));
    volume_check(&v);
    volume_free(&v);
}

static void reparse_data_make_no_entry_plain(void **state)
{
    (void)state;
    static const u8 data[8] = {0x42};
    struct volume v;
    struct txn *t;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 d = volume_create(&v, OBJECT_ROOT, "d", true), f = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(set_reparse(&v, f, data, sizeof data));
    assert_ok(set_reparse(&v, d, data, sizeof data));
    assert_true(!is_plain(&v, OBJECT_ROOT, "f") && !is_plain(&v, OBJECT_ROOT, "d"));
    volume_check(&v);
    assert_ok(move_name(&v, OBJECT_ROOT, "f", OBJECT_ROOT, "g", STATUS_SUCCESS));
    assert_false(is_plain(&v, OBJECT_ROOT, "g"));
    // Behind streams they count too, and streams alone do not.
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, stream_create(t, f, STR("s"), 0)));
    assert_ok(move_name(&v, OBJECT_ROOT, "g", OBJECT_ROOT, "f", STATUS_SUCCESS));
    assert_false(is_plain(&v, OBJECT_ROOT, "f"));
    assert_ok(set_reparse(&v, f, data, 0));
    assert_false(is_plain(&v, OBJECT_ROOT, "f")); // as before
    assert_ok(move_name(&v, OBJECT_ROOT, "f", OBJECT_ROOT, "g", STATUS_SUCCESS));
    assert_true(is_plain(&v, OBJECT_ROOT, "g"));
    volume_check(&v);
    volume_free(&v);
}

// Whichever of the names it is.
static void reparse_data_clear_one_of_many_names(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    static const u8 data[8] = {0x42};
    enum { NAMES = ARRAY_LEN(names) };
    for (u32 first = 0; first < NAMES; first++) {
        struct volume v;
        struct txn *t;
        volume_make(&v, 8 * MIB, 4096, 2, 0);
        u64 dirs[2] = {volume_create(&v, OBJECT_ROOT, "x", true), OBJECT_ROOT};
        u64 f = volume_create(&v, dirs[first % 2], names[first], false);
        for (u32 i = 0; i < NAMES; i++)
            if (i != first)
                assert_ok(add(&v, dirs[i % 2], names[i], f, false));
        set_links(&v, f, NAMES);
        for (u32 i = 0; i < NAMES; i++)
            assert_int_equal(is_plain(&v, dirs[i % 2], names[i]), i == first);
        // What is undone has not happened.
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(reparse_set(t, f, data, sizeof data));
        assert_false(is_plain(&v, dirs[first % 2], names[first]));
        assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
        assert_true(is_plain(&v, dirs[first % 2], names[first]));
        assert_ok(set_reparse(&v, f, data, sizeof data));
        for (u32 i = 0; i < NAMES; i++)
            assert_false(is_plain(&v, dirs[i % 2], names[i]));
        assert_true(is_plain(&v, OBJECT_ROOT, "x"));
        volume_check(&v);
        volume_free(&v);
    }
}

// --- many entries at once ------------------------------------------------------------------------

struct batch {
    u32 most, count; // takes at most so many
    bool last;       // and says so with the last one, not with the one behind
    char folded[TEXT_NAME_BYTES];
    u32 folded_len;
    u32 numbers[3000];
};

static enum dirent_answer see(void *context, const struct dirent_seen *entry)
{
    struct batch *b = context;
    if (b->count == b->most)
        return DIRENT_LEFT;
    assert_true(entry->name.len == 8 && entry->folded.len == 8);
    assert_int_equal(entry->directory, false);
    assert_int_equal(entry->plain, true);
    b->numbers[b->count++] = (u32)strtoul(
        (char[]){entry->name.p[4], entry->name.p[5], entry->name.p[6], entry->name.p[7], 0}, NULL, 10);
    b->folded_len = entry->folded.len;
    memcpy(b->folded, entry->folded.p, entry->folded.len);
    return b->last && b->count == b->most ? DIRENT_LAST : DIRENT_TAKEN;
}

static void many_entries_at_once(void **state)
{
    (void)state;
    enum { FILES = 2000 };
    static struct batch b;
    static const u32 sizes[] = {1, 2, 7, 100, 999, 3000};
    struct volume v;
    char name[16];
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    u64 before = volume_create(&v, OBJECT_ROOT, "before", true),
        d = volume_create(&v, OBJECT_ROOT, "d", true),
        behind = volume_create(&v, OBJECT_ROOT, "behind", true);
    volume_create(&v, before, "other", false);
    volume_create(&v, behind, "other", false);
    for (u32 i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file%04u", i * 37 % FILES);
        volume_create(&v, d, name, false);
    }
    for (u32 i = 0; i < ARRAY_LEN(sizes) * 2; i++) {
        struct dir_position position = {0};
        u32 seen = 0;
        nt_status status;
        do {
            b = (struct batch){.most = sizes[i / 2], .last = i & 1};
            status = dirents_next(v.store, d, &position, see, &b);
            for (u32 n = 0; n < b.count; n++)
                assert_int_equal(b.numbers[n], seen + n);
            seen += b.count;
            if (b.count) {
                assert_int_equal(position.key_len, b.folded_len);
                assert_memory_equal(position.key, b.folded, b.folded_len);
            }
            // A listing in the middle of which the place that it goes on from goes away.
            if (seen == 700 && sizes[i / 2] == 7) {
                assert_ok(remove_name(&v, d, "file0699"));
                assert_ok(add(&v, d, "file0699", 4711, false));
                assert_ok(remove_name(&v, d, "file0699"));
                u64 id = volume_create(&v, d, "file0699", false);
                assert_true(id > behind);
            }
        } while (status == STATUS_SUCCESS);
        assert_status(status, STATUS_NO_MORE_FILES);
        assert_int_equal(seen, FILES);
        b = (struct batch){.most = 1};
        assert_status(dirents_next(v.store, d, &position, see, &b), STATUS_NO_MORE_FILES);
        assert_int_equal(b.count, 0);
    }
    b = (struct batch){.most = 0}; // one that takes nothing leaves the place as it was
    struct dir_position position = {0};
    assert_ok(dirents_next(v.store, d, &position, see, &b));
    assert_int_equal(position.key_len, 0);
    assert_status(dirents_next(v.store, d + 1000000, &position, see, &b), STATUS_NO_MORE_FILES);
    volume_free(&v);
}

// What lies before a damaged record is given, and then the damage is met.
static void many_entries_up_to_a_damaged_one(void **state)
{
    (void)state;
    static struct batch b;
    struct volume v;
    struct txn *t;
    struct key key;
    struct dir_position position = {0};
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    volume_create(&v, OBJECT_ROOT, "file0000", false);
    volume_create(&v, OBJECT_ROOT, "file0001", false);
    volume_create(&v, OBJECT_ROOT, "file0002", false);
    key_begin(&key, OBJECT_ROOT, KIND_DIRENT);
    key_add(&key, "FILE0002", 8);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, "short", 5)));
    b.most = 10;
    for (int i = 0; i < 2; i++) {
        assert_status(dirents_next(v.store, OBJECT_ROOT, &position, see, &b), STATUS_FILE_CORRUPT_ERROR);
        assert_int_equal(b.count, 2);
        assert_memory_equal(position.key, "FILE0001", 8);
    }
    volume_free(&v);
}

static void the_tag_index(void **state)
{
    (void)state;
    static const u32 tags[] = {0xa000000c, 0xa0000003, 0x00000042, 0xa000000c, 0xffffffff, 0x00000042};
    struct volume v;
    u64 ids[ARRAY_LEN(tags)], id = 0;
    u32 tag = 0;
    u8 data[100] = {0};
    char name[8];
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    assert_status(reparse_next(v.store, &tag, &id), STATUS_NO_MORE_FILES);
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        snprintf(name, sizeof name, "r%zu", i);
        ids[i] = volume_create(&v, OBJECT_ROOT, name, false);
        put_le32(data, tags[i]);
        assert_ok(set_reparse(&v, ids[i], data, sizeof data));
    }
    static const size_t order[] = {2, 5, 1, 0, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_ok(reparse_next(v.store, &tag, &id));
        assert_int_equal(tag, tags[order[i]]);
        assert_int_equal(id, ids[order[i]]);
    }
    assert_status(reparse_next(v.store, &tag, &id), STATUS_NO_MORE_FILES);
    // Another tag, no tag, no file.
    put_le32(data, 0x43);
    assert_ok(set_reparse(&v, ids[2], data, sizeof data));
    assert_ok(set_reparse(&v, ids[5], data, 0));
    volume_delete(&v, OBJECT_ROOT, "r1");
    tag = 0;
    id = 0;
    static const size_t left[] = {2, 0, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        assert_ok(reparse_next(v.store, &tag, &id));
        assert_int_equal(id, ids[left[i]]);
    }
    assert_status(reparse_next(v.store, &tag, &id), STATUS_NO_MORE_FILES);
    volume_check(&v);
    volume_free(&v);
}

// --- orphans
// -----------------------------------------------------------------------------------------------------------

static void orphans_are_reaped_by_the_next_open(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct stream *m;
    struct inode inode;
    static u8 data[1 << 20], reparse[16384] = {1};
    size_t done;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    assert_ok(store_commit(v.store));
    u64 free = v.store->space.root.free;
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, stream_create(t, id, STR("named"), CHECKSUM_TYPE_CRC32)));
    for (int named = 0; named < 2; named++) {
        assert_ok(stream_open(v.store, id, named ? STR("named") : (struct str){NULL, 0}, &m));
        // In pieces that do not lie together: many extents, many transactions.
        for (u64 at = 0; at < sizeof data; at += 8192)
            assert_ok(stream_write(m, at, data, 4096, &done));
        stream_close(m);
    }
    assert_ok(set_reparse(&v, id, reparse, sizeof reparse));
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_ok(dirent_remove(t, OBJECT_ROOT, STR("f")));
    assert_ok(txn_end(t, object_orphan(t, id)));
    assert_ok(inode_get(v.store, id, &inode)); // still there, for whoever has it open
    assert_ok(store_commit(v.store));
    // The crash. A read-only open leaves it as it is.
    assert_false(store_abandon(v.store));
    assert_ok(store_open(v.blk, STORE_READONLY, 0, &v.store));
    assert_ok(inode_get(v.store, id, &inode));
    assert_ok(store_close(v.store));
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_status(inode_get(v.store, id, &inode), STATUS_FILE_INVALID);
    volume_check(&v);
    struct record record;
    struct key key;
    key_begin(&key, OBJECT_ORPHANS, KIND_ORPHAN);
    nt_status status = tree_find(v.store, &key, TREE_ABOVE, &record);
    assert_true(status == STATUS_NO_SUCH_FILE || !key_belongs(&record.key, OBJECT_ORPHANS, KIND_ORPHAN));
    assert_ok(store_commit(v.store));
    assert_int_equal(v.store->space.root.free, free);
    volume_free(&v);
}

// Cut short after any number of writes, reaping goes on where it was.
static void reaping_can_be_cut_short_anywhere(void **state)
{
    (void)state;
    static u8 image[8 << 20];
    struct volume v;
    struct stream *m;
    struct txn *t;
    size_t done;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(stream_open(v.store, id, (struct str){NULL, 0}, &m));
    for (u64 at = 0; at < 100; at++)
        assert_ok(stream_write(m, at * 8192, "x", 1, &done));
    stream_close(m);
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_ok(dirent_remove(t, OBJECT_ROOT, STR("f")));
    assert_ok(txn_end(t, object_orphan(t, id)));
    assert_ok(store_close(v.store));
    assert_ok(blk_pread(v.blk, image, sizeof image, 0, NULL));
    for (int batches = 0; batches < 10; batches++) {
        assert_ok(blk_pwrite(v.blk, image, sizeof image, 0, NULL));
        struct raw_super super;
        assert_ok(super_read(v.blk, &super));
        assert_ok(store_open(v.blk, STORE_READONLY, 0, &v.store));
        atomic_store(&v.store->readonly, false); // open, but not reaped
        for (int i = 0; i < batches; i++) {
            bool all;
            u64 freed;
            assert_ok(txn_begin(v.store, TXN_FREEING, &t));
            assert_ok(txn_end(t, extent_unmap(t, id, 0, UINT64_MAX, 16, &all, &freed)));
        }
        assert_ok(store_commit(v.store));
        store_abandon(v.store);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        struct inode inode;
        assert_status(inode_get(v.store, id, &inode), STATUS_FILE_INVALID);
        volume_check(&v);
        assert_ok(store_close(v.store));
    }
    blk_close(v.blk);
}

// --- hostile records
// -----------------------------------------------------------------------------------------------------------

static void put_record(struct volume *v, u64 object, enum record_kind kind, u32 tail, u32 len)
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

static void delete_record(struct volume *v, u64 object, enum record_kind kind, u32 tail)
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

enum { ODD = 5000, LONGEST = KEY_MAX - 9 };

struct odd_record {
    u32 tail, len;
};

static void odd_inodes(struct volume *v)
{
    static const u32 lengths[] = {0, 1, 63, 64, 95, 97, 4096};
    struct inode inode;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct stream *m;
        put_record(v, ODD, KIND_INODE, 0, lengths[i]);
        assert_status(inode_get(v->store, ODD, &inode), STATUS_FILE_CORRUPT_ERROR);
        nt_status status = stream_open(v->store, ODD, (struct str){NULL, 0}, &m);
        assert_true(status == STATUS_FILE_CORRUPT_ERROR || lengths[i] >= sizeof(struct raw_inode));
        if (status == STATUS_SUCCESS)
            stream_close(m);
    }
}

static void odd_dirents(struct volume *v)
{
    static const struct odd_record odd[] = {{1, 0},         {1, 1},          {1, 8},       {1, 12},
                                            {1, 12 + 766},  {1, 4096},       {766, 20},    {773, 20},
                                            {LONGEST, 100}, {LONGEST, 4096}, {LONGEST, 0}, {0, 20}};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct dir_position position = {0};
        struct dirent entry;
        put_record(v, ODD, KIND_DIRENT, odd[i].tail, odd[i].len);
        if (odd[i].tail > 0)
            assert_status(dirent_next(v->store, ODD, &position, &entry), STATUS_FILE_CORRUPT_ERROR);
        if (odd[i].tail == 1 && odd[i].len < 4096)
            assert_status(dirent_find(v->store, ODD, STR("A"), &entry), STATUS_FILE_CORRUPT_ERROR);
        delete_record(v, ODD, KIND_DIRENT, odd[i].tail);
    }
}

static void odd_streams(struct volume *v)
{
    static const struct odd_record odd[] = {{1, 0},    {1, 31},       {1, 32},        {1, 32 + 766},
                                            {766, 40}, {LONGEST, 40}, {LONGEST, 4096}};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct dir_position position = {0};
        struct stream_entry entry;
        struct stream *m;
        put_record(v, ODD, KIND_STREAM, odd[i].tail, odd[i].len);
        assert_status(stream_next(v->store, ODD, &position, &entry), STATUS_FILE_CORRUPT_ERROR);
        if (odd[i].tail == 1) // also because its size is absurd
            assert_status(stream_open(v->store, ODD, STR("a"), &m), STATUS_FILE_CORRUPT_ERROR);
        delete_record(v, ODD, KIND_STREAM, odd[i].tail);
    }
}

static void odd_links(struct volume *v)
{
    static const struct odd_record odd[] = {{1, 10}, {8, 10}, {9, 0}, {9, 766}, {LONGEST, 4096}};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct link_position position = {0};
        struct dirent entry;
        char path[100];
        u64 parent;
        put_record(v, ODD, KIND_LINK, odd[i].tail, odd[i].len);
        assert_status(link_next(v->store, ODD, &position, &parent, &entry), STATUS_FILE_CORRUPT_ERROR);
        assert_status(object_path(v->store, ODD, path, sizeof path), STATUS_FILE_CORRUPT_ERROR);
        delete_record(v, ODD, KIND_LINK, odd[i].tail);
    }
}

static void odd_reparse_data(struct volume *v)
{
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE] = {0};
    u32 length, tag = 0;
    u64 id;
    struct key key;
    struct txn *t;
    key_begin(&key, ODD, KIND_REPARSE);
    key_add_u64(&key, 0);
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, "", 0)));
    assert_status(reparse_get(v->store, ODD, buffer, sizeof buffer, &length), STATUS_FILE_CORRUPT_ERROR);
    for (u64 at = 0; at <= 4 * VALUE_MAX; at += VALUE_MAX) {
        key_begin(&key, ODD, KIND_REPARSE);
        key_add_u64(&key, at);
        assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, tree_put(t, &key, buffer, VALUE_MAX)));
    }
    assert_status(reparse_get(v->store, ODD, buffer, sizeof buffer, &length), STATUS_FILE_CORRUPT_ERROR);
    put_record(v, OBJECT_TAGS, KIND_TAG, 3, 0);
    assert_status(reparse_next(v->store, &tag, &id), STATUS_FILE_CORRUPT_ERROR);
}

// Right lengths, impossible values.
static void odd_posix_fields(struct volume *v)
{
    static const struct raw_inode odd[] = {{.nanos = {100}},
                                           {.nanos = {[INODE_ACCESSED] = 255}},
                                           {.nanos = {[INODE_CHANGED] = 100}},
                                           {.mode = {{0, 0, 1, 0}}},
                                           {.mode = {{0xFF, 0xFF, 0xFF, 0xFF}}}};
    struct inode inode;
    struct key key;
    struct txn *t;
    key_begin(&key, ODD, KIND_INODE);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, tree_put(t, &key, &odd[i], sizeof odd[i])));
        assert_status(inode_get(v->store, ODD, &inode), STATUS_FILE_CORRUPT_ERROR);
        inode = (struct inode){.mode = from_le32(odd[i].mode)};
        memcpy(inode.nanos, odd[i].nanos, sizeof inode.nanos);
        assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
        assert_status(inode_create(t, &inode), STATUS_INVALID_PARAMETER);
        inode.id = ODD;
        assert_status(txn_end(t, inode_put(t, &inode)), STATUS_INVALID_PARAMETER);
    }
}

static void records_of_impossible_lengths(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    odd_inodes(&v);
    odd_posix_fields(&v);
    odd_dirents(&v);
    odd_streams(&v);
    odd_links(&v);
    odd_reparse_data(&v);
    // The check names them all and survives.
    struct check_totals totals;
    struct check_options options = {.data = true};
    assert_status(store_check(v.store, &options, &totals), STATUS_DISK_CORRUPT_ERROR);
    assert_true(totals.findings > 0);
    volume_free(&v);
}

static void orphan_with_a_stray_piece_of_reparse_data(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct key key;
    struct record record;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    key_begin(&key, ODD, KIND_REPARSE);
    key_add_u64(&key, VALUE_MAX);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(object_orphan(t, ODD));
    assert_ok(txn_end(t, tree_put(t, &key, "piece", 5)));
    volume_reopen(&v);
    assert_status(tree_find(v.store, &key, TREE_EQUAL, &record), STATUS_NO_SUCH_FILE);
    volume_check(&v);
    volume_free(&v);
}

static void parents_in_a_ring(void **state)
{
    (void)state;
    struct volume v;
    char path[65536];
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 a = volume_create(&v, OBJECT_ROOT, "a", true), b = volume_create(&v, a, "b", true);
    assert_ok(remove_name(&v, OBJECT_ROOT, "a"));
    assert_ok(add(&v, b, "a", a, true));
    assert_status(object_path(v.store, a, path, sizeof path), STATUS_FILE_INVALID);
    assert_status(object_path(v.store, a, path, 100), STATUS_BUFFER_TOO_SMALL);
    volume_free(&v);
}

static void odd_orphans_are_left_alone_and_reported(void **state)
{
    (void)state;
    static const struct {
        u32 tail, len;
    } odd[] = {{0, 0},   {1, 0}, {7, 0}, {9, 0}, {8, 1}, {8, 7}, {8, 9}, {8, 16}, {8, 8 + KEY_MAX + 1},
               {8, 4096}};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct volume v;
        volume_make(&v, 8 * MIB, 4096, 2, 0);
        put_record(&v, OBJECT_ORPHANS, KIND_ORPHAN, odd[i].tail, odd[i].len);
        assert_ok(store_close(v.store));
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        volume_create(&v, OBJECT_ROOT, "f", false);
        struct check_totals totals;
        struct check_options options = {0};
        assert_status(store_check(v.store, &options, &totals), STATUS_DISK_CORRUPT_ERROR);
        assert_int_equal(totals.findings, 1);
        volume_free(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inodes_keep_what_they_are_given),
        cmocka_unit_test(listings_come_in_folded_order),
        cmocka_unit_test(a_listing_stands_still_when_entries_come_and_go),
        cmocka_unit_test(names_that_differ_only_in_case),
        cmocka_unit_test(impossible_names),
        cmocka_unit_test(links_and_paths),
        cmocka_unit_test(entries_found_again_by_their_child),
        cmocka_unit_test(named_streams),
        cmocka_unit_test(reparse_data_of_every_length),
        cmocka_unit_test(an_only_name_is_plain),
        cmocka_unit_test(reparse_data_make_no_entry_plain),
        cmocka_unit_test(reparse_data_clear_one_of_many_names),
        cmocka_unit_test(many_entries_at_once),
        cmocka_unit_test(many_entries_up_to_a_damaged_one),
        cmocka_unit_test(the_tag_index),
        cmocka_unit_test(orphans_are_reaped_by_the_next_open),
        cmocka_unit_test(reaping_can_be_cut_short_anywhere),
        cmocka_unit_test(records_of_impossible_lengths),
        cmocka_unit_test(orphan_with_a_stray_piece_of_reparse_data),
        cmocka_unit_test(parents_in_a_ring),
        cmocka_unit_test(odd_orphans_are_left_alone_and_reported),
    };
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
