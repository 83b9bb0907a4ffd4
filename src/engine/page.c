// SPDX-License-Identifier: Apache-2.0
// The page cache: a fixed number of frames, found by address and birth, evicted by a clock. Pages are checked
// when they are read (checksum from the parent, own name, structure) and written only by a commit. Lock
// order: mutex, then a stripe.
#include "engine/page.h"
#include "engine/store.h"

#include <sys/mman.h>

enum { FRAMES_MIN = 256, WRITE_BATCH = 64 };

static u64 hash(u64 addr)
{
    return (addr / PAGE_SIZE * 0x9E3779B97F4A7C15ull) >> 20;
}

static pthread_mutex_t *stripe_of(struct cache *c, u64 addr)
{
    return &c->stripes[hash(addr) % CACHE_STRIPES];
}

static struct page **bucket_of(struct cache *c, u64 addr)
{
    return &c->buckets[hash(addr) & c->bucket_mask];
}

nt_status cache_init(struct cache *c, struct store *s, size_t bytes)
{
    u32 frames = (u32)MIN(MAX(bytes / PAGE_SIZE, (size_t)FRAMES_MIN), (size_t)1 << 24);
    u32 buckets = CACHE_STRIPES;
    while (buckets < frames)
        buckets *= 2;
    *c = (struct cache){.store = s, .frame_count = frames, .bucket_mask = buckets - 1};
    c->memory =
        mmap(NULL, (size_t)frames * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->memory == MAP_FAILED)
        c->memory = NULL;
    c->frames = calloc(frames, sizeof *c->frames);
    c->buckets = calloc(buckets, sizeof(struct page *));
    c->order = calloc(frames, sizeof(struct page *));
    c->ahead.rest = malloc(AHEAD_SIZE - PAGE_SIZE); // does without
    pthread_mutex_init(&c->ahead.mutex, NULL);
    pthread_mutex_init(&c->mutex, NULL);
    for (int i = 0; i < CACHE_STRIPES; i++)
        pthread_mutex_init(&c->stripes[i], NULL);
    if (!c->memory || !c->frames || !c->buckets || !c->order)
        return STATUS_NO_MEMORY; // cache_destroy copes
    for (u32 i = frames; i-- > 0;) {
        struct page *p = &c->frames[i];
        p->cache = c;
        p->data = c->memory + (size_t)i * PAGE_SIZE;
        p->pins = PAGE_DEAD;
        pthread_rwlock_init(&p->latch, NULL);
        p->next = c->free_list;
        c->free_list = p;
    }
    return STATUS_SUCCESS;
}

void cache_destroy(struct cache *c)
{
    for (u32 i = 0; c->frames && i < c->frame_count; i++)
        pthread_rwlock_destroy(&c->frames[i].latch);
    if (c->memory)
        munmap(c->memory, (size_t)c->frame_count * PAGE_SIZE);
    free(c->frames);
    free(c->buckets);
    free(c->order);
    free(c->ahead.rest);
    pthread_mutex_destroy(&c->ahead.mutex);
    pthread_mutex_destroy(&c->mutex);
    for (int i = 0; i < CACHE_STRIPES; i++)
        pthread_mutex_destroy(&c->stripes[i]);
}

static void unhash(struct cache *c, struct page *p)
{
    for (struct page **at = bucket_of(c, p->addr[0]); *at; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            return;
        }
    }
}

static struct page *lookup(struct cache *c, u64 addr, u64 birth)
{
    for (struct page *p = *bucket_of(c, addr); p; p = p->next)
        if (p->addr[0] == addr && p->birth == birth)
            return p;
    return NULL;
}

static void frame_free(struct cache *c, struct page *p)
{
    SCOPE_LOCK(&c->mutex);
    p->next = c->free_list;
    c->free_list = p;
}

void page_put(struct page *p)
{
    if (p && atomic_fetch_sub(&p->pins, 1) == (PAGE_DEAD | 1))
        frame_free(p->cache, p);
}

static struct page *frame_find(struct cache *c)
{
    SCOPE_LOCK(&c->mutex);
    struct page *p = c->free_list;
    if (p) {
        c->free_list = p->next;
        return p;
    }
    for (u32 turn = 0; turn < 3 * c->frame_count; turn++) {
        p = &c->frames[c->hand];
        c->hand = (c->hand + 1) % c->frame_count;
        if (atomic_load(&p->pins) != 0 || atomic_exchange(&p->referenced, false))
            continue;
        SCOPE_LOCK(stripe_of(c, p->addr[0]));
        if (atomic_load(&p->pins) == 0) {
            unhash(c, p);
            atomic_store(&p->pins, PAGE_DEAD);
            return p;
        }
    }
    return NULL;
}

