// SPDX-License-Identifier: Apache-2.0
// Names: directories in folded order, links, paths, listings of many entries; and records with lengths that
// no driver would write.
#include "tests/test.h"

#include "tests/engine/objects.h"

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
    assert_status(name_add(&v, OBJECT_ROOT, "STRAßE é", id, false), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("sTRAßE é"), &entry));
    assert_int_equal(entry.id, id);
    assert_memory_equal(entry.name, "Straße É", entry.name_len); // as it was created
    assert_status(dirent_find(v.store, OBJECT_ROOT, STR("STRASSE É"), &entry), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(dirent_find(v.store, OBJECT_ROOT, STR("Straße"), &entry), STATUS_OBJECT_NAME_NOT_FOUND);
    // Removed and found again by another spelling.
    assert_ok(name_remove(&v, OBJECT_ROOT, "STRAßE É"));
    assert_status(name_remove(&v, OBJECT_ROOT, "Straße É"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(name_add(&v, OBJECT_ROOT, "other", id, false));
    volume_check(&v);
    volume_free(&v);

    volume_make(&v, 8 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    id = volume_create(&v, OBJECT_ROOT, "name", false);
    assert_true(volume_create(&v, OBJECT_ROOT, "NAME", false) != id);
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("name"), &entry));
    assert_int_equal(entry.id, id);
    assert_status(dirent_find(v.store, OBJECT_ROOT, STR("Name"), &entry), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(name_add(&v, OBJECT_ROOT, "NAME", id, false), STATUS_OBJECT_NAME_COLLISION);
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
    assert_status(name_add(&v, OBJECT_ROOT, longest, id, false), STATUS_OBJECT_NAME_INVALID);
    longest[3 * 255] = '\0';
    assert_ok(name_add(&v, OBJECT_ROOT, longest, id, false));
    links_set(&v, id, 2);
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
    assert_ok(name_add(&v, OBJECT_ROOT, "Second", file, false));
    assert_ok(name_add(&v, deep, "third", file, false));
    links_set(&v, file, 3);
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
    assert_ok(name_remove(&v, deep, "file"));
    assert_ok(name_remove(&v, deep, "third"));
    links_set(&v, file, 1);
    assert_ok(dirent_is_empty(v.store, deep, &empty));
    assert_true(empty);
    assert_ok(object_path(v.store, file, path, sizeof path));
    assert_string_equal(path, "/Second");
    volume_check(&v);
    volume_free(&v);
}

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
        assert_ok(name_add(&v, d2, names[i], f, false));
    assert_ok(name_add(&v, OBJECT_ROOT, "a", f, false));
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

static void an_only_name_is_plain(void **state)
{
    (void)state;
    struct volume v;
    struct dir_position position = {0};
    struct dirent entry;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 d = volume_create(&v, OBJECT_ROOT, "d", true), f = volume_create(&v, d, "f", false);
    assert_true(name_is_plain(&v, OBJECT_ROOT, "d") && name_is_plain(&v, d, "f"));
    assert_ok(dirent_next(v.store, d, &position, &entry));
    assert_true(entry.plain);
    // A second name is not, also when it is the only one that is left.
    assert_ok(name_add(&v, d, "a", f, false));
    links_set(&v, f, 2);
    assert_true(name_is_plain(&v, d, "f") && !name_is_plain(&v, d, "a"));
    assert_ok(name_move(&v, d, "f", OBJECT_ROOT, "g", STATUS_SUCCESS));
    assert_false(name_is_plain(&v, OBJECT_ROOT, "g"));
    volume_check(&v);
    assert_ok(name_remove(&v, OBJECT_ROOT, "g"));
    links_set(&v, f, 1);
    assert_false(name_is_plain(&v, d, "a"));
    // Until it moves.
    assert_ok(name_move(&v, d, "a", d, "b", STATUS_SUCCESS));
    assert_true(name_is_plain(&v, d, "b"));
    assert_ok(name_move(&v, d, "b", OBJECT_ROOT, "c", STATUS_SUCCESS));
    assert_true(name_is_plain(&v, OBJECT_ROOT, "c"));
    volume_reopen(&v);
    assert_true(name_is_plain(&v, OBJECT_ROOT, "c"));
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
    assert_false(name_is_plain(&v, OBJECT_ROOT, "c"));
    // Nobody knows what an object is that does not exist.
    assert_ok(name_add(&v, d, "nothing", 4711, false));
    assert_false(name_is_plain(&v, d, "nothing"));
    assert_ok(name_remove(&v, d, "nothing"));
    volume_check(&v);
    volume_free(&v);
}

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
                assert_ok(name_remove(&v, d, "file0699"));
                assert_ok(name_add(&v, d, "file0699", 4711, false));
                assert_ok(name_remove(&v, d, "file0699"));
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

static void odd_dirents(struct volume *v)
{
    static const struct odd_record odd[] = {{1, 0},         {1, 1},          {1, 8},       {1, 12},
                                            {1, 12 + 766},  {1, 4096},       {766, 20},    {773, 20},
                                            {LONGEST, 100}, {LONGEST, 4096}, {LONGEST, 0}, {0, 20}};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct dir_position position = {0};
        struct dirent entry;
        record_put(v, ODD, KIND_DIRENT, odd[i].tail, odd[i].len);
        if (odd[i].tail > 0)
            assert_status(dirent_next(v->store, ODD, &position, &entry), STATUS_FILE_CORRUPT_ERROR);
        if (odd[i].tail == 1 && odd[i].len < 4096)
            assert_status(dirent_find(v->store, ODD, STR("A"), &entry), STATUS_FILE_CORRUPT_ERROR);
        record_delete(v, ODD, KIND_DIRENT, odd[i].tail);
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
        record_put(v, ODD, KIND_LINK, odd[i].tail, odd[i].len);
        assert_status(link_next(v->store, ODD, &position, &parent, &entry), STATUS_FILE_CORRUPT_ERROR);
        assert_status(object_path(v->store, ODD, path, sizeof path), STATUS_FILE_CORRUPT_ERROR);
        record_delete(v, ODD, KIND_LINK, odd[i].tail);
    }
}

static void parents_in_a_ring(void **state)
{
    (void)state;
    struct volume v;
    char path[65536];
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 a = volume_create(&v, OBJECT_ROOT, "a", true), b = volume_create(&v, a, "b", true);
    assert_ok(name_remove(&v, OBJECT_ROOT, "a"));
    assert_ok(name_add(&v, b, "a", a, true));
    assert_status(object_path(v.store, a, path, sizeof path), STATUS_FILE_INVALID);
    assert_status(object_path(v.store, a, path, 100), STATUS_BUFFER_TOO_SMALL);
    volume_free(&v);
}

static void names_of_impossible_lengths(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    odd_dirents(&v);
    odd_links(&v);
    record_put(&v, ODD, KIND_DIRENT, 1, 12);
    check_reports(&v);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listings_come_in_folded_order),
        cmocka_unit_test(a_listing_stands_still_when_entries_come_and_go),
        cmocka_unit_test(names_that_differ_only_in_case),
        cmocka_unit_test(impossible_names),
        cmocka_unit_test(links_and_paths),
        cmocka_unit_test(entries_found_again_by_their_child),
        cmocka_unit_test(an_only_name_is_plain),
        cmocka_unit_test(many_entries_at_once),
        cmocka_unit_test(many_entries_up_to_a_damaged_one),
        cmocka_unit_test(parents_in_a_ring),
        cmocka_unit_test(names_of_impossible_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
