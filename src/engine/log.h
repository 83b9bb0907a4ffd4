// SPDX-License-Identifier: Apache-2.0
// Flushes between commits.
#ifndef ENGINE_LOG_H
#define ENGINE_LOG_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/io.h"
#include "engine/node.h"

enum { LOG_CACHE = 8 << 20 }; // bytes of page cache that a replay needs at least

// Where the log ends on the medium, behind the newest superblock that is sure to be there.
struct log_tail {
    u32 block, end; // where the last entry begins, and what lies behind it
    u64 sum;        // of that entry; 0: there is none
    bool tried;     // another one was begun behind it, and may be there or not
};

struct log {
    _Atomic u64 unit; // of the area; 0: there is none
    _Atomic u32 blocks;
    // All below under store.mutex, and head and sequence only by who has store.committing.
    bool asked;         // for the area, once
    bool on;            // what transactions change in this generation is noted
    _Atomic bool begun; // entries of this generation may be on the medium
    bool overflow;      // not all of this generation was noted, or an entry failed: only a commit helps
    bool data_first;    // what was noted has data without sums
    u32 head;           // the next free block
    u64 sequence;
    u64 noted, safe; // transactions of this generation, and how many of them are on the medium
    u64 taken;       // bytes that those noted since the last entry took
    u64 features;    // writer_features of the last commit
    struct log_tail tail;
    u8 *buffer[2]; // one is filled while the other is written
    u32 current, used;
};
// A record's new state, while a transaction changes it.
void log_note(struct txn *t, enum log_item kind, struct slice key, struct slice value);
void log_note_patch(struct txn *t, struct slice key, u32 offset, struct slice bytes);
// Only a commit can make this transaction safe: it maps data that do not match their sums, and a replay would
// take its entry for one whose data are not there.
void log_refuse(struct txn *t);
// The transaction has succeeded. True: units that it gives back may be needed by entries on the medium.
bool log_add(struct txn *t);
void log_begin_generation(struct store *s); // the gate is closed, store.mutex held
bool log_is_safe(const struct store *s,
                 u64 noted); // store.mutex held: so many transactions are on the medium
// Write what was noted and flush; *fit false: that is work for a commit, and nothing was done. The caller has
// store.committing.
nt_status log_write(struct store *s, bool *fit);
nt_status log_make(struct store *s);   // take an area, if that can be had; the next commit says where it is
nt_status log_remove(struct store *s); // give it back
u64 log_wish(const struct store *s);   // units that it will take
u64 log_units(const struct store *s);  // of the area
bool log_check_super(const struct raw_super *super);
// What was flushed since the commit of this superblock happens again, in memory. DISK_CORRUPT_ERROR.
nt_status log_replay(struct store *s, const struct raw_super *super, bool writes);
void log_destroy(struct store *s);
// Does the log behind this superblock end so? WRONG_VOLUME: it does not.
nt_status log_find_tail(struct io *io, const struct raw_super *super, const struct log_tail *tail);

// What an entry says of a record or of units.
struct entry_item {
    enum log_item kind;
    struct slice key, value;
};
bool log_entry_whole(u8 *entry); // its sum; all of its length is there, and as before afterwards
// The item at *at of an entry, and *at moved behind it. False: there is none, or it makes no sense.
bool log_item_next(const struct raw_log *head, u32 *at, struct entry_item *item);

#endif
