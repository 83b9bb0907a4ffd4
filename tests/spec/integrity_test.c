// SPDX-License-Identifier: Apache-2.0
// Conformance of the integrity codes with spec/integrity.md 5; the number of a case is in the name of its
// test. Cases that hold for both cluster sizes run with both. Left out: 45, 83 (no USN journal yet), 46, 63 -
// 68 (SMB, CSVFS), 49, 116 (tests/crash), 51 - 53, 84 (clones), 55 (tests/fs), 96 - 100 (CopyFile,
// ReplaceFile: tests/win32), 117 - 131 (mirrors, scrubber), 132 - 145 (clone_test.c).
#include "tests/spec/spec.h"

enum {
    OFF = FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF,
    NONE = CHECKSUM_TYPE_NONE,
    CRC32 = CHECKSUM_TYPE_CRC32,
    CRC64 = CHECKSUM_TYPE_CRC64,
    UNCHANGED = CHECKSUM_TYPE_UNCHANGED,
    INTEGRITY = FILE_ATTRIBUTE_INTEGRITY_STREAM,
};

typedef FSCTL_GET_INTEGRITY_INFORMATION_BUFFER get_buffer;

static uint32_t cluster;  // of the volume of this test
static uint16_t chosen;   // the algorithm that the file system chooses there
static hf_handle f, d;    // an empty file, an empty directory
static hf_handle both[2]; // the two

static void open_both(void)
{
    both[0] = f = spec_file("X:\\f");
    both[1] = d = spec_dir("X:\\d");
}

static void close_both(void)
{
    assert_ok(hf_close(f));
    assert_ok(hf_close(d));
}

static int setup_options(uint32_t size, const char *options)
{
    cluster = size;
    chosen = size == 4096 ? CRC32 : CRC64;
    spec_new(&(struct hf_format_options){.cluster = size, .options = options});
    open_both();
    return 0;
}

static int setup_v4(void **state)
{
    (void)state;
    return setup_options(4096, NULL);
}
static int setup_v64(void **state)
{
    (void)state;
    return setup_options(65536, NULL);
}
static int setup_any(void **state)
{
    (void)state;
    return setup_options(4096, "integrity-change=any");
}
static int setup_v1(void **state)
{
    (void)state;
    return setup_options(65536, "integrity-profile=v1");
}
static int setup_none(void **state)
{
    (void)state;
    return setup_options(4096, "no-integrity");
}

static int teardown(void **state)
{
    (void)state;
    close_both();
    spec_free();
    return 0;
}

static void remount(const char *more)
{
    close_both();
    spec_remount(more);
    both[0] = f = spec_open("X:\\f", READ_WRITE, FILE_OPEN, 0);
    both[1] = d = spec_open("X:\\d", READ_WRITE, FILE_OPEN, 0);
}

static void rot(const char *name, uint64_t offset)
{
    close_both();
    spec_rot(name, offset, cluster);
    open_both();
}

static nt_status get_sized(hf_handle h, void *out, size_t length, size_t *done)
{
    return hf_ioctl(h, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, out, length, done);
}

static get_buffer get(hf_handle h)
{
    get_buffer out;
    size_t done;
    assert_ok(get_sized(h, &out, sizeof out, &done));
    assert_int_equal(done, sizeof out);
    return out;
}

static void expect(hf_handle h, uint16_t algorithm, uint32_t flags)
{
    get_buffer out = get(h);
    assert_int_equal(out.ChecksumAlgorithm, algorithm);
    assert_int_equal(out.Flags, flags);
}

static nt_status set(hf_handle h, uint16_t algorithm, uint32_t flags)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER in = {algorithm, 0, flags};
    size_t done;
    nt_status status = hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION, &in, sizeof in, NULL, 0, &done);
    assert_int_equal(done, 0);
    return status;
}

static nt_status ex_version(hf_handle h, uint8_t enable, uint8_t keep, uint32_t flags, uint8_t version)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX in = {
        .EnableIntegrity = enable, .KeepIntegrityStateUnchanged = keep, .Flags = flags, .Version = version};
    size_t done;
    return hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION_EX, &in, sizeof in, NULL, 0, &done);
}

static nt_status ex(hf_handle h, uint8_t enable, uint8_t keep, uint32_t flags)
{
    return ex_version(h, enable, keep, flags, 1);
}

static nt_status set_raw(hf_handle h, uint32_t code, const void *in, size_t length)
{
    size_t done;
    return hf_ioctl(h, code, in, length, NULL, 0, &done);
}

