// SPDX-License-Identifier: Apache-2.0
// What the threads do: every kind of request on files that they share, as IRPs to the mounted volume, each
// noted with the model (promise.c) before it begins and when it has ended. And the looks at the volume
// between two lives: by a mount, by a reader who may not write, by the check.
#include "tests/sim/sim.h"

#include "engine/format.h"
#include "tests/fs/volume.h"

enum { REQUEST_MOST = 400 * BLOCK };

// --- requests ------------------------------------------------------------------------------------

static nt_status make_file(struct world *w, struct file_object *h, const char *path, u32 access,
                           u32 disposition, u32 attributes)
{
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    struct irp_reparse reparse = {.buffer = buffer};
    struct irp irp = {.major = IRP_MJ_CREATE};
    dev_reference(w->volume);
    *h = (struct file_object){.device = w->volume, .access = access, .share = VOLUME_SHARE_ALL};
    irp.p.create.path = (struct str){path, (u32)strlen(path)};
    irp.p.create.separator = '\\';
    irp.p.create.opens_root = true;
    irp.p.create.access = access;
    irp.p.create.share = VOLUME_SHARE_ALL;
    irp.p.create.disposition = disposition;
    irp.p.create.attributes = attributes;
    irp.p.create.reparse = &reparse;
    nt_status status = volume_send(h, &irp);
    if (status != STATUS_SUCCESS) {
        dev_release(h->device);
        h->device = NULL;
    }
    return status;
}

static nt_status open_file(struct world *w, struct file_object *h, const char *path, u32 access)
{
    return make_file(w, h, path, access, FILE_OPEN, 0);
}

// Only an open by path looks first which medium is in.
bool work_open_volume(struct world *w, struct file_object *h)
{
    struct irp irp = {.major = IRP_MJ_CREATE};
    if (open_file(w, h, "", FILE_READ_ATTRIBUTES) != STATUS_SUCCESS || volume_close(h) != STATUS_SUCCESS)
        return false;
    dev_reference(w->volume);
    *h = (struct file_object){.device = w->volume, .access = FILE_READ_ATTRIBUTES, .volume_open = true};
    irp.p.create.access = FILE_READ_ATTRIBUTES;
    irp.p.create.disposition = FILE_OPEN;
    nt_status status = volume_send(h, &irp);
    if (status == STATUS_SUCCESS)
        return true;
    dev_release(h->device);
    h->device = NULL;
    return false;
}

static nt_status write_part(struct file_object *h, u64 offset, const void *data, size_t length, u64 *done)
{
    struct irp irp = {.major = IRP_MJ_WRITE};
    irp.p.write.data = (void *)(uintptr_t)data;
    irp.p.write.length = length;
    irp.p.write.offset = offset;
    nt_status status = volume_send(h, &irp);
    *done = irp.information;
    return status;
}

static bool is_gone(nt_status status)
{
    return status == STATUS_OBJECT_NAME_NOT_FOUND;
}

// P10: a status has a reason.
static bool has_reason(const struct world *w, nt_status status)
{
    switch (status) {
    case STATUS_DISK_FULL:
        return w->plan->tight || world_happened(w, TROUBLE_WRITE, 0) || world_happened(w, TROUBLE_MEMORY, 0);
    case STATUS_INSUFFICIENT_RESOURCES:
    case STATUS_NO_MEMORY:
        return world_happened(w, TROUBLE_MEMORY, 0);
    case STATUS_DATA_CHECKSUM_ERROR:
    case STATUS_DISK_CORRUPT_ERROR:
    case STATUS_FILE_CORRUPT_ERROR:
        return world_happened(w, TROUBLE_CACHE, 0);
    default:
        return world_any(w, 0);
    }
}

// True: it was done.
static bool done(const struct world *w, const char *what, const struct file *f, nt_status status, u64 begin)
{
    if (status == STATUS_LOST_WRITEBEHIND_DATA)
        promise_lost(begin);
    if (status != STATUS_SUCCESS && !has_reason(w, status))
        sim_broken("P10", "%s of %s gave %s, and nothing was the matter", what, f ? f->name : "the volume",
                   status_name(status));
    return status == STATUS_SUCCESS;
}

