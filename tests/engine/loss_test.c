// SPDX-License-Identifier: Apache-2.0
// What a device may have lost: a stick with a volatile cache that is pulled, forgets, fails its flushes, and
// lets flushes wait. Data that no good flush covered is there, or everybody who has the file open is told.
#include "tests/engine/volume.h"

#include <stdatomic.h>
#include <unistd.h>

#include "block/blk_sim.h"
#include "engine/loss.h"

enum { SIZE = 48 << 20, LENGTH = 65536 };

// --- the stick -----------------------------------------------------------------------------------

struct cached {
    u64 offset;
    size_t len;
    u8 *data;
    bool dropped; // by the device; the host's page cache has it still
    struct cached *next;
};

static struct stick {
    struct blk *below;
    pthread_mutex_t mutex;
    struct cached *first, **last;
    bool attention;
    u32 failing;           // so many flushes fail, and lose what is cached
    nt_status flush_fails; // with this
    bool host_cache;       // between us and the device, and it does not hear of what a failed flush dropped
    _Atomic u32 waiting;   // flushes that are held up
    _Atomic bool hold;
    _Atomic u32 reading, writing; // fresh reads and writes that are held up, what they move having been moved
    _Atomic bool hold_reads, hold_writes;
} stick = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void forget(void)
{
    while (stick.first) {
        struct cached *c = stick.first;
        stick.first = c->next;
        free(c->data);
        free(c);
    }
    stick.last = &stick.first;
}

static void drop(void)
{
    for (struct cached *c = stick.first; c; c = c->next)
        c->dropped = true;
    if (!stick.host_cache)
        forget();
}

static void hold_up(_Atomic u32 *waiting, const _Atomic bool *hold)
{
    atomic_fetch_add(waiting, 1);
    while (atomic_load(hold))
        usleep(1000);
    atomic_fetch_sub(waiting, 1);
}

static void pull(void)
{
    SCOPE_LOCK(&stick.mutex);
    forget();
    stick.attention = true;
}

static nt_status attend(struct sense *sense)
{
    if (!stick.attention)
        return STATUS_SUCCESS;
    stick.attention = false;
    return sense_report(sense, SENSE_ATTENTION, 0x28, 0);
}

static nt_status read_cached(const struct iovec *iov, int n, u64 offset, bool fresh, struct sense *sense)
{
    SCOPE_LOCK(&stick.mutex);
    TRY(attend(sense));
    TRY(blk_preadv(stick.below, iov, n, offset, sense));
    for (const struct cached *c = stick.first; c; c = c->next) {
        u64 at = offset;
        for (int i = 0; i < n; at += iov[i++].iov_len) {
            u64 from = MAX(at, c->offset), to = MIN(at + iov[i].iov_len, c->offset + c->len);
            if (from < to && !(fresh && c->dropped))
                memcpy((u8 *)iov[i].iov_base + (from - at), c->data + (from - c->offset), to - from);
        }
    }
    return STATUS_SUCCESS;
}

static nt_status stick_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    (void)b;
    return read_cached(iov, n, offset, false, sense);
}

static nt_status stick_preadv_fresh(struct blk *b, const struct iovec *iov, int n, u64 offset,
                                    struct sense *sense)
{
    (void)b;
    nt_status status = read_cached(iov, n, offset, true, sense);
    hold_up(&stick.reading, &stick.hold_reads);
    return status;
}

static nt_status write_cached(const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    SCOPE_LOCK(&stick.mutex);
    TRY(attend(sense));
    for (int i = 0; i < n; offset += iov[i++].iov_len) {
        struct cached *c = malloc(sizeof *c);
        assert_non_null(c);
        *c = (struct cached){.offset = offset, .len = iov[i].iov_len, .data = malloc(iov[i].iov_len)};
        assert_non_null(c->data);
        memcpy(c->data, iov[i].iov_base, c->len);
        *stick.last = c;
        stick.last = &c->next;
    }
    return STATUS_SUCCESS;
}

