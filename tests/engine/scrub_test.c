// SPDX-License-Identifier: Apache-2.0
// The scrub: what has a second copy is repaired, what has none is named, and stopping, going on and writers
// beside it change nothing of that.
#include "tests/engine/volume.h"

#include <pthread.h>

#include "block/blk_sim.h"
#include "engine/format.h"

enum { PLACES = 512, FINDINGS = 64 };

struct scrub {
    struct volume v;
    u64 places[2][PLACES]; // of each copy of each page
    u32 place_count[2];
    struct scrub_position position;
    struct check_finding found[FINDINGS];
    char path[FINDINGS][300];
    u32 count, events[4]; // 130 to 133
    u64 steps, stop_after;
};

static void on_page(void *context, u64 address, u32 kind, u32 level, u32 copy)
{
    struct scrub *c = context;
    (void)kind, (void)level;
    assert_true(c->place_count[copy] < PLACES);
    c->places[copy][c->place_count[copy]++] = address;
}

static void on_event(void *context, const struct store_event *event)
{
    struct scrub *c = context;
    assert_in_range(event->id, 130, 133);
    c->events[event->id - 130]++;
}

static void on_finding(void *context, const struct check_finding *f)
{
    struct scrub *c = context;
    if (c->count < FINDINGS) {
        c->found[c->count] = *f;
        snprintf(c->path[c->count], sizeof c->path[0], "%s", f->path);
    }
    c->count++;
}

static bool on_progress(void *context, const struct scrub_totals *totals)
{
    struct scrub *c = context;
    assert_true(totals->bytes <= totals->total_bytes);
    return ++c->steps != c->stop_after;
}

static nt_status run(struct scrub *c)
{
    struct scrub_options options = {.finding = on_finding, .progress = on_progress, .context = c};
    c->count = 0;
    c->steps = 0;
    memset(c->events, 0, sizeof c->events);
    return store_scrub(c->v.store, &c->position, &options);
}

static nt_status run_new(struct scrub *c)
{
    memset(&c->position, 0, sizeof c->position);
    return run(c);
}

// Files enough for a tree of two levels; opened so that damage is left for the scrub.
static void make(struct scrub *c, u8 copies)
{
    struct check_totals totals;
    struct check_options options = {.page = on_page, .context = c};
    char name[200];
    volume_make(&c->v, 16 * MIB, 4096, copies, OPTION_CASE_SENSITIVE);
    for (u32 i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "%03u-%0150u", i, i);
        assert_ok(volume_write_file(&c->v, name, i % 50 == 0 ? 100000 : 10));
    }
    assert_ok(store_commit(c->v.store));
    memset(c->place_count, 0, sizeof c->place_count);
    assert_ok(store_check(c->v.store, &options, &totals));
    assert_true(c->place_count[0] > 4);
}

static void reopen(struct scrub *c, u32 flags)
{
    if (c->v.store)
        assert_ok(store_close(c->v.store));
    assert_ok(store_open(c->v.blk, flags, 4 * MIB, &c->v.store));
    store_listen(c->v.store, on_event, c);
}

static u64 file_place(struct scrub *c, const char *name, u64 offset)
{
    struct dirent entry;
    struct stream *m;
    u64 device, length;
    assert_ok(dirent_find(c->v.store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry));
    assert_ok(stream_open(c->v.store, entry.id, (struct str){NULL, 0}, &m));
    assert_ok(stream_map(m, offset, &device, &length));
    stream_close(m);
    return device;
}

static void a_sound_volume(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    reopen(&c, 0);
    assert_ok(run_new(&c));
    assert_int_equal(c.count, 0);
    assert_int_equal(c.position.totals.bytes, c.position.totals.total_bytes);
    assert_true(c.position.totals.pages >= c.place_count[0]);
    // Whole clusters: four long files and the short ones.
    assert_int_equal(c.position.totals.data_bytes, 4 * 25 * 4096 + 196 * 4096);
    assert_ok(run(&c)); // it is at the end already
    volume_free(&c.v);
}