// A copy of our medium that bears its name was in the drive: what was read or written may have been there.
static bool is_elsewhere(const struct world *w, u64 begin)
{
    return atomic_load(&w->copy_was_in) > begin;
}

static void close_file(struct worker *k, struct file_object *h, const struct file *f, u64 begin)
{
    done(k->world, "closing", f, volume_close(h), begin);
}

static enum op_state state_of(struct worker *k, const struct op *op, nt_status status)
{
    return status == STATUS_SUCCESS && !is_elsewhere(k->world, op->begin) ? OP_DONE : OP_MAYBE;
}

// --- one file ------------------------------------------------------------------------------------

static nt_status ask_size(struct file_object *h, u64 *size)
{
    FILE_STANDARD_INFORMATION info = {0};
    nt_status status = volume_query(h, FileStandardInformation, &info, sizeof info, NULL);
    *size = (u64)info.EndOfFile;
    return status;
}

// Everything behind this state is gone.
static void note_state(struct file *f, struct op *op, u64 low, u64 state)
{
    u64 size = state ? state - 1 : 0;
    state_set(f, op, low, state);
    if (size % BLOCK && size / BLOCK < f->blocks)
        block_cut(f, (u32)(size / BLOCK), op, size % BLOCK);
    blocks_clear(f, (u32)((size + BLOCK - 1) / BLOCK), f->blocks, op);
}

// What became of a change that was not told, or of a medium that was away: ask. False: no answer.
static bool make_sure(struct worker *k, struct file *f)
{
    struct file_object h;
    u64 begin = promise_tick(), size = 0, state = 0;
    if (state_is_sure(f))
        return true;
    nt_status status = open_file(k->world, &h, f->name, FILE_READ_ATTRIBUTES);
    if (status == STATUS_SUCCESS) {
        status = ask_size(&h, &size);
        state = size + 1;
        close_file(k, &h, f, begin);
    } else if (is_gone(status)) {
        status = STATUS_SUCCESS;
    }
    if (!done(k->world, "asking for the size", f, status, begin) || is_elsewhere(k->world, begin))
        return false;
    promise_state(f, begin, state);
    struct op *op = op_begin("seen");
    note_state(f, op, state, state);
    op_end(op, OP_DONE);
    f->sure = promise_tick();
    return true;
}

// A request that meets a changed medium begins again when that proves to be ours, and its status says nothing
// of what its first turn did.
static bool begins_once(const struct world *w)
{
    for (enum trouble i = TROUBLE_READ; w->plan->removable && i <= TROUBLE_CACHE; i++)
        if (world_happened(w, i, 0))
            return false;
    return true;
}

static void do_write(struct worker *k, struct file *f, struct file_object *h, u64 size)
{
    static const u32 most[] = {1, 8, 40, 400};
    u32 count = 1 + dice_below(&k->dice, most[dice_below(&k->dice, ARRAY_LEN(most))]);
    u32 first = dice_below(&k->dice, (u32)MIN(size / BLOCK + 20, (u64)f->blocks));
    count = MIN(count, f->blocks - first);
    u64 offset = (u64)first * BLOCK, end = offset + (u64)count * BLOCK, written;
    struct op *op = op_begin("write");
    for (u32 i = 0; i < count; i++) {
        u64 value = block_value(op, first + i, BLOCK);
        block_set(f, first + i, op, value);
        block_fill(value, k->data + (size_t)i * BLOCK);
    }
    // What gave it this size may be lost while the write is on its way.
    state_set(f, op, (begins_once(k->world) ? size : MIN(size, end)) + 1, MAX(size, end) + 1);
    nt_status status = write_part(h, offset, k->data, (size_t)count * BLOCK, &written);
    bool refused = status != STATUS_SUCCESS && f->summed && begins_once(k->world);
    for (u32 i = (u32)(written / BLOCK); refused && i < count; i++)
        block_refuse(f, first + i, op);
    op_end(op, refused && written == 0 ? OP_REFUSED : state_of(k, op, status));
    done(k->world, "write", f, status, op->begin);
}

