// SPDX-License-Identifier: Apache-2.0
// Clones by control code, as the file system sees them: the order of the checks, sources of every wrong kind,
// byte-range locks, what a change of media leaves of a source. The numbered cases are in tests/spec.
#include "tests/test.h"

#include "tests/fs/volume.h"

enum { C = 4096, READ = FILE_READ_DATA | FILE_READ_ATTRIBUTES };

static struct volume v;
static struct file_object target, source;

static void fill(struct file_object *f, u8 value, u32 clusters)
{
    u8 data[C];
    memset(data, value, sizeof data);
    for (u32 i = 0; i < clusters; i++)
        assert_ok(volume_write(f, (u64)i * C, data, C));
}

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    assert_ok(volume_open(&v, &target, "target", FILE_ALL_ACCESS, FILE_CREATE, 0));
    assert_ok(volume_open(&v, &source, "source", FILE_ALL_ACCESS, FILE_CREATE, 0));
    fill(&target, 't', 4);
    fill(&source, 's', 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(volume_close(&target));
    assert_ok(volume_close(&source));
    volume_free(&v);
    return 0;
}

static nt_status send_code(struct file_object *to, u32 code, const void *in, size_t length,
                           struct file_object *from)
{
    struct irp irp = {.major = IRP_MJ_FILE_SYSTEM_CONTROL, .minor = IRP_MN_USER_FS_REQUEST};
    irp.p.control.code = code;
    irp.p.control.in = in;
    irp.p.control.in_length = length;
    irp.p.control.source = from;
    nt_status status = volume_send(to, &irp);
    assert_int_equal(irp.information, 0);
    return status;
}

static nt_status duplicate(struct file_object *from, i64 from_offset, struct file_object *to, i64 to_offset,
                           i64 count)
{
    DUPLICATE_EXTENTS_DATA in = {
        .SourceFileOffset = from_offset, .TargetFileOffset = to_offset, .ByteCount = count};
    return send_code(to, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &in, sizeof in, from);
}

static nt_status duplicate_ex(size_t size, size_t length, u32 flags)
{
    DUPLICATE_EXTENTS_DATA_EX in = {.Size = size, .ByteCount = C, .Flags = flags};
    return send_code(&target, FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, &in, length, &source);
}

static u8 byte_at(struct file_object *f, u64 offset)
{
    u8 byte;
    assert_ok(volume_read(f, offset, &byte, 1, NULL));
    return byte;
}

static void clusters_are_shared(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = FILE_ATTRIBUTE_NORMAL}, after;
    assert_ok(volume_set(&target, FileBasicInformation, &basic, sizeof basic));
    assert_ok(volume_query(&target, FileBasicInformation, &basic, sizeof basic, NULL));
    assert_ok(duplicate(&source, C, &target, 2 * C, 2 * C));
    assert_int_equal(byte_at(&target, 2 * C - 1), 't');
    assert_int_equal(byte_at(&target, 2 * C), 's');
    assert_int_equal(byte_at(&target, 4 * C - 1), 's');
    assert_ok(volume_query(&target, FileBasicInformation, &after, sizeof after, NULL));
    assert_true(after.FileAttributes & FILE_ATTRIBUTE_ARCHIVE);
    assert_true(after.LastWriteTime > basic.LastWriteTime);
    // Written in place otherwise; a shared cluster is not.
    assert_ok(volume_write(&source, C, "new", 3));
    assert_int_equal(byte_at(&target, 2 * C), 's');
    assert_int_equal(byte_at(&source, C), 'n');
    assert_ok(duplicate_ex(48, 48, 0));
    assert_int_equal(byte_at(&target, 0), 's');
}

