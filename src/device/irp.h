// SPDX-License-Identifier: Apache-2.0
// The request packet. An IRP lives on the sender's stack and runs to its end on the sender's thread; a driver
// that passes it down sends it (or one of its own) to the next lower device with dev_call and returns what
// comes back.
#ifndef DEVICE_IRP_H
#define DEVICE_IRP_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/status.h"

struct device;
struct file_object;

enum irp_major {
    IRP_MJ_CREATE,
    IRP_MJ_CLEANUP, // the last handle of a file object is closed
    IRP_MJ_CLOSE,   // the file object goes away
    IRP_MJ_READ,
    IRP_MJ_WRITE,
    IRP_MJ_FLUSH_BUFFERS,
    IRP_MJ_QUERY_INFORMATION,
    IRP_MJ_SET_INFORMATION,
    IRP_MJ_QUERY_VOLUME_INFORMATION,
    IRP_MJ_SET_VOLUME_INFORMATION,
    IRP_MJ_DIRECTORY_CONTROL,
    IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_LOCK_CONTROL,
    IRP_MJ_NODE, // POSIX callers, by a file's number: any file object of the volume will do
    IRP_MJ_COUNT
};

enum irp_minor {
    IRP_MN_NONE,
    IRP_MN_USER_FS_REQUEST, // FILE_SYSTEM_CONTROL: a control code from outside
    IRP_MN_MOUNT_VOLUME,    // FILE_SYSTEM_CONTROL: taste the device in p.mount and mount it
    IRP_MN_VERIFY_VOLUME,   // FILE_SYSTEM_CONTROL: is this still the medium that was mounted?
    IRP_MN_QUERY_DIRECTORY, // DIRECTORY_CONTROL
    IRP_MN_LOCK,            // LOCK_CONTROL
    IRP_MN_UNLOCK,
    IRP_MN_UNLOCK_ALL,
    IRP_MN_NODE_FIND, // NODE: one for each function of include/holdfast/posix.h
    IRP_MN_NODE_GET,
    IRP_MN_NODE_SET,
    IRP_MN_NODE_CREATE,
    IRP_MN_NODE_LINK,
    IRP_MN_NODE_UNLINK,
    IRP_MN_NODE_RENAME,
    IRP_MN_NODE_READLINK,
    IRP_MN_NODE_PATH,
    IRP_MN_NODE_LIST, // of the file object's own directory
    IRP_MN_XATTR_GET,
    IRP_MN_XATTR_SET,
    IRP_MN_XATTR_REMOVE,
    IRP_MN_XATTR_LIST,
    IRP_MN_NODE_LISTEN, // in: struct irp_listener
    IRP_MN_NODE_END
};

enum irp_flags {
    IRP_OVERRIDE_VERIFY =
        1,                // SL_OVERRIDE_VERIFY_VOLUME: sent by a mount or a verify, passes DO_VERIFY_VOLUME
    IRP_LOW_PRIORITY = 4, // CHECK_VERIFY2: do not start a stopped unit
    IRP_WRITE_FLUSH = 8,  // a write to a drive: with it, all before it is on stable storage
    IRP_READ_FRESH = 16,  // a read from a drive: past every cache, what the medium holds
};

// A reparse point met on the path walk, for the layer that rewrites names and restarts (STATUS_REPARSE).
struct irp_reparse {
    u8 *buffer;     // room for MAXIMUM_REPARSE_DATA_BUFFER_SIZE bytes, given by the sender
    u32 length;     // of the raw reparse buffer
    u32 consumed;   // bytes of the path up to the end of the component that is the reparse point
    u32 parent;     // bytes of the path up to the end of the component before it (0: the root or the related
                    // object)
    bool directory; // the reparse point is on a directory
};

// Who wants to know when there is a new event.
struct irp_listener {
    void (*fn)(void *context); // NULL: nobody
    void *context;
};

struct hf_attr;
struct hf_node_new;

