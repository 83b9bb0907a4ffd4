// SPDX-License-Identifier: Apache-2.0
// Streams that share clusters: which clones are refused and how, what is copied and what only counted, and
// that giving a stream sums (or taking them away) is one step whatever cuts it short.
#include "tests/test.h"

#include "block/blk_sim.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "tests/engine/volume.h"

enum { LEN = 256 * 1024 };

static u8 data[LEN], back[LEN];

static void fill(u32 seed)
{
    for (u32 i = 0; i < LEN; i++)
        data[i] = (u8)volume_random(&seed, 256);
}

static struct stream *make(struct volume *v, const char *name, u16 algorithm)
{
    struct txn *t;
    struct stream *m;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .links = 1, .algorithm = algorithm};
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, inode.id, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(stream_open(v->store, inode.id, (struct str){NULL, 0}, &m));
    return m;
}

static void write_all(struct stream *m)
{
    size_t done;
    assert_ok(stream_write(m, 0, data, LEN, &done));
    assert_int_equal(done, LEN);
}

static void assert_content(struct stream *m, const u8 *want, size_t len)
{
    size_t done;
    memset(back, 0xee, LEN);
    assert_ok(stream_read(m, 0, back, LEN, &done));
    assert_int_equal(done, len);
    assert_memory_equal(back, want, len);
}

static u64 place_of(struct stream *m, u64 offset)
{
    u64 device, len;
    assert_ok(stream_map(m, offset, &device, &len));
    return device;
}

static const struct {
    u32 cluster;
    u16 algorithm;
} kinds[] = {
    {4096, CHECKSUM_TYPE_NONE},
    {4096, CHECKSUM_TYPE_CRC32},
    {65536, CHECKSUM_TYPE_NONE},
    {65536, CHECKSUM_TYPE_CRC64},
};

static void a_clone_takes_no_space_until_it_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct volume v;
        size_t done;
        struct stream_info info;
        static u8 changed[LEN];
        u32 cluster = kinds[i].cluster;
        volume_make(&v, 64 * MIB, cluster, 2, 0);
        struct stream *a = make(&v, "a", kinds[i].algorithm), *b = make(&v, "b", kinds[i].algorithm);
        fill(1);
        write_all(a);
        assert_ok(stream_set_size(b, LEN));
        assert_ok(stream_clone(a, 0, b, 0, LEN));
        assert_int_equal(place_of(a, 0), place_of(b, 0));
        assert_int_equal(place_of(a, LEN - 1), place_of(b, LEN - 1));
        stream_get_info(b, &info);
        assert_int_equal(info.allocated, LEN);
        assert_true(info.shared);
        stream_get_info(a, &info);
        assert_true(info.shared);
        assert_content(b, data, LEN);
        volume_check(&v);
        // A write to one does not show in the other, though a stream without sums is written in place else.
        memcpy(changed, data, LEN);
        memset(changed + cluster + 5, 'x', 10);
        assert_ok(stream_write(b, cluster + 5, changed + cluster + 5, 10, &done));
        assert_content(a, data, LEN);
        assert_content(b, changed, LEN);
        assert_int_equal(place_of(a, 0), place_of(b, 0));
        assert_true(place_of(a, cluster) != place_of(b, cluster));
        volume_check(&v);
        // To the last commit the cluster is shared still, so it is not written in place; the next one is.
        u64 place = place_of(a, cluster);
        assert_ok(stream_write(a, cluster + 5, data + cluster + 5, 10, &done));
        assert_true(place_of(a, cluster) != place);
        place = place_of(a, cluster);
        assert_ok(stream_write(a, cluster + 5, data + cluster + 5, 10, &done));
        assert_int_equal(place_of(a, cluster) == place, kinds[i].algorithm == CHECKSUM_TYPE_NONE);
        // One goes, the other stays whole; then all space comes back.
        stream_close(a);
        volume_delete(&v, OBJECT_ROOT, "a");
        volume_check(&v);
        assert_content(b, changed, LEN);
        stream_close(b);
        volume_delete(&v, OBJECT_ROOT, "b");
        volume_check(&v);
        volume_free(&v);
    }
}

