// SPDX-License-Identifier: Apache-2.0
// Keys that end with a name.
#ifndef ENGINE_DIRENT_H
#define ENGINE_DIRENT_H

#include "engine/engine.h"
#include "engine/tree.h"

// A key that ends with a folded name, behind the parent where there is one. OBJECT_NAME_INVALID.
nt_status name_key(struct store *s, struct key *key, u64 object, enum record_kind kind, const u64 *parent,
                   struct str name);
// A listing goes on behind this key. FILE_CORRUPT_ERROR: it is too long.
nt_status dir_position_set(struct dir_position *position, struct slice key);

#endif