// A frame that nobody uses, from the free list or by the clock. NULL when every frame is pinned or dirty.
static struct page *frame_take(struct cache *c)
{
    struct page *p = frame_find(c);
    if (p) {
        // Latches are ordered by the level of their pages, so another page has another latch: what looks for
        // deadlocks would see parents and children change places.
        pthread_rwlock_destroy(&p->latch);
        pthread_rwlock_init(&p->latch, NULL);
    }
    return p;
}

// Under the stripe: make the frame findable.
static void publish(struct cache *c, struct page *p, u32 pins, enum page_state state)
{
    struct page **bucket = bucket_of(c, p->addr[0]);
    atomic_store(&p->state, state);
    atomic_store(&p->bad_copies, 0);
    atomic_store(&p->referenced, true);
    atomic_store(&p->pins, pins);
    p->next = *bucket;
    *bucket = p;
}

// Damaged pointers may name one page as two things.
static bool is_kind(const struct page *p, enum page_kind kind, u32 level)
{
    return page_head(p)->kind == kind && page_head(p)->level == level;
}

struct page *page_find(struct store *s, const struct ptr *ptr, enum page_kind kind, u32 level)
{
    struct cache *c = &s->cache;
    SCOPE_LOCK(stripe_of(c, ptr->addr[0]));
    struct page *p = lookup(c, ptr->addr[0], ptr->birth);
    if (!p || atomic_load(&p->state) != PAGE_VALID || !is_kind(p, kind, level))
        return NULL;
    atomic_fetch_add(&p->pins, 1);
    if (!atomic_load_explicit(&p->referenced, memory_order_relaxed))
        atomic_store_explicit(&p->referenced, true, memory_order_relaxed);
    return p;
}

static bool in_volume(const struct store *s, u64 addr)
{
    return is_aligned(addr, PAGE_SIZE) && addr >= SUPER_AREA && addr <= s->units * s->unit - PAGE_SIZE;
}

static bool is_possible(const struct store *s, const struct ptr *ptr)
{
    return in_volume(s, ptr->addr[0]) && (s->copies == 2 ? in_volume(s, ptr->addr[1]) : ptr->addr[1] == 0);
}

static nt_status examine(struct store *s, const struct ptr *ptr, enum page_kind kind, u32 level,
                         const u8 *data)
{
    const struct raw_page *h = (const struct raw_page *)data;
    atomic_fetch_add_explicit(&s->pages_read, 1, memory_order_relaxed);
    bool good = sum_crc64(data, PAGE_SIZE) == ptr->sum && from_le32(h->magic) == PAGE_MAGIC &&
                h->kind == kind && h->level == level && from_le64(h->addr[0]) == ptr->addr[0] &&
                from_le64(h->addr[1]) == ptr->addr[1] && from_le64(h->birth) == ptr->birth &&
                memcmp(h->volume, s->uuid, sizeof h->volume) == 0;
    if (good)
        good = kind == PAGE_TREE ? node_check(data, level) : space_check(data, level);
    if (good && kind == PAGE_SPACE && level == 0)
        good = space_check_fixed(s, ptr->addr[0], data);
    return good ? STATUS_SUCCESS : STATUS_DISK_CORRUPT_ERROR;
}

nt_status page_read_copy(struct store *s, const struct ptr *ptr, int copy, enum page_kind kind, u32 level,
                         u8 *data)
{
    if (!is_possible(s, ptr))
        return STATUS_DISK_CORRUPT_ERROR;
    TRY(io_read_fresh(&s->io, data, PAGE_SIZE, ptr->addr[copy]));
    return examine(s, ptr, kind, level, data);
}

// Is it worth it to read ahead from here? When the last reads each went on behind the one before.
static bool ahead_pays(struct ahead *a, u64 addr)
{
    bool onward = addr > a->last && addr - a->last <= AHEAD_SIZE;
    a->run = onward ? a->run + 1 : 0;
    a->last = addr;
    return a->rest && a->run >= AHEAD_RUN && (addr < a->from || addr >= a->end);
}

// What was written together lies together, but who looks for some of it (the entries of directories, without
// the inodes in between) reads here a page and there a page, always onward, and nobody below us sees what is
// next. Then one read brings along what lies round it, for the caches below; each begins where the last one
// ended, so that they see what goes on here. What is brought along is thrown away: without a pointer to it
// nobody can tell whether it is right.
static bool read_ahead(struct store *s, u64 addr, u8 *data, nt_status *status)
{
    struct ahead *a = &s->cache.ahead;
    bool done = false;
    if (pthread_mutex_trylock(&a->mutex) != 0)
        return false;
    if (ahead_pays(a, addr)) {
        bool goes_on = addr >= a->end && addr - a->end <= AHEAD_SIZE - PAGE_SIZE;
        a->from = goes_on ? a->end : addr;
        a->end = MIN(a->from + AHEAD_SIZE, s->units * s->unit);
        struct iovec iov[3] = {
            {a->rest, addr - a->from}, {data, PAGE_SIZE}, {a->rest, a->end - addr - PAGE_SIZE}};
        *status = io_readv(&s->io, iov, 3, a->from);
        done = !status_is_local(*status); // it may be the rest that cannot be read
    }
    pthread_mutex_unlock(&a->mutex);
    return done;
}

