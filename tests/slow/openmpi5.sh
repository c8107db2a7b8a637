#!/usr/bin/env bash
# The whole program on Open MPI 5 and the newer compiler and libraries of Debian 13: builds without
# a warning, passes its unit, sim and mpi tests, gives the same bits with any number of agents,
# with and without ULFM, and survives a killed agent; ULFM reports it at once.
#
#   scripts/trixie-root.sh DIR && SAEGRID_TRIXIE_ROOT=DIR ctest --test-dir build/release -R openmpi5
#
# Runs itself a second time inside the root, in a PID namespace of its own: nothing outlives it.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    skip() { echo "skipped: $*"; exit 77; }
    [ -n "${SAEGRID_TRIXIE_ROOT:-}" ] || skip "SAEGRID_TRIXIE_ROOT is not set: the folder that scripts/trixie-root.sh made"
    [ "$(id -u)" = 0 ] || skip "chroot needs root"
    source=${SAEGRID_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
    "$source/scripts/trixie-root.sh" "$SAEGRID_TRIXIE_ROOT"
    root=$(realpath "$SAEGRID_TRIXIE_ROOT")

    # Tracked files as they are here; the build folder stays, so that only changes are compiled.
    copy=$root/opt/saegrid
    mkdir -p "$copy"
    find "$copy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
    if git -C "$source" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git -C "$source" ls-files -z | tar -c -C "$source" --ignore-failed-read --null -T -
    else
        tar -c -C "$source" --exclude=./build --exclude=./results .
    fi | tar -x -C "$copy"

    # TCP over loopback: what other interfaces there are is not what is tested.
    # shellcheck disable=SC2016  # for the inner shell
    exec unshare --mount --pid --fork --kill-child bash -c '
        mount -t proc proc "$1/proc"
        exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            OMPI_MCA_btl_tcp_if_include=lo SAEGRID_SOURCE=/opt/saegrid \
            SAEGRID_BIN=/opt/saegrid/build/release/bin \
            bash /opt/saegrid/tests/slow/openmpi5.sh --inside' openmpi5 "$root"
fi

# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

mpirun --version | grep -F 'Open MPI) 5.' || fail "not Open MPI 5: $(mpirun --version)"
gcc --version | head -n 1
started=$SECONDS
expect 0 cmake -S "$SAEGRID_SOURCE" --preset release -DSAEGRID_WERROR=ON
expect 0 ninja -C "$SAEGRID_SOURCE/build/release"
"$SAEGRID_BIN/saegrid" version | grep -E '^(compiler|mpi|sqlite|cjson|openblas|glibc)'
pass "builds with warnings as errors, $((SECONDS - started)) s"

started=$SECONDS
expect 0 ctest --test-dir "$SAEGRID_SOURCE/build/release" -L '^(unit|sim|mpi)$' --no-tests=error \
    --output-on-failure --parallel "$(nproc)"
pass "unit, sim, mpi: $(grep 'tests passed' "$log"), $((SECONDS - started)) s"
started=$SECONDS
expect 0 ctest --test-dir "$SAEGRID_SOURCE/build/release" -L '^e2e$' --no-tests=error \
    -R 'bad_input|bad_results|crash_resume|determinism|drain' --output-on-failure
pass "killed, drained, ill fed: $(grep 'tests passed' "$log"), $((SECONDS - started)) s"

spec=$sweeps/smoke.yaml
smoke() { # NAME COMMAND...: the sweep in a folder of its own
    local name=$1 begin
    shift
    begin=$(now_ms)
    SAEGRID_RESULTS=$work/$name expect 0 timeout 120 "$@"
    echo "smoke.yaml: $name: $(($(now_ms) - begin)) ms, $(digest "$work/$name" | cut -c 1-16)"
    same "numbers of '$name' and of -j 1" "$(digest "$work/$name")" "$(digest "$work/one agent")"
}
smoke 'one agent' "$SAEGRID_BIN/saegrid" run "$spec" -j 1
smoke 'two agents' "$SAEGRID_BIN/saegrid" run "$spec" -j 2
smoke 'two agents and ULFM' "$SAEGRID_BIN/saegrid" run "$spec" -j 2 --ulfm
smoke 'three agents' "$SAEGRID_BIN/saegrid" run "$spec" -j 3
launch=(mpirun --enable-recovery --oversubscribe --bind-to none)
smoke 'mpirun' "${launch[@]}" -n 3 "$SAEGRID_BIN/saegrid" serve "$spec"
smoke 'mpirun with ULFM' "${launch[@]}" --with-ft ulfm -n 3 "$SAEGRID_BIN/saegrid" serve "$spec"
smoke 'shared memory only' "${launch[@]}" --mca btl sm,self -n 3 "$SAEGRID_BIN/saegrid" serve "$spec"
rows=$(sql "$work/one agent/manifest.sqlite" 'SELECT count(*) FROM metrics WHERE NOT is_volatile')
[ "$rows" -gt 300 ] || fail "only $rows metrics compared"
pass "$rows metrics are the same bits in every one"

cat >lost.yaml <<'YAML'
sweep: lost
stages:
  a: {kind: mock, process: true, sleep: 1, grid: {seed: {range: [0, 6]}}}
YAML
victim=
has_victim() {
    victim=$(sql "SELECT pid FROM attempt WHERE outcome = 'running' AND job > 2 LIMIT 1" 2>/dev/null)
    [ -n "$victim" ]
}
# lose_agent NAME OPTIONS...: kills one in mid-job; sets `took`, from the kill to its being noticed
lose_agent() {
    local killed pid status=0
    SAEGRID_RESULTS=$work/$1
    shift
    "$SAEGRID_BIN/saegrid" run lost.yaml -j 2 "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    background+=("$pid")
    until_true 30 has_victim
    killed=$(now_ms)
    kill -KILL "$victim"
    wait "$pid" || status=$?
    same 'exit code after a killed agent' "$status" 0
    same 'jobs done' "$(sql "SELECT count(*) FROM job WHERE state = 'done'")" 6
    same 'agents lost' "$(sql "SELECT count(*) FROM event WHERE type = 'agent_lost'")" 1
    same 'failures' "$(sql 'SELECT count(*) FROM failures')" 0
    took=$(($(sql "SELECT wall_ms FROM event WHERE type = 'agent_lost'") - killed))
}
lose_agent 'lost, heartbeats'
pass "a killed agent is survived; noticed by its silence after $took ms"
for i in 1 2 3 4 5; do
    lose_agent "lost, ULFM $i" --ulfm
    [ "$took" -lt 2000 ] || fail "with ULFM a killed agent was noticed after $took ms only"
    pass "with ULFM it is noticed after $took ms"
done

[ -z "$(pgrep -x 'saegrid|saegrid-agent|saegrid-runner|mpirun|prterun')" ] ||
    fail "left running: $(pgrep -al 'saegrid|mpirun|prte')"
pass 'nothing is left running'
