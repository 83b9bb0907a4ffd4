// SPDX-License-Identifier: Apache-2.0
// Records inside one page. Pages lie between two pages of memory that may not be touched, so that a step too
// far is found in every build.
#include "tests/test.h"

#include <sys/mman.h>

#include "engine/store.h"
#include "engine/stream.h"
#include "tests/engine/volume.h"

enum { GUARD = 16384 };

static u8 *guarded_page(void)
{
    u8 *p = mmap(NULL, PAGE_SIZE + 2 * GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p, GUARD, PROT_NONE), 0);
    assert_int_equal(mprotect(p + GUARD + PAGE_SIZE, GUARD, PROT_NONE), 0);
    return p + GUARD;
}

static void guarded_free(u8 *page)
{
    munmap(page - GUARD, PAGE_SIZE + 2 * GUARD);
}

static struct slice text(const char *s)
{
    return (struct slice){(const u8 *)s, (u32)strlen(s)};
}

// A leaf's key: object and kind, then a number.
static struct key number_key(u64 n)
{
    struct key key;
    key_begin(&key, 1, KIND_REPARSE);
    key_add_u64(&key, n);
    return key;
}

static void insert(u8 *page, const struct key *key, u32 len, u8 fill)
{
    u8 value[VALUE_MAX];
    bool found;
    memset(value, fill, len);
    u32 i = node_search(page, key_slice(key), &found);
    assert_false(found);
    node_insert(page, i, key_slice(key), (struct slice){value, len});
}

static void assert_sorted(const u8 *page)
{
    for (u32 i = 1; i < node_count(page); i++)
        assert_true(key_compare(node_key(page, i - 1), node_key(page, i)) < 0);
}

static void keys_compare_as_bytes_and_then_by_length(void **state)
{
    (void)state;
    assert_true(key_compare(text("a"), text("b")) < 0);
    assert_true(key_compare(text("b"), text("ab")) > 0);
    assert_true(key_compare(text("a"), text("ab")) < 0);
    assert_true(key_compare(text(""), text("a")) < 0);
    assert_true(key_compare(text("ab"), text("ab")) == 0);
    assert_true(key_compare(text("\xff"), text("a")) > 0);
}

static void an_empty_page(void **state)
{
    (void)state;
    u8 *page = guarded_page();
    bool found = true;
    node_init(page);
    assert_int_equal(node_count(page), 0);
    assert_int_equal(node_used(page), 0);
    assert_int_equal(node_search(page, text("x"), &found), 0);
    assert_false(found);
    assert_true(node_check(page, 0));
    assert_false(node_check(page, 1)); // an inner page has at least one child
    guarded_free(page);
}

static void a_full_page_takes_not_one_byte_more(void **state)
{
    (void)state;
    u8 *page = guarded_page();
    node_init(page);
    // Four records of 4 KiB each cannot fit; three leave a known rest.
    for (u64 n = 0; n < 3; n++) {
        struct key key = number_key(n);
        assert_true(node_fits(page, key.len, VALUE_MAX));
        insert(page, &key, VALUE_MAX, (u8)n);
    }
    struct key last = number_key(3);
    u32 rest = PAGE_ROOM - node_used(page) - 2 - (u32)sizeof(struct raw_record) - last.len;
    assert_true(node_fits(page, last.len, rest));
    assert_false(node_fits(page, last.len, rest + 1));
    insert(page, &last, rest, 3);
    assert_int_equal(node_used(page), PAGE_ROOM);
    assert_true(node_check(page, 0));
    // What a removal frees in the middle is used again, though it is not in one piece with the rest.
    node_remove(page, 1);
    node_remove(page, 2);
    struct key wide = number_key(7);
    insert(page, &wide, VALUE_MAX, 7);
    assert_int_equal(node_count(page), 3);
    assert_true(node_check(page, 0));
    for (u32 i = 0; i < 3; i++)
        assert_int_equal(node_value(page, i).p[100], (u8)get_be64(node_key(page, i).p + 9));
    while (node_count(page) > 0)
        node_remove(page, 0);
    assert_int_equal(node_used(page), 0);
    assert_true(node_check(page, 0));
    guarded_free(page);
}

