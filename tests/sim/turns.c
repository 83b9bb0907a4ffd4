// SPDX-License-Identifier: Apache-2.0
// The scheduler behind turns.h. One thread runs at a time; it hands over where it would wait, and by dice
// where it takes a lock, so a run depends on the seed alone. Who waits for what is kept here: the real locks
// are only ever tried, so that they stay right for what runs outside of turns_run.
#include "tests/sim/turns.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

enum { TASKS = 16, LOCK_SWITCH = 12 };
#define NS_PER_S   1000000000ull
#define TIME_START (1700000000ull * NS_PER_S)

enum task_state { RUNNABLE, WAITING, SLEEPING, IDLE, ENDED };

struct task {
    pthread_t thread;
    sem_t turn;
    enum task_state state;
    const void *on; // WAITING: the lock or the condition
    bool writes;    // wants the lock for itself
    u64 until;      // SLEEPING, IDLE
    turns_fn *fn;
    void *context;
    bool spared; // has all the memory that it wants
};

static struct {
    struct task tasks[TASKS];
    u32 count;
    u64 dice, now;
    bool free_running, running;
    sem_t over;
    turns_stuck_fn *stuck;
    u32 memory_one_in, memory_left;
    u64 memory_dice;
} turns;
static _Thread_local struct task *self; // NULL: not a thread of ours, or a free one

u64 dice_next(u64 *state)
{
    u64 z = *state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

u32 dice_below(u64 *state, u32 below)
{
    return (u32)((dice_next(state) >> 33) % below);
}

bool dice_one_in(u64 *state, u32 n)
{
    return dice_below(state, n) == 0;
}

// The linker sends the calls of all but the C library to __wrap_*.
#define WRAPPED(result, name, ...)     \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)
WRAPPED(int, pthread_mutex_lock, pthread_mutex_t *m);
WRAPPED(int, pthread_mutex_unlock, pthread_mutex_t *m);
WRAPPED(int, pthread_rwlock_rdlock, pthread_rwlock_t *l);
WRAPPED(int, pthread_rwlock_wrlock, pthread_rwlock_t *l);
WRAPPED(int, pthread_rwlock_unlock, pthread_rwlock_t *l);
WRAPPED(int, pthread_cond_wait, pthread_cond_t *c, pthread_mutex_t *m);
WRAPPED(int, pthread_cond_timedwait, pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *end);
WRAPPED(int, pthread_cond_broadcast, pthread_cond_t *c);
WRAPPED(int, pthread_cond_signal, pthread_cond_t *c);
WRAPPED(int, sched_yield, void);
WRAPPED(int, nanosleep, const struct timespec *time, struct timespec *left);
WRAPPED(int, clock_gettime, clockid_t clock, struct timespec *time);
WRAPPED(ssize_t, getrandom, void *data, size_t size, unsigned flags);
WRAPPED(void *, malloc, size_t size);
WRAPPED(void *, calloc, size_t n, size_t size);
WRAPPED(void *, realloc, void *p, size_t size);
WRAPPED(void *, aligned_alloc, size_t alignment, size_t size);

// --- whose turn it is ----------------------------------------------------------------------------

static void wait_for_turn(struct task *t)
{
    while (sem_wait(&t->turn) != 0)
        continue;
}

// A thread that can run, by dice; when all sleep, it is later.
static struct task *choose(void)
{
    for (;;) {
        struct task *can[TASKS], *first = NULL;
        u32 n = 0, in[ENDED + 1] = {0};
        for (u32 i = 0; i < turns.count; i++) {
            struct task *t = &turns.tasks[i];
            bool sleeps = t->state == SLEEPING || t->state == IDLE;
            if (sleeps && t->until <= turns.now)
                t->state = RUNNABLE;
            if (t->state == RUNNABLE)
                can[n++] = t;
            else if (sleeps && (!first || t->until < first->until))
                first = t;
            in[t->state]++;
        }
        if (n > 0)
            return can[dice_below(&turns.dice, n)];
        if (in[WAITING] > 0 && in[SLEEPING] == 0) {
            turns.stuck("every thread waits for another one");
            abort();
        }
        if (!first)
            return NULL;
        turns.now = first->until;
    }
}

// The caller's state says whether it may be chosen itself.
static void hand_over(void)
{
    struct task *me = self, *next = choose();
    if (next == me)
        return;
    if (next)
        sem_post(&next->turn);
    else
        sem_post(&turns.over);
    if (me->state != ENDED)
        wait_for_turn(me);
}

static void wait_on(const void *what, bool writes)
{
    self->on = what;
    self->writes = writes;
    self->state = WAITING;
    hand_over();
}

static void wake(const void *what, bool all)
{
    for (u32 i = 0; i < turns.count; i++) {
        struct task *t = &turns.tasks[i];
        if (t->state != WAITING || t->on != what)
            continue;
        t->state = RUNNABLE;
        if (!all)
            return;
    }
}

void turns_yield(void)
{
    if (self)
        hand_over();
}

static void maybe_yield(void)
{
    if (dice_one_in(&turns.dice, LOCK_SWITCH))
        hand_over();
}

static void sleep_as(enum task_state state, u64 ns)
{
    if (!self) {
        if (turns.free_running)
            __real_nanosleep(
                &(struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)},
                NULL);
        return;
    }
    self->until = turns.now + ns;
    self->state = ns > 0 ? state : RUNNABLE;
    hand_over();
}

void turns_sleep(u64 ns)
{
    sleep_as(SLEEPING, ns);
}

void turns_idle(u64 ns)
{
    sleep_as(IDLE, ns);
}

