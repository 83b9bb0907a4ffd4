// SPDX-License-Identifier: Apache-2.0
// Streams that share clusters: clones, and the two mappings of a stream whose sums are being made or dropped.
// Sharing means a reference count for the units and EXTENT_SHARED in every extent that uses them, set in the
// same transaction.
#include "engine/extent.h"
#include "engine/orphan.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/txn.h"

// --- sums for a stream that has data -------------------------------------------------------------

static nt_status sums_of(struct store *s, struct extent *e)
{
    u8 buffer[PAGE_SIZE];
    for (u32 u = 0; u < e->clusters * s->cluster_units; u++) {
        TRY(io_read(&s->io, buffer, s->unit, (e->unit + u) * s->unit));
        stream_unit_sum(s, buffer, e->sums + u * stream_sum_size(s));
    }
    return STATUS_SUCCESS;
}

// Map an extent of m in the target too, with sums or without.
static nt_status convert_extent(struct txn *t, struct stream *m, struct extent *e, bool with_sums, u64 target)
{
    struct store *s = m->store;
    u32 most = extent_most(s, with_sums);
    TRY(refs_add(t, e->unit, (u64)e->clusters * s->cluster_units));
    for (u32 at = 0; at < e->clusters; at += most) {
        struct extent part = {.first = e->first + at,
                              .unit = e->unit + (u64)at * s->cluster_units,
                              .clusters = MIN(most, e->clusters - at),
                              .flags = EXTENT_SHARED | (with_sums ? EXTENT_SUMMED : 0),
                              .birth = e->birth};
        if (with_sums)
            TRY(sums_of(s, &part));
        TRY(extent_put(t, target, &part));
    }
    e->flags |= EXTENT_SHARED;
    return extent_put(t, stream_data(m), e);
}

// May this extent be converted? Not if somebody else uses its clusters, and not if they are rotten already.
static nt_status convertible(struct stream *m, const struct extent *e)
{
    struct store *s = m->store;
    u64 units = (u64)e->clusters * s->cluster_units, run;
    u8 buffer[PAGE_SIZE];
    u32 count;
    if (e->flags & EXTENT_SHARED) {
        TRY(refs_count(s, e->unit, units, &count, &run));
        if (count > 1 || run < units)
            return STATUS_NOT_SUPPORTED;
    }
    for (u64 u = 0; (e->flags & EXTENT_SUMMED) && u < units; u++)
        TRY(stream_read_mapped(m, e->first * s->cluster + u * s->unit, buffer, s->unit));
    return STATUS_SUCCESS;
}

static nt_status convert_all(struct stream *m, bool with_sums, u64 target)
{
    for (u64 cluster = 0;;) {
        struct extent e;
        struct txn *t;
        nt_status status = extent_find(m->store, stream_data(m), cluster, &e);
        if (status == STATUS_NO_SUCH_FILE)
            return STATUS_SUCCESS;
        TRY(status);
        TRY(convertible(m, &e));
        TRY(txn_begin(m->store, TXN_NORMAL, &t));
        TRY(txn_end(t, convert_extent(t, m, &e, with_sums, target)));
        cluster = e.first + e.clusters;
    }
}

static nt_status switch_data(struct txn *t, struct stream *m, const struct raw_stream *raw)
{
    TRY(orphan_tail(t, stream_data(m), 0, NULL));
    TRY(orphan_remove(t, from_le64(raw->data)));
    return stream_save(t, m, raw);
}

// A second mapping of the same clusters is built beside the first, and one transaction switches over. Cut
// short at any point, the orphan list takes apart the mapping that lost.
static nt_status convert(struct stream *m, const struct raw_stream *wanted)
{
    struct store *s = m->store;
    struct raw_stream raw = *wanted;
    u64 old = stream_data(m), target = store_new_object(s);
    struct txn *t;
    TRY(txn_begin(s, TXN_NORMAL, &t));
    TRY(txn_end(t, orphan_tail(t, target, 0, NULL)));
    nt_status status = convert_all(m, from_le16(raw.algorithm) != CHECKSUM_TYPE_NONE, target);
    raw.data = to_le64(target);
    if (status == STATUS_SUCCESS)
        status = txn_begin(s, TXN_NORMAL, &t);
    if (status == STATUS_SUCCESS) {
        status = txn_end(t, switch_data(t, m, &raw));
        if (status == STATUS_SUCCESS)
            stream_adopt(m, &raw);
    }
    nt_status trimmed = extent_trim(s, status == STATUS_SUCCESS ? old : target, 0, NULL, true);
    return status != STATUS_SUCCESS ? status : trimmed;
}

nt_status stream_set_integrity(struct stream *m, u16 algorithm, bool enforcement_off)
{
    TRY(store_writable(m->store));
    SCOPE_LOCK(&m->writer);
    TRY(stream_finish_tail(m)); // a conversion would take it along
    struct raw_stream raw = m->raw;
    u32 flags = stream_flags(m) & ~(u32)STREAM_ENFORCEMENT_OFF;
    raw.algorithm = to_le16(algorithm);
    raw.flags = to_le16((u16)(flags | (enforcement_off ? STREAM_ENFORCEMENT_OFF : 0)));
    if (stream_summed(m) != (algorithm != CHECKSUM_TYPE_NONE) && from_le64(raw.allocated) > 0)
        return convert(m, &raw);
    return stream_save_alone(m, &raw);
}

