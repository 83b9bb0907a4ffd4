// SPDX-License-Identifier: Apache-2.0
// Every function of the Win32-shaped library, called as a Windows program calls it, on two volumes: X: fixed
// and Y: removable. Cases 7, 10, 11 and 52 of spec/storage.md as DeviceIoControl's caller sees them.
#include <windows.h>
#include <winioctl.h>

#include "tests/test.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <holdfast/holdfast.h>

HF_LAYOUT(sizeof(WCHAR) == 2 && sizeof(L"ab") == 6);
HF_LAYOUT(sizeof(DWORD) == 4 && sizeof(LONG) == 4 && sizeof(BOOL) == 4 && sizeof(HANDLE) == sizeof(void *));

#define assert_win(expr)                                                                             \
    do {                                                                                             \
        if (!(expr)) {                                                                               \
            print_error("%s:%d: %s\n  failed with %u\n", __FILE__, __LINE__, #expr, GetLastError()); \
            fail();                                                                                  \
        }                                                                                            \
    } while (0)
#define assert_fails(expr, error)                  \
    do {                                           \
        SetLastError(0xdead);                      \
        assert_false(expr);                        \
        assert_int_equal(GetLastError(), (error)); \
    } while (0)
#define assert_no_handle(expr, error)                   \
    do {                                                \
        SetLastError(0xdead);                           \
        assert_ptr_equal((expr), INVALID_HANDLE_VALUE); \
        assert_int_equal(GetLastError(), (error));      \
    } while (0)

enum { IMAGE_BYTES = 16 << 20, SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE };
static char folder[64], images[2][96];

// --- a device that answers what a test says ------------------------------------------------------

static nt_status forced_status;
static size_t forced_done;

// The library's calls of hf_ioctl come here first.
nt_status hf_ioctl(hf_handle h, uint32_t code, const void *in, size_t in_length, void *out, size_t out_length,
                   size_t *done)
{
    nt_status (*real)(hf_handle, uint32_t, const void *, size_t, void *, size_t, size_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "hf_ioctl");
    if (forced_status == STATUS_SUCCESS)
        return real(h, code, in, in_length, out, out_length, done);
    *done = forced_done;
    return forced_status;
}

// --- helpers -------------------------------------------------------------------------------------

static int setup(void **state)
{
    (void)state;
    char devices[512], spec[256];
    snprintf(folder, sizeof folder, "/tmp/holdfast-win32-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        snprintf(images[i], sizeof images[i], "%s/%d.hf", folder, i);
        snprintf(spec, sizeof spec, "file:%s", images[i]);
        int fd = open(images[i], O_RDWR | O_CREAT, 0600);
        assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
        close(fd);
        assert_ok(hf_format(spec, &(struct hf_format_options){.label = "Grüße"}));
    }
    snprintf(devices, sizeof devices, "X:=file:%s;Y:=file:%s,removable", images[0], images[1]);
    setenv("HOLDFAST_DEVICES", devices, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(hf_detach("X:"));
    assert_ok(hf_detach("Y:"));
    for (int i = 0; i < 2; i++)
        unlink(images[i]);
    rmdir(folder);
    return 0;
}

static HANDLE open_with(const char *name, DWORD access, DWORD flags)
{
    HANDLE h = CreateFileA(name, access, SHARE_ALL, NULL, OPEN_EXISTING, flags, NULL);
    assert_win(h != INVALID_HANDLE_VALUE);
    return h;
}

static void put(const char *name, const char *text)
{
    DWORD done;
    HANDLE h = CreateFileA(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    assert_win(h != INVALID_HANDLE_VALUE);
    assert_win(WriteFile(h, text, (DWORD)strlen(text), &done, NULL));
    assert_int_equal(done, strlen(text));
    assert_win(CloseHandle(h));
}

static void expect(const char *name, const char *text)
{
    char data[256];
    DWORD done;
    HANDLE h = open_with(name, GENERIC_READ, 0);
    assert_win(ReadFile(h, data, sizeof data, &done, NULL));
    assert_int_equal(done, strlen(text));
    assert_memory_equal(data, text, done);
    assert_win(CloseHandle(h));
}

static bool exists(const char *name)
{
    return GetFileAttributesA(name) != INVALID_FILE_ATTRIBUTES;
}

static void set_integrity(const char *name, WORD algorithm)
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = algorithm};
    HANDLE h = open_with(name, GENERIC_READ | GENERIC_WRITE, FILE_FLAG_BACKUP_SEMANTICS);
    assert_win(DeviceIoControl(h, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0, NULL, NULL));
    assert_win(CloseHandle(h));
}

static bool has_integrity(const char *name)
{
    return GetFileAttributesA(name) & FILE_ATTRIBUTE_INTEGRITY_STREAM;
}

static void put_with_integrity(const char *name, const char *text)
{
    DWORD done;
    HANDLE h = CreateFileA(name, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_INTEGRITY_STREAM, NULL);
    assert_win(h != INVALID_HANDLE_VALUE);
    assert_win(WriteFile(h, text, (DWORD)strlen(text), &done, NULL));
    assert_win(CloseHandle(h));
    assert_true(has_integrity(name));
}

// --- CreateFile ----------------------------------------------------------------------------------

static void create_dispositions(void **state)
{
    (void)state;
    const char *name = "X:\\disposition";
    assert_no_handle(CreateFileA(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL), ERROR_FILE_NOT_FOUND);
    assert_no_handle(CreateFileA(name, GENERIC_WRITE, 0, NULL, TRUNCATE_EXISTING, 0, NULL),
                     ERROR_FILE_NOT_FOUND);
    put(name, "text");
    assert_no_handle(CreateFileA(name, GENERIC_READ, 0, NULL, CREATE_NEW, 0, NULL), ERROR_FILE_EXISTS);
    assert_no_handle(CreateFileA(name, GENERIC_READ, 0, NULL, 6, 0, NULL), ERROR_INVALID_PARAMETER);
    assert_no_handle(CreateFileA(name, GENERIC_READ, 0, NULL, TRUNCATE_EXISTING, 0, NULL),
                     ERROR_INVALID_PARAMETER);
    HANDLE h = CreateFileA(name, GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0, NULL);
    assert_int_equal(GetLastError(), ERROR_ALREADY_EXISTS);
    assert_no_handle(CreateFileA(name, GENERIC_READ, SHARE_ALL, NULL, OPEN_EXISTING, 0, NULL),
                     ERROR_SHARING_VIOLATION);
    assert_win(CloseHandle(h));
    h = CreateFileA(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    assert_int_equal(GetLastError(), ERROR_ALREADY_EXISTS);
    assert_int_equal(GetFileSize(h, NULL), 0);
    assert_win(CloseHandle(h));
    h = CreateFileA("X:\\disposition2", GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE,
                    NULL);
    assert_int_equal(GetLastError(), ERROR_SUCCESS);
    assert_win(CloseHandle(h));
    assert_false(exists("X:\\disposition2"));
}

static void create_names(void **state)
{
    (void)state;
    assert_win(CreateDirectoryA("X:\\names", NULL));
    put("X:\\names\\a", "text");
    const char *same[] = {"X:/names/a",
                          "x:\\NAMES\\A",
                          "\\\\?\\X:\\names\\a",
                          "\\\\.\\X:\\names\\a",
                          "X:\\names\\.\\b\\..\\a",
                          "\\names\\a",
                          "names\\a",
                          "/names/a",
                          "X:names\\a",
                          "X:\\\\names\\\\a",
                          "X:\\names\\a. .",
                          "//./X:/names/a"};
    for (size_t i = 0; i < ARRAYSIZE(same); i++)
        expect(same[i], "text");
    const struct {
        const char *name;
        DWORD error;
    } bad[] = {{"", ERROR_PATH_NOT_FOUND},
               {"Q:\\a", ERROR_PATH_NOT_FOUND},
               {"X:\\nowhere\\a", ERROR_PATH_NOT_FOUND},
               {"X:\\a*", ERROR_INVALID_NAME},
               {"X:\\names\\b\"c", ERROR_INVALID_NAME},
               {"X:\\\xff", ERROR_INVALID_NAME},
               {"\\\\?\\X:/names/a", ERROR_FILE_NOT_FOUND},
               {"\\\\.\\PhysicalDrive77", ERROR_FILE_NOT_FOUND},
               {"X:\\names", ERROR_ACCESS_DENIED},
               {"X:\\names\\", ERROR_INVALID_NAME}};
    for (size_t i = 0; i < ARRAYSIZE(bad); i++) {
        HANDLE h = CreateFileA(bad[i].name, GENERIC_READ, SHARE_ALL, NULL, OPEN_EXISTING, 0, NULL);
        if (h != INVALID_HANDLE_VALUE || GetLastError() != bad[i].error)
            fail_msg("%s: %u instead of %u", bad[i].name, GetLastError(), bad[i].error);
    }
    assert_no_handle(CreateFileA(NULL, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL),
                     ERROR_INVALID_PARAMETER);
    assert_no_handle(CreateFileW(L"X:\\\xd800", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL),
                     ERROR_INVALID_NAME);
    HANDLE h = CreateFileW(L"X:\\names\\\x00fc", GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    assert_win(h != INVALID_HANDLE_VALUE);
    assert_win(CloseHandle(h));
    assert_true(exists("X:\\names\\ü"));
    assert_win(CloseHandle(open_with("X:\\names\\", GENERIC_READ, FILE_FLAG_BACKUP_SEMANTICS)));
}

static void create_volumes(void **state)
{
    (void)state;
    assert_win(CloseHandle(open_with("\\\\.\\X:", GENERIC_READ, 0)));
    assert_win(CloseHandle(open_with("\\\\.\\y:", 0, 0)));
    assert_win(CloseHandle(open_with("X:\\", GENERIC_READ, FILE_FLAG_BACKUP_SEMANTICS)));
    assert_win(CloseHandle(open_with("X:", GENERIC_READ, FILE_FLAG_BACKUP_SEMANTICS)));
}

static void stale_handles(void **state)
{
    (void)state;
    DWORD done;
    char c;
    put("X:\\stale", "text");
    HANDLE h = open_with("X:\\stale", GENERIC_READ, 0);
    assert_fails(SetEvent(h), ERROR_INVALID_HANDLE);
    assert_fails(FindClose(h), ERROR_INVALID_HANDLE);
    assert_win(CloseHandle(h));
    HANDLE next = open_with("X:\\stale", GENERIC_READ, 0); // in the same slot
    HANDLE bad[] = {h, NULL, INVALID_HANDLE_VALUE, (HANDLE)4, (HANDLE)7, (HANDLE)0x7ffffffffffffffc, &done};
    for (size_t i = 0; i < ARRAYSIZE(bad); i++) {
        assert_fails(ReadFile(bad[i], &c, 1, &done, NULL), ERROR_INVALID_HANDLE);
        assert_fails(DeviceIoControl(bad[i], FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, &done, NULL),
                     ERROR_INVALID_HANDLE);
        assert_int_equal(WaitForSingleObject(bad[i], 0), WAIT_FAILED);
        if (bad[i] != GetCurrentProcess())
            assert_fails(CloseHandle(bad[i]), ERROR_INVALID_HANDLE);
    }
    assert_win(CloseHandle(next));
}

// --- data ----------------------------------------------------------------------------------------

static void read_write_pointer(void **state)
{
    (void)state;
    char data[16] = {0};
    DWORD done;
    LARGE_INTEGER at, size;
    HANDLE h = CreateFileA("X:\\data", GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    assert_win(WriteFile(h, "0123456789", 10, &done, NULL));
    assert_win(ReadFile(h, data, sizeof data, &done, NULL));
    assert_int_equal(done, 0); // at the end: no error
    at.QuadPart = -4;
    assert_win(SetFilePointerEx(h, at, &size, FILE_END));
    assert_int_equal(size.QuadPart, 6);
    assert_win(ReadFile(h, data, 2, &done, NULL));
    assert_memory_equal(data, "67", 2);
    assert_int_equal(SetFilePointer(h, 1, NULL, FILE_CURRENT), 9);
    assert_win(ReadFile(h, data, sizeof data, &done, NULL));
    assert_int_equal(done, 1);
    at.QuadPart = -11;
    assert_fails(SetFilePointerEx(h, at, NULL, FILE_END), ERROR_NEGATIVE_SEEK);
    assert_fails(SetFilePointerEx(h, at, NULL, 3), ERROR_INVALID_PARAMETER);
    LONG high = 1;
    assert_int_equal(SetFilePointer(h, -1, &high, FILE_BEGIN), 0xffffffff);
    assert_int_equal(GetLastError(), NO_ERROR);
    assert_int_equal(high, 1);
    assert_int_equal(SetFilePointer(h, 4, NULL, FILE_BEGIN), 4);
    assert_win(SetEndOfFile(h));
    assert_win(GetFileSizeEx(h, &size));
    assert_int_equal(size.QuadPart, 4);
    DWORD size_high = 7;
    assert_int_equal(GetFileSize(h, &size_high), 4);
    assert_int_equal(size_high, 0);
    assert_int_equal(GetFileType(h), FILE_TYPE_DISK);
    assert_win(FlushFileBuffers(h));
    assert_fails(ReadFile(h, data, 1, NULL, NULL), ERROR_INVALID_PARAMETER);
    assert_win(CloseHandle(h));
    h = open_with("X:\\data", FILE_APPEND_DATA, 0);
    assert_win(WriteFile(h, "ab", 2, &done, NULL));
    assert_win(WriteFile(h, "cd", 2, &done, NULL));
    assert_fails(ReadFile(h, data, 1, &done, NULL), ERROR_ACCESS_DENIED);
    assert_win(CloseHandle(h));
    expect("X:\\data", "0123abcd");
}

static void null_buffers(void **state)
{
    (void)state;
    DWORD done;
    put("X:\\null", "text");
    HANDLE h = open_with("X:\\null", GENERIC_READ | GENERIC_WRITE, 0);
    assert_false(ReadFile(h, NULL, 4, &done, NULL));
    assert_false(WriteFile(h, NULL, 4, &done, NULL));
    assert_false(GetFileSizeEx(h, NULL));
    assert_false(GetFileInformationByHandle(h, NULL));
    assert_false(GetFileInformationByHandleEx(h, FileBasicInfo, NULL, sizeof(FILE_BASIC_INFO)));
    assert_false(SetFileInformationByHandle(h, FileBasicInfo, NULL, sizeof(FILE_BASIC_INFO)));
    assert_false(SetFileInformationByHandle(h, FileRenameInfo, NULL, sizeof(FILE_RENAME_INFO)));
    assert_win(CloseHandle(h));
    assert_false(DeleteFileA(NULL));
    assert_false(DeleteFileW(NULL));
    assert_false(CopyFileW(NULL, NULL, FALSE));
    assert_ptr_equal(FindFirstFileW(L"X:\\*", NULL), INVALID_HANDLE_VALUE);
    expect("X:\\null", "text");
}

// An OVERLAPPED on a handle without FILE_FLAG_OVERLAPPED: its offset, and finished on return.
static void overlapped_on_synchronous_handle(void **state)
{
    (void)state;
    char data[8];
    DWORD done;
    put("X:\\sync", "0123456789");
    HANDLE h = open_with("X:\\sync", GENERIC_READ, 0);
    OVERLAPPED o = {.Offset = 8, .hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    assert_win(ReadFile(h, data, 8, &done, &o));
    assert_int_equal(done, 2);
    assert_int_equal(o.InternalHigh, 2);
    assert_int_equal(WaitForSingleObject(o.hEvent, 0), WAIT_OBJECT_0);
    assert_int_equal(SetFilePointer(h, 0, NULL, FILE_CURRENT), 10);
    assert_fails(ReadFile(h, data, 8, &done, &(OVERLAPPED){.Offset = 10}), ERROR_HANDLE_EOF);
    assert_win(CloseHandle(o.hEvent));
    assert_win(CloseHandle(h));
}

static void overlapped_requests(void **state)
{
    (void)state;
    char data[8] = {0};
    DWORD done = 9;
    put("X:\\over", "");
    HANDLE h = open_with("X:\\over", GENERIC_READ | GENERIC_WRITE, FILE_FLAG_OVERLAPPED);
    OVERLAPPED o = {.Offset = 4, .hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    assert_fails(ReadFile(h, data, 8, &done, NULL), ERROR_INVALID_PARAMETER);
    assert_fails(WriteFile(h, "data", 4, NULL, &o), ERROR_IO_PENDING);
    assert_win(GetOverlappedResult(h, &o, &done, TRUE));
    assert_int_equal(done, 4);
    assert_true(HasOverlappedIoCompleted(&o));
    assert_int_equal(WaitForSingleObject(o.hEvent, INFINITE), WAIT_OBJECT_0);
    assert_win(CloseHandle(o.hEvent));
    o = (OVERLAPPED){.Offset = 2}; // no event: the file is signalled
    assert_fails(ReadFile(h, data, 8, &done, &o), ERROR_IO_PENDING);
    assert_int_equal(WaitForSingleObject(h, INFINITE), WAIT_OBJECT_0);
    assert_win(GetOverlappedResult(h, &o, &done, FALSE));
    assert_int_equal(done, 6);
    assert_memory_equal(data, "\0\0data", 6);
    o = (OVERLAPPED){.Offset = 8};
    assert_fails(ReadFile(h, data, 8, &done, &o), ERROR_IO_PENDING);
    assert_fails(GetOverlappedResult(h, &o, &done, TRUE), ERROR_HANDLE_EOF);
    assert_int_equal(o.Internal, (DWORD)STATUS_END_OF_FILE);
    o = (OVERLAPPED){.hEvent = (HANDLE)0x123450};
    assert_fails(ReadFile(h, data, 8, &done, &o), ERROR_INVALID_HANDLE);
    assert_win(CloseHandle(h));
}

// A lock that waits, cancelled; and one that is granted once the other is gone.
static void locks(void **state)
{
    (void)state;
    DWORD done;
    put("X:\\lock", "0123456789");
    HANDLE a = open_with("X:\\lock", GENERIC_READ | GENERIC_WRITE, 0);
    HANDLE b = open_with("X:\\lock", GENERIC_READ | GENERIC_WRITE, FILE_FLAG_OVERLAPPED);
    assert_win(LockFile(a, 0, 0, 5, 0));
    OVERLAPPED o = {.hEvent = CreateEventA(NULL, FALSE, FALSE, NULL)};
    assert_fails(LockFileEx(b, LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &o), ERROR_LOCK_VIOLATION);
    assert_fails(LockFileEx(b, LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &o), ERROR_IO_PENDING);
    assert_fails(GetOverlappedResult(b, &o, &done, FALSE), ERROR_IO_INCOMPLETE);
    assert_win(CancelIoEx(b, &o));
    assert_fails(GetOverlappedResult(b, &o, &done, TRUE), ERROR_OPERATION_ABORTED);
    assert_fails(LockFileEx(b, LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &o), ERROR_IO_PENDING);
    assert_win(UnlockFile(a, 0, 0, 5, 0));
    assert_win(GetOverlappedResult(b, &o, &done, TRUE));
    assert_win(UnlockFileEx(b, 0, 1, 0, &o));
    assert_fails(UnlockFile(a, 0, 0, 5, 0), ERROR_NOT_LOCKED);
    assert_win(CancelIo(b));
    // Closing the handle ends what waits on it.
    assert_win(LockFile(a, 0, 0, 5, 0));
    assert_fails(LockFileEx(b, LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &o), ERROR_IO_PENDING);
    assert_win(CloseHandle(b));
    assert_int_equal((DWORD)o.Internal, (DWORD)STATUS_CANCELLED);
    assert_win(CloseHandle(o.hEvent));
    assert_win(CloseHandle(a));
}

static void *set_later(void *event)
{
    Sleep(1);
    SetEvent(event);
    return NULL;
}

static void events(void **state)
{
    (void)state;
    HANDLE manual = CreateEventA(NULL, TRUE, TRUE, NULL), automatic = CreateEventW(NULL, FALSE, FALSE, NULL);
    assert_int_equal(WaitForSingleObject(manual, 0), WAIT_OBJECT_0);
    assert_int_equal(WaitForSingleObject(manual, 0), WAIT_OBJECT_0);
    assert_win(ResetEvent(manual));
    assert_int_equal(WaitForSingleObject(manual, 1), WAIT_TIMEOUT);
    assert_win(SetEvent(automatic));
    assert_int_equal(WaitForSingleObject(automatic, 0), WAIT_OBJECT_0);
    assert_int_equal(WaitForSingleObject(automatic, 0), WAIT_TIMEOUT);
    pthread_t thread;
    ULONGLONG before = GetTickCount64();
    pthread_create(&thread, NULL, set_later, automatic);
    assert_int_equal(WaitForSingleObject(automatic, INFINITE), WAIT_OBJECT_0);
    pthread_join(thread, NULL);
    assert_true(GetTickCount64() >= before);
    assert_true((DWORD)(GetTickCount() - (DWORD)before) < 0x7fffffff);
    assert_null(CreateEventA(NULL, TRUE, FALSE, "named"));
    assert_int_equal(GetLastError(), ERROR_NOT_SUPPORTED);
    assert_win(CloseHandle(manual));
    assert_win(CloseHandle(automatic));
}

// --- DeviceIoControl -----------------------------------------------------------------------------

static void case_007_check_verify_needs_read_access(void **state)
{
    (void)state;
    DWORD done = 9, count = 0xaaaaaaaa;
    HANDLE h = open_with("\\\\.\\Y:", FILE_READ_ATTRIBUTES, 0);
    assert_fails(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 0, &done, NULL),
                 ERROR_ACCESS_DENIED);
    assert_int_equal(done, 0);
    assert_win(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY2, NULL, 0, &count, sizeof count, &done, NULL));
    assert_int_equal(done, 4);
    assert_int_not_equal(count, 0xaaaaaaaa);
    assert_win(CloseHandle(h));
    h = open_with("\\\\.\\Y:", GENERIC_READ, 0);
    assert_win(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, &count, sizeof count, &done, NULL));
    assert_int_equal(done, 4);
    assert_fails(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, &count, 3, &done, NULL),
                 ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(done, 0);
    assert_win(CloseHandle(h));
}

static void case_010_null_output_with_length(void **state)
{
    (void)state;
    DWORD done;
    HANDLE h = open_with("\\\\.\\Y:", GENERIC_READ, 0);
    assert_fails(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 4, &done, NULL),
                 ERROR_NOACCESS);
    assert_fails(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 4, NULL, 0, &done, NULL),
                 ERROR_NOACCESS);
    assert_win(CloseHandle(h));
}

static void case_011_overlapped_check_verify(void **state)
{
    (void)state;
    DWORD done = 0, count = 0xaaaaaaaa;
    HANDLE h = open_with("\\\\.\\Y:", GENERIC_READ, FILE_FLAG_OVERLAPPED);
    OVERLAPPED o = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    BOOL ok = DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, &count, sizeof count, &done, &o);
    assert_true(ok || GetLastError() == ERROR_IO_PENDING);
    assert_int_equal(WaitForSingleObject(o.hEvent, INFINITE), WAIT_OBJECT_0);
    assert_win(GetOverlappedResult(h, &o, &done, FALSE));
    assert_int_equal(done, 4);
    assert_int_equal(o.Internal, STATUS_SUCCESS);
    assert_int_equal(o.InternalHigh, 4);
    assert_int_not_equal(count, 0xaaaaaaaa);
    ok = DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, &count, 2, NULL, &o);
    assert_true(!ok && GetLastError() == ERROR_IO_PENDING);
    assert_fails(GetOverlappedResult(h, &o, &done, TRUE), ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal((DWORD)o.Internal, (DWORD)STATUS_BUFFER_TOO_SMALL);
    assert_win(CloseHandle(o.hEvent));
    assert_win(CloseHandle(h));
}

