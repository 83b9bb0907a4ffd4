// SPDX-License-Identifier: Apache-2.0
// The functions of include/holdfast/posix.h: each clears its outputs, checks its arguments and sends one
// IRP_MJ_NODE to the volume of the handle it was given.
#include <holdfast/posix.h>

#include "handle/handle.h"

#include "base/text.h"

static struct str str_of(const char *text)
{
    // One byte more than any name may have is enough to see that it is too long.
    return (struct str){text ? text : "", text ? (u32)strnlen(text, TEXT_NAME_BYTES + 1) : 0};
}

static nt_status send(hf_handle h, enum irp_minor minor, struct irp_node *node, size_t *done)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    if (done)
        *done = 0;
    TRY(handle_get(h, &handle));
    struct irp irp = {.major = IRP_MJ_NODE, .minor = minor, .p.node = node};
    return request_send(handle, NULL, &irp, done);
}

// A request whose answer is the node's attributes.
static nt_status send_attr(hf_handle h, enum irp_minor minor, struct irp_node *node, struct hf_attr *attr)
{
    if (!attr)
        return STATUS_INVALID_PARAMETER;
    *attr = (struct hf_attr){.id = 0};
    node->attr = attr;
    return send(h, minor, node, NULL);
}

nt_status hf_node_find(hf_handle volume, uint64_t parent, const char *name, struct hf_attr *attr)
{
    struct irp_node node = {.id = parent, .name = str_of(name)};
    return send_attr(volume, IRP_MN_NODE_FIND, &node, attr);
}

nt_status hf_node_get(hf_handle volume, uint64_t id, struct hf_attr *attr)
{
    struct irp_node node = {.id = id};
    return send_attr(volume, IRP_MN_NODE_GET, &node, attr);
}

nt_status hf_node_set(hf_handle volume, uint64_t id, uint32_t mask, struct hf_attr *attr)
{
    if (!attr || mask >= HF_ATTR_KILL * 2)
        return STATUS_INVALID_PARAMETER;
    struct irp_node node = {.id = id, .flags = mask, .attr = attr};
    return send(volume, IRP_MN_NODE_SET, &node, NULL);
}

// What a file begins with must be a list that can be given back.
static nt_status check_xattrs(const struct hf_node_new *what)
{
    size_t all = 0;
    if (what->xattr_count && !what->xattrs)
        return STATUS_ACCESS_VIOLATION;
    for (size_t i = 0; i < what->xattr_count; i++) {
        const struct hf_xattr *x = &what->xattrs[i];
        u32 length = str_of(x->name).len;
        if (length == 0 || length > HF_XATTR_NAME_MAX)
            return STATUS_INVALID_PARAMETER;
        if (x->length && !x->value)
            return STATUS_ACCESS_VIOLATION;
        all += length + 1;
        if (x->length > HF_XATTR_SIZE_MAX || all > HF_XATTR_LIST_MAX)
            return STATUS_EA_TOO_LARGE;
    }
    return STATUS_SUCCESS;
}

nt_status hf_node_create(hf_handle volume, uint64_t parent, const char *name, const struct hf_node_new *what,
                         struct hf_attr *attr)
{
    struct irp_node node = {.id = parent, .name = str_of(name), .what = what};
    if (!what || !attr)
        return STATUS_INVALID_PARAMETER;
    *attr = (struct hf_attr){.id = 0};
    TRY(check_xattrs(what));
    return send_attr(volume, IRP_MN_NODE_CREATE, &node, attr);
}

nt_status hf_node_link(hf_handle volume, uint64_t id, uint64_t parent, const char *name, struct hf_attr *attr)
{
    struct irp_node node = {.id = id, .to = parent, .name = str_of(name)};
    return send_attr(volume, IRP_MN_NODE_LINK, &node, attr);
}

nt_status hf_node_unlink(hf_handle volume, uint64_t parent, const char *name, bool directory)
{
    struct irp_node node = {.id = parent, .name = str_of(name), .flags = directory};
    return send(volume, IRP_MN_NODE_UNLINK, &node, NULL);
}

nt_status hf_node_rename(hf_handle volume, uint64_t parent, const char *name, uint64_t new_parent,
                         const char *new_name, uint32_t flags)
{
    struct irp_node node = {
        .id = parent, .to = new_parent, .name = str_of(name), .to_name = str_of(new_name), .flags = flags};
    return send(volume, IRP_MN_NODE_RENAME, &node, NULL);
}

