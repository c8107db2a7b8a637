#!/usr/bin/env bash
# The same bits on another CPU: a job that pins a set gives what an emulated CPU of that set gives.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

command -v qemu-x86_64 >/dev/null || { echo 'skipped: no qemu-x86_64 (package qemu-user)'; exit 77; }
runner=$SAEGRID_BIN/saegrid-runner
unset OPENBLAS_CORETYPE SAEGRID_ISA
ids=("$(printf '%064d' 1)" "$(printf '%064d' 2)")
acts="{\"name\": \"acts\", \"job\": \"${ids[0]}\", \"path\": \"data\"}"
# job NAME KIND ID KNOBS ISA INPUTS
job() {
    mkdir -p "$1.tmp"
    printf '{"job": "%s", "kind": "%s", "run_id": "%s", "sweep": "q", "stage": "s", "epoch": 1, "knobs": {%s},
        "common": {"isa": "%s"}, "context": {}, "inputs": [%s], "results": "%s"}\n' \
        "$3" "$2" "$1" "$4" "$5" "$6" "$work" >"$1.tmp/job.json"
}
sum() { sha256sum <"$1/checkpoints/sae.pt"; }

job data data_make "${ids[0]}" '"n_rows": 1000, "d_model": 32, "n_atoms": 64' base ''
expect 0 "$runner" run data.tmp
for arch in topk jumprelu gated; do
    knobs="\"arch\": \"$arch\", \"d_sae\": 96, \"k\": 5, \"steps\": 100, \"batch\": 64, \"l1\": 0.01"
    for pair in avx2:Haswell base:Nehalem; do
        isa=${pair%:*} cpu=${pair#*:}
        job "here_$isa$arch" sae_train "${ids[1]}" "$knobs" "$isa" "$acts"
        job "there_$isa$arch" sae_train "${ids[1]}" "$knobs" auto "$acts"
        expect 0 "$runner" run "here_$isa$arch.tmp"
        expect 0 qemu-x86_64 -cpu "$cpu" "$runner" run "there_$isa$arch.tmp"
        same "$arch: isa $isa here, and a $cpu" "$(sum "here_$isa$arch")" "$(sum "there_$isa$arch")"
    done
    [ "$(sum here_avx2$arch)" != "$(sum here_base$arch)" ] || fail "$arch: avx2 and base do not differ: nothing is shown"
done
pass 'pinned sets have the bits of the CPUs they are named after'