// A warning is FALSE with its byte count stored; an error stores 0 (spec/storage.md 2.10, D24).
static void case_052_warning_stores_the_count(void **state)
{
    (void)state;
    DWORD done = 9;
    HANDLE h = open_with("\\\\.\\Y:", GENERIC_READ, 0);
    forced_status = STATUS_DEVICE_BUSY;
    forced_done = 0;
    assert_fails(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 0, &done, NULL), ERROR_BUSY);
    assert_int_equal(done, 0);
    forced_status = STATUS_VERIFY_REQUIRED;
    assert_fails(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 0, &done, NULL),
                 ERROR_MEDIA_CHANGED);
    forced_status = STATUS_BUFFER_OVERFLOW;
    forced_done = 3;
    assert_fails(DeviceIoControl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, NULL, 0, &done, NULL), ERROR_MORE_DATA);
    assert_int_equal(done, 3);
    forced_status = STATUS_IO_DEVICE_ERROR;
    assert_fails(DeviceIoControl(h, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, NULL, 0, &done, NULL),
                 ERROR_IO_DEVICE);
    assert_int_equal(done, 0);
    forced_status = STATUS_SUCCESS;
    assert_win(CloseHandle(h));
}

static void storage_buffers(void **state)
{
    (void)state;
    DWORD done;
    GET_LENGTH_INFORMATION length;
    DISK_GEOMETRY geometry;
    STORAGE_DEVICE_NUMBER number;
    STORAGE_HOTPLUG_INFO hotplug;
    HANDLE h = open_with("\\\\.\\Y:", GENERIC_READ, 0);
    assert_win(DeviceIoControl(h, IOCTL_DISK_GET_LENGTH_INFO, NULL, 0, &length, sizeof length, &done, NULL));
    assert_int_equal(length.Length.QuadPart, IMAGE_BYTES);
    assert_win(
        DeviceIoControl(h, IOCTL_DISK_GET_DRIVE_GEOMETRY, NULL, 0, &geometry, sizeof geometry, &done, NULL));
    assert_int_equal(geometry.MediaType, RemovableMedia);
    assert_true(geometry.Cylinders.QuadPart > 0);
    assert_win(
        DeviceIoControl(h, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &number, sizeof number, &done, NULL));
    assert_int_equal(number.DeviceType, FILE_DEVICE_DISK);
    assert_win(
        DeviceIoControl(h, IOCTL_STORAGE_GET_HOTPLUG_INFO, NULL, 0, &hotplug, sizeof hotplug, &done, NULL));
    assert_int_equal(hotplug.MediaRemovable, TRUE);
    assert_win(DeviceIoControl(h, FSCTL_IS_VOLUME_MOUNTED, NULL, 0, NULL, 0, &done, NULL));
    assert_fails(DeviceIoControl(h, 0x12345678, NULL, 0, NULL, 0, &done, NULL), ERROR_INVALID_FUNCTION);
    assert_win(CloseHandle(h));
}

