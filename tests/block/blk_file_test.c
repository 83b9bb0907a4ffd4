// SPDX-License-Identifier: Apache-2.0
// Image files: data, locks, write protection, and the path as a drive whose medium changes.
#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/blk.h"

struct fixture {
    char dir[64], image[96], other[96];
};

static void make_file(const char *path, size_t size, char fill)
{
    char block[512];
    memset(block, fill, sizeof block);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    for (size_t at = 0; at < size; at += sizeof block)
        assert_int_equal(write(fd, block, sizeof block), sizeof block);
    close(fd);
}

static int setup(void **state)
{
    static struct fixture f;
    snprintf(f.dir, sizeof f.dir, "/tmp/blk_file_test.XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    snprintf(f.image, sizeof f.image, "%s/image", f.dir);
    snprintf(f.other, sizeof f.other, "%s/other", f.dir);
    make_file(f.image, 64 * 1024, 'A');
    make_file(f.other, 32 * 1024, 'B');
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->image);
    unlink(f->other);
    rmdir(f->dir);
    return 0;
}

static void reads_and_writes_vectors(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    enum { PARTS = 200 };
    char data[PARTS][3], back[PARTS * 3];
    struct iovec iov[PARTS];
    for (int i = 0; i < PARTS; i++) {
        memset(data[i], i, 3);
        iov[i] = (struct iovec){data[i], 3};
    }
    assert_ok(blk_open(f->image, 0, &b));
    assert_int_equal(b->size, 64 * 1024);
    assert_ok(blk_pwritev(b, iov, PARTS, 1000, NULL));
    assert_ok(blk_pread(b, back, sizeof back, 1000, NULL));
    assert_memory_equal(back, data, sizeof back);
    memset(data, 0, sizeof data);
    assert_ok(blk_preadv(b, iov, PARTS, 1000, NULL));
    assert_memory_equal(back, data, sizeof back);
    assert_ok(blk_pread(b, back, 1, 999, NULL));
    assert_int_equal(back[0], 'A');
    assert_ok(blk_flush(b, NULL));
    assert_ok(blk_ready(b, NULL));
    blk_close(b);
}

// Past the host's page cache where that can be, else through it: nobody can tell by the bytes.
static void a_write_that_flushes_is_a_write(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    static const struct {
        u64 offset;
        size_t length, shift;
    } cases[] = {{4096, 8192, 0}, {4096, 4096, 1}, {1000, 4096, 0}, {12288, 5, 0}, {61440, 4096, 0}};
    _Alignas(4096) static char data[16384], back[65536], expected[65536];
    memset(expected, 'A', sizeof expected);
    for (int removable = 0; removable < 2; removable++) {
        assert_ok(blk_open(f->image, removable ? BLK_REMOVABLE : 0, &b));
        assert_ok(blk_pread(b, back, sizeof back, 0, NULL)); // into the page cache
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            memset(data, 'a' + (int)i + 8 * removable, sizeof data);
            memset(expected + cases[i].offset, data[0], cases[i].length);
            assert_ok(blk_pwrite_flush(b, data + cases[i].shift, cases[i].length, cases[i].offset, NULL));
            assert_ok(blk_pread(b, back, sizeof back, 0, NULL));
            assert_memory_equal(back, expected, sizeof back);
        }
        assert_ok(blk_pwrite(b, "x", 1, 5000, NULL)); // the two ways see each other
        expected[5000] = 'x';
        assert_ok(blk_pwrite_flush(b, data, 4096, 8192, NULL));
        memset(expected + 8192, data[0], 4096);
        blk_close(b);
        assert_ok(blk_open(f->image, 0, &b));
        assert_ok(blk_pread(b, back, sizeof back, 0, NULL));
        assert_memory_equal(back, expected, sizeof back);
        blk_close(b);
    }
}

