// SPDX-License-Identifier: Apache-2.0
// Power cuts. Each workload runs once while the drive remembers every write and flush; then the power is cut
// after each write in turn, and the volume that is left must open, be found clean, and be as the model was at
// one step at or after the last commit that had returned.
//
//   crash_test                           all workloads, both modes, seeds 1 to SEEDS
//   crash_test --torture [SEED]          all of it again with seed after seed, for ever
//   crash_test WORKLOAD MODE SEED [CUT]  one workload, or just one cut of it: what a failure prints
//
// Modes: linear (every write before the cut is there) and dice (those since the last flush are kept, lost or
// torn). --every N before all this takes each N-th cut only, --mode MODE only one mode.
#include "tests/test.h"

#include <time.h>

#include "tests/crash/workloads.h"

enum { SEEDS = 4, THROWS = 3, TEXT = 1024 }; // throws of dice for each write

enum mode { LINEAR, DICE, MODES };
static const char *const mode_names[MODES] = {"linear", "dice"};

static const char *program;
static u32 every = 1;
static u64 cuts_done;

struct run {
    const struct workload *workload;
    enum mode mode;
    u32 seed, seeds; // the first one, and how many
    u64 only;        // one cut; UINT64_MAX: all of them
    char name[64];
};

static void note_damage(void *context, const struct check_finding *f)
{
    char *why = context;
    if (why[0] == '\0')
        snprintf(why, TEXT, "check: object %llu offset %llu length %llu %s: %s",
                 (unsigned long long)f->object, (unsigned long long)f->offset, (unsigned long long)f->length,
                 f->path, f->text);
}

static bool is_clean(struct store *s, bool data, char *why)
{
    struct check_totals totals;
    struct check_options options = {.data = data, .finding = note_damage, .context = why};
    why[0] = '\0';
    nt_status status = store_check(s, &options, &totals);
    if (status != STATUS_SUCCESS && why[0] == '\0')
        snprintf(why, TEXT, "check: %s", test_status_name(status));
    return status == STATUS_SUCCESS;
}

// Is the volume fine after a cut behind so many writes? *why: what is wrong.
static bool is_fine(struct work *w, u64 writes, u32 flags, struct finding *finding, char *why)
{
    const struct history *h = &w->history;
    struct store *s;
    nt_status status = store_open(w->blk, flags, WORK_CACHE, &s);
    if (status != STATUS_SUCCESS) {
        snprintf(why, TEXT, "open: %s", test_status_name(status));
        return false;
    }
    // A copy of the superblock that was torn is damage to who may not settle it.
    bool fine = flags & STORE_READONLY || is_clean(s, true, why);
    fine = fine && work_survey(s, h, finding, why, TEXT) == STATUS_SUCCESS &&
           history_allows(h, finding, writes, why, TEXT);
    if (fine && !(flags & STORE_READONLY))
        fine = work_grow_all(s, h, finding, why, TEXT) == STATUS_SUCCESS && is_clean(s, false, why);
    store_abandon(s);
    return fine;
}

// Cut number k of n writes: after k writes, or with dice after k / THROWS.
static void cut(struct work *w, const struct run *run, u64 number, struct finding *finding)
{
    char why[TEXT];
    u64 writes = run->mode == LINEAR ? number : number / THROWS;
    u64 dice = run->mode == LINEAR ? 0 : (u64)run->seed * THROWS + number % THROWS + 1;
    assert_ok(blk_sim_cut(w->blk, writes, dice));
    cuts_done++;
    // Some are looked at first by somebody who may not write.
    if ((number % 4 != 0 || is_fine(w, writes, STORE_READONLY, finding, why)) &&
        is_fine(w, writes, 0, finding, why))
        return;
    print_error("cut after write %llu of %llu: %s\nrepeat it: %s %s %s %u %llu\n", (unsigned long long)writes,
                (unsigned long long)blk_sim_recorded(w->blk), why, program, run->workload->name,
                mode_names[run->mode], run->seed, (unsigned long long)number);
    fail();
}

