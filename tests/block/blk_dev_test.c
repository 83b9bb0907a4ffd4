// SPDX-License-Identifier: Apache-2.0
// Block devices. A loop device needs root, so that part is skipped without it.
#include "tests/test.h"

#include <fcntl.h>
#include <stdalign.h>
#include <unistd.h>

#include "block/blk.h"

static void refuses_what_is_not_a_block_device(void **state)
{
    (void)state;
    struct blk *b;
    assert_true(HF_STATUS_IS_ERROR(blk_open("dev:/dev/null", BLK_READONLY, &b)));
    assert_null(b);
    assert_status(blk_open("dev:/dev/no-such-device", 0, &b), STATUS_OBJECT_NAME_NOT_FOUND);
}

// A loop device on an image of 1 MiB.
static struct {
    char image[32], spec[80]; // "dev:/dev/loopN"
    struct blk *b;
} loop;

static int loop_close(void **state)
{
    (void)state;
    char command[128];
    blk_close(loop.b);
    loop.b = NULL;
    snprintf(command, sizeof command, "losetup -d %s", loop.spec + 4);
    int failed = loop.spec[4] == '/' ? system(command) : 0;
    unlink(loop.image);
    return failed;
}

// Skips the test where there is none to be had.
static struct blk *loop_open(void)
{
    char command[128];
    snprintf(loop.image, sizeof loop.image, "/var/tmp/blk_dev_test.XXXXXX");
    snprintf(loop.spec, sizeof loop.spec, "dev:");
    int fd = mkstemp(loop.image);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    close(fd);
    snprintf(command, sizeof command, "losetup --show -f %s 2>/dev/null", loop.image);
    FILE *p = geteuid() == 0 ? popen(command, "r") : NULL;
    bool attached = p && fgets(loop.spec + 4, sizeof loop.spec - 4, p) && loop.spec[4] == '/';
    if (p)
        pclose(p);
    if (!attached) {
        print_message("# no loop device to be had (needs root and losetup)\n");
        skip();
    }
    loop.spec[strcspn(loop.spec, "\n")] = '\0';
    assert_ok(blk_open(loop.spec, 0, &loop.b));
    return loop.b;
}

static void a_loop_device_reads_back(void **state)
{
    (void)state;
    char back[4096];
    struct blk *b = loop_open();
    assert_int_equal(b->size, 1 << 20);
    assert_int_equal(b->sector, 512);
    memset(back, 'x', sizeof back);
    assert_ok(blk_pwrite(b, back, sizeof back, 8192, NULL));
    assert_ok(blk_flush(b, NULL));
    memset(back, 0, sizeof back);
    assert_ok(blk_pread(b, back, sizeof back, 8192, NULL));
    assert_int_equal(back[4095], 'x');
}

static u8 first_of(struct blk *b, u8 *data, size_t length, u64 offset, bool fresh)
{
    memset(data, 0, length);
    assert_ok(fresh ? blk_pread_fresh(b, data, length, offset, NULL)
                    : blk_pread(b, data, length, offset, NULL));
    for (size_t i = 1; i < length; i++)
        assert_int_equal(data[i], data[0]);
    return data[0];
}

// What changes below the device is not seen by its page cache: so rots a medium.
static void a_fresh_read_is_one_of_the_medium(void **state)
{
    (void)state;
    static alignas(BLK_DIRECT_ALIGN) u8 data[2 * BLK_DIRECT_ALIGN];
    struct blk *b = loop_open();
    memset(data, 'x', sizeof data);
    for (u64 at = 0; at < 1 << 20; at += sizeof data)
        assert_ok(blk_pwrite(b, data, sizeof data, at, NULL));
    assert_ok(blk_flush(b, NULL));
    assert_int_equal(first_of(b, data, sizeof data, 8192, false), 'x');
    assert_int_equal(first_of(b, data, sizeof data, 65536, false), 'x');
    int below = open(loop.image, O_RDWR | O_DIRECT);
    assert_true(below >= 0);
    memset(data, 'y', sizeof data);
    assert_int_equal(pwrite(below, data, sizeof data, 8192), (ssize_t)sizeof data);
    assert_int_equal(pwrite(below, data, sizeof data, 65536), (ssize_t)sizeof data);
    close(below);
    assert_int_equal(first_of(b, data, sizeof data, 8192, true), 'y');
    assert_int_equal(first_of(b, data + 1, 4096, 65536 + 7, true), 'y'); // fits no direct read
    // What was written last is what is there, on its way or not.
    memset(data, 'z', sizeof data);
    assert_ok(blk_pwrite(b, data, sizeof data, 8192, NULL));
    assert_ok(blk_pwrite(b, data, sizeof data, 65536, NULL));
    assert_int_equal(first_of(b, data, sizeof data, 8192, true), 'z');
    assert_int_equal(first_of(b, data + 1, 4096, 65536 + 7, true), 'z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_a_block_device),
        cmocka_unit_test_teardown(a_loop_device_reads_back, loop_close),
        cmocka_unit_test_teardown(a_fresh_read_is_one_of_the_medium, loop_close),
    };
    return cmocka_run_group_tests_name("blk_dev", tests, NULL, NULL);
}
