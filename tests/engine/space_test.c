// SPDX-License-Identifier: Apache-2.0
// Free space: where the map's own pages lie on volumes of every size, and that no unit is given out twice,
// before its time, or never again. What the tests take belongs to no file, so all of it is given back before
// a check.
#include "tests/test.h"

#include "block/blk_sim.h"
#include "engine/store.h"
#include "engine/super.h"
#include "tests/engine/volume.h"

// --- geometry
// -----------------------------------------------------------------------------------------------------------

static bool is_fixed(const struct store *s, u64 unit)
{
    u64 in = unit % SPACE_LEAF_UNITS, fixed = space_fixed_units(s, unit / SPACE_LEAF_UNITS);
    u64 mirror = s->mirror_gap / s->unit;
    return in < fixed || (s->copies == 2 && in >= mirror && in < mirror + fixed);
}

static void assert_page_is_fixed(const struct store *s, u32 level, u64 index)
{
    for (u8 slot = 0; slot < 2; slot++) {
        struct space_ptr p = {.birth = 1, .slot = slot};
        struct ptr ptr = space_page_ptr(s, level, index, &p);
        for (u8 copy = 0; copy < s->copies; copy++) {
            u64 unit = ptr.addr[copy] / s->unit;
            assert_true(ptr.addr[copy] % PAGE_SIZE == 0);
            assert_true(ptr.addr[copy] >= SUPER_AREA);
            assert_true(ptr.addr[copy] + PAGE_SIZE <= s->units * s->unit);
            for (u64 u = unit; u < unit + PAGE_SIZE / s->unit; u++)
                assert_true(is_fixed(s, u));
        }
    }
}

static void check_geometry(const struct store *s)
{
    u64 total = 0;
    for (u64 region = 0; region < s->space.regions; region++)
        total += space_region_units(s, region);
    assert_true(total == s->units);
    assert_true(s->space.level < SPACE_LEVELS_MAX);
    u64 count = s->space.regions, span = 1;
    for (u32 level = 0; level <= s->space.level; level++) {
        u64 some[] = {0, 1, count / 2, count - 2, count - 1};
        for (size_t i = 0; i < ARRAY_LEN(some); i++)
            if (some[i] < count)
                assert_page_is_fixed(s, level, some[i]);
        span *= SPACE_FANOUT;
        count = (s->space.regions + span - 1) / span;
    }
    assert_int_equal(count, 1);
    // Pages of several levels lie side by side at the start of the first region, not on one another.
    u64 places[2 * SPACE_LEVELS_MAX];
    u32 n = 0;
    for (u32 level = 0; level <= s->space.level; level++)
        for (u8 slot = 0; slot < 2; slot++) {
            struct space_ptr p = {.slot = slot};
            places[n++] = space_page_ptr(s, level, 0, &p).addr[0];
            for (u32 i = 0; i + 1 < n; i++)
                assert_true(places[i] != places[n - 1]);
        }
    assert_true(space_fresh(s, s->space.level, 0).free <= s->units);
}

static const u64 sizes[] = {
    4 * MIB,         5 * MIB + 12345,
    16 * MIB,        64 * MIB,
    479 * MIB,       480 * MIB,
    481 * MIB,       545 * MIB,
    1024 * MIB,      1920 * MIB,
    1921 * MIB,      2000 * MIB,
    1ull << 33,      (1ull << 36) + 7777777,
    187500ull * MIB, 187501ull * MIB,
    768000ull * MIB, 1ull << 40,
    1ull << 43,      1ull << 46,
};

// The store's side only: what geometry is made from.
static void sizes_from_4_mib_to_64_tib(void **state)
{
    (void)state;
    static struct store s;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (u32 cluster = 4096; cluster <= 65536; cluster *= 16) {
            for (u8 copies = 1; copies <= 2; copies++) {
                u64 gap = super_mirror_gap(sizes[i]);
                s.cluster = cluster;
                s.unit = MIN(cluster, (u32)PAGE_SIZE);
                s.copies = copies;
                s.mirror_gap = copies == 2 ? gap : 0;
                s.units = space_round_units(sizes[i] / s.unit, s.unit, gap);
                assert_true(s.units * s.unit <= sizes[i]);
                assert_true(s.units * s.unit + 128 * MIB > sizes[i]);
                assert_int_equal(space_round_units(s.units, s.unit, s.mirror_gap), s.units);
                space_geometry(&s);
                check_geometry(&s);
            }
        }
    }
}

