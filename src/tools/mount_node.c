// SPDX-License-Identifier: Apache-2.0
// The mount's names and attributes. Each request is one call of the native API, or few; what the kernel has
// checked (permissions, sticky bits, types) is not checked again.
#include "tools/mount.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>

static const uint64_t generation = 1; // numbers are never used again

void reply_status(fuse_req_t req, nt_status status)
{
    // FILE_INVALID: the kernel asks about a node that is gone.
    int error = status == STATUS_FILE_INVALID ? ESTALE : hf_status_to_errno(status);
    fuse_reply_err(req, status == STATUS_SUCCESS ? 0 : error ? error : EIO);
}

// --- attributes ----------------------------------------------------------------------------------

void mount_unset(void *mount, struct hf_attr *attr)
{
    const struct mount *m = mount;
    if (!(attr->mode & HF_MODE_UNSET))
        return;
    bool directory = S_ISDIR(attr->mode & S_IFMT), link = S_ISLNK(attr->mode & S_IFMT);
    uint32_t mode = link ? 0777 : (directory ? 0777u : 0666u) & ~m->options.umask;
    if (attr->attributes & FILE_ATTRIBUTE_READONLY && !directory)
        mode &= ~0222u;
    attr->mode = (attr->mode & S_IFMT) | mode;
    attr->uid = m->options.uid;
    attr->gid = m->options.gid;
}

static struct timespec timespec_of(struct hf_time t)
{
    return (struct timespec){.tv_sec = t.seconds, .tv_nsec = t.nanoseconds};
}

static struct hf_time time_of(struct timespec t)
{
    return (struct hf_time){.seconds = t.tv_sec, .nanoseconds = (uint32_t)t.tv_nsec};
}

void mount_stat(const struct mount *m, const struct hf_attr *attr, struct stat *st)
{
    struct hf_attr shown = *attr;
    mount_unset((void *)m, &shown);
    *st = (struct stat){
        .st_ino = shown.id,
        .st_mode = shown.mode,
        .st_nlink = shown.links,
        .st_uid = shown.uid,
        .st_gid = shown.gid,
        .st_rdev = makedev(shown.device >> 20, shown.device & 0xfffff),
        .st_size = (off_t)shown.size,
        .st_blksize = 4096,
        .st_blocks = (blkcnt_t)(shown.allocated / 512),
        .st_atim = timespec_of(shown.accessed),
        .st_mtim = timespec_of(shown.written),
        .st_ctim = timespec_of(shown.changed),
    };
}

struct fuse_entry_param mount_entry(const struct mount *m, const struct hf_attr *attr)
{
    struct fuse_entry_param e = {.ino = ino_of(attr->id),
                                 .generation = generation,
                                 .attr_timeout = MOUNT_ATTR_TIMEOUT,
                                 .entry_timeout = m->entry_timeout};
    mount_stat(m, attr, &e.attr);
    return e;
}

static void reply_entry(fuse_req_t req, nt_status status, const struct hf_attr *attr)
{
    if (status != STATUS_SUCCESS) {
        reply_status(req, status);
        return;
    }
    struct fuse_entry_param e = mount_entry(mount_of(req), attr);
    fuse_reply_entry(req, &e);
}

static void reply_attr(fuse_req_t req, nt_status status, const struct hf_attr *attr)
{
    struct stat st;
    if (status != STATUS_SUCCESS) {
        reply_status(req, status);
        return;
    }
    mount_stat(mount_of(req), attr, &st);
    if (raw_current()->statx_mask)
        raw_reply_statx(req, attr, &st);
    else
        fuse_reply_attr(req, &st, MOUNT_ATTR_TIMEOUT);
}

bool caller_is_owner(fuse_req_t req, const struct hf_attr *attr)
{
    struct hf_attr shown = *attr;
    mount_unset(mount_of(req), &shown);
    uid_t uid = fuse_req_ctx(req)->uid;
    return uid == 0 || uid == shown.uid;
}

void mount_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    struct hf_attr attr;
    nt_status status = hf_node_get(mount_of(req)->root, node_of(ino), &attr);
    reply_attr(req, status, &attr);
}

nt_status mount_set(struct mount *m, uint64_t node, uint32_t mask, struct hf_attr *attr)
{
    if (mask & (HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_GID | HF_ATTR_KILL)) {
        struct hf_attr now;
        nt_status status = hf_node_get(m->root, node, &now);
        if (status != STATUS_SUCCESS)
            return status;
        if (now.mode & HF_MODE_UNSET) {
            mount_unset(m, &now);
            attr->mode = mask & HF_ATTR_MODE ? attr->mode : now.mode & 07777;
            attr->uid = mask & HF_ATTR_UID ? attr->uid : now.uid;
            attr->gid = mask & HF_ATTR_GID ? attr->gid : now.gid;
            mask |= HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_GID;
        }
    }
    m->changed = true;
    return hf_node_set(m->root, node, mask, attr);
}

