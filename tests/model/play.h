// SPDX-License-Identifier: Apache-2.0
// Operations of the model on a real volume, and the comparison of the two.
#ifndef TESTS_MODEL_PLAY_H
#define TESTS_MODEL_PLAY_H

#include "tests/model/model.h"

struct play_options {
    const char *name;
    uint32_t cluster, copies, megabytes;
    bool integrity, case_sensitive;
};

struct play {
    struct model model;
    char spec[64];
    int fd;
    uint32_t cluster;
    char text[512]; // what is not as it should be
    uint32_t full;  // operations that found the volume full
};

// False: something is not as it should be, text tells.
bool play_begin(struct play *p, const struct play_options *options);
bool play_op(struct play *p, const struct op *op);
// The parts of it. False: an operation that means nothing now.
bool play_prepare(struct play *p, struct op *op);
nt_status play_do(const struct play *p, const struct op *op, bool *opened); // on the volume alone
// What a failed operation did, as the volume shows it: nothing, but of a write a beginning, of a zeroing a
// part.
void play_part(struct play *p, const struct op *op, bool opened);
bool play_compare(struct play *p); // everything
bool play_end(struct play *p);     // and check the volume

#endif
