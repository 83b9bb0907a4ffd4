// SPDX-License-Identifier: Apache-2.0
// What programs do to volumes, in small. A workload must not depend on anything but its seed, or a failure
// could not be repeated.
#include "tests/crash/workloads.h"

enum { CLUSTER = 4096, BIG_CLUSTER = 65536, FULL_FILES = 100, FULL_PIECE = 300000 };

static u16 any_algorithm(struct work *w)
{
    return work_random(w, 2) ? w->sums : 0;
}

static void numbered(char *path, size_t size, const char *stem, u32 number)
{
    snprintf(path, size, "%s%u", stem, number);
}

// Two files with sums and one without, with content that is on the medium.
static void three_files(struct work *w, u32 len)
{
    static const char *const paths[] = {"/a", "/b", "/plain"};
    for (u32 i = 0; i < 3; i++) {
        assert_ok(work_create(w, paths[i], i < 2 ? w->sums : 0));
        assert_ok(work_write(w, paths[i], 0, len));
    }
    work_commit(w);
}

static const char *one_of_three(struct work *w)
{
    static const char *const paths[] = {"/a", "/b", "/plain"};
    return paths[work_random(w, 3)];
}

static void create_files(struct work *w)
{
    char path[FACT_KEY];
    work_directory(w, "/dir");
    work_directory(w, "/dir/below");
    for (u32 i = 0; i < 100; i++) {
        numbered(path, sizeof path, i % 3 ? "/dir/below/file" : "/dir/", i);
        assert_ok(work_create(w, path, any_algorithm(w)));
        if (i % 4 == 0)
            assert_ok(work_write(w, path, 0, 1 + work_random(w, 9000)));
        work_maybe_commit(w);
    }
}

static void write_and_append(struct work *w)
{
    for (u32 i = 0; i < 3; i++)
        assert_ok(work_create(w, i == 0 ? "/a" : i == 1 ? "/b" : "/plain", i < 2 ? w->sums : 0));
    for (u32 i = 0; i < 60; i++) {
        const char *path = one_of_three(w);
        u64 end = work_length(w, path);
        u32 len = 1 + work_random(w, work_random(w, 3) ? 9000 : 60000);
        assert_ok(work_write(w, path, end > 300000 ? work_random(w, 300000) : end, len));
        work_maybe_commit(w);
    }
}

static void overwrite(struct work *w)
{
    three_files(w, 200000);
    for (u32 i = 0; i < 70; i++) {
        const char *path = work_random(w, 3) ? "/plain" : one_of_three(w);
        u64 at = work_random(w, 190000);
        assert_ok(
            work_write(w, path, work_random(w, 2) ? at : align_down(at, CLUSTER), 1 + work_random(w, 12000)));
        work_maybe_commit(w);
    }
}

static void truncate_and_grow(struct work *w)
{
    three_files(w, 100000);
    for (u32 i = 0; i < 70; i++) {
        const char *path = one_of_three(w);
        u64 size = work_length(w, path);
        switch (work_random(w, 4)) {
        case 0:
            work_size(w, path, work_random(w, (u32)size + 1));
            break;
        case 1:
            work_size(w, path, size < 300000 ? size + work_random(w, 50000) : 1000);
            break;
        case 2:
            if (size > 0)
                work_zero(w, path, work_random(w, (u32)size), 1 + work_random(w, 50000));
            break;
        default:
            assert_ok(work_write(w, path, work_random(w, 200000), 1 + work_random(w, 20000)));
        }
        work_maybe_commit(w);
    }
}

// As editors save: the whole new content beside the old, made durable, then renamed over it.
static void save_by_rename(struct work *w)
{
    assert_ok(work_create(w, "/doc", w->sums));
    assert_ok(work_write(w, "/doc", 0, 30000));
    work_directory(w, "/old");
    work_commit(w);
    for (u32 i = 0; i < 20; i++) {
        assert_ok(work_create(w, "/doc.tmp", any_algorithm(w)));
        assert_ok(work_write(w, "/doc.tmp", 0, 1 + work_random(w, 40000)));
        if (i % 4)
            work_commit(w);
        if (i % 5 == 0)
            work_rename(w, "/doc", "/old/doc");
        work_rename(w, "/doc.tmp", "/doc");
        work_maybe_commit(w);
    }
}

