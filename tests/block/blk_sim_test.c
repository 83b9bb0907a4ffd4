// SPDX-License-Identifier: Apache-2.0
// The simulated drive itself, since other tests believe it.
#include "tests/test.h"

#include <time.h>

#include "block/blk_sim.h"

static void a_terabyte_costs_what_is_written(void **state)
{
    (void)state;
    struct blk *b;
    char data[8] = "far out", back[8];
    assert_ok(blk_open("ram:1099511627776", 0, &b));
    u64 last = b->size - 8, edge = 65536 - 3;
    assert_ok(blk_pwrite(b, data, 8, last, NULL));
    assert_ok(blk_pwrite(b, data, 8, edge, NULL));
    assert_ok(blk_pread(b, back, 8, last, NULL));
    assert_memory_equal(back, data, 8);
    assert_ok(blk_pread(b, back, 8, edge, NULL));
    assert_memory_equal(back, data, 8);
    assert_ok(blk_pread(b, back, 8, 1u << 30, NULL));
    assert_memory_equal(back, "\0\0\0\0\0\0\0\0", 8);
    blk_close(b);
}

static void answers_in_the_given_order(void **state)
{
    (void)state;
    struct blk *b;
    struct sense sense;
    char data[1];
    assert_ok(blk_sim_new(4096, BLK_REMOVABLE, &b));
    blk_sim_answer(b, SIM_SENSE(2, 0x04, 0x01));
    blk_sim_answer(b, (struct sim_answer){.what = SIM_GOOD});
    blk_sim_answer(b, SIM_TRANSPORT(BLK_TIMED_OUT));
    blk_sim_answer(b, SIM_SENSE(1, 0x5d, 0));
    blk_sim_answer(b, (struct sim_answer){.what = SIM_NO_MEMORY});
    assert_status(blk_ready(b, &sense), STATUS_DEVICE_NOT_READY);
    assert_int_equal(sense.ascq, 1);
    assert_ok(blk_pread(b, data, 1, 0, &sense));
    assert_status(blk_pwrite(b, data, 1, 0, &sense), STATUS_IO_DEVICE_ERROR);
    assert_int_equal(sense.transport, BLK_TIMED_OUT);
    assert_ok(blk_ready(b, &sense));
    assert_int_equal(sense.asc, 0x5d);
    assert_int_equal(blk_sim_answers_left(b), 1);
    assert_status(blk_ready(b, &sense), STATUS_INSUFFICIENT_RESOURCES);
    assert_ok(blk_ready(b, &sense));
    assert_int_equal(blk_sim_count(b, SIM_READY), 4);
    blk_close(b);
}

static void media_keep_their_bytes(void **state)
{
    (void)state;
    struct blk *b;
    u32 other;
    char data[4];
    assert_ok(blk_sim_new(4096, BLK_REMOVABLE, &b));
    assert_ok(blk_sim_add_medium(b, 8192, true, &other));
    assert_ok(blk_pwrite(b, "one", 4, 0, NULL));
    blk_sim_insert(b, other, true);
    assert_status(blk_ready(b, NULL), STATUS_VERIFY_REQUIRED);
    assert_ok(blk_ready(b, NULL));
    assert_int_equal(b->size, 8192);
    assert_status(blk_pwrite(b, "two", 4, 0, NULL), STATUS_MEDIA_WRITE_PROTECTED);
    blk_sim_remove(b);
    assert_status(blk_ready(b, NULL), STATUS_NO_MEDIA_IN_DEVICE);
    blk_sim_insert(b, 0, false);
    assert_ok(blk_pread(b, data, 4, 0, NULL));
    assert_string_equal(data, "one");
    blk_sim_flip(b, 0, 1, 0x01);
    assert_ok(blk_pread(b, data, 4, 0, NULL));
    assert_string_equal(data, "ooe");
    blk_sim_plan(b, 2, other);
    blk_sim_plan(b, 1, 0);
    assert_ok(blk_ready(b, NULL));
    assert_status(blk_flush(b, NULL), STATUS_VERIFY_REQUIRED);
    assert_int_equal(b->size, 8192);
    assert_int_equal(blk_sim_planned(b), 1);
    assert_status(blk_ready(b, NULL), STATUS_VERIFY_REQUIRED);
    assert_int_equal(b->size, 4096);
    assert_int_equal(blk_sim_planned(b), 0);
    blk_close(b);
}

