#!/usr/bin/env bash
# Training models of Pythia's shapes takes what was planned: 70M and 160M in fp32, 410M with checkpoint: true.
# Two steps of one sequence of 512 ids, random weights, vocabulary 50304; one job at a time; needs 8 GiB.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

need=8 # GiB: 410M and its passes
free=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
[ "$free" -ge $need ] || { echo "skipped: $free GiB are free, $need are needed"; exit 77; }

cat >memory.yaml <<END
sweep: memory
stages:
  tokens:
    {kind: data_make, task: text, text: $sweeps/data/text/smoke, tokenizer: $sweeps/data/tokenizer/20B_tokenizer.json.gz,
     split: block, valid_fraction: 0, test_fraction: 0}
  p70m:  {kind: lm_pretrain, data: \$tokens, n_layers: 6, d_model: 512, n_heads: 8, n_vocab: 50304, context: 512, batch: 1, steps: 2}
  p160m: {kind: lm_pretrain, data: \$tokens, n_layers: 12, d_model: 768, n_heads: 12, n_vocab: 50304, context: 512, batch: 1, steps: 2}
  p410m: {kind: lm_pretrain, data: \$tokens, n_layers: 24, d_model: 1024, n_heads: 16, n_vocab: 50304, context: 512, batch: 1, steps: 2,
          checkpoint: true}
END
expect 0 sg run memory.yaml -j 1
of() { echo "(SELECT value FROM metrics m WHERE m.job = r.job AND m.name = '$1')"; }
trained="kind = 'lm_pretrain' AND state = 'done'"
same 'trainings' "$(sql "SELECT count(*) FROM runs r WHERE $trained")" 3
sql "SELECT printf('%-6s %12s %12s %12s %12s %7s', 'stage', 'n_params', 'planned', 'anonymous', 'peak', 'ratio')"
sql "SELECT printf('%-6s %12d %12d %12d %12d %7.4f', r.stage, $(of n_params), $(of mem_planned), $(of mem_anon),
    $(of peak_rss), $(of mem_anon) / $(of mem_planned)) FROM runs r WHERE $trained ORDER BY $(of n_params)"
for size in 70m:70426624 160m:162322944 410m:405334016; do
    same "weights of ${size%:*}" "$(sql "SELECT CAST(value AS INTEGER) FROM metrics WHERE stage = 'p${size%:*}' AND name = 'n_params'")" "${size#*:}"
done
# The peak counts mapped files too: the tokens, the libraries.
same 'trainings beyond 5 % of their plan' "$(sql "SELECT count(*) FROM runs r WHERE $trained AND NOT (
    $(of mem_anon) BETWEEN 0.95 * $(of mem_planned) AND 1.05 * $(of mem_planned) AND
    $(of mem_peak) = $(of mem_planned) AND $(of peak_rss) <= 1.05 * $(of mem_planned) + (64 << 20))")" 0
pass 'the plan is what training takes'
