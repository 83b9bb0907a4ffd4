// SPDX-License-Identifier: Apache-2.0
// posix_test: bytes of files: open flags, holes, fallocate, copies, mappings, large offsets.
#include "tests/mount/posix.h"

#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { KI = 1024, MI = 1024 * 1024 };

// --- open flags ----------------------------------------------------------------------------------

CASE(open_flags)
{
    put("f", "abcdef", 6);
    FAILS(EEXIST, open("f", O_CREAT | O_EXCL | O_RDWR, 0644));
    FAILS(ENOENT, open("missing", O_RDWR));
    FAILS(ENOENT, open("", O_RDWR));
    int fd = MUST(open("f", O_RDWR | O_TRUNC));
    EQUAL(stat_of("f").st_size, 0);
    write_at(fd, "xyz", 3, 0);
    MUST(close(MUST(open("f", O_RDWR | O_CREAT, 0600))));
    EQUAL(mode_of("f"), 0644);
    EQUAL(stat_of("f").st_size, 3);
    char c;
    FAILS(EBADF, write(MUST(open("f", O_RDONLY)), "x", 1));
    FAILS(EBADF, read(MUST(open("f", O_WRONLY)), &c, 1));
    FAILS(EINVAL, pread(fd, &c, 1, -1));
    EQUAL(pread(fd, &c, 1, 3), 0);
    EQUAL(pread(fd, &c, 1, 1LL << 40), 0);
    FAILS(EISDIR, read(MUST(open(".", O_RDONLY)), &c, 1));
    void *volatile nowhere = (void *)8;
    FAILS(EFAULT, pwrite(fd, nowhere, 10, 0));
    read_at(fd, &c, 1, 0);
    EQUAL(c, 'x');
}

CASE(append_from_two_descriptors)
{
    int a = MUST(open("f", O_CREAT | O_WRONLY | O_APPEND, 0644)), b = MUST(open("f", O_WRONLY | O_APPEND));
    for (int i = 0; i < 100; i++) {
        EQUAL(write(a, "aaaa", 4), 4);
        EQUAL(write(b, "bbb", 3), 3);
    }
    EQUAL(stat_of("f").st_size, 700);
    EQUAL(lseek(a, 0, SEEK_CUR), 697);
    char is[7];
    int fd = MUST(open("f", O_RDONLY));
    for (int i = 0; i < 100; i++) {
        read_at(fd, is, 7, i * 7);
        SAME_BYTES(is, "aaaabbb", 7);
    }
    MUST(truncate("f", 2));
    EQUAL(write(b, "b", 1), 1);
    EQUAL(stat_of("f").st_size, 3);
}

// Four processes append records at once: none is lost, torn or overwritten.
CASE(append_from_four_processes)
{
    enum { PROCESSES = 4, RECORDS = 300, RECORD = 100 };
    touch("f");
    for (int p = 0; p < PROCESSES; p++)
        if (MUST(fork()) == 0) {
            char record[RECORD];
            int fd = MUST(open("f", O_WRONLY | O_APPEND));
            for (int i = 0; i < RECORDS; i++) {
                memset(record, 'a' + p, RECORD);
                record[0] = (char)('0' + i % 10);
                EQUAL(write(fd, record, RECORD), RECORD);
            }
            _exit(0);
        }
    for (int p = 0, status; p < PROCESSES; p++) {
        MUST(wait(&status));
        EQUAL(status, 0);
    }
    int fd = MUST(open("f", O_RDONLY)), next[PROCESSES] = {0};
    EQUAL(stat_of("f").st_size, PROCESSES * RECORDS * RECORD);
    for (int i = 0; i < PROCESSES * RECORDS; i++) {
        char record[RECORD];
        read_at(fd, record, RECORD, (off_t)i * RECORD);
        int p = record[1] - 'a';
        CHECK(p >= 0 && p < PROCESSES);
        EQUAL(record[0], '0' + next[p]++ % 10);
        for (int k = 2; k < RECORD; k++)
            EQUAL(record[k], record[1]);
    }
}