static void fails_the_nth_command(void **state)
{
    (void)state;
    struct blk *b;
    assert_ok(blk_sim_new(4096, 0, &b));
    assert_ok(blk_pwrite(b, "a", 1, 0, NULL));
    blk_sim_fail(b, SIM_WRITE, 2, (struct sense){.key = SENSE_MEDIUM, .asc = 0x0c});
    blk_sim_fail(b, SIM_FLUSH, 1, (struct sense){.key = SENSE_HARDWARE});
    assert_ok(blk_pwrite(b, "a", 1, 0, NULL));
    assert_status(blk_pwrite(b, "a", 1, 0, NULL), STATUS_DEVICE_DATA_ERROR);
    assert_ok(blk_pwrite(b, "a", 1, 0, NULL));
    assert_status(blk_flush(b, NULL), STATUS_IO_DEVICE_ERROR);
    assert_ok(blk_flush(b, NULL));
    blk_close(b);
}

static void *send_ready(void *b)
{
    return blk_ready(b, NULL) == STATUS_SUCCESS ? b : NULL;
}

static void a_stuck_command_waits_for_its_release(void **state)
{
    (void)state;
    struct blk *b;
    pthread_t thread;
    void *result;
    assert_ok(blk_sim_new(4096, BLK_REMOVABLE, &b));
    blk_sim_answer(b, (struct sim_answer){.what = SIM_STUCK});
    assert_int_equal(pthread_create(&thread, NULL, send_ready, b), 0);
    while (!blk_sim_is_stuck(b))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    blk_sim_release(b);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, b);
    blk_close(b);
}

static void prevents_ejects_and_loads(void **state)
{
    (void)state;
    struct blk *b;
    struct sense sense;
    assert_ok(blk_sim_new(4096, BLK_REMOVABLE, &b));
    assert_ok(blk_command(b, BLK_PREVENT, NULL));
    assert_status(blk_command(b, BLK_EJECT, &sense), STATUS_IO_DEVICE_ERROR);
    assert_int_equal(sense.asc, 0x53);
    assert_ok(blk_command(b, BLK_ALLOW, NULL));
    assert_ok(blk_command(b, BLK_EJECT, NULL));
    assert_status(blk_ready(b, NULL), STATUS_NO_MEDIA_IN_DEVICE);
    assert_ok(blk_command(b, BLK_LOAD, NULL));
    assert_ok(blk_ready(b, NULL));
    assert_int_equal(blk_sim_count(b, SIM_EJECT), 2);
    assert_int_equal(blk_sim_count(b, SIM_PREVENT), 1);
    blk_close(b);
}

// --- power cuts ----------------------------------------------------------------------------------

enum { SECTOR = 512, WRITE = 8 * SECTOR };

static void write_all(struct blk *b, u8 value, u64 offset)
{
    u8 data[WRITE];
    memset(data, value, sizeof data);
    assert_ok(blk_pwrite(b, data, sizeof data, offset, NULL));
}

// What a range holds when all its sectors are one of two values: how many are the second. -1: something else.
static int count_second(struct blk *b, u64 offset, u8 first, u8 second)
{
    u8 data[WRITE];
    int count = 0;
    blk_sim_peek(b, 0, data, sizeof data, offset);
    for (int sector = 0; sector < 8; sector++) {
        u8 value = data[sector * SECTOR];
        for (int i = 0; i < SECTOR; i++)
            if (data[sector * SECTOR + i] != value || (value != first && value != second))
                return -1;
        count += value == second;
    }
    return count;
}

// Over the edge of a chunk: 1, then 2 and a flush, then 3.
static struct blk *recorded(void)
{
    struct blk *b;
    assert_ok(blk_sim_new(MIB, 0, &b));
    write_all(b, 1, 65536 - 1024);
    assert_ok(blk_sim_record(b));
    write_all(b, 2, 65536 - 1024);
    assert_ok(blk_flush(b, NULL));
    write_all(b, 3, 65536 - 1024);
    assert_int_equal(blk_sim_recorded(b), 2);
    return b;
}

static void a_cut_leaves_the_first_writes(void **state)
{
    (void)state;
    struct blk *b = recorded();
    for (u8 after = 0; after <= 2; after++) {
        assert_ok(blk_sim_cut(b, after, 0));
        assert_int_equal(count_second(b, 65536 - 1024, 0, after + 1), 8);
        write_all(b, 9, 65536 - 1024);
        write_all(b, 9, MIB - WRITE);
        assert_ok(blk_sim_cut(b, after, 0));
        assert_int_equal(count_second(b, 65536 - 1024, 0, after + 1), 8);
        assert_int_equal(count_second(b, MIB - WRITE, 9, 0), 8);
    }
    blk_close(b);
}

