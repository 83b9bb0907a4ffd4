// SPDX-License-Identifier: Apache-2.0
// posix_test: directories: names, listings that go on while entries come and go, deep and wide trees, file
// handles.
#include "tests/mount/posix.h"

#include <dirent.h>
#include <linux/limits.h>

// --- names ---------------------------------------------------------------------------------------

CASE(name_lengths)
{
    char name[300];
    for (int length = 1; length <= 255; length++) {
        memset(name, 'n', (size_t)length);
        name[length] = 0;
        touch(name);
        CHECK(exists(name));
        MUST(unlink(name));
    }
    memset(name, 'n', 256);
    name[256] = 0;
    FAILS(ENAMETOOLONG, open(name, O_CREAT | O_WRONLY, 0644));
    FAILS(ENAMETOOLONG, mkdir(name, 0755));
    FAILS(ENAMETOOLONG, symlink("x", name));
    FAILS(ENAMETOOLONG, unlink(name));
    struct stat s;
    FAILS(ENAMETOOLONG, stat(name, &s));
    touch("f");
    FAILS(ENAMETOOLONG, link("f", name));
    FAILS(ENAMETOOLONG, rename("f", name));
    // 255 bytes of three-byte characters.
    name[0] = 0;
    for (int i = 0; i < 85; i++)
        memcpy(name + 3 * i, "\xe2\x82\xac", 4);
    touch(name);
    DIR *d = opendir(".");
    bool found = false;
    for (struct dirent *e; (e = readdir(d));)
        found |= strcmp(e->d_name, name) == 0;
    CHECK(found);
    closedir(d);
}

CASE(name_bytes)
{
    static const char *const names[] = {
        "back\\slash",
        "\\",
        "co:lon",
        ":",
        "a:b:$DATA",
        "trailing.",
        "trailing ",
        "dots...",
        "...",
        " ",
        ". .",
        "CON",
        "nul",
        "aux.txt",
        "com1",
        "a*b",
        "a?b",
        "<",
        ">",
        "|",
        "\"quoted\"",
        "'",
        "new\nline",
        "\t",
        "\x01",
        "\x1f",
        "\x7f",
        "-rf",
        "~",
        "%00",
        "\xc3\xa4",
        "a\xcc\x88",
        "\xe2\x82\xac",
        "\xf0\x9f\x98\x80",
        "#",
        "..a",
        ".hidden",
        "\xef\xbf\xbd",
        "\xe2\x80\x8f",
        ("\xef\xbb\xbf"
         "bom"),
        "$Extend",
        "\xef\xbf\xbe",
    };
    enum { COUNT = sizeof names / sizeof names[0] };
    for (int i = 0; i < COUNT; i++) {
        close(new_file(names[i], 0644));
        put(names[i], names[i], strlen(names[i]));
    }
    int seen[COUNT] = {0};
    DIR *d = opendir(".");
    CHECK(d);
    for (struct dirent *e; (e = readdir(d));) {
        bool known = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        for (int i = 0; i < COUNT; i++)
            if (strcmp(e->d_name, names[i]) == 0)
                known = ++seen[i] == 1;
        if (!known)
            FAIL("listed and not made, or twice: '%s'", e->d_name);
    }
    closedir(d);
    for (int i = 0; i < COUNT; i++) {
        CHECK(seen[i] == 1);
        char is[32];
        int fd = MUST(open(names[i], O_RDONLY));
        EQUAL(read(fd, is, sizeof is), strlen(names[i]));
        SAME_BYTES(is, names[i], strlen(names[i]));
        MUST(close(fd));
        MUST(rename(names[i], "x"));
        MUST(rename("x", names[i]));
        MUST(unlink(names[i]));
    }
}

CASE(name_not_utf8)
{
    static const char *const names[] = {
        "\xff", "a\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "ok\xfe"};
    touch("f");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!on_holdfast) { // ext4 keeps any bytes
            touch(names[i]);
            MUST(unlink(names[i]));
            continue;
        }
        FAILS(EILSEQ, open(names[i], O_CREAT | O_WRONLY, 0644));
        FAILS(EILSEQ, mkdir(names[i], 0755));
        FAILS(EILSEQ, symlink("x", names[i]));
        FAILS(EILSEQ, mkfifo(names[i], 0600));
        FAILS(EILSEQ, link("f", names[i]));
        FAILS(EILSEQ, rename("f", names[i]));
        struct stat s;
        CHECK(stat(names[i], &s) == -1 && (errno == ENOENT || errno == EILSEQ));
        CHECK(unlink(names[i]) == -1 && (errno == ENOENT || errno == EILSEQ));
    }
}

// --- listings ------------------------------------------------------------------------------------

enum { MANY = 5000 };

static void make_many(const char *directory, int count)
{
    char name[64];
    new_dir(directory, 0755);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/stable-%d", directory, i);
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (fd < 0)
            FAIL("create %s: %s", name, strerror(errno));
        close(fd);
    }
}

static void count_entry(const char *name, uint8_t *seen, int count)
{
    int i;
    char end;
    if (sscanf(name, "stable-%d%c", &i, &end) == 1) {
        CHECK(i >= 0 && i < count);
        seen[i]++;
    }
}

