#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the documents say is true: the README's examples compile and run, docs/CODES.md is compared with the tables of
the control codes, docs/FORMAT.md with src/engine/format.h as the compiler lays it out."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap


# --- docs/FORMAT.md ----------------------------------------------------------------------------------------------------

def header_structs():
    """{struct: [(offset, field, type, count)]} of format.h, by the offset that begins each field's comment."""
    structs = {}
    for name, body in re.findall(r'^struct (raw_\w+) \{\n(.*?)^\}', tap.read('src/engine/format.h'), re.M | re.S):
        fields = []
        for line in body.split('\n'):
            if m := re.match(r'\s+(?:struct )?(\w+) (\w+)(\[[^;]*\])?;\s*// (\d+)\b', line):
                fields.append((int(m.group(4)), m.group(2), m.group(1), m.group(3)))
            elif re.match(r'\s+[^/\s].*;', line):
                raise AssertionError(f'format.h: struct {name}: a field without its offset: {line.strip()}')
        structs[name] = fields
    return structs


def format_comments_are_true():
    """Offsets in format.h's comments are those of the compiler."""
    checks = [f'_Static_assert(offsetof(struct {s}, {field}) == {offset}, "{s}.{field} is not at {offset}");'
              for s, fields in header_structs().items() for offset, field, _, _ in fields]
    if not checks:
        return ['format.h: no struct raw_ found']
    code = '#include <stddef.h>\n#include "engine/format.h"\n' + '\n'.join(checks) + '\nint main(void) { return 0; }\n'
    status, output = tap.run(['gcc', '-std=gnu2x', '-D_GNU_SOURCE', '-fsyntax-only', f'-I{tap.ROOT}/src',
                              f'-I{tap.ROOT}/include', '-x', 'c', '-'], input=code)
    return [output] if status else []


def compiled_sizes(structs):
    """{(struct, field): size} as the compiler sees it."""
    lines = [f'    printf("{s} {field} %zu\\n", sizeof(((struct {s} *)0)->{field}));'
             for s, fields in structs.items() for _, field, _, count in fields if count != '[]']
    code = ('#include <stddef.h>\n#include <stdio.h>\n#include "engine/format.h"\nint main(void)\n{\n' + '\n'.join(lines) + '\n}\n')
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'sizes')
        status, output = tap.run(['gcc', '-std=gnu2x', '-D_GNU_SOURCE', f'-I{tap.ROOT}/src', f'-I{tap.ROOT}/include',
                                  '-x', 'c', '-', '-o', program], input=code)
        assert status == 0, output
        status, output = tap.run([program])
        assert status == 0, output
    return {(s, f): int(n) for s, f, n in (line.split() for line in output.splitlines())}


def document_tables():
    """{struct: [(offset, size, field)]}: the table under each heading of docs/FORMAT.md that contains raw_x."""
    tables, current = {}, None
    for line in tap.read('docs/FORMAT.md').split('\n'):
        if line.startswith('#'):
            m = re.search(r'\braw_\w+', line)
            current = tables.setdefault(m.group(0), []) if m else None
        elif current is not None and (m := re.match(r'\| *(\d+) *\| *([^|]+?) *\| *`?(\w+)`?[^|]* *\|', line)):
            current.append((int(m.group(1)), m.group(2), m.group(3)))
    return tables


def format_document_matches_header():
    structs, tables = header_structs(), document_tables()
    sizes = compiled_sizes(structs)
    complaints = [f'docs/FORMAT.md: no table for struct {s}' for s in structs if s not in tables]
    complaints += [f'docs/FORMAT.md: {s} is not in format.h' for s in tables if s not in structs]
    for s in structs.keys() & tables.keys():
        code = [(offset, str(sizes.get((s, field), 'rest')), field) for offset, field, _, _ in structs[s]]
        text = [(o, size if size.isdigit() else 'rest', f) for o, size, f in tables[s]]
        if code != text:
            complaints.append(f'docs/FORMAT.md: {s} (offset, size, field):\n  header   {code}\n  document {text}')
    return complaints


# --- docs/CODES.md and the README's table ------------------------------------------------------------------------------

METHODS = ['buffered', 'in direct', 'out direct', 'neither']
ACCESS = ['any', 'read', 'write', 'read, write']
TABLES = {'fs': 'src/fs/fsctl.c', 'disk': 'src/drive/disk.c', 'cdrom': 'src/drive/cdrom.c', 'tape': 'src/drive/tape.c'}


def header_codes():
    """{name: (value, access, method)} of HF_CONTROL_CODES."""
    codes = {}
    for name, device, function, method, access in re.findall(
            r'X\(((?:FSCTL|IOCTL)_\w+), (\w+), (\w+), (\d), (\d)\)', tap.read('include/holdfast/winioctl.h')):
        value = int(device, 0) << 16 | int(access) << 14 | int(function, 0) << 2 | int(method)
        codes[name] = (value, ACCESS[int(access)], METHODS[int(method)])
    return codes


def codes_document():
    """{name: ((value, access, method), answered by)} of the first table in docs/CODES.md."""
    rows = re.findall(r'^\| (\w+) \| (0x[0-9A-F]{8}) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$', tap.read('docs/CODES.md'), re.M)
    return {name: ((int(value, 0), access, method), set(who.split(', '))) for name, value, access, method, who in rows}


