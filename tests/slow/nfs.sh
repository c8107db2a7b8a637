#!/usr/bin/env bash
# A real NFS (scripts/try-nfs.sh): it is detected and the manifest gets a rollback journal; a second
# coordinator is refused and told who holds it; everything is killed twice, and the same command ends
# in the tables of an undisturbed run on a local disk; `check` is clean.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

cat >nfs.yaml <<'YAML'
sweep: nfs
stages:
  quick: {kind: mock, grid: {seed: {range: [0, 200]}}}
  brief: {kind: mock, process: true, sleep: 1, steps: 10, grid: {seed: {range: [0, 8]}}}
  rows:  {kind: data_make, d_model: 16, n_atoms: 24, n_active: 2, n_rows: 2000}
  sae:   {kind: sae_train, acts: $rows, d_sae: 32, k: 2, steps: 400, batch: 64, lr: 1e-3, checkpoint_every: 1s, grid: {seed: {range: [0, 4]}}}
  pair:  {kind: sae_compare, saes: $sae, over: [seed]}
YAML
if [ "${1:-}" != inside ]; then
    command -v linux.uml >/dev/null || { echo 'skipped: no user-mode-linux (see scripts/try-nfs.sh)'; exit 77; }
    expect 0 sg run nfs.yaml -j 2
    got=0
    WANT=$(digest "$SAEGRID_RESULTS") SPEC=$work/nfs.yaml OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-} \
        "$SAEGRID_SOURCE/scripts/try-nfs.sh" bash "$SAEGRID_SOURCE/tests/slow/nfs.sh" inside || got=$?
    exit "$got"
fi
export SAEGRID_RESULTS=$SAEGRID_NFS/results
same 'file system' "$(stat -f -c %T "$SAEGRID_NFS")" nfs
sg run "$SPEC" -j 2 >run.log 2>&1 &
pid=$!
is_going() { [ "$(sql "SELECT count(*) FROM runs WHERE state = 'done'" 2>/dev/null || echo 0)" -ge "$1" ]; }
until_true 900 is_going 50
[ ! -e "$SAEGRID_RESULTS/manifest.sqlite-wal" ] || fail 'a write-ahead log on NFS'
[ -e "$SAEGRID_RESULTS/manifest.sqlite-journal" ] || fail 'no rollback journal'
expect 69 sg run "$SPEC" -j 1
says 'held by.*pid [0-9]+'
pass 'a rollback journal; a second coordinator is told who holds the manifest'

kill_all() { pkill -KILL -f 'bin/saegrid|mpirun' || true; }
until_true 900 is_going 203
kill_all
wait "$pid" || true
sg run "$SPEC" -j 2 >run.log 2>&1 &
pid=$!
until_true 900 is_going 208
kill_all
wait "$pid" || true
n=$(sql "SELECT count(*) FROM runs WHERE state = 'done'")
expect 0 sg run "$SPEC" -j 2
expect 0 sg check --repair
expect 0 sg check
says '^0 discrepancies'
same 'not done' "$(n_not_done)" 0
same 'done twice' "$(sql "SELECT count(*) FROM (SELECT job FROM event WHERE type = 'done' GROUP BY job HAVING count(*) > 1)")" 0
pass "killed twice, with $n of 214 jobs done; the same command ended it, check is clean"
same 'digest of all metrics' "$(digest "$SAEGRID_RESULTS")" "$WANT"
pass 'the same numbers, to the bit, as on a local disk'
expect 0 sg doctor
says 'nfs: the manifest uses a rollback journal'
pass 'doctor names it'
