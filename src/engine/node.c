// SPDX-License-Identifier: Apache-2.0
// Records inside one tree page: sorted offsets behind the head, records filled in from the end of the page.
// Everything but node_check trusts the page; node_check trusts nothing and runs once, when a page comes from
// the medium.
#include "engine/node.h"
#include "engine/store.h"

enum { SLOT = 2, RECORD = sizeof(struct raw_record), HEAD = sizeof(struct raw_page) };

static struct raw_page *head(u8 *data)
{
    return (struct raw_page *)data;
}
static const struct raw_page *head_of(const u8 *data)
{
    return (const struct raw_page *)data;
}
static u32 slot(const u8 *data, u32 i)
{
    return get_le16(data + HEAD + i * SLOT);
}
static const u8 *record_at(const u8 *data, u32 i)
{
    return data + slot(data, i);
}
static u32 record_size(const u8 *record)
{
    return RECORD + get_le16(record) + get_le16(record + 2);
}

void node_init(u8 *data)
{
    head(data)->count = to_le16(0);
    head(data)->heap = to_le16(PAGE_SIZE);
    head(data)->gaps = to_le16(0);
    memset(data + HEAD, 0, PAGE_ROOM);
}

struct slice node_key(const u8 *data, u32 i)
{
    const u8 *r = record_at(data, i);
    return (struct slice){r + RECORD, get_le16(r)};
}

struct slice node_value(const u8 *data, u32 i)
{
    const u8 *r = record_at(data, i);
    return (struct slice){r + RECORD + get_le16(r), get_le16(r + 2)};
}

