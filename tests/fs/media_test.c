// SPDX-License-Identifier: Apache-2.0
// Media that come and go under open files: spec/storage.md cases 58 to 67, 82 and 90. The drive is simulated
// and holds two volumes, A and B, each with a file "f" of its own letter; one test swaps real image files.
#include "block/blk_sim.h"
#include "tests/fs/volume.h"

enum { MEDIUM_SIZE = 8 << 20, FILE_SIZE = 256 << 10, A = 0, B = 1 };

static struct volume v;
static struct blk *sim;
static u32 blank;

static void fill_medium(u32 medium, char letter)
{
    struct store_format_options options = {.cluster = 4096, .label = {&letter, 1}};
    static char data[FILE_SIZE];
    struct inode inode = {.links = 1,
                          .created = time_now(),
                          .attributes = FILE_ATTRIBUTE_INTEGRITY_STREAM,
                          .algorithm = CHECKSUM_TYPE_CRC32};
    struct store *store;
    struct stream *stream;
    struct txn *t;
    size_t done;
    blk_sim_insert(sim, medium, false);
    assert_ok(store_format(sim, &options));
    assert_ok(store_open(sim, 0, 0, &store));
    assert_ok(txn_begin(store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, OBJECT_ROOT, STR("f"), inode.id, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(stream_open(store, inode.id, (struct str){0}, &stream));
    memset(data, letter, sizeof data);
    assert_ok(stream_write(stream, 0, data, sizeof data, &done));
    stream_close(stream);
    assert_ok(store_close(store));
}

static int setup(void **state)
{
    (void)state;
    u32 medium;
    assert_ok(blk_sim_new(MEDIUM_SIZE, BLK_REMOVABLE, &sim));
    assert_ok(blk_sim_add_medium(sim, MEDIUM_SIZE, false, &medium));
    assert_int_equal(medium, B);
    assert_ok(blk_sim_add_medium(sim, MEDIUM_SIZE, false, &blank));
    fill_medium(B, 'B');
    fill_medium(A, 'A');
    volume_attach(&v, sim, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    volume_free(&v);
    return 0;
}

// Every byte of the first n that a handle reads is the letter; or the status.
static nt_status read_letter(struct file_object *f, u64 offset, char letter)
{
    char data[4096];
    u64 done;
    nt_status status = volume_read(f, offset, data, sizeof data, &done);
    if (status != STATUS_SUCCESS)
        return status;
    assert_int_equal(done, sizeof data);
    for (size_t i = 0; i < sizeof data; i++)
        assert_int_equal(data[i], letter);
    return status;
}

static nt_status write_letter(struct file_object *f, u64 offset, char letter)
{
    char data[4096];
    memset(data, letter, sizeof data);
    return volume_write(f, offset, data, sizeof data);
}

static void open_f(struct file_object *f)
{
    assert_ok(volume_open(&v, f, "f", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
}

static u8 *copy_of(u32 medium)
{
    u8 *bytes = malloc(MEDIUM_SIZE);
    assert_non_null(bytes);
    blk_sim_peek(sim, medium, bytes, MEDIUM_SIZE, 0);
    return bytes;
}

static void assert_untouched(u32 medium, u8 *before)
{
    u8 *now = copy_of(medium);
    assert_memory_equal(now, before, MEDIUM_SIZE);
    free(now);
    free(before);
}

static void case_058_same_medium(void **state)
{
    (void)state;
    struct file_object f;
    open_f(&f);
    assert_ok(write_letter(&f, 0, 'x'));
    blk_sim_insert(sim, A, true);
    assert_ok(read_letter(&f, 4096, 'A'));
    assert_ok(read_letter(&f, 0, 'x'));
    assert_false(v.drive->flags & DO_VERIFY_VOLUME);
    assert_ok(volume_flush(&f));
    assert_ok(volume_close(&f));
}

static void case_059_wrong_medium(void **state)
{
    (void)state;
    struct file_object f, g;
    open_f(&f);
    u8 *before = copy_of(B);
    assert_ok(write_letter(&f, 0, 'x'));
    blk_sim_insert(sim, B, true);
    assert_status(read_letter(&f, 4096, 'A'), STATUS_WRONG_VOLUME);
    assert_status(write_letter(&f, 4096, 'x'), STATUS_WRONG_VOLUME);
    assert_status(volume_flush(&f), STATUS_WRONG_VOLUME);
    assert_ok(volume_open(&v, &g, "f", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(read_letter(&g, 0, 'B'));
    assert_ok(volume_close(&g));
    assert_ok(volume_close(&f));
    assert_untouched(B, before);
}

static void case_060_old_medium_back(void **state)
{
    (void)state;
    struct file_object f, g;
    open_f(&f);
    assert_ok(write_letter(&f, 0, 'x'));
    assert_ok(volume_flush(&f));
    assert_ok(volume_open(&v, &g, "unflushed", FILE_WRITE_DATA, FILE_CREATE, 0));
    assert_ok(write_letter(&g, 0, 'y'));
    blk_sim_insert(sim, B, true);
    assert_status(read_letter(&f, 0, 'x'), STATUS_WRONG_VOLUME);
    blk_sim_insert(sim, A, true);
    assert_ok(read_letter(&f, 0, 'x'));
    assert_ok(read_letter(&f, 4096, 'A'));
    assert_status(write_letter(&g, 0, 'y'), STATUS_FILE_INVALID); // it was never on the medium
    assert_status(volume_flush(&f), STATUS_LOST_WRITEBEHIND_DATA);
    assert_ok(volume_flush(&f));
    assert_ok(write_letter(&f, 0, 'z'));
    assert_ok(read_letter(&f, 0, 'z'));
    assert_ok(volume_close(&g));
    assert_ok(volume_close(&f));
    assert_status(volume_probe(&v, "unflushed", 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

// What another computer does with medium A while it is out of our drive.
static void change_elsewhere(void)
{
    struct store *store;
    struct stream *stream;
    struct dirent entry;
    struct inode inode;
    struct txn *t;
    size_t done;
    blk_sim_insert(sim, A, false);
    assert_ok(store_open(sim, 0, 0, &store));
    assert_ok(dirent_find(store, OBJECT_ROOT, STR("f"), &entry));
    assert_ok(stream_open(store, entry.id, (struct str){0}, &stream));
    assert_ok(stream_write(stream, 0, "elsewhere", 9, &done));
    stream_close(stream);
    assert_ok(inode_get(store, entry.id, &inode));
    inode.written = inode.changed = time_now();
    assert_ok(txn_begin(store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    assert_ok(store_close(store));
    blk_sim_insert(sim, B, false);
}

static void case_061_changed_elsewhere(void **state)
{
    (void)state;
    struct file_object f, g, h;
    volume_put(&v, "g", "other");
    open_f(&f);
    assert_ok(volume_open(&v, &g, "g", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_flush(&g));
    blk_sim_insert(sim, B, true);
    assert_status(read_letter(&f, 4096, 'A'), STATUS_WRONG_VOLUME);
    change_elsewhere();
    blk_sim_insert(sim, A, true);
    char data[16];
    assert_ok(volume_read(&g, 0, data, 5, NULL));
    assert_memory_equal(data, "other", 5);
    assert_status(read_letter(&f, 4096, 'A'), STATUS_FILE_INVALID);
    assert_status(volume_flush(&f), STATUS_FILE_INVALID);
    open_f(&h); // the path leads to the file as it is now
    assert_ok(volume_read(&h, 0, data, 9, NULL));
    assert_memory_equal(data, "elsewhere", 9);
    assert_ok(volume_close(&h));
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&g));
}

static void case_062_empty_drive(void **state)
{
    (void)state;
    struct file_object f;
    open_f(&f);
    blk_sim_remove(sim);
    assert_status(read_letter(&f, 0, 'A'), STATUS_NO_MEDIA_IN_DEVICE);
    assert_status(read_letter(&f, 0, 'A'), STATUS_NO_MEDIA_IN_DEVICE);
    blk_sim_insert(sim, A, true);
    assert_ok(read_letter(&f, 0, 'A'));
    // Out with a foreign medium in between: the drive is empty when the old handle asks.
    blk_sim_insert(sim, B, true);
    assert_status(read_letter(&f, 0, 'A'), STATUS_WRONG_VOLUME);
    blk_sim_remove(sim);
    assert_status(read_letter(&f, 0, 'A'), STATUS_NO_MEDIA_IN_DEVICE);
    blk_sim_insert(sim, A, true);
    assert_ok(read_letter(&f, 0, 'A'));
    assert_ok(volume_close(&f));
}

struct reader {
    pthread_t thread;
    struct file_object *file;
    u64 offset;
    nt_status status;
    bool foreign; // a byte of the other medium was returned
};

static void *read_once(void *context)
{
    struct reader *r = context;
    char data[4096];
    struct irp irp = {.major = IRP_MJ_READ};
    irp.p.read.data = data;
    irp.p.read.length = sizeof data;
    irp.p.read.offset = r->offset;
    r->status = volume_send(r->file, &irp);
    for (size_t i = 0; r->status == STATUS_SUCCESS && i < sizeof data; i++)
        r->foreign |= data[i] != 'A';
    return NULL;
}

static void start(struct reader *r, struct file_object *f, u64 offset)
{
    *r = (struct reader){.file = f, .offset = offset};
    assert_int_equal(pthread_create(&r->thread, NULL, read_once, r), 0);
}

static void case_063_one_verify_for_all(void **state)
{
    (void)state;
    struct file_object f;
    struct reader a, b;
    open_f(&f);
    // What one verify costs.
    dev_mark_verify(v.drive);
    u64 before = blk_sim_count(sim, SIM_READY);
    assert_ok(read_letter(&f, 0, 'A'));
    u64 cost = blk_sim_count(sim, SIM_READY) - before;
    assert_true(cost > 0);

    dev_mark_verify(v.drive);
    blk_sim_answer(sim, (struct sim_answer){.what = SIM_STUCK});
    before = blk_sim_count(sim, SIM_READY);
    start(&a, &f, 0);
    while (!blk_sim_is_stuck(sim))
        sched_yield();
    start(&b, &f, 4096);
    blk_sim_release(sim);
    pthread_join(a.thread, NULL);
    pthread_join(b.thread, NULL);
    assert_ok(a.status);
    assert_ok(b.status);
    assert_false(a.foreign || b.foreign);
    assert_int_equal(blk_sim_count(sim, SIM_READY) - before, cost);
    assert_ok(volume_close(&f));
}

static void case_064_swap_under_32_reads(void **state)
{
    (void)state;
    enum { READERS = 32 };
    struct reader readers[READERS];
    struct file_object f;
    open_f(&f);
    for (int round = 0; round < 8; round++) {
        for (u64 i = 0; i < READERS; i++) {
            start(&readers[i], &f, i * 4096);
            if (i == READERS / 2)
                blk_sim_insert(sim, B, true);
        }
        for (int i = 0; i < READERS; i++) {
            pthread_join(readers[i].thread, NULL);
            assert_false(readers[i].foreign);
            if (readers[i].status != STATUS_SUCCESS && readers[i].status != STATUS_VERIFY_REQUIRED)
                assert_status(readers[i].status, STATUS_WRONG_VOLUME);
        }
        assert_status(read_letter(&f, 0, 'A'), STATUS_WRONG_VOLUME);
        blk_sim_insert(sim, A, true);
        assert_ok(read_letter(&f, 0, 'A'));
    }
    assert_ok(volume_close(&f));
}

struct writer {
    pthread_t thread;
    struct file_object *file;
    u64 first;
};

static void *write_many(void *context)
{
    struct writer *w = context;
    for (u64 i = 0; i < 8; i++) {
        char data[4096] = "dirty";
        struct irp irp = {.major = IRP_MJ_WRITE};
        irp.p.write.data = data;
        irp.p.write.length = sizeof data;
        irp.p.write.offset = (w->first + i) * 4096;
        if (volume_send(w->file, &irp) != STATUS_SUCCESS || volume_flush(w->file) != STATUS_SUCCESS)
            break;
    }
    return NULL;
}

static void case_065_swap_while_writing(void **state)
{
    (void)state;
    enum { WRITERS = 4 };
    struct writer writers[WRITERS];
    struct file_object f, g;
    open_f(&f);
    assert_ok(volume_open(&v, &g, "lost", FILE_WRITE_DATA, FILE_CREATE, 0));
    u8 *before = copy_of(B);
    for (u64 i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.file = &f, .first = i * 8};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
    }
    blk_sim_insert(sim, B, true);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    assert_status(read_letter(&f, 0, 'A'), STATUS_WRONG_VOLUME);
    assert_untouched(B, before);
    assert_ok(volume_close(&g));
    assert_ok(volume_close(&f));
}

static void loss_is_reported_once(void **state)
{
    (void)state;
    struct file_object f;
    open_f(&f);
    assert_ok(write_letter(&f, FILE_SIZE, 'x')); // new clusters, not yet committed
    blk_sim_insert(sim, B, true);
    assert_status(volume_flush(&f), STATUS_WRONG_VOLUME);
    blk_sim_insert(sim, A, true);
    assert_status(volume_flush(&f), STATUS_LOST_WRITEBEHIND_DATA);
    assert_ok(volume_flush(&f));
    assert_status(read_letter(&f, FILE_SIZE, 'x'), STATUS_END_OF_FILE);
    assert_ok(volume_close(&f));
}

// What was in doubt when the medium went cannot be compared any more.
static void doubt_that_went_with_the_medium_is_told(void **state)
{
    (void)state;
    struct file_object f, g;
    open_f(&f);
    struct ccb *ccb = f.context;
    assert_ok(stream_set_integrity(ccb->scb->stream, CHECKSUM_TYPE_CRC32, false));
    assert_ok(volume_open(&v, &g, "g", FILE_WRITE_DATA, FILE_CREATE, 0));
    assert_ok(volume_flush(&f));
    assert_ok(write_letter(&f, 0, 'x'));
    store_was_away(ccb->vcb->store);
    assert_ok(volume_flush(&g));
    assert_false(store_dirty(ccb->vcb->store)); // so nothing is dropped
    blk_sim_insert(sim, B, true);
    assert_status(read_letter(&f, 4096, 'A'), STATUS_WRONG_VOLUME);
    blk_sim_insert(sim, A, true);
    assert_status(volume_flush(&f), STATUS_LOST_WRITEBEHIND_DATA);
    assert_ok(volume_flush(&f));
    assert_ok(volume_flush(&g));
    assert_ok(volume_close(&g));
    assert_ok(volume_close(&f));
}

static void case_066_silent_swap(void **state)
{
    (void)state;
    struct file_object f, volume;
    open_f(&f);
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    blk_sim_remove(sim);
    assert_status(volume_ioctl(&volume, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL),
                  STATUS_NO_MEDIA_IN_DEVICE);
    blk_sim_insert(sim, B, false); // the drive says nothing of it
    assert_status(read_letter(&f, 0, 'A'), STATUS_WRONG_VOLUME);
    assert_ok(volume_close(&volume));
    assert_ok(volume_close(&f));
}

static void case_067_foreign_medium_is_raw(void **state)
{
    (void)state;
    struct file_object f;
    struct device *device;
    open_f(&f);
    blk_sim_insert(sim, blank, true);
    assert_status(read_letter(&f, 0, 'A'), STATUS_WRONG_VOLUME);
    assert_ok(dev_mount(v.drive, &device));
    assert_null(device);
    blk_sim_insert(sim, A, true);
    assert_ok(read_letter(&f, 0, 'A'));
    assert_ok(volume_close(&f));
}

static void case_082_is_volume_mounted(void **state)
{
    (void)state;
    struct file_object f;
    open_f(&f);
    dev_mark_verify(v.drive);
    assert_ok(volume_fsctl(&f, FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, NULL));
    assert_false(v.drive->flags & DO_VERIFY_VOLUME);
    blk_sim_insert(sim, B, false);
    dev_mark_verify(v.drive);
    assert_status(volume_fsctl(&f, FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, NULL), STATUS_WRONG_VOLUME);
    assert_ok(volume_close(&f));
}

static void check_verify_is_for_the_caller(void **state)
{
    (void)state;
    struct file_object volume;
    u8 count[4] = {0xaa};
    u64 done = 0;
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    blk_sim_insert(sim, A, true);
    assert_status(volume_ioctl(&volume, IOCTL_STORAGE_CHECK_VERIFY, count, 4, &done), STATUS_VERIFY_REQUIRED);
    assert_int_equal(done, 0);
    assert_true(v.drive->flags & DO_VERIFY_VOLUME);
    assert_ok(volume_close(&volume));
}

static void closing_while_away(void **state)
{
    (void)state;
    struct file_object f, g;
    open_f(&f);
    assert_ok(volume_open(&v, &g, "doomed", FILE_WRITE_DATA | DELETE, FILE_CREATE, FILE_DELETE_ON_CLOSE));
    assert_ok(volume_flush(&g));
    blk_sim_insert(sim, B, true);
    assert_status(read_letter(&f, 0, 'A'), STATUS_WRONG_VOLUME);
    assert_ok(volume_close(&g));
    assert_ok(volume_close(&f));
    blk_sim_insert(sim, A, true);
    open_f(&f);
    assert_ok(read_letter(&f, 0, 'A'));
    assert_ok(volume_close(&f));
    assert_ok(volume_probe(&v, "doomed", 0)); // nobody could delete it
}

// A model of one open file on medium A. Its stream has integrity, so nothing that was not committed is on the
// medium.
struct model {
    int inside;            // -1: the drive is empty
    char known, committed; // first block of A's file: as the handle sees it, as it is on the medium
    bool away;             // the file system has let go of A: what was not committed is gone
    bool unverified;       // A was put in and nobody has looked yet; a verify commits
};

static u32 draw(u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void let_go(struct model *m)
{
    m->known = m->committed;
    m->away = true;
}

static void found_again(struct model *m)
{
    if (m->unverified)
        m->committed = m->known;
    m->away = m->unverified = false;
}

static void check_status(struct model *m, nt_status status)
{
    if (m->inside == A)
        assert_ok(status);
    else
        assert_status(status, m->inside < 0 ? STATUS_NO_MEDIA_IN_DEVICE : STATUS_WRONG_VOLUME);
    if (m->inside == B)
        let_go(m);
}

static void step_medium(struct model *m, u32 what)
{
    m->inside = what % 3 == 2 ? -1 : (int)(what % 3);
    if (m->inside < 0)
        blk_sim_remove(sim);
    else
        blk_sim_insert(sim, (u32)m->inside, true);
    m->unverified = m->inside == A;
}

static void step_handle(struct model *m, u32 what, struct file_object *f)
{
    char letter = (char)('a' + what % 26);
    nt_status status;
    switch (what % 3) {
    case 0:
        status = read_letter(f, 0, m->known);
        if (status == STATUS_SUCCESS)
            found_again(m);
        break;
    case 1:
        status = write_letter(f, 0, letter);
        if (status == STATUS_SUCCESS) {
            found_again(m);
            m->known = letter;
        }
        break;
    default:
        status = volume_flush(f);
        if (status == STATUS_LOST_WRITEBEHIND_DATA)
            status = volume_flush(f);
        if (status == STATUS_SUCCESS && m->known == m->committed)
            return; // nothing to write: the drive need not be asked
        if (status == STATUS_SUCCESS)
            m->committed = m->known;
    }
    check_status(m, status);
}

static void step_path(struct model *m)
{
    struct file_object g;
    nt_status status = volume_open(&v, &g, "f", FILE_READ_DATA, FILE_OPEN, 0);
    if (m->inside < 0) {
        assert_status(status, STATUS_NO_MEDIA_IN_DEVICE);
        return;
    }
    assert_ok(status);
    assert_ok(read_letter(&g, 4096, m->inside == A ? 'A' : 'B'));
    assert_ok(volume_close(&g));
    if (m->inside == A)
        found_again(m);
    else
        let_go(m);
}

static void step_volume(struct model *m, u32 what, struct file_object *volume)
{
    nt_status status;
    if (what % 2) { // whatever it says, it must not do more than ask
        status = volume_ioctl(volume, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL);
        // Marked for verify it says so without looking; otherwise it looks.
        if (status != STATUS_VERIFY_REQUIRED)
            assert_status(status, m->inside < 0 ? STATUS_NO_MEDIA_IN_DEVICE : STATUS_SUCCESS);
        return;
    }
    status = volume_fsctl(volume, FSCTL_LOCK_VOLUME, NULL, 0, NULL, 0, NULL);
    if (status == STATUS_ACCESS_DENIED)
        return; // f is open; whether the medium was looked at is not told
    check_status(m, status);
}

static void case_090_random_interleavings(void **state)
{
    (void)state;
    struct model m = {.inside = A, .known = 'A', .committed = 'A'};
    struct file_object f, volume;
    u32 seed = 90;
    u8 *before = copy_of(B);
    open_f(&f);
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    for (int i = 0; i < 10000; i++) {
        u32 what = draw(&seed);
        switch (what / 256 % 8) {
        case 0:
            step_medium(&m, what);
            break;
        case 1:
            step_path(&m);
            break;
        case 2:
            step_volume(&m, what, &volume);
            break;
        default:
            step_handle(&m, what, &f);
        }
    }
    assert_ok(volume_close(&volume));
    assert_ok(volume_close(&f));
    assert_untouched(B, before);
}

// What was not committed yet survives a dismount that is the first to hear of the medium being put in again.
static void a_dismount_hears_of_the_same_medium(void **state)
{
    (void)state;
    struct file_object f;
    open_f(&f);
    assert_ok(write_letter(&f, 0, 'x'));
    assert_ok(volume_close(&f));
    blk_sim_insert(sim, A, true);
    assert_ok(volume_open(&v, &f, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_fsctl(&f, FSCTL_DISMOUNT_VOLUME, NULL, 0, NULL, 0, NULL));
    assert_ok(volume_close(&f));
    open_f(&f);
    assert_ok(read_letter(&f, 0, 'x'));
    assert_ok(volume_close(&f));
}

static bool never_settles;

static nt_status mark_again(void *context, enum sim_kind kind, u64 offset, struct sense *sense)
{
    (void)context;
    (void)offset;
    (void)sense;
    if (never_settles && kind == SIM_READ)
        dev_mark_verify(v.drive);
    return STATUS_SUCCESS;
}

// Each verify finds our medium, and the drive marks it again meanwhile: a request gives up in the end, and
// has no lock then.
static void a_drive_that_never_settles(void **state)
{
    (void)state;
    struct file_object f;
    open_f(&f);
    blk_sim_watch(sim, mark_again, NULL);
    never_settles = true;
    blk_sim_insert(sim, A, true);
    assert_status(read_letter(&f, 0, 'A'), STATUS_VERIFY_REQUIRED);
    never_settles = false;
    assert_ok(read_letter(&f, 0, 'A'));
    assert_ok(volume_close(&f));
}

static void image_files_swapped_by_rename(void **state)
{
    (void)state;
    char a[32], b[32], spec[64], aside[40];
    struct volume w;
    struct file_object f;
    struct blk *blk;
    volume_new_image(a, "A");
    volume_new_image(b, "B");
    snprintf(spec, sizeof spec, "file:%s", a);
    snprintf(aside, sizeof aside, "%s.aside", a);
    assert_ok(blk_open(spec, BLK_REMOVABLE, &blk));
    volume_attach(&w, blk, true);
    assert_ok(volume_open(&w, &f, "only on a", FILE_READ_DATA | FILE_WRITE_DATA, FILE_CREATE, 0));
    assert_ok(write_letter(&f, 0, 'a'));
    assert_ok(volume_flush(&f));

    assert_int_equal(rename(a, aside), 0);
    assert_status(read_letter(&f, 0, 'a'), STATUS_NO_MEDIA_IN_DEVICE);
    assert_int_equal(rename(b, a), 0);
    assert_status(read_letter(&f, 0, 'a'), STATUS_WRONG_VOLUME);
    assert_status(volume_probe(&w, "only on a", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(rename(a, b), 0);
    assert_int_equal(rename(aside, a), 0);
    assert_ok(read_letter(&f, 0, 'a'));
    assert_ok(volume_probe(&w, "only on a", 0));
    assert_ok(volume_close(&f));
    volume_free(&w);
    unlink(a);
    unlink(b);
}

static nt_status node_get(struct file_object *f, u64 id)
{
    struct hf_attr attr;
    struct irp_node n = {.id = id, .attr = &attr};
    struct irp irp = {.major = IRP_MJ_NODE, .minor = IRP_MN_NODE_GET};
    irp.p.node = &n;
    return volume_send(f, &irp);
}

// What went with its medium before a commit knew of it is gone when the medium is back: neither the handle
// nor the number leads to what is made afterwards.
static void a_number_that_went_with_its_medium_is_not_given_again(void **state)
{
    (void)state;
    enum { MANY = 20 };
    struct file_object lost, made[MANY];
    FILE_INTERNAL_INFORMATION id;
    char name[16], letter;
    u64 done;
    assert_ok(volume_open(&v, &lost, "lost", FILE_READ_DATA | FILE_WRITE_DATA, FILE_CREATE, 0));
    assert_ok(write_letter(&lost, 0, 'l'));
    assert_ok(volume_query(&lost, FileInternalInformation, &id, sizeof id, NULL));
    blk_sim_insert(sim, B, true);
    assert_status(volume_probe(&v, "lost", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    blk_sim_insert(sim, A, true);
    for (u32 i = 0; i < MANY; i++) { // before the handle is used again
        FILE_INTERNAL_INFORMATION now;
        snprintf(name, sizeof name, "made%u", i);
        assert_ok(volume_open(&v, &made[i], name, FILE_READ_DATA | FILE_WRITE_DATA, FILE_CREATE, 0));
        assert_ok(write_letter(&made[i], 0, 'm'));
        assert_ok(volume_query(&made[i], FileInternalInformation, &now, sizeof now, NULL));
        assert_int_not_equal(now.IndexNumber, id.IndexNumber);
    }
    assert_status(node_get(&made[0], (u64)id.IndexNumber), STATUS_FILE_INVALID);
    assert_status(volume_read(&lost, 0, &letter, 1, &done), STATUS_FILE_INVALID);
    assert_status(write_letter(&lost, 0, 'x'), STATUS_FILE_INVALID);
    for (u32 i = 0; i < MANY; i++) {
        assert_ok(read_letter(&made[i], 0, 'm'));
        assert_ok(volume_close(&made[i]));
    }
    assert_ok(volume_close(&lost));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(case_058_same_medium),
        TEST(case_059_wrong_medium),
        TEST(case_060_old_medium_back),
        TEST(case_061_changed_elsewhere),
        TEST(case_062_empty_drive),
        TEST(case_063_one_verify_for_all),
        TEST(case_064_swap_under_32_reads),
        TEST(case_065_swap_while_writing),
        TEST(loss_is_reported_once),
        TEST(case_066_silent_swap),
        TEST(doubt_that_went_with_the_medium_is_told),
        TEST(case_067_foreign_medium_is_raw),
        TEST(case_082_is_volume_mounted),
        TEST(check_verify_is_for_the_caller),
        TEST(closing_while_away),
        TEST(case_090_random_interleavings),
        TEST(a_dismount_hears_of_the_same_medium),
        TEST(a_number_that_went_with_its_medium_is_not_given_again),
        TEST(a_drive_that_never_settles),
        cmocka_unit_test(image_files_swapped_by_rename),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
