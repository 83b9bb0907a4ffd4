// SPDX-License-Identifier: Apache-2.0
// Reparse points as Linux file types, and back (spec/reparse.md 6): symbolic links, fifos, sockets, devices.
// The data may come from anywhere: what does not make sense shows as a plain file or directory.
//
// A link that Linux made and Windows can follow is kept as SYMLINK, '/' written as '\'; any other as
// LX_SYMLINK, byte for byte. Absolute targets of Windows lead to this volume when they exist here.
#include "fs/node.h"

#include <stdio.h>

enum {
    HEADER = REPARSE_DATA_BUFFER_HEADER_SIZE,
    SYMLINK_FIXED = 20,     // with the header
    MOUNT_POINT_FIXED = 16, // with the header
    LX_SYMLINK_FIXED = 12,  // with the header
    NFS_FIXED = 16,         // with the header
    DEPTH_MOST = 4096,
    TARGET_SIZE = HF_NODE_TARGET_MAX + 1,
};
#define LX_SYMLINK_VERSION     2u
#define LX_SYMLINK_VERSION_OLD 0x02000000u // as older Linux clients wrote it
#define NFS_LNK                0x00000000014b4e4cull
#define NFS_CHR                0x0000000000524843ull
#define NFS_BLK                0x00000000004b4c42ull
#define NFS_FIFO               0x000000004f464946ull
#define NFS_SOCK               0x000000004b434f53ull

// What a buffer says, before names are looked up.
struct special {
    u32 type; // S_IF*; 0: nothing that we know
    u32 device;
    bool has_device;
    bool windows;    // a Windows path in UTF-16: '\' between its components
    bool relative;   // of those: SYMLINK_FLAG_RELATIVE
    bool wide;       // the text is UTF-16
    const u8 *text;  // in the buffer
    u32 text_length; // bytes
};

// --- reading -------------------------------------------------------------------------------------

// The substitute name of a symbolic link or mount point.
static void parse_windows(const u8 *b, u32 length, u32 fixed, struct special *s)
{
    if (length < fixed)
        return;
    u32 offset = get_le16(b + 8), bytes = get_le16(b + 10);
    if (bytes == 0 || bytes % 2 || offset + bytes > length - fixed)
        return;
    s->type = S_IFLNK;
    s->windows = s->wide = true;
    s->relative = fixed == SYMLINK_FIXED && get_le32(b + 16) & SYMLINK_FLAG_RELATIVE;
    s->text = b + fixed + offset;
    s->text_length = bytes;
}

static void parse_lx_symlink(const u8 *b, u32 length, struct special *s)
{
    if (length <= LX_SYMLINK_FIXED)
        return;
    u32 version = get_le32(b + HEADER);
    if (version != LX_SYMLINK_VERSION && version != LX_SYMLINK_VERSION_OLD)
        return;
    s->type = S_IFLNK;
    s->text = b + LX_SYMLINK_FIXED;
    s->text_length = length - LX_SYMLINK_FIXED;
}

static void parse_nfs(const u8 *b, u32 length, struct special *s)
{
    if (length < NFS_FIXED)
        return;
    u64 type = get_le64(b + HEADER);
    u32 rest = length - NFS_FIXED;
    if ((type == NFS_CHR || type == NFS_BLK) && rest == 8) {
        u32 major = get_le32(b + NFS_FIXED), minor = get_le32(b + NFS_FIXED + 4);
        s->type = type == NFS_CHR ? S_IFCHR : S_IFBLK;
        s->has_device = true;
        s->device = major << 20 | (minor & 0xfffff);
    } else if (type == NFS_FIFO && rest == 0) {
        s->type = S_IFIFO;
    } else if (type == NFS_SOCK && rest == 0) {
        s->type = S_IFSOCK;
    } else if (type == NFS_LNK && rest > 0 && rest % 2 == 0) {
        s->type = S_IFLNK;
        s->wide = true;
        s->text = b + NFS_FIXED;
        s->text_length = rest;
    }
}

