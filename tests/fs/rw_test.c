// SPDX-License-Identifier: Apache-2.0
// Reading and writing through handles: ends, appends, access, locks, what a write leaves on the file,
// checksums.
#include "tests/test.h"

#include "tests/fs/volume.h"

static struct volume v;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    volume_put(&v, "f", "hello");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    volume_free(&v);
    return 0;
}

enum { READ_WRITE = FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES };

static void open_file(struct file_object *f, u32 access)
{
    assert_ok(volume_open(&v, f, "f", access, FILE_OPEN, 0));
}

static void reads_stop_at_the_end(void **state)
{
    (void)state;
    struct file_object f;
    char data[16];
    u64 done;
    open_file(&f, READ_WRITE);
    assert_ok(volume_read(&f, 3, data, sizeof data, &done));
    assert_int_equal(done, 2);
    assert_memory_equal(data, "lo", 2);
    assert_status(volume_read(&f, 5, data, 1, &done), STATUS_END_OF_FILE);
    assert_int_equal(done, 0);
    assert_status(volume_read(&f, 1 << 20, data, 1, &done), STATUS_END_OF_FILE);
    assert_ok(volume_read(&f, 1 << 20, data, 0, &done));
    assert_int_equal(done, 0);
    assert_ok(volume_close(&f));
}

static void ranges_that_wrap_are_refused(void **state)
{
    (void)state;
    struct file_object f;
    char data[16] = "";
    open_file(&f, READ_WRITE);
    assert_status(volume_read(&f, UINT64_MAX, data, 1, NULL), STATUS_INVALID_PARAMETER);
    assert_status(volume_read(&f, INT64_MAX, data, 1, NULL), STATUS_INVALID_PARAMETER);
    assert_status(volume_write(&f, UINT64_MAX - 1, data, 4), STATUS_INVALID_PARAMETER);
    assert_status(volume_write(&f, INT64_MAX, data, 1), STATUS_INVALID_PARAMETER);
    assert_ok(volume_close(&f));
    volume_expect(&v, "f", "hello");
}

static void appends_go_to_the_end(void **state)
{
    (void)state;
    struct file_object f;
    open_file(&f, READ_WRITE);
    assert_ok(volume_write(&f, UINT64_MAX, " there", 6));
    assert_ok(volume_write(&f, 0, "", 0));
    assert_ok(volume_close(&f));
    volume_expect(&v, "f", "hello there");
    // Whoever may only append does so wherever the write is aimed.
    open_file(&f, FILE_APPEND_DATA);
    assert_ok(volume_write(&f, 0, "!", 1));
    assert_ok(volume_close(&f));
    volume_expect(&v, "f", "hello there!");
}

static void access_is_needed(void **state)
{
    (void)state;
    struct file_object f;
    char data[4];
    open_file(&f, FILE_READ_DATA);
    assert_status(volume_write(&f, 0, "x", 1), STATUS_ACCESS_DENIED);
    assert_status(volume_write(&f, UINT64_MAX, "x", 1), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&f));
    open_file(&f, FILE_WRITE_DATA);
    assert_status(volume_read(&f, 0, data, 1, NULL), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&f));
}

