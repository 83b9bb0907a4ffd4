// SPDX-License-Identifier: Apache-2.0
// Clones as a Windows program makes them: the HANDLE inside the buffer of DeviceIoControl.
#include <windows.h>
#include <winioctl.h>

#include "tests/test.h"

#include <holdfast/holdfast.h>

#define assert_win(expr) assert_true(expr)
#define assert_fails(expr, error)                  \
    do {                                           \
        SetLastError(0xdead);                      \
        assert_false(expr);                        \
        assert_int_equal(GetLastError(), (error)); \
    } while (0)

static int setup(void **state)
{
    (void)state;
    setenv("HOLDFAST_DEVICES", "X:=ram:16M", 1);
    assert_ok(hf_attach_list(NULL));
    assert_ok(hf_format("X:", NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(hf_detach("X:"));
    return 0;
}

static HANDLE make(const char *name, DWORD flags)
{
    HANDLE h = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, flags, NULL);
    assert_win(h != INVALID_HANDLE_VALUE);
    return h;
}

// The HANDLE inside the buffer, on the calling thread and in the background.
static void clones(void **state)
{
    (void)state;
    char data[8192];
    DWORD done;
    memset(data, 's', 4096);
    memset(data + 4096, 't', 4096);
    HANDLE from = make("X:\\from", 0);
    HANDLE to = make("X:\\to", FILE_FLAG_OVERLAPPED);
    assert_win(WriteFile(from, data, 8192, &done, NULL));
    OVERLAPPED o = {0};
    assert_fails(WriteFile(to, data + 4096, 4096, NULL, &o), ERROR_IO_PENDING);
    assert_win(GetOverlappedResult(to, &o, &done, TRUE));
    DUPLICATE_EXTENTS_DATA clone = {.FileHandle = from, .ByteCount = {.QuadPart = 4096}};
    o = (OVERLAPPED){0};
    assert_fails(
        DeviceIoControl(to, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &clone, sizeof clone, NULL, 0, NULL, &o),
        ERROR_IO_PENDING);
    assert_win(GetOverlappedResult(to, &o, &done, TRUE));
    o = (OVERLAPPED){0};
    assert_fails(ReadFile(to, data + 4096, 4096, &done, &o), ERROR_IO_PENDING);
    assert_win(GetOverlappedResult(to, &o, &done, TRUE));
    assert_memory_equal(data, data + 4096, 4096);
    DUPLICATE_EXTENTS_DATA_EX extended = {.Size = sizeof extended, .FileHandle = from};
    extended.TargetFileOffset.QuadPart = extended.ByteCount.QuadPart = 4096;
    assert_win(DeviceIoControl(from, FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, &extended, sizeof extended, NULL, 0,
                               &done, NULL));
    assert_win(ReadFile(from, data, 1, &done, &(OVERLAPPED){.Offset = 8191}));
    assert_int_equal(data[0], 's');
    HANDLE wrong[] = {NULL, INVALID_HANDLE_VALUE, CreateEventA(NULL, TRUE, FALSE, NULL)};
    for (size_t i = 0; i < ARRAYSIZE(wrong); i++) {
        clone.FileHandle = wrong[i];
        assert_fails(DeviceIoControl(from, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &clone, sizeof clone, NULL, 0,
                                     &done, NULL),
                     ERROR_INVALID_PARAMETER);
    }
    assert_fails(DeviceIoControl(from, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &clone, sizeof clone - 1, NULL, 0,
                                 &done, NULL),
                 ERROR_INSUFFICIENT_BUFFER);
    assert_win(CloseHandle(wrong[2]));
    assert_win(CloseHandle(from));
    assert_win(CloseHandle(to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clones),
    };
    return cmocka_run_group_tests_name("win32/clone", tests, setup, teardown);
}
