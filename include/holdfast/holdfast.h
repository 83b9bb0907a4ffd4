// SPDX-License-Identifier: Apache-2.0
// Holdfast's native API: self-checking volumes that answer the Windows storage control codes. Every function
// returns an nt_status (STATUS_SUCCESS is 0); outputs come last and are zero on failure. All functions may be
// called from any thread.
//
//     hf_attach("X:", "file:/path/vol.hf");
//     hf_open("X:\\dir\\file", &(struct hf_open_options){.access = FILE_READ_DATA}, &h);
//
// Names. Two spellings, chosen by the first character of what follows the drive:
//   X:\dir\file:stream    Windows: '\' separates, ':' names a stream, reserved characters are refused
//   X:/dir/file           POSIX: '/' separates, every other byte but NUL is part of a name
//   \\?\X:\...  \??\X:\...  as the first
//   /mnt/x/dir/file      a path of Linux in a mount of a volume: as X:/dir/file
//   \\.\X:               the volume;   \\.\PhysicalDrive0  \\.\CdRom0  \\.\Tape0   a device
// "." and ".." are folded, except in the \\?\ and \??\ forms, which are taken as they are. A separator at the
// end asks for a directory. A name relative to a handle is spelled as that handle's own name was, and nothing
// in it is folded. All text is UTF-8.
#ifndef HOLDFAST_HOLDFAST_H
#define HOLDFAST_HOLDFAST_H

#include <holdfast/dump.h>
#include <holdfast/ntfile.h>
#include <holdfast/ntstatus.h>
#include <holdfast/winioctl.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_API __attribute__((visibility("default")))

// Opaque, never dereferenced: a closed or made-up handle is INVALID_HANDLE.
typedef struct hf_handle_ *hf_handle;

// --- devices -------------------------------------------------------------------------------------

// Make a device: name "X:" (a disk with a drive letter), "PhysicalDrive3", "CdRom0" or "Tape0"; spec
// "BACKEND[,removable][,readonly][,compat=classpnp][,atime=relatime][,cache=BYTES][,retry-ms=N]" where
// BACKEND is "file:/path", "dev:/dev/..." or "ram:BYTES"; BYTES may end in K, M or G; N is what the drive
// takes for one second between retries. Reads leave LastAccessTime alone, as on Windows; with atime=relatime
// one is noted when the last that was is not after the last change, or a day old. Nothing is mounted yet.
// OBJECT_NAME_COLLISION, SHARING_VIOLATION (image in use), OBJECT_NAME_NOT_FOUND (no image; a removable drive
// may be empty, so there it is no error). A drive letter with the spec "mount:/mnt/x" is the volume that is
// mounted there or above: calls go through the mount (holdfast/linux.h), file data through the kernel's cache
// as with any program (docs/adr/0014).
HF_API nt_status hf_attach(const char *name, const char *spec);
// All entries of text, separated by ';': "X:=file:/a.hf;CdRom0=file:/b.iso,removable". NULL:
// $HOLDFAST_DEVICES, once per process. On failure the earlier entries stay; hf_error_text says which one it
// was.
HF_API nt_status hf_attach_list(const char *text);
// Dismount, commit, remove. FILES_OPEN while handles exist. Other failures are of the last commit: the device
// is gone. What is attached when the process ends is committed and dismounted then.
HF_API nt_status hf_detach(const char *name);
// Names of devices, one after the other, each ended by NUL, an empty one at the end. BUFFER_TOO_SMALL.
HF_API nt_status hf_list_devices(char *out, size_t size);
// The mount of a Holdfast volume that a Linux path lies in: where it is mounted, and the path on the volume
// ("/" for its root). The file need not exist, its directory must. OBJECT_PATH_NOT_FOUND, BUFFER_TOO_SMALL.
HF_API nt_status hf_mount_of(const char *path, char *point, size_t point_size, char *inside,
                             size_t inside_size);
// Where this image or device is mounted. OBJECT_NAME_NOT_FOUND.
HF_API nt_status hf_mount_with(const char *image, char *point, size_t size);

