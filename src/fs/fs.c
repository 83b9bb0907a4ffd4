// SPDX-License-Identifier: Apache-2.0
// Volumes: dispatch, mount, verify, the return of a medium, lock and dismount. A mounted volume owns one
// reference on its own device, given up by vcb_forget; the list of volumes holds nothing of its own. Whoever
// calls into the device floor's verify or mount must not hold vcb.lock: the verify itself takes it exclusive.
#include "fs/fs.h"

enum { SETTINGS = 64, VERIFY_TURNS = 16 };

static struct {
    pthread_mutex_t mutex;
    struct vcb *vcbs;
    struct {
        struct device *real;
        struct fs_options options;
    } settings[SETTINGS];
} volumes = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void fs_set_options(struct device *real, const struct fs_options *options)
{
    SCOPE_LOCK(&volumes.mutex);
    size_t free_slot = SETTINGS;
    for (size_t i = 0; i < SETTINGS; i++) {
        if (volumes.settings[i].real == real)
            volumes.settings[i].real = NULL;
        if (!volumes.settings[i].real)
            free_slot = i;
    }
    if (!options || free_slot == SETTINGS)
        return;
    volumes.settings[free_slot].real = real;
    volumes.settings[free_slot].options = *options;
}

static struct fs_options options_of(const struct device *real)
{
    SCOPE_LOCK(&volumes.mutex);
    for (size_t i = 0; i < SETTINGS; i++)
        if (volumes.settings[i].real == real)
            return volumes.settings[i].options;
    return (struct fs_options){0};
}

// --- life of a vcb -------------------------------------------------------------------------------

static u32 handle_count(struct vcb *vcb)
{
    SCOPE_LOCK(&vcb->table);
    return vcb->handles;
}

static void vcb_destroy(struct device *device)
{
    struct vcb *vcb = device->extension;
    ASSERT(!vcb->store && vcb->handles == 0);
    blk_close(vcb->blk);
    dev_release(vcb->real);
    hold_destroy(&vcb->lock);
    pthread_mutex_destroy(&vcb->rename);
    pthread_mutex_destroy(&vcb->table);
    events_destroy(&vcb->events);
}

// The volume will never be mounted again: off the list, let go of the medium's device and of itself.
static void vcb_forget(struct vcb *vcb)
{
    {
        SCOPE_LOCK(&volumes.mutex);
        struct vcb **p = &volumes.vcbs;
        while (*p && *p != vcb)
            p = &(*p)->next;
        if (!*p)
            return;
        *p = vcb->next;
    }
    vpb_release(vcb->vpb);
    vcb->vpb = NULL;
    dev_release(vcb->device);
}

// A volume whose medium is away is kept while somebody may still ask for its files.
static void vcb_settle(struct vcb *vcb)
{
    {
        SCOPE_HOLD_WRITE(&vcb->lock);
        if (vcb->state != VCB_NOT_MOUNTED || handle_count(vcb))
            return;
        vcb->state = VCB_DISMOUNTED;
    }
    vcb_forget(vcb);
}

// The VPB that the device has now becomes ours.
static void take_vpb(struct vcb *vcb)
{
    struct device *real = vcb->real;
    SCOPE_LOCK(&real->mutex);
    vcb->vpb = real->vpb;
    vpb_reference(vcb->vpb);
    vcb->vpb->volume = vcb->device;
    vcb->vpb->serial = vcb->info.identity.serial;
    vcb->vpb->flags |= VPB_MOUNTED;
}

static nt_status vcb_open_store(struct vcb *vcb, struct blk *blk)
{
    u32 flags = vcb->real->characteristics & DEVICE_READ_ONLY ? STORE_READONLY : 0;
    TRY(store_open(blk, flags, vcb->asked.cache_bytes, &vcb->store));
    store_listen(vcb->store, events_record, &vcb->events);
    dev_blk_override(blk, false);
    blk_close(vcb->blk);
    vcb->blk = blk;
    vcb->state = VCB_MOUNTED;
    return STATUS_SUCCESS;
}

