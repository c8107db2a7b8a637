#!/usr/bin/env bash
# The sweep files of the programme: each has its hypothesis and can be planned; 4a to 4c, shrunken to
# modulus 13, run to the end with every control beside the trained dictionaries.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

for file in "$sweeps"/phase4*.yaml "$sweeps/husai_replication.yaml"; do
    grep -q '^hypothesis:' "$file" || fail "$file states no hypothesis"
    grep -q '^expected:' "$file" || fail "$file states nothing expected"
    [ "$(sed -n 's/^sweep: //p' "$file")" = "$(basename "$file" .yaml)" ] || fail "$file: its sweep has another name"
    expect 0 sg plan "$file"
done
pass 'every sweep of the programme can be planned and says what it expects'

expect 0 sg plan "$sweeps/phase4_core.yaml"
says '[0-9]+ jobs \([0-9]+ listed, [0-9]{3} of them repeats\)'
pass 'jobs that experiments share run once'

small=(--set modulus=13 --set epochs=4 --set steps=20 --set 'seeds=[1, 2, 3]')
expect 0 sg run "$sweeps/phase4a_replication.yaml" -j 2 "${small[@]}" --set sae.d_sae=64 --set naive_sae.d_sae=64
same 'controls beside chance' "$(sql "SELECT count(*) FROM stability WHERE sweep = 'phase4a_replication' AND random_mean > 0
    AND surrogate_mean > 0 AND untrained_mean > 0 AND shuffled_mean > 0")" 1
expect 0 sg table stability -s phase4a_replication
says 'random_mean +expected +gaussian +untrained +shuffled'
pass '4a: random, gaussian, untrained and shuffled stand beside the trained ones'

expect 0 sg run "$sweeps/phase4a_random.yaml" -j 2 "${small[@]}"
says "export: .*analysis/trained_vs_random_pwmcc.json"
out=$SAEGRID_RESULTS/analysis
is_json "$out/trained_vs_random_pwmcc.json"
is_json "$out/manifest.json"
same 'the recorded random baseline' "$(sed -n 's/ *"mean": //p' "$out/trained_vs_random_pwmcc.json" | tail -n 1 | cut -c 1-10)" 0.29882948
same 'pairs as CSV' "$(wc -l <"$out/random_pairwise_pwmcc.csv")" 11
same 'digests in manifest.json' "$(grep -o '"sha256": "[0-9a-f]*"' "$out/manifest.json" | cut -d '"' -f 4 | sort)" \
    "$(sha256sum "$out"/*.csv "$out/trained_vs_random_pwmcc.json" | cut -d ' ' -f 1 | sort)"
pass '4a: exported in the recorded layout'

expect 0 sg run "$sweeps/phase4c_dynamics.yaml" -j 2 "${small[@]}" --set 'at=[0, 20]' --set checkpoints="'0,20'" \
    --set sae.d_sae=32 --set sae.k=4
same 'stages of training' "$(sql "SELECT count(*) FROM stability WHERE sweep = 'phase4c_dynamics'")" 2
same 'agreement before training is chance' "$(sql "SELECT abs(pwmcc_mean - random_expected) < 0.03 FROM stability
    WHERE sweep = 'phase4c_dynamics' AND checkpoint = 0")" 1
pass '4c: stability over training, from checkpoints'

expect 0 sg run "$sweeps/phase4d_matryoshka.yaml" -j 2 "${small[@]}" --set 'topk.k=[4]' --set variant.k=4
same 'each prefix against its own chance' "$(sql "SELECT count(*) FROM stability WHERE stage = 'prefix_stability'
    AND abs(random_mean - random_expected) < 0.06")" 5
same 'chance rises with the prefix' "$(sql "SELECT count(*) FROM stability a JOIN stability b ON b.stage = a.stage
    AND b.prefix = 2 * a.prefix WHERE a.stage = 'prefix_stability' AND b.random_mean > a.random_mean")" 4
pass '4d: prefixes of a matryoshka beside their own chance level'

expect 0 sg run "$sweeps/phase4_causal.yaml" -j 2 "${small[@]}" --set sae.d_sae=64 --set sae.k=8 --set 'causal.steer=[1, 2]'
same 'steering by 1 changes nothing, by 2 something' "$(sql "SELECT count(*) FROM runs WHERE kind = 'sae_causal'
    AND (steer = 1) = (abs(steer_matched) < 1e-9) AND match_matched > match_other AND mass_matched < 3 * mass_other")" 2
same 'a gap for each seed' "$(sql "SELECT count(*) FROM series WHERE name = 'causal_gap'")" 6
pass 'H4: matched features against others of equal mass, ablated and steered'

expect 0 sg run "$sweeps/phase4_adaptive.yaml" -j 2 "${small[@]}" --set 'k=[2, 8]' --set steps=100 --set 'fresh=[5, 6]'
pick=$(sql "SELECT k_pick FROM runs WHERE kind = 'sae_pick'")
same 'the smallest k whose interval reaches the best lower bound' "$pick" "$(sql "WITH c AS (SELECT l0_mean, delta_lcb,
    ci_high - random_ci_low AS ucb FROM runs WHERE stage = 'scanned') SELECT round(min(l0_mean)) FROM c
    WHERE ucb >= (SELECT max(delta_lcb) FROM c)")"
same 'SAEs at the k picked' "$(sql "SELECT count(*) FROM runs WHERE stage = 'chosen' AND l0 BETWEEN $pick - 0.5 AND $pick + 0.5")" 2
pass 'adaptive L0: a k picked by rule, and fresh seeds trained there'

cat > slices.yaml <<'SPEC'
sweep: slices
stages:
  model: {kind: lm_train, modulus: 29, d_model: 32, n_heads: 2, d_mlp: 64, batch: 64, epochs: 40}
  acts: {kind: acts_extract, model: $model, layer: 1}
  sae: {kind: sae_train, acts: $acts, d_sae: 64, k: 4, steps: 300, grid: {seed: [1, 2]}}
  slices: {kind: sae_bench, sae: $sae, acts: $acts, model: $model}
SPEC
expect 0 sg run slices.yaml -j 2
same 'slices' "$(sql "SELECT count(*) FROM runs WHERE kind = 'sae_bench' AND probe_dense > probe_shuffled + 0.05
    AND abs(probe_shuffled - 0.5) < 0.2 AND contrastive > 0")" 2
expect 0 sg table hypotheses
says 'H5  no data'
pass '4e: benchmark-like slices above shuffled labels; no verdict from too few steps'

expect 0 sg run "$sweeps/husai_size.yaml" -j 2 --set model.modulus=13 --set sae.epochs=1 --set 'sae.seed=[1, 2]' \
    --set 'sae.d_sae=32' --set sae.k=4
says 'Beware: the base model leaks'
pass 'a model that is shown its answers is named'
