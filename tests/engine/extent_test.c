// SPDX-License-Identifier: Apache-2.0
// The mapping of a stream's clusters to units, and the counts of units that several extents share. Clusters
// here belong to no file; what a test maps it unmaps again, so that the last check is clean.
#include "tests/test.h"

#include "engine/extent.h"
#include "engine/store.h"
#include "engine/txn.h"
#include "tests/engine/volume.h"

enum { DATA = 5000, CLUSTERS = 300 };

static struct txn *begin(struct volume *v)
{
    struct txn *t;
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    return t;
}

static void end(struct txn *t)
{
    assert_ok(txn_end(t, STATUS_SUCCESS));
}

// An extent of its own for [first, first + clusters), with sums that tell its clusters apart.
static struct extent make(struct txn *t, u64 first, u32 clusters, bool summed)
{
    struct store *s = t->store;
    struct extent e = {.first = first, .flags = summed ? EXTENT_SUMMED : 0, .birth = s->generation};
    assert_ok(txn_alloc(t, clusters, &e.unit, &e.clusters)); // all of it, unless space is in splinters
    for (u32 i = 0; summed && i < e.clusters * extent_sum_size(s); i++)
        e.sums[i] = (u8)(first * 7 + i * 13);
    return e;
}

static void unmap(struct volume *v, u64 data, u64 first, u64 last)
{
    while (first < last) {
        u64 freed;
        struct txn *t = begin(v);
        assert_ok(extent_unmap(t, data, first, last, &first, &freed));
        end(t);
    }
}

static void assert_same(const struct store *s, const struct extent *a, const struct extent *b)
{
    assert_int_equal(a->first, b->first);
    assert_int_equal(a->unit, b->unit);
    assert_int_equal(a->clusters, b->clusters);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->birth, b->birth);
    if (a->flags & EXTENT_SUMMED)
        assert_memory_equal(a->sums, b->sums, a->clusters * extent_sum_size(s));
}

