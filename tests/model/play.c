// SPDX-License-Identifier: Apache-2.0
// Each operation opens what it needs and closes it again, so the volume has no state but what is in it. A
// full volume may refuse to grow; then the model does not take the step either.
#include "tests/model/play.h"

#include <holdfast/posix.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 2048 };

__attribute__((format(printf, 2, 3))) static bool complain(struct play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->text, sizeof p->text, format, args);
    va_end(args);
    return false;
}

static bool expect(struct play *p, const char *what, nt_status got, nt_status expected)
{
    if (got == expected)
        return true;
    return complain(p, "%s gave %s, expected %s (%s)", what, hf_status_name(got), hf_status_name(expected),
                    hf_error_text());
}

static void path_text(const struct path *path, uint8_t stream, bool posix, char out[PATH_ROOM])
{
    int n = snprintf(out, PATH_ROOM, "X:");
    posix = posix && !stream; // only the Windows spelling has streams
    for (int i = 0; i < path->depth; i++)
        n += snprintf(out + n, PATH_ROOM - (size_t)n, "%c%s", posix ? '/' : '\\', model_name(path->names[i]));
    if (stream)
        snprintf(out + n, PATH_ROOM - (size_t)n, ":%s", model_stream_names[stream]);
}

static nt_status open_op(const struct op *op, uint32_t access, uint32_t options, hf_handle *h)
{
    char name[PATH_ROOM];
    path_text(&op->path, op->stream, op->posix, name);
    return hf_open(name,
                   &(struct hf_open_options){.access = access,
                                             .disposition = op->creates ? FILE_OPEN_IF : FILE_OPEN,
                                             .options = options | FILE_OPEN_REPARSE_POINT},
                   h);
}

// --- the operations ------------------------------------------------------------------------------

static nt_status do_open(const struct op *op)
{
    char name[PATH_ROOM];
    hf_handle h;
    path_text(&op->path, op->stream, op->posix, name);
    struct hf_open_options options = {
        .access = GENERIC_READ | GENERIC_WRITE | DELETE,
        .disposition = op->disposition == FILE_SUPERSEDE ? HF_SUPERSEDE : op->disposition,
        .options = FILE_OPEN_REPARSE_POINT | (op->directory ? FILE_DIRECTORY_FILE : 0) |
                   (op->plain ? FILE_NON_DIRECTORY_FILE : 0)};
    nt_status status = hf_open(name, &options, &h);
    return status == STATUS_SUCCESS ? hf_close(h) : status;
}

static nt_status do_write(const struct op *op, hf_handle h)
{
    static uint8_t data[LENGTH_MOST];
    size_t done;
    model_bytes(op->seed, op->length, data);
    return hf_write(h, op->kind == OP_APPEND ? HF_APPEND : op->offset, data, op->length, &done);
}

static nt_status do_integrity(const struct op *op, hf_handle h)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER in = {
        .ChecksumAlgorithm = op->disposition == 0   ? CHECKSUM_TYPE_UNCHANGED
                             : op->disposition == 1 ? CHECKSUM_TYPE_NONE
                                                    : CHECKSUM_TYPE_CRC64,
        .Flags = op->replace ? FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF : 0};
    size_t done;
    return hf_ioctl(h, FSCTL_SET_INTEGRITY_INFORMATION, &in, sizeof in, NULL, 0, &done);
}

static size_t reparse_buffer(uint32_t tag, uint32_t length, uint32_t seed, uint8_t *out)
{
    REPARSE_DATA_BUFFER head = {.ReparseTag = tag, .ReparseDataLength = (uint16_t)length};
    memcpy(out, &head, REPARSE_DATA_BUFFER_HEADER_SIZE);
    model_bytes(seed, length, out + REPARSE_DATA_BUFFER_HEADER_SIZE);
    return REPARSE_DATA_BUFFER_HEADER_SIZE + length;
}

