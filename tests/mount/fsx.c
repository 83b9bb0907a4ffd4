// SPDX-License-Identifier: Apache-2.0
// fsx: random operations on a few files of a directory, compared with a model in memory after each: reads,
// writes, maps, holes, copies, sync, and, driven by fsx_test.py, remounts and a killed daemon. After a kill
// each byte must be what the last fsync covered or something written since; likewise the size.
//
//     fsx DIR --seed S --operations N [--driven] [--trace]
//
// With --driven it prints "remount" or "kill" on a line and goes on when it reads one.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 3, MOST = 192 * 1024, LONGEST = 40000, PAGE = 4096, SIZES_KEPT = 4096 };

// What one file should be, and what it may be after a kill.
struct model {
    uint8_t now[MOST];
    uint32_t may[MOST][8]; // the values that this byte had since the last fsync: a set of 256
    uint32_t size;
    uint32_t sizes[SIZES_KEPT], size_count; // the sizes since the last fsync
    int fd;
    int flags;
    char name[16];
};
static struct model files[FILES];
static uint64_t dice, seed, operations = 2000;
static bool driven, tracing;
static uint64_t step;
static uint8_t buffer[MOST + PAGE] __attribute__((aligned(PAGE)));

// --- random and words ----------------------------------------------------------------------------

static uint64_t next(void)
{
    uint64_t z = dice += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
    return n ? (uint32_t)((next() >> 33) % n) : 0;
}

[[gnu::noreturn, gnu::format(printf, 1, 2)]] static void fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf("failed at operation %llu: ", (unsigned long long)step);
    vprintf(format, list);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

[[gnu::format(printf, 1, 2)]] static void trace(const char *format, ...)
{
    va_list list;
    if (!tracing)
        return;
    va_start(list, format);
    fprintf(stderr, "%llu: ", (unsigned long long)step);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
}

// --- the model -----------------------------------------------------------------------------------

static void may_be(struct model *f, uint32_t at, uint8_t value)
{
    f->may[at][value / 32] |= 1u << value % 32;
}

// All that was done is durable: nothing else may be there after a kill.
static void model_synced(struct model *f)
{
    memset(f->may, 0, sizeof f->may);
    for (uint32_t i = 0; i < MOST; i++)
        may_be(f, i, i < f->size ? f->now[i] : 0);
    f->sizes[0] = f->size;
    f->size_count = 1;
}

static void model_size(struct model *f, uint32_t size)
{
    for (uint32_t i = size; i < MOST; i++)
        may_be(f, i, 0);
    if (size < f->size)
        memset(f->now + size, 0, f->size - size);
    f->size = size;
    if (f->size_count == SIZES_KEPT)
        fail("too many sizes without a sync");
    f->sizes[f->size_count++] = size;
}

static void model_write(struct model *f, uint32_t at, const uint8_t *data, uint32_t length, bool grow)
{
    for (uint32_t i = 0; i < length && at + i < MOST; i++) {
        if (!grow && at + i >= f->size)
            break;
        f->now[at + i] = data ? data[i] : 0;
        may_be(f, at + i, f->now[at + i]);
    }
    if (grow && at + length > f->size && length)
        model_size(f, at + length);
}

static void compare(struct model *f, uint32_t at, const uint8_t *is, uint32_t length, const char *how)
{
    for (uint32_t i = 0; i < length; i++)
        if (is[i] != f->now[at + i])
            fail("%s, %s: byte %u of %u is %02x, should be %02x", f->name, how, at + i, f->size, is[i],
                 f->now[at + i]);
}

static uint32_t real_size(struct model *f)
{
    struct stat s;
    if (fstat(f->fd, &s) != 0)
        fail("%s: fstat: %s", f->name, strerror(errno));
    return (uint32_t)s.st_size;
}

// data has room for a page more, which direct reads ask for.
static void read_all(struct model *f, uint8_t *data, uint32_t length, uint32_t at)
{
    for (uint32_t done = 0; done < length;) {
        ssize_t n = pread(f->fd, data + done, (length - done + PAGE - 1) / PAGE * PAGE, at + done);
        if (n <= 0)
            fail("%s: reading %u bytes at %u: %s", f->name, length - done, at + done,
                 n ? strerror(errno) : "the end");
        done += (uint32_t)n;
    }
}

static void verify(struct model *f)
{
    if (real_size(f) != f->size)
        fail("%s: the size is %u, should be %u", f->name, real_size(f), f->size);
    read_all(f, buffer, f->size, 0);
    compare(f, 0, buffer, f->size, "all of it");
}

// What is there after a kill is allowed; it is the new beginning.
static void accept(struct model *f)
{
    uint32_t size = real_size(f), i;
    for (i = 0; i < f->size_count && f->sizes[i] != size; i++)
        ;
    if (i == f->size_count)
        fail("%s: after a kill the size is %u, which it never was since the last fsync (then %u, last %u)",
             f->name, size, f->sizes[0], f->size);
    read_all(f, buffer, size, 0);
    for (i = 0; i < size; i++)
        if (!(f->may[i][buffer[i] / 32] & 1u << buffer[i] % 32))
            fail("%s: after a kill byte %u of %u is %02x, which it never was since the last fsync; last %02x",
                 f->name, i, size, buffer[i], f->now[i]);
    memcpy(f->now, buffer, size);
    memset(f->now + size, 0, MOST - size);
    f->size = size;
    model_synced(f);
}

