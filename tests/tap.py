# SPDX-License-Identifier: Apache-2.0
"""What the Python tests share: TAP output and running a command. A case is a function; a failed `expect`, or a list of
complaints that is not empty, fails it."""
import fnmatch
import os
import subprocess
import sys

ROOT = sys.argv[1] if len(sys.argv) > 1 else os.getcwd()
BUILD = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, 'build')


class Skip(Exception):
    """Raised by a case that cannot run here; the text says why."""


def sources(*patterns):
    """Files of the checkout that match, sorted, without build directories and hidden ones."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if not f.startswith(('.', 'build', '__'))]
        paths = (os.path.relpath(os.path.join(folder, name), ROOT) for name in names)
        found += [p for p in paths if any(fnmatch.fnmatch(p, pattern) for pattern in patterns)]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        return f.read()


def run(command, **options):
    """(exit status, output of both streams)."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                          check=False, **options)
    return done.returncode, done.stdout


def main(cases):
    """cases: functions, or (name, function) pairs; each returns a list of complaints or None."""
    failed = False
    print(f'1..{len(cases)}')
    for number, case in enumerate(cases, 1):
        name, function = case if isinstance(case, tuple) else (case.__name__, case)
        try:
            complaints = function() or []
        except Skip as reason:
            print(f'ok {number} - {name} # SKIP {reason}', flush=True)
            continue
        except (AssertionError, OSError) as error:
            complaints = [str(error)]
        for complaint in complaints:
            for line in str(complaint).split('\n'):
                print(f'# {line}')
        failed = failed or bool(complaints)
        print(f'{"not ok" if complaints else "ok"} {number} - {name}', flush=True)
    sys.exit(1 if failed else 0)
