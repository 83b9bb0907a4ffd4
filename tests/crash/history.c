// SPDX-License-Identifier: Apache-2.0
// The model of a volume over time. Streams without checksums are written in place, so after a cut each of
// their sectors may be as it was at the commit that is found or at any later step; everything else is exact.
#include "tests/crash/history.h"

#include <stdio.h>

#include "base/sum.h"

enum { SECTOR = 512 };

static void *grow(void *array, size_t item, u32 needed, u32 *room)
{
    if (needed <= *room)
        return array;
    *room = MAX(needed, *room * 2);
    void *bigger = realloc(array, *room * item);
    ASSERT(bigger);
    return bigger;
}

void history_init(struct history *h, u32 cluster)
{
    *h = (struct history){.gradual = NO_FACT, .cluster = cluster};
}

void history_free(struct history *h)
{
    for (u32 i = 0; i < h->fact_count; i++) {
        for (u32 v = 0; v < h->facts[i].count; v++)
            free(h->facts[i].versions[v].data);
        free(h->facts[i].versions);
    }
    free(h->facts);
    free(h->steps);
}

static u32 find(const struct history *h, enum fact_kind kind, const char *key)
{
    for (u32 i = 0; i < h->fact_count; i++)
        if (h->facts[i].kind == kind && strcmp(h->facts[i].key, key) == 0)
            return i;
    return NO_FACT;
}

u32 history_fact(struct history *h, enum fact_kind kind, const char *key)
{
    u32 i = find(h, kind, key);
    if (i != NO_FACT)
        return i;
    h->facts = grow(h->facts, sizeof *h->facts, h->fact_count + 1, &h->fact_room);
    struct fact *f = &h->facts[h->fact_count];
    *f = (struct fact){.kind = kind};
    snprintf(f->key, sizeof f->key, "%s", key);
    return h->fact_count++;
}

static const struct version *version_at(const struct fact *f, u32 step)
{
    u32 low = 0, high = f->count;
    while (low < high) {
        u32 middle = (low + high) / 2;
        if (f->versions[middle].step <= step)
            low = middle + 1;
        else
            high = middle;
    }
    const struct version *v = low > 0 ? &f->versions[low - 1] : NULL;
    return v && v->exists ? v : NULL;
}

const struct version *history_now(const struct history *h, u32 fact)
{
    return fact == NO_FACT ? NULL : version_at(&h->facts[fact], h->step_count);
}

static void add_version(struct history *h, u32 fact, struct version v)
{
    struct fact *f = &h->facts[fact];
    const struct version *now = history_now(h, fact);
    h->existing += (u32)v.exists - (now != NULL);
    v.step = h->step_count;
    if (f->count > 0 && f->versions[f->count - 1].step == v.step) {
        free(f->versions[f->count - 1].data);
        f->versions[f->count - 1] = v;
        return;
    }
    f->versions = grow(f->versions, sizeof *f->versions, f->count + 1, &f->room);
    f->versions[f->count++] = v;
}

void history_set(struct history *h, u32 fact, u32 flags, const void *data, u64 size)
{
    struct version v = {.exists = true, .flags = flags, .size = size, .data = malloc(size + 1)};
    ASSERT(v.data);
    if (size > 0)
        memcpy(v.data, data, size);
    v.sum = sum_crc64(v.data, size);
    add_version(h, fact, v);
}

void history_drop(struct history *h, u32 fact)
{
    add_version(h, fact, (struct version){.exists = false});
}

void history_step(struct history *h, const char *text, u64 writes, bool durable)
{
    h->steps = grow(h->steps, sizeof *h->steps, h->step_count + 1, &h->step_room);
    struct step *s = &h->steps[h->step_count++];
    *s = (struct step){.writes = writes, .facts = h->existing, .gradual = h->gradual, .durable = durable};
    snprintf(s->text, sizeof s->text, "%s", text);
    h->gradual = NO_FACT;
}

// --- what was found ------------------------------------------------------------------------------

void finding_clear(struct finding *f)
{
    f->count = 0;
    f->used = 0;
}

void finding_free(struct finding *f)
{
    free(f->items);
    free(f->bytes);
}

