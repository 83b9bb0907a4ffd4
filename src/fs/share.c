// SPDX-License-Identifier: Apache-2.0
// Share access of a stream: every open says what it wants and what it lets others do, and both must agree
// with all who are there. Opens that want neither data nor deletion take no part.
#include "fs/request.h"

struct wants {
    bool read, write, remove;
};

static struct wants wants_of(u32 access)
{
    return (struct wants){.read = access & (FILE_READ_DATA | FILE_EXECUTE),
                          .write = access & (FILE_WRITE_DATA | FILE_APPEND_DATA),
                          .remove = access & DELETE};
}

nt_status share_check(struct scb *scb, u32 access, u32 share)
{
    struct wants w = wants_of(access);
    if (!w.read && !w.write && !w.remove)
        return STATUS_SUCCESS;
    SCOPE_LOCK(&scb->mutex);
    bool refused = (w.read && scb->share_read < scb->opens) || (w.write && scb->share_write < scb->opens) ||
                   (w.remove && scb->share_delete < scb->opens);
    bool refuses = (scb->readers && !(share & FILE_SHARE_READ)) ||
                   (scb->writers && !(share & FILE_SHARE_WRITE)) ||
                   (scb->deleters && !(share & FILE_SHARE_DELETE));
    return refused || refuses ? STATUS_SHARING_VIOLATION : STATUS_SUCCESS;
}

nt_status share_check_delete(struct fcb *fcb)
{
    struct scb *scb = fcb->handles ? scb_find(fcb, (struct str){0}) : NULL;
    if (!scb)
        return STATUS_SUCCESS;
    nt_status status = share_check(scb, DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
    scb_put(scb);
    return status;
}

static void count(struct scb *scb, u32 access, u32 share, u32 by)
{
    struct wants w = wants_of(access);
    if (!w.read && !w.write && !w.remove)
        return;
    SCOPE_LOCK(&scb->mutex);
    scb->opens += by;
    scb->readers += w.read ? by : 0;
    scb->writers += w.write ? by : 0;
    scb->deleters += w.remove ? by : 0;
    scb->share_read += share & FILE_SHARE_READ ? by : 0;
    scb->share_write += share & FILE_SHARE_WRITE ? by : 0;
    scb->share_delete += share & FILE_SHARE_DELETE ? by : 0;
}

void share_add(struct scb *scb, u32 access, u32 share)
{
    count(scb, access, share, 1);
}

void share_remove(struct scb *scb, u32 access, u32 share)
{
    count(scb, access, share, UINT32_MAX); // minus one
}
