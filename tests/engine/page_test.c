// SPDX-License-Identifier: Apache-2.0
// The page cache against a medium that rots, misdirects and fails: the second copy steps in and the first is
// mended. What is read ahead is only for the caches below.
#include "tests/test.h"

#include "block/blk_sim.h"
#include "engine/store.h"
#include "tests/engine/volume.h"

enum { NAMES = 400 };

static struct store_event last_event;
static u32 event_count;

static void on_event(void *context, const struct store_event *event)
{
    (void)context;
    last_event = *event;
    event_count++;
}

// A volume whose tree has a root and leaves, all of it on the medium and none in the cache.
static void make(struct volume *v, u8 copies)
{
    char name[32];
    volume_make(v, 32 * MIB, 4096, copies, OPTION_CASE_SENSITIVE);
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "file %d", i);
        volume_create(v, OBJECT_ROOT, name, false);
    }
    volume_reopen(v);
    assert_true(v->store->tree.level > 0);
    store_listen(v->store, on_event, NULL);
    event_count = 0;
}

static void read_page(struct volume *v, u64 addr, u8 *data)
{
    assert_ok(blk_pread(v->blk, data, PAGE_SIZE, addr, NULL));
}

static void write_page(struct volume *v, u64 addr, const u8 *data)
{
    assert_ok(blk_pwrite(v->blk, data, PAGE_SIZE, addr, NULL));
}

static void damage(struct volume *v, u64 addr)
{
    blk_sim_flip(v->blk, 0, addr + 5000, 0x10);
}

static nt_status find_name(struct volume *v, int i)
{
    char name[32];
    struct dirent entry;
    snprintf(name, sizeof name, "file %d", i);
    return dirent_find(v->store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry);
}

static struct ptr some_leaf(struct volume *v)
{
    struct page *root;
    struct ptr ptr = v->store->tree.root;
    for (u32 level = v->store->tree.level; level > 0; level--) {
        assert_ok(page_get(v->store, &ptr, PAGE_TREE, level, &root));
        ptr = node_child(root->data, 0);
        page_put(root);
    }
    return ptr;
}

static void copies_agree(struct volume *v, const struct ptr *ptr)
{
    static u8 first[PAGE_SIZE], second[PAGE_SIZE];
    read_page(v, ptr->addr[0], first);
    read_page(v, ptr->addr[1], second);
    assert_memory_equal(first, second, PAGE_SIZE);
    assert_true(sum_crc64(first, PAGE_SIZE) == ptr->sum);
}

static void a_bad_first_copy_is_mended_from_the_second(void **state)
{
    (void)state;
    struct volume v;
    struct store_stats stats;
    make(&v, 2);
    struct ptr root = v.store->tree.root;
    damage(&v, root.addr[0]);
    store_purge(v.store);
    for (int i = 0; i < NAMES; i++)
        assert_ok(find_name(&v, i));
    store_get_stats(v.store, &stats);
    assert_int_equal(stats.repairs, 1);
    assert_int_equal(stats.checksum_errors, 1);
    assert_int_equal(event_count, 1);
    assert_int_equal(last_event.id, 130);
    assert_int_equal(last_event.offset, root.addr[0]);
    copies_agree(&v, &root);
    volume_check(&v);
    volume_free(&v);
}

static void a_read_only_store_reads_the_second_copy_and_mends_nothing(void **state)
{
    (void)state;
    struct volume v;
    struct store_stats stats;
    make(&v, 2);
    u64 addr = v.store->tree.root.addr[0];
    assert_ok(store_close(v.store));
    damage(&v, addr);
    assert_ok(store_open(v.blk, STORE_READONLY, 0, &v.store));
    assert_ok(find_name(&v, 1));
    store_get_stats(v.store, &stats);
    assert_int_equal(stats.repairs, 0);
    assert_int_equal(stats.checksum_errors, 1);
    volume_free(&v);
}

