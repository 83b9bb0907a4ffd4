// SPDX-License-Identifier: Apache-2.0
// The bytes of a volume, told by name: for people who look at an odd one. Believes nothing: what is damaged
// is told as such, and the look goes on behind it. Never writes. The volume may be in use, which then looks
// like damage here and there. Memory is bounded by the levels of the tree and the length of the log.
#include "engine/store.h"
#include "engine/super.h"

#include <stdio.h>

#include "base/text.h"

enum { FIELDS = 48, BYTES_SHOWN = 64, KEY_TEXT = 2 * BYTES_SHOWN + 48, LINE = 32 };

struct dumper {
    struct io io;
    struct store *s; // NULL: no superblock is whole
    struct raw_super super;
    hf_dump_fn *fn;
    void *context;
    bool stopped; // fn has seen enough
    bool damaged;
    u64 visits;
    u32 count;
    struct hf_dump_field fields[FIELDS];
    u8 (*pages)[PAGE_SIZE]; // one for each level, and one for copies
};

// --- fields --------------------------------------------------------------------------------------

static void add(struct dumper *d, struct hf_dump_field field)
{
    ASSERT(d->count < FIELDS);
    d->fields[d->count++] = field;
}

static void add_number(struct dumper *d, const char *name, u64 number)
{
    add(d, (struct hf_dump_field){.name = name, .number = number});
}

static void add_hex(struct dumper *d, const char *name, u64 number)
{
    add(d, (struct hf_dump_field){.name = name, .type = HF_DUMP_HEX, .number = number});
}

// As text, if it is UTF-8.
static void add_bytes(struct dumper *d, const char *name, struct slice bytes, enum hf_dump_type type)
{
    size_t units;
    if (type == HF_DUMP_TEXT &&
        text_units((struct str){(const char *)bytes.p, bytes.len}, &units) != STATUS_SUCCESS)
        type = HF_DUMP_BYTES;
    add(d, (struct hf_dump_field){.name = name, .type = type, .bytes = bytes.p, .length = bytes.len});
}

static void add_text(struct dumper *d, const char *name, const char *text)
{
    add_bytes(d, name, (struct slice){(const u8 *)text, (u32)strlen(text)}, HF_DUMP_TEXT);
}

static void tell(struct dumper *d, const char *kind, u32 depth)
{
    struct hf_dump_item item = {.kind = kind, .depth = depth, .count = d->count, .fields = d->fields};
    d->count = 0;
    if (!d->stopped && !d->fn(d->context, &item))
        d->stopped = true;
}

static void tell_problem(struct dumper *d, u32 depth, const char *text)
{
    d->damaged = true;
    add_text(d, "text", text);
    tell(d, "problem", depth);
}

// A fixed part of something on disk: its fields by name.
struct row {
    const char *name;
    u16 offset, size;
    enum hf_dump_type type;
};
#define ROW(raw, field, as)                                                                            \
    {                                                                                                  \
        .name = #field, .offset = offsetof(struct raw, field), .size = sizeof((struct raw *)0)->field, \
        .type = as                                                                                     \
    }

static void add_rows(struct dumper *d, const struct row *row, u32 count, const void *data)
{
    for (; count-- > 0; row++) {
        const u8 *p = (const u8 *)data + row->offset;
        u64 number = 0;
        if (row->type >= HF_DUMP_TEXT) {
            add_bytes(d, row->name, (struct slice){p, row->size}, row->type);
            continue;
        }
        for (u32 i = row->size; i-- > 0;)
            number = number << 8 | p[i];
        add(d, (struct hf_dump_field){.name = row->name, .type = row->type, .number = number});
    }
}

