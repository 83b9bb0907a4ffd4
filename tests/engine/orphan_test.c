// SPDX-License-Identifier: Apache-2.0
// Damage in what waits in the orphan list: the volume opens for writing, says what it could not take apart,
// and clusters that could not be cut off never come back as somebody's data, nor take new data with them.
#include "tests/test.h"

#include "engine/extent.h"
#include "engine/store.h"
#include "tests/engine/objects.h"

enum { EXTENTS = 1000, CLUSTER = 4096, MIDDLE = EXTENTS };

struct patient {
    struct volume v;
    struct stream *m;
    u64 id;
    u64 addr[2]; // of the page that is damaged
    u8 page[PAGE_SIZE];
    struct store_event events[16];
    u32 count;
};

static void on_event(void *context, const struct store_event *event)
{
    struct patient *p = context;
    if (p->count < ARRAY_LEN(p->events))
        p->events[p->count++] = *event;
}

static u32 events_of(const struct patient *p, u64 object)
{
    u32 n = 0;
    for (u32 i = 0; i < p->count; i++)
        n += p->events[i].id == 131 && p->events[i].object == object;
    return n;
}

static void write_clusters(struct patient *p, u64 first, u64 step, u32 count, u8 fill)
{
    u8 data[CLUSTER];
    size_t done;
    memset(data, fill, sizeof data);
    for (u32 i = 0; i < count; i++)
        assert_ok(stream_write(p->m, (first + i * step) * CLUSTER, data, sizeof data, &done));
}

// A file whose extents fill several leaves, and the place of the leaf in their middle.
static void begin(struct patient *p)
{
    struct key key;
    struct page_trace t;
    memset(p, 0, sizeof *p);
    volume_make(&p->v, 32 * MIB, CLUSTER, 2, 0);
    p->id = volume_create(&p->v, OBJECT_ROOT, "f", false);
    assert_ok(stream_open(p->v.store, p->id, (struct str){NULL, 0}, &p->m));
    write_clusters(p, 0, 2, EXTENTS, 0xAA);
    assert_ok(store_commit(p->v.store));
    key_begin(&key, p->id, KIND_EXTENT);
    key_add_u64(&key, MIDDLE);
    assert_ok(tree_trace(p->v.store, &key, &t));
    assert_true(t.top > 0);
    memcpy(p->addr, t.ptr[0].addr, sizeof p->addr);
    assert_ok(blk_pread(p->v.blk, p->page, sizeof p->page, p->addr[0], NULL));
}

static void damage(struct patient *p, bool damaged)
{
    u8 page[PAGE_SIZE];
    memcpy(page, p->page, sizeof page);
    page[5000] ^= damaged;
    for (int copy = 0; copy < 2; copy++)
        assert_ok(blk_pwrite(p->v.blk, page, sizeof page, p->addr[copy], NULL));
    store_purge(p->v.store);
}

static void reopen(struct patient *p)
{
    stream_close(p->m);
    volume_reopen(&p->v);
    p->m = NULL;
}

static void finish(struct patient *p)
{
    volume_check(&p->v);
    stream_close(p->m);
    volume_free(&p->v);
}

static bool waits(struct patient *p, u64 id)
{
    struct key key;
    struct record record;
    key_begin(&key, OBJECT_ORPHANS, KIND_ORPHAN);
    key_add_u64(&key, id);
    return tree_find(p->v.store, &key, TREE_EQUAL, &record) == STATUS_SUCCESS;
}

static u64 orphan(struct patient *p, const char *name)
{
    struct dirent entry;
    struct txn *t;
    struct str n = {name, (u32)strlen(name)};
    assert_ok(dirent_find(p->v.store, OBJECT_ROOT, n, &entry));
    assert_ok(txn_begin(p->v.store, TXN_FREEING, &t));
    assert_ok(dirent_remove(t, OBJECT_ROOT, n));
    assert_ok(txn_end(t, object_orphan(t, entry.id)));
    return entry.id;
}

static void finding(void *context, const struct check_finding *f)
{
    struct patient *p = context;
    p->count += f->kind == CHECK_RECORD && f->object == p->id && strstr(f->text, "taken apart");
}

