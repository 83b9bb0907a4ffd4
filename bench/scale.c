// SPDX-License-Identifier: Apache-2.0
// How Holdfast grows: a million files in one directory and across a tree, a file of a million extents, one of
// 1 EiB, a volume of 64 TiB. Prints times, metadata pages read and written per operation, and memory. Started
// by scripts/bench.sh.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/common.h"

enum { BLOCK = 4 * KIB, LOOKUPS = 10000, FILES_PER_FOLDER = 1000, OPENINGS = 21, MEMORY_OVER_CACHE = 32 };
#define TIB         (1ull << 40)
#define EIB         (1ull << 60)
#define VOLUME_SIZE (64ull * KIB * MIB)

static struct {
    uint64_t million; // or less, for a quick run
    char image[PATH_SIZE], spec[PATH_SIZE + 8];
    hf_handle volume;
    uint64_t start;
    HF_FS_STATS_INFORMATION before;
    uint8_t *data;
} scale;

// --- one line of the table
// -----------------------------------------------------------------------------------

static HF_FS_STATS_INFORMATION stats(void)
{
    HF_FS_STATS_INFORMATION s;
    size_t done;
    ok(hf_query_volume(scale.volume, FileHfFsStatsInformation, &s, sizeof s, &done), "statistics");
    return s;
}

static void begin(void)
{
    scale.before = stats();
    scale.start = now();
}

static void heading(const char *text)
{
    printf("\n%-44s %10s %10s %12s %10s %10s\n", text, "count", "seconds", "per second", "pages read",
           "written");
}

static void end(const char *what, uint64_t count)
{
    double seconds = (double)(now() - scale.start) / 1e9, n = (double)count;
    HF_FS_STATS_INFORMATION after = stats();
    printf("%-44s %10llu %10.2f %12.0f %10.3f %10.3f\n", what, (unsigned long long)count, seconds,
           n / seconds, (double)(after.PagesRead - scale.before.PagesRead) / n,
           (double)(after.PagesWritten - scale.before.PagesWritten) / n);
    fflush(stdout);
}

static void flush(void)
{
    ok(hf_flush(scale.volume), "flush");
}

// --- volumes
// -------------------------------------------------------------------------------------------------

static void attach(void)
{
    ok(hf_attach("S:", scale.spec), "attach");
    scale.volume = file_open("\\\\.\\S:", FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0);
}

static void detach(void)
{
    file_close(scale.volume);
    ok(hf_detach("S:"), "detach");
}

static void image_remove(void)
{
    unlink(scale.image);
}

static void volume_make(const char *folder, uint64_t size)
{
    path_set(scale.image, "%s/holdfast-scale-%d.hf", folder, (int)getpid());
    snprintf(scale.spec, sizeof scale.spec, "file:%s", scale.image);
    image_make(scale.image, size, true);
    ok(hf_format(scale.spec, &(struct hf_format_options){.integrity = true}), "format");
    attach();
}

static void volume_remove(void)
{
    detach();
    image_remove();
}

// From nothing to an open root directory, ms.
static double opening(const char *spec)
{
    uint64_t start = now();
    ok(hf_attach("O:", spec), "attach");
    file_close(file_open("O:/", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_DIRECTORY_FILE));
    double ms = (double)(now() - start) / 1e6;
    ok(hf_detach("O:"), "detach");
    return ms;
}

// The volume that has grown beside an empty one, in turns; the fastest of each, for the host is not ours
// alone.
static void compare_openings(const char *work)
{
    char image[PATH_SIZE], spec[PATH_SIZE + 8];
    double empty = 1e9, full = 1e9;
    path_set(image, "%s/empty.hf", work);
    snprintf(spec, sizeof spec, "file:%s", image);
    image_make(image, VOLUME_SIZE, true);
    ok(hf_format(spec, &(struct hf_format_options){.integrity = true}), "format");
    detach();
    for (int i = 0; i < OPENINGS; i++) {
        double e = opening(spec), f = opening(scale.spec);
        empty = e < empty ? e : empty;
        full = f < full ? f : full;
    }
    attach();
    unlink(image);
    printf("opening: %.3f ms, an empty volume %.3f ms\n", full, empty);
}

