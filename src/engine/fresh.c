// SPDX-License-Identifier: Apache-2.0
// What the medium holds, past every cache that can be passed: how a check and a scrub read. Damage is what a
// second reading or another copy may disprove; a medium that changed or went ends the look.
#include "engine/fresh.h"

#include <stdalign.h>

#include "engine/store.h"
#include "engine/stream.h"
#include "engine/super.h"

void *fresh_buffer(size_t size)
{
    return aligned_alloc(BLK_DIRECT_ALIGN, align_up(size, BLK_DIRECT_ALIGN));
}

nt_status fresh_super(struct store *s, u32 slot, u32 copy, struct raw_super *super)
{
    alignas(BLK_DIRECT_ALIGN) struct raw_super there;
    u64 at = slot * (u64)SUPER_SPACING + copy * s->mirror_gap;
    TRY(io_read_fresh(&s->io, &there, sizeof there, at));
    *super = there;
    bool good = super_check(super) && from_le64(super->generation) % 2 == slot &&
                super_place(super, slot, copy) == at && memcmp(super->uuid, s->uuid, sizeof s->uuid) == 0;
    return good ? STATUS_SUCCESS : STATUS_DISK_CORRUPT_ERROR;
}

nt_status fresh_page(struct store *s, const struct ptr *ptr, enum page_kind kind, u32 level, u8 *data,
                     u32 *bad)
{
    *bad = 0;
    for (int copy = 0; copy < s->copies; copy++) {
        nt_status status = page_read_copy(s, ptr, copy, kind, level, data);
        if (status_is_local(status))
            *bad |= 1u << copy;
        else
            TRY(status);
    }
    return STATUS_SUCCESS;
}

static bool unit_good(struct store *s, const struct extent *e, u64 unit, const u8 *data)
{
    u8 sum[8];
    if (!(e->flags & EXTENT_SUMMED))
        return true;
    stream_unit_sum(s, data, sum);
    return memcmp(sum, e->sums + unit * stream_sum_size(s), stream_sum_size(s)) == 0;
}

nt_status fresh_units(struct store *s, const struct extent *e, u64 first, u64 count, u8 *data,
                      u64 bad[FRESH_UNITS / 64])
{
    memset(bad, 0, FRESH_UNITS / 8);
    nt_status whole = io_read_fresh(&s->io, data, count * s->unit, (e->unit + first) * s->unit);
    TRY(status_is_local(whole) ? STATUS_SUCCESS : whole);
    for (u64 u = 0; u < count; u++) {
        u8 *unit = data + u * s->unit;
        nt_status status = whole;
        if (whole != STATUS_SUCCESS) // one of them cannot be read: which?
            status = io_read_fresh(&s->io, unit, s->unit, (e->unit + first + u) * s->unit);
        TRY(status_is_local(status) ? STATUS_SUCCESS : status);
        if (status != STATUS_SUCCESS || !unit_good(s, e, first + u, unit))
            bad[u / 64] |= 1ull << (u % 64);
    }
    return STATUS_SUCCESS;
}