static nt_status page_load(struct store *s, const struct ptr *ptr, enum page_kind kind, u32 level,
                           struct page *p)
{
    nt_status status = STATUS_DISK_CORRUPT_ERROR;
    if (is_possible(s, ptr) && !read_ahead(s, ptr->addr[0], p->data, &status))
        status = io_read(&s->io, p->data, PAGE_SIZE, ptr->addr[0]);
    if (status == STATUS_SUCCESS)
        status = examine(s, ptr, kind, level, p->data);
    if (status == STATUS_SUCCESS || !status_is_local(status))
        return status;
    atomic_fetch_add(&s->checksum_errors, 1);
    nt_status other = ptr->addr[1] ? page_read_copy(s, ptr, 1, kind, level, p->data) : status;
    if (other != STATUS_SUCCESS) {
        // The page is lost only when no copy is left that may be read later; a medium that changed comes
        // first.
        status = status_is_damage(status) || !status_is_local(other) ? other : status;
        bool damaged = status_is_damage(status);
        status_set_text("metadata page at %llu %s%s", (unsigned long long)ptr->addr[0],
                        damaged ? "is damaged" : "cannot be read",
                        damaged && ptr->addr[1] ? ", and so is its copy" : "");
        return status;
    }
    atomic_store(&p->bad_copies, 1);
    return STATUS_SUCCESS;
}

nt_status page_get(struct store *s, const struct ptr *ptr, enum page_kind kind, u32 level, struct page **out)
{
    struct cache *c = &s->cache;
    pthread_mutex_t *stripe = stripe_of(c, ptr->addr[0]);
    struct page *fresh = NULL;
    *out = NULL;
    for (;;) {
        pthread_mutex_lock(stripe);
        struct page *p = lookup(c, ptr->addr[0], ptr->birth);
        if (!p && fresh)
            break;
        if (p)
            atomic_fetch_add(&p->pins, 1);
        pthread_mutex_unlock(stripe);
        if (!p) {
            if (!(fresh = frame_take(c)))
                return STATUS_INSUFFICIENT_RESOURCES;
            // Before the stripe, as readers do; nobody else knows the frame yet.
            pthread_rwlock_wrlock(&fresh->latch);
            continue;
        }
        if (fresh) {
            pthread_rwlock_unlock(&fresh->latch);
            frame_free(c, fresh);
            fresh = NULL;
        }
        if (atomic_load(&p->state) == PAGE_LOADING) {
            pthread_rwlock_rdlock(&p->latch);
            pthread_rwlock_unlock(&p->latch);
        }
        if (atomic_load(&p->state) == PAGE_VALID) {
            if (!is_kind(p, kind, level)) {
                page_put(p);
                return STATUS_DISK_CORRUPT_ERROR;
            }
            atomic_store_explicit(&p->referenced, true, memory_order_relaxed);
            atomic_fetch_add_explicit(&c->hits, 1, memory_order_relaxed);
            *out = p;
            return STATUS_SUCCESS;
        }
        page_put(p);
    }
    memcpy(fresh->addr, ptr->addr, sizeof fresh->addr);
    fresh->birth = ptr->birth;
    publish(c, fresh, 1, PAGE_LOADING);
    pthread_mutex_unlock(stripe);

    nt_status status = page_load(s, ptr, kind, level, fresh);
    if (status != STATUS_SUCCESS) {
        pthread_mutex_lock(stripe);
        unhash(c, fresh);
        pthread_mutex_unlock(stripe);
        atomic_fetch_or(&fresh->pins, PAGE_DEAD);
    }
    atomic_store(&fresh->state, status == STATUS_SUCCESS ? PAGE_VALID : PAGE_FAILED);
    pthread_rwlock_unlock(&fresh->latch);
    if (status != STATUS_SUCCESS) {
        page_put(fresh);
        return status;
    }
    *out = fresh;
    return STATUS_SUCCESS;
}

