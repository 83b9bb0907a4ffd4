// SPDX-License-Identifier: Apache-2.0
// Torture: threads do everything at once on one volume, in a process that is killed at random; the volume is
// opened again, checked, and compared with what was promised before. Again and again, on volumes of several
// kinds.
//
//     torture                        a few rounds, as a TAP case for each kind of volume
//     torture --seed S --rounds N    N rounds on each (--kind K: on one)
//     torture --torture              new seeds without end
//
// Threads make a run different each time: the seed repeats the dice, not the order.
#include "tests/torture/torture.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STUCK_SECONDS = 120 };

static const struct volume_kind {
    const char *name;
    uint32_t cluster, copies, megabytes, threads;
    bool integrity;
} kinds[] = {
    {"4 KiB clusters, integrity", 4096, 2, 96, 4, true},
    {"4 KiB clusters, plain", 4096, 1, 96, 4, false},
    {"64 KiB clusters, integrity", 65536, 2, 192, 3, true},
    {"small and full", 4096, 2, 6, 4, true},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct shared *shared;
static char spec[64];

// --- shared with work.c --------------------------------------------------------------------------

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t random_below(uint64_t *state, uint32_t below)
{
    return (uint32_t)((random_next(state) >> 33) % below);
}

void fill(uint32_t thread, uint32_t version, uint64_t offset, uint8_t *data, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        uint64_t x = (offset + i) * 0x9e3779b1u + thread * 7919u + version * 104729u;
        data[i] = (uint8_t)(x >> 16 ^ x);
    }
}

uint32_t version_length(uint32_t thread, uint32_t version)
{
    uint64_t state = ((uint64_t)thread << 32) + version;
    return 1 + random_below(&state, VERSION_BYTES);
}

bool fail(struct shared *s, const char *format, ...)
{
    va_list args;
    if (atomic_exchange(&s->failed, true))
        return false; // the first one counts
    va_start(args, format);
    vsnprintf(s->text, sizeof s->text, format, args);
    va_end(args);
    return false;
}

nt_status open_file(const char *name, uint32_t disposition, uint32_t options, hf_handle *h)
{
    return hf_open(name,
                   &(struct hf_open_options){.access = GENERIC_READ | GENERIC_WRITE | DELETE,
                                             .disposition = disposition,
                                             .options = options | FILE_OPEN_REPARSE_POINT},
                   h);
}

// --- verifying -----------------------------------------------------------------------------------

// Read a whole file; *length: how much. STATUS_OBJECT_NAME_NOT_FOUND: there is none, so nothing.
static bool slurp(const char *name, uint8_t *data, size_t room, size_t *length, bool *there)
{
    hf_handle h;
    *length = 0;
    nt_status status = open_file(name, FILE_OPEN, 0, &h);
    *there = status == STATUS_SUCCESS;
    if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_PATH_NOT_FOUND)
        return true;
    if (status == STATUS_SUCCESS) {
        status = hf_read(h, 0, data, room, length);
        nt_status closed = hf_close(h);
        status = status == STATUS_SUCCESS || status == STATUS_END_OF_FILE ? closed : status;
    }
    return status == STATUS_SUCCESS || fail(shared, "reading %s gave %s", name, hf_status_name(status));
}

static bool verify_log(uint32_t t, struct promise *p)
{
    static uint8_t is[RECORDS_MOST * RECORD + 1], should[RECORDS_MOST * RECORD + 1];
    char name[64];
    size_t length;
    bool there;
    uint32_t flushed = atomic_load(&p->log_flushed), begun = atomic_load(&p->log_begun);
    snprintf(name, sizeof name, "X:/t%u/log", t);
    if (!slurp(name, is, sizeof is, &length, &there))
        return false;
    if (length < (size_t)flushed * RECORD || length > (size_t)begun * RECORD)
        return fail(shared, "%s: %zu bytes, %u records were flushed, %u begun", name, length, flushed, begun);
    fill(t, 0, 0, should, (uint32_t)length);
    for (size_t i = 0; i < length; i++)
        if (is[i] != should[i])
            return fail(shared, "%s: byte %zu is %02x, expected %02x; %u records were flushed, %u begun",
                        name, i, is[i], should[i], flushed, begun);
    atomic_store(&p->log_flushed, (uint32_t)(length / RECORD));
    return true;
}

