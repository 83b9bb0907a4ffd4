// SPDX-License-Identifier: Apache-2.0
// Several threads at everything at once on one store: each keeps a directory of its own and knows what is in
// it, all read and write one stream together, and commits run all the time. Meant for the thread sanitizer
// too, so the amount of work is fixed and not the time.
#include "tests/test.h"

#include "engine/store.h"
#include "tests/engine/volume.h"

enum { THREADS = 4, FILES = 12, LEN_MAX = 120000, SHARED_BLOCK = 16384, SHARED_BLOCKS = 16 };

// A device that does one write at a time and nothing meanwhile. Readers of the tree may load a page whose
// place is being written anew, and find out afterwards; on a RAM disk that is a data race.
struct calm {
    struct blk *below;
    pthread_rwlock_t lock;
};

static void calm_close(struct blk *b)
{
    struct calm *c = b->state;
    blk_close(c->below);
    pthread_rwlock_destroy(&c->lock);
    free(c);
}

static nt_status calm_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    struct calm *c = b->state;
    SCOPE_READ(&c->lock);
    return blk_preadv(c->below, iov, n, offset, sense);
}

static nt_status calm_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    struct calm *c = b->state;
    SCOPE_WRITE(&c->lock);
    return blk_pwritev(c->below, iov, n, offset, sense);
}

static nt_status calm_flush(struct blk *b, struct sense *sense)
{
    return blk_flush(((struct calm *)b->state)->below, sense);
}

static nt_status calm_ready(struct blk *b, struct sense *sense)
{
    return blk_ready(((struct calm *)b->state)->below, sense);
}

static struct blk *calm_device(struct blk *below)
{
    static const struct blk_ops ops = {.prefix = "calm",
                                       .close = calm_close,
                                       .preadv = calm_preadv,
                                       .pwritev = calm_pwritev,
                                       .flush = calm_flush,
                                       .ready = calm_ready};
    struct calm *c = calloc(1, sizeof *c);
    struct blk *b;
    assert_non_null(c);
    c->below = below;
    pthread_rwlock_init(&c->lock, NULL);
    assert_ok(blk_new(&ops, c, "calm:", &b));
    b->size = below->size;
    b->sector = below->sector;
    return b;
}

struct file {
    u64 id;
    u32 seed, len;
    struct stream *stream;
};

struct worker {
    struct volume *v;
    struct stream *shared;
    u32 number, rounds, rng;
    bool calm; // pages may be dropped and read again
    u64 dir;
    struct file files[FILES];
};

static void file_name(char *name, size_t size, u32 i)
{
    snprintf(name, size, "file %u", i);
}

static void fill(u8 *data, u32 len, u32 seed)
{
    for (u32 i = 0; i < len; i++)
        data[i] = (u8)((i * 2654435761u + seed) >> 16);
}

// A full volume is part of the work: what did not fit was not done.
static nt_status create(struct worker *w, u32 i)
{
    struct store *s = w->v->store;
    struct txn *t;
    char name[32];
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE,
                          .links = 1,
                          .algorithm = volume_random(&w->rng, 3) ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_NONE};
    file_name(name, sizeof name, i);
    nt_status status = txn_begin(s, TXN_NORMAL, &t);
    if (status != STATUS_SUCCESS)
        return status;
    status = inode_create(t, &inode);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, w->dir, (struct str){name, (u32)strlen(name)}, inode.id, false);
    status = txn_end(t, status);
    if (status != STATUS_SUCCESS)
        return status;
    w->files[i] = (struct file){.id = inode.id};
    assert_ok(stream_open(s, inode.id, (struct str){NULL, 0}, &w->files[i].stream));
    return STATUS_SUCCESS;
}

static void write_file(struct worker *w, struct file *f)
{
    static _Thread_local u8 data[LEN_MAX];
    u32 len = 1 + volume_random(&w->rng, volume_random(&w->rng, 3) ? 10000 : LEN_MAX), seed = w->rng;
    size_t done;
    fill(data, len, seed);
    nt_status status = stream_set_size(f->stream, 0);
    if (status == STATUS_SUCCESS) {
        f->len = 0;
        status = stream_write(f->stream, 0, data, len, &done);
    }
    if (status == STATUS_DISK_FULL) {
        assert_ok(stream_set_size(f->stream, 0));
        return;
    }
    assert_ok(status);
    f->len = len;
    f->seed = seed;
}

