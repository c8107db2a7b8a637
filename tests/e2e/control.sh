#!/usr/bin/env bash
# Orders from another terminal: pause, resume, cancel, priority, requeue; while a sweep runs and when
# none does.  One writer throughout.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >steer.yaml <<'YAML'
sweep: steer
stages:
  first: {kind: mock, process: true, sleep: 0.3, grid: {seed: {range: [0, 6]}}}
  long: {kind: mock, process: true, sleep: 60, steps: 60, seed: 7}
  after: {kind: mock, process: true, after: $long, seed: 8}
  late: {kind: mock, process: true, sleep: 0.1, priority: -5, grid: {seed: {range: [20, 24]}}}
  bad: {kind: mock, process: true, fail: segv, fail_times: 1, priority: 5, seed: 30}
  need: {kind: mock, process: true, after: $bad, seed: 31}
YAML
state() { sql "SELECT group_concat(DISTINCT state) FROM runs WHERE stage = '$1'" 2>/dev/null; }
is() { [ "$(state "$1")" = "$2" ]; }
n_done() { sql "SELECT count(*) FROM runs WHERE state = 'done'" 2>/dev/null || echo 0; }

"$SAEGRID_BIN/saegrid" run steer.yaml -j 2 >run.log 2>&1 </dev/null &
pid=$!
background+=("$pid")
until_true 30 is bad failed
is_leased() { [ "$(sql "SELECT count(*) FROM runs WHERE stage = 'long' AND state = 'leased'")" = 1 ]; }
same 'what needs a failed job' "$(state need)" skipped
started=$(now_ms)
expect 65 sg requeue "$(sql "SELECT run_id FROM runs WHERE stage = 'bad'")"
says 'fix COMMIT'
echo "an order was answered after $(($(now_ms) - started)) ms"
expect 65 sg requeue --failed --class code --fix 0123456
says 'no such commit'
git init -q repo
git -C repo -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m 'mends it'
commit=$(git -C repo rev-parse HEAD)
(cd repo && expect 0 sg requeue --failed --class code --fix HEAD)
says '1 waits again.*skipped.*: 1'
until_true 30 is need done
same 'the recorded fix' "$(sql 'SELECT commit_id FROM fix')" "$commit"
pass 'requeue while it runs, with a commit that exists'

expect 0 sg pause
sleep 1
until_true 20 is_leased
done_then=$(n_done)
sleep 1.2
[ "$(n_done)" -le $((done_then + 1)) ] || fail 'jobs go on while paused'
expect 0 sg status
says 'paused by'
expect 0 sg priority 9 late
says 'priority 9 for 4 jobs'
expect 0 sg resume
expect 0 sg resume
says 'was not paused'
until_true 30 is late done
pass 'pause, priority, resume'

until_true 20 is_leased
expect 65 sg cancel nosuch
expect 64 sg priority high late
expect 0 sg cancel long
says '1 cancelled, 1 of them while running; skipped.*: 1'
got=0
wait $pid || got=$?
same 'exit code' "$got" 1
same 'the cancelled stage' "$(state long)" cancelled
same 'what needs it' "$(state after)" skipped
grep -q 'saegrid: cancel of' run.log || fail 'the coordinator does not say who ordered it'
same 'orders left' "$(find results/control -type f)" ''
expect 0 sg explain "$(sql "SELECT run_id FROM runs WHERE stage = 'long'")"
says 'cancelled by'
pass 'cancel while it runs'

expect 0 sg requeue "$(sql "SELECT run_id FROM runs WHERE stage = 'long'")"
same 'the requeued job' "$(state long)" waiting
same 'what needs it' "$(state after)" waiting
expect 0 sg cancel steer
says '2 cancelled'
same 'jobs that wait' "$(sql "SELECT count(*) FROM job WHERE state IN ('waiting', 'ready')")" 0
expect 0 sg check
pass 'the same orders when nothing runs'
