#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shared library exports what the public headers declare and nothing else: hf_* in the native one, Win32 names in
the other. Arguments: checkout, build directory, library."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

LIBRARY = sys.argv[3]


def exported():
    if not shutil.which('nm'):
        raise tap.Skip('nm is not installed')
    status, output = tap.run(['nm', '-D', '--defined-only', LIBRARY])
    assert status == 0, output
    return {line.split()[-1].split('@')[0] for line in output.splitlines()}


def declared(*patterns):
    text = '\n'.join(tap.read(path) for path in tap.sources(*patterns))
    return set(re.findall(r'\b([A-Za-z_]\w*)\s*\(', re.sub(r'//[^\n]*', '', text)))


def exports_are_declared():
    known = declared('include/holdfast/holdfast.h', 'include/holdfast/posix.h', 'include/holdfast/win32/*.h')
    return [f'{name} is exported, but no public header declares it' for name in sorted(exported() - known)]


def declarations_are_exported():
    names = {n for n in declared('include/holdfast/holdfast.h', 'include/holdfast/posix.h') if n.startswith('hf_')}
    return [f'{name} is declared, but not exported' for name in sorted(names - exported())]


# The Win32 headers also hold macros and inline functions, so there only the one direction can be asked.
native = 'win32' not in os.path.basename(LIBRARY)
tap.main([exports_are_declared] + ([declarations_are_exported] if native else []))
