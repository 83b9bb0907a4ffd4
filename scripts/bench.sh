#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run a measuring program in a directory of its own, which is gone afterwards: scripts/bench.sh PROGRAM [ARGUMENT]...
# bench gets btrfs over a loop device to compare with, where that can be had; mount gets name spaces of its own.
# BENCH_DIR: where, default: beside PROGRAM.
set -eu

program=$1
shift
work=$(mktemp -d "${BENCH_DIR:-$(dirname "$program")}/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# Why there will be no btrfs; empty when there may be.
reason() {
    case " $* " in *' --quick '*) echo 'a quick run does without'; return ;; esac
    [ "$(id -u)" = 0 ] || { echo 'only root may mount it'; return; }
    command -v mkfs.btrfs >/dev/null || { echo 'mkfs.btrfs is not installed (scripts/install-deps.sh bench)'; return; }
    losetup -f >/dev/null 2>&1 || { echo 'there is no loop device'; return; }
    unshare --mount true 2>/dev/null || { echo 'no mount name space may be made here'; return; }
    head -c 3G /dev/zero >"$work/btrfs.img" # written once, like the volume that it is compared with
    mkfs.btrfs -q "$work/btrfs.img" >"$work/log" 2>&1 || { echo "mkfs.btrfs failed: $(tail -n 1 "$work/log")"; return; }
}

case $program in
*/bench) ;;
*/mount)
    # Mounts, daemons and loop devices go with the program, however it ends.
    spaces='--mount --pid --fork --kill-child --mount-proc --propagation private'
    [ "$(id -u)" = 0 ] || spaces="--user --map-root-user $spaces"
    # shellcheck disable=SC2086 # words on purpose
    unshare $spaces true || { echo 'no name spaces may be made here'; exit 77; }
    # shellcheck disable=SC2086
    unshare $spaces "$program" "$@" "$work"
    exit
    ;;
*) "$program" "$@" "$work"; exit ;;
esac

why=$(reason "$@")
if [ -n "$why" ]; then
    "$program" --no-btrfs "$why" "$@" "$work"
    exit
fi
mkdir "$work/btrfs"
# The mount is seen in a name space of its own and the image has no name any more: mount, loop device and space go with
# the last process in there, however it ends.
# shellcheck disable=SC2016 # expanded by the inner shell
unshare --mount --propagation private sh -c '
    work=$1 program=$2
    shift 2
    if why=$(mount -t btrfs -o loop "$work/btrfs.img" "$work/btrfs" 2>&1); then
        rm "$work/btrfs.img"
        exec "$program" --btrfs "$work/btrfs" "$@" "$work"
    fi
    exec "$program" --no-btrfs "mount failed: $why" "$@" "$work"
' sh "$work" "$program" "$@"
