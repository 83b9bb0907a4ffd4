// SPDX-License-Identifier: Apache-2.0
// The store as its files see it: what they share, and what keeps it. Nothing above the engine includes any
// header of it but engine.h.
//
//   store.c   open, commit, close            super.c  superblocks
//   txn.c     transactions and their undo    log.c    flushes between commits
//   page.c    page cache                     space.c  free space
//   node.c    records inside one page        tree.c   the B+tree
//   inode.c   inodes                         dirent.c names and links
//   reparse.c reparse data and their index   xattr.c  extended attributes
//   orphan.c  what waits to be taken apart   stream_record.c  names and records of streams
//   stream.c, extent.c, share.c  file data   check.c  whole-volume walk
//   scrub.c   the same in use, with repair
//   medium.c  is it the same medium?         loss.c   what a device may have lost
//   dump.c    the bytes by name
#ifndef ENGINE_STORE_H
#define ENGINE_STORE_H

#include <stdatomic.h>

#include <holdfast/ntfile.h>
#include <holdfast/winioctl.h>

#include "base/hold.h"
#include "base/sum.h"
#include "engine/engine.h"
#include "engine/format.h"
#include "engine/io.h"
#include "engine/log.h"
#include "engine/loss.h"
#include "engine/page.h"
#include "engine/space.h"
#include "engine/tree.h"

struct store {
    struct io io;
    u8 uuid[16];
    u32 serial;
    u64 options, created;
    _Atomic u64 writer_features; // raw_super.ro_compat
    u32 cluster, unit;           // bytes
    u32 cluster_units;           // units a cluster
    u64 units;
    u64 mirror_gap;
    u8 copies;
    char label[STORE_LABEL_BYTES + 1]; // under mutex
    struct case_table *table;          // NULL: case-sensitive

    struct cache cache;
    struct tree tree;
    struct space space;
    struct log log;
    struct loss loss;
    pthread_mutex_t ref_mutex; // reference counts, held to the end of a transaction

    pthread_mutex_t mutex; // the transaction gate and what follows; a leaf
    pthread_cond_t changed;
    u32 active;         // transactions between begin and end
    u32 waiting;        // threads that wait for others to end theirs
    bool closing;       // a commit wants the gate
    bool committing;    // a commit or an entry of the log is being written
    bool replaying;     // nobody else uses the store yet
    bool changed_super; // something of the superblock changed without a page
    bool has_pending;   // a sealed commit that is being written, or was cut short and must be written again
    _Atomic u64 generation; // of the changes being made now; changes only while the gate is closed
    u64 durable;            // newest on the medium
    u64 durable_sum;        // of its superblock
    u64 next_object;
    struct raw_super pending;
    struct page *pending_pages;
    struct txn *pool;

    _Atomic bool readonly;
    _Atomic bool leave_damage; // readers leave damaged copies for a scrub to find
    u32 settled;               // superblocks that store_open had to write again, for a scrub to report
    _Atomic bool unflushed;    // data was written in place since the last flush
    _Atomic u32 failed;        // nt_status: why the store turned read-only
    _Atomic bool torn;         // an undo failed: what the tree holds was never its state
    _Atomic bool unfinished;   // work in the orphan list was left there, for damage
    store_event_fn *event_fn;
    void *event_context;
    pthread_mutex_t early_mutex;  // a leaf: events come with any lock held
    struct store_event early[16]; // before anybody listened; under early_mutex
    u32 early_count;
    _Atomic u64 pages_read, pages_written, commits, repairs, checksum_errors;
};

// A store in memory with the state that a superblock describes; nothing else was read yet.
nt_status store_new(struct blk *b, const struct raw_super *super, size_t cache_bytes, struct store **out);
void store_event(struct store *s, u32 id, u64 object, u64 offset, u64 length);
// Metadata can no longer be written: read-only from now on.
void store_fail(struct store *s, nt_status status);
// Statuses after which the same medium may come back and take the write.
bool store_may_come_back(nt_status status);
// Of these, those that say that another medium may be in the drive, or none: they concern a request that does
// not need what met them. A time-out tells of one command only.
bool store_is_other_medium(nt_status status);
nt_status store_writable(struct store *s); // MEDIA_WRITE_PROTECTED, with the reason as text
u64 store_new_object(struct store *s);
void store_uses(struct store *s, u64 writer_feature); // inside a transaction
// Wait for a running commit and hold up the next ones.
void store_pause_commits(struct store *s);
void store_resume_commits(struct store *s);
u16 store_algorithm(const struct store *s); // CHECKSUM_TYPE_* of this cluster size

// Pages a transaction may dirty: a few records, each a path down the tree with splits, and the space map's
// paths.
enum { TXN_PAGES = 24 };
// Pages that ordinary requests leave alone, so that a full volume still has room for deletes.
static inline u64 store_reserve(const struct store *s)
{
    return MIN(MAX(s->units * s->unit / PAGE_SIZE / 64, 2ull * TXN_PAGES * s->copies), 4096ull);
}

#endif