// --- names ---------------------------------------------------------------------------------------

static void directories_and_deletion(void **state)
{
    (void)state;
    assert_win(CreateDirectoryA("X:\\dir", NULL));
    assert_fails(CreateDirectoryA("X:\\dir", NULL), ERROR_ALREADY_EXISTS);
    assert_fails(CreateDirectoryA("X:\\none\\dir", NULL), ERROR_PATH_NOT_FOUND);
    assert_win(CreateDirectoryW(L"X:\\dir\\sub\\", NULL));
    put("X:\\dir\\file", "text");
    assert_fails(RemoveDirectoryA("X:\\dir"), ERROR_DIR_NOT_EMPTY);
    assert_fails(RemoveDirectoryA("X:\\dir\\file"), ERROR_DIRECTORY);
    assert_fails(DeleteFileA("X:\\dir\\sub"), ERROR_ACCESS_DENIED);
    assert_fails(DeleteFileA("X:\\dir\\none"), ERROR_FILE_NOT_FOUND);
    assert_win(SetFileAttributesA("X:\\dir\\file", FILE_ATTRIBUTE_READONLY));
    assert_fails(DeleteFileA("X:\\dir\\file"), ERROR_ACCESS_DENIED);
    assert_win(SetFileAttributesA("X:\\dir\\file", FILE_ATTRIBUTE_NORMAL));
    assert_win(DeleteFileW(L"X:\\dir\\file"));
    assert_win(RemoveDirectoryW(L"X:\\dir\\sub"));
    assert_win(RemoveDirectoryA("X:\\dir"));
    assert_false(exists("X:\\dir"));
}

