// SPDX-License-Identifier: Apache-2.0
// Superblocks: two slots that commits use in turn, each in as many copies as the volume has of its metadata.
// The newest valid one is the volume's state. The slots of the second copy lie mirror_gap further.
#include "engine/super.h"
#include "engine/store.h"

enum { GAP_STEP = SUPER_SPACING };
#define GAP_MAX (64 * MIB)

u64 super_mirror_gap(u64 size)
{
    return MIN(align_down(size / 4, GAP_STEP), GAP_MAX);
}

u64 super_place(const struct raw_super *super, u32 slot, u32 copy)
{
    return (u64)slot * SUPER_SPACING + (copy ? from_le64(super->mirror_gap) : 0);
}

static u64 super_sum(const struct raw_super *super)
{
    return sum_crc64(super, offsetof(struct raw_super, sum));
}

bool super_check(const struct raw_super *super)
{
    u32 unit = from_le32(super->unit_size), cluster = from_le32(super->cluster_size);
    u64 units = from_le64(super->units), gap = from_le64(super->mirror_gap), bytes;
    if (memcmp(super->magic, SUPER_MAGIC, sizeof super->magic) != 0 ||
        from_le64(super->sum) != super_sum(super))
        return false;
    if (from_le32(super->version) != FORMAT_VERSION || from_le32(super->page_size) != PAGE_SIZE)
        return false;
    if ((cluster != 4096 && cluster != 65536) || unit != MIN(cluster, (u32)PAGE_SIZE))
        return false;
    if (units == 0 || units % GROUP_UNITS != 0 || mul_overflows(units, unit, &bytes) || bytes > INT64_MAX)
        return false;
    if (bytes < STORE_SIZE_MIN(cluster) / 2 || from_le64(super->free) > units)
        return false;
    if (from_le64(super->groups) > from_le64(super->free) / GROUP_UNITS ||
        from_le64(super->space.free) != from_le64(super->free) ||
        from_le64(super->space.groups) != from_le64(super->groups))
        return false;
    if (from_le64(super->generation) == UINT64_MAX) // there is a next one
        return false;
    if (units != space_round_units(units, unit, gap) || from_le64(super->next_object) < OBJECT_FIRST ||
        from_le64(super->tree.birth) > from_le64(super->generation) ||
        from_le64(super->space.birth) > from_le64(super->generation))
        return false;
    if (super->copies < 1 || super->copies > 2 || super->tree_level >= TREE_LEVELS_MAX ||
        super->label_length > sizeof super->label)
        return false;
    if (!log_check_super(super))
        return false;
    bool gap_fits = is_aligned(gap, GAP_STEP) && gap >= SUPER_AREA * 4 && gap <= GAP_MAX && gap < bytes / 2;
    return super->copies == 1 ? gap == 0 : gap_fits;
}

bool super_is_before(const struct raw_super *there, u64 generation, const u8 uuid[16])
{
    static const struct raw_super nothing;
    if (generation <= 2)
        return memcmp(there, &nothing, sizeof nothing) == 0;
    return from_le64(there->generation) == generation - 2 && memcmp(there->uuid, uuid, 16) == 0 &&
           super_check(there);
}

// What was found of a volume's superblocks.
struct search {
    const struct io *io;
    u64 size;
    struct raw_super newest;
    bool ours;               // something looked like a superblock
    bool known[2];           // by slot: a copy of it is valid
    bool blank[2];           // by slot: a copy of it holds nothing
    nt_status unreadable[2]; // by slot: why a copy of it cannot be read now
};

// Look at one place; remember the newest valid superblock.
static nt_status look(struct search *f, u32 slot, u64 at, bool mirror)
{
    static const struct raw_super nothing;
    struct raw_super super;
    if (at + sizeof super > f->size)
        return STATUS_SUCCESS;
    nt_status status = io_read(f->io, &super, sizeof super, at);
    if (status_is_unreadable(status)) {
        f->unreadable[slot] = status;
        return STATUS_SUCCESS;
    }
    TRY(status);
    f->ours |= memcmp(super.magic, SUPER_MAGIC, sizeof super.magic) == 0;
    u32 own = (u32)(from_le64(super.generation) % 2);
    bool valid = super_check(&super) && super_place(&super, own, mirror) == at;
    if (valid)
        f->known[own] = true;
    else if (memcmp(&super, &nothing, sizeof super) == 0)
        f->blank[slot] = true;
    if (valid && from_le64(super.generation) > from_le64(f->newest.generation))
        f->newest = super;
    return STATUS_SUCCESS;
}

static nt_status look_at_both(struct search *f, u64 gap)
{
    for (u32 slot = 0; slot < 2; slot++)
        TRY(look(f, slot, gap + slot * SUPER_SPACING, gap != 0));
    return STATUS_SUCCESS;
}

static nt_status first_unreadable(const struct search *f, const bool known[2])
{
    for (u32 slot = 0; slot < 2; slot++)
        if (!known[slot] && f->unreadable[slot] != STATUS_SUCCESS)
            return f->unreadable[slot];
    return STATUS_SUCCESS;
}

// The start of the volume tells nothing: its second copies are at the distance of a volume of this size, or
// at another one. A device that cannot read is not asked for all of them.
static nt_status search_copies(struct search *f)
{
    static const bool none[2];
    TRY(look_at_both(f, super_mirror_gap(f->size)));
    for (u64 gap = GAP_STEP; f->newest.copies == 0 && gap <= GAP_MAX + GAP_STEP && gap < f->size;
         gap += GAP_STEP) {
        struct search one = {.io = f->io, .size = f->size};
        TRY(look(&one, 0, gap, true));
        TRY(first_unreadable(&one, none));
        f->ours |= one.ours;
        f->newest = one.newest;
    }
    return f->newest.copies ? look_at_both(f, from_le64(f->newest.mirror_gap)) : STATUS_SUCCESS;
}