nt_status page_new(struct store *s, const u64 addr[2], enum page_kind kind, u32 level, struct page **out)
{
    struct cache *c = &s->cache;
    struct page *p = frame_take(c);
    *out = NULL;
    if (!p)
        return STATUS_INSUFFICIENT_RESOURCES;
    p->addr[0] = addr[0];
    p->addr[1] = addr[1];
    p->birth = s->generation;
    struct raw_page *h = page_head(p);
    memset(h, 0, sizeof *h);
    h->magic = to_le32(PAGE_MAGIC);
    h->kind = (u8)kind;
    h->level = (u8)level;
    h->addr[0] = to_le64(addr[0]);
    h->addr[1] = to_le64(addr[1]);
    h->birth = to_le64(p->birth);
    memcpy(h->volume, s->uuid, sizeof h->volume);
    if (kind == PAGE_TREE)
        node_init(p->data);
    else
        memset(p->data + sizeof *h, 0, PAGE_ROOM);
    pthread_mutex_lock(stripe_of(c, addr[0]));
    publish(c, p, 2, PAGE_VALID); // the caller's pin and the dirty list's
    pthread_mutex_unlock(stripe_of(c, addr[0]));
    SCOPE_LOCK(&c->mutex);
    p->dirty_next = c->dirty_list;
    c->dirty_list = p;
    atomic_fetch_add(&c->dirty_count, 1);
    *out = p;
    return STATUS_SUCCESS;
}

void page_drop(struct store *s, struct page *p)
{
    struct cache *c = &s->cache;
    pthread_mutex_lock(stripe_of(c, p->addr[0]));
    unhash(c, p);
    pthread_mutex_unlock(stripe_of(c, p->addr[0]));
    atomic_fetch_or(&p->pins, PAGE_DEAD);
    page_put(p);
}

struct page *cache_take_dirty(struct cache *c)
{
    pthread_mutex_lock(&c->mutex);
    struct page *list = c->dirty_list, *kept = NULL;
    c->dirty_list = NULL;
    pthread_mutex_unlock(&c->mutex);
    while (list) {
        struct page *p = list;
        list = p->dirty_next;
        if (atomic_load(&p->pins) & PAGE_DEAD) {
            atomic_fetch_sub(&c->dirty_count, 1);
            page_put(p);
            continue;
        }
        p->dirty_next = kept;
        kept = p;
    }
    return kept;
}

static int by_address(const void *a, const void *b, void *copy)
{
    const struct page *pa = *(struct page *const *)a, *pb = *(struct page *const *)b;
    u64 x = pa->addr[*(int *)copy], y = pb->addr[*(int *)copy];
    return (x > y) - (x < y);
}

nt_status cache_write(struct store *s, struct page *list)
{
    struct cache *c = &s->cache;
    u32 count = 0;
    for (struct page *p = list; p; p = p->dirty_next)
        c->order[count++] = p;
    for (int copy = 0; copy < s->copies; copy++) {
        qsort_r(c->order, count, sizeof *c->order, by_address, &copy);
        for (u32 i = 0; i < count;) {
            struct iovec iov[WRITE_BATCH];
            u64 start = c->order[i]->addr[copy];
            int n = 0;
            for (; i < count && n < WRITE_BATCH && c->order[i]->addr[copy] == start + (u64)n * PAGE_SIZE;
                 i++, n++)
                iov[n] = (struct iovec){c->order[i]->data, PAGE_SIZE};
            TRY(io_writev(&s->io, iov, n, start));
            atomic_fetch_add_explicit(&s->pages_written, (u64)n, memory_order_relaxed);
        }
    }
    return STATUS_SUCCESS;
}

void cache_clean(struct cache *c, struct page *list)
{
    while (list) {
        struct page *p = list;
        list = p->dirty_next;
        atomic_fetch_sub(&c->dirty_count, 1);
        page_put(p);
    }
}

void cache_purge(struct cache *c)
{
    SCOPE_LOCK(&c->mutex);
    for (u32 i = 0; i < c->frame_count; i++) {
        struct page *p = &c->frames[i];
        if (atomic_load(&p->pins) != 0)
            continue;
        SCOPE_LOCK(stripe_of(c, p->addr[0]));
        if (atomic_load(&p->pins) != 0)
            continue;
        unhash(c, p);
        atomic_store(&p->pins, PAGE_DEAD);
        p->next = c->free_list;
        c->free_list = p;
    }
}

nt_status page_repair(struct store *s, struct page *p)
{
    if (atomic_load_explicit(&p->bad_copies, memory_order_relaxed) == 0 || atomic_load(&s->leave_damage) ||
        !io_may_write(&s->io))
        return STATUS_SUCCESS;
    u32 bad = atomic_exchange(&p->bad_copies, 0);
    for (u32 copy = 0; copy < 2; copy++) {
        if (!(bad & (1u << copy)))
            continue;
        nt_status status = io_write(&s->io, p->data, PAGE_SIZE, p->addr[copy]);
        if (store_is_other_medium(status)) {
            atomic_fetch_or(&p->bad_copies, bad);
            return status;
        }
        atomic_fetch_add(&s->repairs, status == STATUS_SUCCESS);
        store_event(s, status == STATUS_SUCCESS ? 130 : 131, 0, p->addr[copy], PAGE_SIZE);
        bad &= ~(1u << copy);
    }
    return STATUS_SUCCESS;
}
