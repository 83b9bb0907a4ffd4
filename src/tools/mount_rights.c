// SPDX-License-Identifier: Apache-2.0
// Who may do what through the door of a mount (mount_call.h). Root and the owner of the mount may do
// everything; others what owner, group and permission bits say, and where these do not decide alone (POSIX
// ACLs) nothing. Windows' rights are wider than Linux' three bits, so each bit gives what could be done with
// it on Linux too. docs/adr/0014.
#include "tools/mount_call.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    EVERYBODY = FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE,
    READER = FILE_READ_DATA | FILE_READ_EA,
    // FILE_WRITE_ATTRIBUTES is a part of GENERIC_WRITE, which every writer asks for.
    WRITER = FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_EA | FILE_DELETE_CHILD | FILE_WRITE_ATTRIBUTES,
    SEARCHER = FILE_EXECUTE,
    OWNER = FILE_WRITE_ATTRIBUTES | WRITE_DAC,
};

static void handle_drop(hf_handle h)
{
    nt_status status = h ? hf_close(h) : STATUS_SUCCESS;
    (void)status;
}

// Needs no right, unlike hf_stat.
nt_status handle_node(hf_handle h, uint64_t *node)
{
    FILE_INTERNAL_INFORMATION info = {0};
    size_t done;
    nt_status status = hf_query(h, FileInternalInformation, &info, sizeof info, &done);
    *node = (uint64_t)info.IndexNumber;
    return status;
}

bool handle_name(hf_handle volume, hf_handle h, char separator, char *path, uint64_t *parent,
                 const char **name)
{
    struct hf_stat st;
    hf_handle directory;
    if (hf_path(h, path, CALL_PATH_SIZE) != STATUS_SUCCESS)
        return false;
    char *slash = strrchr(path, '/');
    char *colon = separator == '\\' ? strchr(slash ? slash : path, ':') : NULL;
    if (!slash || !slash[1])
        return false;
    *slash = 0;
    if (colon)
        *colon = 0;
    *name = slash + 1;
    nt_status status =
        hf_open(path[0] ? path + 1 : "", &(struct hf_open_options){.root = volume}, &directory);
    if (status != STATUS_SUCCESS)
        return false;
    status = hf_stat(directory, &st);
    handle_drop(directory);
    *parent = st.id;
    return status == STATUS_SUCCESS;
}

bool rights_all(const struct rights *r)
{
    return r->caller->uid == 0 || r->caller->uid == r->options->uid;
}

static nt_status attr_get(const struct rights *r, uint64_t node, struct hf_attr *attr)
{
    nt_status status = hf_node_get(r->volume, node, attr);
    if (status == STATUS_SUCCESS && attr->mode & HF_MODE_UNSET) {
        attr->uid = attr->gid = 0;
        attr->mode = (attr->mode & S_IFMT) | 0755;
        if (r->options->unset)
            r->options->unset(r->options->context, attr);
    }
    return status;
}

static bool has_acl(const struct rights *r, uint64_t node)
{
    size_t length;
    return hf_xattr_get(r->volume, node, "system.posix_acl_access", NULL, 0, &length) !=
           STATUS_NONEXISTENT_EA_ENTRY;
}

static bool in_group(const struct rights *r, uint32_t gid)
{
    const struct call_caller *caller = r->caller;
    return caller->gid == gid || (caller->in_group && caller->in_group(caller->context, gid));
}

static uint32_t bits_access(uint32_t bits)
{
    return EVERYBODY | (bits & 4 ? (uint32_t)READER : 0) | (bits & 2 ? (uint32_t)WRITER : 0) |
           (bits & 1 ? (uint32_t)SEARCHER : 0);
}

static uint32_t attr_access(const struct rights *r, const struct hf_attr *attr)
{
    if (r->caller->uid == attr->uid)
        return OWNER | bits_access(attr->mode >> 6 & 7);
    if (has_acl(r, attr->id))
        return EVERYBODY;
    return bits_access(in_group(r, attr->gid) ? attr->mode >> 3 & 7 : attr->mode & 7);
}

