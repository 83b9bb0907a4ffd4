// SPDX-License-Identifier: Apache-2.0
// IRP_MJ_CREATE: the walk, dispositions, kinds, streams, links, inheritance.
#include "tests/fs/volume.h"

static struct volume v;

static int setup(void **state)
{
    (void)state;
    volume_new(&v, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    volume_free(&v);
    return 0;
}

static nt_status create(struct volume_create c, u64 *information)
{
    struct file_object f;
    nt_status status = volume_create(&v, &f, &c);
    if (information)
        *information = c.information;
    if (status == STATUS_SUCCESS)
        assert_ok(volume_close(&f));
    return status;
}

static u32 attributes_of(const char *path)
{
    struct file_object f;
    FILE_BASIC_INFORMATION basic;
    assert_ok(volume_open(&v, &f, path, FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT));
    assert_ok(volume_query(&f, FileBasicInformation, &basic, sizeof basic, NULL));
    assert_ok(volume_close(&f));
    return basic.FileAttributes;
}

static void set_reparse(const char *path, const void *buffer, size_t length)
{
    struct file_object f;
    assert_ok(volume_open(&v, &f, path, FILE_WRITE_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT));
    assert_ok(volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, buffer, length, NULL, 0, NULL));
    assert_ok(volume_close(&f));
}

// Vectors of spec/reparse.md 2.7.
static const u8 symlink_bar[] = {0x0c, 0, 0, 0xa0, 0x18, 0, 0,   0, 6,   0, 6,   0, 0,   0, 6,   0,
                                 1,    0, 0, 0,    'b',  0, 'a', 0, 'r', 0, 'b', 0, 'a', 0, 'r', 0};
static const u8 lx_fifo[] = {0x24, 0, 0, 0x80, 0, 0, 0, 0};
static const u8 tag_of_directories[] = {0xef, 0xbe, 0, 0x10, 1,  0,  0,  0,  1,  2,  3,  4,  5,
                                        6,    7,    8, 9,    10, 11, 12, 13, 14, 15, 16, 'x'};

static void make_mount_point(const char *path)
{
    static const char target[] = "\\??\\Y:\\t";
    u8 buffer[64] = {0x03, 0, 0, 0xa0};
    u32 bytes = (sizeof target - 1) * 2;
    put_le16(buffer + 4, (u16)(8 + bytes + 4));
    put_le16(buffer + 10, (u16)bytes);
    put_le16(buffer + 12, (u16)(bytes + 2));
    for (u32 i = 0; i < sizeof target - 1; i++)
        buffer[16 + 2 * i] = (u8)target[i];
    set_reparse(path, buffer, 8 + 8 + bytes + 4);
}

static void dispositions(void **state)
{
    (void)state;
    static const struct {
        u32 disposition;
        nt_status missing;
        u32 missing_did;
        nt_status there;
        u32 there_did;
    } rows[] = {
        {FILE_OPEN, STATUS_OBJECT_NAME_NOT_FOUND, 0, STATUS_SUCCESS, FILE_OPENED},
        {FILE_OPEN_IF, STATUS_SUCCESS, FILE_CREATED, STATUS_SUCCESS, FILE_OPENED},
        {FILE_CREATE, STATUS_SUCCESS, FILE_CREATED, STATUS_OBJECT_NAME_COLLISION, 0},
        {FILE_OVERWRITE, STATUS_OBJECT_NAME_NOT_FOUND, 0, STATUS_SUCCESS, FILE_OVERWRITTEN},
        {FILE_OVERWRITE_IF, STATUS_SUCCESS, FILE_CREATED, STATUS_SUCCESS, FILE_OVERWRITTEN},
        {FILE_SUPERSEDE, STATUS_SUCCESS, FILE_CREATED, STATUS_SUCCESS, FILE_SUPERSEDED},
    };
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        char path[] = "new0";
        u64 did;
        path[3] = (char)('0' + i);
        struct volume_create c = {
            .path = path, .access = FILE_WRITE_DATA, .disposition = rows[i].disposition};
        assert_status(create(c, &did), rows[i].missing);
        if (rows[i].missing == STATUS_SUCCESS)
            assert_int_equal(did, rows[i].missing_did);
        volume_put(&v, "there", "data");
        c.path = "THERE";
        assert_status(create(c, &did), rows[i].there);
        if (rows[i].there == STATUS_SUCCESS)
            assert_int_equal(did, rows[i].there_did);
        volume_expect(
            &v, "there",
            rows[i].there_did >= FILE_OVERWRITTEN || rows[i].disposition == FILE_SUPERSEDE ? "" : "data");
    }
}

