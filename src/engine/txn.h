// SPDX-License-Identifier: Apache-2.0
// Transactions and their undo.
#ifndef ENGINE_TXN_H
#define ENGINE_TXN_H

#include "engine/engine.h"
#include "engine/node.h"

struct txn_piece {
    u64 unit, units;
    bool born_now; // taken in the running generation: free at once
};
struct txn {
    struct store *store;
    struct txn *next; // in the pool
    u8 *undo;         // records as they were before each change, newest last
    size_t undo_used, undo_room;
    u32 dirtied; // pages that it made dirty, and those of the space map that its frees will
    u64 region;  // of the last one
    struct txn_piece *frees, *allocs;
    u32 free_count, free_room, alloc_count, alloc_room;
    enum txn_kind kind;
    bool undoing;     // its notes are being played back
    bool locked_refs; // store.ref_mutex, until the end
    bool plain_data;  // it mapped data without sums
    bool noting;      // for the log of flushes: what is to be played again
    bool note_lost;   // not all could be noted
    u8 *notes;
    u32 note_used, note_room;
};
// How a record was before a change. Two transactions may patch different parts of one record at a time (an
// inode's own state and its stream's are under locks of their own), so what a patch did is undone, and noted
// for the log, as a patch.
enum undo { UNDO_ABSENT, UNDO_WHOLE, UNDO_PATCH };
nt_status txn_note_undo(struct txn *t, const struct key *key, enum undo how, u32 offset, struct slice old);
// Data units: taken now and given back if the transaction fails; freed when it succeeds.
nt_status txn_alloc(struct txn *t, u32 want, u64 *unit, u32 *clusters);
nt_status txn_free(struct txn *t, u64 unit, u64 units, bool born_now);
void txn_lock_refs(struct txn *t);
// It has done its share: what is left of a long piece of work belongs in another transaction. There is room
// for the few records that end this one.
bool txn_is_full(const struct txn *t);
void txn_pool_destroy(struct store *s);

#endif