nt_status rights_of(const struct rights *r, uint64_t node, uint32_t *access)
{
    struct hf_attr attr;
    *access = 0;
    nt_status status = attr_get(r, node, &attr);
    if (status == STATUS_SUCCESS)
        *access = rights_all(r) ? (uint32_t)FILE_ALL_ACCESS : attr_access(r, &attr);
    return status;
}

// May the node's names in the directory change, as far as the directory says?
static nt_status names_may_change(const struct rights *r, uint64_t directory, uint64_t node,
                                  struct hf_attr *parent, struct hf_attr *child)
{
    uint32_t needed = FILE_ADD_FILE | FILE_TRAVERSE;
    nt_status status = attr_get(r, directory, parent);
    if (status == STATUS_SUCCESS)
        status = attr_get(r, node, child);
    if (status != STATUS_SUCCESS)
        return status;
    return (attr_access(r, parent) & needed) == needed ? STATUS_SUCCESS : STATUS_ACCESS_DENIED;
}

nt_status rights_remove(const struct rights *r, uint64_t directory, uint64_t node)
{
    struct hf_attr parent, child;
    uint32_t uid = r->caller->uid;
    if (rights_all(r))
        return STATUS_SUCCESS;
    nt_status status = names_may_change(r, directory, node, &parent, &child);
    if (status != STATUS_SUCCESS)
        return status;
    return parent.mode & S_ISVTX && uid != parent.uid && uid != child.uid ? STATUS_ACCESS_DENIED
                                                                          : STATUS_SUCCESS;
}

nt_status rights_link(const struct rights *r, uint64_t node)
{
    struct hf_attr attr;
    nt_status status = attr_get(r, node, &attr);
    if (status != STATUS_SUCCESS || rights_all(r) || r->caller->uid == attr.uid)
        return status;
    uint32_t needed = FILE_READ_DATA | FILE_WRITE_DATA;
    bool plain = S_ISREG(attr.mode & S_IFMT) && !(attr.mode & S_ISUID) &&
                 (attr.mode & (S_ISGID | S_IXGRP)) != (S_ISGID | S_IXGRP);
    return plain && (attr_access(r, &attr) & needed) == needed ? STATUS_SUCCESS : STATUS_ACCESS_DENIED;
}

nt_status rights_name(const struct rights *r, hf_handle h, char separator, uint64_t node)
{
    uint64_t parent;
    const char *name;
    struct hf_attr attr;
    if (rights_all(r))
        return STATUS_SUCCESS;
    char *path = malloc(CALL_PATH_SIZE);
    nt_status status = STATUS_ACCESS_DENIED;
    if (path && handle_name(r->volume, h, separator, path, &parent, &name) &&
        hf_node_find(r->volume, parent, name, &attr) == STATUS_SUCCESS && attr.id == node)
        status = rights_remove(r, parent, node);
    free(path);
    return status;
}

nt_status rights_new_name(const struct rights *r, uint64_t node, uint64_t directory, const char *name,
                          uint32_t *flags)
{
    struct hf_attr parent, child, victim;
    if (rights_all(r))
        return STATUS_SUCCESS;
    nt_status status = names_may_change(r, directory, node, &parent, &child);
    if (status != STATUS_SUCCESS)
        return status;
    // A directory that moves gets another "..".
    if (child.attributes & FILE_ATTRIBUTE_DIRECTORY && !(attr_access(r, &child) & FILE_ADD_FILE))
        return STATUS_ACCESS_DENIED;
    status = hf_node_find(r->volume, directory, name, &victim);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
        *flags &= ~(uint32_t)FILE_RENAME_REPLACE_IF_EXISTS; // what is made there meanwhile stays
        return STATUS_SUCCESS;
    }
    if (status == STATUS_SUCCESS && parent.mode & S_ISVTX && parent.uid != r->caller->uid &&
        victim.id != node)
        return STATUS_ACCESS_DENIED;
    return status == STATUS_SUCCESS ? rights_remove(r, directory, victim.id) : status;
}

