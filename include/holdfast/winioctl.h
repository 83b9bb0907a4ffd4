// SPDX-License-Identifier: Apache-2.0
// Control codes and buffer layouts, with size and offset checks. C99 and C++ clean, fixed-width types, so
// that it can be used without any Windows header; win32/winioctl.h gives the same under the Windows type
// names. Sources: spec/integrity.md 1-2, spec/reparse.md 1-2, spec/storage.md 1.
#ifndef HOLDFAST_WINIOCTL_H
#define HOLDFAST_WINIOCTL_H

#include <stddef.h>
#include <stdint.h>

#define CTL_CODE(device, function, method, access)                                           \
    (((uint32_t)(device) << 16) | ((uint32_t)(access) << 14) | ((uint32_t)(function) << 2) | \
     (uint32_t)(method))
#define DEVICE_TYPE_FROM_CTL_CODE(code) (((uint32_t)(code)&0xffff0000u) >> 16)
#define METHOD_FROM_CTL_CODE(code)      ((uint32_t)(code)&3u)
#define ACCESS_FROM_CTL_CODE(code)      (((uint32_t)(code) >> 14) & 3u)

#define FILE_DEVICE_CD_ROM       0x00000002
#define FILE_DEVICE_DISK         0x00000007
#define FILE_DEVICE_FILE_SYSTEM  0x00000009
#define FILE_DEVICE_TAPE         0x0000001f
#define FILE_DEVICE_MASS_STORAGE 0x0000002d

#define METHOD_BUFFERED   0
#define METHOD_IN_DIRECT  1
#define METHOD_OUT_DIRECT 2
#define METHOD_NEITHER    3

#define FILE_ANY_ACCESS     0
#define FILE_SPECIAL_ACCESS FILE_ANY_ACCESS
#define FILE_READ_ACCESS    1
#define FILE_WRITE_ACCESS   2

#define IOCTL_DISK_BASE    FILE_DEVICE_DISK
#define IOCTL_CDROM_BASE   FILE_DEVICE_CD_ROM
#define IOCTL_TAPE_BASE    FILE_DEVICE_TAPE
#define IOCTL_STORAGE_BASE FILE_DEVICE_MASS_STORAGE

// Every control code that Holdfast knows by name: X(name, device type, function, method, access). New ones go
// to the end: the fuzzers' seeds count.
#define HF_CONTROL_CODES(X)                                \
    X(FSCTL_LOCK_VOLUME, 0x09, 6, 0, 0)                    \
    X(FSCTL_UNLOCK_VOLUME, 0x09, 7, 0, 0)                  \
    X(FSCTL_DISMOUNT_VOLUME, 0x09, 8, 0, 0)                \
    X(FSCTL_IS_VOLUME_MOUNTED, 0x09, 10, 0, 0)             \
    X(FSCTL_GET_RETRIEVAL_POINTERS, 0x09, 28, 3, 0)        \
    X(FSCTL_SET_REPARSE_POINT, 0x09, 41, 0, 0)             \
    X(FSCTL_GET_REPARSE_POINT, 0x09, 42, 0, 0)             \
    X(FSCTL_DELETE_REPARSE_POINT, 0x09, 43, 0, 0)          \
    X(FSCTL_SET_SPARSE, 0x09, 49, 0, 0)                    \
    X(FSCTL_SET_ZERO_DATA, 0x09, 50, 0, 2)                 \
    X(FSCTL_GET_INTEGRITY_INFORMATION, 0x09, 159, 0, 0)    \
    X(FSCTL_SET_INTEGRITY_INFORMATION, 0x09, 160, 0, 3)    \
    X(FSCTL_SET_INTEGRITY_INFORMATION_EX, 0x09, 224, 0, 0) \
    X(FSCTL_SET_REPARSE_POINT_EX, 0x09, 259, 0, 0)         \
    X(IOCTL_STORAGE_CHECK_VERIFY, 0x2d, 0x200, 0, 1)       \
    X(IOCTL_STORAGE_CHECK_VERIFY2, 0x2d, 0x200, 0, 0)      \
    X(IOCTL_STORAGE_MEDIA_REMOVAL, 0x2d, 0x201, 0, 1)      \
    X(IOCTL_STORAGE_EJECT_MEDIA, 0x2d, 0x202, 0, 1)        \
    X(IOCTL_STORAGE_LOAD_MEDIA, 0x2d, 0x203, 0, 1)         \
    X(IOCTL_STORAGE_LOAD_MEDIA2, 0x2d, 0x203, 0, 0)        \
    X(IOCTL_STORAGE_GET_HOTPLUG_INFO, 0x2d, 0x305, 0, 0)   \
    X(IOCTL_STORAGE_GET_DEVICE_NUMBER, 0x2d, 0x420, 0, 0)  \
    X(IOCTL_DISK_GET_DRIVE_GEOMETRY, 0x07, 0x000, 0, 0)    \
    X(IOCTL_DISK_IS_WRITABLE, 0x07, 0x009, 0, 0)           \
    X(IOCTL_DISK_GET_LENGTH_INFO, 0x07, 0x017, 0, 1)       \
    X(IOCTL_DISK_INTERNAL_SET_VERIFY, 0x07, 0x100, 3, 0)   \
    X(IOCTL_DISK_INTERNAL_CLEAR_VERIFY, 0x07, 0x101, 3, 0) \
    X(IOCTL_DISK_CHECK_VERIFY, 0x07, 0x200, 0, 1)          \
    X(IOCTL_DISK_MEDIA_REMOVAL, 0x07, 0x201, 0, 1)         \
    X(IOCTL_DISK_EJECT_MEDIA, 0x07, 0x202, 0, 1)           \
    X(IOCTL_DISK_LOAD_MEDIA, 0x07, 0x203, 0, 1)            \
    X(IOCTL_CDROM_GET_DRIVE_GEOMETRY, 0x02, 0x013, 0, 1)   \
    X(IOCTL_CDROM_CHECK_VERIFY, 0x02, 0x200, 0, 1)         \
    X(IOCTL_TAPE_GET_STATUS, 0x1f, 9, 0, 1)                \
    X(IOCTL_TAPE_CHECK_VERIFY, 0x1f, 0x200, 0, 1)          \
    X(FSCTL_QUERY_ALLOCATED_RANGES, 0x09, 51, 3, 1)        \
    X(FSCTL_DUPLICATE_EXTENTS_TO_FILE, 0x09, 209, 0, 2)    \
    X(FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, 0x09, 250, 0, 2) \
    X(FSCTL_HF_EVENTS, 0x09, 0x846, 0, 0)

