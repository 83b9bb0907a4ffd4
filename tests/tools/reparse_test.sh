#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ln and reparse: links resolve, buffers of any tag come back byte for byte, wrong ones get the file system's status.
. "$(dirname "$0")/tap.sh"

guid_tag='34120000 0d00 0000 0102030405060708090a0b0c0d0e0f10 666f726569676e206279746573'

with_file() {
    volume
    hf mkdir -p vol.hf:/d/e
    echo data >f
    hf put f vol.hf:/d
}

case_hard_link_is_the_same_file() {
    with_file
    expect 0 ln vol.hf:/d/f vol.hf:/hard
    hf stat --json vol.hf:/d/f vol.hf:/hard >out
    equal "$(json 'd[0]["id"] == d[1]["id"], d[0]["links"]')" '(True, 2)'
    hf rm vol.hf:/d/f
    equal "$(hf cat vol.hf:/hard)" data
    expect 1 ln vol.hf:/d vol.hf:/x
    expect 1 ln vol.hf:/missing vol.hf:/x
    expect 2 ln f vol.hf:/x
}

case_file_symlink() {
    with_file
    for target in d/f ./d/f /d/f 'd\f' 'X:\d\f' X:/d/f; do
        hf ln -s "$target" vol.hf:/link
        equal "$(hf cat vol.hf:/link)" data
        hf rm vol.hf:/link
    done
    hf ln -s ../f vol.hf:/d/e/up
    equal "$(hf cat vol.hf:/d/e/up)" data
}

case_directory_symlink() {
    with_file
    for target in d /d 'X:\d' e/../d; do
        hf ln -s "$target" vol.hf:/link
        hf stat --json vol.hf:/link >out
        equal "$(json 'd[0]["attributes"] & 16')" 16
        hf rm vol.hf:/link
    done
    hf ln -s d vol.hf:/link
    equal "$(hf cat vol.hf:/link/f)" data
    hf ln -s --directory later vol.hf:/early
    hf mkdir vol.hf:/later
    hf put f vol.hf:/early
    equal "$(hf cat vol.hf:/later/f)" data
}

case_mount_point() {
    with_file
    hf ln --junction /d vol.hf:/mount
    equal "$(hf cat vol.hf:/mount/f)" data
    expect 0 reparse get --json vol.hf:/mount
    equal "$(json 'd["substitute_name"]')" '\??\X:\d'
    for target in /d/ 'X:\d\' X:/d; do
        hf ln --junction "$target" vol.hf:/other
        equal "$(hf cat vol.hf:/other/f)" data
        hf rm vol.hf:/other
    done
    hf ln --junction / vol.hf:/d/e/root
    equal "$(hf cat vol.hf:/d/e/root/d/f)" data
    expect 2 ln --junction d vol.hf:/other
    expect 2 ln --junction -s /d vol.hf:/other
}

case_drive_chooses_what_absolute_targets_mean() {
    with_file
    hf ln --drive L --junction /d vol.hf:/mount
    equal "$(hf cat --drive L vol.hf:/mount/f)" data
    expect 1 cat vol.hf:/mount/f
}

case_existing_name_is_refused() {
    with_file
    expect 1 ln -s x vol.hf:/d/f
    expect_error STATUS_OBJECT_NAME_COLLISION
    equal "$(hf cat vol.hf:/d/f)" data
}

case_loop_is_not_resolved() {
    volume
    hf ln -s b vol.hf:/a
    hf ln -s a vol.hf:/b
    expect 1 cat vol.hf:/a
    expect_error 'STATUS_REPARSE_POINT_NOT_RESOLVED (Win32 1921)'
}

case_symlink_buffer() {
    with_file
    hf ln -s d/f vol.hf:/link
    expect 0 reparse get vol.hf:/link
    grep -q '^tag *0xa000000c SYMLINK' out
    grep -qF 'substitute name d\f' out
    grep -q '^relative *yes' out
    expect 0 reparse get --hex vol.hf:/link
    equal "$(cut -c1-16 out)" 0c0000a018000000
}

case_foreign_tag_comes_back_byte_for_byte() {
    with_file
    expect 0 reparse set vol.hf:/d/f --hex "$guid_tag"
    expect 0 reparse get --hex vol.hf:/d/f
    equal "$(cat out)" "$(echo "$guid_tag" | tr -d ' ')"
    hf reparse get --raw vol.hf:/d/f >raw
    equal "$(wc -c <raw)" 37
    expect 1 cat vol.hf:/d/f
    expect_error 'STATUS_IO_REPARSE_TAG_NOT_HANDLED (Win32 1920)'
    expect 0 reparse get --json vol.hf:/d/f
    equal "$(json 'd["guid"]')" 04030201-0605-0807-090a-0b0c0d0e0f10
    expect 0 reparse delete vol.hf:/d/f
    equal "$(hf cat vol.hf:/d/f)" data
    expect 0 reparse set vol.hf:/d/f --file raw
    hf reparse get --raw vol.hf:/d/f | cmp - raw
    hf reparse set vol.hf:/d/f --file - <raw
}

case_every_tag_survives_a_check() {
    with_file
    hf reparse set vol.hf:/d/f --hex "$guid_tag"
    hf ln -s x vol.hf:/link
    hf check vol.hf
}

case_not_a_reparse_point() {
    with_file
    expect 1 reparse get vol.hf:/d/f
    expect_error 'STATUS_NOT_A_REPARSE_POINT (Win32 4390)'
    expect 1 reparse delete vol.hf:/d/f
    expect_error STATUS_NOT_A_REPARSE_POINT
}

case_wrong_buffers() {
    with_file
    expect 1 reparse set vol.hf:/d/f --hex 00
    expect_error STATUS_IO_REPARSE_DATA_INVALID
    expect 1 reparse set vol.hf:/d/f --hex '0000000000000000'
    expect 1 reparse set vol.hf:/d --hex "$guid_tag"
    expect_error 'STATUS_DIRECTORY_NOT_EMPTY (Win32 145)'
    head -c 20000 /dev/zero >large
    expect 1 reparse set vol.hf:/d/f --file large
    expect_error STATUS_IO_REPARSE_DATA_INVALID
    equal "$(hf cat vol.hf:/d/f)" data
}

case_wrong_usage() {
    expect 2 reparse set vol.hf:/f
    expect 2 reparse set vol.hf:/f --hex 0
    expect 2 reparse set vol.hf:/f --hex zz
    expect 2 reparse set vol.hf:/f --hex 00 --file x
    expect 1 reparse set vol.hf:/f --file missing
}

tap_main