void mount_attr_set(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
    (void)fi;
    struct mount *m = mount_of(req);
    struct hf_attr attr = {.mode = st->st_mode & 07777,
                           .uid = st->st_uid,
                           .gid = st->st_gid,
                           .size = (uint64_t)st->st_size,
                           .accessed = time_of(st->st_atim),
                           .written = time_of(st->st_mtim),
                           .changed = time_of(st->st_ctim)};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to_set & FUSE_SET_ATTR_ATIME_NOW)
        attr.accessed = time_of(now);
    if (to_set & FUSE_SET_ATTR_MTIME_NOW)
        attr.written = time_of(now);
    static const struct {
        int fuse;
        uint32_t mask;
    } bits[] = {{FUSE_SET_ATTR_MODE, HF_ATTR_MODE},
                {FUSE_SET_ATTR_UID, HF_ATTR_UID},
                {FUSE_SET_ATTR_GID, HF_ATTR_GID},
                {FUSE_SET_ATTR_SIZE, HF_ATTR_SIZE},
                {FUSE_SET_ATTR_ATIME, HF_ATTR_ACCESSED},
                {FUSE_SET_ATTR_MTIME, HF_ATTR_WRITTEN},
                {FUSE_SET_ATTR_ATIME_NOW, HF_ATTR_ACCESSED},
                {FUSE_SET_ATTR_MTIME_NOW, HF_ATTR_WRITTEN},
                {FUSE_SET_ATTR_CTIME, HF_ATTR_CHANGED}};
    uint32_t mask = 0;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        mask |= to_set & bits[i].fuse ? bits[i].mask : 0;
    if (raw_current()->kill_privileges)
        mask |= HF_ATTR_KILL;
    nt_status status = mask & HF_ATTR_MODE ? mount_acl_chmod(m, node_of(ino), attr.mode) : STATUS_SUCCESS;
    if (status == STATUS_SUCCESS && (mask & (HF_ATTR_UID | HF_ATTR_GID | HF_ATTR_KILL)))
        status = mount_capability_drop(m, node_of(ino));
    if (status == STATUS_SUCCESS && mask)
        status = mount_set(m, node_of(ino), mask, &attr);
    else if (status == STATUS_SUCCESS)
        status = hf_node_get(m->root, node_of(ino), &attr);
    // Times that the kernel writes back too late, of a file that is gone: it would ask again and again.
    if (status == STATUS_FILE_INVALID && !(mask & ~(uint32_t)(HF_ATTR_WRITTEN | HF_ATTR_CHANGED))) {
        attr.mode = S_IFREG;
        status = STATUS_SUCCESS;
    }
    reply_attr(req, status, &attr);
}

// --- names ---------------------------------------------------------------------------------------

void mount_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = mount_of(req);
    struct hf_attr attr;
    // Every request with a name begins with this one.
    if (strlen(name) > HF_NODE_NAME_MAX) {
        fuse_reply_err(req, ENAMETOOLONG);
        return;
    }
    // "." comes with a bare number from an NFS client's file handle.
    nt_status status = strcmp(name, ".") == 0 ? hf_node_get(m->root, node_of(parent), &attr)
                                              : hf_node_find(m->root, node_of(parent), name, &attr);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
        struct fuse_entry_param none = {.entry_timeout = m->entry_timeout};
        fuse_reply_entry(req, &none);
        return;
    }
    reply_entry(req, status, &attr);
}

void mount_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    (void)ino, (void)count;
    fuse_reply_none(req);
}

void mount_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    (void)count, (void)forgets;
    fuse_reply_none(req);
}

void mount_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char target[HF_NODE_TARGET_MAX + 1];
    size_t length;
    nt_status status = hf_node_readlink(mount_of(req)->root, node_of(ino), target, sizeof target, &length);
    if (status == STATUS_SUCCESS)
        fuse_reply_readlink(req, target);
    else
        reply_status(req, status);
}

