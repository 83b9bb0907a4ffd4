// SPDX-License-Identifier: Apache-2.0
// Where the record of a stream is.
#ifndef ENGINE_STREAM_RECORD_H
#define ENGINE_STREAM_RECORD_H

#include "engine/engine.h"
#include "engine/tree.h"

// The record that holds a stream's raw_stream: the inode for the default stream (at offsetof data), else its
// own.
nt_status stream_key(struct store *s, u64 id, struct str name, struct key *key);
static inline u32 stream_offset(const struct key *key)
{
    return key->b[8] == KIND_INODE ? (u32)offsetof(struct raw_inode, data) : 0;
}
// The stream in such a record. FILE_CORRUPT_ERROR: it is none, or has the wrong length.
nt_status stream_decode(struct slice key, struct slice value, struct raw_stream *raw);
nt_status stream_load(struct store *s, const struct key *key, struct raw_stream *raw); // NO_SUCH_FILE too

#endif
