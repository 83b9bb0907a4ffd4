// SPDX-License-Identifier: Apache-2.0
// The drive and its media, and all that goes wrong with them: commands that take their time and overtake one
// another, errors of every sense, caches that are lost, media that are pulled, swapped and put back, power
// that fails, memory that runs out.
#include "tests/sim/sim.h"

#include "base/sum.h"
#include "tests/fs/volume.h"

enum { RULES = 4 };

// The next commands of some kinds answer this.
struct rule {
    u32 kinds; // 1 << enum sim_kind
    u32 skip, left;
    struct sense sense;
    bool loses_cache; // a flush that fails: what it should have written is gone
};

static struct {
    pthread_mutex_t mutex;
    struct rule rules[RULES];
    u64 other_sum;
    struct blk *bench; // the other medium, where another computer changes it
    _Atomic u32 inserted;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

// The dice of all that happens to commands, on whatever thread.
static u32 roll(struct world *w, u32 below)
{
    SCOPE_LOCK(&state.mutex);
    return dice_below(&w->dice, below);
}

static void note(struct world *w, enum trouble what)
{
    atomic_store(&w->happened[what], promise_tick());
}

bool world_happened(const struct world *w, enum trouble what, u64 since)
{
    return atomic_load(&w->happened[what]) > since;
}

bool world_any(const struct world *w, u64 since)
{
    for (u32 i = 0; i < TROUBLE_COUNT; i++)
        if (world_happened(w, (enum trouble)i, since))
            return true;
    return false;
}

static void lose_cache(struct world *w)
{
    bool before = turns_spare(true);
    ASSERT(blk_sim_lose(w->sim, MEDIUM_OURS, roll(w, UINT32_MAX) + 1ull) == STATUS_SUCCESS);
    turns_spare(before);
    note(w, TROUBLE_CACHE);
    promise_forgets();
}

// --- every command -------------------------------------------------------------------------------

static enum trouble trouble_of(enum sim_kind kind)
{
    return kind == SIM_READ    ? TROUBLE_READ
           : kind == SIM_WRITE ? TROUBLE_WRITE
           : kind == SIM_FLUSH ? TROUBLE_FLUSH
                               : TROUBLE_READY;
}

static bool rule_applies(enum sim_kind kind, struct rule *found)
{
    SCOPE_LOCK(&state.mutex);
    for (u32 i = 0; i < RULES; i++) {
        struct rule *r = &state.rules[i];
        if (!(r->kinds & 1u << kind) || r->left == 0)
            continue;
        if (r->skip > 0) {
            r->skip--;
            continue;
        }
        r->left--;
        *found = *r;
        return true;
    }
    return false;
}

// Most commands are fast; some take so long that many others overtake them.
static void take_time(struct world *w, enum sim_kind kind)
{
    u32 most = w->plan->latency_us;
    if (roll(w, 8) != 0 && kind != SIM_FLUSH)
        most /= 16;
    if (most > 0)
        turns_sleep(roll(w, most) * 1000ull);
    else
        turns_yield();
}

static nt_status on_command(void *context, enum sim_kind kind, u64 offset, struct sense *sense)
{
    struct world *w = context;
    struct rule rule;
    (void)offset;
    take_time(w, kind);
    if (atomic_load(&w->dead)) {
        *sense = (struct sense){.transport = BLK_NO_DEVICE};
        return sense_plain_status(sense);
    }
    if (!rule_applies(kind, &rule))
        return STATUS_SUCCESS;
    note(w, trouble_of(kind));
    if (rule.loses_cache)
        lose_cache(w);
    *sense = rule.sense;
    return sense_plain_status(sense);
}

// --- trouble -------------------------------------------------------------------------------------

static const struct sense senses[] = {
    {.key = SENSE_MEDIUM, .asc = 0x11},
    {.key = SENSE_HARDWARE, .asc = 0x44},
    {.key = SENSE_NOT_READY, .asc = 0x04},
    {.key = SENSE_NOT_READY, .asc = 0x04, .ascq = 0x01},
    {.key = SENSE_ABORTED, .asc = 0x47},
    {.key = SENSE_ATTENTION, .asc = 0x29},
    {.key = SENSE_ATTENTION, .asc = 0x2a, .ascq = 0x09},
    {.key = SENSE_PROTECT, .asc = 0x27},
    {.key = SENSE_PROTECT, .asc = 0x27, .ascq = 0x07},
    {.key = SENSE_ILLEGAL, .asc = 0x24},
    {.key = SENSE_BLANK},
    {.key = SENSE_RECOVERED, .asc = 0x17},
    {.key = SENSE_NOT_READY, .asc = 0x3a},
    {.transport = BLK_TIMED_OUT},
    {.transport = BLK_ABORTED},
    {.transport = BLK_BUS_RESET},
    {.transport = BLK_BUSY},
    {.transport = BLK_PARITY},
    {.transport = BLK_RESERVED},
};

static void add_rule(struct world *w, enum sim_kind kind)
{
    static const u32 counts[] = {1, 1, 2, 6, 6, 12, 100};
    struct rule r = {.kinds = 1u << kind,
                     .skip = roll(w, 2) == 0 ? 0 : roll(w, 12),
                     .left = counts[roll(w, ARRAY_LEN(counts))],
                     .sense = senses[roll(w, ARRAY_LEN(senses))]};
    bool good = r.sense.key == SENSE_RECOVERED || r.sense.transport == BLK_BUSY; // busy: it has not begun
    bool may_lose = w->plan->troubles & 1u << TROUBLE_CACHE && roll(w, 2) == 0;
    r.loses_cache = may_lose && !good && (kind == SIM_FLUSH || r.sense.asc == 0x29);
    u32 slot = roll(w, RULES);
    SCOPE_LOCK(&state.mutex);
    state.rules[slot] = r;
}

static void clear_rules(void)
{
    SCOPE_LOCK(&state.mutex);
    memset(state.rules, 0, sizeof state.rules);
}

// Some commands long, or some hundred.
static u64 a_while(struct world *w)
{
    static const u32 most[] = {1, 5, 40, 200};
    u64 unit = MAX(w->plan->latency_us / 8, 20u) * 1000ull;
    return roll(w, most[roll(w, ARRAY_LEN(most))] * 1000) * unit / 1000;
}

static void put_in(struct world *w, u32 medium, bool attention)
{
    note(w, medium == MEDIUM_OURS ? TROUBLE_PULL : TROUBLE_SWAP);
    blk_sim_insert(w->sim, medium, attention);
    atomic_store(&state.inserted, medium);
}

static void pull(struct world *w)
{
    bool loses = w->plan->troubles & 1u << TROUBLE_CACHE && roll(w, 2) == 0;
    note(w, TROUBLE_PULL);
    promise_rolls_back();
    blk_sim_remove(w->sim);
    atomic_store(&state.inserted, MEDIUM_NONE);
    if (loses)
        lose_cache(w);
}

static u64 sum_of(struct blk *b, u32 medium, u64 size)
{
    SCOPE_FREE u8 *data = malloc(MIB);
    u64 sum = 0;
    ASSERT(data);
    for (u64 at = 0; at < size; at += MIB) {
        blk_sim_peek(b, medium, data, MIN(size - at, MIB), at);
        sum = sum * 31 + sum_crc64(data, MIN(size - at, MIB));
    }
    return sum;
}

// Another computer has the copy of our medium and commits until it is as far as we are, or one further.
static void change_elsewhere(struct world *w)
{
    struct store_info info;
    struct store *s;
    struct vcb *vcb = w->volume ? w->volume->extension : NULL;
    if (w->plan->other != OTHER_COPY || !vcb)
        return;
    {
        SCOPE_HOLD_READ(&vcb->lock);
        if (vcb->state != VCB_MOUNTED)
            return;
        store_get_info(vcb->store, &info);
    }
    u64 wanted = info.identity.generation + roll(w, 2);
    ASSERT(store_open(state.bench, 0, 0, &s) == STATUS_SUCCESS);
    for (u32 i = 0; i < 200; i++) {
        store_get_info(s, &info);
        if (info.identity.generation >= wanted)
            break;
        ASSERT(store_set_label(s, (struct str){i % 2 ? "here" : "there", i % 2 ? 4 : 5}) == STATUS_SUCCESS);
        ASSERT(store_commit(s) == STATUS_SUCCESS);
    }
    ASSERT(store_close(s) == STATUS_SUCCESS);
    SCOPE_FREE u8 *data = malloc(MIB);
    ASSERT(data);
    for (u64 at = 0; at < state.bench->size; at += MIB) {
        blk_sim_peek(state.bench, 0, data, MIB, at);
        blk_sim_poke(w->sim, MEDIUM_OTHER, data, MIB, at);
    }
}

static void swap(struct world *w)
{
    promise_rolls_back();
    change_elsewhere(w);
    if (w->plan->other == OTHER_COPY) {
        promise_forgets();
        atomic_store(&w->copy_was_in, UINT64_MAX);
    }
    put_in(w, MEDIUM_OTHER, true);
    turns_sleep(a_while(w));
    if (roll(w, 3) == 0)
        pull(w);
}

static void cut(struct world *w)
{
    note(w, TROUBLE_CUT);
    promise_cut();
    atomic_store(&w->dead, true);
    ASSERT(blk_sim_lose(w->sim, MEDIUM_OURS, roll(w, UINT32_MAX) + 1ull) == STATUS_SUCCESS);
}

static void act(struct world *w)
{
    u32 kinds[TROUBLE_COUNT], n = 0;
    for (u32 i = 0; i < TROUBLE_COUNT; i++)
        if (w->plan->troubles & 1u << i && i != TROUBLE_MOUNT && i != TROUBLE_CACHE)
            kinds[n++] = i;
    enum trouble what = n ? (enum trouble)kinds[roll(w, n)] : TROUBLE_COUNT;
    switch (what) {
    case TROUBLE_READ:
    case TROUBLE_WRITE:
    case TROUBLE_FLUSH:
    case TROUBLE_READY:
        add_rule(w, SIM_READ + (enum sim_kind)(what - TROUBLE_READ));
        break;
    case TROUBLE_PULL:
        pull(w);
        turns_sleep(a_while(w));
        put_in(w, MEDIUM_OURS, true);
        break;
    case TROUBLE_SWAP:
        swap(w);
        turns_sleep(a_while(w));
        put_in(w, MEDIUM_OURS, true);
        break;
    case TROUBLE_MEMORY:
        note(w, TROUBLE_MEMORY);
        turns_fail_memory(1 + roll(w, 30), 1 + roll(w, 8));
        break;
    case TROUBLE_CUT:
        if (roll(w, 3) == 0)
            cut(w);
        break;
    default:
        break;
    }
}

void world_trouble(void *context)
{
    struct world *w = context;
    turns_spare(true);
    while (atomic_load(&w->working) > 0 && !atomic_load(&w->dead)) {
        turns_idle(a_while(w));
        if (atomic_load(&w->working) > 0 && !atomic_load(&w->dead))
            act(w);
        if (roll(w, 3) == 0)
            clear_rules();
    }
}

void world_calm(struct world *w)
{
    clear_rules();
    turns_fail_memory(1, 0);
    if (w->plan->removable && state.inserted != MEDIUM_OURS)
        put_in(w, MEDIUM_OURS, true);
    if (atomic_load(&w->copy_was_in) == UINT64_MAX)
        atomic_store(&w->copy_was_in, promise_tick());
}

void world_forget(struct world *w)
{
    for (u32 i = 0; i < TROUBLE_COUNT; i++)
        atomic_store(&w->happened[i], 0);
}

void world_revive(struct world *w)
{
    atomic_store(&w->dead, false);
    if (w->plan->removable)
        blk_sim_insert(w->sim, MEDIUM_OURS, true);
}

// --- mounting ------------------------------------------------------------------------------------

nt_status world_mount(struct world *w)
{
    struct device *volume;
    nt_status status = dev_mount(w->drive, &volume);
    if (status == STATUS_SUCCESS && !volume)
        return STATUS_UNRECOGNIZED_VOLUME;
    if (status != STATUS_SUCCESS)
        return status;
    struct vcb *vcb = volume->extension;
    // What was mounted may be gone again already: then its device answers nothing any more.
    if (memcmp(vcb->info.identity.uuid, w->uuid, sizeof w->uuid) == 0 && vcb->state == VCB_MOUNTED) {
        w->volume = volume;
        return STATUS_SUCCESS;
    }
    status = fs_dismount(volume);
    dev_release(volume);
    return status == STATUS_SUCCESS ? STATUS_WRONG_VOLUME : status;
}

nt_status world_dismount(struct world *w)
{
    struct device *volume = w->volume;
    nt_status closed = w->anchor.device ? volume_close(&w->anchor) : STATUS_SUCCESS;
    nt_status status = fs_dismount(volume);
    status = status == STATUS_SUCCESS ? closed : status;
    dev_release(volume);
    w->volume = NULL;
    return status;
}

// --- media ---------------------------------------------------------------------------------------

static void format(struct blk *b, u32 cluster, u8 copies, u64 options)
{
    struct store_format_options o = {.cluster = cluster, .copies = copies, .options = options};
    ASSERT(store_format(b, &o) == STATUS_SUCCESS);
}

static void make_other(struct world *w, u64 size)
{
    const struct plan *p = w->plan;
    u32 medium;
    if (!p->removable)
        return;
    w->other_size = size;
    ASSERT(blk_sim_add_medium(w->sim, size, false, &medium) == STATUS_SUCCESS && medium == MEDIUM_OTHER);
    if (p->other == OTHER_VOLUME) {
        blk_sim_insert(w->sim, MEDIUM_OTHER, false);
        format(w->sim, p->cluster, (u8)p->copies, 0);
        blk_sim_insert(w->sim, MEDIUM_OURS, false);
    } else if (p->other == OTHER_COPY) {
        SCOPE_FREE u8 *data = malloc(MIB);
        ASSERT(data && blk_sim_new(size, 0, &state.bench) == STATUS_SUCCESS);
        for (u64 at = 0; at < size; at += MIB) {
            blk_sim_peek(w->sim, MEDIUM_OURS, data, MIB, at);
            blk_sim_poke(state.bench, 0, data, MIB, at);
            blk_sim_poke(w->sim, MEDIUM_OTHER, data, MIB, at);
        }
    }
}

void world_make(struct world *w, const struct plan *plan)
{
    u64 size = (u64)plan->megabytes * MIB;
    struct store_identity identity;
    *w = (struct world){.plan = plan, .dice = plan->seed ^ 0x77};
    ASSERT(blk_sim_new(size, plan->removable ? BLK_REMOVABLE : 0, &w->sim) == STATUS_SUCCESS);
    format(w->sim, plan->cluster, (u8)plan->copies, plan->convert ? OPTION_INTEGRITY_ANY : 0);
    ASSERT(store_identify(w->sim, &identity) == STATUS_SUCCESS);
    memcpy(w->uuid, identity.uuid, sizeof w->uuid);
    make_other(w, MIN(size, 64 * MIB));
    blk_sim_watch(w->sim, on_command, w);
    fs_register();
    struct drive_options options = {.kind = DRIVE_DISK, .removable = plan->removable, .retry_unit_ms = 1};
    ASSERT(drive_attach(w->sim, &options, &w->drive) == STATUS_SUCCESS);
    fs_set_options(w->drive, &(struct fs_options){.cache_bytes = (size_t)plan->cache_kib * KIB});
    if (plan->removable)
        state.other_sum = sum_of(w->sim, MEDIUM_OTHER, w->other_size);
}

// An exact copy of our last commit is ours, with what was written since lost.
static void say(void *context, const struct check_finding *f)
{
    (void)context;
    if (f->kind == CHECK_DATA)
        return;
    sim_broken("P6", "the copy of our medium is damaged: kind %d at %llu: %s", (int)f->kind,
               (unsigned long long)f->offset, f->text);
}

struct blk *world_copy(struct world *w, u32 medium, u64 size)
{
    SCOPE_FREE u8 *data = malloc(MIB);
    struct blk *b;
    ASSERT(data && blk_sim_new(size, 0, &b) == STATUS_SUCCESS);
    for (u64 at = 0; at < size; at += MIB) {
        blk_sim_peek(w->sim, medium, data, MIB, at);
        blk_sim_poke(b, 0, data, MIB, at);
    }
    return b;
}

// A copy bears our name, so it may have been mounted as ours; then it is still a whole volume.
static void check_copy(struct world *w, u64 size)
{
    struct check_totals totals;
    struct check_options options = {.data = true, .finding = say};
    struct store *s;
    struct blk *b = world_copy(w, MEDIUM_OTHER, size);
    nt_status status = store_open(b, 0, 0, &s);
    if (status == STATUS_SUCCESS) {
        status = store_check(s, &options, &totals);
        if (status == STATUS_DISK_CORRUPT_ERROR) // each finding was looked at
            status = STATUS_SUCCESS;
        (void)store_abandon(s);
    }
    if (status != STATUS_SUCCESS)
        sim_broken("P6", "the copy of our medium cannot be opened any more: %s", status_name(status));
    blk_close(b);
}

void world_check_other(struct world *w)
{
    u64 size = w->other_size;
    if (!w->plan->removable)
        return;
    if (w->plan->other == OTHER_COPY)
        check_copy(w, size);
    else if (sum_of(w->sim, MEDIUM_OTHER, size) != state.other_sum)
        sim_broken("P6", "bytes of a medium changed that was never mounted");
}
