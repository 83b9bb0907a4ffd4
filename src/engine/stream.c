// SPDX-License-Identifier: Apache-2.0
// File data. Streams with sums (integrity streams): every write goes to new clusters, data first, then
// mapping and sums in one transaction; reads check whole aligned 16 KiB units. Streams without: written in
// place, never checked. Writers of one stream take turns (writer); readers share lock, which a writer takes
// exclusively only to change the mapping.
#include "engine/stream.h"
#include "engine/extent.h"
#include "engine/orphan.h"
#include "engine/store.h"
#include "engine/stream_record.h"
#include "engine/txn.h"

enum { CLUSTER_MAX = 65536, WRITE_CHUNK = 1 << 20 };

// --- open, close, state --------------------------------------------------------------------------

static nt_status load(struct store *s, const struct key *key, struct raw_stream *raw)
{
    struct record record;
    nt_status status = tree_find(s, key, TREE_EQUAL, &record);
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_OBJECT_NAME_NOT_FOUND : status);
    if (record.len < stream_offset(key) + sizeof *raw)
        return STATUS_FILE_CORRUPT_ERROR;
    memcpy(raw, record.value + stream_offset(key), sizeof *raw);
    return from_le64(raw->size) > INT64_MAX ? STATUS_FILE_CORRUPT_ERROR : STATUS_SUCCESS;
}

nt_status stream_open(struct store *s, u64 id, struct str name, struct stream **out)
{
    struct key key;
    struct raw_stream raw;
    *out = NULL;
    TRY(stream_key(s, id, name, &key));
    TRY(load(s, &key, &raw));
    struct stream *m = calloc(1, sizeof *m);
    if (!m)
        return STATUS_INSUFFICIENT_RESOURCES;
    m->store = s;
    m->id = id;
    m->key = key;
    m->raw = raw;
    m->unfinished = atomic_load(&s->unfinished);
    pthread_mutex_init(&m->writer, NULL);
    hold_init(&m->lock);
    *out = m;
    return STATUS_SUCCESS;
}

void stream_close(struct stream *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->writer);
    hold_destroy(&m->lock);
    free(m);
}

void stream_get_info(struct stream *m, struct stream_info *info)
{
    SCOPE_HOLD_READ(&m->lock);
    *info = (struct stream_info){.size = stream_size(m),
                                 .allocated = from_le64(m->raw.allocated),
                                 .algorithm = from_le16(m->raw.algorithm),
                                 .enforcement_off = stream_flags(m) & STREAM_ENFORCEMENT_OFF,
                                 .sparse = stream_flags(m) & STREAM_SPARSE,
                                 .shared = stream_flags(m) & STREAM_SHARED};
}

// Write a new state into the record; ours follows when the transaction has succeeded.
nt_status stream_save(struct txn *t, struct stream *m, const struct raw_stream *raw)
{
    if (memcmp(raw, &m->raw, sizeof *raw) == 0)
        return STATUS_SUCCESS;
    return tree_patch(t, &m->key, stream_offset(&m->key), raw, sizeof *raw);
}

void stream_adopt(struct stream *m, const struct raw_stream *raw)
{
    SCOPE_HOLD_WRITE(&m->lock);
    m->raw = *raw;
}

nt_status stream_save_alone(struct stream *m, const struct raw_stream *raw)
{
    struct txn *t;
    TRY(txn_begin(m->store, TXN_NORMAL, &t));
    TRY(txn_end(t, stream_save(t, m, raw)));
    stream_adopt(m, raw);
    return STATUS_SUCCESS;
}

// --- reading -------------------------------------------------------------------------------------

void stream_unit_sum(const struct store *s, const u8 *data, u8 *sum)
{
    if (s->cluster == 4096)
        put_le32(sum, sum_crc32c(data, s->unit));
    else
        put_le64(sum, sum_crc64(data, s->unit));
}

u32 stream_sum_size(const struct store *s)
{
    return extent_sum_size(s) / s->cluster_units;
}

