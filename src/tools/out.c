// SPDX-License-Identifier: Apache-2.0
// What the program says: one line per failure on stderr, names and hex and JSON on stdout, a progress
// bar. Control characters of names never reach a terminal or break a line.
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/tool.h"

static int result;

static struct {
    bool on;
    uint64_t total, done;
    uint64_t first; // what was done before the start
    struct timespec started, shown;
} progress;

static void progress_clear(void)
{
    if (progress.on)
        fputs("\r\033[K", stderr);
}

void *memory(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p) {
        fputs("holdfast: out of memory\n", stderr);
        exit(RESULT_FAILED);
    }
    return p;
}

void *memory_grow(void *p, size_t size)
{
    p = realloc(p, size);
    if (!p) {
        fputs("holdfast: out of memory\n", stderr);
        exit(RESULT_FAILED);
    }
    return p;
}

char *text_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(memory(size), text, size);
}

// --- failures ------------------------------------------------------------------------------------

static void print_clean(FILE *file, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            fprintf(file, "\\x%02x", *p);
        else
            putc(*p, file);
    }
}

static void line(const char *where, const char *status, const char *format, va_list list, const char *details)
{
    char *text = NULL;
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    progress_clear();
    fflush(stdout); // keeps the order where both go to one place
    fputs("holdfast: ", stderr);
    print_clean(stderr, where);
    fputs(": ", stderr);
    fputs(status, stderr);
    print_clean(stderr, text ? text : "out of memory");
    if (details[0]) {
        fputs(": ", stderr);
        print_clean(stderr, details);
    }
    putc('\n', stderr);
    free(text);
}

bool status_is_corruption(nt_status status)
{
    return status == STATUS_DATA_CHECKSUM_ERROR || status == STATUS_DISK_CORRUPT_ERROR ||
           status == STATUS_FILE_CORRUPT_ERROR;
}

static void result_add(int code)
{
    result = code > result ? code : result;
}

// hf_open's text is often just the name, "X:/dir/file", which we have said already.
static bool is_same_name(const char *details, const char *where)
{
    size_t length = strlen(details), end = strlen(where);
    return length > 2 && details[1] == ':' && end >= length - 2 &&
           strcmp(details + 2, where + end - (length - 2)) == 0;
}

void fail_status(const char *where, nt_status status, const char *what, ...)
{
    char details[400], head[120];
    snprintf(details, sizeof details, "%s", hf_error_text());
    if (is_same_name(details, where))
        details[0] = 0;
    const char *name = hf_status_name(status);
    snprintf(head, sizeof head, "%s (Win32 %u): ", name ? name : "unknown status",
             hf_status_to_win32(status));
    va_list list;
    va_start(list, what);
    line(where, head, what, list, details);
    va_end(list);
    result_add(status_is_corruption(status) ? RESULT_CORRUPT : RESULT_FAILED);
}

void fail_text(const char *where, const char *what, ...)
{
    va_list list;
    va_start(list, what);
    line(where, "", what, list, "");
    va_end(list);
    result_add(RESULT_FAILED);
}

void fail_errno(const char *where, const char *what)
{
    fail_text(where, "%s: %s", what, strerror(errno));
}

void note(const char *where, const char *what)
{
    int before = result;
    fail_text(where, "note: %s", what);
    result = before;
}

int out_result(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        fail_errno("standard output", "cannot write");
    return result;
}

// --- names, numbers, times -----------------------------------------------------------------------

void out_name(const char *name)
{
    if (isatty(STDOUT_FILENO))
        print_clean(stdout, name);
    else
        fputs(name, stdout);
}

void out_hex(const void *data, size_t length)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < length; i++)
        printf("%02x", p[i]);
    putchar('\n');
}

bool parse_hex(const char *text, unsigned char **data, size_t *length)
{
    *data = memory(strlen(text) / 2 + 1);
    *length = 0;
    int high = -1;
    for (; *text; text++) {
        if (high < 0 && (isspace((unsigned char)*text) || *text == ':' || *text == ','))
            continue;
        int c = tolower((unsigned char)*text);
        if (!isxdigit(c))
            break;
        int digit = isdigit(c) ? c - '0' : c - 'a' + 10;
        if (high < 0) {
            high = digit;
        } else {
            (*data)[(*length)++] = (unsigned char)(high << 4 | digit);
            high = -1;
        }
    }
    if (!*text && high < 0)
        return true;
    free(*data);
    *data = NULL;
    *length = 0;
    return false;
}

