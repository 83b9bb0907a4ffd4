#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# media: what a removable drive says of its medium; devices of HOLDFAST_DEVICES; the swap under an open handle.
. "$(dirname "$0")/tap.sh"

case_status_of_an_image() {
    volume
    expect 0 media status vol.hf
    grep -q 'medium *present' out
    grep -q 'removable *yes' out
    expect 0 media status --json vol.hf:
    equal "$(json 'd["check_verify"], d["removable"], d["length"]')" "('STATUS_SUCCESS', True, 67108864)"
}

case_status_of_a_device() {
    volume
    HOLDFAST_DEVICES="R:=file:$PWD/vol.hf,removable"
    export HOLDFAST_DEVICES
    expect 0 media status '\\.\R:'
    grep -q 'medium *present' out
    expect 1 media status '\\.\Q:'
    [ "$(wc -l <err)" -eq 1 ]
}

case_empty_drive() {
    HOLDFAST_DEVICES="R:=file:$PWD/missing.hf,removable"
    export HOLDFAST_DEVICES
    expect 1 media status '\\.\R:'
    expect_error 'STATUS_NO_MEDIA_IN_DEVICE (Win32 21)'
}

case_eject_and_load() {
    volume
    expect 0 media eject vol.hf
    expect 0 media load vol.hf
    expect 0 ls vol.hf:/
}

case_bad_device_list() {
    HOLDFAST_DEVICES='nonsense'
    export HOLDFAST_DEVICES
    expect 1 media status '\\.\R:'
    expect_error 'HOLDFAST_DEVICES: STATUS_'
}

case_ioctl_on_a_device() {
    volume
    HOLDFAST_DEVICES="R:=file:$PWD/vol.hf,removable"
    export HOLDFAST_DEVICES
    expect 0 ioctl '\\.\R:' IOCTL_STORAGE_CHECK_VERIFY --out 4
    equal "$(wc -c <out)" 9
    expect 0 ioctl '\\.\R:' IOCTL_STORAGE_CHECK_VERIFY --out 0
    expect 1 ioctl '\\.\R:' IOCTL_STORAGE_CHECK_VERIFY --out 3
    expect_error STATUS_BUFFER_TOO_SMALL
}

case_swap_under_an_open_handle() {
    mkdir media
    "$(dirname "$HOLDFAST")/demo_media" media
}

tap_main