// Each wrong thing is together with all those that are tested after it.
static void checks_come_in_the_order_of_the_document(void **state)
{
    (void)state;
    struct file_object dir;
    DUPLICATE_EXTENTS_DATA in = {0};
    assert_ok(volume_open(&v, &dir, "d", FILE_READ_DATA | FILE_WRITE_DATA, FILE_CREATE, FILE_DIRECTORY_FILE));
    assert_status(send_code(&dir, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &in, 31, NULL), STATUS_BUFFER_TOO_SMALL);
    assert_status(send_code(&dir, FSCTL_DUPLICATE_EXTENTS_TO_FILE, NULL, 0, NULL), STATUS_BUFFER_TOO_SMALL);
    assert_status(duplicate(NULL, 1, &dir, 0, C), STATUS_INVALID_PARAMETER);
    assert_status(duplicate(NULL, 0, &dir, 1, C), STATUS_INVALID_PARAMETER);
    assert_status(duplicate(NULL, 0, &dir, 0, 1), STATUS_INVALID_PARAMETER);
    assert_ok(duplicate(NULL, 0, &dir, 0, 0));
    assert_status(duplicate(NULL, 0, &dir, 0, C), STATUS_NOT_SUPPORTED);
    assert_status(duplicate(NULL, 8 * C, &target, 0, C), STATUS_INVALID_PARAMETER);
    assert_status(duplicate(&source, 8 * C, &target, 0, C), STATUS_NOT_SUPPORTED);
    assert_status(duplicate(&source, 0, &target, 8 * C, C), STATUS_NOT_SUPPORTED);
    assert_status(duplicate_ex(48, 47, 0), STATUS_BUFFER_TOO_SMALL);
    assert_status(duplicate_ex(47, 48, 0), STATUS_NOT_SUPPORTED);
    assert_status(duplicate_ex(56, 48, 0), STATUS_NOT_SUPPORTED);
    assert_status(duplicate_ex(48, 48, DUPLICATE_EXTENTS_DATA_EX_SOURCE_ATOMIC), STATUS_NOT_SUPPORTED);
    assert_ok(duplicate_ex(48, 48, DUPLICATE_EXTENTS_DATA_EX_ASYNC | 0x80));
    assert_int_equal(byte_at(&target, 1), 's');
    assert_int_equal(byte_at(&target, C), 't');
    assert_ok(volume_close(&dir));
}

static void numbers_beyond_all_numbers(void **state)
{
    (void)state;
    i64 last = INT64_MAX - C + 1; // whole clusters
    static const i64 hostile[] = {-C, INT64_MIN, INT64_MAX - C + 1};
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        assert_status(duplicate(&source, hostile[i], &target, 0, last), STATUS_INVALID_PARAMETER);
        assert_status(duplicate(&source, 0, &target, hostile[i], last), STATUS_INVALID_PARAMETER);
    }
    assert_status(duplicate(&source, 0, &target, 0, -C), STATUS_INVALID_PARAMETER);
    assert_status(duplicate(&source, C, &target, 0, INT64_MIN), STATUS_INVALID_PARAMETER);
    assert_status(duplicate(&source, 0, &target, 0, last), STATUS_NOT_SUPPORTED);
}

