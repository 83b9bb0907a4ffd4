// SPDX-License-Identifier: Apache-2.0
// The mapping of a stream: extents with their sums as records of the tree, and reference counts of units that
// several extents share. A unit without a count is used once; only extents marked EXTENT_SHARED look for one.
#include "engine/extent.h"
#include "engine/orphan.h"
#include "engine/store.h"
#include "engine/stream_record.h"
#include "engine/txn.h"

u32 extent_sum_size(const struct store *s)
{
    return s->cluster == 4096 ? 4 : s->cluster_units * 8;
}

u32 extent_most(const struct store *s, bool summed)
{
    return summed ? EXTENT_SUM_BYTES / extent_sum_size(s) : EXTENT_CLUSTERS_MAX;
}

static void extent_key(struct key *key, u64 data, u64 first)
{
    key_begin(key, data, KIND_EXTENT);
    key_add_u64(key, first);
}

static u32 sum_bytes(const struct store *s, const struct extent *e)
{
    return e->flags & EXTENT_SUMMED ? e->clusters * extent_sum_size(s) : 0;
}

// Of the sums only those of the clusters [from, end).
static nt_status extent_decode(struct store *s, struct slice key, struct slice value, u64 from, u64 end,
                               struct extent *e)
{
    const struct raw_extent *raw = (const struct raw_extent *)value.p;
    if (key.len != 9 + 8 || value.len < sizeof *raw)
        return STATUS_FILE_CORRUPT_ERROR;
    e->first = get_be64(key.p + 9);
    e->unit = from_le64(raw->unit);
    e->clusters = from_le32(raw->clusters);
    e->flags = from_le32(raw->flags);
    e->birth = from_le64(raw->birth);
    u64 units = (u64)e->clusters * s->cluster_units;
    bool summed = e->flags & EXTENT_SUMMED;
    if (e->clusters == 0 || e->clusters > extent_most(s, summed) || (e->flags & ~(u32)EXTENT_FLAGS) ||
        value.len != sizeof *raw + sum_bytes(s, e) || e->unit >= s->units || units > s->units - e->unit ||
        e->unit % s->cluster_units != 0 || e->first + (e->clusters - 1) > (u64)INT64_MAX / s->cluster ||
        e->first > INT64_MAX)
        return STATUS_FILE_CORRUPT_ERROR;
    from = MAX(from, e->first);
    end = MIN(end, e->first + e->clusters);
    if (!summed || from >= end)
        return STATUS_SUCCESS;
    u32 sum = extent_sum_size(s);
    from -= e->first;
    end -= e->first;
    memcpy(e->sums + from * sum, (const u8 *)(raw + 1) + from * sum, (end - from) * sum);
    return STATUS_SUCCESS;
}

nt_status extent_parse(struct store *s, struct slice key, struct slice value, struct extent *e)
{
    return extent_decode(s, key, value, 0, UINT64_MAX, e);
}

struct wish {
    struct store *store;
    u64 data, from, end;
    struct extent *extent;
};

static nt_status visit_extent(void *context, struct slice key, struct slice value)
{
    struct wish *w = context;
    if (!key_is_of(key, w->data, KIND_EXTENT))
        return STATUS_NO_SUCH_FILE;
    return extent_decode(w->store, key, value, w->from, w->end, w->extent);
}

static nt_status find(struct wish *w, u64 cluster)
{
    struct key key;
    extent_key(&key, w->data, cluster);
    nt_status status = tree_look(w->store, &key, TREE_AT_MOST, visit_extent, w);
    if (status == STATUS_SUCCESS && cluster < w->extent->first + w->extent->clusters)
        return STATUS_SUCCESS;
    if (status != STATUS_SUCCESS && status != STATUS_NO_SUCH_FILE)
        return status;
    return tree_look(w->store, &key, TREE_ABOVE, visit_extent, w);
}

nt_status extent_find(struct store *s, u64 data, u64 cluster, struct extent *e)
{
    return find(&(struct wish){s, data, 0, UINT64_MAX, e}, cluster);
}

nt_status extent_find_part(struct store *s, u64 data, u64 cluster, u64 end, struct extent *e)
{
    return find(&(struct wish){s, data, cluster, end, e}, cluster);
}

nt_status extent_put(struct txn *t, u64 data, const struct extent *e)
{
    struct key key;
    struct {
        struct raw_extent raw;
        u8 sums[EXTENT_SUM_BYTES];
    } value = {.raw = {.unit = to_le64(e->unit),
                       .clusters = to_le32(e->clusters),
                       .flags = to_le32(e->flags),
                       .birth = to_le64(e->birth)}};
    u32 sums = sum_bytes(t->store, e);
    memcpy(value.sums, e->sums, sums);
    t->plain_data |= !(e->flags & EXTENT_SUMMED);
    extent_key(&key, data, e->first);
    return tree_put(t, &key, &value, (u32)sizeof value.raw + sums);
}

