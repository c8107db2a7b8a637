#!/usr/bin/env bash
# trixie-root.sh - a Debian 13 (trixie) system in a folder, for builds against Open MPI 5.
#
#   scripts/trixie-root.sh DIR          makes it, or finishes it; again when ready: mounts, checks
#   scripts/trixie-root.sh --remove DIR takes its mounts and the folder away
#
# Needs root.  The mirror is that of this system's apt; SAEGRID_DEBIAN_MIRROR=URL names another.
# Inside are what scripts/deps.sh installs and the tools of the tests; /proc, /sys, /dev/pts and
# /dev/shm are mounted and stay so until --remove or a reboot.  tests/slow/openmpi5.sh uses it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
suite=trixie
extra=(procps python3-minimal)    # what the tests call beyond the build's needs
mark=.saegrid-root                # "begun" or "base", written by us alone
private=                          # a name without spaces for DIR while debootstrap runs
log=
finish() {
    [ -z "$private" ] || { umount -R "$private" 2>/dev/null || true; rmdir "$private"; }
    [ -z "$log" ] || rm -f "$log"
}
trap finish EXIT

usage() { die "usage: scripts/trixie-root.sh [--remove] DIR"; }
# mounts_below DIR: deepest first
mounts_below() {
    awk '{ print $5 }' /proc/self/mountinfo | while IFS= read -r escaped; do
        printf '%b\n' "$escaped"
    done | awk -v dir="$1/" 'index($0, dir) == 1' | sort -r
}
state() { cat "$1/$mark" 2>/dev/null || true; }

remove_root() {
    local mount
    [ -n "$(state "$1")" ] || die "$1: not made by this script, so nothing was removed"
    while IFS= read -r mount; do
        umount "$mount" || die "$mount: busy: a process of the root still runs? nothing was removed"
    done < <(mounts_below "$1")
    rm -rf --one-file-system "$1"
}

# The archive that this system installs Debian itself from.
find_mirror() {
    if [ -n "${SAEGRID_DEBIAN_MIRROR:-}" ]; then
        printf '%s\n' "$SAEGRID_DEBIAN_MIRROR"
        return
    fi
    has_apt || die "no apt here: name a mirror: SAEGRID_DEBIAN_MIRROR=URL"
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' |
        sed -nE 's/^([^ ]+[^/ ])\/? (Debian|\$\(LABEL\))$/\1/p' | awk '/\/debian$/ { print; exit }'
}
has_apt() { command -v apt-get >/dev/null; }

need_debootstrap() {
    command -v debootstrap >/dev/null && return
    has_apt || die "debootstrap is missing, and there is no apt-get to install it with"
    say "trixie-root: installing debootstrap"
    if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install \
        --no-install-recommends debootstrap debian-archive-keyring; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "debootstrap could not be installed (apt's last lines are above)"
    fi
}

make_base() {
    local mirror started=$SECONDS
    need_debootstrap
    mirror=$(find_mirror)
    [ -n "$mirror" ] || die "apt names no Debian mirror: set SAEGRID_DEBIAN_MIRROR=URL"
    echo begun >"$1/$mark"
    private=$(mktemp -d /tmp/saegrid-root-XXXXXX)
    mount --bind "$1" "$private"
    mount --make-private "$private"
    say "trixie-root: debootstrap $suite into $1"
    if ! debootstrap --variant=minbase --include=ca-certificates "$suite" "$private" "$mirror" \
        >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "debootstrap failed (its last lines are above); more in $1/debootstrap/debootstrap.log"
    fi
    umount -R "$private"
    rmdir "$private"
    private=
    echo base >"$1/$mark"
    say "trixie-root: base system after $((SECONDS - started)) s"
}

mount_once() {
    local type=$1 at=$2
    mkdir -p "$at"
    mounts_below "$(dirname "$at")" | grep -Fxq -- "$at" || mount -t "$type" "$type" "$at" ||
        die "cannot mount $type at $at"
}

# What the root shares with this system: kernel interfaces, names, apt's way to the mirror.
set_up() {
    mount_once proc "$1/proc"
    mount_once sysfs "$1/sys"
    mount_once devpts "$1/dev/pts"
    mount_once tmpfs "$1/dev/shm"
    cp --remove-destination -L /etc/resolv.conf /etc/hosts "$1/etc/"
    if has_apt; then
        apt-config dump | grep -E '^Acquire::(Check-|https?::Proxy|Retries)' \
            >"$1/etc/apt/apt.conf.d/90host" || true
    fi
}

# inside DIR COMMAND...
inside() {
    local dir=$1
    shift
    chroot "$dir" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} \
        ${https_proxy:+https_proxy="$https_proxy"} "$@"
}

install_needs() {
    local scripts=opt/saegrid-scripts missing=() package
    mkdir -p "$1/$scripts"
    cp "$here/deps.sh" "$here/lib.sh" "$1/$scripts/"
    inside "$1" bash "/$scripts/deps.sh" || die "$1: the build's needs could not be installed"
    for package in "${extra[@]}"; do
        inside "$1" dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    if ! inside "$1" apt-get -qy -o Dpkg::Use-Pty=0 install --no-install-recommends \
        "${missing[@]}" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "$1: apt-get install ${missing[*]} failed (its last lines are above)"
    fi
}

remove=0
if [ "${1:-}" = --remove ]; then
    remove=1
    shift
fi
case ${1--} in
'' | -*) usage ;;
esac
[ $# = 1 ] || usage
[ "$(id -u)" = 0 ] || die "$1: a root needs root: chroot and mount are not for users"
dir=$(realpath -m -- "$1")
[ "$dir" != / ] || usage
log=$(mktemp)

if [ $remove = 1 ]; then
    remove_root "$dir"
    say "trixie-root: $dir is gone"
    exit 0
fi
if [ "$(state "$dir")" = begun ]; then
    say "trixie-root: $dir was left unfinished, beginning anew"
    remove_root "$dir"
fi
if [ "$(state "$dir")" != base ]; then
    mkdir -p "$dir" || die "$dir: cannot be made"
    [ -z "$(ls -A "$dir")" ] || die "$dir: is not empty and not a root of this script"
    make_base "$dir"
fi
set_up "$dir"
install_needs "$dir"
say "trixie-root: $dir is ready: Debian $(cat "$dir/etc/debian_version")," \
    "$(inside "$dir" mpirun --version | head -n 1)"