static void clones_that_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct volume v;
        u32 c = kinds[i].cluster;
        volume_make(&v, 64 * MIB, c, 2, 0);
        struct stream *a = make(&v, "a", kinds[i].algorithm), *b = make(&v, "b", kinds[i].algorithm);
        struct stream *other = make(&v, "o", kinds[i].algorithm ? 0 : CHECKSUM_TYPE_CRC32);
        fill(2);
        write_all(a);
        write_all(b);
        write_all(other);
        const struct {
            struct stream *from;
            u64 from_offset;
            struct stream *to;
            u64 to_offset, len;
            nt_status status;
        } cases[] = {
            // Whole clusters only.
            {a, 1, b, 0, c, STATUS_INVALID_PARAMETER},
            {a, 0, b, c - 512, c, STATUS_INVALID_PARAMETER},
            {a, 0, b, 0, c + 1, STATUS_INVALID_PARAMETER},
            {a, 0, b, 0, c - 1, STATUS_INVALID_PARAMETER},
            // Numbers beyond all numbers.
            {a, align_down(UINT64_MAX, c), b, 0, c, STATUS_INVALID_PARAMETER},
            {a, 0, b, align_down(UINT64_MAX, c), c, STATUS_INVALID_PARAMETER},
            // Inside both streams.
            {a, LEN, b, 0, c, STATUS_NOT_SUPPORTED},
            {a, LEN - c, b, 0, 2 * c, STATUS_NOT_SUPPORTED},
            {a, 0, b, LEN, c, STATUS_NOT_SUPPORTED},
            {a, 0, b, LEN - c, 2 * c, STATUS_NOT_SUPPORTED},
            // The same place in one stream.
            {a, 0, a, 0, c, STATUS_NOT_SUPPORTED},
            {a, 0, a, c, 2 * c, STATUS_NOT_SUPPORTED},
            {a, c, a, 0, 2 * c, STATUS_NOT_SUPPORTED},
            // The same integrity in both.
            {a, 0, other, 0, c, STATUS_INVALID_PARAMETER},
            {other, 0, a, 0, c, STATUS_INVALID_PARAMETER},
            // And these are allowed: nothing, side by side, and elsewhere.
            {a, 0, b, 0, 0, STATUS_SUCCESS},
            {a, 0, a, c, c, STATUS_SUCCESS},
            {a, 0, b, LEN - c, c, STATUS_SUCCESS},
        };
        for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
            assert_status(stream_clone(cases[n].from, cases[n].from_offset, cases[n].to, cases[n].to_offset,
                                       cases[n].len),
                          cases[n].status);
        }
        assert_content(other, data, LEN);
        memcpy(data + c, data, c);
        assert_content(a, data, LEN);
        stream_close(a);
        stream_close(b);
        stream_close(other);
        volume_check(&v);
        volume_free(&v);
    }
}

// The end of a source may lie inside its last cluster.
static void a_clone_to_the_end_of_the_source(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct volume v;
        size_t done;
        u32 c = kinds[i].cluster;
        volume_make(&v, 64 * MIB, c, 2, 0);
        struct stream *a = make(&v, "a", kinds[i].algorithm), *b = make(&v, "b", kinds[i].algorithm);
        fill(3);
        assert_ok(stream_write(a, 0, data, 2 * c + 100, &done));
        assert_ok(stream_set_size(b, 2 * c + 100));
        assert_ok(stream_clone(a, 0, b, 0, 3 * c));
        assert_content(b, data, 2 * c + 100);
        assert_status(stream_clone(a, 0, b, 0, 2 * c + 100), STATUS_INVALID_PARAMETER);
        assert_ok(stream_set_size(b, 3 * c));
        memset(data + 2 * c + 100, 0, c - 100);
        assert_content(b, data, 3 * c);
        assert_content(a, data, 2 * c + 100);
        stream_close(a);
        stream_close(b);
        volume_check(&v);
        volume_free(&v);
    }
}

