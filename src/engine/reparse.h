// SPDX-License-Identifier: Apache-2.0
// The index of reparse tags.
#ifndef ENGINE_REPARSE_H
#define ENGINE_REPARSE_H

#include "engine/engine.h"
#include "engine/tree.h"

void tag_key(struct key *key, u32 tag, u64 id);
bool tag_parse(struct slice key, u32 *tag, u64 *id); // false: not a key of the tag index

#endif
