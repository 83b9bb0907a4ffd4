// SPDX-License-Identifier: Apache-2.0
// Superblocks: which one counts after torn writes and damage, and that no value in one, however odd, does
// more than refuse the volume.
#include "tests/test.h"

#include "block/blk_sim.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/stream_record.h"
#include "engine/super.h"
#include "tests/engine/volume.h"

static void seal(struct raw_super *super)
{
    super->sum = to_le64(sum_crc64(super, offsetof(struct raw_super, sum)));
}

static struct raw_super get(struct volume *v, u32 slot, u32 copy)
{
    struct raw_super super;
    u64 gap = super_mirror_gap(v->blk->size);
    assert_ok(blk_pread(v->blk, &super, sizeof super, (u64)slot * SUPER_SPACING + copy * gap, NULL));
    return super;
}

static void put(struct volume *v, u32 slot, u32 copy, const struct raw_super *super)
{
    u64 gap = super_mirror_gap(v->blk->size);
    assert_ok(blk_pwrite(v->blk, super, sizeof *super, (u64)slot * SUPER_SPACING + copy * gap, NULL));
}

// Both copies, with a sum that is right.
static void put_sealed(struct volume *v, u32 slot, const struct raw_super *super)
{
    struct raw_super sealed = *super;
    seal(&sealed);
    put(v, slot, 0, &sealed);
    put(v, slot, 1, &sealed);
}

static void damage(struct volume *v, u32 slot, u32 copy)
{
    u64 gap = super_mirror_gap(v->blk->size);
    blk_sim_flip(v->blk, 0, (u64)slot * SUPER_SPACING + copy * gap + 3000, 4);
}

// A closed volume with two commits behind it: "old" is in both, "new" only in the newer one.
static u64 make(struct volume *v)
{
    struct store_identity identity;
    volume_make(v, 8 * MIB, 4096, 2, 0);
    volume_create(v, OBJECT_ROOT, "old", false);
    assert_ok(store_commit(v->store));
    volume_create(v, OBJECT_ROOT, "new", false);
    assert_ok(store_close(v->store));
    v->store = NULL;
    assert_ok(store_identify(v->blk, &identity));
    return identity.generation;
}

static void assert_newest(struct volume *v, bool has_new)
{
    struct dirent entry;
    assert_ok(store_open(v->blk, STORE_READONLY, 0, &v->store));
    assert_ok(dirent_find(v->store, OBJECT_ROOT, STR("old"), &entry));
    assert_status(dirent_find(v->store, OBJECT_ROOT, STR("new"), &entry),
                  has_new ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(store_close(v->store));
}

static void commits_use_the_slots_in_turn(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    char name[16];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "f%d", i);
        volume_create(&v, OBJECT_ROOT, name, false);
        assert_ok(store_commit(v.store));
        u32 slot = (u32)(v.store->durable % 2);
        for (u32 copy = 0; copy < 2; copy++) {
            struct raw_super here = get(&v, slot, copy), other = get(&v, !slot, copy);
            assert_true(super_check(&here));
            assert_int_equal(from_le64(here.generation), v.store->durable);
            if (super_check(&other))
                assert_int_equal(from_le64(other.generation), v.store->durable - 1);
            assert_int_equal(super_place(&here, slot, copy),
                             slot * SUPER_SPACING + copy * v.store->mirror_gap);
        }
    }
    volume_free(&v);
}

// Any part of the newest superblock in place of the one before the last: the last commit counts.
static void a_torn_superblock_falls_back_to_the_last_commit(void **state)
{
    (void)state;
    struct volume v;
    u64 newest = make(&v);
    u32 slot = (u32)(newest % 2);
    struct raw_super now = get(&v, slot, 0), before = get(&v, !slot, 0);
    assert_int_equal(from_le64(before.generation), newest - 1);
    for (u32 cut = 0; cut < SUPER_SIZE; cut += 512) {
        struct raw_super torn = before;
        torn.generation = to_le64(newest - 2); // what the slot held
        seal(&torn);
        memcpy(&torn, &now, cut);
        put(&v, slot, 0, &torn);
        put(&v, slot, 1, &torn);
        assert_newest(&v, false);
        // The second copy was not reached, or was written after all.
        put(&v, slot, 1, &now);
        assert_newest(&v, true);
    }
    blk_close(v.blk);
}