// As programs save that know O_TMPFILE: the name comes when everything is there.
static void publish(struct work *w)
{
    char path[FACT_KEY];
    for (u32 i = 0; i < 20; i++) {
        u32 len = 1 + work_random(w, 60000);
        numbered(path, sizeof path, "/p", i);
        work_publish(w, i % 4 ? path : NULL, any_algorithm(w), len,
                     work_random(w, 2) ? work_random(w, len) : 0);
        if (i % 4 == 2)
            assert_ok(work_write(w, path, 0, 5000));
        if (i % 4 == 3)
            work_delete(w, path);
        work_maybe_commit(w);
        if (i % 7 == 6)
            work_reopen(w);
    }
}

// As databases and system upgrades swap what is new with what is in use.
static void exchange(struct work *w)
{
    static const char *const paths[] = {"/a", "/b", "/plain", "/dir/c"};
    three_files(w, 20000);
    work_directory(w, "/dir");
    assert_ok(work_create(w, "/dir/c", w->sums));
    for (u32 i = 0; i < 100; i++) {
        const char *a = paths[work_random(w, 4)], *b = paths[work_random(w, 4)];
        if (a != b)
            work_exchange(w, a, b);
        if (work_random(w, 3) == 0)
            assert_ok(work_write(w, a, work_random(w, 20000), 1 + work_random(w, 5000)));
        if (work_random(w, 12) == 0) {
            work_delete(w, a);
            assert_ok(work_create(w, a, any_algorithm(w)));
        }
        work_maybe_commit(w);
    }
}

static void owners(struct work *w)
{
    char path[FACT_KEY];
    for (u32 i = 0; i < 120; i++) {
        numbered(path, sizeof path, "/owned", work_random(w, 12));
        if (!work_exists(w, path))
            assert_ok(work_create(w, path, any_algorithm(w)));
        else if (work_random(w, 8) == 0)
            work_delete(w, path);
        else if (work_random(w, 8) == 0)
            work_reparse(w, path, 8);
        if (work_exists(w, path))
            work_owner(w, path);
        work_maybe_commit(w);
    }
}

static void extended_attributes(struct work *w)
{
    static const char *const names[] = {"user.a", "user.ab", "security.b", "trusted.\xFF"};
    static const u32 lengths[] = {0, 50, 300, 4092, 4093, 9000, 20000, 65536};
    char path[FACT_KEY];
    for (u32 i = 0; i < 5; i++) {
        numbered(path, sizeof path, "/x", i);
        if (i < 4)
            assert_ok(work_create(w, path, w->sums));
        else
            work_directory(w, path);
    }
    for (u32 i = 0; i < 70; i++) {
        numbered(path, sizeof path, "/x", work_random(w, 5));
        const char *name = names[work_random(w, 4)];
        if (!work_has_xattr(w, path, name) || work_random(w, 3))
            work_xattr(w, path, name, lengths[work_random(w, 8)]);
        else
            work_xattr_remove(w, path, name);
        if (work_random(w, 15) == 0 && strcmp(path, "/x4") != 0) {
            if (work_random(w, 2))
                work_delete(w, path);
            else
                work_forget(w, path);
            assert_ok(work_create(w, path, w->sums));
        }
        if (i == 40)
            work_reopen(w);
        work_maybe_commit(w);
    }
}

static void hard_links(struct work *w)
{
    char path[FACT_KEY];
    work_directory(w, "/links");
    three_files(w, 20000);
    for (u32 i = 0; i < 90; i++) {
        numbered(path, sizeof path, "/links/", work_random(w, 12));
        if (!work_exists(w, path))
            work_link(w, one_of_three(w), path);
        else if (work_random(w, 2))
            work_delete(w, path);
        else
            assert_ok(work_write(w, path, work_random(w, 20000), 1 + work_random(w, 3000)));
        work_maybe_commit(w);
    }
}

// Files of many extents, so that taking them apart takes many transactions; some are left to the next open.
static void delete_large(struct work *w)
{
    char path[FACT_KEY];
    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < 4; i++) {
            numbered(path, sizeof path, "/large", i);
            assert_ok(work_create(w, path, any_algorithm(w)));
            for (u32 piece = 0; piece < 40; piece++)
                assert_ok(work_write(w, path, piece * 2 * CLUSTER, CLUSTER));
            work_maybe_commit(w);
        }
        for (u32 i = 0; i < 4; i++) {
            numbered(path, sizeof path, "/large", i);
            if (i % 2)
                work_forget(w, path);
            else
                work_delete(w, path);
            work_maybe_commit(w);
        }
        work_reopen(w);
    }
}

