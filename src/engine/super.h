// SPDX-License-Identifier: Apache-2.0
// Superblocks: which is the newest, and writing the next one.
#ifndef ENGINE_SUPER_H
#define ENGINE_SUPER_H

#include "engine/engine.h"
#include "engine/format.h"
#include "engine/io.h"

// The newest valid superblock. UNRECOGNIZED_VOLUME, DISK_CORRUPT_ERROR, VOLUME_NOT_UPGRADED. *hidden: why
// there may be a newer one, in a slot none of whose copies can be read now; SUCCESS: there is none.
nt_status super_read(const struct io *io, struct raw_super *super, nt_status *hidden);
nt_status super_write(struct io *io, struct raw_super *super); // seals and writes all copies of its slot
// Before anything is written to a volume that was just opened: a cut of the power may have left one copy
// only, and a process that died may have left the superblock in the device's cache, where it would not
// outlive what is written over the pages that it freed.
nt_status super_settle(struct store *s, struct raw_super *super);
u64 super_mirror_gap(u64 size); // of a volume that is being formatted
nt_status super_erase(struct io *io, u64 mirror_gap);
bool super_check(const struct raw_super *super); // hostile bytes in, yes or no out
// Whether this is what a commit of this generation that was cut short between its copies leaves in a place
// that it did not reach: the slot's generation before, or nothing yet. Not damage; the next writer settles
// it.
bool super_is_before(const struct raw_super *there, u64 generation, const u8 uuid[16]);
u64 super_place(const struct raw_super *super, u32 slot, u32 copy);

#endif
