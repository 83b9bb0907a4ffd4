#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that people use, in a mount: they must work, also after the daemon was killed in the middle of them; the
volume must be clean then, and what they know to be safe must be there.

    programs_test.py ROOT BUILD                        short forms of what is always installed, as TAP
    programs_test.py ROOT BUILD --long [PART...]       all parts at length, once, or these
    programs_test.py ROOT BUILD --torture [PART...]    the same with new seeds until one finds something
    options: --seed S, --seconds N: how long a part may take
"""
import argparse
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import lab
import tap

PYTHON = sys.executable
LEDGER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'ledger.py')
POSTGRES_SOCKETS = 'sockets'
QUIET_GIT = {'GIT_CONFIG_NOSYSTEM': '1', 'GIT_CONFIG_GLOBAL': '/dev/null', 'GIT_AUTHOR_NAME': 'a', 'GIT_AUTHOR_EMAIL': 'a@b',
             'GIT_COMMITTER_NAME': 'a', 'GIT_COMMITTER_EMAIL': 'a@b', 'GIT_TERMINAL_PROMPT': '0'}


def need(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        raise tap.Skip(f'{", ".join(missing)} not installed (scripts/install-deps.sh torture)')


class Late(Exception):
    """A part took longer than it may."""


class Site:
    """A mount for one part, and what runs on it."""

    def __init__(self, seed, is_long, size='2G', options=()):
        self.dice, self.is_long = random.Random(seed), is_long
        self.volume = lab.Volume(size=size)
        self.options = options
        self.mount = self.volume.mount(*options)
        self.running = []

    def join(self, *parts):
        return self.mount.join(*parts)

    def outside(self, name):
        return os.path.join(self.volume.folder, name)

    def start(self, *command, **options):
        """A program with a session of its own, which end() ends whole."""
        options.setdefault('stdout', subprocess.DEVNULL)
        options.setdefault('stderr', subprocess.DEVNULL)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=lab.with_parent,
                                   text=True, **options)
        self.running.append(process)
        return process

    def end(self, process, patience=lab.PATIENCE):
        """Wait for a program that met errors; then end it."""
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if process in self.running:
            self.running.remove(process)

    def end_all(self):
        for process in self.running[:]:
            self.end(process, 0)

    def sync(self):
        """All that was done is safe after this."""
        os.sync()
        fd = os.open(self.mount.path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def remount(self):
        self.mount.unmount()
        self.volume.check()
        self.mount = self.volume.mount(*self.options)

    def kill(self):
        """The daemon goes now. What ran must have an end; the volume must be clean."""
        self.mount.process.kill()
        self.mount.process.wait()
        for process in self.running[:]:
            self.end(process)
        self.mount.end()
        self.volume.check()
        self.mount = self.volume.mount(*self.options)

    def kill_during(self, seconds, *command, **options):
        """Run a command and kill the daemon at some moment of the time that it takes."""
        process = self.start(*command, **options)
        try:
            process.wait(self.dice.random() * seconds)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def timed(self, *command, **options):
        """Run a command that must succeed; how long it took."""
        begin = time.monotonic()
        lab.run(*command, timeout=None, **options)  # the part has a limit
        return time.monotonic() - begin

    def finish(self):
        self.remount()
        self.mount.unmount()


# --- builds ------------------------------------------------------------------------------------------------------------

def copy_sources(to):
    """This project's files, without build directories and hidden ones: {path: bytes}."""
    copied = {}
    for path in tap.sources('*'):
        target = os.path.join(to, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(os.path.join(tap.ROOT, path), 'rb') as f:
            copied[path] = f.read()
        with open(target, 'wb') as f:
            f.write(copied[path])
        shutil.copymode(os.path.join(tap.ROOT, path), target)
    return copied


def sources_differ(folder, copied):
    complaints = []
    for path, data in copied.items():
        with open(os.path.join(folder, path), 'rb') as f:
            if f.read() != data:
                complaints.append(f'{path} differs')
    return complaints


def build(site):
    """This project's own build: all of it and its tests, or its lowest floor."""
    sources, kept = site.join('holdfast'), site.join('kept')
    copied = copy_sources(sources)
    shutil.copytree(sources, kept)
    site.sync()
    options = ['--native-file', os.path.join(sources, 'presets/debug.ini')]
    lab.run('meson', 'setup', site.join('b'), sources, *options)
    target = ['all'] if site.is_long else ['libbase.a']
    seconds = site.timed('ninja', '-C', site.join('b'), '-j2', *target)
    assert 'no work to do' in lab.run('ninja', '-C', site.join('b'), *target), 'all was built, and again'
    if site.is_long:
        lab.run('meson', 'test', '-C', site.join('b'), '--suite', 'base', '--suite', 'block', '--suite', 'engine', timeout=None)
    site.remount()
    assert 'no work to do' in lab.run('ninja', '-C', site.join('b'), *target), 'all was built, and again after a remount'
    complaints = sources_differ(site.join('holdfast'), copied)
    lab.run('meson', 'setup', site.join('c'), sources, *options)
    site.kill_during(seconds, 'ninja', '-C', site.join('c'), '-j2', *target)
    return complaints + [f'after a kill: {c}' for c in sources_differ(site.join('kept'), copied)]


def digests(folder):
    return {os.path.basename(p): lab.run('sha256sum', p).split()[0] for p in glob.glob(os.path.join(folder, '*.deb'))}


def debian(site):
    """A Debian source package is built in the mount and in /tmp: the same package must come out."""
    need('apt-get', 'dpkg-buildpackage', 'dpkg-source', 'dh', 'makeinfo')
    cache = site.outside('apt')
    with open('/etc/os-release', encoding='utf-8') as f:
        release = re.search(r'VERSION_CODENAME=(\w+)', f.read())
    if not release:
        raise tap.Skip('not a release of Debian')
    for name in ('lists/partial', 'archives/partial'):
        os.makedirs(os.path.join(cache, name))
    with open(os.path.join(cache, 'sources'), 'w', encoding='ascii') as f:
        f.write(f'deb-src http://deb.debian.org/debian {release.group(1)} main\n')
    apt = ['apt-get', '-q', '-o', f'Dir::State={cache}', '-o', f'Dir::Cache={cache}', '-o', 'Dir::State::status=/var/lib/dpkg/status',
           '-o', f'Dir::Etc::SourceList={cache}/sources', '-o', 'Dir::Etc::SourceParts=/dev/null', '-o', 'APT::Sandbox::User=root']
    for command in (['update'], ['source', '--download-only', 'hello']):
        status, said = tap.run([*apt, *command], cwd=cache)
        if status != 0:
            raise tap.Skip(f'no source package to be had: {said.strip().splitlines()[-1]}')
    description = glob.glob(os.path.join(cache, 'hello_*.dsc'))[0]
    packages = {}
    for place in (site.outside('plain'), site.join('package')):
        os.mkdir(place)
        lab.run('dpkg-source', '-x', description, os.path.join(place, 'hello'))
        seconds = site.timed('dpkg-buildpackage', '-b', '-uc', '-us', '-d', cwd=os.path.join(place, 'hello'))
        packages[place] = digests(place)
    plain, mounted = packages.values()
    assert plain and plain == mounted, f'built outside: {plain}, in the mount: {mounted}'
    site.sync()
    os.mkdir(site.join('again'))
    lab.run('dpkg-source', '-x', description, site.join('again', 'hello'))
    site.kill_during(seconds, 'dpkg-buildpackage', '-b', '-uc', '-us', '-d', cwd=site.join('again', 'hello'))
    shutil.rmtree(site.join('again'))
    assert digests(site.join('package')) == plain, 'the packages differ after a kill'


# --- git ---------------------------------------------------------------------------------------------------------------

def git(*arguments, **options):
    return lab.run('git', *arguments, env={**os.environ, **QUIET_GIT}, **options)


def commit_more(site, repository, count):
    """Change some files and commit, some times; the last commit."""
    for _ in range(count):
        for name in site.dice.sample(range(300), 10):
            path = os.path.join(repository, f'd{name % 7}', f'f{name}')
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'ab') as f:
                f.write(site.dice.randbytes(site.dice.randrange(3000)))
        git('-C', repository, 'add', '-A')
        git('-C', repository, 'commit', '-q', '-m', 'more')
    return git('-C', repository, 'rev-parse', 'HEAD').strip()


