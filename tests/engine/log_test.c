// SPDX-License-Identifier: Apache-2.0
// Flushes between commits: what goes to the log and what does not, what opening makes of it, damaged and
// hostile entries. That whole histories survive cuts of the power is tests/crash's.
#include <pthread.h>

#include "block/blk_sim.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/stream_record.h"
#include "engine/super.h"
#include "tests/engine/volume.h"

enum { CLUSTER = 4096, BLOCK = LOG_BLOCK };
#define SIZE (16 * MIB)

static struct volume v;
static struct stream *file;
static u64 file_id;

// --- a volume with a log -------------------------------------------------------------------------

static void write_byte(u64 cluster, char byte)
{
    u8 data[CLUSTER];
    size_t done;
    memset(data, byte, sizeof data);
    assert_ok(stream_write(file, cluster * CLUSTER, data, sizeof data, &done));
}

static int read_byte(u64 cluster)
{
    u8 data[CLUSTER];
    size_t done;
    nt_status status = stream_read(file, cluster * CLUSTER, data, sizeof data, &done);
    if (status == STATUS_END_OF_FILE)
        return -1;
    assert_ok(status);
    for (u32 i = 0; i < done; i++)
        assert_int_equal(data[i], data[0]);
    return data[0];
}

static void file_open(void)
{
    assert_ok(stream_open(v.store, file_id, (struct str){NULL, 0}, &file));
}

// A file of one cluster, and a log that has nothing in it yet.
static void begin_sized(u64 size, u32 cluster)
{
    volume_make(&v, size, cluster, 2, OPTION_CASE_SENSITIVE);
    file_id = volume_create(&v, OBJECT_ROOT, "f", false);
    file_open();
    write_byte(0, 'a');
    assert_ok(store_sync(v.store));
}

static void begin(void)
{
    begin_sized(SIZE, CLUSTER);
}

static void end(void)
{
    stream_close(file);
    volume_check(&v);
    volume_free(&v);
}

// The process dies; what it wrote is there.
static bool die(void)
{
    stream_close(file);
    return store_abandon(v.store);
}

static void reopen(u32 flags)
{
    assert_ok(store_open(v.blk, flags, 0, &v.store));
    file_open();
}

static u64 commits(void)
{
    struct store_stats stats;
    store_get_stats(v.store, &stats);
    return stats.commits;
}

static bool exists(const char *name)
{
    struct dirent entry;
    nt_status status = dirent_find(v.store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry);
    assert_true(status == STATUS_SUCCESS || status == STATUS_OBJECT_NAME_NOT_FOUND);
    return status == STATUS_SUCCESS;
}

static u64 log_at(u32 block)
{
    return v.store->log.unit * v.store->unit + (u64)block * BLOCK;
}

static struct raw_super super_now(void)
{
    struct raw_super super;
    struct io io;
    io_init(&io, v.blk);
    assert_ok(super_read(&io, &super, &(nt_status){0}));
    return super;
}

// --- what goes to the log ------------------------------------------------------------------------

static void a_flush_is_one_write_and_one_flush(void **state)
{
    (void)state;
    begin();
    u64 before = commits();
    volume_create(&v, OBJECT_ROOT, "g", false);
    assert_true(store_dirty(v.store));
    u64 writes = blk_sim_count(v.blk, SIM_WRITE), flushes = blk_sim_count(v.blk, SIM_FLUSH);
    assert_ok(store_sync(v.store));
    assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes + 1);
    assert_int_equal(blk_sim_count(v.blk, SIM_FLUSH), flushes + 1);
    assert_int_equal(commits(), before);
    assert_false(store_dirty(v.store));
    assert_ok(store_sync(v.store)); // nothing to do
    assert_int_equal(blk_sim_count(v.blk, SIM_FLUSH), flushes + 1);
    assert_false(die()); // nothing is lost
    reopen(0);
    assert_true(exists("g"));
    end();
}

static void a_flush_of_nothing_writes_nothing(void **state)
{
    (void)state;
    volume_make(&v, SIZE, CLUSTER, 2, OPTION_CASE_SENSITIVE);
    u64 writes = blk_sim_count(v.blk, SIM_WRITE);
    assert_ok(store_sync(v.store));
    assert_ok(store_close(v.store));
    assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes);
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    volume_free(&v);
}

static void what_was_not_flushed_is_lost(void **state)
{
    (void)state;
    begin();
    write_byte(1, 'b');
    assert_ok(store_sync(v.store));
    write_byte(2, 'c');
    volume_create(&v, OBJECT_ROOT, "g", false);
    assert_true(die());
    reopen(0);
    assert_int_equal(read_byte(1), 'b');
    assert_int_equal(read_byte(2), -1);
    assert_false(exists("g"));
    end();
}

