// SPDX-License-Identifier: Apache-2.0
// Every byte on disk. Normative text: docs/FORMAT.md, compared with this file by a test. Each field's comment
// begins with its byte offset. All integers are little endian, except inside keys, which memcmp must order.
#ifndef ENGINE_FORMAT_H
#define ENGINE_FORMAT_H

#include "base/base.h"

enum {
    FORMAT_VERSION = 1,
    PAGE_SIZE = 16384, // metadata pages, and the unit in which reads of integrity streams are checked
    SUPER_SIZE = 4096,
    // The two superblock slots lie at 0 and at this offset, and again mirror_gap further.
    SUPER_SPACING = 65536,
    SUPER_AREA = 131072, // what both slots occupy
    TREE_LEVELS_MAX = 10,
    KEY_MAX = 9 + 8 + 765, // object, kind, parent, name
    VALUE_MAX = 4096,
    GROUP_UNITS = 4, // a group is one page at 4 KiB clusters, one cluster at 64 KiB clusters
    SPACE_LEAF_UNITS = 122880,
    SPACE_FANOUT = 400,
    SPACE_LEVELS_MAX = 4,
    EXTENT_SUM_BYTES = 1024,     // most checksum bytes in one extent record
    EXTENT_CLUSTERS_MAX = 16384, // most clusters in an extent without sums
    REFERENCES_MAX = 8175,       // streams that may share a cluster
    LOG_BLOCK = 4096,
    LOG_BLOCKS_MAX = 256,
};

// Counters (generations, numbers of objects) begin low and count up by one: none of a real volume gets here.
// One that claims so is opened for reading only, so that no counter ever wraps.
#define COUNTER_END (1ull << 63)

#define SUPER_MAGIC "HOLDFAST"
#define PAGE_MAGIC  0x47504648u // "HFPG"
#define LOG_MAGIC   0x474C4648u // "HFLG"

// Features a reader must know: bits outside FEATURES_KNOWN refuse the mount. FEATURE_LOG: there is a log
// area, whose entries belong to the volume's state; a volume that was closed has none. Features a writer must
// know: bits outside WRITER_FEATURES_KNOWN make the mount read-only. FEATURE_POSIX: a record has (or had) an
// owner, a mode, a device, nanoseconds or an extended attribute. FEATURE_PLAIN: an entry is (or was) plain.
// Each is set with the first of what it names.
#define FEATURE_LOG           1ull
#define FEATURES_KNOWN        FEATURE_LOG
#define FEATURE_POSIX         1ull
#define FEATURE_PLAIN         2ull
#define WRITER_FEATURES_KNOWN (FEATURE_POSIX | FEATURE_PLAIN)

// Where a tree page is and what it must contain. birth is the generation that wrote it.
struct raw_ptr {
    le64 addr[2]; // 0: byte addresses of the two copies; the second is 0 on a volume with one copy
    le64 birth;   // 16: generation
    le64 sum;     // 24: CRC-64/XZ of the page
};
_Static_assert(sizeof(struct raw_ptr) == 32, "raw_ptr");

// Where a space-map page is: a fixed place with two slots, so only the slot is stored. birth 0: never
// written, all free.
struct raw_space_ptr {
    le64 birth;  // 0: generation
    le64 sum;    // 8: CRC-64/XZ of the page
    le64 free;   // 16: free units below
    le64 groups; // 24: groups below that are wholly free
    u8 slot;     // 32: 0 or 1
    u8 pad[7];   // 33: zero
};
_Static_assert(sizeof(struct raw_space_ptr) == 40, "raw_space_ptr");

