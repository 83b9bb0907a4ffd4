# SPDX-License-Identifier: Apache-2.0
"""What the tests of the mount share: an image, the daemon on it, and an end without leftovers. As root everything happens
in a mount namespace of its own, which goes with the test however that ends."""
import argparse
import atexit
import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

HOLDFAST = os.path.join(tap.BUILD, 'src/tools/holdfast')
PROGRAMS = os.path.join(tap.BUILD, 'tests/mount')
SANITIZED = os.environ.get('HOLDFAST_SANITIZED') == '1'
PATIENCE = 60  # seconds until something that should happen counts as never
LINES_SHOWN = 40
PR_SET_PDEATHSIG = 1
ROOT = os.getuid() == 0
UNMOUNTER = shutil.which('fusermount3') or shutil.which('fusermount')


def why_not():
    """Why nothing can be mounted here, or None."""
    if not os.path.exists('/dev/fuse'):
        return 'there is no /dev/fuse'
    if not UNMOUNTER:
        return 'fusermount3 is not installed'
    status, output = tap.run([HOLDFAST, 'help', 'mount'])
    return None if status == 0 else 'holdfast was built without libfuse3'


def stay_private():
    """As root: go on in a mount namespace of our own."""
    if ROOT and os.environ.get('HOLDFAST_LAB') != '1':
        os.environ['HOLDFAST_LAB'] = '1'
        os.execvp('unshare', ['unshare', '--mount', '--propagation', 'private', sys.executable] + sys.argv)


def begin():
    """Why nothing can be mounted here, or None, and then in a private place."""
    reason = why_not()
    if not reason:
        stay_private()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what atexit knows is done
    return reason


def main(cases):
    """tap.main in a private place; one skipped case where nothing can be mounted. Words after ROOT BUILD choose cases."""
    reason = begin()
    if reason:
        print(f'1..0 # SKIP {reason}')
        sys.exit(0)
    wanted = sys.argv[3:]
    tap.main([(name_of(c), guarded(c)) for c in cases if not wanted or name_of(c) in wanted or wanted[0][0] == '-'])


def torture(name, cases):
    """Plays cases(seed) with new seeds until one finds something."""
    reason = begin()
    if reason:
        print(f'{name}: {reason}')
        sys.exit(0)
    while True:
        seed = random.randrange(1 << 32)
        for title, case in cases(seed):
            start = time.monotonic()
            try:
                complaints = guarded((title, case))()
            except tap.Skip as skipped:
                print(f'{name}: {title}: skipped: {skipped}', flush=True)
                continue
            except (AssertionError, OSError) as error:
                complaints = [str(error)]
            print('\n'.join([f'{name}: {title}, seed {seed}: {"failed" if complaints else "as it should be"}, '
                             f'{time.monotonic() - start:.0f} s', *map(str, complaints or [])]), flush=True)
            if complaints:
                sys.exit(1)


def main_histories(name, volumes, operations, play):
    """main of a program of random histories. play(seed, number of the volume, operations, trace) gives complaints."""
    parser = argparse.ArgumentParser()
    parser.add_argument('root')
    parser.add_argument('build')
    parser.add_argument('--seed', type=int)
    parser.add_argument('--volume', type=int)
    parser.add_argument('--operations', type=int, default=150 if SANITIZED else operations)
    parser.add_argument('--trace', action='store_true')
    parser.add_argument('--torture', action='store_true')
    args = parser.parse_args()
    numbers = range(len(volumes)) if args.volume is None else [args.volume]

    def cases(seed):
        return [(volumes[v][0], lambda v=v: play(seed, v, args.operations, args.trace)) for v in numbers]
    if args.torture:
        args.operations = 20000
        torture(name, cases)
    main(cases(1 if args.seed is None else args.seed))


def complaints_of(said, seed, number, operations, mount):
    """What a history that failed says: the command that repeats it, and what the daemon said last."""
    again = f'{sys.executable} {os.path.abspath(sys.argv[0])} {tap.ROOT} {tap.BUILD} --seed {seed} --volume {number} ' \
            f'--operations {operations}'
    return [said, f'to repeat: {again}', *mount.said().split('\n')[-20:]]


def name_of(case):
    return case[0] if isinstance(case, tuple) else case.__name__


def guarded(case):
    """A case that says what went wrong, and leaves nothing mounted or running."""
    function = case[1] if isinstance(case, tuple) else case

    def run():
        try:
            return function()
        except subprocess.TimeoutExpired as late:
            return [str(late)]
        except subprocess.CalledProcessError as error:
            return [f'{error}\n{error.stdout or ""}{error.stderr or ""}']
        finally:
            clean()
    return run


# --- leftovers ---------------------------------------------------------------------------------------------------------

mounts = []
folders = []


def clean():
    for mount in reversed(mounts[:]):
        mount.end()
    while folders:
        shutil.rmtree(folders.pop(), ignore_errors=True)


atexit.register(clean)


