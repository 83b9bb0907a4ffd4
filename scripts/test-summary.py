#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count the TAP cases of the last `meson test` in a build directory.

Prints what failed cases said (Meson shows only the stderr of TAP programs), why each skipped case was skipped, and then
the line "N passed, N failed, N skipped". A program that failed without a failed case (a crash, a time-out, a short plan)
counts as one failure. Exit status 1 when something failed, or with --no-skips when something was skipped. Several build
directories are added up.
"""
import json
import re
import sys

CASE = re.compile(r'^(not )?ok\b[ \t]*\d*[ \t]*(?:-[ \t]*)?(.*?)(?:[ \t]*#[ \t]*(SKIP|TODO)\S*[ \t]*(.*))?$', re.I | re.M)
LINES_SHOWN = 100
PLAN_SKIP = re.compile(r'^1\.\.0[ \t]*#[ \t]*SKIP\S*[ \t]*(.*)$', re.I | re.M)


def count(test):
    """(passed, failed, [(skipped case, reason)]) of one test program."""
    name, output, result = test['name'], test.get('stdout') or '', test['result']
    passed, failed, skipped = 0, 0, []
    whole = PLAN_SKIP.search(output)
    if whole:
        return 0, 0, [(name, whole.group(1))]
    cases = CASE.findall(output)
    for not_ok, case, directive, reason in cases:
        if directive.upper() == 'SKIP':
            skipped.append((f'{name}: {case}', reason))
        elif not_ok and directive.upper() != 'TODO':
            failed += 1
        else:
            passed += 1
    bad = result not in ('OK', 'SKIP', 'EXPECTEDFAIL')
    if bad:
        said = [line for line in output.split('\n') if line.startswith(('#', 'not ok', 'Bail out'))]
        print('\n'.join([f'failed: {name} ({result})'] + [f'    {line}' for line in said[:LINES_SHOWN]]))
    if bad and failed == 0:
        failed = 1
    elif not cases and result == 'SKIP':
        skipped.append((name, output.strip() or 'no reason given'))
    elif not cases and not bad:
        passed = 1
    return passed, failed, skipped


def main():
    directories = [a for a in sys.argv[1:] if not a.startswith('--')]
    passed, failed, skipped = 0, 0, []
    for directory in directories:
        with open(f'{directory}/meson-logs/testlog.json', encoding='utf-8', errors='replace') as log:
            for line in log:
                p, f, s = count(json.loads(line))
                passed, failed, skipped = passed + p, failed + f, skipped + s
    for case, reason in skipped:
        print(f'skipped: {case}: {reason or "no reason given"}')
    print(f'{passed} passed, {failed} failed, {len(skipped)} skipped')
    sys.exit(failed > 0 or ('--no-skips' in sys.argv and len(skipped) > 0))


main()
