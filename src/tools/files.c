// SPDX-License-Identifier: Apache-2.0
// Commands on files inside one volume: ls, tree, cat, rm, mv, mkdir, stat, df. What only looks attaches
// the image read-only, so that several can run at once.
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

static struct json_object *entry_json(const char *name, const struct hf_stat *st)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "name", name);
    json_add_stat(object, st);
    return object;
}

// " -> target" of the link that t names, when it is one we can read.
static void link_print(const struct target *t, const struct hf_stat *st)
{
    hf_handle h;
    union reparse_buffer buffer;
    size_t length;
    if (!is_link(st) || target_open(t, 0, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h) != STATUS_SUCCESS)
        return;
    if (reparse_read(h, &buffer, &length) == STATUS_SUCCESS) {
        char *text = reparse_posix_target(&buffer, length);
        if (text) {
            fputs(" -> ", stdout);
            out_name(text);
        } else {
            printf(" -> tag 0x%08x", buffer.data.ReparseTag);
        }
        free(text);
    }
    handle_close(t, h);
}

// --- ls ------------------------------------------------------------------------------------------

static void ls_entry(struct target *t, const char *name, const struct hf_stat *st, bool detailed,
                     struct json_object *array)
{
    if (array) {
        json_object_array_add(array, entry_json(name, st));
        return;
    }
    if (detailed) {
        struct time_text time = time_text(st->written);
        printf("%s %12llu %.10s %.8s ", attributes_text(st->attributes), (unsigned long long)st->size,
               time.text, time.text + 11);
    }
    out_name(name);
    if (detailed)
        link_print(t, st);
    putchar('\n');
}

static void ls_target(struct target *t, bool detailed, struct json_object *array)
{
    hf_handle h;
    nt_status status = target_open(t, FILE_LIST_DIRECTORY, FILE_OPEN, 0, &h);
    if (status != STATUS_SUCCESS) // a dangling link, a rotten target: show the thing itself
        status = target_open(t, 0, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot open");
        return;
    }
    struct hf_stat st;
    struct listing l = {0};
    status = hf_stat(h, &st);
    if (status == STATUS_SUCCESS && !is_directory(&st))
        ls_entry(t, target_basename(t), &st, detailed, array);
    else if (status == STATUS_SUCCESS)
        status = listing_read(h, &l);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(t), status, "cannot list");
    handle_close(t, h);
    for (size_t i = 0; i < l.count; i++) {
        size_t length = target_push(t, l.entries[i].name);
        ls_entry(t, l.entries[i].name, &l.entries[i].stat, detailed, array);
        target_pop(t, length);
    }
    listing_free(&l);
}

void command_ls(const struct args *args)
{
    bool detailed = option_given(args, "long");
    struct json_object *array = option_given(args, "json") ? json_object_new_array() : NULL;
    for (int i = 0; i < args->count; i++) {
        struct target t;
        target_parse(&t, args->words[i], TARGET_PATH);
        if (target_attach(&t, ATTACH_READ)) {
            if (args->count > 1 && !array)
                printf("%s%s:\n", i ? "\n" : "", args->words[i]);
            ls_target(&t, detailed, array);
        }
        target_free(&t);
    }
    if (array)
        out_json(array);
}

// --- tree ----------------------------------------------------------------------------------------

struct level {
    const struct level *up;
    bool last; // of its siblings: no line goes on below it
};

static void indent_print(const struct level *level)
{
    if (level) {
        indent_print(level->up);
        fputs(level->last ? "    " : "│   ", stdout);
    }
}

