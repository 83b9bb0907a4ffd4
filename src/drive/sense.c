// SPDX-License-Identifier: Apache-2.0
// THE sense table: what a drive says -> status, retries, what it means for the medium
// (spec/storage.md 2.2, 2.3). The first row that matches counts, so the special ones come first.
#include "drive/sense.h"

enum { ANY = -1, NO = -1 };

// clang-format off
// How a command ended that brought no sense; the same for all kinds of drive.
static const struct sense_row transport_rows[] = {
    {BLK_TIMED_OUT,         ANY, ANY, 0, STATUS_IO_TIMEOUT,           1,  SENSE_VERIFY},
    {BLK_ABORTED,           ANY, ANY, 0, STATUS_IO_TIMEOUT,           1,  0},
    {BLK_SELECTION_TIMEOUT, ANY, ANY, 0, STATUS_DEVICE_NOT_CONNECTED, NO, SENSE_VERIFY},
    {BLK_NO_DEVICE,         ANY, ANY, 0, STATUS_NO_SUCH_DEVICE,       NO, SENSE_VERIFY},
    {BLK_BUS_RESET,         ANY, ANY, 0, STATUS_IO_DEVICE_ERROR,      0,  0},
    {BLK_PARITY,            ANY, ANY, 0, STATUS_IO_DEVICE_ERROR,      1,  SENSE_VERIFY},
    {BLK_BUSY,              ANY, ANY, 0, STATUS_DEVICE_NOT_READY,     0,  0},
    {BLK_RESERVED,          ANY, ANY, 0, STATUS_DEVICE_BUSY,          NO, SENSE_VERIFY},
    {BLK_OVERRUN,           ANY, ANY, 0, STATUS_DATA_OVERRUN,         NO, 0},
    {ANY,                   ANY, ANY, 0, STATUS_IO_DEVICE_ERROR,      0,  0},
};

enum { DATA = SENSE_OF_READ | SENSE_OF_WRITE };

static const struct sense_row disk_rows[] = {
    {0x1, 0x5d, ANY,  0, STATUS_SUCCESS,                     NO, SENSE_VERIFY | SENSE_PREDICTED},
    {0x1, ANY,  ANY,  0, STATUS_SUCCESS,                     NO, SENSE_VERIFY},
    {0x2, 0x04, 0x00, 0, STATUS_DEVICE_NOT_READY,            NO, SENSE_VERIFY},
    {0x2, 0x04, 0x01, 0, STATUS_DEVICE_NOT_READY,            10, SENSE_VERIFY | SENSE_BECOMING},
    {0x2, 0x04, 0x03, 0, STATUS_NO_MEDIA_IN_DEVICE,          NO, SENSE_VERIFY},
    {0x2, 0x04, 0x04, 0, STATUS_DEVICE_NOT_READY,            NO, 0},
    {0x2, 0x04, 0x07, 0, STATUS_DEVICE_NOT_READY,            10, SENSE_BECOMING},
    {0x2, 0x04, 0x08, 0, STATUS_DEVICE_NOT_READY,            NO, 0},
    {0x2, 0x04, 0x14, 0, STATUS_RETRY,                       10, 0},
    {0x2, 0x04, ANY,  0, STATUS_DEVICE_NOT_READY,            0,  SENSE_START},
    {0x2, 0x3a, ANY,  0, STATUS_NO_MEDIA_IN_DEVICE,          NO, SENSE_VERIFY | SENSE_ABSENT},
    {0x2, ANY,  ANY,  0, STATUS_DEVICE_NOT_READY,            0,  0},
    {0x3, 0x30, 0x01, 0, STATUS_UNRECOGNIZED_MEDIA,          NO, SENSE_VERIFY},
    {0x3, 0x30, 0x03, 0, STATUS_CLEANER_CARTRIDGE_INSTALLED, NO, SENSE_VERIFY},
    {0x3, ANY,  ANY,  0, STATUS_DEVICE_DATA_ERROR,           NO, SENSE_VERIFY},
    {0x4, 0x08, 0x03, 0, STATUS_DEVICE_HARDWARE_ERROR,       1,  SENSE_VERIFY},
    {0x4, ANY,  ANY,  0, STATUS_DEVICE_HARDWARE_ERROR,       NO, SENSE_VERIFY},
    {0x5, 0x21, ANY,  DATA, STATUS_NONEXISTENT_SECTOR,       NO, 0},
    {0x5, 0x25, ANY,  0, STATUS_NO_SUCH_DEVICE,              NO, 0},
    {0x5, ANY,  ANY,  0, STATUS_INVALID_DEVICE_REQUEST,      NO, 0},
    {0x6, 0x28, ANY,  0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT | SENSE_PRESENT},
    {0x6, 0x2a, 0x09, 0, STATUS_VERIFY_REQUIRED,             1,  SENSE_UNIT},
    {0x6, 0x38, 0x07, 0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT},
    {0x6, 0x38, ANY,  0, STATUS_VERIFY_REQUIRED,             NO, SENSE_UNIT},
    {0x6, 0x3f, 0x01, 0, STATUS_VERIFY_REQUIRED,             1,  SENSE_UNIT},
    {0x6, 0x3f, ANY,  0, STATUS_VERIFY_REQUIRED,             5,  SENSE_UNIT},
    {0x6, 0x5a, 0x01, 0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT | SENSE_EJECT},
    {0x6, 0x5d, ANY,  0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT | SENSE_PREDICTED},
    {0x6, ANY,  ANY,  0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT},
    {0x7, 0x27, 0x07, 0, STATUS_DISK_RESOURCES_EXHAUSTED,    NO, 0},
    {0x7, 0x27, ANY,  0, STATUS_MEDIA_WRITE_PROTECTED,       NO, 0},
    {0x7, ANY,  ANY,  SENSE_OF_WRITE, STATUS_MEDIA_WRITE_PROTECTED, NO, 0},
    {0x7, ANY,  ANY,  0, STATUS_ACCESS_DENIED,               NO, 0},
    {0x8, ANY,  ANY,  0, STATUS_NO_DATA_DETECTED,            NO, 0},
    {0xb, ANY,  ANY,  0, STATUS_IO_DEVICE_ERROR,             1,  0},
    {ANY, ANY,  ANY,  0, STATUS_IO_DEVICE_ERROR,             0,  0},
};