// What a cut-off write left behind the source's end does not appear in a target that goes on there.
static void what_lies_behind_the_end_is_cloned_as_zeros(void **state)
{
    (void)state;
    struct volume v;
    size_t done;
    static u8 want[LEN];
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    struct stream *a = make(&v, "a", CHECKSUM_TYPE_NONE), *b = make(&v, "b", CHECKSUM_TYPE_NONE);
    fill(12);
    write_all(b);
    assert_ok(stream_write(a, 0, data, 5000, &done));
    assert_ok(blk_pwrite(v.blk, "left behind", 11, place_of(a, 4999) + 1, NULL));
    assert_ok(stream_clone(a, 0, b, 8192, 8192));
    memcpy(want, data, LEN);
    memcpy(want + 8192, data, 5000);
    memset(want + 8192 + 5000, 0, 8192 - 5000);
    assert_content(b, want, LEN);
    stream_close(a);
    stream_close(b);
    volume_check(&v);
    volume_free(&v);
}

// The source has data where the target's last cluster has none yet; it stays unseen when the target grows.
static void a_clone_does_not_reach_behind_the_targets_end(void **state)
{
    (void)state;
    static u8 want[LEN];
    for (size_t i = 0; i < ARRAY_LEN(kinds) * 3; i++) {
        struct volume v;
        size_t done;
        u32 c = kinds[i / 3].cluster;
        volume_make(&v, 64 * MIB, c, 2, 0);
        struct stream *a = make(&v, "a", kinds[i / 3].algorithm), *b = make(&v, "b", kinds[i / 3].algorithm);
        fill(7);
        write_all(a);
        assert_ok(stream_set_size(b, c + 100));
        assert_ok(stream_clone(a, 0, b, 0, 2 * c));
        memcpy(want, data, c + 100);
        memset(want + c + 100, 0, LEN - c - 100);
        assert_content(b, want, c + 100);
        if (i % 3 == 0) {
            assert_ok(stream_set_size(b, 3 * c));
            assert_content(b, want, 3 * c);
        } else if (i % 3 == 1) {
            assert_ok(stream_write(b, 2 * c + 5, "x", 1, &done));
            want[2 * c + 5] = 'x';
            assert_content(b, want, 2 * c + 6);
        } else {
            // The end moves twice inside the cluster, and a clone of the clone is longer.
            assert_ok(stream_write(b, c + 100, "y", 1, &done));
            want[c + 100] = 'y';
            assert_ok(stream_clone(b, 0, a, 0, 2 * c));
            assert_ok(stream_set_size(a, 2 * c));
            assert_content(a, want, 2 * c);
        }
        stream_close(a);
        stream_close(b);
        volume_check(&v);
        volume_free(&v);
    }
}

static void holes_are_cloned_as_holes(void **state)
{
    (void)state;
    struct volume v;
    size_t done;
    struct stream_info info;
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    struct stream *a = make(&v, "a", CHECKSUM_TYPE_CRC32), *b = make(&v, "b", CHECKSUM_TYPE_CRC32);
    fill(4);
    write_all(b);
    assert_ok(stream_set_size(a, LEN));
    assert_ok(stream_write(a, 8 * 4096, data, 4096, &done));
    assert_ok(stream_clone(a, 4 * 4096, b, 0, 10 * 4096));
    stream_get_info(b, &info);
    assert_int_equal(info.allocated, LEN - 9 * 4096);
    static u8 want[LEN];
    memcpy(want, data, LEN);
    memset(want, 0, 10 * 4096);
    memcpy(want + 4 * 4096, data, 4096);
    assert_content(b, want, LEN);
    stream_close(a);
    stream_close(b);
    volume_check(&v);
    volume_free(&v);
}

