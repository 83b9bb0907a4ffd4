# SPDX-License-Identifier: Apache-2.0
"""The door of a mount: the native API, the program and any control code on paths in a mount. call_client.c holds the cases
that need the library; here are those of the program, and what takes another user or a damaged volume."""
import errno
import fcntl
import json
import mmap
import os
import shutil
import stat
import struct
import tempfile

import lab
import tap

CLIENT = os.path.join(lab.PROGRAMS, 'call_client')
OTHER = 1234  # some user and group
NOBODY = 0xFFFFFFFF  # in an ACL's entry without a user


def client(mount, cases, *prefix):
    lab.run(*prefix, CLIENT, mount.path, cases, env={**os.environ, 'CMOCKA_MESSAGE_OUTPUT': 'STDOUT'})


def native_calls_beside_linux():
    volume = lab.Volume('--integrity', 'on')
    mount = volume.mount()
    client(mount, 'root')
    mount.unmount()  # nobody holds it any more
    volume.check()


def rights_of_others():
    if not lab.ROOT:
        return  # needs more than one user
    volume = lab.Volume()
    mount = volume.mount()
    for name, mode in ('readable', 0o644), ('secret', 0o600), ('writable', 0o666):
        with open(mount.join(name), 'wb') as file:
            file.write(b'x')
        os.chmod(mount.join(name), mode)
    for name, mode in ('closed', 0o700), ('shared', 0o777), ('sticky', 0o1777):
        os.mkdir(mount.join(name))
        with open(mount.join(name, 'file'), 'wb') as file:
            file.write(b'x')
        os.chmod(mount.join(name, 'file'), 0o666)
        os.chmod(mount.join(name), mode)
    client(mount, 'other', 'setpriv', f'--reuid={OTHER}', f'--regid={OTHER}', '--clear-groups')
    mount.unmount()
    volume.check()


def rot():
    volume = lab.Volume('--integrity', 'on')
    mount = volume.mount()
    with open(mount.join('rotten'), 'wb') as file:
        file.write(os.urandom(65536))
    mount.unmount()
    volume.damage('/rotten', 20000)
    mount = volume.mount()
    assert lab.hf('events', mount.path) == ''
    client(mount, 'rotten')
    for word in mount.path, volume.path:
        events = json.loads(lab.hf('events', '--json', word))
        assert len(events) == 1, events
        event = events[0]
        found = [event[key] for key in ('sequence', 'id', 'path', 'offset', 'length')]
        shown = mount.join('rotten') if word == mount.path else f'{word}:/rotten'
        assert found == [1, 133, shown, 16384, 16384], event
        assert event['count'] >= 1 and event['first'] <= event['last'], event
    said = lab.hf('events', mount.path)
    assert '133  ' + mount.join('rotten') + '  16384+16384  data damaged' in said, said
    mount.unmount()


def a_program_of_windows():
    volume = lab.Volume('--integrity', 'on')
    mount = volume.mount()
    os.mkdir(mount.join('dir'))
    lab.run(os.path.join(lab.PROGRAMS, 'call_win32'), mount.join('dir'))
    mount.unmount()
    volume.check()


