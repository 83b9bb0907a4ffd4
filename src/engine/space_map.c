// SPDX-License-Identifier: Apache-2.0
// The pages of the space map: where they lie, the way to them, and those that damage took away. What holds
// there (I3, I4, I5, I9) is in the head of space.c. All of it happens under space.mutex.
#include "engine/space_map.h"

// --- geometry ------------------------------------------------------------------------------------

u64 map_span(u32 level)
{
    u64 n = 1;
    while (level-- > 0)
        n *= SPACE_FANOUT;
    return n;
}

void space_geometry(struct store *s)
{
    struct space *sp = &s->space;
    sp->regions = (s->units + SPACE_LEAF_UNITS - 1) / SPACE_LEAF_UNITS;
    sp->level = 0;
    while (map_span(sp->level) < sp->regions)
        sp->level++;
}

u64 space_round_units(u64 units, u64 unit_size, u64 mirror_gap)
{
    u64 rest = units % SPACE_LEAF_UNITS;
    // The last region must have room for its fixed places.
    if (rest * unit_size < mirror_gap + 4 * SUPER_AREA)
        units -= rest;
    return units - units % GROUP_UNITS;
}

u64 space_region_units(const struct store *s, u64 region)
{
    return MIN(s->units - region * SPACE_LEAF_UNITS, (u64)SPACE_LEAF_UNITS);
}

static u32 pages_at(const struct store *s, u64 region) // levels whose page lies in this region
{
    u32 n = 1;
    while (n <= s->space.level && region % map_span(n) == 0)
        n++;
    return n;
}

u64 space_fixed_units(const struct store *s, u64 region)
{
    u64 bytes = (region == 0 ? SUPER_AREA : 0) + 2ull * PAGE_SIZE * pages_at(s, region);
    return align_up(bytes, 65536) / s->unit;
}

static u64 fixed_total(const struct store *s, u64 region)
{
    return space_fixed_units(s, region) * s->copies;
}

struct ptr space_page_ptr(const struct store *s, u32 level, u64 index, const struct space_ptr *p)
{
    u64 region = index * map_span(level);
    u64 addr = region * SPACE_LEAF_UNITS * s->unit + (region == 0 ? SUPER_AREA : 0) +
               (level * 2ull + p->slot) * PAGE_SIZE;
    return (struct ptr){{addr, s->copies == 2 ? addr + s->mirror_gap : 0}, p->birth, p->sum};
}

struct space_ptr space_fresh(const struct store *s, u32 level, u64 index)
{
    struct space_ptr p = {0};
    u64 first = index * map_span(level), end = MIN(first + map_span(level), s->space.regions);
    for (u64 r = first; r < end; r++)
        p.free += space_region_units(s, r) - fixed_total(s, r);
    p.groups = p.free / GROUP_UNITS;
    return p;
}

struct space_ptr space_decode(const struct raw_space_ptr *raw)
{
    return (struct space_ptr){from_le64(raw->birth), from_le64(raw->sum), from_le64(raw->free),
                              from_le64(raw->groups), raw->slot & 1};
}

void space_encode(const struct space_ptr *p, struct raw_space_ptr *raw)
{
    *raw = (struct raw_space_ptr){.birth = to_le64(p->birth),
                                  .sum = to_le64(p->sum),
                                  .free = to_le64(p->free),
                                  .groups = to_le64(p->groups),
                                  .slot = p->slot};
}

// --- pages ---------------------------------------------------------------------------------------

struct raw_space_ptr *map_child(struct page *p, u32 i)
{
    return (struct raw_space_ptr *)(p->data + SPACE_BITMAP) + i;
}

bool space_check(const u8 *data, u32 level)
{
    const struct raw_page *head = (const struct raw_page *)data;
    const struct raw_space_ptr *child = (const struct raw_space_ptr *)(data + SPACE_BITMAP);
    u32 count = level > 0 ? from_le16(head->count) : 0;
    if (count > SPACE_FANOUT)
        return false;
    for (u32 i = 0; i < count; i++)
        if (from_le64(child[i].birth) > from_le64(head->birth))
            return false;
    return true;
}

static bool all_used(const u8 *bits, u64 from, u64 count)
{
    for (u64 i = from; i < from + count; i++)
        if (!(bits[i / 8] >> i % 8 & 1))
            return false;
    return true;
}

// What a bitmap may never give away: fixed places, their second copies, and what lies beyond the volume.
bool space_check_fixed(const struct store *s, u64 addr, const u8 *data)
{
    const u8 *bits = data + SPACE_BITMAP;
    u64 region = addr / s->unit / SPACE_LEAF_UNITS;
    u64 fixed = space_fixed_units(s, region), units = space_region_units(s, region);
    return all_used(bits, 0, fixed) && (s->copies == 1 || all_used(bits, s->mirror_gap / s->unit, fixed)) &&
           all_used(bits, units, SPACE_LEAF_UNITS - units);
}

static void set_word(struct page *leaf, u32 w, u64 v)
{
    put_le64(leaf->data + SPACE_BITMAP + 8 * w, v);
}

