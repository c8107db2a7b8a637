#!/usr/bin/env bash
# deps.sh - installs what building and running saegrid needs and what is missing.
#
#   scripts/deps.sh            installs with apt on Debian 12, 13 and their relatives; asks nothing
#   SAEGRID_NO_INSTALL=1 ...   installs nothing; names what is missing and exits 1 if there is any
#
# Each need is tested, not assumed from a package list, so a toolchain of your own will do.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

has_compiler() {
    local cc=${CC:-cc}
    # CC may hold flags, as in "ccache gcc".
    # shellcheck disable=SC2086
    printf '#include <stdio.h>\nint main(void) { return 0; }\n' |
        $cc -x c -fsyntax-only - >/dev/null 2>&1
}
has_program() { command -v "$1" >/dev/null 2>&1; }
has_module() { has_program pkg-config && pkg-config --atleast-version="${2:-0}" "$1" 2>/dev/null; }

# package, test
needs() {
    cat <<'LIST'
build-essential      has_compiler
cmake                find_tool cmake 3.22
ninja-build          find_tool ninja
pkg-config           has_program pkg-config
libopenmpi-dev       has_module ompi-c
openmpi-bin          has_program mpirun
libopenblas-dev      has_module openblas
libsqlite3-dev       has_module sqlite3 3.37
sqlite3              has_program sqlite3
libcjson-dev         has_module libcjson
libyaml-dev          has_module yaml-0.1
libcmocka-dev        has_module cmocka
libssl-dev           has_module libcrypto
zlib1g-dev           has_module zlib
gnuplot-nox          has_program gnuplot
git                  has_program git
LIST
}

missing=()
find_missing() {
    local package probe
    missing=()
    while read -r package probe; do
        # shellcheck disable=SC2086
        $probe 2>/dev/null >/dev/null || missing+=("$package")
    done < <(needs)
}

apt() {
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Use-Pty=0 -q "$@"
}

find_missing
if [ ${#missing[@]} = 0 ]; then
    say "dependencies: all there"
    exit 0
fi
if [ "${SAEGRID_NO_INSTALL:-0}" = 1 ]; then
    die "missing (SAEGRID_NO_INSTALL=1, so nothing was installed): ${missing[*]}"
fi
if ! has_program apt-get; then
    die "this system has no apt-get, so nothing was installed; please install what corresponds to" \
        "these Debian packages, then run this again: ${missing[*]}"
fi

sudo=()
if [ "$(id -u)" != 0 ]; then
    has_program sudo || die "not root, and sudo is not there; as root, run:" \
        "apt-get update && apt-get install ${missing[*]}"
    sudo=(sudo)
fi

say "dependencies: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
started=$SECONDS
if ! apt update >"$log" 2>&1; then
    say "dependencies: apt-get update failed, trying once more"
    sleep 5
    apt update >"$log" 2>&1 || say "dependencies: apt-get update failed again; going on with the old lists"
fi
if ! apt install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "apt-get install failed (its last lines are above); wanted: ${missing[*]}"
fi
find_missing
if [ ${#missing[@]} != 0 ]; then
    die "still missing after the installation: ${missing[*]}"
fi
say "dependencies: installed in $((SECONDS - started)) s"