static nt_status do_reparse(const struct op *op, hf_handle h)
{
    uint8_t buffer[REPARSE_MOST + REPARSE_DATA_BUFFER_HEADER_SIZE];
    bool set = op->kind == OP_REPARSE_SET;
    size_t done, length = reparse_buffer(op->replace ? IO_REPARSE_TAG_LX_FIFO : IO_REPARSE_TAG_AF_UNIX,
                                         set ? op->length % REPARSE_MOST : 0, op->seed, buffer);
    return hf_ioctl(h, set ? FSCTL_SET_REPARSE_POINT : FSCTL_DELETE_REPARSE_POINT, buffer, length, NULL, 0,
                    &done);
}

static struct hf_time created_of(uint32_t seed)
{
    return (struct hf_time){.seconds = seed % 1000000000, .nanoseconds = seed % 999999937};
}

static nt_status do_posix(const struct op *op, hf_handle h)
{
    static uint8_t value[XATTR_MOST + 1];
    const char *name = model_xattr_names[op->xattr];
    struct hf_stat st;
    struct hf_attr attr = {
        .mode = op->seed & 07777, .uid = op->seed / 3, .gid = op->seed / 7, .created = created_of(op->seed)};
    nt_status status = hf_stat(h, &st);
    if (status != STATUS_SUCCESS)
        return status;
    if (op->kind == OP_XATTR_REMOVE)
        return hf_xattr_remove(h, st.id, name);
    if (op->kind == OP_OWNER)
        return hf_node_set(h, st.id, HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_GID | HF_ATTR_CREATED, &attr);
    uint32_t length = op->length > XATTR_MOST ? XATTR_MOST + 1 : op->length;
    model_bytes(op->seed, length, value);
    return hf_xattr_set(h, st.id, name, value, length, 0);
}

// The number of the directory that holds a path.
static nt_status parent_of(const struct path *path, bool posix, uint64_t *id)
{
    char name[PATH_ROOM];
    struct path parent = *path;
    struct hf_stat st = {0};
    hf_handle h;
    parent.depth--;
    if (parent.depth == 0)
        snprintf(name, sizeof name, "X:\\");
    else
        path_text(&parent, 0, posix, name);
    nt_status status = hf_open(name, &(struct hf_open_options){.access = FILE_READ_ATTRIBUTES}, &h);
    if (status != STATUS_SUCCESS)
        return status;
    status = hf_stat(h, &st);
    *id = st.id;
    nt_status closed = hf_close(h);
    return status != STATUS_SUCCESS ? status : closed;
}

static nt_status do_exchange(const struct op *op, hf_handle h)
{
    uint64_t parent, other;
    nt_status status = parent_of(&op->path, op->posix, &parent);
    if (status == STATUS_SUCCESS)
        status = parent_of(&op->to, op->posix, &other);
    if (status != STATUS_SUCCESS)
        return status;
    return hf_node_rename(h, parent, model_name(op->path.names[op->path.depth - 1]), other,
                          model_name(op->to.names[op->to.depth - 1]), HF_RENAME_EXCHANGE);
}

static nt_status do_clone(const struct op *op, hf_handle h)
{
    struct op at = {.path = op->to, .posix = op->posix};
    hf_handle source;
    size_t done;
    nt_status status = open_op(&at, GENERIC_READ, 0, &source);
    if (status != STATUS_SUCCESS)
        return status;
    DUPLICATE_EXTENTS_DATA in = {.FileHandle = source,
                                 .SourceFileOffset = op->seed,
                                 .TargetFileOffset = op->offset,
                                 .ByteCount = op->length};
    status = hf_ioctl(h, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &in, sizeof in, NULL, 0, &done);
    nt_status closed = hf_close(source);
    return status == STATUS_SUCCESS ? closed : status;
}

static nt_status do_zero(const struct op *op, hf_handle h)
{
    int64_t range[2] = {op->offset, (int64_t)op->offset + op->length};
    size_t done;
    return hf_ioctl(h, FSCTL_SET_ZERO_DATA, range, sizeof range, NULL, 0, &done);
}

static nt_status do_read(const struct op *op, hf_handle h)
{
    static uint8_t data[LENGTH_MOST];
    size_t done;
    return hf_read(h, op->offset, data, op->length, &done);
}

