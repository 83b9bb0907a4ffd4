// SPDX-License-Identifier: Apache-2.0
// The mount's extended attributes. Names of user, trusted and security are kept as they are; POSIX ACLs are
// kept and also change the mode; system.ntfs_* show what a volume has anyway, with ntfs-3g's names, layouts
// and errors, so that tools written for it work.
#include "tools/mount.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

// --- what nodes do not have ----------------------------------------------------------------------

void mount_absence_init(struct mount_absence *a)
{
    pthread_mutex_init(&a->lock, NULL);
    a->times = 1; // nothing is known
}

void mount_absence_destroy(struct mount_absence *a)
{
    pthread_mutex_destroy(&a->lock);
}

void mount_absence_note(struct mount_absence *a, uint64_t node, uint64_t times)
{
    pthread_mutex_lock(&a->lock);
    a->seen[node % ABSENCES].node = node;
    a->seen[node % ABSENCES].times = times;
    pthread_mutex_unlock(&a->lock);
}

static bool is_absent(struct mount_absence *a, uint64_t node)
{
    uint64_t times = atomic_load(&a->times);
    pthread_mutex_lock(&a->lock);
    bool absent = a->seen[node % ABSENCES].node == node && a->seen[node % ABSENCES].times == times;
    pthread_mutex_unlock(&a->lock);
    return absent;
}

static struct mount_absence *absence_of(struct mount *m, const char *name)
{
    return strcmp(name, XATTR_CAPABILITY) == 0    ? &m->no_capability
           : strcmp(name, XATTR_ACL_DEFAULT) == 0 ? &m->no_default_acl
                                                  : NULL;
}

static nt_status value_get(struct mount *m, uint64_t node, const char *name, void *value, size_t size,
                           size_t *length)
{
    struct mount_absence *absence = absence_of(m, name);
    uint64_t times = absence ? atomic_load(&absence->times) : 0;
    if (absence && is_absent(absence, node))
        return STATUS_NONEXISTENT_EA_ENTRY;
    nt_status status = hf_xattr_get(m->root, node, name, value, size, length);
    if (absence && status == STATUS_NONEXISTENT_EA_ENTRY)
        mount_absence_note(absence, node, times);
    return status;
}

// --- ACLs ----------------------------------------------------------------------------------------

// count 0: there is none.
static nt_status acl_read(struct mount *m, uint64_t node, const char *name, struct acl *acl)
{
    unsigned char value[ACL_SIZE_MAX];
    size_t length;
    acl->count = 0;
    nt_status status = value_get(m, node, name, value, sizeof value, &length);
    if (status == STATUS_NONEXISTENT_EA_ENTRY)
        return STATUS_SUCCESS;
    if (status == STATUS_SUCCESS && !acl_parse(acl, value, length))
        status = STATUS_FILE_CORRUPT_ERROR;
    return status;
}

nt_status mount_acl_chmod(struct mount *m, uint64_t node, uint32_t mode)
{
    struct acl acl;
    unsigned char value[ACL_SIZE_MAX];
    nt_status status = acl_read(m, node, XATTR_ACL_ACCESS, &acl);
    if (status != STATUS_SUCCESS || acl.count == 0)
        return status;
    acl_chmod(&acl, mode);
    return hf_xattr_set(m->root, node, XATTR_ACL_ACCESS, value, acl_format(&acl, value), 0);
}

nt_status mount_acl_inherit(struct mount *m, uint64_t parent, mode_t umask, struct hf_node_new *what,
                            struct mount_inherited *out)
{
    struct acl acl;
    if (S_ISLNK(what->mode))
        return STATUS_SUCCESS;
    nt_status status = acl_read(m, parent, XATTR_ACL_DEFAULT, &acl);
    if (status != STATUS_SUCCESS)
        return status;
    if (acl.count == 0) {
        what->mode &= ~(uint32_t)umask;
        return STATUS_SUCCESS;
    }
    what->xattrs = out->xattrs;
    if (S_ISDIR(what->mode))
        out->xattrs[what->xattr_count++] =
            (struct hf_xattr){XATTR_ACL_DEFAULT, out->defaults, acl_format(&acl, out->defaults)};
    what->mode = acl_inherit(&acl, what->mode);
    if (!acl_is_only_mode(&acl))
        out->xattrs[what->xattr_count++] =
            (struct hf_xattr){XATTR_ACL_ACCESS, out->access, acl_format(&acl, out->access)};
    return STATUS_SUCCESS;
}

