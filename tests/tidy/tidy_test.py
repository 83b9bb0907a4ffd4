#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house (docs/HACKING.md) that a program can check, each as one TAP case."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

MAX_FILE, MAX_FUNCTION, MAX_COLUMNS = 1200, 80, 110
# The floors from the ground up, and those that each may include besides itself.
BELOW = {
    'base': [],
    'block': ['base'],
    'device': ['base', 'block'],
    'drive': ['base', 'block', 'device'],
    'engine': ['base', 'block'],
    'fs': ['base', 'block', 'device', 'engine'],
    'handle': ['base', 'block', 'device', 'drive', 'engine', 'fs'],
    'tools': [],
}
# Guests of the house: beside each other they see only what a program sees, <holdfast/...>.
GUESTS = {'src/tools/': 'tools/', 'src/handle/win32': 'handle/win32'}
BANNED = ['strcpy', 'strcat', 'stpcpy', 'sprintf', 'vsprintf', 'gets', 'alloca', 'strtok', 'asctime', 'ctime', 'gmtime',
          'localtime', 'tmpnam', 'atoi', 'atol', 'atof']
# Sources that are tested by something else than tests/<floor>/<noun>_test.c, and by what.
TESTED_BY = {
    'src/device/device_blk.c': 'tests/device/device_test.c',
    'src/tools/': 'tests/tools/',
    'src/handle/win32': 'tests/win32/',
}

# Programs as their authors wrote them, which must compile unchanged, are nobody's to tidy.
UNCHANGED = 'tests/win32/unchanged/'
C_FILES = [f for f in tap.sources('src/*.[ch]', 'include/*.h', 'tests/*.[ch]', 'bench/*.[ch]') if not f.startswith(UNCHANGED)]
SOURCES = tap.sources('src/*.c')


def bare(text):
    """C without comments and the insides of literals; line numbers stay."""
    def blank(match):
        token = match.group(0)
        return token[0] + token[-1] if token[0] in '"\'' else re.sub(r'[^\n]', ' ', token)
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def floor_of(path):
    return path.split('/')[1]


def files_are_short():
    return [f'{f}: {n} lines, at most {MAX_FILE}' for f in C_FILES if (n := tap.read(f).count('\n')) > MAX_FILE]


def functions(text):
    """(name, first line, lines) of each function: in our format its braces stand alone in the first column."""
    lines = bare(text).split('\n')
    start = None
    for number, line in enumerate(lines):
        if line == '{':
            start = number
            while start > 0 and lines[start - 1].strip() and not lines[start - 1].startswith(('}', '#')):
                start -= 1
        elif line == '}' and start is not None:
            head = ' '.join(lines[start:number]).split('{')[0]
            name = re.search(r'(\w+)\s*\(', head)
            yield name.group(1) if name else '?', start + 1, number - start + 1
            start = None


def functions_are_short():
    return [f'{f}:{line}: {name}: {n} lines, at most {MAX_FUNCTION}' for f in C_FILES
            for name, line, n in functions(tap.read(f)) if n > MAX_FUNCTION]


def lines_are_short():
    return [f'{f}:{n}: {len(line)} columns, at most {MAX_COLUMNS}' for f in C_FILES if not f.startswith('include/')
            for n, line in enumerate(tap.read(f).split('\n'), 1) if len(line) > MAX_COLUMNS]


def lines_are_clean():
    return [f'{f}:{n}: tab or trailing blank' for f in C_FILES
            for n, line in enumerate(tap.read(f).split('\n'), 1) if '\t' in line or line != line.rstrip()]


def no_banned_calls():
    pattern = re.compile(r'\b(' + '|'.join(BANNED) + r')\s*\(')
    return [f'{f}:{n}: {m.group(1)}' for f in C_FILES
            for n, line in enumerate(bare(tap.read(f)).split('\n'), 1) if (m := pattern.search(line))]


def errno_stays_outside():
    """errno belongs to the back ends that call the kernel and to programs; everything between speaks nt_status."""
    return [f'{f}:{n}: errno' for f in SOURCES if not re.match(r'src/(block/blk|handle/remote|tools/)', f)
            for n, line in enumerate(bare(tap.read(f)).split('\n'), 1) if re.search(r'\berrno\b(?!\.h)', line)]