static nt_status on_handle(const struct op *op, hf_handle h)
{
    char to[PATH_ROOM];
    path_text(&op->to, 0, op->posix, to);
    switch (op->kind) {
    case OP_WRITE:
    case OP_APPEND:
        return do_write(op, h);
    case OP_SIZE:
        return hf_set(h, FileEndOfFileInformation, &(FILE_END_OF_FILE_INFORMATION){op->offset}, 8);
    case OP_ZERO:
        return do_zero(op, h);
    case OP_READ:
        return do_read(op, h);
    case OP_RENAME:
        return hf_rename(h, NULL, to, op->replace);
    case OP_LINK:
        return hf_link(h, NULL, to, op->replace);
    case OP_DELETE:
    case OP_DELETE_STREAM:
        return hf_delete(h);
    case OP_INTEGRITY:
        return do_integrity(op, h);
    case OP_OWNER:
    case OP_XATTR_SET:
    case OP_XATTR_REMOVE:
        return do_posix(op, h);
    case OP_EXCHANGE:
        return do_exchange(op, h);
    case OP_CLONE:
        return do_clone(op, h);
    case OP_REPARSE_SET:
    case OP_REPARSE_DELETE:
        return do_reparse(op, h);
    case OP_FLUSH:
        return hf_flush(h);
    default:
        return STATUS_SUCCESS;
    }
}

nt_status play_do(const struct play *p, const struct op *op, bool *opened)
{
    hf_handle h;
    *opened = false;
    if (op->kind == OP_OPEN || op->kind == OP_MKDIR)
        return do_open(op);
    if (op->kind == OP_REOPEN) {
        nt_status status = hf_detach("X:");
        return status == STATUS_SUCCESS ? hf_attach("X:", p->spec) : status;
    }
    bool data = op->kind >= OP_WRITE && op->kind <= OP_READ;
    uint32_t options = op->kind == OP_LIST ? FILE_DIRECTORY_FILE : data ? FILE_NON_DIRECTORY_FILE : 0;
    nt_status status =
        op->kind == OP_FLUSH
            ? hf_open("X:\\", &(struct hf_open_options){.access = GENERIC_READ | GENERIC_WRITE}, &h)
            : open_op(op, GENERIC_READ | GENERIC_WRITE | DELETE, options, &h);
    if (status != STATUS_SUCCESS)
        return status;
    *opened = true;
    status = on_handle(op, h);
    nt_status closed = hf_close(h);
    return status == STATUS_SUCCESS ? closed : status;
}

// --- comparing -----------------------------------------------------------------------------------

static bool compare_bytes(struct play *p, hf_handle h, const struct stream_model *s)
{
    size_t done = 0;
    uint8_t *data = malloc((size_t)s->size + 1);
    if (!data)
        abort();
    nt_status status = hf_read(h, 0, data, (size_t)s->size + 1, &done);
    bool same = expect(p, "reading", status, s->size ? STATUS_SUCCESS : STATUS_END_OF_FILE) &&
                (done == s->size || complain(p, "%zu bytes could be read, expected %u", done, s->size));
    for (uint32_t i = 0; same && i < s->size; i++)
        if (data[i] != s->bytes[i])
            same = complain(p, "byte %u is %02x, expected %02x", i, data[i], s->bytes[i]);
    free(data);
    return same;
}

static bool compare_integrity(struct play *p, hf_handle h, const struct stream_model *s)
{
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER info;
    size_t done;
    nt_status status = hf_ioctl(h, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &info, sizeof info, &done);
    if (!expect(p, "integrity", status, STATUS_SUCCESS))
        return false;
    if ((info.ChecksumAlgorithm != CHECKSUM_TYPE_NONE) != s->summed || (info.Flags != 0) != s->off)
        return complain(p, "integrity is %u, flags %u, expected %d, %d", info.ChecksumAlgorithm, info.Flags,
                        s->summed, s->off);
    return true;
}

