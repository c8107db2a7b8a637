#!/usr/bin/env bash
# What the queue costs, and beside it others on the same no-op work, each counted to its last durable
# result; rounds are interleaved.
#
#   SAEGRID_BIN=build/release/bin tests/bench/bench_queue.sh [ROUNDS]
#   OLD_BIN=other/bin    the same with these programs in each round, as `old`
#   JOBS=100000 PROCESSES=5000 CALLS=20000 AGENTS=2 NAPS=10   sizes
#   MILLION=1            a sweep of 1,000,000 jobs too, with the coordinator's memory
#   IMAGE=FILE           as root: a fresh ext4 in this file (made, 6 GB) instead of $TMPDIR.  ext4 is slow
#                        to create files where many were deleted in the last minutes
#
# GNU parallel, mpi4py.futures and Work Queue run where they are installed (parallel, python3-mpi4py,
# coop-computing-tools with -dev).  They keep no database and no result folder: parallel writes a job log
# that is synced at the end, the others a line a result, flushed and synced every 64.
# `commits` are distinct times of events.
set -eu
bin=${SAEGRID_BIN:-build/release/bin}
here=$(cd "$(dirname "$0")" && pwd)
rounds=${1:-3} jobs=${JOBS:-100000} processes=${PROCESSES:-5000} agents=${AGENTS:-2} naps=${NAPS:-10} calls=${CALLS:-20000}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp
work=$(mktemp -d)
clean_up() {
    [ -z "${IMAGE:-}" ] || umount -l "$work"
    rm -rf "$work"
}
if [ -n "${IMAGE:-}" ]; then
    fallocate -l 6G "$IMAGE"
    mkfs.ext4 -q -F -i 2048 -E lazy_itable_init=0,lazy_journal_init=0 "$IMAGE"
    mount -o loop "$IMAGE" "$work"
fi
trap clean_up EXIT

sweep() { # NAME SETTINGS
    printf 'sweep: %s\nstages:\n  noop: {kind: mock, %s}\n' "$1" "$2" >"$work/$1.yaml"
}
grid() { printf 'grid: {seed: {range: [0, %d]}, steps: {range: [1, 101]}}' $(($1 / 100)); }
sweep small "$(grid 1000)"
sweep large "$(grid "$jobs")"
sweep million "$(grid 1000000)"
sweep process "process: true, grid: {seed: {range: [0, $processes]}}"
sweep naps "process: true, sleep: 1, grid: {seed: {range: [0, $naps]}}"

cat >"$work/futures.py" <<'PY'
import os, sys
from mpi4py.futures import MPIPoolExecutor
def noop(i):
    return i
if __name__ == "__main__":
    n, done = int(sys.argv[1]), 0
    with MPIPoolExecutor() as pool, open(sys.argv[2], "w") as log:
        for i in pool.map(noop, range(n), chunksize=1, unordered=True):
            log.write("%d\n" % i)
            done += 1
            if done % 64 == 0 or done == n:
                log.flush()
                os.fsync(log.fileno())
PY

line() { # NAME JOBS MILLISECONDS CPU_SECONDS COMMITS
    awk -v name="$1" -v n="$2" -v ms="$3" -v cpu="$4" -v commits="$5" 'BEGIN {
        printf "%-28s %8d %9.2f %10.0f %12.1f %9s\n", name, n, ms / 1e3, n / ms * 1e3, cpu / n * 1e6, commits }'
}

# measured COMMAND...: sets ms and cpu
measured() {
    local t
    t=$(date +%s%N)
    bash -c 'TIMEFORMAT="%U %S"; out=$1; shift; { time "$@" >"$out.log" 2>&1; } 2>"$out"' - "$work/time" "$@"
    ms=$((($(date +%s%N) - t) / 1000000))
    cpu=$(awk '{ print $1 + $2 }' "$work/time")
}
sql() { sqlite3 -readonly "$results/manifest.sqlite" "$1"; }

saegrid() { # NAME BIN SWEEP JOBS
    n_runs=$((${n_runs:-0} + 1))
    results=$work/results$n_runs
    measured "$2/saegrid" run "$work/$3.yaml" -j "$agents" --results "$results" --progress none
    n=$(sql "SELECT count(*) FROM job WHERE state = 'done'")
    [ "$n" = "$4" ] || { echo "$1: $n of $4 are done"; exit 1; }
    line "$1" "$4" "$ms" "$cpu" "$(sql 'SELECT count(DISTINCT wall_ms) FROM event')"
}

