// SPDX-License-Identifier: Apache-2.0
// What a volume was, step by step: the model that a volume is compared with after a power cut. Its state is a
// set of facts (a name, a stream, an owner ...); each keeps all its versions, so that the state at any step
// can be asked for later.
#ifndef TESTS_CRASH_HISTORY_H
#define TESTS_CRASH_HISTORY_H

#include "base/base.h"

enum fact_kind {
    FACT_NAME,    // path -> the object's id (data: 8 bytes, and one: is it a directory)
    FACT_STREAM,  // id and stream name -> content; flags: the checksum algorithm
    FACT_REPARSE, // id -> the buffer
    FACT_OWNER,   // id -> mode, owner, device, nanoseconds
    FACT_XATTR,   // id and name -> the value
};

enum { FACT_KEY = 96 };
#define NO_FACT UINT32_MAX

struct version {
    u32 step; // the first one that has it
    bool exists;
    u32 flags;
    u64 size, sum;
    u8 *data;
};

struct fact {
    enum fact_kind kind;
    char key[FACT_KEY];
    struct version *versions;
    u32 count, room;
};

struct step {
    u64 writes;   // that the device had seen when it was over
    u32 facts;    // that exist
    u32 gradual;  // the stream that it changed piece by piece, or NO_FACT
    bool durable; // it was a commit that returned
    char text[FACT_KEY];
};

struct history {
    struct fact *facts;
    struct step *steps;
    u32 fact_count, fact_room, step_count, step_room;
    u32 existing;
    u32 gradual; // of the step that is being made
    u32 cluster;
};

void history_init(struct history *h, u32 cluster);
void history_free(struct history *h);

// Index of a fact, made when it is new. What exists now: NULL when it does not.
u32 history_fact(struct history *h, enum fact_kind kind, const char *key);
const struct version *history_now(const struct history *h, u32 fact);
// Part of the step that is being made.
void history_set(struct history *h, u32 fact, u32 flags, const void *data, u64 size);
void history_drop(struct history *h, u32 fact);
// The step is over.
void history_step(struct history *h, const char *text, u64 writes, bool durable);

// What a volume was found to hold.
struct found {
    u32 fact; // NO_FACT: nothing of that name ever was
    char key[FACT_KEY];
    u32 flags;
    u64 size, sum;
    const u8 *data;
};
struct finding {
    struct found *items;
    u32 count, room;
    u8 *bytes; // all data, in one piece
    size_t used, size;
};

void finding_clear(struct finding *f);
void finding_free(struct finding *f);
// Room for so many bytes, to be filled before finding_add.
u8 *finding_room(struct finding *f, u64 size);
void finding_add(struct finding *f, const struct history *h, enum fact_kind kind, const char *key, u32 flags,
                 u64 size);

// Is this the volume's state at some step that a cut after so many writes may leave: one at or after the last
// commit that had returned, at or before the step that was being made? *why: the nearest step and what is
// different there.
bool history_allows(const struct history *h, const struct finding *f, u64 writes, char *why, size_t why_size);

#endif