void map_mark(struct page *leaf, u64 bit, u64 count, bool used)
{
    while (count > 0) {
        u32 shift = bit % 64, n = (u32)MIN(count, 64ull - shift);
        u64 mask = (n == 64 ? ~0ull : (1ull << n) - 1) << shift;
        u64 old = map_word(leaf, (u32)(bit / 64));
        set_word(leaf, (u32)(bit / 64), used ? old | mask : old & ~mask);
        bit += n;
        count -= n;
    }
}

// What a page that was never written holds.
static void fill_fresh(struct store *s, struct page *p, u32 level, u64 index)
{
    if (level == 0) {
        u64 fixed = space_fixed_units(s, index), units = space_region_units(s, index);
        map_mark(p, 0, fixed, true);
        if (s->copies == 2)
            map_mark(p, s->mirror_gap / s->unit, fixed, true);
        map_mark(p, units, SPACE_LEAF_UNITS - units, true);
        return;
    }
    u32 count = 0;
    for (u64 child = index * SPACE_FANOUT;
         count < SPACE_FANOUT && child * map_span(level - 1) < s->space.regions; child++) {
        struct space_ptr fresh = space_fresh(s, level - 1, child);
        space_encode(&fresh, map_child(p, count++));
    }
    page_head(p)->count = to_le16((u16)count);
}

void map_put(struct space_path *path)
{
    for (u32 level = 0; level <= path->top; level++)
        page_put(path->page[level]);
}

static void set_pointer(struct store *s, struct space_path *path, u32 level, const struct space_ptr *p)
{
    if (level == path->top)
        s->space.root = *p;
    else
        space_encode(p, map_child(path->page[level + 1], path->slot[level + 1]));
}

struct space_ptr map_pointer(struct store *s, struct space_path *path, u32 level)
{
    if (level == path->top)
        return s->space.root;
    return space_decode(map_child(path->page[level + 1], path->slot[level + 1]));
}

static struct lost **lost_find(struct space *sp, u32 level, u64 index)
{
    struct lost **at = &sp->lost;
    while (*at && ((*at)->level != level || (*at)->index != index))
        at = &(*at)->next;
    return at;
}

// What lies below a damaged page is no room (I9). Nothing of it is held: what this generation freed, or one
// whose commit is under way, is below pages that are in memory.
nt_status map_lost_add(struct store *s, u32 level, u64 index, const struct space_ptr *p, nt_status status)
{
    struct space *sp = &s->space;
    struct lost *lost = malloc(sizeof *lost);
    if (!lost)
        return STATUS_INSUFFICIENT_RESOURCES;
    *lost = (struct lost){sp->lost, level, index, status, s->generation, p->free, p->groups};
    for (const struct lost *below = sp->lost; below; below = below->next) {
        if (below->level >= level || below->index / map_span(level - below->level) != index)
            continue;
        lost->free -= MIN(lost->free, below->free);
        lost->groups -= MIN(lost->groups, below->groups);
    }
    lost->free = MIN(lost->free, sp->avail);
    lost->groups = MIN(lost->groups, sp->avail_groups);
    sp->avail -= lost->free;
    sp->avail_groups -= lost->groups;
    sp->lost = lost;
    store_event(s, 131, 0, space_page_ptr(s, level, index, p).addr[0], PAGE_SIZE);
    return status;
}

void map_lost_remove(struct space *sp, struct lost **at)
{
    struct lost *lost = *at;
    sp->avail += lost->free;
    sp->avail_groups += lost->groups;
    *at = lost->next;
    free(lost);
}

static bool is_worth_a_look(const struct store *s, const struct lost *lost, enum map_look look)
{
    if (status_is_damage(lost->status))
        return look == LOOK_HARD;
    return look != LOOK_LATER || lost->generation != s->generation;
}

nt_status map_load(struct store *s, u32 level, u64 index, const struct space_ptr *p, enum map_look look,
                   struct page **out)
{
    struct lost **at = lost_find(&s->space, level, index), *lost = *at;
    struct ptr ptr = space_page_ptr(s, level, index, p);
    *out = NULL;
    if (lost && !is_worth_a_look(s, lost, look))
        return lost->status;
    nt_status status = page_get(s, &ptr, PAGE_SPACE, level, out);
    if (lost && status == STATUS_SUCCESS)
        map_lost_remove(&s->space, at);
    if (!status_is_local(status))
        return status;
    if (!lost)
        return map_lost_add(s, level, index, p, status);
    lost->status = status;
    lost->generation = s->generation;
    return status;
}

