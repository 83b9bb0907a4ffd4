// SPDX-License-Identifier: Apache-2.0
// What Holdfast costs: each row does the same work on a volume (the library called directly), on plain files,
// and on btrfs over a loop device, all on one host file system, in turns, and takes medians. The work is
// written once; a side is a table of what it calls. Started by scripts/bench.sh, which brings btrfs and
// cleans up.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/common.h"

#define GIB (1024ull * MIB)
enum { REQUEST = MIB, BLOCK = 4 * KIB, UNIT = 16 * KIB, SMALL_SIZE = 3000, ROUNDS_MAX = 31, THREADS_MAX = 2 };
enum amount { BIG, READS, OVERWRITES, FLUSHES, FILES, CALLS, AMOUNTS };
static const uint64_t amounts_full[AMOUNTS] = {256 * MIB, 100000, 8192, 250, 100000, 500000};
static const uint64_t amounts_quick[AMOUNTS] = {4 * MIB, 100, 50, 5, 200, 100};
enum { FILES_PER_FOLDER = 1000 };

struct thread {
    pthread_t id;
    uint64_t seed, reads;
    uint8_t *data;
};

// One way to keep files. Names are complete; offsets and lengths are of the big file.
struct side {
    const char *name;
    bool present;
    char root[PATH_SIZE];
    int fd; // posix: the big file
    void (*empty)(void);
    void (*read)(uint64_t offset, uint8_t *data, size_t length);
    void (*read_checked)(uint64_t offset, uint8_t *data); // 4 KiB, at the cost of the unit around it
    void (*write)(uint64_t offset, const uint8_t *data, size_t length);
    void (*flush)(void);     // the big file
    void (*flush_all)(void); // everything
    void (*forget)(void);    // caches
    void (*folder)(const char *name);
    void (*create)(const char *name);
    void (*read_file)(const char *name, uint8_t *data);
    uint64_t (*list)(const char *name); // with sizes
    void (*remove)(const char *name);
    void (*remove_folder)(const char *name);
    void (*integrity)(void);
    void (*verify)(void);
};

static struct {
    const uint64_t *amount;
    int round, rounds;
    const struct side *on; // the side whose turn it is
    hf_handle file, volume;
    char image[PATH_SIZE], spec[PATH_SIZE + 8];
    struct thread threads[THREADS_MAX];
} bench;

// --- Holdfast
// ------------------------------------------------------------------------------------------------