struct hf_format_options {
    uint32_t cluster; // 4096 (also for 0) or 65536
    uint32_t copies;  // of metadata: 1 or 2 (also for 0)
    bool integrity;   // integrity streams on by default (the root directory's setting)
    bool case_sensitive;
    const char *label;   // NULL: none
    const char *options; // NULL, or names separated by ',': no-integrity, no-reparse, integrity-change=any,
                         // integrity-profile=v1, integrity-echo, setex-any
};
// Write an empty volume into a back end ("file:/path" must exist with its final size), or into an attached
// device ("X:") that nobody has open. SHARING_VIOLATION, INVALID_PARAMETER.
HF_API nt_status hf_format(const char *spec, const struct hf_format_options *options);

// --- files ---------------------------------------------------------------------------------------

struct hf_open_options {
    uint32_t access;      // FILE_READ_DATA ... or GENERIC_*; 0 means FILE_READ_ATTRIBUTES
    uint32_t share;       // FILE_SHARE_*; HF_SHARE_NONE for none, 0 means all three
    uint32_t disposition; // FILE_OPEN (also for 0), FILE_CREATE ...; HF_SUPERSEDE for FILE_SUPERSEDE, whose
                          // value is 0
    uint32_t options;     // FILE_DIRECTORY_FILE, FILE_OPEN_REPARSE_POINT ...
    uint32_t attributes;  // FILE_ATTRIBUTE_* of a new file
    hf_handle root;       // name is relative to this directory; NULL: name is complete
    uint32_t *action;     // FILE_OPENED, FILE_CREATED ...; may be NULL
    struct hf_stopped
        *stopped; // not NULL: links are not followed, whoever asked does that (a server's client)
};
// What an open with `stopped` met that ended in STOPPED_ON_SYMLINK: offsets into the name's path, after the
// drive and its separator.
struct hf_stopped {
    uint32_t consumed;     // bytes up to the end of the component that is the link
    uint32_t parent;       // and up to the end of the one before it
    bool directory;        // the link is on a directory
    uint32_t length;       // of its reparse buffer
    unsigned char *buffer; // given: room for MAXIMUM_REPARSE_DATA_BUFFER_SIZE bytes
};
#define HF_SHARE_NONE 0x80000000u
#define HF_SUPERSEDE  0x80000000u
// With FILE_OPEN_BY_FILE_ID the path is hf_stat.id in decimal digits; a link is then opened itself or not at
// all.
HF_API nt_status hf_open(const char *name, const struct hf_open_options *options, hf_handle *out);
// Ends what waits on this handle, waits for what runs, then closes. Succeeds for every valid handle: whoever
// must know that the data is safe calls hf_flush first.
HF_API nt_status hf_close(hf_handle h);

// END_OF_FILE at or beyond the end; DATA_CHECKSUM_ERROR when a byte of a touched 16 KiB unit rotted.
HF_API nt_status hf_read(hf_handle h, uint64_t offset, void *data, size_t length, size_t *done);
#define HF_APPEND UINT64_MAX
// A write that fails may have written some of its bytes; *done is 0 all the same, as on Windows. (A kernel
// that writes its cache back would take a short count for success.)
HF_API nt_status hf_write(hf_handle h, uint64_t offset, const void *data, size_t length, size_t *done);
HF_API nt_status hf_flush(hf_handle h); // everything written before is on stable storage
HF_API nt_status hf_lock(hf_handle h, uint64_t offset, uint64_t length, bool exclusive, bool wait);
HF_API nt_status hf_unlock(hf_handle h, uint64_t offset, uint64_t length);

// Information classes of ntfile.h, byte for byte as Windows lays them out. BUFFER_OVERFLOW: *done bytes are
// valid.
HF_API nt_status hf_query(hf_handle h, uint32_t class_, void *out, size_t length, size_t *done);
HF_API nt_status hf_set(hf_handle h, uint32_t class_, const void *in, size_t length);
HF_API nt_status hf_query_volume(hf_handle h, uint32_t class_, void *out, size_t length, size_t *done);
HF_API nt_status hf_set_label(hf_handle h, const char *label);
// Rename or link: the handle's file gets the name (complete, or relative to root). flags: FILE_RENAME_* of
// ntfile.h. OBJECT_NAME_COLLISION unless FILE_RENAME_REPLACE_IF_EXISTS (1, so that true says it too); with
// that, ACCESS_DENIED for a read-only file unless FILE_RENAME_IGNORE_READONLY_ATTRIBUTE, for one that
// somebody has open and for a directory unless FILE_RENAME_POSIX_SEMANTICS.
HF_API nt_status hf_rename(hf_handle h, hf_handle root, const char *name, uint32_t flags);
HF_API nt_status hf_link(hf_handle h, hf_handle root, const char *name, uint32_t flags);
HF_API nt_status hf_delete(hf_handle h); // when the last handle is closed (FileDispositionInformation)
// The handle's path on its volume, "/dir/file" without a drive; BUFFER_TOO_SMALL.
HF_API nt_status hf_path(hf_handle h, char *out, size_t size);