static void read_file(struct file *f)
{
    static _Thread_local u8 data[LEN_MAX], want[LEN_MAX];
    size_t done;
    nt_status status = stream_read(f->stream, 0, data, LEN_MAX, &done);
    assert_status(status, f->len > 0 ? STATUS_SUCCESS : STATUS_END_OF_FILE);
    assert_int_equal(done, f->len);
    fill(want, f->len, f->seed);
    assert_memory_equal(data, want, f->len);
}

static void delete_file(struct worker *w, u32 i)
{
    struct store *s = w->v->store;
    struct txn *t;
    char name[32];
    file_name(name, sizeof name, i);
    stream_close(w->files[i].stream);
    assert_ok(txn_begin(s, TXN_FREEING, &t));
    nt_status status = dirent_remove(t, w->dir, (struct str){name, (u32)strlen(name)});
    if (status == STATUS_SUCCESS)
        status = object_orphan(t, w->files[i].id);
    assert_ok(txn_end(t, status));
    assert_ok(object_reap(s, w->files[i].id));
    w->files[i] = (struct file){0};
}

static void clone_file(struct file *from, struct file *to)
{
    struct stream_info a, b;
    if (from == to || from->len == 0 || !to->stream)
        return;
    stream_get_info(from->stream, &a);
    stream_get_info(to->stream, &b);
    if ((a.algorithm == CHECKSUM_TYPE_NONE) != (b.algorithm == CHECKSUM_TYPE_NONE))
        return;
    nt_status status = stream_set_size(to->stream, 0);
    if (status == STATUS_SUCCESS)
        status = stream_set_size(to->stream, from->len);
    if (status == STATUS_SUCCESS)
        status = stream_clone(from->stream, 0, to->stream, 0, align_up(from->len, 4096));
    if (status == STATUS_SUCCESS) {
        to->len = from->len;
        to->seed = from->seed;
        return;
    }
    assert_status(status, STATUS_DISK_FULL);
    assert_ok(stream_set_size(to->stream, 0));
    to->len = 0;
}

static void convert_file(struct worker *w, struct file *f)
{
    u16 algorithm = volume_random(&w->rng, 2) ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_NONE;
    nt_status status = stream_set_integrity(f->stream, algorithm, false);
    assert_true(status == STATUS_SUCCESS || status == STATUS_NOT_SUPPORTED || status == STATUS_DISK_FULL);
}

// Blocks of the common stream are written whole, with one byte. A write may be several pieces, but no piece
// is less than a cluster: no reader ever sees two bytes in one.
static void use_shared(struct worker *w)
{
    static _Thread_local u8 data[SHARED_BLOCK];
    u64 at = volume_random(&w->rng, SHARED_BLOCKS) * (u64)SHARED_BLOCK;
    size_t done;
    if (volume_random(&w->rng, 3) == 0) {
        memset(data, (int)(w->rng >> 24), sizeof data);
        nt_status status = stream_write(w->shared, at, data, sizeof data, &done);
        assert_true(status == STATUS_SUCCESS || status == STATUS_DISK_FULL);
        return;
    }
    assert_ok(stream_read(w->shared, at, data, sizeof data, &done));
    assert_int_equal(done, sizeof data);
    for (u32 i = 0; i < sizeof data; i += 4096)
        assert_memory_equal(data + i + 1, data + i, 4095);
}

// Another thread's directory: what is there changes, but it is always in order and whole.
static void list_other(struct worker *w, const struct worker *all)
{
    struct dir_position position = {0};
    struct dirent entry;
    u64 dir = all[volume_random(&w->rng, THREADS)].dir;
    char last[TEXT_NAME_BYTES + 1] = "";
    u32 count = 0;
    for (;; count++) {
        nt_status status = dirent_next(w->v->store, dir, &position, &entry);
        if (status == STATUS_NO_MORE_FILES)
            break;
        assert_ok(status);
        entry.name[entry.name_len] = '\0';
        assert_true(strcmp(last, entry.name) < 0);
        snprintf(last, sizeof last, "%s", entry.name);
    }
    assert_true(count <= FILES);
}

static const struct worker *workers_of(const struct worker *w)
{
    return w - w->number;
}