static void parse(const u8 *b, u32 length, struct special *s)
{
    *s = (struct special){.type = 0};
    if (length < HEADER || get_le16(b + 4) != length - HEADER)
        return;
    switch (get_le32(b)) {
    case IO_REPARSE_TAG_SYMLINK:
        parse_windows(b, length, SYMLINK_FIXED, s);
        break;
    case IO_REPARSE_TAG_MOUNT_POINT:
        parse_windows(b, length, MOUNT_POINT_FIXED, s);
        break;
    case IO_REPARSE_TAG_LX_SYMLINK:
        parse_lx_symlink(b, length, s);
        break;
    case IO_REPARSE_TAG_NFS:
        parse_nfs(b, length, s);
        break;
    case IO_REPARSE_TAG_AF_UNIX:
        s->type = length == HEADER ? S_IFSOCK : 0;
        break;
    case IO_REPARSE_TAG_LX_FIFO:
        s->type = length == HEADER ? S_IFIFO : 0;
        break;
    case IO_REPARSE_TAG_LX_CHR:
        s->type = length == HEADER ? S_IFCHR : 0;
        break;
    case IO_REPARSE_TAG_LX_BLK:
        s->type = length == HEADER ? S_IFBLK : 0;
        break;
    }
}

// --- Windows targets as Linux paths --------------------------------------------------------------

// Does the path ('/' between its components) lead somewhere on this volume? What lies behind a link on the
// way is not looked at.
static nt_status exists(struct vcb *vcb, struct str path, bool *yes)
{
    u64 dir = OBJECT_ROOT;
    *yes = false;
    while (path.len) {
        const char *slash = memchr(path.p, '/', path.len);
        struct str component = {path.p, slash ? (u32)(slash - path.p) : path.len};
        u32 skip = component.len + (slash != NULL);
        path = (struct str){path.p + skip, path.len - skip};
        if (component.len == 0)
            continue;
        struct dirent entry;
        struct inode inode;
        nt_status status = dirent_find(vcb->store, dir, component, &entry);
        if (status == STATUS_SUCCESS)
            status = inode_get(vcb->store, entry.id, &inode);
        if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_NAME_INVALID ||
            status == STATUS_FILE_INVALID)
            return STATUS_SUCCESS;
        TRY(status);
        if (inode.reparse_tag)
            break;
        if (!entry.directory && path.len)
            return STATUS_SUCCESS;
        dir = entry.id;
    }
    *yes = true;
    return STATUS_SUCCESS;
}

// Directories between the object's own and the root, by first names.
static nt_status depth_of(struct vcb *vcb, u64 id, u32 *depth)
{
    *depth = 0;
    TRY(node_parent(vcb, id, &id));
    while (id != OBJECT_ROOT) {
        if (++*depth == DEPTH_MOST)
            return STATUS_FILE_CORRUPT_ERROR;
        TRY(node_parent(vcb, id, &id));
    }
    return STATUS_SUCCESS;
}

// "dir/file" from the root, seen from where the link is; nothing when that is too long.
static void put_from_root(u32 depth, struct str rest, char *out, u32 *length)
{
    while (rest.len && rest.p[0] == '/')
        rest = (struct str){rest.p + 1, rest.len - 1};
    if ((u64)depth * 3 + rest.len + 1 > HF_NODE_TARGET_MAX)
        return;
    u32 at = 0;
    for (u32 i = 0; i < depth; i++, at += 3)
        memcpy(out + at, "../", 3);
    memcpy(out + at, rest.p, rest.len);
    at += rest.len;
    if (at == 0)
        out[at++] = '.';
    *length = at;
}

static bool is_drive(struct str text)
{
    return text.len >= 2 && text.p[1] == ':' && (text.len == 2 || text.p[2] == '/') &&
           ((text.p[0] >= 'A' && text.p[0] <= 'Z') || (text.p[0] >= 'a' && text.p[0] <= 'z'));
}

