// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over files, without a fuzzer: each file of the named directories, and each named file,
// is a TAP case. This is how `make test` keeps what was found from coming back.
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static int cases, failed;

static void run(const char *path)
{
    long size = -1;
    u8 *data = NULL;
    FILE *f = fopen(path, "rb");
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    printf("# %s\n", path); // the last line when the target crashes
    fflush(stdout);
    if (f && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0)
        data = malloc((size_t)size + 1);
    bool good = data && fread(data, 1, (size_t)size, f) == (size_t)size;
    if (f)
        fclose(f);
    if (good) {
        // The target gets memory of exactly this size.
        u8 *exact = malloc(size > 0 ? (size_t)size : 1);
        if (exact && size > 0)
            memcpy(exact, data, (size_t)size);
        good = exact && LLVMFuzzerTestOneInput(exact, (size_t)size) == 0;
        free(exact);
    }
    free(data);
    failed += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", ++cases, name);
    fflush(stdout);
}

static int no_dots(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void run_directory(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, no_dots, alphasort);
    for (int i = 0; i < n; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        run(name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

int main(int argc, char **argv)
{
    struct stat st;
    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            run_directory(argv[i]);
        else
            run(argv[i]);
    }
    printf("1..%d\n", cases);
    return failed > 0;
}
