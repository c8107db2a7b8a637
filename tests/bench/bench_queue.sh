#!/usr/bin/env bash
# Jobs a second from a sweep file to a settled manifest, and beside it others on the same no-op work, each
# counted to its last durable result; rounds are interleaved.
#
#   SAEGRID_BIN=build/release/bin tests/bench/bench_queue.sh [ROUNDS]
#   OLD_BIN=other/bin  the same with these programs in each round, as `old`
#   JOBS=100000 PROCESSES=1000 AGENTS=2  sizes
#
# GNU parallel, mpi4py.futures and Work Queue run where they are installed (parallel, python3-mpi4py,
# coop-computing-tools).  They keep no database: parallel writes a job log that is synced at the end, the
# Python ones a line a result, flushed and synced every 64.
# `commits` are distinct times of events.
set -eu
bin=${SAEGRID_BIN:-build/release/bin}
rounds=${1:-3} jobs=${JOBS:-100000} processes=${PROCESSES:-1000} agents=${AGENTS:-2}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sweep() { # NAME JOBS EXTRA
    printf 'sweep: %s\nstages:\n  noop: {kind: mock, %s grid: {seed: {range: [0, %d]}, steps: {range: [1, 101]}}}\n' \
        "$1" "$3" $(($2 / 100)) >"$work/$1.yaml"
}
sweep small 1000 ''
sweep large "$jobs" ''
sweep process "$processes" 'process: true,'

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
cat >"$work/queue.py" <<'PY'
import os, sys
import work_queue as wq
n = int(sys.argv[1])
q = wq.WorkQueue(port=0)
open(sys.argv[3], "w").write(str(q.port))
for i in range(n):
    q.submit(wq.Task("true"))
done = 0
with open(sys.argv[2], "w") as log:
    while not q.empty():
        t = q.wait(5)
        if t:
            log.write("%d %d\n" % (t.id, t.return_status))
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

saegrid() { # NAME BIN SWEEP JOBS
    rm -rf "$work/results"
    measured "$2/saegrid" run "$work/$3.yaml" -j "$agents" --results "$work/results" --progress none
    n=$(sqlite3 "$work/results/manifest.sqlite" "SELECT count(*) FROM job WHERE state = 'done'")
    [ "$n" = "$4" ] || { echo "$1: $n of $4 are done"; exit 1; }
    line "$1" "$4" "$ms" "$cpu" "$(sqlite3 "$work/results/manifest.sqlite" 'SELECT count(DISTINCT wall_ms) FROM event')"
}

printf '%-28s %8s %9s %10s %12s %9s\n' what jobs seconds jobs/s 'us CPU/job' commits
for _ in $(seq "$rounds"); do
    for which in ${OLD_BIN:+old} new; do
        at=$bin
        [ "$which" = new ] || at=$OLD_BIN
        saegrid "$which in-agent, 1000" "$at" small 1000
        saegrid "$which in-agent" "$at" large "$jobs"
        saegrid "$which process" "$at" process "$processes"
    done
    if command -v parallel >/dev/null; then
        # shellcheck disable=SC2016
        measured bash -c 'seq "$1" | parallel --will-cite -j "$2" --joblog "$3" true && sync "$3"' - \
            "$processes" "$agents" "$work/joblog"
        line 'GNU parallel, process' "$processes" "$ms" "$cpu" -
    fi
    if /usr/bin/python3 -c 'import mpi4py.futures' 2>/dev/null; then
        measured mpirun --oversubscribe --bind-to none -n $((agents + 1)) /usr/bin/python3 -m mpi4py.futures \
            "$work/futures.py" 20000 "$work/futures.log"
        line 'mpi4py.futures, call' 20000 "$ms" "$cpu" $((20000 / 64 + 1))
    fi
    if /usr/bin/python3 -c 'import work_queue' 2>/dev/null && command -v work_queue_worker >/dev/null; then
        rm -f "$work/port"
        # shellcheck disable=SC2016
        measured bash -c '/usr/bin/python3 "$1/queue.py" "$2" "$1/queue.log" "$1/port" & m=$!
            until [ -s "$1/port" ]; do sleep 0.05; done
            work_queue_worker --cores "$3" -t 5 localhost "$(cat "$1/port")" & w=$!
            wait $m; kill $w' - "$work" "$processes" "$agents"
        line 'Work Queue, process' "$processes" "$ms" "$cpu" $((processes / 64 + 1))
    fi
done
