// SPDX-License-Identifier: Apache-2.0
// Device objects and VPBs: references, requests, mounting by taste, verify. Lock order: device.h.
#include "device/device.h"

#include <stdatomic.h>
#include <stdio.h>

#include <holdfast/winioctl.h>

enum { FS_DRIVERS = 8, MEDIUM_TURNS = 16 };

static struct {
    pthread_mutex_t mutex;
    const struct driver *drivers[FS_DRIVERS];
    size_t count;
} file_systems = {.mutex = PTHREAD_MUTEX_INITIALIZER};

// --- device objects ------------------------------------------------------------------------------

nt_status dev_new(const struct driver *driver, const char *name, u32 type, size_t extension_size,
                  struct device **out)
{
    *out = NULL;
    SCOPE_FREE void *extension = calloc(1, extension_size + (extension_size == 0));
    struct device *device = calloc(1, sizeof *device);
    if (!extension || !device) {
        free(device);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    device->driver = driver;
    device->extension = extension;
    extension = NULL;
    device->type = type;
    device->references = 1;
    snprintf(device->name, sizeof device->name, "%s", name);
    pthread_mutex_init(&device->mutex, NULL);
    pthread_mutex_init(&device->verify_mutex, NULL);
    *out = device;
    return STATUS_SUCCESS;
}

void dev_reference(struct device *device)
{
    atomic_fetch_add(&device->references, 1);
}

void dev_release(struct device *device)
{
    if (atomic_fetch_sub(&device->references, 1) > 1)
        return;
    if (device->driver->destroy)
        device->driver->destroy(device);
    if (device->vpb)
        vpb_release(device->vpb);
    pthread_mutex_destroy(&device->mutex);
    pthread_mutex_destroy(&device->verify_mutex);
    free(device->extension);
    free(device);
}

static u32 trace_code(const struct irp *irp)
{
    bool control = irp->major == IRP_MJ_DEVICE_CONTROL ||
                   (irp->major == IRP_MJ_FILE_SYSTEM_CONTROL && irp->minor == IRP_MN_USER_FS_REQUEST);
    return control ? irp->p.control.code : irp->minor;
}

// Also how a file system is asked about a device that is not its own.
static nt_status call_driver(const struct driver *driver, struct device *device, struct irp *irp)
{
    irp->information = 0;
    irp->done = (struct irp_done){0};
    u32 code = trace_code(irp);
    nt_status status = (unsigned)irp->major < IRP_MJ_COUNT && driver->dispatch[irp->major]
                           ? driver->dispatch[irp->major](device, irp)
                           : STATUS_INVALID_DEVICE_REQUEST;
    trace_request(irp_major_name(irp->major), code, status, irp->information);
    return status;
}

nt_status dev_call(struct device *device, struct irp *irp)
{
    return call_driver(device->driver, device, irp);
}

// --- VPB -----------------------------------------------------------------------------------------

struct vpb *vpb_new(struct device *real)
{
    struct vpb *vpb = calloc(1, sizeof *vpb);
    if (vpb)
        *vpb = (struct vpb){.references = 1, .real = real};
    return vpb;
}

void vpb_reference(struct vpb *vpb)
{
    __atomic_fetch_add(&vpb->references, 1, __ATOMIC_RELAXED);
}

void vpb_release(struct vpb *vpb)
{
    if (__atomic_fetch_sub(&vpb->references, 1, __ATOMIC_ACQ_REL) == 1)
        free(vpb);
}

void dev_set_vpb(struct device *real, struct vpb *vpb)
{
    struct vpb *fresh = vpb ? NULL : vpb_new(real), *old;
    if (vpb)
        vpb_reference(vpb);
    {
        SCOPE_LOCK(&real->mutex);
        old = real->vpb;
        if (vpb) {
            vpb->flags |= VPB_MOUNTED;
            real->vpb = vpb;
        } else if (fresh) {
            real->vpb = fresh;
        } else { // no memory: the old one must do, as an unmounted one
            old->flags &= ~(u32)VPB_MOUNTED;
            return;
        }
    }
    vpb_release(old);
}

bool dev_mark_verify(struct device *real)
{
    SCOPE_LOCK(&real->mutex);
    real->changes++;
    bool mounted = (real->vpb->flags & VPB_MOUNTED) != 0;
    if (mounted)
        real->flags |= DO_VERIFY_VOLUME;
    return mounted;
}

bool dev_clear_verify(struct device *real, u32 changes)
{
    SCOPE_LOCK(&real->mutex);
    if (real->changes != changes)
        return false;
    real->flags &= ~(u32)DO_VERIFY_VOLUME;
    return true;
}

// The volume on the device, with a reference; NULL when nothing is mounted.
static struct device *mounted_volume(struct device *real, struct vpb **vpb)
{
    SCOPE_LOCK(&real->mutex);
    *vpb = real->vpb;
    if (!(real->vpb->flags & VPB_MOUNTED))
        return NULL;
    dev_reference(real->vpb->volume);
    return real->vpb->volume;
}

// --- mount and verify ----------------------------------------------------------------------------

void dev_register_fs(const struct driver *driver)
{
    SCOPE_LOCK(&file_systems.mutex);
    ASSERT(file_systems.count < FS_DRIVERS);
    file_systems.drivers[file_systems.count++] = driver;
}

static const struct driver *registered_fs(size_t i)
{
    SCOPE_LOCK(&file_systems.mutex);
    return i < file_systems.count ? file_systems.drivers[i] : NULL;
}

// A device that cannot be asked (it has no media to change) counts as ready.
static nt_status ask_ready(struct device *real)
{
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL,
                      .flags = IRP_OVERRIDE_VERIFY,
                      .p.control.code = IOCTL_STORAGE_CHECK_VERIFY};
    nt_status status = dev_call(real, &irp);
    return status == STATUS_INVALID_DEVICE_REQUEST ? STATUS_SUCCESS : status;
}