static void find_at_below_and_above(void **state)
{
    (void)state;
    struct volume v;
    struct extent found;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    assert_status(extent_find(v.store, DATA, 0, &found), STATUS_NO_SUCH_FILE);
    struct txn *t = begin(&v);
    struct extent a = make(t, 10, 5, true), b = make(t, 20, 5, false);
    assert_ok(extent_map(t, DATA, &a));
    assert_ok(extent_map(t, DATA, &b));
    end(t);
    static const struct {
        u64 cluster;
        int which;
    } cases[] = {{0, 1},  {9, 1},  {10, 1}, {14, 1}, {15, 2},
                 {19, 2}, {20, 2}, {24, 2}, {25, 0}, {UINT64_MAX, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        nt_status status = extent_find(v.store, DATA, cases[i].cluster, &found);
        if (cases[i].which == 0) {
            assert_status(status, STATUS_NO_SUCH_FILE);
        } else {
            assert_ok(status);
            assert_same(v.store, &found, cases[i].which == 1 ? &a : &b);
        }
        assert_status(extent_find(v.store, DATA + 1, cases[i].cluster, &found), STATUS_NO_SUCH_FILE);
        assert_status(extent_find(v.store, DATA - 1, cases[i].cluster, &found), STATUS_NO_SUCH_FILE);
    }
    unmap(&v, DATA, 0, UINT64_MAX);
    volume_check(&v);
    volume_free(&v);
}

static void unmap_trims_and_splits(void **state)
{
    (void)state;
    static const u32 clusters[] = {4096, 65536};
    for (size_t i = 0; i < ARRAY_LEN(clusters); i++) {
        struct volume v;
        struct extent found, part;
        u64 next, freed;
        volume_make(&v, 64 * MIB, clusters[i], 2, 0);
        u64 free = v.store->space.root.free;
        struct txn *t = begin(&v);
        struct extent e = make(t, 100, 20, true);
        assert_ok(extent_map(t, DATA, &e));
        end(t);
        // The middle, the start, the end, what is not there, across what is left.
        t = begin(&v);
        assert_ok(extent_unmap(t, DATA, 105, 108, &next, &freed));
        assert_int_equal(next, 108);
        assert_int_equal(freed, 3);
        assert_ok(extent_find(t->store, DATA, 100, &found));
        part = extent_part(t->store, &e, 100, 105);
        assert_same(t->store, &found, &part);
        assert_ok(extent_find(t->store, DATA, 105, &found));
        part = extent_part(t->store, &e, 108, 120);
        assert_same(t->store, &found, &part);
        assert_ok(extent_unmap(t, DATA, 0, 102, &next, &freed));
        assert_int_equal(freed, 2);
        assert_ok(extent_unmap(t, DATA, 118, 1000, &next, &freed));
        assert_int_equal(freed, 2);
        assert_ok(extent_unmap(t, DATA, 105, 108, &next, &freed));
        assert_int_equal(freed, 0);
        assert_int_equal(next, 108);
        t->dirtied = TXN_PAGES; // full: one record at a time
        assert_ok(extent_unmap(t, DATA, 104, 109, &next, &freed));
        assert_int_equal(next, 105);
        assert_int_equal(freed, 1);
        t->dirtied = 0;
        assert_ok(extent_unmap(t, DATA, 104, 109, &next, &freed));
        assert_int_equal(next, 109);
        assert_int_equal(freed, 1);
        end(t);
        assert_ok(extent_find(v.store, DATA, 0, &found));
        part = extent_part(v.store, &e, 102, 104);
        assert_same(v.store, &found, &part);
        unmap(&v, DATA, 0, UINT64_MAX);
        assert_status(extent_find(v.store, DATA, 0, &found), STATUS_NO_SUCH_FILE);
        volume_check(&v);
        assert_int_equal(v.store->space.root.free, free);
        volume_free(&v);
    }
}

static void neighbours_are_joined_when_they_fit(void **state)
{
    (void)state;
    struct volume v;
    struct extent found;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    struct txn *t = begin(&v);
    struct extent whole = make(t, 50, 30, true);
    struct extent one = extent_part(t->store, &whole, 50, 60), two = extent_part(t->store, &whole, 60, 75),
                  three = extent_part(t->store, &whole, 75, 80);
    assert_ok(extent_map(t, DATA, &one));
    assert_ok(extent_map(t, DATA, &two));
    assert_ok(extent_map(t, DATA, &three));
    assert_ok(extent_find(t->store, DATA, 0, &found));
    assert_same(t->store, &found, &whole);
    end(t);
    // Not joined: a gap between them, other flags, another birth.
    t = begin(&v);
    struct extent run = make(t, 81, 4, true);
    for (u64 n = 81; n <= 84; n++) {
        struct extent part = extent_part(t->store, &run, n, n + 1);
        part.flags = n == 82 ? EXTENT_SUMMED | EXTENT_SHARED : EXTENT_SUMMED;
        part.birth = n == 84 ? run.birth - 1 : run.birth;
        assert_ok(extent_map(t, DATA, &part));
    }
    end(t);
    for (u64 n = 81; n <= 84; n++) {
        assert_ok(extent_find(v.store, DATA, n, &found));
        assert_int_equal(found.first, n);
        assert_int_equal(found.clusters, 1);
    }
    t = begin(&v);
    u32 most = extent_most(t->store, true);
    assert_int_equal(most, 256);
    struct extent longest = make(t, 1000, most, true), more = make(t, 1000 + most, 1, true);
    assert_ok(extent_map(t, DATA, &longest));
    assert_ok(extent_map(t, DATA, &more));
    end(t);
    assert_ok(extent_find(v.store, DATA, 1000, &found));
    assert_same(v.store, &found, &longest);
    assert_ok(extent_find(v.store, DATA, 1000 + most, &found));
    assert_int_equal(found.clusters, 1);
    unmap(&v, DATA, 0, UINT64_MAX);
    volume_check(&v);
    volume_free(&v);
}

// Random mapping and unmapping against an array of units.
static void random_mapping_against_a_model(void **state)
{
    (void)state;
    for (u32 summed = 0; summed < 2; summed++) {
        struct volume v;
        u64 model[CLUSTERS] = {0}; // unit, 0: a hole
        u32 rng = summed + 1;
        volume_make(&v, 32 * MIB, 4096, 2, 0);
        for (int step = 0; step < 3000; step++) {
            u64 first = volume_random(&rng, CLUSTERS), next, freed, mapped = 0;
            u64 len = 1 + volume_random(&rng, 30), last = MIN(first + len, (u64)CLUSTERS);
            struct txn *t = begin(&v);
            for (u64 n = first; n < last; n++)
                mapped += model[n] != 0;
            assert_ok(extent_unmap(t, DATA, first, last, &next, &freed));
            assert_int_equal(next, last);
            assert_int_equal(freed, mapped);
            memset(model + first, 0, (last - first) * sizeof *model);
            if (volume_random(&rng, 3)) {
                struct extent e = make(t, first, (u32)(last - first), summed);
                assert_ok(extent_map(t, DATA, &e));
                for (u64 n = first; n < first + e.clusters; n++)
                    model[n] = e.unit + (n - first);
            }
            end(t);
            if (step % 40 == 0)
                assert_ok(store_commit(v.store));
            if (step % 100 != 0)
                continue;
            for (u64 n = 0; n < CLUSTERS; n++) {
                struct extent found;
                nt_status status = extent_find(v.store, DATA, n, &found);
                bool here = status == STATUS_SUCCESS && found.first <= n;
                assert_int_equal(here, model[n] != 0);
                if (here)
                    assert_int_equal(found.unit + (n - found.first), model[n]);
            }
        }
        unmap(&v, DATA, 0, UINT64_MAX);
        volume_check(&v);
        volume_free(&v);
    }
}

static void trims_in_small_transactions(void **state)
{
    (void)state;
    struct volume v;
    struct extent found;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    for (u64 n = 0; n < 200; n++) {
        struct txn *t = begin(&v);
        struct extent e = make(t, n * 2, 1, true);
        assert_ok(extent_map(t, DATA, &e));
        end(t);
    }
    assert_ok(extent_trim(v.store, DATA, 100, NULL, false));
    assert_ok(extent_find(v.store, DATA, 98, &found));
    assert_int_equal(found.first, 98);
    assert_status(extent_find(v.store, DATA, 99, &found), STATUS_NO_SUCH_FILE);
    assert_ok(extent_trim(v.store, DATA, 0, NULL, false));
    assert_status(extent_find(v.store, DATA, 0, &found), STATUS_NO_SUCH_FILE);
    volume_check(&v);
    volume_free(&v);
}

// Every other cluster of a long extent has been shared, so it has thousands of counted runs; and a stream in
// splinters. Each transaction that takes them away stops before it has dirtied more pages than it asked room
// for.
static void no_transaction_dirties_more_than_its_share(void **state)
{
    (void)state;
    enum { LONG = 8192 };
    struct volume v;
    volume_make(&v, 256 * MIB, 4096, 2, 0);
    struct txn *t = begin(&v);
    struct extent e = make(t, 0, LONG, false);
    assert_int_equal(e.clusters, LONG);
    e.flags = EXTENT_SHARED;
    assert_ok(extent_map(t, DATA, &e));
    end(t);
    for (u32 n = 0; n < LONG; n += 2) {
        t = begin(&v);
        assert_ok(refs_add(t, e.unit + n, 1));
        struct extent one = extent_part(v.store, &e, n, n + 1);
        assert_ok(extent_put(t, DATA + 1, &one));
        end(t);
    }
    u32 batches = 0;
    for (u64 object = DATA; object <= DATA + 1; object++) {
        for (u64 first = 0, freed; first < LONG; batches++) {
            assert_ok(store_commit(v.store));
            t = begin(&v);
            assert_ok(extent_unmap(t, object, first, LONG, &first, &freed));
            end(t);
            assert_in_range(atomic_load(&v.store->cache.dirty_count), 1, TXN_PAGES);
        }
    }
    assert_true(batches > 4);
    volume_check(&v);
    volume_free(&v);
}

// --- reference counts
// ------------------------------------------------------------------------------------------------------

static void assert_counts(struct volume *v, u64 unit, const u32 *counts, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        u32 count;
        u64 run;
        assert_ok(refs_count(v->store, unit + i, n - i, &count, &run));
        assert_int_equal(count, counts[i]);
        for (u64 r = 0; r < run; r++)
            assert_int_equal(counts[i + r], count);
        assert_in_range(run, 1, n - i);
    }
}

