// SPDX-License-Identifier: Apache-2.0
// The simulated drive. Media are sparse: chunks come into being when they are first written, so that a drive
// of terabytes costs what is written to it. Chunks are never freed before the drive (or a power cut), so data
// is copied without a lock. After a power cut chunks are shared with the recorded past until they are
// written.
#include "block/blk_sim.h"

#include "base/text.h"

enum { CHUNK = 64 * 1024, NO_MEDIUM = -1, SECTOR = 512 };

struct sim_write {
    u64 offset;
    u8 *data;
    size_t len;
    bool after_flush; // a flush lies between the write before and this one
};

// A list of writes that grows.
struct sim_writes {
    struct sim_write *at;
    size_t count, room;
};

struct sim_medium {
    u64 size;
    bool readonly;
    bool caching;             // writes go to a volatile cache: `cached` has what was there before each
    struct sim_writes cached; // since the last flush
    u8 **chunks;              // NULL: zeroes
    u8 **base;             // recorded media: the chunks of the past; a chunk that is the same is copied first
    pthread_rwlock_t lock; // contents: a transfer is whole, as on a drive
};

// What happened to medium 0 since blk_sim_record.
struct sim_log {
    bool recording, flushed; // flushed: since the last write
    struct sim_writes writes;
    size_t applied; // writes that base includes
};

struct sim {
    pthread_mutex_t mutex; // everything below
    pthread_cond_t released;
    struct sim_medium media[SIM_MEDIA];
    u32 media_count;
    int inserted;   // index of the medium that is in, or NO_MEDIUM
    bool attention; // another medium came in, nobody was told yet
    bool ejected, prevented;
    struct sim_answer answers[SIM_ANSWERS];
    size_t answers_first, answers_count;
    struct {
        u64 n;
        u32 medium;
    } plans[SIM_PLANS]; // the next one first
    size_t plans_count;
    u32 stuck;
    u64 releases;
    u64 counts[SIM_KINDS];
    u64 fail_at[SIM_KINDS]; // count at which the command fails; 0: none
    struct sense fail_sense[SIM_KINDS];
    struct sim_log log;
    sim_command_fn *watch; // NULL: nobody; set before there are commands
    void *watch_context;
};

static bool writes_add(struct sim_writes *list, struct sim_write w)
{
    if (list->count == list->room) {
        size_t room = MAX(list->room * 2, 256u);
        struct sim_write *writes = realloc(list->at, room * sizeof *writes);
        if (!writes)
            return false;
        list->at = writes;
        list->room = room;
    }
    list->at[list->count++] = w;
    return true;
}

static void writes_clear(struct sim_writes *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i].data);
    list->count = 0;
}

static void writes_free(struct sim_writes *list)
{
    writes_clear(list);
    free(list->at);
}

static nt_status medium_init(struct sim_medium *m, u64 size, bool readonly)
{
    u64 chunks = size / CHUNK + (size % CHUNK != 0);
    m->chunks = calloc(chunks + (chunks == 0), sizeof *m->chunks);
    if (!m->chunks)
        return STATUS_INSUFFICIENT_RESOURCES;
    m->size = size;
    m->readonly = readonly;
    pthread_rwlock_init(&m->lock, NULL);
    return STATUS_SUCCESS;
}

static void medium_free(struct sim_medium *m)
{
    if (m->chunks)
        pthread_rwlock_destroy(&m->lock);
    for (u64 i = 0; m->chunks && i * CHUNK < m->size; i++)
        free(m->chunks[i]);
    free(m->chunks);
    writes_free(&m->cached);
}

// A chunk that may be written; the medium is locked.
static u8 *chunk_make(struct sim_medium *m, u64 i)
{
    u8 *shared = m->base ? m->base[i] : NULL;
    if (m->chunks[i] != shared)
        return m->chunks[i];
    u8 *fresh = shared ? malloc(CHUNK) : calloc(1, CHUNK);
    if (fresh && shared)
        memcpy(fresh, shared, CHUNK);
    if (fresh)
        m->chunks[i] = fresh;
    return fresh;
}

