#!/usr/bin/env bash
# A full disk pauses the sweep and says so; with room again it goes on by itself, to the same numbers.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

mkdir small
if ! mount -t tmpfs -o size=1800k none small 2>/dev/null; then
    echo 'skipped: a small file system can only be mounted as root'
    exit 77
fi
mounts+=("$work/small")
"$SAEGRID_BIN/saegrid" run "$sweeps/hooks.yaml" -j 2 --results "$work/small" >"$log" 2>&1 </dev/null &
pid=$!
background+=("$pid")
is_paused() { grep -Eiq 'paused.*(full|no space)|(full|no space).*paused' "$log"; }
until_true 60 is_paused
kill -0 "$pid" || fail 'it gave up'
pass 'a full disk pauses the sweep, by name'

mount -o remount,size=100m "$work/small"
got=0
wait "$pid" || got=$?
same 'exit code once there is room' "$got" 0
expect 0 sg run "$sweeps/hooks.yaml" -j 2 --results "$work/roomy"
same 'numbers after a full disk' "$(digest "$work/small")" "$(digest "$work/roomy")"
expect 0 sg check --results "$work/small"
pass 'it goes on by itself, to the same numbers'

mkdir tiny
mount -t tmpfs -o size=1800k none tiny
mounts+=("$work/tiny")
expect 74 timeout 120 "$SAEGRID_BIN/saegrid" run "$sweeps/hooks.yaml" -j 2 --storage-wait 2 --results "$work/tiny"
says 'paused'
mount -o remount,size=100m "$work/tiny"
expect 0 sg run "$sweeps/hooks.yaml" -j 2 --results "$work/tiny"
same 'numbers after giving up and going on' "$(digest "$work/tiny")" "$(digest "$work/roomy")"
pass 'after --storage-wait it ends with code 74, and nothing is lost'
