// SPDX-License-Identifier: Apache-2.0
// The copy-on-write B+tree. Readers walk down with shared latches, parent held until the child is, but only
// through pages of the running generation, which alone may change; they never wait for a commit. Writers take
// tree.mutex, make the path they touch writable from the root down (a page of an earlier generation is copied
// to a new place) and latch a page exclusively only while its bytes change, parents before children.
#include "engine/tree.h"
#include "engine/reparse.h"
#include "engine/store.h"
#include "engine/txn.h"
#include "engine/xattr.h"

void key_begin(struct key *k, u64 object, enum record_kind kind)
{
    put_be64(k->b, object);
    k->b[8] = (u8)kind;
    k->len = 9;
}

void key_add_u64(struct key *k, u64 v)
{
    ASSERT(k->len + 8 <= KEY_MAX);
    put_be64(k->b + k->len, v);
    k->len += 8;
}

void key_add(struct key *k, const void *bytes, u32 len)
{
    ASSERT(k->len + len <= KEY_MAX);
    memcpy(k->b + k->len, bytes, len);
    k->len = (u16)(k->len + len);
}

bool key_is_of(struct slice key, u64 object, enum record_kind kind)
{
    return key.len >= 9 && get_be64(key.p) == object && key.p[8] == kind;
}

bool key_parse(struct slice key, struct key_parts *parts)
{
    *parts = (struct key_parts){0};
    if (key.len < 9)
        return false;
    struct slice rest = {key.p + 9, key.len - 9};
    struct str name;
    u32 piece;
    parts->object = get_be64(key.p);
    parts->kind = (enum record_kind)key.p[8];
    switch (parts->kind) {
    case KIND_INODE:
        return rest.len == 0;
    case KIND_LINK:
        if (rest.len <= 8)
            return false;
        parts->number = get_be64(rest.p);
        parts->name = (struct slice){rest.p + 8, rest.len - 8};
        return true;
    case KIND_STREAM:
    case KIND_DIRENT:
        parts->name = rest;
        return rest.len > 0;
    case KIND_REPARSE:
    case KIND_EXTENT:
    case KIND_UPCASE:
    case KIND_REFS:
    case KIND_ORPHAN:
        parts->number = rest.len == 8 ? get_be64(rest.p) : 0;
        return rest.len == 8;
    case KIND_XATTR:
        if (!xattr_parse(key, &name, &piece))
            return false;
        parts->number = piece;
        parts->name = (struct slice){(const u8 *)name.p, (u32)name.len};
        return true;
    case KIND_TAG:
        return tag_parse(key, &parts->tag, &parts->number);
    default:
        return false;
    }
}

static void key_set(struct key *k, struct slice from)
{
    memcpy(k->b, from.p, from.len);
    k->len = (u16)from.len;
}

// --- readers -------------------------------------------------------------------------------------

// The child in which a search goes on.
static u32 child_index(const u8 *data, struct slice key, enum tree_match match)
{
    bool found;
    u32 i = node_search(data, key, &found);
    if (found && match != TREE_BELOW)
        return i;
    return i > 0 ? i - 1 : 0;
}

// The record of a leaf that a search wants; count or UINT32_MAX when it lies in a neighbouring leaf.
static u32 leaf_index(const u8 *data, struct slice key, enum tree_match match)
{
    bool found;
    u32 i = node_search(data, key, &found);
    switch (match) {
    case TREE_EQUAL:
        return found ? i : UINT32_MAX;
    case TREE_AT_MOST:
        return found ? i : i - 1;
    case TREE_BELOW:
        return i - 1;
    case TREE_AT_LEAST:
        return i;
    case TREE_ABOVE:
        return found ? i + 1 : i;
    }
    return UINT32_MAX;
}

enum walk_result { WALK_FOUND, WALK_NONE, WALK_HOP, WALK_LOAD };

