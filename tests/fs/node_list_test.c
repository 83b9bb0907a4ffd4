// SPDX-License-Identifier: Apache-2.0
// Listings with cookies: on another handle, after the entry has gone, while names come and go.
#include "tests/fs/node.h"

#include "engine/store.h"

enum { MOST = 2000, COOKIE_DOTS = 2 }; // behind "." and ".."

// What a listing gave, in order.
struct seen {
    u32 count;
    u64 ids[MOST], cookies[MOST];
    u32 types[MOST];
    char names[MOST][32];
};
static struct seen seen;

// One call; false at the end.
static bool list_on(struct file_object *f, u64 *cookie, u32 flags, size_t size)
{
    _Alignas(8) static u8 out[65536];
    u64 done;
    assert_ok(list(f, *cookie, flags, out, size, &done));
    for (size_t at = 0; done;) {
        struct hf_node_entry *e = (struct hf_node_entry *)(void *)(out + at);
        assert_true(seen.count < MOST);
        assert_int_equal(strlen(e->name), e->name_length);
        assert_int_equal(at % 8, 0);
        assert_true(e->cookie > 0 && e->cookie <= INT64_MAX);
        snprintf(seen.names[seen.count], sizeof seen.names[0], "%s", e->name);
        seen.ids[seen.count] = e->attr.id;
        seen.types[seen.count] = e->attr.mode & S_IFMT;
        seen.cookies[seen.count++] = *cookie = e->cookie;
        if (flags & HF_LIST_ATTR) {
            struct hf_attr attr = attr_of(&root, e->attr.id);
            assert_memory_equal(&attr, &e->attr, sizeof attr);
        } else {
            assert_int_equal(e->attr.mode, attr_of(&root, e->attr.id).mode & S_IFMT);
        }
        if (!e->next)
            break;
        at += e->next;
    }
    return done;
}

static void list_all(struct file_object *f, u64 cookie, u32 flags, size_t size)
{
    seen.count = 0;
    while (list_on(f, &cookie, flags, size))
        ;
}

static u32 times_seen(const char *name)
{
    u32 n = 0;
    for (u32 i = 0; i < seen.count; i++)
        n += strcmp(seen.names[i], name) == 0;
    return n;
}

static u64 fill_directory(u32 count)
{
    char name[32];
    u64 d = make_node(&root, ROOT, "d", S_IFDIR | 0755);
    for (u32 i = 0; i < count; i++) {
        snprintf(name, sizeof name, "f%u", i);
        make_node(&root, d, name, S_IFREG | 0600);
    }
    return d;
}

static void open_directory(struct file_object *f, u64 id)
{
    assert_ok(open_node(&root, f, id, FILE_LIST_DIRECTORY));
}

static void everything_once(void **state)
{
    (void)state;
    struct file_object f;
    u64 d = fill_directory(300), done;
    make_symlink(&root, d, "link", "f1");
    make_node(&root, d, "fifo", S_IFIFO | 0600);
    make_node(&root, d, "sub", S_IFDIR | 0700);
    open_directory(&f, d);
    static const size_t sizes[] = {200, 4096, 65536};
    for (u32 i = 0; i < ARRAY_LEN(sizes) * 2; i++) {
        list_all(&f, 0, i & 1 ? HF_LIST_ATTR : 0, sizes[i / 2]);
        assert_int_equal(seen.count, 305);
        assert_string_equal(seen.names[0], ".");
        assert_int_equal(seen.ids[0], d);
        assert_string_equal(seen.names[1], "..");
        assert_int_equal(seen.ids[1], ROOT);
        for (u32 n = 0; n < seen.count; n++)
            assert_int_equal(times_seen(seen.names[n]), 1);
    }
    u8 out[64];
    assert_status(list(&f, 0, 0, out, sizeof out, &done), STATUS_BUFFER_TOO_SMALL);
    assert_ok(volume_close(&f));
}

static void root_has_dots(void **state)
{
    (void)state;
    struct file_object f;
    open_directory(&f, ROOT);
    list_all(&f, 0, HF_LIST_ATTR, 4096);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.ids[0], ROOT);
    assert_int_equal(seen.ids[1], ROOT);
    assert_ok(volume_close(&f));
}