static void random_inserts_and_removals(void **state)
{
    (void)state;
    enum { KEYS = 400 };
    static u32 len[KEYS]; // of the value and one more; 0: not there
    u32 rng = 1, used = 0, count = 0;
    u8 *page = guarded_page();
    node_init(page);
    memset(len, 0, sizeof len);
    for (int turn = 0; turn < 40000; turn++) {
        u32 n = volume_random(&rng, KEYS);
        struct key key = number_key(n);
        u32 want = volume_random(&rng, volume_random(&rng, 8) ? 60 : 2000);
        bool found;
        u32 i = node_search(page, key_slice(&key), &found);
        assert_int_equal(found, len[n] > 0);
        u32 record = 2 + (u32)sizeof(struct raw_record) + key.len;
        if (found) {
            assert_int_equal(node_value(page, i).len, len[n] - 1);
            for (u32 at = 0; at < len[n] - 1; at++)
                assert_int_equal(node_value(page, i).p[at], (u8)n);
            node_remove(page, i);
            used -= record + len[n] - 1;
            len[n] = 0;
            count--;
        } else if (node_fits(page, key.len, want)) {
            insert(page, &key, want, (u8)n);
            used += record + want;
            len[n] = want + 1;
            count++;
        }
        assert_int_equal(node_used(page), used);
        assert_int_equal(node_count(page), count);
        if (turn % 64 == 0) {
            assert_true(node_check(page, 0));
            assert_sorted(page);
        }
    }
    guarded_free(page);
}

static void a_tail_moves_to_another_page(void **state)
{
    (void)state;
    u8 *left = guarded_page(), *right = guarded_page();
    for (u32 first = 0; first <= 50; first += 10) {
        node_init(left);
        node_init(right);
        for (u64 n = 0; n < 50; n++) {
            struct key key = number_key(n);
            insert(left, &key, 100, (u8)n);
        }
        node_move_tail(left, first, right);
        assert_int_equal(node_count(left), first);
        assert_int_equal(node_count(right), 50 - first);
        assert_true(node_check(left, 0));
        assert_true(node_check(right, 0));
        for (u32 n = 0; n < 50; n++) {
            u8 *page = n < first ? left : right;
            assert_int_equal(get_be64(node_key(page, n < first ? n : n - first).p + 9), n);
            assert_int_equal(node_value(page, n < first ? n : n - first).p[99], n);
        }
    }
    guarded_free(left);
    guarded_free(right);
}

static void make_inner(u8 *page, u32 children, u64 birth)
{
    struct raw_ptr raw;
    memset(page, 0, PAGE_SIZE);
    node_init(page);
    ((struct raw_page *)page)->birth = to_le64(birth);
    for (u32 i = 0; i < children; i++) {
        struct key key = number_key(i);
        struct ptr ptr = {{(i + 1ull) * PAGE_SIZE, 0}, MIN(birth, i + 1ull), i};
        ptr_encode(&ptr, &raw);
        node_insert(page, i, i == 0 ? text("") : key_slice(&key), (struct slice){(u8 *)&raw, sizeof raw});
    }
}

static void children_of_an_inner_page(void **state)
{
    (void)state;
    u8 *page = guarded_page();
    make_inner(page, 30, 100);
    assert_true(node_check(page, 1));
    assert_false(node_check(page, 0)); // an empty key is for inner pages
    struct ptr ptr = {{PAGE_SIZE * 77, PAGE_SIZE * 78}, 5, 0x123456789abcdef0};
    node_set_child(page, 12, &ptr);
    struct ptr back = node_child(page, 12);
    assert_memory_equal(&back, &ptr, sizeof ptr);
    assert_int_equal(node_child(page, 11).addr[0], 12 * PAGE_SIZE);
    assert_int_equal(node_child(page, 13).addr[0], 14 * PAGE_SIZE);
    // A child is never younger than its parent: it would be taken for one that was not written yet.
    ptr.birth = 101;
    node_set_child(page, 12, &ptr);
    assert_false(node_check(page, 1));
    guarded_free(page);
}