static void set_raw(struct device *real, bool raw)
{
    SCOPE_LOCK(&real->mutex);
    if (raw)
        real->vpb->flags |= VPB_RAW;
    else
        real->vpb->flags &= ~(u32)VPB_RAW;
}

// Let the file systems taste the medium. verify_mutex is held.
static nt_status mount_once(struct device *real)
{
    u32 changes = real->changes;
    real->flags &= ~(u32)DO_VERIFY_VOLUME;
    TRY(ask_ready(real));
    set_raw(real, false);
    nt_status status = STATUS_UNRECOGNIZED_VOLUME;
    const struct driver *driver;
    for (size_t i = 0; status == STATUS_UNRECOGNIZED_VOLUME && (driver = registered_fs(i)) != NULL; i++) {
        changes = real->changes;
        struct irp irp = {.major = IRP_MJ_FILE_SYSTEM_CONTROL,
                          .minor = IRP_MN_MOUNT_VOLUME,
                          .flags = IRP_OVERRIDE_VERIFY,
                          .p.mount.real = real};
        status = call_driver(driver, real, &irp);
    }
    if (status == STATUS_UNRECOGNIZED_VOLUME) {
        set_raw(real, true);
        return STATUS_SUCCESS;
    }
    // Another medium came in while the file system looked: what it saw may be of both.
    if (status == STATUS_SUCCESS && real->changes != changes)
        dev_mark_verify(real);
    return status;
}

// A medium that was exchanged while a file system looked is nothing that could be mounted; the one that is in
// now may be.
static nt_status mount_medium(struct device *real)
{
    nt_status status = STATUS_VERIFY_REQUIRED;
    for (int turn = 0; status == STATUS_VERIFY_REQUIRED && turn < MEDIUM_TURNS; turn++)
        status = mount_once(real);
    return status;
}

nt_status dev_mount(struct device *real, struct device **volume)
{
    struct vpb *vpb;
    SCOPE_LOCK(&real->verify_mutex);
    *volume = mounted_volume(real, &vpb);
    if (*volume)
        return STATUS_SUCCESS;
    TRY(mount_medium(real));
    *volume = mounted_volume(real, &vpb);
    return STATUS_SUCCESS;
}

static nt_status ask_same(struct device *volume, struct device *real, u32 irp_flags)
{
    struct irp irp = {.major = IRP_MJ_FILE_SYSTEM_CONTROL,
                      .minor = IRP_MN_VERIFY_VOLUME,
                      .flags = irp_flags | IRP_OVERRIDE_VERIFY,
                      .p.mount.real = real};
    return dev_call(volume, &irp);
}

// The medium is another one: the VPB stays with the volume that was mounted, what is there now gets its own.
static void replace_medium(struct device *real, const struct vpb *vpb)
{
    bool current;
    {
        SCOPE_LOCK(&real->mutex);
        current = real->vpb == vpb;
    }
    if (current)
        dev_set_vpb(real, NULL);
    // Whatever comes of the mount, the caller hears of the wrong volume.
    trace_request("REMOUNT", 0, mount_medium(real), 0);
}

// verify_mutex is held.
static nt_status verify_once(struct device *real, u32 irp_flags)
{
    if (!(real->flags & DO_VERIFY_VOLUME))
        return STATUS_SUCCESS;
    struct vpb *vpb;
    struct device *volume = mounted_volume(real, &vpb);
    if (!volume) {
        real->flags &= ~(u32)DO_VERIFY_VOLUME;
        return STATUS_SUCCESS;
    }
    nt_status status = ask_ready(real); // takes up what attentions are waiting
    u32 changes = real->changes;
    if (status == STATUS_SUCCESS)
        status = ask_same(volume, real, irp_flags);
    if (status == STATUS_WRONG_VOLUME)
        replace_medium(real, vpb);
    else if (status == STATUS_SUCCESS && !dev_clear_verify(real, changes))
        dev_mark_verify(real); // swapped again during the verify, and the fs may have cleared the flag
    dev_release(volume);
    return status;
}

nt_status dev_verify(struct device *real, u32 irp_flags)
{
    SCOPE_LOCK(&real->verify_mutex);
    nt_status status = STATUS_VERIFY_REQUIRED;
    for (int turn = 0; status == STATUS_VERIFY_REQUIRED && turn < MEDIUM_TURNS; turn++)
        status = verify_once(real, irp_flags);
    return status;
}
