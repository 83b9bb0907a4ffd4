// SPDX-License-Identifier: Apache-2.0
// What was made safe between two commits. A flush of little needs no commit: the records that transactions
// changed since the last one, and the units that they took and gave back, go to the log area as one entry,
// with one flush. Opening a volume that was not closed plays the entries back on the commit that they follow.
//
// An entry holds only whole transactions, in the order in which they ended; whoever changes a record, or a
// part of it that has a lock of its own, ends its transaction before the next one may, so this order is as
// good as the one of the changes. The log is written by whoever has store.committing. An entry's data are
// under the same flush as the entry: what it mapped is compared with its sums before it is believed.
//
//   I1  An entry holds whole transactions only; it is written by a store that has not failed.
//   I2  The area's units and the superblock's word on them change in one transaction, so in one commit.
//   I3  Units that an entry on the medium maps are not given out again before the next commit.
//   I4  Only wrong bytes end the log. A writer goes no further where something cannot be read now.
//   I5  Damage takes away what it holds, nothing else, and is told.
//   I6  A replay writes nothing: what it did becomes durable with one commit, whole.
#include "engine/log.h"
#include "engine/extent.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/txn.h"

enum {
    BLOCK = LOG_BLOCK,
    AREA_MIN = 65536, // bytes: of the area
    AREA_MAX = LOG_BLOCKS_MAX * LOG_BLOCK,
    BUFFER = 131072,       // more than this between two flushes is a commit's work
    TXN_MOST = BUFFER / 2, // and this in one transaction
    DATA_MOST = 4 << 20,   // bytes of data that an entry's sums vouch for, all to be read when it is played
    PAGES_MOST = 256,      // dirty pages: about as many a replay will have, in a cache of LOG_CACHE
    HEAD = sizeof(struct raw_log),
    ITEM = sizeof(struct raw_log_item),
    PATCH_HEAD = 2, // bytes of the offset
};

// --- notes of transactions -----------------------------------------------------------------------

void log_refuse(struct txn *t)
{
    t->note_lost |= t->noting;
    t->noting = false;
}

// Room for an item with its key in place; NULL: it is not to be noted, or cannot be.
static u8 *item_add(struct txn *t, enum log_item kind, struct slice key, u32 value_len)
{
    u32 used = t->note_used, size = ITEM + key.len + value_len, room = MAX(4096u, t->note_room);
    if (!t->noting)
        return NULL;
    while (room < used + size)
        room *= 2;
    u8 *notes = t->notes;
    if (room != t->note_room)
        notes = used + size <= TXN_MOST ? realloc(t->notes, room) : NULL;
    if (!notes) {
        log_refuse(t);
        return NULL;
    }
    t->notes = notes;
    t->note_room = room;
    t->note_used += size;
    struct raw_log_item item = {
        .kind = kind, .key_length = to_le16((u16)key.len), .value_length = to_le16((u16)value_len)};
    memcpy(notes + used, &item, ITEM);
    memcpy(notes + used + ITEM, key.p, key.len);
    return notes + used + ITEM + key.len;
}

void log_note(struct txn *t, enum log_item kind, struct slice key, struct slice value)
{
    u8 *p = item_add(t, kind, key, value.len);
    if (p && value.len > 0)
        memcpy(p, value.p, value.len);
}

void log_note_patch(struct txn *t, struct slice key, u32 offset, struct slice bytes)
{
    u8 *p = item_add(t, LOG_PATCH, key, PATCH_HEAD + bytes.len);
    if (!p)
        return;
    put_le16(p, (u16)offset);
    memcpy(p + PATCH_HEAD, bytes.p, bytes.len);
}

static void note_piece(struct txn *t, enum log_item kind, const struct txn_piece *piece)
{
    u8 unit[8], units[8];
    put_le64(unit, piece->unit);
    put_le64(units, piece->units);
    log_note(t, kind, (struct slice){unit, 8}, (struct slice){units, 8});
}

bool log_add(struct txn *t)
{
    struct log *l = &t->store->log;
    if (!l->on)
        return false;
    for (u32 i = 0; i < t->alloc_count; i++)
        note_piece(t, LOG_TAKE, &t->allocs[i]);
    for (u32 i = 0; i < t->free_count; i++)
        note_piece(t, t->frees[i].born_now ? LOG_GIVE : LOG_HOLD, &t->frees[i]);
    SCOPE_LOCK(&t->store->mutex);
    if (t->note_used == 0 && !t->note_lost)
        return l->begun;
    l->noted++;
    if (t->note_lost || l->overflow || l->used + t->note_used > BUFFER) {
        l->overflow = true;
        return l->begun;
    }
    memcpy(l->buffer[l->current] + l->used, t->notes, t->note_used);
    l->used += t->note_used;
    l->data_first |= t->plain_data;
    for (u32 i = 0; i < t->alloc_count; i++)
        l->taken += t->allocs[i].units * t->store->unit;
    return l->begun;
}

