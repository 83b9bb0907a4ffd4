// SPDX-License-Identifier: Apache-2.0
// The checking wrapper: prefixes, ranges, access, counters, plain statuses.
#include "tests/test.h"

#include "block/blk_sim.h"

static void opens_by_prefix(void **state)
{
    (void)state;
    struct blk *b;
    assert_ok(blk_open("ram:65536", 0, &b));
    assert_int_equal(b->size, 65536);
    assert_int_equal(b->sector, 512);
    assert_string_equal(b->spec, "ram:65536");
    blk_close(b);
    assert_ok(blk_open("ram:2M", 0, &b));
    assert_int_equal(b->size, 2 * MIB);
    blk_close(b);
    assert_status(blk_open("ram:", 0, &b), STATUS_INVALID_PARAMETER);
    assert_null(b);
    assert_status(blk_open("ram:12x", 0, &b), STATUS_INVALID_PARAMETER);
    assert_status(blk_open("ram:-1", 0, &b), STATUS_INVALID_PARAMETER);
    assert_status(blk_open("ram:0", 0, &b), STATUS_INVALID_PARAMETER);
    assert_status(blk_open("ram:9223372036854775808", 0, &b), STATUS_INVALID_PARAMETER);
    assert_status(blk_open("nosuch:/there is no such file", 0, &b), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(blk_open("", 0, &b), STATUS_OBJECT_NAME_NOT_FOUND);
    blk_close(NULL);
}

static void refuses_what_lies_beyond_the_end(void **state)
{
    (void)state;
    struct blk *b;
    struct sense sense;
    char data[1024];
    assert_ok(blk_sim_new(4096, 0, &b));
    assert_ok(blk_pread(b, data, 1024, 3072, &sense));
    assert_int_equal(sense.key, SENSE_NONE);
    assert_status(blk_pread(b, data, 1024, 3073, &sense), STATUS_NONEXISTENT_SECTOR);
    assert_int_equal(sense.key, SENSE_ILLEGAL);
    assert_int_equal(sense.asc, 0x21);
    assert_status(blk_pwrite(b, data, 1, 4096, NULL), STATUS_NONEXISTENT_SECTOR);
    assert_status(blk_pread(b, data, 1, UINT64_MAX, NULL), STATUS_NONEXISTENT_SECTOR);
    assert_ok(blk_pread(b, data, 0, 4096, NULL));
    struct iovec huge[2] = {{data, INT32_MAX}, {data, 1}}, overflow[2] = {{data, SIZE_MAX}, {data, 2}};
    assert_status(blk_preadv(b, huge, 2, 0, NULL), STATUS_INVALID_PARAMETER);
    assert_status(blk_preadv(b, overflow, 2, 0, NULL), STATUS_INVALID_PARAMETER);
    assert_int_equal(blk_sim_count(b, SIM_READ), 1);
    assert_int_equal(blk_sim_count(b, SIM_WRITE), 0);
    blk_close(b);
}

static void refuses_writes_to_a_read_only_medium(void **state)
{
    (void)state;
    struct blk *b;
    struct sense sense;
    assert_ok(blk_sim_new(4096, BLK_READONLY, &b));
    assert_status(blk_pwrite(b, "x", 1, 0, &sense), STATUS_MEDIA_WRITE_PROTECTED);
    assert_int_equal(sense.key, SENSE_PROTECT);
    assert_int_equal(sense.asc, 0x27);
    assert_int_equal(blk_sim_count(b, SIM_WRITE), 0);
    blk_close(b);
}

static void plain_statuses(void **state)
{
    (void)state;
    static const struct {
        struct sense sense;
        nt_status status;
    } rows[] = {
        {{6, 0x28, 0, 0}, STATUS_VERIFY_REQUIRED},
        {{6, 0x29, 0, 0}, STATUS_VERIFY_REQUIRED},
        {{2, 0x3a, 1, 0}, STATUS_NO_MEDIA_IN_DEVICE},
        {{2, 0x04, 3, 0}, STATUS_DEVICE_NOT_READY},
        {{3, 0x11, 0, 0}, STATUS_DEVICE_DATA_ERROR},
        {{7, 0x27, 7, 0}, STATUS_DISK_FULL},
        {{7, 0x27, 0, 0}, STATUS_MEDIA_WRITE_PROTECTED},
        {{5, 0x21, 0, 0}, STATUS_NONEXISTENT_SECTOR},
        {{5, 0x20, 0, 0}, STATUS_IO_DEVICE_ERROR},
        {{1, 0x5d, 0, 0}, STATUS_SUCCESS},
        {{0, 0, 0, 0}, STATUS_IO_DEVICE_ERROR},
        {{6, 0x28, 0, BLK_TIMED_OUT}, STATUS_IO_DEVICE_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_status(sense_plain_status(&rows[i].sense), rows[i].status);
}

// A read that was sent for one medium must not bring back bytes of the next one, even when somebody else got
// the unit attention.
static void a_transfer_for_one_medium_never_meets_another(void **state)
{
    (void)state;
    struct blk *b;
    struct sense sense;
    char data[4] = {0};
    u32 other;
    assert_ok(blk_sim_new(4096, BLK_REMOVABLE, &b));
    assert_ok(blk_sim_add_medium(b, 8192, false, &other));
    u64 before = blk_medium(b);
    struct iovec iov = {data, 4};
    assert_ok(blk_write_medium(b, before, &iov, 1, 0, NULL));
    blk_sim_insert(b, other, true);
    assert_status(blk_ready(b, &sense), STATUS_VERIFY_REQUIRED);
    assert_ok(blk_ready(b, &sense));
    memcpy(data, "old", 4);
    assert_status(blk_write_medium(b, before, &iov, 1, 0, &sense), STATUS_VERIFY_REQUIRED);
    assert_int_equal(sense.key, SENSE_ATTENTION);
    assert_int_equal(sense.asc, 0x28);
    assert_status(blk_read_medium(b, before, &iov, 1, 0, NULL), STATUS_VERIFY_REQUIRED);
    u64 flushes = blk_sim_count(b, SIM_FLUSH);
    assert_status(blk_write_flush_medium(b, before, &iov, 1, 0, NULL), STATUS_VERIFY_REQUIRED);
    assert_status(blk_flush_medium(b, before, NULL), STATUS_VERIFY_REQUIRED);
    assert_int_equal(blk_sim_count(b, SIM_FLUSH), flushes);
    assert_ok(blk_flush_medium(b, blk_medium(b), NULL));
    blk_sim_peek(b, other, data, 4, 0);
    assert_int_equal(data[0], 0);
    assert_ok(blk_read_medium(b, blk_medium(b), &iov, 1, 0, NULL));
    blk_close(b);
}

// A back end that has no such command of its own.
static void a_write_that_flushes_is_both(void **state)
{
    (void)state;
    struct blk *b;
    char data[4];
    struct sense failure = {SENSE_MEDIUM, 0x0c, 0, BLK_TRANSPORT_OK};
    assert_ok(blk_sim_new(4096, 0, &b));
    assert_ok(blk_pwrite_flush(b, "abc", 4, 100, NULL));
    assert_int_equal(blk_sim_count(b, SIM_WRITE), 1);
    assert_int_equal(blk_sim_count(b, SIM_FLUSH), 1);
    assert_ok(blk_pread(b, data, 4, 100, NULL));
    assert_string_equal(data, "abc");
    blk_sim_fail(b, SIM_WRITE, 1, failure);
    assert_status(blk_pwrite_flush(b, "x", 1, 0, NULL), STATUS_DEVICE_DATA_ERROR);
    assert_int_equal(blk_sim_count(b, SIM_FLUSH), 1);
    blk_sim_fail(b, SIM_FLUSH, 1, failure);
    assert_status(blk_pwrite_flush(b, "x", 1, 0, NULL), STATUS_DEVICE_DATA_ERROR);
    assert_status(blk_pwrite_flush(b, "x", 1, 4096, NULL), STATUS_NONEXISTENT_SECTOR);
    blk_close(b);
    assert_ok(blk_sim_new(4096, BLK_READONLY, &b));
    assert_status(blk_pwrite_flush(b, "x", 1, 0, NULL), STATUS_MEDIA_WRITE_PROTECTED);
    blk_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_by_prefix),
        cmocka_unit_test(refuses_what_lies_beyond_the_end),
        cmocka_unit_test(refuses_writes_to_a_read_only_medium),
        cmocka_unit_test(plain_statuses),
        cmocka_unit_test(a_transfer_for_one_medium_never_meets_another),
        cmocka_unit_test(a_write_that_flushes_is_both),
    };
    return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