static void volumes_up_to_1_tib(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes) && sizes[i] <= 1ull << 40; i++) {
        struct volume v;
        u32 cluster = i % 2 == 0 || sizes[i] < STORE_SIZE_MIN(65536) ? 4096 : 65536;
        volume_make(&v, sizes[i], cluster, i % 3 ? 2 : 1, OPTION_CASE_SENSITIVE);
        check_geometry(v.store);
        assert_ok(volume_write_file(&v, "a file", 100000));
        volume_reopen(&v);
        if (sizes[i] <= 1ull << 33)
            volume_check(&v);
        volume_free(&v);
    }
}

// --- taking and giving back
// -----------------------------------------------------------------------------------------------------------

enum { PIECES = 70000 };

struct piece {
    u64 unit, units;
    u64 addr[2]; // of a page; else 0
};

static struct piece pieces[PIECES];
static u32 piece_count;
enum { UNIT_FREE, UNIT_OURS, UNIT_USED, UNIT_HELD };
static u8 *taken; // one of these a unit
static u32 rng;

static void note(struct store *s, u64 unit, u64 units)
{
    assert_true(unit + units <= s->units);
    for (u64 u = unit; u < unit + units; u++) {
        assert_false(is_fixed(s, u));
        assert_int_equal(taken[u], 0);
        taken[u] = UNIT_OURS;
    }
}

// What is in use at the start, as seen in the map, is not to be given out.
static void begin(struct store *s)
{
    static u64 bits[SPACE_LEAF_UNITS / 64];
    taken = calloc(1, s->units);
    piece_count = 0;
    for (u64 region = 0; region < s->space.regions; region++) {
        assert_ok(space_bitmap(s, region, bits));
        for (u64 i = 0; i < space_region_units(s, region); i++)
            taken[region * SPACE_LEAF_UNITS + i] = bits[i / 64] >> (i % 64) & 1 ? UNIT_USED : UNIT_FREE;
    }
}

static nt_status take_data(struct store *s, u32 want)
{
    struct piece *p = &pieces[piece_count];
    u32 clusters;
    nt_status status = space_alloc_data(s, 0, want, &p->unit, &clusters);
    if (status != STATUS_SUCCESS)
        return status;
    assert_in_range(clusters, 1, want);
    p->units = clusters * s->cluster_units;
    assert_int_equal(p->unit % s->cluster_units, 0);
    p->addr[0] = p->addr[1] = 0;
    note(s, p->unit, p->units);
    assert_true(++piece_count < PIECES);
    return STATUS_SUCCESS;
}

static nt_status take_page(struct store *s)
{
    struct piece *p = &pieces[piece_count];
    nt_status status = space_alloc_page(s, p->addr);
    if (status != STATUS_SUCCESS)
        return status;
    for (u8 copy = 0; copy < s->copies; copy++) {
        assert_true(p->addr[copy] % PAGE_SIZE == 0);
        note(s, p->addr[copy] / s->unit, PAGE_SIZE / s->unit);
    }
    assert_true(++piece_count < PIECES);
    return STATUS_SUCCESS;
}

static void give(struct store *s, u32 i, bool born_now)
{
    struct piece p = pieces[i];
    u8 now = born_now ? UNIT_FREE : UNIT_HELD;
    if (p.addr[0]) {
        space_free_page(s, p.addr, born_now);
        for (u8 copy = 0; copy < s->copies; copy++)
            memset(taken + p.addr[copy] / s->unit, now, PAGE_SIZE / s->unit);
    } else {
        assert_ok(space_prefetch(s, p.unit, p.units));
        space_free(s, p.unit, p.units, born_now);
        memset(taken + p.unit, now, p.units);
    }
    pieces[i] = pieces[--piece_count];
}

static void give_all(struct store *s, bool born_now)
{
    while (piece_count > 0)
        give(s, piece_count - 1, born_now);
}

// Nothing is held after a commit.
static void commit(struct store *s)
{
    assert_ok(store_commit(s));
    for (u64 u = 0; u < s->units; u++)
        taken[u] = taken[u] == UNIT_HELD ? UNIT_FREE : taken[u];
}