def the_program_on_paths():
    volume = lab.Volume('--integrity', 'on')
    mount = volume.mount()
    os.mkdir(mount.join('dir'))
    with open(mount.join('dir/file'), 'wb') as file:
        file.write(b'hello')
    os.symlink('file', mount.join('dir/link'))
    said = lab.hf('integrity', 'get', mount.join('dir/file'))
    assert said == f'CRC32 enforced     {mount.join("dir/file")}\n', said
    lab.hf('integrity', 'set', 'keep', '--enforce', 'off', mount.join('dir/file'))
    state = json.loads(lab.hf('integrity', 'get', '--json', mount.join('dir/file')))
    assert state[0]['enforced'] is False and state[0]['flags'] == 1, state
    said = lab.hf('ioctl', mount.join('dir/file'), 'FSCTL_GET_INTEGRITY_INFORMATION')
    assert said == '01000000010000000040000000100000\n', said
    said = lab.hf('reparse', 'get', mount.join('dir/link'))
    assert 'file' in said, said
    assert lab.hf('cat', mount.join('dir/link')) == 'hello'
    assert lab.hf('ls', mount.join('dir')).split() == ['file', 'link']
    lab.hf('mv', mount.join('dir/file'), mount.join('dir/moved'))
    assert sorted(os.listdir(mount.join('dir'))) == ['link', 'moved']
    lab.hf('rm', mount.join('dir/moved'))
    assert os.listdir(mount.join('dir')) == ['link']
    assert 'STATUS_OBJECT_NAME_NOT_FOUND' in lab.hf('integrity', 'get', mount.join('none'), status=1)
    assert 'or a path in a mount' in lab.hf('integrity', 'get', volume.folder, status=2)
    mount.unmount()
    volume.check()


def an_image_that_is_mounted():
    volume = lab.Volume()
    mount = volume.mount()
    with open(mount.join('file'), 'wb') as file:
        file.write(b'through')
    assert lab.hf('cat', f'{volume.path}:/file') == 'through'
    other = os.path.join(volume.folder, 'put')
    with open(other, 'wb') as file:
        file.write(b'put there')
    lab.hf('put', other, f'{volume.path}:/')
    with open(mount.join('put'), 'rb') as file:
        assert file.read() == b'put there'
    lab.hf('rm', f'{volume.path}:/file')
    assert os.listdir(mount.path) == ['put']
    mount.unmount()
    volume.check()


def an_image_that_somebody_else_has():
    volume = lab.Volume()
    copy = os.path.join(volume.folder, 'copy.hf')
    shutil.copy(volume.path, copy)
    with open(copy, 'rb') as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = lab.hf('ls', f'{copy}:/', status=1)
    assert 'STATUS_SHARING_VIOLATION' in said and f'process {os.getpid()} (' in said, said


# --- from Python, with nothing but fcntl.ioctl ------------------------------------------------------------------------

CALL = struct.Struct('=IHHIIQQIIQQIIII')  # struct hf_linux_call
MAGIC, VERSION, CONTROL = 0x6C614368, 1, 4
GET_INTEGRITY, SET_ZERO_DATA, QUERY_RANGES = 0x9027C, 0x980C8, 0x940CF
CIFS_IOC_SET_INTEGRITY = 0xCF04  # _IO(0xCF, 4)


def control(fd, code, data=b'', room=4096):
    """A control code in one message; its status and output."""
    size = max(CALL.size + len(data), CALL.size + room)
    head = CALL.pack(MAGIC, VERSION, CONTROL, 0, len(data), 0, 0, len(data), room, 0, 0, code, 0, 0xFFFFFFFF, 0)
    message = bytearray((head + data).ljust(size, b'\0'))
    fcntl.ioctl(fd, 3 << 30 | size << 16 | 0xF5 << 8 | 1, message)
    answer = CALL.unpack_from(message)
    return answer[3], bytes(message[CALL.size:CALL.size + answer[4]])


def control_codes_from_python():
    volume = lab.Volume('--integrity', 'on')
    mount = volume.mount()
    with open(mount.join('file'), 'wb', buffering=0) as file:
        file.write(b'x' * 100000)
        assert control(file, GET_INTEGRITY) == (0, struct.pack('<HHIII', 1, 0, 0, 16384, 4096))
        assert control(file, 0x91234)[0] == 0xC0000010
        fcntl.ioctl(file, CIFS_IOC_SET_INTEGRITY)
    with open(mount.join('file'), 'rb') as file:
        try:
            fcntl.ioctl(file, CIFS_IOC_SET_INTEGRITY)
            raise AssertionError('set through a descriptor for reading')
        except PermissionError as error:
            assert error.errno == errno.EACCES
    mount.unmount()
    volume.check()


