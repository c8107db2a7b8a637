#!/usr/bin/env bash
# Text to tokens to a GPT-NeoX to activations to SAEs, in one sweep; its model out and in again.
# shellcheck source=common.bash
. "$(dirname "$0")/common.bash"

rule_text() { # words in sentences that follow rules, so that a small model learns something
    awk 'BEGIN { srand(7); n = split("the a one this", art); m = split("cat dog bird fish horse", noun)
        k = split("sees likes follows meets", verb)
        for (i = 0; i < 1500; i++)
            printf "%s %s %s the %s.%s", art[1 + int(rand() * n)], noun[1 + int(rand() * m)],
                verb[1 + int(rand() * k)], noun[1 + int(rand() * m)], i % 7 == 6 ? "\n\n" : " " }'
}
rule_text >text.txt
cat >lm.yaml <<'YAML'
sweep: lm
stages:
  tokens: {kind: data_make, task: text, text: text.txt, split: block, block_bytes: 1024, valid_fraction: 0.2, test_fraction: 0}
  model:
    {kind: lm_pretrain, data: $tokens, n_layers: 2, d_model: 32, n_heads: 2, context: 64, batch: 8, epochs: 1, lr: 3e-3}
  more: {kind: lm_pretrain, data: $tokens, model: $model, context: 64, batch: 8, steps: 5, lr: 1e-4, schedule: linear}
  acts: {kind: acts_extract, model: $more, data: $tokens, layer: 1, hook: mlp_out, context: 64, max_rows: 4000}
  sae: {kind: sae_train, acts: $acts, arch: topk, d_sae: 64, k: 4, epochs: 1, grid: {seed: [1, 2]}}
  match: {kind: sae_compare, saes: $sae, over: [seed]}
YAML
expect 0 sg run lm.yaml -j 2
value() { sql "SELECT $2 FROM runs WHERE stage = '$1' LIMIT 1"; } # STAGE COLUMN
metric() { sql "SELECT CAST(value AS TEXT) FROM metrics WHERE stage = '$1' AND name = '$2' LIMIT 1"; }
awk -v n="$(metric model nll)" 'BEGIN { exit !(n > 0 && n < 3) }' || fail "nll $(metric model nll)"
same rows "$(metric acts n_rows)" 4000.0
same "SAEs compared" "$(sql "SELECT count(*) FROM stability")" 1
pass "tokens, model, model trained on, activations, SAEs, comparison"

expect 0 sg export --format hf "$(value more run_id)" out-hf
expect 0 sg export --format hf --dtype bf16 "$(value more run_id)" out-bf
[ "$(stat -c %s out-bf/model.safetensors)" -lt "$(stat -c %s out-hf/model.safetensors)" ] ||
    fail "bf16 is no smaller"
expect 64 sg export --format hf --dtype f8 "$(value more run_id)" x
says 'dtype: f8 is not one of'
cat >again.yaml <<'YAML'
sweep: again
stages:
  model: {kind: lm_import, path: out-hf}
YAML
expect 0 sg run again.yaml
cmp out-hf/model.safetensors results/experiments/again/*/model/model.safetensors || fail "other weights"
pass "export and import keep every bit"

# A plan that does not fit says what it needs.
cat >big.yaml <<'YAML'
sweep: big
stages:
  tokens: {kind: data_make, task: text, text: text.txt, split: block, block_bytes: 1024, valid_fraction: 0.2, test_fraction: 0}
  model: {kind: lm_pretrain, data: $tokens, n_layers: 24, d_model: 2048, n_heads: 16, context: 512, memory: 8GiB, retries: 0}
YAML
expect 1 sg run big.yaml
expect 0 sg explain "$(sql "SELECT run_name FROM job WHERE state = 'failed'")"
says 'GiB: weights [0-9.]+, gradients'
pass "a model that does not fit is refused with the sum"