static void move(void **state)
{
    (void)state;
    put("X:\\move1", "one");
    put("X:\\move2", "two");
    assert_fails(MoveFileA("X:\\move1", "X:\\move2"), ERROR_ALREADY_EXISTS);
    assert_fails(MoveFileA("X:\\none", "X:\\move3"), ERROR_FILE_NOT_FOUND);
    assert_fails(MoveFileExA("X:\\move1", NULL, 4), ERROR_NOT_SUPPORTED);
    assert_win(MoveFileExA("X:\\move1", "X:\\move2", MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH));
    expect("X:\\move2", "one");
    assert_false(exists("X:\\move1"));
    assert_win(MoveFileW(L"X:\\move2", L"X:\\move3"));
    assert_fails(MoveFileExA("X:\\move3", "Y:\\moved", 0), ERROR_NOT_SAME_DEVICE);
    assert_win(MoveFileA("X:\\move3", "Y:\\moved"));
    expect("Y:\\moved", "one");
    assert_false(exists("X:\\move3"));
    assert_win(CreateDirectoryA("X:\\movedir", NULL));
    assert_fails(MoveFileA("X:\\movedir", "Y:\\movedir"), ERROR_NOT_SAME_DEVICE);
    put("X:\\move4", "");
    assert_fails(MoveFileExA("X:\\move4", "X:\\movedir", MOVEFILE_REPLACE_EXISTING), ERROR_ACCESS_DENIED);
}

static void attributes(void **state)
{
    (void)state;
    WIN32_FILE_ATTRIBUTE_DATA data;
    put("X:\\attributes", "12345");
    assert_win(SetFileAttributesA("X:\\attributes", FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM));
    assert_int_equal(GetFileAttributesA("X:\\attributes"), 6);
    assert_win(SetFileAttributesW(L"X:\\attributes", 0));
    assert_int_equal(GetFileAttributesW(L"X:\\attributes"), FILE_ATTRIBUTE_NORMAL);
    assert_int_equal(GetFileAttributesA("X:\\"), FILE_ATTRIBUTE_DIRECTORY);
    assert_int_equal(GetFileAttributesA("X:\\none"), INVALID_FILE_ATTRIBUTES);
    assert_int_equal(GetLastError(), ERROR_FILE_NOT_FOUND);
    assert_win(GetFileAttributesExA("X:\\attributes", GetFileExInfoStandard, &data));
    assert_int_equal(data.nFileSizeLow, 5);
    assert_int_equal(data.nFileSizeHigh, 0);
    assert_true(data.ftCreationTime.dwHighDateTime > 0x01d00000);
    assert_win(GetFileAttributesExW(L"X:\\attributes", GetFileExInfoStandard, &data));
    assert_fails(GetFileAttributesExA("X:\\attributes", GetFileExMaxInfoLevel, &data),
                 ERROR_INVALID_PARAMETER);
}