static void end(struct volume *v)
{
    give_all(v->store, true);
    free(taken);
    volume_reopen(v);
    volume_check(v);
    volume_free(v);
}

// The counters that the allocator goes by, against the bitmaps.
static void assert_recount(struct store *s)
{
    static u64 bits[SPACE_LEAF_UNITS / 64];
    u64 free = 0, groups = 0;
    for (u64 region = 0; region < s->space.regions; region++) {
        assert_ok(space_bitmap(s, region, bits));
        for (u32 i = 0; i < SPACE_LEAF_UNITS; i += 4) {
            u64 four = bits[i / 64] >> (i % 64) & 15;
            free += 4 - (u64)__builtin_popcountll(four);
            groups += four == 0;
        }
    }
    assert_int_equal(s->space.root.free, free);
    assert_int_equal(s->space.root.groups, groups);
    assert_int_equal(s->space.avail, free);
    assert_int_equal(s->space.avail_groups, groups);
}

struct setting {
    u64 size;
    u32 cluster;
    u8 copies;
};
static const struct setting settings[] = {
    {16 * MIB, 4096, 1},  {16 * MIB, 4096, 2},  {32 * MIB, 65536, 1},
    {32 * MIB, 65536, 2}, {600 * MIB, 4096, 2}, {2100 * MIB, 65536, 2},
};

static void every_unit_is_given_out_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct volume v;
        volume_make(&v, settings[i].size, settings[i].cluster, settings[i].copies, OPTION_CASE_SENSITIVE);
        struct store *s = v.store;
        u64 avail = s->space.avail, groups = s->space.avail_groups;
        begin(s);
        while (take_data(s, 1000) == STATUS_SUCCESS)
            ;
        assert_status(take_data(s, 1), STATUS_DISK_FULL);
        // Two groups stay for the pages; at 64 KiB clusters odd pages are left, which are no use for data.
        assert_true(s->space.avail <= 8 && s->space.avail_groups <= (s->cluster_units == 1 ? 2 : 0));
        assert_true(space_avail_clusters(s, 0) <= 8);
        give_all(s, true);
        assert_int_equal(s->space.avail, avail);
        assert_int_equal(s->space.avail_groups, groups);
        while (take_page(s) == STATUS_SUCCESS)
            ;
        assert_true(s->space.avail < (u64)s->copies * PAGE_SIZE / s->unit + 8);
        give_all(s, true);
        assert_int_equal(s->space.avail, avail);
        end(&v);
    }
}

static void the_reserve_is_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct volume v;
        u64 unit;
        u32 clusters;
        volume_make(&v, settings[i].size, settings[i].cluster, settings[i].copies, OPTION_CASE_SENSITIVE);
        struct store *s = v.store;
        begin(s);
        for (;;) {
            struct piece *p = &pieces[piece_count];
            if (space_alloc_data(s, 100, 300, &unit, &clusters) != STATUS_SUCCESS)
                break;
            *p = (struct piece){.unit = unit, .units = (u64)clusters * s->cluster_units};
            note(s, p->unit, p->units);
            assert_true(++piece_count < PIECES);
            assert_true(space_avail_pages(s) >= 100);
        }
        for (u32 n = 0; n < 100u / s->copies; n++)
            assert_ok(take_page(s));
        end(&v);
    }
}

static void freed_units_wait_for_the_commit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct volume v;
        volume_make(&v, settings[i].size, settings[i].cluster, settings[i].copies, OPTION_CASE_SENSITIVE);
        struct store *s = v.store;
        begin(s);
        while (take_data(s, 5000) == STATUS_SUCCESS)
            ;
        assert_ok(store_commit(s));
        // Taken in an earlier generation: held.
        u64 avail = s->space.avail, units = pieces[0].units, all = s->space.root.free;
        give(s, 0, false);
        assert_int_equal(s->space.avail, avail);
        assert_int_equal(s->space.root.free, all + units); // as the superblock will say
        assert_status(take_data(s, 1), STATUS_DISK_FULL);
        commit(s);
        assert_int_equal(s->space.avail, avail + units);
        assert_ok(take_data(s, 1));
        // Taken in this one: free at once.
        give(s, piece_count - 1, true);
        assert_int_equal(s->space.avail, avail + units);
        assert_ok(take_data(s, 1));
        assert_recount(s);
        end(&v);
    }
}

