#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lines and exit codes: one line for each failure, whatever the names hold; the worst failure decides the exit code.
. "$(dirname "$0")/tap.sh"

case_error_line_has_file_status_and_win32_error() {
    volume
    expect 1 cat vol.hf:/missing
    expect_error 'holdfast: vol.hf:/missing: STATUS_OBJECT_NAME_NOT_FOUND (Win32 2): cannot open'
    expect 1 cat vol.hf:/no/such/file
    expect_error 'STATUS_OBJECT_PATH_NOT_FOUND (Win32 3)'
    expect 1 mkdir vol.hf:/
    expect_error 'STATUS_OBJECT_NAME_COLLISION (Win32 183)'
}

case_error_line_of_a_local_file() {
    volume
    expect 1 put missing vol.hf:/
    expect_error 'holdfast: missing: cannot open: No such file or directory'
}

case_newline_in_a_name_does_not_break_the_line() {
    volume
    expect 1 cat "vol.hf:/a
b"
    expect_error 'vol.hf:/a\x0ab: STATUS_OBJECT_NAME_NOT_FOUND'
}

case_the_rest_goes_on_after_a_failure() {
    volume
    echo one >one
    echo two >two
    hf put one two vol.hf:/
    expect 1 cat vol.hf:/one vol.hf:/missing vol.hf:/two
    equal "$(tr '\n' ' ' <out)" 'one two '
    expect_error STATUS_OBJECT_NAME_NOT_FOUND
}

case_corruption_outweighs_other_failures() {
    volume
    bytes 40000 >f
    hf put f vol.hf:/
    hf corrupt vol.hf:/f --offset 0
    expect 3 cat vol.hf:/f vol.hf:/missing
    expect 3 cat vol.hf:/missing vol.hf:/f
}

case_full_output_is_a_failure() {
    [ -e /dev/full ] || skip 'no /dev/full here'
    volume
    status=0
    hf df vol.hf >/dev/full 2>err || status=$?
    equal "$status" 1
    expect_error 'standard output: cannot write'
}

case_no_progress_bar_without_a_terminal() {
    volume
    bytes 3000000 >f
    hf put f vol.hf:/ 2>err
    hf get vol.hf:/f g 2>>err
    [ ! -s err ]
}

case_progress_bar_on_a_terminal() {
    command -v script >/dev/null || skip 'script(1) is not installed'
    volume
    bytes 3000000 >f
    script -qec "'$HOLDFAST' put f vol.hf:/" typescript >/dev/null </dev/null
    grep -q '\[#*-*\] *[0-9]*%' typescript
}

case_times_survive_both_ways() {
    volume
    echo x >old
    touch -d '1969-07-20 20:17:40.1234567 UTC' old
    echo x >new
    touch -d '2106-02-07 06:28:16 UTC' new
    hf put old new vol.hf:/
    hf stat --json vol.hf:/old vol.hf:/new >out
    equal "$(json 'd[0]["written"]')" 1969-07-20T20:17:40.1234567Z
    equal "$(json 'd[1]["written"]')" 2106-02-07T06:28:16.0000000Z
}

case_every_json_document_parses() {
    volume
    printf 'a "name" \\ with\ttab' >name
    echo x >"$(cat name)"
    hf put "$(cat name)" vol.hf:/
    hf ls --json vol.hf:/ >out
    equal "$(json 'd[0]["name"]')" "$(cat name)"
    for command in 'ls' 'tree' 'stat' 'integrity get -r'; do
        # shellcheck disable=SC2086
        hf $command --json vol.hf:/ >out
        json 'd' >/dev/null
    done
    for command in 'df' 'media status' 'check'; do
        # shellcheck disable=SC2086
        hf $command --json vol.hf >out
        json 'd' >/dev/null
    done
}

tap_main