// The codes as constants.
#define HF_CODE_ENUM(name, device, function, method, access) \
    name = (int)CTL_CODE(device, function, method, access),
enum hf_control_code { HF_CONTROL_CODES(HF_CODE_ENUM) HF_CODE_LIST_END };
#undef HF_CODE_ENUM

#if defined(__cplusplus)
#define HF_LAYOUT(expr) static_assert(expr, #expr)
#else
#define HF_LAYOUT(expr) _Static_assert(expr, #expr)
#endif

// --- integrity (spec/integrity.md 2) -------------------------------------------------------------

#define CHECKSUM_TYPE_NONE              0x0000
#define CHECKSUM_TYPE_CRC32             0x0001
#define CHECKSUM_TYPE_CRC64             0x0002
#define CHECKSUM_TYPE_FIRST_UNUSED_TYPE 0x0004
#define CHECKSUM_TYPE_UNCHANGED         0xffff

#define FSCTL_INTEGRITY_FLAG_CHECKSUM_ENFORCEMENT_OFF 0x00000001

typedef struct _FSCTL_GET_INTEGRITY_INFORMATION_BUFFER {
    uint16_t ChecksumAlgorithm;
    uint16_t Reserved;
    uint32_t Flags;
    uint32_t ChecksumChunkSizeInBytes; // 16384 at both cluster sizes
    uint32_t ClusterSizeInBytes;
} FSCTL_GET_INTEGRITY_INFORMATION_BUFFER, *PFSCTL_GET_INTEGRITY_INFORMATION_BUFFER;
HF_LAYOUT(sizeof(FSCTL_GET_INTEGRITY_INFORMATION_BUFFER) == 16);

typedef struct _FSCTL_SET_INTEGRITY_INFORMATION_BUFFER {
    uint16_t ChecksumAlgorithm;
    uint16_t Reserved;
    uint32_t Flags;
} FSCTL_SET_INTEGRITY_INFORMATION_BUFFER, *PFSCTL_SET_INTEGRITY_INFORMATION_BUFFER;
HF_LAYOUT(sizeof(FSCTL_SET_INTEGRITY_INFORMATION_BUFFER) == 8);

typedef struct _FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX {
    uint8_t EnableIntegrity;
    uint8_t KeepIntegrityStateUnchanged;
    uint16_t Reserved;
    uint32_t Flags;
    uint8_t Version; // 1
    uint8_t Reserved2[7];
} FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX, *PFSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX;
HF_LAYOUT(sizeof(FSCTL_SET_INTEGRITY_INFORMATION_BUFFER_EX) == 16);

// --- reparse points (spec/reparse.md 2) ----------------------------------------------------------

#define MAXIMUM_REPARSE_DATA_BUFFER_SIZE 16384

