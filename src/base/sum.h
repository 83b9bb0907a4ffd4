// SPDX-License-Identifier: Apache-2.0
// Checksums: CRC-32C for integrity streams at 4 KiB clusters, CRC-64/XZ at 64 KiB clusters and for all
// metadata.
#ifndef BASE_SUM_H
#define BASE_SUM_H

#include "base/base.h"

#ifdef __has_feature
#define SUM_TELLS_SANITIZER __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SUM_TELLS_SANITIZER 1
#else
#define SUM_TELLS_SANITIZER 0
#endif

// Check values in spec/integrity.md 2.8.
u32 sum_crc32c(const void *data, size_t len);
u64 sum_crc64(const void *data, size_t len);

#endif
