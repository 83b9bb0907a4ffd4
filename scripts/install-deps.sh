#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages that are missing: those to build and test, and with "ci" also those of .ci/run,
# with "bench" also what `make bench` and `make bench-mount` compare with, with "torture" also the programs that
# `make torture` runs in a mount.
# Does nothing, and needs no rights and no network, when all of them are there.
set -eu

packages="make gcc g++ meson ninja-build pkg-config libisal-dev libutf8proc-dev libjson-c-dev libcmocka-dev libfuse3-dev"
packages="$packages fuse3 python3 git acl groff-base ntfs-3g e2fsprogs mount" # programs that tests start
case "${1:-}" in
ci) packages="$packages clang clang-format clang-tidy libclang-rt-dev debootstrap" ;;
bench) packages="$packages btrfs-progs" ;;
torture) packages="$packages rsync fio stress-ng postgresql postgresql-contrib dpkg-dev debhelper texinfo" ;;
"") ;;
*) echo "usage: $0 [ci|bench|torture]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "$0: not a Debian system; please install the equivalents of: $packages" >&2
    exit 0
fi

missing=
for package in $packages; do
    # A package may be provided by another one (pkg-config by pkgconf).
    if ! dpkg-query -W -f '${Status} ${Package} ${Provides}\n' | grep '^install ok installed' |
        grep -Eq "[ ,]$(printf %s "$package" | sed 's/[+.]/\\&/g')([ ,]|\$)"; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    root=
elif command -v sudo >/dev/null 2>&1; then
    root=sudo
else
    echo "$0: missing:$missing" >&2
    echo "$0: neither root nor sudo; as root, run: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing:$missing"
# shellcheck disable=SC2086 # words on purpose
{
    $root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
} || {
    echo "$0: could not install:$missing" >&2
    exit 1
}
