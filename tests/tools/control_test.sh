#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# integrity and ioctl: settings of files and trees, any code with any buffer.
. "$(dirname "$0")/tap.sh"

with_file() {
    volume
    bytes 60000 >f
    hf put f vol.hf:/
}

case_integrity_get() {
    with_file
    expect 0 integrity get vol.hf:/f
    grep -qE '^CRC32 +enforced +vol.hf:/f$' out
    expect 0 integrity get --json vol.hf:/f
    equal "$(json 'd[0]["algorithm"], d[0]["chunk"], d[0]["cluster"], d[0]["enforced"]')" '(1, 16384, 4096, True)'
    hf format big.hf --size 64M --cluster 64K
    expect 0 integrity get --json big.hf:/
    equal "$(json 'd[0]["algorithm_name"], d[0]["chunk"], d[0]["cluster"]')" "('CRC64', 16384, 65536)"
}

case_integrity_changes_while_the_file_is_empty_only() {
    with_file
    expect 1 integrity set off vol.hf:/f
    expect_error 'STATUS_INVALID_PARAMETER (Win32 87): cannot set the integrity information (it can only be changed while'
    expect 0 integrity set on vol.hf:/f
    : >empty
    hf put empty vol.hf:/
    expect 0 integrity set off vol.hf:/empty
    expect 0 integrity get vol.hf:/empty
    grep -q '^NONE' out
    expect 0 integrity set on vol.hf:/empty
}

case_volume_option_allows_the_change_of_data() {
    hf format vol.hf --size 64M --option integrity-change=any
    bytes 60000 >f
    hf put f vol.hf:/
    expect 0 integrity set off vol.hf:/f
    expect 0 integrity set on vol.hf:/f
    hf cat vol.hf:/f | cmp - f
}

case_directory_decides_for_new_files() {
    volume
    hf mkdir vol.hf:/d
    hf integrity set off vol.hf:/d
    echo x >x
    hf put x vol.hf:/d
    expect 0 integrity get vol.hf:/d/x
    grep -q '^NONE' out
}

case_enforcement_off_returns_rotten_data() {
    with_file
    hf corrupt vol.hf:/f --offset 12288
    expect 3 cat vol.hf:/f
    expect 0 integrity set keep --enforce off vol.hf:/f
    hf cat vol.hf:/f >got
    equal "$(cmp -l f got | wc -l)" 1
    expect 0 integrity get vol.hf:/f
    grep -q 'not enforced' out
    expect 0 integrity set keep vol.hf:/f
    expect 3 cat vol.hf:/f
}

case_integrity_of_a_tree() {
    volume
    mkdir -p t/sub
    echo a >t/a
    echo b >t/sub/b
    hf put t vol.hf:/
    expect 0 integrity get -r --json vol.hf:/t
    equal "$(json 'sorted(e["name"] for e in d)')" "['vol.hf:/t', 'vol.hf:/t/a', 'vol.hf:/t/sub', 'vol.hf:/t/sub/b']"
    expect 0 integrity set keep -r --enforce off vol.hf:/t
    expect 0 integrity get vol.hf:/t/sub/b
    grep -q 'not enforced' out
}

case_integrity_wrong_usage() {
    expect 2 integrity set maybe vol.hf:/f
    expect 2 integrity set on --enforce maybe vol.hf:/f
    expect 2 integrity set off --enforce off vol.hf:/f
    expect 2 integrity set on
}

case_volume_without_integrity_streams() {
    hf format vol.hf --size 64M --integrity off --option no-integrity
    expect 1 integrity get vol.hf:/
    expect_error 'STATUS_INVALID_DEVICE_REQUEST (Win32 1)'
}

