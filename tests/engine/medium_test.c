// SPDX-License-Identifier: Apache-2.0
// Is this the medium that a store knows? Copies and backups of a medium count the same generations, and a
// medium that was elsewhere may count on to the very number of a commit of ours.
#include "tests/engine/volume.h"

#include "block/blk_sim.h"

enum { SIZE = 8 << 20 };

static struct volume v;

static struct blk *copy_of(struct blk *from)
{
    static u8 bytes[SIZE];
    struct blk *to;
    assert_ok(blk_sim_new(SIZE, 0, &to));
    assert_ok(blk_pread(from, bytes, SIZE, 0, NULL));
    assert_ok(blk_pwrite(to, bytes, SIZE, 0, NULL));
    return to;
}

static nt_status find(struct blk *b)
{
    struct store_medium medium;
    store_get_medium(v.store, &medium);
    return store_find_medium(b, &medium);
}

// Somebody else writes to it, commits so often.
static void changed_elsewhere(struct blk *b, u32 commits)
{
    struct volume other = {.blk = b};
    assert_ok(store_open(b, 0, 0, &other.store));
    for (u32 i = 0; i < commits; i++) {
        char name[32];
        struct store_info info;
        store_get_info(other.store, &info);
        snprintf(name, sizeof name, "other%llu", (unsigned long long)info.identity.generation);
        assert_ok(volume_write_file(&other, name, 5000));
        assert_ok(store_commit(other.store));
    }
    assert_false(store_abandon(other.store)); // not closed: no commit more
}

static u64 generation_of(struct blk *b)
{
    struct store_identity identity;
    assert_ok(store_identify(b, &identity));
    return identity.generation;
}