u8 *finding_room(struct finding *f, u64 size)
{
    if (!f->bytes) {
        f->size = 64 * MIB;
        ASSERT((f->bytes = malloc(f->size)));
    }
    return size <= f->size - f->used ? f->bytes + f->used : NULL;
}

void finding_add(struct finding *f, const struct history *h, enum fact_kind kind, const char *key, u32 flags,
                 u64 size)
{
    f->items = grow(f->items, sizeof *f->items, f->count + 1, &f->room);
    struct found *item = &f->items[f->count++];
    *item =
        (struct found){.fact = find(h, kind, key), .flags = flags, .size = size, .data = f->bytes + f->used};
    snprintf(item->key, sizeof item->key, "%s", key);
    item->sum = sum_crc64(item->data, size);
    f->used += size;
}

// --- comparing -----------------------------------------------------------------------------------

struct candidate {
    const struct history *h;
    u32 step, last;
    bool gradual; // on the way from this step to the next
};

// Bytes of a version in [at, at + len), zeros behind its end, are the same?
static bool same_part(const struct version *v, const u8 *data, u64 at, u64 len)
{
    u64 inside = v->size > at ? MIN(len, v->size - at) : 0;
    if (inside > 0 && memcmp(v->data + at, data + at, inside) != 0)
        return false;
    for (u64 i = at + inside; i < at + len; i++)
        if (data[i] != 0)
            return false;
    return true;
}

static bool mixed(const struct candidate *c, const struct fact *fact, const struct found *item)
{
    const struct version *v = version_at(fact, c->step);
    bool plain = v->flags == 0, gradual = c->gradual && c->h->steps[c->step + 1].gradual == item->fact;
    const struct version *next = gradual ? version_at(fact, c->step + 1) : v;
    if (!next || (!plain && !gradual) || item->size < MIN(v->size, next->size) ||
        item->size > MAX(v->size, next->size))
        return false;
    u64 grain = plain ? SECTOR : c->h->cluster;
    u32 last = plain ? c->last : c->step + 1;
    for (u64 at = 0; at < item->size; at += grain) {
        u64 len = MIN(grain, item->size - at);
        bool same = same_part(v, item->data, at, len);
        const struct version *end = fact->versions + fact->count;
        for (const struct version *w = v + 1;
             !same && w < end && w->step <= last && w->exists && w->flags == v->flags; w++)
            same = same_part(w, item->data, at, len);
        if (!same)
            return false;
    }
    return true;
}

// NULL: the same. Otherwise the key of what is different.
static const char *difference(const struct candidate *c, const struct finding *f)
{
    for (u32 i = 0; i < f->count; i++) {
        const struct found *item = &f->items[i];
        if (item->fact == NO_FACT)
            return item->key;
        const struct fact *fact = &c->h->facts[item->fact];
        const struct version *v = version_at(fact, c->step);
        if (!v || v->flags != item->flags)
            return item->key;
        bool same = v->size == item->size && v->sum == item->sum;
        if (!same && !(fact->kind == FACT_STREAM && mixed(c, fact, item)))
            return item->key;
    }
    return f->count == c->h->steps[c->step].facts ? NULL : "something is missing";
}

bool history_allows(const struct history *h, const struct finding *f, u64 writes, char *why, size_t why_size)
{
    u32 first = 0, last = h->step_count - 1;
    for (u32 i = 0; i < h->step_count && h->steps[i].writes < writes; i++)
        if (h->steps[i].durable)
            first = i;
    while (last > first && h->steps[last - 1].writes >= writes)
        last--;
    for (u32 step = last + 1; step-- > first;) {
        struct candidate c = {h, step, last, false};
        const char *wrong = difference(&c, f);
        if (wrong && step < last && h->steps[step + 1].gradual != NO_FACT) {
            c.gradual = true;
            wrong = difference(&c, f) ? wrong : NULL;
        }
        if (!wrong)
            return true;
        if (step == last || step == first)
            snprintf(why, why_size, "it is neither of steps %u (%s) to %u (%s): %s", first,
                     h->steps[first].text, last, h->steps[last].text, wrong);
    }
    return false;
}
