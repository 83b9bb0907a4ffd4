// SPDX-License-Identifier: Apache-2.0
// Which threads serve the requests of a mount. Waking another thread costs more than most requests do, so one
// thread reads and serves as long as it gets on, with nobody beside it. The watch (the thread that called
// loop_run) looks each millisecond: where all readers are stuck in a request another thread takes over the
// reading, and where requests queue up the readers become more. When nothing happens the watch sleeps too.
#define FUSE_USE_VERSION 314
#include "tools/mount_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKERS_MAX = 32,
    TICK_NS = 1000000,
    PATIENCE_NS = 100000,
    CLOSE_NS = 200000,
    QUEUE_TICKS = 3,  // requests wait at so many looks in a row: one more reader
    SPARE_TICKS = 50, // no request waits at so many: one less
    QUIET_TICKS = 50, // nothing happens: the watch goes to sleep
    AWAKE_SERVED = 3, // requests since the last look: the machine's processors are to stay awake
    AWAKE_TICKS = 20, // so long after the last such look
};

// A worker that is no reader (any more) finishes its request and then waits to become one again.
struct worker {
    pthread_t thread;
    _Atomic uint32_t count; // odd: serving; goes up by two with each request
    _Atomic uint32_t reader;
    int64_t patience;      // how long it waits for the next request without sleeping; its own
    uint32_t seen;         // count, when the watch last looked
    struct timespec spent; // processor time, likewise
};

struct loop {
    struct fuse_session *session;
    struct worker workers[WORKERS_MAX];
    int started;
    long processors;
    int readers_busy_max;    // readers that may be busy on processors at the same time
    int wake;                // descriptor: the watch is to look again
    bool may_keep_awake;     // the machine's processors
    int awake, awake_ticks;  // descriptor, -1: they may sleep; how many looks it stays open
    _Atomic uint32_t asleep; // the watch is
    _Atomic uint32_t ended;
    _Atomic int error;
};

static void word_wait(_Atomic uint32_t *word, uint32_t while_it_is)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

static void word_set(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store(word, value);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void watch_wake(struct loop *loop)
{
    if (atomic_exchange(&loop->asleep, 0))
        eventfd_write(loop->wake, 1);
}

// --- a worker ------------------------------------------------------------------------------------

struct start {
    struct loop *loop;
    struct worker *worker;
};

static void worker_serve(struct loop *loop, struct worker *worker, const struct fuse_buf *request)
{
    // Before the look whether the watch sleeps: it looks at the counts after it said that it will.
    atomic_fetch_add(&worker->count, 1);
    if (atomic_load(&loop->asleep))
        watch_wake(loop);
    fuse_session_process_buf(loop->session, request);
    atomic_fetch_add(&worker->count, 1);
}

static bool requests_wait(struct loop *loop)
{
    struct pollfd queue = {.fd = fuse_session_fd(loop->session), .events = POLLIN};
    return poll(&queue, 1, 0) > 0 && (queue.revents & POLLIN);
}

static int64_t ns_between(const struct timespec *from, const struct timespec *to)
{
    return (to->tv_sec - from->tv_sec) * 1000000000 + to->tv_nsec - from->tv_nsec;
}

// A program that waits for one answer before it asks again waits longest for sleeping processors to wake.
// While requests follow one another closely the worker stays awake for the next one.
static int request_receive(struct loop *loop, struct worker *worker, struct fuse_buf *request)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        if (worker->patience == 0 || requests_wait(loop))
            break;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (ns_between(&begin, &now) < worker->patience);
    int got = fuse_session_receive_buf(loop->session, request);
    clock_gettime(CLOCK_MONOTONIC, &now);
    bool close = loop->processors > 1 && ns_between(&begin, &now) < CLOSE_NS;
    worker->patience = close ? PATIENCE_NS : worker->patience > PATIENCE_NS / 8 ? worker->patience / 2 : 0;
    return got;
}

