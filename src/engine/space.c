// SPDX-License-Identifier: Apache-2.0
// Free space: one bit a unit, in pages at fixed places with two slots each. Everything here happens under
// space.mutex. What must hold, cited at the lines that keep it:
//
//   I1  A unit is given out only when its bit is clear and neither generation holds it.
//   I2  What a generation freed is given out again only when its commit is durable, unless the unit was taken
//       in the same generation and no entry of the log knows it.
//   I3  A generation writes a page of the map to the slot that the last commit does not use. So changing the
//       map needs no space, and a commit cannot run out half way.
//   I4  Bits and counts change together: those of every pointer up to the root, and what may be given out. A
//       count that would leave its bounds is damage, and then nothing changes.
//   I5  Fixed places and what lies beyond the volume are never given out, and never taken back.
//   I6  Giving back cannot fail: space_ready has made the way to the bits dirty, so that it is in memory
//       until the commit, and has the memory for what is held. Units that damage keeps from their bit leak,
//       and units that are free already stay as they are; an event tells of both.
//   I7  The copies of a page lie at least space.apart from one another while there are two places that do;
//       when there are none, as far from one another as places are.
//   I8  The edges of the volume are given out last, to data and pages alike. Each is as large as half of the
//       reserve, which data leave: so a volume that is full of data has places for pages at either end.
//   I9  Damage of a page of the map takes away the units below it and nothing else: they are not given out.
//       What cannot be read now is not given out either, but does not leak. Any other status (the medium
//       changed, no memory) reaches the caller.
//
//                  space_alloc_*, space_take
//        +------+ --------------------------> +-------+   transaction ends    +--------+
//        | free |                             | taken | --------------------> | mapped |
//        +------+ <-------------------------- +-------+  (a record, or the    +--------+
//         |    ^    transaction fails; or it   (bit set)  tree, names it)      |  |
//         |    |    frees what it has taken                                    |  | space_free of what the
//         |    +---------------------------------------------------------------+  | last commit knows
//         |             space_free of what this generation has taken              v
//         |                                                                    +------+
//         +<------------------------------------------------------------------ | held |
//                     space_durable: the commit that freed it is durable       +------+
//                                                                  (bit clear, in a held_set)
#include "engine/space.h"
#include "engine/space_map.h"

enum {
    LONG_RUN = 65536, // bytes: a piece this long is good enough, a longer one is not searched for
    LOOKS = 8,        // at a map whose pages can be read one moment and not the next
};
#define GROUP_STARTS 0x1111111111111111ull
#define APART_MOST   (1024 * MIB) // bytes

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
    u32 unit_size;
};

static struct region region_view(struct store *s, u64 region, struct page *leaf)
{
    return (struct region){leaf, held_find(&s->space.running, region),
                           held_find(&s->space.committing, region), s->unit};
}

static u64 free_word(const struct region *r, u32 w)
{
    u64 taken = map_word(r->leaf, w);
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
        *now += (u64)__builtin_popcountll(group_starts(~map_word(r->leaf, w)));
        *avail += (u64)__builtin_popcountll(group_starts(free_word(r, w)));
    }
}

// --- allocation ----------------------------------------------------------------------------------

struct want {
    u64 units;    // at most
    bool groups;  // whole groups only, aligned
    bool broken;  // only units of groups that are in use already
    u64 low, end; // only in these units of the volume, whole groups of it
    u64 at;       // from here on first, if that lies there
    bool last;    // all in one piece, and the last one there is
};

static u64 usable_word(const struct region *r, u32 w, const struct want *want)
{
    u64 bits = free_word(r, w);
    u64 whole = group_starts(bits) * 15;
    return want->groups ? whole : want->broken ? bits & ~whole : bits;
}

static u64 run_at(const struct region *r, u64 bit, u64 end, const struct want *want)
{
    u64 run = 0, first = bit;
    while (run < want->units && bit < end) {
        u64 bits = usable_word(r, (u32)(bit / 64), want) >> (bit % 64);
        u64 n = bits == ~0ull ? 64 : (u64)__builtin_ctzll(~bits);
        run += n;
        bit += n;
        if (n == 0 || bit % 64 != 0)
            break;
    }
    return MIN(MIN(run, want->units), end - first);
}

