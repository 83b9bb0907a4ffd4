// SPDX-License-Identifier: Apache-2.0
// The file-system driver: its structures, its locks, and what its files offer one another. The handle floor
// uses only fs_register, fs_set_options and IRPs.
//
//   vcb (one mounted volume) --- store (engine)
//    |  fcb table, by object id
//    +-- fcb (one open file or directory) --- inode, as last written
//         +-- scb (one open stream of it: "" or a named one) --- stream (engine), share access, locks
//              +-- ccb (one open handle) <--- file_object.context
//
// An fcb lives while it has an scb, an scb while it has a ccb. A directory has an scb too (its stream holds
// its integrity default); the ccb of a volume open has none.
//
// Lock order: vcb.lock (shared by every request; exclusive: remount, verify, lock, dismount)
//   -> vcb.rename (one rename or link at a time)
//   -> fcb.lock, a parent before its child, otherwise directories first, then by ascending id
//   -> fcb.opening -> vcb.table -> scb.mutex -> the engine's locks (engine.h); fcb.news_mutex and those of
//   vcb.events are leaves.
// vcb.lock is a hold (base/hold.h): a request that is inside must not enter again, so no handler sends an IRP
// to its own volume, and listeners of events and drives call nothing.
// fcb.lock exclusive: names in a directory change, an inode changes. Shared: look-ups, queries. Reads and
// writes of data take fcb.lock not at all: scb.mutex for the byte-range locks, then the stream's own locks.
//
// Life of a medium (vcb.state):
//   MOUNTED -> (verify: other medium) NOT_MOUNTED -> (right medium again) MOUNTED
//   any -> DISMOUNTED (FSCTL_DISMOUNT_VOLUME, detach), which is final.
// In NOT_MOUNTED the store is gone; requests answer WRONG_VOLUME after asking the drive once whether the
// medium came back. When it did, fcbs are verified again at next use: vcb.epoch moved on, the fcb's did not.
// If the medium was written elsewhere meanwhile, a file whose inode is no longer the one we knew is
// FILE_INVALID for good (spec/storage.md 3.4).
#ifndef FS_FS_H
#define FS_FS_H

#include <stdatomic.h>

#include <holdfast/ntfile.h>
#include <holdfast/posix.h>
#include <holdfast/winioctl.h>

#include "base/hold.h"
#include "device/device.h"
#include "engine/engine.h"

extern const struct driver fs_driver;
void fs_register(void); // once per process

// For volumes mounted from now on; set by attach before the mount, all zero (NULL) when it is over.
struct fs_options {
    size_t cache_bytes; // of metadata; 0: the engine's default
    bool relatime;      // note reads in LastAccessTime, as Linux does with this option
};
void fs_set_options(struct device *real, const struct fs_options *options);
// FSCTL_DISMOUNT_VOLUME without a handle, for detach and process exit: also when the medium cannot be asked
// any more.
nt_status fs_dismount(struct device *volume);

enum vcb_state { VCB_MOUNTED, VCB_NOT_MOUNTED, VCB_DISMOUNTED };

enum { FCB_BUCKETS = 1024 };
#define FCB_FRESH (24 * 3600 * 10000000ull) // a day, as times are counted

struct given; // node_list.c

// What was found damaged; see events.c.
struct events {
    pthread_mutex_t mutex;
    u64 newest;               // sequence number
    u32 keys[HF_EVENTS_KEPT]; // of the ring's entries
    struct hf_event ring[HF_EVENTS_KEPT];
    pthread_mutex_t calling; // held while the listener is called
    struct irp_listener listener;
};

