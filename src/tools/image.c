// SPDX-License-Identifier: Apache-2.0
// Commands on whole images: format, check, corrupt, and run. format and corrupt are the only ones that
// touch the image file directly, after the library said that nobody is writing to it.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/tool.h"

char *image_spec(const char *image)
{
    if (strchr(image, ','))
        usage_error("'%s': the name of an image cannot hold ','", image);
    struct stat st;
    bool device = stat(image, &st) == 0 && S_ISBLK(st.st_mode);
    size_t size = strlen(image) + sizeof "file:";
    char *spec = memory(size);
    snprintf(spec, size, "%s:%s", device ? "dev" : "file", image);
    return spec;
}

// --- format --------------------------------------------------------------------------------------

// Is anybody using the image? An attached drive holds its lock.
static bool image_is_free(const char *image)
{
    struct target t = target_volume_root(image);
    bool good = target_attach(&t, ATTACH_WRITE);
    target_detach();
    target_free(&t);
    return good;
}

// Opens FILE with its final size, or reports why not. *created: it was not there before.
static bool image_prepare(const char *image, uint64_t size, bool force, bool *created)
{
    struct stat st;
    *created = false;
    if (size > INT64_MAX) {
        fail_text(image, "cannot be that large");
        return false;
    }
    int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) {
        *created = true;
    } else if (errno == EEXIST) {
        fd = open(image, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    }
    bool good = fd >= 0 && fstat(fd, &st) == 0;
    if (!good) {
        fail_errno(image, "cannot create");
    } else if (!S_ISREG(st.st_mode)) {
        fail_text(image, "is not a regular file");
        good = false;
    } else if (st.st_size > 0 && !force) {
        fail_text(image, "exists and is not empty; --force overwrites it");
        good = false;
    } else if (st.st_size > 0 && !image_is_free(image)) {
        good = false;
    } else if (ftruncate(fd, 0) != 0 || ftruncate(fd, (off_t)size) != 0) {
        fail_errno(image, "cannot set the size");
        good = false;
    }
    if (fd >= 0)
        close(fd);
    if (!good && *created)
        unlink(image);
    return good;
}

static char *format_option_list(const struct args *args)
{
    char *list = NULL;
    size_t length = 0;
    const char *name;
    for (int i = 0; (name = option_next(args, "option", &i)) != NULL;) {
        size_t more = strlen(name);
        list = memory_grow(list, length + more + 2);
        if (length > 0)
            list[length++] = ',';
        memcpy(list + length, name, more + 1);
        length += more;
    }
    return list;
}

void command_format(const struct args *args)
{
    const char *image = args->words[0], *integrity = option_value(args, "integrity");
    uint64_t cluster = option_number(args, "cluster", 4096), copies = option_number(args, "copies", 2);
    if (!option_value(args, "size"))
        usage_error("format: --size is missing");
    if (cluster != 4096 && cluster != 65536)
        usage_error("format: --cluster is 4K or 64K");
    if (copies != 1 && copies != 2)
        usage_error("format: --copies is 1 or 2");
    char *spec = image_spec(image), *list = format_option_list(args);
    struct hf_format_options options = {
        .cluster = (uint32_t)cluster,
        .copies = (uint32_t)copies,
        .integrity = !integrity || option_switch("--integrity", integrity),
        .case_sensitive = option_given(args, "case-sensitive"),
        .label = option_value(args, "label"),
        .options = list,
    };
    bool created;
    if (image_prepare(image, option_number(args, "size", 0), option_given(args, "force"), &created)) {
        nt_status status = hf_format(spec, &options);
        if (status != STATUS_SUCCESS) {
            fail_status(image, status, "cannot format");
            if (created && unlink(image) != 0)
                fail_errno(image, "cannot remove the incomplete image");
        }
    }
    free(spec);
    free(list);
}

// --- check ---------------------------------------------------------------------------------------

struct check {
    const char *image;
    struct json_object *findings; // NULL: print them
};

