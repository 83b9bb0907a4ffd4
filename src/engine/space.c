// SPDX-License-Identifier: Apache-2.0
// Free space: one bit a unit, in pages at fixed places with two slots each. A commit writes a page to the
// slot that the last commit does not use, so changing the map never needs space itself, and a commit can
// never run out half way. Units freed in a generation are held back until its commit is durable. Everything
// here happens under space.mutex.
#include "engine/space.h"
#include "engine/store.h"

enum {
    BITMAP = sizeof(struct raw_page),
    LEAF_WORDS = SPACE_LEAF_UNITS / 64,
    LONG_RUN = 65536, // bytes: a piece this long is good enough, a longer one is not searched for
};
#define GROUP_STARTS 0x1111111111111111ull

// --- geometry ------------------------------------------------------------------------------------

static u64 span(u32 level) // regions that a page of this level covers
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
    while (span(sp->level) < sp->regions)
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
    while (n <= s->space.level && region % span(n) == 0)
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
    u64 region = index * span(level);
    u64 addr = region * SPACE_LEAF_UNITS * s->unit + (region == 0 ? SUPER_AREA : 0) +
               (level * 2ull + p->slot) * PAGE_SIZE;
    return (struct ptr){{addr, s->copies == 2 ? addr + s->mirror_gap : 0}, p->birth, p->sum};
}