// A CD drive is asked for its additional sense first, and for the key only when that is nothing special.
static const struct sense_row cdrom_rows[] = {
    {ANY, 0x04, 0x01, 0, STATUS_DEVICE_NOT_READY,            10, SENSE_BECOMING},
    {ANY, 0x04, 0x03, 0, STATUS_NO_MEDIA_IN_DEVICE,          NO, 0},
    {ANY, 0x04, 0x04, 0, STATUS_DEVICE_NOT_READY,            NO, 0},
    {ANY, 0x04, 0x07, 0, STATUS_DEVICE_NOT_READY,            10, SENSE_BECOMING},
    {ANY, 0x04, 0x08, 0, STATUS_DEVICE_NOT_READY,            0,  0},
    {ANY, 0x04, ANY,  0, STATUS_DEVICE_NOT_READY,            0,  SENSE_START},
    {ANY, 0x3a, ANY,  0, STATUS_NO_MEDIA_IN_DEVICE,          NO, SENSE_ABSENT},
    {ANY, 0x30, 0x01, 0, STATUS_UNRECOGNIZED_MEDIA,          NO, 0},
    {ANY, 0x30, 0x02, 0, STATUS_UNRECOGNIZED_MEDIA,          NO, 0},
    {ANY, 0x30, 0x03, 0, STATUS_CLEANER_CARTRIDGE_INSTALLED, NO, 0},
    {ANY, 0x28, ANY,  0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT | SENSE_PRESENT},
    {ANY, 0x3f, ANY,  0, STATUS_VERIFY_REQUIRED,             5,  SENSE_UNIT},
    {ANY, 0x5a, 0x01, 0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT | SENSE_EJECT},
    {0x1, 0x5d, ANY,  0, STATUS_SUCCESS,                     NO, SENSE_PREDICTED},
    {0x1, ANY,  ANY,  0, STATUS_SUCCESS,                     NO, 0},
    {0x2, ANY,  ANY,  0, STATUS_DEVICE_NOT_READY,            0,  0},
    {0x3, ANY,  ANY,  0, STATUS_DEVICE_DATA_ERROR,           NO, 0},
    {0x5, 0x21, ANY,  DATA, STATUS_NONEXISTENT_SECTOR,       NO, 0},
    {0x5, 0x25, ANY,  0, STATUS_NO_SUCH_DEVICE,              NO, 0},
    {0x5, ANY,  ANY,  0, STATUS_INVALID_DEVICE_REQUEST,      NO, 0},
    {0x6, 0x5d, ANY,  0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT | SENSE_PREDICTED},
    {0x6, ANY,  ANY,  0, STATUS_VERIFY_REQUIRED,             0,  SENSE_UNIT},
    {0x7, ANY,  ANY,  0, STATUS_MEDIA_WRITE_PROTECTED,       NO, 0},
    {0x8, ANY,  ANY,  0, STATUS_NO_DATA_DETECTED,            NO, 0},
    {0xb, ANY,  ANY,  0, STATUS_IO_DEVICE_ERROR,             1,  0},
    {ANY, ANY,  ANY,  0, STATUS_IO_DEVICE_ERROR,             0,  0},
};

// Where tape differs from disk (spec/storage.md 2.7, D14, D15).
static const struct sense_row tape_rows[] = {
    {0x2, 0x04, 0x03, 0, STATUS_NO_MEDIA,                    NO, 0},
    {0x2, 0x3a, ANY,  0, STATUS_NO_MEDIA,                    NO, SENSE_ABSENT},
    {0x6, 0x29, ANY,  0, STATUS_BUS_RESET,                   NO, SENSE_UNIT},
};
// clang-format on

static bool matches(short wanted, u8 given)
{
    return wanted == ANY || wanted == given;
}

static const struct sense_row *search(const struct sense_row *rows, size_t n, enum sense_use use,
                                      const struct sense *sense, u8 key)
{
    for (size_t i = 0; i < n; i++)
        if (matches(rows[i].key, key) && matches(rows[i].asc, sense->asc) &&
            matches(rows[i].ascq, sense->ascq) && (rows[i].uses == 0 || (rows[i].uses & use)))
            return &rows[i];
    return NULL;
}

const struct sense_row *sense_find(enum drive_kind kind, enum sense_use use, const struct sense *sense)
{
    if (sense->transport != BLK_TRANSPORT_OK)
        return search(transport_rows, ARRAY_LEN(transport_rows), use, sense, sense->transport);
    if (kind == DRIVE_CDROM)
        return search(cdrom_rows, ARRAY_LEN(cdrom_rows), use, sense, sense->key);
    const struct sense_row *row = NULL;
    if (kind == DRIVE_TAPE)
        row = search(tape_rows, ARRAY_LEN(tape_rows), use, sense, sense->key);
    return row ? row : search(disk_rows, ARRAY_LEN(disk_rows), use, sense, sense->key);
}