// Takes over blk on success.
static nt_status vcb_mount(struct device *real, struct blk *blk)
{
    struct device *device;
    TRY(dev_new(&fs_driver, real->name, real->type, sizeof(struct vcb), &device));
    struct vcb *vcb = device->extension;
    *vcb = (struct vcb){.device = device, .real = real, .asked = options_of(real), .epoch = 1};
    dev_reference(real);
    device->lower = real;
    device->number = real->number;
    device->characteristics = real->characteristics | DEVICE_VIRTUAL_VOLUME;
    hold_init(&vcb->lock);
    pthread_mutex_init(&vcb->rename, NULL);
    pthread_mutex_init(&vcb->table, NULL);
    events_init(&vcb->events);
    nt_status status = vcb_open_store(vcb, blk);
    if (status != STATUS_SUCCESS) {
        dev_release(device);
        return status;
    }
    store_get_info(vcb->store, &vcb->info);
    take_vpb(vcb);
    SCOPE_LOCK(&volumes.mutex);
    vcb->next = volumes.vcbs;
    volumes.vcbs = vcb;
    return STATUS_SUCCESS;
}

// Continue with the volume that was here before. If its medium is not as we left it, its files are compared
// one by one when they are next used. Looked at first: opening it may commit.
static nt_status vcb_remount(struct vcb *vcb, struct blk *blk)
{
    SCOPE_HOLD_WRITE(&vcb->lock);
    if (vcb->state != VCB_NOT_MOUNTED)
        return STATUS_UNRECOGNIZED_VOLUME; // its last handle was closed just now
    nt_status found = store_find_medium(blk, &vcb->left);
    TRY(found == STATUS_WRONG_VOLUME ? STATUS_SUCCESS : found);
    TRY(vcb_open_store(vcb, blk));
    store_skip_objects(vcb->store, vcb->next_object);
    store_get_info(vcb->store, &vcb->info);
    vcb->epoch++;
    if (found != STATUS_SUCCESS)
        vcb->changed_epoch = vcb->epoch;
    dev_set_vpb(vcb->real, vcb->vpb);
    return STATUS_SUCCESS;
}

// The volume with this identity whose medium was taken out of this drive, with a reference on its device; or
// NULL.
static struct vcb *find_returning(const struct device *real, const struct store_identity *identity)
{
    SCOPE_LOCK(&volumes.mutex);
    for (struct vcb *vcb = volumes.vcbs; vcb; vcb = vcb->next) {
        if (vcb->real == real &&
            memcmp(vcb->info.identity.uuid, identity->uuid, sizeof identity->uuid) == 0) {
            dev_reference(vcb->device);
            return vcb;
        }
    }
    return NULL;
}

static nt_status mount_volume(struct irp *irp)
{
    struct device *real = irp->p.mount.real;
    struct store_identity identity;
    struct blk *blk;
    TRY(dev_as_blk(real, &blk));
    dev_blk_override(blk, true);
    nt_status status = store_identify(blk, &identity);
    // A newer state may be hidden by what cannot be read. Callers who only read see the newest that is known.
    if (status_is_unreadable(status) && identity.generation > 0 && blk_has(blk, BLK_READONLY))
        status = STATUS_SUCCESS;
    if (status == STATUS_SUCCESS) {
        struct vcb *vcb = find_returning(real, &identity);
        status = vcb ? vcb_remount(vcb, blk) : STATUS_UNRECOGNIZED_VOLUME;
        if (vcb)
            dev_release(vcb->device);
        if (status == STATUS_UNRECOGNIZED_VOLUME)
            status = vcb_mount(real, blk);
    }
    if (status != STATUS_SUCCESS)
        blk_close(blk);
    return status;
}

// --- verify --------------------------------------------------------------------------------------

static nt_status ping(struct device *real, u32 flags)
{
    u8 count[4];
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL, .flags = flags};
    irp.p.control.code = IOCTL_STORAGE_CHECK_VERIFY;
    irp.p.control.out = count;
    irp.p.control.out_length = sizeof count;
    return dev_call(real, &irp);
}