static void tree_below(struct target *t, const struct level *up, struct json_object *array)
{
    hf_handle h;
    struct listing l = {0};
    nt_status status = target_open(t, FILE_LIST_DIRECTORY, FILE_OPEN, 0, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot open");
        return;
    }
    status = listing_read(h, &l);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(t), status, "cannot list");
    handle_close(t, h);
    for (size_t i = 0; i < l.count; i++) {
        const struct entry *e = &l.entries[i];
        struct level level = {up, i + 1 == l.count};
        size_t length = target_push(t, e->name);
        struct json_object *object = NULL, *children = NULL;
        if (array) {
            json_object_array_add(array, object = entry_json(e->name, &e->stat));
        } else {
            indent_print(up);
            fputs(level.last ? "└── " : "├── ", stdout);
            out_name(e->name);
            link_print(t, &e->stat);
            putchar('\n');
        }
        if (is_directory(&e->stat)) {
            if (object)
                json_object_object_add(object, "children", children = json_object_new_array());
            tree_below(t, &level, children);
        }
        target_pop(t, length);
    }
    listing_free(&l);
}

void command_tree(const struct args *args)
{
    struct target t;
    target_parse(&t, args->words[0], TARGET_PATH);
    if (target_attach(&t, ATTACH_READ)) {
        struct json_object *array = option_given(args, "json") ? json_object_new_array() : NULL;
        if (!array) {
            out_name(args->words[0]);
            putchar('\n');
        }
        tree_below(&t, NULL, array);
        if (array)
            out_json(array);
    }
    target_free(&t);
}

// --- cat -----------------------------------------------------------------------------------------

static void cat_target(const struct target *t, uint64_t offset, uint64_t left)
{
    hf_handle h;
    nt_status status = target_open(t, FILE_READ_DATA, FILE_OPEN, FILE_NON_DIRECTORY_FILE, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot open");
        return;
    }
    unsigned char *buffer = memory(COPY_SIZE);
    while (left > 0) {
        size_t done, wanted = left < COPY_SIZE ? (size_t)left : COPY_SIZE;
        status = data_read(h, offset, buffer, wanted, &done);
        if (status != STATUS_SUCCESS)
            fail_status(target_shown(t), status, "cannot read at offset %llu", (unsigned long long)offset);
        if (done == 0 || fwrite(buffer, 1, done, stdout) != done)
            break;
        offset += done;
        left -= done;
    }
    free(buffer);
    handle_close(t, h);
}

void command_cat(const struct args *args)
{
    uint64_t offset = option_number(args, "offset", 0), length = option_number(args, "length", UINT64_MAX);
    for (int i = 0; i < args->count; i++) {
        struct target t;
        target_parse(&t, args->words[i], TARGET_PATH);
        target_stream(&t, option_value(args, "stream"));
        if (target_attach(&t, ATTACH_READ))
            cat_target(&t, offset, length);
        target_free(&t);
    }
}

// --- rm ------------------------------------------------------------------------------------------

struct rm {
    bool recursive, force;
};

static nt_status attributes_clear_readonly(struct target *t, const struct hf_stat *st)
{
    hf_handle h;
    nt_status status = target_open(t, FILE_WRITE_ATTRIBUTES, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
    if (status != STATUS_SUCCESS)
        return status;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = st->attributes & ~FILE_ATTRIBUTE_READONLY};
    if (!basic.FileAttributes)
        basic.FileAttributes = FILE_ATTRIBUTE_NORMAL;
    status = hf_set(h, FileBasicInformation, &basic, sizeof basic);
    handle_close(t, h);
    return status;
}

static void rm_target(const struct rm *rm, struct target *t)
{
    hf_handle h;
    struct hf_stat st;
    struct listing l = {0};
    nt_status status = target_open(t, DELETE | FILE_LIST_DIRECTORY, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND && rm->force)
        return;
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot open");
        return;
    }
    status = hf_stat(h, &st);
    if (status == STATUS_SUCCESS && is_directory(&st) && rm->recursive)
        status = listing_read(h, &l);
    for (size_t i = 0; i < l.count; i++) {
        size_t length = target_push(t, l.entries[i].name);
        rm_target(rm, t);
        target_pop(t, length);
    }
    listing_free(&l);
    if (status == STATUS_SUCCESS && st.attributes & FILE_ATTRIBUTE_READONLY && rm->force)
        status = attributes_clear_readonly(t, &st);
    if (status == STATUS_SUCCESS && is_directory(&st) && !rm->recursive)
        fail_text(target_shown(t), "is a directory: use -r");
    else if (status == STATUS_SUCCESS)
        status = hf_delete(h);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(t), status, "cannot remove");
    handle_close(t, h);
}

