// SPDX-License-Identifier: Apache-2.0
// File data. Streams with sums (integrity streams): every write goes to new clusters, data first, then
// mapping and sums in one transaction; reads check whole aligned 16 KiB units. Streams without: written in
// place, never checked. Writers of one stream take turns (writer); readers share lock, which a writer takes
// exclusively from its first change of the mapping until the transaction is over: what is undone was never
// seen.
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
    nt_status status = stream_load(s, key, raw);
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_OBJECT_NAME_NOT_FOUND : status);
    return from_le64(raw->size) > INT64_MAX ? STATUS_FILE_CORRUPT_ERROR : STATUS_SUCCESS;
}

static void stream_free(struct stream *m)
{
    pthread_mutex_destroy(&m->writer);
    hold_destroy(&m->lock);
    free(m);
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
    nt_status status = loss_add(m);
    if (status == STATUS_SUCCESS)
        *out = m;
    else
        stream_free(m);
    return status;
}

void stream_close(struct stream *m)
{
    if (!m)
        return;
    loss_remove(m);
    stream_free(m);
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

// --- changes -------------------------------------------------------------------------------------

nt_status change_begin(struct stream *m, enum txn_kind kind, struct change *c)
{
    *c = (struct change){.stream = m, .raw = m->raw};
    return txn_begin(m->store, kind, &c->txn);
}

void change_close(struct change *c)
{
    if (!c->closed)
        hold_write(&c->stream->lock);
    c->closed = true;
}

void change_count(struct change *c, u64 mapped, u64 unmapped)
{
    u64 allocated = from_le64(c->raw.allocated) + mapped * c->stream->store->cluster;
    c->raw.allocated = to_le64(allocated - MIN(allocated, unmapped * c->stream->store->cluster));
}

nt_status change_end(struct change *c, nt_status status)
{
    struct stream *m = c->stream;
    if (status == STATUS_SUCCESS && memcmp(&c->raw, &m->raw, sizeof c->raw) != 0)
        status = tree_patch(c->txn, &m->key, stream_offset(&m->key), &c->raw, sizeof c->raw);
    status = txn_end(c->txn, status);
    if (status == STATUS_SUCCESS) {
        change_close(c);
        m->raw = c->raw;
    }
    if (c->closed)
        hold_release(&m->lock);
    return status;
}

nt_status stream_save(struct stream *m, const struct raw_stream *raw)
{
    struct change c;
    TRY(change_begin(m, TXN_NORMAL, &c));
    c.raw = *raw;
    return change_end(&c, STATUS_SUCCESS);
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

nt_status stream_extent(struct store *s, const struct raw_stream *raw, u64 cluster, u64 end, struct extent *e)
{
    u64 data = from_le64(raw->data);
    TRY(end == UINT64_MAX ? extent_find(s, data, cluster, e) : extent_find_part(s, data, cluster, end, e));
    bool summed = from_le16(raw->algorithm) != CHECKSUM_TYPE_NONE;
    return summed == !!(e->flags & EXTENT_SUMMED) ? STATUS_SUCCESS : STATUS_FILE_CORRUPT_ERROR;
}

// The first unit from `at` on, of those of an extent that were read into data (file offset pos), that does
// not match its sum; len when all do.
static u64 next_bad(const struct store *s, const struct extent *e, u64 pos, const u8 *data, u64 at, u64 len)
{
    u32 size = stream_sum_size(s);
    const u8 *sums = e->sums + (pos - e->first * s->cluster) / s->unit * size;
    for (; at < len; at += s->unit) {
        u8 sum[8];
        stream_unit_sum(s, data + at, sum);
        if (memcmp(sum, sums + at / s->unit * size, size) != 0)
            return at;
    }
    return len;
}

static nt_status report_rot(struct stream *m, u64 pos)
{
    u64 start = align_down(pos, PAGE_SIZE);
    store_event(m->store, 133, m->id, start, PAGE_SIZE);
    status_set_text("bytes %llu to %llu do not match their checksum", (unsigned long long)start,
                    (unsigned long long)start + PAGE_SIZE - 1);
    return STATUS_DATA_CHECKSUM_ERROR;
}

// What a reader does about units that do not match their sums, and which they were.
struct judge {
    bool lenient; // go on; else the first one fails the read
    u32 bad;      // those of a cluster, one bit each
};

// Fill data with [pos, pos + len) of the mapping, holes as zeros. Sums are checked, so with them pos and len
// are whole units.
static nt_status read_mapped(struct stream *m, u64 pos, u8 *data, u64 len, struct judge *judge)
{
    const struct store *s = m->store;
    for (u64 done = 0, n; done < len; done += n) {
        struct extent e;
        u64 at = pos + done, end = (pos + len + s->cluster - 1) / s->cluster;
        n = len - done;
        nt_status status = stream_extent(m->store, &m->raw, at / s->cluster, end, &e);
        if (status == STATUS_NO_SUCH_FILE || (status == STATUS_SUCCESS && e.first * s->cluster > at)) {
            if (status == STATUS_SUCCESS)
                n = MIN(n, e.first * s->cluster - at);
            memset(data + done, 0, n);
            continue;
        }
        TRY(status);
        u64 into = at - e.first * s->cluster;
        n = MIN(n, (u64)e.clusters * s->cluster - into);
        TRY(io_read(&s->io, data + done, n, e.unit * s->unit + into));
        if (!(e.flags & EXTENT_SUMMED))
            continue;
        for (u64 b = 0; (b = next_bad(s, &e, at, data + done, b, n)) < n; b += s->unit) {
            atomic_fetch_add(&m->store->checksum_errors, 1);
            if (!judge->lenient)
                return report_rot(m, at + b);
            judge->bad |= (done + b) / s->unit < 32 ? 1u << (done + b) / s->unit : 0;
        }
    }
    return STATUS_SUCCESS;
}

nt_status stream_read_checked(struct stream *m, u64 pos, u8 *data, u64 len)
{
    struct judge judge = {.lenient = false};
    return read_mapped(m, pos, data, len, &judge);
}

static nt_status read_enforced(struct stream *m, u64 pos, u8 *data, u64 len)
{
    struct judge judge = {.lenient = !stream_enforced(m)};
    return read_mapped(m, pos, data, len, &judge);
}

// Reads of integrity streams go by whole 16 KiB units: full ones straight into the caller's memory, cut ones
// through a buffer. Clusters behind the end are not looked at: they may be on their way to another owner.
static nt_status read_units(struct stream *m, u64 pos, u8 *data, u64 len)
{
    u8 unit[PAGE_SIZE];
    u64 end = align_up(stream_size(m), m->store->cluster);
    while (len > 0) {
        u64 into = pos % PAGE_SIZE, n = MIN(len, PAGE_SIZE - into);
        if (into == 0 && len >= PAGE_SIZE) {
            n = align_down(len, PAGE_SIZE);
            TRY(read_enforced(m, pos, data, n));
        } else {
            TRY(read_enforced(m, pos - into, unit, MIN(sizeof unit, end - (pos - into))));
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
    nt_status status = stream_summed(m) ? read_units(m, offset, data, n) : read_enforced(m, offset, data, n);
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
    nt_status status = stream_extent(m->store, &m->raw, offset / s->cluster, 0, &e); // without sums
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

// A cluster at the edge of a write as it will be. Units that keep old bytes are read and checked; *bad: those
// that are rotten, one bit each, and stay so. What the write replaces wholly, or up to the end of the stream,
// is not looked at.
static nt_status edge_fill(struct stream *m, const struct piece *p, u64 cluster, u8 *data, u32 *bad)
{
    const struct store *s = m->store;
    u64 start = cluster * s->cluster, end = start + s->cluster, size = stream_size(m);
    u64 from = MAX(start, p->offset), to = MIN(end, p->offset + p->len);
    u64 old = MIN(end, MAX(start, align_up(size, s->unit))); // nothing from there on
    u64 head = MIN(old, align_up(from, s->unit)), tail = to < size ? align_down(to, s->unit) : old;
    struct judge front = {.lenient = true}, back = front;
    if (tail <= head)
        head = tail = old;
    memset(data + (head - start), 0, end - head);
    if (head > start)
        TRY(read_mapped(m, start, data, head - start, &front));
    if (tail < old)
        TRY(read_mapped(m, tail, data + (tail - start), old - tail, &back));
    *bad = front.bad | (tail < old ? back.bad << (tail - start) / s->unit : 0);
    for (u64 at = align_down(from, s->unit); at < to && stream_enforced(m); at += s->unit)
        if (*bad >> (at - start) / s->unit & 1)
            return report_rot(m, at);
    memcpy(data + (from - start), p->data + (from - p->offset), to - from);
    if (to >= size)
        memset(data + (to - start), 0, end - to);
    return STATUS_SUCCESS;
}

// The clusters [first, first + count) as they will be, in at most three parts: cut clusters in the edge
// buffers, whole ones where the caller has them.
struct gathered {
    struct iovec iov[3];
    u32 bad[3]; // of each part
    int parts;
};

static nt_status gather_edge(struct stream *m, const struct piece *p, u64 cluster, u8 *buffer,
                             struct gathered *g)
{
    TRY(edge_fill(m, p, cluster, buffer, &g->bad[g->parts]));
    g->iov[g->parts++] = (struct iovec){buffer, m->store->cluster};
    return STATUS_SUCCESS;
}

static nt_status gather(struct stream *m, const struct piece *p, u64 first, u32 count,
                        u8 buffer[2][CLUSTER_MAX], struct gathered *g)
{
    u32 cluster = m->store->cluster;
    u64 start = first * cluster, end = start + (u64)count * cluster;
    bool head = p->offset > start, tail = p->offset + p->len < end;
    g->parts = 0;
    if (head || (tail && count == 1)) {
        TRY(gather_edge(m, p, first, buffer[0], g));
        start += cluster;
        tail = tail && count > 1;
    }
    u64 middle_end = tail ? end - cluster : end;
    if (start < middle_end) {
        u8 *whole = (u8 *)(uintptr_t)(p->data + (start - p->offset));
        g->bad[g->parts] = 0;
        g->iov[g->parts++] = (struct iovec){whole, middle_end - start};
    }
    return tail ? gather_edge(m, p, first + count - 1, buffer[1], g) : STATUS_SUCCESS;
}

// A unit with rotten bytes in it gets a sum that it does not match, so that it goes on being reported.
static void sum_parts(struct txn *t, const struct gathered *g, u8 *sums)
{
    const struct store *s = t->store;
    u32 size = stream_sum_size(s);
    for (int i = 0; i < g->parts; i++) {
        if (g->bad[i] != 0)
            log_refuse(t);
        for (size_t at = 0; at < g->iov[i].iov_len; at += s->unit, sums += size) {
            stream_unit_sum(s, (const u8 *)g->iov[i].iov_base + at, sums);
            bool rotten = at / s->unit < 32 && g->bad[i] >> at / s->unit & 1;
            for (u32 b = 0; rotten && b < size; b++)
                sums[b] = (u8)~sums[b];
        }
    }
}

// Replace the mapping of an extent's range by the extent, or by as much of it as the transaction has room
// for: the rest of its units is given back.
static nt_status switch_mapping(struct change *c, struct extent *e)
{
    struct stream *m = c->stream;
    struct store *s = m->store;
    u64 next, freed, end = e->first + e->clusters;
    change_close(c);
    TRY(extent_unmap(c->txn, stream_data(m), e->first, end, &next, &freed));
    e->clusters = (u32)(next - e->first);
    if (next < end)
        TRY(txn_free(c->txn, e->unit + (u64)e->clusters * s->cluster_units, (end - next) * s->cluster_units,
                     true));
    change_count(c, e->clusters, freed);
    return extent_map(c->txn, stream_data(m), e);
}

static nt_status write_data(struct stream *m, const struct iovec *iov, int n, u64 at)
{
    enum loss_kind kind = stream_summed(m) ? LOSS_SUMMED : LOSS_PLAIN;
    loss_begin(m, kind);
    nt_status status = io_writev(&m->store->io, iov, n, at);
    loss_end(m, kind);
    return status;
}

static nt_status write_new(struct change *c, const struct piece *p, u32 most, u64 *written)
{
    struct stream *m = c->stream;
    struct store *s = m->store;
    u8 buffer[2][CLUSTER_MAX];
    struct gathered g;
    struct extent e = {.first = p->offset / s->cluster,
                       .flags = stream_summed(m) ? EXTENT_SUMMED : 0,
                       .birth = s->generation};
    u64 into = p->offset % s->cluster;
    u64 want =
        MIN((into + p->len + s->cluster - 1) / s->cluster, (u64)MIN(most, extent_most(s, stream_summed(m))));
    TRY(txn_alloc(c->txn, (u32)want, &e.unit, &e.clusters));
    struct piece here = *p;
    here.len = MIN(p->len, (u64)e.clusters * s->cluster - into);
    TRY(gather(m, &here, e.first, e.clusters, buffer, &g));
    if (stream_summed(m))
        sum_parts(c->txn, &g, e.sums);
    TRY(write_data(m, g.iov, g.parts, e.unit * s->unit));
    TRY(switch_mapping(c, &e));
    *written = MIN(here.len, (u64)e.clusters * s->cluster - into);
    c->raw.size = to_le64(MAX(stream_size(m), MIN(p->size, here.offset + *written)));
    return STATUS_SUCCESS;
}

// A write to new clusters in a transaction of its own; tries again after a commit when space is only held
// back.
static nt_status write_piece(struct stream *m, const struct piece *p, u32 most, u64 *written)
{
    for (bool again = false;; again = true) {
        struct change c;
        *written = 0;
        TRY(change_begin(m, TXN_NORMAL, &c));
        nt_status status = change_end(&c, write_new(&c, p, most, written));
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
    nt_status status = stream_extent(s, &m->raw, cluster, 0, &e);
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
    TRY(write_data(m, &(struct iovec){(void *)(uintptr_t)p->data, n}, 1, device));
    atomic_store(&m->store->unflushed, true);
    if (MIN(p->size, p->offset + n) > stream_size(m)) {
        struct raw_stream raw = m->raw;
        raw.size = to_le64(p->offset + n);
        TRY(stream_save(m, &raw));
    }
    *written = n;
    return STATUS_SUCCESS;
}

// Is there anything to zero in this cluster?
static nt_status is_mapped(struct stream *m, u64 cluster, bool *mapped)
{
    struct extent e;
    nt_status status = stream_extent(m->store, &m->raw, cluster, 0, &e);
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
    ASSERT_HELD(&m->writer);
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
    SCOPE_HOLD_WRITE(&m->lock);
    m->raw = raw;
    return STATUS_SUCCESS;
}

nt_status stream_finish_tail(struct stream *m)
{
    ASSERT_HELD(&m->writer);
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
static nt_status shrink_step(struct change *c, u64 size, u64 first)
{
    static const u8 zeros[CLUSTER_MAX];
    struct stream *m = c->stream;
    struct store *s = m->store;
    u64 end = MIN(first * s->cluster, stream_size(m)), written;
    bool mapped = false;
    if (size < end)
        TRY(is_mapped(m, size / s->cluster, &mapped));
    if (mapped) {
        struct piece p = {.offset = size, .data = zeros, .len = end - size};
        TRY(write_new(c, &p, 1, &written));
    }
    c->raw.size = to_le64(size);
    return orphan_tail(c->txn, stream_data(m), first, &m->key);
}

static nt_status shrink(struct stream *m, u64 size)
{
    ASSERT_HELD(&m->writer);
    struct store *s = m->store;
    u64 first = (size + s->cluster - 1) / s->cluster;
    struct change c;
    TRY(change_begin(m, TXN_FREEING, &c));
    TRY(change_end(&c, shrink_step(&c, size, first)));
    nt_status status = extent_trim(s, stream_data(m), first, &m->key, true);
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
    return stream_save(m, &raw);
}

static nt_status punch_batch(struct change *c, u64 *first, u64 end)
{
    u64 freed;
    change_close(c);
    TRY(extent_unmap(c->txn, stream_data(c->stream), *first, end, first, &freed));
    change_count(c, 0, freed);
    return STATUS_SUCCESS;
}

static nt_status punch(struct stream *m, u64 first, u64 end)
{
    ASSERT_HELD(&m->writer);
    while (first < end) {
        struct change c;
        TRY(change_begin(m, TXN_FREEING, &c));
        TRY(change_end(&c, punch_batch(&c, &first, end)));
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
    return stream_save(m, &raw);
}
