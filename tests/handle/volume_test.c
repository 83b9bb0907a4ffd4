// SPDX-License-Identifier: Apache-2.0
// Formatting and checking whole volumes, images that are not volumes, and the text functions.
#include "tests/handle/stack.h"

static void format_rules(void **state)
{
    (void)state;
    char other[160], path[150];
    snprintf(path, sizeof path, "%s/f.hf", stack_directory);
    snprintf(other, sizeof other, "file:%s", path);
    image_make(path, &(struct hf_format_options){
                         .cluster = 65536, .copies = 1, .label = "l", .options = "no-reparse,setex-any"});
    const struct hf_format_options bad[] = {
        {.cluster = 1000},       {.copies = 3},
        {.options = "nonsense"}, {.label = "a label that is longer than thirty-two units"},
        {.label = "\xff"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_true(HF_STATUS_IS_ERROR(hf_format(other, &bad[i])));
    assert_status(hf_format(other, &bad[2]), STATUS_INVALID_PARAMETER);
    assert_non_null(strstr(hf_error_text(), "nonsense"));
    assert_status(hf_format(NULL, NULL), STATUS_INVALID_PARAMETER);
    assert_status(hf_format(stack_spec, NULL), STATUS_SHARING_VIOLATION); // attached
    assert_status(hf_format("file:/no/such/image", NULL), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(truncate(path, 4096), 0);
    assert_true(HF_STATUS_IS_ERROR(hf_format(other, NULL)));
    unlink(path);
}

static void format_an_attached_device(void **state)
{
    (void)state;
    hf_handle h;
    assert_ok(hf_attach("Y:", "ram:16777216"));
    assert_status(probe("Y:\\a", 0), STATUS_UNRECOGNIZED_VOLUME);
    assert_ok(hf_format("Y:", NULL));
    put("Y:\\a", "a");
    assert_ok(stack_open("Y:\\a", FILE_READ_DATA, 0, 0, &h));
    assert_status(hf_format("Y:", NULL), STATUS_SHARING_VIOLATION);
    assert_ok(hf_close(h));
    assert_ok(hf_format("Y:", NULL));
    assert_status(probe("Y:\\a", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_ok(hf_detach("Y:"));
}

static void identify_what_is_in_use(void **state)
{
    (void)state;
    struct hf_identity one, two;
    assert_ok(hf_identify(stack_spec, &one)); // attached
    assert_int_equal(one.version, 1);
    assert_int_equal(one.cluster, 4096);
    assert_int_equal(one.copies, 2);
    assert_int_equal(one.superblocks, 2);
    assert_true(one.free < one.size && one.size <= IMAGE_SIZE && one.created <= one.committed);
    assert_non_null(strstr(one.features, "integrity"));
    put("X:\\identified", "a");
    hf_handle h;
    assert_ok(stack_open("X:\\identified", FILE_WRITE_DATA | DELETE, 0, 0, &h));
    assert_ok(hf_flush(h));
    assert_ok(hf_delete(h));
    assert_ok(hf_close(h));
    assert_ok(hf_identify(stack_spec, &two));
    assert_memory_equal(one.uuid, two.uuid, 16);
    assert_true(two.generation > one.generation);
    assert_status(hf_identify("ram:16777216", &two), STATUS_UNRECOGNIZED_VOLUME);
    assert_int_equal(two.version, 0);
    assert_status(hf_identify("file:/no/such/image", &two), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_true(HF_STATUS_IS_ERROR(hf_identify("file:/tmp", &two)));
    assert_status(hf_identify(NULL, &two), STATUS_INVALID_PARAMETER);
}

static void count_finding(void *context, const struct hf_finding *finding)
{
    assert_non_null(finding->kind);
    assert_non_null(finding->text);
    ++*(u32 *)context;
}

static void count_page(void *context, uint64_t address, uint32_t kind, uint32_t level, uint32_t copy)
{
    (void)kind, (void)level, (void)copy;
    assert_true(address < IMAGE_SIZE);
    ++*(u32 *)context;
}

static void check_counts(void **state)
{
    (void)state;
    struct hf_check_totals totals;
    u32 seen = 0;
    make_directory("X:\\d");
    put("X:\\d\\a", "1234567890");
    assert_status(hf_check(stack_spec, NULL, &totals), STATUS_SHARING_VIOLATION); // attached for writing
    assert_ok(hf_detach("X:"));
    struct hf_check_options o = {.data = true, .finding = count_finding, .context = &seen};
    assert_ok(hf_check(stack_spec, &o, &totals));
    assert_int_equal(seen, 0);
    assert_int_equal(totals.findings, 0);
    assert_int_equal(totals.files, 1);
    assert_int_equal(totals.directories, 2);
    o.page = count_page;
    assert_ok(hf_check(stack_spec, &o, NULL));
    assert_true(seen > 0);
    assert_ok(hf_attach("X:", stack_spec));
    remove_name("X:\\d\\a");
    remove_name("X:\\d");
}

static bool stop_at_once(void *context, const struct hf_scrub_totals *totals)
{
    ++*(u32 *)context;
    return totals->bytes > totals->total_bytes;
}

static void scrub_and_go_on(void **state)
{
    (void)state;
    struct hf_scrub_totals totals;
    struct hf_scrub_position position = {0};
    u32 seen = 0;
    struct hf_scrub_options o = {.finding = count_finding, .progress = stop_at_once, .context = &seen};
    put("X:\\a", "1234567890");
    assert_status(hf_scrub(stack_spec, NULL, NULL, &totals), STATUS_SHARING_VIOLATION); // attached
    assert_ok(hf_detach("X:"));
    assert_status(hf_scrub(stack_spec, &position, &o, &totals), STATUS_CANCELLED);
    assert_int_equal(seen, 1);
    assert_int_equal(totals.data_bytes, 0);
    assert_ok(hf_scrub(stack_spec, &position, NULL, &totals));
    assert_int_equal(totals.data_bytes, 4096);
    assert_true(totals.pages > 0 && totals.bytes == totals.total_bytes);
    assert_int_equal(totals.repaired + totals.lost, 0);
    position.bytes[0] ^= 1;
    assert_status(hf_scrub(stack_spec, &position, NULL, NULL), STATUS_INVALID_PARAMETER);
    assert_ok(hf_attach("X:", stack_spec));
    remove_name("X:\\a");
}

static void check_of_what_is_no_volume(void **state)
{
    (void)state;
    char path[150], spec[160];
    struct hf_check_totals totals = {.pages = 9};
    snprintf(path, sizeof path, "%s/n.hf", stack_directory);
    snprintf(spec, sizeof spec, "file:%s", path);
    assert_true(HF_STATUS_IS_ERROR(hf_check(spec, NULL, &totals)));
    assert_int_equal(totals.pages, 0);
    for (off_t size = 0; size <= 1 << 20; size = size ? size * 32 : 1024) {
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        assert_true(fd >= 0 && ftruncate(fd, size) == 0);
        close(fd);
        assert_true(HF_STATUS_IS_ERROR(hf_check(spec, NULL, NULL)));
    }
    unlink(path);
}

static void texts(void **state)
{
    (void)state;
    u16 wide[8];
    char text[16];
    size_t n = 8;
    assert_string_equal(hf_status_name(STATUS_DISK_FULL), "STATUS_DISK_FULL");
    assert_int_equal(hf_status_to_win32(STATUS_DATA_CHECKSUM_ERROR), 323);
    assert_true(hf_status_to_errno(STATUS_DISK_FULL) > 0);
    assert_ok(hf_to_utf16("aü", 3, wide, &n));
    assert_int_equal(n, 2);
    size_t bytes = sizeof text;
    assert_ok(hf_from_utf16(wide, n, text, &bytes));
    assert_int_equal(bytes, 3);
    assert_memory_equal(text, "aü", 3);
    assert_status(probe("X:\\not there", 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_non_null(strstr(hf_error_text(), "not there"));
    char trace[4096];
    assert_true(hf_trace(trace, sizeof trace) > 0);
    assert_int_equal(hf_trace(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_rules),
        cmocka_unit_test(format_an_attached_device),
        cmocka_unit_test(identify_what_is_in_use),
        cmocka_unit_test(check_counts),
        cmocka_unit_test(check_of_what_is_no_volume),
        cmocka_unit_test(scrub_and_go_on),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests_name("volume", tests, stack_setup, stack_teardown);
}
