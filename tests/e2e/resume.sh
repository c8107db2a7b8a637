#!/usr/bin/env bash
# A training that is stopped at any moment, by a signal that lets it write a checkpoint or by one
# that does not, ends in the bits of one that never stopped.  $SEED repeats a failure.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
printf 'seed %s (repeat with SEED=%s)\n' "$seed" "$seed"
RANDOM=$((seed % 32768))
cat >bits.yaml <<'YAML'
sweep: bits
defaults: {checkpoint_every: 0.05s}
stages:
  model: {kind: lm_train, task: modadd, modulus: 13, d_model: 16, n_heads: 2, d_mlp: 32, batch: 32, epochs: 200, seed: 1}
  acts: {kind: acts_extract, model: $model, hook: resid_post}
  sae: {kind: sae_train, acts: $acts, arch: topk, d_sae: 128, k: 8, steps: 6000, seed: 2}
YAML
expect 0 sg run bits.yaml -j 1 --results "$work/calm"
cp -r "$work/calm" "$work/base"

folder_of() { sql "$work/calm/manifest.sqlite" "SELECT run_id FROM runs WHERE stage = '$1'"; }
wall_ms() { sql "$work/calm/manifest.sqlite" "SELECT CAST(1000 * wall_s AS INTEGER) FROM runs WHERE stage = '$1'"; }
runner_pid() { pgrep -f "saegrid-runner run .*$SAEGRID_RESULTS" | head -n 1 || true; }
n_stops=0

# disturb STAGE SIGNAL TIMES: stops the runner of the stage at random moments, then lets it end.
disturb() {
    local stage=$1 signal=$2 times=$3 i pid victim wall us
    wall=$(wall_ms "$stage")
    rm -rf "$SAEGRID_RESULTS"
    for ((i = 0; i < times; i++)); do
        "$SAEGRID_BIN/saegrid" run bits.yaml -j 1 >"$log" 2>&1 </dev/null &
        pid=$!
        background+=("$pid")
        until [ "$(sql "SELECT count(*) FROM runs WHERE stage = '$stage' AND state = 'leased'" 2>/dev/null)" = 1 ]; do
            kill -0 "$pid" 2>/dev/null || return 0 # it ended before
            sleep 0.01
        done
        us=$((20000 + RANDOM * wall * 2000 / 32768 / times))
        sleep "$((us / 1000000)).$(printf '%06d' $((us % 1000000)))"
        if [ "$signal" = KILL ]; then
            victim=$(runner_pid)
            [ -z "$victim" ] || kill -KILL "$victim"
            kill -USR1 "$pid" 2>/dev/null || true
        else
            kill -"$signal" "$pid" 2>/dev/null || true
        fi
        wait "$pid" || true
        n_stops=$((n_stops + 1))
    done
    expect 0 sg run bits.yaml -j 1
}
# compare STAGE FILE...: the same bytes as in the calm run.
compare() {
    local stage=$1 file
    shift
    for file in "$@"; do
        cmp "$work/calm/experiments/bits/$(folder_of "$stage")/$file" \
            "$SAEGRID_RESULTS/experiments/bits/$(folder_of "$stage")/$file" || fail "$stage: $file differs (seed $seed)"
    done
}
for stage in model sae; do
    for signal in USR1 KILL; do
        disturb $stage $signal 4
        compare model checkpoints/model.pt series.csv
        compare sae checkpoints/sae.pt series.csv
        same "numbers after SIG$signal in $stage (seed $seed)" "$(digest "$SAEGRID_RESULTS")" "$(digest "$work/calm")"
        n=$(sql "SELECT max(epoch) FROM job JOIN stage s ON s.id = job.stage WHERE s.name = '$stage'")
        pass "$stage, SIG$signal: the same bits after $n attempts"
    done
done
pass "$n_stops stops"