static void check_names_it(struct patient *p)
{
    struct check_totals totals;
    struct check_options options = {.finding = finding, .context = p};
    p->count = 0;
    assert_status(store_check(p->v.store, &options, &totals), STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(p->count, 1);
}

static void a_damaged_orphan_keeps_nobody_out(void **state)
{
    (void)state;
    struct patient p;
    begin(&p);
    volume_create(&p.v, OBJECT_ROOT, "later", false);
    u64 first = p.id;
    assert_int_equal(orphan(&p, "f"), first);
    u64 later = orphan(&p, "later");
    assert_ok(store_commit(p.v.store));
    damage(&p, true);
    for (int round = 0; round < 2; round++) {
        reopen(&p);
        assert_true(waits(&p, first));
        assert_false(waits(&p, later)); // the list goes on behind it
        p.count = 0;
        store_listen(p.v.store, on_event, &p);
        assert_int_equal(events_of(&p, first), 1);
        assert_true(events_of(&p, 0) > 0); // the page
        volume_create(&p.v, OBJECT_ROOT, round ? "a" : "b", false);
        store_listen(p.v.store, NULL, NULL);
        check_names_it(&p);
    }
    // The medium was cleaned: the next open does the work.
    damage(&p, false);
    reopen(&p);
    assert_false(waits(&p, first));
    finish(&p);
}

// What was cut off does not come back when the file grows again, nor does the cut repeat itself later.
static void grow_after_cut(struct patient *p)
{
    u8 data[CLUSTER];
    size_t done;
    write_clusters(p, 1, 1, 3, 0xBB);
    write_clusters(p, MIDDLE + 400, 2, 3, 0xCC);
    reopen(p);
    assert_ok(stream_open(p->v.store, p->id, (struct str){NULL, 0}, &p->m));
    for (u64 cluster = 0; cluster < MIDDLE + 400; cluster++) {
        u8 expected = cluster == 0 ? 0xAA : cluster <= 3 ? 0xBB : 0;
        assert_ok(stream_read(p->m, cluster * CLUSTER, data, sizeof data, &done));
        for (u32 i = 0; i < CLUSTER; i++)
            if (data[i] != expected)
                fail_msg("cluster %u holds %02x, not %02x", (unsigned)cluster, data[i], expected);
    }
    assert_ok(stream_read(p->m, (MIDDLE + 404) * CLUSTER, data, sizeof data, &done));
    assert_int_equal(data[0], 0xCC);
    assert_false(waits(p, p->id));
}

static void growing_is_refused(struct patient *p)
{
    u8 data[2 * CLUSTER];
    size_t done;
    memset(data, 0xAA, sizeof data);
    assert_status(stream_write(p->m, CLUSTER, data, CLUSTER, &done), STATUS_DISK_CORRUPT_ERROR);
    assert_status(stream_write(p->m, 100, data, CLUSTER, &done), STATUS_DISK_CORRUPT_ERROR);
    assert_status(stream_set_size(p->m, 9000 * CLUSTER), STATUS_DISK_CORRUPT_ERROR);
    assert_status(stream_set_integrity(p->m, CHECKSUM_TYPE_NONE, false), STATUS_DISK_CORRUPT_ERROR);
    // What is inside stays usable.
    assert_ok(stream_write(p->m, 0, data, CLUSTER, &done));
    assert_ok(stream_read(p->m, 0, data, sizeof data, &done));
    assert_int_equal(done, CLUSTER);
}

static void a_cut_that_met_damage(void **state)
{
    (void)state;
    enum { REOPENED = 1, CONVERTED = 2, WAYS = 4 };
    for (int way = 0; way < WAYS; way++) {
        struct patient p;
        begin(&p);
        damage(&p, true);
        assert_status(stream_set_size(p.m, CLUSTER), STATUS_DISK_CORRUPT_ERROR);
        assert_true(waits(&p, p.id));
        if (way & REOPENED) {
            reopen(&p);
            assert_ok(stream_open(p.v.store, p.id, (struct str){NULL, 0}, &p.m));
        }
        growing_is_refused(&p);
        check_names_it(&p);
        damage(&p, false);
        if (way & CONVERTED) {
            assert_ok(stream_set_integrity(p.m, CHECKSUM_TYPE_NONE, false));
            reopen(&p);
            assert_ok(stream_open(p.v.store, p.id, (struct str){NULL, 0}, &p.m));
        }
        grow_after_cut(&p);
        finish(&p);
    }
}

// Deleted while it waits: it goes as a whole.
static void a_cut_file_that_is_deleted(void **state)
{
    (void)state;
    struct patient p;
    u8 data[CLUSTER] = {0};
    size_t done;
    begin(&p);
    damage(&p, true);
    assert_status(stream_set_size(p.m, CLUSTER), STATUS_DISK_CORRUPT_ERROR);
    orphan(&p, "f");
    damage(&p, false);
    // It is still open: growing does not take it from the list.
    assert_ok(stream_write(p.m, CLUSTER, data, sizeof data, &done));
    assert_true(waits(&p, p.id));
    reopen(&p);
    assert_false(waits(&p, p.id));
    finish(&p);
}

// Cut, or given other sums, while only those who have it open keep it: it still goes as a whole.
static void a_deleted_file_that_is_cut(void **state)
{
    (void)state;
    for (int converted = 0; converted < 2; converted++) {
        struct patient p;
        struct inode inode;
        begin(&p);
        orphan(&p, "f");
        if (converted)
            assert_ok(stream_set_integrity(p.m, CHECKSUM_TYPE_NONE, false));
        assert_ok(stream_set_size(p.m, 10 * CLUSTER));
        assert_true(waits(&p, p.id));
        volume_check(&p.v);
        reopen(&p);
        assert_false(waits(&p, p.id));
        assert_status(inode_get(p.v.store, p.id, &inode), STATUS_FILE_INVALID);
        finish(&p);
    }
}

static void adopt(struct patient *p, const char *name)
{
    struct txn *t;
    assert_ok(txn_begin(p->v.store, TXN_NORMAL, &t));
    assert_ok(dirent_add(t, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, p->id, false));
    assert_ok(txn_end(t, object_adopt(t, p->id)));
}

// A name takes it off the list again, but not what could not be cut off before or after it came there.
static void a_file_that_gets_a_name(void **state)
{
    (void)state;
    enum { DELETED_FIRST = 1, CUT = 2, WAYS = 4 };
    for (int way = 0; way < WAYS; way++) {
        struct patient p;
        begin(&p);
        if (way & DELETED_FIRST)
            orphan(&p, "f");
        if (way & CUT) {
            damage(&p, true);
            assert_status(stream_set_size(p.m, CLUSTER), STATUS_DISK_CORRUPT_ERROR);
            damage(&p, false);
        }
        if (!(way & DELETED_FIRST))
            orphan(&p, "f");
        adopt(&p, "g");
        assert_int_equal(waits(&p, p.id), !!(way & CUT));
        volume_check(&p.v);
        reopen(&p);
        assert_false(waits(&p, p.id));
        assert_ok(stream_open(p.v.store, p.id, (struct str){NULL, 0}, &p.m));
        struct stream_info info;
        stream_get_info(p.m, &info);
        assert_int_equal(info.allocated, way & CUT ? CLUSTER : EXTENTS * CLUSTER);
        finish(&p);
    }
}

static void orphans_are_reaped_by_the_next_open(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct stream *m;
    struct inode inode;
    static u8 data[1 << 20], reparse[16384] = {1};
    size_t done;
    volume_make(&v, 32 * MIB, 4096, 2, 0);
    assert_ok(store_commit(v.store));
    u64 free = v.store->space.root.free;
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, stream_create(t, id, STR("named"), CHECKSUM_TYPE_CRC32)));
    for (int named = 0; named < 2; named++) {
        assert_ok(stream_open(v.store, id, named ? STR("named") : (struct str){NULL, 0}, &m));
        // In pieces that do not lie together: many extents, many transactions.
        for (u64 at = 0; at < sizeof data; at += 8192)
            assert_ok(stream_write(m, at, data, 4096, &done));
        stream_close(m);
    }
    assert_ok(reparse_replace(&v, id, reparse, sizeof reparse));
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_ok(dirent_remove(t, OBJECT_ROOT, STR("f")));
    assert_ok(txn_end(t, object_orphan(t, id)));
    assert_ok(inode_get(v.store, id, &inode)); // still there, for whoever has it open
    assert_ok(store_commit(v.store));
    // The crash. A read-only open leaves it as it is.
    assert_false(store_abandon(v.store));
    assert_ok(store_open(v.blk, STORE_READONLY, 0, &v.store));
    assert_ok(inode_get(v.store, id, &inode));
    assert_ok(store_close(v.store));
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_status(inode_get(v.store, id, &inode), STATUS_FILE_INVALID);
    volume_check(&v);
    struct record record;
    struct key key;
    key_begin(&key, OBJECT_ORPHANS, KIND_ORPHAN);
    nt_status status = tree_find(v.store, &key, TREE_ABOVE, &record);
    assert_true(status == STATUS_NO_SUCH_FILE || !key_belongs(&record.key, OBJECT_ORPHANS, KIND_ORPHAN));
    assert_ok(store_commit(v.store));
    assert_int_equal(v.store->space.root.free, free);
    volume_free(&v);
}

