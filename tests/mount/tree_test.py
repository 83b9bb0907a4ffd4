#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A random tree of names through a mount against a model, with remounts and killed daemons. Data is written directly, so
that the kernel holds nothing back: after a kill the whole tree must be as it was after one operation, and not before
the last fsync.

    tree_test.py ROOT BUILD                             a few seeds, as TAP
    tree_test.py ROOT BUILD --seed S [--volume N] [--operations N] [--trace]
    tree_test.py ROOT BUILD --torture                   new seeds without end
"""
import ctypes
import errno
import hashlib
import mmap
import os
import random
import stat
import sys
import threading

import lab

VOLUMES = [
    ('4 KiB clusters', ['--cluster', '4K'], []),
    ('64 KiB clusters, one copy', ['--cluster', '64K', '--copies', '1'], ['cache=1M', 'commit=1']),
]
NAMES = ['a', 'b', 'C', 'c', 'name with blanks', 'new\nline', 'ä', 'Ä', '\U0001f512', 'n' * 255, 'back\\slash', 'con', 'd.',
         'd ', 'e:f']
BAD_NAME = b'\xff\xfe'  # not UTF-8: refused with EILSEQ
NOREPLACE, EXCHANGE, AT_FDCWD = 1, 2, -100
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)
BLOCK = 4096
libc = ctypes.CDLL(None, use_errno=True)


def fail(code):
    raise OSError(code, os.strerror(code))


def rename(old, new, flags):
    if libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        fail(ctypes.get_errno())


def digest(data):
    return hashlib.sha256(os.fsencode(data)).hexdigest()[:16]


# --- the model ---------------------------------------------------------------------------------------------------------

class Node:
    """What a name stands for. mtime: None, unless it is as somebody set it."""

    def __init__(self, kind, mode, group=0):
        self.kind, self.mode, self.owner, self.group, self.mtime, self.links = kind, mode, 0, group, None, 1
        self.xattrs, self.content, self.entries = {}, b'', {}

    def state(self):
        """What two of them are compared by, and what a complaint shows of them."""
        return (self.kind, oct(self.mode), self.owner, self.group, len(self.content), digest(self.content),
                *(f'{name}={len(value)}:{digest(value)}' for name, value in sorted(self.xattrs.items())))


class Model:
    """The tree as it should be; each operation raises what the kernel must say."""

    def __init__(self):
        self.root = Node('d', 0o755)

    def find(self, path):
        node = self.root
        for part in path:
            node = node.entries[part]
        return node

    def make(self, path, kind, mode, content=b''):
        folder = self.find(path[:-1])
        if path[-1] in folder.entries:
            fail(errno.EEXIST)
        inherited = folder.mode & stat.S_ISGID
        node = Node(kind, mode & 0o1777 | (inherited if kind == 'd' else 0), folder.group if inherited else 0)
        node.content = content
        folder.entries[path[-1]], folder.mtime = node, None

    def link(self, path, other):
        folder = self.find(other[:-1])
        if other[-1] in folder.entries:
            fail(errno.EEXIST)
        if self.find(path).kind == 'd':
            fail(errno.EPERM)
        folder.entries[other[-1]], folder.mtime = self.find(path), None

    def unlink(self, path):
        folder = self.find(path[:-1])
        if self.find(path).kind == 'd':
            fail(errno.EISDIR)
        del folder.entries[path[-1]]
        folder.mtime = None

    def rmdir(self, path):
        folder, node = self.find(path[:-1]), self.find(path)
        if node.kind != 'd':
            fail(errno.ENOTDIR)
        if node.entries:
            fail(errno.ENOTEMPTY)
        del folder.entries[path[-1]]
        folder.mtime = None

    def rename(self, old, new, flags):
        source_folder, folder = self.find(old[:-1]), self.find(new[:-1])
        source, target = self.find(old), folder.entries.get(new[-1])
        if flags == NOREPLACE and target:
            fail(errno.EEXIST)
        if flags == EXCHANGE and not target:
            fail(errno.ENOENT)
        if new[:len(old)] == old and len(new) > len(old):
            fail(errno.EINVAL)
        if old[:len(new)] == new and len(old) > len(new):
            fail(errno.EINVAL if flags == EXCHANGE else errno.ENOTEMPTY)
        if source is target:
            return
        if flags == EXCHANGE:
            source_folder.entries[old[-1]] = target
        else:
            self.replace(source, target)
            del source_folder.entries[old[-1]]
        folder.entries[new[-1]] = source
        source_folder.mtime = folder.mtime = None

    @staticmethod
    def replace(source, target):
        if target and source.kind == 'd' and target.kind != 'd':
            fail(errno.ENOTDIR)
        if target and source.kind != 'd' and target.kind == 'd':
            fail(errno.EISDIR)
        if target and target.entries:
            fail(errno.ENOTEMPTY)

    def paths(self, kinds='dfl'):
        found, todo = [()] if 'd' in kinds else [], [((), self.root)]
        while todo:
            path, folder = todo.pop()
            for name, node in sorted(folder.entries.items()):
                if node.kind in kinds:
                    found.append(path + (name,))
                if node.kind == 'd':
                    todo.append((path + (name,), node))
        return found

    def freeze(self):
        """{path: (state, the first path of the same file, mtime)}"""
        frozen, first = {}, {}
        for path in sorted(self.paths()):
            node = self.find(path)
            frozen[path] = (node.state(), first.setdefault(id(node), path), node.mtime)
        return frozen


def observe(top):
    """The tree as it is: {path: (node, its inode number, mtime)}"""
    todo, found = [()], {}
    while todo:
        path = todo.pop()
        real = os.path.join(top, *path)
        s = os.lstat(real)
        node = Node({stat.S_IFDIR: 'd', stat.S_IFLNK: 'l'}.get(stat.S_IFMT(s.st_mode), 'f'), stat.S_IMODE(s.st_mode), s.st_gid)
        node.owner = s.st_uid
        node.xattrs = {name: os.getxattr(real, name, follow_symlinks=False)
                       for name in os.listxattr(real, follow_symlinks=False) if name.startswith('user.')}
        if node.kind == 'd':
            todo += [path + (name,) for name in os.listdir(real)]
        elif node.kind == 'l':
            node.content = os.readlink(real)
        else:
            with open(real, 'rb') as f:
                node.content = f.read()
            assert len(node.content) == s.st_size, f'{path}: {len(node.content)} bytes, but st_size is {s.st_size}'
        node.links = s.st_nlink
        found[path] = (node, s.st_ino, s.st_mtime_ns)
    for path, (node, number, _) in found.items():
        links = sum(other == number for _, other, _ in found.values())
        assert node.kind == 'd' or node.links == links, f'{path}: {links} names, but st_nlink is {node.links}'
    return found


def freeze_real(found):
    """As Model.freeze() tells it."""
    first = {}
    return {path: (found[path][0].state(), first.setdefault(found[path][1], path), found[path][2]) for path in sorted(found)}


def difference(real, should):
    """What differs, in one line, or None."""
    for path in sorted(set(real) | set(should)):
        if path not in real or path not in should:
            return f'{path} is {"there" if path in real else "not there"}'
        (state, same, mtime), (state_, same_, mtime_) = real[path], should[path]
        if state != state_ or same != same_ or mtime_ not in (None, mtime):
            return f'{path} is {real[path]}, should be {should[path]}'
    return None


# --- operations --------------------------------------------------------------------------------------------------------

class Player:
    """Plays one history."""

    def __init__(self, seed, number, trace):
        self.dice, self.trace = random.Random(seed), trace
        _, format_options, self.options = VOLUMES[number]
        self.volume = lab.Volume(*format_options, size='64M')
        self.mount = self.volume.mount(*self.options)
        self.model = Model()
        self.step, self.busy = 0, False
        os.chown(self.mount.path, 0, 0)
        os.chmod(self.mount.path, 0o755)
        self.window = []  # the trees since the last fsync
        self.sync()
        self.buffer = mmap.mmap(-1, 4 * BLOCK)

    def real(self, path):
        return os.path.join(self.mount.path, *path)

    def is_gone(self, code):
        """Whether an error says that the daemon was killed, as it should be."""
        return self.busy and code in GONE and self.mount.process.wait(lab.PATIENCE) != 0

    def sync(self):
        fd = os.open(self.mount.path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        self.window = [self.model.freeze()]

    def some(self, kinds='dfl'):
        paths = [p for p in self.model.paths(kinds) if p]
        return self.dice.choice(paths) if paths else None

    def name(self):
        """A path that may be new or taken."""
        folders = [p for p in self.model.paths('d') if len(p) < 6]
        return self.dice.choice(folders) + (self.dice.choice(NAMES),)

    def write(self, path, at, data):
        node = self.model.find(path)
        content = bytearray(node.content.ljust(at + len(data), b'\0'))
        content[at:at + len(data)] = data
        node.content, node.mtime = bytes(content), None
        yield
        fd = os.open(self.real(path), os.O_WRONLY | os.O_DIRECT)
        try:
            self.buffer[:len(data)] = data
            with memoryview(self.buffer) as view, view[:len(data)] as part:
                assert os.pwrite(fd, part, at) == len(data)
        finally:
            os.close(fd)

    def pick(self):
        """(what it is, generator: the model first, then the mount)."""
        dice, name, path, file = self.dice, self.name(), self.some(), self.some('f')
        mode = dice.choice([0o644, 0o600, 0o777, 0o1755, 0o2775])
        what = dice.randrange(100)

        def both(model, real):
            error = None
            try:
                model()
            except OSError as expected:
                error = expected.errno
            yield
            try:
                real()
                got = None
            except OSError as failure:
                got = failure.errno
                if self.is_gone(got):
                    raise
            assert got == error, f'{got and errno.errorcode[got]}, should be {error and errno.errorcode[error]}'
        if what < 14 or not path:
            return f'mkdir {name}', both(lambda: self.model.make(name, 'd', mode), lambda: os.mkdir(self.real(name), mode))
        if what < 28:
            mode &= 0o1777
            return f'create {name}', both(lambda: self.model.make(name, 'f', mode), lambda: os.close(
                os.open(self.real(name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)))
        if what < 32:
            target = dice.choice(['a', '../b', 'x' * dice.randrange(1, 4000)])
            return f'symlink {name}', both(lambda: self.model.make(name, 'l', 0o777, target),
                                           lambda: os.symlink(target, self.real(name)))
        if what < 40:
            return f'link {path} {name}', both(lambda: self.model.link(path, name), lambda: os.link(
                self.real(path), self.real(name), follow_symlinks=False))
        if what < 50:
            return f'unlink {path}', both(lambda: self.model.unlink(path), lambda: os.unlink(self.real(path)))
        if what < 54:
            folder = self.some('d') or path
            return f'rmdir {folder}', both(lambda: self.model.rmdir(folder), lambda: os.rmdir(self.real(folder)))
        if what < 68:
            flags = dice.choice([0, 0, NOREPLACE, EXCHANGE])
            return f'rename {path} {name} {flags}', both(lambda: self.model.rename(path, name, flags),
                                                         lambda: rename(self.real(path), self.real(name), flags))
        if what < 72:
            bad = os.path.join(os.fsencode(self.mount.path), BAD_NAME)
            return 'a bad name', both(lambda: fail(errno.EILSEQ), lambda: os.mkdir(bad))
        return self.pick_change(what, file, path)

    def pick_change(self, what, file, path):
        dice = self.dice
        node = self.model.find(path)

        def both(real, **values):
            for key, value in values.items():
                setattr(node, key, value)
            yield
            real()
        if what < 84 and file:
            at, length = dice.randrange(8) * BLOCK, dice.randrange(1, 5) * BLOCK
            return f'write {length} at {at} of {file}', self.write(file, at, dice.randbytes(length))
        if what < 88 and file:
            path, node = file, self.model.find(file)
            size = dice.randrange(40000)
            return f'truncate {file} to {size}', both(lambda: os.truncate(self.real(file), size), mtime=None,
                                                      content=node.content[:size].ljust(size, b'\0'))
        if what < 92 and node.kind != 'l':
            key, value = f'user.{dice.randrange(5)}', dice.randbytes(dice.randrange(3000))
            return f'setxattr {path} {key}', both(lambda: os.setxattr(self.real(path), key, value),
                                                  xattrs={**node.xattrs, key: value})
        if what < 94 and node.xattrs:
            key = dice.choice(sorted(node.xattrs))
            return f'removexattr {path} {key}', both(lambda: os.removexattr(self.real(path), key),
                                                     xattrs={k: v for k, v in node.xattrs.items() if k != key})
        if what < 96 and node.kind != 'l':
            mode = dice.choice([0o644, 0o400, 0o755, 0o1777])
            return f'chmod {path}', both(lambda: os.chmod(self.real(path), mode), mode=mode)
        if what < 98 and lab.ROOT:
            owner, group = dice.choice([0, 1, 65534, 4000000000]), dice.randrange(3)
            mode = node.mode if node.kind == 'd' else node.mode & ~(stat.S_ISUID | stat.S_ISGID)
            return f'chown {path}', both(lambda: os.chown(self.real(path), owner, group, follow_symlinks=False),
                                         owner=owner, group=group, mode=mode)
        mtime = dice.randrange(1 << 33) * 1000000000 + dice.randrange(1000000000)
        return f'utimens {path}', both(lambda: os.utime(self.real(path), ns=(mtime, mtime), follow_symlinks=False), mtime=mtime)

    def one(self):
        """An operation; False: the daemon went down in it."""
        what, steps = self.pick()
        if self.trace:
            print(f'{self.step}: {what}', file=sys.stderr)
        next(steps)
        self.window.append(self.model.freeze())
        try:
            next(steps, None)
        except AssertionError as error:
            raise AssertionError(f'operation {self.step}: {what}: {error}') from error
        except OSError as error:
            assert self.is_gone(error.errno), f'operation {self.step}: {what}: {error}'
            return False
        return True

    def compare(self, when):
        wrong = difference(freeze_real(observe(self.mount.path)), self.window[-1])
        assert not wrong, f'operation {self.step}: {when}: {wrong}'

    def remount(self):
        self.mount.unmount()
        self.volume.check()
        self.mount = self.volume.mount(*self.options)
        self.compare('after a remount')
        self.window = self.window[-1:]

    def remount_after_kill(self):
        """The tree must be one of the window; the history ends there, and a new one begins from what is there."""
        self.volume.check()
        self.mount = self.volume.mount(*self.options)
        found = observe(self.mount.path)
        wrong = [difference(freeze_real(found), tree) for tree in self.window]
        assert None in wrong, f'operation {self.step}: after a kill the tree is as after none of the last ' \
                              f'{len(wrong)} operations:\n' + '\n'.join(map(str, wrong[-4:]))
        self.adopt(found)
        self.sync()

    def adopt(self, found):
        """The model becomes what is there."""
        nodes = {}
        self.model.root = found[()][0]
        for path in sorted(found):
            node, number, node.mtime = found[path]
            if path:
                self.model.find(path[:-1]).entries[path[-1]] = nodes.setdefault(number, node)

    def kill_while_busy(self):
        """The daemon goes while operations are under way."""
        timer = threading.Timer(self.dice.random() / 50, self.mount.process.kill)
        self.busy = True
        timer.start()
        while self.one():
            self.step += 1
            if self.dice.randrange(20) == 0:
                try:
                    self.sync()
                except OSError as error:
                    assert self.is_gone(error.errno), error
                    break
        timer.join()
        self.busy = False

    def play(self, operations):
        while self.step < operations:
            self.step += 1
            what = self.dice.randrange(300)
            if what == 0:
                self.remount()
            elif what < 3:
                if what == 1:
                    self.kill_while_busy()
                self.mount.kill()
                self.remount_after_kill()
            elif what < 12:
                self.sync()
            elif what < 14:
                self.compare('as it is')
            else:
                self.one()
        self.remount()
        self.mount.unmount()


def play(seed, number, operations, trace=False):
    os.umask(0)
    player = Player(seed, number, trace)
    try:
        player.play(operations)
    except (AssertionError, OSError) as error:
        return lab.complaints_of(str(error), seed, number, operations, player.mount)
    return []


lab.main_histories('tree', VOLUMES, 500, play)