static bool verify_version(uint32_t t, struct promise *p)
{
    static uint8_t is[VERSION_BYTES + 1], should[VERSION_BYTES + 1];
    char name[64];
    size_t length;
    bool there;
    uint32_t flushed = atomic_load(&p->version_flushed), begun = atomic_load(&p->version_begun);
    snprintf(name, sizeof name, "X:/t%u/whole", t);
    if (!slurp(name, is, sizeof is, &length, &there))
        return false;
    if (!there)
        return flushed == 0 || fail(shared, "%s is gone, version %u was flushed", name, flushed);
    for (uint32_t v = flushed ? flushed : 1; v <= begun; v++) {
        fill(t, v, 0, should, version_length(t, v));
        if (length != version_length(t, v) || memcmp(is, should, length) != 0)
            continue;
        atomic_store(&p->version_flushed, v);
        atomic_store(&p->version_begun, v);
        return true;
    }
    return fail(shared, "%s (%zu bytes) is none of the versions %u to %u", name, length, flushed, begun);
}

static bool verify_names(uint32_t t, struct promise *p)
{
    uint8_t data[1];
    size_t length;
    bool there;
    for (uint32_t i = 0; i < NAMES; i++) {
        char name[64];
        uint8_t state = atomic_load(&p->names[i]);
        snprintf(name, sizeof name, "X:/t%u/name %u", t, i);
        if (!slurp(name, data, sizeof data, &length, &there))
            return false;
        if (state != NAME_EITHER && there != (state == NAME_THERE))
            return fail(shared, "%s is %s, the flush said otherwise", name, there ? "there" : "gone");
        atomic_store(&p->names[i], there ? NAME_THERE : NAME_GONE);
    }
    return true;
}

bool verify(struct shared *s, uint32_t threads)
{
    for (uint32_t t = 0; t < threads; t++)
        if (!verify_log(t, &s->promises[t]) || !verify_version(t, &s->promises[t]) ||
            !verify_names(t, &s->promises[t]))
            return false;
    return true;
}

struct checking {
    bool killed;       // nobody has opened the volume for writing since the kill
    uint32_t findings; // that are none of our business then
};

// A kill between the two copies of a superblock leaves the older second one, until a writer sets it right.
static void on_finding(void *context, const struct hf_finding *f)
{
    struct checking *c = context;
    if (c->killed && f->repairable && strcmp(f->kind, "superblock") == 0)
        c->findings++;
    else
        fail(shared, "check%s: %s: %s %s object %llu offset %llu", c->killed ? " after the kill" : "",
             f->kind, f->text, f->path, (unsigned long long)f->object, (unsigned long long)f->offset);
}

static bool check(bool killed)
{
    struct hf_check_totals totals;
    struct checking c = {.killed = killed};
    nt_status status = hf_check(
        spec, &(struct hf_check_options){.data = true, .finding = on_finding, .context = &c}, &totals);
    if (status == STATUS_DISK_CORRUPT_ERROR && totals.findings == c.findings)
        return true;
    return status == STATUS_SUCCESS || fail(shared, "check gave %s", hf_status_name(status));
}

static bool look(const struct volume_kind *kind)
{
    if (!check(true))
        return false;
    nt_status status = hf_attach("X:", spec);
    if (status != STATUS_SUCCESS)
        return fail(shared, "attach gave %s (%s)", hf_status_name(status), hf_error_text());
    if (!verify(shared, kind->threads))
        return false;
    status = hf_detach("X:");
    if (status != STATUS_SUCCESS)
        return fail(shared, "detach gave %s (%s)", hf_status_name(status), hf_error_text());
    return check(false);
}

// --- rounds --------------------------------------------------------------------------------------

