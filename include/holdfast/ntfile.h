// SPDX-License-Identifier: Apache-2.0
// Access masks, create options, attributes and the information classes with their layouts (MS-FSCC 2.4, 2.5),
// under their Windows names and fixed-width types. Times are 100 ns since 1601-01-01 UTC; names in the
// structures are UTF-16LE.
#ifndef HOLDFAST_NTFILE_H
#define HOLDFAST_NTFILE_H

#include <stddef.h>
#include <stdint.h>

#define FILE_READ_DATA        0x00000001u
#define FILE_LIST_DIRECTORY   0x00000001u
#define FILE_WRITE_DATA       0x00000002u
#define FILE_ADD_FILE         0x00000002u
#define FILE_APPEND_DATA      0x00000004u
#define FILE_ADD_SUBDIRECTORY 0x00000004u
#define FILE_READ_EA          0x00000008u
#define FILE_WRITE_EA         0x00000010u
#define FILE_EXECUTE          0x00000020u
#define FILE_TRAVERSE         0x00000020u
#define FILE_DELETE_CHILD     0x00000040u
#define FILE_READ_ATTRIBUTES  0x00000080u
#define FILE_WRITE_ATTRIBUTES 0x00000100u
#ifndef DELETE
#define DELETE 0x00010000u
#endif
#define READ_CONTROL         0x00020000u
#define WRITE_DAC            0x00040000u
#define WRITE_OWNER          0x00080000u
#define SYNCHRONIZE          0x00100000u
#define MAXIMUM_ALLOWED      0x02000000u
#define GENERIC_ALL          0x10000000u
#define GENERIC_EXECUTE      0x20000000u
#define GENERIC_WRITE        0x40000000u
#define GENERIC_READ         0x80000000u
#define FILE_ALL_ACCESS      0x001f01ffu
#define FILE_GENERIC_READ    0x00120089u
#define FILE_GENERIC_WRITE   0x00120116u
#define FILE_GENERIC_EXECUTE 0x001200a0u

#define FILE_SHARE_READ   1u
#define FILE_SHARE_WRITE  2u
#define FILE_SHARE_DELETE 4u

// Create dispositions, and what a create did (the information of its status block).
#define FILE_SUPERSEDE    0u
#define FILE_OPEN         1u
#define FILE_CREATE       2u
#define FILE_OPEN_IF      3u
#define FILE_OVERWRITE    4u
#define FILE_OVERWRITE_IF 5u
#define FILE_SUPERSEDED   0u
#define FILE_OPENED       1u
#define FILE_CREATED      2u
#define FILE_OVERWRITTEN  3u

#define FILE_DIRECTORY_FILE            0x00000001u
#define FILE_WRITE_THROUGH             0x00000002u
#define FILE_NO_INTERMEDIATE_BUFFERING 0x00000008u
#define FILE_NON_DIRECTORY_FILE        0x00000040u
#define FILE_DELETE_ON_CLOSE           0x00001000u
#define FILE_OPEN_BY_FILE_ID           0x00002000u
#define FILE_OPEN_REPARSE_POINT        0x00200000u

#define FILE_ATTRIBUTE_READONLY            0x00000001u
#define FILE_ATTRIBUTE_HIDDEN              0x00000002u
#define FILE_ATTRIBUTE_SYSTEM              0x00000004u
#define FILE_ATTRIBUTE_DIRECTORY           0x00000010u
#define FILE_ATTRIBUTE_ARCHIVE             0x00000020u
#define FILE_ATTRIBUTE_NORMAL              0x00000080u
#define FILE_ATTRIBUTE_TEMPORARY           0x00000100u
#define FILE_ATTRIBUTE_SPARSE_FILE         0x00000200u
#define FILE_ATTRIBUTE_REPARSE_POINT       0x00000400u
#define FILE_ATTRIBUTE_COMPRESSED          0x00000800u
#define FILE_ATTRIBUTE_OFFLINE             0x00001000u
#define FILE_ATTRIBUTE_NOT_CONTENT_INDEXED 0x00002000u
#define FILE_ATTRIBUTE_ENCRYPTED           0x00004000u
#define FILE_ATTRIBUTE_INTEGRITY_STREAM    0x00008000u
#define FILE_ATTRIBUTE_NO_SCRUB_DATA       0x00020000u

