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
    return orphan ? object_reap(store, orphan) : STATUS_SUCCESS;
}

// The last handle of a stream that is to be deleted. fcb.lock is held exclusive.
static nt_status delete_stream(struct scb *scb)
{
    if (scb->stream)
        stream_close(scb->stream);
    scb->stream = NULL;
    return stream_delete(scb->fcb, (struct str){scb->name, scb->name_len});
}

static nt_status is_deletable(struct vcb *vcb, const struct fcb *fcb, bool *yes)
{
    *yes = true;
    return fcb_is_directory(fcb) ? dirent_is_empty(vcb->store, fcb->id, yes) : STATUS_SUCCESS;
}

// Is the name still the file's, and still to go? A POSIX caller may have been faster. Both locks are held.
static bool is_doomed(struct vcb *vcb, const struct fcb *parent, struct str name, const struct fcb *fcb)
{
    struct dirent now;
    return fcb->delete_pending && dirent_find(vcb->store, parent->id, name, &now) == STATUS_SUCCESS &&
           now.id == fcb->id;
}

static nt_status unlink_doomed(struct vcb *vcb, struct fcb *fcb, const struct ccb *doomed)
{
    struct fcb *parent;
    struct dirent entry;
    u64 parent_id;
    TRY(ccb_name(vcb, doomed, &parent_id, &entry));
    TRY(fcb_get(vcb, parent_id, &parent));
    nt_status status = STATUS_SUCCESS;
    struct str name = {entry.name, entry.name_len};
    {
        SCOPE_FCB(parent);
        SCOPE_FCB(fcb);
        if (is_doomed(vcb, parent, name, fcb))
            status = file_unlink(vcb, parent, name, fcb);
        fcb->delete_pending = false;
    }
    fcb_put(parent);
    return status;
}

// The handle with which a file is to be deleted: its name goes, and with the last name and the last handle
// its data. A directory is empty: it was when its deletion became pending, and nothing is made in it since.
static nt_status delete_file(struct vcb *vcb, const struct ccb *ccb)
{
    struct fcb *fcb = ccb->scb->fcb;
    struct ccb doomed;
    bool gone;
    {
        SCOPE_FCB(fcb);
        doomed = *fcb->doomed;
    }
    doomed.scb = ccb->scb;
    nt_status status = unlink_doomed(vcb, fcb, &doomed);
    {
        SCOPE_FCB(fcb);
        fcb->deleting = false;
        gone = fcb->deleted && fcb->handles == 0;
    }
    if (!gone)
        return status;
    fcb_close_streams(fcb);
    return object_reap(vcb->store, fcb->id);
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
    bool known, reachable, doomed, orphan;
    lock_release_all(scb, irp->file);
    {
        SCOPE_FCB(fcb);
        known = vcb->state == VCB_MOUNTED && fcb->epoch == vcb->epoch && !fcb->invalid;
        reachable = known && !fcb->deleted;
        share_remove(scb, irp->file->access, irp->file->share);
        scb->handles--;
        fcb->handles--;
        if (reachable)
            status = settle(vcb, ccb);
        doomed = reachable && is_due(fcb, ccb);
        fcb->deleting |= doomed;
        orphan = known && fcb->deleted && !fcb->deleting && fcb->handles == 0;
    }
    if (orphan) { // its last name went while it was open
        fcb_close_streams(fcb);
        return object_reap(vcb->store, fcb->id);
    }
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
