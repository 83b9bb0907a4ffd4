// SPDX-License-Identifier: Apache-2.0
// Names as text: UTF-8 inside, UTF-16LE at the Windows edges, and the case table that a volume carries with
// it.
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/base.h"

enum {
    TEXT_NAME_UNITS = 255,                 // longest name, in UTF-16 code units
    TEXT_NAME_BYTES = TEXT_NAME_UNITS * 3, // the same as UTF-8: at most three bytes a unit
};

// UTF-16LE (byte array, n code units) -> UTF-8. *len in: room, out: bytes used. OBJECT_NAME_INVALID for an
// unpaired surrogate, BUFFER_TOO_SMALL when there is no room. NUL units pass through.
nt_status text_from_utf16(const void *utf16, size_t units, char *out, size_t *len);

// UTF-8 -> UTF-16LE. *units in: room in code units, out: units used (the number needed, on BUFFER_TOO_SMALL).
// OBJECT_NAME_INVALID for bytes that are not UTF-8 (overlong, surrogate, beyond U+10FFFF, cut short).
nt_status text_to_utf16(struct str text, void *out, size_t *units);

// Length in UTF-16 code units; OBJECT_NAME_INVALID as above.
nt_status text_units(struct str text, size_t *units);

// Case table: upper[c] of each code unit of the Basic Multilingual Plane, as NTFS keeps it in $UpCase. Each
// volume stores the table that it was made with, because a later Unicode version must not reorder its
// directories.
struct case_table {
    u16 upper[65536];
};
void case_table_default(struct case_table *t);
// The table as the list of (unit, upper) pairs that differ, little endian, 4 bytes a pair.
size_t case_table_pack(const struct case_table *t, u8 *out,
                       size_t size); // bytes used; 0 when out is too small
nt_status case_table_unpack(struct case_table *t, const u8 *pairs, size_t len); // DISK_CORRUPT_ERROR

// Fold a valid UTF-8 name through the table (NULL: byte for byte). out must have TEXT_NAME_BYTES.
// OBJECT_NAME_INVALID when the name is not UTF-8 or longer than TEXT_NAME_UNITS.
nt_status text_fold(const struct case_table *t, struct str name, char *out, u32 *len);

// "4096", "64M": a number of bytes, with K, M, G or T for the powers of 1024. False: it is none.
bool text_size(const char *text, u64 *out);

// Windows wildcards * and ?, and the DOS forms < > ", matched on folded text.
bool text_matches(const struct case_table *t, struct str pattern, struct str name);

#endif
