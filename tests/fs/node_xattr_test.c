// SPDX-License-Identifier: Apache-2.0
// Extended attributes by number: flags, lengths, and the file's change time.
#include "tests/fs/node.h"

static nt_status xattr_op(enum irp_minor minor, u64 id, const char *name, void *data, size_t length,
                          u32 flags, u64 *done)
{
    struct irp_node n = {.id = id, .name = node_text(name), .in = data, .length = length, .flags = flags};
    if (minor == IRP_MN_XATTR_GET || minor == IRP_MN_XATTR_LIST)
        n.out = data;
    return node_send(&root, minor, &n, done);
}

static nt_status put(u64 id, const char *name, const char *value, u32 flags)
{
    return xattr_op(IRP_MN_XATTR_SET, id, name, (void *)(uintptr_t)value, strlen(value), flags, NULL);
}

static void set_get_list_remove(void **state)
{
    (void)state;
    char out[64];
    u64 done, id = make_node(&root, ROOT, "f", S_IFREG);
    struct hf_attr before = {.changed = {5, 0, 0}};
    assert_ok(set(&root, id, HF_ATTR_CHANGED, &before));
    assert_status(xattr_op(IRP_MN_XATTR_GET, id, "user.a", out, sizeof out, 0, &done),
                  STATUS_NONEXISTENT_EA_ENTRY);
    assert_status(put(id, "user.a", "x", HF_XATTR_REPLACE), STATUS_NONEXISTENT_EA_ENTRY);
    assert_int_equal(attr_of(&root, id).changed.seconds, 5);
    assert_ok(put(id, "user.a", "first", HF_XATTR_CREATE));
    assert_true(attr_of(&root, id).changed.seconds > 5);
    assert_status(put(id, "user.a", "x", HF_XATTR_CREATE), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(put(id, "user.a", "second", HF_XATTR_REPLACE));
    assert_ok(put(id, "trusted.b", "", 0));
    assert_ok(xattr_op(IRP_MN_XATTR_GET, id, "user.a", out, sizeof out, 0, &done));
    assert_int_equal(done, 6);
    assert_memory_equal(out, "second", 6);
    assert_ok(xattr_op(IRP_MN_XATTR_GET, id, "user.a", NULL, 0, 0, &done));
    assert_int_equal(done, 6);
    assert_status(xattr_op(IRP_MN_XATTR_GET, id, "user.a", out, 5, 0, &done), STATUS_BUFFER_TOO_SMALL);
    assert_ok(xattr_op(IRP_MN_XATTR_GET, id, "trusted.b", out, sizeof out, 0, &done));
    assert_int_equal(done, 0);
    assert_ok(xattr_op(IRP_MN_XATTR_LIST, id, "", out, sizeof out, 0, &done));
    assert_int_equal(done, 17);
    assert_memory_equal(out, "trusted.b\0user.a", 17);
    assert_ok(xattr_op(IRP_MN_XATTR_LIST, id, "", NULL, 0, 0, &done));
    assert_int_equal(done, 17);
    assert_status(xattr_op(IRP_MN_XATTR_LIST, id, "", out, 16, 0, &done), STATUS_BUFFER_TOO_SMALL);
    assert_ok(xattr_op(IRP_MN_XATTR_REMOVE, id, "user.a", NULL, 0, 0, NULL));
    assert_status(xattr_op(IRP_MN_XATTR_REMOVE, id, "user.a", NULL, 0, 0, NULL), STATUS_NONEXISTENT_EA_ENTRY);
}

static void limits(void **state)
{
    (void)state;
    static char big[HF_XATTR_SIZE_MAX + 1], out[HF_XATTR_SIZE_MAX];
    char name[HF_XATTR_NAME_MAX + 2];
    u64 done, id = make_node(&root, ROOT, "d", S_IFDIR);
    memset(big, 'v', sizeof big);
    memset(name, 'n', sizeof name);
    name[HF_XATTR_NAME_MAX] = 0;
    assert_ok(xattr_op(IRP_MN_XATTR_SET, id, name, big, HF_XATTR_SIZE_MAX, 0, NULL));
    assert_ok(xattr_op(IRP_MN_XATTR_GET, id, name, out, sizeof out, 0, &done));
    assert_int_equal(done, HF_XATTR_SIZE_MAX);
    assert_memory_equal(out, big, sizeof out);
    assert_status(xattr_op(IRP_MN_XATTR_SET, id, name, big, sizeof big, 0, NULL), STATUS_EA_TOO_LARGE);
    assert_status(xattr_op(IRP_MN_XATTR_SET, id, name, big, 1ull << 32, 0, NULL), STATUS_EA_TOO_LARGE);
    name[HF_XATTR_NAME_MAX] = 'n';
    name[HF_XATTR_NAME_MAX + 1] = 0;
    assert_status(put(id, name, "x", 0), STATUS_INVALID_PARAMETER);
    assert_status(put(id, "", "x", 0), STATUS_INVALID_PARAMETER);
    assert_status(put(4711, "user.a", "x", 0), STATUS_FILE_INVALID);
    assert_status(xattr_op(IRP_MN_XATTR_LIST, 4711, "", NULL, 0, 0, &done), STATUS_FILE_INVALID);
}

// The names of one file must fit into what Linux lets a caller list.
static void too_many_names(void **state)
{
    (void)state;
    char name[HF_XATTR_NAME_MAX + 1];
    u64 done, id = make_node(&root, ROOT, "f", S_IFREG);
    for (u32 i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "%0255u", i);
        assert_ok(put(id, name, "", 0));
    }
    assert_status(put(id, "x", "", 0), STATUS_EA_TOO_LARGE);
    assert_ok(put(id, name, "new", 0)); // this one has its place
    assert_ok(xattr_op(IRP_MN_XATTR_LIST, id, "", NULL, 0, 0, &done));
    assert_int_equal(done, HF_XATTR_LIST_MAX);
    // To the byte, with the one that ends a name.
    assert_ok(xattr_op(IRP_MN_XATTR_REMOVE, id, name, NULL, 0, 0, NULL));
    name[100] = 0;
    assert_ok(put(id, name, "", 0));
    memset(name, 'x', 155);
    name[155] = 0;
    assert_status(put(id, name, "", 0), STATUS_EA_TOO_LARGE);
    assert_ok(put(id, name + 1, "", 0));
    assert_ok(remove_node(&root, ROOT, "f", false));
}

static void with_the_file_open_and_deleted(void **state)
{
    (void)state;
    struct file_object f;
    char out[8];
    u64 done, id = make_node(&root, ROOT, "f", S_IFREG);
    assert_ok(open_node(&root, &f, id, FILE_READ_DATA));
    assert_ok(remove_node(&root, ROOT, "f", false));
    assert_ok(put(id, "user.a", "x", 0));
    assert_ok(xattr_op(IRP_MN_XATTR_GET, id, "user.a", out, sizeof out, 0, &done));
    assert_ok(volume_close(&f));
    assert_status(xattr_op(IRP_MN_XATTR_GET, id, "user.a", out, sizeof out, 0, &done), STATUS_FILE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(set_get_list_remove, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(limits, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(too_many_names, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(with_the_file_open_and_deleted, node_setup, node_teardown),
    };
    return cmocka_run_group_tests_name("fs/node_xattr", tests, NULL, NULL);
}
