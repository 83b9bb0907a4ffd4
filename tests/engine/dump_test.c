// SPDX-License-Identifier: Apache-2.0
// The dump: what it tells of a sound volume, of each damaged page, and of random bytes; it writes nothing.
#include "tests/engine/volume.h"

#include "block/blk_sim.h"
#include "engine/format.h"
#include "engine/store.h"

struct told {
    u32 items, damaged, newest, problems, records, regions, stop_after;
    u64 bytes; // touched
};

static bool says(const struct hf_dump_field *f, const char *text)
{
    return f->type == HF_DUMP_TEXT && f->length == strlen(text) && memcmp(f->bytes, text, f->length) == 0;
}

static bool on_item(void *context, const struct hf_dump_item *item)
{
    struct told *t = context;
    t->records += strcmp(item->kind, "record") == 0;
    t->regions += strcmp(item->kind, "region") == 0;
    t->problems += strcmp(item->kind, "problem") == 0;
    for (u32 i = 0; i < item->count; i++) {
        const struct hf_dump_field *f = &item->fields[i];
        t->damaged += says(f, "damaged");
        t->newest += says(f, "newest");
        t->problems += strcmp(f->name, "problem") == 0;
        for (u32 b = 0; f->type >= HF_DUMP_TEXT && b < f->length; b++)
            t->bytes += ((const u8 *)f->bytes)[b]; // all of it is there
    }
    return ++t->items != t->stop_after;
}

static struct told tell(struct blk *b, enum hf_dump_what what, u64 address, nt_status expected)
{
    struct told t = {0};
    assert_status(store_dump(b, what, address, on_item, &t), expected);
    return t;
}

static void make(struct volume *v)
{
    char name[200];
    volume_make(v, 16 * MIB, 4096, 2, 0);
    for (u32 i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "%03u-%0150u", i, i);
        assert_ok(volume_write_file(v, name, i % 50 == 0 ? 100000 : 10));
    }
    assert_ok(store_commit(v->store));
}

static void a_sound_volume(void **state)
{
    struct volume v;
    (void)state;
    make(&v);
    u64 writes = blk_sim_count(v.blk, SIM_WRITE);
    struct told t = tell(v.blk, HF_DUMP_SUPERBLOCK, 0, STATUS_SUCCESS);
    assert_int_equal(t.items, 4);
    assert_int_equal(t.newest, 2);
    t = tell(v.blk, HF_DUMP_TREE, 0, STATUS_SUCCESS);
    assert_true(t.records > 800 && t.items > t.records + 4); // an inode, an entry, a link, an extent each
    t = tell(v.blk, HF_DUMP_SPACE, 0, STATUS_SUCCESS);
    assert_int_equal(t.regions, 1);
    t = tell(v.blk, HF_DUMP_PAGE, v.store->tree.root.addr[0], STATUS_SUCCESS);
    assert_true(t.items > 4);
    tell(v.blk, HF_DUMP_PAGE, 0, STATUS_SUCCESS);
    tell(v.blk, HF_DUMP_PAGE, 16 * MIB - 100, STATUS_SUCCESS);
    tell(v.blk, HF_DUMP_PAGE, 16 * MIB, STATUS_INVALID_PARAMETER);
    assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes);
    volume_free(&v);
}

static void what_was_flushed(void **state)
{
    struct volume v;
    (void)state;
    make(&v);
    for (int i = 0; i < 3; i++) { // the first makes the area
        volume_create(&v, OBJECT_ROOT, (const char *[]){"a", "b", "c"}[i], false);
        assert_ok(store_sync(v.store));
    }
    struct told t = tell(v.blk, HF_DUMP_LOG, 0, STATUS_SUCCESS);
    assert_true(t.items > 4);
    assert_int_equal(t.problems, 0);
    u64 at = v.store->log.unit * v.store->unit;
    blk_sim_flip(v.blk, 0, at + 200, 1);
    t = tell(v.blk, HF_DUMP_LOG, 0, STATUS_SUCCESS);
    assert_true(t.damaged > 0);
    volume_free(&v);
}

