// SPDX-License-Identifier: Apache-2.0
// The engine's own header: what its files know of one another. Nothing above the engine includes it.
//
//   store.c   superblocks, open, commit      txn.c    transactions and their undo
//   page.c    page cache                     node.c   records inside one page
//   tree.c    the B+tree                     space.c  free space
//   object.c  inodes, names, reparse data    xattr.c  extended attributes
//   stream.c, extent.c, share.c  file data   check.c  whole-volume walk
//   scrub.c   the same in use, with repair   log.c    flushes between commits
#ifndef ENGINE_STORE_H
#define ENGINE_STORE_H

#include <stdatomic.h>

#include <holdfast/ntfile.h>
#include <holdfast/winioctl.h>

#include "base/hold.h"
#include "base/sum.h"
#include "engine/engine.h"
#include "engine/format.h"

// --- page.c --------------------------------------------------------------------------------------

struct key {
    u16 len;
    u8 b[KEY_MAX];
};

// A page pointer in memory.
struct ptr {
    u64 addr[2];
    u64 birth;
    u64 sum;
};

enum page_state { PAGE_LOADING, PAGE_VALID, PAGE_FAILED };
#define PAGE_DEAD 0x80000000u // in pins: replaced, freed or failed; the last pin returns the frame

// A cached page. A page born in the running generation is dirty and changes in place under its latch; an
// older one never changes. The dirty list holds a pin, so a dirty page is never evicted.
struct page {
    struct page *next;       // in the hash bucket, or in the free list
    struct page *dirty_next; // in the running generation's dirty list, or in the commit's
    u64 addr[2];
    u64 birth;
    _Atomic u32 pins;        // and PAGE_DEAD
    _Atomic u32 state;       // enum page_state
    _Atomic u32 bad_copies;  // bit 0, bit 1: copies on the medium that were found damaged
    _Atomic bool referenced; // for the clock
    pthread_rwlock_t latch;
    struct cache *cache;
    u8 *data;
};

enum { CACHE_STRIPES = 64, AHEAD_SIZE = 262144, AHEAD_RUN = 3 };

// Where misses of late were (page.c, read_ahead).
struct ahead {
    pthread_mutex_t mutex; // only tried
    u64 last;              // the last one
    u64 from, end;         // what was read ahead
    u32 run;               // misses so far that each went on behind the one before
    u8 *rest;              // AHEAD_SIZE without a page; may be NULL
};

struct cache {
    struct store *store;
    struct page *frames;
    u8 *memory;
    struct page **buckets;
    u32 frame_count, bucket_mask;
    pthread_mutex_t stripes[CACHE_STRIPES]; // buckets
    pthread_mutex_t mutex;                  // free list, clock, dirty list
    struct page *free_list;
    u32 hand;
    struct page *dirty_list;
    _Atomic u32 dirty_count; // those of a running commit included
    struct page **order;     // room to sort a commit's pages
    struct ahead ahead;
    _Atomic u64 hits;
};

nt_status cache_init(struct cache *c, struct store *s, size_t bytes);
void cache_destroy(struct cache *c);
// The page of a pointer, pinned. Reads and checks it when it is not there, repairing a bad copy from a good
// one.
nt_status page_get(struct store *s, const struct ptr *ptr, enum page_kind kind, u32 level, struct page **out);
// Only if it is cached and valid: pinned, else NULL.
struct page *page_find(struct store *s, const struct ptr *ptr, enum page_kind kind, u32 level);
void page_put(struct page *p); // NULL is allowed
// A new dirty page at the given addresses, pinned, its head filled in.
nt_status page_new(struct store *s, const u64 addr[2], enum page_kind kind, u32 level, struct page **out);
// The page is no longer part of the volume: forget it. Takes over the caller's pin.
void page_drop(struct store *s, struct page *p);
struct page *cache_take_dirty(struct cache *c); // the dirty list, without pages that were dropped meanwhile
nt_status cache_write(struct store *s,
                      struct page *list); // both copies, in address order, in as few calls as possible
void cache_clean(struct cache *c, struct page *list); // a commit has made them durable
void cache_purge(struct cache *c);
// Rewrite damaged copies from the good one. The caller makes sure that the page is still part of the volume.
void page_repair(struct store *s, struct page *p);
static inline struct raw_page *page_head(const struct page *p)
{
    return (struct raw_page *)p->data;
}

