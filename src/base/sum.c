// SPDX-License-Identifier: Apache-2.0
// Checksums by ISA-L, whose functions choose the fastest instructions of the machine; lengths above INT_MAX
// in pieces.
#include "base/sum.h"

#include <isa-l/crc.h>
#include <isa-l/crc64.h>

u32 sum_crc32c(const void *data, size_t len)
{
    // ISA-L takes a non-const pointer and an int, but only reads.
    unsigned char *p = (unsigned char *)(uintptr_t)data;
    unsigned sum = ~0u;
    for (; len > 1 << 30; p += 1 << 30, len -= 1 << 30)
        sum = crc32_iscsi(p, 1 << 30, sum);
    return ~crc32_iscsi(p, (int)len, sum);
}

u64 sum_crc64(const void *data, size_t len)
{
    return crc64_ecma_refl(0, data, len);
}
