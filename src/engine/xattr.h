// SPDX-License-Identifier: Apache-2.0
// Keys of extended attributes.
#ifndef ENGINE_XATTR_H
#define ENGINE_XATTR_H

#include "engine/engine.h"
#include "engine/node.h"

// What a key of KIND_XATTR says; false: nothing sensible.
bool xattr_parse(struct slice key, struct str *name, u32 *piece);
u32 xattr_pieces(u32 length);

#endif