bool file_read_all(const char *path, size_t limit, unsigned char **data, size_t *length)
{
    *data = NULL;
    *length = 0;
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    if (!file) {
        fail_errno(path, "cannot open");
        return false;
    }
    *data = memory(limit + 1);
    *length = fread(*data, 1, limit + 1, file);
    bool good = !ferror(file) && *length <= limit;
    if (ferror(file))
        fail_errno(path, "cannot read");
    else if (!good)
        fail_text(path, "is larger than %zu bytes", limit);
    if (!standard)
        fclose(file);
    if (!good) {
        free(*data);
        *data = NULL;
        *length = 0;
    }
    return good;
}

enum { TICKS = 10000000 };
static const uint64_t unix_epoch = 11644473600ull * TICKS; // 1970-01-01 in 100 ns since 1601

struct timespec time_to_unix(uint64_t time)
{
    int64_t since = (int64_t)(time - unix_epoch), seconds = since / TICKS, rest = since % TICKS;
    if (rest < 0) {
        seconds--;
        rest += TICKS;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = rest * 100};
}

uint64_t time_from_unix(struct timespec time)
{
    // Times before 1601 or beyond the 64-bit range become the nearest one; 0 would mean "leave as it is".
    if (time.tv_sec <= -11644473600ll)
        return 1;
    if (time.tv_sec >= INT64_MAX / TICKS - 11644473600ll)
        return INT64_MAX;
    return (uint64_t)time.tv_sec * TICKS + unix_epoch + (uint64_t)time.tv_nsec / 100;
}

struct time_text time_text(uint64_t time)
{
    struct time_text out = {0};
    struct timespec t = time_to_unix(time);
    struct tm tm = {0};
    char day[24];
    if (!gmtime_r(&t.tv_sec, &tm) || strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(day, sizeof day, "?");
    snprintf(out.text, sizeof out.text, "%s.%07ldZ", day, t.tv_nsec / 100);
    return out;
}

const char *attributes_text(uint32_t attributes)
{
    static const struct {
        uint32_t bit;
        char letter;
    } letters[] = {
        {FILE_ATTRIBUTE_DIRECTORY, 'd'},   {FILE_ATTRIBUTE_REPARSE_POINT, 'l'},
        {FILE_ATTRIBUTE_READONLY, 'r'},    {FILE_ATTRIBUTE_HIDDEN, 'h'},
        {FILE_ATTRIBUTE_SYSTEM, 's'},      {FILE_ATTRIBUTE_ARCHIVE, 'a'},
        {FILE_ATTRIBUTE_SPARSE_FILE, 'p'}, {FILE_ATTRIBUTE_INTEGRITY_STREAM, 'i'},
    };
    enum { COUNT = sizeof letters / sizeof letters[0] };
    static char text[COUNT + 1];
    for (int i = 0; i < COUNT; i++)
        text[i] = attributes & letters[i].bit ? letters[i].letter : '-';
    return text;
}

const char *tag_name(uint32_t tag)
{
#define TAG(name)               \
    case IO_REPARSE_TAG_##name: \
        return #name;
    switch (tag) {
        TAG(MOUNT_POINT)
        TAG(SYMLINK)
        TAG(FILTER_MANAGER)
        TAG(NFS)
        TAG(APPEXECLINK)
        TAG(LX_SYMLINK)
        TAG(AF_UNIX)
        TAG(LX_FIFO)
        TAG(LX_CHR)
        TAG(LX_BLK)
    default:
        return NULL;
    }
#undef TAG
}

const char *algorithm_name(uint32_t algorithm)
{
    switch (algorithm) {
    case CHECKSUM_TYPE_NONE:
        return "NONE";
    case CHECKSUM_TYPE_CRC32:
        return "CRC32";
    case CHECKSUM_TYPE_CRC64:
        return "CRC64";
    default:
        return "unknown";
    }
}

// --- JSON ----------------------------------------------------------------------------------------

void out_json(struct json_object *object)
{
    puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
}

void json_add_text(struct json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, text ? json_object_new_string(text) : NULL);
}