// Compare the units of one extent that were read into data (file offset pos). DATA_CHECKSUM_ERROR at the
// first bad one.
static nt_status verify(struct stream *m, const struct extent *e, u64 pos, const u8 *data, u64 len)
{
    const struct store *s = m->store;
    u32 size = stream_sum_size(s);
    u64 unit = (pos - e->first * s->cluster) / s->unit;
    for (u64 at = 0; at < len; at += s->unit, unit++) {
        u8 sum[8];
        stream_unit_sum(s, data + at, sum);
        if (memcmp(sum, e->sums + unit * size, size) == 0)
            continue;
        u64 start = align_down(pos + at, PAGE_SIZE);
        atomic_fetch_add(&m->store->checksum_errors, 1);
        if (!stream_enforced(m))
            continue;
        store_event(m->store, 133, m->id, start, PAGE_SIZE);
        status_set_text("bytes %llu to %llu do not match their checksum", (unsigned long long)start,
                        (unsigned long long)start + PAGE_SIZE - 1);
        return STATUS_DATA_CHECKSUM_ERROR;
    }
    return STATUS_SUCCESS;
}

// Fill data with [pos, pos + len) of the mapping, holes as zeros. Sums are checked, so with them pos and len
// are whole units.
nt_status stream_read_mapped(struct stream *m, u64 pos, u8 *data, u64 len)
{
    const struct store *s = m->store;
    while (len > 0) {
        struct extent e;
        u64 n = len;
        u64 end = (pos + len + s->cluster - 1) / s->cluster;
        nt_status status = extent_find_part(m->store, stream_data(m), pos / s->cluster, end, &e);
        if (status != STATUS_SUCCESS && status != STATUS_NO_SUCH_FILE)
            return status;
        if (status == STATUS_SUCCESS && e.first * s->cluster <= pos) {
            u64 into = pos - e.first * s->cluster;
            n = MIN(len, (u64)e.clusters * s->cluster - into);
            TRY(io_read(&s->io, data, n, e.unit * s->unit + into));
            if (e.flags & EXTENT_SUMMED)
                TRY(verify(m, &e, pos, data, n));
        } else {
            if (status == STATUS_SUCCESS)
                n = MIN(len, e.first * s->cluster - pos);
            memset(data, 0, n);
        }
        pos += n;
        data += n;
        len -= n;
    }
    return STATUS_SUCCESS;
}

// Reads of integrity streams go by whole 16 KiB units: full ones straight into the caller's memory, cut ones
// through a buffer.
static nt_status read_units(struct stream *m, u64 pos, u8 *data, u64 len)
{
    u8 unit[PAGE_SIZE];
    while (len > 0) {
        u64 into = pos % PAGE_SIZE, n = MIN(len, PAGE_SIZE - into);
        if (into == 0 && len >= PAGE_SIZE) {
            n = align_down(len, PAGE_SIZE);
            TRY(stream_read_mapped(m, pos, data, n));
        } else {
            TRY(stream_read_mapped(m, pos - into, unit, sizeof unit));
            memcpy(data, unit + into, n);
        }
        pos += n;
        data += n;
        len -= n;
    }
    return STATUS_SUCCESS;
}

nt_status stream_read(struct stream *m, u64 offset, void *data, size_t len, size_t *done)
{
    *done = 0;
    SCOPE_HOLD_READ(&m->lock);
    if (len == 0)
        return STATUS_SUCCESS;
    if (offset >= stream_size(m))
        return STATUS_END_OF_FILE;
    u64 n = MIN((u64)len, stream_size(m) - offset);
    nt_status status =
        stream_summed(m) ? read_units(m, offset, data, n) : stream_read_mapped(m, offset, data, n);
    if (status != STATUS_SUCCESS) {
        memset(data, 0, n); // what did not match its sum is nobody's data
        return status;
    }
    *done = n;
    return STATUS_SUCCESS;
}

