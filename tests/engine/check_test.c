// SPDX-License-Identifier: Apache-2.0
// The whole-volume check finds each kind of damage, says what it is and where, and finds nothing else. Bytes
// rot on the medium; contradictions are written through the engine's own functions.
#include "tests/test.h"

#include "block/blk_sim.h"
#include "engine/extent.h"
#include "engine/orphan.h"
#include "engine/reparse.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/stream_record.h"
#include "tests/engine/volume.h"

enum { FINDINGS = 64 };

struct findings {
    u32 count, lost_pages; // all of them, and copies of pages that no good copy is left of
    struct {
        struct check_finding f;
        char path[100];
    } list[FINDINGS];
};

static void collect(void *context, const struct check_finding *f)
{
    struct findings *all = context;
    if (all->count < FINDINGS) {
        all->list[all->count].f = *f;
        snprintf(all->list[all->count].path, sizeof all->list[0].path, "%s", f->path);
    }
    all->count++;
    all->lost_pages += f->kind == CHECK_PAGE && !f->repairable;
    assert_non_null(f->text);
}

// A volume with a directory, files with and without sums, a named stream, links and a reparse point; the
// parts that tests damage.
struct sample {
    struct volume v;
    u64 dir, file, plain, link;
    struct findings found;
    struct check_totals totals;
};

static void write_stream(struct volume *v, u64 id, struct str name, size_t len)
{
    static u8 bytes[1 << 20];
    struct stream *m;
    size_t done;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (u8)(i * 7 + id);
    assert_ok(stream_open(v->store, id, name, &m));
    assert_ok(stream_write(m, 0, bytes, len, &done));
    stream_close(m);
}

static u64 make_file(struct volume *v, u64 dir, const char *name, u16 algorithm)
{
    struct txn *t;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .links = 1, .algorithm = algorithm};
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, dir, (struct str){name, (u32)strlen(name)}, inode.id, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    return inode.id;
}

static void make_copies(struct sample *s, u8 copies)
{
    struct volume *v = &s->v;
    struct txn *t;
    u8 reparse[5000] = {0x42};
    char name[16];
    memset(s, 0, sizeof *s);
    volume_make(v, 32 * MIB, 4096, copies, 0);
    s->dir = volume_create(v, OBJECT_ROOT, "dir", true);
    s->file = make_file(v, s->dir, "file", CHECKSUM_TYPE_CRC32);
    s->plain = make_file(v, OBJECT_ROOT, "plain", CHECKSUM_TYPE_NONE);
    s->link = make_file(v, OBJECT_ROOT, "link", CHECKSUM_TYPE_NONE);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "many %d", i);
        volume_create(v, s->dir, name, false);
    }
    struct inode inode;
    assert_ok(inode_get(v->store, s->link, &inode));
    inode.reparse_tag = 0x42;
    assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
    assert_ok(reparse_set(t, s->link, reparse, sizeof reparse));
    assert_ok(inode_put(t, &inode));
    assert_ok(stream_create(t, s->file, STR("named"), CHECKSUM_TYPE_CRC32));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    write_stream(v, s->file, (struct str){NULL, 0}, 100000);
    write_stream(v, s->file, STR("named"), 50000);
    write_stream(v, s->plain, (struct str){NULL, 0}, 70000);
    assert_ok(store_commit(v->store));
}

static void make(struct sample *s)
{
    make_copies(s, 2);
}

static void check(struct sample *s, nt_status want)
{
    struct check_options options = {.data = true, .finding = collect, .context = &s->found};
    memset(&s->found, 0, sizeof s->found);
    store_purge(s->v.store);
    assert_status(store_check(s->v.store, &options, &s->totals), want);
    assert_int_equal(s->found.count, s->totals.findings);
    assert_int_equal(want == STATUS_SUCCESS, s->found.count == 0);
}

// Exactly one finding, of this kind, whose text says this.
static const struct check_finding *check_one(struct sample *s, enum check_finding_kind kind, u64 object,
                                             const char *text)
{
    check(s, STATUS_DISK_CORRUPT_ERROR);
    for (u32 i = 1; i < MIN(s->found.count, (u32)FINDINGS); i++)
        print_error("also found: %s %s\n", s->found.list[i].path, s->found.list[i].f.text);
    assert_int_equal(s->found.count, 1);
    assert_int_equal(s->found.list[0].f.kind, kind);
    assert_int_equal(s->found.list[0].f.object, object);
    assert_non_null(strstr(s->found.list[0].f.text, text));
    return &s->found.list[0].f;
}