// The arguments of a NODE request, on the sender's stack. Unused ones are zero.
struct irp_node {
    u64 id;          // the node; the directory in which `name` is; link: the file
    u64 to;          // link, rename: the directory of the new name
    struct str name; // link: the new one; of an extended attribute
    struct str to_name;
    u32 flags; // unlink: 1 for a directory
    u64 cookie;
    struct hf_attr *attr;
    const struct hf_node_new *what;
    const void *in;
    void *out;
    size_t length; // of in or out
};

// Volume privileges of the caller, checked where a row of the control-code table asks for one.
enum irp_privilege { PRIVILEGE_CREATE_SYMBOLIC_LINK = 1, PRIVILEGE_MANAGE_VOLUME = 2 };

// What a driver has done of a request before it met a medium that must be verified: its next try does the
// rest.
struct irp_done {
    u64 epoch;  // of the volume (fs.h) that it was done to; 0: nothing is done
    u64 offset; // append: where its bytes are
    u64 bytes;  // and how many
    u64 object; // made
};

struct irp {
    enum irp_major major;
    enum irp_minor minor;
    u32 flags;                  // enum irp_flags
    u64 medium;                 // READ, WRITE, FLUSH_BUFFERS to a drive: the medium that they are for, as
                                // dev_as_blk numbers it; 0: the one that is in
    u32 privileges;             // enum irp_privilege bits that the caller holds and has enabled
    struct file_object *file;   // NULL for requests that kernel parts make for themselves
    const _Atomic bool *cancel; // set by another thread to end a waiting request with CANCELLED; may be NULL
    u64 information;            // the second half of the status block; set to 0 by dev_call before dispatch
    struct irp_done done;       // the driver's own; set to 0 by dev_call too
    union {
        struct {
            struct str path; // components after the device, without a leading separator; empty: the volume
                             // itself (opens_root false) or the root directory (opens_root true)
            char separator;  // '\\': Windows rules (streams, reserved characters refused); '/': POSIX names
            bool opens_root;
            bool target_directory;       // SL_OPEN_TARGET_DIRECTORY: open the parent of the last component
            struct file_object *related; // RootDirectory: path is relative to it; NULL: to the volume root
            u32 access, share, disposition, options, attributes;
            u64 node;                       // not 0: open this node itself, whatever its names; path is empty
            const struct hf_node_new *what; // not NULL: make this in directory `node`, without a name
            struct hf_attr *attr;           // and say what it became
            struct irp_reparse *reparse;    // filled when the answer is STATUS_REPARSE
        } create;                           // information: FILE_OPENED, FILE_CREATED ... (ntfile.h)
        struct {
            void *data;
            size_t length;
            u64 offset;
            const struct iovec *iov; // not NULL: the parts, iov_count of them, length in all; data is unused
            int iov_count;
        } read, write;
        struct {
            u32 class_;
            void *data;
            size_t length;
        } query; // QUERY_(VOLUME_)INFORMATION
        struct {
            u32 class_;
            const void *data;
            size_t length;
            struct file_object *target; // rename, link: the opened parent directory
            struct str name;            // rename, link: last component, UTF-8; label: the new label
            char separator;             // as in create
            u32 flags;                  // rename, link: FILE_RENAME_*
        } set;                          // SET_(VOLUME_)INFORMATION
        struct {
            u32 class_;
            struct str pattern; // empty: everything, or the pattern of the first call
            bool restart, single;
            void *data;
            size_t length;
        } directory;
        struct {
            u32 code;
            const void
                *in; // METHOD_BUFFERED too: may be the same memory as out, so read in before writing out
            size_t in_length;
            void *out;
            size_t out_length;
            struct file_object *source; // the handle inside the input, where a code has one; NULL: it is none
        } control;                      // DEVICE_CONTROL, FILE_SYSTEM_CONTROL/USER_FS_REQUEST
        struct {
            struct device *real; // MOUNT_VOLUME, VERIFY_VOLUME: the device that holds the medium
        } mount;
        struct {
            u64 offset, length;
            u32 key;
            bool exclusive, fail_immediately;
        } lock;
        struct irp_node *node;
    } p;
};

const char *irp_major_name(enum irp_major major);

// Wait up to ms milliseconds; CANCELLED as soon as irp->cancel is set, SUCCESS after the time.
nt_status irp_wait(const struct irp *irp, u32 ms);

#endif
