#!/usr/bin/env bash
# Every job kind runs at modulus 13; a second run computes nothing; `check` finds nothing.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

started=$(now_ms)
expect 0 sg run "$sweeps/smoke.yaml" -j 2
for text in '^task modadd, layer 1, hook resid_post, d_sae 32, k 4$' '^arch +n_seeds +pwmcc_mean +std' \
    '^stability: (Most stable|Highest ratio).* arch = .*95 % interval.*EV .* % dead' '^recovery: No comparison has a random'; do
    says "$text"
done
echo "smoke.yaml took $(($(now_ms) - started)) ms"
same 'jobs that are not done' "$(n_not_done)" 0
for kind in mock data_make lm_train acts_extract sae_train sae_random sae_compare sae_bench sae_causal; do
    [ "$(sql "SELECT count(*) FROM runs WHERE kind = '$kind'")" -gt 0 ] || fail "no job of kind $kind"
done
archs='topk topk_husai batchtopk matryoshka jsae relu relu_bricken relu_april jumprelu gated gba linear'
for arch in $archs; do
    same "SAEs of $arch" "$(sql "SELECT count(*) FROM runs WHERE kind='sae_train' AND stage='sae' AND arch='$arch'")" 3
done
same 'transcoders, evaluated and spliced in' "$(sql "SELECT count(*) FROM metrics WHERE stage = 'through_quality' AND name = 'acc_sae'")" 6
same 'what a pair measures' "$(sql "SELECT count(*) FROM metrics WHERE stage = 'around' AND name IN ('ev_out', 'l0_out', 'jacobian_mean')")" 3
same 'comparisons' "$(sql "SELECT count(*) FROM stability WHERE pwmcc_mean BETWEEN 0 AND 1")" 13
pass 'every kind, hook and architecture is done'

dir=$(dirname "$(find "$SAEGRID_RESULTS/experiments/smoke" -name metrics.json | grep -m 1 topk)")
for file in config.yaml metrics.json summary.md log.txt series.csv result.json; do
    [ -f "$dir/$file" ] || fail "$dir lacks $file"
done
ls "$dir"/checkpoints/*.pt >/dev/null || fail "no checkpoint in $dir"
for plot in sae_train sae_compare acts_extract lm_train data_make; do
    path=$(sql "SELECT run_id FROM runs WHERE kind = '$plot' AND state = 'done' LIMIT 1")
    ls "$SAEGRID_RESULTS/experiments/smoke/$path"/plots/*.png >/dev/null || fail "no plot of $plot in $path"
done
is_json "$dir/metrics.json"
[ -z "$(find "$SAEGRID_RESULTS/experiments" -name '*.tmp')" ] || fail 'a .tmp folder is left'
pass 'a result folder holds what it promises'

attempts=$(n_attempts)
before=$(digest "$SAEGRID_RESULTS")
started=$(now_ms)
expect 0 sg run "$sweeps/smoke.yaml" -j 2
took=$(($(now_ms) - started))
says 'nothing (was|to be) computed'
same 'attempts after a second run' "$(n_attempts)" "$attempts"
same 'numbers after a second run' "$(digest "$SAEGRID_RESULTS")" "$before"
pass "a second run computes nothing ($took ms)"

expect 0 sg check
pass 'check is clean'
