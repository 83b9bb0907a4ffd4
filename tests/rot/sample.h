// SPDX-License-Identifier: Apache-2.0
// Some of everything that a volume can hold, and a copy of all of it in memory, so that a volume whose medium
// rots or fails can be compared with what it must give.
#ifndef TESTS_ROT_SAMPLE_H
#define TESTS_ROT_SAMPLE_H

#include "tests/test.h"

#include <holdfast/ntfile.h>
#include <holdfast/winioctl.h>

#include "engine/engine.h"

enum { SAMPLE_STREAMS = 4, SAMPLE_XATTRS = 4, SAMPLE_OBJECTS = 512, SAMPLE_TEXT = 400 };

struct sample_stream {
    char name[32]; // "": the default stream
    struct stream_info info;
    u8 *data;
};

struct sample_xattr {
    char name[32];
    u32 length;
    u8 *value;
};

struct sample_object {
    struct sample_object *parent; // NULL for the root
    struct dirent entry;
    struct inode inode;
    u8 *reparse;
    u32 reparse_length;
    struct sample_stream streams[SAMPLE_STREAMS];
    u32 stream_count;
    struct sample_xattr xattrs[SAMPLE_XATTRS];
    u32 xattr_count;
};

struct sample {
    struct sample_object *objects; // a directory before its children
    u32 count;
    u8 *room; // as long as the longest stream
};

// Fill a volume until no file of 60,000 bytes finds room any more. Each round replaces most of the one
// before.
void sample_fill(struct store *s, u32 round);
void sample_take(struct store *s, struct sample *sample);
void sample_free(struct sample *sample);

struct verdict {
    u32 errors;              // reads that gave the status of a damaged medium
    u64 stale;               // bytes that differ where nobody promised sums
    char wrong[SAMPLE_TEXT]; // what must never be; "": nothing
};
enum sample_depth { SAMPLE_NAMES, SAMPLE_DATA };
// Ask the volume for everything that it held when the sample was taken.
void sample_compare(struct store *s, const struct sample *sample, enum sample_depth depth, struct verdict *v);
// What a medium that rots or fails may answer; anything else is a wrong answer.
bool sample_may_say(nt_status status);

#endif
