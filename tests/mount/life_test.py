#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A mount's life: options, users, the end that is clean and the end that is not, full volumes, limits."""
import contextlib
import errno
import hashlib
import json
import mmap
import os
import random
import resource
import shutil
import signal
import stat
import subprocess

import lab
import tap
from lab import hf, mounted, run, wait_until

NOBODY = 65534
AS_NOBODY = ('setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups', '--')


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def put(path, data, sync=False):
    with open(path, 'wb') as f:
        f.write(data)
        if sync:
            f.flush()
            os.fsync(f.fileno())


def get(path):
    with open(path, 'rb') as f:
        return f.read()


def sync_directory(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def refused(what, *codes):
    """The call must fail with one of these errnos."""
    try:
        what()
    except OSError as error:
        assert error.errno in codes, f'{error}, not {[errno.errorcode[c] for c in codes]}'
        return
    raise AssertionError(f'did not fail with {[errno.errorcode[c] for c in codes]}')


def close_broken(fd):
    with contextlib.suppress(OSError):
        os.close(fd)


def need_root():
    if not lab.ROOT:
        raise tap.Skip('needs root')


# --- the end -----------------------------------------------------------------------------------------------------------

def a_clean_unmount_keeps_what_nobody_synced():
    dice = random.Random(1)
    wanted = {f'f{i}': dice.randbytes(dice.randrange(100000)) for i in range(50)}
    with mounted() as m:
        os.mkdir(m.join('d'))
        for name, data in wanted.items():
            put(m.join('d', name), data)
        os.symlink('d', m.join('link'))
    with mounted(volume=m.volume) as m:
        assert sorted(os.listdir(m.join('link'))) == sorted(wanted)
        return [f'{name} differs' for name, data in wanted.items() if get(m.join('d', name)) != data]


def sigterm_is_a_clean_end():
    with mounted() as m:
        put(m.join('f'), b'kept')
        m.process.send_signal(signal.SIGTERM)
        status = m.process.wait(lab.PATIENCE)
        assert status == 0, f'exit status {status}\n{m.said()}'
        assert not lab.is_mounted(m.path)
        m.end()
    with mounted(volume=m.volume) as m:
        assert get(m.join('f')) == b'kept'


def has_log(volume):
    """Is there a log for the next one who opens it?"""
    return 'log' in json.loads(hf('probe', '--json', volume.path))[0]['features'].split(',')


def a_kill_loses_nothing_that_fsync_covered():
    volume = lab.Volume()
    dice = random.Random(2)
    kept = {}
    for round_ in range(4):
        m = volume.mount()
        for name, data in kept.items():
            assert get(m.join(name)) == data, f'round {round_}: {name} is not what was synced'
        for i in range(10):
            name, data = f'f{round_}-{i}', dice.randbytes(dice.randrange(300000))
            put(m.join(name), data, sync=True)
            kept[name] = data
        put(m.join(f'loose{round_}'), dice.randbytes(100000))  # may be lost, may be there
        m.kill()
        assert has_log(volume)
        volume.check()
    with mounted(volume=volume) as m:
        different = [f'{name} differs' for name, data in kept.items() if get(m.join(name)) != data]
    assert not has_log(volume), 'a volume that was closed has none'
    return different


def a_kill_loses_nothing_that_fsync_of_a_directory_covered():
    volume = lab.Volume()
    m = volume.mount()
    for d in ('a', 'b'):
        os.mkdir(m.join(d))
    for i in range(100):
        put(m.join('a', str(i)), b'')
    os.rename(m.join('a', '7'), m.join('b', 'seven'))
    os.link(m.join('a', '8'), m.join('b', 'eight'))
    os.unlink(m.join('a', '9'))
    os.symlink('target', m.join('b', 'link'))
    os.setxattr(m.join('b', 'eight'), 'user.x', b'value')
    os.chmod(m.join('b', 'eight'), 0o4711)
    sync_directory(m.join('b'))
    m.kill()
    with mounted(volume=volume) as m:
        assert sorted(os.listdir(m.join('a'))) == sorted(str(i) for i in range(100) if i not in (7, 9))
        assert sorted(os.listdir(m.join('b'))) == ['eight', 'link', 'seven']
        assert os.readlink(m.join('b', 'link')) == 'target'
        assert os.getxattr(m.join('b', 'eight'), 'user.x') == b'value'
        assert stat.S_IMODE(os.stat(m.join('a', '8')).st_mode) == 0o4711


def replacing_by_rename_is_old_or_new():
    volume = lab.Volume()
    for i in range(6):
        m = volume.mount()
        if i:
            was = get(m.join('config'))
            assert was in (b'%d' % (i - 1) * 50000, b'%d' % i * 50000), was[:10]
        put(m.join('config.tmp'), b'%d' % i * 50000, sync=True)
        os.rename(m.join('config.tmp'), m.join('config'))
        if i % 2:
            sync_directory(m.path)
        else:
            put(m.join('other'), b'x', sync=True)  # any later fsync covers what was before
        m.kill()
        volume.check()


def callers_of_a_killed_daemon_get_errors():
    with mounted(check=False) as m:
        put(m.join('f'), b'x' * 100000)
        fd = os.open(m.join('f'), os.O_RDWR)
        lab.drop_caches(m)
        m.process.kill()
        m.process.wait()
        refused(lambda: os.pread(fd, 100, 0), errno.ENOTCONN, errno.EIO, errno.ECONNABORTED)
        refused(lambda: os.fsync(fd), errno.ENOTCONN, errno.EIO, errno.ECONNABORTED)
        refused(lambda: os.stat(m.join('g')), errno.ENOTCONN, errno.ECONNABORTED)
        close_broken(fd)
        m.end()
    m.volume.check()


def a_file_removed_while_open_leaves_nothing():
    volume = lab.Volume()
    m = volume.mount()
    free = os.statvfs(m.path).f_bfree
    fd = os.open(m.join('f'), os.O_CREAT | os.O_RDWR)
    os.write(fd, b'x' * 5000000)
    os.unlink(m.join('f'))
    os.fsync(fd)
    m.kill()
    close_broken(fd)
    with mounted(volume=volume) as m:
        assert os.listdir(m.path) == []
        put(m.join('new'), b'')
        sync_directory(m.path)  # what is removed becomes free with a commit
        now = os.statvfs(m.path).f_bfree
        assert now >= free - 64, f'{free} blocks were free, now {now}'


def unnamed(m, size):
    fd = os.open(m.path, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, bytes([size % 251]) * size)
    return fd


def name_it(fd, path):
    os.link(f'/proc/self/fd/{fd}', path, src_dir_fd=fd)  # with one, Python follows the link


def a_kill_leaves_of_unnamed_files_what_was_named():
    volume = lab.Volume()
    m = volume.mount()
    put(m.join('before'), b'')
    sync_directory(m.path)
    free = os.statvfs(m.path).f_bfree
    # Kept: named, then synced. Gone: never named, in whatever state. Either: named since the last sync.
    fds = [unnamed(m, 3000000 + i) for i in range(5)]
    os.fsync(fds[1])
    os.ftruncate(fds[1], 2000000)
    os.fsync(fds[2])
    name_it(fds[0], m.join('kept'))
    os.fsync(fds[0])
    name_it(fds[4], m.join('loose'))
    m.kill()
    for fd in fds:
        close_broken(fd)
    volume.check()
    with mounted(volume=volume) as m:
        assert set(os.listdir(m.path)) - {'loose'} == {'before', 'kept'}, os.listdir(m.path)
        assert get(m.join('kept')) == bytes([3000000 % 251]) * 3000000
        assert os.stat(m.join('kept')).st_nlink == 1
        for name in ('kept', 'loose'):
            if os.path.exists(m.join(name)):
                os.unlink(m.join(name))
        for _ in range(2):
            put(m.join('new'), b'')
            sync_directory(m.path)  # what is removed becomes free with a commit
        now = os.statvfs(m.path).f_bfree
        assert now >= free - 64, f'{free} blocks were free, now {now}'


def changes_are_committed_every_few_seconds():
    with mounted('commit=1') as m:
        os.mkdir(m.join('made'))
        copy = os.path.join(m.volume.folder, 'copy.hf')

        def committed():
            shutil.copyfile(m.volume.path, copy)
            return 'made' in hf('ls', f'{copy}:/')
        wait_until('a commit', committed)


# --- one owner ---------------------------------------------------------------------------------------------------------

def a_second_mount_is_refused():
    with mounted() as m:
        put(m.join('f'), b'x')
        other = os.path.join(m.volume.folder, 'other')
        os.mkdir(other)
        said = hf('mount', '--foreground', m.volume.path, other, status=1)
        assert 'in use' in said and said.count('\n') == 1, said
        assert not lab.is_mounted(other)
        assert get(m.join('f')) == b'x'


def the_program_on_a_mounted_image_harms_nothing():
    """Refused, or through the mount: then the mount sees it."""
    with mounted() as m:
        put(m.join('f'), b'x', sync=True)
        status, said = tap.run([lab.HOLDFAST, 'rm', f'{m.volume.path}:/f'])
        assert os.path.exists(m.join('f')) == (status != 0), said
        status, said = tap.run([lab.HOLDFAST, 'check', m.volume.path])
        status, said = tap.run([lab.HOLDFAST, 'format', '--force', m.volume.path])
        assert status != 0, said
        put(m.join('g'), b'y', sync=True)
        assert get(m.join('g')) == b'y'


def bad_commands_are_errors():
    volume = lab.Volume()
    file = os.path.join(volume.folder, 'file')
    put(file, b'not a volume' * 1000)
    for arguments in ([volume.path, '/nowhere'], ['/nowhere', volume.directory], [file, volume.directory],
                      [volume.path, file], ['-o', 'ro', '/dev/null', volume.directory]):
        said = hf('mount', '--foreground', *arguments, status=1)
        assert said.count('\n') == 1 and said.startswith('holdfast: '), said
    for option in ('nonsense', 'uid=x', 'uid=-1', 'umask=9', 'commit=', 'gid=99999999999'):
        hf('mount', '--foreground', '-o', option, volume.path, volume.directory, status=2)
    hf('mount', volume.path, status=2)
    assert not lab.is_mounted(volume.directory)


# --- options -----------------------------------------------------------------------------------------------------------

def read_only():
    volume = lab.Volume(size='32M')
    with mounted(volume=volume) as m:
        put(m.join('f'), b'x' * 10000)
        os.mkdir(m.join('d'))
    before = digest(volume.path)
    with mounted('ro', volume=volume, check=False) as m:
        assert get(m.join('f')) == b'x' * 10000
        assert os.statvfs(m.path).f_flag & os.ST_RDONLY
        for what in (lambda: put(m.join('g'), b''), lambda: os.mkdir(m.join('e')), lambda: os.unlink(m.join('f')),
                     lambda: os.rename(m.join('f'), m.join('g')), lambda: os.chmod(m.join('f'), 0o600),
                     lambda: os.setxattr(m.join('f'), 'user.x', b''), lambda: os.truncate(m.join('f'), 0),
                     lambda: os.rmdir(m.join('d')), lambda: os.utime(m.join('f')), lambda: unnamed(m, 0)):
            refused(what, errno.EROFS)
        sync_directory(m.path)
    assert digest(volume.path) == before, 'the image was written to'
    os.chmod(volume.path, 0o444)
    with mounted('ro', volume=volume, check=False) as m:
        assert os.listdir(m.path) != []


def owners_of_files_that_have_none():
    volume = lab.Volume()
    source = os.path.join(volume.folder, 'source')
    put(source, b'abc')
    hf('put', source, f'{volume.path}:/f')
    hf('mkdir', f'{volume.path}:/d')
    uid, gid = (1234, 5678) if lab.ROOT else (os.getuid(), os.getgid())
    with mounted(f'uid={uid},gid={gid}', 'umask=027', volume=volume) as m:
        for name, mode in (('f', stat.S_IFREG | 0o640), ('d', stat.S_IFDIR | 0o750)):
            s = os.stat(m.join(name))
            real = (oct(s.st_mode), s.st_uid, s.st_gid)
            # A file may be shown as a program.
            assert real in ((oct(mode), uid, gid), (oct(mode | 0o110), uid, gid)), real
        os.chmod(m.join('f'), 0o604)
    with mounted(volume=volume) as m:
        assert stat.S_IMODE(os.stat(m.join('f')).st_mode) == 0o604
        assert os.stat(m.join('f')).st_uid == uid, 'a chmod keeps the owner that was shown'


def open_device(folder):
    """/dev/fuse is for everybody on ordinary systems, but not in every container."""
    if os.stat('/dev/fuse').st_mode & 0o006 != 0o006:
        node = os.path.join(folder, 'fuse')
        os.mknod(node, stat.S_IFCHR | 0o666, os.stat('/dev/fuse').st_rdev)
        os.chmod(node, 0o666)
        run('mount', '--bind', node, '/dev/fuse')


def a_user_can_mount():
    need_root()
    volume = lab.Volume()
    open_device(volume.folder)
    for path in (volume.folder, volume.path, volume.directory):
        os.chown(path, NOBODY, NOBODY)
    m = volume.mount(prefix=AS_NOBODY)
    run(*AS_NOBODY, 'sh', '-ec', f'cd {m.path}; echo hello >f; mkdir d; mv f d; test "$(cat d/f)" = hello; ls -l d')
    refused(lambda: os.listdir(m.path), errno.EACCES)  # nobody else, root neither
    with open('/proc/self/mountinfo', encoding='utf-8') as lines:
        options = [line for line in lines if line.split()[4] == m.path][0]
    for word in ('nosuid', 'nodev', f'user_id={NOBODY}'):
        assert word in options, options
    status, said = tap.run([*AS_NOBODY, lab.UNMOUNTER, '-u', m.path])
    assert status == 0, said
    assert m.process.wait(lab.PATIENCE) == 0, m.said()
    m.end()
    volume.check()
    # And not what is not theirs.
    os.chown(volume.path, 0, 0)
    os.chmod(volume.path, 0o600)
    status, said = tap.run([*AS_NOBODY, lab.HOLDFAST, 'mount', '--foreground', volume.path, volume.directory])
    assert status == 1, said


def df_and_mountinfo():
    with mounted(size='200M') as m:
        words = run('df', '-T', '-B1', m.path).split('\n')[1].split()
        assert words[1] == 'fuse.holdfast', words
        assert words[0].endswith('vol.hf'), words
        total, used, free = map(int, words[2:5])
        assert 150 << 20 < total <= 200 << 20 and used < 10 << 20, words
        put(m.join('f'), b'x' * (20 << 20), sync=True)
        words = run('df', '-B1', m.path).split('\n')[1].split()
        assert int(words[3]) <= free - (20 << 20), words
        found = json.loads(run('findmnt', '-J', m.path))['filesystems'][0]
        assert found['fstype'] == 'fuse.holdfast', found


def mount_programs_as_mount_calls_them():
    need_root()
    volume = lab.Volume()
    helper = os.path.join(volume.folder, 'mount.fuse.holdfast')
    os.symlink(lab.HOLDFAST, helper)
    run(helper, volume.path, volume.directory, '-o', 'rw,noatime,dev,suid,_netdev')
    try:
        put(os.path.join(volume.directory, 'f'), b'through mount(8)')
        with open('/proc/self/mountinfo', encoding='utf-8') as lines:
            assert any(line.split()[4] == volume.directory and 'fuse.holdfast' in line for line in lines)
    finally:
        run('umount', volume.directory)
    wait_until('the daemon to end', lambda: tap.run([lab.HOLDFAST, 'check', volume.path])[0] == 0)
    assert hf('cat', f'{volume.path}:/f') == 'through mount(8)'


def mount_of_type_fuse_holdfast():
    """mount(8) finds the helper where the installation puts it; here over a copy of that folder."""
    need_root()
    volume = lab.Volume()
    upper, work = os.path.join(volume.folder, 'upper'), os.path.join(volume.folder, 'work')
    run('mount', '-t', 'tmpfs', 'tmpfs', volume.directory)
    upper, work = os.path.join(volume.directory, 'upper'), os.path.join(volume.directory, 'work')
    os.mkdir(upper)
    os.mkdir(work)
    os.symlink(lab.HOLDFAST, os.path.join(upper, 'mount.fuse.holdfast'))
    directory = os.path.join(volume.folder, 'there')
    os.mkdir(directory)
    sbin = os.path.realpath('/sbin')
    status, said = tap.run(['mount', '-t', 'overlay', '-o', f'lowerdir={sbin},upperdir={upper},workdir={work}', 'overlay', sbin])
    if status != 0:
        raise tap.Skip(f'no overlay file system: {said}')
    try:
        run('mount', '-t', 'fuse.holdfast', '-o', 'noatime', volume.path, directory)
        put(os.path.join(directory, 'f'), b'x')
        run('umount', directory)
    finally:
        run('umount', '-l', sbin)
        run('umount', '-l', volume.directory)
    wait_until('the daemon to end', lambda: tap.run([lab.HOLDFAST, 'check', volume.path])[0] == 0)


# --- limits ------------------------------------------------------------------------------------------------------------

class Filler:
    """Does everything on a small volume until there is no room, and knows what fsync covered."""

    def __init__(self, top, seed):
        self.top, self.dice = top, random.Random(seed)
        self.kept, self.full, self.number = {}, 0, 0

    def write(self, path):
        data = self.dice.randbytes(self.dice.randrange(1, 60000))
        self.kept.pop(path, None)
        put(path, data, sync=True)
        self.kept[path] = data

    def rename(self, path):
        if self.kept:
            old = self.dice.choice(sorted(self.kept))
            if old != path:
                os.rename(old, path)
                self.kept[path] = self.kept.pop(old)

    def xattr(self, path):
        if self.kept:
            os.setxattr(self.dice.choice(sorted(self.kept)), f'user.{self.number}',
                        self.dice.randbytes(self.dice.randrange(1, 3000)))

    def link(self, path):
        if self.kept:
            old = self.dice.choice(sorted(self.kept))
            os.link(old, path)
            os.unlink(path)

    def extend(self, path):
        """Longer, without data."""
        if self.kept:
            old = self.dice.choice(sorted(self.kept))
            os.truncate(old, len(self.kept[old]) + 100000)
            self.kept[old] += bytes(100000)

    def map(self, path):
        if self.kept:
            old = self.dice.choice(sorted(self.kept))
            data = self.kept.pop(old)
            at = self.dice.randrange(len(data))
            new = self.dice.randbytes(min(5000, len(data) - at))
            with open(old, 'r+b') as f, mmap.mmap(f.fileno(), 0) as view:
                view[at:at + len(new)] = new
                view.flush()
            self.kept[old] = data[:at] + new + data[at + len(new):]

    def step(self):
        self.number += 1
        path = os.path.join(self.top, f'f{self.number}')
        others = [self.rename, self.xattr, self.link, self.extend, self.map, lambda p: os.mkdir(p + 'd'),
                  lambda p: os.symlink('x' * 3000, p + 'l')]
        what = self.dice.choice([self.write] * 4 + others)
        try:
            what(path)
        except OSError as error:
            assert error.errno == errno.ENOSPC, f'{what}: {error}'
            self.full += 1


def a_full_volume():
    for options in (['--cluster', '4K'], ['--cluster', '64K'], ['--integrity', 'off', '--copies', '1']):
        volume = lab.Volume(*options, size='6M' if '64K' not in options else '32M')
        m = volume.mount()
        filler = Filler(m.path, 3)
        while filler.full < 60 and filler.number < 20000:
            filler.step()
        assert filler.full >= 60, f'{options}: never full'
        for path, data in filler.kept.items():
            assert get(path) == data, f'{options}: {path} differs'
        # Deleting works, and then there is room again.
        for i, path in enumerate(sorted(filler.kept)):
            if i % 2:
                os.unlink(path)
                del filler.kept[path]
        sync_directory(m.path)
        put(m.join('again'), b'y' * 50000, sync=True)
        m.kill()
        volume.check()
        with mounted(volume=volume) as m:
            assert get(m.join('again')) == b'y' * 50000
            for path, data in filler.kept.items():
                assert get(path) == data, f'{options}: {path} differs after the kill'
            for name in os.listdir(m.path):
                run('rm', '-rf', m.join(name))
            put(m.join('last'), b'z' * 1000000, sync=True)


def a_full_volume_and_the_cache():
    """What the kernel holds back is written when there is no room any more: fsync or close of that very file says so."""
    dice = random.Random(4)
    with mounted(size='16M') as m:
        kept, told = {}, 0
        for i in range(60):
            data, path = dice.randbytes(500000), m.join(f'f{i}')
            try:
                put(path, data, sync=i % 2 == 0)
                kept[path] = data
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
                told += 1
        assert told > 20, f'twice as much as fits was written and {told} of 60 heard'
        lab.drop_caches(m)
        for path, data in kept.items():
            assert get(path) == data, f'{path}: nobody was told that it did not fit'
    with mounted(volume=m.volume) as m:
        for path, data in kept.items():
            assert get(path) == data, f'{path}: differs after a remount'
        for name in os.listdir(m.path):
            os.unlink(m.join(name))
        put(m.join('again'), dice.randbytes(1000000), sync=True)


def a_full_volume_and_maps():
    """The room for a page of a map is missed when the page is written; msync says so."""
    dice, size = random.Random(5), 12 << 20
    with mounted(size='16M') as m:
        put(m.join('other'), dice.randbytes(4 << 20), sync=True)
        fd = os.open(m.join('f'), os.O_CREAT | os.O_RDWR)
        os.ftruncate(fd, size)  # a hole
        wanted, told = bytearray(size), 0
        with mmap.mmap(fd, size) as view:
            for at in range(0, size, 1 << 20):
                data = dice.randbytes(1 << 20)
                view[at:at + (1 << 20)] = data
                try:
                    view.flush(at, 1 << 20)
                    wanted[at:at + (1 << 20)] = data
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error
                    wanted[at:at + (1 << 20)] = b''.ljust(1 << 20, b'?')
                    told += 1
        assert 0 < told < size >> 20, f'{told} of {size >> 20} msync failed'
        close_broken(fd)
    with mounted(volume=m.volume) as m:
        found = get(m.join('f'))
        for at in range(0, size, 1 << 20):
            part = bytes(wanted[at:at + (1 << 20)])
            assert part[0:1] == part[1:2] == part[2:3] == b'?' or found[at:at + (1 << 20)] == part, f'differs at {at}'
        os.unlink(m.join('f'))
        put(m.join('again'), dice.randbytes(4 << 20), sync=True)


def many_open_files():
    count = 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 100:
        raise tap.Skip(f'the limit of open files is {hard}')
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, hard))
    try:
        with mounted() as m:
            os.mkdir(m.join('d'))
            fds = [os.open(m.join('d', str(i)), os.O_CREAT | os.O_RDWR) for i in range(count)]
            for i, fd in enumerate(fds):
                os.pwrite(fd, b'%d' % i, 0)
            for i, fd in enumerate(fds):
                if i % 3 == 0:
                    os.unlink(m.join('d', str(i)))
            for i, fd in enumerate(fds):
                assert os.pread(fd, 10, 0) == b'%d' % i
                os.close(fd)
            assert len(os.listdir(m.join('d'))) == count - (count + 2) // 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def set_limit(mount, size):
    run('prlimit', f'--pid={mount.process.pid}', f'--as={size}:')


