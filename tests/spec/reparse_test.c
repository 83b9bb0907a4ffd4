// SPDX-License-Identifier: Apache-2.0
// Conformance of the reparse-point codes with spec/reparse.md 7, parts A to G and L; opening through reparse
// points is in resolve_test.c. The number of a case is in the name of its test. Left out: 033's Win32 half,
// 180 - 189, 195 (tests/win32), 068 (USN), 126, 200 - 208 (SMB), 197 (no $Extend\$Reparse), 220, 221 (mount),
// 222 - 224 (tests/fs). 196 stands in tests/fs too.
#include "tests/spec/reparse.h"

#include <holdfast/posix.h>

static hf_handle f, d; // an empty file, an empty directory

static int setup_options(const char *options)
{
    spec_new(&(struct hf_format_options){.cluster = 4096, .options = options});
    f = link_file("X:\\f");
    d = link_dir("X:\\d");
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_options(NULL);
}
static int setup_off(void **state)
{
    (void)state;
    return setup_options("no-reparse");
}

static int teardown(void **state)
{
    (void)state;
    hf_set_privileges(HF_PRIVILEGE_CREATE_SYMBOLIC_LINK | HF_PRIVILEGE_MANAGE_VOLUME);
    assert_ok(hf_close(f));
    assert_ok(hf_close(d));
    spec_free();
    return 0;
}

// --- A: codes and buffers ------------------------------------------------------------------------

static void RP_001_002_codes_and_layouts(void **state)
{
    (void)state;
    assert_int_equal(FSCTL_SET_REPARSE_POINT, 0x000900a4);
    assert_int_equal(FSCTL_GET_REPARSE_POINT, 0x000900a8);
    assert_int_equal(FSCTL_DELETE_REPARSE_POINT, 0x000900ac);
    assert_int_equal(FSCTL_SET_REPARSE_POINT_EX, 0x0009040c);
    assert_int_equal(sizeof(REPARSE_DATA_BUFFER), 24);
    assert_int_equal(sizeof(REPARSE_GUID_DATA_BUFFER), 28);
    assert_int_equal(sizeof(REPARSE_DATA_BUFFER_EX), 64);
    assert_int_equal(REPARSE_DATA_BUFFER_HEADER_SIZE, 8);
    assert_int_equal(REPARSE_GUID_DATA_BUFFER_HEADER_SIZE, 24);
    assert_int_equal(REPARSE_DATA_BUFFER_EX_HEADER_SIZE, 40);
    assert_int_equal(REPARSE_GUID_DATA_BUFFER_EX_HEADER_SIZE, 56);
}

static void RP_003_empty_input(void **state)
{
    (void)state;
    assert_status(set_bytes(f, NULL, 0), STATUS_INVALID_BUFFER_SIZE);
    assert_status(set_bytes(f, "x", 0), STATUS_INVALID_BUFFER_SIZE);
}

static void RP_004_noise(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 14; n++)
        assert_status(set_bytes(f, "00000000000000", n), STATUS_IO_REPARSE_DATA_INVALID);
}

static void RP_005_006_exact_length(void **state)
{
    (void)state;
    struct buffer b = ms(TAG_A, "123456789012345678901234", 24);
    assert_status(set_bytes(f, b.bytes, b.length + 1), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set_bytes(f, b.bytes, b.length - 1), STATUS_IO_REPARSE_DATA_INVALID);
    assert_int_equal(tag_of(f), 0);
    assert_ok(set(f, b));
    expect(f, b);
}

