// SPDX-License-Identifier: Apache-2.0
// Volume information: every class, short and cut buffers, the feature bits that a format option takes away,
// the label.
#include "tests/test.h"

#include "tests/fs/volume.h"

static nt_status query(struct file_object *f, u32 class_, void *data, size_t length, u64 *done)
{
    return volume_query_any(f, IRP_MJ_QUERY_VOLUME_INFORMATION, class_, data, length, done);
}

static nt_status set_label(struct file_object *f, const char *label)
{
    struct irp irp = {.major = IRP_MJ_SET_VOLUME_INFORMATION};
    irp.p.set.class_ = FileFsLabelInformation;
    irp.p.set.name = (struct str){label, (u32)strlen(label)};
    return volume_send(f, &irp);
}

static void open_volume(struct volume *v, struct file_object *f, u32 access)
{
    assert_ok(volume_open(v, f, NULL, access, FILE_OPEN, 0));
}

static void sizes(void **state)
{
    (void)state;
    struct volume v;
    struct file_object f;
    FILE_FS_SIZE_INFORMATION size;
    FILE_FS_FULL_SIZE_INFORMATION full;
    FILE_FS_DEVICE_INFORMATION device;
    u64 done;
    volume_new(&v, NULL);
    open_volume(&v, &f, FILE_READ_DATA);
    assert_ok(query(&f, FileFsSizeInformation, &size, sizeof size, &done));
    assert_int_equal(done, sizeof size);
    assert_int_equal(size.SectorsPerAllocationUnit * size.BytesPerSector, 4096);
    assert_in_range(size.TotalAllocationUnits, 1, VOLUME_SIZE / 4096);
    assert_in_range(size.AvailableAllocationUnits, 1, (u64)size.TotalAllocationUnits);
    assert_ok(query(&f, FileFsFullSizeInformation, &full, sizeof full, &done));
    assert_int_equal(full.TotalAllocationUnits, size.TotalAllocationUnits);
    assert_int_equal(full.CallerAvailableAllocationUnits, full.ActualAvailableAllocationUnits);
    assert_ok(query(&f, FileFsDeviceInformation, &device, sizeof device, &done));
    assert_int_equal(device.DeviceType, FILE_DEVICE_DISK);
    assert_status(query(&f, FileFsSizeInformation, &size, sizeof size - 1, &done),
                  STATUS_INFO_LENGTH_MISMATCH);
    assert_status(query(&f, 4711, &size, sizeof size, &done), STATUS_INVALID_INFO_CLASS);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

static void statistics(void **state)
{
    (void)state;
    struct volume v;
    struct file_object f;
    HF_FS_STATS_INFORMATION before, after;
    u64 done;
    volume_new(&v, NULL);
    open_volume(&v, &f, FILE_READ_DATA | FILE_WRITE_DATA);
    assert_status(query(&f, FileHfFsStatsInformation, &before, sizeof before - 1, &done),
                  STATUS_INFO_LENGTH_MISMATCH);
    assert_ok(query(&f, FileHfFsStatsInformation, &before, sizeof before, &done));
    assert_int_equal(done, sizeof before);
    assert_in_range(before.PagesRead, 1, 100);
    struct file_object directory;
    assert_ok(volume_open(&v, &directory, "d", FILE_READ_DATA, FILE_CREATE, FILE_DIRECTORY_FILE));
    assert_ok(volume_close(&directory));
    assert_ok(volume_flush(&f));
    assert_ok(query(&f, FileHfFsStatsInformation, &after, sizeof after, &done));
    assert_int_equal(after.Commits, before.Commits + 1);
    assert_in_range(after.PagesWritten, before.PagesWritten + 2, before.PagesWritten + 20);
    assert_int_equal(after.ChecksumErrors + after.Repairs, 0);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

static void labels(void **state)
{
    (void)state;
    struct volume v;
    struct file_object f;
    u8 buffer[64];
    u64 done;
    volume_new(&v, &(struct store_format_options){.cluster = 4096, .label = STR("one")});
    open_volume(&v, &f, FILE_READ_DATA | FILE_WRITE_DATA);
    assert_ok(query(&f, FileFsVolumeInformation, buffer, sizeof buffer, &done));
    assert_int_equal(done, 18 + 6);
    assert_memory_equal(buffer + 18, "o\0n\0e\0", 6);
    assert_ok(set_label(&f, "a longer one"));
    assert_ok(query(&f, FileFsVolumeInformation, buffer, sizeof buffer, &done));
    assert_int_equal(get_le32(buffer + 12), 24);
    assert_int_equal(done, 18 + 24);
    assert_status(query(&f, FileFsVolumeInformation, buffer, 25, &done), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(done, 24); // no half characters
    assert_int_equal(get_le32(buffer + 12), 24);
    assert_ok(volume_close(&f));
    open_volume(&v, &f, FILE_READ_DATA);
    assert_status(set_label(&f, "no"), STATUS_ACCESS_DENIED);
    assert_ok(volume_close(&f));
    volume_free(&v);
}

static u32 features(const struct store_format_options *options)
{
    struct volume v;
    struct file_object f;
    union {
        FILE_FS_ATTRIBUTE_INFORMATION info;
        u8 bytes[64];
    } u;
    u64 done;
    volume_new(&v, options);
    open_volume(&v, &f, FILE_READ_DATA);
    assert_status(query(&f, FileFsAttributeInformation, &u, sizeof u.info, &done), STATUS_BUFFER_OVERFLOW);
    assert_ok(query(&f, FileFsAttributeInformation, &u, sizeof u, &done));
    assert_int_equal(done, 12 + 16);
    assert_memory_equal(u.bytes + 12, "H\0o\0l\0d\0f\0a\0s\0t\0", 16);
    assert_int_equal(u.info.MaximumComponentNameLength, 255);
    assert_ok(volume_close(&f));
    volume_free(&v);
    return u.info.FileSystemAttributes;
}

static void integrity_017_and_RP_198_feature_bits(void **state)
{
    (void)state;
    u32 both = FILE_SUPPORTS_INTEGRITY_STREAMS | FILE_SUPPORTS_REPARSE_POINTS;
    struct store_format_options o = {.cluster = 4096};
    assert_int_equal(features(&o) & (both | FILE_CASE_SENSITIVE_SEARCH), both);
    o.options = OPTION_NO_INTEGRITY;
    assert_int_equal(features(&o) & both, FILE_SUPPORTS_REPARSE_POINTS);
    o.options = OPTION_NO_REPARSE;
    assert_int_equal(features(&o) & both, FILE_SUPPORTS_INTEGRITY_STREAMS);
    o.options = OPTION_CASE_SENSITIVE;
    assert_int_equal(features(&o) & FILE_CASE_SENSITIVE_SEARCH, FILE_CASE_SENSITIVE_SEARCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(statistics),
        cmocka_unit_test(labels),
        cmocka_unit_test(integrity_017_and_RP_198_feature_bits),
    };
    return cmocka_run_group_tests_name("volinfo", tests, NULL, NULL);
}
