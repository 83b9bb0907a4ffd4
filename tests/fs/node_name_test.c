// SPDX-License-Identifier: Apache-2.0
// Names that POSIX callers change: link, unlink, rename with what it replaces and exchanges.
#include "tests/fs/node.h"

static void links_count(void **state)
{
    (void)state;
    struct hf_attr attr;
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), f = make_node(&root, ROOT, "f", S_IFREG | 0600);
    assert_ok(hard_link(&root, f, d, "g"));
    attr = attr_of(&root, f);
    assert_int_equal(attr.links, 2);
    assert_int_equal(id_of(&root, d, "g"), f);
    assert_status(hard_link(&root, f, d, "g"), STATUS_OBJECT_NAME_COLLISION);
    assert_status(hard_link(&root, d, ROOT, "e"), STATUS_NOT_SUPPORTED);
    assert_status(hard_link(&root, f, f, "e"), STATUS_NOT_A_DIRECTORY);
    assert_status(hard_link(&root, 4711, d, "e"), STATUS_FILE_INVALID);
    assert_ok(remove_node(&root, ROOT, "f", false));
    assert_int_equal(attr_of(&root, f).links, 1);
    assert_ok(remove_node(&root, d, "g", false));
    assert_status(get(&root, f, &attr), STATUS_FILE_INVALID);
}

static void symbolic_links_have_names_too(void **state)
{
    (void)state;
    char target[64];
    u64 l = make_symlink(&root, ROOT, "l", "some/where");
    assert_ok(hard_link(&root, l, ROOT, "m"));
    assert_ok(remove_node(&root, ROOT, "l", false));
    assert_ok(read_link(&root, id_of(&root, ROOT, "m"), target, sizeof target));
    assert_string_equal(target, "some/where");
}

static void too_many_links(void **state)
{
    (void)state;
    char name[16];
    u64 f = make_node(&root, ROOT, "f", S_IFREG);
    for (int i = 1; i < 1024; i++) {
        snprintf(name, sizeof name, "f%d", i);
        assert_ok(hard_link(&root, f, ROOT, name));
    }
    assert_status(hard_link(&root, f, ROOT, "x"), STATUS_TOO_MANY_LINKS);
}

static void unlink_and_rmdir(void **state)
{
    (void)state;
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), f = make_node(&root, d, "f", S_IFREG);
    assert_status(remove_node(&root, d, "x", false), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(remove_node(&root, f, "x", false), STATUS_NOT_A_DIRECTORY);
    assert_status(remove_node(&root, d, "f", true), STATUS_NOT_A_DIRECTORY);
    assert_status(remove_node(&root, ROOT, "d", false), STATUS_FILE_IS_A_DIRECTORY);
    assert_status(remove_node(&root, ROOT, "d", true), STATUS_DIRECTORY_NOT_EMPTY);
    assert_ok(remove_node(&root, d, "f", false));
    assert_ok(remove_node(&root, ROOT, "d", true));
    struct hf_attr attr;
    assert_status(get(&root, d, &attr), STATUS_FILE_INVALID);
    assert_false(is_stored(&root, d)); // now, not when the volume is opened again
    assert_false(is_stored(&root, f));
}

// What the other door holds without sharing deletion stays; what it only wanted to delete goes at once.
static void the_other_door(void **state)
{
    (void)state;
    struct file_object f;
    u64 id = make_node(&root, ROOT, "f", S_IFREG);
    make_node(&root, ROOT, "g", S_IFREG);
    assert_ok(volume_create(
        &v, &f, &(struct volume_create){.path = "f", .access = FILE_READ_DATA, .share = FILE_SHARE_READ}));
    assert_status(remove_node(&root, ROOT, "f", false), STATUS_SHARING_VIOLATION);
    assert_status(rename_node(&root, ROOT, "f", ROOT, "h", 0), STATUS_SHARING_VIOLATION);
    assert_status(rename_node(&root, ROOT, "g", ROOT, "f", 0), STATUS_SHARING_VIOLATION);
    assert_status(rename_node(&root, ROOT, "g", ROOT, "f", HF_RENAME_EXCHANGE), STATUS_SHARING_VIOLATION);
    struct hf_attr attr = {.size = 0};
    assert_status(set(&root, id, HF_ATTR_SIZE, &attr), STATUS_SHARING_VIOLATION);
    assert_ok(volume_close(&f));

    assert_ok(hard_link(&root, id, ROOT, "f2"));
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_delete(&f));
    assert_ok(remove_node(&root, ROOT, "f", false));
    assert_ok(volume_close(&f));
    assert_int_equal(id_of(&root, ROOT, "f2"), id); // not this one too
    assert_int_equal(attr_of(&root, id).links, 1);

    assert_ok(volume_open(&v, &f, "f2", DELETE, FILE_OPEN, 0));
    assert_ok(volume_delete(&f));
    assert_status(rename_node(&root, ROOT, "f2", ROOT, "f3", 0), STATUS_DELETE_PENDING);
    assert_status(hard_link(&root, id, ROOT, "f3"), STATUS_DELETE_PENDING);
    assert_ok(rename_node(&root, ROOT, "g", ROOT, "f2", 0));
    assert_ok(volume_close(&f));
    assert_status(get(&root, id, &attr), STATUS_FILE_INVALID);
    id_of(&root, ROOT, "f2");
}

