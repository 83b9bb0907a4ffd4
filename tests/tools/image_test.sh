#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# format, check, corrupt and run.
. "$(dirname "$0")/tap.sh"

case_format_makes_a_sparse_file_of_the_size() {
    expect 0 format vol.hf --size 10G
    equal "$(stat -c %s vol.hf)" 10737418240
    [ "$(stat -c %b vol.hf)" -lt 100000 ]
    expect 0 ls vol.hf:/
}

case_format_refuses_what_is_there() {
    echo precious >vol.hf
    expect 1 format vol.hf --size 64M
    expect_error 'exists and is not empty'
    equal "$(cat vol.hf)" precious
    : >empty.hf
    expect 0 format empty.hf --size 64M
    hf mkdir empty.hf:/d
    expect 1 format empty.hf --size 64M
    equal "$(hf ls empty.hf:/)" d
    expect 0 format --force empty.hf --size 32M
    equal "$(hf ls empty.hf:/)" ''
    equal "$(stat -c %s empty.hf)" 33554432
}

case_format_force_leaves_an_image_in_use_alone() {
    volume
    hold_open vol.hf
    expect 1 format --force vol.hf --size 32M
    expect_error STATUS_SHARING_VIOLATION
    equal "$(stat -c %s vol.hf)" 67108864
    release vol.hf
}

case_format_wrong_values() {
    expect 2 format vol.hf
    expect 2 format vol.hf --size 64M --cluster 8K
    expect 2 format vol.hf --size 64M --copies 3
    expect 2 format vol.hf --size 64M --integrity maybe
    expect 1 format vol.hf --size 64M --option nonsense
    expect_error STATUS_INVALID_PARAMETER
    expect 1 format vol.hf --size 64M --label "$(printf '%0200d' 0)"
    expect 1 format vol.hf --size 100
    expect 1 format vol.hf --size 0
    expect 1 format vol.hf --size 15E
    [ ! -e vol.hf ]
    expect 1 format no/such/directory/vol.hf --size 64M
    expect 1 format . --size 64M
}

case_format_options() {
    expect 0 format vol.hf --size 64M --option no-reparse --option integrity-change=any --copies 1 --integrity off
    hf df --json vol.hf >out
    equal "$(json 'd[0]["reparse_points"], d[0]["integrity_streams"]')" '(False, True)'
    hf integrity get vol.hf:/ | grep -q '^NONE'
}

case_check_of_a_good_volume() {
    volume
    mkdir d
    bytes 100000 >d/f
    hf put d vol.hf:/
    expect 0 check vol.hf
    grep -q 'all good' out
    expect 0 check --json vol.hf:
    equal "$(json 'd["status"], d["findings"], d["files"]')" "('STATUS_SUCCESS', [], 1)"
    equal "$(json 'd["data_bytes"] >= 100000')" True
    expect 0 check --no-data vol.hf
}

case_check_names_the_rotten_file_and_range() {
    volume
    bytes 100000 >f
    hf put f vol.hf:/
    hf corrupt vol.hf:/f --offset 40000
    expect 3 check vol.hf
    expect_error 'holdfast: vol.hf: STATUS_DISK_CORRUPT_ERROR (Win32 1393)'
    grep -q '^vol.hf:/f: data: ' out
    expect 3 check --json vol.hf
    equal "$(json 'len(d["findings"]), d["findings"][0]["path"]')" "(1, '/f')"
    equal "$(json 'd["findings"][0]["offset"] <= 40000 < d["findings"][0]["offset"] + d["findings"][0]["length"]')" True
    expect 0 check --no-data vol.hf
}

case_check_of_something_else() {
    expect 1 check missing.hf
    bytes 8000000 >foreign
    expect 1 check foreign
    expect_error STATUS_UNRECOGNIZED_VOLUME
}

