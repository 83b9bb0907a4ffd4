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
struct image *image_get(u32 which);
void image_restore(struct image *m);
// Recompute the checksums of everything that the newest superblock leads to, and of the superblocks.
void image_seal(struct image *m);

#endif
