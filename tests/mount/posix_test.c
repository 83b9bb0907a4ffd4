// SPDX-License-Identifier: Apache-2.0
// What a program may expect of a POSIX file system on Linux, tried in a directory: posix_test DIR
// [--holdfast] [CASE...]. The cases are in the other posix_*.c. They pass on ext4, which proves them;
// --holdfast allows what differs there and is said to differ. Prints TAP; a case that fails leaves its
// directory.
#include "tests/mount/posix.h"

#include <ftw.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/wait.h>

enum { CASE_SECONDS = 120, SKIPPED = 77 };

bool on_holdfast;

static struct posix_case *cases;

void case_add(struct posix_case *c)
{
    struct posix_case **p = &cases;
    while (*p && strcmp((*p)->name, c->name) < 0)
        p = &(*p)->next;
    c->next = *p;
    *p = c;
}

// --- saying --------------------------------------------------------------------------------------

void fail_at(const char *file, int line, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf("# %s:%d: ", file, line);
    vprintf(format, list);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

void skip(const char *format, ...)
{
    FILE *f = fopen("../skip-reason", "w");
    va_list list;
    va_start(list, format);
    if (f) {
        vfprintf(f, format, list);
        fclose(f);
    }
    _exit(SKIPPED);
}

// --- other processes -----------------------------------------------------------------------------

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            FAIL("waitpid: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool child_begin(uid_t uid, gid_t gid, int count, const gid_t *groups)
{
    fflush(stdout);
    pid_t pid = MUST(fork());
    if (pid != 0) {
        int status = wait_for(pid);
        if (status != 0)
            _exit(status == SKIPPED ? SKIPPED : 1); // it has said why
        return false;
    }
    if (count >= 0) {
        MUST(setgroups((size_t)count, groups));
        MUST(setresgid(gid, gid, gid));
        MUST(setresuid(uid, uid, uid));
    }
    return true;
}

bool child_end(void)
{
    fflush(stdout);
    _exit(0);
}

// --- files ---------------------------------------------------------------------------------------

struct stat stat_of(const char *path)
{
    struct stat s;
    if (lstat(path, &s) != 0)
        FAIL("lstat %s: %s", path, strerror(errno));
    return s;
}

mode_t mode_of(const char *path)
{
    return stat_of(path).st_mode & 07777;
}

int new_file(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0)
        FAIL("create %s: %s", path, strerror(errno));
    MUST(fchmod(fd, mode));
    return fd;
}

void put(const char *path, const void *data, size_t length)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (fd < 0)
        FAIL("create %s: %s", path, strerror(errno));
    write_at(fd, data, length, 0);
    MUST(close(fd));
}

void touch(const char *path)
{
    put(path, "", 0);
}

void new_dir(const char *path, mode_t mode)
{
    if (mkdir(path, 0700) != 0)
        FAIL("mkdir %s: %s", path, strerror(errno));
    MUST(chmod(path, mode));
}

bool exists(const char *path)
{
    struct stat s;
    return lstat(path, &s) == 0;
}

void fill(void *data, size_t length, uint64_t seed)
{
    uint8_t *p = data;
    for (size_t i = 0; i < length; i++) {
        uint64_t x = (seed * 1048573 + i / 8) * 0x9e3779b97f4a7c15u;
        p[i] = (uint8_t)((x ^ x >> 29) >> (i % 8 * 7)) | 1; // never zero
    }
}

void write_at(int fd, const void *data, size_t length, off_t at)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = MUST(pwrite(fd, (const char *)data + done, length - done, at + (off_t)done));
        CHECK(n > 0);
        done += (size_t)n;
    }
}

void read_at(int fd, void *data, size_t length, off_t at)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = MUST(pread(fd, (char *)data + done, length - done, at + (off_t)done));
        if (n == 0)
            FAIL("the file ends at %lld, not at %lld", (long long)at + (long long)done,
                 (long long)at + (long long)length);
        done += (size_t)n;
    }
}

static void expect_at(int fd, off_t at, const uint8_t *should, size_t length)
{
    uint8_t *is = malloc(length);
    read_at(fd, is, length, at);
    for (size_t i = 0; i < length; i++)
        if (is[i] != should[i])
            FAIL("byte %lld is %02x, not %02x", (long long)at + (long long)i, is[i], should[i]);
    free(is);
}

void expect_bytes(int fd, off_t at, size_t length, uint64_t seed)
{
    uint8_t *should = malloc(length);
    fill(should, length, seed);
    expect_at(fd, at, should, length);
    free(should);
}

void expect_zeros(int fd, off_t at, size_t length)
{
    uint8_t *should = calloc(1, length);
    expect_at(fd, at, should, length);
    free(should);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s, (void)f;
    if ((type == FTW_DP ? rmdir(path) : unlink(path)) != 0)
        FAIL("removing %s: %s", path, strerror(errno));
    return 0;
}

void remove_tree(const char *path)
{
    if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0)
        FAIL("walking %s: %s", path, strerror(errno));
}

// --- running -------------------------------------------------------------------------------------

static int run_case(const struct posix_case *c)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return 1;
    if (pid == 0) {
        umask(022);
        if (exists(c->name)) // from a run that failed
            remove_tree(c->name);
        new_dir(c->name, 0777);
        MUST(chdir(c->name));
        if (c->needs_root && getuid() != 0)
            skip("needs root, to become other users");
        alarm(CASE_SECONDS);
        c->run();
        MUST(chdir(".."));
        remove_tree(c->name);
        fflush(stdout);
        _exit(0);
    }
    return wait_for(pid);
}

static bool wanted(const struct posix_case *c, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], c->name) == 0)
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    int first = 2, plan = 0, number = 0, failed = 0;
    if (argc > 2 && strcmp(argv[2], "--holdfast") == 0) {
        on_holdfast = true;
        first++;
    }
    if (argc < 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: posix_test DIR [--holdfast] [CASE...]\n");
        return 2;
    }
    int count = argc > first ? argc - first : 0;
    for (const struct posix_case *c = cases; c; c = c->next)
        plan += wanted(c, count, argv + first);
    printf("1..%d\n", plan);
    for (const struct posix_case *c = cases; c; c = c->next) {
        if (!wanted(c, count, argv + first))
            continue;
        int status = run_case(c);
        number++;
        if (status == SKIPPED) {
            char reason[200] = "";
            FILE *f = fopen("skip-reason", "r");
            if (f && !fgets(reason, sizeof reason, f))
                reason[0] = 0;
            if (f)
                fclose(f);
            printf("ok %d - %s # SKIP %s\n", number, c->name, reason);
            continue;
        }
        if (status > 128)
            printf("# killed by signal %d (%s)\n", status - 128, strsignal(status - 128));
        printf("%s %d - %s\n", status == 0 ? "ok" : "not ok", number, c->name);
        failed += status != 0;
    }
    return failed != 0;
}
