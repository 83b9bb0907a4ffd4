// SPDX-License-Identifier: Apache-2.0
// The store as a whole: format, open, commit, close. A commit closes the gate while it seals (checksums,
// superblock image; memory only), opens it again, and then writes: pages, flush, superblock, flush. The next
// generation is being changed meanwhile, on copies. What a commit wrote is used again only after the next one
// is durable.
//
//   I1  No superblock is ahead of what it needs: a flush lies between its pages and it.
//   I2  Nothing is written over what the newest durable superblock uses: units that a generation freed are
//       parked until it is durable.
//   I3  A sealed generation holds whole transactions only: the gate was closed, and no undo had failed.
//   I4  One commit or entry of the log is being written at a time: `committing`.
//   I5  A store that may not write, or has failed, sends nothing that changes the device (io.c).
//   I6  An opening writes nothing before all is read and played that decides what the newest state is.
//   I7  No counter wraps, no number of an object is given twice.
//
// The states of a commit (has_pending from sealed on):
//
//   none -- seal --> sealed -- pages, FLUSH --> written -- superblock, FLUSH --> durable, that is none
//                      ^                           |
//                      +--- cut short <------------+   the medium may come back: all is written again
//                               |
//                               +--> failed            any other status: nothing more is written
#include "engine/store.h"
#include "engine/orphan.h"
#include "engine/super.h"
#include "engine/txn.h"

#include <stdio.h>
#include <sys/random.h>

enum { CACHE_DEFAULT = 64 << 20 };

void store_event(struct store *s, u32 id, u64 object, u64 offset, u64 length)
{
    struct store_event event = {id, object, offset, length};
    if (s->event_fn) {
        s->event_fn(s->event_context, &event);
        return;
    }
    SCOPE_LOCK(&s->early_mutex);
    if (s->early_count < ARRAY_LEN(s->early))
        s->early[s->early_count++] = event;
}

void store_listen(struct store *s, store_event_fn *fn, void *context)
{
    struct store_event early[ARRAY_LEN(s->early)];
    s->event_fn = fn;
    s->event_context = context;
    pthread_mutex_lock(&s->early_mutex);
    u32 count = s->early_count;
    memcpy(early, s->early, count * sizeof early[0]);
    s->early_count = 0;
    pthread_mutex_unlock(&s->early_mutex);
    for (u32 i = 0; fn && i < count; i++)
        fn(context, &early[i]);
}

void store_fail(struct store *s, nt_status status)
{
    u32 none = STATUS_SUCCESS;
    if (atomic_compare_exchange_strong(&s->failed, &none, (u32)status))
        store_event(s, 134, 0, 0, 0);
    io_stop_writes(&s->io); // I5
    atomic_store(&s->readonly, true);
}

nt_status store_writable(struct store *s)
{
    nt_status failed = (nt_status)atomic_load(&s->failed);
    if (!atomic_load(&s->readonly))
        return STATUS_SUCCESS;
    if (failed != STATUS_SUCCESS)
        status_set_text("the volume is read-only since its metadata could not be written: %s",
                        status_name(failed));
    return STATUS_MEDIA_WRITE_PROTECTED;
}

u64 store_new_object(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    return s->next_object++;
}

u64 store_next_object(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    return s->next_object;
}

void store_skip_objects(struct store *s, u64 next)
{
    SCOPE_LOCK(&s->mutex);
    s->next_object = MAX(s->next_object, next);
}

void store_uses(struct store *s, u64 writer_feature)
{
    if (!(atomic_load_explicit(&s->writer_features, memory_order_relaxed) & writer_feature))
        atomic_fetch_or(&s->writer_features, writer_feature);
}

u16 store_algorithm(const struct store *s)
{
    return s->cluster == 4096 ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_CRC64;
}

const struct case_table *store_case_table(struct store *s)
{
    return s->table;
}

// --- life ----------------------------------------------------------------------------------------