static const struct row super_rows[] = {
    ROW(raw_super, magic, HF_DUMP_TEXT),          ROW(raw_super, version, HF_DUMP_NUMBER),
    ROW(raw_super, page_size, HF_DUMP_NUMBER),    ROW(raw_super, uuid, HF_DUMP_BYTES),
    ROW(raw_super, incompat, HF_DUMP_HEX),        ROW(raw_super, ro_compat, HF_DUMP_HEX),
    ROW(raw_super, options, HF_DUMP_HEX),         ROW(raw_super, generation, HF_DUMP_NUMBER),
    ROW(raw_super, units, HF_DUMP_NUMBER),        ROW(raw_super, unit_size, HF_DUMP_NUMBER),
    ROW(raw_super, cluster_size, HF_DUMP_NUMBER), ROW(raw_super, mirror_gap, HF_DUMP_NUMBER),
    ROW(raw_super, free, HF_DUMP_NUMBER),         ROW(raw_super, groups, HF_DUMP_NUMBER),
    ROW(raw_super, next_object, HF_DUMP_NUMBER),  ROW(raw_super, created, HF_DUMP_TIME),
    ROW(raw_super, committed, HF_DUMP_TIME),      ROW(raw_super, tree.addr[0], HF_DUMP_NUMBER),
    ROW(raw_super, tree.addr[1], HF_DUMP_NUMBER), ROW(raw_super, tree.birth, HF_DUMP_NUMBER),
    ROW(raw_super, tree.sum, HF_DUMP_HEX),        ROW(raw_super, space.birth, HF_DUMP_NUMBER),
    ROW(raw_super, space.sum, HF_DUMP_HEX),       ROW(raw_super, space.free, HF_DUMP_NUMBER),
    ROW(raw_super, space.groups, HF_DUMP_NUMBER), ROW(raw_super, space.slot, HF_DUMP_NUMBER),
    ROW(raw_super, serial, HF_DUMP_HEX),          ROW(raw_super, copies, HF_DUMP_NUMBER),
    ROW(raw_super, tree_level, HF_DUMP_NUMBER),   ROW(raw_super, space_level, HF_DUMP_NUMBER),
    ROW(raw_super, label_length, HF_DUMP_NUMBER), ROW(raw_super, log_unit, HF_DUMP_NUMBER),
    ROW(raw_super, log_blocks, HF_DUMP_NUMBER),   ROW(raw_super, sum, HF_DUMP_HEX),
};
static const struct row page_rows[] = {
    ROW(raw_page, magic, HF_DUMP_HEX),      ROW(raw_page, kind, HF_DUMP_NUMBER),
    ROW(raw_page, level, HF_DUMP_NUMBER),   ROW(raw_page, count, HF_DUMP_NUMBER),
    ROW(raw_page, addr[0], HF_DUMP_NUMBER), ROW(raw_page, addr[1], HF_DUMP_NUMBER),
    ROW(raw_page, birth, HF_DUMP_NUMBER),   ROW(raw_page, volume, HF_DUMP_BYTES),
    ROW(raw_page, heap, HF_DUMP_NUMBER),    ROW(raw_page, gaps, HF_DUMP_NUMBER),
};
static const struct row inode_rows[] = {
    ROW(raw_inode, attributes, HF_DUMP_HEX),   ROW(raw_inode, links, HF_DUMP_NUMBER),
    ROW(raw_inode, created, HF_DUMP_TIME),     ROW(raw_inode, accessed, HF_DUMP_TIME),
    ROW(raw_inode, written, HF_DUMP_TIME),     ROW(raw_inode, changed, HF_DUMP_TIME),
    ROW(raw_inode, reparse_tag, HF_DUMP_HEX),  ROW(raw_inode, mode, HF_DUMP_HEX),
    ROW(raw_inode, uid, HF_DUMP_NUMBER),       ROW(raw_inode, gid, HF_DUMP_NUMBER),
    ROW(raw_inode, device, HF_DUMP_HEX),       ROW(raw_inode, nanos, HF_DUMP_BYTES),
    ROW(raw_inode, data.size, HF_DUMP_NUMBER), ROW(raw_inode, data.allocated, HF_DUMP_NUMBER),
    ROW(raw_inode, data.data, HF_DUMP_NUMBER), ROW(raw_inode, data.algorithm, HF_DUMP_NUMBER),
    ROW(raw_inode, data.flags, HF_DUMP_HEX),
};
static const struct row stream_rows[] = {
    ROW(raw_stream, size, HF_DUMP_NUMBER), ROW(raw_stream, allocated, HF_DUMP_NUMBER),
    ROW(raw_stream, data, HF_DUMP_NUMBER), ROW(raw_stream, algorithm, HF_DUMP_NUMBER),
    ROW(raw_stream, flags, HF_DUMP_HEX),
};
static const struct row dirent_rows[] = {
    ROW(raw_dirent, object, HF_DUMP_NUMBER),
    ROW(raw_dirent, directory, HF_DUMP_NUMBER),
    ROW(raw_dirent, plain, HF_DUMP_NUMBER),
};
static const struct row extent_rows[] = {
    ROW(raw_extent, unit, HF_DUMP_NUMBER),
    ROW(raw_extent, clusters, HF_DUMP_NUMBER),
    ROW(raw_extent, flags, HF_DUMP_HEX),
    ROW(raw_extent, birth, HF_DUMP_NUMBER),
};
static const struct row refs_rows[] = {
    ROW(raw_refs, units, HF_DUMP_NUMBER),
    ROW(raw_refs, count, HF_DUMP_NUMBER),
};
static const struct row xattr_rows[] = {
    ROW(raw_xattr, length, HF_DUMP_NUMBER),
};
static const struct row log_rows[] = {
    ROW(raw_log, length, HF_DUMP_NUMBER),     ROW(raw_log, volume, HF_DUMP_BYTES),
    ROW(raw_log, generation, HF_DUMP_NUMBER), ROW(raw_log, super_sum, HF_DUMP_HEX),
    ROW(raw_log, sequence, HF_DUMP_NUMBER),   ROW(raw_log, next_object, HF_DUMP_NUMBER),
    ROW(raw_log, sum, HF_DUMP_HEX),
};