// The part [first, end) of an extent as an extent of its own.
struct extent extent_part(const struct store *s, const struct extent *e, u64 first, u64 end)
{
    struct extent part = {.first = first,
                          .unit = e->unit + (first - e->first) * s->cluster_units,
                          .clusters = (u32)(end - first),
                          .flags = e->flags,
                          .birth = e->birth};
    if (e->flags & EXTENT_SUMMED)
        memcpy(part.sums, e->sums + (first - e->first) * extent_sum_size(s),
               part.clusters * extent_sum_size(s));
    return part;
}

static nt_status unmap_one(struct txn *t, u64 data, const struct extent *e, u64 first, u64 end)
{
    struct store *s = t->store;
    struct key key;
    u64 e_end = e->first + e->clusters;
    if (e->first < first) {
        struct extent left = extent_part(s, e, e->first, first);
        TRY(extent_put(t, data, &left));
    } else {
        extent_key(&key, data, e->first);
        TRY(tree_delete(t, &key));
    }
    if (end < e_end) {
        struct extent right = extent_part(s, e, end, e_end);
        TRY(extent_put(t, data, &right));
    }
    u64 unit = e->unit + (first - e->first) * s->cluster_units, units = (end - first) * s->cluster_units;
    if (e->flags & EXTENT_SHARED)
        return refs_drop(t, unit, units);
    return txn_free(t, unit, units, e->birth == s->generation);
}

// Of clusters that may be shared so many go at once as are counted alike: each run is a record.
static nt_status shorten_to_run(struct txn *t, const struct extent *e, u64 from, u64 *to)
{
    struct store *s = t->store;
    u32 count;
    u64 run;
    if (!(e->flags & EXTENT_SHARED))
        return STATUS_SUCCESS;
    txn_lock_refs(t);
    TRY(refs_count(s, e->unit + (from - e->first) * s->cluster_units, (*to - from) * s->cluster_units, &count,
                   &run));
    *to = MIN(*to, from + (run + s->cluster_units - 1) / s->cluster_units);
    return STATUS_SUCCESS;
}

nt_status extent_unmap(struct txn *t, u64 data, u64 first, u64 end, u64 *next, u64 *freed)
{
    struct extent e;
    *next = first;
    *freed = 0;
    while (*next < end) {
        nt_status status = extent_find(t->store, data, *next, &e);
        if (status == STATUS_NO_SUCH_FILE || (status == STATUS_SUCCESS && e.first >= end)) {
            *next = end;
            break;
        }
        TRY(status);
        u64 from = MAX(*next, e.first), to = MIN(end, e.first + e.clusters);
        TRY(shorten_to_run(t, &e, from, &to));
        TRY(unmap_one(t, data, &e, from, to));
        *freed += to - from;
        *next = to;
        if (txn_is_full(t))
            break;
    }
    return STATUS_SUCCESS;
}

nt_status extent_map(struct txn *t, u64 data, const struct extent *e)
{
    struct store *s = t->store;
    struct extent before;
    struct wish wish = {s, data, 0, UINT64_MAX, &before};
    struct key key;
    if (e->first == 0)
        return extent_put(t, data, e);
    extent_key(&key, data, e->first - 1);
    nt_status status = tree_look(s, &key, TREE_AT_MOST, visit_extent, &wish);
    if (status == STATUS_NO_SUCH_FILE)
        return extent_put(t, data, e);
    TRY(status);
    u32 clusters = before.clusters + e->clusters;
    bool fits = before.first + before.clusters == e->first && before.flags == e->flags &&
                before.birth == e->birth &&
                before.unit + (u64)before.clusters * s->cluster_units == e->unit &&
                clusters <= extent_most(s, e->flags & EXTENT_SUMMED);
    if (!fits)
        return extent_put(t, data, e);
    memcpy(before.sums + sum_bytes(s, &before), e->sums, sum_bytes(s, e));
    before.clusters = clusters;
    return extent_put(t, data, &before);
}

// Keep the allocated count of the stream in a record, which may be gone by now.
static nt_status count_freed(struct txn *t, const struct key *stream, u64 freed)
{
    struct raw_stream raw;
    nt_status status = stream_load(t->store, stream, &raw);
    if (status == STATUS_NO_SUCH_FILE || status == STATUS_FILE_CORRUPT_ERROR)
        return STATUS_SUCCESS;
    TRY(status);
    u64 allocated = from_le64(raw.allocated);
    raw.allocated = to_le64(allocated - MIN(allocated, freed * t->store->cluster));
    return tree_patch(t, stream, stream_offset(stream), &raw, sizeof raw);
}