// The pages on the way from a root to a leaf, as far as they could be read. Making it repairs those that were
// found damaged.
struct page_trace {
    struct ptr ptr[TREE_LEVELS_MAX + 1]; // by level
    u32 top, bottom;                     // bottom > top: there is no page at all
    struct key next;                     // tree: where the next leaf begins; empty: there is none
};
static inline bool ptr_same(const struct ptr *a, const struct ptr *b)
{
    return a->addr[0] == b->addr[0] && a->birth == b->birth && a->sum == b->sum;
}
bool page_try_other(nt_status status); // a failed read after which the other copy is worth trying
// Read one copy into data and check everything that can be checked without its parent's parent.
nt_status page_read_copy(struct store *s, const struct ptr *ptr, int copy, enum page_kind kind, u32 level,
                         u8 *data);

// --- node.c: records in one tree page; data is the whole page ------------------------------------

struct slice {
    const u8 *p;
    u32 len;
};
static inline u32 node_count(const u8 *data)
{
    return get_le16(((const struct raw_page *)data)->count.b);
}
void node_init(u8 *data);
struct slice node_key(const u8 *data, u32 i);
struct slice node_value(const u8 *data, u32 i);
int key_compare(struct slice a, struct slice b);
u32 node_search(const u8 *data, struct slice key, bool *found); // first record whose key is >= key
u32 node_used(const u8 *data);                                  // bytes that records and their offsets take
bool node_fits(const u8 *data, u32 key_len, u32 value_len);
void node_insert(u8 *data, u32 i, struct slice key, struct slice value); // must fit
void node_remove(u8 *data, u32 i);
void node_move_tail(u8 *from, u32 first, u8 *to); // records from first on, appended to `to`
bool node_check(const u8 *data, u32 level);       // hostile bytes in, yes or no out
bool extent_is_old(struct slice key, struct slice value, u64 generation); // not an extent that is younger
struct ptr node_child(const u8 *data, u32 i);
void node_set_child(u8 *data, u32 i, const struct ptr *child);
void ptr_encode(const struct ptr *ptr, struct raw_ptr *raw);

// --- tree.c --------------------------------------------------------------------------------------

struct record {
    struct key key;
    u16 len;
    u8 value[VALUE_MAX];
};
void key_begin(struct key *k, u64 object, enum record_kind kind);
void key_add_u64(struct key *k, u64 v);
void key_add(struct key *k, const void *bytes, u32 len);
static inline struct slice key_slice(const struct key *k)
{
    return (struct slice){k->b, k->len};
}
bool key_is_of(struct slice key, u64 object, enum record_kind kind); // same object and kind?
static inline bool key_belongs(const struct key *k, u64 object, enum record_kind kind)
{
    return key_is_of(key_slice(k), object, kind);
}

enum tree_match { TREE_EQUAL, TREE_AT_MOST, TREE_BELOW, TREE_AT_LEAST, TREE_ABOVE };
// Called with a record in its page: what it returns is what the look-up returns. It must not wait for
// anything. Upwards (TREE_AT_LEAST, TREE_ABOVE) it may ask for the next record too, as often as it likes.
#define TREE_GO_ON STATUS_PENDING
typedef nt_status tree_visit(void *context, struct slice key, struct slice value);
// Visit the record that is at, just below or just above key. NO_SUCH_FILE when there is none (more).
nt_status tree_look(struct store *s, const struct key *key, enum tree_match match, tree_visit *visit,
                    void *context);
// The same with a copy.
nt_status tree_find(struct store *s, const struct key *key, enum tree_match match, struct record *out);
// On failure trace->bottom is the page that cannot be read.
nt_status tree_trace(struct store *s, const struct key *key, struct page_trace *trace);
nt_status tree_put(struct txn *t, const struct key *key, const void *value, u32 len); // insert or replace
nt_status tree_patch(struct txn *t, const struct key *key, u32 offset, const void *bytes, u32 len);
nt_status tree_delete(struct txn *t, const struct key *key); // NO_SUCH_FILE
// Fill in the checksums of all dirty pages, bottom up, and give the root pointer. No writer is active.
void tree_seal(struct store *s);
void tree_purge(struct store *s); // with cache_purge: lets go of the root's page

struct tree {
    pthread_mutex_t mutex; // writers
    struct hold root_latch;
    struct ptr root;
    u32 level;
    struct page *page; // the root's, pinned; NULL: not at hand
};

