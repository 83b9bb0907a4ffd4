#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# probe: what a volume is, in use or not, and what is none.
. "$(dirname "$0")/tap.sh"

value() { sed -n "s/^$1=//p" out; }

case_everything_that_is_known() {
    # shellcheck disable=SC2016 # a label like any other
    hf format vol.hf --size 64M --case-sensitive --label 'My $label' --option setex-any
    expect 0 probe vol.hf
    equal "$(value DEVNAME)" vol.hf
    equal "$(value TYPE)" holdfast
    equal "$(value USAGE)" filesystem
    equal "$(value VERSION)" 1
    equal "$(value UUID | sed 's/[0-9a-f]/x/g')" xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx
    equal "$(value SERIAL | sed 's/[0-9A-F]/x/g')" xxxx-xxxx
    # shellcheck disable=SC2016 # as a shell would write it
    equal "$(value LABEL)" 'My\ \$label'
    equal "$(value BLOCK_SIZE) $(value FSBLOCKSIZE) $(value COPIES) $(value SUPERBLOCKS)" '512 4096 2 2'
    [ "$(value FSSIZE)" -le $((64 << 20)) ]
    [ "$(value FSSIZE)" -gt $((60 << 20)) ]
    [ "$(value FSFREE)" -lt "$(value FSSIZE)" ]
    equal "$(value FEATURES)" case-sensitive,integrity,reparse,setex-any
    equal "$(value STATE)" clean
    equal "$(value MOUNTPOINT)" ''
    hf df --json vol.hf >df.json
    was=$(value SERIAL)
    equal "$(python3 -c 'import json; n = json.load(open("df.json"))[0]["serial"]; print("%04X-%04X" % (n >> 16, n & 65535))')" "$was"
    generation=$(value GENERATION)
    echo text | hf put - vol.hf:/file
    expect 0 probe --json vol.hf
    equal "$(json 'd[0]["label"], d[0]["type"], d[0]["state"], d[0]["cluster"]')" "('My \$label', 'holdfast', 'clean', 4096)"
    [ "$(json 'd[0]["generation"]')" -gt "$generation" ]
}

case_several_and_what_is_none() {
    volume a.hf
    hf format b.hf --size 16M --cluster 64K --copies 1
    bytes 100000 >junk
    : >empty
    expect 0 probe a.hf b.hf
    equal "$(grep -c ^DEVNAME= out) $(grep -c '^$' out)" '2 1'
    equal "$(value FSBLOCKSIZE | tr '\n' ' ')$(value COPIES | tr '\n' ' ')" '4096 65536 2 1 '
    for none in junk empty; do
        expect 2 probe $none
        expect_error 'not a Holdfast volume'
        [ ! -s out ]
    done
    expect 2 probe --json junk
    equal "$(json d)" '[]'
    expect 2 probe a.hf junk
    equal "$(value DEVNAME)" a.hf
    expect 1 probe a.hf junk nothing
    expect 1 probe .
    mkfifo fifo
    expect 1 probe fifo
    expect 2 probe
}

case_a_volume_in_use_is_only_looked_at() {
    volume
    hold_open vol.hf
    expect 0 probe vol.hf
    equal "$(value STATE)" in-use
    release vol.hf
    before=$(sha256sum <vol.hf)
    chmod 444 vol.hf
    expect_bound 0 probe vol.hf
    equal "$(value STATE)" clean
    equal "$(sha256sum <vol.hf)" "$before"
}

case_damaged_superblocks() {
    volume
    hf mkdir vol.hf:/dir # so that both slots are used
    expect 0 probe vol.hf
    slot=$(($(value GENERATION) % 2))
    printf x | dd of=vol.hf bs=1 count=1 seek=$((slot * 65536 + 100)) conv=notrunc status=none
    expect 0 probe vol.hf
    equal "$(value SUPERBLOCKS) $(value STATE)" '1 damaged-superblock'
    hf ls vol.hf:/
    echo text | hf put - vol.hf:/file # writes it again
    expect 0 probe vol.hf
    equal "$(value SUPERBLOCKS) $(value STATE)" '2 clean'
    # All of them: it was one of ours.
    for at in 0 16; do
        printf x | dd of=vol.hf bs=1 count=1 seek=$((at * 4096 + 100)) conv=notrunc status=none
    done
    for at in $(seq 65536 65536 $((64 << 20))); do
        printf x | dd of=vol.hf bs=1 count=1 seek=$((at + 100)) conv=notrunc status=none
    done
    expect 3 probe vol.hf
    expect_error 'every superblock is damaged'
}

case_a_mounted_volume() {
    hf help mount >/dev/null 2>&1 || skip 'built without libfuse3'
    [ -w /dev/fuse ] || skip '/dev/fuse cannot be used here'
    volume
    mkdir m
    trap 'hf umount --lazy m 2>/dev/null || true' EXIT
    expect 0 mount vol.hf m
    expect 0 probe vol.hf
    equal "$(value STATE) $(value MOUNTPOINT)" "mounted $PWD/m"
    : >m/file
    sync m
    expect 0 probe vol.hf
    equal "$(value FEATURES)" case-sensitive,integrity,reparse,posix,entry-types,log
    expect 0 umount m
    expect 0 probe vol.hf
    equal "$(value STATE) $(value FEATURES)" 'clean case-sensitive,integrity,reparse,posix,entry-types'
}

case_a_block_device() {
    [ "$(id -u)" = 0 ] || skip 'needs root'
    volume
    device=$(losetup --find --show vol.hf 2>/dev/null) || skip 'no loop devices'
    trap 'losetup -d "$device"' EXIT
    expect 0 probe "$device"
    equal "$(value TYPE) $(value BLOCK_SIZE) $(value DEVNAME)" "holdfast 512 $device"
}

tap_main