// --- hostile bytes -------------------------------------------------------------------------------

static u32 work_rng = 1;

// Everything that the tree does with a page that passed its check.
static void work_with(u8 *page, u32 level)
{
    u64 seen = 0;
    bool found;
    u8 *other = guarded_page();
    for (u32 i = 0; i < node_count(page); i++) {
        struct slice key = node_key(page, i), value = node_value(page, i);
        for (u32 at = 0; at < key.len; at++)
            seen += key.p[at];
        for (u32 at = 0; at < value.len; at++)
            seen += value.p[at];
        assert_int_equal(node_search(page, key, &found), i);
        assert_true(found);
        if (level > 0)
            seen += node_child(page, i).sum;
    }
    // Kept, so that the reads are made.
    put_le64(other, seen);
    node_init(other);
    for (int step = 0; step < 12; step++) {
        u32 count = node_count(page);
        if (count > 0 && step % 3 != 2)
            node_remove(page, volume_random(&work_rng, 3) ? volume_random(&work_rng, count) : 0);
        struct key key = number_key(1000000 + (u64)step);
        u8 value[3000];
        u32 len = level > 0 ? (u32)sizeof(struct raw_ptr) : volume_random(&work_rng, sizeof value);
        memset(value, 0xff, sizeof value);
        u32 at = node_search(page, key_slice(&key), &found);
        if (!found && node_fits(page, key.len, len))
            node_insert(page, at, key_slice(&key), (struct slice){value, len});
        for (u32 i = 0; i < node_count(page); i++)
            for (u32 b = 0; b < node_key(page, i).len + node_value(page, i).len; b += 64)
                seen += node_key(page, i).p[b];
    }
    node_move_tail(page, node_count(page) / 2, other);
    guarded_free(other);
}

static void check_and_work(u8 *page, const u8 *bytes, u32 level, u32 *passed)
{
    memcpy(page, bytes, PAGE_SIZE);
    if (node_check(page, level)) {
        work_with(page, level);
        ++*passed;
    }
}

static void random_bytes_are_refused_or_safe(void **state)
{
    (void)state;
    static u8 bytes[PAGE_SIZE];
    u8 *page = guarded_page();
    u32 rng = 3, passed = 0;
    for (int turn = 0; turn < 3000; turn++) {
        for (u32 i = 0; i < PAGE_SIZE; i += 4)
            put_le32(bytes + i, (rng = rng * 1664525 + 1013904223));
        check_and_work(page, bytes, turn % 3 ? 0 : 1, &passed);
    }
    guarded_free(page);
}

// Pages that were made to pass: few records, wherever they like, and the gaps that make the sum right.
static void crafted_pages_are_refused_or_safe(void **state)
{
    (void)state;
    static u8 bytes[PAGE_SIZE];
    u8 *page = guarded_page();
    u32 rng = 5, passed = 0;
    for (int turn = 0; turn < 40000; turn++) {
        struct raw_page *head = (struct raw_page *)bytes;
        u32 count = 1 + volume_random(&rng, 4), bytes_used = 0, lowest = PAGE_SIZE;
        for (u32 i = PAGE_SIZE - 512; i < PAGE_SIZE; i++)
            bytes[i] = (u8)volume_random(&rng, 256);
        for (u32 i = 0; i < count; i++) {
            u32 at = PAGE_SIZE - 8 - volume_random(&rng, 120), room = PAGE_SIZE - at - 4;
            u32 key = 9 + volume_random(&rng, 12);
            key = MIN(key, room);
            put_le16(bytes + 64 + 2 * i, (u16)at);
            put_le16(bytes + at, (u16)key);
            put_le16(bytes + at + 2, (u16)volume_random(&rng, MIN(room - key + 1, 30u)));
            lowest = MIN(lowest, at);
        }
        for (u32 i = 0; i < count; i++) {
            const u8 *record = bytes + get_le16(bytes + 64 + 2 * i);
            bytes_used += 4u + get_le16(record) + get_le16(record + 2);
        }
        head->count = to_le16((u16)count);
        head->heap = to_le16((u16)lowest);
        head->gaps = to_le16((u16)(PAGE_SIZE - lowest - bytes_used));
        check_and_work(page, bytes, 0, &passed);
    }
    assert_true(passed > 100);
    guarded_free(page);
}