static void every_damaged_page_is_repaired(void **state)
{
    static struct scrub c;
    (void)state;
    for (u32 copy = 0; copy < 2; copy++) {
        make(&c, 2);
        for (u32 i = 0; i < c.place_count[copy]; i++)
            blk_sim_flip(c.v.blk, 0, c.places[copy][i] + 100 + i, 4);
        reopen(&c, STORE_SCRUB);
        assert_ok(run_new(&c));
        assert_int_equal(c.count, c.place_count[copy]);
        assert_int_equal(c.position.totals.repaired, c.place_count[copy]);
        assert_int_equal(c.events[0], c.place_count[copy]);
        for (u32 i = 0; i < c.count && i < FINDINGS; i++)
            assert_true(c.found[i].kind == CHECK_PAGE && c.found[i].repaired);
        volume_check(&c.v);
        assert_ok(run_new(&c));
        assert_int_equal(c.count, 0);
        volume_free(&c.v);
    }
}

static void damage_under_an_open_store_is_repaired(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    reopen(&c, 0);
    assert_ok(run_new(&c)); // everything is in the cache now
    for (u32 i = 0; i < c.place_count[0]; i++) {
        blk_sim_flip(c.v.blk, 0, c.places[0][i] + 100, 1);
        blk_sim_flip(c.v.blk, 0, c.places[1][i] + 200, 1);
    }
    assert_ok(run_new(&c)); // the cache is the good copy
    assert_int_equal(c.position.totals.repaired, 2 * c.place_count[0]);
    volume_check(&c.v);
    volume_free(&c.v);
}

static void superblocks_are_repaired(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    reopen(&c, STORE_SCRUB);
    struct raw_super super;
    assert_ok(blk_pread(c.v.blk, &super, sizeof super, 0, NULL));
    u64 gap = from_le64(super.mirror_gap);
    u64 places[] = {0, SUPER_SPACING, gap, gap + SUPER_SPACING};
    for (u32 i = 0; i < ARRAY_LEN(places); i++) {
        blk_sim_flip(c.v.blk, 0, places[i] + 300, 2);
        assert_ok(run_new(&c));
        assert_int_equal(c.count, 1);
        assert_int_equal(c.found[0].kind, CHECK_SUPER);
        assert_int_equal(c.found[0].offset, places[i]);
        assert_true(c.found[0].repaired);
        assert_ok(run_new(&c));
        assert_int_equal(c.count, 0);
    }
    // Opening writes the newest one again; the scrub still tells.
    assert_ok(blk_pread(c.v.blk, &super, sizeof super, 0, NULL));
    struct store_identity identity;
    assert_ok(store_identify(c.v.blk, &identity));
    blk_sim_flip(c.v.blk, 0, identity.generation % 2 * SUPER_SPACING + 300, 2);
    reopen(&c, STORE_SCRUB);
    assert_ok(run_new(&c));
    assert_int_equal(c.position.totals.repaired, 1);
    volume_free(&c.v);
}

// What a callback does may need a commit: nothing that holds one up is held while findings are told.
static void commit_on_finding(void *context, const struct check_finding *f)
{
    struct scrub *c = context;
    c->count++;
    (void)f;
    assert_ok(volume_write_file(&c->v, c->count == 1 ? "first" : "second", 10));
    assert_ok(store_commit(c->v.store));
}

static void a_finding_may_be_kept_on_the_volume(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    reopen(&c, STORE_SCRUB);
    struct raw_super super;
    assert_ok(blk_pread(c.v.blk, &super, sizeof super, 0, NULL));
    blk_sim_flip(c.v.blk, 0, 300, 2);
    blk_sim_flip(c.v.blk, 0, from_le64(super.mirror_gap) + SUPER_SPACING + 300, 2);
    struct scrub_options options = {.finding = commit_on_finding, .context = &c};
    memset(&c.position, 0, sizeof c.position);
    c.count = 0;
    assert_ok(store_scrub(c.v.store, &c.position, &options));
    assert_int_equal(c.count, 2);
    volume_free(&c.v);
}

