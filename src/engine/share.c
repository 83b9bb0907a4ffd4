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

// The bytes of a stream without sums are what its file is: the sums begin with them.
static nt_status sums_of(struct store *s, struct extent *e)
{
    u8 buffer[PAGE_SIZE];
    for (u32 u = 0; u < e->clusters * s->cluster_units; u++) {
        TRY(io_read(&s->io, buffer, s->unit, (e->unit + u) * s->unit));
        stream_unit_sum(s, buffer, e->sums + u * stream_sum_size(s));
    }
    return STATUS_SUCCESS;
}

// Map a part of an extent of m in the target too.
static nt_status convert_part(struct txn *t, struct stream *m, struct extent *e, const struct extent *part,
                              u64 target)
{
    TRY(refs_add(t, part->unit, (u64)part->clusters * t->store->cluster_units));
    TRY(extent_put(t, target, part));
    e->flags |= EXTENT_SHARED;
    return extent_put(t, stream_data(m), e);
}

// In steps, each with a transaction of its own, which begins when the data have been read.
static nt_status convert_extent(struct stream *m, struct extent *e, bool with_sums, u64 target)
{
    enum { STEP = 1 << 20 };
    struct store *s = m->store;
    u32 most = with_sums ? MIN(extent_most(s, true), STEP / s->cluster) : extent_most(s, false);
    for (u32 at = 0; at < e->clusters; at += most) {
        struct txn *t;
        struct extent part = {.first = e->first + at,
                              .unit = e->unit + (u64)at * s->cluster_units,
                              .clusters = MIN(most, e->clusters - at),
                              .flags = EXTENT_SHARED | (with_sums ? EXTENT_SUMMED : 0),
                              .birth = e->birth};
        if (with_sums)
            TRY(sums_of(s, &part));
        TRY(txn_begin(s, TXN_NORMAL, &t));
        TRY(txn_end(t, convert_part(t, m, e, &part, target)));
    }
    return STATUS_SUCCESS;
}

// May this extent be converted? Not if another one uses its clusters, and not if they are rotten: without
// sums that would be forgotten, so it does not matter here whether reads are refused.
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
        TRY(stream_read_checked(m, e->first * s->cluster + u * s->unit, buffer, s->unit));
    return STATUS_SUCCESS;
}

static nt_status convert_all(struct stream *m, bool with_sums, u64 target)
{
    for (u64 cluster = 0;;) {
        struct extent e;
        nt_status status = stream_extent(m->store, &m->raw, cluster, UINT64_MAX, &e);
        if (status == STATUS_NO_SUCH_FILE)
            return STATUS_SUCCESS;
        TRY(status);
        TRY(convertible(m, &e));
        TRY(convert_extent(m, &e, with_sums, target));
        cluster = e.first + e.clusters;
    }
}

static nt_status switch_data(struct change *c, u64 target)
{
    TRY(orphan_tail(c->txn, stream_data(c->stream), 0, NULL));
    c->raw.data = to_le64(target);
    return orphan_remove(c->txn, target);
}

// A second mapping of the same clusters is built beside the first, and one transaction switches over. Cut
// short at any point, the orphan list takes apart the mapping that lost.
static nt_status convert(struct stream *m, const struct raw_stream *wanted)
{
    struct store *s = m->store;
    u64 old = stream_data(m), target = store_new_object(s);
    struct change c;
    struct txn *t;
    TRY(loss_settle(m)); // while there is something to compare with
    TRY(txn_begin(s, TXN_NORMAL, &t));
    TRY(txn_end(t, orphan_tail(t, target, 0, NULL)));
    nt_status status = convert_all(m, from_le16(wanted->algorithm) != CHECKSUM_TYPE_NONE, target);
    if (status == STATUS_SUCCESS)
        status = change_begin(m, TXN_NORMAL, &c);
    if (status == STATUS_SUCCESS) {
        c.raw = *wanted;
        status = change_end(&c, switch_data(&c, target));
    }
    if (status == STATUS_SUCCESS)
        loss_convert(m, target, stream_summed(m));
    nt_status trimmed = extent_trim(s, status == STATUS_SUCCESS ? old : target, 0, NULL, true);
    return status != STATUS_SUCCESS ? status : trimmed;
}

static nt_status is_empty(struct stream *m, bool *empty)
{
    struct extent e;
    nt_status status = stream_extent(m->store, &m->raw, 0, 0, &e);
    *empty = status == STATUS_NO_SUCH_FILE;
    return *empty ? STATUS_SUCCESS : status;
}