nt_status super_read(const struct io *io, struct raw_super *super, nt_status *hidden)
{
    static const bool none[2];
    struct search f = {.io = io, .size = blk_size(io->blk)};
    *hidden = STATUS_SUCCESS;
    TRY(look_at_both(&f, 0));
    if (from_le64(f.newest.mirror_gap) != 0)
        TRY(look_at_both(&f, from_le64(f.newest.mirror_gap)));
    else if (f.newest.copies == 0 && (f.ours || first_unreadable(&f, none) != STATUS_SUCCESS))
        TRY(search_copies(&f));
    if (f.newest.copies == 0) {
        TRY(first_unreadable(&f, none));
        status_set_text(f.ours ? "every superblock is damaged" : "not a Holdfast volume");
        return f.ours ? STATUS_DISK_CORRUPT_ERROR : STATUS_UNRECOGNIZED_VOLUME;
    }
    if (from_le64(f.newest.incompat) & ~FEATURES_KNOWN) {
        status_set_text("the volume uses features this version does not know");
        return STATUS_VOLUME_NOT_UPGRADED;
    }
    u64 bytes = from_le64(f.newest.units) * from_le32(f.newest.unit_size);
    if (bytes > f.size) {
        status_set_text("the volume has %llu bytes but its image only %llu", (unsigned long long)bytes,
                        (unsigned long long)f.size);
        return STATUS_DISK_CORRUPT_ERROR;
    }
    for (u32 slot = 0; slot < 2; slot++) // nothing was there yet
        f.known[slot] |= f.blank[slot] && from_le64(f.newest.generation) == 1;
    *hidden = first_unreadable(&f, f.known);
    *super = f.newest;
    return STATUS_SUCCESS;
}

nt_status store_look(struct blk *b, struct store_facts *facts)
{
    struct raw_super super, there;
    struct io io;
    nt_status hidden;
    memset(facts, 0, sizeof *facts);
    io_init(&io, b);
    TRY(super_read(&io, &super, &hidden));
    (void)hidden; // what is known is reported
    u32 slot = (u32)(from_le64(super.generation) % 2), cluster = from_le32(super.cluster_size);
    struct store_info *info = &facts->info;
    memcpy(info->identity.uuid, super.uuid, sizeof info->identity.uuid);
    memcpy(info->label, super.label, super.label_length);
    info->identity.serial = from_le32(super.serial);
    info->identity.generation = from_le64(super.generation);
    info->identity.size = from_le64(super.units) * from_le32(super.unit_size);
    info->options = from_le64(super.options);
    info->cluster = cluster;
    info->sector = b->sector;
    info->copies = super.copies;
    info->created = from_le64(super.created);
    info->total_clusters = info->identity.size / cluster;
    info->free_clusters = from_le64(super.free) * from_le32(super.unit_size) / cluster;
    facts->version = from_le32(super.version);
    facts->posix = from_le64(super.ro_compat) & FEATURE_POSIX;
    facts->plain = from_le64(super.ro_compat) & FEATURE_PLAIN;
    facts->log = from_le64(super.incompat) & FEATURE_LOG;
    facts->later_writer = from_le64(super.ro_compat) & ~WRITER_FEATURES_KNOWN;
    facts->committed = from_le64(super.committed);
    for (u32 copy = 0; copy < super.copies; copy++) {
        nt_status status = io_read(&io, &there, sizeof there, super_place(&super, slot, copy));
        facts->superblocks +=
            status == STATUS_SUCCESS && (memcmp(&there, &super, sizeof there) == 0 ||
                                         super_is_before(&there, from_le64(super.generation), super.uuid));
    }
    return STATUS_SUCCESS;
}

nt_status super_write(struct io *io, struct raw_super *super)
{
    u32 slot = (u32)(from_le64(super->generation) % 2);
    super->sum = to_le64(super_sum(super));
    for (u32 copy = 0; copy < super->copies; copy++)
        TRY(io_write(io, super, sizeof *super, super_place(super, slot, copy)));
    return STATUS_SUCCESS;
}

nt_status super_settle(struct store *s, struct raw_super *super)
{
    u32 slot = (u32)(from_le64(super->generation) % 2);
    for (u32 copy = 0; copy < super->copies; copy++) {
        struct raw_super there;
        u64 at = super_place(super, slot, copy);
        nt_status status = io_read(&s->io, &there, sizeof there, at);
        if (status == STATUS_SUCCESS && memcmp(&there, super, sizeof there) == 0)
            continue;
        bool damaged = status != STATUS_SUCCESS || !super_is_before(&there, s->durable, s->uuid);
        // A place that cannot be written is the next commit's trouble, and a check reports it.
        if (io_write(&s->io, super, sizeof *super, at) == STATUS_SUCCESS)
            atomic_fetch_add(&s->repairs, damaged);
    }
    return io_flush(&s->io);
}

nt_status super_erase(struct io *io, u64 mirror_gap)
{
    static const struct raw_super zeros;
    for (u32 copy = 0; copy < (mirror_gap ? 2u : 1u); copy++)
        for (u64 slot = 0; slot < 2; slot++)
            TRY(io_write(io, &zeros, sizeof zeros, slot * SUPER_SPACING + copy * mirror_gap));
    return STATUS_SUCCESS;
}
