#!/usr/bin/env bash
# On data with a known dictionary, agreement between seeds and recovery of the truth rise together.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

expect 0 sg run "$sweeps/organism.yaml" -j 2
sql 'SELECT steps, pwmcc_mean, hungarian_mean, gt_mcc, ev_mean FROM runs WHERE kind = '"'sae_compare'"' ORDER BY steps'
rows=$(sql "SELECT count(*) FROM runs WHERE kind = 'sae_compare'")
falls=$(sql "SELECT count(*) FROM (SELECT gt_mcc < lag(gt_mcc) OVER w OR hungarian_mean < lag(hungarian_mean) OVER w AS falls
    FROM runs WHERE kind = 'sae_compare' WINDOW w AS (ORDER BY steps)) WHERE falls")
same 'rows' "$rows" 7
same 'steps at which one of them falls' "$falls" 0
same 'recovery at 2000 steps is near 0.89' \
    "$(sql "SELECT abs(gt_mcc - 0.89) < 0.05 AND abs(hungarian_mean - 0.86) < 0.05 FROM runs WHERE kind = 'sae_compare' AND steps = 2000")" 1
pass 'they rise together'
