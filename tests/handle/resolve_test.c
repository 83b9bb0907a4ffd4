// SPDX-License-Identifier: Apache-2.0
// Links on the way to a file: every row of the target table, the budget, kinds, other drives, POSIX
// spellings, links below a handle. Numbers are those of spec/reparse.md 7.
#include "tests/handle/stack.h"

enum { RELATIVE = SYMLINK_FLAG_RELATIVE };

static void symlink_file(const char *name, u32 flags, const char *target)
{
    make_link(name, false, IO_REPARSE_TAG_SYMLINK, flags, target);
}

static void symlink_directory(const char *name, u32 flags, const char *target)
{
    make_link(name, true, IO_REPARSE_TAG_SYMLINK, flags, target);
}

static void mount_point(const char *name, const char *target)
{
    make_link(name, true, IO_REPARSE_TAG_MOUNT_POINT, 0, target);
}

// A tree that every test has: X:\t\{file, dir\{file}}, X:\top.
static int tree(void **state)
{
    stack_setup(state);
    make_directory("X:\\t");
    make_directory("X:\\t\\dir");
    put("X:\\t\\file", "t file");
    put("X:\\t\\dir\\file", "dir file");
    put("X:\\top", "top");
    return 0;
}

static int no_tree(void **state)
{
    static const char *const names[] = {"X:\\t\\dir\\file", "X:\\t\\file", "X:\\t\\dir"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        remove_name(names[i]);
    return stack_teardown(state);
}

struct row {
    u32 flags;
    const char *target;
    nt_status file, directory; // what opening a file link and a directory link say
};

// RP-160 ... RP-176: one row, one case.
static void RP_160_to_176_targets(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RELATIVE, "file", STATUS_SUCCESS, STATUS_NOT_A_DIRECTORY},
        {RELATIVE, "dir", STATUS_FILE_IS_A_DIRECTORY, STATUS_SUCCESS},
        {RELATIVE, ".\\dir\\..\\.\\dir\\", STATUS_OBJECT_NAME_INVALID, STATUS_SUCCESS},
        {RELATIVE, "..", STATUS_FILE_IS_A_DIRECTORY, STATUS_SUCCESS},
        {RELATIVE, "..\\top", STATUS_SUCCESS, STATUS_NOT_A_DIRECTORY},
        {RELATIVE, "dir\\.", STATUS_FILE_IS_A_DIRECTORY, STATUS_SUCCESS},
        {RELATIVE, "..\\..\\top", STATUS_IO_REPARSE_DATA_INVALID, STATUS_IO_REPARSE_DATA_INVALID},
        {RELATIVE, "./file", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {RELATIVE, ".\\\\file", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {RELATIVE, ".\\file.", STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_NAME_NOT_FOUND},
        {RELATIVE, "file\\", STATUS_OBJECT_NAME_INVALID, STATUS_NOT_A_DIRECTORY},
        {RELATIVE, "\\t\\file", STATUS_SUCCESS, STATUS_NOT_A_DIRECTORY},
        {RELATIVE, "\\??\\X:\\t\\file", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {0, "\\??\\X:\\t\\file", STATUS_SUCCESS, STATUS_NOT_A_DIRECTORY},
        {0, "\\??\\X:\\t\\dir", STATUS_FILE_IS_A_DIRECTORY, STATUS_SUCCESS},
        {0, "\\??\\X:\\", STATUS_FILE_IS_A_DIRECTORY, STATUS_SUCCESS},
        {0, "\\??\\X:\\t\\dir\\", STATUS_FILE_IS_A_DIRECTORY, STATUS_SUCCESS},
        {0, "\\\\?\\X:\\t\\file", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {0, "X:\\t\\file", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {0, ".\\file", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {0, "file", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {0, "\\??\\X:\\t\\.\\file", STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND},
        {0, "\\??\\X:\\t\\..\\top", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {0, "\\??\\X:/t/file", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
        {0, "\\??\\X:\\t\\missing", STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_NAME_NOT_FOUND},
        {0, "\\??\\Q:\\file", STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_NAME_NOT_FOUND},
        {0, "\\??\\Volume{0a0b}\\", STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_NAME_NOT_FOUND},
        {0, "\\Device\\NamedPipe\\", STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_NAME_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("# %s\n", rows[i].target);
        symlink_file("X:\\t\\lf", rows[i].flags, rows[i].target);
        symlink_directory("X:\\t\\ld", rows[i].flags, rows[i].target);
        assert_int_equal(probe("X:\\t\\lf", 0), rows[i].file);
        assert_int_equal(probe("X:\\t\\ld", 0), rows[i].directory);
        remove_name("X:\\t\\lf");
        remove_name("X:\\t\\ld");
    }
}

static void links_in_the_middle(void **state)
{
    (void)state;
    symlink_directory("X:\\l", RELATIVE, "t\\dir");
    mount_point("X:\\m", "\\??\\X:\\t\\");
    expect("X:\\l\\file", "dir file");
    expect("X:\\m\\file", "t file");
    expect("X:\\m\\dir\\file", "dir file");
    assert_int_equal(file_id("X:\\l", 0), file_id("X:\\t\\dir", 0));
    assert_int_not_equal(file_id("X:\\l", FILE_OPEN_REPARSE_POINT), file_id("X:\\t\\dir", 0));
    // The flag is about the last component only.
    assert_int_equal(file_id("X:\\m\\file", FILE_OPEN_REPARSE_POINT), file_id("X:\\t\\file", 0));
    assert_status(probe("X:\\l\\missing", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    remove_name("X:\\l");
    remove_name("X:\\m");
}

static void RP_140_141_142_143_mount_point_targets(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        nt_status status;
    } rows[] = {{"foobar", STATUS_OBJECT_NAME_INVALID},
                {"\\??\\X:\\missing", STATUS_OBJECT_NAME_NOT_FOUND},
                {"\\??\\X:\\t\\dir", STATUS_SUCCESS},
                {"\\??\\X:\\top", STATUS_NOT_A_DIRECTORY}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        mount_point("X:\\m", rows[i].target);
        assert_int_equal(probe("X:\\m", 0), rows[i].status);
        remove_name("X:\\m");
    }
}

static void RP_144_145_loops(void **state)
{
    (void)state;
    mount_point("X:\\m", "\\??\\X:\\m");
    assert_status(probe("X:\\m", 0), STATUS_REPARSE_POINT_NOT_RESOLVED);
    remove_name("X:\\m");
    make_directory("X:\\d");
    put("X:\\d\\file", "in d");
    mount_point("X:\\d\\d", "\\??\\X:\\d");
    expect("X:\\d\\d\\d\\d\\file", "in d");
    remove_name("X:\\d\\d");
    remove_name("X:\\d\\file");
    remove_name("X:\\d");
}

// l1 -> l2 -> ... -> the file: n links.
static nt_status chain(u32 n, u32 flags, const char *prefix)
{
    char name[32], target[48];
    for (u32 i = 1; i <= n; i++) {
        snprintf(name, sizeof name, "X:\\c%u", i);
        if (i < n)
            snprintf(target, sizeof target, "%sc%u", prefix, i + 1);
        else
            snprintf(target, sizeof target, "%stop", prefix);
        symlink_file(name, flags, target);
    }
    nt_status status = probe("X:\\c1", 0);
    for (u32 i = 1; i <= n; i++) {
        snprintf(name, sizeof name, "X:\\c%u", i);
        remove_name(name);
    }
    return status;
}

static void RP_149_63_relative_links(void **state)
{
    (void)state;
    assert_ok(chain(63, RELATIVE, ""));
    assert_status(chain(64, RELATIVE, ""), STATUS_REPARSE_POINT_NOT_RESOLVED);
}

static void RP_150_31_absolute_links(void **state)
{
    (void)state;
    assert_ok(chain(31, 0, "\\??\\X:\\"));
    assert_status(chain(32, 0, "\\??\\X:\\"), STATUS_REPARSE_POINT_NOT_RESOLVED);
}

static void RP_130_foreign_tag(void **state)
{
    (void)state;
    u8 b[30] = {0x34, 0x12, 0,    0,    6,    0,    0,    0,    0x1e, 0xc6, 0x5f, 0x89, 0x91, 0x7b, 0x77,
                0x46, 0xba, 0x3e, 0x79, 0x34, 0xed, 0xf2, 0xb7, 0x43, 'f',  'o',  'o',  'b',  'a',  'r'};
    hf_handle h;
    assert_ok(stack_open("X:\\f", FILE_WRITE_DATA, FILE_CREATE, 0, &h));
    assert_ok(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, b, sizeof b, NULL, 0, NULL));
    assert_ok(hf_close(h));
    assert_status(probe("X:\\f", 0), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_ok(probe("X:\\f", FILE_OPEN_REPARSE_POINT));
    remove_name("X:\\f");
}

static void RP_151_below_a_handle_of_a_link(void **state)
{
    (void)state;
    hf_handle root, h;
    mount_point("X:\\m", "\\??\\X:\\t");
    assert_ok(stack_open("X:\\m", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &root));
    struct hf_open_options o = {.root = root};
    assert_status(hf_open("dir", &o, &h), STATUS_REPARSE_POINT_NOT_RESOLVED);
    assert_status(hf_open("", &o, &h), STATUS_IO_REPARSE_DATA_INVALID);
    o.options = FILE_OPEN_REPARSE_POINT;
    assert_ok(hf_open("", &o, &h));
    assert_ok(hf_close(h));
    assert_ok(hf_close(root));
    remove_name("X:\\m");
}

// A relative link below a handle may lead out of that directory.
static void links_below_a_handle(void **state)
{
    (void)state;
    hf_handle root, h;
    symlink_file("X:\\t\\dir\\up", RELATIVE, "..\\..\\top");
    assert_ok(stack_open("X:\\t", FILE_LIST_DIRECTORY, FILE_OPEN, 0, &root));
    struct hf_open_options o = {.root = root, .access = FILE_READ_DATA};
    assert_ok(hf_open("dir\\up", &o, &h));
    char data[8];
    size_t done;
    assert_ok(hf_read(h, 0, data, sizeof data, &done));
    assert_memory_equal(data, "top", 3);
    assert_ok(hf_close(h));
    assert_ok(hf_close(root));
    remove_name("X:\\t\\dir\\up");
}

static void RP_177_kind_and_the_callers_wish(void **state)
{
    (void)state;
    symlink_file("X:\\lf", RELATIVE, "t");
    symlink_directory("X:\\ld", RELATIVE, "top");
    assert_status(probe("X:\\lf", 0), STATUS_FILE_IS_A_DIRECTORY);
    assert_status(probe("X:\\ld", 0), STATUS_NOT_A_DIRECTORY);
    assert_status(probe("X:\\lf", FILE_DIRECTORY_FILE), STATUS_NOT_A_DIRECTORY);
    assert_status(probe("X:\\ld", FILE_NON_DIRECTORY_FILE), STATUS_FILE_IS_A_DIRECTORY);
    remove_name("X:\\lf");
    remove_name("X:\\ld");
}

static void RP_178_topology(void **state)
{
    (void)state;
    static const char *const directories[] = {"X:\\1", "X:\\1\\1.1", "X:\\2"};
    static const char *const files[] = {"X:\\1\\1.2", "X:\\1\\1.3", "X:\\1\\1.1\\1.1.1", "X:\\2\\2.1"};
    for (size_t i = 0; i < ARRAY_LEN(directories); i++)
        make_directory(directories[i]);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        put(files[i], files[i]);
    symlink_file("X:\\l0", RELATIVE, "NON-EXISTANT");
    symlink_file("X:\\loop", RELATIVE, "loop");
    symlink_file("X:\\1\\1.1\\l1.1.1", RELATIVE, "1.1.1");
    symlink_directory("X:\\2\\l1", RELATIVE, "..\\1\\.");
    symlink_directory("X:\\1\\l2", RELATIVE, "..\\.\\2");
    symlink_directory("X:\\2\\a1", RELATIVE, "\\1");
    symlink_directory("X:\\1\\a2", RELATIVE, "\\2");
    assert_status(probe("X:\\l0", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(probe("X:\\loop", 0), STATUS_REPARSE_POINT_NOT_RESOLVED);
    expect("X:\\1\\a2\\a1\\l2\\l1\\1.1\\l1.1.1", "X:\\1\\1.1\\1.1.1");
    expect("X:/1/a2/a1/l2/l1/1.1/l1.1.1", "X:\\1\\1.1\\1.1.1");
    static const char *const all[] = {
        "X:\\l0",    "X:\\loop",   "X:\\1\\1.1\\l1.1.1", "X:\\2\\l1",         "X:\\1\\l2",  "X:\\2\\a1",
        "X:\\1\\a2", "X:\\1\\1.2", "X:\\1\\1.3",         "X:\\1\\1.1\\1.1.1", "X:\\2\\2.1", "X:\\1\\1.1",
        "X:\\1",     "X:\\2"};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        remove_name(all[i]);
}

static void RP_179_dangling_directory_link(void **state)
{
    (void)state;
    hf_handle h;
    symlink_directory("X:\\ld", RELATIVE, "made");
    assert_status(probe("X:\\ld", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(stack_open("X:\\ld", 0, FILE_OPEN_IF, FILE_DIRECTORY_FILE, &h));
    assert_ok(hf_close(h));
    assert_ok(probe("X:\\made", FILE_DIRECTORY_FILE));
    remove_name("X:\\ld");
    remove_name("X:\\made");
}

static void other_drives(void **state)
{
    (void)state;
    assert_ok(hf_attach("Y:", "ram:16777216"));
    assert_ok(hf_format("Y:", NULL));
    make_directory("Y:\\far");
    put("Y:\\far\\file", "far away");
    mount_point("X:\\m", "\\??\\Y:\\far");
    symlink_file("X:\\l", 0, "\\??\\y:\\far\\file");
    expect("X:\\m\\file", "far away");
    expect("X:/l", "far away");
    hf_handle h;
    assert_ok(stack_open("X:\\m\\file", FILE_READ_DATA, 0, 0, &h));
    assert_status(hf_detach("Y:"), STATUS_FILES_OPEN);
    assert_ok(hf_close(h));
    assert_ok(hf_detach("Y:"));
    assert_status(probe("X:\\m\\file", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    remove_name("X:\\m");
    remove_name("X:\\l");
}

static void posix_spelling(void **state)
{
    (void)state;
    make_directory("X:/a\\b"); // one directory, with a backslash in its name
    put("X:/a\\b/c:d", "posix");
    symlink_directory("X:\\t\\l", RELATIVE, "..\\t\\dir");
    expect("X:/t/l/file", "dir file");
    symlink_directory("X:/a\\b/up", RELATIVE, "..");
    expect("X:/a\\b/up/a\\b/c:d", "posix");
    remove_name("X:/a\\b/up");
    remove_name("X:/a\\b/c:d");
    remove_name("X:/a\\b");
    remove_name("X:\\t\\l");
}

static void streams_of_a_link_are_the_targets(void **state)
{
    (void)state;
    put("X:\\t\\file:s", "stream");
    symlink_file("X:\\l", RELATIVE, "t\\file");
    expect("X:\\l:s", "stream");
    remove_name("X:\\l");
}

static void rename_goes_through_links(void **state)
{
    (void)state;
    hf_handle h;
    mount_point("X:\\m", "\\??\\X:\\t\\dir");
    put("X:\\moving", "moved");
    assert_ok(stack_open("X:\\moving", DELETE, 0, 0, &h));
    assert_ok(hf_rename(h, NULL, "X:\\m\\arrived", false));
    assert_ok(hf_close(h));
    expect("X:\\t\\dir\\arrived", "moved");
    remove_name("X:\\t\\dir\\arrived");
    remove_name("X:\\m");
}

// An absolute open that meets another medium starts again on that one; handles of the old one fail, and work
// again when it is back. An empty drive can still be opened as a drive, and detached (storage 59, 60).
static void case_059_060_swapped_medium(void **state)
{
    (void)state;
    hf_handle h, drive;
    size_t done;
    char one[128], two[128], here[128], spec[160], data[8];
    snprintf(one, sizeof one, "%s/one", stack_directory);
    snprintf(two, sizeof two, "%s/two", stack_directory);
    snprintf(here, sizeof here, "%s/here", stack_directory);
    snprintf(spec, sizeof spec, "file:%s,removable,retry-ms=1", here);
    image_make(two, NULL);
    assert_int_equal(rename(two, here), 0);
    assert_ok(hf_attach("R:", spec));
    put("R:\\who", "two");
    assert_ok(hf_detach("R:"));
    assert_int_equal(rename(here, two), 0);
    image_make(one, NULL);
    assert_int_equal(rename(one, here), 0);
    assert_ok(hf_attach("R:", spec));
    put("R:\\who", "one");
    assert_ok(stack_open("R:\\who", GENERIC_READ | GENERIC_WRITE, 0, 0, &h));
    assert_ok(hf_flush(h));

    assert_int_equal(rename(here, one), 0);
    assert_int_equal(rename(two, here), 0);
    expect("R:\\who", "two");
    assert_status(hf_read(h, 0, data, 3, &done), STATUS_WRONG_VOLUME);

    assert_int_equal(rename(here, two), 0);
    assert_status(probe("R:\\who", 0), STATUS_NO_MEDIA_IN_DEVICE);
    assert_ok(stack_open("\\\\.\\R:", GENERIC_READ, 0, 0, &drive));
    STORAGE_DEVICE_NUMBER number;
    assert_ok(hf_ioctl(drive, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &number, sizeof number, &done));
    assert_ok(hf_close(drive));

    assert_int_equal(rename(one, here), 0);
    expect("R:\\who", "one");
    assert_ok(hf_read(h, 0, data, 3, &done));
    assert_memory_equal(data, "one", 3);
    assert_ok(hf_close(h));

    assert_int_equal(rename(here, one), 0);
    nt_status status = hf_detach("R:"); // whatever it says of the last commit, the device is gone
    assert_true(status == STATUS_SUCCESS || HF_STATUS_IS_ERROR(status));
    assert_status(probe("R:\\who", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_ok(hf_attach("R:", spec));
    assert_ok(hf_detach("R:"));
    unlink(one);
    unlink(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(RP_160_to_176_targets),
        cmocka_unit_test(links_in_the_middle),
        cmocka_unit_test(RP_140_141_142_143_mount_point_targets),
        cmocka_unit_test(RP_144_145_loops),
        cmocka_unit_test(RP_149_63_relative_links),
        cmocka_unit_test(RP_150_31_absolute_links),
        cmocka_unit_test(RP_130_foreign_tag),
        cmocka_unit_test(RP_151_below_a_handle_of_a_link),
        cmocka_unit_test(links_below_a_handle),
        cmocka_unit_test(RP_177_kind_and_the_callers_wish),
        cmocka_unit_test(RP_178_topology),
        cmocka_unit_test(RP_179_dangling_directory_link),
        cmocka_unit_test(other_drives),
        cmocka_unit_test(posix_spelling),
        cmocka_unit_test(streams_of_a_link_are_the_targets),
        cmocka_unit_test(rename_goes_through_links),
        cmocka_unit_test(case_059_060_swapped_medium),
    };
    return cmocka_run_group_tests_name("resolve", tests, tree, no_tree);
}
