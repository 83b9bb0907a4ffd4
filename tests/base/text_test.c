// SPDX-License-Identifier: Apache-2.0
// UTF-8 and UTF-16, folding through the case table, wildcards, and hostile text.
#include "tests/test.h"

#include "base/text.h"

static struct case_table table;

static int setup(void **state)
{
    (void)state;
    case_table_default(&table);
    return 0;
}

static void utf16_round_trip(void **state)
{
    (void)state;
    const char *texts[] = {"", "a", "Grüße", "漢字", "😀x", "a\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        u8 wide[64];
        char back[64];
        size_t units = 32, len = sizeof back;
        struct str text = {texts[i], (u32)strlen(texts[i])};
        assert_ok(text_to_utf16(text, wide, &units));
        assert_ok(text_from_utf16(wide, units, back, &len));
        assert_int_equal(len, text.len);
        assert_memory_equal(back, text.p, len);
        size_t counted;
        assert_ok(text_units(text, &counted));
        assert_int_equal(counted, units);
    }
}

static void bad_text_is_refused(void **state)
{
    (void)state;
    // Overlong, surrogate, beyond the last code point, cut short, stray continuation.
    const char *bad[] = {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "ab\xe6\xbc", "\x80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t units;
        assert_status(text_units((struct str){bad[i], (u32)strlen(bad[i])}, &units),
                      STATUS_OBJECT_NAME_INVALID);
    }
    const u8 lone[][4] = {{0x00, 0xd8, 'a', 0}, {0x00, 0xdc, 'a', 0}, {'a', 0, 0x3d, 0xd8}};
    for (size_t i = 0; i < ARRAY_LEN(lone); i++) {
        char out[16];
        size_t len = sizeof out;
        assert_status(text_from_utf16(lone[i], 2, out, &len), STATUS_OBJECT_NAME_INVALID);
        assert_int_equal(len, 0);
    }
}

static void short_room(void **state)
{
    (void)state;
    u8 wide[4];
    size_t units = 1, len = 2;
    char out[2];
    assert_status(text_to_utf16(STR("abc"), wide, &units), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(units, 3);
    assert_status(text_from_utf16("a\0b\0c\0", 3, out, &len), STATUS_BUFFER_TOO_SMALL);
}

static void fold_is(const struct case_table *t, const char *name, const char *expected)
{
    char out[TEXT_NAME_BYTES];
    u32 len;
    assert_ok(text_fold(t, (struct str){name, (u32)strlen(name)}, out, &len));
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(out, expected, len);
}

static void folding(void **state)
{
    (void)state;
    fold_is(&table, "ReadMe.txt", "README.TXT");
    fold_is(&table, "grüße", "GRÜßE");
    fold_is(&table, "éа", "ÉА");
    fold_is(&table, "😀", "😀");
    fold_is(NULL, "ReadMe", "ReadMe");
}

static void name_lengths(void **state)
{
    (void)state;
    char name[1024], out[TEXT_NAME_BYTES];
    u32 len;
    memset(name, 'a', sizeof name);
    assert_ok(text_fold(&table, (struct str){name, 255}, out, &len));
    assert_status(text_fold(&table, (struct str){name, 256}, out, &len), STATUS_OBJECT_NAME_INVALID);
    assert_status(text_fold(&table, (struct str){name, 0}, out, &len), STATUS_OBJECT_NAME_INVALID);
    // 255 units of three bytes each is the longest name there is.
    for (int i = 0; i < 255; i++)
        memcpy(name + 3 * i, "漢", 3);
    assert_ok(text_fold(&table, (struct str){name, 765}, out, &len));
    assert_int_equal(len, TEXT_NAME_BYTES);
}

static void table_survives_packing(void **state)
{
    (void)state;
    static u8 packed[65536];
    static struct case_table again;
    size_t n = case_table_pack(&table, packed, sizeof packed);
    assert_true(n > 4000 && n % 4 == 0);
    assert_ok(case_table_unpack(&again, packed, n));
    assert_memory_equal(&again, &table, sizeof table);
    assert_int_equal(case_table_pack(&table, packed, n - 1), 0);
    assert_status(case_table_unpack(&again, packed, n - 1), STATUS_DISK_CORRUPT_ERROR);
    u8 surrogate[4] = {'a', 0, 0, 0xd8};
    assert_status(case_table_unpack(&again, surrogate, 4), STATUS_DISK_CORRUPT_ERROR);
}

static bool match(const char *pattern, const char *name)
{
    return text_matches(&table, (struct str){pattern, (u32)strlen(pattern)},
                        (struct str){name, (u32)strlen(name)});
}

static void wildcards(void **state)
{
    (void)state;
    assert_true(match("*", "anything"));
    assert_true(match("*.TXT", "a.b.txt"));
    assert_true(match("a?c", "ABC"));
    assert_false(match("a?c", "ac"));
    assert_true(match("*a*b*", "xxaxxbxx"));
    assert_false(match("*a*b", "xxaxxbx"));
    assert_true(match("ü*", "Übung"));
    assert_true(match("", ""));
    assert_false(match("", "a"));
    // Many stars on a long name must not take exponential time.
    assert_false(match("*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void sizes(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "K", "-1", " 1", "1x", "1KK", "1K ", "99999999999T"};
    u64 size;
    assert_true(text_size("4096", &size) && size == 4096);
    assert_true(text_size("4K", &size) && size == 4096);
    assert_true(text_size("3m", &size) && size == 3 * MIB);
    assert_true(text_size("2T", &size) && size == 2 * MIB * MIB);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(text_size(wrong[i], &size));
        assert_int_equal(size, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf16_round_trip), cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(short_room),       cmocka_unit_test(folding),
        cmocka_unit_test(name_lengths),     cmocka_unit_test(table_survives_packing),
        cmocka_unit_test(wildcards),        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests_name("text", tests, setup, NULL);
}
