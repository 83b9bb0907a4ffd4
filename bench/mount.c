// SPDX-License-Identifier: Apache-2.0
// What a mounted volume costs: each row does the same work through `holdfast mount`, ntfs-3g, btrfs and ext4,
// each on an image of the same size on one host file system, in turns, and takes medians. Cold means:
// unmounted, the host's page cache dropped, mounted again, so that neither kernel nor daemon remembers
// anything. Started by scripts/bench.sh in name spaces of its own: mounts, loop devices and daemons go with
// it.
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/common.h"

enum { REQUEST = MIB, BLOCK = 4 * KIB, SMALL_SIZE = 3000, FILES_PER_FOLDER = 1000, ROUNDS_MAX = 31 };
enum { ARGUMENTS = 12, REASON = 200, SKIPPED = 77 };
enum amount { BIG, READS_COLD, READS, OVERWRITES, FLUSHES, FILES, AMOUNTS };
static const uint64_t amounts_full[AMOUNTS] = {256 * MIB, 4096, 50000, 8192, 250, 20000};
static const uint64_t amounts_quick[AMOUNTS] = {4 * MIB, 100, 100, 50, 5, 200};
static const uint64_t image_full = 2048ull * MIB, image_quick = 256ull * MIB;

enum { OURS, NTFS, BTRFS, EXT4, SIDES };
static char images[SIDES][PATH_SIZE], roots[SIDES][PATH_SIZE], holdfast[PATH_SIZE], image_size[32];

// A file system. The one that is mounted by a daemon gets the daemon as our child, so that its end is seen.
static struct side {
    const char *name;
    bool daemon;
    const char *make[ARGUMENTS], *mount[ARGUMENTS];
    bool present;
    char reason[REASON]; // why not
    pid_t process;
    int root; // descriptor of the root directory while mounted
} sides[SIDES] = {
    {.name = "holdfast",
     .daemon = true,
     .make = {holdfast, "format", "--force", "--case-sensitive", "--size", image_size, images[OURS]},
     .mount = {holdfast, "mount", "--foreground", images[OURS], roots[OURS]}},
    {.name = "ntfs-3g",
     .daemon = true,
     .make = {"mkfs.ntfs", "-q", "-F", "-Q", images[NTFS]},
     .mount = {"ntfs-3g", "-o", "no_detach,big_writes", images[NTFS], roots[NTFS]}},
    {.name = "btrfs",
     .make = {"mkfs.btrfs", "-q", "-K", images[BTRFS]},
     .mount = {"mount", "-t", "btrfs", "-o", "loop,nodiscard", images[BTRFS], roots[BTRFS]}},
    {.name = "ext4",
     .make = {"mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", images[EXT4]},
     .mount = {"mount", "-t", "ext4", "-o", "loop", images[EXT4], roots[EXT4]}},
};

static struct {
    const uint64_t *amount;
    int round, rounds, met, missed;
    const char *only; // rows whose names have this word; NULL: all
    struct side *on;  // the side whose turn it is
    char log[PATH_SIZE];
    uint8_t data[REQUEST];
} bench;

// --- mounting ------------------------------------------------------------------------------------

