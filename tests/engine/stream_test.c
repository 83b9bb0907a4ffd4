// SPDX-License-Identifier: Apache-2.0
// File data: what is written is read, whatever the offsets; rot is found in whole 16 KiB units; random work
// against a model.
#include "tests/test.h"

#include <pthread.h>
#include <sched.h>

#include "block/blk_sim.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/txn.h"
#include "tests/engine/volume.h"

static struct stream *make(struct volume *v, const char *name, bool summed)
{
    struct txn *t;
    struct stream *m;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE,
                          .links = 1,
                          .algorithm = summed ? CHECKSUM_TYPE_CRC64 : CHECKSUM_TYPE_NONE};
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, inode.id, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(stream_open(v->store, inode.id, (struct str){NULL, 0}, &m));
    return m;
}

static void fill(u8 *data, size_t len, u32 seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (u8)(seed >> 24);
    }
}

static void flip(struct volume *v, struct stream *m, u64 offset)
{
    u64 device, len;
    u8 byte;
    assert_ok(stream_map(m, offset, &device, &len));
    assert_true(device != UINT64_MAX);
    assert_ok(blk_pread(v->blk, &byte, 1, device, NULL));
    byte ^= 1;
    assert_ok(blk_pwrite(v->blk, &byte, 1, device, NULL));
}

// The seed document's example, and the units next to it (spec cases 104 to 107, 109, 111, 112).
static void rot_fails_the_whole_unit(void **state)
{
    (void)state;
    static const u32 clusters[] = {4096, 65536};
    static u8 data[65536], back[65536];
    for (size_t i = 0; i < ARRAY_LEN(clusters); i++) {
        struct volume v;
        size_t done;
        volume_make(&v, 32 * MIB, clusters[i], 2, 0);
        struct stream *m = make(&v, "f", true);
        fill(data, sizeof data, 7);
        assert_ok(stream_write(m, 0, data, sizeof data, &done));
        flip(&v, m, 12 * KIB);
        assert_status(stream_read(m, 0, back, 4096, &done), STATUS_DATA_CHECKSUM_ERROR);
        assert_int_equal(done, 0);
        assert_status(stream_read(m, 12 * KIB, back, 4096, &done), STATUS_DATA_CHECKSUM_ERROR);
        assert_status(stream_read(m, 16380, back, 8, &done), STATUS_DATA_CHECKSUM_ERROR);
        assert_status(stream_read(m, 0, back, 65536, &done), STATUS_DATA_CHECKSUM_ERROR);
        assert_ok(stream_read(m, 16 * KIB, back, 4096, &done));
        assert_memory_equal(back, data + 16 * KIB, 4096);
        assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC64, true));
        assert_ok(stream_read(m, 0, back, 65536, &done));
        assert_int_equal(back[12 * KIB], data[12 * KIB] ^ 1);
        assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC64, false));
        assert_status(stream_read(m, 0, back, 4096, &done), STATUS_DATA_CHECKSUM_ERROR);
        stream_close(m);
        m = make(&v, "plain", false);
        assert_ok(stream_write(m, 0, data, sizeof data, &done));
        flip(&v, m, 12 * KIB);
        assert_ok(stream_read(m, 0, back, 4096 * 4, &done));
        stream_close(m);
        volume_free(&v);
    }
}