CASE(vectors_and_odd_offsets)
{
    int fd = new_file("f", 0644);
    char data[50000], is[50000];
    fill(data, sizeof data, 3);
    struct iovec v[] = {{data, 1}, {data + 1, 4095}, {data + 4096, 4097}, {data + 8193, sizeof data - 8193}};
    EQUAL(pwritev(fd, v, 4, 12345), sizeof data);
    memset(is, 0, sizeof is);
    struct iovec r[] = {{is, 7777}, {is + 7777, 1}, {is + 7778, sizeof is - 7778}};
    EQUAL(preadv(fd, r, 3, 12345), sizeof is);
    SAME_BYTES(is, data, sizeof is);
    expect_zeros(fd, 0, 12345);
    EQUAL(stat_of("f").st_size, 12345 + sizeof data);
}

CASE(truncate_up_and_down)
{
    int fd = new_file("f", 0644);
    static char data[100000];
    fill(data, sizeof data, 5);
    write_at(fd, data, sizeof data, 0);
    const off_t sizes[] = {99999, 65537, 65536, 65535, 16385, 16384, 16383, 4097, 4096, 4095, 1, 0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        MUST(ftruncate(fd, sizes[i]));
        EQUAL(stat_of("f").st_size, sizes[i]);
        MUST(ftruncate(fd, 100000)); // what was cut off is zero when the file grows again
        if (sizes[i])
            expect_bytes(fd, 0, (size_t)sizes[i], 5);
        expect_zeros(fd, sizes[i], (size_t)(100000 - sizes[i]));
    }
    FAILS(EINVAL, ftruncate(fd, -1));
    FAILS(EINVAL, ftruncate(MUST(open("f", O_RDONLY)), 1));
    FAILS(EISDIR, truncate(".", 0));
}

CASE(direct_io)
{
    enum { SIZE = 64 * KI };
    int fd = MUST(open("f", O_CREAT | O_RDWR | O_DIRECT, 0644)), cached = MUST(open("f", O_RDWR));
    char *data = aligned_alloc(4096, SIZE), *is = aligned_alloc(4096, SIZE);
    CHECK(data && is);
    fill(data, SIZE, 9);
    write_at(fd, data, SIZE, 0);
    expect_bytes(cached, 0, SIZE, 9);
    fill(data, 4096, 10);
    write_at(cached, data, 4096, 8192); // seen by the direct reader though only cached
    read_at(fd, is, 4096, 8192);
    SAME_BYTES(is, data, 4096);
    fill(data, 4096, 11);
    write_at(fd, data, 4096, 16384); // and the other way
    read_at(cached, is, 4096, 16384);
    SAME_BYTES(is, data, 4096);
    EQUAL(pread(fd, is, 4096, SIZE), 0);
    MUST(ftruncate(cached, 1000));
    EQUAL(pread(fd, is, 4096, 0), 1000);
}

// --- holes ---------------------------------------------------------------------------------------

CASE(sparse_files)
{
    int fd = new_file("f", 0644);
    const off_t ends[] = {1LL << 31, (1LL << 32) + 5, 1LL << 40, (1LL << 43) - 1};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        write_at(fd, "end", 3, ends[i] - 3);
        EQUAL(stat_of("f").st_size, ends[i]);
        char text[3];
        read_at(fd, text, 3, ends[i] - 3);
        SAME_BYTES(text, "end", 3);
        expect_zeros(fd, ends[i] - 100000, 50000);
    }
    MUST(fsync(fd));
    CHECK(stat_of("f").st_blocks < 2048);
    MUST(ftruncate(fd, 1LL << 35));
    EQUAL(stat_of("f").st_size, 1LL << 35);
    if (!on_holdfast) // whose files may be this long
        FAILS(EFBIG, pwrite(fd, "x", 1, INT64_MAX - 1));
    char c;
    EQUAL(pread(fd, &c, 1, (1LL << 35) - 1), 1);
    EQUAL(c, 0);
}

