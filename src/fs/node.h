// SPDX-License-Identifier: Apache-2.0
// What the files behind IRP_MJ_NODE (node*.c) share: operations of POSIX callers on files by number, without
// a handle on them. Each works on the fcb, as the Windows door does, so that both see one file; an fcb that
// nobody has open lives only as long as the operation.
#ifndef FS_NODE_H
#define FS_NODE_H

#include <holdfast/posix.h>
#include <sys/stat.h>

#include "fs/request.h"

static inline void scope_fcb_put(struct fcb **fcb)
{
    if (*fcb)
        fcb_put(*fcb);
}
// Give the reference back at the end of the scope; declared before the lock.
#define SCOPE_FCB_PUT __attribute__((cleanup(scope_fcb_put)))

// The inode as it is now. FILE_INVALID also when it has no name and nobody has it open.
nt_status node_inode(struct vcb *vcb, u64 id, struct inode *inode);
// The same for an fcb whose lock is held.
nt_status node_check_alive(const struct fcb *fcb);
// A directory in which names may be looked for and made: NOT_A_DIRECTORY, OBJECT_NAME_NOT_FOUND (it was
// removed), DELETE_PENDING. Its lock is held.
nt_status node_check_parent(const struct fcb *parent);
nt_status node_check_name(struct str name);
nt_status node_attr(struct vcb *vcb, const struct inode *inode, struct hf_attr *attr);
// The inode of an fcb whose lock is held exclusive, with what its open stream knows.
nt_status node_fcb_attr(struct fcb *fcb, struct hf_attr *attr);
// S_IFDIR for directories that are not links.
nt_status node_is_directory(struct vcb *vcb, const struct inode *inode, bool *yes);
// The directory above; a root is its own. OBJECT_NAME_NOT_FOUND: it has no name any more.
nt_status node_parent(struct vcb *vcb, u64 id, u64 *parent);

// --- node_link.c: reparse points as Linux file types (spec/reparse.md 6) --------------------------

struct node_kind {
    u32 type;     // S_IF*
    u32 length;   // S_IFLNK: of the target
    u32 device;   // when the reparse data say it
    bool unknown; // a tag that stands for nothing here, or data that do not make sense: a file or directory
    bool has_device;
};
nt_status node_kind(struct vcb *vcb, const struct inode *inode, struct node_kind *kind);
// The reparse buffer of a new node of this type; *length 0: it needs none. Room for
// MAXIMUM_REPARSE_DATA_BUFFER_SIZE bytes.
nt_status node_reparse_make(u32 type, const char *target, u8 *buffer, u32 *length);

// --- handlers ------------------------------------------------------------------------------------

nt_status node_create(struct vcb *vcb, struct irp *irp);
// For create.c: a file without a name, which an open handle must keep; until there is one nobody else can
// reach it. *out: one reference.
nt_status node_create_unnamed(struct vcb *vcb, u64 directory, const struct hf_node_new *what,
                              struct fcb **out);
nt_status node_link(struct vcb *vcb, struct irp *irp);
nt_status node_unlink(struct vcb *vcb, struct irp *irp);
nt_status node_rename(struct vcb *vcb, struct irp *irp);
nt_status node_readlink(struct vcb *vcb, struct irp *irp);
nt_status node_list(struct vcb *vcb, struct irp *irp);
nt_status node_xattr_get(struct vcb *vcb, struct irp *irp);
nt_status node_xattr_set(struct vcb *vcb, struct irp *irp);
nt_status node_xattr_remove(struct vcb *vcb, struct irp *irp);
nt_status node_xattr_list(struct vcb *vcb, struct irp *irp);

#endif
