#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs written for Windows (tests/win32/unchanged/) compile without a change through pkg-config holdfast-win32, from
the build directory and from an installed prefix, and run."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

PROGRAM = sys.argv[3]
SOURCES = os.path.join(tap.ROOT, 'tests', 'win32', 'unchanged')
FOLDER = tempfile.mkdtemp(prefix='holdfast-unchanged-')


def flags(place):
    """What pkg-config says, (cflags, libs), for 'uninstalled' or 'installed'."""
    command = ['pkg-config']
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(tap.BUILD, 'meson-uninstalled'))
    if place == 'installed':
        prefix = install()
        folder = next(root for root, _, names in os.walk(prefix) if 'holdfast-win32.pc' in names)
        environment['PKG_CONFIG_PATH'] = folder
        command.append(f'--define-variable=prefix={prefix}')
    answers = [tap.run([*command, option, 'holdfast-win32'], env=environment) for option in ('--cflags', '--libs')]
    for status, output in answers:
        assert status == 0, output
    return [output.split() for _, output in answers]


def install():
    """Install once, below FOLDER; the prefix."""
    destination = os.path.join(FOLDER, 'root')
    if not os.path.isdir(destination):
        if not shutil.which('meson'):
            raise tap.Skip('meson is not installed')
        status, output = tap.run(['meson', 'install', '--no-rebuild', '-C', tap.BUILD, '--destdir', destination])
        assert status == 0, output
    for root, folders, _ in os.walk(destination):
        if 'include' in folders:
            return root
    raise AssertionError('nothing was installed')


def build(source, place, compiler):
    cflags, libs = flags(place)
    program = os.path.join(FOLDER, f'{source}-{place}-{compiler}')
    language = 'c++' if compiler.endswith('++') else 'c'
    warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-missing-field-initializers']  # C's "= {0}" is fine
    status, output = tap.run([compiler, *warnings, *cflags, '-x', language, os.path.join(SOURCES, source + '.c'),
                              '-x', 'none', *libs, '-o', program])
    assert status == 0, output
    return program


def volume():
    image = os.path.join(FOLDER, 'x.hf')
    if os.path.exists(image):
        os.unlink(image)
    status, output = tap.run([PROGRAM, 'format', image, '--size', '16M'])
    assert status == 0, output
    return image


def run(program, *arguments, devices=None):
    devices = devices or f'X:=file:{os.path.join(FOLDER, "x.hf")},removable'
    environment = dict(os.environ, HOLDFAST_DEVICES=devices)
    environment.pop('LD_LIBRARY_PATH', None)  # the flags must be enough to find the libraries
    return tap.run([program, *arguments], env=environment)


def expect(answer, status, *texts):
    assert answer[0] == status and all(text in answer[1] for text in texts), \
        f'exit status {answer[0]} instead of {status}, or lacks {texts}:\n{answer[1]}'


def setintegrity(program):
    expect(run(program, 'X:\\a.txt', 'on'), 0, 'checksum algorithm 1, flags 0, chunk 16384, cluster 4096')
    expect(run(program, 'X:\\a.txt'), 0, 'checksum algorithm 1')
    expect(run(program, 'X:/b.txt', 'off'), 0, 'checksum algorithm 0')
    expect(run(program, 'X:\\none'), 1, 'error 2: The system cannot find the file specified.')
    expect(tap.run([PROGRAM, 'integrity', 'get', os.path.join(FOLDER, 'x.hf') + ':/a.txt']), 0, 'a.txt')


def junction(program):
    expect(run(program), 0, 'tag a0000003, 46 bytes, substitute name of 26', 'done')


def checkverify(program):
    answer = run(program, '\\\\.\\X:')
    expect(answer, 0, 'IOCTL_STORAGE_CHECK_VERIFY2: accessible')
    assert answer[1].count('media is accessible, change count') == 2, answer[1]


def no_image(program):
    """The first CreateFile fails, and says why on stderr."""
    answer = run(program, '\\\\.\\X:', devices='X:=file:/nowhere/x.hf')
    expect(answer, 1, 'HOLDFAST_DEVICES', '/nowhere/x.hf', 'STATUS_OBJECT_NAME_NOT_FOUND', 'CreateFile: error 2')


def case(source, place, compiler, *checks):
    def function():
        volume()
        program = build(source, place, compiler)
        for check in checks:
            check(program)
    return (f'{source} {place} {compiler}', function)


cases = []
for c in ['gcc', 'clang', 'g++']:
    if shutil.which(c):
        cases += [case('setintegrity', 'uninstalled', c, setintegrity), case('junction', 'uninstalled', c, junction),
                  case('checkverify', 'uninstalled', c, checkverify, no_image)]
cases.append(case('setintegrity', 'installed', 'cc', setintegrity))
try:
    tap.main(cases)
finally:
    shutil.rmtree(FOLDER)
