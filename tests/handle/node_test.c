// SPDX-License-Identifier: Apache-2.0
// The API for POSIX callers through the whole stack: arguments, outputs on failure, handles on nodes, and
// what stays after the volume was taken away and brought back.
#include "tests/handle/stack.h"

#include <holdfast/posix.h>
#include <sys/stat.h>

static hf_handle volume;

static int setup(void **state)
{
    stack_setup(state);
    assert_ok(stack_open("X:/", 0, FILE_OPEN, 0, &volume));
    return 0;
}

static int teardown(void **state)
{
    assert_ok(hf_close(volume));
    return stack_teardown(state);
}

static u64 make(u64 parent, const char *name, u32 mode)
{
    struct hf_node_new what = {.mode = mode, .target = "to/it"};
    struct hf_attr attr;
    assert_ok(hf_node_create(volume, parent, name, &what, &attr));
    return attr.id;
}

static void a_little_of_everything(void **state)
{
    (void)state;
    struct hf_attr attr;
    char text[64];
    size_t done;
    hf_handle h;
    u64 d = make(HF_NODE_ROOT, "d", S_IFDIR | 0755), f = make(d, "f", S_IFREG | 0644);
    assert_ok(hf_node_open(volume, f, FILE_READ_DATA | FILE_WRITE_DATA, &h));
    assert_ok(hf_write(h, 0, "data", 4, &done));
    assert_ok(hf_node_find(volume, d, "f", &attr));
    assert_int_equal(attr.size, 4);
    assert_ok(hf_flush(h));
    assert_ok(hf_close(h));
    expect("X:/d/f", "data");
    attr.mode = 0600;
    assert_ok(hf_node_set(volume, f, HF_ATTR_MODE, &attr));
    assert_ok(hf_node_get(volume, f, &attr));
    assert_int_equal(attr.mode, S_IFREG | 0600);
    assert_ok(hf_node_link(volume, f, HF_NODE_ROOT, "g", &attr));
    assert_int_equal(attr.links, 2);
    assert_ok(hf_node_path(volume, f, text, sizeof text));
    assert_string_equal(text, "/g");
    assert_ok(hf_node_rename(volume, HF_NODE_ROOT, "g", d, "h", 0));
    assert_ok(hf_node_unlink(volume, d, "h", false));
    u64 l = make(d, "l", S_IFLNK | 0777);
    assert_ok(hf_node_readlink(volume, l, text, sizeof text, &done));
    assert_int_equal(done, 5);
    assert_string_equal(text, "to/it");
    assert_ok(hf_xattr_set(volume, f, "user.a", "x", 1, HF_XATTR_CREATE));
    assert_ok(hf_xattr_get(volume, f, "user.a", text, sizeof text, &done));
    assert_int_equal(done, 1);
    assert_ok(hf_xattr_list(volume, f, text, sizeof text, &done));
    assert_int_equal(done, 7);
    assert_ok(hf_xattr_remove(volume, f, "user.a"));
    assert_ok(hf_node_open(volume, d, FILE_LIST_DIRECTORY, &h));
    _Alignas(8) u8 out[4096];
    assert_ok(hf_node_list(h, 0, HF_LIST_ATTR, out, sizeof out, &done));
    const struct hf_node_entry *e = (const struct hf_node_entry *)(void *)out;
    assert_string_equal(e->name, ".");
    assert_int_equal(e->attr.id, d);
    u32 count = 1;
    for (; e->next; count++)
        e = (const struct hf_node_entry *)(const void *)((const u8 *)e + e->next);
    assert_int_equal(count, 4);
    assert_ok(hf_node_list(h, e->cookie, 0, out, sizeof out, &done));
    assert_int_equal(done, 0);
    assert_ok(hf_close(h));
}

