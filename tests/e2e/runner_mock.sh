#!/usr/bin/env bash
# saegrid-runner alone, by hand-written job.json: every way a job can end, by exit code; progress;
# limits from outside; the same bytes twice.
# shellcheck source=tests/e2e/common.bash disable=SC1091
. "$SAEGRID_SOURCE/tests/e2e/common.bash"
runner=$SAEGRID_BIN/saegrid-runner
id=00000000000000000000000000000000000000000000000000000000000000a1

# job NAME KNOBS [EPOCH]: a fresh NAME.tmp with its job.json
job() {
    mkdir -p "$1.tmp"
    printf '{"job": "%s", "kind": "mock", "version": 1, "run_id": "%s", "sweep": "by_hand",
 "stage": "st", "epoch": %d, "knobs": %s, "common": {}, "context": {}, "inputs": [],
 "results": "%s"}\n' "$id" "$1" "${3:-1}" "$2" "$work" >"$1.tmp/job.json"
}
# ends NAME WANTED: runs NAME.tmp, which must end with this exit code (128 + n: by signal n)
ends() {
    local rc=0
    { "$runner" run "$1.tmp" >"$log" 2>&1; } 2>/dev/null || rc=$?
    [ "$rc" = "$2" ] || fail "$1: exit code $rc, wanted $2"
}

for row in config:65:INVALID infra:74:IO code:70:BUG external:75:STOPPED eat:71:NOMEM; do
    IFS=: read -r how code name <<<"$row"
    job "$how" "{\"fail\": \"$how\", \"eat\": \"4M\"}"
    ends "$how" "$code"
    grep -q "saegrid-runner: job $how: " "$log" || fail "$how: stderr does not name the job"
    grep -q "\"code\": \"$name\"" "$how.tmp/error.json" || fail "$how: error.json"
    [ ! -e "$how" ] || fail "$how: left a result"
done
pass "errors end with the exit code of their class and an error.json"

for row in segv:139:SIGSEGV abort:134:SIGABRT; do
    IFS=: read -r how code name <<<"$row"
    job "$how" "{\"fail\": \"$how\"}"
    ends "$how" "$code"
    grep -q "job $how: $name in phase run, step 1, stack:" "$log" || fail "$how: no crash report"
    grep -q "saegrid-runner(" "$log" || fail "$how: no stack"
done
job kill '{"fail": "kill"}'
ends kill 137
job exit3 '{"fail": "exit3"}'
ends exit3 3
pass "crashes say where, and end by their signal"

job science '{"fail": "science"}'
ends science 0
grep -q '"verdict": "negative"' science/result.json || fail "science: no verdict"
pass "a scientific negative is a result"

job again '{"fail": "infra", "fail_times": 1}' 1
ends again 74
job again '{"fail": "infra", "fail_times": 1}' 2
ends again 0
[ ! -e again/error.json ] || fail "the error of an earlier attempt is in the result"
pass "a later attempt succeeds in the same folder"

job prog '{"steps": 40, "sleep": 0.5}'
"$runner" run prog.tmp 3>progress || fail "progress"
[ "$(tail -n 1 progress)" = "40 40 asleep" ] || fail "the last progress line: $(tail -n 1 progress)"
[ "$(wc -l <progress)" -le 6 ] || fail "more than five progress lines a second"
pass "progress comes on descriptor 3, throttled, the last line always"

for signal in TERM USR1; do
    job "stop$signal" '{"steps": 1000, "sleep": 600}'
    "$runner" run "stop$signal.tmp" 2>"$log" 3>started &
    pid=$!
    background+=("$pid")
    until [ -s started ]; do kill -0 "$pid" || fail "ended early"; sleep 0.05; done
    kill -"$signal" "$pid"
    rc=0
    wait "$pid" || rc=$?
    [ "$rc" = 75 ] || fail "SIG$signal: exit code $rc, wanted 75"
    [ -s "stop$signal.tmp/checkpoints/state.pt" ] || fail "SIG$signal: no checkpoint"
    : >started
done
pass "SIGTERM and SIGUSR1 stop after a checkpoint"

job hang '{"fail": "hang"}'
rc=0
timeout -s TERM -k 0.5 0.5 "$runner" run hang.tmp >"$log" 2>&1 || rc=$?
[ "$rc" = 137 ] || fail "hang: exit code $rc: only SIGKILL ends a hang"
pass "a hang ends by force"

job orphan '{"sleep": 600}'
bash -c 'SAEGRID_PARENT=$$ "$1" run orphan.tmp & echo $! >pid; sleep 600' _ "$runner" 2>/dev/null &
parent=$!
background+=("$parent")
until [ -s pid ]; do sleep 0.05; done
sleep 0.3
kill -KILL "$parent"
wait "$parent" 2>/dev/null || true
for _ in $(seq 100); do kill -0 "$(cat pid)" 2>/dev/null || break; sleep 0.05; done
! kill -0 "$(cat pid)" 2>/dev/null || { kill -KILL "$(cat pid)"; fail "the job outlived its agent"; }
pass "a job dies with SAEGRID_PARENT"

# digests NAME: path and digest of every artifact that is not volatile
digests() {
    tr -d ' \n' <"$1/result.json" | grep -o '{"path":[^}]*}' | grep -v volatile
}
mkdir a b
for dir in a b; do
    (cd "$dir" && job same '{"seed": 5, "steps": 20}' && "$runner" run same.tmp) || fail "same"
done
[ -n "$(digests a/same)" ] || fail "no artifacts"
[ "$(digests a/same)" = "$(digests b/same)" ] || fail "equal jobs have different artifacts"
before=$(stat -c %Y.%i a/same/result.json)
(cd a && job same '{"seed": 5, "steps": 20}' && "$runner" run same.tmp && "$runner" run same.tmp) ||
    fail "a finished job run again"
[ "$before" = "$(stat -c %Y.%i a/same/result.json)" ] || fail "a finished job was done again"
pass "equal jobs give equal bytes, and a finished one is left alone"

long='{"seed": 5, "steps": 100, "sleep": 1}'
job whole "$long"
ends whole 0
n_killed=0
until [ -e torn ]; do
    job torn "$long" $((n_killed + 1))
    sed -i 's/"common": {}/"common": {"checkpoint_every": 0.05}/' torn.tmp/job.json
    timeout -s KILL 0.4 "$runner" run torn.tmp >"$log" 2>&1 || n_killed=$((n_killed + 1))
    [ "$n_killed" -lt 20 ] || fail "no progress over $n_killed kills"
done 2>/dev/null
[ "$n_killed" -gt 1 ] || fail "not killed"
cmp whole/series.csv torn/series.csv || fail "killed and resumed gives another series"
[ ! -e torn/checkpoints ] || fail "the state for resuming is left in the result"
pass "killed $n_killed times, it goes on from its checkpoints and gives the same bits"

usage() {
    local rc=0
    "$runner" "$@" >"$log" 2>&1 || rc=$?
    [ "$rc" = 64 ] || fail "$*: exit code $rc, wanted 64"
}
usage
usage frobnicate
usage run
usage run a/same
"$runner" --version | grep -q '^saegrid-runner [0-9]' || fail "--version"
"$runner" --help | grep -q 'FOLDER.tmp' || fail "--help"
mkdir none.tmp
ends none 65
printf '{"job": ' >none.tmp/job.json
ends none 65
pass "usage, help and bad folders"
