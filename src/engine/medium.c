// SPDX-License-Identifier: Apache-2.0
// Is this the medium that a store knows, as it left it? Numbers are no answer: a copy of a medium, or the
// medium itself after it was elsewhere, may count the same generation with another history. The newest
// superblock is compared as a whole, by its sum, which covers roots, times and counts; and the log behind it,
// since a backup of the same commit may lack what was flushed after it.
#include "engine/log.h"
#include "engine/store.h"
#include "engine/super.h"

void store_get_medium(struct store *s, struct store_medium *medium)
{
    SCOPE_LOCK(&s->mutex);
    *medium = (struct store_medium){.super_sum = s->durable_sum,
                                    .pending_sum = s->has_pending ? from_le64(s->pending.sum) : 0,
                                    .log_at = s->log.tail.block,
                                    .log_end = s->log.tail.end,
                                    .log_sum = s->log.tail.sum,
                                    .log_tried = s->log.tail.tried};
    memcpy(medium->uuid, s->uuid, sizeof medium->uuid);
}

nt_status store_find_medium(struct blk *b, const struct store_medium *medium)
{
    struct raw_super super;
    struct io io;
    nt_status hidden; // a copy that cannot be read now may be the newest
    io_init(&io, b);
    nt_status status = super_read(&io, &super, &hidden);
    if (status == STATUS_UNRECOGNIZED_VOLUME || status == STATUS_DISK_CORRUPT_ERROR ||
        status == STATUS_VOLUME_NOT_UPGRADED)
        return STATUS_WRONG_VOLUME;
    TRY(status);
    TRY(hidden);
    u64 sum = from_le64(super.sum);
    if (memcmp(super.uuid, medium->uuid, sizeof super.uuid) != 0)
        return STATUS_WRONG_VOLUME;
    // A commit that was cut short may have got as far as its superblock; then the log counts no more.
    if (medium->pending_sum != 0 && sum == medium->pending_sum)
        return STATUS_SUCCESS;
    if (sum != medium->super_sum)
        return STATUS_WRONG_VOLUME;
    return log_find_tail(&io, &super,
                         &(struct log_tail){.block = medium->log_at,
                                            .end = medium->log_end,
                                            .sum = medium->log_sum,
                                            .tried = medium->log_tried});
}