// --- records -------------------------------------------------------------------------------------

// What a record of a kind says: the names of its key's parts, the fixed part of its value, and the rest of
// it.
static const struct layout {
    const char *kind, *number, *name;
    const struct row *rows;
    u32 count, size;
    const char *rest;
    enum hf_dump_type rest_type;
} layouts[] = {
#define FIXED(rows, raw) rows, ARRAY_LEN(rows), sizeof(struct raw)
    [KIND_INODE] = {"inode", NULL, NULL, FIXED(inode_rows, raw_inode), NULL, 0},
    [KIND_LINK] = {"link", "parent", "folded", NULL, 0, 0, "name", HF_DUMP_TEXT},
    [KIND_STREAM] = {"stream", NULL, "folded", FIXED(stream_rows, raw_stream), "name", HF_DUMP_TEXT},
    [KIND_REPARSE] = {"reparse", "offset", NULL, NULL, 0, 0, "piece", HF_DUMP_BYTES},
    [KIND_XATTR] = {"xattr", "piece", "name", NULL, 0, 0, "value", HF_DUMP_BYTES},
    [KIND_DIRENT] = {"dirent", NULL, "folded", FIXED(dirent_rows, raw_dirent), "name", HF_DUMP_TEXT},
    [KIND_EXTENT] = {"extent", "cluster", NULL, FIXED(extent_rows, raw_extent), "sums", HF_DUMP_BYTES},
    [KIND_UPCASE] = {"upcase", "offset", NULL, NULL, 0, 0, "pairs", HF_DUMP_BYTES},
    [KIND_REFS] = {"refs", "unit", NULL, FIXED(refs_rows, raw_refs), NULL, 0},
    [KIND_ORPHAN] = {"orphan", "orphan", NULL, NULL, 0, 0, "tail", HF_DUMP_BYTES},
    [KIND_TAG] = {"tag", "tagged", NULL, NULL, 0, 0, NULL, 0},
#undef FIXED
};

static const struct layout *layout_of(u8 kind)
{
    return kind < ARRAY_LEN(layouts) && layouts[kind].kind ? &layouts[kind] : NULL;
}

static void add_key(struct dumper *d, struct slice key)
{
    struct key_parts parts;
    bool sound = key_parse(key, &parts);
    const struct layout *layout = sound ? layout_of(parts.kind) : NULL;
    if (!layout) {
        d->damaged = true;
        add_bytes(d, "key", key, HF_DUMP_BYTES);
        add_text(d, "problem", "no key of a known kind");
        return;
    }
    add_number(d, "object", parts.object);
    add_text(d, "kind", layout->kind);
    if (parts.kind == KIND_TAG)
        add_hex(d, "tag", parts.tag);
    if (layout->number)
        add_number(d, layout->number, parts.number);
    if (layout->name)
        add_bytes(d, layout->name, parts.name, HF_DUMP_TEXT);
}