// --- writing -------------------------------------------------------------------------------------

void log_begin_generation(struct store *s)
{
    ASSERT_HELD(&s->mutex);
    struct log *l = &s->log;
    l->on = l->unit != 0 && l->buffer[1];
    l->begun = l->overflow = l->data_first = false;
    l->used = HEAD;
    l->head = 0;
    l->sequence = l->noted = l->safe = l->taken = 0;
    l->features = atomic_load(&s->writer_features);
}

static u32 blocks_of(u32 bytes)
{
    return (bytes + BLOCK - 1) / BLOCK;
}

// May what was noted go to the log? Under store.mutex. A store that failed may hold half a transaction (I1),
// which is a commit's to refuse.
static bool fits(struct store *s)
{
    ASSERT_HELD(&s->mutex);
    const struct log *l = &s->log;
    return l->on && !l->overflow && !s->has_pending && !s->changed_super &&
           atomic_load(&s->failed) == STATUS_SUCCESS && l->features == atomic_load(&s->writer_features) &&
           l->taken <= DATA_MOST && atomic_load(&s->cache.dirty_count) <= PAGES_MOST &&
           l->head + blocks_of(l->used) <= l->blocks;
}

bool log_is_safe(const struct store *s, u64 noted)
{
    const struct log *l = &s->log;
    ASSERT_HELD(&s->mutex);
    return l->on && !l->overflow && !s->has_pending && !s->changed_super && l->safe >= noted;
}

// Whole blocks, with the rest of the last one zero.
static u32 seal_entry(struct store *s, u8 *entry, u32 used, u64 next_object)
{
    const struct log *l = &s->log;
    u32 size = blocks_of(used) * BLOCK;
    struct raw_log head = {.magic = to_le32(LOG_MAGIC),
                           .length = to_le32(used),
                           .generation = s->pending.generation,
                           .super_sum = s->pending.sum,
                           .sequence = to_le64(l->sequence),
                           .next_object = to_le64(next_object)};
    memcpy(head.volume, s->uuid, sizeof head.volume);
    memcpy(entry, &head, HEAD);
    memset(entry + used, 0, size - used);
    put_le64(entry + offsetof(struct raw_log, sum), sum_crc64(entry, used));
    return size;
}

static nt_status write_entry(struct store *s, u8 *entry, u32 used, u64 next_object, bool data_first)
{
    struct log *l = &s->log;
    if (data_first)
        TRY(loss_flush(s));
    u32 size = seal_entry(s, entry, used, next_object);
    u64 at = l->unit * s->unit + (u64)l->head * BLOCK;
    l->head += size / BLOCK;
    l->sequence++;
    return loss_write_flush(s, entry, size, at);
}

nt_status log_write(struct store *s, bool *fit)
{
    struct log *l = &s->log;
    pthread_mutex_lock(&s->mutex);
    *fit = fits(s);
    if (!*fit) {
        pthread_mutex_unlock(&s->mutex);
        return STATUS_SUCCESS;
    }
    u8 *entry = l->buffer[l->current];
    u32 used = l->used;
    u64 noted = l->noted, next_object = s->next_object;
    // Data in place alone has an entry too, which says nothing and moves the tail (medium.c).
    bool unflushed = atomic_exchange(&s->unflushed, false);
    bool data_first = used > HEAD && (l->data_first || unflushed);
    l->current ^= 1;
    l->used = HEAD;
    l->taken = 0;
    l->data_first = false;
    // From now on a unit that is given back may be one that an entry on the medium needs (I3).
    l->begun |= used > HEAD;
    l->tail.tried = true;
    u32 block = l->head;
    pthread_mutex_unlock(&s->mutex);
    nt_status status = write_entry(s, entry, used, next_object, data_first);
    pthread_mutex_lock(&s->mutex);
    if (status == STATUS_SUCCESS)
        l->safe = MAX(l->safe, noted);
    else
        l->overflow = true; // what was noted is gone: a commit must follow
    if (status == STATUS_SUCCESS)
        l->tail = (struct log_tail){block, l->head, from_le64(((const struct raw_log *)entry)->sum), false};
    pthread_mutex_unlock(&s->mutex);
    if (status == STATUS_SUCCESS)
        return status;
    if (unflushed)
        atomic_store(&s->unflushed, true);
    loss_open(s);
    return status;
}