static bool was_found(struct sample *s, enum check_finding_kind kind, const char *text)
{
    for (u32 i = 0; i < MIN(s->found.count, (u32)FINDINGS); i++)
        if (s->found.list[i].f.kind == kind && strstr(s->found.list[i].f.text, text))
            return true;
    return false;
}

static void done(struct sample *s)
{
    store_abandon(s->v.store);
    blk_close(s->v.blk);
}

static void put_record(struct sample *s, const struct key *key, const void *value, u32 len)
{
    struct txn *t;
    assert_ok(txn_begin(s->v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_put(t, key, value, len)));
}

static void delete_record(struct sample *s, const struct key *key)
{
    struct txn *t;
    assert_ok(txn_begin(s->v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, tree_delete(t, key)));
}

static struct record get_record(struct sample *s, u64 object, enum record_kind kind)
{
    struct record record;
    struct key key;
    key_begin(&key, object, kind);
    assert_ok(tree_find(s->v.store, &key, TREE_AT_LEAST, &record));
    assert_true(key_belongs(&record.key, object, kind));
    return record;
}

static void a_clean_volume(void **state)
{
    (void)state;
    for (u8 copies = 1; copies <= 2; copies++) {
        struct sample s;
        make_copies(&s, copies);
        check(&s, STATUS_SUCCESS);
        assert_int_equal(s.totals.directories, 2);
        assert_int_equal(s.totals.files, 303);
        assert_int_equal(s.totals.objects, 305);
        assert_int_equal(s.totals.streams, 304);
        assert_true(s.totals.extents >= 3);
        assert_int_equal(s.totals.data_bytes, (25 + 13) * 4096); // only what has sums
        assert_true(s.totals.pages > 5);
        volume_free(&s.v);
    }
}

static void a_read_only_volume_can_be_checked(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    assert_ok(store_close(s.v.store));
    assert_ok(store_open(s.v.blk, STORE_READONLY, 0, &s.v.store));
    check(&s, STATUS_SUCCESS);
    done(&s);
}

// --- rot -----------------------------------------------------------------------------------------

struct places {
    u64 address[256];
    u32 kind[256], copy[256], count;
};

static void note_page(void *context, u64 address, u32 kind, u32 level, u32 copy)
{
    (void)level;
    struct places *p = context;
    assert_true(p->count < 256);
    p->address[p->count] = address;
    p->kind[p->count] = kind;
    p->copy[p->count++] = copy;
}

static void one_bad_copy_of_any_page(void **state)
{
    (void)state;
    struct sample s;
    struct places places = {0};
    struct check_options options = {.page = note_page, .context = &places};
    make(&s);
    assert_ok(store_check(s.v.store, &options, &s.totals));
    assert_int_equal(places.count, 2 * s.totals.pages);
    // Read-only, so that nothing is mended on the way.
    assert_ok(store_close(s.v.store));
    for (u32 i = 0; i < places.count; i++) {
        u64 at = places.address[i] + (i * 977) % PAGE_SIZE;
        blk_sim_flip(s.v.blk, 0, at, 0x20);
        assert_ok(store_open(s.v.blk, STORE_READONLY, 0, &s.v.store));
        const struct check_finding *f =
            check_one(&s, CHECK_PAGE, 0, places.kind[i] == PAGE_TREE ? "tree" : "space map");
        assert_int_equal(f->offset, places.address[i]);
        assert_int_equal(f->length, PAGE_SIZE);
        assert_true(f->repairable);
        assert_ok(store_close(s.v.store));
        blk_sim_flip(s.v.blk, 0, at, 0x20);
    }
    blk_close(s.v.blk);
}