static void moves(void **state)
{
    (void)state;
    struct hf_attr attr;
    u64 a = make_node(&root, ROOT, "a", S_IFDIR), b = make_node(&root, a, "b", S_IFDIR);
    u64 f = make_node(&root, a, "f", S_IFREG | 0600);
    assert_ok(rename_node(&root, a, "f", b, "g", 0));
    assert_status(find(&root, a, "f", &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(id_of(&root, b, "g"), f);
    struct hf_attr pa = attr_of(&root, a), pb = attr_of(&root, b);
    attr = attr_of(&root, f);
    assert_memory_equal(&pa.written, &attr.changed, sizeof pa.written);
    assert_memory_equal(&pb.changed, &attr.changed, sizeof pa.written);
    assert_ok(rename_node(&root, a, "b", ROOT, "b", 0));
    assert_int_equal(id_of(&root, b, ".."), ROOT);
    assert_ok(rename_node(&root, ROOT, "b", ROOT, "c", 0));
    assert_ok(rename_node(&root, ROOT, "c", ROOT, "c", 0));
    assert_int_equal(id_of(&root, ROOT, "c"), b);
    assert_status(rename_node(&root, ROOT, "x", ROOT, "y", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(rename_node(&root, ROOT, "c", f, "y", 0), STATUS_NOT_A_DIRECTORY);
    assert_status(rename_node(&root, ROOT, "c", 4711, "y", 0), STATUS_FILE_INVALID);
    assert_status(rename_node(&root, ROOT, "c", ROOT, "y", 4), STATUS_INVALID_PARAMETER);
    assert_status(rename_node(&root, ROOT, "c", ROOT, "y", 3), STATUS_INVALID_PARAMETER);
}

static void nothing_goes_below_itself(void **state)
{
    (void)state;
    u64 a = make_node(&root, ROOT, "a", S_IFDIR), b = make_node(&root, a, "b", S_IFDIR);
    u64 c = make_node(&root, b, "c", S_IFDIR);
    assert_status(rename_node(&root, ROOT, "a", a, "x", 0), STATUS_INVALID_PARAMETER);
    assert_status(rename_node(&root, ROOT, "a", c, "x", 0), STATUS_INVALID_PARAMETER);
    assert_status(rename_node(&root, ROOT, "a", b, "c", HF_RENAME_EXCHANGE), STATUS_INVALID_PARAMETER);
    assert_status(rename_node(&root, b, "c", ROOT, "a", HF_RENAME_EXCHANGE), STATUS_INVALID_PARAMETER);
    assert_status(rename_node(&root, b, "c", ROOT, "a", 0), STATUS_DIRECTORY_NOT_EMPTY);
    assert_int_equal(id_of(&root, c, ".."), b);
}

static void what_a_rename_replaces(void **state)
{
    (void)state;
    struct file_object f;
    struct hf_attr attr;
    char data[8];
    u64 done, a = make_node(&root, ROOT, "a", S_IFREG), b = make_node(&root, ROOT, "b", S_IFREG);
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), e = make_node(&root, ROOT, "e", S_IFDIR);
    make_node(&root, e, "in", S_IFREG);
    assert_status(rename_node(&root, ROOT, "a", ROOT, "b", HF_RENAME_NOREPLACE),
                  STATUS_OBJECT_NAME_COLLISION);
    assert_status(rename_node(&root, ROOT, "a", ROOT, "a", HF_RENAME_NOREPLACE),
                  STATUS_OBJECT_NAME_COLLISION);
    assert_status(rename_node(&root, ROOT, "a", ROOT, "d", 0), STATUS_FILE_IS_A_DIRECTORY);
    assert_status(rename_node(&root, ROOT, "d", ROOT, "a", 0), STATUS_NOT_A_DIRECTORY);
    assert_status(rename_node(&root, ROOT, "d", ROOT, "e", 0), STATUS_DIRECTORY_NOT_EMPTY);
    assert_ok(open_node(&root, &f, b, FILE_READ_DATA | FILE_WRITE_DATA));
    assert_ok(volume_write(&f, 0, "old", 3));
    assert_ok(rename_node(&root, ROOT, "a", ROOT, "b", 0));
    assert_int_equal(id_of(&root, ROOT, "b"), a);
    assert_int_equal(attr_of(&root, b).links, 0);
    assert_ok(volume_read(&f, 0, data, sizeof data, &done)); // its holder still has it
    assert_int_equal(done, 3);
    assert_ok(volume_close(&f));
    assert_status(get(&root, b, &attr), STATUS_FILE_INVALID);
    assert_false(is_stored(&root, b));
    assert_ok(rename_node(&root, ROOT, "e", ROOT, "d", 0)); // an empty directory is replaced
    assert_status(get(&root, d, &attr), STATUS_FILE_INVALID);
    assert_false(is_stored(&root, d));
    assert_int_equal(id_of(&root, ROOT, "d"), e);
    id_of(&root, e, "in");
}

// The other door was to delete the name that a rename gives to another file: that is done, and no other name
// of the file goes in its place.
static void a_deletion_that_a_rename_did(void **state)
{
    (void)state;
    struct file_object f;
    u64 a = make_node(&root, ROOT, "a", S_IFREG), b = make_node(&root, ROOT, "b", S_IFREG);
    assert_ok(hard_link(&root, b, ROOT, "c"));
    assert_ok(volume_open(&v, &f, "b", DELETE, FILE_OPEN, 0));
    assert_ok(volume_delete(&f));
    assert_ok(rename_node(&root, ROOT, "a", ROOT, "b", 0));
    assert_ok(volume_close(&f));
    assert_int_equal(id_of(&root, ROOT, "b"), a);
    assert_int_equal(id_of(&root, ROOT, "c"), b);
    assert_int_equal(attr_of(&root, b).links, 1);

    assert_ok(volume_open(&v, &f, "c", DELETE, FILE_OPEN, 0));
    assert_ok(volume_delete(&f));
    assert_status(rename_node(&root, ROOT, "b", ROOT, "c", HF_RENAME_EXCHANGE), STATUS_DELETE_PENDING);
    assert_status(rename_node(&root, ROOT, "c", ROOT, "b", HF_RENAME_EXCHANGE), STATUS_DELETE_PENDING);
    assert_ok(volume_close(&f));
    assert_false(is_stored(&root, b));
}

// Directories that take nothing in.
static void no_place_to_go(void **state)
{
    (void)state;
    struct file_object f;
    u64 d = make_node(&root, ROOT, "d", S_IFDIR);
    make_node(&root, ROOT, "a", S_IFREG);
    assert_ok(open_node(&root, &f, d, DELETE | FILE_READ_DATA));
    assert_ok(volume_delete(&f));
    assert_status(rename_node(&root, ROOT, "a", d, "a", 0), STATUS_DELETE_PENDING);
    assert_status(hard_link(&root, id_of(&root, ROOT, "a"), d, "a"), STATUS_DELETE_PENDING);
    assert_ok(remove_node(&root, ROOT, "d", true));
    assert_int_equal(attr_of(&root, d).links, 0);
    assert_status(rename_node(&root, ROOT, "a", d, "a", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(hard_link(&root, id_of(&root, ROOT, "a"), d, "a"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(rename_node(&root, d, "a", ROOT, "b", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(volume_close(&f));
    assert_false(is_stored(&root, d));
}

// Times of what an exchange moves, and of directories that somebody has open.
static void times_of_a_rename(void **state)
{
    (void)state;
    struct file_object from, to;
    struct hf_attr old = {.changed = {5, 0, 0}, .written = {5, 0, 0}};
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), e = make_node(&root, ROOT, "e", S_IFDIR);
    u64 a = make_node(&root, d, "a", S_IFREG), b = make_node(&root, e, "b", S_IFREG);
    assert_ok(open_node(&root, &from, d, FILE_LIST_DIRECTORY));
    assert_ok(open_node(&root, &to, e, FILE_LIST_DIRECTORY));
    for (u32 flags = 0; flags <= HF_RENAME_EXCHANGE; flags += HF_RENAME_EXCHANGE) {
        u64 all[] = {d, e, a, b};
        for (u32 i = 0; i < ARRAY_LEN(all); i++)
            assert_ok(set(&root, all[i], HF_ATTR_CHANGED | HF_ATTR_WRITTEN, (struct hf_attr[]){old}));
        assert_ok(rename_node(&root, d, "a", e, flags ? "b" : "c", flags));
        for (u32 i = 0; i < 3; i++)
            assert_true(attr_of(&root, all[i]).changed.seconds > 5);
        assert_true(attr_of(&root, d).written.seconds > 5);
        assert_true(attr_of(&root, e).written.seconds > 5);
        assert_int_equal(attr_of(&root, a).written.seconds, 5);
        assert_int_equal(attr_of(&root, b).changed.seconds > 5, flags != 0);
        if (!flags)
            assert_ok(rename_node(&root, e, "c", d, "a", 0));
    }
    assert_ok(volume_close(&from));
    assert_ok(volume_close(&to));
}

static void names_of_one_file(void **state)
{
    (void)state;
    u64 f = make_node(&root, ROOT, "f", S_IFREG);
    assert_ok(hard_link(&root, f, ROOT, "g"));
    assert_ok(rename_node(&root, ROOT, "f", ROOT, "g", 0)); // nothing happens, as POSIX says
    assert_ok(rename_node(&root, ROOT, "f", ROOT, "g", HF_RENAME_EXCHANGE));
    assert_int_equal(id_of(&root, ROOT, "f"), f);
    assert_int_equal(attr_of(&root, f).links, 2);
}

static void exchange(void **state)
{
    (void)state;
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), e = make_node(&root, d, "e", S_IFDIR);
    u64 f = make_node(&root, ROOT, "f", S_IFREG), in = make_node(&root, e, "in", S_IFREG);
    assert_status(rename_node(&root, ROOT, "f", ROOT, "x", HF_RENAME_EXCHANGE), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(rename_node(&root, ROOT, "f", d, "e", HF_RENAME_EXCHANGE));
    assert_int_equal(id_of(&root, ROOT, "f"), e);
    assert_int_equal(id_of(&root, d, "e"), f);
    assert_int_equal(id_of(&root, e, "in"), in);
    assert_int_equal(id_of(&root, e, ".."), ROOT);
    assert_ok(rename_node(&root, ROOT, "f", ROOT, "d", HF_RENAME_EXCHANGE));
    assert_int_equal(id_of(&root, ROOT, "d"), e);
    assert_int_equal(attr_of(&root, f).links, 1);
}

static void directories_that_are_open(void **state)
{
    (void)state;
    struct file_object f;
    u8 out[1024];
    u64 done, d = make_node(&root, ROOT, "d", S_IFDIR);
    assert_ok(open_node(&root, &f, d, FILE_READ_DATA));
    assert_ok(remove_node(&root, ROOT, "d", true));
    assert_ok(list(&f, 0, 0, out, sizeof out, &done));
    assert_int_equal(done, 0);
    assert_ok(volume_close(&f));
}

// On a volume that folds case a name can be spelled anew, and there is only one of it.
static void spelling(void **state)
{
    (void)state;
    struct volume w;
    struct file_object r;
    struct hf_attr attr;
    char path[16];
    volume_new(&w, NULL);
    node_root(&w, &r);
    u64 f = make_node(&r, ROOT, "Name", S_IFREG), g = make_node(&r, ROOT, "other", S_IFREG);
    assert_int_equal(id_of(&r, ROOT, "NAME"), f);
    assert_ok(rename_node(&r, ROOT, "name", ROOT, "NAME", HF_RENAME_NOREPLACE));
    struct irp_node n = {.id = f, .out = path, .length = sizeof path};
    assert_ok(node_send(&r, IRP_MN_NODE_PATH, &n, NULL));
    assert_string_equal(path, "/NAME");
    assert_int_equal(attr_of(&r, f).links, 1);
    assert_ok(rename_node(&r, ROOT, "OTHER", ROOT, "nAmE", 0));
    assert_status(get(&r, f, &attr), STATUS_FILE_INVALID);
    n.id = g;
    assert_ok(node_send(&r, IRP_MN_NODE_PATH, &n, NULL));
    assert_string_equal(path, "/nAmE");
    assert_ok(volume_close(&r));
    volume_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(links_count, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(symbolic_links_have_names_too, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(too_many_links, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(unlink_and_rmdir, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(the_other_door, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(moves, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(nothing_goes_below_itself, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(what_a_rename_replaces, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(a_deletion_that_a_rename_did, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(no_place_to_go, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(times_of_a_rename, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(names_of_one_file, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(exchange, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(directories_that_are_open, node_setup, node_teardown),
        cmocka_unit_test(spelling),
    };
    return cmocka_run_group_tests_name("fs/node_name", tests, NULL, NULL);
}
