#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run the tests that can go on without end, side by side and with new seeds, until one of them fails. (Rot ends: its
# damages are many, but can be counted.)
# usage: torture.sh BUILD-DIRECTORY [mount]
set -u
build=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
groups=
stop() {
    # shellcheck disable=SC2086 # words on purpose
    kill -- $groups 2>/dev/null
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 1' TERM
# shellcheck disable=SC2016 # for the inner shell
run() { # what it is called, command
    setsid sh -c 'parent=$1 name=$2; shift 2; "$@" --torture || {
        echo "$name found something" >&2
        kill -TERM "$parent"
    }' sh $$ "$@" &
    groups="$groups -$!"
}
if [ "${2:-}" != mount ]; then
    for program in sim/sim crash/crash_test rot/rot_rot_test model/model_test model/fault_test torture/torture; do
        run "$program" "$build/tests/$program"
    done
fi
# Bytes, names, and programs that people use, in a mount.
for test in fsx tree programs; do
    run "mount/$test" python3 "$root/tests/mount/${test}_test.py" "$root" "$build"
done
wait
