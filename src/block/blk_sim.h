// SPDX-License-Identifier: Apache-2.0
// A simulated drive in memory: what "ram:BYTES" is made of, and what tests steer: several media that can be
// swapped, answers given in advance, errors at the n-th command, flipped bytes, power cuts. Every function
// here but blk_sim_cut may be called while commands run.
#ifndef BLOCK_BLK_SIM_H
#define BLOCK_BLK_SIM_H

#include "block/blk.h"

enum sim_kind {
    SIM_READ,
    SIM_WRITE,
    SIM_FLUSH,
    SIM_READY,
    SIM_START, // and on, in the order of enum blk_command
    SIM_LOAD,
    SIM_EJECT,
    SIM_PREVENT,
    SIM_ALLOW,
    SIM_KINDS
};

struct sim_answer {
    enum {
        SIM_GOOD,      // do it
        SIM_CHECK,     // fail with the sense below (recovered: succeed with it)
        SIM_NO_MEMORY, // INSUFFICIENT_RESOURCES without sense
        SIM_STUCK,     // wait for blk_sim_release, then do it
    } what;
    struct sense sense;
};
#define SIM_SENSE(key, asc, ascq) ((struct sim_answer){SIM_CHECK, {(key), (asc), (ascq), BLK_TRANSPORT_OK}})
#define SIM_TRANSPORT(t)          ((struct sim_answer){SIM_CHECK, {.transport = (t)}})

enum { SIM_MEDIA = 8, SIM_ANSWERS = 64, SIM_PLANS = 8 };

// flags: enum blk_flags. Medium 0 of this size is in; size 0: there is no medium yet.
nt_status blk_sim_new(u64 size, u32 flags, struct blk **out);

// One more medium, not yet in the drive; its number in *medium.
nt_status blk_sim_add_medium(struct blk *b, u64 size, bool readonly, u32 *medium);
// Put it in, in place of what was there. With attention the next command is told (6/28/00); without, the
// drive says nothing, as some do.
void blk_sim_insert(struct blk *b, u32 medium, bool attention);
void blk_sim_remove(struct blk *b);
// Before the n-th command from now on, or from the plan before this one, it comes in with attention.
void blk_sim_plan(struct blk *b, u64 n, u32 medium);
size_t blk_sim_planned(struct blk *b); // plans that are left

// The next TEST UNIT READY, reads and writes answer these, in order.
void blk_sim_answer(struct blk *b, struct sim_answer answer);
size_t blk_sim_answers_left(struct blk *b);
void blk_sim_release(struct blk *b); // let all stuck commands go on
bool blk_sim_is_stuck(struct blk *b);
// The n-th command of this kind from now on (1: the next) fails with this sense.
void blk_sim_fail(struct blk *b, enum sim_kind kind, u64 n, struct sense sense);

// Called as every command that touches the medium begins, on its thread and before it counts: it may wait, as
// a slow device does, and anything but SUCCESS is the command's answer. Set it before there are commands.
typedef nt_status sim_command_fn(void *context, enum sim_kind kind, u64 offset, struct sense *sense);
void blk_sim_watch(struct blk *b, sim_command_fn *fn, void *context);

// The bytes of a medium, whether it is in the drive or not.
void blk_sim_peek(struct blk *b, u32 medium, void *data, size_t len, u64 offset);
void blk_sim_poke(struct blk *b, u32 medium, const void *data, size_t len, u64 offset);
void blk_sim_flip(struct blk *b, u32 medium, u64 offset, u8 mask);

u64 blk_sim_count(struct blk *b, enum sim_kind kind); // commands that reached the drive

// --- a volatile cache: what is written to this medium is safe only after a flush -----------------

void blk_sim_cache(struct blk *b, u32 medium); // while there are no commands
// The cache is gone: each write since the last flush is kept, lost or torn, as the dice of this seed have it.
nt_status blk_sim_lose(struct blk *b, u32 medium, u64 seed);

// --- power cuts: medium 0 as a cut of the power would have left it -------------------------------

// Remember every write and flush from now on, until the first cut.
nt_status blk_sim_record(struct blk *b);
u64 blk_sim_recorded(struct blk *b); // writes so far
// The medium after the first `after` recorded writes; one more than there are includes what the end flushed.
// Seed 0: all of them are there. Any other seed: those that a flush covered are there, and each later one is
// kept, lost (with what an earlier one wrote there in its place) or torn, which keeps some of its 512-byte
// sectors; the same seed and cut throw the same dice. What is written after a cut is forgotten at the next.
// Cuts are asked for in ascending order.
nt_status blk_sim_cut(struct blk *b, u64 after, u64 seed);

#endif
