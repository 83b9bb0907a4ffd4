#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ls, tree, cat, rm, mv, mkdir, stat and df on a small volume.
. "$(dirname "$0")/tap.sh"

small_tree() {
    volume
    hf mkdir -p vol.hf:/d/sub
    printf 'hello' >hello
    hf put hello vol.hf:/d
    hf ln -s hello vol.hf:/d/link
}

case_ls_lists_names() {
    small_tree
    expect 0 ls vol.hf:/d
    equal "$(LC_ALL=C sort out | tr '\n' ' ')" 'hello link sub '
}

case_ls_of_a_file_shows_the_file() {
    small_tree
    expect 0 ls vol.hf:/d/hello
    equal "$(cat out)" hello
}

case_ls_long_shows_attributes_size_and_target() {
    small_tree
    expect 0 ls -l vol.hf:/d
    grep -qE '^-.* +5 [0-9]{4}-[0-9]{2}-[0-9]{2} .* hello$' out
    grep -qE '^-l.* link -> hello$' out
    grep -qE '^d.* sub$' out
}

case_ls_of_several_directories() {
    small_tree
    expect 0 ls vol.hf:/ vol.hf:/d
    grep -qx 'vol.hf:/:' out
    grep -qx 'vol.hf:/d:' out
}

case_ls_of_a_dangling_link_shows_the_link() {
    volume
    hf ln -s nowhere vol.hf:/dangling
    expect 0 ls vol.hf:/dangling
    equal "$(cat out)" dangling
}

case_ls_json() {
    small_tree
    expect 0 ls --json vol.hf:/d
    equal "$(json 'sorted(e["name"] for e in d)')" "['hello', 'link', 'sub']"
    equal "$(json '[e["size"] for e in d if e["name"]=="hello"][0]')" 5
    equal "$(json '[e["type"] for e in d if e["name"]=="link"][0]')" 'reparse point'
}

case_ls_of_a_large_directory() {
    volume
    mkdir many
    seq 1 3000 | (cd many && xargs touch)
    hf put many vol.hf:/
    expect 0 ls vol.hf:/many
    equal "$(sort -n out | md5sum)" "$(seq 1 3000 | md5sum)"
}

case_tree() {
    small_tree
    expect 0 tree vol.hf:/
    grep -q '└── d$' out
    grep -q '    ├── hello$' out
    grep -q 'link -> hello$' out
    expect 0 tree --json vol.hf:/
    equal "$(json 'sorted(e["name"] for e in d[0]["children"])')" "['hello', 'link', 'sub']"
    expect 1 tree vol.hf:/d/hello
}

case_cat_ranges() {
    volume
    bytes 100000 >f
    hf put f vol.hf:/
    hf cat vol.hf:/f | cmp - f
    for range in '0 1' '4095 2' '16383 20000' '99999 1' '65536 34464'; do
        # shellcheck disable=SC2086
        set -- $range
        hf cat vol.hf:/f --offset "$1" --length "$2" >got
        slice f "$1" "$2" | cmp - got
    done
    equal "$(hf cat vol.hf:/f --offset 99990 --length 4096 | wc -c)" 10
    equal "$(hf cat vol.hf:/f --offset 100000 | wc -c)" 0
    equal "$(hf cat vol.hf:/f --offset 999999999 | wc -c)" 0
}

case_cat_of_a_directory_fails() {
    small_tree
    expect 1 cat vol.hf:/d
    expect_error STATUS_FILE_IS_A_DIRECTORY
}

case_cat_follows_links() {
    small_tree
    equal "$(hf cat vol.hf:/d/link)" hello
}

case_rm() {
    small_tree
    expect 1 rm vol.hf:/d
    expect_error 'is a directory: use -r'
    expect 0 rm vol.hf:/d/link
    equal "$(hf cat vol.hf:/d/hello)" hello
    expect 0 rm -r vol.hf:/d
    equal "$(hf ls vol.hf:/)" ''
    expect 1 rm vol.hf:/d
    expect 0 rm -f vol.hf:/d
}

