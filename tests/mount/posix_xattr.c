// SPDX-License-Identifier: Apache-2.0
// posix_test: extended attributes and POSIX access control lists.
#include "tests/mount/posix.h"

#include <linux/xattr.h>
#include <sys/xattr.h>

enum { LARGE = 65536 };

CASE(xattr_set_get_remove)
{
    touch("f");
    char is[64];
    FAILS(ENODATA, getxattr("f", "user.a", is, sizeof is));
    FAILS(ENODATA, removexattr("f", "user.a"));
    FAILS(ENODATA, setxattr("f", "user.a", "1", 1, XATTR_REPLACE));
    MUST(setxattr("f", "user.a", "one", 3, XATTR_CREATE));
    FAILS(EEXIST, setxattr("f", "user.a", "two", 3, XATTR_CREATE));
    MUST(setxattr("f", "user.a", "three", 5, XATTR_REPLACE));
    EQUAL(getxattr("f", "user.a", NULL, 0), 5);
    EQUAL(getxattr("f", "user.a", is, sizeof is), 5);
    SAME_BYTES(is, "three", 5);
    FAILS(ERANGE, getxattr("f", "user.a", is, 4));
    MUST(setxattr("f", "user.empty", "", 0, 0));
    EQUAL(getxattr("f", "user.empty", is, sizeof is), 0);
    MUST(setxattr("f", "user.a", "", 0, 0));
    EQUAL(getxattr("f", "user.a", NULL, 0), 0);
    MUST(removexattr("f", "user.a"));
    FAILS(ENODATA, getxattr("f", "user.a", NULL, 0));
    FAILS(EOPNOTSUPP, setxattr("f", "nonsense.a", "1", 1, 0));
    FAILS(EINVAL, setxattr("f", "user.a", "1", 1, 4));
    MUST(setxattr("f", "user.\xc3\xa4 \xff odd", "1", 1, 0)); // names are bytes
    EQUAL(getxattr("f", "user.\xc3\xa4 \xff odd", is, sizeof is), 1);
    MUST(setxattr("f", "user.Case", "1", 1, 0));
    FAILS(ENODATA, getxattr("f", "user.case", is, sizeof is));
}

CASE(xattr_names_of_all_lengths)
{
    touch("f");
    char name[300] = "user.", is[256];
    for (int length = 6; length <= 255; length += on_holdfast ? 7 : 40) { // ext4 has little room
        memset(name + 5, 'n', (size_t)length - 5);
        name[length] = 0;
        MUST(setxattr("f", name, name, (size_t)length, XATTR_CREATE));
    }
    memset(name + 5, 'n', 250);
    name[255] = 0;
    MUST(setxattr("f", name, name, 255, 0));
    EQUAL(getxattr("f", name, is, sizeof is), 255);
    SAME_BYTES(is, name, 255);
    memset(name + 5, 'n', 251);
    name[256] = 0;
    FAILS(ERANGE, setxattr("f", name, "1", 1, 0));
}

CASE(xattr_values_of_many_sizes)
{
    static char value[LARGE + 1], is[LARGE];
    const size_t sizes[] = {1, 100, 1000, 4000, 4096, 4097, 8000, 16000, 16384, 16385, 40000, 65535, 65536};
    touch("f");
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t n = round ? sizes[sizeof sizes / sizeof sizes[0] - 1 - i] : sizes[i];
            fill(value, n, n);
            MUST(setxattr("f", "user.big", value, n, 0));
            EQUAL(getxattr("f", "user.big", NULL, 0), n);
            EQUAL(getxattr("f", "user.big", is, sizeof is), n);
            SAME_BYTES(is, value, n);
        }
    FAILS(E2BIG, setxattr("f", "user.big", value, LARGE + 1, 0));
    MUST(removexattr("f", "user.big"));
    EQUAL(listxattr("f", NULL, 0), 0);
}

