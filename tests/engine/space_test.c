// SPDX-License-Identifier: Apache-2.0
// Free space: no unit is given out twice, before its time, or never again; damage takes what it holds. What
// the tests take belongs to no file, so all of it is given back before a check.
#include "tests/test.h"

#include "block/blk_sim.h"
#include "engine/store.h"
#include "engine/super.h"
#include "engine/tree.h"
#include "engine/txn.h"
#include "tests/engine/fixed.h"
#include "tests/engine/volume.h"

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
        assert_ok(space_ready(s, p.unit, p.units));
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
    const u64 never[][2] = {
        {s->units, 1}, {s->units - 1, 2},           {1000, 0}, {1, UINT64_MAX}, {UINT64_MAX, 1},
        {0, 1},        {s->mirror_gap / s->unit, 1}};
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        assert_false(space_can_free(s, never[i][0], never[i][1]));
        assert_status(space_take(s, never[i][0], never[i][1]), STATUS_DISK_CORRUPT_ERROR);
    }
    assert_true(space_can_free(s, s->units - 1, 1));
    volume_free(&v);
}

// --- how far apart the copies of a page lie ------------------------------------------------------

static u64 distance(const u64 addr[2])
{
    return addr[0] < addr[1] ? addr[1] - addr[0] : addr[0] - addr[1];
}

// The farthest that two pages could lie apart now.
static u64 farthest(const struct store *s)
{
    u64 step = PAGE_SIZE / s->unit, first = 0, last = s->units - step;
    static const u8 page[GROUP_UNITS] = {0};
    while (first < last && memcmp(taken + first, page, step) != 0)
        first += step;
    while (last > first && memcmp(taken + last, page, step) != 0)
        last -= step;
    return (last - first) * s->unit;
}

// Whole pages are taken until there are no more; each that lies too close had no better places.
static u32 take_pages_apart(struct store *s, u32 most)
{
    u64 wanted = MIN(s->units * s->unit / 4, 1024 * MIB);
    u32 n = 0, close = 0;
    for (; n < most && take_page(s) == STATUS_SUCCESS; n++) {
        struct piece *p = &pieces[piece_count - 1];
        if (distance(p->addr) >= wanted)
            continue;
        for (u8 copy = 0; copy < 2; copy++)
            memset(taken + p->addr[copy] / s->unit, UNIT_FREE, PAGE_SIZE / s->unit);
        assert_true(farthest(s) < wanted);
        assert_true(distance(p->addr) == farthest(s)); // then as far as room allows
        for (u8 copy = 0; copy < 2; copy++)
            memset(taken + p->addr[copy] / s->unit, UNIT_OURS, PAGE_SIZE / s->unit);
        close++;
    }
    assert_true(n > 0);
    return close;
}

static const struct setting wide[] = {
    {6144 * MIB, 4096, 2}, {12288 * MIB, 65536, 2}, {600 * MIB, 4096, 2},
    {64 * MIB, 65536, 2},  {16 * MIB, 4096, 2},
};

// Fill, delete, fill again, with pages taken all the while; and a reserve as the store leaves it.
static void copies_of_pages_lie_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wide); i++) {
        struct volume v;
        rng = (u32)i + 1;
        volume_make(&v, wide[i].size, wide[i].cluster, 2, OPTION_CASE_SENSITIVE);
        struct store *s = v.store;
        u32 piece = (u32)(wide[i].size / wide[i].cluster / 400);
        begin(s);
        for (int round = 0; round < 3; round++) {
            u64 unit;
            u32 clusters;
            for (u32 n = 0; space_alloc_data(s, store_reserve(s), piece, &unit, &clusters) == STATUS_SUCCESS;
                 n++) {
                struct piece *p = &pieces[piece_count++];
                *p = (struct piece){.unit = unit, .units = (u64)clusters * s->cluster_units};
                note(s, p->unit, p->units);
                if (n % 4 == 0)
                    assert_int_equal(take_pages_apart(s, 1), 0);
            }
            // Full of data. What is left is for pages, and half of it lies at either end.
            assert_int_equal(take_pages_apart(s, (u32)store_reserve(s) / 8), 0);
            for (u32 left = piece_count / 3; piece_count > left;)
                give(s, volume_random(&rng, piece_count), false);
            assert_ok(store_commit(s));
            for (u64 u = 0; u < s->units; u++)
                taken[u] = taken[u] == UNIT_HELD ? UNIT_FREE : taken[u];
            take_pages_apart(s, 100);
        }
        give_all(s, false);
        commit(s);
        take_pages_apart(s, wide[i].size <= 64 * MIB ? UINT32_MAX : 1000); // to the last one
        end(&v);
    }
}