// "/dir/file": the directory's number.
static nt_status parent_find(const struct rights *r, char *path, uint64_t node, uint64_t *parent)
{
    struct hf_attr attr = {.id = HF_NODE_ROOT};
    char *save = NULL;
    *parent = 0;
    for (char *name = strtok_r(path, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
        *parent = attr.id;
        nt_status status = hf_node_find(r->volume, *parent, name, &attr);
        if (status != STATUS_SUCCESS)
            return status;
    }
    return *parent && attr.id == node ? STATUS_SUCCESS : STATUS_ACCESS_DENIED;
}

// What shows as a device node on Linux.
static bool makes_device(const unsigned char *buffer, size_t length)
{
    uint32_t tag;
    if (length < sizeof tag)
        return false;
    memcpy(&tag, buffer, sizeof tag);
    if (tag == IO_REPARSE_TAG_NFS) // "CHR", "BLK": those that are not devices are links, fifos and sockets
        return length < 12 || memcmp(buffer + 8, "CHR", 3) == 0 || memcmp(buffer + 8, "BLK", 3) == 0;
    return tag == IO_REPARSE_TAG_LX_CHR || tag == IO_REPARSE_TAG_LX_BLK;
}

nt_status rights_retype(const struct rights *r, uint64_t node, const void *buffer, size_t length)
{
    struct hf_attr attr;
    uint64_t parent;
    if (rights_all(r))
        return STATUS_SUCCESS;
    nt_status status = attr_get(r, node, &attr);
    if (status != STATUS_SUCCESS)
        return status;
    if (attr.links > 1 || makes_device(buffer, length))
        return STATUS_ACCESS_DENIED;
    char *path = malloc(CALL_PATH_SIZE);
    if (!path)
        return STATUS_NO_MEMORY;
    status = hf_node_path(r->volume, node, path, CALL_PATH_SIZE);
    if (status == STATUS_SUCCESS)
        status = parent_find(r, path, node, &parent);
    free(path);
    return status == STATUS_SUCCESS ? rights_remove(r, parent, node) : STATUS_ACCESS_DENIED;
}

// --- the walk ------------------------------------------------------------------------------------

// One that is being opened: the directory that the walk has reached, and what is left of the path.
struct walk {
    const struct rights *r;
    hf_handle directory; // ours, unless it is the root that was given
    hf_handle root;
    uint64_t node;
    char *path, *at; // at: the component that comes next
    char separator;
    uint32_t umask;
    struct hf_stopped *stopped;
};

static nt_status need(const struct walk *w, uint32_t access)
{
    uint32_t have;
    nt_status status = rights_of(w->r, w->node, &have);
    if (status != STATUS_SUCCESS)
        return status;
    return (have & access) == access ? STATUS_SUCCESS : STATUS_ACCESS_DENIED;
}

// Offsets count from the path's beginning, the link was met in the component at w->at.
static void stopped_shift(struct walk *w)
{
    uint32_t start = (uint32_t)(w->at - w->path);
    w->stopped->consumed += start;
    w->stopped->parent = start > 0 ? start - 1 : 0;
}

static nt_status walk_open(struct walk *w, const char *name, const struct hf_open_options *options,
                           hf_handle *h)
{
    struct hf_open_options o = *options;
    o.root = w->directory;
    o.stopped = w->stopped;
    nt_status status = hf_open(name, &o, h);
    if (status == STATUS_STOPPED_ON_SYMLINK)
        stopped_shift(w);
    return status;
}

// Down to the directory of the last component, which is left at w->at.
static nt_status walk_down(struct walk *w)
{
    for (;;) {
        nt_status status = need(w, FILE_TRAVERSE);
        char *end = strchr(w->at, w->separator);
        if (status != STATUS_SUCCESS || !end)
            return status;
        *end = 0;
        hf_handle next = NULL;
        status = walk_open(w, w->at, &(struct hf_open_options){.options = FILE_DIRECTORY_FILE}, &next);
        *end = w->separator;
        if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_NOT_A_DIRECTORY)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        if (status == STATUS_SUCCESS)
            status = handle_node(next, &w->node);
        if (status != STATUS_SUCCESS) {
            handle_drop(next);
            return status;
        }
        if (w->directory != w->root)
            handle_drop(w->directory);
        w->directory = next;
        w->at = end + 1;
    }
}

