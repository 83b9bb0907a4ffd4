// SPDX-License-Identifier: Apache-2.0
// Transactions: a failed one leaves the records and the space as they were, threads and commits keep out of
// each other's way, a full volume says so and can be emptied.
#include "tests/test.h"

#include "block/blk_sim.h"
#include "engine/store.h"
#include "engine/txn.h"
#include "tests/engine/volume.h"

// --- undo
// -----------------------------------------------------------------------------------------------------------

enum { KEYS = 300 };

static struct key number_key(u64 n)
{
    struct key key;
    key_begin(&key, 1000, KIND_LINK);
    key_add_u64(&key, n);
    return key;
}

// A sum of all records with their keys.
static u64 sum_of_records(struct store *s)
{
    static struct record record;
    struct key key = {.len = 1};
    u64 sum = 0;
    while (tree_find(s, &key, TREE_ABOVE, &record) == STATUS_SUCCESS) {
        sum = sum * 31 + sum_crc64(record.key.b, record.key.len);
        sum = sum * 31 + sum_crc64(record.value, record.len) + record.len;
        key = record.key;
    }
    return sum;
}

static void change_at_random(struct txn *t, u32 *rng)
{
    u8 value[VALUE_MAX];
    struct key key = number_key(volume_random(rng, KEYS));
    u32 len = volume_random(rng, volume_random(rng, 6) ? 100 : VALUE_MAX + 1), clusters;
    u64 unit;
    memset(value, (int)volume_random(rng, 256), sizeof value);
    switch (volume_random(rng, 5)) {
    case 0:
    case 1:
        assert_ok(tree_put(t, &key, value, len));
        break;
    case 2:
        (void)!tree_delete(t, &key);
        break;
    case 3:
        (void)!tree_patch(t, &key, volume_random(rng, 50), value, volume_random(rng, 50));
        break;
    default:
        assert_ok(txn_alloc(t, 1 + volume_random(rng, 20), &unit, &clusters));
    }
}

static void failed_work_leaves_the_old_records(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    u32 rng = 1;
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    for (int turn = 0; turn < 300; turn++) {
        u64 before = sum_of_records(v.store);
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        for (u32 n = volume_random(&rng, 40); n > 0; n--)
            change_at_random(t, &rng);
        assert_status(txn_end(t, STATUS_ACCESS_DENIED), STATUS_ACCESS_DENIED);
        assert_true(sum_of_records(v.store) == before);
        // Something to undo next time; records only.
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        for (u32 n = volume_random(&rng, 10); n > 0; n--) {
            u8 value[100];
            struct key key = number_key(volume_random(&rng, KEYS));
            memset(value, (int)n, sizeof value);
            if (volume_random(&rng, 3))
                assert_ok(tree_put(t, &key, value, volume_random(&rng, sizeof value)));
            else
                (void)!tree_delete(t, &key);
        }
        assert_ok(txn_end(t, STATUS_SUCCESS));
        if (turn % 50 == 0) {
            before = sum_of_records(v.store);
            volume_reopen(&v);
            assert_true(sum_of_records(v.store) == before);
        }
    }
    volume_check(&v); // nothing that was allocated is left behind
    volume_free(&v);
}