// --- files
// ---------------------------------------------------------------------------------------------------

typedef void name_fn(char name[PATH_SIZE], uint64_t file);

static void flat_name(char name[PATH_SIZE], uint64_t file)
{
    path_set(name, "S:/flat/file%07llu", (unsigned long long)file);
}

static void tree_name(char name[PATH_SIZE], uint64_t file)
{
    path_set(name, "S:/tree/%llu/file%07llu", (unsigned long long)(file / FILES_PER_FOLDER),
             (unsigned long long)file);
}

static void tree_folder(char name[PATH_SIZE], uint64_t folder)
{
    path_set(name, "S:/tree/%llu", (unsigned long long)folder);
}

static void create(name_fn *name_of, uint64_t first, uint64_t end)
{
    char name[PATH_SIZE];
    for (uint64_t i = first; i < end; i++) {
        if (name_of == tree_name && i % FILES_PER_FOLDER == 0) {
            tree_folder(name, i / FILES_PER_FOLDER);
            folder_make(name);
        }
        name_of(name, i);
        file_close(file_open(name, FILE_WRITE_DATA, FILE_CREATE, FILE_NON_DIRECTORY_FILE));
    }
    flush();
}

static void look_up(name_fn *name_of, uint64_t files)
{
    char name[PATH_SIZE];
    uint64_t seed = files;
    for (int i = 0; i < LOOKUPS; i++) {
        name_of(name, random_below(&seed, files));
        file_close(file_open(name, FILE_READ_ATTRIBUTES, FILE_OPEN, 0));
    }
}

static uint64_t list(name_fn *name_of)
{
    char name[PATH_SIZE];
    if (name_of == flat_name)
        return folder_list("S:/flat");
    uint64_t files = 0;
    for (uint64_t i = 0; i < scale.million; i += FILES_PER_FOLDER) {
        tree_folder(name, i / FILES_PER_FOLDER);
        files += folder_list(name);
    }
    return files;
}

static void delete_all(name_fn *name_of)
{
    char name[PATH_SIZE];
    for (uint64_t i = 0; i < scale.million; i++) {
        name_of(name, i);
        file_delete(name);
    }
    flush();
}

// The directory grows tenfold each time; look-ups begin with an empty cache.
static void files_grow(const char *folder, name_fn *name_of)
{
    char what[PATH_SIZE];
    folder_make(folder);
    for (uint64_t from = 0, to = scale.million / 1000; to <= scale.million; from = to, to *= 10) {
        begin();
        create(name_of, from, to);
        path_set(what, "create, up to %llu", (unsigned long long)to);
        end(what, to - from);
        detach();
        attach();
        begin();
        look_up(name_of, to);
        path_set(what, "look up at random among %llu", (unsigned long long)to);
        end(what, LOOKUPS);
    }
    begin();
    if (list(name_of) != scale.million)
        die("files are missing from %s", folder);
    end("list", scale.million);
}

static void files_delete(name_fn *name_of)
{
    begin();
    delete_all(name_of);
    end("delete", scale.million);
}

// --- big files
// -----------------------------------------------------------------------------------------------

static void write_at(hf_handle h, uint64_t offset, size_t length)
{
    size_t done;
    ok(hf_write(h, offset, scale.data, length, &done), "write");
}

static void read_at(hf_handle h, uint64_t offset, size_t length)
{
    size_t done;
    ok(hf_read(h, offset, scale.data, length, &done), "read");
    if (done != length)
        die("short read at %llu", (unsigned long long)offset);
}

static hf_handle big_file(const char *name)
{
    return file_open(name, FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN_IF, FILE_NON_DIRECTORY_FILE);
}

