#!/usr/bin/env bash
# A sweep of real models and SAEs under a killer: coordinator, agents, runners, mpirun, `saegrid run`
# or all of them die by SIGKILL, or stand still for longer than a lease, again and again.  The same
# command, given until it settles, ends in the tables and files of an undisturbed run.
#   SAEGRID_CHAOS_SEED   repeats the killer's choices (not the machine's timing)
#   SAEGRID_CHAOS_KILLS  how many (default 50); tests/slow/chaos.sh takes more
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

seed=${SAEGRID_CHAOS_SEED:-$((10#$(date +%N) % 32768))}
goal=${SAEGRID_CHAOS_KILLS:-50}
RANDOM=$seed
echo "SAEGRID_CHAOS_SEED=$seed SAEGRID_CHAOS_KILLS=$goal"
spec=$sweeps/smoke.yaml
term=1
declare -A n_kills=([serve]=0 [agent]=0 [runner]=0 [mpirun]=0 [run]=0 [all]=0 [stop]=0)
n=0

# pids ROLE: processes of this test, known by its own folder in their command lines.
pids() {
    local pattern=''
    case $1 in
    serve | run) pattern="^[^ ]*/saegrid $1 " ;;
    agent) pattern='^[^ ]*/saegrid-agent ' ;;
    runner) pattern='^[^ ]*/saegrid-runner run ' ;;
    mpirun) pattern='^[^ ]*mpirun ' ;;
    esac
    pgrep -f "$pattern.*$work/chaos" || true
}
pick() { # ROLE: one of its processes, or nothing
    local list
    mapfile -t list < <(pids "$1")
    [ ${#list[@]} = 0 ] || echo "${list[RANDOM % ${#list[@]}]}"
}
strike() {
    local dice=$((RANDOM % 100)) role pid
    if [ $dice -lt 40 ]; then role=runner
    elif [ $dice -lt 60 ]; then role=agent
    elif [ $dice -lt 73 ]; then role=serve
    elif [ $dice -lt 80 ]; then role=mpirun
    elif [ $dice -lt 87 ]; then role=run
    elif [ $dice -lt 90 ]; then role=all
    else role=stop; fi
    RANDOM=$((seed + ++turn))
    case $role in
    all) pid=$(pids any) ;;
    stop) pid=$(pick "$(printf '%s\n' serve agent agent runner mpirun | sed -n "$((RANDOM % 5 + 1))p")") ;;
    *) pid=$(pick $role) ;;
    esac
    [ -n "$pid" ] || return 0
    if [ $role = stop ]; then
        kill -STOP "$pid" 2>/dev/null || return 0
        (sleep $((term + 1)).3; kill -CONT "$pid" 2>/dev/null || true) &
        background+=("$!")
    else
        # shellcheck disable=SC2086
        kill -KILL $pid 2>/dev/null || return 0
    fi
    n_kills[$role]=$((n_kills[$role] + 1))
    n=$((n + 1))
}
turn=0

tables() { # every number, state and file that may not differ from run to run
    sql "$1/manifest.sqlite" "SELECT job, stage, name, printf('%!.17g', value) FROM metrics
        WHERE NOT is_volatile ORDER BY 1, 2, 3"
    sql "$1/manifest.sqlite" "SELECT sweep, stage, kind, job, state, verdict FROM runs ORDER BY job, stage"
    sql "$1/manifest.sqlite" "SELECT lower(hex(j.digest)), a.path, a.bytes, lower(hex(a.sha256)) FROM artifact a
        JOIN job j ON j.id = a.job WHERE a.path NOT IN ('config.yaml', 'metrics.json', 'summary.md',
        'result.json')
        AND a.path NOT GLOB 'tb/*' ORDER BY 1, 2"
    sql "$1/manifest.sqlite" "SELECT lower(hex(j.digest)), n.name, p.step, printf('%!.17g', p.value) FROM series_point p
        JOIN job j ON j.id = p.job JOIN series_name n ON n.id = p.name ORDER BY 1, 2, 3"
    sql "$1/manifest.sqlite" "SELECT lower(hex(j.digest)), seed_a, seed_b, printf('%!.17g', pwmcc) FROM pair
        JOIN job j ON j.id = pair.job ORDER BY 1, 2, 3"
}
nothing_runs() { [ -z "$(pids any)" ]; }
# verify FOLDER: what was promised, after the same command has settled.
verify() {
    tables "$1" >got
    cmp -s want got || { diff want got | head -n 20 >"$log" || true; fail "tables differ (seed $seed)"; }
    same 'jobs with two results' "$(sql "$1/manifest.sqlite" "SELECT count(*) FROM (SELECT 1 FROM event
        WHERE type = 'done' GROUP BY job HAVING count(*) > 1)")" 0
    same 'jobs in quarantine or failed' "$(sql "$1/manifest.sqlite" 'SELECT count(*) FROM failures')" 0
    for _ in $(seq 150); do
        ! nothing_runs || break
        sleep 0.1
    done
    nothing_runs || { ps -fp $(pids any) >"$log"; fail "processes are left (seed $seed)"; }
    expect 0 sg check --repair --results "$1"
    expect 0 sg check --results "$1"
    same 'folders left half-written' "$(find "$1/experiments" -name '*.tmp')" ''
    same 'states for resuming left' "$(find "$1/experiments" -name 'state.pt*')" ''
    same 'integrity' "$(sql "$1/manifest.sqlite" 'PRAGMA integrity_check')" ok
}

started=$(now_ms)
expect 0 sg run "$spec" -j 2 --results "$work/calm"
tables "$work/calm" >want
[ "$(wc -l <want)" -gt 1000 ] || fail 'too little to compare'
calm_ms=$(($(now_ms) - started))

rounds=0 n_starts=0
while [ $n -lt "$goal" ]; do
    rounds=$((rounds + 1))
    results=$work/chaos$rounds
    got=-1
    while [ $got != 0 ]; do
        n_starts=$((n_starts + 1))
        "$SAEGRID_BIN/saegrid" run "$spec" -j 2 --term ${term}s --results "$results" >"$log" 2>&1 </dev/null &
        pid=$!
        background+=("$pid")
        while kill -0 $pid 2>/dev/null; do
            sleep 0.$((RANDOM % 4))$((RANDOM % 10))
            [ $n -ge "$goal" ] || strike
        done
        got=0
        { wait $pid; } 2>/dev/null || got=$?
        case $got in
        0 | 69 | 75 | 137) ;;
        *) fail "exit $got (seed $seed)" ;;
        esac
        [ $n_starts -lt $((goal + 20)) ] || fail "it never settles (seed $seed)"
    done
    verify "$results"
done
for role in "${!n_kills[@]}"; do printf '%s %d, ' "$role" "${n_kills[$role]}"; done
echo "in $rounds sweeps of $n_starts starts, $(($(now_ms) - started)) ms (a calm one: $calm_ms ms)"
pass "$n kills: the same tables and files as undisturbed ($(wc -l <want) rows)"