static void do_size(struct worker *k, struct file *f, struct file_object *h)
{
    u64 most = (u64)f->blocks * BLOCK;
    u64 size = dice_one_in(&k->dice, 4) ? 0 : dice_below(&k->dice, (u32)most);
    FILE_END_OF_FILE_INFORMATION in = {(i64)size};
    struct op *op = op_begin("size");
    note_state(f, op, size + 1, size + 1);
    nt_status status = volume_set(h, FileEndOfFileInformation, &in, sizeof in);
    op_end(op, state_of(k, op, status));
    done(k->world, "setting the size", f, status, op->begin);
}

static void do_zero(struct worker *k, struct file *f, struct file_object *h)
{
    u32 first = dice_below(&k->dice, f->blocks), end = first + 1 + dice_below(&k->dice, f->blocks - first);
    i64 range[2] = {(i64)first * BLOCK, (i64)end * BLOCK};
    struct op *op = op_begin("zero");
    blocks_clear(f, first, end, op);
    nt_status status = volume_fsctl(h, FSCTL_SET_ZERO_DATA, range, sizeof range, NULL, 0, NULL);
    op_end(op, state_of(k, op, status));
    done(k->world, "zeroing", f, status, op->begin);
}

static void do_convert(struct worker *k, struct file *f, struct file_object *h)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER in = {
        .ChecksumAlgorithm = dice_one_in(&k->dice, 2) ? CHECKSUM_TYPE_NONE : CHECKSUM_TYPE_CRC64};
    u64 begin = promise_tick();
    if (!k->world->plan->convert || f->summed)
        return;
    nt_status status = volume_fsctl(h, FSCTL_SET_INTEGRITY_INFORMATION, &in, sizeof in, NULL, 0, NULL);
    if (status != STATUS_NOT_SUPPORTED) // it shares clusters
        done(k->world, "changing integrity", f, status, begin);
}

static void change(struct worker *k, struct file *f)
{
    struct file_object h;
    u64 begin = promise_tick();
    SCOPE_READ(&f->life);
    SCOPE_LOCK(&f->writer);
    if (!make_sure(k, f) || state_now(f) == 0)
        return;
    nt_status status = open_file(k->world, &h, f->name, FILE_READ_DATA | FILE_WRITE_DATA);
    if (!done(k->world, "opening", f, status, begin))
        return;
    for (u32 n = 1 + dice_below(&k->dice, 3); n > 0 && state_is_sure(f); n--) {
        u32 what = dice_below(&k->dice, 12);
        if (what < 7)
            do_write(k, f, &h, state_now(f) - 1);
        else if (what < 9)
            do_size(k, f, &h);
        else if (what < 11)
            do_zero(k, f, &h);
        else
            do_convert(k, f, &h);
    }
    close_file(k, &h, f, begin);
}

// --- two files -----------------------------------------------------------------------------------

static nt_status send_clone(struct file_object *to, struct file_object *from, u64 from_at, u64 to_at,
                            u64 count)
{
    DUPLICATE_EXTENTS_DATA in = {
        .SourceFileOffset = (i64)from_at, .TargetFileOffset = (i64)to_at, .ByteCount = (i64)count};
    struct irp irp = {.major = IRP_MJ_FILE_SYSTEM_CONTROL, .minor = IRP_MN_USER_FS_REQUEST};
    irp.p.control.code = FSCTL_DUPLICATE_EXTENTS_TO_FILE;
    irp.p.control.in = &in;
    irp.p.control.in_length = sizeof in;
    irp.p.control.source = from;
    return volume_send(to, &irp);
}

