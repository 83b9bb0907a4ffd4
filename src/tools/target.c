// SPDX-License-Identifier: Apache-2.0
// Names like vol.hf:/dir/file, and Linux paths in a mount: parses them, attaches the image as a drive while
// it is in use (one image at a time), walks trees. The path is kept as hf_open wants it, "X:/dir/file"; users
// see it with their own word for the image.
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tools/tool.h"

static char drive[3] = "X:";
static char *attached; // the image that is attached as drive; NULL: none
static uint32_t attached_flags;

void target_set_drive(const char *letter)
{
    size_t length = strlen(letter);
    if (!isalpha((unsigned char)letter[0]) || length > 2 || (length == 2 && letter[1] != ':'))
        usage_error("--drive: '%s' is not a letter", letter);
    drive[0] = (char)toupper((unsigned char)letter[0]);
}

char target_drive(void)
{
    return drive[0];
}

// --- parsing -------------------------------------------------------------------------------------

static bool is_device_name(const char *word)
{
    return word[0] == '\\' && word[1] == '\\';
}

// Where the image's name ends: at the first ":/", or at a ':' that ends the word. NULL: neither.
static const char *image_end(const char *word)
{
    const char *colon = strstr(word, ":/");
    size_t length = strlen(word);
    if (!colon && length > 1 && word[length - 1] == ':')
        colon = word + length - 1;
    return colon == word ? NULL : colon;
}

bool word_is_target(const char *word)
{
    return image_end(word) != NULL;
}

static void append(struct target *t, const char *text, size_t length)
{
    if (t->length + length + 1 > t->room) {
        t->room = 2 * (t->length + length + 1);
        t->name = memory_grow(t->name, t->room);
    }
    memcpy(t->name + t->length, text, length);
    t->length += length;
    t->name[t->length] = 0;
}

char *image_of(const char *word)
{
    const char *end = image_end(word);
    if (end && (strcmp(end, ":") != 0 && strcmp(end, ":/") != 0))
        usage_error("'%s': expected a volume, not a file in it", word);
    char *image = text_copy(word);
    if (end)
        image[end - word] = 0;
    if (!image[0])
        usage_error("the name of the volume is empty");
    return image;
}

static void push(struct target *t, const char *component, size_t length)
{
    if (length == 0 || (length == 1 && component[0] == '.'))
        return;
    if (length == 2 && component[0] == '.' && component[1] == '.') {
        const char *name = target_basename(t);
        target_pop(t, name - t->name > 3 ? (size_t)(name - t->name) - 1 : 3);
        return;
    }
    if (!target_is_root(t))
        append(t, "/", 1);
    append(t, component, length);
}

// Components one by one: "a//./b/" is "a/b", and the root keeps its slash.
static void append_path(struct target *t, const char *path)
{
    append(t, drive, 2);
    append(t, "/", 1);
    while (*path) {
        size_t length = strcspn(path, "/");
        push(t, path, length);
        path += length;
        path += *path == '/';
    }
}

// A Linux path in the mount of a volume: goes through the mount.
static bool parse_mounted(struct target *t, const char *word)
{
    char point[PATH_MAX], inside[PATH_MAX];
    if (hf_mount_of(word, point, sizeof point, inside, sizeof inside) != STATUS_SUCCESS)
        return false;
    t->image = text_copy(point);
    t->mounted = true;
    append_path(t, inside);
    return true;
}

void target_parse(struct target *t, const char *word, enum target_kind kind)
{
    *t = (struct target){0};
    if (kind == TARGET_DEVICE && is_device_name(word)) {
        append(t, word, strlen(word));
        return;
    }
    const char *end = image_end(word);
    if (!end && parse_mounted(t, word))
        return;
    if (!end && kind == TARGET_DEVICE && !strchr(word, ':'))
        end = word + strlen(word); // a bare image: the volume itself
    if (!end || end == word)
        usage_error("'%s': expected VOLUME:/PATH, such as vol.hf:/dir/file, or a path in a mount", word);
    t->image = text_copy(word);
    t->image[end - word] = 0;
    const char *path = *end ? end + 1 : end;
    if (kind == TARGET_DEVICE && !*path) {
        append(t, "\\\\.\\", 4);
        append(t, drive, 2);
        return;
    }
    append_path(t, path);
}