#define IO_REPARSE_TAG_RESERVED_ZERO  0x00000000u
#define IO_REPARSE_TAG_RESERVED_ONE   0x00000001u
#define IO_REPARSE_TAG_RESERVED_TWO   0x00000002u
#define IO_REPARSE_TAG_MOUNT_POINT    0xA0000003u
#define IO_REPARSE_TAG_SYMLINK        0xA000000Cu
#define IO_REPARSE_TAG_FILTER_MANAGER 0x8000000Bu
#define IO_REPARSE_TAG_NFS            0x80000014u
#define IO_REPARSE_TAG_APPEXECLINK    0x8000001Bu
#define IO_REPARSE_TAG_LX_SYMLINK     0xA000001Du
#define IO_REPARSE_TAG_AF_UNIX        0x80000023u
#define IO_REPARSE_TAG_LX_FIFO        0x80000024u
#define IO_REPARSE_TAG_LX_CHR         0x80000025u
#define IO_REPARSE_TAG_LX_BLK         0x80000026u

#define IsReparseTagMicrosoft(tag)     (((tag)&0x80000000u) != 0)
#define IsReparseTagNameSurrogate(tag) (((tag)&0x20000000u) != 0)
#define IsReparseTagDirectory(tag)     (((tag)&0x10000000u) != 0)

#define SYMLINK_FLAG_RELATIVE 0x00000001

typedef struct _HF_GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} HF_GUID;

typedef struct _REPARSE_DATA_BUFFER {
    uint32_t ReparseTag;
    uint16_t ReparseDataLength;
    uint16_t Reserved;
    union {
        struct {
            uint16_t SubstituteNameOffset;
            uint16_t SubstituteNameLength;
            uint16_t PrintNameOffset;
            uint16_t PrintNameLength;
            uint32_t Flags;
            uint16_t PathBuffer[1]; // UTF-16LE
        } SymbolicLinkReparseBuffer;
        struct {
            uint16_t SubstituteNameOffset;
            uint16_t SubstituteNameLength;
            uint16_t PrintNameOffset;
            uint16_t PrintNameLength;
            uint16_t PathBuffer[1]; // UTF-16LE
        } MountPointReparseBuffer;
        struct {
            uint8_t DataBuffer[1];
        } GenericReparseBuffer;
    } u;
} REPARSE_DATA_BUFFER, *PREPARSE_DATA_BUFFER;
#define REPARSE_DATA_BUFFER_HEADER_SIZE 8
HF_LAYOUT(sizeof(REPARSE_DATA_BUFFER) == 24);
HF_LAYOUT(offsetof(REPARSE_DATA_BUFFER, u.SymbolicLinkReparseBuffer.PathBuffer) == 20);
HF_LAYOUT(offsetof(REPARSE_DATA_BUFFER, u.MountPointReparseBuffer.PathBuffer) == 16);

typedef struct _REPARSE_GUID_DATA_BUFFER {
    uint32_t ReparseTag;
    uint16_t ReparseDataLength; // does not count the GUID
    uint16_t Reserved;
    HF_GUID ReparseGuid;
    struct {
        uint8_t DataBuffer[1];
    } GenericReparseBuffer;
} REPARSE_GUID_DATA_BUFFER, *PREPARSE_GUID_DATA_BUFFER;
#define REPARSE_GUID_DATA_BUFFER_HEADER_SIZE 24
HF_LAYOUT(sizeof(REPARSE_GUID_DATA_BUFFER) == 28);

typedef struct _REPARSE_DATA_BUFFER_EX {
    uint32_t Flags;
    uint32_t ExistingReparseTag;
    HF_GUID ExistingReparseGuid;
    uint64_t Reserved;
    union {
        REPARSE_DATA_BUFFER ReparseDataBuffer;
        REPARSE_GUID_DATA_BUFFER ReparseGuidDataBuffer;
    } u;
} REPARSE_DATA_BUFFER_EX, *PREPARSE_DATA_BUFFER_EX;
#define REPARSE_DATA_EX_FLAG_GIVEN_TAG_OR_NONE  0x00000001
#define REPARSE_DATA_BUFFER_EX_HEADER_SIZE      40
#define REPARSE_GUID_DATA_BUFFER_EX_HEADER_SIZE 56
HF_LAYOUT(sizeof(REPARSE_DATA_BUFFER_EX) == 64);
HF_LAYOUT(offsetof(REPARSE_DATA_BUFFER_EX, u) == 32);

// --- storage (spec/storage.md 1.2) ---------------------------------------------------------------

typedef struct _PREVENT_MEDIA_REMOVAL {
    uint8_t PreventMediaRemoval;
} PREVENT_MEDIA_REMOVAL, *PPREVENT_MEDIA_REMOVAL;
HF_LAYOUT(sizeof(PREVENT_MEDIA_REMOVAL) == 1);