static void find(void **state)
{
    (void)state;
    WIN32_FIND_DATAA data;
    WIN32_FIND_DATAW wide;
    assert_win(CreateDirectoryA("X:\\find", NULL));
    for (int i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "X:\\find\\file-%03d.txt", i);
        put(name, "x");
    }
    put("X:\\find\\other", "12");
    int seen = 0;
    HANDLE h = FindFirstFileA("X:\\find\\*.TXT", &data);
    assert_win(h != INVALID_HANDLE_VALUE);
    do {
        char name[64];
        snprintf(name, sizeof name, "file-%03d.txt", seen++);
        assert_string_equal(data.cFileName, name);
        assert_int_equal(data.nFileSizeLow, 1);
    } while (FindNextFileA(h, &data));
    assert_int_equal(GetLastError(), ERROR_NO_MORE_FILES);
    assert_int_equal(seen, 300);
    assert_fails(FindNextFileA(h, &data), ERROR_NO_MORE_FILES);
    assert_fails(CloseHandle(h), ERROR_INVALID_HANDLE);
    assert_win(FindClose(h));
    assert_fails(FindNextFileA(h, &data), ERROR_INVALID_HANDLE);
    h = FindFirstFileW(L"X:\\find\\other", &wide);
    assert_win(h != INVALID_HANDLE_VALUE);
    assert_memory_equal(wide.cFileName, L"other", sizeof L"other");
    assert_fails(FindNextFileW(h, &wide), ERROR_NO_MORE_FILES);
    assert_win(FindClose(h));
    seen = 0;
    h = FindFirstFileA("X:\\find\\*.*", &data);
    do
        seen++;
    while (FindNextFileA(h, &data));
    assert_int_equal(seen, 303); // with "." and ".."
    assert_win(FindClose(h));
    assert_no_handle(FindFirstFileA("X:\\find\\none*", &data), ERROR_FILE_NOT_FOUND);
    assert_no_handle(FindFirstFileA("X:\\none\\*", &data), ERROR_PATH_NOT_FOUND);
    assert_no_handle(FindFirstFileA("X:\\find\\", &data), ERROR_FILE_NOT_FOUND);
    assert_no_handle(FindFirstFileA("X:\\find\\other\\*", &data), ERROR_DIRECTORY);
}

// --- information ---------------------------------------------------------------------------------

static void information(void **state)
{
    (void)state;
    BY_HANDLE_FILE_INFORMATION by_handle;
    FILE_BASIC_INFO basic;
    FILE_STANDARD_INFO standard;
    FILE_ATTRIBUTE_TAG_INFO tag;
    FILE_ID_INFO id;
    struct {
        FILE_NAME_INFO info;
        WCHAR room[64];
    } name;
    put("X:\\info", "12345");
    assert_win(CreateHardLinkA("X:\\info2", "X:\\info", NULL));
    HANDLE h = open_with("X:\\info", GENERIC_READ, 0);
    assert_win(GetFileInformationByHandle(h, &by_handle));
    assert_int_equal(by_handle.nFileSizeLow, 5);
    assert_int_equal(by_handle.nNumberOfLinks, 2);
    assert_win(GetFileInformationByHandleEx(h, FileBasicInfo, &basic, sizeof basic));
    assert_int_equal(basic.CreationTime.LowPart, by_handle.ftCreationTime.dwLowDateTime);
    assert_win(GetFileInformationByHandleEx(h, FileStandardInfo, &standard, sizeof standard));
    assert_int_equal(standard.EndOfFile.QuadPart, 5);
    assert_int_equal(standard.NumberOfLinks, 2);
    assert_false(standard.Directory);
    assert_win(GetFileInformationByHandleEx(h, FileAttributeTagInfo, &tag, sizeof tag));
    assert_int_equal(tag.ReparseTag, 0);
    assert_win(GetFileInformationByHandleEx(h, FileNameInfo, &name, sizeof name));
    assert_int_equal(name.info.FileNameLength, 10);
    assert_memory_equal(name.info.FileName, L"\\info", 10);
    assert_win(GetFileInformationByHandleEx(h, FileIdInfo, &id, sizeof id));
    assert_memory_equal(id.FileId.Identifier, &by_handle.nFileIndexLow, 4);
    assert_fails(GetFileInformationByHandleEx(h, FileBasicInfo, &basic, 8), ERROR_BAD_LENGTH);
    assert_fails(GetFileInformationByHandleEx(h, FileRemoteProtocolInfo, &basic, sizeof basic),
                 ERROR_INVALID_PARAMETER);
    assert_win(CloseHandle(h));
}

static void directory_information(void **state)
{
    (void)state;
    union {
        FILE_ID_BOTH_DIR_INFO both;
        FILE_ID_EXTD_DIR_INFO extd;
        BYTE bytes[4096];
    } list;
    assert_win(CreateDirectoryA("X:\\listing", NULL));
    put("X:\\listing\\a", "1");
    HANDLE h = open_with("X:\\listing", GENERIC_READ, FILE_FLAG_BACKUP_SEMANTICS);
    assert_win(GetFileInformationByHandleEx(h, FileIdBothDirectoryInfo, &list, sizeof list));
    assert_memory_equal(list.both.FileName, L".", 2);
    assert_true(list.both.NextEntryOffset > 0);
    assert_fails(GetFileInformationByHandleEx(h, FileIdBothDirectoryInfo, &list, sizeof list),
                 ERROR_NO_MORE_FILES);
    assert_win(GetFileInformationByHandleEx(h, FileIdExtdDirectoryRestartInfo, &list, sizeof list));
    assert_memory_equal(list.extd.FileName, L".", 2);
    assert_win(CloseHandle(h));
}

static void set_information(void **state)
{
    (void)state;
    struct {
        FILE_RENAME_INFO info;
        WCHAR room[64];
    } rename = {0};
    FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = 2};
    FILE_BASIC_INFO basic = {.FileAttributes = FILE_ATTRIBUTE_HIDDEN};
    FILE_DISPOSITION_INFO delete_it = {TRUE};
    FILETIME time = {0x12345678, 0x01d10000}, got;
    put("X:\\set", "12345");
    put("X:\\set3", "");
    HANDLE h = open_with("X:\\set", GENERIC_READ | GENERIC_WRITE | DELETE, 0);
    assert_win(SetFileInformationByHandle(h, FileEndOfFileInfo, &end, sizeof end));
    assert_int_equal(GetFileSize(h, NULL), 2);
    assert_win(SetFileInformationByHandle(h, FileBasicInfo, &basic, sizeof basic));
    assert_win(SetFileTime(h, &time, NULL, &time));
    assert_win(GetFileTime(h, &got, NULL, NULL));
    assert_memory_equal(&got, &time, sizeof got);
    rename.info.FileNameLength = 14;
    memcpy(rename.info.FileName, L"X:\\set3", 14);
    assert_fails(SetFileInformationByHandle(h, FileRenameInfo, &rename, sizeof rename), ERROR_ALREADY_EXISTS);
    rename.info.ReplaceIfExists = TRUE;
    assert_fails(SetFileInformationByHandle(h, FileRenameInfo, &rename, 21), ERROR_INVALID_PARAMETER);
    assert_win(SetFileInformationByHandle(h, FileRenameInfo, &rename, sizeof rename));
    assert_int_equal(GetFileAttributesA("X:\\set3"), FILE_ATTRIBUTE_HIDDEN);
    put("X:\\set5", "");
    HANDLE other = open_with("X:\\set5", GENERIC_READ, 0);
    memcpy(rename.info.FileName, L"X:\\set5", 14);
    assert_fails(SetFileInformationByHandle(h, FileRenameInfo, &rename, sizeof rename), ERROR_ACCESS_DENIED);
    rename.info.Flags = FILE_RENAME_FLAG_REPLACE_IF_EXISTS | FILE_RENAME_FLAG_POSIX_SEMANTICS;
    assert_fails(SetFileInformationByHandle(h, FileRenameInfo, &rename, sizeof rename), ERROR_ACCESS_DENIED);
    assert_win(SetFileInformationByHandle(h, FileRenameInfoEx, &rename, sizeof rename));
    assert_win(CloseHandle(other));
    HANDLE root = open_with("X:\\", GENERIC_READ, FILE_FLAG_BACKUP_SEMANTICS);
    rename.info.RootDirectory = root;
    rename.info.FileNameLength = 8;
    memcpy(rename.info.FileName, L"set4", 8);
    assert_win(SetFileInformationByHandle(h, FileRenameInfo, &rename, sizeof rename));
    assert_win(CloseHandle(root));
    assert_fails(SetFileInformationByHandle(h, FileNameInfo, &rename, sizeof rename),
                 ERROR_INVALID_PARAMETER);
    assert_win(SetFileInformationByHandle(h, FileDispositionInfo, &delete_it, sizeof delete_it));
    assert_win(CloseHandle(h));
    assert_false(exists("X:\\set4"));
}

