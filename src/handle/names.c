// SPDX-License-Identifier: Apache-2.0
// The namespace: which devices exist, and how a name is taken apart into a device and a path on it. Devices
// are few and opens are not the data path, so one mutex guards the list.
#include "handle/handle.h"

#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/fs.h"

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct drive_entry *table; // in the order of attaching

static const char *const kind_names[] = {
    [DRIVE_DISK] = "PhysicalDrive", [DRIVE_CDROM] = "CdRom", [DRIVE_TAPE] = "Tape"};

// --- device names --------------------------------------------------------------------------------

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_letter(char c)
{
    return upper(c) >= 'A' && upper(c) <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_with(struct str text, const char *prefix)
{
    size_t n = strlen(prefix);
    return text.len >= n && memcmp(text.p, prefix, n) == 0;
}

static bool is_drive(struct str name)
{
    return name.len == 2 && is_letter(name.p[0]) && name.p[1] == ':';
}

// A device name without its slot in the table.
struct device_name {
    char letter;
    enum drive_kind kind;
    u32 number;
};

static bool device_name_parse(struct str text, struct device_name *name)
{
    *name = (struct device_name){0};
    if (is_drive(text)) {
        name->letter = upper(text.p[0]);
        return true;
    }
    for (u32 kind = 0; kind < ARRAY_LEN(kind_names); kind++) {
        u32 n = (u32)strlen(kind_names[kind]);
        if (text.len <= n || text.len > n + 4 || strncasecmp(text.p, kind_names[kind], n) != 0)
            continue;
        name->kind = (enum drive_kind)kind;
        for (u32 i = n; i < text.len; i++) {
            if (!is_digit(text.p[i]))
                return false;
            name->number = name->number * 10 + (u32)(text.p[i] - '0');
        }
        return true;
    }
    return false;
}

static struct drive_entry *table_find(const struct device_name *name)
{
    for (struct drive_entry *e = table; e; e = e->next)
        if (e->mount)
            continue;
        else if (name->letter ? e->letter == name->letter
                              : e->kind == name->kind && e->number == name->number)
            return e;
    return NULL;
}

static nt_status entry_find(struct str text, struct drive_entry **out)
{
    struct device_name name;
    *out = NULL;
    if (device_name_parse(text, &name))
        *out = table_find(&name);
    if (!*out)
        return is_drive(text) ? STATUS_OBJECT_PATH_NOT_FOUND : STATUS_OBJECT_NAME_NOT_FOUND;
    return (*out)->busy ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
}

nt_status entry_get(struct str name, struct drive_entry **out)
{
    *out = NULL;
    SCOPE_LOCK(&table_mutex);
    struct drive_entry *entry;
    TRY(entry_find(name, &entry));
    entry->users++;
    *out = entry;
    return STATUS_SUCCESS;
}

void entry_get_again(struct drive_entry *entry)
{
    SCOPE_LOCK(&table_mutex);
    entry->users++;
}

static void entry_remove(struct drive_entry *entry);

void entry_put(struct drive_entry *entry)
{
    if (!entry)
        return;
    {
        SCOPE_LOCK(&table_mutex);
        ASSERT(entry->users > 0);
        if (--entry->users > 0 || !entry->mount)
            return;
        entry->busy = true;
    }
    entry_remove(entry); // so that a mount that nobody uses can be unmounted
}

nt_status entry_get_exclusive(struct str name, struct drive_entry **out)
{
    *out = NULL;
    SCOPE_LOCK(&table_mutex);
    struct drive_entry *entry;
    TRY(entry_find(name, &entry));
    if (entry->users > 0)
        return STATUS_SHARING_VIOLATION;
    entry->busy = true;
    *out = entry;
    return STATUS_SUCCESS;
}

void entry_put_exclusive(struct drive_entry *entry)
{
    SCOPE_LOCK(&table_mutex);
    entry->busy = false;
}

// --- attach, detach ------------------------------------------------------------------------------

// *known: text is an option of ours, right or wrong.
static nt_status spec_option(const char *text, struct spec *spec, bool *known)
{
    *known = true;
    if (strcmp(text, "removable") == 0)
        spec->blk_flags |= BLK_REMOVABLE;
    else if (strcmp(text, "readonly") == 0)
        spec->blk_flags |= BLK_READONLY;
    else if (strcmp(text, "compat=classpnp") == 0)
        spec->classpnp = true;
    else if (strcmp(text, "atime=relatime") == 0)
        spec->relatime = true;
    else if (strncmp(text, "cache=", 6) == 0)
        return text_size(text + 6, &spec->cache_bytes) ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    else if (strncmp(text, "retry-ms=", 9) == 0)
        return text_size(text + 9, &spec->retry_ms) && spec->retry_ms <= 60000 ? STATUS_SUCCESS
                                                                               : STATUS_INVALID_PARAMETER;
    else
        *known = false;
    return STATUS_SUCCESS;
}

nt_status spec_parse(const char *text, struct spec *spec)
{
    *spec = (struct spec){0};
    if (!text || !text[0] || strlen(text) >= sizeof spec->backend) {
        status_set_text("a device needs a back end, such as file:/path/vol.hf");
        return STATUS_INVALID_PARAMETER;
    }
    memcpy(spec->backend, text, strlen(text) + 1);
    for (char *comma; (comma = strrchr(spec->backend, ',')) != NULL; *comma = 0) {
        bool known;
        nt_status status = spec_option(comma + 1, spec, &known);
        if (status != STATUS_SUCCESS)
            status_set_text("%s: bad value in option \"%s\"", text, comma + 1);
        TRY(status);
        if (!known)
            break;
    }
    return STATUS_SUCCESS;
}

// The next device of this process that nobody else is detaching or formatting; it stays busy.
static struct drive_entry *entry_take_idle(void)
{
    SCOPE_LOCK(&table_mutex);
    for (struct drive_entry *entry = table; entry; entry = entry->next) {
        if (entry->busy || entry->owner != getpid())
            continue;
        entry->busy = true;
        return entry;
    }
    return NULL;
}

// At exit: a program that forgot to close or detach still finds what it wrote.
static void dismount_all(void)
{
    async_stop();
    handle_close_all();
    for (struct drive_entry *entry; (entry = entry_take_idle()) != NULL;) {
        nt_status status = entry_dismount(entry);
        if (status != STATUS_SUCCESS)
            fprintf(stderr, "holdfast: %s was not dismounted cleanly: %s\n", entry->device->name,
                    status_name(status));
    }
}

static void start_once(void)
{
    fs_register();
    atexit(dismount_all);
}

// Open the back end and build the device. The caller made sure that the name is free.
static nt_status device_make(const struct drive_entry *entry, const char *text, struct device **out)
{
    struct spec spec;
    struct blk *blk;
    *out = NULL;
    if (text && strncmp(text, "mount:", 6) == 0)
        return entry->letter ? remote_attach(text + 6, out) : STATUS_OBJECT_NAME_INVALID;
    TRY(spec_parse(text, &spec));
    if (entry->kind != DRIVE_DISK)
        spec.blk_flags |= BLK_REMOVABLE;
    if (entry->kind == DRIVE_CDROM)
        spec.blk_flags |= BLK_READONLY;
    status_clear_text();
    nt_status status = blk_open(spec.backend, spec.blk_flags, &blk);
    if (status != STATUS_SUCCESS && !status_text()[0])
        status_set_text("%s: cannot be opened", spec.backend);
    TRY(status);
    struct drive_options options = {
        .kind = entry->kind,
        .number = entry->number,
        .removable = spec.blk_flags & BLK_REMOVABLE,
        .compat = spec.classpnp ? DRIVE_COMPAT_CLASSPNP : DRIVE_COMPAT_DOCUMENTS,
        .retry_unit_ms = (u32)spec.retry_ms,
    };
    status = drive_attach(blk, &options, out);
    if (status != STATUS_SUCCESS)
        blk_close(blk);
    else if (spec.cache_bytes || spec.relatime)
        fs_set_options(*out, &(struct fs_options){(size_t)spec.cache_bytes, spec.relatime});
    return status;
}

// Reserve the name: a busy entry, so that two attaches of one name cannot both begin.
static nt_status entry_reserve(const char *text, struct drive_entry *entry)
{
    struct device_name name;
    if (!text || !device_name_parse((struct str){text, (u32)strlen(text)}, &name)) {
        status_set_text("%s: a device is called X:, PhysicalDrive0, CdRom0 or Tape0", text ? text : "(null)");
        return STATUS_OBJECT_NAME_INVALID;
    }
    SCOPE_LOCK(&table_mutex);
    if (table_find(&name)) {
        status_set_text("%s: there is such a device already", text);
        return STATUS_OBJECT_NAME_COLLISION;
    }
    if (name.letter) {
        struct device_name disk = {.kind = DRIVE_DISK};
        while (table_find(&disk))
            disk.number++;
        name.number = disk.number;
    }
    *entry = (struct drive_entry){
        .letter = name.letter, .kind = name.kind, .number = name.number, .busy = true, .owner = getpid()};
    struct drive_entry **end = &table;
    while (*end)
        end = &(*end)->next;
    *end = entry;
    return STATUS_SUCCESS;
}

static void entry_remove(struct drive_entry *entry)
{
    {
        SCOPE_LOCK(&table_mutex);
        struct drive_entry **at = &table;
        while (*at != entry)
            at = &(*at)->next;
        *at = entry->next;
    }
    if (entry->device) {
        fs_set_options(entry->device, NULL);
        dev_release(entry->device);
    }
    free(entry->mount);
    free(entry);
}

static void start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_once);
}