static void deletes_clones_and_attributes_come_back(void **state)
{
    (void)state;
    begin();
    volume_create(&v, OBJECT_ROOT, "g", false);
    assert_ok(volume_write_file(&v, "h", 100000));
    assert_ok(store_sync(v.store));
    volume_delete(&v, OBJECT_ROOT, "g");
    struct dirent h;
    struct txn *t;
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("h"), &h));
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, xattr_set(t, h.id, STR("user.x"), "value", 5)));
    assert_ok(store_sync(v.store));
    die();
    reopen(0);
    assert_false(exists("g"));
    char value[8];
    u32 length;
    assert_ok(xattr_get(v.store, h.id, STR("user.x"), value, sizeof value, &length));
    assert_int_equal(length, 5);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t)); // its number is not given again
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE};
    assert_ok(inode_create(t, &inode));
    assert_true(inode.id > h.id);
    assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
    end();
}

// An inode's record holds its own state and its stream's, which are changed side by side: whoever ends last
// must not bring back, nor take back, what the other did.
static void two_may_change_an_inode_at_once(void **state)
{
    (void)state;
    begin();
    for (u32 n = 0; n < 2; n++) {
        struct inode inode;
        struct txn *t;
        nt_status end_with = n == 0 ? STATUS_SUCCESS : STATUS_CANCELLED;
        assert_ok(inode_get(v.store, file_id, &inode));
        inode.changed = 70 + n;
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(inode_put(t, &inode));
        write_byte(5 + n, 'b'); // begins and ends in between
        assert_status(txn_end(t, end_with), end_with);
        for (u32 opened = 0; opened < 2; opened++) {
            assert_ok(inode_get(v.store, file_id, &inode));
            assert_int_equal(inode.changed, 70);
            assert_int_equal(inode.size, (6 + n) * CLUSTER);
            assert_ok(store_sync(v.store));
            die();
            reopen(0);
        }
        assert_int_equal(read_byte(5 + n), 'b');
    }
    end();
}

// Too much for an entry, a full log, and what only a superblock says.
static void the_rest_is_a_commit(void **state)
{
    (void)state;
    static u8 data[MIB];
    size_t done;
    begin();
    u64 before = commits();
    for (u64 at = 0; at < 5; at++)
        assert_ok(stream_write(file, at * MIB, data, sizeof data, &done));
    assert_ok(store_sync(v.store));
    assert_int_equal(commits(), before + 1); // more data than an opener should have to read
    assert_ok(store_set_label(v.store, STR("new")));
    assert_ok(store_sync(v.store));
    assert_int_equal(commits(), before + 2);
    struct inode inode;
    struct txn *t;
    assert_ok(inode_get(v.store, file_id, &inode));
    inode.mode = 0100644; // what other writers must know from now on
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    assert_ok(store_sync(v.store));
    assert_int_equal(commits(), before + 3);
    u32 entries = 0;
    while (commits() == before + 3) {
        write_byte(entries % 50, 'x');
        assert_ok(store_sync(v.store));
        entries++;
    }
    assert_true(entries > 16 && entries <= v.store->log.blocks + 1);
    char name[32];
    for (u32 i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "file %u", i);
        volume_create(&v, OBJECT_ROOT, name, false);
    }
    before = commits();
    assert_ok(store_sync(v.store));
    assert_int_equal(commits(), before + 1); // more records than the buffer has room for
    die();
    reopen(0);
    assert_true(exists("file 1999"));
    end();
}

// Written in place and not under any sum: flushed before the entry that makes it visible.
static void data_without_sums_come_first(void **state)
{
    (void)state;
    begin();
    struct txn *t;
    struct stream *plain;
    size_t done;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .links = 1, .algorithm = CHECKSUM_TYPE_NONE};
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(txn_end(t, dirent_add(t, OBJECT_ROOT, STR("plain"), inode.id, false)));
    assert_ok(stream_open(v.store, inode.id, (struct str){NULL, 0}, &plain));
    assert_ok(stream_write(plain, 0, "abc", 3, &done));
    u64 flushes = blk_sim_count(v.blk, SIM_FLUSH), before = commits();
    assert_ok(store_sync(v.store));
    assert_int_equal(blk_sim_count(v.blk, SIM_FLUSH), flushes + 2);
    assert_ok(stream_write(plain, 1, "B", 1, &done)); // no record changes
    assert_true(store_dirty(v.store));
    assert_ok(store_sync(v.store));
    assert_int_equal(blk_sim_count(v.blk, SIM_FLUSH), flushes + 3);
    assert_int_equal(commits(), before);
    stream_close(plain);
    die();
    reopen(0);
    char data[4];
    assert_ok(stream_open(v.store, inode.id, (struct str){NULL, 0}, &plain));
    assert_ok(stream_read(plain, 0, data, 3, &done));
    assert_memory_equal(data, "aBc", 3);
    stream_close(plain);
    end();
}

