// SPDX-License-Identifier: Apache-2.0
// Who may not write does not: whatever is done with a store that was opened for reading, or that failed, no
// byte of its device changes and no command that could change one is sent.
#include "engine/io.h"

#include "block/blk_sim.h"
#include "engine/orphan.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/super.h"
#include "tests/engine/volume.h"

#define SIZE (16 * MIB)

// --- the gate itself -----------------------------------------------------------------------------

static void a_reader_has_no_way_to_write(void **state)
{
    (void)state;
    struct blk *b;
    struct io io;
    u8 data[512] = {7}, there[512];
    struct iovec iov = {data, sizeof data};
    assert_ok(blk_sim_new(MIB, 0, &b));
    for (u32 turn = 0; turn < 2; turn++) { // before it may, and after it might
        if (turn == 0)
            io_init(&io, b);
        else
            io_stop_writes(&io);
        u64 writes = blk_sim_count(b, SIM_WRITE), flushes = blk_sim_count(b, SIM_FLUSH);
        assert_false(io_may_write(&io));
        assert_status(io_write(&io, data, sizeof data, 0), STATUS_MEDIA_WRITE_PROTECTED);
        assert_status(io_writev(&io, &iov, 1, 0), STATUS_MEDIA_WRITE_PROTECTED);
        assert_status(io_write_flush(&io, data, sizeof data, 0), STATUS_MEDIA_WRITE_PROTECTED);
        assert_status(io_flush(&io), STATUS_MEDIA_WRITE_PROTECTED);
        assert_ok(io_read(&io, there, sizeof there, 0));
        assert_ok(io_readv(&io, &iov, 1, 0));
        assert_int_equal(blk_sim_count(b, SIM_WRITE), writes);
        assert_int_equal(blk_sim_count(b, SIM_FLUSH), flushes);
        io_start_writes(&io);
        assert_true(io_may_write(&io));
        assert_ok(io_write(&io, data, sizeof data, 4096));
        assert_ok(io_writev(&io, &iov, 1, 8192));
        assert_ok(io_write_flush(&io, data, sizeof data, 0));
        assert_ok(io_flush(&io));
        assert_int_equal(blk_sim_count(b, SIM_WRITE), writes + 3);
    }
    blk_close(b);
}

// --- whole stores --------------------------------------------------------------------------------

enum kind { CLEAN, LOGGED, DAMAGED, ORPHANS, EVERYTHING, KINDS };
enum way { BY_FLAG, BY_DEVICE, BY_FEATURE, WAYS };

static struct volume v;
static u64 kept, orphaned; // files

static void leave_orphans(void)
{
    struct txn *t;
    orphaned = volume_create(&v, OBJECT_ROOT, "orphan", false);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(dirent_remove(t, OBJECT_ROOT, STR("orphan")));
    assert_ok(txn_end(t, object_orphan(t, orphaned)));
    assert_ok(store_commit(v.store));
}

static void leave_log(void)
{
    assert_ok(volume_write_file(&v, "logged", 10000));
    assert_ok(store_sync(v.store)); // makes the area
    assert_ok(volume_write_file(&v, "logged too", 10000));
    assert_ok(store_sync(v.store));
    assert_true(v.store->log.head > 0);
}

// First copies of the root, of the kept file's leaf, and of the newest superblock.
static void damage_copies(const struct page_trace *trace, u64 generation)
{
    for (u32 level = trace->bottom; level <= trace->top; level++)
        blk_sim_flip(v.blk, 0, trace->ptr[level].addr[0] + 5000, 1);
    blk_sim_flip(v.blk, 0, generation % 2 * SUPER_SPACING + 3000, 1);
}

// So that a writer must know what this version does not.
static void add_feature(void)
{
    for (u64 slot = 0; slot < 2; slot++)
        for (u64 copy = 0; copy < 2; copy++) {
            struct raw_super super;
            u64 at = slot * SUPER_SPACING + copy * super_mirror_gap(SIZE);
            assert_ok(blk_pread(v.blk, &super, sizeof super, at, NULL));
            if (!super_check(&super))
                continue;
            super.ro_compat = to_le64(from_le64(super.ro_compat) | 1ull << 40);
            super.sum = to_le64(sum_crc64(&super, offsetof(struct raw_super, sum)));
            assert_ok(blk_pwrite(v.blk, &super, sizeof super, at, NULL));
        }
}

// A volume that nobody has open, and that a writer would write to when it opens it.
static void make(enum kind kind, enum way way)
{
    struct page_trace trace;
    struct key key;
    volume_make(&v, SIZE, 4096, 2, OPTION_CASE_SENSITIVE);
    for (u32 i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "file %u", i);
        kept = volume_create(&v, OBJECT_ROOT, name, false);
    }
    assert_ok(volume_write_file(&v, "data", 100000));
    assert_ok(store_commit(v.store));
    if (kind == ORPHANS || kind == EVERYTHING)
        leave_orphans();
    key_begin(&key, kept, KIND_INODE);
    assert_ok(tree_trace(v.store, &key, &trace));
    u64 generation = v.store->durable;
    if (kind == LOGGED || kind == EVERYTHING) {
        leave_log();
        generation = v.store->durable;
        assert_ok(tree_trace(v.store, &key, &trace));
    }
    if (kind == CLEAN)
        assert_ok(store_close(v.store));
    else
        store_abandon(v.store);
    if (kind == DAMAGED || kind == EVERYTHING)
        damage_copies(&trace, generation);
    if (way == BY_FEATURE)
        add_feature();
    if (way == BY_DEVICE)
        blk_set_medium(v.blk, SIZE, true);
}

