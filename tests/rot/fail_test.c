// SPDX-License-Identifier: Apache-2.0
// A device that fails: the n-th read, write or flush, all from the n-th on, or every n-th, while work goes
// on. Nothing hangs or crashes; once the fault is gone and the volume opened again the check is clean and all
// that was committed is there. A failed write of metadata turns the store read-only, and the store says so.
//
// Each slot is a file whose blocks carry the version that wrote them, so that a volume can be compared with
// what was tried between the last good commit and the end.
#include "tests/rot/sample.h"

#include <signal.h>
#include <unistd.h>

enum { SLOTS = 40, BLOCK = 4096, OPERATIONS = 150, CACHE = 4 * 1024 * 1024, PATIENCE = 60 };

// --- the failing device --------------------------------------------------------------------------

enum command { ON_READ, ON_WRITE, ON_FLUSH, COMMANDS };
static const char *const command_names[] = {"read", "write", "flush"};
enum mode { ONCE, ON_AND_ON, EVERY, MODES };
static const char *const mode_names[] = {"once", "from then on", "every so many"};

struct faulty {
    struct blk *below;
    bool on;
    enum command command;
    enum mode mode;
    u64 n, seen[COMMANDS], failures;
    struct sense sense;
};

static bool is_faulty(struct faulty *f, enum command command)
{
    u64 seen = ++f->seen[command];
    bool hit = f->mode == ONCE ? seen == f->n : f->mode == ON_AND_ON ? seen >= f->n : seen % f->n == 0;
    if (!f->on || command != f->command || !hit)
        return false;
    f->failures++;
    return true;
}

static nt_status faulty_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    struct faulty *f = b->state;
    if (!is_faulty(f, ON_READ))
        return blk_preadv(f->below, iov, n, offset, sense);
    *sense = f->sense;
    return sense_plain_status(sense);
}

// A write that fails may have reached the medium in part.
static nt_status faulty_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset,
                                struct sense *sense)
{
    struct faulty *f = b->state;
    if (!is_faulty(f, ON_WRITE))
        return blk_pwritev(f->below, iov, n, offset, sense);
    if (f->failures % 2 == 0)
        assert_ok(blk_pwrite(f->below, iov[0].iov_base, iov[0].iov_len / 2, offset, NULL));
    *sense = f->sense;
    return sense_plain_status(sense);
}

static nt_status faulty_flush(struct blk *b, struct sense *sense)
{
    struct faulty *f = b->state;
    if (!is_faulty(f, ON_FLUSH))
        return blk_flush(f->below, sense);
    *sense = f->sense;
    return sense_plain_status(sense);
}

static nt_status faulty_ready(struct blk *b, struct sense *sense)
{
    (void)b, (void)sense;
    return STATUS_SUCCESS;
}

static void faulty_close(struct blk *b)
{
    struct faulty *f = b->state;
    blk_close(f->below);
}

static const struct blk_ops faulty_ops = {.prefix = "faulty",
                                          .close = faulty_close,
                                          .preadv = faulty_preadv,
                                          .pwritev = faulty_pwritev,
                                          .flush = faulty_flush,
                                          .ready = faulty_ready};

// --- the work ------------------------------------------------------------------------------------

struct slot {
    u64 id;
    u32 now, committed; // versions: tried last, and certainly on the medium
    bool frozen;        // something failed: it is in one of the states since committed
};

struct work {
    struct blk *blk;
    struct faulty faulty;
    struct store *store;
    struct slot slots[SLOTS];
    u32 random;
};

static u32 below(struct work *w, u32 limit)
{
    w->random = w->random * 1664525 + 1013904223;
    return (u32)(((u64)w->random * limit) >> 32);
}

static u32 blocks_of(u32 slot)
{
    return 1 + slot * 3 % 20;
}
static bool is_plain(u32 slot)
{
    return slot % 4 == 3;
}
static bool exists_in(u32 version) // every fifth version of a file is that it is gone
{
    return version % 5 != 0;
}

