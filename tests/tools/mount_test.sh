#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mount and umount: options, errors, mount(8)'s helpers, the end. What programs do in a mount is tried in tests/mount.
. "$(dirname "$0")/tap.sh"

need_mount() {
    hf help mount >/dev/null 2>&1 || skip 'built without libfuse3'
    [ -w /dev/fuse ] || skip '/dev/fuse cannot be used here'
    volume
    mkdir m
    trap 'hf umount --lazy m 2>/dev/null || true' EXIT
}
mounted() { grep -qF " $PWD/m fuse.holdfast " /proc/mounts; }
# A mount whose process is known: $daemon.
mount_kept() {
    "$HOLDFAST" mount --foreground "$@" vol.hf "$PWD/m" >log 2>&1 &
    daemon=$!
    for _ in $(seq 500); do
        [ "$(stat -c %i m)" = 16 ] && return
        sleep 0.01
    done
    cat log
    exit 1
}

case_mount_copy_unmount_and_again() {
    need_mount
    expect 0 mount vol.hf m
    [ ! -s err ]
    equal "$(df --output=source,fstype m | tail -1 | tr -s ' ')" "$PWD/vol.hf fuse.holdfast"
    cp -a "$SOURCE/docs" m/docs
    diff -r "$SOURCE/docs" m/docs
    expect 0 umount m
    expect 0 check vol.hf
    expect 0 mount vol.hf m
    diff -r "$SOURCE/docs" m/docs
    expect 0 umount m
    hf cat vol.hf:/docs/holdfast.1 | cmp - "$SOURCE/docs/holdfast.1"
}

case_errors_come_before_the_command_returns() {
    need_mount
    expect 1 mount nothing.hf m
    expect_error 'nothing.hf'
    expect 1 mount vol.hf nowhere
    expect_error 'nowhere'
    expect 1 mount vol.hf vol.hf
    expect_error 'is not a directory'
    bytes 100000 >junk.hf
    expect 1 mount junk.hf m
    [ "$(wc -l <err)" = 1 ]
    expect 2 mount vol.hf m -o nonsense
    expect 2 mount vol.hf m -o commit=never
    expect 2 mount vol.hf m -o
    for option in cache=much cache= uid=4294967295 commit=99999 umask=1000 ro=1 a=b; do
        ! hf mount vol.hf m -o $option 2>err
        [ "$(wc -l <err)" = 1 ]
    done
    expect 1 umount m
    expect_error 'no volume is mounted here'
    ! mounted
    expect 0 mount vol.hf m -o ,cache=8M,,cache=16M,
    expect 0 umount m
}

case_an_image_in_use_is_refused() {
    need_mount
    mkdir n
    expect 0 mount vol.hf m
    expect 1 mount vol.hf n
    expect_error 'STATUS_SHARING_VIOLATION'
    expect 1 check vol.hf
    expect 0 umount m
    hold_open vol.hf
    expect 1 mount vol.hf m
    expect_error 'STATUS_SHARING_VIOLATION'
    release vol.hf
}

case_read_only() {
    need_mount
    echo text | hf put - vol.hf:/file
    for way in option mode; do
        if [ $way = option ]; then
            expect 0 mount vol.hf m -o ro
        else
            chmod 444 vol.hf
            expect_bound 0 mount vol.hf m
        fi
        equal "$(cat m/file)" text
        ! touch m/new 2>err
        grep -q 'Read-only' err
        equal "$(findmnt -n -o OPTIONS m | cut -d, -f1)" ro
        expect 0 umount m
    done
}

case_files_without_an_owner() {
    need_mount
    echo text | hf put - vol.hf:/file
    hf mkdir vol.hf:/dir
    expect 0 mount vol.hf m
    equal "$(stat -c %a:%u:%g m/file m/dir | tr '\n' ' ')" "644:$(id -u):$(id -g) 755:$(id -u):$(id -g) "
    expect 0 umount m
    expect 0 mount vol.hf m -o uid=12,gid=34 -o umask=027
    equal "$(stat -c %a:%u:%g m/file m/dir m | tr '\n' ' ')" '640:12:34 750:12:34 750:12:34 '
    # The first thing that is set makes all of it the file's own.
    if [ "$(id -u)" = 0 ]; then
        chmod 600 m/file
        expect 0 umount m
        expect 0 mount vol.hf m
        equal "$(stat -c %a:%u:%g m/file)" 600:12:34
    fi
    expect 0 umount m
}