static bool overwrites(const struct hf_open_options *o)
{
    return o->disposition == HF_SUPERSEDE || o->disposition == FILE_OVERWRITE ||
           o->disposition == FILE_OVERWRITE_IF;
}

// The file is there and held by probe: what is asked of it must be allowed, then it is opened once more.
static nt_status open_found(struct walk *w, hf_handle probe, const struct hf_open_options *options,
                            hf_handle *out)
{
    uint64_t node;
    uint32_t have, asked = options->access;
    nt_status status = handle_node(probe, &node);
    if (status == STATUS_SUCCESS)
        status = rights_of(w->r, node, &have);
    if (status != STATUS_SUCCESS)
        return status;
    if (overwrites(options))
        asked |= FILE_WRITE_DATA;
    bool all = rights_all(w->r);
    if (!all && (asked & DELETE || options->disposition == HF_SUPERSEDE))
        // Of the start of the walk the directory is unknown.
        status = probe == w->directory ? STATUS_ACCESS_DENIED : rights_remove(w->r, w->node, node);
    if (status != STATUS_SUCCESS)
        return status;
    if (!all && asked & ~have & ~DELETE)
        return STATUS_ACCESS_DENIED;
    struct hf_open_options o = *options;
    o.root = probe;
    o.stopped = NULL;
    if (!(have & FILE_WRITE_DATA)) // who may not write it may not keep others from it
        o.share = 0;
    return hf_open("", &o, out);
}

static bool creates(const struct hf_open_options *o)
{
    return o->disposition != FILE_OPEN && o->disposition != FILE_OVERWRITE;
}

// Attributes that a node cannot be born with here.
static bool is_unusual(const struct walk *w, const struct hf_open_options *options)
{
    return options->attributes & ~(uint32_t)(FILE_ATTRIBUTE_NORMAL | FILE_ATTRIBUTE_ARCHIVE) ||
           strlen(w->at) > HF_NODE_NAME_MAX;
}

// The name is not there: the node is made with owner and mode from its first moment, so that nobody opens it
// before it has them.
static nt_status create_new(struct walk *w, const struct hf_open_options *options, hf_handle *out)
{
    bool directory = options->options & FILE_DIRECTORY_FILE;
    struct hf_node_new what = {.mode = directory ? S_IFDIR | 0777 : S_IFREG | 0666,
                               .uid = w->r->caller->uid,
                               .gid = w->r->caller->gid};
    struct hf_attr attr;
    hf_handle probe;
    uint64_t node;
    struct hf_open_options o = *options;
    nt_status status = w->r->options->create ? w->r->options->create(w->r->options->context, w->node, w->at,
                                                                     w->umask, &what, &attr)
                                             : STATUS_NOT_SUPPORTED;
    if (!w->r->options->create) {
        what.mode &= ~w->umask;
        status = hf_node_create(w->r->volume, w->node, w->at, &what, &attr);
    }
    if (status != STATUS_SUCCESS)
        return status;
    status = walk_open(w, w->at, &(struct hf_open_options){.options = FILE_OPEN_REPARSE_POINT}, &probe);
    if (status != STATUS_SUCCESS)
        return status;
    status = handle_node(probe, &node);
    o.root = probe;
    o.disposition = FILE_OPEN;
    o.stopped = NULL;
    if (status == STATUS_SUCCESS)
        status = node == attr.id ? hf_open("", &o, out) : STATUS_SHARING_VIOLATION;
    handle_drop(probe);
    if (status == STATUS_SUCCESS && o.action)
        *o.action = FILE_CREATED;
    return status;
}

