// SPDX-License-Identifier: Apache-2.0
// Work on a volume and on its model at once: each operation is made by the engine, then noted in the history.
// Paths are "/dir/file" or "/dir/file:stream".
#ifndef TESTS_CRASH_WORK_H
#define TESTS_CRASH_WORK_H

#include "tests/test.h"

#include "block/blk_sim.h"
#include "engine/engine.h"
#include "tests/crash/history.h"

enum { WORK_CACHE = 4 << 20 }; // small, so that transactions must sometimes commit to begin

struct work {
    struct blk *blk;
    struct store *store;
    struct history history;
    u32 rng;
    u16 sums; // the checksum algorithm of this cluster size
};

struct work_volume {
    u64 size;
    u32 cluster;
    u8 copies;
    u64 options;
};

// A new volume; everything from here on is recorded.
void work_begin(struct work *w, const struct work_volume *volume, u32 seed);
void work_end(struct work *w); // the store is closed; the recorded drive stays for cuts
void work_free(struct work *w);
u32 work_random(struct work *w, u32 below);

void work_commit(struct work *w);       // or a flush to the log, twice in three times
void work_maybe_commit(struct work *w); // one time in five
void work_reopen(struct work *w);
// The process dies when a commit has written everything but had no answer to its last flush.
void work_kill(struct work *w);

// What a full volume may refuse returns a status; everything else must succeed.
nt_status work_create(struct work *w, const char *path, u16 algorithm);
void work_directory(struct work *w, const char *path);
void work_stream(struct work *w, const char *path, u16 algorithm); // a named one
void work_stream_remove(struct work *w, const char *path);
nt_status work_write(struct work *w, const char *path, u64 offset, u32 len); // at most 1 MiB
void work_size(struct work *w, const char *path, u64 size);
void work_zero(struct work *w, const char *path, u64 offset, u64 len);
void work_clone(struct work *w, const char *from, u64 from_offset, const char *to, u64 to_offset, u64 len);
void work_integrity(struct work *w, const char *path, u16 algorithm);
// A file that is written and cut before it gets its name; NULL: it gets none, and nobody takes it apart.
void work_publish(struct work *w, const char *path, u16 algorithm, u32 len, u32 cut);
void work_link(struct work *w, const char *path, const char *new_path);
void work_rename(struct work *w, const char *path, const char *new_path); // replaces
void work_delete(struct work *w, const char *path);
void work_forget(struct work *w, const char *path); // like delete, but nobody takes the object apart
void work_exchange(struct work *w, const char *path, const char *other); // files
void work_reparse(struct work *w, const char *path, u32 len);            // 0: delete
void work_owner(struct work *w, const char *path);
void work_xattr(struct work *w, const char *path, const char *name, u32 len);
void work_xattr_remove(struct work *w, const char *path, const char *name);
bool work_has_xattr(struct work *w, const char *path, const char *name);
bool work_exists(const struct work *w, const char *path);
bool work_has_stream(struct work *w, const char *path);
u64 work_length(struct work *w, const char *path);

// All that a volume holds, in the words of the history. *why says what could not be read.
nt_status work_survey(struct store *s, const struct history *h, struct finding *f, char *why,
                      size_t why_size);
// The volume must be fit for use after a cut too: what a cut write left behind the end of a stream without
// sums must not appear when the end moves.
nt_status work_grow_all(struct store *s, const struct history *h, const struct finding *f, char *why,
                        size_t why_size);

#endif
