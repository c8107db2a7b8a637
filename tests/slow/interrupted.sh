#!/usr/bin/env bash
# A runner, without queue or agent, that is stopped or killed at random moments and goes on gives the bits
# of one that was left alone: language model and SAE, also when its last checkpoint is damaged.
#   SAEGRID_CHAOS_SEED   repeats the choices
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

seed=${SAEGRID_CHAOS_SEED:-$((10#$(date +%N) % 32768))}
RANDOM=$seed
echo "SAEGRID_CHAOS_SEED=$seed"
cat >train.yaml <<'YAML'
sweep: train
defaults: {checkpoint_every: 100ms}
stages:
  model: {kind: lm_train, modulus: 23, n_layers: 1, d_model: 32, n_heads: 2, d_mlp: 64, batch: 64, epochs: 300}
  acts:  {kind: acts_extract, model: $model, layer: 0}
  sae:   {kind: sae_train, acts: $acts, d_sae: 128, k: 8, steps: 12000, batch: 128, lr: 1e-3}
YAML
expect 0 sg run train.yaml -j 2
# state.pt may outlive a kill between the rename and its removal; it is no artefact
bits() { (cd "$1" && find . -name '*.pt' ! -name state.pt -o -name series.csv | sort | xargs sha256sum); }

# train FOLDER NAME HOW: the job of FOLDER again, interrupted by HOW until it ends.
train() {
    local dir=$work/again/$2 pid got n=0 how n_found=0
    rm -rf "$work/again"
    mkdir -p "$dir.tmp"
    cp "$1/job.json" "$dir.tmp/"
    until [ -d "$dir" ]; do
        "$SAEGRID_BIN/saegrid-runner" run "$dir.tmp" >"$log" 2>&1 </dev/null &
        pid=$!
        background+=("$pid")
        sleep 0.$((RANDOM % 4 + 1))$((RANDOM % 10))
        how=$3
        [ "$how" != any ] || how=$(printf '%s\n' KILL USR1 TERM KILL | sed -n "$((RANDOM % 4 + 1))p")
        [ $n -ge 6 ] || kill -"$how" $pid 2>/dev/null || true
        got=0
        { wait $pid; } 2>/dev/null || got=$?
        case $got in
        0 | 75 | 137) ;;
        *) fail "exit $got (seed $seed)" ;;
        esac
        [ $got = 0 ] || n=$((n + 1))
        [ ! -f "$dir.tmp/checkpoints/state.pt" ] || n_found=$((n_found + 1))
        if [ "$4" = damage ] && [ -f "$dir.tmp/checkpoints/state.pt.prev" ] && [ -f "$dir.tmp/checkpoints/state.pt" ]; then
            printf '\377\376' | dd of="$dir.tmp/checkpoints/state.pt" bs=1 conv=notrunc status=none \
                seek=$((RANDOM * $(stat -c %s "$dir.tmp/checkpoints/state.pt") / 32768))
            damaged=$((damaged + 1))
        fi
    done
    [ $n -gt 0 ] || fail "nothing was interrupted (seed $seed)"
    [ $n_found -gt 0 ] || fail "no attempt found a checkpoint (seed $seed)"
    diff <(bits "$1") <(bits "$dir") >"$log" || fail "$2: other bits after $n interruptions (seed $seed)"
    echo "$2: $n interruptions, $n_found checkpoints gone on from, the same bits"
}
for stage in model sae; do
    dir=$SAEGRID_RESULTS/experiments/train/$(sql "SELECT run_id FROM runs WHERE stage = '$stage'")
    [ "$(bits "$dir" | wc -l)" -ge 2 ] || fail "nothing to compare in $dir"
    damaged=0
    train "$dir" "$stage" any whole
    train "$dir" "$stage" KILL whole
    train "$dir" "$stage" USR1 damage
    [ $damaged -gt 0 ] || echo "$stage: no checkpoint before the last was there to fall back to"
done
pass 'the same bits after any number of interruptions'
