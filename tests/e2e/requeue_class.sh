#!/usr/bin/env bash
# The first failure is printed at once, not at the end; `requeue --failed --class infra` puts back
# exactly what failed so, and what was skipped because of it.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >fails.yaml <<'YAML'
sweep: fails
defaults: {retries: 0}
stages:
  disk: {kind: mock, process: true, fail: infra, fail_times: 1, priority: 5, grid: {seed: [1, 2]}}
  bug:  {kind: mock, process: true, fail: segv, seed: 3}
  bad:  {kind: mock, process: true, fail: config, seed: 4}
  good: {kind: mock, process: true, sleep: 4, seed: 5}
YAML
"$SAEGRID_BIN/saegrid" run fails.yaml -j 2 --progress none >"$log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
says_failure() { grep -Eq 'saegrid: job [0-9]+ fails_mock_.* (failed|was quarantined)' "$log"; }
until_true 30 says_failure
kill -0 "$pid" || fail 'the failure was printed at the end only'
same 'state of the long job at the first message' "$(sql "SELECT state IN ('leased', 'ready') FROM runs WHERE stage = 'good'")" 1
got=0
wait "$pid" || got=$?
same 'exit code' "$got" 1
pass 'the first failure was said while the sweep ran'

states() { sql "SELECT group_concat(stage || ' ' || state, ', ') FROM (SELECT stage, state FROM runs ORDER BY stage, run_id)"; }
same 'states' "$(states)" 'bad failed, bug failed, disk quarantined, disk quarantined, good done'
expect 64 sg requeue --failed --class disk
says 'infra'
expect 64 sg requeue
expect 64 sg requeue --class infra
expect 65 sg requeue --failed --class code fails
says '--fix'
expect 0 sg requeue --failed --class science fails
says 'no job has failed'
expect 0 sg requeue --failed --class infra
same 'states' "$(states)" 'bad failed, bug failed, disk waiting, disk waiting, good done'
expect 1 sg run fails.yaml -j 2
same 'states' "$(states)" 'bad failed, bug failed, disk done, disk done, good done'
same 'attempts' "$(sql "SELECT group_concat(n, ' ') FROM (SELECT count(*) AS n FROM attempt a JOIN runs r ON r.run_id =
    (SELECT run_name FROM job WHERE id = a.job) GROUP BY r.stage, r.run_id ORDER BY r.stage, r.run_id)")" '1 1 2 2 1'
expect 0 sg requeue --failed # neither the code's fault, which needs --fix
same 'states' "$(states)" 'bad waiting, bug failed, disk done, disk done, good done'
expect 0 sg check
pass 'requeue --failed --class put back what failed so, and nothing else'
