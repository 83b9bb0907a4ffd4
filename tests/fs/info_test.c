// SPDX-License-Identifier: Apache-2.0
// Information classes: what each says, sizes and rights they ask for, what can be set and what is dropped.
#include "tests/test.h"

#include "tests/fs/volume.h"

enum { ALL_ACCESS = FILE_ALL_ACCESS & ~(SYNCHRONIZE | WRITE_DAC | WRITE_OWNER) };

static struct volume v;
static struct file_object f;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    volume_mkdir(&v, "dir");
    volume_put(&v, "dir\\file", "hello");
    assert_ok(volume_open(&v, &f, "dir\\file", ALL_ACCESS, FILE_OPEN, 0));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(volume_close(&f));
    volume_free(&v);
    return 0;
}

static FILE_BASIC_INFORMATION basic_of(struct file_object *file)
{
    FILE_BASIC_INFORMATION basic;
    u64 done;
    assert_ok(volume_query(file, FileBasicInformation, &basic, sizeof basic, &done));
    assert_int_equal(done, sizeof basic);
    return basic;
}

static FILE_STANDARD_INFORMATION standard_of(struct file_object *file)
{
    FILE_STANDARD_INFORMATION standard;
    assert_ok(volume_query(file, FileStandardInformation, &standard, sizeof standard, NULL));
    return standard;
}

static void every_class_answers_with_its_size(void **state)
{
    (void)state;
    static const struct {
        u32 class_, size;
    } fixed[] = {
        {FileBasicInformation, 40},       {FileStandardInformation, 24}, {FileInternalInformation, 8},
        {FileEaInformation, 4},           {FileAccessInformation, 4},    {FilePositionInformation, 8},
        {FileModeInformation, 4},         {FileAlignmentInformation, 4}, {FileNetworkOpenInformation, 56},
        {FileAttributeTagInformation, 8}, {FileIdInformation, 24},       {FileStatInformation, 72},
    };
    u8 data[128];
    u64 done;
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        assert_ok(volume_query(&f, fixed[i].class_, data, sizeof data, &done));
        assert_int_equal(done, fixed[i].size);
        assert_ok(volume_query(&f, fixed[i].class_, data, fixed[i].size, &done));
        for (u32 size = 0; size < fixed[i].size; size++)
            assert_status(volume_query(&f, fixed[i].class_, data, size, &done), STATUS_INFO_LENGTH_MISMATCH);
    }
    assert_status(volume_query(&f, 4711, data, sizeof data, &done), STATUS_INVALID_INFO_CLASS);
    assert_status(volume_query(&f, FileBasicInformation, data, (u32)-1, &done), STATUS_INFO_LENGTH_MISMATCH);
}

static void values_agree(void **state)
{
    (void)state;
    FILE_STANDARD_INFORMATION standard = standard_of(&f);
    assert_int_equal(standard.EndOfFile, 5);
    assert_true(standard.AllocationSize >= 5);
    assert_int_equal(standard.NumberOfLinks, 1);
    assert_false(standard.Directory);
    FILE_INTERNAL_INFORMATION internal;
    FILE_ID_INFORMATION id;
    FILE_STAT_INFORMATION stat;
    FILE_NETWORK_OPEN_INFORMATION open;
    assert_ok(volume_query(&f, FileInternalInformation, &internal, sizeof internal, NULL));
    assert_ok(volume_query(&f, FileIdInformation, &id, sizeof id, NULL));
    assert_ok(volume_query(&f, FileStatInformation, &stat, sizeof stat, NULL));
    assert_ok(volume_query(&f, FileNetworkOpenInformation, &open, sizeof open, NULL));
    assert_int_equal(get_le64(id.FileId), internal.IndexNumber);
    assert_int_equal(stat.FileId, internal.IndexNumber);
    assert_int_equal(stat.EndOfFile, 5);
    assert_int_equal(open.EndOfFile, 5);
    assert_int_equal(stat.EffectiveAccess, ALL_ACCESS);
    assert_int_equal(open.FileAttributes, basic_of(&f).FileAttributes);
    assert_int_equal(open.CreationTime, basic_of(&f).CreationTime);
}

