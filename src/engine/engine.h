// SPDX-License-Identifier: Apache-2.0
// The self-checking copy-on-write store: what the file-system driver may know of it. Works on any blk; no IRP
// in sight.
//
//   store --- one B+tree of 16 KiB pages: (object, kind, offset or name) -> record
//     |         inodes, directory entries, links, named streams, extents with their checksums, reparse data,
//     |         extended attributes
//     +------ space map: which units are in use, in fixed places, two slots a page
//     +------ page cache: bounded; every page checked when read, sealed when written
//
// Transactions: every change happens between txn_begin and txn_end and is all or nothing, in memory at once
// and on disk with the next commit or flush. A commit is two flushes round one superblock write; what was
// committed never changes in place. A flush of little writes records to a log instead (log.c).
//
// Locks, in the order in which they are taken (left first; each may be skipped):
//   the caller's (fs) -> stream.writer -> txn gate (shared: txn_begin..txn_end; exclusive: a commit's seal)
//   -> stream.lock -> store.ref_mutex -> tree.mutex (writers) -> root latch -> page latches, parent before
//   child -> space.mutex -> cache stripe.
// Readers of the tree take only the root latch and latches. A stream's readers share stream.lock. This lock
// and the root latch are holds (base/hold.h): no thread may take one twice, so a tree_visit looks nothing up,
// and who listens to events calls nothing.
//
// All functions may be called from any thread. The caller keeps changes of one object (its inode, names,
// reparse data) apart by locks of its own; streams protect themselves.
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <holdfast/dump.h>

#include "base/text.h"
#include "block/blk.h"

struct store;
struct txn;
struct stream;

// --- volumes -------------------------------------------------------------------------------------

// Volume options, chosen at format, kept in the superblock (docs/FORMAT.md).
enum store_option {
    OPTION_CASE_SENSITIVE = 1 << 0,
    OPTION_NO_INTEGRITY = 1 << 1, // a volume that does not implement integrity
    OPTION_NO_REPARSE = 1 << 2,   // a volume without reparse points
    OPTION_INTEGRITY_ANY =
        1 << 3, // integrity of non-empty files may change (MS-FSA); default: empty files only (seed)
    OPTION_INTEGRITY_V1 = 1 << 4,   // ReFS 1.x checks of ChecksumAlgorithm
    OPTION_INTEGRITY_ECHO = 1 << 5, // GET returns the algorithm that was set, not the one of the cluster size
    OPTION_SETEX_ANY = 1 << 6,      // SET_INTEGRITY_INFORMATION_EX needs no access right (strict MS-FSA)
    OPTION_ALL = (1 << 7) - 1,
};

enum { STORE_LABEL_UNITS = 32, STORE_LABEL_BYTES = STORE_LABEL_UNITS * 3 };

struct store_format_options {
    u32 cluster;      // 4096 or 65536
    u8 copies;        // of metadata pages and superblocks: 1 or 2 (0 means 2)
    bool integrity;   // integrity on the root directory, so on everything created below it
    u64 options;      // enum store_option
    struct str label; // at most STORE_LABEL_UNITS UTF-16 units
};

struct store_identity {
    u8 uuid[16];
    u32 serial;
    u64 generation; // newest valid superblock
    u64 size;       // bytes that the volume uses
};

struct store_info {
    struct store_identity identity;
    char label[STORE_LABEL_BYTES + 1];
    u64 options;
    u32 cluster;
    u32 sector;
    u8 copies;
    bool readonly;                     // opened read-only, or turned so by a failed metadata write
    nt_status failed;                  // why it turned read-only; SUCCESS when it did not
    u64 total_clusters, free_clusters; // free: what writers may still get
    u64 created;
};

// Write an empty volume over whatever is there, using blk->size. INVALID_PARAMETER: bad option, or a size
// that is too small (STORE_SIZE_MIN) or absurd.
#define STORE_SIZE_MIN(cluster) ((cluster) == 65536 ? 16 * MIB : 4 * MIB)
nt_status store_format(struct blk *b, const struct store_format_options *options);

// What medium is this? UNRECOGNIZED_VOLUME: not ours. DISK_CORRUPT_ERROR: ours, but no superblock is whole.
// With the device's status and identity->generation above 0: the newest one may be where it cannot be read
// now.
nt_status store_identify(struct blk *b, struct store_identity *identity);

