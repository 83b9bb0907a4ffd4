// SPDX-License-Identifier: Apache-2.0
// Nodes that POSIX callers make: what they inherit, and that all of one is there or nothing.
#include "tests/fs/node.h"

static void everything_at_once(void **state)
{
    (void)state;
    struct hf_xattr xattrs[] = {{"user.a", "1", 1}, {"system.posix_acl_access", "xyz", 3}};
    struct hf_node_new what = {
        .mode = S_IFREG | 04711, .uid = 5, .gid = 6, .xattrs = xattrs, .xattr_count = 2};
    struct hf_attr attr, again;
    char value[8];
    u64 length;
    assert_ok(create(&root, ROOT, "f", &what, &attr));
    assert_int_equal(attr.mode, S_IFREG | 04711);
    assert_int_equal(attr.uid, 5);
    assert_int_equal(attr.gid, 6);
    assert_int_equal(attr.links, 1);
    assert_int_equal(attr.size, 0);
    again = attr_of(&root, attr.id);
    assert_memory_equal(&again, &attr, sizeof attr);
    struct irp_node n = {
        .id = attr.id, .name = STR("system.posix_acl_access"), .out = value, .length = sizeof value};
    assert_ok(node_send(&root, IRP_MN_XATTR_GET, &n, &length));
    assert_int_equal(length, 3);
    assert_memory_equal(value, "xyz", 3);
    struct hf_attr parent = attr_of(&root, ROOT);
    assert_memory_equal(&parent.written, &attr.created, sizeof parent.written);
    assert_memory_equal(&parent.changed, &attr.created, sizeof parent.changed);
    volume_expect(&v, "f", "");
}

