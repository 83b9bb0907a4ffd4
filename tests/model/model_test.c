// SPDX-License-Identifier: Apache-2.0
// The model test: random histories by seed on volumes of several kinds, each step compared with the model. A
// history that fails is shrunk by leaving operations out for as long as it still fails, and printed with the
// command that repeats it. Every history runs in a child process, so that a crash is a failure like any
// other.
//
//     model_test                               50,000 steps, a TAP case for each kind of volume
//     model_test --torture                     a million steps with each seed, new seeds without end
//     model_test --seed S --steps N            one history on every kind of volume
//     model_test --seed S --volume V --only 3,17,29     these steps of it
#include "tests/model/play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMPARE_EVERY = 500, CHILD_SECONDS = 600, SHRINK_SECONDS = 60 };

static const struct play_options volumes[] = {
    {.name = "4 KiB clusters, integrity", .cluster = 4096, .copies = 2, .megabytes = 48, .integrity = true},
    {.name = "4 KiB clusters, case-sensitive",
     .cluster = 4096,
     .copies = 1,
     .megabytes = 48,
     .case_sensitive = true},
    {.name = "64 KiB clusters, integrity", .cluster = 65536, .copies = 2, .megabytes = 96, .integrity = true},
    {.name = "4 KiB clusters, often full", .cluster = 4096, .copies = 2, .megabytes = 4, .integrity = true},
};
enum { VOLUMES = sizeof volumes / sizeof volumes[0] };

// What the child tells.
struct news {
    uint32_t step; // position in the list
    uint32_t full;
    char text[512];
};

struct history {
    uint64_t seed;
    uint32_t volume;
    uint32_t *steps; // numbers of operations
    uint32_t count;
};

static struct news *news;

// --- one history ---------------------------------------------------------------------------------

static int child(const struct history *h)
{
    static struct play p;
    bool good = play_begin(&p, &volumes[h->volume]);
    for (uint32_t i = 0; good && i < h->count; i++) {
        news->step = i;
        struct op op = model_op(h->seed, h->steps[i]);
        good = play_op(&p, &op) && (h->steps[i] % COMPARE_EVERY != COMPARE_EVERY - 1 || play_compare(&p));
    }
    good = good && play_end(&p);
    news->full = p.full;
    memcpy(news->text, p.text, sizeof news->text);
    return !good;
}

// True: as it should be. Otherwise news tells where and what.
static bool run(const struct history *h)
{
    int status = 0;
    *news = (struct news){0};
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        alarm(CHILD_SECONDS + h->count / 50);
        _exit(child(h));
    }
    while (waitpid(pid, &status, 0) < 0)
        ;
    if (WIFSIGNALED(status))
        snprintf(news->text, sizeof news->text, "ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// --- shrinking -----------------------------------------------------------------------------------

static void shrink(struct history *h)
{
    time_t end = time(NULL) + SHRINK_SECONDS;
    uint32_t *less = malloc(h->count * sizeof *less);
    if (!less)
        abort();
    for (uint32_t chunk = (h->count + 1) / 2; chunk > 0 && time(NULL) < end;) {
        bool smaller = false;
        for (uint32_t at = 0; at < h->count && time(NULL) < end;) {
            uint32_t n = h->count - at < chunk ? h->count - at : chunk;
            struct history shorter = {h->seed, h->volume, less, h->count - n};
            memcpy(less, h->steps, at * sizeof *less);
            memcpy(less + at, h->steps + at + n, (h->count - at - n) * sizeof *less);
            if (run(&shorter)) {
                at += n;
                continue;
            }
            smaller = true;
            h->count = news->step + 1 < shorter.count ? news->step + 1 : shorter.count;
            memcpy(h->steps, less, h->count * sizeof *less);
        }
        if (!smaller || chunk > 1)
            chunk = chunk / 2;
    }
    free(less);
}

static void report(struct history *h)
{
    uint32_t step = news->step;
    printf("# step %u: %s\n", h->steps[step], news->text);
    printf("# repeat: model_test --seed %llu --volume %u --steps %u\n", (unsigned long long)h->seed,
           h->volume, h->steps[step] + 1);
    h->count = step + 1;
    shrink(h);
    if (!run(h))
        printf("# shortest: %s\n", news->text);
    for (uint32_t i = 0; i < h->count; i++) {
        struct op op = model_op(h->seed, h->steps[i]);
        model_print_op(&op, h->steps[i]);
    }
    printf("# repeat: model_test --seed %llu --volume %u --only ", (unsigned long long)h->seed, h->volume);
    for (uint32_t i = 0; i < h->count; i++)
        printf("%s%u", i ? "," : "", h->steps[i]);
    printf("\n");
}

static bool test(uint64_t seed, uint32_t volume, uint32_t steps)
{
    struct history h = {seed, volume, calloc(steps + 1, sizeof *h.steps), steps};
    if (!h.steps)
        abort();
    for (uint32_t i = 0; i < steps; i++)
        h.steps[i] = i;
    bool good = run(&h);
    if (good)
        printf("# %s: %u steps, %u found the volume full\n", volumes[volume].name, steps, news->full);
    else
        report(&h);
    free(h.steps);
    return good;
}

// --- the program ---------------------------------------------------------------------------------

static int only(uint64_t seed, uint32_t volume, const char *list)
{
    struct history h = {seed, volume, calloc(strlen(list) + 1, sizeof *h.steps), 0};
    if (!h.steps)
        abort();
    for (char *end; *list; list = *end == ',' ? end + 1 : end) {
        h.steps[h.count++] = (uint32_t)strtoul(list, &end, 10);
        if (end == list)
            break;
    }
    bool good = run(&h);
    for (uint32_t i = 0; i < h.count; i++) {
        struct op op = model_op(seed, h.steps[i]);
        model_print_op(&op, h.steps[i]);
    }
    printf("%s 1 - seed %llu\n1..1\n", good ? "ok" : "not ok", (unsigned long long)seed);
    if (!good)
        printf("# step %u: %s\n", h.steps[news->step], news->text);
    free(h.steps);
    return !good;
}

static int torture(uint64_t seed, uint32_t steps)
{
    for (;; seed++)
        for (uint32_t v = 0; v < VOLUMES; v++) {
            printf("# seed %llu\n", (unsigned long long)seed);
            if (!test(seed, v, steps))
                return 1;
        }
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    uint32_t steps = 12500, volume = VOLUMES, failed = 0;
    const char *list = NULL;
    bool endless = false;
    news = mmap(NULL, sizeof *news, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (news == MAP_FAILED)
        return 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--torture") == 0) {
            endless = true;
            seed = (uint64_t)time(NULL);
            steps = 250000;
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--seed") == 0)
            seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--steps") == 0)
            steps = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--volume") == 0)
            volume = (uint32_t)strtoul(value, NULL, 10) % VOLUMES;
        else if (strcmp(argv[i - 1], "--only") == 0)
            list = value;
    }
    if (endless)
        return torture(seed, steps);
    if (list)
        return only(seed, volume % VOLUMES, list);
    for (uint32_t v = 0, n = 0; v < VOLUMES; v++) {
        if (volume != VOLUMES && v != volume)
            continue;
        bool good = test(seed, v, steps);
        failed += !good;
        printf("%sok %u - %s\n", good ? "" : "not ", ++n, volumes[v].name);
    }
    printf("1..%u\n", volume == VOLUMES ? VOLUMES : 1);
    return failed > 0;
}