struct raw_super {
    u8 magic[8];                // 0: SUPER_MAGIC
    le32 version;               // 8: FORMAT_VERSION
    le32 page_size;             // 12: PAGE_SIZE
    u8 uuid[16];                // 16: of the volume
    le64 incompat;              // 32: features that every reader must know
    le64 ro_compat;             // 40: features that every writer must know
    le64 options;               // 48: enum store_option
    le64 generation;            // 56: of this commit; the slot is generation modulo 2
    le64 units;                 // 64: units in the volume
    le32 unit_size;             // 72: min(cluster, 16384)
    le32 cluster_size;          // 76: 4096 or 65536
    le64 mirror_gap;            // 80: distance of second copies at fixed places, bytes; 0 with one copy
    le64 free;                  // 88: free units
    le64 groups;                // 96: groups that are wholly free
    le64 next_object;           // 104: the next id to be given
    le64 created;               // 112: time of the format
    le64 committed;             // 120: time of this commit
    struct raw_ptr tree;        // 128: root of the tree
    struct raw_space_ptr space; // 160: root of the space map
    le32 serial;                // 200: volume serial number
    u8 copies;                  // 204: of metadata pages, 1 or 2
    u8 tree_level;              // 205: level of the tree's root, 0 for a leaf
    u8 space_level;             // 206: level of the space map's root
    u8 label_length;            // 207: bytes
    u8 label[96];               // 208: UTF-8
    le64 log_unit;              // 304: first unit of the log area; 0: there is none
    le32 log_blocks;            // 312: its length, in blocks of LOG_BLOCK bytes
    u8 reserved[3772];          // 316: zero
    le64 sum;                   // 4088: CRC-64/XZ of the 4088 bytes before
};
_Static_assert(sizeof(struct raw_super) == SUPER_SIZE, "raw_super");

// An entry of the log, at the start of a block; items follow, and zeros up to the next block.
struct raw_log {
    le32 magic;       // 0: LOG_MAGIC
    le32 length;      // 4: bytes, with this head
    u8 volume[16];    // 8: uuid of the volume
    le64 generation;  // 24: of the commit that it follows
    le64 super_sum;   // 32: sum of that commit's superblock
    le64 sequence;    // 40: entries of this commit before it
    le64 next_object; // 48: the next id to be given
    le64 sum;         // 56: CRC-64/XZ of the entry, with zero here
};
_Static_assert(sizeof(struct raw_log) == 64, "raw_log");

// What an entry says of a record or of units: lengths, key, value. Of units the key is the first (le64), the
// value how many (le64).
struct raw_log_item {
    u8 kind;           // 0: enum log_item
    u8 pad[3];         // 1: zero
    le16 key_length;   // 4: bytes
    le16 value_length; // 6: bytes
};
_Static_assert(sizeof(struct raw_log_item) == 8, "raw_log_item");
enum log_item {
    LOG_PUT = 1,    // the record is this now
    LOG_PATCH = 2,  // a part of the record is this now; the value begins with its offset (le16)
    LOG_DELETE = 3, // there is no such record any more; no value
    LOG_TAKE = 4,   // units that are in use now
    LOG_GIVE = 5,   // units that were taken since the commit and are free again
    LOG_HOLD = 6,   // units that are free with the next commit
};

enum page_kind { PAGE_TREE = 1, PAGE_SPACE = 2 };

// The head of every page. In a tree page, count 2-byte record offsets follow it in key order, records fill
// the page from its end. In a space page above level 0, count raw_space_ptr follow; at level 0 the bitmap
// follows (1: in use).
struct raw_page {
    le32 magic;    // 0: PAGE_MAGIC
    u8 kind;       // 4: enum page_kind
    u8 level;      // 5: 0 for leaves
    le16 count;    // 6: records or pointers
    le64 addr[2];  // 8: byte addresses of both copies; a page found anywhere else was misdirected
    le64 birth;    // 24: generation
    u8 volume[16]; // 32: uuid of the volume
    le16 heap;     // 48: tree: offset of the lowest record
    le16 gaps;     // 50: tree: bytes of removed records above heap
    u8 pad[12];    // 52: zero
};
_Static_assert(sizeof(struct raw_page) == 64, "raw_page");

enum { PAGE_ROOM = PAGE_SIZE - 64 };

// A record in a tree page: lengths, key, value. In a page above level 0 the value is a raw_ptr and the key
// the lower bound of the child; the first key of such a page is empty.
struct raw_record {
    le16 key_length;   // 0: bytes
    le16 value_length; // 2: bytes
};
_Static_assert(sizeof(struct raw_record) == 4, "raw_record");

