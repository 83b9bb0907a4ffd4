// SPDX-License-Identifier: Apache-2.0
// Integrity at the file-system floor: what the volume options change, named streams, attributes that follow.
// The numbered cases stand in tests/spec/integrity_test.c; here is what needs a volume of unusual options.
#include "tests/test.h"

#include "tests/fs/volume.h"

enum { OFF = FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF, ACCESS = FILE_READ_DATA | FILE_WRITE_DATA };

static struct volume v;

static void new_volume(u64 options, u32 cluster)
{
    volume_new(&v, &(struct store_format_options){.cluster = cluster, .options = options});
}

static void open_file(struct file_object *f, const char *path, u32 access)
{
    assert_ok(volume_open(&v, f, path, access, FILE_OPEN_IF, 0));
}

static nt_status set(struct file_object *f, u16 algorithm, u32 flags)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER in = {algorithm, 0, flags};
    return volume_fsctl(f, FSCTL_SET_INTEGRITY_INFORMATION, &in, sizeof in, NULL, 0, NULL);
}

static nt_status set_ex(struct file_object *f, u8 enable, u8 keep, u32 flags)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX in = {enable, keep, 0, flags, 1, {0}};
    return volume_fsctl(f, FSCTL_SET_INTEGRITY_INFORMATION_EX, &in, sizeof in, NULL, 0, NULL);
}

static void expect(struct file_object *f, u16 algorithm, u32 flags)
{
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER out;
    assert_ok(volume_fsctl(f, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &out, sizeof out, NULL));
    assert_int_equal(out.ChecksumAlgorithm, algorithm);
    assert_int_equal(out.Flags, flags);
    assert_int_equal(out.ChecksumChunkSizeInBytes, 16384);
}

static void the_algorithm_follows_the_cluster_size(void **state)
{
    (void)state;
    static const struct {
        u32 cluster;
        u16 algorithm;
    } sizes[] = {{4096, CHECKSUM_TYPE_CRC32}, {65536, CHECKSUM_TYPE_CRC64}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct file_object f;
        new_volume(0, sizes[i].cluster);
        open_file(&f, "f", ACCESS);
        assert_ok(set(&f, CHECKSUM_TYPE_CRC64, 0));
        expect(&f, sizes[i].algorithm, 0);
        assert_ok(set(&f, CHECKSUM_TYPE_CRC32, 0));
        expect(&f, sizes[i].algorithm, 0);
        assert_ok(set(&f, 3, OFF));
        expect(&f, sizes[i].algorithm, OFF);
        assert_ok(volume_close(&f));
        volume_free(&v);
    }
}

