// SPDX-License-Identifier: Apache-2.0
// Rot: on a small full volume every place in use is damaged in turn, in every way that media are known for.
// Each read then gives the right bytes or a status. Every failure names the damage; the same damage is done
// again by `rot_rot_test --only COPIES KIND OFFSET`.
//   rot_test            every sector and page, some bytes of the superblocks and of a few pages
//   rot_test --torture  every kind of damage to every sector, and every single byte of the image
#include "tests/rot/sample.h"

#include <signal.h>
#include <unistd.h>

#include "block/blk_sim.h"
#include "engine/format.h"

enum { SECTOR = 512, CLUSTER = 4096, CACHE = 4 * 1024 * 1024, PATIENCE = 60 };

enum place_kind { PLACE_FREE, PLACE_SUPER, PLACE_PAGE, PLACE_DATA };
struct place {
    u8 kind; // enum place_kind
    u8 copy;
    u16 page; // number of the metadata page
};

enum damage_kind { FLIP, ZERO, SWAP, OLDER, KINDS };
static const char *const damage_names[] = {"flip", "zero", "swap", "older"};

struct rot {
    struct blk *blk;
    u64 size;
    u8 copies;
    u8 *image, *older;
    struct place *places; // of each sector
    u32 pages;
    struct sample sample;
    u64 damages, errors;
};

static struct {
    bool torture, only;
    u8 copies;
    u32 kind;
    u64 offset;
} chosen;

// --- naming the damage when even the test program dies of it -------------------------------------

static char damage_text[100];

static void on_signal(int number)
{
    static const char hang[] = "# never ends: ", crash[] = "# crashes: ";
    const char *what = number == SIGALRM ? hang : crash;
    ssize_t ignored = write(STDOUT_FILENO, what, strlen(what));
    ignored = write(STDOUT_FILENO, damage_text, strlen(damage_text));
    ignored = write(STDOUT_FILENO, "\n", 1);
    _exit(ignored == 1 ? 1 : 2);
}

// --- the volume ----------------------------------------------------------------------------------

static void mark(struct rot *r, u64 offset, u64 length, struct place place)
{
    for (u64 at = offset / SECTOR; at < (offset + length + SECTOR - 1) / SECTOR; at++)
        r->places[at] = place;
}

static void on_page(void *context, u64 address, u32 kind, u32 level, u32 copy)
{
    struct rot *r = context;
    (void)kind, (void)level;
    r->pages += copy == 0;
    mark(r, address, PAGE_SIZE, (struct place){PLACE_PAGE, (u8)copy, (u16)r->pages});
}

static void mark_stream(struct rot *r, struct store *s, u64 id, const struct sample_stream *stream)
{
    struct stream *m;
    assert_ok(stream_open(s, id, (struct str){stream->name, (u32)strlen(stream->name)}, &m));
    for (u64 at = 0, device, length; at < stream->info.size; at += length) {
        assert_ok(stream_map(m, at, &device, &length));
        if (device != UINT64_MAX)
            mark(r, device, align_up(length, CLUSTER),
                 (struct place){PLACE_DATA, 0, 0}); // sums cover it whole
    }
    stream_close(m);
}

static void find_places(struct rot *r, struct store *s)
{
    struct raw_super super;
    struct check_totals totals;
    struct check_options options = {.data = true, .page = on_page, .context = r};
    r->places = calloc(r->size / SECTOR, sizeof *r->places);
    assert_ok(store_check(s, &options, &totals));
    memcpy(&super, r->image, sizeof super);
    for (u32 copy = 0; copy < r->copies; copy++)
        for (u32 slot = 0; slot < 2; slot++)
            mark(r, slot * SUPER_SPACING + copy * from_le64(super.mirror_gap), SUPER_SIZE,
                 (struct place){PLACE_SUPER, (u8)copy, (u16)(10000 + slot)});
    for (u32 i = 0; i < r->sample.count; i++)
        for (u32 n = 0; n < r->sample.objects[i].stream_count; n++)
            mark_stream(r, s, r->sample.objects[i].inode.id, &r->sample.objects[i].streams[n]);
}

