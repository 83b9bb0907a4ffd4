// SPDX-License-Identifier: Apache-2.0
// The native API for front ends that speak POSIX (a mount, a file server): files by number, with owners,
// modes, extended attributes and Linux file types. The volume is named by any handle on one of its files or
// directories (hf_open("X:/", ...)); a node is a file's number (hf_stat.id), which is never used again, so
// that an NFS generation may be constant. Names are single components: UTF-8, 1 to 255 bytes, every byte but
// '/' and NUL (OBJECT_NAME_INVALID). Outputs are zero on failure. FILE_INVALID: there is no such node (any
// more); also what hf_status_to_errno makes of the other statuses is what a POSIX caller expects.
#ifndef HOLDFAST_POSIX_H
#define HOLDFAST_POSIX_H

#include <holdfast/holdfast.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HF_NODE_ROOT = 16, HF_NODE_NAME_MAX = 255, HF_NODE_TARGET_MAX = 4095 };
enum { HF_XATTR_NAME_MAX = 255, HF_XATTR_SIZE_MAX = 65536, HF_XATTR_LIST_MAX = 65536 };

// Seconds since 1970 and 0 to 999,999,999 ns. What the volume can say: the years 1601 to 60055.
struct hf_time {
    int64_t seconds;
    uint32_t nanoseconds;
    uint32_t reserved;
};

struct hf_attr {
    uint64_t id;
    uint64_t size;      // of the default stream; of a symbolic link: bytes that hf_node_readlink gives
    uint64_t allocated; // bytes
    struct hf_time created, accessed, written, changed;
    uint32_t mode; // type (from directory bit and reparse tag, spec/reparse.md 6) and permissions as set.
                   // Never set (a file made through another door): type and HF_MODE_UNSET
    uint32_t uid, gid;
    uint32_t device;      // of a device node: major << 20 | minor
    uint32_t links;       // 1 for a directory
    uint32_t attributes;  // FILE_ATTRIBUTE_*
    uint32_t reparse_tag; // 0: none
    uint32_t reserved;
};
#define HF_MODE_UNSET \
    0x80000000u // in hf_attr.mode: no owner and permissions were ever set; uid and gid are 0

// OBJECT_NAME_NOT_FOUND, NOT_A_DIRECTORY. "." and ".." are known (".." of the root is the root).
HF_API nt_status hf_node_find(hf_handle volume, uint64_t parent, const char *name, struct hf_attr *attr);
HF_API nt_status hf_node_get(hf_handle volume, uint64_t id, struct hf_attr *attr);

enum hf_attr_mask {
    HF_ATTR_MODE = 1, // the permission bits, 07777; the type stays
    HF_ATTR_UID =
        2, // of an object that has no mode yet: it gets 0644, a directory 0755, unless MODE is set too
    HF_ATTR_GID = 4,
    HF_ATTR_SIZE = 8,
    HF_ATTR_CREATED = 16,
    HF_ATTR_ACCESSED = 32,
    HF_ATTR_WRITTEN = 64,
    HF_ATTR_CHANGED = 128,    // else every change sets it to now
    HF_ATTR_ATTRIBUTES = 256, // as FileBasicInformation: those that users may set
    HF_ATTR_KILL = 512,       // drop set-user-id, and set-group-id where the group may execute
};
// attr becomes what is so afterwards; on failure it stays. SIZE is a write: times, ARCHIVE and sharing are as
// for any other, IO_REPARSE_TAG_NOT_HANDLED as for hf_node_open. Times that the volume cannot say become the
// next that it can.
HF_API nt_status hf_node_set(hf_handle volume, uint64_t id, uint32_t mask, struct hf_attr *attr);

struct hf_xattr {
    const char *name;
    const void *value;
    size_t length;
};
struct hf_node_new {
    uint32_t mode; // with the type: S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK
    uint32_t uid, gid;
    uint32_t device;               // as in hf_attr
    const char *target;            // S_IFLNK: 1 to HF_NODE_TARGET_MAX bytes, given back byte for byte
    const struct hf_xattr *xattrs; // to begin with (inherited ACLs)
    size_t xattr_count;
};
// One transaction. In a set-group-id directory the group is the directory's, and a new directory gets the
// bit. Integrity is inherited as always. OBJECT_NAME_COLLISION, DISK_FULL. A relative link whose target
// Windows can spell is kept as a SYMLINK, any other as LX_SYMLINK (spec/reparse.md 6).
HF_API nt_status hf_node_create(hf_handle volume, uint64_t parent, const char *name,
                                const struct hf_node_new *what, struct hf_attr *attr);
// A regular file (else INVALID_PARAMETER) without a name and a handle on it, in one step. It gets from parent
// what it would get by hf_node_create, whose statuses are the same, but the directory does not change. With
// this handle, and others that hf_node_open makes, it is a file like any other, its links 0. hf_node_link can
// give it its first name until the last handle is closed, which removes a file without one; so does a crash.
// access as for hf_node_open. INVALID_DEVICE_REQUEST: the volume is behind a mount.
HF_API nt_status hf_node_create_unnamed(hf_handle volume, uint64_t parent, const struct hf_node_new *what,
                                        uint32_t access, struct hf_attr *attr, hf_handle *out);
// One more name. NOT_SUPPORTED for a directory, TOO_MANY_LINKS. FILE_INVALID: it had names and has none left.
HF_API nt_status hf_node_link(hf_handle volume, uint64_t id, uint64_t parent, const char *name,
                              struct hf_attr *attr);
