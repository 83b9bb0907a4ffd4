// SPDX-License-Identifier: Apache-2.0
// Which threads serve the requests of a mount; see mount_loop.c.
#ifndef TOOLS_MOUNT_LOOP_H
#define TOOLS_MOUNT_LOOP_H

#include <stdbool.h>

struct fuse_session;

// Serve until the session ends (unmounted, or fuse_session_exit, as its signal handlers do). 0, or the errno
// that ended it. Signals reach only the calling thread. keep_awake: while requests follow one another closely
// the machine's processors do not sleep (/dev/cpu_dma_latency, where the caller may open it).
int loop_run(struct fuse_session *session, bool keep_awake);

#endif
