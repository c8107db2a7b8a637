#!/usr/bin/env bash
# A sweep that grows computes only what is new; one that shrinks computes nothing.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

spec() {
    cat >grow.yaml <<YAML
sweep: grow
stages:
  model: {kind: lm_train, modulus: 13, d_model: 16, n_heads: 2, d_mlp: 32, batch: 64, epochs: 3}
  acts: {kind: acts_extract, model: \$model}
  sae:
    kind: sae_train
    acts: \$acts
    d_sae: 16
    steps: 20
    batch: 64
    grid: {k: [$1], seed: [1, 2]}
  random: {kind: sae_random, like: \$sae}
  stability: {kind: sae_compare, saes: \$sae, baseline: \$random, over: [seed], n_boot: 0, subspace_k: 4}
YAML
}
spec '2, 4'
expect 0 sg run grow.yaml -j 2
same 'jobs at first' "$(n_attempts)" 10     # model, acts, 4 SAEs, 2 controls, 2 comparisons
numbers=$(digest "$SAEGRID_RESULTS")
newest=$(sql 'SELECT max(id) FROM job')

spec '2, 4, 8'
expect 0 sg run grow.yaml -j 2
same 'jobs after one more k' "$(n_attempts)" 13     # 2 SAEs and their comparison
same 'new SAEs' "$(sql "SELECT count(*) FROM runs WHERE kind = 'sae_train' AND k = 8")" 2
same 'attempts that were there' "$(sql "SELECT count(*) FROM attempt WHERE job <= $newest")" 10
same 'rows of the stability table' "$(sql 'SELECT count(*) FROM stability')" 3

[ "$numbers" != "$(digest "$SAEGRID_RESULTS")" ] || fail 'the digest does not see new jobs'

spec '2, 4'
expect 0 sg run grow.yaml -j 2
same 'jobs after going back' "$(n_attempts)" 13
same 'numbers after going back' "$(digest "$SAEGRID_RESULTS")" "$numbers"
pass 'only new jobs run'