static bool compare_reparse(struct play *p, hf_handle h, const struct node *n)
{
    uint8_t is[REPARSE_MOST + 8], should[REPARSE_MOST + 8];
    size_t done;
    nt_status status = hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, is, sizeof is, &done);
    if (!expect(p, "reparse data", status, n->tag ? STATUS_SUCCESS : STATUS_NOT_A_REPARSE_POINT))
        return false;
    if (!n->tag)
        return true;
    size_t length = reparse_buffer(n->tag, n->reparse_length, n->reparse_seed, should);
    return (done == length && memcmp(is, should, length) == 0) || complain(p, "the reparse data differ");
}

static bool compare_xattrs(struct play *p, hf_handle h, uint64_t id, const struct node *n)
{
    static uint8_t is[XATTR_MOST], should[XATTR_MOST];
    char names[100];
    size_t length, all = 0;
    for (int i = 0; i < XATTRS; i++) {
        const struct xattr_model *x = &n->xattrs[i];
        nt_status status = hf_xattr_get(h, id, model_xattr_names[i], is, sizeof is, &length);
        if (!expect(p, "an xattr", status, x->exists ? STATUS_SUCCESS : STATUS_NONEXISTENT_EA_ENTRY))
            return false;
        if (!x->exists)
            continue;
        model_bytes(x->seed, x->length, should);
        if (length != x->length || memcmp(is, should, length) != 0)
            return complain(p, "the xattr %s differs", model_xattr_names[i]);
        all += strlen(model_xattr_names[i]) + 1;
    }
    return expect(p, "listing xattrs", hf_xattr_list(h, id, names, sizeof names, &length), STATUS_SUCCESS) &&
           (length == all || complain(p, "the list of xattrs has %zu bytes, expected %zu", length, all));
}

static bool compare_posix(struct play *p, hf_handle h, uint64_t id, const struct node *n)
{
    struct hf_attr attr;
    if (!expect(p, "attributes", hf_node_get(h, id, &attr), STATUS_SUCCESS))
        return false;
    uint32_t mode = n->owned ? n->owner & 07777 : 0, uid = n->owned ? n->owner / 3 : 0,
             gid = n->owned ? n->owner / 7 : 0;
    if (!(attr.mode & HF_MODE_UNSET) != n->owned || (n->owned && (attr.mode & 07777) != mode) ||
        attr.uid != uid || attr.gid != gid)
        return complain(p, "mode %o, owner %u:%u, expected %o, %u:%u", attr.mode, attr.uid, attr.gid, mode,
                        uid, gid);
    struct hf_time created = created_of(n->created);
    if (n->born &&
        (attr.created.seconds != created.seconds || attr.created.nanoseconds != created.nanoseconds))
        return complain(p, "created at %lld.%u, expected %lld.%u", (long long)attr.created.seconds,
                        attr.created.nanoseconds, (long long)created.seconds, created.nanoseconds);
    return compare_xattrs(p, h, id, n);
}

static bool compare_facts(struct play *p, hf_handle h, struct node *n)
{
    struct hf_stat st;
    if (!expect(p, "stat", hf_stat(h, &st), STATUS_SUCCESS))
        return false;
    if (n->id == 0)
        n->id = st.id;
    if (st.id != n->id || st.links != n->links || st.reparse_tag != n->tag ||
        (!n->directory && st.size != n->streams[0].size) ||
        !(st.attributes & FILE_ATTRIBUTE_DIRECTORY) != !n->directory ||
        !(st.attributes & FILE_ATTRIBUTE_REPARSE_POINT) != !n->tag)
        return complain(p, "id %llu size %llu links %u tag %x attributes %x, expected %llu %u %u %x",
                        (unsigned long long)st.id, (unsigned long long)st.size, st.links, st.reparse_tag,
                        st.attributes, (unsigned long long)n->id, n->streams[0].size, n->links, n->tag);
    return compare_reparse(p, h, n) && compare_integrity(p, h, &n->streams[0]) &&
           compare_posix(p, h, st.id, n);
}

