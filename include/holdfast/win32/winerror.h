// SPDX-License-Identifier: Apache-2.0
// The Win32 errors that Holdfast returns (see the last column of holdfast/ntstatus.h) and that programs ask
// for by name.
#ifndef HOLDFAST_WIN32_WINERROR_H
#define HOLDFAST_WIN32_WINERROR_H

#define NO_ERROR                           0u
#define ERROR_SUCCESS                      0u
#define ERROR_INVALID_FUNCTION             1u
#define ERROR_FILE_NOT_FOUND               2u
#define ERROR_PATH_NOT_FOUND               3u
#define ERROR_TOO_MANY_OPEN_FILES          4u
#define ERROR_ACCESS_DENIED                5u
#define ERROR_INVALID_HANDLE               6u
#define ERROR_NOT_ENOUGH_MEMORY            8u
#define ERROR_INVALID_DATA                 13u
#define ERROR_OUTOFMEMORY                  14u
#define ERROR_INVALID_DRIVE                15u
#define ERROR_NOT_SAME_DEVICE              17u
#define ERROR_NO_MORE_FILES                18u
#define ERROR_WRITE_PROTECT                19u
#define ERROR_BAD_UNIT                     20u
#define ERROR_NOT_READY                    21u
#define ERROR_BAD_COMMAND                  22u
#define ERROR_CRC                          23u
#define ERROR_BAD_LENGTH                   24u
#define ERROR_SEEK                         25u
#define ERROR_SECTOR_NOT_FOUND             27u
#define ERROR_GEN_FAILURE                  31u
#define ERROR_SHARING_VIOLATION            32u
#define ERROR_LOCK_VIOLATION               33u
#define ERROR_WRONG_DISK                   34u
#define ERROR_HANDLE_EOF                   38u
#define ERROR_NOT_SUPPORTED                50u
#define ERROR_DEV_NOT_EXIST                55u
#define ERROR_FILE_EXISTS                  80u
#define ERROR_INVALID_PARAMETER            87u
#define ERROR_DISK_FULL                    112u
#define ERROR_CALL_NOT_IMPLEMENTED         120u
#define ERROR_SEM_TIMEOUT                  121u
#define ERROR_INSUFFICIENT_BUFFER          122u
#define ERROR_INVALID_NAME                 123u
#define ERROR_NEGATIVE_SEEK                131u
#define ERROR_DIR_NOT_ROOT                 144u
#define ERROR_DIR_NOT_EMPTY                145u
#define ERROR_NOT_LOCKED                   158u
#define ERROR_BAD_PATHNAME                 161u
#define ERROR_BUSY                         170u
#define ERROR_ALREADY_EXISTS               183u
#define ERROR_FILENAME_EXCED_RANGE         206u
#define ERROR_MORE_DATA                    234u
#define WAIT_TIMEOUT                       258u
#define ERROR_DIRECTORY                    267u
#define ERROR_EAS_NOT_SUPPORTED            282u
#define ERROR_INVALID_LOCK_RANGE           307u
#define ERROR_DISK_RESOURCES_EXHAUSTED     314u
#define ERROR_MR_MID_NOT_FOUND             317u
#define ERROR_DATA_CHECKSUM_ERROR          323u
#define ERROR_SCRUB_DATA_DISABLED          332u
#define ERROR_NOT_REDUNDANT_STORAGE        333u
#define ERROR_DIRECTORY_NOT_SUPPORTED      336u
#define ERROR_NOT_READ_FROM_COPY           337u
#define ERROR_NO_SUCH_DEVICE               433u
#define ERROR_DEVICE_HARDWARE_ERROR        483u
#define ERROR_LOST_WRITEBEHIND_DATA        596u
#define ERROR_FILE_SYSTEM_LIMITATION       665u
#define ERROR_STOPPED_ON_SYMLINK           681u
#define ERROR_REPARSE                      741u
#define ERROR_OPERATION_ABORTED            995u
#define ERROR_IO_INCOMPLETE                996u
#define ERROR_IO_PENDING                   997u
#define ERROR_NOACCESS                     998u
#define ERROR_UNRECOGNIZED_VOLUME          1005u
#define ERROR_FILE_INVALID                 1006u
#define ERROR_END_OF_MEDIA                 1100u
#define ERROR_FILEMARK_DETECTED            1101u
#define ERROR_NO_DATA_DETECTED             1104u
#define ERROR_INVALID_BLOCK_LENGTH         1106u
#define ERROR_MEDIA_CHANGED                1110u
#define ERROR_BUS_RESET                    1111u
#define ERROR_NO_MEDIA_IN_DRIVE            1112u
#define ERROR_IO_DEVICE                    1117u
#define ERROR_TOO_MANY_LINKS               1142u
#define ERROR_DEVICE_NOT_CONNECTED         1167u
#define ERROR_NOT_FOUND                    1168u
#define ERROR_UNABLE_TO_REMOVE_REPLACED    1175u
#define ERROR_UNABLE_TO_MOVE_REPLACEMENT   1176u
#define ERROR_UNABLE_TO_MOVE_REPLACEMENT_2 1177u
#define ERROR_CANCELLED                    1223u
#define ERROR_RETRY                        1237u
#define ERROR_NOT_ALL_ASSIGNED             1300u
#define ERROR_NO_SUCH_PRIVILEGE            1313u
#define ERROR_PRIVILEGE_NOT_HELD           1314u
#define ERROR_INTERNAL_ERROR               1359u
#define ERROR_FILE_CORRUPT                 1392u
#define ERROR_DISK_CORRUPT                 1393u
#define ERROR_NO_SYSTEM_RESOURCES          1450u
#define ERROR_SYMLINK_CLASS_DISABLED       1463u
#define ERROR_INVALID_USER_BUFFER          1784u
#define ERROR_UNRECOGNIZED_MEDIA           1785u
#define ERROR_CANT_ACCESS_FILE             1920u
#define ERROR_CANT_RESOLVE_FILENAME        1921u
#define ERROR_OPEN_FILES                   2401u
#define ERROR_CLEANER_CARTRIDGE_INSTALLED  4340u
#define ERROR_NOT_A_REPARSE_POINT          4390u
#define ERROR_REPARSE_ATTRIBUTE_CONFLICT   4391u
#define ERROR_INVALID_REPARSE_DATA         4392u
#define ERROR_REPARSE_TAG_INVALID          4393u
#define ERROR_REPARSE_TAG_MISMATCH         4394u

#define S_OK                      ((HRESULT)0)
#define E_FAIL                    ((HRESULT)0x80004005u)
#define SUCCEEDED(hr)             ((HRESULT)(hr) >= 0)
#define FAILED(hr)                ((HRESULT)(hr) < 0)
#define HRESULT_FROM_WIN32(error) ((HRESULT)((error) == 0 ? 0u : (((DWORD)(error)&0xffffu) | 0x80070000u)))

#endif
