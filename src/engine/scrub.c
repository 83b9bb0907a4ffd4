// SPDX-License-Identifier: Apache-2.0
// The scrub: reads every copy of every superblock and page and all file data, in steps that hold no lock
// while they read, and repairs what has a good copy. What a step looks at may be changed under it: damage
// counts only when the pointer to it is still the same afterwards, and a copy is written only with the tree's
// (or the map's) writers kept out, so never to a place that has another owner by now.
#include "engine/extent.h"
#include "engine/fresh.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/super.h"

#include <stdio.h>

enum { TRIES = 3 };
enum scrub_phase { SCRUB_SUPERS, SCRUB_SPACE, SCRUB_TREE, SCRUB_DATA, SCRUB_DONE };

struct scrubber {
    struct store *s;
    const struct scrub_options *options;
    struct scrub_position *at;
    u8 *buffer;                           // FRESH_STEP
    struct key key;                       // tree and data: where the step begins
    struct ptr seen[TREE_LEVELS_MAX + 1]; // the pages that were verified last, by level
    bool wrote;
    struct check_finding found[4]; // superblocks, two slots of two copies
    u32 found_count;
    char path[4096];
};

_Static_assert(sizeof((struct scrub_position *)0)->key >= KEY_MAX + 1, "a key and one byte more");

static void report(struct scrubber *c, struct check_finding f)
{
    f.path = c->path;
    *(f.repaired ? &c->at->totals.repaired : &c->at->totals.lost) += 1;
    c->wrote |= f.repaired;
    if (c->options->finding)
        c->options->finding(c->options->context, &f);
    c->path[0] = '\0';
}

static u64 durable(struct store *s)
{
    SCOPE_LOCK(&s->mutex);
    return s->durable;
}

static void next_phase(struct scrubber *c)
{
    c->at->phase++;
    c->at->number = 0;
    c->key.len = 0;
    memset(c->seen, 0, sizeof c->seen);
}

// --- superblocks ---------------------------------------------------------------------------------

// A superblock at its place. Nothing is concluded from a status that is no damage (the medium is away).
static nt_status look_at_super(struct store *s, u32 slot, u32 copy, struct raw_super *super, bool *good)
{
    nt_status status = fresh_super(s, slot, copy, super);
    *good = status == STATUS_SUCCESS;
    return status_is_local(status) ? STATUS_SUCCESS : status;
}

// Both copies of one slot; a copy that is not the newest of the two is written again. The slot that the last
// commit did not use may hold nothing.
static nt_status scrub_slot(struct scrubber *c, u32 slot, bool needed)
{
    struct store *s = c->s;
    struct raw_super super[2] = {0};
    bool good[2] = {false, false};
    for (u32 copy = 0; copy < s->copies; copy++)
        TRY(look_at_super(s, slot, copy, &super[copy], &good[copy]));
    c->at->totals.bytes += (u64)s->copies * SUPER_SIZE;
    u32 best = good[1] && (!good[0] || from_le64(super[1].generation) > from_le64(super[0].generation));
    if (!good[best] && !needed)
        return STATUS_SUCCESS;
    for (u32 copy = 0; copy < s->copies; copy++) {
        if (good[best] && good[copy] && memcmp(&super[copy], &super[best], sizeof super[0]) == 0)
            continue;
        u64 at = slot * SUPER_SPACING + copy * s->mirror_gap;
        nt_status status =
            good[best] ? io_write(&s->io, &super[best], sizeof super[best], at) : STATUS_DISK_CORRUPT_ERROR;
        bool repaired = status == STATUS_SUCCESS;
        TRY(status_is_local(status) || status == STATUS_MEDIA_WRITE_PROTECTED ? STATUS_SUCCESS : status);
        atomic_fetch_add(&s->repairs, repaired);
        store_event(s, repaired ? 130 : 131, 0, at, SUPER_SIZE);
        c->found[c->found_count++] = (struct check_finding){.kind = CHECK_SUPER,
                                                            .repairable = good[best],
                                                            .repaired = repaired,
                                                            .offset = at,
                                                            .length = SUPER_SIZE,
                                                            .text = "a superblock is damaged"};
    }
    return STATUS_SUCCESS;
}

static nt_status scrub_supers(struct scrubber *c)
{
    struct store *s = c->s;
    for (; s->settled > 0; s->settled--)
        report(c, (struct check_finding){.kind = CHECK_SUPER,
                                         .repairable = true,
                                         .repaired = true,
                                         .length = SUPER_SIZE,
                                         .text = "a superblock was damaged"});
    // A commit must not meet us in its slot.
    store_pause_commits(s);
    u32 slot = s->durable % 2;
    nt_status status = scrub_slot(c, slot, true);
    if (status == STATUS_SUCCESS && !s->has_pending)
        status = scrub_slot(c, !slot, false);
    store_resume_commits(s);
    // Not before: the callback may want a commit.
    for (u32 i = 0; i < c->found_count; i++)
        report(c, c->found[i]);
    TRY(status);
    next_phase(c);
    return STATUS_SUCCESS;
}