static void overlapping_records_are_refused(void **state)
{
    (void)state;
    u8 *page = guarded_page();
    struct key a = number_key(1), b = number_key(2);
    node_init(page);
    insert(page, &b, 60, 0);
    insert(page, &a, 60, 0);
    assert_true(node_check(page, 0));
    // The second record inside the value of the first.
    u32 at = get_le16(page + 64), into = at + 4 + a.len + 10;
    put_le16(page + into, 17);
    put_le16(page + into + 2, 5);
    memcpy(page + into + 4, b.b, b.len);
    put_le16(page + 66, (u16)into);
    ((struct raw_page *)page)->gaps = to_le16((u16)(PAGE_SIZE - at - (4 + 17 + 60) - (4 + 17 + 5)));
    assert_false(node_check(page, 0));
    guarded_free(page);
}

static void an_extent_is_not_younger_than_its_page(void **state)
{
    (void)state;
    u8 *page = guarded_page();
    struct key key;
    key_begin(&key, 17, KIND_EXTENT);
    key_add_u64(&key, 0);
    for (u64 birth = 6; birth <= 8; birth++) {
        struct raw_extent extent = {.clusters = to_le32(1), .birth = to_le64(birth)};
        node_init(page);
        ((struct raw_page *)page)->birth = to_le64(7);
        node_insert(page, 0, key_slice(&key), (struct slice){(const u8 *)&extent, sizeof extent});
        assert_int_equal(node_check(page, 0), birth <= 7);
    }
    guarded_free(page);
}

static void every_changed_byte_is_refused_or_safe(void **state)
{
    (void)state;
    static u8 bytes[PAGE_SIZE];
    u8 *page = guarded_page();
    u32 passed = 0, head = 64 + 2 * 24;
    for (u32 level = 0; level <= 1; level++) {
        if (level > 0) {
            make_inner(bytes, 24, 100);
        } else {
            memset(bytes, 0, sizeof bytes);
            node_init(bytes);
            for (u64 n = 0; n < 24; n++) {
                struct key key = number_key(n);
                insert(bytes, &key, (u32)n * 10, (u8)n);
            }
            node_remove(bytes, 7);
        }
        assert_true(node_check(bytes, level));
        u32 heap = from_le16(((struct raw_page *)bytes)->heap);
        for (u32 at = 0; at < PAGE_SIZE; at = at + 1 == head ? heap : at + 1) {
            u8 kept = bytes[at];
            for (u32 change = 1; change < 256; change += at < head ? 1 : 85) {
                bytes[at] = (u8)(kept ^ change);
                check_and_work(page, bytes, level, &passed);
            }
            bytes[at] = kept;
        }
    }
    assert_true(passed > 1000);
    guarded_free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_compare_as_bytes_and_then_by_length),
        cmocka_unit_test(an_empty_page),
        cmocka_unit_test(a_full_page_takes_not_one_byte_more),
        cmocka_unit_test(random_inserts_and_removals),
        cmocka_unit_test(a_tail_moves_to_another_page),
        cmocka_unit_test(children_of_an_inner_page),
        cmocka_unit_test(random_bytes_are_refused_or_safe),
        cmocka_unit_test(crafted_pages_are_refused_or_safe),
        cmocka_unit_test(overlapping_records_are_refused),
        cmocka_unit_test(an_extent_is_not_younger_than_its_page),
        cmocka_unit_test(every_changed_byte_is_refused_or_safe),
    };
    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