// Keys: object (big endian u64), kind (u8), then what the kind says.
enum record_kind {
    KIND_INODE = 1,   // -> raw_inode
    KIND_LINK = 2,    // parent (big endian u64), folded name -> the name
    KIND_STREAM = 3,  // folded name -> raw_stream, the name
    KIND_REPARSE = 4, // byte offset (big endian u64) -> a piece of the buffer, 4096 bytes but for the last
    KIND_XATTR = 5,   // name, NUL, piece (big endian u16) -> raw_xattr in piece 0, a piece of the value
    KIND_DIRENT = 8,  // folded name -> raw_dirent, the name
    KIND_EXTENT = 9,  // first cluster in the stream (big endian u64) -> raw_extent, sums
    KIND_UPCASE = 16, // in OBJECT_VOLUME; byte offset (big endian u64) -> a piece of the packed case table
    KIND_REFS = 17,   // in OBJECT_REFS; first unit (big endian u64) -> raw_refs
    KIND_ORPHAN = 18, // in OBJECT_ORPHANS; object (big endian u64) -> nothing
    KIND_TAG = 19,    // in OBJECT_TAGS; tag and object (big endian u32, u64) -> nothing
};

// Objects that are not files.
enum { OBJECT_VOLUME = 1, OBJECT_REFS = 2, OBJECT_ORPHANS = 3, OBJECT_TAGS = 4, OBJECT_FIRST = 17 };

struct raw_stream {
    le64 size;      // 0: bytes
    le64 allocated; // 8: bytes
    le64 data;      // 16: object whose extents these are
    le16 algorithm; // 24: CHECKSUM_TYPE_*, as set
    le16 flags;     // 26: STREAM_*
    u8 pad[4];      // 28: zero
};
_Static_assert(sizeof(struct raw_stream) == 32, "raw_stream");
enum { STREAM_ENFORCEMENT_OFF = 1, STREAM_SPARSE = 2, STREAM_SHARED = 4, STREAM_FLAGS = 7 };

struct raw_inode {
    le32 attributes;        // 0: FILE_ATTRIBUTE_*
    le32 links;             // 4: names
    le64 created;           // 8: time
    le64 accessed;          // 16: time
    le64 written;           // 24: time
    le64 changed;           // 32: time
    le32 reparse_tag;       // 40: 0 for none
    le32 mode;              // 44: st_mode with its type; 0: mode and owner were never set
    le32 uid;               // 48: owner
    le32 gid;               // 52: group
    le32 device;            // 56: of a device node
    u8 nanos[4];            // 60: nanoseconds to add to the four times, 0 to 99 each
    struct raw_stream data; // 64: the default stream; of a directory: what its children inherit
};
_Static_assert(sizeof(struct raw_inode) == 96, "raw_inode");

struct raw_dirent {
    le64 object;  // 0: what it names
    u8 directory; // 8: 1 for a directory
    u8 plain;     // 9: 1: what it names has no reparse data; else it may have
    u8 pad[2];    // 10: zero
};
_Static_assert(sizeof(struct raw_dirent) == 12, "raw_dirent");

// Clusters of a stream that lie together. Sums follow when EXTENT_SUMMED: one of 4 bytes (CRC-32C) per 4 KiB
// cluster, or four of 8 bytes (CRC-64/XZ) per 64 KiB cluster, one for each unit.
struct raw_extent {
    le64 unit;     // 0: first unit
    le32 clusters; // 8: length
    le32 flags;    // 12: EXTENT_*
    le64 birth;    // 16: generation that wrote it
};
_Static_assert(sizeof(struct raw_extent) == 24, "raw_extent");
enum { EXTENT_SUMMED = 1, EXTENT_SHARED = 2, EXTENT_FLAGS = 3 };

// Begins piece 0 of an extended attribute. Pieces have 4096 bytes with it, but for the last.
struct raw_xattr {
    le32 length; // 0: of the whole value, bytes
};
_Static_assert(sizeof(struct raw_xattr) == 4, "raw_xattr");

// Units that more than one extent uses.
struct raw_refs {
    le32 units; // 0: length
    le32 count; // 4: extents, 2 to REFERENCES_MAX
};
_Static_assert(sizeof(struct raw_refs) == 8, "raw_refs");

#endif
