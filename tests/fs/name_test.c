// SPDX-License-Identifier: Apache-2.0
// Names: what may be one under either separator, and the stream syntax.
#include "tests/test.h"

#include "fs/fs.h"

static nt_status check(const char *name, char separator)
{
    return name_check((struct str){name, (u32)strlen(name)}, separator);
}

static void windows_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    ".",   "..",  "a/b", "a\\b", "a:b",  "a*b",
                                      "a?b", "a<b", "a>b", "a|b", "a\"b", "a\nb", "a\x1f"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(check(bad[i], '\\'), STATUS_OBJECT_NAME_INVALID);
    assert_ok(check("...", '\\'));
    assert_ok(check("a b.", '\\'));
    assert_ok(check("\xc3\xa4", '\\'));
    assert_status(check("\xff", '\\'), STATUS_OBJECT_NAME_INVALID);
    assert_status(name_check((struct str){"a\0b", 3}, '\\'), STATUS_OBJECT_NAME_INVALID);
}

static void posix_names(void **state)
{
    (void)state;
    assert_ok(check("a:b*c?\\\n", '/'));
    assert_status(check("a/b", '/'), STATUS_OBJECT_NAME_INVALID);
    assert_status(check(".", '/'), STATUS_OBJECT_NAME_INVALID);
    assert_status(check("..", '/'), STATUS_OBJECT_NAME_INVALID);
    assert_status(check("\xed\xa0\x80", '/'), STATUS_OBJECT_NAME_INVALID);
    assert_status(name_check((struct str){"a\0b", 3}, '/'), STATUS_OBJECT_NAME_INVALID);
}

static void length_counts_utf16_units(void **state)
{
    (void)state;
    char name[4 * 256] = "";
    memset(name, 'a', 255);
    assert_ok(check(name, '\\'));
    name[255] = 'a';
    assert_status(check(name, '\\'), STATUS_OBJECT_NAME_INVALID);
    name[0] = 0;
    for (int i = 0; i < 127; i++)
        strncat(name, "\xf0\x9f\x98\x80", 5); // two units each
    assert_ok(check(name, '/'));
    strncat(name, "\xf0\x9f\x98\x80", 5);
    assert_status(check(name, '/'), STATUS_OBJECT_NAME_INVALID);
}

static void assert_split(const char *text, const char *file, const char *stream, bool directory)
{
    struct str f, s;
    bool d;
    assert_ok(name_split_stream((struct str){text, (u32)strlen(text)}, &f, &s, &d));
    assert_int_equal(f.len, strlen(file));
    assert_memory_equal(f.p, file, f.len);
    assert_int_equal(s.p != NULL, stream != NULL);
    assert_int_equal(s.len, stream ? strlen(stream) : 0);
    if (s.len)
        assert_memory_equal(s.p, stream, s.len);
    assert_int_equal(d, directory);
}

static void streams(void **state)
{
    (void)state;
    assert_split("file", "file", NULL, false);
    assert_split("file:s", "file", "s", false);
    assert_split("file:s:$DATA", "file", "s", false);
    assert_split("file:s:$data", "file", "s", false);
    assert_split("file::$DATA", "file", "", false);
    assert_split(":s", "", "s", false);
    assert_split("dir::$INDEX_ALLOCATION", "dir", NULL, true);
    assert_split("dir:$I30:$INDEX_ALLOCATION", "dir", NULL, true);
    static const char *const bad[] = {
        "file:",          "file::",   "file:s:",        "file:s:$DATA:",
        "file:s:$BITMAP", "file:a/b", "file:s:$DATA:x", "dir:s:$INDEX_ALLOCATION"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct str f, s;
        bool d;
        assert_status(name_split_stream((struct str){bad[i], (u32)strlen(bad[i])}, &f, &s, &d),
                      STATUS_OBJECT_NAME_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_names),
        cmocka_unit_test(posix_names),
        cmocka_unit_test(length_counts_utf16_units),
        cmocka_unit_test(streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