// The page of one step of a walk; writable ones are moved to the other slot once a generation (I3).
static nt_status step(struct store *s, struct space_path *path, u32 level, u64 index, bool write,
                      struct page **out)
{
    struct space_ptr p = map_pointer(s, path, level);
    struct page *old = NULL;
    *out = NULL;
    if (p.birth != 0) {
        TRY(map_load(s, level, index, &p, path->look, &old));
        (void)!page_repair(s, old); // the right bytes are here, and an undo may want them
    }
    if (!write || (old && old->birth == s->generation)) {
        *out = old;
        return STATUS_SUCCESS;
    }
    struct space_ptr moved = {s->generation, 0, p.free, p.groups, old ? !p.slot : 0};
    struct ptr ptr = space_page_ptr(s, level, index, &moved);
    nt_status status = page_new(s, ptr.addr, PAGE_SPACE, level, out);
    if (status != STATUS_SUCCESS) {
        page_put(old);
        return status;
    }
    if (old) {
        page_head(*out)->count = page_head(old)->count;
        memcpy((*out)->data + SPACE_BITMAP, old->data + SPACE_BITMAP, PAGE_ROOM);
        page_drop(s, old);
    } else {
        fill_fresh(s, *out, level, index);
    }
    set_pointer(s, path, level, &moved);
    return STATUS_SUCCESS;
}

// From the root to a region's bitmap. Without write, page[0] is NULL when it (or a page above it) was never
// written.
nt_status map_walk(struct store *s, u64 region, bool write, struct space_path *path)
{
    ASSERT_HELD(&s->space.mutex);
    memset(path->page, 0, sizeof path->page);
    path->top = s->space.level;
    for (u32 level = path->top + 1; level-- > 0;) {
        u64 index = region / map_span(level);
        nt_status status = step(s, path, level, index, write, &path->page[level]);
        if (status != STATUS_SUCCESS || (!path->page[level] && level == 0)) {
            if (status != STATUS_SUCCESS)
                map_put(path);
            return status;
        }
        if (!path->page[level]) {
            map_put(path);
            memset(path->page, 0, sizeof path->page);
            return STATUS_SUCCESS;
        }
        if (level > 0) {
            path->slot[level] = (u32)(region / map_span(level - 1) % SPACE_FANOUT);
            if (path->slot[level] >= from_le16(page_head(path->page[level])->count)) {
                map_put(path);
                return STATUS_DISK_CORRUPT_ERROR;
            }
        }
    }
    return STATUS_SUCCESS;
}

nt_status map_look_again(struct store *s)
{
    struct space *sp = &s->space;
    for (struct lost *lost = sp->lost; lost; lost = lost->next)
        lost->generation = 0; // still to be looked at; the list changes meanwhile
    for (;;) {
        struct lost *lost = sp->lost;
        while (lost && (lost->generation != 0 || status_is_damage(lost->status)))
            lost = lost->next;
        if (!lost)
            return STATUS_SUCCESS;
        struct space_path path = {0};
        u32 level = lost->level;
        u64 index = lost->index;
        nt_status status = map_walk(s, index * map_span(level), false, &path);
        if (status == STATUS_SUCCESS)
            map_put(&path);
        else if (!status_is_local(status))
            return status;
        lost = *lost_find(sp, level, index);
        if (lost)
            lost->generation = s->generation;
    }
}

nt_status space_trace(struct store *s, u64 region, struct page_trace *trace)
{
    SCOPE_LOCK(&s->space.mutex);
    struct space_path path = {.top = s->space.level, .look = LOOK_HARD};
    nt_status status = STATUS_SUCCESS;
    *trace = (struct page_trace){.top = path.top, .bottom = path.top + 1};
    for (u32 level = path.top + 1; level-- > 0 && status == STATUS_SUCCESS;) {
        u64 index = region / map_span(level);
        struct space_ptr p = map_pointer(s, &path, level);
        if (p.birth == 0)
            break; // never written, nor anything below
        trace->ptr[level] = space_page_ptr(s, level, index, &p);
        trace->bottom = level;
        status = step(s, &path, level, index, false, &path.page[level]);
        if (status != STATUS_SUCCESS || level == 0)
            break;
        path.slot[level] = (u32)(region / map_span(level - 1) % SPACE_FANOUT);
        if (path.slot[level] >= from_le16(page_head(path.page[level])->count))
            status = STATUS_DISK_CORRUPT_ERROR;
    }
    map_put(&path);
    return status;
}

// Whether a change of free units and groups leaves every count in its bounds (I4).
bool map_fits(struct store *s, struct space_path *path, i64 free, i64 groups)
{
    for (u32 level = 0; level <= path->top; level++) {
        struct space_ptr p = map_pointer(s, path, level);
        u64 most = MIN(map_span(level) * SPACE_LEAF_UNITS, s->units);
        if (p.free + (u64)free > most || p.groups + (u64)groups > most / GROUP_UNITS)
            return false;
    }
    return true;
}

// Free units and groups of a region changed: tell every pointer above it (I4).
void map_account(struct store *s, struct space_path *path, i64 free, i64 groups)
{
    ASSERT_HELD(&s->space.mutex);
    for (u32 level = 0; level <= path->top; level++) {
        struct space_ptr p = map_pointer(s, path, level);
        p.free += (u64)free;
        p.groups += (u64)groups;
        set_pointer(s, path, level, &p);
    }
}
