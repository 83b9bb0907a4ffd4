#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damage and other media under a mount: an error for exactly what is lost, and one record of it."""
import errno
import glob
import gzip
import hashlib
import json
import mmap
import os
import random
import re
import shutil
import signal
import socket
import subprocess

import lab
import tap
from lab import hf, mounted, run

UNIT = 16384
SIZE = 20 * UNIT + 5000
BAD = 6  # the unit that rots


def original():
    return random.Random(5).randbytes(SIZE)


def rotten_volume(*options):
    """A volume with two files, one of them with a rotten byte in unit BAD."""
    volume = lab.Volume(*options, size='64M')
    source = os.path.join(volume.folder, 'source')
    with open(source, 'wb') as f:
        f.write(original())
    hf('put', source, f'{volume.path}:/f')
    hf('put', source, f'{volume.path}:/good')
    volume.damage('/f', BAD * UNIT + 777)
    return volume


def by_units(read):
    """{unit: data or errno} of what read(offset, length) gives."""
    found = {}
    for at in range(0, SIZE, UNIT):
        try:
            found[at // UNIT] = read(at, min(UNIT, SIZE - at))
        except OSError as error:
            found[at // UNIT] = error.errno
    return found


def only_the_bad_unit(found, how):
    data = original()
    for unit, got in found.items():
        should = errno.EIO if unit == BAD else data[unit * UNIT:(unit + 1) * UNIT]
        assert got == should, f'{how}: unit {unit}: ' + (errno.errorcode.get(got, str(got)) if isinstance(got, int) else
                                                        f'{len(got)} bytes, ' + ('right' if got == data[unit * UNIT:][:UNIT] else 'wrong'))


def pread_all(fd):
    return lambda at, length: os.pread(fd, length, at)


def direct(fd):
    def read(at, length):
        with mmap.mmap(-1, UNIT) as buffer:
            n = os.preadv(fd, [buffer], at)
            return buffer[:min(n, length)]
    return read


def mapped_survives(path, unit):
    """Read a unit through a map in a child: how that ended."""
    pid = os.fork()
    if pid == 0:
        fd = os.open(path, os.O_RDONLY)
        with mmap.mmap(fd, SIZE, prot=mmap.PROT_READ) as m:
            os._exit(0 if m[unit * UNIT:(unit + 1) * UNIT] == original()[unit * UNIT:(unit + 1) * UNIT] else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def each_way_of_reading(m):
    opened = []
    try:
        read_each_way(m, opened)
    finally:
        for fd in opened:
            os.close(fd)


def read_each_way(m, opened):
    path = m.join('f')

    def fresh(flags=os.O_RDONLY):
        lab.drop_caches(m)
        opened.append(os.open(path, flags))
        return opened[-1]
    fd = fresh()
    only_the_bad_unit(by_units(pread_all(fd)), 'pread')
    only_the_bad_unit(by_units(pread_all(fd)), 'pread again')
    fd = fresh()
    for at in reversed(range(0, SIZE, 4096)):  # 4 KiB at a time, and backwards
        try:
            got = os.pread(fd, 4096, at)
        except OSError as error:
            got = error.errno
        should = errno.EIO if at // UNIT == BAD else original()[at:at + 4096]
        assert got == should, f'backwards at {at}: {got if isinstance(got, int) else "data"}'
    fd = fresh(os.O_RDONLY | os.O_DIRECT)
    only_the_bad_unit(by_units(direct(fd)), 'direct')
    fd = fresh()
    os.posix_fadvise(fd, 0, SIZE, os.POSIX_FADV_WILLNEED)  # readahead over the damage
    os.posix_fadvise(fd, 0, SIZE, os.POSIX_FADV_SEQUENTIAL)
    only_the_bad_unit(by_units(pread_all(fd)), 'after readahead')
    fd = fresh()
    got = b''
    try:
        while True:
            got += os.read(fd, 1 << 20)
    except OSError as error:
        assert error.errno == errno.EIO
    assert got == original()[:BAD * UNIT], f'read() gave {len(got)} bytes before the error, not {BAD * UNIT}'
    lab.drop_caches(m)
    ends = [mapped_survives(path, unit) for unit in range(SIZE // UNIT)]
    assert ends == [-signal.SIGBUS if unit == BAD else 0 for unit in range(SIZE // UNIT)], ends


def copies_fail(m):
    copy = os.path.join(m.volume.folder, 'copy')
    lab.drop_caches(m)
    status, said = tap.run(['cp', m.join('f'), copy])
    assert status == 1 and 'Input/output error' in said, said
    lab.drop_caches(m)
    status, said = tap.run(['cp', '--reflink=never', m.join('f'), m.join('copy')])
    assert status == 1 and 'Input/output error' in said, said
    lab.drop_caches(m)
    fd, out = os.open(m.join('f'), os.O_RDONLY), os.open(copy, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    sent = 0
    try:
        while sent < SIZE:
            sent += os.sendfile(out, fd, sent, SIZE - sent)
        raise AssertionError('sendfile sent damaged data')
    except OSError as error:
        assert error.errno == errno.EIO
    assert os.pread(out, SIZE, 0) == original()[:BAD * UNIT], f'sendfile sent {sent}'
    os.close(fd)
    os.close(out)
    run('cp', m.join('good'), copy)


def damage_found_at_mount():
    with mounted(volume=rotten_volume(), check=False) as m:
        each_way_of_reading(m)
        copies_fail(m)
        with open(m.join('good'), 'rb') as f:
            assert f.read() == original()


def damage_while_mounted():
    volume = rotten_volume()  # twice flipped is as it was; and says where the byte is
    at = int(re.search(r'byte (\d+) of the image', hf('corrupt', f'{volume.path}:/f', '--offset', BAD * UNIT + 777)).group(1))
    with mounted(volume=volume, check=False) as m:
        with open(m.join('f'), 'rb') as f:
            assert f.read() == original()
        with open(volume.path, 'r+b') as image:
            image.seek(at)
            byte = image.read(1)[0]
            image.seek(at)
            image.write(bytes([byte ^ 1]))
        each_way_of_reading(m)


def a_damaged_unit_can_be_written():
    with mounted(volume=rotten_volume()) as m:
        fd = os.open(m.join('f'), os.O_RDWR)
        data = original()
        lab.drop_caches(m)
        os.pwrite(fd, data[BAD * UNIT:(BAD + 1) * UNIT], BAD * UNIT)  # all of it: the old is not needed
        os.fsync(fd)
        lab.drop_caches(m)
        assert os.pread(fd, SIZE, 0) == data
        os.close(fd)


def records(text):
    return [line for line in text.split('\n') if 'event 133' in line]


def one_record_of_the_damage():
    volume = rotten_volume()
    said = os.path.join(volume.folder, 'log')
    with mounted(volume=volume, check=False) as m:
        each_way_of_reading(m)  # many reads of the same unit
        lab.wait_until('a record', lambda: records(m.said()))
    found = records(open(said, encoding='utf-8').read())
    assert len(found) == 1, found
    assert '/f' in found[0] and f'offset {BAD * UNIT}' in found[0] and f'length {UNIT}' in found[0], found


def json_events(m):
    return json.loads(hf('events', '--json', m.path))


def events_are_listed():
    with mounted(volume=rotten_volume(), check=False) as m:
        assert json_events(m) == []
        each_way_of_reading(m)
        lines = json_events(m)
        assert len(lines) == 1 and lines[0]['id'] == 133 and lines[0]['offset'] == BAD * UNIT, lines
        assert lines[0]['path'] == m.join('f') and lines[0]['count'] > 1, lines


def syslog_hears_of_it():
    """In our own mount namespace /dev is ours too."""
    if not lab.ROOT:
        raise tap.Skip('needs root')
    volume = rotten_volume()
    dev = os.path.join(volume.folder, 'dev')
    os.mkdir(dev)
    for name in ('null', 'zero', 'urandom', 'random', 'fuse'):
        open(os.path.join(dev, name), 'wb').close()
        run('mount', '--bind', f'/dev/{name}', os.path.join(dev, name))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(os.path.join(dev, 'log'))
        log.settimeout(lab.PATIENCE)
        run('mount', '--rbind', dev, '/dev')
        try:
            with mounted(volume=volume, check=False) as m:
                fd = os.open(m.join('f'), os.O_RDONLY)
                by_units(pread_all(fd))
                heard = log.recv(4096).decode()
                by_units(pread_all(fd))
                os.close(fd)
        finally:
            run('umount', '-l', '/dev')
            for name in os.listdir(dev):
                subprocess.run(['umount', os.path.join(dev, name)], stderr=subprocess.DEVNULL, check=False)
        assert 'holdfast' in heard and 'event 133' in heard and '/f' in heard, heard
        log.setblocking(False)
        rest = b''
        try:
            while True:
                rest += log.recv(4096)
        except BlockingIOError:
            pass
        assert b'event' not in rest, rest


def metadata_is_mended_from_its_copy():
    volume = lab.Volume('--copies', '2', size='64M')
    with mounted(volume=volume) as m:
        for i in range(50):
            os.mkdir(m.join(f'd{i}'))
    for page in range(8):  # the last ones that are read are as good as the first
        hf('corrupt', volume.path, '--page', page, '--offset', 100)
        with mounted(volume=volume, check=False) as m:
            assert len(os.listdir(m.path)) == 50
            os.mkdir(m.join('new'))
            os.rmdir(m.join('new'))
        if 'event 130' in m.said():
            return
    raise AssertionError(f'no record\n{m.said()}')


# --- another medium ----------------------------------------------------------------------------------------------------

def try_all(calls):
    """What each call gives: data, or the errno's name."""
    results = []
    for call in calls:
        try:
            results.append(call())
        except OSError as error:
            results.append(errno.errorcode[error.errno])
    return results


MEDIUM_ERRORS = {'EIO', 'ESTALE', 'ENOMEDIUM', 'ENXIO', 'EMEDIUMTYPE', 'ENODEV'}


def another_medium_in_the_drive():
    """Never a byte of one medium on the other, nor out of it."""
    one, two = lab.Volume(size='64M'), lab.Volume(size='64M')
    contents = {}
    for volume, letter in ((one, b'1'), (two, b'2')):
        source = os.path.join(volume.folder, 'source')
        contents[volume] = letter * 200000
        with open(source, 'wb') as f:
            f.write(contents[volume])
        for name in ('f', 'g'):
            hf('put', source, f'{volume.path}:/{name}')
        hf('mkdir', f'{volume.path}:/only-on-{letter.decode()}')
    before = hashlib.sha256(open(two.path, 'rb').read()).hexdigest()
    away = one.path + '.away'
    m = one.mount('removable')
    fd = os.open(m.join('f'), os.O_RDWR)
    assert os.pread(fd, 100, 0) == b'1' * 100
    os.rename(one.path, away)
    os.rename(two.path, one.path)
    lab.drop_caches(m)

    def write(text):
        other = os.open(m.join('g'), os.O_WRONLY)
        try:
            os.pwrite(other, text, 100)
            os.fsync(other)
        finally:
            os.close(other)
    results = try_all([lambda: os.pread(fd, 1000, 50000), lambda: open(m.join('g'), 'rb').read(), lambda: write(b'new'),
                       lambda: os.mkdir(m.join('made')), lambda: os.listdir(m.path), lambda: os.fsync(fd),
                       lambda: os.stat(m.join('only-on-2')), lambda: os.unlink(m.join('f'))])
    reads = [r for r in results if isinstance(r, (bytes, list))]
    assert not any(b'2' in r for r in reads if isinstance(r, bytes)), 'data of the other medium'
    assert not any('only-on-2' in r for r in reads if isinstance(r, list)), 'names of the other medium'
    bad = {r for r in results if isinstance(r, str)} - MEDIUM_ERRORS - {'ENOENT'}
    assert not bad and isinstance(results[3], str) and isinstance(results[5], str), results
    assert hashlib.sha256(open(one.path, 'rb').read()).hexdigest() == before, 'the other medium was written to'
    os.rename(one.path, two.path)
    os.rename(away, one.path)
    lab.drop_caches(m)
    assert m.alive(), m.said()
    try_all([lambda: os.close(fd)])
    with open(m.join('f'), 'rb') as f:
        assert f.read() == contents[one], 'the first medium is back, its mount is not'
    m.end()
    for volume in (one, two):
        volume.check()
    assert hf('cat', f'{two.path}:/g') == contents[two].decode()


def no_medium_in_the_drive():
    volume = lab.Volume(size='64M')
    with mounted('removable', volume=volume) as m:
        with open(m.join('f'), 'wb') as f:
            f.write(b'x' * 100000)
            os.fsync(f.fileno())
        os.rename(volume.path, volume.path + '.away')
        lab.drop_caches(m)
        results = try_all([lambda: open(m.join('f'), 'rb').read(), lambda: os.mkdir(m.join('d'))])
        assert set(map(str, results)) <= MEDIUM_ERRORS, results
        os.rename(volume.path + '.away', volume.path)
        with open(m.join('f'), 'rb') as f:
            assert f.read() == b'x' * 100000


# --- hostile images ----------------------------------------------------------------------------------------------------

def walk(path):
    """Everything of a tree that can be asked for; only the daemon's death and a hang are wrong."""
    script = '''
import os, sys
top = sys.argv[1]
todo, seen = [top], 0
while todo and seen < 2000:
    folder = todo.pop()
    try:
        names = os.listdir(folder)
    except OSError:
        continue
    for name in names[:500]:
        path, seen = os.path.join(folder, name), seen + 1
        for call in (os.lstat, os.readlink, lambda p: [os.getxattr(p, n, follow_symlinks=False) for n in os.listxattr(p, follow_symlinks=False)],
                     os.statvfs, lambda p: os.getxattr(p, "system.ntfs_reparse_data", follow_symlinks=False), lambda p: open(p, "rb").read(1 << 20) if os.path.isfile(p) else 0,
                     lambda p: os.chmod(p, 0o600), lambda p: os.truncate(p, 5000), lambda p: os.rename(p, p + "x"),
                     lambda p: os.setxattr(p + "x", "user.a", b"1"), lambda p: os.unlink(p + "x")):
            try:
                call(path)
            except (OSError, ValueError):
                pass
        if os.path.isdir(path) and not os.path.islink(path) and path.count("/") < top.count("/") + 8:
            todo.append(path)
for name in ("new", "new2"):
    try:
        with open(os.path.join(top, name), "wb") as f:
            f.write(b"x" * 100000)
            os.fsync(f.fileno())
    except OSError:
        pass
'''
    subprocess.run(['python3', '-c', script, path], timeout=lab.PATIENCE, check=False)


def hostile(volume, *options):
    """Mount it if that can be; walk; the daemon lives or had refused with one line."""
    try:
        m = volume.mount(*options)
    except AssertionError as error:
        assert re.match(r'holdfast mount: exit status [13]\n', str(error)), error
        return False
    except OSError:  # the root itself is not to be looked at
        m = lab.mounts[-1]
    walk(m.path)
    assert m.alive(), f'the daemon died: {m.process.returncode}\n{m.said()}'
    assert m.try_unmount()
    status = m.process.wait(lab.PATIENCE)
    assert status in (0, 1, 3), f'the daemon ended with {status}\n{m.said()}'
    m.end()
    return True


def images_of_the_fuzzers():
    folder = lab.folder()
    inputs = sorted(glob.glob(os.path.join(tap.ROOT, 'tests/fuzz/corpus/image/*')) +
                    glob.glob(os.path.join(tap.ROOT, 'tests/fuzz/regress/image/*')))
    assert inputs
    run(os.path.join(lab.PROGRAMS, 'hostile'), folder, *inputs)
    alive = sum(hostile(lab.Volume(path=os.path.join(folder, f'{i}.hf'))) for i in range(len(inputs)))
    assert alive > len(inputs) // 2, f'only {alive} could be mounted'


def golden_images_with_damage():
    dice = random.Random(7)
    folder = lab.folder()
    for packed in sorted(glob.glob(os.path.join(tap.ROOT, 'tests/img/*.hf.gz'))):
        image = os.path.join(folder, 'golden.hf')
        for _ in range(2):
            with gzip.open(packed, 'rb') as source, open(image, 'wb') as target:
                shutil.copyfileobj(source, target)
            size = os.path.getsize(image)
            with open(image, 'r+b') as f:
                for _ in range(300):
                    f.seek(dice.randrange(UNIT * 2, size))
                    f.write(bytes([dice.randrange(256)]))
            hostile(lab.Volume(path=image))


lab.main([damage_found_at_mount, damage_while_mounted, a_damaged_unit_can_be_written, one_record_of_the_damage, events_are_listed,
          syslog_hears_of_it, metadata_is_mended_from_its_copy, another_medium_in_the_drive, no_medium_in_the_drive,
          images_of_the_fuzzers, golden_images_with_damage])
