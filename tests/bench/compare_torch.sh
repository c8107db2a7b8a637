#!/bin/bash
# A training step of ours and of PyTorch in turn: medians of 5 turns, a line a shape.
#   [VAR=...] tests/bench/compare_torch.sh BUILD [row...]
# TURNS=5; ARCH=topk|batchtopk|relu|jumprelu; BIAS=0 of the encoder at the start; PYTHON=python3;
# THREADS=1: one of our processes; THREADS=2: two of ours against two threads of PyTorch.
# CLIP=0: norm to which the gradients of a step are clipped, on both sides.
# FORMS: those of tests/peer/bench_torch_sae.py, by default all of the arch; the fastest counts.
set -eu
build=${1:?usage: compare_torch.sh BUILD [row...]}
shift
here=$(cd "$(dirname "$0")/../.." && pwd)
peer_py=$here/tests/peer/bench_torch_sae.py
threads=${THREADS:-1} turns=${TURNS:-5} arch=${ARCH:-topk} bias=${BIAS:-0} clip=${CLIP:-0} python=${PYTHON:-python3}
export OPENBLAS_NUM_THREADS=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
forms=${FORMS:-$("$python" "$peer_py" --arch "$arch" --forms)}

median() { sort -g "$1" | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }

# One measurement of ours: samples/s of all processes together, share of OpenBLAS' sgemm and of the
# fastest, active features.
ours() {
    local pids=()
    for ((i = 0; i < threads; i++)); do
        "$build/bin/bench_sae_step" "$1" 1 "$arch" "$bias" wall "$clip" >"$tmp/ours.$i" &
        pids+=($!)
    done
    wait "${pids[@]}"
    awk '$1 ~ /^[0-9]+$/ { n += $10; blas += $13; best += $16; l0 += $6; m++ }
         END { print n, blas / m, best / m, l0 / m }' "$tmp"/ours.[0-9]
}

printf '%-9s %5s %5s %3s %5s %6s %7s %10s %10s %14s %7s %8s %8s\n' arch d f k batch l0 threads ours/s torch/s \
    form ratio of_blas of_best
for row in ${@:-0 1 2 3}; do
    best=0 best_form=none
    rm -f "$tmp"/*
    for form in $forms; do
        coproc PEER { exec "$python" "$peer_py" --serve --arch "$arch" --row "$row" --form "$form" \
            --bias "$bias" --clip "$clip" --threads "$threads" 2>"$tmp/err"; }
        peer=$PEER_PID in=${PEER[1]} out=${PEER[0]}
        if ! read -r _ <&"$out"; then
            echo "$form: $(tail -n 1 "$tmp/err")" >&2
            wait "$peer" || true
            continue
        fi
        for ((turn = 0; turn < turns; turn++)); do
            ours "$row" >>"$tmp/mine"
            echo go >&"$in"
            read -r seconds <&"$out"
            echo "$seconds" >>"$tmp/peer.$form"
        done
        exec {in}>&-
        wait "$peer" || true
        read -r d f k n < <(awk '$1 ~ /^[0-9]+$/ { print $1, $2, $3, $4 }' "$tmp/ours.0")
        speed=$(awk -v n="$n" -v t="$(median "$tmp/peer.$form")" 'BEGIN { print n / t }')
        if awk -v a="$speed" -v b="$best" 'BEGIN { exit !(a > b) }'; then
            best=$speed best_form=$form
        fi
    done
    for i in 1 2 3 4; do
        cut -d' ' -f$i "$tmp/mine" >"$tmp/col.$i"
    done
    mine=$(median "$tmp/col.1")
    printf '%-9s %5s %5s %3s %5s %6.1f %7s %10.0f %10.0f %14s %6.2fx %7.1f%% %7.1f%%\n' "$arch" "$d" "$f" "$k" \
        "$n" "$(median "$tmp/col.4")" "$threads" "$mine" "$best" "$best_form" \
        "$(awk -v a="$mine" -v b="$best" 'BEGIN { print (b > 0 ? a / b : 0) }')" \
        "$(median "$tmp/col.2")" "$(median "$tmp/col.3")"
done