struct walk {
    struct slice key;
    enum tree_match match;
    tree_visit *visit;
    void *context;
    nt_status visited;  // WALK_FOUND: what visit said
    struct key *hop;    // WALK_HOP: where the neighbouring leaf begins (or ends)
    struct ptr missing; // WALK_LOAD: this page is not in the cache
    u32 missing_level;
    bool leave;               // damaged copies as they are
    bool damaged;             // a page on the way has a damaged copy
    nt_status repaired;       // what the medium said when it was to be repaired
    bool rootless;            // the tree did not have the root's page at hand
    struct page_trace *trace; // may be NULL
};

// A page of an earlier generation never changes, nor does anything below it: a pin is enough to read it.
static bool may_change(struct store *s, const struct page *page)
{
    return page->birth >= atomic_load_explicit(&s->generation, memory_order_acquire);
}

// One walk from the root without I/O. The root's page needs no pin of ours while the root latch is held.
static enum walk_result walk_down(struct store *s, struct walk *w)
{
    struct page *page = NULL, *pinned = NULL;
    pthread_rwlock_t *latch = NULL;
    bool has_hop = false, downward = w->match == TREE_AT_MOST || w->match == TREE_BELOW;
    hold_read(&s->tree.root_latch);
    bool at_root = true;
    struct ptr ptr = s->tree.root;
    u32 level = s->tree.level;
    struct page *root = s->tree.page;
    w->rootless = !root;
    if (w->trace)
        *w->trace = (struct page_trace){.top = level};
    for (;; level--) {
        struct page *child = root ? root : page_find(s, &ptr, PAGE_TREE, level);
        if (w->trace) {
            w->trace->ptr[level] = ptr;
            w->trace->bottom = level;
        }
        pthread_rwlock_t *next = child && may_change(s, child) ? &child->latch : NULL;
        if (next)
            pthread_rwlock_rdlock(next);
        if (child && atomic_load_explicit(&child->bad_copies, memory_order_relaxed))
            w->damaged = true;
        if (latch)
            pthread_rwlock_unlock(latch);
        page_put(pinned);
        if (at_root && !root) {
            hold_release(&s->tree.root_latch);
            at_root = false;
        }
        pinned = root ? NULL : child;
        page = child;
        latch = next;
        root = NULL;
        if (!page) {
            w->missing = ptr;
            w->missing_level = level;
            return WALK_LOAD;
        }
        if (level == 0)
            break;
        u32 i = child_index(page->data, w->key, w->match);
        if (w->match != TREE_EQUAL && (downward ? i > 0 : i + 1 < node_count(page->data))) {
            key_set(w->hop, node_key(page->data, downward ? i : i + 1));
            has_hop = true;
            if (w->trace)
                w->trace->next = *w->hop;
        }
        ptr = node_child(page->data, i);
    }
    enum walk_result result = has_hop ? WALK_HOP : WALK_NONE;
    u32 count = node_count(page->data);
    for (u32 i = leaf_index(page->data, w->key, w->match); i < count && result != WALK_FOUND; i++) {
        w->visited = w->visit(w->context, node_key(page->data, i), node_value(page->data, i));
        if (w->visited != TREE_GO_ON)
            result = WALK_FOUND;
    }
    if (latch)
        pthread_rwlock_unlock(latch);
    page_put(pinned);
    if (at_root)
        hold_release(&s->tree.root_latch);
    return result;
}

// So that readers need not look for it.
static void keep_root(struct store *s)
{
    SCOPE_HOLD_WRITE(&s->tree.root_latch);
    if (!s->tree.page)
        s->tree.page = page_find(s, &s->tree.root, PAGE_TREE, s->tree.level);
}

void tree_purge(struct store *s)
{
    SCOPE_HOLD_WRITE(&s->tree.root_latch);
    page_put(s->tree.page);
    s->tree.page = NULL;
}

static nt_status repair_way(struct store *s, struct slice key);

