#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What Holdfast promises, shown on real files of this machine: scripts/demo.sh BUILD_DIR. Every step checks what it says;
# the first one that is wrong ends the demo with its name and exit status 1.
set -eu

build=$(cd "${1:-build}" && pwd)
holdfast=$build/src/tools/holdfast
[ -x "$holdfast" ] || holdfast=$build/holdfast
demo_media=$(dirname "$holdfast")/demo_media
work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo.XXXXXX")
mounted=
leave() {
    [ -z "$mounted" ] || fusermount3 -u "$work/mnt" 2>/dev/null || umount -l "$work/mnt" 2>/dev/null || true
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM
step='start'

fail() {
    echo "demo: FAILED at '$step': $*" >&2
    [ ! -s "$work/log" ] || cat "$work/log" >&2
    exit 1
}
begin() {
    step=$1
    number=$((${number:-0} + 1))
    printf '\n%d. %s\n' "$number" "$step"
}
say() { printf '   %s\n' "$*"; }
# Run holdfast, which must succeed; what it prints goes to $work/out.
run() {
    say "\$ holdfast $*" | sed "s|$work/||g"
    "$holdfast" "$@" >"$work/out" 2>"$work/log" || fail "holdfast $1 ended with status $?"
}
# The same, but it must end with this status; its error line is shown.
run_fails() {
    expected=$1
    shift
    say "\$ holdfast $*" | sed "s|$work/||g"
    status=0
    "$holdfast" "$@" >"$work/out" 2>"$work/log" || status=$?
    [ "$status" -eq "$expected" ] || fail "holdfast $1 ended with status $status instead of $expected"
    sed "s|$work/||g; s/^/   /" "$work/log"
}
same() { cmp "$1" "$2" >"$work/log" 2>&1 || fail "$3"; }
# SHA-256 of every file, and the target of every symbolic link, below a directory.
list() {
    (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum &&
        find . -type l -printf '%p -> %l\n' | LC_ALL=C sort && find . -type d | LC_ALL=C sort)
}
slice() { dd if="$1" bs=4096 skip="$2" count=1 status=none; }

cd "$work"
echo 'Holdfast keeps files in self-checking volumes. This demo puts real files of this machine into one and breaks it.'

begin 'Format a volume'
say 'One image file holds it. Linux files may differ only in case, so this volume is told to tell them apart.'
run format "$work/vol.hf" --size 1G --case-sensitive --label Demo --integrity on
run df "$work/vol.hf"
sed "s|$work/||; s/^/   /" out

begin 'Copy real files in, with integrity on'
trees=
for tree in /usr/share/doc /usr/include; do
    [ ! -d "$tree" ] || trees="$trees $tree"
done
[ -n "$trees" ] || fail 'neither /usr/share/doc nor /usr/include is here'
# shellcheck disable=SC2086 # a list of paths without blanks
size=$(du -scm $trees | awk 'END { print $1 }')
if [ "$size" -gt 800 ]; then
    trees=${trees##* }
fi
# shellcheck disable=SC2086
say "$(find $trees -type f | wc -l) files, $(du -scm $trees | awk 'END { print $1 }') MiB:$trees"
for tree in $trees; do
    run put "$tree" "$work/vol.hf:/"
    [ ! -s log ] || fail 'some files could not be copied'
    run integrity get "$work/vol.hf:/$(basename "$tree")"
    sed "s|$work/||; s/^/   /" out
    grep -q '^CRC' out || fail 'the tree is not under checksums'
done

begin 'Read it all back and compare SHA-256 with the originals'
mkdir back
for tree in $trees; do
    name=$(basename "$tree")
    run get "$work/vol.hf:/$name" "$work/back"
    list "$tree" >"$name.original" 2>log || fail "cannot read $tree"
    list "back/$name" >"$name.copy"
    same "$name.original" "$name.copy" "the copy of $tree differs from the original"
    say "$tree: $(grep -c '^[0-9a-f]\{64\}' "$name.copy") files, links and directories are the same"
done
run check "$work/vol.hf"
sed 's/^/   /' out
rm -rf back

begin 'Let one byte of a real file rot'
tree=${trees##* }
original=$(find "$tree" -type f -size +39k -size -2000k | LC_ALL=C sort | head -n 1)
[ -n "$original" ] || fail "no file of a suitable size below $tree"
file="vol.hf:/$(basename "$tree")${original#"$tree"}"
say "The byte at offset 12 KiB of $file is inverted inside the image."
run corrupt "$work/$file" --offset 12288
sed "s|$work/||; s/^/   /" out

begin 'Reading 4 KiB at offset 0 fails: data is checked in units of 16 KiB, and this one holds the rot'
run_fails 3 cat "$work/$file" --offset 0 --length 4096
grep -q 'STATUS_DATA_CHECKSUM_ERROR (Win32 323)' log || fail 'it is not ERROR_DATA_CHECKSUM_ERROR (323, 0x143)'
grep -qF "${file#vol.hf}" log || fail 'the error does not name the file'
[ ! -s out ] || fail 'bytes were returned'

begin 'Reading 4 KiB at offset 16 KiB is fine: another unit'
run cat "$work/$file" --offset 16384 --length 4096
slice "$original" 4 >expected
same out expected 'these are not the bytes of the original'
say 'The bytes are those of the original.'

begin 'A check of the whole volume names the file'
run_fails 3 check "$work/vol.hf"
sed "s|$work/||; s/^/   /" out
grep -qF "${file#vol.hf:}" out || fail 'the finding does not name the file'

begin 'With enforcement off, the bytes come back as they are'
run integrity set keep --enforce off "$work/$file"
run cat "$work/$file" --offset 0 --length 16384
dd if="$original" bs=16384 count=1 status=none >expected
differences=$(cmp -l out expected | awk '{ print $1 - 1 }')
[ "$differences" = 12288 ] || fail "bytes at '$differences' differ, not just the one at 12288"
say 'All of them; the one at 12288 is wrong, and we were told.'

begin 'Links: a file symlink, a directory symlink, a mount point'
echo 'a letter' >letter.txt
run mkdir -p "$work/vol.hf:/home/papers"
run put "$work/letter.txt" "$work/vol.hf:/home/papers"
run ln -s papers/letter.txt "$work/vol.hf:/home/letter-link"
run ln -s /home/papers "$work/vol.hf:/papers-link"
run ln --junction /home/papers "$work/vol.hf:/papers-mount"
for path in /home/letter-link /papers-link/letter.txt /papers-mount/letter.txt; do
    run cat "$work/vol.hf:$path"
    same out letter.txt "$path leads to something else"
done
run tree "$work/vol.hf:/home"
sed "s|$work/||; s/^/   /" out
run reparse get "$work/vol.hf:/papers-mount"
sed 's/^/   /' out

begin 'A foreign reparse tag with its GUID comes back byte for byte'
# Tag 0x00001234, 13 bytes of data, a GUID of our own: REPARSE_GUID_DATA_BUFFER.
printf '\064\022\000\000\015\000\000\000\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017\020foreign bytes' >tag
run put "$work/letter.txt" "$work/vol.hf:/tagged"
run reparse set "$work/vol.hf:/tagged" --file "$work/tag"
run reparse get "$work/vol.hf:/tagged" --raw
same out tag 'the buffer changed'
run reparse get "$work/vol.hf:/tagged"
sed 's/^/   /' out

begin 'A removable medium is swapped under an open file'
mkdir media
"$demo_media" "$work/media" 2>log || fail 'the swap did not go as the document says'

begin 'Mount the volume: any program works on it'
if [ ! -w /dev/fuse ] || ! command -v fusermount3 >/dev/null; then
    say 'Left out: this machine has no /dev/fuse that we may use.'
else
    mkdir mnt
    run mount "$work/vol.hf" "$work/mnt"
    mounted=yes
    for tree in $trees; do
        name=$(basename "$tree")
        say "\$ cp -a $tree mnt/mounted-$name"
        cp -a "$tree" "mnt/mounted-$name" 2>log || fail "cp -a of $tree"
        list "mnt/mounted-$name" >"$name.copy"
        same "$name.original" "$name.copy" "the copy of $tree differs from the original"
        say "$(grep -c '^[0-9a-f]\{64\}' "$name.copy") files, links and directories are the same"
    done
    run integrity set keep --enforce on "$work/mnt/${file#vol.hf:/}"
    say "\$ dd if=mnt/${file#vol.hf:/} bs=4096 count=1"
    if dd if="mnt/${file#vol.hf:/}" of=out bs=4096 count=1 2>log; then
        fail 'the rotten bytes were handed out'
    fi
    grep -q 'Input/output error' log || fail 'it is not EIO'
    say 'Input/output error. What the volume says about it:'
    run events "$work/mnt"
    sed 's/^/   /' out
    grep -qF "${file#vol.hf:}" out || fail 'the event does not name the file'
    say "\$ fusermount3 -u mnt"
    fusermount3 -u "$work/mnt" || fail 'unmount'
    mounted=
fi

printf '\nAll steps did what they promise.\n'