case_access_times() {
    need_mount
    expect 0 mount vol.hf m
    echo text >m/file
    touch -d 2001-01-01 m/file
    expect 0 umount m
    expect 0 mount vol.hf m -o noatime
    cat m/file
    equal "$(stat -c %x m/file | cut -d- -f1)" 2001
    expect 0 umount m
    expect 0 mount vol.hf m
    cat m/file
    [ "$(stat -c %x m/file | cut -d- -f1)" != 2001 ]
    expect 0 umount m
}

case_signals_unmount_in_order() {
    need_mount
    for signal in TERM INT HUP; do
        mount_kept
        bytes 3000000 >data
        cp data m/$signal
        kill -$signal "$daemon"
        wait "$daemon"
        ! mounted
        hf cat "vol.hf:/$signal" | cmp - data
    done
}

case_a_signal_while_files_are_open() {
    need_mount
    mount_kept
    bytes 3000000 >data
    exec 3>m/file
    cat data >&3
    kill -TERM "$daemon"
    wait "$daemon"
    ! echo more >&3 2>err
    exec 3>&- || true
    ! mounted
    hf cat vol.hf:/file | cmp - data
    expect 0 check vol.hf
}

case_what_was_committed_survives_a_kill() {
    need_mount
    mount_kept -o commit=1
    echo synced >m/synced
    sync m/synced
    echo directory >m/named
    sync m
    kill -KILL "$daemon"
    wait "$daemon" || true
    fusermount3 -uz m || umount -l m
    equal "$(hf cat vol.hf:/synced)" synced
    hf stat vol.hf:/named
    expect 0 check vol.hf
}

# Without a flush by anybody.
case_a_commit_waits_for_the_medium_to_come_back() {
    need_mount
    mount_kept -o removable,commit=1
    for i in 1 2 3 4 5; do # in case that a commit comes just between the two
        mkdir m/$i
        mv vol.hf away
        for _ in $(seq 25); do
            [ ! -s log ] || break
            sleep 0.1
        done
        sleep 1.1 # one more try, which says nothing
        mv away vol.hf
        [ ! -s log ] || break
    done
    grep -q 'cannot commit: STATUS_' log
    equal "$(wc -l <log)" 1
    for _ in $(seq 100); do
        cp vol.hf copy.hf
        ! hf stat copy.hf:/"$i" >out 2>&1 || break
        sleep 0.1
    done
    hf stat copy.hf:/"$i"
    kill "$daemon"
    wait "$daemon"
    expect 0 check vol.hf
}

case_damage_is_logged_once() {
    need_mount
    bytes 200000 >data
    hf mkdir vol.hf:/dir
    hf put data vol.hf:/dir/file
    hf corrupt vol.hf:/dir/file --offset 70000
    mount_kept
    # Through the page cache and past it: the unit from 65536 on, and nothing else.
    ! cat m/dir/file >copy 2>err
    grep -q 'Input/output error' err
    ! cat m/dir/file >copy 2>err
    for at in 0 16384 32768 49152 81920 180224; do
        dd if=m/dir/file bs=16384 skip=$at count=1 iflag=skip_bytes status=none | cmp - "$(slice data $at 16384 >part && echo part)"
    done
    for at in 65536 69632 73728 77824; do
        ! dd if=m/dir/file of=part bs=4096 skip=$at count=1 iflag=skip_bytes,direct 2>err
    done
    for _ in $(seq 200); do
        [ ! -s log ] || break
        sleep 0.01
    done
    kill "$daemon"
    wait "$daemon"
    equal "$(cat log)" "holdfast: $PWD/vol.hf: event 133: file data damaged: /dir/file: offset 65536, length 16384"
}