// A walk; what it finds damaged is repaired behind it.
static enum walk_result walk(struct store *s, struct walk *w)
{
    w->damaged = false;
    enum walk_result result = walk_down(s, w);
    if (w->rootless)
        keep_root(s);
    w->repaired = w->damaged && !w->leave ? repair_way(s, w->key) : STATUS_SUCCESS;
    return result;
}

// Half of a transaction is not to be seen: its locks are gone when it has ended.
static nt_status whole(struct store *s)
{
    return atomic_load(&s->torn) ? (nt_status)atomic_load(&s->failed) : STATUS_SUCCESS;
}

static nt_status look(struct store *s, struct walk *w)
{
    struct key next, hop;
    struct ptr failed = {0};
    bool downward = w->match == TREE_AT_MOST || w->match == TREE_BELOW;
    w->hop = &next;
    for (;;) {
        TRY(whole(s));
        enum walk_result result = walk(s, w);
        TRY(w->repaired);
        switch (result) {
        case WALK_FOUND:
            return w->visited;
        case WALK_NONE:
            return STATUS_NO_SUCH_FILE;
        case WALK_HOP:
            key_set(&hop, key_slice(&next));
            w->key = key_slice(&hop);
            w->match = downward ? TREE_BELOW : TREE_AT_LEAST;
            break;
        case WALK_LOAD: {
            struct page *page;
            nt_status status = page_get(s, &w->missing, PAGE_TREE, w->missing_level, &page);
            if (status == STATUS_SUCCESS) {
                page_put(page);
                break;
            }
            // The page may have been replaced meanwhile, and its place reused: only a pointer that is still
            // there on a second walk tells of damage.
            if (ptr_same(&failed, &w->missing) || status == STATUS_INSUFFICIENT_RESOURCES) {
                if (status_is_local(status))
                    store_event(s, 131, 0, failed.addr[0], PAGE_SIZE);
                return status;
            }
            failed = w->missing;
            break;
        }
        }
    }
}

nt_status tree_look(struct store *s, const struct key *key, enum tree_match match, tree_visit *visit,
                    void *context)
{
    return look(s, &(struct walk){.key = key_slice(key), .match = match, .visit = visit, .context = context});
}

static nt_status copy_record(void *context, struct slice key, struct slice value)
{
    struct record *out = context;
    key_set(&out->key, key);
    out->len = (u16)value.len;
    if (value.len > 0)
        memcpy(out->value, value.p, value.len);
    return STATUS_SUCCESS;
}

nt_status tree_find(struct store *s, const struct key *key, enum tree_match match, struct record *out)
{
    return tree_look(s, key, match, copy_record, out);
}

nt_status tree_find_changed(struct store *s, const struct key *key, struct record *out)
{
    return look(
        s,
        &(struct walk){
            .key = key_slice(key), .match = TREE_EQUAL, .visit = copy_record, .context = out, .leave = true});
}

nt_status tree_trace(struct store *s, const struct key *key, struct page_trace *trace)
{
    struct record record;
    struct key hop;
    struct walk w = {.key = key_slice(key),
                     .match = TREE_AT_LEAST,
                     .visit = copy_record,
                     .context = &record,
                     .hop = &hop,
                     .trace = trace};
    struct ptr failed = {0};
    TRY(whole(s));
    while (walk(s, &w) == WALK_LOAD) {
        struct page *page;
        TRY(w.repaired);
        nt_status status = page_get(s, &w.missing, PAGE_TREE, w.missing_level, &page);
        page_put(page);
        if (status != STATUS_SUCCESS && (ptr_same(&failed, &w.missing) || !status_is_local(status)))
            return status;
        failed = w.missing;
    }
    return w.repaired;
}

// --- writers -------------------------------------------------------------------------------------

// The way from the root to a leaf. page[0] is the leaf; slot[n] is the child taken in page[n].
struct path {
    struct page *page[TREE_LEVELS_MAX + 1];
    u32 slot[TREE_LEVELS_MAX + 1];
    u32 top;
    u32 made; // pages that changing it made
};