COMMITTER = '''
n=0
while :; do
    n=$((n + 1))
    for i in 1 2 3; do head -c $((n * 37 % 9000)) /dev/urandom >"d$i/k$((n % 50))"; done
    git add -A && git commit -q -m "$n" && git -c core.fsync=all gc -q --auto || exit 1
    python3 -c 'import os; os.fsync(os.open(".", os.O_RDONLY))' || exit 1
    git rev-parse HEAD
done
'''


def git_survives(site, repository):
    """Commits whose ids were told after an fsync are there after a kill; what is there is whole."""
    told = site.outside('told')
    with open(told, 'w', encoding='ascii') as output:
        site.start('sh', '-c', COMMITTER, cwd=repository, env={**os.environ, **QUIET_GIT}, stdout=output)
        time.sleep(site.dice.random() * (20 if site.is_long else 2) + 0.5)
        site.kill()
    for lock in glob.glob(os.path.join(repository, '.git', '**', '*.lock'), recursive=True):
        os.unlink(lock)
    git('-C', repository, 'fsck', '--full', '--strict')
    with open(told, encoding='ascii') as f:
        ids = [line.strip() for line in f if line.endswith('\n')]
    for commit in ids[-1:]:
        git('-C', repository, 'merge-base', '--is-ancestor', commit, 'HEAD')
    git('-C', repository, 'reset', '-q', '--hard')
    return len(ids)


