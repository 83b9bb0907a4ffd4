// SPDX-License-Identifier: Apache-2.0
// The whole-volume check: every copy of every page, every record against the records it names, every unit
// against the free-space map, and all file data against its sums. Memory is bounded: uses of units are
// counted in windows, one walk of the tree for each; only the first walk looks at anything else. What streams
// say of their data is gathered, CLAIMS at a time, and compared with the extents in their order, so that data
// that many streams name is gone through once for so many. Damage is a finding; what the medium says when it
// changed or went ends the check.
#include "engine/extent.h"
#include "engine/fresh.h"
#include "engine/orphan.h"
#include "engine/reparse.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/super.h"
#include "engine/xattr.h"

#include <stdio.h>

enum { WINDOW_REGIONS = 64, CLAIMS = 16384 };

// A stream and the object whose extents it has.
struct claim {
    u64 data, file;
    struct raw_stream raw;
};

struct checker {
    struct store *s;
    const struct check_options *options;
    struct check_totals *totals;
    u64 first_region, end_region; // of this window
    u16 *uses;                    // per unit of the window
    bool first_pass;
    u64 visits;        // of tree pages in this window
    u64 owned_extents; // counted from the streams' side
    u8 *scratch;       // FRESH_STEP
    u8 *value;         // of an extended attribute
    struct claim *claims;
    u32 claim_count;
    u64 named, unnamed; // objects that records name: the last one that is there, and that is not
    nt_status stopped;  // the check cannot go on
    char path[4096];
};

// A status that was met, for the check as a whole: no memory and a medium that changed or is not
// ready are no damage, and no look at another place tells more. A time-out tells of its own place.
static nt_status met(struct checker *c, nt_status status)
{
    bool stops = (store_may_come_back(status) && !status_is_unreadable(status)) ||
                 status == STATUS_INSUFFICIENT_RESOURCES;
    if (stops && c->stopped == STATUS_SUCCESS)
        c->stopped = status;
    return status;
}

static void report(struct checker *c, struct check_finding f)
{
    if (c->stopped != STATUS_SUCCESS)
        return;
    c->path[0] = '\0';
    if (f.object >= OBJECT_ROOT && object_path(c->s, f.object, c->path, sizeof c->path) != STATUS_SUCCESS)
        c->path[0] = '\0';
    f.path = c->path;
    c->totals->findings++;
    if (c->options->finding)
        c->options->finding(c->options->context, &f);
}

static void report_record(struct checker *c, u64 object, const char *text)
{
    report(c, (struct check_finding){.kind = CHECK_RECORD, .object = object, .text = text});
}

static void use(struct checker *c, u64 unit, u64 units)
{
    u64 first = c->first_region * SPACE_LEAF_UNITS, end = c->end_region * SPACE_LEAF_UNITS;
    for (u64 u = MAX(unit, first); u < MIN(unit + units, end); u++)
        if (c->uses[u - first] < UINT16_MAX)
            c->uses[u - first]++;
}

// --- pages ---------------------------------------------------------------------------------------

// Both copies of a page as they are on the medium.
static void check_copies(struct checker *c, const struct ptr *ptr, enum page_kind kind, u32 level)
{
    struct store *s = c->s;
    u32 bad;
    if (ptr->birth > s->durable)
        return; // of a replay on a volume that may not be written
    c->totals->pages++;
    if (met(c, fresh_page(s, ptr, kind, level, c->scratch, &bad)) != STATUS_SUCCESS)
        bad = (1u << s->copies) - 1;
    for (u32 copy = 0; copy < s->copies; copy++)
        if (c->options->page)
            c->options->page(c->options->context, ptr->addr[copy], kind, level, copy);
    for (u32 copy = 0; copy < s->copies; copy++)
        if (bad & (1u << copy))
            report(c,
                   (struct check_finding){.kind = CHECK_PAGE,
                                          .repairable = bad != (1u << s->copies) - 1,
                                          .offset = ptr->addr[copy],
                                          .length = PAGE_SIZE,
                                          .text = kind == PAGE_TREE ? "a page of the tree is damaged"
                                                                    : "a page of the space map is damaged"});
}

static u64 free_bits(const struct page *leaf)
{
    u64 n = 0;
    for (u32 w = 0; w < SPACE_LEAF_UNITS / 64; w++)
        n += (u64)__builtin_popcountll(~get_le64(leaf->data + sizeof(struct raw_page) + 8 * w));
    return n;
}

