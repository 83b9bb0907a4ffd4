// SPDX-License-Identifier: Apache-2.0
// Names of requests, and the one place where a request may wait.
#include "device/irp.h"

#include <stdatomic.h>
#include <time.h>

static const char *const names[IRP_MJ_COUNT] = {
    [IRP_MJ_CREATE] = "CREATE",
    [IRP_MJ_CLEANUP] = "CLEANUP",
    [IRP_MJ_CLOSE] = "CLOSE",
    [IRP_MJ_READ] = "READ",
    [IRP_MJ_WRITE] = "WRITE",
    [IRP_MJ_FLUSH_BUFFERS] = "FLUSH_BUFFERS",
    [IRP_MJ_QUERY_INFORMATION] = "QUERY_INFORMATION",
    [IRP_MJ_SET_INFORMATION] = "SET_INFORMATION",
    [IRP_MJ_QUERY_VOLUME_INFORMATION] = "QUERY_VOLUME_INFORMATION",
    [IRP_MJ_SET_VOLUME_INFORMATION] = "SET_VOLUME_INFORMATION",
    [IRP_MJ_DIRECTORY_CONTROL] = "DIRECTORY_CONTROL",
    [IRP_MJ_FILE_SYSTEM_CONTROL] = "FILE_SYSTEM_CONTROL",
    [IRP_MJ_DEVICE_CONTROL] = "DEVICE_CONTROL",
    [IRP_MJ_LOCK_CONTROL] = "LOCK_CONTROL",
    [IRP_MJ_NODE] = "NODE",
};

const char *irp_major_name(enum irp_major major)
{
    return (unsigned)major < IRP_MJ_COUNT ? names[major] : "UNKNOWN";
}

// Short naps: whoever sets cancel knows of no one to wake.
nt_status irp_wait(const struct irp *irp, u32 ms)
{
    enum { SLICE_MS = 20 };
    for (;;) {
        if (irp->cancel && atomic_load(irp->cancel))
            return STATUS_CANCELLED;
        if (ms == 0)
            return STATUS_SUCCESS;
        u32 slice = MIN(ms, SLICE_MS);
        nanosleep(&(struct timespec){.tv_nsec = slice * 1000000l}, NULL);
        ms -= slice;
    }
}