static nt_status stick_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    (void)b;
    nt_status status = write_cached(iov, n, offset, sense);
    hold_up(&stick.writing, &stick.hold_writes);
    return status;
}

static nt_status stick_flush(struct blk *b, struct sense *sense)
{
    (void)b;
    hold_up(&stick.waiting, &stick.hold);
    SCOPE_LOCK(&stick.mutex);
    TRY(attend(sense));
    if (stick.failing > 0) {
        stick.failing--;
        drop();
        if (stick.flush_fails == STATUS_IO_TIMEOUT)
            return STATUS_IO_TIMEOUT; // as a drive's driver says it
        return sense_report(sense, SENSE_NOT_READY, 0x3a, 0);
    }
    for (const struct cached *c = stick.first; c; c = c->next)
        if (!c->dropped)
            TRY(blk_pwrite(stick.below, c->data, c->len, c->offset, sense));
    if (!stick.host_cache)
        forget();
    return blk_flush(stick.below, sense);
}

static nt_status stick_ready(struct blk *b, struct sense *sense)
{
    (void)b;
    SCOPE_LOCK(&stick.mutex);
    return attend(sense);
}

static void stick_close(struct blk *b)
{
    (void)b;
    forget();
    blk_close(stick.below);
}

static const struct blk_ops stick_ops = {.prefix = "stick",
                                         .close = stick_close,
                                         .preadv = stick_preadv,
                                         .preadv_fresh = stick_preadv_fresh,
                                         .pwritev = stick_pwritev,
                                         .flush = stick_flush,
                                         .ready = stick_ready};

// --- a volume on it ------------------------------------------------------------------------------

static struct volume v;
enum { PLAIN, SUMMED, CALM, FILES };
static struct stream *files[FILES]; // CALM: without sums, and not written after the first commit

static struct stream *file_make(const char *name, u16 algorithm)
{
    struct txn *t;
    struct stream *m;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .links = 1, .algorithm = algorithm};
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, inode.id, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(stream_open(v.store, inode.id, (struct str){NULL, 0}, &m));
    return m;
}

static void put(struct stream *m, int letter)
{
    static u8 data[LENGTH];
    size_t done;
    memset(data, letter, sizeof data);
    assert_ok(stream_write(m, 0, data, sizeof data, &done));
}

static bool holds(struct stream *m, int letter)
{
    static u8 data[LENGTH];
    size_t done;
    if (stream_read(m, 0, data, sizeof data, &done) != STATUS_SUCCESS)
        return false;
    for (size_t i = 0; i < sizeof data; i++)
        if (data[i] != letter)
            return false;
    return true;
}

static u64 lost(u32 file)
{
    u64 count;
    assert_ok(stream_lost(files[file], &count));
    return count;
}

static u64 volume_told(void)
{
    return store_lost_so_far(v.store);
}

static void fail_flush(nt_status with)
{
    stick.failing = 1;
    stick.flush_fails = with;
    assert_status(store_sync(v.store), with);
}

static void close_files(void)
{
    for (u32 i = 0; i < FILES; i++)
        stream_close(files[i]);
}

static void open_files(void)
{
    static const char *const names[] = {"plain", "summed", "calm"};
    for (u32 i = 0; i < FILES; i++) {
        struct dirent entry;
        struct str name = {names[i], (u32)strlen(names[i])};
        assert_ok(dirent_find(v.store, OBJECT_ROOT, name, &entry));
        assert_ok(stream_open(v.store, entry.id, (struct str){NULL, 0}, &files[i]));
    }
}

static u64 volume_lost(void)
{
    u64 count;
    assert_ok(store_lost(v.store, &count));
    return count;
}

