#!/usr/bin/env bash
# The knob `isa`: our loops and OpenBLAS' kernels of one instruction set, whatever the machine has.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >isa.yaml <<'END'
sweep: isa
stages:
  data: {kind: data_make, d_model: 24, n_atoms: 40, n_active: 2, n_rows: 500}
  sae: {kind: sae_train, acts: $data, d_sae: 40, k: 3, steps: 60, batch: 64, grid: {isa: [auto, base, avx2, avx512]}}
END
# set_of JOB: what a result says it ran with
said() {
    sql "SELECT group_concat(e.value, ' ') FROM (SELECT p.json AS doc FROM job j JOIN attempt a ON a.job = j.id
        JOIN provenance p ON p.id = a.provenance WHERE j.isa = '$1' AND j.state = 'done' AND j.knobs LIKE '%d_sae%'), json_each(doc) e
        WHERE e.key IN ('isa', 'blas_core', 'env.OPENBLAS_CORETYPE', 'env.SAEGRID_ISA', 'isa_pinned')"
}
file_of() { sql "SELECT lower(hex(a.sha256)) FROM job j JOIN artifact a ON a.job = j.id
    WHERE j.isa = '$1' AND j.knobs LIKE '%d_sae%' AND a.path = 'checkpoints/sae.pt'"; }

most=base
grep -qw avx2 /proc/cpuinfo && most=avx2
grep -qw avx512f /proc/cpuinfo && most=avx512
code=0
[ "$most" = avx512 ] || code=1
expect "$code" sg run isa.yaml -j 2 --set sae.retries=0
is_built=1   # clones; sanitizer builds have none
said base | grep -q Nehalem || fail "base: $(said base)"
[ "$most" = base ] || said avx2 | grep -q Haswell || fail "avx2: $(said avx2)"
if [ "$most" = avx512 ]; then
    said avx512 | grep -q SkylakeX || fail "avx512: $(said avx512)"
    same 'the set of this machine' "$(said auto | grep -c '\bavx512\b')" 1
else
    says "goes no further than $most"
fi
[ "$most" = base ] || [ "$(file_of base)" != "$(file_of avx2)" ] || is_built=0
[ "$is_built" = 1 ] || fail 'base and avx2 give the same bits: nothing was pinned'
pass "each set is pinned, in our loops and in OpenBLAS (this machine: $most)"

# The environment that a job is started with, and the machine's best, make no difference.
first=$(file_of base)
sed 's/grid: {isa: .*\]}/isa: base/' isa.yaml >base.yaml
export SAEGRID_RESULTS=$work/again
OPENBLAS_CORETYPE=Haswell SAEGRID_ISA=avx2 GLIBC_TUNABLES='' expect 0 sg run base.yaml -j 1
same 'base again' "$(file_of base)" "$first"
pass 'a pinned job has the same bits whatever it is started with'

expect 65 sg run base.yaml --set sae.isa=avx3 -j 1
says 'avx3.*auto.base.avx2.avx512'
pass 'a set that does not exist is named'
