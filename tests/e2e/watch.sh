#!/usr/bin/env bash
# From another terminal while a sweep runs: `status --watch` is a changing picture that outlives a killed
# coordinator and ends when the sweep has settled; `logs -f` shows a log as it grows and ends with its job.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >seen.yaml <<'YAML'
sweep: seen
stages:
  many: {kind: mock, process: true, sleep: 0.7, steps: 7, grid: {seed: {range: [0, 6]}}}
  long: {kind: mock, process: true, sleep: 4, steps: 40, seed: 9, priority: 5}
YAML
# each job says something every now and then
cat >runner <<EOF2
#!/usr/bin/env bash
(for i in {1..20}; do echo "tick \$i"; sleep 0.2; done) &
exec "$SAEGRID_BIN/saegrid-runner" "\$@"
EOF2
chmod +x runner
SAEGRID_RUNNER=$work/runner sg run seen.yaml -j 2 >run.log 2>&1 </dev/null &
run=$!
background+=("$run")
is_running() { [ "$(sql "SELECT count(*) FROM runs WHERE stage = 'long' AND state = 'leased'" 2>/dev/null || echo 0)" = 1 ]; }
until_true 60 is_running
sg status --watch seen >watch.out 2>watch.err </dev/null &
watch=$!
sg status --watch --json seen >watch.json 2>&1 </dev/null &
watch_json=$!
background+=("$watch" "$watch_json")
long=$(sql "SELECT run_id FROM runs WHERE stage = 'long'")
log_is_there() { compgen -G "$SAEGRID_RESULTS/experiments/seen/$long*/log.txt" >/dev/null; }
until_true 30 log_is_there
sg logs -f "$long" >follow.out 2>&1 </dev/null &
follow=$!
background+=("$follow")

has_ticked() { grep -qx "tick $1" follow.out; }
until_true 30 has_ticked 3
first=$(grep -c tick follow.out)
is_running || fail 'the job has ended before its log was seen to grow'
until_true 30 has_ticked $((first + 3))
pass 'logs -f shows what a running job says, as it says it'

serve=$(pgrep -f "saegrid serve .*--results $SAEGRID_RESULTS" | head -n 1)
kill -KILL "$serve"
got=0
wait "$run" || got=$?
settled=$SECONDS
same 'exit code of the sweep' "$got" 0
wait "$watch" || fail "status --watch ended with $?: $(cat watch.err)"
wait "$watch_json" || fail "status --watch --json ended with $?"
wait "$follow" || fail "logs -f ended with $?"
[ $((SECONDS - settled)) -le 5 ] || fail "they ended $((SECONDS - settled)) s after the sweep"
pass 'all three end with the sweep, which went on after its coordinator was killed'

grep -Eo '^[0-9]+ of [0-9]+ jobs done' watch.out >done.out
awk '{ if ($1 < last || $3 != 7) exit 1; last = $1 } END { exit !(last == 7) }' done.out || fail "jobs done: $(tr '\n' ';' <done.out)"
[ "$(sort -u done.out | wc -l)" -ge 3 ] || fail "a picture that hardly changes: $(tr '\n' ';' <done.out)"
[ "$(grep -Eo '[0-9]+/40' watch.out | sort -u | wc -l)" -ge 2 ] || fail 'no step of the long job was seen to advance'
grep -q 'a coordinator works on it' watch.out || fail 'the coordinator was never named'
tail -n 3 watch.out | grep -q 'running' && fail 'the last picture still shows something running'
pass "status --watch: $(wc -l <done.out) pictures, $(sort -u done.out | wc -l) different, the last of 7 done"

n=$(grep -c '^{"coordinator"' watch.json)
[ "$n" -ge 3 ] || fail "only $n pictures in JSON"
awk '/^{"coordinator"/ { n++ } n == want' want="$n" watch.json >last.json
is_json last.json
grep -q '"done": 7' last.json || fail 'the last picture in JSON does not say 7'
pass "status --watch --json: $n objects"

if command -v script >/dev/null; then
    expect 0 script -qec "'$SAEGRID_BIN/saegrid' status --watch seen" /dev/null
    grep -q $'\033\\[H\033\\[2J' "$log" || fail 'the page is not drawn anew on a terminal'
    pass 'on a terminal the page is drawn anew'
fi

cat >early.yaml <<'YAML'
sweep: early
stages:
  bad:  {kind: mock, process: true, fail: code, seed: 1, priority: 9}
  long: {kind: mock, process: true, sleep: 5, steps: 5, seed: 2}
YAML
sg run early.yaml -j 2 >early.log 2>&1 </dev/null &
run=$!
background+=("$run")
is_said() { grep -q 'early_mock_seed1.* failed (code): .*mock: fail: code' early.log; }
until_true 60 is_said
same 'the other job when the failure was printed' "$(sql "SELECT count(*) FROM runs WHERE sweep = 'early' AND state = 'done'")" 0
kill -0 "$run" || fail 'the sweep has ended before its first failure was printed'
got=0
wait "$run" || got=$?
same 'exit code with a failed job' "$got" 1
tail -n 5 early.log | grep -q '^failed: early_mock_seed1' || fail 'the failure is not named again at the end'
pass 'the first failure is printed at once, and named again at the end'
