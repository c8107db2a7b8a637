#!/usr/bin/env bash
# A wall clock that leaps by a day, forth and back, does no harm: leases, limits and back-off go by the
# monotonic one.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >clock.yaml <<'YAML'
sweep: clock
defaults: {timeout: 30s, retries: 2}
stages:
  slow: {kind: mock, process: true, sleep: 1, steps: 10, grid: {seed: {range: [0, 6]}}}
  once: {kind: mock, process: true, fail: infra, fail_times: 1, seed: 7}
  tiny: {kind: mock, grid: {seed: {range: [10, 60]}}}
YAML
place=$(mktemp -d /tmp/saegrid-clock.XXXXXX) # LD_PRELOAD takes no path with a space
jumpy=$place/jumpy_clock.so
cp "$SAEGRID_BIN/../tests/jumpy_clock.so" "$jumpy"
days=$(LD_PRELOAD=$jumpy bash -c 'for _ in 1 2 3 4 5 6 7 8; do printf "%(%s)T\n" -1; sleep 0.07; done' | sort -n | sed -n '1p;$p' |
    awk 'NR == 1 { low = $1 } { high = $1 } END { print (high - low > 100000) }')
same 'the clock leaps' "$days" 1
begin=$SECONDS
LD_PRELOAD=$jumpy expect 0 timeout 100 "$SAEGRID_BIN/saegrid" run clock.yaml -j 2 --term 3
same 'jobs not done' "$(n_not_done)" 0
same 'agents given up' "$(sql "SELECT count(*) FROM event WHERE type = 'agent_lost'")" 0
same 'attempts beyond the first' "$(sql 'SELECT sum(epoch - 1) FROM job')" 1
spread=$(sql 'SELECT (max(wall_ms) - min(wall_ms)) / 3600000 FROM event')
[ "$spread" -ge 40 ] || fail "the clock of the manifest did not leap: $spread hours"
expect 0 sg check
pass "58 jobs while the clock leapt by two days, $((SECONDS - begin)) s: no lease ended, one retry as scripted"
rm -r "$place"