// The kernel has checked the ACL and who sets it.
static nt_status acl_access_set(struct mount *m, uint64_t node, const void *value, size_t size, int flags)
{
    struct acl acl;
    struct hf_attr attr;
    if (!acl_parse(&acl, value, size))
        return STATUS_INVALID_PARAMETER;
    nt_status status = hf_node_get(m->root, node, &attr);
    if (status != STATUS_SUCCESS)
        return status;
    mount_unset(m, &attr);
    attr.mode = (attr.mode & 07000) | acl_mode(&acl);
    if (raw_current()->acl_kills_sgid)
        attr.mode &= ~(uint32_t)S_ISGID;
    if (acl_is_only_mode(&acl)) {
        status = hf_xattr_remove(m->root, node, XATTR_ACL_ACCESS);
        if (status == STATUS_NONEXISTENT_EA_ENTRY)
            status = STATUS_SUCCESS;
    } else {
        status = hf_xattr_set(m->root, node, XATTR_ACL_ACCESS, value, size, (uint32_t)flags);
    }
    return status == STATUS_SUCCESS ? mount_set(m, node, HF_ATTR_MODE, &attr) : status;
}

nt_status mount_capability_drop(struct mount *m, uint64_t node)
{
    uint64_t times = atomic_load(&m->no_capability.times);
    if (is_absent(&m->no_capability, node))
        return STATUS_SUCCESS;
    nt_status status = hf_xattr_remove(m->root, node, XATTR_CAPABILITY);
    if (status != STATUS_SUCCESS && status != STATUS_NONEXISTENT_EA_ENTRY)
        return status;
    mount_absence_note(&m->no_capability, node, times);
    return STATUS_SUCCESS;
}

// --- what ntfs-3g calls it -----------------------------------------------------------------------

enum special_kind { SPECIAL_REPARSE = 1, SPECIAL_ATTRIB, SPECIAL_CRTIME, SPECIAL_TIMES };
struct special {
    const char *name;
    enum special_kind kind;
    bool big_endian;
};
static const struct special specials[] = {
    {"system.ntfs_reparse_data", SPECIAL_REPARSE, false}, {"system.ntfs_attrib", SPECIAL_ATTRIB, false},
    {"system.ntfs_attrib_be", SPECIAL_ATTRIB, true},      {"system.ntfs_crtime", SPECIAL_CRTIME, false},
    {"system.ntfs_crtime_be", SPECIAL_CRTIME, true},      {"system.ntfs_times", SPECIAL_TIMES, false},
    {"system.ntfs_times_be", SPECIAL_TIMES, true},        {"user.SmbReparse", SPECIAL_REPARSE, false},
};
enum { TICKS = 10000000 };
static const int64_t epoch = 11644473600; // 1970 in seconds since 1601

static const struct special *special_of(const char *name)
{
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (strcmp(specials[i].name, name) == 0)
            return &specials[i];
    }
    return NULL;
}

static uint64_t ticks_of(struct hf_time t)
{
    return (uint64_t)(t.seconds + epoch) * TICKS + t.nanoseconds / 100;
}

static struct hf_time time_of_ticks(uint64_t ticks)
{
    return (struct hf_time){.seconds = (int64_t)(ticks / TICKS) - epoch,
                            .nanoseconds = (uint32_t)(ticks % TICKS) * 100};
}

static void put64(unsigned char *out, uint64_t value, bool big_endian)
{
    value = big_endian ? htobe64(value) : value;
    memcpy(out, &value, sizeof value);
}