static int index_in_list(const char *list, ssize_t length, const char *name)
{
    int at = 0;
    for (const char *p = list; p < list + length; p += strlen(p) + 1, at++)
        if (strcmp(p, name) == 0)
            return at;
    return -1;
}

CASE(xattr_lists)
{
    const int names = on_holdfast ? 200 : 50; // ext4 has little room
    static char list[65536];
    char name[32];
    touch("f");
    EQUAL(listxattr("f", NULL, 0), 0);
    for (int i = 0; i < names; i++) {
        snprintf(name, sizeof name, "user.name-%d", i);
        MUST(setxattr("f", name, name, strlen(name), XATTR_CREATE));
    }
    ssize_t length = MUST(listxattr("f", list, sizeof list));
    EQUAL(listxattr("f", NULL, 0), length);
    FAILS(ERANGE, listxattr("f", list, 10));
    int count = 0;
    for (char *p = list; p < list + length; p += strlen(p) + 1)
        count++;
    EQUAL(count, names);
    for (int i = 0; i < names; i++) {
        snprintf(name, sizeof name, "user.name-%d", i);
        CHECK(index_in_list(list, length, name) >= 0);
        if (i % 2)
            MUST(removexattr("f", name));
    }
    length = MUST(listxattr("f", list, sizeof list));
    CHECK(index_in_list(list, length, "user.name-0") >= 0);
    EQUAL(index_in_list(list, length, "user.name-1"), -1);
}

CASE(xattr_on_every_kind)
{
    char is[8];
    new_dir("d", 0755);
    MUST(setxattr("d", "user.a", "dir", 3, 0));
    EQUAL(getxattr("d", "user.a", is, sizeof is), 3);
    MUST(mkfifo("p", 0600));
    FAILS(EPERM, setxattr("p", "user.a", "1", 1, 0));
    MUST(symlink("missing", "l"));
    FAILS(EPERM, lsetxattr("l", "user.a", "1", 1, 0));
    FAILS(ENOENT, setxattr("l", "user.a", "1", 1, 0));
    put("f", "abc", 3);
    MUST(symlink("f", "fl"));
    MUST(setxattr("fl", "user.a", "1", 1, 0));
    EQUAL(getxattr("f", "user.a", is, sizeof is), 1);
    EQUAL(lgetxattr("fl", "user.a", is, sizeof is), -1); // EPERM or ENODATA by kernel
    int fd = MUST(open("f", O_RDWR));
    MUST(fsetxattr(fd, "user.b", "2", 1, 0));
    MUST(unlink("f"));
    EQUAL(fgetxattr(fd, "user.b", is, sizeof is), 1);
    MUST(fsetxattr(fd, "user.c", "3", 1, 0));
    MUST(fremovexattr(fd, "user.a"));
}

ROOT_CASE(xattr_trusted_and_security)
{
    touch("f");
    MUST(chmod("f", 0666));
    MUST(symlink("f", "l"));
    char is[64];
    MUST(setxattr("f", "trusted.t", "1", 1, 0));
    MUST(lsetxattr("l", "trusted.t", "22", 2, 0));
    EQUAL(lgetxattr("l", "trusted.t", is, sizeof is), 2);
    EQUAL(getxattr("f", "trusted.t", is, sizeof is), 1);
    MUST(setxattr("f", "security.test", "1", 1, 0));
    MUST(setxattr("f", "user.u", "1", 1, 0));
    AS(4001, 4001)
    {
        FAILS(ENODATA, getxattr("f", "trusted.t", is, sizeof is));
        FAILS(EPERM, setxattr("f", "trusted.t", "2", 1, 0));
        EQUAL(getxattr("f", "security.test", is, sizeof is), 1);
        FAILS(EPERM, setxattr("f", "security.test", "2", 1, 0));
        EQUAL(getxattr("f", "user.u", is, sizeof is), 1);
        MUST(setxattr("f", "user.u", "2", 1, 0));
        char list[256];
        ssize_t n = MUST(listxattr("f", list, sizeof list));
        CHECK(index_in_list(list, n, "user.u") >= 0);
    }
    MUST(chmod("f", 0600));
    AS(4001, 4001)
    {
        FAILS(EACCES, getxattr("f", "user.u", is, sizeof is));
        FAILS(EACCES, setxattr("f", "user.u", "2", 1, 0));
    }
}