static void write_things(void)
{
    struct txn *t;
    struct stream *m;
    size_t done;
    u8 byte = 1;
    assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
    assert_status(store_set_label(v.store, STR("x")), STATUS_MEDIA_WRITE_PROTECTED);
    assert_ok(stream_open(v.store, kept, (struct str){NULL, 0}, &m));
    assert_status(stream_write(m, 0, &byte, 1, &done), STATUS_MEDIA_WRITE_PROTECTED);
    assert_status(stream_set_size(m, 10), STATUS_MEDIA_WRITE_PROTECTED);
    stream_close(m);
    if (orphaned)
        assert_status(object_reap(v.store, orphaned), STATUS_MEDIA_WRITE_PROTECTED);
}

static void read_things(void)
{
    struct check_totals totals;
    struct dirent entry;
    struct dir_position position = {0};
    struct inode inode;
    while (dirent_next(v.store, OBJECT_ROOT, &position, &entry) == STATUS_SUCCESS)
        assert_ok(inode_get(v.store, entry.id, &inode));
    (void)!store_check(v.store, &(struct check_options){.data = true}, &totals);
    (void)!store_scrub(v.store, &(struct scrub_position){0}, &(struct scrub_options){0});
}

static void do_everything(void)
{
    for (u32 turn = 0; turn < 2; turn++) {
        read_things();
        write_things();
        // Nothing is there that these would have to make safe.
        assert_ok(store_sync(v.store));
        assert_ok(store_commit(v.store));
        assert_false(store_dirty(v.store));
        store_purge(v.store);
    }
}

static void nothing_changes_what_is_only_read(void **state)
{
    (void)state;
    static u8 before[SIZE], after[SIZE];
    for (u32 i = 0; i < (u32)KINDS * WAYS; i++) {
        enum way way = i % WAYS;
        orphaned = 0;
        make(i / WAYS, way);
        u64 writes = blk_sim_count(v.blk, SIM_WRITE), flushes = blk_sim_count(v.blk, SIM_FLUSH);
        blk_sim_peek(v.blk, 0, before, SIZE, 0);
        assert_ok(store_open(v.blk, way == BY_FLAG ? STORE_READONLY : 0, 0, &v.store));
        do_everything();
        assert_ok(store_close(v.store));
        blk_sim_peek(v.blk, 0, after, SIZE, 0);
        assert_memory_equal(before, after, SIZE);
        assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes);
        assert_int_equal(blk_sim_count(v.blk, SIM_FLUSH), flushes);
        if (way == BY_FLAG && i / WAYS != CLEAN) { // a writer would have
            assert_ok(store_open(v.blk, 0, 0, &v.store));
            assert_ok(store_close(v.store));
            assert_true(blk_sim_count(v.blk, SIM_WRITE) > writes);
        }
        blk_close(v.blk);
    }
}

// Also a scrub that found damage, a reader that met it, and a commit that was cut short and waits.
static void nothing_is_written_after_a_failure(void **state)
{
    (void)state;
    static u8 before[SIZE], after[SIZE];
    for (u32 turn = 0; turn < 2; turn++) {
        orphaned = 0;
        make(CLEAN, BY_FLAG);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        assert_ok(store_sync(v.store));
        leave_log();
        struct page_trace trace;
        struct key key;
        key_begin(&key, kept, KIND_INODE);
        assert_ok(tree_trace(v.store, &key, &trace));
        volume_create(&v, OBJECT_ROOT, "not yet safe", false);
        if (turn == 1) {
            blk_sim_fail(v.blk, SIM_WRITE, 2, (struct sense){SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK});
            assert_status(store_commit(v.store), STATUS_NO_MEDIA_IN_DEVICE);
        }
        damage_copies(&trace, v.store->durable + 1);
        store_fail(v.store, STATUS_IO_DEVICE_ERROR);
        u64 writes = blk_sim_count(v.blk, SIM_WRITE), flushes = blk_sim_count(v.blk, SIM_FLUSH);
        blk_sim_peek(v.blk, 0, before, SIZE, 0);
        store_purge(v.store);
        read_things();
        write_things();
        assert_status(store_sync(v.store), STATUS_IO_DEVICE_ERROR);
        assert_status(store_commit(v.store), STATUS_IO_DEVICE_ERROR);
        assert_status(store_close(v.store), STATUS_IO_DEVICE_ERROR);
        blk_sim_peek(v.blk, 0, after, SIZE, 0);
        assert_memory_equal(before, after, SIZE);
        assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes);
        assert_int_equal(blk_sim_count(v.blk, SIM_FLUSH), flushes);
        blk_close(v.blk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_has_no_way_to_write),
        cmocka_unit_test(nothing_changes_what_is_only_read),
        cmocka_unit_test(nothing_is_written_after_a_failure),
    };
    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
