// SPDX-License-Identifier: Apache-2.0
// What the volume may answer. Every change is an op with the time at which it began and ended, and makes
// versions: of a file's state and of its blocks, which name the op. A reader may find any version that was
// there at some moment between its own begin and end; after a cut or a loss, any since the last flush.
#include "tests/sim/sim.h"

#include <stdio.h>

struct file files[FILES_MOST];

static struct {
    pthread_mutex_t mutex; // the versions; held shortly, never over a request
    u64 tick, seed;
    u32 ops;
    u64 flushed;       // when the last flush began that promised what had ended before
    u64 away;          // since when readers may find what is older than what they could expect; 0: never
    struct op *unsafe; // ops that no flush covered yet
    u64 low, high;     // the look: the moment is between the two
    char low_text[96], high_text[96];
    bool looking;
    bool forgets; // the device lost what was in its cache
    bool lost;    // a report said that something was
    bool moments; // what was lost went in the order in which it came
} promise = {.mutex = PTHREAD_MUTEX_INITIALIZER, .moments = true};

static struct op settled = {.state = OP_DONE, .what = "before"};

static u64 tick(void)
{
    return ++promise.tick;
}

u64 promise_tick(void)
{
    SCOPE_LOCK(&promise.mutex);
    return tick();
}

// --- making versions -----------------------------------------------------------------------------

// The model has all the memory that it wants.
static void *room_for(void *array, size_t count, size_t size)
{
    bool before = turns_spare(true);
    void *p = realloc(array, count * size);
    turns_spare(before);
    ASSERT(p);
    return p;
}

struct op *op_begin(const char *what)
{
    struct op *op = room_for(NULL, 1, sizeof *op);
    SCOPE_LOCK(&promise.mutex);
    *op = (struct op){.begin = tick(), .end = UINT64_MAX, .number = ++promise.ops, .what = what};
    op->next = promise.unsafe;
    promise.unsafe = op;
    return op;
}

void op_end(struct op *op, enum op_state state)
{
    SCOPE_LOCK(&promise.mutex);
    op->end = tick();
    op->state = state == OP_DONE && op->doubtful ? OP_MAYBE : state;
}

// A block that nobody wrote is zero.
static void past_begin(struct past *p)
{
    if (p->count > 0)
        return;
    p->room = 4;
    p->at = room_for(p->at, p->room, sizeof *p->at);
    p->at[p->count++] = (struct version){.op = &settled};
}

static void past_add(struct past *p, struct version v)
{
    past_begin(p);
    if (p->count == p->room) {
        p->room = MAX(4u, p->room * 2);
        p->at = room_for(p->at, p->room, sizeof *p->at);
    }
    p->at[p->count++] = v;
}

u64 block_value(const struct op *op, u32 block, u32 length)
{
    return length ? (u64)op->number << 32 | (u64)block << 16 | length : 0;
}

// What a block is filled with names its writer and its place, and is not to be had by chance.
void block_fill(u64 value, u8 *data)
{
    u64 state = promise.seed ^ (value & ~(u64)0xffff);
    u32 length = value & 0xffff;
    memset(data, 0, BLOCK);
    if (length == 0)
        return;
    for (u32 i = 0; i < BLOCK; i += 8)
        put_le64(data + i, dice_next(&state));
    put_le64(data, value & ~(u64)0xffff);
    memset(data + length, 0, BLOCK - length);
}

void state_set(struct file *f, struct op *op, u64 low, u64 value)
{
    SCOPE_LOCK(&promise.mutex);
    past_add(&f->state, (struct version){.op = op, .low = low, .value = value});
}

void block_set(struct file *f, u32 block, struct op *op, u64 value)
{
    SCOPE_LOCK(&promise.mutex);
    past_add(&f->block[block], (struct version){.op = op, .value = value});
}