static void check_space_page(struct checker *c, u32 level, u64 index, const struct space_ptr *p)
{
    struct page *page;
    struct ptr ptr = space_page_ptr(c->s, level, index, p);
    if (p->birth == 0)
        return;
    check_copies(c, &ptr, PAGE_SPACE, level);
    if (met(c, page_get(c->s, &ptr, PAGE_SPACE, level, &page)) != STATUS_SUCCESS)
        return;
    u64 free = 0;
    u32 count = MIN((u32)from_le16(page_head(page)->count), (u32)SPACE_FANOUT);
    for (u32 i = 0; level > 0 && i < count; i++) {
        const struct raw_space_ptr *raw =
            (const struct raw_space_ptr *)(page->data + sizeof(struct raw_page)) + i;
        struct space_ptr child = space_decode(raw);
        free += child.free;
        check_space_page(c, level - 1, index * SPACE_FANOUT + i, &child);
    }
    if (level == 0)
        free = free_bits(page);
    if (free != p->free)
        report_record(c, 0, "the space map counts free units wrongly");
    page_put(page);
}

static void check_supers(struct checker *c)
{
    struct store *s = c->s;
    struct raw_super super;
    bool unsettled = atomic_load(&s->readonly);
    for (u32 copy = 0; copy < s->copies; copy++) {
        u32 slot = s->durable % 2;
        u64 at = slot * SUPER_SPACING + copy * s->mirror_gap;
        nt_status status = met(c, fresh_super(s, slot, copy, &super));
        bool read = status == STATUS_SUCCESS || status == STATUS_DISK_CORRUPT_ERROR;
        bool newest = status == STATUS_SUCCESS && from_le64(super.generation) == s->durable;
        if (!newest && !(read && unsettled && super_is_before(&super, s->durable, s->uuid)))
            report(c, (struct check_finding){.kind = CHECK_SUPER,
                                             .repairable = true,
                                             .offset = at,
                                             .length = SUPER_SIZE,
                                             .text = "a superblock is damaged"});
    }
}

// --- file data -----------------------------------------------------------------------------------

static void report_data(struct checker *c, u64 file, u64 from, u64 length)
{
    if (length > 0)
        report(c, (struct check_finding){.kind = CHECK_DATA,
                                         .object = file,
                                         .offset = from,
                                         .length = length,
                                         .text = "file data does not match its checksum"});
}

static void check_data(struct checker *c, u64 file, const struct extent *e)
{
    struct store *s = c->s;
    u64 units = (u64)e->clusters * s->cluster_units, bad_from = 0, bad_len = 0;
    u64 step = FRESH_STEP / s->unit, bad[FRESH_UNITS / 64];
    for (u64 u = 0; u < units; u++) {
        u64 n = MIN(step, units - u);
        if (u % step == 0 && met(c, fresh_units(s, e, u, n, c->scratch, bad)) != STATUS_SUCCESS)
            memset(bad, 0xff, sizeof bad);
        if (bad[u % step / 64] >> (u % step % 64) & 1) {
            bad_from = bad_len == 0 ? e->first * s->cluster + u * s->unit : bad_from;
            bad_len += s->unit;
            continue;
        }
        report_data(c, file, bad_from, bad_len);
        bad_len = 0;
    }
    report_data(c, file, bad_from, bad_len);
    c->totals->data_bytes += units * s->unit;
}

// Is this file or data object being taken apart, wholly or from some cluster on? A crash in between leaves it
// for the next writer to finish.
static bool is_orphan(struct checker *c, u64 id)
{
    struct key key;
    struct record record;
    key_begin(&key, OBJECT_ORPHANS, KIND_ORPHAN);
    key_add_u64(&key, id);
    return met(c, tree_find(c->s, &key, TREE_EQUAL, &record)) == STATUS_SUCCESS;
}