// --- the area ------------------------------------------------------------------------------------

// Inside the transaction that takes or frees the area: the gate keeps both in one commit (I2).
static void area_set(struct store *s, u64 unit, u32 blocks)
{
    SCOPE_LOCK(&s->mutex);
    s->log.blocks = blocks;
    s->log.unit = unit;
    s->changed_super = true;
}

u64 log_wish(const struct store *s)
{
    u64 size = MIN(MAX(align_down(s->units * s->unit / 64, (u64)AREA_MIN), (u64)AREA_MIN), (u64)AREA_MAX);
    return s->log.unit ? 0 : size / s->unit;
}

static nt_status take_area(struct txn *t)
{
    struct store *s = t->store;
    u64 unit;
    u32 clusters;
    TRY(txn_alloc(t, (u32)log_wish(s) / s->cluster_units, &unit, &clusters));
    u32 blocks = clusters * (s->cluster / BLOCK);
    if (blocks * (u64)BLOCK < AREA_MIN)
        return STATUS_DISK_FULL;
    area_set(s, unit, blocks);
    return STATUS_SUCCESS;
}

// The buffers stay until the store is freed.
static bool buffers_make(struct log *l)
{
    for (u32 i = 0; i < ARRAY_LEN(l->buffer); i++)
        if (!l->buffer[i] && !(l->buffer[i] = aligned_alloc(BLOCK, BUFFER + BLOCK)))
            return false;
    return true;
}

nt_status log_make(struct store *s)
{
    struct txn *t;
    if (!buffers_make(&s->log))
        return STATUS_INSUFFICIENT_RESOURCES;
    TRY(txn_begin(s, TXN_NORMAL, &t));
    return txn_end(t, take_area(t));
}

static u64 area_units(const struct store *s)
{
    return s->log.blocks * (u64)BLOCK / s->unit;
}

u64 log_units(const struct store *s)
{
    return s->log.unit ? area_units(s) : 0;
}

nt_status log_remove(struct store *s)
{
    struct txn *t;
    if (!s->log.unit)
        return STATUS_SUCCESS;
    TRY(txn_begin(s, TXN_FREEING, &t));
    nt_status status = txn_free(t, s->log.unit, area_units(s), false);
    if (status == STATUS_SUCCESS)
        area_set(s, 0, 0);
    return txn_end(t, status);
}

void log_destroy(struct store *s)
{
    for (u32 i = 0; i < ARRAY_LEN(s->log.buffer); i++)
        free(s->log.buffer[i]);
}

bool log_check_super(const struct raw_super *super)
{
    u64 unit = from_le64(super->log_unit), blocks = from_le32(super->log_blocks);
    u32 unit_size = from_le32(super->unit_size);
    if (!(from_le64(super->incompat) & FEATURE_LOG))
        return unit == 0 && blocks == 0;
    return unit > 0 && blocks > 0 && blocks <= LOG_BLOCKS_MAX && blocks * BLOCK % unit_size == 0 &&
           unit < from_le64(super->units) && blocks * BLOCK / unit_size <= from_le64(super->units) - unit;
}

// --- playing back --------------------------------------------------------------------------------

// The entries of an area that was read into memory.
struct replay {
    struct store *store;
    const struct raw_super *super;
    bool writes; // the volume is being opened for writing
    u8 *area;
    u32 blocks;
    u32 end, last; // blocks: behind the entries that count, and where the last of them begins
    u64 entries;
    nt_status status[LOG_BLOCKS_MAX]; // of reading each block
};

static const struct raw_log *head_at(const struct replay *r, u32 block)
{
    return (const struct raw_log *)(r->area + (u64)block * BLOCK);
}

static bool is_of(const struct raw_log *head, const struct raw_super *super)
{
    return from_le32(head->magic) == LOG_MAGIC &&
           memcmp(head->volume, super->uuid, sizeof head->volume) == 0 &&
           from_le64(head->generation) == from_le64(super->generation) &&
           from_le64(head->super_sum) == from_le64(super->sum);
}

bool log_entry_whole(u8 *entry)
{
    struct raw_log head;
    memcpy(&head, entry, HEAD);
    put_le64(entry + offsetof(struct raw_log, sum), 0);
    bool whole = sum_crc64(entry, from_le32(head.length)) == from_le64(head.sum);
    memcpy(entry, &head, HEAD);
    return whole;
}