static void rot_in_shared_clusters_shows_in_both(void **state)
{
    (void)state;
    struct volume v;
    size_t done;
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    struct stream *a = make(&v, "a", CHECKSUM_TYPE_CRC32), *b = make(&v, "b", CHECKSUM_TYPE_CRC32);
    fill(5);
    write_all(a);
    assert_ok(stream_set_size(b, LEN));
    assert_ok(stream_clone(a, 0, b, 0, LEN));
    blk_sim_flip(v.blk, 0, place_of(a, 50000), 1);
    assert_status(stream_read(a, 50000, back, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    assert_status(stream_read(b, 50000, back, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    u64 start = align_down(50000, 16384);
    assert_ok(stream_write(b, start, data + start, 16384, &done)); // heals only its own
    assert_content(b, data, LEN);
    assert_status(stream_read(a, 50000, back, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    stream_close(a);
    stream_close(b);
    volume_free(&v);
}

static void a_cluster_has_at_most_8175_users(void **state)
{
    (void)state;
    struct volume v;
    size_t done;
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    struct stream *a = make(&v, "a", CHECKSUM_TYPE_CRC32), *b = make(&v, "b", CHECKSUM_TYPE_CRC32);
    fill(6);
    assert_ok(stream_write(a, 0, data, 4096, &done));
    assert_ok(stream_set_size(b, 10000 * 4096));
    for (u64 n = 1; n < 8175; n++)
        assert_ok(stream_clone(a, 0, b, n * 4096, 4096));
    assert_status(stream_clone(a, 0, b, 0, 4096), STATUS_TOO_MANY_LINKS);
    assert_status(stream_clone(b, 4096, b, 0, 4096), STATUS_TOO_MANY_LINKS);
    assert_ok(stream_read(b, 0, back, 4096, &done)); // as it was
    for (int i = 0; i < 4096; i++)
        assert_int_equal(back[i], 0);
    assert_ok(stream_write(b, 77 * 4096, data + 4096, 4096, &done));
    assert_ok(stream_clone(a, 0, b, 0, 4096));
    assert_ok(stream_read(b, 0, back, 4096, &done));
    assert_memory_equal(back, data, 4096);
    stream_close(a);
    stream_close(b);
    volume_check(&v);
    volume_free(&v);
}

// --- integrity of a stream that has data
// ------------------------------------------------------------------------------------

static void sums_are_made_and_dropped(void **state)
{
    (void)state;
    static const u32 clusters[] = {4096, 65536};
    for (size_t i = 0; i < ARRAY_LEN(clusters); i++) {
        struct volume v;
        struct stream_info info;
        size_t done;
        volume_make(&v, 64 * MIB, clusters[i], 2, 0);
        struct stream *m = make(&v, "f", CHECKSUM_TYPE_NONE);
        fill(7);
        write_all(m);
        u64 place = place_of(m, 0);
        assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC64, false));
        stream_get_info(m, &info);
        assert_int_equal(info.algorithm, CHECKSUM_TYPE_CRC64);
        assert_int_equal(info.allocated, LEN);
        assert_int_equal(place_of(m, 0), place); // data stays, only sums are new
        volume_check(&v);
        blk_sim_flip(v.blk, 0, place + 20000, 1);
        assert_status(stream_read(m, 16384, back, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
        // What is rotten is not blessed by dropping its sums.
        assert_status(stream_set_integrity(m, CHECKSUM_TYPE_NONE, false), STATUS_DATA_CHECKSUM_ERROR);
        stream_get_info(m, &info);
        assert_int_equal(info.algorithm, CHECKSUM_TYPE_CRC64);
        blk_sim_flip(v.blk, 0, place + 20000, 1);
        assert_content(m, data, LEN);
        // The mapping that won is not taken for the one that lost, now or by the next open.
        for (int summed = 0; summed < 2; summed++) {
            u64 id = m->id;
            assert_ok(stream_set_integrity(m, summed ? CHECKSUM_TYPE_CRC64 : CHECKSUM_TYPE_NONE, false));
            assert_content(m, data, LEN);
            stream_close(m);
            volume_check(&v);
            volume_reopen(&v);
            assert_ok(stream_open(v.store, id, (struct str){NULL, 0}, &m));
            assert_content(m, data, LEN);
            volume_check(&v);
        }
        stream_close(m);
        volume_delete(&v, OBJECT_ROOT, "f");
        volume_check(&v);
        volume_free(&v);
    }
}

// An extent of many steps: a transaction for each, and every byte as it was.
static void a_large_extent_gets_its_sums_in_steps(void **state)
{
    (void)state;
    enum { STEPS = 9 };
    static const u32 clusters[] = {4096, 65536};
    for (size_t i = 0; i < ARRAY_LEN(clusters); i++) {
        struct volume v;
        size_t done;
        volume_make(&v, 64 * MIB, clusters[i], 2, OPTION_CASE_SENSITIVE);
        struct stream *m = make(&v, "f", CHECKSUM_TYPE_NONE);
        u8 *bytes = malloc(STEPS * MIB), *read = malloc(STEPS * MIB);
        u32 rng = 1;
        for (u32 at = 0; at < STEPS * MIB; at++)
            bytes[at] = (u8)volume_random(&rng, 256);
        assert_ok(stream_write(m, 0, bytes, STEPS * MIB, &done));
        for (int summed = 1; summed >= 0; summed--) {
            assert_ok(stream_set_integrity(m, summed ? CHECKSUM_TYPE_CRC64 : CHECKSUM_TYPE_NONE, false));
            assert_ok(stream_read(m, 0, read, STEPS * MIB, &done));
            assert_memory_equal(read, bytes, STEPS * MIB);
            volume_check(&v);
        }
        free(bytes);
        free(read);
        stream_close(m);
        volume_free(&v);
    }
}

// What a cut-off write left behind the end gets no good sum with the rest of its cluster.
static void a_dirty_tail_is_zero_before_it_gets_sums(void **state)
{
    (void)state;
    static const u32 clusters[] = {4096, 65536};
    for (size_t i = 0; i < ARRAY_LEN(clusters); i++) {
        struct volume v;
        size_t done;
        static u8 want[LEN];
        volume_make(&v, 64 * MIB, clusters[i], 2, 0);
        struct stream *m = make(&v, "f", CHECKSUM_TYPE_NONE);
        fill(21);
        assert_ok(stream_write(m, 0, data, 5000, &done));
        assert_ok(blk_pwrite(v.blk, "left behind", 11, place_of(m, 4999) + 1, NULL));
        assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC32, false));
        assert_ok(stream_set_size(m, LEN));
        memset(want, 0, LEN);
        memcpy(want, data, 5000);
        assert_content(m, want, LEN);
        stream_close(m);
        volume_check(&v);
        volume_free(&v);
    }
}

// Reads of it are not refused, but it is rotten still.
static void rot_keeps_its_sums_when_they_are_not_enforced(void **state)
{
    (void)state;
    struct volume v;
    size_t done;
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    struct stream *m = make(&v, "f", CHECKSUM_TYPE_CRC32);
    fill(22);
    write_all(m);
    assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC32, true));
    blk_sim_flip(v.blk, 0, place_of(m, 20000), 1);
    assert_ok(stream_read(m, 20000, back, 1, &done));
    assert_status(stream_set_integrity(m, CHECKSUM_TYPE_NONE, true), STATUS_DATA_CHECKSUM_ERROR);
    assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC32, false));
    assert_status(stream_read(m, 20000, back, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    stream_close(m);
    volume_free(&v);
}

static void flags_alone_change_nothing_else(void **state)
{
    (void)state;
    struct volume v;
    struct stream_info info;
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    struct stream *m = make(&v, "f", CHECKSUM_TYPE_CRC32);
    fill(8);
    write_all(m);
    u64 pages = v.store->pages_written;
    assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC32, true));
    stream_get_info(m, &info);
    assert_true(info.enforcement_off);
    assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC64, false)); // another name for having sums
    stream_get_info(m, &info);
    assert_int_equal(info.algorithm, CHECKSUM_TYPE_CRC64);
    assert_false(info.enforcement_off);
    assert_int_equal(v.store->pages_written, pages);
    assert_content(m, data, LEN);
    stream_close(m);
    volume_check(&v);
    volume_free(&v);
}

