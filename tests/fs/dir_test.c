// SPDX-License-Identifier: Apache-2.0
// Listings: every class, patterns, restarts, buffers that are too small.
#include "tests/fs/volume.h"

#include <holdfast/holdfast.h>

static struct volume v;
static struct file_object dir;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    volume_mkdir(&v, "d");
    volume_put(&v, "d\\a.txt", "12345");
    volume_mkdir(&v, "d\\B");
    volume_put(&v, "d\\c.dat", "");
    assert_ok(volume_open(&v, &dir, "d", FILE_LIST_DIRECTORY, FILE_OPEN, 0));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(volume_close(&dir));
    volume_free(&v);
    return 0;
}

static nt_status list(u32 class_, const char *pattern, bool restart, bool single, void *out, size_t length,
                      u64 *done)
{
    return volume_list(&dir, class_, pattern, restart, single, out, length, done);
}

// The names of one call, each followed by a blank; our own class.
static const char *names(const char *pattern, bool restart)
{
    static char text[512];
    _Alignas(8) u8 out[4096];
    u64 done;
    text[0] = 0;
    nt_status status = list(FileHfDirectoryInformation, pattern, restart, false, out, sizeof out, &done);
    if (status != STATUS_SUCCESS)
        return test_status_name(status);
    const struct hf_dirent *e = (const void *)out;
    for (;;) {
        assert_int_equal(strlen(e->name), e->name_length);
        strncat(text, e->name, sizeof text - strlen(text) - 2);
        strncat(text, " ", 2);
        if (!e->next)
            return text;
        e = (const void *)((const u8 *)e + e->next);
    }
}

static void patterns(void **state)
{
    (void)state;
    assert_string_equal(names("*", true), ". .. a.txt B c.dat ");
    assert_string_equal(names("*", false), "STATUS_NO_MORE_FILES");
    assert_string_equal(names("*.TXT", true), "a.txt ");
    assert_string_equal(names("?", true), ". B ");
    assert_string_equal(names("b", true), "B ");
    assert_string_equal(names("b", false), "STATUS_NO_MORE_FILES");
    assert_string_equal(names("none", true), "STATUS_NO_SUCH_FILE");
    assert_string_equal(names("*.none", true), "STATUS_NO_SUCH_FILE");
    assert_string_equal(names("..", true), ".. ");
}

static void first_pattern_holds(void **state)
{
    (void)state;
    assert_string_equal(names("*.dat", false), "c.dat ");
    assert_string_equal(names("*", false), "STATUS_NO_MORE_FILES");
    assert_string_equal(names("", true), "c.dat ");
    assert_string_equal(names("*.txt", true), "a.txt ");
}

static void no_pattern_is_everything_and_a_root_has_no_dots(void **state)
{
    (void)state;
    struct file_object root;
    u8 out[512];
    u64 done;
    assert_string_equal(names("", false), ". .. a.txt B c.dat ");
    assert_ok(volume_open(&v, &root, "", FILE_LIST_DIRECTORY, FILE_OPEN, 0));
    assert_ok(volume_list(&root, FileNamesInformation, "", false, false, out, sizeof out, &done));
    assert_int_equal(done, 12 + 2);
    assert_int_equal(out[12], 'd');
    assert_ok(volume_close(&root));
}