static void do_clone(struct worker *k, struct file *from, struct file *to)
{
    u32 cluster = k->world->plan->cluster;
    u64 from_size = state_now(from) - 1, to_size = state_now(to) - 1;
    u64 from_most = align_up(from_size, cluster) / cluster, to_most = align_up(to_size, cluster) / cluster;
    struct file_object a, b;
    u64 begin = promise_tick();
    if (from_most == 0 || to_most == 0)
        return;
    u64 from_at = dice_below(&k->dice, (u32)from_most), to_at = dice_below(&k->dice, (u32)to_most);
    u64 count = 1 + dice_below(&k->dice, (u32)MIN(from_most - from_at, to_most - to_at));
    if (!done(k->world, "opening", from,
              open_file(k->world, &a, from->name, FILE_READ_DATA | FILE_READ_ATTRIBUTES), begin))
        return;
    if (done(k->world, "opening", to, open_file(k->world, &b, to->name, FILE_WRITE_DATA), begin)) {
        struct op *op = op_begin("clone");
        for (u64 i = 0; i < count * cluster / BLOCK; i++) {
            u64 at = (to_at * cluster) / BLOCK + i, source = (from_at * cluster) / BLOCK + i;
            u64 kept = at * BLOCK < to_size ? MIN(to_size - at * BLOCK, (u64)BLOCK) : 0;
            if (kept > 0 && source < from->blocks)
                block_copy(to, (u32)at, op, from, (u32)source, (u32)kept);
            else if (kept > 0)
                block_set(to, (u32)at, op, 0);
        }
        nt_status status = send_clone(&b, &a, from_at * cluster, to_at * cluster, count * cluster);
        op_end(op, state_of(k, op, status));
        bool unlike = k->world->plan->convert && !to->summed && status == STATUS_INVALID_PARAMETER;
        if (!unlike)
            done(k->world, "cloning", to, status, op->begin);
        close_file(k, &b, to, begin);
    }
    close_file(k, &a, from, begin);
}

static void share(struct worker *k, struct file *from, struct file *to)
{
    struct file *first = from < to ? from : to, *second = from < to ? to : from;
    if (from == to || from->summed != to->summed)
        return;
    SCOPE_READ(&first->life);
    SCOPE_READ(&second->life);
    SCOPE_LOCK(&first->writer);
    SCOPE_LOCK(&second->writer);
    if (make_sure(k, from) && make_sure(k, to) && state_now(from) > 0 && state_now(to) > 0)
        do_clone(k, from, to);
}

// --- life and death of files ---------------------------------------------------------------------

static void do_make(struct worker *k, struct file *f)
{
    struct file_object h;
    struct op *op = op_begin("make");
    state_set(f, op, 1, 1);
    nt_status status = make_file(k->world, &h, f->name, FILE_WRITE_DATA, FILE_CREATE,
                                 f->summed ? FILE_ATTRIBUTE_INTEGRITY_STREAM : 0);
    op_end(op, state_of(k, op, status));
    if (!done(k->world, "making", f, status, op->begin))
        return;
    if (state_is_sure(f))
        do_write(k, f, &h, 0);
    close_file(k, &h, f, op->begin);
}

// As in Windows nobody is told when what was marked for deletion could not be deleted with its last handle.
static void do_delete(struct worker *k, struct file *f)
{
    struct file_object h;
    struct op *op = op_begin("delete");
    note_state(f, op, 0, 0);
    nt_status status = open_file(k->world, &h, f->name, DELETE);
    if (status == STATUS_SUCCESS) {
        status = volume_delete(&h);
        nt_status closed = volume_close(&h);
        status = status == STATUS_SUCCESS ? closed : status;
    }
    op_end(op, world_any(k->world, 0) ? OP_MAYBE : state_of(k, op, status));
    done(k->world, "deleting", f, status, op->begin);
}

static void live_or_die(struct worker *k, struct file *f)
{
    SCOPE_WRITE(&f->life);
    if (!make_sure(k, f))
        return;
    if (state_now(f) == 0)
        do_make(k, f);
    else if (f->index >= 4 || dice_one_in(&k->dice, 4))
        do_delete(k, f);
}

// --- readers -------------------------------------------------------------------------------------

