// SPDX-License-Identifier: Apache-2.0
// THE sense table: every answer has a row, and only statuses of spec/storage.md 2.2 come of it (case 89).
#include "tests/test.h"

#include "drive/sense.h"

static bool is_expected(nt_status status)
{
    static const nt_status all[] = {
        STATUS_SUCCESS,
        STATUS_IO_DEVICE_ERROR,
        STATUS_DEVICE_NOT_READY,
        STATUS_RETRY,
        STATUS_NO_MEDIA_IN_DEVICE,
        STATUS_DEVICE_DATA_ERROR,
        STATUS_NO_MEDIA,
        STATUS_UNRECOGNIZED_MEDIA,
        STATUS_CLEANER_CARTRIDGE_INSTALLED,
        STATUS_VERIFY_REQUIRED,
        STATUS_DEVICE_HARDWARE_ERROR,
        STATUS_INVALID_DEVICE_REQUEST,
        STATUS_NO_SUCH_DEVICE,
        STATUS_NONEXISTENT_SECTOR,
        STATUS_DISK_RESOURCES_EXHAUSTED,
        STATUS_ACCESS_DENIED,
        STATUS_MEDIA_WRITE_PROTECTED,
        STATUS_NO_DATA_DETECTED,
        STATUS_IO_TIMEOUT,
        STATUS_DEVICE_NOT_CONNECTED,
        STATUS_DEVICE_BUSY,
        STATUS_DATA_OVERRUN,
        STATUS_BUS_RESET,
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] == status)
            return true;
    return false;
}

static void case_089_every_sense_has_a_row(void **state)
{
    (void)state;
    for (u32 kind = DRIVE_DISK; kind <= DRIVE_TAPE; kind++) {
        for (u32 use = SENSE_OF_READY; use <= SENSE_OF_OTHER; use *= 2) {
            for (u32 code = 0; code < 1u << 22; code += 3) { // all keys, most of the rest
                struct sense sense = {code & 15, code >> 4 & 0xff, code >> 12 & 0xff, 0};
                const struct sense_row *row = sense_find((enum drive_kind)kind, use, &sense);
                assert_non_null(row);
                assert_true(is_expected(row->status));
            }
            for (u32 transport = 1; transport < 256; transport++) {
                struct sense sense = {0xff, 0xff, 0xff, (u8)transport};
                const struct sense_row *row = sense_find((enum drive_kind)kind, use, &sense);
                assert_non_null(row);
                assert_true(is_expected(row->status));
            }
        }
    }
}

static nt_status status_of(enum drive_kind kind, enum sense_use use, u8 key, u8 asc, u8 ascq)
{
    return sense_find(kind, use, &(struct sense){key, asc, ascq, 0})->status;
}

static void the_use_matters(void **state)
{
    (void)state;
    assert_status(status_of(DRIVE_DISK, SENSE_OF_READ, 5, 0x21, 0), STATUS_NONEXISTENT_SECTOR);
    assert_status(status_of(DRIVE_DISK, SENSE_OF_READY, 5, 0x21, 0), STATUS_INVALID_DEVICE_REQUEST);
    assert_status(status_of(DRIVE_DISK, SENSE_OF_WRITE, 7, 0x20, 0), STATUS_MEDIA_WRITE_PROTECTED);
    assert_status(status_of(DRIVE_DISK, SENSE_OF_READ, 7, 0x20, 0), STATUS_ACCESS_DENIED);
}

static void the_kind_matters(void **state)
{
    (void)state;
    assert_status(status_of(DRIVE_DISK, SENSE_OF_READY, 6, 0x3a, 0), STATUS_VERIFY_REQUIRED);
    assert_status(status_of(DRIVE_CDROM, SENSE_OF_READY, 6, 0x3a, 0), STATUS_NO_MEDIA_IN_DEVICE);
    assert_status(status_of(DRIVE_TAPE, SENSE_OF_READY, 2, 0x3a, 0), STATUS_NO_MEDIA);
    assert_status(status_of(DRIVE_TAPE, SENSE_OF_READY, 6, 0x29, 0), STATUS_BUS_RESET);
    assert_status(status_of(DRIVE_DISK, SENSE_OF_READY, 4, 0x44, 0), STATUS_DEVICE_HARDWARE_ERROR);
    assert_status(status_of(DRIVE_CDROM, SENSE_OF_READY, 4, 0x44, 0), STATUS_IO_DEVICE_ERROR);
    assert_status(status_of(DRIVE_CDROM, SENSE_OF_READ, 3, 0x30, 0x02), STATUS_UNRECOGNIZED_MEDIA);
    assert_status(status_of(DRIVE_DISK, SENSE_OF_READ, 3, 0x30, 0x02), STATUS_DEVICE_DATA_ERROR);
}

static void waits(void **state)
{
    (void)state;
    static const struct {
        struct sense sense;
        int delay;
    } rows[] = {
        {{2, 0x04, 0x01, 0}, 10},      {{2, 0x04, 0x07, 0}, 10}, {{2, 0x04, 0x14, 0}, 10},
        {{2, 0x04, 0x02, 0}, 0},       {{2, 0x3a, 0x00, 0}, -1}, {{0xb, 0, 0, 0}, 1},
        {{4, 0x08, 0x03, 0}, 1},       {{6, 0x3f, 0x01, 0}, 1},  {{6, 0x3f, 0x0e, 0}, 5},
        {{0, 0, 0, BLK_TIMED_OUT}, 1}, {{0, 0, 0, BLK_BUSY}, 0}, {{0, 0, 0, BLK_NO_DEVICE}, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(sense_find(DRIVE_DISK, SENSE_OF_READY, &rows[i].sense)->delay, rows[i].delay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_089_every_sense_has_a_row),
        cmocka_unit_test(the_use_matters),
        cmocka_unit_test(the_kind_matters),
        cmocka_unit_test(waits),
    };
    return cmocka_run_group_tests_name("sense", tests, NULL, NULL);
}
