// SPDX-License-Identifier: Apache-2.0
// What the measuring programs share; see common.h.
#include "bench/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void ok(nt_status status, const char *what)
{
    if (status != STATUS_SUCCESS)
        die("%s: %s %s", what, hf_status_name(status), hf_error_text());
}

void posix_ok(bool good, const char *what)
{
    if (!good)
        die("%s: %s", what, strerror(errno));
}

uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double median(uint64_t *times, int count)
{
    qsort(times, (size_t)count, sizeof *times, ascending);
    return (double)times[count / 2];
}

uint64_t measure(void (*prepare)(void), void (*work)(void))
{
    if (prepare)
        prepare();
    sync(); // nobody pays for what the one before left in the page cache
    uint64_t start = now();
    work();
    return now() - start;
}

void path_set(char out[PATH_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(out, PATH_SIZE, format, arguments);
    va_end(arguments);
    if (n < 0 || n >= PATH_SIZE)
        die("name too long: %s", out);
}

uint64_t random_below(uint64_t *seed, uint64_t limit)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 20) % limit;
}

void image_make(const char *path, uint64_t size, bool sparse)
{
    static const char zeros[MIB];
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    posix_ok(fd >= 0 && ftruncate(fd, (off_t)size) == 0, path);
    for (uint64_t at = 0; !sparse && at < size; at += sizeof zeros)
        posix_ok(pwrite(fd, zeros, sizeof zeros, (off_t)at) == sizeof zeros, path);
    close(fd);
}

void cache_drop(const char *path, bool everything)
{
    sync();
    int fd = everything ? open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC) : -1;
    bool all = fd >= 0 && write(fd, "3", 1) == 1;
    if (fd >= 0)
        close(fd);
    if (all)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    posix_ok(fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, path);
    close(fd);
}

hf_handle file_open(const char *name, uint32_t access, uint32_t disposition, uint32_t options)
{
    struct hf_open_options o = {.access = access, .disposition = disposition, .options = options};
    hf_handle h;
    ok(hf_open(name, &o, &h), name);
    return h;
}

void file_close(hf_handle h)
{
    ok(hf_close(h), "close");
}

void folder_make(const char *name)
{
    file_close(file_open(name, FILE_READ_ATTRIBUTES, FILE_CREATE, FILE_DIRECTORY_FILE));
}

void file_delete(const char *name)
{
    file_close(file_open(name, DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE));
}

uint64_t folder_list(const char *name)
{
    static _Alignas(struct hf_dirent) char entries[64 * KIB];
    hf_handle h = file_open(name, FILE_LIST_DIRECTORY, FILE_OPEN, FILE_DIRECTORY_FILE);
    uint64_t files = 0;
    size_t done;
    nt_status status;
    while ((status = hf_list(h, NULL, false, entries, sizeof entries, &done)) == STATUS_SUCCESS) {
        const struct hf_dirent *entry = (const struct hf_dirent *)entries;
        for (;; entry = (const struct hf_dirent *)((const char *)entry + entry->next)) {
            files += !(entry->stat.attributes & FILE_ATTRIBUTE_DIRECTORY);
            if (entry->next == 0)
                break;
        }
    }
    if (status != STATUS_NO_MORE_FILES)
        ok(status, name);
    file_close(h);
    return files;
}