static void fill_block(u8 *block, u32 slot, u32 version, u32 number)
{
    memset(block, (int)(slot + version), BLOCK);
    put_le32(block, version);
    put_le32(block + BLOCK - 4, number);
}

static nt_status slot_create(struct work *w, u32 slot, struct str name)
{
    struct txn *t;
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE,
                          .links = 1,
                          .algorithm = is_plain(slot) ? CHECKSUM_TYPE_NONE : CHECKSUM_TYPE_CRC32};
    TRY(txn_begin(w->store, TXN_NORMAL, &t));
    nt_status status = inode_create(t, &inode);
    if (status == STATUS_SUCCESS)
        status = dirent_add(t, OBJECT_ROOT, name, inode.id, false);
    w->slots[slot].id = inode.id;
    return txn_end(t, status);
}

static nt_status slot_delete(struct work *w, u32 slot, struct str name)
{
    struct txn *t;
    TRY(txn_begin(w->store, TXN_FREEING, &t));
    nt_status status = dirent_remove(t, OBJECT_ROOT, name);
    if (status == STATUS_SUCCESS)
        status = object_orphan(t, w->slots[slot].id);
    TRY(txn_end(t, status));
    return object_reap(w->store, w->slots[slot].id);
}

static nt_status slot_write(struct work *w, u32 slot, u32 version)
{
    static u8 data[32 * BLOCK];
    struct stream *m;
    size_t done;
    u32 blocks = blocks_of(slot);
    for (u32 i = 0; i < blocks; i++)
        fill_block(data + (size_t)i * BLOCK, slot, version, i);
    TRY(stream_open(w->store, w->slots[slot].id, (struct str){NULL, 0}, &m));
    nt_status status = stream_write(m, 0, data, (size_t)blocks * BLOCK, &done);
    stream_close(m);
    return status;
}

static struct str slot_name(u32 slot, char name[200])
{
    // Long names make leaves enough for a tree of two levels.
    int len = snprintf(name, 200, "%u-%0180u", slot, slot);
    return (struct str){name, (u32)len};
}

static nt_status slot_change(struct work *w, u32 slot)
{
    char text[200];
    struct str name = slot_name(slot, text);
    u32 version = ++w->slots[slot].now;
    if (!exists_in(version))
        return slot_delete(w, slot, name);
    if (version % 5 == 1)
        TRY(slot_create(w, slot, name));
    return slot_write(w, slot, version);
}

// What a failing device makes of a request; the rest would be a wrong answer.
static void allow(nt_status status)
{
    if (status != STATUS_SUCCESS && status != STATUS_MEDIA_WRITE_PROTECTED &&
        status != STATUS_NO_MEDIA_IN_DEVICE && status != STATUS_LOST_WRITEBEHIND_DATA &&
        !sample_may_say(status))
        fail_msg("an answer that tells nothing of the device: %s", test_status_name(status));
}

