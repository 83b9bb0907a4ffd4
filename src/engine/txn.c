// SPDX-License-Identifier: Apache-2.0
// Transactions: the gate that a commit closes, the undo notes that make each one all or nothing in memory,
// and the space that it took or gives back. Transaction objects are kept in a pool with their notes, so that
// a running store rarely allocates. ("Log" is the log of flushes, log.c, and nothing else.)
//
//   I1  Outside the gate there is no half of a transaction, unless the store has failed: an undo that
//       fails says so before its transaction leaves. From then on nothing is read from the tree (`torn`).
//   I2  Units that a transaction frees are free only when it has succeeded and the log knows of it:
//       before that no other transaction can take them.
//   I3  What the transactions inside the gate may dirty has room in the cache and in the volume.
#include "engine/txn.h"
#include "engine/store.h"

enum { UNDO_FIRST = 16384, PIECES_FIRST = 64, UNDO_HEAD = 11 };

static bool grow(void **array, size_t item, size_t needed, size_t *room, size_t first)
{
    if (needed <= *room)
        return true;
    size_t bigger = MAX(MAX(*room * 2, needed), first);
    void *p = realloc(*array, bigger * item);
    if (!p)
        return false;
    *array = p;
    *room = bigger;
    return true;
}

// So many transactions are running that another one could overfill the cache.
static bool crowded(const struct store *s)
{
    return (s->active + 1ull) * TXN_PAGES > s->cache.frame_count * 3ull / 4 ||
           (s->active + 1) * HELD_PER_TXN > HELD_MAX;
}

// Why a transaction cannot begin now; SUCCESS: it can (I3), or with *commit it could behind a commit.
// DISK_FULL: there is no room to give out, and space_full tells why.
static nt_status admission(struct store *s, enum txn_kind kind, bool *commit)
{
    struct space *sp = &s->space;
    u64 reserved = (s->active + 1ull) * TXN_PAGES;
    *commit = false;
    TRY(space_prepare(s));
    *commit = atomic_load(&s->cache.dirty_count) + reserved > s->cache.frame_count * 3ull / 4 ||
              atomic_load(&sp->running.regions) + (s->active + 1) * HELD_PER_TXN > HELD_MAX;
    if (*commit)
        return STATUS_SUCCESS;
    u64 floor = kind == TXN_FREEING ? 0 : store_reserve(s);
    if (space_avail_pages(s) >= reserved * s->copies + floor)
        return STATUS_SUCCESS;
    *commit = atomic_load(&sp->running.units) > 0 || atomic_load(&sp->committing.units) > 0;
    return *commit ? STATUS_SUCCESS : STATUS_DISK_FULL;
}

static void wait_for_others(struct store *s)
{
    s->waiting++;
    pthread_cond_wait(&s->changed, &s->mutex);
    s->waiting--;
}

nt_status txn_begin(struct store *s, enum txn_kind kind, struct txn **out)
{
    *out = NULL;
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        nt_status status = store_writable(s);
        if (status != STATUS_SUCCESS) {
            pthread_mutex_unlock(&s->mutex);
            return status;
        }
        if (s->closing || crowded(s)) {
            wait_for_others(s);
            continue;
        }
        bool commit;
        status = admission(s, kind, &commit);
        if (status == STATUS_SUCCESS && !commit)
            break;
        // What running transactions may still take counts as taken; a delete on a full volume waits until it
        // is known.
        if (status == STATUS_DISK_FULL && kind == TXN_FREEING && s->active > 0) {
            wait_for_others(s);
            continue;
        }
        pthread_mutex_unlock(&s->mutex);
        // A replay must not be committed in part.
        if (commit)
            TRY(s->replaying ? STATUS_DISK_CORRUPT_ERROR : store_commit(s));
        else
            TRY(status == STATUS_DISK_FULL ? space_full(s) : status);
        pthread_mutex_lock(&s->mutex);
    }
    struct txn *t = s->pool;
    if (t)
        s->pool = t->next;
    else
        t = calloc(1, sizeof *t);
    bool noting = s->log.on && !s->log.overflow;
    if (t)
        s->active++;
    pthread_mutex_unlock(&s->mutex);
    if (!t)
        return STATUS_INSUFFICIENT_RESOURCES;
    t->store = s;
    t->kind = kind;
    t->undo_used = 0;
    t->dirtied = 0;
    t->region = UINT64_MAX;
    t->free_count = t->alloc_count = 0;
    t->undoing = t->locked_refs = t->plain_data = t->note_lost = false;
    t->noting = noting;
    t->note_used = 0;
    *out = t;
    return STATUS_SUCCESS;
}

nt_status txn_note_undo(struct txn *t, const struct key *key, enum undo how, u32 offset, struct slice old)
{
    // Key, value; then the length of each, how, the offset, and the length of all that for the way back.
    size_t size = UNDO_HEAD + key->len + old.len;
    if (!grow((void **)&t->undo, 1, t->undo_used + size, &t->undo_room, UNDO_FIRST))
        return STATUS_INSUFFICIENT_RESOURCES;
    u8 *p = t->undo + t->undo_used;
    memcpy(p, key->b, key->len);
    if (old.len > 0)
        memcpy(p + key->len, old.p, old.len);
    p += key->len + old.len;
    put_le16(p, key->len);
    put_le16(p + 2, (u16)old.len);
    p[4] = (u8)how;
    put_le16(p + 5, (u16)offset);
    put_le32(p + 7, (u32)size);
    t->undo_used += size;
    return STATUS_SUCCESS;
}

