// SPDX-License-Identifier: Apache-2.0
// Which places of a volume are fixed, told in another way than the space map tells it.
#ifndef TESTS_ENGINE_FIXED_H
#define TESTS_ENGINE_FIXED_H

#include "engine/store.h"

static inline bool is_fixed(const struct store *s, u64 unit)
{
    u64 in = unit % SPACE_LEAF_UNITS, fixed = space_fixed_units(s, unit / SPACE_LEAF_UNITS);
    u64 mirror = s->mirror_gap / s->unit;
    return in < fixed || (s->copies == 2 && in >= mirror && in < mirror + fixed);
}

#endif
