// SPDX-License-Identifier: Apache-2.0
// Events through the public API: cases 119 to 121 of spec/integrity.md for a volume with one copy of its
// data, and who listens.
#include "tests/spec/spec.h"

#include <holdfast/posix.h>

static hf_handle f;
static int heard;

static void hear(void *context)
{
    ++*(int *)context;
}

static int setup(void **state)
{
    (void)state;
    static uint8_t data[3 * 16384];
    memset(data, 'd', sizeof data);
    spec_new(&(struct hf_format_options){.integrity = true});
    f = spec_file("X:\\f");
    spec_write(f, 0, data, sizeof data);
    assert_ok(hf_close(f));
    spec_rot("X:\\f", 16384 + 5, 4096);
    spec_rot("X:\\f", 2 * 16384 + 5, 4096);
    f = spec_file("X:\\f");
    heard = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(hf_close(f));
    spec_free();
    return 0;
}

static void case_119_one_event_for_a_range(void **state)
{
    (void)state;
    uint8_t byte;
    struct hf_event events[4];
    struct hf_stat st;
    size_t done, count = 4;
    assert_ok(hf_events(f, 0, events, &count));
    assert_int_equal(count, 0);
    assert_ok(hf_listen(f, hear, &heard));
    assert_ok(hf_stat(f, &st));
    for (int i = 0; i < 5; i++)
        for (uint64_t at = 16384; at < 3 * 16384; at += 4096)
            assert_status(hf_read(f, at, &byte, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    count = 4;
    assert_ok(hf_events(f, 0, events, &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(events[i].sequence, i + 1);
        assert_int_equal(events[i].id, 133);
        assert_int_equal(events[i].node, st.id);
        assert_int_equal(events[i].offset, 16384 * (i + 1));
        assert_int_equal(events[i].length, 16384);
        assert_int_equal(events[i].count, 20);
    }
    assert_int_equal(heard, 2);
    count = 4;
    assert_ok(hf_events(f, 1, events, &count));
    assert_int_equal(count, 1);
    assert_int_equal(events[0].sequence, 2);
    count = 0;
    assert_status(hf_events(f, 0, events, &count), STATUS_BUFFER_TOO_SMALL);
    count = SIZE_MAX; // never more than are kept
    assert_ok(hf_events(f, 2, events, &count));
    assert_int_equal(count, 0);
}

static void case_120_nothing_without_enforcement(void **state)
{
    (void)state;
    static uint8_t data[3 * 16384];
    struct hf_event event;
    size_t done, count = 1;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = CHECKSUM_TYPE_UNCHANGED,
                                                  .Flags = FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF};
    assert_ok(hf_ioctl(f, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0, NULL));
    assert_ok(hf_read(f, 0, data, sizeof data, &done));
    assert_ok(hf_events(f, 0, &event, &count));
    assert_int_equal(count, 0);
}

static void case_121_every_file_has_its_event(void **state)
{
    (void)state;
    enum { FILES = 300 };
    static struct hf_event events[HF_EVENTS_KEPT];
    static uint64_t ids[FILES];
    static uint8_t data[16384];
    char name[32];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "X:\\many%d", i);
        hf_handle h = spec_file(name);
        struct hf_stat st;
        spec_write(h, 0, data, sizeof data);
        assert_ok(hf_stat(h, &st));
        ids[i] = st.id;
        uint64_t at = spec_locate(h, 5, 4096);
        assert_ok(hf_close(h));
        int fd = open(spec_path, O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "rot", 3, (off_t)at), 3);
        close(fd);
    }
    for (int i = 0; i < FILES; i++) {
        size_t done;
        snprintf(name, sizeof name, "X:\\many%d", i);
        hf_handle h = spec_file(name);
        assert_status(hf_read(h, 0, data, sizeof data, &done), STATUS_DATA_CHECKSUM_ERROR);
        assert_ok(hf_close(h));
    }
    size_t count = COUNT(events);
    assert_ok(hf_events(f, 0, events, &count));
    assert_int_equal(count, FILES);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(events[i].node, ids[i]);
        assert_int_equal(events[i].id, 133);
        assert_int_equal(events[i].count, 1);
    }
}

static void nobody_is_told_any_more(void **state)
{
    (void)state;
    uint8_t byte;
    size_t done;
    int other = 0;
    hf_handle volume = spec_open("\\\\.\\X:", FILE_READ_DATA, FILE_OPEN, 0),
              drive = spec_open("\\\\.\\PhysicalDrive0", FILE_READ_DATA, FILE_OPEN, 0);
    assert_ok(hf_listen(f, hear, &heard));
    assert_ok(hf_listen(volume, hear, &other)); // the last one
    assert_status(hf_read(f, 16384, &byte, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    assert_int_equal(heard, 0);
    assert_int_equal(other, 1);
    assert_ok(hf_listen(f, NULL, NULL));
    assert_status(hf_read(f, 2 * 16384, &byte, 1, &done), STATUS_DATA_CHECKSUM_ERROR);
    assert_int_equal(other, 1);
    size_t count = 1;
    struct hf_event event;
    assert_ok(hf_events(volume, 1, &event, &count));
    assert_int_equal(count, 1);
    assert_ok(hf_close(volume));
    // What is no volume has no events.
    count = 1;
    assert_status(hf_listen(NULL, hear, &heard), STATUS_INVALID_HANDLE);
    assert_status(hf_events(volume, 0, &event, &count), STATUS_INVALID_HANDLE);
    assert_int_equal(count, 0);
    assert_status(hf_events(f, 0, &event, NULL), STATUS_INVALID_PARAMETER);
    (void)!hf_listen(drive, NULL, NULL);
    assert_ok(hf_close(drive));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(case_119_one_event_for_a_range, setup, teardown),
        cmocka_unit_test_setup_teardown(case_120_nothing_without_enforcement, setup, teardown),
        cmocka_unit_test_setup_teardown(case_121_every_file_has_its_event, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_told_any_more, setup, teardown),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
