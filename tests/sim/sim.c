// SPDX-License-Identifier: Apache-2.0
// Everything goes wrong at once: by seed, threads use a volume while its device fails, forgets, loses its
// power, or its medium; then what docs/DESIGN.md promises is compared with what is there.
//
//     sim                         so many histories, a TAP case for each ten
//     sim --seed S                one history, and if it breaks a promise the smallest like it
//     sim --torture               new seeds without end
//     sim --loose                 real threads in real time, for the thread sanitizer
//
// What a plan holds can be set: --threads, --operations, --lives, --trouble (bits of enum trouble). A history
// runs in a process of its own, so that a crash, a hang and a failed assertion are findings like any other.
#include "tests/sim/sim.h"

#include "tests/fs/volume.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ALL_TROUBLES = (1 << TROUBLE_COUNT) - 1 };
enum { HISTORIES = 100, PER_CASE = 10, HANG_SECONDS = 60, TEXT = 900 };

static struct shared {
    bool tells; // the last requests, too
    u64 over;   // when it ended, in its own time
    char text[TEXT];
} * shared;

struct limits {
    u64 threads, operations, lives; // 0: as drawn
    u64 trouble;                    // ALL_TROUBLES + 1 and more: as drawn
    bool free_running, verbose;
};

void sim_broken(const char *promise, const char *format, ...)
{
    va_list args;
    int used = snprintf(shared->text, TEXT, "%s: ", promise);
    va_start(args, format);
    vsnprintf(shared->text + used, (size_t)(TEXT - used), format, args);
    va_end(args);
    if (shared->tells) {
        static char trace[64 * 1024];
        trace_dump(trace, sizeof trace);
        fputs(trace, stdout);
        fflush(stdout);
    }
    _exit(2);
}

static void on_stuck(const char *why)
{
    sim_broken("P12", "%s", why);
}

// --- a plan --------------------------------------------------------------------------------------

static u32 pick(u64 *dice, const u32 *from, u32 count)
{
    return from[dice_below(dice, count)];
}

static void plan_draw(struct plan *p, u64 seed, const struct limits *limits)
{
    static const u32 sizes[] = {16, 24, 24, 64}, caches[] = {256, 1024, 1024, 8192}, threads[] = {1, 2, 3, 4},
                     latencies[] = {20, 300, 3000, 20000}, operations[] = {10, 30, 60};
    u64 dice = seed * 0x9E3779B97F4A7C15ull;
    *p = (struct plan){.seed = seed,
                       .cluster = dice_one_in(&dice, 4) ? 65536 : 4096,
                       .copies = dice_one_in(&dice, 4) ? 1 : 2,
                       .megabytes = pick(&dice, sizes, ARRAY_LEN(sizes)),
                       .cache_kib = pick(&dice, caches, ARRAY_LEN(caches)),
                       .threads = pick(&dice, threads, ARRAY_LEN(threads)),
                       .operations = pick(&dice, operations, ARRAY_LEN(operations)),
                       .latency_us = pick(&dice, latencies, ARRAY_LEN(latencies)),
                       .lives = 1 + dice_below(&dice, 3),
                       .files = FILES_MOST - dice_below(&dice, 6),
                       .other = dice_below(&dice, OTHERS),
                       .removable = !dice_one_in(&dice, 3),
                       .convert = dice_one_in(&dice, 3)};
    // Few kinds of trouble at a time, mostly, so that something is still done.
    u32 enough = 1 + dice_below(&dice, 3);
    for (u32 i = 0; i < enough; i++)
        p->troubles |= 1u << dice_below(&dice, TROUBLE_COUNT);
    if (dice_one_in(&dice, 5))
        p->troubles = (u32)dice_next(&dice) & ALL_TROUBLES;
    if (limits->trouble <= ALL_TROUBLES)
        p->troubles = (u32)limits->trouble;
    if (!p->removable)
        p->troubles &= ~(1u << TROUBLE_PULL | 1u << TROUBLE_SWAP);
    if (dice_one_in(&dice, 6)) {
        p->tight = true;
        p->megabytes = 16;
        p->ballast_mib = 9;
    } else if (dice_one_in(&dice, 6)) { // several regions, now and then with the first one full
        p->megabytes = 2500;
        p->ballast_mib = p->cluster == 4096 && dice_one_in(&dice, 2) ? 480 : 0;
        p->other = OTHER_BLANK;
    }
    p->threads = limits->threads ? (u32)limits->threads : p->threads;
    p->operations = limits->operations ? (u32)limits->operations : p->operations;
    p->lives = limits->lives ? (u32)limits->lives : p->lives;
    p->free_running = limits->free_running;
    if (p->free_running) // in real time
        p->latency_us = MIN(p->latency_us, 500u);
}