static u64 findings(struct volume *v, u32 flags)
{
    struct check_options options = {0};
    struct check_totals totals;
    assert_ok(store_open(v->blk, flags, 0, &v->store));
    nt_status status = store_check(v->store, &options, &totals);
    assert_int_equal(status, totals.findings ? STATUS_DISK_CORRUPT_ERROR : STATUS_SUCCESS);
    return totals.findings;
}

// A process that dies between the copies of a commit leaves an older superblock in the second place, which is
// no damage: neither to a check, nor to a look, nor to the scrub after the place was settled.
static void a_commit_cut_short_is_no_damage(void **state)
{
    (void)state;
    for (u32 copy = 0; copy < 2; copy++) {
        struct volume v;
        struct store_facts facts;
        u64 newest = make(&v);
        u32 slot = (u32)(newest % 2);
        struct raw_super now = get(&v, slot, 0), older = get(&v, !slot, 0);
        older.generation = to_le64(newest - 2);
        older.tree.birth = older.space.birth = to_le64(newest - 2);
        seal(&older);
        put(&v, slot, copy, &older);
        assert_int_equal(findings(&v, STORE_READONLY), 0);
        assert_ok(store_close(v.store));
        assert_ok(store_look(v.blk, &facts));
        assert_int_equal(facts.superblocks, 2);
        assert_int_equal(findings(&v, STORE_SCRUB), 0);
        assert_int_equal(v.store->settled, 0);
        struct raw_super there = get(&v, slot, copy);
        assert_memory_equal(&there, &now, sizeof now);
        // But not in a volume that was settled and has committed nothing since.
        put(&v, slot, copy, &older);
        struct check_options options = {0};
        struct check_totals totals;
        assert_status(store_check(v.store, &options, &totals), STATUS_DISK_CORRUPT_ERROR);
        assert_int_equal(totals.findings, 1);
        put(&v, slot, copy, &now);
        assert_ok(store_close(v.store));
        // Nor is it an older one of another volume, one of before, or one that rotted.
        for (u32 how = 0; how < 3; how++) {
            struct raw_super odd = older;
            if (how == 0)
                odd.uuid[3] ^= 1;
            if (how == 1)
                odd.generation = to_le64(newest - 3);
            seal(&odd);
            if (how == 2)
                odd.label[0] ^= 1;
            put(&v, slot, copy, &odd);
            assert_int_equal(findings(&v, STORE_READONLY), 1);
            assert_ok(store_close(v.store));
            assert_ok(store_look(v.blk, &facts));
            assert_int_equal(facts.superblocks, 1);
        }
        v.store = NULL;
        blk_close(v.blk);
    }
}

static void one_good_copy_is_enough(void **state)
{
    (void)state;
    for (u32 kept = 0; kept < 4; kept++) {
        struct volume v;
        u32 slot = (u32)(make(&v) % 2);
        for (u32 place = 0; place < 4; place++)
            if (place != kept)
                damage(&v, place & 1, place >> 1);
        assert_newest(&v, (kept & 1) == slot);
        damage(&v, kept & 1, kept >> 1);
        assert_status(store_open(v.blk, 0, 0, &v.store), STATUS_DISK_CORRUPT_ERROR);
        assert_null(v.store);
        blk_close(v.blk);
    }
}

