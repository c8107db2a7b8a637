#!/usr/bin/env bash
# Language models as a user runs them: the sweeps lm_base and pythia70m_stability, tiny.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

tiny=(--set model.steps=30 --set model.n_layers=1 --set model.d_model=16 --set model.n_heads=2
    --set model.eval_ids=1000 --set score_valid.max_ids=2000 --set score_test.max_ids=2000
    --set sample.n_samples=2 --set sample.sample_ids=30 --set blimp.max_pairs=2 --set ngram_valid.order=2
    --set ngram_test.order=2)
expect 0 sg run "$sweeps/lm_base.yaml" -j 2 "${tiny[@]}"
same 'not done' "$(n_not_done)" 0
same 'measured alike' "$(sql "SELECT count(*) FROM runs WHERE kind IN ('lm_ngram', 'lm_eval') AND bpb > 1 AND bpb < 6")" 5
same 'every id of the split' "$(sql "SELECT max(n_scored) FROM runs WHERE kind = 'lm_ngram'")" \
    "$(sql "SELECT tokens_test FROM runs WHERE kind = 'data_make'")"
same 'an untrained model is no 5-gram' "$(sql "SELECT verdict FROM runs WHERE stage = 'score_valid'")" negative
same 'pairs' "$(sql "SELECT n_min_pairs FROM runs WHERE kind = 'lm_pairs'")" 120.0
expect 0 sg check
pass 'lm_base: a corpus, a model, its scores, its text'

# A model of Pythia's vocabulary stands in for Pythia.
cat >make.yaml <<END
sweep: make
stages:
  corpus: {kind: data_make, task: text, text: "$sweeps/data/text/valid", split: train,
           tokenizer: "$sweeps/data/tokenizer/20B_tokenizer.json.gz"}
  model: {kind: lm_pretrain, data: \$corpus, n_layers: 4, d_model: 16, n_heads: 2, epochs: 0, eval_ids: 100}
END
expect 0 sg run make.yaml -j 1
model=$(echo "$SAEGRID_RESULTS"/experiments/make/*model*/model)
expect 0 sg run "$sweeps/pythia70m_stability.yaml" -j 2 --set "pythia=$model" --set d_model=16 --set rows=2000 \
    --set d_sae=16 --set 'seeds=[1, 2]' --set sae.steps=20 --set 'sae.k=[2, 4]' --set score.max_ids=300
same 'comparisons' "$(sql "SELECT count(*) FROM stability WHERE pwmcc_mean > 0 AND random_mean > 0")" 2
pass 'a folder of the user, its activations, their dictionaries'