void command_rm(const struct args *args)
{
    struct rm rm = {option_given(args, "recursive"), option_given(args, "force")};
    for (int i = 0; i < args->count; i++) {
        struct target t;
        target_parse(&t, args->words[i], TARGET_PATH);
        target_stream(&t, option_value(args, "stream"));
        if (target_attach(&t, ATTACH_WRITE))
            rm_target(&rm, &t);
        target_free(&t);
    }
}

// --- mv, mkdir -----------------------------------------------------------------------------------

static void mv_target(const struct target *from, struct target *to, bool into, bool replace)
{
    hf_handle h;
    nt_status status = target_open(from, DELETE, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(from), status, "cannot open");
        return;
    }
    size_t length = to->length;
    if (into)
        target_push(to, target_basename(from));
    status = hf_rename(h, NULL, to->name, replace);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(to), status, "cannot move %s here", target_basename(from));
    target_pop(to, length);
    handle_close(from, h);
}

void command_mv(const struct args *args)
{
    struct target to;
    int last = args->count - 1;
    target_parse(&to, args->words[last], TARGET_PATH);
    bool attached = target_attach(&to, ATTACH_WRITE), into = attached && target_is_directory(&to);
    if (attached && last > 1 && !into) {
        fail_text(target_shown(&to), "is not a directory");
        attached = false;
    }
    for (int i = 0; i < last; i++) {
        struct target from;
        target_parse(&from, args->words[i], TARGET_PATH);
        if (strcmp(from.image, to.image) != 0)
            usage_error("mv: both names must be on the same volume");
        if (attached)
            mv_target(&from, &to, into, option_given(args, "force"));
        target_free(&from);
    }
    target_free(&to);
}

static bool mkdir_target(const struct target *t, uint32_t disposition)
{
    hf_handle h;
    nt_status status = target_open(t, 0, disposition, FILE_DIRECTORY_FILE, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot make the directory");
        return false;
    }
    handle_close(t, h);
    return true;
}

// Every prefix of the path that ends before a '/', then the whole.
static void mkdir_parents(struct target *t)
{
    for (char *slash = t->name + 3; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        bool made = mkdir_target(t, FILE_OPEN_IF);
        *slash = '/';
        if (!made)
            return;
    }
    mkdir_target(t, FILE_OPEN_IF);
}

void command_mkdir(const struct args *args)
{
    for (int i = 0; i < args->count; i++) {
        struct target t;
        target_parse(&t, args->words[i], TARGET_PATH);
        if (!target_attach(&t, ATTACH_WRITE))
            ;
        else if (option_given(args, "parents"))
            mkdir_parents(&t);
        else
            mkdir_target(&t, FILE_CREATE);
        target_free(&t);
    }
}

// --- stat ----------------------------------------------------------------------------------------

static void stat_streams(const struct target *t, hf_handle h, struct json_object *object)
{
    static _Alignas(8) unsigned char buffer[1 << 16];
    size_t done;
    nt_status status = hf_query(h, FileStreamInformation, buffer, sizeof buffer, &done);
    if (status != STATUS_SUCCESS && status != STATUS_BUFFER_OVERFLOW) {
        fail_status(target_shown(t), status, "cannot list the streams");
        return;
    }
    struct json_object *array = object ? json_object_new_array() : NULL;
    enum { NAME = offsetof(FILE_STREAM_INFORMATION, StreamName) };
    for (size_t at = 0; at + NAME <= done;) {
        FILE_STREAM_INFORMATION info;
        memcpy(&info, buffer + at, NAME);
        char name[4096];
        size_t bytes = sizeof name - 1;
        if (hf_from_utf16(buffer + at + NAME, info.StreamNameLength / 2, name, &bytes) != STATUS_SUCCESS)
            bytes = 0;
        name[bytes] = 0;
        if (array) {
            struct json_object *stream = json_object_new_object();
            json_add_text(stream, "name", name);
            json_add_number(stream, "size", (uint64_t)info.StreamSize);
            json_add_number(stream, "allocated", (uint64_t)info.StreamAllocationSize);
            json_object_array_add(array, stream);
        } else {
            printf("  stream      %s, %lld bytes\n", name, (long long)info.StreamSize);
        }
        if (!info.NextEntryOffset)
            break;
        at += info.NextEntryOffset;
    }
    if (array)
        json_object_object_add(object, "streams", array);
}