static void a_look_tells_what_is_there_and_writes_nothing(void **state)
{
    (void)state;
    struct volume v;
    struct store_facts facts;
    struct store_info info;
    u64 newest = make(&v);
    u32 slot = (u32)(newest % 2);
    assert_ok(store_look(v.blk, &facts));
    assert_int_equal(facts.info.identity.generation, newest);
    assert_int_equal(facts.superblocks, 2);
    assert_true(facts.plain && !facts.later_writer && !facts.posix);
    damage(&v, slot, 0);
    assert_ok(store_look(v.blk, &facts));
    assert_int_equal(facts.superblocks, 1);
    assert_ok(store_look(v.blk, &facts));
    assert_int_equal(facts.superblocks, 1);
    assert_int_equal(facts.info.identity.generation, newest);
    struct raw_super other = get(&v, slot, 1);
    other.ro_compat = to_le64(FEATURE_POSIX | 1ull << 40);
    put_sealed(&v, slot, &other);
    assert_ok(store_look(v.blk, &facts));
    assert_true(facts.later_writer && facts.posix && !facts.plain);
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    store_get_info(v.store, &info);
    assert_memory_equal(&info.identity.uuid, &facts.info.identity.uuid, 16);
    assert_string_equal(info.label, facts.info.label);
    assert_int_equal(info.total_clusters, facts.info.total_clusters);
    assert_true(info.free_clusters <= facts.info.free_clusters);
    assert_ok(store_close(v.store));
    for (u32 place = 0; place < 4; place++)
        damage(&v, place & 1, place >> 1);
    assert_status(store_look(v.blk, &facts), STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(facts.version, 0);
    blk_close(v.blk);
}

static void unreadable(struct volume *v, u32 reads, u32 mask, struct sense sense)
{
    for (u32 i = 0; i < reads; i++)
        blk_sim_answer(v->blk,
                       mask >> i & 1 ? (struct sim_answer){SIM_CHECK, sense} : (struct sim_answer){0});
}

// Which copies of the superblocks cannot be read now, in the order in which they are looked at: slot 0, slot
// 1, and their second copies. A slot of which nothing is known may be the newest: no writer may go on.
static void count_unreadable(void *context, const struct store_event *event)
{
    u32 *told = context;
    *told += event->id == 131 && event->object == 0;
}

static void an_unreadable_superblock_is_not_a_missing_one(void **state)
{
    (void)state;
    static const struct sense senses[] = {{SENSE_MEDIUM, 0x11, 0, 0},  {SENSE_HARDWARE, 0x44, 0, 0},
                                          {SENSE_ABORTED, 0x0b, 0, 0}, {SENSE_ILLEGAL, 0x24, 0, 0},
                                          {SENSE_BLANK, 0, 0, 0},      {.transport = BLK_TIMED_OUT}};
    for (u32 i = 0; i < ARRAY_LEN(senses) * 16; i++) {
        struct volume v;
        struct dirent entry;
        struct store_identity identity;
        struct sense sense = senses[i / 16];
        u64 newest = make(&v);
        u32 mask = i % 16, slot = (u32)(newest % 2);
        // With both first copies gone the second ones are looked for, and read again when they are found.
        bool hidden = (mask & 3) != 3 && ((mask & 5) == 5 || (mask & 10) == 10);
        bool lost = (mask & 3) != 3 && (slot == 0 ? (mask & 5) == 5 : (mask & 10) == 10);
        u64 writes = blk_sim_count(v.blk, SIM_WRITE), flushes = blk_sim_count(v.blk, SIM_FLUSH);
        unreadable(&v, 4, mask, sense);
        nt_status status = store_identify(v.blk, &identity);
        assert_int_equal(status == STATUS_SUCCESS, !hidden);
        assert_int_equal(identity.generation, newest - lost);
        unreadable(&v, 4, mask, sense);
        assert_ok(store_open(v.blk, STORE_READONLY, 0, &v.store));
        u32 told = 0;
        store_listen(v.store, count_unreadable, &told);
        assert_int_equal(told, hidden);
        assert_status(dirent_find(v.store, OBJECT_ROOT, STR("new"), &entry),
                      lost ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_SUCCESS);
        assert_ok(store_close(v.store));
        unreadable(&v, 4, mask, sense);
        status = store_open(v.blk, 0, 0, &v.store);
        if (hidden) {
            assert_true(status_is_unreadable(status));
            assert_int_equal(blk_sim_count(v.blk, SIM_WRITE), writes);
            assert_int_equal(blk_sim_count(v.blk, SIM_FLUSH), flushes);
        } else {
            assert_ok(status);
            assert_ok(store_close(v.store));
        }
        assert_newest(&v, true);
        blk_close(v.blk);
    }
}

static void what_says_nothing_of_a_place_ends_the_search(void **state)
{
    (void)state;
    struct volume v;
    make(&v);
    unreadable(&v, 1, 1, (struct sense){SENSE_NOT_READY, 0x3a, 0, 0});
    assert_status(store_open(v.blk, 0, 0, &v.store), STATUS_NO_MEDIA_IN_DEVICE);
    // Where nothing can be read, nobody looks at every place there is.
    u64 reads = blk_sim_count(v.blk, SIM_READ);
    unreadable(&v, 32, UINT32_MAX, (struct sense){SENSE_MEDIUM, 0x11, 0, 0});
    assert_status(store_open(v.blk, 0, 0, &v.store), STATUS_DEVICE_DATA_ERROR);
    assert_true(blk_sim_count(v.blk, SIM_READ) - reads < 8);
    blk_close(v.blk);
}

// A volume that was only formatted has one superblock: the other slot was never written.
static void a_new_volume_needs_one_slot(void **state)
{
    (void)state;
    for (u32 i = 0; i < 4; i++) {
        struct volume v;
        volume_make(&v, 8 * MIB, 4096, 2, 0);
        assert_ok(store_close(v.store));
        unreadable(&v, 4, 1u << i, (struct sense){SENSE_HARDWARE, 0x44, 0, 0});
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        volume_free(&v);
    }
}

// Counters that would wrap make a volume that is only read; a number in use is never given again.
static void counters_never_wrap(void **state)
{
    (void)state;
    for (u32 i = 0; i < 5; i++) {
        struct volume v;
        struct txn *t;
        u64 newest = make(&v);
        u32 slot = (u32)(newest % 2);
        struct raw_super super = get(&v, slot, 0);
        if (i < 2)
            super.next_object = to_le64(i == 0 ? COUNTER_END : UINT64_MAX);
        else if (i < 4)
            super.generation = to_le64((i == 2 ? COUNTER_END : UINT64_MAX - 3) + slot);
        else
            super.next_object = to_le64(OBJECT_FIRST);
        put_sealed(&v, slot, &super);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        if (i < 4) {
            assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
        } else {
            struct dirent entry;
            for (u32 n = 0; n < 2; n++) {
                u64 id = volume_create(&v, OBJECT_ROOT, n ? "b" : "a", false);
                assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("old"), &entry));
                assert_true(id > entry.id);
                assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("new"), &entry));
                assert_true(id > entry.id);
            }
            volume_check(&v);
        }
        assert_ok(store_close(v.store));
        blk_close(v.blk);
    }
}