def the_example_in_the_documents():
    """The program in docs/CODES.md compiles as C and C++, and runs."""
    text = lab.tap.read('docs/CODES.md')
    source = text[text.index('```c\n') + 5:]
    source = source[:source.index('```')]
    volume = lab.Volume('--integrity', 'on')
    mount = volume.mount()
    open(mount.join('file'), 'wb').close()
    for compiler, language in ('cc', 'c'), ('c++', 'c++'):
        program = os.path.join(volume.folder, language)
        status, output = lab.tap.run([compiler, '-x', language, '-', '-Wall', '-Wextra', '-Werror', '-o', program,
                                      '-I', os.path.join(lab.tap.ROOT, 'include')], input=source)
        assert status == 0, output
        assert lab.run(program, mount.join('file')) == 'algorithm 1, unit 16384 bytes\n'
        status, output = lab.tap.run([program, '/dev/null'])
        assert status == 1 and output == 'errno 25, status 00000000\n', output
    mount.unmount()
    volume.check()


def ask_on(fd, op, data=b'', handle=0, code=0, room=4096):
    """One message of any kind; its status and output."""
    size = CALL.size + max(len(data), room)
    head = CALL.pack(MAGIC, VERSION, op, 0, len(data), handle, 0, len(data), room, 0, 0, code, 0, 0xFFFFFFFF, 0)
    message = bytearray((head + data).ljust(size, b'\0'))
    fcntl.ioctl(fd, 3 << 30 | size << 16 | 0xF5 << 8 | 1, message)
    answer = CALL.unpack_from(message)
    return answer[3], bytes(message[CALL.size:CALL.size + answer[4]])


def codes_to_the_volume():
    """docs/CODES.md, through a mount: which are refused, and to whom."""
    volume = lab.Volume()
    mount = volume.mount()
    fd = os.open(mount.path, os.O_RDONLY)
    opening = struct.pack('=QIIIIIIII', 0, 1, 0x12019F, 7, 1, 0, 0, 0, 0)
    status, opened = ask_on(fd, 6, opening)
    assert status == 0, hex(status)
    handle = struct.unpack_from('=Q', opened)[0]
    is_mounted, lock, dismount, number = 0x90028, 0x90018, 0x90020, 0x2D1080
    assert ask_on(fd, CONTROL, handle=handle, code=is_mounted)[0] == 0
    assert ask_on(fd, CONTROL, handle=handle, code=lock)[0] == 0xC0000022
    assert ask_on(fd, CONTROL, handle=handle, code=dismount)[0] == 0xC0000022
    status, device = ask_on(fd, CONTROL, handle=handle, code=number)
    assert (status, len(device)) == (0, 12)
    # Not on a file or directory, whosever it is.
    for code in lock, dismount, number:
        assert ask_on(fd, CONTROL, code=code)[0] in (0xC000000D, 0xC0000022), hex(code)
    os.close(fd)
    mount.unmount()
    volume.check()


def data_that_the_kernel_holds():
    """What was written before a code is on the volume when the code works, whether it was flushed or not."""
    volume = lab.Volume('--integrity', 'on')
    mount = volume.mount()
    for way in 'write', 'map':
        name = mount.join(way)
        with open(name, 'w+b', buffering=0) as file:
            file.write(b'a' * 65536)
            if way == 'map':
                with mmap.mmap(file.fileno(), 65536) as mapped:
                    mapped[:] = b'b' * 65536
                    assert control(file, SET_ZERO_DATA, struct.pack('<qq', 16384, 32768))[0] == 0
                    assert mapped[16384:32768] == bytes(16384)
            else:
                status, ranges = control(file, QUERY_RANGES, struct.pack('<qq', 0, 1 << 20))
                assert (status, ranges) == (0, struct.pack('<qq', 0, 65536)), (status, ranges)
                assert control(file, SET_ZERO_DATA, struct.pack('<qq', 16384, 32768))[0] == 0
            file.seek(16384)
            assert file.read(16384) == bytes(16384)
    mount.unmount()
    for way in 'write', 'map':
        out = os.path.join(volume.folder, way)
        lab.hf('get', f'{volume.path}:/{way}', out)
        with open(out, 'rb') as file:
            data = file.read()
        assert data[16384:32768] == bytes(16384) and data[0] == data[65535] == (97 if way == 'write' else 98), way
    volume.check()


