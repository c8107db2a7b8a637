#!/usr/bin/env bash
# Every way to fail lands in its class, with a message, an entry in the log of experiments and the
# right counters; and only what may be tried again is tried again.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >fails.yaml <<'YAML'
sweep: fails
defaults: {retries: 1}
stages:
  eat:    {kind: mock, process: true, fail: eat, eat: 300M, memory: 100M, sleep: 9, seed: 1}
  hang:   {kind: mock, process: true, fail: hang, timeout: 2s, seed: 2}
  segv:   {kind: mock, process: true, fail: segv, sleep: 0.2, steps: 4, seed: 3}
  abort:  {kind: mock, process: true, fail: abort, seed: 4}
  exit3:  {kind: mock, process: true, fail: exit3, seed: 5}
  config: {kind: mock, process: true, fail: config, seed: 6}
  infra:  {kind: mock, process: true, fail: infra, seed: 7}
  bug:    {kind: mock, process: true, fail: code, seed: 8}
  kill:   {kind: mock, process: true, fail: kill, fail_times: 3, seed: 9}
  once:   {kind: mock, process: true, fail: infra, fail_times: 1, seed: 10}
  fine:   {kind: mock, process: true, seed: 11}
  needs:  {kind: mock, process: true, after: $segv, seed: 12}
YAML
# each job leaves a grandchild behind that ignores SIGTERM
napping=987$RANDOM.$$
cat >runner <<EOF2
#!/usr/bin/env bash
(trap '' TERM; sleep $napping) &
exec "$SAEGRID_BIN/saegrid-runner" "\$@"
EOF2
chmod +x runner
SAEGRID_RUNNER=$work/runner expect 1 sg run fails.yaml -j 2

# is STAGE STATE CLASS ATTEMPTS MESSAGE
is() {
    local got message
    got=$(sql "SELECT j.state || ' ' || coalesce(j.class, '-') || ' ' || j.epoch FROM job j JOIN stage t ON t.id = j.stage
        WHERE t.name = '$1'")
    [[ $got =~ ^$2\ $3\ $4$ ]] || fail "stage $1 is '$got', not '$2 $3 $4'"
    message=$(sql "SELECT coalesce(j.message, '') FROM job j JOIN stage t ON t.id = j.stage WHERE t.name = '$1'")
    grep -Eq -- "$5" <<<"$message" || fail "stage $1 says '$message', not /$5/"
}
is eat quarantined infra 2 'over its memory limit'
is hang failed config 1 'over its time limit'
is segv failed code 1 'signal 11.*SIGSEGV in phase run, step [1-9]'
is abort failed code 1 'signal 6'
is exit3 failed code 1 'exit code 3'
is config failed config 1 'mock: fail: config'
# it reports a step before it fails: the first attempt that does so is not counted
is infra quarantined infra '[23]' 'mock: fail: infra'
is bug failed code 1 'mock: fail: code'
is kill 'done' - 4 ''
is once 'done' - 2 ''
is fine 'done' - 1 ''
is needs skipped - 0 ''
same 'kills counted against the job' "$(sql "SELECT n_infra FROM job j JOIN stage t ON t.id = j.stage WHERE t.name = 'kill'")" 0
same 'their class' "$(sql "SELECT group_concat(DISTINCT a.class) FROM attempt a JOIN job j ON j.id = a.job JOIN stage t
    ON t.id = j.stage WHERE t.name = 'kill' AND a.outcome = 'retry'")" external
pass 'every failure is in its class'

nobody_naps() { ! pgrep -f "sleep $napping" >/dev/null; }
until_true 5 nobody_naps
pass 'no grandchild outlives its job, not even one that ignores SIGTERM'

run=$(sql "SELECT run_id FROM runs WHERE stage = 'segv'")
expect 0 sg logs "$run"
says "job $run: SIGSEGV in phase run, step [1-9]"
log_file=$SAEGRID_RESULTS/EXPERIMENT_LOG.md
same 'entries of the log of experiments' "$(grep -c '^## ' "$log_file")" 8
sed -n "/$run/,/<!-- entry/p" "$log_file" >entry
for word in 'class code' 'Command: `saegrid-runner run' 'Config: `{' 'signal 11' 'SIGSEGV in phase run'; do
    grep -q -- "$word" entry || fail "the entry of $run lacks '$word'"
done
expect 0 sg explain "$run"
says 'code'
says 'requeue.*--fix'
expect 0 sg explain "$(sql "SELECT run_id FROM runs WHERE stage = 'infra'")"
says 'quarantin'
expect 0 sg explain "$(sql "SELECT run_id FROM runs WHERE stage = 'needs'")"
says "$run"
pass 'crash report, log of experiments and explain tell what happened'

expect 65 sg requeue "$run"
says '--fix'
expect 65 sg requeue "$run" --fix HEAD
says 'no such commit'
git init -q repo
git -C repo -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m 'mends it'
(cd repo && expect 65 sg requeue "$run" --fix 0123456789abcdef) || exit 1
(cd repo && expect 0 sg requeue "$run" --fix HEAD) || exit 1
same 'the recorded fix' "$(sql 'SELECT commit_id FROM fix')" "$(git -C repo rev-parse HEAD)"
same 'what was skipped because of it' "$(sql "SELECT state FROM runs WHERE stage = 'needs'")" waiting
expect 64 sg requeue
expect 64 sg requeue --failed --class wrong
expect 0 sg requeue --failed --class infra
same 'jobs that were put back' "$(sql "SELECT group_concat(stage, ' ') FROM (SELECT stage FROM runs
    WHERE state = 'waiting' ORDER BY stage)")" 'eat infra needs segv'
expect 0 sg requeue --failed --class external
says 'no job'
pass 'requeue: exactly the jobs of a class; a bug only with a commit that exists'

# --- inputs that are damaged or gone -------------------------------------------------------
cat >acts.yaml <<'YAML'
sweep: inputs
defaults: {retries: 0}
stages:
  rows: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 300}