// POSIX callers see as many names, each with the type that its file has.
static bool compare_types(struct play *p, hf_handle h, size_t should)
{
    _Alignas(8) uint8_t buffer[4096];
    size_t done = 0, seen = 0;
    uint64_t cookie = 0;
    nt_status status;
    while ((status = hf_node_list(h, cookie, 0, buffer, sizeof buffer, &done)) == STATUS_SUCCESS && done) {
        const struct hf_node_entry *e = (const struct hf_node_entry *)buffer;
        for (;; e = (const struct hf_node_entry *)((const uint8_t *)e + e->next), seen++) {
            struct hf_attr attr;
            if (!expect(p, "the file of an entry", hf_node_get(h, e->attr.id, &attr), STATUS_SUCCESS))
                return false;
            if ((attr.mode & S_IFMT) != e->attr.mode)
                return complain(p, "an entry \"%.20s\" has type %o, its file %o", e->name, e->attr.mode,
                                attr.mode & S_IFMT);
            cookie = e->cookie;
            if (e->next == 0)
                break;
        }
        seen++;
    }
    return expect(p, "listing types", status, STATUS_SUCCESS) &&
           (seen == should + 2 || complain(p, "%zu entries with types, expected %zu", seen, should + 2));
}

// The names that a directory shows are the model's, as often.
static bool compare_list(struct play *p, hf_handle h, uint16_t node)
{
    uint8_t buffer[4096];
    size_t done, seen = 0, should = 0;
    nt_status status;
    for (bool restart = true;
         (status = hf_list(h, NULL, restart, buffer, sizeof buffer, &done)) == STATUS_SUCCESS;
         restart = false) {
        const struct hf_dirent *d = (const struct hf_dirent *)buffer;
        for (;; d = (const struct hf_dirent *)((const uint8_t *)d + d->next)) {
            bool found = strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0;
            seen += !found;
            for (size_t i = 0; i < ENTRIES && !found; i++) {
                const struct entry *e = &p->model.entries[i];
                found = e->used && e->parent == node && strcmp(model_name(e->name), d->name) == 0;
            }
            if (!found)
                return complain(p, "a directory shows \"%.20s\"", d->name);
            if (d->next == 0)
                break;
        }
    }
    for (size_t i = 0; i < ENTRIES; i++)
        should += p->model.entries[i].used && p->model.entries[i].parent == node;
    return expect(p, "listing", status, STATUS_NO_MORE_FILES) &&
           (seen == should || complain(p, "a directory shows %zu names, expected %zu", seen, should)) &&
           compare_types(p, h, should);
}

static bool compare_stream(struct play *p, const struct op *at, struct node *n, uint16_t index)
{
    hf_handle h;
    struct stream_model *s = &n->streams[at->stream];
    nt_status status = open_op(at, GENERIC_READ, 0, &h);
    bool same = expect(p, "opening", status, s->exists ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND);
    if (status != STATUS_SUCCESS)
        return same;
    if (same && at->stream == 0)
        same = compare_facts(p, h, n);
    if (same && n->directory && at->stream == 0)
        same = compare_list(p, h, index);
    else if (same)
        same = compare_bytes(p, h, s) && compare_integrity(p, h, s);
    return expect(p, "closing", hf_close(h), STATUS_SUCCESS) && same;
}

static bool compare_path(struct play *p, const struct path *path, uint8_t first, uint8_t last)
{
    struct entry *e;
    nt_status status = model_find(&p->model, path, &e);
    struct op at = {.path = *path, .disposition = FILE_OPEN};
    hf_handle h;
    if (status != STATUS_SUCCESS) {
        nt_status opened = open_op(&at, GENERIC_READ, 0, &h);
        if (opened == STATUS_SUCCESS)
            opened = hf_close(h);
        return expect(p, "opening what is not there", opened, status);
    }
    for (at.stream = first; at.stream <= last; at.stream++)
        if (!compare_stream(p, &at, &p->model.nodes[e->node], e->node))
            return false;
    return true;
}

static bool compare_below(struct play *p, uint16_t node, struct path *path)
{
    for (size_t i = 0; i < ENTRIES && path->depth < DEPTH_MAX; i++) {
        const struct entry *e = &p->model.entries[i];
        if (!e->used || e->parent != node)
            continue;
        path->names[path->depth++] = e->name;
        if (!compare_path(p, path, 0, STREAMS - 1))
            return false;
        if (p->model.nodes[e->node].directory && !compare_below(p, e->node, path))
            return false;
        path->depth--;
    }
    return true;
}

