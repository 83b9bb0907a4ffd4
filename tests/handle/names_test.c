// SPDX-License-Identifier: Apache-2.0
// Which names reach what: devices, drive letters, the spellings of a path, specs of devices, and hostile
// names.
#include "tests/handle/stack.h"

static void device_names(void **state)
{
    (void)state;
    char list[64];
    assert_ok(hf_list_devices(list, sizeof list));
    assert_string_equal(list, "X:");
    assert_int_equal(list[3], 0);
    assert_status(hf_list_devices(list, 3), STATUS_BUFFER_TOO_SMALL);
    const char *volume[] = {
        "\\\\.\\X:", "\\\\.\\x:", "\\\\?\\X:", "\\??\\X:", "\\\\.\\PhysicalDrive0", "\\\\.\\PHYSICALDRIVE0",
        "X:"};
    for (size_t i = 0; i < ARRAY_LEN(volume); i++)
        assert_ok(probe(volume[i], 0));
    assert_status(probe("\\\\.\\Y:", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_status(probe("Y:\\a", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    const char *unknown[] = {
        "\\\\.\\PhysicalDrive1",     "\\\\.\\CdRom0", "\\\\.\\Tape0",       "\\\\.\\PhysicalDrive",
        "\\\\.\\PhysicalDrive00000", "\\\\.\\",       "\\\\?\\Volume{0}\\", "\\??\\UNC\\a\\b"};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_status(probe(unknown[i], 0), STATUS_OBJECT_NAME_NOT_FOUND);
    // A path of Linux that is in no mount of a volume.
    assert_status(probe("/a", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    const char *no_device[] = {"", "a", "\\a", "1:\\a", "::"};
    for (size_t i = 0; i < ARRAY_LEN(no_device); i++)
        assert_status(probe(no_device[i], 0), STATUS_OBJECT_PATH_SYNTAX_BAD);
    assert_status(probe("X:a", 0), STATUS_OBJECT_NAME_INVALID);
    assert_status(probe(NULL, 0), STATUS_INVALID_PARAMETER);
}

static void attach_rules(void **state)
{
    (void)state;
    char list[64];
    assert_status(hf_attach("X:", "ram:16M"), STATUS_OBJECT_NAME_COLLISION);
    assert_status(hf_attach("x:", "ram:16M"), STATUS_OBJECT_NAME_COLLISION);
    assert_status(hf_attach("PhysicalDrive0", "ram:16M"), STATUS_OBJECT_NAME_COLLISION);
    assert_status(hf_attach("Drive", "ram:16M"), STATUS_OBJECT_NAME_INVALID);
    assert_status(hf_attach(NULL, "ram:16M"), STATUS_OBJECT_NAME_INVALID);
    assert_status(hf_attach("Y:", NULL), STATUS_INVALID_PARAMETER);
    assert_status(hf_attach("Y:", "ram:16M,cache=x"), STATUS_INVALID_PARAMETER);
    assert_status(hf_attach("Y:", stack_spec), STATUS_SHARING_VIOLATION);
    assert_status(hf_attach("Y:", "file:/no/such/image"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_non_null(strstr(hf_error_text(), "/no/such/image"));
    assert_ok(hf_attach("PhysicalDrive3", "ram:16777216"));
    assert_ok(hf_attach("CdRom0", "file:/no/such/disc"));
    assert_ok(hf_list_devices(list, sizeof list));
    assert_memory_equal(list, "X:\0PhysicalDrive3\0CdRom0\0", 26);
    assert_ok(hf_detach("cdrom0"));
    assert_ok(hf_detach("PhysicalDrive3"));
    assert_status(hf_detach("PhysicalDrive3"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(hf_detach("Y:"), STATUS_OBJECT_PATH_NOT_FOUND);
}

static void attach_list(void **state)
{
    (void)state;
    assert_ok(hf_attach_list("Y:=ram:16777216; ;CdRom1=file:/no/disc,removable;"));
    assert_ok(hf_detach("CdRom1"));
    assert_ok(hf_detach("Y:"));
    assert_status(hf_attach_list("nonsense"), STATUS_INVALID_PARAMETER);
    assert_non_null(strstr(hf_error_text(), "nonsense"));
    // The earlier entries stay.
    assert_status(hf_attach_list("Y:=ram:16777216;X:=ram:16777216"), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(hf_detach("Y:"));
}

static void attach_environment(void **state)
{
    (void)state;
    assert_ok(hf_attach_list(NULL)); // not set
    setenv("HOLDFAST_DEVICES", "Y:=ram:16777216", 1);
    assert_ok(hf_attach_list(NULL));
    assert_ok(hf_attach_list(NULL)); // once per process
    assert_ok(hf_detach("Y:"));
    assert_ok(hf_attach_list(NULL));
    assert_status(hf_detach("Y:"), STATUS_OBJECT_PATH_NOT_FOUND);
}

static void specs(void **state)
{
    (void)state;
    struct spec spec;
    assert_ok(spec_parse(
        "file:/a,b/c.hf,readonly,removable,compat=classpnp,atime=relatime,cache=64M,retry-ms=5", &spec));
    assert_string_equal(spec.backend, "file:/a,b/c.hf");
    assert_int_equal(spec.blk_flags, BLK_READONLY | BLK_REMOVABLE);
    assert_true(spec.classpnp);
    assert_true(spec.relatime);
    assert_int_equal(spec.cache_bytes, 64 * MIB);
    assert_int_equal(spec.retry_ms, 5);
    const char *bad[] = {"",
                         "file:/a,cache=",
                         "file:/a,cache=1X",
                         "file:/a,cache=99999999999999999999G",
                         "file:/a,retry-ms=999999",
                         "file:/a,cache=-1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(spec_parse(bad[i], &spec), STATUS_INVALID_PARAMETER);
}

static void spellings_of_a_path(void **state)
{
    (void)state;
    make_directory("X:\\dir");
    put("X:\\dir\\file", "data");
    const char *same[] = {"x:\\dir\\file",         "X:/dir/file",           "\\\\?\\X:\\dir\\file",
                          "\\??\\X:\\dir\\file",   "\\\\.\\X:\\dir\\file",  "X:\\.\\dir\\..\\dir\\\\file",
                          "X:/dir/./../dir//file", "X:\\..\\..\\dir\\file", "X:\\DIR\\FILE"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        expect(same[i], "data");
    assert_ok(probe("X:\\dir\\", 0));
    assert_ok(probe("X:/dir/", 0));
    assert_ok(probe("X:\\", FILE_DIRECTORY_FILE));
    assert_ok(probe("X:/", FILE_DIRECTORY_FILE));
    assert_ok(probe("X:\\dir\\..", FILE_DIRECTORY_FILE));
    assert_status(probe("X:\\dir\\file\\", 0), STATUS_NOT_A_DIRECTORY);
    assert_status(probe("X:\\dir\\", FILE_NON_DIRECTORY_FILE), STATUS_OBJECT_NAME_INVALID);
    // The NT forms are taken as they are.
    assert_status(probe("\\\\?\\X:\\dir\\.\\file", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_status(probe("\\\\?\\X:\\dir\\..\\dir", 0), STATUS_OBJECT_NAME_INVALID);
    assert_status(probe("\\\\?\\X:\\dir\\\\file", 0), STATUS_OBJECT_NAME_INVALID);
    assert_status(probe("\\??\\X:\\dir\\\\", 0), STATUS_OBJECT_NAME_INVALID);
    remove_name("X:\\dir\\file");
    remove_name("X:\\dir");
}

static void hostile_names(void **state)
{
    (void)state;
    char *name = malloc(NAME_BYTES + 16);
    assert_non_null(name);
    assert_status(probe("X:\\\xff", 0), STATUS_OBJECT_NAME_INVALID);
    assert_status(probe("X:/a\xed\xa0\x80", 0), STATUS_OBJECT_NAME_INVALID);
    assert_status(probe("X:\\a/b", 0), STATUS_OBJECT_NAME_INVALID);
    memcpy(name, "X:\\", 3);
    memset(name + 3, 'a', 256);
    name[3 + 255] = 0;
    assert_status(probe(name, 0), STATUS_OBJECT_NAME_NOT_FOUND);
    name[3 + 255] = 'a';
    name[3 + 256] = 0;
    assert_status(probe(name, 0), STATUS_OBJECT_NAME_INVALID);
    // 32767 units are a name, one more is not.
    for (u32 i = 3; i < NAME_UNITS + 1; i++)
        name[i] = i % 2 ? 'a' : '\\';
    name[NAME_UNITS] = 0;
    assert_status(probe(name, 0), STATUS_OBJECT_PATH_NOT_FOUND);
    name[NAME_UNITS] = 'a';
    name[NAME_UNITS + 1] = 0;
    assert_status(probe(name, 0), STATUS_OBJECT_NAME_INVALID);
    memset(name + 3, 'a', NAME_BYTES + 12);
    name[NAME_BYTES + 15] = 0;
    assert_status(probe(name, 0), STATUS_OBJECT_NAME_INVALID);
    free(name);
    assert_status(probe("X:\\no\\such", 0), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_status(probe("X:\\such", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_non_null(strstr(hf_error_text(), "X:\\such"));
}

static void path_helpers(void **state)
{
    (void)state;
    char buf[32] = "a\\b";
    u32 len = 3;
    assert_true(path_append(buf, &len, '\\', STR("..\\c\\.\\d"), '\\', false));
    assert_int_equal(len, 5);
    assert_memory_equal(buf, "a\\c\\d", 5);
    assert_true(path_append(buf, &len, '\\', STR("..\\..\\.."), '\\', false));
    assert_int_equal(len, 0);
    assert_false(path_append(buf, &len, '\\', STR(".."), '\\', false));
    assert_true(path_append(buf, &len, '/', STR("..\\a\\b"), '\\', true));
    assert_memory_equal(buf, "a/b", 3);
    assert_ok(path_check(STR("a\\b.\\..c"), '\\'));
    assert_status(path_check(STR("a\\.\\.."), '\\'), STATUS_OBJECT_NAME_INVALID);
    assert_status(path_check(STR("a\\."), '\\'), STATUS_OBJECT_PATH_NOT_FOUND);
}

static void no_volume_on_the_device(void **state)
{
    (void)state;
    hf_handle h;
    assert_ok(hf_attach("Y:", "ram:16777216"));
    assert_status(probe("Y:\\a", 0), STATUS_UNRECOGNIZED_VOLUME);
    assert_ok(stack_open("\\\\.\\Y:", GENERIC_READ, 0, 0, &h));
    // A raw device has no file system that could answer.
    assert_status(hf_ioctl(h, FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, NULL),
                  STATUS_INVALID_DEVICE_REQUEST);
    assert_status(hf_detach("Y:"), STATUS_FILES_OPEN);
    assert_ok(hf_close(h));
    assert_ok(hf_detach("Y:"));
    // An empty drive can be opened as a device, its files cannot.
    assert_ok(hf_attach("CdRom0", "file:/no/such/disc"));
    assert_ok(stack_open("\\\\.\\CdRom0", GENERIC_READ, 0, 0, &h));
    assert_status(hf_ioctl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 0, NULL), STATUS_NO_MEDIA_IN_DEVICE);
    assert_ok(hf_close(h));
    assert_status(probe("\\\\.\\CdRom0\\a", 0), STATUS_NO_MEDIA_IN_DEVICE);
    assert_ok(hf_detach("CdRom0"));
}

// Asking about the drive does not mount what is in it.
static void attributes_do_not_mount(void **state)
{
    (void)state;
    hf_handle h;
    struct drive_entry *entry;
    assert_ok(hf_detach("X:"));
    assert_ok(hf_attach("X:", stack_spec));
    assert_ok(entry_get(STR("X:"), &entry));
    assert_ok(stack_open("\\\\.\\X:", FILE_READ_ATTRIBUTES | SYNCHRONIZE, 0, 0, &h));
    assert_false(entry->device->vpb->flags & VPB_MOUNTED);
    assert_ok(hf_close(h));
    assert_ok(stack_open("\\\\.\\X:", GENERIC_READ, 0, 0, &h));
    assert_true(entry->device->vpb->flags & VPB_MOUNTED);
    assert_ok(hf_close(h));
    assert_status(hf_detach("X:"), STATUS_FILES_OPEN);
    entry_put(entry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_names),
        cmocka_unit_test(attach_rules),
        cmocka_unit_test(attach_list),
        cmocka_unit_test(attach_environment),
        cmocka_unit_test(specs),
        cmocka_unit_test(spellings_of_a_path),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(path_helpers),
        cmocka_unit_test(no_volume_on_the_device),
        cmocka_unit_test(attributes_do_not_mount),
    };
    return cmocka_run_group_tests_name("names", tests, stack_setup, stack_teardown);
}