// Every second cluster is a hole, so that no two extents can join.
static void extents(void)
{
    uint64_t count = scale.million, seed = 1;
    hf_handle h = big_file("S:/extents");
    begin();
    for (uint64_t i = 0; i < count; i++)
        write_at(h, i * 2 * BLOCK, BLOCK);
    flush();
    end("write an extent each", count);
    file_close(h);
    detach();
    attach();
    h = big_file("S:/extents");
    begin();
    for (int i = 0; i < LOOKUPS; i++)
        read_at(h, random_below(&seed, count) * 2 * BLOCK, BLOCK);
    end("read 4 KiB at random", LOOKUPS);
    begin();
    for (uint64_t at = 0; at + MIB <= count * 2 * BLOCK; at += MIB)
        read_at(h, at, MIB);
    end("read all, 1 MiB (128 extents) each", count * 2 * BLOCK / MIB);
    file_close(h);
    begin();
    file_delete("S:/extents");
    flush();
    end("delete, per extent", count);
}

static void set_size(hf_handle h, uint64_t size)
{
    int64_t end_of_file = (int64_t)size;
    ok(hf_set(h, FileEndOfFileInformation, &end_of_file, sizeof end_of_file), "set size");
}

static void sparse_file(uint64_t size, const char *what)
{
    uint64_t seed = size;
    hf_handle h = big_file("S:/sparse");
    begin();
    set_size(h, size);
    for (int i = 0; i < LOOKUPS; i++)
        write_at(h, random_below(&seed, size / BLOCK) * BLOCK, BLOCK);
    write_at(h, size - 1, 1);
    flush();
    end(what, LOOKUPS);
    begin();
    seed = size;
    for (int i = 0; i < LOOKUPS; i++) {
        uint64_t at = random_below(&seed, size / BLOCK) * BLOCK;
        read_at(h, at, BLOCK);
        read_at(h, at ^ TIB, BLOCK); // most likely a hole
    }
    read_at(h, size - 1, 1);
    end("read them, and holes", 2 * LOOKUPS);
    file_close(h);
    begin();
    file_delete("S:/sparse");
    flush();
    end("delete, per extent", LOOKUPS);
}

// Sparse, on a file system that takes files of this size: ext4 does not, tmpfs does.
static void volume_64_tib(const char *work)
{
    char name[PATH_SIZE];
    path_set(name, "%s/try", work);
    image_make(name, TIB, true);
    bool here = truncate(name, (off_t)(64 * TIB)) == 0;
    unlink(name);
    volume_make(here ? work : "/dev/shm", 64 * TIB);
    heading(here ? "A volume of 64 TiB" : "A volume of 64 TiB (in /dev/shm)");
    begin();
    sparse_file(32 * TIB, "write 4 KiB at random in a 32 TiB file");
    compare_openings(work);
    volume_remove();
}

// --- memory
// --------------------------------------------------------------------------------------------------

static uint64_t peak_memory_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long long kib = 0;
    posix_ok(status != NULL, "/proc/self/status");
    while (fgets(line, sizeof line, status))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoull(line + 6, NULL, 10);
    fclose(status);
    return kib;
}

int main(int argc, char **argv)
{
    bool quick = argc == 3 && strcmp(argv[1], "--quick") == 0;
    if (argc != 2 && !quick)
        die("usage: scale [--quick] DIRECTORY");
    const char *work = argv[argc - 1];
    scale.million = quick ? 3000 : 1000000;
    if (!(scale.data = calloc(1, MIB)))
        die("no memory");
    atexit(image_remove); // also when a step fails: not all of them lie in the work directory
    volume_make(work, VOLUME_SIZE);
    heading("Files in one directory");
    files_grow("S:/flat", flat_name);
    compare_openings(work);
    files_delete(flat_name);
    heading("Files across a tree, 1000 a directory");
    files_grow("S:/tree", tree_name);
    files_delete(tree_name);
    heading("One file of many extents");
    extents();
    heading("Sparse files");
    sparse_file(EIB, "write 4 KiB at random in 1 EiB");
    sparse_file(INT64_MAX, "write 4 KiB at random in 8 EiB - 1");
    volume_remove();
    volume_64_tib(work);
    uint64_t peak = peak_memory_kib() / KIB;
    printf("\nPeak resident memory: %llu MiB; aim: at most the cache's 64 MiB + %d MiB: %s\n",
           (unsigned long long)peak, MEMORY_OVER_CACHE, peak <= 64 + MEMORY_OVER_CACHE ? "met" : "MISSED");
    printf("Pages are 16 KiB of metadata, per operation, each copy counted when it is written.\n");
    free(scale.data);
    return 0;
}
