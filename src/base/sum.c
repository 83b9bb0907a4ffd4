// SPDX-License-Identifier: Apache-2.0
// Checksums by ISA-L, whose functions choose the fastest instructions of the machine; lengths above INT_MAX
// in pieces.
#include "base/sum.h"

#include <isa-l/crc.h>
#include <isa-l/crc64.h>

// ISA-L leaves the upper halves of the vector registers in use, and each thread's next SSE instruction then
// waits some hundred cycles.
#ifdef __x86_64__
__attribute__((target("avx"))) static void avx_done(void)
{
    __builtin_ia32_vzeroupper();
}

static void vectors_done(void)
{
    if (__builtin_cpu_supports("avx"))
        avx_done();
}
#else
static void vectors_done(void) {}
#endif

// ISA-L is assembly, whose reads the address sanitizer does not see: it is told of them, and of the first
// byte that is not ours it makes a finding.
#if SUM_TELLS_SANITIZER
#include <sanitizer/asan_interface.h>
static void reads(const void *data, size_t len)
{
    const volatile u8 *bad = __asan_region_is_poisoned((void *)(uintptr_t)data, len);
    if (bad)
        (void)*bad;
}
#else
static void reads(const void *data, size_t len)
{
    (void)data;
    (void)len;
}
#endif

u32 sum_crc32c(const void *data, size_t len)
{
    reads(data, len);
    // ISA-L takes a non-const pointer and an int, but only reads.
    unsigned char *p = (unsigned char *)(uintptr_t)data;
    unsigned sum = ~0u;
    for (; len > 1 << 30; p += 1 << 30, len -= 1 << 30)
        sum = crc32_iscsi(p, 1 << 30, sum);
    sum = crc32_iscsi(p, (int)len, sum);
    vectors_done();
    return ~sum;
}

u64 sum_crc64(const void *data, size_t len)
{
    reads(data, len);
    u64 sum = crc64_ecma_refl(0, data, len);
    vectors_done();
    return sum;
}
