// SPDX-License-Identifier: Apache-2.0
// The tree against a sorted array: random work with keys and values of every length, on volumes that are
// reopened now and then; how full its pages are; what is left when everything is gone.
#include "tests/test.h"

#include "engine/store.h"
#include "tests/engine/volume.h"

enum { KEYS = 1500 };

// One key that may be in the tree. Links of objects that do not exist: a check of the volume ignores them.
struct item {
    struct key key;
    bool there;
    u16 len;
    u32 seed; // of the value
};

static struct item items[KEYS];
static u32 item_count;
static u32 rng;

static u32 pick(u32 below)
{
    return volume_random(&rng, below);
}

static void fill(u8 *value, u32 len, u32 seed)
{
    for (u32 i = 0; i < len; i++)
        value[i] = (u8)volume_random(&seed, 256);
}

static int by_key(const void *a, const void *b)
{
    return key_compare(key_slice(&((const struct item *)a)->key), key_slice(&((const struct item *)b)->key));
}

// Keys of 9 to 782 bytes in few objects, many with long beginnings in common.
static void make_items(void)
{
    memset(items, 0, sizeof items);
    for (u32 n = 0; n < KEYS; n++) {
        struct key *key = &items[n].key;
        u8 tail[KEY_MAX];
        u32 len = pick(4) ? pick(30) : pick(KEY_MAX - 9 + 1);
        fill(tail, len, n);
        memset(tail, 'x', pick(2) ? len - MIN(len, 4u) : 0);
        key_begin(key, 1000 + pick(40), KIND_LINK);
        key_add(key, tail, n == 0 ? (u32)(KEY_MAX - 9) : len);
    }
    qsort(items, KEYS, sizeof items[0], by_key);
    item_count = 1;
    for (u32 n = 1; n < KEYS; n++)
        if (by_key(&items[n], &items[item_count - 1]) != 0)
            items[item_count++] = items[n];
    assert_true(item_count > KEYS / 2);
}

static void assert_item(const struct item *item, const struct record *record)
{
    u8 value[VALUE_MAX];
    assert_int_equal(key_compare(key_slice(&record->key), key_slice(&item->key)), 0);
    assert_int_equal(record->len, item->len);
    fill(value, item->len, item->seed);
    assert_memory_equal(record->value, value, item->len);
}

// The first item at or beyond n (step 1) or at or below it (step -1) that is there; NULL: none.
static const struct item *nearest(i64 n, i64 step)
{
    for (; n >= 0 && n < item_count; n += step)
        if (items[n].there)
            return &items[n];
    return NULL;
}

static void find_around(struct volume *v, u32 n)
{
    static struct record record;
    const struct item *want[] = {
        [TREE_EQUAL] = items[n].there ? &items[n] : NULL,
        [TREE_AT_MOST] = nearest(n, -1),
        [TREE_BELOW] = nearest((i64)n - 1, -1),
        [TREE_AT_LEAST] = nearest(n, 1),
        [TREE_ABOVE] = nearest((i64)n + 1, 1),
    };
    for (enum tree_match match = TREE_EQUAL; match <= TREE_ABOVE; match++) {
        nt_status status = tree_find(v->store, &items[n].key, match, &record);
        if (want[match]) {
            assert_ok(status);
            assert_item(want[match], &record);
        } else if (status == STATUS_SUCCESS) {
            // The root directory's inode and the case table lie below all items.
            assert_true(match == TREE_AT_MOST || match == TREE_BELOW);
            assert_true(get_be64(record.key.b) <= OBJECT_ROOT);
        } else {
            assert_status(status, STATUS_NO_SUCH_FILE);
        }
    }
}