# --- more rights than the file system gives ---------------------------------------------------------------------------

def as_other(*command, status=0, umask=0o022):
    """The program as somebody else."""
    words = ['setpriv', f'--reuid={OTHER}', f'--regid={OTHER}', '--clear-groups', 'sh', '-c', f'umask {umask:o}; exec "$@"', 'sh']
    done, output = lab.tap.run([*words, lab.HOLDFAST, *command])
    assert done == status, f'{command}: exit status {done}\n{output}'
    return output


def what_somebody_makes_and_writes():
    if not lab.ROOT:
        return  # needs more than one user
    volume = lab.Volume()
    mount = volume.mount()
    source = os.path.join(volume.folder, 'source')
    with open(source, 'wb') as file:
        file.write(b'source')
    os.utime(source, (1, 978307200))
    os.mkdir(mount.join('open'))
    os.chmod(mount.join('open'), 0o777)
    as_other('put', source, mount.join('open/private'), umask=0o077)
    st = os.stat(mount.join('open/private'))
    assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o600, OTHER, OTHER), st
    assert st.st_mtime == 978307200, st  # the kernel does not put its own time back
    os.mkdir(mount.join('group'))
    os.chown(mount.join('group'), 0, 77)
    os.chmod(mount.join('group'), 0o2777)
    as_other('mkdir', mount.join('group/dir'))
    st = os.stat(mount.join('group/dir'))
    assert (st.st_gid, stat.S_IMODE(st.st_mode)) == (77, 0o2755), st
    entry = struct.Struct('<HHI').pack  # u::rw, u:7:r, g::-, m::r, o::-
    acl = struct.pack('<I', 2) + entry(1, 6, NOBODY) + entry(2, 4, 7) + entry(4, 0, NOBODY) + entry(16, 4, NOBODY) + entry(32, 0, NOBODY)
    os.setxattr(mount.join('group'), 'system.posix_acl_default', acl)
    as_other('put', source, mount.join('group/acl'), umask=0)
    st = os.stat(mount.join('group/acl'))
    assert stat.S_IMODE(st.st_mode) == 0o640, st
    assert entry(2, 4, 7) in os.getxattr(mount.join('group/acl'), 'system.posix_acl_access')
    # Who writes a program takes its privileges away.
    with open(mount.join('program'), 'wb') as file:
        file.write(b'x')
    os.chmod(mount.join('program'), 0o6777)
    os.setxattr(mount.join('program'), 'security.capability', struct.pack('<IIIII', 0x02000001, 1, 0, 0, 0))
    as_other('ioctl', '--write', mount.join('program'), 'FSCTL_SET_ZERO_DATA', '--in', '0000000000000000' '0100000000000000')
    assert stat.S_IMODE(os.stat(mount.join('program')).st_mode) == 0o777
    assert 'security.capability' not in os.listxattr(mount.join('program'))
    # A link or device is made neither by a control code nor by ntfs-3g's name for it.
    tag = struct.pack('<IHH', 0x80000025, 0, 0)  # LX_CHR
    with open(mount.join('open/device'), 'wb') as file:
        os.chown(file.fileno(), OTHER, OTHER)
    said = as_other('reparse', 'set', mount.join('open/device'), '--hex', tag.hex(), status=1)
    assert 'STATUS_ACCESS_DENIED' in said, said
    program = 'import os, sys\ntry: os.setxattr(sys.argv[1], "system.ntfs_reparse_data", bytes.fromhex(sys.argv[2]))\n' \
              'except PermissionError: sys.exit(0)\nsys.exit("it was set")'
    lab.run('setpriv', f'--reuid={OTHER}', f'--regid={OTHER}', '--clear-groups', '/usr/bin/env', 'python3', '-c', program,
            mount.join('open/device'), tag.hex())
    assert stat.S_ISREG(os.lstat(mount.join('open/device')).st_mode)
    mount.unmount()
    volume.check()


