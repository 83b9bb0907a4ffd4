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


tap.main([format_comments_are_true, format_document_matches_header])
