// SPDX-License-Identifier: Apache-2.0
// A program of Windows on a path of Linux: `call_win32 DIRECTORY`, a directory in a mount, which it leaves
// empty.
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(expr)                                                                            \
    do {                                                                                       \
        if (!(expr)) {                                                                         \
            printf("%d: not true: %s, error %u\n", __LINE__, #expr, (unsigned)GetLastError()); \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

static const char *directory;

static const char *at(const char *name)
{
    static char paths[2][4096];
    static int next;
    char *path = paths[next++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    directory = argv[1];
    DWORD done;
    char data[16] = "";
    HANDLE file = CreateFileA(at("file"), GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    CHECK(file != INVALID_HANDLE_VALUE);
    CHECK(WriteFile(file, "windows", 7, &done, NULL) && done == 7);
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER get;
    CHECK(DeviceIoControl(file, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &get, sizeof get, &done, NULL));
    CHECK(done == 16 && get.ChecksumAlgorithm == CHECKSUM_TYPE_CRC32);
    CHECK(CreateFileA(at("file"), GENERIC_READ, 7, NULL, OPEN_EXISTING, 0, NULL) == INVALID_HANDLE_VALUE);
    CHECK(GetLastError() == ERROR_SHARING_VIOLATION);
    CHECK(CloseHandle(file));
    FILE *linux_file = fopen(at("file"), "r");
    CHECK(linux_file && fread(data, 1, sizeof data, linux_file) == 7 && memcmp(data, "windows", 7) == 0);
    CHECK(fclose(linux_file) == 0);
    CHECK(MoveFileA(at("file"), at("moved")));
    WIN32_FIND_DATAA found;
    HANDLE find = FindFirstFileA(at("mov*"), &found);
    CHECK(find != INVALID_HANDLE_VALUE && strcmp(found.cFileName, "moved") == 0 && found.nFileSizeLow == 7);
    CHECK(FindClose(find));
    CHECK(access(at("file"), F_OK) != 0 && access(at("moved"), F_OK) == 0);
    CHECK(DeleteFileA(at("moved")));
    CHECK(CreateFileA(at("moved"), GENERIC_READ, 7, NULL, OPEN_EXISTING, 0, NULL) == INVALID_HANDLE_VALUE);
    CHECK(GetLastError() == ERROR_FILE_NOT_FOUND);
    return 0;
}