CASE(seek_data_and_hole)
{
    int fd = new_file("f", 0644);
    static char data[128 * KI];
    fill(data, sizeof data, 1);
    write_at(fd, data, sizeof data, 1 * MI);
    write_at(fd, data, sizeof data, 4 * MI);
    MUST(ftruncate(fd, 8 * MI));
    for (int synced = 0; synced < 2; synced++) {
        EQUAL(lseek(fd, 0, SEEK_DATA), 1 * MI);
        EQUAL(lseek(fd, 0, SEEK_HOLE), 0);
        EQUAL(lseek(fd, 1 * MI, SEEK_DATA), 1 * MI);
        EQUAL(lseek(fd, 1 * MI + 5, SEEK_DATA), 1 * MI + 5);
        EQUAL(lseek(fd, 1 * MI + 5, SEEK_HOLE), 1 * MI + (off_t)sizeof data);
        EQUAL(lseek(fd, 2 * MI, SEEK_DATA), 4 * MI);
        EQUAL(lseek(fd, 4 * MI, SEEK_HOLE), 4 * MI + (off_t)sizeof data);
        EQUAL(lseek(fd, 7 * MI, SEEK_HOLE), 7 * MI);
        FAILS(ENXIO, lseek(fd, 5 * MI, SEEK_DATA));
        FAILS(ENXIO, lseek(fd, 8 * MI, SEEK_DATA));
        FAILS(ENXIO, lseek(fd, 8 * MI, SEEK_HOLE));
        FAILS(ENXIO, lseek(fd, -1, SEEK_DATA));
        MUST(fsync(fd));
    }
    put("full", data, sizeof data);
    fd = MUST(open("full", O_RDONLY));
    EQUAL(lseek(fd, 0, SEEK_HOLE), sizeof data); // the end is a hole
    EQUAL(lseek(fd, 0, SEEK_DATA), 0);
}

CASE(fallocate_modes)
{
    int fd = new_file("f", 0644);
    MUST(fallocate(fd, 0, 0, 256 * KI));
    EQUAL(stat_of("f").st_size, 256 * KI);
    // Holdfast writes to new places: clusters set aside would not be the ones that are used (docs/DESIGN.md).
    CHECK(on_holdfast || stat_of("f").st_blocks >= 256 * KI / 512);
    expect_zeros(fd, 0, 256 * KI);
    MUST(fallocate(fd, FALLOC_FL_KEEP_SIZE, 256 * KI, 256 * KI));
    EQUAL(stat_of("f").st_size, 256 * KI);
    static char data[256 * KI];
    fill(data, sizeof data, 2);
    write_at(fd, data, sizeof data, 0);
    MUST(fallocate(fd, 0, 1000, 5000)); // what is there stays
    expect_bytes(fd, 0, sizeof data, 2);
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10000, 100000));
    expect_zeros(fd, 10000, 100000);
    memset(data + 10000, 0, 100000);
    char *is = malloc(sizeof data);
    read_at(fd, is, sizeof data, 0);
    SAME_BYTES(is, data, sizeof data);
    EQUAL(lseek(fd, 16384, SEEK_DATA) >= 98304, 1);
    MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE, 200001, 20002));
    memset(data + 200001, 0, 20002);
    read_at(fd, is, sizeof data, 0);
    SAME_BYTES(is, data, sizeof data);
    MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE, 250 * KI, 10 * KI));
    EQUAL(stat_of("f").st_size, 260 * KI);
    MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 255 * KI, 10 * KI));
    EQUAL(stat_of("f").st_size, 260 * KI);
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 * MI)); // past the end too
    EQUAL(stat_of("f").st_size, 260 * KI);
    expect_zeros(fd, 0, 260 * KI);
    FAILS(EINVAL, fallocate(fd, 0, 0, 0));
    FAILS(EINVAL, fallocate(fd, 0, -1, 10));
    FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096)); // needs KEEP_SIZE
    FAILS(EBADF, fallocate(MUST(open("f", O_RDONLY)), 0, 0, 10));
    if (on_holdfast) // not offered
        FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 16384));
    free(is);
}

CASE(fallocate_changes_times)
{
    put("f", "abc", 3);
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    int fd = MUST(open("f", O_RDWR));
    MUST(futimens(fd, old));
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 3));
    CHECK(stat_of("f").st_mtim.tv_sec > 1000);
}

// --- copies --------------------------------------------------------------------------------------