// --- space.c -------------------------------------------------------------------------------------

struct space_ptr {
    u64 birth, sum, free, groups;
    u8 slot;
};
enum space_class { SPACE_DATA, SPACE_META, SPACE_MIRROR, SPACE_CLASSES };
enum { HELD_BUCKETS = 64, HELD_MAX = 1024, HELD_PER_TXN = 32, HELD_SPARE = 4 };

// Units freed in a generation whose commit is not durable yet: free on disk, but not to be used again.
struct held {
    struct held *next;
    u32 region;
    u32 count;
    u64 bits[SPACE_LEAF_UNITS / 64];
};
struct held_set {
    struct held *buckets[HELD_BUCKETS];
    _Atomic u32 regions;
    _Atomic u64 units;
};

struct space {
    pthread_mutex_t mutex;
    struct space_ptr root; // free and groups here are the whole volume's, as the superblock will say
    u32 level;             // of the root
    u64 regions;
    u64 avail, avail_groups;   // units and whole groups that are not held, so may be given out now
    u64 cursor[SPACE_CLASSES]; // unit behind the last one given out
    struct held_set running, committing;
    struct held *spare; // so that a running transaction seldom needs memory to free units
    u32 spares;
};

// Geometry, the same for ever after a format: regions of SPACE_LEAF_UNITS, one bitmap page each; a page at
// level n covers SPACE_FANOUT pages of level n-1 and lies, like every space page, at the start of the first
// region that it covers.
u64 space_round_units(u64 units, u64 unit_size, u64 mirror_gap); // what a volume of this size can use
u64 space_region_units(const struct store *s, u64 region);
u64 space_fixed_units(const struct store *s, u64 region); // at the region's start, and again at mirror_gap
struct ptr space_page_ptr(const struct store *s, u32 level, u64 index, const struct space_ptr *p);
struct space_ptr space_fresh(const struct store *s, u32 level, u64 index); // a page that was never written
struct space_ptr space_decode(const struct raw_space_ptr *raw);
void space_encode(const struct space_ptr *p, struct raw_space_ptr *raw);
void space_geometry(struct store *s); // from s->units: level, regions

void space_init(struct store *s, const struct space_ptr *root);
void space_destroy(struct store *s);
// At most want clusters in one piece; leaves the reserve alone. DISK_FULL.
nt_status space_alloc_data(struct store *s, u64 reserve_pages, u32 want, u64 *unit, u32 *clusters);
nt_status space_alloc_page(struct store *s, u64 addr[2]);
// Give back: held until the commit is durable, or (never committed) free at once. If a space page cannot be
// read the units are lost until a check: space_prefetch finds that out while the request can still fail.
void space_free(struct store *s, u64 unit, u64 units, bool born_now);
void space_free_page(struct store *s, const u64 addr[2], bool born_now);
nt_status space_prefetch(struct store *s, u64 unit, u64 units);
nt_status space_take(struct store *s, u64 unit,
                     u64 units);          // just these; DISK_CORRUPT_ERROR: not all are free
nt_status space_prepare(struct store *s); // before a transaction: memory for what it will free
u64 space_avail_pages(struct store *s);
u64 space_avail_clusters(struct store *s, u64 reserve_pages);
void space_seal(struct store *s);    // like tree_seal; what is held now belongs to this commit
void space_durable(struct store *s); // the commit is durable: what it held is free
nt_status space_trace(struct store *s, u64 region, struct page_trace *trace); // like tree_trace
nt_status space_bitmap(struct store *s, u64 region, u64 *bits); // a copy of a region's bitmap, for check.c
bool space_check(const u8 *data, u32 level);                    // hostile bytes in, yes or no out
bool space_check_fixed(const struct store *s, u64 addr, const u8 *data); // of a bitmap found at addr

// --- txn.c ---------------------------------------------------------------------------------------