static int setup(void **state)
{
    struct store_format_options format = {.cluster = 4096, .options = OPTION_CASE_SENSITIVE};
    (void)state;
    stick.attention = stick.host_cache = false;
    atomic_store(&stick.hold, false);
    atomic_store(&stick.hold_reads, false);
    atomic_store(&stick.hold_writes, false);
    stick.failing = 0;
    stick.last = &stick.first;
    assert_ok(blk_sim_new(SIZE, 0, &stick.below));
    assert_ok(blk_new(&stick_ops, NULL, "stick:", &v.blk));
    blk_set_medium(v.blk, SIZE, false);
    assert_ok(store_format(v.blk, &format));
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    files[PLAIN] = file_make("plain", CHECKSUM_TYPE_NONE);
    files[SUMMED] = file_make("summed", CHECKSUM_TYPE_CRC32);
    files[CALM] = file_make("calm", CHECKSUM_TYPE_NONE);
    for (u32 i = 0; i < FILES; i++)
        put(files[i], 'o');
    assert_ok(store_commit(v.store));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_files();
    assert_ok(store_close(v.store));
    blk_close(v.blk);
    return 0;
}

// --- tests ---------------------------------------------------------------------------------------

static void what_a_pulled_stick_forgot_is_told(void **state)
{
    (void)state;
    for (u64 i = 1; i <= 3; i++) {
        put(files[PLAIN], 'N');
        put(files[SUMMED], 'N');
        pull();
        assert_status(store_commit(v.store), STATUS_VERIFY_REQUIRED);
        assert_ok(store_commit(v.store));
        assert_int_equal(lost(PLAIN), i);
        assert_int_equal(lost(SUMMED), i);
        assert_int_equal(lost(CALM), 0);
        assert_true(volume_lost() >= i);
        u64 told = volume_lost();
        assert_ok(store_commit(v.store)); // once is enough
        assert_int_equal(lost(PLAIN), i);
        assert_int_equal(volume_lost(), told);
        assert_true(holds(files[CALM], 'o'));
        put(files[PLAIN], 'o');
        put(files[SUMMED], 'o');
        assert_ok(store_sync(v.store));
        assert_true(holds(files[PLAIN], 'o') && holds(files[SUMMED], 'o'));
    }
}

// The attention went to another command, and the file system proved the medium.
static void a_medium_that_was_away_is_not_trusted(void **state)
{
    (void)state;
    put(files[PLAIN], 'N');
    put(files[SUMMED], 'N');
    store_was_away(v.store); // and kept its cache, this time
    assert_ok(store_commit(v.store));
    assert_int_equal(lost(PLAIN), 1);  // nobody can say that it is there
    assert_int_equal(lost(SUMMED), 0); // it was compared
    assert_int_equal(lost(CALM), 0);
    assert_true(holds(files[PLAIN], 'N') && holds(files[SUMMED], 'N'));
    store_was_away(v.store); // nothing was written since
    assert_int_equal(lost(PLAIN), 1);
}

static void what_was_flushed_is_safe(void **state)
{
    (void)state;
    put(files[PLAIN], 'N');
    put(files[SUMMED], 'N');
    assert_ok(store_sync(v.store));
    pull();
    assert_status(blk_ready(v.blk, NULL), STATUS_VERIFY_REQUIRED);
    put(files[CALM], 'C');
    store_was_away(v.store);
    assert_ok(store_sync(v.store));
    assert_int_equal(lost(PLAIN), 0);
    assert_int_equal(lost(SUMMED), 0);
    assert_int_equal(lost(CALM), 1);
    assert_true(holds(files[PLAIN], 'N') && holds(files[SUMMED], 'N'));
}