// --- pages ---------------------------------------------------------------------------------------

static nt_status trace(struct scrubber *c, enum page_kind kind, struct page_trace *t)
{
    return kind == PAGE_TREE ? tree_trace(c->s, &c->key, t) : space_trace(c->s, c->at->number, t);
}

// Forget what is no longer part of the volume: its place may have had another owner when it was read.
static nt_status keep_current(struct scrubber *c, enum page_kind kind, const struct page_trace *t, u32 *bad)
{
    struct page_trace now;
    nt_status status = trace(c, kind, &now);
    TRY(status_is_local(status) ? STATUS_SUCCESS : status);
    for (u32 level = t->bottom; level <= t->top; level++)
        if (level < now.bottom || level > now.top || !ptr_same(&t->ptr[level], &now.ptr[level]))
            bad[level] = 0;
    return STATUS_SUCCESS;
}

// Mark the damaged copies in the cached pages and walk there: walking repairs.
static void repair(struct scrubber *c, enum page_kind kind, const struct page_trace *t, const u32 *bad)
{
    struct store *s = c->s;
    struct page_trace now;
    for (u32 level = t->bottom; level <= t->top; level++) {
        struct page *p;
        if (bad[level] == 0 || page_get(s, &t->ptr[level], kind, level, &p) != STATUS_SUCCESS)
            continue; // no good copy
        atomic_fetch_or(&p->bad_copies, bad[level]);
        page_put(p);
    }
    atomic_store(&s->leave_damage, false);
    nt_status status = trace(c, kind, &now); // what cannot be read is seen when the copies are read again
    atomic_store(&s->leave_damage, true);
    c->wrote |= status == STATUS_SUCCESS;
}

static nt_status report_page(struct scrubber *c, enum page_kind kind, u32 level, const struct ptr *ptr,
                             u32 bad)
{
    u32 left;
    TRY(fresh_page(c->s, ptr, kind, level, c->buffer, &left));
    for (u32 copy = 0; copy < c->s->copies; copy++) {
        if (!(bad & (1u << copy)))
            continue;
        if (left & (1u << copy))
            store_event(c->s, 131, 0, ptr->addr[copy], PAGE_SIZE);
        report(c, (struct check_finding){.kind = CHECK_PAGE,
                                         .repairable = bad != (1u << c->s->copies) - 1,
                                         .repaired = !(left & (1u << copy)),
                                         .offset = ptr->addr[copy],
                                         .length = PAGE_SIZE,
                                         .text = kind == PAGE_TREE ? "a page of the tree is damaged"
                                                                   : "a page of the space map is damaged"});
    }
    return STATUS_SUCCESS;
}

// The pages on the way to one leaf that were not on the way to the last one.
static nt_status scrub_way(struct scrubber *c, enum page_kind kind, struct page_trace *t)
{
    u32 bad[TREE_LEVELS_MAX + 1] = {0}, any = 0;
    nt_status status = trace(c, kind, t);
    TRY(status_is_local(status) ? STATUS_SUCCESS : status);
    for (u32 level = t->bottom; level <= t->top; level++) {
        if (ptr_same(&c->seen[level], &t->ptr[level]) || t->ptr[level].birth > durable(c->s))
            continue; // or not on the medium yet
        TRY(fresh_page(c->s, &t->ptr[level], kind, level, c->buffer, &bad[level]));
        c->seen[level] = t->ptr[level];
        c->at->totals.pages++;
        c->at->totals.bytes += (u64)c->s->copies * PAGE_SIZE;
        any |= bad[level];
    }
    if (any == 0)
        return STATUS_SUCCESS;
    TRY(keep_current(c, kind, t, bad));
    repair(c, kind, t, bad);
    for (u32 level = t->bottom; level <= t->top; level++)
        if (bad[level] != 0)
            TRY(report_page(c, kind, level, &t->ptr[level], bad[level]));
    return STATUS_SUCCESS;
}

static nt_status scrub_space(struct scrubber *c)
{
    struct page_trace t;
    TRY(scrub_way(c, PAGE_SPACE, &t));
    if (++c->at->number >= c->s->space.regions)
        next_phase(c);
    return STATUS_SUCCESS;
}

// Go on where the next leaf begins. Damaged pages must not send us backwards.
static void next_leaf(struct scrubber *c, const struct page_trace *t)
{
    if (t->next.len > 0 && key_compare(key_slice(&t->next), key_slice(&c->key)) > 0)
        c->key = t->next;
    else
        next_phase(c);
}

