// SPDX-License-Identifier: Apache-2.0
// Makes a junction and a symbolic link with FSCTL_SET_REPARSE_POINT, reads them back, follows and deletes
// them. UNICODE, and with its own declaration of REPARSE_DATA_BUFFER, as Windows programs bring it.
//
//   junction <drive letter>

#define UNICODE
#define _UNICODE
#include <windows.h>
#include <winioctl.h>

#include <stdio.h>

typedef struct _REPARSE_DATA_BUFFER {
    ULONG ReparseTag;
    USHORT ReparseDataLength;
    USHORT Reserved;
    union {
        struct {
            USHORT SubstituteNameOffset;
            USHORT SubstituteNameLength;
            USHORT PrintNameOffset;
            USHORT PrintNameLength;
            ULONG Flags;
            WCHAR PathBuffer[1];
        } SymbolicLinkReparseBuffer;
        struct {
            USHORT SubstituteNameOffset;
            USHORT SubstituteNameLength;
            USHORT PrintNameOffset;
            USHORT PrintNameLength;
            WCHAR PathBuffer[1];
        } MountPointReparseBuffer;
        struct {
            UCHAR DataBuffer[1];
        } GenericReparseBuffer;
    };
} REPARSE_DATA_BUFFER, *PREPARSE_DATA_BUFFER;

#define REPARSE_DATA_BUFFER_HEADER_SIZE FIELD_OFFSET(REPARSE_DATA_BUFFER, GenericReparseBuffer)

#ifndef FSCTL_SET_REPARSE_POINT
#define FSCTL_SET_REPARSE_POINT CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 41, METHOD_BUFFERED, FILE_SPECIAL_ACCESS)
#endif

static int Fail(const char *what)
{
    printf("%s: error %lu\n", what, (unsigned long)GetLastError());
    return 1;
}

static BOOL EnablePrivilege(LPCWSTR name)
{
    HANDLE hToken;
    TOKEN_PRIVILEGES tp;
    BOOL ok;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &hToken))
        return FALSE;
    tp.PrivilegeCount = 1;
    tp.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    ok = LookupPrivilegeValue(NULL, name, &tp.Privileges[0].Luid) &&
         AdjustTokenPrivileges(hToken, FALSE, &tp, sizeof(tp), NULL, NULL) && GetLastError() == ERROR_SUCCESS;
    CloseHandle(hToken);
    return ok;
}

static HANDLE OpenReparse(LPCWSTR name, DWORD access)
{
    return CreateFile(name, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                      FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS, NULL);
}

static BOOL CreateJunction(LPCWSTR name, LPCWSTR target, USHORT units)
{
    BYTE buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE] = {0};
    PREPARSE_DATA_BUFFER p = (PREPARSE_DATA_BUFFER)buffer;
    DWORD dwReturned;
    HANDLE h;
    BOOL ok;

    if (!CreateDirectory(name, NULL))
        return FALSE;
    h = OpenReparse(name, GENERIC_WRITE);
    if (h == INVALID_HANDLE_VALUE)
        return FALSE;
    p->ReparseTag = IO_REPARSE_TAG_MOUNT_POINT;
    p->MountPointReparseBuffer.SubstituteNameLength = units * sizeof(WCHAR);
    p->MountPointReparseBuffer.PrintNameOffset = (units + 1) * sizeof(WCHAR);
    CopyMemory(p->MountPointReparseBuffer.PathBuffer, target, units * sizeof(WCHAR));
    p->ReparseDataLength = 8 + (units + 2) * sizeof(WCHAR);
    ok = DeviceIoControl(h, FSCTL_SET_REPARSE_POINT, p,
                         p->ReparseDataLength + REPARSE_DATA_BUFFER_HEADER_SIZE, NULL, 0, &dwReturned, NULL);
    CloseHandle(h);
    return ok;
}

static BOOL DeleteReparse(LPCWSTR name, DWORD tag)
{
    REPARSE_DATA_BUFFER header = {0};
    DWORD dwReturned;
    HANDLE h = OpenReparse(name, GENERIC_WRITE);
    BOOL ok;

    if (h == INVALID_HANDLE_VALUE)
        return FALSE;
    header.ReparseTag = tag;
    ok = DeviceIoControl(h, FSCTL_DELETE_REPARSE_POINT, &header, REPARSE_DATA_BUFFER_HEADER_SIZE, NULL, 0,
                         &dwReturned, NULL);
    CloseHandle(h);
    return ok;
}

int main(void)
{
    BYTE buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    PREPARSE_DATA_BUFFER p = (PREPARSE_DATA_BUFFER)buffer;
    DWORD dwReturned;
    HANDLE h;

    if (!EnablePrivilege(SE_CREATE_SYMBOLIC_LINK_NAME) || !EnablePrivilege(SE_BACKUP_NAME))
        return Fail("AdjustTokenPrivileges");
    if (!CreateDirectory(TEXT("X:\\target"), NULL))
        return Fail("CreateDirectory");
    if (!CreateJunction(L"X:\\junction", L"\\??\\X:\\target", 13))
        return Fail("FSCTL_SET_REPARSE_POINT");
    h = OpenReparse(L"X:\\junction", 0);
    if (h == INVALID_HANDLE_VALUE ||
        !DeviceIoControl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, buffer, sizeof(buffer), &dwReturned, NULL))
        return Fail("FSCTL_GET_REPARSE_POINT");
    CloseHandle(h);
    printf("tag %08lx, %lu bytes, substitute name of %u\n", (unsigned long)p->ReparseTag,
           (unsigned long)dwReturned, p->MountPointReparseBuffer.SubstituteNameLength);
    if (!CreateSymbolicLink(L"X:\\link", L"junction\\file", 0))
        return Fail("CreateSymbolicLink");
    h = CreateFile(L"X:\\link", GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (h == INVALID_HANDLE_VALUE)
        return Fail("CreateFile through the link");
    CloseHandle(h);
    if (GetFileAttributes(L"X:\\target\\file") == INVALID_FILE_ATTRIBUTES)
        return Fail("the file behind link and junction");
    if (DeleteReparse(L"X:\\junction", IO_REPARSE_TAG_SYMLINK) ||
        GetLastError() != ERROR_REPARSE_TAG_MISMATCH)
        return Fail("FSCTL_DELETE_REPARSE_POINT with another tag");
    if (!DeleteReparse(L"X:\\junction", IO_REPARSE_TAG_MOUNT_POINT))
        return Fail("FSCTL_DELETE_REPARSE_POINT");
    if (!RemoveDirectory(L"X:\\junction") || !DeleteFile(L"X:\\link"))
        return Fail("deleting the links");
    printf("done\n");
    return 0;
}