// Whatever the flush was for: data in place, an entry of the log, pages, the superblock.
static void a_failed_flush_is_not_made_up_for_by_the_next(void **state)
{
    static const nt_status statuses[] = {STATUS_NO_MEDIA_IN_DEVICE, STATUS_IO_TIMEOUT};
    u64 plain = 0, summed = 0;
    (void)state;
    for (u32 i = 0; i < 16; i++) {
        bool with_sums = i & 1, commits = i & 2, twice = i & 4;
        stick.flush_fails = statuses[i >> 3];
        stick.failing = twice ? 2 : 1;
        put(files[PLAIN], 'N');
        if (with_sums)
            put(files[SUMMED], 'N');
        for (u32 failures = 0; failures < (twice ? 2 : 1); failures++)
            assert_status(commits ? store_commit(v.store) : store_sync(v.store), stick.flush_fails);
        assert_ok(commits ? store_commit(v.store) : store_sync(v.store));
        plain++;
        summed += with_sums;
        assert_int_equal(lost(PLAIN), plain);
        assert_int_equal(lost(SUMMED), summed);
        put(files[PLAIN], 'o');
        put(files[SUMMED], 'o');
        assert_ok(store_sync(v.store));
        assert_int_equal(lost(PLAIN), plain);
        assert_int_equal(lost(SUMMED), summed);
    }
}

static void the_volume_is_told_of_files_that_were_closed(void **state)
{
    (void)state;
    u64 before = volume_lost();
    struct stream *m = file_make("closed", CHECKSUM_TYPE_NONE);
    put(m, 'N');
    stream_close(m);
    pull();
    assert_status(store_commit(v.store), STATUS_VERIFY_REQUIRED);
    assert_ok(store_commit(v.store));
    assert_int_equal(volume_lost(), before + 1);
    assert_int_equal(lost(CALM), 0);
}

// A comparison that the device does not allow now is made later.
static void doubt_stays_until_it_is_settled(void **state)
{
    (void)state;
    put(files[SUMMED], 'N');
    store_was_away(v.store);
    pull();
    u64 count;
    assert_status(stream_lost(files[SUMMED], &count), STATUS_VERIFY_REQUIRED);
    assert_ok(stream_lost(files[SUMMED], &count));
    assert_int_equal(count, 1);
    put(files[SUMMED], 'o');
    assert_ok(store_commit(v.store));
}

// Nobody comes back after the end.
static void the_end_tries_twice_and_tells(void **state)
{
    (void)state;
    put(files[PLAIN], 'N');
    close_files();
    stick.failing = 1;
    stick.flush_fails = STATUS_IO_TIMEOUT;
    assert_status(store_close(v.store), STATUS_LOST_WRITEBEHIND_DATA);
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    open_files();
}

// What nobody asked about is compared before there is nobody left to ask.
static void the_end_settles_doubt(void **state)
{
    (void)state;
    for (u32 loses = 0; loses < 2; loses++) {
        put(files[SUMMED], 'N');
        if (loses)
            fail_flush(STATUS_IO_TIMEOUT);
        else
            store_was_away(v.store);
        assert_ok(store_commit(v.store));
        close_files();
        assert_status(store_close(v.store), loses ? STATUS_LOST_WRITEBEHIND_DATA : STATUS_SUCCESS);
        assert_ok(store_open(v.blk, 0, 0, &v.store));
        open_files();
    }
}

// --- streams that come and go, data that goes elsewhere ------------------------------------------

static void the_flusher_is_told_what_a_closed_writer_lost(void **state)
{
    (void)state;
    put(files[PLAIN], 'N');
    put(files[SUMMED], 'N');
    close_files();
    open_files();
    fail_flush(STATUS_IO_TIMEOUT);
    assert_ok(store_sync(v.store));
    assert_int_equal(lost(PLAIN), 1);
    assert_int_equal(lost(SUMMED), 1);
    assert_int_equal(lost(CALM), 0);
}

// Doubt does not end with the stream that had it.
static void doubt_outlives_its_stream(void **state)
{
    (void)state;
    put(files[SUMMED], 'N');
    fail_flush(STATUS_IO_TIMEOUT);
    u64 told = volume_told();
    close_files();
    assert_int_equal(volume_told(), told + 1); // nobody can compare it
    open_files();
    assert_ok(store_sync(v.store));
    assert_int_equal(lost(SUMMED), 1);
    assert_int_equal(volume_told(), told + 1); // once
}

