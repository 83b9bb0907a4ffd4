// SPDX-License-Identifier: Apache-2.0
// The notes of threads: one cache line each, written by its thread only, read by whoever waits. A thread gets
// its line at its first note and gives it back when it ends; one that comes when all are given out goes
// without. A reader stores its note and then loads `open`, a writer stores `open` and then loads the notes,
// all four sequentially consistent: at least one of the two sees the other.
#include "base/hold.h"

#include <sched.h>
#include <time.h>

enum { THREADS_MAX = 256, NOTES_MAX = 8, READERS_TO_OPEN = 32 };

struct notes {
    _Alignas(64) const void *_Atomic at[NOTES_MAX];
};

static struct notes lines[THREADS_MAX];
static _Atomic u32 lines_used; // that were ever given out; those behind hold no notes
static bool given[THREADS_MAX];
static pthread_mutex_t given_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;
static bool has_key;
static _Thread_local struct notes *own;
static struct notes nowhere; // stands for: there was no line

static void give_back(void *line)
{
    SCOPE_LOCK(&given_mutex);
    given[(struct notes *)line - lines] = false;
    own = NULL;
}

static void make_key(void)
{
    has_key = pthread_key_create(&at_exit, give_back) == 0;
}

// Cold: once a thread.
__attribute__((noinline)) static struct notes *take_line(void)
{
    pthread_once(&once, make_key);
    own = &nowhere;
    SCOPE_LOCK(&given_mutex);
    for (u32 i = 0; has_key && i < THREADS_MAX; i++) {
        if (given[i])
            continue;
        if (pthread_setspecific(at_exit, &lines[i]) != 0)
            break;
        given[i] = true;
        own = &lines[i];
        if (i >= atomic_load(&lines_used))
            atomic_store(&lines_used, i + 1);
        break;
    }
    return own;
}

bool hold_note(const void *what)
{
    struct notes *line = own ? own : take_line();
    if (line == &nowhere)
        return false;
    for (u32 i = 0; i < NOTES_MAX; i++) {
        if (atomic_load_explicit(&line->at[i], memory_order_relaxed))
            continue;
        atomic_store(&line->at[i], what); // before the caller looks whether it may
        return true;
    }
    return false;
}

bool hold_drop(const void *what)
{
    struct notes *line = own;
    for (u32 i = 0; line && i < NOTES_MAX; i++) {
        if (atomic_load_explicit(&line->at[i], memory_order_relaxed) != what)
            continue;
        atomic_store_explicit(&line->at[i], NULL, memory_order_release);
        return true;
    }
    return false;
}

static bool is_noted_in(const struct notes *line, const void *what)
{
    for (u32 i = 0; i < NOTES_MAX; i++)
        if (atomic_load(&line->at[i]) == what)
            return true;
    return false;
}

bool hold_is_noted(const void *what)
{
    for (u32 i = 0, used = atomic_load(&lines_used); i < used; i++)
        if (is_noted_in(&lines[i], what))
            return true;
    return false;
}

// Most are gone after some ns; one who waits for a device may be there for long.
void hold_wait(const void *what)
{
    enum { YIELDS = 100, NAP_NS = 50000, NAP_MAX_NS = 1000000 };
    for (u32 i = 0, used = atomic_load(&lines_used); i < used; i++) {
        struct timespec nap = {.tv_nsec = NAP_NS};
        for (u32 turn = 0; is_noted_in(&lines[i], what); turn++) {
            if (turn < YIELDS) {
                sched_yield();
                continue;
            }
            nanosleep(&nap, NULL);
            nap.tv_nsec = MIN(nap.tv_nsec * 2, NAP_MAX_NS);
        }
    }
}

void hold_init(struct hold *h)
{
    pthread_rwlock_init(&h->lock, NULL);
    atomic_init(&h->open, true);
    atomic_init(&h->readers, 0);
}

void hold_destroy(struct hold *h)
{
    pthread_rwlock_destroy(&h->lock);
}

void hold_read(struct hold *h)
{
    if (atomic_load_explicit(&h->open, memory_order_relaxed) && hold_note(h)) {
        if (atomic_load(&h->open))
            return;
        hold_drop(h);
    }
    pthread_rwlock_rdlock(&h->lock);
    if (atomic_fetch_add_explicit(&h->readers, 1, memory_order_relaxed) == READERS_TO_OPEN)
        atomic_store(&h->open, true);
}

void hold_write(struct hold *h)
{
    pthread_rwlock_wrlock(&h->lock);
    atomic_store_explicit(&h->readers, 0, memory_order_relaxed);
    if (!atomic_load_explicit(&h->open, memory_order_relaxed))
        return;
    atomic_store(&h->open, false);
    hold_wait(h);
}

void hold_release(struct hold *h)
{
    if (!hold_drop(h))
        pthread_rwlock_unlock(&h->lock);
}
