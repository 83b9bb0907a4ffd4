// SPDX-License-Identifier: Apache-2.0
// POSIX operations by number for tests of the file-system floor, in the shape of include/holdfast/posix.h.
// The volume is named by a handle on its root.
#ifndef TESTS_FS_NODE_H
#define TESTS_FS_NODE_H

#include "tests/fs/volume.h"

#include <holdfast/posix.h>
#include <sys/stat.h>

static inline struct str node_text(const char *text)
{
    return (struct str){text ? text : "", text ? (u32)strlen(text) : 0};
}

static inline nt_status node_send(struct file_object *f, enum irp_minor minor, struct irp_node *n, u64 *done)
{
    struct irp irp = {.major = IRP_MJ_NODE, .minor = minor, .p.node = n};
    nt_status status = volume_send(f, &irp);
    if (done)
        *done = irp.information;
    return status;
}

static inline void node_root(struct volume *v, struct file_object *root)
{
    assert_ok(volume_open(v, root, "", FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_DIRECTORY_FILE));
}

static inline nt_status find(struct file_object *f, u64 parent, const char *name, struct hf_attr *attr)
{
    struct irp_node n = {.id = parent, .name = node_text(name), .attr = attr};
    return node_send(f, IRP_MN_NODE_FIND, &n, NULL);
}

static inline nt_status get(struct file_object *f, u64 id, struct hf_attr *attr)
{
    struct irp_node n = {.id = id, .attr = attr};
    return node_send(f, IRP_MN_NODE_GET, &n, NULL);
}

static inline nt_status set(struct file_object *f, u64 id, u32 mask, struct hf_attr *attr)
{
    struct irp_node n = {.id = id, .flags = mask, .attr = attr};
    return node_send(f, IRP_MN_NODE_SET, &n, NULL);
}

static inline nt_status create(struct file_object *f, u64 parent, const char *name,
                               const struct hf_node_new *what, struct hf_attr *attr)
{
    struct irp_node n = {.id = parent, .name = node_text(name), .what = what, .attr = attr};
    return node_send(f, IRP_MN_NODE_CREATE, &n, NULL);
}

static inline nt_status hard_link(struct file_object *f, u64 id, u64 parent, const char *name)
{
    struct hf_attr attr;
    struct irp_node n = {.id = id, .to = parent, .name = node_text(name), .attr = &attr};
    return node_send(f, IRP_MN_NODE_LINK, &n, NULL);
}

static inline nt_status remove_node(struct file_object *f, u64 parent, const char *name, bool directory)
{
    struct irp_node n = {.id = parent, .name = node_text(name), .flags = directory};
    return node_send(f, IRP_MN_NODE_UNLINK, &n, NULL);
}

static inline nt_status rename_node(struct file_object *f, u64 parent, const char *name, u64 to,
                                    const char *to_name, u32 flags)
{
    struct irp_node n = {
        .id = parent, .to = to, .name = node_text(name), .to_name = node_text(to_name), .flags = flags};
    return node_send(f, IRP_MN_NODE_RENAME, &n, NULL);
}

// The target; "" when there is none.
static inline nt_status read_link(struct file_object *f, u64 id, char *out, size_t size)
{
    struct irp_node n = {.id = id, .out = out, .length = size};
    u64 done;
    nt_status status = node_send(f, IRP_MN_NODE_READLINK, &n, &done);
    if (status != STATUS_SUCCESS)
        out[0] = 0;
    return status;
}

