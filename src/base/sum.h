// SPDX-License-Identifier: Apache-2.0
// Checksums: CRC-32C for integrity streams at 4 KiB clusters, CRC-64/XZ at 64 KiB clusters and for all
// metadata.
#ifndef BASE_SUM_H
#define BASE_SUM_H

#include "base/base.h"

// Check values in spec/integrity.md 2.8.
u32 sum_crc32c(const void *data, size_t len);
u64 sum_crc64(const void *data, size_t len);

#endif
