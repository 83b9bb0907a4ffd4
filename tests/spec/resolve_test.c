// SPDX-License-Identifier: Apache-2.0
// Conformance of opening through reparse points with spec/reparse.md 4 and parts H to J of its 7; the number
// of a case is in the name of its test, RP-160 to RP-176 are the rows of 4.2 in order. Left out: 147's Win32
// half (tests/win32).
#include "tests/spec/reparse.h"

static int setup(void **state)
{
    (void)state;
    spec_new(&(struct hf_format_options){.cluster = 4096});
    spec_mkdir("X:\\t");
    spec_mkdir("X:\\t\\dir");
    spec_put("X:\\t\\dir\\child", "child");
    spec_put("X:\\t\\file", "data");
    spec_put("X:\\top", "top");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spec_free();
    return 0;
}

static nt_status open_status(const char *name)
{
    return spec_try(name, FILE_READ_ATTRIBUTES, 0);
}
static nt_status open_link(const char *name)
{
    return spec_try(name, FILE_READ_ATTRIBUTES, FILE_OPEN_REPARSE_POINT);
}
static nt_status create(const char *name, uint32_t disposition, uint32_t options)
{
    hf_handle h;
    struct hf_open_options o = {.access = READ_WRITE, .disposition = disposition, .options = options};
    nt_status status = hf_open(name, &o, &h);
    if (status == STATUS_SUCCESS)
        assert_ok(hf_close(h));
    return status;
}

// --- H: nobody handles the tag -------------------------------------------------------------------

static void RP_130_131_unknown_tags(void **state)
{
    (void)state;
    static const char *const names[] = {"X:\\t\\u", "X:\\t\\ud", "X:\\t\\nfs"};
    make_file(names[0], guid(TAG_GUID, 1, NULL, 0));
    make_dir(names[1], guid(TAG_GUID, 1, NULL, 0));
    make_file(names[2], ms(IO_REPARSE_TAG_NFS, "FIFO\0\0\0", 8));
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_status(open_status(names[i]), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
        assert_ok(open_link(names[i]));
    }
    assert_int_equal(hf_status_to_win32(STATUS_IO_REPARSE_TAG_NOT_HANDLED), 1920);
}