# Whoever sets a reparse point has the file locked, and whoever removes it the directory.
case_types_that_change_hold_nobody_up() {
    need_mount
    expect 0 mount vol.hf m
    mkdir m/p
    for path in m/p m/p/c m/p m/p/c; do
        timeout 60 python3 - "$path" <<'EOF' &
import os, sys
path = sys.argv[1]
if path.endswith('c'):
    for _ in range(500):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR))
        try:
            os.setxattr(path, 'system.ntfs_attrib', b'\x20\0\0\0')
            fd = os.open(path, os.O_RDWR)
            os.lseek(fd, 0, os.SEEK_HOLE)
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (6, 116):  # ENXIO, ESTALE: the other one unlinked it
                raise
else:
    for _ in range(500):
        os.setxattr(path, 'system.ntfs_attrib', b'\x10\0\0\0')
EOF
        pids="$pids $!"
    done
    for pid in $pids; do
        wait "$pid"
    done
    expect 0 umount m
}

case_a_type_that_changed_is_seen_at_once() {
    need_mount
    expect 0 mount vol.hf m
    timeout 60 python3 - m <<'EOF'
import os, struct, sys
target = 'target'.encode('utf-16-le')
data = struct.pack('<HHHHI', 0, len(target), len(target), len(target), 1) + target * 2
link = struct.pack('<IHH', 0xA000000C, len(data), 0) + data
os.chdir(sys.argv[1])
for i in range(100):
    open(f'f{i}', 'w').close()
    os.mkdir(f'd{i}')
    os.listdir('.')
    for name in (f'f{i}', f'd{i}'):
        assert not os.path.islink(name)
        os.setxattr(name, 'system.ntfs_reparse_data', link)
        assert os.readlink(name) == 'target'
        assert [e.is_symlink() for e in os.scandir('.') if e.name == name] == [True]
EOF
    expect 0 umount m
}

case_umount_does_not_wait_for_the_next_mount() {
    need_mount
    expect 0 mount vol.hf m
    (
        for _ in $(seq 300); do
            ! hf mount vol.hf m 2>again || break
            sleep 0.01
        done
    ) &
    timeout 60 "$HOLDFAST" umount m
    wait
    mounted
    expect 0 umount m
}

case_a_name_that_the_options_must_quote() {
    need_mount
    # shellcheck disable=SC1003 # a backslash in a name
    mv vol.hf 'a b\c.hf'
    expect 0 mount 'a b\c.hf' m
    equal "$(findmnt -n -o SOURCE m)" "$PWD/"'a b\c.hf'
    expect 0 umount m
}

case_the_helpers_of_mount() {
    need_mount
    ln -s "$HOLDFAST" mount.fuse.holdfast
    ln -s "$HOLDFAST" umount.fuse.holdfast
    # As mount(8) and systemd call them.
    ./mount.fuse.holdfast vol.hf "$PWD/m" -n -v -o rw,nofail,x-systemd.automount,noatime -t fuse.holdfast
    mounted
    ./umount.fuse.holdfast -n "$PWD/m"
    ! mounted
    hf df vol.hf
    ./mount.fuse.holdfast vol.hf "$PWD/m" -f
    ! mounted
    ./mount.fuse.holdfast vol.hf "$PWD/m" -s -o rw,nonsense
    mounted
    ./umount.fuse.holdfast "$PWD/m" -l
    for _ in $(seq 500); do
        ! hf df vol.hf >out 2>&1 || break
        sleep 0.01
    done
    status=0
    ./mount.fuse.holdfast nothing.hf "$PWD/m" 2>err || status=$?
    equal "$status" 32
    for words in "vol.hf" "vol.hf $PWD/m -o rw,nonsense" "vol.hf $PWD/m -o remount,ro"; do
        status=0
        # shellcheck disable=SC2086 # several words
        ./mount.fuse.holdfast $words 2>err || status=$?
        equal "$status" 1
        ! mounted
    done
}