static void path_release(struct path *path)
{
    for (u32 level = 0; level <= path->top; level++)
        page_put(path->page[level]);
}

// Walk to the key's leaf with every page pinned and tree.mutex held. No I/O under the mutex: a page that is
// missing is loaded outside and the walk begins again.
static nt_status path_lock(struct store *s, const struct key *key, struct path *path)
{
    for (;;) {
        pthread_mutex_lock(&s->tree.mutex);
        struct ptr ptr = s->tree.root;
        u32 level = path->top = s->tree.level;
        path->made = 0;
        memset(path->page, 0, sizeof path->page);
        while ((path->page[level] = page_find(s, &ptr, PAGE_TREE, level)) && level > 0) {
            path->slot[level] = child_index(path->page[level]->data, key_slice(key), TREE_EQUAL);
            ptr = node_child(path->page[level]->data, path->slot[level]);
            level--;
        }
        if (path->page[level])
            return STATUS_SUCCESS;
        path_release(path);
        pthread_mutex_unlock(&s->tree.mutex);
        struct page *page;
        TRY(page_get(s, &ptr, PAGE_TREE, level, &page));
        page_put(page);
    }
}

static void path_unlock(struct store *s, struct path *path)
{
    path_release(path);
    pthread_mutex_unlock(&s->tree.mutex);
}

// A reader cannot know whether a page is still part of the volume when it writes it; whoever keeps the
// writers out can.
static nt_status repair_way(struct store *s, struct slice key)
{
    struct key k;
    struct path path;
    if (atomic_load(&s->leave_damage) || !io_may_write(&s->io))
        return STATUS_SUCCESS;
    key_set(&k, key);
    nt_status status = path_lock(s, &k, &path);
    if (status != STATUS_SUCCESS) // the reader has what it came for, unless the medium changed
        return store_is_other_medium(status) ? status : STATUS_SUCCESS;
    for (u32 level = 0; level <= path.top && status == STATUS_SUCCESS; level++)
        status = page_repair(s, path.page[level]);
    path_unlock(s, &path);
    return status;
}

static struct ptr ptr_of(const struct page *p)
{
    return (struct ptr){{p->addr[0], p->addr[1]}, p->birth, 0};
}

static nt_status new_tree_page(struct store *s, struct path *path, u32 level, struct page **out)
{
    u64 addr[2];
    *out = NULL;
    TRY(space_alloc_page(s, addr));
    nt_status status = page_new(s, addr, PAGE_TREE, level, out);
    if (status != STATUS_SUCCESS)
        space_free_page(s, addr, true);
    path->made += status == STATUS_SUCCESS;
    return status;
}

static void free_tree_page(struct store *s, struct page *p)
{
    space_free_page(s, p->addr, p->birth == s->generation);
    page_drop(s, p);
}

// page: the new root's, or NULL when it is not at hand.
static void set_root(struct store *s, const struct ptr *ptr, u32 level, struct page *page)
{
    ASSERT_HELD(&s->tree.mutex);
    if (page)
        atomic_fetch_add(&page->pins, 1);
    SCOPE_HOLD_WRITE(&s->tree.root_latch);
    page_put(s->tree.page);
    s->tree.page = page;
    s->tree.root = *ptr;
    s->tree.level = level;
}

static void set_child(struct page *parent, u32 slot, const struct ptr *child)
{
    SCOPE_WRITE(&parent->latch);
    node_set_child(parent->data, slot, child);
}

// A copy of an older page in the running generation; takes over the pin on old.
static nt_status page_copy(struct store *s, struct path *path, struct page *old, u32 level, struct page **out)
{
    TRY(new_tree_page(s, path, level, out));
    struct page *copy = *out;
    struct raw_page *to = page_head(copy);
    const struct raw_page *from = page_head(old);
    to->count = from->count;
    to->heap = from->heap;
    to->gaps = from->gaps;
    memcpy(copy->data + sizeof *to, old->data + sizeof *from, PAGE_ROOM);
    return STATUS_SUCCESS;
}