static void both_copies_of_any_page(void **state)
{
    (void)state;
    struct sample s;
    struct places places = {0};
    struct check_options options = {.page = note_page, .context = &places};
    make(&s);
    assert_ok(store_check(s.v.store, &options, &s.totals));
    assert_ok(store_close(s.v.store));
    u32 opened = 0;
    for (u32 i = 0; i + 1 < places.count; i++) {
        if (places.copy[i] != 0 || places.copy[i + 1] != 1)
            continue;
        blk_sim_flip(s.v.blk, 0, places.address[i] + 100, 1);
        blk_sim_flip(s.v.blk, 0, places.address[i + 1] + 100, 1);
        nt_status status = store_open(s.v.blk, STORE_READONLY, 0, &s.v.store);
        if (status == STATUS_SUCCESS) {
            check(&s, STATUS_DISK_CORRUPT_ERROR);
            assert_int_equal(s.found.lost_pages, 2);
            assert_ok(store_close(s.v.store));
            opened++;
        } else {
            assert_status(status, STATUS_DISK_CORRUPT_ERROR);
        }
        blk_sim_flip(s.v.blk, 0, places.address[i] + 100, 1);
        blk_sim_flip(s.v.blk, 0, places.address[i + 1] + 100, 1);
    }
    assert_true(opened > 0);
    assert_ok(store_open(s.v.blk, 0, 0, &s.v.store));
    check(&s, STATUS_SUCCESS);
    volume_free(&s.v);
}

static void a_damaged_superblock(void **state)
{
    (void)state;
    for (u32 copy = 0; copy < 2; copy++) {
        struct sample s;
        make(&s);
        u64 at = s.v.store->durable % 2 * SUPER_SPACING + copy * s.v.store->mirror_gap;
        blk_sim_flip(s.v.blk, 0, at + 2000, 1);
        const struct check_finding *f = check_one(&s, CHECK_SUPER, 0, "superblock");
        assert_int_equal(f->offset, at);
        assert_true(f->repairable);
        done(&s);
    }
}

static void rotten_data_is_named_with_its_file(void **state)
{
    (void)state;
    struct sample s;
    struct stream *m;
    u64 device, len;
    make(&s);
    assert_ok(stream_open(s.v.store, s.file, (struct str){NULL, 0}, &m));
    assert_ok(stream_map(m, 40960, &device, &len));
    blk_sim_flip(s.v.blk, 0, device + 123, 1);
    const struct check_finding *f = check_one(&s, CHECK_DATA, s.file, "checksum");
    assert_int_equal(f->offset, 40960);
    assert_int_equal(f->length, 4096);
    assert_string_equal(s.found.list[0].path, "/dir/file");
    // Neighbours are one finding, others another.
    assert_ok(stream_map(m, 45056, &device, &len));
    blk_sim_flip(s.v.blk, 0, device, 1);
    f = check_one(&s, CHECK_DATA, s.file, "checksum");
    assert_int_equal(f->length, 8192);
    assert_ok(stream_map(m, 99999, &device, &len));
    blk_sim_flip(s.v.blk, 0, device, 1);
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(s.found.count, 2);
    assert_int_equal(s.found.list[1].f.offset, align_down(99999, 4096));
    stream_close(m);
    // Not looked for, not found; and a file without sums has nothing to compare.
    struct check_options options = {0};
    assert_ok(store_check(s.v.store, &options, &s.totals));
    done(&s);
    make(&s);
    assert_ok(stream_open(s.v.store, s.plain, (struct str){NULL, 0}, &m));
    assert_ok(stream_map(m, 0, &device, &len));
    blk_sim_flip(s.v.blk, 0, device, 1);
    stream_close(m);
    check(&s, STATUS_SUCCESS);
    // A named stream is data of its file.
    assert_ok(stream_open(s.v.store, s.file, STR("named"), &m));
    assert_ok(stream_map(m, 8192, &device, &len));
    blk_sim_flip(s.v.blk, 0, device, 1);
    stream_close(m);
    f = check_one(&s, CHECK_DATA, s.file, "checksum");
    assert_int_equal(f->offset, 8192);
    done(&s);
}

// --- records that contradict each other ----------------------------------------------------------

static void wrong_link_counts(void **state)
{
    (void)state;
    static const u32 counts[] = {0, 2, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct sample s;
        struct txn *t;
        struct inode inode;
        make(&s);
        assert_ok(inode_get(s.v.store, s.file, &inode));
        inode.links = counts[i];
        assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, inode_put(t, &inode)));
        check_one(&s, CHECK_RECORD, s.file, "number of names");
        assert_string_equal(s.found.list[0].path, "/dir/file");
        done(&s);
    }
}