static void ours_attach(void)
{
    ok(hf_attach("B:", bench.spec), "attach");
    bench.file = file_open("B:/big", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN_IF, FILE_NON_DIRECTORY_FILE);
    bench.volume = file_open("\\\\.\\B:", FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
}

static void ours_detach(void)
{
    file_close(bench.file);
    file_close(bench.volume);
    ok(hf_detach("B:"), "detach");
}

static void ours_empty(void)
{
    int64_t size = 0;
    ok(hf_set(bench.file, FileEndOfFileInformation, &size, sizeof size), "truncate");
}

static void ours_read(uint64_t offset, uint8_t *data, size_t length)
{
    size_t done;
    ok(hf_read(bench.file, offset, data, length, &done), "read");
    if (done != length)
        die("short read");
}

static void ours_read_checked(uint64_t offset, uint8_t *data)
{
    ours_read(offset, data, BLOCK);
}

static void ours_write(uint64_t offset, const uint8_t *data, size_t length)
{
    size_t done;
    ok(hf_write(bench.file, offset, data, length, &done), "write");
}

static void ours_flush(void)
{
    ok(hf_flush(bench.file), "flush");
}

static void ours_forget(void)
{
    ours_detach();
    cache_drop(bench.image, bench.amount == amounts_full);
    ours_attach();
}

static void ours_create(const char *name)
{
    hf_handle h = file_open(name, FILE_WRITE_DATA, FILE_CREATE, FILE_NON_DIRECTORY_FILE);
    size_t done;
    ok(hf_write(h, 0, bench.threads[0].data, SMALL_SIZE, &done), name);
    file_close(h);
}

static void ours_read_file(const char *name, uint8_t *data)
{
    hf_handle h = file_open(name, FILE_READ_DATA, FILE_OPEN, 0);
    size_t done;
    ok(hf_read(h, 0, data, SMALL_SIZE, &done), name);
    file_close(h);
}

static void ours_integrity(void)
{
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER out;
    size_t done;
    ok(hf_ioctl(bench.file, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &out, sizeof out, &done), "ioctl");
}

static void ours_verify(void)
{
    uint32_t count;
    size_t done;
    ok(hf_ioctl(bench.volume, IOCTL_STORAGE_CHECK_VERIFY2, NULL, 0, &count, sizeof count, &done), "ioctl");
}

// --- a kernel's file system
// ----------------------------------------------------------------------------------

static void posix_empty(void)
{
    posix_ok(ftruncate(bench.on->fd, 0) == 0, "ftruncate");
}

static void posix_read(uint64_t offset, uint8_t *data, size_t length)
{
    posix_ok(pread(bench.on->fd, data, length, (off_t)offset) == (ssize_t)length, "pread");
}

static void posix_read_checked(uint64_t offset, uint8_t *data)
{
    posix_read(offset / UNIT * UNIT, data, UNIT);
}

static void posix_write(uint64_t offset, const uint8_t *data, size_t length)
{
    posix_ok(pwrite(bench.on->fd, data, length, (off_t)offset) == (ssize_t)length, "pwrite");
}

static void posix_flush(void)
{
    posix_ok(fsync(bench.on->fd) == 0, "fsync");
}

static void posix_flush_all(void)
{
    posix_ok(syncfs(bench.on->fd) == 0, "syncfs");
}

static void posix_forget(void)
{
    char name[PATH_SIZE];
    path_set(name, "%s/big", bench.on->root);
    cache_drop(name, bench.amount == amounts_full);
}

static void posix_folder(const char *name)
{
    posix_ok(mkdir(name, 0700) == 0, name);
}

static void posix_create(const char *name)
{
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    posix_ok(fd >= 0, name);
    posix_ok(pwrite(fd, bench.threads[0].data, SMALL_SIZE, 0) == SMALL_SIZE, name);
    close(fd);
}

static void posix_read_file(const char *name, uint8_t *data)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    posix_ok(fd >= 0, name);
    posix_ok(pread(fd, data, SMALL_SIZE, 0) == SMALL_SIZE, name);
    close(fd);
}

static uint64_t posix_list(const char *name)
{
    DIR *folder = opendir(name);
    struct dirent *entry;
    struct stat st;
    uint64_t files = 0;
    posix_ok(folder != NULL, name);
    while ((entry = readdir(folder))) {
        posix_ok(fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0, entry->d_name);
        files += S_ISREG(st.st_mode);
    }
    closedir(folder);
    return files;
}

static void posix_remove(const char *name)
{
    posix_ok(unlink(name) == 0, name);
}

static void posix_remove_folder(const char *name)
{
    posix_ok(rmdir(name) == 0, name);
}

static void posix_fstat(void)
{
    struct stat st;
    posix_ok(fstat(bench.on->fd, &st) == 0, "fstat");
}

#define POSIX                                                                                           \
    .empty = posix_empty, .read = posix_read, .read_checked = posix_read_checked, .write = posix_write, \
    .flush = posix_flush, .flush_all = posix_flush_all, .forget = posix_forget, .folder = posix_folder, \
    .create = posix_create, .read_file = posix_read_file, .list = posix_list, .remove = posix_remove,   \
    .remove_folder = posix_remove_folder, .integrity = posix_fstat, .verify = posix_fstat

enum { OURS, PLAIN, BTRFS, SIDES };
static struct side sides[SIDES] = {
    {.name = "holdfast",
     .present = true,
     .root = "B:",
     .empty = ours_empty,
     .read = ours_read,
     .read_checked = ours_read_checked,
     .write = ours_write,
     .flush = ours_flush,
     .flush_all = ours_flush,
     .forget = ours_forget,
     .folder = folder_make,
     .create = ours_create,
     .read_file = ours_read_file,
     .list = folder_list,
     .remove = file_delete,
     .remove_folder = file_delete,
     .integrity = ours_integrity,
     .verify = ours_verify},
    {.name = "plain", .present = true, POSIX},
    {.name = "btrfs", POSIX},
};

// --- the work
// ------------------------------------------------------------------------------------------------

// Each side gets the same places.
static uint64_t seed(int thread)
{
    return (uint64_t)bench.round * THREADS_MAX + (uint64_t)thread + 20240607;
}

static void write_big(void)
{
    for (uint64_t at = 0; at < bench.amount[BIG]; at += REQUEST)
        bench.on->write(at, bench.threads[0].data, REQUEST);
    bench.on->flush();
}

