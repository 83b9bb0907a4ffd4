// SPDX-License-Identifier: Apache-2.0
// Which units are free.
#ifndef ENGINE_SPACE_H
#define ENGINE_SPACE_H

#include "engine/page.h"

struct space_ptr {
    u64 birth, sum, free, groups;
    u8 slot;
};
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

// A page of the map that cannot be had: what it covers is not given out.
struct lost {
    struct lost *next;
    u32 level;
    u64 index;
    nt_status status; // DISK_CORRUPT_ERROR: for good; else it is looked at again in later generations
    u64 generation;   // in which it was last looked at
    u64 free, groups; // taken off what may be given out
};

struct space {
    pthread_mutex_t mutex;
    struct space_ptr root; // free and groups here are the whole volume's, as the superblock will say
    u32 level;             // of the root
    u64 regions;
    u64 avail, avail_groups;  // units and whole groups that may be given out now: not held, not lost
    u64 apart;                // units: how far the copies of a page are to be from one another
    u64 inner_low, inner_end; // units; what lies outside is given out last
    u64 data_cursor, meta_cursor, mirror_cursor; // units behind the last ones given out
    struct lost *lost;
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
// At most want clusters in one piece; leaves the reserve alone. DISK_FULL; the damage's status when damage
// hides all that is free; what the medium says when the map cannot be read now.
nt_status space_alloc_data(struct store *s, u64 reserve_pages, u32 want, u64 *unit, u32 *clusters);
// Both copies, as far apart as space_apart while room allows it, else as far as it allows.
nt_status space_alloc_page(struct store *s, u64 addr[2]);
u64 space_apart(const struct store *s); // units
// Why there is no room. SUCCESS: there is more now, since what could not be read was read after all.
nt_status space_full(struct store *s);
bool space_can_free(const struct store *s, u64 unit, u64 units); // inside the volume, and no fixed places
// Before units are given back, inside the same generation, while the request can still fail: afterwards it
// cannot. Not needed for what this generation has taken. What damage keeps from being given back is no
// failure, what cannot be read now is.
nt_status space_ready(struct store *s, u64 unit, u64 units);
nt_status space_ready_page(struct store *s, const u64 addr[2]);
// Give back: held until the commit is durable, or (never committed) free at once. What damage keeps from
// being given back leaks, and what was free stays as it is, with event 131.
void space_free(struct store *s, u64 unit, u64 units, bool born_now);
void space_free_page(struct store *s, const u64 addr[2], bool born_now);
nt_status space_take(struct store *s, u64 unit,
                     u64 units);          // just these; DISK_CORRUPT_ERROR: not all are free
nt_status space_prepare(struct store *s); // before a transaction: memory for what it will free
u64 space_avail_pages(struct store *s);
u64 space_avail_clusters(struct store *s, u64 reserve_pages);
void space_seal(struct store *s);    // like tree_seal; what is held now belongs to this commit
void space_durable(struct store *s); // the commit is durable, its pages still dirty: what it held is free
nt_status space_trace(struct store *s, u64 region, struct page_trace *trace); // like tree_trace
nt_status space_bitmap(struct store *s, u64 region, u64 *bits); // a copy of a region's bitmap, for check.c
bool space_check(const u8 *data, u32 level);                    // hostile bytes in, yes or no out
bool space_check_fixed(const struct store *s, u64 addr, const u8 *data); // of a bitmap found at addr

#endif