// A logged change may have failed before it was made, for want of a page that still cannot be read: then the
// record is as it was, and the pages on the way to it are not asked for again. What was changed is dirty, so
// in memory.
static nt_status undo_one(struct txn *t, const struct key *key, enum undo how, u32 offset, struct slice old)
{
    struct record now;
    nt_status status = tree_find_changed(t->store, key, &now);
    if (status == STATUS_NO_SUCH_FILE)
        return how == UNDO_WHOLE ? tree_put(t, key, old.p, old.len) : STATUS_SUCCESS;
    TRY(status);
    if (how == UNDO_ABSENT)
        return tree_delete(t, key);
    bool same = (how == UNDO_PATCH || now.len == old.len) && offset + old.len <= now.len &&
                (old.len == 0 || memcmp(now.value + offset, old.p, old.len) == 0);
    if (same)
        return STATUS_SUCCESS;
    return how == UNDO_PATCH ? tree_patch(t, key, offset, old.p, old.len) : tree_put(t, key, old.p, old.len);
}

static nt_status undo(struct txn *t)
{
    struct key key;
    t->undoing = true;
    t->noting = false;
    while (t->undo_used > 0) {
        const u8 *tail = t->undo + t->undo_used - UNDO_HEAD;
        u32 key_len = get_le16(tail), len = get_le16(tail + 2), size = get_le32(tail + 7);
        const u8 *entry = t->undo + t->undo_used - size;
        memcpy(key.b, entry, key_len);
        key.len = (u16)key_len;
        TRY(undo_one(t, &key, (enum undo)tail[4], get_le16(tail + 5), (struct slice){entry + key_len, len}));
        t->undo_used -= size;
    }
    return STATUS_SUCCESS;
}

nt_status txn_end(struct txn *t, nt_status status)
{
    struct store *s = t->store;
    if (status != STATUS_SUCCESS) {
        nt_status undone = undo(t);
        if (undone != STATUS_SUCCESS) {
            store_fail(s, undone); // I1
            atomic_store(&s->torn, true);
        }
        for (u32 i = 0; i < t->alloc_count; i++)
            space_free(s, t->allocs[i].unit, t->allocs[i].units, true);
    } else {
        bool logged = log_add(t); // I2
        for (u32 i = 0; i < t->free_count; i++)
            space_free(s, t->frees[i].unit, t->frees[i].units, t->frees[i].born_now && !logged);
    }
    if (t->locked_refs)
        pthread_mutex_unlock(&s->ref_mutex);
    SCOPE_LOCK(&s->mutex);
    t->next = s->pool;
    s->pool = t;
    if (--s->active == 0 || s->waiting > 0)
        pthread_cond_broadcast(&s->changed);
    return status;
}

static nt_status add_piece(struct txn_piece **list, u32 *count, u32 *room, struct txn_piece piece)
{
    size_t have = *room;
    struct txn_piece *last = *count > 0 ? &(*list)[*count - 1] : NULL;
    if (last && last->unit + last->units == piece.unit && last->born_now == piece.born_now) {
        last->units += piece.units;
        return STATUS_SUCCESS;
    }
    if (!grow((void **)list, sizeof **list, *count + 1ull, &have, PIECES_FIRST))
        return STATUS_INSUFFICIENT_RESOURCES;
    *room = (u32)have;
    (*list)[(*count)++] = piece;
    return STATUS_SUCCESS;
}

nt_status txn_alloc(struct txn *t, u32 want, u64 *unit, u32 *clusters)
{
    struct store *s = t->store;
    pthread_mutex_lock(&s->mutex);
    u64 reserved = (u64)s->active * TXN_PAGES * s->copies;
    pthread_mutex_unlock(&s->mutex);
    u64 floor = t->kind == TXN_FREEING ? 0 : store_reserve(s) + reserved;
    TRY(space_alloc_data(s, floor, want, unit, clusters));
    u64 units = (u64)*clusters * s->cluster_units;
    nt_status status =
        add_piece(&t->allocs, &t->alloc_count, &t->alloc_room, (struct txn_piece){*unit, units, true});
    if (status != STATUS_SUCCESS)
        space_free(s, *unit, units, true);
    return status;
}

bool txn_is_full(const struct txn *t)
{
    return t->dirtied >= TXN_PAGES / 2 || t->undo_used >= UNDO_FIRST;
}

nt_status txn_free(struct txn *t, u64 unit, u64 units, bool born_now)
{
    if (!space_can_free(t->store, unit, units))
        return STATUS_DISK_CORRUPT_ERROR;
    TRY(space_ready(t->store, unit, units));
    u64 region = unit / SPACE_LEAF_UNITS;
    t->dirtied += region != t->region;
    t->region = region;
    return add_piece(&t->frees, &t->free_count, &t->free_room, (struct txn_piece){unit, units, born_now});
}

void txn_lock_refs(struct txn *t)
{
    if (!t->locked_refs)
        pthread_mutex_lock(&t->store->ref_mutex);
    t->locked_refs = true;
}

void txn_pool_destroy(struct store *s)
{
    while (s->pool) {
        struct txn *t = s->pool;
        s->pool = t->next;
        free(t->undo);
        free(t->notes);
        free(t->frees);
        free(t->allocs);
        free(t);
    }
}
