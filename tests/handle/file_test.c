// SPDX-License-Identifier: Apache-2.0
// Requests through the whole stack: create, write, read, rename, list, delete, attach again and read back;
// and the access that each request asks of its handle.
#include "tests/handle/stack.h"

static void whole_life_of_a_file(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    enum { SIZE = 300000 };
    u8 *data = malloc(SIZE), *back = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        data[i] = (u8)(i * 7 + i / 251);
    make_directory("X:\\life");
    assert_ok(stack_open("X:\\life\\a", GENERIC_READ | GENERIC_WRITE | DELETE, FILE_CREATE, 0, &h));
    assert_ok(hf_write(h, 0, data, SIZE, &done));
    assert_int_equal(done, SIZE);
    assert_ok(hf_write(h, HF_APPEND, "tail", 4, &done));
    assert_ok(hf_flush(h));
    assert_ok(hf_rename(h, NULL, "X:\\life\\b", false));
    char path[64];
    assert_ok(hf_path(h, path, sizeof path));
    assert_string_equal(path, "/life/b");
    assert_status(hf_path(h, path, 4), STATUS_BUFFER_TOO_SMALL);
    assert_ok(hf_close(h));
    assert_ok(hf_detach("X:"));
    assert_ok(hf_attach("X:", stack_spec));
    assert_ok(stack_open("X:\\life\\b", GENERIC_READ, FILE_OPEN, 0, &h));
    assert_ok(hf_read(h, 0, back, SIZE, &done));
    assert_int_equal(done, SIZE);
    assert_memory_equal(back, data, SIZE);
    assert_ok(hf_read(h, SIZE, back, 100, &done));
    assert_int_equal(done, 4);
    assert_memory_equal(back, "tail", 4);
    assert_status(hf_read(h, SIZE + 4, back, 100, &done), STATUS_END_OF_FILE);
    assert_int_equal(done, 0);
    struct hf_stat st;
    assert_ok(hf_stat(h, &st));
    assert_int_equal(st.size, SIZE + 4);
    assert_int_equal(st.links, 1);
    assert_true(st.id != 0 && st.written > TIME_UNIX_EPOCH);
    assert_ok(hf_close(h));
    remove_name("X:\\life\\b");
    remove_name("X:\\life");
    assert_status(probe("X:\\life", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    free(data);
    free(back);
}

static void each_request_needs_its_access(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    FILE_BASIC_INFORMATION basic = {0};
    FILE_END_OF_FILE_INFORMATION end = {0};
    char data[64];
    put("X:\\a", "abc");
    assert_ok(stack_open("X:\\a", READ_CONTROL, 0, 0, &h));
    assert_status(hf_read(h, 0, data, 1, &done), STATUS_ACCESS_DENIED);
    assert_status(hf_write(h, 0, data, 1, &done), STATUS_ACCESS_DENIED);
    assert_status(hf_flush(h), STATUS_ACCESS_DENIED);
    assert_status(hf_lock(h, 0, 1, true, false), STATUS_ACCESS_DENIED);
    assert_status(hf_query(h, FileBasicInformation, &basic, sizeof basic, &done), STATUS_ACCESS_DENIED);
    assert_status(hf_set(h, FileBasicInformation, &basic, sizeof basic), STATUS_ACCESS_DENIED);
    assert_status(hf_set(h, FileEndOfFileInformation, &end, sizeof end), STATUS_ACCESS_DENIED);
    assert_status(hf_delete(h), STATUS_ACCESS_DENIED);
    assert_status(hf_rename(h, NULL, "X:\\b", false), STATUS_ACCESS_DENIED);
    assert_status(hf_set_label(h, "l"), STATUS_ACCESS_DENIED);
    assert_status(hf_list(h, NULL, true, data, sizeof data, &done), STATUS_ACCESS_DENIED);
    assert_status(hf_set(h, FileRenameInformation, data, sizeof data), STATUS_INVALID_INFO_CLASS);
    assert_status(hf_set(h, FileLinkInformationEx, data, sizeof data), STATUS_INVALID_INFO_CLASS);
    assert_ok(hf_close(h));
    remove_name("X:\\a");
}

static void buffers_and_ranges(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    char data[4];
    put("X:\\a", "abc");
    assert_ok(stack_open("X:\\a", GENERIC_READ | GENERIC_WRITE, 0, 0, &h));
    assert_status(hf_read(h, 0, NULL, 1, &done), STATUS_ACCESS_VIOLATION);
    assert_status(hf_write(h, 0, NULL, 1, &done), STATUS_ACCESS_VIOLATION);
    assert_status(hf_query(h, FileBasicInformation, NULL, 40, &done), STATUS_ACCESS_VIOLATION);
    assert_status(hf_set(h, FileBasicInformation, NULL, 40), STATUS_ACCESS_VIOLATION);
    assert_status(hf_read(h, INT64_MAX, data, 1, &done), STATUS_INVALID_PARAMETER);
    assert_status(hf_read(h, UINT64_MAX, data, 4, &done), STATUS_INVALID_PARAMETER);
    assert_status(hf_write(h, UINT64_MAX - 1, data, 1, &done), STATUS_INVALID_PARAMETER);
    assert_ok(hf_read(h, 0, data, 2, NULL)); // done may be NULL
    assert_ok(hf_close(h));
    remove_name("X:\\a");
}

static void append_only(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    put("X:\\a", "abc");
    assert_ok(stack_open("X:\\a", FILE_APPEND_DATA, 0, 0, &h));
    assert_ok(hf_write(h, 0, "def", 3, &done));
    assert_ok(hf_close(h));
    expect("X:\\a", "abcdef");
    remove_name("X:\\a");
}

// What a full volume still took of a write is there, but not counted.
static void half_a_write(void **state)
{
    (void)state;
    enum { SIZE = 32 << 20 };
    hf_handle h;
    struct hf_stat st;
    size_t done, got;
    u8 *data = malloc(SIZE), *back = malloc(SIZE);
    assert_true(data && back);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (u8)(i * 7 + i / 251);
    assert_ok(hf_attach("Y:", "ram:16777216"));
    assert_ok(hf_format("Y:", NULL));
    assert_ok(stack_open("Y:\\f", GENERIC_READ | GENERIC_WRITE, FILE_CREATE, 0, &h));
    assert_status(hf_write(h, 0, data, SIZE, &done), STATUS_DISK_FULL);
    assert_int_equal(done, 0);
    assert_ok(hf_stat(h, &st));
    assert_true(st.size > 0 && st.size < SIZE);
    assert_ok(hf_read(h, 0, back, st.size, &got));
    assert_int_equal(got, st.size);
    assert_memory_equal(back, data, got);
    assert_ok(hf_close(h));
    assert_ok(hf_detach("Y:"));
    free(data);
    free(back);
}

static void rename_and_link(void **state)
{
    (void)state;
    hf_handle h, root, open;
    make_directory("X:\\d");
    put("X:\\a", "first");
    put("X:\\b", "second");
    assert_ok(stack_open("X:\\a", DELETE, 0, 0, &h));
    assert_status(hf_rename(h, NULL, "X:\\b", false), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(hf_rename(h, NULL, "X:\\b", true));
    assert_ok(stack_open("X:\\d", FILE_LIST_DIRECTORY, 0, 0, &root));
    put("X:\\open", "open");
    assert_ok(stack_open("X:\\open", FILE_READ_DATA, 0, 0, &open));
    assert_status(hf_rename(h, NULL, "X:\\open", true), STATUS_ACCESS_DENIED);
    assert_ok(hf_rename(h, NULL, "X:\\open", FILE_RENAME_REPLACE_IF_EXISTS | FILE_RENAME_POSIX_SEMANTICS));
    assert_status(hf_rename(h, NULL, "X:\\x", 0x80000000), STATUS_NOT_SUPPORTED);
    assert_ok(hf_close(open));
    assert_ok(hf_rename(h, root, "c", false));
    assert_ok(hf_link(h, NULL, "X:/d/e", false));
    assert_status(hf_rename(h, NULL, "X:\\no\\such", false), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_status(hf_rename(h, NULL, "X:\\", false), STATUS_OBJECT_NAME_INVALID);
    assert_status(hf_rename(h, NULL, "\\\\.\\X:", false), STATUS_OBJECT_NAME_INVALID);
    assert_status(hf_rename(h, NULL, "f", false), STATUS_OBJECT_PATH_SYNTAX_BAD);
    assert_ok(hf_close(root));
    assert_ok(hf_attach("Y:", "ram:16777216"));
    assert_ok(hf_format("Y:", NULL));
    assert_status(hf_rename(h, NULL, "Y:\\a", false), STATUS_NOT_SAME_DEVICE);
    assert_status(hf_link(h, NULL, "Y:\\a", false), STATUS_NOT_SAME_DEVICE);
    assert_ok(hf_detach("Y:"));
    assert_ok(hf_close(h));
    expect("X:\\d\\c", "first");
    expect("X:\\d\\e", "first");
    assert_status(probe("X:\\b", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    remove_name("X:\\d\\c");
    remove_name("X:\\d\\e");
    remove_name("X:\\d");
}

static void listing(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    _Alignas(8) u8 buffer[4096];
    make_directory("X:\\d");
    put("X:\\d\\one.txt", "1");
    put("X:\\d\\two", "22");
    assert_ok(stack_open("X:\\d", FILE_LIST_DIRECTORY, 0, 0, &h));
    assert_ok(hf_list(h, NULL, true, buffer, sizeof buffer, &done));
    const char *names[] = {".", "..", "one.txt", "two"};
    const struct hf_dirent *e = (const void *)buffer;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_string_equal(e->name, names[i]);
        assert_int_equal(e->name_length, strlen(names[i]));
        assert_true(i == ARRAY_LEN(names) - 1 ? e->next == 0 : e->next > 0);
        e = (const void *)((const u8 *)e + e->next);
    }
    assert_int_equal(e->stat.size, 2);
    assert_status(hf_list(h, NULL, false, buffer, sizeof buffer, &done), STATUS_NO_MORE_FILES);
    assert_int_equal(done, 0);
    assert_ok(hf_close(h));
    assert_ok(stack_open("X:\\d", FILE_LIST_DIRECTORY, 0, 0, &h));
    assert_ok(hf_query_directory(h, FileNamesInformation, "*.TXT", true, true, buffer, sizeof buffer, &done));
    assert_int_equal(get_le32(buffer + 8), 14);
    assert_status(hf_list(h, "no such*", true, buffer, sizeof buffer, &done), STATUS_NO_MORE_FILES);
    assert_status(hf_list(h, "\xff", true, buffer, sizeof buffer, &done), STATUS_OBJECT_NAME_INVALID);
    assert_ok(hf_close(h));
    remove_name("X:\\d\\one.txt");
    remove_name("X:\\d\\two");
    remove_name("X:\\d");
}

static void open_by_number(void **state)
{
    (void)state;
    hf_handle h, root;
    struct hf_stat st;
    char name[40];
    put("X:\\n", "by number");
    snprintf(name, sizeof name, "X:\\%llu", (unsigned long long)file_id("X:\\n", 0));
    assert_ok(stack_open(name, FILE_READ_ATTRIBUTES, 0, FILE_OPEN_BY_FILE_ID, &h));
    assert_ok(hf_stat(h, &st));
    assert_int_equal(st.size, 9);
    assert_ok(hf_close(h));
    assert_ok(stack_open("X:\\", FILE_READ_ATTRIBUTES, 0, 0, &root));
    struct hf_open_options o = {.options = FILE_OPEN_BY_FILE_ID, .root = root};
    assert_ok(hf_open(name + 3, &o, &h));
    assert_ok(hf_close(h));
    assert_ok(hf_close(root));
    const char *bad[] = {"X:\\n", "X:\\99999999999999999999999", "X:\\123456789", "X:\\"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(stack_open(bad[i], 0, 0, FILE_OPEN_BY_FILE_ID, &h), STATUS_INVALID_PARAMETER);
    remove_name("X:\\n");
}

static void label_and_volume(void **state)
{
    (void)state;
    hf_handle h;
    size_t done;
    _Alignas(8) u8 info[128];
    assert_ok(stack_open("\\\\.\\X:", GENERIC_READ | GENERIC_WRITE, 0, 0, &h));
    assert_ok(hf_set_label(h, "Grüße"));
    assert_ok(hf_query_volume(h, FileFsVolumeInformation, info, sizeof info, &done));
    assert_int_equal(get_le32(info + offsetof(FILE_FS_VOLUME_INFORMATION, VolumeLabelLength)), 10);
    assert_status(hf_query_volume(h, 99, info, sizeof info, &done), STATUS_INVALID_INFO_CLASS);
    assert_ok(hf_close(h));
}

static void locks(void **state)
{
    (void)state;
    hf_handle a, b;
    size_t done;
    put("X:\\l", "0123456789");
    assert_ok(stack_open("X:\\l", GENERIC_READ | GENERIC_WRITE, 0, 0, &a));
    assert_ok(stack_open("X:\\l", GENERIC_READ | GENERIC_WRITE, 0, 0, &b));
    assert_ok(hf_lock(a, 2, 3, true, false));
    assert_status(hf_lock(b, 4, 1, false, false), STATUS_LOCK_NOT_GRANTED);
    assert_status(hf_write(b, 3, "x", 1, &done), STATUS_FILE_LOCK_CONFLICT);
    assert_ok(hf_write(b, 5, "x", 1, &done));
    assert_ok(hf_unlock(a, 2, 3));
    assert_status(hf_unlock(a, 2, 3), STATUS_RANGE_NOT_LOCKED);
    assert_ok(hf_lock(b, 4, 1, true, true));
    assert_ok(hf_close(b)); // lets its locks go
    assert_ok(hf_lock(a, 4, 1, true, false));
    assert_ok(hf_close(a));
    remove_name("X:\\l");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_life_of_a_file),
        cmocka_unit_test(each_request_needs_its_access),
        cmocka_unit_test(buffers_and_ranges),
        cmocka_unit_test(append_only),
        cmocka_unit_test(half_a_write),
        cmocka_unit_test(rename_and_link),
        cmocka_unit_test(listing),
        cmocka_unit_test(open_by_number),
        cmocka_unit_test(label_and_volume),
        cmocka_unit_test(locks),
    };
    return cmocka_run_group_tests_name("file", tests, stack_setup, stack_teardown);
}
