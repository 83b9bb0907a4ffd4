// SPDX-License-Identifier: Apache-2.0
// The door of a mount through which native calls come in: ioctls in the form of <holdfast/linux.h>, executed
// on handles of the volume that the mount has open. Knows nothing of FUSE: the mount gives it messages and
// callers, and hears what the kernel may have cached wrongly.
#ifndef TOOLS_MOUNT_CALL_H
#define TOOLS_MOUNT_CALL_H

#include <holdfast/holdfast.h>
#include <holdfast/linux.h>
#include <holdfast/posix.h>

struct call_door;

// Something changed behind the kernel's back. Called on the thread that serves the call: whoever tells the
// kernel from there must not wait for it.
struct call_change {
    uint64_t node;    // 0: only the name
    bool data;        // the node's data and size, not only its attributes
    uint64_t parent;  // of name
    const char *name; // NULL: no name changed
};

struct call_options {
    const char *drive; // "X:", as the mount attached the volume
    uint32_t uid;      // the mount's owner, who may do everything as root may
    bool readonly;
    // What the mount shows in place of HF_MODE_UNSET: permissions, uid and gid of attr. NULL: root's, 0755.
    void (*unset)(void *context, struct hf_attr *attr);
    void (*changed)(void *context, const struct call_change *change);
    // Bytes of the node change: file capabilities go, and unless root does it set-user-id and set-group-id.
    nt_status (*writes)(void *context, uint64_t node, bool root);
    // hf_node_create with what the directory's default ACL, or else the umask, makes of the mode. NULL: the
    // umask.
    nt_status (*create)(void *context, uint64_t parent, const char *name, uint32_t umask,
                        struct hf_node_new *what, struct hf_attr *attr);
    void *context;
};
nt_status call_open(const struct call_options *options, struct call_door **out);
void call_close(struct call_door *door); // nobody is in it any more

struct call_caller {
    uint32_t uid, gid;
    // Is gid one of the caller's groups? Asked only where it matters; NULL: no.
    bool (*in_group)(void *context, uint32_t gid);
    void *context;
};
// The open file or directory that the ioctl came in on; file is the mount's own handle on it, and key tells
// this open file from others until call_forget.
struct call_fd {
    uint64_t key;
    uint64_t node;
    hf_handle file;
    bool directory;
};

// Answer one message. 0 and *used bytes of out, or an errno for what is no message of ours. out must not be
// in.
int call_serve(struct call_door *door, const struct call_caller *caller, const struct call_fd *fd,
               const void *in, size_t in_size, void *out, size_t out_size, size_t *used);
// HF_CIFS_IOC_SET_INTEGRITY.
nt_status call_set_integrity(struct call_door *door, const struct call_caller *caller,
                             const struct call_fd *fd);
// rights_retype for one that does not come through the door.
nt_status call_may_retype(struct call_door *door, const struct call_caller *caller, uint64_t node,
                          const void *buffer, size_t length);
// The node whose data a message is about, so that what the kernel still holds of it must be written before;
// 0: none.
uint64_t call_data_node(struct call_door *door, const struct call_fd *fd, const void *in, size_t in_size);
// The open file was released: its handles are closed, what it staged is dropped.
void call_forget(struct call_door *door, uint64_t key);

// --- mount_rights.c: who may do what -------------------------------------------------------------

struct rights {
    hf_handle volume;
    const struct call_options *options;
    const struct call_caller *caller;
};
enum { CALL_PATH_SIZE = 3 * 32767 + 1 };
nt_status handle_node(hf_handle h, uint64_t *node); // the number of its file
// A handle's path taken apart into the directory's number and the name, both in path (CALL_PATH_SIZE bytes).
// False: it has none, or is the root.
bool handle_name(hf_handle volume, hf_handle h, char separator, char *path, uint64_t *parent,
                 const char **name);
bool rights_all(const struct rights *r); // root, or the mount's owner
// The FILE_* rights that a node's owner, group and permission bits give, without DELETE. A node with a POSIX
// ACL gives them to its owner only.
nt_status rights_of(const struct rights *r, uint64_t node, uint32_t *access);
// hf_open for someone who may not do everything: walks component by component, each with the right to search
// the one before. parent: open the directory of the last component. What is created belongs to the caller.
nt_status rights_open(const struct rights *r, hf_handle root, const char *path, char separator, bool parent,
                      uint32_t umask, const struct hf_open_options *options, hf_handle *out);
// May a name in the directory be replaced or removed that belongs to the node (sticky directories)?
nt_status rights_remove(const struct rights *r, uint64_t directory, uint64_t node);
// May the handle's name be taken away, as things are now?
nt_status rights_name(const struct rights *r, hf_handle h, char separator, uint64_t node);
// May the directory get this name for the node, in place of what has it? In a sticky directory nothing is
// replaced: whose it is could change before that is done. Takes FILE_RENAME_REPLACE_IF_EXISTS from *flags
// when there is nothing to replace.
nt_status rights_new_name(const struct rights *r, uint64_t node, uint64_t directory, const char *name,
                          uint32_t *flags);
// May the node get one more name? Its owner, or who may read and write it (fs.protected_hardlinks).
nt_status rights_link(const struct rights *r, uint64_t node);
// May the node become, or stop being, a link or special file, by this reparse buffer? To whom follows its
// name that is as if it were replaced, so the right to do that is needed, and that it has no other name.
// Devices are root's.
nt_status rights_retype(const struct rights *r, uint64_t node, const void *buffer, size_t length);

#endif
