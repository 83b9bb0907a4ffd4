// SPDX-License-Identifier: Apache-2.0
// What a device may have lost. A device may drop what it holds in its cache when a flush fails, when it loses
// power, and when its medium is taken out; it need not say so, and a later flush that succeeds covers only
// what came later. So flushes are numbered as they begin, the store remembers when each data object was last
// written, whether its stream is still open or not, and a failure opens a window from the last good flush on:
//
//   good flush        writes           failure                    good flush
//   -----+---------------+----------------+--------------------------+------
//        |<---- nothing of this is taken as written ---->|
//
//   metadata          a commit that was cut short is written again as a whole
//   data with sums    is in doubt: compared with them before a flush of the stream says anything
//   (stream_lost) data without      is lost: each user of the stream hears of it once, by a count that only
//   grows
//
// L1: a flush covers a write only if it began after the write was over.
// L2: a write that was running when the failure came is in the window.
// L3: what was counted as lost is counted once; what is written afterwards is another matter.
// L4: doubt ends with a comparison, which comes after a good flush that began after the window opened, so
// that
//     what matches is not only in the device's cache; and under stream.writer, so that what was written is
//     mapped. When nothing can be compared any more it ends as a loss.
// L5: data takes its window and its doubt along, into a clone and into another object.
#include "engine/loss.h"

#include "engine/extent.h"
#include "engine/fresh.h"
#include "engine/store.h"
#include "engine/stream.h"

// --- the table -----------------------------------------------------------------------------------

static struct loss_entry **bucket_of(struct store *s, u64 data)
{
    return &s->loss.buckets[data % LOSS_BUCKETS];
}

// Under store.mutex, as everything here.
static struct loss_entry **entry_find(struct store *s, u64 data)
{
    ASSERT_HELD(&s->mutex);
    struct loss_entry **e = bucket_of(s, data);
    while (*e && (*e)->data != data)
        e = &(*e)->next;
    return e;
}

static u64 newest_write(struct loss_entry *e)
{
    return MAX(atomic_load(&e->wrote[LOSS_PLAIN]), atomic_load(&e->wrote[LOSS_SUMMED]));
}

// Take out entries of closed streams: those with nothing to lose, or all. What is forgotten with them every
// stream counts as its own.
static void entries_drop(struct store *s, bool all)
{
    ASSERT_HELD(&s->mutex);
    struct loss *l = &s->loss;
    bool doubt = false;
    for (u32 i = 0; i < LOSS_BUCKETS; i++) {
        for (struct loss_entry **p = &l->buckets[i], *e; (e = *p) != NULL;) {
            bool safe = newest_write(e) <= l->good && e->doubt == 0;
            if (e->stream || !(safe || all)) {
                p = &e->next;
                continue;
            }
            if (!safe)
                l->forgotten = MAX(l->forgotten, newest_write(e));
            doubt |= e->doubt != 0;
            l->kept--;
            *p = e->next;
            free(e);
        }
    }
    l->all += doubt;
    l->count += doubt;
}

nt_status loss_add(struct stream *m)
{
    struct store *s = m->store;
    struct loss_entry *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return STATUS_INSUFFICIENT_RESOURCES;
    SCOPE_LOCK(&s->mutex);
    struct loss_entry *e = *entry_find(s, stream_data(m));
    if (e) {
        free(fresh);
        s->loss.kept--;
    } else {
        e = fresh;
        e->data = stream_data(m);
        e->next = *bucket_of(s, e->data);
        *bucket_of(s, e->data) = e;
    }
    ASSERT(!e->stream);
    e->stream = m;
    m->loss = e;
    return STATUS_SUCCESS;
}

// What nobody has open any more is not compared: users of the volume hear of it as lost.
static bool tell_volume(struct loss_entry *e)
{
    bool tell = e->doubt != 0 && !e->stream && !e->told;
    e->told |= tell;
    return tell;
}

void loss_remove(struct stream *m)
{
    struct store *s = m->store;
    struct loss_entry *e = m->loss;
    SCOPE_LOCK(&s->mutex);
    while (e->lookers > 0)
        pthread_cond_wait(&s->changed, &s->mutex);
    e->stream = NULL;
    s->loss.kept++;
    s->loss.count += tell_volume(e);
    if (newest_write(e) == 0 && e->doubt == 0) {
        *entry_find(s, e->data) = e->next;
        free(e);
        s->loss.kept--;
    } else if (s->loss.kept > LOSS_KEPT_MOST) {
        entries_drop(s, false);
        if (s->loss.kept > LOSS_KEPT_MOST / 2)
            entries_drop(s, true);
    }
}