static void counts_split_and_end(void **state)
{
    (void)state;
    enum { N = 20 };
    struct volume v;
    u64 unit;
    u32 clusters;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    u64 free = v.store->space.root.free;
    struct txn *t = begin(&v);
    assert_ok(txn_alloc(t, N, &unit, &clusters));
    assert_int_equal(clusters, N);
    end(t);
    u32 counts[N];
    for (u32 i = 0; i < N; i++)
        counts[i] = 1;
    assert_counts(&v, unit, counts, N);
    static const struct {
        u32 from, to;
        int add;
    } steps[] = {{5, 10, 1}, {0, 20, 1}, {7, 8, 1},  {8, 20, -1}, {0, 3, 1},  {0, 20, -1},
                 {2, 9, 1},  {5, 7, -1}, {0, 20, 1}, {19, 20, 1}, {0, 1, -1}, {4, 12, 1}};
    for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
        u64 from = unit + steps[s].from, n = steps[s].to - steps[s].from;
        t = begin(&v);
        bool possible = true;
        for (u32 i = steps[s].from; i < steps[s].to; i++)
            possible &= steps[s].add > 0 || counts[i] > 1;
        if (possible) {
            assert_ok(steps[s].add > 0 ? refs_add(t, from, n) : refs_drop(t, from, n));
            for (u32 i = steps[s].from; i < steps[s].to; i++)
                counts[i] = (u32)((int)counts[i] + steps[s].add);
        }
        end(t);
        assert_counts(&v, unit, counts, N);
        assert_int_equal(v.store->space.root.free, free - N);
    }
    // A failed change is undone, and lets the counts go to others.
    t = begin(&v);
    assert_ok(refs_add(t, unit, N));
    assert_true(t->locked_refs);
    assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
    assert_counts(&v, unit, counts, N);
    // Down to nothing: the last drop frees the units.
    for (u32 round = 0; round < 10; round++) {
        for (u32 i = 0; i < N; i++) {
            if (counts[i] == 0)
                continue;
            t = begin(&v);
            assert_ok(refs_drop(t, unit + i, 1));
            end(t);
            counts[i]--;
        }
    }
    assert_int_equal(v.store->space.root.free, free);
    struct record record;
    struct key key;
    key_begin(&key, OBJECT_REFS, KIND_REFS);
    nt_status status = tree_find(v.store, &key, TREE_ABOVE, &record);
    assert_true(status != STATUS_SUCCESS || !key_belongs(&record.key, OBJECT_REFS, KIND_REFS));
    volume_check(&v);
    volume_free(&v);
}