// An image fills from its start, but for the second copies.
static void a_sparse_image_grows_with_what_it_holds(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 6144 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    struct store *s = v.store;
    u64 highest = 0, pages = 0, data = 0, lowest_mirror = UINT64_MAX, highest_mirror = 0;
    begin(s);
    while (data < 1500 * MIB / 4096) {
        assert_ok(take_data(s, 256));
        data += pieces[piece_count - 1].units;
        highest = MAX(highest, pieces[piece_count - 1].unit + pieces[piece_count - 1].units);
        if (piece_count % 8)
            continue;
        assert_ok(take_page(s));
        pages++;
        lowest_mirror = MIN(lowest_mirror, pieces[piece_count - 1].addr[1]);
        highest_mirror = MAX(highest_mirror, pieces[piece_count - 1].addr[1]);
    }
    // An eighth of each region is left over for the time being.
    assert_true(highest < (data + pages * 4) * 8 / 7 + 4096);
    // Second copies lie one behind the other: begun twice, since the first ones came close once.
    assert_true(highest_mirror < s->units * 4096);
    assert_true(lowest_mirror >= 1024 * MIB);
    end(&v);
}

// --- statuses and damage -------------------------------------------------------------------------

struct witness {
    u32 count;
    struct store_event last;
};

static void on_event(void *context, const struct store_event *event)
{
    struct witness *w = context;
    w->count += event->id == 131;
    w->last = *event;
}

static const struct sense changed = {SENSE_ATTENTION, 0x28, 0, 0};