static nt_status scrub_tree(struct scrubber *c)
{
    struct page_trace t;
    TRY(scrub_way(c, PAGE_TREE, &t));
    next_leaf(c, &t);
    return STATUS_SUCCESS;
}

// --- file data -----------------------------------------------------------------------------------

static void name_stream(struct scrubber *c, const struct record *record)
{
    u64 id = get_be64(record->key.b);
    if (object_path(c->s, id, c->path, sizeof c->path) != STATUS_SUCCESS)
        c->path[0] = '\0';
    size_t used = strlen(c->path);
    if (record->key.b[8] == KIND_STREAM && used > 0)
        snprintf(c->path + used, sizeof c->path - used, ":%.*s",
                 (int)(record->len - sizeof(struct raw_stream)),
                 (const char *)record->value + sizeof(struct raw_stream));
}

// Read a unit that looked bad again, and look whether it still belongs to the extent.
static nt_status confirm(struct scrubber *c, u64 data, const struct extent *e, u64 unit, bool *bad)
{
    struct store *s = c->s;
    u64 still[FRESH_UNITS / 64];
    *bad = false;
    for (int i = 0; i < TRIES; i++) {
        struct extent now = {0};
        TRY(fresh_units(s, e, unit, 1, c->buffer, still));
        if (still[0] == 0)
            return STATUS_SUCCESS;
        if (extent_find(s, data, e->first, &now) != STATUS_SUCCESS || now.first != e->first ||
            now.unit != e->unit || now.clusters < e->clusters || now.birth != e->birth ||
            memcmp(now.sums, e->sums, e->clusters * extent_sum_size(s) * !!(e->flags & EXTENT_SUMMED)) != 0)
            return STATUS_SUCCESS;
    }
    *bad = true;
    return STATUS_SUCCESS;
}

static void report_data(struct scrubber *c, const struct record *record, u64 offset, u64 length, bool summed)
{
    u64 id = get_be64(record->key.b);
    if (length == 0)
        return;
    name_stream(c, record);
    store_event(c->s, 133, id, offset, length);
    report(c, (struct check_finding){.kind = CHECK_DATA,
                                     .object = id,
                                     .offset = offset,
                                     .length = length,
                                     .text = summed ? "file data does not match its checksum"
                                                    : "file data cannot be read"});
}

// The units [first, first + count) of an extent.
static nt_status scrub_units(struct scrubber *c, const struct record *record, u64 data,
                             const struct extent *e, u64 first, u64 count)
{
    struct store *s = c->s;
    u64 bad_from = 0, bad_length = 0;
    u64 looks_bad[FRESH_UNITS / 64];
    TRY(fresh_units(s, e, first, count, c->buffer, looks_bad));
    for (u64 u = 0; u < count; u++) {
        bool bad = false;
        if (looks_bad[u / 64] >> (u % 64) & 1)
            TRY(confirm(c, data, e, first + u, &bad));
        if (bad && bad_length == 0)
            bad_from = e->first * s->cluster + (first + u) * s->unit;
        if (bad)
            bad_length += s->unit;
        if (bad && u + 1 < count)
            continue;
        report_data(c, record, bad_from, bad_length, e->flags & EXTENT_SUMMED);
        bad_length = 0;
    }
    c->at->totals.data_bytes += count * s->unit;
    c->at->totals.bytes += count * s->unit;
    return STATUS_SUCCESS;
}

// A piece of a stream's data from cluster c->at->number on. *done: there is none.
static nt_status scrub_piece(struct scrubber *c, const struct record *record, const struct raw_stream *raw,
                             bool *done)
{
    struct store *s = c->s;
    struct extent e;
    u64 data = from_le64(raw->data);
    *done = true;
    nt_status status = extent_find(s, data, c->at->number, &e);
    if (status == STATUS_NO_SUCH_FILE)
        return STATUS_SUCCESS;
    if (status_is_local(status)) {
        name_stream(c, record);
        report(c, (struct check_finding){.kind = CHECK_RECORD,
                                         .object = get_be64(record->key.b),
                                         .offset = c->at->number * s->cluster,
                                         .text = "an extent of this file cannot be read"});
        return STATUS_SUCCESS;
    }
    TRY(status);
    u64 from = MAX(e.first, c->at->number), end = e.first + e.clusters;
    end = MIN(end, from + FRESH_STEP / s->cluster);
    if (end <= c->at->number || (e.unit + (u64)e.clusters * s->cluster_units) > s->units)
        return STATUS_SUCCESS;
    c->at->number = end;
    *done = false;
    return scrub_units(c, record, data, &e, (from - e.first) * s->cluster_units,
                       (end - from) * s->cluster_units);
}

// The next record that may own data: an inode, or a named stream.
static void skip_to(struct scrubber *c, u64 object, enum record_kind kind)
{
    key_begin(&c->key, object, kind);
    c->at->number = 0;
}

