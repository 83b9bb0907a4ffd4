// SPDX-License-Identifier: Apache-2.0
// Another medium comes in at every command of a mount, a verify and a remount, once and again and again: what
// was meant for the one reaches no byte of the other, and each is whole afterwards. Medium A is a volume that
// was not closed, so that mounting it plays a log and commits; B was closed, so that mounting it changes
// nothing.
#include "block/blk_sim.h"
#include "tests/fs/volume.h"

enum { MEDIUM_SIZE = 4 << 20, FILE_SIZE = 64 << 10, A = 0, B = 1, MOST_COMMANDS = 4000 };

static struct volume v;
static struct blk *sim;
static u8 made[2][MEDIUM_SIZE]; // the media as they are when a drive is made
static u64 plan;                // for the message of a failure

static void file_make(struct store *store, const char *name, char letter)
{
    static char data[FILE_SIZE];
    struct inode inode = {.links = 1,
                          .created = time_now(),
                          .attributes = FILE_ATTRIBUTE_INTEGRITY_STREAM,
                          .algorithm = CHECKSUM_TYPE_CRC32};
    struct stream *stream;
    struct txn *t;
    size_t done;
    assert_ok(txn_begin(store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, inode.id, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_ok(stream_open(store, inode.id, (struct str){0}, &stream));
    memset(data, letter, sizeof data);
    assert_ok(stream_write(stream, 0, data, sizeof data, &done));
    stream_close(stream);
}

static void medium_make(u32 medium, char letter, bool closed)
{
    struct store_format_options options = {.cluster = 4096, .label = {&letter, 1}};
    struct store *store;
    blk_sim_insert(sim, medium, false);
    assert_ok(store_format(sim, &options));
    assert_ok(store_open(sim, 0, 0, &store));
    file_make(store, "f", letter);
    assert_ok(store_sync(store));
    file_make(store, "g", letter);
    assert_ok(store_sync(store)); // goes to the log
    if (closed)
        assert_ok(store_close(store));
    else
        assert_false(store_abandon(store));
}

static int media_make(void **state)
{
    (void)state;
    u32 medium;
    assert_ok(blk_sim_new(MEDIUM_SIZE, BLK_REMOVABLE, &sim));
    assert_ok(blk_sim_add_medium(sim, MEDIUM_SIZE, false, &medium));
    medium_make(B, 'B', true);
    medium_make(A, 'A', false);
    blk_sim_peek(sim, A, made[A], MEDIUM_SIZE, 0);
    blk_sim_peek(sim, B, made[B], MEDIUM_SIZE, 0);
    blk_close(sim);
    return 0;
}

static void bytes_write(struct blk *to, const u8 *bytes)
{
    enum { STEP = 65536 };
    static const u8 zeros[STEP];
    for (u64 at = 0; at < MEDIUM_SIZE; at += STEP)
        if (memcmp(bytes + at, zeros, STEP) != 0)
            assert_ok(blk_pwrite(to, bytes + at, STEP, at, NULL));
}

static void drive_make(void)
{
    u32 medium;
    assert_ok(blk_sim_new(MEDIUM_SIZE, BLK_REMOVABLE, &sim));
    assert_ok(blk_sim_add_medium(sim, MEDIUM_SIZE, false, &medium));
    bytes_write(sim, made[A]);
    blk_sim_insert(sim, B, false);
    bytes_write(sim, made[B]);
    blk_sim_insert(sim, A, false);
    struct drive_options options = {.kind = DRIVE_DISK, .removable = true, .retry_unit_ms = 1};
    volume_register();
    v = (struct volume){0};
    assert_ok(drive_attach(sim, &options, &v.drive));
}

static void b_is_untouched(void)
{
    static u8 now[MEDIUM_SIZE];
    blk_sim_peek(sim, B, now, MEDIUM_SIZE, 0);
    for (u64 i = 0; i < MEDIUM_SIZE; i++)
        if (now[i] != made[B][i])
            fail_msg("byte %llu of the other medium changed", (unsigned long long)i);
}

static void finding(void *context, const struct check_finding *f)
{
    (void)context;
    print_error("# check: %s at %llu\n", f->text, (unsigned long long)f->offset);
}

// A file of a medium holds its letter.
static void file_verify(struct store *store, const char *name, char letter)
{
    static char data[FILE_SIZE];
    struct dirent entry;
    struct stream *stream;
    size_t done;
    assert_ok(dirent_find(store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry));
    assert_ok(stream_open(store, entry.id, (struct str){0}, &stream));
    assert_ok(stream_read(stream, 0, data, sizeof data, &done));
    stream_close(stream);
    for (size_t i = 0; i < sizeof data; i++)
        assert_int_equal(data[i], letter);
}

static void medium_verify(u32 medium, char letter)
{
    struct check_options options = {.data = true, .finding = finding};
    struct check_totals totals;
    struct store *store;
    struct blk *copy;
    static u8 bytes[MEDIUM_SIZE];
    blk_sim_peek(sim, medium, bytes, MEDIUM_SIZE, 0);
    assert_ok(blk_sim_new(MEDIUM_SIZE, 0, &copy));
    bytes_write(copy, bytes);
    assert_ok(store_open(copy, 0, 0, &store));
    assert_ok(store_check(store, &options, &totals));
    file_verify(store, "f", letter);
    file_verify(store, "g", letter);
    assert_ok(store_close(store));
    blk_close(copy);
}

static void plans_make(u64 n, u32 swaps, u32 first)
{
    plan = n;
    for (u32 i = 0; i < swaps; i++)
        blk_sim_plan(sim, i == 0 ? n : 1 + n % 5, (first + i) % 2);
}

// The volume that is in, by whatever it takes to reach it. What a request of this moment says is not the
// question.
static void probe(const char *path)
{
    struct file_object f;
    u64 done;
    char letter;
    if (volume_open(&v, &f, path, FILE_READ_DATA, FILE_OPEN, 0) != STATUS_SUCCESS)
        return;
    if (volume_read(&f, 0, &letter, 1, &done) == STATUS_SUCCESS)
        assert_true(letter == 'A' || letter == 'B');
    nt_status closed = volume_close(&f);
    (void)closed;
}

// True: all plans were carried out.
static bool drive_end(void)
{
    bool carried_out = blk_sim_planned(sim) == 0;
    b_is_untouched();
    struct device *device = NULL;
    if (dev_mount(v.drive, &device) == STATUS_SUCCESS && device) {
        nt_status ended = fs_dismount(device);
        (void)ended;
        dev_release(device);
    }
    b_is_untouched();
    medium_verify(A, 'A');
    dev_release(v.drive);
    return carried_out;
}

static bool swap_in_mount(u64 n, u32 swaps)
{
    struct device *device = NULL;
    drive_make();
    plans_make(n, swaps, B);
    nt_status status = dev_mount(v.drive, &device);
    if (status == STATUS_SUCCESS && device)
        dev_release(device);
    probe("f");
    return drive_end();
}

// A is mounted and has changes that are not flushed when it is verified.
static bool swap_in_verify(u64 n, u32 swaps)
{
    struct file_object f, probed;
    char data[4096];
    drive_make();
    assert_ok(volume_open(&v, &f, "new", FILE_READ_DATA | FILE_WRITE_DATA, FILE_CREATE, 0));
    memset(data, 'n', sizeof data);
    assert_ok(volume_write(&f, 0, data, sizeof data));
    blk_sim_insert(sim, A, true);
    plans_make(n, swaps, B);
    if (volume_open(&v, &probed, "f", FILE_READ_DATA, FILE_OPEN, 0) == STATUS_SUCCESS)
        (void)volume_close(&probed);
    nt_status flushed = volume_flush(&f), closed = volume_close(&f);
    (void)flushed, (void)closed;
    return drive_end();
}

// A was away and comes back to a file that is still open.
static bool swap_in_remount(u64 n, u32 swaps)
{
    struct file_object f;
    char data[4096];
    drive_make();
    assert_ok(volume_open(&v, &f, "f", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    memset(data, 'A', sizeof data);
    assert_ok(volume_write(&f, 0, data, sizeof data));
    assert_ok(volume_flush(&f));
    assert_ok(volume_write(&f, 8192, data, sizeof data));
    blk_sim_insert(sim, B, true);
    probe("g");
    blk_sim_insert(sim, A, true);
    plans_make(n, swaps, B);
    nt_status status = volume_write(&f, 16384, data, sizeof data);
    status = volume_flush(&f);
    status = volume_close(&f);
    (void)status;
    return drive_end();
}

static void sweep(bool swap(u64 n, u32 swaps))
{
    for (u32 swaps = 1; swaps <= 4; swaps++) {
        u64 n = 1;
        while (swap(n, swaps)) {
            n += swaps;
            assert_true(n < MOST_COMMANDS);
        }
        print_message("# %llu moments of %u swaps\n", (unsigned long long)(n - 1) / swaps, swaps);
        assert_true(n > 10);
    }
}

static int print_plan(void **state)
{
    (void)state;
    print_message("# the last plan began at command %llu\n", (unsigned long long)plan);
    return 0;
}

static void a_swap_at_each_command_of_a_mount(void **state)
{
    (void)state;
    sweep(swap_in_mount);
}

static void a_swap_at_each_command_of_a_verify(void **state)
{
    (void)state;
    sweep(swap_in_verify);
}

static void a_swap_at_each_command_of_a_remount(void **state)
{
    (void)state;
    sweep(swap_in_remount);
}

static u64 generation_of(struct blk *b)
{
    struct store_identity identity;
    assert_ok(store_identify(b, &identity));
    return identity.generation;
}

// A copy of the mounted card, changed elsewhere until it counts the generation of our next commit, or of our
// last one: nothing of ours goes there, though number and serial agree.
static void a_copy_with_another_history_is_not_ours(void **state)
{
    static u8 bytes[MEDIUM_SIZE];
    (void)state;
    for (u64 ahead = 0; ahead < 2; ahead++) {
        struct file_object f, volume, gone;
        struct blk *copy;
        struct store *store;
        drive_make();
        assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
        assert_ok(volume_open(&v, &f, "ours", FILE_READ_DATA | FILE_WRITE_DATA, FILE_CREATE, 0));
        blk_sim_peek(sim, A, bytes, MEDIUM_SIZE, 0);
        assert_ok(blk_sim_new(MEDIUM_SIZE, 0, &copy));
        bytes_write(copy, bytes);
        assert_ok(store_open(copy, 0, 0, &store));
        file_make(store, "theirs", 'T');
        assert_ok(store_commit(store));
        assert_false(store_abandon(store));
        struct vcb *vcb = ((struct ccb *)f.context)->vcb;
        while (generation_of(sim) + ahead < generation_of(copy)) {
            assert_ok(volume_write(&f, 0, "ours", 4));
            assert_ok(store_set_label(vcb->store, STR("label")));
            assert_ok(store_commit(vcb->store));
        }
        assert_int_equal(generation_of(sim) + ahead, generation_of(copy));
        assert_ok(volume_write(&f, 0, "more", 4)); // not flushed
        assert_ok(blk_pread(copy, bytes, MEDIUM_SIZE, 0, NULL));
        blk_sim_insert(sim, B, false);
        assert_ok(blk_pwrite(sim, bytes, MEDIUM_SIZE, 0, NULL));
        blk_sim_insert(sim, B, true);
        nt_status status = volume_write(&f, 0, "even more", 9);
        assert_true(status != STATUS_SUCCESS);
        status = volume_flush(&f);
        assert_true(status != STATUS_SUCCESS);
        assert_status(volume_open(&v, &gone, "ours", FILE_READ_DATA, FILE_OPEN, 0),
                      STATUS_OBJECT_NAME_NOT_FOUND);
        status = volume_close(&f);
        status = volume_close(&volume);
        struct device *device;
        assert_ok(dev_mount(v.drive, &device));
        status = fs_dismount(device);
        dev_release(device);
        medium_verify(B, 'A');
        blk_sim_peek(sim, B, bytes, MEDIUM_SIZE, 0);
        bytes_write(copy, bytes);
        assert_ok(store_open(copy, 0, 0, &store));
        file_verify(store, "theirs", 'T');
        assert_ok(store_close(store));
        medium_verify(A, 'A');
        blk_close(copy);
        dev_release(v.drive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_with_another_history_is_not_ours),
        cmocka_unit_test_teardown(a_swap_at_each_command_of_a_mount, print_plan),
        cmocka_unit_test_teardown(a_swap_at_each_command_of_a_verify, print_plan),
        cmocka_unit_test_teardown(a_swap_at_each_command_of_a_remount, print_plan),
    };
    return cmocka_run_group_tests_name("swap", tests, media_make, NULL);
}