static void a_write_that_flushes_goes_to_the_medium_that_is_in(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    _Alignas(4096) static char data[4096], back[4096];
    memset(data, 'x', sizeof data);
    assert_ok(blk_open(f->image, BLK_REMOVABLE, &b));
    assert_ok(blk_pwrite_flush(b, data, sizeof data, 0, NULL));
    u64 medium = blk_medium(b);
    assert_int_equal(rename(f->other, f->image), 0);
    struct iovec iov = {data, sizeof data};
    assert_status(blk_write_flush_medium(b, medium, &iov, 1, 0, NULL), STATUS_VERIFY_REQUIRED);
    assert_status(blk_write_flush_medium(b, medium, &iov, 1, 0, NULL), STATUS_VERIFY_REQUIRED);
    assert_ok(blk_pread(b, back, sizeof back, 0, NULL));
    assert_int_equal(back[0], 'B');
    assert_ok(blk_pwrite_flush(b, data, sizeof data, 4096, NULL));
    assert_ok(blk_pread(b, back, sizeof back, 4096, NULL));
    assert_memory_equal(back, data, sizeof back);
    assert_int_equal(unlink(f->image), 0);
    assert_status(blk_pwrite_flush(b, data, sizeof data, 0, NULL), STATUS_NO_MEDIA_IN_DEVICE);
    blk_close(b);
}

static void one_writer_or_many_readers(void **state)
{
    struct fixture *f = *state;
    struct blk *a, *b;
    char spec[128];
    snprintf(spec, sizeof spec, "file:%s", f->image);
    assert_ok(blk_open(spec, 0, &a));
    assert_status(blk_open(f->image, 0, &b), STATUS_SHARING_VIOLATION);
    assert_null(b);
    assert_status(blk_open(f->image, BLK_READONLY, &b), STATUS_SHARING_VIOLATION);
    blk_close(a);
    assert_ok(blk_open(f->image, BLK_READONLY, &a));
    assert_ok(blk_open(f->image, BLK_READONLY, &b));
    blk_close(a);
    assert_status(blk_open(f->image, 0, &a), STATUS_SHARING_VIOLATION);
    blk_close(b);
}

