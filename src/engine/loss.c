// SPDX-License-Identifier: Apache-2.0
// What a device may have lost. A device may drop what it holds in its cache when a flush fails, when it loses
// power, and when its medium is taken out; it need not say so, and a later flush that succeeds covers only
// what came later. So flushes are numbered as they begin, each stream remembers when it was last written, and
// a failure opens a window from the last good flush on:
//
//   good flush        writes           failure                    good flush
//   -----+---------------+----------------+--------------------------+------
//        |<---- nothing of this is taken as written ---->|
//
//   metadata          a commit that was cut short is written again as a whole
//   data with sums    is compared with them before a flush of the stream says anything (stream_lost)
//   data without      is lost: each user of the stream hears of it once, by a count that only grows
//
// L1: a flush covers a write only if it began after the write was over.
// L2: a write that was running when the failure came is in the window.
// L3: what was counted as lost is counted once; what is written afterwards is another matter.
#include "engine/loss.h"

#include "engine/extent.h"
#include "engine/store.h"
#include "engine/stream.h"

void loss_add(struct stream *m)
{
    struct store *s = m->store;
    SCOPE_LOCK(&s->mutex);
    m->loss.next = s->loss.streams;
    s->loss.streams = m;
}

// What nobody has open any more cannot be compared: if it is lost, users of the volume hear of it.
void loss_remove(struct stream *m)
{
    struct store *s = m->store;
    SCOPE_LOCK(&s->mutex);
    while (m->loss.users > 0)
        pthread_cond_wait(&s->changed, &s->mutex);
    struct stream **p = &s->loss.streams;
    while (*p != m)
        p = &(*p)->loss.next;
    *p = m->loss.next;
    for (u32 kind = 0; kind < LOSS_KINDS; kind++)
        s->loss.closed = MAX(s->loss.closed, atomic_load(&m->loss.wrote[kind]));
    s->loss.count += atomic_load(&m->loss.doubt) != 0;
}

void loss_begin(struct stream *m, enum loss_kind kind)
{
    atomic_store(&m->loss.wrote[kind], LOSS_RUNNING); // L2
}

void loss_end(struct stream *m, enum loss_kind kind)
{
    atomic_store(&m->loss.wrote[kind], atomic_load(&m->store->loss.flushes) + 1);
}

static void flushed(struct store *s, u64 number)
{
    SCOPE_LOCK(&s->mutex);
    s->loss.good = MAX(s->loss.good, number);
}

nt_status loss_flush(struct store *s)
{
    u64 number = atomic_fetch_add(&s->loss.flushes, 1) + 1; // L1
    TRY(io_flush(&s->io));
    flushed(s, number);
    return STATUS_SUCCESS;
}

nt_status loss_write_flush(struct store *s, const void *data, size_t len, u64 offset)
{
    u64 number = atomic_fetch_add(&s->loss.flushes, 1) + 1;
    TRY(io_write_flush(&s->io, data, len, offset));
    flushed(s, number);
    return STATUS_SUCCESS;
}

// Has this stream writes in the window? Counted from now on as none (L3). store.mutex is held.
static bool take_writes(struct stream *m, enum loss_kind kind)
{
    ASSERT_HELD(&m->store->mutex);
    u64 wrote = atomic_load(&m->loss.wrote[kind]);
    if (wrote <= m->store->loss.good)
        return false;
    if (wrote != LOSS_RUNNING)
        atomic_compare_exchange_strong(&m->loss.wrote[kind], &wrote, 0);
    return true;
}

void loss_open(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    bool lost = s->loss.closed > s->loss.good;
    s->loss.closed = 0;
    for (struct stream *m = s->loss.streams; m; m = m->loss.next) {
        if (take_writes(m, LOSS_PLAIN)) {
            m->loss.count++;
            lost = true;
        }
        if (take_writes(m, LOSS_SUMMED) && atomic_load(&m->loss.doubt) == 0)
            atomic_store(&m->loss.doubt, s->durable + 1);
    }
    s->loss.count += lost;
}

// --- asking --------------------------------------------------------------------------------------

// Compare what was mapped since this generation with its sums. stream.lock is held.
static nt_status compare(struct stream *m, u64 generation)
{
    const struct store *s = m->store;
    u8 data[PAGE_SIZE];
    struct extent e;
    for (u64 cluster = 0;; cluster = e.first + e.clusters) {
        nt_status status = extent_find(m->store, stream_data(m), cluster, &e);
        if (status == STATUS_NO_SUCH_FILE)
            return STATUS_SUCCESS;
        TRY(status);
        u64 end = (e.first + e.clusters) * s->cluster;
        bool wanted = e.birth >= generation && e.flags & EXTENT_SUMMED;
        for (u64 pos = e.first * s->cluster; wanted && pos < end; pos += PAGE_SIZE)
            TRY(stream_read_checked(m, pos, data, MIN(end - pos, (u64)PAGE_SIZE)));
    }
}

static nt_status settle_doubt(struct stream *m)
{
    u64 generation = atomic_exchange(&m->loss.doubt, 0);
    if (generation == 0)
        return STATUS_SUCCESS;
    nt_status status;
    {
        SCOPE_HOLD_READ(&m->lock);
        status = compare(m, generation);
    }
    if (status != STATUS_SUCCESS && status != STATUS_DATA_CHECKSUM_ERROR) {
        atomic_store(&m->loss.doubt, generation); // the device does not say: to be asked again
        return status;
    }
    SCOPE_LOCK(&m->store->mutex);
    m->loss.count += status != STATUS_SUCCESS;
    m->store->loss.count += status != STATUS_SUCCESS;
    return STATUS_SUCCESS;
}

u64 stream_lost_so_far(struct stream *m)
{
    SCOPE_LOCK(&m->store->mutex);
    return m->loss.count;
}

nt_status stream_lost(struct stream *m, u64 *count)
{
    *count = 0;
    TRY(settle_doubt(m));
    *count = stream_lost_so_far(m);
    return STATUS_SUCCESS;
}

u64 store_lost_so_far(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    return s->loss.count;
}

// An open stream in doubt, which its closer has to leave alone until it is put back.
static struct stream *take_doubtful(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    for (struct stream *m = s->loss.streams; m; m = m->loss.next)
        if (atomic_load(&m->loss.doubt) != 0) {
            m->loss.users++;
            return m;
        }
    return NULL;
}

static void put_back(struct stream *m)
{
    SCOPE_LOCK(&m->store->mutex);
    m->loss.users--;
    pthread_cond_broadcast(&m->store->changed);
}

nt_status store_lost(struct store *s, u64 *count)
{
    struct stream *m;
    nt_status status = STATUS_SUCCESS;
    *count = 0;
    while (status == STATUS_SUCCESS && (m = take_doubtful(s)) != NULL) {
        status = settle_doubt(m);
        put_back(m);
    }
    TRY(status);
    *count = store_lost_so_far(s);
    return STATUS_SUCCESS;
}

void store_was_away(struct store *s)
{
    loss_open(s);
}
