// SPDX-License-Identifier: Apache-2.0
// What Holdfast costs: each figure through the native API beside the same work on plain files of the same
// file system, in one run, medians of several rounds that alternate. Host page cache warm for both; every
// write ends with a flush.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <holdfast/holdfast.h>

enum {
    MIB = 1 << 20,
    BIG_SIZE = 128 * MIB, // of the file for sequential and random access
    REQUEST = MIB,
    BLOCK = 4096,
    RANDOM_COUNT = 8192,
    FILES = 20000,
    FILES_PER_FOLDER = 500,
    SMALL_SIZE = 3000,
    CALLS = 200000,
    ROUNDS_MAX = 15,
    VOLUME_SIZE = 2047 * MIB,
};

static struct {
    char folder[200]; // ours, below the one that was given
    int round;
    hf_handle file; // the big file, with integrity
    hf_handle volume;
    int plain; // its peer
    uint8_t *data;
    uint32_t seed;
} bench;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void ok(nt_status status, const char *what)
{
    if (status != STATUS_SUCCESS)
        die("%s: %s %s", what, hf_status_name(status), hf_error_text());
}

static void posix_ok(bool good, const char *what)
{
    if (!good)
        die("%s: %s", what, strerror(errno));
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// The same sequence of places for both sides: restart() before each.
static uint64_t random_offset(void)
{
    bench.seed = bench.seed * 1664525u + 1013904223u;
    return (uint64_t)(bench.seed >> 8) % (BIG_SIZE / BLOCK) * BLOCK;
}

static void restart(void)
{
    bench.seed = 20240607u + (uint32_t)bench.round;
}

// --- one big file
// --------------------------------------------------------------------------------------------

static void ours_write(uint64_t offset, size_t length)
{
    size_t done;
    ok(hf_write(bench.file, offset, bench.data, length, &done), "write");
}

static void ours_read(uint64_t offset, size_t length)
{
    size_t done;
    ok(hf_read(bench.file, offset, bench.data, length, &done), "read");
    if (done != length)
        die("short read");
}

static void plain_write(uint64_t offset, size_t length)
{
    posix_ok(pwrite(bench.plain, bench.data, length, (off_t)offset) == (ssize_t)length, "pwrite");
}

static void plain_read(uint64_t offset, size_t length)
{
    posix_ok(pread(bench.plain, bench.data, length, (off_t)offset) == (ssize_t)length, "pread");
}

static void ours_flush(void)
{
    ok(hf_flush(bench.file), "flush");
}

static void plain_flush(void)
{
    posix_ok(fsync(bench.plain) == 0, "fsync");
}

static void sequential(void (*request)(uint64_t, size_t))
{
    for (uint64_t offset = 0; offset < BIG_SIZE; offset += REQUEST)
        request(offset, REQUEST);
}

static void scattered(void (*request)(uint64_t, size_t))
{
    restart();
    for (int i = 0; i < RANDOM_COUNT; i++)
        request(random_offset(), BLOCK);
}

static void ours_sequential_write(void)
{
    sequential(ours_write);
    ours_flush();
}

static void plain_sequential_write(void)
{
    sequential(plain_write);
    plain_flush();
}

static void ours_sequential_read(void)
{
    sequential(ours_read);
}

static void plain_sequential_read(void)
{
    sequential(plain_read);
}

static void ours_random_read(void)
{
    scattered(ours_read);
}

static void plain_random_read(void)
{
    scattered(plain_read);
}

static void ours_random_write(void)
{
    scattered(ours_write);
    ours_flush();
}

static void plain_random_write(void)
{
    scattered(plain_write);
    plain_flush();
}

// --- many small files
// ----------------------------------------------------------------------------------------

static void small_name(char *out, size_t size, const char *root, int file)
{
    int n = snprintf(out, size, "%s/r%d/%d/f%05d", root, bench.round, file / FILES_PER_FOLDER, file);
    if (n < 0 || (size_t)n >= size)
        die("name too long");
}

static hf_handle ours_open(const char *name, uint32_t access, uint32_t disposition, uint32_t options)
{
    struct hf_open_options o = {.access = access, .disposition = disposition, .options = options};
    hf_handle h;
    ok(hf_open(name, &o, &h), name);
    return h;
}

static void ours_folder(const char *name)
{
    ok(hf_close(ours_open(name, FILE_READ_ATTRIBUTES, FILE_CREATE, FILE_DIRECTORY_FILE)), "close");
}

static void ours_create(void)
{
    char name[300];
    snprintf(name, sizeof(name), "B:/r%d", bench.round);
    ours_folder(name);
    for (int i = 0; i < FILES; i++) {
        if (i % FILES_PER_FOLDER == 0) {
            snprintf(name, sizeof(name), "B:/r%d/%d", bench.round, i / FILES_PER_FOLDER);
            ours_folder(name);
        }
        small_name(name, sizeof(name), "B:", i);
        hf_handle h = ours_open(name, FILE_WRITE_DATA, FILE_CREATE, FILE_NON_DIRECTORY_FILE);
        size_t done;
        ok(hf_write(h, 0, bench.data, SMALL_SIZE, &done), name);
        ok(hf_close(h), "close");
    }
    ours_flush();
}

static void plain_create(void)
{
    char name[300];
    snprintf(name, sizeof(name), "%s/r%d", bench.folder, bench.round);
    posix_ok(mkdir(name, 0700) == 0, name);
    for (int i = 0; i < FILES; i++) {
        if (i % FILES_PER_FOLDER == 0) {
            snprintf(name, sizeof(name), "%s/r%d/%d", bench.folder, bench.round, i / FILES_PER_FOLDER);
            posix_ok(mkdir(name, 0700) == 0, name);
        }
        small_name(name, sizeof(name), bench.folder, i);
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        posix_ok(fd >= 0, name);
        posix_ok(pwrite(fd, bench.data, SMALL_SIZE, 0) == SMALL_SIZE, name);
        close(fd);
    }
    posix_ok(syncfs(bench.plain) == 0, "syncfs");
}

static void ours_stat(void)
{
    char name[300];
    struct hf_stat st;
    for (int i = 0; i < FILES; i++) {
        small_name(name, sizeof(name), "B:", i);
        hf_handle h = ours_open(name, FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
        ok(hf_stat(h, &st), name);
        ok(hf_close(h), "close");
    }
}

static void plain_stat(void)
{
    char name[300];
    struct stat st;
    for (int i = 0; i < FILES; i++) {
        small_name(name, sizeof(name), bench.folder, i);
        posix_ok(stat(name, &st) == 0, name);
    }
}

static void ours_small_read(void)
{
    char name[300];
    for (int i = 0; i < FILES; i++) {
        small_name(name, sizeof(name), "B:", i);
        hf_handle h = ours_open(name, FILE_READ_DATA, FILE_OPEN, 0);
        size_t done;
        ok(hf_read(h, 0, bench.data, SMALL_SIZE, &done), name);
        ok(hf_close(h), "close");
    }
}

static void plain_small_read(void)
{
    char name[300];
    for (int i = 0; i < FILES; i++) {
        small_name(name, sizeof(name), bench.folder, i);
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        posix_ok(fd >= 0, name);
        posix_ok(pread(fd, bench.data, SMALL_SIZE, 0) == SMALL_SIZE, name);
        close(fd);
    }
}

// --- control codes; the peer is the cheapest thing that asks a kernel about a file
// -----------------------------

static void ours_get_integrity(void)
{
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER out;
    size_t done;
    for (int i = 0; i < CALLS; i++)
        ok(hf_ioctl(bench.file, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &out, sizeof(out), &done), "ioctl");
}

static void ours_check_verify2(void)
{
    uint32_t count;
    size_t done;
    for (int i = 0; i < CALLS; i++)
        ok(hf_ioctl(bench.volume, IOCTL_STORAGE_CHECK_VERIFY2, NULL, 0, &count, sizeof(count), &done),
           "ioctl");
}

static void plain_fstat(void)
{
    struct stat st;
    for (int i = 0; i < CALLS; i++)
        posix_ok(fstat(bench.plain, &st) == 0, "fstat");
}

// --- the table
// -----------------------------------------------------------------------------------------------

enum unit { UNIT_MB_PER_S, UNIT_PER_S, UNIT_NS };
static const struct row {
    const char *name;
    void (*ours)(void), (*plain)(void);
    double amount; // bytes, or operations
    enum unit unit;
} rows[] = {
    {"sequential write, 1 MiB", ours_sequential_write, plain_sequential_write, BIG_SIZE, UNIT_MB_PER_S},
    {"sequential read, 1 MiB", ours_sequential_read, plain_sequential_read, BIG_SIZE, UNIT_MB_PER_S},
    {"random read, 4 KiB", ours_random_read, plain_random_read, RANDOM_COUNT, UNIT_PER_S},
    {"random write, 4 KiB", ours_random_write, plain_random_write, RANDOM_COUNT, UNIT_PER_S},
    {"create 20,000 small files", ours_create, plain_create, FILES, UNIT_PER_S},
    {"stat 20,000 small files", ours_stat, plain_stat, FILES, UNIT_PER_S},
    {"read 20,000 small files", ours_small_read, plain_small_read, FILES, UNIT_PER_S},
    {"GET_INTEGRITY (peer: fstat)", ours_get_integrity, plain_fstat, CALLS, UNIT_NS},
    {"CHECK_VERIFY2 (peer: fstat)", ours_check_verify2, plain_fstat, CALLS, UNIT_NS},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
static uint64_t times[ROWS][2][ROUNDS_MAX];

// Nobody pays for what the one before left in the page cache.
static uint64_t timed(void (*work)(void))
{
    posix_ok(syncfs(bench.plain) == 0, "syncfs");
    uint64_t start = now();
    work();
    return now() - start;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double figure(const struct row *row, uint64_t ns)
{
    if (row->unit == UNIT_NS)
        return (double)ns / row->amount;
    double per_second = row->amount * 1e9 / (double)ns;
    return row->unit == UNIT_MB_PER_S ? per_second / 1e6 : per_second;
}

static void print_table(int rounds)
{
    static const char *const units[] = {"MB/s", "/s", "ns"};
    printf("\n%-30s %12s %12s %-5s %16s\n", "", "holdfast", "plain", "", "holdfast : plain");
    for (int i = 0; i < ROWS; i++) {
        double value[2];
        for (int side = 0; side < 2; side++) {
            qsort(times[i][side], (size_t)rounds, sizeof(uint64_t), ascending);
            value[side] = figure(&rows[i], times[i][side][rounds / 2]);
        }
        printf("%-30s %12.0f %12.0f %-5s %16.2f\n", rows[i].name, value[0], value[1], units[rows[i].unit],
               value[0] / value[1]);
    }
    printf("\nMedians of %d rounds; MB/s and /s: more is better, ns: less. Every read verifies its data, a 4 "
           "KiB one\n"
           "the whole 16 KiB unit; CRC-32C, 4 KiB clusters, two copies of metadata. Host page cache warm; "
           "writes and\n"
           "creates include the flush to stable storage.\n",
           rounds);
}

static void set_up(const char *where)
{
    char path[256], spec[300];
    bench.data = malloc(REQUEST);
    if (!bench.data)
        die("no memory");
    for (size_t i = 0; i < REQUEST; i++)
        bench.data[i] = (uint8_t)(i * 131 + (i >> 8));
    snprintf(bench.folder, sizeof(bench.folder), "%s/holdfast-bench-XXXXXX", where);
    posix_ok(mkdtemp(bench.folder) != NULL, where);
    snprintf(path, sizeof(path), "%s/volume.hf", bench.folder);
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    posix_ok(fd >= 0, path);
    // Written once before, so that nobody measures how the host allocates a sparse file.
    for (off_t offset = 0; offset < VOLUME_SIZE; offset += REQUEST)
        posix_ok(pwrite(fd, bench.data, REQUEST, offset) == REQUEST, path);
    close(fd);
    snprintf(spec, sizeof(spec), "file:%s", path);
    ok(hf_format(spec, &(struct hf_format_options){.integrity = true}), "format");
    ok(hf_attach("B:", spec), "attach");
    bench.file = ours_open("B:/big", FILE_READ_DATA | FILE_WRITE_DATA, FILE_CREATE, FILE_NON_DIRECTORY_FILE);
    bench.volume = ours_open("\\\\.\\B:", FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    snprintf(path, sizeof(path), "%s/big", bench.folder);
    bench.plain = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    posix_ok(bench.plain >= 0, path);
}

static void tear_down(void)
{
    ok(hf_close(bench.file), "close");
    ok(hf_close(bench.volume), "close");
    ok(hf_detach("B:"), "detach");
    close(bench.plain);
    free(bench.data);
    execlp("rm", "rm", "-rf", bench.folder, (char *)NULL);
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 5;
    if (argc > 3 || rounds < 1 || rounds > ROUNDS_MAX)
        die("usage: bench [DIRECTORY [ROUNDS]]   (needs about 3 GB in DIRECTORY, default: here)");
    set_up(argc > 1 ? argv[1] : ".");
    for (bench.round = 0; bench.round < rounds; bench.round++) {
        fprintf(stderr, "round %d of %d\n", bench.round + 1, rounds);
        for (int i = 0; i < ROWS; i++) {
            times[i][0][bench.round] = timed(rows[i].ours);
            times[i][1][bench.round] = timed(rows[i].plain);
        }
    }
    print_table(rounds);
    fflush(stdout);
    tear_down();
    return 0;
}