// Is there an entry of this commit here, whole? NO_SUCH_FILE: certainly not; any other status: it cannot be
// known now. *blocks: how long.
static nt_status entry_look(const struct replay *r, u32 block, u32 *blocks)
{
    TRY(r->status[block]);
    struct raw_log head = *head_at(r, block);
    u32 length = from_le32(head.length);
    *blocks = blocks_of(length);
    if (!is_of(&head, r->super) || length < HEAD || length > BUFFER || *blocks > r->blocks - block)
        return STATUS_NO_SUCH_FILE;
    for (u32 i = 1; i < *blocks; i++)
        TRY(r->status[block + i]);
    return log_entry_whole(r->area + (u64)block * BLOCK) ? STATUS_SUCCESS : STATUS_NO_SUCH_FILE;
}

bool log_item_next(const struct raw_log *head, u32 *at, struct entry_item *item)
{
    const u8 *p = (const u8 *)head + *at;
    u32 left = from_le32(head->length) - *at;
    if (left < ITEM)
        return false;
    const struct raw_log_item *raw = (const struct raw_log_item *)p;
    item->kind = (enum log_item)raw->kind;
    item->key = (struct slice){p + ITEM, from_le16(raw->key_length)};
    item->value = (struct slice){p + ITEM + item->key.len, from_le16(raw->value_length)};
    if (item->key.len + item->value.len > left - ITEM)
        return false;
    *at += ITEM + item->key.len + item->value.len;
    if (item->kind >= LOG_TAKE)
        return item->kind <= LOG_HOLD && item->key.len == 8 && item->value.len == 8;
    if (item->key.len < 9 || item->key.len > KEY_MAX || item->value.len > VALUE_MAX)
        return false;
    if (item->kind == LOG_PATCH)
        return item->value.len > PATCH_HEAD && item->key.p[8] != KIND_EXTENT;
    return item->kind == LOG_PUT || (item->kind == LOG_DELETE && item->value.len == 0);
}

static bool item_next(const struct replay *r, u32 block, u32 *at, struct entry_item *item)
{
    if (!log_item_next(head_at(r, block), at, item))
        return false;
    bool whole = item->kind == LOG_PUT || item->kind == LOG_DELETE;
    return !whole || extent_is_old(item->key, item->value, r->store->generation);
}

static bool items_are_sound(const struct replay *r, u32 block)
{
    struct entry_item item;
    u32 at = HEAD;
    while (item_next(r, block, &at, &item))
        continue;
    return at == from_le32(head_at(r, block)->length);
}

static u64 place_of(const struct replay *r, u32 block)
{
    return r->store->log.unit * r->store->unit + (u64)block * BLOCK;
}

// What cannot be known now keeps a writer from going on, who would make an end of it (I4). A reader does
// without.
static nt_status do_without(const struct replay *r, nt_status status, u64 object, u64 offset, u64 length)
{
    store_event(r->store, 131, object, offset, length);
    return r->writes ? status : STATUS_SUCCESS;
}

// The entries follow one another from the start of the area. One further on that is whole shows that one
// before it was damaged later.
static nt_status entries_find(struct replay *r)
{
    nt_status status = STATUS_SUCCESS;
    u32 blocks;
    while (r->end < r->blocks && (status = entry_look(r, r->end, &blocks)) == STATUS_SUCCESS &&
           from_le64(head_at(r, r->end)->sequence) == r->entries && items_are_sound(r, r->end)) {
        r->last = r->end;
        r->end += blocks;
        r->entries++;
    }
    if (status_is_unreadable(status))
        return do_without(r, status, 0, place_of(r, r->end), BLOCK);
    for (u32 block = r->end; block < r->blocks; block++)
        if (entry_look(r, block, &blocks) == STATUS_SUCCESS &&
            from_le64(head_at(r, block)->sequence) > r->entries) {
            store_event(r->store, 131, 0, place_of(r, r->end), (u64)(block - r->end) * BLOCK);
            break;
        }
    return STATUS_SUCCESS;
}

// Does a later item of the entry say something else of this record?
static bool is_overtaken(const struct replay *r, u32 at, struct slice key)
{
    struct entry_item item;
    while (item_next(r, r->last, &at, &item))
        if (item.kind <= LOG_DELETE && key_compare(item.key, key) == 0)
            return true;
    return false;
}