static void refuses_what_is_not_a_file(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    assert_status(blk_open(f->dir, BLK_READONLY, &b), STATUS_FILE_IS_A_DIRECTORY);
    assert_status(blk_open("/dev/null", 0, &b), STATUS_INVALID_PARAMETER);
    assert_status(blk_open("/no/such/path", 0, &b), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_non_null(strstr(status_text(), "/no/such/path"));
}

static void without_write_permission_it_is_read_only(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    bool root = geteuid() == 0; // root may write whatever the mode says
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(chmod(f->image, 0444), 0);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    nt_status status = blk_open(f->image, 0, &b);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_ok(status);
    assert_true(blk_has(b, BLK_READONLY));
    assert_status(blk_pwrite(b, "x", 1, 0, NULL), STATUS_MEDIA_WRITE_PROTECTED);
    blk_close(b);
}

static void an_image_cut_short_gives_a_medium_error(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    struct sense sense;
    char data[1024];
    assert_ok(blk_open(f->image, 0, &b));
    assert_int_equal(truncate(f->image, 4096 + 100), 0);
    assert_status(blk_pread(b, data, sizeof data, 4096, &sense), STATUS_DEVICE_DATA_ERROR);
    assert_int_equal(sense.key, SENSE_MEDIUM);
    blk_close(b);
}

static void another_file_at_the_path_is_another_medium(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    struct sense sense;
    char data[512];
    assert_ok(blk_open(f->image, BLK_REMOVABLE, &b));
    assert_ok(blk_pread(b, data, 512, 0, NULL));
    assert_int_equal(rename(f->other, f->image), 0);
    assert_status(blk_pwrite(b, "old", 3, 0, &sense), STATUS_VERIFY_REQUIRED);
    assert_int_equal(sense.key, SENSE_ATTENTION);
    assert_int_equal(sense.asc, 0x28);
    assert_int_equal(sense.ascq, 0);
    assert_int_equal(b->size, 32 * 1024);
    assert_int_equal(b->medium, 2);
    assert_ok(blk_pread(b, data, 512, 0, &sense)); // once only, and nothing was written
    assert_int_equal(data[0], 'B');
    assert_status(blk_pread(b, data, 512, 33 * 1024, NULL), STATUS_NONEXISTENT_SECTOR);
    blk_close(b);
}

static void a_fixed_image_does_not_look_at_the_path(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    char data[1];
    assert_ok(blk_open(f->image, 0, &b));
    assert_int_equal(rename(f->other, f->image), 0);
    assert_ok(blk_pread(b, data, 1, 0, NULL));
    assert_int_equal(data[0], 'A');
    assert_status(blk_command(b, BLK_EJECT, NULL), STATUS_IO_DEVICE_ERROR);
    assert_ok(blk_command(b, BLK_START, NULL));
    blk_close(b);
}

static void missing_and_back_is_an_attention(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    struct sense sense;
    char away[128], data[1];
    snprintf(away, sizeof away, "%s.away", f->image);
    assert_ok(blk_open(f->image, BLK_REMOVABLE, &b));
    assert_int_equal(rename(f->image, away), 0);
    for (int i = 0; i < 2; i++) {
        assert_status(blk_ready(b, &sense), STATUS_NO_MEDIA_IN_DEVICE);
        assert_int_equal(sense.key, SENSE_NOT_READY);
        assert_int_equal(sense.asc, 0x3a);
    }
    assert_status(blk_pread(b, data, 1, 0, NULL), STATUS_NO_MEDIA_IN_DEVICE);
    assert_status(blk_flush(b, NULL), STATUS_NO_MEDIA_IN_DEVICE);
    assert_int_equal(b->size, 0);
    assert_int_equal(rename(away, f->image), 0);
    assert_status(blk_pread(b, data, 1, 0, &sense), STATUS_VERIFY_REQUIRED);
    assert_ok(blk_pread(b, data, 1, 0, NULL));
    assert_ok(blk_ready(b, NULL));
    blk_close(b);
}

static void an_empty_drive_waits_for_its_first_medium(void **state)
{
    struct fixture *f = *state;
    struct blk *b;
    unlink(f->image);
    assert_ok(blk_open(f->image, BLK_REMOVABLE, &b));
    assert_int_equal(b->size, 0);
    assert_status(blk_ready(b, NULL), STATUS_NO_MEDIA_IN_DEVICE);
    make_file(f->image, 4096, 'C');
    assert_status(blk_ready(b, NULL), STATUS_VERIFY_REQUIRED);
    assert_ok(blk_ready(b, NULL));
    assert_int_equal(b->size, 4096);
    blk_close(b);
}

static void a_new_medium_that_is_in_use_is_not_ready(void **state)
{
    struct fixture *f = *state;
    struct blk *b, *user;
    struct sense sense;
    assert_ok(blk_open(f->image, BLK_REMOVABLE, &b));
    assert_ok(blk_open(f->other, 0, &user));
    assert_int_equal(rename(f->other, f->image), 0);
    for (int i = 0; i < 2; i++) {
        assert_status(blk_ready(b, &sense), STATUS_DEVICE_NOT_READY);
        assert_int_equal(sense.asc, 0x04);
        assert_int_equal(sense.ascq, 0x03);
    }
    blk_close(user);
    assert_status(blk_ready(b, &sense), STATUS_VERIFY_REQUIRED);
    assert_ok(blk_ready(b, &sense));
    blk_close(b);
}

static void eject_load_and_prevent(void **state)
{
    struct fixture *f = *state;
    struct blk *b, *user;
    struct sense sense;
    assert_ok(blk_open(f->image, BLK_REMOVABLE, &b));
    assert_ok(blk_command(b, BLK_PREVENT, NULL));
    assert_status(blk_command(b, BLK_EJECT, &sense), STATUS_IO_DEVICE_ERROR);
    assert_int_equal(sense.key, SENSE_ILLEGAL);
    assert_int_equal(sense.asc, 0x53);
    assert_int_equal(sense.ascq, 0x02);
    assert_ok(blk_ready(b, NULL));
    assert_ok(blk_command(b, BLK_ALLOW, NULL));
    assert_ok(blk_command(b, BLK_EJECT, NULL));
    assert_status(blk_ready(b, NULL), STATUS_NO_MEDIA_IN_DEVICE);
    assert_ok(blk_open(f->image, 0, &user)); // an ejected medium may be used elsewhere
    blk_close(user);
    assert_ok(blk_command(b, BLK_LOAD, NULL));
    assert_status(blk_ready(b, NULL), STATUS_VERIFY_REQUIRED);
    assert_ok(blk_ready(b, NULL));
    blk_close(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reads_and_writes_vectors),
        T(a_write_that_flushes_is_a_write),
        T(a_write_that_flushes_goes_to_the_medium_that_is_in),
        T(one_writer_or_many_readers),
        T(refuses_what_is_not_a_file),
        T(without_write_permission_it_is_read_only),
        T(an_image_cut_short_gives_a_medium_error),
        T(another_file_at_the_path_is_another_medium),
        T(a_fixed_image_does_not_look_at_the_path),
        T(missing_and_back_is_an_attention),
        T(an_empty_drive_waits_for_its_first_medium),
        T(a_new_medium_that_is_in_use_is_not_ready),
        T(eject_load_and_prevent),
    };
    return cmocka_run_group_tests_name("blk_file", tests, NULL, NULL);
}
