#!/usr/bin/env bash
# hook x layer x data_fraction, end to end: a row of the stability table for each combination.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

expect 0 sg run "$sweeps/hooks.yaml" -j 2
same 'jobs that are not done' "$(n_not_done)" 0
same 'combinations' "$(sql 'SELECT count(*) FROM (SELECT DISTINCT hook, layer, data_fraction FROM stability)')" 12
same 'activation matrices' "$(sql "SELECT count(*) FROM runs WHERE kind = 'acts_extract'")" 12
same 'rows at half the data, all 169 rows at most' \
    "$(sql "SELECT count(DISTINCT value) FROM metrics WHERE stage = 'acts' AND name = 'n_rows'")" 2
same 'combinations with the same number, all different inputs' \
    "$(sql 'SELECT count(DISTINCT pwmcc_mean) FROM stability')" 12
pass '12 combinations'
