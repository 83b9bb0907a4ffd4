// SPDX-License-Identifier: Apache-2.0
// What the simulator's files share. A history is drawn from a seed: a plan (what volume, how many threads,
// which trouble), then lives of the volume, each from a mount to a dismount or a cut of the power.
//
//   sim.c      plans, histories in processes of their own, shrinking, what is printed
//   turns.c    threads that take turns: the same schedule for the same seed
//   world.c    the drive, its media, and all that goes wrong with them
//   work.c     what the threads do, and every look at the volume between two lives
//   promise.c  what the volume may answer: docs/DESIGN.md, "What it promises", P1 ...
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "block/blk_sim.h"
#include "fs/fs.h"
#include "tests/sim/turns.h"

// --- sim.c ---------------------------------------------------------------------------------------

// What can go wrong; bits of plan.troubles.
#define TROUBLES(X)     X(READ) X(WRITE) X(FLUSH) X(READY) X(PULL) X(SWAP) X(CACHE) X(MEMORY) X(CUT) X(MOUNT)
#define TROUBLE_ENUM(n) TROUBLE_##n,
enum trouble { TROUBLES(TROUBLE_ENUM) TROUBLE_COUNT };

enum other_medium { OTHER_BLANK, OTHER_VOLUME, OTHER_COPY, OTHERS };

struct plan {
    u64 seed;
    u32 cluster, copies, megabytes, cache_kib;
    u32 threads, operations, lives, files;
    u32 latency_us;  // most, of a command
    u32 troubles;    // 1 << enum trouble
    u32 other;       // enum other_medium
    u32 ballast_mib; // that a file takes from the start
    bool removable, tight, convert;
    bool free_running;
};

// A promise is broken: say so and end the history.
__attribute__((format(printf, 2, 3))) _Noreturn void sim_broken(const char *promise, const char *format, ...);

// --- world.c -------------------------------------------------------------------------------------

enum { MEDIUM_OURS, MEDIUM_OTHER, MEDIUM_NONE };

struct world {
    const struct plan *plan;
    struct blk *sim;
    struct device *drive, *volume; // volume: NULL while nothing of ours is mounted
    struct file_object anchor;     // of the volume itself: open while it is, and hears of every loss
    u8 uuid[16];
    u64 dice;
    _Atomic bool dead;                   // the power is cut
    _Atomic u32 working;                 // threads that have not ended
    _Atomic u64 happened[TROUBLE_COUNT]; // when last
    u64 other_size;
    _Atomic u64 copy_was_in;
};

void world_make(struct world *w, const struct plan *plan);
// Trouble until the work is over: a thread.
void world_trouble(void *world);
// All is well again, and our medium is in the drive.
void world_calm(struct world *w);
// After world_calm: the power was cut, and is back.
void world_revive(struct world *w);
nt_status world_mount(struct world *w);
nt_status world_dismount(struct world *w);
// What happened so far is no excuse any more: all is whole again.
void world_forget(struct world *w);
bool world_happened(const struct world *w, enum trouble what, u64 since);
bool world_any(const struct world *w, u64 since);
struct blk *world_copy(struct world *w, u32 medium, u64 size); // in a drive of its own
// P6: bytes of the medium that nobody mounted.
void world_check_other(struct world *w);

// --- promise.c -----------------------------------------------------------------------------------

enum { BLOCK = 512, FILES_MOST = 12 };

enum op_state { OP_RUNNING, OP_DONE, OP_REFUSED, OP_MAYBE };

// One change that a thread makes; the versions that it makes belong to it.
struct op {
    u64 begin, end; // logical time
    enum op_state state;
    bool doubtful; // a report said that it may be lost
    u32 number;    // what its blocks are filled with
    const char *what;
    struct op *next;
};

struct version {
    struct op *op;
    u64 low, value; // a state of the file: any from low to value; a block: value
    bool refused;   // this one was not done though the op was, in part
    bool seen;      // while the op was running
};

struct past {
    struct version *at;
    u32 count, room;
};

// A file: what it was, version by version. Its size + 1 (0: there is no file), and each block's content.
struct file {
    char name[16];
    u32 index;
    bool summed;
    u32 blocks;             // most
    pthread_rwlock_t life;  // exclusive: make and delete
    pthread_mutex_t writer; // one change at a time
    struct past state, *block;
    u64 sure; // when its state was last asked for
};

extern struct file files[FILES_MOST];

u64 promise_tick(void);
void promise_make(const struct plan *plan);
struct op *op_begin(const char *what);
void op_end(struct op *op, enum op_state state);
u64 block_value(const struct op *op, u32 block, u32 length);
void block_fill(u64 value, u8 *data);
void state_set(struct file *f, struct op *op, u64 low, u64 value);
void block_set(struct file *f, u32 block, struct op *op, u64 value);
// Cut the block's content, whatever it is now, to length bytes.
void block_cut(struct file *f, u32 block, struct op *op, u32 length);
void block_copy(struct file *f, u32 block, struct op *op, const struct file *from, u32 from_block,
                u32 length);
void blocks_clear(struct file *f, u32 first, u32 end, struct op *op);
// What the op said of this block from now on, is not so: it was refused.
void block_refuse(struct file *f, u32 block, struct op *op);
u64 state_now(const struct file *f); // as its writer knows it
bool state_is_sure(const struct file *f);

// What was flushed, and what was reported lost.
void promise_flushed(u64 begin);
void promise_lost(u64 begin);
bool promise_was_lost(void); // since the last look
// A look found bytes that the device lost, and has removed the file.
void promise_gone(struct file *f);
// From now on readers may find what the last flush promised, and nothing newer: all as of one moment after a
// cut, otherwise each for itself.
void promise_cut(void);
void promise_rolls_back(void);
// The same, and the device forgot bytes that it was given.
void promise_forgets(void);

// P1, P3: a reader that began at `begin` found this.
void promise_state(struct file *f, u64 begin, u64 state);
void promise_end_of_file(struct file *f, u64 begin, u64 offset);
// False: bytes without sums that the device lost; they may be any.
bool promise_read(struct file *f, u64 begin, u64 offset, const u8 *data, u64 length);
// P2: between look_begin and look_end all that is found must be of one moment; then it is what there is.
void promise_look_begin(void);
void promise_look_end(void);

// --- work.c --------------------------------------------------------------------------------------

struct worker {
    struct world *world;
    struct file_object volume; // hears of every loss of its time
    u64 dice;
    u32 index;
    u8 data[1 << 20];
};

void work_thread(void *worker);
// A handle of the volume: keeps it while its medium is away. False: the volume is not there.
bool work_open_volume(struct world *w, struct file_object *handle);
// A flush through such a handle, and what it says of losses.
void work_flush(struct world *w, struct file_object *handle);
void work_make(struct world *w);     // the files that there are at first
void work_look(struct world *w);     // at everything, on a mounted volume that nobody uses
void work_readonly(struct world *w); // P7: a look by one who may not write
void work_damage(struct world *w);
void work_check(struct world *w); // P8, P9

#endif
