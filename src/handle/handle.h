// SPDX-License-Identifier: Apache-2.0
// What the files of this floor offer one another: handles, the device table, names, the create loop,
// background requests.
//
//   hf_handle (a number) -> struct handle (a table slot) -> struct drive_entry (the device it was opened
//   through)
//                                |
//                                +-- file_object -> device (volume or real), where its IRPs go
//
// Locks: the device table's mutex, the handle table's free-list mutex and the request queue's mutex are
// leaves; none is held across an IRP. A request holds a reference on its handle, which keeps file object and
// device alive.
#ifndef HANDLE_HANDLE_H
#define HANDLE_HANDLE_H

#include <sys/types.h>

#include <holdfast/holdfast.h>
#include <holdfast/linux.h>

#include "device/device.h"
#include "drive/drive.h"

// --- names.c: devices and names ------------------------------------------------------------------

struct drive_entry {
    struct drive_entry *next;
    char letter; // 'X', or 0
    enum drive_kind kind;
    u32 number;
    struct device *device;
    u32 users;   // handles, and calls that are under way
    bool busy;   // being detached or formatted: nobody new
    pid_t owner; // the process that attached it: a fork's child must not commit it at its exit
    char *mount; // where the volume is mounted, of one that came with a path of Linux: it has no name and
                 // goes with its last user; else NULL
};

// The device called name ("X:", "CdRom0", case-insensitive), counted until entry_put. OBJECT_PATH_NOT_FOUND
// for a drive letter, OBJECT_NAME_NOT_FOUND for another name, ACCESS_DENIED while it is busy.
nt_status entry_get(struct str name, struct drive_entry **out);
void entry_get_again(struct drive_entry *entry);
void entry_put(struct drive_entry *entry);
// The same for one that must have no other user until entry_put_exclusive. SHARING_VIOLATION.
nt_status entry_get_exclusive(struct str name, struct drive_entry **out);
void entry_put_exclusive(struct drive_entry *entry);
// Dismount what is mounted on the device, committing it; SUCCESS when nothing is.
nt_status entry_dismount(struct drive_entry *entry);

// "BACKEND[,option]...", taken apart. Options are read from the right, so that a path may hold commas.
struct spec {
    char backend[4096];
    u32 blk_flags; // enum blk_flags
    bool classpnp, relatime;
    u64 cache_bytes;
    u64 retry_ms;
};
nt_status spec_parse(const char *text, struct spec *spec);

enum { NAME_UNITS = 32767, NAME_BYTES = NAME_UNITS * 3 };

struct name {
    struct drive_entry *entry; // counted; NULL in a relative name
    struct str path;           // components, none of them empty, "." or ".."
    char separator;
    bool volume;    // names the volume or device itself
    bool directory; // ended in a separator
    char *memory;   // holds path when it is not a part of the caller's text
};
nt_status name_parse(const char *text, struct name *name);
nt_status name_parse_relative(const char *text, char separator, struct name *name);
void name_free(struct name *name);

// Cut the first component off *rest; false when there is none left.
bool path_next(struct str *rest, char separator, struct str *component);
// Append the components of add, written with separator in, to the path in buf; "." and ".." are folded. False
// when
// ".." would leave the root, unless clip, which stays there. There must be room for one byte more than both.
bool path_append(char *buf, u32 *len, char separator, struct str add, char in, bool clip);
// What an absolute NT path may not hold: OBJECT_NAME_INVALID for "" and "..", OBJECT_PATH_NOT_FOUND for ".".
nt_status path_check(struct str path, char separator);

// --- resolve.c: a create, through links ----------------------------------------------------------

struct open {
    struct name name;
    struct file_object *related; // NULL: name is complete
    u32 share, disposition, options, attributes;
    bool target_directory;      // open the parent of the last component, which is left in name.path
    struct hf_stopped *stopped; // not NULL: report links, do not follow them
    u32 action;                 // out: FILE_OPENED ...
};
// Fill file (file->access is given) and follow links, which may change open->name. On success file->device is
// referenced.
nt_status open_create(struct open *open, struct file_object *file);
// CLEANUP, CLOSE, and the reference on the device.
void file_close(struct file_object *file, const _Atomic bool *cancel);
// The file's path on its volume, '/' between components; *len in: room, out: used. BUFFER_TOO_SMALL.
nt_status file_path(struct file_object *file, char *out, size_t *len);