struct vcb {
    struct device *device; // our volume device
    struct device *real;
    struct vpb *vpb;
    struct vcb *next;       // all vcbs, under the driver's mutex: a returning medium looks for its own here
    struct blk *blk;        // real, as the engine sees it
    struct store *store;    // NULL unless MOUNTED
    struct store_info info; // as of the last mount; identity survives NOT_MOUNTED
    enum vcb_state state;
    u64 epoch;                     // + 1 at every remount
    u64 changed_epoch;             // the newest epoch that began with a medium written elsewhere meanwhile
    struct file_object *locked_by; // FSCTL_LOCK_VOLUME; changes under vcb.table
    u32 handles;                   // open file objects on this volume; under vcb.table
    u64 dropped;                   // how often what was not flushed went with a medium that was exchanged
    u64 lost;                      // and what stores that are gone have lost (store_lost)
    struct store_medium left;      // what the medium held when it went away
    u64 next_object;               // what was given out until then ends here
    struct hold lock;
    pthread_mutex_t rename;
    pthread_mutex_t table;
    struct fcb *buckets[FCB_BUCKETS];
    u32 gone[FCB_BUCKETS]; // fcbs that left the bucket: who read an inode meanwhile reads it again
    struct fs_options asked;
    struct events events;
};

// What those leave who come without fcb.lock (writers of data, the closer of a stream) for the next one who
// holds it exclusive.
struct fcb_news {
    u64 accessed, written, changed; // 0: none
    bool archive;                   // the file's data changed
    bool closed;                    // the default stream was closed in this state
    struct stream_info stream;
};

struct fcb {
    struct vcb *vcb;
    struct fcb *next; // in the bucket
    u64 id;
    u32 references;             // under vcb.table
    bool directory;             // never changes, so it may be asked without a lock
    pthread_mutex_t news_mutex; // a leaf
    struct fcb_news news;
    _Atomic u64 fresh_until; // reads before this time need not be noted; changes under news_mutex
    pthread_rwlock_t lock;   // exclusive: by fcb_lock or SCOPE_FCB
    struct inode inode;      // our copy; written back by fcb_save and at the last cleanup
    bool dirty;              // times or attributes to be written at cleanup or flush
    bool archive_later;      // set by SET_REPARSE_POINT: ARCHIVE appears when the handle is closed
                             // (spec/reparse.md 8.13)
    bool delete_pending;
    struct ccb *doomed; // a copy of the handle that asked for the deletion: its name is the one that goes
    bool deleting;      // a closing handle is about to remove that name
    bool deleted;       // has no name (any more); reaped when the last handle goes
    bool unnamed;       // and never had one: it may still get its first
    bool invalid;       // FILE_INVALID for good
    u64 epoch;
    u32 handles;
    pthread_mutex_t opening; // one opening or closing of its streams at a time; taken before vcb.table
    struct scb *streams;     // under vcb.table
};

struct byte_lock {
    struct byte_lock *next;
    u64 offset, length;
    u32 key;
    bool exclusive;
    struct file_object *owner;
};

struct scb {
    struct fcb *fcb;
    struct scb *next;
    struct stream *stream;
    u64 lost; // what the streams that it had before have lost (stream_lost)
    char name[TEXT_NAME_BYTES];
    u32 name_len;          // 0: the default stream
    u32 references;        // under vcb.table
    pthread_mutex_t mutex; // what follows
    pthread_cond_t unlocked;
    u32 handles;
    u32 opens, readers, writers, deleters, share_read, share_write, share_delete; // share access counts
    struct byte_lock *locks;
    bool delete_pending; // named streams only
};

struct ccb {
    struct vcb *vcb;
    struct scb *scb; // NULL: the volume itself
    u64 parent;      // directory through which it was opened, for delete and rename
    char name[TEXT_NAME_BYTES];
    u32 name_len; // and the name there; 0: the root, or opened by id
    bool delete_on_close;
    bool deletes_at_once; // FILE_DISPOSITION_POSIX_SEMANTICS: when this handle is closed, whoever else has it
    bool user_set_created, user_set_accessed, user_set_written,
        user_set_changed; // by FileBasicInformation: no automatic update
    _Atomic u64 told; // of the losses (ccb_lost_so_far): those of before its time, or that a flush has told
    bool cleaned;     // it counts no more
    bool reaps;       // and takes apart what it was the last to keep
    bool wrote_raw;   // volume handle: the medium was written behind the file system
    bool listed;      // directory: the first call was made, pattern is set
    bool exhausted;   // the pattern is a plain name, and that was answered
    u8 dots;          // of "." and "..", how many were returned
    u32 pattern_len;
    char pattern[TEXT_NAME_BYTES];
    struct dir_position position;
    struct given *given; // directory: what hf_node_list gave last; NULL: nothing yet
};