// Cut short after any number of writes, reaping goes on where it was.
static void reaping_can_be_cut_short_anywhere(void **state)
{
    (void)state;
    static u8 image[8 << 20];
    struct volume v;
    struct stream *m;
    struct txn *t;
    size_t done;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    assert_ok(stream_open(v.store, id, (struct str){NULL, 0}, &m));
    for (u64 at = 0; at < 100; at++)
        assert_ok(stream_write(m, at * 8192, "x", 1, &done));
    stream_close(m);
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_ok(dirent_remove(t, OBJECT_ROOT, STR("f")));
    assert_ok(txn_end(t, object_orphan(t, id)));
    assert_ok(store_close(v.store));
    assert_ok(blk_pread(v.blk, image, sizeof image, 0, NULL));
    for (int batches = 0; batches < 10; batches++) {
        assert_ok(blk_pwrite(v.blk, image, sizeof image, 0, NULL));
        assert_ok(store_open(v.blk, STORE_READONLY, 0, &v.store));
        io_start_writes(&v.store->io); // open, but not reaped
        atomic_store(&v.store->readonly, false);
        for (int i = 0; i < batches; i++) {
            u64 next, freed;
            assert_ok(txn_begin(v.store, TXN_FREEING, &t));
            assert_ok(txn_end(t, extent_unmap(t, id, 0, UINT64_MAX, &next, &freed)));
        }
        assert_ok(store_commit(v.store));
        store_abandon(v.store);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        struct inode inode;
        assert_status(inode_get(v.store, id, &inode), STATUS_FILE_INVALID);
        volume_check(&v);
        assert_ok(store_close(v.store));
    }
    blk_close(v.blk);
}

