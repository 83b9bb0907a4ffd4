// SPDX-License-Identifier: Apache-2.0
// The model under faults: in each short episode of a random history the n-th allocation, read, write or flush
// fails, once or from then on. After an operation that failed the volume is as the model was before or after
// it (of a write a beginning may be there, of a zeroing a part). A volume that has turned read-only is opened
// again and is as the model was at some step at or after the last flush that returned.
//
//     fault_test                              some seeds, a TAP case for each kind of fault
//     fault_test --torture                    new seeds without end
//     fault_test --seed S --fault F           one history with faults of one kind: what a failure prints
#include "tests/model/play.h"

#include <holdfast/holdfast.h>

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

enum { EPISODES = 60, OPERATIONS = 20, CHECK_EVERY = 15 };
enum { SEEDS = 3 };

enum fault { FAULT_READ, FAULT_WRITE, FAULT_FLUSH, FAULT_MEMORY, FAULTS };
static const char *const fault_names[FAULTS] = {"read", "write", "flush", "allocation"};

// --- failing -------------------------------------------------------------------------------------

static struct {
    _Atomic bool armed;
    _Atomic int seen; // calls of that kind
    _Atomic bool fired;
    enum fault what;
    int first, count;
} fault;

static bool fails(enum fault what)
{
    if (!atomic_load(&fault.armed) || what != fault.what)
        return false;
    int n = atomic_fetch_add(&fault.seen, 1);
    if (n < fault.first || n - fault.first >= fault.count)
        return false;
    atomic_store(&fault.fired, true);
    errno = EIO;
    return true;
}

// The linker sends the calls here (--wrap).
ssize_t __real_preadv64(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __real_pwritev64(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __real_pread64(int fd, void *data, size_t size, off_t at);
ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t at);
int __real_fdatasync(int fd);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t at);
int __wrap_fdatasync(int fd);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t at)
{
    return fails(FAULT_READ) ? -1 : __real_preadv64(fd, iov, n, at);
}
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
    return fails(FAULT_WRITE) ? -1 : __real_pwritev64(fd, iov, n, at);
}
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t at)
{
    return fails(FAULT_READ) ? -1 : __real_pread64(fd, data, size, at);
}
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t at)
{
    return fails(FAULT_WRITE) ? -1 : __real_pwrite64(fd, data, size, at);
}
int __wrap_fdatasync(int fd)
{
    return fails(FAULT_FLUSH) ? -1 : __real_fdatasync(fd);
}
void *__wrap_malloc(size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_realloc(p, size);
}

// A write or a flush that failed, however often it was tried again: nobody may be told that it went well.
static bool must_be_told(void)
{
    return (fault.what == FAULT_WRITE || fault.what == FAULT_FLUSH) && fault.count == INT_MAX &&
           atomic_load(&fault.fired);
}

// What a fault may make of a request.
static bool tells_of_it(nt_status status)
{
    static const nt_status may[] = {STATUS_INSUFFICIENT_RESOURCES, STATUS_NO_MEMORY,
                                    STATUS_IO_DEVICE_ERROR,        STATUS_DEVICE_DATA_ERROR,
                                    STATUS_DISK_CORRUPT_ERROR,     STATUS_DATA_CHECKSUM_ERROR,
                                    STATUS_DEVICE_HARDWARE_ERROR,  STATUS_MEDIA_WRITE_PROTECTED};
    for (size_t i = 0; i < sizeof may / sizeof may[0]; i++)
        if (status == may[i])
            return true;
    return false;
}

// --- an episode ----------------------------------------------------------------------------------

struct episode {
    struct play play;
    char spec[96];
    // The model behind each operation since the last flush that returned; the newest is also play.model's.
    struct model states[OPERATIONS + 2];
    uint32_t count;
    struct op failed; // the operation that a fault cut short
    uint32_t failed_step;
    bool cut;
};

