// SPDX-License-Identifier: Apache-2.0
// The end of handles: what a close deletes, writes back and releases.
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

static void delete_with_the_last_handle(void **state)
{
    (void)state;
    struct file_object f, g, h;
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &g, "f", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_delete(&f));
    assert_status(volume_probe(&v, "f", 0), STATUS_DELETE_PENDING);
    assert_status(volume_open(&v, &h, "f", FILE_READ_DATA, FILE_CREATE, 0), STATUS_DELETE_PENDING);
    char data[4];
    assert_ok(volume_read(&g, 0, data, 4, NULL));
    assert_ok(volume_close(&g));
    assert_status(volume_probe(&v, "f", 0), STATUS_DELETE_PENDING); // the first one is still there
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void deleted_when_nobody_has_it(void **state)
{
    (void)state;
    struct file_object f, g;
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &g, "f", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_delete(&f));
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "f", 0), STATUS_DELETE_PENDING);
    assert_ok(volume_close(&g));
    assert_status(volume_probe(&v, "f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_put(&v, "f", "new one");
    volume_expect(&v, "f", "new one");
}

// With POSIX semantics the name goes with the handle that asked, the file with the last one.
static void deleted_at_once(void **state)
{
    (void)state;
    struct file_object f, g, d;
    u32 flags = 1 | 2; // DELETE, POSIX_SEMANTICS
    char data[4];
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &g, "f", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_set(&f, FileDispositionInformationEx, &flags, sizeof flags));
    assert_status(volume_probe(&v, "f", 0), STATUS_DELETE_PENDING);
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_put(&v, "f", "other");
    assert_ok(volume_read(&g, 0, data, 4, NULL));
    assert_memory_equal(data, "data", 4);
    assert_ok(volume_close(&g));
    volume_expect(&v, "f", "other");

    // Another link of it stays.
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &d, "", FILE_ADD_FILE, FILE_OPEN, FILE_DIRECTORY_FILE));
    assert_ok(volume_name(&f, FileLinkInformation, &d, "g", false));
    assert_ok(volume_open(&v, &g, "g", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_set(&f, FileDispositionInformationEx, &flags, sizeof flags));
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&g));
    assert_ok(volume_close(&d));
    assert_status(volume_probe(&v, "f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_expect(&v, "g", "other");
}

// Who took that back does not decide when another handle's deletion happens.
static void deleted_at_once_no_more(void **state)
{
    (void)state;
    struct file_object f, g;
    u32 posix = 1 | 2, back = 0;
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &g, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_set(&f, FileDispositionInformationEx, &posix, sizeof posix));
    assert_ok(volume_set(&f, FileDispositionInformationEx, &back, sizeof back));
    assert_ok(volume_delete(&g));
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "f", 0), STATUS_DELETE_PENDING);
    assert_ok(volume_close(&g));
    assert_status(volume_probe(&v, "f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void delete_on_close(void **state)
{
    (void)state;
    struct file_object f, g;
    assert_ok(volume_open(&v, &f, "f", DELETE | FILE_WRITE_DATA, FILE_CREATE, FILE_DELETE_ON_CLOSE));
    assert_ok(volume_open(&v, &g, "f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0)); // only a wish as yet
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "f", 0), STATUS_DELETE_PENDING);
    assert_ok(volume_close(&g));
    assert_status(volume_probe(&v, "f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void delete_on_close_spares_what_is_not_empty(void **state)
{
    (void)state;
    struct file_object d;
    volume_mkdir(&v, "d");
    assert_ok(volume_open(&v, &d, "d", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE));
    volume_put(&v, "d\\f", "");
    assert_ok(volume_close(&d));
    assert_ok(volume_probe(&v, "d\\f", 0));
    assert_ok(volume_open(&v, &d, "d\\f", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE));
    assert_ok(volume_close(&d));
    assert_ok(volume_open(&v, &d, "d", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE));
    assert_ok(volume_close(&d));
    assert_status(volume_probe(&v, "d", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void no_child_in_a_directory_that_is_to_go(void **state)
{
    (void)state;
    struct file_object d, f;
    volume_mkdir(&v, "d");
    assert_ok(volume_open(&v, &d, "d", DELETE, FILE_OPEN, 0));
    assert_ok(volume_delete(&d));
    assert_status(volume_open(&v, &f, "d\\f", FILE_WRITE_DATA, FILE_CREATE, 0), STATUS_DELETE_PENDING);
    assert_ok(volume_close(&d));
    assert_status(volume_probe(&v, "d", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

// The name that goes is the one of the handle that asked for it, whoever closes last.
static void the_deleted_name_goes(void **state)
{
    (void)state;
    struct file_object f, g, root;
    volume_put(&v, "one", "data");
    assert_ok(volume_open(&v, &f, "one", DELETE | FILE_WRITE_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &root, "", FILE_LIST_DIRECTORY, FILE_OPEN, 0));
    assert_ok(volume_name(&f, FileLinkInformation, &root, "two", false));
    assert_ok(volume_open(&v, &g, "two", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_delete(&f));
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&g));
    assert_ok(volume_close(&root));
    assert_status(volume_probe(&v, "one", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_expect(&v, "two", "data");
}

static void one_of_two_links(void **state)
{
    (void)state;
    struct file_object f;
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_name(&f, FileLinkInformation, NULL, "g", false));
    assert_ok(volume_delete(&f));
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "f", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_expect(&v, "g", "data");
}

static void deleted_under_its_new_name(void **state)
{
    (void)state;
    struct file_object f, g;
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", DELETE, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &g, "f", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE));
    assert_ok(volume_name(&f, FileRenameInformation, NULL, "renamed", false));
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&g));
    assert_status(volume_probe(&v, "renamed", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void named_stream(void **state)
{
    (void)state;
    struct file_object f;
    volume_put(&v, "f", "data");
    volume_put(&v, "f:s", "stream");
    assert_ok(volume_open(&v, &f, "f:s", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE));
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "f:s", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_expect(&v, "f", "data");
    volume_put(&v, "f:s", "again");
    volume_expect(&v, "f:s", "again");
}

static void space_comes_back(void **state)
{
    (void)state;
    FILE_FS_SIZE_INFORMATION before, after;
    struct file_object root, f;
    static u8 block[1 << 20];
    volume_put(&v, "keep", "");
    assert_ok(volume_open(&v, &root, "", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_flush(&root));
    assert_ok(volume_query_any(&root, IRP_MJ_QUERY_VOLUME_INFORMATION, FileFsSizeInformation, &before,
                               sizeof before, NULL));
    for (int round = 0; round < 20; round++) { // more than the volume holds at once
        assert_ok(volume_open(&v, &f, "big", FILE_WRITE_DATA | DELETE, FILE_CREATE, FILE_DELETE_ON_CLOSE));
        for (u64 i = 0; i < 8; i++)
            assert_ok(volume_write(&f, i * sizeof block, block, sizeof block));
        assert_ok(volume_close(&f));
    }
    assert_ok(volume_flush(&root));
    assert_ok(volume_query_any(&root, IRP_MJ_QUERY_VOLUME_INFORMATION, FileFsSizeInformation, &after,
                               sizeof after, NULL));
    assert_true(after.AvailableAllocationUnits + 256 >= before.AvailableAllocationUnits);
    assert_ok(volume_close(&root));
}

static void byte_locks_end_with_the_handle(void **state)
{
    (void)state;
    struct file_object f, g;
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &g, "f", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    struct irp irp = {.major = IRP_MJ_LOCK_CONTROL, .minor = IRP_MN_LOCK};
    irp.p.lock.length = 10;
    irp.p.lock.exclusive = true;
    irp.p.lock.fail_immediately = true;
    assert_ok(volume_send(&f, &irp));
    assert_status(volume_write(&g, 0, "x", 1), STATUS_FILE_LOCK_CONFLICT);
    assert_ok(volume_close(&f));
    assert_ok(volume_write(&g, 0, "x", 1));
    assert_ok(volume_close(&g));
}

static void RP_061_archive_appears_at_close(void **state)
{
    (void)state;
    static const u8 lx_fifo[] = {0x24, 0, 0, 0x80, 0, 0, 0, 0};
    struct file_object f;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = FILE_ATTRIBUTE_NORMAL};
    assert_ok(volume_open(&v, &f, "f", FILE_WRITE_ATTRIBUTES | FILE_READ_ATTRIBUTES, FILE_CREATE, 0));
    assert_ok(volume_set(&f, FileBasicInformation, &basic, sizeof basic));
    assert_ok(volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, lx_fifo, sizeof lx_fifo, NULL, 0, NULL));
    assert_ok(volume_query(&f, FileBasicInformation, &basic, sizeof basic, NULL));
    assert_int_equal(basic.FileAttributes, FILE_ATTRIBUTE_REPARSE_POINT);
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &f, "f", FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT));
    assert_ok(volume_query(&f, FileBasicInformation, &basic, sizeof basic, NULL));
    assert_int_equal(basic.FileAttributes, FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_ARCHIVE);
    assert_ok(volume_close(&f));
}

static void times_of_writes_are_written_back(void **state)
{
    (void)state;
    struct file_object f;
    FILE_BASIC_INFORMATION before, after;
    volume_put(&v, "f", "data");
    assert_ok(volume_open(&v, &f, "f", FILE_WRITE_DATA | FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_query(&f, FileBasicInformation, &before, sizeof before, NULL));
    assert_ok(volume_write(&f, 0, "D", 1));
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &f, "f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_query(&f, FileBasicInformation, &after, sizeof after, NULL));
    assert_true(after.LastWriteTime > before.LastWriteTime && after.ChangeTime > before.ChangeTime);
    assert_int_equal(after.CreationTime, before.CreationTime);
    assert_ok(volume_close(&f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(delete_with_the_last_handle),
        TEST(deleted_when_nobody_has_it),
        TEST(deleted_at_once),
        TEST(deleted_at_once_no_more),
        TEST(delete_on_close),
        TEST(delete_on_close_spares_what_is_not_empty),
        TEST(no_child_in_a_directory_that_is_to_go),
        TEST(the_deleted_name_goes),
        TEST(one_of_two_links),
        TEST(deleted_under_its_new_name),
        TEST(named_stream),
        TEST(space_comes_back),
        TEST(byte_locks_end_with_the_handle),
        TEST(RP_061_archive_appears_at_close),
        TEST(times_of_writes_are_written_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