static void check_claim(struct checker *c, const struct claim *claim)
{
    struct store *s = c->s;
    const struct raw_stream *raw = &claim->raw;
    u64 data = claim->data, file = claim->file, allocated = 0, next = 0, size = from_le64(raw->size);
    bool summed = from_le16(raw->algorithm) != CHECKSUM_TYPE_NONE;
    bool shrinking = is_orphan(c, data) || is_orphan(c, file);
    while (c->stopped == STATUS_SUCCESS) {
        struct extent e;
        nt_status status = met(c, extent_find(s, data, next, &e));
        if (status == STATUS_NO_SUCH_FILE)
            break;
        if (status != STATUS_SUCCESS) {
            report_record(c, file, "an extent of this file cannot be read");
            break;
        }
        if (e.first < next)
            report_record(c, file, "extents of this file overlap");
        if (summed != !!(e.flags & EXTENT_SUMMED))
            report_record(c, file, "an extent and its stream disagree about checksums");
        if (!shrinking && (e.first + e.clusters - 1) * s->cluster >= size)
            report_record(c, file, "an extent lies behind the end of its stream");
        if (!space_can_free(s, e.unit, (u64)e.clusters * s->cluster_units))
            report_record(c, file, "an extent lies in places that are the volume's own");
        if (c->options->data && (e.flags & EXTENT_SUMMED))
            check_data(c, file, &e);
        c->owned_extents++;
        allocated += (u64)e.clusters * s->cluster;
        next = MAX(e.first + e.clusters, next + 1);
    }
    if (!shrinking && allocated != from_le64(raw->allocated))
        report_record(c, file, "the allocated size of a stream is wrong");
    if (from_le16(raw->flags) & ~STREAM_FLAGS)
        report_record(c, file, "a stream has unknown flags");
}

static int by_data(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    u64 p = x->data != y->data ? x->data : x->file, q = x->data != y->data ? y->data : y->file;
    return (p > q) - (p < q);
}

static void check_claims(struct checker *c)
{
    qsort(c->claims, c->claim_count, sizeof *c->claims, by_data);
    for (u32 i = 0; i < c->claim_count; i++) {
        if (i > 0 && c->claims[i].data == c->claims[i - 1].data)
            report_record(c, c->claims[i].file, "the data of a stream is another one's too");
        else
            check_claim(c, &c->claims[i]);
    }
    c->claim_count = 0;
}

static void check_stream(struct checker *c, u64 file, const struct raw_stream *raw)
{
    c->totals->streams++;
    if (c->claim_count == CLAIMS)
        check_claims(c);
    c->claims[c->claim_count++] = (struct claim){from_le64(raw->data), file, *raw};
}

// --- records -------------------------------------------------------------------------------------

static bool in_tag_index(struct checker *c, u32 tag, u64 id)
{
    struct key key;
    struct record record;
    tag_key(&key, tag, id);
    return met(c, tree_find(c->s, &key, TREE_EQUAL, &record)) == STATUS_SUCCESS;
}

static void check_tag(struct checker *c, struct slice key)
{
    struct key data;
    struct record record;
    u32 tag;
    u64 id;
    if (!tag_parse(key, &tag, &id)) {
        report_record(c, 0, "an entry of the index of tags has the wrong length or place");
        return;
    }
    key_begin(&data, id, KIND_REPARSE);
    key_add_u64(&data, 0);
    if (met(c, tree_find(c->s, &data, TREE_EQUAL, &record)) != STATUS_SUCCESS || record.len < 4 ||
        get_le32(record.value) != tag)
        report_record(c, id, "the index of tags names a reparse point that does not exist");
}

static void check_inode(struct checker *c, u64 id, struct slice value)
{
    struct link_position position = {0};
    struct dirent name;
    struct inode inode;
    u32 links = id == OBJECT_ROOT ? 1 : 0, plain = 0;
    u64 parent;
    if (met(c, inode_get(c->s, id, &inode)) != STATUS_SUCCESS || value.len != sizeof(struct raw_inode)) {
        report_record(c, id, "an inode has the wrong length or impossible values");
        return;
    }
    c->totals->objects++;
    bool directory = inode.attributes & FILE_ATTRIBUTE_DIRECTORY;
    *(directory ? &c->totals->directories : &c->totals->files) += 1;
    while (met(c, link_next(c->s, id, &position, &parent, &name)) == STATUS_SUCCESS) {
        struct dirent entry;
        struct str n = {name.name, name.name_len};
        if (met(c, dirent_find(c->s, parent, n, &entry)) != STATUS_SUCCESS || entry.id != id)
            report_record(c, id, "a name of this file is not in its directory");
        links++;
        plain += entry.id == id && entry.plain;
    }
    if (plain > 1)
        report_record(c, id, "more than one name of this file says that it has no reparse data");
    bool orphan = is_orphan(c, id);
    if (!orphan && links != inode.links)
        report_record(c, id, "the number of names is not the one in the inode");
    else if (!orphan && links == 0)
        report_record(c, id, "a file has no name, and is not among those to be taken apart");
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    u32 length;
    nt_status status = met(c, reparse_get(c->s, id, buffer, sizeof buffer, &length));
    bool tagged = status == STATUS_SUCCESS && length >= 4 && get_le32(buffer) == inode.reparse_tag;
    if (inode.reparse_tag != 0 ? !tagged : status != STATUS_NOT_A_REPARSE_POINT)
        report_record(c, id, "reparse data and inode disagree");
    if (status == STATUS_SUCCESS && length >= 4 && !in_tag_index(c, get_le32(buffer), id))
        report_record(c, id, "a reparse point is not in the index of tags");
    if (directory)
        return;
    check_stream(c, id, &((const struct raw_inode *)value.p)->data);
}

