// SPDX-License-Identifier: Apache-2.0
// What the process that works and the one that watches share, in memory that outlives the first: what each
// thread has begun, and what a returned flush covered. The volume must hold at least the latter.
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <holdfast/holdfast.h>

enum {
    THREADS_MOST = 8,
    NAMES = 16,    // files that come and go, a thread
    RECORD = 1000, // bytes in a record of the log
    RECORDS_MOST = 2000,
    VERSION_BYTES = 30000, // most in a version of the file that is replaced as a whole
};

enum name_state { NAME_GONE, NAME_THERE, NAME_EITHER };

struct promise {
    _Atomic uint32_t log_begun, log_flushed; // records: the log has all flushed ones, no half-right byte
    _Atomic uint32_t version_begun, version_flushed; // the file is wholly one version between the two
    _Atomic uint8_t names[NAMES];                    // enum name_state
};

struct shared {
    _Atomic uint64_t operations, flushes; // counted by all threads
    _Atomic bool failed;
    char text[512]; // why
    struct promise promises[THREADS_MOST];
};

// The work of a process: never returns unless something is not as it should be.
int work(struct shared *shared, uint64_t seed, uint32_t threads);
// Open what is there and compare it with what was promised; afterwards the promises are what is there.
bool verify(struct shared *shared, uint32_t threads);

uint64_t random_next(uint64_t *state);
uint32_t random_below(uint64_t *state, uint32_t below);
void fill(uint32_t thread, uint32_t version, uint64_t offset, uint8_t *data, uint32_t length);
uint32_t version_length(uint32_t thread, uint32_t version);
__attribute__((format(printf, 2, 3))) bool fail(struct shared *shared, const char *format, ...);
nt_status open_file(const char *name, uint32_t disposition, uint32_t options, hf_handle *h);

#endif