def a_part_of_the_volume():
    """mount --bind of a directory: native paths work there, and lead nowhere else, for root neither."""
    if not lab.ROOT:
        return  # needs mount --bind
    volume = lab.Volume()
    mount = volume.mount()
    os.makedirs(mount.join('part/dir'))
    part = os.path.join(volume.folder, 'part')
    os.mkdir(part)
    for name in 'secret', 'part/file':
        with open(mount.join(name), 'w', encoding='ascii') as file:
            file.write(name)
    os.symlink('../file', mount.join('part/dir/link'))
    os.symlink('../../secret', mount.join('part/dir/out'))
    lab.run('mount', '--bind', mount.join('part'), part)
    try:
        assert lab.hf('cat', os.path.join(part, 'file')) == 'part/file'
        assert lab.hf('cat', os.path.join(part, 'dir/link')) == 'part/file'
        assert lab.hf('ls', part).split() == ['dir', 'file']
        lab.hf('put', mount.join('part/file'), os.path.join(part, 'dir/new'))
        assert lab.hf('cat', os.path.join(part, 'dir/new')) == 'part/file'
        lab.hf('cat', os.path.join(part, 'dir/out'), status=1)
        number = os.stat(mount.join('secret')).st_ino
        fd = os.open(part, os.O_RDONLY)
        for path, flags in (b'secret', 0), (b'../secret', 0), (str(number).encode(), 0x2000), (b'', 1):
            ask = struct.pack('=QIIIIIIII', 0, 1 if flags == 1 else 0, 1, 7, 1, flags & 0x2000, 0, 0, 0) + path
            head = CALL.pack(MAGIC, VERSION, 6, 0, len(ask), 0, 0, len(ask), 1000, 0, 0, 0, 0, 0, 0)
            message = bytearray((head + ask).ljust(2000, b'\0'))
            fcntl.ioctl(fd, 3 << 30 | 2000 << 16 | 0xF5 << 8 | 1, message)
            assert CALL.unpack_from(message)[3] >= 0xC0000000, path
        os.close(fd)
    finally:
        lab.run('umount', part)
    mount.unmount()
    volume.check()


# --- ntfs-3g's names --------------------------------------------------------------------------------------------------

def answer_of(function, *words):
    try:
        return function(*words)
    except OSError as error:
        return errno.errorcode[error.errno]


