// SPDX-License-Identifier: Apache-2.0
// Asks a drive twice whether its medium changed, synchronously and overlapped, as a media watcher does.
//
//   checkverify \\.\X:

#include <windows.h>
#include <winioctl.h>

#include <stdio.h>

int main(int argc, char *argv[])
{
    HANDLE hDevice;
    OVERLAPPED overlapped = {0};
    ULONG ulChangeCount = 0xffffffff;
    DWORD dwReturned = 0;
    BOOL bResult;
    int i;

    if (argc != 2) {
        printf("usage: %s \\\\.\\X:\n", argv[0]);
        return 2;
    }
    hDevice =
        CreateFileA(argv[1], GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (hDevice == INVALID_HANDLE_VALUE) {
        printf("CreateFile: error %u\n", (unsigned)GetLastError());
        return 1;
    }
    for (i = 0; i < 2; i++) {
        bResult = DeviceIoControl(hDevice, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, &ulChangeCount,
                                  sizeof(ulChangeCount), &dwReturned, (LPOVERLAPPED)NULL);
        if (bResult)
            printf("media is accessible, change count %u\n", (unsigned)ulChangeCount);
        else
            printf("IOCTL_STORAGE_CHECK_VERIFY: error %u\n", (unsigned)GetLastError());
        Sleep(1);
    }
    CloseHandle(hDevice);

    /* Attributes are enough for CHECK_VERIFY2. */
    hDevice = CreateFileA(argv[1], FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                          OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    if (hDevice == INVALID_HANDLE_VALUE) {
        printf("CreateFile: error %u\n", (unsigned)GetLastError());
        return 1;
    }
    overlapped.hEvent = CreateEvent(NULL, TRUE, FALSE, NULL);
    bResult = DeviceIoControl(hDevice, IOCTL_STORAGE_CHECK_VERIFY2, NULL, 0, NULL, 0, NULL, &overlapped);
    if (!bResult && GetLastError() == ERROR_IO_PENDING) {
        WaitForSingleObject(overlapped.hEvent, INFINITE);
        bResult = GetOverlappedResult(hDevice, &overlapped, &dwReturned, FALSE);
    }
    printf("IOCTL_STORAGE_CHECK_VERIFY2: %s\n", bResult ? "accessible" : "failed");
    CloseHandle(overlapped.hEvent);
    CloseHandle(hDevice);
    return bResult ? 0 : 1;
}