def git_part(site):
    """clone, checkout, gc and fsck; and commits under a kill."""
    need('git')
    repository, clone = site.join('repository'), site.join('clone')
    if site.is_long and os.path.isdir(os.path.join(tap.ROOT, '.git')):
        git('-c', 'safe.directory=*', 'clone', '-q', '--no-local', tap.ROOT, repository)
    else:
        git('init', '-q', repository)
    git('-C', repository, 'config', 'core.fsync', 'all')
    git('-C', repository, 'config', 'core.fsyncMethod', site.dice.choice(['fsync', 'batch']))
    for i in (1, 2, 3):
        os.makedirs(os.path.join(repository, f'd{i}'))
    last = commit_more(site, repository, 20 if site.is_long else 4)
    git('clone', '-q', '--no-local', repository, clone)
    git('-C', clone, 'fsck', '--full', '--strict')
    git('-C', clone, 'checkout', '-q', 'HEAD~2')
    git('-C', clone, 'gc', '-q', '--aggressive' if site.is_long else '--prune=now')
    site.remount()
    git('-C', clone, 'fsck', '--full', '--strict')
    git('-C', clone, 'checkout', '-q', last)
    assert git('-C', clone, 'status', '--porcelain') == ''
    for _ in range(4 if site.is_long else 1):
        assert git_survives(site, repository) or not site.is_long, 'no commit was made'


# --- rsync -------------------------------------------------------------------------------------------------------------