static void names_and_links_that_miss_each_other(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    // A back link without its entry.
    struct record entry = get_record(&s, OBJECT_ROOT, KIND_DIRENT); // "dir"
    delete_record(&s, &entry.key);
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_true(was_found(&s, CHECK_RECORD, "not in its directory"));
    put_record(&s, &entry.key, entry.value, entry.len);
    check(&s, STATUS_SUCCESS);
    // An entry without its back link.
    struct record link = get_record(&s, s.plain, KIND_LINK);
    delete_record(&s, &link.key);
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_true(was_found(&s, CHECK_RECORD, "number of names"));
    put_record(&s, &link.key, link.value, link.len);
    check(&s, STATUS_SUCCESS);
    // An entry that names another file, and one that names none.
    struct raw_dirent *raw = (struct raw_dirent *)entry.value;
    le64 kept = raw->object;
    raw->object = to_le64(s.plain);
    put_record(&s, &entry.key, entry.value, entry.len);
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_true(was_found(&s, CHECK_RECORD, "disagree about being a directory"));
    assert_true(was_found(&s, CHECK_RECORD, "not in its directory"));
    raw->object = to_le64(99999);
    put_record(&s, &entry.key, entry.value, entry.len);
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_true(was_found(&s, CHECK_RECORD, "does not exist"));
    raw->object = kept;
    raw->directory = 0;
    put_record(&s, &entry.key, entry.value, entry.len);
    check_one(&s, CHECK_RECORD, s.dir, "disagree about being a directory");
    done(&s);
}

static void an_entry_beside_the_true_one(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    struct record entry = get_record(&s, OBJECT_ROOT, KIND_DIRENT);
    struct raw_dirent *raw = (struct raw_dirent *)entry.value;
    raw->object = to_le64(s.file);
    raw->directory = 0;
    entry.key.b[9] = 'Q'; // "Qir" names the file, which knows nothing of it
    put_record(&s, &entry.key, entry.value, entry.len);
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_true(was_found(&s, CHECK_RECORD, "not among the names"));
    done(&s);
}

// An entry that a listing would believe.
static void an_entry_that_lies_about_its_file(void **state)
{
    (void)state;
    struct sample s;
    struct txn *t;
    struct inode inode;
    struct key key;
    struct record entry;
    make(&s);
    key_begin(&key, OBJECT_ROOT, KIND_DIRENT);
    key_add(&key, "LINK", 4);
    assert_ok(tree_find(s.v.store, &key, TREE_EQUAL, &entry));
    struct raw_dirent *raw = (struct raw_dirent *)entry.value;
    assert_int_equal(raw->plain, 0);
    raw->plain = 1;
    put_record(&s, &key, entry.value, entry.len);
    check_one(&s, CHECK_RECORD, s.link, "says that its file has no reparse data");
    raw->plain = 2; // nobody believes that
    put_record(&s, &key, entry.value, entry.len);
    check(&s, STATUS_SUCCESS);
    // Two names may not both say so: only one would be changed.
    assert_ok(inode_get(s.v.store, s.file, &inode));
    inode.links = 2;
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(dirent_add(t, OBJECT_ROOT, STR("second"), s.file, false));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    check(&s, STATUS_SUCCESS);
    key_begin(&key, OBJECT_ROOT, KIND_DIRENT);
    key_add(&key, "SECOND", 6);
    assert_ok(tree_find(s.v.store, &key, TREE_EQUAL, &entry));
    raw->plain = 1;
    put_record(&s, &key, entry.value, entry.len);
    check_one(&s, CHECK_RECORD, s.file, "more than one name");
    done(&s);
}

static void streams_and_extents_that_contradict_each_other(void **state)
{
    (void)state;
    static const struct {
        u32 at; // of the stream's state in the inode
        u64 value;
        u32 bytes;
        const char *text;
    } changes[] = {
        {offsetof(struct raw_stream, allocated), 4096, 8, "allocated size"},
        {offsetof(struct raw_stream, size), 10, 8, "behind the end"},
        {offsetof(struct raw_stream, algorithm), 0, 2, "disagree about checksums"},
        {offsetof(struct raw_stream, flags), 0x80, 2, "unknown flags"},
        {offsetof(struct raw_stream, data), 88888, 8, "belong to no stream"},
    };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct sample s;
        make(&s);
        struct record inode = get_record(&s, s.file, KIND_INODE);
        u8 value[8];
        put_le64(value, changes[i].value);
        memcpy(inode.value + offsetof(struct raw_inode, data) + changes[i].at, value, changes[i].bytes);
        put_record(&s, &inode.key, inode.value, inode.len);
        check(&s, STATUS_DISK_CORRUPT_ERROR);
        assert_true(was_found(&s, CHECK_RECORD, changes[i].text));
        done(&s);
    }
}