static void a_stream_that_shares_clusters_is_not_converted(void **state)
{
    (void)state;
    struct volume v;
    struct stream_info info;
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    struct stream *a = make(&v, "a", CHECKSUM_TYPE_CRC32), *b = make(&v, "b", CHECKSUM_TYPE_CRC32);
    fill(9);
    write_all(a);
    assert_ok(stream_set_size(b, LEN));
    assert_ok(stream_clone(a, LEN - 4096, b, LEN - 4096, 4096)); // the last one
    assert_status(stream_set_integrity(a, CHECKSUM_TYPE_NONE, false), STATUS_NOT_SUPPORTED);
    stream_get_info(a, &info);
    assert_int_equal(info.algorithm, CHECKSUM_TYPE_CRC32);
    assert_content(a, data, LEN);
    volume_check(&v); // nothing is left of the attempt
    stream_close(b);
    volume_delete(&v, OBJECT_ROOT, "b");
    assert_ok(stream_set_integrity(a, CHECKSUM_TYPE_NONE, false));
    assert_content(a, data, LEN);
    stream_close(a);
    volume_check(&v);
    volume_free(&v);
}

// Reads fail at the n-th command of a conversion, and the power goes after it: the stream is what it was, or
// what it was to become.
static void a_conversion_that_is_cut_short(void **state)
{
    (void)state;
    for (int crash = 0; crash < 2; crash++) {
        bool converted = false;
        for (u64 n = 1; !converted; n += 3) {
            struct volume v;
            struct stream_info info;
            volume_make(&v, 64 * MIB, 4096, 2, 0);
            struct stream *m = make(&v, "f", CHECKSUM_TYPE_NONE);
            u64 id = m->id;
            fill((u32)n);
            write_all(m);
            assert_ok(store_commit(v.store));
            blk_sim_fail(v.blk, SIM_READ, n, (struct sense){SENSE_HARDWARE, 0x44, 0, 0});
            nt_status status = stream_set_integrity(m, CHECKSUM_TYPE_CRC32, false);
            converted = status == STATUS_SUCCESS;
            if (!converted)
                assert_status(status, STATUS_IO_DEVICE_ERROR);
            stream_get_info(m, &info);
            assert_int_equal(info.algorithm, converted ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_NONE);
            blk_sim_fail(v.blk, SIM_READ, 0, (struct sense){0});
            assert_content(m, data, LEN);
            stream_close(m);
            if (crash) {
                store_abandon(v.store);
                assert_ok(store_open(v.blk, 0, 0, &v.store));
            }
            volume_check(&v);
            assert_ok(stream_open(v.store, id, (struct str){NULL, 0}, &m));
            assert_content(m, data, LEN);
            stream_close(m);
            volume_free(&v);
            assert_true(n < 500);
        }
    }
}