def make_tree(site, top):
    """One of each kind that rsync -aHAXS knows, and a lot of ordinary files."""
    dice = site.dice
    shutil.copytree(os.path.join(tap.ROOT, 'src'), os.path.join(top, 'src'))
    for i in range(200):
        folder = os.path.join(top, f'd{i % 10}', f'e{i % 3}')
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, dice.choice(['f', 'ä ', 'new\nline', 'x' * 200]) + str(i))
        with open(path, 'wb') as f:
            f.write(dice.randbytes(dice.randrange(50000)))
        os.chmod(path, dice.choice([0o644, 0o4711, 0o600, 0o2755, 0o000]))
        if i % 5 == 0:
            os.link(path, os.path.join(top, f'link{i}'))
        if i % 7 == 0:
            os.setxattr(path, 'user.name', dice.randbytes(500))
        if i % 11 == 0:
            os.symlink(dice.choice(['../nowhere', '/etc/passwd', 'x' * 1000]), path + '.s')
        if lab.ROOT:
            os.lchown(path, dice.randrange(3), dice.randrange(70000))
            os.chmod(path, dice.choice([0o644, 0o4711, 0o600]))
        if i % 13 == 0:
            lab.run('setfacl', '-m', f'u:{dice.randrange(1, 1000)}:rw,g:12:r', path)
            lab.run('setfacl', '-d', '-m', 'u:7:rwx,o::-', folder)
    with open(os.path.join(top, 'sparse'), 'wb') as f:
        f.write(b'begin')
        f.seek(20 << 20)
        f.write(b'end')
    os.mkfifo(os.path.join(top, 'fifo'))
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(top)
        s.bind('socket')
        os.chdir(here)
    if lab.ROOT:
        os.mknod(os.path.join(top, 'null'), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(os.path.join(top, 'block'), stat.S_IFBLK | 0o600, os.makedev(7, 200))
    for folder, _, names in os.walk(top, topdown=False):
        for name in names + ['.']:
            when = dice.randrange(1 << 32) * 10**9 + dice.randrange(10**9)
            os.utime(os.path.join(folder, name), ns=(when, when), follow_symlinks=False)


def tree_of(top):
    """{path: all that rsync keeps}"""
    found, numbers = {}, {}
    for folder, folders, names in os.walk(top):
        for name in folders + names + ['.']:
            path = os.path.join(folder, name)
            s, key = os.lstat(path), os.path.relpath(path, top)
            what = [oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns]
            if not stat.S_ISDIR(s.st_mode):
                what += [s.st_size, s.st_nlink, s.st_rdev]
                numbers.setdefault((s.st_dev, s.st_ino), set()).add(key)
            if stat.S_ISREG(s.st_mode):
                with open(path, 'rb') as f:
                    what.append(hash(f.read()))
            what.append({n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)})
            found[key] = what
    for keys in numbers.values():
        for key in keys:
            found[key].append(sorted(keys))
    return found


def tree_difference(one, two):
    a, b = tree_of(one), tree_of(two)
    return [f'{key!r}: {a.get(key)}, copied {b.get(key)}' for key in sorted(set(a) | set(b)) if a.get(key) != b.get(key)][:5]


def rsync(site):
    """There and back with everything, and again after a kill."""
    need('rsync', 'setfacl')
    source, there, back = site.outside('source'), site.join('there'), site.outside('back')
    os.mkdir(source)
    make_tree(site, source)
    command = ['rsync', '-aHAXS', '--numeric-ids', source + '/', there + '/']
    seconds = site.timed(*command)
    complaints = [f'there: {c}' for c in tree_difference(source, there)]
    blocks = os.stat(site.join('there', 'sparse')).st_blocks
    assert blocks < 1024, f'the sparse file has {blocks} blocks'
    site.remount()
    lab.run('rsync', '-aHAXS', '--numeric-ids', there + '/', back + '/')
    complaints += [f'back: {c}' for c in tree_difference(source, back)]
    said = lab.run('rsync', '-aHAXnic', '--delete', '--numeric-ids', source + '/', there + '/')
    if said:
        complaints.append(f'rsync would copy again: {said}')
    for _ in range(3 if site.is_long else 1):
        shutil.rmtree(there)
        site.kill_during(seconds, *command)
        lab.run(*command, '--checksum', '--delete')
        complaints += [f'after a kill: {c}' for c in tree_difference(source, there)]
    return complaints


# --- databases ---------------------------------------------------------------------------------------------------------

JOURNALS = [
    ['journal_mode=WAL', 'synchronous=FULL'],
    ['journal_mode=DELETE', 'synchronous=EXTRA'],
    ['journal_mode=WAL', 'synchronous=FULL', 'mmap_size=1000000000', 'wal_autocheckpoint=50'],
    ['page_size=65536', 'journal_mode=TRUNCATE', 'synchronous=EXTRA', 'cache_size=20'],
    ['journal_mode=PERSIST', 'synchronous=EXTRA', 'mmap_size=1000000000'],
]