static bool say_how_it_ended(const char *who, int status)
{
    if (WIFSIGNALED(status))
        return fail(shared, "the %s ended by signal %d (%s)", who, WTERMSIG(status),
                    strsignal(WTERMSIG(status)));
    return fail(shared, "the %s ended with %d", who, WEXITSTATUS(status));
}

static pid_t start(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    return pid;
}

// Let it work until enough was done, then kill it. False: it ended by itself, or does nothing any more.
static bool let_work(pid_t pid, uint64_t enough)
{
    uint64_t before = 0;
    time_t moved = time(NULL);
    int status;
    for (;;) {
        uint64_t now = atomic_load(&shared->operations);
        if (now >= enough)
            break;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return say_how_it_ended("process at work", status);
        if (now != before)
            moved = time(NULL);
        before = now;
        if (time(NULL) - moved > STUCK_SECONDS) {
            printf("# process %d hangs and is left for a debugger\n", (int)pid);
            return fail(shared, "nothing was done for %d seconds", STUCK_SECONDS);
        }
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) != pid)
        ;
    return !atomic_load(&shared->failed);
}

static bool round_of(const struct volume_kind *kind, uint64_t *seed, uint32_t operations)
{
    int status;
    uint64_t enough = atomic_load(&shared->operations) + 1 + random_below(seed, operations);
    uint64_t own = random_next(seed);
    pid_t pid = start();
    if (pid == 0) {
        nt_status attached = hf_attach("X:", spec);
        if (attached != STATUS_SUCCESS)
            fail(shared, "attach gave %s (%s)", hf_status_name(attached), hf_error_text());
        else
            work(shared, own, kind->threads);
        _exit(1);
    }
    if (!let_work(pid, enough))
        return false;
    pid = start();
    if (pid == 0)
        _exit(!look(kind));
    while (waitpid(pid, &status, 0) != pid)
        ;
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || say_how_it_ended("verifying process", status);
}

static bool test(const struct volume_kind *kind, uint64_t seed, uint32_t rounds, uint32_t operations)
{
    int fd = memfd_create("holdfast-torture", MFD_CLOEXEC);
    *shared = (struct shared){0};
    snprintf(spec, sizeof spec, "file:/proc/self/fd/%d", fd);
    struct hf_format_options format = {
        .cluster = kind->cluster, .copies = kind->copies, .integrity = kind->integrity};
    bool good = fd >= 0 && ftruncate(fd, (off_t)kind->megabytes << 20) == 0 &&
                hf_format(spec, &format) == STATUS_SUCCESS;
    if (!good)
        fail(shared, "no volume (%s)", hf_error_text());
    uint64_t state = seed;
    uint32_t n = 0;
    while (good && n < rounds) {
        good = round_of(kind, &state, operations);
        n += good;
    }
    printf("# %s: %u rounds, %llu operations, %llu flushes\n", kind->name, n,
           (unsigned long long)atomic_load(&shared->operations),
           (unsigned long long)atomic_load(&shared->flushes));
    if (!good)
        printf("# round %u: %s\n# repeat: torture --kind %zu --seed %llu --rounds %u --operations %u\n", n,
               shared->text, (size_t)(kind - kinds), (unsigned long long)seed, rounds, operations);
    close(fd);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL);
    uint32_t rounds = 6, operations = 4000, first = 0, end = KINDS;
    bool endless = false, good = true;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--torture") == 0)
            endless = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--operations") == 0 && i + 1 < argc)
            operations = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--kind") == 0 && i + 1 < argc)
            end = (first = (uint32_t)strtoul(argv[++i], NULL, 10) % KINDS) + 1;
    }
    if (endless)
        rounds = 30;
    for (uint32_t n = first; n < end || endless; n++, seed++) {
        bool passed = test(&kinds[n % KINDS], seed, rounds, operations);
        good &= passed;
        printf("%sok %u - %s\n", passed ? "" : "not ", n - first + 1, kinds[n % KINDS].name);
        fflush(stdout);
        if (endless && !passed)
            return 1;
    }
    printf("1..%u\n", end - first);
    return !good;
}
