// SPDX-License-Identifier: Apache-2.0
// The end of a handle: cleanup, when the last user closes it, and close, when its file object goes. Files and
// streams that are to be deleted go with their last handle. Both work on a volume in any state; only what
// must reach the medium is left out when that is not there.
#include "fs/request.h"

nt_status stream_delete(struct fcb *fcb, struct str name)
{
    struct store *store = fcb->vcb->store;
    struct txn *t;
    u64 orphan = 0;
    TRY(txn_begin(store, TXN_FREEING, &t));
    TRY(txn_end(t, stream_remove(t, fcb->id, name, &orphan)));
    // What fails now only takes room until the volume is opened again.
    nt_status reaped = orphan ? object_reap(store, orphan) : STATUS_SUCCESS;
    (void)reaped;
    return STATUS_SUCCESS;
}

// The last handle of a stream that is to be deleted. fcb.lock is held exclusive.
static nt_status delete_stream(struct scb *scb)
{
    if (scb->stream)
        stream_close(scb->stream);
    scb->stream = NULL;
    nt_status status = stream_delete(scb->fcb, (struct str){scb->name, scb->name_len});
    return status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_SUCCESS : status; // another closer was faster
}

static nt_status is_deletable(struct vcb *vcb, const struct fcb *fcb, bool *yes)
{
    *yes = true;
    return fcb_is_directory(fcb) ? dirent_is_empty(vcb->store, fcb->id, yes) : STATUS_SUCCESS;
}

// Is the name still the file's, and still to go? A POSIX caller may have been faster. Both locks are held.
static nt_status is_doomed(struct vcb *vcb, const struct fcb *parent, struct str name, const struct fcb *fcb,
                           bool *yes)
{
    struct dirent now;
    nt_status status = dirent_find(vcb->store, parent->id, name, &now);
    *yes = fcb->delete_pending && status == STATUS_SUCCESS && now.id == fcb->id;
    return status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_SUCCESS : status;
}

static nt_status unlink_doomed(struct vcb *vcb, struct fcb *fcb, const struct ccb *doomed)
{
    struct fcb *parent;
    struct dirent entry;
    u64 parent_id;
    TRY(ccb_name(vcb, doomed, &parent_id, &entry));
    TRY(fcb_get(vcb, parent_id, &parent));
    nt_status status;
    struct str name = {entry.name, entry.name_len};
    {
        SCOPE_FCB(parent);
        SCOPE_FCB(fcb);
        bool yes;
        status = is_doomed(vcb, parent, name, fcb, &yes);
        if (status == STATUS_SUCCESS && yes)
            status = file_unlink(vcb, parent, name, fcb);
        fcb->delete_pending &= status == STATUS_VERIFY_REQUIRED; // then there is another try
    }
    fcb_put(parent);
    return status;
}

static nt_status reap(struct vcb *vcb, struct fcb *fcb)
{
    fcb_close_streams(fcb);
    return object_reap(vcb->store, fcb->id);
}

// The handle with which a file is to be deleted: its name goes, and with the last name and the last handle
// its data. A directory is empty: it was when its deletion became pending, and nothing is made in it since.
static nt_status delete_file(struct vcb *vcb, struct ccb *ccb)
{
    struct fcb *fcb = ccb->scb->fcb;
    struct ccb doomed;
    {
        SCOPE_FCB(fcb);
        doomed = *fcb->doomed;
    }
    doomed.scb = ccb->scb;
    nt_status status = unlink_doomed(vcb, fcb, &doomed);
    {
        SCOPE_FCB(fcb);
        fcb->deleting = false;
        ccb->reaps = fcb->deleted && fcb->handles == 0;
    }
    return ccb->reaps ? reap(vcb, fcb) : status;
}

// FILE_DELETE_ON_CLOSE makes the deletion pending; a directory that is not empty is spared.
static nt_status mark_delete_on_close(struct vcb *vcb, const struct ccb *ccb)
{
    struct scb *scb = ccb->scb;
    bool deletable;
    if (scb->name_len) {
        scb->delete_pending = true;
        return STATUS_SUCCESS;
    }
    TRY(is_deletable(vcb, scb->fcb, &deletable));
    return deletable ? fcb_doom(scb->fcb, ccb) : STATUS_SUCCESS;
}

static bool is_due(const struct fcb *fcb, const struct ccb *ccb)
{
    return fcb->delete_pending && !fcb->deleting && (fcb->handles == 0 || ccb->deletes_at_once);
}

// What of a handle's end concerns the medium, short of deleting the file. fcb.lock is held exclusive.
static nt_status settle(struct vcb *vcb, const struct ccb *ccb)
{
    struct scb *scb = ccb->scb;
    struct fcb *fcb = scb->fcb;
    if (ccb->delete_on_close)
        TRY(mark_delete_on_close(vcb, ccb));
    if (is_due(fcb, ccb))
        return STATUS_SUCCESS;
    if (fcb->archive_later && !(fcb->inode.attributes & FILE_ATTRIBUTE_ARCHIVE)) {
        fcb->inode.attributes |= FILE_ATTRIBUTE_ARCHIVE;
        fcb->dirty = true;
    }
    fcb->archive_later = false;
    TRY(fcb_save(fcb));
    return scb->delete_pending && scb->handles == 0 ? delete_stream(scb) : STATUS_SUCCESS;
}

static nt_status cleanup_volume(struct vcb *vcb, struct irp *irp)
{
    vcb_drop_lock(vcb, irp->file);
    // What the file system knows of the medium may be wrong now.
    if (irp_ccb(irp)->wrote_raw)
        dev_mark_verify(vcb->real);
    return STATUS_SUCCESS;
}

// May be called again for a handle, to do what the medium kept it from doing.
nt_status fs_cleanup(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    if (!ccb)
        return STATUS_SUCCESS;
    if (!ccb->scb)
        return cleanup_volume(vcb, irp);
    struct scb *scb = ccb->scb;
    struct fcb *fcb = scb->fcb;
    nt_status status = STATUS_SUCCESS;
    bool known, reachable, doomed;
    lock_release_all(scb, irp->file);
    {
        SCOPE_FCB(fcb);
        known = vcb->state == VCB_MOUNTED && fcb->epoch == vcb->epoch && !fcb->invalid;
        reachable = known && !fcb->deleted;
        bool first = !ccb->cleaned;
        if (first) {
            share_remove(scb, irp->file->access, irp->file->share);
            scb->handles--;
            fcb->handles--;
        }
        ccb->cleaned = true;
        if (reachable)
            status = settle(vcb, ccb);
        doomed = reachable && is_due(fcb, ccb);
        fcb->deleting |= doomed;
        ccb->reaps |= first && fcb_is_free(fcb); // its last name went while it was open
    }
    if (ccb->reaps && known)
        return reap(vcb, fcb);
    return doomed ? delete_file(vcb, ccb) : status;
}

nt_status fs_close(struct vcb *vcb, struct irp *irp)
{
    struct ccb *ccb = irp_ccb(irp);
    if (!ccb)
        return STATUS_SUCCESS;
    if (ccb->scb)
        scb_put(ccb->scb);
    free(ccb->given);
    free(ccb);
    irp->file->context = NULL;
    SCOPE_LOCK(&vcb->table);
    vcb->handles--;
    return STATUS_SUCCESS;
}
