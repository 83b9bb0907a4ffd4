# SPDX-License-Identifier: Apache-2.0
"""The door of a mount: the native API, the program and any control code on paths in a mount. call_client.c holds the cases
that need the library; here are those of the program, and what takes another user or a damaged volume."""
import fcntl
import json
import os
import shutil

import lab

CLIENT = os.path.join(lab.PROGRAMS, 'call_client')
OTHER = 1234  # some user and group


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


lab.main([native_calls_beside_linux, rights_of_others, rot, a_program_of_windows, the_program_on_paths, an_image_that_is_mounted,
          an_image_that_somebody_else_has])