static void a_closed_volume_has_no_log(void **state)
{
    (void)state;
    struct store_info before, after;
    volume_make(&v, SIZE, CLUSTER, 2, OPTION_CASE_SENSITIVE);
    store_get_info(v.store, &before);
    file_id = volume_create(&v, OBJECT_ROOT, "f", false);
    file_open();
    assert_ok(store_sync(v.store));
    assert_int_equal(from_le64(super_now().incompat), FEATURE_LOG);
    stream_close(file);
    volume_delete(&v, OBJECT_ROOT, "f");
    assert_ok(store_commit(v.store));
    store_get_info(v.store, &after); // what the log will take was no free space before
    assert_int_equal(after.free_clusters, before.free_clusters);
    volume_reopen(&v);
    assert_int_equal(from_le64(super_now().incompat), 0);
    assert_int_equal(from_le64(super_now().log_unit), 0);
    volume_check(&v);
    volume_free(&v);
}

static void without_room_for_a_log_a_flush_commits(void **state)
{
    (void)state;
    volume_make(&v, 4 * MIB, CLUSTER, 1, OPTION_CASE_SENSITIVE);
    char name[32];
    u32 n = 0;
    do
        snprintf(name, sizeof name, "%u", n++);
    while (volume_write_file(&v, name, 20000) == STATUS_SUCCESS);
    do
        snprintf(name, sizeof name, "%u", n++);
    while (volume_write_file(&v, name, 1) == STATUS_SUCCESS);
    assert_ok(store_sync(v.store));
    assert_int_equal(log_units(v.store), 0);
    volume_delete(&v, OBJECT_ROOT, "0");
    u64 before = commits();
    assert_ok(store_sync(v.store));
    assert_int_equal(commits(), before + 1);
    assert_false(store_abandon(v.store));
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_false(exists("0"));
    volume_check(&v);
    volume_free(&v);
}

// --- what the log needs stays --------------------------------------------------------------------

// Enough to come round to every free place, were it free.
static void overwrite_again_and_again(void)
{
    for (u32 i = 0; i < 4000; i++)
        write_byte(3, (char)('A' + i % 26));
}

static void units_of_entries_are_not_used_again(void **state)
{
    (void)state;
    begin();
    write_byte(1, 'b');
    write_byte(3, 'c');
    assert_ok(store_sync(v.store));
    write_byte(1, 'd'); // what entry one says is not so any more
    u64 before = commits();
    overwrite_again_and_again();
    if (commits() == before) { // else nothing depends on the entry
        die();
        reopen(0);
        assert_int_equal(read_byte(1), 'b');
        assert_int_equal(read_byte(3), 'c');
    }
    end();
}

static void units_of_played_entries_are_not_used_again(void **state)
{
    (void)state;
    begin();
    write_byte(1, 'b');
    assert_ok(store_sync(v.store));
    die();
    reopen(0);
    write_byte(1, 'd');
    u64 before = commits();
    overwrite_again_and_again();
    bool same = commits() == before;
    die();
    reopen(0);
    assert_int_equal(read_byte(1), same ? 'b' : 'd');
    end();
}

// --- opening -------------------------------------------------------------------------------------

static void who_may_not_write_sees_it_too(void **state)
{
    (void)state;
    struct check_totals totals;
    struct check_options options = {.data = true, .finding = volume_finding};
    begin();
    write_byte(1, 'b');
    volume_create(&v, OBJECT_ROOT, "g", false);
    assert_ok(store_sync(v.store));
    write_byte(0, 'c');
    assert_ok(store_sync(v.store));
    die();
    u64 writes = blk_sim_count(v.blk, SIM_WRITE);
    reopen(STORE_READONLY);
    assert_int_equal(read_byte(0), 'c');
    assert_int_equal(read_byte(1), 'b');
    assert_true(exists("g"));
    assert_false(store_dirty(v.store)); // nothing of it can be lost
    assert_ok(store_check(v.store, &options, &totals));
    assert_ok(store_scrub(v.store, &(struct scrub_position){0}, &(struct scrub_options){0}));
    stream_close(file);
    assert_ok(store_close(v.store));
    assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes);
    reopen(0);
    assert_int_equal(read_byte(0), 'c');
    end();
}

static void cut_opening(u64 throws)
{
    begin();
    for (u64 cluster = 0; cluster < 40; cluster++)
        write_byte(cluster, 'b');
    assert_ok(store_sync(v.store));
    write_byte(7, 'c');
    volume_create(&v, OBJECT_ROOT, "g", false);
    assert_ok(store_sync(v.store));
    die();
    assert_ok(blk_sim_record(v.blk));
    reopen(0);
    die();
    u64 writes = blk_sim_recorded(v.blk);
    assert_true(writes > 4);
    for (u64 number = 0; number < (writes + 2) * MAX(throws, 1ull); number++) {
        assert_ok(blk_sim_cut(v.blk, throws ? number / throws : number, throws ? number % throws + 1 : 0));
        reopen(0);
        assert_int_equal(read_byte(6), 'b');
        assert_int_equal(read_byte(7), 'c');
        assert_true(exists("g"));
        volume_check(&v);
        die();
    }
    reopen(0);
    end();
}

// The power fails again while a volume is opened: wherever that is, nothing more is lost.
static void opening_may_be_cut(void **state)
{
    (void)state;
    cut_opening(0);
    cut_opening(5);
}

static void touch(u64 id, u64 time)
{
    struct inode inode;
    struct txn *t;
    assert_ok(inode_get(v.store, id, &inode));
    inode.changed = time;
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    assert_ok(store_sync(v.store));
}

