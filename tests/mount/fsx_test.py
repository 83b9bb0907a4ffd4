#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random operations through a mount against a model, with remounts and killed daemons:

    fsx_test.py ROOT BUILD                             a few seeds, as TAP
    fsx_test.py ROOT BUILD --seed S [--volume N] [--operations N] [--trace]
    fsx_test.py ROOT BUILD --torture                   new seeds without end
"""
import os
import subprocess

import lab

VOLUMES = [
    ('4 KiB clusters', ['--cluster', '4K'], []),
    ('64 KiB clusters', ['--cluster', '64K'], []),
    ('no integrity', ['--integrity', 'off'], []),
    ('a small cache', ['--copies', '1'], ['cache=1M']),
]


def drive(program, volume, mount, options):
    """Do what the program asks for until it is done; what it said at last."""
    line = ''
    for line in program.stdout:
        line = line.strip()
        if line == 'kill':
            mount.kill()
        elif line == 'remount':
            if mount.alive():
                mount.unmount()
            volume.check()
            mount = volume.mount(*options)
        else:
            break
        program.stdin.write('go on\n')
        program.stdin.flush()
    return line, mount


def play(seed, number, operations, trace=False):
    _, format_options, options = VOLUMES[number]
    volume = lab.Volume(*format_options, size='64M')
    mount = volume.mount(*options)
    command = [os.path.join(lab.PROGRAMS, 'fsx'), mount.path, '--seed', str(seed), '--operations', str(operations),
               '--driven'] + (['--trace'] if trace else [])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          preexec_fn=lab.with_parent) as program:
        said, mount = drive(program, volume, mount, options)
    if said != 'done' or program.returncode != 0:
        return lab.complaints_of(said or f'fsx ended with {program.returncode}', seed, number, operations, mount)
    mount.unmount()
    volume.check()
    return []


lab.main_histories('fsx', VOLUMES, 1000, play)