def play_ntfs(top):
    """What the calls on system.ntfs_* answer, for a file and a directory."""
    said = []

    def say(function, *words):
        said.append(answer_of(function, *words))

    def tagged(tag, data):
        return struct.pack('<IHH', tag, len(data), 0) + data
    get, put, remove = os.getxattr, os.setxattr, os.removexattr
    reparse = 'system.ntfs_reparse_data'
    for kind in 'file', 'dir':
        path = os.path.join(top, kind)
        if kind == 'file':
            open(path, 'wb').close()
        else:
            os.mkdir(path)
        say(get, path, reparse)
        say(remove, path, reparse)
        say(put, path, reparse, tagged(0x8000002B, b'abcd'), os.XATTR_REPLACE)
        good = tagged(0x8000002B, b'abcd')
        for bad in b'', b'x', good[:7], good + b'x', bytes(8), tagged(0x1234, b'abcd'):
            say(put, path, reparse, bad)
            say(get, path, reparse)
        say(put, path, reparse, tagged(0x8000002B, b'abcd'), os.XATTR_CREATE)
        say(get, path, reparse)
        say(put, path, reparse, tagged(0x8000002B, b'xy'), os.XATTR_CREATE)
        say(put, path, reparse, tagged(0x8000002B, b'xy'))
        say(get, path, reparse)
        say(put, path, reparse, tagged(0x8000002C, b'other'), os.XATTR_REPLACE)
        say(get, path, reparse)
        say(put, path, reparse, struct.pack('<IHH', 0x1234, 4, 0) + bytes(range(1, 17)) + b'guid')
        say(get, path, reparse)
        say(put, path, reparse, struct.pack('<IHH', 0x1234, 4, 0) + bytes(range(2, 18)) + b'more')
        say(get, path, reparse)
        say(os.listxattr, path)
        say(remove, path, reparse)
        say(remove, path, reparse)
        for name, order in ('system.ntfs_attrib', '<'), ('system.ntfs_attrib_be', '>'):
            for value in b'', b'\1\2\3', struct.pack(order + 'I', 0x22), struct.pack(order + 'I', 0x21) + b'more':
                say(put, path, name, value)
                answer = get(path, name)
                said.append((len(answer), struct.unpack(order + 'I', answer)[0] & 0x4F))  # directories begin with ARCHIVE there
            say(put, path, name, bytes(4), os.XATTR_CREATE)
            say(put, path, name, bytes(4), os.XATTR_REPLACE)
            say(remove, path, name)
        for name, order in ('system.ntfs_crtime', '<'), ('system.ntfs_crtime_be', '>'):
            for value in b'', bytes(7), struct.pack(order + 'Q', 0x01D9000000000007):
                say(put, path, name, value)
            say(get, path, name)
            say(put, path, name, bytes(8), os.XATTR_CREATE)
            say(put, path, name, struct.pack(order + 'Q', 0x01D9000000000008), os.XATTR_REPLACE)
            say(get, path, name)
            say(remove, path, name)
    return said


TAGGED = b'+\0\0\x80'  # the tag 8000002B


def answers_of_ntfs_3g():
    """What version 2022.10.3 says."""
    expected = []
    for _ in 'file', 'dir':
        expected += ['ENODATA'] * 3 + ['EINVAL', 'ENODATA'] * 6
        expected += [None, TAGGED + b'\4\0\0\0abcd', 'EEXIST', None, TAGGED + b'\2\0\0\0xy', None, b',\0\0\x80\5\0\0\0other']
        for first, data in (1, b'guid'), (2, b'more'):
            expected += [None, b'\x34\x12\0\0\4\0\0\0' + bytes(range(first, first + 16)) + data]
        expected += [[], None, 'ENODATA']
        for _ in '<', '>':
            expected += ['EINVAL', (4, 0)] * 2 + [None, (4, 2), None, (4, 1), 'EEXIST', None, 'EPERM']
        for order in '<', '>':
            expected += ['ERANGE', 'ERANGE', None, struct.pack(order + 'Q', 0x01D9000000000007), 'EEXIST', None,
                         struct.pack(order + 'Q', 0x01D9000000000008), 'EPERM']
    return expected


def differences(said, expected):
    return [f'answer {n}: {a}, not {b}' for n, (a, b) in enumerate(zip(said, expected, strict=True)) if a != b]


def names_of_ntfs_3g():
    with lab.mounted(volume=lab.Volume('--integrity', 'off')) as mount:
        return differences(play_ntfs(mount.path), answers_of_ntfs_3g())


def names_as_ntfs_3g_has_them():
    if not lab.ROOT or not shutil.which('ntfs-3g') or not shutil.which('mkntfs'):
        raise tap.Skip('needs root and ntfs-3g')
    with tempfile.TemporaryDirectory(dir=lab.folder()) as folder:
        image, top = os.path.join(folder, 'image'), os.path.join(folder, 'mnt')
        os.mkdir(top)
        with open(image, 'wb') as file:
            file.truncate(64 << 20)
        lab.run('mkntfs', '-q', '-F', '-f', image)
        lab.run('ntfs-3g', '-o', 'permissions', image, top)
        try:
            return differences(play_ntfs(top), answers_of_ntfs_3g())
        finally:
            lab.wait_until('the unmount of ntfs-3g', lambda: os.system(f'umount {top}') == 0)