def files_say_what_they_are():
    complaints = []
    for f in C_FILES:
        lines = tap.read(f).split('\n') + ['', '']
        if lines[0] != '// SPDX-License-Identifier: Apache-2.0':
            complaints.append(f'{f}: the first line is not the licence line')
        if not re.match(r'// \S+ \S+', lines[1]):
            complaints.append(f'{f}: the second line does not say what the file is')
    for f in tap.sources('*.py', '*.sh', 'meson.build', 'tests/meson.build', 'Makefile', 'presets/*.ini') + ['.ci/run']:
        if 'SPDX-License-Identifier: Apache-2.0' not in '\n'.join(tap.read(f).split('\n')[:2]):
            complaints.append(f'{f}: no licence line')
    return complaints


def includes(path):
    for n, line in enumerate(tap.read(path).split('\n'), 1):
        if m := re.match(r'#include ([<"])([^>"]+)[>"]', line):
            yield n, m.group(1) == '"', m.group(2)


def includes_go_down():
    complaints = []
    for f in tap.sources('src/*.[ch]'):
        floor = floor_of(f)
        guest = next((own for prefix, own in GUESTS.items() if f.startswith(prefix)), '')
        for n, quoted, name in includes(f):
            other = name.split('/')[0]
            if quoted and not name.startswith(guest):
                complaints.append(f'{f}:{n}: may include only <holdfast/...> and its own, not "{name}"')
            elif quoted and other != floor and other not in BELOW[floor]:
                complaints.append(f'{f}:{n}: {floor} may not include "{name}"')
    return complaints


def own_header_comes_first():
    complaints = []
    for f in SOURCES:
        own = f[len('src/'):-1] + 'h'
        names = [name for _, _, name in includes(f)]
        if os.path.exists(os.path.join(tap.ROOT, 'src', own)) and (not names or names[0] != own):
            complaints.append(f'{f}: the first include is not "{own}"')
    return complaints


def headers_guard_themselves():
    complaints = []
    for f in C_FILES:
        if f.endswith('.h') and not re.search(r'^#ifndef (\w+)\n#define \1$', tap.read(f), re.M):
            complaints.append(f'{f}: no include guard')
    return complaints


def sources_have_tests():
    complaints = []
    for f in SOURCES:
        test = f.replace('src/', 'tests/', 1)[:-2] + '_test.c'
        covered = next((by for prefix, by in TESTED_BY.items() if f.startswith(prefix)), None)
        if not os.path.exists(os.path.join(tap.ROOT, test)) and not (covered and tap.sources(covered + '*')):
            complaints.append(f'{f}: no {test}')
    return complaints


def tests_are_built():
    """A test file that no meson.build names would rot unseen."""
    complaints = []
    for f in tap.sources('tests/*_test.c', 'tests/*_test.py', 'tests/*_test.sh'):
        folder, name = os.path.split(f)
        noun = re.sub(r'_test\.\w+$', '', name)
        lists = [m for m in (folder + '/meson.build', 'tests/meson.build') if os.path.exists(os.path.join(tap.ROOT, m))]
        if not any(re.search(rf"'(\w+/)*({noun}|{re.escape(name)})'", tap.read(m)) for m in lists):
            complaints.append(f'{f}: in no meson.build')
    return complaints


def architecture_lists_every_source():
    """The file tree: a line that begins with src/<floor>/ opens a folder, the indented lines after it name its files."""
    listed, folder = set(), None
    for line in tap.read('docs/ARCHITECTURE.md').split('\n'):
        if m := re.match(r'(src/\w+)/', line):
            folder = m.group(1)
        elif not line.startswith(' '):
            folder = None
        elif folder:
            stem, _, endings = line.split()[0].partition('.')
            listed |= {f'{folder}/{stem}.{e}' for e in endings.strip('[]')}
    there = set(tap.sources('src/*.[ch]'))
    return [f'docs/ARCHITECTURE.md: the file tree lacks {f}' for f in sorted(there - listed)] + \
           [f'docs/ARCHITECTURE.md: there is no {f}' for f in sorted(listed - there)]


tap.main([files_are_short, functions_are_short, lines_are_short, lines_are_clean, no_banned_calls, errno_stays_outside,
          files_say_what_they_are, includes_go_down, own_header_comes_first, headers_guard_themselves, sources_have_tests,
          tests_are_built, architecture_lists_every_source])
