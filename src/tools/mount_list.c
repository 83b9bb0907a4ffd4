// SPDX-License-Identifier: Apache-2.0
// The mount's directories. Offsets are the volume's own cookies. The kernel keeps what it has read
// (FOPEN_CACHE_DIR) until it changes the directory itself, so that another listing asks for nothing. That
// makes a listing longer, and most directories are listed once, so it keeps them from the second listing on.
#include "tools/mount.h"

#include <errno.h>
#include <string.h>

// Was the directory opened before? Forgotten when another one with the same place in the table is.
static bool listed_before(struct mount *m, uint64_t node)
{
    return atomic_exchange(&m->listed[node % LISTED], node) == node;
}

void mount_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    hf_handle handle;
    nt_status status =
        hf_node_open(m->root, node_of(ino), FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES, &handle);
    if (status != STATUS_SUCCESS) {
        reply_status(req, status);
        return;
    }
    struct mount_file *file = mount_file_new(m, node_of(ino), handle);
    if (!file) {
        (void)hf_close(handle);
        fuse_reply_err(req, ENOMEM);
        return;
    }
    file->directory = true;
    fi->fh = (uint64_t)(uintptr_t)file;
    fi->keep_cache = 1;
    fi->cache_readdir = listed_before(m, file->node);
    if (fuse_reply_open(req, fi) == -ENOENT)
        mount_file_free(m, file);
}

static size_t entry_add(fuse_req_t req, const struct hf_node_entry *entry, bool plus, char *out, size_t room)
{
    struct mount *m = mount_of(req);
    if (!plus) {
        struct stat st = {.st_ino = entry->attr.id, .st_mode = entry->attr.mode & S_IFMT};
        return fuse_add_direntry(req, out, room, entry->name, &st, (off_t)entry->cookie);
    }
    struct fuse_entry_param e = mount_entry(m, &entry->attr);
    if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
        e.ino = 0; // only listed, not looked up
    return fuse_add_direntry_plus(req, out, room, entry->name, &e, (off_t)entry->cookie);
}

static size_t entries_add(fuse_req_t req, const unsigned char *entries, bool plus, char *out, size_t room)
{
    size_t used = 0;
    for (;;) {
        const struct hf_node_entry *entry = (const struct hf_node_entry *)(const void *)entries;
        size_t size = entry_add(req, entry, plus, out + used, room - used);
        if (size > room - used)
            return used;
        used += size;
        if (!entry->next)
            return used;
        entries += entry->next;
    }
}

// The kernel asks for attributes with the beginning of each directory, and goes on with them once it saw that
// somebody wants them. It makes a node of every entry that has them, which takes much longer than the rest of
// it. So a directory that is longer than one answer begins with a short one.
static size_t first_room(struct mount_file *file, char *buffer, size_t size)
{
    enum { FEW = 4096, ENTRY_MOST = sizeof(struct hf_node_entry) + HF_NODE_NAME_MAX };
    size_t done;
    if (size <= FEW) // kernels before 6.16 ask for no more
        return size;
    nt_status status = hf_node_list(file->handle, 0, 0, buffer, size, &done);
    return status == STATUS_SUCCESS && done + ENTRY_MOST > size ? FEW : size;
}

static void list(fuse_req_t req, size_t size, off_t offset, struct mount_file *file, bool plus)
{
    enum { HALF = 1 << 19 };
    char *buffer = thread_buffer(2 * HALF), *out = buffer + HALF;
    size_t done = 0;
    if (!buffer) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    size = size < HALF ? size : HALF;
    // The volume's entries are about as long as those with attributes, and longer than those without.
    size_t room = plus || size > HALF / 4 ? size : 4 * size;
    if (plus && offset == 0)
        room = first_room(file, buffer, size);
    nt_status status =
        hf_node_list(file->handle, (uint64_t)offset, plus ? HF_LIST_ATTR : 0, buffer, room, &done);
    if (status != STATUS_SUCCESS) {
        reply_status(req, status);
        return;
    }
    size_t used = done ? entries_add(req, (const unsigned char *)buffer, plus, out, size) : 0;
    fuse_reply_buf(req, out, used);
}

void mount_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)ino;
    list(req, size, offset, file_of(fi), false);
}

void mount_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)ino;
    list(req, size, offset, file_of(fi), true);
}
