// SPDX-License-Identifier: Apache-2.0
// What a volume should hold, in memory, and what each operation should answer: a few arrays and plain loops,
// so simple that it is right. It knows nothing of Holdfast but its statuses and constants.
//
// An operation names files by path, never by "the n-th that exists": when others are left out of a history it
// still means the same, which is what makes shrinking work.
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <holdfast/ntfile.h>
#include <holdfast/ntstatus.h>
#include <holdfast/winioctl.h>

#include <stdbool.h>

enum {
    NAMES = 10,      // names; each has two spellings that differ in case
    DIRECTORIES = 3, // those that directories mostly get
    DEPTH_MAX = 3,   // components of a path
    STREAMS = 3,     // the default stream and two named ones
    NODES = 400,     // files and directories, the root included
    ENTRIES = 600,   // names of them

    XATTRS = 3, // names of extended attributes

    REPARSE_MOST = 9000,
    XATTR_MOST = 65536,
    LENGTH_MOST = 200000, // of a write or a read
    ROOT = 0,
};

enum kind {
    OP_OPEN, // with any disposition, kind and stream
    OP_MKDIR,
    OP_WRITE,
    OP_APPEND,
    OP_SIZE,
    OP_ZERO,
    OP_READ,
    OP_RENAME,
    OP_LINK,
    OP_DELETE,
    OP_DELETE_STREAM,
    OP_REPARSE_SET,
    OP_REPARSE_DELETE,
    OP_INTEGRITY,
    OP_OWNER, // mode, owner, time of creation
    OP_XATTR_SET,
    OP_XATTR_REMOVE,
    OP_EXCHANGE, // if both are there
    OP_CLONE,    // clusters of the file at `to`, if both are there: seed is the offset there
    OP_LIST,
    OP_FLUSH,
    OP_REOPEN,
    OP_KINDS
};

struct path {
    uint8_t depth;            // 1 to DEPTH_MAX
    uint8_t names[DEPTH_MAX]; // name * 2 + spelling
};

struct op {
    enum kind kind;
    struct path path, to;
    uint8_t stream;
    uint8_t disposition, xattr;
    bool directory, plain; // ask for a directory; for anything but one
    bool replace, posix;
    bool creates; // a write that makes what is not there
    uint32_t offset, length, seed;
};

struct stream_model {
    bool exists;
    uint8_t *bytes;
    uint32_t size;
    bool summed, off;
};
struct xattr_model {
    bool exists;
    uint32_t length, seed;
};
struct node {
    bool used, directory;
    uint32_t links;
    uint64_t id; // as the volume calls it, once known
    struct stream_model streams[STREAMS];
    uint32_t tag, reparse_length, reparse_seed;
    bool owned, born; // owner is the seed of mode and owner; created that of a time of creation
    uint32_t owner, created;
    struct xattr_model xattrs[XATTRS];
};
struct entry {
    bool used;
    uint16_t parent, node;
    uint8_t name;
};
struct model {
    bool case_sensitive;
    struct node nodes[NODES];
    struct entry entries[ENTRIES];
};

void model_init(struct model *m, bool case_sensitive, bool integrity);
void model_free(struct model *m);
void model_copy(struct model *to, const struct model *from); // to: free or never used
// Do it; the status that a volume must give.
nt_status model_do(struct model *m, const struct op *op);
nt_status model_create(struct model *m, const struct op *op); // the first half of a write that creates
bool model_has_room(const struct model *m);                   // for one more name
nt_status model_find(const struct model *m, const struct path *path, struct entry **entry);
void model_write(struct stream_model *s, uint32_t offset, uint32_t length, uint32_t seed);
void model_bytes(uint32_t seed, uint32_t length, uint8_t *out); // what is written
struct op model_op(uint64_t seed, uint32_t number);             // the operation of a history
void model_print_op(const struct op *op, uint32_t number);
const char *model_name(uint8_t name);
extern const char *const model_stream_names[STREAMS], *const model_xattr_names[XATTRS];

#endif