// A small cache must do for whoever opens the volume next, however many pages the log's records are on.
static void a_replay_has_room(void **state)
{
    (void)state;
    enum { FILES = 60000 };
    char name[32];
    u64 ids[FILES];
    u32 seed = 5, n = 0;
    begin_sized(256 * MIB, CLUSTER);
    for (u32 i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%u", i);
        ids[i] = volume_create(&v, OBJECT_ROOT, name, false);
    }
    assert_ok(store_commit(v.store));
    for (u64 before = commits(); commits() == before; n++) // until the log has had enough
        touch(ids[volume_random(&seed, FILES)], 1);
    assert_true(n > 200);
    for (u32 i = 0; i < n - 1; i++)
        touch(ids[volume_random(&seed, FILES)], 2 + i);
    assert_true(v.store->log.head > 200);
    die();
    assert_ok(store_open(v.blk, 0, 1, &v.store));
    file_open();
    struct inode inode;
    seed = 5;
    for (u32 i = 0; i < 2 * n - 1; i++)
        assert_ok(inode_get(v.store, ids[volume_random(&seed, FILES)], &inode));
    assert_int_equal(inode.changed, n);
    end();
}

// --- damage --------------------------------------------------------------------------------------

static struct store_event heard;
static void hear(void *context, const struct store_event *event)
{
    (void)context;
    heard = *event;
}

// Two entries; the first one is a block long.
static void two_entries(void)
{
    begin();
    write_byte(1, 'b');
    assert_ok(store_sync(v.store));
    write_byte(1, 'c');
    assert_ok(store_sync(v.store));
    assert_int_equal(v.store->log.head, 2);
}

static void a_torn_entry_ends_the_log(void **state)
{
    (void)state;
    two_entries();
    u64 at = log_at(1);
    die();
    blk_sim_flip(v.blk, 0, at + 70, 1);
    reopen(0);
    assert_int_equal(read_byte(1), 'b');
    end();
}

// Whichever byte it is, what is found was so at some moment.
static void every_byte_may_rot(void **state)
{
    (void)state;
    two_entries();
    u64 at = log_at(0);
    struct raw_log heads[2];
    for (u32 i = 0; i < 2; i++)
        assert_ok(blk_pread(v.blk, &heads[i], sizeof heads[i], at + i * BLOCK, NULL));
    u32 length = from_le32(heads[0].length), both = length + from_le32(heads[1].length);
    die();
    for (u32 i = 0; i < both; i++) {
        u64 byte = i < length ? at + i : at + BLOCK + (i - length);
        blk_sim_flip(v.blk, 0, byte, (u8)(1u << i % 8));
        reopen(STORE_READONLY);
        assert_int_equal(read_byte(0), 'a');
        assert_int_equal(read_byte(1), i < length ? -1 : 'b');
        stream_close(file);
        assert_ok(store_close(v.store));
        blk_sim_flip(v.blk, 0, byte, (u8)(1u << i % 8));
    }
    reopen(0);
    assert_int_equal(read_byte(1), 'c');
    end();
}

static void damage_before_a_whole_entry_is_told(void **state)
{
    (void)state;
    two_entries();
    u64 at = log_at(0);
    die();
    blk_sim_flip(v.blk, 0, at + 70, 1);
    reopen(0);
    assert_int_equal(read_byte(1), -1);
    store_listen(v.store, hear, NULL);
    assert_int_equal(heard.id, 131);
    assert_int_equal(heard.offset, at);
    assert_int_equal(heard.length, BLOCK);
    end();
}

static const struct sense senses[] = {{SENSE_MEDIUM, 0x11, 0, BLK_TRANSPORT_OK},
                                      {SENSE_HARDWARE, 0x44, 0, BLK_TRANSPORT_OK},
                                      {SENSE_ABORTED, 0x0b, 0, BLK_TRANSPORT_OK},
                                      {SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK},
                                      {.transport = BLK_TIMED_OUT}};
static u8 image[SIZE];

static nt_status open_with_a_failing_read(u32 flags, u64 n, struct sense sense)
{
    assert_ok(blk_pwrite(v.blk, image, SIZE, 0, NULL));
    blk_sim_fail(v.blk, SIM_READ, n, sense);
    nt_status status = store_open(v.blk, flags, 0, &v.store);
    blk_sim_fail(v.blk, SIM_READ, 0, (struct sense){0});
    return status;
}