static void a_superblock_at_the_wrong_place_does_not_count(void **state)
{
    (void)state;
    struct volume v;
    u64 newest = make(&v);
    u32 slot = (u32)(newest % 2);
    struct raw_super now = get(&v, slot, 0);
    put(&v, !slot, 0, &now); // misdirected
    put(&v, !slot, 1, &now);
    damage(&v, slot, 0);
    damage(&v, slot, 1);
    assert_status(store_open(v.blk, 0, 0, &v.store), STATUS_DISK_CORRUPT_ERROR);
    blk_close(v.blk);
}

static void a_volume_larger_than_its_device_is_refused(void **state)
{
    (void)state;
    struct volume v;
    struct blk *small;
    static u8 part[MIB];
    make(&v);
    assert_ok(blk_open("ram:4194304", 0, &small));
    for (u64 at = 0; at < small->size; at += sizeof part) {
        assert_ok(blk_pread(v.blk, part, sizeof part, at, NULL));
        assert_ok(blk_pwrite(small, part, sizeof part, at, NULL));
    }
    assert_status(store_open(small, 0, 0, &v.store), STATUS_DISK_CORRUPT_ERROR);
    blk_close(small);
    blk_close(v.blk);
}

static void features_to_come(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    u32 slot = (u32)(make(&v) % 2);
    struct raw_super now = get(&v, slot, 0), changed = now;
    changed.incompat = to_le64(1ull << 40);
    put_sealed(&v, slot, &changed);
    assert_status(store_open(v.blk, 0, 0, &v.store), STATUS_VOLUME_NOT_UPGRADED);
    changed = now;
    changed.ro_compat = to_le64(FEATURE_POSIX | 1ull << 40);
    put_sealed(&v, slot, &changed);
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
    assert_ok(store_close(v.store));
    blk_close(v.blk);
}

static u64 writer_features(struct volume *v)
{
    struct raw_super super;
    struct io io;
    io_init(&io, v->blk);
    assert_ok(super_read(&io, &super, &(nt_status){0}));
    return from_le64(super.ro_compat);
}

