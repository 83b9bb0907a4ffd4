// SPDX-License-Identifier: Apache-2.0
// Using something that seldom changes, from many threads at once: a user writes only to memory of its own
// thread, so users do not slow one another down; whoever wants to change the thing looks through the notes of
// all threads.
//
// Notes alone: hold_note, then look whether the thing may still be used (a sequentially consistent load); if
// not, hold_drop. Who takes it away first makes that look fail, then calls hold_wait.
//
// struct hold is a readers' lock made of this (ADR 17). A writer closes it to notes and waits for those there
// are; then readers take the lock beneath, until enough of them came by without a writer to make notes worth
// while again. A thread must not hold the same one twice, not even for reading: a writer between the two
// would wait for the first and keep out the second. Who took it releases it, on the same thread.
#ifndef BASE_HOLD_H
#define BASE_HOLD_H

#include <stdatomic.h>

#include "base/base.h"

// The calling thread uses what is there from now on. False: no room for a note, so it must be counted in
// another way.
bool hold_note(const void *what);
// It does not any more. False: the calling thread made no such note.
bool hold_drop(const void *what);
bool hold_is_noted(const void *what); // by any thread
void hold_wait(const void *what);     // until no thread has a note of it

struct hold {
    pthread_rwlock_t lock;
    _Atomic bool open;   // to notes; only ever set with the lock shared
    _Atomic u32 readers; // that took the lock since the last writer
};

void hold_init(struct hold *h);
void hold_destroy(struct hold *h);
void hold_read(struct hold *h);
void hold_write(struct hold *h);
void hold_release(struct hold *h); // after either

static inline struct hold *scope_hold_read(struct hold *h)
{
    hold_read(h);
    return h;
}
static inline struct hold *scope_hold_write(struct hold *h)
{
    hold_write(h);
    return h;
}
static inline void scope_hold_release(struct hold **h)
{
    hold_release(*h);
}
#define SCOPE_HOLD_READ(h)                                                                   \
    __attribute__((cleanup(scope_hold_release), unused)) struct hold *SCOPE_NAME(__LINE__) = \
        scope_hold_read(h)
#define SCOPE_HOLD_WRITE(h)                                                                  \
    __attribute__((cleanup(scope_hold_release), unused)) struct hold *SCOPE_NAME(__LINE__) = \
        scope_hold_write(h)

#endif