// --- 5.1 GET -------------------------------------------------------------------------------------

static void integrity_001_002_get(void **state)
{
    (void)state;
    get(f);
    get(d);
}

static void integrity_003_004_short_output(void **state)
{
    (void)state;
    uint8_t out[16];
    for (size_t i = 0; i < 2; i++)
        for (size_t length = 0; length < sizeof out; length++) {
            size_t done;
            assert_status(get_sized(both[i], length ? out : NULL, length, &done), STATUS_INVALID_PARAMETER);
            assert_int_equal(done, 0);
        }
}

static void integrity_005_long_output(void **state)
{
    (void)state;
    uint8_t out[64], untouched[48];
    size_t done;
    memset(out, 0xee, sizeof out);
    memset(untouched, 0xee, sizeof untouched);
    assert_ok(get_sized(f, out, sizeof out, &done));
    assert_int_equal(done, 16);
    assert_memory_equal(out + 16, untouched, sizeof untouched);
}

static void integrity_006_system_objects(void **state)
{
    (void)state;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = FILE_ATTRIBUTE_SYSTEM};
    for (size_t i = 0; i < 2; i++) {
        assert_ok(hf_set(both[i], FileBasicInformation, &basic, sizeof basic));
        get(both[i]);
    }
}

static void integrity_007_008_new_objects(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        get_buffer out = get(both[i]);
        assert_int_equal(out.ChecksumAlgorithm, NONE);
        assert_int_equal(out.Reserved, 0);
        assert_int_equal(out.Flags, 0);
        assert_int_equal(out.ClusterSizeInBytes, cluster);
        assert_int_equal(out.ChecksumChunkSizeInBytes, 16384);
    }
}

static void integrity_009_010_enforcement_is_reported(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(set(both[i], CRC64, OFF));
        expect(both[i], chosen, OFF);
    }
}

static void integrity_011_named_streams(void **state)
{
    (void)state;
    static const char *const names[] = {"X:\\f:s", "X:\\d:s"};
    for (size_t i = 0; i < 2; i++) {
        hf_handle s = spec_file(names[i]);
        get(s);
        assert_ok(hf_close(s));
    }
}

static void integrity_012_061_062_without_integrity(void **state)
{
    (void)state;
    uint8_t buffer[16] = {0};
    size_t done;
    for (size_t i = 0; i < 2; i++)
        for (size_t length = 0; length <= sizeof buffer; length++) {
            assert_status(get_sized(both[i], buffer, length, &done), STATUS_INVALID_DEVICE_REQUEST);
            assert_status(set_raw(both[i], FSCTL_SET_INTEGRITY_INFORMATION, buffer, length),
                          STATUS_INVALID_DEVICE_REQUEST);
            assert_status(set_raw(both[i], FSCTL_SET_INTEGRITY_INFORMATION_EX, buffer, length),
                          STATUS_INVALID_DEVICE_REQUEST);
        }
    assert_int_equal(hf_status_to_win32(STATUS_INVALID_DEVICE_REQUEST), 1);
}

static void integrity_013_059_060_081_read_only_volume(void **state)
{
    (void)state;
    assert_ok(set(f, CRC64, OFF));
    remount(",readonly");
    expect(f, chosen, OFF);
    for (size_t i = 0; i < 2; i++) {
        assert_status(set(both[i], CRC64, 0), STATUS_MEDIA_WRITE_PROTECTED);
        assert_status(set(both[i], CRC64, 2), STATUS_INVALID_PARAMETER);
        assert_status(ex(both[i], 1, 0, 0), STATUS_MEDIA_WRITE_PROTECTED);
        assert_status(ex(both[i], 0, 0, OFF), STATUS_INVALID_PARAMETER);
    }
    assert_int_equal(hf_status_to_win32(STATUS_MEDIA_WRITE_PROTECTED), 19);
}

static void integrity_014_volume_handle(void **state)
{
    (void)state;
    uint8_t out[16];
    size_t done;
    hf_handle v = spec_open("\\\\.\\X:", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0);
    assert_status(get_sized(v, out, sizeof out, &done), STATUS_INVALID_PARAMETER);
    assert_status(set(v, CRC64, 0), STATUS_INVALID_PARAMETER);
    assert_status(ex(v, 1, 0, 0), STATUS_INVALID_PARAMETER);
    assert_ok(hf_close(v));
}