static void add_value(struct dumper *d, struct slice key, struct slice value)
{
    struct key_parts parts;
    const struct layout *layout = key_parse(key, &parts) ? layout_of(parts.kind) : NULL;
    u32 fixed = layout ? layout->size : 0;
    if (layout && parts.kind == KIND_XATTR && parts.number == 0)
        fixed = sizeof(struct raw_xattr);
    if (value.len < fixed) {
        d->damaged = true;
        add_text(d, "problem", "the value is too short");
        fixed = 0;
    } else if (fixed > 0 && parts.kind == KIND_XATTR) {
        add_rows(d, xattr_rows, ARRAY_LEN(xattr_rows), value.p);
    } else if (fixed > 0) {
        add_rows(d, layout->rows, layout->count, value.p);
    }
    struct slice rest = {value.p + fixed, value.len - fixed};
    bool named = layout && layout->rest;
    if (rest.len > 0)
        add_bytes(d, named ? layout->rest : "value", rest, named ? layout->rest_type : HF_DUMP_BYTES);
}

static void tell_record(struct dumper *d, struct slice key, struct slice value, u32 depth)
{
    add_key(d, key);
    add_value(d, key, value);
    tell(d, "record", depth);
}

static void add_child(struct dumper *d, const struct ptr *ptr)
{
    add_number(d, "addr[0]", ptr->addr[0]);
    add_number(d, "addr[1]", ptr->addr[1]);
    add_number(d, "birth", ptr->birth);
    add_hex(d, "sum", ptr->sum);
}

// --- superblocks ---------------------------------------------------------------------------------

static void tell_super(struct dumper *d, const struct raw_super *super, u64 at, const char *state)
{
    add_number(d, "address", at);
    add_text(d, "state", state);
    add_rows(d, super_rows, ARRAY_LEN(super_rows), super);
    add_bytes(d, "label", (struct slice){super->label, MIN(super->label_length, (u32)sizeof super->label)},
              HF_DUMP_TEXT);
    tell(d, "superblock", 0);
}

static void dump_super(struct dumper *d, u32 slot, u32 copy, u64 at)
{
    static const struct raw_super nothing;
    struct raw_super super;
    nt_status status = io_read(&d->io, &super, sizeof super, at);
    u64 newest = d->s ? from_le64(d->super.generation) : 0, generation = from_le64(super.generation);
    if (status != STATUS_SUCCESS) {
        d->damaged = true;
        add_number(d, "address", at);
        add_text(d, "state", "unreadable");
        add_text(d, "status", status_name(status));
        tell(d, "superblock", 0);
        return;
    }
    bool sound = super_check(&super) && super_place(&super, slot, copy) == at && generation % 2 == slot;
    if (memcmp(&super, &nothing, sizeof super) == 0)
        tell_super(d, &super, at, "empty");
    else if (sound && d->s && generation == newest)
        tell_super(d, &super, at, "newest");
    else if (sound)
        tell_super(d, &super, at, "valid");
    else
        tell_super(d, &super, at, "damaged");
    // The other slot holds the commit before, or what a commit that was cut short left there.
    d->damaged |= !sound && slot == newest % 2;
}

static void dump_supers(struct dumper *d)
{
    u64 gap = d->s ? d->s->mirror_gap : super_mirror_gap(blk_size(d->io.blk));
    for (u32 copy = 0; copy < (gap ? 2u : 1u); copy++)
        for (u32 slot = 0; slot < 2 && !d->stopped; slot++)
            dump_super(d, slot, copy, slot * (u64)SUPER_SPACING + copy * gap);
}

// --- pages ---------------------------------------------------------------------------------------

// Looks at the copies of a page and says how they are; data is the first good one. False: there is none.
static bool read_page(struct dumper *d, const struct ptr *ptr, enum page_kind kind, u32 level, u8 *data)
{
    static const char *const names[2] = {"copy[0]", "copy[1]"};
    bool good = false;
    for (int copy = 0; copy < d->s->copies; copy++) {
        u8 *to = good ? d->pages[TREE_LEVELS_MAX + 1] : data;
        nt_status status = page_read_copy(d->s, ptr, copy, kind, level, to);
        bool wrong = status == STATUS_DISK_CORRUPT_ERROR;
        add_text(d, names[copy], status == STATUS_SUCCESS ? "good" : wrong ? "damaged" : status_name(status));
        good |= status == STATUS_SUCCESS;
        d->damaged |= status != STATUS_SUCCESS;
    }
    return good;
}

// Pages that name a page more than once would have us visit it without end.
static bool may_visit(struct dumper *d, u32 depth)
{
    u64 most = d->s->units * d->s->unit / PAGE_SIZE;
    if (d->visits++ == most)
        tell_problem(d, depth, "there are more pages than the volume has room for");
    return !d->stopped && d->visits <= most;
}