// FileRenameInformationEx and FileLinkInformationEx. Those that are not named here speak of pins and storage
// reserves, which this volume does not have: they are accepted and mean nothing.
#define FILE_RENAME_REPLACE_IF_EXISTS         0x00000001u
#define FILE_RENAME_POSIX_SEMANTICS           0x00000002u
#define FILE_RENAME_IGNORE_READONLY_ATTRIBUTE 0x00000040u
#define FILE_RENAME_KNOWN_FLAGS               0x000001ffu // ours: every flag that Windows documents
#define FILE_LINK_REPLACE_IF_EXISTS           FILE_RENAME_REPLACE_IF_EXISTS
#define FILE_LINK_POSIX_SEMANTICS             FILE_RENAME_POSIX_SEMANTICS
#define FILE_LINK_IGNORE_READONLY_ATTRIBUTE   FILE_RENAME_IGNORE_READONLY_ATTRIBUTE

// FileFsAttributeInformation.
#define FILE_CASE_SENSITIVE_SEARCH      0x00000001u
#define FILE_CASE_PRESERVED_NAMES       0x00000002u
#define FILE_UNICODE_ON_DISK            0x00000004u
#define FILE_SUPPORTS_SPARSE_FILES      0x00000040u
#define FILE_SUPPORTS_REPARSE_POINTS    0x00000080u
#define FILE_NAMED_STREAMS              0x00040000u
#define FILE_READ_ONLY_VOLUME           0x00080000u
#define FILE_SUPPORTS_HARD_LINKS        0x00400000u
#define FILE_SUPPORTS_OPEN_BY_FILE_ID   0x01000000u
#define FILE_SUPPORTS_INTEGRITY_STREAMS 0x04000000u
#define FILE_SUPPORTS_BLOCK_REFCOUNTING 0x08000000u

enum hf_file_information_class {
    FileDirectoryInformation = 1,
    FileFullDirectoryInformation = 2,
    FileBothDirectoryInformation = 3,
    FileBasicInformation = 4,
    FileStandardInformation = 5,
    FileInternalInformation = 6,
    FileEaInformation = 7,
    FileAccessInformation = 8,
    FileNameInformation = 9,
    FileRenameInformation = 10,
    FileLinkInformation = 11,
    FileNamesInformation = 12,
    FileDispositionInformation = 13,
    FilePositionInformation = 14,
    FileModeInformation = 16,
    FileAlignmentInformation = 17,
    FileAllInformation = 18,
    FileAllocationInformation = 19,
    FileEndOfFileInformation = 20,
    FileStreamInformation = 22,
    FileReparsePointInformation = 33,
    FileNetworkOpenInformation = 34,
    FileAttributeTagInformation = 35,
    FileIdBothDirectoryInformation = 37,
    FileIdFullDirectoryInformation = 38,
    FileHardLinkInformation = 46,
    FileIdInformation = 59,
    FileIdExtdDirectoryInformation = 60,
    FileIdExtdBothDirectoryInformation = 63,
    FileDispositionInformationEx = 64,
    FileRenameInformationEx = 65,
    FileStatInformation = 68,
    FileLinkInformationEx = 72,
    FileHfDirectoryInformation = 0x4846, // ours: struct hf_dirent records (holdfast.h)
    FileHfNameInformation = 0x4847       // ours: "/dir/file" in UTF-8, where a name may have a '\\' in it
};