// what not NULL: a new file without a name, made so in directory id.
static inline nt_status open_or_make_node(struct file_object *root, struct file_object *f, u64 id,
                                          const struct hf_node_new *what, u32 access, struct hf_attr *attr)
{
    *f = (struct file_object){.device = root->device, .access = access, .share = VOLUME_SHARE_ALL};
    struct irp irp = {.major = IRP_MJ_CREATE,
                      .p.create = {.node = id,
                                   .what = what,
                                   .attr = attr,
                                   .opens_root = true,
                                   .access = access,
                                   .share = VOLUME_SHARE_ALL,
                                   .disposition = what ? FILE_CREATE : FILE_OPEN,
                                   .options = FILE_OPEN_REPARSE_POINT}};
    nt_status status = volume_send(f, &irp);
    if (status == STATUS_SUCCESS)
        dev_reference(f->device);
    else
        f->device = NULL;
    return status;
}

static inline nt_status open_node(struct file_object *root, struct file_object *f, u64 id, u32 access)
{
    return open_or_make_node(root, f, id, NULL, access, NULL);
}

static inline nt_status open_unnamed(struct file_object *root, struct file_object *f, u64 directory,
                                     const struct hf_node_new *what, struct hf_attr *attr)
{
    return open_or_make_node(root, f, directory, what, FILE_READ_DATA | FILE_WRITE_DATA, attr);
}

static inline nt_status list(struct file_object *f, u64 cookie, u32 flags, void *out, size_t size, u64 *done)
{
    struct irp_node n = {.cookie = cookie, .flags = flags, .out = out, .length = size};
    return node_send(f, IRP_MN_NODE_LIST, &n, done);
}

// --- behind the doors' backs, as a hostile image would have it -----------------------------------

static inline struct store *store_of(const struct file_object *f)
{
    return ((const struct vcb *)f->device->extension)->store;
}

static inline struct inode stored_inode(const struct file_object *f, u64 id)
{
    struct inode inode;
    assert_ok(inode_get(store_of(f), id, &inode));
    return inode;
}

static inline void store_inode(const struct file_object *f, const struct inode *inode)
{
    struct txn *t;
    assert_ok(txn_begin(store_of(f), TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, inode)));
}

static inline void store_name(const struct file_object *f, u64 directory, const char *name, u64 id)
{
    struct txn *t;
    assert_ok(txn_begin(store_of(f), TXN_NORMAL, &t));
    assert_ok(txn_end(t, dirent_add(t, directory, node_text(name), id, false)));
}

static inline bool is_stored(const struct file_object *f, u64 id)
{
    struct inode inode;
    nt_status status = inode_get(store_of(f), id, &inode);
    if (status != STATUS_FILE_INVALID)
        assert_ok(status);
    return status == STATUS_SUCCESS;
}

// --- what is there must be there -----------------------------------------------------------------

static inline u64 make_node(struct file_object *f, u64 parent, const char *name, u32 mode)
{
    struct hf_node_new what = {.mode = mode};
    struct hf_attr attr;
    assert_ok(create(f, parent, name, &what, &attr));
    return attr.id;
}

static inline u64 make_symlink(struct file_object *f, u64 parent, const char *name, const char *target)
{
    struct hf_node_new what = {.mode = S_IFLNK | 0777, .target = target};
    struct hf_attr attr;
    assert_ok(create(f, parent, name, &what, &attr));
    return attr.id;
}

static inline u64 id_of(struct file_object *f, u64 parent, const char *name)
{
    struct hf_attr attr;
    assert_ok(find(f, parent, name, &attr));
    return attr.id;
}

static inline struct hf_attr attr_of(struct file_object *f, u64 id)
{
    struct hf_attr attr;
    assert_ok(get(f, id, &attr));
    return attr;
}

// The volume of a test program, which tells case apart, and a handle on its root.
static struct volume v;
static struct file_object root;
enum { ROOT = HF_NODE_ROOT };

static inline int node_setup(void **state)
{
    (void)state;
    struct store_format_options options = {.cluster = 4096, .options = OPTION_CASE_SENSITIVE};
    volume_new(&v, &options);
    node_root(&v, &root);
    return 0;
}

static inline int node_teardown(void **state)
{
    (void)state;
    assert_ok(volume_close(&root));
    volume_free(&v);
    return 0;
}

#endif