void loss_destroy(struct store *s)
{
    for (u32 i = 0; i < LOSS_BUCKETS; i++)
        for (struct loss_entry *e; (e = s->loss.buckets[i]) != NULL; free(e))
            s->loss.buckets[i] = e->next;
}

// --- writes and flushes --------------------------------------------------------------------------

void loss_begin(struct stream *m, enum loss_kind kind)
{
    atomic_store(&m->loss->wrote[kind], LOSS_RUNNING); // L2
}

void loss_end(struct stream *m, enum loss_kind kind)
{
    atomic_store(&m->loss->wrote[kind], atomic_load(&m->store->loss.flushes) + 1);
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

// Has this object writes in the window? Counted from now on as none (L3). store.mutex is held.
static bool take_writes(const struct store *s, struct loss_entry *e, enum loss_kind kind)
{
    u64 wrote = atomic_load(&e->wrote[kind]);
    if (wrote <= s->loss.good)
        return false;
    if (wrote != LOSS_RUNNING)
        atomic_compare_exchange_strong(&e->wrote[kind], &wrote, 0);
    return true;
}

// True: users of the volume are to hear of it.
static bool open_window(struct store *s, struct loss_entry *e)
{
    bool plain = take_writes(s, e, LOSS_PLAIN);
    e->count += plain;
    if (take_writes(s, e, LOSS_SUMMED)) {
        e->window = atomic_load(&s->loss.flushes);
        e->doubt = e->doubt ? e->doubt : s->durable + 1;
        atomic_store(&s->unflushed, true); // so a flush is to come, whatever else there is (L4)
    }
    return tell_volume(e) || plain;
}

void loss_open(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    bool all = s->loss.forgotten > s->loss.good, lost = all;
    s->loss.forgotten = 0;
    s->loss.all += all;
    for (u32 i = 0; i < LOSS_BUCKETS; i++)
        for (struct loss_entry *e = s->loss.buckets[i]; e; e = e->next)
            lost |= open_window(s, e);
    s->loss.count += lost;
}

static void end_doubt(struct store *s, struct loss_entry *e, bool lost)
{
    ASSERT_HELD(&s->mutex);
    e->count += lost;
    s->loss.count += lost && !e->told;
    e->doubt = 0;
    e->told = false;
}

// --- data that goes elsewhere (L5) ---------------------------------------------------------------

void loss_clone(struct stream *source, struct stream *target)
{
    struct loss_entry *from = source->loss, *to = target->loss;
    ASSERT_HELD(&source->writer);
    ASSERT_HELD(&target->writer);
    SCOPE_LOCK(&source->store->mutex);
    for (u32 kind = 0; kind < LOSS_KINDS; kind++)
        atomic_store(&to->wrote[kind], MAX(atomic_load(&to->wrote[kind]), atomic_load(&from->wrote[kind])));
    to->window = MAX(to->window, from->window);
    if (from->doubt != 0)
        to->doubt = to->doubt ? MIN(to->doubt, from->doubt) : from->doubt;
}

void loss_convert(struct stream *m, u64 data, bool with_sums)
{
    struct store *s = m->store;
    struct loss_entry *e = m->loss;
    ASSERT_HELD(&m->writer);
    SCOPE_LOCK(&s->mutex);
    *entry_find(s, e->data) = e->next;
    e->data = data;
    e->next = *bucket_of(s, data);
    *bucket_of(s, data) = e;
    if (with_sums) // of what is there now: what was written before stays without a proof
        return;
    atomic_store(&e->wrote[LOSS_PLAIN], newest_write(e));
    atomic_store(&e->wrote[LOSS_SUMMED], 0);
    if (e->doubt != 0)
        end_doubt(s, e, true); // L4
}

// --- asking --------------------------------------------------------------------------------------

static nt_status compare_extent(struct store *s, const struct extent *e, u64 id, u8 *data)
{
    u64 units = (u64)e->clusters * s->cluster_units, bad[FRESH_UNITS / 64];
    for (u64 first = 0, n; first < units; first += n) {
        n = MIN(units - first, (u64)FRESH_UNITS);
        TRY(fresh_units(s, e, first, n, data, bad));
        for (u64 u = 0; u < n; u++) {
            if (!(bad[u / 64] >> (u % 64) & 1))
                continue;
            store_event(s, 133, id, e->first * s->cluster + (first + u) * s->unit, s->unit);
            return STATUS_DATA_CHECKSUM_ERROR;
        }
    }
    return STATUS_SUCCESS;
}

// Compare what was mapped since this generation with its sums, past the caches: they may hold what the medium
// does not. Nothing changes the mapping meanwhile. DATA_CHECKSUM_ERROR: it is lost.
static nt_status compare(struct store *s, u64 object, u64 id, u64 generation)
{
    SCOPE_FREE u8 *data = fresh_buffer(FRESH_STEP);
    struct extent e;
    if (!data)
        return STATUS_INSUFFICIENT_RESOURCES;
    for (u64 cluster = 0;; cluster = e.first + e.clusters) {
        nt_status status = extent_find(s, object, cluster, &e);
        if (status == STATUS_NO_SUCH_FILE)
            return STATUS_SUCCESS;
        TRY(status);
        if (e.birth >= generation && e.flags & EXTENT_SUMMED)
            TRY(compare_extent(s, &e, id, data));
    }
}

struct doubt {
    u64 generation; // 0: there is none
    u64 window;
    bool flushed; // well, since the window opened
};

static struct doubt doubt_of(struct stream *m)
{
    const struct loss_entry *e = m->loss;
    SCOPE_LOCK(&m->store->mutex);
    return (struct doubt){e->doubt, e->window, m->store->loss.good > e->window};
}

// L4. A failure says that the device does not answer: to be asked again.
nt_status loss_settle(struct stream *m)
{
    struct store *s = m->store;
    ASSERT_HELD(&m->writer);
    for (struct doubt doubt; (doubt = doubt_of(m)).generation != 0;) {
        if (!doubt.flushed) {
            TRY(store_sync(s));
            continue;
        }
        nt_status status = compare(s, stream_data(m), m->id, doubt.generation);
        bool lost = status == STATUS_DATA_CHECKSUM_ERROR;
        TRY(lost ? STATUS_SUCCESS : status);
        SCOPE_LOCK(&s->mutex);
        if (lost || m->loss->window == doubt.window)
            end_doubt(s, m->loss, lost);
    }
    return STATUS_SUCCESS;
}

static nt_status settle(struct stream *m)
{
    if (doubt_of(m).generation == 0)
        return STATUS_SUCCESS;
    SCOPE_LOCK(&m->writer);
    return loss_settle(m);
}

u64 stream_lost_so_far(struct stream *m)
{
    SCOPE_LOCK(&m->store->mutex);
    return m->loss->count + m->store->loss.all;
}

u64 stream_lost_at_end(struct stream *m)
{
    SCOPE_LOCK(&m->store->mutex);
    return m->loss->count + m->store->loss.all + (m->loss->doubt != 0);
}

nt_status stream_lost(struct stream *m, u64 *count)
{
    *count = 0;
    TRY(settle(m));
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
    for (u32 i = 0; i < LOSS_BUCKETS; i++)
        for (struct loss_entry *e = s->loss.buckets[i]; e; e = e->next)
            if (e->doubt != 0 && e->stream) {
                e->lookers++;
                return e->stream;
            }
    return NULL;
}

static void put_back(struct stream *m)
{
    SCOPE_LOCK(&m->store->mutex);
    m->loss->lookers--;
    pthread_cond_broadcast(&m->store->changed);
}

nt_status store_lost(struct store *s, u64 *count)
{
    struct stream *m;
    nt_status status = STATUS_SUCCESS;
    *count = 0;
    while (status == STATUS_SUCCESS && (m = take_doubtful(s)) != NULL) {
        status = settle(m);
        put_back(m);
    }
    TRY(status);
    *count = store_lost_so_far(s);
    return STATUS_SUCCESS;
}

bool loss_at_end(struct store *s)
{
    bool lost = false;
    for (u32 i = 0; i < LOSS_BUCKETS; i++)
        for (const struct loss_entry *e = s->loss.buckets[i]; e; e = e->next)
            lost |= e->doubt != 0 && compare(s, e->data, 0, e->doubt) != STATUS_SUCCESS;
    return lost;
}

void store_was_away(struct store *s)
{
    loss_open(s);
}
