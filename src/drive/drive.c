// SPDX-License-Identifier: Apache-2.0
// What all drives have in common: attach, dispatch of control codes by table, eject, load, lock, who am I.
#include "drive/drive.h"

#include <stdio.h>

#include <holdfast/winioctl.h>

#include "drive/media.h"

static const struct kind {
    const struct driver *driver;
    const char *name;
    u32 type;
    u32 partition; // as GET_DEVICE_NUMBER tells it: the whole disk, or cannot be partitioned
} kinds[] = {
    [DRIVE_DISK] = {&drive_disk_driver, "PhysicalDrive", FILE_DEVICE_DISK, 0},
    [DRIVE_CDROM] = {&drive_cdrom_driver, "CdRom", FILE_DEVICE_CD_ROM, UINT32_MAX},
    [DRIVE_TAPE] = {&drive_tape_driver, "Tape", FILE_DEVICE_TAPE, UINT32_MAX},
};

nt_status drive_attach(struct blk *blk, const struct drive_options *options, struct device **out)
{
    const struct kind *kind = &kinds[options->kind];
    struct device *device;
    char name[32];
    *out = NULL;
    snprintf(name, sizeof name, "%s%u", kind->name, options->number);
    TRY(dev_new(kind->driver, name, kind->type, sizeof(struct drive), &device));
    struct drive *drive = drive_of(device);
    drive->options = *options;
    pthread_mutex_init(&drive->mutex, NULL);
    pthread_mutex_init(&drive->removal, NULL);
    device->number = options->number;
    if (options->removable)
        device->characteristics |= DEVICE_REMOVABLE_MEDIA;
    if (options->kind == DRIVE_CDROM || (!options->removable && blk_has(blk, BLK_READONLY)))
        device->characteristics |= DEVICE_READ_ONLY;
    device->vpb = vpb_new(device);
    if (!device->vpb) {
        dev_release(device);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    drive->blk = blk;
    if (options->kind == DRIVE_CDROM)
        blk->sector = 2048;
    media_begin(device);
    *out = device;
    return STATUS_SUCCESS;
}

void drive_destroy(struct device *device)
{
    struct drive *drive = drive_of(device);
    blk_close(drive->blk);
    pthread_mutex_destroy(&drive->mutex);
    pthread_mutex_destroy(&drive->removal);
}

void drive_listen(struct device *device, drive_event_fn *fn, void *context)
{
    struct drive *drive = drive_of(device);
    SCOPE_LOCK(&drive->mutex);
    drive->listener = fn;
    drive->listener_context = context;
}

u32 drive_media_count(struct device *device)
{
    return drive_of(device)->count;
}

nt_status drive_succeed(struct device *device, struct irp *irp)
{
    (void)device;
    (void)irp;
    return STATUS_SUCCESS;
}

void drive_answer(struct irp *irp, const void *data, size_t length)
{
    memcpy(irp->p.control.out, data, length);
    irp->information = length;
}

// --- lock, eject, load ---------------------------------------------------------------------------

// A simple count: any caller may give back any lock, and a closed handle gives back none
// (spec/storage.md 2.8). The drive is told of the last one; one that is too many is ignored.
static nt_status media_removal(struct device *device, struct irp *irp)
{
    struct drive *drive = drive_of(device);
    bool prevent = *(const u8 *)irp->p.control.in != 0;
    if (!drive->options.removable)
        return STATUS_SUCCESS;
    SCOPE_LOCK(&drive->removal);
    if (!prevent && drive->locks == 0)
        return STATUS_SUCCESS;
    if (prevent || drive->locks == 1)
        TRY(media_command(device, irp, prevent ? BLK_PREVENT : BLK_ALLOW));
    drive->locks += prevent ? 1 : -1u;
    return STATUS_SUCCESS;
}

static nt_status eject_media(struct device *device, struct irp *irp)
{
    return media_command(device, irp, BLK_EJECT);
}

static nt_status load_media(struct device *device, struct irp *irp)
{
    return media_command(device, irp, BLK_LOAD);
}

// --- questions -----------------------------------------------------------------------------------

static nt_status get_device_number(struct device *device, struct irp *irp)
{
    STORAGE_DEVICE_NUMBER answer = {
        .DeviceType = device->type,
        .DeviceNumber = device->number,
        .PartitionNumber = kinds[drive_of(device)->options.kind].partition,
    };
    drive_answer(irp, &answer, sizeof answer);
    return STATUS_SUCCESS;
}

static nt_status get_hotplug_info(struct device *device, struct irp *irp)
{
    STORAGE_HOTPLUG_INFO answer = {
        .Size = sizeof answer,
        .MediaRemovable = drive_of(device)->options.removable,
    };
    drive_answer(irp, &answer, sizeof answer);
    return STATUS_SUCCESS;
}

// The seed's code. The two spellings differ in access, and in that the second does not start a stopped unit.
nt_status drive_check_verify(struct device *device, struct irp *irp)
{
    u8 count[4];
    bool wanted = irp->p.control.out_length > 0;
    if (wanted && irp->p.control.out_length < sizeof count)
        return STATUS_BUFFER_TOO_SMALL;
    bool documents = drive_of(device)->options.compat == DRIVE_COMPAT_DOCUMENTS;
    if (documents && media_must_verify(device, irp->flags))
        return STATUS_VERIFY_REQUIRED;
    bool second = ACCESS_FROM_CTL_CODE(irp->p.control.code) == FILE_ANY_ACCESS;
    TRY(media_ready(device, irp, second ? IRP_LOW_PRIORITY : 0));
    put_le32(count, drive_media_count(device));
    if (wanted)
        drive_answer(irp, count, sizeof count);
    return STATUS_SUCCESS;
}

nt_status drive_capacity_ready(struct device *device, struct irp *irp)
{
    return drive_of(device)->options.removable ? media_ready(device, irp, IRP_OVERRIDE_VERIFY)
                                               : STATUS_SUCCESS;
}

nt_status drive_get_length(struct device *device, struct irp *irp)
{
    TRY(drive_capacity_ready(device, irp));
    GET_LENGTH_INFORMATION answer = {.Length = (int64_t)blk_size(drive_of(device)->blk)};
    drive_answer(irp, &answer, sizeof answer);
    return STATUS_SUCCESS;
}

nt_status drive_get_geometry(struct device *device, struct irp *irp, u32 tracks, u32 sectors)
{
    const struct drive *drive = drive_of(device);
    TRY(drive_capacity_ready(device, irp));
    HF_DISK_GEOMETRY answer = {
        .MediaType = drive->options.removable ? HF_MEDIA_TYPE_REMOVABLE : HF_MEDIA_TYPE_FIXED,
        .TracksPerCylinder = tracks,
        .SectorsPerTrack = sectors,
        .BytesPerSector = drive->blk->sector,
    };
    answer.Cylinders = (int64_t)(blk_size(drive->blk) / ((u64)tracks * sectors * drive->blk->sector));
    drive_answer(irp, &answer, sizeof answer);
    return STATUS_SUCCESS;
}

nt_status drive_is_writable(struct device *device, struct irp *irp)
{
    TRY(drive_capacity_ready(device, irp));
    bool readonly =
        (device->characteristics & DEVICE_READ_ONLY) || blk_has(drive_of(device)->blk, BLK_READONLY);
    return readonly ? STATUS_MEDIA_WRITE_PROTECTED : STATUS_SUCCESS;
}

// --- dispatch ------------------------------------------------------------------------------------

static const struct ioctl_row common_rows[] = {
    {IOCTL_STORAGE_EJECT_MEDIA, 0, 0, false, eject_media},
    {IOCTL_STORAGE_LOAD_MEDIA, 0, 0, false, load_media},
    {IOCTL_STORAGE_LOAD_MEDIA2, 0, 0, false, load_media},
    {IOCTL_STORAGE_MEDIA_REMOVAL, sizeof(PREVENT_MEDIA_REMOVAL), 0, false, media_removal},
    {IOCTL_STORAGE_GET_DEVICE_NUMBER, 0, sizeof(STORAGE_DEVICE_NUMBER), false, get_device_number},
    {IOCTL_STORAGE_GET_HOTPLUG_INFO, 0, sizeof(STORAGE_HOTPLUG_INFO), false, get_hotplug_info},
};

static const struct ioctl_row *find_row(u32 code, const struct ioctl_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].code == code)
            return &rows[i];
    for (size_t i = 0; i < ARRAY_LEN(common_rows); i++)
        if (common_rows[i].code == code)
            return &common_rows[i];
    return NULL;
}

// The disk, CD-ROM and tape bases are older names of the storage base.
static u32 modern_code(u32 code)
{
    switch (DEVICE_TYPE_FROM_CTL_CODE(code)) {
    case IOCTL_DISK_BASE:
    case IOCTL_CDROM_BASE:
    case IOCTL_TAPE_BASE:
        return (code & 0xffff) | (u32)IOCTL_STORAGE_BASE << 16;
    default:
        return code;
    }
}

nt_status drive_control(struct device *device, struct irp *irp, const struct ioctl_row *rows, size_t n)
{
    const struct ioctl_row *row = find_row(irp->p.control.code, rows, n);
    if (!row)
        row = find_row(modern_code(irp->p.control.code), rows, n);
    if (!row)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (irp->p.control.in_length < row->in_length)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (irp->p.control.out_length < row->out_length) {
        irp->information = row->out_length;
        return STATUS_BUFFER_TOO_SMALL;
    }
    bool documents = drive_of(device)->options.compat == DRIVE_COMPAT_DOCUMENTS;
    if (row->medium && documents && media_must_verify(device, irp->flags))
        return STATUS_VERIFY_REQUIRED;
    return row->handler(device, irp);
}
