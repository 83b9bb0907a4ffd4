// SPDX-License-Identifier: Apache-2.0
// The grammar of reparse buffers, vector by vector (spec/reparse.md 2.7, 3.1), and what SET keeps in one
// piece. The numbered cases stand in tests/spec/reparse_test.c.
#include "tests/test.h"

#include "tests/fs/volume.h"

#define TAG 0x80000025u

static u32 unhex(const char *hex, u8 *out)
{
    u32 n = 0;
    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        unsigned byte;
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        out[n++] = (u8)byte;
        hex++;
    }
    return n;
}

static void every_vector_has_its_status(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hex;
        nt_status status;
    } vectors[] = {
        {"V1", "0c0000a0 18000000 06000600 00000600 01000000 62006100 72006200 61007200", STATUS_SUCCESS},
        {"V2",
         "0c0000a0 24000000 00001000 10000800 00000000 5c003f00 3f005c00 43003a00 5c007400 43003a00 5c007400",
         STATUS_SUCCESS},
        {"V3",
         "030000a0 24000000 00001000 12000800 5c003f00 3f005c00 43003a00 5c007400 00004300 3a005c00 74000000",
         STATUS_SUCCESS},
        {"V4",
         "030000a0 22000000 00000c00 0e000a00 66006f00 6f006200 61007200 00006200 6f006700 75007300 0000",
         STATUS_SUCCESS},
        {"V5", "34120000 06000000 1ec65f89 917b7746 ba3e7934 edf2b743 666f6f62 6172", STATUS_SUCCESS},
        {"V6", "1d0000a0 0a000000 02000000 74617267 6574", STATUS_SUCCESS},
        {"V7", "24000080 00000000", STATUS_SUCCESS},
        {"V8", "14000080 08000000 4649464f 00000000", STATUS_SUCCESS},
        {"V9", "efbe0000 05000000 cccccccc cccccccc cccccccc cccccccc 626f6775 73", STATUS_SUCCESS},
        {"X1", "00000000 01000000 cccccccc cccccccc cccccccc cccccccc 78", STATUS_IO_REPARSE_TAG_INVALID},
        {"X2", "01000000 01000000 cccccccc cccccccc cccccccc cccccccc 78", STATUS_IO_REPARSE_TAG_INVALID},
        {"X3", "02000000 01000000 cccccccc cccccccc cccccccc cccccccc 78", STATUS_IO_REPARSE_TAG_INVALID},
        {"X4", "00000000 00000000", STATUS_IO_REPARSE_DATA_INVALID},
        {"X5", "34120000 00000000", STATUS_IO_REPARSE_DATA_INVALID},
        {"X6", "34120000 00000000 00000000 00000000 00000000 00000000", STATUS_IO_REPARSE_DATA_INVALID},
        {"X7a", "0c0000a0 00000000 cccccccc cccccccc cccccccc cccccccc", STATUS_IO_REPARSE_DATA_INVALID},
        {"X7b", "030000a0 00000000 cccccccc cccccccc cccccccc cccccccc", STATUS_IO_REPARSE_DATA_INVALID},
        {"X8", "25000180 00000000", STATUS_IO_REPARSE_TAG_INVALID},
        {"X9", "0c0000a0 12000000 00000000 00000600 01000000 62006100 7200", STATUS_IO_REPARSE_DATA_INVALID},
        {"X10", "030000a0 00000000", STATUS_IO_REPARSE_DATA_INVALID},
        {"empty print name", "0c0000a0 12000000 00000600 06000000 01000000 62006100 7200",
         STATUS_IO_REPARSE_DATA_INVALID},
        {"Microsoft tag with a GUID", "25000080 00000000 cccccccc cccccccc cccccccc cccccccc",
         STATUS_SUCCESS},
    };
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        u8 buffer[64];
        u32 length = unhex(vectors[i].hex, buffer);
        nt_status status = reparse_validate(buffer, length);
        if (status != vectors[i].status)
            print_error("%s\n", vectors[i].name);
        assert_status(status, vectors[i].status);
        // The length is exact: a byte less or more is never valid (unless it is the other header's form).
        assert_int_not_equal(reparse_validate(buffer, length - 1), STATUS_SUCCESS);
    }
}

static void sizes_have_limits(void **state)
{
    (void)state;
    static u8 buffer[16400];
    put_le32(buffer, TAG);
    for (u32 length = 0; length <= sizeof buffer; length++) {
        put_le16(buffer + 4, (u16)(length - 8));
        bool valid = length >= 8 && length <= 16384;
        assert_int_equal(reparse_validate(buffer, length) == STATUS_SUCCESS, valid);
    }
}

static nt_status set(struct file_object *f, u32 tag, const char *data)
{
    u8 buffer[64] = {0};
    put_le32(buffer, tag);
    put_le16(buffer + 4, (u16)strlen(data));
    memcpy(buffer + 8, data, strlen(data));
    return volume_fsctl(f, FSCTL_SET_REPARSE_POINT, buffer, 8 + strlen(data), NULL, 0, NULL);
}

static void set_is_durable_and_shown_to_all_handles(void **state)
{
    (void)state;
    struct volume v;
    struct file_object f, other;
    FILE_ATTRIBUTE_TAG_INFORMATION tag;
    u8 out[64];
    u64 done;
    volume_new(&v, NULL);
    volume_put(&v, "f", "");
    assert_ok(volume_open(&v, &f, "f", FILE_WRITE_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_open(&v, &other, "f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(set(&f, TAG, "data"));
    assert_false(store_dirty(((struct ccb *)f.context)->vcb->store)); // RP-070
    assert_ok(volume_query(&other, FileAttributeTagInformation, &tag, sizeof tag, NULL));
    assert_int_equal(tag.ReparseTag, TAG);
    assert_true(tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT);
    assert_ok(volume_fsctl(&other, FSCTL_GET_REPARSE_POINT, NULL, 0, out, sizeof out, &done));
    assert_int_equal(done, 12);
    assert_memory_equal(out + 8, "data", 4);
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&other));
    volume_free(&v);
}

static void the_root_is_never_a_link(void **state)
{
    (void)state;
    struct volume v;
    struct file_object f;
    volume_new(&v, NULL);
    assert_ok(volume_open(&v, &f, "", FILE_WRITE_ATTRIBUTES, FILE_OPEN, 0));
    assert_status(set(&f, TAG, ""), STATUS_DIRECTORY_NOT_EMPTY);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

static void without_reparse_points_there_is_nothing_to_ask(void **state)
{
    (void)state;
    struct volume v;
    struct file_object f;
    u8 data[64] = {0};
    static const u32 codes[] = {FSCTL_SET_REPARSE_POINT, FSCTL_SET_REPARSE_POINT_EX, FSCTL_GET_REPARSE_POINT,
                                FSCTL_DELETE_REPARSE_POINT};
    volume_new(&v, &(struct store_format_options){.cluster = 4096, .options = OPTION_NO_REPARSE});
    volume_put(&v, "f", "");
    assert_ok(volume_open(&v, &f, "f", FILE_WRITE_ATTRIBUTES, FILE_OPEN, 0));
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        for (size_t n = 0; n <= sizeof data; n += 8)
            assert_status(volume_fsctl(&f, codes[i], data, n, data, n, NULL), STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_has_its_status),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(set_is_durable_and_shown_to_all_handles),
        cmocka_unit_test(the_root_is_never_a_link),
        cmocka_unit_test(without_reparse_points_there_is_nothing_to_ask),
    };
    return cmocka_run_group_tests_name("reparse", tests, NULL, NULL);
}