void finding_out(const char *image, const struct hf_finding *f, struct json_object *array)
{
    if (array) {
        struct json_object *object = json_object_new_object();
        json_add_text(object, "kind", f->kind);
        json_add_text(object, "path", f->path);
        json_add_text(object, "text", f->text);
        json_add_number(object, "object", f->object);
        json_add_number(object, "offset", f->offset);
        json_add_number(object, "length", f->length);
        json_add_bool(object, "repairable", f->repairable);
        json_add_bool(object, "repaired", f->repaired);
        json_object_array_add(array, object);
        return;
    }
    out_name(image);
    putchar(':');
    out_name(f->path);
    printf(": %s: %s (offset %llu, length %llu)%s\n", f->kind, f->text, (unsigned long long)f->offset,
           (unsigned long long)f->length,
           f->repaired     ? ", repaired from its copy"
           : f->repairable ? ", a good copy exists"
                           : "");
}

static void check_finding(void *context, const struct hf_finding *f)
{
    const struct check *check = context;
    finding_out(check->image, f, check->findings);
}

static void check_totals_print(const struct hf_check_totals *t, struct json_object *object)
{
    const struct {
        const char *name;
        uint64_t number;
    } totals[] = {
        {"pages", t->pages},           {"objects", t->objects},
        {"files", t->files},           {"directories", t->directories},
        {"streams", t->streams},       {"extents", t->extents},
        {"data_bytes", t->data_bytes}, {"close_copies", t->close},
    };
    if (object) {
        for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
            json_add_number(object, totals[i].name, totals[i].number);
        return;
    }
    printf("%llu files, %llu directories, %llu bytes of data, %llu metadata pages: ",
           (unsigned long long)t->files, (unsigned long long)t->directories,
           (unsigned long long)t->data_bytes, (unsigned long long)t->pages);
    if (t->findings)
        printf("%llu finding%s\n", (unsigned long long)t->findings, t->findings > 1 ? "s" : "");
    else
        puts("all good");
    if (t->close)
        printf(
            "note: the copies of %llu metadata page%s lie closer together than they could on a volume with "
            "more room\n",
            (unsigned long long)t->close, t->close > 1 ? "s" : "");
}

void command_check(const struct args *args)
{
    char *image = image_of(args->words[0]), *spec = image_spec(image);
    bool json = option_given(args, "json");
    struct check check = {image, json ? json_object_new_array() : NULL};
    struct hf_check_options options = {
        .data = !option_given(args, "no-data"), .finding = check_finding, .context = &check};
    struct hf_check_totals totals = {0};
    nt_status status = hf_check(spec, &options, &totals);
    bool walked = status == STATUS_SUCCESS || totals.findings > 0;
    if (json) {
        struct json_object *object = json_object_new_object();
        json_add_text(object, "volume", image);
        json_add_text(object, "status", hf_status_name(status));
        check_totals_print(&totals, object);
        json_object_object_add(object, "findings", check.findings);
        out_json(object);
    } else if (walked) {
        check_totals_print(&totals, NULL);
    }
    if (status != STATUS_SUCCESS)
        fail_status(image, status, walked ? "the volume is damaged" : "cannot check");
    free(spec);
    free(image);
}

// --- corrupt -------------------------------------------------------------------------------------

static void image_flip(const char *image, uint64_t at, const char *what)
{
    unsigned char byte;
    int fd = open(image, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, (off_t)at) != 1) {
        fail_errno(image, "cannot read the byte");
    } else {
        unsigned char flipped = byte ^ 0xff;
        if (pwrite(fd, &flipped, 1, (off_t)at) != 1 || fsync(fd) != 0)
            fail_errno(image, "cannot write the byte");
        else
            printf("%s: byte %llu of the image, %s: 0x%02x is now 0x%02x\n", image, (unsigned long long)at,
                   what, byte, flipped);
    }
    if (fd >= 0)
        close(fd);
}

// Where on the image a byte of the open file is.
static nt_status file_position(hf_handle h, uint64_t offset, uint64_t *at)
{
    FILE_FS_FULL_SIZE_INFORMATION size;
    HF_RETRIEVAL_POINTERS map;
    size_t done;
    nt_status status = hf_query_volume(h, FileFsFullSizeInformation, &size, sizeof size, &done);
    if (status != STATUS_SUCCESS)
        return status;
    uint64_t cluster = (uint64_t)size.SectorsPerAllocationUnit * size.BytesPerSector;
    HF_STARTING_VCN start = {.StartingVcn = (int64_t)(offset / cluster)};
    // One extent is enough; there may be more.
    status = hf_ioctl(h, FSCTL_GET_RETRIEVAL_POINTERS, &start, sizeof start, &map, sizeof map, &done);
    if (status != STATUS_SUCCESS && status != STATUS_BUFFER_OVERFLOW)
        return status;
    if (done < sizeof map || map.ExtentCount == 0 || map.Extents[0].Lcn < 0)
        return STATUS_END_OF_FILE;
    // The answer may begin before the cluster that was asked for.
    uint64_t lcn = (uint64_t)map.Extents[0].Lcn + (uint64_t)(start.StartingVcn - map.StartingVcn);
    *at = lcn * cluster + offset % cluster;
    return STATUS_SUCCESS;
}