// The versions that may be there now: from the newest one that is sure to have been done, of its op all.
static u32 newest_sure(const struct past *p, u64 before)
{
    u32 i = p->count;
    while (i > 0) {
        const struct version *v = &p->at[i - 1];
        if (v->op->state == OP_DONE && !v->refused && v->op->end <= before)
            break;
        i--;
    }
    while (i > 1 && p->at[i - 2].op == p->at[i - 1].op)
        i--;
    return i > 0 ? i - 1 : 0;
}

static bool may_be_there(const struct version *v)
{
    return !v->refused && v->op->state != OP_REFUSED;
}

static u64 floor_of(u64 begin)
{
    return promise.away ? MIN(begin, promise.flushed) : begin;
}

static void versions_copy(struct past *to, struct op *op, const struct past *from, u32 length)
{
    past_begin(to);
    if (from->count == 0)
        past_add(to, (struct version){.op = op});
    u32 count = from->count, first = newest_sure(from, floor_of(UINT64_MAX));
    for (u32 i = first; i < count; i++) {
        struct version v = from->at[i];
        if (!may_be_there(&v) || v.op == op)
            continue;
        u32 kept = MIN((u32)(v.value & 0xffff), length);
        past_add(to, (struct version){.op = op, .value = kept ? (v.value & ~(u64)0xffff) | kept : 0});
    }
}

void block_cut(struct file *f, u32 block, struct op *op, u32 length)
{
    SCOPE_LOCK(&promise.mutex);
    versions_copy(&f->block[block], op, &f->block[block], length);
}

void block_copy(struct file *f, u32 block, struct op *op, const struct file *from, u32 from_block, u32 length)
{
    SCOPE_LOCK(&promise.mutex);
    versions_copy(&f->block[block], op, &from->block[from_block], length);
}

void blocks_clear(struct file *f, u32 first, u32 end, struct op *op)
{
    SCOPE_LOCK(&promise.mutex);
    for (u32 i = first; i < MIN(end, f->blocks); i++)
        if (f->block[i].count > 0)
            past_add(&f->block[i], (struct version){.op = op});
}

static void refuse(const struct file *f, struct version *v)
{
    v->refused = true;
    if (v->seen)
        sim_broken("P3", "%s: a reader found what op %u (%s) was refused", f->name, v->op->number,
                   v->op->what);
}

void block_refuse(struct file *f, u32 block, struct op *op)
{
    SCOPE_LOCK(&promise.mutex);
    struct past *p = &f->block[block];
    for (u32 i = 0; i < p->count; i++)
        if (p->at[i].op == op)
            refuse(f, &p->at[i]);
}

u64 state_now(const struct file *f)
{
    SCOPE_LOCK(&promise.mutex);
    for (u32 i = f->state.count; i-- > 0;)
        if (may_be_there(&f->state.at[i]))
            return f->state.at[i].value;
    return 0;
}

bool state_is_sure(const struct file *f)
{
    SCOPE_LOCK(&promise.mutex);
    const struct past *p = &f->state;
    u32 i = p->count;
    while (i > 0 && !may_be_there(&p->at[i - 1]))
        i--;
    return i > 0 && p->at[i - 1].op->state == OP_DONE && (!promise.away || f->sure > promise.away);
}

// --- what flushes promise ------------------------------------------------------------------------

void promise_flushed(u64 begin)
{
    SCOPE_LOCK(&promise.mutex);
    promise.flushed = MAX(promise.flushed, begin);
}

// What no flush before this one covered may be lost, and that was said.
void promise_lost(u64 begin)
{
    SCOPE_LOCK(&promise.mutex);
    u64 flushed = MIN(promise.flushed, begin);
    promise.lost = true;
    for (struct op *op = promise.unsafe; op; op = op->next) {
        if (op->end <= flushed)
            continue;
        if (op->state == OP_DONE)
            op->state = OP_MAYBE;
        op->doubtful = true;
    }
}

bool promise_was_lost(void)
{
    SCOPE_LOCK(&promise.mutex);
    return promise.lost;
}

void promise_cut(void)
{
    SCOPE_LOCK(&promise.mutex);
    promise.away = tick();
}

void promise_rolls_back(void)
{
    promise_cut();
    promise.moments = false;
}