// The medium is another one: nothing of ours may be written any more.
static void vcb_abandon(struct vcb *vcb)
{
    bool dropped = store_dirty(vcb->store);
    vcb_close_streams(vcb);
    store_get_info(vcb->store, &vcb->info);
    store_get_medium(vcb->store, &vcb->left);
    vcb->next_object = store_next_object(vcb->store);
    vcb->lost += store_lost_so_far(vcb->store);
    dropped |= store_abandon(vcb->store);
    vcb->store = NULL;
    vcb->state = VCB_NOT_MOUNTED;
    vcb->dropped += dropped;
}

// medium: a blk of its own for the one that is in.
static nt_status compare_medium(struct vcb *vcb, struct blk *medium, u32 changes)
{
    struct device *real = vcb->real;
    struct store_medium known;
    SCOPE_HOLD_WRITE(&vcb->lock);
    if (vcb->state != VCB_MOUNTED)
        return STATUS_WRONG_VOLUME;
    store_get_medium(vcb->store, &known);
    nt_status status = store_find_medium(medium, &known);
    TRY(status == STATUS_WRONG_VOLUME ? STATUS_SUCCESS : status);
    bool same = status == STATUS_SUCCESS;
    if (same)
        dev_blk_follow(vcb->blk, medium);
    else
        vcb_abandon(vcb);
    // Swapped again while we looked: the flag stays set, and the request that is waiting asks once more.
    bool settled = dev_clear_verify(real, changes);
    if (!same)
        return STATUS_WRONG_VOLUME;
    store_was_away(vcb->store);
    if (!settled)
        return STATUS_SUCCESS;
    // What fails to reach the medium now stays in the cache; the request that needs it on the medium will
    // hear of it.
    if (store_commit(vcb->store) == STATUS_SUCCESS)
        store_purge(vcb->store);
    return STATUS_SUCCESS;
}

static nt_status look_at_medium(struct vcb *vcb)
{
    struct device *real = vcb->real;
    struct blk *medium;
    if (!(real->flags & DO_VERIFY_VOLUME))
        return STATUS_SUCCESS;
    TRY(ping(real, IRP_OVERRIDE_VERIFY)); // takes up what attentions are waiting
    u32 changes = real->changes;
    TRY(dev_as_blk(real, &medium));
    dev_blk_override(medium, true);
    nt_status status = compare_medium(vcb, medium, changes);
    blk_close(medium);
    return status;
}

static nt_status verify_volume(struct vcb *vcb)
{
    struct device *device = vcb->device;
    dev_reference(device);
    nt_status status = look_at_medium(vcb);
    vcb_settle(vcb);
    dev_release(device);
    return status;
}

// Ask the drive whether our medium came back: its answer is what tells the drive to look.
static nt_status look_again(struct device *real)
{
    struct device *volume = NULL;
    nt_status status = ping(real, 0);
    if (status == STATUS_VERIFY_REQUIRED)
        status = dev_verify(real, 0);
    // A changed medium in a drive with nothing mounted is an IO_DEVICE_ERROR, once.
    if (status == STATUS_SUCCESS || status == STATUS_WRONG_VOLUME || status == STATUS_IO_DEVICE_ERROR)
        status = dev_mount(real, &volume);
    if (volume)
        dev_release(volume);
    return status;
}

// --- every request -------------------------------------------------------------------------------

static nt_status vcb_ready(const struct vcb *vcb)
{
    if (vcb->state == VCB_DISMOUNTED)
        return STATUS_VOLUME_DISMOUNTED;
    if (vcb->state == VCB_NOT_MOUNTED)
        return STATUS_WRONG_VOLUME;
    return vcb->real->flags & DO_VERIFY_VOLUME ? STATUS_VERIFY_REQUIRED : STATUS_SUCCESS;
}

