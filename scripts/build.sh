#!/usr/bin/env bash
# build.sh - configures and builds one CMake preset.
#
#   scripts/build.sh [release|dev|real64]     programs are then in build/<preset>/bin/
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=lib.sh
. "$root/scripts/lib.sh"
preset=${1:-release}

cmake=$(find_tool cmake 3.22) || die "cmake >= 3.22 is not on PATH; scripts/deps.sh installs it"
ninja=$(find_tool ninja) || die "ninja is not on PATH; scripts/deps.sh installs it"
cd "$root"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
started=$SECONDS
say "build: configuring $preset"
if ! "$cmake" --preset "$preset" -DCMAKE_MAKE_PROGRAM="$ninja" >"$log" 2>&1; then
    cat "$log" >&2
    die "configuring $preset failed"
fi
say "build: compiling $preset"
if [ -t 1 ]; then
    "$ninja" -C "build/$preset"
elif ! "$ninja" -C "build/$preset" >"$log" 2>&1; then
    cat "$log" >&2
    die "compiling $preset failed"
fi
say "build: build/$preset/bin is ready after $((SECONDS - started)) s"