nt_status stream_map(struct stream *m, u64 offset, u64 *device, u64 *len)
{
    const struct store *s = m->store;
    struct extent e;
    *device = UINT64_MAX;
    *len = 0;
    SCOPE_HOLD_READ(&m->lock);
    if (offset >= stream_size(m))
        return STATUS_END_OF_FILE;
    nt_status status = extent_find_part(m->store, stream_data(m), offset / s->cluster, 0, &e); // without sums
    *len = stream_size(m) - offset;
    if (status == STATUS_NO_SUCH_FILE)
        return STATUS_SUCCESS;
    TRY(status);
    if (e.first * s->cluster > offset) {
        *len = MIN(*len, e.first * s->cluster - offset);
        return STATUS_SUCCESS;
    }
    *device = e.unit * s->unit + (offset - e.first * s->cluster);
    *len = MIN(*len, (e.first + e.clusters) * s->cluster - offset);
    return STATUS_SUCCESS;
}

// --- writing -------------------------------------------------------------------------------------

// One contiguous piece of a write to new clusters.
struct piece {
    u64 offset; // in the stream
    const u8 *data;
    u64 len;
    u64 size; // the stream's size afterwards, if that is more than before
};

// The old content of a cluster that is not overwritten as a whole; checked, so that rot is not given a new
// sum.
static nt_status old_cluster(struct stream *m, u64 cluster, u8 *buffer)
{
    u64 pos = cluster * m->store->cluster;
    if (pos >= stream_size(m)) {
        memset(buffer, 0, m->store->cluster);
        return STATUS_SUCCESS;
    }
    return stream_read_mapped(m, pos, buffer, m->store->cluster);
}

static void overlay(u8 *edge, u64 edge_start, u32 cluster, const struct piece *p)
{
    u64 from = MAX(edge_start, p->offset), to = MIN(edge_start + cluster, p->offset + p->len);
    memcpy(edge + (from - edge_start), p->data + (from - p->offset), to - from);
}

// The clusters [first, first + count) as they will be, in at most three parts: cut clusters in the edge
// buffers, whole ones where the caller has them.
static nt_status gather(struct stream *m, const struct piece *p, u64 first, u32 count,
                        u8 edge[2][CLUSTER_MAX], struct iovec iov[3], int *parts)
{
    u32 cluster = m->store->cluster;
    u64 start = first * cluster, end = start + (u64)count * cluster, p_end = p->offset + p->len;
    bool head = p->offset > start, tail = p_end < end;
    u64 tail_start = end - cluster;
    *parts = 0;
    if (head || (tail && count == 1)) {
        TRY(old_cluster(m, first, edge[0]));
        overlay(edge[0], start, cluster, p);
        iov[(*parts)++] = (struct iovec){edge[0], cluster};
        start += cluster;
        tail = tail && count > 1;
    }
    u64 middle_end = tail ? tail_start : end;
    if (start < middle_end) {
        u8 *whole = (u8 *)(uintptr_t)(p->data + (start - p->offset));
        iov[(*parts)++] = (struct iovec){whole, middle_end - start};
    }
    if (tail) {
        // What lies behind the old end is zero already.
        if (p_end >= stream_size(m))
            memset(edge[1], 0, cluster);
        else
            TRY(old_cluster(m, tail_start / cluster, edge[1]));
        overlay(edge[1], tail_start, cluster, p);
        iov[(*parts)++] = (struct iovec){edge[1], cluster};
    }
    return STATUS_SUCCESS;
}

static void sum_parts(const struct store *s, const struct iovec *iov, int parts, u8 *sums)
{
    for (int i = 0; i < parts; i++) {
        for (size_t at = 0; at < iov[i].iov_len; at += s->unit) {
            stream_unit_sum(s, (const u8 *)iov[i].iov_base + at, sums);
            sums += stream_sum_size(s);
        }
    }
}