// The name goes at once; the file with its last name and its last handle. directory: as rmdir, else as
// unlink. NOT_A_DIRECTORY, FILE_IS_A_DIRECTORY, DIRECTORY_NOT_EMPTY. SHARING_VIOLATION (rename too): a handle
// of the Windows door does not share deletion. DELETE_PENDING (link and rename): it has asked for the
// deletion.
HF_API nt_status hf_node_unlink(hf_handle volume, uint64_t parent, const char *name, bool directory);
// As rename(2), atomic. Flags as in renameat2: HF_RENAME_NOREPLACE, HF_RENAME_EXCHANGE. INVALID_PARAMETER for
// a directory that would go below itself.
enum { HF_RENAME_NOREPLACE = 1, HF_RENAME_EXCHANGE = 2 };
HF_API nt_status hf_node_rename(hf_handle volume, uint64_t parent, const char *name, uint64_t new_parent,
                                const char *new_name, uint32_t flags);
// The target as a Linux path; *done without the NUL that ends it. NOT_A_REPARSE_POINT: not a symbolic link.
// Absolute Windows targets that exist on this volume become relative, others stay as text ("X:/dir").
HF_API nt_status hf_node_readlink(hf_handle volume, uint64_t id, char *out, size_t size, size_t *done);
// "/dir/file" by one of its names. BUFFER_TOO_SMALL.
HF_API nt_status hf_node_path(hf_handle volume, uint64_t id, char *out, size_t size);
// A handle on the node itself (never what a link points to), shared with everybody, for hf_read, hf_write,
// hf_flush, hf_ioctl and hf_node_list. The file stays, without names too, until hf_close.
// IO_REPARSE_TAG_NOT_HANDLED: the data of a file whose reparse tag means nothing here. ACCESS_DENIED: to
// write with FILE_ATTRIBUTE_READONLY. access 0: FILE_READ_ATTRIBUTES.
HF_API nt_status hf_node_open(hf_handle volume, uint64_t id, uint32_t access, hf_handle *out);

// Entries follow one another at `next` bytes. A cookie says where the listing goes on after its entry; it is
// good for every handle on the directory and across mounts (docs/adr). "." and ".." come first; cookie 0: the
// beginning.
struct hf_node_entry {
    struct hf_attr attr; // only id and the type in mode unless HF_LIST_ATTR
    uint64_t cookie;
    uint32_t next; // bytes to the next entry; 0: the last one in this buffer
    uint16_t name_length;
    char name[1]; // ended by NUL
};
enum { HF_LIST_ATTR = 1 };
// As many entries as fit after cookie. *done 0 at the end. BUFFER_TOO_SMALL: not even one fits.
HF_API nt_status hf_node_list(hf_handle directory, uint64_t cookie, uint32_t flags, void *out, size_t size,
                              size_t *done);

// Extended attributes: names are bytes ("user.x", "security.capability"), kept as they are, at most
// HF_XATTR_NAME_MAX; values at most HF_XATTR_SIZE_MAX bytes. size 0: only *length. BUFFER_TOO_SMALL,
// NONEXISTENT_EA_ENTRY (there is none), OBJECT_NAME_COLLISION (HF_XATTR_CREATE), EA_TOO_LARGE.
enum { HF_XATTR_CREATE = 1, HF_XATTR_REPLACE = 2 };
HF_API nt_status hf_xattr_get(hf_handle volume, uint64_t id, const char *name, void *out, size_t size,
                              size_t *length);
HF_API nt_status hf_xattr_set(hf_handle volume, uint64_t id, const char *name, const void *value,
                              size_t length, uint32_t flags);
HF_API nt_status hf_xattr_remove(hf_handle volume, uint64_t id, const char *name);
// All names, each ended by NUL.
HF_API nt_status hf_xattr_list(hf_handle volume, uint64_t id, char *out, size_t size, size_t *length);

// --- checksum events -----------------------------------------------------------------------------

// What the volume found damaged since it was mounted, in Windows' numbers: 130 metadata corrected from its
// second copy, 131 not corrected, 132 file data corrected, 133 not corrected; 134 metadata could not be
// written, the volume is read-only from then on. The same finding again only counts.
struct hf_event {
    uint64_t sequence; // 1, 2, ... in the order of the first sighting
    struct hf_time first, last;
    uint64_t node;           // the file; 0 for metadata
    uint64_t offset, length; // of the file; of the device for metadata
    uint32_t id;
    uint32_t count;
};
enum { HF_EVENTS_KEPT = 1024 };
// Events after the one numbered `after`, oldest first, as many as fit; *count in: room, out: how many. Only
// the newest HF_EVENTS_KEPT are kept. Does not ask the drive, so it also works when the medium is gone.
HF_API nt_status hf_events(hf_handle volume, uint64_t after, struct hf_event *events, size_t *count);
// Call fn on the reading thread whenever there is a new event (not when one only counts); fn must not call
// Holdfast. NULL: nobody any more; fn is not running when this returns. One listener a volume: the last one.
// INVALID_DEVICE_REQUEST: not in this process (a volume behind a mount).
HF_API nt_status hf_listen(hf_handle volume, void (*fn)(void *context), void *context);

#ifdef __cplusplus
}
#endif

#endif