static void store_free(struct store *s)
{
    txn_pool_destroy(s);
    log_destroy(s);
    loss_destroy(s);
    space_destroy(s);
    cache_destroy(&s->cache);
    pthread_mutex_destroy(&s->tree.mutex);
    hold_destroy(&s->tree.root_latch);
    pthread_mutex_destroy(&s->mutex);
    pthread_mutex_destroy(&s->early_mutex);
    pthread_mutex_destroy(&s->ref_mutex);
    pthread_cond_destroy(&s->changed);
    free(s->table);
    free(s);
}

nt_status store_new(struct blk *b, const struct raw_super *super, size_t cache_bytes, struct store **out)
{
    struct store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return STATUS_NO_MEMORY;
    io_init(&s->io, b);
    memcpy(s->uuid, super->uuid, sizeof s->uuid);
    s->serial = from_le32(super->serial);
    s->options = from_le64(super->options);
    s->created = from_le64(super->created);
    s->writer_features = from_le64(super->ro_compat);
    s->cluster = from_le32(super->cluster_size);
    s->unit = from_le32(super->unit_size);
    s->cluster_units = s->cluster / s->unit;
    s->units = from_le64(super->units);
    s->mirror_gap = from_le64(super->mirror_gap);
    s->copies = super->copies;
    s->log.unit = from_le64(super->log_unit);
    s->log.blocks = from_le32(super->log_blocks);
    memcpy(s->label, super->label, super->label_length);
    s->next_object = from_le64(super->next_object);
    s->durable = from_le64(super->generation);
    s->durable_sum = from_le64(super->sum);
    s->generation = s->durable + 1;
    s->tree.level = super->tree_level;
    s->tree.root = (struct ptr){{from_le64(super->tree.addr[0]), from_le64(super->tree.addr[1])},
                                from_le64(super->tree.birth),
                                from_le64(super->tree.sum)};
    pthread_mutex_init(&s->tree.mutex, NULL);
    hold_init(&s->tree.root_latch);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_mutex_init(&s->early_mutex, NULL);
    pthread_mutex_init(&s->ref_mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    space_geometry(s);
    struct space_ptr space = space_decode(&super->space);
    space_init(s, &space);
    cache_bytes = cache_bytes ? cache_bytes : CACHE_DEFAULT;
    nt_status status =
        cache_init(&s->cache, s, s->log.unit ? MAX(cache_bytes, (size_t)LOG_CACHE) : cache_bytes);
    if (status == STATUS_SUCCESS && s->space.level >= SPACE_LEVELS_MAX)
        status = STATUS_DISK_CORRUPT_ERROR;
    if (status != STATUS_SUCCESS)
        store_free(s);
    else
        *out = s;
    return status;
}

static nt_status load_case_table(struct store *s)
{
    SCOPE_FREE u8 *packed = malloc(65536 * 4);
    size_t used = 0;
    struct key key;
    struct record record;
    if (s->options & OPTION_CASE_SENSITIVE)
        return STATUS_SUCCESS;
    if (!packed || !(s->table = malloc(sizeof *s->table)))
        return STATUS_NO_MEMORY;
    for (;; used += record.len) {
        key_begin(&key, OBJECT_VOLUME, KIND_UPCASE);
        key_add_u64(&key, used);
        nt_status status = tree_find(s, &key, TREE_EQUAL, &record);
        if (status == STATUS_NO_SUCH_FILE && used > 0)
            return case_table_unpack(s->table, packed, used);
        TRY(status == STATUS_NO_SUCH_FILE ? STATUS_DISK_CORRUPT_ERROR : status);
        if (used + record.len > 65536 * 4 || record.len == 0)
            return STATUS_DISK_CORRUPT_ERROR;
        memcpy(packed + used, record.value, record.len);
    }
}

// What nobody can name any more is no reason to keep the rest from its users: what cannot be read stays in
// the list, for a later open or for ever.
static nt_status leave_orphan(struct store *s, nt_status status, u64 object)
{
    if (!status_is_local(status) || atomic_load(&s->readonly))
        return status;
    atomic_store(&s->unfinished, true);
    store_event(s, 131, object, 0, 0);
    return STATUS_SUCCESS;
}

static nt_status reap_orphans(struct store *s)
{
    struct key key;
    struct record record;
    key_begin(&key, OBJECT_ORPHANS, KIND_ORPHAN);
    for (;; key = record.key) {
        nt_status status = tree_find(s, &key, TREE_ABOVE, &record);
        if (status == STATUS_NO_SUCH_FILE ||
            (status == STATUS_SUCCESS && !key_belongs(&record.key, OBJECT_ORPHANS, KIND_ORPHAN)))
            return STATUS_SUCCESS;
        if (status != STATUS_SUCCESS)
            return leave_orphan(s, status, 0);
        status = orphan_finish(s, &record);
        if (status != STATUS_SUCCESS)
            TRY(leave_orphan(s, status, record.key.len == 9 + 8 ? get_be64(record.key.b + 9) : 0));
    }
}

// A number that is in use must not be given again, whatever the superblock says of the next one.
static nt_status skip_used_numbers(struct store *s)
{
    struct key key;
    struct record last;
    key_begin(&key, UINT64_MAX, KIND_TAG);
    nt_status status = tree_find(s, &key, TREE_AT_MOST, &last);
    if (status == STATUS_NO_SUCH_FILE || status_is_local(status))
        return STATUS_SUCCESS; // as far as can be known
    TRY(status);
    if (last.key.len >= 9)
        s->next_object = MAX(s->next_object, MIN(get_be64(last.key.b), COUNTER_END - 1) + 1);
    return STATUS_SUCCESS;
}

// All that is read before it is certain that the volume may be written to. Nothing is written here.
static nt_status prepare(struct store *s, const struct raw_super *super, nt_status hidden, bool *readonly)
{
    if (hidden != STATUS_SUCCESS) {
        store_event(s, 131, 0, 0, SUPER_AREA);
        status_set_text("a superblock cannot be read, and it may be the newest");
        TRY(*readonly ? STATUS_SUCCESS : hidden);
    }
    if (s->log.unit)
        TRY(log_replay(s, super, !*readonly));
    if (!*readonly)
        TRY(skip_used_numbers(s));
    // I7
    *readonly |= s->next_object >= COUNTER_END || s->durable >= COUNTER_END;
    return STATUS_SUCCESS;
}

// The first writes to the volume. If it was not closed, what was flushed since its last commit happened
// again, and is committed before anything else, so that the log's entries count no more.
static nt_status begin_writing(struct store *s, struct raw_super *super)
{
    io_start_writes(&s->io);
    TRY(super_settle(s, super));
    s->settled = (u32)atomic_load(&s->repairs);
    s->changed_super |= s->log.unit != 0;
    return s->log.unit ? store_commit(s) : STATUS_SUCCESS;
}

nt_status store_open(struct blk *b, u32 flags, size_t cache_bytes, struct store **out)
{
    struct raw_super super;
    struct store *s;
    struct io io;
    nt_status status, hidden;
    *out = NULL;
    io_init(&io, b);
    TRY(super_read(&io, &super, &hidden));
    TRY(store_new(b, &super, cache_bytes, &s));
    bool readonly = (flags & STORE_READONLY) || (b->flags & BLK_READONLY) ||
                    (from_le64(super.ro_compat) & ~WRITER_FEATURES_KNOWN);
    TRY_OUT(prepare(s, &super, hidden, &readonly)); // I6
    atomic_store(&s->leave_damage, readonly || flags & STORE_SCRUB);
    if (!readonly)
        TRY_OUT(begin_writing(s, &super));
    atomic_store(&s->readonly, readonly);
    TRY_OUT(load_case_table(s));
    if (!readonly)
        TRY_OUT(reap_orphans(s));
    *out = s;
    return STATUS_SUCCESS;
out:
    store_free(s);
    return status;
}

bool store_is_other_medium(nt_status status)
{
    return status == STATUS_VERIFY_REQUIRED || status == STATUS_NO_MEDIA_IN_DEVICE ||
           status == STATUS_WRONG_VOLUME;
}

bool store_may_come_back(nt_status status)
{
    return store_is_other_medium(status) || status == STATUS_DEVICE_NOT_READY ||
           status == STATUS_IO_TIMEOUT || status == STATUS_CANCELLED || status == STATUS_RETRY;
}

nt_status store_close(struct store *s)
{
    nt_status status = (nt_status)atomic_load(&s->failed);
    if (!atomic_load(&s->readonly)) {
        bool dirty = store_dirty(s);
        nt_status removed = log_remove(s);
        (void)removed; // a log that stays is played by the next open
        u64 lost = store_lost_so_far(s);
        status = store_commit(s);
        if (store_may_come_back(status)) // a drive repeats no flush: there is no later time for it
            status = store_commit(s);
        if (status == STATUS_SUCCESS && store_lost_so_far(s) != lost)
            status = STATUS_LOST_WRITEBEHIND_DATA;
        if (!dirty) // all was safe before
            status = STATUS_SUCCESS;
        if (status == STATUS_SUCCESS && loss_at_end(s))
            status = STATUS_LOST_WRITEBEHIND_DATA;
    }
    store_free(s);
    return status;
}

bool store_abandon(struct store *s)
{
    bool lost = store_dirty(s);
    store_free(s);
    return lost;
}

// --- format --------------------------------------------------------------------------------------

static nt_status put_case_table(struct txn *t)
{
    SCOPE_FREE struct case_table *table = malloc(sizeof *table);
    SCOPE_FREE u8 *packed = malloc(65536 * 4);
    if (!table || !packed)
        return STATUS_NO_MEMORY;
    case_table_default(table);
    size_t size = case_table_pack(table, packed, 65536 * 4);
    for (size_t at = 0; at < size; at += VALUE_MAX) {
        struct key key;
        key_begin(&key, OBJECT_VOLUME, KIND_UPCASE);
        key_add_u64(&key, at);
        TRY(tree_put(t, &key, packed + at, (u32)MIN(size - at, (size_t)VALUE_MAX)));
    }
    return STATUS_SUCCESS;
}

static nt_status put_root_directory(struct txn *t, bool integrity)
{
    struct store *s = t->store;
    u64 now = time_now();
    struct inode root = {.attributes =
                             FILE_ATTRIBUTE_DIRECTORY | (integrity ? FILE_ATTRIBUTE_INTEGRITY_STREAM : 0),
                         .links = 1,
                         .created = now,
                         .accessed = now,
                         .written = now,
                         .changed = now,
                         .algorithm = integrity ? store_algorithm(s) : CHECKSUM_TYPE_NONE};
    s->next_object = OBJECT_ROOT;
    return inode_create(t, &root);
}

// The tree's first page, made outside any transaction.
static nt_status plant_tree(struct store *s)
{
    struct page *root;
    u64 addr[2];
    TRY(space_alloc_page(s, addr));
    TRY(page_new(s, addr, PAGE_TREE, 0, &root));
    s->tree.root = (struct ptr){{addr[0], addr[1]}, s->generation, 0};
    page_put(root);
    return STATUS_SUCCESS;
}

static nt_status first_commit(struct store *s, const struct store_format_options *options)
{
    struct txn *t;
    TRY(plant_tree(s));
    TRY(txn_begin(s, TXN_NORMAL, &t));
    nt_status status = options->options & OPTION_CASE_SENSITIVE ? STATUS_SUCCESS : put_case_table(t);
    if (status == STATUS_SUCCESS)
        status = put_root_directory(t, options->integrity);
    TRY(txn_end(t, status));
    return store_commit(s);
}

nt_status store_format(struct blk *b, const struct store_format_options *options)
{
    struct raw_super super = {.version = to_le32(FORMAT_VERSION), .page_size = to_le32(PAGE_SIZE)}, old;
    u32 cluster = options->cluster, unit = MIN(cluster, (u32)PAGE_SIZE);
    u8 copies = options->copies ? options->copies : 2;
    size_t label_units;
    if ((cluster != 4096 && cluster != 65536) || copies > 2 || (options->options & ~(u64)OPTION_ALL) ||
        b->size < STORE_SIZE_MIN(cluster) || b->size > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    if (options->integrity && (options->options & OPTION_NO_INTEGRITY))
        return STATUS_INVALID_PARAMETER;
    TRY(text_units(options->label, &label_units));
    if (label_units > STORE_LABEL_UNITS)
        return STATUS_INVALID_PARAMETER;
    memcpy(super.magic, SUPER_MAGIC, sizeof super.magic);
    if (getrandom(super.uuid, sizeof super.uuid, 0) != sizeof super.uuid)
        return STATUS_INSUFFICIENT_RESOURCES;
    u64 gap = super_mirror_gap(b->size);
    super.mirror_gap = to_le64(copies == 2 ? gap : 0);
    super.units = to_le64(space_round_units(b->size / unit, unit, gap));
    super.unit_size = to_le32(unit);
    super.cluster_size = to_le32(cluster);
    super.options = to_le64(options->options);
    super.created = to_le64(time_now());
    memcpy(&super.serial, super.uuid, sizeof super.serial);
    super.copies = copies;
    super.label_length = (u8)options->label.len;
    if (options->label.len > 0)
        memcpy(super.label, options->label.p, options->label.len);
    // A volume that was here before must not be found again by its second copies.
    struct io io;
    nt_status hidden;
    io_init(&io, b);
    io_start_writes(&io);
    if (super_read(&io, &old, &hidden) == STATUS_SUCCESS)
        TRY(super_erase(&io, from_le64(old.mirror_gap)));
    TRY(super_erase(&io, from_le64(super.mirror_gap)));
    struct store *s;
    TRY(store_new(b, &super, MIB, &s));
    io_start_writes(&s->io);
    s->space.root = space_fresh(s, s->space.level, 0);
    s->space.avail = s->space.root.free;
    s->space.avail_groups = s->space.root.groups;
    nt_status status = first_commit(s, options);
    store_free(s);
    return status;
}

nt_status store_identify(struct blk *b, struct store_identity *identity)
{
    struct raw_super super;
    struct io io;
    memset(identity, 0, sizeof *identity);
    nt_status hidden;
    io_init(&io, b);
    TRY(super_read(&io, &super, &hidden));
    memcpy(identity->uuid, super.uuid, sizeof identity->uuid);
    identity->serial = from_le32(super.serial);
    identity->generation = from_le64(super.generation);
    identity->size = from_le64(super.units) * from_le32(super.unit_size);
    return hidden;
}

// --- commit --------------------------------------------------------------------------------------

// The state of the generation that was just sealed, as its superblock.
static void fill_super(struct store *s, struct raw_super *super)
{
    *super = (struct raw_super){.version = to_le32(FORMAT_VERSION),
                                .page_size = to_le32(PAGE_SIZE),
                                .ro_compat = to_le64(atomic_load(&s->writer_features)),
                                .options = to_le64(s->options),
                                .generation = to_le64(s->generation),
                                .units = to_le64(s->units),
                                .unit_size = to_le32(s->unit),
                                .cluster_size = to_le32(s->cluster),
                                .mirror_gap = to_le64(s->mirror_gap),
                                .free = to_le64(s->space.root.free),
                                .groups = to_le64(s->space.root.groups),
                                .next_object = to_le64(s->next_object),
                                .created = to_le64(s->created),
                                .committed = to_le64(time_now()),
                                .incompat = to_le64(s->log.unit ? FEATURE_LOG : 0),
                                .log_unit = to_le64(s->log.unit),
                                .log_blocks = to_le32(s->log.blocks),
                                .serial = to_le32(s->serial),
                                .copies = s->copies,
                                .tree_level = (u8)s->tree.level,
                                .space_level = (u8)s->space.level,
                                .label_length = (u8)strlen(s->label)};
    memcpy(super->magic, SUPER_MAGIC, sizeof super->magic);
    memcpy(super->uuid, s->uuid, sizeof super->uuid);
    memcpy(super->label, s->label, super->label_length);
    ptr_encode(&s->tree.root, &super->tree);
    space_encode(&s->space.root, &super->space);
}

// Close the gate and wait for the transactions inside. One of them may have failed the store, with half of
// its changes in memory: it said so before it left.
static nt_status close_gate(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    s->closing = true;
    while (s->active > 0)
        pthread_cond_wait(&s->changed, &s->mutex);
    nt_status failed = (nt_status)atomic_load(&s->failed);
    if (failed != STATUS_SUCCESS) { // I3
        s->closing = false;
        pthread_cond_broadcast(&s->changed);
    }
    return failed;
}

// Seal the running generation while the gate is closed, and open it for the next one.
static nt_status seal_generation(struct store *s)
{
    TRY(close_gate(s));
    tree_seal(s);
    space_seal(s);
    struct page *pages = cache_take_dirty(&s->cache);
    SCOPE_LOCK(&s->mutex);
    fill_super(s, &s->pending);
    s->pending_pages = pages;
    s->has_pending = true;
    s->changed_super = false;
    s->generation++;
    log_begin_generation(s);
    s->closing = false;
    pthread_cond_broadcast(&s->changed);
    return STATUS_SUCCESS;
}

static nt_status write_generation(struct store *s)
{
    TRY(cache_write(s, s->pending_pages));
    TRY(loss_flush(s)); // I1
    TRY(super_write(&s->io, &s->pending));
    return loss_flush(s);
}

// Write the sealed generation and make it the durable one.
static nt_status finish_pending(struct store *s)
{
    bool unflushed = atomic_exchange(&s->unflushed, false);
    nt_status status = write_generation(s);
    if (status != STATUS_SUCCESS) {
        if (unflushed)
            atomic_store(&s->unflushed, true);
        loss_open(s);
        if (!store_may_come_back(status))
            store_fail(s, status);
        return status;
    }
    space_durable(s); // I2; while the commit's pages are in memory
    cache_clean(&s->cache, s->pending_pages);
    atomic_fetch_add(&s->commits, 1);
    SCOPE_LOCK(&s->mutex);
    s->pending_pages = NULL;
    s->has_pending = false;
    s->durable = from_le64(s->pending.generation);
    s->durable_sum = from_le64(s->pending.sum);
    s->log.tail = (struct log_tail){0};
    return STATUS_SUCCESS;
}

// Opened for reading: what it changed in memory was played from the log, so there is nothing to make safe.
static bool is_reader(struct store *s)
{
    return atomic_load(&s->readonly) && atomic_load(&s->failed) == STATUS_SUCCESS;
}

// Data in place is a change like others: a medium without it must not look like this one (medium.c). Under
// mutex, no commit running, so one that finds nothing to do knows that the one that did it is over.
static bool has_changes(struct store *s)
{
    ASSERT_HELD(&s->mutex);
    return s->has_pending || s->changed_super || atomic_load(&s->cache.dirty_count) > 0 ||
           atomic_load(&s->unflushed);
}

nt_status store_commit(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    u64 wanted = s->generation;
    nt_status status = STATUS_SUCCESS;
    for (;;) {
        status = (nt_status)atomic_load(&s->failed);
        if (status != STATUS_SUCCESS || s->durable >= wanted || is_reader(s))
            break;
        if (s->committing) {
            pthread_cond_wait(&s->changed, &s->mutex);
            continue;
        }
        bool pending = s->has_pending, changes = has_changes(s);
        s->committing = true; // I4
        pthread_mutex_unlock(&s->mutex);
        status = changes && !pending ? seal_generation(s) : STATUS_SUCCESS;
        if (status == STATUS_SUCCESS && changes)
            status = finish_pending(s);
        pthread_mutex_lock(&s->mutex);
        s->committing = false;
        pthread_cond_broadcast(&s->changed);
        if (status != STATUS_SUCCESS || !changes)
            break;
    }
    pthread_mutex_unlock(&s->mutex);
    return status;
}

// The first flush of changes makes the log, with a commit that says where it is. Without room for one,
// flushes are commits.
static nt_status log_ask(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    bool ask = !s->log.unit && !s->log.asked && !atomic_load(&s->readonly) && has_changes(s);
    s->log.asked |= ask;
    pthread_mutex_unlock(&s->mutex);
    nt_status status = ask ? log_make(s) : STATUS_SUCCESS;
    if (!store_may_come_back(status))
        return STATUS_SUCCESS;
    SCOPE_LOCK(&s->mutex);
    s->log.asked = false;
    return status;
}

nt_status store_sync(struct store *s)
{
    nt_status status;
    TRY(log_ask(s));
    pthread_mutex_lock(&s->mutex);
    u64 generation = s->generation, noted = s->log.noted;
    for (;;) {
        status = (nt_status)atomic_load(&s->failed);
        if (status != STATUS_SUCCESS || s->durable >= generation || is_reader(s))
            break;
        if (s->committing) {
            pthread_cond_wait(&s->changed, &s->mutex);
            continue;
        }
        if (s->generation == generation && log_is_safe(s, noted) && !atomic_load(&s->unflushed))
            break;
        s->committing = true;
        pthread_mutex_unlock(&s->mutex);
        bool fit;
        status = log_write(s, &fit);
        if (status != STATUS_SUCCESS && !store_may_come_back(status))
            store_fail(s, status);
        pthread_mutex_lock(&s->mutex);
        s->committing = false;
        pthread_cond_broadcast(&s->changed);
        if (!fit) {
            pthread_mutex_unlock(&s->mutex);
            return store_commit(s);
        }
        break;
    }
    pthread_mutex_unlock(&s->mutex);
    return status;
}

void store_pause_commits(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    while (s->committing)
        pthread_cond_wait(&s->changed, &s->mutex);
    s->committing = true;
}

void store_resume_commits(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    s->committing = false;
    pthread_cond_broadcast(&s->changed);
}

bool store_dirty(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    return !is_reader(s) && has_changes(s) && (!log_is_safe(s, s->log.noted) || atomic_load(&s->unflushed));
}

void store_purge(struct store *s)
{
    tree_purge(s);
    cache_purge(&s->cache);
}

// --- small things --------------------------------------------------------------------------------

void store_get_info(struct store *s, struct store_info *info)
{
    *info = (struct store_info){.options = s->options,
                                .cluster = s->cluster,
                                .sector = s->io.blk->sector,
                                .copies = s->copies,
                                .readonly = atomic_load(&s->readonly),
                                .failed = (nt_status)atomic_load(&s->failed),
                                .created = s->created,
                                .total_clusters = s->units / s->cluster_units,
                                .free_clusters = space_avail_clusters(s, store_reserve(s))};
    info->identity.serial = s->serial;
    info->identity.size = s->units * s->unit;
    memcpy(info->identity.uuid, s->uuid, sizeof s->uuid);
    SCOPE_LOCK(&s->mutex);
    info->identity.generation = s->durable;
    memcpy(info->label, s->label, sizeof s->label);
}

nt_status store_set_label(struct store *s, struct str label)
{
    size_t units;
    TRY(text_units(label, &units));
    if (units > STORE_LABEL_UNITS || (label.len > 0 && memchr(label.p, 0, label.len)))
        return STATUS_INVALID_PARAMETER;
    TRY(store_writable(s));
    SCOPE_LOCK(&s->mutex);
    memset(s->label, 0, sizeof s->label);
    if (label.len > 0)
        memcpy(s->label, label.p, label.len);
    s->changed_super = true;
    return STATUS_SUCCESS;
}

void store_get_stats(struct store *s, struct store_stats *stats)
{
    *stats = (struct store_stats){.pages_read = atomic_load(&s->pages_read),
                                  .pages_written = atomic_load(&s->pages_written),
                                  .cache_hits = atomic_load(&s->cache.hits),
                                  .commits = atomic_load(&s->commits),
                                  .repairs = atomic_load(&s->repairs),
                                  .checksum_errors = atomic_load(&s->checksum_errors)};
}
