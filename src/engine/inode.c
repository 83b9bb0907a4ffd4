// SPDX-License-Identifier: Apache-2.0
// Inodes. Values from the medium passed their page's checksum but are checked again for length and range: a
// checksum does not prove sense.
#include "engine/store.h"
#include "engine/txn.h"

static void decode_inode(u64 id, const struct raw_inode *raw, struct inode *inode)
{
    *inode = (struct inode){.id = id,
                            .attributes = from_le32(raw->attributes),
                            .links = from_le32(raw->links),
                            .created = from_le64(raw->created),
                            .accessed = from_le64(raw->accessed),
                            .written = from_le64(raw->written),
                            .changed = from_le64(raw->changed),
                            .reparse_tag = from_le32(raw->reparse_tag),
                            .mode = from_le32(raw->mode),
                            .uid = from_le32(raw->uid),
                            .gid = from_le32(raw->gid),
                            .device = from_le32(raw->device),
                            .size = from_le64(raw->data.size),
                            .allocated = from_le64(raw->data.allocated),
                            .algorithm = from_le16(raw->data.algorithm),
                            .enforcement_off = from_le16(raw->data.flags) & STREAM_ENFORCEMENT_OFF};
    memcpy(inode->nanos, raw->nanos, sizeof inode->nanos);
}

static bool inode_possible(u32 mode, const u8 nanos[INODE_TIMES])
{
    bool possible = mode <= 0xFFFF;
    for (int i = 0; i < INODE_TIMES; i++)
        possible &= nanos[i] < 100;
    return possible;
}

static nt_status encode_inode(struct store *s, const struct inode *inode, struct raw_inode *raw)
{
    static const u8 none[INODE_TIMES];
    if (!inode_possible(inode->mode, inode->nanos))
        return STATUS_INVALID_PARAMETER;
    if (inode->mode || inode->uid || inode->gid || inode->device ||
        memcmp(inode->nanos, none, sizeof none) != 0)
        store_uses(s, FEATURE_POSIX);
    *raw = (struct raw_inode){.attributes = to_le32(inode->attributes),
                              .links = to_le32(inode->links),
                              .created = to_le64(inode->created),
                              .accessed = to_le64(inode->accessed),
                              .written = to_le64(inode->written),
                              .changed = to_le64(inode->changed),
                              .reparse_tag = to_le32(inode->reparse_tag),
                              .mode = to_le32(inode->mode),
                              .uid = to_le32(inode->uid),
                              .gid = to_le32(inode->gid),
                              .device = to_le32(inode->device)};
    memcpy(raw->nanos, inode->nanos, sizeof raw->nanos);
    return STATUS_SUCCESS;
}

nt_status inode_get(struct store *s, u64 id, struct inode *inode)
{
    struct key key;
    struct record record;
    memset(inode, 0, sizeof *inode);
    key_begin(&key, id, KIND_INODE);
    nt_status status = tree_find(s, &key, TREE_EQUAL, &record);
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_FILE_INVALID : status);
    const struct raw_inode *raw = (const struct raw_inode *)record.value;
    if (record.len != sizeof *raw || !inode_possible(from_le32(raw->mode), raw->nanos))
        return STATUS_FILE_CORRUPT_ERROR;
    decode_inode(id, raw, inode);
    return STATUS_SUCCESS;
}

nt_status inode_create(struct txn *t, struct inode *inode)
{
    struct raw_inode raw;
    struct key key;
    TRY(encode_inode(t->store, inode, &raw));
    inode->id = store_new_object(t->store);
    raw.data.data = to_le64(inode->id);
    raw.data.algorithm = to_le16(inode->algorithm);
    raw.data.flags = to_le16(inode->enforcement_off ? STREAM_ENFORCEMENT_OFF : 0);
    key_begin(&key, inode->id, KIND_INODE);
    return tree_put(t, &key, &raw, sizeof raw);
}

nt_status inode_put(struct txn *t, const struct inode *inode)
{
    struct raw_inode raw;
    struct key key;
    TRY(encode_inode(t->store, inode, &raw));
    key_begin(&key, inode->id, KIND_INODE);
    return tree_patch(t, &key, 0, &raw, offsetof(struct raw_inode, data));
}
