#!/usr/bin/env bash
# Successive halving: who is promoted, and every number, are the same for 1, 2 and 5 workers and after a kill; a
# training that goes on from a shorter one has the weights of one that took all steps at once.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >halving.yaml <<'YAML'
sweep: halving
params: {k: [2, 3], steps: 24}
stages:
  organism: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 400}
  rung0:
    kind: sae_train
    acts: $organism
    d_sae: 12
    batch: 64
    steps: 8
    keep_state: true
    gate: {metric: ev, top: 0.5}
    grid: {k: '${k}', lr: [1e-3, 1e-2]}
  rung1: {kind: sae_train, acts: $organism, from: $rung0, require: $rung0, steps: 16, keep_state: true, gate: {metric: ev, top: 1}}
  rung2: {kind: sae_train, acts: $organism, from: $rung1, require: $rung1, steps: '${steps}', keep_state: false}
  whole: {kind: sae_train, acts: $organism, d_sae: 12, batch: 64, steps: '${steps}', k: 3, lr: 1e-2}
YAML
picks() { sg table promotions --results "$1" --csv --columns stage,job,metric,verdict,reason,stopped_jobs | sort; }

for j in 1 2 5; do
    expect 0 sg run halving.yaml -j "$j" --results "$work/j$j"
    says '14 jobs: 9 done \(3 stopped, others were better\), 5 skipped'
    picks "$work/j$j" >"picks$j"
done
same 'promoted of each rung' "$(grep -c promoted picks1) $(grep -c 'stopped: rank' picks1)" '3 3'
same 'picks of 1 and 2 workers' "$(cat picks1)" "$(cat picks2)"
same 'picks of 1 and 5 workers' "$(cat picks1)" "$(cat picks5)"
same 'numbers of 1 and 2 workers' "$(digest "$work/j1")" "$(digest "$work/j2")"
same 'numbers of 1 and 5 workers' "$(digest "$work/j1")" "$(digest "$work/j5")"
pass 'the number of workers does not matter'

weights() { # of the job that has taken all steps, and of the one that did so at once
    sql "$work/j1/manifest.sqlite" "SELECT lower(hex(a.sha256)) FROM artifact a JOIN job j ON j.id = a.job JOIN stage t ON t.id = j.stage
        WHERE t.name = '$1' AND a.path = 'checkpoints/sae.pt'"
}
same 'the survivor was picked with k 3 and lr 0.01' "$(sql "$work/j1/manifest.sqlite" "SELECT k || ' ' || lr FROM runs WHERE stage = 'rung2'
    AND state = 'done'")" '3 0.01'
same 'one set of weights' "$(weights rung2 | grep -c .)" 1
same 'weights in three parts and at once' "$(weights rung2)" "$(weights whole)"
pass 'a longer training goes on from a shorter one'

has_picks() { [ "$(sql "SELECT count(*) FROM sweep_job WHERE verdict IS NOT NULL" 2>/dev/null || echo 0)" -ge 1 ]; }
has_done() { [ "$(sql "SELECT count(*) FROM job WHERE state = 'done'" 2>/dev/null || echo 0)" -ge 3 ]; }
for moment in has_done has_picks; do
    setsid "$SAEGRID_BIN/saegrid" run halving.yaml -j 2 >"$log" 2>&1 </dev/null &
    pid=$!
    background+=("$pid")
    until_true 120 "$moment"
    kill -KILL "$pid" 2>/dev/null || echo 'it was faster'
    wait "$pid" 2>/dev/null || echo "killed once it $moment"
done
expect 0 sg run halving.yaml -j 2
picks "$SAEGRID_RESULTS" >picks_killed
same 'picks of the killed and the calm run' "$(cat picks_killed)" "$(cat picks1)"
same 'numbers of the killed and the calm run' "$(digest "$SAEGRID_RESULTS")" "$(digest "$work/j1")"
expect 0 sg check
pass 'killed half way, the same are promoted'

# A larger field: ranks are decided anew, and one that was stopped may go on.
expect 0 sg run halving.yaml -j 2 --set rung0.k='[2, 3, 4]'
same 'the field is larger' "$(picks "$SAEGRID_RESULTS" | grep -c 'rank [0-9] of 6')" 6
expect 65 sg plan halving.yaml --set 'rung0.gate={metric: steps, top: 0.5}'
says 'gate: top: of steps neither high nor low values are better'
expect 65 sg plan halving.yaml --set 'rung0.gate={metric: ev, top: 1.5}'
says 'top: 1.5: expected a share below 1, or a whole number'
pass 'the field may grow; a gate without an order is refused'