static void check_read(struct worker *k, struct file *f, u64 begin, u64 offset, size_t length)
{
    struct file_object h;
    u64 got = 0;
    nt_status status = open_file(k->world, &h, f->name, FILE_READ_DATA);
    bool opened = status == STATUS_SUCCESS;
    if (opened) {
        status = volume_read(&h, offset, k->data, length, &got);
        close_file(k, &h, f, begin);
    }
    if (is_elsewhere(k->world, begin))
        return;
    if (status == STATUS_END_OF_FILE)
        promise_end_of_file(f, begin, offset);
    else if (!opened && is_gone(status))
        promise_state(f, begin, 0);
    else if (done(k->world, "reading", f, status, begin)) {
        promise_read(f, begin, offset, k->data, got);
        if (got < length)
            promise_state(f, begin, offset + got + 1);
    }
}

// Often where it ends, which is where most changes are.
static void look_inside(struct worker *k, struct file *f)
{
    SCOPE_READ(&f->life);
    for (u32 n = 1 + dice_below(&k->dice, 4); n > 0; n--) {
        u32 end = (u32)(state_now(f) / BLOCK), back = MIN(end, 1 + dice_below(&k->dice, 40));
        u32 first = dice_one_in(&k->dice, 2) ? end - back : dice_below(&k->dice, f->blocks);
        check_read(k, f, promise_tick(), (u64)first * BLOCK, (1 + dice_below(&k->dice, 128)) * (size_t)BLOCK);
    }
}

// --- the volume ----------------------------------------------------------------------------------

// What went wrong before a handle was opened is no news for it, so promises come from those that were there.
void work_flush(struct world *w, struct file_object *h)
{
    u64 begin = promise_tick();
    nt_status status = volume_flush(h);
    if (status == STATUS_SUCCESS && !is_elsewhere(w, begin))
        promise_flushed(begin);
    done(w, "flushing", NULL, status, begin);
}

static void flush(struct worker *k)
{
    struct file_object h;
    struct file *f = &files[dice_below(&k->dice, k->world->plan->files)];
    SCOPE_READ(&f->life);
    u64 begin = promise_tick();
    if (!dice_one_in(&k->dice, 3)) {
        work_flush(k->world, &k->volume);
    } else if (open_file(k->world, &h, f->name, FILE_WRITE_DATA) == STATUS_SUCCESS) {
        done(k->world, "flushing", f, volume_flush(&h), begin);
        close_file(k, &h, f, begin);
    }
}

struct scrubbing {
    u32 left;
};

static bool go_on(void *context, const struct scrub_totals *totals)
{
    struct scrubbing *s = context;
    (void)totals;
    return s->left-- > 0;
}

// What only the engine can be asked, on whatever is mounted.
static void use_store(struct worker *k, bool scrub)
{
    struct vcb *vcb = k->world->volume->extension;
    struct scrub_position position = {0};
    struct scrubbing s = {.left = dice_below(&k->dice, 20)};
    struct scrub_options options = {.progress = go_on, .context = &s};
    u64 begin = promise_tick();
    hold_read(&vcb->lock);
    nt_status status = STATUS_SUCCESS;
    if (vcb->state == VCB_MOUNTED && scrub)
        status = store_scrub(vcb->store, &position, &options);
    else if (vcb->state == VCB_MOUNTED)
        store_purge(vcb->store);
    hold_release(&vcb->lock);
    // What cannot be read counts as lost.
    bool lost = status == STATUS_DISK_CORRUPT_ERROR && world_happened(k->world, TROUBLE_READ, 0);
    if (status != STATUS_CANCELLED && !lost)
        done(k->world, "scrubbing", NULL, status, begin);
}

void work_thread(void *context)
{
    struct worker *k = context;
    struct world *w = k->world;
    for (u32 i = 0; i < w->plan->operations && !atomic_load(&w->dead); i++) {
        u32 what = dice_below(&k->dice, 24);
        // Half of all requests meet on few files.
        struct file *f = &files[dice_below(&k->dice, dice_one_in(&k->dice, 2) ? 3 : w->plan->files)];
        if (what < 8)
            change(k, f);
        else if (what < 15)
            look_inside(k, f);
        else if (what < 18)
            flush(k);
        else if (what < 20)
            live_or_die(k, f);
        else if (what < 22)
            share(k, f, &files[dice_below(&k->dice, w->plan->files)]);
        else
            use_store(k, what == 22);
    }
    atomic_fetch_sub(&w->working, 1);
}