YAML
cat >sae.yaml <<'YAML'
sweep: inputs
defaults: {retries: 0}
stages:
  rows: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 300}
  sae: {kind: sae_train, acts: $rows, d_sae: 12, k: 2, steps: 20, batch: 32, lr: 1e-3}
YAML
export SAEGRID_RESULTS=$work/inputs
expect 0 sg run acts.yaml -j 1
acts=$(find "$SAEGRID_RESULTS/experiments" -name 'acts*.pt')
cp "$acts" good.pt
printf '\377' | dd of="$acts" bs=1 seek=$(($(stat -c %s "$acts") / 2)) conv=notrunc status=none
cmp -s "$acts" good.pt && fail 'nothing was flipped'
expect 1 sg run sae.yaml -j 1
is sae quarantined infra 1 "$(basename "$acts").*"
expect 1 sg check
says "$(basename "$acts")"
cp good.pt "$acts"
expect 0 sg requeue --failed --class infra
expect 0 sg run sae.yaml -j 1
pass 'a flipped byte in an input is infra, and names the file'

rm -rf "$SAEGRID_RESULTS" good.pt
expect 0 sg run acts.yaml -j 1
mv "$SAEGRID_RESULTS/experiments/inputs" aside
mkdir "$SAEGRID_RESULTS/experiments/inputs"
expect 1 sg run sae.yaml -j 1
is sae failed config 1 'result.json'
pass 'a missing input is named'

if [ "$(id -u)" = 0 ] && mkdir readonly && mount -t tmpfs none readonly 2>/dev/null; then
    mounts+=("$work/readonly")
    export SAEGRID_RESULTS=$work/ro
    expect 0 sg run acts.yaml -j 1
    cp -r "$SAEGRID_RESULTS/experiments/inputs/." readonly/
    mount --bind readonly "$SAEGRID_RESULTS/experiments/inputs"
    mounts+=("$SAEGRID_RESULTS/experiments/inputs")
    mount -o remount,ro,bind "$SAEGRID_RESULTS/experiments/inputs"
    got=0
    timeout 60 "$SAEGRID_BIN/saegrid" run sae.yaml -j 1 >"$log" 2>&1 || got=$?
    [ $got = 1 ] || [ $got = 74 ] || fail "a read-only folder: exit $got"
    says '[Rr]ead-only'
    pass 'a read-only folder is named'
fi