static void integrity_015_get_needs_no_right(void **state)
{
    (void)state;
    hf_handle h = spec_open("X:\\f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    get(h);
    assert_ok(hf_close(h));
}

static FILE_BASIC_INFORMATION times(hf_handle h)
{
    FILE_BASIC_INFORMATION basic;
    size_t done;
    assert_ok(hf_query(h, FileBasicInformation, &basic, sizeof basic, &done));
    basic.FileAttributes = 0;
    return basic;
}

static void integrity_016_032_times_stay(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        FILE_BASIC_INFORMATION before = times(both[i]), after;
        get(both[i]);
        assert_status(set(both[i], NONE, OFF), STATUS_INVALID_PARAMETER);
        assert_ok(set(both[i], CRC64, 0));
        after = times(both[i]);
        assert_memory_equal(&before, &after, sizeof before);
    }
}

static void feature_bit(bool expected)
{
    uint8_t out[64];
    uint32_t features;
    size_t done;
    assert_ok(hf_query_volume(f, FileFsAttributeInformation, out, sizeof out, &done));
    memcpy(&features, out, sizeof features);
    assert_int_equal((features & FILE_SUPPORTS_INTEGRITY_STREAMS) != 0, expected);
}

static void integrity_017_feature_bit(void **state)
{
    (void)state;
    feature_bit(true);
}
static void integrity_017_086_feature_off(void **state)
{
    (void)state;
    hf_handle h;
    feature_bit(false);
    assert_ok(hf_open(
        "X:\\new",
        &(struct hf_open_options){.access = READ_WRITE, .disposition = FILE_CREATE, .attributes = INTEGRITY},
        &h));
    assert_false(spec_attributes(h) & INTEGRITY);
    assert_ok(hf_close(h));
}

// --- 5.2 SET: input checks -----------------------------------------------------------------------

static void integrity_018_019_short_input(void **state)
{
    (void)state;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER in = {CRC64, 0, 0};
    for (size_t i = 0; i < 2; i++) {
        for (size_t length = 0; length < 8; length++)
            assert_status(set_raw(both[i], FSCTL_SET_INTEGRITY_INFORMATION, &in, length),
                          STATUS_INVALID_PARAMETER);
        assert_status(set_raw(both[i], FSCTL_SET_INTEGRITY_INFORMATION, NULL, 0), STATUS_INVALID_PARAMETER);
        expect(both[i], NONE, 0);
    }
}

static void integrity_020_031_trailing_and_reserved(void **state)
{
    (void)state;
    uint8_t in[24];
    memset(in, 0xff, sizeof in);
    memcpy(in, &(FSCTL_SET_INTEGRITY_INFORMATION_BUFFER){CRC64, 0xffff, 0}, 8);
    assert_ok(set_raw(f, FSCTL_SET_INTEGRITY_INFORMATION, in, sizeof in));
    expect(f, chosen, 0);
}

static void integrity_021_023_024_v1_algorithms(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_status(set(both[i], 3, OFF), STATUS_INVALID_PARAMETER);
        assert_status(set(both[i], 0xfffe, 0), STATUS_INVALID_PARAMETER);
        assert_status(set(both[i], CRC32, 0), STATUS_INVALID_PARAMETER);
        assert_ok(set(both[i], CRC64, 0));
    }
}

static void integrity_022_023_v2_algorithms(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(set(both[i], 3, OFF));
        expect(both[i], chosen, OFF);
        assert_ok(set(both[i], 0xfffe, 0));
        expect(both[i], chosen, 0);
    }
}

static void integrity_025_026_027_flags(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_status(set(both[i], CRC64, 2), STATUS_INVALID_PARAMETER);
        assert_status(set(both[i], CRC64, 0x80000000), STATUS_INVALID_PARAMETER);
        expect(both[i], NONE, 0); // 32
        assert_ok(set(both[i], CRC64, 3));
        expect(both[i], chosen, OFF);
    }
}

static void integrity_028_029_030_off_needs_an_algorithm(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_status(set(both[i], NONE, OFF), STATUS_INVALID_PARAMETER);
        assert_status(set(both[i], UNCHANGED, OFF), STATUS_INVALID_PARAMETER);
        expect(both[i], NONE, 0);
        assert_ok(set(both[i], CRC64, 0));
        assert_ok(set(both[i], UNCHANGED, OFF));
        expect(both[i], chosen, OFF);
    }
}

// --- 5.3 SET: effects ----------------------------------------------------------------------------

static void integrity_033_034_035_set_and_keep(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(set(both[i], CRC64, OFF));
        assert_ok(set(both[i], CRC64, 0));
        expect(both[i], chosen, 0);
        assert_ok(set(both[i], UNCHANGED, 0));
        expect(both[i], chosen, 0);
    }
}