// Every page of the path belongs to the running generation afterwards.
static nt_status path_make_writable(struct txn *t, struct path *path)
{
    struct store *s = t->store;
    ASSERT_HELD(&s->tree.mutex);
    for (u32 level = path->top + 1; level-- > 0;) {
        struct page *old = path->page[level], *copy;
        if (old->birth == s->generation)
            continue;
        TRY(t->undoing ? STATUS_SUCCESS : page_repair(s, old));
        nt_status ready = space_ready_page(s, old->addr);
        TRY(t->undoing && status_is_unreadable(ready) ? STATUS_SUCCESS : ready); // it rather leaks a page
        TRY(page_copy(s, path, old, level, &copy));
        struct ptr ptr = ptr_of(copy);
        if (level == path->top)
            set_root(s, &ptr, level, copy);
        else
            set_child(path->page[level + 1], path->slot[level + 1], &ptr);
        path->page[level] = copy;
        free_tree_page(s, old);
    }
    return STATUS_SUCCESS;
}

static nt_status grow_root(struct store *s, struct path *path)
{
    struct page *root;
    if (path->top + 1 >= TREE_LEVELS_MAX)
        return STATUS_FILE_SYSTEM_LIMITATION;
    TRY(new_tree_page(s, path, path->top + 1, &root));
    struct raw_ptr raw;
    struct ptr ptr = ptr_of(path->page[path->top]);
    ptr_encode(&ptr, &raw);
    node_insert(root->data, 0, (struct slice){(const u8 *)"", 0},
                (struct slice){(const u8 *)&raw, sizeof raw});
    path->top++;
    path->page[path->top] = root;
    path->slot[path->top] = 0;
    ptr = ptr_of(root);
    set_root(s, &ptr, path->top, root);
    return STATUS_SUCCESS;
}

// Where to cut a full page: in the middle by bytes, or behind the end when records are being appended, so
// that pages filled in order stay full.
static u32 split_point(const u8 *data, u32 level, u32 at)
{
    u32 count = node_count(data), bytes = 0, half = node_used(data) / 2;
    if (at >= count && level == 0)
        return count;
    if (at + 1 >= count)
        return count - 1;
    for (u32 i = 0; i + 1 < count; i++) {
        bytes += 2 + (u32)sizeof(struct raw_record) + node_key(data, i).len + node_value(data, i).len;
        if (bytes >= half)
            return i + 1;
    }
    return count - 1;
}

// The shortest key that is above left and not above right.
static struct slice separator(struct slice left, struct slice right)
{
    u32 n = 0;
    while (n < left.len && n < right.len && left.p[n] == right.p[n])
        n++;
    return (struct slice){right.p, MIN(n + 1, right.len)};
}

// Cut page[level] in two; the parent has room. key: what is to be inserted, for leaves.
static nt_status split(struct store *s, struct path *path, u32 level, struct slice key)
{
    struct page *left = path->page[level], *parent = path->page[level + 1], *right;
    u32 at = path->slot[level];
    bool found;
    if (level == 0)
        at = node_search(left->data, key, &found);
    u32 first = split_point(left->data, level, at), count = node_count(left->data);
    TRY(new_tree_page(s, path, level, &right));
    struct key sep;
    if (level > 0)
        key_set(&sep, node_key(left->data, first));
    else
        key_set(&sep, separator(node_key(left->data, first - 1),
                                first < count ? node_key(left->data, first) : key));
    bool go_right = level > 0 ? at >= first : key_compare(key, key_slice(&sep)) >= 0;
    struct raw_ptr raw;
    struct ptr ptr = ptr_of(right);
    ptr_encode(&ptr, &raw);
    pthread_rwlock_wrlock(&parent->latch);
    pthread_rwlock_wrlock(&left->latch);
    if (level > 0) {
        // The first key of an inner page is empty: its lower bound has moved up into the parent.
        node_insert(right->data, 0, (struct slice){(const u8 *)"", 0}, node_value(left->data, first));
        node_remove(left->data, first);
    }
    node_move_tail(left->data, first, right->data);
    node_insert(parent->data, path->slot[level + 1] + 1, key_slice(&sep),
                (struct slice){(const u8 *)&raw, sizeof raw});
    pthread_rwlock_unlock(&left->latch);
    pthread_rwlock_unlock(&parent->latch);
    if (go_right) {
        path->page[level] = right;
        path->slot[level] = at - MIN(at, first);
        path->slot[level + 1]++;
        right = left;
    }
    page_put(right);
    return STATUS_SUCCESS;
}

