#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command table: help, man page and completion agree, and wrong usage is one line and exit status 2.
. "$(dirname "$0")/tap.sh"

case_no_command_prints_help_and_fails() {
    expect 2
    grep -q '^usage: holdfast COMMAND' err
    [ ! -s out ]
}

case_help_lists_every_command() {
    expect 0 help
    grep -q '^usage: holdfast COMMAND' out
    hf help --commands >commands
    while read -r command; do
        grep -qE "^  $command  +[a-z]" out
    done <commands
}

case_help_of_a_command_is_its_dash_dash_help() {
    hf help --commands | grep -v '^help' >commands
    while read -r command; do
        # shellcheck disable=SC2086 # two words make one command
        hf help $command >a
        # shellcheck disable=SC2086
        hf $command --help >b
        cmp a b
        grep -q "^usage: holdfast $command " a
    done <commands
}

case_help_of_a_group_shows_its_commands() {
    expect 0 help integrity
    grep -q '^usage: holdfast integrity get ' out
    grep -q '^usage: holdfast integrity set ' out
    expect 0 integrity --help
    expect 0 reparse --help
}

case_version() {
    expect 0 version
    grep -qE '^holdfast [0-9]+\.[0-9]+\.[0-9]+$' out
    expect 0 --version
}

case_man_page_has_every_command_and_option() {
    # The page as "command" and "command --option" lines, against the program's.
    awk '/^\.SH /{section = $2} section != "COMMANDS" {next}
         /^\.SS /{command = $2; if ($3 ~ /^(get|set|delete|status|eject|load)$/) command = command " " $3; print command; next}
         {line = $0; gsub(/\\-/, "-", line)
          if (match(line, /^\.B[IR]* .*--[a-z-]+/)) {sub(/.*--/, "--", line); sub(/[ "].*/, "", line); print command " " line}}' \
        "$SOURCE/docs/holdfast.1" | LC_ALL=C sort >page
    hf help --commands | while read -r command; do
        echo "$command"
        # shellcheck disable=SC2086
        hf help $command --options | grep -vx -e '--drive' -e '--help' | sed "s/^/$command /"
    done | LC_ALL=C sort >program
    diff page program
    grep -q '\\-\\-drive' "$SOURCE/docs/holdfast.1"
    grep -q '\\-\\-help' "$SOURCE/docs/holdfast.1"
}

case_man_page_has_no_warnings() {
    command -v groff >/dev/null || skip 'groff is not installed'
    groff -man -Tascii -ww "$SOURCE/docs/holdfast.1" 2>warnings >text
    [ ! -s warnings ]
}

# What bash offers after these words; the last one is being typed.
complete_words() {
    bash -c '. "$SOURCE/scripts/holdfast.bash-completion"
        COMP_WORDS=("$HOLDFAST" "$@")
        COMP_CWORD=$#
        _holdfast
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@" | LC_ALL=C sort
}

case_completion_offers_every_command() {
    complete_words '' >offered
    hf help --commands | cut -d' ' -f1 | LC_ALL=C sort -u >commands
    diff offered commands
    equal "$(complete_words integ)" integrity
    equal "$(complete_words integrity '' | tr '\n' ' ')" 'get set '
}

case_completion_offers_every_option() {
    hf help --commands >commands
    while read -r command; do
        # shellcheck disable=SC2086
        complete_words $command -- >offered
        # shellcheck disable=SC2086
        hf help $command --options | LC_ALL=C sort >options
        diff offered options
    done <commands
}

case_unknown_command() {
    expect 2 frobnicate
    expect_error "there is no command 'frobnicate'"
    expect 2 integrity
    expect 2 integrity frobnicate
    expect 2 help frobnicate
}

case_unknown_option() {
    expect 2 ls --frobnicate vol.hf:/
    expect_error 'ls: unknown option --frobnicate (see: holdfast help ls)'
    expect 2 ls -x vol.hf:/
    expect_error 'unknown option -x'
}

case_option_without_its_value() {
    expect 2 cat vol.hf:/a --offset
    expect_error 'option --offset needs a value'
}

case_option_with_a_value_it_does_not_take() {
    expect 2 ls --json=yes vol.hf:/
    expect_error 'option --json takes no value'
}

case_too_few_and_too_many_words() {
    expect 2 ls
    expect_error 'ls: expects VOL:/PATH...'
    expect 2 mv vol.hf:/a
    expect 2 tree vol.hf:/ vol.hf:/
    expect 2 version now
    expect_error 'expects no argument'
}

case_numbers() {
    for bad in x -1 0x 1Q 99999999999999999999 16777216T 010x ''; do
        expect 2 format vol.hf --size "$bad"
        expect_error 'is not a number'
    done
    [ ! -e vol.hf ]
    hf format a.hf --size 0x2000000
    hf format b.hf --size=32MiB
    hf format c.hf --size 32768K
    equal "$(stat -c %s a.hf)" 33554432
    equal "$(stat -c %s b.hf)" 33554432
    equal "$(stat -c %s c.hf)" 33554432
}

case_drive_letter() {
    expect 2 ls --drive 7 vol.hf:/
    expect 2 ls --drive XY vol.hf:/
    volume
    expect 0 ls --drive l: vol.hf:/
    expect 0 ls --drive Q vol.hf:/
}

case_words_after_dash_dash_are_no_options() {
    volume
    echo x >-f
    expect 0 put -- -f vol.hf:/
    expect 0 ls -- vol.hf:/
    equal "$(cat out)" -f
}

tap_main
