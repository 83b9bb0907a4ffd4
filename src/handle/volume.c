// SPDX-License-Identifier: Apache-2.0
// Whole volumes and texts: thin calls into the engine and the ground floor, with the public structures on one
// side and theirs on the other.
#include "handle/handle.h"

#include <stdio.h>

#include "base/text.h"
#include "engine/engine.h"

// --- format --------------------------------------------------------------------------------------

static const struct {
    const char *name;
    u64 option;
} option_names[] = {
    {"no-integrity", OPTION_NO_INTEGRITY},          {"no-reparse", OPTION_NO_REPARSE},
    {"integrity-change=any", OPTION_INTEGRITY_ANY}, {"integrity-profile=v1", OPTION_INTEGRITY_V1},
    {"integrity-echo", OPTION_INTEGRITY_ECHO},      {"setex-any", OPTION_SETEX_ANY},
};

static nt_status option_parse(struct str name, u64 *options)
{
    for (size_t i = 0; i < ARRAY_LEN(option_names); i++) {
        if (strlen(option_names[i].name) != name.len || memcmp(option_names[i].name, name.p, name.len) != 0)
            continue;
        *options |= option_names[i].option;
        return STATUS_SUCCESS;
    }
    status_set_text("there is no volume option \"%.*s\"", (int)name.len, name.p);
    return STATUS_INVALID_PARAMETER;
}

static nt_status format_options(const struct hf_format_options *options, struct store_format_options *out)
{
    const char *label = options->label ? options->label : "";
    size_t units;
    *out = (struct store_format_options){.cluster = options->cluster ? options->cluster : 4096,
                                         .copies = (u8)options->copies,
                                         .integrity = options->integrity,
                                         .options = options->case_sensitive ? OPTION_CASE_SENSITIVE : 0};
    if (options->copies > 2 || strlen(label) > STORE_LABEL_BYTES)
        return STATUS_INVALID_PARAMETER;
    out->label = (struct str){label, (u32)strlen(label)};
    TRY(text_units(out->label, &units));
    if (units > STORE_LABEL_UNITS)
        return STATUS_INVALID_PARAMETER;
    struct str rest = {options->options, options->options ? (u32)strlen(options->options) : 0}, name;
    while (path_next(&rest, ',', &name))
        if (name.len > 0)
            TRY(option_parse(name, &out->options));
    return STATUS_SUCCESS;
}

// A device that is attached already: what was mounted on it goes, and it is mounted anew at the next open.
static nt_status format_device(struct drive_entry *entry, const struct store_format_options *options)
{
    struct blk *blk;
    TRY(entry_dismount(entry));
    TRY(dev_as_blk(entry->device, &blk));
    nt_status status = store_format(blk, options);
    blk_close(blk);
    return status;
}

nt_status hf_format(const char *text, const struct hf_format_options *options)
{
    static const struct hf_format_options defaults = {0};
    struct store_format_options store_options;
    struct drive_entry *entry;
    struct spec spec;
    struct blk *blk;
    status_clear_text();
    TRY(format_options(options ? options : &defaults, &store_options));
    TRY(spec_parse(text, &spec));
    nt_status status = entry_get_exclusive((struct str){text, (u32)strlen(text)}, &entry);
    if (status == STATUS_SUCCESS) {
        status = format_device(entry, &store_options);
        entry_put_exclusive(entry);
        return status;
    }
    if (status == STATUS_SHARING_VIOLATION || status == STATUS_ACCESS_DENIED)
        return STATUS_SHARING_VIOLATION;
    TRY(blk_open(spec.backend, spec.blk_flags, &blk));
    status = store_format(blk, &store_options);
    blk_close(blk);
    return status;
}

// --- check ---------------------------------------------------------------------------------------

static const char *const finding_kinds[] = {
    [CHECK_PAGE] = "page",     [CHECK_SUPER] = "superblock",      [CHECK_DATA] = "data",
    [CHECK_RECORD] = "record", [CHECK_SPACE_LOST] = "space lost", [CHECK_SPACE_USED] = "space used"};

static void totals_out(const struct check_totals *from, struct hf_check_totals *to)
{
    *to = (struct hf_check_totals){.pages = from->pages,
                                   .objects = from->objects,
                                   .files = from->files,
                                   .directories = from->directories,
                                   .streams = from->streams,
                                   .extents = from->extents,
                                   .data_bytes = from->data_bytes,
                                   .findings = from->findings,
                                   .close = from->close};
}