// A new stream of a file takes the right to write the file.
static nt_status create_stream(struct walk *w, char *colon, const struct hf_open_options *options,
                               hf_handle *out)
{
    hf_handle probe = NULL;
    uint64_t node = 0, found = 0;
    uint32_t have = 0;
    *colon = 0;
    nt_status status = walk_open(w, w->at, &(struct hf_open_options){0}, &probe);
    *colon = ':';
    if (status == STATUS_SUCCESS)
        status = handle_node(probe, &node);
    if (status == STATUS_SUCCESS)
        status = rights_of(w->r, node, &have);
    if (status == STATUS_SUCCESS && (!(have & FILE_WRITE_DATA) || options->access & ~have))
        status = STATUS_ACCESS_DENIED;
    if (status == STATUS_SUCCESS)
        status = walk_open(w, w->at, options, out);
    // The name may be another file's by now.
    if (status == STATUS_SUCCESS && (handle_node(*out, &found) != STATUS_SUCCESS || found != node)) {
        handle_drop(*out);
        *out = NULL;
        status = STATUS_ACCESS_DENIED;
    }
    handle_drop(probe);
    return status;
}

static nt_status open_last(struct walk *w, const struct hf_open_options *options, hf_handle *out)
{
    hf_handle probe = NULL;
    uint32_t kind =
        options->options & (FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT);
    nt_status status = walk_open(w, w->at, &(struct hf_open_options){.options = kind}, &probe);
    if (status == STATUS_SUCCESS) {
        status = open_found(w, probe, options, out);
        handle_drop(probe);
        return status;
    }
    if (status != STATUS_OBJECT_NAME_NOT_FOUND || !creates(options))
        return status;
    char *colon = w->separator == '\\' ? strchr(w->at, ':') : NULL;
    if (colon && !rights_all(w->r))
        return create_stream(w, colon, options, out);
    status = need(w, FILE_TRAVERSE | FILE_ADD_FILE);
    if (status != STATUS_SUCCESS)
        return status;
    if (!colon && !is_unusual(w, options))
        return create_new(w, options, out);
    struct hf_open_options o = *options;
    o.disposition = FILE_CREATE; // whoever was quicker keeps his file
    return walk_open(w, w->at, &o, out);
}

static nt_status walk_finish(struct walk *w, bool parent, const struct hf_open_options *options,
                             hf_handle *out)
{
    nt_status status = handle_node(w->root, &w->node);
    if (status == STATUS_SUCCESS && *w->path)
        status = walk_down(w);
    if (status != STATUS_SUCCESS)
        return status;
    if (*w->path && !parent)
        return open_last(w, options, out);
    if (parent && !*w->path)
        return STATUS_OBJECT_NAME_INVALID;
    return open_found(w, w->directory, options, out);
}

nt_status rights_open(const struct rights *r, hf_handle root, const char *path, char separator, bool parent,
                      uint32_t umask, const struct hf_open_options *options, hf_handle *out)
{
    struct walk w = {.r = r,
                     .directory = root,
                     .root = root,
                     .separator = separator,
                     .umask = umask & 0777,
                     .stopped = options->stopped};
    *out = NULL;
    w.path = w.at = strdup(path);
    if (!w.path)
        return STATUS_NO_MEMORY;
    nt_status status = walk_finish(&w, parent, options, out);
    if (w.directory != root)
        handle_drop(w.directory);
    free(w.path);
    return status;
}
