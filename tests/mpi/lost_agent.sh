#!/usr/bin/env bash
# An agent that is killed costs its job one attempt and nothing else: the sweep ends as ever.
set -eu
bin=${SAEGRID_BIN:?}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/spec.yaml" <<'END'
sweep: lost
stages:
  a: {kind: mock, process: true, sleep: 1, grid: {seed: {range: [0, 6]}}}
END
# rank 0 serves; rank 1, an agent, dies once the first jobs run (in MPI_Init it would take all others along)
cat > "$work/rank" <<END
#!/usr/bin/env bash
if [ "\$OMPI_COMM_WORLD_RANK" = 1 ]; then
    (until ls "$work"/r/experiments/lost/*.tmp >/dev/null 2>&1; do sleep 0.05; done; sleep 0.3; kill -9 \$\$) &
fi
exec "$bin/saegrid" serve "$work/spec.yaml" --results "$work/r" --progress none --term 3
END
chmod +x "$work/rank"
timeout 90 mpirun --enable-recovery --bind-to none --oversubscribe \
    -n 3 "$work/rank" 2> "$work/err" || true
n=$("$bin/saegrid" table metrics --results "$work/r" --csv | tail -n +2 | grep -c ',value,') || true
[ "$n" = 6 ] || { cat "$work/err"; echo "$n of 6 jobs done"; exit 1; }
"$bin/saegrid" run "$work/spec.yaml" --results "$work/r" | grep -q 'nothing was computed'