static struct hf_finding finding_out(const struct check_finding *f)
{
    return (struct hf_finding){.kind = finding_kinds[f->kind],
                               .path = f->path ? f->path : "",
                               .text = f->text ? f->text : "",
                               .object = f->object,
                               .offset = f->offset,
                               .length = f->length,
                               .repairable = f->repairable,
                               .repaired = f->repaired};
}

static void on_finding(void *context, const struct check_finding *f)
{
    const struct hf_check_options *options = context;
    struct hf_finding finding = finding_out(f);
    if (options->finding)
        options->finding(options->context, &finding);
}

static void on_progress(void *context, const struct check_totals *totals)
{
    const struct hf_check_options *options = context;
    struct hf_check_totals out;
    totals_out(totals, &out);
    options->progress(options->context, &out);
}

static void on_page(void *context, u64 address, u32 kind, u32 level, u32 copy)
{
    const struct hf_check_options *options = context;
    options->page(options->context, address, kind, level, copy);
}

static nt_status check_blk(struct blk *blk, struct hf_check_options *options, struct check_totals *totals)
{
    struct store *store;
    TRY(store_open(blk, STORE_READONLY, 0, &store));
    struct check_options check = {.data = options->data,
                                  .finding = on_finding,
                                  .progress = options->progress ? on_progress : NULL,
                                  .page = options->page ? on_page : NULL,
                                  .context = options};
    nt_status status = store_check(store, &check, totals);
    nt_status closed = store_close(store);
    return status == STATUS_SUCCESS ? closed : status;
}

nt_status hf_check(const char *text, const struct hf_check_options *options, struct hf_check_totals *totals)
{
    struct hf_check_options chosen = options ? *options : (struct hf_check_options){.data = true};
    struct check_totals counted = {0};
    struct spec spec;
    struct blk *blk;
    if (totals)
        *totals = (struct hf_check_totals){0};
    status_clear_text();
    TRY(spec_parse(text, &spec));
    TRY(blk_open(spec.backend, BLK_READONLY | spec.blk_flags, &blk));
    nt_status status = check_blk(blk, &chosen, &counted);
    blk_close(blk);
    if (totals)
        totals_out(&counted, totals);
    return status;
}

// --- identify ------------------------------------------------------------------------------------

// Room for all names that there are.
static void feature_add(struct hf_identity *out, bool has, const char *name)
{
    size_t used = strlen(out->features);
    if (has)
        snprintf(out->features + used, sizeof out->features - used, "%s%s", used ? "," : "", name);
}

static void features_out(const struct store_facts *facts, struct hf_identity *out)
{
    u64 options = facts->info.options;
    feature_add(out, options & OPTION_CASE_SENSITIVE, "case-sensitive");
    feature_add(out, !(options & OPTION_NO_INTEGRITY), "integrity");
    feature_add(out, !(options & OPTION_NO_REPARSE), "reparse");
    feature_add(out, facts->posix, "posix");
    feature_add(out, facts->plain, "entry-types");
    feature_add(out, facts->log, "log");
    feature_add(out, facts->later_writer, "later-writer");
    for (size_t i = 0; i < ARRAY_LEN(option_names); i++)
        feature_add(out, options & option_names[i].option, option_names[i].name);
}

nt_status hf_identify(const char *text, struct hf_identity *out)
{
    struct store_facts facts;
    struct spec spec;
    struct blk *blk;
    *out = (struct hf_identity){0};
    status_clear_text();
    TRY(spec_parse(text, &spec));
    TRY(blk_open(spec.backend, BLK_READONLY | BLK_UNLOCKED, &blk));
    nt_status status = store_look(blk, &facts);
    blk_close(blk);
    TRY(status);
    const struct store_info *info = &facts.info;
    *out = (struct hf_identity){.generation = info->identity.generation,
                                .size = info->identity.size,
                                .free = info->free_clusters * info->cluster,
                                .created = info->created,
                                .committed = facts.committed,
                                .serial = info->identity.serial,
                                .version = facts.version,
                                .cluster = info->cluster,
                                .sector = info->sector,
                                .copies = info->copies,
                                .superblocks = facts.superblocks};
    memcpy(out->uuid, info->identity.uuid, sizeof out->uuid);
    memcpy(out->label, info->label, sizeof out->label);
    features_out(&facts, out);
    return STATUS_SUCCESS;
}