static void a_reader_that_has_seen_enough(void **state)
{
    struct volume v;
    (void)state;
    make(&v);
    for (u32 what = HF_DUMP_SUPERBLOCK; what <= HF_DUMP_PAGE; what++) {
        struct told t = {.stop_after = 1};
        assert_status(store_dump(v.blk, what, v.store->tree.root.addr[0], on_item, &t), STATUS_CANCELLED);
        assert_int_equal(t.items, 1);
    }
    volume_free(&v);
}

static void damage_is_told_and_the_rest(void **state)
{
    struct volume v;
    (void)state;
    make(&v);
    u32 sound = tell(v.blk, HF_DUMP_TREE, 0, STATUS_SUCCESS).records;
    u64 root = v.store->tree.root.addr[0], other = v.store->tree.root.addr[1];
    blk_sim_flip(v.blk, 0, root + 1000, 1);
    struct told t = tell(v.blk, HF_DUMP_TREE, 0, STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(t.damaged, 1);
    assert_int_equal(t.records, sound); // by the other copy
    blk_sim_flip(v.blk, 0, other + 1000, 1);
    t = tell(v.blk, HF_DUMP_TREE, 0, STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(t.damaged, 2);
    assert_int_equal(t.records, 0);
    blk_sim_flip(v.blk, 0, root + 1000, 1);
    blk_sim_flip(v.blk, 0, other + 1000, 1);
    u64 slot = v.store->durable % 2 * SUPER_SPACING;
    blk_sim_flip(v.blk, 0, slot + 100, 1);
    t = tell(v.blk, HF_DUMP_SUPERBLOCK, 0, STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(t.damaged, 1);
    assert_int_equal(t.newest, 1);
    blk_sim_flip(v.blk, 0, slot + v.store->mirror_gap + 100, 1);
    blk_sim_flip(v.blk, 0, (SUPER_SPACING - slot) + 100, 1);
    blk_sim_flip(v.blk, 0, (SUPER_SPACING - slot) + v.store->mirror_gap + 100, 1);
    t = tell(v.blk, HF_DUMP_SUPERBLOCK, 0, STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(t.newest, 0);
    tell(v.blk, HF_DUMP_TREE, 0, STATUS_DISK_CORRUPT_ERROR);
    tell(v.blk, HF_DUMP_PAGE, root, STATUS_SUCCESS); // needs none
    store_abandon(v.store);
    blk_close(v.blk);
}

// Bytes of the tree's root and of its records changed by dice, with the sum that is right for them.
static void random_bytes(void **state)
{
    struct volume v;
    u32 dice = 7;
    (void)state;
    make(&v);
    u64 root = v.store->tree.root.addr[0];
    for (u32 i = 0; i < 2000; i++) {
        u8 saved[PAGE_SIZE], page[PAGE_SIZE];
        u64 at = i % 3 == 0 ? root : i % 3 == 1 ? root - PAGE_SIZE : SUPER_AREA;
        struct told t = {0};
        blk_sim_peek(v.blk, 0, saved, sizeof saved, at);
        memcpy(page, saved, sizeof page);
        for (u32 n = 0; n < 1 + i % 4; n++)
            page[volume_random(&dice, i % 2 ? 200 : PAGE_SIZE)] = (u8)volume_random(&dice, 256);
        assert_ok(blk_pwrite(v.blk, page, sizeof page, at, NULL));
        nt_status status = store_dump(v.blk, HF_DUMP_PAGE, at, on_item, &t);
        assert_true(status == STATUS_SUCCESS || status == STATUS_DISK_CORRUPT_ERROR);
        assert_true(t.items > 0);
        assert_ok(blk_pwrite(v.blk, saved, sizeof saved, at, NULL));
    }
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_volume),
        cmocka_unit_test(what_was_flushed),
        cmocka_unit_test(a_reader_that_has_seen_enough),
        cmocka_unit_test(damage_is_told_and_the_rest),
        cmocka_unit_test(random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
