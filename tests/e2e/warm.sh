#!/usr/bin/env bash
# Jobs with a process each come from one warm runner by fork, and become durable together: a process
# a job, its agent as parent, no descriptor too many, and nothing lost when the warm runner is killed.
. "$SAEGRID_SOURCE/tests/e2e/common.bash"

brief() { # NAME JOBS
    printf 'sweep: %s\nstages:\n  noop: {kind: mock, process: true, grid: {seed: {range: [0, %d]}}}\n' "$1" "$2" >"$1.yaml"
}
warm_pids() { # of this test
    local p
    for p in $(pgrep -f '/saegrid-runner warm'); do
        ! grep -qzF "SAEGRID_RESULTS=$SAEGRID_RESULTS" "/proc/$p/environ" 2>/dev/null || echo "$p"
    done
}

brief many 300
expect 0 sg run many.yaml -j 2 --progress none
same 'jobs done' "$(sql "SELECT count(*) FROM runs WHERE state = 'done'")" 300
same 'processes' "$(sql 'SELECT count(DISTINCT pid) FROM attempt')" 300
same 'left half-written' "$(find "$SAEGRID_RESULTS" -name '*.tmp' | wc -l)" 0
same 'results' "$(find "$SAEGRID_RESULTS" -name result.json | wc -l)" 300
grep -q '"command": "[^"]*saegrid-runner run [^"]*\.tmp"' "$SAEGRID_RESULTS"/experiments/many/*seed7_*/result.json ||
    fail 'the command of a job is not that of its process'
expect 0 sg check
pass '300 jobs, 300 processes'

printf 'sweep: nap\nstages:\n  nap: {kind: mock, process: true, sleep: 60, steps: 600}\n' >nap.yaml
"$SAEGRID_BIN/saegrid" run nap.yaml -j 1 --progress none >"$log" 2>&1 &
run=$!
background+=("$run")
napping() { pid=$(pgrep -f "saegrid-runner run $SAEGRID_RESULTS/.*nap" || true) && [ -n "$pid" ]; }
until_true 20 napping
grep -aq saegrid-agent "/proc/$(ps -o ppid= -p "$pid" | tr -d ' ')/cmdline" || fail 'its parent is not the agent'
same 'its group' "$(ps -o pgid= -p "$pid" | tr -d ' ')" "$pid"
same 'its descriptors' "$(cd "/proc/$pid/fd" && echo *)" '0 1 2 3'
same 'descriptors of the warm runner' "$(for w in $(warm_pids); do cd "/proc/$w/fd" && echo *; done)" '0 1 10 2'
kill -USR1 "$run"
got=0
wait "$run" || got=$?
same 'exit code' "$got" 75
gone() { ! kill -0 "$pid" 2>/dev/null; }
until_true 5 gone
pass 'a job is a child of its agent, in its own group, with four descriptors'

brief killed 400
"$SAEGRID_BIN/saegrid" run killed.yaml -j 2 --progress none >"$log" 2>&1 &
run=$!
background+=("$run")
for _ in 1 2 3 4 5 6; do
    sleep 0.15
    for p in $(warm_pids); do
        kill -KILL "$p" || continue
    done
done
got=0
wait "$run" || got=$?
same 'exit code with the warm runner killed' "$got" 0
same 'jobs done' "$(sql "SELECT count(*) FROM runs WHERE sweep = 'killed' AND state = 'done'")" 400
same 'tries' "$(sql "SELECT max(a.epoch) FROM attempt a JOIN job j ON j.id = a.job JOIN sweep s ON s.id = j.sweep WHERE s.name = 'killed'")" 1
same 'left half-written' "$(find "$SAEGRID_RESULTS/experiments/killed" -name '*.tmp' | wc -l)" 0
expect 0 sg check
pass 'the warm runner is killed: no attempt is lost'