// Whichever read of an opening fails, of the log or not: a writer finds all that was flushed, or is refused
// with the device's word and has changed nothing. "Cannot be read now" is never "was never written".
static void an_unreadable_block_ends_nothing(void **state)
{
    (void)state;
    two_entries();
    u64 reads = blk_sim_count(v.blk, SIM_READ), used;
    die();
    blk_sim_peek(v.blk, 0, image, SIZE, 0);
    reopen(0);
    used = blk_sim_count(v.blk, SIM_READ) - reads;
    die();
    for (u64 i = 0; i < ARRAY_LEN(senses); i++) {
        u32 refused = 0, shown = 0;
        for (u64 n = 1; n <= used; n++) {
            u64 writes = blk_sim_count(v.blk, SIM_WRITE);
            nt_status status = open_with_a_failing_read(0, n, senses[i]);
            if (status == STATUS_SUCCESS) {
                file_open();
                assert_int_equal(read_byte(1), 'c');
                volume_check(&v);
                die();
                continue;
            }
            assert_false(status_is_damage(status));
            refused += blk_sim_count(v.blk, SIM_WRITE) == writes + 1; // our own
            reopen(0);
            assert_int_equal(read_byte(1), 'c');
            die();
            if (open_with_a_failing_read(STORE_READONLY, n, senses[i]) == STATUS_SUCCESS) {
                shown++;
                file_open();
                int found = read_byte(1);
                assert_true(found == -1 || found == 'b' || found == 'c');
                stream_close(file);
                assert_ok(store_close(v.store));
            }
        }
        assert_true(refused >= 3); // both entries, and the place of the next one
        assert_true(shown >= 3 || senses[i].key == SENSE_NOT_READY);
    }
    assert_ok(blk_pwrite(v.blk, image, SIZE, 0, NULL));
    reopen(0);
    assert_int_equal(read_byte(1), 'c');
    end();
}

static u64 listened[64];
static u32 listened_count;
static void listen(void *context, const struct store_event *event)
{
    (void)context;
    assert_int_equal(event->id, 131);
    if (listened_count < ARRAY_LEN(listened))
        listened[listened_count++] = event->object;
}

// Damage to a leaf that the log touches takes away what is in the leaf, and nothing else.
static void a_rotten_leaf_costs_its_own_records(void **state)
{
    (void)state;
    struct page_trace trace;
    struct inode inode;
    struct key key;
    char name[32];
    u64 first = 0, last = 0;
    begin();
    for (u32 i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%u", i);
        last = volume_create(&v, OBJECT_ROOT, name, false);
        first = first ? first : last;
    }
    assert_ok(store_commit(v.store));
    touch(last, 5);
    touch(first, 6);
    write_byte(1, 'b');
    assert_ok(store_sync(v.store));
    key_begin(&key, last, KIND_INODE);
    assert_ok(store_commit(v.store));
    assert_ok(tree_trace(v.store, &key, &trace));
    touch(last, 7);
    touch(first, 8);
    write_byte(1, 'c');
    assert_ok(store_sync(v.store));
    assert_true(v.store->log.head >= 3);
    die();
    for (u32 copy = 0; copy < 2; copy++)
        blk_sim_flip(v.blk, 0, trace.ptr[0].addr[copy] + 5000, 1);
    for (u32 turn = 0; turn < 3; turn++) { // for reading, for writing, and what the writer left
        assert_ok(store_open(v.blk, turn == 0 ? STORE_READONLY : 0, 0, &v.store));
        listened_count = 0;
        store_listen(v.store, listen, NULL);
        bool told = false;
        for (u32 i = 0; i < listened_count; i++)
            told |= listened[i] == last;
        assert_int_equal(told, turn < 2);
        assert_ok(inode_get(v.store, first, &inode));
        assert_int_equal(inode.changed, 8);
        assert_status(inode_get(v.store, last, &inode), STATUS_DISK_CORRUPT_ERROR);
        file_open();
        assert_int_equal(read_byte(1), 'c');
        if (turn > 0)
            write_byte(2, 'd');
        stream_close(file);
        assert_ok(store_close(v.store));
    }
    blk_close(v.blk);
}

// Without a map there is no place for a changed page: the last commit is shown, and what is missing is told.
static void a_rotten_map_keeps_no_reader_out(void **state)
{
    (void)state;
    two_entries();
    assert_ok(store_commit(v.store));
    struct space_ptr root = v.store->space.root;
    struct ptr ptr = space_page_ptr(v.store, v.store->space.level, 0, &root);
    write_byte(1, 'd');
    assert_ok(store_sync(v.store));
    die();
    for (u32 copy = 0; copy < 2; copy++)
        blk_sim_flip(v.blk, 0, ptr.addr[copy] + 5000, 1);
    reopen(STORE_READONLY);
    listened_count = 0;
    store_listen(v.store, listen, NULL);
    assert_true(listened_count > 0);
    assert_int_equal(read_byte(1), 'c');
    stream_close(file);
    assert_ok(store_close(v.store));
    assert_status(store_open(v.blk, 0, 0, &v.store), STATUS_DISK_CORRUPT_ERROR); // nothing can be written
    blk_close(v.blk);
}

// The entry is there and what it maps is not: that entry never was.
static void an_entry_without_its_data_is_none(void **state)
{
    (void)state;
    two_entries();
    u64 device, len;
    assert_ok(stream_map(file, CLUSTER, &device, &len));
    die();
    blk_sim_flip(v.blk, 0, device + 100, 1);
    reopen(0);
    assert_int_equal(read_byte(1), 'b');
    end();
}