// Extents that have lost their stream, or not found it yet, belong to the orphan list.
static void check_orphan(struct checker *c, struct slice key, struct slice value)
{
    u64 id, next = 0;
    struct extent e;
    if (met(c, orphan_look(c->s, key, value)) != STATUS_SUCCESS)
        report_record(c, key.len == 9 + 8 ? get_be64(key.p + 9) : 0,
                      "what was deleted cannot be taken apart, and its space stays in use");
    if (orphan_is_mapped(c->s, key, value, &id))
        return;
    while (met(c, extent_find_part(c->s, id, next, 0, &e)) == STATUS_SUCCESS) {
        c->owned_extents++;
        next = MAX(e.first + e.clusters, next + 1);
    }
}

// Each piece looks for the first one, and the first one for all that it promises.
static void check_xattr(struct checker *c, u64 id, struct slice key)
{
    struct str name;
    u32 piece, length;
    if (!xattr_parse(key, &name, &piece)) {
        report_record(c, id, "an extended attribute has no proper name");
        return;
    }
    if (is_orphan(c, id))
        return;
    nt_status status = met(c, xattr_get(c->s, id, name, c->value, piece == 0 ? XATTR_VALUE_MAX : 0, &length));
    if (status != STATUS_SUCCESS)
        report_record(c, id, "an extended attribute of this file cannot be read");
    else if (piece >= xattr_pieces(length))
        report_record(c, id, "an extended attribute has more pieces than its length asks for");
}

// Does the file that a directory entry names know that name?
static bool has_link(struct checker *c, u64 id, u64 dir, struct slice folded)
{
    struct key key;
    struct record record;
    if (folded.len > TEXT_NAME_BYTES)
        return false;
    key_begin(&key, id, KIND_LINK);
    key_add_u64(&key, dir);
    key_add(&key, folded.p, folded.len);
    return met(c, tree_find(c->s, &key, TREE_EQUAL, &record)) == STATUS_SUCCESS;
}

static void check_dirent(struct checker *c, u64 dir, struct slice key, struct slice value)
{
    const struct raw_dirent *raw = (const struct raw_dirent *)value.p;
    struct inode inode;
    if (value.len <= sizeof *raw) {
        report_record(c, dir, "a directory entry has the wrong length");
        return;
    }
    u64 id = from_le64(raw->object);
    if (met(c, inode_get(c->s, id, &inode)) != STATUS_SUCCESS)
        report_record(c, dir, "a directory entry names a file that does not exist");
    else if (!!(inode.attributes & FILE_ATTRIBUTE_DIRECTORY) != raw->directory)
        report_record(c, id, "a directory entry and its inode disagree about being a directory");
    else if (!has_link(c, id, dir, (struct slice){key.p + 9, key.len - 9}))
        report_record(c, id, "a directory entry is not among the names of its file");
    else if (raw->plain == 1 && inode.reparse_tag)
        report_record(c, id, "a directory entry says that its file has no reparse data, but it has");
}