// A volume that a crash left in the midst of a delete or a truncation, and that nobody opened for writing
// since.
static void unfinished_work_is_no_damage(void **state)
{
    (void)state;
    struct sample s;
    struct txn *t;
    make(&s);
    struct record inode = get_record(&s, s.file, KIND_INODE);
    struct raw_stream *data = (struct raw_stream *)(inode.value + offsetof(struct raw_inode, data));
    data->size = to_le64(10);
    put_record(&s, &inode.key, inode.value, inode.len);
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(orphan_tail(t, from_le64(data->data), 1, &inode.key));
    assert_ok(txn_end(t, STATUS_SUCCESS));

    struct record plain = get_record(&s, s.plain, KIND_INODE);
    data = (struct raw_stream *)(plain.value + offsetof(struct raw_inode, data));
    assert_ok(txn_begin(s.v.store, TXN_FREEING, &t));
    assert_ok(dirent_remove(t, OBJECT_ROOT, STR("plain")));
    assert_ok(object_orphan(t, s.plain));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(extent_trim(s.v.store, from_le64(data->data), 2, NULL, false));
    check(&s, STATUS_SUCCESS);

    // A named stream is gone, its extents wait.
    u64 orphan;
    assert_ok(txn_begin(s.v.store, TXN_FREEING, &t));
    assert_ok(txn_end(t, stream_remove(t, s.file, STR("named"), &orphan)));
    check(&s, STATUS_SUCCESS);
    // Without its place in the list nobody would ever free them.
    assert_ok(txn_begin(s.v.store, TXN_FREEING, &t));
    assert_ok(txn_end(t, orphan_remove(t, orphan)));
    check_one(&s, CHECK_RECORD, 0, "extents that belong to no stream");
    done(&s);
}

// The same while the sums of a file are made: one of the two mappings has no stream.
static void an_unfinished_conversion_is_no_damage(void **state)
{
    (void)state;
    struct sample s;
    struct txn *t;
    struct extent e;
    make(&s);
    struct record inode = get_record(&s, s.plain, KIND_INODE);
    struct raw_stream *data = (struct raw_stream *)(inode.value + offsetof(struct raw_inode, data));
    u64 old = from_le64(data->data), target = store_new_object(s.v.store);
    struct record extent = get_record(&s, old, KIND_EXTENT);
    assert_ok(extent_find(s.v.store, old, 0, &e));
    delete_record(&s, &extent.key);
    assert_status(extent_find(s.v.store, old, 0, &(struct extent){0}), STATUS_NO_SUCH_FILE);
    data->allocated = to_le64(0);
    put_record(&s, &inode.key, inode.value, inode.len);
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(extent_put(t, target, &e));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    check_one(&s, CHECK_RECORD, 0, "extents that belong to no stream");
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, orphan_tail(t, target, 0, NULL)));
    check(&s, STATUS_SUCCESS);
    done(&s);
}

static void extents_that_overlap_or_make_no_sense(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    struct record extent = get_record(&s, s.plain, KIND_EXTENT);
    struct key second = extent.key;
    second.b[16] = 1; // from cluster 1 on, which the first one holds
    put_record(&s, &second, extent.value, extent.len);
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_true(was_found(&s, CHECK_RECORD, "overlap"));
    delete_record(&s, &second);
    check(&s, STATUS_SUCCESS);
    put_record(&s, &extent.key, extent.value, 5);
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_true(was_found(&s, CHECK_RECORD, "cannot be read"));
    done(&s);
}

static void reparse_data_that_contradicts_its_inode(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    struct txn *t;
    struct inode inode;
    assert_ok(inode_get(s.v.store, s.link, &inode));
    inode.reparse_tag = 0x43;
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    check_one(&s, CHECK_RECORD, s.link, "reparse");
    inode.reparse_tag = 0;
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    check_one(&s, CHECK_RECORD, s.link, "reparse");
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, reparse_delete(t, s.link)));
    check(&s, STATUS_SUCCESS);
    inode.reparse_tag = 0x42;
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    check_one(&s, CHECK_RECORD, s.link, "reparse");
    done(&s);
}