// On SUCCESS vcb.lock is held.
static nt_status enter(struct vcb *vcb, u32 flags, bool exclusive)
{
    bool asked = false;
    nt_status status = STATUS_SUCCESS;
    for (int turn = 0; turn < VERIFY_TURNS; turn++) {
        if (exclusive)
            hold_write(&vcb->lock);
        else
            hold_read(&vcb->lock);
        status = vcb_ready(vcb);
        if (status == STATUS_SUCCESS)
            return status;
        hold_release(&vcb->lock);
        if (status == STATUS_VERIFY_REQUIRED) {
            status = dev_verify(vcb->real, flags);
            asked |= status == STATUS_WRONG_VOLUME;
        } else if (status == STATUS_WRONG_VOLUME && !asked) {
            asked = true;
            status = look_again(vcb->real);
        } else {
            return status;
        }
        if (status != STATUS_SUCCESS && status != STATUS_WRONG_VOLUME)
            return status;
    }
    // Verified each time, and marked again each time: the device never comes to rest.
    return status == STATUS_SUCCESS ? STATUS_VERIFY_REQUIRED : status;
}

nt_status fs_enter(struct vcb *vcb, struct irp *irp)
{
    TRY(enter(vcb, irp->flags, false));
    struct ccb *ccb = irp_ccb(irp);
    // What this request has done may have gone with a medium that was exchanged meanwhile.
    nt_status status = irp->done.epoch && irp->done.epoch != vcb->epoch ? STATUS_WRONG_VOLUME
                       : ccb && ccb->scb                                ? fcb_verify(ccb->scb->fcb)
                                                                        : STATUS_SUCCESS;
    if (status != STATUS_SUCCESS)
        fs_leave(vcb);
    return status;
}

void fs_leave(struct vcb *vcb)
{
    hold_release(&vcb->lock);
}

// Only a volume handle speaks with the drive; what the drive says of its medium is for the caller, not for
// us.
static nt_status device_control(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    if (!ccb || ccb->scb)
        return STATUS_INVALID_PARAMETER;
    return dev_call(vcb->real, irp);
}

typedef nt_status handler(struct vcb *vcb, struct irp *irp);

static handler *const handlers[IRP_MJ_COUNT] = {
    [IRP_MJ_CREATE] = fs_create,
    [IRP_MJ_READ] = fs_read,
    [IRP_MJ_WRITE] = fs_write,
    [IRP_MJ_FLUSH_BUFFERS] = fs_flush,
    [IRP_MJ_QUERY_INFORMATION] = fs_query_information,
    [IRP_MJ_SET_INFORMATION] = fs_set_information,
    [IRP_MJ_QUERY_VOLUME_INFORMATION] = fs_query_volume,
    [IRP_MJ_SET_VOLUME_INFORMATION] = fs_set_volume,
    [IRP_MJ_DIRECTORY_CONTROL] = fs_directory_control,
    [IRP_MJ_LOCK_CONTROL] = fs_lock_control,
    [IRP_MJ_NODE] = fs_node,
};

// A path must lead to the medium that is in the drive now, so that is asked before each open, as CDFS does,
// and before each request by number. A change shows as DO_VERIFY_VOLUME in fs_enter. Opens of the volume
// leave the drive's answer to CHECK_VERIFY.
static bool asks_for_medium(const struct vcb *vcb, const struct irp *irp)
{
    return vcb->real->characteristics & DEVICE_REMOVABLE_MEDIA &&
           (irp->major == IRP_MJ_NODE || (irp->major == IRP_MJ_CREATE && irp->p.create.opens_root));
}

static nt_status request_once(struct vcb *vcb, struct irp *irp)
{
    if (irp->major == IRP_MJ_FILE_SYSTEM_CONTROL)
        return fs_fsctl(vcb, irp);
    if (asks_for_medium(vcb, irp) && ping(vcb->real, 0) == STATUS_NO_MEDIA_IN_DEVICE)
        return STATUS_NO_MEDIA_IN_DEVICE;
    TRY(fs_enter(vcb, irp));
    nt_status status = handlers[irp->major](vcb, irp);
    fs_leave(vcb);
    return status;
}

