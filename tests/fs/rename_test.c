// SPDX-License-Identifier: Apache-2.0
// Rename, hard link and unlink, with NTFS' rules for what may be replaced and moved.
#include "tests/fs/volume.h"

static struct volume v;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    volume_free(&v);
    return 0;
}

// class_: of a rename or a link; directory NULL: where the file is, "": the root.
static nt_status name_it(u32 class_, const char *path, const char *directory, const char *name, u32 flags)
{
    struct file_object f, d;
    assert_ok(volume_open(&v, &f, path, DELETE, FILE_OPEN, FILE_OPEN_REPARSE_POINT));
    if (directory)
        assert_ok(volume_open(&v, &d, directory, FILE_ADD_FILE, FILE_OPEN, FILE_DIRECTORY_FILE));
    nt_status status = volume_name(&f, class_, directory ? &d : NULL, name, flags);
    if (directory)
        assert_ok(volume_close(&d));
    assert_ok(volume_close(&f));
    return status;
}

static nt_status move(const char *path, const char *directory, const char *name, bool replace)
{
    return name_it(FileRenameInformation, path, directory, name, replace);
}

static nt_status make_link(const char *path, const char *directory, const char *name, bool replace)
{
    return name_it(FileLinkInformation, path, directory, name, replace);
}

