// SPDX-License-Identifier: Apache-2.0
// Share access: the table of who may open beside whom.
#include "tests/test.h"

#include "fs/request.h"

static struct scb scb;

static int setup(void **state)
{
    (void)state;
    scb = (struct scb){0};
    pthread_mutex_init(&scb.mutex, NULL);
    return 0;
}

static void each_right_needs_its_permission(void **state)
{
    (void)state;
    static const struct {
        u32 access, share;
    } rights[] = {{FILE_READ_DATA, FILE_SHARE_READ},
                  {FILE_EXECUTE, FILE_SHARE_READ},
                  {FILE_WRITE_DATA, FILE_SHARE_WRITE},
                  {FILE_APPEND_DATA, FILE_SHARE_WRITE},
                  {DELETE, FILE_SHARE_DELETE}};
    u32 all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    for (size_t i = 0; i < ARRAY_LEN(rights); i++) {
        u32 access = rights[i].access, without = all & ~rights[i].share;
        // One is there that does not permit it.
        share_add(&scb, FILE_READ_DATA, without);
        assert_status(share_check(&scb, access, all), STATUS_SHARING_VIOLATION);
        share_remove(&scb, FILE_READ_DATA, without);
        // One is there that has it, and the newcomer does not permit it.
        share_add(&scb, access, all);
        assert_status(share_check(&scb, FILE_READ_DATA, without), STATUS_SHARING_VIOLATION);
        assert_ok(share_check(&scb, FILE_READ_DATA, all));
        share_remove(&scb, access, all);
    }
    assert_int_equal(scb.opens + scb.readers + scb.writers + scb.deleters, 0);
    assert_int_equal(scb.share_read + scb.share_write + scb.share_delete, 0);
}

static void attribute_opens_take_no_part(void **state)
{
    (void)state;
    share_add(&scb, FILE_READ_ATTRIBUTES, 0);
    assert_ok(share_check(&scb, FILE_READ_DATA | FILE_WRITE_DATA | DELETE, 0));
    share_add(&scb, FILE_WRITE_DATA, 0);
    assert_ok(share_check(&scb, FILE_READ_ATTRIBUTES | SYNCHRONIZE, 0));
    assert_int_equal(scb.opens, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_right_needs_its_permission, setup),
        cmocka_unit_test_setup(attribute_opens_take_no_part, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