static int setup(void **state)
{
    (void)state;
    volume_make(&v, SIZE, 4096, 2, OPTION_CASE_SENSITIVE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    volume_free(&v);
    return 0;
}

static void the_medium_itself_and_its_exact_copy(void **state)
{
    (void)state;
    assert_ok(find(v.blk));
    for (u32 i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        assert_ok(volume_write_file(&v, name, 9000));
        assert_ok(find(v.blk));
        assert_ok(store_sync(v.store));
        assert_ok(find(v.blk));
    }
    struct blk *copy = copy_of(v.blk), *blank;
    assert_ok(find(copy));
    blk_close(copy);
    assert_ok(store_commit(v.store));
    assert_ok(find(v.blk));
    assert_ok(blk_sim_new(SIZE, 0, &blank));
    assert_status(find(blank), STATUS_WRONG_VOLUME);
    blk_close(blank);
}

// Two histories that began as one, with as many commits each.
static void a_copy_with_as_many_commits_is_another(void **state)
{
    (void)state;
    struct blk *copy = copy_of(v.blk);
    for (u32 i = 0; i < 3; i++) {
        changed_elsewhere(copy, 1);
        while (generation_of(v.blk) < generation_of(copy)) {
            char name[32];
            snprintf(name, sizeof name, "ours%llu", (unsigned long long)generation_of(v.blk));
            assert_ok(volume_write_file(&v, name, 5000));
            assert_ok(store_commit(v.store));
        }
        assert_int_equal(generation_of(v.blk), generation_of(copy));
        assert_status(find(copy), STATUS_WRONG_VOLUME);
        assert_ok(find(v.blk));
    }
    blk_close(copy);
}

// The number of a commit of ours that was cut short is no proof either.
static void a_medium_with_the_number_of_our_cut_commit_is_another(void **state)
{
    (void)state;
    struct sense away = {SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK};
    for (u64 flush = 1; flush <= 2; flush++) {
        assert_ok(store_commit(v.store));
        struct blk *copy = copy_of(v.blk);
        u64 before = generation_of(v.blk);
        assert_ok(volume_write_file(&v, flush == 1 ? "a" : "b", 5000));
        blk_sim_fail(v.blk, SIM_FLUSH, flush, away);
        assert_status(store_commit(v.store), STATUS_NO_MEDIA_IN_DEVICE);
        assert_int_equal(generation_of(v.blk), before + flush - 1);
        assert_ok(find(v.blk)); // the commit's superblock is there, or the one before it
        assert_ok(find(copy));
        changed_elsewhere(copy, 1);
        assert_int_equal(generation_of(copy), before + 1);
        assert_status(find(copy), STATUS_WRONG_VOLUME);
        blk_close(copy);
    }
}

// A backup of the same commit lacks what was flushed to the log since.
static void a_backup_without_our_flushes_is_another(void **state)
{
    (void)state;
    assert_ok(volume_write_file(&v, "a", 5000));
    assert_ok(store_sync(v.store)); // makes the log
    struct blk *backups[4];
    for (u32 i = 0; i < ARRAY_LEN(backups); i++) {
        char name[16];
        backups[i] = copy_of(v.blk);
        snprintf(name, sizeof name, "f%u", i);
        assert_ok(volume_write_file(&v, name, 5000));
        assert_ok(store_sync(v.store));
    }
    for (u32 i = 0; i < ARRAY_LEN(backups); i++) {
        assert_int_equal(generation_of(backups[i]), generation_of(v.blk));
        assert_status(find(backups[i]), STATUS_WRONG_VOLUME);
        blk_close(backups[i]);
    }
    assert_ok(find(v.blk));
}

// And the other way round: what was flushed after our time.
static void a_log_that_goes_on_is_another(void **state)
{
    (void)state;
    struct store_medium then;
    assert_ok(volume_write_file(&v, "a", 5000));
    assert_ok(store_sync(v.store));
    assert_ok(volume_write_file(&v, "b", 5000));
    assert_ok(store_sync(v.store));
    store_get_medium(v.store, &then);
    assert_ok(store_find_medium(v.blk, &then));
    assert_ok(volume_write_file(&v, "c", 5000));
    assert_ok(store_sync(v.store));
    assert_status(store_find_medium(v.blk, &then), STATUS_WRONG_VOLUME);
}

// An entry of which nobody knows whether it reached the medium may be there or not.
static void an_entry_that_was_cut_short_is_ours_either_way(void **state)
{
    (void)state;
    struct sense away = {SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK};
    for (u32 written = 0; written < 2; written++) {
        assert_ok(volume_write_file(&v, written ? "a" : "b", 5000));
        assert_ok(store_sync(v.store));
        assert_ok(volume_write_file(&v, written ? "c" : "d", 5000));
        blk_sim_fail(v.blk, written ? SIM_FLUSH : SIM_WRITE, 1, away);
        assert_status(store_sync(v.store), STATUS_NO_MEDIA_IN_DEVICE);
        assert_ok(find(v.blk));
        assert_ok(store_commit(v.store));
        assert_ok(find(v.blk));
    }
}

// Those who only read know what they played, and leave everything as it is.
static void a_reader_knows_its_medium(void **state)
{
    (void)state;
    assert_ok(volume_write_file(&v, "a", 5000));
    assert_ok(store_sync(v.store));
    struct blk *backup = copy_of(v.blk);
    assert_ok(volume_write_file(&v, "b", 5000));
    assert_ok(store_sync(v.store));
    struct store *reader;
    struct store_medium medium;
    assert_ok(store_open(v.blk, STORE_READONLY, 0, &reader));
    store_get_medium(reader, &medium);
    assert_ok(store_find_medium(v.blk, &medium));
    assert_status(store_find_medium(backup, &medium), STATUS_WRONG_VOLUME);
    changed_elsewhere(backup, 0); // played and committed
    assert_status(store_find_medium(backup, &medium), STATUS_WRONG_VOLUME);
    assert_ok(store_close(reader));
    assert_ok(find(v.blk)); // still
    blk_close(backup);
}

static void a_device_that_cannot_be_read_says_nothing(void **state)
{
    (void)state;
    struct sense away = {SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK};
    assert_ok(volume_write_file(&v, "a", 5000));
    assert_ok(store_sync(v.store));
    assert_ok(volume_write_file(&v, "b", 5000));
    assert_ok(store_sync(v.store));
    u64 reads = blk_sim_count(v.blk, SIM_READ);
    assert_ok(find(v.blk));
    reads = blk_sim_count(v.blk, SIM_READ) - reads;
    assert_true(reads >= 6);
    for (u64 n = 1; n <= reads; n++) {
        blk_sim_fail(v.blk, SIM_READ, n, away);
        assert_status(find(v.blk), STATUS_NO_MEDIA_IN_DEVICE);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_medium_itself_and_its_exact_copy),
        T(a_copy_with_as_many_commits_is_another),
        T(a_medium_with_the_number_of_our_cut_commit_is_another),
        T(a_backup_without_our_flushes_is_another),
        T(a_log_that_goes_on_is_another),
        T(an_entry_that_was_cut_short_is_ours_either_way),
        T(a_reader_knows_its_medium),
        T(a_device_that_cannot_be_read_says_nothing),
    };
    return cmocka_run_group_tests_name("medium", tests, NULL, NULL);
}