def size_of(mount):
    with open(f'/proc/{mount.process.pid}/statm', encoding='ascii') as f:
        return int(f.read().split()[0]) * resource.getpagesize()


def work_in_little_memory(m, dice, kept):
    """How often ENOMEM came. Whatever succeeds must be so."""
    refusals, fds = 0, []

    def attempt(what):
        nonlocal refusals
        try:
            return what()
        except OSError as error:
            assert error.errno == errno.ENOMEM, error
            refusals += 1
            return None
    for _ in range(120):
        path, data = m.join(f'f{len(kept)}-{refusals}'), dice.randbytes(dice.randrange(200000))

        def write():
            put(path, data, sync=True)
            kept[path] = data
        attempt(write)
        attempt(lambda: os.listdir(m.path))
        attempt(lambda: os.setxattr(m.path, 'user.x', data[:30000]))
        if kept:
            fds.append(attempt(lambda: os.open(dice.choice(list(kept)), os.O_RDONLY)))
    readers = [subprocess.Popen(['sh', '-c', 'cat -- * >/dev/null'], cwd=m.path, stderr=subprocess.DEVNULL) for _ in range(6)]
    for reader in readers:
        reader.wait(lab.PATIENCE)
    for fd in fds:
        if fd is not None:
            os.close(fd)
    return refusals