static void read_big(void)
{
    for (uint64_t at = 0; at < bench.amount[BIG]; at += REQUEST)
        bench.on->read(at, bench.threads[0].data, REQUEST);
}

static void *read_scattered(void *context)
{
    struct thread *t = context;
    for (uint64_t i = 0; i < t->reads; i++)
        bench.on->read_checked(random_below(&t->seed, bench.amount[BIG] / BLOCK) * BLOCK, t->data);
    return NULL;
}

static void read_with(int threads)
{
    for (int i = 0; i < threads; i++) {
        struct thread *t = &bench.threads[i];
        t->seed = seed(i);
        t->reads = bench.amount[READS] / (uint64_t)threads;
        if (pthread_create(&t->id, NULL, read_scattered, t) != 0)
            die("no thread");
    }
    for (int i = 0; i < threads; i++)
        pthread_join(bench.threads[i].id, NULL);
}

static void read_one_thread(void)
{
    read_with(1);
}

static void read_two_threads(void)
{
    read_with(2);
}

static void overwrite(uint64_t count, bool flush_each)
{
    uint64_t s = seed(0);
    for (uint64_t i = 0; i < count; i++) {
        bench.on->write(random_below(&s, bench.amount[BIG] / BLOCK) * BLOCK, bench.threads[0].data, BLOCK);
        if (flush_each)
            bench.on->flush();
    }
    if (!flush_each)
        bench.on->flush();
}

static void overwrite_then_flush(void)
{
    overwrite(bench.amount[OVERWRITES], false);
}

static void overwrite_and_flush(void)
{
    overwrite(bench.amount[FLUSHES], true);
}

static void folder_name(char name[PATH_SIZE], uint64_t folder)
{
    path_set(name, "%s/r%d/%llu", bench.on->root, bench.round, (unsigned long long)folder);
}

static void file_name(char name[PATH_SIZE], uint64_t file)
{
    path_set(name, "%s/r%d/%llu/file%06llu", bench.on->root, bench.round,
             (unsigned long long)(file / FILES_PER_FOLDER), (unsigned long long)file);
}

// Plain files are no peer here, only to be compared with: on hosts that discard what they free, their deletes
// take minutes.
static uint64_t files_of(const struct side *side)
{
    return side == &sides[PLAIN] ? bench.amount[FILES] / 10 : bench.amount[FILES];
}

static void create_files(void)
{
    char name[PATH_SIZE];
    uint64_t files = files_of(bench.on);
    path_set(name, "%s/r%d", bench.on->root, bench.round);
    bench.on->folder(name);
    for (uint64_t i = 0; i < files; i++) {
        if (i % FILES_PER_FOLDER == 0) {
            folder_name(name, i / FILES_PER_FOLDER);
            bench.on->folder(name);
        }
        file_name(name, i);
        bench.on->create(name);
    }
    bench.on->flush_all();
}

static void list_files(void)
{
    char name[PATH_SIZE];
    uint64_t files = files_of(bench.on), found = 0;
    for (uint64_t i = 0; i < files; i += FILES_PER_FOLDER) {
        folder_name(name, i / FILES_PER_FOLDER);
        found += bench.on->list(name);
    }
    if (found != files)
        die("%s lists %llu files", bench.on->name, (unsigned long long)found);
}

static void read_files(void)
{
    char name[PATH_SIZE];
    uint64_t files = files_of(bench.on);
    for (uint64_t i = 0; i < files; i++) {
        file_name(name, i);
        bench.on->read_file(name, bench.threads[0].data);
    }
}

static void delete_files(void)
{
    char name[PATH_SIZE];
    uint64_t files = files_of(bench.on);
    for (uint64_t i = 0; i < files; i++) {
        file_name(name, i);
        bench.on->remove(name);
        if ((i + 1) % FILES_PER_FOLDER == 0 || i + 1 == files) {
            folder_name(name, i / FILES_PER_FOLDER);
            bench.on->remove_folder(name);
        }
    }
    bench.on->flush_all();
}

static void call_integrity(void)
{
    for (uint64_t i = 0; i < bench.amount[CALLS]; i++)
        bench.on->integrity();
}

static void call_verify(void)
{
    for (uint64_t i = 0; i < bench.amount[CALLS]; i++)
        bench.on->verify();
}

static void prepare_empty(void)
{
    bench.on->empty();
    bench.on->flush();
}

static void prepare_cold(void)
{
    bench.on->forget();
}

