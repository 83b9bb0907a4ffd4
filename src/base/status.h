// SPDX-License-Identifier: Apache-2.0
// What a status is called and what it becomes elsewhere; the text that says more about the last failure; the
// trace.
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "base/base.h"

// "STATUS_DISK_FULL"; "STATUS_0xC0001234" in a per-thread buffer for a value that is not in the list.
const char *status_name(nt_status status);

// The status of a name, with or without "STATUS_"; false when there is none.
bool status_from_name(const char *name, nt_status *status);

// Win32 error of a status; 317 (ERROR_MR_MID_NOT_FOUND) for a value that is not in the list, as
// RtlNtStatusToDosError.
u32 status_to_win32(nt_status status);

// For the edges that speak errno: block back ends (from) and the mount (to).
nt_status status_from_errno(int error);
int status_to_errno(nt_status status);

// What a failed read says of the bytes that were asked for. Damage: they are there, and they are not those
// that were written. Unreadable: the device did not give this place now, which says nothing of what is there;
// another place may well be readable. All other failures tell of the medium, the request or of us: nothing is
// known. Only damage may decide anything for good: end a log, take a record for lost.
bool status_is_damage(nt_status status);
bool status_is_unreadable(nt_status status);
// Either: something else of the same medium is worth a try, a second copy or what comes next.
static inline bool status_is_local(nt_status status)
{
    return status_is_damage(status) || status_is_unreadable(status);
}

// One line that says more about the last failure on this thread: which file, which range, which page. Never
// NULL.
void status_set_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
void status_clear_text(void);
const char *status_text(void);

// The trace: every failed request leaves a line in a ring of 256; with HOLDFAST_TRACE set every request is
// printed.
void trace_request(const char *what, u32 code, nt_status status, u64 information);
// Copy the newest lines, oldest first, into out; returns the number of bytes written, without the final NUL.
size_t trace_dump(char *out, size_t size);

#endif