// --- clones --------------------------------------------------------------------------------------

struct clone {
    struct stream *source, *target;
    u64 from, to, end; // clusters: the next one in source and target, and where source ends
};

// A target's state with other flags and another count of clusters.
static struct raw_stream raw_after(const struct stream *m, i64 clusters)
{
    struct raw_stream raw = m->raw;
    raw.flags = to_le16((u16)(stream_flags(m) | STREAM_SHARED));
    raw.allocated = to_le64(from_le64(raw.allocated) + (u64)(clusters * (i64)m->store->cluster));
    return raw;
}

// One extent (or one hole) of the source's range.
static nt_status clone_step(struct txn *t, struct clone *c, u64 *clusters)
{
    struct stream *source = c->source, *target = c->target;
    struct store *s = t->store;
    struct extent e;
    bool done;
    u64 freed, hole_end = c->end;
    nt_status status = extent_find(s, stream_data(source), c->from, &e);
    if (status != STATUS_SUCCESS && status != STATUS_NO_SUCH_FILE)
        return status;
    bool mapped = status == STATUS_SUCCESS && e.first <= c->from;
    if (status == STATUS_SUCCESS && !mapped)
        hole_end = MIN(hole_end, e.first);
    u64 n = (mapped ? MIN(c->end, e.first + e.clusters) : hole_end) - c->from;
    SCOPE_HOLD_WRITE(&target->lock);
    if (mapped) {
        // Marked before anything is freed: the two ranges may be neighbours in one stream.
        e.flags |= EXTENT_SHARED;
        TRY(refs_add(t, e.unit + (c->from - e.first) * s->cluster_units, n * s->cluster_units));
        TRY(extent_put(t, stream_data(source), &e));
    }
    TRY(extent_unmap(t, stream_data(target), c->to, c->to + n, UINT32_MAX, &done, &freed));
    if (mapped) {
        struct extent copy = extent_part(s, &e, c->from, c->from + n);
        copy.first = c->to;
        TRY(extent_put(t, stream_data(target), &copy));
    }
    struct raw_stream raw = raw_after(target, (mapped ? (i64)n : 0) - (i64)freed);
    TRY(stream_save(t, target, &raw));
    target->raw = raw;
    *clusters = n;
    return STATUS_SUCCESS;
}

static nt_status clone_range(struct clone *c)
{
    struct raw_stream source = raw_after(c->source, 0);
    TRY(stream_save_alone(c->source, &source));
    while (c->from < c->end) {
        struct txn *t;
        u64 n = 0;
        struct raw_stream before = c->target->raw;
        TRY(txn_begin(c->source->store, TXN_NORMAL, &t));
        nt_status status = txn_end(t, clone_step(t, c, &n));
        if (status != STATUS_SUCCESS)
            stream_adopt(c->target, &before);
        TRY(status);
        c->from += n;
        c->to += n;
    }
    return STATUS_SUCCESS;
}

// What lies behind the end in the last cluster comes along, and is zero.
static nt_status clone_prepare(struct stream *source, u64 source_end, struct stream *target, u64 target_end)
{
    u32 cluster = source->store->cluster;
    if (source_end > align_up(stream_size(source), cluster) ||
        target_end > align_up(stream_size(target), cluster))
        return STATUS_NOT_SUPPORTED;
    if (stream_summed(source) != stream_summed(target))
        return STATUS_INVALID_PARAMETER;
    return stream_clear_tail(source, source_end);
}

nt_status stream_clone(struct stream *source, u64 source_offset, struct stream *target, u64 target_offset,
                       u64 len)
{
    u32 cluster = source->store->cluster;
    u64 source_end, target_end;
    if (add_overflows(source_offset, len, &source_end) || add_overflows(target_offset, len, &target_end))
        return STATUS_INVALID_PARAMETER;
    if (source->store != target->store || !is_aligned(source_offset | target_offset | len, cluster))
        return STATUS_INVALID_PARAMETER;
    if (source == target && source_offset < target_end && target_offset < source_end)
        return STATUS_NOT_SUPPORTED;
    TRY(store_writable(source->store));
    // Two streams: always in the same order.
    struct stream *first = source < target ? source : target, *second = source < target ? target : source;
    SCOPE_LOCK(&first->writer);
    if (second != first)
        pthread_mutex_lock(&second->writer);
    nt_status status = clone_prepare(source, source_end, target, target_end);
    struct clone c = {source, target, source_offset / cluster, target_offset / cluster, source_end / cluster};
    if (status == STATUS_SUCCESS)
        status = clone_range(&c);
    if (second != first)
        pthread_mutex_unlock(&second->writer);
    return status;
}
