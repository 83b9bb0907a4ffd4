// SPDX-License-Identifier: Apache-2.0
// Inside an open stream.
#ifndef ENGINE_STREAM_H
#define ENGINE_STREAM_H

#include <holdfast/ntfile.h>
#include <holdfast/winioctl.h>

#include "base/hold.h"
#include "engine/engine.h"
#include "engine/extent.h"
#include "engine/loss.h"
#include "engine/tree.h"

struct stream {
    struct store *store;
    u64 id;         // the file
    struct key key; // of the record that holds our raw_stream
    pthread_mutex_t writer;
    struct hold lock;
    struct raw_stream raw; // as in the record; under lock
    bool unfinished;       // clusters behind the end may still be mapped; under writer
    struct loss_entry *loss;
};

static inline u64 stream_size(const struct stream *m)
{
    return from_le64(m->raw.size);
}
static inline u64 stream_data(const struct stream *m)
{
    return from_le64(m->raw.data);
}
static inline u32 stream_flags(const struct stream *m)
{
    return from_le16(m->raw.flags);
}
static inline bool stream_summed(const struct stream *m)
{
    return from_le16(m->raw.algorithm) != CHECKSUM_TYPE_NONE;
}
static inline bool stream_enforced(const struct stream *m)
{
    return !(stream_flags(m) & STREAM_ENFORCEMENT_OFF);
}

// A transaction that changes one stream, and the stream's state after it. From change_close on, which comes
// before the first change of the mapping, the stream has no readers until the transaction is over, undone or
// not.
struct change {
    struct stream *stream;
    struct txn *txn;
    struct raw_stream raw; // the state to be
    bool closed;
};
nt_status change_begin(struct stream *m, enum txn_kind kind, struct change *c);
void change_close(struct change *c);
void change_count(struct change *c, u64 mapped, u64 unmapped);         // clusters
nt_status change_end(struct change *c, nt_status status);              // like txn_end; saves the state
nt_status stream_save(struct stream *m, const struct raw_stream *raw); // a change of nothing but the state

// The extent of a stream that holds cluster, or the next one, with the sums of [cluster, end); UINT64_MAX:
// with all of them. FILE_CORRUPT_ERROR: the two disagree about sums.
nt_status stream_extent(struct store *s, const struct raw_stream *raw, u64 cluster, u64 end,
                        struct extent *e);
// [pos, pos + len) of the mapping, holes as zeros. Sums are checked whether they are enforced or not, so with
// them pos and len are whole units.
nt_status stream_read_checked(struct stream *m, u64 pos, u8 *data, u64 len);
void stream_unit_sum(const struct store *s, const u8 *data, u8 *sum);
u32 stream_sum_size(const struct store *s); // bytes a unit
// Make sure of zeros from the end up to new_end, in the last cluster. The caller holds writer.
nt_status stream_clear_tail(struct stream *m, u64 new_end);
// Take away clusters behind the end that a shrink could not, before the end moves over them.
nt_status stream_finish_tail(struct stream *m);

#endif