nt_status hf_attach(const char *name, const char *spec)
{
    start();
    struct drive_entry *entry = malloc(sizeof *entry);
    if (!entry)
        return STATUS_NO_MEMORY;
    nt_status status = entry_reserve(name, entry);
    if (status != STATUS_SUCCESS) {
        free(entry);
        return status;
    }
    status = device_make(entry, spec, &entry->device);
    if (status != STATUS_SUCCESS)
        entry_remove(entry);
    else
        entry_put_exclusive(entry);
    return status;
}

static nt_status attach_entry(char *text)
{
    char *equals = strchr(text, '=');
    if (!equals) {
        status_set_text("%s: a device is written NAME=BACKEND", text);
        return STATUS_INVALID_PARAMETER;
    }
    *equals = 0;
    return hf_attach(text, equals + 1);
}

static nt_status attach_text(const char *text)
{
    SCOPE_FREE char *copy = strdup(text);
    if (!copy)
        return STATUS_NO_MEMORY;
    char *save = NULL;
    for (char *part = strtok_r(copy, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
        while (*part == ' ')
            part++;
        if (*part)
            TRY(attach_entry(part));
    }
    return STATUS_SUCCESS;
}

nt_status hf_attach_list(const char *text)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    static bool done;
    if (text)
        return attach_text(text);
    SCOPE_LOCK(&once);
    const char *devices = getenv("HOLDFAST_DEVICES");
    if (done || !devices)
        return STATUS_SUCCESS;
    done = true;
    return attach_text(devices);
}

