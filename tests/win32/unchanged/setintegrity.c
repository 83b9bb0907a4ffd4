// SPDX-License-Identifier: Apache-2.0
// Sets or shows the integrity status of a file, as a Windows program does: windows.h, winioctl.h, nothing
// else.
//
//   setintegrity <file>            shows the status
//   setintegrity <file> on|off     creates the file empty, changes its status, writes to it

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winioctl.h>

#include <stdio.h>
#include <string.h>

static int Fail(LPCSTR what)
{
    DWORD error = GetLastError();
    LPSTR text = NULL;

    FormatMessageA(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM |
                       FORMAT_MESSAGE_IGNORE_INSERTS,
                   NULL, error, MAKELANGID(LANG_NEUTRAL, SUBLANG_DEFAULT), (LPSTR)&text, 0, NULL);
    printf("%s: error %u: %s", what, (unsigned)error, text ? text : "unknown\n");
    LocalFree(text);
    return 1;
}

static int Show(HANDLE hFile)
{
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER info;
    DWORD dwReturned;

    ZeroMemory(&info, sizeof(info));
    if (!DeviceIoControl(hFile, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &info, sizeof(info), &dwReturned,
                         NULL))
        return Fail("FSCTL_GET_INTEGRITY_INFORMATION");
    printf("checksum algorithm %u, flags %u, chunk %u, cluster %u\n", (unsigned)info.ChecksumAlgorithm,
           (unsigned)info.Flags, (unsigned)info.ChecksumChunkSizeInBytes, (unsigned)info.ClusterSizeInBytes);
    return 0;
}

int main(int argc, char *argv[])
{
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {0};
    const char data[] = "data under checksums";
    char back[sizeof(data)];
    DWORD dwBytes = 0;
    HANDLE hFile;
    int rc;

    if (argc < 2) {
        printf("usage: %s <file> [on|off]\n", argv[0]);
        return 2;
    }
    hFile = CreateFile(argv[1], GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL,
                       argc > 2 ? CREATE_ALWAYS : OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (hFile == INVALID_HANDLE_VALUE)
        return Fail(argv[1]);
    if (argc > 2) {
        set.ChecksumAlgorithm = strcmp(argv[2], "on") == 0 ? CHECKSUM_TYPE_CRC64 : CHECKSUM_TYPE_NONE;
        if (!DeviceIoControl(hFile, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof(set), NULL, 0, &dwBytes,
                             NULL))
            return Fail("FSCTL_SET_INTEGRITY_INFORMATION");
        if (!WriteFile(hFile, data, sizeof(data), &dwBytes, NULL) || dwBytes != sizeof(data))
            return Fail("WriteFile");
        SetFilePointer(hFile, 0, NULL, FILE_BEGIN);
        if (!ReadFile(hFile, back, sizeof(back), &dwBytes, NULL) || memcmp(data, back, sizeof(data)) != 0)
            return Fail("ReadFile");
        /* Now it is not empty any more. */
        set.ChecksumAlgorithm = strcmp(argv[2], "on") == 0 ? CHECKSUM_TYPE_NONE : CHECKSUM_TYPE_CRC64;
        if (DeviceIoControl(hFile, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof(set), NULL, 0, &dwBytes,
                            NULL)) {
            printf("the status of a file with data was changed\n");
            return 1;
        }
    }
    rc = Show(hFile);
    CloseHandle(hFile);
    return rc;
}