# The byte rots in one unit of 16 KiB, and exactly reads that touch it fail.
unit_fails() {
    bytes 100000 >f
    hf put f vol.hf:/
    hf corrupt vol.hf:/f --offset 20000
    for unit in 0 1 2 3 4 5 6; do
        wanted=0
        [ "$unit" -ne 1 ] || wanted=3
        expect "$wanted" cat vol.hf:/f --offset $((unit * 16384)) --length 4096
        [ "$wanted" -eq 3 ] || slice f $((unit * 16384)) 4096 | cmp - out
    done
    expect 3 cat vol.hf:/f --offset 32767 --length 1
    expect 0 cat vol.hf:/f --offset 32768 --length 1
    expect 3 cat vol.hf:/f --offset 16384 --length 1
    expect 0 cat vol.hf:/f --offset 16383 --length 1
    # What is good before the rot is printed.
    expect 3 cat vol.hf:/f
    head -c 16384 f | cmp - out
    hf corrupt vol.hf:/f --offset 20000
    hf cat vol.hf:/f | cmp - f
}

case_corrupt_fails_exactly_its_unit() {
    volume
    unit_fails
}

case_corrupt_fails_exactly_its_unit_at_64k_clusters() {
    hf format vol.hf --size 64M --cluster 64K
    unit_fails
}

case_corrupt_every_kind_of_position() {
    volume
    bytes 50000 >f
    hf put f vol.hf:/
    for offset in 0 1 4095 4096 16383 16384 49999; do
        hf corrupt vol.hf:/f --offset "$offset"
        expect 3 cat vol.hf:/f --offset "$offset" --length 1
        hf corrupt vol.hf:/f --offset "$offset"
        expect 0 cat vol.hf:/f --offset "$offset" --length 1
    done
    expect 1 corrupt vol.hf:/f --offset 50000
    expect 1 corrupt vol.hf:/missing --offset 0
    expect 2 corrupt vol.hf:/f
}

case_corrupt_one_metadata_page_of_two_copies() {
    volume
    echo x >f
    hf put f vol.hf:/
    expect 0 corrupt vol.hf --page 0
    grep -q 'metadata page 0 ' out
    expect 3 check vol.hf
    grep -q 'a good copy exists' out
    equal "$(hf cat vol.hf:/f)" x
}

case_corrupt_any_metadata_page_with_one_copy_is_found() {
    hf format good.hf --size 64M --copies 1
    echo x >f
    mkdir many
    seq 1 500 | (cd many && xargs touch)
    hf put f many good.hf:/
    page=0
    while cp --sparse=always good.hf vol.hf && hf corrupt vol.hf --page "$page" --offset 100 2>err; do
        page=$((page + 1))
        expect 3 check vol.hf
        got=0
        hf cat vol.hf:/f >out 2>err || got=$?
        if [ "$got" -eq 0 ]; then
            cmp out f
        else
            equal "$got" 3
        fi
    done
    expect_error 'has no metadata page'
    [ "$page" -gt 4 ]
    expect 1 corrupt missing.hf --page 0
    expect 2 corrupt vol.hf --page 0 --offset 16384
}

case_corrupt_page_that_is_not_there() {
    volume
    expect 1 corrupt vol.hf --page 1000000
    expect_error 'has no metadata page 1000000'
}

case_run_sets_the_devices() {
    volume
    # shellcheck disable=SC2016 # the program is to see it
    expect 0 run --device "X:=file:vol.hf" --device 'CdRom0=file:x.iso,removable' -- sh -c 'echo "$HOLDFAST_DEVICES"; echo "$1"' sh -f
    equal "$(cat out)" 'X:=file:vol.hf;CdRom0=file:x.iso,removable
-f'
    expect 0 run --device "R:=file:vol.hf,removable" -- "$HOLDFAST" media status '\\.\R:'
}

case_run_exits_as_the_program_does() {
    expect 7 run -- sh -c 'exit 7'
    expect 127 run -- no-such-program
    expect_error 'no-such-program: cannot run'
    echo x >not-executable
    expect 126 run -- ./not-executable
    expect 2 run --device nonsense -- true
    expect 2 run --device 'X:=a;Y:=b' -- true
    expect 2 run
}

tap_main
