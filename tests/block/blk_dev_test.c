// SPDX-License-Identifier: Apache-2.0
// Block devices. A loop device needs root, so that part is skipped without it.
#include "tests/test.h"

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

static void a_loop_device_reads_back(void **state)
{
    (void)state;
    char image[] = "/tmp/blk_dev_test.XXXXXX", command[128], spec[80] = "dev:", back[4096];
    int fd = mkstemp(image);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    close(fd);
    snprintf(command, sizeof command, "losetup --show -f %s 2>/dev/null", image);
    FILE *p = geteuid() == 0 ? popen(command, "r") : NULL;
    bool attached = p && fgets(spec + 4, sizeof spec - 4, p) && spec[4] == '/';
    if (p)
        pclose(p);
    if (!attached) {
        unlink(image);
        print_message("# no loop device to be had (needs root and losetup): not tried\n");
        return;
    }
    spec[strcspn(spec, "\n")] = '\0';
    struct blk *b;
    nt_status status = blk_open(spec, 0, &b);
    if (status == STATUS_SUCCESS) {
        assert_int_equal(b->size, 1 << 20);
        assert_int_equal(b->sector, 512);
        memset(back, 'x', sizeof back);
        assert_ok(blk_pwrite(b, back, sizeof back, 8192, NULL));
        assert_ok(blk_flush(b, NULL));
        memset(back, 0, sizeof back);
        assert_ok(blk_pread(b, back, sizeof back, 8192, NULL));
        assert_int_equal(back[4095], 'x');
        blk_close(b);
    }
    snprintf(command, sizeof command, "losetup -d %s", spec + 4);
    assert_int_equal(system(command), 0);
    unlink(image);
    assert_ok(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_a_block_device),
        cmocka_unit_test(a_loop_device_reads_back),
    };
    return cmocka_run_group_tests_name("blk_dev", tests, NULL, NULL);
}
