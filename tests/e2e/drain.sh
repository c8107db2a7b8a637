#!/usr/bin/env bash
# SIGTERM drains: exit 75, nothing lost, and the same command goes on to the end.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >drain.yaml <<'YAML'
sweep: drain
stages:
  slow: {kind: mock, process: true, sleep: 1, steps: 20, grid: {seed: {range: [0, 12]}}}
YAML
n_done() { sql "SELECT count(*) FROM job WHERE state = 'done'" 2>/dev/null || echo 0; }
has_done() { [ "$(n_done)" -ge "$1" ]; }
for signal in TERM USR1; do
    "$SAEGRID_BIN/saegrid" run drain.yaml -j 2 >"$log" 2>&1 </dev/null &
    pid=$!
    background+=("$pid")
    goal=$(($(n_done) + 2))
    until_true 60 has_done "$goal"
    kill -"$signal" "$pid"
    got=0
    wait "$pid" || got=$?
    same "exit code after SIG$signal" "$got" 75
    same 'leases left' "$(sql "SELECT count(*) FROM job WHERE state = 'leased'")" 0
    pass "SIG$signal with $(n_done) of 12 done"
done
expect 0 sg run drain.yaml -j 2
same 'jobs that are not done' "$(n_not_done)" 0
same 'attempts counted against a job' "$(sql "SELECT count(*) FROM failures")" 0
pass 'the same command went on to the end'
