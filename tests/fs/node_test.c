// SPDX-License-Identifier: Apache-2.0
// POSIX callers: find, get, set and path by number, and what both doors show of one file.
#include "tests/fs/node.h"

static void names_are_found(void **state)
{
    (void)state;
    struct hf_attr attr;
    u64 d = make_node(&root, ROOT, "d", S_IFDIR | 0750), f = make_node(&root, d, "f", S_IFREG | 0640);
    assert_ok(find(&root, ROOT, "d", &attr));
    assert_int_equal(attr.id, d);
    assert_int_equal(attr.mode, S_IFDIR | 0750);
    assert_int_equal(attr.links, 1);
    assert_ok(find(&root, d, "f", &attr));
    assert_int_equal(attr.id, f);
    assert_int_equal(attr.mode, S_IFREG | 0640);
    assert_int_equal(id_of(&root, d, "."), d);
    assert_int_equal(id_of(&root, d, ".."), ROOT);
    assert_int_equal(id_of(&root, ROOT, ".."), ROOT);
    assert_status(find(&root, d, "F", &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(find(&root, f, "x", &attr), STATUS_NOT_A_DIRECTORY);
    assert_status(find(&root, f, "..", &attr), STATUS_NOT_A_DIRECTORY);
    assert_status(find(&root, 12345, "x", &attr), STATUS_FILE_INVALID);
    assert_status(find(&root, 0, "x", &attr), STATUS_FILE_INVALID);
    assert_status(get(&root, 12345, &attr), STATUS_FILE_INVALID);
    assert_status(find(&root, ROOT, "", &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(find(&root, ROOT, "a/b", &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(find(&root, ROOT, "a\xff", &attr), STATUS_OBJECT_NAME_INVALID);
}

static void names_have_255_bytes(void **state)
{
    (void)state;
    char name[257];
    struct hf_attr attr;
    struct hf_node_new what = {.mode = S_IFREG};
    memset(name, 'x', sizeof name);
    name[255] = 0;
    make_node(&root, ROOT, name, S_IFREG);
    assert_ok(find(&root, ROOT, name, &attr));
    name[255] = 'x';
    name[256] = 0;
    assert_status(create(&root, ROOT, name, &what, &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(find(&root, ROOT, name, &attr), STATUS_OBJECT_NAME_INVALID);
    // Bytes count, not what Windows would count.
    for (u32 i = 0; i < 85; i++)
        memcpy(name + 3 * i, "\xe2\x82\xac", 4);
    assert_ok(create(&root, ROOT, name, &what, &attr));
    assert_ok(find(&root, ROOT, name, &attr));
    memcpy(name + 255, "x", 2);
    assert_status(create(&root, ROOT, name, &what, &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(find(&root, ROOT, name, &attr), STATUS_OBJECT_NAME_INVALID);
}

static void files_of_the_other_door_have_no_mode(void **state)
{
    (void)state;
    struct hf_attr attr;
    volume_put(&v, "w", "hello");
    assert_ok(find(&root, ROOT, "w", &attr));
    assert_int_equal(attr.mode, S_IFREG | HF_MODE_UNSET);
    assert_int_equal(attr.size, 5);
    attr.uid = 7;
    assert_ok(set(&root, attr.id, HF_ATTR_UID, &attr)); // gets a mode with it
    assert_int_equal(attr.mode, S_IFREG | 0644);
    assert_int_equal(attr.uid, 7);
    volume_mkdir(&v, "wd");
    assert_ok(find(&root, ROOT, "wd", &attr));
    assert_int_equal(attr.mode, S_IFDIR | HF_MODE_UNSET);
    assert_ok(set(&root, attr.id, HF_ATTR_KILL, &attr));
    assert_int_equal(attr.mode, S_IFDIR | HF_MODE_UNSET);
    attr.mode = 01777;
    assert_ok(set(&root, attr.id, HF_ATTR_MODE, &attr));
    assert_int_equal(attr.mode, S_IFDIR | 01777);
    volume_mkdir(&v, "wd2");
    assert_ok(find(&root, ROOT, "wd2", &attr));
    attr.gid = 8;
    assert_ok(set(&root, attr.id, HF_ATTR_GID, &attr));
    assert_int_equal(attr.mode, S_IFDIR | 0755);
    assert_int_equal(attr.gid, 8);
    // An owner without a mode, which nobody writes, is none.
    volume_put(&v, "w2", "");
    struct inode inode = stored_inode(&root, id_of(&root, ROOT, "w2"));
    inode.uid = inode.gid = 9;
    store_inode(&root, &inode);
    attr = attr_of(&root, inode.id);
    assert_int_equal(attr.uid, 0);
    assert_int_equal(attr.gid, 0);
    attr.uid = 7;
    assert_ok(set(&root, inode.id, HF_ATTR_UID, &attr));
    assert_int_equal(attr.uid, 7);
    assert_int_equal(attr.gid, 0);
}

static void modes_owners_and_kill(void **state)
{
    (void)state;
    u64 f = make_node(&root, ROOT, "f", S_IFREG | 0600);
    struct hf_attr attr = {.mode = S_IFDIR | 06755, .uid = 1000, .gid = 100};
    assert_ok(set(&root, f, HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_GID, &attr));
    assert_int_equal(attr.mode, S_IFREG | 06755); // the type stays
    assert_int_equal(attr.uid, 1000);
    assert_int_equal(attr.gid, 100);
    assert_ok(set(&root, f, HF_ATTR_KILL, &attr));
    assert_int_equal(attr.mode, S_IFREG | 0755);
    attr.mode = 06745;
    assert_ok(set(&root, f, HF_ATTR_MODE | HF_ATTR_KILL, &attr));
    assert_int_equal(attr.mode, S_IFREG | 02745); // the group does not execute: locking, not privilege
    struct hf_attr again = attr_of(&root, f);
    assert_int_equal(again.mode, attr.mode);
    assert_int_equal(again.uid, 1000);
    u64 d = make_node(&root, ROOT, "d", S_IFDIR | 02775);
    assert_ok(set(&root, d, HF_ATTR_KILL, &attr));
    assert_int_equal(attr.mode, S_IFDIR | 02775); // of a directory it says who gets what is made in it
}

static void times_have_nanoseconds(void **state)
{
    (void)state;
    u64 f = make_node(&root, ROOT, "f", S_IFREG | 0600);
    struct hf_attr before = attr_of(&root, f), attr = {.accessed = {-5, 999999999, 0},
                                                       .written = {1700000000, 123456789, 0},
                                                       .created = {0, 1, 0}};
    assert_ok(set(&root, f, HF_ATTR_ACCESSED | HF_ATTR_WRITTEN | HF_ATTR_CREATED, &attr));
    assert_int_equal(attr.accessed.seconds, -5);
    assert_int_equal(attr.accessed.nanoseconds, 999999999);
    attr = attr_of(&root, f);
    assert_int_equal(attr.written.seconds, 1700000000);
    assert_int_equal(attr.written.nanoseconds, 123456789);
    assert_int_equal(attr.created.seconds, 0);
    assert_int_equal(attr.created.nanoseconds, 1);
    assert_true(attr.changed.seconds > before.changed.seconds ||
                (attr.changed.seconds == before.changed.seconds &&
                 attr.changed.nanoseconds >= before.changed.nanoseconds));
    attr.changed = (struct hf_time){77, 77, 0};
    assert_ok(set(&root, f, HF_ATTR_CHANGED, &attr));
    assert_int_equal(attr_of(&root, f).changed.nanoseconds, 77);
    attr.mode = 0640;
    assert_ok(set(&root, f, HF_ATTR_MODE, &attr));
    assert_true(attr.changed.seconds > 77);
    // Beyond what the volume can say: the next it can.
    attr.accessed = (struct hf_time){INT64_MIN, 5, 0};
    attr.written = (struct hf_time){INT64_MAX, 5, 0};
    assert_ok(set(&root, f, HF_ATTR_ACCESSED | HF_ATTR_WRITTEN, &attr));
    assert_int_equal(attr.accessed.seconds, -11644473600);
    assert_true(attr.written.seconds > 1800000000000);
    attr.accessed.nanoseconds = 1000000000;
    assert_status(set(&root, f, HF_ATTR_ACCESSED, &attr), STATUS_INVALID_PARAMETER);
}

static void size_goes_through_the_open_stream(void **state)
{
    (void)state;
    struct file_object f;
    u64 id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    assert_ok(open_node(&root, &f, id, FILE_READ_DATA | FILE_WRITE_DATA));
    assert_ok(volume_write(&f, 0, "0123456789", 10));
    assert_int_equal(attr_of(&root, id).size, 10);
    assert_int_equal(attr_of(&root, id).allocated, 4096);
    struct hf_attr attr = {.size = 4};
    assert_ok(set(&root, id, HF_ATTR_SIZE, &attr));
    assert_int_equal(attr.size, 4);
    assert_int_equal(attr.allocated, 4096);
    char data[16];
    u64 done;
    assert_ok(volume_read(&f, 0, data, sizeof data, &done));
    assert_int_equal(done, 4);
    attr.size = 8192;
    assert_ok(set(&root, id, HF_ATTR_SIZE, &attr));
    assert_ok(volume_close(&f));
    assert_int_equal(attr_of(&root, id).size, 8192);
    attr.size = (u64)INT64_MAX + 1;
    assert_status(set(&root, id, HF_ATTR_SIZE, &attr), STATUS_INVALID_PARAMETER);
    assert_status(set(&root, ROOT, HF_ATTR_SIZE, &attr), STATUS_FILE_IS_A_DIRECTORY);
    // Cutting is writing: the time moves, also when nothing else does.
    attr = (struct hf_attr){.written = {5, 0, 0}};
    assert_ok(set(&root, id, HF_ATTR_WRITTEN, &attr));
    attr.size = 8192;
    assert_ok(set(&root, id, HF_ATTR_SIZE, &attr));
    assert_true(attr.written.seconds > 5);
}

static void attributes_are_those_users_may_set(void **state)
{
    (void)state;
    u64 id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    struct hf_attr attr = {.attributes = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_READONLY |
                                         FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT};
    assert_ok(set(&root, id, HF_ATTR_ATTRIBUTES, &attr));
    assert_int_equal(attr.attributes, FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_READONLY);
    struct file_object f;
    assert_status(open_node(&root, &f, id, FILE_WRITE_DATA), STATUS_ACCESS_DENIED);
    attr.size = 0;
    assert_status(set(&root, id, HF_ATTR_SIZE, &attr), STATUS_ACCESS_DENIED);
    attr.attributes = 0;
    assert_ok(set(&root, id, HF_ATTR_ATTRIBUTES, &attr));
    assert_int_equal(attr.attributes, FILE_ATTRIBUTE_NORMAL);
    attr.attributes = FILE_ATTRIBUTE_TEMPORARY;
    assert_status(set(&root, ROOT, HF_ATTR_ATTRIBUTES, &attr), STATUS_INVALID_PARAMETER);
}

// The integrity bit is told by what the file has, not by what it was made with.
static void integrity_is_shown_as_it_is(void **state)
{
    (void)state;
    struct file_object f;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER info = {.ChecksumAlgorithm = CHECKSUM_TYPE_CRC32};
    u64 id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    for (u32 i = 0; i < 4; i++) {
        info.ChecksumAlgorithm = i % 2 ? CHECKSUM_TYPE_NONE : CHECKSUM_TYPE_CRC32;
        assert_ok(open_node(&root, &f, id, FILE_READ_DATA | FILE_WRITE_DATA));
        assert_ok(volume_fsctl(&f, FSCTL_SET_INTEGRITY_INFORMATION, &info, sizeof info, NULL, 0, NULL));
        if (i < 2)
            assert_ok(volume_close(&f));
        assert_int_equal(!(attr_of(&root, id).attributes & FILE_ATTRIBUTE_INTEGRITY_STREAM), i % 2);
        if (i >= 2)
            assert_ok(volume_close(&f));
    }
    struct inode inode = stored_inode(&root, id);
    inode.attributes |= FILE_ATTRIBUTE_INTEGRITY_STREAM; // and that it has none
    store_inode(&root, &inode);
    assert_false(attr_of(&root, id).attributes & FILE_ATTRIBUTE_INTEGRITY_STREAM);
}

// What lost its last name and that nobody has open is not there, though it may be on the medium for a while.
static void an_orphan_is_nothing(void **state)
{
    (void)state;
    struct hf_attr attr = {.mode = 0600};
    struct file_object f;
    char out[8];
    u64 done, id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    struct irp_node x = {.id = id, .name = STR("user.a"), .in = "x", .out = out, .length = 1};
    assert_ok(node_send(&root, IRP_MN_XATTR_SET, &x, NULL));
    struct inode inode = stored_inode(&root, id);
    inode.links = 0;
    store_inode(&root, &inode);
    assert_status(get(&root, id, &attr), STATUS_FILE_INVALID);
    assert_status(set(&root, id, HF_ATTR_MODE, &attr), STATUS_FILE_INVALID);
    assert_status(open_node(&root, &f, id, FILE_READ_DATA), STATUS_FILE_INVALID);
    assert_status(volume_open(&v, &f, "f", FILE_READ_DATA, FILE_OPEN, 0), STATUS_DELETE_PENDING);
    assert_status(read_link(&root, id, out, sizeof out), STATUS_FILE_INVALID);
    assert_status(node_send(&root, IRP_MN_XATTR_GET, &x, &done), STATUS_FILE_INVALID);
    assert_status(node_send(&root, IRP_MN_XATTR_SET, &x, NULL), STATUS_FILE_INVALID);
    assert_status(node_send(&root, IRP_MN_XATTR_LIST, &x, &done), STATUS_FILE_INVALID);
    assert_status(node_send(&root, IRP_MN_XATTR_REMOVE, &x, NULL), STATUS_FILE_INVALID);
}

// A name that leads to nothing is no name.
static void names_of_nothing(void **state)
{
    (void)state;
    struct hf_attr attr;
    store_name(&root, ROOT, "gone", 4711);
    assert_status(find(&root, ROOT, "gone", &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(remove_node(&root, ROOT, "gone", false), STATUS_FILE_INVALID);
    struct txn *t;
    assert_ok(txn_begin(store_of(&root), TXN_NORMAL, &t));
    assert_ok(txn_end(t, dirent_remove(t, ROOT, STR("gone"))));
}

static void paths(void **state)
{
    (void)state;
    char path[64];
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), f = make_node(&root, d, "f", S_IFREG);
    struct irp_node n = {.id = f, .out = path, .length = sizeof path};
    assert_ok(node_send(&root, IRP_MN_NODE_PATH, &n, NULL));
    assert_string_equal(path, "/d/f");
    n.length = 4;
    assert_status(node_send(&root, IRP_MN_NODE_PATH, &n, NULL), STATUS_BUFFER_TOO_SMALL);
    n.id = 4711;
    assert_status(node_send(&root, IRP_MN_NODE_PATH, &n, NULL), STATUS_FILE_INVALID);
}

static void a_file_without_names_stays_for_its_handles(void **state)
{
    (void)state;
    struct file_object f, g;
    struct hf_attr attr;
    u64 id = make_node(&root, ROOT, "f", S_IFREG | 0600), done;
    assert_ok(open_node(&root, &f, id, FILE_READ_DATA | FILE_WRITE_DATA));
    assert_ok(volume_write(&f, 0, "abc", 3));
    assert_ok(remove_node(&root, ROOT, "f", false));
    assert_status(find(&root, ROOT, "f", &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(attr_of(&root, id).links, 0);
    assert_ok(open_node(&root, &g, id, FILE_READ_DATA | FILE_WRITE_DATA)); // once more, by number
    assert_ok(volume_close(&f));
    assert_ok(volume_write(&g, 3, "def", 3));
    attr.mode = 0400;
    assert_ok(set(&root, id, HF_ATTR_MODE, &attr));
    assert_int_equal(attr.size, 6);
    assert_status(hard_link(&root, id, ROOT, "back"), STATUS_FILE_INVALID);
    char data[8];
    assert_ok(volume_read(&g, 0, data, sizeof data, &done));
    assert_int_equal(done, 6);
    assert_ok(volume_flush(&g));
    assert_ok(volume_close(&g));
    assert_status(get(&root, id, &attr), STATUS_FILE_INVALID);
    assert_status(open_node(&root, &g, id, FILE_READ_DATA), STATUS_FILE_INVALID);
    assert_status(set(&root, id, HF_ATTR_MODE, &attr), STATUS_FILE_INVALID);
}

// What it had goes with the last handle, not when the volume is opened again.
static void its_space_comes_back(void **state)
{
    (void)state;
    struct file_object f;
    static u8 data[1 << 20];
    FILE_FS_SIZE_INFORMATION before, between, after;
    u64 id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    assert_ok(volume_query_any(&root, IRP_MJ_QUERY_VOLUME_INFORMATION, FileFsSizeInformation, &before,
                               sizeof before, NULL));
    assert_ok(open_node(&root, &f, id, FILE_WRITE_DATA));
    assert_ok(volume_write(&f, 0, data, sizeof data));
    assert_ok(remove_node(&root, ROOT, "f", false));
    assert_ok(volume_flush(&f));
    assert_ok(volume_query_any(&root, IRP_MJ_QUERY_VOLUME_INFORMATION, FileFsSizeInformation, &between,
                               sizeof between, NULL));
    assert_true(between.AvailableAllocationUnits < before.AvailableAllocationUnits - 200);
    assert_ok(volume_close(&f));
    make_node(&root, ROOT, "g", S_IFREG);
    assert_ok(open_node(&root, &f, id_of(&root, ROOT, "g"), FILE_WRITE_DATA));
    assert_ok(volume_flush(&f)); // what was freed can be had after a commit
    assert_ok(volume_close(&f));
    assert_ok(volume_query_any(&root, IRP_MJ_QUERY_VOLUME_INFORMATION, FileFsSizeInformation, &after,
                               sizeof after, NULL));
    assert_true(after.AvailableAllocationUnits > between.AvailableAllocationUnits + 200);
}

static void wrong_requests(void **state)
{
    (void)state;
    struct file_object volume;
    struct hf_attr attr;
    struct irp_node n = {.id = ROOT, .attr = &attr};
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(get(&volume, ROOT, &attr), STATUS_INVALID_PARAMETER);
    assert_ok(volume_close(&volume));
    assert_status(node_send(&root, IRP_MN_NONE, &n, NULL), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(node_send(&root, IRP_MN_NODE_END, &n, NULL), STATUS_INVALID_DEVICE_REQUEST);
    struct irp irp = {.major = IRP_MJ_NODE, .minor = IRP_MN_NODE_GET, .p.node = &n};
    assert_status(dev_call(root.device, &irp), STATUS_INVALID_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_found, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(names_have_255_bytes, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(files_of_the_other_door_have_no_mode, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(modes_owners_and_kill, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(times_have_nanoseconds, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(size_goes_through_the_open_stream, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(attributes_are_those_users_may_set, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(integrity_is_shown_as_it_is, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(an_orphan_is_nothing, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(names_of_nothing, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(paths, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(a_file_without_names_stays_for_its_handles, node_setup,
                                        node_teardown),
        cmocka_unit_test_setup_teardown(its_space_comes_back, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(wrong_requests, node_setup, node_teardown),
    };
    return cmocka_run_group_tests_name("fs/node", tests, NULL, NULL);
}
