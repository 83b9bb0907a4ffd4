// SPDX-License-Identifier: Apache-2.0
// What the medium holds, past every cache that can be passed: how a check and a scrub read.
#ifndef ENGINE_FRESH_H
#define ENGINE_FRESH_H

#include "engine/extent.h"
#include "engine/page.h"

enum { FRESH_STEP = 1 << 20, FRESH_UNITS = FRESH_STEP / 4096 };

// Memory for what is read, aligned so that reads need not go by way of the host's page cache.
void *fresh_buffer(size_t size);
// The place of a superblock. DISK_CORRUPT_ERROR: not a whole one of this volume and place; what is there is
// in *super all the same.
nt_status fresh_super(struct store *s, u32 slot, u32 copy, struct raw_super *super);
// Which copies of a page are damaged or cannot be read, one bit each. What is no damage is returned.
nt_status fresh_page(struct store *s, const struct ptr *ptr, enum page_kind kind, u32 level, u8 *data,
                     u32 *bad);
// Units [first, first + count) of an extent, at most FRESH_UNITS: bad has a bit for each that does not match
// its sum, or without sums cannot be read.
nt_status fresh_units(struct store *s, const struct extent *e, u64 first, u64 count, u8 *data,
                      u64 bad[FRESH_UNITS / 64]);

#endif
