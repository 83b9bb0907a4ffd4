#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# events: of a volume that is not in use there are none. tests/mount/call_test.py has the others.
. "$(dirname "$0")/tap.sh"

case_a_volume_that_is_not_mounted() {
    volume
    expect 0 events vol.hf
    equal "$(cat out)" ''
    expect 0 events --json vol.hf:
    equal "$(json 'd')" '[]'
    expect 1 events none.hf
    expect_error 'cannot open the image'
    expect 2 events vol.hf:/file
    expect 2 events
}

tap_main
