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
    char text[512]; // what is not as it should be
    uint32_t full;  // operations that found the volume full
};

// False: something is not as it should be, text tells.
bool play_begin(struct play *p, const struct play_options *options);
bool play_op(struct play *p, const struct op *op);
bool play_compare(struct play *p); // everything
bool play_end(struct play *p);     // and check the volume

#endif
