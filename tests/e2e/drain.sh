#!/usr/bin/env bash
# SIGINT, SIGTERM and SIGUSR1 to `saegrid run` drain, twice stops at once, SIGUSR1 to mpirun drains
# `serve`: exit 75, nothing lost, nothing charged, and the same command goes on to the end.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >drain.yaml <<'YAML'
sweep: drain
stages:
  slow: {kind: mock, process: true, sleep: 1, steps: 20, grid: {seed: {range: [0, 16]}}}
YAML
n_done() { sql "SELECT count(*) FROM job WHERE state = 'done'" 2>/dev/null || echo 0; }
has_done() { [ "$(n_done)" -ge "$1" ]; }
# stop HOW COMMAND...: begins it, and when two more jobs are done, does HOW to its process.
stop() {
    local how=$1 goal got=0
    shift
    goal=$(($(n_done) + 2))
    env --default-signal=INT "$@" >"$log" 2>&1 </dev/null & # in the background it would be ignored
    pid=$!
    background+=("$pid")
    until_true 60 has_done "$goal"
    until_true 60 is_running
    $how "$pid"
    wait "$pid" || got=$?
    same "exit code of $how" "$got" 75
    same 'leases left' "$(sql "SELECT count(*) FROM job WHERE state = 'leased'")" 0
}
is_running() { [ "$(sql "SELECT count(*) FROM job WHERE state = 'leased'")" -ge 1 ]; }
int() { kill -INT "$1"; }
term() { kill -TERM "$1"; }
usr1() { kill -USR1 "$1"; }
int_twice() { kill -INT "$1"; sleep 0.1; kill -INT "$1" 2>/dev/null || :; } # it may have gone by then
for how in int term usr1 int_twice; do
    begin=$(now_ms)
    stop $how "$SAEGRID_BIN/saegrid" run drain.yaml -j 2
    says 'the same command goes on'
    pass "$how with $(n_done) of 16 done, $(($(now_ms) - begin)) ms in all"
done
# USR1 through mpirun, which a batch system sends; mpirun's own exit code is no promise
goal=$(($(n_done) + 1))
mpirun --enable-recovery --bind-to none --oversubscribe -n 3 \
    "$SAEGRID_BIN/saegrid" serve drain.yaml --results "$SAEGRID_RESULTS" >"$log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
until_true 60 has_done "$goal"
kill -USR1 "$pid"
wait "$pid" || true
says 'stopping; running jobs write a checkpoint'
same 'leases left' "$(sql "SELECT count(*) FROM job WHERE state = 'leased'")" 0
[ "$(n_done)" -lt 16 ] || fail 'all was done before the signal'
pass "SIGUSR1 through mpirun with $(n_done) of 16 done"
expect 0 sg run drain.yaml -j 2
same 'jobs that are not done' "$(n_not_done)" 0
same 'attempts counted against a job' "$(sql "SELECT count(*) FROM failures")" 0
same 'charged to a job' "$(sql 'SELECT sum(n_infra + n_lost + n_oom) FROM job')" 0
same 'jobs done twice' "$(sql "SELECT count(*) - count(DISTINCT job) FROM attempt WHERE outcome = 'done'")" 0
pass "the same command went on to the end; $(n_attempts) attempts of 16 jobs"
n_resumed() { grep -l '"resumed_at"' "$SAEGRID_RESULTS"/experiments/"$1"/*/metrics.json | wc -l; }
[ "$(n_resumed drain)" -ge 3 ] || fail "$(n_resumed drain) jobs went on from a checkpoint: a drain wrote none"
pass "$(n_resumed drain) jobs went on from the checkpoint that a drain had asked for"

# An agent that is told to leave (its node goes down) lets its job write a checkpoint first.
cat >left.yaml <<'YAML'
sweep: left
stages:
  long: {kind: mock, process: true, sleep: 6, steps: 60, checkpoint_every: 1h}
YAML
sg run left.yaml -j 1 >"$log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
has_begun() { sg status left 2>/dev/null | grep -Eq '([5-9]|[1-5][0-9])/60'; }
until_true 60 has_begun
pkill -TERM -f "saegrid-agent --results $SAEGRID_RESULTS"
wait "$pid" || fail "exit $? after an agent has left"
same 'jobs that went on from the checkpoint of an agent that left' "$(n_resumed left)" 1
pass 'an agent that is told to leave has its job write a checkpoint'
