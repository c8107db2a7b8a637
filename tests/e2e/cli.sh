#!/usr/bin/env bash
# Every command has help; every listing has JSON; usage errors exit 64 and say what is known.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

expect 0 sg --help
says 'usage'
expect 0 sg --version
commands='plan run serve status jobs show explain logs cancel pause resume priority requeue table check kinds schema doctor version'
for command in $commands; do
    expect 0 sg --help
    says "^ +$command\\b"
    expect 0 sg "$command" --help
    says 'usage'
    expect 64 sg "$command" --no-such-option
    says 'no-such-option'
done
pass 'help and usage errors of every command'

expect 64 sg
expect 64 sg pla
says 'plan'
expect 64 sg plan
expect 64 sg show
pass 'a wrong command line is a usage error'

for command in status jobs; do      # nothing is there yet: an answer, not a crash
    got=0
    sg $command >"$log" 2>&1 || got=$?
    [ $got -lt 128 ] || fail "$command without results dies: $got"
    [ -s "$log" ] || fail "$command without results says nothing"
done

cat >cli.yaml <<'YAML'
sweep: cli
stages:
  good: {kind: mock, process: true, grid: {seed: [1, 2]}}
  bad:  {kind: mock, process: true, seed: 3, fail: config}
YAML
expect 1 sg run cli.yaml -j 1
says 'fail'
job=$(sql "SELECT lower(hex(digest)) FROM job WHERE state = 'done' LIMIT 1")
bad=$(sql "SELECT lower(hex(digest)) FROM job WHERE state = 'failed' LIMIT 1")

for command in status jobs kinds doctor version check "kinds sae_train" "show $job" "plan cli.yaml" \
    "table runs" "table failures"; do
    # shellcheck disable=SC2086
    sg $command --json >json.out 2>"$log" || [ "$command" = doctor ] || fail "$command --json: exit $?"
    is_json json.out
done
sg schema >json.out
is_json json.out
pass 'every listing as JSON'

expect 0 sg show "$job"
says 'mock'
expect 0 sg show "${job:0:8}"
expect 0 sg logs "$job"
expect 0 sg explain "$bad"
says 'config'
expect 65 sg show 0123456789abcdef
expect 0 sg jobs --state failed
says 'bad'
expect 0 sg kinds sae_train
says 'd_sae'
expect 0 sg doctor
says 'mpi'
expect 64 sg jobs --state nope
says 'nope: no such state; there are waiting, ready, leased, done'
expect 64 sg show ''
says 'JOB is empty'
expect 64 sg table runs --csv --md
says 'one of them'
expect 64 sg run cli.yaml -j 0
says 'not in \[1, 4096\]'
pass 'show, logs, explain, jobs, kinds, doctor'
