// SPDX-License-Identifier: Apache-2.0
// What hf_dump tells of a volume's bytes: things in the order in which they lie or refer to one another, each
// a list of named values. The names are those of docs/FORMAT.md. For people who look at an odd volume; what
// is told may grow with any version.
#ifndef HOLDFAST_DUMP_H
#define HOLDFAST_DUMP_H

#include <stdbool.h>
#include <stdint.h>

enum hf_dump_what {
    HF_DUMP_SUPERBLOCK, // the places of superblocks
    HF_DUMP_TREE,       // the pages of the tree, each before those below it, and their records
    HF_DUMP_SPACE,      // the pages of the space map, and what they count
    HF_DUMP_LOG,        // the log area's entries
    HF_DUMP_PAGE,       // what lies at one address
};

enum hf_dump_type {
    HF_DUMP_NUMBER,
    HF_DUMP_HEX,  // a number that is read better in hex: sums, flags
    HF_DUMP_TIME, // 100 ns since 1601
    HF_DUMP_TEXT, // bytes that are UTF-8, without a NUL at the end
    HF_DUMP_BYTES,
};

struct hf_dump_field {
    const char *name;
    enum hf_dump_type type;
    uint64_t number;
    const void *bytes; // TEXT and BYTES
    uint32_t length;
};

struct hf_dump_item {
    const char *kind; // "superblock", "page", "record", "region", "log", "entry", "item", "bytes", "problem"
    uint32_t depth;   // below how many of the things before it
    uint32_t count;
    const struct hf_dump_field *fields;
};

// False: that was enough. The item is gone when it returns.
typedef bool hf_dump_fn(void *context, const struct hf_dump_item *item);

#endif