enum hf_fs_information_class {
    FileFsVolumeInformation = 1,
    FileFsLabelInformation = 2,
    FileFsSizeInformation = 3,
    FileFsDeviceInformation = 4,
    FileFsAttributeInformation = 5,
    FileFsFullSizeInformation = 7,
    FileHfFsStatsInformation = 0x4846 // ours: HF_FS_STATS_INFORMATION
};

typedef struct _FILE_BASIC_INFORMATION {
    int64_t CreationTime, LastAccessTime, LastWriteTime,
        ChangeTime;          // set: 0 = leave, -1 = no more automatic updates
    uint32_t FileAttributes; // set: 0 = leave
    uint32_t Reserved;
} FILE_BASIC_INFORMATION;
typedef struct _FILE_STANDARD_INFORMATION {
    int64_t AllocationSize, EndOfFile;
    uint32_t NumberOfLinks;
    uint8_t DeletePending, Directory;
    uint16_t Reserved;
} FILE_STANDARD_INFORMATION;
typedef struct _FILE_INTERNAL_INFORMATION {
    int64_t IndexNumber;
} FILE_INTERNAL_INFORMATION;
typedef struct _FILE_EA_INFORMATION {
    uint32_t EaSize;
} FILE_EA_INFORMATION;
typedef struct _FILE_NAME_INFORMATION {
    uint32_t FileNameLength; // bytes
    uint16_t FileName[1];
} FILE_NAME_INFORMATION;
typedef struct _FILE_DISPOSITION_INFORMATION {
    uint8_t DeleteFile;
} FILE_DISPOSITION_INFORMATION;
typedef struct _FILE_END_OF_FILE_INFORMATION {
    int64_t EndOfFile;
} FILE_END_OF_FILE_INFORMATION;
typedef struct _FILE_ALLOCATION_INFORMATION {
    int64_t AllocationSize;
} FILE_ALLOCATION_INFORMATION;
typedef struct _FILE_NETWORK_OPEN_INFORMATION {
    int64_t CreationTime, LastAccessTime, LastWriteTime, ChangeTime, AllocationSize, EndOfFile;
    uint32_t FileAttributes;
    uint32_t Reserved;
} FILE_NETWORK_OPEN_INFORMATION;
typedef struct _FILE_ATTRIBUTE_TAG_INFORMATION {
    uint32_t FileAttributes;
    uint32_t ReparseTag;
} FILE_ATTRIBUTE_TAG_INFORMATION;
typedef struct _FILE_STREAM_INFORMATION {
    uint32_t NextEntryOffset;
    uint32_t StreamNameLength; // bytes
    int64_t StreamSize, StreamAllocationSize;
    uint16_t StreamName[1]; // ":name:$DATA"
} FILE_STREAM_INFORMATION;
typedef struct _FILE_ID_INFORMATION {
    uint64_t VolumeSerialNumber;
    uint8_t FileId[16];
} FILE_ID_INFORMATION;
typedef struct _FILE_STAT_INFORMATION {
    int64_t FileId, CreationTime, LastAccessTime, LastWriteTime, ChangeTime, AllocationSize, EndOfFile;
    uint32_t FileAttributes, ReparseTag, NumberOfLinks, EffectiveAccess;
} FILE_STAT_INFORMATION;
// Directory classes: the fixed part up to the name; NextEntryOffset 0 ends the list, entries are 8-byte
// aligned.
typedef struct _FILE_DIRECTORY_INFORMATION {
    uint32_t NextEntryOffset, FileIndex;
    int64_t CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
    uint32_t FileAttributes, FileNameLength;
    uint16_t FileName[1];
} FILE_DIRECTORY_INFORMATION; // name at 64
typedef struct _FILE_FULL_DIR_INFORMATION {
    uint32_t NextEntryOffset, FileIndex;
    int64_t CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
    uint32_t FileAttributes, FileNameLength, EaSize;
    uint16_t FileName[1];
} FILE_FULL_DIR_INFORMATION; // name at 68
typedef struct _FILE_ID_FULL_DIR_INFORMATION {
    uint32_t NextEntryOffset, FileIndex;
    int64_t CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
    uint32_t FileAttributes, FileNameLength, EaSize, Reserved;
    int64_t FileId;
    uint16_t FileName[1];
} FILE_ID_FULL_DIR_INFORMATION; // name at 80
typedef struct _FILE_BOTH_DIR_INFORMATION {
    uint32_t NextEntryOffset, FileIndex;
    int64_t CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
    uint32_t FileAttributes, FileNameLength, EaSize;
    int8_t ShortNameLength;
    uint16_t ShortName[12];
    uint16_t FileName[1];
} FILE_BOTH_DIR_INFORMATION; // name at 94
typedef struct _FILE_ID_BOTH_DIR_INFORMATION {
    uint32_t NextEntryOffset, FileIndex;
    int64_t CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
    uint32_t FileAttributes, FileNameLength, EaSize;
    int8_t ShortNameLength;
    uint16_t ShortName[12];
    int64_t FileId;
    uint16_t FileName[1];
} FILE_ID_BOTH_DIR_INFORMATION; // name at 104
typedef struct _FILE_ID_EXTD_DIR_INFORMATION {
    uint32_t NextEntryOffset, FileIndex;
    int64_t CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
    uint32_t FileAttributes, FileNameLength, EaSize, ReparsePointTag;
    uint8_t FileId[16];
    uint16_t FileName[1];
} FILE_ID_EXTD_DIR_INFORMATION; // name at 88
typedef struct _FILE_ID_EXTD_BOTH_DIR_INFORMATION {
    uint32_t NextEntryOffset, FileIndex;
    int64_t CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
    uint32_t FileAttributes, FileNameLength, EaSize, ReparsePointTag;
    uint8_t FileId[16];
    int8_t ShortNameLength;
    uint16_t ShortName[12];
    uint16_t FileName[1];
} FILE_ID_EXTD_BOTH_DIR_INFORMATION; // name at 114
typedef struct _FILE_NAMES_INFORMATION {
    uint32_t NextEntryOffset, FileIndex, FileNameLength;
    uint16_t FileName[1];
} FILE_NAMES_INFORMATION; // name at 12

