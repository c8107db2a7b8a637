#!/usr/bin/env bash
# Wide dictionaries: PWMCC of 16,384 features holds no matrix of F x F, a matching of 4,096 takes seconds.
# shellcheck source=../e2e/common.bash
. "$SAEGRID_SOURCE/tests/e2e/common.bash"

cat >wide.yaml <<'END'
sweep: wide
stages:
  wide: {kind: sae_random, d_model: 512, d_sae: 16384, grid: {seed: [1, 2]}}
  agree: {kind: sae_compare, saes: $wide, over: [seed], hungarian: false, n_boot: 0, subspace_k: 64}
  mid: {kind: sae_random, d_model: 512, d_sae: 4096, grid: {seed: [3, 4]}}
  match: {kind: sae_compare, saes: $mid, over: [seed], n_boot: 0, subspace_k: 64}
END
expect 0 sg run wide.yaml -j 1
value() { sql "SELECT value FROM metrics WHERE stage = '$1' AND name = '$2'"; }
below() { sqlite3 :memory: "SELECT $2 < $3" | grep -q 1 || fail "$1: $2 is not below $3"; }

below 'peak memory of PWMCC, a quarter of the matrix' "$(value agree peak_rss)" "$((16384 * 16384))"
below 'PWMCC of random directions from its expectation' "abs($(value agree pwmcc_mean) - $(value agree random_expected))" 0.001
below 'seconds of two matchings' "$(value match wall_s)" 30
below 'a matching is at most the mean of the maxima' "$(value match hungarian_abs_mean)" "$(value match pwmcc_mean)"
echo "F = 16384: $(value agree wall_s) s, $(value agree peak_rss) bytes; F = 4096, three matchings: $(value match wall_s) s"
pass 'wide dictionaries fit and are matched'
