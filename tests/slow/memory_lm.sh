#!/usr/bin/env bash
# Training models of Pythia's shapes takes what was planned: 70M and 160M in fp32, 410M with checkpoint: true, 1.4B in
# the lean mode.  One sequence of 512 ids, random weights, vocabulary 50304; one job at a time, a line a size.
# SIZES="70m 160m 410m 1400m"; a size that free memory cannot hold is skipped, and then the test.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

lean='checkpoint: true, weights: bf16, moments: bf16, activations: bf16, gradients: block'
declare -A shape=(
    [70m]='n_layers: 6, d_model: 512, n_heads: 8, steps: 2'
    [160m]='n_layers: 12, d_model: 768, n_heads: 12, steps: 2'
    [410m]='n_layers: 24, d_model: 1024, n_heads: 16, steps: 2, checkpoint: true'
    [1400m]="n_layers: 24, d_model: 2048, n_heads: 16, steps: 1, $lean"
)
declare -A weights=([70m]=70426624 [160m]=162322944 [410m]=405334016 [1400m]=1414647808)
declare -A need=([70m]=2 [160m]=4 [410m]=8 [1400m]=11) # GiB

train() { # SIZE
    cat >"$1.yaml" <<END
sweep: m$1
stages:
  tokens:
    {kind: data_make, task: text, text: $sweeps/data/text/smoke, tokenizer: $sweeps/data/tokenizer/20B_tokenizer.json.gz,
     split: block, valid_fraction: 0, test_fraction: 0}
  model:
    {kind: lm_pretrain, data: \$tokens, n_vocab: 50304, context: 512, batch: 1, checkpoint_every: 1h, ${shape[$1]}}
END
    expect 0 sg run "$1.yaml" -j 1
}

skipped=
printf '%-6s %12s %12s %12s %12s %7s\n' size weights planned anonymous peak ratio
for size in ${SIZES:-70m 160m 410m 1400m}; do
    free=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
    if [ "$free" -lt "${need[$size]}" ]; then
        skipped="$skipped $size"
        continue
    fi
    train "$size"
    of() { sql "SELECT CAST(value AS INTEGER) FROM metrics WHERE sweep = 'm$size' AND stage = 'model' AND name = '$1'"; }
    planned=$(of mem_planned) anonymous=$(of mem_anon) peak=$(of peak_rss)
    printf '%-6s %12d %12d %12d %12d %7s\n' "$size" "$(of n_params)" "$planned" "$anonymous" "$peak" \
        "$(awk -v a="$anonymous" -v p="$planned" 'BEGIN { printf "%.4f", a / p }')"
    same "weights of $size" "$(of n_params)" "${weights[$size]}"
    same "memory in use and planned, $size" "$(of mem_peak)" "$planned"
    # The peak counts mapped files too: the tokens, the libraries.
    awk -v a="$anonymous" -v p="$planned" -v r="$peak" \
        'BEGIN { exit !(a >= 0.95 * p && a <= 1.05 * p && r <= 1.05 * p + 67108864) }' ||
        fail "$size: more or less than 5 % beside the plan"
    rm -rf "$SAEGRID_RESULTS/experiments/m$size"/*/model
done
[ -z "$skipped" ] || { echo "skipped: too little free memory for$skipped"; exit 77; }
pass 'the plan is what training takes'