// What the newest superblock says of a volume that somebody else may be writing to, for reports only. The
// statuses of store_identify, and VOLUME_NOT_UPGRADED.
struct store_facts {
    struct store_info info; // free_clusters: all that are free
    u32 version;
    u64 committed;     // time
    u8 superblocks;    // copies of the newest one that are not damaged
    bool posix;        // FEATURE_POSIX
    bool plain;        // FEATURE_PLAIN
    bool log;          // FEATURE_LOG
    bool later_writer; // has features that writers must know and this version does not
};
nt_status store_look(struct blk *b, struct store_facts *facts);

enum store_flags {
    STORE_READONLY = 1,
    STORE_SCRUB = 2, // leave damaged copies of metadata for store_scrub to find, repair and report
};
// cache_bytes 0: the default of 64 MiB. UNRECOGNIZED_VOLUME, DISK_CORRUPT_ERROR (also when the device is
// smaller than the volume), VOLUME_NOT_UPGRADED (unknown incompatible feature). A read-only blk opens
// read-only.
nt_status store_open(struct blk *b, u32 flags, size_t cache_bytes, struct store **out);
// Commit and free; the store is gone whatever the status says. Streams must be closed before.
// LOST_WRITEBEHIND_DATA: committed, but data that the device had taken was lost on the way.
nt_status store_close(struct store *s);
// Free without writing: what was not committed is lost. True when there was something to lose.
bool store_abandon(struct store *s);

// Everything that was done before the call is on stable storage after it. Concurrent callers share a commit.
// A failure with a removable medium's status (VERIFY_REQUIRED, NO_MEDIA_IN_DEVICE ...) keeps everything for a
// later try; any other failure turns the volume read-only, and nothing more is written. In a store that was
// opened for reading there is nothing to make safe: SUCCESS, without a command to the device.
nt_status store_commit(struct store *s);
// The same promise, for who flushes often: little is written to a log instead, with one flush of the device.
nt_status store_sync(struct store *s);
bool store_dirty(struct store *s); // is there anything that is not on stable storage?
// Drop clean cached pages, so that the next look-ups come from the medium.
void store_purge(struct store *s);
void store_get_info(struct store *s, struct store_info *info);
nt_status store_set_label(struct store *s, struct str label);
const struct case_table *store_case_table(struct store *s); // NULL on a case-sensitive volume

// What a medium holds when it is the one that this store knows and nothing else has written to it: the newest
// superblock as a whole, or that of a commit that was cut short, and the end of the log behind it. A
// generation alone would be the same on a copy with another history.
struct store_medium {
    u8 uuid[16];
    u64 super_sum, pending_sum;
    u32 log_at, log_end;
    u64 log_sum;
    bool log_tried;
};
void store_get_medium(struct store *s, struct store_medium *medium);
// Does b hold it? WRONG_VOLUME: another one, or this one with another history. Else the device's failure.
nt_status store_find_medium(struct blk *b, const struct store_medium *medium);

// The next number of an object. What one store of a volume has given out, the next one must not give again,
// also if no commit knows of it: a user who knows an object by its number would take another one for it.
u64 store_next_object(struct store *s);
void store_skip_objects(struct store *s, u64 next);

// The medium was out of the drive, or may have been, and is proved to be the same: what had not been flushed
// is not taken as written.
void store_was_away(struct store *s);
// How often data was lost that a write had put into the device's cache: of any stream, for those who flush
// the volume. A failure says that something could not be compared, and is no loss yet.
nt_status store_lost(struct store *s, u64 *count);
u64 store_lost_so_far(struct store *s); // without a look at the medium

struct store_stats {
    u64 pages_read, pages_written, cache_hits, commits, repairs, checksum_errors;
};
void store_get_stats(struct store *s, struct store_stats *stats);

// Checksum events, in Windows' numbers: 132 corrected, 133 not corrected (data); 130, 131 the same for
// metadata. 131 of an object: it was deleted or cut off, and what is left of it cannot be taken apart.
struct store_event {
    u32 id;
    u64 object;         // the file; 0 for metadata
    u64 offset, length; // of the file; of the device for metadata
};
typedef void store_event_fn(void *context, const struct store_event *event);
// The first ones of before somebody listened are told at once.
void store_listen(struct store *s, store_event_fn *fn, void *context);

// --- transactions --------------------------------------------------------------------------------