static void chunks_read(const struct sim_medium *m, u8 *data, size_t len, u64 offset)
{
    while (len > 0) {
        size_t in_chunk = offset % CHUNK, part = MIN(len, CHUNK - in_chunk);
        const u8 *chunk = m->chunks[offset / CHUNK];
        if (chunk)
            memcpy(data, chunk + in_chunk, part);
        else
            memset(data, 0, part);
        data += part;
        len -= part;
        offset += part;
    }
}

static void medium_read(struct sim_medium *m, u8 *data, size_t len, u64 offset)
{
    SCOPE_READ(&m->lock);
    chunks_read(m, data, len, offset);
}

// Remember what is there, in whole sectors: the power cannot take back a part of one.
static bool cache_note(struct sim_medium *m, size_t len, u64 offset)
{
    if (!m->caching)
        return true;
    u64 start = align_down(offset, SECTOR), end = MIN(align_up(offset + len, SECTOR), m->size);
    struct sim_write w = {.offset = start, .data = malloc(end - start), .len = end - start};
    if (!w.data)
        return false;
    chunks_read(m, w.data, w.len, start);
    if (writes_add(&m->cached, w))
        return true;
    free(w.data);
    return false;
}

static bool is_zero(const u8 *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static bool chunks_write(struct sim_medium *m, const u8 *data, size_t len, u64 offset)
{
    while (len > 0) {
        size_t in_chunk = offset % CHUNK, part = MIN(len, CHUNK - in_chunk);
        bool nothing = !m->chunks[offset / CHUNK] && is_zero(data, part);
        u8 *chunk = nothing ? NULL : chunk_make(m, offset / CHUNK);
        if (!chunk && !nothing)
            return false;
        if (chunk)
            memcpy(chunk + in_chunk, data, part);
        data += part;
        len -= part;
        offset += part;
    }
    return true;
}

static bool medium_write(struct sim_medium *m, const u8 *data, size_t len, u64 offset)
{
    SCOPE_WRITE(&m->lock);
    return cache_note(m, len, offset) && chunks_write(m, data, len, offset);
}

static struct sim_medium *medium_in(struct sim *s)
{
    return s->inserted == NO_MEDIUM || s->ejected ? NULL : &s->media[s->inserted];
}

// What the drive holds has changed: tell the wrapper its size.
static void show_medium(struct blk *b, struct sim *s)
{
    const struct sim_medium *m = medium_in(s);
    blk_set_medium(b, m ? m->size : 0, m && m->readonly);
}

static nt_status sim_create(struct blk *b, u64 size)
{
    struct sim *s = calloc(1, sizeof *s);
    if (!s)
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->released, NULL);
    s->inserted = NO_MEDIUM;
    b->state = s;
    if (size == 0)
        return STATUS_SUCCESS;
    TRY(medium_init(&s->media[0], size, blk_has(b, BLK_READONLY)));
    s->media_count = 1;
    s->inserted = 0;
    show_medium(b, s);
    return STATUS_SUCCESS;
}

static nt_status sim_open(struct blk *b, const char *path)
{
    u64 size;
    if (!text_size(path, &size) || size == 0 || size > INT64_MAX) {
        status_set_text("ram:%s: not a size in bytes", path);
        return STATUS_INVALID_PARAMETER;
    }
    return sim_create(b, size);
}

// Also makes every chunk the medium's own again, for medium_free.
static void log_free(struct sim *s)
{
    struct sim_medium *m = &s->media[0];
    for (u64 i = 0; m->base && i * CHUNK < m->size; i++) {
        if (m->chunks[i] == m->base[i])
            m->chunks[i] = NULL;
        free(m->base[i]);
    }
    free(m->base);
    writes_free(&s->log.writes);
}