// Cases 113 to 115: new places for every write, no laundering of a rotten cluster, a whole overwrite heals.
static void writes_go_to_new_places(void **state)
{
    (void)state;
    static u8 data[65536], back[65536];
    struct volume v;
    u64 before, after, len;
    size_t done;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    struct stream *m = make(&v, "f", true);
    fill(data, sizeof data, 3);
    assert_ok(stream_write(m, 0, data, sizeof data, &done));
    assert_ok(stream_map(m, 4096, &before, &len));
    assert_ok(stream_write(m, 5000, "x", 1, &done));
    assert_ok(stream_map(m, 4096, &after, &len));
    assert_true(before != after);
    assert_int_equal(len, 4096);
    data[5000] = 'x';
    assert_ok(stream_read(m, 0, back, sizeof back, &done));
    assert_memory_equal(back, data, sizeof data);
    flip(&v, m, 8192);
    assert_status(stream_write(m, 8200, "y", 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    assert_status(stream_read(m, 8192, back, 10, &done), STATUS_DATA_CHECKSUM_ERROR);
    assert_ok(stream_write(m, 8192, data + 8192, 4096, &done));
    assert_ok(stream_read(m, 0, back, sizeof back, &done));
    assert_memory_equal(back, data, sizeof data);
    stream_close(m);
    volume_check(&v);
    volume_free(&v);
}

// Nothing that changes a part of a damaged unit gives the rest of it a good sum, also when reads are not
// refused; the other units of its cluster can be written, and it can be written whole.
static void rot_stays_until_its_unit_is_replaced(void **state)
{
    (void)state;
    static const u32 clusters[] = {4096, 65536};
    enum { LEN = 65536 };
    static const struct {
        u64 at, len;
        enum { WRITE, ZERO, CUT } how;
        bool heals, beside; // beside: no byte of the damaged unit is changed
    } steps[] = {
        {16384 + 100, 1, WRITE, false, false},
        {16384 + 4096 - 1, 1, WRITE, false, false},
        {100, 16384 + 4, WRITE, false, false},
        {16384 + 10, LEN, WRITE, false, false},
        {16384 + 200, 50, ZERO, false, false},
        {16384 + 2000, 0, CUT, false, false},
        {100, 1, WRITE, false, true},
        {0, 16384, WRITE, false, true},
        {16384 * 2 + 100, 30, WRITE, false, true},
        {16384 * 2 + 100, 0, CUT, false, true},
        {16384, 16384, WRITE, true, false},
        {16384, LEN, WRITE, true, false},
        {16384 - 1, 16384 + 2, WRITE, true, false},
        {100, LEN, WRITE, true, false},
        {16384, 16384, ZERO, true, false},
        {16384, 0, CUT, true, false},
    };
    static u8 data[LEN * 2], back[LEN * 2];
    for (size_t i = 0; i < ARRAY_LEN(clusters) * ARRAY_LEN(steps) * 2; i++) {
        const u32 cluster = clusters[i % 2];
        const bool enforced = i / 2 % 2 == 0;
        struct volume v;
        size_t done;
        u64 at = steps[i / 4].at, len = steps[i / 4].len;
        volume_make(&v, 32 * MIB, cluster, 2, 0);
        struct stream *m = make(&v, "f", true);
        fill(data, sizeof data, 5);
        assert_ok(stream_write(m, 0, data, LEN, &done));
        flip(&v, m, 16384 + 1000);
        assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC64, !enforced));
        nt_status status = steps[i / 4].how == WRITE  ? stream_write(m, at, data + at, len, &done)
                           : steps[i / 4].how == ZERO ? stream_zero(m, at, len)
                                                      : stream_set_size(m, at);
        bool refused = enforced && !steps[i / 4].heals && !steps[i / 4].beside;
        assert_status(status, refused ? STATUS_DATA_CHECKSUM_ERROR : STATUS_SUCCESS);
        assert_ok(stream_set_integrity(m, CHECKSUM_TYPE_CRC64, false));
        if (at > 16384)
            assert_status(stream_read(m, 16384, back, 1, &done),
                          steps[i / 4].heals ? STATUS_SUCCESS : STATUS_DATA_CHECKSUM_ERROR);
        if (steps[i / 4].heals)
            volume_check(&v);
        assert_ok(stream_read(m, 0, back, 16384, &done));
        assert_memory_equal(back, data, 16384);
        stream_close(m);
        volume_free(&v);
    }
}