bool play_compare(struct play *p)
{
    struct path path = {0};
    hf_handle root;
    nt_status status = hf_open("X:\\", &(struct hf_open_options){.access = GENERIC_READ}, &root);
    if (!expect(p, "opening the root", status, STATUS_SUCCESS))
        return false;
    bool same = compare_list(p, root, ROOT);
    status = hf_close(root);
    return same && expect(p, "closing", status, STATUS_SUCCESS) && compare_below(p, ROOT, &path);
}

// --- a step --------------------------------------------------------------------------------------

static bool may_be_full(const struct op *op)
{
    return op->kind != OP_READ && op->kind != OP_LIST && op->kind != OP_FLUSH && op->kind != OP_REOPEN;
}

// What stands in the range of a write or a zeroing now; bytes read.
static size_t read_back(const struct op *op, uint32_t offset, uint8_t *is)
{
    struct op at = {.path = op->path, .stream = op->stream, .disposition = FILE_OPEN};
    size_t done = 0;
    hf_handle h;
    if (open_op(&at, GENERIC_READ, 0, &h) != STATUS_SUCCESS)
        return 0;
    if (hf_read(h, offset, is, op->length, &done) != STATUS_SUCCESS)
        done = 0;
    return hf_close(h) == STATUS_SUCCESS ? done : 0;
}

// How much a full volume did of a write or a zeroing is not told: of the one any beginning, of the other any
// part. Whatever else it changed, the comparison will find.
static void adopt(const struct op *op, struct stream_model *s)
{
    uint32_t offset = op->kind == OP_APPEND ? s->size : op->offset, n = 0;
    uint8_t *is = malloc(op->length + 1), *should = malloc(op->length + 1);
    if (!is || !should)
        abort();
    model_bytes(op->seed, op->length, should);
    size_t done = read_back(op, offset, is);
    if (op->kind == OP_ZERO) {
        for (; n < done && offset + n < s->size; n++)
            s->bytes[offset + n] = is[n] ? s->bytes[offset + n] : 0;
    } else {
        while (n < done && is[n] == should[n])
            n++;
        model_write(s, offset, n, op->seed);
    }
    free(is);
    free(should);
}

// Of a clone any clusters may be there.
static void adopt_clone(struct play *p, const struct op *op)
{
    struct entry *e, *other;
    if (model_find(&p->model, &op->path, &e) != STATUS_SUCCESS ||
        model_find(&p->model, &op->to, &other) != STATUS_SUCCESS)
        return;
    struct stream_model *to = &p->model.nodes[e->node].streams[0],
                        *from = &p->model.nodes[other->node].streams[0];
    uint8_t *is = malloc(op->length);
    if (!is)
        abort();
    size_t done = read_back(op, op->offset, is);
    for (uint32_t at = 0; at < done; at += p->cluster) {
        uint32_t n = 0, most = done - at < p->cluster ? (uint32_t)done - at : p->cluster;
        for (uint32_t i = op->seed + at;
             n < most && is[at + n] == (i + n < from->size ? from->bytes[i + n] : 0);)
            n++;
        if (n == most)
            memcpy(to->bytes + op->offset + at, is + at, most);
    }
    free(is);
}

void play_part(struct play *p, const struct op *op, bool opened)
{
    struct entry *e;
    if (opened && op->kind == OP_CLONE)
        adopt_clone(p, op);
    if (!opened || (op->kind != OP_WRITE && op->kind != OP_APPEND && op->kind != OP_ZERO))
        return;
    if (op->creates && model_create(&p->model, op) != STATUS_SUCCESS)
        return;
    if (model_find(&p->model, &op->path, &e) == STATUS_SUCCESS)
        adopt(op, &p->model.nodes[e->node].streams[op->stream]);
}

// Both names as they are spelled. False: one of them is not there.
static bool spell(struct play *p, struct op *op)
{
    struct entry *e, *other;
    if (model_find(&p->model, &op->path, &e) != STATUS_SUCCESS ||
        model_find(&p->model, &op->to, &other) != STATUS_SUCCESS)
        return false;
    op->path.names[op->path.depth - 1] = e->name;
    op->to.names[op->to.depth - 1] = other->name;
    return true;
}