static void volumes(void **state)
{
    (void)state;
    char label[32], fs_name[32];
    WCHAR wide[32];
    DWORD serial, component, flags;
    ULARGE_INTEGER available, total, free_bytes;
    assert_win(GetVolumeInformationA("X:\\", label, sizeof label, &serial, &component, &flags, fs_name,
                                     sizeof fs_name));
    assert_string_equal(label, "Grüße");
    assert_string_equal(fs_name, "Holdfast");
    assert_int_equal(component, 255);
    assert_true(flags & FILE_SUPPORTS_REPARSE_POINTS);
    assert_true(flags & FILE_SUPPORTS_INTEGRITY_STREAMS);
    assert_win(GetVolumeInformationW(L"X:\\", wide, 32, NULL, NULL, NULL, NULL, 0));
    assert_memory_equal(wide, L"Gr\x00fc\x00df\x0065", 12);
    assert_win(GetVolumeInformationA(NULL, NULL, 0, &serial, NULL, NULL, NULL, 0));
    assert_fails(GetVolumeInformationA("X:\\", label, 3, NULL, NULL, NULL, NULL, 0), ERROR_BAD_LENGTH);
    assert_fails(GetVolumeInformationA("X:", NULL, 0, NULL, NULL, NULL, NULL, 0), ERROR_INVALID_NAME);
    assert_win(CreateDirectoryA("X:\\noroot", NULL));
    assert_fails(GetVolumeInformationA("X:\\noroot\\", NULL, 0, NULL, NULL, NULL, NULL, 0),
                 ERROR_DIR_NOT_ROOT);
    assert_win(GetDiskFreeSpaceExA("X:\\noroot", &available, &total, &free_bytes));
    assert_true(available.QuadPart > 0 && available.QuadPart <= free_bytes.QuadPart);
    assert_true(free_bytes.QuadPart < total.QuadPart && total.QuadPart <= IMAGE_BYTES);
    assert_win(GetDiskFreeSpaceExW(L"Y:\\", NULL, &total, NULL));
}

// --- texts and privileges ------------------------------------------------------------------------

static void messages(void **state)
{
    (void)state;
    char text[256], *allocated = NULL;
    WCHAR wide[256];
    assert_int_equal(
        FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM, NULL, ERROR_ACCESS_DENIED, 0, text, sizeof text, NULL),
        19);
    assert_string_equal(text, "Access is denied.\r\n");
    assert_int_equal(
        FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM, NULL, ERROR_ACCESS_DENIED, 0, wide, 256, NULL), 19);
    assert_memory_equal(wide, L"Access", 12);
    DWORD length = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_ALLOCATE_BUFFER, NULL,
                                  ERROR_DATA_CHECKSUM_ERROR, 0, (LPSTR)&allocated, 0, NULL);
    assert_int_equal(length, strlen(allocated));
    assert_null(LocalFree(allocated));
    assert_int_equal(FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM, NULL, 5, 0, text, 19, NULL), 0);
    assert_int_equal(GetLastError(), ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM, NULL, 55555, 0, text, sizeof text, NULL), 0);
    assert_int_equal(GetLastError(), ERROR_MR_MID_NOT_FOUND);
}

static void privileges(void **state)
{
    (void)state;
    HANDLE token;
    TOKEN_PRIVILEGES off = {.PrivilegeCount = 1}, before = {0};
    DWORD needed;
    assert_win(OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token));
    assert_win(LookupPrivilegeValue(NULL, SE_CREATE_SYMBOLIC_LINK_NAME, &off.Privileges[0].Luid));
    assert_win(AdjustTokenPrivileges(token, FALSE, &off, sizeof before, &before, &needed));
    assert_int_equal(GetLastError(), ERROR_SUCCESS);
    assert_int_equal(before.PrivilegeCount, 1);
    assert_fails(CreateSymbolicLinkA("X:\\nolink", "target", 0), ERROR_PRIVILEGE_NOT_HELD);
    assert_fails(CreateSymbolicLinkA("X:\\nolink", "target", SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE),
                 ERROR_PRIVILEGE_NOT_HELD);
    assert_false(exists("X:\\nolink"));
    assert_win(AdjustTokenPrivileges(token, FALSE, &before, 0, NULL, NULL));
    assert_win(CreateSymbolicLinkA("X:\\nolink", "target", 0));
    LUID luid;
    assert_win(LookupPrivilegeValueW(NULL, L"SeManageVolumePrivilege", &luid));
    assert_fails(LookupPrivilegeValueA(NULL, "SeNonsense", &luid), ERROR_NO_SUCH_PRIVILEGE);
    off.Privileges[0].Luid.LowPart = 999;
    assert_win(AdjustTokenPrivileges(token, FALSE, &off, 0, NULL, NULL));
    assert_int_equal(GetLastError(), ERROR_NOT_ALL_ASSIGNED);
    assert_win(CloseHandle(token));
    assert_fails(OpenProcessToken(NULL, 0, &token), ERROR_INVALID_HANDLE);
}

// --- links (spec/reparse.md 4.6) -----------------------------------------------------------------

static void make_junction(const char *name, const WCHAR *target, size_t units)
{
    union {
        REPARSE_GUID_DATA_BUFFER aligned;
        BYTE bytes[256];
    } b = {0};
    size_t bytes = units * 2;
    assert_win(CreateDirectoryA(name, NULL));
    b.aligned.ReparseTag = IO_REPARSE_TAG_MOUNT_POINT;
    b.aligned.ReparseDataLength = (WORD)(8 + bytes + 4);
    memcpy(b.bytes + 10, &(WORD){(WORD)bytes}, 2);
    memcpy(b.bytes + 12, &(WORD){(WORD)(bytes + 2)}, 2);
    memcpy(b.bytes + 16, target, bytes);
    HANDLE h = open_with(name, GENERIC_WRITE, FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS);
    assert_win(
        DeviceIoControl(h, FSCTL_SET_REPARSE_POINT, &b, (DWORD)(8 + 8 + bytes + 4), NULL, 0, NULL, NULL));
    assert_win(CloseHandle(h));
}

static DWORD get_reparse(const char *name, BYTE *out, DWORD size)
{
    DWORD done;
    HANDLE h = open_with(name, 0, FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS);
    assert_win(DeviceIoControl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, out, size, &done, NULL));
    assert_win(CloseHandle(h));
    return done;
}