static nt_status trim_batch(struct txn *t, u64 data, u64 *first, const struct key *stream, bool orphan)
{
    u64 freed;
    TRY(extent_unmap(t, data, *first, UINT64_MAX, first, &freed));
    if (stream && freed > 0)
        TRY(count_freed(t, stream, freed));
    return orphan && *first == UINT64_MAX ? orphan_remove_tail(t, data) : STATUS_SUCCESS;
}

nt_status extent_trim(struct store *s, u64 data, u64 first, const struct key *stream, bool orphan)
{
    do {
        struct txn *t;
        TRY(txn_begin(s, TXN_FREEING, &t));
        TRY(txn_end(t, trim_batch(t, data, &first, stream, orphan)));
    } while (first != UINT64_MAX);
    return STATUS_SUCCESS;
}

// --- reference counts ----------------------------------------------------------------------------

static void refs_key(struct key *key, u64 unit)
{
    key_begin(key, OBJECT_REFS, KIND_REFS);
    key_add_u64(key, unit);
}

struct refs {
    u64 unit, units;
    u32 count;
};

// The counted run that holds unit, or the next one; units 0 when there is none.
static nt_status refs_find(struct store *s, u64 unit, struct refs *r)
{
    struct key key;
    struct record record;
    *r = (struct refs){.unit = UINT64_MAX};
    refs_key(&key, unit);
    enum tree_match match[] = {TREE_AT_MOST, TREE_ABOVE};
    for (u32 i = 0; i < ARRAY_LEN(match); i++) {
        nt_status status = tree_find(s, &key, match[i], &record);
        if (status == STATUS_NO_SUCH_FILE ||
            (status == STATUS_SUCCESS && !key_belongs(&record.key, OBJECT_REFS, KIND_REFS)))
            continue;
        TRY(status);
        if (record.key.len != 9 + 8 || record.len != sizeof(struct raw_refs))
            return STATUS_DISK_CORRUPT_ERROR;
        const struct raw_refs *raw = (const struct raw_refs *)record.value;
        struct refs found = {get_be64(record.key.b + 9), from_le32(raw->units), from_le32(raw->count)};
        if (found.count < 2 || found.count > REFERENCES_MAX)
            return STATUS_DISK_CORRUPT_ERROR;
        if (found.unit + found.units > unit) {
            *r = found;
            return STATUS_SUCCESS;
        }
    }
    return STATUS_SUCCESS;
}

static nt_status refs_put(struct txn *t, u64 unit, u64 units, u32 count)
{
    struct key key;
    struct raw_refs raw = {to_le32((u32)units), to_le32(count)};
    if (units == 0)
        return STATUS_SUCCESS;
    refs_key(&key, unit);
    return tree_put(t, &key, &raw, sizeof raw);
}

nt_status refs_count(struct store *s, u64 unit, u64 units, u32 *count, u64 *run)
{
    struct refs r;
    *count = 1;
    *run = units;
    TRY(refs_find(s, unit, &r));
    if (r.units == 0)
        return STATUS_SUCCESS;
    if (r.unit <= unit)
        *count = r.count;
    *run = MIN(units, r.unit <= unit ? r.unit + r.units - unit : r.unit - unit);
    return STATUS_SUCCESS;
}

// Give the units [from, to) of a counted run another count.
static nt_status refs_change(struct txn *t, const struct refs *r, u64 from, u64 to, u32 count)
{
    struct key key;
    refs_key(&key, r->unit);
    TRY(tree_delete(t, &key));
    TRY(refs_put(t, r->unit, from - r->unit, r->count));
    if (count > 1)
        TRY(refs_put(t, from, to - from, count));
    return refs_put(t, to, r->unit + r->units - to, r->count);
}

nt_status refs_add(struct txn *t, u64 unit, u64 units)
{
    txn_lock_refs(t);
    for (u64 end = unit + units; unit < end;) {
        struct refs r;
        TRY(refs_find(t->store, unit, &r));
        u64 to = r.unit > unit ? MIN(end, r.unit) : MIN(end, r.unit + r.units);
        if (r.unit > unit)
            TRY(refs_put(t, unit, to - unit, 2));
        else if (r.count >= REFERENCES_MAX)
            return STATUS_TOO_MANY_LINKS;
        else
            TRY(refs_change(t, &r, unit, to, r.count + 1));
        unit = to;
    }
    return STATUS_SUCCESS;
}

nt_status refs_drop(struct txn *t, u64 unit, u64 units)
{
    txn_lock_refs(t);
    for (u64 end = unit + units; unit < end;) {
        struct refs r;
        TRY(refs_find(t->store, unit, &r));
        u64 to = r.unit > unit ? MIN(end, r.unit) : MIN(end, r.unit + r.units);
        if (r.unit > unit)
            TRY(txn_free(t, unit, to - unit, false));
        else
            TRY(refs_change(t, &r, unit, to, r.count - 1));
        unit = to;
    }
    return STATUS_SUCCESS;
}
