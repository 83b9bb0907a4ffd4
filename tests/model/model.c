// SPDX-License-Identifier: Apache-2.0
// The model itself and its dice. Rules are written as the documents give them, not as the file system does
// them.
#include "tests/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const model_stream_names[STREAMS] = {"", "one", "Second stream"};
const char *const model_xattr_names[XATTRS] = {"user.a", "User.A", "security.\xFF\x01"};

const char *model_name(uint8_t name)
{
    // One is as long as a name can be.
    static char longest[2][256];
    static const char *const names[NAMES * 2] = {
        "alpha",      "ALPHA",      "Beta",           "bETA",
        "\u00e9cole", "\u00c9COLE", "gamma.txt",      "Gamma.TXT",
        longest[0],   longest[1],   "with space",     "With Space",
        "x",          "X",          "alphabet",       "AlphaBet",
        "be",         "BE",         "\u65e5\u672c a", "\u65e5\u672c A"};
    memset(longest[0], 'l', 255);
    memset(longest[1], 'L', 255);
    return names[name];
}

// --- finding -------------------------------------------------------------------------------------

static struct entry *find(const struct model *m, uint16_t parent, uint8_t name)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct entry *e = &m->entries[i];
        if (e->used && e->parent == parent && (m->case_sensitive ? e->name == name : e->name / 2 == name / 2))
            return (struct entry *)e;
    }
    return NULL;
}

static bool has_children(const struct model *m, uint16_t node)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (m->entries[i].used && m->entries[i].parent == node)
            return true;
    return false;
}

static nt_status walk(const struct model *m, const struct path *path, uint16_t *parent)
{
    *parent = ROOT;
    for (int i = 0; i + 1 < path->depth; i++) {
        const struct entry *e = find(m, *parent, path->names[i]);
        if (!e)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        if (m->nodes[e->node].tag)
            return STATUS_IO_REPARSE_TAG_NOT_HANDLED;
        if (!m->nodes[e->node].directory)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        *parent = e->node;
    }
    return STATUS_SUCCESS;
}

static uint8_t last_name(const struct path *path)
{
    return path->names[path->depth - 1];
}

nt_status model_find(const struct model *m, const struct path *path, struct entry **entry)
{
    uint16_t parent;
    nt_status status = walk(m, path, &parent);
    *entry = status == STATUS_SUCCESS ? find(m, parent, last_name(path)) : NULL;
    return status != STATUS_SUCCESS ? status : *entry ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
}

bool model_has_room(const struct model *m)
{
    size_t nodes = 0, entries = 0;
    for (size_t i = 0; i < NODES; i++)
        nodes += m->nodes[i].used;
    for (size_t i = 0; i < ENTRIES; i++)
        entries += m->entries[i].used;
    return nodes < NODES && entries < ENTRIES;
}

// --- streams -------------------------------------------------------------------------------------

void model_bytes(uint32_t seed, uint32_t length, uint8_t *out)
{
    uint32_t x = seed | 1;
    for (uint32_t i = 0; i < length; i++) {
        x = x * 1664525 + 1013904223;
        out[i] = (uint8_t)(x >> 24);
    }
}

static void set_size(struct stream_model *s, uint32_t size)
{
    if (size > s->size) {
        s->bytes = realloc(s->bytes, size);
        if (!s->bytes)
            abort();
        memset(s->bytes + s->size, 0, size - s->size);
    }
    s->size = size;
}

void model_write(struct stream_model *s, uint32_t offset, uint32_t length, uint32_t seed)
{
    if (length == 0)
        return;
    if (offset + length > s->size)
        set_size(s, offset + length);
    model_bytes(seed, length, s->bytes + offset);
}

static void drop_stream(struct stream_model *s)
{
    free(s->bytes);
    *s = (struct stream_model){0};
}

static void make_stream(const struct node *n, struct stream_model *s)
{
    *s = (struct stream_model){.exists = true, .summed = n->streams[0].summed};
}

// --- names ---------------------------------------------------------------------------------------

static void add_entry(struct model *m, uint16_t parent, uint8_t name, uint16_t node)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (!m->entries[i].used) {
            m->entries[i] = (struct entry){true, parent, node, name};
            m->nodes[node].links++;
            return;
        }
    abort(); // model_has_room was asked
}

