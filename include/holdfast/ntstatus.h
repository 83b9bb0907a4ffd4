// SPDX-License-Identifier: Apache-2.0
// THE status list: every NTSTATUS that Holdfast returns, with its value and the Win32 error it becomes.
// One line a status; names, tables and documentation are made from this list.
// Sources: spec/integrity.md 3.10, spec/reparse.md 2.8, spec/storage.md 2.9 (MS-ERREF 2.3).
#ifndef HOLDFAST_NTSTATUS_H
#define HOLDFAST_NTSTATUS_H

// X(name, value, win32 error)
#define HF_STATUS_LIST(X)                                   \
    X(STATUS_SUCCESS, 0x00000000, 0)                        \
    X(STATUS_PENDING, 0x00000103, 997)                      \
    X(STATUS_REPARSE, 0x00000104, 741)                      \
    X(STATUS_BUFFER_OVERFLOW, 0x80000005, 234)              \
    X(STATUS_NO_MORE_FILES, 0x80000006, 18)                 \
    X(STATUS_DEVICE_BUSY, 0x80000011, 170)                  \
    X(STATUS_VERIFY_REQUIRED, 0x80000016, 1110)             \
    X(STATUS_FILEMARK_DETECTED, 0x8000001B, 1101)           \
    X(STATUS_MEDIA_CHANGED, 0x8000001C, 1110)               \
    X(STATUS_BUS_RESET, 0x8000001D, 1111)                   \
    X(STATUS_END_OF_MEDIA, 0x8000001E, 1100)                \
    X(STATUS_NO_DATA_DETECTED, 0x80000022, 1104)            \
    X(STATUS_CLEANER_CARTRIDGE_INSTALLED, 0x80000027, 4340) \
    X(STATUS_STOPPED_ON_SYMLINK, 0x8000002D, 681)           \
    X(STATUS_UNSUCCESSFUL, 0xC0000001, 31)                  \
    X(STATUS_NOT_IMPLEMENTED, 0xC0000002, 1)                \
    X(STATUS_INVALID_INFO_CLASS, 0xC0000003, 87)            \
    X(STATUS_INFO_LENGTH_MISMATCH, 0xC0000004, 24)          \
    X(STATUS_ACCESS_VIOLATION, 0xC0000005, 998)             \
    X(STATUS_INVALID_HANDLE, 0xC0000008, 6)                 \
    X(STATUS_INVALID_PARAMETER, 0xC000000D, 87)             \
    X(STATUS_NO_SUCH_DEVICE, 0xC000000E, 433)               \
    X(STATUS_NO_SUCH_FILE, 0xC000000F, 2)                   \
    X(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010, 1)         \
    X(STATUS_END_OF_FILE, 0xC0000011, 38)                   \
    X(STATUS_WRONG_VOLUME, 0xC0000012, 34)                  \
    X(STATUS_NO_MEDIA_IN_DEVICE, 0xC0000013, 21)            \
    X(STATUS_UNRECOGNIZED_MEDIA, 0xC0000014, 1785)          \
    X(STATUS_NONEXISTENT_SECTOR, 0xC0000015, 27)            \
    X(STATUS_NO_MEMORY, 0xC0000017, 8)                      \
    X(STATUS_ACCESS_DENIED, 0xC0000022, 5)                  \
    X(STATUS_BUFFER_TOO_SMALL, 0xC0000023, 122)             \
    X(STATUS_DISK_CORRUPT_ERROR, 0xC0000032, 1393)          \
    X(STATUS_OBJECT_NAME_INVALID, 0xC0000033, 123)          \
    X(STATUS_OBJECT_NAME_NOT_FOUND, 0xC0000034, 2)          \
    X(STATUS_OBJECT_NAME_COLLISION, 0xC0000035, 183)        \
    X(STATUS_OBJECT_PATH_NOT_FOUND, 0xC000003A, 3)          \
    X(STATUS_OBJECT_PATH_SYNTAX_BAD, 0xC000003B, 161)       \
    X(STATUS_DATA_OVERRUN, 0xC000003C, 1117)                \
    X(STATUS_DATA_ERROR, 0xC000003E, 23)                    \
    X(STATUS_CRC_ERROR, 0xC000003F, 23)                     \
    X(STATUS_SHARING_VIOLATION, 0xC0000043, 32)             \
    X(STATUS_EAS_NOT_SUPPORTED, 0xC000004F, 282)            \
    X(STATUS_EA_TOO_LARGE, 0xC0000050, 255)                 \
    X(STATUS_NONEXISTENT_EA_ENTRY, 0xC0000051, 1392)        \
    X(STATUS_NO_EAS_ON_FILE, 0xC0000052, 1392)              \
    X(STATUS_FILE_LOCK_CONFLICT, 0xC0000054, 33)            \
    X(STATUS_LOCK_NOT_GRANTED, 0xC0000055, 33)              \
    X(STATUS_DELETE_PENDING, 0xC0000056, 5)                 \
    X(STATUS_PRIVILEGE_NOT_HELD, 0xC0000061, 1314)          \
    X(STATUS_RANGE_NOT_LOCKED, 0xC000007E, 158)             \
    X(STATUS_DISK_FULL, 0xC000007F, 112)                    \
    X(STATUS_FILE_INVALID, 0xC0000098, 1006)                \
    X(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A, 1450)      \
    X(STATUS_DEVICE_DATA_ERROR, 0xC000009C, 23)             \
    X(STATUS_DEVICE_NOT_CONNECTED, 0xC000009D, 1167)        \
    X(STATUS_MEDIA_WRITE_PROTECTED, 0xC00000A2, 19)         \
    X(STATUS_DEVICE_NOT_READY, 0xC00000A3, 21)              \
    X(STATUS_IO_TIMEOUT, 0xC00000B5, 121)                   \
    X(STATUS_FILE_IS_A_DIRECTORY, 0xC00000BA, 5)            \
    X(STATUS_NOT_SUPPORTED, 0xC00000BB, 50)                 \
    X(STATUS_DEVICE_DOES_NOT_EXIST, 0xC00000C0, 55)         \
    X(STATUS_NOT_SAME_DEVICE, 0xC00000D4, 17)               \
    X(STATUS_INTERNAL_ERROR, 0xC00000E5, 1359)              \
    X(STATUS_INVALID_USER_BUFFER, 0xC00000E8, 1784)         \
    X(STATUS_INVALID_PARAMETER_1, 0xC00000EF, 87)           \
    X(STATUS_INVALID_PARAMETER_2, 0xC00000F0, 87)           \
    X(STATUS_INVALID_PARAMETER_3, 0xC00000F1, 87)           \
    X(STATUS_DIRECTORY_NOT_EMPTY, 0xC0000101, 145)          \
    X(STATUS_FILE_CORRUPT_ERROR, 0xC0000102, 1392)          \
    X(STATUS_NOT_A_DIRECTORY, 0xC0000103, 267)              \
    X(STATUS_FILES_OPEN, 0xC0000107, 2401)                  \
    X(STATUS_CANCELLED, 0xC0000120, 995)                    \
    X(STATUS_CANNOT_DELETE, 0xC0000121, 5)                  \
    X(STATUS_FILE_DELETED, 0xC0000123, 5)                   \
    X(STATUS_FILE_CLOSED, 0xC0000128, 6)                    \
    X(STATUS_UNRECOGNIZED_VOLUME, 0xC000014F, 1005)         \
    X(STATUS_INVALID_BLOCK_LENGTH, 0xC0000173, 1106)        \
    X(STATUS_NO_MEDIA, 0xC0000178, 1112)                    \
    X(STATUS_INVALID_DEVICE_STATE, 0xC0000184, 22)          \
    X(STATUS_IO_DEVICE_ERROR, 0xC0000185, 1117)             \
    X(STATUS_INVALID_LOCK_RANGE, 0xC00001A1, 307)           \
    X(STATUS_INVALID_BUFFER_SIZE, 0xC0000206, 1784)         \
    X(STATUS_LOST_WRITEBEHIND_DATA, 0xC0000222, 596)        \
    X(STATUS_RETRY, 0xC000022D, 1237)                       \
    X(STATUS_VOLUME_DISMOUNTED, 0xC000026E, 21)             \
    X(STATUS_NOT_A_REPARSE_POINT, 0xC0000275, 4390)         \
    X(STATUS_IO_REPARSE_TAG_INVALID, 0xC0000276, 4393)      \
    X(STATUS_IO_REPARSE_TAG_MISMATCH, 0xC0000277, 4394)     \
    X(STATUS_IO_REPARSE_DATA_INVALID, 0xC0000278, 4392)     \
    X(STATUS_IO_REPARSE_TAG_NOT_HANDLED, 0xC0000279, 1920)  \
    X(STATUS_REPARSE_POINT_NOT_RESOLVED, 0xC0000280, 1921)  \
    X(STATUS_DIRECTORY_IS_A_REPARSE_POINT, 0xC0000281, 161) \
    X(STATUS_VOLUME_NOT_UPGRADED, 0xC000029C, 1)            \
    X(STATUS_NOT_LOCKED, 0xC000002A, 158)                   \
    X(STATUS_REPARSE_ATTRIBUTE_CONFLICT, 0xC00002B2, 4391)  \
    X(STATUS_FILE_SYSTEM_LIMITATION, 0xC0000427, 665)       \
    X(STATUS_DISK_RESOURCES_EXHAUSTED, 0xC0000461, 314)     \
    X(STATUS_FILE_NOT_AVAILABLE, 0xC0000467, 32)            \
    X(STATUS_NOT_READ_FROM_COPY, 0xC000046A, 337)           \
    X(STATUS_DATA_CHECKSUM_ERROR, 0xC0000470, 323)          \
    X(STATUS_SCRUB_DATA_DISABLED, 0xC0000478, 332)          \
    X(STATUS_NOT_REDUNDANT_STORAGE, 0xC0000479, 333)        \
    X(STATUS_DIRECTORY_NOT_SUPPORTED, 0xC000047C, 336)      \
    X(STATUS_DEVICE_HARDWARE_ERROR, 0xC0000483, 483)        \
    X(STATUS_BLOCK_TOO_MANY_REFERENCES, 0xC000048C, 347)    \
    X(STATUS_SYMLINK_CLASS_DISABLED, 0xC0000715, 1463)      \
    X(STATUS_TOO_MANY_LINKS, 0xC0000265, 1142)

// The C23 attribute where the compiler has it, nothing in C99.
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202000L)
#define HF_NODISCARD [[nodiscard]]
#else
#define HF_NODISCARD
#endif

// The cast keeps each value inside int, so that strict C99 and C++ accept the list; Windows' NTSTATUS is
// signed too.
#define HF_STATUS_ENUM(name, value, win32) name = (int)(value##u),
typedef enum HF_NODISCARD nt_status { HF_STATUS_LIST(HF_STATUS_ENUM) } nt_status;
#undef HF_STATUS_ENUM

// Severity is in the two top bits: 0 success, 1 information, 2 warning, 3 error.
#define HF_STATUS_IS_ERROR(status)   (((unsigned)(status) >> 30) == 3)
#define HF_STATUS_IS_WARNING(status) (((unsigned)(status) >> 30) == 2)

#endif
