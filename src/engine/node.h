// SPDX-License-Identifier: Apache-2.0
// Records inside one tree page; data is the whole page.
#ifndef ENGINE_NODE_H
#define ENGINE_NODE_H

#include "engine/format.h"

struct key {
    u16 len;
    u8 b[KEY_MAX];
};

// A page pointer in memory.
struct ptr {
    u64 addr[2];
    u64 birth;
    u64 sum;
};

struct slice {
    const u8 *p;
    u32 len;
};
static inline u32 node_count(const u8 *data)
{
    return get_le16(((const struct raw_page *)data)->count.b);
}
void node_init(u8 *data);
struct slice node_key(const u8 *data, u32 i);
struct slice node_value(const u8 *data, u32 i);
int key_compare(struct slice a, struct slice b);
u32 node_search(const u8 *data, struct slice key, bool *found); // first record whose key is >= key
u32 node_used(const u8 *data);                                  // bytes that records and their offsets take
bool node_fits(const u8 *data, u32 key_len, u32 value_len);
void node_insert(u8 *data, u32 i, struct slice key, struct slice value); // must fit
void node_remove(u8 *data, u32 i);
void node_move_tail(u8 *from, u32 first, u8 *to); // records from first on, appended to `to`
bool node_check(const u8 *data, u32 level);       // hostile bytes in, yes or no out
bool extent_is_old(struct slice key, struct slice value, u64 generation); // not an extent that is younger
struct ptr node_child(const u8 *data, u32 i);
void node_set_child(u8 *data, u32 i, const struct ptr *child);
static inline bool ptr_same(const struct ptr *a, const struct ptr *b)
{
    return a->addr[0] == b->addr[0] && a->birth == b->birth && a->sum == b->sum;
}
void ptr_encode(const struct ptr *ptr, struct raw_ptr *raw);

#endif
