#!/usr/bin/env bash
# One, two and three agents under mpirun, and `saegrid run`, give the same metrics, bit for bit.
set -eu
bin=${SAEGRID_BIN:?}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/spec.yaml" <<'END'
sweep: ranks
stages:
  many: {kind: mock, grid: {seed: {range: [0, 300]}}}
  some: {kind: mock, process: true, sleep: 0.05, after: $many, over: [many.seed], grid: {seed: [1, 2, 3, 4]}}
END

digest() {
    "$bin/saegrid" table metrics --results "$1" --csv | grep -v ',1$' | sort | sha256sum
}

"$bin/saegrid" run "$work/spec.yaml" -j 1 --results "$work/r1" --progress none > /dev/null
"$bin/saegrid" run "$work/spec.yaml" -j 3 --results "$work/r3" --progress none > /dev/null
timeout 60 mpirun --enable-recovery --bind-to none --oversubscribe \
    -n 3 "$bin/saegrid" serve "$work/spec.yaml" --results "$work/rm" --progress none
want=$(digest "$work/r1")
for r in r3 rm; do
    got=$(digest "$work/$r")
    [ "$want" = "$got" ] || { echo "metrics of $r differ from -j 1"; exit 1; }
done
n=$("$bin/saegrid" table metrics --results "$work/r1" --csv | tail -n +2 | grep -c ',value,')
[ "$n" -ge 304 ] || { echo "only $n values"; exit 1; }