// A key as short text: object, kind, the rest in hex.
static void add_key_text(struct dumper *d, const char *name, struct slice key, char text[KEY_TEXT])
{
    const struct layout *layout = key.len >= 9 ? layout_of(key.p[8]) : NULL;
    int used = 0;
    if (layout)
        used = snprintf(text, KEY_TEXT, "%llu %s ", (unsigned long long)get_be64(key.p), layout->kind);
    for (u32 i = layout ? 9 : 0; i < MIN(key.len, (u32)BYTES_SHOWN); i++)
        used += snprintf(text + used, KEY_TEXT - (size_t)used, "%02x", key.p[i]);
    text[used] = '\0';
    add_text(d, name, text);
}

static void walk_tree(struct dumper *d, const struct ptr *ptr, u32 level, u32 depth)
{
    char first[KEY_TEXT], last[KEY_TEXT];
    u8 *data = d->pages[level];
    if (!may_visit(d, depth))
        return;
    add_number(d, "level", level);
    add_child(d, ptr);
    bool good = read_page(d, ptr, PAGE_TREE, level, data);
    u32 count = good ? node_count(data) : 0;
    if (good)
        add_number(d, "count", count);
    if (count > 0) {
        add_key_text(d, "first", node_key(data, 0), first);
        add_key_text(d, "last", node_key(data, count - 1), last);
    }
    tell(d, "page", depth);
    for (u32 i = 0; i < count && !d->stopped; i++) {
        struct ptr child = level > 0 ? node_child(data, i) : (struct ptr){0};
        if (level > 0)
            walk_tree(d, &child, level - 1, depth + 1);
        else
            tell_record(d, node_key(data, i), node_value(data, i), depth + 1);
    }
}

// --- space ---------------------------------------------------------------------------------------

static u64 bits_used(const u8 *page, u64 units)
{
    u64 used = 0;
    for (u64 w = 0; w < units / 64; w++)
        used += (u64)__builtin_popcountll(get_le64(page + sizeof(struct raw_page) + 8 * w));
    for (u64 u = align_down(units, 64); u < units; u++)
        used += page[sizeof(struct raw_page) + u / 8] >> (u % 8) & 1;
    return used;
}

static void add_region(struct dumper *d, u64 region, const u8 *page, u64 free)
{
    u64 units = space_region_units(d->s, region), used = bits_used(page, units);
    add_number(d, "unit", region * SPACE_LEAF_UNITS);
    add_number(d, "units", units);
    add_number(d, "fixed", space_fixed_units(d->s, region));
    add_number(d, "used", used);
    if (units - used != free) {
        d->damaged = true;
        add_text(d, "problem", "the pointer counts free units wrongly");
    }
}

static void walk_space(struct dumper *d, const struct space_ptr *p, u32 level, u64 index, u32 depth)
{
    u8 *data = d->pages[level];
    u64 regions = d->s->space.regions;
    if (!may_visit(d, depth))
        return;
    if (level == 0 && index >= regions) {
        tell_problem(d, depth, "a region behind the end of the volume");
        return;
    }
    struct ptr ptr = space_page_ptr(d->s, level, index, p);
    add_number(d, "level", level);
    add_number(d, level == 0 ? "region" : "index", index);
    add_number(d, "slot", p->slot);
    add_number(d, "birth", p->birth);
    add_number(d, "free", p->free);
    add_number(d, "groups", p->groups);
    if (p->birth == 0) { // never written: all is free
        tell(d, level == 0 ? "region" : "page", depth);
        return;
    }
    add_hex(d, "sum", p->sum);
    add_number(d, "addr[0]", ptr.addr[0]);
    add_number(d, "addr[1]", ptr.addr[1]);
    bool good = read_page(d, &ptr, PAGE_SPACE, level, data);
    if (good && level == 0)
        add_region(d, index, data, p->free);
    tell(d, level == 0 ? "region" : "page", depth);
    u32 count = good && level > 0 ? from_le16(((const struct raw_page *)data)->count) : 0;
    for (u32 i = 0; i < MIN(count, (u32)SPACE_FANOUT) && !d->stopped; i++) {
        struct space_ptr child =
            space_decode((const struct raw_space_ptr *)(data + sizeof(struct raw_page)) + i);
        walk_space(d, &child, level - 1, index * SPACE_FANOUT + i, depth + 1);
    }
}

// --- log -----------------------------------------------------------------------------------------