struct space_ptr space_fresh(const struct store *s, u32 level, u64 index)
{
    struct space_ptr p = {0};
    u64 first = index * span(level), end = MIN(first + span(level), s->space.regions);
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

static struct raw_space_ptr *child_at(struct page *p, u32 i)
{
    return (struct raw_space_ptr *)(p->data + BITMAP) + i;
}

bool space_check(const u8 *data, u32 level)
{
    const struct raw_page *head = (const struct raw_page *)data;
    const struct raw_space_ptr *child = (const struct raw_space_ptr *)(data + BITMAP);
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
    const u8 *bits = data + BITMAP;
    u64 region = addr / s->unit / SPACE_LEAF_UNITS;
    u64 fixed = space_fixed_units(s, region), units = space_region_units(s, region);
    return all_used(bits, 0, fixed) && (s->copies == 1 || all_used(bits, s->mirror_gap / s->unit, fixed)) &&
           all_used(bits, units, SPACE_LEAF_UNITS - units);
}

static u64 word(const struct page *leaf, u32 w)
{
    return get_le64(leaf->data + BITMAP + 8 * w);
}
static void set_word(struct page *leaf, u32 w, u64 v)
{
    put_le64(leaf->data + BITMAP + 8 * w, v);
}

static void mark(struct page *leaf, u64 bit, u64 count, bool used)
{
    while (count > 0) {
        u32 shift = bit % 64, n = (u32)MIN(count, 64ull - shift);
        u64 mask = (n == 64 ? ~0ull : (1ull << n) - 1) << shift;
        u64 old = word(leaf, (u32)(bit / 64));
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
        mark(p, 0, fixed, true);
        if (s->copies == 2)
            mark(p, s->mirror_gap / s->unit, fixed, true);
        mark(p, units, SPACE_LEAF_UNITS - units, true);
        return;
    }
    u32 count = 0;
    for (u64 child = index * SPACE_FANOUT; count < SPACE_FANOUT && child * span(level - 1) < s->space.regions;
         child++) {
        struct space_ptr fresh = space_fresh(s, level - 1, child);
        space_encode(&fresh, child_at(p, count++));
    }
    page_head(p)->count = to_le16((u16)count);
}

struct space_path {
    struct page *page[SPACE_LEVELS_MAX];
    u32 slot[SPACE_LEVELS_MAX]; // of page[n-1] in page[n]
    u32 top;
};

static void path_put(struct space_path *path)
{
    for (u32 level = 0; level <= path->top; level++)
        page_put(path->page[level]);
}

static void set_pointer(struct store *s, struct space_path *path, u32 level, const struct space_ptr *p)
{
    if (level == path->top)
        s->space.root = *p;
    else
        space_encode(p, child_at(path->page[level + 1], path->slot[level + 1]));
}

static struct space_ptr get_pointer(struct store *s, struct space_path *path, u32 level)
{
    if (level == path->top)
        return s->space.root;
    return space_decode(child_at(path->page[level + 1], path->slot[level + 1]));
}

// The page of one step of a walk; writable ones are moved to the other slot once a generation.
static nt_status step(struct store *s, struct space_path *path, u32 level, u64 index, bool write,
                      struct page **out)
{
    struct space_ptr p = get_pointer(s, path, level);
    struct page *old = NULL;
    *out = NULL;
    if (p.birth != 0) {
        struct ptr ptr = space_page_ptr(s, level, index, &p);
        TRY(page_get(s, &ptr, PAGE_SPACE, level, &old));
        page_repair(s, old);
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
        memcpy((*out)->data + BITMAP, old->data + BITMAP, PAGE_ROOM);
        page_drop(s, old);
    } else {
        fill_fresh(s, *out, level, index);
    }
    set_pointer(s, path, level, &moved);
    return STATUS_SUCCESS;
}

// From the root to a region's bitmap. Without write, page[0] is NULL when it (or a page above it) was never
// written.
static nt_status walk(struct store *s, u64 region, bool write, struct space_path *path)
{
    memset(path->page, 0, sizeof path->page);
    path->top = s->space.level;
    for (u32 level = path->top + 1; level-- > 0;) {
        u64 index = region / span(level);
        nt_status status = step(s, path, level, index, write, &path->page[level]);
        if (status != STATUS_SUCCESS || (!path->page[level] && level == 0)) {
            if (status != STATUS_SUCCESS)
                path_put(path);
            return status;
        }
        if (!path->page[level]) {
            path_put(path);
            memset(path->page, 0, sizeof path->page);
            return STATUS_SUCCESS;
        }
        if (level > 0) {
            path->slot[level] = (u32)(region / span(level - 1) % SPACE_FANOUT);
            if (path->slot[level] >= from_le16(page_head(path->page[level])->count)) {
                path_put(path);
                return STATUS_DISK_CORRUPT_ERROR;
            }
        }
    }
    return STATUS_SUCCESS;
}

nt_status space_trace(struct store *s, u64 region, struct page_trace *trace)
{
    SCOPE_LOCK(&s->space.mutex);
    struct space_path path = {.top = s->space.level};
    nt_status status = STATUS_SUCCESS;
    *trace = (struct page_trace){.top = path.top, .bottom = path.top + 1};
    for (u32 level = path.top + 1; level-- > 0 && status == STATUS_SUCCESS;) {
        u64 index = region / span(level);
        struct space_ptr p = get_pointer(s, &path, level);
        if (p.birth == 0)
            break; // never written, nor anything below
        trace->ptr[level] = space_page_ptr(s, level, index, &p);
        trace->bottom = level;
        status = step(s, &path, level, index, false, &path.page[level]);
        if (status != STATUS_SUCCESS || level == 0)
            break;
        path.slot[level] = (u32)(region / span(level - 1) % SPACE_FANOUT);
        if (path.slot[level] >= from_le16(page_head(path.page[level])->count))
            status = STATUS_DISK_CORRUPT_ERROR;
    }
    path_put(&path);
    return status;
}

// Free units and groups of a region changed: tell every pointer above it.
static void account(struct store *s, struct space_path *path, i64 free, i64 groups)
{
    for (u32 level = 0; level <= path->top; level++) {
        struct space_ptr p = get_pointer(s, path, level);
        p.free += (u64)free;
        p.groups += (u64)groups;
        set_pointer(s, path, level, &p);
    }
}

// --- held units ----------------------------------------------------------------------------------

static struct held *held_find(struct held_set *set, u64 region)
{
    struct held *h = set->buckets[region % HELD_BUCKETS];
    while (h && h->region != region)
        h = h->next;
    return h;
}

static struct held *held_get(struct space *sp, u64 region)
{
    struct held_set *set = &sp->running;
    struct held *h = held_find(set, region);
    if (h)
        return h;
    if (sp->spare) {
        h = sp->spare;
        sp->spare = h->next;
        sp->spares--;
        memset(h, 0, sizeof *h);
    } else if (!(h = calloc(1, sizeof *h))) {
        return NULL;
    }
    h->region = (u32)region;
    h->next = set->buckets[region % HELD_BUCKETS];
    set->buckets[region % HELD_BUCKETS] = h;
    atomic_fetch_add(&set->regions, 1);
    return h;
}

static void spare_put(struct space *sp, struct held *h)
{
    h->next = sp->spare;
    sp->spare = h;
    sp->spares++;
}

nt_status space_prepare(struct store *s)
{
    struct space *sp = &s->space;
    SCOPE_LOCK(&sp->mutex);
    while (sp->spares < HELD_SPARE) {
        struct held *h = calloc(1, sizeof *h);
        if (!h)
            return STATUS_INSUFFICIENT_RESOURCES;
        spare_put(sp, h);
    }
    return STATUS_SUCCESS;
}

static void held_clear(struct space *sp, struct held_set *set)
{
    for (u32 i = 0; i < HELD_BUCKETS; i++) {
        while (set->buckets[i]) {
            struct held *h = set->buckets[i];
            set->buckets[i] = h->next;
            if (sp->spares < HELD_SPARE)
                spare_put(sp, h);
            else
                free(h);
        }
    }
    atomic_store(&set->regions, 0);
    atomic_store(&set->units, 0);
}

// A region as the allocator sees it: its bitmap and what is held there.
struct region {
    struct page *leaf;
    const struct held *running, *committing;
};

static struct region region_view(struct store *s, u64 region, struct page *leaf)
{
    return (struct region){leaf, held_find(&s->space.running, region),
                           held_find(&s->space.committing, region)};
}

static u64 free_word(const struct region *r, u32 w)
{
    u64 taken = word(r->leaf, w);
    if (r->running)
        taken |= r->running->bits[w];
    if (r->committing)
        taken |= r->committing->bits[w];
    return ~taken;
}

static u64 group_starts(u64 bits)
{
    return bits & bits >> 1 & bits >> 2 & bits >> 3 & GROUP_STARTS;
}

// Whole groups among the words that [bit, bit + count) touches: on the medium (now) and for the allocator
// (avail).
static void count_groups(const struct region *r, u64 bit, u64 count, u64 *now, u64 *avail)
{
    *now = *avail = 0;
    for (u32 w = (u32)(bit / 64); w <= (bit + count - 1) / 64; w++) {
        *now += (u64)__builtin_popcountll(group_starts(~word(r->leaf, w)));
        *avail += (u64)__builtin_popcountll(group_starts(free_word(r, w)));
    }
}

// --- allocation ----------------------------------------------------------------------------------

struct want {
    u64 units;   // at most
    bool groups; // whole groups only, aligned
    bool broken; // only units of groups that are in use already
};

static u64 usable_word(const struct region *r, u32 w, const struct want *want)
{
    u64 bits = free_word(r, w);
    u64 whole = group_starts(bits) * 15;
    return want->groups ? whole : want->broken ? bits & ~whole : bits;
}

static u64 run_at(const struct region *r, u64 bit, const struct want *want)
{
    u64 run = 0;
    while (run < want->units && bit < SPACE_LEAF_UNITS) {
        u64 bits = usable_word(r, (u32)(bit / 64), want) >> (bit % 64);
        u64 n = bits == ~0ull ? 64 : (u64)__builtin_ctzll(~bits);
        run += n;
        bit += n;
        if (n == 0 || bit % 64 != 0)
            break;
    }
    return MIN(run, want->units);
}

// The best run in [from, end): the first that is long enough, else the longest.
static u64 search(const struct region *r, u64 from, u64 end, const struct want *want, u64 enough, u64 *found)
{
    u64 best = 0;
    for (u64 bit = from; bit < end;) {
        u64 bits = usable_word(r, (u32)(bit / 64), want) >> (bit % 64);
        if (bits == 0) {
            bit = (bit / 64 + 1) * 64;
            continue;
        }
        bit += (u64)__builtin_ctzll(bits);
        if (bit >= end)
            break;
        u64 run = run_at(r, bit, want);
        if (run > best) {
            best = run;
            *found = bit;
        }
        if (best >= enough)
            break;
        bit += run;
    }
    return best;
}

static bool all_free(const struct page *leaf, u64 bit, u64 count)
{
    while (count > 0) {
        u32 shift = bit % 64, n = (u32)MIN(count, 64ull - shift);
        u64 mask = (n == 64 ? ~0ull : (1ull << n) - 1) << shift;
        if (word(leaf, (u32)(bit / 64)) & mask)
            return false;
        bit += n;
        count -= n;
    }
    return true;
}

// Units of one region are in use from now on.
static void take_run(struct store *s, struct space_path *path, u64 region, u64 bit, u64 count)
{
    struct region r = region_view(s, region, path->page[0]);
    u64 now, avail, now_after, avail_after;
    count_groups(&r, bit, count, &now, &avail);
    mark(path->page[0], bit, count, true);
    count_groups(&r, bit, count, &now_after, &avail_after);
    account(s, path, -(i64)count, (i64)now_after - (i64)now);
    s->space.avail -= count;
    s->space.avail_groups -= avail - avail_after;
}

// Take up to want.units in one region, from the cursor on and then round. SUCCESS with *count 0: nothing
// there.
static nt_status take(struct store *s, enum space_class class_, u64 region, const struct want *want,
                      u64 *unit, u64 *count)
{
    struct space *sp = &s->space;
    struct space_path path;
    u64 base = region * SPACE_LEAF_UNITS, bit = 0;
    u64 from = sp->cursor[class_] >= base && sp->cursor[class_] < base + SPACE_LEAF_UNITS
                   ? sp->cursor[class_] - base
                   : 0;
    u64 enough = MIN(want->units, (u64)LONG_RUN / s->unit);
    *count = 0;
    TRY(walk(s, region, false, &path));
    if (!path.page[0])
        TRY(walk(s, region, true, &path));
    struct region r = region_view(s, region, path.page[0]);
    u64 run = search(&r, from, SPACE_LEAF_UNITS, want, enough, &bit);
    if (run < enough && from > 0) {
        u64 other;
        u64 other_run = search(&r, 0, from, want, enough, &other);
        if (other_run > run) {
            run = other_run;
            bit = other;
        }
    }
    if (want->groups)
        run -= run % GROUP_UNITS;
    if (run > 0 && path.page[0]->birth != s->generation) {
        // Only a region that has what we want is worth a new copy of its page.
        path_put(&path);
        TRY(walk(s, region, true, &path));
    }
    if (run > 0) {
        take_run(s, &path, region, bit, run);
        *unit = base + bit;
        *count = run;
        sp->cursor[class_] = base + bit + run;
    }
    path_put(&path);
    return STATUS_SUCCESS;
}

// The first region at or behind `from` with at least `least` units that may be given out. False: none.
static bool pick(struct store *s, const struct want *want, u32 level, u64 index, struct space_ptr p, u64 from,
                 u64 least, u64 *region)
{
    if ((index + 1) * span(level) <= from || p.free < least || (want->groups && p.groups == 0))
        return false;
    if (level == 0) {
        const struct held *a = held_find(&s->space.running, index),
                          *b = held_find(&s->space.committing, index);
        *region = index;
        return p.free - (a ? a->count : 0) - (b ? b->count : 0) >= least;
    }
    if (p.birth == 0) {
        // Never written: every region below is as good as another.
        *region = MAX(index * span(level), from);
        return *region < s->space.regions;
    }
    struct page *page;
    struct ptr ptr = space_page_ptr(s, level, index, &p);
    if (page_get(s, &ptr, PAGE_SPACE, level, &page) != STATUS_SUCCESS)
        return false;
    u32 count = MIN((u32)from_le16(page_head(page)->count), (u32)SPACE_FANOUT);
    bool found = false;
    for (u32 i = 0; i < count && !found; i++)
        found = pick(s, want, level - 1, index * SPACE_FANOUT + i, space_decode(child_at(page, i)), from,
                     least, region);
    page_put(page);
    return found;
}

// The cursor's region while it is less than seven eighths full, then the lowest such region, then any with
// space at all: the volume fills from its start, and an image file that is sparse stays small.
static nt_status allocate(struct store *s, enum space_class class_, const struct want *want, u64 *unit,
                          u64 *count)
{
    static const u64 thresholds[] = {SPACE_LEAF_UNITS / 8, 1};
    struct space *sp = &s->space;
    u64 region;
    *count = 0;
    for (u32 pass = 0; pass < ARRAY_LEN(thresholds); pass++) {
        u64 here = sp->cursor[class_] / SPACE_LEAF_UNITS, least = thresholds[pass];
        if (here < sp->regions && pick(s, want, sp->level, 0, sp->root, here, least, &region) &&
            region == here) {
            TRY(take(s, class_, here, want, unit, count));
            if (*count > 0)
                return STATUS_SUCCESS;
        }
        for (u64 from = 0; pick(s, want, sp->level, 0, sp->root, from, least, &region); from = region + 1) {
            TRY(take(s, class_, region, want, unit, count));
            if (*count > 0)
                return STATUS_SUCCESS;
        }
    }
    return STATUS_DISK_FULL;
}

static u64 avail_pages(const struct store *s)
{
    return s->unit == PAGE_SIZE ? s->space.avail : s->space.avail_groups;
}

u64 space_avail_pages(struct store *s)
{
    SCOPE_LOCK(&s->space.mutex);
    return avail_pages(s);
}

u64 space_avail_clusters(struct store *s, u64 reserve_pages)
{
    SCOPE_LOCK(&s->space.mutex);
    u64 held = atomic_load(&s->space.running.units) + atomic_load(&s->space.committing.units);
    u64 units = s->space.avail + held, reserve = reserve_pages * (PAGE_SIZE / s->unit) + log_wish(s);
    u64 usable = units > reserve ? units - reserve : 0;
    return s->cluster_units == 1
               ? usable
               : MIN(usable / s->cluster_units, s->space.avail_groups + held / s->cluster_units);
}

nt_status space_alloc_data(struct store *s, u64 reserve_pages, u32 want_clusters, u64 *unit, u32 *clusters)
{
    u64 count, pages_per_step =
                   s->cluster_units; // at 64 KiB a cluster takes four pages, at 4 KiB a page four clusters
    *unit = 0;
    *clusters = 0;
    SCOPE_LOCK(&s->space.mutex);
    u64 spare = avail_pages(s) > reserve_pages ? avail_pages(s) - reserve_pages : 0;
    struct want want = {.groups = s->cluster_units > 1};
    if (want.groups) {
        want.units = MIN((u64)want_clusters, spare / pages_per_step) * s->cluster_units;
        if (want.units == 0)
            return STATUS_DISK_FULL;
    } else {
        // A piece of n units may break into n / 4 + 2 groups. When only the reserve's groups are whole, take
        // what lies in broken ones.
        want.broken = spare <= 2;
        want.units = want.broken ? want_clusters : MIN((u64)want_clusters, (spare - 2) * GROUP_UNITS);
    }
    TRY(allocate(s, SPACE_DATA, &want, unit, &count));
    *clusters = (u32)(count / s->cluster_units);
    return STATUS_SUCCESS;
}

static void give_back(struct store *s, u64 unit, u64 units, bool born_now);

nt_status space_alloc_page(struct store *s, u64 addr[2])
{
    struct want want = {.units = PAGE_SIZE / s->unit, .groups = s->unit != PAGE_SIZE};
    u64 unit, count;
    addr[0] = addr[1] = 0;
    SCOPE_LOCK(&s->space.mutex);
    TRY(allocate(s, SPACE_META, &want, &unit, &count));
    addr[0] = unit * s->unit;
    if (s->copies == 2) {
        nt_status status = allocate(s, SPACE_MIRROR, &want, &unit, &count);
        if (status != STATUS_SUCCESS) {
            give_back(s, addr[0] / s->unit, PAGE_SIZE / s->unit, true);
            return status;
        }
        addr[1] = unit * s->unit;
    }
    return STATUS_SUCCESS;
}

// --- freeing -------------------------------------------------------------------------------------

// Damaged records may claim the fixed places of the map itself.
static bool is_fixed(const struct store *s, u64 region, u64 bit, u64 count)
{
    u64 fixed = space_fixed_units(s, region), mirror = s->mirror_gap / s->unit;
    return bit < fixed || (s->copies == 2 && bit < mirror + fixed && bit + count > mirror);
}

static void hold(struct held *h, struct held_set *set, u64 bit, u64 count)
{
    for (u64 i = bit; i < bit + count; i++)
        h->bits[i / 64] |= 1ull << (i % 64);
    h->count += (u32)count;
    atomic_fetch_add(&set->units, count);
}

static void give_back(struct store *s, u64 unit, u64 units, bool born_now)
{
    struct space *sp = &s->space;
    while (units > 0) {
        u64 region = unit / SPACE_LEAF_UNITS, bit = unit % SPACE_LEAF_UNITS;
        u64 n = MIN(units, SPACE_LEAF_UNITS - bit), now, avail, now_after, avail_after;
        struct space_path path;
        struct held *h = NULL;
        bool known = region < sp->regions && !is_fixed(s, region, bit, n) &&
                     (born_now || (h = held_get(sp, region))) &&
                     walk(s, region, true, &path) == STATUS_SUCCESS;
        if (known) {
            struct region r = region_view(s, region, path.page[0]);
            count_groups(&r, bit, n, &now, &avail);
            if (h)
                hold(h, &sp->running, bit, n);
            mark(path.page[0], bit, n, false);
            count_groups(&r, bit, n, &now_after, &avail_after);
            account(s, &path, (i64)n, (i64)now_after - (i64)now);
            if (born_now) {
                sp->avail += n;
                sp->avail_groups += avail_after - avail;
            }
            path_put(&path);
        }
        unit += n;
        units -= n;
    }
}

void space_free(struct store *s, u64 unit, u64 units, bool born_now)
{
    SCOPE_LOCK(&s->space.mutex);
    give_back(s, unit, units, born_now);
}

void space_free_page(struct store *s, const u64 addr[2], bool born_now)
{
    SCOPE_LOCK(&s->space.mutex);
    for (int copy = 0; copy < s->copies; copy++)
        give_back(s, addr[copy] / s->unit, PAGE_SIZE / s->unit, born_now);
}

nt_status space_take(struct store *s, u64 unit, u64 units)
{
    TRY(space_prefetch(s, unit, units));
    SCOPE_LOCK(&s->space.mutex);
    for (u64 end = unit + units; unit < end;) {
        u64 region = unit / SPACE_LEAF_UNITS, bit = unit % SPACE_LEAF_UNITS;
        u64 n = MIN(end - unit, SPACE_LEAF_UNITS - bit);
        struct space_path path;
        TRY(walk(s, region, true, &path));
        bool free = all_free(path.page[0], bit, n);
        if (free)
            take_run(s, &path, region, bit, n);
        path_put(&path);
        if (!free)
            return STATUS_DISK_CORRUPT_ERROR;
        unit += n;
    }
    return STATUS_SUCCESS;
}

nt_status space_prefetch(struct store *s, u64 unit, u64 units)
{
    if (units == 0 || unit >= s->units || units > s->units - unit)
        return STATUS_DISK_CORRUPT_ERROR;
    SCOPE_LOCK(&s->space.mutex);
    for (u64 end = unit + units; unit < end;) {
        u64 region = unit / SPACE_LEAF_UNITS, bit = unit % SPACE_LEAF_UNITS;
        u64 n = MIN(end - unit, SPACE_LEAF_UNITS - bit);
        struct space_path path;
        if (is_fixed(s, region, bit, n))
            return STATUS_DISK_CORRUPT_ERROR;
        TRY(walk(s, region, false, &path));
        path_put(&path);
        unit += n;
    }
    return STATUS_SUCCESS;
}

nt_status space_bitmap(struct store *s, u64 region, u64 *bits)
{
    struct space_path path;
    SCOPE_LOCK(&s->space.mutex);
    TRY(walk(s, region, false, &path));
    if (path.page[0]) {
        for (u32 w = 0; w < LEAF_WORDS; w++)
            bits[w] = word(path.page[0], w);
    } else {
        u64 fixed = space_fixed_units(s, region), units = space_region_units(s, region);
        u64 mirror = s->copies == 2 ? s->mirror_gap / s->unit : 0;
        memset(bits, 0, SPACE_LEAF_UNITS / 8);
        for (u64 i = 0; i < SPACE_LEAF_UNITS; i++)
            if (i < fixed || i >= units || (mirror && i >= mirror && i < mirror + fixed))
                bits[i / 64] |= 1ull << (i % 64);
    }
    path_put(&path);
    return STATUS_SUCCESS;
}

// --- commit --------------------------------------------------------------------------------------

static u64 seal(struct store *s, struct page *page, u32 level, u64 index)
{
    for (u32 i = 0; level > 0 && i < from_le16(page_head(page)->count); i++) {
        struct space_ptr child = space_decode(child_at(page, i));
        if (child.birth != s->generation)
            continue;
        struct ptr ptr = space_page_ptr(s, level - 1, index * SPACE_FANOUT + i, &child);
        struct page *p = page_find(s, &ptr, PAGE_SPACE, level - 1);
        ASSERT(p);
        child.sum = seal(s, p, level - 1, index * SPACE_FANOUT + i);
        page_put(p);
        space_encode(&child, child_at(page, i));
    }
    return sum_crc64(page->data, PAGE_SIZE);
}

void space_seal(struct store *s)
{
    struct space *sp = &s->space;
    SCOPE_LOCK(&sp->mutex);
    if (sp->root.birth == s->generation) {
        struct ptr ptr = space_page_ptr(s, sp->level, 0, &sp->root);
        struct page *root = page_find(s, &ptr, PAGE_SPACE, sp->level);
        ASSERT(root);
        sp->root.sum = seal(s, root, sp->level, 0);
        page_put(root);
    }
    ASSERT(sp->committing.regions == 0);
    memcpy(sp->committing.buckets, sp->running.buckets, sizeof sp->committing.buckets);
    memset(sp->running.buckets, 0, sizeof sp->running.buckets);
    atomic_store(&sp->committing.regions, atomic_exchange(&sp->running.regions, 0));
    atomic_store(&sp->committing.units, atomic_exchange(&sp->running.units, 0));
}

void space_durable(struct store *s)
{
    struct space *sp = &s->space;
    SCOPE_LOCK(&sp->mutex);
    for (u32 i = 0; i < HELD_BUCKETS; i++) {
        for (struct held *h = sp->committing.buckets[i]; h; h = h->next) {
            struct space_path path;
            if (walk(s, h->region, false, &path) != STATUS_SUCCESS || !path.page[0])
                continue;
            struct region r = region_view(s, h->region, path.page[0]);
            struct region after = {r.leaf, r.running, NULL};
            for (u32 w = 0; w < LEAF_WORDS; w++) {
                if (h->bits[w] == 0)
                    continue;
                u64 groups = (u64)__builtin_popcountll(group_starts(free_word(&after, w)));
                sp->avail_groups += groups - (u64)__builtin_popcountll(group_starts(free_word(&r, w)));
            }
            sp->avail += h->count;
            path_put(&path);
        }
    }
    held_clear(sp, &sp->committing);
}

void space_init(struct store *s, const struct space_ptr *root)
{
    struct space *sp = &s->space;
    pthread_mutex_init(&sp->mutex, NULL);
    sp->root = *root;
    sp->avail = root->free;
    sp->avail_groups = root->groups;
    u64 first = MIN(s->units, (u64)SPACE_LEAF_UNITS);
    sp->cursor[SPACE_META] = 0;
    sp->cursor[SPACE_DATA] = align_down(first / 8, 64);
    sp->cursor[SPACE_MIRROR] = align_down(first / 8 * 7, 64);
}

void space_destroy(struct store *s)
{
    struct space *sp = &s->space;
    held_clear(sp, &sp->running);
    held_clear(sp, &sp->committing);
    while (sp->spare) {
        struct held *h = sp->spare;
        sp->spare = h->next;
        free(h);
    }
    pthread_mutex_destroy(&s->space.mutex);
}