// --- fs.c: volumes, dispatch ---------------------------------------------------------------------

// The check every request begins with: state, pending verify, returned medium, fcb epoch. On SUCCESS vcb.lock
// is held shared (fs_leave drops it).
nt_status fs_enter(struct vcb *vcb, struct irp *irp);
void fs_leave(struct vcb *vcb);
static inline struct ccb *irp_ccb(const struct irp *irp);

// How often data was lost that this handle could have written: a flush that finds more than it has told says
// LOST_WRITEBEHIND_DATA, once for each handle.
u64 ccb_lost_so_far(const struct ccb *ccb);

// FSCTLs on the volume, called by fsctl.c rows; these take vcb.lock themselves.
nt_status vcb_lock_volume(struct vcb *vcb, struct irp *irp);
nt_status vcb_unlock_volume(struct vcb *vcb, struct irp *irp);
nt_status vcb_dismount(struct vcb *vcb, struct irp *irp);
nt_status vcb_is_mounted(struct vcb *vcb, struct irp *irp);
// Undo FSCTL_LOCK_VOLUME if this handle did it; vcb.lock is held.
void vcb_drop_lock(struct vcb *vcb, const struct file_object *file);

// --- fcb.c: tables of open files -----------------------------------------------------------------

// Find or load; one more reference. FILE_INVALID when the object does not exist.
nt_status fcb_get(struct vcb *vcb, u64 id, struct fcb **out);
// Only if it is open already, else NULL; one more reference.
struct fcb *fcb_find(struct vcb *vcb, u64 id);
void fcb_put(struct fcb *fcb);
// An inode as it is now: an open file knows more than the medium.
nt_status vcb_inode(struct vcb *vcb, u64 id, struct inode *inode);
// Close the engine's streams of a file without handles, or of the whole volume: its store is about to go.
void fcb_close_streams(struct fcb *fcb);
void vcb_close_streams(struct vcb *vcb);
// The name through which a handle was opened, or, if that is gone, any other. FILE_INVALID: it has none.
nt_status ccb_name(struct vcb *vcb, const struct ccb *ccb, u64 *parent, struct dirent *entry);
// The file's deletion is pending from now on, by the name that this handle knows. fcb.lock is held exclusive.
nt_status fcb_doom(struct fcb *fcb, const struct ccb *ccb);
nt_status scb_get(struct fcb *fcb, struct str name, struct scb **out); // OBJECT_NAME_NOT_FOUND
void scb_put(struct scb *scb);
// Compare with the medium after it came back: SUCCESS or FILE_INVALID.
nt_status fcb_verify(struct fcb *fcb);
// Lock exclusive, and bring the inode up to date with what came without the lock.
void fcb_lock(struct fcb *fcb);
static inline pthread_rwlock_t *scope_fcb_lock(struct fcb *fcb)
{
    fcb_lock(fcb);
    return &fcb->lock;
}
#define SCOPE_FCB(fcb)                                                                             \
    __attribute__((cleanup(scope_rwlock_unlock), unused)) pthread_rwlock_t *SCOPE_NAME(__LINE__) = \
        scope_fcb_lock(fcb)
// The same for who has just left news itself; fcb.lock is held exclusive.
void fcb_settle(struct fcb *fcb);
// Write the inode if it is dirty; fcb.lock is held exclusive.
nt_status fcb_save(struct fcb *fcb);
// Attributes as queries show them: NORMAL when nothing else, INTEGRITY_STREAM by algorithm
// (spec/integrity.md 3.8).
u32 fcb_attributes(const struct fcb *fcb);
// Mark what happened now: times, unless the handle's user set them, and ARCHIVE. With or without fcb.lock.
enum fcb_mark { TIME_ACCESSED = 1, TIME_WRITTEN = 2, TIME_CHANGED = 4, MARK_ARCHIVE = 8 };
void fcb_touch(struct fcb *fcb, const struct ccb *ccb, u32 marks);
// These times are now.
void inode_touch(struct inode *inode, u32 marks, u64 now);