static struct device *mounted_volume(struct device *real)
{
    SCOPE_LOCK(&real->mutex);
    struct device *volume = real->vpb->flags & VPB_MOUNTED ? real->vpb->volume : NULL;
    if (volume)
        dev_reference(volume);
    return volume;
}

nt_status entry_dismount(struct drive_entry *entry)
{
    // More than one turn: dismounting after a change of media can mount the new one first.
    enum { TURNS = 4 };
    nt_status status = STATUS_SUCCESS;
    struct device *volume;
    if (device_is_remote(entry->device)) // its owner is the mount
        return STATUS_SUCCESS;
    for (int turn = 0; turn < TURNS && (volume = mounted_volume(entry->device)) != NULL; turn++) {
        nt_status dismounted = fs_dismount(volume);
        status = status == STATUS_SUCCESS ? dismounted : status;
        dev_release(volume);
    }
    return status;
}

nt_status hf_detach(const char *name)
{
    struct drive_entry *entry;
    if (!name)
        return STATUS_INVALID_PARAMETER;
    nt_status status = entry_get_exclusive((struct str){name, (u32)strlen(name)}, &entry);
    if (status == STATUS_SHARING_VIOLATION)
        status = STATUS_FILES_OPEN;
    if (status != STATUS_SUCCESS) {
        status_set_text("%s: %s", name,
                        status == STATUS_FILES_OPEN ? "files on it are still open"
                                                    : "there is no such device");
        return status;
    }
    // A volume that cannot be committed any more must not stay attached for ever: it goes, and the status
    // tells.
    status = entry_dismount(entry);
    entry_remove(entry);
    return status;
}

