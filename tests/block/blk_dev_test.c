// SPDX-License-Identifier: Apache-2.0
// Block devices. A loop device needs root, so that part is skipped without it.
#include "tests/test.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdalign.h>
#include <sys/ioctl.h>
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

enum { SIZE = 1 << 20 };

// A file of this letter.
static int image_make(char *path, char letter)
{
    static char data[SIZE];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    memset(data, letter, sizeof data);
    assert_int_equal(write(fd, data, sizeof data), sizeof data);
    return fd;
}

static bool loop_attach(const char *image, const char *options, char *spec, size_t size)
{
    char command[128];
    snprintf(command, sizeof command, "losetup --show -f %s %s 2>/dev/null", options, image);
    FILE *p = geteuid() == 0 ? popen(command, "r") : NULL;
    snprintf(spec, size, "dev:");
    bool attached = p && fgets(spec + 4, (int)size - 4, p) && spec[4] == '/';
    if (p)
        pclose(p);
    spec[strcspn(spec, "\n")] = '\0';
    if (!attached)
        print_message("# no loop device to be had (needs root and losetup): not tried\n");
    return attached;
}

static void loop_run(const char *what, const char *spec)
{
    char command[128];
    snprintf(command, sizeof command, "losetup %s %s", what, spec + 4);
    assert_int_equal(system(command), 0);
}

static char read_letter(struct blk *b)
{
    char letter;
    assert_ok(blk_pread(b, &letter, 1, 4096, NULL));
    return letter;
}

// The node stays the same: another card of the same size, and one of another size.
static void another_medium_behind_the_node_is_an_attention(void **state)
{
    (void)state;
    char first[] = "/tmp/blk_dev_test.XXXXXX", second[] = "/tmp/blk_dev_test.XXXXXX", spec[80];
    struct sense sense;
    struct blk *b;
    close(image_make(first, 'A'));
    int fd = image_make(second, 'B');
    if (loop_attach(first, "-r", spec, sizeof spec)) {
        assert_ok(blk_open(spec, BLK_READONLY | BLK_REMOVABLE, &b));
        assert_int_equal(read_letter(b), 'A');
        u64 medium = blk_medium(b);
        int node = open(spec + 4, O_RDONLY);
        assert_true(node >= 0);
        assert_int_equal(ioctl(node, LOOP_CHANGE_FD, fd), 0);
        char letter = 0;
        assert_status(blk_pread(b, &letter, 1, 4096, &sense), STATUS_VERIFY_REQUIRED);
        assert_int_equal(sense.asc, 0x28);
        assert_int_equal(letter, 0);
        assert_int_equal(blk_medium(b), medium + 1);
        assert_int_equal(read_letter(b), 'B');
        assert_int_equal(ftruncate(fd, 2 * SIZE), 0);
        loop_run("-c", spec);
        assert_status(blk_flush_medium(b, medium + 1, NULL), STATUS_VERIFY_REQUIRED);
        assert_int_equal(blk_size(b), 2 * SIZE);
        close(node);
        blk_close(b);
        loop_run("-d", spec);
    }
    close(fd);
    unlink(first);
    unlink(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_a_block_device),
        cmocka_unit_test_teardown(a_loop_device_reads_back, loop_close),
        cmocka_unit_test_teardown(a_fresh_read_is_one_of_the_medium, loop_close),
        cmocka_unit_test(another_medium_behind_the_node_is_an_attention),
    };
    return cmocka_run_group_tests_name("blk_dev", tests, NULL, NULL);
}