// Whole clusters that both files have, their last ones included.
static bool fit_clone(const struct play *p, struct op *op)
{
    enum { STEP = 65536 }; // a cluster of any volume
    struct entry *e, *other;
    if (model_find(&p->model, &op->path, &e) != STATUS_SUCCESS ||
        model_find(&p->model, &op->to, &other) != STATUS_SUCCESS)
        return false;
    const struct node *to = &p->model.nodes[e->node], *from = &p->model.nodes[other->node];
    op->offset = op->offset % 3 * STEP;
    op->seed = op->seed % 3 * STEP;
    if (to->directory || from->directory || op->offset >= to->streams[0].size ||
        op->seed >= from->streams[0].size)
        return false;
    uint32_t there = to->streams[0].size - op->offset, here = from->streams[0].size - op->seed;
    op->length = ((there < here ? there : here) + p->cluster - 1) / p->cluster * p->cluster;
    return to != from || op->offset + op->length <= op->seed || op->seed + op->length <= op->offset;
}

bool play_prepare(struct play *p, struct op *op)
{
    bool named = op->kind == OP_WRITE || op->kind == OP_APPEND || op->kind == OP_SIZE ||
                 op->kind == OP_ZERO || op->kind == OP_READ || op->kind == OP_OPEN ||
                 op->kind == OP_DELETE_STREAM;
    if (!named)
        op->stream = 0;
    if (op->kind == OP_CLONE && !fit_clone(p, op))
        return false;
    return model_has_room(&p->model) && (op->kind != OP_EXCHANGE || spell(p, op));
}

bool play_op(struct play *p, const struct op *drawn)
{
    struct op op = *drawn;
    bool opened;
    if (!play_prepare(p, &op))
        return true;
    nt_status status = play_do(p, &op, &opened);
    if (status == STATUS_DISK_FULL && may_be_full(&op)) {
        p->full++;
        play_part(p, &op, opened);
    } else if (!expect(p, "the operation", status, model_do(&p->model, &op)))
        return false;
    if (op.kind == OP_REOPEN || op.kind == OP_FLUSH)
        return true;
    if ((op.kind == OP_RENAME || op.kind == OP_LINK || op.kind == OP_EXCHANGE || op.kind == OP_CLONE) &&
        !compare_path(p, &op.to, 0, 0))
        return false;
    return compare_path(p, &op.path, op.stream, op.stream);
}

bool play_begin(struct play *p, const struct play_options *o)
{
    *p = (struct play){.fd = memfd_create("holdfast-model", MFD_CLOEXEC)};
    if (p->fd < 0 || ftruncate(p->fd, (off_t)o->megabytes << 20) != 0)
        return complain(p, "no memory file");
    snprintf(p->spec, sizeof p->spec, "file:/proc/self/fd/%d", p->fd);
    p->cluster = o->cluster;
    model_init(&p->model, o->case_sensitive, o->integrity);
    struct hf_format_options format = {.cluster = o->cluster,
                                       .copies = o->copies,
                                       .integrity = o->integrity,
                                       .case_sensitive = o->case_sensitive};
    return expect(p, "format", hf_format(p->spec, &format), STATUS_SUCCESS) &&
           expect(p, "attach", hf_attach("X:", p->spec), STATUS_SUCCESS);
}

static void on_finding(void *context, const struct hf_finding *f)
{
    struct play *p = context;
    complain(p, "check: %s: %s %s object %llu offset %llu", f->kind, f->text, f->path,
             (unsigned long long)f->object, (unsigned long long)f->offset);
}

bool play_end(struct play *p)
{
    struct hf_check_totals totals;
    struct hf_check_options check = {.data = true, .finding = on_finding, .context = p};
    if (!play_compare(p) || !expect(p, "detach", hf_detach("X:"), STATUS_SUCCESS))
        return false;
    nt_status status = hf_check(p->spec, &check, &totals);
    if (totals.findings > 0)
        return false;
    model_free(&p->model);
    close(p->fd);
    return expect(p, "check", status, STATUS_SUCCESS);
}
