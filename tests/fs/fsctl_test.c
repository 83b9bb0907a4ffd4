// SPDX-License-Identifier: Apache-2.0
// The table of control codes: which handles, sizes and rights each row asks for, and the codes about space.
#include "tests/test.h"

#include "tests/fs/volume.h"

static struct volume v;
static struct file_object f, dir, volume;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    volume_put(&v, "f", "hello");
    volume_mkdir(&v, "d");
    assert_ok(volume_open(&v, &f, "f", FILE_ALL_ACCESS, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &dir, "d", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &volume, NULL, FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&dir));
    assert_ok(volume_close(&volume));
    volume_free(&v);
    return 0;
}

static void unknown_codes_are_refused(void **state)
{
    (void)state;
    u8 data[16] = {0};
    u32 code = CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 0xfff, METHOD_BUFFERED, FILE_ANY_ACCESS);
    struct file_object *handles[] = {&f, &dir, &volume};
    for (size_t i = 0; i < ARRAY_LEN(handles); i++)
        assert_status(volume_fsctl(handles[i], code, data, 16, data, 16, NULL),
                      STATUS_INVALID_DEVICE_REQUEST);
}

static void volume_codes_want_the_volume(void **state)
{
    (void)state;
    static const u32 codes[] = {FSCTL_LOCK_VOLUME, FSCTL_UNLOCK_VOLUME, FSCTL_DISMOUNT_VOLUME};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_status(volume_fsctl(&f, codes[i], NULL, 0, NULL, 0, NULL), STATUS_INVALID_PARAMETER);
        assert_status(volume_fsctl(&dir, codes[i], NULL, 0, NULL, 0, NULL), STATUS_INVALID_PARAMETER);
    }
    assert_ok(volume_fsctl(&f, FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, NULL));
    assert_ok(volume_fsctl(&volume, FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, NULL));
}

static void sparse_is_a_switch(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION basic;
    u8 off = 0;
    assert_ok(volume_fsctl(&f, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL));
    assert_ok(volume_query(&f, FileBasicInformation, &basic, sizeof basic, NULL));
    assert_true(basic.FileAttributes & FILE_ATTRIBUTE_SPARSE_FILE);
    assert_ok(volume_fsctl(&f, FSCTL_SET_SPARSE, &off, 1, NULL, 0, NULL));
    assert_ok(volume_query(&f, FileBasicInformation, &basic, sizeof basic, NULL));
    assert_false(basic.FileAttributes & FILE_ATTRIBUTE_SPARSE_FILE);
    assert_status(volume_fsctl(&dir, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL), STATUS_INVALID_PARAMETER);
    struct file_object reader;
    assert_ok(volume_open(&v, &reader, "f", FILE_READ_DATA, FILE_OPEN, 0));
    assert_status(volume_fsctl(&reader, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&reader));
}

static nt_status zero(i64 from, i64 beyond, size_t length)
{
    i64 range[2] = {from, beyond};
    return volume_fsctl(&f, FSCTL_SET_ZERO_DATA, range, length, NULL, 0, NULL);
}

static void zero_data_writes_zeros_inside_the_file(void **state)
{
    (void)state;
    char data[8];
    u64 done;
    assert_status(zero(0, 1, 15), STATUS_INVALID_PARAMETER);
    assert_status(zero(-1, 1, 16), STATUS_INVALID_PARAMETER);
    assert_status(zero(2, 1, 16), STATUS_INVALID_PARAMETER);
    assert_ok(zero(1, 3, 16));
    assert_ok(zero(4, INT64_MAX, 16));
    assert_ok(zero(100, 200, 16));
    assert_ok(volume_read(&f, 0, data, sizeof data, &done));
    assert_int_equal(done, 5);
    assert_memory_equal(data, "h\0\0l\0", 5);
}

static nt_status map(i64 vcn, void *out, size_t length, u64 *done)
{
    HF_STARTING_VCN from = {vcn};
    return volume_fsctl(&f, FSCTL_GET_RETRIEVAL_POINTERS, &from, sizeof from, out, length, done);
}

