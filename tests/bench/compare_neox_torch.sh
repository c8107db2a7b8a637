#!/bin/bash
# A training step and an evaluation of GPT-NeoX, ours and transformers' in turn: medians over the turns, a line a shape.
#   [VAR=...] tests/bench/compare_neox_torch.sh BUILD [SHAPE...]
# SHAPE: 14m 70m 160m. CONTEXTS="256 512"; THREADS="1 2"; TURNS=3; REPEATS=3 steps a turn, of which the median counts;
# FORM=eager|compile|bf16 (weights and all): theirs; STORE=f32|bf16|lean: ours; PYTHON=python3, with torch and transformers.
# of_gemm: our step's matrix products against our sgemm on the same threads; memory: peak resident GiB.
set -eu
build=${1:?usage: compare_neox_torch.sh BUILD [SHAPE...]}
shift
[ $# -gt 0 ] || set -- 14m 70m 160m
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3} turns=${TURNS:-3} repeats=${REPEATS:-3} form=${FORM:-eager} store=${STORE:-f32}
export OPENBLAS_NUM_THREADS=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

median() { sort -g | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }
column() { awk -v c="$2" '{ sub("%", "", $c); print $c }' "$tmp/$1" | median; } # FILE NUMBER

printf '%-5s %5s %7s %9s %9s %7s %9s %9s %7s %8s %8s %8s %7s\n' shape ids threads ours/s torch/s ratio \
    eval/s torch/s ratio of_gemm our_GiB torch_GiB share
for shape in "$@"; do
    for context in ${CONTEXTS:-256 512}; do
        for threads in ${THREADS:-1 2}; do
            rm -f "$tmp"/*
            for ((turn = 0; turn < turns; turn++)); do
                "$build/bin/bench_neox_step" "$shape" "$context" "$threads" "$repeats" "$store" >>"$tmp/ours"
                "$python" "$here/torch_neox.py" "$shape" "$context" "$threads" "$repeats" "$form" \
                    >>"$tmp/torch" 2>"$tmp/err" || { tail -n 3 "$tmp/err" >&2; exit 1; }
            done
            awk -v s="$shape" -v t="$context" -v n="$threads" -v a="$(column ours 6)" -v b="$(column torch 6)" \
                -v c="$(column ours 7)" -v d="$(column torch 7)" -v g="$(column ours 9)" \
                -v m="$(column ours 11)" -v p="$(column torch 8)" 'BEGIN {
                printf "%-5s %5d %7d %9.1f %9.1f %6.2fx %9.1f %9.1f %6.2fx %7.1f%% %8.3f %8.3f %6.1f%%\n", s, t, n, a, b,
                    a / b, c, d, c / d, g, m, p, 100 * m / p }'
        done
    done
done