// Nobody keeps account of any number of closed files: what is not known of one is told to all.
static void too_many_closed_files_are_lost_together(void **state)
{
    (void)state;
    struct stream *m = file_make("often", CHECKSUM_TYPE_NONE);
    put(m, 'N');
    stream_close(m);
    for (u32 i = 0; i <= LOSS_KEPT_MOST; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        m = file_make(name, CHECKSUM_TYPE_NONE);
        size_t done;
        assert_ok(stream_write(m, 0, "N", 1, &done));
        stream_close(m);
    }
    u64 told = volume_told();
    assert_int_equal(lost(CALM), 0);
    fail_flush(STATUS_IO_TIMEOUT);
    assert_int_equal(lost(CALM), 1);
    assert_true(volume_told() > told);
}

static void a_clone_is_told_with_its_source(void **state)
{
    (void)state;
    for (u32 later = 0; later < 2; later++) { // the flush fails before the clone, or after
        struct stream *summed = file_make(later ? "s1" : "s0", CHECKSUM_TYPE_CRC32);
        struct stream *plain = file_make(later ? "p1" : "p0", CHECKSUM_TYPE_NONE);
        assert_ok(stream_set_size(summed, LENGTH));
        assert_ok(stream_set_size(plain, LENGTH));
        assert_ok(store_sync(v.store));
        put(files[PLAIN], 'N');
        put(files[SUMMED], 'N');
        if (!later)
            fail_flush(STATUS_IO_TIMEOUT);
        assert_ok(stream_clone(files[SUMMED], 0, summed, 0, LENGTH));
        assert_ok(stream_clone(files[PLAIN], 0, plain, 0, LENGTH));
        if (later)
            fail_flush(STATUS_IO_TIMEOUT);
        assert_ok(store_sync(v.store));
        u64 count;
        assert_ok(stream_lost(summed, &count));
        assert_int_equal(count, 1);
        assert_ok(stream_lost(plain, &count));
        assert_int_equal(count, later); // before, it was lost already when the clone was made
        stream_close(summed);
        stream_close(plain);
        put(files[SUMMED], 'o');
        assert_ok(store_commit(v.store));
    }
}

static void doubt_does_not_go_with_the_sums(void **state)
{
    (void)state;
    for (u64 i = 1; i <= 2; i++) { // the flush fails after the sums went, or before
        put(files[SUMMED], 'N');
        if (i == 2)
            fail_flush(STATUS_IO_TIMEOUT);
        nt_status status = stream_set_integrity(files[SUMMED], CHECKSUM_TYPE_NONE, false);
        assert_status(status, i == 2 ? STATUS_DATA_CHECKSUM_ERROR : STATUS_SUCCESS);
        if (i == 1)
            fail_flush(STATUS_IO_TIMEOUT);
        assert_ok(store_sync(v.store));
        assert_int_equal(lost(SUMMED), i);
        if (i == 1) {
            assert_ok(stream_set_size(files[SUMMED], 0));
            assert_ok(stream_set_integrity(files[SUMMED], CHECKSUM_TYPE_CRC32, false));
            assert_ok(store_commit(v.store));
        }
    }
}

// A page cache keeps as clean what a failed write-back dropped.
static void doubt_is_settled_by_the_medium_not_by_a_cache(void **state)
{
    (void)state;
    stick.host_cache = true;
    put(files[SUMMED], 'N');
    fail_flush(STATUS_IO_TIMEOUT);
    assert_ok(store_sync(v.store));
    assert_int_equal(lost(SUMMED), 1);
}

// What is in the device's cache now may be lost by the next flush.
static void doubt_is_settled_after_a_good_flush(void **state)
{
    (void)state;
    put(files[SUMMED], 'N');
    store_was_away(v.store);
    u64 count;
    stick.failing = 1;
    stick.flush_fails = STATUS_IO_TIMEOUT;
    assert_status(stream_lost(files[SUMMED], &count), STATUS_IO_TIMEOUT);
    assert_ok(store_sync(v.store));
    assert_int_equal(lost(SUMMED), 1);
}