static void change_one(struct txn *t, struct item *item)
{
    u8 value[VALUE_MAX];
    u32 what = pick(10);
    if (what < 5) {
        u32 seed = pick(1 << 30);
        u32 len = item->there && pick(4) == 0 ? item->len : pick(8) ? pick(200) : pick(VALUE_MAX + 1);
        fill(value, len, seed);
        assert_ok(tree_put(t, &item->key, value, len));
        item->there = true;
        item->len = (u16)len;
        item->seed = seed;
    } else if (what < 8) {
        assert_status(tree_delete(t, &item->key), item->there ? STATUS_SUCCESS : STATUS_NO_SUCH_FILE);
        item->there = false;
    } else if (!item->there) {
        assert_status(tree_patch(t, &item->key, 0, "x", 1), STATUS_FILE_INVALID);
    } else {
        // Two halves of a new value.
        u32 seed = pick(1 << 30), half = item->len / 2;
        fill(value, item->len, seed);
        assert_ok(tree_patch(t, &item->key, half, value + half, item->len - half));
        assert_ok(tree_patch(t, &item->key, 0, value, half));
        assert_status(tree_patch(t, &item->key, item->len, "x", 1), STATUS_FILE_INVALID);
        item->seed = seed;
    }
}

static void compare_all(struct volume *v)
{
    static struct record record;
    struct key key;
    key_begin(&key, 1000, 0);
    for (const struct item *item = nearest(0, 1); item; item = nearest(item - items + 1, 1)) {
        assert_ok(tree_find(v->store, &key, TREE_ABOVE, &record));
        assert_item(item, &record);
        key = record.key;
    }
    assert_status(tree_find(v->store, &key, TREE_ABOVE, &record), STATUS_NO_SUCH_FILE);
}

static void random_work_against_a_model(void **state)
{
    (void)state;
    for (u32 seed = 1; seed <= 3; seed++) {
        struct volume v;
        rng = seed;
        make_items();
        volume_make(&v, 64 * MIB, seed == 2 ? 65536 : 4096, seed == 3 ? 1 : 2, 0);
        for (int step = 0; step < 4000; step++) {
            struct txn *t;
            assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
            for (u32 n = 1 + pick(4); n > 0; n--)
                change_one(t, &items[pick(item_count)]);
            assert_ok(txn_end(t, STATUS_SUCCESS));
            find_around(&v, pick(item_count));
            if (pick(50) == 0)
                assert_ok(store_commit(v.store));
            if (pick(400) == 0)
                volume_reopen(&v);
            if (pick(100) == 0)
                store_purge(v.store);
            if (step % 500 == 0)
                compare_all(&v);
        }
        assert_true(v.store->tree.level >= 1);
        volume_check(&v);
        compare_all(&v);
        for (u32 n = 0; n < item_count; n++)
            find_around(&v, n);
        volume_reopen(&v);
        compare_all(&v);
        volume_free(&v);
    }
}

static struct key sequence_key(u32 n)
{
    struct key key;
    key_begin(&key, 1000 + n / 1000, KIND_LINK);
    key_add_u64(&key, n);
    return key;
}

static void put_one(struct volume *v, u32 n, u32 len)
{
    u8 value[VALUE_MAX];
    struct txn *t;
    struct key key = sequence_key(n);
    memset(value, (int)(n & 0xff), len);
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, &key, value, len)));
}

static void delete_one(struct volume *v, u32 n)
{
    struct txn *t;
    struct key key = sequence_key(n);
    assert_ok(txn_begin(v->store, TXN_FREEING, &t));
    assert_ok(txn_end(t, tree_delete(t, &key)));
}

static void count_page(void *context, u64 address, u32 kind, u32 level, u32 copy)
{
    (void)address;
    u32 *pages = context;
    if (kind == PAGE_TREE && copy == 0)
        pages[level > 0]++;
}

// Leaves and inner pages.
static void count_pages(struct volume *v, u32 pages[2])
{
    struct check_totals totals;
    struct check_options options = {.finding = volume_finding, .page = count_page, .context = pages};
    pages[0] = pages[1] = 0;
    assert_ok(store_check(v->store, &options, &totals));
}

