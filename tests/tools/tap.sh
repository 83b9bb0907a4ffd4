# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What the tests of the program share. A test script is run as `NAME_test.sh HOLDFAST`, defines functions case_* and ends
# with tap_main: each case runs in a shell of its own with set -e, in a fresh directory, and fails with its first command.

HOLDFAST=$(realpath "$1")
SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
unset HOLDFAST_DEVICES
as=
export HOLDFAST SOURCE

hf() { "$HOLDFAST" "$@"; }

# Run holdfast; it must end with this status. Output is in ./out and ./err.
expect() {
    wanted=$1
    shift
    got=0
    # shellcheck disable=SC2086 # a command's words, or nothing
    $as "$HOLDFAST" "$@" >out 2>err || got=$?
    if [ "$got" -ne "$wanted" ]; then
        printf "%s\n" "holdfast $*: exit status $got instead of $wanted"
        cat out err
        exit 1
    fi
}
# The same for a caller whom file modes bind: root gives up the right to pass them over.
expect_bound() {
    [ "$(id -u)" -ne 0 ] || as='setpriv --bounding-set=-dac_override,-dac_read_search'
    expect "$@"
    as=
}
# ./err is one line that holds the text.
expect_error() {
    if [ "$(wc -l <err)" -ne 1 ] || ! grep -qF -- "$1" err; then
        echo "not one line with '$1' but:"
        cat err
        exit 1
    fi
}
equal() {
    if [ "$1" != "$2" ]; then
        echo "'$1' instead of '$2'"
        exit 1
    fi
}
volume() { hf format "${1:-vol.hf}" --size 64M --case-sensitive; }
bytes() { head -c "$1" /dev/urandom; }
# A writer that has the volume open until release is called: its input has begun to flow.
hold_open() {
    mkfifo pipe
    hf put - "$1:/slow" <pipe &
    exec 3>pipe
    bytes 300000 >slow
    cat slow >&3
}
release() {
    exec 3>&-
    wait
    hf cat "$1:/slow" | cmp - slow
}
slice() { dd if="$1" bs=1 skip="$2" count="$3" status=none; }
# The value of a Python expression on the JSON document d in ./out.
json() { python3 -c "import json,sys; d=json.load(open('out')); print(($1))"; }
skip() {
    echo "$1" >"$TAP_SKIP"
    exit 0
}

tap_main() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-test.XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
    cases=$(sed -n 's/^\(case_[a-z0-9_]*\)() {.*/\1/p' "$0")
    # shellcheck disable=SC2086 # names without blanks
    set -- $cases
    echo "1..$#"
    number=0
    failed=0
    for name in "$@"; do
        number=$((number + 1))
        mkdir "$work/$name"
        TAP_SKIP=$work/skip
        rm -f "$TAP_SKIP"
        (
            set -e
            cd "$work/$name"
            "$name"
        ) >"$work/log" 2>&1
        status=$?
        if [ -e "$TAP_SKIP" ]; then
            echo "ok $number - ${name#case_} # SKIP $(cat "$TAP_SKIP")"
        elif [ "$status" -eq 0 ]; then
            echo "ok $number - ${name#case_}"
        else
            failed=1
            echo "not ok $number - ${name#case_}"
            sed 's/^/# /' "$work/log"
        fi
    done
    exit "$failed"
}