static void the_tag_index_and_the_data_that_it_names(void **state)
{
    (void)state;
    struct sample s;
    struct key key;
    make(&s);
    tag_key(&key, 0x42, s.link);
    struct key odd = key;
    delete_record(&s, &key);
    check_one(&s, CHECK_RECORD, s.link, "not in the index of tags");
    put_record(&s, &key, "", 0);
    check(&s, STATUS_SUCCESS);
    // Another tag, a file without one, no file at all.
    tag_key(&key, 0x43, s.link);
    put_record(&s, &key, "", 0);
    check_one(&s, CHECK_RECORD, s.link, "names a reparse point that does not exist");
    delete_record(&s, &key);
    tag_key(&key, 0x42, s.plain);
    put_record(&s, &key, "", 0);
    check_one(&s, CHECK_RECORD, s.plain, "names a reparse point that does not exist");
    delete_record(&s, &key);
    tag_key(&key, 0x42, 77777);
    put_record(&s, &key, "", 0);
    check_one(&s, CHECK_RECORD, 77777, "names a reparse point that does not exist");
    delete_record(&s, &key);
    odd.len--;
    put_record(&s, &odd, "", 0);
    check_one(&s, CHECK_RECORD, 0, "wrong length or place");
    delete_record(&s, &odd);
    key_begin(&key, s.link, KIND_TAG);
    put_record(&s, &key, "", 0);
    check_one(&s, CHECK_RECORD, 0, "wrong length or place");
    delete_record(&s, &key);
    check(&s, STATUS_SUCCESS);
    done(&s);
}

// A deleted reparse point, at every step of being taken apart.
static void a_deleted_reparse_point_is_no_damage(void **state)
{
    (void)state;
    struct sample s;
    struct txn *t;
    struct key key;
    make(&s);
    assert_ok(txn_begin(s.v.store, TXN_FREEING, &t));
    assert_ok(dirent_remove(t, OBJECT_ROOT, STR("link")));
    assert_ok(object_orphan(t, s.link));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    check(&s, STATUS_SUCCESS);
    key_begin(&key, s.link, KIND_INODE);
    delete_record(&s, &key);
    check(&s, STATUS_SUCCESS);
    assert_ok(object_reap(s.v.store, s.link));
    check(&s, STATUS_SUCCESS);
    done(&s);
}

static void records_of_unknown_kinds_and_lengths(void **state)
{
    (void)state;
    struct sample s;
    struct key key;
    make(&s);
    key_begin(&key, s.plain, 77);
    put_record(&s, &key, "x", 1);
    check_one(&s, CHECK_RECORD, s.plain, "unknown kind");
    delete_record(&s, &key);
    key_begin(&key, s.dir, KIND_DIRENT);
    key_add(&key, "zz", 2);
    put_record(&s, &key, "x", 1);
    check_one(&s, CHECK_RECORD, s.dir, "wrong length");
    delete_record(&s, &key);
    key_begin(&key, s.file, KIND_STREAM);
    key_add(&key, "zz", 2);
    put_record(&s, &key, "x", 1);
    check_one(&s, CHECK_RECORD, s.file, "wrong length");
    delete_record(&s, &key);
    key_begin(&key, 77777, KIND_INODE);
    put_record(&s, &key, "x", 1);
    check_one(&s, CHECK_RECORD, 77777, "wrong length");
    delete_record(&s, &key);
    check(&s, STATUS_SUCCESS);
    done(&s);
}

// --- space ---------------------------------------------------------------------------------------

static void lost_space(void **state)
{
    (void)state;
    struct sample s;
    u64 unit;
    u32 clusters;
    make(&s);
    assert_ok(space_alloc_data(s.v.store, 0, 7, &unit, &clusters));
    assert_int_equal(clusters, 7);
    const struct check_finding *f = check_one(&s, CHECK_SPACE_LOST, 0, "nothing uses");
    assert_int_equal(f->offset, unit * 4096);
    assert_int_equal(f->length, 7 * 4096);
    space_free(s.v.store, unit, 7, false);
    check(&s, STATUS_SUCCESS);
    done(&s);
}