static void try_copy(off_t from, off_t to, size_t length)
{
    static char a[300000], b[300000], is[600000];
    fill(a, sizeof a, 21);
    fill(b, sizeof b, 22);
    put("a", a, sizeof a);
    put("b", b, sizeof b);
    int in = MUST(open("a", O_RDONLY)), out = MUST(open("b", O_RDWR));
    off_t in_at = from, out_at = to;
    size_t left = from >= (off_t)sizeof a            ? 0
                  : sizeof a - (size_t)from < length ? sizeof a - (size_t)from
                                                     : length;
    size_t expected = left;
    while (left > 0) {
        ssize_t n = MUST(copy_file_range(in, &in_at, out, &out_at, left, 0));
        CHECK(n > 0 && (size_t)n <= left);
        left -= (size_t)n;
    }
    EQUAL(in_at, from + (off_t)expected);
    EQUAL(out_at, to + (off_t)expected);
    EQUAL(copy_file_range(in, &(off_t){sizeof a}, out, &out_at, 10, 0), 0); // at the end: nothing
    size_t size = (size_t)to + expected > sizeof b && expected ? (size_t)to + expected : sizeof b;
    EQUAL(stat_of("b").st_size, size);
    memset(is, 0, sizeof is);
    memcpy(is, b, sizeof b);
    memcpy(is + to, a + from, expected);
    char *now = malloc(size);
    read_at(out, now, size, 0);
    SAME_BYTES(now, is, size);
    // The two are independent of each other.
    if (expected) {
        write_at(out, "!", 1, to);
        char c;
        read_at(in, &c, 1, from);
        EQUAL(c, a[from]);
    }
    free(now);
    MUST(close(in));
    MUST(close(out));
}

CASE(copy_file_range_between_files)
{
    try_copy(0, 0, 300000);
    try_copy(0, 0, 65536);
    try_copy(65536, 131072, 65536);
    try_copy(16384, 0, 100000);
    try_copy(1, 1, 100000);
    try_copy(1, 2, 100000);
    try_copy(4096, 1, 16384);
    try_copy(0, 250000, 300000); // the target grows
    try_copy(65536, 299999, 65537);
    try_copy(290000, 10000, 65536); // the source ends
    try_copy(300000, 0, 10);
    try_copy(0, 400000, 1000); // a hole before it
}

CASE(copy_file_range_within_a_file)
{
    static char data[200000], is[200000];
    fill(data, sizeof data, 31);
    put("f", data, sizeof data);
    int fd = MUST(open("f", O_RDWR));
    off_t in = 0, out = 100000;
    EQUAL(copy_file_range(fd, &in, fd, &out, 65536, 0), 65536);
    memcpy(data + 100000, data, 65536);
    read_at(fd, is, sizeof is, 0);
    SAME_BYTES(is, data, sizeof is);
    in = 0, out = 1000;
    FAILS(EINVAL, copy_file_range(fd, &in, fd, &out, 65536, 0)); // overlaps
    FAILS(EINVAL, copy_file_range(fd, &in, fd, &out, 10, 1));    // flags
    FAILS(EBADF, copy_file_range(fd, &in, MUST(open("f", O_RDONLY)), &out, 10, 0));
    FAILS(EBADF, copy_file_range(fd, &in, MUST(open("f", O_WRONLY | O_APPEND)), &out, 10, 0));
    FAILS(EISDIR, copy_file_range(MUST(open(".", O_RDONLY)), &in, fd, &out, 10, 0));
}

CASE(copy_of_what_is_only_cached)
{
    int a = new_file("a", 0644), b = new_file("b", 0644);
    static char data[MI];
    fill(data, sizeof data, 41);
    write_at(a, data, sizeof data, 0);
    char *map = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a, 65536));
    memcpy(map, "mapped", 6);
    memcpy(data + 65536, "mapped", 6);
    off_t in = 0, out = 0;
    while (in < MI)
        CHECK(MUST(copy_file_range(a, &in, b, &out, (size_t)(MI - in), 0)) > 0);
    char *is = malloc(MI);
    read_at(b, is, MI, 0);
    SAME_BYTES(is, data, MI);
    // And what the target had cached is gone: read, copy over, read.
    memset(data, 'z', 65536);
    write_at(a, data, 65536, 0);
    in = 0, out = 131072;
    EQUAL(copy_file_range(a, &in, b, &out, 65536, 0), 65536);
    read_at(b, is, 65536, 131072);
    SAME_BYTES(is, data, 65536);
    free(is);
}

CASE(sendfile_and_splice)
{
    static char data[100000];
    fill(data, sizeof data, 51);
    put("a", data, sizeof data);
    int a = MUST(open("a", O_RDONLY)), b = new_file("b", 0644), pipes[2];
    for (off_t at = 0; at < (off_t)sizeof data;)
        CHECK(MUST(sendfile(b, a, &at, sizeof data)) > 0);
    expect_bytes(b, 0, sizeof data, 51);
    MUST(pipe(pipes));
    int c = new_file("c", 0644);
    for (off_t at = 0; at < (off_t)sizeof data;) {
        ssize_t n = MUST(splice(a, &at, pipes[1], NULL, 16384, 0));
        while (n > 0)
            n -= MUST(splice(pipes[0], NULL, c, NULL, (size_t)n, 0));
    }
    expect_bytes(c, 0, sizeof data, 51);
}