static void sim_close(struct blk *b)
{
    struct sim *s = b->state;
    if (!s)
        return;
    log_free(s);
    for (u32 i = 0; i < s->media_count; i++)
        medium_free(&s->media[i]);
    pthread_cond_destroy(&s->released);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static void wait_until_released(struct sim *s)
{
    u64 seen = s->releases;
    s->stuck++;
    while (s->releases == seen)
        pthread_cond_wait(&s->released, &s->mutex);
    s->stuck--;
}

// Every command of the kinds that touch the medium begins here: count it, fail it if that was ordered, find
// the medium.
static nt_status begin(struct blk *b, enum sim_kind kind, u64 offset, struct sim_medium **medium,
                       struct sense *sense)
{
    struct sim *s = b->state;
    *medium = NULL;
    if (s->watch)
        TRY(s->watch(s->watch_context, kind, offset, sense));
    SCOPE_LOCK(&s->mutex);
    s->counts[kind]++;
    if (s->fail_at[kind] == s->counts[kind]) {
        *sense = s->fail_sense[kind];
        TRY(sense_plain_status(sense));
    }
    if (s->answers_count > 0 && kind != SIM_FLUSH) {
        struct sim_answer answer = s->answers[s->answers_first];
        s->answers_first = (s->answers_first + 1) % SIM_ANSWERS;
        s->answers_count--;
        switch (answer.what) {
        case SIM_GOOD:
            break;
        case SIM_CHECK:
            *sense = answer.sense;
            TRY(sense_plain_status(sense));
            break;
        case SIM_NO_MEMORY:
            return STATUS_INSUFFICIENT_RESOURCES;
        case SIM_STUCK:
            wait_until_released(s);
            break;
        }
    }
    *medium = medium_in(s);
    return *medium ? STATUS_SUCCESS : sense_report(sense, SENSE_NOT_READY, 0x3a, 0);
}

static nt_status sim_preadv(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    struct sim_medium *m;
    TRY(begin(b, SIM_READ, offset, &m, sense));
    for (int i = 0; i < n; i++) {
        medium_read(m, iov[i].iov_base, iov[i].iov_len, offset);
        offset += iov[i].iov_len;
    }
    return STATUS_SUCCESS;
}

// False: no memory. Does nothing unless this medium is being recorded.
static bool log_write(struct sim *s, struct sim_medium *m, const struct iovec *iov, int n, u64 offset)
{
    struct sim_log *log = &s->log;
    SCOPE_LOCK(&s->mutex);
    if (!log->recording || m != &s->media[0])
        return true;
    u64 end = offset;
    for (int i = 0; i < n; i++)
        end += iov[i].iov_len;
    // Whole sectors: the power cannot take back what an earlier write left in a part of one.
    u64 start = align_down(offset, SECTOR);
    end = MIN(align_up(end, SECTOR), m->size);
    struct sim_write w = {start, malloc(end - start), end - start, log->flushed};
    if (!w.data)
        return false;
    medium_read(m, w.data, w.len, start);
    for (size_t i = 0, at = offset - start; i < (size_t)n; at += iov[i++].iov_len)
        memcpy(w.data + at, iov[i].iov_base, iov[i].iov_len);
    if (!writes_add(&log->writes, w)) {
        free(w.data);
        return false;
    }
    log->flushed = false;
    return true;
}

static nt_status sim_pwritev(struct blk *b, const struct iovec *iov, int n, u64 offset, struct sense *sense)
{
    struct sim_medium *m;
    TRY(begin(b, SIM_WRITE, offset, &m, sense));
    if (!log_write(b->state, m, iov, n, offset))
        return sense_report(sense, SENSE_PROTECT, 0x27, 0x07);
    for (int i = 0; i < n; i++) {
        if (!medium_write(m, iov[i].iov_base, iov[i].iov_len, offset))
            return sense_report(sense, SENSE_PROTECT, 0x27, 0x07);
        offset += iov[i].iov_len;
    }
    return STATUS_SUCCESS;
}

static nt_status sim_flush(struct blk *b, struct sense *sense)
{
    struct sim *s = b->state;
    struct sim_medium *m;
    TRY(begin(b, SIM_FLUSH, 0, &m, sense));
    {
        SCOPE_WRITE(&m->lock);
        writes_clear(&m->cached);
    }
    SCOPE_LOCK(&s->mutex);
    if (s->log.recording && m == &s->media[0])
        s->log.flushed = true;
    return STATUS_SUCCESS;
}

static nt_status sim_ready(struct blk *b, struct sense *sense)
{
    struct sim_medium *m;
    return begin(b, SIM_READY, 0, &m, sense);
}

static nt_status sim_command(struct blk *b, enum blk_command c, struct sense *sense)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    enum sim_kind kind = SIM_START + (enum sim_kind)c;
    s->counts[kind]++;
    if (s->fail_at[kind] == s->counts[kind]) {
        *sense = s->fail_sense[kind];
        return sense_plain_status(sense);
    }
    if ((c == BLK_EJECT || c == BLK_LOAD) && !blk_has(b, BLK_REMOVABLE))
        return sense_report(sense, SENSE_ILLEGAL, 0x20, 0);
    if (c == BLK_EJECT && s->prevented)
        return sense_report(sense, SENSE_ILLEGAL, 0x53, 0x02);
    if (c == BLK_PREVENT || c == BLK_ALLOW)
        s->prevented = c == BLK_PREVENT;
    if (c == BLK_EJECT || c == BLK_LOAD) {
        s->ejected = c == BLK_EJECT;
        show_medium(b, s);
    }
    return STATUS_SUCCESS;
}