// --- the table
// -----------------------------------------------------------------------------------------------

enum unit { MB_PER_S, PER_S, NS };
static const struct row {
    const char *name;
    void (*prepare)(void); // not measured
    void (*work)(void);
    enum amount amount;
    enum unit unit;
    int rounds; // at most
    // What is aimed at; 0: nothing. Speed over that of the peer, or of our row before; ns at most.
    double plain, btrfs, before, ns;
} rows[] = {
    {"sequential write, 1 MiB, flushed", prepare_empty, write_big, BIG, MB_PER_S, 9, .plain = 0.85,
     .btrfs = 1},
    {"sequential read, 1 MiB, warm", read_big, read_big, BIG, MB_PER_S, 9, .plain = 0.85},
    {"sequential read, 1 MiB, cold", prepare_cold, read_big, BIG, MB_PER_S, 9, .plain = 0.95},
    {"random read, 4 KiB of 16 KiB units", read_big, read_one_thread, READS, PER_S, 9, .plain = 0.8},
    {"the same, two threads", NULL, read_two_threads, READS, PER_S, 9, .before = 1.8},
    {"random overwrite, 4 KiB, flush at end", NULL, overwrite_then_flush, OVERWRITES, PER_S, 9, .btrfs = 2},
    {"random overwrite, 4 KiB, flush each", NULL, overwrite_and_flush, FLUSHES, PER_S, 9, .btrfs = 1},
    {"create files of 3 KB, flushed", NULL, create_files, FILES, PER_S, 3, .btrfs = 1},
    {"list them with sizes", NULL, list_files, FILES, PER_S, 3, .btrfs = 1},
    {"read them, cold", prepare_cold, read_files, FILES, PER_S, 3, .btrfs = 1},
    {"delete them, flushed", NULL, delete_files, FILES, PER_S, 3, .btrfs = 1},
    {"GET_INTEGRITY (peers: fstat)", NULL, call_integrity, CALLS, NS, 9, .ns = 1000},
    {"CHECK_VERIFY2 (peers: fstat)", NULL, call_verify, CALLS, NS, 9, .ns = 1000},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
static uint64_t times[ROWS][SIDES][ROUNDS_MAX];
static double medians[ROWS][SIDES]; // ns for a byte or an operation

static void measure_round(void)
{
    for (int i = 0; i < ROWS; i++) {
        for (int side = 0; side < SIDES && bench.round < rows[i].rounds; side++) {
            if (!sides[side].present)
                continue;
            bench.on = &sides[side];
            times[i][side][bench.round] = measure(rows[i].prepare, rows[i].work);
        }
    }
}

static double figure(const struct row *row, double ns)
{
    if (row->unit == NS)
        return ns;
    return row->unit == MB_PER_S ? 1e3 / ns : 1e9 / ns;
}

static double median_of(const struct row *row, int side)
{
    int rounds = bench.rounds < row->rounds ? bench.rounds : row->rounds;
    uint64_t amount = row->amount == FILES ? files_of(&sides[side]) : bench.amount[row->amount];
    return median(times[row - rows][side], rounds) / (double)amount;
}

static void print_number(int side, int width, int decimals, double number)
{
    if (sides[side].present)
        printf(" %*.*f", width, decimals, number);
    else
        printf(" %*s", width, "-");
}

// One aim: what it is, and whether it was met. *met is left alone when the peer is absent.
static int print_aim(double aim, const char *than, double ratio, bool present, bool *met)
{
    if (aim == 0)
        return 0;
    if (present)
        *met = *met && ratio >= aim;
    return printf("%.3g x %s  ", aim, than);
}

static void print_row(int i)
{
    static const char *const units[] = {"MB/s", "/s", "ns"};
    const struct row *row = &rows[i];
    double *m = medians[i];
    double before = i > 0 ? medians[i - 1][OURS] / m[OURS] : 0;
    bool met = true;
    printf("%-38s", row->name);
    for (int side = 0; side < SIDES; side++)
        print_number(side, 10, 0, figure(row, m[side]));
    printf(" %-4s", units[row->unit]);
    for (int side = PLAIN; side < SIDES; side++)
        print_number(side, 6, 2, m[side] / m[OURS]);
    printf("   ");
    int used = print_aim(row->plain, "plain", m[PLAIN] / m[OURS], true, &met);
    used += print_aim(row->btrfs, "btrfs", m[BTRFS] / m[OURS], sides[BTRFS].present, &met);
    used += print_aim(row->before, "one thread", before, true, &met);
    if (row->ns > 0) {
        met = figure(row, m[OURS]) <= row->ns;
        used += printf("%.0f ns", row->ns);
    }
    bool open = row->btrfs > 0 && row->plain == 0 && !sides[BTRFS].present;
    printf("%*s%s\n", used < 26 ? 26 - used : 1, "", open ? "?" : met ? "met" : "MISSED");
    if (row->before > 0)
        printf("%38s %10.2f x one thread; plain %.2f x\n", "", before, medians[i - 1][PLAIN] / m[PLAIN]);
}

static void print_table(const char *no_btrfs)
{
    for (int i = 0; i < ROWS; i++)
        for (int side = 0; side < SIDES; side++)
            medians[i][side] = sides[side].present ? median_of(&rows[i], side) : 0;
    printf("\n%-38s %10s %10s %10s %-4s %6s %6s   %s\n", "", "holdfast", "plain", "btrfs", "", ":plain",
           ":btrfs", "aim");
    for (int i = 0; i < ROWS; i++)
        print_row(i);
    printf("\nMedians of %d rounds (of files: %d), the sides in turns on one host file system, images "
           "written once before; %llu MiB, "
           "%llu small "
           "files.\nHoldfast: 4 KiB clusters, CRC-32C checked on every read, two copies of metadata, 64 MiB "
           "cache.\nRatios are speeds: 2.00 is twice as fast as the peer.\n",
           bench.rounds, bench.rounds < 3 ? bench.rounds : 3, (unsigned long long)bench.amount[BIG] / MIB,
           (unsigned long long)bench.amount[FILES]);
    if (!sides[BTRFS].present)
        printf("btrfs was skipped: %s.\n", no_btrfs);
}

static void set_up(const char *work)
{
    char name[PATH_SIZE];
    for (int i = 0; i < THREADS_MAX; i++) {
        if (!(bench.threads[i].data = malloc(REQUEST)))
            die("no memory");
        for (size_t at = 0; at < REQUEST; at++)
            bench.threads[i].data[at] = (uint8_t)(at * 131 + (at >> 8));
    }
    path_set(bench.image, "%s/volume.hf", work);
    image_make(bench.image, 3 * GIB, bench.amount == amounts_quick);
    snprintf(bench.spec, sizeof bench.spec, "file:%s", bench.image);
    ok(hf_format(bench.spec, &(struct hf_format_options){.integrity = true}), "format");
    ours_attach();
    path_set(sides[PLAIN].root, "%s/plain", work);
    posix_folder(sides[PLAIN].root);
    for (int side = PLAIN; side < SIDES; side++) {
        if (!sides[side].present)
            continue;
        path_set(name, "%s/big", sides[side].root);
        sides[side].fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
        posix_ok(sides[side].fd >= 0, name);
    }
}

static void tear_down(void)
{
    ours_detach();
    for (int side = PLAIN; side < SIDES; side++)
        if (sides[side].present)
            close(sides[side].fd);
    for (int i = 0; i < THREADS_MAX; i++)
        free(bench.threads[i].data);
}

int main(int argc, char **argv)
{
    const char *no_btrfs = "no --btrfs was given";
    int at = 1;
    bench.amount = amounts_full;
    bench.rounds = 5;
    for (; at + 1 < argc; at++) {
        if (strcmp(argv[at], "--quick") == 0) {
            bench.amount = amounts_quick;
            bench.rounds = 1;
        } else if (strcmp(argv[at], "--rounds") == 0) {
            bench.rounds = (int)strtol(argv[++at], NULL, 10);
        } else if (strcmp(argv[at], "--btrfs") == 0) {
            sides[BTRFS].present = true;
            path_set(sides[BTRFS].root, "%s", argv[++at]);
        } else if (strcmp(argv[at], "--no-btrfs") == 0) {
            no_btrfs = argv[++at];
        } else {
            break;
        }
    }
    if (at + 1 != argc || bench.rounds < 1 || bench.rounds > ROUNDS_MAX)
        die("usage: bench [--quick] [--rounds N] [--btrfs DIRECTORY | --no-btrfs REASON] DIRECTORY");
    set_up(argv[at]);
    for (bench.round = 0; bench.round < bench.rounds; bench.round++) {
        fprintf(stderr, "round %d of %d\n", bench.round + 1, bench.rounds);
        measure_round();
    }
    print_table(no_btrfs);
    tear_down();
    return 0;
}
