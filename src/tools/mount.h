// SPDX-License-Identifier: Apache-2.0
// What the files of the mount share: libfuse's low-level requests on one side, the native API by node number
// (holdfast/posix.h) on the other. The daemon keeps nothing for each inode: a FUSE node id is the node's
// number (except FUSE_ROOT_ID), forgetting is nothing to do, and an open file is a struct mount_file. The
// kernel checks permissions (default_permissions) and believes what it was told until it is told otherwise
// (mount_notify.c).
#ifndef TOOLS_MOUNT_H
#define TOOLS_MOUNT_H

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <holdfast/holdfast.h>
#include <holdfast/posix.h>

#include "tools/mount_call.h"

// Tasks, one after the other on a thread of their own.
struct mount_queue {
    struct mount *mount;
    pthread_mutex_t lock;
    sem_t ready;
    struct mount_task *first, **last;
    pthread_t thread;
};

struct mount_options {
    bool readonly, foreground, removable, sloppy, verbose;
    bool allow_other, no_allow_other;
    bool noatime;
    bool awake;           // the machine's processors, while requests follow one another closely
    bool dev, suid, exec; // not ruled out
    uid_t uid;            // of what has no owner and mode
    gid_t gid;
    mode_t umask;
    char *cache;         // "64M", for the drive
    unsigned int commit; // seconds; 0: only when asked
};

// Nodes that were seen not to have an extended attribute. Most have neither capabilities nor a default ACL,
// and with each creation and first write the kernel or we look for them.
enum { ABSENCES = 1024 };
struct mount_absence {
    pthread_mutex_t lock;
    _Atomic uint64_t times; // that some node got the attribute; what was seen before may be so no more
    struct {
        uint64_t node, times;
    } seen[ABSENCES]; // by number
};

enum { LISTED = 1024 };

struct mount {
    struct mount_options options;
    char *image, *directory; // absolute
    hf_handle root;          // also stands for the volume
    struct fuse_session *session;
    bool case_sensitive;
    double entry_timeout; // seconds
    _Atomic bool changed; // since the last commit
    struct mount_absence no_capability, no_default_acl;
    _Atomic uint64_t listed[LISTED]; // directories, by number
    struct call_door *door;

    pthread_mutex_t files_lock;
    struct mount_file *files; // all open ones

    struct mount_queue tellings, seeks; // mount_notify.c
};

// fi->fh of an open file or directory.
struct mount_file {
    struct mount_file *next, **link;
    uint64_t node;
    hf_handle handle;
    bool directory, writable;
};

static inline struct mount *mount_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}
static inline uint64_t node_of(fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? HF_NODE_ROOT : ino;
}
static inline fuse_ino_t ino_of(uint64_t node)
{
    return node == HF_NODE_ROOT ? FUSE_ROOT_ID : node;
}
static inline struct mount_file *file_of(const struct fuse_file_info *fi)
{
    return (struct mount_file *)(uintptr_t)fi->fh;
}

// --- mount_node.c: names and attributes ----------------------------------------------------------

enum { MOUNT_ATTR_TIMEOUT = 1000000000 }; // seconds: nobody else changes anything

// Permissions and owner of what never got any.
void mount_unset(void *mount, struct hf_attr *attr);
void mount_stat(const struct mount *m, const struct hf_attr *attr, struct stat *st);
struct fuse_entry_param mount_entry(const struct mount *m, const struct hf_attr *attr);
void reply_status(fuse_req_t req, nt_status status);
// hf_node_set where attr may have no mode yet: it gets all of mode and owner at once.
nt_status mount_set(struct mount *m, uint64_t node, uint32_t mask, struct hf_attr *attr);
// Creates with what the parent's default ACL, or else the umask, makes of the mode.
nt_status mount_create_node(fuse_req_t req, fuse_ino_t parent, const char *name, struct hf_node_new *what,
                            struct hf_attr *attr);
// The same without a name, open: it goes with its last handle.
nt_status mount_create_unnamed(fuse_req_t req, fuse_ino_t parent, struct hf_node_new *what, uint32_t access,
                               struct hf_attr *attr, hf_handle *handle);
// The same for call_options.create: owner, group and mode before the umask are in what.
nt_status mount_door_create(void *mount, uint64_t parent, const char *name, uint32_t umask,
                            struct hf_node_new *what, struct hf_attr *attr);
bool caller_is_owner(fuse_req_t req, const struct hf_attr *attr);

void mount_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void mount_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count);
void mount_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void mount_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void mount_attr_set(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi);
void mount_readlink(fuse_req_t req, fuse_ino_t ino);
void mount_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void mount_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void mount_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void mount_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void mount_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void mount_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void mount_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                  const char *new_name, unsigned int flags);
void mount_statfs(fuse_req_t req, fuse_ino_t ino);

// --- mount_file.c: open files --------------------------------------------------------------------

void mount_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                  struct fuse_file_info *fi);
void mount_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void mount_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void mount_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                 struct fuse_file_info *fi);
void mount_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void mount_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi);
void mount_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int command, void *arg, struct fuse_file_info *fi,
                 unsigned int flags, const void *in, size_t in_size, size_t out_size);
struct mount_file *mount_file_new(struct mount *m, uint64_t node, hf_handle handle);
void mount_file_free(struct mount *m, struct mount_file *file);
// Is the node open for writing anywhere, so that the kernel may hold data of it that the volume has not seen?
bool mount_has_writer(struct mount *m, uint64_t node);
// Set-user-id, set-group-id and capabilities.
nt_status mount_privileges_drop(struct mount *m, uint64_t node);
// For call_options.writes: the same, but root's writes leave the bits.
nt_status mount_door_writes(void *mount, uint64_t node, bool root);
bool caller_in_group(void *req, uint32_t gid); // for call_caller.in_group
// This thread's memory for file data and listings, at least size bytes; NULL: there is none.
void *thread_buffer(size_t size);