// A program that does not know owners and attributes must not write where some are; where none are it may.
static void the_first_owner_marks_the_volume(void **state)
{
    (void)state;
    enum { MODE, UID, GID, DEVICE, NANOS, XATTR, NOTHING, WAYS };
    for (int way = 0; way < WAYS; way++) {
        struct volume v;
        struct txn *t;
        struct inode inode;
        make(&v);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
        assert_ok(store_commit(v.store));
        assert_int_equal(writer_features(&v), FEATURE_PLAIN);
        assert_ok(inode_get(v.store, id, &inode));
        inode.mode = way == MODE ? 0100644 : 0;
        inode.uid = way == UID ? 1000 : 0;
        inode.gid = way == GID ? 1000 : 0;
        inode.device = way == DEVICE ? 1 : 0;
        inode.nanos[INODE_CHANGED] = way == NANOS ? 99 : 0;
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        nt_status status = inode_put(t, &inode);
        if (status == STATUS_SUCCESS && way == XATTR)
            status = xattr_set(t, id, STR("user.x"), "", 0);
        assert_ok(txn_end(t, status));
        assert_ok(store_commit(v.store));
        assert_int_equal(writer_features(&v), FEATURE_PLAIN | (way == NOTHING ? 0 : FEATURE_POSIX));
        // It stays, and is no reason not to write.
        volume_reopen(&v);
        volume_create(&v, OBJECT_ROOT, "g", false);
        volume_check(&v);
        volume_free(&v);
    }
}

// One that would not know that reparse data must take the mark from an entry must not write either.
static void the_first_plain_entry_marks_the_volume(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .links = 1, .reparse_tag = 0x42};
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    nt_status status = inode_create(t, &inode);
    if (status == STATUS_SUCCESS)
        status = reparse_set(t, inode.id, (const u8 *)"\x42\0\0\0data", 8);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, OBJECT_ROOT, STR("link"), inode.id, false);
    assert_ok(txn_end(t, status));
    assert_ok(store_commit(v.store));
    assert_int_equal(writer_features(&v), 0);
    volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(store_commit(v.store));
    assert_int_equal(writer_features(&v), FEATURE_PLAIN);
    volume_delete(&v, OBJECT_ROOT, "f");
    volume_reopen(&v);
    assert_int_equal(writer_features(&v), FEATURE_PLAIN);
    volume_create(&v, OBJECT_ROOT, "g", false);
    volume_check(&v);
    volume_free(&v);
}

// --- hostile values, each with a sum that is right
// ---------------------------------------------------------------------------

static void impossible_values_are_refused(void **state)
{
    (void)state;
    struct volume v;
    u64 newest = make(&v);
    struct raw_super good = get(&v, (u32)(newest % 2), 0), s;
    assert_true(super_check(&good));
#define REFUSED(change)                \
    do {                               \
        s = good;                      \
        change;                        \
        seal(&s);                      \
        assert_false(super_check(&s)); \
    } while (0)
    u64 units = from_le64(good.units);
    REFUSED(s.magic[7] = 'X');
    REFUSED(s.version = to_le32(2));
    REFUSED(s.page_size = to_le32(4096));
    REFUSED(s.units = to_le64(0));
    REFUSED(s.units = to_le64(units - 1));
    REFUSED(s.units = to_le64(GROUP_UNITS));
    REFUSED(s.units = to_le64(1ull << 52));
    REFUSED(s.units = to_le64(UINT64_MAX - 3));
    REFUSED(s.units = to_le64(SPACE_LEAF_UNITS + GROUP_UNITS)); // no room for the last region's fixed pages
    REFUSED(s.unit_size = to_le32(512));
    REFUSED(s.unit_size = to_le32(16384));
    REFUSED(s.cluster_size = to_le32(0));
    REFUSED(s.cluster_size = to_le32(65536));
    REFUSED(s.mirror_gap = to_le64(0));
    REFUSED(s.mirror_gap = to_le64(SUPER_SPACING));
    REFUSED(s.mirror_gap = to_le64(from_le64(good.mirror_gap) + 4096));
    REFUSED(s.mirror_gap = to_le64(UINT64_MAX - 65535));
    REFUSED(s.free = to_le64(units + 1));
    REFUSED(s.groups = to_le64(units));
    REFUSED(s.space.free = to_le64(from_le64(good.free) + 1));
    REFUSED(s.space.groups = to_le64(0));
    REFUSED(s.tree.birth = to_le64(newest + 1));
    REFUSED(s.space.birth = to_le64(newest + 1));
    REFUSED(s.next_object = to_le64(OBJECT_ROOT));
    REFUSED(s.copies = 0);
    REFUSED(s.copies = 1);
    REFUSED(s.copies = 3);
    REFUSED(s.tree_level = TREE_LEVELS_MAX);
    REFUSED(s.label_length = 97);
#undef REFUSED
    s = good;
    s.label[0] ^= 1; // not sealed
    assert_false(super_check(&s));
    blk_close(v.blk);
}