// As much of it as both files have, to the ends of their last clusters.
static void clone_part(struct work *w, const char *from, u64 at, const char *to, u64 there, u64 len)
{
    u32 cluster = w->history.cluster;
    u64 source = align_up(work_length(w, from), cluster), target = align_up(work_length(w, to), cluster);
    if (target > 0 && work_random(w, 3) == 0)
        there = target - cluster;
    if (at < source && there < target)
        work_clone(w, from, at, to, there, MIN(len, MIN(source - at, target - there)));
}

static void clone_ranges(struct work *w)
{
    u32 cluster = w->history.cluster;
    three_files(w, 24 * CLUSTER + 8 * cluster);
    assert_ok(work_create(w, "/copy", 0));
    assert_ok(work_write(w, "/copy", 0, 24 * CLUSTER + 8 * cluster));
    for (u32 i = 0; i < 60; i++) {
        bool plain = work_random(w, 2);
        const char *from = plain ? "/plain" : "/a", *to = plain ? "/copy" : "/b";
        u32 clusters = (24 * CLUSTER + 8 * cluster) / cluster, len = 1 + work_random(w, clusters / 2);
        u64 at = work_random(w, clusters - len) * (u64)cluster,
            there = work_random(w, clusters - len) * (u64)cluster;
        if (work_random(w, 3) == 0)
            assert_ok(work_write(w, work_random(w, 2) ? from : to, at + work_random(w, 500),
                                 1 + work_random(w, 9000)));
        else if (work_random(w, 4) == 0)
            work_zero(w, work_random(w, 2) ? from : to, at, len * cluster);
        else if (work_random(w, 4) == 0)
            work_size(w, work_random(w, 2) ? from : to, work_random(w, clusters * cluster));
        else if (work_random(w, 2))
            clone_part(w, from, at, to, there, len * (u64)cluster);
        else
            clone_part(w, to, at, from, there, len * (u64)cluster);
        work_maybe_commit(w);
    }
}

static void change_integrity(struct work *w)
{
    three_files(w, 90000);
    for (u32 i = 0; i < 60; i++) {
        const char *path = one_of_three(w);
        if (work_random(w, 3) == 0)
            work_integrity(w, path, any_algorithm(w));
        else if (work_random(w, 6) == 0)
            work_size(w, path, work_random(w, 90000));
        else
            assert_ok(work_write(w, path, work_random(w, 80000), 1 + work_random(w, 9000)));
        work_maybe_commit(w);
    }
}

static void reparse_points(struct work *w)
{
    char path[FACT_KEY];
    for (u32 i = 0; i < 6; i++) {
        numbered(path, sizeof path, "/r", i);
        if (i < 4)
            assert_ok(work_create(w, path, 0));
        else
            work_directory(w, path);
    }
    for (u32 i = 0; i < 70; i++) {
        numbered(path, sizeof path, "/r", work_random(w, 6));
        work_reparse(w, path, 8 + work_random(w, work_random(w, 2) ? 200 : 16384 - 8));
        if (work_random(w, 3) == 0)
            work_reparse(w, path, 0);
        work_maybe_commit(w);
    }
}

// Until nothing goes in any more, then some of it out again.
static void fill_up(struct work *w)
{
    char path[FACT_KEY];
    for (u32 round = 0; round < 3; round++) {
        nt_status status = STATUS_SUCCESS;
        for (u32 i = 0; i < FULL_FILES && status == STATUS_SUCCESS; i++) {
            numbered(path, sizeof path, "/full", i);
            status = work_exists(w, path) ? STATUS_SUCCESS : work_create(w, path, w->sums);
            if (status == STATUS_SUCCESS)
                status = work_write(w, path, work_random(w, 100000), FULL_PIECE);
            work_maybe_commit(w);
        }
        assert_status(status, STATUS_DISK_FULL);
        for (u32 i = 0; i < FULL_FILES; i++) {
            numbered(path, sizeof path, "/full", i);
            if (work_exists(w, path) && work_random(w, 3) == 0)
                work_delete(w, path);
            else if (work_exists(w, path) && work_length(w, path) > 10 && work_random(w, 2))
                work_size(w, path, work_random(w, (u32)work_length(w, path)));
        }
        work_maybe_commit(w);
    }
}

static void many_small_files(struct work *w)
{
    char path[FACT_KEY];
    work_directory(w, "/many");
    for (u32 i = 0; i < 250; i++) {
        numbered(path, sizeof path, "/many/a file with a name of some length ", work_random(w, 150));
        if (work_exists(w, path)) {
            work_delete(w, path);
        } else {
            assert_ok(work_create(w, path, w->sums));
            assert_ok(work_write(w, path, 0, 1 + work_random(w, 3000)));
        }
        if (i % 8 == 7)
            work_commit(w);
    }
}

