#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run the tests that can go on without end, side by side and with new seeds, until one of them fails. (Rot ends: its
# damages are many, but can be counted.)
# usage: torture.sh BUILD-DIRECTORY
set -um
build=$1
groups=
stop() {
    # shellcheck disable=SC2086 # words on purpose
    kill -- $groups 2>/dev/null
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 1' TERM
for program in crash/crash_test rot/rot_rot_test model/model_test model/fault_test torture/torture; do
    (
        "$build/tests/$program" --torture || {
            echo "$program found something" >&2
            kill -TERM $$
        }
    ) &
    groups="$groups -$!"
done
wait