static void cut_seed(const struct run *run)
{
    struct finding finding = {0};
    struct work w;
    work_begin(&w, &run->workload->volume, run->seed);
    run->workload->run(&w);
    work_end(&w);
    u64 cuts = (blk_sim_recorded(w.blk) + 2) * (run->mode == LINEAR ? 1 : THROWS);
    if (run->only != UINT64_MAX) {
        assert_true(run->only < cuts);
        cut(&w, run, run->only, &finding);
    } else {
        for (u64 number = run->seed % every; number < cuts; number += every)
            cut(&w, run, number, &finding);
    }
    finding_free(&finding);
    work_free(&w);
}

static void cut_all(void **state)
{
    struct run run = *(const struct run *)*state;
    for (u32 i = 0; i < run.seeds; i++, run.seed++)
        cut_seed(&run);
    assert_true(cuts_done > 0);
}

static int run_all(u32 seed, u32 seeds, const char *only_mode)
{
    static struct run runs[64];
    static struct CMUnitTest tests[64];
    u32 count = 0;
    for (u32 mode = 0; mode < MODES; mode++) {
        for (u32 i = 0; i < workload_count; i++) {
            if (only_mode && strcmp(only_mode, mode_names[mode]) != 0)
                continue;
            struct run *r = &runs[count];
            *r = (struct run){&workloads[i], (enum mode)mode, seed, seeds, UINT64_MAX, ""};
            snprintf(r->name, sizeof r->name, "%s %s", workloads[i].name, mode_names[mode]);
            tests[count++] = (struct CMUnitTest){r->name, cut_all, NULL, NULL, r};
        }
    }
    int failed = _cmocka_run_group_tests("crash", tests, count, NULL, NULL);
    print_message("# up to seed %u: %llu power cuts\n", seed + seeds - 1, (unsigned long long)cuts_done);
    return failed;
}

static int run_one(char **words, int count)
{
    struct run r = {.seeds = 1,
                    .seed = count > 2 ? (u32)strtoul(words[2], NULL, 10) : 1,
                    .only = UINT64_MAX,
                    .mode = MODES};
    for (u32 i = 0; i < workload_count; i++)
        if (strcmp(words[0], workloads[i].name) == 0)
            r.workload = &workloads[i];
    for (u32 mode = 0; count > 1 && mode < MODES; mode++)
        if (strcmp(words[1], mode_names[mode]) == 0)
            r.mode = (enum mode)mode;
    if (count > 3)
        r.only = strtoull(words[3], NULL, 10);
    if (!r.workload || r.mode == MODES) {
        fprintf(stderr, "usage: %s WORKLOAD linear|dice SEED [CUT]\nworkloads:", program);
        for (u32 i = 0; i < workload_count; i++)
            fprintf(stderr, " %s", workloads[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    const struct CMUnitTest test = {r.workload->name, cut_all, NULL, NULL, &r};
    return _cmocka_run_group_tests("crash", &test, 1, NULL, NULL);
}

int main(int argc, char **argv)
{
    const char *mode = NULL;
    int at = 1;
    program = argv[0];
    for (; at + 1 < argc && (strcmp(argv[at], "--every") == 0 || strcmp(argv[at], "--mode") == 0); at += 2) {
        if (strcmp(argv[at], "--mode") == 0)
            mode = argv[at + 1];
        else
            every = MAX((u32)strtoul(argv[at + 1], NULL, 10), 1u);
    }
    if (at < argc && strcmp(argv[at], "--torture") == 0) {
        u32 seed = at + 1 < argc ? (u32)strtoul(argv[at + 1], NULL, 10) : (u32)time(NULL);
        while (run_all(seed, 1, mode) == 0)
            seed++;
        return 1;
    }
    return at < argc ? run_one(argv + at, argc - at) : run_all(1, SEEDS, mode);
}