static void drop_entry(struct model *m, struct entry *e)
{
    struct node *n = &m->nodes[e->node];
    e->used = false;
    if (--n->links > 0)
        return;
    for (int i = 0; i < STREAMS; i++)
        drop_stream(&n->streams[i]);
    *n = (struct node){0};
}

static uint16_t make_node(struct model *m, uint16_t parent, uint8_t name, bool directory)
{
    uint16_t node = 0;
    while (m->nodes[node].used)
        node++;
    m->nodes[node] = (struct node){.used = true, .directory = directory};
    m->nodes[node].streams[0] =
        (struct stream_model){.exists = true, .summed = m->nodes[parent].streams[0].summed};
    add_entry(m, parent, name, node);
    return node;
}

void model_init(struct model *m, bool case_sensitive, bool integrity)
{
    *m = (struct model){.case_sensitive = case_sensitive};
    m->nodes[ROOT] = (struct node){.used = true, .directory = true, .links = 1};
    m->nodes[ROOT].streams[0] = (struct stream_model){.exists = true, .summed = integrity};
}

void model_free(struct model *m)
{
    for (size_t i = 0; i < NODES; i++)
        for (int k = 0; k < STREAMS; k++)
            free(m->nodes[i].streams[k].bytes);
}

void model_copy(struct model *to, const struct model *from)
{
    *to = *from;
    for (size_t i = 0; i < NODES; i++)
        for (int k = 0; k < STREAMS; k++) {
            const struct stream_model *s = &from->nodes[i].streams[k];
            uint8_t *bytes = s->bytes ? malloc(s->size + 1) : NULL;
            if (s->bytes && !bytes)
                abort();
            if (bytes)
                memcpy(bytes, s->bytes, s->size);
            to->nodes[i].streams[k].bytes = bytes;
        }
}

// --- operations ----------------------------------------------------------------------------------

static bool overwrites(uint32_t d)
{
    return d == FILE_SUPERSEDE || d == FILE_OVERWRITE || d == FILE_OVERWRITE_IF;
}
static bool may_create(uint32_t d)
{
    return d == FILE_SUPERSEDE || d == FILE_CREATE || d == FILE_OPEN_IF || d == FILE_OVERWRITE_IF;
}

static void empty_file(struct node *n, const struct op *op)
{
    if (op->stream) {
        n->streams[op->stream].size = 0;
        return;
    }
    n->streams[0].size = 0;
    n->tag = 0;
    n->born = false; // whether a file that is replaced keeps its time of creation is not ours to say
    for (int i = 1; i < STREAMS; i++)
        drop_stream(&n->streams[i]);
}

static nt_status open_existing(struct node *n, const struct op *op)
{
    struct stream_model *s = &n->streams[op->stream];
    if (op->disposition == FILE_CREATE && !op->stream)
        return STATUS_OBJECT_NAME_COLLISION;
    if (op->directory && (!n->directory || op->stream))
        return STATUS_NOT_A_DIRECTORY;
    if (n->directory && !op->stream && op->plain)
        return STATUS_FILE_IS_A_DIRECTORY;
    if (n->directory && !op->stream && overwrites(op->disposition))
        return STATUS_OBJECT_NAME_COLLISION;
    if (!s->exists && !may_create(op->disposition))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (s->exists && op->disposition == FILE_CREATE)
        return STATUS_OBJECT_NAME_COLLISION;
    if (!s->exists)
        make_stream(n, s);
    else if (overwrites(op->disposition))
        empty_file(n, op);
    return STATUS_SUCCESS;
}

static nt_status do_open(struct model *m, const struct op *op)
{
    uint16_t parent;
    if (op->directory && overwrites(op->disposition))
        return STATUS_INVALID_PARAMETER;
    nt_status status = walk(m, &op->path, &parent);
    if (status != STATUS_SUCCESS)
        return status;
    struct entry *e = find(m, parent, last_name(&op->path));
    if (e)
        return open_existing(&m->nodes[e->node], op);
    if (!may_create(op->disposition))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (op->directory && op->stream)
        return STATUS_NOT_A_DIRECTORY;
    uint16_t node = make_node(m, parent, last_name(&op->path), op->directory);
    if (op->stream)
        make_stream(&m->nodes[node], &m->nodes[node].streams[op->stream]);
    return STATUS_SUCCESS;
}