static void orphan_with_a_stray_piece_of_reparse_data(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct key key;
    struct record record;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    key_begin(&key, ODD, KIND_REPARSE);
    key_add_u64(&key, VALUE_MAX);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(object_orphan(t, ODD));
    assert_ok(txn_end(t, tree_put(t, &key, "piece", 5)));
    volume_reopen(&v);
    assert_status(tree_find(v.store, &key, TREE_EQUAL, &record), STATUS_NO_SUCH_FILE);
    volume_check(&v);
    volume_free(&v);
}

static void odd_orphans_are_left_alone_and_reported(void **state)
{
    (void)state;
    static const struct {
        u32 tail, len;
    } odd[] = {{0, 0},   {1, 0}, {7, 0}, {9, 0}, {8, 1}, {8, 7}, {8, 9}, {8, 16}, {8, 8 + KEY_MAX + 1},
               {8, 4096}};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct volume v;
        volume_make(&v, 8 * MIB, 4096, 2, 0);
        record_put(&v, OBJECT_ORPHANS, KIND_ORPHAN, odd[i].tail, odd[i].len);
        assert_ok(store_close(v.store));
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        volume_create(&v, OBJECT_ROOT, "f", false);
        struct check_totals totals;
        struct check_options options = {0};
        assert_status(store_check(v.store, &options, &totals), STATUS_DISK_CORRUPT_ERROR);
        assert_int_equal(totals.findings, 1);
        volume_free(&v);
    }
}

// The objects below the first one are the volume's own: reference counts, the tag index, the list itself.
static void the_volume_itself_is_not_taken_apart(void **state)
{
    (void)state;
    for (u64 id = 0; id < OBJECT_FIRST; id++) {
        struct volume v;
        struct txn *t;
        struct key key;
        struct record record;
        struct inode inode;
        u64 orphan;
        volume_make(&v, 8 * MIB, 4096, 2, 0);
        u64 file = volume_create(&v, OBJECT_ROOT, "f", false);
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(stream_create(t, file, STR("s"), CHECKSUM_TYPE_NONE));
        assert_ok(txn_end(t, object_orphan(t, id)));
        key_begin(&key, file, KIND_STREAM);
        key_add(&key, "S", 1);
        assert_ok(tree_find(v.store, &key, TREE_EQUAL, &record));
        ((struct raw_stream *)record.value)->data = to_le64(id);
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, tree_put(t, &key, record.value, record.len)));
        assert_ok(txn_begin(v.store, TXN_FREEING, &t));
        assert_status(txn_end(t, stream_remove(t, file, STR("s"), &orphan)),
                      id < OBJECT_ROOT ? STATUS_FILE_CORRUPT_ERROR : STATUS_SUCCESS);
        assert_ok(store_close(v.store));
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        assert_ok(inode_get(v.store, OBJECT_ROOT, &inode));
        assert_ok(inode_get(v.store, file, &inode));
        assert_ok(store_close(v.store));
        blk_close(v.blk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_orphan_keeps_nobody_out),
        cmocka_unit_test(a_cut_that_met_damage),
        cmocka_unit_test(a_cut_file_that_is_deleted),
        cmocka_unit_test(a_deleted_file_that_is_cut),
        cmocka_unit_test(a_file_that_gets_a_name),
        cmocka_unit_test(orphans_are_reaped_by_the_next_open),
        cmocka_unit_test(reaping_can_be_cut_short_anywhere),
        cmocka_unit_test(orphan_with_a_stray_piece_of_reparse_data),
        cmocka_unit_test(odd_orphans_are_left_alone_and_reported),
        cmocka_unit_test(the_volume_itself_is_not_taken_apart),
    };
    return cmocka_run_group_tests_name("orphan", tests, NULL, NULL);
}