// A commit that is cut short keeps what was freed before and after it.
static void units_stay_held_while_a_commit_fails(void **state)
{
    (void)state;
    struct volume v;
    u64 avail;
    volume_make(&v, 16 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    struct store *s = v.store;
    begin(s);
    while (take_data(s, 64) == STATUS_SUCCESS)
        ;
    assert_ok(store_commit(s));
    avail = s->space.avail;
    u64 units = pieces[0].units + pieces[1].units;
    struct piece last = pieces[1];
    give(s, 0, false);
    blk_sim_fail(v.blk, SIM_WRITE, 1, (struct sense){SENSE_NOT_READY, 0x3a, 0, 0});
    assert_status(store_commit(s), STATUS_NO_MEDIA_IN_DEVICE);
    assert_int_equal(s->space.avail, avail);
    for (u32 i = 0; i < piece_count; i++)
        if (pieces[i].unit == last.unit) {
            give(s, i, false);
            break;
        }
    assert_status(take_data(s, 1), STATUS_DISK_FULL);
    assert_ok(store_commit(s));
    commit(s);
    assert_int_equal(s->space.avail, avail + units);
    assert_recount(s);
    end(&v);
}

static void random_taking_and_giving(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct volume v;
        rng = (u32)i + 1;
        volume_make(&v, settings[i].size, settings[i].cluster, settings[i].copies, OPTION_CASE_SENSITIVE);
        u64 avail = v.store->space.avail;
        begin(v.store);
        for (u32 step = 0; step < 12000; step++) {
            struct store *s = v.store;
            u32 what = volume_random(&rng, 100);
            nt_status status = STATUS_SUCCESS;
            if (what < 40)
                status = take_data(s, 1 + volume_random(&rng, volume_random(&rng, 10) ? 20 : 3000));
            else if (what < 55)
                status = take_page(s);
            else if (what < 98 && piece_count > 0)
                give(s, volume_random(&rng, piece_count), false);
            if (status != STATUS_SUCCESS)
                assert_status(status, STATUS_DISK_FULL);
            if (what >= 98 || status != STATUS_SUCCESS) {
                commit(s);
                if (step % 4 == 0)
                    assert_recount(s);
            }
            if (step % 1000 == 999) {
                commit(s);
                volume_reopen(&v);
                assert_recount(v.store);
            }
        }
        while (piece_count > 0)
            give(v.store, piece_count - 1, false);
        volume_reopen(&v);
        assert_recount(v.store);
        // The map's own pages never move, so everything that was there is there again.
        assert_int_equal(v.store->space.avail, avail);
        end(&v);
    }
}

// A commit writes the map beside the last one, never over it.
static void pages_of_the_map_change_places(void **state)
{
    (void)state;
    static u8 before[PAGE_SIZE], after[PAGE_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct volume v;
        volume_make(&v, settings[i].size, settings[i].cluster, settings[i].copies, OPTION_CASE_SENSITIVE);
        struct store *s = v.store;
        begin(s);
        for (int n = 0; n < 3; n++) {
            u32 level = s->space.level;
            struct space_ptr root = s->space.root;
            struct ptr ptr = space_page_ptr(s, level, 0, &root);
            assert_ok(take_data(s, 1));
            assert_int_equal(s->space.root.slot, !root.slot);
            assert_ok(blk_pread(v.blk, before, PAGE_SIZE, ptr.addr[s->copies - 1], NULL));
            assert_true(sum_crc64(before, PAGE_SIZE) == ptr.sum);
            assert_ok(take_data(s, 1)); // moved once only
            assert_int_equal(s->space.root.slot, !root.slot);
            commit(s);
            assert_ok(blk_pread(v.blk, after, PAGE_SIZE, ptr.addr[s->copies - 1], NULL));
            assert_memory_equal(before, after, PAGE_SIZE);
        }
        end(&v);
    }
}