typedef struct _FILE_FS_VOLUME_INFORMATION {
    int64_t VolumeCreationTime;
    uint32_t VolumeSerialNumber, VolumeLabelLength;
    uint8_t SupportsObjects;
    uint16_t VolumeLabel[1];
} FILE_FS_VOLUME_INFORMATION; // label at 18
typedef struct _FILE_FS_SIZE_INFORMATION {
    int64_t TotalAllocationUnits, AvailableAllocationUnits;
    uint32_t SectorsPerAllocationUnit, BytesPerSector;
} FILE_FS_SIZE_INFORMATION;
typedef struct _FILE_FS_FULL_SIZE_INFORMATION {
    int64_t TotalAllocationUnits, CallerAvailableAllocationUnits, ActualAvailableAllocationUnits;
    uint32_t SectorsPerAllocationUnit, BytesPerSector;
} FILE_FS_FULL_SIZE_INFORMATION;
typedef struct _FILE_FS_DEVICE_INFORMATION {
    uint32_t DeviceType, Characteristics;
} FILE_FS_DEVICE_INFORMATION;
typedef struct _FILE_FS_ATTRIBUTE_INFORMATION {
    uint32_t FileSystemAttributes;
    int32_t MaximumComponentNameLength;
    uint32_t FileSystemNameLength;
    uint16_t FileSystemName[1]; // "Holdfast"
} FILE_FS_ATTRIBUTE_INFORMATION;
// Since the volume was mounted. Pages are those of the volume's metadata, 16 KiB each, every copy counted.
typedef struct _HF_FS_STATS_INFORMATION {
    uint64_t PagesRead, PagesWritten, Commits, Repairs, ChecksumErrors;
} HF_FS_STATS_INFORMATION;

#endif