nt_status hf_dump(const char *text, enum hf_dump_what what, uint64_t address, hf_dump_fn *fn, void *context)
{
    struct spec spec;
    struct blk *blk;
    status_clear_text();
    if ((unsigned)what > HF_DUMP_PAGE || !fn)
        return STATUS_INVALID_PARAMETER;
    TRY(spec_parse(text, &spec));
    TRY(blk_open(spec.backend, BLK_READONLY | BLK_UNLOCKED, &blk));
    nt_status status = store_dump(blk, what, address, fn, context);
    blk_close(blk);
    return status;
}

// --- scrub ---------------------------------------------------------------------------------------

_Static_assert(sizeof(struct scrub_position) <= sizeof(struct hf_scrub_position), "room for a position");

static struct hf_scrub_totals scrub_totals_out(const struct scrub_totals *from)
{
    return (struct hf_scrub_totals){.bytes = from->bytes,
                                    .total_bytes = from->total_bytes,
                                    .pages = from->pages,
                                    .data_bytes = from->data_bytes,
                                    .repaired = from->repaired,
                                    .lost = from->lost};
}

static void on_scrub_finding(void *context, const struct check_finding *f)
{
    const struct hf_scrub_options *options = context;
    struct hf_finding finding = finding_out(f);
    if (options->finding)
        options->finding(options->context, &finding);
}

static bool on_scrub_progress(void *context, const struct scrub_totals *totals)
{
    const struct hf_scrub_options *options = context;
    struct hf_scrub_totals out = scrub_totals_out(totals);
    return !options->progress || options->progress(options->context, &out);
}

static nt_status scrub_blk(struct blk *blk, struct hf_scrub_options *options, struct scrub_position *position)
{
    struct store *store;
    nt_status status = store_open(blk, STORE_SCRUB, 0, &store);
    if (status == STATUS_DISK_CORRUPT_ERROR) // what cannot be written any more can still be read
        status = store_open(blk, STORE_SCRUB | STORE_READONLY, 0, &store);
    TRY(status);
    struct scrub_options scrub = {
        .finding = on_scrub_finding, .progress = on_scrub_progress, .context = options};
    status = store_scrub(store, position, &scrub);
    nt_status closed = store_close(store);
    return closed == STATUS_SUCCESS ? status : closed;
}

nt_status hf_scrub(const char *text, struct hf_scrub_position *position,
                   const struct hf_scrub_options *options, struct hf_scrub_totals *totals)
{
    struct hf_scrub_options chosen = options ? *options : (struct hf_scrub_options){0};
    struct scrub_position at = {0};
    struct spec spec;
    struct blk *blk;
    if (totals)
        *totals = (struct hf_scrub_totals){0};
    if (position)
        memcpy(&at, position->bytes, sizeof at);
    status_clear_text();
    TRY(spec_parse(text, &spec));
    nt_status status = blk_open(spec.backend, spec.blk_flags, &blk);
    if (status == STATUS_ACCESS_DENIED || status == STATUS_MEDIA_WRITE_PROTECTED)
        status = blk_open(spec.backend, BLK_READONLY | spec.blk_flags, &blk);
    TRY(status);
    status = scrub_blk(blk, &chosen, &at);
    blk_close(blk);
    if (position)
        memcpy(position->bytes, &at, sizeof at);
    if (totals)
        *totals = scrub_totals_out(&at.totals);
    return status;
}

// --- texts ---------------------------------------------------------------------------------------

const char *hf_status_name(nt_status status)
{
    return status_name(status);
}

uint32_t hf_status_to_win32(nt_status status)
{
    return status_to_win32(status);
}

int hf_status_to_errno(nt_status status)
{
    return status_to_errno(status);
}

const char *hf_error_text(void)
{
    return status_text();
}

size_t hf_trace(char *out, size_t size)
{
    return out && size > 0 ? trace_dump(out, size) : 0;
}

nt_status hf_to_utf16(const char *text, size_t bytes, void *out, size_t *units)
{
    if (bytes > UINT32_MAX)
        return STATUS_OBJECT_NAME_INVALID;
    return text_to_utf16((struct str){text, (u32)bytes}, out, units);
}

nt_status hf_from_utf16(const void *utf16, size_t units, char *out, size_t *bytes)
{
    return text_from_utf16(utf16, units, out, bytes);
}