static void plans_go_on(struct blk *b, struct sim *s)
{
    if (s->plans_count == 0 || --s->plans[0].n > 0)
        return;
    s->inserted = (int)s->plans[0].medium;
    s->attention = true;
    s->ejected = false;
    show_medium(b, s);
    memmove(s->plans, s->plans + 1, --s->plans_count * sizeof s->plans[0]);
}

// Asked before each command, also again behind an attention.
static bool sim_same(struct blk *b)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    if (!s->attention)
        plans_go_on(b, s);
    return !s->attention;
}

static nt_status sim_change(struct blk *b, struct sense *sense)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    s->attention = false;
    __atomic_fetch_add(&b->medium, 1, __ATOMIC_RELEASE);
    return sense_report(sense, SENSE_ATTENTION, 0x28, 0);
}

const struct blk_ops blk_ram_ops = {
    .prefix = "ram",
    .open = sim_open,
    .close = sim_close,
    .preadv = sim_preadv,
    .pwritev = sim_pwritev,
    .flush = sim_flush,
    .ready = sim_ready,
    .command = sim_command,
    .same = sim_same,
    .change = sim_change,
};

nt_status blk_sim_new(u64 size, u32 flags, struct blk **out)
{
    *out = NULL;
    struct blk *b;
    TRY(blk_new(&blk_ram_ops, NULL, "ram:", &b));
    b->flags = flags;
    nt_status status = sim_create(b, size);
    if (status != STATUS_SUCCESS) {
        blk_close(b);
        return status;
    }
    *out = b;
    return STATUS_SUCCESS;
}

nt_status blk_sim_add_medium(struct blk *b, u64 size, bool readonly, u32 *medium)
{
    struct sim *s = b->state;
    *medium = 0;
    SCOPE_LOCK(&s->mutex);
    if (s->media_count == SIM_MEDIA)
        return STATUS_INSUFFICIENT_RESOURCES;
    TRY(medium_init(&s->media[s->media_count], size, readonly));
    *medium = s->media_count++;
    return STATUS_SUCCESS;
}

// A hand at the drive waits until running commands are through.
static void change_medium(struct blk *b, int medium, bool attention)
{
    struct sim *s = b->state;
    SCOPE_WRITE(&b->lock);
    SCOPE_LOCK(&s->mutex);
    s->inserted = medium;
    s->attention = attention;
    s->ejected = false;
    show_medium(b, s);
}

void blk_sim_insert(struct blk *b, u32 medium, bool attention)
{
    change_medium(b, (int)medium, attention);
}

void blk_sim_remove(struct blk *b)
{
    change_medium(b, NO_MEDIUM, false);
}