// A shrink cuts them off and gives them back behind a reader's back.
static void clusters_behind_the_end_are_not_read(void **state)
{
    (void)state;
    struct volume v;
    struct extent e = {.first = 1, .flags = EXTENT_SUMMED};
    u8 back[4096];
    size_t done;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    struct stream *m = make(&v, "f", true);
    assert_ok(stream_write(m, 0, "abc", 3, &done));
    struct txn *t;
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_alloc(t, 1, &e.unit, &e.clusters));
    assert_ok(txn_end(t, extent_put(t, stream_data(m), &e)));
    assert_ok(stream_read(m, 0, back, sizeof back, &done));
    assert_int_equal(done, 3);
    assert_memory_equal(back, "abc", 3);
    stream_close(m);
    volume_free(&v);
}

static void ends(void **state)
{
    (void)state;
    struct volume v;
    u8 back[100];
    size_t done;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    struct stream *m = make(&v, "f", true);
    assert_status(stream_read(m, 0, back, 1, &done), STATUS_END_OF_FILE);
    assert_ok(stream_read(m, 0, back, 0, &done));
    assert_ok(stream_write(m, 10, "abc", 3, &done));
    assert_ok(stream_read(m, 8, back, 100, &done));
    assert_int_equal(done, 5);
    assert_memory_equal(back, "\0\0abc", 5);
    assert_status(stream_write(m, INT64_MAX, "abc", 3, &done), STATUS_INVALID_PARAMETER);
    assert_status(stream_write(m, UINT64_MAX, "abc", 3, &done), STATUS_INVALID_PARAMETER);
    assert_ok(stream_set_size(m, 1ull << 60));
    assert_ok(stream_read(m, (1ull << 60) - 4, back, 100, &done));
    assert_int_equal(done, 4);
    struct stream_info info;
    stream_get_info(m, &info);
    assert_int_equal(info.allocated, 4096);
    stream_close(m);
    volume_check(&v);
    volume_free(&v);
}

// --- what readers see of a change that fails -----------------------------------------------------

// Every fourth cluster is mapped, so that the record of the stream and the extents in the middle lie in
// different leaves of the tree.
enum { SPARSE = 3000, PLACE = 2000 * 4 };

struct watch {
    struct stream *stream, *source;
    _Atomic bool stop;
    _Atomic u64 reads, wrong; // wrong: neither the old bytes nor, where they may be, the new ones
    _Atomic int allowed;      // the new ones' first byte; -1: none
};

static void *watch_place(void *context)
{
    struct watch *w = context;
    u8 seen[4096];
    size_t done;
    while (!atomic_load(&w->stop)) {
        int allowed = atomic_load(&w->allowed);
        nt_status status = stream_read(w->stream, (u64)PLACE * 4096, seen, sizeof seen, &done);
        bool fine = status != STATUS_SUCCESS || seen[0] == 'o' || seen[0] == allowed;
        for (size_t i = 1; i < done; i++)
            fine &= seen[i] == seen[0];
        atomic_fetch_add(&w->wrong, !fine);
        atomic_fetch_add(&w->reads, 1);
    }
    return NULL;
}

static nt_status change_place(struct watch *w, int how)
{
    static u8 data[2 * 4096];
    u64 at = (u64)PLACE * 4096;
    size_t done;
    memset(data, 'N', sizeof data);
    switch (how) {
    case 0:
        return stream_write(w->stream, at, data, sizeof data, &done);
    case 1:
        return stream_zero(w->stream, at, 4096);
    case 2:
        return stream_clone(w->source, 0, w->stream, at, 8192);
    default:
        return stream_set_size(w->stream, at + 4096 - 1);
    }
}

static void sparse_make(struct volume *v, struct watch *w)
{
    static u8 data[8192];
    size_t done;
    volume_make(v, 256 * MIB, 4096, 2, 0);
    *w = (struct watch){.stream = make(v, "f", true), .source = make(v, "source", true), .allowed = -1};
    memset(data, 'o', sizeof data);
    for (u64 n = 0; n < SPARSE; n++)
        assert_ok(stream_write(w->stream, n * 4 * 4096, data, 4096, &done));
    memset(data, 'N', sizeof data);
    assert_ok(stream_write(w->source, 0, data, 8192, &done));
    assert_ok(stream_clone(w->source, 0, w->stream, 0, 4096)); // the next one needs not mark the source
    assert_ok(store_commit(v->store));
}

