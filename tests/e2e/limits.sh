#!/usr/bin/env bash
# Limits of the shell or the batch system (ulimit): each ends a job in its class, once, with the name
# of what to raise; the other jobs finish; the coordinator says the same of its own files.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

# sweep NAME KNOBS-OF-THE-BAD-JOB
sweep() {
    cat >"$1.yaml" <<YAML
sweep: $1
defaults: {retries: 1, timeout: 60s}
stages:
  bad:  {kind: mock, process: true, seed: 1, $2}
  good: {kind: mock, process: true, seed: 2}
YAML
}
# is STATE CLASS ATTEMPTS MESSAGE: how the bad job ended, and that the good one did well.
is() {
    local got message
    got=$(sql "SELECT state || ' ' || class || ' ' || epoch FROM job WHERE state <> 'done'")
    [[ $got =~ ^$1\ $2\ $3$ ]] || fail "the bad job is '$got', not '$1 $2 $3'"
    message=$(sql "SELECT message FROM job WHERE state <> 'done'")
    grep -Eq -- "$4" <<<"$message" || fail "it says '$message', not /$4/"
    grep -Fq -- "${message%%:*}" "$SAEGRID_RESULTS/EXPERIMENT_LOG.md" || fail 'no entry in the log of experiments'
    same 'what is done beside it' "$(sql "SELECT count(*) FROM job WHERE state = 'done'")" 1
}
# A limit of the shell counts for every process below it: for the kept runner and its forks.
sweep cpu 'fail: spin'
expect 1 bash -c "ulimit -t 2; exec '$SAEGRID_BIN/saegrid' run cpu.yaml -j 2"
says 'CPU time.*ulimit -t.*raise it'
is failed config 1 'limit of CPU time .*ulimit -t.; raise it, then saegrid requeue: .*SIGXCPU in phase run'
pass 'CPU time, of the whole command'

# Limits may be set for the runner alone, behind our back; at one second the kernel kills without a word.
cat >runner <<EOF2
#!/usr/bin/env bash
ulimit -t 1
exec "$SAEGRID_BIN/saegrid-runner" "\$@"
EOF2
chmod +x runner
expect 0 sg requeue "$(sql "SELECT run_id FROM runs WHERE state = 'failed'")"
SAEGRID_RUNNER=$work/runner expect 1 sg run cpu.yaml -j 1
is failed config 2 'limit of CPU time .*ulimit -t.; raise it, then saegrid requeue'
pass 'CPU time, set by a wrapper, where the kernel kills without a word'

export SAEGRID_RESULTS=$work/size
sweep size 'fail: grow, eat: 64M'
expect 1 bash -c "ulimit -f 20000; exec '$SAEGRID_BIN/saegrid' run size.yaml -j 2"
is failed config 1 'limit of file size .*ulimit -f.; raise it, then saegrid requeue: .*SIGXFSZ in phase run'
pass 'file size'

# sleeps a moment first: whoever was refused at once would be over before its limits are seen
export SAEGRID_RESULTS=$work/space
sweep space 'fail: eat, eat: 3G, sleep: 1'
expect 1 bash -c "ulimit -v 2000000; exec '$SAEGRID_BIN/saegrid' run space.yaml -j 1"
is quarantined infra 2 'limit of address space .*ulimit -v.; raise it, then saegrid requeue'
pass 'address space'

export SAEGRID_RESULTS=$work/own
sweep own 'tag: x'
expect 74 bash -c "ulimit -f 100; exec '$SAEGRID_BIN/saegrid' run own.yaml -j 1 --storage-wait 1"
says 'ulimit -f'
expect 0 sg run own.yaml -j 1
expect 0 sg check
pass 'a manifest over the limit of file size is said, and nothing is lost'
