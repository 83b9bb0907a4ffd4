// SPDX-License-Identifier: Apache-2.0
// What the medium holds: superblocks by place, copies of pages, units of file data.
#include "tests/engine/volume.h"

#include "block/blk_sim.h"
#include "engine/fresh.h"
#include "engine/store.h"
#include "engine/super.h"

static void superblocks_by_place(void **state)
{
    struct volume v;
    struct raw_super super;
    (void)state;
    volume_make(&v, 16 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    u32 slot = v.store->durable % 2;
    for (u32 copy = 0; copy < 2; copy++) {
        assert_ok(fresh_super(v.store, slot, copy, &super));
        assert_int_equal(from_le64(super.generation), v.store->durable);
    }
    u64 at = slot * SUPER_SPACING + v.store->mirror_gap;
    blk_sim_flip(v.blk, 0, at + 300, 1);
    assert_status(fresh_super(v.store, slot, 1, &super), STATUS_DISK_CORRUPT_ERROR);
    assert_memory_equal(super.magic, SUPER_MAGIC, 8);
    assert_ok(fresh_super(v.store, slot, 0, &super));
    blk_sim_fail(v.blk, SIM_READ, 1, (struct sense){.key = SENSE_MEDIUM, .asc = 0x11});
    assert_status(fresh_super(v.store, slot, 0, &super), STATUS_DEVICE_DATA_ERROR);
    volume_free(&v);
}

static void copies_of_a_page(void **state)
{
    struct volume v;
    u32 bad;
    (void)state;
    SCOPE_FREE u8 *data = fresh_buffer(PAGE_SIZE);
    volume_make(&v, 16 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    const struct ptr *root = &v.store->tree.root;
    assert_ok(fresh_page(v.store, root, PAGE_TREE, v.store->tree.level, data, &bad));
    assert_int_equal(bad, 0);
    blk_sim_flip(v.blk, 0, root->addr[1] + 99, 1);
    assert_ok(fresh_page(v.store, root, PAGE_TREE, v.store->tree.level, data, &bad));
    assert_int_equal(bad, 2);
    blk_sim_fail(v.blk, SIM_READ, 1, (struct sense){.key = SENSE_MEDIUM, .asc = 0x11});
    assert_ok(fresh_page(v.store, root, PAGE_TREE, v.store->tree.level, data, &bad));
    assert_int_equal(bad, 3);
    blk_sim_fail(v.blk, SIM_READ, 1, (struct sense){.key = SENSE_NOT_READY, .asc = 0x3a});
    assert_status(fresh_page(v.store, root, PAGE_TREE, v.store->tree.level, data, &bad),
                  STATUS_NO_MEDIA_IN_DEVICE);
    volume_free(&v);
}

static void units_of_an_extent(void **state)
{
    struct volume v;
    struct dirent entry;
    struct extent e;
    u64 bad[FRESH_UNITS / 64];
    (void)state;
    SCOPE_FREE u8 *data = fresh_buffer(FRESH_STEP);
    volume_make(&v, 16 * MIB, 4096, 2, OPTION_CASE_SENSITIVE);
    assert_ok(volume_write_file(&v, "f", 400000));
    assert_ok(store_commit(v.store));
    assert_ok(dirent_find(v.store, OBJECT_ROOT, (struct str){"f", 1}, &entry));
    assert_ok(extent_find(v.store, entry.id, 0, &e));
    assert_true(e.clusters > 70);
    blk_sim_flip(v.blk, 0, (e.unit + 3) * 4096 + 7, 1);
    blk_sim_flip(v.blk, 0, (e.unit + 69) * 4096, 1);
    assert_ok(fresh_units(v.store, &e, 2, 69, data, bad));
    assert_int_equal(bad[0], 2);
    assert_int_equal(bad[1], 1 << (67 - 64));
    // The whole cannot be read: the one that cannot is found.
    blk_sim_fail(v.blk, SIM_READ, 1, (struct sense){.key = SENSE_MEDIUM, .asc = 0x11});
    assert_ok(fresh_units(v.store, &e, 4, 8, data, bad));
    assert_int_equal(bad[0], 0);
    e.flags &= ~(u32)EXTENT_SUMMED;
    assert_ok(fresh_units(v.store, &e, 0, 8, data, bad));
    assert_int_equal(bad[0], 0);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(superblocks_by_place),
        cmocka_unit_test(copies_of_a_page),
        cmocka_unit_test(units_of_an_extent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
