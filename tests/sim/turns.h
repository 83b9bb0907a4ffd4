// SPDX-License-Identifier: Apache-2.0
// Threads that take turns, and time that passes only when all of them wait: a history is the same each time
// for the same seed. The linker sends every lock, wait, sleep, clock and allocation of the program here
// (turns_wraps in meson.build). With turns_free they are real threads in real time instead, for the thread
// sanitizer.
#ifndef TESTS_SIM_TURNS_H
#define TESTS_SIM_TURNS_H

#include "base/base.h"

typedef void turns_fn(void *context);
// A deadlock: every thread waits for another one.
typedef void turns_stuck_fn(const char *why);

void turns_init(u64 seed, bool free_running, turns_stuck_fn *stuck);
// A thread for the next turns_run; it does not run before.
void turns_add(turns_fn *fn, void *context);
// Run all threads to their end.
void turns_run(void);

// Let another thread have a turn, if the dice say so.
void turns_yield(void);
void turns_sleep(u64 ns);
void turns_idle(u64 ns); // the same for a thread that nobody waits for
u64 turns_now(void);     // ns since the start

// Of the next allocations in threads, one in `one_in` fails, `count` times in all; 0: none any more.
void turns_fail_memory(u32 one_in, u32 count);
// What the calling thread asks for is given from now on, or not. What was before.
bool turns_spare(bool on);

u64 dice_next(u64 *state);
u32 dice_below(u64 *state, u32 below);
// True once in n times.
bool dice_one_in(u64 *state, u32 n);

#endif