// What an older entry maps had been flushed: damage to it is rot, and told as such.
// A unit that keeps rotten bytes has a sum that it does not match, which a replay would take for data that
// never arrived: such a write is made safe by a commit.
static void a_write_beside_rot_is_safe(void **state)
{
    (void)state;
    enum { UNIT = 16384 };
    static u8 data[4 * UNIT], read[UNIT];
    u64 device, len;
    size_t done;
    begin_sized(64 * MIB, 65536);
    u64 id = volume_create(&v, OBJECT_ROOT, "summed", false);
    struct stream *summed;
    assert_ok(stream_open(v.store, id, (struct str){NULL, 0}, &summed));
    assert_ok(stream_set_integrity(summed, CHECKSUM_TYPE_CRC64, false));
    assert_ok(stream_write(summed, 0, data, sizeof data, &done));
    assert_ok(store_commit(v.store));
    assert_ok(stream_map(summed, 2 * UNIT, &device, &len));
    u8 byte;
    assert_ok(blk_pread(v.blk, &byte, 1, device, NULL));
    byte ^= 1;
    assert_ok(blk_pwrite(v.blk, &byte, 1, device, NULL));
    volume_create(&v, OBJECT_ROOT, "unrelated", false);
    memset(data, 'N', UNIT);
    assert_ok(stream_write(summed, 0, data, UNIT, &done));
    assert_ok(store_sync(v.store));
    stream_close(summed);
    die();
    reopen(0);
    struct dirent entry;
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("unrelated"), &entry));
    assert_ok(stream_open(v.store, id, (struct str){NULL, 0}, &summed));
    assert_ok(stream_read(summed, 0, read, UNIT, &done));
    assert_memory_equal(read, data, UNIT);
    assert_status(stream_read(summed, 2 * UNIT, read, UNIT, &done), STATUS_DATA_CHECKSUM_ERROR);
    stream_close(summed);
    stream_close(file);
    volume_free(&v);
}

static void rot_in_older_data_is_rot(void **state)
{
    (void)state;
    begin();
    write_byte(1, 'b');
    assert_ok(store_sync(v.store));
    u64 device, len;
    size_t done;
    u8 data[CLUSTER];
    assert_ok(stream_map(file, CLUSTER, &device, &len));
    write_byte(8, 'c');
    assert_ok(store_sync(v.store));
    die();
    blk_sim_flip(v.blk, 0, device + 100, 1);
    reopen(0);
    assert_int_equal(read_byte(8), 'c');
    assert_status(stream_read(file, CLUSTER, data, sizeof data, &done), STATUS_DATA_CHECKSUM_ERROR);
    write_byte(1, 'n');
    end();
}

// --- hostile entries -----------------------------------------------------------------------------

static u8 entry[4 * BLOCK];
static u32 entry_length;
static u64 entry_next_object; // 0: as the superblock has it

static void item(u8 kind, const void *key, u16 key_length, const void *value, u16 value_length)
{
    struct raw_log_item raw = {
        .kind = kind, .key_length = to_le16(key_length), .value_length = to_le16(value_length)};
    memcpy(entry + entry_length, &raw, sizeof raw);
    if (key_length)
        memcpy(entry + entry_length + sizeof raw, key, key_length);
    if (value_length)
        memcpy(entry + entry_length + sizeof raw + key_length, value, value_length);
    entry_length += (u32)sizeof raw + key_length + value_length;
}

static void units(u8 kind, u64 unit, u64 count)
{
    u8 key[8], value[8];
    put_le64(key, unit);
    put_le64(value, count);
    item(kind, key, 8, value, 8);
}

// With everything right but what its items say.
static void entry_write(u32 length)
{
    struct raw_super super = super_now();
    struct raw_log head = {.magic = to_le32(LOG_MAGIC),
                           .length = to_le32(length),
                           .generation = super.generation,
                           .super_sum = super.sum,
                           .next_object = entry_next_object ? to_le64(entry_next_object) : super.next_object};
    memcpy(head.volume, super.uuid, sizeof head.volume);
    memcpy(entry, &head, sizeof head);
    put_le64(entry + offsetof(struct raw_log, sum), sum_crc64(entry, MIN(length, (u32)sizeof entry)));
    assert_ok(blk_pwrite(v.blk, entry, sizeof entry, from_le64(super.log_unit) * CLUSTER, NULL));
}

// Opened for reading, so that the log is there for the next one.
static nt_status try_entry(u32 length)
{
    entry_write(length);
    nt_status status = store_open(v.blk, STORE_READONLY, 0, &v.store);
    if (status != STATUS_SUCCESS)
        return status;
    file_open();
    assert_int_equal(read_byte(0), 'a');
    stream_close(file);
    return store_close(v.store);
}

static void entry_begin(void)
{
    memset(entry, 0, sizeof entry);
    entry_length = sizeof(struct raw_log);
}

