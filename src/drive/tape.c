// SPDX-License-Identifier: Apache-2.0
// The tape driver, as far as media go: is there one, is it another one. No count of changes, no data yet.
#include <holdfast/winioctl.h>

#include "drive/media.h"

// SUCCESS or VERIFY_REQUIRED, whatever the unit attention was; an output buffer is left alone (D14).
static nt_status check_verify(struct device *device, struct irp *irp)
{
    bool second = ACCESS_FROM_CTL_CODE(irp->p.control.code) == FILE_ANY_ACCESS;
    nt_status status = media_ready(device, irp, second ? IRP_LOW_PRIORITY : 0);
    return status == STATUS_BUS_RESET ? STATUS_VERIFY_REQUIRED : status;
}

static nt_status get_status(struct device *device, struct irp *irp)
{
    return media_ready(device, irp, 0);
}

static const struct ioctl_row rows[] = {
    {IOCTL_STORAGE_CHECK_VERIFY, 0, 0, false, check_verify},
    {IOCTL_STORAGE_CHECK_VERIFY2, 0, 0, false, check_verify},
    {IOCTL_TAPE_GET_STATUS, 0, 0, false, get_status},
};

static nt_status control(struct device *device, struct irp *irp)
{
    return drive_control(device, irp, rows, ARRAY_LEN(rows));
}

const struct driver drive_tape_driver = {
    .name = "tape",
    .dispatch = {[IRP_MJ_CREATE] = drive_succeed,
                 [IRP_MJ_CLEANUP] = drive_succeed,
                 [IRP_MJ_CLOSE] = drive_succeed,
                 [IRP_MJ_DEVICE_CONTROL] = control},
    .destroy = drive_destroy,
};