struct txn_piece {
    u64 unit, units;
    bool born_now; // taken in the running generation: free at once
};
struct txn {
    struct store *store;
    struct txn *next; // in the pool
    u8 *undo;         // records as they were before each change, newest last
    size_t undo_used, undo_room;
    struct txn_piece *frees, *allocs;
    u32 free_count, free_room, alloc_count, alloc_room;
    enum txn_kind kind;
    bool undoing;    // the log is being played back
    bool holds_refs; // store.ref_mutex, until the end
    bool plain_data; // it mapped data without sums
    bool noting;     // for the log of flushes: what is to be played again
    bool note_lost;  // not all could be noted
    u8 *notes;
    u32 note_used, note_room;
};
// How a record was before a change. Two transactions may patch different parts of one record at a time (an
// inode's own state and its stream's are under locks of their own), so what a patch did is undone, and noted
// for the log, as a patch.
enum undo { UNDO_ABSENT, UNDO_WHOLE, UNDO_PATCH };
nt_status txn_log(struct txn *t, const struct key *key, enum undo how, u32 offset, struct slice old);
// Data units: taken now and given back if the transaction fails; freed when it succeeds.
nt_status txn_alloc(struct txn *t, u32 want, u64 *unit, u32 *clusters);
nt_status txn_free(struct txn *t, u64 unit, u64 units, bool born_now);
void txn_hold_refs(struct txn *t);
void txn_pool_destroy(struct store *s);

// --- log.c ---------------------------------------------------------------------------------------

enum { LOG_CACHE = 8 << 20 }; // bytes of page cache that a replay needs at least

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
    u8 *buffer[2];   // one is filled while the other is written
    u32 current, used;
};
// A record's new state, while a transaction changes it.
void log_note(struct txn *t, enum log_item kind, struct slice key, struct slice value);
void log_note_patch(struct txn *t, struct slice key, u32 offset, struct slice bytes);
// The transaction has succeeded. True: units that it gives back may be needed by entries on the medium.
bool log_add(struct txn *t);
void log_begin_generation(struct store *s); // the gate is closed, store.mutex held
bool log_is_safe(const struct store *s,
                 u64 noted); // store.mutex held: so many transactions are on the medium
// Write what was noted and flush. RETRY: it is no work for the log. The caller has store.committing.
nt_status log_write(struct store *s);
void log_make(struct store *s);        // take an area, if that can be had; the next commit says where it is
nt_status log_remove(struct store *s); // give it back
u64 log_wish(const struct store *s);   // units that it will take
u64 log_units(const struct store *s);  // of the area
bool log_check_super(const struct raw_super *super);
// What was flushed since the commit of this superblock happens again, in memory. DISK_CORRUPT_ERROR.
nt_status log_replay(struct store *s, const struct raw_super *super);
void log_destroy(struct store *s);

// --- store.c -------------------------------------------------------------------------------------

struct store {
    struct blk *blk;
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
    u64 next_object;
    struct raw_super pending;
    struct page *pending_pages;
    struct txn *pool;

    _Atomic bool readonly;
    _Atomic bool leave_damage; // readers leave damaged copies for a scrub to find
    u32 settled;               // superblocks that store_open had to write again, for a scrub to report
    _Atomic bool unflushed;    // data was written in place since the last flush
    _Atomic u32 failed;        // nt_status: why the store turned read-only
    _Atomic bool unfinished;   // work in the orphan list was left there, for damage
    store_event_fn *event_fn;
    void *event_context;
    pthread_mutex_t early_mutex;  // a leaf: events come with any lock held
    struct store_event early[16]; // before anybody listened; under early_mutex
    u32 early_count;
    _Atomic u64 pages_read, pages_written, commits, repairs, checksum_errors;
};

void store_event(struct store *s, u32 id, u64 object, u64 offset, u64 length);
// Metadata can no longer be written: read-only from now on.
void store_fail(struct store *s, nt_status status);
nt_status store_writable(struct store *s); // MEDIA_WRITE_PROTECTED, with the reason as text
u64 store_new_object(struct store *s);
void store_uses(struct store *s, u64 writer_feature); // inside a transaction
// Wait for a running commit and hold up the next ones.
void store_hold_commits(struct store *s);
void store_let_commits(struct store *s);
u16 store_algorithm(const struct store *s); // CHECKSUM_TYPE_* of this cluster size

// Pages a transaction may dirty: a few records, each a path down the tree with splits, and the space map's
// paths.
enum { TXN_PAGES = 24 };
// Pages that ordinary requests leave alone, so that a full volume still has room for deletes.
static inline u64 store_reserve(const struct store *s)
{
    return MIN(MAX(s->units * s->unit / PAGE_SIZE / 64, 2ull * TXN_PAGES * s->copies), 4096ull);
}

// --- super.c -------------------------------------------------------------------------------------