static void rot_make(struct rot *r, u8 copies)
{
    struct store_format_options format = {
        .cluster = CLUSTER, .copies = copies, .options = copies == 1 ? OPTION_CASE_SENSITIVE : 0};
    struct store *s;
    *r = (struct rot){.size = (copies == 2 ? 6 : 4) * MIB, .copies = copies};
    r->image = malloc(r->size);
    r->older = malloc(r->size);
    assert_ok(blk_sim_new(r->size, 0, &r->blk));
    assert_ok(store_format(r->blk, &format));
    assert_ok(store_open(r->blk, 0, CACHE, &s));
    sample_fill(s, 0);
    assert_ok(blk_pread(r->blk, r->older, r->size, 0, NULL));
    sample_fill(s, 1);
    sample_fill(s, 2);
    // With one copy a damaged newest superblock means the commit before: make that one hold the same.
    assert_ok(store_set_label(s, (struct str){"rot", 3}));
    assert_ok(store_close(s));
    assert_ok(blk_pread(r->blk, r->image, r->size, 0, NULL));
    assert_ok(store_open(r->blk, STORE_READONLY, CACHE, &s));
    sample_take(s, &r->sample);
    find_places(r, s);
    assert_ok(store_close(s));
}

static void rot_free(struct rot *r)
{
    print_message("# %llu damages, %llu reads said so\n", (unsigned long long)r->damages,
                  (unsigned long long)r->errors);
    sample_free(&r->sample);
    blk_close(r->blk);
    free(r->places);
    free(r->image);
    free(r->older);
}

// --- damage and its judge ------------------------------------------------------------------------

struct damage {
    enum damage_kind kind;
    u64 offset, other; // other: the place that a swap gives its bytes to
    u32 length;
    u8 mask; // of a flip
};

static const struct place *place_at(const struct rot *r, u64 offset)
{
    return &r->places[offset / SECTOR];
}

// Damage to one copy of metadata of which there is another.
static bool is_harmless(const struct rot *r, const struct damage *d)
{
    const struct place *a = place_at(r, d->offset), *b = place_at(r, d->other);
    if (r->copies != 2 || a->kind == PLACE_DATA)
        return false;
    if (d->kind != SWAP)
        return true;
    return b->kind != PLACE_DATA && !(a->page == b->page && a->copy != b->copy);
}

// False: the bytes are the same afterwards.
static bool inflict(struct rot *r, const struct damage *d)
{
    static const u8 zeros[PAGE_SIZE];
    const u8 *bytes = r->image + d->offset;
    u8 flipped = bytes[0] ^ d->mask;
    switch (d->kind) {
    case FLIP:
        bytes = &flipped;
        break;
    case ZERO:
        bytes = zeros;
        break;
    case SWAP:
        bytes = r->image + d->other;
        break;
    case OLDER:
    case KINDS:
        bytes = r->older + d->offset;
    }
    if (memcmp(bytes, r->image + d->offset, d->length) == 0)
        return false;
    assert_ok(blk_pwrite(r->blk, bytes, d->length, d->offset, NULL));
    if (d->kind == SWAP)
        assert_ok(blk_pwrite(r->blk, r->image + d->offset, d->length, d->other, NULL));
    return true;
}

static void judge(struct rot *r, const struct damage *d, enum sample_depth depth)
{
    struct verdict v = {0};
    struct store *s;
    bool harmless = is_harmless(r, d), data = place_at(r, d->offset)->kind == PLACE_DATA ||
                                              (d->kind == SWAP && place_at(r, d->other)->kind == PLACE_DATA);
    snprintf(damage_text, sizeof damage_text, "%u bytes: repeat: rot_rot_test --only %u %s %llu", d->length,
             r->copies, damage_names[d->kind], (unsigned long long)d->offset);
    if (!inflict(r, d))
        return;
    alarm(PATIENCE);
    nt_status status = store_open(r->blk, STORE_READONLY, CACHE, &s);
    if (status == STATUS_SUCCESS) {
        sample_compare(s, &r->sample, depth, &v);
        assert_ok(store_close(s));
    } else {
        v.errors++;
        if (!sample_may_say(status))
            snprintf(v.wrong, sizeof v.wrong, "opening gave %s", test_status_name(status));
    }
    alarm(0);
    r->damages++;
    r->errors += v.errors;
    // A cluster may belong to two files, and a swap damages two places.
    bool stale = v.stale > (data ? 4ull * d->length : 0);
    if (v.wrong[0] || stale || (harmless && v.errors > 0))
        fail_msg("%s: %s", damage_text,
                 v.wrong[0] ? v.wrong
                 : stale    ? "more bytes differ than were damaged"
                            : "a good copy was not used");
    assert_ok(blk_pwrite(r->blk, r->image + d->offset, d->length, d->offset, NULL));
    if (d->kind == SWAP)
        assert_ok(blk_pwrite(r->blk, r->image + d->other, d->length, d->other, NULL));
}

static u64 scatter(u64 n)
{
    return (n + 1) * 0x9E3779B97F4A7C15ull >> 17;
}

// Another place in use, far enough away to be swapped with.
static u64 partner(const struct rot *r, u64 offset, u32 length)
{
    u64 count = r->size / length;
    for (u64 n = scatter(offset);; n++) {
        u64 other = n % count * length;
        if (other != offset && place_at(r, other)->kind != PLACE_FREE)
            return other;
    }
}