static void corrupt_file(const struct target *t, uint64_t offset)
{
    hf_handle h;
    uint64_t at = 0;
    struct hf_stat st = {0};
    if (!target_attach(t, ATTACH_READ))
        return;
    nt_status status = target_open(t, FILE_READ_DATA, FILE_OPEN, 0, &h);
    if (status == STATUS_SUCCESS) {
        status = hf_stat(h, &st);
        if (status == STATUS_SUCCESS)
            status = offset < st.size || !st.size ? file_position(h, offset, &at) : STATUS_END_OF_FILE;
        handle_close(t, h);
    }
    target_detach();
    char what[64];
    snprintf(what, sizeof what, "offset %llu of the file", (unsigned long long)offset);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(t), status, "has no byte on the image at offset %llu",
                    (unsigned long long)offset);
    else
        image_flip(t->image, at, what);
}

struct page_search {
    uint64_t left;
    bool found;
    uint64_t address;
    uint32_t kind, level, copy;
};

static void page_seen(void *context, uint64_t address, uint32_t kind, uint32_t level, uint32_t copy)
{
    struct page_search *search = context;
    if (search->found || search->left-- > 0)
        return;
    search->found = true;
    search->address = address;
    search->kind = kind;
    search->level = level;
    search->copy = copy;
}

static void corrupt_page(const char *image, uint64_t number, uint64_t offset)
{
    enum { PAGE = 16384 };
    if (offset >= PAGE)
        usage_error("corrupt: a page has %d bytes", PAGE);
    struct page_search search = {.left = number};
    char *spec = image_spec(image), what[96];
    struct hf_check_totals totals;
    nt_status status =
        hf_check(spec, &(struct hf_check_options){.page = page_seen, .context = &search}, &totals);
    free(spec);
    snprintf(what, sizeof what, "metadata page %llu (kind %u, level %u, copy %u)", (unsigned long long)number,
             search.kind, search.level, search.copy);
    if (search.found)
        image_flip(image, search.address + offset, what);
    else if (status != STATUS_SUCCESS && !status_is_corruption(status))
        fail_status(image, status, "cannot look at the pages");
    else
        fail_text(image, "has no metadata page %llu", (unsigned long long)number);
}

void command_corrupt(const struct args *args)
{
    const char *word = args->words[0], *offset = option_value(args, "offset");
    if (option_value(args, "page")) {
        char *image = image_of(word);
        corrupt_page(image, option_number(args, "page", 0), option_number(args, "offset", 0));
        free(image);
        return;
    }
    struct target t;
    if (!offset)
        usage_error("corrupt: expects --offset or --page");
    target_parse(&t, word, TARGET_PATH);
    target_stream(&t, option_value(args, "stream"));
    corrupt_file(&t, parse_number("--offset", offset));
    target_free(&t);
}

// --- run -----------------------------------------------------------------------------------------

void command_run(const struct args *args)
{
    enum { NOT_FOUND = 127, NOT_EXECUTABLE = 126 }; // as env(1)
    char *list = NULL;
    size_t length = 0;
    const char *device;
    for (int i = 0; (device = option_next(args, "device", &i)) != NULL;) {
        if (device[0] == '=' || !strchr(device, '=') || strchr(device, ';'))
            usage_error("run: '%s' is not NAME=SPEC", device);
        size_t more = strlen(device);
        list = memory_grow(list, length + more + 2);
        if (length > 0)
            list[length++] = ';';
        memcpy(list + length, device, more + 1);
        length += more;
    }
    // Without --device the program gets the devices that we were given.
    if (list && setenv("HOLDFAST_DEVICES", list, 1) != 0) {
        fail_errno("HOLDFAST_DEVICES", "cannot set");
        return;
    }
    execvp(args->words[0], args->words);
    int code = errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
    fail_errno(args->words[0], "cannot run");
    exit(code);
}
