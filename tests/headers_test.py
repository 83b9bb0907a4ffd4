#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each public header compiles alone: as strict C99 and as C++, without a warning, with every compiler that is here."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap

WARNINGS = ['-Wall', '-Wextra', '-pedantic', '-Werror', '-fsyntax-only']


def compile_alone(header, compiler, standard, language):
    def case():
        name = os.path.relpath(header, 'include')
        options = ['-I', os.path.join(tap.ROOT, 'include')]
        if '/win32/' in header:
            # Windows headers: under the flags that pkg-config holdfast-win32 gives, and found by their own name.
            options += ['-I', os.path.join(tap.ROOT, os.path.dirname(header)), '-fshort-wchar']
            name = os.path.basename(header)
        status, output = tap.run([compiler, f'-std={standard}', *WARNINGS, *options, '-x', language, '-'],
                                 input=f'#include <{name}>\nint holdfast_alone(void);\n')
        return [output] if status else []
    return (f'{header} {compiler} {standard}', case)


cases = []
for h in tap.sources('include/*.h'):
    for c, std, lang in [('gcc', 'c99', 'c'), ('g++', 'c++17', 'c++'), ('clang', 'c99', 'c'), ('clang++', 'c++17', 'c++')]:
        if shutil.which(c):
            cases.append(compile_alone(h, c, std, lang))
tap.main(cases)