static u32 links_of(const char *path)
{
    struct file_object f;
    FILE_STANDARD_INFORMATION info;
    assert_ok(volume_open(&v, &f, path, FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_query(&f, FileStandardInformation, &info, sizeof info, NULL));
    assert_ok(volume_close(&f));
    return info.NumberOfLinks;
}

static void moves_and_renames(void **state)
{
    (void)state;
    volume_mkdir(&v, "a");
    volume_mkdir(&v, "b");
    volume_put(&v, "a\\f", "data");
    assert_ok(move("a\\f", NULL, "g", false));
    assert_status(volume_probe(&v, "a\\f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_expect(&v, "a\\g", "data");
    assert_ok(move("a\\g", "b", "h", false));
    volume_expect(&v, "b\\h", "data");
    assert_ok(move("b\\h", "", "top", false));
    volume_expect(&v, "top", "data");
    assert_status(move("top", NULL, "a:b", false), STATUS_OBJECT_NAME_INVALID);
    assert_status(move("top", NULL, "..", false), STATUS_OBJECT_NAME_INVALID);
}

static void same_name_and_other_case(void **state)
{
    (void)state;
    char list[1024];
    struct file_object d;
    volume_put(&v, "name", "data");
    assert_ok(move("name", NULL, "name", false));
    assert_ok(move("name", NULL, "NaMe", false));
    volume_expect(&v, "name", "data");
    assert_int_equal(links_of("name"), 1);
    assert_ok(volume_open(&v, &d, "", FILE_LIST_DIRECTORY, FILE_OPEN, 0));
    assert_ok(volume_list(&d, FileNamesInformation, "*", true, true, list, sizeof list, NULL));
    assert_memory_equal(list + 12, "N\0a\0M\0e\0", 8);
    assert_ok(volume_close(&d));
}

static void replacing(void **state)
{
    (void)state;
    struct file_object f;
    volume_put(&v, "new", "new");
    volume_put(&v, "old", "old");
    volume_mkdir(&v, "dir");
    assert_status(move("new", NULL, "old", false), STATUS_OBJECT_NAME_COLLISION);
    assert_status(move("new", NULL, "dir", false), STATUS_OBJECT_NAME_COLLISION);
    assert_status(move("new", NULL, "dir", true), STATUS_ACCESS_DENIED);
    assert_status(move("dir", NULL, "old", true), STATUS_ACCESS_DENIED);
    assert_ok(volume_open(&v, &f, "old", FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(move("new", NULL, "old", true), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &f, "ro", FILE_READ_ATTRIBUTES, FILE_CREATE, 0));
    FILE_BASIC_INFORMATION basic = {.FileAttributes = FILE_ATTRIBUTE_READONLY};
    f.access |= FILE_WRITE_ATTRIBUTES;
    assert_ok(volume_set(&f, FileBasicInformation, &basic, sizeof basic));
    assert_ok(volume_close(&f));
    assert_status(move("new", NULL, "ro", true), STATUS_ACCESS_DENIED);
    assert_ok(move("new", NULL, "OLD", true));
    volume_expect(&v, "old", "new");
    assert_status(volume_probe(&v, "new", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void make_readonly(const char *path)
{
    struct file_object f;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = FILE_ATTRIBUTE_READONLY};
    assert_ok(volume_open(&v, &f, path, FILE_WRITE_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_set(&f, FileBasicInformation, &basic, sizeof basic));
    assert_ok(volume_close(&f));
}

// With POSIX semantics who has the old file open keeps it, and the next open finds the new one.
static void replacing_what_is_open(void **state)
{
    (void)state;
    static const u32 classes[] = {FileRenameInformationEx, FileLinkInformationEx};
    u32 posix = FILE_RENAME_REPLACE_IF_EXISTS | FILE_RENAME_POSIX_SEMANTICS;
    for (u32 i = 0; i < ARRAY_LEN(classes); i++) {
        struct file_object f;
        char data[4];
        u64 done;
        volume_put(&v, "new", "new");
        volume_put(&v, "old", "old");
        assert_ok(volume_open(&v, &f, "old", FILE_READ_DATA, FILE_OPEN, 0));
        assert_status(name_it(classes[i], "new", NULL, "old", FILE_RENAME_POSIX_SEMANTICS),
                      STATUS_OBJECT_NAME_COLLISION);
        assert_status(name_it(classes[i], "new", NULL, "old", FILE_RENAME_REPLACE_IF_EXISTS),
                      STATUS_ACCESS_DENIED);
        assert_ok(name_it(classes[i], "new", NULL, "old", posix));
        volume_expect(&v, "old", "new");
        assert_ok(volume_read(&f, 0, data, sizeof data, &done));
        assert_int_equal(done, 3);
        assert_memory_equal(data, "old", 3);
        assert_ok(volume_close(&f));
        volume_expect(&v, "old", "new");
        assert_int_equal(links_of("old"), i + 1);

        struct volume_create c = {.path = "old", .access = FILE_READ_DATA, .disposition = FILE_OPEN};
        c.share = FILE_SHARE_READ | FILE_SHARE_WRITE;
        volume_put(&v, "other", "x");
        assert_ok(volume_create(&v, &f, &c));
        assert_status(name_it(classes[i], "other", NULL, "old", posix), STATUS_SHARING_VIOLATION);
        assert_ok(volume_close(&f));
        assert_ok(volume_open(&v, &f, "old", DELETE, FILE_OPEN, 0));
        assert_ok(volume_delete(&f));
        assert_status(name_it(classes[i], "other", NULL, "old", posix), STATUS_DELETE_PENDING);
        assert_ok(volume_close(&f));
    }
}

// What the replaced file had comes back with the last handle.
static void space_of_what_was_replaced(void **state)
{
    (void)state;
    static u8 data[1 << 20];
    struct file_object f;
    struct vcb *vcb = v.device->extension;
    struct check_totals totals;
    struct check_options options = {.data = true};
    volume_put(&v, "new", "new");
    assert_ok(volume_open(&v, &f, "old", FILE_WRITE_DATA, FILE_CREATE, 0));
    assert_ok(volume_write(&f, 0, data, sizeof data));
    assert_ok(name_it(FileRenameInformationEx, "new", NULL, "old",
                      FILE_RENAME_REPLACE_IF_EXISTS | FILE_RENAME_POSIX_SEMANTICS));
    assert_ok(volume_write(&f, sizeof data, data, sizeof data));
    u64 id = f.context ? ((struct ccb *)f.context)->scb->fcb->id : 0;
    struct inode inode;
    assert_ok(inode_get(vcb->store, id, &inode));
    assert_ok(volume_close(&f));
    assert_status(inode_get(vcb->store, id, &inode), STATUS_FILE_INVALID);
    assert_ok(store_commit(vcb->store));
    assert_ok(store_check(vcb->store, &options, &totals));
    assert_int_equal(totals.findings, 0);
}

static void replacing_what_is_read_only(void **state)
{
    (void)state;
    u32 replace = FILE_RENAME_REPLACE_IF_EXISTS;
    volume_put(&v, "new", "new");
    volume_put(&v, "old", "old");
    make_readonly("old");
    assert_status(name_it(FileRenameInformationEx, "new", NULL, "old", replace), STATUS_ACCESS_DENIED);
    assert_status(name_it(FileRenameInformationEx, "new", NULL, "old", replace | FILE_RENAME_POSIX_SEMANTICS),
                  STATUS_ACCESS_DENIED);
    assert_ok(name_it(FileRenameInformationEx, "new", NULL, "old",
                      replace | FILE_RENAME_IGNORE_READONLY_ATTRIBUTE));
    volume_expect(&v, "old", "new");
    // What Windows documents and means nothing here; what it does not document.
    assert_ok(name_it(FileRenameInformationEx, "old", NULL, "last", 0x1bc));
    assert_status(name_it(FileRenameInformationEx, "last", NULL, "x", 0x200), STATUS_NOT_SUPPORTED);
}

static void replacing_directories(void **state)
{
    (void)state;
    struct file_object f;
    u32 posix = FILE_RENAME_REPLACE_IF_EXISTS | FILE_RENAME_POSIX_SEMANTICS;
    volume_mkdir(&v, "a");
    volume_mkdir(&v, "a\\in");
    volume_mkdir(&v, "b");
    volume_mkdir(&v, "b\\in");
    volume_put(&v, "file", "");
    assert_status(name_it(FileRenameInformationEx, "a", NULL, "b", posix), STATUS_DIRECTORY_NOT_EMPTY);
    assert_status(name_it(FileRenameInformationEx, "b\\in", "", "b", posix), STATUS_DIRECTORY_NOT_EMPTY);
    assert_status(name_it(FileRenameInformationEx, "a", NULL, "file", posix), STATUS_ACCESS_DENIED);
    assert_status(name_it(FileRenameInformationEx, "file", NULL, "b", posix), STATUS_ACCESS_DENIED);
    assert_status(name_it(FileRenameInformationEx, "a\\in", "b", "in", 1), STATUS_ACCESS_DENIED);
    assert_ok(volume_open(&v, &f, "b\\in", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_DIRECTORY_FILE));
    assert_ok(name_it(FileRenameInformationEx, "a\\in", "b", "in", posix));
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "a\\in", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_put(&v, "b\\in\\f", "lives");
    assert_ok(name_it(FileRenameInformationEx, "b", NULL, "c", posix));
    volume_expect(&v, "c\\in\\f", "lives");
}

static void directories(void **state)
{
    (void)state;
    struct file_object f;
    volume_mkdir(&v, "a");
    volume_mkdir(&v, "a\\b");
    volume_put(&v, "a\\b\\f", "deep");
    assert_status(move("a", "a\\b", "c", false), STATUS_INVALID_PARAMETER);
    assert_status(move("a", "a", "c", false), STATUS_INVALID_PARAMETER);
    assert_status(move("", "a", "c", false), STATUS_INVALID_PARAMETER);
    assert_ok(volume_open(&v, &f, "a\\b\\f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_status(move("a", NULL, "c", false), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&f));
    assert_ok(move("a", NULL, "c", false));
    volume_expect(&v, "c\\b\\f", "deep");
    assert_ok(move("c\\b", "", "b", false));
    volume_expect(&v, "b\\f", "deep");
}

static void hard_links(void **state)
{
    (void)state;
    volume_mkdir(&v, "d");
    volume_put(&v, "f", "data");
    assert_ok(make_link("f", "d", "g", false));
    volume_expect(&v, "d\\g", "data");
    assert_int_equal(links_of("f"), 2);
    assert_status(make_link("f", "d", "g", false), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(make_link("f", "d", "g", true));
    assert_int_equal(links_of("f"), 2);
    assert_status(make_link("d", "", "e", false), STATUS_FILE_IS_A_DIRECTORY);
    volume_put(&v, "other", "other");
    assert_ok(make_link("f", "", "other", true));
    volume_expect(&v, "other", "data");
    assert_int_equal(links_of("f"), 3);
    // Renaming one link onto another leaves one of the two.
    assert_ok(move("f", "d", "g", true));
    assert_status(volume_probe(&v, "f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(links_of("d\\g"), 2);
    volume_expect(&v, "d\\g", "data");
}

static void at_most_1024_links(void **state)
{
    (void)state;
    struct file_object f;
    char name[16];
    assert_ok(volume_open(&v, &f, "f", FILE_READ_ATTRIBUTES, FILE_CREATE, 0));
    for (int i = 1; i < 1024; i++) {
        snprintf(name, sizeof name, "link%d", i);
        assert_ok(volume_name(&f, FileLinkInformation, NULL, name, false));
    }
    assert_status(volume_name(&f, FileLinkInformation, NULL, "one more", false), STATUS_TOO_MANY_LINKS);
    assert_ok(volume_close(&f));
}

static void other_volume(void **state)
{
    (void)state;
    struct file_object f, d;
    struct volume w;
    volume_new(&w, NULL);
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_open(&w, &d, "", FILE_ADD_FILE, FILE_OPEN, 0));
    assert_status(volume_name(&f, FileRenameInformation, &d, "f", false), STATUS_NOT_SAME_DEVICE);
    assert_status(volume_name(&f, FileLinkInformation, &d, "f", false), STATUS_NOT_SAME_DEVICE);
    assert_ok(volume_close(&d));
    assert_ok(volume_close(&f));
    volume_free(&w);
}

static void RP_183_the_link_itself_moves(void **state)
{
    (void)state;
    static const u8 symlink_bar[] = {0x0c, 0, 0, 0xa0, 0x18, 0, 0,   0, 6,   0, 6,   0, 0,   0, 6,   0,
                                     1,    0, 0, 0,    'b',  0, 'a', 0, 'r', 0, 'b', 0, 'a', 0, 'r', 0};
    struct file_object f;
    volume_put(&v, "link", "");
    assert_ok(volume_open(&v, &f, "link", FILE_WRITE_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, symlink_bar, sizeof symlink_bar, NULL, 0, NULL));
    assert_ok(volume_close(&f));
    volume_mkdir(&v, "d");
    assert_ok(move("link", "d", "moved", false));
    assert_status(volume_probe(&v, "d\\moved", 0), STATUS_REPARSE);
    assert_ok(move("d\\moved", "", "link", false));
    volume_put(&v, "file", "");
    assert_status(move("file", NULL, "link", false), STATUS_OBJECT_NAME_COLLISION);
}

static void integrity_094_095_rename_keeps_the_setting(void **state)
{
    (void)state;
    struct file_object f;
    struct volume_create c = {.path = "on",
                              .disposition = FILE_CREATE,
                              .options = FILE_DIRECTORY_FILE,
                              .attributes = FILE_ATTRIBUTE_INTEGRITY_STREAM};
    assert_ok(volume_create(&v, &f, &c));
    assert_ok(volume_close(&f));
    volume_put(&v, "on\\with", "x");
    volume_put(&v, "without", "x");
    assert_ok(move("on\\with", "", "with", false));
    assert_ok(move("without", "on", "without", false));
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER info;
    static const struct {
        const char *path;
        u16 algorithm;
    } rows[] = {{"with", CHECKSUM_TYPE_CRC32}, {"on\\without", CHECKSUM_TYPE_NONE}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_ok(volume_open(&v, &f, rows[i].path, FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
        assert_ok(volume_fsctl(&f, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &info, sizeof info, NULL));
        assert_int_equal(info.ChecksumAlgorithm, rows[i].algorithm);
        assert_ok(volume_close(&f));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(moves_and_renames),
        TEST(same_name_and_other_case),
        TEST(replacing),
        TEST(replacing_what_is_open),
        TEST(space_of_what_was_replaced),
        TEST(replacing_what_is_read_only),
        TEST(replacing_directories),
        TEST(directories),
        TEST(hard_links),
        TEST(at_most_1024_links),
        TEST(other_volume),
        TEST(RP_183_the_link_itself_moves),
        TEST(integrity_094_095_rename_keeps_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