// --- looks ---------------------------------------------------------------------------------------

static struct worker looker;

// A file of zeros that takes room and no memory.
static void make_ballast(struct worker *k)
{
    struct file_object h;
    u64 written;
    ASSERT(make_file(k->world, &h, "ballast", FILE_WRITE_DATA, FILE_CREATE, 0) == STATUS_SUCCESS);
    memset(k->data, 0, sizeof k->data);
    for (u64 i = 0; i < k->world->plan->ballast_mib; i++)
        if (write_part(&h, i * MIB, k->data, MIB, &written) != STATUS_SUCCESS)
            break;
    ASSERT(volume_close(&h) == STATUS_SUCCESS);
}

void work_make(struct world *w)
{
    looker = (struct worker){.world = w, .dice = w->plan->seed ^ 0x55};
    if (w->plan->ballast_mib > 0)
        make_ballast(&looker);
    for (u32 i = 0; i < w->plan->files; i++)
        if (i < 4 || i % 2)
            do_make(&looker, &files[i]);
}

// Its device lost data, and said so: what is left does not match the sums. So that later lives are held to
// what they promise, it goes.
static void remove_lost(struct world *w, struct file *f)
{
    struct file_object h;
    ASSERT(open_file(w, &h, f->name, DELETE) == STATUS_SUCCESS);
    ASSERT(volume_delete(&h) == STATUS_SUCCESS && volume_close(&h) == STATUS_SUCCESS);
    ASSERT(volume_flush(&w->anchor) == STATUS_SUCCESS);
    promise_gone(f);
}

static void look_at(struct worker *k, struct file *f)
{
    enum { STEP = 1 << 20 };
    struct file_object h;
    u64 begin = promise_tick(), size = 0, got;
    bool garbage = false;
    nt_status status = open_file(k->world, &h, f->name, FILE_READ_DATA | FILE_READ_ATTRIBUTES);
    if (is_gone(status)) {
        promise_state(f, begin, 0);
        return;
    }
    if (status == STATUS_SUCCESS)
        status = ask_size(&h, &size);
    for (u64 at = 0; at < size && status == STATUS_SUCCESS; at += STEP) {
        status = volume_read(&h, at, k->data, STEP, &got);
        if (status == STATUS_SUCCESS)
            garbage |= !promise_read(f, begin, at, k->data, got);
    }
    if (garbage || (status == STATUS_DATA_CHECKSUM_ERROR && promise_was_lost())) {
        ASSERT(volume_close(&h) == STATUS_SUCCESS);
        remove_lost(k->world, f);
        return;
    }
    if (status != STATUS_SUCCESS)
        sim_broken("P1", "%s cannot be read on a device without faults: %s", f->name, status_name(status));
    promise_state(f, begin, size + 1);
    ASSERT(volume_close(&h) == STATUS_SUCCESS);
}

void work_look(struct world *w)
{
    promise_look_begin();
    for (u32 i = 0; i < w->plan->files; i++)
        look_at(&looker, &files[i]);
    promise_look_end();
}

void work_readonly(struct world *w)
{
    struct store *s;
    struct scrub_position position = {0};
    (void)blk_ready(w->sim, NULL); // takes up an attention
    u64 written = blk_sim_count(w->sim, SIM_WRITE);
    nt_status status = store_open(w->sim, STORE_READONLY, (size_t)w->plan->cache_kib * KIB, &s);
    if (status != STATUS_SUCCESS)
        sim_broken("P5", "the volume cannot be opened for reading: %s", status_name(status));
    (void)store_sync(s);
    (void)store_commit(s);
    (void)store_scrub(s, &position, &(struct scrub_options){0});
    (void)store_close(s);
    if (blk_sim_count(w->sim, SIM_WRITE) != written)
        sim_broken("P7", "a reader who may not write wrote");
}

// --- damage --------------------------------------------------------------------------------------