// Make room for a record in page[level], splitting upwards first so that a split never meets a full parent.
static nt_status make_room(struct store *s, struct path *path, u32 level, struct slice key, u32 value_len)
{
    while (!node_fits(path->page[level]->data, key.len, value_len)) {
        if (level == path->top)
            TRY(grow_root(s, path));
        static const u8 longest[KEY_MAX];
        TRY(make_room(s, path, level + 1, (struct slice){longest, KEY_MAX}, sizeof(struct raw_ptr)));
        TRY(split(s, path, level, key));
    }
    return STATUS_SUCCESS;
}

static nt_status put_locked(struct txn *t, struct path *path, const struct key *key, struct slice value)
{
    struct store *s = t->store;
    bool found;
    u32 i = node_search(path->page[0]->data, key_slice(key), &found);
    struct slice old = found ? node_value(path->page[0]->data, i) : (struct slice){NULL, 0};
    if (!t->undoing)
        TRY(txn_note_undo(t, key, found ? UNDO_WHOLE : UNDO_ABSENT, 0, old));
    TRY(path_make_writable(t, path));
    bool in_place = found && old.len == value.len;
    if (!in_place)
        TRY(make_room(s, path, 0, key_slice(key), value.len));
    log_note(t, LOG_PUT, key_slice(key), value);
    struct page *leaf = path->page[0];
    i = node_search(leaf->data, key_slice(key), &found);
    SCOPE_WRITE(&leaf->latch);
    if (in_place) {
        if (value.len > 0)
            memcpy(leaf->data + (node_value(leaf->data, i).p - leaf->data), value.p, value.len);
        return STATUS_SUCCESS;
    }
    if (found)
        node_remove(leaf->data, i);
    node_insert(leaf->data, i, key_slice(key), value);
    return STATUS_SUCCESS;
}

nt_status tree_put(struct txn *t, const struct key *key, const void *value, u32 len)
{
    struct path path;
    ASSERT(len <= VALUE_MAX);
    TRY(path_lock(t->store, key, &path));
    nt_status status = put_locked(t, &path, key, (struct slice){value, len});
    t->dirtied += path.made;
    path_unlock(t->store, &path);
    return status;
}

nt_status tree_patch(struct txn *t, const struct key *key, u32 offset, const void *bytes, u32 len)
{
    struct path path;
    bool found;
    nt_status status = STATUS_SUCCESS;
    TRY(path_lock(t->store, key, &path));
    u32 i = node_search(path.page[0]->data, key_slice(key), &found);
    struct slice old = found ? node_value(path.page[0]->data, i) : (struct slice){NULL, 0};
    if (!found || offset + len > old.len)
        status = STATUS_FILE_INVALID;
    if (status == STATUS_SUCCESS && !t->undoing)
        status = txn_note_undo(t, key, UNDO_PATCH, offset, (struct slice){old.p + offset, len});
    if (status == STATUS_SUCCESS)
        status = path_make_writable(t, &path);
    if (status == STATUS_SUCCESS && len > 0) {
        struct page *leaf = path.page[0];
        SCOPE_WRITE(&leaf->latch);
        memcpy(leaf->data + (node_value(leaf->data, i).p - leaf->data) + offset, bytes, len);
        log_note_patch(t, key_slice(key), offset, (struct slice){bytes, len});
    }
    t->dirtied += path.made;
    path_unlock(t->store, &path);
    return status;
}