static void random_counts_against_a_model(void **state)
{
    (void)state;
    enum { N = 64 };
    struct volume v;
    u64 unit;
    u32 clusters, counts[N], rng = 9;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    struct txn *t = begin(&v);
    assert_ok(txn_alloc(t, N, &unit, &clusters));
    end(t);
    for (u32 i = 0; i < N; i++)
        counts[i] = 1;
    for (int step = 0; step < 3000; step++) {
        u32 from = volume_random(&rng, N), to = from + 1 + volume_random(&rng, N - from);
        bool add = volume_random(&rng, 2), can_drop = true;
        for (u32 i = from; i < to; i++)
            can_drop &= counts[i] > 1;
        t = begin(&v);
        if (add)
            assert_ok(refs_add(t, unit + from, to - from));
        else if (can_drop)
            assert_ok(refs_drop(t, unit + from, to - from));
        bool kept = volume_random(&rng, 4);
        nt_status status = kept ? STATUS_SUCCESS : STATUS_CANCELLED;
        assert_status(txn_end(t, status), status);
        for (u32 i = from; kept && i < to; i++)
            counts[i] += add ? 1 : can_drop ? UINT32_MAX : 0;
        if (step % 50 == 0)
            assert_counts(&v, unit, counts, N);
    }
    assert_counts(&v, unit, counts, N);
    volume_free(&v);
}

static void no_more_than_8175_users(void **state)
{
    (void)state;
    struct volume v;
    u64 unit, run;
    u32 clusters, count;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    struct txn *t = begin(&v);
    assert_ok(txn_alloc(t, 3, &unit, &clusters));
    end(t);
    for (u32 users = 2; users <= 8175; users++) {
        t = begin(&v);
        assert_ok(refs_add(t, unit, 3));
        end(t);
    }
    assert_ok(refs_count(v.store, unit, 3, &count, &run));
    assert_int_equal(count, 8175);
    assert_int_equal(run, 3);
    t = begin(&v);
    assert_status(refs_add(t, unit + 1, 1), STATUS_TOO_MANY_LINKS);
    assert_status(txn_end(t, STATUS_TOO_MANY_LINKS), STATUS_TOO_MANY_LINKS);
    t = begin(&v);
    assert_ok(refs_drop(t, unit + 1, 1));
    assert_ok(refs_add(t, unit + 1, 1));
    end(t);
    assert_ok(refs_count(v.store, unit, 3, &count, &run));
    assert_int_equal(count, 8175);
    volume_free(&v);
}

// --- hostile records
// -------------------------------------------------------------------------------------------------------

static void put_extent(struct volume *v, u64 first, const struct raw_extent *raw, u32 len, u32 key_tail)
{
    struct key key;
    u8 value[VALUE_MAX] = {0}, tail[16] = {0};
    put_be64(tail, first);
    memcpy(value, raw, sizeof *raw);
    key_begin(&key, DATA, KIND_EXTENT);
    key_add(&key, tail, key_tail);
    struct txn *t = begin(v);
    assert_ok(tree_put(t, &key, value, len));
    end(t);
}