static void integrity_036_037_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(set(both[i], CRC64, 0));
        assert_ok(set(both[i], NONE, 0));
        expect(both[i], NONE, 0);
        assert_ok(set(both[i], UNCHANGED, 0));
        expect(both[i], NONE, 0);
    }
}

static void integrity_038_039_040_the_cluster_size_chooses(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(set(both[i], CRC64, 0));
        expect(both[i], chosen, 0);
        assert_ok(set(both[i], CRC32, 0));
        expect(both[i], chosen, 0);
    }
}

static void integrity_041_042_enforcement_comes_back(void **state)
{
    (void)state;
    assert_ok(set(f, CRC64, OFF));
    assert_ok(set(f, UNCHANGED, 0));
    expect(f, chosen, 0);
    assert_ok(set(f, CRC64, OFF));
    assert_ok(set(f, CRC64, 0));
    expect(f, chosen, 0);
}

static void integrity_043_none_clears_the_attribute(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(set(both[i], CRC64, 0));
        assert_true(spec_attributes(both[i]) & INTEGRITY);
        assert_ok(set(both[i], NONE, 0));
        expect(both[i], NONE, 0);
        assert_false(spec_attributes(both[i]) & INTEGRITY);
    }
}

static void integrity_044_twice(void **state)
{
    (void)state;
    assert_ok(set(f, CRC64, OFF));
    assert_ok(set(f, CRC64, OFF));
    expect(f, chosen, OFF);
}

static void integrity_047_048_data_under_option_any(void **state)
{
    (void)state;
    static uint8_t data[1 << 20], back[1 << 20];
    size_t done;
    assert_ok(set(f, CRC64, 0));
    spec_write(f, 0, data, 10240);
    assert_ok(set(f, NONE, 0));
    expect(f, NONE, 0);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    spec_write(f, 0, data, sizeof data);
    assert_ok(set(f, CRC64, 0));
    assert_ok(hf_read(f, 0, back, sizeof back, &done));
    assert_memory_equal(data, back, sizeof data);
    static const uint64_t places[] = {0, 500000, (1 << 20) - 1}; // every part has a sum
    for (size_t i = 0; i < COUNT(places); i++) {
        rot("X:\\f", places[i]);
        assert_status(hf_read(f, places[i], back, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    }
}

static void integrity_050_only_empty_files(void **state)
{
    (void)state;
    spec_write(f, 0, "data", 4);
    assert_status(set(f, CRC64, 0), STATUS_INVALID_PARAMETER);
    assert_status(ex(f, 1, 0, 0), STATUS_INVALID_PARAMETER);
    assert_ok(set(f, NONE, 0));
    assert_ok(set(f, UNCHANGED, 0));
    expect(f, NONE, 0);
    int64_t empty = 0;
    assert_ok(hf_set(f, FileEndOfFileInformation, &empty, sizeof empty));
    assert_ok(set(f, CRC64, 0));
    spec_write(f, 0, "data", 4);
    assert_status(set(f, NONE, 0), STATUS_INVALID_PARAMETER);
    assert_ok(set(f, UNCHANGED, OFF));
    assert_ok(set(f, CRC64, 0));
    assert_ok(ex(f, 0, 1, OFF));
    expect(f, chosen, OFF);
}

static void integrity_054_two_handles(void **state)
{
    (void)state;
    hf_handle other = spec_file("X:\\f");
    assert_ok(set(f, CRC64, OFF));
    expect(other, chosen, OFF);
    assert_ok(hf_close(other));
}

static void integrity_056_remount(void **state)
{
    (void)state;
    assert_ok(set(f, CRC64, OFF));
    assert_ok(set(d, CRC64, OFF));
    remount("");
    expect(f, chosen, OFF);
    expect(d, chosen, OFF);
    assert_true(spec_attributes(d) & INTEGRITY);
}

static void integrity_057_058_both_data_rights(void **state)
{
    (void)state;
    static const uint32_t one[] = {FILE_READ_DATA, FILE_WRITE_DATA};
    static const char *const names[] = {"X:\\f", "X:\\d"};
    for (size_t i = 0; i < 4; i++) {
        hf_handle h = spec_open(names[i / 2], one[i % 2], FILE_OPEN, 0);
        assert_status(set(h, CRC64, 0), STATUS_ACCESS_DENIED);
        assert_ok(hf_close(h));
    }
    assert_int_equal(hf_status_to_win32(STATUS_ACCESS_DENIED), 5);
}

// --- 5.5 SET_EX ----------------------------------------------------------------------------------

static void integrity_069_070_ex(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_status(ex(both[i], 0, 1, OFF), STATUS_INVALID_PARAMETER);
        assert_ok(ex(both[i], 1, 0, OFF));
        expect(both[i], chosen, OFF);
    }
}

static void integrity_071_072_073_074_ex_checks(void **state)
{
    (void)state;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX in = {.EnableIntegrity = 1, .Version = 1};
    for (size_t i = 0; i < 2; i++) {
        for (size_t length = 0; length < sizeof in; length++)
            assert_status(set_raw(both[i], FSCTL_SET_INTEGRITY_INFORMATION_EX, &in, length),
                          STATUS_INVALID_PARAMETER);
        assert_status(ex_version(both[i], 1, 0, 0, 0), STATUS_INVALID_PARAMETER);
        assert_status(ex_version(both[i], 1, 0, 0, 2), STATUS_INVALID_PARAMETER);
        assert_status(ex_version(both[i], 1, 0, 0, 255), STATUS_INVALID_PARAMETER);
        assert_status(ex(both[i], 0, 0, OFF), STATUS_INVALID_PARAMETER);
        assert_status(ex(both[i], 1, 0, 2), STATUS_INVALID_PARAMETER);
        expect(both[i], NONE, 0);
    }
}

static void integrity_075_076_ex_enables_and_disables(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(ex(both[i], 1, 0, 0));
        expect(both[i], chosen, 0);
        assert_ok(ex(both[i], 0, 0, 0));
        expect(both[i], NONE, 0);
    }
}

