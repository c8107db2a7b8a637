#!/usr/bin/env bash
# Waiting costs next to nothing: CPU seconds of a coordinator and three agents over one minute in
# which one job sleeps.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

printf 'sweep: idle\nstages:\n  one: {kind: mock, process: true, sleep: 75, steps: 3}\n' >idle.yaml
mpirun --oversubscribe --bind-to none -n 4 "$SAEGRID_BIN/saegrid" serve idle.yaml \
    >"$log" 2>&1 </dev/null &
mpirun=$!
background+=("$mpirun")
is_leased() { [ "$(sql "SELECT count(*) FROM job WHERE state = 'leased'" 2>/dev/null)" = 1 ]; }
until_true 60 is_leased
sleep 2
ranks=$(pgrep -P "$mpirun" -f "$SAEGRID_BIN/saegrid")
[ "$(wc -w <<<"$ranks")" = 4 ] || fail "expected 4 ranks, found: $ranks"

tick=$(getconf CLK_TCK)
cpu() { sed 's/.*) //' "/proc/$1/stat" | awk -v tick="$tick" '{ print ($12 + $13) / tick }'; }
declare -A before
for pid in $ranks; do before[$pid]=$(cpu "$pid"); done
sleep 60
for pid in $ranks; do
    used=$(echo "$(cpu "$pid") ${before[$pid]}" | awk '{ print $1 - $2 }')
    echo "$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -d ' ' -f 1 | xargs -d '\n' basename) $pid: $used CPU s in 60 s"
    [ "$(echo "$used" | awk '{ print ($1 < 1.5) }')" = 1 ] || fail "$pid used $used s"
done
pass 'idle ranks are idle'