static void RP_132_children_of_an_unknown_directory(void **state)
{
    (void)state;
    make_dir("X:\\t\\u", guid(TAG_BEEF, 1, NULL, 0));
    assert_status(open_status("X:\\t\\u\\child"), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_status(open_link("X:\\t\\u\\child"), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_status(create("X:\\t\\u\\child", FILE_CREATE, 0), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
}

static void RP_133_share_modes_of_the_link(void **state)
{
    (void)state;
    hf_handle h;
    make_file("X:\\t\\u", ms(TAG_A, NULL, 0));
    assert_ok(hf_open("X:\\t\\u",
                      &(struct hf_open_options){.access = FILE_READ_DATA,
                                                .share = HF_SHARE_NONE,
                                                .options = FILE_OPEN_REPARSE_POINT},
                      &h));
    assert_status(spec_try("X:\\t\\u", FILE_READ_DATA, FILE_OPEN_REPARSE_POINT), STATUS_SHARING_VIOLATION);
    assert_ok(hf_close(h));
}

static void RP_134_overwrite(void **state)
{
    (void)state;
    struct hf_stat st;
    make_file("X:\\t\\l", relative("file"));
    assert_ok(create("X:\\t\\l", FILE_OVERWRITE, 0));
    hf_handle h = spec_open("X:\\t\\file", FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    assert_ok(hf_stat(h, &st));
    assert_int_equal(st.size, 0);
    assert_ok(hf_close(h));
    h = link_file("X:\\t\\l");
    assert_int_equal(tag_of(h), SYMLINK);
    assert_ok(hf_close(h));
    assert_ok(create("X:\\t\\l", FILE_OVERWRITE, FILE_OPEN_REPARSE_POINT));
    h = link_file("X:\\t\\l");
    assert_int_equal(tag_of(h), 0);
    assert_ok(hf_close(h));
}

// --- I: mount points -----------------------------------------------------------------------------

static void RP_140_to_144_mount_point_targets(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        nt_status status;
    } rows[] = {
        {"foobar", STATUS_OBJECT_NAME_INVALID},        {"\\??\\X:\\missing", STATUS_OBJECT_NAME_NOT_FOUND},
        {"\\??\\X:\\t\\dir", STATUS_SUCCESS},          {"\\??\\X:\\t\\dir\\", STATUS_SUCCESS},
        {"\\??\\X:\\t\\file", STATUS_NOT_A_DIRECTORY}, {"\\??\\X:\\t\\m", STATUS_REPARSE_POINT_NOT_RESOLVED},
    };
    hf_handle h = link_dir("X:\\t\\m");
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_ok(set(h, mount_point(rows[i].target)));
        nt_status status = open_status("X:\\t\\m");
        if (status != rows[i].status)
            print_error("%s\n", rows[i].target);
        assert_status(status, rows[i].status);
    }
    assert_ok(set(h, mount_point("\\??\\X:\\t\\dir")));
    expect_same("X:\\t\\m", "X:\\t\\dir");
    expect_same("X:\\t\\m\\child", "X:\\t\\dir\\child");
    assert_ok(hf_close(h));
    assert_int_equal(hf_status_to_win32(STATUS_REPARSE_POINT_NOT_RESOLVED), 1921);
}

static void RP_145_junction_to_the_parent(void **state)
{
    (void)state;
    make_dir("X:\\t\\m", mount_point("\\??\\X:\\t"));
    expect_same("X:\\t\\m\\m\\m\\file", "X:\\t\\file");
}

static size_t count(hf_handle h)
{
    static uint8_t out[8192];
    size_t done, n = 0;
    assert_ok(hf_list(h, NULL, true, out, sizeof out, &done));
    for (size_t at = 0;; n++) {
        struct hf_dirent entry;
        memcpy(&entry, out + at, offsetof(struct hf_dirent, name));
        if (entry.next == 0)
            return n + 1;
        at += entry.next;
    }
}

static void RP_146_listing(void **state)
{
    (void)state;
    hf_handle old = link_dir("X:\\t\\m");
    assert_ok(set(old, mount_point("\\??\\X:\\t\\dir")));
    assert_int_equal(count(old), 2); // "." and ".." of the link itself
    hf_handle h = spec_open("X:\\t\\m", FILE_READ_DATA, FILE_OPEN, 0);
    assert_int_equal(count(h), 3);
    assert_ok(hf_close(h));
    assert_ok(hf_close(old));
}

static void RP_147_148_deleting_and_kinds(void **state)
{
    (void)state;
    make_dir("X:\\t\\m", mount_point("\\??\\X:\\t\\dir"));
    assert_status(spec_try("X:\\t\\m", DELETE, FILE_NON_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT),
                  STATUS_FILE_IS_A_DIRECTORY);
    hf_handle h = spec_open("X:\\t\\m", DELETE, FILE_OPEN, FILE_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT);
    assert_ok(hf_delete(h));
    assert_ok(hf_close(h));
    assert_status(open_link("X:\\t\\m"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(open_status("X:\\t\\dir\\child"));
}

// n links, each to the next, the last to a file.
static void chain(int n, bool complete)
{
    for (int i = 0; i < n; i++) {
        char name[32], target[40];
        snprintf(name, sizeof name, "X:\\t\\%s%d", complete ? "a" : "r", i);
        if (i == n - 1)
            snprintf(target, sizeof target, "%s", complete ? "\\??\\X:\\t\\file" : "file");
        else
            snprintf(target, sizeof target, "%s%d", complete ? "\\??\\X:\\t\\a" : "r", i + 1);
        make_file(name, complete ? absolute(target) : relative(target));
    }
}

static void RP_149_63_relative_links(void **state)
{
    (void)state;
    chain(64, false);
    assert_ok(open_status("X:\\t\\r1"));
    assert_status(open_status("X:\\t\\r0"), STATUS_REPARSE_POINT_NOT_RESOLVED);
}

static void RP_150_31_absolute_links(void **state)
{
    (void)state;
    chain(32, true);
    assert_ok(open_status("X:\\t\\a1"));
    assert_status(open_status("X:\\t\\a0"), STATUS_REPARSE_POINT_NOT_RESOLVED);
}

static nt_status open_below(hf_handle root, const char *name, uint32_t options)
{
    hf_handle h;
    nt_status status =
        hf_open(name, &(struct hf_open_options){.access = READ_WRITE, .options = options, .root = root}, &h);
    if (status == STATUS_SUCCESS)
        assert_ok(hf_close(h));
    return status;
}

static void RP_151_a_link_as_root(void **state)
{
    (void)state;
    make_dir("X:\\t\\m", mount_point("\\??\\X:\\t\\dir"));
    hf_handle root = link_dir("X:\\t\\m");
    assert_status(open_below(root, "child", 0), STATUS_REPARSE_POINT_NOT_RESOLVED);
    assert_status(open_below(root, "", 0), STATUS_IO_REPARSE_DATA_INVALID);
    assert_ok(open_below(root, "", FILE_OPEN_REPARSE_POINT));
    assert_ok(hf_close(root));
}

// --- J: symbolic links ---------------------------------------------------------------------------

static const struct row {
    int number;
    bool relative, directory;
    const char *target;
    nt_status status;
    const char *same_as; // the object it leads to
} rows_4_2[] = {
    {160, true, false, "file", STATUS_SUCCESS, "X:\\t\\file"},
    {160, true, false, ".\\dir\\..\\.\\file", STATUS_SUCCESS, "X:\\t\\file"},
    {160, true, true, "..", STATUS_SUCCESS, "X:\\"},
    {160, true, false, "..\\top", STATUS_SUCCESS, "X:\\top"},
    {160, true, true, "dir\\", STATUS_SUCCESS, "X:\\t\\dir"},
    {160, true, true, "dir\\.", STATUS_SUCCESS, "X:\\t\\dir"},
    {161, true, true, "..\\..", STATUS_IO_REPARSE_DATA_INVALID, NULL},
    {161, true, false, "..\\..\\..\\top", STATUS_IO_REPARSE_DATA_INVALID, NULL},
    {162, true, false, "./file", STATUS_OBJECT_NAME_INVALID, NULL},
    {163, true, false, ".\\\\file", STATUS_OBJECT_NAME_INVALID, NULL},
    {164, true, false, ".\\file.", STATUS_OBJECT_NAME_NOT_FOUND, NULL},
    {165, true, false, "file\\", STATUS_OBJECT_NAME_INVALID, NULL},
    {166, true, false, "\\top", STATUS_SUCCESS, "X:\\top"},
    {166, true, true, "\\t\\dir", STATUS_SUCCESS, "X:\\t\\dir"},
    {167, true, false, "\\??\\X:\\top", STATUS_OBJECT_NAME_INVALID, NULL},
    {168, false, false, "\\??\\X:\\t\\file", STATUS_SUCCESS, "X:\\t\\file"},
    {168, false, true, "\\??\\X:\\t\\dir", STATUS_SUCCESS, "X:\\t\\dir"},
    {169, false, false, "\\\\?\\X:\\top", STATUS_OBJECT_NAME_INVALID, NULL},
    {169, false, false, "X:\\top", STATUS_OBJECT_NAME_INVALID, NULL},
    {169, false, false, ".\\file", STATUS_OBJECT_NAME_INVALID, NULL},
    {169, false, false, "file", STATUS_OBJECT_NAME_INVALID, NULL},
    {170, false, false, "\\??\\X:\\t\\.\\file", STATUS_OBJECT_PATH_NOT_FOUND, NULL},
    {171, false, false, "\\??\\X:\\t\\..\\top", STATUS_OBJECT_NAME_INVALID, NULL},
    {173, true, false, "missing", STATUS_OBJECT_NAME_NOT_FOUND, NULL},
    {174, false, false, "\\??\\X:\\t\\missing", STATUS_OBJECT_NAME_NOT_FOUND, NULL},
    {175, false, false, "\\??\\Q:\\nowhere", STATUS_OBJECT_NAME_NOT_FOUND, NULL},
    {176, true, false, "l", STATUS_REPARSE_POINT_NOT_RESOLVED, NULL},
};

static void RP_160_to_176_target_syntax(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < COUNT(rows_4_2); i++) {
        const struct row *r = &rows_4_2[i];
        hf_handle h = r->directory ? link_dir("X:\\t\\l") : link_file("X:\\t\\l");
        assert_ok(set(h, r->relative ? relative(r->target) : absolute(r->target)));
        nt_status status = open_status("X:\\t\\l");
        if (status != r->status) {
            print_error("RP-%d, %s: %s, expected %s\n", r->number, r->target, hf_status_name(status),
                        hf_status_name(r->status));
            wrong++;
        } else if (r->same_as) {
            expect_same("X:\\t\\l", r->same_as);
        }
        assert_ok(hf_delete(h));
        assert_ok(hf_close(h));
    }
    assert_int_equal(wrong, 0);
}

static void RP_172_an_empty_target_cannot_be_set(void **state)
{
    (void)state;
    hf_handle h = link_file("X:\\t\\l");
    assert_status(set(h, relative("")), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set(h, absolute("")), STATUS_IO_REPARSE_DATA_INVALID);
    assert_ok(hf_close(h));
}

static void RP_177_the_kind_must_agree(void **state)
{
    (void)state;
    make_file("X:\\t\\lf", relative("dir"));
    make_dir("X:\\t\\ld", relative("file"));
    assert_status(open_status("X:\\t\\lf"), STATUS_FILE_IS_A_DIRECTORY);
    assert_status(open_status("X:\\t\\ld"), STATUS_NOT_A_DIRECTORY);
}

static void RP_178_topology(void **state)
{
    (void)state;
    static const char *const directories[] = {"X:\\1", "X:\\1\\1.1", "X:\\2"};
    static const char *const files[] = {"X:\\1\\1.2", "X:\\1\\1.3", "X:\\1\\1.1\\1.1.1", "X:\\2\\2.1"};
    for (size_t i = 0; i < COUNT(directories); i++)
        spec_mkdir(directories[i]);
    for (size_t i = 0; i < COUNT(files); i++)
        spec_put(files[i], "x");
    make_file("X:\\l0", relative("NON-EXISTANT"));
    make_file("X:\\loop", relative("loop"));
    make_file("X:\\lf", relative("\\1"));
    make_dir("X:\\ld", relative("\\1\\1.1\\1.1.1"));
    make_file("X:\\1\\1.1\\l1.1.1", relative("1.1.1"));
    make_dir("X:\\2\\l1", relative("..\\1\\."));
    make_dir("X:\\1\\l2", relative("..\\.\\2"));
    make_dir("X:\\2\\a1", absolute("\\??\\X:\\1"));
    make_dir("X:\\1\\a2", absolute("\\??\\X:\\2"));
    assert_status(open_status("X:\\l0"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(open_status("X:\\loop"), STATUS_REPARSE_POINT_NOT_RESOLVED);
    assert_status(open_status("X:\\lf"), STATUS_FILE_IS_A_DIRECTORY);
    assert_status(open_status("X:\\ld"), STATUS_NOT_A_DIRECTORY);
    expect_same("X:\\1\\1.1\\l1.1.1", files[2]);
    expect_same("X:\\2\\l1", "X:\\1");
    expect_same("X:\\1\\l2\\l1", "X:\\1");
    expect_same("X:\\1\\l2\\2.1", files[3]);
    expect_same("X:\\2\\a1\\1.2", files[0]);
    expect_same("X:\\2\\a1\\a2\\2.1", files[3]);
    expect_same("X:\\1\\a2\\a1\\l2\\l1\\1.1\\l1.1.1", files[2]);
}

static void RP_179_dangling_directory_link(void **state)
{
    (void)state;
    make_dir("X:\\t\\l", relative("made"));
    assert_status(create("X:\\t\\l", FILE_OPEN, 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(create("X:\\t\\l", FILE_OPEN_IF, FILE_DIRECTORY_FILE));
    expect_same("X:\\t\\l", "X:\\t\\made");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(RP_130_131_unknown_tags),
        CASE(RP_132_children_of_an_unknown_directory),
        CASE(RP_133_share_modes_of_the_link),
        CASE(RP_134_overwrite),
        CASE(RP_140_to_144_mount_point_targets),
        CASE(RP_145_junction_to_the_parent),
        CASE(RP_146_listing),
        CASE(RP_147_148_deleting_and_kinds),
        CASE(RP_149_63_relative_links),
        CASE(RP_150_31_absolute_links),
        CASE(RP_151_a_link_as_root),
        CASE(RP_160_to_176_target_syntax),
        CASE(RP_172_an_empty_target_cannot_be_set),
        CASE(RP_177_the_kind_must_agree),
        CASE(RP_178_topology),
        CASE(RP_179_dangling_directory_link),
    };
    return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