// A write takes a file's capabilities away.
ROOT_CASE(xattr_capabilities)
{
    const uint32_t capability[5] = {0x02000001, 1 << 10, 0, 0, 0}; // cap_net_bind_service, effective
    char is[64];
    put("f", "abc", 3);
    MUST(chmod("f", 0777));
    MUST(setxattr("f", "security.capability", capability, sizeof capability, 0));
    EQUAL(getxattr("f", "security.capability", is, sizeof is), sizeof capability);
    AS(4001, 4001)
    {
        int fd = MUST(open("f", O_RDWR));
        write_at(fd, "x", 1, 0);
        MUST(close(fd));
    }
    FAILS(ENODATA, getxattr("f", "security.capability", is, sizeof is));
    MUST(setxattr("f", "security.capability", capability, sizeof capability, 0));
    MUST(chown("f", 4001, 4001));
    FAILS(ENODATA, getxattr("f", "security.capability", is, sizeof is));
}

// --- access control lists ------------------------------------------------------------------------

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32, R = 4, W = 2, X = 1 };
static const char acl_access[] = "system.posix_acl_access", acl_default[] = "system.posix_acl_default";

struct acl_entry {
    uint16_t tag, perm;
    uint32_t id;
};
struct acl {
    uint32_t version;
    struct acl_entry e[8];
};

static size_t acl_make(struct acl *acl, const struct acl_entry *e, size_t n)
{
    acl->version = 2;
    for (size_t i = 0; i < n; i++) {
        acl->e[i] = e[i];
        if (!(e[i].tag & (USER | GROUP)))
            acl->e[i].id = UINT32_MAX;
    }
    return 4 + n * sizeof *e;
}

#define SET_ACL(path, name, ...)                                   \
    do {                                                           \
        const struct acl_entry e_[] = {__VA_ARGS__};               \
        struct acl acl_;                                           \
        size_t n_ = acl_make(&acl_, e_, sizeof e_ / sizeof e_[0]); \
        MUST(setxattr(path, name, &acl_, n_, 0));                  \
    } while (0)
#define EXPECT_ACL(path, name, ...)                                   \
    do {                                                              \
        const struct acl_entry e_[] = {__VA_ARGS__};                  \
        struct acl should_ = {0}, is_ = {0};                          \
        size_t n_ = acl_make(&should_, e_, sizeof e_ / sizeof e_[0]); \
        EQUAL(MUST(getxattr(path, name, &is_, sizeof is_)), n_);      \
        SAME_BYTES(&is_, &should_, n_);                               \
    } while (0)

ROOT_CASE(acl_grants_and_refuses)
{
    put("f", "abc", 3);
    MUST(chown("f", 4001, 4100));
    SET_ACL("f", acl_access, {USER_OBJ, R | W, 0}, {USER, R, 4002}, {USER, 0, 4003}, {GROUP_OBJ, 0, 0},
            {GROUP, R | W, 4200}, {MASK, R | W, 0}, {OTHER, R, 0});
    EQUAL(mode_of("f"), 0664); // the mask stands where the group's bits are
    AS(4001, 4001)
    MUST(open("f", O_RDWR));
    AS(4002, 4002)
    {
        MUST(open("f", O_RDONLY));
        FAILS(EACCES, open("f", O_WRONLY));
    }
    AS(4003, 4003)
    FAILS(EACCES, open("f", O_RDONLY));
    AS(4004, 4200)
    MUST(open("f", O_RDWR));
    AS(4004, 4100)
    FAILS(EACCES, open("f", O_RDONLY));
    AS(4004, 4004)
    MUST(open("f", O_RDONLY));
    // chmod's group bits are the mask's.
    MUST(chmod("f", 0640));
    EXPECT_ACL("f", acl_access, {USER_OBJ, R | W, 0}, {USER, R, 4002}, {USER, 0, 4003}, {GROUP_OBJ, 0, 0},
               {GROUP, R | W, 4200}, {MASK, R, 0}, {OTHER, 0, 0});
    AS(4004, 4200)
    {
        MUST(open("f", O_RDONLY));
        FAILS(EACCES, open("f", O_WRONLY));
    }
    AS(4004, 4004)
    FAILS(EACCES, open("f", O_RDONLY));
    MUST(removexattr("f", acl_access));
    FAILS(ENODATA, getxattr("f", acl_access, NULL, 0));
    EQUAL(mode_of("f"), 0640);
    AS(4002, 4002)
    FAILS(EACCES, open("f", O_RDONLY));
}