def little_memory():
    """The daemon may have no more than this, or from now on no more than it has: it works, or says ENOMEM, and lives."""
    if lab.SANITIZED:
        return  # the sanitizers' own memory is terabytes
    dice = random.Random(6)
    volume = lab.Volume(size='512M')
    kept = {}
    with mounted('cache=8M', volume=volume, prefix=('prlimit', f'--as={100 << 20}:', '--')) as m:
        work_in_little_memory(m, dice, kept)
        assert len(kept) > 100, f'only {len(kept)} of 120 files could be written in 100 MiB'
        refusals = 0
        for room in (1 << 20, 1 << 16, 0):
            set_limit(m, size_of(m) + room)
            refusals += work_in_little_memory(m, dice, kept)
            assert m.alive(), m.said()
        assert refusals > 0, 'memory was never short'
        set_limit(m, 1 << 40)
        lab.drop_caches(m)
        for path, data in kept.items():
            assert get(path) == data, f'{path} differs'
        before = len(kept)
        assert work_in_little_memory(m, dice, kept) == 0 and len(kept) == before + 120, 'memory is there again, and no use'
    with mounted(volume=volume) as m:
        for path, data in kept.items():
            assert get(path) == data, f'{path} differs after a remount'


AWAKE = '/dev/cpu_dma_latency'


