// SPDX-License-Identifier: Apache-2.0
// Linux paths that are in no mount of ours: what the calls that take them say. Paths that are:
// tests/mount/call_test.sh.
#include "tests/test.h"

#include "handle/handle.h"

static void not_in_a_mount(void **state)
{
    (void)state;
    static const char *const paths[] = {"/",       "/tmp", "/tmp/", "/tmp/none", "/tmp/none/none",
                                        "/tmp/..", "none", ""};
    char point[64], inside[64];
    hf_handle h;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        memset(point, 'x', sizeof point);
        assert_status(hf_mount_of(paths[i], point, sizeof point, inside, sizeof inside),
                      STATUS_OBJECT_PATH_NOT_FOUND);
        assert_string_equal(point, "");
        assert_non_null(strstr(hf_error_text(), "is not in a mount"));
        char spec[64];
        snprintf(spec, sizeof spec, "mount:%s", paths[i]);
        assert_status(hf_attach("X:", spec), STATUS_OBJECT_PATH_NOT_FOUND);
        if (paths[i][0] == '/')
            assert_status(hf_open(paths[i], NULL, &h), STATUS_OBJECT_PATH_NOT_FOUND);
    }
    assert_status(hf_mount_of(NULL, point, sizeof point, inside, sizeof inside),
                  STATUS_OBJECT_PATH_NOT_FOUND);
    assert_non_null(strstr(hf_error_text(), "is not in a mount"));
}

static void images_that_are_not_mounted(void **state)
{
    (void)state;
    char point[64] = "x";
    assert_status(hf_mount_with("/tmp", point, sizeof point), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_string_equal(point, "");
    assert_status(hf_mount_with("/none", point, sizeof point), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(hf_mount_with(NULL, NULL, 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_in_a_mount),
        cmocka_unit_test(images_that_are_not_mounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