// The newest valid superblock. UNRECOGNIZED_VOLUME, DISK_CORRUPT_ERROR, VOLUME_NOT_UPGRADED.
nt_status super_read(struct blk *b, struct raw_super *super);
nt_status super_write(struct blk *b, struct raw_super *super); // seals and writes all copies of its slot
// Before anything is written to a volume that was just opened: a cut of the power may have left one copy
// only, and a process that died may have left the superblock in the device's cache, where it would not
// outlive what is written over the pages that it freed.
nt_status super_settle(struct store *s, struct raw_super *super);
u64 super_mirror_gap(u64 size); // of a volume that is being formatted
nt_status super_erase(struct blk *b, u64 mirror_gap);
bool super_check(const struct raw_super *super); // hostile bytes in, yes or no out
// Whether this is what a commit of this generation that was cut short between its copies leaves in a place
// that it did not reach: the slot's generation before, or nothing yet. Not damage; the next writer settles
// it.
bool super_is_before(const struct raw_super *there, u64 generation, const u8 uuid[16]);
u64 super_place(const struct raw_super *super, u32 slot, u32 copy);

// --- object.c ------------------------------------------------------------------------------------

// The record that holds a stream's raw_stream: the inode for the default stream (at offsetof data), else its
// own.
nt_status stream_key(struct store *s, u64 id, struct str name, struct key *key);
static inline u32 stream_offset(const struct key *key)
{
    return key->b[8] == KIND_INODE ? (u32)offsetof(struct raw_inode, data) : 0;
}
void tag_key(struct key *key, u32 tag, u64 id);
bool tag_parse(struct slice key, u32 *tag, u64 *id); // false: not a key of the tag index
// Extents of data from cluster first on are no longer part of the stream in the record with this key (NULL:
// of any). An object that waits as a whole goes on doing so.
nt_status orphan_tail(struct txn *t, u64 data, u64 first, const struct key *stream);
nt_status orphan_remove(struct txn *t, u64 id);
nt_status orphan_remove_tail(struct txn *t, u64 data); // if there is one
// What orphan_finish would meet, for the check.
nt_status orphan_look(struct store *s, struct slice key, struct slice value);
// Whether a stream still maps the extents of this object, whose number is given (0: the record is damaged).
bool orphan_is_mapped(struct store *s, struct slice key, struct slice value, u64 *id);
nt_status orphan_finish(struct store *s,
                        const struct record *record); // what a crash left of a reap or a trim

// --- xattr.c -------------------------------------------------------------------------------------

// What a key of KIND_XATTR says; false: nothing sensible.
bool xattr_parse(struct slice key, struct str *name, u32 *piece);
u32 xattr_pieces(u32 length);

// --- extent.c: the mapping of one stream's data object -------------------------------------------

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
// Unmap [first, end): trims, splits and frees, at most `most` records. *freed: clusters that were mapped.
nt_status extent_unmap(struct txn *t, u64 data, u64 first, u64 end, u32 most, bool *done, u64 *freed);
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

// --- stream.c ------------------------------------------------------------------------------------

struct stream {
    struct store *store;
    u64 id;         // the file
    struct key key; // of the record that holds our raw_stream
    pthread_mutex_t writer;
    struct hold lock;
    struct raw_stream raw; // as in the record; under lock
    bool unfinished;       // clusters behind the end may still be mapped; under writer
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
// Write a new state into the record; the caller makes it ours (stream_adopt) when it is sure.
nt_status stream_save(struct txn *t, struct stream *m, const struct raw_stream *raw);
void stream_adopt(struct stream *m, const struct raw_stream *raw);
nt_status stream_save_alone(struct stream *m,
                            const struct raw_stream *raw); // both, in a transaction of its own
// [pos, pos + len) of the mapping, holes as zeros, sums checked: in a stream with sums pos and len are whole
// units.
nt_status stream_read_mapped(struct stream *m, u64 pos, u8 *data, u64 len);
void stream_unit_sum(const struct store *s, const u8 *data, u8 *sum);
u32 stream_sum_size(const struct store *s); // bytes a unit
// Make sure of zeros from the end up to new_end, in the last cluster. The caller holds writer.
nt_status stream_clear_tail(struct stream *m, u64 new_end);
// Take away clusters behind the end that a shrink could not, before the end moves over them.
nt_status stream_finish_tail(struct stream *m);

#endif
