// SPDX-License-Identifier: Apache-2.0
// The mapping of one stream's data object.
#ifndef ENGINE_EXTENT_H
#define ENGINE_EXTENT_H

#include "engine/engine.h"
#include "engine/tree.h"

struct extent {
    u64 first; // cluster in the stream
    u64 unit;
    u32 clusters;
    u32 flags; // EXTENT_*
    u64 birth;
    u8 sums[EXTENT_SUM_BYTES];
};
nt_status extent_parse(struct store *s, struct slice key, struct slice value,
                       struct extent *e); // hostile bytes
// The extent that holds cluster, or the next one behind it; NO_SUCH_FILE when there is none.
nt_status extent_find(struct store *s, u64 data, u64 cluster, struct extent *e);
// The same, but of the sums only those of the clusters [cluster, end) are there.
nt_status extent_find_part(struct store *s, u64 data, u64 cluster, u64 end, struct extent *e);
nt_status extent_put(struct txn *t, u64 data, const struct extent *e);
struct extent extent_part(const struct store *s, const struct extent *e, u64 first,
                          u64 end); // as an extent of its own
// Unmap [first, end): trims, splits and frees, until the transaction is full. *next: where it stopped, behind
// first; *freed: clusters that were mapped.
nt_status extent_unmap(struct txn *t, u64 data, u64 first, u64 end, u64 *next, u64 *freed);
// Map, joining it to the extent before when they fit together.
nt_status extent_map(struct txn *t, u64 data, const struct extent *e);
// Unmap everything from cluster first on, in as many transactions as it takes. With a stream's key: keep its
// allocated count. orphan: remove the record that orphan_tail made, with the last batch.
nt_status extent_trim(struct store *s, u64 data, u64 first, const struct key *stream, bool orphan);
u32 extent_sum_size(const struct store *s);          // bytes of sums a cluster
u32 extent_most(const struct store *s, bool summed); // clusters
nt_status refs_add(struct txn *t, u64 unit, u64 units);
nt_status refs_drop(struct txn *t, u64 unit, u64 units); // frees what nothing uses any more
nt_status refs_count(struct store *s, u64 unit, u64 units, u32 *count, u64 *run); // of unit; run: units alike

#endif
