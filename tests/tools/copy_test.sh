#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# put and get: what goes in comes out, in every shape a tree has; what cannot be copied is said, and the rest goes on.
. "$(dirname "$0")/tap.sh"

# A tree with everything that is kept.
make_tree() {
    mkdir -p tree/empty tree/deep/er/still 'tree/name with blanks'
    : >tree/zero
    printf x >tree/one
    for size in 4095 4096 4097 16383 16384 16385 65536 1048576 1048577 3000000; do
        bytes "$size" >"tree/deep/$size"
    done
    echo text >'tree/name with blanks/ü – 漢字 😀'
    echo text >tree/deep/er/still/file
    ln -s zero tree/to-file
    ln -s deep/er tree/to-directory
    ln -s ../one tree/deep/up
    ln -s nowhere tree/dangling
    ln -s /absolute/path tree/absolute
    ln tree/one tree/hard
    touch -d '2001-02-03 04:05:06.789 UTC' tree/one tree/empty tree/deep/er
    touch -h -d '2002-03-04 05:06:07 UTC' tree/to-file
}
# Hashes, link targets, directories and times of a tree.
list() {
    (
        cd "$1"
        find . -type f -exec sha256sum {} + | sort
        find . -type l -printf '%p %l\n' | sort
        find . -printf '%p %y %TY%Tm%Td%TH%TM%TS\n' | sed 's/...$//' | sort # 100 ns
    )
}

case_round_trip_of_a_tree() {
    volume
    make_tree
    expect 0 put tree vol.hf:/
    [ ! -s err ]
    expect 0 get vol.hf:/tree back
    list tree >a
    list back >b
    diff a b
    hf check vol.hf
}

case_round_trip_at_64k_clusters_without_integrity() {
    hf format vol.hf --size 64M --cluster 64K --integrity off --case-sensitive
    make_tree
    expect 0 put tree vol.hf:/
    expect 0 get vol.hf:/tree back
    list tree >a
    list back >b
    diff a b
}

case_a_new_name_or_into_a_directory() {
    volume
    echo x >x
    hf put x vol.hf:/y
    hf mkdir vol.hf:/d
    hf put x vol.hf:/d
    equal "$(hf cat vol.hf:/y vol.hf:/d/x | tr '\n' ' ')" 'x x '
    hf get vol.hf:/y z
    mkdir d
    hf get vol.hf:/y vol.hf:/d d
    equal "$(cat z d/y d/d/x | tr '\n' ' ')" 'x x x '
}

case_root_to_a_directory_and_back() {
    volume
    mkdir -p in/sub
    echo x >in/sub/x
    hf put in/. vol.hf:/
    equal "$(hf ls vol.hf:/)" sub
    mkdir out.d
    hf get vol.hf:/ out.d
    equal "$(cat out.d/sub/x)" x
}

case_several_sources_need_a_directory() {
    volume
    echo x >x
    expect 1 put x x vol.hf:/missing
    expect_error 'is not a directory'
    hf put x vol.hf:/
    expect 1 get vol.hf:/x vol.hf:/x missing
    expect_error 'is not a directory'
}

case_existing_files_are_refused_unless_forced() {
    volume
    echo old >f
    hf put f vol.hf:/
    echo new >f
    expect 1 put f vol.hf:/
    expect_error 'STATUS_OBJECT_NAME_COLLISION (Win32 183)'
    equal "$(hf cat vol.hf:/f)" old
    expect 1 get vol.hf:/f f
    expect_error 'File exists'
    equal "$(cat f)" new
    expect 0 put -f f vol.hf:/
    equal "$(hf cat vol.hf:/f)" new
    echo changed >f
    expect 0 get -f vol.hf:/f f
    equal "$(cat f)" new
}

case_a_shorter_file_replaces_all_of_a_longer_one() {
    volume
    bytes 100000 >f
    hf put f vol.hf:/
    printf short >f
    hf put -f f vol.hf:/
    equal "$(hf cat vol.hf:/f)" short
}