void promise_forgets(void)
{
    promise_rolls_back();
    promise.forgets = true;
}

// --- what readers find ---------------------------------------------------------------------------

// All that is found at once is of one moment: after what it shows began, before what it does not show had
// ended.
static void narrow(const struct file *f, u32 block, const struct past *p, const u32 *match, u32 matches)
{
    u64 low = UINT64_MAX, high = 0;
    const struct op *low_op = NULL, *high_op = NULL;
    for (u32 i = 0; i < matches; i++) {
        const struct version *v = &p->at[match[i]];
        u64 until = UINT64_MAX;
        const struct op *next = NULL;
        for (u32 n = match[i] + 1; n < p->count; n++)
            if (p->at[n].op != v->op && p->at[n].op->state == OP_DONE && !p->at[n].refused) {
                next = p->at[n].op;
                until = next->end;
                break;
            }
        if (v->op->begin < low) {
            low = v->op->begin;
            low_op = v->op;
        }
        if (until > high || i == 0) {
            high = until;
            high_op = next;
        }
    }
    char text[96];
    if (low > promise.low && low_op) {
        promise.low = low;
        snprintf(text, sizeof text, "%s block %d has op %u (%s)", f->name, (int)block, low_op->number,
                 low_op->what);
        memcpy(promise.low_text, text, sizeof text);
    }
    if (high < promise.high && high_op) {
        promise.high = high;
        snprintf(text, sizeof text, "%s block %d has not op %u (%s)", f->name, (int)block, high_op->number,
                 high_op->what);
        memcpy(promise.high_text, text, sizeof text);
    }
    if (promise.low > promise.high)
        sim_broken("P2", "not of one moment: %s, but %s", promise.low_text, promise.high_text);
}

static bool is_value(const struct version *v, const u8 *data, u64 length)
{
    u8 expected[BLOCK];
    block_fill(v->value, expected);
    return memcmp(expected, data, length) == 0;
}

static void say_block(struct file *f, u32 block, const u8 *data, u64 length, u64 begin)
{
    char text[600] = "";
    u64 says = length >= 8 ? get_le64(data) : 0;
    size_t used = 0;
    const struct past *p = &f->block[block];
    for (u32 i = newest_sure(p, floor_of(begin)); i < p->count && used < sizeof text - 90; i++) {
        const struct version *v = &p->at[i];
        used += (size_t)snprintf(text + used, sizeof text - used, " %u.%u+%u(%s %s)", (u32)(v->value >> 32),
                                 (u32)(v->value >> 16 & 0xffff), (u32)(v->value & 0xffff), v->op->what,
                                 !may_be_there(v)             ? "refused"
                                 : v->op->state == OP_DONE    ? "done"
                                 : v->op->state == OP_RUNNING ? "running"
                                                              : "maybe");
    }
    bool older = false;
    for (u32 i = 0; i < p->count; i++)
        older |= may_be_there(&p->at[i]) && is_value(&p->at[i], data, length);
    sim_broken(older ? "P1" : "P3", "%s %s block %u is %u.%u; it may be%s%s", f->summed ? "summed" : "plain",
               f->name, block, (u32)(says >> 32), (u32)(says >> 16 & 0xffff), p->count ? "" : " zero", text);
}

// What a look found is all that there is from now on.
static void settle(struct past *p, const u32 *match, u32 matches)
{
    for (u32 i = 0; i < matches; i++) {
        p->at[i] = p->at[match[i]];
        p->at[i].op = &settled;
    }
    p->count = matches;
}

enum { MATCHES = 64 };