// Keys are short and mostly begin with the same object: eight bytes at a time beat a call of memcmp.
static inline int compare(struct slice a, struct slice b)
{
    u32 common = MIN(a.len, b.len), i = 0;
    for (; i + 8 <= common; i += 8) {
        u64 x = get_be64(a.p + i), y = get_be64(b.p + i);
        if (x != y)
            return x < y ? -1 : 1;
    }
    for (; i < common; i++)
        if (a.p[i] != b.p[i])
            return a.p[i] < b.p[i] ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

int key_compare(struct slice a, struct slice b)
{
    return compare(a, b);
}

u32 node_search(const u8 *data, struct slice key, bool *found)
{
    u32 low = 0, high = node_count(data);
    *found = false;
    while (low < high) {
        u32 middle = (low + high) / 2;
        // One of these comes next.
        __builtin_prefetch(record_at(data, (low + middle) / 2));
        if (middle + 1 < high)
            __builtin_prefetch(record_at(data, (middle + 1 + high) / 2));
        int order = compare(node_key(data, middle), key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

u32 node_used(const u8 *data)
{
    const struct raw_page *h = head_of(data);
    return node_count(data) * SLOT + PAGE_SIZE - from_le16(h->heap) - from_le16(h->gaps);
}

bool node_fits(const u8 *data, u32 key_len, u32 value_len)
{
    return node_used(data) + SLOT + RECORD + key_len + value_len <= PAGE_ROOM;
}

// Push the records together again at the end of the page.
static void compact(u8 *data)
{
    u8 copy[PAGE_SIZE];
    u32 count = node_count(data), heap = PAGE_SIZE;
    memcpy(copy, data, PAGE_SIZE);
    for (u32 i = 0; i < count; i++) {
        const u8 *r = copy + slot(data, i);
        u32 size = record_size(r);
        heap -= size;
        memcpy(data + heap, r, size);
        put_le16(data + HEAD + i * SLOT, (u16)heap);
    }
    head(data)->heap = to_le16((u16)heap);
    head(data)->gaps = to_le16(0);
}

void node_insert(u8 *data, u32 i, struct slice key, struct slice value)
{
    u32 count = node_count(data), size = RECORD + key.len + value.len;
    ASSERT(node_fits(data, key.len, value.len) && i <= count);
    if (HEAD + (count + 1) * SLOT + size > from_le16(head(data)->heap))
        compact(data);
    u32 heap = from_le16(head(data)->heap) - size;
    put_le16(data + heap, (u16)key.len);
    put_le16(data + heap + 2, (u16)value.len);
    memcpy(data + heap + RECORD, key.p, key.len);
    if (value.len > 0)
        memcpy(data + heap + RECORD + key.len, value.p, value.len);
    u8 *slots = data + HEAD + i * SLOT;
    memmove(slots + SLOT, slots, (count - i) * SLOT);
    put_le16(slots, (u16)heap);
    head(data)->heap = to_le16((u16)heap);
    head(data)->count = to_le16((u16)(count + 1));
}

void node_remove(u8 *data, u32 i)
{
    u32 count = node_count(data), at = slot(data, i), size = record_size(data + at);
    ASSERT(i < count);
    if (at == from_le16(head(data)->heap))
        head(data)->heap = to_le16((u16)(at + size));
    else
        head(data)->gaps = to_le16((u16)(from_le16(head(data)->gaps) + size));
    u8 *slots = data + HEAD + i * SLOT;
    memmove(slots, slots + SLOT, (count - i - 1) * SLOT);
    head(data)->count = to_le16((u16)(count - 1));
    if (count == 1) {
        head(data)->heap = to_le16(PAGE_SIZE);
        head(data)->gaps = to_le16(0);
    }
}

void node_move_tail(u8 *from, u32 first, u8 *to)
{
    for (u32 i = first, count = node_count(from); i < count; i++)
        node_insert(to, node_count(to), node_key(from, i), node_value(from, i));
    while (node_count(from) > first)
        node_remove(from, node_count(from) - 1);
}

// Mark the bytes of a record. False when another one has some of them: it would change with this one.
static bool claim(u64 *taken, u32 at, u32 len)
{
    for (u32 end = at + len, n; at < end; at += n) {
        n = MIN(end - at, 64 - at % 64);
        u64 mask = (n == 64 ? ~0ull : (1ull << n) - 1) << at % 64;
        if (taken[at / 64] & mask)
            return false;
        taken[at / 64] |= mask;
    }
    return true;
}

bool extent_is_old(struct slice key, struct slice value, u64 generation)
{
    const struct raw_extent *raw = (const struct raw_extent *)value.p;
    return key.len < 9 || key.p[8] != KIND_EXTENT || value.len < sizeof *raw ||
           from_le64(raw->birth) <= generation;
}

bool node_check(const u8 *data, u32 level)
{
    const struct raw_page *h = head_of(data);
    u32 count = node_count(data), heap = from_le16(h->heap), gaps = from_le16(h->gaps);
    u32 bytes = 0;
    u64 taken[PAGE_SIZE / 64] = {0};
    if (HEAD + count * SLOT > heap || heap > PAGE_SIZE || (level > 0 && count == 0))
        return false;
    for (u32 i = 0; i < count; i++) {
        u32 at = slot(data, i);
        if (at < heap || at + RECORD > PAGE_SIZE)
            return false;
        u32 key_len = get_le16(data + at), value_len = get_le16(data + at + 2);
        if (key_len > KEY_MAX || value_len > VALUE_MAX || at + RECORD + key_len + value_len > PAGE_SIZE)
            return false;
        if (level > 0 && value_len != sizeof(struct raw_ptr))
            return false;
        if ((key_len == 0) != (level > 0 && i == 0) || !claim(taken, at, RECORD + key_len + value_len))
            return false;
        // A child as young as the running generation would pass for a page that was not written yet, an
        // extent's clusters for some that may be used again at once.
        if (level > 0 ? node_child(data, i).birth > from_le64(h->birth)
                      : !extent_is_old(node_key(data, i), node_value(data, i), from_le64(h->birth)))
            return false;
        if (i > 0 && key_compare(node_key(data, i - 1), node_key(data, i)) >= 0)
            return false;
        bytes += RECORD + key_len + value_len;
    }
    return bytes + gaps == PAGE_SIZE - heap;
}

struct ptr node_child(const u8 *data, u32 i)
{
    const struct raw_ptr *raw = (const struct raw_ptr *)node_value(data, i).p;
    return (struct ptr){
        {from_le64(raw->addr[0]), from_le64(raw->addr[1])}, from_le64(raw->birth), from_le64(raw->sum)};
}

void ptr_encode(const struct ptr *ptr, struct raw_ptr *raw)
{
    raw->addr[0] = to_le64(ptr->addr[0]);
    raw->addr[1] = to_le64(ptr->addr[1]);
    raw->birth = to_le64(ptr->birth);
    raw->sum = to_le64(ptr->sum);
}

void node_set_child(u8 *data, u32 i, const struct ptr *child)
{
    struct raw_ptr raw;
    ptr_encode(child, &raw);
    memcpy(data + (node_value(data, i).p - data), &raw, sizeof raw);
}