// The neighbour's page is to be given back, or to be copied and then given back.
static nt_status join_ready(struct store *s, struct path *path, struct page *other, u32 level, bool copied,
                            struct page **copy)
{
    *copy = NULL;
    if (other->birth == s->generation)
        return STATUS_SUCCESS;
    TRY(space_ready_page(s, other->addr));
    return copied ? page_copy(s, path, other, level, copy) : STATUS_SUCCESS;
}

// Join page[level] with the parent's child j beside it when both fit well into one page. A neighbour that is
// damaged, or has no room for a copy, is left alone.
static nt_status join(struct store *s, struct path *path, u32 level, u32 j, bool *joined)
{
    struct page *parent = path->page[level + 1], *page = path->page[level], *other, *copy;
    u32 i = path->slot[level + 1];
    struct ptr ptr = node_child(parent->data, j);
    *joined = false;
    nt_status status = page_get(s, &ptr, PAGE_TREE, level, &other);
    if (status != STATUS_SUCCESS)
        return store_is_other_medium(status) ? status : STATUS_SUCCESS;
    bool fit = node_used(page->data) + node_used(other->data) + KEY_MAX <= PAGE_ROOM * 3 / 4;
    if (fit)
        status = join_ready(s, path, other, level, j < i, &copy);
    if (!fit || status != STATUS_SUCCESS) {
        page_put(other);
        return store_is_other_medium(status) ? status : STATUS_SUCCESS;
    }
    if (copy) {
        ptr = ptr_of(copy);
        set_child(parent, j, &ptr);
        free_tree_page(s, other);
        other = copy;
    }
    struct page *left = j < i ? other : page, *right = j < i ? page : other;
    u32 right_slot = MAX(i, j);
    pthread_rwlock_wrlock(&parent->latch);
    pthread_rwlock_wrlock(&left->latch);
    for (u32 r = 0; r < node_count(right->data); r++) {
        struct slice key =
            level > 0 && r == 0 ? node_key(parent->data, right_slot) : node_key(right->data, r);
        node_insert(left->data, node_count(left->data), key, node_value(right->data, r));
    }
    node_remove(parent->data, right_slot);
    pthread_rwlock_unlock(&left->latch);
    pthread_rwlock_unlock(&parent->latch);
    free_tree_page(s, right);
    path->page[level] = left;
    path->slot[level + 1] = right_slot - 1;
    *joined = true;
    return STATUS_SUCCESS;
}

// Take a child out of an inner page that has others; a new first child is the lower bound and has no key.
static void remove_child(struct page *page, u32 slot)
{
    SCOPE_WRITE(&page->latch);
    node_remove(page->data, slot);
    if (slot == 0) {
        struct raw_ptr first;
        memcpy(&first, node_value(page->data, 0).p, sizeof first);
        node_remove(page->data, 0);
        node_insert(page->data, 0, (struct slice){(const u8 *)"", 0},
                    (struct slice){(const u8 *)&first, sizeof first});
    }
}

// Take out an empty leaf and every page above that has no other child, unless that is the whole tree. The
// level of the lowest page that stays.
static u32 prune(struct store *s, struct path *path)
{
    u32 stays = 1;
    if (node_count(path->page[0]->data) > 0)
        return 0;
    while (stays <= path->top && node_count(path->page[stays]->data) == 1)
        stays++;
    if (stays > path->top)
        return 0;
    remove_child(path->page[stays], path->slot[stays]);
    for (u32 level = 0; level < stays; level++) {
        free_tree_page(s, path->page[level]);
        path->page[level] = NULL;
    }
    return stays;
}