enum txn_kind {
    TXN_NORMAL,
    TXN_FREEING, // will free more than it takes (delete, truncate): may use the reserve of a full volume
};
// DISK_FULL, MEDIA_WRITE_PROTECTED (read-only volume). May commit first to make room.
nt_status txn_begin(struct store *s, enum txn_kind kind, struct txn **out);
// With SUCCESS the changes stay, with anything else all of them are undone. Returns the status it was given.
nt_status txn_end(struct txn *t, nt_status status);

// --- objects -------------------------------------------------------------------------------------

enum { OBJECT_ROOT = 16 }; // id of the root directory; ids are never used again

enum inode_time { INODE_CREATED, INODE_ACCESSED, INODE_WRITTEN, INODE_CHANGED, INODE_TIMES };

struct inode {
    u64 id;
    u32 attributes; // FILE_ATTRIBUTE_*, without NORMAL
    u32 links;      // directory entries that name it
    u64 created, accessed, written, changed;
    u32 reparse_tag; // 0: none
    // What POSIX front ends set; mode 0: they never did. The type in it may be out of date: attributes and
    // reparse_tag tell what it is. Whoever sets a time sets its nanoseconds too.
    u32 mode, uid, gid, device;
    u8 nanos[INODE_TIMES]; // 0 to 99, to be added to the time
    // The default stream's state, or for a directory the default for its children; changed only through the
    // stream.
    u64 size, allocated;
    u16 algorithm; // CHECKSUM_TYPE_*
    bool enforcement_off;
};

// FILE_INVALID when there is no such object.
nt_status inode_get(struct store *s, u64 id, struct inode *inode);
// Give it an id and write it, with its stream state as given. INVALID_PARAMETER: a mode above 0xFFFF, nanos
// above 99.
nt_status inode_create(struct txn *t, struct inode *inode);
// Write everything but the stream state, which it leaves alone.
nt_status inode_put(struct txn *t, const struct inode *inode);

struct dirent {
    u64 id;
    bool directory;
    bool plain; // it has no reparse data; false: it may have
    u32 name_len;
    char name[TEXT_NAME_BYTES]; // as it was created
};

// Where a listing stands; {0} is before the first entry. Entries come in the order of their folded names.
// Entries that are added or removed meanwhile may or may not be seen, every other exactly once.
struct dir_position {
    u32 key_len;
    char key[TEXT_NAME_BYTES];
};

// Names are single components in UTF-8, checked by the caller against its own rules; NUL and '/' are refused
// here. OBJECT_NAME_NOT_FOUND / OBJECT_NAME_COLLISION / OBJECT_NAME_INVALID.
nt_status dirent_find(struct store *s, u64 dir, struct str name, struct dirent *entry);
nt_status dirent_next(struct store *s, u64 dir, struct dir_position *position,
                      struct dirent *entry); // NO_MORE_FILES
// The same for many entries in one look into each page, where `see` finds them. It must not wait for anything
// nor look anything up. NO_MORE_FILES when it would have taken more than there are.
struct dirent_seen {
    u64 id;
    bool directory, plain;
    struct str name;
    struct str folded; // what dir_position.key is behind this entry
};
enum dirent_answer { DIRENT_TAKEN, DIRENT_LAST, DIRENT_LEFT }; // LAST: taken, and no more; LEFT: not taken
typedef enum dirent_answer dirent_see(void *context, const struct dirent_seen *entry);
nt_status dirents_next(struct store *s, u64 dir, struct dir_position *position, dirent_see *see,
                       void *context);
nt_status dirent_is_empty(struct store *s, u64 dir, bool *empty);
// A listing that goes on behind this name, whether there is such an entry or not. OBJECT_NAME_INVALID.
nt_status dir_position_after(struct store *s, u64 dir, struct str name, struct dir_position *position);
// Add or remove one name of an object: the entry and its back link. The caller keeps inode.links. The entry
// is plain when it is the only name of an object without reparse data.
nt_status dirent_add(struct txn *t, u64 dir, struct str name, u64 id, bool directory);
nt_status dirent_remove(struct txn *t, u64 dir, struct str name);

// The next name of an object; position {0} is before the first. NO_MORE_FILES.
struct link_position {
    u32 key_len;
    u8 key[8 + TEXT_NAME_BYTES];
};
nt_status link_next(struct store *s, u64 id, struct link_position *position, u64 *parent,
                    struct dirent *name);