static void windows_classes(void **state)
{
    (void)state;
    static const struct {
        u32 class_;
        u32 name_at, name_length_at, id_at;
    } rows[] = {
        {FileDirectoryInformation, offsetof(FILE_DIRECTORY_INFORMATION, FileName), 60, 0},
        {FileFullDirectoryInformation, offsetof(FILE_FULL_DIR_INFORMATION, FileName), 60, 0},
        {FileIdFullDirectoryInformation, offsetof(FILE_ID_FULL_DIR_INFORMATION, FileName), 60,
         offsetof(FILE_ID_FULL_DIR_INFORMATION, FileId)},
        {FileBothDirectoryInformation, offsetof(FILE_BOTH_DIR_INFORMATION, FileName), 60, 0},
        {FileIdBothDirectoryInformation, offsetof(FILE_ID_BOTH_DIR_INFORMATION, FileName), 60,
         offsetof(FILE_ID_BOTH_DIR_INFORMATION, FileId)},
        {FileIdExtdDirectoryInformation, offsetof(FILE_ID_EXTD_DIR_INFORMATION, FileName), 60,
         offsetof(FILE_ID_EXTD_DIR_INFORMATION, FileId)},
        {FileIdExtdBothDirectoryInformation, offsetof(FILE_ID_EXTD_BOTH_DIR_INFORMATION, FileName), 60,
         offsetof(FILE_ID_EXTD_BOTH_DIR_INFORMATION, FileId)},
        {FileNamesInformation, offsetof(FILE_NAMES_INFORMATION, FileName), 8, 0},
    };
    struct file_object f;
    FILE_INTERNAL_INFORMATION id;
    assert_ok(volume_open(&v, &f, "d\\a.txt", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_query(&f, FileInternalInformation, &id, sizeof id, NULL));
    assert_ok(volume_close(&f));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        u8 out[256];
        u64 done;
        memset(out, 0xaa, sizeof out);
        assert_ok(list(rows[i].class_, "a*", true, false, out, sizeof out, &done));
        assert_int_equal(done, rows[i].name_at + 10);
        assert_int_equal(get_le32(out), 0);
        assert_int_equal(get_le32(out + rows[i].name_length_at), 10);
        assert_memory_equal(out + rows[i].name_at, "a\0.\0t\0x\0t\0", 10);
        if (rows[i].name_length_at == 60) {
            const FILE_DIRECTORY_INFORMATION *d = (const void *)out;
            assert_int_equal(d->EndOfFile, 5);
            assert_int_equal(d->FileAttributes, FILE_ATTRIBUTE_ARCHIVE);
            assert_true(d->CreationTime > 0 && d->LastWriteTime >= d->CreationTime);
        }
        if (rows[i].id_at)
            assert_int_equal(get_le64(out + rows[i].id_at), id.IndexNumber);
        assert_int_equal(out[rows[i].name_at + 10], 0xaa);
    }
}

static void entries_are_linked_and_aligned(void **state)
{
    (void)state;
    u8 out[1024];
    u64 done;
    u32 at = 0, count = 1;
    assert_ok(list(FileBothDirectoryInformation, "*", true, false, out, sizeof out, &done));
    for (; get_le32(out + at); count++) {
        assert_int_equal(get_le32(out + at) % 8, 0);
        at += get_le32(out + at);
    }
    assert_int_equal(count, 5);
    assert_int_equal(done, at + 94 + 10); // "c.dat"
}

