#!/bin/bash
# Our TopK step and PyTorch's in turn: medians of 9 turns, a line a shape.
#   tests/bench/compare_torch.sh BUILD [row...]
# TURNS=9; THREADS=1: one of our processes; THREADS=2: two of ours against two threads of PyTorch.
# FORMS="dense sparse": those of tests/peer/bench_torch_sae.py; the fastest counts.
set -eu
build=${1:?usage: compare_torch.sh BUILD [row...]}
shift
here=$(cd "$(dirname "$0")/../.." && pwd)
threads=${THREADS:-1} turns=${TURNS:-9} forms=${FORMS:-dense sparse}
export OPENBLAS_NUM_THREADS=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

median() { sort -g "$1" | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }

# One measurement of ours: samples/s of all processes together, and the share of the sgemm.
ours() {
    for ((i = 0; i < threads; i++)); do
        "$build/bin/bench_sae_step" "$1" 1 >"$tmp/ours.$i" &
    done
    wait $(jobs -p | tail -n "$threads")
    awk '$1 ~ /^[0-9]+$/ { n += $8; share += $10; m++ } END { print n, share / m }' "$tmp"/ours.[0-9]
}

printf '%-5s %5s %5s %3s %5s %7s %12s %12s %14s %7s %8s\n' op d f k batch threads ours/s torch/s \
    form ratio of_gemm
for row in ${@:-0 1 2 3}; do
    best=0 best_form=none shape=
    rm -f "$tmp"/*
    for form in $forms; do
        coproc PEER { python3 "$here/tests/peer/bench_torch_sae.py" --serve --row "$row" \
            --form "$form" --threads "$threads" 2>/dev/null; }
        peer=$PEER_PID in=${PEER[1]} out=${PEER[0]}
        for ((turn = 0; turn < turns; turn++)); do
            read -r rate share < <(ours "$row")
            echo "$rate" >>"$tmp/rate"
            echo "$share" >>"$tmp/share"
            echo go >&"$in" && read -r seconds <&"$out" || break
            echo "$seconds" >>"$tmp/peer.$form"
        done
        shape=$(awk '$1 ~ /^[0-9]+$/ { print $1, $2, $3, $4 }' "$tmp/ours.0")
        exec {in}>&-
        wait "$peer" || true
        [ -s "$tmp/peer.$form" ] || continue
        n=${shape##* }
        speed=$(awk -v n="$n" -v t="$(median "$tmp/peer.$form")" 'BEGIN { print n / t }')
        if awk -v a="$speed" -v b="$best" 'BEGIN { exit !(a > b) }'; then
            best=$speed best_form=$form
        fi
    done
    read -r d f k n <<<"$shape"
    mine=$(median "$tmp/rate")
    printf '%-5s %5s %5s %3s %5s %7s %12.0f %12.0f %14s %6.2fx %7.1f%%\n' topk "$d" "$f" "$k" "$n" \
        "$threads" "$mine" "$best" "$best_form" \
        "$(awk -v a="$mine" -v b="$best" 'BEGIN { print (b > 0 ? a / b : 0) }')" "$(median "$tmp/share")"
done