// --- handle.c ------------------------------------------------------------------------------------

struct handle {
    _Atomic u64 state; // generation, open bit, references: see handle.c
    struct file_object file;
    struct drive_entry *entry;
    _Atomic bool closing; // ends synchronous requests that wait
    char separator;       // how names relative to this handle are spelled
    u32 index;
    u32 next_free;
};
// A new handle on a node of the volume that the other handle is on. what not NULL: on a new file without a
// name that is made so in this directory.
nt_status handle_open_node(struct handle *volume, u64 id, const struct hf_node_new *what, u32 access,
                           struct hf_attr *attr, hf_handle *out);
// A reference that keeps the handle's file object; INVALID_HANDLE.
nt_status handle_get(hf_handle h, struct handle **out);
void handle_put(struct handle *handle);
// Close what this process still has open, except handles that are in use this moment: process exit.
void handle_close_all(void);
u32 access_map(u32 access); // GENERIC_* into what they mean for files

static inline void scope_handle_put(struct handle **handle)
{
    if (*handle)
        handle_put(*handle);
}
#define SCOPE_HANDLE __attribute__((cleanup(scope_handle_put)))

// --- file.c, ioctl.c: requests on a referenced handle. cancel NULL: the handle's own -------------

// Send irp to the handle's device. *done (may be NULL) is its information, or 0 with an error status.
nt_status request_send(struct handle *handle, const _Atomic bool *cancel, struct irp *irp, size_t *done);
nt_status request_read(struct handle *handle, const _Atomic bool *cancel, u64 offset, void *data,
                       size_t length, size_t *done);
nt_status request_write(struct handle *handle, const _Atomic bool *cancel, u64 offset, const void *data,
                        size_t length, size_t *done);
nt_status request_flush(struct handle *handle, const _Atomic bool *cancel);
nt_status request_lock(struct handle *handle, const _Atomic bool *cancel, u64 offset, u64 length,
                       bool exclusive, bool wait);
nt_status request_ioctl(struct handle *handle, const _Atomic bool *cancel, u32 code, const void *in,
                        size_t in_length, void *out, size_t out_length, size_t *done);

// --- remote.c: volumes behind a mount ------------------------------------------------------------

struct remote_link {
    hf_linux_send *send;
    void (*close)(void *context);
    void *context;
    int base;    // the mount's root for openat, or -1: file data goes through the link too
    char *below; // what of the volume the mount shows ("/sub"); "" for all
    char *start; // the directory that messages go through, where their paths begin; NULL: below
};
// Turns the path of "mount:PATH" into a link; tests put in their own.
extern nt_status (*remote_connect)(const char *path, struct remote_link *link);
// A device that is drive and mounted volume in one. PATH_NOT_FOUND: there is no mount.
nt_status remote_attach(const char *path, struct device **out);
bool device_is_remote(const struct device *device);

// --- remote_find.c -------------------------------------------------------------------------------

struct place {
    char point[4096];  // of the mount
    char below[4096];  // directory of the volume that it shows, "" for its root
    char inside[4096]; // the path on the volume, "/dir/file"
};
nt_status place_find(const char *path, struct place *place);

// --- remote_lock.c: byte-range locks of a file that the kernel has open ---------------------------

struct range_lock {
    struct range_lock *next;
    u64 offset, length;
    bool exclusive;
};
// The locks of one handle, kept by the kernel as locks of its open file: others who lock the same way meet
// them.
struct range_locks {
    pthread_mutex_t mutex;
    struct range_lock *first;
};
nt_status remote_lock(struct range_locks *locks, int fd, u64 offset, u64 length,
                      bool exclusive);                                              // LOCK_NOT_GRANTED
nt_status remote_unlock(struct range_locks *locks, int fd, u64 offset, u64 length); // RANGE_NOT_LOCKED
void remote_unlock_all(struct range_locks *locks, int fd);
// FILE_LOCK_CONFLICT when a lock is in the way of this read or write.
nt_status remote_lock_check(struct range_locks *locks, int fd, u64 offset, u64 length, bool write);

// --- async.c -------------------------------------------------------------------------------------

void async_cancel(struct handle *handle); // what the handle has waiting or running in the background
void async_stop(void);                    // start nothing more, end what waits: process exit

#endif