// A name comes later or never, and then the file goes with its last handle.
static void a_file_without_a_name(void **state)
{
    (void)state;
    struct hf_xattr x = {"user.a", "value", 5};
    struct hf_node_new what = {.mode = S_IFREG | 0640, .uid = 1, .xattrs = &x, .xattr_count = 1};
    struct hf_attr attr, again;
    char text[8];
    size_t done;
    hf_handle h, reader;
    u32 access = FILE_READ_DATA | FILE_WRITE_DATA;
    for (int named = 0; named < 2; named++) {
        assert_ok(hf_node_create_unnamed(volume, HF_NODE_ROOT, &what, access, &attr, &h));
        assert_int_equal(attr.links, 0);
        assert_int_equal(attr.mode, S_IFREG | 0640);
        assert_ok(hf_write(h, 0, "data", 4, &done));
        assert_ok(hf_node_open(volume, attr.id, FILE_READ_DATA, &reader));
        assert_ok(hf_read(reader, 0, text, 4, &done));
        assert_memory_equal(text, "data", 4);
        assert_ok(hf_close(reader));
        assert_ok(hf_xattr_get(volume, attr.id, "user.a", text, sizeof text, &done));
        assert_int_equal(done, 5);
        if (named) {
            assert_ok(hf_node_link(volume, attr.id, HF_NODE_ROOT, "named", &again));
            assert_int_equal(again.links, 1);
            assert_int_equal(again.size, 4);
        }
        assert_ok(hf_close(h));
        nt_status there = named ? STATUS_SUCCESS : STATUS_FILE_INVALID;
        assert_status(hf_node_get(volume, attr.id, &again), there);
        assert_status(hf_node_link(volume, attr.id, HF_NODE_ROOT, "again", &again), there);
    }
    expect("X:/named", "data");
    // No more rights than were asked for.
    assert_ok(hf_node_create_unnamed(volume, HF_NODE_ROOT, &what, FILE_READ_DATA, &attr, &h));
    assert_status(hf_write(h, 0, "data", 4, &done), STATUS_ACCESS_DENIED);
    assert_ok(hf_close(h));
}