// A backup must not be taken for the medium that we left.
static void data_in_place_moves_the_tail(void **state)
{
    static u8 copy[SIZE];
    (void)state;
    for (u32 commits = 0; commits < 2; commits++) {
        struct store_medium medium;
        struct blk *backup;
        if (!commits)
            assert_ok(store_sync(v.store));
        else
            assert_ok(store_commit(v.store));
        blk_sim_peek(stick.below, 0, copy, SIZE, 0);
        put(files[PLAIN], 'N');
        assert_ok(commits ? store_commit(v.store) : store_sync(v.store));
        store_get_medium(v.store, &medium);
        assert_ok(blk_sim_new(SIZE, 0, &backup));
        blk_sim_poke(backup, 0, copy, SIZE, 0);
        assert_status(store_find_medium(backup, &medium), STATUS_WRONG_VOLUME);
        assert_ok(store_find_medium(v.blk, &medium));
        blk_close(backup);
    }
}

// --- flushes side by side ------------------------------------------------------------------------

static void *syncer(void *result)
{
    *(nt_status *)result = store_sync(v.store);
    return NULL;
}

// The flush that is under way began before the second caller, and may fail: that one waits, and then makes
// its own if there is need.
static void a_flush_waits_for_the_one_that_covers_it(void **state)
{
    (void)state;
    put(files[SUMMED], 'o');
    assert_ok(store_sync(v.store)); // makes the log
    for (u32 fails = 0; fails < 2; fails++) {
        pthread_t first, second;
        nt_status said[2] = {STATUS_PENDING, STATUS_PENDING};
        put(files[PLAIN], 'A');
        put(files[CALM], 'B');
        stick.failing = fails;
        stick.flush_fails = STATUS_NO_MEDIA_IN_DEVICE;
        u64 before = blk_sim_count(stick.below, SIM_FLUSH);
        atomic_store(&stick.hold, true);
        assert_int_equal(pthread_create(&first, NULL, syncer, &said[0]), 0);
        while (atomic_load(&stick.waiting) == 0)
            usleep(1000);
        assert_int_equal(pthread_create(&second, NULL, syncer, &said[1]), 0);
        usleep(20000);
        assert_int_equal(__atomic_load_n(&said[1], __ATOMIC_RELAXED), STATUS_PENDING);
        assert_int_equal(blk_sim_count(stick.below, SIM_FLUSH), before);
        atomic_store(&stick.hold, false);
        pthread_join(first, NULL);
        pthread_join(second, NULL);
        assert_status(said[0], fails ? STATUS_NO_MEDIA_IN_DEVICE : STATUS_SUCCESS);
        assert_ok(said[1]);
        // One for the log; what failed there is for a commit, which takes two.
        assert_int_equal(blk_sim_count(stick.below, SIM_FLUSH), before + 1 + fails);
        assert_int_equal(lost(CALM), fails);
    }
}

static void *loss_asker(void *result)
{
    u64 count = 0;
    assert_ok(stream_lost(files[SUMMED], &count));
    __atomic_store_n((u64 *)result, count, __ATOMIC_RELAXED);
    return NULL;
}

static void *volume_asker(void *result)
{
    __atomic_store_n((u64 *)result, volume_lost(), __ATOMIC_RELAXED);
    return NULL;
}

static void wait_for(const _Atomic u32 *waiting)
{
    while (atomic_load(waiting) == 0)
        usleep(1000);
}