static void damage_place(struct rot *r, u64 offset, u32 length, enum damage_kind kind)
{
    struct damage d = {.kind = kind, .offset = offset, .other = offset, .length = length};
    if (chosen.only && (chosen.kind != kind || chosen.offset != offset))
        return;
    if (kind == SWAP)
        d.other = partner(r, offset, length);
    if (kind == FLIP && !chosen.only) {
        d.offset += scatter(offset + 1) % length;
        d.mask = (u8)(1u << scatter(d.offset) % 8); // as damage_byte would
        d.length = 1;
    }
    d.other = kind == SWAP ? d.other : d.offset;
    judge(r, &d, SAMPLE_DATA);
}

// File data is most of the volume: there each place gets one kind of damage, in turn.
static void damage_places(struct rot *r, u32 length)
{
    for (u64 offset = 0; offset < r->size; offset += length) {
        const struct place *place = place_at(r, offset);
        bool all = chosen.torture || chosen.only || place->kind != PLACE_DATA;
        for (u32 kind = 0; kind < KINDS && place->kind != PLACE_FREE; kind++)
            if (all || kind == offset / length % KINDS)
                damage_place(r, offset, length, (enum damage_kind)kind);
    }
}

static void damage_byte(struct rot *r, u64 offset)
{
    struct damage d = {FLIP, offset, offset, 1, (u8)(1u << scatter(offset) % 8)};
    if (chosen.only && (chosen.kind != FLIP || chosen.offset != offset))
        return;
    bool data = place_at(r, offset)->kind == PLACE_DATA;
    judge(r, &d, data || chosen.torture ? SAMPLE_DATA : SAMPLE_NAMES);
}

// Bytes of all superblocks and of the root page and two others; in torture of everything in use.
static void damage_bytes(struct rot *r)
{
    u32 step = chosen.torture || chosen.only ? 1 : 11;
    for (u64 offset = 0; offset < r->size; offset++) {
        const struct place *place = place_at(r, offset);
        bool few = place->kind == PLACE_SUPER || (place->kind == PLACE_PAGE && place->page <= 3);
        // The head of a page and the fields of a superblock one by one, the rest in steps.
        bool chosen_byte = offset % SUPER_SIZE < 320 || offset % step == 0;
        if (place->kind != PLACE_FREE && (chosen.torture || chosen.only || (few && chosen_byte)))
            damage_byte(r, offset);
    }
}

static void run(u8 copies, void (*sweep)(struct rot *r))
{
    struct rot r;
    if (chosen.only && chosen.copies != copies)
        skip();
    rot_make(&r, copies);
    sweep(&r);
    rot_free(&r);
}

static void sweep_sectors(struct rot *r)
{
    damage_places(r, SECTOR);
}
static void sweep_pages(struct rot *r)
{
    damage_places(r, SUPER_SIZE);
    damage_places(r, PAGE_SIZE);
}

static void two_copies_sectors(void **state)
{
    (void)state;
    run(2, sweep_sectors);
}
static void two_copies_pages(void **state)
{
    (void)state;
    run(2, sweep_pages);
}
static void two_copies_bytes(void **state)
{
    (void)state;
    run(2, damage_bytes);
}
static void one_copy_sectors(void **state)
{
    (void)state;
    run(1, sweep_sectors);
}
static void one_copy_pages(void **state)
{
    (void)state;
    run(1, sweep_pages);
}
static void one_copy_bytes(void **state)
{
    (void)state;
    run(1, damage_bytes);
}

static bool parse(int argc, char **argv)
{
    chosen.torture = argc == 2 && strcmp(argv[1], "--torture") == 0;
    chosen.only = argc == 5 && strcmp(argv[1], "--only") == 0;
    if (!chosen.only)
        return argc == 1 || chosen.torture;
    chosen.copies = (u8)strtoul(argv[2], NULL, 10);
    chosen.offset = strtoull(argv[4], NULL, 10);
    for (; chosen.kind < KINDS; chosen.kind++)
        if (strcmp(damage_names[chosen.kind], argv[3]) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fputs("usage: rot_test [--torture | --only COPIES KIND OFFSET]\n", stderr);
        return 2;
    }
    signal(SIGALRM, on_signal);
    signal(SIGSEGV, on_signal);
    signal(SIGABRT, on_signal);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_copies_sectors), cmocka_unit_test(two_copies_pages),
        cmocka_unit_test(two_copies_bytes),   cmocka_unit_test(one_copy_sectors),
        cmocka_unit_test(one_copy_pages),     cmocka_unit_test(one_copy_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