void blk_sim_plan(struct blk *b, u64 n, u32 medium)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    ASSERT(s->plans_count < SIM_PLANS && n > 0 && medium < s->media_count);
    s->plans[s->plans_count].n = n;
    s->plans[s->plans_count++].medium = medium;
}

size_t blk_sim_planned(struct blk *b)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    return s->plans_count;
}

void blk_sim_answer(struct blk *b, struct sim_answer answer)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    ASSERT(s->answers_count < SIM_ANSWERS);
    s->answers[(s->answers_first + s->answers_count++) % SIM_ANSWERS] = answer;
}

size_t blk_sim_answers_left(struct blk *b)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    return s->answers_count;
}

void blk_sim_release(struct blk *b)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    s->releases++;
    pthread_cond_broadcast(&s->released);
}

bool blk_sim_is_stuck(struct blk *b)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    return s->stuck > 0;
}

void blk_sim_fail(struct blk *b, enum sim_kind kind, u64 n, struct sense sense)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    s->fail_at[kind] = s->counts[kind] + n;
    s->fail_sense[kind] = sense;
}

void blk_sim_peek(struct blk *b, u32 medium, void *data, size_t len, u64 offset)
{
    struct sim *s = b->state;
    ASSERT(medium < s->media_count && offset <= s->media[medium].size &&
           len <= s->media[medium].size - offset);
    medium_read(&s->media[medium], data, len, offset);
}

void blk_sim_poke(struct blk *b, u32 medium, const void *data, size_t len, u64 offset)
{
    struct sim *s = b->state;
    ASSERT(medium < s->media_count && offset <= s->media[medium].size &&
           len <= s->media[medium].size - offset);
    ASSERT(medium_write(&s->media[medium], data, len, offset));
}

void blk_sim_flip(struct blk *b, u32 medium, u64 offset, u8 mask)
{
    u8 byte;
    blk_sim_peek(b, medium, &byte, 1, offset);
    byte ^= mask;
    blk_sim_poke(b, medium, &byte, 1, offset);
}

u64 blk_sim_count(struct blk *b, enum sim_kind kind)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    return s->counts[kind];
}

// --- power cuts ----------------------------------------------------------------------------------

nt_status blk_sim_record(struct blk *b)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    struct sim_medium *m = &s->media[0];
    ASSERT(s->media_count > 0 && !m->base);
    u64 chunks = m->size / CHUNK + (m->size % CHUNK != 0);
    u8 **base = calloc(chunks, sizeof *base);
    if (!base)
        return STATUS_INSUFFICIENT_RESOURCES;
    m->base = base;
    for (u64 i = 0; i < chunks; i++) {
        if (!m->chunks[i])
            continue;
        if (!(base[i] = malloc(CHUNK)))
            return STATUS_INSUFFICIENT_RESOURCES;
        memcpy(base[i], m->chunks[i], CHUNK);
    }
    s->log.recording = true;
    return STATUS_SUCCESS;
}

u64 blk_sim_recorded(struct blk *b)
{
    struct sim *s = b->state;
    SCOPE_LOCK(&s->mutex);
    return s->log.writes.count;
}

