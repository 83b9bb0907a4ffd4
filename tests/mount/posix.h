// SPDX-License-Identifier: Apache-2.0
// What the cases of posix_test share: each runs in a process and a directory of its own, as root where it
// can, and ends with the first thing that is not as POSIX and Linux have it.
#ifndef TESTS_MOUNT_POSIX_H
#define TESTS_MOUNT_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct posix_case {
    const char *name;
    void (*run)(void);
    bool needs_root;
    struct posix_case *next;
};
void case_add(struct posix_case *c);

#define CASE_OF(case_name, root)                                          \
    static void case_name(void);                                          \
    __attribute__((constructor)) static void case_name##_add(void)        \
    {                                                                     \
        static struct posix_case c = {#case_name, case_name, root, NULL}; \
        case_add(&c);                                                     \
    }                                                                     \
    static void case_name(void)
#define CASE(case_name) CASE_OF(case_name, false)
// Other users are needed, so it must start as root.
#define ROOT_CASE(case_name) CASE_OF(case_name, true)

[[gnu::noreturn, gnu::format(printf, 3, 4)]] void fail_at(const char *file, int line, const char *format,
                                                          ...);
[[gnu::noreturn, gnu::format(printf, 1, 2)]] void skip(const char *format, ...);

// The file system under test is Holdfast's, and not the one that proves the tests (ext4).
extern bool on_holdfast;

#define FAIL(...)   fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(what) ((what) ? (void)0 : FAIL("not so: %s", #what))
// A system call's result; it must not fail. Names by number, for one may stand in another.
#define MUST(call)                   MUST_NUMBERED(call, #call, __COUNTER__)
#define MUST_NUMBERED(call, text, n) MUST_NAMED(call, text, n)
#define MUST_NAMED(call, text, n)                  \
    __extension__({                                \
        __auto_type must_##n = (call);             \
        if (must_##n == (__typeof__(must_##n))-1)  \
            FAIL("%s: %s", text, strerror(errno)); \
        must_##n;                                  \
    })
// A system call that must fail with this errno.
#define FAILS(error, call)                                                                \
    do {                                                                                  \
        errno = 0;                                                                        \
        if ((call) != (__typeof__(call))-1)                                               \
            FAIL("%s: did not fail with %s", #call, strerrorname_np(error));              \
        if (errno != (error))                                                             \
            FAIL("%s: %s instead of %s", #call, strerror(errno), strerrorname_np(error)); \
    } while (0)
#define EQUAL(is, should)                                                                          \
    do {                                                                                           \
        long long n_is_ = (long long)(is), n_should_ = (long long)(should);                        \
        if (n_is_ != n_should_)                                                                    \
            FAIL("%s is %lld (0%llo), not %lld (0%llo)", #is, n_is_, n_is_, n_should_, n_should_); \
    } while (0)
#define SAME_BYTES(is, should, n)                                                   \
    do {                                                                            \
        if (memcmp(is, should, n) != 0)                                             \
            FAIL("%s is not %s in the first %zu bytes", #is, #should, (size_t)(n)); \
    } while (0)

// A block that another user runs in another process; a failure there fails the case.
#define AS(uid, gid) for (bool as_ = child_begin(uid, gid, 0, NULL); as_; as_ = child_end())
#define AS_GROUPS(uid, gid, n, groups) \
    for (bool as_ = child_begin(uid, gid, n, groups); as_; as_ = child_end())
// The same without a change of user.
#define OTHER_PROCESS for (bool as_ = child_begin(getuid(), getgid(), -1, NULL); as_; as_ = child_end())
bool child_begin(uid_t uid, gid_t gid, int count, const gid_t *groups);
[[gnu::noreturn]] bool child_end(void);

struct stat stat_of(const char *path);       // does not follow links
mode_t mode_of(const char *path);            // permission bits only
int new_file(const char *path, mode_t mode); // exclusive, exactly this mode; descriptor
void put(const char *path, const void *data, size_t length);
void touch(const char *path);
void new_dir(const char *path, mode_t mode); // exactly this mode
bool exists(const char *path);
void fill(void *data, size_t length, uint64_t seed);
void write_at(int fd, const void *data, size_t length, off_t at);
void read_at(int fd, void *data, size_t length, off_t at);         // all of it
void expect_bytes(int fd, off_t at, size_t length, uint64_t seed); // what fill made
void expect_zeros(int fd, off_t at, size_t length);
void remove_tree(const char *path);

#endif
