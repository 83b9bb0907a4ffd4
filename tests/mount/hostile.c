// SPDX-License-Identifier: Apache-2.0
// hostile FOLDER INPUT...: writes the images that inputs of fuzz_image stand for, to be mounted: FOLDER/0.hf,
// ...
#include "tests/fuzz/image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/store.h"

static struct image *image_of(const char *path)
{
    static u8 bytes[1 << 16];
    FILE *f = fopen(path, "rb");
    FUZZ_ASSERT(f != NULL);
    struct input in = {bytes, fread(bytes, 1, sizeof bytes, f)};
    fclose(f);
    u8 mode;
    return image_read(&in, &mode);
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        char path[4096];
        struct image *m = image_of(argv[i]);
        u8 *image = malloc(m->size);
        snprintf(path, sizeof path, "%s/%d.hf", argv[1], i - 2);
        int out = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        FUZZ_ASSERT(image != NULL && pread(m->fd, image, m->size, 0) == (ssize_t)m->size);
        FUZZ_ASSERT(out >= 0 && write(out, image, m->size) == (ssize_t)m->size && close(out) == 0);
        free(image);
        image_restore(m);
    }
    return 0;
}
