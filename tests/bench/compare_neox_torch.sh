#!/bin/bash
# A training step and an evaluation of GPT-NeoX, ours and transformers' in turn: medians over the turns, a line a shape.
#   [VAR=...] tests/bench/compare_neox_torch.sh BUILD [SHAPE...]
# SHAPE: 14m 70m 160m. CONTEXTS="256 512"; THREADS="1 2"; TURNS=3; REPEATS=3 steps a turn, of which the median counts;
# FORM=eager|compile|bf16|autocast: theirs; STORE=f32|products|bf16|both|lean: ours; ISA=auto|avx512, as the knob isa;
# PYTHON=python3, with torch and transformers.
# sgemm: which share of the time the float32 products of the step by themselves take, of ours and of theirs, by the
# same sgemms in our process. GiB: peak resident memory less what there was before the model, and the ratio.
set -eu
build=${1:?usage: compare_neox_torch.sh BUILD [SHAPE...]}
shift
[ $# -gt 0 ] || set -- 14m 70m 160m
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3} turns=${TURNS:-3} repeats=${REPEATS:-3} form=${FORM:-eager} store=${STORE:-f32}
export OPENBLAS_NUM_THREADS=1
[ "${ISA:-auto}" != avx512 ] || export SAEGRID_ISA=avx512 OPENBLAS_CORETYPE=SkylakeX
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

median() { sort -g | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }
column() { awk -v c="$2" '{ sub("%", "", $c); print $c }' "$tmp/$1" | median; } # FILE NUMBER

printf '%-5s %5s %7s %9s %9s %7s %9s %9s %7s %13s %13s %17s\n' shape ids threads ours/s torch/s ratio \
    eval/s torch/s ratio 'train: sgemm' 'eval: sgemm' GiB
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
                -v c="$(column ours 7)" -v d="$(column torch 7)" -v m="$(column ours 12)" -v p="$(column torch 8)" \
                -v gemms="$(column ours 13)" -v forward="$(column ours 14)" 'BEGIN {
                gemms /= 1e3 * t; forward /= 1e3 * t
                printf "%-5s %5d %7d %9.1f %9.1f %6.2fx %9.1f %9.1f %6.2fx %5.0f%% / %3.0f%% %5.0f%% / %3.0f%% %5.2f / %5.2f %3.0f%%\n",
                    s, t, n, a, b, a / b, c, d, c / d, 100 * gemms * a, 100 * gemms * b, 100 * forward * c,
                    100 * forward * d, m, p, 100 * m / p }'
        done
    done
done