// Numbers that follow from the seed (splitmix64).
static u64 dice(u64 *state)
{
    u64 z = *state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// Some sectors are kept: by dice, or those before or behind a place where the drive stopped.
static bool write_torn(struct sim_medium *m, const struct sim_write *w, u64 *state)
{
    u64 way = dice(state) % 3, first = w->offset / SECTOR,
        sectors = (w->offset + w->len - 1) / SECTOR - first;
    u64 stop = first + dice(state) % (sectors + 1);
    for (size_t at = 0; at < w->len;) {
        u64 sector = (w->offset + at) / SECTOR;
        size_t part = MIN(w->len - at, (size_t)((sector + 1) * SECTOR - (w->offset + at)));
        bool kept = way == 0 ? dice(state) % 2 : way == 1 ? sector < stop : sector >= stop;
        if (kept && !medium_write(m, w->data + at, part, w->offset + at))
            return false;
        at += part;
    }
    return true;
}

// Each cut has a temper of its own: whatever comes, nearly all kept, nearly all lost.
static bool write_by_dice(struct sim_medium *m, const struct sim_write *writes, size_t count, u64 state)
{
    static const struct {
        u64 kept, lost; // in 16; the rest is torn
    } tempers[] = {{6, 5}, {13, 2}, {2, 13}};
    size_t temper = dice(&state) % ARRAY_LEN(tempers);
    for (size_t i = 0; i < count; i++) {
        u64 fate = dice(&state) % 16, kept = tempers[temper].kept;
        bool written = true;
        if (fate < kept)
            written = medium_write(m, writes[i].data, writes[i].len, writes[i].offset);
        else if (fate >= kept + tempers[temper].lost)
            written = write_torn(m, &writes[i], &state);
        if (!written)
            return false;
    }
    return true;
}

// Bring the past forward to the first `end` writes, and the medium back to it.
static bool rebase(struct sim *s, size_t end)
{
    struct sim_medium *m = &s->media[0], past = {.size = m->size, .lock = PTHREAD_RWLOCK_INITIALIZER};
    bool written = true;
    for (u64 i = 0; i * CHUNK < m->size; i++) {
        if (m->chunks[i] != m->base[i])
            free(m->chunks[i]);
        m->chunks[i] = m->base[i];
    }
    past.chunks = m->chunks;
    for (; written && s->log.applied < end; s->log.applied++) {
        const struct sim_write *w = &s->log.writes.at[s->log.applied];
        written = medium_write(&past, w->data, w->len, w->offset);
    }
    for (u64 i = 0; i * CHUNK < m->size; i++)
        m->base[i] = m->chunks[i];
    return written;
}

nt_status blk_sim_cut(struct blk *b, u64 after, u64 seed)
{
    struct sim *s = b->state;
    struct sim_log *log = &s->log;
    SCOPE_LOCK(&s->mutex);
    ASSERT(s->media[0].base && after <= log->writes.count + 1);
    log->recording = false;
    size_t end = MIN(after, log->writes.count), durable = end;
    // A flush covers what came before it, so the write behind it tells.
    if (seed != 0 && !(after > log->writes.count && log->flushed))
        while (durable > 0 && (durable == end || !log->writes.at[durable].after_flush))
            durable--;
    ASSERT(durable >= log->applied);
    u64 state = seed + after * 0xD1B54A32D192ED03ull;
    bool written = rebase(s, durable) &&
                   write_by_dice(&s->media[0], log->writes.at + durable, end - durable, dice(&state));
    return written ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

// --- volatile caches -----------------------------------------------------------------------------

void blk_sim_watch(struct blk *b, sim_command_fn *fn, void *context)
{
    struct sim *s = b->state;
    s->watch = fn;
    s->watch_context = context;
}

void blk_sim_cache(struct blk *b, u32 medium)
{
    struct sim *s = b->state;
    ASSERT(medium < s->media_count);
    s->media[medium].caching = true;
}

// Everything back, the latest first; then each again, or not.
nt_status blk_sim_lose(struct blk *b, u32 medium, u64 seed)
{
    struct sim *s = b->state;
    struct sim_medium *m = &s->media[medium];
    struct sim_writes lost;
    bool written = true;
    {
        SCOPE_WRITE(&m->lock);
        lost = m->cached;
        m->cached = (struct sim_writes){0};
        u8 *now = NULL;
        for (size_t i = lost.count; written && i-- > 0;) {
            struct sim_write *w = &lost.at[i];
            if ((written = (now = malloc(w->len)) != NULL)) {
                chunks_read(m, now, w->len, w->offset);
                written = chunks_write(m, w->data, w->len, w->offset);
                free(w->data);
                w->data = now;
            }
        }
        m->caching = false;
    }
    written = written && write_by_dice(m, lost.at, lost.count, seed);
    m->caching = true;
    writes_free(&lost);
    return written ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
