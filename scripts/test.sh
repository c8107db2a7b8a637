#!/usr/bin/env bash
# test.sh - installs what is missing, builds, and runs every default test.
#
#   scripts/test.sh            the release build and all of its tests
#   scripts/test.sh --dev      before that, the unit and sim tests under ASan and UBSan
#   scripts/test.sh -R smoke   other options go to ctest
#
# Left out: tests labelled slow, peer (needs other people's software) and bench.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=lib.sh
. "$root/scripts/lib.sh"

with_dev=0
if [ "${1:-}" = --dev ]; then
    with_dev=1
    shift
fi

"$root/scripts/deps.sh"
allow_mpi_as_root
cmake=$(find_tool cmake 3.22) || die "cmake >= 3.22 is not on PATH"
ctest=$(dirname "$cmake")/ctest

# run_ctest PRESET OPTIONS...
run_ctest() {
    local preset=$1
    shift
    "$ctest" --test-dir "$root/build/$preset" --output-on-failure --no-tests=error \
        --parallel "$(cores)" --label-exclude '^(slow|peer|bench)$' "$@"
}

status=0
if [ $with_dev = 1 ]; then
    "$root/scripts/build.sh" dev
    run_ctest dev --label-regex '^(unit|sim|issues)$' "$@" || status=$?
fi
"$root/scripts/build.sh" release
# A kill at a random moment can meet a machine that is busy otherwise: the first failure is printed,
# and the test has one more try.
run_ctest release --repeat until-pass:2 "$@" || status=$?
exit "$status"