def ledger_counts(path):
    counts = json.loads(lab.run(PYTHON, LEDGER, path, 'check'))
    assert isinstance(counts, dict), counts
    return counts


def sqlite(site):
    """Transfers of two writers at once, in each journal mode; none that was committed is lost by a kill."""
    for number, journal in enumerate(JOURNALS if site.is_long else JOURNALS[:3]):
        path = site.join(f'ledger{number}')
        count = 400 if site.is_long else 40
        writers = [site.start(PYTHON, LEDGER, path, str(w), str(count), *journal) for w in (0, 1)]
        for writer in writers:
            assert writer.wait(lab.PATIENCE * 5) == 0, f'{journal}: a writer ended with {writer.returncode}'
        assert ledger_counts(path) == {'0': count, '1': count}, journal
    site.remount()
    for number, journal in enumerate(JOURNALS if site.is_long else JOURNALS[:3]):
        path = site.join(f'ledger{number}')
        for _ in range(5 if site.is_long else 1):
            told = [site.outside(f'told{w}') for w in (0, 1)]
            for w in (0, 1):
                with open(told[w], 'w', encoding='ascii') as output:
                    site.start(PYTHON, LEDGER, path, str(w), '1000000', *journal, stdout=output)
            time.sleep(0.3 + site.dice.random() * (5 if site.is_long else 1))
            site.kill()
            counts = ledger_counts(path)
            for w in (0, 1):
                with open(told[w], encoding='ascii') as f:
                    last = [int(line) for line in f if line.endswith('\n')][-1:]
                assert not last or counts[str(w)] > last[0], f'{journal}: transfer {last[0]} was committed, {counts} are there'


