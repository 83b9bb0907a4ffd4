// SPDX-License-Identifier: Apache-2.0
// What a device may have lost: data that was written and that no good flush had covered when one failed, or
// when the medium was away.
#ifndef ENGINE_LOSS_H
#define ENGINE_LOSS_H

#include <stdatomic.h>

#include "engine/engine.h"

enum loss_kind { LOSS_PLAIN, LOSS_SUMMED, LOSS_KINDS }; // summed: the bytes can be compared

// Of a store.
struct loss {
    _Atomic u64 flushes; // begun
    // All below under store.mutex.
    u64 good;               // of the flushes that succeeded, the one that began last
    struct stream *streams; // open ones
    u64 closed;             // the newest write of streams that were closed since, as stream_loss.wrote
    u64 count;              // how often data of any stream was lost
};

// Of an open stream.
struct stream_loss {
    struct stream *next;
    // One more than the flushes that had begun when its last write of this kind was over; 0: none that could
    // still be lost; LOSS_RUNNING: a write is under way.
    _Atomic u64 wrote[LOSS_KINDS];
    _Atomic u64 doubt; // not 0: what was mapped from this generation on is to be compared with its sums
    u64 count;         // how often its data was lost; under store.mutex
    u32 users;         // that look at it without having it open; under store.mutex
};
#define LOSS_RUNNING UINT64_MAX

void loss_add(struct stream *m);    // it was opened
void loss_remove(struct stream *m); // and is about to be closed
// Round each write of file data.
void loss_begin(struct stream *m, enum loss_kind kind);
void loss_end(struct stream *m, enum loss_kind kind);
// The only flushes of a store that is in use: each says what it covered.
nt_status loss_flush(struct store *s);
nt_status loss_write_flush(struct store *s, const void *data, size_t len, u64 offset);
// A flush, or a write that a flush was to follow, has failed: nothing since the last good one is taken as
// written.
void loss_open(struct store *s);

#endif