// What a program says goes to the log.
static pid_t program_start(const char *const *arguments)
{
    pid_t child = fork();
    posix_ok(child >= 0, "fork");
    if (child > 0)
        return child;
    int log = open(bench.log, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (log >= 0 && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0)
        execvp(arguments[0], (char *const *)arguments);
    fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

static bool program_ended(pid_t child)
{
    int status;
    posix_ok(waitpid(child, &status, 0) == child, "waitpid");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The side will not take part; the log's last line says why.
static void side_skip(struct side *side, const char *what)
{
    char line[REASON - 60] = "", last[REASON - 60] = "";
    FILE *log = fopen(bench.log, "r");
    while (log && fgets(line, sizeof line, log))
        if (isgraph((unsigned char)line[0]))
            memcpy(last, line, sizeof last);
    if (log)
        fclose(log);
    last[strcspn(last, "\n")] = 0;
    snprintf(side->reason, sizeof side->reason, "%s: %s", what, last);
    side->present = false;
}

static bool side_is_mounted(const struct side *side)
{
    struct stat here, above;
    char name[PATH_SIZE];
    path_set(name, "%s/..", roots[side - sides]);
    return stat(roots[side - sides], &here) == 0 && stat(name, &above) == 0 && here.st_dev != above.st_dev;
}

static bool side_mount(struct side *side)
{
    enum { WAIT_MS = 20000 };
    side->process = program_start(side->mount);
    bool mounted = side->daemon ? false : program_ended(side->process);
    for (int ms = 0; side->daemon && !mounted && ms < WAIT_MS; ms++) {
        mounted = side_is_mounted(side);
        if (!mounted && waitpid(side->process, NULL, WNOHANG) == side->process)
            break;
        usleep(1000);
    }
    if (!mounted)
        return false;
    side->root = open(roots[side - sides], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    posix_ok(side->root >= 0, roots[side - sides]);
    return true;
}

static void side_unmount(struct side *side)
{
    close(side->root);
    posix_ok(umount2(roots[side - sides], 0) == 0, roots[side - sides]);
    if (side->daemon && !program_ended(side->process))
        die("%s ended badly", side->name);
}

static void side_make(struct side *side, const char *work)
{
    bool quick = bench.amount == amounts_quick;
    uint64_t size = quick ? image_quick : image_full;
    path_set(images[side - sides], "%s/%s.img", work, side->name);
    path_set(roots[side - sides], "%s/%s", work, side->name);
    posix_ok(mkdir(roots[side - sides], 0700) == 0, roots[side - sides]);
    image_make(images[side - sides], size, quick);
    snprintf(image_size, sizeof image_size, "%llu", (unsigned long long)size);
    side->present = true;
    if (!program_ended(program_start(side->make)))
        side_skip(side, side->make[0]);
    else if (!side_mount(side))
        side_skip(side, side->mount[0]);
    if (!side->present)
        unlink(images[side - sides]);
}

// --- the work ------------------------------------------------------------------------------------

// Each side gets the same places.
static uint64_t seed(void)
{
    return (uint64_t)bench.round + 20240607;
}

static int big_open(int flags)
{
    int fd = openat(bench.on->root, "big", O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
    posix_ok(fd >= 0, "big");
    return fd;
}

static void big_close(int fd, bool flush)
{
    posix_ok(!flush || fsync(fd) == 0, "fsync");
    posix_ok(close(fd) == 0, "close");
}

// Everything, on all sides: syncfs does not reach the daemon of a user, fsync of a directory does.
static void flush_all(void)
{
    posix_ok(syncfs(bench.on->root) == 0 && fsync(bench.on->root) == 0, "syncfs");
}

static void write_big(void)
{
    int fd = big_open(0);
    for (uint64_t at = 0; at < bench.amount[BIG]; at += REQUEST)
        posix_ok(pwrite(fd, bench.data, REQUEST, (off_t)at) == REQUEST, "pwrite");
    big_close(fd, true);
}

static void read_big(void)
{
    int fd = big_open(0);
    for (uint64_t at = 0; at < bench.amount[BIG]; at += REQUEST)
        posix_ok(pread(fd, bench.data, REQUEST, (off_t)at) == REQUEST, "pread");
    big_close(fd, false);
}

static off_t block_next(uint64_t *s)
{
    return (off_t)(random_below(s, bench.amount[BIG] / BLOCK) * BLOCK);
}

static void read_scattered(uint64_t count)
{
    uint64_t s = seed();
    int fd = big_open(0);
    for (uint64_t i = 0; i < count; i++)
        posix_ok(pread(fd, bench.data, BLOCK, block_next(&s)) == BLOCK, "pread");
    big_close(fd, false);
}

static void read_scattered_cold(void)
{
    read_scattered(bench.amount[READS_COLD]);
}

static void read_scattered_warm(void)
{
    read_scattered(bench.amount[READS]);
}

static void overwrite(uint64_t count, bool flush_each)
{
    uint64_t s = seed();
    int fd = big_open(0);
    for (uint64_t i = 0; i < count; i++) {
        posix_ok(pwrite(fd, bench.data, BLOCK, block_next(&s)) == BLOCK, "pwrite");
        posix_ok(!flush_each || fsync(fd) == 0, "fsync");
    }
    big_close(fd, true);
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
    path_set(name, "%s/%llu", roots[bench.on - sides], (unsigned long long)folder);
}

static void file_name(char name[PATH_SIZE], uint64_t file)
{
    path_set(name, "%s/%llu/file%06llu", roots[bench.on - sides],
             (unsigned long long)(file / FILES_PER_FOLDER), (unsigned long long)file);
}

static void each_file(void (*visit)(const char *name))
{
    char name[PATH_SIZE];
    for (uint64_t i = 0; i < bench.amount[FILES]; i++) {
        file_name(name, i);
        visit(name);
    }
}

static void each_folder(void (*visit)(const char *name))
{
    char name[PATH_SIZE];
    for (uint64_t i = 0; i < bench.amount[FILES]; i += FILES_PER_FOLDER) {
        folder_name(name, i / FILES_PER_FOLDER);
        visit(name);
    }
}

static void folder_create(const char *name)
{
    posix_ok(mkdir(name, 0700) == 0, name);
}

static void file_create(const char *name)
{
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    posix_ok(fd >= 0, name);
    posix_ok(write(fd, bench.data, SMALL_SIZE) == SMALL_SIZE, name);
    posix_ok(close(fd) == 0, name);
}

static void create_files(void)
{
    each_folder(folder_create);
    each_file(file_create);
    flush_all();
}

static uint64_t folder_entries(const char *name, bool with_stat)
{
    DIR *folder = opendir(name);
    struct dirent *entry;
    struct stat st;
    uint64_t files = 0;
    posix_ok(folder != NULL, name);
    while ((entry = readdir(folder))) {
        if (with_stat)
            posix_ok(fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0, entry->d_name);
        files += entry->d_name[0] != '.';
    }
    closedir(folder);
    return files;
}

static void folder_list_names(const char *name)
{
    if (folder_entries(name, false) == 0)
        die("%s is empty", name);
}

static void folder_list_stat(const char *name)
{
    if (folder_entries(name, true) == 0)
        die("%s is empty", name);
}

static void list_names(void)
{
    each_folder(folder_list_names);
}

static void list_stat(void)
{
    each_folder(folder_list_stat);
}

static void file_stat(const char *name)
{
    struct stat st;
    posix_ok(stat(name, &st) == 0 && st.st_size == SMALL_SIZE, name);
}

static void stat_files(void)
{
    each_file(file_stat);
}

static void file_read(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    posix_ok(fd >= 0, name);
    posix_ok(read(fd, bench.data, REQUEST) == SMALL_SIZE, name);
    close(fd);
}

static void read_files(void)
{
    each_file(file_read);
}

static void file_remove(const char *name)
{
    posix_ok(unlink(name) == 0, name);
}

static void folder_remove(const char *name)
{
    posix_ok(rmdir(name) == 0, name);
}

static void delete_files(void)
{
    each_file(file_remove);
    each_folder(folder_remove);
    flush_all();
}

static void prepare_empty(void)
{
    big_close(big_open(O_TRUNC), true);
    flush_all();
}

static void prepare_cold(void)
{
    side_unmount(bench.on);
    cache_drop(images[bench.on - sides], bench.amount == amounts_full);
    if (!side_mount(bench.on))
        die("%s does not mount again", bench.on->name);
}

// --- the table -----------------------------------------------------------------------------------

static const struct row {
    const char *name;
    void (*prepare)(void); // not measured
    void (*work)(void);
    enum amount amount;
    double ntfs, btrfs; // aims: speed over that of the peer; 0: none
    bool needed;        // by other rows
} rows[] = {
    {"sequential write, 1 MiB, fsync at end", prepare_empty, write_big, BIG, 1, 1 / 1.5, true},
    {"sequential read, 1 MiB, cold", prepare_cold, read_big, BIG, 1, 1 / 1.5, false},
    {"sequential read, 1 MiB, warm", read_big, read_big, BIG, 1, 1 / 1.5, false},
    {"random read, 4 KiB, cold", prepare_cold, read_scattered_cold, READS_COLD, 1, 1 / 1.5, false},
    {"random read, 4 KiB, warm", read_big, read_scattered_warm, READS, 1, 1 / 1.5, false},
    {"random write, 4 KiB, fsync at end", read_big, overwrite_then_flush, OVERWRITES, 1, 1, false},
    {"random write, 4 KiB, fsync each", read_big, overwrite_and_flush, FLUSHES, 1, 1, false},
    {"create small files, flushed", NULL, create_files, FILES, 2, 0, true},
    {"list them, cold", prepare_cold, list_names, FILES, 2, 0, false},
    {"list and stat them, cold", prepare_cold, list_stat, FILES, 2, 0, false},
    {"list and stat them, warm", list_stat, list_stat, FILES, 2, 0, false},
    {"stat them by name, cold", prepare_cold, stat_files, FILES, 2, 0, false},
    {"stat them by name, warm", stat_files, stat_files, FILES, 1, 0, false},
    {"read them, cold", prepare_cold, read_files, FILES, 2, 0, false},
    {"read them, warm", read_files, read_files, FILES, 2, 0, false},
    {"delete them, flushed", NULL, delete_files, FILES, 2, 0, true},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
static uint64_t times[ROWS][SIDES][ROUNDS_MAX];

static bool row_is_asked(const struct row *row)
{
    return !bench.only || strstr(row->name, bench.only);
}

static void measure_round(void)
{
    for (int i = 0; i < ROWS; i++) {
        if (!row_is_asked(&rows[i]) && !rows[i].needed)
            continue;
        for (int turn = 0; turn < SIDES; turn++) {
            int side = (turn + bench.round) % SIDES; // nobody is always the first
            if (!sides[side].present)
                continue;
            bench.on = &sides[side];
            times[i][side][bench.round] = measure(rows[i].prepare, rows[i].work);
        }
    }
}

static void print_ratio(const double *ns, int side)
{
    if (ns[OURS] > 0 && ns[side] > 0)
        printf(" %6.2f", ns[side] / ns[OURS]);
    else
        printf(" %6s", "-");
}

// One aim. What cannot be judged, because a side is absent, leaves *judged false.
static int print_aim(double aim, int side, const double *ns, bool *met, bool *judged)
{
    if (aim == 0)
        return 0;
    if (ns[OURS] > 0 && ns[side] > 0)
        *met = *met && ns[side] / ns[OURS] >= aim;
    else
        *judged = false;
    return printf("%.2g x %s  ", aim, sides[side].name);
}

static void print_row(const struct row *row)
{
    double ns[SIDES]; // for a byte or an operation
    bool met = true, judged = true;
    printf("%-38s", row->name);
    for (int side = 0; side < SIDES; side++) {
        ns[side] = median(times[row - rows][side], bench.rounds) / (double)bench.amount[row->amount];
        if (ns[side] > 0)
            printf(" %9.0f", (row->amount == BIG ? 1e3 : 1e9) / ns[side]);
        else
            printf(" %9s", "-");
    }
    printf(" %-4s", row->amount == BIG ? "MB/s" : "/s");
    for (int side = OURS + 1; side < SIDES; side++)
        print_ratio(ns, side);
    printf("   ");
    int used = print_aim(row->ntfs, NTFS, ns, &met, &judged);
    used += print_aim(row->btrfs, BTRFS, ns, &met, &judged);
    printf("%*s%s\n", 27 - used, "", !met ? "MISSED" : judged ? "met" : "?");
    bench.met += met && judged;
    bench.missed += !met;
}

static void print_table(void)
{
    static const char *const heads[SIDES] = {"", ":ntfs", ":btrfs", ":ext4"};
    printf("\n%-38s", "");
    for (int side = 0; side < SIDES; side++)
        printf(" %9s", sides[side].name);
    printf(" %-4s", "");
    for (int side = OURS + 1; side < SIDES; side++)
        printf(" %6.6s", heads[side]);
    printf("   aim\n");
    for (int i = 0; i < ROWS; i++)
        if (row_is_asked(&rows[i]))
            print_row(&rows[i]);
    printf(
        "\nAims: %d rows met, %d missed.\n"
        "Medians of %d rounds, the sides in turns, images of one size on one host file system, written once "
        "before;\na file of %llu MiB, %llu small files of %d bytes in folders of %d. Cold: mounted anew, "
        "the host's cache dropped.\nntfs-3g with big_writes on the image, btrfs and ext4 over loop "
        "devices; each reads and writes its image through the\nhost's cache, and each flush ends in one "
        "of the image. Holdfast and btrfs check all data.\n"
        "Ratios are speeds: 2.00 is twice as fast as the peer.\n",
        bench.met, bench.missed, bench.rounds, (unsigned long long)bench.amount[BIG] / MIB,
        (unsigned long long)bench.amount[FILES], SMALL_SIZE, FILES_PER_FOLDER);
    for (int side = 0; side < SIDES; side++)
        if (!sides[side].present)
            printf("%s was skipped: %s\n", sides[side].name, sides[side].reason);
}

static void on_signal(int number)
{
    _exit(128 + number); // the first process of its name space: all others go with it
}

int main(int argc, char **argv)
{
    int at = 1;
    bench.amount = amounts_full;
    bench.rounds = 5;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--quick") == 0) {
            bench.amount = amounts_quick;
            bench.rounds = 1;
        } else if (strcmp(argv[at], "--rounds") == 0 && at + 1 < argc) {
            bench.rounds = (int)strtol(argv[++at], NULL, 10);
        } else if (strcmp(argv[at], "--only") == 0 && at + 1 < argc) {
            bench.only = argv[++at];
        } else {
            break;
        }
    }
    if (at + 2 != argc || bench.rounds < 1 || bench.rounds > ROUNDS_MAX)
        die("usage: mount [--quick] [--rounds N] [--only WORDS] HOLDFAST-PROGRAM DIRECTORY");
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    path_set(holdfast, "%s", argv[at]);
    path_set(bench.log, "%s/log", argv[at + 1]);
    for (size_t i = 0; i < REQUEST; i++)
        bench.data[i] = (uint8_t)(i * 131 + (i >> 8));
    for (int side = 0; side < SIDES; side++)
        side_make(&sides[side], argv[at + 1]);
    if (!sides[OURS].present) {
        printf("nothing to measure: %s\n", sides[OURS].reason);
        return access("/dev/fuse", R_OK | W_OK) == 0 ? 1 : SKIPPED;
    }
    for (bench.round = 0; bench.round < bench.rounds; bench.round++) {
        fprintf(stderr, "round %d of %d\n", bench.round + 1, bench.rounds);
        measure_round();
    }
    print_table();
    for (int side = 0; side < SIDES; side++)
        if (sides[side].present)
            side_unmount(&sides[side]);
    return 0;
}