static void sources_that_are_none(void **state)
{
    (void)state;
    struct file_object none = {0}, dir, disk, reader, writer, deaf;
    struct volume other;
    assert_ok(volume_open(&v, &dir, "d", READ, FILE_CREATE, FILE_DIRECTORY_FILE));
    assert_ok(volume_open(&v, &disk, NULL, READ, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &reader, "source", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &deaf, "source", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &writer, "source", FILE_WRITE_DATA | FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    volume_new(&other, NULL);
    struct file_object elsewhere;
    assert_ok(volume_open(&other, &elsewhere, "x", FILE_ALL_ACCESS, FILE_CREATE, 0));
    fill(&elsewhere, 'e', 1);
    struct file_object *wrong[] = {NULL, &none, &dir, &disk, &reader, &deaf, &writer, &elsewhere};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_status(duplicate(wrong[i], 0, &target, 0, C), STATUS_INVALID_PARAMETER);
    // The target must be writable by this handle.
    assert_status(duplicate(&source, 0, &reader, 0, C), STATUS_ACCESS_DENIED);
    assert_int_equal(byte_at(&target, 0), 't');
    struct file_object *opened[] = {&dir, &disk, &reader, &deaf, &writer, &elsewhere};
    for (size_t i = 0; i < ARRAY_LEN(opened); i++)
        assert_ok(volume_close(opened[i]));
    volume_free(&other);
}

static void lock(struct file_object *f, u64 offset, bool on)
{
    struct irp irp = {.major = IRP_MJ_LOCK_CONTROL, .minor = on ? IRP_MN_LOCK : IRP_MN_UNLOCK};
    irp.p.lock.offset = offset;
    irp.p.lock.length = 1;
    irp.p.lock.exclusive = true;
    irp.p.lock.fail_immediately = true;
    assert_ok(volume_send(f, &irp));
}

static void locks_of_others_are_in_the_way(void **state)
{
    (void)state;
    struct file_object t, s;
    assert_ok(volume_open(&v, &t, "target", FILE_ALL_ACCESS, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &s, "source", FILE_ALL_ACCESS, FILE_OPEN, 0));
    lock(&t, C, true);
    assert_status(duplicate(&source, 0, &target, 0, 2 * C), STATUS_FILE_LOCK_CONFLICT);
    assert_ok(duplicate(&source, 0, &t, 0, 2 * C));
    assert_ok(duplicate(&source, 0, &target, 2 * C, 2 * C));
    lock(&t, C, false);
    lock(&s, C, true);
    assert_status(duplicate(&source, 0, &target, 0, 2 * C), STATUS_FILE_LOCK_CONFLICT);
    assert_ok(duplicate(&s, 0, &target, 0, 2 * C));
    assert_ok(volume_close(&t));
    assert_ok(volume_close(&s));
}

// The file that the source's handle stands for was changed elsewhere while the medium was away.
static void a_source_that_became_invalid(void **state)
{
    (void)state;
    struct volume image;
    struct file_object t, s;
    struct blk *blk;
    char path[32], away[40], spec[64];
    volume_new_image(path, "one");
    snprintf(spec, sizeof spec, "file:%s", path);
    snprintf(away, sizeof away, "%s-away", path);
    assert_ok(blk_open(spec, BLK_REMOVABLE, &blk));
    volume_attach(&image, blk, true);
    assert_ok(volume_open(&image, &t, "t", FILE_ALL_ACCESS, FILE_CREATE, 0));
    assert_ok(volume_open(&image, &s, "s", FILE_ALL_ACCESS, FILE_CREATE, 0));
    fill(&t, 't', 1);
    fill(&s, 's', 1);
    assert_ok(volume_flush(&t));
    assert_ok(volume_flush(&s));
    assert_int_equal(rename(path, away), 0);
    assert_int_not_equal(volume_write(&t, 0, "x", 1), STATUS_SUCCESS);
    {
        struct volume second;
        struct file_object f;
        char other[64];
        snprintf(other, sizeof other, "file:%s", away);
        assert_ok(blk_open(other, 0, &blk));
        volume_attach(&second, blk, false);
        assert_ok(volume_open(&second, &f, "s", FILE_ALL_ACCESS, FILE_OPEN, 0));
        fill(&f, 'z', 2);
        assert_ok(volume_close(&f));
        volume_free(&second);
    }
    assert_int_equal(rename(away, path), 0);
    u8 byte = 0;
    nt_status status = STATUS_SUCCESS;
    for (int turn = 0; turn < 3; turn++)
        status = volume_read(&t, 0, &byte, 1, NULL);
    assert_ok(status);
    assert_status(duplicate(&s, 0, &t, 0, C), STATUS_FILE_INVALID);
    assert_int_equal(byte_at(&t, 0), 't');
    assert_ok(volume_close(&t));
    assert_ok(volume_close(&s));
    volume_free(&image);
    unlink(path);
}

// What does not fit any more leaves a part cloned, and everything else as it was.
static void a_full_volume(void **state)
{
    (void)state;
    struct file_object filler, f;
    static u8 data[1 << 20];
    nt_status status = STATUS_SUCCESS;
    char name[16];
    assert_ok(volume_open(&v, &filler, "filler", FILE_ALL_ACCESS, FILE_CREATE, 0));
    for (u64 at = 0; status == STATUS_SUCCESS; at += sizeof data)
        status = volume_write(&filler, at, data, sizeof data);
    assert_status(status, STATUS_DISK_FULL);
    for (int i = 0; status == STATUS_DISK_FULL || status == STATUS_SUCCESS; i++) {
        snprintf(name, sizeof name, "n%d", i);
        status = volume_open(&v, &f, name, FILE_WRITE_DATA, FILE_CREATE, 0);
        if (status != STATUS_SUCCESS)
            break;
        assert_ok(volume_close(&f));
    }
    assert_status(status, STATUS_DISK_FULL);
    assert_status(duplicate(&source, 0, &target, 0, 4 * C), STATUS_DISK_FULL);
    assert_int_equal(byte_at(&source, 0), 's');
    assert_int_equal(byte_at(&target, 4 * C - 1), 't');
    assert_ok(volume_delete(&filler));
    assert_ok(volume_close(&filler));
    assert_ok(duplicate(&source, 0, &target, 0, 4 * C));
    assert_int_equal(byte_at(&target, 4 * C - 1), 's');
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(clusters_are_shared),
        CASE(checks_come_in_the_order_of_the_document),
        CASE(numbers_beyond_all_numbers),
        CASE(sources_that_are_none),
        CASE(locks_of_others_are_in_the_way),
        CASE(a_source_that_became_invalid),
        CASE(a_full_volume),
    };
    return cmocka_run_group_tests_name("clone", tests, NULL, NULL);
}