// What the medium says while the map is read reaches whoever asked, and is forgotten with it.
static void a_status_of_the_medium_is_no_full_disk(void **state)
{
    (void)state;
    struct volume v;
    u64 unit, addr[2];
    u32 clusters;
    volume_make(&v, 1024 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    struct store *s = v.store;
    u64 avail = s->space.avail;
    for (int what = 0; what < 4; what++) {
        nt_status status;
        assert_ok(store_commit(s));
        store_purge(s);
        blk_sim_fail(v.blk, SIM_READ, 1 + (u64)what / 3, changed); // the map's root, or the bitmap
        if (what == 0)
            status = space_alloc_page(s, addr);
        else if (what == 1)
            status = space_ready(s, 1000, 1);
        else
            status = space_alloc_data(s, 0, 1, &unit, &clusters);
        assert_status(status, STATUS_VERIFY_REQUIRED);
        assert_int_equal(s->space.avail, avail);
        assert_null(s->space.lost);
        blk_sim_fail(v.blk, SIM_READ, 0, (struct sense){0});
    }
    assert_ok(space_alloc_page(s, addr));
    space_free_page(s, addr, true);
    volume_free(&v);
}

// What a transaction frees when it has succeeded needs nothing of the medium any more.
static void freeing_cannot_fail(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    u64 unit;
    u32 clusters;
    volume_make(&v, 16 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    struct store *s = v.store;
    u64 avail = s->space.avail;
    assert_ok(space_alloc_data(s, 0, 10, &unit, &clusters));
    assert_ok(store_commit(s));
    assert_ok(txn_begin(s, TXN_FREEING, &t));
    assert_ok(txn_free(t, unit, 10, false));
    store_purge(s);
    blk_sim_fail(v.blk, SIM_READ, 1, changed);
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(store_commit(s));
    blk_sim_fail(v.blk, SIM_READ, 0, (struct sense){0});
    assert_int_equal(s->space.avail, avail);
    assert_recount(s);
    volume_check(&v);
    volume_free(&v);
}

static struct ptr map_page(struct volume *v, u32 level)
{
    struct page_trace trace;
    assert_ok(space_trace(v->store, 0, &trace));
    return trace.ptr[level];
}

static void damage(struct volume *v, const struct ptr *ptr)
{
    for (u8 copy = 0; copy < v->store->copies; copy++)
        blk_sim_flip(v->blk, 0, ptr->addr[copy] + 9000, 1);
    store_purge(v->store);
}

// Damage of one page of the map takes away its regions, and nothing else.
static void a_damaged_page_takes_what_it_holds(void **state)
{
    (void)state;
    static const struct {
        u64 size, regions;
        u32 level;
    } cases[] = {{3072 * MIB, 1, 0}, {300 * 1024 * MIB, SPACE_FANOUT, 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct volume v;
        struct witness w = {0};
        struct page_trace trace;
        struct key key;
        u64 addr[2], lost_end = cases[i].regions * SPACE_LEAF_UNITS, unit;
        u32 clusters;
        volume_make(&v, cases[i].size, 4096, 2, OPTION_CASE_SENSITIVE);
        struct store *s = v.store;
        volume_create(&v, OBJECT_ROOT, "before", false);
        assert_ok(space_alloc_data(s, 0, 8, &unit, &clusters));
        assert_ok(store_commit(s));
        u64 avail = s->space.avail;
        struct ptr ptr = map_page(&v, cases[i].level);
        damage(&v, &ptr);
        store_listen(s, on_event, &w);
        for (int n = 0; n < 300; n++) {
            char name[16];
            snprintf(name, sizeof name, "f%d", n);
            volume_create(&v, OBJECT_ROOT, name, false);
            if (n % 50 == 0)
                assert_ok(store_commit(s));
        }
        assert_ok(volume_write_file(&v, "data", 3 * MIB));
        assert_true(w.count > 0);
        assert_non_null(s->space.lost);
        assert_true(s->space.avail < avail - 9 * (lost_end / 10));
        key_begin(&key, OBJECT_ROOT, KIND_DIRENT);
        assert_ok(tree_trace(s, &key, &trace));
        for (u32 level = 0; level <= trace.top; level++)
            for (u8 copy = 0; copy < 2; copy++)
                assert_true(trace.ptr[level].addr[copy] >= lost_end * 4096);
        for (int n = 0; n < 20; n++) {
            assert_ok(space_alloc_page(s, addr));
            assert_true(addr[0] >= lost_end * 4096 && addr[1] >= lost_end * 4096);
            space_free_page(s, addr, true);
        }
        // What is freed there leaks, and is told.
        w.count = 0;
        assert_ok(space_ready(s, unit, 8));
        space_free(s, unit, 8, false);
        assert_int_equal(w.count, 1);
        assert_int_equal(w.last.offset, unit * 4096);
        assert_int_equal(w.last.length, 8 * 4096);
        assert_status(space_take(s, lost_end - 10, 1), STATUS_DISK_CORRUPT_ERROR);
        assert_ok(store_commit(s));
        store_listen(s, NULL, NULL);
        volume_free(&v);
    }
}

static void a_lost_root_is_damage_and_no_full_disk(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    u64 addr[2];
    volume_make(&v, 16 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    struct store *s = v.store;
    assert_ok(store_commit(s));
    struct ptr ptr = map_page(&v, 0);
    damage(&v, &ptr);
    assert_status(space_alloc_page(s, addr), STATUS_DISK_CORRUPT_ERROR);
    assert_status(txn_begin(s, TXN_NORMAL, &t), STATUS_DISK_CORRUPT_ERROR);
    damage(&v, &ptr); // it can be read again: a scrub's look is enough
    assert_ok(space_trace(s, 0, &(struct page_trace){0}));
    assert_null(s->space.lost);
    assert_ok(space_alloc_page(s, addr));
    space_free_page(s, addr, true);
    volume_check(&v);
    volume_free(&v);
}

// One page that answers its readers with a status, if it has one.
struct hidden {
    u64 addr[2];
    nt_status status;
    u32 reads; // that failed
};

static nt_status hide(void *context, enum sim_kind kind, u64 offset, struct sense *sense)
{
    (void)sense;
    struct hidden *h = context;
    if (kind != SIM_READ || (offset != h->addr[0] && offset != h->addr[1]))
        return STATUS_SUCCESS;
    h->reads += h->status != STATUS_SUCCESS;
    return h->status;
}

// A volume whose second region's bitmap, or the map's root, is to be hidden.
// Nothing of it is in memory, but 100 units of the second region are taken,
// from *unit on.
static void make_hidden(struct volume *v, struct hidden *h, bool root, u64 *unit)
{
    struct page_trace trace;
    *h = (struct hidden){.status = STATUS_SUCCESS};
    volume_make(v, 2048 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    blk_sim_watch(v->blk, hide, h);
    struct store *s = v->store;
    *unit = SPACE_LEAF_UNITS + 1000;
    assert_ok(space_take(s, *unit, 100));
    volume_create(v, OBJECT_ROOT, "before", false);
    assert_ok(store_commit(s));
    assert_ok(space_trace(s, 1, &trace));
    memcpy(h->addr, trace.ptr[root ? trace.top : 0].addr, sizeof h->addr);
    store_purge(s);
}

// What cannot be read now is looked at again in the next generation, and at
// once where nothing goes on without it: without room no transaction begins,
// and so no other generation.
static void an_unreadable_page_is_not_lost_for_good(void **state)
{
    (void)state;
    struct volume v;
    struct hidden h;
    struct txn *t;
    u64 unit, addr[2];
    u32 clusters;
    for (int what = 0; what < 4; what++) {
        make_hidden(&v, &h, true, &unit);
        struct store *s = v.store;
        u64 avail = s->space.avail, generation = s->generation;
        h.status = STATUS_DEVICE_DATA_ERROR;
        assert_status(space_alloc_page(s, addr), STATUS_DEVICE_DATA_ERROR);
        assert_status(space_alloc_page(s, addr), STATUS_DEVICE_DATA_ERROR);
        assert_status(txn_begin(s, TXN_NORMAL, &t), STATUS_DEVICE_DATA_ERROR);
        assert_status(txn_begin(s, TXN_FREEING, &t), STATUS_DEVICE_DATA_ERROR);
        assert_int_equal(s->space.avail, 0);
        h.status = STATUS_VERIFY_REQUIRED;
        assert_status(txn_begin(s, TXN_NORMAL, &t), STATUS_VERIFY_REQUIRED);
        h.status = STATUS_SUCCESS;
        if (what == 0) {
            assert_ok(space_alloc_page(s, addr));
            space_free_page(s, addr, true);
        } else if (what == 1) {
            assert_ok(space_alloc_data(s, 0, 1, &unit, &clusters));
            space_free(s, unit, clusters, true);
        } else {
            assert_ok(txn_begin(s, what == 2 ? TXN_NORMAL : TXN_FREEING, &t));
            assert_ok(txn_end(t, STATUS_SUCCESS));
        }
        assert_null(s->space.lost);
        assert_int_equal(s->space.avail, avail);
        assert_int_equal(s->generation, generation);
        assert_recount(s);
        volume_free(&v);
    }
}

// A page that damage took away is not read for each request that finds no room.
static void a_damaged_page_is_not_read_again(void **state)
{
    (void)state;
    struct volume v;
    struct hidden h;
    struct txn *t;
    u64 unit, addr[2];
    make_hidden(&v, &h, true, &unit);
    h.status = STATUS_DISK_CORRUPT_ERROR;
    assert_status(space_alloc_page(v.store, addr), STATUS_DISK_CORRUPT_ERROR);
    u32 reads = h.reads;
    assert_true(reads > 0);
    assert_status(space_alloc_page(v.store, addr), STATUS_DISK_CORRUPT_ERROR);
    assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(h.reads, reads);
    store_abandon(v.store);
    blk_close(v.blk);
}

// What cannot be read for a moment fails who wants to free something there, and
// nothing leaks.
static void nothing_leaks_that_cannot_be_read_now(void **state)
{
    (void)state;
    struct volume v;
    struct hidden h;
    struct txn *t;
    u64 unit;
    make_hidden(&v, &h, false, &unit);
    struct store *s = v.store;
    u64 free = s->space.root.free;
    for (int n = 0; n < 2; n++) {
        assert_ok(txn_begin(s, TXN_FREEING, &t));
        h.status = STATUS_DEVICE_DATA_ERROR;
        nt_status status = txn_free(t, unit, 100, false);
        assert_status(status, STATUS_DEVICE_DATA_ERROR);
        assert_status(txn_end(t, status), status);
        h.status = STATUS_SUCCESS;
    }
    assert_int_equal(s->failed, STATUS_SUCCESS);
    assert_ok(txn_begin(s, TXN_FREEING, &t)); // in the same generation
    assert_ok(txn_free(t, unit, 100, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(store_commit(s));
    assert_int_equal(s->space.root.free, free + 100);
    assert_recount(s);
    volume_check(&v);
    volume_free(&v);
}

// Where nothing could be given back nothing is held, and the end of a commit
// reads nothing.
static void the_end_of_a_commit_reads_nothing(void **state)
{
    (void)state;
    for (int ready = 0; ready < 2; ready++) {
        struct volume v;
        struct hidden h;
        u64 unit;
        make_hidden(&v, &h, false, &unit);
        struct store *s = v.store;
        volume_create(&v, OBJECT_ROOT, "another", false);
        if (ready) {
            assert_ok(space_ready(s, unit, 100)); // and then its transaction failed
            assert_ok(store_commit(s));
            assert_ok(space_ready(s, unit, 100));
        } else {
            u32 regions = s->space.running.regions;
            h.status = STATUS_DEVICE_DATA_ERROR;
            space_free(s, unit, 100, false);
            assert_int_equal(s->space.running.regions, regions);
        }
        u32 reads = h.reads;
        h.status = STATUS_NO_MEDIA_IN_DEVICE;
        assert_ok(store_commit(s));
        assert_int_equal(h.reads, reads);
        h.status = STATUS_SUCCESS;
        volume_free(&v);
    }
}

// Freed twice, never taken, the map's own places, beyond the end: told, and no count changes.
static void what_is_not_taken_is_not_freed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct volume v;
        struct witness w = {0};
        struct txn *t;
        u64 unit;
        u32 clusters;
        volume_make(&v, settings[i].size, settings[i].cluster, settings[i].copies, OPTION_CASE_SENSITIVE);
        struct store *s = v.store;
        assert_ok(space_alloc_data(s, 0, 5, &unit, &clusters));
        u64 units = (u64)clusters * s->cluster_units, free = s->space.root.free, avail = s->space.avail;
        store_listen(s, on_event, &w);
        for (int now = 0; now < 2; now++) {
            const u64 never[][2] = {{unit + units, 3}, {0, 2}, {s->units - 1, 2}, {s->units + 500, 1}};
            for (size_t n = 0; n < ARRAY_LEN(never); n++) {
                w.count = 0;
                space_free(s, never[n][0], never[n][1], now);
                assert_int_equal(w.count, 1);
                assert_int_equal(w.last.offset, never[n][0] * s->unit);
            }
            assert_int_equal(s->space.root.free, free);
            assert_int_equal(s->space.avail, avail);
            assert_recount(s);
        }
        // Twice in one transaction, and a piece of it once more later.
        w.count = 0;
        assert_ok(store_commit(s));
        assert_ok(txn_begin(s, TXN_FREEING, &t));
        assert_ok(txn_free(t, unit, units, false));
        assert_ok(txn_free(t, unit + 1, 2, false));
        assert_ok(txn_end(t, STATUS_SUCCESS));
        assert_int_equal(w.count, 1);
        space_free(s, unit, units, false);
        assert_int_equal(w.count, 2);
        assert_int_equal(s->space.root.free, free + units);
        assert_ok(store_commit(s));
        assert_int_equal(s->space.avail, avail + units);
        assert_recount(s);
        store_listen(s, NULL, NULL);
        volume_check(&v);
        volume_free(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_is_given_out_once),
        cmocka_unit_test(the_reserve_is_left_alone),
        cmocka_unit_test(freed_units_wait_for_the_commit),
        cmocka_unit_test(units_stay_held_while_a_commit_fails),
        cmocka_unit_test(random_taking_and_giving),
        cmocka_unit_test(pages_of_the_map_change_places),
        cmocka_unit_test(a_volume_in_splinters),
        cmocka_unit_test(space_outside_the_volume_is_refused),
        cmocka_unit_test(copies_of_pages_lie_apart),
        cmocka_unit_test(a_sparse_image_grows_with_what_it_holds),
        cmocka_unit_test(a_status_of_the_medium_is_no_full_disk),
        cmocka_unit_test(freeing_cannot_fail),
        cmocka_unit_test(a_damaged_page_takes_what_it_holds),
        cmocka_unit_test(a_lost_root_is_damage_and_no_full_disk),
        cmocka_unit_test(an_unreadable_page_is_not_lost_for_good),
        cmocka_unit_test(a_damaged_page_is_not_read_again),
        cmocka_unit_test(nothing_leaks_that_cannot_be_read_now),
        cmocka_unit_test(the_end_of_a_commit_reads_nothing),
        cmocka_unit_test(what_is_not_taken_is_not_freed),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
