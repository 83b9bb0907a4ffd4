// SPDX-License-Identifier: Apache-2.0
// Clones: the numbered cases of spec/integrity.md 5.8, and those of 5.3 and 5.5 that need one. Sparse files:
// the order of checks of MS-FSA 2.1.5.10.22, .38 and .39. At both cluster sizes, through the public API.
#include "tests/spec/spec.h"

enum { CLUSTERS = 4 };

static uint32_t cluster;
static hf_handle source, target;
static uint8_t data[CLUSTERS * 65536], back[CLUSTERS * 65536];

static void fill(hf_handle h, uint8_t seed)
{
    for (size_t i = 0; i < (size_t)CLUSTERS * cluster; i++)
        data[i] = (uint8_t)(seed + i / 97);
    spec_write(h, 0, data, (size_t)CLUSTERS * cluster);
}

static void set_integrity(hf_handle h, bool on, uint32_t flags)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.Flags = flags};
    set.ChecksumAlgorithm = !on               ? CHECKSUM_TYPE_NONE
                            : cluster == 4096 ? CHECKSUM_TYPE_CRC32
                                              : CHECKSUM_TYPE_CRC64;
    assert_ok(hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0, NULL));
}

static int setup_with(uint32_t size)
{
    cluster = size;
    spec_new(&(struct hf_format_options){.cluster = size});
    source = spec_file("X:\\source");
    target = spec_file("X:\\target");
    return 0;
}

static int setup_v4(void **state)
{
    (void)state;
    return setup_with(4096);
}

static int setup_v64(void **state)
{
    (void)state;
    return setup_with(65536);
}

static int setup_any(void **state)
{
    (void)state;
    cluster = 4096;
    spec_new(&(struct hf_format_options){.cluster = cluster, .options = "integrity-change=any"});
    source = spec_file("X:\\source");
    target = spec_file("X:\\target");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(hf_close(source));
    assert_ok(hf_close(target));
    spec_free();
    return 0;
}

static void fill_both(bool integrity)
{
    set_integrity(source, integrity, 0);
    set_integrity(target, integrity, 0);
    fill(target, 100);
    fill(source, 0); // data is the source's from here on
}

static nt_status duplicate(hf_handle from, int64_t from_offset, hf_handle to, int64_t to_offset,
                           int64_t count)
{
    size_t done = 9;
    DUPLICATE_EXTENTS_DATA in = {from, from_offset, to_offset, count};
    nt_status status = hf_ioctl(to, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &in, sizeof in, NULL, 0, &done);
    assert_int_equal(done, 0);
    return status;
}

static nt_status duplicate_all(void)
{
    return duplicate(source, 0, target, 0, (int64_t)CLUSTERS * cluster);
}

static void expect(hf_handle h)
{
    size_t done, length = (size_t)CLUSTERS * cluster;
    assert_ok(hf_read(h, 0, back, length, &done));
    assert_int_equal(done, length);
    assert_memory_equal(back, data, length);
}

static nt_status change_integrity(hf_handle h, uint16_t algorithm, uint32_t flags)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = algorithm, .Flags = flags};
    return hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0, NULL);
}

static nt_status change_integrity_ex(hf_handle h, bool enable)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX set = {.EnableIntegrity = enable, .Version = 1};
    return hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION_EX, &set, sizeof set, NULL, 0, NULL);
}