static void space_is_given_back(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    u64 unit, other;
    u32 clusters;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    u64 avail = v.store->space.avail;
    assert_ok(txn_alloc(t, 100, &unit, &clusters));
    assert_int_equal(clusters, 100);
    assert_int_equal(v.store->space.avail, avail - 100);
    assert_status(txn_end(t, STATUS_DISK_FULL), STATUS_DISK_FULL);
    assert_int_equal(v.store->space.avail, avail);

    // What a transaction frees stays in use until it succeeds, and then until the commit.
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_alloc(t, 100, &unit, &clusters));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(store_commit(v.store));
    avail = v.store->space.avail;
    u64 free = v.store->space.root.free;
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_ok(txn_free(t, unit, 50, false));
    assert_ok(txn_free(t, unit + 50, 50, false));
    assert_int_equal(v.store->space.root.free, free);
    assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
    assert_int_equal(v.store->space.root.free, free);
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_ok(txn_free(t, unit, 100, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_int_equal(v.store->space.root.free, free + 100);
    assert_int_equal(v.store->space.avail, avail);
    assert_ok(store_commit(v.store));
    assert_int_equal(v.store->space.avail, avail + 100);

    // Damaged records may name any place.
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_status(txn_free(t, v.store->units, 1, false), STATUS_DISK_CORRUPT_ERROR);
    assert_status(txn_end(t, STATUS_DISK_CORRUPT_ERROR), STATUS_DISK_CORRUPT_ERROR);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_alloc(t, 1, &other, &clusters));
    assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
    volume_check(&v);
    volume_free(&v);
}

// Reads fail at every possible point of a piece of work: it is undone, or nothing was done.
static void an_error_in_the_middle(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 32 * MIB, 4096, 1, 0);
    for (int i = 0; i < 600; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        volume_create(&v, OBJECT_ROOT, name, false);
    }
    assert_ok(store_commit(v.store));
    u64 before = sum_of_records(v.store);
    nt_status status = STATUS_IO_DEVICE_ERROR;
    for (u64 n = 1; status != STATUS_SUCCESS; n++) {
        struct txn *t;
        struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .links = 1};
        assert_true(n < 100);
        assert_true(sum_of_records(v.store) == before);
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        store_purge(v.store);
        blk_sim_fail(v.blk, SIM_READ, n, (struct sense){SENSE_HARDWARE, 0x44, 0, 0});
        status = inode_create(t, &inode);
        if (status == STATUS_SUCCESS)
            status = dirent_add(t, OBJECT_ROOT, STR("a new one"), inode.id, false);
        if (status == STATUS_SUCCESS)
            status = dirent_remove(t, OBJECT_ROOT, STR("f300"));
        if (status == STATUS_SUCCESS)
            status = dirent_remove(t, OBJECT_ROOT, STR("f599"));
        if (status != STATUS_SUCCESS)
            assert_status(status, STATUS_IO_DEVICE_ERROR);
        assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
        blk_sim_fail(v.blk, SIM_READ, 0, (struct sense){0});
        assert_int_equal(v.store->failed, STATUS_SUCCESS);
        // What was made writable before the failure is dirty now: start again from the medium.
        store_abandon(v.store);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
    }
    volume_check(&v);
    volume_free(&v);
}

// --- threads
// -----------------------------------------------------------------------------------------------------------

enum { THREADS = 4, ROUNDS = 400 };

struct worker {
    struct store *store;
    u64 object;
    _Atomic bool *stop;
    u64 value; // that its two records hold at the end
};

// Two records that always change together.
static void *change_both(void *context)
{
    struct worker *w = context;
    for (u64 n = 1; n <= ROUNDS; n++) {
        struct txn *t;
        struct key a, b;
        key_begin(&a, w->object, KIND_LINK);
        key_begin(&b, w->object + 100, KIND_LINK);
        assert_ok(txn_begin(w->store, TXN_NORMAL, &t));
        nt_status status = tree_put(t, &a, &n, sizeof n);
        if (status == STATUS_SUCCESS)
            status = tree_put(t, &b, &n, sizeof n);
        assert_ok(status);
        if (n % 3 == 0) {
            assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
        } else {
            assert_ok(txn_end(t, STATUS_SUCCESS));
            w->value = n;
        }
        if (n % 100 == 0)
            assert_ok(store_commit(w->store));
    }
    return NULL;
}

static void *commit_all_the_time(void *context)
{
    struct worker *w = context;
    do
        assert_ok(store_commit(w->store));
    while (!*w->stop);
    return NULL;
}

static u64 value_of(struct store *s, u64 object)
{
    static struct record record;
    struct key key;
    key_begin(&key, object, KIND_LINK);
    return tree_find(s, &key, TREE_EQUAL, &record) == STATUS_SUCCESS ? get_le64(record.value) : 0;
}