# Cases of spec/reparse.md 7 N by their numbers.

def rp_220_221_reparse_data_as_an_attribute():
    data = struct.pack('<IHH', 0x8000002B, 4, 0) + b'data'
    with lab.mounted() as mount:
        path = mount.join('file')
        open(path, 'wb').close()
        assert answer_of(os.setxattr, path, 'system.ntfs_reparse_data', data[:-1]) == 'EINVAL'
        for name in 'system.ntfs_reparse_data', 'user.SmbReparse':
            assert answer_of(os.removexattr, path, name) == 'ENODATA'
            assert answer_of(os.setxattr, path, name, data, os.XATTR_REPLACE) == 'ENODATA'
            os.setxattr(path, name, data)
            assert answer_of(os.setxattr, path, name, data, os.XATTR_CREATE) == 'EEXIST'
            # One thing under two names, which is not listed.
            assert os.getxattr(path, 'system.ntfs_reparse_data') == os.getxattr(path, 'user.SmbReparse') == data
            assert os.listxattr(path) == []
            os.removexattr(path, name)


def rp_222_223_224_types():
    with lab.mounted() as mount:
        os.symlink('up/bar', mount.join('soft'))
        raw = os.getxattr(mount.join('soft'), 'system.ntfs_reparse_data', follow_symlinks=False)
        assert struct.unpack_from('<I', raw)[0] == 0xA000000C and struct.unpack_from('<I', raw, 16)[0] == 1
        offset, length = struct.unpack_from('<HH', raw, 8)
        assert raw[20 + offset:20 + offset + length].decode('utf-16-le') == 'up\\bar'
        open(mount.join('v1'), 'wb').close()
        os.setxattr(mount.join('v1'), 'system.ntfs_reparse_data',
                    struct.pack('<IHHHHHHI', 0xA000000C, 24, 0, 6, 6, 0, 6, 1) + 'barbar'.encode('utf-16-le'))
        assert stat.S_ISLNK(os.lstat(mount.join('v1')).st_mode) and os.readlink(mount.join('v1')) == 'bar'
        assert answer_of(os.getxattr, mount.join('v1'), 'user.SmbReparse') == 'ENOENT'  # of the target
        with open(mount.join('unknown'), 'wb') as file:
            file.write(b'kept')
        os.setxattr(mount.join('unknown'), 'system.ntfs_reparse_data', struct.pack('<IHH', 0x8000002B, 0, 0))
        assert stat.S_ISREG(os.lstat(mount.join('unknown')).st_mode)
        assert answer_of(os.open, mount.join('unknown'), os.O_RDONLY) == 'ENOTSUP'
        os.removexattr(mount.join('unknown'), 'system.ntfs_reparse_data')
        with open(mount.join('unknown'), 'rb') as file:
            assert file.read() == b'kept'
        # Section 6: what the other tags are on Linux.
        nfs = {b'FIFO': stat.S_IFIFO, b'SOCK': stat.S_IFSOCK, b'CHR': stat.S_IFCHR, b'BLK': stat.S_IFBLK}
        rows = [(struct.pack('<IHH', tag, 0, 0), kind) for tag, kind in ((0x80000023, stat.S_IFSOCK), (0x80000024, stat.S_IFIFO),
                                                                        (0x80000025, stat.S_IFCHR), (0x80000026, stat.S_IFBLK))]
        rows += [(struct.pack('<IHHQ', 0x80000014, 16 if len(k) == 3 else 8, 0, int.from_bytes(k, 'little')) +
                  (struct.pack('<II', 7, 8) if len(k) == 3 else b''), kind) for k, kind in nfs.items()]
        rows += [(struct.pack('<IHHI', 0xA000001D, 4 + 5, 0, version) + b'/a/b ', stat.S_IFLNK) for version in (2, 0x02000000)]
        for number, (buffer, kind) in enumerate(rows):
            path = mount.join(f't{number}')
            open(path, 'wb').close()
            if lab.ROOT or kind not in (stat.S_IFCHR, stat.S_IFBLK):
                os.setxattr(path, 'system.ntfs_reparse_data', buffer)
                assert stat.S_IFMT(os.lstat(path).st_mode) == kind, (buffer, oct(os.lstat(path).st_mode))
                assert os.getxattr(path, 'system.ntfs_reparse_data', follow_symlinks=False) == buffer


