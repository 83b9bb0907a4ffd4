// SPDX-License-Identifier: Apache-2.0
// Who may do what through the door of a mount (mount_call.h). Root and the owner of the mount may do
// everything; others what owner, group and permission bits say, and where these do not decide alone (POSIX
// ACLs) nothing. Windows' rights are wider than Linux' three bits, so each bit gives what could be done with
// it on Linux too.
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
        *access = attr_access(r, &attr);
    return status;
}

nt_status rights_remove(const struct rights *r, uint64_t directory, uint64_t node)
{
    struct hf_attr parent, child;
    nt_status status = attr_get(r, directory, &parent);
    if (status == STATUS_SUCCESS)
        status = attr_get(r, node, &child);
    if (status != STATUS_SUCCESS)
        return status;
    uint32_t needed = FILE_ADD_FILE | FILE_TRAVERSE, uid = r->caller->uid;
    if ((attr_access(r, &parent) & needed) != needed)
        return STATUS_ACCESS_DENIED;
    return parent.mode & S_ISVTX && uid != parent.uid && uid != child.uid ? STATUS_ACCESS_DENIED
                                                                          : STATUS_SUCCESS;
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
    if (asked & DELETE ||
        options->disposition == HF_SUPERSEDE) // of the start of the walk, its directory is unknown
        status = probe == w->directory ? STATUS_ACCESS_DENIED : rights_remove(w->r, w->node, node);
    if (status != STATUS_SUCCESS)
        return status;
    if (asked & ~have & ~DELETE)
        return STATUS_ACCESS_DENIED;
    struct hf_open_options o = *options;
    o.root = probe;
    o.stopped = NULL;
    return hf_open("", &o, out);
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
    bool creates = options->disposition != FILE_OPEN && options->disposition != FILE_OVERWRITE;
    if (status != STATUS_OBJECT_NAME_NOT_FOUND || !creates)
        return status;
    // A stream of a file that exists needs the right to write the file; that is asked for by opening it
    // first.
    char *colon = w->separator == '\\' ? strchr(w->at, ':') : NULL;
    if (colon)
        return STATUS_ACCESS_DENIED;
    status = need(w, FILE_TRAVERSE | FILE_ADD_FILE);
    if (status != STATUS_SUCCESS)
        return status;
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
                      const struct hf_open_options *options, hf_handle *out)
{
    struct walk w = {
        .r = r, .directory = root, .root = root, .separator = separator, .stopped = options->stopped};
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