// Records of a file need its inode, but for those that are still to be taken apart. They stand together, so
// the last answers are remembered. What its names lead to is told with the directory entries.
static void check_owner(struct checker *c, u64 id, u8 kind)
{
    struct inode inode;
    bool owned = kind == KIND_STREAM || kind == KIND_REPARSE || kind == KIND_XATTR || kind == KIND_DIRENT;
    if (!owned || id == c->named || id == c->unnamed)
        return;
    bool none = met(c, inode_get(c->s, id, &inode)) == STATUS_FILE_INVALID && !is_orphan(c, id);
    *(none ? &c->unnamed : &c->named) = id;
    if (none)
        report_record(c, id,
                      kind == KIND_XATTR ? "an extended attribute belongs to no file"
                                         : "a record belongs to no file");
}

static void check_record(struct checker *c, struct slice key, struct slice value)
{
    if (key.len < 9) {
        report_record(c, 0, "a key is too short");
        return;
    }
    u64 object = get_be64(key.p);
    check_owner(c, object, key.p[8]);
    switch (key.p[8]) {
    case KIND_INODE:
        check_inode(c, object, value);
        break;
    case KIND_DIRENT:
        check_dirent(c, object, key, value);
        break;
    case KIND_STREAM:
        if (value.len > sizeof(struct raw_stream))
            check_stream(c, object, (const struct raw_stream *)value.p);
        else
            report_record(c, object, "a stream has the wrong length");
        break;
    case KIND_EXTENT:
        c->totals->extents++;
        break;
    case KIND_XATTR:
        check_xattr(c, object, key);
        break;
    case KIND_LINK:
    case KIND_REPARSE:
    case KIND_UPCASE:
    case KIND_REFS:
        break;
    case KIND_TAG:
        check_tag(c, key);
        break;
    case KIND_ORPHAN:
        check_orphan(c, key, value);
        break;
    default:
        report_record(c, object, "a record of an unknown kind");
    }
}

static void count_record(struct checker *c, struct slice key, struct slice value)
{
    if (key.len == 17 && key.p[8] == KIND_EXTENT && value.len >= sizeof(struct raw_extent)) {
        const struct raw_extent *raw = (const struct raw_extent *)value.p;
        u32 clusters = from_le32(raw->clusters);
        if (clusters <= EXTENT_CLUSTERS_MAX) // a longer one cannot be read, and is reported with its stream
            use(c, from_le64(raw->unit), (u64)clusters * c->s->cluster_units);
    }
}

// Copies that one misfortune may take together: no damage, but worth to be told.
static bool is_close(const struct store *s, const struct ptr *ptr)
{
    u64 low = MIN(ptr->addr[0], ptr->addr[1]), high = MAX(ptr->addr[0], ptr->addr[1]);
    return s->copies == 2 && high - low < space_apart(s) * s->unit;
}

static void walk_tree(struct checker *c, const struct ptr *ptr, u32 level)
{
    struct store *s = c->s;
    struct page *page;
    if (c->stopped != STATUS_SUCCESS)
        return;
    // Pages that name a page more than once would have us visit it without end.
    if (c->visits++ > s->units * s->unit / PAGE_SIZE) {
        if (c->visits == s->units * s->unit / PAGE_SIZE + 2)
            report_record(c, 0, "the tree has more pages than the volume has room for");
        return;
    }
    for (int copy = 0; copy < s->copies; copy++)
        use(c, ptr->addr[copy] / s->unit, PAGE_SIZE / s->unit);
    if (c->first_pass) {
        check_copies(c, ptr, PAGE_TREE, level);
        c->totals->close += is_close(s, ptr);
    }
    if (met(c, page_get(s, ptr, PAGE_TREE, level, &page)) != STATUS_SUCCESS)
        return;
    for (u32 i = 0; i < node_count(page->data); i++) {
        if (level > 0) {
            struct ptr child = node_child(page->data, i);
            walk_tree(c, &child, level - 1);
            continue;
        }
        count_record(c, node_key(page->data, i), node_value(page->data, i));
        if (c->first_pass)
            check_record(c, node_key(page->data, i), node_value(page->data, i));
    }
    page_put(page);
    if (c->first_pass && c->options->progress)
        c->options->progress(c->options->context, c->totals);
}

// --- space ---------------------------------------------------------------------------------------

// What a unit is by the counts and by the map.
enum { UNIT_FINE, UNIT_LOST, UNIT_IN_USE, UNIT_TWICE };

static int judge(u16 uses, bool marked, u32 count)
{
    if (uses != 0 && !marked)
        return UNIT_IN_USE;
    if (uses == 0)
        return marked ? UNIT_LOST : UNIT_FINE;
    return uses == count ? UNIT_FINE : UNIT_TWICE;
}