static void case_052_053_084_integrity_of_shared_clusters(void **state)
{
    (void)state;
    for (int on = 1; on >= 0; on--) {
        assert_ok(change_integrity(source, on ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_NONE, 0));
        assert_ok(change_integrity(target, on ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_NONE, 0));
        fill(target, 100);
        fill(source, 0);
        assert_ok(duplicate_all());
        uint16_t other = on ? CHECKSUM_TYPE_NONE : CHECKSUM_TYPE_CRC32;
        hf_handle both[] = {source, target};
        for (int i = 0; i < 2; i++) {
            assert_status(change_integrity(both[i], other, 0), STATUS_NOT_SUPPORTED);
            assert_status(change_integrity_ex(both[i], !on), STATUS_NOT_SUPPORTED);
            assert_status(change_integrity(both[i], CHECKSUM_TYPE_UNCHANGED,
                                           FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF),
                          on ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER);
            expect(both[i]);
        }
        // Nobody shares them any more.
        fill(target, 100);
        assert_ok(change_integrity_ex(target, !on));
        fill(source, 0);
        assert_ok(change_integrity(source, other, 0));
        expect(source);
    }
}

static void case_132_same_integrity(void **state)
{
    (void)state;
    for (int integrity = 0; integrity < 2; integrity++) {
        fill_both(integrity);
        assert_ok(duplicate_all());
        expect(target);
        expect(source);
        FILE_END_OF_FILE_INFORMATION empty = {0};
        assert_ok(hf_set(source, FileEndOfFileInformation, &empty, sizeof empty));
        assert_ok(hf_set(target, FileEndOfFileInformation, &empty, sizeof empty));
    }
}

static void case_133_one_with_integrity(void **state)
{
    (void)state;
    set_integrity(source, true, 0);
    fill(source, 0);
    fill(target, 0);
    assert_status(duplicate_all(), STATUS_INVALID_PARAMETER);
    assert_status(duplicate(target, 0, source, 0, cluster), STATUS_INVALID_PARAMETER);
}

static void case_134_a_write_copies_its_cluster(void **state)
{
    (void)state;
    fill_both(true);
    assert_ok(duplicate_all());
    spec_write(target, cluster + 1, "x", 1);
    expect(source);
    assert_ok(hf_flush(source));
    assert_int_equal(spec_locate(source, 0, cluster), spec_locate(target, 0, cluster));
    assert_int_not_equal(spec_locate(source, cluster, cluster), spec_locate(target, cluster, cluster));
    data[cluster + 1] = 'x';
    expect(target);
}