// A request whose answer is a text; empty on failure.
static nt_status send_text(hf_handle h, enum irp_minor minor, u64 id, char *out, size_t size, size_t *done)
{
    struct irp_node node = {.id = id, .out = out, .length = size};
    if (done)
        *done = 0;
    if (!out || size == 0)
        return STATUS_BUFFER_TOO_SMALL;
    nt_status status = send(h, minor, &node, done);
    if (status != STATUS_SUCCESS)
        out[0] = 0;
    return status;
}

nt_status hf_node_readlink(hf_handle volume, uint64_t id, char *out, size_t size, size_t *done)
{
    return send_text(volume, IRP_MN_NODE_READLINK, id, out, size, done);
}

nt_status hf_node_path(hf_handle volume, uint64_t id, char *out, size_t size)
{
    return send_text(volume, IRP_MN_NODE_PATH, id, out, size, NULL);
}

nt_status hf_node_open(hf_handle volume, uint64_t id, uint32_t access, hf_handle *out)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    if (!out)
        return STATUS_INVALID_PARAMETER;
    *out = NULL;
    TRY(handle_get(volume, &handle));
    if (id == 0 || handle->file.volume_open)
        return STATUS_INVALID_PARAMETER;
    return handle_open_node(handle, id, NULL, access, NULL, out);
}

nt_status hf_node_create_unnamed(hf_handle volume, uint64_t parent, const struct hf_node_new *what,
                                 uint32_t access, struct hf_attr *attr, hf_handle *out)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    if (!what || !attr || !out)
        return STATUS_INVALID_PARAMETER;
    *attr = (struct hf_attr){.id = 0};
    *out = NULL;
    TRY(check_xattrs(what));
    TRY(handle_get(volume, &handle));
    if (parent == 0 || handle->file.volume_open)
        return STATUS_INVALID_PARAMETER;
    return handle_open_node(handle, parent, what, access, attr, out);
}

nt_status hf_node_list(hf_handle directory, uint64_t cookie, uint32_t flags, void *out, size_t size,
                       size_t *done)
{
    struct irp_node node = {.cookie = cookie, .flags = flags, .out = out, .length = size};
    if (done)
        *done = 0;
    if (!done || flags & ~(u32)HF_LIST_ATTR)
        return STATUS_INVALID_PARAMETER;
    return out ? send(directory, IRP_MN_NODE_LIST, &node, done) : STATUS_BUFFER_TOO_SMALL;
}

// --- extended attributes -------------------------------------------------------------------------

nt_status hf_xattr_get(hf_handle volume, uint64_t id, const char *name, void *out, size_t size,
                       size_t *length)
{
    struct irp_node node = {.id = id, .name = str_of(name), .out = out, .length = size};
    if (size && !out)
        return STATUS_ACCESS_VIOLATION;
    return send(volume, IRP_MN_XATTR_GET, &node, length);
}

nt_status hf_xattr_set(hf_handle volume, uint64_t id, const char *name, const void *value, size_t length,
                       uint32_t flags)
{
    struct irp_node node = {.id = id, .name = str_of(name), .in = value, .length = length, .flags = flags};
    if (flags & ~(u32)(HF_XATTR_CREATE | HF_XATTR_REPLACE))
        return STATUS_INVALID_PARAMETER;
    if (length && !value)
        return STATUS_ACCESS_VIOLATION;
    return send(volume, IRP_MN_XATTR_SET, &node, NULL);
}

nt_status hf_xattr_remove(hf_handle volume, uint64_t id, const char *name)
{
    struct irp_node node = {.id = id, .name = str_of(name)};
    return send(volume, IRP_MN_XATTR_REMOVE, &node, NULL);
}

nt_status hf_xattr_list(hf_handle volume, uint64_t id, char *out, size_t size, size_t *length)
{
    struct irp_node node = {.id = id, .out = out, .length = size};
    if (size && !out)
        return STATUS_ACCESS_VIOLATION;
    return send(volume, IRP_MN_XATTR_LIST, &node, length);
}

// --- events --------------------------------------------------------------------------------------

nt_status hf_events(hf_handle volume, uint64_t after, struct hf_event *events, size_t *count)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    size_t room, done = 0;
    if (!count)
        return STATUS_INVALID_PARAMETER;
    room = *count;
    *count = 0;
    TRY(handle_get(volume, &handle));
    if (room > HF_EVENTS_KEPT)
        room = HF_EVENTS_KEPT;
    nt_status status = request_ioctl(handle, NULL, FSCTL_HF_EVENTS, &after, sizeof after, events,
                                     room * sizeof *events, &done);
    *count = done / sizeof *events;
    return status;
}

nt_status hf_listen(hf_handle volume, void (*fn)(void *context), void *context)
{
    struct irp_listener listener = {fn, context};
    struct irp_node node = {.in = &listener};
    return send(volume, IRP_MN_NODE_LISTEN, &node, NULL);
}