// Vector V1 of spec/reparse.md 2.7: what Windows writes for a relative link to "bar".
static void symbolic_link_buffers(void **state)
{
    (void)state;
    static const BYTE v1[] =
        "\x0c\x00\x00\xa0\x18\x00\x00\x00\x06\x00\x06\x00\x00\x00\x06\x00\x01\x00\x00\x00"
        "b\0a\0r\0b\0a\0r";
    BYTE got[256];
    assert_win(CreateSymbolicLinkA("X:\\v1", "bar", 0));
    assert_int_equal(get_reparse("X:\\v1", got, sizeof got), 32);
    assert_memory_equal(got, v1, 32);
    assert_win(CreateSymbolicLinkW(L"X:\\abs", L"X:/t", SYMBOLIC_LINK_FLAG_DIRECTORY));
    assert_int_equal(get_reparse("X:\\abs", got, sizeof got), 20 + 8 + 16);
    assert_memory_equal(got + 16, "\0\0\0\0", 4);
    assert_memory_equal(got + 20, L"X:/t\\??\\X:\\t", 24);
    assert_win(CreateSymbolicLinkA("X:\\rooted", "\\t", 0));
    assert_int_equal(get_reparse("X:\\rooted", got, sizeof got), 28);
    assert_memory_equal(got + 16, "\1\0\0\0", 4);
    assert_fails(CreateSymbolicLinkA("X:\\rooted", "t", 0), ERROR_ALREADY_EXISTS);
    assert_fails(CreateSymbolicLinkA("X:\\bad", "t", 8), ERROR_INVALID_PARAMETER);
    assert_fails(CreateSymbolicLinkA("X:\\bad", "", 0), ERROR_INVALID_PARAMETER);
    assert_false(exists("X:\\bad"));
}

static void RP_180_delete_acts_on_the_link(void **state)
{
    (void)state;
    put("X:\\target180", "text");
    assert_win(CreateSymbolicLinkA("X:\\link180", "target180", 0));
    expect("X:\\link180", "text");
    assert_fails(RemoveDirectoryA("X:\\link180"), ERROR_DIRECTORY);
    assert_win(DeleteFileA("X:\\link180"));
    assert_false(exists("X:\\link180"));
    expect("X:\\target180", "text");
    assert_win(CreateDirectoryA("X:\\dir180", NULL));
    make_junction("X:\\junction180", L"\\??\\X:\\dir180", 13);
    put("X:\\junction180\\inside", "in");
    assert_fails(DeleteFileA("X:\\junction180"), ERROR_ACCESS_DENIED);
    assert_win(RemoveDirectoryA("X:\\junction180"));
    expect("X:\\dir180\\inside", "in");
}

static void RP_181_copy_follows_links(void **state)
{
    (void)state;
    put("X:\\target181", "target");
    put("X:\\file181", "file");
    assert_win(CreateSymbolicLinkA("X:\\link181", "target181", 0));
    assert_win(CopyFileA("X:\\link181", "X:\\new181", TRUE));
    assert_int_equal(GetFileAttributesA("X:\\new181") & FILE_ATTRIBUTE_REPARSE_POINT, 0);
    expect("X:\\new181", "target");
    assert_fails(CopyFileA("X:\\file181", "X:\\link181", TRUE), ERROR_FILE_EXISTS);
    assert_win(CopyFileW(L"X:\\file181", L"X:\\link181", FALSE));
    expect("X:\\target181", "file");
    assert_true(GetFileAttributesA("X:\\link181") & FILE_ATTRIBUTE_REPARSE_POINT);
    assert_win(CreateDirectoryA("X:\\dir181", NULL));
    assert_win(CreateSymbolicLinkA("X:\\dirlink181", "dir181", SYMBOLIC_LINK_FLAG_DIRECTORY));
    assert_false(CopyFileA("X:\\dirlink181", "X:\\copy181", FALSE));
    assert_false(exists("X:\\copy181"));
}

static void RP_182_hard_link_to_the_link(void **state)
{
    (void)state;
    BY_HANDLE_FILE_INFORMATION a, b;
    put("X:\\target182", "text");
    assert_win(CreateSymbolicLinkA("X:\\link182", "target182", 0));
    assert_win(CreateHardLinkW(L"X:\\hard182", L"X:\\link182", NULL));
    HANDLE h = open_with("X:\\link182", 0, FILE_FLAG_OPEN_REPARSE_POINT);
    assert_win(GetFileInformationByHandle(h, &a));
    assert_win(CloseHandle(h));
    h = open_with("X:\\hard182", 0, FILE_FLAG_OPEN_REPARSE_POINT);
    assert_win(GetFileInformationByHandle(h, &b));
    assert_win(CloseHandle(h));
    assert_int_equal(a.nFileIndexLow, b.nFileIndexLow);
    assert_int_equal(b.nNumberOfLinks, 2);
    assert_int_equal(b.dwFileAttributes, FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_ARCHIVE);
    expect("X:\\hard182", "text");
}

static void RP_183_move_acts_on_the_link(void **state)
{
    (void)state;
    put("X:\\target183", "text");
    put("X:\\other183", "other");
    assert_win(CreateSymbolicLinkA("X:\\link183", "target183", 0));
    assert_win(MoveFileA("X:\\link183", "X:\\away183"));
    assert_true(exists("X:\\target183"));
    assert_win(MoveFileA("X:\\away183", "X:\\link183"));
    assert_fails(MoveFileA("X:\\other183", "X:\\link183"), ERROR_ALREADY_EXISTS);
    expect("X:\\link183", "text");
}

static void RP_184_attributes_of_the_link(void **state)
{
    (void)state;
    put("X:\\target184", "text");
    assert_win(CreateSymbolicLinkA("X:\\link184", "target184", 0));
    assert_win(SetFileAttributesA("X:\\link184", FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_HIDDEN));
    assert_int_equal(GetFileAttributesA("X:\\link184"), 0x406);
    assert_int_equal(GetFileAttributesA("X:\\target184"), FILE_ATTRIBUTE_ARCHIVE);
}

static void RP_187_create_directory_on_a_link(void **state)
{
    (void)state;
    assert_win(CreateDirectoryA("X:\\dir187", NULL));
    assert_win(CreateSymbolicLinkA("X:\\link187", "dir187", SYMBOLIC_LINK_FLAG_DIRECTORY));
    assert_win(CreateSymbolicLinkA("X:\\dangling187", "nothing", SYMBOLIC_LINK_FLAG_DIRECTORY));
    assert_fails(CreateDirectoryA("X:\\link187", NULL), ERROR_ALREADY_EXISTS);
    assert_fails(CreateDirectoryA("X:\\dangling187", NULL), ERROR_ALREADY_EXISTS);
    assert_false(exists("X:\\nothing"));
}

static void RP_195_find_shows_the_tag(void **state)
{
    (void)state;
    WIN32_FIND_DATAA data;
    assert_win(CreateDirectoryA("X:\\dir195", NULL));
    put("X:\\dir195\\inside", "");
    assert_win(CreateSymbolicLinkA("X:\\link195", "dir195", SYMBOLIC_LINK_FLAG_DIRECTORY));
    HANDLE h = FindFirstFileA("X:\\link195", &data);
    assert_win(h != INVALID_HANDLE_VALUE);
    assert_int_equal(data.dwReserved0, IO_REPARSE_TAG_SYMLINK);
    assert_true(data.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT);
    assert_win(FindClose(h));
    h = FindFirstFileA("X:\\link195\\i*", &data); // through the link
    assert_win(h != INVALID_HANDLE_VALUE);
    assert_string_equal(data.cFileName, "inside");
    assert_int_equal(data.dwReserved0, 0);
    assert_win(FindClose(h));
}

// --- copy and replace (spec/integrity.md 5.6) ----------------------------------------------------