u64 turns_now(void)
{
    struct timespec t;
    if (!turns.free_running)
        return turns.now - TIME_START;
    __real_clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * NS_PER_S + (u64)t.tv_nsec;
}

static void *task_main(void *context)
{
    struct task *t = context;
    if (!turns.free_running) {
        wait_for_turn(t);
        self = t;
    }
    t->fn(t->context);
    if (self) {
        t->state = ENDED;
        hand_over();
        wait_for_turn(t); // until all are over: what the end of a thread does is nobody's turn
    }
    self = NULL;
    return NULL;
}

void turns_init(u64 seed, bool free_running, turns_stuck_fn *stuck)
{
    mallopt(M_ARENA_MAX, 1); // so that addresses compare alike in every run
    turns.dice = seed;
    turns.memory_dice = ~seed;
    turns.now = TIME_START;
    turns.free_running = free_running;
    turns.stuck = stuck;
    sem_init(&turns.over, 0, 0);
}

void turns_add(turns_fn *fn, void *context)
{
    ASSERT(turns.count < TASKS);
    struct task *t = &turns.tasks[turns.count++];
    *t = (struct task){.fn = fn, .context = context};
    sem_init(&t->turn, 0, 0);
}

void turns_run(void)
{
    for (u32 i = 0; i < turns.count; i++)
        ASSERT(pthread_create(&turns.tasks[i].thread, NULL, task_main, &turns.tasks[i]) == 0);
    struct task *first = turns.free_running ? NULL : choose();
    if (first) {
        sem_post(&first->turn);
        while (sem_wait(&turns.over) != 0)
            continue;
        for (u32 i = 0; i < turns.count; i++)
            sem_post(&turns.tasks[i].turn);
    }
    for (u32 i = 0; i < turns.count; i++)
        pthread_join(turns.tasks[i].thread, NULL);
    turns.count = 0;
}

// --- locks ---------------------------------------------------------------------------------------

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
    if (!self)
        return __real_pthread_mutex_lock(m);
    maybe_yield();
    while (pthread_mutex_trylock(m) != 0)
        wait_on(m, true);
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    int error = __real_pthread_mutex_unlock(m);
    if (self)
        wake(m, true);
    return error;
}

// A reader lets writers that wait go first, but not for ever: it may have the lock already.
static bool has_writer(const void *lock)
{
    for (u32 i = 0; i < turns.count; i++)
        if (turns.tasks[i].state == WAITING && turns.tasks[i].on == lock && turns.tasks[i].writes)
            return true;
    return false;
}

int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    if (!self)
        return __real_pthread_rwlock_rdlock(l);
    maybe_yield();
    if (has_writer(l))
        turns_sleep(NS_PER_S / 1000);
    while (pthread_rwlock_tryrdlock(l) != 0)
        wait_on(l, false);
    return 0;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
    if (!self)
        return __real_pthread_rwlock_wrlock(l);
    maybe_yield();
    while (pthread_rwlock_trywrlock(l) != 0)
        wait_on(l, true);
    return 0;
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
    if (self && pthread_rwlock_trywrlock(l) == 0)
        turns.stuck("a lock is given up that nobody has");
    int error = __real_pthread_rwlock_unlock(l);
    if (self)
        wake(l, true);
    return error;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    if (!self)
        return __real_pthread_cond_wait(c, m);
    __wrap_pthread_mutex_unlock(m);
    wait_on(c, false);
    return __wrap_pthread_mutex_lock(m);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *end)
{
    if (!self)
        return __real_pthread_cond_timedwait(c, m, end);
    u64 until = (u64)end->tv_sec * NS_PER_S + (u64)end->tv_nsec;
    __wrap_pthread_mutex_unlock(m);
    turns_sleep(MIN(NS_PER_S / 100, until > turns.now ? until - turns.now : 0));
    __wrap_pthread_mutex_lock(m);
    return turns.now < until ? 0 : ETIMEDOUT; // spurious wake-ups are allowed
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
    if (self)
        wake(c, true);
    return __real_pthread_cond_broadcast(c);
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
    if (self)
        wake(c, false);
    return __real_pthread_cond_signal(c);
}

int __wrap_sched_yield(void)
{
    turns_yield();
    return self ? 0 : __real_sched_yield();
}

// --- time, chance, memory ------------------------------------------------------------------------

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    if (!self)
        return __real_nanosleep(time, left);
    turns_sleep((u64)time->tv_sec * NS_PER_S + (u64)time->tv_nsec);
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    if (turns.free_running || turns.now == 0)
        return __real_clock_gettime(clock, time);
    *time =
        (struct timespec){.tv_sec = (time_t)(turns.now / NS_PER_S), .tv_nsec = (long)(turns.now % NS_PER_S)};
    return 0;
}

ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < size; i++)
        ((u8 *)data)[i] = (u8)dice_next(&turns.dice);
    return (ssize_t)size;
}

void turns_fail_memory(u32 one_in, u32 count)
{
    turns.memory_one_in = one_in;
    turns.memory_left = count;
}

bool turns_spare(bool on)
{
    bool before = self && self->spared;
    if (self)
        self->spared = on;
    return before;
}

// Free-running threads have all the memory they want: the dice are nobody's to share.
static bool memory_fails(void)
{
    if (!self || self->spared || turns.memory_left == 0 ||
        !dice_one_in(&turns.memory_dice, turns.memory_one_in))
        return false;
    turns.memory_left--;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return memory_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return memory_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return memory_fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return memory_fails() ? NULL : __real_aligned_alloc(alignment, size);
}