// The same for the names in one directory only, in the order in which a listing meets them.
nt_status link_next_in(struct store *s, u64 id, u64 parent, struct link_position *position,
                       struct dirent *name);
// "/dir/file" by the first link of each; BUFFER_TOO_SMALL, FILE_INVALID. Terminated with NUL.
nt_status object_path(struct store *s, u64 id, char *out, size_t size);

// An object without names waits in the orphan list until object_reap (or the next store_open) takes it apart,
// in as many transactions as it needs: a crash in between loses nothing but time.
nt_status object_orphan(struct txn *t, u64 id);
nt_status object_reap(struct store *s, u64 id);
// It gets a name after all: off the list. What was cut off its end still goes.
nt_status object_adopt(struct txn *t, u64 id);

// Reparse data, verbatim, at most 16384 bytes; also keeps the tag index, and no entry is plain afterwards.
// The caller keeps inode.reparse_tag and attributes.
nt_status reparse_get(struct store *s, u64 id, u8 *buffer, u32 size, u32 *length); // NOT_A_REPARSE_POINT
nt_status reparse_set(struct txn *t, u64 id, const u8 *buffer, u32 length);        // replaces
nt_status reparse_delete(struct txn *t, u64 id);
// Objects with reparse points by (tag, id); start with 0, 0. NO_MORE_FILES.
nt_status reparse_next(struct store *s, u32 *tag, u64 *id);

// Extended attributes: names of 1 to XATTR_NAME_MAX bytes without NUL, exactly as given (INVALID_PARAMETER),
// values of at most XATTR_VALUE_MAX bytes (EA_TOO_LARGE). One long value is about what a transaction has room
// for. The caller keeps readers and writers of one object apart.
enum { XATTR_NAME_MAX = 255, XATTR_VALUE_MAX = 65536 };
// NONEXISTENT_EA_ENTRY; BUFFER_TOO_SMALL with the length. size 0: only the length.
nt_status xattr_get(struct store *s, u64 id, struct str name, void *buffer, u32 size, u32 *length);
// Add or replace.
nt_status xattr_set(struct txn *t, u64 id, struct str name, const void *value, u32 length);
nt_status xattr_remove(struct txn *t, u64 id, struct str name); // NONEXISTENT_EA_ENTRY
// The next name in the order of their bytes; position {0} is before the first. NO_MORE_FILES.
struct xattr_position {
    u32 name_len;
    char name[XATTR_NAME_MAX];
};
nt_status xattr_next(struct store *s, u64 id, struct xattr_position *position, u32 *length);

// --- streams -------------------------------------------------------------------------------------

// The data of a file: the default stream (empty name) or a named one. Keep exactly one open struct stream for
// each.
nt_status stream_open(struct store *s, u64 id, struct str name, struct stream **out); // OBJECT_NAME_NOT_FOUND
void stream_close(struct stream *m);
// Make a named stream; OBJECT_NAME_COLLISION.
nt_status stream_create(struct txn *t, u64 id, struct str name, u16 algorithm);
// Remove a named stream: its record in t, its data later (object_reap of *orphan, after txn_end).
nt_status stream_remove(struct txn *t, u64 id, struct str name, u64 *orphan);
struct stream_entry {
    struct dirent name; // only name and name_len
    u64 size, allocated;
};
nt_status stream_next(struct store *s, u64 id, struct dir_position *position,
                      struct stream_entry *entry); // NO_MORE_FILES

struct stream_info {
    u64 size, allocated; // bytes
    u16 algorithm;       // CHECKSUM_TYPE_*
    bool enforcement_off;
    bool sparse;
    bool shared; // some of it may share clusters with another stream
};
void stream_get_info(struct stream *m, struct stream_info *info);

