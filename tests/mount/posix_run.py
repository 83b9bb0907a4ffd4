#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs posix_test in a mount: posix_run.py ROOT BUILD [CASE...]. --ext4 runs it on ext4 on a loop device instead, which
proves the tests."""
import os
import subprocess
import sys

import lab
import tap


def run_in(directory, *options):
    """posix_test prints its own cases; the exit status."""
    folder = os.path.join(directory, 'posix')
    os.mkdir(folder)
    sys.stdout.flush()
    return subprocess.run([os.path.join(lab.PROGRAMS, 'posix_test'), folder, *options], check=False).returncode


def on_ext4(cases):
    folder = lab.folder()
    image = os.path.join(folder, 'ext4')
    with open(image, 'wb') as f:
        f.truncate(2 << 30)
    lab.run('mkfs.ext4', '-q', '-F', '-O', 'ea_inode', image)
    directory = os.path.join(folder, 'mnt')
    os.mkdir(directory)
    lab.run('mount', '-o', 'loop', image, directory)
    try:
        return run_in(directory, *cases)
    finally:
        lab.run('umount', directory)


def main():
    cases = [a for a in sys.argv[3:] if a != '--ext4']
    lab.stay_private()
    if '--ext4' in sys.argv:
        return on_ext4(cases)
    reason = lab.why_not()
    if reason:
        print(f'1..0 # SKIP {reason}')
        return 0
    volume = lab.Volume(size='512M')
    mount = volume.mount('dev', 'suid')
    status = run_in(mount.path, '--holdfast', *cases)
    try:
        mount.unmount()
        volume.check()
    except AssertionError as error:
        print(f'Bail out! after the cases: {error}')
        return 1
    return status


sys.exit(main())
