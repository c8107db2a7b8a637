#!/usr/bin/env bash
# Killed without warning half way, the same command ends in the same numbers as if undisturbed.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

spec=$sweeps/hooks.yaml
expect 0 sg run "$spec" -j 2 --results "$work/calm"

n_done() { sql "SELECT count(*) FROM job WHERE state = 'done'" 2>/dev/null || echo 0; }
has_done() { [ "$(n_done)" -ge "$1" ]; }
for goal in 5 25; do
    setsid "$SAEGRID_BIN/saegrid" run "$spec" -j 2 >"$log" 2>&1 </dev/null &
    pid=$!
    background+=("$pid")
    until_true 120 has_done "$goal"
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || echo "killed with $(n_done) jobs done"
done
expect 0 sg run "$spec" -j 2
same 'jobs that are not done' "$(n_not_done)" 0
same 'numbers of the killed and the calm run' "$(digest "$SAEGRID_RESULTS")" "$(digest "$work/calm")"
same 'integrity' "$(sql 'PRAGMA integrity_check')" ok
expect 0 sg check
pass 'nothing lost, nothing different'