// The power goes when some of a conversion's transactions are durable.
static void a_conversion_abandoned_between_its_transactions(void **state)
{
    (void)state;
    static const u16 from[] = {CHECKSUM_TYPE_NONE, CHECKSUM_TYPE_CRC32};
    for (size_t i = 0; i < 2; i++) {
        struct volume v;
        struct stream_info info;
        size_t done;
        volume_make(&v, 64 * MIB, 4096, 2, 0);
        struct stream *m = make(&v, "f", from[i]);
        u64 id = m->id;
        fill(11);
        // In extents that do not join: one transaction each.
        for (u64 at = 0; at < LEN; at += 8192)
            assert_ok(stream_write(m, at, data + at, 4096, &done));
        for (u64 at = 4096; at < LEN; at += 8192)
            assert_ok(stream_write(m, at, data + at, 4096, &done));
        assert_ok(store_commit(v.store));
        // The last extent that is converted cannot be read: all before it were, and become durable.
        u64 reads = blk_sim_count(v.blk, SIM_READ);
        blk_sim_fail(v.blk, SIM_READ, 40, (struct sense){SENSE_HARDWARE, 0x44, 0, 0});
        u16 to = from[!i];
        // Keep what is durable as it is in the middle: orphan list and half of the new mapping.
        assert_status(stream_set_integrity(m, to, false), STATUS_IO_DEVICE_ERROR);
        assert_true(blk_sim_count(v.blk, SIM_READ) > reads);
        assert_ok(store_commit(v.store));
        stream_get_info(m, &info);
        assert_int_equal(info.algorithm, from[i]);
        stream_close(m);
        store_abandon(v.store);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        volume_check(&v);
        assert_ok(stream_open(v.store, id, (struct str){NULL, 0}, &m));
        assert_content(m, data, LEN);
        assert_ok(stream_set_integrity(m, to, false)); // and again, to the end
        assert_content(m, data, LEN);
        stream_close(m);
        volume_check(&v);
        volume_free(&v);
    }
}