// Up to the end of the stream; END_OF_FILE when offset is at or beyond it. DATA_CHECKSUM_ERROR: nothing is
// returned.
nt_status stream_read(struct stream *m, u64 offset, void *data, size_t len, size_t *done);
// Extends the stream. DISK_FULL, DATA_CHECKSUM_ERROR (part of a rotten unit). On failure *done bytes were
// written.
nt_status stream_write(struct stream *m, u64 offset, const void *data, size_t len, size_t *done);
// How often data of this stream was lost, as store_lost says it; to be asked after each flush. Data with sums
// that may be lost is compared with them first, and writers wait: without locks that a write would need.
nt_status stream_lost(struct stream *m, u64 *count);
u64 stream_lost_so_far(struct stream *m);
u64 stream_lost_at_end(struct stream *m); // it will not be compared any more: what may be lost counts as lost
nt_status stream_set_size(struct stream *m, u64 size);
nt_status stream_zero(struct stream *m, u64 offset, u64 len); // deallocates whole clusters
nt_status stream_set_sparse(struct stream *m, bool sparse);
// Change algorithm and enforcement. A stream with data is read and given sums (or loses them) as one atomic
// step: DISK_FULL, NOT_SUPPORTED (shares clusters), DATA_CHECKSUM_ERROR; only flags change when the algorithm
// is the same.
nt_status stream_set_integrity(struct stream *m, u16 algorithm, bool enforcement_off);
// Share clusters of source with target: whole clusters, both streams with the same integrity, at most to the
// end of the last cluster of each. A long range takes several transactions: what fails leaves a part cloned.
nt_status stream_clone(struct stream *source, u64 source_offset, struct stream *target, u64 target_offset,
                       u64 len);
// Where on the device an offset is: *device = UINT64_MAX for a hole. *len: bytes from offset that are in one
// piece.
nt_status stream_map(struct stream *m, u64 offset, u64 *device, u64 *len);

// --- whole volume --------------------------------------------------------------------------------

enum check_finding_kind {
    CHECK_PAGE,       // a metadata page is damaged: offset = device address
    CHECK_SUPER,      // a superblock copy is damaged
    CHECK_DATA,       // file data does not match its sum: offset, length in the file
    CHECK_RECORD,     // records that contradict each other
    CHECK_SPACE_LOST, // units marked used that nothing uses (wasted, harmless)
    CHECK_SPACE_USED, // units in use that are marked free (dangerous)
};
struct check_finding {
    enum check_finding_kind kind;
    bool repairable; // a second copy is good
    bool repaired;   // from it (store_scrub)
    u64 object;      // 0: none
    u64 offset, length;
    const char *path; // "/dir/file" or ""
    const char *text; // what is wrong
};
struct check_totals {
    u64 pages, objects, files, directories, streams, extents, data_bytes, findings;
    u64 close; // pages whose copies lie closer together than on a volume with room; no finding
};
struct check_options {
    bool data;                                                           // read and verify all file data too
    void (*finding)(void *context, const struct check_finding *finding); // may be NULL
    void (*progress)(void *context, const struct check_totals *totals);  // may be NULL
    // Each metadata page, for tools that damage or dump images; may be NULL.
    void (*page)(void *context, u64 address, u32 kind, u32 level, u32 copy);
    void *context;
};
// SUCCESS: clean. DISK_CORRUPT_ERROR: findings were reported. Anything else (the medium changed, no memory):
// the check did not come to its end. No other use of the store at the same time.
nt_status store_check(struct store *s, const struct check_options *options, struct check_totals *totals);

// Tell the bytes of a volume by name (include/holdfast/dump.h); address is of a page. Writes nothing and
// opens no store, so it works on damage and on a volume that is in use. CANCELLED: fn said so.
// DISK_CORRUPT_ERROR: something that was told of is damaged, or no superblock is whole.
nt_status store_dump(struct blk *b, enum hf_dump_what what, u64 address, hf_dump_fn *fn, void *context);

// What a scrub has done, over all its parts when it was interrupted.
struct scrub_totals {
    u64 bytes, total_bytes; // gone through, and about how many there are
    u64 pages, data_bytes;  // read and verified, all copies
    u64 repaired, lost;     // findings; lost: not repaired
};
// Where a scrub stands; {0} is the beginning. May be kept for another opening of the same volume.
struct scrub_position {
    u8 uuid[16];
    u32 phase, key_length;
    u64 number;
    struct scrub_totals totals;
    u8 key[896];
};
struct scrub_options {
    void (*finding)(void *context, const struct check_finding *finding); // may be NULL
    bool (*progress)(void *context, const struct scrub_totals *totals);  // may be NULL; false: stop here
    void *context;
};
// Read every copy of all metadata and all file data, in short steps, while the store is in use; write a
// damaged copy of metadata again from the good one (event 130), report what has no second copy (131, 133).
// SUCCESS: all is good now. DISK_CORRUPT_ERROR: totals.lost. CANCELLED: stopped. INVALID_PARAMETER: not a
// position of this volume.
nt_status store_scrub(struct store *s, struct scrub_position *position, const struct scrub_options *options);

#endif