static uint64_t get64(const void *in, size_t index, bool big_endian)
{
    uint64_t value;
    memcpy(&value, (const unsigned char *)in + index * sizeof value, sizeof value);
    return big_endian ? be64toh(value) : value;
}

static nt_status reparse_control(struct mount *m, uint64_t node, uint32_t code, const void *in,
                                 size_t in_length, void *out, size_t out_length, size_t *done)
{
    hf_handle handle;
    uint32_t access = code == FSCTL_GET_REPARSE_POINT ? FILE_READ_ATTRIBUTES : FILE_WRITE_ATTRIBUTES;
    *done = 0;
    nt_status status = hf_node_open(m->root, node, access, &handle);
    if (status != STATUS_SUCCESS)
        return status;
    status = hf_ioctl(handle, code, in, in_length, out, out_length, done);
    (void)hf_close(handle);
    return status;
}

// At most MAXIMUM_REPARSE_DATA_BUFFER_SIZE bytes.
static nt_status special_get(struct mount *m, uint64_t node, const struct special *special,
                             unsigned char *out, size_t *length)
{
    struct hf_attr attr;
    *length = 0;
    nt_status status = hf_node_get(m->root, node, &attr);
    if (status != STATUS_SUCCESS)
        return status;
    switch (special->kind) {
    case SPECIAL_REPARSE:
        return attr.reparse_tag ? reparse_control(m, node, FSCTL_GET_REPARSE_POINT, NULL, 0, out,
                                                  MAXIMUM_REPARSE_DATA_BUFFER_SIZE, length)
                                : STATUS_NONEXISTENT_EA_ENTRY;
    case SPECIAL_ATTRIB:
        attr.attributes = special->big_endian ? htobe32(attr.attributes) : attr.attributes;
        *length = sizeof attr.attributes;
        memcpy(out, &attr.attributes, *length);
        return STATUS_SUCCESS;
    default: {
        const struct hf_time times[] = {attr.created, attr.written, attr.accessed, attr.changed};
        size_t count = special->kind == SPECIAL_CRTIME ? 1 : 4;
        for (size_t i = 0; i < count; i++)
            put64(out + 8 * i, ticks_of(times[i]), special->big_endian);
        *length = 8 * count;
        return STATUS_SUCCESS;
    }
    }
}

// ntfs-3g asks only for the owner; a link or device takes what it takes on Linux, too.
static nt_status may_retype(fuse_req_t req, uint64_t node, const void *value, size_t size)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    struct call_caller caller = {
        .uid = ctx->uid, .gid = ctx->gid, .in_group = caller_in_group, .context = req};
    return call_may_retype(mount_of(req)->door, &caller, node, value, size);
}

// ntfs-3g lets another tag take the place of the one that is there.
static nt_status reparse_replace(struct mount *m, const struct hf_attr *attr, const void *value, size_t size)
{
    enum { HEAD = offsetof(REPARSE_DATA_BUFFER_EX, u) };
    unsigned char now[MAXIMUM_REPARSE_DATA_BUFFER_SIZE], *buffer = thread_buffer(HEAD + size);
    REPARSE_DATA_BUFFER_EX head = {.ExistingReparseTag = attr->reparse_tag};
    size_t done;
    nt_status status = reparse_control(m, attr->id, FSCTL_GET_REPARSE_POINT, NULL, 0, now, sizeof now, &done);
    if (status != STATUS_SUCCESS)
        return status;
    if (!buffer)
        return STATUS_NO_MEMORY;
    if (!IsReparseTagMicrosoft(attr->reparse_tag) && done >= REPARSE_GUID_DATA_BUFFER_HEADER_SIZE)
        memcpy(&head.ExistingReparseGuid, now + offsetof(REPARSE_GUID_DATA_BUFFER, ReparseGuid),
               sizeof head.ExistingReparseGuid);
    memcpy(buffer, &head, HEAD);
    memcpy(buffer + HEAD, value, size);
    return reparse_control(m, attr->id, FSCTL_SET_REPARSE_POINT_EX, buffer, HEAD + size, NULL, 0, &done);
}

