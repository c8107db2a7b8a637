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
# the first agent to come dies after a second
cat > "$work/mortal" <<END
#!/usr/bin/env bash
if mkdir "$work/first" 2> /dev/null; then (sleep 1.5; kill -9 \$\$) & fi
exec "$bin/saegrid-agent" --results "$work/r"
END
chmod +x "$work/mortal"
timeout 90 mpirun --enable-recovery --bind-to none --oversubscribe \
    -n 1 "$bin/saegrid" serve "$work/spec.yaml" --results "$work/r" --progress none --term 3 : \
    -n 2 "$work/mortal" 2> "$work/err" || true
n=$("$bin/saegrid" table metrics --results "$work/r" --csv | tail -n +2 | grep -c ',value,') || true
[ "$n" = 6 ] || { cat "$work/err"; echo "$n of 6 jobs done"; exit 1; }
"$bin/saegrid" run "$work/spec.yaml" --results "$work/r" | grep -q 'nothing was computed'