static void all_once(const uint8_t *seen, int count)
{
    for (int i = 0; i < count; i++)
        if (seen[i] != 1)
            FAIL("stable-%d was listed %d times", i, seen[i]);
}

CASE(list_many)
{
    make_many("d", MANY);
    for (int round = 0; round < 2; round++) {
        static uint8_t seen[MANY];
        memset(seen, 0, sizeof seen);
        int dots = 0;
        DIR *d = opendir("d");
        CHECK(d);
        for (struct dirent *e; (e = readdir(d));) {
            dots += e->d_name[0] == '.';
            count_entry(e->d_name, seen, MANY);
            CHECK(e->d_type == DT_UNKNOWN || e->d_type == (e->d_name[0] == '.' ? DT_DIR : DT_REG));
            if (strcmp(e->d_name, ".") == 0)
                EQUAL(e->d_ino, stat_of("d").st_ino);
        }
        all_once(seen, MANY);
        EQUAL(dots, 2);
        closedir(d);
    }
}

// Entries come and go while it is listed: whatever was there all the time is listed exactly once.
CASE(list_while_entries_come_and_go)
{
    enum { STABLE = 2500 };
    static uint8_t seen[STABLE];
    char name[64];
    make_many("d", STABLE);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "d/old-%d", i);
        touch(name);
    }
    DIR *d = opendir("d");
    CHECK(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d)); n++) {
        count_entry(e->d_name, seen, STABLE);
        if (n % 5 == 0 && n / 5 < 500) {
            snprintf(name, sizeof name, "d/old-%d", (n / 5 * 7) % 500);
            MUST(unlink(name));
            snprintf(name, sizeof name, "d/new-%d", n / 5);
            touch(name);
        }
        if (strncmp(e->d_name, "old-", 4) == 0 && n % 3 == 0) { // the one just seen
            snprintf(name, sizeof name, "d/%.40s", e->d_name);
            if (unlink(name) == 0)
                touch(name);
        }
    }
    all_once(seen, STABLE);
    closedir(d);
}

CASE(list_seek_and_tell)
{
    enum { COUNT = 1200 };
    static uint8_t seen[COUNT];
    static long where[COUNT + 2];
    static char names[COUNT + 2][24];
    make_many("d", COUNT);
    DIR *d = opendir("d");
    CHECK(d);
    int n = 0;
    for (;; n++) {
        long at = telldir(d);
        struct dirent *e = readdir(d);
        if (!e)
            break;
        CHECK(n < COUNT + 2);
        where[n] = at;
        snprintf(names[n], sizeof names[n], "%.23s", e->d_name);
    }
    EQUAL(n, COUNT + 2);
    for (int i = n - 1; i >= 0; i -= 13) { // each position leads to its entry again
        seekdir(d, where[i]);
        struct dirent *e = readdir(d);
        if (!e || strcmp(e->d_name, names[i]) != 0)
            FAIL("at the place of %s there is %s", names[i], e ? e->d_name : "the end");
    }
    rewinddir(d);
    CHECK(strcmp(readdir(d)->d_name, names[0]) == 0);
    // Where the entry at a place and those before it are gone, the listing goes on with those after it.
    char path[64];
    for (int i = 0; i <= 600; i++)
        if (names[i][0] != '.') {
            snprintf(path, sizeof path, "d/%.24s", names[i]);
            MUST(unlink(path));
        }
    seekdir(d, where[600]);
    for (struct dirent *e; (e = readdir(d));)
        count_entry(e->d_name, seen, COUNT);
    for (int i = 601; i < n; i++)
        if (names[i][0] != '.')
            CHECK(seen[strtol(names[i] + 7, NULL, 10)] >=
                  1); // again is allowed where nothing is left to go by, missing is not
    closedir(d);
}

// As rm -rf does: delete while listing, in one pass.
CASE(list_and_delete)
{
    make_many("d", 3000);
    DIR *d = opendir("d");
    int deleted = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            MUST(unlinkat(dirfd(d), e->d_name, 0));
            deleted++;
        }
    EQUAL(deleted, 3000);
    closedir(d);
    MUST(rmdir("d"));
}

CASE(list_sees_what_changed_after_rewind)
{
    new_dir("d", 0755);
    DIR *d = opendir("d");
    while (readdir(d))
        ;
    touch("d/new");
    rewinddir(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, "new") == 0;
    EQUAL(n, 1);
    closedir(d);
    d = opendir("d");
    MUST(unlink("d/new"));
    MUST(rmdir("d"));
    CHECK(readdir(d) == NULL || on_holdfast); // a removed directory has at most its dots
    closedir(d);
}

CASE(list_types)
{
    touch("f");
    new_dir("d", 0755);
    MUST(symlink("x", "l"));
    MUST(mkfifo("p", 0600));
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d));) {
        struct stat s = stat_of(e->d_name);
        if (strcmp(e->d_name, "..") != 0)
            EQUAL(s.st_ino, e->d_ino);
        EQUAL(IFTODT(s.st_mode), e->d_type);
    }
    closedir(d);
}