CASE(acl_that_says_no_more_than_the_mode)
{
    touch("f");
    SET_ACL("f", acl_access, {USER_OBJ, R | X, 0}, {GROUP_OBJ, W, 0}, {OTHER, R | W | X, 0});
    EQUAL(mode_of("f"), 0527);
    FAILS(ENODATA, getxattr("f", acl_access, NULL, 0)); // it is the mode
}

CASE(acl_refusals)
{
    touch("f");
    new_dir("d", 0755);
    struct acl acl;
    size_t n =
        acl_make(&acl, (const struct acl_entry[]){{USER_OBJ, 7, 0}, {GROUP_OBJ, 7, 0}, {OTHER, 7, 0}}, 3);
    FAILS(EACCES, setxattr("f", acl_default, &acl, n, 0)); // files hand nothing down
    FAILS(EINVAL, setxattr("f", acl_access, &acl, n - 3, 0));
    FAILS(EINVAL, setxattr("f", acl_access, &acl, 4 + 8, 0)); // incomplete
    acl.version = 3;
    CHECK(setxattr("f", acl_access, &acl, n, 0) == -1 && (errno == EOPNOTSUPP || errno == EINVAL));
    n = acl_make(&acl,
                 (const struct acl_entry[]){{USER_OBJ, 7, 0}, {USER, 7, 5}, {GROUP_OBJ, 7, 0}, {OTHER, 7, 0}},
                 4);
    FAILS(EINVAL, setxattr("d", acl_default, &acl, n, 0)); // needs a mask
}

