#!/usr/bin/env bash
# A full disk pauses the sweep with exit 74 or 1 and names the cause; with room, the same command ends it.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

mkdir small
if ! mount -t tmpfs -o size=1200k none small 2>/dev/null; then
    echo 'skipped: a small file system can only be mounted as root'
    exit 77
fi
mounts+=("$work/small")
expect 0 sg plan "$sweeps/hooks.yaml"
got=0
timeout 120 "$SAEGRID_BIN/saegrid" run "$sweeps/hooks.yaml" -j 2 --results "$work/small" >"$log" 2>&1 || got=$?
[ $got = 74 ] || [ $got = 1 ] || fail "exit $got on a full disk"
says 'no space|full|ENOSPC'
pass "a full disk: exit $got"

mount -o remount,size=100m "$work/small"
expect 0 sg run "$sweeps/hooks.yaml" -j 2 --results "$work/small"
expect 0 sg run "$sweeps/hooks.yaml" -j 2 --results "$work/roomy"
same 'numbers after a full disk' "$(digest "$work/small")" "$(digest "$work/roomy")"
expect 0 sg check --results "$work/small"
pass 'with room again the same command ends it, with the same numbers'