// Of a commit with the same number that never came to be.
static void entries_of_other_commits_are_none(void **state)
{
    (void)state;
    two_entries();
    u64 at = log_at(0);
    die();
    struct raw_log head;
    assert_ok(blk_pread(v.blk, entry, BLOCK, at, NULL));
    memcpy(&head, entry, sizeof head);
    head.super_sum = to_le64(from_le64(head.super_sum) + 1);
    head.sum = to_le64(0);
    memcpy(entry, &head, sizeof head);
    put_le64(entry + offsetof(struct raw_log, sum), sum_crc64(entry, from_le32(head.length)));
    assert_ok(blk_pwrite(v.blk, entry, BLOCK, at, NULL));
    reopen(0);
    assert_int_equal(read_byte(1), -1);
    end();
}

static void entries_that_make_no_sense_are_none(void **state)
{
    (void)state;
    u8 key[KEY_MAX + 1] = {0, 0, 0, 0, 0, 0, 0, 77, KIND_EXTENT}, value[VALUE_MAX + 1] = {0};
    begin();
    struct raw_extent young = {.unit = to_le64(500), .clusters = to_le32(1), .birth = to_le64(1000)};
    die();
    for (u32 kind = 0; kind < 256; kind++) {
        entry_begin();
        item((u8)kind, key, 17, &young, sizeof young);
        assert_ok(try_entry(entry_length));
    }
    static const u16 lengths[][3] = {
        {LOG_PATCH, 17, 3},          {LOG_PATCH, 9, 2},  {LOG_PUT, 8, 0},  {LOG_PUT, KEY_MAX + 1, 0},
        {LOG_PUT, 9, VALUE_MAX + 1}, {LOG_DELETE, 9, 1}, {LOG_TAKE, 7, 8}, {LOG_TAKE, 8, 9},
        {LOG_DELETE, 0, 0},          {LOG_GIVE, 0, 0},   {LOG_HOLD, 8, 0}};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        entry_begin();
        item((u8)lengths[i][0], key, lengths[i][1], value, lengths[i][2]);
        assert_ok(try_entry(entry_length));
    }
    entry_begin();
    item(LOG_DELETE, key, 17, NULL, 0);
    for (u32 length = 0; length < sizeof entry; length += length < 200 ? 1 : 997)
        if (length != entry_length)
            (void)!try_entry(length); // cut short, or with zeros behind
    for (u32 length = 1u << 31; length; length >>= 1)
        (void)!try_entry(length);
    reopen(0);
    end();
}

static void units_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        u8 kind;
        u64 unit, count;
    } wrong[] = {{LOG_TAKE, 0, 1},          {LOG_TAKE, 1u << 30, 1},     {LOG_TAKE, UINT64_MAX, 2},
                 {LOG_TAKE, 500, 0},        {LOG_TAKE, 500, UINT64_MAX}, {LOG_GIVE, 0, 4},
                 {LOG_HOLD, UINT64_MAX, 1}, {LOG_HOLD, 1u << 20, 1}};
    begin();
    u64 used = v.store->log.unit;
    die();
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        entry_begin();
        units(wrong[i].kind, wrong[i].unit, wrong[i].count);
        assert_status(try_entry(entry_length), STATUS_DISK_CORRUPT_ERROR);
    }
    entry_begin();
    units(LOG_TAKE, used, 1); // not free
    assert_status(try_entry(entry_length), STATUS_DISK_CORRUPT_ERROR);
    assert_status(store_open(v.blk, 0, 0, &v.store), STATUS_DISK_CORRUPT_ERROR);
    entry_begin();
    entry_write(entry_length);
    reopen(0);
    end();
}

// A number of the next object that would wrap into the ones that have a meaning.
static void numbers_never_wrap(void **state)
{
    (void)state;
    static const u64 next[] = {COUNTER_END, UINT64_MAX};
    begin();
    die();
    for (size_t i = 0; i < ARRAY_LEN(next); i++) {
        struct txn *t;
        entry_begin();
        entry_next_object = next[i];
        entry_write(entry_length);
        entry_next_object = 0;
        u64 writes = blk_sim_count(v.blk, SIM_WRITE);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
        assert_ok(store_close(v.store));
        assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes);
    }
    entry_begin();
    entry_write(entry_length);
    reopen(0);
    end();
}

static _Atomic bool synced;

static void *sync_once(void *context)
{
    (void)context;
    assert_ok(store_sync(v.store));
    synced = true;
    return NULL;
}

// A commit may take the state of any moment in which no transaction runs: in each of them the units of the
// area are taken and the superblock's word on it is there, or neither.
static void an_area_is_never_half_made(void **state)
{
    (void)state;
    for (u32 turn = 0; turn < 300; turn++) {
        pthread_t syncer;
        volume_make(&v, 4 * MIB, CLUSTER, 1, OPTION_CASE_SENSITIVE);
        volume_create(&v, OBJECT_ROOT, "f", false);
        u64 avail = v.store->space.avail, wish = log_wish(v.store);
        synced = false;
        assert_int_equal(pthread_create(&syncer, NULL, sync_once, NULL), 0);
        while (!synced) {
            SCOPE_LOCK(&v.store->mutex);
            if (v.store->active > 0)
                continue;
            SCOPE_LOCK(&v.store->space.mutex);
            if (v.store->space.avail + wish <= avail)
                assert_int_not_equal(v.store->log.unit, 0);
        }
        pthread_join(syncer, NULL);
        assert_int_not_equal(v.store->log.unit, 0);
        volume_check(&v);
        volume_free(&v);
    }
}

