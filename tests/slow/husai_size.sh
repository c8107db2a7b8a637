#!/usr/bin/env bash
# The published size table on the leaky task: PWMCC within 0.008, ratio within 0.05.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

expect 0 sg run "$sweeps/husai_size.yaml" -j 2
sql "SELECT d_sae, k, pwmcc_mean, ratio, erank FROM stability ORDER BY d_sae"
near() {
    local ok
    ok=$(sql "SELECT abs(pwmcc_mean - $2) <= 0.008 AND abs(ratio - $3) <= 0.05 FROM stability WHERE d_sae = $1")
    [ "$ok" = 1 ] || fail "d_sae $1: not within 0.008 of $2 and 0.05 of $3"
}
near 64 0.373 1.62
near 128 0.304 1.23
near 1024 0.304 1.02
pass 'three rows of the table'