static void names_are_paths_and_can_be_cut(void **state)
{
    (void)state;
    static const char path[] = "\\\0d\0i\0r\0\\\0f\0i\0l\0e\0";
    u8 data[64];
    u64 done;
    assert_ok(volume_query(&f, FileNameInformation, data, sizeof data, &done));
    assert_int_equal(get_le32(data), 18);
    assert_int_equal(done, 22);
    assert_memory_equal(data + 4, path, 18);
    assert_status(volume_query(&f, FileNameInformation, data, 9, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(get_le32(data), 18);
    assert_int_equal(done, 8);
    assert_status(volume_query(&f, FileNameInformation, data, 7, &done), STATUS_INFO_LENGTH_MISMATCH);
    struct file_object root;
    assert_ok(volume_open(&v, &root, "", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_query(&root, FileNameInformation, data, sizeof data, &done));
    assert_int_equal(done, 6);
    assert_memory_equal(data + 4, "\\\0", 2);
    assert_ok(volume_close(&root));
}

static void all_is_the_sum(void **state)
{
    (void)state;
    u8 data[256];
    u64 done;
    FILE_BASIC_INFORMATION basic = basic_of(&f);
    assert_ok(volume_query(&f, FileAllInformation, data, sizeof data, &done));
    assert_int_equal(done, 100 + 18);
    assert_memory_equal(data, &basic, sizeof basic);
    assert_int_equal(get_le64(data + 48), 5); // EndOfFile
    assert_int_equal(get_le32(data + 96), 18);
    assert_status(volume_query(&f, FileAllInformation, data, 104, &done), STATUS_BUFFER_OVERFLOW);
    assert_status(volume_query(&f, FileAllInformation, data, 103, &done), STATUS_INFO_LENGTH_MISMATCH);
}

static void streams_are_listed(void **state)
{
    (void)state;
    struct file_object s;
    u8 data[256];
    u64 done;
    assert_ok(volume_open(&v, &s, "dir\\file:more", FILE_WRITE_DATA | FILE_READ_ATTRIBUTES, FILE_CREATE, 0));
    assert_ok(volume_write(&s, 0, "abc", 3));
    assert_ok(volume_query(&s, FileNameInformation, data, sizeof data, &done));
    assert_memory_equal(data + 4 + 18, ":\0m\0o\0r\0e\0", 10);
    assert_int_equal(standard_of(&s).EndOfFile, 3);
    assert_ok(volume_close(&s));
    assert_ok(volume_query(&f, FileStreamInformation, data, sizeof data, &done));
    assert_int_equal(get_le32(data), 40); // 24 + 14, aligned
    assert_int_equal(get_le32(data + 4), 14);
    assert_int_equal(get_le64(data + 8), 5);
    assert_memory_equal(data + 24, ":\0:\0$\0D\0A\0T\0A\0", 14);
    assert_int_equal(get_le32(data + 40), 0);
    assert_int_equal(get_le64(data + 48), 3);
    assert_memory_equal(data + 64, ":\0m\0o\0r\0e\0:\0$\0D\0A\0T\0A\0", 22);
    assert_int_equal(done, 64 + 22);
    assert_status(volume_query(&f, FileStreamInformation, data, 85, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(done, 38);
    assert_status(volume_query(&f, FileStreamInformation, data, 0, &done), STATUS_BUFFER_OVERFLOW);
}

static void links_are_listed(void **state)
{
    (void)state;
    struct file_object root;
    u8 data[256];
    u64 done;
    assert_ok(volume_open(&v, &root, "", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_name(&f, FileLinkInformation, &root, "second", false));
    assert_ok(volume_close(&root));
    assert_int_equal(standard_of(&f).NumberOfLinks, 2);
    assert_ok(volume_query(&f, FileHardLinkInformation, data, sizeof data, &done));
    assert_int_equal(get_le32(data + 4), 2);
    assert_int_equal(get_le32(data), done);
    assert_status(volume_query(&f, FileHardLinkInformation, data, 8, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(get_le32(data + 4), 0);
    assert_int_equal(done, 8);
}

static void rights_are_asked_for(void **state)
{
    (void)state;
    struct file_object none, data_only;
    u8 data[128];
    assert_ok(volume_open(&v, &none, "dir\\file", READ_CONTROL, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &data_only, "dir\\file", FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(volume_query(&none, FileBasicInformation, data, 40, NULL), STATUS_ACCESS_DENIED);
    assert_status(volume_query(&none, FileAttributeTagInformation, data, 8, NULL), STATUS_ACCESS_DENIED);
    assert_ok(volume_query(&none, FileStandardInformation, data, 24, NULL));
    assert_ok(volume_query(&data_only, FileAttributeTagInformation, data, 8, NULL));
    assert_status(volume_query(&data_only, FileStatInformation, data, 72, NULL), STATUS_ACCESS_DENIED);
    memset(data, 0, sizeof data);
    assert_status(volume_set(&none, FileBasicInformation, data, 40), STATUS_ACCESS_DENIED);
    assert_status(volume_set(&none, FileEndOfFileInformation, data, 8), STATUS_ACCESS_DENIED);
    assert_status(volume_delete(&none), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&none));
    assert_ok(volume_close(&data_only));
}

static void basic_sets_times_and_attributes(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION in = {.LastWriteTime = 5, .FileAttributes = FILE_ATTRIBUTE_READONLY};
    FILE_BASIC_INFORMATION before = basic_of(&f), now;
    assert_ok(volume_set(&f, FileBasicInformation, &in, sizeof in));
    now = basic_of(&f);
    assert_int_equal(now.LastWriteTime, 5);
    assert_int_equal(now.CreationTime, before.CreationTime);
    assert_int_equal(now.FileAttributes, FILE_ATTRIBUTE_READONLY);
    in = (FILE_BASIC_INFORMATION){.FileAttributes = FILE_ATTRIBUTE_NORMAL};
    assert_ok(volume_set(&f, FileBasicInformation, &in, sizeof in));
    assert_int_equal(basic_of(&f).FileAttributes, FILE_ATTRIBUTE_NORMAL);
    // The write time was set by hand, so that a write through this handle leaves it; the change time was not.
    i64 changed = basic_of(&f).ChangeTime;
    assert_ok(volume_write(&f, 0, "x", 1));
    assert_int_equal(basic_of(&f).LastWriteTime, 5);
    assert_true(basic_of(&f).ChangeTime >= changed);
    for (int i = 0; i < 4; i++) {
        i64 times[4] = {0};
        times[i] = -2;
        in = (FILE_BASIC_INFORMATION){times[0], times[1], times[2], times[3], 0, 0};
        assert_status(volume_set(&f, FileBasicInformation, &in, sizeof in), STATUS_INVALID_PARAMETER);
    }
    assert_status(volume_set(&f, FileBasicInformation, &in, 39), STATUS_INFO_LENGTH_MISMATCH);
}

static void minus_one_stops_automatic_times(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION in = {.LastWriteTime = -1, .ChangeTime = -1}, before = basic_of(&f);
    assert_ok(volume_set(&f, FileBasicInformation, &in, sizeof in));
    assert_ok(volume_write(&f, 0, "x", 1));
    assert_int_equal(basic_of(&f).LastWriteTime, before.LastWriteTime);
    assert_int_equal(basic_of(&f).ChangeTime, before.ChangeTime);
}

static void integrity_093_and_RP_069_attributes_that_cannot_be_set(void **state)
{
    (void)state;
    u32 dropped = FILE_ATTRIBUTE_INTEGRITY_STREAM | FILE_ATTRIBUTE_NO_SCRUB_DATA |
                  FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_DIRECTORY;
    FILE_BASIC_INFORMATION in = {.FileAttributes = dropped | FILE_ATTRIBUTE_HIDDEN};
    FILE_ATTRIBUTE_TAG_INFORMATION tag;
    assert_ok(volume_set(&f, FileBasicInformation, &in, sizeof in));
    assert_ok(volume_query(&f, FileAttributeTagInformation, &tag, sizeof tag, NULL));
    assert_int_equal(tag.FileAttributes, FILE_ATTRIBUTE_HIDDEN);
    assert_int_equal(tag.ReparseTag, 0);
}

static void sizes_can_be_set(void **state)
{
    (void)state;
    i64 size = 3;
    char data[8];
    u64 done;
    assert_ok(volume_set(&f, FileEndOfFileInformation, &size, sizeof size));
    assert_int_equal(standard_of(&f).EndOfFile, 3);
    size = 100000;
    assert_ok(volume_set(&f, FileAllocationInformation, &size, sizeof size));
    assert_int_equal(standard_of(&f).EndOfFile, 3);
    size = 8;
    assert_ok(volume_set(&f, FileEndOfFileInformation, &size, sizeof size));
    assert_ok(volume_read(&f, 0, data, sizeof data, &done));
    assert_int_equal(done, 8);
    assert_memory_equal(data, "hel\0\0\0\0\0", 8);
    size = 1;
    assert_ok(volume_set(&f, FileAllocationInformation, &size, sizeof size));
    assert_int_equal(standard_of(&f).EndOfFile, 1);
    size = -1;
    assert_status(volume_set(&f, FileEndOfFileInformation, &size, sizeof size), STATUS_INVALID_PARAMETER);
    assert_status(volume_set(&f, FileEndOfFileInformation, &size, 7), STATUS_INFO_LENGTH_MISMATCH);
}

static void what_cannot_be_deleted(void **state)
{
    (void)state;
    struct file_object d;
    assert_ok(volume_open(&v, &d, "dir", DELETE, FILE_OPEN, 0));
    assert_status(volume_delete(&d), STATUS_DIRECTORY_NOT_EMPTY);
    assert_ok(volume_close(&d));
    assert_ok(volume_open(&v, &d, "", DELETE, FILE_OPEN, 0));
    assert_status(volume_delete(&d), STATUS_CANNOT_DELETE);
    assert_ok(volume_close(&d));
    FILE_BASIC_INFORMATION in = {.FileAttributes = FILE_ATTRIBUTE_READONLY};
    assert_ok(volume_set(&f, FileBasicInformation, &in, sizeof in));
    assert_status(volume_delete(&f), STATUS_CANNOT_DELETE);
    u32 flags = 1 | 16; // DELETE, IGNORE_READONLY_ATTRIBUTE
    assert_ok(volume_set(&f, FileDispositionInformationEx, &flags, sizeof flags));
    assert_true(standard_of(&f).DeletePending);
    assert_int_equal(standard_of(&f).NumberOfLinks, 0);
    flags = 0;
    assert_ok(volume_set(&f, FileDispositionInformationEx, &flags, sizeof flags));
    assert_false(standard_of(&f).DeletePending);
    flags = 1 | 8; // ON_CLOSE
    assert_status(volume_set(&f, FileDispositionInformationEx, &flags, sizeof flags), STATUS_NOT_SUPPORTED);
}

static void deletion_happens_at_close(void **state)
{
    (void)state;
    assert_ok(volume_delete(&f));
    assert_status(volume_probe(&v, "dir\\file", 0), STATUS_DELETE_PENDING);
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "dir\\file", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void RP_193_attribute_tag_sizes(void **state)
{
    (void)state;
    FILE_ATTRIBUTE_TAG_INFORMATION tag;
    assert_ok(volume_query(&f, FileAttributeTagInformation, &tag, sizeof tag, NULL));
    assert_int_equal(tag.ReparseTag, 0);
    assert_status(volume_query(&f, FileAttributeTagInformation, &tag, 7, NULL), STATUS_INFO_LENGTH_MISMATCH);
    assert_status(volume_query(&f, FileReparsePointInformation, &tag, 8, NULL), STATUS_NOT_SUPPORTED);
}

static void a_volume_is_no_file(void **state)
{
    (void)state;
    struct file_object volume;
    u8 data[64] = {0};
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(volume_query(&volume, FileBasicInformation, data, 40, NULL), STATUS_INVALID_PARAMETER);
    assert_status(volume_set(&volume, FileBasicInformation, data, 40), STATUS_INVALID_PARAMETER);
    assert_ok(volume_close(&volume));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_class_answers_with_its_size),
        CASE(values_agree),
        CASE(names_are_paths_and_can_be_cut),
        CASE(all_is_the_sum),
        CASE(streams_are_listed),
        CASE(links_are_listed),
        CASE(rights_are_asked_for),
        CASE(basic_sets_times_and_attributes),
        CASE(minus_one_stops_automatic_times),
        CASE(integrity_093_and_RP_069_attributes_that_cannot_be_set),
        CASE(sizes_can_be_set),
        CASE(what_cannot_be_deleted),
        CASE(deletion_happens_at_close),
        CASE(RP_193_attribute_tag_sizes),
        CASE(a_volume_is_no_file),
    };
    return cmocka_run_group_tests_name("info", tests, NULL, NULL);
}