static void integrity_051_no_space_to_convert(void **state)
{
    (void)state;
    struct volume v;
    struct stream_info info;
    size_t done;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    fill(51);
    struct stream *m = make(&v, "f", CHECKSUM_TYPE_NONE), *filler = make(&v, "filler", CHECKSUM_TYPE_NONE);
    write_all(m);
    for (u64 at = 0; stream_write(filler, at, data, LEN, &done) == STATUS_SUCCESS; at += LEN)
        assert_true(at < 8 * MIB);
    // Data leaves room for records; names take that too.
    char name[16] = "0";
    for (int i = 1; volume_write_file(&v, name, 0) == STATUS_SUCCESS; i++)
        snprintf(name, sizeof name, "%d", i);
    assert_status(stream_set_integrity(m, CHECKSUM_TYPE_CRC32, false), STATUS_DISK_FULL);
    stream_get_info(m, &info);
    assert_int_equal(info.algorithm, CHECKSUM_TYPE_NONE);
    assert_content(m, data, LEN);
    volume_check(&v);
    assert_ok(stream_set_size(filler, 0));
    assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC32, false));
    assert_content(m, data, LEN);
    stream_close(m);
    stream_close(filler);
    volume_check(&v);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integrity_051_no_space_to_convert),
        cmocka_unit_test(a_clone_takes_no_space_until_it_changes),
        cmocka_unit_test(clones_that_are_refused),
        cmocka_unit_test(a_clone_to_the_end_of_the_source),
        cmocka_unit_test(what_lies_behind_the_end_is_cloned_as_zeros),
        cmocka_unit_test(a_clone_does_not_reach_behind_the_targets_end),
        cmocka_unit_test(holes_are_cloned_as_holes),
        cmocka_unit_test(rot_in_shared_clusters_shows_in_both),
        cmocka_unit_test(a_cluster_has_at_most_8175_users),
        cmocka_unit_test(sums_are_made_and_dropped),
        cmocka_unit_test(a_large_extent_gets_its_sums_in_steps),
        cmocka_unit_test(a_dirty_tail_is_zero_before_it_gets_sums),
        cmocka_unit_test(rot_keeps_its_sums_when_they_are_not_enforced),
        cmocka_unit_test(flags_alone_change_nothing_else),
        cmocka_unit_test(a_stream_that_shares_clusters_is_not_converted),
        cmocka_unit_test(a_conversion_that_is_cut_short),
        cmocka_unit_test(a_conversion_abandoned_between_its_transactions),
    };
    return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