static void plan_print(const struct plan *p)
{
#define TROUBLE_NAME(name) #name,
    static const char *const names[] = {TROUBLES(TROUBLE_NAME)};
    static const char *const others[] = {"blank", "volume", "copy"};
    printf("# seed %llu: %u MiB in clusters of %u, %u copies, cache %u KiB, latency %u us, %u threads, %u "
           "operations, "
           "%u lives, %u files%s%s%s, other medium: %s; trouble:",
           (unsigned long long)p->seed, p->megabytes, p->cluster, p->copies, p->cache_kib, p->latency_us,
           p->threads, p->operations, p->lives, p->files, p->tight ? ", tight" : "",
           p->ballast_mib ? ", ballast" : "", p->convert ? ", converting" : "",
           p->removable ? others[p->other] : "none");
    for (u32 i = 0; i < TROUBLE_COUNT; i++)
        if (p->troubles & 1u << i)
            printf(" %s", names[i]);
    printf("\n");
}

// --- a history -----------------------------------------------------------------------------------

static struct world world;
static struct worker workers[4];

static void try_to_mount(void *context)
{
    struct world *w = context;
    for (u32 turn = 0; turn < 3 && !w->volume && !atomic_load(&w->dead); turn++)
        (void)world_mount(w);
    atomic_store(&w->working, 0);
}

// With what may go wrong meanwhile, and then for good: P5, a volume that can be read can be opened.
static void mount(struct world *w)
{
    if (w->plan->troubles & 1u << TROUBLE_MOUNT) {
        atomic_store(&w->working, 1);
        turns_add(try_to_mount, w);
        turns_add(world_trouble, w);
        turns_run();
        if (atomic_load(&w->dead)) {
            if (w->volume)
                (void)world_dismount(w);
            world_revive(w);
        }
        world_calm(w);
    }
    nt_status status = STATUS_SUCCESS;
    for (u32 turn = 0; turn < 5 && !w->anchor.device; turn++) {
        if (!w->volume)
            status = world_mount(w);
        if (w->volume && !work_open_volume(w, &w->anchor))
            (void)world_dismount(w);
    }
    if (!w->anchor.device)
        sim_broken("P5", "the volume cannot be mounted on a device without faults: %s", status_name(status));
}

static void live(struct world *w)
{
    u32 threads = MIN(w->plan->threads, (u32)ARRAY_LEN(workers));
    atomic_store(&w->working, threads);
    for (u32 i = 0; i < threads; i++) {
        workers[i].world = w;
        workers[i].index = i;
        workers[i].dice = dice_next(&w->dice);
        ASSERT(work_open_volume(w, &workers[i].volume));
        turns_add(work_thread, &workers[i]);
    }
    if (w->plan->troubles)
        turns_add(world_trouble, w);
    turns_run();
    for (u32 i = 0; i < threads; i++)
        (void)volume_close(&workers[i].volume);
}

static void end_life(struct world *w)
{
    bool dead = atomic_load(&w->dead), calm_end = dead || dice_one_in(&w->dice, 2);
    if (!dead && calm_end)
        world_calm(w);
    work_flush(w, &w->anchor);
    nt_status status = world_dismount(w);
    if (status != STATUS_SUCCESS) { // who closes is told, and it may all be lost
        promise_lost(promise_tick());
        promise_rolls_back();
    }
    if (dead)
        world_revive(w);
    world_calm(w);
}

static void history(const struct plan *plan)
{
    struct world *w = &world;
    turns_init(plan->seed, plan->free_running, on_stuck);
    promise_make(plan);
    world_make(w, plan);
    mount(w);
    work_make(w);
    blk_sim_cache(w->sim, MEDIUM_OURS);
    for (u32 life = 0; life < plan->lives; life++) {
        live(w);
        end_life(w);
        if (dice_one_in(&w->dice, 2))
            work_readonly(w);
        if (plan->megabytes < 100 && dice_one_in(&w->dice, 2))
            work_damage(w);
        mount(w);
        if (!(plan->troubles & 1u << TROUBLE_MOUNT) || dice_one_in(&w->dice, 2)) {
            (void)world_dismount(w);
            work_check(w);
            mount(w);
        }
        work_look(w);
        world_forget(w);
    }
    (void)world_dismount(w);
    world_calm(w);
    work_check(w);
    world_check_other(w);
}

// True: nothing was found. It ran in a process of its own.
static bool run(const struct plan *plan)
{
    int status = 0;
    shared->text[0] = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(HANG_SECONDS);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        history(plan);
        shared->over = turns_now();
        _exit(0);
    }
    while (waitpid(pid, &status, 0) != pid)
        continue;
    if (WIFSIGNALED(status) && shared->text[0] == 0)
        snprintf(shared->text, TEXT, "P12: %s",
                 WTERMSIG(status) == SIGALRM ? "it never ends" : strsignal(WTERMSIG(status)));
    else if (status != 0 && shared->text[0] == 0)
        snprintf(shared->text, TEXT, "P12: it ended with %d", WEXITSTATUS(status));
    return status == 0;
}