struct hf_stat {
    uint64_t id, size, allocated;
    uint64_t created, accessed, written, changed; // 100 ns since 1601
    uint32_t attributes, reparse_tag, links;
    uint32_t reserved;
};
HF_API nt_status hf_stat(hf_handle h, struct hf_stat *st);

struct hf_dirent {
    struct hf_stat stat;
    uint32_t next;        // bytes from this entry to the next; 0: the last one
    uint32_t name_length; // bytes
    char name[1];         // UTF-8, ended by NUL
};
// As many entries as fit; NO_MORE_FILES after the last one. pattern: "*", "a?.txt"; NULL: all. "." and ".."
// are included.
HF_API nt_status hf_list(hf_handle h, const char *pattern, bool restart, void *out, size_t length,
                         size_t *done);
// The same in a Windows directory class.
HF_API nt_status hf_query_directory(hf_handle h, uint32_t class_, const char *pattern, bool restart,
                                    bool single, void *out, size_t length, size_t *done);

// --- control codes -------------------------------------------------------------------------------

// DeviceIoControl: decodes device type, access and method, sends the request. BUFFER_OVERFLOW and the other
// warnings return data too: *done bytes. in and out may be the same memory.
HF_API nt_status hf_ioctl(hf_handle h, uint32_t code, const void *in, size_t in_length, void *out,
                          size_t out_length, size_t *done);
HF_API const char *hf_code_name(uint32_t code); // NULL when it has none
HF_API bool hf_code_from_name(const char *name, uint32_t *code);

// --- requests in the background ------------------------------------------------------------------

// Runs one of the calls above on a worker thread; complete is called there. hf_cancel ends requests of a
// handle that still wait (for a lock, for a drive to become ready) with CANCELLED; of one that had not begun,
// complete is called by hf_cancel itself. hf_close does the same and waits for what is running.
enum hf_request_kind {
    HF_REQUEST_READ,
    HF_REQUEST_WRITE,
    HF_REQUEST_IOCTL,
    HF_REQUEST_FLUSH,
    HF_REQUEST_LOCK
};
struct hf_request {
    enum hf_request_kind kind;
    hf_handle handle;
    uint64_t offset;
    const void *in; // write: data; ioctl: input
    size_t in_length;
    void *out; // read: data; ioctl: output
    size_t out_length;
    uint32_t code;
    bool exclusive; // lock: offset and in_length are the range
    void (*complete)(struct hf_request *request, nt_status status, size_t done);
    void *context;
    struct hf_request *next_; // these two are Holdfast's own until complete was called
    void *handle_;
};
// The request must live until complete was called. PENDING; anything else: not started, complete is not
// called.
HF_API nt_status hf_submit(struct hf_request *request);
HF_API nt_status hf_cancel(hf_handle h);

// --- privileges of this process ------------------------------------------------------------------

enum hf_privilege { HF_PRIVILEGE_CREATE_SYMBOLIC_LINK = 1, HF_PRIVILEGE_MANAGE_VOLUME = 2 };
HF_API uint32_t hf_privileges(void);                 // enabled ones; all at start
HF_API uint32_t hf_set_privileges(uint32_t enabled); // returns the old set
// For a server: this thread acts for somebody who holds these at most (all at start). Clears hf_error_text,
// returns the old limit.
HF_API uint32_t hf_limit_privileges(uint32_t limit);

// --- whole volumes -------------------------------------------------------------------------------