static void sparse_free(struct volume *v, struct watch *w)
{
    stream_close(w->stream);
    stream_close(w->source);
    store_abandon(v->store);
    blk_close(v->blk);
}

// The leaf with the stream's own record is rotten, so each change fails when its mapping has been changed.
static void nobody_sees_what_is_undone(void **state)
{
    (void)state;
    struct volume v;
    struct watch w;
    pthread_t threads[2];
    struct page_trace trace;
    struct stream_info before, after;
    sparse_make(&v, &w);
    assert_ok(tree_trace(v.store, &w.stream->key, &trace));
    for (int copy = 0; copy < 2; copy++)
        blk_sim_flip(v.blk, 0, trace.ptr[0].addr[copy] + 5000, 1);
    store_purge(v.store);
    stream_get_info(w.stream, &before);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, watch_place, &w);
    for (int turn = 0; turn < 120; turn++) {
        u64 reads = atomic_load(&w.reads);
        assert_status(change_place(&w, turn % 4), STATUS_DISK_CORRUPT_ERROR);
        while (atomic_load(&w.reads) < reads + 50)
            sched_yield();
    }
    atomic_store(&w.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(w.wrong, 0);
    stream_get_info(w.stream, &after);
    assert_memory_equal(&before, &after, sizeof after);
    sparse_free(&v, &w);
}

// The n-th read of a change fails, or one of a reader's: what a reader gets is old or new, and behind the
// change just what its status says.
static void readers_beside_a_failing_device(void **state)
{
    (void)state;
    static const int becomes[] = {'N', 0, 'N', 'o'};
    for (int how = 0; how < 4; how++) {
        for (u64 n = 1; n < 25; n += 3) {
            struct volume v;
            struct watch w;
            pthread_t thread;
            u8 seen;
            size_t done;
            sparse_make(&v, &w);
            atomic_store(&w.allowed, becomes[how]);
            store_purge(v.store);
            pthread_create(&thread, NULL, watch_place, &w);
            blk_sim_fail(v.blk, SIM_READ, n, (struct sense){SENSE_MEDIUM, 0x11, 0, 0});
            nt_status status = change_place(&w, how);
            atomic_store(&w.stop, true);
            pthread_join(thread, NULL);
            blk_sim_fail(v.blk, SIM_READ, 0, (struct sense){0});
            assert_int_equal(w.wrong, 0);
            assert_ok(stream_read(w.stream, (u64)PLACE * 4096, &seen, 1, &done));
            assert_int_equal(seen, status == STATUS_SUCCESS ? becomes[how] : 'o');
            sparse_free(&v, &w);
        }
    }
}

// --- random work against a model -----------------------------------------------------------------

enum { MODEL = 3 << 20, STREAMS = 3 };

struct model {
    struct stream *stream;
    u8 *data;
    u64 size, id;
};

static u32 rng;
static u32 next_random(u32 below)
{
    rng = rng * 1664525 + 1013904223;
    return (u32)(((u64)rng * below) >> 32);
}

static void compare(struct model *m)
{
    static u8 back[MODEL];
    struct stream_info info;
    size_t done;
    stream_get_info(m->stream, &info);
    assert_int_equal(info.size, m->size);
    if (m->size == 0)
        return;
    assert_ok(stream_read(m->stream, 0, back, MODEL, &done));
    assert_int_equal(done, m->size);
    assert_memory_equal(back, m->data, m->size);
}

static void random_write(struct model *m)
{
    static u8 data[400000];
    u64 at = next_random(MODEL - sizeof data);
    size_t len = next_random(next_random(4) ? 5000 : sizeof data), done;
    fill(data, len, rng);
    assert_ok(stream_write(m->stream, at, data, len, &done));
    assert_int_equal(done, len);
    if (len == 0)
        return;
    memcpy(m->data + at, data, len);
    m->size = MAX(m->size, at + len);
}

