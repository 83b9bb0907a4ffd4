// SPDX-License-Identifier: Apache-2.0
// What a device may have lost: data that was written and that no good flush had covered when one failed, or
// when the medium was away.
#ifndef ENGINE_LOSS_H
#define ENGINE_LOSS_H

#include <stdatomic.h>

#include "engine/engine.h"

enum loss_kind { LOSS_PLAIN, LOSS_SUMMED, LOSS_KINDS }; // summed: the bytes can be compared

enum { LOSS_BUCKETS = 512, LOSS_KEPT_MOST = 4096 };

// Of a data object: while its stream is open, and after that as long as its data may be lost. All but wrote
// under store.mutex.
struct loss_entry {
    struct loss_entry *next; // in the bucket
    u64 data;                // the object; a conversion moves the entry to the new one
    // One more than the flushes that had begun when its last write of this kind was over; 0: none that could
    // still be lost; LOSS_RUNNING: a write is under way.
    _Atomic u64 wrote[LOSS_KINDS];
    u64 doubt;             // not 0: what was mapped from this generation on is to be compared with its sums
    u64 window;            // the flushes that had begun when the last one opened over its summed data
    u64 count;             // how often its data was lost
    bool told;             // the doubt was counted as a loss for the users of the volume
    struct stream *stream; // NULL: closed
    u32 lookers;           // that use the stream without having opened it
};
#define LOSS_RUNNING UINT64_MAX

// Of a store.
struct loss {
    _Atomic u64 flushes; // begun
    // All below under store.mutex.
    u64 good;      // of the flushes that succeeded, the one that began last
    u64 count;     // how often data of any stream was lost
    u64 all;       // how often that was data of nobody knows which stream: each one counts it as its own
    u64 forgotten; // the newest write of closed streams without an entry, as loss_entry.wrote
    u32 kept;      // entries of closed streams
    struct loss_entry *buckets[LOSS_BUCKETS];
};

nt_status loss_add(struct stream *m); // it was opened; INSUFFICIENT_RESOURCES
void loss_remove(struct stream *m);   // and is about to be closed
void loss_destroy(struct store *s);   // no stream is open
// Round each write of file data.
void loss_begin(struct stream *m, enum loss_kind kind);
void loss_end(struct stream *m, enum loss_kind kind);
// target is about to get clusters of source. The caller holds both writers.
void loss_clone(struct stream *source, struct stream *target);
// Before and after the sums of a stream are made or dropped. The caller holds its writer.
nt_status loss_settle(struct stream *m);
void loss_convert(struct stream *m, u64 data, bool with_sums); // data: the new object
// The only flushes of a store that is in use: each says what it covered.
nt_status loss_flush(struct store *s);
nt_status loss_write_flush(struct store *s, const void *data, size_t len, u64 offset);
// A flush, or a write that a flush was to follow, has failed: nothing since the last good one is taken as
// written.
void loss_open(struct store *s);
// No stream is open, and none will be: is something in doubt that is not as it was written?
bool loss_at_end(struct store *s);

#endif
