#!/usr/bin/env bash
# Jobs that failed go back while their sweep runs, with what was skipped because of them: the
# coordinator does it, and the same sweep ends well.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >back.yaml <<'YAML'
sweep: back
defaults: {retries: 0}
stages:
  bug:   {kind: mock, process: true, fail: segv, fail_times: 1, priority: 9, seed: 30}
  disk:  {kind: mock, process: true, fail: infra, fail_times: 1, priority: 9, grid: {seed: [31, 32]}}
  after: {kind: mock, process: true, after: $bug, seed: 33}
  long:  {kind: mock, process: true, sleep: 6, steps: 60, seed: 34}
YAML
git init -q repo
git -C repo -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m 'mends it'
"$SAEGRID_BIN/saegrid" run back.yaml -j 2 >"$work/run.log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
have_failed() { [ "$(sql "SELECT group_concat(state) FROM (SELECT state FROM runs WHERE state IN ('failed', 'quarantined', 'skipped')
    ORDER BY state)" 2>/dev/null)" = failed,quarantined,quarantined,skipped ]; }
until_true 60 have_failed
bug=$(sql "SELECT run_id FROM runs WHERE stage = 'bug'")
expect 65 sg requeue "$bug"
says '--fix'
expect 0 sg requeue --failed --class infra back
says 'back: 2 jobs back in the queue'
says 'the running sweep takes up'
(cd repo && expect 0 sg requeue "$bug" --fix HEAD) || exit 1
same 'recorded fix' "$(sql 'SELECT commit_id FROM fix')" "$(git -C repo rev-parse HEAD)"

kill -0 "$pid" || fail 'the sweep had ended before the jobs went back'
got=0
wait "$pid" || got=$?
same 'exit code after all went back' "$got" 0
same 'jobs not done' "$(sql "SELECT count(*) FROM runs WHERE sweep = 'back' AND state <> 'done'")" 0
expect 0 sg check
pass 'requeue while it runs: one coordinator, every job done in the end'
[ -z "$(ls "$SAEGRID_RESULTS/control")" ] || fail 'orders or answers were left'
