// SPDX-License-Identifier: Apache-2.0
// Cases of posix_test: O_TMPFILE, files that get their name later or never.
#include "tests/mount/posix.h"

#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

static int unnamed(const char *directory, int flags, mode_t mode)
{
    int fd = open(directory, O_TMPFILE | flags, mode);
    if (fd < 0)
        FAIL("O_TMPFILE in %s: %s", directory, strerror(errno));
    return fd;
}

static struct stat stat_fd(int fd)
{
    struct stat s;
    MUST(fstat(fd, &s));
    return s;
}

static int name_it(int fd, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

CASE(tmpfile_gets_a_name)
{
    int fd = unnamed(".", O_RDWR, 0640);
    char text[3];
    struct stat s = stat_fd(fd);
    EQUAL(s.st_nlink, 0);
    EQUAL(s.st_mode, S_IFREG | 0640);
    EQUAL(s.st_uid, geteuid());
    EQUAL(s.st_gid, getegid());
    EQUAL(s.st_size, 0);
    write_at(fd, "abc", 3, 0);
    read_at(fd, text, 3, 0);
    SAME_BYTES(text, "abc", 3);
    EQUAL(stat_fd(fd).st_nlink, 0);
    MUST(name_it(fd, "named"));
    EQUAL(stat_fd(fd).st_nlink, 1);
    EQUAL(stat_of("named").st_ino, s.st_ino);
    EQUAL(stat_of("named").st_size, 3);
    EQUAL(stat_of("named").st_nlink, 1);
    EQUAL(mode_of("named"), 0640);
    // From here on it is a file like any other.
    int second = MUST(open("named", O_RDWR));
    write_at(second, "xyz", 3, 3);
    char both[6];
    read_at(fd, both, 6, 0);
    SAME_BYTES(both, "abcxyz", 6);
    MUST(close(fd));
    read_at(second, both, 6, 0);
    SAME_BYTES(both, "abcxyz", 6);
    MUST(link("named", "again"));
    EQUAL(stat_of("named").st_nlink, 2);
    MUST(unlink("named"));
    MUST(unlink("again"));
    EQUAL(stat_fd(second).st_nlink, 0);
    FAILS(ENOENT, name_it(second, "back")); // a last name is the last
    read_at(second, both, 6, 0);
    SAME_BYTES(both, "abcxyz", 6);
}

CASE(tmpfile_takes_what_a_file_takes)
{
    enum { SIZE = 300000 };
    static char data[SIZE];
    int fd = unnamed(".", O_RDWR, 0600);
    fill(data, SIZE, 7);
    write_at(fd, data, SIZE, 0);
    MUST(fsetxattr(fd, "user.x", "value", 5, 0));
    MUST(fchmod(fd, 0604));
    MUST(ftruncate(fd, SIZE - 5));
    MUST(fsync(fd));
    char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    map[0] = 'm';
    MUST(munmap(map, SIZE));
    OTHER_PROCESS
    MUST(name_it(fd, "named"));
    MUST(close(fd));
    fd = MUST(open("named", O_RDONLY));
    struct stat s = stat_fd(fd);
    EQUAL(s.st_size, SIZE - 5);
    EQUAL(s.st_mode, S_IFREG | 0604);
    CHECK(s.st_blocks * 512 >= SIZE - 5);
    EQUAL(getxattr("named", "user.x", NULL, 0), 5);
    char first;
    read_at(fd, &first, 1, 0);
    EQUAL(first, 'm');
    static char is[SIZE - 6];
    read_at(fd, is, sizeof is, 1);
    SAME_BYTES(is, data + 1, sizeof is);
}

CASE(tmpfile_and_names)
{
    int fd = unnamed(".", O_WRONLY, 0600);
    touch("there");
    new_dir("d", 0755);
    FAILS(EEXIST, name_it(fd, "there"));
    FAILS(ENOENT, name_it(fd, "missing/f"));
    EQUAL(stat_fd(fd).st_nlink, 0);
    MUST(name_it(fd, "d/f"));
    EQUAL(stat_of("d/f").st_ino, stat_fd(fd).st_ino);
    MUST(rename("d/f", "there"));
    EQUAL(stat_of("there").st_ino, stat_fd(fd).st_ino);
    char path[64];
    fd = unnamed(".", O_RDWR, 0600);
    write_at(fd, "abc", 3, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int second = MUST(open(path, O_RDWR));
    MUST(close(fd));
    MUST(name_it(second, "by the second"));
    char text[3];
    read_at(second, text, 3, 0);
    SAME_BYTES(text, "abc", 3);
}

CASE(tmpfile_for_oneself)
{
    int fd = unnamed(".", O_RDWR | O_EXCL, 0640);
    FAILS(ENOENT, name_it(fd, "named"));
    write_at(fd, "abc", 3, 0);
    EQUAL(stat_fd(fd).st_nlink, 0);
    FAILS(EINVAL, open(".", O_TMPFILE | O_RDONLY, 0600));
    touch("f");
    FAILS(ENOTDIR, open("f", O_TMPFILE | O_RDWR, 0600));
    FAILS(ENOENT, open("missing", O_TMPFILE | O_RDWR, 0600));
    FILE *f = tmpfile();
    CHECK(f);
    fclose(f);
}

CASE(tmpfile_leaves_its_directory_alone)
{
    new_dir("d", 0755);
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    MUST(utimensat(AT_FDCWD, "d", old, 0));
    struct stat before = stat_of("d");
    int fd = unnamed("d", O_RDWR, 0600);
    write_at(fd, "abc", 3, 0);
    struct stat after = stat_of("d");
    EQUAL(after.st_mtim.tv_sec, 1000);
    EQUAL(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
    EQUAL(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
    EQUAL(after.st_nlink, before.st_nlink);
    MUST(rmdir("d")); // it is empty
    read_at(fd, (char[3]){0}, 3, 0);
}

CASE(tmpfile_in_a_removed_directory)
{
    new_dir("d", 0755);
    int d = MUST(open("d", O_RDONLY | O_DIRECTORY));
    int fd = unnamed("d", O_RDWR, 0600);
    MUST(rmdir("d"));
    FAILS(on_holdfast ? ENOENT : EPERM, openat(d, ".", O_TMPFILE | O_RDWR, 0600));
    MUST(name_it(fd, "elsewhere"));
}

// Space becomes free with a commit, or (ext4) behind close's back.
static uint64_t free_bytes(int directory)
{
    struct statvfs s;
    touch("commit");
    MUST(fsync(directory));
    MUST(syncfs(directory));
    MUST(unlink("commit"));
    MUST(fsync(directory));
    MUST(syncfs(directory));
    MUST(statvfs(".", &s));
    return (uint64_t)s.f_bfree * s.f_frsize;
}

CASE(tmpfile_gives_its_space_back)
{
    enum { SIZE = 8 << 20, SLACK = 1 << 20 };
    char *data = malloc(SIZE);
    int directory = MUST(open(".", O_RDONLY | O_DIRECTORY));
    fill(data, SIZE, 3);
    uint64_t before = free_bytes(directory), now = 0;
    int fd = unnamed(".", O_RDWR, 0600);
    write_at(fd, data, SIZE, 0);
    MUST(fsync(fd));
    CHECK(free_bytes(directory) + SIZE <= before);
    MUST(close(fd));
    for (int i = 0; i < 100 && now + SLACK < before; i++) {
        usleep(10000);
        now = free_bytes(directory);
    }
    CHECK(now + SLACK >= before);
}

CASE(tmpfile_mode_and_umask)
{
    umask(027);
    EQUAL(stat_fd(unnamed(".", O_RDWR, 0666)).st_mode, S_IFREG | 0640);
    umask(0);
    EQUAL(stat_fd(unnamed(".", O_RDWR, 0666)).st_mode, S_IFREG | 0666);
    EQUAL(stat_fd(unnamed(".", O_WRONLY, 01751)).st_mode, S_IFREG | 01751);
    // What it may not be opened for later does not matter now.
    int fd = unnamed(".", O_RDWR, 0);
    write_at(fd, "abc", 3, 0);
    EQUAL(stat_fd(fd).st_mode, S_IFREG);
}

ROOT_CASE(tmpfile_owner_and_group)
{
    new_dir("d", 0777);
    new_dir("g", 0777);
    MUST(chown("g", 0, 4100));
    MUST(chmod("g", 02777));
    AS(4001, 4001)
    {
        struct stat s = stat_fd(unnamed("d", O_RDWR, 0644));
        EQUAL(s.st_uid, 4001);
        EQUAL(s.st_gid, 4001);
        s = stat_fd(unnamed("g", O_RDWR, 0644));
        EQUAL(s.st_uid, 4001);
        EQUAL(s.st_gid, 4100);
        EQUAL(s.st_mode, S_IFREG | 0644);
    }
}

ROOT_CASE(tmpfile_needs_leave_to_write)
{
    new_dir("d", 0755);
    new_dir("mine", 0700);
    MUST(chown("mine", 4001, 4001));
    AS(4001, 4001)
    {
        FAILS(EACCES, open("d", O_TMPFILE | O_RDWR, 0600));
        int fd = unnamed("mine", O_RDWR, 0600);
        FAILS(EACCES, name_it(fd, "d/f"));
        MUST(name_it(fd, "mine/f"));
        EQUAL(stat_of("mine/f").st_uid, 4001);
    }
    MUST(chmod("mine", 0500));
    AS(4001, 4001)
    FAILS(EACCES, open("mine", O_TMPFILE | O_RDWR, 0600));
}