case_the_whole_of_mount_8() {
    need_mount
    [ "$(id -u)" = 0 ] || skip 'needs root'
    mkdir o
    export HOLDFAST="$HOLDFAST"
    cat >script <<'EOF'
set -e
sbin=$(realpath /sbin)
mount -t tmpfs tmpfs o
mkdir o/upper o/work
for type in holdfast fuse.holdfast; do
    ln -s "$HOLDFAST" o/upper/mount.$type
    ln -s "$HOLDFAST" o/upper/umount.$type
done
mount -t overlay -o "lowerdir=$sbin,upperdir=o/upper,workdir=o/work" overlay "$sbin" || exit 99
for type in holdfast fuse.holdfast; do
    mount -t $type vol.hf m -o noatime,cache=8M
    findmnt -n -o FSTYPE,OPTIONS m
    echo $type >m/$type
    umount m
    "$HOLDFAST" cat vol.hf:/$type # at once: umount waited
done
echo "$PWD/vol.hf $PWD/m fuse.holdfast ro,nofail,noauto,x-systemd.device-timeout=5,user,umask=077 0 2" >fstab
mount -T fstab "$PWD/m"
findmnt -n -o OPTIONS m
stat -c %a m
umount m
device=$(losetup --find --show vol.hf)
mount -t fuse.holdfast "$device" m
"$HOLDFAST" probe "$device" | grep -e STATE -e MOUNTPOINT
umount m
losetup -d "$device"
EOF
    status=0
    unshare --mount --propagation private sh script >out 2>err || status=$?
    [ "$status" != 99 ] || skip "no overlay file system: $(cat err)"
    cat >wanted <<EOF
fuse.holdfast rw,noatime,user_id=0,group_id=0,default_permissions,allow_other
holdfast
fuse.holdfast rw,noatime,user_id=0,group_id=0,default_permissions,allow_other
fuse.holdfast
ro,nosuid,nodev,noexec,relatime,user_id=0,group_id=0,default_permissions,allow_other
700
STATE=mounted
MOUNTPOINT=$PWD/m
EOF
    diff wanted out || {
        cat err
        exit 1
    }
    equal "$status" 0
}

case_units_that_the_page_shows() {
    sed -n '/^\[Unit\]/,/^\.fi/p' "$SOURCE/docs/mount.holdfast.8" | sed -e '/^\.fi/d' -e 's/\\-/-/g' >mnt-x.mount
    for line in '[Unit]' RequiresMountsFor= '[Mount]' What=/ Where=/mnt/x Type=fuse.holdfast '[Install]' WantedBy=; do
        grep -qF "$line" mnt-x.mount
    done
    ! command -v systemd-analyze >/dev/null || systemd-analyze verify ./mnt-x.mount
}

case_locks_end_with_a_signal() {
    need_mount
    expect 0 mount vol.hf m
    timeout 60 python3 - m/file <<'EOF'
import fcntl, os, signal, sys
class Alarm(Exception):
    pass
def ring(*_):
    raise Alarm
signal.signal(signal.SIGALRM, ring)
a, b = (os.open(sys.argv[1], os.O_CREAT | os.O_RDWR) for _ in range(2))
def waits(what):
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        what()
    except Alarm:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False
fcntl.flock(a, fcntl.LOCK_EX)
assert waits(lambda: fcntl.flock(b, fcntl.LOCK_SH))
fcntl.flock(a, fcntl.LOCK_UN)
assert not waits(lambda: fcntl.flock(b, fcntl.LOCK_SH | fcntl.LOCK_NB))
fcntl.lockf(a, fcntl.LOCK_EX)
if os.fork() == 0:
    os._exit(0 if waits(lambda: fcntl.lockf(b, fcntl.LOCK_EX)) else 1)
assert os.wait()[1] == 0
EOF
    expect 0 umount m
}

case_man_pages() {
    command -v groff >/dev/null || skip 'groff is not installed'
    for page in holdfast-mount mount.holdfast; do
        groff -man -Tascii -ww "$SOURCE/docs/$page.8" 2>warnings >text
        [ ! -s warnings ]
    done
    # Every option that the program knows by name is in the page.
    sed -n '/^static bool option_with_value/,/^static void options_parse/p' "$SOURCE/src/tools/mount.c" |
        grep -o '"[a-z_]*"' | tr -d '"' | sort -u | while read -r option; do
        grep -qw -- "$option" "$SOURCE/docs/holdfast-mount.8" || [ -z "$option" ] || {
            echo "docs/holdfast-mount.8 lacks $option"
            exit 1
        }
    done
}

tap_main
