// SPDX-License-Identifier: Apache-2.0
// Small volumes for fuzz_image.c, held in memory files: made once, patched, sealed again so that hostile
// content carries right checksums, and brought back to what they were.
#ifndef TESTS_FUZZ_IMAGE_H
#define TESTS_FUZZ_IMAGE_H

#include "tests/fuzz/fuzz.h"

struct image {
    int fd;
    char spec[64]; // for hf_attach and blk_open
    u64 size;
    u8 *clean;      // its bytes as made
    u64 pages[512]; // where superblocks and metadata pages are
    u32 page_count;
};

enum { IMAGES = 3 }; // 4 KiB clusters with one copy, with two; 64 KiB clusters
// raw: the sums are left wrong; log: a volume that was not closed.
enum { MODE_RAW = 1, MODE_READONLY = 2, MODE_LOG = 4 };
// Input: which volume, mode, then patches: which page (superblocks first, then the log if there is one),
// offset in it, length, bytes. They are put into a good volume and the checksums made right again, so that
// what is inside is hostile and not only rotten.
struct image *image_read(struct input *in, u8 *mode);
void image_restore(struct image *m);

#endif