void json_add_number(struct json_object *object, const char *key, uint64_t number)
{
    json_object_object_add(object, key, json_object_new_uint64(number));
}

void json_add_bool(struct json_object *object, const char *key, bool value)
{
    json_object_object_add(object, key, json_object_new_boolean(value));
}

void json_add_hex(struct json_object *object, const char *key, const void *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    char *text = memory(length * 2 + 1);
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[p[i] >> 4];
        text[2 * i + 1] = digits[p[i] & 15];
    }
    json_add_text(object, key, text);
    free(text);
}

void json_add_stat(struct json_object *object, const struct hf_stat *st)
{
    json_add_text(object, "type",
                  is_link(st)                                 ? "reparse point"
                  : st->attributes & FILE_ATTRIBUTE_DIRECTORY ? "directory"
                                                              : "file");
    json_add_number(object, "id", st->id);
    json_add_number(object, "size", st->size);
    json_add_number(object, "allocated", st->allocated);
    json_add_number(object, "links", st->links);
    json_add_number(object, "attributes", st->attributes);
    json_add_text(object, "attributes_text", attributes_text(st->attributes));
    json_add_text(object, "created", time_text(st->created).text);
    json_add_text(object, "accessed", time_text(st->accessed).text);
    json_add_text(object, "written", time_text(st->written).text);
    json_add_text(object, "changed", time_text(st->changed).text);
    if (is_link(st)) {
        json_add_number(object, "reparse_tag", st->reparse_tag);
        json_add_text(object, "reparse_tag_name", tag_name(st->reparse_tag));
    }
}

// --- progress ------------------------------------------------------------------------------------

void progress_start(uint64_t bytes)
{
    progress.on = isatty(STDERR_FILENO);
    progress.total = bytes;
    progress.done = progress.first = 0;
    clock_gettime(CLOCK_MONOTONIC, &progress.started);
}

static int64_t milliseconds(const struct timespec *from, const struct timespec *to)
{
    return (to->tv_sec - from->tv_sec) * 1000 + (to->tv_nsec - from->tv_nsec) / 1000000;
}

// Rate and remaining time, as soon as there is something to tell them by.
static void progress_rate(const struct timespec *now)
{
    double seconds = (double)milliseconds(&progress.started, now) / 1000;
    double rate = seconds > 0 ? (double)(progress.done - progress.first) / seconds : 0;
    if (seconds < 0.5 || rate < 1)
        return;
    double left = progress.total > progress.done ? (double)(progress.total - progress.done) / rate : 0;
    uint64_t s = left < 360000 ? (uint64_t)(left + 0.5) : 359999;
    fprintf(stderr, "%.1f MiB/s  %llu:%02llu:%02llu left  ", rate / (1 << 20), (unsigned long long)s / 3600,
            (unsigned long long)s / 60 % 60, (unsigned long long)s % 60);
}

void progress_set(uint64_t done, uint64_t total)
{
    if (progress.done == 0)
        progress.first = done;
    progress.total = total;
    progress_add(done - progress.done, "");
}

void progress_add(uint64_t bytes, const char *name)
{
    enum { WIDTH = 30, INTERVAL_MS = 100 };
    progress.done += bytes;
    if (!progress.on)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (progress.shown.tv_sec && milliseconds(&progress.shown, &now) < INTERVAL_MS)
        return;
    progress.shown = now;
    double part = progress.total ? (double)progress.done / (double)progress.total : 1;
    int filled = part > 1 ? WIDTH : (int)(part * WIDTH);
    char bar[WIDTH + 1] = {0}, shown[41];
    memset(bar, '-', WIDTH);
    memset(bar, '#', (size_t)filled);
    snprintf(shown, sizeof shown, "%s", name);
    progress_clear();
    fprintf(stderr, "[%s] %3d%%  %.1f MiB  ", bar, part > 1 ? 100 : (int)(part * 100),
            (double)progress.done / (1 << 20));
    progress_rate(&now);
    print_clean(stderr, shown);
}

void progress_end(void)
{
    progress_clear();
    progress.on = false;
}