static void impossible_extents(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 units = v.store->units;
    static const u32 size = sizeof(struct raw_extent);
    const struct {
        u64 first, unit;
        u32 clusters, flags, len, tail;
    } odd[] = {
        {5, 1000, 0, 0, size, 8},
        {5, 1000, EXTENT_CLUSTERS_MAX + 1, 0, size, 8},
        {5, 1000, UINT32_MAX, 0, size, 8},
        {5, 1000, 10, 0, size - 1, 8},
        {5, 1000, 10, 0, 0, 8},
        {5, 1000, 10, 0, size + 1, 8},
        {5, 1000, 10, EXTENT_SUMMED, size, 8},
        {5, 1000, 10, EXTENT_SUMMED, size + 39, 8},
        {5, 1000, 257, EXTENT_SUMMED, size + 1028, 8},
        {5, 1000, 10, 4, size, 8},
        {5, 1000, 10, UINT32_MAX, size + 40, 8},
        {5, units, 1, 0, size, 8},
        {5, units - 1, 2, 0, size, 8},
        {5, UINT64_MAX, 1, 0, size, 8},
        {5, UINT64_MAX - 1, 10, 0, size, 8},
        {1ull << 62, 1000, 10, 0, size, 8},
        {UINT64_MAX, 1000, 10, 0, size, 8},
        {5, 1000, 10, 0, size, 0},
        {5, 1000, 10, 0, size, 7},
        {5, 1000, 10, 0, size, 9},
    };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct raw_extent raw = {.unit = to_le64(odd[i].unit),
                                 .clusters = to_le32(odd[i].clusters),
                                 .flags = to_le32(odd[i].flags)};
        struct extent e;
        u64 next, freed;
        put_extent(&v, odd[i].first, &raw, odd[i].len, odd[i].tail);
        if (odd[i].tail > 0) // a shorter key than any is never looked for
            assert_status(extent_find(v.store, DATA, odd[i].first, &e), STATUS_FILE_CORRUPT_ERROR);
        struct txn *t = begin(&v);
        nt_status status = extent_unmap(t, DATA, 0, UINT64_MAX, &next, &freed);
        if (odd[i].tail > 0)
            assert_status(status, STATUS_FILE_CORRUPT_ERROR);
        (void)!txn_end(t, STATUS_CANCELLED);
        struct key key;
        struct record record;
        key_begin(&key, DATA, 0);
        assert_ok(tree_find(v.store, &key, TREE_ABOVE, &record));
        t = begin(&v);
        assert_ok(tree_delete(t, &record.key));
        end(t);
    }
    volume_check(&v);
    volume_free(&v);
}

static void impossible_counts(void **state)
{
    (void)state;
    struct volume v;
    u32 count;
    u64 run;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    static const struct {
        u64 unit;
        u32 units, count, len, tail;
    } odd[] = {
        {1000, 10, 3, 7, 8},
        {1000, 10, 3, 9, 8},
        {1000, 10, 3, 0, 8},
        {1000, 10, 3, 8, 9},
        {1000, 10, 0, 8, 8},
        {1000, 10, 1, 8, 8},
        {1000, 10, REFERENCES_MAX + 1, 8, 8},
        {1000, 10, UINT32_MAX, 8, 8},
    };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct key key;
        u8 tail[16] = {0}, value[16] = {0};
        put_be64(tail, odd[i].unit);
        put_le32(value, odd[i].units);
        put_le32(value + 4, odd[i].count);
        key_begin(&key, OBJECT_REFS, KIND_REFS);
        key_add(&key, tail, odd[i].tail);
        struct txn *t = begin(&v);
        assert_ok(tree_put(t, &key, value, odd[i].len));
        end(t);
        assert_status(refs_count(v.store, 1000, 10, &count, &run), STATUS_DISK_CORRUPT_ERROR);
        t = begin(&v);
        nt_status status = refs_drop(t, 1000, 10);
        assert_status(status, STATUS_DISK_CORRUPT_ERROR);
        assert_status(txn_end(t, status), STATUS_DISK_CORRUPT_ERROR);
        t = begin(&v);
        assert_ok(tree_delete(t, &key));
        end(t);
    }
    volume_check(&v);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_at_below_and_above),
        cmocka_unit_test(unmap_trims_and_splits),
        cmocka_unit_test(neighbours_are_joined_when_they_fit),
        cmocka_unit_test(random_mapping_against_a_model),
        cmocka_unit_test(trims_in_small_transactions),
        cmocka_unit_test(no_transaction_dirties_more_than_its_share),
        cmocka_unit_test(counts_split_and_end),
        cmocka_unit_test(random_counts_against_a_model),
        cmocka_unit_test(no_more_than_8175_users),
        cmocka_unit_test(impossible_extents),
        cmocka_unit_test(impossible_counts),
    };
    return cmocka_run_group_tests_name("extent", tests, NULL, NULL);
}
