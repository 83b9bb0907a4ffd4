// SPDX-License-Identifier: Apache-2.0
// What a drive's answer means: one row of THE sense table.
#ifndef DRIVE_SENSE_H
#define DRIVE_SENSE_H

#include "drive/drive.h"

// What the command was for; some answers depend on it.
enum sense_use { SENSE_OF_READY = 1, SENSE_OF_READ = 2, SENSE_OF_WRITE = 4, SENSE_OF_OTHER = 8 };

enum sense_marks {
    SENSE_VERIFY = 1,      // a removable mounted medium must be verified (column V of spec/storage.md 2.2)
    SENSE_UNIT = 2,        // unit attention: status and retry follow the matrix of 2.3
    SENSE_START = 4,       // START UNIT may help
    SENSE_PRESENT = 8,     // there is a medium now
    SENSE_ABSENT = 16,     // there is none
    SENSE_BECOMING = 32,   // event BECOMING_READY
    SENSE_EJECT = 64,      // event EJECT_REQUEST
    SENSE_PREDICTED = 128, // event FAILURE_PREDICTED
};

struct sense_row {
    short key, asc, ascq; // -1: any. Transport table: key is the enum blk_transport
    u8 uses;              // enum sense_use bits; 0: all
    nt_status status;
    short delay; // in units of a second before each retry; -1: no retry
    u32 marks;
};

// Never NULL: the last row of each table takes what is left.
const struct sense_row *sense_find(enum drive_kind kind, enum sense_use use, const struct sense *sense);

#endif