static void case_135_rot_in_a_shared_cluster(void **state)
{
    (void)state;
    size_t done;
    fill_both(true);
    assert_ok(duplicate_all());
    assert_ok(hf_close(source));
    assert_ok(hf_close(target));
    spec_rot("X:\\source", cluster + 7, cluster);
    source = spec_file("X:\\source");
    target = spec_file("X:\\target");
    assert_status(hf_read(source, cluster, back, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    assert_status(hf_read(target, cluster, back, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
}

static void case_136_not_aligned(void **state)
{
    (void)state;
    fill_both(true);
    int64_t c = cluster;
    const int64_t cuts[] = {1, 512, c - 1, c + 1};
    for (size_t i = 0; i < COUNT(cuts); i++) {
        assert_status(duplicate(source, cuts[i], target, 0, c), STATUS_INVALID_PARAMETER);
        assert_status(duplicate(source, 0, target, cuts[i], c), STATUS_INVALID_PARAMETER);
        assert_status(duplicate(source, 0, target, 0, cuts[i]), STATUS_INVALID_PARAMETER);
    }
    // What Windows' callers do at the end of a file: the last cluster as a whole.
    FILE_END_OF_FILE_INFORMATION cut = {c + 5};
    assert_ok(hf_set(source, FileEndOfFileInformation, &cut, sizeof cut));
    assert_ok(hf_set(target, FileEndOfFileInformation, &cut, sizeof cut));
    assert_ok(duplicate(source, 0, target, 0, 2 * c));
    size_t done;
    assert_ok(hf_read(target, 0, back, sizeof back, &done));
    assert_int_equal(done, c + 5);
    assert_memory_equal(back, data, done);
}

static void case_137_nothing(void **state)
{
    (void)state;
    fill_both(true);
    assert_ok(duplicate(source, 0, target, 0, 0));
    assert_ok(hf_close(source));
    assert_ok(hf_close(target));
    spec_remount(",readonly");
    hf_handle h;
    struct hf_open_options o = {.access = FILE_WRITE_DATA};
    nt_status status = hf_open("X:\\target", &o, &h);
    if (status == STATUS_SUCCESS) { // then the code is what is refused
        assert_status(duplicate(h, 0, h, 0, 0), STATUS_MEDIA_WRITE_PROTECTED);
        assert_status(duplicate(h, 1, h, 1, 1), STATUS_MEDIA_WRITE_PROTECTED);
        assert_ok(hf_close(h));
    } else {
        assert_status(status, STATUS_MEDIA_WRITE_PROTECTED);
    }
    spec_remount("");
    source = spec_file("X:\\source");
    target = spec_file("X:\\target");
}

static void case_138_beyond_the_end(void **state)
{
    (void)state;
    fill_both(true);
    int64_t c = cluster;
    assert_status(duplicate(source, CLUSTERS * c, target, 0, c), STATUS_NOT_SUPPORTED);
    assert_status(duplicate(source, c, target, 0, CLUSTERS * c), STATUS_NOT_SUPPORTED);
    assert_status(duplicate(source, 0, target, CLUSTERS * c, c), STATUS_NOT_SUPPORTED);
    assert_status(duplicate(source, 0, target, c, CLUSTERS * c), STATUS_NOT_SUPPORTED);
}

static void case_139_overlap(void **state)
{
    (void)state;
    fill_both(true);
    int64_t c = cluster;
    hf_handle again = spec_file("X:\\source");
    assert_status(duplicate(source, 0, source, 0, c), STATUS_NOT_SUPPORTED);
    assert_status(duplicate(source, 0, again, c, 2 * c), STATUS_NOT_SUPPORTED);
    assert_status(duplicate(again, c, source, 0, 2 * c), STATUS_NOT_SUPPORTED);
    expect(source);
    assert_ok(duplicate(again, 0, source, 2 * c, 2 * c));
    memcpy(data + 2 * c, data, 2 * (size_t)c);
    expect(source);
    assert_ok(hf_close(again));
}

static void case_140_sparse(void **state)
{
    (void)state;
    FILE_SET_SPARSE_BUFFER sparse = {1};
    fill_both(true);
    assert_ok(hf_ioctl(source, FSCTL_SET_SPARSE, &sparse, sizeof sparse, NULL, 0, NULL));
    assert_status(duplicate_all(), STATUS_NOT_SUPPORTED);
    assert_ok(duplicate(target, 0, source, 0, cluster));
    assert_ok(hf_ioctl(target, FSCTL_SET_SPARSE, &sparse, sizeof sparse, NULL, 0, NULL));
    assert_ok(duplicate_all());
}

static void case_141_142_sources_that_are_none(void **state)
{
    (void)state;
    fill_both(true);
    assert_ok(hf_attach("Y:", "ram:16M"));
    assert_ok(hf_format("Y:", &(struct hf_format_options){.cluster = cluster == 4096 ? 4096 : 65536}));
    hf_handle closed = spec_file("X:\\closed"), other = spec_file("Y:\\other"),
              disk = spec_open("\\\\.\\X:", FILE_READ_DATA, FILE_OPEN, 0),
              drive = spec_open("\\\\.\\PhysicalDrive0", FILE_READ_DATA, FILE_OPEN, 0),
              directory = spec_dir("X:\\d"),
              blind = spec_open("X:\\source", FILE_WRITE_DATA | FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    spec_write(other, 0, data, cluster);
    assert_ok(hf_close(closed));
    hf_handle wrong[] = {NULL,
                         (hf_handle)1,
                         (hf_handle)0x123456789abcdef0,
                         (hf_handle)UINTPTR_MAX,
                         closed,
                         other,
                         disk,
                         drive,
                         directory,
                         blind};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_status(duplicate(wrong[i], 0, target, 0, cluster), STATUS_INVALID_PARAMETER);
    for (size_t i = 5; i < COUNT(wrong); i++)
        assert_ok(hf_close(wrong[i]));
    assert_ok(hf_detach("Y:"));
}

static void case_143_extended(void **state)
{
    (void)state;
    fill_both(true);
    DUPLICATE_EXTENTS_DATA_EX in = {sizeof in, source, 0, 0, (int64_t)CLUSTERS * cluster, 0};
    assert_status(hf_ioctl(target, FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, &in, 0x2f, NULL, 0, NULL),
                  STATUS_BUFFER_TOO_SMALL);
    in.Size = 0x38;
    assert_status(hf_ioctl(target, FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, &in, sizeof in, NULL, 0, NULL),
                  STATUS_NOT_SUPPORTED);
    in.Size = 0x30;
    in.Flags = DUPLICATE_EXTENTS_DATA_EX_SOURCE_ATOMIC;
    assert_status(hf_ioctl(target, FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, &in, sizeof in, NULL, 0, NULL),
                  STATUS_NOT_SUPPORTED);
    in.Flags = 0;
    assert_ok(hf_ioctl(target, FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, &in, sizeof in, NULL, 0, NULL));
    expect(target);
}

static void case_144_too_many_references(void **state)
{
    (void)state;
    enum { MOST = 8175 };
    fill_both(true);
    FILE_END_OF_FILE_INFORMATION end = {(int64_t)(MOST + 1) * cluster};
    assert_ok(hf_set(target, FileEndOfFileInformation, &end, sizeof end));
    for (int64_t i = 1; i < MOST; i++)
        assert_ok(duplicate(source, 0, target, i * cluster, cluster));
    assert_status(duplicate(source, 0, target, (int64_t)MOST * cluster, cluster),
                  STATUS_BLOCK_TOO_MANY_REFERENCES);
    assert_int_equal(hf_status_to_win32(STATUS_BLOCK_TOO_MANY_REFERENCES), 347);
}

static void case_145_enforcement_may_differ(void **state)
{
    (void)state;
    set_integrity(source, true, 0);
    set_integrity(target, true, FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF);
    fill(target, 1);
    fill(source, 2);
    assert_ok(duplicate_all());
    expect(target);
}

// --- sparse files ------------------------------------------------------------------------------------

static nt_status ranges(hf_handle h, int64_t offset, int64_t length, void *out, size_t room, size_t *done)
{
    FILE_ALLOCATED_RANGE_BUFFER in = {offset, length};
    return hf_ioctl(h, FSCTL_QUERY_ALLOCATED_RANGES, &in, sizeof in, out, room, done);
}

static void expect_range(const FILE_ALLOCATED_RANGE_BUFFER *range, int64_t offset, int64_t length)
{
    assert_int_equal(range->FileOffset, offset);
    assert_int_equal(range->Length, length);
}

// Data, hole, data, hole, data; the middle piece in clusters that do not lie together.
static void make_holes(hf_handle h)
{
    size_t c = cluster;
    memset(data, 'd', sizeof data);
    spec_write(h, 0, data, c);
    for (size_t i = 6; i >= 4; i--)
        spec_write(h, i * c, data, c);
    spec_write(h, 10 * c, data, 100);
}

static void ranges_of_a_file_with_holes(void **state)
{
    (void)state;
    FILE_ALLOCATED_RANGE_BUFFER out[4];
    int64_t c = cluster;
    size_t done;
    for (int integrity = 0; integrity < 2; integrity++) {
        hf_handle h = integrity ? source : target;
        set_integrity(h, integrity, 0);
        assert_ok(ranges(h, 0, INT64_MAX, out, sizeof out, &done));
        assert_int_equal(done, 0);
        make_holes(h);
        assert_ok(ranges(h, 0, INT64_MAX, out, sizeof out, &done));
        assert_int_equal(done, 48);
        expect_range(&out[0], 0, c);
        expect_range(&out[1], 4 * c, 3 * c);
        expect_range(&out[2], 10 * c, 100);
        // Clipped to what was asked for.
        assert_ok(ranges(h, 5 * c + 1, 5, out, 16, &done));
        assert_int_equal(done, 16);
        expect_range(&out[0], 5 * c + 1, 5);
        assert_ok(ranges(h, c - 1, 3 * c + 2, out, sizeof out, &done));
        assert_int_equal(done, 32);
        expect_range(&out[0], c - 1, 1);
        expect_range(&out[1], 4 * c, 1);
        assert_ok(ranges(h, c, 3 * c, out, sizeof out, &done));
        assert_int_equal(done, 0);
        assert_ok(ranges(h, 10 * c + 100, 1, out, sizeof out, &done));
        assert_int_equal(done, 0);
    }
}

// A caller with room for one range at a time comes to the end.
static void ranges_go_on_after_an_overflow(void **state)
{
    (void)state;
    FILE_ALLOCATED_RANGE_BUFFER out;
    int64_t c = cluster, at = 0, total = 0;
    size_t done;
    make_holes(source);
    nt_status status;
    int turns = 0;
    while ((status = ranges(source, at, INT64_MAX - at, &out, sizeof out, &done)) == STATUS_BUFFER_OVERFLOW) {
        assert_int_equal(done, sizeof out);
        total += out.Length;
        at = out.FileOffset + out.Length;
        assert_true(++turns < 4);
    }
    assert_ok(status);
    assert_int_equal(turns, 2);
    assert_int_equal(total + out.Length, 4 * c + 100);
    uint8_t odd[47];
    assert_status(ranges(source, 0, INT64_MAX, odd, sizeof odd, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(done, 32);
}

static void ranges_parameters(void **state)
{
    (void)state;
    FILE_ALLOCATED_RANGE_BUFFER in = {0, 1}, out;
    size_t done;
    spec_write(source, 0, "x", 1);
    assert_status(hf_ioctl(source, FSCTL_QUERY_ALLOCATED_RANGES, &in, 15, &out, sizeof out, &done),
                  STATUS_INVALID_PARAMETER);
    assert_status(ranges(source, -1, 1, &out, sizeof out, &done), STATUS_INVALID_PARAMETER);
    assert_status(ranges(source, 0, -1, &out, sizeof out, &done), STATUS_INVALID_PARAMETER);
    assert_status(ranges(source, 2, INT64_MAX - 1, &out, sizeof out, &done), STATUS_INVALID_PARAMETER);
    assert_ok(ranges(source, 0, 0, NULL, 0, &done));
    assert_status(ranges(source, 0, 1, NULL, 0, &done), STATUS_BUFFER_TOO_SMALL);
    assert_status(ranges(source, 0, 1, &out, 15, &done), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(done, 0);
    hf_handle d = spec_dir("X:\\d"), writer = spec_open("X:\\source", FILE_WRITE_DATA, FILE_OPEN, 0),
              disk = spec_open("\\\\.\\X:", FILE_READ_DATA, FILE_OPEN, 0);
    assert_status(ranges(d, 0, 1, &out, sizeof out, &done), STATUS_INVALID_PARAMETER);
    assert_status(ranges(disk, 0, 1, &out, sizeof out, &done), STATUS_INVALID_PARAMETER);
    assert_status(ranges(writer, 0, 1, &out, sizeof out, &done), STATUS_ACCESS_DENIED);
    // in and out may be the same memory.
    assert_ok(hf_ioctl(source, FSCTL_QUERY_ALLOCATED_RANGES, &in, sizeof in, &in, sizeof in, &done));
    expect_range(&in, 0, 1);
    assert_ok(hf_close(d));
    assert_ok(hf_close(writer));
    assert_ok(hf_close(disk));
}

static nt_status zero(hf_handle h, int64_t from, int64_t beyond)
{
    FILE_ZERO_DATA_INFORMATION in = {from, beyond};
    return hf_ioctl(h, FSCTL_SET_ZERO_DATA, &in, sizeof in, NULL, 0, NULL);
}

static void zeros_give_whole_clusters_back(void **state)
{
    (void)state;
    FILE_ALLOCATED_RANGE_BUFFER out[2];
    int64_t c = cluster;
    size_t done;
    for (int integrity = 0; integrity < 2; integrity++) {
        set_integrity(source, integrity, 0);
        fill(source, 1);
        assert_ok(zero(source, c - 10, 3 * c + 10));
        memset(data + c - 10, 0, (size_t)(2 * c + 20));
        expect(source);
        assert_ok(ranges(source, 0, INT64_MAX, out, sizeof out, &done));
        assert_int_equal(done, 32);
        expect_range(&out[0], 0, c);
        expect_range(&out[1], 3 * c, c);
        assert_ok(zero(source, 5, 5));
        assert_ok(zero(source, 3 * c + 20, INT64_MAX));
        memset(data + 3 * c + 20, 0, (size_t)c - 20);
        expect(source); // and no longer than before
        assert_ok(zero(source, CLUSTERS * c, INT64_MAX));
        FILE_END_OF_FILE_INFORMATION empty = {0};
        assert_ok(hf_set(source, FileEndOfFileInformation, &empty, sizeof empty));
    }
}

static void zeros_of_a_clone_are_its_own(void **state)
{
    (void)state;
    fill_both(true);
    assert_ok(duplicate_all());
    assert_ok(zero(source, 10, 2 * (int64_t)cluster));
    expect(target);
    memset(data + 10, 0, 2 * (size_t)cluster - 10);
    expect(source);
}

// A reader's handle on a read-only volume: what is looked at first?
static void a_read_only_volume(void **state)
{
    (void)state;
    fill_both(true);
    assert_ok(hf_close(source));
    assert_ok(hf_close(target));
    spec_remount(",readonly");
    hf_handle h = spec_open("X:\\source", FILE_READ_DATA, FILE_OPEN, 0);
    FILE_ALLOCATED_RANGE_BUFFER out;
    size_t done;
    assert_status(hf_ioctl(h, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL), STATUS_MEDIA_WRITE_PROTECTED);
    assert_status(zero(h, 0, 1), STATUS_ACCESS_DENIED); // by its code
    assert_ok(ranges(h, 0, 1, &out, sizeof out, &done));
    assert_ok(hf_close(h));
    spec_remount("");
    h = spec_open("X:\\source", FILE_READ_DATA, FILE_OPEN, 0);
    assert_status(hf_ioctl(h, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL), STATUS_ACCESS_DENIED);
    assert_ok(hf_close(h));
    source = spec_file("X:\\source");
    target = spec_file("X:\\target");
}

#define CASES(test)                                   \
    {#test "_4K", test, setup_v4, teardown, NULL},    \
    {                                                 \
#test "_64K", test, setup_v64, teardown, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(case_052_053_084_integrity_of_shared_clusters, setup_any, teardown),
        CASES(case_132_same_integrity),
        CASES(case_133_one_with_integrity),
        CASES(case_134_a_write_copies_its_cluster),
        CASES(case_135_rot_in_a_shared_cluster),
        CASES(case_136_not_aligned),
        CASES(case_137_nothing),
        CASES(case_138_beyond_the_end),
        CASES(case_139_overlap),
        CASES(case_140_sparse),
        CASES(case_141_142_sources_that_are_none),
        CASES(case_143_extended),
        CASES(case_144_too_many_references),
        CASES(case_145_enforcement_may_differ),
        CASES(ranges_of_a_file_with_holes),
        CASES(ranges_go_on_after_an_overflow),
        CASES(ranges_parameters),
        CASES(zeros_give_whole_clusters_back),
        CASES(zeros_of_a_clone_are_its_own),
        CASES(a_read_only_volume),
    };
    return cmocka_run_group_tests_name("clone", tests, NULL, NULL);
}