// Did the last entry take this unit?
static bool is_taken(const struct replay *r, u64 unit)
{
    struct entry_item item;
    for (u32 at = HEAD; item_next(r, r->last, &at, &item);) {
        u64 first = item.kind == LOG_TAKE ? get_le64(item.key.p) : 0;
        if (item.kind == LOG_TAKE && unit >= first && unit - first < get_le64(item.value.p))
            return true;
    }
    return false;
}

static nt_status extent_verify(const struct replay *r, const struct extent *e)
{
    const struct store *s = r->store;
    u8 data[PAGE_SIZE], sum[8];
    u32 size = stream_sum_size(s);
    for (u64 u = 0; u < (u64)e->clusters * s->cluster_units; u++) {
        if (!is_taken(r, e->unit + u))
            continue;
        TRY(io_read(&s->io, data, s->unit, (e->unit + u) * s->unit));
        stream_unit_sum(s, data, sum);
        if (memcmp(sum, e->sums + u * size, size) != 0)
            return STATUS_DATA_CHECKSUM_ERROR;
    }
    return STATUS_SUCCESS;
}

// Only the last entry can be there without its data: the flush of each other one had returned.
static nt_status last_verify(const struct replay *r)
{
    struct entry_item item;
    for (u32 at = HEAD; item_next(r, r->last, &at, &item);) {
        struct extent e;
        bool mapped = item.kind == LOG_PUT && item.key.p[8] == KIND_EXTENT &&
                      extent_parse(r->store, item.key, item.value, &e) == STATUS_SUCCESS;
        if (mapped && e.flags & EXTENT_SUMMED && !is_overtaken(r, at, item.key))
            TRY(extent_verify(r, &e));
    }
    return STATUS_SUCCESS;
}

// Damage takes away what it holds and nothing else (I5): the item is told of and left out.
static nt_status leave_out(const struct replay *r, nt_status status, u64 object, u64 offset, u64 length)
{
    if (status_is_unreadable(status))
        return do_without(r, status, object, offset, length);
    TRY(status_is_damage(status) ? STATUS_SUCCESS : status);
    store_event(r->store, 131, object, offset, length);
    return STATUS_SUCCESS;
}

// Units of one region. What the commit before the log uses must stay until the next one, in case this replay
// is cut short too. Nothing is ever given out of a region whose map is lost, so its units stay as they are.
static nt_status region_play(const struct replay *r, enum log_item kind, u64 unit, u64 units)
{
    struct store *s = r->store;
    struct page_trace trace;
    nt_status status = space_trace(s, unit / SPACE_LEAF_UNITS, &trace);
    if (status != STATUS_SUCCESS)
        return leave_out(r, status, 0, unit * s->unit, units * s->unit);
    if (kind == LOG_TAKE)
        return space_take(s, unit, units);
    if (!space_can_free(s, unit, units))
        return STATUS_DISK_CORRUPT_ERROR;
    TRY(space_ready(s, unit, units));
    space_free(s, unit, units, kind == LOG_GIVE);
    return STATUS_SUCCESS;
}

static nt_status unit_play(const struct replay *r, const struct entry_item *item)
{
    u64 unit = get_le64(item->key.p), units = get_le64(item->value.p), n;
    if (units == 0 || unit >= r->store->units || units > r->store->units - unit)
        return STATUS_DISK_CORRUPT_ERROR;
    for (; units > 0; unit += n, units -= n) {
        n = MIN(units, SPACE_LEAF_UNITS - unit % SPACE_LEAF_UNITS);
        TRY(region_play(r, item->kind, unit, n));
    }
    return STATUS_SUCCESS;
}

static nt_status record_change(struct txn *t, const struct entry_item *item)
{
    struct key key = {.len = (u16)item->key.len};
    memcpy(key.b, item->key.p, item->key.len);
    if (item->kind == LOG_PUT)
        return tree_put(t, &key, item->value.p, item->value.len);
    if (item->kind == LOG_DELETE)
        return tree_delete(t, &key);
    return tree_patch(t, &key, get_le16(item->value.p), item->value.p + PATCH_HEAD,
                      item->value.len - PATCH_HEAD);
}

static nt_status place_look(struct store *s, struct slice at)
{
    struct key key = {.len = (u16)at.len};
    struct record record;
    memcpy(key.b, at.p, at.len);
    return tree_find(s, &key, TREE_EQUAL, &record);
}

