#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# dump: each part of a volume, sound and damaged, as text and as JSON.
. "$(dirname "$0")/tap.sh"

filled() {
    volume
    mkdir d
    bytes 100000 >d/f
    ln -s f d/l
    hf put d vol.hf:/
    sum=$(sha256sum <vol.hf)
}

case_superblocks() {
    filled
    expect 0 dump vol.hf
    equal "$(grep -c ^superblock out)" 4
    equal "$(grep -c '^    state="newest"' out)" 2
    grep -q '^    tree.addr\[0\]=[0-9]*$' out
    cp out default
    expect 0 dump vol.hf superblock
    cmp out default
    equal "$(sha256sum <vol.hf)" "$sum"
}

case_the_tree_and_its_records() {
    filled
    expect 0 dump vol.hf tree
    grep -q '^page level=0 addr\[0\]=[0-9]* .* copy\[0\]="good" copy\[1\]="good"' out
    grep -q '^  record object=[0-9]* kind="dirent" folded="f" object=[0-9]* directory=0 plain=1 name="f"$' out
    grep -q 'kind="extent" cluster=0 unit=' out
    grep -q 'kind="tag" tag=0xa000000c' out
    page=$(sed -n 's/^page level=0 addr.0.=\([0-9]*\) .*/\1/p' out)
    expect 0 dump vol.hf "$page"
    grep -q "^page address=$page magic=0x47504648 kind=1 level=0" out
    grep -q '^  record object=[0-9]* kind="dirent"' out
    expect 0 dump vol.hf "$(printf '0x%x' "$page")"
    equal "$(sha256sum <vol.hf)" "$sum"
}

case_space_and_log() {
    filled
    expect 0 dump vol.hf space
    grep -q 'region=0$' out
    grep -q 'used=[0-9]*$' out
    expect 0 dump vol.hf log
    grep -q '^log unit=0 blocks=0 state="none"$' out
    zcat "$SOURCE/tests/img/v1-posix-log-4k.hf.gz" >log.hf
    expect 0 dump log.hf log
    grep -q '^  entry block=0 .*state="good"$' out
    grep -q '^    item item="put" object=' out
}

case_json_of_all() {
    filled
    page=$(hf dump vol.hf tree | sed -n 's/^page level=0 addr.0.=\([0-9]*\) .*/\1/p')
    for what in superblock tree space log "$page" 200000; do
        expect 0 dump --json vol.hf "$what"
        [ "$(json 'len(d)')" -gt 0 ]
        equal "$(json 'set(map(lambda i: tuple(sorted(i)), d))')" "{('depth', 'fields', 'what')}"
    done
    expect 0 dump --json vol.hf tree
    equal "$(json 'sum(1 for i in d if i["fields"].get("name") == "f")')" 2
}

case_damage_is_told() {
    filled
    hf corrupt vol.hf --page 0 --offset 100
    expect 3 dump vol.hf space
    grep -q '"damaged"' out
    expect_error 'something is damaged'
    expect 3 dump --json vol.hf space
    [ "$(json 'len(d)')" = 1 ]
}

case_what_is_none() {
    bytes 100000 >junk
    expect 1 dump junk tree
    expect_error 'not a Holdfast volume'
    expect 0 dump junk 0
    grep -q '^bytes address=0 bytes=' out
    expect 1 dump junk 100000
    expect 1 dump nothing
    volume
    expect 2 dump vol.hf nonsense
    expect 2 dump
    expect 2 dump vol.hf tree log
}

case_a_reader_that_goes_away() {
    filled
    hf dump vol.hf tree 2>err | head -n 1 >out
    [ ! -s err ]
    [ -s out ]
}

case_a_volume_in_use() {
    volume
    hold_open vol.hf
    expect 0 dump vol.hf superblock
    release vol.hf
}

tap_main