// A request that met a changed medium on its way is tried again when the medium proves to be ours: whole,
// with what its handler has noted of the last try (irp_note). The rule for handlers: each step before the
// first that changes something may fail, and so may each that can be done again with the same result, or that
// is skipped when it is noted as done. What is taken apart after the last name went (object_reap) may wait.
static nt_status dispatch(struct device *device, struct irp *irp)
{
    if (irp->major == IRP_MJ_FILE_SYSTEM_CONTROL && irp->minor == IRP_MN_MOUNT_VOLUME)
        return mount_volume(irp);
    struct vcb *vcb = device->extension;
    if (irp->major == IRP_MJ_FILE_SYSTEM_CONTROL && irp->minor == IRP_MN_VERIFY_VOLUME)
        return verify_volume(vcb);
    if (irp->major == IRP_MJ_DEVICE_CONTROL)
        return device_control(vcb, irp);
    if (irp->major != IRP_MJ_CREATE && !irp_ccb(irp))
        return STATUS_INVALID_PARAMETER;
    if (irp->major == IRP_MJ_NODE && irp->minor == IRP_MN_NODE_LISTEN) // whatever became of the medium
        return events_listen(vcb, irp);
    nt_status status = STATUS_SUCCESS;
    for (int turn = 0; turn < VERIFY_TURNS; turn++) {
        status = request_once(vcb, irp);
        if (status != STATUS_VERIFY_REQUIRED)
            break;
        irp->information = 0;
        nt_status verified = dev_verify(vcb->real, irp->flags);
        if (verified != STATUS_SUCCESS && verified != STATUS_WRONG_VOLUME)
            return verified;
    }
    return status;
}

// A handle can always be closed, whatever became of its volume. What is left to do when its medium proves to
// be ours is done then.
static nt_status dispatch_cleanup(struct device *device, struct irp *irp)
{
    struct vcb *vcb = device->extension;
    nt_status status = STATUS_SUCCESS;
    for (int turn = 0; turn < VERIFY_TURNS; turn++) {
        nt_status entered = fs_enter(vcb, irp);
        if (entered != STATUS_SUCCESS)
            hold_read(&vcb->lock);
        status = fs_cleanup(vcb, irp);
        fs_leave(vcb);
        if (turn > 0 && entered != STATUS_SUCCESS)
            return entered;
        if (status != STATUS_VERIFY_REQUIRED)
            break;
        nt_status verified = dev_verify(vcb->real, irp->flags);
        if (verified != STATUS_SUCCESS && verified != STATUS_WRONG_VOLUME)
            return verified;
    }
    return status;
}

static nt_status dispatch_close(struct device *device, struct irp *irp)
{
    struct vcb *vcb = device->extension;
    hold_read(&vcb->lock);
    nt_status status = fs_close(vcb, irp);
    bool away = vcb->state == VCB_NOT_MOUNTED; // who makes it so from now on settles it
    fs_leave(vcb);
    if (away)
        vcb_settle(vcb);
    return status;
}

const struct driver fs_driver = {
    .name = "holdfast",
    .dispatch =
        {
            [IRP_MJ_CREATE] = dispatch,
            [IRP_MJ_CLEANUP] = dispatch_cleanup,
            [IRP_MJ_CLOSE] = dispatch_close,
            [IRP_MJ_READ] = dispatch,
            [IRP_MJ_WRITE] = dispatch,
            [IRP_MJ_FLUSH_BUFFERS] = dispatch,
            [IRP_MJ_QUERY_INFORMATION] = dispatch,
            [IRP_MJ_SET_INFORMATION] = dispatch,
            [IRP_MJ_QUERY_VOLUME_INFORMATION] = dispatch,
            [IRP_MJ_SET_VOLUME_INFORMATION] = dispatch,
            [IRP_MJ_DIRECTORY_CONTROL] = dispatch,
            [IRP_MJ_FILE_SYSTEM_CONTROL] = dispatch,
            [IRP_MJ_DEVICE_CONTROL] = dispatch,
            [IRP_MJ_LOCK_CONTROL] = dispatch,
            [IRP_MJ_NODE] = dispatch,
        },
    .destroy = vcb_destroy,
};

void fs_register(void)
{
    dev_register_fs(&fs_driver);
}

// --- lock, unlock, dismount, is-mounted ----------------------------------------------------------

