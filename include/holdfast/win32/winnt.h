// SPDX-License-Identifier: Apache-2.0
// The part of winnt.h that concerns files, reparse points and privileges. Access masks, attributes and tags
// come from the portable headers; REPARSE_DATA_BUFFER is left to the program, as on Windows, where it lives
// in ntifs.h only.
#ifndef HOLDFAST_WIN32_WINNT_H
#define HOLDFAST_WIN32_WINNT_H

#include <ctype.h>
#include <string.h>

#include <holdfast/ntfile.h>
#include <holdfast/ntstatus.h>
#include <holdfast/winioctl.h>

#include "windef.h"

// Programs bring their own definition of these; the aliases keep it apart from the portable one.
#define _REPARSE_DATA_BUFFER _HF_WIN32_REPARSE_DATA_BUFFER
#define REPARSE_DATA_BUFFER  HF_WIN32_REPARSE_DATA_BUFFER
#define PREPARSE_DATA_BUFFER HF_WIN32_PREPARSE_DATA_BUFFER
#undef REPARSE_DATA_BUFFER_HEADER_SIZE
#undef SYMLINK_FLAG_RELATIVE

typedef HF_GUID GUID, *LPGUID, IID, CLSID;

typedef union _LARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;
typedef union _ULARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart, HighPart;
    };
    struct {
        DWORD LowPart, HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;
HF_LAYOUT(sizeof(LARGE_INTEGER) == 8 && sizeof(ULARGE_INTEGER) == 8);

typedef struct _FILE_ID_128 {
    BYTE Identifier[16];
} FILE_ID_128, *PFILE_ID_128;

typedef DWORD ACCESS_MASK, *PACCESS_MASK;
#define STANDARD_RIGHTS_REQUIRED 0x000f0000u
#define STANDARD_RIGHTS_READ     READ_CONTROL
#define STANDARD_RIGHTS_WRITE    READ_CONTROL
#define STANDARD_RIGHTS_EXECUTE  READ_CONTROL
#define FILE_ATTRIBUTE_DEVICE    0x00000040u

#define FIELD_OFFSET(type, field)    ((LONG)offsetof(type, field))
#define RTL_NUMBER_OF(array)         (sizeof(array) / sizeof((array)[0]))
#define ARRAYSIZE(array)             RTL_NUMBER_OF(array)
#define UNREFERENCED_PARAMETER(name) ((void)(name))
#define RtlZeroMemory(to, n)         memset((to), 0, (n))
#define RtlFillMemory(to, n, value)  memset((to), (value), (n))
#define RtlCopyMemory(to, from, n)   memcpy((to), (from), (n))
#define RtlMoveMemory(to, from, n)   memmove((to), (from), (n))

// Those that winnt.h has as macros; the others are in the list as constants.
#define STATUS_WAIT_0            ((DWORD)0x00000000)
#define STATUS_TIMEOUT           ((DWORD)0x00000102)
#define STATUS_PENDING           STATUS_PENDING
#define STATUS_ACCESS_VIOLATION  STATUS_ACCESS_VIOLATION
#define STATUS_INVALID_HANDLE    STATUS_INVALID_HANDLE
#define STATUS_INVALID_PARAMETER STATUS_INVALID_PARAMETER
#define STATUS_NO_MEMORY         STATUS_NO_MEMORY

// --- privileges
// ----------------------------------------------------------------------------------------------------

typedef struct _LUID {
    DWORD LowPart;
    LONG HighPart;
} LUID, *PLUID;
typedef struct _LUID_AND_ATTRIBUTES {
    LUID Luid;
    DWORD Attributes;
} LUID_AND_ATTRIBUTES, *PLUID_AND_ATTRIBUTES;
typedef struct _TOKEN_PRIVILEGES {
    DWORD PrivilegeCount;
    LUID_AND_ATTRIBUTES Privileges[1];
} TOKEN_PRIVILEGES, *PTOKEN_PRIVILEGES;
HF_LAYOUT(sizeof(TOKEN_PRIVILEGES) == 16);

#define SE_PRIVILEGE_ENABLED_BY_DEFAULT 0x00000001u
#define SE_PRIVILEGE_ENABLED            0x00000002u
#define SE_PRIVILEGE_REMOVED            0x00000004u
#define SE_BACKUP_NAME                  TEXT("SeBackupPrivilege")
#define SE_RESTORE_NAME                 TEXT("SeRestorePrivilege")
#define SE_MANAGE_VOLUME_NAME           TEXT("SeManageVolumePrivilege")
#define SE_CREATE_SYMBOLIC_LINK_NAME    TEXT("SeCreateSymbolicLinkPrivilege")
#define TOKEN_QUERY                     0x0008u
#define TOKEN_ADJUST_PRIVILEGES         0x0020u
#define TOKEN_ALL_ACCESS                0x000f01ffu

typedef void *PSECURITY_DESCRIPTOR;

#endif