// After a removal: join pages that got too empty, from the leaf up, and lower the root.
static nt_status rebalance(struct store *s, struct path *path, bool undoing)
{
    ASSERT_HELD(&s->tree.mutex);
    u32 lowest = prune(s, path);
    nt_status status = STATUS_SUCCESS;
    // An undo must not ask for pages that it can do without.
    for (u32 level = lowest; level < path->top && !undoing && status == STATUS_SUCCESS; level++) {
        u32 i = path->slot[level + 1];
        bool joined = false;
        if (node_used(path->page[level]->data) >= PAGE_ROOM / 4)
            continue;
        if (i > 0)
            status = join(s, path, level, i - 1, &joined);
        if (status == STATUS_SUCCESS && !joined && i + 1 < node_count(path->page[level + 1]->data))
            status = join(s, path, level, i + 1, &joined);
    }
    // The only child may be one that is not of this path.
    while (path->top > 0 && path->page[path->top] && node_count(path->page[path->top]->data) == 1) {
        struct page *root = path->page[path->top];
        struct ptr child = node_child(root->data, 0);
        path->page[path->top--] = NULL;
        set_root(s, &child, path->top, path->page[path->top]);
        free_tree_page(s, root);
    }
    return status;
}

nt_status tree_delete(struct txn *t, const struct key *key)
{
    struct store *s = t->store;
    struct path path;
    bool found;
    nt_status status = STATUS_SUCCESS;
    TRY(path_lock(s, key, &path));
    u32 i = node_search(path.page[0]->data, key_slice(key), &found);
    if (!found)
        status = STATUS_NO_SUCH_FILE;
    struct slice old = found ? node_value(path.page[0]->data, i) : (struct slice){NULL, 0};
    if (status == STATUS_SUCCESS && !t->undoing)
        status = txn_note_undo(t, key, UNDO_WHOLE, 0, old);
    if (status == STATUS_SUCCESS)
        status = path_make_writable(t, &path);
    if (status == STATUS_SUCCESS) {
        pthread_rwlock_wrlock(&path.page[0]->latch);
        node_remove(path.page[0]->data, i);
        pthread_rwlock_unlock(&path.page[0]->latch);
        log_note(t, LOG_DELETE, key_slice(key), (struct slice){NULL, 0});
        status = rebalance(s, &path, t->undoing);
    }
    t->dirtied += path.made;
    path_unlock(s, &path);
    return status;
}

// --- sealing -------------------------------------------------------------------------------------

// Checksums of a dirty page's dirty children first, then its own.
static u64 seal(struct store *s, struct page *page, u32 level)
{
    for (u32 i = 0; level > 0 && i < node_count(page->data); i++) {
        struct ptr child = node_child(page->data, i);
        if (child.birth != s->generation)
            continue;
        struct page *p = page_find(s, &child, PAGE_TREE, level - 1);
        ASSERT(p);
        child.sum = seal(s, p, level - 1);
        page_put(p);
        SCOPE_WRITE(&page->latch);
        node_set_child(page->data, i, &child);
    }
    return sum_crc64(page->data, PAGE_SIZE);
}

void tree_seal(struct store *s)
{
    if (s->tree.root.birth != s->generation)
        return;
    struct page *root = page_find(s, &s->tree.root, PAGE_TREE, s->tree.level);
    ASSERT(root);
    u64 sum = seal(s, root, s->tree.level);
    page_put(root);
    SCOPE_HOLD_WRITE(&s->tree.root_latch);
    s->tree.root.sum = sum;
}

nt_status tree_next(struct store *s, const struct key *key, u64 object, enum record_kind kind,
                    struct record *record)
{
    nt_status status = tree_find(s, key, TREE_ABOVE, record);
    if (status == STATUS_NO_SUCH_FILE ||
        (status == STATUS_SUCCESS && !key_belongs(&record->key, object, kind)))
        return STATUS_NO_MORE_FILES;
    return status;
}