static void echo_returns_what_was_set(void **state)
{
    (void)state;
    struct file_object f;
    new_volume(OPTION_INTEGRITY_ECHO, 4096);
    open_file(&f, "f", ACCESS);
    assert_ok(set(&f, CHECKSUM_TYPE_CRC64, 0));
    expect(&f, CHECKSUM_TYPE_CRC64, 0);
    assert_ok(volume_write(&f, 0, "data", 4));
    char data[4];
    assert_ok(volume_read(&f, 0, data, 4, NULL));
    assert_memory_equal(data, "data", 4);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

static void v1_knows_fewer_algorithms(void **state)
{
    (void)state;
    struct file_object f;
    new_volume(OPTION_INTEGRITY_V1, 65536);
    open_file(&f, "f", ACCESS);
    assert_status(set(&f, CHECKSUM_TYPE_CRC32, 0), STATUS_INVALID_PARAMETER); // integrity_024
    assert_status(set(&f, 3, OFF), STATUS_INVALID_PARAMETER);                 // integrity_021
    assert_status(set(&f, 0xfffe, 0), STATUS_INVALID_PARAMETER);              // integrity_023
    expect(&f, CHECKSUM_TYPE_NONE, 0);
    assert_ok(set(&f, CHECKSUM_TYPE_CRC64, 0));
    expect(&f, CHECKSUM_TYPE_CRC64, 0);
    assert_ok(set(&f, CHECKSUM_TYPE_UNCHANGED, OFF));
    assert_ok(set(&f, CHECKSUM_TYPE_NONE, 0));
    expect(&f, CHECKSUM_TYPE_NONE, 0);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

static void only_empty_files_change(void **state)
{
    (void)state;
    struct file_object f;
    new_volume(0, 4096);
    open_file(&f, "f", ACCESS);
    assert_ok(volume_write(&f, 0, "data", 4));
    assert_status(set(&f, CHECKSUM_TYPE_CRC32, 0), STATUS_INVALID_PARAMETER);
    assert_status(set_ex(&f, 1, 0, 0), STATUS_INVALID_PARAMETER);
    assert_ok(set(&f, CHECKSUM_TYPE_NONE, 0)); // what it is already
    expect(&f, CHECKSUM_TYPE_NONE, 0);
    assert_ok(volume_close(&f));
    open_file(&f, "g", ACCESS);
    assert_ok(set(&f, CHECKSUM_TYPE_CRC32, 0));
    assert_ok(volume_write(&f, 0, "data", 4));
    assert_ok(set(&f, CHECKSUM_TYPE_CRC32, OFF)); // only the flag changes
    assert_ok(set(&f, CHECKSUM_TYPE_UNCHANGED, 0));
    assert_status(set(&f, CHECKSUM_TYPE_NONE, 0), STATUS_INVALID_PARAMETER);
    expect(&f, CHECKSUM_TYPE_CRC32, 0);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

static void any_lets_files_with_data_change(void **state)
{
    (void)state;
    struct file_object f;
    char data[4];
    new_volume(OPTION_INTEGRITY_ANY, 4096);
    open_file(&f, "f", ACCESS);
    assert_ok(volume_write(&f, 0, "data", 4));
    assert_ok(set(&f, CHECKSUM_TYPE_CRC32, 0));
    expect(&f, CHECKSUM_TYPE_CRC32, 0);
    assert_ok(volume_read(&f, 0, data, 4, NULL));
    assert_memory_equal(data, "data", 4);
    assert_ok(set_ex(&f, 0, 0, 0));
    expect(&f, CHECKSUM_TYPE_NONE, 0);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

// Choice 6.11: the default stream speaks for all, a named one for itself.
static void integrity_055_named_streams(void **state)
{
    (void)state;
    struct file_object f, a, b;
    new_volume(0, 4096);
    open_file(&f, "f", ACCESS);
    open_file(&a, "f:a", ACCESS);
    open_file(&b, "f:b", ACCESS);
    assert_ok(set(&a, CHECKSUM_TYPE_CRC32, OFF));
    expect(&f, CHECKSUM_TYPE_NONE, 0);
    expect(&b, CHECKSUM_TYPE_NONE, 0);
    assert_ok(set(&f, CHECKSUM_TYPE_CRC32, 0));
    expect(&a, CHECKSUM_TYPE_CRC32, 0);
    expect(&b, CHECKSUM_TYPE_CRC32, 0);
    assert_ok(volume_close(&a));
    open_file(&a, "f:new", ACCESS);
    expect(&a, CHECKSUM_TYPE_CRC32, 0);
    // One stream with data stops the change of all: nothing has moved.
    assert_ok(volume_write(&b, 0, "x", 1));
    assert_status(set(&f, CHECKSUM_TYPE_NONE, 0), STATUS_INVALID_PARAMETER);
    expect(&f, CHECKSUM_TYPE_CRC32, 0);
    expect(&a, CHECKSUM_TYPE_CRC32, 0);
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&a));
    assert_ok(volume_close(&b));
    volume_free(&v);
}

static void the_attribute_follows(void **state)
{
    (void)state;
    struct file_object f, child;
    FILE_BASIC_INFORMATION basic;
    new_volume(0, 4096);
    volume_mkdir(&v, "d");
    open_file(&f, "d", ACCESS | FILE_READ_ATTRIBUTES);
    assert_ok(set(&f, CHECKSUM_TYPE_CRC64, OFF));
    expect(&f, CHECKSUM_TYPE_CRC32, OFF);
    assert_ok(volume_query(&f, FileBasicInformation, &basic, sizeof basic, NULL));
    assert_int_equal(basic.FileAttributes, FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_INTEGRITY_STREAM);
    open_file(&child, "d\\child", ACCESS);
    expect(&child, CHECKSUM_TYPE_CRC32, 0); // enforcement off is not inherited (6.8)
    assert_ok(volume_close(&child));
    assert_ok(set(&f, CHECKSUM_TYPE_NONE, 0));
    assert_ok(volume_query(&f, FileBasicInformation, &basic, sizeof basic, NULL));
    assert_int_equal(basic.FileAttributes, FILE_ATTRIBUTE_DIRECTORY);
    open_file(&child, "d\\child2", ACCESS);
    expect(&child, CHECKSUM_TYPE_NONE, 0);
    assert_ok(volume_close(&child));
    assert_ok(volume_close(&f));
    volume_free(&v);
}

static void set_ex_asks_for_a_right_unless_told_not_to(void **state)
{
    (void)state;
    struct file_object f;
    for (int any = 0; any < 2; any++) {
        new_volume(any ? OPTION_SETEX_ANY : 0, 4096);
        volume_put(&v, "f", "");
        open_file(&f, "f", FILE_READ_ATTRIBUTES);
        assert_status(set_ex(&f, 1, 0, 0), any ? STATUS_SUCCESS : STATUS_ACCESS_DENIED);
        assert_ok(volume_close(&f));
        open_file(&f, "f", FILE_WRITE_ATTRIBUTES);
        assert_ok(set_ex(&f, 1, 0, 0));
        assert_ok(volume_close(&f));
        volume_free(&v);
    }
}

static void without_integrity_there_is_nothing_to_ask(void **state)
{
    (void)state;
    struct file_object f, volume;
    u8 data[16] = {0};
    new_volume(OPTION_NO_INTEGRITY, 4096);
    open_file(&f, "f", ACCESS);
    assert_ok(volume_open(&v, &volume, NULL, ACCESS, FILE_OPEN, 0));
    struct file_object *handles[] = {&f, &volume};
    for (size_t i = 0; i < ARRAY_LEN(handles); i++)
        for (size_t n = 0; n <= sizeof data; n += 4) {
            assert_status(volume_fsctl(handles[i], FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, data, n, NULL),
                          STATUS_INVALID_DEVICE_REQUEST);
            assert_status(volume_fsctl(handles[i], FSCTL_SET_INTEGRITY_INFORMATION, data, n, NULL, 0, NULL),
                          STATUS_INVALID_DEVICE_REQUEST);
            assert_status(
                volume_fsctl(handles[i], FSCTL_SET_INTEGRITY_INFORMATION_EX, data, n, NULL, 0, NULL),
                STATUS_INVALID_DEVICE_REQUEST);
        }
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&volume));
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_algorithm_follows_the_cluster_size),
        cmocka_unit_test(echo_returns_what_was_set),
        cmocka_unit_test(v1_knows_fewer_algorithms),
        cmocka_unit_test(only_empty_files_change),
        cmocka_unit_test(any_lets_files_with_data_change),
        cmocka_unit_test(integrity_055_named_streams),
        cmocka_unit_test(the_attribute_follows),
        cmocka_unit_test(set_ex_asks_for_a_right_unless_told_not_to),
        cmocka_unit_test(without_integrity_there_is_nothing_to_ask),
    };
    return cmocka_run_group_tests_name("integrity", tests, NULL, NULL);
}