static void one_round(struct worker *w)
{
    u32 i = volume_random(&w->rng, FILES);
    struct file *f = &w->files[i];
    struct store_info info;
    if (!f->stream) {
        nt_status status = create(w, i);
        if (status != STATUS_SUCCESS)
            assert_status(status, STATUS_DISK_FULL);
        return;
    }
    switch (volume_random(&w->rng, 16)) {
    case 0:
        delete_file(w, i);
        break;
    case 1:
        clone_file(f, &w->files[volume_random(&w->rng, FILES)]);
        break;
    case 2:
        convert_file(w, f);
        break;
    case 3:
        if (volume_random(&w->rng, 3) == 0)
            assert_ok(volume_random(&w->rng, 3) ? store_sync(w->v->store) : store_commit(w->v->store));
        break;
    case 4:
        list_other(w, workers_of(w));
        break;
    case 5:
        if (w->calm)
            store_purge(w->v->store);
        break;
    case 6:
        store_get_info(w->v->store, &info);
        assert_true(info.free_clusters < info.total_clusters);
        break;
    case 7:
    case 8:
    case 9:
        write_file(w, f);
        break;
    case 10:
    case 11:
    case 12:
        use_shared(w);
        break;
    default:
        read_file(f);
    }
}

static void *work(void *context)
{
    struct worker *w = context;
    for (u32 n = 0; n < w->rounds; n++)
        one_round(w);
    for (u32 i = 0; i < FILES; i++)
        if (w->files[i].stream)
            read_file(&w->files[i]);
    return NULL;
}

static void run(u64 size, bool calm, u32 rounds, u32 seed)
{
    struct volume v;
    size_t cache = calm ? 4 * MIB : 0;
    struct worker workers[THREADS] = {0};
    struct stream *shared;
    pthread_t threads[THREADS];
    static u8 zeros[SHARED_BLOCK * SHARED_BLOCKS];
    size_t done;
    volume_make(&v, size, 4096, 2, 0);
    assert_ok(store_close(v.store));
    if (calm)
        v.blk = calm_device(v.blk);
    assert_ok(store_open(v.blk, 0, cache, &v.store));
    u64 shared_id = volume_create(&v, OBJECT_ROOT, "shared", false);
    assert_ok(stream_open(v.store, shared_id, (struct str){NULL, 0}, &shared));
    assert_ok(stream_write(shared, 0, zeros, sizeof zeros, &done));
    for (u32 n = 0; n < THREADS; n++) {
        char name[16];
        snprintf(name, sizeof name, "dir %u", n);
        workers[n] = (struct worker){.v = &v,
                                     .shared = shared,
                                     .number = n,
                                     .rounds = rounds,
                                     .calm = calm,
                                     .rng = seed * 100 + n,
                                     .dir = volume_create(&v, OBJECT_ROOT, name, true)};
    }
    for (u32 n = 0; n < THREADS; n++)
        assert_int_equal(pthread_create(&threads[n], NULL, work, &workers[n]), 0);
    for (u32 n = 0; n < THREADS; n++)
        pthread_join(threads[n], NULL);
    for (u32 n = 0; n < THREADS; n++)
        for (u32 i = 0; i < FILES; i++)
            stream_close(workers[n].files[i].stream);
    stream_close(shared);
    volume_check(&v);
    volume_reopen(&v);
    for (u32 n = 0; n < THREADS; n++) {
        for (u32 i = 0; i < FILES; i++) {
            struct file *f = &workers[n].files[i];
            if (f->id == 0)
                continue;
            assert_ok(stream_open(v.store, f->id, (struct str){NULL, 0}, &f->stream));
            read_file(f);
            stream_close(f->stream);
        }
    }
    volume_check(&v);
    volume_free(&v);
}

static void with_room(void **state)
{
    (void)state;
    run(128 * MIB, false, 3000, 1);
}

static void with_a_small_cache(void **state)
{
    (void)state;
    run(64 * MIB, true, 2000, 2);
}

// The workers' files do not all fit.
static void on_a_full_volume(void **state)
{
    (void)state;
    run(6 * MIB, true, 2000, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_room),
        cmocka_unit_test(with_a_small_cache),
        cmocka_unit_test(on_a_full_volume),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