static void missing_parts_of_a_path(void **state)
{
    (void)state;
    volume_mkdir(&v, "d");
    volume_put(&v, "d\\f", "x");
    assert_status(volume_probe(&v, "d\\none", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(volume_probe(&v, "none\\f", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_status(volume_probe(&v, "d\\f\\g", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_status(volume_probe(&v, "d\\\\f", 0), STATUS_OBJECT_NAME_INVALID);
    assert_status(volume_probe(&v, "d\\a*b", 0), STATUS_OBJECT_NAME_INVALID);
    assert_ok(volume_probe(&v, "D\\F", 0));
    assert_ok(
        create((struct volume_create){.path = "d//f", .separator = '/', .disposition = FILE_OPEN}, NULL));
    assert_ok(
        create((struct volume_create){.path = "a:b*", .separator = '/', .disposition = FILE_CREATE}, NULL));
    assert_status(
        create((struct volume_create){.path = "d/..", .separator = '/', .disposition = FILE_OPEN}, NULL),
        STATUS_OBJECT_NAME_INVALID);
}

static void kinds(void **state)
{
    (void)state;
    volume_mkdir(&v, "d");
    volume_put(&v, "f", "x");
    assert_status(volume_probe(&v, "f", FILE_DIRECTORY_FILE), STATUS_NOT_A_DIRECTORY);
    assert_status(volume_probe(&v, "d", FILE_NON_DIRECTORY_FILE), STATUS_FILE_IS_A_DIRECTORY);
    assert_status(volume_probe(&v, "f\\", 0), STATUS_OBJECT_NAME_INVALID);
    assert_ok(volume_probe(&v, "d\\", 0));
    assert_ok(volume_probe(&v, "d::$INDEX_ALLOCATION", 0));
    assert_status(volume_probe(&v, "f::$INDEX_ALLOCATION", 0), STATUS_NOT_A_DIRECTORY);
    assert_status(volume_probe(&v, "d::$DATA", 0), STATUS_FILE_IS_A_DIRECTORY);
    assert_ok(volume_probe(&v, "f::$DATA", 0));
    assert_ok(volume_probe(&v, "", FILE_DIRECTORY_FILE));
    assert_status(volume_probe(&v, "", FILE_NON_DIRECTORY_FILE), STATUS_FILE_IS_A_DIRECTORY);
    struct volume_create over = {.path = "d", .disposition = FILE_OVERWRITE_IF};
    assert_status(create(over, NULL), STATUS_OBJECT_NAME_COLLISION);
    over.options = FILE_DIRECTORY_FILE;
    assert_status(create(over, NULL), STATUS_INVALID_PARAMETER);
    struct volume_create slash = {.path = "new\\", .disposition = FILE_CREATE};
    assert_status(create(slash, NULL), STATUS_OBJECT_NAME_INVALID);
    slash.options = FILE_DIRECTORY_FILE;
    assert_ok(create(slash, NULL));
    assert_status(create(slash, NULL), STATUS_OBJECT_NAME_COLLISION);
}

static void readonly_hidden_system(void **state)
{
    (void)state;
    struct volume_create c = {.path = "ro",
                              .access = FILE_WRITE_DATA,
                              .disposition = FILE_CREATE,
                              .attributes = FILE_ATTRIBUTE_READONLY};
    assert_ok(create(c, NULL)); // the creator may still write
    c.disposition = FILE_OPEN;
    assert_status(create(c, NULL), STATUS_ACCESS_DENIED);
    c.access = FILE_READ_DATA;
    assert_ok(create(c, NULL));
    c.disposition = FILE_OVERWRITE;
    assert_status(create(c, NULL), STATUS_ACCESS_DENIED);
    c = (struct volume_create){
        .path = "ro", .access = DELETE, .disposition = FILE_OPEN, .options = FILE_DELETE_ON_CLOSE};
    assert_status(create(c, NULL), STATUS_CANNOT_DELETE);
    c.path = "";
    assert_status(create(c, NULL), STATUS_CANNOT_DELETE);

    c = (struct volume_create){.path = "h",
                               .access = FILE_WRITE_DATA,
                               .disposition = FILE_CREATE,
                               .attributes = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM};
    assert_ok(create(c, NULL));
    c.disposition = FILE_OVERWRITE_IF;
    c.attributes = FILE_ATTRIBUTE_HIDDEN;
    assert_status(create(c, NULL), STATUS_ACCESS_DENIED);
    c.attributes |= FILE_ATTRIBUTE_SYSTEM;
    assert_ok(create(c, NULL));
    assert_int_equal(attributes_of("h"),
                     FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_ARCHIVE);
}

static void named_streams(void **state)
{
    (void)state;
    volume_put(&v, "f", "main");
    volume_put(&v, "f:one", "first");
    volume_put(&v, "f:Two:$DATA", "second");
    volume_expect(&v, "f", "main");
    volume_expect(&v, "F:ONE", "first");
    volume_expect(&v, "f:two", "second");
    assert_status(volume_probe(&v, "f:three", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(volume_probe(&v, "f:", 0), STATUS_OBJECT_NAME_INVALID);
    assert_status(volume_probe(&v, "f:one", FILE_DIRECTORY_FILE), STATUS_NOT_A_DIRECTORY);
    struct volume_create c = {.path = "f:one", .disposition = FILE_CREATE};
    assert_status(create(c, NULL), STATUS_OBJECT_NAME_COLLISION);
    volume_mkdir(&v, "d");
    volume_put(&v, "d:s", "of a directory");
    volume_expect(&v, "d:s", "of a directory");
    volume_put(&v, ":s", "of the root");
    volume_expect(&v, ":s", "of the root");
    volume_put(&v, "new:s", "makes the file too");
    volume_expect(&v, "new", "");
    // Overwriting the file takes its streams along.
    volume_put(&v, "f", "again");
    assert_status(volume_probe(&v, "f:one", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    // Under POSIX rules ':' is a letter.
    assert_status(
        create((struct volume_create){.path = "d:s", .separator = '/', .disposition = FILE_OPEN}, NULL),
        STATUS_OBJECT_NAME_NOT_FOUND);
}

static void relative_and_by_id(void **state)
{
    (void)state;
    struct file_object d, f;
    FILE_INTERNAL_INFORMATION id;
    volume_mkdir(&v, "d");
    volume_put(&v, "d\\f", "data");
    assert_ok(volume_open(&v, &d, "d", FILE_LIST_DIRECTORY, FILE_OPEN, 0));
    assert_ok(create((struct volume_create){.path = "f", .related = &d, .disposition = FILE_OPEN}, NULL));
    assert_ok(create((struct volume_create){.path = "", .related = &d, .disposition = FILE_OPEN}, NULL));
    assert_status(create((struct volume_create){.path = "d", .related = &d, .disposition = FILE_OPEN}, NULL),
                  STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(volume_open(&v, &f, "d\\f", FILE_READ_DATA, FILE_OPEN, 0));
    assert_ok(create((struct volume_create){.path = "", .related = &f, .disposition = FILE_OPEN}, NULL));
    assert_status(create((struct volume_create){.path = "x", .related = &f, .disposition = FILE_OPEN}, NULL),
                  STATUS_OBJECT_PATH_NOT_FOUND);
    assert_ok(volume_query(&f, FileInternalInformation, &id, sizeof id, NULL));
    assert_ok(volume_close(&f));
    assert_ok(volume_close(&d));

    struct irp irp = {.major = IRP_MJ_CREATE};
    f = (struct file_object){.device = v.device, .access = FILE_READ_DATA, .share = 7};
    irp.p.create.path = (struct str){(const char *)&id.IndexNumber, 8};
    irp.p.create.separator = '\\';
    irp.p.create.opens_root = true;
    irp.p.create.access = FILE_READ_DATA;
    irp.p.create.share = 7;
    irp.p.create.disposition = FILE_OPEN;
    irp.p.create.options = FILE_OPEN_BY_FILE_ID;
    assert_ok(volume_send(&f, &irp));
    char data[8];
    assert_ok(volume_read(&f, 0, data, sizeof data, NULL));
    assert_memory_equal(data, "data", 4);
    dev_reference(v.device);
    assert_ok(volume_close(&f));
    u64 nobody = 1ull << 50;
    f = (struct file_object){.device = v.device, .access = FILE_READ_DATA, .share = 7};
    irp.p.create.path.p = (const char *)&nobody;
    assert_status(volume_send(&f, &irp), STATUS_INVALID_PARAMETER);
    irp.p.create.path.len = 7;
    assert_status(volume_send(&f, &irp), STATUS_INVALID_PARAMETER);
}

static void target_directory(void **state)
{
    (void)state;
    u64 exists;
    volume_mkdir(&v, "d");
    volume_put(&v, "d\\f", "");
    struct volume_create c = {
        .path = "d\\f", .access = FILE_ADD_FILE, .disposition = FILE_OPEN, .target_directory = true};
    assert_ok(create(c, &exists));
    assert_int_equal(exists, 1);
    c.path = "d\\none";
    assert_ok(create(c, &exists));
    assert_int_equal(exists, 0);
    c.path = "d";
    assert_ok(create(c, &exists));
    assert_int_equal(exists, 1);
    c.path = "none\\f";
    assert_status(create(c, NULL), STATUS_OBJECT_PATH_NOT_FOUND);
    c.path = "";
    assert_status(create(c, NULL), STATUS_OBJECT_NAME_INVALID);
}

static void sharing(void **state)
{
    (void)state;
    struct file_object f, g;
    volume_put(&v, "f", "x");
    struct volume_create alone = {
        .path = "f", .access = FILE_READ_DATA, .disposition = FILE_OPEN, .share = VOLUME_SHARE_NONE};
    assert_ok(volume_create(&v, &f, &alone));
    assert_status(volume_open(&v, &g, "f", FILE_READ_DATA, FILE_OPEN, 0), STATUS_SHARING_VIOLATION);
    assert_status(volume_open(&v, &g, "f", FILE_READ_ATTRIBUTES, FILE_OVERWRITE, 0),
                  STATUS_SHARING_VIOLATION);
    assert_ok(volume_probe(&v, "f", 0));
    assert_ok(volume_open(&v, &g, "f:s", FILE_WRITE_DATA, FILE_CREATE, 0)); // a stream has its own
    assert_ok(volume_close(&g));
    assert_ok(volume_close(&f));
    volume_expect(&v, "f", "x");
}

static nt_status reparse_of(const char *path, u32 options, struct irp_reparse *reparse)
{
    return create((struct volume_create){.path = path,
                                         .disposition = FILE_OPEN,
                                         .options = options,
                                         .access = FILE_READ_ATTRIBUTES,
                                         .reparse = reparse},
                  NULL);
}

static void links_are_handed_up(void **state)
{
    (void)state;
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    struct irp_reparse r = {.buffer = buffer};
    volume_mkdir(&v, "dir");
    volume_mkdir(&v, "dir\\mount");
    volume_put(&v, "dir\\link", "");
    set_reparse("dir\\link", symlink_bar, sizeof symlink_bar);
    make_mount_point("dir\\mount");

    assert_status(reparse_of("dir\\link", 0, &r), STATUS_REPARSE);
    assert_int_equal(r.length, sizeof symlink_bar);
    assert_memory_equal(buffer, symlink_bar, sizeof symlink_bar);
    assert_int_equal(r.consumed, 8);
    assert_int_equal(r.parent, 3);
    assert_false(r.directory);
    assert_ok(reparse_of("dir\\link", FILE_OPEN_REPARSE_POINT, &r));
    // In the middle the flag does not count, and a file that is a link is a link first (8.19).
    assert_status(reparse_of("dir\\link\\rest", FILE_OPEN_REPARSE_POINT, &r), STATUS_REPARSE);
    assert_int_equal(r.consumed, 8);
    assert_status(reparse_of("dir\\mount\\a\\b", 0, &r), STATUS_REPARSE);
    assert_int_equal(r.consumed, 9);
    assert_true(r.directory);
    assert_status(reparse_of("dir\\link:stream", 0, &r), STATUS_REPARSE);
    assert_int_equal(r.consumed, 8);
    // Making one at a link's name makes it at its target.
    assert_status(create((struct volume_create){.path = "dir\\link", .disposition = FILE_CREATE}, NULL),
                  STATUS_REPARSE);
}

static void RP_130_RP_131_tag_without_handler(void **state)
{
    (void)state;
    volume_put(&v, "f", "");
    set_reparse("f", lx_fifo, sizeof lx_fifo);
    assert_status(volume_probe(&v, "f", 0), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_ok(volume_probe(&v, "f", FILE_OPEN_REPARSE_POINT));
}

static void RP_132_child_below_tag_without_handler(void **state)
{
    (void)state;
    volume_mkdir(&v, "d");
    set_reparse("d", lx_fifo, sizeof lx_fifo);
    assert_status(volume_probe(&v, "d\\child", 0), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_status(volume_probe(&v, "d\\child", FILE_OPEN_REPARSE_POINT), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_status(create((struct volume_create){.path = "d\\child", .disposition = FILE_CREATE}, NULL),
                  STATUS_IO_REPARSE_TAG_NOT_HANDLED);
}

static void RP_043_directory_tag_is_passed_through(void **state)
{
    (void)state;
    volume_mkdir(&v, "d");
    volume_put(&v, "d\\child", "x");
    set_reparse("d", tag_of_directories, sizeof tag_of_directories);
    assert_ok(volume_probe(&v, "d", 0));
    volume_expect(&v, "d\\child", "x");
    volume_put(&v, "d\\other", "y");
}

static void RP_133_sharing_of_the_link_itself(void **state)
{
    (void)state;
    struct file_object f, g;
    volume_put(&v, "f", "");
    set_reparse("f", symlink_bar, sizeof symlink_bar);
    struct volume_create alone = {.path = "f",
                                  .access = FILE_READ_DATA,
                                  .disposition = FILE_OPEN,
                                  .options = FILE_OPEN_REPARSE_POINT,
                                  .share = VOLUME_SHARE_NONE};
    assert_ok(volume_create(&v, &f, &alone));
    assert_status(volume_open(&v, &g, "f", FILE_READ_DATA, FILE_OPEN, FILE_OPEN_REPARSE_POINT),
                  STATUS_SHARING_VIOLATION);
    assert_ok(volume_close(&f));
}

static void RP_134_overwriting_the_link_itself(void **state)
{
    (void)state;
    u64 did;
    volume_put(&v, "f", "");
    set_reparse("f", symlink_bar, sizeof symlink_bar);
    assert_int_equal(attributes_of("f") & FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_REPARSE_POINT);
    assert_ok(create((struct volume_create){.path = "f",
                                            .disposition = FILE_OVERWRITE,
                                            .options = FILE_OPEN_REPARSE_POINT},
                     &did));
    assert_int_equal(did, FILE_OVERWRITTEN);
    assert_int_equal(attributes_of("f"), FILE_ATTRIBUTE_ARCHIVE);
    assert_ok(volume_probe(&v, "f", 0));
}

static void RP_148_mount_point_is_a_directory(void **state)
{
    (void)state;
    volume_mkdir(&v, "d");
    make_mount_point("d");
    assert_status(volume_probe(&v, "d", FILE_NON_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT),
                  STATUS_FILE_IS_A_DIRECTORY);
    assert_ok(volume_probe(&v, "d", FILE_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT));
}

static void RP_151_handle_of_a_link_as_root(void **state)
{
    (void)state;
    struct file_object d;
    volume_mkdir(&v, "d");
    make_mount_point("d");
    assert_ok(volume_open(&v, &d, "d", FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT));
    struct volume_create c = {.path = "subdir", .related = &d, .disposition = FILE_OPEN};
    assert_status(create(c, NULL), STATUS_REPARSE_POINT_NOT_RESOLVED);
    c.path = "";
    assert_status(create(c, NULL), STATUS_IO_REPARSE_DATA_INVALID);
    c.options = FILE_OPEN_REPARSE_POINT;
    assert_ok(create(c, NULL));
    assert_ok(volume_close(&d));
}

static void RP_036_feature_off_is_never_followed(void **state)
{
    (void)state;
    struct store_format_options options = {.cluster = 4096, .options = OPTION_NO_REPARSE};
    struct file_object f;
    struct volume w;
    volume_new(&w, &options);
    assert_ok(volume_open(&w, &f, "f", FILE_WRITE_ATTRIBUTES, FILE_CREATE, 0));
    assert_status(volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, symlink_bar, sizeof symlink_bar, NULL, 0, NULL),
                  STATUS_INVALID_DEVICE_REQUEST);
    assert_ok(volume_close(&f));
    volume_free(&w);
}

#define BOTH (FILE_ATTRIBUTE_INTEGRITY_STREAM | FILE_ATTRIBUTE_NO_SCRUB_DATA)

static void integrity_085_087_088_asked_for_or_inherited(void **state)
{
    (void)state;
    assert_ok(create((struct volume_create){.path = "plain", .disposition = FILE_CREATE}, NULL));
    assert_int_equal(attributes_of("plain") & BOTH, 0);
    assert_ok(create((struct volume_create){.path = "d",
                                            .disposition = FILE_CREATE,
                                            .options = FILE_DIRECTORY_FILE,
                                            .attributes = FILE_ATTRIBUTE_INTEGRITY_STREAM},
                     NULL));
    volume_put(&v, "d\\f", "x");
    volume_mkdir(&v, "d\\e");
    volume_put(&v, "d\\e\\g", "x");
    assert_int_equal(attributes_of("d\\f") & BOTH, FILE_ATTRIBUTE_INTEGRITY_STREAM);
    assert_int_equal(attributes_of("d\\e\\g") & BOTH, FILE_ATTRIBUTE_INTEGRITY_STREAM);
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER info;
    struct file_object f;
    assert_ok(volume_open(&v, &f, "d\\f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_fsctl(&f, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &info, sizeof info, NULL));
    assert_int_equal(info.ChecksumAlgorithm, CHECKSUM_TYPE_CRC32);
    assert_ok(volume_close(&f));
}

static void integrity_086_volume_without_integrity(void **state)
{
    (void)state;
    struct store_format_options options = {.cluster = 4096, .options = OPTION_NO_INTEGRITY};
    struct volume w, kept = v;
    volume_new(&w, &options);
    v = w;
    assert_ok(
        create((struct volume_create){.path = "f", .disposition = FILE_CREATE, .attributes = BOTH}, NULL));
    assert_int_equal(attributes_of("f") & BOTH, 0);
    v = kept;
    volume_free(&w);
}

static void integrity_089_no_scrub_is_inherited(void **state)
{
    (void)state;
    assert_ok(create((struct volume_create){.path = "d",
                                            .disposition = FILE_CREATE,
                                            .options = FILE_DIRECTORY_FILE,
                                            .attributes = FILE_ATTRIBUTE_NO_SCRUB_DATA},
                     NULL));
    volume_put(&v, "d\\f", "");
    assert_int_equal(attributes_of("d\\f") & BOTH, FILE_ATTRIBUTE_NO_SCRUB_DATA);
}

static void integrity_090_enforcement_off_is_not_inherited(void **state)
{
    (void)state;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX off = {.EnableIntegrity = 1, .Flags = 1, .Version = 1};
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER info;
    struct file_object f;
    volume_mkdir(&v, "d");
    assert_ok(volume_open(&v, &f, "d", FILE_WRITE_DATA, FILE_OPEN, 0));
    assert_ok(volume_fsctl(&f, FSCTL_SET_INTEGRITY_INFORMATION_EX, &off, sizeof off, NULL, 0, NULL));
    assert_ok(volume_close(&f));
    volume_put(&v, "d\\f", "");
    assert_ok(volume_open(&v, &f, "d\\f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    assert_ok(volume_fsctl(&f, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &info, sizeof info, NULL));
    assert_int_not_equal(info.ChecksumAlgorithm, CHECKSUM_TYPE_NONE);
    assert_int_equal(info.Flags, 0);
    assert_ok(volume_close(&f));
}

static void integrity_102_formatted_with_integrity(void **state)
{
    (void)state;
    struct store_format_options options = {.cluster = 65536, .integrity = true};
    struct volume w, kept = v;
    volume_new(&w, &options);
    v = w;
    assert_ok(create((struct volume_create){.path = "f", .disposition = FILE_CREATE}, NULL));
    assert_int_equal(attributes_of("f") & BOTH, FILE_ATTRIBUTE_INTEGRITY_STREAM);
    v = kept;
    volume_free(&w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dispositions),
        TEST(missing_parts_of_a_path),
        TEST(kinds),
        TEST(readonly_hidden_system),
        TEST(named_streams),
        TEST(relative_and_by_id),
        TEST(target_directory),
        TEST(sharing),
        TEST(links_are_handed_up),
        TEST(RP_130_RP_131_tag_without_handler),
        TEST(RP_132_child_below_tag_without_handler),
        TEST(RP_043_directory_tag_is_passed_through),
        TEST(RP_133_sharing_of_the_link_itself),
        TEST(RP_134_overwriting_the_link_itself),
        TEST(RP_148_mount_point_is_a_directory),
        TEST(RP_151_handle_of_a_link_as_root),
        TEST(RP_036_feature_off_is_never_followed),
        TEST(integrity_085_087_088_asked_for_or_inherited),
        TEST(integrity_086_volume_without_integrity),
        TEST(integrity_089_no_scrub_is_inherited),
        TEST(integrity_090_enforcement_off_is_not_inherited),
        TEST(integrity_102_formatted_with_integrity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