static void commit(struct work *w)
{
    struct store_info info;
    struct txn *t;
    u64 failures = w->faulty.failures;
    nt_status status = store_commit(w->store);
    if (status == STATUS_SUCCESS) {
        if (w->faulty.command != ON_READ)
            assert_int_equal(w->faulty.failures, failures);
        for (u32 i = 0; i < SLOTS; i++)
            if (!w->slots[i].frozen)
                w->slots[i].committed = w->slots[i].now;
        return;
    }
    allow(status);
    store_get_info(w->store, &info);
    if (status != STATUS_NO_MEDIA_IN_DEVICE) {
        assert_true(info.readonly);
        assert_true(info.failed != STATUS_SUCCESS);
    }
    if (!info.readonly)
        return;
    assert_status(txn_begin(w->store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
    assert_non_null(strstr(status_text(), "could not be written"));
}

static void work_run(struct work *w)
{
    for (u32 i = 0; i < OPERATIONS; i++) {
        u32 slot = below(w, SLOTS);
        if (i % 5 == 4) {
            commit(w);
            store_purge(w->store); // so that pages are read again
        }
        if (w->slots[slot].frozen)
            continue;
        nt_status status = slot_change(w, slot);
        allow(status);
        w->slots[slot].frozen = status != STATUS_SUCCESS;
    }
}

// --- what must be there --------------------------------------------------------------------------

static void verify_block(const struct slot *state, u32 slot, const u8 *block, u32 number)
{
    u8 expected[BLOCK];
    u32 version = get_le32(block);
    // Without sums, and written in place: anything may be in what was being written.
    if (is_plain(slot) && state->committed != state->now)
        return;
    if (version < state->committed || version > state->now)
        fail_msg("slot %u block %u has version %u, not %u to %u", slot, number, version, state->committed,
                 state->now);
    fill_block(expected, slot, version, number);
    if (memcmp(block, expected, BLOCK) != 0)
        fail_msg("slot %u block %u is damaged", slot, number);
}

static void verify_slot(struct work *w, u32 slot)
{
    static u8 data[32 * BLOCK];
    const struct slot *state = &w->slots[slot];
    char text[200];
    struct dirent entry;
    struct stream *m;
    struct stream_info info;
    size_t done;
    bool may_exist = false, may_be_gone = false, may_be_short = false;
    for (u32 v = state->committed; v <= state->now; v++) {
        *(exists_in(v) ? &may_exist : &may_be_gone) = true;
        may_be_short |= v % 5 == 1 && v > state->committed;
    }
    nt_status status = dirent_find(w->store, OBJECT_ROOT, slot_name(slot, text), &entry);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND && may_be_gone)
        return;
    assert_ok(status);
    assert_true(may_exist);
    assert_ok(stream_open(w->store, entry.id, (struct str){NULL, 0}, &m));
    stream_get_info(m, &info);
    if (info.size != (u64)blocks_of(slot) * BLOCK)
        assert_true(may_be_short);
    if (info.size > 0)
        assert_ok(stream_read(m, 0, data, info.size, &done));
    stream_close(m);
    for (u32 i = 0; i < info.size / BLOCK; i++)
        verify_block(state, slot, data + (size_t)i * BLOCK, i);
}

static void finding(void *context, const struct check_finding *f)
{
    (void)context;
    print_error("check: kind %d object %llu offset %llu length %llu: %s\n", (int)f->kind,
                (unsigned long long)f->object, (unsigned long long)f->offset, (unsigned long long)f->length,
                f->text);
}

static void verify(struct work *w)
{
    struct check_totals totals;
    struct check_options options = {.data = true, .finding = finding};
    assert_ok(store_open(w->blk, 0, CACHE, &w->store));
    assert_ok(store_check(w->store, &options, &totals));
    for (u32 i = 0; i < SLOTS; i++)
        verify_slot(w, i);
    assert_ok(store_close(w->store));
}

// --- one run -------------------------------------------------------------------------------------

static char run_text[120];

static void on_signal(int number)
{
    ssize_t ignored = write(STDOUT_FILENO, number == SIGALRM ? "# hangs: " : "# crashes: ", 9);
    ignored = write(STDOUT_FILENO, run_text, strlen(run_text));
    _exit(ignored > 0 ? 1 : 2);
}

static void work_make(struct work *w, u8 copies)
{
    struct store_format_options format = {
        .cluster = BLOCK, .copies = copies, .options = OPTION_CASE_SENSITIVE};
    *w = (struct work){.random = 4711};
    assert_ok(blk_open("ram:8388608", 0, &w->faulty.below));
    assert_ok(blk_new(&faulty_ops, &w->faulty, "faulty:", &w->blk));
    blk_set_medium(w->blk, w->faulty.below->size, false);
    assert_ok(store_format(w->blk, &format));
    assert_ok(store_open(w->blk, 0, CACHE, &w->store));
    memset(w->faulty.seen, 0, sizeof w->faulty.seen);
}

// True when the fault was met at all.
static bool run(const struct faulty *fault, u8 copies, bool keep)
{
    struct work w;
    snprintf(run_text, sizeof run_text, "%s %llu fails %s with sense %u, transport %u, %u copies",
             command_names[fault->command], (unsigned long long)fault->n, mode_names[fault->mode],
             fault->sense.key, fault->sense.transport, copies);
    alarm(PATIENCE);
    work_make(&w, copies);
    w.faulty.on = true;
    w.faulty.command = fault->command;
    w.faulty.mode = fault->mode;
    w.faulty.n = fault->n;
    w.faulty.sense = fault->sense;
    work_run(&w);
    u64 failures = w.faulty.failures;
    w.faulty.on = !keep;
    if (keep)
        commit(&w); // the device is well again: what the absence held up goes on
    nt_status status = store_close(w.store);
    allow(status);
    w.faulty.on = false;
    verify(&w);
    blk_close(w.blk);
    alarm(0);
    run_text[0] = '\0';
    return failures > 0;
}

// The medium is broken; the way to it is; it is away for a while.
static const struct sense senses[] = {{SENSE_MEDIUM, 0x11, 0, BLK_TRANSPORT_OK},
                                      {.transport = BLK_TIMED_OUT},
                                      {SENSE_NOT_READY, 0x3a, 0, BLK_TRANSPORT_OK}};

static void sweep(enum command command)
{
    u64 runs = 0;
    for (u32 mode = 0; mode < MODES; mode++)
        for (size_t sense = 0; sense < ARRAY_LEN(senses); sense++)
            for (u64 n = mode == EVERY ? 2 : 1;; n += 1 + sense, runs++) {
                struct faulty fault = {
                    .command = command, .mode = (enum mode)mode, .n = n, .sense = senses[sense]};
                if (!run(&fault, n % 2 ? 2 : 1, n % 3 == 0) || (mode == EVERY && n > 40))
                    break;
            }
    print_message("# %llu runs\n", (unsigned long long)runs);
}

// The run that a failed assertion cut short.
static int print_run(void **state)
{
    (void)state;
    alarm(0);
    if (run_text[0])
        print_message("# when %s\n", run_text);
    run_text[0] = '\0';
    return 0;
}

static void reads_fail(void **state)
{
    (void)state;
    sweep(ON_READ);
}
static void writes_fail(void **state)
{
    (void)state;
    sweep(ON_WRITE);
}
static void flushes_fail(void **state)
{
    (void)state;
    sweep(ON_FLUSH);
}

// What a device may have lost when it was flushed is not promised by the next flush, though that one
// succeeds: it is told as lost.
static void a_failed_flush_of_data_in_place_is_not_forgotten(void **state)
{
    struct store_info info;
    struct work w;
    u32 plain = 3;
    (void)state;
    for (u32 comes_back = 0; comes_back < 2; comes_back++) {
        work_make(&w, 2);
        assert_ok(slot_change(&w, plain));
        assert_ok(store_commit(w.store));
        assert_ok(slot_change(&w, plain));
        assert_true(store_dirty(w.store));
        w.faulty.n = w.faulty.seen[ON_FLUSH] + 1;
        w.faulty.command = ON_FLUSH;
        w.faulty.sense = senses[comes_back ? 2 : 0];
        w.faulty.on = true;
        nt_status failed = store_commit(w.store);
        assert_true(failed != STATUS_SUCCESS);
        assert_status(store_commit(w.store), comes_back ? STATUS_SUCCESS : failed);
        u64 lost;
        assert_ok(store_lost(w.store, &lost));
        assert_int_equal(lost, 1);
        store_get_info(w.store, &info);
        assert_int_equal(info.readonly, !comes_back);
        assert_status(store_close(w.store), comes_back ? STATUS_SUCCESS : failed);
        blk_close(w.blk);
    }
}

static void without_a_fault_all_is_there(void **state)
{
    struct faulty fault = {.command = ON_READ, .n = UINT64_MAX};
    (void)state;
    assert_false(run(&fault, 2, true));
}

int main(void)
{
    signal(SIGALRM, on_signal);
    signal(SIGSEGV, on_signal);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_a_fault_all_is_there, print_run),
        cmocka_unit_test(a_failed_flush_of_data_in_place_is_not_forgotten),
        cmocka_unit_test_teardown(reads_fail, print_run),
        cmocka_unit_test_teardown(writes_fail, print_run),
        cmocka_unit_test_teardown(flushes_fail, print_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
