// SPDX-License-Identifier: Apache-2.0
// UTF-8 and UTF-16 conversion, the case table, wildcard matching. utf8proc supplies decoding and the
// upper-case map.
#include "base/text.h"

#include <utf8proc.h>

// The next code point, advancing *at; false at bytes that are not UTF-8.
static bool next_point(struct str text, u32 *at, u32 *point)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text.p + *at, text.len - *at, &c);
    if (n <= 0 || c < 0)
        return false;
    *at += (u32)n;
    *point = (u32)c;
    return true;
}

nt_status text_from_utf16(const void *utf16, size_t units, char *out, size_t *len)
{
    const u8 *in = utf16;
    size_t room = *len, used = 0;
    *len = 0;
    for (size_t i = 0; i < units; i++) {
        u32 c = get_le16(in + 2 * i);
        if (c >= 0xD800 && c < 0xE000) {
            u32 low = i + 1 < units ? get_le16(in + 2 * (i + 1)) : 0;
            if (c >= 0xDC00 || low < 0xDC00 || low >= 0xE000)
                return STATUS_OBJECT_NAME_INVALID;
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            i++;
        }
        utf8proc_uint8_t bytes[4];
        size_t n = (size_t)utf8proc_encode_char((utf8proc_int32_t)c, bytes);
        if (n > room - used)
            return STATUS_BUFFER_TOO_SMALL;
        memcpy(out + used, bytes, n);
        used += n;
    }
    *len = used;
    return STATUS_SUCCESS;
}

nt_status text_to_utf16(struct str text, void *out, size_t *units)
{
    size_t room = *units, used = 0;
    u8 *to = out;
    *units = 0;
    for (u32 at = 0; at < text.len;) {
        u32 c;
        if (!next_point(text, &at, &c))
            return STATUS_OBJECT_NAME_INVALID;
        size_t n = c >= 0x10000 ? 2 : 1;
        if (used + n <= room) {
            put_le16(to + 2 * used, (u16)(n == 1 ? c : 0xD800 + ((c - 0x10000) >> 10)));
            if (n == 2)
                put_le16(to + 2 * used + 2, (u16)(0xDC00 + ((c - 0x10000) & 0x3FF)));
        }
        used += n;
    }
    *units = used;
    return used > room ? STATUS_BUFFER_TOO_SMALL : STATUS_SUCCESS;
}

nt_status text_units(struct str text, size_t *units)
{
    *units = 0;
    nt_status status = text_to_utf16(text, NULL, units);
    return status == STATUS_BUFFER_TOO_SMALL ? STATUS_SUCCESS : status;
}

void case_table_default(struct case_table *t)
{
    for (u32 c = 0; c < 65536; c++) {
        utf8proc_int32_t up =
            c >= 0xD800 && c < 0xE000 ? (utf8proc_int32_t)c : utf8proc_toupper((utf8proc_int32_t)c);
        t->upper[c] = up > 0 && up < 65536 ? (u16)up : (u16)c;
    }
    // Sharp s has no upper case in names on Windows; newer Unicode tables give it one.
    t->upper[0x00DF] = 0x00DF;
    // A folded name must fold to itself, or equal names could sort apart.
    for (u32 c = 0; c < 65536; c++)
        if (t->upper[t->upper[c]] != t->upper[c])
            t->upper[c] = (u16)c;
}

size_t case_table_pack(const struct case_table *t, u8 *out, size_t size)
{
    size_t used = 0;
    for (u32 c = 0; c < 65536; c++) {
        if (t->upper[c] == c)
            continue;
        if (size - used < 4)
            return 0;
        put_le16(out + used, (u16)c);
        put_le16(out + used + 2, t->upper[c]);
        used += 4;
    }
    return used;
}

nt_status case_table_unpack(struct case_table *t, const u8 *pairs, size_t len)
{
    for (u32 c = 0; c < 65536; c++)
        t->upper[c] = (u16)c;
    for (size_t i = 0; i + 4 <= len; i += 4) {
        u16 from = get_le16(pairs + i), to = get_le16(pairs + i + 2);
        bool surrogate = (from >= 0xD800 && from < 0xE000) || (to >= 0xD800 && to < 0xE000);
        if (surrogate || to == 0)
            return STATUS_DISK_CORRUPT_ERROR;
        t->upper[from] = to;
    }
    return len % 4 == 0 ? STATUS_SUCCESS : STATUS_DISK_CORRUPT_ERROR;
}

nt_status text_fold(const struct case_table *t, struct str name, char *out, u32 *len)
{
    size_t units;
    *len = 0;
    TRY(text_units(name, &units));
    if (units == 0 || units > TEXT_NAME_UNITS)
        return STATUS_OBJECT_NAME_INVALID;
    if (!t) {
        memcpy(out, name.p, name.len);
        *len = name.len;
        return STATUS_SUCCESS;
    }
    u32 used = 0;
    for (u32 at = 0; at < name.len;) {
        u8 byte = (u8)name.p[at];
        u32 c = byte;
        if (byte < 0x80)
            at++;
        else if (!next_point(name, &at, &c))
            return STATUS_OBJECT_NAME_INVALID;
        if (c < 65536)
            c = t->upper[c];
        if (c < 0x80)
            out[used++] = (char)c;
        else
            used += (u32)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)out + used);
    }
    *len = used;
    return STATUS_SUCCESS;
}

static u32 fold_point(const struct case_table *t, u32 c)
{
    return t && c < 65536 ? t->upper[c] : c;
}

// Greedy match with one saved retry position for the last '*': linear in practice, no recursion.
bool text_matches(const struct case_table *t, struct str pattern, struct str name)
{
    u32 p = 0, n = 0, star_p = UINT32_MAX, star_n = 0;
    for (;;) {
        u32 pc = 0, nc = 0, p_next = p, n_next = n;
        bool more_p = p < pattern.len && next_point(pattern, &p_next, &pc);
        bool more_n = n < name.len && next_point(name, &n_next, &nc);
        if (more_p && (pc == '*' || pc == '<')) {
            star_p = p = p_next;
            star_n = n;
            continue;
        }
        if (more_p && more_n &&
            (pc == '?' || pc == '>' || (pc == '"' && nc == '.') || fold_point(t, pc) == fold_point(t, nc))) {
            p = p_next;
            n = n_next;
            continue;
        }
        if (!more_n) {
            // What may match nothing: a DOS '>' or '"' at the end.
            if (more_p && (pc == '>' || pc == '"')) {
                p = p_next;
                continue;
            }
            return !more_p;
        }
        if (star_p == UINT32_MAX || !next_point(name, &star_n, &nc))
            return false;
        p = star_p;
        n = star_n;
    }
}

bool text_size(const char *text, u64 *out)
{
    static const char units[] = "KMGTkmgt";
    char *end;
    *out = 0;
    if (text[0] < '0' || text[0] > '9')
        return false;
    u64 value = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    for (int i = 0; unit && i <= (unit - units) % 4; i++)
        if (mul_overflows(value, 1024, &value))
            return false;
    if (end[unit ? 1 : 0] != '\0')
        return false;
    *out = value;
    return true;
}
