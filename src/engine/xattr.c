// SPDX-License-Identifier: Apache-2.0
// Extended attributes. A value lies in pieces of VALUE_MAX bytes that follow each other in the tree; the
// first begins with the length of the whole, so that a missing piece is seen and never a part given for the
// whole.
#include "engine/xattr.h"
#include "engine/store.h"
#include "engine/txn.h"

enum { HEAD = sizeof(struct raw_xattr) };

static nt_status xattr_key(struct key *key, u64 id, struct str name, u32 piece)
{
    u8 end[3] = {0, (u8)(piece >> 8), (u8)piece};
    if (name.len == 0 || name.len > XATTR_NAME_MAX || memchr(name.p, 0, name.len))
        return STATUS_INVALID_PARAMETER;
    key_begin(key, id, KIND_XATTR);
    key_add(key, name.p, name.len);
    key_add(key, end, sizeof end);
    return STATUS_SUCCESS;
}

bool xattr_parse(struct slice key, struct str *name, u32 *piece)
{
    if (key.len < 9 + 1 + 3 || key.len > 9 + XATTR_NAME_MAX + 3)
        return false;
    *name = (struct str){(const char *)key.p + 9, key.len - 9 - 3};
    *piece = (u32)key.p[key.len - 2] << 8 | key.p[key.len - 1];
    return memchr(name->p, 0, name->len + 1) == name->p + name->len;
}

// Bytes of piece n of a value, its head included; 0: there is no such piece.
static u32 piece_size(u32 length, u32 n)
{
    u32 all = HEAD + length, from = n * VALUE_MAX;
    return from < all ? MIN(all - from, (u32)VALUE_MAX) : 0;
}

u32 xattr_pieces(u32 length)
{
    return (HEAD + length + VALUE_MAX - 1) / VALUE_MAX;
}

// Looks at one piece in its page: piece 0 tells the length, any is copied behind the ones before if there is
// a buffer.
struct reading {
    u8 *buffer; // NULL: only the length
    u32 size, length, piece;
};

static nt_status read_piece(void *context, struct slice key, struct slice value)
{
    struct reading *r = context;
    u32 head = r->piece == 0 ? HEAD : 0;
    (void)key;
    if (value.len < head)
        return STATUS_FILE_CORRUPT_ERROR;
    if (r->piece == 0)
        r->length = get_le32(value.p);
    if (r->length > XATTR_VALUE_MAX || value.len != piece_size(r->length, r->piece))
        return STATUS_FILE_CORRUPT_ERROR;
    if (!r->buffer)
        return STATUS_SUCCESS;
    if (r->length > r->size)
        return STATUS_BUFFER_TOO_SMALL;
    if (value.len > head)
        memcpy(r->buffer + r->piece * VALUE_MAX - (HEAD - head), value.p + head, value.len - head);
    return STATUS_SUCCESS;
}

nt_status xattr_get(struct store *s, u64 id, struct str name, void *buffer, u32 size, u32 *length)
{
    struct reading r = {.buffer = size > 0 ? buffer : NULL, .size = size};
    struct key key;
    *length = 0;
    TRY(xattr_key(&key, id, name, 0));
    nt_status status = tree_look(s, &key, TREE_EQUAL, read_piece, &r);
    if (status == STATUS_BUFFER_TOO_SMALL)
        *length = r.length;
    TRY(status == STATUS_NO_SUCH_FILE ? STATUS_NONEXISTENT_EA_ENTRY : status);
    for (r.piece = 1; r.buffer && r.piece < xattr_pieces(r.length); r.piece++) {
        TRY(xattr_key(&key, id, name, r.piece));
        status = tree_look(s, &key, TREE_EQUAL, read_piece, &r);
        TRY(status == STATUS_NO_SUCH_FILE ? STATUS_FILE_CORRUPT_ERROR : status);
    }
    *length = r.length;
    return STATUS_SUCCESS;
}

static nt_status take_key(void *context, struct slice key, struct slice value)
{
    struct key *next = context;
    (void)value;
    if (key.len != next->len || memcmp(key.p, next->b, key.len - 2) != 0)
        return STATUS_NO_SUCH_FILE; // of another attribute
    memcpy(next->b, key.p, key.len);
    return STATUS_SUCCESS;
}

// Remove the pieces from the given one on, whatever the first one says of how many there are.
static nt_status remove_pieces(struct txn *t, u64 id, struct str name, u32 from, u32 *removed)
{
    struct key key;
    TRY(xattr_key(&key, id, name, from));
    for (*removed = 0;; *removed += 1) {
        nt_status status = tree_look(t->store, &key, TREE_AT_LEAST, take_key, &key);
        if (status == STATUS_NO_SUCH_FILE)
            return STATUS_SUCCESS;
        TRY(status);
        TRY(tree_delete(t, &key));
    }
}

nt_status xattr_set(struct txn *t, u64 id, struct str name, const void *value, u32 length)
{
    struct key key;
    u8 first[VALUE_MAX];
    u32 removed;
    if (length > XATTR_VALUE_MAX)
        return STATUS_EA_TOO_LARGE;
    u32 pieces = xattr_pieces(length);
    store_uses(t->store, FEATURE_POSIX);
    put_le32(first, length);
    if (length > 0)
        memcpy(first + HEAD, value, MIN(length, (u32)VALUE_MAX - HEAD));
    for (u32 piece = 0; piece < pieces; piece++) {
        const u8 *from = piece == 0 ? first : (const u8 *)value + piece * VALUE_MAX - HEAD;
        TRY(xattr_key(&key, id, name, piece));
        TRY(tree_put(t, &key, from, piece_size(length, piece)));
    }
    return remove_pieces(t, id, name, pieces, &removed);
}

nt_status xattr_remove(struct txn *t, u64 id, struct str name)
{
    u32 removed;
    TRY(remove_pieces(t, id, name, 0, &removed));
    return removed > 0 ? STATUS_SUCCESS : STATUS_NONEXISTENT_EA_ENTRY;
}

struct naming {
    u64 id;
    struct xattr_position *position;
    u32 *length;
};

static nt_status take_name(void *context, struct slice key, struct slice value)
{
    struct naming *n = context;
    struct reading r = {0};
    struct str name;
    if (!key_is_of(key, n->id, KIND_XATTR))
        return STATUS_NO_MORE_FILES;
    if (!xattr_parse(key, &name, &r.piece) || r.piece != 0)
        return STATUS_FILE_CORRUPT_ERROR;
    TRY(read_piece(&r, key, value));
    n->position->name_len = name.len;
    memcpy(n->position->name, name.p, name.len);
    *n->length = r.length;
    return STATUS_SUCCESS;
}

nt_status xattr_next(struct store *s, u64 id, struct xattr_position *position, u32 *length)
{
    struct naming n = {id, position, length};
    struct key key;
    *length = 0;
    if (position->name_len > 0)
        TRY(xattr_key(&key, id, (struct str){position->name, position->name_len}, UINT16_MAX));
    else
        key_begin(&key, id, KIND_XATTR);
    nt_status status = tree_look(s, &key, TREE_ABOVE, take_name, &n);
    return status == STATUS_NO_SUCH_FILE ? STATUS_NO_MORE_FILES : status;
}
