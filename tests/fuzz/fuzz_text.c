// SPDX-License-Identifier: Apache-2.0
// Text: what is UTF-8 comes back the same through UTF-16 and the other way round, folding twice is folding
// once, and patterns of any bytes end.
#include "tests/fuzz/fuzz.h"

#include <holdfast/holdfast.h>

#include "base/text.h"

static void there_and_back(const u8 *data, size_t size)
{
    u8 units[4096];
    char text[4096];
    size_t n = sizeof units / 2, len = sizeof text, need;
    struct str s = {(const char *)data, (u32)size};
    nt_status status = text_to_utf16(s, units, &n);
    nt_status counted = text_units(s, &need);
    FUZZ_ASSERT(status == STATUS_BUFFER_TOO_SMALL || status == counted);
    if (status == STATUS_SUCCESS) {
        FUZZ_ASSERT(need == n);
        status = text_from_utf16(units, n, text, &len);
        FUZZ_ASSERT(status == STATUS_SUCCESS && len == size && memcmp(text, data, size) == 0);
    }
    len = sizeof text;
    if (text_from_utf16(data, size / 2, text, &len) == STATUS_SUCCESS) {
        n = sizeof units / 2;
        status = text_to_utf16((struct str){text, (u32)len}, units, &n);
        FUZZ_ASSERT(status == STATUS_SUCCESS && n == size / 2 && memcmp(units, data, n * 2) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct case_table table, unpacked;
    static bool made;
    if (!made)
        case_table_default(&table);
    made = true;
    if (size > 3000)
        return 0;
    there_and_back(data, size);

    struct input in = {data, size};
    size_t half = input_u8(&in);
    struct str pattern = {(const char *)in.p, (u32)MIN(half, in.left)};
    struct str name = {(const char *)in.p + pattern.len, (u32)(in.left - pattern.len)};
    char once[TEXT_NAME_BYTES], twice[TEXT_NAME_BYTES];
    u32 len, again;
    if (text_fold(&table, name, once, &len) == STATUS_SUCCESS) {
        nt_status status = text_fold(&table, (struct str){once, len}, twice, &again);
        FUZZ_ASSERT(status == STATUS_SUCCESS && again == len && memcmp(once, twice, len) == 0);
        // Both are names and patterns of the file system: whole UTF-8, short.
        if (text_fold(&table, pattern, twice, &again) == STATUS_SUCCESS)
            (void)text_matches(&table, (struct str){twice, again}, (struct str){once, len});
    }
    any(case_table_unpack(&unpacked, data, size));
    any(text_fold(&unpacked, name, once, &len));

    u32 code;
    char *text = input_text(&in, in.left);
    if (hf_code_from_name(text, &code))
        FUZZ_ASSERT(hf_code_name(code) != NULL);
    free(text);
    return 0;
}