static void random_size(struct model *m)
{
    u64 size = next_random(MODEL);
    assert_ok(stream_set_size(m->stream, size));
    if (size < m->size)
        memset(m->data + size, 0, m->size - size);
    m->size = size;
}

static void random_zero(struct model *m)
{
    u64 at = next_random(MODEL), len = next_random(200000);
    assert_ok(stream_zero(m->stream, at, len));
    if (at < m->size)
        memset(m->data + at, 0, MIN(len, m->size - at));
}

static void random_clone(struct model *all, u32 cluster)
{
    struct model *from = &all[next_random(STREAMS)], *to = &all[next_random(STREAMS)];
    u64 a = align_down(next_random((u32)from->size + 1), cluster),
        b = align_down(next_random((u32)to->size + 1), cluster);
    u64 len = next_random(600000);
    len = align_down(MIN(len, MIN(from->size - a, to->size - b)), cluster);
    nt_status status = stream_clone(from->stream, a, to->stream, b, len);
    struct stream_info fi, ti;
    stream_get_info(from->stream, &fi);
    stream_get_info(to->stream, &ti);
    if ((fi.algorithm == 0) != (ti.algorithm == 0)) {
        assert_status(status, STATUS_INVALID_PARAMETER);
    } else if (from == to && len > 0 && a < b + len && b < a + len) {
        assert_status(status, STATUS_NOT_SUPPORTED);
    } else {
        assert_ok(status);
        memmove(to->data + b, from->data + a, len);
    }
}

static void random_integrity(struct model *m)
{
    nt_status status = stream_set_integrity(m->stream, next_random(2) ? CHECKSUM_TYPE_CRC32 : 0, false);
    assert_true(status == STATUS_SUCCESS || status == STATUS_NOT_SUPPORTED);
}

static void reopen(struct volume *v, struct model *all)
{
    for (int i = 0; i < STREAMS; i++)
        stream_close(all[i].stream);
    volume_reopen(v);
    for (int i = 0; i < STREAMS; i++)
        assert_ok(stream_open(v->store, all[i].id, (struct str){NULL, 0}, &all[i].stream));
}

static void random_work(u32 cluster, u32 seed)
{
    struct volume v;
    struct model all[STREAMS] = {0};
    volume_make(&v, 64 * MIB, cluster, 2, 0);
    rng = seed;
    for (int i = 0; i < STREAMS; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        all[i].stream = make(&v, name, i != 1);
        all[i].id = all[i].stream->id;
        all[i].data = calloc(1, MODEL);
    }
    for (int step = 0; step < 400; step++) {
        struct model *m = &all[next_random(STREAMS)];
        switch (next_random(10)) {
        case 0:
            random_size(m);
            break;
        case 1:
            random_zero(m);
            break;
        case 2:
            random_clone(all, cluster);
            break;
        case 3:
            random_integrity(m);
            break;
        case 4:
            if (next_random(4) == 0)
                reopen(&v, all);
            else
                assert_ok(store_commit(v.store));
            break;
        default:
            random_write(m);
        }
        if (step % 20 == 0)
            volume_check(&v);
        compare(m);
    }
    for (int i = 0; i < STREAMS; i++) {
        compare(&all[i]);
        stream_close(all[i].stream);
        free(all[i].data);
    }
    volume_check(&v);
    volume_free(&v);
}

static void random_work_4k(void **state)
{
    (void)state;
    for (u32 seed = 1; seed <= 4; seed++)
        random_work(4096, seed);
}

static void random_work_64k(void **state)
{
    (void)state;
    for (u32 seed = 1; seed <= 4; seed++)
        random_work(65536, seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rot_fails_the_whole_unit),
        cmocka_unit_test(writes_go_to_new_places),
        cmocka_unit_test(rot_stays_until_its_unit_is_replaced),
        cmocka_unit_test(clusters_behind_the_end_are_not_read),
        cmocka_unit_test(ends),
        cmocka_unit_test(nobody_sees_what_is_undone),
        cmocka_unit_test(readers_beside_a_failing_device),
        cmocka_unit_test(random_work_4k),
        cmocka_unit_test(random_work_64k),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