// From each cookie on, on a handle that gave none of them, the rest comes.
static void cookies_of_another_handle(void **state)
{
    (void)state;
    struct file_object f, g;
    static struct seen all;
    u64 d = fill_directory(50), e = make_node(&root, ROOT, "e", S_IFDIR);
    // Names of one file among them.
    char name[16];
    for (u32 i = 0; i < 50; i += 5) {
        snprintf(name, sizeof name, "g%u", i);
        assert_ok(hard_link(&root, id_of(&root, d, "f7"), d, name));
        assert_ok(hard_link(&root, id_of(&root, d, "f7"), e, name));
    }
    open_directory(&f, d);
    list_all(&f, 0, 0, 4096);
    all = seen;
    for (u32 i = 0; i < all.count; i++) {
        for (u32 j = 0; j < i; j++)
            assert_true(all.cookies[i] != all.cookies[j]);
        open_directory(&g, d);
        list_all(&g, all.cookies[i], 0, 512);
        assert_int_equal(seen.count, all.count - i - 1);
        if (seen.count)
            assert_memory_equal(seen.cookies, all.cookies + i + 1, seen.count * sizeof seen.cookies[0]);
        assert_ok(volume_close(&g));
    }
    list_all(&f, all.cookies[10], 0, 4096); // back on the same one
    assert_int_equal(seen.count, all.count - 11);
    assert_ok(volume_close(&f));
}

// As rm -r does: what a call gave goes before the next. No entry comes twice, from the end of what was given
// or from the middle.
static void deleting_what_was_listed(void **state)
{
    (void)state;
    for (u32 keep = 0; keep < 8; keep += 7) {
        struct file_object f;
        u64 cookie = 0, d = fill_directory(1500);
        u32 removed = 0;
        open_directory(&f, d);
        for (;;) {
            seen.count = 0;
            bool more = list_on(&f, &cookie, 0, 16384);
            // A caller that did not take all of it goes on in the middle.
            u32 taken = seen.count > keep ? seen.count - keep : seen.count;
            for (u32 i = 0; i < taken; i++) {
                cookie = seen.cookies[i];
                if (seen.names[i][0] != '.') {
                    assert_ok(remove_node(&root, d, seen.names[i], false));
                    removed++;
                }
            }
            if (!more)
                break;
        }
        assert_int_equal(removed, 1500);
        assert_ok(volume_close(&f));
        assert_ok(remove_node(&root, ROOT, "d", true));
    }
}

// The entry that a caller goes on from is the one that it has just removed, in the middle of what it was
// given.
static void deleting_where_it_goes_on(void **state)
{
    (void)state;
    struct file_object f;
    static char taken[MOST][32];
    u64 cookie = 0, d = fill_directory(1500);
    u32 count = 0, removed = 0;
    open_directory(&f, d);
    for (;;) {
        seen.count = 0;
        if (!list_on(&f, &cookie, 0, 16384))
            break;
        for (u32 i = 0; i == 0 || i + 7 < seen.count; i++) {
            cookie = seen.cookies[i];
            assert_true(count < MOST);
            memcpy(taken[count++], seen.names[i], sizeof taken[0]);
        }
        if (taken[count - 1][0] != '.') {
            assert_ok(remove_node(&root, d, taken[count - 1], false));
            removed++;
        }
    }
    assert_true(removed > 10);
    assert_int_equal(count, 1502); // each once
    assert_ok(volume_close(&f));
}

// So does one from long before, in the middle of a large answer or of many small ones.
static void going_back_to_what_has_gone(void **state)
{
    (void)state;
    static const struct {
        u32 files;
        size_t size;
    } cases[] = {{1500, 65536}, {1500, 16384}, {100, 220}};
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        struct file_object f;
        static struct seen all;
        u64 d = fill_directory(cases[i].files);
        open_directory(&f, d);
        list_all(&f, 0, 0, cases[i].size);
        assert_int_equal(seen.count, cases[i].files + 2);
        all = seen;
        for (u32 at = 20; at + 1 < all.count; at += cases[i].files / 5) {
            assert_ok(remove_node(&root, d, all.names[at], false));
            u64 cookie = all.cookies[at];
            seen.count = 0;
            assert_true(list_on(&f, &cookie, 0, 220));
            assert_string_equal(seen.names[0], all.names[at + 1]);
        }
        assert_ok(volume_close(&f));
        assert_ok(open_node(&root, &f, d, FILE_LIST_DIRECTORY));
        list_all(&f, 0, 0, 65536);
        for (u32 at = 2; at < seen.count; at++)
            assert_ok(remove_node(&root, d, seen.names[at], false));
        assert_ok(volume_close(&f));
        assert_ok(remove_node(&root, ROOT, "d", true));
    }
}