// Replace the mapping of an extent's range by the extent, and the record with it.
static nt_status switch_mapping(struct txn *t, struct stream *m, const struct extent *e, u64 new_size)
{
    struct raw_stream raw = m->raw;
    bool done;
    u64 freed;
    SCOPE_HOLD_WRITE(&m->lock);
    TRY(extent_unmap(t, stream_data(m), e->first, e->first + e->clusters, UINT32_MAX, &done, &freed));
    TRY(extent_map(t, stream_data(m), e));
    u64 allocated = from_le64(raw.allocated) + ((u64)e->clusters - freed) * m->store->cluster;
    raw.allocated = to_le64(allocated);
    raw.size = to_le64(MAX(stream_size(m), new_size));
    TRY(stream_save(t, m, &raw));
    m->raw = raw;
    return STATUS_SUCCESS;
}

static nt_status write_new(struct txn *t, struct stream *m, const struct piece *p, u32 most, u64 *written)
{
    struct store *s = m->store;
    u8 edge[2][CLUSTER_MAX];
    struct iovec iov[3];
    struct extent e = {.first = p->offset / s->cluster,
                       .flags = stream_summed(m) ? EXTENT_SUMMED : 0,
                       .birth = s->generation};
    u64 into = p->offset % s->cluster;
    u64 want =
        MIN((into + p->len + s->cluster - 1) / s->cluster, (u64)MIN(most, extent_most(s, stream_summed(m))));
    int parts;
    TRY(txn_alloc(t, (u32)want, &e.unit, &e.clusters));
    struct piece here = *p;
    here.len = MIN(p->len, (u64)e.clusters * s->cluster - into);
    TRY(gather(m, &here, e.first, e.clusters, edge, iov, &parts));
    if (stream_summed(m))
        sum_parts(s, iov, parts, e.sums);
    TRY(io_writev(&s->io, iov, parts, e.unit * s->unit));
    TRY(switch_mapping(t, m, &e, MIN(p->size, here.offset + here.len)));
    *written = here.len;
    return STATUS_SUCCESS;
}

// A write to new clusters in a transaction of its own; tries again after a commit when space is only held
// back.
static nt_status write_piece(struct stream *m, const struct piece *p, u32 most, u64 *written)
{
    for (bool again = false;; again = true) {
        struct txn *t;
        *written = 0;
        TRY(txn_begin(m->store, TXN_NORMAL, &t));
        nt_status status = txn_end(t, write_new(t, m, p, most, written));
        if (status != STATUS_DISK_FULL || again || atomic_load(&m->store->space.running.units) == 0)
            return status;
        TRY(store_commit(m->store));
    }
}

// Clusters of a stream without sums that may be written where they are: *len from offset on. 0: they may not.
static nt_status in_place(struct stream *m, u64 offset, u64 *len, u64 *device, u32 *until_mapped)
{
    struct store *s = m->store;
    struct extent e;
    u64 cluster = offset / s->cluster, room = *len;
    *len = 0;
    *until_mapped = UINT32_MAX;
    nt_status status = extent_find(s, stream_data(m), cluster, &e);
    if (status == STATUS_NO_SUCH_FILE)
        return STATUS_SUCCESS;
    TRY(status);
    if (e.first > cluster) {
        *until_mapped = (u32)MIN(e.first - cluster, (u64)UINT32_MAX);
        return STATUS_SUCCESS;
    }
    u64 clusters = e.first + e.clusters - cluster;
    u64 unit = e.unit + (cluster - e.first) * s->cluster_units;
    if (e.flags & EXTENT_SHARED) {
        // Even when nobody else has them any more: to the last commit they may be another stream's still, or
        // have sums.
        *until_mapped = (u32)clusters;
        return STATUS_SUCCESS;
    }
    *len = MIN(room, clusters * s->cluster - offset % s->cluster);
    *device = unit * s->unit + offset % s->cluster;
    return STATUS_SUCCESS;
}

static nt_status write_plain(struct stream *m, const struct piece *p, u64 *written)
{
    u64 n = p->len, device;
    u32 most;
    *written = 0;
    TRY(in_place(m, p->offset, &n, &device, &most));
    if (n == 0)
        return write_piece(m, p, most, written);
    TRY(io_write(&m->store->io, p->data, n, device));
    atomic_store(&m->store->unflushed, true);
    if (MIN(p->size, p->offset + n) > stream_size(m)) {
        struct raw_stream raw = m->raw;
        raw.size = to_le64(p->offset + n);
        TRY(stream_save_alone(m, &raw));
    }
    *written = n;
    return STATUS_SUCCESS;
}