# --- one program, an image and a mount --------------------------------------------------------------------------------

def sanitizers_of(library):
    """What a program that was built without them must load first to use a library that was built with them."""
    words = lab.run('ldd', library).split()
    return ':'.join(word for word in words if word.startswith('/') and any(s in word for s in ('libasan', 'libtsan')))


def one_program_on_both():
    """Programs written for Windows, and this project's own, say the same on an image and on a mount of one."""
    sources = os.path.join(lab.tap.ROOT, 'tests', 'win32', 'unchanged')
    said = {}
    volumes = {place: lab.Volume() for place in ('image', 'mount')}
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(lab.tap.BUILD, 'meson-uninstalled'))
    flags = lab.run('pkg-config', '--cflags', '--libs', 'holdfast-win32', env=environment).split()
    for place, volume in volumes.items():
        mount = volume.mount() if place == 'mount' else None
        device = f'X:=mount:{mount.path}' if mount else f'X:=file:{volume.path},removable'
        environment = dict(os.environ, HOLDFAST_DEVICES=device)
        environment.pop('LD_LIBRARY_PATH', None)
        if lab.SANITIZED:
            environment['LD_PRELOAD'] = sanitizers_of(os.path.join(lab.tap.BUILD, 'libholdfast-win32.so'))
        said[place] = []
        for name, words in ('setintegrity', ['X:\\a.txt', 'on']), ('setintegrity', ['X:/b.txt', 'off']), \
                ('setintegrity', ['X:\\none']), ('junction', []):
            program = os.path.join(volumes['image'].folder, name)
            if not os.path.exists(program):
                lab.run('cc', '-w', *[f for f in flags if not f.startswith('-l') and not f.startswith('-L')],
                        os.path.join(sources, name + '.c'), *[f for f in flags if f.startswith('-l') or f.startswith('-L')],
                        *[f for f in flags if f.startswith('-Wl')], '-o', program)
            said[place].append(lab.tap.run([program, *words], env=environment))
        for words in ['ls', ':/'], ['integrity', 'get', ':/a.txt'], ['reparse', 'get', ':/none'], \
                ['ioctl', ':/a.txt', 'FSCTL_GET_INTEGRITY_INFORMATION']:
            base = mount.path if mount else volume.path + ':'
            done, output = lab.tap.run([lab.HOLDFAST, *[w.replace(':/', base + '/') if w.startswith(':/') else w for w in words]])
            said[place].append((done, output.replace(base + '/', '/')))
        if mount:
            mount.unmount()
        volume.check()
    assert said['image'] == said['mount'], said
    assert [status for status, _ in said['image']] == [0, 0, 1, 0, 0, 0, 1, 0], said['image']


lab.main([native_calls_beside_linux, rights_of_others, rot, a_program_of_windows, the_program_on_paths, an_image_that_is_mounted,
          an_image_that_somebody_else_has, control_codes_from_python,
          the_example_in_the_documents, codes_to_the_volume, data_that_the_kernel_holds,
          what_somebody_makes_and_writes, a_part_of_the_volume, names_of_ntfs_3g, names_as_ntfs_3g_has_them,
          rp_220_221_reparse_data_as_an_attribute, rp_222_223_224_types, one_program_on_both])
