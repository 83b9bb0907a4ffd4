// SPDX-License-Identifier: Apache-2.0
// The disk driver: fixed and removable disks.
#include <holdfast/winioctl.h>

#include "drive/media.h"

enum { TRACKS_PER_CYLINDER = 255, SECTORS_PER_TRACK = 63 };

static nt_status get_geometry(struct device *device, struct irp *irp)
{
    return drive_get_geometry(device, irp, TRACKS_PER_CYLINDER, SECTORS_PER_TRACK);
}

// Not for requests from outside: those come with a file object.
static nt_status set_verify(struct device *device, struct irp *irp)
{
    if (irp->file)
        return STATUS_NOT_SUPPORTED;
    dev_mark_verify(device);
    return STATUS_SUCCESS;
}

static nt_status clear_verify(struct device *device, struct irp *irp)
{
    if (irp->file)
        return STATUS_NOT_SUPPORTED;
    device->flags &= ~(u32)DO_VERIFY_VOLUME;
    return STATUS_SUCCESS;
}

static const struct ioctl_row rows[] = {
    {IOCTL_STORAGE_CHECK_VERIFY, 0, 0, false,
     drive_check_verify}, // looks at the flag itself, after the buffer
    {IOCTL_STORAGE_CHECK_VERIFY2, 0, 0, false, drive_check_verify},
    {IOCTL_DISK_GET_LENGTH_INFO, 0, sizeof(GET_LENGTH_INFORMATION), true, drive_get_length},
    {IOCTL_DISK_GET_DRIVE_GEOMETRY, 0, sizeof(HF_DISK_GEOMETRY), true, get_geometry},
    {IOCTL_DISK_IS_WRITABLE, 0, 0, true, drive_is_writable},
    {(u32)IOCTL_DISK_INTERNAL_SET_VERIFY, 0, 0, false, set_verify},
    {(u32)IOCTL_DISK_INTERNAL_CLEAR_VERIFY, 0, 0, false, clear_verify},
};

static nt_status control(struct device *device, struct irp *irp)
{
    return drive_control(device, irp, rows, ARRAY_LEN(rows));
}

const struct driver drive_disk_driver = {
    .name = "disk",
    .dispatch = {[IRP_MJ_CREATE] = drive_succeed,
                 [IRP_MJ_CLEANUP] = drive_succeed,
                 [IRP_MJ_CLOSE] = drive_succeed,
                 [IRP_MJ_READ] = media_read,
                 [IRP_MJ_WRITE] = media_write,
                 [IRP_MJ_FLUSH_BUFFERS] = media_flush,
                 [IRP_MJ_DEVICE_CONTROL] = control},
    .destroy = drive_destroy,
};