static void one_at_a_time_and_small_buffers(void **state)
{
    (void)state;
    u8 out[1024];
    u64 done;
    static const char *const all[] = {".", "..", "a.txt", "B", "c.dat"};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_ok(list(FileNamesInformation, "*", i == 0, true, out, sizeof out, &done));
        assert_int_equal(get_le32(out + 8), 2 * strlen(all[i]));
    }
    assert_status(list(FileNamesInformation, "*", false, true, out, sizeof out, &done), STATUS_NO_MORE_FILES);
    // Less than the fixed part; not one whole entry; nothing is skipped by either.
    assert_status(list(FileNamesInformation, "a*", true, false, out, 11, &done), STATUS_INFO_LENGTH_MISMATCH);
    assert_status(list(FileNamesInformation, "a*", true, false, out, 21, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(done, 0);
    assert_ok(list(FileNamesInformation, "a*", false, false, out, 22, &done));
    assert_int_equal(done, 22);
    // As many as fit, then the rest.
    assert_ok(list(FileNamesInformation, "*", true, false, out, 16 + 16, &done));
    assert_int_equal(done, 16 + 12 + 4);
    assert_ok(list(FileNamesInformation, "*", false, false, out, sizeof out, &done));
    assert_int_equal(get_le32(out + 8), 10);
}

static void refusals(void **state)
{
    (void)state;
    u8 out[256];
    struct file_object f;
    assert_status(list(999, "*", true, false, out, sizeof out, NULL), STATUS_INVALID_INFO_CLASS);
    assert_status(list(FileBasicInformation, "*", true, false, out, sizeof out, NULL),
                  STATUS_INVALID_INFO_CLASS);
    assert_status(list(FileNamesInformation, "\xff", true, false, out, sizeof out, NULL),
                  STATUS_OBJECT_NAME_INVALID);
    assert_ok(volume_open(&v, &f, "d\\a.txt", FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(volume_list(&f, FileNamesInformation, "*", true, false, out, sizeof out, NULL),
                  STATUS_INVALID_PARAMETER);
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &f, "d", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_status(volume_list(&f, FileNamesInformation, "*", true, false, out, sizeof out, NULL),
                  STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &f, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(volume_list(&f, FileNamesInformation, "*", true, false, out, sizeof out, NULL),
                  STATUS_INVALID_PARAMETER);
    assert_ok(volume_close(&f));
}

static void open_files_are_listed_as_they_are_now(void **state)
{
    (void)state;
    struct file_object f;
    FILE_DIRECTORY_INFORMATION *d;
    _Alignas(8) u8 out[256];
    assert_ok(volume_open(&v, &f, "d\\c.dat", FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_write(&f, 0, "1234567", 7));
    assert_ok(list(FileDirectoryInformation, "c*", true, false, out, sizeof out, NULL));
    d = (void *)out;
    assert_int_equal(d->EndOfFile, 7);
    assert_ok(volume_close(&f));
    assert_ok(list(FileDirectoryInformation, "c*", true, false, out, sizeof out, NULL));
    assert_int_equal(d->EndOfFile, 7);
}

static void many_entries_each_once(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static u8 seen[COUNT];
    u8 out[700];
    u64 done;
    char path[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof path, "d\\file%d.x", i);
        volume_put(&v, path, "");
    }
    nt_status status = list(FileHfDirectoryInformation, "file*.x", true, false, out, sizeof out, &done);
    for (; status == STATUS_SUCCESS;
         status = list(FileHfDirectoryInformation, "", false, false, out, sizeof out, &done)) {
        for (u32 at = 0, next = 1; next; at += next) {
            struct hf_dirent e;
            memcpy(&e, out + at, offsetof(struct hf_dirent, name));
            seen[strtol((char *)out + at + offsetof(struct hf_dirent, name) + 4, NULL, 10)]++;
            next = e.next;
        }
    }
    assert_status(status, STATUS_NO_MORE_FILES);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
}

// A file and a directory with a tag, and what a class says of it.
static void set_fifo(const char *path)
{
    static const u8 lx_fifo[] = {0x24, 0, 0, 0x80, 0, 0, 0, 0};
    struct file_object f;
    assert_ok(volume_open(&v, &f, path, FILE_WRITE_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, lx_fifo, sizeof lx_fifo, NULL, 0, NULL));
    assert_ok(volume_close(&f));
}

static void RP_190_tag_as_ea_size(void **state)
{
    (void)state;
    static const u32 classes[] = {FileFullDirectoryInformation, FileBothDirectoryInformation,
                                  FileIdFullDirectoryInformation, FileIdBothDirectoryInformation};
    u8 out[256];
    set_fifo("d\\c.dat");
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        assert_ok(list(classes[i], "c*", true, false, out, sizeof out, NULL));
        assert_int_equal(get_le32(out + 64), IO_REPARSE_TAG_LX_FIFO);
        assert_true(get_le32(out + 56) & FILE_ATTRIBUTE_REPARSE_POINT);
        assert_ok(list(classes[i], "a*", true, false, out, sizeof out, NULL));
        assert_int_equal(get_le32(out + 64), 0);
    }
}

static void RP_191_tag_in_its_own_field(void **state)
{
    (void)state;
    static const u32 classes[] = {FileIdExtdDirectoryInformation, FileIdExtdBothDirectoryInformation};
    u8 out[256];
    set_fifo("d\\B");
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        assert_ok(list(classes[i], "b", true, false, out, sizeof out, NULL));
        assert_int_equal(get_le32(out + 64), 0);
        assert_int_equal(get_le32(out + 68), IO_REPARSE_TAG_LX_FIFO);
    }
}

static void RP_196_reparse_class_on_an_ordinary_directory(void **state)
{
    (void)state;
    u8 out[256];
    assert_status(list(FileReparsePointInformation, "*", true, false, out, sizeof out, NULL),
                  STATUS_INVALID_INFO_CLASS);
}

static void integrity_103_not_shown_in_listings(void **state)
{
    (void)state;
    struct file_object f;
    u8 out[256];
    struct volume_create c = {.path = "d\\both",
                              .disposition = FILE_CREATE,
                              .attributes = FILE_ATTRIBUTE_INTEGRITY_STREAM | FILE_ATTRIBUTE_NO_SCRUB_DATA};
    assert_ok(volume_create(&v, &f, &c));
    assert_ok(volume_close(&f));
    assert_ok(list(FileDirectoryInformation, "both", true, false, out, sizeof out, NULL));
    assert_int_equal(get_le32(out + 56), FILE_ATTRIBUTE_ARCHIVE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(patterns),
        TEST(first_pattern_holds),
        TEST(no_pattern_is_everything_and_a_root_has_no_dots),
        TEST(windows_classes),
        TEST(entries_are_linked_and_aligned),
        TEST(one_at_a_time_and_small_buffers),
        TEST(refusals),
        TEST(open_files_are_listed_as_they_are_now),
        TEST(many_entries_each_once),
        TEST(RP_190_tag_as_ea_size),
        TEST(RP_191_tag_in_its_own_field),
        TEST(RP_196_reparse_class_on_an_ordinary_directory),
        TEST(integrity_103_not_shown_in_listings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