static void stat_integrity(hf_handle h, struct json_object *object)
{
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER info;
    size_t done;
    if (hf_ioctl(h, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &info, sizeof info, &done) != STATUS_SUCCESS)
        return; // a volume without integrity streams
    if (object)
        json_add_text(object, "integrity", algorithm_name(info.ChecksumAlgorithm));
    else
        printf("  integrity   %s\n", algorithm_name(info.ChecksumAlgorithm));
}

static void stat_print(const char *shown, const struct hf_stat *st)
{
    out_name(shown);
    printf("\n  id          %llu\n  size        %llu\n  allocated   %llu\n", (unsigned long long)st->id,
           (unsigned long long)st->size, (unsigned long long)st->allocated);
    printf("  attributes  %s (0x%x)\n  links       %u\n", attributes_text(st->attributes), st->attributes,
           st->links);
    printf("  created     %s\n  accessed    %s\n", time_text(st->created).text, time_text(st->accessed).text);
    printf("  written     %s\n  changed     %s\n", time_text(st->written).text, time_text(st->changed).text);
    if (is_link(st)) {
        const char *name = tag_name(st->reparse_tag);
        printf("  reparse tag 0x%08x%s%s\n", st->reparse_tag, name ? " " : "", name ? name : "");
    }
}

static void stat_target(const struct target *t, bool follow, struct json_object *array)
{
    hf_handle h;
    struct hf_stat st;
    nt_status status = target_open(t, 0, FILE_OPEN, follow ? 0 : FILE_OPEN_REPARSE_POINT, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot open");
        return;
    }
    status = hf_stat(h, &st);
    if (status == STATUS_SUCCESS) {
        struct json_object *object = array ? entry_json(target_shown(t), &st) : NULL;
        if (!object)
            stat_print(target_shown(t), &st);
        stat_integrity(h, object);
        stat_streams(t, h, object);
        if (object)
            json_object_array_add(array, object);
    } else {
        fail_status(target_shown(t), status, "cannot read");
    }
    handle_close(t, h);
}

void command_stat(const struct args *args)
{
    struct json_object *array = option_given(args, "json") ? json_object_new_array() : NULL;
    for (int i = 0; i < args->count; i++) {
        struct target t;
        target_parse(&t, args->words[i], TARGET_PATH);
        if (target_attach(&t, ATTACH_READ))
            stat_target(&t, option_given(args, "follow"), array);
        target_free(&t);
    }
    if (array)
        out_json(array);
}

// --- df ------------------------------------------------------------------------------------------

struct volume_facts {
    uint64_t created, cluster, total, available;
    uint32_t serial, attributes;
    char label[256];
};