def keeps_awake(m):
    """Does the daemon ask for processors that do not sleep?"""
    links = f'/proc/{m.process.pid}/fd'
    for fd in os.listdir(links):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(os.path.join(links, fd)) == AWAKE:
                return True
    return False


def asks_closely(m):
    """One request after the other for a while; whether the daemon kept the processors awake meanwhile."""
    for number in range(20000):
        with contextlib.suppress(FileNotFoundError):
            os.stat(m.join(f'none{number}'))
        if number % 50 == 0 and keeps_awake(m):
            return True
    return False


def processors_stay_awake_while_requests_come():
    possible = os.access(AWAKE, os.W_OK)  # else the mount works without
    with mounted('awake') as m:
        assert not keeps_awake(m), 'before anything was asked'
        for _ in range(2):
            assert asks_closely(m) == possible
            wait_until('the processors may sleep', lambda: not keeps_awake(m))
    with mounted('noawake') as m:
        assert not asks_closely(m)


lab.main([a_clean_unmount_keeps_what_nobody_synced, sigterm_is_a_clean_end, a_kill_loses_nothing_that_fsync_covered,
          a_kill_loses_nothing_that_fsync_of_a_directory_covered, replacing_by_rename_is_old_or_new,
          callers_of_a_killed_daemon_get_errors, a_file_removed_while_open_leaves_nothing,
          a_kill_leaves_of_unnamed_files_what_was_named,
          changes_are_committed_every_few_seconds, a_second_mount_is_refused,
          the_program_on_a_mounted_image_harms_nothing, bad_commands_are_errors, read_only,
          owners_of_files_that_have_none, a_user_can_mount, df_and_mountinfo, mount_programs_as_mount_calls_them,
          mount_of_type_fuse_holdfast, a_full_volume, a_full_volume_and_the_cache,
          a_full_volume_and_maps, many_open_files, little_memory, processors_stay_awake_while_requests_come])