static void two_bad_copies_are_an_error_and_no_crash(void **state)
{
    (void)state;
    for (u8 copies = 1; copies <= 2; copies++) {
        struct volume v;
        struct txn *t;
        make(&v, copies);
        struct ptr leaf = some_leaf(&v);
        for (u8 copy = 0; copy < copies; copy++)
            damage(&v, leaf.addr[copy]);
        store_purge(v.store);
        int failed = 0;
        for (int i = 0; i < NAMES; i++) {
            nt_status status = find_name(&v, i);
            if (status != STATUS_SUCCESS)
                assert_status(status, STATUS_DISK_CORRUPT_ERROR);
            failed += status != STATUS_SUCCESS;
        }
        // The first leaf holds the root's inode, so a change of it needs the page too.
        struct inode inode = {.id = OBJECT_ROOT};
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_status(txn_end(t, inode_put(t, &inode)), STATUS_DISK_CORRUPT_ERROR);
        assert_true(failed < NAMES);
        assert_false(store_abandon(v.store));
        blk_close(v.blk);
    }
}

static void an_unreadable_first_copy_is_like_a_bad_one(void **state)
{
    (void)state;
    struct volume v;
    struct store_stats stats;
    make(&v, 2);
    store_purge(v.store);
    blk_sim_fail(v.blk, SIM_READ, 1, (struct sense){SENSE_MEDIUM, 0x11, 0, 0});
    assert_ok(find_name(&v, 1));
    store_get_stats(v.store, &stats);
    assert_int_equal(stats.repairs, 1);
    // A medium that went away has no second copy.
    store_purge(v.store);
    blk_sim_fail(v.blk, SIM_READ, 1, (struct sense){SENSE_NOT_READY, 0x3a, 0, 0});
    u64 reads = blk_sim_count(v.blk, SIM_READ);
    struct page *page;
    assert_status(page_get(v.store, &v.store->tree.root, PAGE_TREE, v.store->tree.level, &page),
                  STATUS_NO_MEDIA_IN_DEVICE);
    assert_null(page);
    assert_int_equal(blk_sim_count(v.blk, SIM_READ), reads + 1);
    assert_ok(find_name(&v, 1)); // and a failed page is tried again
    volume_free(&v);
}

static void a_misdirected_page_is_not_taken_for_the_right_one(void **state)
{
    (void)state;
    struct volume v;
    static u8 data[PAGE_SIZE];
    make(&v, 2);
    struct ptr leaf = some_leaf(&v), root = v.store->tree.root;
    // The root landed on the leaf.
    read_page(&v, root.addr[0], data);
    write_page(&v, leaf.addr[0], data);
    store_purge(v.store);
    struct inode inode;
    assert_ok(inode_get(v.store, OBJECT_ROOT, &inode));
    copies_agree(&v, &leaf);
    write_page(&v, leaf.addr[0], data);
    write_page(&v, leaf.addr[1], data);
    store_purge(v.store);
    assert_status(inode_get(v.store, OBJECT_ROOT, &inode), STATUS_DISK_CORRUPT_ERROR);
    assert_false(store_abandon(v.store));
    blk_close(v.blk);
}