static void space_in_use_that_is_marked_free(void **state)
{
    (void)state;
    struct sample s;
    struct stream *m;
    u64 device, len;
    make(&s);
    assert_ok(stream_open(s.v.store, s.plain, (struct str){NULL, 0}, &m));
    assert_ok(stream_map(m, 16384, &device, &len));
    stream_close(m);
    space_free(s.v.store, device / 4096, 2, false);
    const struct check_finding *f = check_one(&s, CHECK_SPACE_USED, 0, "marked free");
    assert_int_equal(f->offset, device);
    assert_int_equal(f->length, 8192);
    done(&s);
    // And a page of the tree.
    make(&s);
    u64 addr = s.v.store->tree.root.addr[1];
    space_free(s.v.store, addr / 4096, 4, false);
    f = check_one(&s, CHECK_SPACE_USED, 0, "marked free");
    assert_int_equal(f->offset, addr);
    assert_int_equal(f->length, PAGE_SIZE);
    done(&s);
}

static void space_that_is_used_twice(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    // Two files with one place, and nobody counts.
    struct record extent = get_record(&s, s.plain, KIND_EXTENT);
    struct raw_extent *raw = (struct raw_extent *)extent.value;
    u64 unit = from_le64(raw->unit);
    u32 clusters = from_le32(raw->clusters);
    put_be64(extent.key.b, s.link);
    put_record(&s, &extent.key, extent.value, extent.len);
    struct record inode = get_record(&s, s.link, KIND_INODE);
    struct raw_stream *stream = &((struct raw_inode *)inode.value)->data;
    stream->allocated = to_le64((u64)clusters * 4096);
    stream->size = stream->allocated;
    put_record(&s, &inode.key, inode.value, inode.len);
    const struct check_finding *f = check_one(&s, CHECK_SPACE_USED, 0, "number of users");
    assert_int_equal(f->offset, unit * 4096);
    assert_int_equal(f->length, clusters * 4096);
    // With the right count all is well, with another one it is not.
    struct txn *t;
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(refs_add(t, unit, clusters));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    check(&s, STATUS_SUCCESS);
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(refs_add(t, unit + 1, 2));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    f = check_one(&s, CHECK_SPACE_USED, 0, "number of users");
    assert_int_equal(f->offset, (unit + 1) * 4096);
    assert_int_equal(f->length, 8192);
    done(&s);
}

static void a_wrong_count_in_the_space_map(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    volume_create(&s.v, OBJECT_ROOT, "so that the map changes", false);
    s.v.store->space.root.free++;
    check_one(&s, CHECK_RECORD, 0, "counts free units wrongly");
    done(&s);
}

// A file that nobody can name, and records of files that are not there.
static void what_nobody_can_name(void **state)
{
    (void)state;
    struct sample s;
    struct txn *t;
    struct key key;
    static const u8 kinds[] = {KIND_STREAM, KIND_REPARSE, KIND_DIRENT};
    make(&s);
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE};
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_create(t, &inode)));
    check_one(&s, CHECK_RECORD, inode.id, "has no name");
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, object_orphan(t, inode.id)));
    check(&s, STATUS_SUCCESS);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (int n = 0; n < 2; n++) { // told once
            key_begin(&key, 77777, kinds[i]);
            key_add_u64(&key, (u64)n);
            put_record(&s, &key, "12345678901234567890123456789012345", 35);
        }
        check(&s, STATUS_DISK_CORRUPT_ERROR);
        u32 told = 0;
        for (u32 f = 0; f < s.found.count; f++)
            told += s.found.list[f].f.object == 77777 && strstr(s.found.list[f].f.text, "belongs to no file");
        assert_int_equal(told, 1);
        for (int n = 0; n < 2; n++) {
            key_begin(&key, 77777, kinds[i]);
            key_add_u64(&key, (u64)n);
            delete_record(&s, &key);
        }
    }
    check(&s, STATUS_SUCCESS);
    done(&s);
}