static uint32_t roll(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

static void arm(uint64_t seed, uint32_t number, enum fault what)
{
    static const int counts[] = {1, 2, 30, INT_MAX};
    static const uint32_t first[FAULTS] = {
        [FAULT_READ] = 20, [FAULT_WRITE] = 12, [FAULT_FLUSH] = 3, [FAULT_MEMORY] = 60};
    uint64_t state = seed * 7919 + number;
    fault.what = what;
    fault.first = (int)roll(&state, first[what]);
    fault.count = counts[roll(&state, 4)];
    atomic_store(&fault.seen, 0);
    atomic_store(&fault.fired, false);
}

static bool complain(struct episode *e, const char *what, nt_status status)
{
    char why[sizeof e->play.text];
    memcpy(why, e->play.text, sizeof why);
    snprintf(e->play.text, sizeof e->play.text, "%.100s: %s; %.300s", what, hf_status_name(status), why);
    return false;
}

static void forget_states(struct episode *e)
{
    while (e->count > 0)
        model_free(&e->states[--e->count]);
}

static void note_state(struct episode *e)
{
    model_copy(&e->states[e->count++], &e->play.model);
}

// The volume is as this model: then it is the model now. Takes it over either way.
static bool is_state(struct episode *e, struct model *m)
{
    struct model before = e->play.model;
    e->play.model = *m;
    bool same = play_compare(&e->play);
    if (!same)
        e->play.model = before;
    model_free(same ? &before : m);
    return same;
}

// As before the operation that failed, as after it, with what it writes to only made, or with a part of it.
static bool is_part_of_failed(struct episode *e, const struct model *from)
{
    struct model m, now = e->play.model;
    model_copy(&m, from);
    if (is_state(e, &m))
        return true;
    model_copy(&m, from);
    (void)model_do(&m, &e->failed);
    if (is_state(e, &m))
        return true;
    if (e->failed.creates) {
        model_copy(&m, from);
        (void)model_create(&m, &e->failed);
        if (is_state(e, &m))
            return true;
    }
    model_copy(&e->play.model, from);
    play_part(&e->play, &e->failed, true); // looks at the volume
    m = e->play.model;
    e->play.model = now;
    return is_state(e, &m);
}

// False: not as it should be. e->cut: a fault made the operation fail.
static bool step(struct episode *e, const struct op *drawn)
{
    struct play *p = &e->play;
    struct op op = *drawn;
    struct model after;
    bool opened;
    if (op.kind == OP_REOPEN || op.kind == OP_INTEGRITY || !play_prepare(p, &op))
        return true;
    model_copy(&after, &p->model);
    nt_status expected = model_do(&after, &op);
    atomic_store(&fault.armed, true);
    int seen = atomic_load(&fault.seen);
    nt_status status = play_do(p, &op, &opened);
    atomic_store(&fault.armed, false);
    bool met = seen - fault.first < fault.count && atomic_load(&fault.seen) > fault.first;
    // As in Windows nobody is told when what was marked for deletion could not be deleted with its last
    // handle.
    bool untold = met && (op.kind == OP_DELETE || op.kind == OP_DELETE_STREAM);
    if (status == STATUS_SUCCESS && !untold && must_be_told()) {
        model_free(&after);
        e->failed = op;
        return complain(e, "a fault was not told", status);
    }
    if (status == expected && !untold) {
        model_free(&p->model);
        p->model = after;
        if (op.kind == OP_FLUSH)
            forget_states(e);
        note_state(e);
        return true;
    }
    model_free(&after);
    e->failed = op;
    e->cut = true;
    return untold || (atomic_load(&fault.fired) && tells_of_it(status)) ||
           complain(e, "an operation", status);
}

// Nothing cached, so that there is something to read; but mounted.
static bool forget_pages(struct episode *e)
{
    struct hf_stat st;
    nt_status status = hf_detach("X:");
    if (status == STATUS_SUCCESS)
        status = hf_attach("X:", e->spec);
    hf_handle root;
    if (status == STATUS_SUCCESS)
        status = hf_open("X:\\", &(struct hf_open_options){.access = FILE_READ_ATTRIBUTES}, &root);
    if (status != STATUS_SUCCESS)
        return complain(e, "opening again", status);
    status = hf_stat(root, &st);
    nt_status closed = hf_close(root);
    return (status == STATUS_SUCCESS && closed == STATUS_SUCCESS) ||
           complain(e, "the root", status ? status : closed);
}

static nt_status flush(struct episode *e, bool armed)
{
    struct op op = {.kind = OP_FLUSH};
    bool opened;
    atomic_store(&fault.armed, armed);
    nt_status status = play_do(&e->play, &op, &opened);
    atomic_store(&fault.armed, false);
    return status == STATUS_SUCCESS && armed && must_be_told() ? STATUS_UNSUCCESSFUL : status;
}

// Nothing is taken any more, and the volume says why.
static bool is_readonly(struct episode *e)
{
    hf_handle h;
    struct hf_open_options options = {.access = GENERIC_WRITE, .disposition = FILE_CREATE};
    nt_status status = hf_open("X:\\refused", &options, &h);
    if (status == STATUS_SUCCESS)
        status = hf_close(h);
    return status == STATUS_MEDIA_WRITE_PROTECTED || complain(e, "the volume is not read-only", status);
}

// The volume turned read-only: what the medium holds is one of the states since the last flush.
static bool reopen(struct episode *e)
{
    nt_status status = hf_detach("X:");
    if (status != STATUS_SUCCESS && !tells_of_it(status))
        return complain(e, "detach", status);
    status = hf_attach("X:", e->spec);
    if (status != STATUS_SUCCESS)
        return complain(e, "attach", status);
    if (e->cut && is_part_of_failed(e, &e->states[e->count - 1]))
        return true;
    for (uint32_t i = e->count; i-- > 0;) {
        struct model m;
        model_copy(&m, &e->states[i]);
        if (is_state(e, &m))
            return true;
    }
    return complain(e, "no state since the last flush is on the medium", status);
}

static bool run_episode(struct episode *e, uint64_t seed, uint32_t number, enum fault what)
{
    note_state(e);
    e->cut = false;
    arm(seed, number, what);
    bool good = true;
    for (uint32_t i = 0; good && i < OPERATIONS && !e->cut; i++) {
        struct op op = model_op(seed, number * OPERATIONS + i);
        e->failed_step = i;
        good = (what != FAULT_READ || forget_pages(e)) && step(e, &op);
    }
    if (!good)
        return false;
    // Most writes are a flush's. What failed before has had its say.
    nt_status status = flush(e, !e->cut && (what == FAULT_WRITE || what == FAULT_FLUSH));
    if (status != STATUS_SUCCESS)
        good = (atomic_load(&fault.fired) && tells_of_it(status) && is_readonly(e) && reopen(e)) ||
               complain(e, "flush", status);
    else if (e->cut)
        good =
            is_part_of_failed(e, &e->states[e->count - 1]) || complain(e, "neither before nor after", status);
    else
        good = play_compare(&e->play);
    forget_states(e);
    return good;
}

// --- a history -----------------------------------------------------------------------------------

static void on_finding(void *context, const struct hf_finding *f)
{
    struct episode *e = context;
    snprintf(e->play.text, sizeof e->play.text, "check: %s: %s %.100s object %llu", f->kind, f->text, f->path,
             (unsigned long long)f->object);
}

static bool check(struct episode *e)
{
    struct hf_check_totals totals;
    struct hf_check_options options = {.data = true, .finding = on_finding, .context = e};
    nt_status status = hf_detach("X:");
    if (status == STATUS_SUCCESS)
        status = hf_check(e->play.spec, &options, &totals);
    if (status == STATUS_SUCCESS)
        status = hf_attach("X:", e->spec);
    return status == STATUS_SUCCESS || complain(e, "a check", status);
}

static bool run(uint64_t seed, enum fault what, uint32_t *fired)
{
    static struct episode e;
    static const struct play_options volume = {
        .cluster = 4096, .copies = 2, .megabytes = 64, .integrity = true};
    memset(&e, 0, sizeof e);
    bool good = play_begin(&e.play, &volume);
    // A small cache, so that pages are read; no waiting for a device that will not get better.
    snprintf(e.spec, sizeof e.spec, "%s,cache=1M,retry-ms=0", e.play.spec);
    good = good && check(&e);
    uint32_t number = 0;
    for (; good && number < EPISODES; number++) {
        good = run_episode(&e, seed, number, what) && (number % CHECK_EVERY != CHECK_EVERY - 1 || check(&e));
        *fired += atomic_load(&fault.fired);
    }
    if (good && play_end(&e.play))
        return true;
    printf("# seed %llu, episode %u, %d %s(s) from number %d on: %s\n", (unsigned long long)seed, number - 1,
           fault.count, fault_names[what], fault.first, e.play.text);
    if (e.cut)
        model_print_op(&e.failed, e.failed_step);
    printf("# repeat: fault_test --seed %llu --fault %u\n", (unsigned long long)seed, (unsigned)what);
    return false;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seeds = SEEDS;
    uint32_t only = FAULTS, failed = 0, n = 0;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--torture") == 0) {
            seed = (uint64_t)time(NULL);
            seeds = UINT64_MAX - seed;
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(value, NULL, 10);
            seeds = 1;
        } else if (strcmp(argv[i], "--fault") == 0) {
            only = (uint32_t)strtoul(value, NULL, 10) % FAULTS;
        }
    }
    for (uint64_t s = seed; s < seed + seeds && failed == 0; s++)
        for (uint32_t f = 0; f < FAULTS && failed == 0; f++) {
            uint32_t fired = 0;
            if (only != FAULTS && f != only)
                continue;
            bool good = run(s, (enum fault)f, &fired) && fired > 0;
            failed += !good;
            printf("%sok %u - %s, seed %llu: %u of %d episodes met it\n", good ? "" : "not ", ++n,
                   fault_names[f], (unsigned long long)s, fired, EPISODES);
            fflush(stdout);
        }
    printf("1..%u\n", n);
    return failed > 0;
}