static bool found_block(struct file *f, u32 block, const u8 *data, u64 length, u64 begin)
{
    struct past *p = &f->block[block];
    u32 match[MATCHES], matches = 0;
    past_begin(p);
    for (u32 i = newest_sure(p, floor_of(begin)); i < p->count && matches < MATCHES; i++) {
        struct version *v = &p->at[i];
        if (!may_be_there(v) || !is_value(v, data, length))
            continue;
        v->seen |= v->op->state == OP_RUNNING;
        match[matches++] = i;
    }
    if (matches == 0 && !f->summed && promise.forgets)
        return false;
    if (matches == 0)
        say_block(f, block, data, length, begin);
    if (!promise.looking)
        return true;
    if (f->summed && promise.moments)
        narrow(f, block, p, match, matches);
    settle(p, match, matches);
    return true;
}

bool promise_read(struct file *f, u64 begin, u64 offset, const u8 *data, u64 length)
{
    SCOPE_LOCK(&promise.mutex);
    bool right = true;
    for (u64 at = 0; at < length; at += BLOCK)
        right &= found_block(f, (u32)((offset + at) / BLOCK), data + at, MIN(length - at, (u64)BLOCK), begin);
    return right;
}

void promise_state(struct file *f, u64 begin, u64 state)
{
    SCOPE_LOCK(&promise.mutex);
    struct past *p = &f->state;
    u32 match[MATCHES], matches = 0, first = newest_sure(p, floor_of(begin));
    char text[400] = "";
    size_t used = 0;
    for (u32 i = first; i < p->count && matches < MATCHES; i++) {
        const struct version *v = &p->at[i];
        if (may_be_there(v) && state >= MIN(v->low, v->value) && state <= MAX(v->low, v->value))
            match[matches++] = i;
        if (used < sizeof text - 60)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, " %llu(%s%s)", (unsigned long long)v->value,
                                 v->op->what, may_be_there(v) ? "" : " refused");
    }
    if (matches == 0)
        sim_broken("P1", "%s has %llu bytes + 1; it may be:%s", f->name, (unsigned long long)state, text);
    if (!promise.looking)
        return;
    if (promise.moments)
        narrow(f, UINT32_MAX, p, match, matches);
    settle(p, match, 1);
    p->at[0].low = p->at[0].value = state;
    u32 blocks = state ? (u32)((state - 1 + BLOCK - 1) / BLOCK) : 0;
    for (u32 b = blocks; b < f->blocks; b++)
        f->block[b].count = 0;
}

void promise_gone(struct file *f)
{
    SCOPE_LOCK(&promise.mutex);
    f->state.at[0] = (struct version){.op = &settled};
    f->state.count = 1;
    for (u32 b = 0; b < f->blocks; b++)
        f->block[b].count = 0;
}

void promise_end_of_file(struct file *f, u64 begin, u64 offset)
{
    SCOPE_LOCK(&promise.mutex);
    const struct past *p = &f->state;
    for (u32 i = newest_sure(p, floor_of(begin)); i < p->count; i++)
        if (may_be_there(&p->at[i]) && MIN(p->at[i].low, p->at[i].value) <= offset + 1)
            return;
    sim_broken("P1", "%s ends before %llu, where it never ended", f->name, (unsigned long long)offset);
}

// --- a look at everything ------------------------------------------------------------------------

void promise_look_begin(void)
{
    promise.looking = true;
    promise.low = 0;
    promise.high = UINT64_MAX;
}

void promise_look_end(void)
{
    promise.looking = false;
    promise.moments = true;
    promise.lost = promise.forgets = false;
    promise.unsafe = NULL;
    promise.away = 0;
    promise.flushed = tick();
}

void promise_make(const struct plan *plan)
{
    promise.seed = plan->seed;
    for (u32 i = 0; i < plan->files; i++) {
        struct file *f = &files[i];
        *f = (struct file){.index = i, .summed = i % 3 != 2, .blocks = i < 4 ? 1024 : 48};
        snprintf(f->name, sizeof f->name, "%s%u", f->summed ? "sums" : "plain", i);
        pthread_rwlock_init(&f->life, NULL);
        pthread_mutex_init(&f->writer, NULL);
        f->block = calloc(f->blocks, sizeof *f->block);
        ASSERT(f->block);
        struct op *op = op_begin("no file yet");
        state_set(f, op, 0, 0);
        op_end(op, OP_DONE);
    }
}