// text: the target with '/' for '\'. *length 0: too long for Linux.
static nt_status translate(struct vcb *vcb, u64 id, const struct special *s, struct str text, char *out,
                           u32 *length)
{
    u32 depth;
    bool here = s->relative && text.p[0] == '/';
    struct str rest = text;
    if (!s->relative && text.len >= 4 && memcmp(text.p, "/\?\?/", 4) == 0) {
        text = (struct str){text.p + 4, text.len - 4};
        if (is_drive(text)) {
            rest = (struct str){text.p + 2, text.len - 2};
            TRY(exists(vcb, rest, &here));
        }
    }
    if (here) {
        nt_status status = depth_of(vcb, id, &depth);
        if (status == STATUS_SUCCESS) {
            *length = 0;
            put_from_root(depth, rest, out, length);
            return STATUS_SUCCESS;
        }
        if (status != STATUS_OBJECT_NAME_NOT_FOUND && status != STATUS_FILE_CORRUPT_ERROR)
            return status;
    }
    memcpy(out, text.p, text.len);
    *length = text.len;
    return STATUS_SUCCESS;
}

// The target as Linux sees it, without a NUL; *length 0: there is none that Linux could see.
static nt_status target_of(struct vcb *vcb, u64 id, const struct special *s, char *out, u32 *length)
{
    char text[TARGET_SIZE];
    size_t bytes = HF_NODE_TARGET_MAX;
    *length = 0;
    if (!s->wide) {
        if (s->text_length > HF_NODE_TARGET_MAX || memchr(s->text, 0, s->text_length))
            return STATUS_SUCCESS;
        memcpy(out, s->text, s->text_length);
        *length = s->text_length;
        return STATUS_SUCCESS;
    }
    if (text_from_utf16(s->text, s->text_length / 2, text, &bytes) != STATUS_SUCCESS ||
        memchr(text, 0, bytes))
        return STATUS_SUCCESS;
    if (!s->windows) {
        memcpy(out, text, bytes);
        *length = (u32)bytes;
        return STATUS_SUCCESS;
    }
    for (size_t i = 0; i < bytes; i++)
        text[i] = text[i] == '\\' ? '/' : text[i];
    return translate(vcb, id, s, (struct str){text, (u32)bytes}, out, length);
}

// --- the types -----------------------------------------------------------------------------------

// out: room for TARGET_SIZE bytes.
static nt_status read_special(struct vcb *vcb, const struct inode *inode, struct special *s, char *out,
                              u32 *length)
{
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    u32 bytes;
    *length = 0;
    *s = (struct special){.type = 0};
    if (inode->id == OBJECT_ROOT)
        return STATUS_SUCCESS;
    nt_status status = reparse_get(vcb->store, inode->id, buffer, sizeof buffer, &bytes);
    if (status == STATUS_NOT_A_REPARSE_POINT || status == STATUS_FILE_CORRUPT_ERROR)
        return STATUS_SUCCESS;
    TRY(status);
    parse(buffer, bytes, s);
    if (s->type == S_IFLNK) {
        TRY(target_of(vcb, inode->id, s, out, length));
        s->type = *length ? S_IFLNK : 0;
    }
    return STATUS_SUCCESS;
}

nt_status node_kind(struct vcb *vcb, const struct inode *inode, struct node_kind *kind)
{
    struct special s;
    char target[TARGET_SIZE];
    u32 length;
    TRY(read_special(vcb, inode, &s, target, &length));
    bool directory = inode->attributes & FILE_ATTRIBUTE_DIRECTORY;
    *kind = (struct node_kind){.type = s.type,
                               .length = length,
                               .device = s.device,
                               .has_device = s.has_device,
                               .unknown = s.type == 0};
    if (kind->unknown)
        kind->type = directory ? S_IFDIR : S_IFREG;
    return STATUS_SUCCESS;
}