struct damaging {
    u64 dice, addr[2], now[2];
    u32 seen;
};

// Any leaf of the tree, with the same odds for each.
static void choose_page(void *context, u64 address, u32 kind, u32 level, u32 copy)
{
    struct damaging *d = context;
    if (kind != PAGE_TREE || level != 0)
        return;
    d->now[copy] = address;
    if (copy == 0)
        d->seen++;
    if (copy == 0 ? dice_one_in(&d->dice, d->seen) : d->addr[0] == d->now[0])
        d->addr[copy] = address;
}

// P11: with one leaf rotten in all its copies, a reader still gets in. On a copy of the medium.
void work_damage(struct world *w)
{
    u64 size = (u64)w->plan->megabytes * MIB;
    struct damaging d = {.dice = dice_next(&w->dice)};
    struct check_options options = {.page = choose_page, .context = &d};
    struct check_totals totals;
    struct store *s;
    struct blk *b = world_copy(w, MEDIUM_OURS, size);
    nt_status status = store_open(b, STORE_READONLY, 0, &s);
    if (status == STATUS_SUCCESS) {
        (void)store_check(s, &options, &totals);
        (void)store_close(s);
        for (u32 copy = 0; copy < w->plan->copies && d.seen > 1; copy++)
            blk_sim_flip(b, 0, d.addr[copy] + 16 + dice_below(&d.dice, 8192), 1);
        status = store_open(b, STORE_READONLY, 0, &s);
        if (status == STATUS_SUCCESS)
            (void)store_close(s);
    }
    if (status != STATUS_SUCCESS)
        sim_broken(d.seen == 0 ? "P5" : "P11", "with one of %u leaves damaged a reader does not get in: %s",
                   d.seen, status_name(status));
    blk_close(b);
}

struct checking {
    u64 size, first, near, pairs;
    bool leaks;
};

static void on_page(void *context, u64 address, u32 kind, u32 level, u32 copy)
{
    struct checking *c = context;
    (void)level;
    if (copy == 0) {
        c->first = address;
        return;
    }
    u64 distance = address > c->first ? address - c->first : c->first - address;
    u64 wanted = MIN(c->size / 4, (kind == PAGE_TREE ? 1024 : 64) * MIB);
    c->pairs++;
    c->near += distance + MIB < wanted;
}

static void on_finding(void *context, const struct check_finding *f)
{
    const struct checking *c = context;
    if ((f->kind == CHECK_DATA && promise_was_lost()) || (f->kind == CHECK_SPACE_LOST && c->leaks))
        return;
    sim_broken("P9", "check: kind %d object %llu at %llu, %llu bytes, %s: %s", (int)f->kind,
               (unsigned long long)f->object, (unsigned long long)f->offset, (unsigned long long)f->length,
               f->path, f->text);
}

// Where the map of free space cannot be read, what is given back leaks, and an event tells.
static bool may_leak(const struct plan *p)
{
    return p->troubles & (1u << TROUBLE_READ | 1u << TROUBLE_READY);
}

void work_check(struct world *w)
{
    struct checking c = {.size = (u64)w->plan->megabytes * MIB, .leaks = may_leak(w->plan)};
    struct check_options options = {.data = true, .finding = on_finding, .page = on_page, .context = &c};
    struct check_totals totals;
    struct store *s;
    (void)blk_ready(w->sim, NULL);
    nt_status status = store_open(w->sim, 0, 0, &s);
    if (status == STATUS_SUCCESS) {
        status = store_check(s, &options, &totals);
        nt_status closed = store_close(s);
        status = status == STATUS_SUCCESS ? closed : status;
    }
    bool excused = status == STATUS_DISK_CORRUPT_ERROR && (promise_was_lost() || c.leaks);
    if (status != STATUS_SUCCESS && !excused)
        sim_broken("P9", "checking gave %s", status_name(status));
    if (c.near > 0 && !w->plan->tight)
        sim_broken("P8", "of %llu pages %llu have copies that lie close together",
                   (unsigned long long)c.pairs, (unsigned long long)c.near);
}