ROOT_CASE(acl_is_handed_down)
{
    new_dir("d", 0777);
    SET_ACL("d", acl_default, {USER_OBJ, 7, 0}, {USER, R | W, 4002}, {GROUP_OBJ, R | X, 0}, {MASK, 7, 0},
            {OTHER, R, 0});
    EQUAL(mode_of("d"), 0777);
    umask(0777); // with an inherited list the umask does not count
    MUST(close(open("d/f", O_CREAT | O_EXCL | O_WRONLY, 0666)));
    int unnamed = MUST(open("d", O_TMPFILE | O_RDWR, 0666));
    MUST(mkdir("d/sub", 0755));
    MUST(mkfifo("d/p", 0600));
    MUST(symlink("x", "d/l"));
    umask(022);
    EXPECT_ACL("d/f", acl_access, {USER_OBJ, R | W, 0}, {USER, R | W, 4002}, {GROUP_OBJ, R | X, 0},
               {MASK, R | W, 0}, {OTHER, R, 0});
    EQUAL(mode_of("d/f"), 0664);
    FAILS(ENODATA, getxattr("d/f", acl_default, NULL, 0));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", unnamed);
    EXPECT_ACL(path, acl_access, {USER_OBJ, R | W, 0}, {USER, R | W, 4002}, {GROUP_OBJ, R | X, 0},
               {MASK, R | W, 0}, {OTHER, R, 0});
    MUST(linkat(AT_FDCWD, path, AT_FDCWD, "d/t", AT_SYMLINK_FOLLOW));
    EQUAL(mode_of("d/t"), 0664);
    EXPECT_ACL("d/t", acl_access, {USER_OBJ, R | W, 0}, {USER, R | W, 4002}, {GROUP_OBJ, R | X, 0},
               {MASK, R | W, 0}, {OTHER, R, 0});
    EXPECT_ACL("d/sub", acl_access, {USER_OBJ, 7, 0}, {USER, R | W, 4002}, {GROUP_OBJ, R | X, 0},
               {MASK, R | X, 0}, {OTHER, R, 0});
    EQUAL(mode_of("d/sub"), 0754);
    EXPECT_ACL("d/sub", acl_default, {USER_OBJ, 7, 0}, {USER, R | W, 4002}, {GROUP_OBJ, R | X, 0},
               {MASK, 7, 0}, {OTHER, R, 0});
    EQUAL(mode_of("d/p"), 0600);
    EXPECT_ACL("d/p", acl_access, {USER_OBJ, R | W, 0}, {USER, R | W, 4002}, {GROUP_OBJ, R | X, 0},
               {MASK, 0, 0}, {OTHER, 0, 0});
    EQUAL(mode_of("d/l"), 0777);
    AS(4002, 4002)
    MUST(open("d/f", O_RDWR));
    AS(4005, 4005)
    FAILS(EACCES, open("d/f", O_RDWR));
    // A default list without named entries only sets modes.
    new_dir("e", 0777);
    SET_ACL("e", acl_default, {USER_OBJ, 7, 0}, {GROUP_OBJ, R, 0}, {OTHER, 0, 0});
    MUST(close(open("e/f", O_CREAT | O_EXCL | O_WRONLY, 0666)));
    EQUAL(mode_of("e/f"), 0640);
    FAILS(ENODATA, getxattr("e/f", acl_access, NULL, 0));
    MUST(removexattr("e", acl_default));
    MUST(close(open("e/g", O_CREAT | O_EXCL | O_WRONLY, 0666)));
    EQUAL(mode_of("e/g"), 0644); // the umask again
}

ROOT_CASE(acl_is_for_owners)
{
    touch("f");
    MUST(chmod("f", 0666));
    MUST(chown("f", 4001, 4001));
    struct acl acl;
    size_t n =
        acl_make(&acl, (const struct acl_entry[]){{USER_OBJ, 7, 0}, {GROUP_OBJ, 7, 0}, {OTHER, 7, 0}}, 3);
    AS(4002, 4002)
    FAILS(EPERM, setxattr("f", acl_access, &acl, n, 0));
    AS(4001, 4001)
    MUST(setxattr("f", acl_access, &acl, n, 0));
    EQUAL(mode_of("f"), 0777);
    // Set-group-id by one who is not in the group goes with a new list too.
    MUST(chown("f", 4001, 4100));
    MUST(chmod("f", 02777));
    AS(4001, 4001)
    MUST(setxattr("f", acl_access, &acl, n, 0));
    EQUAL(mode_of("f"), 0777);
}

CASE(acl_through_the_tools)
{
    if (system("command -v setfacl getfacl >/dev/null") != 0)
        skip("setfacl and getfacl are not installed");
    touch("f");
    new_dir("d", 0755);
    EQUAL(system("setfacl -m u:4002:rw,g:4200:r f && setfacl -d -m u:4002:rwx d && touch d/g"), 0);
    EQUAL(system("getfacl -cn f 2>&1 | grep -qx 'user:4002:rw-'"), 0);
    EQUAL(system("getfacl -cn d/g 2>&1 | grep -q '^user:4002:rwx'"), 0);
    EQUAL(system("cp -a f copy && getfacl -cn f >a 2>&1 && getfacl -cn copy >b 2>&1 && cmp a b"), 0);
    EQUAL(system("setfacl -b f && test \"$(getfacl -cn f 2>/dev/null | grep -c 4002)\" = 0"), 0);
}