// --- shrinking -----------------------------------------------------------------------------------

// Does it still break the same promise with less?
static bool still(const struct plan *less, const char *promise)
{
    char before[TEXT];
    memcpy(before, shared->text, TEXT);
    if (!run(less) && strncmp(shared->text, promise, strcspn(promise, ":")) == 0)
        return true;
    memcpy(shared->text, before, TEXT);
    return false;
}

static void shrink(struct plan *p)
{
    char promise[TEXT];
    memcpy(promise, shared->text, TEXT);
    for (bool less = true; less;) {
        struct plan smaller[TROUBLE_COUNT + 3];
        u32 n = 0;
        for (u32 i = 0; i < TROUBLE_COUNT + 3; i++)
            smaller[i] = *p;
        for (u32 i = 0; i < TROUBLE_COUNT; i++)
            if (p->troubles & 1u << i)
                smaller[n++].troubles &= ~(1u << i);
        if (p->lives > 1)
            smaller[n++].lives--;
        if (p->threads > 1)
            smaller[n++].threads--;
        if (p->operations > 3)
            smaller[n++].operations = p->operations * 3 / 4;
        less = false;
        for (u32 i = 0; i < n && !less; i++) {
            less = still(&smaller[i], promise);
            if (less)
                *p = smaller[i];
        }
    }
}

static bool try(u64 seed, const struct limits *limits, bool small)
{
    struct plan p;
    plan_draw(&p, seed, limits);
    if (limits->verbose)
        plan_print(&p);
    if (run(&p)) {
        if (limits->verbose)
            printf("# kept every promise; ended at %llu ns\n", (unsigned long long)shared->over);
        return true;
    }
    printf("# seed %llu %s\n", (unsigned long long)seed, shared->text);
    if (small) {
        shrink(&p);
        plan_print(&p);
        printf("# %s\n", shared->text);
    }
    printf("# repeat: sim --seed %llu --threads %u --operations %u --lives %u --trouble %u%s\n",
           (unsigned long long)seed, p.threads, p.operations, p.lives, p.troubles,
           p.free_running ? " --loose" : "");
    return false;
}

// --- the command ---------------------------------------------------------------------------------

static int many(u64 seed, u64 count, u64 seconds, const struct limits *limits)
{
    u64 failed = 0, cases = (count + PER_CASE - 1) / PER_CASE;
    time_t end = time(NULL) + (time_t)seconds;
    for (u64 n = 0; n < cases; n++) {
        u64 broken = 0, played = 0;
        for (u64 i = 0; i < PER_CASE && (seconds == 0 || time(NULL) < end); i++, played++)
            broken += !try(seed + n * PER_CASE + i, limits, false);
        printf("%sok %llu - seeds from %llu, %llu played%s\n", broken ? "not " : "",
               (unsigned long long)n + 1, (unsigned long long)(seed + n * PER_CASE),
               (unsigned long long)played, played ? "" : " # SKIP the machine is slow");
        failed += broken;
    }
    printf("1..%llu\n", (unsigned long long)cases);
    return failed > 0;
}

int main(int argc, char **argv)
{
    struct limits limits = {.trouble = UINT64_MAX};
    u64 seed = 1, count = HISTORIES, seconds = 0;
    bool one = false, endless = false, small = false;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(shared != MAP_FAILED);
    for (int i = 1; i < argc; i++) {
        u64 value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (strcmp(argv[i], "--torture") == 0)
            endless = true;
        else if (strcmp(argv[i], "--loose") == 0)
            limits.free_running = true;
        else if (strcmp(argv[i], "--shrink") == 0)
            small = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            shared->tells = limits.verbose = true;
        else if (strcmp(argv[i], "--seed") == 0)
            one = (seed = value) != 0;
        else if (strcmp(argv[i], "--from") == 0)
            seed = value;
        else if (strcmp(argv[i], "--histories") == 0)
            count = value;
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = value;
        else if (strcmp(argv[i], "--threads") == 0)
            limits.threads = value;
        else if (strcmp(argv[i], "--operations") == 0)
            limits.operations = value;
        else if (strcmp(argv[i], "--lives") == 0)
            limits.lives = value;
        else if (strcmp(argv[i], "--trouble") == 0)
            limits.trouble = value;
    }
    if (endless)
        for (seed = (u64)time(NULL) * 1000;; seed++)
            if (!try(seed, &limits, true))
                return 1;
    return one ? !try(seed, &limits, small) : many(seed, count, seconds, &limits);
}