case_ioctl_by_name_and_by_number() {
    with_file
    expect 0 ioctl vol.hf:/f FSCTL_GET_INTEGRITY_INFORMATION --out 16
    equal "$(cat out)" 01000000000000000040000000100000
    expect 0 ioctl vol.hf:/f 0x9027c --out 16
    equal "$(cat out)" 01000000000000000040000000100000
    expect 0 ioctl vol.hf:/f 590460
    hf ioctl vol.hf:/f FSCTL_GET_INTEGRITY_INFORMATION --raw >raw
    equal "$(wc -c <raw)" 16
}

case_ioctl_with_input() {
    with_file
    : >empty
    hf put empty vol.hf:/
    expect 0 ioctl -w vol.hf:/empty FSCTL_SET_INTEGRITY_INFORMATION --in '0000 0000 00000000'
    expect 0 integrity get vol.hf:/empty
    grep -q '^NONE' out
    printf '\001\000\000\000\000\000\000\000' >buffer
    expect 0 ioctl --write vol.hf:/empty FSCTL_SET_INTEGRITY_INFORMATION --in-file buffer
    expect 0 integrity get vol.hf:/empty
    grep -q '^CRC32' out
}

case_ioctl_without_the_access_it_needs() {
    with_file
    expect 1 ioctl vol.hf:/f FSCTL_SET_INTEGRITY_INFORMATION --in 0100000000000000
    expect_error 'STATUS_ACCESS_DENIED (Win32 5): FSCTL_SET_INTEGRITY_INFORMATION (0x0009c280)'
}

case_ioctl_every_output_size() {
    with_file
    for size in 0 1 15; do
        expect 1 ioctl vol.hf:/f FSCTL_GET_INTEGRITY_INFORMATION --out "$size"
        [ ! -s out ]
    done
    for size in 16 17 4096 1048576; do
        expect 0 ioctl vol.hf:/f FSCTL_GET_INTEGRITY_INFORMATION --out "$size"
    done
    expect 2 ioctl vol.hf:/f FSCTL_GET_INTEGRITY_INFORMATION --out 1G
}

case_ioctl_warning_comes_with_data() {
    volume
    hf ln -s a/long/enough/target vol.hf:/link
    expect 1 ioctl -P vol.hf:/link FSCTL_GET_REPARSE_POINT --out 28
    expect_error STATUS_BUFFER_OVERFLOW
    equal "$(wc -c <out)" 57
    expect 0 ioctl -P vol.hf:/link FSCTL_GET_REPARSE_POINT
}

case_ioctl_unknown_code() {
    with_file
    expect 1 ioctl vol.hf:/f 0x903fc
    expect_error STATUS_INVALID_DEVICE_REQUEST
    expect 2 ioctl vol.hf:/f FSCTL_FROBNICATE
    expect 2 ioctl vol.hf:/f 0x100000000
    expect 2 ioctl vol.hf:/f FSCTL_GET_REPARSE_POINT --in xyz
    expect 2 ioctl vol.hf:/f FSCTL_GET_REPARSE_POINT --in 00 --in-file x
}

case_ioctl_on_the_volume() {
    volume
    expect 0 ioctl vol.hf: FSCTL_IS_VOLUME_MOUNTED
    expect 0 ioctl vol.hf: IOCTL_DISK_GET_LENGTH_INFO
    equal "$(cat out)" 0000000400000000
    expect 1 ioctl vol.hf:/ IOCTL_STORAGE_CHECK_VERIFY
    expect_error 'STATUS_INVALID_PARAMETER (Win32 87)'
}

case_ioctl_json_also_of_a_failure() {
    with_file
    expect 0 ioctl --json vol.hf:/f FSCTL_GET_INTEGRITY_INFORMATION
    equal "$(json 'd["status_name"], d["returned"], len(d["output"])')" "('STATUS_SUCCESS', 16, 32)"
    expect 1 ioctl --json vol.hf:/f FSCTL_GET_REPARSE_POINT
    equal "$(json 'd["status_name"], d["win32"], d["returned"]')" "('STATUS_NOT_A_REPARSE_POINT', 4390, 0)"
}

tap_main