static void many_threads_and_commits(void **state)
{
    (void)state;
    struct volume v;
    pthread_t threads[THREADS], committer;
    struct worker workers[THREADS];
    _Atomic bool stop = false;
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    struct worker commits = {.store = v.store, .stop = &stop};
    assert_int_equal(pthread_create(&committer, NULL, commit_all_the_time, &commits), 0);
    for (u64 i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.store = v.store, .object = 1000 + i};
        assert_int_equal(pthread_create(&threads[i], NULL, change_both, &workers[i]), 0);
    }
    for (u64 i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stop = true;
    pthread_join(committer, NULL);
    for (u64 i = 0; i < THREADS; i++) {
        assert_int_equal(value_of(v.store, 1000 + i), workers[i].value);
        assert_int_equal(value_of(v.store, 1100 + i), workers[i].value);
    }
    struct store_stats stats;
    store_get_stats(v.store, &stats);
    assert_true(stats.commits > 0);
    volume_check(&v);
    volume_free(&v);
}

// A commit catches either both records of a pair or none: what is on the medium at any time says so.
static void a_commit_never_cuts_a_transaction(void **state)
{
    (void)state;
    struct volume v;
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    for (u64 i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.store = v.store, .object = 1000 + i};
        assert_int_equal(pthread_create(&threads[i], NULL, change_both, &workers[i]), 0);
    }
    for (int turn = 0; turn < 20; turn++) {
        struct store *seen;
        assert_ok(store_commit(v.store));
        if (store_open(v.blk, STORE_READONLY, MIB, &seen) != STATUS_SUCCESS)
            continue;
        for (u64 i = 0; i < THREADS; i++) {
            struct record a, b;
            struct key key, other;
            key_begin(&key, 1000 + i, KIND_LINK);
            key_begin(&other, 1100 + i, KIND_LINK);
            nt_status first = tree_find(seen, &key, TREE_EQUAL, &a);
            nt_status second = tree_find(seen, &other, TREE_EQUAL, &b);
            // Places of two commits ago may have been used again meanwhile.
            if (first == STATUS_DISK_CORRUPT_ERROR || second == STATUS_DISK_CORRUPT_ERROR)
                continue;
            assert_int_equal(first, second);
            if (first == STATUS_SUCCESS)
                assert_memory_equal(a.value, b.value, 8);
        }
        store_abandon(seen);
    }
    for (u64 i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    volume_check(&v);
    volume_free(&v);
}

struct gate {
    struct store *store;
    _Atomic bool done;
};

static void *commit_once(void *context)
{
    struct gate *g = context;
    assert_ok(store_commit(g->store));
    g->done = true;
    return NULL;
}

static void *one_transaction(void *context)
{
    struct gate *g = context;
    struct txn *t;
    struct key key = number_key(77);
    assert_ok(txn_begin(g->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, "y", 1)));
    g->done = true;
    return NULL;
}

// The commit waits for a running transaction, new ones wait for the commit's seal, all get through.
static void the_gate_waits_for_open_transactions(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    pthread_t committer, other;
    struct key key = number_key(1);
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    struct gate commit = {.store = v.store}, begin = {.store = v.store};
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(tree_put(t, &key, "x", 1));
    u64 durable = v.store->durable;
    assert_int_equal(pthread_create(&committer, NULL, commit_once, &commit), 0);
    for (bool closing = false; !closing;) {
        SCOPE_LOCK(&v.store->mutex);
        closing = v.store->closing;
    }
    assert_int_equal(pthread_create(&other, NULL, one_transaction, &begin), 0);
    assert_false(commit.done);
    assert_false(begin.done);
    assert_ok(txn_end(t, STATUS_SUCCESS));
    pthread_join(committer, NULL);
    pthread_join(other, NULL);
    assert_true(v.store->durable > durable);
    assert_true(begin.done);
    volume_check(&v);
    volume_free(&v);
}

static void *commit_in_vain(void *context)
{
    struct gate *g = context;
    assert_status(store_commit(g->store), STATUS_INSUFFICIENT_RESOURCES);
    assert_status(store_sync(g->store), STATUS_INSUFFICIENT_RESOURCES);
    return NULL;
}

// A transaction whose undo fails leaves half of its changes: a commit that waits for it must not take them.
static void half_a_transaction_is_never_sealed(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    pthread_t committer;
    struct key one = number_key(1), two = number_key(2);
    struct record record;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(tree_put(t, &one, "x", 1));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(store_commit(v.store));
    struct gate commit = {.store = v.store};
    u64 generation = v.store->generation, writes = blk_sim_count(v.blk, SIM_WRITE);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(tree_delete(t, &one));
    assert_ok(tree_put(t, &two, "y", 1));
    assert_int_equal(pthread_create(&committer, NULL, commit_in_vain, &commit), 0);
    for (bool closing = false; !closing;) {
        SCOPE_LOCK(&v.store->mutex);
        closing = v.store->closing;
    }
    t->undo_used = 0; // as if no record could be brought back
    store_fail(v.store, STATUS_INSUFFICIENT_RESOURCES);
    assert_status(txn_end(t, STATUS_DISK_FULL), STATUS_DISK_FULL);
    pthread_join(committer, NULL);
    assert_int_equal(v.store->generation, generation);
    assert_false(v.store->closing || v.store->committing || v.store->has_pending);
    assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
    assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes);
    store_abandon(v.store);
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_ok(tree_find(v.store, &one, TREE_EQUAL, &record));
    assert_status(tree_find(v.store, &two, TREE_EQUAL, &record), STATUS_NO_SUCH_FILE);
    volume_free(&v);
}

static nt_status unreadable(void *context, enum sim_kind kind, u64 offset, struct sense *sense)
{
    (void)offset;
    (void)sense;
    const bool *on = context;
    return kind == SIM_READ && *on ? STATUS_DEVICE_DATA_ERROR : STATUS_SUCCESS;
}

// Enough of them that they fill several pages.
static void put_numbers(struct volume *v, u64 count)
{
    u8 value[1000] = {1};
    for (u64 n = 0; n < count; n++) {
        struct txn *t;
        struct key key = number_key(n);
        assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, tree_put(t, &key, value, sizeof value)));
    }
    assert_ok(store_commit(v->store));
}

// Where an undo failed no reader sees what it left, but is told why.
static void half_a_transaction_is_never_read(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct record record;
    struct page_trace trace;
    struct key low = number_key(0), high = number_key(KEYS - 1);
    bool on = false;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    blk_sim_watch(v.blk, unreadable, &on);
    put_numbers(&v, KEYS);
    store_purge(v.store);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(tree_delete(t, &low));
    // As if the highest record had been changed as well, in a page that is not in memory.
    assert_ok(txn_note_undo(t, &high, UNDO_WHOLE, 0, (struct slice){(const u8 *)"x", 1}));
    on = true;
    assert_status(txn_end(t, STATUS_CANCELLED), STATUS_CANCELLED);
    on = false;
    assert_status((nt_status)v.store->failed, STATUS_DEVICE_DATA_ERROR);
    assert_status(tree_find(v.store, &low, TREE_EQUAL, &record), STATUS_DEVICE_DATA_ERROR);
    assert_status(tree_trace(v.store, &low, &trace), STATUS_DEVICE_DATA_ERROR);
    assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
    store_abandon(v.store);
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_ok(tree_find(v.store, &low, TREE_EQUAL, &record));
    volume_check(&v);
    volume_free(&v);
}