static bool is_directory_here(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

struct target target_volume_root(const char *word)
{
    struct target t = {0};
    if (!image_end(word) && is_directory_here(word) && parse_mounted(&t, word)) {
        target_pop(&t, 3); // of any directory in it
        return t;
    }
    t.image = image_of(word);
    append(&t, drive, 2);
    append(&t, "/", 1);
    return t;
}

void target_free(struct target *t)
{
    free(t->image);
    free(t->name);
    *t = (struct target){0};
}

void target_copy(struct target *t, const struct target *from)
{
    *t = (struct target){.image = from->image ? text_copy(from->image) : NULL, .mounted = from->mounted};
    append(t, from->name, from->length);
}

size_t target_push(struct target *t, const char *component)
{
    size_t length = t->length;
    push(t, component, strlen(component));
    return length;
}

size_t target_append(struct target *t, const char *text)
{
    size_t length = t->length;
    append(t, text, strlen(text));
    return length;
}

void target_pop(struct target *t, size_t length)
{
    t->length = length;
    t->name[length] = 0;
}

bool target_is_root(const struct target *t)
{
    return t->length == 3;
}

const char *target_basename(const struct target *t)
{
    const char *slash = strrchr(t->name, '/');
    return slash ? slash + 1 : t->name;
}

const char *target_shown(const struct target *t)
{
    static char *shown;
    if (!t->image)
        return t->name;
    const char *path = is_device_name(t->name) ? "" : t->name + 2;
    size_t image = strlen(t->image), length = strlen(path);
    shown = memory_grow(shown, image + length + 2);
    memcpy(shown, t->image, image);
    if (!t->mounted)
        shown[image++] = ':';
    memcpy(shown + image, path, length + 1);
    return shown;
}

void target_stream(struct target *t, const char *stream)
{
    if (!stream)
        return;
    // Only the Windows spelling has streams.
    if (strchr(t->name, '\\') || strpbrk(stream, "\\/:") || !stream[0])
        usage_error(
            "--stream: neither the path nor the stream's name may hold a '\\', nor the stream '/' or ':'");
    for (char *p = t->name; *p; p++)
        *p = *p == '/' ? '\\' : *p;
    append(t, ":", 1);
    append(t, stream, strlen(stream));
}

// --- attaching -----------------------------------------------------------------------------------

static bool attach_devices(void)
{
    nt_status status = hf_attach_list(NULL);
    if (status != STATUS_SUCCESS)
        fail_status("HOLDFAST_DEVICES", status, "cannot attach");
    return status == STATUS_SUCCESS;
}

// Who has locked the image, as far as the kernel tells: "FLOCK ADVISORY WRITE 123 00:2a:17 0 EOF".
const char *image_holder(const char *image)
{
    static char text[80];
    struct stat st;
    unsigned major, minor;
    unsigned long long inode;
    char line[256], name[32] = "?";
    int pid = 0, found;
    FILE *locks = stat(image, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
    text[0] = 0;
    while (locks && !pid && fgets(line, sizeof line, locks))
        if (sscanf(line, "%*d: %*s %*s %*s %d %x:%x:%llu", &found, &major, &minor, &inode) == 4 &&
            inode == st.st_ino && makedev(major, minor) == st.st_dev)
            pid = found;
    if (locks)
        fclose(locks);
    if (pid <= 0)
        return text;
    snprintf(line, sizeof line, "/proc/%d/comm", pid);
    FILE *comm = fopen(line, "re");
    if (comm && fgets(name, sizeof name, comm))
        name[strcspn(name, "\n")] = 0;
    if (comm)
        fclose(comm);
    snprintf(text, sizeof text, ": process %d (%s) has it open", pid, name);
    return text;
}

static nt_status attach(const char *prefix, const char *what, const char *options)
{
    size_t size = strlen(prefix) + strlen(what) + strlen(options) + 1;
    char *spec = memory(size);
    snprintf(spec, size, "%s%s%s", prefix, what, options);
    nt_status status = hf_attach(drive, spec);
    free(spec);
    return status;
}

bool target_attach(const struct target *t, uint32_t flags)
{
    char options[32], point[PATH_MAX];
    nt_status status;
    if (!t->image)
        return attach_devices();
    if (attached && strcmp(attached, t->image) == 0 && attached_flags == flags)
        return true;
    target_detach();
    if (!t->mounted && strchr(t->image, ',')) {
        fail_text(t->image, "the name of an image cannot hold ','");
        return false;
    }
    snprintf(options, sizeof options, "%s%s", flags & ATTACH_WRITE ? "" : ",readonly",
             flags & ATTACH_REMOVABLE ? ",removable" : "");
    if (t->mounted)
        status = attach("mount:", t->image, "");
    else
        status = attach("file:", t->image, options);
    // Somebody has it; if that is a mount, the way leads through it.
    if (status == STATUS_SHARING_VIOLATION && hf_mount_with(t->image, point, sizeof point) == STATUS_SUCCESS)
        status = attach("mount:", point, "");
    if (status != STATUS_SUCCESS) {
        fail_status(t->image, status, "cannot open the %s%s", t->mounted ? "mount" : "image",
                    status == STATUS_SHARING_VIOLATION ? image_holder(t->image) : "");
        return false;
    }
    attached = text_copy(t->image);
    attached_flags = flags;
    return true;
}

void target_detach(void)
{
    if (!attached)
        return;
    nt_status status = hf_detach(drive);
    if (status != STATUS_SUCCESS)
        fail_status(attached, status, "cannot finish");
    free(attached);
    attached = NULL;
}

nt_status target_open(const struct target *t, uint32_t access, uint32_t disposition, uint32_t options,
                      hf_handle *h)
{
    return hf_open(t->name,
                   &(struct hf_open_options){.access = access | FILE_READ_ATTRIBUTES,
                                             .disposition = disposition,
                                             .options = options},
                   h);
}

void handle_close(const struct target *t, hf_handle h)
{
    nt_status status = hf_close(h);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(t), status, "cannot close");
}

bool target_is_directory(const struct target *t)
{
    hf_handle h;
    if (target_open(t, 0, FILE_OPEN, FILE_DIRECTORY_FILE, &h) != STATUS_SUCCESS)
        return false;
    handle_close(t, h);
    return true;
}

// --- directories ---------------------------------------------------------------------------------

static void listing_add(struct listing *l, const struct hf_dirent *entry)
{
    if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
        return;
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 64;
        l->entries = memory_grow(l->entries, l->room * sizeof *l->entries);
    }
    l->entries[l->count++] = (struct entry){entry->stat, text_copy(entry->name)};
}