def folder():
    """A new directory, gone after the case. Everybody may enter it."""
    path = tempfile.mkdtemp(prefix='holdfast-mount.')
    os.chmod(path, 0o755)
    folders.append(path)
    return path


def with_parent():
    """In a child: end with the parent, whatever ends that."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(*command, **options):
    """Run a command that must succeed; its output."""
    options.setdefault('timeout', PATIENCE * 10)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                          check=False, **options)
    said = '\n'.join(done.stdout.split('\n')[-LINES_SHOWN:])
    assert done.returncode == 0, f'{" ".join(map(str, command))}: exit status {done.returncode}\n{said}'
    return done.stdout


def hf(*arguments, status=0, **options):
    """Run holdfast; it must end with this status. Both streams."""
    done, output = tap.run([HOLDFAST, *map(str, arguments)], timeout=PATIENCE * 5, **options)
    assert done == status, f'holdfast {" ".join(map(str, arguments))}: exit status {done}, not {status}\n{output}'
    return output


def wait_until(what, happens):
    """Wait for something that another process does."""
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end, f'waited {PATIENCE} s in vain: {what}'
        time.sleep(0.01)


def is_mounted(path):
    with open('/proc/self/mountinfo', encoding='utf-8') as lines:
        return any(line.split()[4] == path for line in lines)


# --- volumes and mounts ------------------------------------------------------------------------------------------------

class Volume:
    """An image file in a folder of its own."""

    def __init__(self, *options, size='256M', path=None):
        self.folder = folder()
        self.path = path or os.path.join(self.folder, 'vol.hf')
        self.directory = os.path.join(self.folder, 'mnt')
        os.mkdir(self.directory)
        if not path:
            hf('format', self.path, '--size', size, '--case-sensitive', *options)

    def mount(self, *options, **more):
        return Mount(self, *options, **more)

    def check(self):
        """The unmounted volume is clean."""
        hf('check', self.path)

    def damage(self, path, at):
        """Flip the byte of the image under this byte of a file, of the unmounted volume."""
        hf('corrupt', f'{self.path}:{path}', '--offset', at)


class Mount:
    """A running daemon. options: what follows -o, each. user: who runs it."""

    def __init__(self, volume, *options, prefix=(), arguments=(), environment=None):
        self.volume = volume
        self.path = volume.directory
        self.log = os.path.join(volume.folder, 'log')
        options = list(options)
        if ROOT and not prefix and 'allow_other' not in options:
            options.append('allow_other')
        command = [*prefix, HOLDFAST, 'mount', '--foreground', *arguments]
        for option in options:
            command += ['-o', option]
        with open(self.log, 'a', encoding='utf-8') as log:
            self.process = subprocess.Popen([*command, volume.path, self.path], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, preexec_fn=with_parent,
                                            env={**os.environ, **(environment or {})})
        mounts.append(self)
        wait_until('the mount', lambda: is_mounted(self.path) or self.process.poll() is not None)
        assert self.process.poll() is None, f'holdfast mount: exit status {self.process.poll()}\n{self.said()}'
        if not prefix:
            os.stat(self.path)  # it answers

    def said(self):
        with open(self.log, encoding='utf-8', errors='replace') as log:
            return log.read()

    def join(self, *parts):
        return os.path.join(self.path, *parts)

    def alive(self):
        return self.process.poll() is None

    def unmount(self):
        """Cleanly; the daemon must end well."""
        wait_until('the unmount', self.try_unmount)
        status = self.process.wait(PATIENCE)
        mounts.remove(self)
        assert status == 0, f'the daemon ended with {status}\n{self.said()}'

    def try_unmount(self):
        """Also while somebody is still leaving."""
        return subprocess.run([UNMOUNTER, '-u', self.path], stderr=subprocess.DEVNULL, check=False).returncode == 0

    def kill(self):
        """As a crash: the daemon is gone in this moment."""
        self.process.kill()
        self.process.wait()
        self.end()

    def end(self):
        """Whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for _ in range(10):
            if not is_mounted(self.path):
                break
            subprocess.run([UNMOUNTER, '-u', '-z', self.path], stderr=subprocess.DEVNULL, check=False)
        if self in mounts:
            mounts.remove(self)


@contextlib.contextmanager
def mounted(*options, volume=None, check=True, prefix=(), **more):
    """A mount of a new volume, or of this one; unmounted and checked at the end."""
    volume = volume or Volume(**more)
    mount = volume.mount(*options, prefix=prefix)
    yield mount
    if mount in mounts:
        mount.unmount()
    if check:
        volume.check()


def drop_caches(mount):
    """Nothing of the mount stays in the kernel's memory, so that what is read next comes from the daemon."""
    os.sync()
    if ROOT:
        with open('/proc/sys/vm/drop_caches', 'w', encoding='ascii') as f:
            f.write('3\n')
    else:
        for top, _, names in os.walk(mount.path):
            for name in names:
                fd = os.open(os.path.join(top, name), os.O_RDONLY)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)