class Postgres:
    """A server on the mount, with a socket of its own and no port."""

    def __init__(self, site, *settings):
        self.site, self.data, self.settings = site, site.join('postgres'), settings
        self.bin = sorted(glob.glob('/usr/lib/postgresql/*/bin'))[-1]
        self.sockets = site.outside(POSTGRES_SOCKETS)
        self.process = None
        if not os.path.exists(self.sockets):
            os.mkdir(self.sockets)
            shutil.chown(self.sockets, 'postgres', 'postgres')
        if not os.path.exists(self.data):
            os.mkdir(self.data, 0o700)
            shutil.chown(self.data, 'postgres', 'postgres')
            lab.run(*self.command('initdb', '-k', '-A', 'trust', '-D', self.data), cwd='/')

    def command(self, program, *arguments):
        return ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--', os.path.join(self.bin, program),
                *arguments]

    def run(self, program, *arguments, **options):
        return lab.run(*self.command(program, '-h', self.sockets, *arguments), cwd=self.sockets, **options)

    def query(self, text):
        return self.run('psql', '-Atqc', text, 'postgres').strip()

    def start(self):
        settings = ['listen_addresses=', f'unix_socket_directories={self.sockets}', 'checkpoint_timeout=30s', 'max_wal_size=64MB',
                    *self.settings]
        with open(self.site.outside('postgres.log'), 'a', encoding='utf-8') as log:
            self.process = self.site.start(*self.command('postgres', '-D', self.data), *[w for s in settings for w in ('-c', s)],
                                           stdout=log, stderr=log, cwd='/')
        lab.wait_until('PostgreSQL', lambda: self.process.poll() is not None or tap.run(
            self.command('pg_isready', '-q', '-h', self.sockets))[0] == 0)
        assert self.process.poll() is None, self.said()

    def said(self):
        with open(self.site.outside('postgres.log'), encoding='utf-8') as log:
            return log.read()[-3000:]

    def stop(self, how=signal.SIGINT):
        """SIGQUIT: at once, its children too."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.site.end(self.process)

    def is_sound(self):
        sums = self.query('SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), '
                          '(SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)')
        assert len(set(sums.split('|'))) == 1, f'the sums differ: {sums}'
        self.run('pg_amcheck', '--install-missing', '--heapallindexed', '--parent-check', 'postgres')


def postgres(site):
    """pgbench; recovery after a kill; every transaction that a client was told of is there."""
    if not lab.ROOT or not glob.glob('/usr/lib/postgresql/*/bin/pgbench'):
        raise tap.Skip('needs root and PostgreSQL (scripts/install-deps.sh torture)')
    for settings in (['wal_sync_method=fdatasync'], ['wal_sync_method=open_datasync', 'dynamic_shared_memory_type=mmap']):
        server = Postgres(site, *settings)
        server.start()
        try:
            server.run('pgbench', '-iq', '-s', '5', 'postgres')
            server.run('pgbench', '-c', '4', '-j', '2', '-T', '20', 'postgres')
            server.is_sound()
            server.stop()
            lab.run(*server.command('pg_checksums', '--check', '-D', server.data), cwd='/')
            site.remount()
            for round_ in range(3):
                postgres_survives(site, server, round_)
        except AssertionError as error:
            raise AssertionError(f'{settings}: {error}\n{server.said()}') from error
        finally:
            server.stop(signal.SIGQUIT)
    site.end_all()


def postgres_survives(site, server, round_):
    server.start()
    before = int(server.query('SELECT count(*) FROM pgbench_history'))
    logs = site.outside(f'transactions{round_}')
    os.mkdir(logs)
    shutil.chown(logs, 'postgres', 'postgres')
    bench = site.start(*server.command('pgbench', '-h', server.sockets, '-n', '-c', '4', '-T', '1000', '-l',
                                       f'--log-prefix={logs}/log', 'postgres'), cwd='/')
    time.sleep(1 + site.dice.random() * 15)
    site.mount.process.kill()
    site.mount.process.wait()
    site.end(bench)
    server.stop(signal.SIGQUIT)
    site.kill()
    told = sum(lab.run('cat', p).count('\n') for p in glob.glob(os.path.join(logs, '*')))
    shutil.rmtree(logs)
    server.start()
    there = int(server.query('SELECT count(*) FROM pgbench_history')) - before
    assert there >= told, f'{told} transactions were committed, {there} are there'
    server.is_sound()
    server.stop()


# --- loads -------------------------------------------------------------------------------------------------------------

FIO_JOBS = [
    ['--rw=write', '--bs=128k', '--fsync=32'],
    ['--rw=randwrite', '--bsrange=512-64k', '--bs_unaligned', '--end_fsync=1'],
    ['--rw=randwrite', '--bs=4k', '--direct=1', '--ioengine=libaio', '--iodepth=16'],
    ['--rw=randwrite', '--bs=4k', '--ioengine=mmap', '--end_fsync=1'],
    ['--rw=randwrite', '--bs=16k', '--verify_backlog=64', '--fallocate=keep'],
    ['--rw=write', '--bs=1m', '--direct=1', '--ioengine=io_uring', '--iodepth=4'],
]


def fio(site):
    """Blocks that say where they belong, written each way, read back at once and after a remount."""
    need('fio')
    size = '64m' if site.is_long else '16m'
    common = ['--name=j', '--numjobs=2', '--verify=crc32c', '--verify_fatal=1', f'--size={size}', '--group_reporting',
              '--output-format=terse']
    common += [f'--randseed={site.dice.randrange(1 << 32)}']
    seconds = {}
    for number, job in enumerate(FIO_JOBS):
        folder = site.join(f'fio{number}')
        os.mkdir(folder)
        seconds[number] = site.timed('fio', f'--directory={folder}', *common, *job)
    site.remount()
    for number, job in enumerate(FIO_JOBS):
        lab.run('fio', f'--directory={site.join(f"fio{number}")}', *common, *job, '--verify_only')
        site.kill_during(seconds[number], 'fio', f'--directory={site.join(f"fio{number}")}', *common, *job)
        lab.run('fio', f'--directory={site.join(f"fio{number}")}', *common, *job)


# Not of the file system under --temp-path: devices, processes, mounts of others.
STRESS_ELSEWHERE = {'binderfs', 'bind-mount', 'procfs', 'ioprio', 'eventfd', 'dup', 'fanotify', 'handle'}


def on_ext4(site):
    """A directory on ext4, to see whose fault something is."""
    image, directory = site.outside('ext4'), site.outside('ext4.mnt')
    if not os.path.exists(directory):
        lab.run('truncate', '-s', '2G', image)
        lab.run('mkfs.ext4', '-q', '-F', image)
        os.mkdir(directory)
        lab.run('mount', '-o', 'loop', image, directory)
    return directory


def stress(site):
    """Each stressor of the class filesystem alone; what fails must fail on ext4 too. Then many at once and a kill."""
    need('stress-ng')
    names = lab.run('stress-ng', '--class', 'filesystem?').split(':')[1].split()
    complaints, alike = [], []

    def fails(name, directory):
        status, said = tap.run(['stress-ng', f'--{name}', '2', '--timeout', '3', '--verify', '--temp-path', directory])
        return None if status in (0, 3, 4) else f'{name}: exit status {status}\n{said}'
    for name in names:
        if name in STRESS_ELSEWHERE:
            continue
        said = fails(name, site.mount.path)
        assert site.mount.alive(), f'{name}: the daemon died\n{site.mount.said()}'
        if said and lab.ROOT and fails(name, on_ext4(site)):
            alike.append(name)
        elif said:
            complaints.append(said)
    if alike:
        print(f'# on ext4 too: {", ".join(alike)} fails')
    if os.path.exists(site.outside('ext4.mnt')):
        lab.run('umount', '-d', site.outside('ext4.mnt'))
    site.remount()
    for _ in range(3):
        together = ['hdd', 'dir', 'rename', 'link', 'symlink', 'fallocate', 'xattr', 'utime', 'sync-file', 'chmod', 'copy-file']
        site.kill_during(8, 'stress-ng', *[w for name in together for w in (f'--{name}', '1')], '--timeout', '10',
                         '--temp-path', site.mount.path)
    lab.run('sh', '-c', 'rm -rf -- *', cwd=site.mount.path)
    return complaints


# --- the parts ---------------------------------------------------------------------------------------------------------

PARTS = {'sqlite': sqlite, 'git': git_part, 'build': build, 'rsync': rsync, 'fio': fio, 'debian': debian, 'stress': stress,
         'postgres': postgres}
ALWAYS = ['sqlite', 'git', 'build']  # in `make test`


def play(name, seed, is_long, seconds):
    def late(*_):
        raise Late(f'took longer than {seconds} s')
    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    site = None
    try:
        site = Site(seed, is_long)
        complaints = PARTS[name](site) or []
        site.finish()
    except (AssertionError, OSError, subprocess.TimeoutExpired, Late) as error:
        complaints = [str(error) or repr(error)]
    finally:
        signal.alarm(0)
        if site:
            site.end_all()
    if complaints:
        complaints += [f'to repeat: {PYTHON} {os.path.abspath(__file__)} {tap.ROOT} {tap.BUILD} {"--long" if is_long else ""} '
                       f'{name} --seed {seed} --seconds {seconds}']
        if site:
            complaints += site.mount.said().split('\n')[-20:]
    return complaints


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('root')
    parser.add_argument('build')
    parser.add_argument('parts', nargs='*', choices=[[], *PARTS])
    parser.add_argument('--long', action='store_true')
    parser.add_argument('--torture', action='store_true')
    parser.add_argument('--seed', type=int)
    parser.add_argument('--seconds', type=int)
    args = parser.parse_intermixed_args()
    is_long = args.long or args.torture
    seconds = args.seconds or 1200
    parts = args.parts or (list(PARTS) if is_long else ALWAYS)

    def cases(seed):
        return [(part, lambda part=part: play(part, seed, is_long, seconds)) for part in parts]
    if args.torture:
        lab.torture('programs', cases)
    lab.main(cases(1 if args.seed is None else args.seed))


main()