static void integrity_077_078_ex_keeps(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(ex(both[i], 1, 0, 0));
        assert_ok(ex(both[i], 0, 1, OFF));
        expect(both[i], chosen, OFF);
        assert_ok(ex(both[i], 0, 1, 0));
        expect(both[i], chosen, 0);
        assert_ok(ex(both[i], 1, 1, 0));
        expect(both[i], chosen, 0);
    }
}

static void integrity_079_080_ex_any_non_zero_and_reserved(void **state)
{
    (void)state;
    assert_ok(ex(f, 2, 0, 0));
    expect(f, chosen, 0);
    assert_ok(ex(f, 0, 7, 0));
    expect(f, chosen, 0);
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX in;
    memset(&in, 0xff, sizeof in);
    in.EnableIntegrity = 1;
    in.KeepIntegrityStateUnchanged = 0;
    in.Flags = 0;
    in.Version = 1;
    assert_ok(set_raw(d, FSCTL_SET_INTEGRITY_INFORMATION_EX, &in, sizeof in));
    expect(d, chosen, 0);
}

static void integrity_082_ex_needs_a_right(void **state)
{
    (void)state;
    hf_handle h = spec_open("X:\\f", FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    assert_status(ex(h, 1, 0, 0), STATUS_ACCESS_DENIED);
    assert_ok(hf_close(h));
    h = spec_open("X:\\f", FILE_WRITE_ATTRIBUTES, FILE_OPEN, 0);
    assert_ok(ex(h, 1, 0, 0));
    assert_ok(hf_close(h));
    expect(f, chosen, 0);
}

// --- 5.6 attributes, inheritance, rename ---------------------------------------------------------

static void integrity_085_create_with_the_attribute(void **state)
{
    (void)state;
    hf_handle h;
    FILE_ATTRIBUTE_TAG_INFORMATION tag;
    FILE_NETWORK_OPEN_INFORMATION network;
    size_t done;
    assert_ok(hf_open(
        "X:\\new",
        &(struct hf_open_options){.access = READ_WRITE, .disposition = FILE_CREATE, .attributes = INTEGRITY},
        &h));
    assert_true(spec_attributes(h) & INTEGRITY);
    assert_ok(hf_query(h, FileAttributeTagInformation, &tag, sizeof tag, &done));
    assert_true(tag.FileAttributes & INTEGRITY);
    assert_ok(hf_query(h, FileNetworkOpenInformation, &network, sizeof network, &done));
    assert_true(network.FileAttributes & INTEGRITY);
    expect(h, chosen, 0);
    assert_ok(hf_close(h));
}

static void expect_new(const char *file, const char *directory, uint16_t algorithm)
{
    hf_handle h = spec_file(file);
    expect(h, algorithm, 0);
    assert_ok(hf_close(h));
    h = spec_dir(directory);
    expect(h, algorithm, 0);
    assert_int_equal(spec_attributes(h) & INTEGRITY, algorithm == NONE ? 0 : INTEGRITY);
    assert_ok(hf_close(h));
}

static void integrity_087_088_inheritance(void **state)
{
    (void)state;
    expect_new("X:\\d\\f1", "X:\\d\\d1", NONE);
    assert_ok(set(d, CRC64, 0));
    expect_new("X:\\d\\f2", "X:\\d\\d2", chosen);
    expect_new("X:\\d\\d2\\f", "X:\\d\\d2\\d", chosen);
}

static void integrity_089_no_scrub_is_inherited(void **state)
{
    (void)state;
    hf_handle h;
    struct hf_open_options o = {.access = READ_WRITE,
                                .disposition = FILE_CREATE,
                                .options = FILE_DIRECTORY_FILE,
                                .attributes = FILE_ATTRIBUTE_NO_SCRUB_DATA};
    assert_ok(hf_open("X:\\noscrub", &o, &h));
    assert_true(spec_attributes(h) & FILE_ATTRIBUTE_NO_SCRUB_DATA);
    assert_ok(hf_close(h));
    h = spec_file("X:\\noscrub\\f");
    assert_true(spec_attributes(h) & FILE_ATTRIBUTE_NO_SCRUB_DATA);
    assert_ok(hf_close(h));
}

static void integrity_090_enforcement_off_is_not_inherited(void **state)
{
    (void)state;
    assert_ok(ex(d, 1, 0, OFF));
    expect_new("X:\\d\\f", "X:\\d\\d", chosen);
}

static void integrity_091_092_existing_children_stay(void **state)
{
    (void)state;
    assert_ok(set(d, CRC64, 0));
    expect_new("X:\\d\\on", "X:\\d\\don", chosen);
    assert_ok(set(d, NONE, 0));
    expect_new("X:\\d\\on", "X:\\d\\don", chosen);
    expect_new("X:\\d\\off", "X:\\d\\doff", NONE);
    assert_ok(set(d, CRC64, 0));
    expect_new("X:\\d\\off", "X:\\d\\doff", NONE);
    expect_new("X:\\d\\on2", "X:\\d\\don2", chosen);
}

static void integrity_093_basic_information_ignores_the_bits(void **state)
{
    (void)state;
    uint32_t bits = INTEGRITY | FILE_ATTRIBUTE_NO_SCRUB_DATA;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = bits | FILE_ATTRIBUTE_HIDDEN};
    assert_ok(hf_set(f, FileBasicInformation, &basic, sizeof basic));
    assert_int_equal(spec_attributes(f), FILE_ATTRIBUTE_HIDDEN);
    assert_ok(set(f, CRC64, 0));
    basic.FileAttributes = FILE_ATTRIBUTE_NORMAL;
    assert_ok(hf_set(f, FileBasicInformation, &basic, sizeof basic));
    assert_int_equal(spec_attributes(f), INTEGRITY);
    expect(f, chosen, 0);
}

