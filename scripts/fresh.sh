#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prove that scripts/install-deps.sh brings all that the tests need: run it and `make test` on a Debian 12 that has nothing
# else, made by debootstrap in a directory, with this checkout's tracked files. What the tests said stays in
# build-fresh/, for scripts/test-summary.py. Exits with 77, and says why, where no such place can be made.
set -eu
cd "$(dirname "$0")/.."

cannot() { echo "$0: not tried: $*" >&2; exit 77; }

[ "$(id -u)" = 0 ] || cannot 'only root can make another root'
command -v debootstrap >/dev/null || cannot 'debootstrap is not installed (scripts/install-deps.sh ci)'
unshare --mount --pid --fork true 2>/dev/null || cannot 'no namespaces of our own here'

# /dev, /sys and /proc are mounted into the root in a mount namespace that ends with the commands in it, so nothing of this
# machine is below the root when it is removed.
root=$(mktemp -d "${TMPDIR:-/var/tmp}/holdfast-fresh.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$root" # tests become other users

# From where this machine's packages come.
eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
export http_proxy="${http_proxy:-}"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' | head -n 1)
debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}" >"$root/debootstrap.log" 2>&1 ||
    cannot "debootstrap: $(tail -n 1 "$root/debootstrap.log")"

ln -s ../proc/self/mounts "$root/etc/mtab" # as the first start of a machine leaves it
mkdir "$root/holdfast"
git ls-files -z | tar --null --files-from - --create | tar --extract --directory "$root/holdfast"

# shellcheck disable=SC2016 # for the shell in there
unshare --mount --propagation private --pid --fork --kill-child sh -euc '
    mount --bind "$0" "$0" # a root is a mount: tests ask for mount namespaces of their own
    for there in /dev /sys; do mount --rbind "$there" "$0$there"; done
    mount -t proc proc "$0/proc"
    exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "http_proxy=$http_proxy" \
        sh -euc "cd /holdfast; scripts/install-deps.sh; make test"
' "$root" && status=0 || status=$?

mkdir -p build-fresh/meson-logs
cp "$root/holdfast/build/meson-logs/testlog.json" build-fresh/meson-logs/
exit "$status"
