// SPDX-License-Identifier: Apache-2.0
// What the measuring programs share: giving up with a message, the clock, handles on a volume. A program that
// measures has nobody to report an error to, so every failure ends it.
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/holdfast.h>

enum { PATH_SIZE = 512, KIB = 1 << 10, MIB = 1 << 20 };

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);
void ok(nt_status status, const char *what);
void posix_ok(bool good, const char *what);
uint64_t now(void); // ns
double median(uint64_t *times, int count);
uint64_t measure(void (*prepare)(void), void (*work)(void)); // ns of the work; prepare may be NULL
__attribute__((format(printf, 2, 3))) void path_set(char out[PATH_SIZE], const char *format, ...);

// The next of a sequence of places below limit; *seed is where it stands.
uint64_t random_below(uint64_t *seed, uint64_t limit);

// Sparse, or written once, so that nobody measures how the host allocates a sparse file.
void image_make(const char *path, uint64_t size, bool sparse);
// Let nothing be read from the host's page cache: no file when everything may go and we are root, else only
// not the file at path.
void cache_drop(const char *path, bool everything);
hf_handle file_open(const char *name, uint32_t access, uint32_t disposition, uint32_t options);
void file_close(hf_handle h);
void folder_make(const char *name);
void file_delete(const char *name);
uint64_t folder_list(const char *name); // files in it

#endif