nt_status node_readlink(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    struct inode inode;
    struct special s;
    char target[TARGET_SIZE];
    u32 length;
    TRY(node_inode(vcb, n->id, &inode));
    if (!inode.reparse_tag)
        return STATUS_NOT_A_REPARSE_POINT;
    TRY(read_special(vcb, &inode, &s, target, &length));
    if (s.type != S_IFLNK)
        return STATUS_NOT_A_REPARSE_POINT;
    if (n->length < (size_t)length + 1)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(n->out, target, length);
    ((char *)n->out)[length] = 0;
    irp->information = length;
    return STATUS_SUCCESS;
}

// --- making --------------------------------------------------------------------------------------

// Can Windows spell it, and does every byte come back?
static bool is_windows_path(struct str target)
{
    u32 start = 0;
    for (u32 i = 0; i <= target.len; i++) {
        if (i < target.len && target.p[i] != '/') {
            if ((u8)target.p[i] < 0x20 || strchr("\\\"*:<>?|", target.p[i]))
                return false;
            continue;
        }
        if (i == start) // absolute, a '/' too many, or one at the end
            return false;
        start = i + 1;
    }
    return true;
}

static bool make_symlink(struct str target, u8 *buffer, u32 *length)
{
    char text[TARGET_SIZE];
    size_t room = (MAXIMUM_REPARSE_DATA_BUFFER_SIZE - SYMLINK_FIXED) / 4, units = room;
    if (!is_windows_path(target))
        return false;
    for (u32 i = 0; i < target.len; i++)
        text[i] = target.p[i] == '/' ? '\\' : target.p[i];
    u8 *name = buffer + SYMLINK_FIXED;
    if (text_to_utf16((struct str){text, target.len}, name, &units) != STATUS_SUCCESS)
        return false;
    u32 bytes = (u32)units * 2;
    memcpy(name + bytes, name, bytes); // the name to print
    put_le32(buffer, IO_REPARSE_TAG_SYMLINK);
    put_le16(buffer + 8, 0);
    put_le16(buffer + 10, (u16)bytes);
    put_le16(buffer + 12, (u16)bytes);
    put_le16(buffer + 14, (u16)bytes);
    put_le32(buffer + 16, SYMLINK_FLAG_RELATIVE);
    *length = SYMLINK_FIXED + bytes * 2;
    return true;
}

static nt_status make_link(const char *target, u8 *buffer, u32 *length)
{
    size_t bytes = target ? strnlen(target, TARGET_SIZE) : 0;
    if (bytes == 0 || bytes > HF_NODE_TARGET_MAX)
        return STATUS_INVALID_PARAMETER;
    if (make_symlink((struct str){target, (u32)bytes}, buffer, length))
        return STATUS_SUCCESS;
    put_le32(buffer, IO_REPARSE_TAG_LX_SYMLINK);
    put_le32(buffer + HEADER, LX_SYMLINK_VERSION);
    memcpy(buffer + LX_SYMLINK_FIXED, target, bytes);
    *length = LX_SYMLINK_FIXED + (u32)bytes;
    return STATUS_SUCCESS;
}

nt_status node_reparse_make(u32 type, const char *target, u8 *buffer, u32 *length)
{
    static const struct {
        u32 type, tag;
    } specials[] = {{S_IFIFO, IO_REPARSE_TAG_LX_FIFO},
                    {S_IFSOCK, IO_REPARSE_TAG_AF_UNIX},
                    {S_IFCHR, IO_REPARSE_TAG_LX_CHR},
                    {S_IFBLK, IO_REPARSE_TAG_LX_BLK}};
    *length = 0;
    if (type == S_IFLNK)
        TRY(make_link(target, buffer, length));
    for (u32 i = 0; i < ARRAY_LEN(specials); i++) {
        if (specials[i].type != type)
            continue;
        put_le32(buffer, specials[i].tag);
        *length = HEADER;
    }
    if (*length == 0)
        return STATUS_INVALID_PARAMETER;
    put_le16(buffer + 4, (u16)(*length - HEADER));
    put_le16(buffer + 6, 0);
    return STATUS_SUCCESS;
}