static nt_status scrub_record(struct scrubber *c, const struct record *record)
{
    u64 object = get_be64(record->key.b);
    u8 kind = record->key.b[8];
    bool done = true;
    if (kind == KIND_INODE && record->len == sizeof(struct raw_inode))
        TRY(scrub_piece(c, record, &((const struct raw_inode *)record->value)->data, &done));
    else if (kind == KIND_STREAM && record->len >= sizeof(struct raw_stream))
        TRY(scrub_piece(c, record, (const struct raw_stream *)record->value, &done));
    if (!done)
        return STATUS_SUCCESS;
    if (kind < KIND_STREAM) {
        skip_to(c, object, KIND_STREAM);
    } else if (kind == KIND_STREAM && record->key.len < KEY_MAX) {
        c->key = record->key; // what follows it at once
        c->key.b[c->key.len++] = 0;
        c->at->number = 0;
    } else if (object < UINT64_MAX) {
        skip_to(c, object + 1, KIND_INODE);
    } else {
        next_phase(c);
    }
    return STATUS_SUCCESS;
}

static nt_status scrub_data(struct scrubber *c)
{
    struct record record;
    struct page_trace t;
    nt_status status = tree_find(c->s, &c->key, TREE_AT_LEAST, &record);
    if (status_is_local(status)) {
        // The damage was reported with the tree's pages.
        status = tree_trace(c->s, &c->key, &t);
        TRY(status_is_local(status) ? STATUS_SUCCESS : status);
        c->at->number = 0;
        next_leaf(c, &t);
        return STATUS_SUCCESS;
    }
    if (status == STATUS_NO_SUCH_FILE || (status == STATUS_SUCCESS && record.key.len < 9)) {
        next_phase(c);
        return STATUS_SUCCESS;
    }
    TRY(status);
    if (key_compare(key_slice(&record.key), key_slice(&c->key)) != 0) {
        c->at->number = 0;
        c->key = record.key;
    }
    return scrub_record(c, &record);
}

// --- the whole -----------------------------------------------------------------------------------

static nt_status resume(struct scrubber *c)
{
    static const u8 nobody[16];
    struct scrub_position *at = c->at;
    if (memcmp(at->uuid, nobody, sizeof nobody) == 0) {
        memset(at, 0, sizeof *at);
        memcpy(at->uuid, c->s->uuid, sizeof at->uuid);
    }
    if (memcmp(at->uuid, c->s->uuid, sizeof at->uuid) != 0 || at->phase > SCRUB_DONE ||
        at->key_length > KEY_MAX || (at->phase == SCRUB_SPACE && at->number >= c->s->space.regions)) {
        status_set_text("the position is not one of a scrub of this volume");
        return STATUS_INVALID_PARAMETER;
    }
    c->key.len = (u16)at->key_length;
    memcpy(c->key.b, at->key, at->key_length);
    return STATUS_SUCCESS;
}

static nt_status run(struct scrubber *c)
{
    static nt_status (*const step[])(struct scrubber *) = {[SCRUB_SUPERS] = scrub_supers,
                                                           [SCRUB_SPACE] = scrub_space,
                                                           [SCRUB_TREE] = scrub_tree,
                                                           [SCRUB_DATA] = scrub_data};
    struct scrub_totals *totals = &c->at->totals;
    while (c->at->phase < SCRUB_DONE) {
        nt_status status = step[c->at->phase](c);
        c->at->key_length = c->key.len;
        memcpy(c->at->key, c->key.b, c->key.len);
        TRY(status);
        totals->total_bytes =
            c->at->phase == SCRUB_DONE ? totals->bytes : MAX(totals->total_bytes, totals->bytes);
        if (c->options->progress && !c->options->progress(c->options->context, totals))
            return c->at->phase < SCRUB_DONE ? STATUS_CANCELLED : STATUS_SUCCESS;
    }
    return STATUS_SUCCESS;
}

nt_status store_scrub(struct store *s, struct scrub_position *position, const struct scrub_options *options)
{
    struct scrubber c = {.s = s, .options = options, .at = position};
    SCOPE_FREE u8 *buffer = fresh_buffer(FRESH_STEP);
    if (!buffer)
        return STATUS_NO_MEMORY;
    c.buffer = buffer;
    TRY(resume(&c));
    struct store_info info;
    store_get_info(s, &info);
    position->totals.total_bytes = (info.total_clusters - info.free_clusters) * info.cluster;
    atomic_store(&s->leave_damage, true);
    nt_status status = run(&c);
    atomic_store(&s->leave_damage, false);
    if (c.wrote)
        atomic_store(&s->unflushed, true);
    if (status == STATUS_SUCCESS && position->totals.lost > 0)
        return STATUS_DISK_CORRUPT_ERROR;
    return status;
}
