// SPDX-License-Identifier: Apache-2.0
// Windows control codes through the file descriptor of any file or directory in a Holdfast mount. Stands
// alone: no library, C99 and C++ clean.
//
//     uint32_t done, status;
//     int fd = open("/mnt/x/file", O_RDWR);
//     int error = hf_linux_ioctl(fd, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &out, sizeof out, &done,
//     &status);
//
// error 0: the volume answered, and status (an NTSTATUS) is its answer; HF_LINUX_NOT_A_MOUNT(error): the file
// is not in a Holdfast mount. What a code may do depends on how the file was opened (O_RDONLY, O_RDWR), as
// FILE_READ_DATA and FILE_WRITE_DATA do on Windows; on a directory, which Linux opens for reading only, on
// whether the caller may write to it.
//
// Sizes are in bytes. *done is how many bytes of out are valid, also with a warning such as
// STATUS_BUFFER_OVERFLOW; 0 with an error. The buffers are Windows' own (winioctl.h; docs/CODES.md has each
// code), numbers in them little-endian. Data that programs wrote and the kernel still holds is on the volume
// before the code works. An errno instead of a status: EFAULT (the memory), EINTR (nothing was done; repeat),
// ENOMEM, ENOTCONN (the mount is gone), EPROTO (another version). In Python:
//
//     head = struct.pack('=IHHIIQQIIQQIIII', 0x6C614368, 1, 4, 0, len(in_), 0, 0, len(in_), out_size, 0, 0,
//                        code, 0, 0xFFFFFFFF, 0)
//     message = bytearray((head + in_).ljust(72 + max(len(in_), out_size), b'\0'))
//     fcntl.ioctl(fd, 3 << 30 | len(message) << 16 | 0xF5 << 8 | 1, message)
//     status, done = struct.unpack_from('=I', message, 8)[0], struct.unpack_from('=I', message, 36)[0]
//
// Limits of FUSE. An ioctl carries at most 16,383 bytes each way, which are read and written back as the size
// in its number says. Larger buffers travel in pieces that the mount keeps with the open file, each set under
// a number of its own, so that threads and processes may share a descriptor: at most 1 MiB for each
// direction, 16 sets at a time on an open file, 64 MiB in the whole mount and 16 MiB of one user (else
// STATUS_INSUFFICIENT_RESOURCES). A longer output buffer is used up to 1 MiB. The kernel hands no ioctl to
// the mount on a descriptor opened with O_PATH, nor on fifos, sockets and device nodes; those are reached by
// name, through the directory they are in (libholdfast: hf_open). The structures are the same for 32- and
// 64-bit callers.
//
// The rest of this file, from HF_LINUX_HELLO on, is what libholdfast speaks when it opens files in a mount.
#ifndef HOLDFAST_LINUX_H
#define HOLDFAST_LINUX_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#ifdef __cplusplus
extern "C" {
#endif

// What the Linux SMB client offers, without an argument, on files open for reading and writing and on
// directories: checksums are enforced again, the algorithm stays. EACCES, EINVAL (a file without checksums),
// EROFS.
#define HF_CIFS_IOC_SET_INTEGRITY 0x0000CF04u // _IO(0xCF, 4)

enum {
    HF_LINUX_MAGIC = 0x6C614368, // "hCal"
    HF_LINUX_VERSION = 1,
    HF_LINUX_MESSAGE_MAX = 16383,   // of one ioctl
    HF_LINUX_BUFFER_MAX = 1 << 20,  // of one call, in and out each
    HF_LINUX_TRANSACTIONS_MAX = 16, // of one open file
    HF_LINUX_STAGED_MAX = 64 << 20  // of one mount
};

enum hf_linux_op {
    HF_LINUX_STAGE =
        1, // a piece of input: transaction (0: a new one, answered), offset, in_length of the whole
    HF_LINUX_FETCH = 2,   // a piece of output from offset on; the transaction ends with the last one
    HF_LINUX_DROP = 3,    // forget a transaction
    HF_LINUX_CONTROL = 4, // code: a control code
    HF_LINUX_HELLO = 5,
    HF_LINUX_OPEN = 6,  // in: struct hf_linux_open, path. out: struct hf_linux_opened, path
    HF_LINUX_CLOSE = 7, // handle
    HF_LINUX_READ = 8,  // offset
    HF_LINUX_WRITE = 9, // offset
    HF_LINUX_FLUSH = 10,
    HF_LINUX_QUERY = 11,        // code: an information class
    HF_LINUX_SET = 12,          // code
    HF_LINUX_QUERY_VOLUME = 13, // code
    HF_LINUX_SET_LABEL = 14,    // in: the label
    HF_LINUX_RENAME = 15,       // in: struct hf_linux_target, name
    HF_LINUX_LINK = 16,         // the same
    HF_LINUX_LIST = 17,         // code: a directory class; flags; in: pattern
    HF_LINUX_LOCK = 18,         // offset, extra: length; flags; never waits
    HF_LINUX_UNLOCK = 19        // offset, extra
};

enum hf_linux_flags {
    HF_LINUX_RESTART = 1,  // LIST
    HF_LINUX_SINGLE = 2,   // LIST
    HF_LINUX_EXCLUSIVE = 4 // LOCK
};

// One ioctl's message: this, then `length` bytes of data. Numbers are in the machine's own byte order.
struct hf_linux_call {
    uint32_t magic;
    uint16_t version;
    uint16_t op;
    uint32_t status;      // out
    uint32_t length;      // bytes of data that follow; with an error status: text that says more
    uint64_t handle;      // of HF_LINUX_OPEN; 0: the descriptor's own file
    uint64_t transaction; // in: the input was staged under it, out: there is more output to fetch
    uint32_t in_length;   // of the whole input
    uint32_t out_length;  // in: room for the whole output, out: its length
    uint64_t offset;
    uint64_t extra;
    uint32_t code;
    uint32_t flags;
    uint32_t privileges;  // that the caller has enabled (enum hf_privilege)
    uint32_t information; // out: what was done by an OPEN, bytes written by a WRITE
};

// For a header only: no two's complement tricks, just the number of an ioctl whose size is known at run time.
#define HF_LINUX_IOCTL(size)       _IOC(_IOC_READ | _IOC_WRITE, 0xF5, 1, (size))
#define HF_LINUX_IS_IOCTL(command) (((command)&0xC000FFFFu) == 0xC000F501u)
#define HF_LINUX_NOT_A_MOUNT(error) \
    ((error) == ENOTTY || (error) == EINVAL || (error) == ENOSYS || (error) == EOPNOTSUPP)

// Sends a message of size bytes and brings back the answer in its place; 0 or an errno.
typedef int hf_linux_send(void *context, void *message, size_t size);

static inline int hf_linux_send_fd(void *context, void *message, size_t size)
{
    return ioctl(*(int *)context, (unsigned long)HF_LINUX_IOCTL(size), message) < 0 ? errno : 0;
}

// The answer's head is in *call.
static inline int hf_linux_send_checked(hf_linux_send *send, void *context, struct hf_linux_call *call,
                                        unsigned char *message, size_t size)
{
    int error;
    call->magic = HF_LINUX_MAGIC;
    call->version = HF_LINUX_VERSION;
    memcpy(message, call, sizeof *call);
    error = send(context, message, size);
    if (error)
        return error;
    memcpy(call, message, sizeof *call);
    return call->magic != HF_LINUX_MAGIC || call->length > size - sizeof *call ? EPROTO : 0;
}

// Brings a large input piece by piece; *transaction stands for it. A status other than 0 is in *status.
static inline int hf_linux_stage(hf_linux_send *send, void *context, unsigned char *message, const void *in,
                                 uint32_t length, uint64_t *transaction, uint32_t *status)
{
    const size_t room = HF_LINUX_MESSAGE_MAX - sizeof(struct hf_linux_call);
    struct hf_linux_call piece;
    uint32_t at, n;
    *status = 0;
    for (at = 0; at < length && *status == 0; at += n) {
        int error;
        n = length - at < room ? length - at : (uint32_t)room;
        memset(&piece, 0, sizeof piece);
        piece.op = HF_LINUX_STAGE;
        piece.transaction = *transaction;
        piece.in_length = length;
        piece.offset = at;
        piece.length = n;
        memcpy(message + sizeof piece, (const unsigned char *)in + at, n);
        error = hf_linux_send_checked(send, context, &piece, message, sizeof piece + n);
        if (error)
            return error;
        *status = piece.status;
        *transaction = piece.transaction;
    }
    return 0;
}

// Fetches what did not fit into the first answer: length bytes in all, `at` of them are in out.
static inline int hf_linux_fetch(hf_linux_send *send, void *context, unsigned char *message,
                                 uint64_t transaction, void *out, uint32_t at, uint32_t length)
{
    const size_t room = HF_LINUX_MESSAGE_MAX - sizeof(struct hf_linux_call);
    struct hf_linux_call piece;
    uint32_t n;
    for (; at < length; at += n) {
        int error;
        n = length - at < room ? length - at : (uint32_t)room;
        memset(&piece, 0, sizeof piece);
        piece.op = HF_LINUX_FETCH;
        piece.transaction = transaction;
        piece.offset = at;
        piece.out_length = n;
        error = hf_linux_send_checked(send, context, &piece, message, sizeof piece + n);
        if (error)
            return error;
        if (piece.status != 0 || piece.length != n)
            return EPROTO;
        memcpy((unsigned char *)out + at, message + sizeof piece, n);
    }
    return 0;
}

// Carries one call with buffers of any length. call->op, handle, offset ... say what; call->in_length and
// out_length are those of in and out. On return they are what was answered, out_length the bytes that are in
// out; text (of text_size bytes, may be NULL) says more about an error status. 0 or an errno.
static inline int hf_linux_exchange(hf_linux_send *send, void *context, struct hf_linux_call *call,
                                    const void *in, void *out, char *text, size_t text_size)
{
    enum { TEXT_ROOM = 512 };
    unsigned char message[HF_LINUX_MESSAGE_MAX];
    const size_t head = sizeof *call, room = sizeof message - head;
    const uint32_t in_length = call->in_length, out_length = call->out_length;
    uint32_t n;
    int error = 0;
    call->transaction = 0;
    call->status = 0;
    if (text && text_size)
        text[0] = 0;
    if (in_length > room)
        error = hf_linux_stage(send, context, message, in, in_length, &call->transaction, &call->status);
    if (error || call->status != 0) {
        call->length = call->out_length = 0;
        return error;
    }
    call->length = in_length > room ? 0 : in_length;
    if (call->length)
        memcpy(message + head, in, call->length);
    n = out_length < room ? out_length : (uint32_t)room;
    n = n < call->length ? call->length : n;
    n = n < TEXT_ROOM ? (uint32_t)TEXT_ROOM : n;
    error = hf_linux_send_checked(send, context, call, message, head + n);
    if (error)
        return error;
    if (call->status >= 0xC0000000u) {
        if (text && text_size) {
            n = call->length < text_size - 1 ? call->length : (uint32_t)(text_size - 1);
            memcpy(text, message + head, n);
            text[n] = 0;
        }
        call->out_length = 0;
        return 0;
    }
    if (call->out_length > out_length || call->length > call->out_length ||
        (!call->transaction && call->length != call->out_length))
        return EPROTO;
    if (call->length)
        memcpy(out, message + head, call->length);
    return call->transaction ? hf_linux_fetch(send, context, message, call->transaction, out, call->length,
                                              call->out_length)
                             : 0;
}

// Sends a control code. 0: *status is the answer and *done bytes of out are valid (also with a warning such
// as STATUS_BUFFER_OVERFLOW); else an errno. in and out may be the same memory.
static inline int hf_linux_ioctl(int fd, uint32_t code, const void *in, uint32_t in_length, void *out,
                                 uint32_t out_length, uint32_t *done, uint32_t *status)
{
    struct hf_linux_call call;
    int error;
    memset(&call, 0, sizeof call);
    call.op = HF_LINUX_CONTROL;
    call.code = code;
    call.in_length = in_length;
    call.out_length = out_length;
    call.privileges = ~0u;
    *done = 0;
    error = hf_linux_exchange(hf_linux_send_fd, &fd, &call, in, out, NULL, 0);
    *status = call.status;
    if (!error)
        *done = call.out_length;
    return error;
}

// --- what libholdfast speaks ---------------------------------------------------------------------

struct hf_linux_hello {
    uint64_t node;       // the descriptor's file
    uint32_t privileged; // the caller may do everything
    uint32_t readonly;
};

enum hf_linux_open_flags {
    HF_LINUX_OPEN_VOLUME = 1,  // the volume itself, no path
    HF_LINUX_OPEN_WINDOWS = 2, // the path's separator is '\', and ':' names a stream
    HF_LINUX_OPEN_PARENT = 4,  // open the directory of the last component
    HF_LINUX_OPEN_PATH = 8     // answer the path on the volume
};
// Paths begin at the descriptor's directory, and nothing outside it can be opened through it: a mount may
// show only a part of the volume (mount --bind).
struct hf_linux_open {
    uint64_t related; // the path is relative to this handle; 0: to the descriptor's directory
    uint32_t flags;
    uint32_t access, share, disposition, options, attributes; // as the create request has them
    uint32_t umask; // of the caller: what is created has not these of the bits 0666, or 0777 for a directory
    uint32_t reserved;
};
struct hf_linux_opened {
    uint64_t handle;
    uint64_t node;
    uint32_t attributes;
    uint32_t reparse_tag;
};
// In place of that with STATUS_STOPPED_ON_SYMLINK: a link that is to be followed by whoever asked; its
// reparse buffer follows.
struct hf_linux_stopped {
    uint32_t consumed, parent; // bytes of the path up to the link's end, and up to its directory's
    uint32_t directory;
    uint32_t length;
};
struct hf_linux_target {
    uint64_t directory; // a handle: where the new name goes
    uint32_t flags;     // FILE_RENAME_* (ntfile.h)
    uint32_t reserved;
};

#ifdef __cplusplus
}
#endif

#endif