// A page whose checksum is right, but that is not what its parent says.
static void every_word_of_a_page_head_is_compared(void **state)
{
    (void)state;
    static u8 data[PAGE_SIZE], changed[PAGE_SIZE];
    static const struct {
        u32 at;
        u8 mask;
    } changes[] = {
        {0, 1},   // magic
        {4, 3},   // kind
        {5, 1},   // level
        {8, 64},  // first address
        {16, 64}, // second address
        {24, 1},  // birth
        {31, 1},  // and its last byte
        {32, 1},  // volume
        {47, 128},
    };
    struct volume v;
    make(&v, 2);
    struct ptr root = v.store->tree.root;
    u32 level = v.store->tree.level;
    read_page(&v, root.addr[0], data);
    assert_ok(page_read_copy(v.store, &root, 0, PAGE_TREE, level, changed));
    assert_ok(page_read_copy(v.store, &root, 1, PAGE_TREE, level, changed));
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct ptr ptr = root;
        memcpy(changed, data, PAGE_SIZE);
        changed[changes[i].at] ^= changes[i].mask;
        ptr.sum = sum_crc64(changed, PAGE_SIZE);
        write_page(&v, root.addr[0], changed);
        assert_status(page_read_copy(v.store, &ptr, 0, PAGE_TREE, level, changed), STATUS_DISK_CORRUPT_ERROR);
    }
    write_page(&v, root.addr[0], data);
    assert_status(page_read_copy(v.store, &root, 0, PAGE_TREE, level - 1, changed),
                  STATUS_DISK_CORRUPT_ERROR);
    assert_status(page_read_copy(v.store, &root, 0, PAGE_SPACE, level, changed), STATUS_DISK_CORRUPT_ERROR);
    struct ptr other = root;
    other.birth++;
    assert_status(page_read_copy(v.store, &other, 0, PAGE_TREE, level, changed), STATUS_DISK_CORRUPT_ERROR);
    other = root;
    other.sum++;
    assert_status(page_read_copy(v.store, &other, 0, PAGE_TREE, level, changed), STATUS_DISK_CORRUPT_ERROR);
    volume_free(&v);
}

static void addresses_outside_the_volume_are_not_read(void **state)
{
    (void)state;
    static u8 data[PAGE_SIZE];
    for (u8 copies = 1; copies <= 2; copies++) {
        struct volume v;
        make(&v, copies);
        u64 end = v.store->units * v.store->unit, reads = blk_sim_count(v.blk, SIM_READ);
        u64 bad[] = {0,
                     SUPER_SPACING,
                     SUPER_AREA - PAGE_SIZE,
                     SUPER_AREA + 512,
                     end,
                     end - PAGE_SIZE + 4096,
                     1ull << 62,
                     1ull << 63,
                     1,
                     UINT64_MAX - 0x3fff - 1,
                     UINT64_MAX - 0x3fff,
                     UINT64_MAX};
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
            for (int copy = 0; copy < copies; copy++) {
                struct ptr ptr = v.store->tree.root;
                struct page *page;
                ptr.addr[copy] = bad[i];
                assert_status(page_read_copy(v.store, &ptr, copy, PAGE_TREE, v.store->tree.level, data),
                              STATUS_DISK_CORRUPT_ERROR);
                ptr.birth++; // not the one that is cached
                assert_status(page_get(v.store, &ptr, PAGE_TREE, v.store->tree.level, &page),
                              STATUS_DISK_CORRUPT_ERROR);
                assert_null(page);
            }
        }
        assert_int_equal(blk_sim_count(v.blk, SIM_READ), reads);
        volume_free(&v);
    }
}

// Damaged pointers may name a cached page as something else.
static void a_cached_page_is_one_thing(void **state)
{
    (void)state;
    struct volume v;
    struct page *page;
    make(&v, 2);
    struct ptr root = v.store->tree.root;
    u32 level = v.store->tree.level;
    assert_ok(page_get(v.store, &root, PAGE_TREE, level, &page));
    page_put(page);
    assert_null(page_find(v.store, &root, PAGE_TREE, level - 1));
    assert_null(page_find(v.store, &root, PAGE_SPACE, level));
    assert_status(page_get(v.store, &root, PAGE_TREE, level - 1, &page), STATUS_DISK_CORRUPT_ERROR);
    assert_null(page);
    page = page_find(v.store, &root, PAGE_TREE, level);
    assert_non_null(page);
    page_put(page);
    volume_free(&v);
}

static void a_space_page_is_mended_too(void **state)
{
    (void)state;
    struct volume v;
    struct store_stats stats;
    make(&v, 2);
    struct ptr leaf = space_page_ptr(v.store, 0, 0, &v.store->space.root);
    assert_int_equal(v.store->space.level, 0);
    damage(&v, leaf.addr[0]);
    store_purge(v.store);
    volume_create(&v, OBJECT_ROOT, "one more", false);
    store_get_stats(v.store, &stats);
    assert_int_equal(stats.repairs, 1);
    copies_agree(&v, &leaf);
    // Both bad: no space to be had, but what is there can be read.
    assert_ok(store_commit(v.store));
    leaf = space_page_ptr(v.store, 0, 0, &v.store->space.root);
    damage(&v, leaf.addr[0]);
    damage(&v, leaf.addr[1]);
    store_purge(v.store);
    struct txn *t;
    struct inode inode = {.links = 1};
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_status(txn_end(t, inode_create(t, &inode)), STATUS_DISK_CORRUPT_ERROR);
    assert_ok(find_name(&v, 7));
    store_abandon(v.store);
    blk_close(v.blk);
}

// Four times as many pages as the smallest cache has frames.
static void a_small_cache_serves_a_large_tree(void **state)
{
    (void)state;
    enum { RECORDS = 4000 };
    static u8 value[4000];
    struct volume v;
    struct store_stats stats;
    struct record record;
    u32 rng = 1;
    volume_make(&v, 128 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    assert_ok(store_close(v.store));
    assert_ok(store_open(v.blk, 0, 4 * MIB, &v.store));
    assert_int_equal(v.store->cache.frame_count, 4 * MIB / PAGE_SIZE);
    for (u32 i = 0; i < RECORDS; i++) {
        struct txn *t;
        struct key key;
        key_begin(&key, 1000 + i * 7919u % RECORDS, KIND_LINK);
        memset(value, (int)key.b[7], sizeof value);
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, tree_put(t, &key, value, sizeof value)));
    }
    store_get_stats(v.store, &stats);
    assert_true(stats.commits > 1); // a full cache commits by itself
    for (u32 i = 0; i < 2 * RECORDS; i++) {
        struct key key;
        key_begin(&key, 1000 + volume_random(&rng, RECORDS), KIND_LINK);
        assert_ok(tree_find(v.store, &key, TREE_EQUAL, &record));
        assert_int_equal(record.len, sizeof value);
        assert_int_equal(record.value[3999], key.b[7]);
    }
    volume_check(&v);
    store_get_stats(v.store, &stats);
    assert_true(stats.pages_read > RECORDS);
    assert_int_equal(stats.checksum_errors, 0);
    volume_free(&v);
}

// --- reading ahead -------------------------------------------------------------------------------

enum { MANY = 6000 };

// All names of the root, from the medium. SUCCESS: all were there.
static nt_status list_cold(struct volume *v)
{
    struct dir_position position = {0};
    struct dirent entry;
    char name[16];
    nt_status status;
    store_purge(v->store);
    v->store->cache.ahead =
        (struct ahead){.mutex = v->store->cache.ahead.mutex, .rest = v->store->cache.ahead.rest};
    for (u32 i = 0; (status = dirent_next(v->store, OBJECT_ROOT, &position, &entry)) == STATUS_SUCCESS; i++) {
        snprintf(name, sizeof name, "file %05u", i);
        assert_memory_equal(entry.name, name, strlen(name));
    }
    return status == STATUS_NO_MORE_FILES ? STATUS_SUCCESS : status;
}

static void make_many(struct volume *v)
{
    char name[16];
    volume_make(v, 32 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    for (u32 i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "file %05u", i);
        volume_create(v, OBJECT_ROOT, name, false);
    }
    volume_reopen(v);
    store_listen(v->store, on_event, NULL);
    event_count = 0;
}

// Whichever read fails, also one that was to bring along more than was asked for.
static void reading_ahead_changes_nothing(void **state)
{
    (void)state;
    struct volume v;
    u32 quiet = 0;
    make_many(&v);
    u64 reads = blk_sim_count(v.blk, SIM_READ);
    assert_ok(list_cold(&v));
    reads = blk_sim_count(v.blk, SIM_READ) - reads;
    const struct ahead *ahead = &v.store->cache.ahead;
    assert_true(ahead->end > ahead->from && reads > 20);
    for (u64 n = 1; n <= reads; n++) {
        event_count = 0;
        blk_sim_fail(v.blk, SIM_READ, n, (struct sense){SENSE_MEDIUM, 0x11, 0, 0});
        assert_ok(list_cold(&v));
        quiet += event_count == 0; // the page itself could be read
        assert_true(event_count <= 1);
    }
    assert_true(quiet > 0 && quiet < reads);
    volume_check(&v);
    volume_free(&v);
}

static void nothing_is_read_ahead_for_scattered_reads(void **state)
{
    (void)state;
    struct volume v;
    char name[16];
    struct dirent entry;
    make_many(&v);
    const struct ahead *ahead = &v.store->cache.ahead;
    u64 before = ahead->end;
    for (u32 i = MANY; i-- > 0;) { // backwards
        snprintf(name, sizeof name, "file %05u", i);
        assert_ok(dirent_find(v.store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry));
        assert_int_equal(ahead->end, before);
    }
    volume_free(&v);
}

static nt_status load_nothing(struct volume *v, u64 at)
{
    struct ptr nothing = {{at, at}, 1, 1};
    struct page *page;
    return page_get(v->store, &nothing, PAGE_TREE, 0, &page);
}

// At the end of the volume there is less to read, and without memory nothing.
static void reading_ahead_at_the_edges(void **state)
{
    (void)state;
    struct volume v;
    u8 *rest;
    make_many(&v);
    struct ahead *ahead = &v.store->cache.ahead;
    rest = ahead->rest;
    ahead->rest = NULL;
    assert_ok(list_cold(&v));
    assert_int_equal(ahead->end, 0);
    ahead->rest = rest;
    u64 last = v.store->units * v.store->unit - PAGE_SIZE;
    for (u64 at = last - 5 * PAGE_SIZE; at <= last; at += PAGE_SIZE)
        assert_status(load_nothing(&v, at), STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(ahead->end, last + PAGE_SIZE);
    // What the drive says of itself is not taken for something that another read would mend.
    u64 at = ahead->from - 2 * MIB;
    for (u32 i = 0; i < AHEAD_RUN; i++, at += PAGE_SIZE)
        assert_status(load_nothing(&v, at), STATUS_DISK_CORRUPT_ERROR);
    blk_sim_fail(v.blk, SIM_READ, 1, (struct sense){SENSE_NOT_READY, 0x3a, 0, 0});
    assert_status(load_nothing(&v, at), STATUS_NO_MEDIA_IN_DEVICE);
    assert_int_equal(ahead->from, at);
    volume_free(&v);
}

// One copy is wrong, of the other nobody knows: the answer is the medium's, and the next look finds it good.
static void a_second_copy_that_cannot_be_read_now(void **state)
{
    (void)state;
    static const struct {
        struct sense sense;
        nt_status status;
    } says[] = {{{SENSE_ATTENTION, 0x28, 0, 0}, STATUS_VERIFY_REQUIRED},
                {{SENSE_MEDIUM, 0x11, 0, 0}, STATUS_DEVICE_DATA_ERROR}};
    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        struct volume v;
        struct page *page;
        make(&v, 2);
        struct ptr root = v.store->tree.root;
        u32 level = v.store->tree.level;
        damage(&v, root.addr[0]);
        store_purge(v.store);
        blk_sim_fail(v.blk, SIM_READ, 2, says[i].sense);
        assert_status(page_get(v.store, &root, PAGE_TREE, level, &page), says[i].status);
        assert_ok(page_get(v.store, &root, PAGE_TREE, level, &page));
        page_put(page);
        assert_ok(find_name(&v, 1));
        volume_free(&v);
    }
}