// FICLONE: FUSE has no request for it; the kernel itself refuses.
CASE(clone_where_the_kernel_lets_it_through)
{
    put("a", "abc", 3);
    int a = MUST(open("a", O_RDONLY)), b = new_file("b", 0644);
    if (ioctl(b, FICLONE, a) == 0)
        EQUAL(stat_of("b").st_size, 3);
    else
        CHECK(errno == EOPNOTSUPP || errno == ENOTTY);
}

// --- mappings ------------------------------------------------------------------------------------

CASE(map_shared)
{
    static char data[100000];
    fill(data, sizeof data, 61);
    put("f", data, sizeof data);
    int fd = MUST(open("f", O_RDWR));
    char *map = MUST(mmap(NULL, sizeof data, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    SAME_BYTES(map, data, sizeof data);
    for (size_t i = sizeof data; i < 102400; i++)
        EQUAL(map[i], 0); // beyond the end, in the last page
    memcpy(map + 50000, "through the map", 15);
    char text[15];
    read_at(fd, text, 15, 50000);
    SAME_BYTES(text, "through the map", 15);
    write_at(fd, "through the file", 16, 70000);
    SAME_BYTES(map + 70000, "through the file", 16);
    map[100000] = 'x'; // beyond the end: lost
    MUST(msync(map, sizeof data, MS_SYNC));
    EQUAL(stat_of("f").st_size, sizeof data);
    MUST(ftruncate(fd, 102400));
    expect_zeros(fd, 100001, 2399);
    OTHER_PROCESS
    {
        char *other = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        other[0] = 'o';
    }
    EQUAL(map[0], 'o');
    MUST(close(fd));
    map[1] = 'p'; // the map outlives the descriptor
    MUST(munmap(map, sizeof data));
    fd = MUST(open("f", O_RDONLY));
    read_at(fd, text, 2, 0);
    SAME_BYTES(text, "op", 2);
}

CASE(map_private)
{
    put("f", "original", 8);
    int fd = MUST(open("f", O_RDONLY));
    char *map = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    memcpy(map, "changed!", 8);
    char text[8];
    read_at(fd, text, 8, 0);
    SAME_BYTES(text, "original", 8);
    FAILS(EACCES, (intptr_t)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

// A new page beyond the end kills with SIGBUS, also after a truncation under the map.
CASE(map_beyond_the_end)
{
    static char data[65536];
    put("f", data, sizeof data);
    int fd = MUST(open("f", O_RDWR));
    volatile char *map = MUST(mmap(NULL, 131072, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    const size_t at[] = {65536, 40000};
    for (int i = 0; i < 2; i++) {
        pid_t pid = MUST(fork());
        if (pid == 0) {
            signal(SIGBUS, SIG_DFL); // a sanitizer would catch it
            _exit(map[at[i]]);
        }
        int status;
        MUST(waitpid(pid, &status, 0));
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
        MUST(ftruncate(fd, 32768));
    }
    EQUAL(map[32767], 0);
}

CASE(map_writes_into_holes)
{
    int fd = new_file("f", 0644);
    MUST(ftruncate(fd, 4 * MI));
    char *map = MUST(mmap(NULL, 4 * MI, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    for (int i = 0; i < 4 * MI; i += 40000)
        map[i] = (char)(i >> 8 | 1);
    MUST(msync(map, 4 * MI, MS_SYNC));
    MUST(munmap(map, 4 * MI));
    MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 ? 0 : -1);
    for (int i = 0; i < 4 * MI; i += 40000) {
        char c[2];
        read_at(fd, c, 2, i);
        EQUAL(c[0], (char)(i >> 8 | 1));
        EQUAL(c[1], 0);
    }
}

CASE(map_execute)
{
    // What ld.so does: private, executable, at an offset.
    static char data[20000];
    fill(data, sizeof data, 71);
    put("f", data, sizeof data);
    int fd = MUST(open("f", O_RDONLY));
    char *map = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 8192);
    if (map == MAP_FAILED)
        CHECK(errno == EPERM); // mounted noexec
    else
        SAME_BYTES(map, data + 8192, 8192);
}
