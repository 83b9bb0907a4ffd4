// SPDX-License-Identifier: Apache-2.0
// The pages of the space map, for space.c: the way from the root to a region's bitmap, with the counts on it.
#ifndef ENGINE_SPACE_MAP_H
#define ENGINE_SPACE_MAP_H

#include "engine/space.h"
#include "engine/store.h"

enum {
    SPACE_LEAF_WORDS = SPACE_LEAF_UNITS / 64,
    SPACE_BITMAP = sizeof(struct raw_page), // where it begins in its page
};

// Which lost pages a walk reads again: those that could not be read, if that was in an earlier generation or
// at once; and those that were found damaged.
enum map_look { LOOK_LATER, LOOK_AGAIN, LOOK_HARD };

struct space_path {
    struct page *page[SPACE_LEVELS_MAX];
    u32 slot[SPACE_LEVELS_MAX]; // of page[n-1] in page[n]
    u32 top;
    enum map_look look;
};

// 64 units of a region; a bit that is set: the unit is in use.
static inline u64 map_word(const struct page *leaf, u32 w)
{
    return get_le64(leaf->data + SPACE_BITMAP + 8 * w);
}
u64 map_span(u32 level); // regions that a page of this level covers
struct raw_space_ptr *map_child(struct page *p, u32 i);
void map_mark(struct page *leaf, u64 bit, u64 count, bool used);
void map_put(struct space_path *path);
struct space_ptr map_pointer(struct store *s, struct space_path *path, u32 level);
// What lies below a damaged page is no room (I9). Nothing of it is held: what this generation freed, or one
// whose commit is under way, is below pages that are in memory.
nt_status map_lost_add(struct store *s, u32 level, u64 index, const struct space_ptr *p, nt_status status);
void map_lost_remove(struct space *sp, struct lost **at);
// The page behind a pointer. What can be had again has its units again.
nt_status map_load(struct store *s, u32 level, u64 index, const struct space_ptr *p, enum map_look look,
                   struct page **out);
// Read every page again that could not be read. Fails with what is no matter of one page.
nt_status map_look_again(struct store *s);
// From the root to a region's bitmap. Without write, page[0] is NULL when it (or a page above it) was never
// written.
nt_status map_walk(struct store *s, u64 region, bool write, struct space_path *path);
// Whether a change of free units and groups leaves every count in its bounds (I4).
bool map_fits(struct store *s, struct space_path *path, i64 free, i64 groups);
// Free units and groups of a region changed: tell every pointer above it (I4).
void map_account(struct store *s, struct space_path *path, i64 free, i64 groups);

#endif