// Everything a driver would do with the volume, if it opens at all.
static void try_volume(struct volume *v)
{
    struct check_totals totals;
    struct check_options options = {.data = true};
    struct store_facts facts;
    struct store_info info;
    struct store *s;
    struct txn *t;
    if (store_look(v->blk, &facts) == STATUS_SUCCESS)
        assert_true(strlen(facts.info.label) <= STORE_LABEL_BYTES);
    if (store_open(v->blk, 0, MIB, &s) != STATUS_SUCCESS)
        return;
    store_get_info(s, &info);
    assert_true(strlen(info.label) <= STORE_LABEL_BYTES);
    (void)!store_check(s, &options, &totals);
    if (txn_begin(s, TXN_NORMAL, &t) == STATUS_SUCCESS) {
        struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .links = 1};
        nt_status status = inode_create(t, &inode);
        if (status == STATUS_SUCCESS)
            status = dirent_add(t, OBJECT_ROOT, STR("x"), inode.id, false);
        (void)!txn_end(t, status);
    }
    (void)!store_close(s);
}

static void odd_values_do_no_harm(void **state)
{
    (void)state;
    static u8 image[8 << 20];
    struct volume v;
    u32 rng = 1, slot = (u32)(make(&v) % 2);
    struct raw_super good = get(&v, slot, 0);
    assert_ok(blk_pread(v.blk, image, sizeof image, 0, NULL));
    for (int turn = 0; turn < 600; turn++) {
        static const u64 values[] = {0, 1, 2, 63, 255, 65535, 1ull << 32, INT64_MAX, UINT64_MAX};
        struct raw_super s = good;
        u32 at = 32 + 8 * volume_random(&rng, 21); // between uuid and serial
        u64 value = values[volume_random(&rng, ARRAY_LEN(values))];
        if (turn % 3 == 0)
            put_le64((u8 *)&s + at, value);
        else if (turn % 3 == 1)
            ((u8 *)&s)[8 + volume_random(&rng, 300)] ^= (u8)(1 << volume_random(&rng, 8));
        else
            put_le64((u8 *)&s + at, get_le64((u8 *)&s + at) + volume_random(&rng, 9) - 4);
        put_sealed(&v, slot, &s);
        try_volume(&v);
        assert_ok(blk_pwrite(v.blk, image, sizeof image, 0, NULL));
    }
    assert_newest(&v, true);
    blk_close(v.blk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_use_the_slots_in_turn),
        cmocka_unit_test(a_torn_superblock_falls_back_to_the_last_commit),
        cmocka_unit_test(a_commit_cut_short_is_no_damage),
        cmocka_unit_test(one_good_copy_is_enough),
        cmocka_unit_test(a_look_tells_what_is_there_and_writes_nothing),
        cmocka_unit_test(an_unreadable_superblock_is_not_a_missing_one),
        cmocka_unit_test(what_says_nothing_of_a_place_ends_the_search),
        cmocka_unit_test(a_new_volume_needs_one_slot),
        cmocka_unit_test(counters_never_wrap),
        cmocka_unit_test(a_superblock_at_the_wrong_place_does_not_count),
        cmocka_unit_test(a_volume_larger_than_its_device_is_refused),
        cmocka_unit_test(features_to_come),
        cmocka_unit_test(the_first_owner_marks_the_volume),
        cmocka_unit_test(the_first_plain_entry_marks_the_volume),
        cmocka_unit_test(impossible_values_are_refused),
        cmocka_unit_test(odd_values_do_no_harm),
    };
    return cmocka_run_group_tests_name("super", tests, NULL, NULL);
}
