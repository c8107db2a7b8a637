#!/usr/bin/env bash
# From another terminal, while a sweep runs: pause, resume, priority, cancel, status --watch, logs -f.
# The coordinator stays the only writer; without one the commands do it themselves.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >ctl.yaml <<'YAML'
sweep: ctl
stages:
  first: {kind: mock, process: true, sleep: 0.4, steps: 8, grid: {seed: {range: [0, 10]}}}
  last: {kind: mock, process: true, sleep: 0.4, steps: 8, grid: {seed: {range: [10, 14]}}}
  doomed: {kind: mock, process: true, sleep: 60, steps: 600, grid: {seed: {range: [20, 23]}}}
YAML
n_in() { sql "SELECT count(*) FROM runs WHERE stage LIKE '$1' AND state = '$2'" 2>/dev/null || echo 0; }
# is_n STAGE STATE N: so many at least; with N = 0 none
is_n() {
    local n
    n=$(n_in "$1" "$2")
    if [ "$3" = 0 ]; then [ "$n" = 0 ]; else [ "$n" -ge "$3" ]; fi
}
expect 65 sg pause
"$SAEGRID_BIN/saegrid" run ctl.yaml -j 2 --set doomed.priority=-5 >"$work/run.log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
until_true 60 is_n first "done" 1

begin=$(now_ms)
expect 0 sg pause ctl
says 'ctl: paused'
took=$(($(now_ms) - begin))
[ "$took" -lt 3000 ] || fail "pause took $took ms"
until_true 30 is_n % leased 0
expect 0 sg explain "$(sql "SELECT run_id FROM runs WHERE state = 'ready' LIMIT 1")"
says 'Sweep ctl is paused'
n=$(n_attempts)
sleep 1.5
same 'attempts while paused' "$(n_attempts)" "$n"
expect 0 sg status
says 'sweep ctl is paused'
pass "pause: answered in $took ms, nothing was granted in 1.5 s"

expect 0 sg priority last 9
says 'priority 9 for 4 jobs'
expect 0 sg resume
until_true 60 is_n last "done" 4
first_done=$(n_in first "done")
[ "$first_done" -lt 10 ] || fail 'the stage with the higher priority did not go first'
expect 64 sg priority last high
expect 65 sg cancel nonsense
pass "priority: the last stage was done with $first_done of 10 jobs of the first"

until_true 60 is_n doomed leased 2
shows_steps() { sg status >"$log" && grep -Eq '[1-9][0-9]*/600' "$log"; }
until_true 20 shows_steps
says_not 'is paused'
expect 0 sg cancel ctl.doomed
says 'doomed: 3 jobs cancelled, 2 of them running'
got=0
wait "$pid" || got=$?
same 'exit code with cancelled jobs' "$got" 1
same 'cancelled' "$(n_in doomed cancelled)" 3
same 'runners left' "$(pgrep -fc "saegrid-runner run .*$SAEGRID_RESULTS" || true)" 0
pass 'cancel: running jobs were stopped, the sweep settled'

[ -z "$(ls "$SAEGRID_RESULTS/control")" ] || fail 'orders or answers were left'
[ ! -e "$SAEGRID_RESULTS/progress.json" ] || fail 'progress.json was left'
expect 0 sg check
one=$(sql "SELECT run_id FROM runs WHERE stage = 'doomed' LIMIT 1")
expect 0 sg requeue "$one"
expect 0 sg cancel "$one"     # nobody works on it: this command does it itself
says '1 job cancelled'
expect 0 sg pause
expect 0 sg status
says 'sweep ctl is paused'
expect 0 sg resume ctl
expect 0 timeout 10 "$SAEGRID_BIN/saegrid" status --watch ctl
says '14 of 17 jobs done'
pass 'without a coordinator the commands write the manifest themselves'

cat >one.yaml <<'YAML'
sweep: one
stages:
  job: {kind: mock, process: true, sleep: 2, steps: 4}
YAML
"$SAEGRID_BIN/saegrid" run one.yaml -j 1 >"$work/run.log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
until_true 60 is_n job leased 1
run=$(sql "SELECT run_id FROM runs WHERE sweep = 'one'")
log_is_there() { [ -e "$SAEGRID_RESULTS/experiments/one/$run.tmp/log.txt" ]; }
until_true 30 log_is_there
expect 0 timeout 30 "$SAEGRID_BIN/saegrid" logs -f "$run"
same 'state after logs -f' "$(sql "SELECT state FROM runs WHERE sweep = 'one'")" "done"
expect 0 timeout 10 "$SAEGRID_BIN/saegrid" status --watch one
wait "$pid"
pass 'logs -f ends with its job'
