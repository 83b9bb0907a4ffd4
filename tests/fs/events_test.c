// SPDX-License-Identifier: Apache-2.0
// The ring of findings: what is new and what only counts, what is kept, who is told, from many threads; and
// that it belongs to the volume, whatever becomes of its medium.
#include "tests/test.h"

#include <sys/stat.h>

#include "tests/fs/volume.h"

static struct events ring;
static int heard;

static int setup(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof ring);
    heard = 0;
    events_init(&ring);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    events_destroy(&ring);
    return 0;
}

static void found(u32 id, u64 object, u64 offset)
{
    events_record(&ring, &(struct store_event){id, object, offset, 16384});
}

static void hear(void *context)
{
    (void)context;
    __atomic_fetch_add(&heard, 1, __ATOMIC_RELAXED);
}

static void the_same_again_only_counts(void **state)
{
    (void)state;
    ring.listener = (struct irp_listener){hear, NULL};
    for (int i = 0; i < 3; i++) {
        found(133, 17, 0);
        found(133, 17, 16384);
        found(132, 17, 0);
        found(133, 18, 0);
    }
    assert_int_equal(ring.newest, 4);
    assert_int_equal(heard, 4);
    for (u64 i = 0; i < 4; i++) {
        assert_int_equal(ring.ring[i].sequence, i + 1);
        assert_int_equal(ring.ring[i].count, 3);
    }
    const struct hf_event *e = &ring.ring[1];
    assert_int_equal(e->id, 133);
    assert_int_equal(e->node, 17);
    assert_int_equal(e->offset, 16384);
    assert_int_equal(e->length, 16384);
    assert_true(e->first.seconds > 0);
    assert_true(e->last.seconds > e->first.seconds ||
                (e->last.seconds == e->first.seconds && e->last.nanoseconds >= e->first.nanoseconds));
}

// The handler as a row calls it.
static size_t get(struct vcb *vcb, u64 after, struct hf_event *out, size_t room)
{
    struct irp irp = {.major = IRP_MJ_FILE_SYSTEM_CONTROL};
    irp.p.control.in = &after;
    irp.p.control.in_length = sizeof after;
    irp.p.control.out = out;
    irp.p.control.out_length = room * sizeof *out;
    assert_ok(events_get(vcb, &irp));
    return irp.information / sizeof *out;
}

static void only_the_newest_are_kept(void **state)
{
    (void)state;
    struct vcb *vcb = calloc(1, sizeof *vcb);
    static struct hf_event out[HF_EVENTS_KEPT + 1];
    assert_non_null(vcb);
    events_init(&vcb->events);
    assert_int_equal(get(vcb, 0, out, 1), 0);
    for (u64 i = 1; i <= HF_EVENTS_KEPT + 100; i++)
        events_record(&vcb->events, &(struct store_event){133, i, 0, 1});
    assert_int_equal(get(vcb, 0, out, HF_EVENTS_KEPT + 1), HF_EVENTS_KEPT);
    for (u64 i = 0; i < HF_EVENTS_KEPT; i++) {
        assert_int_equal(out[i].sequence, i + 101);
        assert_int_equal(out[i].node, i + 101);
    }
    assert_int_equal(get(vcb, 0, out, 2), 2); // from the oldest that there is
    assert_int_equal(out[1].sequence, 102);
    assert_int_equal(get(vcb, HF_EVENTS_KEPT + 98, out, 5), 2);
    assert_int_equal(out[1].sequence, HF_EVENTS_KEPT + 100);
    assert_int_equal(get(vcb, HF_EVENTS_KEPT + 100, out, 5), 0);
    assert_int_equal(get(vcb, UINT64_MAX, out, 5), 0);
    // One that was forgotten is new again.
    events_record(&vcb->events, &(struct store_event){133, 1, 0, 1});
    assert_int_equal(get(vcb, HF_EVENTS_KEPT + 100, out, 5), 1);
    assert_int_equal(out[0].count, 1);
    events_destroy(&vcb->events);
    free(vcb);
}

// --- threads -------------------------------------------------------------------------------------

enum { THREADS = 4, TURNS = 20000, KINDS = 700 };

static struct vcb *shared;
static _Atomic bool stop;

static void *finder(void *argument)
{
    u32 seed = (u32)(uintptr_t)argument;
    for (int i = 0; i < TURNS; i++) {
        seed = seed * 1664525 + 1013904223;
        events_record(&shared->events, &(struct store_event){133, 17 + (seed >> 8) % KINDS, 0, 16384});
    }
    return NULL;
}

static void set_listener(void (*fn)(void *), void *context)
{
    struct irp_listener listener = {fn, context};
    struct irp_node node = {.in = &listener};
    struct irp irp = {.major = IRP_MJ_NODE, .minor = IRP_MN_NODE_LISTEN};
    irp.p.node = &node;
    assert_ok(events_listen(shared, &irp));
}

static void hear_alive(void *context)
{
    assert_int_equal(*(int *)context, 1);
}

static void *listener(void *argument)
{
    (void)argument;
    while (!stop) {
        int *alive = malloc(sizeof *alive);
        assert_non_null(alive);
        *alive = 1;
        set_listener(hear_alive, alive);
        set_listener(NULL, NULL);
        *alive = 0;
        free(alive);
    }
    return NULL;
}