static void retrieval_pointers_lead_to_the_data(void **state)
{
    (void)state;
    HF_RETRIEVAL_POINTERS out;
    u64 done;
    char data[5];
    assert_ok(volume_flush(&f));
    assert_ok(map(0, &out, sizeof out, &done));
    assert_int_equal(done, 32);
    assert_int_equal(out.ExtentCount, 1);
    assert_int_equal(out.StartingVcn, 0);
    assert_int_equal(out.Extents[0].NextVcn, 1);
    assert_ok(volume_read(&volume, (u64)out.Extents[0].Lcn * 4096, data, 5, NULL));
    assert_memory_equal(data, "hello", 5);
    assert_status(map(1, &out, sizeof out, &done), STATUS_END_OF_FILE);
    assert_status(map(-1, &out, sizeof out, &done), STATUS_INVALID_PARAMETER);
    assert_status(map(0, &out, 31, &done), STATUS_BUFFER_TOO_SMALL);
    assert_status(volume_fsctl(&f, FSCTL_GET_RETRIEVAL_POINTERS, &out, 7, &out, sizeof out, &done),
                  STATUS_INVALID_PARAMETER);
}

static void retrieval_pointers_show_holes_and_more_to_come(void **state)
{
    (void)state;
    union {
        HF_RETRIEVAL_POINTERS out;
        u8 bytes[16 + 16 * 8];
    } u;
    u64 done;
    assert_ok(volume_fsctl(&f, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL));
    assert_ok(volume_write(&f, 4096 * 8, "far", 3));
    assert_status(map(0, &u.out, 32, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(done, 32);
    assert_int_equal(u.out.Extents[0].NextVcn, 1);
    assert_ok(map(1, &u, sizeof u, &done));
    assert_int_equal(u.out.ExtentCount, 2);
    assert_int_equal(u.out.Extents[0].Lcn, -1);
    assert_int_equal(u.out.Extents[0].NextVcn, 8);
    assert_int_equal(get_le64(u.bytes + 32), 9);
    assert_int_not_equal(get_le64(u.bytes + 40), UINT64_MAX);
}

// Every code with a row: no size of either buffer does harm, and no answer is made up.
static void every_size_gets_a_clear_status(void **state)
{
    (void)state;
    static const u32 codes[] = {
        FSCTL_GET_RETRIEVAL_POINTERS,
        FSCTL_SET_REPARSE_POINT,
        FSCTL_GET_REPARSE_POINT,
        FSCTL_DELETE_REPARSE_POINT,
        FSCTL_SET_SPARSE,
        FSCTL_SET_ZERO_DATA,
        FSCTL_GET_INTEGRITY_INFORMATION,
        FSCTL_SET_INTEGRITY_INFORMATION,
        FSCTL_SET_INTEGRITY_INFORMATION_EX,
        FSCTL_SET_REPARSE_POINT_EX,
        FSCTL_QUERY_ALLOCATED_RANGES,
        FSCTL_DUPLICATE_EXTENTS_TO_FILE,
        FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX,
        FSCTL_IS_VOLUME_MOUNTED,
        FSCTL_UNLOCK_VOLUME,
    };
    struct file_object *handles[] = {&f, &dir, &volume};
    for (size_t c = 0; c < ARRAY_LEN(codes); c++)
        for (size_t h = 0; h < ARRAY_LEN(handles); h++)
            for (size_t size = 0; size <= 80; size++) {
                u64 done;
                // Memory of exactly that size, so that the address sanitizer sees a step too far.
                SCOPE_FREE u8 *in = calloc(1, size ? size : 1), *out = calloc(1, size ? size : 1);
                nt_status status = volume_fsctl(handles[h], codes[c], size ? in : NULL, size,
                                                size ? out : NULL, size, &done);
                assert_int_not_equal(status_name(status)[7], '0');
                assert_true(done <= size);
            }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(unknown_codes_are_refused),
        CASE(volume_codes_want_the_volume),
        CASE(sparse_is_a_switch),
        CASE(zero_data_writes_zeros_inside_the_file),
        CASE(retrieval_pointers_lead_to_the_data),
        CASE(retrieval_pointers_show_holes_and_more_to_come),
        CASE(every_size_gets_a_clear_status),
    };
    return cmocka_run_group_tests_name("fsctl", tests, NULL, NULL);
}