// A superblock's word on where the log is.
static void areas_that_cannot_be(void **state)
{
    (void)state;
    begin();
    struct raw_super good = super_now();
    die();
    static const struct {
        u64 unit;
        u32 blocks;
        u64 incompat;
    } wrong[] = {{0, 16, FEATURE_LOG},
                 {500, 0, FEATURE_LOG},
                 {500, LOG_BLOCKS_MAX + 1, FEATURE_LOG},
                 {1u << 20, 16, FEATURE_LOG},
                 {4090, 16, FEATURE_LOG},
                 {UINT64_MAX, 16, FEATURE_LOG},
                 {500, UINT32_MAX, FEATURE_LOG},
                 {500, 16, 0}};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct raw_super super = good;
        super.log_unit = to_le64(wrong[i].unit);
        super.log_blocks = to_le32(wrong[i].blocks);
        super.incompat = to_le64(wrong[i].incompat);
        super.sum = to_le64(sum_crc64(&super, offsetof(struct raw_super, sum)));
        assert_false(super_check(&super));
    }
    assert_true(super_check(&good));
    reopen(0);
    end();
}

// --- a device that fails -------------------------------------------------------------------------

static void a_medium_that_comes_back_gets_a_commit(void **state)
{
    (void)state;
    static const enum sim_kind kinds[] = {SIM_WRITE, SIM_FLUSH};
    begin();
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char name[8];
        snprintf(name, sizeof name, "g%zu", i);
        volume_create(&v, OBJECT_ROOT, name, false);
        blk_sim_fail(v.blk, kinds[i], 1, (struct sense){SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK});
        assert_status(store_sync(v.store), STATUS_NO_MEDIA_IN_DEVICE);
        assert_true(store_dirty(v.store));
        u64 before = commits();
        assert_ok(store_sync(v.store));
        assert_int_equal(commits(), before + 1);
        assert_false(store_dirty(v.store));
    }
    die();
    reopen(0);
    assert_true(exists("g0") && exists("g1"));
    end();
}

static void a_device_that_fails_turns_the_volume_read_only(void **state)
{
    (void)state;
    begin();
    write_byte(1, 'b');
    assert_ok(store_sync(v.store));
    write_byte(1, 'c');
    blk_sim_fail(v.blk, SIM_FLUSH, 1, (struct sense){SENSE_HARDWARE, 0x44, 0, BLK_TRANSPORT_OK});
    assert_status(store_sync(v.store), STATUS_IO_DEVICE_ERROR);
    assert_status(store_sync(v.store), STATUS_IO_DEVICE_ERROR);
    struct txn *t;
    assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
    die();
    reopen(0);
    assert_true(read_byte(1) == 'b' || read_byte(1) == 'c');
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flush_is_one_write_and_one_flush),
        cmocka_unit_test(a_flush_of_nothing_writes_nothing),
        cmocka_unit_test(what_was_not_flushed_is_lost),
        cmocka_unit_test(deletes_clones_and_attributes_come_back),
        cmocka_unit_test(two_may_change_an_inode_at_once),
        cmocka_unit_test(the_rest_is_a_commit),
        cmocka_unit_test(data_without_sums_come_first),
        cmocka_unit_test(a_closed_volume_has_no_log),
        cmocka_unit_test(without_room_for_a_log_a_flush_commits),
        cmocka_unit_test(units_of_entries_are_not_used_again),
        cmocka_unit_test(units_of_played_entries_are_not_used_again),
        cmocka_unit_test(who_may_not_write_sees_it_too),
        cmocka_unit_test(opening_may_be_cut),
        cmocka_unit_test(a_replay_has_room),
        cmocka_unit_test(a_torn_entry_ends_the_log),
        cmocka_unit_test(every_byte_may_rot),
        cmocka_unit_test(damage_before_a_whole_entry_is_told),
        cmocka_unit_test(an_unreadable_block_ends_nothing),
        cmocka_unit_test(a_rotten_leaf_costs_its_own_records),
        cmocka_unit_test(a_rotten_map_keeps_no_reader_out),
        cmocka_unit_test(an_entry_without_its_data_is_none),
        cmocka_unit_test(a_write_beside_rot_is_safe),
        cmocka_unit_test(rot_in_older_data_is_rot),
        cmocka_unit_test(entries_of_other_commits_are_none),
        cmocka_unit_test(entries_that_make_no_sense_are_none),
        cmocka_unit_test(units_that_cannot_be_are_refused),
        cmocka_unit_test(numbers_never_wrap),
        cmocka_unit_test(an_area_is_never_half_made),
        cmocka_unit_test(areas_that_cannot_be),
        cmocka_unit_test(a_medium_that_comes_back_gets_a_commit),
        cmocka_unit_test(a_device_that_fails_turns_the_volume_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