static void integrity_094_095_rename_keeps_the_setting(void **state)
{
    (void)state;
    assert_ok(set(d, CRC64, 0));
    hf_handle on = spec_file("X:\\d\\on");
    assert_ok(hf_rename(on, NULL, "X:\\outside", false));
    expect(on, chosen, 0);
    assert_ok(hf_rename(f, NULL, "X:\\d\\inside", false));
    expect(f, NONE, 0);
    assert_ok(hf_close(on));
}

static void integrity_101_root_is_the_default(void **state)
{
    (void)state;
    hf_handle root = spec_open("X:\\", READ_WRITE, FILE_OPEN, 0);
    assert_ok(set(root, CRC64, 0));
    expect_new("X:\\f2", "X:\\d2", chosen);
    expect(f, NONE, 0);
    assert_ok(hf_close(root));
}

static void integrity_102_format_with_integrity(void **state)
{
    (void)state;
    cluster = 4096;
    chosen = CRC32;
    spec_new(&(struct hf_format_options){.cluster = cluster, .integrity = true});
    expect_new("X:\\f", "X:\\d", CRC32);
    spec_free();
}

static void integrity_103_listings_do_not_show_it(void **state)
{
    (void)state;
    union {
        FILE_DIRECTORY_INFORMATION entry;
        uint8_t bytes[512];
    } u;
    size_t done;
    assert_ok(set(f, CRC64, 0));
    hf_handle root = spec_open("X:\\", READ_WRITE, FILE_OPEN, 0);
    assert_ok(hf_query_directory(root, FileDirectoryInformation, "f", true, true, &u, sizeof u, &done));
    assert_int_equal(u.entry.FileNameLength, 2);
    assert_false(u.entry.FileAttributes & INTEGRITY);
    assert_ok(hf_close(root));
}

