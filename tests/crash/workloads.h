// SPDX-License-Identifier: Apache-2.0
// The workloads that are cut short: each does one kind of work, in an order and with sizes that follow from
// the seed.
#ifndef TESTS_CRASH_WORKLOADS_H
#define TESTS_CRASH_WORKLOADS_H

#include "tests/crash/work.h"

struct workload {
    const char *name;
    void (*run)(struct work *w);
    struct work_volume volume;
};

extern const struct workload workloads[];
extern const u32 workload_count;

#endif