static void RP_007_008_largest(void **state)
{
    (void)state;
    static uint8_t data[16384];
    memset(data, 0xa5, sizeof data);
    assert_status(set(f, ms(TAG_A, data, 16377)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_ok(set(f, ms(TAG_A, data, 16376)));
    expect(f, ms(TAG_A, data, 16376));
    assert_status(set(d, guid(TAG_GUID, 1, data, 16361)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_ok(set(d, guid(TAG_GUID, 1, data, 16360)));
    expect(d, guid(TAG_GUID, 1, data, 16360));
}

static void RP_009_to_013_tags_and_forms(void **state)
{
    (void)state;
    assert_status(set(f, ms(TAG_GUID, NULL, 0)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set(f, guid(TAG_GUID, 0, NULL, 0)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set(f, guid(SYMLINK, 1, "x", 1)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set(d, guid(MOUNT, 1, "x", 1)), STATUS_IO_REPARSE_DATA_INVALID);
    for (uint32_t tag = 0; tag <= 2; tag++) {
        assert_status(set(f, guid(tag, 1, "x", 1)), STATUS_IO_REPARSE_TAG_INVALID);
        assert_status(set(f, ms(tag, "x", 1)), STATUS_IO_REPARSE_DATA_INVALID);
    }
    assert_status(set(f, ms(0x80010025, NULL, 0)), STATUS_IO_REPARSE_TAG_INVALID);
    assert_int_equal(tag_of(f), 0);
}

static void RP_014_015_output_buffer(void **state)
{
    (void)state;
    uint8_t out[64];
    size_t done;
    struct buffer valid = guid(TAG_GUID, 1, "foobar", 6), wrong = guid(1, 1, "x", 1);
    assert_status(hf_ioctl(f, FSCTL_SET_REPARSE_POINT, valid.bytes, valid.length, out, sizeof out, &done),
                  STATUS_INVALID_PARAMETER);
    assert_status(hf_ioctl(f, FSCTL_SET_REPARSE_POINT, wrong.bytes, wrong.length, out, sizeof out, &done),
                  STATUS_INVALID_PARAMETER);
}

static void RP_016_to_020_mount_point_grammar(void **state)
{
    (void)state;
    struct buffer b = mount_point("foobar");
    put16(b.bytes + 8, 2); // substitute name not at 0
    assert_status(set(d, b), STATUS_IO_REPARSE_DATA_INVALID);
    b = mount_point("foobar");
    put16(b.bytes + 8, 12); // the two change places
    put16(b.bytes + 12, 0);
    assert_status(set(d, b), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set(d, link_buffer(MOUNT, "foobar", "print", 0, 0)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set(d, ms(MOUNT, NULL, 0)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_ok(set(d, link_buffer(MOUNT, "foobar", "", 2, 0)));
    expect(d, link_buffer(MOUNT, "foobar", "", 2, 0));
}

static void RP_021_022_024_symlink_grammar(void **state)
{
    (void)state;
    for (size_t field = 8; field <= 14; field += 2) { // the offset and length of each name
        struct buffer b = relative("foobar");
        b.bytes[field] |= 1; // odd
        assert_status(set(f, b), STATUS_IO_REPARSE_DATA_INVALID);
        b = relative("foobar");
        put16(b.bytes + field, b.length - 20 + 2); // reaches beyond the data, by one character or more
        assert_status(set(f, b), STATUS_IO_REPARSE_DATA_INVALID);
    }
    assert_status(set(f, relative("")), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set(f, link_buffer(SYMLINK, "a", "", 0, 0)), STATUS_IO_REPARSE_DATA_INVALID); // 8.9
}

static void RP_023_symlink_orders(void **state)
{
    (void)state;
    static const uint8_t v1[] = {0x0c, 0, 0, 0xa0, 0x18, 0, 0,   0, 6,   0, 6,   0, 0,   0, 6,   0,
                                 1,    0, 0, 0,    'b',  0, 'a', 0, 'r', 0, 'b', 0, 'a', 0, 'r', 0};
    assert_ok(set_bytes(f, v1, sizeof v1));
    assert_ok(set(f, link_buffer(SYMLINK, "\\??\\C:\\t", "C:\\t", 0, 0)));
    assert_ok(set(f, link_buffer(SYMLINK, "\\??\\C:\\t", "C:\\t", 2, 0)));
    struct buffer b = link_buffer(SYMLINK, "one", "two", 2, 1);
    put16(b.bytes + 8, 8); // the other order, with NULs
    put16(b.bytes + 12, 0);
    assert_ok(set(f, b));
    expect(f, b);
}

static void RP_025_to_028_what_is_opaque(void **state)
{
    (void)state;
    struct buffer b = relative("bar");
    b = ms(SYMLINK, b.bytes + 8, b.length - 8 + 10); // unused bytes at the end
    assert_ok(set(f, b));
    expect(f, b);
    hf_handle h = link_file("X:\\exec");
    assert_ok(set(h, ms(IO_REPARSE_TAG_APPEXECLINK, NULL, 0)));
    assert_ok(hf_close(h));
    h = link_file("X:\\lx");
    assert_ok(set(h, ms(IO_REPARSE_TAG_LX_SYMLINK, "\1\0\0\0", 4)));
    spec_write(h, 0, "target", 6);
    assert_ok(hf_close(h));
    b = ms(TAG_A, "x", 1);
    put16(b.bytes + 6, 0xffff); // Reserved
    assert_ok(set(d, b));
    expect(d, ms(TAG_A, "x", 1));
}

// --- B: access, state, volume --------------------------------------------------------------------

static void RP_030_031_032_rights(void **state)
{
    (void)state;
    static const uint32_t enough[] = {FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA};
    hf_handle h = spec_open("X:\\f", FILE_READ_ATTRIBUTES | FILE_READ_DATA, FILE_OPEN, 0);
    assert_status(set(h, ms(TAG_A, NULL, 0)), STATUS_ACCESS_DENIED);
    assert_status(set_bytes(h, "noise", 5), STATUS_IO_REPARSE_DATA_INVALID); // validation comes first (8.12)
    assert_ok(hf_close(h));
    for (size_t i = 0; i < COUNT(enough); i++) {
        h = spec_open("X:\\f", enough[i], FILE_OPEN, 0);
        assert_ok(set(h, ms(TAG_A, NULL, 0)));
        assert_ok(del(h, TAG_A));
        assert_ok(hf_close(h));
    }
}

static void RP_033_034_the_privilege_is_for_symlinks(void **state)
{
    (void)state;
    hf_set_privileges(0);
    assert_status(set(d, relative("x")), STATUS_PRIVILEGE_NOT_HELD);
    assert_status(set(f, relative("x")), STATUS_PRIVILEGE_NOT_HELD);
    assert_int_equal(hf_status_to_win32(STATUS_PRIVILEGE_NOT_HELD), 1314);
    assert_ok(set(d, mount_point("x")));
    assert_ok(del(d, MOUNT));
    assert_ok(set(d, ms(TAG_A, NULL, 0)));
    assert_ok(del(d, TAG_A));
    assert_ok(set(d, guid(TAG_GUID, 1, NULL, 0)));
    assert_ok(del_guid(d, TAG_GUID, 1));
    hf_set_privileges(HF_PRIVILEGE_CREATE_SYMBOLIC_LINK);
    assert_ok(set(d, relative("x")));
    hf_set_privileges(0);
    assert_ok(del(d, SYMLINK));
}

static void RP_035_read_only_volume(void **state)
{
    (void)state;
    assert_ok(set(f, ms(TAG_A, "x", 1)));
    assert_ok(hf_close(f));
    assert_ok(hf_close(d));
    spec_remount(",readonly");
    f = spec_open("X:\\f", READ_WRITE, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    d = spec_open("X:\\d", READ_WRITE, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    expect(f, ms(TAG_A, "x", 1));
    assert_status(set(f, ms(TAG_A, "y", 1)), STATUS_MEDIA_WRITE_PROTECTED);
    assert_status(set(d, ms(TAG_A, "y", 1)), STATUS_MEDIA_WRITE_PROTECTED);
    assert_status(del(f, TAG_A), STATUS_MEDIA_WRITE_PROTECTED);
}

static void RP_036_feature_off(void **state)
{
    (void)state;
    assert_status(set(f, ms(TAG_A, NULL, 0)), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(set_bytes(f, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(get_status(f), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(del(f, TAG_A), STATUS_INVALID_DEVICE_REQUEST);
}

static void RP_037_volume_handle(void **state)
{
    (void)state;
    uint8_t out[1];
    size_t done;
    hf_handle v = spec_open("\\\\.\\X:", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0);
    assert_status(set(v, ms(TAG_A, NULL, 0)), STATUS_INVALID_PARAMETER);
    assert_status(get_sized(v, out, sizeof out, &done), STATUS_NOT_A_REPARSE_POINT);
    assert_status(del(v, TAG_A), STATUS_INVALID_PARAMETER);
    assert_ok(hf_close(v));
}

static void RP_038_039_mount_points_are_directories(void **state)
{
    (void)state;
    static const char *const names[] = {"X:\\f:s", "X:\\d:s"};
    assert_status(set(f, mount_point("x")), STATUS_NOT_A_DIRECTORY);
    for (size_t i = 0; i < COUNT(names); i++) {
        hf_handle s = spec_file(names[i]);
        assert_status(set(s, mount_point("x")), STATUS_NOT_A_DIRECTORY);
        assert_ok(hf_close(s));
    }
}

static void RP_040_a_stream_handle_stands_for_the_file(void **state)
{
    (void)state;
    hf_handle s = spec_file("X:\\f:s");
    spec_write(s, 0, "data", 4); // of the stream, not of the file
    assert_ok(set(s, relative("x")));
    assert_int_equal(tag_of(f), SYMLINK);
    assert_ok(del(s, SYMLINK));
    assert_ok(set(s, guid(TAG_GUID, 1, "g", 1)));
    assert_status(spec_try("X:\\f", FILE_READ_DATA, 0), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_status(spec_try("X:\\f:s", FILE_READ_DATA, 0), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_ok(hf_close(s));
}

static void RP_041_042_043_directories_with_children(void **state)
{
    (void)state;
    spec_put("X:\\d\\child", "");
    assert_status(set(d, mount_point("x")), STATUS_DIRECTORY_NOT_EMPTY);
    assert_status(set(d, relative("x")), STATUS_DIRECTORY_NOT_EMPTY);
    assert_status(set(d, guid(TAG_BEEF, 1, NULL, 0)), STATUS_DIRECTORY_NOT_EMPTY);
    assert_status(set(d, ms(TAG_A, NULL, 0)), STATUS_DIRECTORY_NOT_EMPTY);
    assert_ok(set(d, guid(TAG_D, 1, "x", 1)));
    assert_ok(spec_try("X:\\d\\child", FILE_READ_DATA, 0));
    hf_handle h = spec_open("X:\\d", FILE_READ_DATA, FILE_OPEN, 0);
    expect(h, guid(TAG_D, 1, "x", 1));
    assert_ok(hf_close(h));
    assert_ok(del_guid(d, TAG_D, 1));
    assert_ok(set(d, ms(0x90000025, "x", 1)));
    assert_ok(spec_try("X:\\d\\child", FILE_READ_DATA, 0));
}

static void RP_044_045_046_files_with_data(void **state)
{
    (void)state;
    char back[8];
    size_t done;
    int64_t empty = 0;
    spec_write(f, 0, "data", 4);
    assert_status(set(f, relative("x")), STATUS_IO_REPARSE_DATA_INVALID);
    assert_ok(set(f, guid(TAG_BEEF, 1, "bogus", 5)));
    hf_handle h = spec_open("X:\\f", FILE_READ_DATA, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    assert_ok(hf_read(h, 0, back, sizeof back, &done));
    assert_int_equal(done, 4);
    assert_memory_equal(back, "data", 4);
    assert_ok(hf_close(h));
    assert_ok(del_guid(f, TAG_BEEF, 1));
    assert_ok(hf_set(f, FileEndOfFileInformation, &empty, sizeof empty));
    assert_ok(set(f, relative("x")));
}

// A volume has no switch for the old rule that forbids it.
static void RP_047_beside_extended_attributes(void **state)
{
    (void)state;
    char back[8];
    size_t done;
    struct hf_stat st;
    assert_ok(hf_stat(f, &st));
    assert_ok(hf_xattr_set(f, st.id, "user.a", "first", 5, 0));
    assert_ok(set(f, relative("x")));
    assert_ok(hf_xattr_set(f, st.id, "user.b", "second", 6, 0));
    assert_ok(hf_xattr_get(f, st.id, "user.a", back, sizeof back, &done));
    assert_int_equal(done, 5);
    assert_memory_equal(back, "first", 5);
    assert_ok(hf_stat(f, &st));
    assert_int_equal(st.reparse_tag, IO_REPARSE_TAG_SYMLINK);
}

static void RP_048_062_other_handles_see_it(void **state)
{
    (void)state;
    hf_handle other = spec_open("X:\\d", FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    assert_ok(set(d, mount_point("x")));
    assert_int_equal(tag_of(other), MOUNT);
    assert_int_equal(spec_attributes(other), 0x410);
    assert_ok(hf_close(other));
}

// --- C: an existing reparse point ----------------------------------------------------------------

static void RP_050_to_054_existing(void **state)
{
    (void)state;
    assert_ok(set(f, ms(TAG_A, "1", 1)));
    assert_status(set(f, ms(TAG_B, "2", 1)), STATUS_IO_REPARSE_TAG_MISMATCH);
    expect(f, ms(TAG_A, "1", 1));
    assert_ok(set(d, mount_point("one")));
    assert_ok(set(d, mount_point("other")));
    expect(d, mount_point("other"));
    assert_status(set(d, relative("x")), STATUS_IO_REPARSE_TAG_MISMATCH);
    hf_handle h = link_file("X:\\g");
    assert_ok(set(h, guid(TAG_GUID, 1, "one", 3)));
    assert_ok(set(h, guid(TAG_GUID, 1, "other", 5)));
    assert_status(set(h, guid(TAG_GUID, 2, "x", 1)), STATUS_REPARSE_ATTRIBUTE_CONFLICT);
    assert_status(set(h, guid(TAG_GUID + 1, 1, "x", 1)), STATUS_IO_REPARSE_TAG_MISMATCH);
    expect(h, guid(TAG_GUID, 1, "other", 5));
    assert_ok(hf_close(h));
    assert_int_equal(hf_status_to_win32(STATUS_REPARSE_ATTRIBUTE_CONFLICT), 4391);
    assert_int_equal(hf_status_to_win32(STATUS_IO_REPARSE_TAG_MISMATCH), 4394);
}

// --- D: effects ----------------------------------------------------------------------------------

static FILE_BASIC_INFORMATION basic_of(hf_handle h)
{
    FILE_BASIC_INFORMATION basic;
    size_t done;
    assert_ok(hf_query(h, FileBasicInformation, &basic, sizeof basic, &done));
    return basic;
}

static void RP_060_061_attributes_and_archive(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION normal = {.FileAttributes = FILE_ATTRIBUTE_NORMAL};
    assert_ok(hf_set(f, FileBasicInformation, &normal, sizeof normal));
    assert_ok(set(f, relative("x")));
    assert_int_equal(spec_attributes(f), FILE_ATTRIBUTE_REPARSE_POINT);
    assert_ok(hf_close(f));
    f = spec_open("X:\\f", READ_WRITE, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    assert_int_equal(spec_attributes(f), FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_ARCHIVE);
}

static void RP_063_only_the_change_time(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION old = {5, 6, 7, 8, 0, 0}, now;
    assert_ok(hf_set(f, FileBasicInformation, &old, sizeof old));
    assert_ok(hf_close(f));
    f = link_file("X:\\f");
    assert_ok(set(f, relative("x")));
    assert_ok(hf_close(f));
    f = link_file("X:\\f");
    now = basic_of(f);
    assert_int_equal(now.CreationTime, 5);
    assert_int_equal(now.LastAccessTime, 6);
    assert_int_equal(now.LastWriteTime, 7);
    assert_true(now.ChangeTime > 8);
}

static void RP_064_a_change_time_set_by_hand_stays(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION by_hand = {.ChangeTime = 8};
    assert_ok(hf_set(f, FileBasicInformation, &by_hand, sizeof by_hand));
    assert_ok(set(f, relative("x")));
    assert_int_equal(basic_of(f).ChangeTime, 8);
    assert_ok(hf_close(f));
    f = link_file("X:\\f");
    assert_int_equal(basic_of(f).ChangeTime, 8);
}

static void RP_065_the_access_time_survives(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION by_hand = {.LastAccessTime = 0x0200deadcafebeef};
    assert_ok(set(d, mount_point("x")));
    assert_ok(hf_set(d, FileBasicInformation, &by_hand, sizeof by_hand));
    assert_ok(del(d, MOUNT));
    assert_int_equal(basic_of(d).LastAccessTime, 0x0200deadcafebeef);
}

static void RP_066_sizes(void **state)
{
    (void)state;
    FILE_STANDARD_INFORMATION standard;
    size_t done;
    assert_ok(set(f, relative("x")));
    assert_ok(hf_query(f, FileStandardInformation, &standard, sizeof standard, &done));
    assert_int_equal(standard.EndOfFile, 0);
    assert_int_equal(standard.AllocationSize, 0);
    assert_int_equal(standard.NumberOfLinks, 1);
}

static void RP_067_data_survives(void **state)
{
    (void)state;
    char back[4];
    size_t done;
    assert_ok(set(f, relative("x")));
    spec_write(f, 0, "data", 4);
    assert_ok(del(f, SYMLINK));
    assert_ok(hf_read(f, 0, back, sizeof back, &done));
    assert_memory_equal(back, "data", 4);
}

static void RP_069_the_attribute_cannot_be_set(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_HIDDEN};
    assert_ok(hf_set(f, FileBasicInformation, &basic, sizeof basic));
    assert_int_equal(spec_attributes(f), FILE_ATTRIBUTE_HIDDEN);
    assert_int_equal(tag_of(f), 0);
}

// The image as it is right after SUCCESS, seen by a volume that knows nothing else.
static void RP_070_durable_at_success(void **state)
{
    (void)state;
    char copy[80], command[200], text[100];
    assert_ok(set(f, ms(TAG_A, "x", 1)));
    snprintf(copy, sizeof copy, "%s.copy", spec_path);
    snprintf(command, sizeof command, "cp --sparse=always %s %s", spec_path, copy);
    assert_int_equal(system(command), 0);
    snprintf(text, sizeof text, "file:%s", copy);
    assert_ok(hf_attach("Y:", text));
    hf_handle h = spec_open("Y:\\f", FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    expect(h, ms(TAG_A, "x", 1));
    assert_true(spec_attributes(h) & FILE_ATTRIBUTE_REPARSE_POINT);
    assert_ok(hf_close(h));
    assert_ok(hf_detach("Y:"));
    unlink(copy);
}

static void a_remount_keeps_the_bytes(void **state)
{
    (void)state;
    assert_ok(set(f, guid(TAG_BEEF, 0xcc, "bogus", 5)));
    assert_ok(set(d, mount_point("\\??\\X:\\f")));
    assert_ok(hf_close(f));
    assert_ok(hf_close(d));
    spec_remount("");
    f = spec_open("X:\\f", READ_WRITE, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    d = spec_open("X:\\d", READ_WRITE, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    expect(f, guid(TAG_BEEF, 0xcc, "bogus", 5));
    expect(d, mount_point("\\??\\X:\\f"));
}

// --- E: GET --------------------------------------------------------------------------------------

static void RP_080_081_nothing_there(void **state)
{
    (void)state;
    uint8_t out[1];
    size_t done;
    hf_handle root = spec_open("X:\\", FILE_READ_ATTRIBUTES, FILE_OPEN, 0), all[] = {f, d, root};
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_status(get_sized(all[i], NULL, 0, &done), STATUS_INVALID_USER_BUFFER);
        assert_status(get_sized(all[i], out, 0, &done), STATUS_INVALID_USER_BUFFER);
        assert_status(get_sized(all[i], out, 1, &done), STATUS_NOT_A_REPARSE_POINT);
    }
    assert_ok(hf_close(root));
    assert_int_equal(hf_status_to_win32(STATUS_NOT_A_REPARSE_POINT), 4390);
}

// Every output size: too small below 28 and the total, cut below the total, exact from there on.
static void every_size(hf_handle h, struct buffer b)
{
    assert_ok(set(h, b));
    for (size_t size = 1; size < b.length + 3; size++) {
        uint8_t out[100];
        size_t done;
        memset(out, 0xee, sizeof out);
        nt_status status = get_sized(h, out, size, &done);
        if (size >= b.length) {
            assert_ok(status);
            assert_int_equal(done, b.length);
        } else if (size >= 28) {
            assert_status(status, STATUS_BUFFER_OVERFLOW);
            assert_int_equal(done, size);
        } else {
            assert_status(status, STATUS_BUFFER_TOO_SMALL);
            assert_int_equal(done, 0);
        }
        assert_memory_equal(out, b.bytes, done);
        assert_int_equal(out[done], 0xee);
    }
}

static void RP_082_083_084_mount_point_of_42_bytes(void **state)
{
    (void)state;
    struct buffer v4 = link_buffer(MOUNT, "foobar", "bogus", 2, 0);
    assert_int_equal(v4.length, 42);
    every_size(d, v4);
}

static void RP_085_086_guid_tag_and_short_tag(void **state)
{
    (void)state;
    struct buffer v9 = guid(TAG_BEEF, 0xcc, "bogus", 5);
    assert_int_equal(v9.length, 29);
    every_size(f, v9);
    assert_ok(del_guid(f, TAG_BEEF, 0xcc));
    every_size(f, ms(IO_REPARSE_TAG_LX_FIFO, NULL, 0));
}

static void RP_087_088_089_get_details(void **state)
{
    (void)state;
    uint8_t out[100];
    size_t done;
    assert_ok(set(f, relative("x")));
    hf_handle h = spec_open("X:\\f", READ_CONTROL, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    expect(h, relative("x"));
    assert_ok(hf_close(h));
    assert_status(hf_ioctl(f, FSCTL_GET_REPARSE_POINT, "1234", 4, out, sizeof out, &done),
                  STATUS_INVALID_PARAMETER);
    assert_ok(get_sized(f, out, sizeof out, &done));
    uint32_t flags;
    memcpy(&flags, out + 16, sizeof flags);
    assert_int_equal(flags & ~0x30000000u, SYMLINK_FLAG_RELATIVE);
}

// --- F: DELETE -----------------------------------------------------------------------------------

static void RP_100_to_105_mount_point(void **state)
{
    (void)state;
    struct buffer full = mount_point("x"), b;
    assert_ok(set(d, full));
    assert_status(del_bytes(d, NULL, 0), STATUS_INVALID_BUFFER_SIZE);
    assert_status(del_bytes(d, full.bytes, 1), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(del_bytes(d, full.bytes, full.length), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(del_bytes(d, full.bytes, 24), STATUS_IO_REPARSE_DATA_INVALID);
    put16(full.bytes + 4, 0);
    assert_status(del_bytes(d, full.bytes, full.length), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(del_bytes(d, full.bytes, 28), STATUS_IO_REPARSE_DATA_INVALID);
    b = guid(0, 0, NULL, 0);
    assert_status(del_bytes(d, b.bytes, 24), STATUS_IO_REPARSE_TAG_INVALID);
    b = guid(3, 0, NULL, 0);
    assert_status(del_bytes(d, b.bytes, 24), STATUS_IO_REPARSE_TAG_MISMATCH);
    b = guid(MOUNT, 0x77, NULL, 0); // the GUID of a Microsoft tag is not looked at
    assert_ok(del_bytes(d, b.bytes, 24));
    assert_status(del_bytes(d, b.bytes, 24), STATUS_NOT_A_REPARSE_POINT);
    assert_status(get_status(d), STATUS_NOT_A_REPARSE_POINT);
    assert_int_equal(spec_attributes(d), FILE_ATTRIBUTE_DIRECTORY);
}

static void RP_106_107_microsoft_tag(void **state)
{
    (void)state;
    struct buffer b;
    assert_ok(set(f, ms(TAG_A, "x", 1)));
    assert_status(del(f, TAG_B), STATUS_IO_REPARSE_TAG_MISMATCH);
    b = ms(TAG_B, "x", 1);
    assert_status(del_bytes(f, b.bytes, b.length), STATUS_IO_REPARSE_DATA_INVALID);
    b = ms(TAG_A, "x", 1);
    assert_status(del_bytes(f, b.bytes, b.length), STATUS_IO_REPARSE_DATA_INVALID);
    expect(f, b);
    assert_ok(del(f, TAG_A));
}

static void RP_108_109_110_guid_tag(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION normal = {.FileAttributes = FILE_ATTRIBUTE_NORMAL};
    assert_ok(hf_set(f, FileBasicInformation, &normal, sizeof normal));
    assert_ok(set(f, guid(TAG_GUID, 1, "x", 1)));
    assert_status(del(f, TAG_GUID), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(del_guid(f, TAG_GUID, 2), STATUS_REPARSE_ATTRIBUTE_CONFLICT);
    assert_ok(del_guid(f, TAG_GUID, 1));
    assert_int_equal(spec_attributes(f), FILE_ATTRIBUTE_NORMAL);
    assert_status(get_status(f), STATUS_NOT_A_REPARSE_POINT);
}

static void RP_111_to_114_delete_details(void **state)
{
    (void)state;
    uint8_t out[8];
    size_t done;
    struct buffer v9 = guid(TAG_BEEF, 0xcc, "bogus", 5);
    assert_ok(set(f, v9));
    assert_status(hf_ioctl(f, FSCTL_DELETE_REPARSE_POINT, v9.bytes, 24, out, sizeof out, &done),
                  STATUS_INVALID_PARAMETER);
    put16(v9.bytes + 4, 0);
    hf_handle h =
        spec_open("X:\\f", FILE_READ_DATA | FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    assert_status(del_bytes(h, v9.bytes, 24), STATUS_ACCESS_DENIED);
    assert_ok(hf_close(h));
    assert_status(del_bytes(f, v9.bytes, 28), STATUS_IO_REPARSE_DATA_INVALID);
    assert_ok(del_bytes(f, v9.bytes, 24));
    assert_ok(set(d, ms(TAG_A, NULL, 0)));
    assert_ok(del(d, TAG_A));
    spec_put("X:\\d\\child", "");
}

// --- G: SET_EX (documentation only) --------------------------------------------------------------

static nt_status set_ex(hf_handle h, uint32_t flags, uint32_t existing, uint8_t id, struct buffer b)
{
    uint8_t in[32 + sizeof b.bytes] = {0};
    size_t done;
    put32(in, flags);
    put32(in + 4, existing);
    memset(in + 8, id, 16);
    memcpy(in + 32, b.bytes, b.length);
    return hf_ioctl(h, FSCTL_SET_REPARSE_POINT_EX, in, 32 + b.length, NULL, 0, &done);
}

static void RP_120_to_123_expected_tag(void **state)
{
    (void)state;
    assert_ok(set_ex(f, 0, 0, 0, ms(TAG_A, "1", 1)));
    assert_status(set_ex(f, 0, TAG_B, 0, ms(TAG_A, "2", 1)), STATUS_IO_REPARSE_TAG_MISMATCH);
    assert_status(set_ex(f, 0, 0, 0, ms(TAG_A, "2", 1)), STATUS_IO_REPARSE_TAG_MISMATCH);
    assert_status(set_ex(d, 0, TAG_A, 0, ms(TAG_A, "2", 1)), STATUS_IO_REPARSE_TAG_MISMATCH);
    expect(f, ms(TAG_A, "1", 1));
    assert_ok(set_ex(f, 0, TAG_A, 0, ms(TAG_B, "2", 1)));
    expect(f, ms(TAG_B, "2", 1));
}

static void RP_124_125_expected_guid_or_none(void **state)
{
    (void)state;
    assert_ok(set_ex(f, 1, TAG_GUID, 1, guid(TAG_GUID, 1, "1", 1)));
    assert_ok(set_ex(f, 1, TAG_GUID, 1, guid(TAG_GUID, 2, "2", 1)));
    assert_status(set_ex(f, 0, TAG_GUID, 1, guid(TAG_GUID, 1, "3", 1)), STATUS_REPARSE_ATTRIBUTE_CONFLICT);
    assert_status(set_ex(f, 1, TAG_A, 0, guid(TAG_GUID, 1, "3", 1)), STATUS_IO_REPARSE_TAG_MISMATCH);
    assert_ok(set_ex(f, 0, TAG_GUID, 2, ms(TAG_A, "4", 1)));
    expect(f, ms(TAG_A, "4", 1));
}

static void set_ex_checks_its_input(void **state)
{
    (void)state;
    static uint8_t data[16377];
    uint8_t in[64] = {0};
    size_t done;
    for (size_t n = 1; n < 40; n++)
        assert_status(hf_ioctl(f, FSCTL_SET_REPARSE_POINT_EX, in, n, NULL, 0, &done),
                      STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(hf_ioctl(f, FSCTL_SET_REPARSE_POINT_EX, NULL, 0, NULL, 0, &done),
                  STATUS_INVALID_BUFFER_SIZE);
    assert_status(set_ex(f, 2, 0, 0, ms(TAG_A, "1", 1)), STATUS_INVALID_PARAMETER);
    put32(in + 24, 1); // Reserved
    put32(in + 32, TAG_A);
    assert_status(hf_ioctl(f, FSCTL_SET_REPARSE_POINT_EX, in, 40, NULL, 0, &done), STATUS_INVALID_PARAMETER);
    assert_status(set_ex(f, 0, 0, 0, ms(1, "1", 1)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_status(set_ex(f, 0, 0, 0, ms(TAG_A, data, 16377)), STATUS_IO_REPARSE_DATA_INVALID);
    assert_ok(set_ex(f, 0, 0, 0, ms(TAG_A, data, 16376)));
    assert_status(set_ex(f, 0, TAG_A, 0, mount_point("x")), STATUS_NOT_A_DIRECTORY);
}

// --- L: enumeration ------------------------------------------------------------------------------

static void list_one(uint32_t class_, void *out, size_t size)
{
    size_t done;
    hf_handle root = spec_open("X:\\", FILE_READ_DATA, FILE_OPEN, 0);
    memset(out, 0, size);
    assert_ok(hf_query_directory(root, class_, "f", true, true, out, size, &done));
    assert_ok(hf_close(root));
}

static void RP_190_191_listings_carry_the_tag(void **state)
{
    (void)state;
    union {
        FILE_FULL_DIR_INFORMATION full;
        FILE_BOTH_DIR_INFORMATION both;
        FILE_ID_FULL_DIR_INFORMATION id_full;
        FILE_ID_BOTH_DIR_INFORMATION id_both;
        FILE_ID_EXTD_DIR_INFORMATION extd;
        FILE_ID_EXTD_BOTH_DIR_INFORMATION extd_both;
        uint8_t bytes[256];
    } u;
    assert_ok(set(f, ms(TAG_A, NULL, 0)));
    list_one(FileFullDirectoryInformation, &u, sizeof u);
    assert_int_equal(u.full.EaSize, TAG_A);
    assert_true(u.full.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT);
    list_one(FileBothDirectoryInformation, &u, sizeof u);
    assert_int_equal(u.both.EaSize, TAG_A);
    list_one(FileIdFullDirectoryInformation, &u, sizeof u);
    assert_int_equal(u.id_full.EaSize, TAG_A);
    list_one(FileIdBothDirectoryInformation, &u, sizeof u);
    assert_int_equal(u.id_both.EaSize, TAG_A);
    list_one(FileIdExtdDirectoryInformation, &u, sizeof u);
    assert_int_equal(u.extd.EaSize, 0);
    assert_int_equal(u.extd.ReparsePointTag, TAG_A);
    list_one(FileIdExtdBothDirectoryInformation, &u, sizeof u);
    assert_int_equal(u.extd_both.EaSize, 0);
    assert_int_equal(u.extd_both.ReparsePointTag, TAG_A);
}

static void RP_192_193_194_queries(void **state)
{
    (void)state;
    FILE_EA_INFORMATION ea;
    FILE_ATTRIBUTE_TAG_INFORMATION tag;
    FILE_STAT_INFORMATION stat;
    size_t done;
    assert_int_equal(tag_of(f), 0);
    assert_ok(set(f, ms(TAG_A, NULL, 0)));
    assert_ok(hf_query(f, FileEaInformation, &ea, sizeof ea, &done));
    assert_int_equal(ea.EaSize, 0);
    assert_int_equal(tag_of(f), TAG_A);
    assert_status(hf_query(f, FileAttributeTagInformation, &tag, 7, &done), STATUS_INFO_LENGTH_MISMATCH);
    assert_ok(hf_query(f, FileStatInformation, &stat, sizeof stat, &done));
    assert_int_equal(stat.ReparseTag, TAG_A);
}

static void RP_196_the_reparse_class(void **state)
{
    (void)state;
    uint8_t out[64];
    size_t done;
    assert_status(hf_query(f, FileReparsePointInformation, out, sizeof out, &done), STATUS_NOT_SUPPORTED);
    assert_status(
        hf_query_directory(d, FileReparsePointInformation, NULL, true, false, out, sizeof out, &done),
        STATUS_INVALID_INFO_CLASS);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(RP_001_002_codes_and_layouts),
        CASE(RP_003_empty_input),
        CASE(RP_004_noise),
        CASE(RP_005_006_exact_length),
        CASE(RP_007_008_largest),
        CASE(RP_009_to_013_tags_and_forms),
        CASE(RP_014_015_output_buffer),
        CASE(RP_016_to_020_mount_point_grammar),
        CASE(RP_021_022_024_symlink_grammar),
        CASE(RP_023_symlink_orders),
        CASE(RP_025_to_028_what_is_opaque),
        CASE(RP_030_031_032_rights),
        CASE(RP_033_034_the_privilege_is_for_symlinks),
        CASE(RP_035_read_only_volume),
        cmocka_unit_test_setup_teardown(RP_036_feature_off, setup_off, teardown),
        CASE(RP_037_volume_handle),
        CASE(RP_038_039_mount_points_are_directories),
        CASE(RP_040_a_stream_handle_stands_for_the_file),
        CASE(RP_041_042_043_directories_with_children),
        CASE(RP_044_045_046_files_with_data),
        CASE(RP_047_beside_extended_attributes),
        CASE(RP_048_062_other_handles_see_it),
        CASE(RP_050_to_054_existing),
        CASE(RP_060_061_attributes_and_archive),
        CASE(RP_063_only_the_change_time),
        CASE(RP_064_a_change_time_set_by_hand_stays),
        CASE(RP_065_the_access_time_survives),
        CASE(RP_066_sizes),
        CASE(RP_067_data_survives),
        CASE(RP_069_the_attribute_cannot_be_set),
        CASE(RP_070_durable_at_success),
        CASE(a_remount_keeps_the_bytes),
        CASE(RP_080_081_nothing_there),
        CASE(RP_082_083_084_mount_point_of_42_bytes),
        CASE(RP_085_086_guid_tag_and_short_tag),
        CASE(RP_087_088_089_get_details),
        CASE(RP_100_to_105_mount_point),
        CASE(RP_106_107_microsoft_tag),
        CASE(RP_108_109_110_guid_tag),
        CASE(RP_111_to_114_delete_details),
        CASE(RP_120_to_123_expected_tag),
        CASE(RP_124_125_expected_guid_or_none),
        CASE(set_ex_checks_its_input),
        CASE(RP_190_191_listings_carry_the_tag),
        CASE(RP_192_193_194_queries),
        CASE(RP_196_the_reparse_class),
    };
    return cmocka_run_group_tests_name("reparse", tests, NULL, NULL);
}