static void *reader(void *argument)
{
    static struct hf_event out[KINDS];
    (void)argument;
    while (!stop) {
        size_t count = get(shared, 0, out, KINDS);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(out[i].sequence, i + 1);
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS], others[2];
    static struct hf_event out[HF_EVENTS_KEPT];
    shared = calloc(1, sizeof *shared);
    assert_non_null(shared);
    events_init(&shared->events);
    stop = false;
    assert_int_equal(pthread_create(&others[0], NULL, listener, NULL), 0);
    assert_int_equal(pthread_create(&others[1], NULL, reader, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, finder, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(others[i], NULL);
    u64 sum = 0;
    size_t count = get(shared, 0, out, HF_EVENTS_KEPT);
    assert_int_equal(count, KINDS);
    for (size_t i = 0; i < count; i++)
        sum += out[i].count;
    assert_int_equal(sum, (u64)THREADS * TURNS);
    events_destroy(&shared->events);
    free(shared);
}

// --- on a volume ---------------------------------------------------------------------------------

static size_t events_of(struct file_object *f, struct hf_event *out, size_t room)
{
    u64 done;
    assert_ok(volume_fsctl(f, FSCTL_HF_EVENTS, NULL, 0, out, room * sizeof *out, &done));
    return done / sizeof *out;
}

static nt_status listen_on(struct file_object *f, void (*fn)(void *))
{
    struct irp_listener l = {fn, NULL};
    struct irp_node node = {.in = &l};
    struct irp irp = {.major = IRP_MJ_NODE, .minor = IRP_MN_NODE_LISTEN};
    irp.p.node = &node;
    return volume_send(f, &irp);
}

// A file of two units whose second is rotten, in an image that is in a drive.
static void rotten_file(struct volume *v, struct file_object *f, char path[32])
{
    static u8 data[32768];
    struct blk *blk;
    char spec[64];
    u64 device = 0;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER on = {.ChecksumAlgorithm = CHECKSUM_TYPE_CRC32};
    volume_new_image(path, "rotten");
    snprintf(spec, sizeof spec, "file:%s", path);
    assert_ok(blk_open(spec, BLK_REMOVABLE, &blk));
    volume_attach(v, blk, true);
    assert_ok(volume_open(v, f, "f", FILE_ALL_ACCESS, FILE_CREATE, 0));
    assert_ok(volume_fsctl(f, FSCTL_SET_INTEGRITY_INFORMATION, &on, sizeof on, NULL, 0, NULL));
    assert_ok(volume_write(f, 0, data, sizeof data));
    assert_ok(volume_flush(f));
    HF_STARTING_VCN from = {5};
    HF_RETRIEVAL_POINTERS map;
    assert_ok(volume_fsctl(f, FSCTL_GET_RETRIEVAL_POINTERS, &from, sizeof from, &map, sizeof map, NULL));
    device = (u64)map.Extents[0].Lcn * 4096;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)device), 1);
    close(fd);
}

static void the_ring_outlives_the_medium(void **state)
{
    (void)state;
    struct volume v;
    struct file_object f, disk;
    struct hf_event out[4];
    char path[32], away[40];
    u8 byte;
    u64 done;
    rotten_file(&v, &f, path);
    assert_int_equal(events_of(&f, out, 4), 0);
    assert_ok(listen_on(&f, hear));
    for (int i = 0; i < 3; i++)
        assert_status(volume_read(&f, 20000, &byte, 1, NULL), STATUS_DATA_CHECKSUM_ERROR);
    assert_ok(volume_read(&f, 0, &byte, 1, NULL));
    assert_int_equal(events_of(&f, out, 4), 1);
    assert_int_equal(heard, 1);
    assert_int_equal(out[0].id, 133);
    assert_int_equal(out[0].node, ((struct ccb *)f.context)->scb->fcb->id);
    assert_int_equal(out[0].offset, 16384);
    assert_int_equal(out[0].length, 16384);
    assert_int_equal(out[0].count, 3);
    // Away: the drive is not asked.
    snprintf(away, sizeof away, "%s-away", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_not_equal(volume_read(&f, 0, &byte, 1, NULL), STATUS_SUCCESS);
    assert_int_equal(events_of(&f, out, 4), 1);
    assert_ok(listen_on(&f, NULL));
    assert_ok(listen_on(&f, hear));
    // And back: it goes on.
    assert_int_equal(rename(away, path), 0);
    for (int i = 0; i < 3; i++)
        (void)!volume_read(&f, 0, &byte, 1, NULL);
    assert_status(volume_read(&f, 20000, &byte, 1, NULL), STATUS_DATA_CHECKSUM_ERROR);
    assert_int_equal(events_of(&f, out, 4), 1);
    assert_int_equal(out[0].count, 4);
    assert_int_equal(heard, 1);
    // A dismounted volume still tells what it found; one that is mounted anew begins anew.
    assert_ok(volume_open(&v, &disk, NULL, FILE_READ_DATA, FILE_OPEN, 0));
    assert_int_equal(events_of(&disk, out, 4), 1);
    assert_ok(volume_fsctl(&disk, FSCTL_DISMOUNT_VOLUME, NULL, 0, NULL, 0, NULL));
    assert_int_equal(events_of(&f, out, 4), 1);
    assert_ok(volume_close(&disk));
    assert_ok(volume_close(&f));
    assert_ok(volume_open(&v, &f, "f", FILE_READ_DATA, FILE_OPEN, 0));
    assert_int_equal(events_of(&f, out, 4), 0);
    assert_status(volume_fsctl(&f, FSCTL_HF_EVENTS, "1234567", 7, out, sizeof out, &done),
                  STATUS_INVALID_PARAMETER);
    assert_status(volume_read(&f, 20000, &byte, 1, NULL), STATUS_DATA_CHECKSUM_ERROR);
    assert_status(volume_fsctl(&f, FSCTL_HF_EVENTS, NULL, 0, out, sizeof out[0] - 1, &done),
                  STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(heard, 1); // the listener was the other volume's
    assert_ok(volume_close(&f));
    volume_free(&v);
    unlink(path);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_same_again_only_counts),
        CASE(only_the_newest_are_kept),
        CASE(many_threads),
        CASE(the_ring_outlives_the_medium),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
