// SPDX-License-Identifier: Apache-2.0
// The reparse buffer as ntifs.h has it, with unnamed unions, for programs that include it instead of copying
// it.
#ifndef HOLDFAST_WIN32_NTIFS_H
#define HOLDFAST_WIN32_NTIFS_H

#include "ntstatus.h"
#include "winnt.h"

typedef struct _REPARSE_DATA_BUFFER {
    ULONG ReparseTag;
    USHORT ReparseDataLength;
    USHORT Reserved;
    __extension__ union {
        struct {
            USHORT SubstituteNameOffset, SubstituteNameLength, PrintNameOffset, PrintNameLength;
            ULONG Flags;
            WCHAR PathBuffer[1];
        } SymbolicLinkReparseBuffer;
        struct {
            USHORT SubstituteNameOffset, SubstituteNameLength, PrintNameOffset, PrintNameLength;
            WCHAR PathBuffer[1];
        } MountPointReparseBuffer;
        struct {
            UCHAR DataBuffer[1];
        } GenericReparseBuffer;
    };
} REPARSE_DATA_BUFFER, *PREPARSE_DATA_BUFFER;
HF_LAYOUT(sizeof(REPARSE_DATA_BUFFER) == 24);

#define REPARSE_DATA_BUFFER_HEADER_SIZE FIELD_OFFSET(REPARSE_DATA_BUFFER, GenericReparseBuffer)
#define SYMLINK_FLAG_RELATIVE           1

#endif