// --- 5.7 data path -------------------------------------------------------------------------------

enum { KB = 1024, DATA = 128 * KB };
static uint8_t pattern[DATA], back[DATA];

// f with integrity and DATA bytes, one bit of which is flipped in the image.
static void rotten_file(uint64_t offset)
{
    for (size_t i = 0; i < DATA; i++)
        pattern[i] = (uint8_t)(i * 7 + i / 256);
    assert_ok(set(f, CRC64, 0));
    spec_write(f, 0, pattern, DATA);
    rot("X:\\f", offset);
}

static nt_status read_at(hf_handle h, uint64_t offset, size_t length)
{
    size_t done;
    memset(back, 0xee, length);
    nt_status status = hf_read(h, offset, back, length, &done);
    assert_int_equal(done, status == STATUS_SUCCESS ? length : 0);
    return status;
}

static void integrity_104_105_106_107_one_bit_fails_its_16_kb(void **state)
{
    (void)state;
    rotten_file(12 * KB);
    assert_status(read_at(f, 0, 4 * KB), STATUS_DATA_CHECKSUM_ERROR);
    assert_non_null(strstr(hf_error_text(), "\\f"));
    assert_int_equal(hf_status_to_win32(STATUS_DATA_CHECKSUM_ERROR), 323);
    assert_status(read_at(f, 12 * KB, 4 * KB), STATUS_DATA_CHECKSUM_ERROR);
    assert_status(read_at(f, 16380, 8), STATUS_DATA_CHECKSUM_ERROR);
    assert_status(read_at(f, 0, DATA), STATUS_DATA_CHECKSUM_ERROR);
    assert_ok(read_at(f, 16 * KB, 4 * KB));
    assert_memory_equal(back, pattern + 16 * KB, 4 * KB);
    assert_ok(read_at(f, 16 * KB, DATA - 16 * KB));
    assert_memory_equal(back, pattern + 16 * KB, DATA - 16 * KB);
}

static void integrity_108_rot_behind_the_end(void **state)
{
    (void)state;
    assert_ok(set(f, CRC64, 0));
    spec_write(f, 0, "short", 5);
    hf_handle h = spec_file("X:\\f");
    uint64_t at = spec_locate(h, 0, cluster) + 2000; // zeros of the last cluster are under the sum too
    assert_ok(hf_close(h));
    close_both();
    spec_detach();
    spec_flip(at);
    spec_attach("");
    open_both();
    assert_status(read_at(f, 0, 5), STATUS_DATA_CHECKSUM_ERROR);
}

static void integrity_109_110_111_enforcement_off(void **state)
{
    (void)state;
    rotten_file(12 * KB);
    hf_handle other = spec_file("X:\\f");
    assert_ok(set(f, UNCHANGED, OFF));
    pattern[12 * KB] ^= 1;
    assert_ok(read_at(f, 0, DATA));
    assert_memory_equal(back, pattern, DATA);
    assert_ok(read_at(other, 12 * KB, 1));
    assert_memory_equal(back, pattern + 12 * KB, 1);
    assert_ok(set(f, UNCHANGED, 0));
    assert_status(read_at(f, 0, 1), STATUS_DATA_CHECKSUM_ERROR);
    assert_status(read_at(other, 0, 1), STATUS_DATA_CHECKSUM_ERROR);
    assert_ok(hf_close(other));
}

static void integrity_112_without_integrity_nobody_notices(void **state)
{
    (void)state;
    spec_write(f, 0, "data", 4);
    rot("X:\\f", 1);
    assert_ok(read_at(f, 0, 4));
    assert_memory_equal(back, "d`ta", 4);
}

static void integrity_113_writes_go_to_a_new_place(void **state)
{
    (void)state;
    memset(pattern, 1, DATA);
    assert_ok(set(f, CRC64, 0));
    spec_write(f, 0, pattern, DATA);
    uint64_t first = spec_locate(f, 0, cluster), second = spec_locate(f, cluster, cluster);
    spec_write(f, 1, "x", 1);
    assert_int_not_equal(spec_locate(f, 0, cluster), first);
    if (DATA > cluster)
        assert_int_equal(spec_locate(f, cluster, cluster), second);
    uint8_t old[16]; // and the old place still holds the old data
    int fd = open(spec_path, O_RDONLY);
    assert_int_equal(pread(fd, old, sizeof old, (off_t)first), sizeof old);
    close(fd);
    assert_memory_equal(old, pattern, sizeof old);
}

