// SPDX-License-Identifier: Apache-2.0
// What may be a name: one component of a path, under Windows' rules or under POSIX', and the stream behind
// its ':'.
#include <strings.h>

#include "fs/fs.h"

static bool has_any(struct str s, const char *bytes)
{
    for (u32 i = 0; i < s.len; i++)
        if (strchr(bytes, s.p[i])) // finds a NUL too
            return true;
    return false;
}

static bool equals(struct str s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.p, text, s.len) == 0;
}

static nt_status check_length(struct str name)
{
    size_t units;
    TRY(text_units(name, &units));
    return units == 0 || units > TEXT_NAME_UNITS ? STATUS_OBJECT_NAME_INVALID : STATUS_SUCCESS;
}

nt_status name_check(struct str component, char separator)
{
    TRY(check_length(component));
    if (equals(component, ".") || equals(component, ".."))
        return STATUS_OBJECT_NAME_INVALID;
    if (has_any(component, separator == '/' ? "/" : "/\\\"*:<>?|"))
        return STATUS_OBJECT_NAME_INVALID;
    for (u32 i = 0; separator != '/' && i < component.len; i++)
        if ((u8)component.p[i] < 0x20)
            return STATUS_OBJECT_NAME_INVALID;
    return STATUS_SUCCESS;
}

// Cut s at the first ':'; what is behind it, or p NULL when there is none.
static struct str cut_at_colon(struct str *s)
{
    const char *colon = memchr(s->p, ':', s->len);
    if (!colon)
        return (struct str){0};
    u32 len = (u32)(colon - s->p);
    struct str rest = {colon + 1, s->len - len - 1};
    s->len = len;
    return rest;
}

nt_status name_split_stream(struct str component, struct str *file, struct str *stream, bool *names_directory)
{
    *names_directory = false;
    *file = component;
    *stream = component.len ? cut_at_colon(file) : (struct str){0};
    if (!stream->p)
        return STATUS_SUCCESS;
    struct str type = cut_at_colon(stream);
    if (has_any(*stream, "/\\") || (type.p && memchr(type.p, ':', type.len)))
        return STATUS_OBJECT_NAME_INVALID;
    if (type.p && equals(type, "$INDEX_ALLOCATION") && (stream->len == 0 || equals(*stream, "$I30"))) {
        *names_directory = true;
        *stream = (struct str){0};
        return STATUS_SUCCESS;
    }
    if (type.p && !equals(type, "$DATA"))
        return STATUS_OBJECT_NAME_INVALID;
    if (stream->len == 0)
        return type.p ? STATUS_SUCCESS : STATUS_OBJECT_NAME_INVALID;
    return check_length(*stream);
}