struct hf_finding {
    const char *kind; // "page", "superblock", "data", "record", "space lost", "space used"
    const char *path; // "/dir/file", or ""
    const char *text;
    uint64_t object, offset, length;
    bool repairable;
    bool repaired; // hf_scrub: written again from its second copy
};
struct hf_check_totals {
    uint64_t pages, objects, files, directories, streams, extents, data_bytes, findings;
    uint64_t close; // metadata pages whose two copies lie close together; no damage
};
struct hf_check_options {
    bool data; // verify all file data too
    void (*finding)(void *context, const struct hf_finding *finding);
    void (*progress)(void *context, const struct hf_check_totals *totals);
    void (*page)(void *context, uint64_t address, uint32_t kind, uint32_t level, uint32_t copy);
    void *context;
};
// Check the volume in a back end, which nobody else may have open for writing. DISK_CORRUPT_ERROR: there were
// findings.
HF_API nt_status hf_check(const char *spec, const struct hf_check_options *options,
                          struct hf_check_totals *totals);

struct hf_identity {
    uint8_t uuid[16];
    uint64_t generation;         // counts commits
    uint64_t size, free;         // bytes; free as of the last commit
    uint64_t created, committed; // 100 ns since 1601
    uint32_t serial, version;    // version: of the format
    uint32_t cluster, sector;    // bytes
    uint32_t copies;             // of metadata
    uint32_t superblocks; // copies of the newest superblock that are whole; fewer than copies: damage, or a
                          // commit at this moment
    char label[97];
    char features[159]; // names separated by ',': "case-sensitive", "integrity", "reparse", "posix" (owners,
                        // modes or extended attributes), "entry-types" (directory entries tell what they
                        // name), "log" (in use, or not closed), "later-writer" (can only be read by this
                        // version) and the names of hf_format_options.options
};
// What volume is in a back end ("file:/path", "dev:/dev/...")? Only reads, takes no lock, so it works on one
// that is in use. UNRECOGNIZED_VOLUME: not ours. DISK_CORRUPT_ERROR: ours, but no superblock is whole.
// VOLUME_NOT_UPGRADED: of a later version.
HF_API nt_status hf_identify(const char *spec, struct hf_identity *out);

// Tell the bytes of the volume in a back end by name, one thing after the other; address: of HF_DUMP_PAGE.
// Only reads, takes no lock and believes nothing, so it works on a damaged volume, and on one that is in use,
// where what changes meanwhile looks like damage. DISK_CORRUPT_ERROR: something is damaged. CANCELLED: fn had
// seen enough.
HF_API nt_status hf_dump(const char *spec, enum hf_dump_what what, uint64_t address, hf_dump_fn *fn,
                         void *context);

// Of all parts of a scrub that was interrupted. bytes grows to total_bytes, which is an estimate before the
// end.
struct hf_scrub_totals {
    uint64_t bytes, total_bytes, pages, data_bytes, repaired, lost;
};
// Where a scrub was stopped; all zero: the beginning. Plain bytes, which may be kept in a file.
struct hf_scrub_position {
    unsigned char bytes[1024];
};
struct hf_scrub_options {
    void (*finding)(void *context, const struct hf_finding *finding);
    bool (*progress)(void *context, const struct hf_scrub_totals *totals); // false: stop here
    void *context;
};
// Read everything on the volume in a back end, which nobody else may have open, and repair what has a second
// copy (not on a read-only back end). position may be NULL; else the scrub goes on from there, and says there
// how far it came. DISK_CORRUPT_ERROR: something is lost. CANCELLED: progress stopped it. INVALID_PARAMETER:
// not a position of this volume.
HF_API nt_status hf_scrub(const char *spec, struct hf_scrub_position *position,
                          const struct hf_scrub_options *options, struct hf_scrub_totals *totals);

// --- texts ---------------------------------------------------------------------------------------

HF_API const char *hf_status_name(nt_status status);  // "STATUS_DISK_FULL"
HF_API uint32_t hf_status_to_win32(nt_status status); // 112
HF_API int hf_status_to_errno(nt_status status);      // ENOSPC
HF_API const char *hf_error_text(void);               // more about this thread's last failure; never NULL
HF_API size_t hf_trace(char *out, size_t size);       // the newest failed requests, a line each
// UTF-16LE <-> UTF-8. Counts in code units and bytes; *n in: room, out: used. OBJECT_NAME_INVALID,
// BUFFER_TOO_SMALL.
HF_API nt_status hf_to_utf16(const char *text, size_t bytes, void *out, size_t *units);
HF_API nt_status hf_from_utf16(const void *utf16, size_t units, char *out, size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif
