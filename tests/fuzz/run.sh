#!/usr/bin/env bash
# run.sh - fuzzes every target for a while, reports time and executions, keeps what breaks.
#
#   tests/fuzz/run.sh SECONDS [TARGET...]     targets: proto sweep ckpt sae job
#
# Needs clang with its runtime (Debian: clang libclang-rt-14-dev).  New inputs go to build/fuzz/corpus; an
# input that breaks something is saved under tests/fuzz/crashes/TARGET, where the default tests replay it:
# commit it with the remedy.  To add what was found to the corpus of the tree, smallest set first:
#   build/fuzz/tests/fuzz.TARGET -merge=1 tests/fuzz/corpus/TARGET build/fuzz/corpus/TARGET
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[[ ${1:-} =~ ^[0-9]+$ ]] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 64; }
seconds=$1
shift
targets=("$@")
[ $# -gt 0 ] || targets=(proto sweep ckpt sae job)
command -v clang >/dev/null || { echo 'skipped: clang is not installed (apt-get install clang libclang-rt-14-dev)' >&2; exit 77; }
cd "$root"
unset CC
cmake --preset fuzz >/dev/null
ninja -C build/fuzz "${targets[@]/#/fuzz.}" >build/fuzz/build.log || { tail -n 30 build/fuzz/build.log >&2; exit 1; }
status=0
for target in "${targets[@]}"; do
    mkdir -p "build/fuzz/corpus/$target" "tests/fuzz/crashes/$target"
    log=build/fuzz/$target.log
    dictionary=()
    [ ! -e "tests/fuzz/$target.dict" ] || dictionary=("-dict=tests/fuzz/$target.dict")
    "build/fuzz/tests/fuzz.$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=16384 \
        -print_final_stats=1 "${dictionary[@]}" -artifact_prefix="tests/fuzz/crashes/$target/" \
        "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || { status=1; tail -n 40 "$log" >&2; }
    printf '%s: %s s, %s executions, %s edges\n' "$target" "$seconds" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1 | cut -d ' ' -f 2)"
    rmdir "tests/fuzz/crashes/$target" 2>/dev/null || :
done
exit $status