static nt_status do_data(struct node *n, const struct op *op)
{
    struct stream_model *s = &n->streams[op->stream];
    if (n->directory && !op->stream)
        return STATUS_FILE_IS_A_DIRECTORY;
    if (!s->exists)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (op->kind == OP_READ)
        return op->offset >= s->size && op->length > 0 ? STATUS_END_OF_FILE : STATUS_SUCCESS;
    if (op->kind == OP_WRITE)
        model_write(s, op->offset, op->length, op->seed);
    else if (op->kind == OP_APPEND)
        model_write(s, s->size, op->length, op->seed);
    else if (op->kind == OP_SIZE)
        set_size(s, op->offset);
    else if (op->offset < s->size)
        memset(s->bytes + op->offset, 0,
               op->length < s->size - op->offset ? op->length : s->size - op->offset);
    return STATUS_SUCCESS;
}

static bool is_at_or_above(const struct model *m, uint16_t above, uint16_t node)
{
    while (node != above && node != ROOT)
        for (size_t i = 0; i < ENTRIES; i++)
            if (m->entries[i].used && m->entries[i].node == node) {
                node = m->entries[i].parent;
                break;
            }
    return node == above;
}

static nt_status do_name(struct model *m, const struct op *op, struct entry *e)
{
    bool link = op->kind == OP_LINK;
    uint16_t parent;
    uint8_t name = last_name(&op->to);
    const struct node *n = &m->nodes[e->node];
    nt_status status = walk(m, &op->to, &parent);
    if (status != STATUS_SUCCESS)
        return status;
    if (link && n->directory)
        return STATUS_FILE_IS_A_DIRECTORY;
    if (n->directory && is_at_or_above(m, e->node, parent))
        return STATUS_INVALID_PARAMETER;
    struct entry *there = find(m, parent, name);
    if (there == e && !link) {
        e->name = name;
        return STATUS_SUCCESS;
    }
    if (there && !op->replace)
        return STATUS_OBJECT_NAME_COLLISION;
    if (there && there->node == e->node) { // another name of the same file
        if (!link)
            drop_entry(m, e);
        return STATUS_SUCCESS;
    }
    if (there && (n->directory || m->nodes[there->node].directory))
        return STATUS_ACCESS_DENIED;
    uint16_t node = e->node;
    add_entry(m, parent, name, node);
    if (!link)
        drop_entry(m, e);
    if (there)
        drop_entry(m, there);
    return STATUS_SUCCESS;
}

static nt_status do_integrity(struct node *n, const struct op *op)
{
    bool keep = op->disposition == 0, summed = keep ? n->streams[0].summed : op->disposition != 1;
    bool off = op->replace;
    if (off && !summed)
        return STATUS_INVALID_PARAMETER;
    for (int i = 0; i < (n->directory ? 1 : STREAMS); i++) {
        const struct stream_model *s = &n->streams[i];
        if (s->exists && !keep && s->summed != summed && s->size > 0)
            return STATUS_INVALID_PARAMETER;
    }
    for (int i = 0; i < (n->directory ? 1 : STREAMS); i++) {
        struct stream_model *s = &n->streams[i];
        s->summed = keep ? s->summed : summed;
        s->off = off && s->summed;
    }
    return STATUS_SUCCESS;
}

static nt_status do_reparse(const struct model *m, struct node *n, uint16_t index, const struct op *op)
{
    uint32_t tag = op->replace ? IO_REPARSE_TAG_LX_FIFO : IO_REPARSE_TAG_AF_UNIX;
    if (op->kind == OP_REPARSE_DELETE && !n->tag)
        return STATUS_NOT_A_REPARSE_POINT;
    if (n->tag && n->tag != tag)
        return STATUS_IO_REPARSE_TAG_MISMATCH;
    if (op->kind == OP_REPARSE_DELETE) {
        n->tag = 0;
        return STATUS_SUCCESS;
    }
    if (n->directory && has_children(m, index))
        return STATUS_DIRECTORY_NOT_EMPTY;
    n->tag = tag;
    n->reparse_length = op->length % REPARSE_MOST;
    n->reparse_seed = op->seed;
    return STATUS_SUCCESS;
}