case_rm_does_not_follow_a_directory_link() {
    small_tree
    hf ln --junction /d vol.hf:/mount
    expect 0 rm -r vol.hf:/mount
    equal "$(hf cat vol.hf:/d/hello)" hello
}

case_rm_of_the_root_fails() {
    volume
    got=0
    hf rm -r vol.hf:/ 2>err || got=$?
    equal "$got" 1
    expect 0 ls vol.hf:/
}

case_rm_gives_the_space_back() {
    volume
    bytes 20000000 >f
    for _ in 1 2 3 4 5; do
        hf put f vol.hf:/
        hf rm vol.hf:/f
    done
    hf check vol.hf
}

case_mv_renames_moves_and_replaces() {
    small_tree
    expect 0 mv vol.hf:/d/hello vol.hf:/d/new
    expect 0 mv vol.hf:/d/new vol.hf:/d/sub
    equal "$(hf cat vol.hf:/d/sub/new)" hello
    printf 'other' >other
    hf put other vol.hf:/d
    expect 1 mv vol.hf:/d/other vol.hf:/d/sub/new
    expect_error STATUS_OBJECT_NAME_COLLISION
    expect 0 mv -f vol.hf:/d/other vol.hf:/d/sub/new
    equal "$(hf cat vol.hf:/d/sub/new)" other
    expect 1 mv vol.hf:/missing vol.hf:/x
}

case_mv_moves_a_directory_but_not_into_itself() {
    small_tree
    expect 1 mv vol.hf:/d vol.hf:/d/sub
    expect 0 mv vol.hf:/d vol.hf:/e
    equal "$(hf cat vol.hf:/e/hello)" hello
}

case_mv_between_volumes_is_wrong_usage() {
    volume a.hf
    volume b.hf
    expect 2 mv a.hf:/x b.hf:/x
    expect_error 'same volume'
}

case_mkdir() {
    volume
    expect 1 mkdir vol.hf:/a/b/c
    expect_error STATUS_OBJECT_PATH_NOT_FOUND
    expect 0 mkdir -p vol.hf:/a/b/c
    expect 0 mkdir -p vol.hf:/a/b/c
    expect 1 mkdir vol.hf:/a
    expect_error STATUS_OBJECT_NAME_COLLISION
}

case_stat() {
    small_tree
    expect 0 stat --json vol.hf:/d/hello vol.hf:/d vol.hf:/d/link
    equal "$(json 'd[0]["size"]')" 5
    equal "$(json 'd[0]["type"], d[1]["type"], d[2]["type"]')" "('file', 'directory', 'reparse point')"
    equal "$(json 'd[2]["reparse_tag_name"]')" SYMLINK
    expect 0 stat -L --json vol.hf:/d/link
    equal "$(json 'd[0]["size"]')" 5
    expect 0 stat vol.hf:/d/link
    grep -q '0xa000000c SYMLINK' out
}

case_stat_lists_named_streams() {
    volume
    printf main >main
    printf extra >extra
    hf put main vol.hf:/f
    hf put extra vol.hf:/f --stream notes
    expect 0 stat vol.hf:/f
    grep -q 'stream .*:notes:\$DATA, 5 bytes' out
    equal "$(hf cat vol.hf:/f --stream notes)" extra
    equal "$(hf cat vol.hf:/f)" main
    hf get vol.hf:/f back --stream notes
    cmp back extra
    hf rm vol.hf:/f --stream notes
    expect 1 cat vol.hf:/f --stream notes
    equal "$(hf cat vol.hf:/f)" main
}

case_df() {
    hf format vol.hf --size 64M --label 'Grüße' --cluster 64K
    expect 0 df vol.hf
    grep -q 'label  *Grüße' out
    grep -q 'cluster  *65536' out
    grep -q 'case-insensitive, integrity streams, reparse points' out
    expect 0 df --json vol.hf
    equal "$(json 'd[0]["label"]')" 'Grüße'
    equal "$(json 'd[0]["used"] + d[0]["available"] == d[0]["total"]')" True
}

tap_main
