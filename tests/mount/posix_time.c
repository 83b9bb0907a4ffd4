// SPDX-License-Identifier: Apache-2.0
// posix_test: times, statx, statfs, sync.
#include "tests/mount/posix.h"

#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>

static void tick(void)
{
    nanosleep(&(struct timespec){0, 20000000}, NULL);
}

static bool later(struct timespec a, struct timespec b)
{
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static bool same(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void try_times(const char *path, struct timespec accessed, struct timespec written)
{
    const struct timespec both[2] = {accessed, written};
    MUST(utimensat(AT_FDCWD, path, both, AT_SYMLINK_NOFOLLOW));
    struct stat s = stat_of(path);
    EQUAL(s.st_atim.tv_sec, accessed.tv_sec);
    EQUAL(s.st_atim.tv_nsec, accessed.tv_nsec);
    EQUAL(s.st_mtim.tv_sec, written.tv_sec);
    EQUAL(s.st_mtim.tv_nsec, written.tv_nsec);
}

CASE(time_every_nanosecond_and_year)
{
    touch("f");
    new_dir("d", 0755);
    MUST(symlink("f", "l"));
    const char *names[] = {"f", "d", "l"};
    const long nanoseconds[] = {0, 1, 99, 100, 101, 123456789, 999999999};
    for (int k = 0; k < 3; k++) {
        for (size_t i = 0; i < 7; i++)
            try_times(names[k], (struct timespec){1700000000 + (time_t)i, nanoseconds[i]},
                      (struct timespec){1600000000, nanoseconds[6 - i]});
        for (int year = 1970; year <= 2400; year++) {
            struct tm tm = {.tm_year = year - 1900, .tm_mon = year % 12, .tm_mday = 1 + year % 28};
            time_t t = timegm(&tm);
            try_times(names[k], (struct timespec){t, year}, (struct timespec){t + 1, 999999999 - year});
        }
    }
    try_times("f", (struct timespec){-1, 999999999}, (struct timespec){-1000000000, 5}); // before 1970
}

CASE(time_now_and_omit)
{
    touch("f");
    struct timespec set[2] = {{1111, 1}, {2222, 2}};
    MUST(utimensat(AT_FDCWD, "f", set, 0));
    set[0] = (struct timespec){3333, 3};
    set[1].tv_nsec = UTIME_OMIT;
    MUST(utimensat(AT_FDCWD, "f", set, 0));
    struct stat s = stat_of("f");
    EQUAL(s.st_atim.tv_sec, 3333);
    EQUAL(s.st_mtim.tv_sec, 2222);
    EQUAL(s.st_mtim.tv_nsec, 2);
    set[0].tv_nsec = UTIME_OMIT;
    set[1].tv_nsec = UTIME_NOW;
    time_t before = time(NULL);
    MUST(utimensat(AT_FDCWD, "f", set, 0));
    s = stat_of("f");
    EQUAL(s.st_atim.tv_sec, 3333);
    EQUAL(s.st_atim.tv_nsec, 3);
    CHECK(s.st_mtim.tv_sec >= before - 1 && s.st_mtim.tv_sec <= time(NULL) + 1);
    struct stat ctime_before = s;
    tick();
    set[1].tv_nsec = UTIME_OMIT;
    MUST(utimensat(AT_FDCWD, "f", set, 0)); // both omitted: nothing happens
    CHECK(same(stat_of("f").st_ctim, ctime_before.st_ctim));
    MUST(utimensat(AT_FDCWD, "f", NULL, 0));
    CHECK(later(stat_of("f").st_atim, (struct timespec){before - 1, 0}));
}

CASE(time_what_changes_which)
{
    put("f", "abc", 3);
    new_dir("d", 0755);
    int fd = MUST(open("f", O_RDWR));
    struct stat a = stat_of("f"), b;
#define AFTER(what, mtime, ctime)                  \
    do {                                           \
        tick();                                    \
        (void)(what);                              \
        b = stat_of("f");                          \
        EQUAL(later(b.st_mtim, a.st_mtim), mtime); \
        EQUAL(later(b.st_ctim, a.st_ctim), ctime); \
        a = b;                                     \
    } while (0)
    AFTER(MUST(chmod("f", 0600)), false, true);
    AFTER(MUST(chown("f", getuid(), getgid())), false, true);
    AFTER(write_at(fd, "d", 1, 0), true, true);
    AFTER(MUST(ftruncate(fd, 2)), true, true);
    AFTER(MUST(ftruncate(fd, 2)), true, true); // the same size too
    AFTER(MUST(link("f", "g")), false, true);
    AFTER(MUST(unlink("g")), false, true);
    AFTER(MUST(setxattr("f", "user.x", "1", 1, 0)), false, true);
    AFTER(MUST(removexattr("f", "user.x")), false, true);
    AFTER(stat_of("f"), false, false);
    AFTER(MUST(close(MUST(open("f", O_RDONLY)))), false, false);
    AFTER(MUST(close(MUST(open("f", O_RDWR | O_TRUNC)))), true, true);
#undef AFTER
    struct stat d = stat_of("d");
    tick();
    touch("d/new");
    CHECK(later(stat_of("d").st_mtim, d.st_mtim) && later(stat_of("d").st_ctim, d.st_ctim));
    d = stat_of("d");
    tick();
    write_at(MUST(open("d/new", O_WRONLY)), "x", 1, 0);
    CHECK(same(stat_of("d").st_mtim, d.st_mtim)); // a file's bytes are not its directory's
    MUST(unlink("d/new"));
    CHECK(later(stat_of("d").st_mtim, d.st_mtim));
}

CASE(time_reading_sets_access)
{
    struct statvfs v;
    MUST(statvfs(".", &v));
    put("f", "abc", 3);
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    MUST(utimensat(AT_FDCWD, "f", old, 0));
    char c;
    int fd = MUST(open("f", O_RDONLY));
    read_at(fd, &c, 1, 0);
    MUST(close(fd));
    // FUSE leaves access times to the daemon, and Holdfast sets none for reads: they would make every reader
    // a writer (docs/DESIGN.md).
    if (!on_holdfast && !(v.f_flag & ST_NOATIME))
        CHECK(stat_of("f").st_atim.tv_sec > 1000);
    EQUAL(stat_of("f").st_mtim.tv_sec, 1000);
}

CASE(time_of_birth)
{
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    tick();
    touch("f");
    tick();
    clock_gettime(CLOCK_REALTIME, &after);
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    MUST(utimensat(AT_FDCWD, "f", old, 0));
    struct statx x;
    MUST(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
    EQUAL(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
    struct timespec birth = {x.stx_btime.tv_sec, x.stx_btime.tv_nsec};
    if (!(x.stx_mask & STATX_BTIME)) {
        // libfuse before 3.18 cannot answer statx: the birth time is in an attribute, in 100 ns since 1601.
        CHECK(on_holdfast);
        uint64_t filetime;
        EQUAL(MUST(getxattr("f", "system.ntfs_crtime", &filetime, 8)), 8);
        birth.tv_sec = (time_t)(filetime / 10000000) - 11644473600;
        birth.tv_nsec = (long)(filetime % 10000000) * 100;
    }
    CHECK(later(birth, before) && later(after, birth));
}

CASE(stat_of_everything)
{
    put("f", "abc", 3);
    new_dir("d", 0755);
    struct stat f = stat_of("f"), d = stat_of("d"), here = stat_of(".");
    EQUAL(f.st_dev, here.st_dev);
    EQUAL(d.st_dev, here.st_dev);
    CHECK(f.st_ino != d.st_ino && f.st_ino && d.st_ino);
    EQUAL(f.st_mode, S_IFREG | 0644);
    EQUAL(f.st_nlink, 1);
    CHECK(f.st_blksize >= 512 && (f.st_blksize & (f.st_blksize - 1)) == 0);
    struct stat s;
    int fd = MUST(open("f", O_RDONLY));
    MUST(fstat(fd, &s));
    EQUAL(s.st_ino, f.st_ino);
    static char data[1 << 20];
    memset(data, 1, sizeof data);
    put("big", data, sizeof data);
    fd = MUST(open("big", O_RDWR));
    MUST(fsync(fd));
    CHECK(stat_of("big").st_blocks >= 2048 && stat_of("big").st_blocks < 2304);
    MUST(ftruncate(fd, 0));
    MUST(fsync(fd));
    CHECK(stat_of("big").st_blocks < 64);
}

CASE(statfs_adds_up)
{
    struct statvfs v, w;
    struct statfs f;
    int here = MUST(open(".", O_RDONLY | O_DIRECTORY));
    for (int i = 0; i < 2; i++)
        MUST(fsync(here)); // what earlier cases freed is free
    MUST(statvfs(".", &v));
    MUST(statfs(".", &f));
    CHECK(v.f_blocks > 0 && v.f_bfree <= v.f_blocks && v.f_bavail <= v.f_bfree);
    EQUAL(v.f_namemax, 255);
    CHECK(f.f_bsize >= 512);
    CHECK(v.f_ffree > 1000);
    static char data[1 << 20];
    memset(data, 1, sizeof data);
    int fd = new_file("f", 0644);
    for (int i = 0; i < 4; i++)
        write_at(fd, data, sizeof data, (off_t)i << 20);
    MUST(fsync(fd));
    MUST(statvfs(".", &w));
    uint64_t used = (v.f_bfree - w.f_bfree) * v.f_frsize;
    if (used < 4 << 20 || used >= 5 << 20)
        FAIL("4 MiB of data took %llu bytes", (unsigned long long)used);
    MUST(fstatvfs(fd, &w));
    EQUAL(w.f_blocks, v.f_blocks);
}

CASE(sync_of_everything)
{
    new_dir("d", 0755);
    int d = MUST(open("d", O_RDONLY | O_DIRECTORY)), f = new_file("d/f", 0644);
    write_at(f, "abc", 3, 0);
    MUST(fsync(f));
    MUST(fdatasync(f));
    MUST(fsync(d));
    MUST(fdatasync(d));
    MUST(syncfs(d));
    MUST(fsync(MUST(open("d/f", O_RDONLY)))); // also where nothing could be written
    MUST(sync_file_range(f, 0, 3, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
    int s = MUST(open("s", O_CREAT | O_WRONLY | O_SYNC, 0644));
    EQUAL(write(s, "abc", 3), 3);
    s = MUST(open("s", O_WRONLY | O_DSYNC));
    EQUAL(write(s, "abc", 3), 3);
}
