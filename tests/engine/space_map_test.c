// SPDX-License-Identifier: Apache-2.0
// The pages of the space map: where they lie on volumes of every size, and what is believed of them.
#include "tests/test.h"

#include "engine/space_map.h"
#include "engine/super.h"
#include "tests/engine/fixed.h"
#include "tests/engine/volume.h"

static void assert_page_is_fixed(const struct store *s, u32 level, u64 index)
{
    for (u8 slot = 0; slot < 2; slot++) {
        struct space_ptr p = {.birth = 1, .slot = slot};
        struct ptr ptr = space_page_ptr(s, level, index, &p);
        for (u8 copy = 0; copy < s->copies; copy++) {
            u64 unit = ptr.addr[copy] / s->unit;
            assert_true(ptr.addr[copy] % PAGE_SIZE == 0);
            assert_true(ptr.addr[copy] >= SUPER_AREA);
            assert_true(ptr.addr[copy] + PAGE_SIZE <= s->units * s->unit);
            for (u64 u = unit; u < unit + PAGE_SIZE / s->unit; u++)
                assert_true(is_fixed(s, u));
        }
    }
}

static void check_geometry(const struct store *s)
{
    u64 total = 0;
    for (u64 region = 0; region < s->space.regions; region++)
        total += space_region_units(s, region);
    assert_true(total == s->units);
    assert_true(s->space.level < SPACE_LEVELS_MAX);
    u64 count = s->space.regions, span = 1;
    for (u32 level = 0; level <= s->space.level; level++) {
        u64 some[] = {0, 1, count / 2, count - 2, count - 1};
        for (size_t i = 0; i < ARRAY_LEN(some); i++)
            if (some[i] < count)
                assert_page_is_fixed(s, level, some[i]);
        span *= SPACE_FANOUT;
        count = (s->space.regions + span - 1) / span;
    }
    assert_int_equal(count, 1);
    // Pages of several levels lie side by side at the start of the first region, not on one another.
    u64 places[2 * SPACE_LEVELS_MAX];
    u32 n = 0;
    for (u32 level = 0; level <= s->space.level; level++)
        for (u8 slot = 0; slot < 2; slot++) {
            struct space_ptr p = {.slot = slot};
            places[n++] = space_page_ptr(s, level, 0, &p).addr[0];
            for (u32 i = 0; i + 1 < n; i++)
                assert_true(places[i] != places[n - 1]);
        }
    assert_true(space_fresh(s, s->space.level, 0).free <= s->units);
}

static const u64 sizes[] = {
    4 * MIB,         5 * MIB + 12345,
    16 * MIB,        64 * MIB,
    479 * MIB,       480 * MIB,
    481 * MIB,       545 * MIB,
    1024 * MIB,      1920 * MIB,
    1921 * MIB,      2000 * MIB,
    1ull << 33,      (1ull << 36) + 7777777,
    187500ull * MIB, 187501ull * MIB,
    768000ull * MIB, 1ull << 40,
    1ull << 43,      1ull << 46,
};

// The store's side only: what geometry is made from.
static void sizes_from_4_mib_to_64_tib(void **state)
{
    (void)state;
    static struct store s;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (u32 cluster = 4096; cluster <= 65536; cluster *= 16) {
            for (u8 copies = 1; copies <= 2; copies++) {
                u64 gap = super_mirror_gap(sizes[i]);
                s.cluster = cluster;
                s.unit = MIN(cluster, (u32)PAGE_SIZE);
                s.copies = copies;
                s.mirror_gap = copies == 2 ? gap : 0;
                s.units = space_round_units(sizes[i] / s.unit, s.unit, gap);
                assert_true(s.units * s.unit <= sizes[i]);
                assert_true(s.units * s.unit + 128 * MIB > sizes[i]);
                assert_int_equal(space_round_units(s.units, s.unit, s.mirror_gap), s.units);
                space_geometry(&s);
                check_geometry(&s);
            }
        }
    }
}

static void volumes_up_to_1_tib(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes) && sizes[i] <= 1ull << 40; i++) {
        struct volume v;
        u32 cluster = i % 2 == 0 || sizes[i] < STORE_SIZE_MIN(65536) ? 4096 : 65536;
        volume_make(&v, sizes[i], cluster, i % 3 ? 2 : 1, OPTION_CASE_SENSITIVE);
        check_geometry(v.store);
        assert_ok(volume_write_file(&v, "a file", 100000));
        volume_reopen(&v);
        if (sizes[i] <= 1ull << 33)
            volume_check(&v);
        volume_free(&v);
    }
}

static void a_page_of_the_map_is_checked(void **state)
{
    (void)state;
    static u8 data[PAGE_SIZE];
    struct raw_page *head = (struct raw_page *)data;
    struct raw_space_ptr *child = (struct raw_space_ptr *)(data + sizeof *head);
    head->birth = to_le64(10);
    head->count = to_le16(SPACE_FANOUT);
    child[SPACE_FANOUT - 1].birth = to_le64(10);
    assert_true(space_check(data, 1));
    head->count = to_le16(SPACE_FANOUT + 1);
    assert_false(space_check(data, 1));
    head->count = to_le16(UINT16_MAX);
    assert_false(space_check(data, 1));
    assert_true(space_check(data, 0)); // a bitmap has no count
    head->count = to_le16(SPACE_FANOUT);
    child[SPACE_FANOUT - 1].birth = to_le64(11);
    assert_false(space_check(data, 1));
}

// A map that gives fixed places away would let the store write over its own map and superblocks.
static void a_bitmap_keeps_the_fixed_places(void **state)
{
    (void)state;
    static u8 data[PAGE_SIZE];
    struct store s = {.copies = 2, .unit = 4096, .units = 4096, .mirror_gap = 1024 * 4096ull};
    s.space.regions = 1;
    u64 fixed = space_fixed_units(&s, 0);
    u8 *bits = data + sizeof(struct raw_page);
    memset(bits, 0xff, PAGE_SIZE - sizeof(struct raw_page));
    assert_true(space_check_fixed(&s, SUPER_AREA, data));
    const u64 never[] = {0, fixed - 1, 1024, 1024 + fixed - 1, 4096, SPACE_LEAF_UNITS - 1};
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        bits[never[i] / 8] ^= (u8)(1 << never[i] % 8);
        assert_false(space_check_fixed(&s, SUPER_AREA, data));
        bits[never[i] / 8] ^= (u8)(1 << never[i] % 8);
    }
    const u64 allowed[] = {fixed, 1023, 1024 + fixed, 4095};
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        bits[allowed[i] / 8] ^= (u8)(1 << allowed[i] % 8);
    assert_true(space_check_fixed(&s, SUPER_AREA, data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_from_4_mib_to_64_tib),
        cmocka_unit_test(volumes_up_to_1_tib),
        cmocka_unit_test(a_page_of_the_map_is_checked),
        cmocka_unit_test(a_bitmap_keeps_the_fixed_places),
    };
    return cmocka_run_group_tests_name("space_map", tests, NULL, NULL);
}