// A record that is not there cannot be deleted or patched: only hostile entries ask for it.
static nt_status record_play(const struct replay *r, const struct entry_item *item)
{
    struct txn *t;
    nt_status status = txn_begin(r->store, TXN_FREEING, &t);
    if (status == STATUS_SUCCESS) {
        status = record_change(t, item);
        bool none = status == STATUS_NO_SUCH_FILE || status == STATUS_FILE_INVALID;
        status = txn_end(t, none ? STATUS_SUCCESS : status);
    }
    if (status == STATUS_SUCCESS)
        return status;
    // A record is lost with its place in the tree, not because something else keeps it from getting there.
    bool lost = status_is_damage(place_look(r->store, item->key));
    u64 id = get_be64(item->key.p);
    return lost                      ? leave_out(r, status, id, 0, 0)
           : status_is_local(status) ? do_without(r, status, id, 0, 0)
                                     : status;
}

static nt_status items_play(const struct replay *r, bool units)
{
    struct store *s = r->store;
    u32 blocks;
    for (u32 block = 0; block < r->end; block += blocks) {
        const struct raw_log *head = head_at(r, block);
        struct entry_item item;
        blocks = blocks_of(from_le32(head->length));
        for (u32 at = HEAD; item_next(r, block, &at, &item);)
            if ((item.kind >= LOG_TAKE) == units)
                TRY(units ? unit_play(r, &item) : record_play(r, &item));
        s->next_object = MAX(s->next_object, from_le64(head->next_object));
    }
    return STATUS_SUCCESS;
}

static nt_status area_read(struct replay *r)
{
    for (u32 block = 0; block < r->blocks; block++) {
        u8 *to = r->area + (u64)block * BLOCK;
        r->status[block] = io_read(&r->store->io, to, BLOCK, place_of(r, block));
        TRY(status_is_unreadable(r->status[block]) ? STATUS_SUCCESS : r->status[block]);
    }
    return STATUS_SUCCESS;
}

static nt_status replay(struct replay *r)
{
    struct store *s = r->store;
    TRY(area_read(r));
    TRY(entries_find(r));
    bool more = r->end < r->blocks;
    s->log.tail = (struct log_tail){
        .block = r->last,
        .end = r->end,
        .tried = more && (r->status[r->end] != STATUS_SUCCESS || is_of(head_at(r, r->end), r->super))};
    if (r->entries == 0)
        return STATUS_SUCCESS;
    s->log.tail.sum = from_le64(head_at(r, r->last)->sum);
    nt_status status = last_verify(r);
    if (status_is_damage(status)) // I4
        r->end = r->last;
    else if (status_is_unreadable(status))
        TRY(do_without(r, status, 0, place_of(r, r->last), BLOCK));
    else
        TRY(status);
    // All units first, so that no page of the tree gets a place that an entry's data has.
    TRY(items_play(r, true));
    return items_play(r, false);
}

static nt_status head_read(struct io *io, const struct raw_super *super, u32 block, struct raw_log *head)
{
    u8 bytes[BLOCK];
    u64 at = from_le64(super->log_unit) * from_le32(super->unit_size) + (u64)block * BLOCK;
    TRY(io_read(io, bytes, sizeof bytes, at));
    memcpy(head, bytes, sizeof *head);
    return STATUS_SUCCESS;
}

nt_status log_find_tail(struct io *io, const struct raw_super *super, const struct log_tail *tail)
{
    struct raw_log head;
    if (tail->sum != 0) {
        TRY(head_read(io, super, tail->block, &head));
        if (!is_of(&head, super) || from_le64(head.sum) != tail->sum)
            return STATUS_WRONG_VOLUME;
    }
    if (tail->tried || tail->end >= from_le32(super->log_blocks))
        return STATUS_SUCCESS;
    TRY(head_read(io, super, tail->end, &head));
    return is_of(&head, super) ? STATUS_WRONG_VOLUME : STATUS_SUCCESS;
}

nt_status log_replay(struct store *s, const struct raw_super *super, bool writes)
{
    struct replay r = {.store = s, .super = super, .writes = writes, .blocks = s->log.blocks};
    SCOPE_FREE u8 *area = malloc((size_t)MAX(r.blocks, 1u) * BLOCK);
    if (!area || !buffers_make(&s->log))
        return STATUS_NO_MEMORY;
    r.area = area;
    s->replaying = true; // I6
    nt_status status = replay(&r);
    s->replaying = false;
    if (status != STATUS_SUCCESS)
        status_set_text("what was flushed last cannot be played back: %s", status_name(status));
    return status;
}