// Names without files behind them are passed over, wherever they are.
static void hostile_entries(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "f1a", "f2a", "z"};
    struct file_object f;
    u64 d = fill_directory(3);
    open_directory(&f, d);
    for (u32 i = 0; i < ARRAY_LEN(names); i++) {
        store_name(&root, d, names[i], 4711);
        for (u32 flags = 0; flags <= HF_LIST_ATTR; flags += HF_LIST_ATTR) {
            list_all(&f, 0, flags, 4096);
            assert_int_equal(seen.count, 5);
            list_all(&f, COOKIE_DOTS, flags, 4096);
            assert_int_equal(seen.count, 3);
            list_all(&f, COOKIE_DOTS, flags, 200); // one at a time
            assert_int_equal(seen.count, 3);
        }
    }
    for (u32 i = 0; i < 3; i++) {
        assert_ok(remove_node(&root, d, (char[]){'f', (char)('0' + i), 0}, false));
        list_all(&f, COOKIE_DOTS, i % 2 ? HF_LIST_ATTR : 0, i ? 4096 : 200);
        assert_int_equal(seen.count, 2 - i);
    }
    assert_ok(volume_close(&f));
}

// An inode that cannot be read ends an answer and is the next one's status, as soon as somebody needs it.
static void a_damaged_inode(void **state)
{
    (void)state;
    struct file_object f;
    struct txn *t;
    struct key key;
    u8 out[4096];
    u64 done, cookie, d = fill_directory(5);
    key_begin(&key, id_of(&root, d, "f2"), KIND_INODE);
    assert_ok(txn_begin(store_of(&root), TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, "short", 5)));
    open_directory(&f, d);
    assert_ok(list(&f, COOKIE_DOTS, HF_LIST_ATTR, out, sizeof out, &done));
    const struct hf_node_entry *e = (const struct hf_node_entry *)(const void *)out;
    assert_string_equal(e->name, "f0");
    e = (const struct hf_node_entry *)(const void *)(out + e->next);
    assert_string_equal(e->name, "f1");
    assert_int_equal(e->next, 0);
    cookie = e->cookie;
    assert_status(list(&f, cookie, HF_LIST_ATTR, out, sizeof out, &done), STATUS_FILE_CORRUPT_ERROR);
    assert_int_equal(done, 0);
    assert_ok(list(&f, cookie, 0, out, sizeof out, &done)); // the entry says it all
    e = (const struct hf_node_entry *)(const void *)out;
    assert_string_equal(e->name, "f2");
    assert_int_equal(e->attr.mode, S_IFREG);
    assert_ok(volume_close(&f));
}

static u32 type_of(const char *name)
{
    for (u32 i = 0; i < seen.count; i++)
        if (strcmp(seen.names[i], name) == 0)
            return seen.types[i];
    return 0;
}

static nt_status set_raw(u64 id, const u8 *buffer, u32 length)
{
    struct file_object f;
    assert_ok(open_node(&root, &f, id, FILE_WRITE_ATTRIBUTES | FILE_WRITE_DATA));
    nt_status status = volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, buffer, length, NULL, 0, NULL);
    assert_ok(volume_close(&f));
    return status;
}

static nt_status delete_raw(u64 id, const u8 head[8])
{
    struct file_object f;
    assert_ok(open_node(&root, &f, id, FILE_WRITE_ATTRIBUTES | FILE_WRITE_DATA));
    nt_status status = volume_fsctl(&f, FSCTL_DELETE_REPARSE_POINT, head, 8, NULL, 0, NULL);
    assert_ok(volume_close(&f));
    return status;
}

