#!/usr/bin/env bash
# `plan` prints jobs, stages, dependencies and an estimate, and touches nothing; a million jobs
# take seconds and little memory.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cp "$sweeps/smoke.yaml" .
listing() { find . -not -name output -printf '%p %s %T@\n' | sort; }
: >"$log"
before=$(listing)
expect 0 sg plan smoke.yaml
for stage in model leaky copy acts last sae random stability organism found recovery chance queue; do
    says "\\b$stage\\b"
done
same 'files before and after' "$before" "$(listing)"
pass 'plan touches nothing'

expect 0 sg plan "$sweeps/quickstart.yaml" --json
is_json "$log"
for spec in "$sweeps"/*.yaml; do
    case $spec in
    */pythia*)  # needs a folder of the user's own, and says so
        expect 65 sg plan "$spec"
        says 'pythia-70m: No such file'
        expect 0 sg plan "$spec" --set pythia="$SAEGRID_SOURCE/tests/data/golden_neox/tiny_a"
        ;;
    */cpt_scale*)
        expect 65 sg plan "$spec"
        says 'pythia-70m: No such file'
        mkdir models
        ln -s "$SAEGRID_SOURCE/tests/data/golden_neox/tiny_a" models/pythia-70m
        expect 0 sg plan "$spec" --set dir="$PWD/models"
        ;;
    *) expect 0 sg plan "$spec" ;;
    esac
done
pass 'every sweep that ships is valid'

cat >million.yaml <<'YAML'
sweep: million
stages:
  noop: {kind: mock, grid: {seed: {range: [0, 1000]}, steps: {range: [1, 1001]}}}
YAML
limit() (   # address space, in KiB; a sanitizer build reserves terabytes
    ldd "$SAEGRID_BIN/saegrid" | grep -q libasan || ulimit -v "$1"
    shift
    "$@"
)
started=$SECONDS
expect 0 limit 1500000 "$SAEGRID_BIN/saegrid" plan million.yaml
says '1[, ]?000[, ]?000'
took=$((SECONDS - started))
[ $took -le 30 ] || fail "a million jobs took $took s to plan"
pass "a million jobs: $took s"