// Data that many streams name is gone through once, and each of the others is told.
static void many_streams_of_one_data_object(void **state)
{
    (void)state;
    enum { STREAMS = 50 };
    struct sample s;
    make(&s);
    check(&s, STATUS_SUCCESS);
    u64 bytes = s.totals.data_bytes;
    struct record named = get_record(&s, s.file, KIND_STREAM);
    struct record other = named;
    for (u8 i = 0; i < STREAMS; i++) {
        other.key.b[9] = i + 1;
        put_record(&s, &other.key, other.value, other.len);
    }
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(s.totals.data_bytes, bytes);
    assert_int_equal(s.found.count, STREAMS);
    for (u32 i = 0; i < STREAMS; i++)
        assert_non_null(strstr(s.found.list[i].f.text, "another one's too"));
    // Of a file that is being taken apart too.
    struct txn *t;
    assert_ok(txn_begin(s.v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, object_orphan(t, s.file)));
    check(&s, STATUS_DISK_CORRUPT_ERROR);
    assert_int_equal(s.totals.data_bytes, bytes);
    done(&s);
}

// A medium that changes is no damage: the check ends, and finds nothing.
static void a_medium_that_changes_ends_the_check(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    struct check_options options = {.data = true, .finding = collect, .context = &s.found};
    nt_status status = STATUS_VERIFY_REQUIRED;
    for (u64 n = 1; status != STATUS_SUCCESS; n += 3) {
        memset(&s.found, 0, sizeof s.found);
        store_purge(s.v.store);
        blk_sim_fail(s.v.blk, SIM_READ, n, (struct sense){SENSE_ATTENTION, 0x28, 0, 0});
        status = store_check(s.v.store, &options, &s.totals);
        if (status != STATUS_SUCCESS)
            assert_status(status, STATUS_VERIFY_REQUIRED);
        assert_int_equal(s.found.count, 0);
        assert_true(n < 1000);
    }
    done(&s);
}

// Copies that lie close together are counted, and no damage.
static void copies_that_lie_close_are_counted(void **state)
{
    (void)state;
    struct sample s;
    make(&s);
    check(&s, STATUS_SUCCESS);
    assert_int_equal(s.totals.close, 0);
    struct space *sp = &s.v.store->space;
    u64 apart = sp->apart;
    sp->apart = 0;
    sp->meta_cursor = sp->mirror_cursor = sp->inner_low + 2000;
    volume_create(&s.v, OBJECT_ROOT, "close", false);
    assert_ok(store_commit(s.v.store));
    check(&s, STATUS_SUCCESS);
    assert_true(s.totals.close > 0);
    sp->apart = apart;
    volume_create(&s.v, OBJECT_ROOT, "far", false); // what is written again lies apart
    assert_ok(store_commit(s.v.store));
    u64 close = s.totals.close;
    check(&s, STATUS_SUCCESS);
    assert_true(s.totals.close < close);
    done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_volume),
        cmocka_unit_test(a_read_only_volume_can_be_checked),
        cmocka_unit_test(one_bad_copy_of_any_page),
        cmocka_unit_test(both_copies_of_any_page),
        cmocka_unit_test(a_damaged_superblock),
        cmocka_unit_test(rotten_data_is_named_with_its_file),
        cmocka_unit_test(wrong_link_counts),
        cmocka_unit_test(names_and_links_that_miss_each_other),
        cmocka_unit_test(an_entry_beside_the_true_one),
        cmocka_unit_test(an_entry_that_lies_about_its_file),
        cmocka_unit_test(streams_and_extents_that_contradict_each_other),
        cmocka_unit_test(unfinished_work_is_no_damage),
        cmocka_unit_test(an_unfinished_conversion_is_no_damage),
        cmocka_unit_test(extents_that_overlap_or_make_no_sense),
        cmocka_unit_test(reparse_data_that_contradicts_its_inode),
        cmocka_unit_test(the_tag_index_and_the_data_that_it_names),
        cmocka_unit_test(a_deleted_reparse_point_is_no_damage),
        cmocka_unit_test(records_of_unknown_kinds_and_lengths),
        cmocka_unit_test(lost_space),
        cmocka_unit_test(space_in_use_that_is_marked_free),
        cmocka_unit_test(space_that_is_used_twice),
        cmocka_unit_test(a_wrong_count_in_the_space_map),
        cmocka_unit_test(what_nobody_can_name),
        cmocka_unit_test(many_streams_of_one_data_object),
        cmocka_unit_test(a_medium_that_changes_ends_the_check),
        cmocka_unit_test(copies_that_lie_close_are_counted),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