static void filling_in_order_keeps_pages_full(void **state)
{
    (void)state;
    enum { RECORDS = 30000, LEN = 100 };
    struct volume v;
    u32 pages[2], in_leaf = PAGE_ROOM / (2 + 4 + 17 + LEN);
    volume_make(&v, 64 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    for (u32 n = 0; n < RECORDS; n++)
        put_one(&v, n, LEN);
    count_pages(&v, pages);
    assert_in_range(pages[0], RECORDS / in_leaf, RECORDS / in_leaf + 3);
    assert_in_range(pages[1], 1, 3);
    volume_check(&v);
    volume_free(&v);
}

static void filling_backwards_and_at_random_keeps_pages_half_full(void **state)
{
    (void)state;
    enum { RECORDS = 10000, LEN = 100 };
    for (int backwards = 0; backwards < 2; backwards++) {
        struct volume v;
        u32 pages[2], in_leaf = PAGE_ROOM / (2 + 4 + 17 + LEN);
        volume_make(&v, 64 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
        for (u32 n = 0; n < RECORDS; n++)
            put_one(&v, backwards ? RECORDS - 1 - n : n * 7919 % RECORDS, LEN);
        count_pages(&v, pages);
        assert_in_range(pages[0], RECORDS / in_leaf, 2 * RECORDS / in_leaf + 2);
        volume_check(&v);
        volume_free(&v);
    }
}

static void deleting_everything_leaves_one_page(void **state)
{
    (void)state;
    enum { RECORDS = 6000 };
    for (u32 order = 0; order < 3; order++) {
        struct volume v;
        struct record record;
        u32 pages[2];
        volume_make(&v, 64 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
        u64 avail = v.store->space.avail;
        for (u32 n = 0; n < RECORDS; n++)
            put_one(&v, n, 500);
        assert_true(v.store->tree.level > 0);
        for (u32 n = 0; n < RECORDS; n++)
            delete_one(&v, order == 0 ? n : order == 1 ? RECORDS - 1 - n : n * 7919 % RECORDS);
        assert_int_equal(v.store->tree.level, 0);
        count_pages(&v, pages);
        assert_int_equal(pages[0], 1);
        assert_int_equal(pages[1], 0);
        struct key key = sequence_key(0);
        assert_status(tree_find(v.store, &key, TREE_ABOVE, &record), STATUS_NO_SUCH_FILE);
        volume_check(&v);
        assert_int_equal(v.store->space.avail, avail);
        volume_free(&v);
    }
}

// Three records of the greatest size fit a page, so that every insert splits something; keys of the greatest
// length make the fewest children.
static void the_longest_records_of_all(void **state)
{
    (void)state;
    enum { RECORDS = 900 };
    static u8 value[VALUE_MAX], tail[KEY_MAX];
    static struct record record;
    struct volume v;
    struct key key;
    struct txn *t;
    volume_make(&v, 64 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    for (int put = 1; put >= 0; put--) {
        for (u32 n = 0; n < RECORDS; n++) {
            u32 m = n * 17 % RECORDS;
            memset(tail, 'k', sizeof tail);
            key_begin(&key, 1000, KIND_LINK);
            put_be64(tail + KEY_MAX - 9 - 8, m); // separators are long too
            key_add(&key, tail, KEY_MAX - 9);
            memset(value, (int)m, sizeof value);
            assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
            if (!put) {
                assert_ok(tree_find(v.store, &key, TREE_EQUAL, &record));
                assert_memory_equal(record.value, value, sizeof value);
            }
            assert_ok(txn_end(t, put ? tree_put(t, &key, value, sizeof value) : tree_delete(t, &key)));
        }
        assert_int_equal(v.store->tree.level, put ? 3 : 0);
        volume_check(&v);
    }
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_work_against_a_model),
        cmocka_unit_test(filling_in_order_keeps_pages_full),
        cmocka_unit_test(filling_backwards_and_at_random_keeps_pages_half_full),
        cmocka_unit_test(deleting_everything_leaves_one_page),
        cmocka_unit_test(the_longest_records_of_all),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
