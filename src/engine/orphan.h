// SPDX-License-Identifier: Apache-2.0
// What waits to be taken apart.
#ifndef ENGINE_ORPHAN_H
#define ENGINE_ORPHAN_H

#include "engine/engine.h"
#include "engine/tree.h"

// Extents of data from cluster first on are no longer part of the stream in the record with this key (NULL:
// of any). An object that waits as a whole goes on doing so.
nt_status orphan_tail(struct txn *t, u64 data, u64 first, const struct key *stream);
nt_status orphan_remove(struct txn *t, u64 id);
nt_status orphan_remove_tail(struct txn *t, u64 data); // if there is one
// What orphan_finish would meet, for the check, which goes through the data of streams itself.
nt_status orphan_look(struct store *s, struct slice key, struct slice value);
// Whether a stream still maps the extents of this object, whose number is given (0: the record is damaged).
bool orphan_is_mapped(struct store *s, struct slice key, struct slice value, u64 *id);
nt_status orphan_finish(struct store *s,
                        const struct record *record); // what a crash left of a reap or a trim

#endif