static int reparse_set(struct mount *m, const struct hf_attr *attr, const void *value, size_t size, int flags)
{
    size_t done;
    if (flags & XATTR_CREATE && attr->reparse_tag)
        return EEXIST;
    if (flags & XATTR_REPLACE && !attr->reparse_tag)
        return ENODATA;
    nt_status status =
        attr->reparse_tag && size >= REPARSE_DATA_BUFFER_HEADER_SIZE
            ? reparse_replace(m, attr, value, size)
            : reparse_control(m, attr->id, FSCTL_SET_REPARSE_POINT, value, size, NULL, 0, &done);
    return hf_status_to_errno(status);
}

static int special_set(fuse_req_t req, uint64_t node, const struct special *special, const void *value,
                       size_t size, int flags)
{
    struct mount *m = mount_of(req);
    struct hf_attr attr;
    nt_status status = hf_node_get(m->root, node, &attr);
    if (status != STATUS_SUCCESS)
        return hf_status_to_errno(status);
    if (!caller_is_owner(req, &attr))
        return EPERM;
    if (special->kind == SPECIAL_REPARSE) {
        status = may_retype(req, node, value, size);
        return status == STATUS_SUCCESS ? reparse_set(m, &attr, value, size, flags)
                                        : hf_status_to_errno(status);
    }
    if (flags & XATTR_CREATE)
        return EEXIST;
    uint32_t mask = HF_ATTR_CREATED;
    if (special->kind == SPECIAL_ATTRIB) {
        if (size < sizeof attr.attributes)
            return EINVAL;
        memcpy(&attr.attributes, value, sizeof attr.attributes);
        attr.attributes = special->big_endian ? be32toh(attr.attributes) : attr.attributes;
        mask = HF_ATTR_ATTRIBUTES;
    } else {
        size_t count = size / 8;
        if (count == 0)
            return ERANGE;
        attr.created = time_of_ticks(get64(value, 0, special->big_endian));
        if (special->kind == SPECIAL_TIMES && count > 1) {
            attr.written = time_of_ticks(get64(value, 1, special->big_endian));
            mask |= HF_ATTR_WRITTEN;
        }
        if (special->kind == SPECIAL_TIMES && count > 2) {
            attr.accessed = time_of_ticks(get64(value, 2, special->big_endian));
            mask |= HF_ATTR_ACCESSED;
        }
    }
    return hf_status_to_errno(hf_node_set(m->root, node, mask, &attr));
}