// All who flush hear of it, not only the one that compares.
static void doubt_stands_until_the_comparison_is_over(void **state)
{
    pthread_t askers[3];
    u64 said[3] = {99, 99, 99};
    (void)state;
    put(files[SUMMED], 'N');
    fail_flush(STATUS_IO_TIMEOUT);
    assert_ok(store_sync(v.store));
    u64 told = volume_told();
    atomic_store(&stick.hold_reads, true);
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&askers[i], NULL, i == 2 ? volume_asker : loss_asker, &said[i]), 0);
        wait_for(&stick.reading);
    }
    usleep(20000);
    for (u32 i = 0; i < 3; i++)
        assert_int_equal(__atomic_load_n(&said[i], __ATOMIC_RELAXED), 99);
    atomic_store(&stick.hold_reads, false);
    for (u32 i = 0; i < 3; i++)
        pthread_join(askers[i], NULL);
    assert_int_equal(said[0], 1);
    assert_int_equal(said[1], 1);
    assert_int_equal(said[2], told + 1);
}

// A window that opens while its file is compared is another one.
static void a_window_during_the_comparison_is_not_forgotten(void **state)
{
    pthread_t asker;
    u64 said = 99;
    (void)state;
    put(files[SUMMED], 'A');
    store_was_away(v.store);
    put(files[SUMMED], 'B');
    assert_ok(store_sync(v.store));
    atomic_store(&stick.hold_reads, true);
    assert_int_equal(pthread_create(&asker, NULL, loss_asker, &said), 0);
    wait_for(&stick.reading);
    struct stream *other = file_make("other", CHECKSUM_TYPE_CRC32);
    put(other, 'C');
    {
        SCOPE_LOCK(&stick.mutex);
        forget();
    }
    store_was_away(v.store);
    u64 count;
    atomic_store(&stick.hold_reads, false);
    pthread_join(asker, NULL);
    assert_int_equal(said, 0);
    assert_ok(store_sync(v.store));
    assert_ok(stream_lost(other, &count));
    assert_int_equal(count, 1);
    assert_int_equal(lost(SUMMED), 0);
    stream_close(other);
}

static void *writer(void *letter)
{
    put(files[SUMMED], *(int *)letter);
    return NULL;
}

// What is not mapped yet cannot be compared.
static void a_running_write_stays_in_doubt_until_it_is_mapped(void **state)
{
    pthread_t write, asker;
    int letter = 'N';
    u64 said = 99;
    (void)state;
    atomic_store(&stick.hold_writes, true);
    assert_int_equal(pthread_create(&write, NULL, writer, &letter), 0);
    wait_for(&stick.writing);
    {
        SCOPE_LOCK(&stick.mutex);
        forget();
    }
    store_was_away(v.store);
    assert_int_equal(pthread_create(&asker, NULL, loss_asker, &said), 0);
    usleep(20000);
    assert_int_equal(__atomic_load_n(&said, __ATOMIC_RELAXED), 99);
    atomic_store(&stick.hold_writes, false);
    pthread_join(write, NULL);
    pthread_join(asker, NULL);
    assert_int_equal(lost(SUMMED), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_a_pulled_stick_forgot_is_told),
        T(a_medium_that_was_away_is_not_trusted),
        T(what_was_flushed_is_safe),
        T(a_failed_flush_is_not_made_up_for_by_the_next),
        T(the_volume_is_told_of_files_that_were_closed),
        T(doubt_stays_until_it_is_settled),
        T(the_end_tries_twice_and_tells),
        T(a_flush_waits_for_the_one_that_covers_it),
        T(the_end_settles_doubt),
        T(the_flusher_is_told_what_a_closed_writer_lost),
        T(doubt_outlives_its_stream),
        T(too_many_closed_files_are_lost_together),
        T(a_clone_is_told_with_its_source),
        T(doubt_does_not_go_with_the_sums),
        T(doubt_is_settled_by_the_medium_not_by_a_cache),
        T(doubt_is_settled_after_a_good_flush),
        T(data_in_place_moves_the_tail),
        T(doubt_stands_until_the_comparison_is_over),
        T(a_window_during_the_comparison_is_not_forgotten),
        T(a_running_write_stays_in_doubt_until_it_is_mapped),
    };
    return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