static void a_cut_harms_what_no_flush_covered(void **state)
{
    (void)state;
    struct blk *b = recorded();
    bool kept = false, lost = false, torn = false;
    for (u64 seed = 1; seed <= 100; seed++) {
        assert_ok(blk_sim_cut(b, 1, seed));
        int count = count_second(b, 65536 - 1024, 1, 2);
        assert_true(count >= 0);
        lost |= count == 0;
        torn |= count > 0 && count < 8;
        kept |= count == 8;
        assert_ok(blk_sim_cut(b, 1, seed));
        assert_int_equal(count_second(b, 65536 - 1024, 1, 2), count);
    }
    assert_true(kept && lost && torn);
    for (u64 seed = 1; seed <= 100; seed++) {
        assert_ok(blk_sim_cut(b, 2, seed));
        assert_true(count_second(b, 65536 - 1024, 2, 3) >= 0);
    }
    blk_close(b);
}

static void a_flush_at_the_end_counts(void **state)
{
    (void)state;
    struct blk *b;
    assert_ok(blk_sim_new(MIB, 0, &b));
    assert_ok(blk_sim_record(b));
    write_all(b, 1, 0);
    assert_ok(blk_flush(b, NULL));
    for (u64 seed = 1; seed <= 20; seed++) {
        assert_ok(blk_sim_cut(b, 2, seed));
        assert_int_equal(count_second(b, 0, 0, 1), 8);
    }
    blk_close(b);
}

static nt_status refuse_far_writes(void *context, enum sim_kind kind, u64 offset, struct sense *sense)
{
    ++*(int *)context;
    return kind == SIM_WRITE && offset >= 65536 ? sense_report(sense, SENSE_MEDIUM, 0x0c, 0) : STATUS_SUCCESS;
}

static void a_watcher_answers_instead(void **state)
{
    (void)state;
    struct blk *b;
    struct sense sense;
    int seen = 0;
    char data[8] = "watched";
    assert_ok(blk_sim_new(MIB, 0, &b));
    blk_sim_watch(b, refuse_far_writes, &seen);
    assert_ok(blk_pwrite(b, data, 8, 0, NULL));
    assert_status(blk_pwrite(b, data, 8, 65536, &sense), STATUS_DEVICE_DATA_ERROR);
    assert_int_equal(sense.asc, 0x0c);
    assert_ok(blk_flush(b, NULL));
    assert_ok(blk_pread(b, data, 8, 65536, NULL));
    assert_memory_equal(data, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(seen, 4);
    assert_int_equal(blk_sim_count(b, SIM_WRITE), 1);
    blk_close(b);
}

static void a_lost_cache_harms_what_no_flush_covered(void **state)
{
    (void)state;
    bool kept = false, lost = false, torn = false;
    for (u64 seed = 1; seed <= 100; seed++) {
        struct blk *b;
        assert_ok(blk_sim_new(MIB, 0, &b));
        blk_sim_cache(b, 0);
        write_all(b, 1, 0);
        assert_ok(blk_flush(b, NULL));
        write_all(b, 2, 0);
        write_all(b, 3, 0);
        assert_ok(blk_sim_lose(b, 0, seed));
        int third = count_second(b, 0, 2, 3), second = count_second(b, 0, 1, 2);
        lost |= count_second(b, 0, 0, 1) == 8;
        kept |= third == 8;
        torn |= third < 0 || second > 0;
        assert_ok(blk_flush(b, NULL));
        assert_ok(blk_sim_lose(b, 0, seed)); // there is nothing to lose any more
        assert_int_equal(count_second(b, 0, 2, 3), third);
        blk_close(b);
    }
    assert_true(kept && lost && torn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terabyte_costs_what_is_written),
        cmocka_unit_test(answers_in_the_given_order),
        cmocka_unit_test(media_keep_their_bytes),
        cmocka_unit_test(fails_the_nth_command),
        cmocka_unit_test(a_stuck_command_waits_for_its_release),
        cmocka_unit_test(prevents_ejects_and_loads),
        cmocka_unit_test(a_cut_leaves_the_first_writes),
        cmocka_unit_test(a_cut_harms_what_no_flush_covered),
        cmocka_unit_test(a_flush_at_the_end_counts),
        cmocka_unit_test(a_watcher_answers_instead),
        cmocka_unit_test(a_lost_cache_harms_what_no_flush_covered),
    };
    return cmocka_run_group_tests_name("blk_sim", tests, NULL, NULL);
}