static u32 junction(u8 *b)
{
    static const char target[] = "\\??\\X:\\d";
    memset(b, 0, 64);
    put_le32(b, IO_REPARSE_TAG_MOUNT_POINT);
    put_le16(b + 4, 8 + 2 * (sizeof target - 1) + 4);
    put_le16(b + 10, 2 * (sizeof target - 1));
    put_le16(b + 12, 2 * (sizeof target - 1) + 2);
    for (u32 i = 0; target[i]; i++)
        b[16 + 2 * i] = (u8)target[i];
    return 16 + 2 * (sizeof target - 1) + 4;
}

static void types_of_all_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        u32 type;
    } all[] = {{"link", S_IFLNK},  {"fifo", S_IFIFO}, {"char", S_IFCHR}, {"block", S_IFBLK},
               {"sock", S_IFSOCK}, {"file", S_IFREG}, {"dir", S_IFDIR}};
    struct file_object f;
    u8 b[64];
    u64 d = make_node(&root, ROOT, "d", S_IFDIR);
    for (u32 i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].type == S_IFLNK)
            make_symlink(&root, d, all[i].name, "there");
        else
            make_node(&root, d, all[i].name, all[i].type | 0600);
    // What the other door made.
    volume_put(&v, "d\\windows", "text");
    volume_mkdir(&v, "d\\folder");
    volume_mkdir(&v, "d\\junction");
    assert_ok(set_raw(id_of(&root, d, "junction"), b, junction(b)));
    open_directory(&f, d);
    for (u32 flags = 0; flags <= HF_LIST_ATTR; flags += HF_LIST_ATTR) {
        list_all(&f, 0, flags, 4096);
        assert_int_equal(seen.count, 2 + 3 + ARRAY_LEN(all));
        for (u32 i = 0; i < ARRAY_LEN(all); i++)
            assert_int_equal(type_of(all[i].name), all[i].type);
        assert_int_equal(type_of("windows"), S_IFREG);
        assert_int_equal(type_of("folder"), S_IFDIR);
        assert_int_equal(type_of("junction"), S_IFLNK);
        assert_int_equal(type_of("."), S_IFDIR);
        assert_int_equal(type_of(".."), S_IFDIR);
    }
    assert_ok(volume_close(&f));
}

// A file that becomes something else after it was listed, under all its names, and a file again.
static void types_that_change(void **state)
{
    (void)state;
    static const char *const names[] = {"f", "a", "g"};
    struct file_object f;
    u8 fifo[8] = {0}, b[64];
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), e = make_node(&root, ROOT, "e", S_IFDIR);
    u64 id = make_node(&root, d, "f", S_IFREG | 0600), sub = make_node(&root, d, "sub", S_IFDIR);
    put_le32(fifo, IO_REPARSE_TAG_LX_FIFO);
    assert_ok(hard_link(&root, id, d, "a"));
    assert_ok(hard_link(&root, id, d, "g"));
    assert_ok(hard_link(&root, id, e, "elsewhere"));
    open_directory(&f, d);
    for (u32 turn = 0; turn < 3; turn++) {
        list_all(&f, 0, 0, 4096);
        assert_int_equal(type_of("sub"), S_IFDIR);
        for (u32 i = 0; i < ARRAY_LEN(names); i++)
            assert_int_equal(type_of(names[i]), S_IFREG);
        assert_ok(set_raw(id, fifo, sizeof fifo));
        assert_ok(set_raw(sub, b, junction(b)));
        list_all(&f, 0, 0, 4096);
        assert_int_equal(type_of("sub"), S_IFLNK);
        for (u32 i = 0; i < ARRAY_LEN(names); i++)
            assert_int_equal(type_of(names[i]), S_IFIFO);
        // A name that it gets, or that moves, while it is one.
        assert_ok(rename_node(&root, e, "elsewhere", d, "moved", 0));
        list_all(&f, 0, 0, 4096);
        assert_int_equal(type_of("moved"), S_IFIFO);
        assert_ok(rename_node(&root, d, "moved", e, "elsewhere", 0));
        assert_ok(delete_raw(id, fifo));
        put_le16(b + 4, 0);
        assert_ok(delete_raw(sub, b));
    }
    // With one name again, that moved, the entry says what it is, and is changed once more.
    assert_ok(remove_node(&root, d, "a", false));
    assert_ok(remove_node(&root, d, "g", false));
    assert_ok(remove_node(&root, e, "elsewhere", false));
    assert_ok(rename_node(&root, d, "f", d, "h", 0));
    list_all(&f, 0, 0, 4096);
    assert_int_equal(type_of("h"), S_IFREG);
    assert_ok(set_raw(id, fifo, sizeof fifo));
    list_all(&f, 0, 0, 4096);
    assert_int_equal(type_of("h"), S_IFIFO);
    assert_ok(volume_close(&f));
}