static void integrity_114_no_laundering(void **state)
{
    (void)state;
    size_t done;
    rotten_file(100);
    assert_status(hf_write(f, 200, "x", 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    assert_int_equal(done, 0);
    assert_status(read_at(f, 0, 16), STATUS_DATA_CHECKSUM_ERROR);
    assert_ok(set(f, UNCHANGED, OFF));
    pattern[100] ^= 1;
    assert_ok(read_at(f, 0, 4 * KB));
    assert_memory_equal(back, pattern, 4 * KB);
}

static void integrity_115_a_whole_cluster_heals(void **state)
{
    (void)state;
    rotten_file(100);
    spec_write(f, 0, pattern, cluster);
    remount("");
    assert_ok(read_at(f, 0, DATA));
    assert_memory_equal(back, pattern, DATA);
}

#define ON(setup, f)                 \
    {                                \
#f, f, setup, teardown, NULL \
    }
#define BOTH(f)                                 \
    {#f " V4", f, setup_v4, teardown, NULL},    \
    {                                           \
#f " V64", f, setup_v64, teardown, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(integrity_001_002_get),
        BOTH(integrity_003_004_short_output),
        ON(setup_v4, integrity_005_long_output),
        ON(setup_v4, integrity_006_system_objects),
        BOTH(integrity_007_008_new_objects),
        BOTH(integrity_009_010_enforcement_is_reported),
        ON(setup_v4, integrity_011_named_streams),
        ON(setup_none, integrity_012_061_062_without_integrity),
        BOTH(integrity_013_059_060_081_read_only_volume),
        ON(setup_v4, integrity_014_volume_handle),
        ON(setup_v4, integrity_015_get_needs_no_right),
        ON(setup_v4, integrity_016_032_times_stay),
        ON(setup_v4, integrity_017_feature_bit),
        ON(setup_none, integrity_017_086_feature_off),
        BOTH(integrity_018_019_short_input),
        BOTH(integrity_020_031_trailing_and_reserved),
        ON(setup_v1, integrity_021_023_024_v1_algorithms),
        BOTH(integrity_022_023_v2_algorithms),
        BOTH(integrity_025_026_027_flags),
        BOTH(integrity_028_029_030_off_needs_an_algorithm),
        BOTH(integrity_033_034_035_set_and_keep),
        BOTH(integrity_036_037_none),
        BOTH(integrity_038_039_040_the_cluster_size_chooses),
        BOTH(integrity_041_042_enforcement_comes_back),
        BOTH(integrity_043_none_clears_the_attribute),
        ON(setup_v4, integrity_044_twice),
        ON(setup_any, integrity_047_048_data_under_option_any),
        BOTH(integrity_050_only_empty_files),
        ON(setup_v4, integrity_054_two_handles),
        BOTH(integrity_056_remount),
        ON(setup_v4, integrity_057_058_both_data_rights),
        BOTH(integrity_069_070_ex),
        ON(setup_v4, integrity_071_072_073_074_ex_checks),
        BOTH(integrity_075_076_ex_enables_and_disables),
        BOTH(integrity_077_078_ex_keeps),
        ON(setup_v4, integrity_079_080_ex_any_non_zero_and_reserved),
        ON(setup_v4, integrity_082_ex_needs_a_right),
        BOTH(integrity_085_create_with_the_attribute),
        BOTH(integrity_087_088_inheritance),
        ON(setup_v4, integrity_089_no_scrub_is_inherited),
        ON(setup_v4, integrity_090_enforcement_off_is_not_inherited),
        ON(setup_v4, integrity_091_092_existing_children_stay),
        ON(setup_v4, integrity_093_basic_information_ignores_the_bits),
        ON(setup_v4, integrity_094_095_rename_keeps_the_setting),
        BOTH(integrity_101_root_is_the_default),
        cmocka_unit_test(integrity_102_format_with_integrity),
        ON(setup_v4, integrity_103_listings_do_not_show_it),
        BOTH(integrity_104_105_106_107_one_bit_fails_its_16_kb),
        BOTH(integrity_108_rot_behind_the_end),
        BOTH(integrity_109_110_111_enforcement_off),
        BOTH(integrity_112_without_integrity_nobody_notices),
        BOTH(integrity_113_writes_go_to_a_new_place),
        BOTH(integrity_114_no_laundering),
        BOTH(integrity_115_a_whole_cluster_heals),
    };
    return cmocka_run_group_tests_name("integrity", tests, NULL, NULL);
}