// Transactions go on while a commit is being written.
static void work_goes_on_while_a_commit_writes(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    pthread_t committer;
    struct key key = number_key(1);
    struct record record;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    struct gate commit = {.store = v.store};
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, "a", 1)));
    blk_sim_answer(v.blk, (struct sim_answer){.what = SIM_STUCK});
    assert_int_equal(pthread_create(&committer, NULL, commit_once, &commit), 0);
    while (!blk_sim_is_stuck(v.blk))
        ;
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, "b", 1)));
    assert_ok(tree_find(v.store, &key, TREE_EQUAL, &record));
    assert_int_equal(record.value[0], 'b');
    assert_false(commit.done);
    blk_sim_release(v.blk);
    pthread_join(committer, NULL);
    // Only the first value is durable.
    assert_true(store_abandon(v.store));
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_ok(tree_find(v.store, &key, TREE_EQUAL, &record));
    assert_int_equal(record.value[0], 'a');
    volume_check(&v);
    volume_free(&v);
}

// --- limits
// -----------------------------------------------------------------------------------------------------------

static void a_full_volume_takes_only_freeing_work(void **state)
{
    (void)state;
    for (u8 copies = 1; copies <= 2; copies++) {
        struct volume v;
        struct txn *t;
        u8 value[3000] = {0};
        u64 made = 0;
        nt_status status;
        volume_make(&v, 8 * MIB, 4096, copies, OPTION_CASE_SENSITIVE);
        for (;; made++) {
            struct key key = number_key(made);
            status = txn_begin(v.store, TXN_NORMAL, &t);
            if (status == STATUS_SUCCESS)
                status = txn_end(t, tree_put(t, &key, value, sizeof value));
            if (status != STATUS_SUCCESS)
                break;
            assert_true(made < 5000);
        }
        assert_status(status, STATUS_DISK_FULL);
        assert_true(made > 500u / copies);
        assert_ok(store_commit(v.store));
        assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_DISK_FULL);
        for (u64 n = 0; n < made; n++) {
            struct key key = number_key(n * 7919 % made);
            assert_ok(txn_begin(v.store, TXN_FREEING, &t));
            nt_status deleted = tree_delete(t, &key);
            assert_true(deleted == STATUS_SUCCESS || deleted == STATUS_NO_SUCH_FILE);
            assert_ok(txn_end(t, STATUS_SUCCESS));
        }
        assert_ok(store_commit(v.store));
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, STATUS_SUCCESS));
        volume_check(&v);
        volume_free(&v);
    }
}

// A write that fails for good: read-only from then on, and what was durable is still there.
static void a_failed_commit_ends_all_writing(void **state)
{
    (void)state;
    for (u64 n = 1; n <= 2; n++) {
        struct volume v;
        struct txn *t;
        struct record record;
        struct key key = number_key(1);
        volume_make(&v, 16 * MIB, 4096, 2, 0);
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, tree_put(t, &key, "x", 1)));
        blk_sim_fail(v.blk, n == 1 ? SIM_WRITE : SIM_FLUSH, n, (struct sense){SENSE_HARDWARE, 0x44, 0, 0});
        assert_status(store_commit(v.store), STATUS_IO_DEVICE_ERROR);
        assert_status(store_commit(v.store), STATUS_IO_DEVICE_ERROR);
        assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
        assert_ok(tree_find(v.store, &key, TREE_EQUAL, &record));
        assert_status(store_close(v.store), STATUS_IO_DEVICE_ERROR);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        volume_check(&v);
        volume_free(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_work_leaves_the_old_records),
        cmocka_unit_test(space_is_given_back),
        cmocka_unit_test(an_error_in_the_middle),
        cmocka_unit_test(many_threads_and_commits),
        cmocka_unit_test(a_commit_never_cuts_a_transaction),
        cmocka_unit_test(the_gate_waits_for_open_transactions),
        cmocka_unit_test(half_a_transaction_is_never_sealed),
        cmocka_unit_test(half_a_transaction_is_never_read),
        cmocka_unit_test(work_goes_on_while_a_commit_writes),
        cmocka_unit_test(a_full_volume_takes_only_freeing_work),
        cmocka_unit_test(a_failed_commit_ends_all_writing),
    };
    return cmocka_run_group_tests_name("txn", tests, NULL, NULL);
}