static void rotten_data_is_named(void **state)
{
    static struct scrub c;
    struct dirent entry;
    struct stream *m;
    struct txn *t;
    size_t done;
    u8 data[5000] = {1};
    char name[200];
    (void)state;
    make(&c, 2);
    snprintf(name, sizeof name, "%03u-%0150u", 50u, 50u);
    assert_ok(dirent_find(c.v.store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry));
    assert_ok(txn_begin(c.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, stream_create(t, entry.id, (struct str){"more", 4}, CHECKSUM_TYPE_CRC32)));
    assert_ok(stream_open(c.v.store, entry.id, (struct str){"more", 4}, &m));
    assert_ok(stream_write(m, 0, data, sizeof data, &done));
    u64 device, length;
    assert_ok(stream_map(m, 4096, &device, &length));
    stream_close(m);
    blk_sim_flip(c.v.blk, 0, device, 1);
    blk_sim_flip(c.v.blk, 0, file_place(&c, name, 8192) + 7, 1);
    blk_sim_flip(c.v.blk, 0, file_place(&c, name, 12288), 1);
    blk_sim_flip(c.v.blk, 0, file_place(&c, name, 40960), 1);
    reopen(&c, 0);
    assert_status(run_new(&c), STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.position.totals.lost, 3);
    assert_int_equal(c.events[3], 3);
    assert_int_equal(c.found[0].offset, 8192);
    assert_int_equal(c.found[0].length, 8192);
    assert_int_equal(c.found[1].offset, 40960);
    assert_int_equal(c.found[1].length, 4096);
    assert_int_equal(c.found[2].offset, 4096);
    assert_string_equal(c.path[0] + 1, name);
    assert_string_equal(c.path[2] + strlen(name) + 1, ":more");
    volume_free(&c.v);
}

static void without_a_second_copy(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 1);
    u32 last = c.place_count[0] - 1;
    blk_sim_flip(c.v.blk, 0, c.places[0][last] + 100, 1); // the last leaf
    assert_ok(store_close(c.v.store));
    c.v.store = NULL;
    reopen(&c, 0);
    assert_status(run_new(&c), STATUS_DISK_CORRUPT_ERROR);
    assert_true(c.count >= 1);
    assert_int_equal(c.found[0].kind, CHECK_PAGE);
    assert_int_equal(c.found[0].offset, c.places[0][last]);
    assert_false(c.found[0].repaired || c.found[0].repairable);
    assert_true(c.events[1] >= 1);
    assert_true(c.position.totals.pages >= c.place_count[0]);
    assert_true(c.position.totals.data_bytes > 0);
    volume_free(&c.v);
}

static void a_read_only_volume_is_only_read(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    blk_sim_flip(c.v.blk, 0, c.places[0][1] + 100, 1);
    assert_ok(store_close(c.v.store));
    c.v.store = NULL;
    reopen(&c, STORE_READONLY | STORE_SCRUB);
    assert_status(run_new(&c), STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(c.count, 1);
    assert_true(c.found[0].repairable && !c.found[0].repaired);
    volume_free(&c.v);
}

static void stopping_and_going_on_changes_nothing(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    for (u32 i = 0; i < c.place_count[0]; i += 3)
        blk_sim_flip(c.v.blk, 0, c.places[0][i] + 100, 1);
    char name[200];
    snprintf(name, sizeof name, "%03u-%0150u", 100u, 100u);
    reopen(&c, STORE_SCRUB);
    blk_sim_flip(c.v.blk, 0, file_place(&c, name, 90000), 1);
    memset(&c.position, 0, sizeof c.position);
    nt_status status;
    u32 findings = 0, parts = 0;
    for (c.stop_after = 3; (status = run(&c)) == STATUS_CANCELLED; parts++) {
        findings += c.count;
        assert_true(parts < 1000);
        if (parts % 10 == 0)
            reopen(&c, STORE_SCRUB);
    }
    findings += c.count;
    c.stop_after = 0;
    assert_status(status, STATUS_DISK_CORRUPT_ERROR);
    assert_true(parts > 10);
    assert_int_equal(c.position.totals.lost, 1);
    assert_int_equal(c.position.totals.repaired, (c.place_count[0] + 2) / 3);
    assert_int_equal(findings, 1 + (c.place_count[0] + 2) / 3);
    assert_int_equal(c.position.totals.data_bytes, 4 * 25 * 4096 + 196 * 4096);
    volume_free(&c.v);
}

static void positions_of_others_and_nonsense(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    reopen(&c, 0);
    assert_ok(run_new(&c));
    struct scrub_position good = c.position;
    c.position.uuid[3] ^= 1;
    assert_status(run(&c), STATUS_INVALID_PARAMETER);
    c.position = good;
    c.position.phase = 77;
    assert_status(run(&c), STATUS_INVALID_PARAMETER);
    c.position = good;
    c.position.key_length = 100000;
    assert_status(run(&c), STATUS_INVALID_PARAMETER);
    // Anything else must come to an end.
    for (u32 phase = 0; phase < 5; phase++) {
        c.position = good;
        c.position.phase = phase;
        c.position.number = UINT64_MAX;
        c.position.key_length = phase * 17;
        memset(c.position.key, 0xff, sizeof c.position.key);
        nt_status status = run(&c);
        assert_true(status == STATUS_SUCCESS || status == STATUS_INVALID_PARAMETER);
    }
    volume_free(&c.v);
}

struct beside {
    struct scrub *c;
    _Atomic bool done;
};

static void *writer(void *context)
{
    struct beside *b = context;
    u8 data[20000];
    size_t done;
    for (u32 round = 0; round < 150; round++) {
        char name[32];
        snprintf(name, sizeof name, "beside %u", round % 7);
        memset(data, (int)round, sizeof data);
        struct dirent entry;
        if (dirent_find(b->c->v.store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry) ==
            STATUS_SUCCESS)
            volume_delete(&b->c->v, OBJECT_ROOT, name);
        u64 id = volume_create(&b->c->v, OBJECT_ROOT, name, false);
        struct stream *m;
        assert_ok(stream_open(b->c->v.store, id, (struct str){NULL, 0}, &m));
        assert_ok(stream_write(m, 0, data, sizeof data, &done));
        assert_ok(stream_write(m, 3000, data, 9000, &done));
        stream_close(m);
        if (round % 4 == 3)
            assert_ok(store_commit(b->c->v.store));
    }
    b->done = true;
    return NULL;
}

static void beside_a_writer(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    reopen(&c, 0);
    struct beside b = {.c = &c};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, writer, &b), 0);
    while (!b.done) {
        assert_ok(run_new(&c));
        assert_int_equal(c.count, 0);
    }
    pthread_join(thread, NULL);
    volume_check(&c.v);
    volume_free(&c.v);
}