nt_status hf_list_devices(char *out, size_t size)
{
    if (!out || size == 0)
        return STATUS_BUFFER_TOO_SMALL;
    size_t used = 0;
    out[0] = 0;
    SCOPE_LOCK(&table_mutex);
    for (struct drive_entry *e = table; e; e = e->next) {
        char name[32];
        if (e->mount)
            continue;
        if (e->letter)
            snprintf(name, sizeof name, "%c:", e->letter);
        else
            snprintf(name, sizeof name, "%s%u", kind_names[e->kind], e->number);
        if (strlen(name) + 2 > size - used) {
            out[0] = 0;
            return STATUS_BUFFER_TOO_SMALL;
        }
        memcpy(out + used, name, strlen(name) + 1);
        used += strlen(name) + 1;
        out[used] = 0;
    }
    return STATUS_SUCCESS;
}

// --- paths ---------------------------------------------------------------------------------------

bool path_next(struct str *rest, char separator, struct str *component)
{
    if (rest->len == 0)
        return false;
    const char *end = memchr(rest->p, separator, rest->len);
    u32 len = end ? (u32)(end - rest->p) : rest->len;
    *component = (struct str){rest->p, len};
    u32 skip = end ? len + 1 : len;
    *rest = (struct str){rest->p + skip, rest->len - skip};
    return true;
}

static bool is_dots(struct str component, u32 n)
{
    return component.len == n && memcmp(component.p, "..", n) == 0;
}

bool path_append(char *buf, u32 *len, char separator, struct str add, char in, bool clip)
{
    struct str component;
    while (path_next(&add, in, &component)) {
        if (component.len == 0 || is_dots(component, 1))
            continue;
        if (!is_dots(component, 2)) {
            if (*len > 0)
                buf[(*len)++] = separator;
            memcpy(buf + *len, component.p, component.len);
            *len += component.len;
            continue;
        }
        if (*len == 0 && !clip)
            return false;
        const char *last = memrchr(buf, separator, *len);
        *len = last ? (u32)(last - buf) : 0;
    }
    return true;
}

nt_status path_check(struct str path, char separator)
{
    struct str component;
    nt_status status = STATUS_SUCCESS;
    if (path.len > 0 && path.p[path.len - 1] == separator)
        return STATUS_OBJECT_NAME_INVALID;
    while (path_next(&path, separator, &component)) {
        if (component.len == 0 || is_dots(component, 2))
            return STATUS_OBJECT_NAME_INVALID;
        if (is_dots(component, 1))
            status = STATUS_OBJECT_PATH_NOT_FOUND;
    }
    return status;
}

// A component of a Windows name is a file's name and perhaps a stream's, each with its own limit.
static nt_status path_check_lengths(struct str path, char separator)
{
    struct str component, part;
    while (path_next(&path, separator, &component)) {
        while (path_next(&component, separator == '\\' ? ':' : '/', &part)) {
            size_t units;
            TRY(text_units(part, &units));
            if (units > TEXT_NAME_UNITS)
                return STATUS_OBJECT_NAME_INVALID;
        }
    }
    return STATUS_SUCCESS;
}

static bool needs_folding(struct str path, char separator)
{
    struct str component;
    while (path_next(&path, separator, &component))
        if (component.len == 0 || is_dots(component, 1) || is_dots(component, 2))
            return true;
    return false;
}

static nt_status name_set_path(struct name *name, struct str path, bool fold)
{
    name->directory = path.len > 0 && path.p[path.len - 1] == name->separator;
    if (name->directory)
        path.len--;
    name->path = path;
    if (!fold) {
        TRY(path_check(path, name->separator));
    } else if (needs_folding(path, name->separator)) {
        name->memory = malloc((size_t)path.len + 1);
        if (!name->memory)
            return STATUS_NO_MEMORY;
        name->path = (struct str){name->memory, 0};
        path_append(name->memory, &name->path.len, name->separator, path, name->separator, true);
    }
    name->directory = name->directory && name->path.len > 0;
    return path_check_lengths(name->path, name->separator);
}