// --- mount_space.c: the space of open files ------------------------------------------------------

void mount_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                     struct fuse_file_info *fi);
void mount_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi);
void mount_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t in, struct fuse_file_info *fi_in,
                           fuse_ino_t ino_out, off_t out, struct fuse_file_info *fi_out, size_t length,
                           int flags);

// --- mount_list.c: directories -------------------------------------------------------------------

void mount_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void mount_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void mount_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);

// --- mount_xattr.c: extended attributes and ACLs -------------------------------------------------

#define XATTR_ACL_ACCESS  "system.posix_acl_access"
#define XATTR_ACL_DEFAULT "system.posix_acl_default"
#define XATTR_CAPABILITY  "security.capability"

void mount_absence_init(struct mount_absence *a);
void mount_absence_destroy(struct mount_absence *a);
// times: the value before the node was looked at.
void mount_absence_note(struct mount_absence *a, uint64_t node, uint64_t times);
void mount_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                    int flags);
void mount_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void mount_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void mount_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
// Before a chmod: the access ACL, if any, says the same.
nt_status mount_acl_chmod(struct mount *m, uint64_t node, uint32_t mode);
// Writes, truncations and changes of the owner take security.capability away.
nt_status mount_capability_drop(struct mount *m, uint64_t node);

// --- mount_acl.c: POSIX ACLs as the kernel writes them, without side effects ---------------------

enum { ACL_ENTRIES_MAX = 512 };
struct acl_entry {
    uint16_t tag, rights;
    uint32_t id;
};
struct acl {
    size_t count;
    struct acl_entry entries[ACL_ENTRIES_MAX];
};
enum { ACL_SIZE_MAX = 4 + 8 * ACL_ENTRIES_MAX };
bool acl_parse(struct acl *acl, const void *value, size_t size);
size_t acl_format(const struct acl *acl, void *out); // ACL_SIZE_MAX bytes; returns how many
bool acl_is_only_mode(const struct acl *acl);        // says no more than permission bits can
uint32_t acl_mode(const struct acl *acl);            // the permission bits that show it, 0777
void acl_chmod(struct acl *acl, uint32_t mode);
// Makes a default ACL the access ACL of what is created with mode; returns the mode that goes with it.
uint32_t acl_inherit(struct acl *acl, uint32_t mode);

// What a new file gets from its directory's default ACL; what->xattrs points into it.
struct mount_inherited {
    struct hf_xattr xattrs[2];
    unsigned char access[ACL_SIZE_MAX], defaults[ACL_SIZE_MAX];
};
nt_status mount_acl_inherit(struct mount *m, uint64_t parent, mode_t umask, struct hf_node_new *what,
                            struct mount_inherited *out); // mount_xattr.c

// --- mount_notify.c: what the kernel must hear, on threads that may wait for it --------------------

// Telling the kernel of names waits for directories that somebody has locked, telling of data until that was
// written back. Whose request holds a lock of the kernel's (all but ioctls do) must not wait in line behind
// tellings of names: whoever has the directory locked may wait for that lock. So m->tellings is for what
// nobody waits for, and for answers to ioctls, m->seeks for what concerns only data.
struct mount_task {
    struct mount_task *next;
    void (*run)(struct mount *m, struct mount_task *task); // frees it
};
bool mount_notify_start(struct mount *m);
void mount_notify_end(struct mount *m);
void mount_task_add(struct mount_queue *queue, struct mount_task *task);
// The node's attributes changed behind the kernel's back. data: its data too; only on a queue's thread.
void mount_tell_node(struct mount *m, uint64_t node, bool data);
// Only on the thread of m->tellings.
void mount_tell_name(struct mount *m, uint64_t parent, const char *name);
// What the node is changed: a file became a link, say. From any thread.
void mount_tell_type(struct mount *m, uint64_t node);
// For call_options.changed: told before the ioctl's answer, which mount_ioctl sends through mount_task_add.
void mount_note_change(void *mount, const struct call_change *change);
unsigned int mount_changes_noted(void); // on this thread since the last call

// --- mount_raw.c: what the kernel says and libfuse 3.14 does not know -----------------------------

// Of the request that this thread works on.
struct raw_request {
    uint32_t opcode;      // as the kernel gave it
    bool kill_privileges; // the write, truncation or open drops set-user-id and set-group-id
    bool acl_kills_sgid;
    bool unnamed;        // an O_TMPFILE, shown to libfuse as a create; its name means nothing
    uint32_t statx_mask; // not 0: a statx, shown to libfuse as a getattr
};
const struct raw_request *raw_current(void);
bool raw_attach(struct fuse_session *session); // after it was mounted
// The kernel looks every name up again when it is used next. Waits for nothing; older kernels than 6.16 do
// not know it.
void raw_names_expire(struct fuse_session *session);
void raw_reply_statx(fuse_req_t req, const struct hf_attr *attr, const struct stat *st);

// --- mount_life.c: from the mount to its end -----------------------------------------------------

int mount_end(const char *directory, bool lazy); // unmounts; -1 and errno
// Serves until the file system is unmounted. ready is called once the mount answers.
bool mount_live(struct mount *m, void (*ready)(void *context), void *context);

#endif
