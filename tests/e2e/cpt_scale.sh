#!/usr/bin/env bash
# sweeps/cpt_scale.yaml on a folder of the user's: a tiny GPT-NeoX with the whole vocabulary stands for Pythia, held in
# bfloat16 as profile 1.4b holds its model.
# shellcheck source=common.bash
. "$(dirname "$0")/common.bash"

expect 65 sg run "$sweeps/cpt_scale.yaml"
says 'pythia-70m: No such file or directory'
[ ! -e "$SAEGRID_RESULTS" ] || fail "a sweep that cannot start left a results folder"
pass "an absent model is named before anything is made"

ln -s "$sweeps/data" data
cat >tiny.yaml <<'YAML'
sweep: tiny
stages:
  corpus:
    {kind: data_make, task: text, text: data/text/smoke/tinyshakespeare.txt.gz, tokenizer: data/tokenizer/20B_tokenizer.json.gz,
     split: block, valid_fraction: 0.01}
  model:
    {kind: lm_pretrain, data: $corpus, n_layers: 2, d_model: 16, n_heads: 2, context: 64, batch: 4, steps: 4, lr: 1e-2, eval_ids: 500}
YAML
expect 0 sg run tiny.yaml -j 2
mkdir models
expect 0 sg export --format hf "$(sql "SELECT run_id FROM runs WHERE stage = 'model'")" models/pythia-tiny

small=(--set dir="$PWD/models" --set size=tiny --set layer=0 --set d_sae=64 --set k=8 --set rows=2000 --set sae_steps=100
    --set tokens=512 --set max_ids=600 --set max_pairs=1 --set lr=1e-3 --set weights=bf16
    --set moments=bf16 --set activations=bf16 --set checkpoint=true)
expect 0 sg run "$sweeps/cpt_scale.yaml" "${small[@]}" -j 2
same "jobs that are not done" "$(n_not_done)" 0
same arms "$(sql "SELECT group_concat(arm || seeds) FROM arms WHERE sweep = 'cpt_scale'")" baseline1,control3,l13,random3,saeception3
same structure "$(sql "SELECT group_concat(arm) FROM (SELECT arm FROM structure WHERE sweep = 'cpt_scale' ORDER BY 1)")" \
    control,random,saeception
pass "base, control, l1, random, saeception; structure; pairs"