static nt_status text_check(const char *text, struct str *out)
{
    size_t bytes = text ? strlen(text) : 0, units;
    *out = (struct str){text, (u32)bytes};
    if (!text)
        return STATUS_INVALID_PARAMETER;
    if (bytes > NAME_BYTES)
        return STATUS_OBJECT_NAME_INVALID;
    TRY(text_units(*out, &units));
    return units > NAME_UNITS ? STATUS_OBJECT_NAME_INVALID : STATUS_SUCCESS;
}

// The volume that is mounted there, under no name; counted.
static nt_status entry_of_mount(const char *point, struct drive_entry **out)
{
    struct device *device;
    start();
    {
        SCOPE_LOCK(&table_mutex);
        for (*out = table; *out; *out = (*out)->next)
            if ((*out)->mount && !(*out)->busy && strcmp((*out)->mount, point) == 0) {
                (*out)->users++;
                return STATUS_SUCCESS;
            }
    }
    TRY(remote_attach(point, &device));
    struct drive_entry *entry = malloc(sizeof *entry);
    char *mount = strdup(point);
    if (!entry || !mount) {
        free(entry);
        free(mount);
        dev_release(device);
        return STATUS_NO_MEMORY;
    }
    *entry = (struct drive_entry){
        .kind = DRIVE_DISK, .device = device, .users = 1, .owner = getpid(), .mount = mount};
    SCOPE_LOCK(&table_mutex);
    entry->next = table;
    table = entry;
    *out = entry;
    return STATUS_SUCCESS;
}

static nt_status name_parse_linux(const char *text, struct name *name)
{
    SCOPE_FREE struct place *place = malloc(sizeof *place);
    if (!place)
        return STATUS_NO_MEMORY;
    TRY(place_find(text, place));
    name->separator = '/';
    TRY(entry_of_mount(place->point, &name->entry));
    // The path is copied into memory of the name's own: place goes.
    size_t length = strlen(place->inside) - 1;
    name->directory = length > 0 && text[strlen(text) - 1] == '/';
    name->memory = malloc(length + 1);
    nt_status status = name->memory ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    if (name->memory) {
        memcpy(name->memory, place->inside + 1, length);
        name->path = (struct str){name->memory, (u32)length};
        status = path_check_lengths(name->path, '/');
    }
    if (status != STATUS_SUCCESS)
        name_free(name);
    return status;
}

nt_status name_parse(const char *text, struct name *name)
{
    struct str rest;
    *name = (struct name){.separator = '\\'};
    TRY(text_check(text, &rest));
    if (rest.len > 0 && rest.p[0] == '/')
        return name_parse_linux(text, name);
    bool nt_form = starts_with(rest, "\\\\?\\") || starts_with(rest, "\\??\\");
    bool prefix = nt_form || starts_with(rest, "\\\\.\\");
    struct str device = {rest.p, 2};
    if (prefix) {
        rest = (struct str){rest.p + 4, rest.len - 4};
        const char *end = memchr(rest.p, '\\', rest.len);
        device = (struct str){rest.p, end ? (u32)(end - rest.p) : rest.len};
    } else if (rest.len < 2 || !is_drive(device)) {
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    rest = (struct str){rest.p + device.len, rest.len - device.len};
    if (rest.len > 0 && rest.p[0] == '/')
        name->separator = '/';
    else if (rest.len > 0 && rest.p[0] != '\\')
        return STATUS_OBJECT_NAME_INVALID;
    TRY(entry_get(device, &name->entry));
    name->volume = rest.len == 0;
    nt_status status = STATUS_SUCCESS;
    if (!name->volume)
        status = name_set_path(name, (struct str){rest.p + 1, rest.len - 1}, !nt_form);
    if (status != STATUS_SUCCESS)
        name_free(name);
    return status;
}

nt_status name_parse_relative(const char *text, char separator, struct name *name)
{
    struct str rest;
    *name = (struct name){.separator = separator};
    TRY(text_check(text, &rest));
    return name_set_path(name, rest, false);
}

void name_free(struct name *name)
{
    free(name->memory);
    entry_put(name->entry);
    *name = (struct name){0};
}