static nt_status do_posix(struct node *n, const struct op *op)
{
    struct xattr_model *x = &n->xattrs[op->xattr];
    if (op->kind == OP_XATTR_REMOVE && !x->exists)
        return STATUS_NONEXISTENT_EA_ENTRY;
    if (op->kind == OP_XATTR_SET && op->length > XATTR_MOST)
        return STATUS_EA_TOO_LARGE;
    if (op->kind == OP_OWNER) {
        n->owned = n->born = true;
        n->owner = n->created = op->seed;
    } else {
        *x = (struct xattr_model){op->kind == OP_XATTR_SET, op->length, op->seed};
    }
    return STATUS_SUCCESS;
}

static nt_status do_exchange(struct model *m, const struct op *op, struct entry *e)
{
    struct entry *other;
    nt_status status = model_find(m, &op->to, &other);
    if (status != STATUS_SUCCESS)
        return status;
    uint16_t a = e->node, b = other->node;
    if (a != b && ((m->nodes[a].directory && is_at_or_above(m, a, other->parent)) ||
                   (m->nodes[b].directory && is_at_or_above(m, b, e->parent))))
        return STATUS_INVALID_PARAMETER;
    e->node = b;
    other->node = a;
    return STATUS_SUCCESS;
}

static nt_status do_delete(struct model *m, const struct op *op, struct entry *e)
{
    struct node *n = &m->nodes[e->node];
    if (op->kind == OP_DELETE_STREAM) {
        if (!n->streams[op->stream].exists)
            return STATUS_OBJECT_NAME_NOT_FOUND;
        drop_stream(&n->streams[op->stream]);
        return STATUS_SUCCESS;
    }
    if (n->directory && has_children(m, e->node))
        return STATUS_DIRECTORY_NOT_EMPTY;
    drop_entry(m, e);
    return STATUS_SUCCESS;
}

nt_status model_create(struct model *m, const struct op *op)
{
    struct op create = *op;
    create.disposition = FILE_OPEN_IF;
    create.directory = false;
    create.plain = true;
    return do_open(m, &create);
}

static nt_status do_clone(struct model *m, const struct node *target, const struct op *op)
{
    struct entry *e;
    if (model_find(m, &op->to, &e) != STATUS_SUCCESS)
        return STATUS_INVALID_PARAMETER; // not drawn
    const struct stream_model *from = &m->nodes[e->node].streams[0], *to = &target->streams[0];
    if (from->summed != to->summed)
        return STATUS_INVALID_PARAMETER;
    for (uint32_t i = 0; i < op->length && op->offset + i < to->size; i++)
        to->bytes[op->offset + i] = op->seed + i < from->size ? from->bytes[op->seed + i] : 0;
    return STATUS_SUCCESS;
}

nt_status model_do(struct model *m, const struct op *op)
{
    struct entry *e;
    if (op->kind == OP_FLUSH || op->kind == OP_REOPEN)
        return STATUS_SUCCESS;
    if (op->kind == OP_OPEN || op->kind == OP_MKDIR)
        return do_open(m, op);
    nt_status status = op->creates ? model_create(m, op) : STATUS_SUCCESS;
    if (status == STATUS_SUCCESS)
        status = model_find(m, &op->path, &e);
    if (status != STATUS_SUCCESS)
        return status;
    struct node *n = &m->nodes[e->node];
    switch (op->kind) {
    case OP_RENAME:
    case OP_LINK:
        return do_name(m, op, e);
    case OP_DELETE:
    case OP_DELETE_STREAM:
        return do_delete(m, op, e);
    case OP_REPARSE_SET:
    case OP_REPARSE_DELETE:
        return do_reparse(m, n, e->node, op);
    case OP_INTEGRITY:
        return do_integrity(n, op);
    case OP_OWNER:
    case OP_XATTR_SET:
    case OP_XATTR_REMOVE:
        return do_posix(n, op);
    case OP_EXCHANGE:
        return do_exchange(m, op, e);
    case OP_CLONE:
        return do_clone(m, n, op);
    case OP_LIST:
        return n->directory ? STATUS_SUCCESS : STATUS_NOT_A_DIRECTORY;
    default:
        return do_data(n, op);
    }
}

// --- dice ----------------------------------------------------------------------------------------

