// SPDX-License-Identifier: Apache-2.0
// The page cache.
#ifndef ENGINE_PAGE_H
#define ENGINE_PAGE_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/node.h"

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
// A copy that cannot be written stays as it is (event 131); what is said by a medium that went or changed
// is returned, and the copy is tried again later.
nt_status page_repair(struct store *s, struct page *p);
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
// Read one copy from the medium into data and check everything that can be checked without its parent's
// parent.
nt_status page_read_copy(struct store *s, const struct ptr *ptr, int copy, enum page_kind kind, u32 level,
                         u8 *data);

#endif