// --- trees ---------------------------------------------------------------------------------------

CASE(tree_deep)
{
    int fd = MUST(open(".", O_RDONLY | O_DIRECTORY)), depth = 600;
    for (int i = 0; i < depth; i++) { // longer than PATH_MAX as one path
        MUST(mkdirat(fd, "a-directory-with-a-name", 0755));
        int next = MUST(openat(fd, "a-directory-with-a-name", O_RDONLY | O_DIRECTORY));
        MUST(close(fd));
        fd = next;
    }
    MUST(close(MUST(openat(fd, "bottom", O_CREAT | O_WRONLY, 0644))));
    struct stat top = stat_of("."), s;
    for (int i = 0; i < depth; i++) {
        int up = MUST(openat(fd, "..", O_RDONLY | O_DIRECTORY));
        MUST(close(fd));
        fd = up;
    }
    MUST(fstat(fd, &s));
    EQUAL(s.st_ino, top.st_ino);
    EQUAL(system("rm -rf a-directory-with-a-name"), 0);
    CHECK(!exists("a-directory-with-a-name"));
    char path[PATH_MAX + 10] = "x";
    memset(path, '/', sizeof path);
    path[PATH_MAX] = 0;
    path[0] = '.';
    FAILS(ENAMETOOLONG, stat(path, &s));
    path[PATH_MAX - 1] = 0;
    MUST(stat(path, &s));
}

CASE(tree_wide_removed)
{
    char name[64];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "t/%d", i);
        if (i == 0)
            new_dir("t", 0755);
        make_many(name, 50);
    }
    EQUAL(system("find t -type f | wc -l | grep -qx 2000"), 0);
    EQUAL(system("rm -rf t"), 0);
    CHECK(!exists("t"));
}

CASE(tree_link_counts)
{
    char name[64];
    new_dir("d", 0755);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        new_dir(name, 0755);
    }
    // 1 means that subdirectories are not counted, as on btrfs; find and others know it.
    nlink_t links = stat_of("d").st_nlink;
    EQUAL(links, links == 1 && on_holdfast ? 1 : 102);
    MUST(rmdir("d/0"));
    EQUAL(stat_of("d").st_nlink, links == 1 ? 1 : 101);
    EQUAL(system("test $(find d -type d | wc -l) = 100"), 0);
}

CASE(tree_dots)
{
    new_dir("d", 0755);
    EQUAL(stat_of("d/.").st_ino, stat_of("d").st_ino);
    EQUAL(stat_of("d/..").st_ino, stat_of(".").st_ino);
    FAILS(EEXIST, mkdir("d/.", 0755));
    FAILS(EEXIST, mkdir("d/..", 0755));
    FAILS(EISDIR, open("d/.", O_CREAT | O_WRONLY, 0644));
    MUST(mkdir("e/", 0755));
    FAILS(EISDIR, open("g/", O_CREAT | O_WRONLY, 0644));
}

// --- file handles, as a file server for NFS keeps them -------------------------------------------

struct handle {
    struct file_handle h;
    unsigned char bytes[MAX_HANDLE_SZ];
};

static struct handle handle_of(const char *path)
{
    struct handle h = {.h.handle_bytes = MAX_HANDLE_SZ};
    int mount;
    if (name_to_handle_at(AT_FDCWD, path, &h.h, &mount, 0) != 0)
        FAIL("name_to_handle_at %s: %s", path, strerror(errno));
    return h;
}

ROOT_CASE(handle_opens_without_a_name)
{
    put("f", "abc", 3);
    new_dir("d", 0755);
    new_dir("d/e", 0755);
    int here = MUST(open(".", O_RDONLY | O_DIRECTORY));
    struct handle f = handle_of("f"), e = handle_of("d/e");
    MUST(rename("f", "d/g"));
    int fd = MUST(open_by_handle_at(here, &f.h, O_RDWR));
    char text[3];
    read_at(fd, text, 3, 0);
    SAME_BYTES(text, "abc", 3);
    MUST(close(fd));
    fd = MUST(open_by_handle_at(here, &e.h, O_RDONLY | O_DIRECTORY));
    int up = MUST(openat(fd, "..", O_RDONLY | O_DIRECTORY));
    MUST(faccessat(up, "g", F_OK, 0));
    MUST(close(up));
    MUST(close(fd));
    FILE *drop = fopen("/proc/sys/vm/drop_caches", "w"); // nothing of it in memory
    if (drop) {
        fputs("2\n", drop);
        fclose(drop);
    }
    fd = MUST(open_by_handle_at(here, &f.h, O_RDONLY));
    struct stat s;
    MUST(fstat(fd, &s));
    EQUAL(s.st_ino, stat_of("d/g").st_ino);
    MUST(close(fd));
    MUST(unlink("d/g"));
    FAILS(ESTALE, open_by_handle_at(here, &f.h, O_RDONLY));
    for (int i = 0; i < 50; i++) { // a new file is never taken for the old one
        unlink("again");
        touch("again");
        FAILS(ESTALE, open_by_handle_at(here, &f.h, O_RDONLY));
    }
}