static uint32_t roll(uint64_t *state, uint32_t below)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z >> 33) % below);
}

// Directories and files mostly have names of their own, so that most operations find what they need.
static uint8_t roll_name(uint64_t *state, bool directory)
{
    if (roll(state, 12) == 0)
        return (uint8_t)roll(state, NAMES * 2);
    uint32_t name = directory ? roll(state, DIRECTORIES) : DIRECTORIES + roll(state, NAMES - DIRECTORIES);
    return (uint8_t)(name * 2 + (roll(state, 4) == 0));
}

static struct path roll_path(uint64_t *state, bool directory)
{
    struct path p = {.depth = (uint8_t)(1 + roll(state, DEPTH_MAX))};
    for (int i = 0; i < DEPTH_MAX; i++)
        p.names[i] = roll_name(state, directory || i + 1 < p.depth);
    return p;
}

static uint32_t roll_length(uint64_t *state)
{
    static const uint32_t most[] = {10, 300, 5000, 20000, 70000, LENGTH_MOST};
    uint32_t n = roll(state, most[roll(state, 6)]);
    return roll(state, 4) == 0 ? n & ~4095u : n; // whole clusters now and then
}

struct op model_op(uint64_t seed, uint32_t number)
{
    static const uint8_t weights[OP_KINDS] = {12, 8, 30, 6, 6, 5, 8, 8, 5, 5, 2,
                                              2,  3, 3,  4, 5, 2, 3, 3, 3, 1, 1};
    uint64_t state = seed * 1000003 + number;
    uint32_t sum = 0, kind = 0;
    for (int i = 0; i < OP_KINDS; i++)
        sum += weights[i];
    uint32_t n = roll(&state, sum * 4);
    n = n / 4 < sum - 1 ? n / 4 : (n % 4 ? 2 : sum - 1); // reopening costs: a quarter of its weight
    while (n >= weights[kind])
        n -= weights[kind++];
    bool directory = kind == OP_MKDIR || kind == OP_LIST || roll(&state, 8) == 0;
    struct op op = {.kind = kind, .path = roll_path(&state, directory), .to = roll_path(&state, directory)};
    op.stream = (uint8_t)(roll(&state, 5) ? 0 : 1 + roll(&state, STREAMS - 1));
    op.disposition = (uint8_t)roll(&state, 6);
    op.plain = roll(&state, 2);
    op.replace = roll(&state, 2);
    op.posix = roll(&state, 2);
    op.creates = (kind == OP_WRITE || kind == OP_APPEND) && roll(&state, 2);
    op.length = roll_length(&state);
    op.offset = roll_length(&state) * (1 + roll(&state, 3));
    op.seed = roll(&state, UINT32_MAX);
    op.xattr = (uint8_t)roll(&state, XATTRS);
    if (kind == OP_OPEN && roll(&state, 8) == 0)
        op.directory = true;
    if (kind == OP_MKDIR) {
        op.directory = true;
        op.disposition = FILE_CREATE;
        op.stream = 0;
    }
    op.plain &= !op.directory;
    if (kind == OP_DELETE_STREAM && op.stream == 0)
        op.stream = 1;
    return op;
}

static void print_path(const struct path *p)
{
    for (int i = 0; i < p->depth; i++)
        printf("/%.12s", model_name(p->names[i]));
}

void model_print_op(const struct op *op, uint32_t number)
{
    static const char *const kinds[OP_KINDS] = {
        "open",           "mkdir",     "write", "append",    "size",          "zero",
        "read",           "rename",    "link",  "delete",    "delete stream", "set reparse",
        "delete reparse", "integrity", "owner", "set xattr", "remove xattr",  "exchange",
        "clone",          "list",      "flush", "reopen"};
    printf("# %6u %s ", number, kinds[op->kind]);
    print_path(&op->path);
    if (op->stream)
        printf(":%s", model_stream_names[op->stream]);
    if (op->kind == OP_RENAME || op->kind == OP_LINK || op->kind == OP_EXCHANGE || op->kind == OP_CLONE) {
        printf(" -> ");
        print_path(&op->to);
    }
    printf(" offset %u length %u disposition %u%s%s%s\n", op->offset, op->length, op->disposition,
           op->directory ? " directory" : "", op->plain ? " file" : "", op->replace ? " replace" : "");
}