// The best run that begins in [from, to) and ends before `end`: the first that is long enough, else the
// longest.
static u64 search(const struct region *r, u64 from, u64 to, u64 end, const struct want *want, u64 enough,
                  u64 *found)
{
    u64 best = 0;
    for (u64 bit = from; bit < to;) {
        u64 bits = usable_word(r, (u32)(bit / 64), want) >> (bit % 64);
        if (bits == 0) {
            bit = (bit / 64 + 1) * 64;
            continue;
        }
        bit += (u64)__builtin_ctzll(bits);
        if (bit >= to)
            break;
        u64 run = run_at(r, bit, end, want);
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

// The last page in [from, end).
static u64 search_last(const struct region *r, u64 from, u64 end, const struct want *want, u64 *found)
{
    for (u64 w = (end + 63) / 64; w-- > from / 64;) {
        u64 bits = usable_word(r, (u32)w, want);
        for (u64 starts = want->groups ? group_starts(bits) : bits; starts != 0; starts &= starts - 1) {
            u64 bit = w * 64 + (u64)__builtin_ctzll(starts);
            if (bit >= from && bit + want->units <= end)
                *found = bit;
        }
        if (*found != UINT64_MAX)
            return want->units;
    }
    return 0;
}

// What is wanted in the part [low, end) of a region, from the wish's place on and then round.
static u64 choose(const struct region *r, u64 base, u64 low, u64 end, const struct want *want, u64 *bit)
{
    u64 enough = MIN(want->units, (u64)LONG_RUN / r->unit_size), other = 0, from = low;
    *bit = UINT64_MAX;
    if (want->last)
        return search_last(r, low, end, want, bit);
    if (want->at >= base + low && want->at < base + end)
        from = want->at - base;
    u64 run = search(r, from, end, end, want, enough, bit);
    if (run < enough && from > low) {
        u64 other_run = search(r, low, from, end, want, enough, &other);
        if (other_run > run) {
            run = other_run;
            *bit = other;
        }
    }
    return want->groups ? run - run % GROUP_UNITS : run;
}

// How many units from bit on are used, or not, at most count.
static u64 run_of(const struct page *leaf, u64 bit, u64 count, bool used)
{
    u64 run = 0;
    while (run < count) {
        u64 shift = (bit + run) % 64, bits = map_word(leaf, (u32)((bit + run) / 64));
        u64 others = (used ? ~bits : bits) >> shift;
        u64 n = others ? (u64)__builtin_ctzll(others) : 64;
        run += MIN(n, 64 - shift);
        if (n < 64 - shift)
            break;
    }
    return MIN(run, count);
}

// Units of one region are in use from now on (I1, I4).
static nt_status take_run(struct store *s, struct space_path *path, u64 region, u64 bit, u64 count)
{
    struct space *sp = &s->space;
    struct region r = region_view(s, region, path->page[0]);
    u64 now, avail, now_after, avail_after;
    count_groups(&r, bit, count, &now, &avail);
    map_mark(path->page[0], bit, count, true);
    count_groups(&r, bit, count, &now_after, &avail_after);
    if (!map_fits(s, path, -(i64)count, (i64)now_after - (i64)now)) {
        map_mark(path->page[0], bit, count, false);
        struct space_ptr p = map_pointer(s, path, 0);
        return map_lost_add(s, 0, region, &p, STATUS_DISK_CORRUPT_ERROR);
    }
    map_account(s, path, -(i64)count, (i64)now_after - (i64)now);
    sp->avail -= MIN(sp->avail, count);
    sp->avail_groups -= MIN(sp->avail_groups, avail - avail_after);
    return STATUS_SUCCESS;
}

// Take up to want.units in one region. SUCCESS with *count 0: nothing there.
static nt_status take(struct store *s, u64 region, const struct want *want, u64 *unit, u64 *count)
{
    struct space_path path = {0};
    u64 base = region * SPACE_LEAF_UNITS, bit;
    u64 low = MAX(want->low, base) - base, end = MIN(want->end - base, (u64)SPACE_LEAF_UNITS);
    *count = 0;
    TRY(map_walk(s, region, false, &path));
    if (!path.page[0])
        TRY(map_walk(s, region, true, &path));
    struct region r = region_view(s, region, path.page[0]);
    u64 run = choose(&r, base, low, end, want, &bit);
    nt_status status = STATUS_SUCCESS;
    if (run > 0 && path.page[0]->birth != s->generation) {
        // Only a region that has what we want is worth a new copy of its page.
        map_put(&path);
        TRY(map_walk(s, region, true, &path));
    }
    if (run > 0)
        status = take_run(s, &path, region, bit, run);
    map_put(&path);
    TRY(status);
    *unit = base + bit;
    *count = run;
    return STATUS_SUCCESS;
}

// A search for a region in [from, end), upwards or down, with at least `least` units that may be given out.
struct hunt {
    const struct want *want;
    u64 from, end, least;
    bool found;
    u64 region;
};

static nt_status pick(struct store *s, struct hunt *h, u32 level, u64 index, struct space_ptr p)
{
    ASSERT_HELD(&s->space.mutex);
    u64 first = MAX(index * map_span(level), h->from), end = MIN((index + 1) * map_span(level), h->end);
    if (first >= end || p.free < h->least || (h->want->groups && p.groups == 0))
        return STATUS_SUCCESS;
    if (level == 0 || p.birth == 0) {
        // Never written: every region below is as good as another.
        h->region = h->want->last ? end - 1 : first;
        const struct held *a = held_find(&s->space.running, h->region),
                          *b = held_find(&s->space.committing, h->region);
        h->found = level > 0 || p.free - (a ? a->count : 0) - (b ? b->count : 0) >= h->least;
        return STATUS_SUCCESS;
    }
    struct page *page;
    nt_status status = map_load(s, level, index, &p, LOOK_LATER, &page);
    if (status != STATUS_SUCCESS)
        return status_is_local(status) ? STATUS_SUCCESS : status; // I9
    u32 count = MIN((u32)from_le16(page_head(page)->count), (u32)SPACE_FANOUT);
    for (u32 i = 0; i < count && !h->found && status == STATUS_SUCCESS; i++) {
        u32 n = h->want->last ? count - 1 - i : i;
        status = pick(s, h, level - 1, index * SPACE_FANOUT + n, space_decode(map_child(page, n)));
    }
    page_put(page);
    return status;
}

// One region after the other, until one has what is wanted.
static nt_status visit(struct store *s, struct hunt h, u64 *unit, u64 *count)
{
    for (;;) {
        h.found = false;
        TRY(pick(s, &h, s->space.level, 0, s->space.root));
        if (!h.found)
            return STATUS_SUCCESS;
        nt_status status = take(s, h.region, h.want, unit, count);
        TRY(status_is_local(status) ? STATUS_SUCCESS : status); // I9
        if (*count > 0)
            return STATUS_SUCCESS;
        if (h.want->last)
            h.end = h.region;
        else
            h.from = h.region + 1;
    }
}

// The region where the wish begins, then the lowest (or highest) in its range, of those with at least `least`
// free units. SUCCESS with *count 0: there is none.
static nt_status allocate(struct store *s, const struct want *want, u64 least, u64 *unit, u64 *count)
{
    struct hunt h = {want,
                     want->low / SPACE_LEAF_UNITS,
                     (want->end + SPACE_LEAF_UNITS - 1) / SPACE_LEAF_UNITS,
                     least,
                     false,
                     0};
    *count = 0;
    if (want->low >= want->end)
        return STATUS_SUCCESS;
    if (want->at >= want->low && want->at < want->end) {
        struct hunt here = h;
        here.from = want->at / SPACE_LEAF_UNITS;
        here.end = here.from + 1;
        TRY(visit(s, here, unit, count));
    }
    return *count > 0 ? STATUS_SUCCESS : visit(s, h, unit, count);
}

struct range {
    u64 low, end; // units of the volume
};

// Anywhere in a range. A region is left when it is seven eighths full, for the lowest that is emptier: the
// volume fills from its start, and an image file that is sparse stays small. When there is none, any will do,
// and the edges of the volume last (I8).
static nt_status allocate_in(struct store *s, struct want *want, struct range range, u64 *unit, u64 *count)
{
    const struct space *sp = &s->space;
    const struct range inner = {MAX(range.low, sp->inner_low), MIN(range.end, sp->inner_end)};
    const struct {
        struct range range;
        u64 least;
    } tries[] = {{inner, SPACE_LEAF_UNITS / 8}, {inner, 1}, {range, 1}};
    *count = 0;
    for (u32 i = 0; i < ARRAY_LEN(tries) && *count == 0; i++) {
        want->low = tries[i].range.low;
        want->end = tries[i].range.end;
        TRY(allocate(s, want, tries[i].least, unit, count));
    }
    return STATUS_SUCCESS;
}

// Why there is no room; SUCCESS: there is more now than there was. What could not be read is read again here
// and now: without room no transaction begins, so another generation may never come.
static nt_status full(struct store *s, u64 was)
{
    struct space *sp = &s->space;
    was = MIN(was, sp->avail); // this very request may have failed to read a page, or read it again
    TRY(map_look_again(s));
    if (sp->avail > was)
        return STATUS_SUCCESS;
    return sp->lost && sp->avail == 0 ? sp->lost->status : STATUS_DISK_FULL;
}

nt_status space_full(struct store *s)
{
    SCOPE_LOCK(&s->space.mutex);
    return full(s, s->space.avail);
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

static nt_status allocate_data(struct store *s, u64 reserve_pages, u32 want_clusters, u64 *unit, u64 *count)
{
    struct space *sp = &s->space;
    u64 spare = avail_pages(s) > reserve_pages ? avail_pages(s) - reserve_pages : 0;
    struct want want = {.groups = s->cluster_units > 1, .at = sp->data_cursor};
    *count = 0;
    if (want.groups) {
        // A cluster of 64 KiB takes four pages.
        want.units = MIN((u64)want_clusters, spare / s->cluster_units) * s->cluster_units;
        if (want.units == 0)
            return STATUS_SUCCESS;
    } else {
        // A piece of n units may break into n / 4 + 2 groups. When only the reserve's groups are whole, take
        // what lies in broken ones.
        want.broken = spare <= 2;
        want.units = want.broken ? want_clusters : MIN((u64)want_clusters, (spare - 2) * GROUP_UNITS);
    }
    TRY(allocate_in(s, &want, (struct range){0, s->units}, unit, count));
    if (*count > 0)
        sp->data_cursor = *unit + *count;
    return STATUS_SUCCESS;
}

nt_status space_alloc_data(struct store *s, u64 reserve_pages, u32 want_clusters, u64 *unit, u32 *clusters)
{
    u64 count = 0;
    *unit = 0;
    *clusters = 0;
    SCOPE_LOCK(&s->space.mutex);
    for (int turn = 0; count == 0; turn++) {
        u64 was = s->space.avail;
        TRY(allocate_data(s, reserve_pages, want_clusters, unit, &count));
        TRY(count > 0 ? STATUS_SUCCESS : turn < LOOKS ? full(s, was) : STATUS_IO_DEVICE_ERROR);
    }
    *clusters = (u32)(count / s->cluster_units);
    return STATUS_SUCCESS;
}

static u64 page_units(const struct store *s)
{
    return PAGE_SIZE / s->unit;
}

u64 space_apart(const struct store *s)
{
    return align_up(MIN(s->units / 4, APART_MOST / s->unit), GROUP_UNITS);
}

// The second copy, given the first (I7): behind it or before it. A place behind it that was begun stays in
// use while it can; a new one is begun twice as far away as need be, and then serves for as long as the first
// copies take to come as close.
static nt_status allocate_mirror(struct store *s, struct want *want, u64 first, u64 *unit, u64 *count)
{
    struct space *sp = &s->space;
    u64 behind = first + sp->apart, before = first >= sp->apart ? first - sp->apart + page_units(s) : 0;
    want->at = sp->mirror_cursor >= behind ? sp->mirror_cursor : first + 2 * sp->apart;
    TRY(allocate_in(s, want, (struct range){behind, s->units}, unit, count));
    if (*count == 0) {
        want->at = sp->mirror_cursor;
        TRY(allocate_in(s, want, (struct range){0, before}, unit, count));
    }
    if (*count > 0)
        sp->mirror_cursor = *unit + *count;
    return STATUS_SUCCESS;
}

static nt_status allocate_first(struct store *s, struct want *want, u64 *unit, u64 *count)
{
    struct space *sp = &s->space;
    want->at = sp->meta_cursor;
    TRY(allocate_in(s, want, (struct range){0, s->units}, unit, count));
    if (*count > 0)
        sp->meta_cursor = *unit + *count;
    return STATUS_SUCCESS;
}

// The first and the last place of the volume: no two lie farther apart (I7).
static nt_status allocate_ends(struct store *s, struct want *want, u64 unit[2], u64 count[2])
{
    *want = (struct want){.units = want->units, .groups = want->groups, .end = s->units};
    TRY(allocate(s, want, 1, &unit[0], &count[0]));
    want->last = true;
    return count[0] > 0 ? allocate(s, want, 1, &unit[1], &count[1]) : STATUS_SUCCESS;
}

static void give_back(struct store *s, u64 unit, u64 units, bool born_now);

static nt_status allocate_page(struct store *s, u64 unit[2], u64 count[2])
{
    struct want want = {.units = page_units(s), .groups = s->unit != PAGE_SIZE};
    TRY(allocate_first(s, &want, &unit[0], &count[0]));
    if (count[0] == 0 || s->copies == 1)
        return STATUS_SUCCESS;
    TRY(allocate_mirror(s, &want, unit[0], &unit[1], &count[1]));
    if (count[1] > 0)
        return STATUS_SUCCESS;
    give_back(s, unit[0], count[0], true);
    count[0] = 0;
    return allocate_ends(s, &want, unit, count);
}

// Both copies or none.
static nt_status allocate_copies(struct store *s, u64 unit[2], bool *made)
{
    u64 count[2] = {0, 0};
    nt_status status = allocate_page(s, unit, count);
    *made = status == STATUS_SUCCESS && count[s->copies - 1] > 0;
    for (int copy = 0; copy < s->copies && !*made; copy++)
        if (count[copy] > 0)
            give_back(s, unit[copy], count[copy], true);
    return status;
}

nt_status space_alloc_page(struct store *s, u64 addr[2])
{
    u64 unit[2] = {0, 0};
    addr[0] = addr[1] = 0;
    SCOPE_LOCK(&s->space.mutex);
    bool made = false;
    for (int turn = 0; !made; turn++) {
        u64 was = s->space.avail;
        TRY(allocate_copies(s, unit, &made));
        TRY(made ? STATUS_SUCCESS : turn < LOOKS ? full(s, was) : STATUS_IO_DEVICE_ERROR);
    }
    for (int copy = 0; copy < s->copies; copy++)
        addr[copy] = unit[copy] * s->unit;
    return STATUS_SUCCESS;
}

// --- freeing -------------------------------------------------------------------------------------

// Damaged records may claim the fixed places of the map itself (I5).
static bool is_fixed(const struct store *s, u64 region, u64 bit, u64 count)
{
    u64 fixed = space_fixed_units(s, region), mirror = s->mirror_gap / s->unit;
    return bit < fixed || (s->copies == 2 && bit < mirror + fixed && bit + count > mirror);
}

bool space_can_free(const struct store *s, u64 unit, u64 units)
{
    if (units == 0 || unit >= s->units || units > s->units - unit)
        return false;
    for (u64 end = unit + units; unit < end;) {
        u64 bit = unit % SPACE_LEAF_UNITS, n = MIN(end - unit, SPACE_LEAF_UNITS - bit);
        if (is_fixed(s, unit / SPACE_LEAF_UNITS, bit, n))
            return false;
        unit += n;
    }
    return true;
}

static void hold(struct held *h, struct held_set *set, u64 bit, u64 count)
{
    for (u64 i = bit; i < bit + count; i++)
        h->bits[i / 64] |= 1ull << (i % 64);
    h->count += (u32)count;
    atomic_fetch_add(&set->units, count);
}

// Units of one region that are taken.
static void free_run(struct store *s, struct space_path *path, struct held *h, u64 region, u64 bit, u64 count)
{
    struct space *sp = &s->space;
    struct region r = region_view(s, region, path->page[0]);
    u64 now, avail, now_after, avail_after;
    count_groups(&r, bit, count, &now, &avail);
    if (h)
        hold(h, &sp->running, bit, count); // I2
    map_mark(path->page[0], bit, count, false);
    count_groups(&r, bit, count, &now_after, &avail_after);
    map_account(s, path, (i64)count, (i64)now_after - (i64)now);
    if (!h) {
        sp->avail += count;
        sp->avail_groups += avail_after - avail;
    }
}

static void leak(struct store *s, u64 unit, u64 units)
{
    store_event(s, 131, 0, unit * s->unit, units * s->unit);
}

// Those of one region. What is free already stays so, and is told (I6).
static void give_back_in(struct store *s, u64 region, u64 bit, u64 count, bool born_now)
{
    struct space_path path = {0};
    struct held *h = NULL;
    u64 base = region * SPACE_LEAF_UNITS;
    if (map_walk(s, region, true, &path) != STATUS_SUCCESS) {
        leak(s, base + bit, count);
        return;
    }
    if (!born_now && !(h = held_get(&s->space, region))) {
        leak(s, base + bit, count);
        map_put(&path);
        return;
    }
    for (u64 end = bit + count, n; bit < end; bit += n) {
        n = run_of(path.page[0], bit, end - bit, true);
        if (n > 0 && map_fits(s, &path, (i64)n, (i64)n / GROUP_UNITS)) {
            free_run(s, &path, h, region, bit, n);
            continue;
        }
        n = n > 0 ? n : run_of(path.page[0], bit, end - bit, false);
        leak(s, base + bit, n);
    }
    map_put(&path);
}

static void give_back(struct store *s, u64 unit, u64 units, bool born_now)
{
    ASSERT_HELD(&s->space.mutex);
    if (!space_can_free(s, unit, units)) {
        leak(s, unit, units); // I5
        return;
    }
    while (units > 0) {
        u64 bit = unit % SPACE_LEAF_UNITS, n = MIN(units, SPACE_LEAF_UNITS - bit);
        give_back_in(s, unit / SPACE_LEAF_UNITS, bit, n, born_now);
        unit += n;
        units -= n;
    }
}

nt_status space_ready(struct store *s, u64 unit, u64 units)
{
    struct space *sp = &s->space;
    SCOPE_LOCK(&sp->mutex);
    for (u64 end = unit + units; unit < end;) {
        u64 region = unit / SPACE_LEAF_UNITS, bit = unit % SPACE_LEAF_UNITS;
        struct space_path path = {.look = LOOK_AGAIN};
        if (region >= sp->regions)
            break;
        nt_status status = map_walk(s, region, true, &path);
        if (status == STATUS_SUCCESS) {
            map_put(&path);
            status = held_get(sp, region) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
        }
        TRY(status_is_damage(status) ? STATUS_SUCCESS : status); // I9: these will leak
        unit += MIN(end - unit, SPACE_LEAF_UNITS - bit);
    }
    return STATUS_SUCCESS;
}

nt_status space_ready_page(struct store *s, const u64 addr[2])
{
    for (int copy = 0; copy < s->copies; copy++)
        TRY(space_ready(s, addr[copy] / s->unit, page_units(s)));
    return STATUS_SUCCESS;
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
        give_back(s, addr[copy] / s->unit, page_units(s), born_now);
}

nt_status space_take(struct store *s, u64 unit, u64 units)
{
    if (!space_can_free(s, unit, units))
        return STATUS_DISK_CORRUPT_ERROR; // I5
    SCOPE_LOCK(&s->space.mutex);
    for (u64 end = unit + units; unit < end;) {
        u64 region = unit / SPACE_LEAF_UNITS, bit = unit % SPACE_LEAF_UNITS;
        u64 n = MIN(end - unit, SPACE_LEAF_UNITS - bit);
        struct space_path path = {0};
        TRY(map_walk(s, region, true, &path));
        bool free = run_of(path.page[0], bit, n, false) == n;
        nt_status status = free ? take_run(s, &path, region, bit, n) : STATUS_DISK_CORRUPT_ERROR;
        map_put(&path);
        TRY(status);
        unit += n;
    }
    return STATUS_SUCCESS;
}

nt_status space_bitmap(struct store *s, u64 region, u64 *bits)
{
    struct space_path path = {.look = LOOK_HARD};
    SCOPE_LOCK(&s->space.mutex);
    TRY(map_walk(s, region, false, &path));
    if (path.page[0]) {
        for (u32 w = 0; w < SPACE_LEAF_WORDS; w++)
            bits[w] = map_word(path.page[0], w);
    } else {
        u64 fixed = space_fixed_units(s, region), units = space_region_units(s, region);
        u64 mirror = s->copies == 2 ? s->mirror_gap / s->unit : 0;
        memset(bits, 0, SPACE_LEAF_UNITS / 8);
        for (u64 i = 0; i < SPACE_LEAF_UNITS; i++)
            if (i < fixed || i >= units || (mirror && i >= mirror && i < mirror + fixed))
                bits[i / 64] |= 1ull << (i % 64);
    }
    map_put(&path);
    return STATUS_SUCCESS;
}

// --- commit --------------------------------------------------------------------------------------

static u64 seal(struct store *s, struct page *page, u32 level, u64 index)
{
    for (u32 i = 0; level > 0 && i < from_le16(page_head(page)->count); i++) {
        struct space_ptr child = space_decode(map_child(page, i));
        if (child.birth != s->generation)
            continue;
        struct ptr ptr = space_page_ptr(s, level - 1, index * SPACE_FANOUT + i, &child);
        struct page *p = page_find(s, &ptr, PAGE_SPACE, level - 1);
        ASSERT(p);
        child.sum = seal(s, p, level - 1, index * SPACE_FANOUT + i);
        page_put(p);
        space_encode(&child, map_child(page, i));
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
            if (h->count == 0) // got ready, and not needed: its page may be anywhere
                continue;
            // The commit's pages are in memory still, or those that took their places in this generation
            // are, so only what damaged counts made lost is not to be had (I9).
            struct space_path path = {0};
            nt_status status = map_walk(s, h->region, false, &path);
            ASSERT(status == STATUS_SUCCESS ? !!path.page[0] : status_is_damage(status));
            if (status != STATUS_SUCCESS)
                continue;
            struct region r = region_view(s, h->region, path.page[0]);
            struct region after = {r.leaf, r.running, NULL, r.unit_size};
            for (u32 w = 0; w < SPACE_LEAF_WORDS; w++) {
                if (h->bits[w] == 0)
                    continue;
                u64 groups = (u64)__builtin_popcountll(group_starts(free_word(&after, w)));
                sp->avail_groups += groups - (u64)__builtin_popcountll(group_starts(free_word(&r, w)));
            }
            sp->avail += h->count;
            map_put(&path);
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
    u64 edge = s->copies == 2 ? align_down(store_reserve(s) * page_units(s) / 2, GROUP_UNITS) : 0;
    sp->apart = space_apart(s);
    sp->inner_low = space_fixed_units(s, 0) + edge;
    sp->inner_end = s->units - edge;
    sp->meta_cursor = sp->inner_low;
    sp->data_cursor = align_down(MIN(s->units, (u64)SPACE_LEAF_UNITS) / 8, 64);
    sp->mirror_cursor = 2 * sp->apart;
}

void space_destroy(struct store *s)
{
    struct space *sp = &s->space;
    held_clear(sp, &sp->running);
    held_clear(sp, &sp->committing);
    while (sp->lost)
        map_lost_remove(sp, &sp->lost);
    while (sp->spare) {
        struct held *h = sp->spare;
        sp->spare = h->next;
        free(h);
    }
    pthread_mutex_destroy(&s->space.mutex);
}