nt_status stream_set_integrity(struct stream *m, u16 algorithm, bool enforcement_off)
{
    TRY(store_writable(m->store));
    SCOPE_LOCK(&m->writer);
    bool empty;
    TRY(stream_finish_tail(m)); // a conversion would take it along
    TRY(is_empty(m, &empty));
    if (!empty && !stream_summed(m) && algorithm != CHECKSUM_TYPE_NONE)
        TRY(stream_clear_tail(m, align_up(stream_size(m), m->store->cluster)));
    struct raw_stream raw = m->raw;
    u32 flags = stream_flags(m) & ~(u32)STREAM_ENFORCEMENT_OFF;
    raw.algorithm = to_le16(algorithm);
    raw.flags = to_le16((u16)(flags | (enforcement_off ? STREAM_ENFORCEMENT_OFF : 0)));
    if (stream_summed(m) != (algorithm != CHECKSUM_TYPE_NONE) && !empty)
        return convert(m, &raw);
    return stream_save(m, &raw);
}

// --- clones --------------------------------------------------------------------------------------

struct clone {
    struct stream *source, *target;
    u64 from, to, end; // clusters: the next one in source and target, and where source ends
};

static le16 flags_shared(const struct stream *m)
{
    return to_le16((u16)(stream_flags(m) | STREAM_SHARED));
}

// How many clusters of the source's range are one piece: of one extent whose units are counted alike, or a
// hole.
static nt_status clone_piece(struct txn *t, const struct clone *c, bool *mapped, u64 *n)
{
    struct store *s = t->store;
    struct extent e;
    u64 run;
    u32 count;
    *n = c->end - c->from;
    nt_status status = stream_extent(s, &c->source->raw, c->from, 0, &e);
    *mapped = status == STATUS_SUCCESS && e.first <= c->from;
    if (status == STATUS_NO_SUCH_FILE)
        return STATUS_SUCCESS;
    TRY(status);
    if (!*mapped) {
        *n = MIN(*n, e.first - c->from);
        return STATUS_SUCCESS;
    }
    *n = MIN(*n, e.first + e.clusters - c->from);
    txn_lock_refs(t);
    TRY(refs_count(s, e.unit + (c->from - e.first) * s->cluster_units, *n * s->cluster_units, &count, &run));
    *n = MIN(*n, (run + s->cluster_units - 1) / s->cluster_units);
    return STATUS_SUCCESS;
}

// Map the source's clusters [c->from, c->from + n) in the target too.
static nt_status clone_map(struct txn *t, const struct clone *c, u64 n)
{
    struct store *s = t->store;
    struct extent e;
    TRY(stream_extent(s, &c->source->raw, c->from, UINT64_MAX, &e));
    e.flags |= EXTENT_SHARED;
    TRY(refs_add(t, e.unit + (c->from - e.first) * s->cluster_units, n * s->cluster_units));
    struct extent copy = extent_part(s, &e, c->from, c->from + n);
    copy.first = c->to;
    TRY(extent_put(t, stream_data(c->target), &copy));
    return extent_put(t, stream_data(c->source), &e);
}

// One piece of the source's range, or as much of it as the transaction has room for.
static nt_status clone_step(struct change *change, const struct clone *c, u64 *clusters)
{
    struct txn *t = change->txn;
    bool mapped;
    u64 n, freed, next;
    change_close(change);
    TRY(clone_piece(t, c, &mapped, &n));
    TRY(extent_unmap(t, stream_data(c->target), c->to, c->to + n, &next, &freed));
    n = next - c->to;
    if (mapped)
        TRY(clone_map(t, c, n)); // looked up again: source and target may have been one extent
    change->raw.flags = flags_shared(c->target);
    change_count(change, mapped ? n : 0, freed);
    *clusters = n;
    return STATUS_SUCCESS;
}

static nt_status clone_range(struct clone *c)
{
    struct raw_stream source = c->source->raw;
    source.flags = flags_shared(c->source);
    TRY(stream_save(c->source, &source));
    while (c->from < c->end) {
        struct change change;
        u64 n = 0;
        TRY(change_begin(c->target, TXN_NORMAL, &change));
        TRY(change_end(&change, clone_step(&change, c, &n)));
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
    if (status == STATUS_SUCCESS) {
        loss_clone(source, target);
        status = clone_range(&c);
    }
    if (second != first)
        pthread_mutex_unlock(&second->writer);
    return status;
}