// Two names that change places take their types along.
static void types_that_change_places(void **state)
{
    (void)state;
    struct file_object f;
    u64 d = make_node(&root, ROOT, "d", S_IFDIR);
    make_symlink(&root, d, "a", "there");
    make_node(&root, d, "b", S_IFREG | 0600);
    make_node(&root, d, "c", S_IFDIR);
    open_directory(&f, d);
    assert_ok(rename_node(&root, d, "a", d, "b", HF_RENAME_EXCHANGE));
    assert_ok(rename_node(&root, d, "a", d, "c", HF_RENAME_EXCHANGE));
    list_all(&f, 0, 0, 4096);
    assert_int_equal(type_of("a"), S_IFDIR);
    assert_int_equal(type_of("b"), S_IFLNK);
    assert_int_equal(type_of("c"), S_IFREG);
    assert_ok(volume_close(&f));
}

// Renaming what was listed does not make it come again and again.
static void renaming_what_was_listed(void **state)
{
    (void)state;
    struct file_object f;
    char name[40];
    u64 cookie = 0, d = fill_directory(5);
    u32 turns = 0;
    open_directory(&f, d);
    for (;;) {
        seen.count = 0;
        if (!list_on(&f, &cookie, 0, 65536))
            break;
        for (u32 i = 0; i < seen.count; i++) {
            if (seen.names[i][0] == '.')
                continue;
            snprintf(name, sizeof name, "a%s", seen.names[i]);
            assert_ok(rename_node(&root, d, seen.names[i], d, name, 0));
        }
        assert_true(++turns < 3);
    }
    assert_ok(volume_close(&f));
}

// On a handle that knows nothing of an entry that has gone, nothing is missed.
static void a_cookie_that_nobody_knows(void **state)
{
    (void)state;
    struct file_object f, g;
    u64 d = fill_directory(20);
    open_directory(&f, d);
    list_all(&f, 0, 0, 4096);
    u64 cookie = seen.cookies[9];
    assert_ok(remove_node(&root, d, seen.names[9], false));
    open_directory(&g, d);
    list_all(&g, cookie, 0, 4096);
    assert_int_equal(seen.count, 19);
    list_all(&g, UINT64_MAX, 0, 4096);
    assert_int_equal(seen.count, 19);
    list_all(&f, cookie, 0, 4096); // this one knows
    assert_true(seen.count < 20);
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&g));
}

static void who_may_list(void **state)
{
    (void)state;
    struct file_object f;
    u8 out[512];
    u64 done, id = make_node(&root, ROOT, "f", S_IFREG);
    assert_ok(open_node(&root, &f, id, FILE_READ_DATA));
    assert_status(list(&f, 0, 0, out, sizeof out, &done), STATUS_NOT_A_DIRECTORY);
    assert_ok(volume_close(&f));
    assert_ok(open_node(&root, &f, ROOT, FILE_READ_ATTRIBUTES));
    assert_status(list(&f, 0, 0, out, sizeof out, &done), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_once, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(root_has_dots, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(cookies_of_another_handle, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(deleting_what_was_listed, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(deleting_where_it_goes_on, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(going_back_to_what_has_gone, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(hostile_entries, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_inode, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(types_of_all_kinds, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(types_that_change, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(types_that_change_places, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(renaming_what_was_listed, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(a_cookie_that_nobody_knows, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(who_may_list, node_setup, node_teardown),
    };
    return cmocka_run_group_tests_name("fs/node_list", tests, NULL, NULL);
}