static void set_vpb_locked(struct vcb *vcb, bool locked)
{
    SCOPE_LOCK(&vcb->real->mutex);
    if (locked)
        vcb->vpb->flags |= VPB_LOCKED;
    else
        vcb->vpb->flags &= ~(u32)VPB_LOCKED;
}

nt_status vcb_lock_volume(struct vcb *vcb, struct irp *irp)
{
    TRY(enter(vcb, irp->flags, true));
    nt_status status = STATUS_ACCESS_DENIED;
    if (!vcb->locked_by && handle_count(vcb) == 1)
        status = store_commit(vcb->store);
    if (status == STATUS_SUCCESS) {
        store_purge(vcb->store);
        vcb->locked_by = irp->file;
        set_vpb_locked(vcb, true);
    }
    fs_leave(vcb);
    return status;
}

void vcb_drop_lock(struct vcb *vcb, const struct file_object *file)
{
    SCOPE_LOCK(&vcb->table);
    if (vcb->locked_by != file)
        return;
    vcb->locked_by = NULL;
    set_vpb_locked(vcb, false);
}

nt_status vcb_unlock_volume(struct vcb *vcb, struct irp *irp)
{
    SCOPE_HOLD_WRITE(&vcb->lock);
    if (vcb->state == VCB_DISMOUNTED)
        return STATUS_VOLUME_DISMOUNTED;
    if (vcb->locked_by != irp->file)
        return STATUS_NOT_LOCKED;
    vcb_drop_lock(vcb, irp->file);
    return STATUS_SUCCESS;
}

// Write what open files still know, then let go of the medium. vcb.lock is held exclusive.
static nt_status shut_down(struct vcb *vcb)
{
    nt_status status = STATUS_SUCCESS;
    if (vcb->state == VCB_MOUNTED) {
        for (size_t i = 0; i < FCB_BUCKETS; i++) {
            for (struct fcb *fcb = vcb->buckets[i]; fcb; fcb = fcb->next) {
                nt_status saved = fcb->epoch == vcb->epoch ? fcb_save(fcb) : STATUS_SUCCESS;
                status = status == STATUS_SUCCESS ? saved : status;
            }
        }
        vcb_close_streams(vcb);
        nt_status closed = store_close(vcb->store);
        status = status == STATUS_SUCCESS ? closed : status;
        vcb->store = NULL;
        dev_set_vpb(vcb->real, NULL);
    }
    vcb->state = VCB_DISMOUNTED;
    vcb->locked_by = NULL;
    blk_close(vcb->blk);
    vcb->blk = NULL;
    return status;
}

// A change of the medium that nobody has met yet would end the last commit; now enter meets it.
static void ask_for_medium(const struct vcb *vcb)
{
    nt_status status =
        vcb->real->characteristics & DEVICE_REMOVABLE_MEDIA ? ping(vcb->real, 0) : STATUS_SUCCESS;
    (void)status;
}

nt_status vcb_dismount(struct vcb *vcb, struct irp *irp)
{
    ask_for_medium(vcb);
    nt_status status = enter(vcb, irp->flags, true);
    if (status == STATUS_VOLUME_DISMOUNTED)
        return status;
    if (status != STATUS_SUCCESS) // no medium, or a foreign one: it ends here all the same
        hold_write(&vcb->lock);
    if (vcb->state == VCB_DISMOUNTED)
        status = STATUS_VOLUME_DISMOUNTED;
    else if (vcb->locked_by && vcb->locked_by != irp->file)
        status = STATUS_ACCESS_DENIED;
    else
        status = shut_down(vcb);
    bool done = vcb->state == VCB_DISMOUNTED;
    fs_leave(vcb);
    if (done)
        vcb_forget(vcb);
    return status;
}

nt_status fs_dismount(struct device *volume)
{
    struct irp irp = {.major = IRP_MJ_FILE_SYSTEM_CONTROL, .minor = IRP_MN_USER_FS_REQUEST};
    return vcb_dismount(volume->extension, &irp);
}

nt_status vcb_is_mounted(struct vcb *vcb, struct irp *irp)
{
    TRY(fs_enter(vcb, irp));
    fs_leave(vcb);
    return STATUS_SUCCESS;
}