static const char *item_name(enum log_item kind)
{
    static const char *const names[] = {"?", "put", "patch", "delete", "take", "give", "hold"};
    return (u32)kind < ARRAY_LEN(names) ? names[kind] : "?";
}

static void tell_item(struct dumper *d, const struct entry_item *item)
{
    add_text(d, "item", item->kind <= LOG_HOLD ? item_name(item->kind) : "?");
    if (item->kind >= LOG_TAKE) {
        add_number(d, "unit", get_le64(item->key.p));
        add_number(d, "units", get_le64(item->value.p));
    } else {
        add_key(d, item->key);
        if (item->kind == LOG_PUT)
            add_value(d, item->key, item->value);
        else if (item->value.len > 0)
            add_bytes(d, "value", item->value, HF_DUMP_BYTES);
    }
    tell(d, "item", 2);
}

// One entry, whole or not. Its length in blocks; 1 when that is not known.
static u32 dump_entry(struct dumper *d, u8 *area, u32 block, u32 blocks)
{
    const struct raw_log *head = (const struct raw_log *)(area + (u64)block * LOG_BLOCK);
    u64 room = (u64)(blocks - block) * LOG_BLOCK, length = from_le32(head->length);
    bool fits = length >= sizeof *head && length <= room, whole = fits && log_entry_whole((u8 *)head);
    struct entry_item item;
    u32 at = sizeof *head;
    add_number(d, "block", block);
    add_rows(d, log_rows, ARRAY_LEN(log_rows), head);
    add_text(d, "state",
             !whole ? "damaged"
             : from_le64(head->generation) != from_le64(d->super.generation) ||
                     from_le64(head->super_sum) != from_le64(d->super.sum)
                 ? "of another commit"
                 : "good");
    tell(d, "entry", 1);
    while (whole && !d->stopped && log_item_next(head, &at, &item))
        tell_item(d, &item);
    if (whole && !d->stopped && at != length)
        tell_problem(d, 2, "items that make no sense");
    return whole ? (u32)((length + LOG_BLOCK - 1) / LOG_BLOCK) : 1;
}

static nt_status dump_log(struct dumper *d)
{
    struct store *s = d->s;
    u32 blocks = s->log.blocks;
    u64 start = s->log.unit * s->unit;
    add_number(d, "unit", s->log.unit);
    add_number(d, "blocks", blocks);
    add_text(d, "state", s->log.unit ? "in use, or not closed" : "none");
    tell(d, "log", 0);
    if (s->log.unit == 0)
        return STATUS_SUCCESS;
    SCOPE_FREE u8 *area = calloc(blocks, LOG_BLOCK);
    if (!area)
        return STATUS_NO_MEMORY;
    for (u32 block = 0; block < blocks; block++) {
        u8 *to = area + (u64)block * LOG_BLOCK;
        if (io_read(&d->io, to, LOG_BLOCK, start + (u64)block * LOG_BLOCK) == STATUS_SUCCESS)
            continue;
        add_number(d, "block", block);
        tell_problem(d, 1, "a block of the log cannot be read");
        memset(to, 0, LOG_BLOCK);
    }
    for (u32 block = 0; block < blocks && !d->stopped;) {
        const struct raw_log *head = (const struct raw_log *)(area + (u64)block * LOG_BLOCK);
        block += from_le32(head->magic) == LOG_MAGIC ? dump_entry(d, area, block, blocks) : 1;
    }
    return STATUS_SUCCESS;
}

// --- whatever lies at an address -----------------------------------------------------------------

static void dump_hex(struct dumper *d, u64 at, const u8 *data, u32 length)
{
    for (u32 i = 0; i < length && !d->stopped; i += LINE) {
        add_number(d, "address", at + i);
        add_bytes(d, "bytes", (struct slice){data + i, MIN(length - i, (u32)LINE)}, HF_DUMP_BYTES);
        tell(d, "bytes", 0);
    }
}

static void dump_node(struct dumper *d, const u8 *data, u32 level)
{
    for (u32 i = 0; i < node_count(data) && !d->stopped; i++) {
        if (level == 0) {
            tell_record(d, node_key(data, i), node_value(data, i), 1);
            continue;
        }
        char text[KEY_TEXT];
        struct ptr child = node_child(data, i);
        add_key_text(d, "first", node_key(data, i), text);
        add_child(d, &child);
        tell(d, "pointer", 1);
    }
}

