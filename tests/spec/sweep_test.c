// SPDX-License-Identifier: Apache-2.0
// Every control code that has a name, with input and output buffers of every small size and steps up to
// beyond the largest, on a file, a directory, the volume and the device: each gets a status from the list,
// and no byte beyond a buffer is touched. Buffers end at a page that cannot be accessed.
#include "tests/spec/spec.h"

#include <sys/mman.h>

enum { ROOM = 5 * 4096, LARGEST = 16416 };

static uint8_t *in_end, *out_end; // the first byte that must not be touched

static uint8_t *guarded(void)
{
    uint8_t *p = mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + ROOM, 4096, PROT_NONE), 0);
    return p + ROOM;
}

static size_t next_size(size_t size)
{
    return size < 64 ? size + 1 : size < 1024 ? size + 37 : size + 509;
}

static void one(hf_handle h, const char *code_name, uint32_t code, size_t in, size_t out)
{
    size_t done;
    nt_status status = hf_ioctl(h, code, in ? in_end - in : NULL, in, out ? out_end - out : NULL, out, &done);
    if (strncmp(hf_status_name(status), "STATUS_0x", 9) == 0 || done > out)
        fail_msg("%s, %zu bytes in, %zu out: %s, %zu bytes done", code_name, in, out, hf_status_name(status),
                 done);
}

static const struct {
    const char *name;
    uint32_t code;
} codes[] = {
#define CODE(name, device, function, method, access) {#name, CTL_CODE(device, function, method, access)},
    HF_CONTROL_CODES(CODE)
#undef CODE
};

// The handles are opened anew for each code: some of the codes end them.
static void sweep(uint8_t fill)
{
    static const char *const names[] = {"X:\\f", "X:\\d", "\\\\.\\X:"};
    memset(in_end - ROOM, fill, ROOM);
    for (size_t c = 0; c < COUNT(codes); c++)
        for (size_t n = 0; n < COUNT(names); n++) {
            hf_handle h =
                spec_open(names[n], FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
            for (size_t size = 0; size <= LARGEST; size = next_size(size)) {
                one(h, codes[c].name, codes[c].code, size, 0);
                one(h, codes[c].name, codes[c].code, 0, size);
                one(h, codes[c].name, codes[c].code, size, size);
                one(h, codes[c].name, codes[c].code, 8, size);
                one(h, codes[c].name, codes[c].code, size, 16);
            }
            assert_ok(hf_close(h));
        }
}

static int setup(void **state)
{
    (void)state;
    spec_new(&(struct hf_format_options){.cluster = 4096});
    spec_put("X:\\f", "data");
    spec_mkdir("X:\\d");
    in_end = guarded();
    out_end = guarded();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap(in_end - ROOM, ROOM + 4096);
    munmap(out_end - ROOM, ROOM + 4096);
    spec_free();
    return 0;
}

static void zeros(void **state)
{
    (void)state;
    sweep(0);
}
static void ones(void **state)
{
    (void)state;
    sweep(0xff);
}
static void small_numbers(void **state)
{
    (void)state;
    sweep(1);
}

// A reparse buffer whose lengths lie at every size: only the exact one is taken.
static void reparse_buffers_of_every_size(void **state)
{
    (void)state;
    hf_handle h = spec_file("X:\\f");
    for (size_t size = 8; size <= LARGEST; size = next_size(size)) {
        size_t done;
        uint32_t tag = 0x80000025;
        uint16_t length = (uint16_t)(size - 8);
        memset(in_end - size, 0, size);
        memcpy(in_end - size, &tag, 4);
        memcpy(in_end - size + 4, &length, 2);
        nt_status expected = size <= 16384 ? STATUS_SUCCESS : STATUS_IO_REPARSE_DATA_INVALID;
        assert_status(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, in_end - size, size, NULL, 0, &done), expected);
        if (expected == STATUS_SUCCESS) {
            assert_ok(hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, out_end - size, size, &done));
            assert_int_equal(done, size);
            assert_memory_equal(out_end - size, in_end - size, size);
        }
    }
    assert_ok(hf_close(h));
}

static void codes_without_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"X:\\f", "X:\\d", "\\\\.\\X:"};
    for (size_t n = 0; n < COUNT(names); n++) {
        hf_handle h = spec_open(names[n], FILE_READ_DATA | FILE_WRITE_DATA, FILE_OPEN, 0);
        for (uint32_t function = 0xf00; function < 0xf10; function++)
            for (uint32_t method = 0; method < 4; method++) {
                size_t done;
                uint32_t code = CTL_CODE(FILE_DEVICE_FILE_SYSTEM, function, method, FILE_ANY_ACCESS);
                assert_null(hf_code_name(code));
                assert_status(hf_ioctl(h, code, in_end - 8, 8, out_end - 8, 8, &done),
                              STATUS_INVALID_DEVICE_REQUEST);
            }
        assert_ok(hf_close(h));
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(zeros),
        CASE(ones),
        CASE(small_numbers),
        CASE(reparse_buffers_of_every_size),
        CASE(codes_without_a_name),
    };
    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