static void directories_have_no_data(void **state)
{
    (void)state;
    struct file_object f;
    char data[4] = "";
    assert_ok(volume_open(&v, &f, "", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_status(volume_read(&f, 0, data, 1, NULL), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(volume_write(&f, 0, data, 1), STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(volume_close(&f));
}

static void locks_keep_others_out(void **state)
{
    (void)state;
    struct file_object a, b;
    char data[8];
    open_file(&a, READ_WRITE);
    open_file(&b, READ_WRITE);
    struct irp irp = {.major = IRP_MJ_LOCK_CONTROL, .minor = IRP_MN_LOCK};
    irp.p.lock.offset = 2;
    irp.p.lock.length = 8;
    irp.p.lock.exclusive = true;
    irp.p.lock.fail_immediately = true;
    assert_ok(volume_send(&a, &irp));
    assert_status(volume_read(&b, 0, data, 3, NULL), STATUS_FILE_LOCK_CONFLICT);
    assert_status(volume_write(&b, 4, "x", 1), STATUS_FILE_LOCK_CONFLICT);
    assert_status(volume_write(&b, UINT64_MAX, "x", 1), STATUS_FILE_LOCK_CONFLICT);
    assert_ok(volume_read(&b, 0, data, 2, NULL));
    assert_ok(volume_read(&a, 0, data, 5, NULL));
    assert_ok(volume_close(&a));
    assert_ok(volume_write(&b, 4, "x", 1));
    assert_ok(volume_close(&b));
    volume_expect(&v, "f", "hellx");
}

static FILE_BASIC_INFORMATION basic(void)
{
    struct file_object f;
    FILE_BASIC_INFORMATION info;
    open_file(&f, FILE_READ_ATTRIBUTES);
    assert_ok(volume_query(&f, FileBasicInformation, &info, sizeof info, NULL));
    assert_ok(volume_close(&f));
    return info;
}

static void a_write_marks_the_file(void **state)
{
    (void)state;
    struct file_object f;
    FILE_BASIC_INFORMATION old = {1, 1, 1, 1, FILE_ATTRIBUTE_HIDDEN, 0};
    open_file(&f, READ_WRITE);
    assert_ok(volume_set(&f, FileBasicInformation, &old, sizeof old));
    assert_ok(volume_close(&f));
    assert_int_equal(basic().FileAttributes, FILE_ATTRIBUTE_HIDDEN);

    char data[1];
    open_file(&f, READ_WRITE);
    assert_ok(volume_read(&f, 0, data, 1, NULL));
    assert_ok(volume_write(&f, 0, "", 0)); // neither of these is a write
    assert_ok(volume_close(&f));
    assert_int_equal(basic().LastWriteTime, 1);
    assert_int_equal(basic().LastAccessTime, 1);

    open_file(&f, READ_WRITE);
    assert_ok(volume_write(&f, 0, "j", 1));
    assert_ok(volume_close(&f));
    FILE_BASIC_INFORMATION now = basic();
    assert_int_equal(now.FileAttributes, FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_ARCHIVE);
    assert_int_not_equal(now.LastWriteTime, 1);
    assert_int_not_equal(now.ChangeTime, 1);
    assert_int_equal(now.CreationTime, 1);
}

static void write_through_and_flush_commit(void **state)
{
    (void)state;
    struct file_object f;
    assert_ok(volume_open(&v, &f, "f", READ_WRITE, FILE_OPEN, FILE_WRITE_THROUGH));
    struct store *store = ((struct ccb *)f.context)->vcb->store;
    assert_ok(volume_write(&f, 0, "J", 1));
    assert_false(store_dirty(store));
    assert_ok(volume_close(&f));

    open_file(&f, READ_WRITE);
    assert_ok(volume_write(&f, 0, "h", 1));
    assert_true(store_dirty(store));
    struct inode before, after; // as the store has them
    u64 id = ((struct ccb *)f.context)->scb->fcb->id;
    assert_ok(inode_get(store, id, &before));
    assert_ok(volume_flush(&f));
    assert_ok(inode_get(store, id, &after));
    assert_true(after.written > before.written);
    assert_false(store_dirty(store));
    assert_ok(volume_close(&f));
}

// Each handle of the file, of the volume and of its root directory hears of it once; handles of other files,
// and those that came afterwards, do not.
static void lost_data_is_told_to_each_handle_once(void **state)
{
    (void)state;
    struct file_object told[4], calm[2], later;
    open_file(&told[0], READ_WRITE);
    open_file(&told[1], READ_WRITE);
    assert_ok(volume_open(&v, &told[2], NULL, FILE_READ_DATA, FILE_OPEN, 0));
    volume_put(&v, "calm", "x");
    assert_ok(volume_open(&v, &calm[0], "calm", READ_WRITE, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &calm[1], "quiet", FILE_LIST_DIRECTORY, FILE_CREATE, FILE_DIRECTORY_FILE));
    assert_ok(volume_open(&v, &told[3], "", FILE_LIST_DIRECTORY, FILE_OPEN, 0));
    struct store *store = ((struct ccb *)told[0].context)->vcb->store;
    assert_ok(volume_flush(&told[2]));
    for (u32 round = 0; round < 2; round++) {
        assert_ok(volume_write(&told[0], 0, "lost", 4));
        store_was_away(store);
        open_file(&later, READ_WRITE);
        assert_ok(volume_flush(&later));
        assert_ok(volume_close(&later));
        for (size_t i = 0; i < ARRAY_LEN(told); i++) {
            assert_status(volume_flush(&told[i]), STATUS_LOST_WRITEBEHIND_DATA);
            assert_ok(volume_flush(&told[i]));
        }
        for (size_t i = 0; i < ARRAY_LEN(calm); i++)
            assert_ok(volume_flush(&calm[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        assert_ok(volume_close(&told[i]));
    for (size_t i = 0; i < ARRAY_LEN(calm); i++)
        assert_ok(volume_close(&calm[i]));
}

// What went with a medium that was exchanged could have been anybody's.
static void dropped_data_is_told_to_each_handle_once(void **state)
{
    (void)state;
    struct file_object f[3];
    open_file(&f[0], READ_WRITE);
    open_file(&f[1], READ_WRITE);
    assert_ok(volume_open(&v, &f[2], NULL, FILE_READ_DATA, FILE_OPEN, 0));
    ((struct ccb *)f[0].context)->vcb->dropped++;
    for (size_t i = 0; i < ARRAY_LEN(f); i++) {
        assert_status(volume_flush(&f[i]), STATUS_LOST_WRITEBEHIND_DATA);
        assert_ok(volume_flush(&f[i]));
        assert_ok(volume_close(&f[i]));
    }
}

static void the_volume_handle_reads_the_medium(void **state)
{
    (void)state;
    struct file_object f;
    static u8 data[256 * KIB], zero[256 * KIB];
    u64 done;
    assert_ok(volume_open(&v, &f, NULL, FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_read(&f, 0, data, sizeof data, &done));
    assert_int_equal(done, sizeof data);
    assert_memory_not_equal(data, zero, sizeof data); // the superblocks are there
    assert_status(volume_write(&f, 0, data, sizeof data), STATUS_ACCESS_DENIED);
    assert_ok(volume_fsctl(&f, FSCTL_LOCK_VOLUME, NULL, 0, NULL, 0, NULL));
    assert_ok(volume_write(&f, 0, data, sizeof data));
    assert_ok(volume_fsctl(&f, FSCTL_UNLOCK_VOLUME, NULL, 0, NULL, 0, NULL));
    assert_ok(volume_close(&f));
}

// --- an image file that is damaged behind the volume's back, or read-only ------------------------

static void attach_image(struct volume *image, const char *path, u32 flags)
{
    struct blk *blk;
    char spec[64];
    snprintf(spec, sizeof spec, "file:%s", path);
    assert_ok(blk_open(spec, flags, &blk));
    volume_attach(image, blk, false);
}

static void flip(const char *path, u64 offset)
{
    char byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static void a_rotten_byte_fails_the_read_and_names_the_file(void **state)
{
    (void)state;
    static u8 data[65536];
    char path[32];
    struct volume image;
    struct file_object f;
    HF_RETRIEVAL_POINTERS map;
    HF_STARTING_VCN from = {3};
    volume_new_image(path, "rot");
    attach_image(&image, path, 0);
    volume_mkdir(&image, "dir");
    assert_ok(volume_create(&image, &f,
                            &(struct volume_create){.path = "dir\\rotten.txt",
                                                    .access = READ_WRITE,
                                                    .disposition = FILE_CREATE,
                                                    .attributes = FILE_ATTRIBUTE_INTEGRITY_STREAM}));
    memset(data, 7, sizeof data);
    assert_ok(volume_write(&f, 0, data, sizeof data));
    assert_ok(volume_flush(&f));
    nt_status status =
        volume_fsctl(&f, FSCTL_GET_RETRIEVAL_POINTERS, &from, sizeof from, &map, sizeof map, NULL);
    assert_true(status == STATUS_SUCCESS || status == STATUS_BUFFER_OVERFLOW);
    assert_ok(volume_close(&f));
    volume_free(&image);

    flip(path, (u64)map.Extents[0].Lcn * 4096);
    attach_image(&image, path, 0);
    assert_ok(volume_open(&image, &f, "dir\\rotten.txt", FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(volume_read(&f, 0, data, 4096, NULL), STATUS_DATA_CHECKSUM_ERROR);
    assert_non_null(strstr(status_text(), "\\dir\\rotten.txt"));
    assert_non_null(strstr(status_text(), "0..16383"));
    assert_ok(volume_read(&f, 16384, data, 4096, NULL));
    assert_ok(volume_close(&f));
    volume_free(&image);
    unlink(path);
}

static void a_read_only_volume_takes_no_writes(void **state)
{
    (void)state;
    char path[32], byte;
    struct volume image;
    struct file_object f;
    volume_new_image(path, "ro");
    attach_image(&image, path, 0);
    volume_put(&image, "f", "x");
    volume_free(&image);
    attach_image(&image, path, BLK_READONLY);
    assert_ok(volume_open(&image, &f, "f", READ_WRITE, FILE_OPEN, 0));
    assert_ok(volume_read(&f, 0, &byte, 1, NULL));
    assert_status(volume_write(&f, 0, "y", 1), STATUS_MEDIA_WRITE_PROTECTED);
    assert_status(volume_write(&f, UINT64_MAX, "y", 1), STATUS_MEDIA_WRITE_PROTECTED);
    assert_ok(volume_flush(&f));
    assert_ok(volume_close(&f));
    volume_free(&image);
    unlink(path);
}

// Mount again with these options; NULL: without any.
static void mount_with(const struct fs_options *options)
{
    struct file_object disk;
    fs_set_options(v.drive, options);
    assert_ok(volume_open(&v, &disk, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_fsctl(&disk, FSCTL_DISMOUNT_VOLUME, NULL, 0, NULL, 0, NULL));
    assert_ok(volume_close(&disk));
}

static void set_times(i64 accessed, i64 written)
{
    struct file_object f;
    FILE_BASIC_INFORMATION basic = {
        .CreationTime = 1, .LastAccessTime = accessed, .LastWriteTime = written, .ChangeTime = written};
    open_file(&f, FILE_WRITE_ATTRIBUTES);
    assert_ok(volume_set(&f, FileBasicInformation, &basic, sizeof basic));
    assert_ok(volume_close(&f));
}

static i64 accessed_now(struct file_object *f)
{
    FILE_BASIC_INFORMATION basic;
    assert_ok(volume_query(f, FileBasicInformation, &basic, sizeof basic, NULL));
    return basic.LastAccessTime;
}

static bool read_is_noted(struct file_object *f)
{
    char byte;
    i64 before = accessed_now(f);
    assert_ok(volume_read(f, 0, &byte, 1, NULL));
    return accessed_now(f) != before;
}

static void reads_are_noted_when_asked(void **state)
{
    (void)state;
    const i64 hour = 3600ll * 10000000;
    struct file_object f;
    struct fs_options relatime = {.relatime = true};
    i64 now = (i64)time_now();
    set_times(now - 30 * hour, now - 20 * hour);
    open_file(&f, READ_WRITE);
    assert_false(read_is_noted(&f));
    assert_ok(volume_close(&f));
    mount_with(&relatime);
    open_file(&f, READ_WRITE);
    assert_true(read_is_noted(&f)); // the last was before the last change
    assert_false(read_is_noted(&f));
    assert_ok(volume_close(&f));
    mount_with(&relatime);
    open_file(&f, READ_WRITE);
    assert_true(accessed_now(&f) >= now); // it was kept
    assert_false(read_is_noted(&f));
    assert_ok(volume_write(&f, 0, "x", 1));
    assert_true(read_is_noted(&f));
    assert_false(read_is_noted(&f));
    set_times(now - 25 * hour, now - 26 * hour); // a day old
    assert_true(read_is_noted(&f));
    set_times(now - 23 * hour, now - 26 * hour);
    assert_false(read_is_noted(&f));
    set_times(now - 23 * hour, now - 23 * hour);
    assert_true(read_is_noted(&f));
    set_times(now + 48 * hour, now - 23 * hour); // what somebody said of the future stands
    assert_false(read_is_noted(&f));
    // A handle that set the time keeps it.
    FILE_BASIC_INFORMATION basic = {.LastAccessTime = now - 50 * hour};
    assert_ok(volume_set(&f, FileBasicInformation, &basic, sizeof basic));
    assert_false(read_is_noted(&f));
    assert_ok(volume_close(&f));
    // Listings too.
    struct file_object root;
    u8 list[1024];
    assert_ok(volume_open(&v, &root, "", FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    i64 before = accessed_now(&root);
    assert_ok(volume_list(&root, FileDirectoryInformation, NULL, true, false, list, sizeof list, NULL));
    assert_true(accessed_now(&root) > before);
    before = accessed_now(&root);
    assert_ok(volume_list(&root, FileDirectoryInformation, NULL, true, false, list, sizeof list, NULL));
    assert_int_equal(accessed_now(&root), before);
    assert_ok(volume_close(&root));
    mount_with(NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reads_stop_at_the_end),
        CASE(ranges_that_wrap_are_refused),
        CASE(appends_go_to_the_end),
        CASE(access_is_needed),
        CASE(directories_have_no_data),
        CASE(locks_keep_others_out),
        CASE(a_write_marks_the_file),
        CASE(write_through_and_flush_commit),
        CASE(lost_data_is_told_to_each_handle_once),
        CASE(dropped_data_is_told_to_each_handle_once),
        CASE(the_volume_handle_reads_the_medium),
        CASE(reads_are_noted_when_asked),
        cmocka_unit_test(a_rotten_byte_fails_the_read_and_names_the_file),
        cmocka_unit_test(a_read_only_volume_takes_no_writes),
    };
    return cmocka_run_group_tests_name("rw", tests, NULL, NULL);
}