// A '\\' in a name is a character there, also in the path of a handle and on the way from one to a link.
static void a_backslash_in_a_name(void **state)
{
    (void)state;
    char path[16];
    size_t done;
    hf_handle root, h;
    struct hf_node_new what = {.mode = S_IFLNK | 0777, .target = "f"};
    struct hf_attr attr;
    u64 d = make(HF_NODE_ROOT, "a\\b", S_IFDIR | 0755), f = make(d, "f", S_IFREG | 0644);
    assert_ok(hf_node_create(volume, d, "l", &what, &attr));
    assert_ok(stack_open("X:/a\\b", FILE_LIST_DIRECTORY, FILE_OPEN, 0, &root));
    assert_ok(hf_path(root, path, sizeof path));
    assert_string_equal(path, "/a\\b");
    struct hf_open_options o = {.root = root, .access = FILE_READ_ATTRIBUTES};
    struct hf_stat st;
    assert_ok(hf_open("l", &o, &h));
    assert_ok(hf_stat(h, &st));
    assert_int_equal(st.id, f);
    assert_ok(hf_path(h, path, sizeof path));
    assert_string_equal(path, "/a\\b/f");
    assert_status(hf_path(h, path, 6), STATUS_BUFFER_TOO_SMALL);
    assert_status(hf_query(h, FileHfNameInformation, path, 3, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(done, 3);
    assert_memory_equal(path, "/a\\", 3);
    assert_ok(hf_close(h));
    assert_ok(hf_close(root));
}

static void outputs_are_zero_on_failure(void **state)
{
    (void)state;
    struct hf_attr attr, zero = {.id = 0};
    struct hf_node_new what = {.mode = S_IFREG};
    char text[4] = "xyz";
    size_t done = 5;
    hf_handle h = volume;
    memset(&attr, 0xaa, sizeof attr);
    assert_status(hf_node_find(volume, HF_NODE_ROOT, "x", &attr), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_memory_equal(&attr, &zero, sizeof attr);
    memset(&attr, 0xaa, sizeof attr);
    assert_status(hf_node_create(volume, 4711, "x", &what, &attr), STATUS_FILE_INVALID);
    assert_memory_equal(&attr, &zero, sizeof attr);
    assert_status(hf_node_open(volume, 4711, 0, &h), STATUS_FILE_INVALID);
    assert_null(h);
    h = volume;
    memset(&attr, 0xaa, sizeof attr);
    assert_status(hf_node_create_unnamed(volume, 4711, &what, 0, &attr, &h), STATUS_FILE_INVALID);
    assert_null(h);
    assert_memory_equal(&attr, &zero, sizeof attr);
    assert_status(hf_node_readlink(volume, HF_NODE_ROOT, text, sizeof text, &done),
                  STATUS_NOT_A_REPARSE_POINT);
    assert_int_equal(done, 0);
    assert_string_equal(text, "");
    done = 5;
    assert_status(hf_xattr_get(volume, HF_NODE_ROOT, "user.x", text, sizeof text, &done),
                  STATUS_NONEXISTENT_EA_ENTRY);
    assert_int_equal(done, 0);
    done = 5;
    assert_status(hf_xattr_get(NULL, HF_NODE_ROOT, "user.x", text, sizeof text, &done),
                  STATUS_INVALID_HANDLE);
    assert_int_equal(done, 0);
    done = 5;
    assert_status(hf_node_list(volume, 0, 0, text, 1, &done), STATUS_ACCESS_DENIED);
    assert_int_equal(done, 0);
}

static void wrong_arguments(void **state)
{
    (void)state;
    struct hf_attr attr = {.id = 0};
    struct hf_node_new what = {.mode = S_IFREG};
    char text[8];
    size_t done;
    hf_handle h;
    assert_status(hf_node_get(NULL, HF_NODE_ROOT, &attr), STATUS_INVALID_HANDLE);
    assert_status(hf_node_get(volume, HF_NODE_ROOT, NULL), STATUS_INVALID_PARAMETER);
    assert_status(hf_node_find(volume, HF_NODE_ROOT, NULL, &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(hf_node_create(volume, HF_NODE_ROOT, "x", NULL, &attr), STATUS_INVALID_PARAMETER);
    assert_status(hf_node_create(volume, HF_NODE_ROOT, NULL, &what, &attr), STATUS_OBJECT_NAME_INVALID);
    assert_status(hf_node_set(volume, HF_NODE_ROOT, 1024, &attr), STATUS_INVALID_PARAMETER);
    assert_status(hf_node_open(volume, 0, 0, &h), STATUS_INVALID_PARAMETER);
    assert_status(hf_node_open(volume, HF_NODE_ROOT, 0, NULL), STATUS_INVALID_PARAMETER);
    nt_status invalid = STATUS_INVALID_PARAMETER;
    assert_status(hf_node_create_unnamed(NULL, HF_NODE_ROOT, &what, 0, &attr, &h), STATUS_INVALID_HANDLE);
    assert_status(hf_node_create_unnamed(volume, 0, &what, 0, &attr, &h), invalid);
    assert_status(hf_node_create_unnamed(volume, HF_NODE_ROOT, NULL, 0, &attr, &h), invalid);
    assert_status(hf_node_create_unnamed(volume, HF_NODE_ROOT, &what, 0, NULL, &h), invalid);
    assert_status(hf_node_create_unnamed(volume, HF_NODE_ROOT, &what, 0, &attr, NULL), invalid);
    what.mode = S_IFDIR;
    assert_status(hf_node_create_unnamed(volume, HF_NODE_ROOT, &what, 0, &attr, &h), invalid);
    assert_status(hf_node_readlink(volume, HF_NODE_ROOT, NULL, 0, &done), STATUS_BUFFER_TOO_SMALL);
    assert_status(hf_node_path(volume, HF_NODE_ROOT, text, 1), STATUS_BUFFER_TOO_SMALL);
    assert_status(hf_xattr_set(volume, HF_NODE_ROOT, "user.x", NULL, 1, 0), STATUS_ACCESS_VIOLATION);
    assert_status(hf_xattr_set(volume, HF_NODE_ROOT, "user.x", "", 0, 4), STATUS_INVALID_PARAMETER);
    assert_status(hf_xattr_get(volume, HF_NODE_ROOT, "user.x", NULL, 1, &done), STATUS_ACCESS_VIOLATION);
    assert_status(hf_xattr_list(volume, HF_NODE_ROOT, NULL, 1, &done), STATUS_ACCESS_VIOLATION);
    assert_status(hf_node_list(volume, 0, 2, text, sizeof text, &done), STATUS_INVALID_PARAMETER);
    assert_status(hf_node_list(volume, 0, 0, NULL, 0, &done), STATUS_BUFFER_TOO_SMALL);
}

static void wrong_attributes_to_begin_with(void **state)
{
    (void)state;
    static char big[HF_XATTR_SIZE_MAX + 1], long_name[HF_XATTR_NAME_MAX + 2];
    static char names[300][HF_XATTR_NAME_MAX + 1];
    static struct hf_xattr many[300];
    memset(long_name, 'n', sizeof long_name - 1);
    struct hf_xattr x = {"user.a", "1", 1};
    struct hf_node_new what = {.mode = S_IFREG, .xattrs = &x, .xattr_count = 1};
    struct hf_attr attr = {.id = 5};
    static const struct {
        struct hf_xattr x;
        nt_status status;
    } cases[] = {{{NULL, "1", 1}, STATUS_INVALID_PARAMETER},
                 {{"", "1", 1}, STATUS_INVALID_PARAMETER},
                 {{long_name, "1", 1}, STATUS_INVALID_PARAMETER},
                 {{"user.a", NULL, 1}, STATUS_ACCESS_VIOLATION},
                 {{"user.a", big, sizeof big}, STATUS_EA_TOO_LARGE}};
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        x = cases[i].x;
        assert_status(hf_node_create(volume, HF_NODE_ROOT, "x", &what, &attr), cases[i].status);
        assert_int_equal(attr.id, 0);
        hf_handle h;
        assert_status(hf_node_create_unnamed(volume, HF_NODE_ROOT, &what, 0, &attr, &h), cases[i].status);
    }
    what.xattrs = NULL;
    assert_status(hf_node_create(volume, HF_NODE_ROOT, "x", &what, &attr), STATUS_ACCESS_VIOLATION);
    for (u32 i = 0; i < ARRAY_LEN(many); i++) {
        snprintf(names[i], sizeof names[i], "%0255u", i);
        many[i] = (struct hf_xattr){.name = names[i]};
    }
    what.xattrs = many;
    what.xattr_count = 257; // 256 * 256 bytes are what can be listed
    assert_status(hf_node_create(volume, HF_NODE_ROOT, "x", &what, &attr), STATUS_EA_TOO_LARGE);
    what.xattr_count = 256;
    assert_ok(hf_node_create(volume, HF_NODE_ROOT, "x", &what, &attr));
    size_t length;
    assert_ok(hf_xattr_list(volume, attr.id, NULL, 0, &length));
    assert_int_equal(length, HF_XATTR_LIST_MAX);
}

// A drive is not a volume with nodes.
static void handles_of_volumes(void **state)
{
    (void)state;
    struct hf_attr attr;
    hf_handle v, h;
    assert_ok(stack_open("\\\\.\\X:", GENERIC_READ, FILE_OPEN, 0, &v));
    assert_status(hf_node_get(v, HF_NODE_ROOT, &attr), STATUS_INVALID_PARAMETER);
    assert_status(hf_node_open(v, HF_NODE_ROOT, 0, &h), STATUS_INVALID_PARAMETER);
    struct hf_node_new what = {.mode = S_IFREG};
    assert_status(hf_node_create_unnamed(v, HF_NODE_ROOT, &what, 0, &attr, &h), STATUS_INVALID_PARAMETER);
    assert_ok(hf_close(v));
}

static void it_is_all_on_the_medium(void **state)
{
    (void)state;
    struct hf_attr before, after;
    hf_handle h;
    u64 f = make(HF_NODE_ROOT, "f", S_IFREG | 04750);
    before = (struct hf_attr){.uid = 1000, .gid = 1001, .written = {1600000000, 987654321, 0}};
    assert_ok(hf_node_set(volume, f, HF_ATTR_UID | HF_ATTR_GID | HF_ATTR_WRITTEN, &before));
    u64 dev = make(HF_NODE_ROOT, "l", S_IFLNK | 0777);
    assert_ok(hf_node_open(volume, HF_NODE_ROOT, FILE_WRITE_DATA, &h));
    assert_ok(hf_flush(h));
    assert_ok(hf_close(h));
    assert_ok(hf_close(volume));
    assert_ok(hf_detach("X:"));
    assert_ok(hf_attach("X:", stack_spec));
    assert_ok(stack_open("X:/", 0, FILE_OPEN, 0, &volume));
    assert_ok(hf_node_get(volume, f, &after));
    assert_memory_equal(&before, &after, sizeof after);
    assert_ok(hf_node_get(volume, dev, &after));
    assert_int_equal(after.mode, S_IFLNK | 0777);
}

static void a_volume_that_cannot_be_written(void **state)
{
    (void)state;
    struct hf_attr attr = {.mode = 0};
    struct hf_node_new what = {.mode = S_IFREG};
    char spec[200], text[8];
    size_t done;
    u64 f = make(HF_NODE_ROOT, "f", S_IFREG | 0644), l = make(HF_NODE_ROOT, "l", S_IFLNK);
    assert_ok(hf_xattr_set(volume, f, "user.a", "x", 1, 0));
    assert_ok(hf_close(volume));
    assert_ok(hf_detach("X:"));
    snprintf(spec, sizeof spec, "%s,readonly", stack_spec);
    assert_ok(hf_attach("X:", spec));
    assert_ok(stack_open("X:/", 0, FILE_OPEN, 0, &volume));
    assert_ok(hf_node_find(volume, HF_NODE_ROOT, "f", &attr));
    assert_ok(hf_node_readlink(volume, l, text, sizeof text, &done));
    assert_ok(hf_xattr_get(volume, f, "user.a", text, sizeof text, &done));
    nt_status protected = STATUS_MEDIA_WRITE_PROTECTED;
    assert_status(hf_node_set(volume, f, HF_ATTR_MODE, &attr), protected);
    attr.size = 5;
    assert_status(hf_node_set(volume, f, HF_ATTR_SIZE, &attr), protected);
    assert_status(hf_node_create(volume, HF_NODE_ROOT, "g", &what, &attr), protected);
    hf_handle h;
    assert_status(hf_node_create_unnamed(volume, HF_NODE_ROOT, &what, FILE_WRITE_DATA, &attr, &h), protected);
    assert_status(hf_node_link(volume, f, HF_NODE_ROOT, "g", &attr), protected);
    assert_status(hf_node_unlink(volume, HF_NODE_ROOT, "f", false), protected);
    assert_status(hf_node_rename(volume, HF_NODE_ROOT, "f", HF_NODE_ROOT, "g", 0), protected);
    assert_status(hf_node_rename(volume, HF_NODE_ROOT, "f", HF_NODE_ROOT, "l", 0), protected);
    assert_status(hf_xattr_set(volume, f, "user.a", "y", 1, 0), protected);
    assert_status(hf_xattr_remove(volume, f, "user.a"), protected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_little_of_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_without_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_backslash_in_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(outputs_are_zero_on_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_attributes_to_begin_with, setup, teardown),
        cmocka_unit_test_setup_teardown(handles_of_volumes, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_all_on_the_medium, setup, teardown),
        cmocka_unit_test_setup_teardown(a_volume_that_cannot_be_written, setup, teardown),
    };
    return cmocka_run_group_tests_name("handle/node", tests, NULL, NULL);
}