// --- operations ----------------------------------------------------------------------------------

static void file_open(struct model *f)
{
    f->flags = O_RDWR | (below(6) == 0 ? O_DIRECT : 0);
    f->fd = open(f->name, f->flags);
    if (f->fd < 0)
        fail("%s: open: %s", f->name, strerror(errno));
}

static bool direct(const struct model *f)
{
    return f->flags & O_DIRECT;
}

// A range that begins in the file or shortly after it; direct requests are aligned.
static void pick(const struct model *f, uint32_t *at, uint32_t *length)
{
    uint32_t room = f->size + PAGE * 4 < MOST ? f->size + PAGE * 4 : MOST - 1;
    *at = below(room);
    *length = 1 + below(below(3) ? 5000 : LONGEST);
    if (direct(f) || below(4) == 0) {
        *at = *at / PAGE * PAGE;
        *length = (*length + PAGE - 1) / PAGE * PAGE;
    }
    if (*at + *length > MOST)
        *length = MOST - *at;
}

static void do_read(struct model *f)
{
    uint32_t at, length;
    pick(f, &at, &length);
    trace("%s: read %u at %u", f->name, length, at);
    ssize_t n = pread(f->fd, buffer, length, at);
    uint32_t should = at >= f->size ? 0 : f->size - at < length ? f->size - at : length;
    if (n < 0 || (uint32_t)n != should)
        fail("%s: read of %u at %u of %u gave %zd (%s)", f->name, length, at, f->size, n,
             n < 0 ? strerror(errno) : "");
    compare(f, at, buffer, should, "read");
}

static void new_bytes(uint8_t *data, uint32_t length)
{
    uint64_t x = next();
    for (uint32_t i = 0; i < length; i++)
        data[i] = (uint8_t)(x + i * 7 + (i >> 8));
}

static void do_write(struct model *f)
{
    uint32_t at, length;
    pick(f, &at, &length);
    new_bytes(buffer, length);
    trace("%s: write %u at %u%s", f->name, length, at, direct(f) ? ", direct" : "");
    if (pwrite(f->fd, buffer, length, at) != (ssize_t)length)
        fail("%s: write of %u at %u: %s", f->name, length, at, strerror(errno));
    model_write(f, at, buffer, length, true);
}

static void do_append(struct model *f)
{
    uint32_t length = 1 + below(6000);
    int fd = open(f->name, O_WRONLY | O_APPEND);
    if (f->size + length <= MOST) {
        new_bytes(buffer, length);
        trace("%s: append %u at %u", f->name, length, f->size);
        if (fd < 0 || write(fd, buffer, length) != (ssize_t)length)
            fail("%s: append: %s", f->name, strerror(errno));
        model_write(f, f->size, buffer, length, true);
    }
    close(fd);
}

static void do_truncate(struct model *f)
{
    uint32_t size = below(5) == 0 ? 0 : below(MOST);
    trace("%s: truncate %u to %u", f->name, f->size, size);
    if (ftruncate(f->fd, size) != 0)
        fail("%s: truncate: %s", f->name, strerror(errno));
    model_size(f, size);
}

static void do_map(struct model *f, bool write)
{
    uint32_t at, length;
    if (f->size == 0)
        return;
    at = below(f->size);
    length = 1 + below(f->size - at < LONGEST ? f->size - at : LONGEST);
    trace("%s: map to %s %u at %u", f->name, write ? "write" : "read", length, at);
    uint32_t start = at / PAGE * PAGE;
    uint8_t *map =
        mmap(NULL, at - start + length, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, f->fd, start);
    if (map == MAP_FAILED)
        fail("%s: mmap: %s", f->name, strerror(errno));
    if (write) {
        new_bytes(buffer, length);
        memcpy(map + at - start, buffer, length);
        model_write(f, at, buffer, length, false);
        if (below(3) == 0 && msync(map, at - start + length, below(2) ? MS_SYNC : MS_ASYNC) != 0)
            fail("%s: msync: %s", f->name, strerror(errno));
    } else {
        compare(f, at, map + at - start, length, "map");
    }
    munmap(map, at - start + length);
}

static void do_fallocate(struct model *f)
{
    static const int modes[] = {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, FALLOC_FL_KEEP_SIZE};
    int mode = modes[below(5)];
    uint32_t at, length;
    pick(f, &at, &length);
    trace("%s: fallocate mode %d, %u at %u", f->name, mode, length, at);
    if (fallocate(f->fd, mode, at, length) != 0)
        fail("%s: fallocate mode %d, %u at %u: %s", f->name, mode, length, at, strerror(errno));
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        model_write(f, at, NULL, length, false);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && at + length > f->size)
        model_size(f, at + length);
}