// Every second cluster in use: no piece is longer than one, and no page fits.
static void a_volume_in_splinters(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 16 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    struct store *s = v.store;
    begin(s);
    while (take_data(s, 1) == STATUS_SUCCESS || take_page(s) == STATUS_SUCCESS)
        ;
    for (u32 i = 0; i < piece_count;)
        if (pieces[i].addr[0] == 0 && pieces[i].unit % 2)
            give(s, i, true);
        else
            i++;
    assert_int_equal(s->space.avail_groups, 0);
    assert_true(s->space.avail > 1000);
    assert_status(take_page(s), STATUS_DISK_FULL);
    u64 avail = s->space.avail;
    for (u64 n = 0; n < avail; n++)
        assert_ok(take_data(s, 100));
    assert_status(take_data(s, 100), STATUS_DISK_FULL);
    end(&v);
}

static void space_outside_the_volume_is_refused(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 16 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    struct store *s = v.store;
    assert_status(space_prefetch(s, s->units, 1), STATUS_DISK_CORRUPT_ERROR);
    assert_status(space_prefetch(s, s->units - 1, 2), STATUS_DISK_CORRUPT_ERROR);
    assert_status(space_prefetch(s, 1000, 0), STATUS_DISK_CORRUPT_ERROR);
    assert_status(space_prefetch(s, 1, UINT64_MAX), STATUS_DISK_CORRUPT_ERROR);
    assert_status(space_prefetch(s, UINT64_MAX, 1), STATUS_DISK_CORRUPT_ERROR);
    assert_ok(space_prefetch(s, s->units - 1, 1));
    volume_free(&v);
}

static void a_page_of_the_map_is_checked(void **state)
{
    (void)state;
    static u8 data[PAGE_SIZE];
    struct raw_page *head = (struct raw_page *)data;
    struct raw_space_ptr *child = (struct raw_space_ptr *)(data + sizeof *head);
    head->birth = to_le64(10);
    head->count = to_le16(SPACE_FANOUT);
    child[SPACE_FANOUT - 1].birth = to_le64(10);
    assert_true(space_check(data, 1));
    head->count = to_le16(SPACE_FANOUT + 1);
    assert_false(space_check(data, 1));
    head->count = to_le16(UINT16_MAX);
    assert_false(space_check(data, 1));
    assert_true(space_check(data, 0)); // a bitmap has no count
    head->count = to_le16(SPACE_FANOUT);
    child[SPACE_FANOUT - 1].birth = to_le64(11);
    assert_false(space_check(data, 1));
}

// A map that gives fixed places away would let the store write over its own map and superblocks.
static void a_bitmap_keeps_the_fixed_places(void **state)
{
    (void)state;
    static u8 data[PAGE_SIZE];
    struct store s = {.copies = 2, .unit = 4096, .units = 4096, .mirror_gap = 1024 * 4096ull};
    s.space.regions = 1;
    u64 fixed = space_fixed_units(&s, 0);
    u8 *bits = data + sizeof(struct raw_page);
    memset(bits, 0xff, PAGE_SIZE - sizeof(struct raw_page));
    assert_true(space_check_fixed(&s, SUPER_AREA, data));
    const u64 never[] = {0, fixed - 1, 1024, 1024 + fixed - 1, 4096, SPACE_LEAF_UNITS - 1};
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        bits[never[i] / 8] ^= (u8)(1 << never[i] % 8);
        assert_false(space_check_fixed(&s, SUPER_AREA, data));
        bits[never[i] / 8] ^= (u8)(1 << never[i] % 8);
    }
    const u64 allowed[] = {fixed, 1023, 1024 + fixed, 4095};
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        bits[allowed[i] / 8] ^= (u8)(1 << allowed[i] % 8);
    assert_true(space_check_fixed(&s, SUPER_AREA, data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_from_4_mib_to_64_tib),
        cmocka_unit_test(volumes_up_to_1_tib),
        cmocka_unit_test(every_unit_is_given_out_once),
        cmocka_unit_test(the_reserve_is_left_alone),
        cmocka_unit_test(freed_units_wait_for_the_commit),
        cmocka_unit_test(units_stay_held_while_a_commit_fails),
        cmocka_unit_test(random_taking_and_giving),
        cmocka_unit_test(pages_of_the_map_change_places),
        cmocka_unit_test(a_volume_in_splinters),
        cmocka_unit_test(space_outside_the_volume_is_refused),
        cmocka_unit_test(a_page_of_the_map_is_checked),
        cmocka_unit_test(a_bitmap_keeps_the_fixed_places),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