case_forced_trees_merge_and_links_are_replaced() {
    volume
    make_tree
    hf put tree vol.hf:/
    ln -sfn one tree/to-file
    expect 0 put -f tree vol.hf:/
    hf get vol.hf:/tree back
    equal "$(readlink back/to-file)" one
    expect 0 get -f vol.hf:/tree .
}

case_names_that_differ_in_case_only_collide_on_a_case_insensitive_volume() {
    hf format vol.hf --size 64M
    mkdir d
    echo lower >d/name
    echo upper >d/NAME
    expect 1 put d vol.hf:/
    expect_error STATUS_OBJECT_NAME_COLLISION
}

case_unreadable_files_are_reported_and_the_rest_goes_on() {
    volume
    echo a >a
    echo c >c
    # It opens, and its first read fails, for root too.
    expect 1 put a /proc/self/mem c vol.hf:/
    expect_error 'vol.hf:/mem: cannot read the local file: Input/output error'
    equal "$(hf ls vol.hf:/ | tr '\n' ' ')" 'a c '
}

case_missing_files_are_reported_and_the_rest_goes_on() {
    volume
    echo a >a
    echo c >c
    expect 1 put a missing c vol.hf:/
    expect_error 'missing: cannot open'
    equal "$(hf ls vol.hf:/ | tr '\n' ' ')" 'a c '
}

case_special_files_are_skipped_with_a_note() {
    volume
    mkdir d
    mkfifo d/pipe
    echo x >d/x
    expect 0 put d vol.hf:/
    expect_error 'vol.hf:/d/pipe: note: skipped'
    equal "$(hf ls vol.hf:/d)" x
}

case_standard_input() {
    volume
    bytes 2500000 >f
    hf put - vol.hf:/f <f
    hf cat vol.hf:/f | cmp - f
}

case_get_does_not_write_through_a_local_link() {
    volume
    mkdir d victim
    echo x >d/x
    hf put d vol.hf:/
    mkdir back
    ln -s ../victim back/d
    expect 1 get -f vol.hf:/d back
    equal "$(ls victim)" ''
}

case_other_reparse_points_are_skipped_with_a_note() {
    volume
    hf mkdir -p vol.hf:/d/target
    hf ln --junction /d/target vol.hf:/d/mount
    expect 0 get vol.hf:/d back
    expect_error 'vol.hf:/d/mount: note: skipped'
    [ -d back/target ]
    [ ! -e back/mount ]
}

case_rotten_file_is_not_left_half_and_the_rest_goes_on() {
    volume
    mkdir d
    for name in a b c; do
        bytes 100000 >"d/$name"
    done
    hf put d vol.hf:/
    hf corrupt vol.hf:/d/b --offset 50000
    expect 3 get vol.hf:/d back
    expect_error 'vol.hf:/d/b: STATUS_DATA_CHECKSUM_ERROR (Win32 323): cannot read at offset 49152'
    cmp d/a back/a
    cmp d/c back/c
    [ ! -e back/b ]
}

case_full_volume_stops_with_one_line() {
    hf format vol.hf --size 16M
    mkdir d
    for i in 1 2 3 4 5 6 7 8; do
        bytes 4000000 >"d/$i"
    done
    expect 1 put d vol.hf:/
    expect_error 'STATUS_DISK_FULL (Win32 112)'
    hf check vol.hf
    hf rm -r vol.hf:/d
    hf put d/1 vol.hf:/
    hf cat vol.hf:/1 | cmp - d/1
}

case_ten_thousand_small_files() {
    hf format vol.hf --size 256M
    mkdir many
    seq 1 10000 | split -l 1 -a 4 -d - many/
    hf put many vol.hf:/
    hf get vol.hf:/many back
    diff -r many back
}

case_link_target_with_a_backslash_is_refused() {
    volume
    ln -s 'a\b' link
    mkdir d
    mv link d
    expect 1 put d vol.hf:/
    expect_error 'cannot be kept'
}

tap_main
