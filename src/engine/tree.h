// SPDX-License-Identifier: Apache-2.0
// The B+tree: keys are (object, kind, offset or name).
#ifndef ENGINE_TREE_H
#define ENGINE_TREE_H

#include "base/hold.h"
#include "engine/page.h"

struct record {
    struct key key;
    u16 len;
    u8 value[VALUE_MAX];
};
void key_begin(struct key *k, u64 object, enum record_kind kind);
void key_add_u64(struct key *k, u64 v);
void key_add(struct key *k, const void *bytes, u32 len);
static inline struct slice key_slice(const struct key *k)
{
    return (struct slice){k->b, k->len};
}
bool key_is_of(struct slice key, u64 object, enum record_kind kind); // same object and kind?
static inline bool key_belongs(const struct key *k, u64 object, enum record_kind kind)
{
    return key_is_of(key_slice(k), object, kind);
}
// The parts of a key, as enum record_kind lists them. What a kind does not have is zero.
struct key_parts {
    u64 object;
    enum record_kind kind;
    u64 number; // the one behind the kind
    u32 tag;
    struct slice name;
};
bool key_parse(struct slice key, struct key_parts *parts); // false: not as its kind says

enum tree_match { TREE_EQUAL, TREE_AT_MOST, TREE_BELOW, TREE_AT_LEAST, TREE_ABOVE };
// Called with a record in its page: what it returns is what the look-up returns. It must not wait for
// anything. Upwards (TREE_AT_LEAST, TREE_ABOVE) it may ask for the next record too, as often as it likes.
#define TREE_GO_ON STATUS_PENDING
typedef nt_status tree_visit(void *context, struct slice key, struct slice value);
// Visit the record that is at, just below or just above key. NO_SUCH_FILE when there is none (more).
nt_status tree_look(struct store *s, const struct key *key, enum tree_match match, tree_visit *visit,
                    void *context);
// The same with a copy.
nt_status tree_find(struct store *s, const struct key *key, enum tree_match match, struct record *out);
// The record of an equal key, for an undo: what is damaged on the way is left to others.
nt_status tree_find_changed(struct store *s, const struct key *key, struct record *out);
// The next record of an object and kind behind *key; NO_MORE_FILES after the last.
nt_status tree_next(struct store *s, const struct key *key, u64 object, enum record_kind kind,
                    struct record *record);
// On failure trace->bottom is the page that cannot be read.
nt_status tree_trace(struct store *s, const struct key *key, struct page_trace *trace);
nt_status tree_put(struct txn *t, const struct key *key, const void *value, u32 len); // insert or replace
nt_status tree_patch(struct txn *t, const struct key *key, u32 offset, const void *bytes, u32 len);
nt_status tree_delete(struct txn *t, const struct key *key); // NO_SUCH_FILE
// Fill in the checksums of all dirty pages, bottom up, and give the root pointer. No writer is active.
void tree_seal(struct store *s);
void tree_purge(struct store *s); // with cache_purge: lets go of the root's page

struct tree {
    pthread_mutex_t mutex; // writers
    struct hold root_latch;
    struct ptr root;
    u32 level;
    struct page *page; // the root's, pinned; NULL: not at hand
};

#endif