// A repair that the medium refuses is told, and the reader has what it wanted; one that met another medium is
// the reader's matter, and is made later.
static void a_repair_that_fails(void **state)
{
    (void)state;
    struct volume v;
    make(&v, 2);
    struct ptr root = v.store->tree.root;
    damage(&v, root.addr[0]);
    store_purge(v.store);
    blk_sim_fail(v.blk, SIM_WRITE, 1, (struct sense){SENSE_ATTENTION, 0x28, 0, 0});
    assert_status(find_name(&v, 1), STATUS_VERIFY_REQUIRED);
    assert_int_equal(event_count, 0);
    assert_ok(find_name(&v, 1));
    assert_int_equal(event_count, 1);
    assert_int_equal(last_event.id, 130);
    copies_agree(&v, &root);
    damage(&v, root.addr[0]);
    store_purge(v.store);
    blk_sim_fail(v.blk, SIM_WRITE, 1, (struct sense){SENSE_MEDIUM, 0x0c, 0, 0});
    assert_ok(find_name(&v, 1));
    assert_int_equal(event_count, 2);
    assert_int_equal(last_event.id, 131);
    assert_int_equal(last_event.offset, root.addr[0]);
    volume_free(&v);
}

static nt_status no_writes(void *context, enum sim_kind kind, u64 offset, struct sense *sense)
{
    (void)offset;
    (void)sense;
    const nt_status *status = context;
    return kind == SIM_WRITE ? *status : STATUS_SUCCESS;
}

// The right bytes are in memory: a repair that is cut short keeps them from nobody, neither from a reader nor
// from a writer. It is told, and tried again when the page is next read from the medium.
static void a_repair_that_is_cut_short(void **state)
{
    (void)state;
    const nt_status says[] = {STATUS_IO_TIMEOUT, STATUS_DEVICE_NOT_READY, STATUS_CANCELLED};
    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        struct volume v;
        struct txn *t;
        nt_status status = STATUS_SUCCESS;
        make(&v, 2);
        blk_sim_watch(v.blk, no_writes, &status);
        for (int writer = 0; writer < 2; writer++) {
            struct ptr leaf = some_leaf(&v);
            struct key key;
            damage(&v, leaf.addr[0]);
            store_purge(v.store);
            event_count = 0;
            status = says[i];
            if (writer) {
                key_begin(&key, OBJECT_ROOT, KIND_INODE);
                assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
                assert_ok(txn_end(t, tree_patch(t, &key, 0, NULL, 0)));
            }
            for (int n = 0; n < 3; n++)
                assert_ok(find_name(&v, 1));
            status = STATUS_SUCCESS;
            assert_int_equal(v.store->failed, STATUS_SUCCESS);
            assert_int_equal(event_count, 1);
            assert_int_equal(last_event.id, 131);
            assert_int_equal(last_event.offset, leaf.addr[0]);
            if (writer)
                continue;
            store_purge(v.store);
            assert_ok(find_name(&v, 1));
            assert_int_equal(last_event.id, 130);
            copies_agree(&v, &leaf);
        }
        volume_free(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_first_copy_is_mended_from_the_second),
        cmocka_unit_test(a_read_only_store_reads_the_second_copy_and_mends_nothing),
        cmocka_unit_test(two_bad_copies_are_an_error_and_no_crash),
        cmocka_unit_test(an_unreadable_first_copy_is_like_a_bad_one),
        cmocka_unit_test(a_misdirected_page_is_not_taken_for_the_right_one),
        cmocka_unit_test(every_word_of_a_page_head_is_compared),
        cmocka_unit_test(addresses_outside_the_volume_are_not_read),
        cmocka_unit_test(a_cached_page_is_one_thing),
        cmocka_unit_test(a_space_page_is_mended_too),
        cmocka_unit_test(a_second_copy_that_cannot_be_read_now),
        cmocka_unit_test(a_repair_that_fails),
        cmocka_unit_test(a_repair_that_is_cut_short),
        cmocka_unit_test(a_small_cache_serves_a_large_tree),
        cmocka_unit_test(reading_ahead_changes_nothing),
        cmocka_unit_test(nothing_is_read_ahead_for_scattered_reads),
        cmocka_unit_test(reading_ahead_at_the_edges),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