static void do_copy(struct model *f)
{
    struct model *to = &files[below(FILES)];
    if (f->size == 0 || direct(f) || direct(to))
        return;
    uint32_t from = below(f->size), at = below(MOST), length = 1 + below(LONGEST);
    if (below(2)) {
        from = from / 16384 * 16384;
        at = at / 16384 * 16384;
        length = (length + 16383) / 16384 * 16384;
    }
    length = length < f->size - from ? length : f->size - from;
    length = length < MOST - at ? length : MOST - at;
    if (to == f && from < at + length && at < from + length)
        return;
    trace("copy %u of %s at %u to %s at %u", length, f->name, from, to->name, at);
    for (uint32_t done = 0; done < length;) {
        off_t in = from + done, out = at + done;
        ssize_t n = copy_file_range(f->fd, &in, to->fd, &out, length - done, 0);
        if (n <= 0)
            fail("copy_file_range %u of %s at %u to %s at %u: %s", length, f->name, from, to->name, at,
                 n ? strerror(errno) : "nothing");
        memcpy(buffer, f->now + from + done, (size_t)n);
        model_write(to, at + done, buffer, (uint32_t)n, true);
        done += (uint32_t)n;
    }
}

static void do_sync(struct model *f)
{
    trace("%s: sync", f->name);
    if ((below(2) ? fsync(f->fd) : fdatasync(f->fd)) != 0)
        fail("%s: fsync: %s", f->name, strerror(errno));
    model_synced(f);
}

static void do_reopen(struct model *f)
{
    trace("%s: reopen", f->name);
    if (close(f->fd) != 0)
        fail("%s: close: %s", f->name, strerror(errno));
    file_open(f);
}

static void do_forget(struct model *f)
{
    trace("%s: drop from the cache", f->name);
    posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void ask(const char *what)
{
    char line[64];
    printf("%s\n", what);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        fail("the driver is gone");
}

static void do_remount(bool kill)
{
    char here[4096];
    trace(kill ? "kill" : "remount");
    if (!getcwd(here, sizeof here))
        fail("getcwd: %s", strerror(errno));
    for (int i = 0; i < FILES && !kill; i++)
        if (close(files[i].fd) != 0)
            fail("%s: close: %s", files[i].name, strerror(errno));
    if (chdir("/") != 0)
        fail("chdir: %s", strerror(errno));
    if (kill) {
        ask("kill");
        for (int i = 0; i < FILES; i++)
            close(files[i].fd); // fails: there is nobody
    }
    ask("remount");
    if (chdir(here) != 0)
        fail("%s: %s", here, strerror(errno));
    for (int i = 0; i < FILES; i++) {
        file_open(&files[i]);
        if (kill)
            accept(&files[i]);
        else {
            verify(&files[i]);
            model_synced(&files[i]); // a clean unmount has written everything
        }
    }
}

static void one(void)
{
    struct model *f = &files[below(FILES)];
    uint32_t what = below(100);
    if (f->size_count > SIZES_KEPT / 2)
        do_sync(f);
    if (what < 18)
        do_read(f);
    else if (what < 40)
        do_write(f);
    else if (what < 44)
        do_append(f);
    else if (what < 50)
        do_truncate(f);
    else if (what < 58)
        do_map(f, false);
    else if (what < 68)
        do_map(f, true);
    else if (what < 78)
        do_fallocate(f);
    else if (what < 86)
        do_copy(f);
    else if (what < 92)
        do_sync(f);
    else if (what < 96)
        do_reopen(f);
    else
        do_forget(f);
    if (driven && below(150) == 0)
        do_remount(below(2));
    if (below(100) == 0)
        verify(&files[below(FILES)]);
}

int main(int argc, char **argv)
{
    if (argc < 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: fsx DIR [--seed S] [--operations N] [--driven] [--trace]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        driven |= strcmp(argv[i], "--driven") == 0;
        tracing |= strcmp(argv[i], "--trace") == 0;
        if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[++i], NULL, 0);
        else if (i + 1 < argc && strcmp(argv[i], "--operations") == 0)
            operations = strtoull(argv[++i], NULL, 0);
    }
    dice = seed;
    for (int i = 0; i < FILES; i++) {
        struct model *f = &files[i];
        snprintf(f->name, sizeof f->name, "file-%d", i);
        int fd = open(f->name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
        if (fd < 0 || fsync(fd) != 0 || close(fd) != 0)
            fail("%s: %s", f->name, strerror(errno));
        model_synced(f);
        file_open(f);
    }
    int directory = open(".", O_RDONLY | O_DIRECTORY);
    if (directory < 0 || fsync(directory) != 0 || close(directory) != 0)
        fail("fsync of the directory: %s", strerror(errno));
    for (step = 1; step <= operations; step++)
        one();
    for (int i = 0; i < FILES; i++)
        verify(&files[i]);
    printf("done\n");
    return 0;
}