typedef struct _STORAGE_DEVICE_NUMBER {
    uint32_t DeviceType;
    uint32_t DeviceNumber;
    uint32_t PartitionNumber;
} STORAGE_DEVICE_NUMBER, *PSTORAGE_DEVICE_NUMBER;
HF_LAYOUT(sizeof(STORAGE_DEVICE_NUMBER) == 12);

typedef struct _STORAGE_HOTPLUG_INFO {
    uint32_t Size;
    uint8_t MediaRemovable;
    uint8_t MediaHotplug;
    uint8_t DeviceHotplug;
    uint8_t WriteCacheEnableOverride;
} STORAGE_HOTPLUG_INFO, *PSTORAGE_HOTPLUG_INFO;
HF_LAYOUT(sizeof(STORAGE_HOTPLUG_INFO) == 8);

typedef struct _GET_LENGTH_INFORMATION {
    int64_t Length; // bytes
} GET_LENGTH_INFORMATION, *PGET_LENGTH_INFORMATION;
HF_LAYOUT(sizeof(GET_LENGTH_INFORMATION) == 8);

#define HF_MEDIA_TYPE_REMOVABLE 11
#define HF_MEDIA_TYPE_FIXED     12

typedef struct _HF_DISK_GEOMETRY {
    int64_t Cylinders;
    uint32_t MediaType; // HF_MEDIA_TYPE_*
    uint32_t TracksPerCylinder;
    uint32_t SectorsPerTrack;
    uint32_t BytesPerSector;
} HF_DISK_GEOMETRY;
HF_LAYOUT(sizeof(HF_DISK_GEOMETRY) == 24);

// --- sparse files, clones (MS-FSCC 2.3) ----------------------------------------------------------

typedef struct _FILE_SET_SPARSE_BUFFER {
    uint8_t SetSparse;
} FILE_SET_SPARSE_BUFFER, *PFILE_SET_SPARSE_BUFFER;
HF_LAYOUT(sizeof(FILE_SET_SPARSE_BUFFER) == 1);

typedef struct _FILE_ZERO_DATA_INFORMATION {
    int64_t FileOffset;
    int64_t BeyondFinalZero; // the first byte that is left alone
} FILE_ZERO_DATA_INFORMATION, *PFILE_ZERO_DATA_INFORMATION;
HF_LAYOUT(sizeof(FILE_ZERO_DATA_INFORMATION) == 16);

typedef struct _FILE_ALLOCATED_RANGE_BUFFER {
    int64_t FileOffset;
    int64_t Length;
} FILE_ALLOCATED_RANGE_BUFFER, *PFILE_ALLOCATED_RANGE_BUFFER;
HF_LAYOUT(sizeof(FILE_ALLOCATED_RANGE_BUFFER) == 16);

// Sent on a handle of the target.
typedef struct _DUPLICATE_EXTENTS_DATA {
    void *FileHandle; // an hf_handle of the source
    int64_t SourceFileOffset;
    int64_t TargetFileOffset;
    int64_t ByteCount;
} DUPLICATE_EXTENTS_DATA, *PDUPLICATE_EXTENTS_DATA;
HF_LAYOUT(sizeof(void *) != 8 || sizeof(DUPLICATE_EXTENTS_DATA) == 32);

#define DUPLICATE_EXTENTS_DATA_EX_SOURCE_ATOMIC 0x00000001
#define DUPLICATE_EXTENTS_DATA_EX_ASYNC         0x00000002

typedef struct _DUPLICATE_EXTENTS_DATA_EX {
    size_t Size; // of this structure
    void *FileHandle;
    int64_t SourceFileOffset;
    int64_t TargetFileOffset;
    int64_t ByteCount;
    uint32_t Flags;
} DUPLICATE_EXTENTS_DATA_EX, *PDUPLICATE_EXTENTS_DATA_EX;
HF_LAYOUT(sizeof(void *) != 8 || sizeof(DUPLICATE_EXTENTS_DATA_EX) == 48);

// FSCTL_GET_RETRIEVAL_POINTERS: input is the first cluster of interest; output a list of (next cluster,
// device cluster).
typedef struct _HF_STARTING_VCN {
    int64_t StartingVcn;
} HF_STARTING_VCN;
typedef struct _HF_RETRIEVAL_POINTERS {
    uint32_t ExtentCount;
    uint32_t Padding;
    int64_t StartingVcn;
    struct {
        int64_t NextVcn;
        int64_t Lcn; // -1: a hole
    } Extents[1];
} HF_RETRIEVAL_POINTERS;
HF_LAYOUT(sizeof(HF_RETRIEVAL_POINTERS) == 32);

#endif
