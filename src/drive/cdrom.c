// SPDX-License-Identifier: Apache-2.0
// The CD-ROM driver: 2048-byte sectors, never written.
#include <holdfast/winioctl.h>

#include "drive/media.h"

enum { TRACKS_PER_CYLINDER = 64, SECTORS_PER_TRACK = 32 };

static nt_status get_geometry(struct device *device, struct irp *irp)
{
    return drive_get_geometry(device, irp, TRACKS_PER_CYLINDER, SECTORS_PER_TRACK);
}

static nt_status refuse_write(struct device *device, struct irp *irp)
{
    return media_must_verify(device, irp->flags) ? STATUS_VERIFY_REQUIRED : STATUS_MEDIA_WRITE_PROTECTED;
}

static const struct ioctl_row rows[] = {
    {IOCTL_STORAGE_CHECK_VERIFY, 0, 0, false,
     drive_check_verify}, // looks at the flag itself, after the buffer
    {IOCTL_STORAGE_CHECK_VERIFY2, 0, 0, false, drive_check_verify},
    {IOCTL_DISK_GET_LENGTH_INFO, 0, sizeof(GET_LENGTH_INFORMATION), true, drive_get_length},
    {IOCTL_DISK_GET_DRIVE_GEOMETRY, 0, sizeof(HF_DISK_GEOMETRY), true, get_geometry},
    {IOCTL_CDROM_GET_DRIVE_GEOMETRY, 0, sizeof(HF_DISK_GEOMETRY), true, get_geometry},
    {IOCTL_DISK_IS_WRITABLE, 0, 0, true, drive_is_writable},
};

static nt_status control(struct device *device, struct irp *irp)
{
    return drive_control(device, irp, rows, ARRAY_LEN(rows));
}

const struct driver drive_cdrom_driver = {
    .name = "cdrom",
    .dispatch = {[IRP_MJ_CREATE] = drive_succeed,
                 [IRP_MJ_CLEANUP] = drive_succeed,
                 [IRP_MJ_CLOSE] = drive_succeed,
                 [IRP_MJ_READ] = media_read,
                 [IRP_MJ_WRITE] = refuse_write,
                 [IRP_MJ_FLUSH_BUFFERS] = media_flush,
                 [IRP_MJ_DEVICE_CONTROL] = control},
    .destroy = drive_destroy,
};