// name NULL: it gets none yet, and is opened.
static nt_status make(struct mount *m, uint64_t parent, const char *name, uint32_t umask,
                      struct hf_node_new *what, uint32_t access, struct hf_attr *attr, hf_handle *handle)
{
    struct mount_inherited inherited;
    uint64_t times = atomic_load(&m->no_capability.times);
    nt_status status = mount_acl_inherit(m, parent, umask, what, &inherited);
    m->changed = true;
    if (status == STATUS_SUCCESS)
        status = name ? hf_node_create(m->root, parent, name, what, attr)
                      : hf_node_create_unnamed(m->root, parent, what, access, attr, handle);
    if (status == STATUS_SUCCESS)
        mount_absence_note(&m->no_capability, attr->id, times);
    return status;
}

nt_status mount_door_create(void *mount, uint64_t parent, const char *name, uint32_t umask,
                            struct hf_node_new *what, struct hf_attr *attr)
{
    return make(mount, parent, name, umask, what, 0, attr, NULL);
}

nt_status mount_create_unnamed(fuse_req_t req, fuse_ino_t parent, struct hf_node_new *what, uint32_t access,
                               struct hf_attr *attr, hf_handle *handle)
{
    const struct fuse_ctx *caller = fuse_req_ctx(req);
    what->uid = caller->uid;
    what->gid = caller->gid;
    return make(mount_of(req), node_of(parent), NULL, caller->umask, what, access, attr, handle);
}

nt_status mount_create_node(fuse_req_t req, fuse_ino_t parent, const char *name, struct hf_node_new *what,
                            struct hf_attr *attr)
{
    const struct fuse_ctx *caller = fuse_req_ctx(req);
    what->uid = caller->uid;
    what->gid = caller->gid;
    return mount_door_create(mount_of(req), node_of(parent), name, caller->umask, what, attr);
}

static void create(fuse_req_t req, fuse_ino_t parent, const char *name, struct hf_node_new what)
{
    struct hf_attr attr;
    nt_status status = mount_create_node(req, parent, name, &what, &attr);
    reply_entry(req, status, &attr);
}

void mount_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    create(req, parent, name,
           (struct hf_node_new){.mode = mode, .device = major(device) << 20 | (minor(device) & 0xfffff)});
}

void mount_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    create(req, parent, name, (struct hf_node_new){.mode = (mode & 07777) | S_IFDIR});
}

void mount_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    create(req, parent, name, (struct hf_node_new){.mode = S_IFLNK | 0777, .target = target});
}

void mount_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    struct mount *m = mount_of(req);
    struct hf_attr attr;
    m->changed = true;
    nt_status status = hf_node_link(m->root, node_of(ino), node_of(parent), name, &attr);
    reply_entry(req, status, &attr);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, bool directory)
{
    struct mount *m = mount_of(req);
    m->changed = true;
    reply_status(req, hf_node_unlink(m->root, node_of(parent), name, directory));
}

void mount_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    remove_name(req, parent, name, false);
}

void mount_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    remove_name(req, parent, name, true);
}

void mount_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                  const char *new_name, unsigned int flags)
{
    struct mount *m = mount_of(req);
    if (flags & ~(unsigned int)(HF_RENAME_NOREPLACE | HF_RENAME_EXCHANGE)) {
        fuse_reply_err(req, EINVAL); // RENAME_WHITEOUT
        return;
    }
    m->changed = true;
    reply_status(req, hf_node_rename(m->root, node_of(parent), name, node_of(new_parent), new_name, flags));
}

// --- the volume ----------------------------------------------------------------------------------

void mount_statfs(fuse_req_t req, fuse_ino_t ino)
{
    (void)ino;
    FILE_FS_FULL_SIZE_INFORMATION size;
    size_t done;
    nt_status status =
        hf_query_volume(mount_of(req)->root, FileFsFullSizeInformation, &size, sizeof size, &done);
    if (status != STATUS_SUCCESS) {
        reply_status(req, status);
        return;
    }
    uint32_t unit = size.SectorsPerAllocationUnit * size.BytesPerSector;
    // Files are bounded by space only: as many as would fit if each took a cluster.
    struct statvfs st = {.f_bsize = unit,
                         .f_frsize = unit,
                         .f_blocks = (fsblkcnt_t)size.TotalAllocationUnits,
                         .f_bfree = (fsblkcnt_t)size.ActualAvailableAllocationUnits,
                         .f_bavail = (fsblkcnt_t)size.CallerAvailableAllocationUnits,
                         .f_files = (fsfilcnt_t)size.TotalAllocationUnits,
                         .f_ffree = (fsfilcnt_t)size.CallerAvailableAllocationUnits,
                         .f_namemax = HF_NODE_NAME_MAX};
    fuse_reply_statfs(req, &st);
}