static void dump_map(struct dumper *d, const u8 *data, u32 level)
{
    const struct raw_space_ptr *raw = (const struct raw_space_ptr *)(data + sizeof(struct raw_page));
    u32 count = from_le16(((const struct raw_page *)data)->count);
    if (level == 0) {
        add_number(d, "used", bits_used(data, SPACE_LEAF_UNITS));
        tell(d, "bitmap", 1);
    }
    for (u32 i = 0; level > 0 && i < MIN(count, (u32)SPACE_FANOUT) && !d->stopped; i++) {
        struct space_ptr p = space_decode(&raw[i]);
        add_number(d, "slot", p.slot);
        add_number(d, "birth", p.birth);
        add_number(d, "free", p.free);
        add_number(d, "groups", p.groups);
        add_hex(d, "sum", p.sum);
        tell(d, "pointer", 1);
    }
}

static nt_status dump_page(struct dumper *d, u64 at)
{
    u64 size = blk_size(d->io.blk);
    u8 *data = d->pages[0];
    const struct raw_page *head = (const struct raw_page *)data;
    if (at >= size) {
        status_set_text("the address lies behind the end");
        return STATUS_INVALID_PARAMETER;
    }
    u32 length = (u32)MIN(size - at, (u64)PAGE_SIZE);
    TRY(io_read(&d->io, data, length, at));
    if (length >= SUPER_SIZE && memcmp(data, SUPER_MAGIC, 8) == 0) {
        const struct raw_super *super = (const struct raw_super *)data;
        tell_super(d, super, at, super_check(super) ? "valid" : "damaged");
        return STATUS_SUCCESS;
    }
    u32 level = head->level;
    bool page = length == PAGE_SIZE && from_le32(head->magic) == PAGE_MAGIC;
    bool tree = page && head->kind == PAGE_TREE && level < TREE_LEVELS_MAX && node_check(data, level);
    bool map = page && head->kind == PAGE_SPACE && level < SPACE_LEVELS_MAX && space_check(data, level);
    if (page) {
        add_number(d, "address", at);
        add_rows(d, page_rows, ARRAY_LEN(page_rows), data);
        add_hex(d, "sum", sum_crc64(data, PAGE_SIZE)); // what a pointer to it must say
        tell(d, "page", 0);
    }
    if (tree)
        dump_node(d, data, level);
    else if (map)
        dump_map(d, data, level);
    else
        dump_hex(d, at, data, length);
    if (page && !tree && !map)
        tell_problem(d, 0, "this page makes no sense");
    return STATUS_SUCCESS;
}

// --- the whole -----------------------------------------------------------------------------------

static nt_status dump(struct dumper *d, enum hf_dump_what what, u64 address)
{
    if (what == HF_DUMP_SUPERBLOCK)
        dump_supers(d);
    else if (what == HF_DUMP_PAGE)
        return dump_page(d, address);
    else if (!d->s)
        return STATUS_DISK_CORRUPT_ERROR;
    else if (what == HF_DUMP_TREE)
        walk_tree(d, &d->s->tree.root, d->s->tree.level, 0);
    else if (what == HF_DUMP_SPACE)
        walk_space(d, &d->s->space.root, d->s->space.level, 0, 0);
    else
        return dump_log(d);
    return STATUS_SUCCESS;
}

nt_status store_dump(struct blk *b, enum hf_dump_what what, u64 address, hf_dump_fn *fn, void *context)
{
    struct dumper d = {.fn = fn, .context = context};
    SCOPE_FREE void *pages = malloc((TREE_LEVELS_MAX + 2) * (size_t)PAGE_SIZE);
    if (!pages)
        return STATUS_NO_MEMORY;
    d.pages = pages;
    io_init(&d.io, b);
    nt_status hidden = STATUS_SUCCESS, status = super_read(&d.io, &d.super, &hidden);
    if (status == STATUS_SUCCESS)
        status = store_new(b, &d.super, 1, &d.s);
    if (status == STATUS_SUCCESS && hidden != STATUS_SUCCESS)
        tell_problem(&d, 0, "a newer superblock may lie where nothing can be read");
    bool anyway = what == HF_DUMP_SUPERBLOCK || what == HF_DUMP_PAGE;
    if (status == STATUS_SUCCESS || anyway)
        status = dump(&d, what, address);
    if (d.s)
        store_abandon(d.s);
    TRY(status);
    return d.stopped ? STATUS_CANCELLED : d.damaged ? STATUS_DISK_CORRUPT_ERROR : STATUS_SUCCESS;
}