static void copy(void **state)
{
    (void)state;
    static char big[200000];
    FILETIME time = {0x1, 0x01d10000}, got;
    DWORD done;
    HANDLE h = CreateFileA("X:\\big", GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    memset(big, 'b', sizeof big);
    assert_win(WriteFile(h, big, sizeof big, &done, NULL));
    assert_win(SetFileTime(h, NULL, NULL, &time));
    assert_win(CloseHandle(h));
    put("X:\\big:stream", "named");
    h = open_with("X:\\big", FILE_WRITE_ATTRIBUTES, 0);
    assert_win(SetFileTime(h, NULL, NULL, &time));
    assert_win(CloseHandle(h));
    assert_win(SetFileAttributesA("X:\\big", FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN));
    assert_win(CopyFileA("X:\\big", "Y:\\big", TRUE));
    assert_int_equal(GetFileAttributesA("Y:\\big"), FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN);
    h = open_with("Y:\\big", GENERIC_READ, 0);
    assert_int_equal(GetFileSize(h, NULL), sizeof big);
    assert_win(GetFileTime(h, NULL, NULL, &got));
    assert_memory_equal(&got, &time, sizeof got);
    assert_win(CloseHandle(h));
    expect("Y:\\big:stream", "named");
    assert_fails(CopyFileA("X:\\none", "Y:\\none", TRUE), ERROR_FILE_NOT_FOUND);
    assert_fails(CopyFileA("X:\\", "Y:\\none", TRUE), ERROR_ACCESS_DENIED);
}

static void make_integrity_directory(const char *name)
{
    assert_win(CreateDirectoryA(name, NULL));
    set_integrity(name, CHECKSUM_TYPE_CRC32);
}

static void integrity_096_copy_source_on(void **state)
{
    (void)state;
    put_with_integrity("X:\\on96", "text");
    assert_win(CopyFileA("X:\\on96", "X:\\copy96", TRUE));
    assert_true(has_integrity("X:\\copy96"));
    expect("X:\\copy96", "text");
}

static void integrity_097_copy_into_integrity_directory(void **state)
{
    (void)state;
    make_integrity_directory("X:\\dir97");
    put("X:\\off97", "text");
    assert_win(CopyFileA("X:\\off97", "X:\\dir97\\copy", TRUE));
    assert_true(has_integrity("X:\\dir97\\copy"));
}

static void integrity_098_copy_both_off(void **state)
{
    (void)state;
    put("X:\\off98", "text");
    assert_win(CopyFileA("X:\\off98", "X:\\copy98", TRUE));
    assert_false(has_integrity("X:\\copy98"));
}

static void integrity_099_replace_backup_without_integrity(void **state)
{
    (void)state;
    assert_win(CreateDirectoryA("X:\\plain99", NULL));
    put_with_integrity("X:\\original99", "original");
    put("X:\\new99", "new");
    assert_win(ReplaceFileA("X:\\original99", "X:\\new99", "X:\\plain99\\backup", 0, NULL, NULL));
    expect("X:\\original99", "new");
    expect("X:\\plain99\\backup", "original");
    assert_false(has_integrity("X:\\original99"));
    assert_false(has_integrity("X:\\plain99\\backup"));
    assert_false(exists("X:\\new99"));
    // A replacement that has integrity of its own keeps it.
    put_with_integrity("X:\\second99", "original");
    put_with_integrity("X:\\newer99", "newer");
    assert_win(ReplaceFileA("X:\\second99", "X:\\newer99", "X:\\plain99\\backup", 0, NULL, NULL));
    assert_true(has_integrity("X:\\second99"));
    assert_false(has_integrity("X:\\plain99\\backup"));
}

static void integrity_100_replace_backup_with_integrity(void **state)
{
    (void)state;
    make_integrity_directory("X:\\dir100");
    put_with_integrity("X:\\original100", "original");
    put("X:\\new100", "new");
    put("X:\\new100:stream", "named");
    assert_win(ReplaceFileW(L"X:\\original100", L"X:\\new100", L"X:\\dir100\\backup", 0, NULL, NULL));
    expect("X:\\original100", "new");
    expect("X:\\original100:stream", "named");
    expect("X:\\dir100\\backup", "original");
    assert_true(has_integrity("X:\\original100"));
    assert_true(has_integrity("X:\\dir100\\backup"));
    put("X:\\newer100", "newer"); // no backup: the new file gets it too
    assert_win(ReplaceFileA("X:\\original100", "X:\\newer100", NULL, 0, NULL, NULL));
    expect("X:\\original100", "newer");
    assert_true(has_integrity("X:\\original100"));
    WIN32_FIND_DATAA data;
    assert_no_handle(FindFirstFileA("X:\\*.tmp", &data), ERROR_FILE_NOT_FOUND);
}

static void replace_keeps_identity(void **state)
{
    (void)state;
    FILETIME time = {0x77, 0x01d10000}, got;
    put("X:\\old", "old");
    put("X:\\fresh", "fresh");
    HANDLE h = open_with("X:\\old", FILE_WRITE_ATTRIBUTES, 0);
    assert_win(SetFileTime(h, &time, NULL, NULL));
    assert_win(CloseHandle(h));
    assert_win(SetFileAttributesA("X:\\old", FILE_ATTRIBUTE_HIDDEN));
    assert_fails(ReplaceFileA("X:\\old", "X:\\none", NULL, 0, NULL, NULL), ERROR_FILE_NOT_FOUND);
    assert_fails(ReplaceFileA("X:\\none", "X:\\fresh", NULL, 0, NULL, NULL), ERROR_FILE_NOT_FOUND);
    assert_win(ReplaceFileA("X:\\old", "X:\\fresh", "X:\\old.bak", 0, NULL, NULL));
    expect("X:\\old", "fresh");
    expect("X:\\old.bak", "old");
    assert_int_equal(GetFileAttributesA("X:\\old"), FILE_ATTRIBUTE_HIDDEN);
    h = open_with("X:\\old", GENERIC_READ, 0);
    assert_win(GetFileTime(h, &got, NULL, NULL));
    assert_memory_equal(&got, &time, sizeof got);
    assert_win(CloseHandle(h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_dispositions),
        cmocka_unit_test(create_names),
        cmocka_unit_test(create_volumes),
        cmocka_unit_test(stale_handles),
        cmocka_unit_test(read_write_pointer),
        cmocka_unit_test(null_buffers),
        cmocka_unit_test(overlapped_on_synchronous_handle),
        cmocka_unit_test(overlapped_requests),
        cmocka_unit_test(locks),
        cmocka_unit_test(events),
        cmocka_unit_test(case_007_check_verify_needs_read_access),
        cmocka_unit_test(case_010_null_output_with_length),
        cmocka_unit_test(case_011_overlapped_check_verify),
        cmocka_unit_test(case_052_warning_stores_the_count),
        cmocka_unit_test(storage_buffers),
        cmocka_unit_test(directories_and_deletion),
        cmocka_unit_test(move),
        cmocka_unit_test(attributes),
        cmocka_unit_test(find),
        cmocka_unit_test(information),
        cmocka_unit_test(directory_information),
        cmocka_unit_test(set_information),
        cmocka_unit_test(volumes),
        cmocka_unit_test(messages),
        cmocka_unit_test(privileges),
        cmocka_unit_test(symbolic_link_buffers),
        cmocka_unit_test(RP_180_delete_acts_on_the_link),
        cmocka_unit_test(RP_181_copy_follows_links),
        cmocka_unit_test(RP_182_hard_link_to_the_link),
        cmocka_unit_test(RP_183_move_acts_on_the_link),
        cmocka_unit_test(RP_184_attributes_of_the_link),
        cmocka_unit_test(RP_187_create_directory_on_a_link),
        cmocka_unit_test(RP_195_find_shows_the_tag),
        cmocka_unit_test(copy),
        cmocka_unit_test(integrity_096_copy_source_on),
        cmocka_unit_test(integrity_097_copy_into_integrity_directory),
        cmocka_unit_test(integrity_098_copy_both_off),
        cmocka_unit_test(integrity_099_replace_backup_without_integrity),
        cmocka_unit_test(integrity_100_replace_backup_with_integrity),
        cmocka_unit_test(replace_keeps_identity),
    };
    return cmocka_run_group_tests_name("win32/win32", tests, setup, teardown);
}