// Is there anything to zero in this cluster?
static nt_status is_mapped(struct stream *m, u64 cluster, bool *mapped)
{
    struct extent e;
    nt_status status = extent_find(m->store, stream_data(m), cluster, &e);
    *mapped = status == STATUS_SUCCESS && e.first <= cluster;
    return status == STATUS_NO_SUCH_FILE ? STATUS_SUCCESS : status;
}

// Zero [from, to) inside one cluster, if the cluster is mapped.
static nt_status zero_in_cluster(struct stream *m, u64 from, u64 to)
{
    static const u8 zeros[CLUSTER_MAX];
    u64 written;
    bool mapped;
    if (from >= to)
        return STATUS_SUCCESS;
    TRY(is_mapped(m, from / m->store->cluster, &mapped));
    if (!mapped)
        return STATUS_SUCCESS;
    struct piece p = {.offset = from, .data = zeros, .len = to - from};
    return stream_summed(m) ? write_piece(m, &p, 1, &written) : write_plain(m, &p, &written);
}

// Without sums a write that a crash cut off may have left bytes behind the end, and a clone may have brought
// some: they must not appear when the end moves.
nt_status stream_clear_tail(struct stream *m, u64 new_end)
{
    u64 end = stream_size(m);
    bool clean = stream_summed(m) && !(stream_flags(m) & STREAM_SHARED);
    if (clean || new_end <= end)
        return STATUS_SUCCESS;
    return zero_in_cluster(m, end, MIN(new_end, align_up(end, m->store->cluster)));
}

// What a trim left in the record.
static nt_status reload(struct stream *m)
{
    struct raw_stream raw;
    TRY(load(m->store, &m->key, &raw));
    stream_adopt(m, &raw);
    return STATUS_SUCCESS;
}

nt_status stream_finish_tail(struct stream *m)
{
    struct store *s = m->store;
    struct txn *t;
    if (!m->unfinished)
        return STATUS_SUCCESS;
    TRY(extent_trim(s, stream_data(m), (stream_size(m) + s->cluster - 1) / s->cluster, &m->key, false));
    TRY(reload(m));
    TRY(txn_begin(s, TXN_FREEING, &t));
    TRY(txn_end(t, orphan_remove_tail(t, stream_data(m))));
    m->unfinished = false;
    return STATUS_SUCCESS;
}

