#!/usr/bin/env bash
# The recorded chance level to within 2e-7: PyTorch's normals, NumPy's bootstrap.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

expect 0 sg run "$sweeps/random_baseline.yaml" -j 2
near() {   # stage, condition, column, value, tolerance
    local got ok
    got=$(sql "SELECT printf('%.10f', $3) FROM stability WHERE stage = '$1' AND $2")
    [ -n "$got" ] || fail "no row for $1, $2"
    ok=$(sqlite3 :memory: "SELECT abs($got - $4) <= $5")
    [ "$ok" = 1 ] || fail "$1, $2: $3 is $got, not $4"
    pass "$1 $2 $3 = $got"
}
near chance   'd_sae = 1024' pwmcc_mean 0.2988294795 2e-7
near chance   'd_sae = 1024' pwmcc_std  0.00107566   2e-7
near chance   'd_sae = 1024' ci_low     0.298161     1e-6
near chance   'd_sae = 1024' ci_high    0.299439     1e-6
near ablation 'd_sae = 64'   pwmcc_mean 0.22757094   2e-7
near ablation 'd_sae = 128'  pwmcc_mean 0.24555577   2e-7
near ablation 'd_sae = 256'  pwmcc_mean 0.26545892   2e-7
near ablation 'd_sae = 512'  pwmcc_mean 0.28203502   2e-7
