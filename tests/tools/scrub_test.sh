#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scrub: what is repaired, what is lost, the report, and going on after an interrupt.
. "$(dirname "$0")/tap.sh"

filled() {
    hf format vol.hf --size 64M --copies "${1:-2}" --case-sensitive
    mkdir d
    bytes 100000 >d/f
    seq 1 300 | (cd d && xargs touch)
    hf put d vol.hf:/
}

case_a_good_volume() {
    filled
    expect 0 scrub vol.hf
    grep -q '^102400 bytes of data, [0-9]* metadata pages: all good$' out
    expect 0 scrub --json vol.hf:
    equal "$(json 'd["status"], d["repaired"], d["lost"], d["findings"]')" "('STATUS_SUCCESS', 0, 0, [])"
    equal "$(json 'd["bytes"] == d["total_bytes"] > d["data_bytes"] == 102400')" True
}

case_every_metadata_page_is_repaired() {
    filled
    page=0
    while hf corrupt vol.hf --page "$page" --offset 100 2>err >/dev/null; do
        page=$((page + 1))
        expect 0 scrub vol.hf
        grep -q 'is damaged .*, repaired from its copy$' out
        grep -q ': 1 repaired, 0 lost$' out
        expect 0 check vol.hf
    done
    [ "$page" -gt 3 ]
}

case_lost_data_is_named() {
    filled
    hf corrupt vol.hf:/d/f --offset 40000
    expect 3 scrub vol.hf
    expect_error 'something is lost'
    grep -q '^vol.hf:/d/f: data: file data does not match its checksum (offset 36864, length 4096)$' out
    expect 3 scrub --json vol.hf
    equal "$(json 'd["lost"], len(d["findings"]), d["findings"][0]["path"], d["findings"][0]["repaired"]')" \
        "(1, 1, '/d/f', False)"
}

case_one_copy_of_metadata_cannot_be_repaired() {
    filled 1
    hf corrupt vol.hf --page 2
    expect 3 scrub vol.hf
    grep -q 'is damaged' out
}

case_a_read_only_image_is_not_repaired() {
    filled
    hf corrupt vol.hf --page 1
    chmod a-w vol.hf
    expect_bound 3 scrub vol.hf
    grep -q 'a good copy exists' out
    chmod u+w vol.hf
    expect 0 scrub vol.hf
}

case_a_volume_in_use_is_left_alone() {
    volume
    hold_open vol.hf
    expect 1 scrub vol.hf
    expect_error STATUS_SHARING_VIOLATION
    release vol.hf
}

case_an_interrupted_scrub_goes_on() {
    hf format vol.hf --size 400M
    bytes 300000000 >f
    hf put f vol.hf:/
    stopped=
    for delay in 0.01 0.02 0.03 0.05 0.08 0.12 0.2 0.3; do
        rm -f position
        "$HOLDFAST" scrub vol.hf --resume position >out 2>err &
        sleep "$delay"
        kill -INT $! || true
        got=0
        wait $! || got=$?
        [ "$got" -ne 1 ] || stopped=yes
        [ -z "$stopped" ] || break
    done
    [ -n "$stopped" ] || skip 'the scrub was never running when it was interrupted'
    expect_error 'interrupted; the same command goes on from here'
    [ -s position ]
    expect 0 scrub vol.hf --json --resume position
    equal "$(json 'd["data_bytes"] // 4096')" $(((300000000 + 4095) / 4096))
    [ ! -e position ]
}

case_positions_of_something_else() {
    filled
    echo nonsense >position
    expect 1 scrub vol.hf --resume position
    expect_error 'is not the position of a scrub'
    (
        printf HFSCRUB1
        head -c 1024 /dev/zero | tr '\0' x
    ) >position
    expect 1 scrub vol.hf --resume position
    expect_error STATUS_INVALID_PARAMETER
    [ -s position ]
}

case_of_something_else() {
    expect 1 scrub missing.hf
    bytes 8000000 >foreign
    expect 1 scrub foreign
    expect_error STATUS_UNRECOGNIZED_VOLUME
    expect 2 scrub
}

# $1 becomes a volume with a file in it.
with_a_file() {
    python3 -c 'import sys; sys.stdout.buffer.write(b"a page of a file that rots. " * 586)' | head -c 16384 >page
    volume "$1"
    hf put page "$1:/f"
    sync
}
# The file of the volume $1 rots in $below, where the volume lies somehow.
rot_below() {
    exec 9<"$1" # a cache in use, as a mount's or another reader's
    cat <&9 >/dev/null
    expect 0 check "$1"
    expect 0 scrub "$1"
    at=$(grep -obUa 'a page of a file that rots' "$below" | head -n 1 | cut -d: -f1)
    head -c 4096 /dev/zero >zeros
    dd if=zeros of="$below" bs=4096 seek="$((at / 4096))" oflag=direct conv=notrunc status=none
    expect 3 check "$1"
    grep -q '/f' out
    expect 3 scrub "$1"
    grep -q '/f' out
    exec 9<&-
}

case_rot_below_a_device_that_is_cached() {
    [ "$(id -u)" = 0 ] || skip 'needs root'
    with_a_file below
    below=below
    device=$(losetup --find --show below 2>/dev/null) || skip 'no loop devices'
    trap 'exec 9<&-; losetup -d "$device"' EXIT
    rot_below "$device"
}

case_rot_below_a_file_that_is_cached() {
    [ "$(id -u)" = 0 ] || skip 'needs root'
    truncate -s 128M below
    mkfs.ext4 -q below
    mkdir m
    mount -o loop below m 2>/dev/null || skip 'no loop devices'
    trap 'exec 9<&-; umount m' EXIT
    below=below
    with_a_file m/vol.hf
    rot_below m/vol.hf
}

case_progress_on_a_terminal() {
    command -v script >/dev/null || skip 'script(1) is not installed'
    filled
    script -qec "'$HOLDFAST' scrub vol.hf" typescript >/dev/null </dev/null
    grep -q '\[#*-*\] *[0-9]*%' typescript
}

tap_main