peers() {
    if command -v parallel >/dev/null; then
        # shellcheck disable=SC2016
        measured bash -c 'seq "$1" | parallel --will-cite -j "$2" --joblog "$3" true && sync "$3"' - \
            "$processes" "$agents" "$work/joblog"
        line 'GNU parallel, process' "$processes" "$ms" "$cpu" -
    fi
    if /usr/bin/python3 -c 'import mpi4py.futures' 2>/dev/null; then
        measured mpirun --oversubscribe --bind-to none -n $((agents + 1)) /usr/bin/python3 -m mpi4py.futures \
            "$work/futures.py" "$calls" "$work/futures.log"
        line "mpi4py.futures, call" "$calls" "$ms" "$cpu" $((calls / 64 + 1))
    fi
    if [ -x "$work/wq" ]; then
        rm -f "$work/port"
        # shellcheck disable=SC2016
        measured bash -c '"$1/wq" "$2" "$1/wq.log" "$1/port" & m=$!
            until [ -s "$1/port" ]; do sleep 0.05; done
            work_queue_worker --cores "$3" -t 60 localhost "$(cat "$1/port")" & w=$!
            wait $m; kill $w' - "$work" "$processes" "$agents"
        line 'Work Queue, process' "$processes" "$ms" "$cpu" $((processes / 64 + 1))
    fi
}

# From the start of a job of a second to the start of the next, beyond the second.
added() {
    results=$work/naps
    "$bin/saegrid" run "$work/naps.yaml" -j 1 --results "$results" --progress none >/dev/null
    sql "SELECT printf('added to a job of 1 s: %.1f ms (%d in a row)', (max(started_ms) - min(started_ms)) / (count(*) - 1.0) - 1000, count(*)) FROM attempt"
}

# Time from the command to the first grant, on a manifest that was left in the middle.
restart() {
    results=$work/restart
    "$bin/saegrid" run "$work/large.yaml" -j "$agents" --results "$results" --progress none >/dev/null 2>&1 &
    local run=$! t
    until [ "$(sql "SELECT count(*) FROM event WHERE type = 'done'" 2>/dev/null || echo 0)" -gt $((jobs / 4)) ]; do sleep 0.05; done
    t=$(pgrep -P "$run" mpirun)
    kill -KILL "$run" "$t"
    wait "$run" 2>/dev/null || sleep 3
    t=$(date +%s%3N)
    "$bin/saegrid" run "$work/large.yaml" -j "$agents" --results "$results" --progress none >/dev/null
    sql "SELECT printf('first grant after a restart on %d jobs: %.2f s', (SELECT count(*) FROM job), (min(wall_ms) - $t) / 1e3) FROM event WHERE type = 'grant' AND wall_ms > $t"
}

million() {
    results=$work/million
    "$bin/saegrid" run "$work/million.yaml" -j "$agents" --results "$results" --progress none >/dev/null &
    local run=$! t high=0 now
    t=$(date +%s%3N)
    while kill -0 "$run" 2>/dev/null; do
        now=$(awk '/VmHWM/ { print $2 }' "$(pgrep -f "^[^ ]*saegrid serve .*$results" | head -n 1 | sed 's|.*|/proc/&/status|')" 2>/dev/null || echo 0)
        [ "${now:-0}" -le "$high" ] || high=$now
        sleep 0.2
    done
    t=$(($(date +%s%3N) - t))
    echo "1,000,000 jobs: $((t / 1000)) s, $((1000000000 / t)) jobs/s, coordinator $((high / 1024)) MiB at most," \
        "$(sql "SELECT count(*) FROM job WHERE state = 'done'") done"
}

if [ -e /usr/include/cctools/work_queue.h ]; then
    gcc -O2 "$here/work_queue_noop.c" -o "$work/wq" -lwork_queue -ldttools -lm -lz -lcrypto -lssl
fi
printf '%-28s %8s %9s %10s %12s %9s\n' what jobs seconds jobs/s 'us CPU/job' commits
for _ in $(seq "$rounds"); do
    for which in ${OLD_BIN:+old} new; do
        at=$bin
        [ "$which" = new ] || at=$OLD_BIN
        saegrid "$which in-agent, 1000" "$at" small 1000
        saegrid "$which in-agent" "$at" large "$jobs"
        saegrid "$which process" "$at" process "$processes"
    done
    peers
done
added
restart
[ -z "${MILLION:-}" ] || million
