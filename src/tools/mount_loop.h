// SPDX-License-Identifier: Apache-2.0
// Which threads serve the requests of a mount; see mount_loop.c.
#ifndef TOOLS_MOUNT_LOOP_H
#define TOOLS_MOUNT_LOOP_H

struct fuse_session;

// Serve until the session ends (unmounted, or fuse_session_exit, as its signal handlers do). 0, or the errno
// that ended it. Signals reach only the calling thread.
int loop_run(struct fuse_session *session);

#endif
