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
# twice: at once, without waiting for a checkpoint
cat >twice.yaml <<'YAML'
sweep: twice
stages:
  deaf: {kind: mock, process: true, fail: hang, seed: 1}
YAML
is_leased() { [ "$(sql "SELECT count(*) FROM job WHERE state = 'leased'" 2>/dev/null)" = 1 ]; }
"$SAEGRID_BIN/saegrid" run twice.yaml -j 1 >"$log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
until_true 60 is_leased
started=$(now_ms)
kill -INT "$pid"
sleep 0.5
kill -0 "$pid" || fail 'one SIGINT killed a job that did not reach a checkpoint'
kill -INT "$pid"
got=0
wait "$pid" || got=$?
took=$(($(now_ms) - started))
same 'exit code after SIGINT twice' "$got" 75
[ $took -lt 6000 ] || fail "SIGINT twice took $took ms"
same 'leases left' "$(sql "SELECT count(*) FROM job WHERE state = 'leased'")" 0
same 'class of what was stopped' "$(sql "SELECT a.class FROM attempt a JOIN job j ON j.id = a.job
    WHERE j.run_name LIKE 'twice%' ORDER BY a.epoch DESC LIMIT 1")" external
pass "SIGINT twice: at once, in $took ms"

# on a cluster: SIGUSR1 to mpirun reaches serve and every agent
mpirun --enable-recovery --bind-to none --oversubscribe -n 3 "$SAEGRID_BIN/saegrid" serve drain.yaml \
    --progress none --status "$work/status" >"$log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
goal=$(($(n_done) + 2))
until_true 60 has_done "$goal"
kill -USR1 "$pid"
wait "$pid" || echo "mpirun's exit code is its own: $?"
same 'exit code of serve' "$(sed -n 's/^exit //p' status)" 75
same 'leases left' "$(sql "SELECT count(*) FROM job WHERE state = 'leased'")" 0
[ "$(n_done)" -lt 12 ] || fail 'nothing was left to stop'
pass "SIGUSR1 through mpirun with $(n_done) of 12 done"

expect 0 sg run drain.yaml -j 2
same 'jobs that are not done' "$(sql "SELECT count(*) FROM runs WHERE sweep = 'drain' AND state <> 'done'")" 0
same 'attempts counted against a job' "$(sql "SELECT count(*) FROM failures")" 0
pass 'the same command went on to the end'