nt_status listing_read(hf_handle directory, struct listing *out)
{
    static _Alignas(struct hf_dirent) unsigned char buffer[1 << 16];
    *out = (struct listing){0};
    for (bool restart = true;; restart = false) {
        size_t done;
        nt_status status = hf_list(directory, NULL, restart, buffer, sizeof buffer, &done);
        if (status == STATUS_NO_MORE_FILES)
            return STATUS_SUCCESS;
        if (status != STATUS_SUCCESS)
            return status;
        const unsigned char *p = buffer;
        for (;;) {
            const struct hf_dirent *entry = (const struct hf_dirent *)(const void *)p;
            listing_add(out, entry);
            if (!entry->next)
                break;
            p += entry->next;
        }
    }
}

void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->entries[i].name);
    free(l->entries);
    *l = (struct listing){0};
}

void target_walk(struct target *t, uint32_t access, bool recursive, visit_fn *visit, void *context)
{
    hf_handle h;
    struct hf_stat st;
    nt_status status = target_open(t, access, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(t), status, "cannot open");
        return;
    }
    struct listing l = {0};
    status = hf_stat(h, &st);
    if (status == STATUS_SUCCESS) {
        visit(context, t, h, &st);
        if (recursive && is_directory(&st))
            status = listing_read(h, &l);
    }
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(t), status, "cannot read");
    handle_close(t, h);
    for (size_t i = 0; i < l.count; i++) {
        size_t length = target_push(t, l.entries[i].name);
        target_walk(t, access, recursive, visit, context);
        target_pop(t, length);
    }
    listing_free(&l);
}
