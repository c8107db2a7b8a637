#!/usr/bin/env bash
# Results that cannot be used: a clear message, the right exit code, nothing of others touched.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

printf 'sweep: fine\nstages:\n  one: {kind: mock, seed: 1}\n' >good.yaml
sum() { sha256sum "$1" | cut -d ' ' -f 1; }

echo text >file
expect 65 sg run good.yaml -j 1 --results "$work/file"
says 'file'
expect 65 sg run good.yaml -j 1 --results "$work/file/below"
says 'file'
expect 74 sg run good.yaml -j 1 --results /sys/saegrid
says '/sys/saegrid'
same 'the file' "$(cat file)" text
pass 'a results folder that cannot be made'

mkdir foreign
sqlite3 foreign/manifest.sqlite 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
before=$(sum foreign/manifest.sqlite)
for command in "run good.yaml -j 1" status "table runs" check; do
    # shellcheck disable=SC2086
    expect 65 sg $command --results "$work/foreign"
    says 'manifest\.sqlite.*not'
done
same 'the foreign database' "$(sum foreign/manifest.sqlite)" "$before"
mkdir garbage
head -c 100000 /dev/urandom >garbage/manifest.sqlite
before=$(sum garbage/manifest.sqlite)
got=0
sg run good.yaml -j 1 --results "$work/garbage" >"$log" 2>&1 || got=$?
[ $got = 65 ] || [ $got = 74 ] || fail "garbage as a manifest: exit $got"
says 'manifest\.sqlite'
same 'the garbage' "$(sum garbage/manifest.sqlite)" "$before"
mkdir -p folder/manifest.sqlite
got=0
sg run good.yaml -j 1 --results "$work/folder" >"$log" 2>&1 || got=$?
[ $got = 65 ] || [ $got = 74 ] || fail "a folder as a manifest: exit $got"
pass 'a foreign file is left alone'

expect 0 sg run good.yaml -j 1 --results "$work/newer"
sqlite3 newer/manifest.sqlite 'PRAGMA user_version = 9999' >/dev/null
expect 65 sg run good.yaml -j 1 --results "$work/newer"
says 'newer|9999'
expect 65 sg status --results "$work/newer"
says 'newer|9999'
same 'its version' "$(sqlite3 newer/manifest.sqlite 'PRAGMA user_version')" 9999
pass 'a newer manifest is left alone'

printf 'sweep: busy\nstages:\n  one: {kind: mock, process: true, sleep: 60, steps: 60}\n' >busy.yaml
"$SAEGRID_BIN/saegrid" run busy.yaml -j 1 >busy.log 2>&1 </dev/null &
pid=$!
background+=("$pid")
is_leased() { [ "$(sql "SELECT count(*) FROM job WHERE state = 'leased'" 2>/dev/null)" = 1 ]; }
until_true 60 is_leased
expect 69 sg run good.yaml -j 1
says 'held|another'
says "$(hostname)"
says 'pid'
expect 0 sg status
kill -TERM "$pid"
got=0
wait "$pid" || got=$?
same 'exit code of the first after SIGTERM' "$got" 75
expect 0 sg run good.yaml -j 1
pass 'two coordinators: the second says who holds the manifest'

mkdir bin
cp "$SAEGRID_BIN/saegrid" "$SAEGRID_BIN/saegrid-agent" bin/
printf 'sweep: fine\nstages:\n  one: {kind: mock, seed: 1, process: true}\n' >process.yaml
expect 69 timeout 60 bin/saegrid run process.yaml -j 1 --results "$work/no runner"
says 'saegrid-runner'
rm bin/saegrid-agent
expect 69 timeout 60 bin/saegrid run process.yaml -j 1 --results "$work/no agent"
says 'saegrid-agent'
mkdir path
ln -s "$(command -v env)" "$(command -v bash)" path/
PATH=$work/path expect 69 "$SAEGRID_BIN/saegrid" run good.yaml -j 1 --results "$work/no mpirun"
says 'mpirun'
pass 'missing programs are named'