static nt_status volume_facts_read(hf_handle h, struct volume_facts *facts)
{
    _Alignas(8) unsigned char buffer[512];
    size_t done, bytes = sizeof facts->label - 1;
    enum { LABEL = offsetof(FILE_FS_VOLUME_INFORMATION, VolumeLabel) };
    *facts = (struct volume_facts){0};
    nt_status status = hf_query_volume(h, FileFsVolumeInformation, buffer, sizeof buffer, &done);
    if (status != STATUS_SUCCESS)
        return status;
    FILE_FS_VOLUME_INFORMATION volume;
    memcpy(&volume, buffer, LABEL);
    facts->created = (uint64_t)volume.VolumeCreationTime;
    facts->serial = volume.VolumeSerialNumber;
    status = hf_from_utf16(buffer + LABEL, volume.VolumeLabelLength / 2, facts->label, &bytes);
    if (status != STATUS_SUCCESS)
        return status;
    facts->label[bytes] = 0;
    FILE_FS_FULL_SIZE_INFORMATION size;
    status = hf_query_volume(h, FileFsFullSizeInformation, &size, sizeof size, &done);
    if (status != STATUS_SUCCESS)
        return status;
    facts->cluster = (uint64_t)size.SectorsPerAllocationUnit * size.BytesPerSector;
    facts->total = (uint64_t)size.TotalAllocationUnits * facts->cluster;
    facts->available = (uint64_t)size.CallerAvailableAllocationUnits * facts->cluster;
    status = hf_query_volume(h, FileFsAttributeInformation, buffer, sizeof buffer, &done);
    if (status == STATUS_SUCCESS)
        memcpy(&facts->attributes, buffer, sizeof facts->attributes);
    return status;
}

static void df_json(struct json_object *array, const char *image, const struct volume_facts *facts)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "volume", image);
    json_add_text(object, "label", facts->label);
    json_add_number(object, "serial", facts->serial);
    json_add_text(object, "created", time_text(facts->created).text);
    json_add_number(object, "cluster", facts->cluster);
    json_add_number(object, "total", facts->total);
    json_add_number(object, "used", facts->total - facts->available);
    json_add_number(object, "available", facts->available);
    json_add_bool(object, "case_sensitive", facts->attributes & FILE_CASE_SENSITIVE_SEARCH);
    json_add_bool(object, "integrity_streams", facts->attributes & FILE_SUPPORTS_INTEGRITY_STREAMS);
    json_add_bool(object, "reparse_points", facts->attributes & FILE_SUPPORTS_REPARSE_POINTS);
    json_object_array_add(array, object);
}

static void df_print(const char *image, const struct volume_facts *facts)
{
    enum { MIB = 1 << 20 };
    double used = (double)(facts->total - facts->available);
    out_name(image);
    printf("\n  label       ");
    out_name(facts->label);
    printf("\n  serial      %04X-%04X\n  created     %s\n", facts->serial >> 16, facts->serial & 0xffff,
           time_text(facts->created).text);
    printf("  cluster     %llu\n", (unsigned long long)facts->cluster);
    printf("  size        %.1f MiB\n  used        %.1f MiB (%.0f%%)\n  available   %.1f MiB\n",
           (double)facts->total / MIB, used / MIB, facts->total ? 100 * used / (double)facts->total : 0,
           (double)facts->available / MIB);
    printf("  features    %s%s%s\n",
           facts->attributes & FILE_CASE_SENSITIVE_SEARCH ? "case-sensitive" : "case-insensitive",
           facts->attributes & FILE_SUPPORTS_INTEGRITY_STREAMS ? ", integrity streams" : "",
           facts->attributes & FILE_SUPPORTS_REPARSE_POINTS ? ", reparse points" : "");
}

void command_df(const struct args *args)
{
    struct json_object *array = option_given(args, "json") ? json_object_new_array() : NULL;
    for (int i = 0; i < args->count; i++) {
        struct target t;
        struct volume_facts facts;
        hf_handle h;
        t = target_volume_root(args->words[i]);
        if (target_attach(&t, ATTACH_READ)) {
            nt_status status = target_open(&t, 0, FILE_OPEN, FILE_DIRECTORY_FILE, &h);
            if (status == STATUS_SUCCESS) {
                status = volume_facts_read(h, &facts);
                handle_close(&t, h);
            }
            if (status != STATUS_SUCCESS)
                fail_status(t.image, status, "cannot read the volume");
            else if (array)
                df_json(array, t.image, &facts);
            else
                df_print(t.image, &facts);
        }
        target_free(&t);
    }
    if (array)
        out_json(array);
}