static void report_units(struct checker *c, int verdict, u64 unit, u64 units)
{
    static const struct {
        enum check_finding_kind kind;
        const char *text;
    } says[] = {
        [UNIT_LOST] = {CHECK_SPACE_LOST, "space is marked used that nothing uses"},
        [UNIT_IN_USE] = {CHECK_SPACE_USED, "space in use is marked free"},
        [UNIT_TWICE] = {CHECK_SPACE_USED, "space has another number of users than is counted"},
    };
    if (verdict != UNIT_FINE)
        report(c, (struct check_finding){.kind = says[verdict].kind,
                                         .offset = unit * c->s->unit,
                                         .length = units * c->s->unit,
                                         .text = says[verdict].text});
}

static void compare_region(struct checker *c, u64 region, u64 *bits)
{
    struct store *s = c->s;
    const u16 *uses = c->uses + (region - c->first_region) * SPACE_LEAF_UNITS;
    u64 base = region * SPACE_LEAF_UNITS, fixed = space_fixed_units(s, region);
    u64 mirror = s->copies == 2 ? s->mirror_gap / s->unit : 0, end = space_region_units(s, region);
    u64 run_start = 0, run_count = 0;
    int verdict = UNIT_FINE;
    u32 count = 1;
    if (met(c, space_bitmap(s, region, bits)) != STATUS_SUCCESS)
        return; // its page was reported
    for (u64 u = fixed; u <= end; u++) {
        int now = UNIT_FINE;
        bool own = mirror && u >= mirror && u < mirror + fixed;
        if (u < end && !own) {
            if (uses[u] > 0 && run_count == 0)
                if (met(c, refs_count(s, base + u, end - u, &count, &run_count)) != STATUS_SUCCESS)
                    run_count = end - u;
            now = judge(uses[u], bits[u / 64] >> (u % 64) & 1, count);
        }
        run_count -= run_count > 0 ? 1 : 0;
        if (now != verdict) {
            report_units(c, verdict, base + run_start, u - run_start);
            verdict = now;
            run_start = u;
        }
    }
    report_units(c, verdict, base + run_start, end - run_start);
}

nt_status store_check(struct store *s, const struct check_options *options, struct check_totals *totals)
{
    struct checker c = {.s = s, .options = options, .totals = totals, .first_pass = true};
    memset(totals, 0, sizeof *totals);
    if (!atomic_load(&s->readonly))
        TRY(store_commit(s));
    u64 window = MIN(s->space.regions, (u64)WINDOW_REGIONS);
    SCOPE_FREE u16 *uses = malloc(window * SPACE_LEAF_UNITS * sizeof *uses);
    SCOPE_FREE u8 *scratch = fresh_buffer(FRESH_STEP);
    SCOPE_FREE u8 *value = malloc(XATTR_VALUE_MAX);
    SCOPE_FREE u64 *bits = malloc(SPACE_LEAF_UNITS / 8);
    SCOPE_FREE struct claim *claims = malloc(CLAIMS * sizeof *claims);
    if (!uses || !scratch || !value || !bits || !claims)
        return STATUS_NO_MEMORY;
    c.claims = claims;
    c.uses = uses;
    c.scratch = scratch;
    c.value = value;
    check_supers(&c);
    check_space_page(&c, s->space.level, 0, &s->space.root);
    for (u64 region = 0; region < s->space.regions && c.stopped == STATUS_SUCCESS; region = c.end_region) {
        c.first_region = region;
        c.end_region = MIN(region + window, s->space.regions);
        memset(uses, 0, window * SPACE_LEAF_UNITS * sizeof *uses);
        c.visits = 0;
        walk_tree(&c, &s->tree.root, s->tree.level);
        if (c.first_pass)
            check_claims(&c);
        use(&c, s->log.unit, log_units(s));
        for (u64 r = region; r < c.end_region; r++)
            compare_region(&c, r, bits);
        if (c.first_pass && c.owned_extents != totals->extents)
            report_record(&c, 0, "extents that belong to no stream");
        c.first_pass = false;
    }
    TRY(c.stopped);
    return totals->findings > 0 ? STATUS_DISK_CORRUPT_ERROR : STATUS_SUCCESS;
}