static int special_remove(fuse_req_t req, uint64_t node, const struct special *special)
{
    struct mount *m = mount_of(req);
    struct hf_attr attr;
    size_t done;
    nt_status status = hf_node_get(m->root, node, &attr);
    if (status != STATUS_SUCCESS)
        return hf_status_to_errno(status);
    if (special->kind != SPECIAL_REPARSE || !caller_is_owner(req, &attr))
        return EPERM;
    if (!attr.reparse_tag)
        return ENODATA;
    status = may_retype(req, node, NULL, 0);
    if (status != STATUS_SUCCESS)
        return hf_status_to_errno(status);
    REPARSE_GUID_DATA_BUFFER head = {.ReparseTag = attr.reparse_tag};
    size_t size = IsReparseTagMicrosoft(attr.reparse_tag) ? REPARSE_DATA_BUFFER_HEADER_SIZE
                                                          : REPARSE_GUID_DATA_BUFFER_HEADER_SIZE;
    if (size == REPARSE_GUID_DATA_BUFFER_HEADER_SIZE) {
        unsigned char now[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
        status = reparse_control(m, node, FSCTL_GET_REPARSE_POINT, NULL, 0, now, sizeof now, &done);
        if (status != STATUS_SUCCESS || done < size)
            return EIO;
        memcpy(&head, now, size);
        head.ReparseDataLength = 0;
    }
    status = reparse_control(m, node, FSCTL_DELETE_REPARSE_POINT, &head, size, NULL, 0, &done);
    return hf_status_to_errno(status);
}

// --- the requests --------------------------------------------------------------------------------

// The caller has the node locked: it is answered at once, never after somebody who waits for other locks.
static void reply_changed(fuse_req_t req, fuse_ino_t ino, const struct special *special, int error)
{
    struct mount *m = mount_of(req);
    m->changed = true;
    if (!error && special->kind == SPECIAL_REPARSE)
        mount_tell_type(m, node_of(ino));
    else if (!error)
        mount_tell_node(m, node_of(ino), false);
    fuse_reply_err(req, error);
}

static bool is_kept(const char *name)
{
    static const char *const prefixes[] = {"user.", "trusted.", "security."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return strcmp(name, XATTR_ACL_ACCESS) == 0 || strcmp(name, XATTR_ACL_DEFAULT) == 0;
}

void mount_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                    int flags)
{
    struct mount *m = mount_of(req);
    const struct special *special = special_of(name);
    nt_status status;
    if (special) {
        reply_changed(req, ino, special, special_set(req, node_of(ino), special, value, size, flags));
        return;
    }
    if (!is_kept(name)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    struct mount_absence *absence = absence_of(m, name);
    if (absence)
        absence->times++;
    if (strcmp(name, XATTR_ACL_ACCESS) == 0)
        status = acl_access_set(m, node_of(ino), value, size, flags);
    else
        status = hf_xattr_set(m->root, node_of(ino), name, value, size, (uint32_t)flags);
    // Once more: whoever looked in between must look again.
    if (absence)
        absence->times++;
    m->changed = true;
    reply_status(req, status);
}

static void reply_value(fuse_req_t req, size_t room, nt_status status, const void *value, size_t length)
{
    if (status != STATUS_SUCCESS)
        reply_status(req, status);
    else if (room == 0)
        fuse_reply_xattr(req, length);
    else if (length > room)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, value, length);
}

void mount_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct mount *m = mount_of(req);
    const struct special *special = special_of(name);
    size_t length = 0;
    if (!special && !is_kept(name)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    if (special) {
        unsigned char value[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
        nt_status status = special_get(m, node_of(ino), special, value, &length);
        reply_value(req, size, status, value, length);
        return;
    }
    size = size < HF_XATTR_SIZE_MAX ? size : HF_XATTR_SIZE_MAX;
    void *value = size ? thread_buffer(size) : NULL;
    nt_status status = value_get(m, node_of(ino), name, value, value ? size : 0, &length);
    reply_value(req, size, status, value, length);
}

// Names of trusted are root's business.
static size_t names_filter(char *names, size_t length)
{
    size_t kept = 0;
    for (size_t i = 0, n; i < length; i += n) {
        n = strlen(names + i) + 1;
        if (strncmp(names + i, "trusted.", 8) == 0)
            continue;
        memmove(names + kept, names + i, n);
        kept += n;
    }
    return kept;
}

void mount_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    size_t length = 0;
    char *names = thread_buffer(HF_XATTR_LIST_MAX);
    if (!names) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    nt_status status = hf_xattr_list(mount_of(req)->root, node_of(ino), names, HF_XATTR_LIST_MAX, &length);
    if (status == STATUS_SUCCESS && fuse_req_ctx(req)->uid != 0)
        length = names_filter(names, length);
    reply_value(req, size, status, names, length);
}

void mount_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    const struct special *special = special_of(name);
    if (special)
        reply_changed(req, ino, special, special_remove(req, node_of(ino), special));
    else if (!is_kept(name))
        fuse_reply_err(req, EOPNOTSUPP);
    else {
        mount_of(req)->changed = true;
        reply_status(req, hf_xattr_remove(mount_of(req)->root, node_of(ino), name));
    }
}
