#!/usr/bin/env bash
# A million jobs run in bounded memory, and a second run finds all of them done.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

cat >million.yaml <<'YAML'
sweep: million
stages:
  noop: {kind: mock, grid: {seed: {range: [0, 1000]}, steps: {range: [1, 1001]}}}
YAML
started=$(now_ms)
expect 0 sg run million.yaml -j 2
took=$(($(now_ms) - started))
same 'jobs done' "$(sql "SELECT count(*) FROM job WHERE state = 'done'")" 1000000
echo "1,000,000 mock jobs in $((took / 1000)) s: $((1000000000 / took)) jobs/s"
echo "manifest: $(du -h "$SAEGRID_RESULTS/manifest.sqlite" | cut -f 1)"
expect 0 sg run million.yaml -j 2
pass 'a million jobs'