def codes_document_matches_header():
    header, document = header_codes(), {name: row for name, (row, _) in codes_document().items()}
    complaints = [f'docs/CODES.md lacks {name}' for name in header if name not in document]
    complaints += [f'docs/CODES.md: {name} is not in winioctl.h' for name in document if name not in header]
    return complaints + [f'docs/CODES.md: {name} is {document[name]}, in winioctl.h {header[name]}'
                         for name in header if name in document and document[name] != header[name]]


def answering():
    """{name: who answers it}: rows begin with a brace and the code's name; drives share the rows of drive.c, and take the DISK,
    CDROM and TAPE spelling of a storage code for the storage code."""
    def rows(path):
        return set(re.findall(r'\{(?:\(u32\))?((?:FSCTL|IOCTL)_\w+),', tap.read(path)))
    codes = {name: value for name, (value, _, _) in header_codes().items()}
    tables = {who: rows(path) for who, path in TABLES.items()}
    for who in ('disk', 'cdrom', 'tape'):
        assert tables[who], f'{TABLES[who]}: no rows found'
        tables[who] |= rows('src/drive/drive.c')
        modern = {codes[name] for name in tables[who] if name.startswith('IOCTL_STORAGE_')}
        tables[who] |= {name for name, value in codes.items()
                        if value >> 16 in (0x02, 0x07, 0x1F) and (value & 0xFFFF | 0x2D0000) in modern}
    return {name: {who for who, names in tables.items() if name in names} for name in codes}


def codes_document_matches_tables():
    real = answering()
    return [f'docs/CODES.md: {name}: answered by {sorted(documented)}, tables say {sorted(real[name])}'
            for name, (_, documented) in codes_document().items() if real.get(name) != documented]


def readme_covers_every_code():
    text = tap.read('README.md')
    return [f'README.md: the coverage table lacks {name}' for name in header_codes()
            if not re.search(rf'^\|[^|]*\b{name}\b[^|]*\|', text, re.M)]


# --- the README's examples ---------------------------------------------------------------------------------------------

def uninstalled(*arguments):
    """pkg-config against the build directory."""
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(tap.BUILD, 'meson-uninstalled'))
    status, output = tap.run(['pkg-config', *arguments], env=environment)
    assert status == 0, output
    return output.split()


def readme_examples_run():
    """In the order of the text and in one empty folder: shell blocks under `sh -e` with the built programs in PATH, C blocks
    compiled as the README says and run. What a program prints must be the text block that follows it, if one does."""
    blocks = re.findall(r'^```(\w*)\n(.*?)^```$', tap.read('README.md'), re.M | re.S)
    environment = dict(os.environ, PATH=os.path.join(tap.BUILD, 'src/tools') + ':' + os.environ['PATH'],
                       HOLDFAST_DEVICES='X:=file:vol.hf', LD_LIBRARY_PATH=tap.BUILD)
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (language, text) in enumerate(blocks):
            if language == 'sh' and 'make demo' in text:
                continue
            if language == 'sh':
                command = ['sh', '-e', '-c', text]
            elif language == 'c':
                package = 'holdfast-win32' if 'windows.h' in text else 'holdfast'
                command = [os.path.join(folder, f'example{number}')]
                status, output = tap.run(['cc', '-x', 'c', '-', '-o', command[0], '-Wall', '-Werror', '-x', 'none',
                                          *uninstalled('--cflags', '--libs', package)], input=text)
                assert status == 0, f'{text}\n{output}'
            else:
                continue
            ran += 1
            status, output = tap.run(command, cwd=folder, env=environment)
            assert status == 0, f'{text}\nexit status {status}\n{output}'
            expected = blocks[number + 1] if number + 1 < len(blocks) else ('', '')
            if expected[0] == 'text':
                assert output == expected[1], f'{text}\nprinted\n{output}\nthe README says\n{expected[1]}'
    return [] if ran >= 3 else ['README.md: fewer than three examples found']


# --- docs/DESIGN.md ----------------------------------------------------------------------------------------------------

def promises_are_checked():
    """Each promise of docs/DESIGN.md is numbered in order, and one that the simulator names is there."""
    text = tap.read('docs/DESIGN.md')
    numbers = [int(n) for n in re.findall(r'^\* \*\*P(\d+)\*\* ', text, re.M)]
    complaints = [] if numbers == list(range(1, len(numbers) + 1)) and numbers else ['DESIGN.md: promises are not P1, P2 ...']
    named = set()
    for f in tap.sources('tests/sim/*.c'):
        named |= {int(n) for n in re.findall(r'"P(\d+)[":]', tap.read(f))}
    complaints += [f'tests/sim names P{n}, DESIGN.md does not' for n in sorted(named - set(numbers))]
    table = text[text.index('## Where it is tested'):]
    covered = {int(n) for n in re.findall(r'P(\d+)', table)} | named
    return complaints + [f'DESIGN.md: nothing tests P{n}' for n in numbers if n not in covered]


tap.main([promises_are_checked, format_comments_are_true, format_document_matches_header, codes_document_matches_header,
          codes_document_matches_tables, readme_covers_every_code, readme_examples_run])
