#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Names: VOLUME:/PATH and nothing else; bad names and bad images get a clear line, never a crash.
. "$(dirname "$0")/tap.sh"

case_path_without_a_volume_is_wrong_usage() {
    for bad in file /dir/file :/file vol.hf:dir ''; do
        expect 2 cat "$bad"
        expect_error 'expected VOLUME:/PATH, such as vol.hf:/dir/file'
    done
    echo x >x
    expect 2 put x /local
    expect 2 get x .
    expect 2 get vol.hf:/x vol.hf:/y
    expect 2 rm vol.hf
}

case_volume_alone_is_its_root() {
    volume
    hf mkdir vol.hf:/d
    expect 0 ls vol.hf:
    equal "$(cat out)" d
}

case_slashes_are_folded() {
    volume
    hf mkdir -p vol.hf://a///b/
    expect 0 ls vol.hf:///a/
    equal "$(cat out)" b
}

case_dots_are_folded_and_never_leave_the_volume() {
    volume
    hf mkdir -p vol.hf:/a/b
    echo x >x
    hf put x vol.hf:/a
    equal "$(hf cat vol.hf:/a/b/.././x)" x
    equal "$(hf cat vol.hf:/../../a/x)" x
    mkdir -p back/in
    hf get vol.hf:/a/b/.. back/in
    equal "$(cat back/in/a/x)" x
    equal "$(ls back)" in
}

case_image_in_another_directory() {
    mkdir images
    volume images/v.hf
    hf mkdir "$PWD/images/v.hf:/d"
    expect 0 ls images/v.hf:/
    equal "$(cat out)" d
}

case_file_where_a_volume_is_expected() {
    volume
    expect 2 df vol.hf:/dir
    expect 2 check vol.hf:/dir
}

case_missing_image() {
    expect 1 ls missing.hf:/
    expect_error 'holdfast: missing.hf: STATUS_OBJECT_NAME_NOT_FOUND (Win32 2)'
}

case_foreign_image() {
    bytes 8000000 >vol.hf
    expect 1 ls vol.hf:/
    expect_error STATUS_UNRECOGNIZED_VOLUME
}

case_empty_image() {
    : >vol.hf
    expect 1 ls vol.hf:/
    [ "$(wc -l <err)" -eq 1 ]
}

case_truncated_image() {
    volume
    truncate -s 1M vol.hf
    got=0
    hf ls vol.hf:/ 2>err || got=$?
    [ "$got" -eq 1 ] || [ "$got" -eq 3 ]
    [ "$(wc -l <err)" -eq 1 ]
}

case_image_larger_than_its_volume() {
    volume
    hf mkdir vol.hf:/d
    truncate -s 80M vol.hf
    expect 0 ls vol.hf:/
    equal "$(cat out)" d
}

case_image_name_with_a_comma() {
    expect 1 ls 'a,readonly.hf:/'
    expect_error "cannot hold ','"
    expect 2 format 'a,b.hf' --size 64M
    [ ! -e 'a,b.hf' ]
}

case_readonly_image_can_be_read() {
    volume
    chmod a-w vol.hf
    expect 0 ls vol.hf:/
    expect_bound 1 mkdir vol.hf:/d
}

case_names_with_invalid_utf8() {
    volume
    expect 1 mkdir "$(printf 'vol.hf:/\377')"
    expect_error STATUS_OBJECT_NAME_INVALID
    expect 1 cat "$(printf 'vol.hf:/\355\240\200')"
    expect_error STATUS_OBJECT_NAME_INVALID
}

case_names_that_are_too_long() {
    volume
    expect 1 mkdir "vol.hf:/$(printf '%0256d' 0)"
    [ "$(wc -l <err)" -eq 1 ]
    expect 0 mkdir "vol.hf:/$(printf '%0255d' 0)"
}

case_names_that_windows_reserves_are_fine() {
    volume
    for name in 'a:b' 'what?' 'a*' 'a"b' 'a|b' 'a<b>' 'trailing. ' CON 'a\b'; do
        expect 0 mkdir "vol.hf:/$name"
    done
    hf ls vol.hf:/ | grep -qxF 'a:b'
    hf ls vol.hf:/ | grep -qxF 'a\b'
}

case_case_insensitive_unless_told_otherwise() {
    hf format ci.hf --size 64M
    hf mkdir ci.hf:/Dir
    expect 1 mkdir ci.hf:/DIR
    expect 0 ls ci.hf:/dir
    volume cs.hf
    hf mkdir cs.hf:/Dir
    expect 0 mkdir cs.hf:/DIR
}

case_two_readers_at_once() {
    volume
    bytes 100000 >f
    hf put f vol.hf:/
    for i in 1 2 3 4; do
        hf cat vol.hf:/f >"f$i" &
    done
    wait
    for i in 1 2 3 4; do
        cmp f "f$i"
    done
}

case_writer_keeps_others_out() {
    volume
    hold_open vol.hf
    expect 1 ls vol.hf:/
    expect_error STATUS_SHARING_VIOLATION
    expect 1 mkdir vol.hf:/d
    expect_error STATUS_SHARING_VIOLATION
    release vol.hf
}

case_named_stream_names() {
    volume
    echo x >x
    hf put x vol.hf:/x
    expect 2 cat vol.hf:/x --stream 'a\b'
    expect 2 cat vol.hf:/x --stream ''
    expect 1 cat vol.hf:/x --stream missing
    expect_error STATUS_OBJECT_NAME_NOT_FOUND
}

tap_main