static void what_cannot_be_made(void **state)
{
    (void)state;
    static char big[HF_XATTR_SIZE_MAX + 1];
    struct hf_xattr xattrs[] = {{"user.a", "1", 1}, {"user.b", big, sizeof big}};
    struct hf_node_new what = {.mode = S_IFREG | 0600, .xattrs = xattrs, .xattr_count = 2};
    struct hf_attr attr;
    u64 f = make_node(&root, ROOT, "f", S_IFREG);
    assert_status(create(&root, ROOT, "big", &what, &attr), STATUS_EA_TOO_LARGE);
    assert_status(find(&root, ROOT, "big", &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    what.xattr_count = 0;
    assert_status(create(&root, ROOT, "f", &what, &attr), STATUS_OBJECT_NAME_COLLISION);
    assert_status(create(&root, f, "x", &what, &attr), STATUS_NOT_A_DIRECTORY);
    assert_status(create(&root, 12345, "x", &what, &attr), STATUS_FILE_INVALID);
    assert_status(create(&root, ROOT, ".", &what, &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(create(&root, ROOT, "..", &what, &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(create(&root, ROOT, "", &what, &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(create(&root, ROOT, "a/b", &what, &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(create(&root, ROOT, "\xc3\x28", &what, &attr), STATUS_OBJECT_NAME_INVALID);
    what.mode = 0600; // no type
    assert_status(create(&root, ROOT, "x", &what, &attr), STATUS_INVALID_PARAMETER);
    what.mode = S_IFLNK; // no target
    assert_status(create(&root, ROOT, "x", &what, &attr), STATUS_INVALID_PARAMETER);
    make_node(&root, ROOT, "a\\b:c*?\"<>|\x01", S_IFREG); // nothing wrong with it here
}

static void group_of_the_directory(void **state)
{
    (void)state;
    struct hf_node_new what = {.mode = S_IFDIR | 02775, .uid = 1, .gid = 50};
    struct hf_attr d, attr;
    assert_ok(create(&root, ROOT, "d", &what, &d));
    what = (struct hf_node_new){.mode = S_IFREG | 0644, .uid = 2, .gid = 60};
    assert_ok(create(&root, d.id, "f", &what, &attr));
    assert_int_equal(attr.gid, 50);
    assert_int_equal(attr.mode, S_IFREG | 0644);
    what.mode = S_IFDIR | 0755;
    assert_ok(create(&root, d.id, "s", &what, &attr));
    assert_int_equal(attr.gid, 50);
    assert_int_equal(attr.mode, S_IFDIR | 02755);
}

static void integrity_is_inherited(void **state)
{
    (void)state;
    struct file_object f;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER on = {.ChecksumAlgorithm = CHECKSUM_TYPE_CRC32};
    u64 d = make_node(&root, ROOT, "d", S_IFDIR | 0755);
    assert_ok(open_node(&root, &f, d, FILE_WRITE_DATA | FILE_READ_DATA));
    assert_ok(volume_fsctl(&f, FSCTL_SET_INTEGRITY_INFORMATION, &on, sizeof on, NULL, 0, NULL));
    assert_ok(volume_close(&f));
    u64 id = make_node(&root, d, "f", S_IFREG | 0644);
    assert_true(attr_of(&root, id).attributes & FILE_ATTRIBUTE_INTEGRITY_STREAM);
    id = make_node(&root, ROOT, "g", S_IFREG | 0644);
    assert_false(attr_of(&root, id).attributes & FILE_ATTRIBUTE_INTEGRITY_STREAM);
}

// A directory that is going, or that is not what it seems, takes nothing in.
static void no_place(void **state)
{
    (void)state;
    struct file_object f;
    struct hf_node_new what = {.mode = S_IFREG | 0600};
    struct hf_attr attr;
    u64 d = make_node(&root, ROOT, "d", S_IFDIR | 0755);
    assert_ok(open_node(&root, &f, d, DELETE | FILE_READ_DATA));
    assert_ok(volume_delete(&f));
    assert_status(create(&root, d, "x", &what, &attr), STATUS_DELETE_PENDING);
    assert_ok(remove_node(&root, ROOT, "d", true));
    assert_status(create(&root, d, "x", &what, &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(volume_close(&f));
    assert_status(create(&root, d, "x", &what, &attr), STATUS_FILE_INVALID);
    d = make_node(&root, ROOT, "d", S_IFDIR | 0755);
    u8 tag[24 + 4] = {0};
    put_le32(tag, 0x00000042); // not Microsoft's, no surrogate, not for directories with something in them
    put_le16(tag + 4, 4);
    tag[8] = 1; // GUID
    assert_ok(open_node(&root, &f, d, FILE_WRITE_DATA));
    assert_ok(volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, tag, sizeof tag, NULL, 0, NULL));
    assert_ok(volume_close(&f));
    assert_status(create(&root, d, "x", &what, &attr), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    // A tag for directories with something in them.
    d = make_node(&root, ROOT, "e", S_IFDIR | 0755);
    put_le32(tag, 0x1000beef);
    assert_ok(open_node(&root, &f, d, FILE_WRITE_DATA));
    assert_ok(volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, tag, sizeof tag, NULL, 0, NULL));
    assert_ok(volume_close(&f));
    assert_int_equal(attr_of(&root, d).mode, S_IFDIR | 0755);
    assert_ok(create(&root, d, "x", &what, &attr));
    assert_int_equal(id_of(&root, d, "x"), attr.id);
    assert_ok(remove_node(&root, d, "x", false));
    assert_ok(remove_node(&root, ROOT, "e", true));
}

static void full_volume(void **state)
{
    (void)state;
    static u8 data[1 << 20];
    struct file_object f;
    struct hf_node_new what = {.mode = S_IFREG | 0600};
    struct hf_attr attr;
    char name[32];
    nt_status status = STATUS_SUCCESS;
    u64 id = make_node(&root, ROOT, "f", S_IFREG), n = 0;
    struct irp_node x = {.id = id, .name = STR("user.a"), .in = "value", .length = 5};
    assert_ok(node_send(&root, IRP_MN_XATTR_SET, &x, NULL));
    assert_ok(open_node(&root, &f, id, FILE_WRITE_DATA));
    for (u64 at = 0; status == STATUS_SUCCESS; at += sizeof data)
        status = volume_write(&f, at, data, sizeof data);
    assert_status(status, STATUS_DISK_FULL);
    for (status = STATUS_SUCCESS; status == STATUS_SUCCESS; n++) {
        snprintf(name, sizeof name, "name%llu", (unsigned long long)n);
        status = create(&root, ROOT, name, &what, &attr);
    }
    assert_status(status, STATUS_DISK_FULL);
    assert_status(find(&root, ROOT, name, &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    attr = (struct hf_attr){.mode = 0640};
    assert_ok(set(&root, id, HF_ATTR_MODE, &attr)); // needs no room of its own
    assert_status(node_send(&root, IRP_MN_XATTR_SET, &x, NULL), STATUS_DISK_FULL);
    assert_ok(node_send(&root, IRP_MN_XATTR_REMOVE, &x, NULL)); // nor this
    attr.size = 0;
    assert_ok(set(&root, id, HF_ATTR_SIZE, &attr));
    assert_ok(volume_flush(&f));
    assert_ok(create(&root, ROOT, name, &what, &attr));
    assert_ok(remove_node(&root, ROOT, "f", false));
    assert_ok(volume_close(&f));
}

// --- without a name ------------------------------------------------------------------------------

static const struct hf_node_new plain = {.mode = S_IFREG | 0600};

static void no_name_at_first(void **state)
{
    (void)state;
    struct file_object f, dir;
    struct hf_xattr x = {"user.a", "1", 1};
    struct hf_node_new what = {.mode = S_IFREG | 0640, .uid = 5, .gid = 6, .xattrs = &x, .xattr_count = 1};
    struct hf_attr attr, again, before;
    char data[8], value[8];
    u64 done, d = make_node(&root, ROOT, "d", S_IFDIR | 0755);
    assert_ok(open_node(&root, &dir, d, FILE_LIST_DIRECTORY));
    before = attr_of(&root, d);
    struct inode on_medium = stored_inode(&root, d), now;
    assert_ok(open_unnamed(&root, &f, d, &what, &attr));
    assert_int_equal(attr.mode, S_IFREG | 0640);
    assert_int_equal(attr.uid, 5);
    assert_int_equal(attr.gid, 6);
    assert_int_equal(attr.links, 0);
    assert_int_equal(attr.size, 0);
    again = attr_of(&root, attr.id);
    assert_memory_equal(&again, &attr, sizeof attr);
    again = attr_of(&root, d);
    assert_memory_equal(&again, &before, sizeof before); // nothing happened to it
    now = stored_inode(&root, d);
    assert_int_equal(now.written, on_medium.written);
    assert_int_equal(now.changed, on_medium.changed);
    assert_ok(volume_write(&f, 0, "data", 4));
    assert_int_equal(attr_of(&root, attr.id).size, 4);

    assert_ok(hard_link(&root, attr.id, d, "f"));
    again = attr_of(&root, d);
    assert_memory_not_equal(&again.written, &before.written, sizeof before.written);
    assert_int_equal(id_of(&root, d, "f"), attr.id);
    assert_int_equal(attr_of(&root, attr.id).links, 1);
    assert_ok(volume_close(&dir));
    volume_expect(&v, "d\\f", "data");
    struct irp_node n = {.id = attr.id, .name = STR("user.a"), .out = value, .length = sizeof value};
    assert_ok(node_send(&root, IRP_MN_XATTR_GET, &n, &done));

    // From here on it is a file like any other: its last name is its last.
    assert_ok(hard_link(&root, attr.id, ROOT, "g"));
    assert_ok(remove_node(&root, d, "f", false));
    assert_ok(remove_node(&root, ROOT, "g", false));
    assert_status(hard_link(&root, attr.id, d, "f"), STATUS_FILE_INVALID);
    assert_ok(volume_read(&f, 0, data, sizeof data, &done));
    assert_int_equal(done, 4);
    assert_ok(volume_close(&f));
    assert_false(is_stored(&root, attr.id));
}

static void nobody_named_it(void **state)
{
    (void)state;
    struct file_object f, again;
    struct hf_attr attr;
    char path[64];
    assert_ok(open_unnamed(&root, &f, ROOT, &plain, &attr));
    assert_ok(open_node(&root, &again, attr.id, FILE_READ_DATA));
    assert_ok(volume_write(&f, 0, "data", 4));
    struct irp_node n = {.id = attr.id, .out = path, .length = sizeof path};
    assert_status(node_send(&root, IRP_MN_NODE_PATH, &n, NULL), STATUS_FILE_INVALID);
    assert_ok(set(&root, attr.id, HF_ATTR_MODE, &attr));
    assert_ok(volume_close(&f));
    assert_ok(get(&root, attr.id, &attr)); // the other handle has it
    assert_true(is_stored(&root, attr.id));
    assert_ok(volume_close(&again));
    assert_status(get(&root, attr.id, &attr), STATUS_FILE_INVALID);
    assert_status(hard_link(&root, attr.id, ROOT, "f"), STATUS_FILE_INVALID);
    assert_false(is_stored(&root, attr.id)); // now, not when the volume is opened again
    assert_status(find(&root, ROOT, "f", &attr), STATUS_OBJECT_NAME_NOT_FOUND);
}

// A crash leaves the file if it had got a name, and else nothing, whatever became of it meanwhile.
static void the_end_of_a_volume(void **state)
{
    (void)state;
    static u8 data[1 << 20];
    struct file_object f[3];
    struct hf_attr attr[3];
    for (u32 i = 0; i < ARRAY_LEN(f); i++) {
        assert_ok(open_unnamed(&root, &f[i], ROOT, &plain, &attr[i]));
        assert_ok(volume_write(&f[i], 0, data, sizeof data));
    }
    assert_ok(hard_link(&root, attr[0].id, ROOT, "f"));
    attr[1].size = 5;
    assert_ok(set(&root, attr[1].id, HF_ATTR_SIZE, &attr[1]));
    assert_ok(volume_flush(&f[0]));
    assert_ok(fs_dismount(v.device));
    for (u32 i = 0; i < ARRAY_LEN(f); i++)
        assert_ok(volume_close(&f[i]));
    assert_ok(volume_close(&root));
    node_root(&v, &root);
    assert_true(is_stored(&root, attr[0].id));
    assert_int_equal(attr_of(&root, id_of(&root, ROOT, "f")).size, sizeof data);
    assert_false(is_stored(&root, attr[1].id));
    assert_false(is_stored(&root, attr[2].id));
}

static void what_cannot_be_made_without_a_name(void **state)
{
    (void)state;
    static char big[HF_XATTR_SIZE_MAX + 1];
    static const u32 types[] = {0, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    struct hf_xattr x = {"user.b", big, sizeof big};
    struct hf_node_new what = {.target = "x"};
    struct file_object f, d;
    struct hf_attr attr;
    u64 file = make_node(&root, ROOT, "f", S_IFREG), dir = make_node(&root, ROOT, "d", S_IFDIR | 0755);
    for (u32 i = 0; i < ARRAY_LEN(types); i++) {
        what.mode = types[i] | 0600;
        assert_status(open_unnamed(&root, &f, ROOT, &what, &attr), STATUS_INVALID_PARAMETER);
    }
    what = (struct hf_node_new){.mode = S_IFREG | 0600, .xattrs = &x, .xattr_count = 1};
    assert_status(open_unnamed(&root, &f, ROOT, &what, &attr), STATUS_EA_TOO_LARGE);
    assert_status(open_unnamed(&root, &f, file, &plain, &attr), STATUS_NOT_A_DIRECTORY);
    assert_status(open_unnamed(&root, &f, 12345, &plain, &attr), STATUS_FILE_INVALID);
    assert_ok(open_node(&root, &d, dir, FILE_READ_DATA));
    assert_ok(remove_node(&root, ROOT, "d", true));
    assert_status(open_unnamed(&root, &f, dir, &plain, &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(volume_close(&d));
    assert_ok(open_unnamed(&root, &f, ROOT, &plain, &attr));
    assert_status(hard_link(&root, attr.id, dir, "g"), STATUS_FILE_INVALID);
    assert_status(hard_link(&root, attr.id, ROOT, "f"), STATUS_OBJECT_NAME_COLLISION);
    assert_int_equal(attr_of(&root, attr.id).links, 0); // nothing of that was done
    assert_ok(hard_link(&root, attr.id, ROOT, "g"));
    assert_ok(volume_close(&f));
}

static void a_place_passes_on_without_a_name_too(void **state)
{
    (void)state;
    struct file_object f;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER on = {.ChecksumAlgorithm = CHECKSUM_TYPE_CRC32};
    struct hf_node_new what = {.mode = S_IFDIR | 02775, .uid = 1, .gid = 50};
    struct hf_attr d, attr;
    assert_ok(create(&root, ROOT, "d", &what, &d));
    assert_ok(open_node(&root, &f, d.id, FILE_WRITE_DATA | FILE_READ_DATA));
    assert_ok(volume_fsctl(&f, FSCTL_SET_INTEGRITY_INFORMATION, &on, sizeof on, NULL, 0, NULL));
    assert_ok(volume_close(&f));
    what = (struct hf_node_new){.mode = S_IFREG | 0644, .uid = 2, .gid = 60};
    assert_ok(open_unnamed(&root, &f, d.id, &what, &attr));
    assert_int_equal(attr.gid, 50);
    assert_int_equal(attr.mode, S_IFREG | 0644);
    assert_true(attr.attributes & FILE_ATTRIBUTE_INTEGRITY_STREAM);
    assert_ok(volume_close(&f));
}

static void no_room_for_what_has_no_name(void **state)
{
    (void)state;
    static u8 data[1 << 20];
    static struct file_object files[4096];
    struct file_object f;
    struct hf_attr attr;
    nt_status status = STATUS_SUCCESS;
    u32 n = 0;
    assert_ok(open_unnamed(&root, &f, ROOT, &plain, &attr));
    for (u64 at = 0; status == STATUS_SUCCESS; at += sizeof data)
        status = volume_write(&f, at, data, sizeof data);
    assert_status(status, STATUS_DISK_FULL);
    for (status = STATUS_SUCCESS; status == STATUS_SUCCESS && n < ARRAY_LEN(files); n++)
        status = open_unnamed(&root, &files[n], ROOT, &plain, &attr);
    assert_status(status, STATUS_DISK_FULL);
    assert_ok(volume_close(&f));
    for (u32 i = 0; i + 1 < n; i++)
        assert_ok(volume_close(&files[i]));
    assert_ok(open_node(&root, &f, ROOT, FILE_WRITE_DATA));
    assert_ok(volume_flush(&f));
    assert_ok(volume_close(&f));
    assert_ok(open_unnamed(&root, &f, ROOT, &plain, &attr));
    assert_ok(volume_write(&f, 0, data, sizeof data));
    assert_ok(hard_link(&root, attr.id, ROOT, "f"));
    assert_ok(volume_close(&f));
}

// The other door: such a file has no name to be deleted by, or to be opened through.
static void the_other_door_and_no_name(void **state)
{
    (void)state;
    struct file_object f, other;
    struct hf_attr attr;
    char id[8];
    u32 access = FILE_READ_DATA | FILE_WRITE_DATA | DELETE;
    assert_ok(open_or_make_node(&root, &f, ROOT, &plain, access, &attr));
    put_le64(id, attr.id);
    other = (struct file_object){.device = root.device, .access = FILE_READ_DATA, .share = VOLUME_SHARE_ALL};
    struct irp irp = {.major = IRP_MJ_CREATE,
                      .p.create = {.path = {id, sizeof id},
                                   .opens_root = true,
                                   .access = FILE_READ_DATA,
                                   .share = VOLUME_SHARE_ALL,
                                   .disposition = FILE_OPEN,
                                   .options = FILE_OPEN_BY_FILE_ID}};
    assert_status(volume_send(&other, &irp), STATUS_DELETE_PENDING);
    assert_ok(volume_delete(&f));
    assert_status(hard_link(&root, attr.id, ROOT, "f"), STATUS_DELETE_PENDING);
    assert_ok(volume_close(&f));
    assert_false(is_stored(&root, attr.id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_at_once, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_made, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(group_of_the_directory, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(integrity_is_inherited, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(no_place, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(full_volume, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(no_name_at_first, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(nobody_named_it, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(the_end_of_a_volume, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_made_without_a_name, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(a_place_passes_on_without_a_name_too, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(no_room_for_what_has_no_name, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(the_other_door_and_no_name, node_setup, node_teardown),
    };
    return cmocka_run_group_tests_name("fs/node_create", tests, NULL, NULL);
}
