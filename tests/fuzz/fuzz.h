// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: taking an input apart, and what must be true whatever it holds. A target takes
// any bytes, leaves nothing behind for the next input, and is the same for the same input.
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdio.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ASSERT(expr) ((expr) ? (void)0 : fuzz_failed(#expr, __FILE__, __LINE__))
_Noreturn static inline void fuzz_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, expr);
    abort();
}

// What the target itself needs, whatever the input.
static inline void must(nt_status status)
{
    if (status != STATUS_SUCCESS)
        fprintf(stderr, "status %08x\n", (unsigned)status);
    FUZZ_ASSERT(status == STATUS_SUCCESS);
}

// Hostile input may give any status; what counts is that it gives one.
static inline void any(nt_status status)
{
    (void)status;
}

struct input {
    const u8 *p;
    size_t left;
};

static inline u64 input_number(struct input *in, size_t bytes) // zeros behind the end
{
    u8 b[8] = {0};
    size_t n = MIN(bytes, in->left);
    if (n > 0)
        memcpy(b, in->p, n);
    in->p += n;
    in->left -= n;
    return get_le64(b);
}
static inline u8 input_u8(struct input *in)
{
    return (u8)input_number(in, 1);
}
static inline u16 input_u16(struct input *in)
{
    return (u16)input_number(in, 2);
}
static inline u32 input_u32(struct input *in)
{
    return (u32)input_number(in, 4);
}
// At most want bytes, in memory of their own size so that a sanitizer sees a step beyond them.
static inline u8 *input_copy(struct input *in, size_t want, size_t *len)
{
    *len = MIN(want, in->left);
    u8 *copy = malloc(*len ? *len : 1);
    FUZZ_ASSERT(copy != NULL);
    if (*len > 0)
        memcpy(copy, in->p, *len);
    in->p += *len;
    in->left -= *len;
    return copy;
}
// The same as text: ended by NUL, which it may hold before.
static inline char *input_text(struct input *in, size_t want)
{
    size_t len = MIN(want, in->left);
    char *text = malloc(len + 1);
    FUZZ_ASSERT(text != NULL);
    if (len > 0)
        memcpy(text, in->p, len);
    text[len] = '\0';
    in->p += len;
    in->left -= len;
    return text;
}

#endif