nt_status stream_write(struct stream *m, u64 offset, const void *data, size_t len, size_t *done)
{
    u64 end;
    *done = 0;
    if (add_overflows(offset, len, &end) || end > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    TRY(store_writable(m->store));
    SCOPE_LOCK(&m->writer);
    if (end > stream_size(m))
        TRY(stream_finish_tail(m));
    TRY(stream_clear_tail(m, offset));
    while (*done < len) {
        u64 at = offset + *done, written;
        // Chunks end at multiples of their size, so that extents of large files fall into step.
        u64 n = MIN(len - *done, WRITE_CHUNK - at % WRITE_CHUNK);
        struct piece p = {.offset = at, .data = (const u8 *)data + *done, .len = n, .size = end};
        TRY(stream_summed(m) ? write_piece(m, &p, UINT32_MAX, &written) : write_plain(m, &p, &written));
        *done += written;
    }
    return STATUS_SUCCESS;
}

// --- size, holes ---------------------------------------------------------------------------------

// The new end, zeros behind it in a cluster that is cut, and a note for whoever takes away the clusters
// beyond: one step.
static nt_status shrink_step(struct txn *t, struct stream *m, u64 size, u64 first, struct raw_stream *raw)
{
    static const u8 zeros[CLUSTER_MAX];
    struct store *s = m->store;
    u64 end = MIN(first * s->cluster, stream_size(m)), written;
    bool mapped = false;
    if (size < end)
        TRY(is_mapped(m, size / s->cluster, &mapped));
    if (mapped) {
        struct piece p = {.offset = size, .data = zeros, .len = end - size};
        TRY(write_new(t, m, &p, 1, &written));
    }
    *raw = m->raw;
    raw->size = to_le64(size);
    TRY(stream_save(t, m, raw));
    return orphan_tail(t, stream_data(m), first, &m->key);
}

static nt_status shrink(struct stream *m, u64 size)
{
    struct store *s = m->store;
    u64 first = (size + s->cluster - 1) / s->cluster;
    struct raw_stream before = m->raw, after = before;
    struct txn *t;
    TRY(txn_begin(s, TXN_FREEING, &t));
    nt_status status = txn_end(t, shrink_step(t, m, size, first, &after));
    // Not inside the transaction: it may hold ref_mutex, which comes behind our lock.
    stream_adopt(m, status == STATUS_SUCCESS ? &after : &before);
    TRY(status);
    status = extent_trim(s, stream_data(m), first, &m->key, true);
    m->unfinished = status != STATUS_SUCCESS;
    if (m->unfinished)
        atomic_store(&s->unfinished, true);
    nt_status loaded = reload(m);
    return status != STATUS_SUCCESS ? status : loaded;
}

nt_status stream_set_size(struct stream *m, u64 size)
{
    if (size > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    TRY(store_writable(m->store));
    SCOPE_LOCK(&m->writer);
    if (size < stream_size(m))
        return shrink(m, size);
    if (size == stream_size(m))
        return STATUS_SUCCESS;
    TRY(stream_finish_tail(m));
    TRY(stream_clear_tail(m, size));
    struct raw_stream raw = m->raw;
    raw.size = to_le64(size);
    return stream_save_alone(m, &raw);
}

static nt_status punch_batch(struct txn *t, struct stream *m, u64 first, u64 end, bool *done)
{
    enum { BATCH = 16 };
    struct raw_stream raw = m->raw;
    u64 freed;
    SCOPE_HOLD_WRITE(&m->lock);
    TRY(extent_unmap(t, stream_data(m), first, end, BATCH, done, &freed));
    raw.allocated =
        to_le64(from_le64(raw.allocated) - MIN(from_le64(raw.allocated), freed * m->store->cluster));
    TRY(stream_save(t, m, &raw));
    m->raw = raw;
    return STATUS_SUCCESS;
}

static nt_status punch(struct stream *m, u64 first, u64 end)
{
    for (bool done = false; !done && first < end;) {
        struct txn *t;
        TRY(txn_begin(m->store, TXN_FREEING, &t));
        TRY(txn_end(t, punch_batch(t, m, first, end, &done)));
    }
    return STATUS_SUCCESS;
}

nt_status stream_zero(struct stream *m, u64 offset, u64 len)
{
    u32 cluster = m->store->cluster;
    u64 end;
    if (add_overflows(offset, len, &end) || end > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    TRY(store_writable(m->store));
    SCOPE_LOCK(&m->writer);
    end = MIN(end, stream_size(m));
    if (offset >= end)
        return STATUS_SUCCESS;
    u64 first = align_up(offset, cluster),
        last = end == stream_size(m) ? align_up(end, cluster) : align_down(end, cluster);
    if (first > last)
        return zero_in_cluster(m, offset, end);
    TRY(zero_in_cluster(m, offset, MIN(first, end)));
    TRY(punch(m, first / cluster, last / cluster));
    return zero_in_cluster(m, last, end);
}

nt_status stream_set_sparse(struct stream *m, bool sparse)
{
    SCOPE_LOCK(&m->writer);
    struct raw_stream raw = m->raw;
    raw.flags = to_le16((u16)((stream_flags(m) & ~(u32)STREAM_SPARSE) | (sparse ? STREAM_SPARSE : 0)));
    return stream_save_alone(m, &raw);
}
