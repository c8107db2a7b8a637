#!/usr/bin/env bash
# The same bits in every metric: one worker, three workers, and a launch by mpirun itself.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

spec=$sweeps/smoke.yaml
expect 0 sg run "$spec" -j 1 --results "$work/one"
expect 0 sg run "$spec" -j 3 --results "$work/three"
SAEGRID_RESULTS=$work/mpi expect 0 timeout 200 mpirun --oversubscribe --bind-to none \
    -n 4 "$SAEGRID_BIN/saegrid" serve "$spec"

one=$(digest "$work/one")
rows=$(sql "$work/one/manifest.sqlite" 'SELECT count(*) FROM metrics WHERE NOT is_volatile')
[ "$rows" -gt 300 ] || fail "only $rows metrics to compare"
same '-j 1 and -j 3' "$one" "$(digest "$work/three")"
same '-j 1 and mpirun -n 4 serve' "$one" "$(digest "$work/mpi")"
if mpirun --oversubscribe -n 1 true : -n 1 true 2>/dev/null; then
    SAEGRID_RESULTS=$work/two expect 0 timeout 200 mpirun --oversubscribe --bind-to none \
        -n 1 "$SAEGRID_BIN/saegrid" serve "$spec" : -n 3 "$SAEGRID_BIN/saegrid-agent"
    same '-j 1 and mpirun -n 1 serve : -n 3 agent' "$one" "$(digest "$work/two")"
else
    echo "not compared: serve : agent, as this mpirun cannot start two programs"
fi
pass "$rows metrics, $one"