static void named_streams(struct work *w)
{
    char path[FACT_KEY];
    three_files(w, 5000);
    for (u32 i = 0; i < 80; i++) {
        const char *file = one_of_three(w);
        snprintf(path, sizeof path, "%s:stream%u", file, work_random(w, 3));
        if (!work_has_stream(w, path))
            work_stream(w, path, any_algorithm(w));
        else if (work_random(w, 4) == 0)
            work_stream_remove(w, path);
        else if (work_random(w, 4) == 0)
            work_size(w, path, work_random(w, 20000));
        else
            assert_ok(work_write(w, path, work_random(w, 20000), 1 + work_random(w, 9000)));
        if (work_random(w, 12) == 0) {
            work_delete(w, file);
            assert_ok(work_create(w, file, any_algorithm(w)));
        }
        work_maybe_commit(w);
    }
}

// The program dies between a commit's superblock and the flush that would make it durable, and what runs next
// works on with what it finds.
static void die_and_go_on(struct work *w)
{
    three_files(w, 100000);
    for (u32 i = 0; i < 50; i++) {
        const char *path = one_of_three(w);
        assert_ok(work_write(w, path, work_random(w, 90000), 1 + work_random(w, 30000)));
        if (i % 7 == 3)
            work_size(w, path, 50000 + work_random(w, 50000));
        if (i % 4 == 1)
            work_kill(w);
        else if (i % 4 == 3)
            work_commit(w);
    }
}

// Everything at once, and more changes between two commits than the page cache can hold.
static void mixture(struct work *w)
{
    char path[FACT_KEY], other[FACT_KEY];
    for (u32 i = 0; i < 220; i++) {
        numbered(path, sizeof path, "/x", work_random(w, 20));
        numbered(other, sizeof other, "/x", work_random(w, 20));
        if (!work_exists(w, path)) {
            assert_ok(work_create(w, path, any_algorithm(w)));
            continue;
        }
        u64 size = work_length(w, path);
        switch (work_random(w, 9)) {
        case 0:
            work_delete(w, path);
            break;
        case 1:
            if (strcmp(path, other) != 0)
                work_rename(w, path, other);
            break;
        case 2:
            if (!work_exists(w, other))
                work_link(w, path, other);
            break;
        case 3:
            work_integrity(w, path, any_algorithm(w));
            break;
        case 4:
            work_size(w, path, work_random(w, (u32)size + 5000));
            break;
        case 5:
            work_reparse(w, path, 8 + work_random(w, 6000));
            break;
        default:
            assert_ok(work_write(w, path, work_random(w, 60000), 1 + work_random(w, 40000)));
        }
        if (i % 40 == 39)
            work_commit(w);
    }
}

#define SMALL                                      \
    {                                              \
        5 * MIB, CLUSTER, 2, OPTION_CASE_SENSITIVE \
    }
#define ONE_COPY                                   \
    {                                              \
        4 * MIB, CLUSTER, 1, OPTION_CASE_SENSITIVE \
    }
#define FOLDED                 \
    {                          \
        6 * MIB, CLUSTER, 2, 0 \
    }
#define BIG_UNITS                                       \
    {                                                   \
        16 * MIB, BIG_CLUSTER, 2, OPTION_CASE_SENSITIVE \
    }

const struct workload workloads[] = {
    {"create", create_files, FOLDED},
    {"write", write_and_append, SMALL},
    {"write-64k", write_and_append, BIG_UNITS},
    {"overwrite", overwrite, SMALL},
    {"truncate", truncate_and_grow, SMALL},
    {"truncate-64k", truncate_and_grow, BIG_UNITS},
    {"rename", save_by_rename, SMALL},
    {"publish", publish, SMALL},
    {"exchange", exchange, FOLDED},
    {"owners", owners, SMALL},
    {"xattrs", extended_attributes, SMALL},
    {"link", hard_links, ONE_COPY},
    {"delete", delete_large, SMALL},
    {"clone", clone_ranges, SMALL},
    {"clone-64k", clone_ranges, BIG_UNITS},
    {"integrity", change_integrity, SMALL},
    {"integrity-64k", change_integrity, BIG_UNITS},
    {"reparse", reparse_points, SMALL},
    {"full", fill_up, ONE_COPY},
    {"full-64k", fill_up, BIG_UNITS},
    {"small", many_small_files, SMALL},
    {"streams", named_streams, FOLDED},
    {"die", die_and_go_on, SMALL},
    {"mixture", mixture, SMALL},
};
const u32 workload_count = ARRAY_LEN(workloads);