static void a_failing_device_ends_it(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    reopen(&c, 0);
    // A medium that is away is no damage: the scrub stops, and goes on from there.
    blk_sim_fail(c.v.blk, SIM_READ, 20, (struct sense){SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK});
    assert_status(run_new(&c), STATUS_NO_MEDIA_IN_DEVICE);
    assert_ok(run(&c));
    assert_int_equal(c.position.totals.data_bytes, 4 * 25 * 4096 + 196 * 4096);
    // A sector that cannot be read once is tried again.
    blk_sim_fail(c.v.blk, SIM_READ, 100, (struct sense){SENSE_MEDIUM, 0x11, 0, BLK_TRANSPORT_OK});
    assert_ok(run_new(&c));
    assert_int_equal(c.position.totals.lost, 0);
    volume_free(&c.v);
}

static void a_medium_that_is_away_is_no_damage(void **state)
{
    static struct scrub c;
    (void)state;
    make(&c, 2);
    reopen(&c, 0);
    for (int n = 1; n <= 8; n++) { // the superblocks, and a few pages
        blk_sim_fail(c.v.blk, SIM_READ, n, (struct sense){SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK});
        assert_status(run_new(&c), STATUS_NO_MEDIA_IN_DEVICE);
        assert_ok(run(&c));
        assert_int_equal(c.position.totals.lost + c.position.totals.repaired, 0);
    }
    volume_free(&c.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_volume),
        cmocka_unit_test(every_damaged_page_is_repaired),
        cmocka_unit_test(damage_under_an_open_store_is_repaired),
        cmocka_unit_test(superblocks_are_repaired),
        cmocka_unit_test(a_finding_may_be_kept_on_the_volume),
        cmocka_unit_test(rotten_data_is_named),
        cmocka_unit_test(without_a_second_copy),
        cmocka_unit_test(a_read_only_volume_is_only_read),
        cmocka_unit_test(stopping_and_going_on_changes_nothing),
        cmocka_unit_test(positions_of_others_and_nonsense),
        cmocka_unit_test(beside_a_writer),
        cmocka_unit_test(a_failing_device_ends_it),
        cmocka_unit_test(a_medium_that_is_away_is_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