static void *worker_run(void *context)
{
    struct start start = *(struct start *)context;
    struct loop *loop = start.loop;
    struct worker *worker = start.worker;
    struct fuse_buf request = {0};
    sigset_t wake;
    free(context);
    sigemptyset(&wake);
    sigaddset(&wake, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
    while (!atomic_load(&loop->ended)) {
        if (!atomic_load(&worker->reader)) {
            word_wait(&worker->reader, 0);
            continue;
        }
        int got = request_receive(loop, worker, &request);
        if (got == -EINTR)
            continue; // the session may have ended
        if (got <= 0) {
            atomic_store(&loop->error, -got);
            atomic_store(&loop->ended, 1);
            watch_wake(loop);
            break;
        }
        worker_serve(loop, worker, &request);
    }
    free(request.mem);
    return NULL;
}

// --- the watch -----------------------------------------------------------------------------------

// One more reader. Without memory for another thread those that are there have to do.
static bool reader_add(struct loop *loop)
{
    for (int i = 0; i < loop->started; i++) {
        struct worker *worker = &loop->workers[i];
        if (!atomic_load(&worker->reader) && atomic_load(&worker->count) % 2 == 0) {
            word_set(&worker->reader, 1);
            return true;
        }
    }
    struct start *start = loop->started < WORKERS_MAX ? malloc(sizeof *start) : NULL;
    if (!start)
        return false;
    struct worker *worker = &loop->workers[loop->started];
    *start = (struct start){loop, worker};
    atomic_store(&worker->reader, 1);
    bool good = pthread_create(&worker->thread, NULL, worker_run, start) == 0; // with all signals blocked
    if (good)
        loop->started++;
    else
        free(start);
    return good;
}

struct look {
    uint32_t served;      // requests begun or ended since the last look
    int readers, serving; // readers that are not stuck, and those of them in a request
    int busy;             // readers that used most of a tick on a processor
    bool active;          // anything happened
    struct worker *last;  // a reader
};

static bool worker_is_busy(struct worker *worker)
{
    clockid_t clock;
    struct timespec now = {0};
    if (pthread_getcpuclockid(worker->thread, &clock) == 0)
        clock_gettime(clock, &now);
    int64_t ns = ns_between(&worker->spent, &now);
    worker->spent = now;
    return ns > TICK_NS / 2;
}

// A reader that has been in one request since the last look reads no more.
static struct look loop_look(struct loop *loop)
{
    struct look look = {0};
    for (int i = 0; i < loop->started; i++) {
        struct worker *worker = &loop->workers[i];
        uint32_t count = atomic_load(&worker->count);
        bool serving = count % 2 != 0, moved = count != worker->seen;
        look.served += (count - worker->seen + 1) / 2;
        worker->seen = count;
        look.active = look.active || moved || serving;
        look.busy += (moved || serving) && worker_is_busy(worker); // the others' clocks stand still
        if (!atomic_load(&worker->reader))
            continue;
        if (serving && !moved) {
            atomic_store(&worker->reader, 0);
            continue;
        }
        look.readers++;
        look.serving += serving;
        look.last = worker;
    }
    return look;
}

static bool loop_is_quiet(struct loop *loop)
{
    for (int i = 0; i < loop->started; i++)
        if (atomic_load(&loop->workers[i].count) != loop->workers[i].seen)
            return false;
    return true;
}

// Until the time is over, a signal of the mask comes, or a worker has something to do.
static void watch_sleep(struct loop *loop, const struct timespec *time, const sigset_t *mask)
{
    struct pollfd wake = {.fd = loop->wake, .events = POLLIN};
    eventfd_t value;
    if (ppoll(&wake, 1, time, mask) > 0)
        eventfd_read(loop->wake, &value);
}

static void watch_sleep_long(struct loop *loop, const sigset_t *mask)
{
    atomic_store(&loop->asleep, 1);
    if (loop_is_quiet(loop) && !atomic_load(&loop->ended))
        watch_sleep(loop, &(struct timespec){.tv_sec = 1}, mask); // another thread may have got a signal
    atomic_store(&loop->asleep, 0);
}

// The worker that stays awake is one half of a round trip, the program's processor the other. While the file
// is open no processor sleeps deeper than it wakes at once; the kernel lets them when we end, however we end.
static void processors_keep_awake(struct loop *loop, uint32_t served)
{
    const int32_t latency = 0; // microseconds
    if (served >= AWAKE_SERVED) {
        loop->awake_ticks = AWAKE_TICKS;
        if (loop->awake >= 0 || !loop->may_keep_awake)
            return;
        loop->awake = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
        loop->may_keep_awake =
            loop->awake >= 0 && write(loop->awake, &latency, sizeof latency) == (ssize_t)sizeof latency;
    } else if (loop->awake >= 0 && --loop->awake_ticks <= 0) {
        close(loop->awake);
        loop->awake = -1;
    }
}

// Signals come to it only while it sleeps, so none is missed.
static void loop_watch(struct loop *loop, const sigset_t *mask)
{
    int queued = 0, spare = 0, quiet = 0;
    while (!atomic_load(&loop->ended) && !fuse_session_exited(loop->session)) {
        watch_sleep(loop, &(struct timespec){.tv_nsec = TICK_NS}, mask);
        struct look look = loop_look(loop);
        processors_keep_awake(loop, look.served);
        quiet = look.active ? 0 : quiet + 1;
        if (quiet > QUIET_TICKS) {
            watch_sleep_long(loop, mask);
            quiet = 0;
        }
        bool full = look.serving == look.readers && (look.readers == 0 || requests_wait(loop));
        queued = full ? queued + 1 : 0;
        spare = full ? 0 : spare + 1;
        if (look.readers == 0 || (queued >= QUEUE_TICKS && look.busy < loop->readers_busy_max)) {
            reader_add(loop);
            queued = 0;
        } else if (spare > SPARE_TICKS && look.readers > 1) {
            atomic_store(&look.last->reader, 0);
            spare = 0;
        }
    }
}

static void signal_ignore(int number)
{
    (void)number;
}

// Whoever waits for requests is woken by a signal; it may come just before the wait, so it comes again.
static void workers_join(struct loop *loop)
{
    struct sigaction wake = {.sa_handler = signal_ignore}, before;
    sigaction(SIGUSR1, &wake, &before);
    for (int i = 0; i < loop->started; i++) {
        struct worker *worker = &loop->workers[i];
        struct timespec until;
        do {
            pthread_kill(worker->thread, SIGUSR1);
            word_set(&worker->reader, 1);
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += TICK_NS;
            if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
            }
        } while (pthread_timedjoin_np(worker->thread, NULL, &until) != 0);
    }
    sigaction(SIGUSR1, &before, NULL);
}

int loop_run(struct fuse_session *session, bool keep_awake)
{
    struct loop loop = {
        .session = session, .wake = eventfd(0, EFD_CLOEXEC), .may_keep_awake = keep_awake, .awake = -1};
    loop.processors = sysconf(_SC_NPROCESSORS_ONLN);
    loop.readers_busy_max = loop.processors > 3 ? (int)loop.processors / 2 : 1;
    if (loop.wake < 0)
        return errno;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!reader_add(&loop))
        atomic_store(&loop.error, ENOMEM);
    else
        loop_watch(&loop, &before);
    atomic_store(&loop.ended, 1);
    workers_join(&loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(loop.wake);
    if (loop.awake >= 0)
        close(loop.awake);
    return atomic_load(&loop.error);
}
