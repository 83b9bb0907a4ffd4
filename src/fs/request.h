// SPDX-License-Identifier: Apache-2.0
// What the request handlers (rw, lock, info, volinfo, fsctl, integrity, reparse) share among themselves and
// nobody else needs. The checks named *_check are the rows' own parameter checks: fsctl.c runs them before
// access and write protection are looked at.
#ifndef FS_REQUEST_H
#define FS_REQUEST_H

#include "fs/fs.h"

// What the request asks for is done, or has begun to be. When a later step meets a medium that must be
// verified the request is tried again, and what is done once must not be done twice: fs.c has the rule.
static inline void irp_note(struct irp *irp, const struct vcb *vcb)
{
    irp->done.epoch = vcb->epoch;
}
static inline bool irp_is_done(const struct irp *irp)
{
    return irp->done.epoch != 0;
}

// The volume may have turned read-only after it was mounted, so the store is asked.
bool vcb_is_readonly(struct vcb *vcb);

// The file's data changed through this handle: times, and ARCHIVE. Written at cleanup or flush.
void fcb_mark_written(struct fcb *fcb, const struct ccb *ccb);

// Something was read through this handle: LastAccessTime, if the volume was attached so and it is due.
// Written like the other times. Without any lock of the caller's.
void fcb_mark_read(struct fcb *fcb, const struct ccb *ccb);

static inline bool fcb_is_directory(const struct fcb *fcb)
{
    return fcb->directory;
}
// Does the handle stand for the directory itself, and not for a named stream of it?
static inline bool ccb_is_directory(const struct ccb *ccb)
{
    return fcb_is_directory(ccb->scb->fcb) && ccb->scb->name_len == 0;
}

// A new file or directory: what it inherits, and that it was made now.
struct inode inode_new(const struct vcb *vcb, const struct fcb *parent, u32 attributes, bool directory);

// rename.c. Is `above` the directory itself or one of those over it? vcb.rename is held, or the answer may be
// old.
nt_status dir_is_at_or_above(struct vcb *vcb, u64 above, u64 id, bool *yes);
// Lock both exclusive, in the order of fs.h; they may be one, and from NULL. vcb.rename is held.
nt_status dirs_lock(struct vcb *vcb, struct fcb *from, struct fcb *to);
void dirs_unlock(struct fcb *from, struct fcb *to);
// One name less; without names the object is an orphan. inode: a copy of the file's, which the caller takes
// over when the transaction has succeeded.
nt_status name_remove(struct txn *t, u64 directory, struct str name, struct inode *inode);
// The directory's names changed: write it, and after the transaction say so in the fcb.
nt_status dir_put(struct txn *t, const struct fcb *directory, u64 now);
void dir_touch(struct fcb *directory, u64 now);
nt_status dir_check_empty(struct vcb *vcb, u64 directory); // DIRECTORY_NOT_EMPTY
// Take apart what is left of an object that has no names and that nobody has open. What fails here only takes
// room until the volume is opened again.
void fcb_reap(struct fcb *fcb);
// Has it neither names nor handles, nor one that is closing and will see to it? fcb.lock is held.
static inline bool fcb_is_free(const struct fcb *fcb)
{
    return fcb->deleted && fcb->handles == 0 && !fcb->deleting;
}
enum { FILE_LINKS_MOST = 1024 };

// lock_check for a caller that holds scb.mutex.
nt_status lock_check_held(const struct scb *scb, const struct file_object *owner, u64 offset, u64 length,
                          bool write);

// fcb.lock is held exclusive.
static inline void fcb_change_attributes(struct fcb *fcb, u32 clear, u32 set)
{
    fcb->inode.attributes = (fcb->inode.attributes & ~clear) | set;
}

// After a failed read or write: name the file and the range, when it was a checksum. Returns the status.
nt_status file_explain(struct vcb *vcb, const struct ccb *ccb, u64 offset, u64 length, nt_status status);

// Finish a query whose fixed part is in place: text from offset `at` on, as much as fits. BUFFER_OVERFLOW.
nt_status reply_text(struct irp *irp, size_t at, const void *utf16, size_t bytes);

// share.c: fcb.lock is held exclusive, so that a check and the count after it are one step.
// SHARING_VIOLATION.
nt_status share_check(struct scb *scb, u32 access, u32 share);
// A handle of the file's own data that does not let others delete it.
nt_status share_check_delete(struct fcb *fcb);
void share_add(struct scb *scb, u32 access, u32 share);
void share_remove(struct scb *scb, u32 access, u32 share);

// The state of the default stream, if it is open; the inode's is older then.
bool fcb_stream_info(struct fcb *fcb, struct stream_info *info);
void inode_take_stream(struct inode *inode, const struct stream_info *info);
// The stream if it is open, one more reference; else NULL.
struct scb *scb_find(struct fcb *fcb, struct str name);
// Remove a named stream that nobody has open; fcb.lock is held exclusive.
nt_status stream_delete(struct fcb *fcb, struct str name);

nt_status integrity_set_check(struct vcb *vcb, struct irp *irp);
nt_status integrity_set_ex_check(struct vcb *vcb, struct irp *irp);
nt_status clone_extents_ex_check(struct vcb *vcb, struct irp *irp);
nt_status reparse_point_set_check(struct vcb *vcb, struct irp *irp);
nt_status reparse_point_set_ex_check(struct vcb *vcb, struct irp *irp);
nt_status reparse_point_get_check(struct vcb *vcb, struct irp *irp);
nt_status reparse_point_delete_check(struct vcb *vcb, struct irp *irp);

#endif