// --- one handler a request kind ------------------------------------------------------------------

// create.c, cleanup.c, rw.c, lock.c, dir.c, info.c, volinfo.c, fsctl.c, node.c; vcb.lock is held shared.
nt_status fs_create(struct vcb *vcb, struct irp *irp);
nt_status fs_cleanup(struct vcb *vcb, struct irp *irp);
nt_status fs_close(struct vcb *vcb, struct irp *irp);
nt_status fs_read(struct vcb *vcb, struct irp *irp);
nt_status fs_write(struct vcb *vcb, struct irp *irp);
nt_status fs_flush(struct vcb *vcb, struct irp *irp);
nt_status fs_lock_control(struct vcb *vcb, struct irp *irp);
nt_status fs_directory_control(struct vcb *vcb, struct irp *irp);
nt_status fs_query_information(struct vcb *vcb, struct irp *irp);
nt_status fs_set_information(struct vcb *vcb, struct irp *irp);
nt_status fs_query_volume(struct vcb *vcb, struct irp *irp);
nt_status fs_set_volume(struct vcb *vcb, struct irp *irp);
nt_status fs_node(struct vcb *vcb, struct irp *irp);
nt_status fs_fsctl(struct vcb *vcb, struct irp *irp); // takes vcb.lock as its row says

// A name that the caller may use as one component under the separator's rules; OBJECT_NAME_INVALID.
nt_status name_check(struct str component, char separator);
// Split "file:stream:$DATA" (Windows separator only). OBJECT_NAME_INVALID. stream->p is NULL when no stream
// was named, stream->len is 0 for "file::$DATA"; file->len is 0 for ":stream".
nt_status name_split_stream(struct str component, struct str *file, struct str *stream,
                            bool *names_directory);
// Byte-range locks: FILE_LOCK_CONFLICT when another owner's lock is in the way of this read or write.
nt_status lock_check(struct scb *scb, const struct file_object *owner, u64 offset, u64 length, bool write);
void lock_release_all(struct scb *scb, const struct file_object *owner);
// Remove one name of a file; with the last one the file is deleted (its data go with object_reap, when nobody
// has it open). Both locks are held exclusive.
nt_status file_unlink(struct vcb *vcb, struct fcb *parent, struct str name, struct fcb *fcb);
nt_status file_rename(struct vcb *vcb, struct irp *irp); // info.c -> rename.c
nt_status file_link(struct vcb *vcb, struct irp *irp);

// events.c: events_record is the engine's store_event_fn, its context the struct events.
void events_init(struct events *e);
void events_destroy(struct events *e);
void events_record(void *context, const struct store_event *event);
nt_status events_listen(struct vcb *vcb, struct irp *irp); // IRP_MN_NODE_LISTEN; without vcb.lock

// events.c, integrity.c, clone.c and reparse.c: handlers of fsctl.c rows.
nt_status events_get(struct vcb *vcb, struct irp *irp);
nt_status integrity_get(struct vcb *vcb, struct irp *irp);
nt_status integrity_set(struct vcb *vcb, struct irp *irp);
nt_status integrity_set_ex(struct vcb *vcb, struct irp *irp);
nt_status clone_extents(struct vcb *vcb, struct irp *irp);
nt_status clone_extents_ex(struct vcb *vcb, struct irp *irp);
nt_status reparse_point_set(struct vcb *vcb, struct irp *irp);
nt_status reparse_point_set_ex(struct vcb *vcb, struct irp *irp);
nt_status reparse_point_get(struct vcb *vcb, struct irp *irp);
nt_status reparse_point_delete(struct vcb *vcb, struct irp *irp);
// Buffer grammar of a reparse buffer (spec/reparse.md 3.1).
nt_status reparse_validate(const u8 *buffer, u32 length);

static inline struct ccb *irp_ccb(const struct irp *irp)
{
    return irp->file ? irp->file->context : NULL;
}

#endif
