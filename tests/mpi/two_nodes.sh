#!/usr/bin/env bash
# Two daemons as two nodes: one is lost with all its agents in the middle of the sweep, and the sweep
# goes on with the others and finishes.  (Open MPI 4: a second daemon on this machine, over TCP.)
set -eu
bin=${SAEGRID_BIN:?}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
if ! mpirun --version | grep -q ' 4\.'; then
    echo 'skipped: written for Open MPI 4'
    exit 77
fi
work=$(mktemp -d)
launcher=
clean_up() {
    if [ -n "$launcher" ]; then # after a lost node it does not end by itself
        kill -TERM "$launcher" 2>/dev/null || true
        sleep 3
        kill -KILL "$launcher" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
cat > "$work/spec.yaml" <<'END'
sweep: nodes
stages:
  a: {kind: mock, process: true, sleep: 0.5, steps: 5, grid: {seed: {range: [0, 24]}}}
END
# "logs in" by running the command here; what it runs is the other node's daemon
cat > "$work/login" <<END
#!/usr/bin/env bash
shift
exec bash -c "exec \$*"
END
chmod +x "$work/login"
n_done() { "$bin/saegrid" table runs --results "$work/r" --csv 2>/dev/null | grep -c ',done,' || true; }

mpirun --enable-recovery --bind-to none --mca plm_rsh_agent "$work/login" --mca plm_rsh_no_tree_spawn 1 \
    --mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo \
    -H 127.0.0.1:3,10.99.0.2:2 -np 5 "$bin/saegrid" serve "$work/spec.yaml" --results "$work/r" \
    --progress none --status "$work/status" --term 2 > "$work/out" 2>&1 &
launcher=$!
for _ in $(seq 300); do
    [ "$(n_done)" -lt 5 ] || break
    sleep 0.1
done
daemon=$(pgrep -f "^[^ ]*orted .*$work/login" || true)
[ -n "$daemon" ] || { cat "$work/out"; echo 'there is no second daemon'; exit 1; }
ranks=$(pgrep -P "$daemon" || true)
n=$(echo "$ranks" | grep -c . || true)
[ "$n" = 2 ] || { ps -ef | grep "$work" | head -20; echo "the second node has $n ranks, not 2"; exit 1; }
# shellcheck disable=SC2086
kill -KILL $daemon $ranks
echo "lost a node of $n agents with $(n_done) of 24 jobs done"
for _ in $(seq 400); do
    ! grep -q '^exit' "$work/status" || break
    sleep 0.1
done
grep -q '^exit 0$' "$work/status" || { cat "$work/status" "$work/out"; echo 'the sweep did not end well'; exit 1; }
[ "$(n_done)" = 24 ] || { cat "$work/out"; echo "$(n_done) of 24 jobs done"; exit 1; }
lost=$("$bin/saegrid" table runs --results "$work/r" --csv | wc -l)
[ "$lost" = 25 ] || { echo "$lost rows"; exit 1; }
n=$(sqlite3 -readonly "$work/r/manifest.sqlite" "SELECT count(*) FROM event WHERE type = 'agent_lost'")
[ "$n" -ge 2 ] || { echo "$n agents were missed, not 2"; exit 1; }
n=$(sqlite3 -readonly "$work/r/manifest.sqlite" "SELECT count(*) FROM attempt WHERE outcome = 'retry' AND class = 'external'")
echo "the sweep went on and finished; $n attempts were lost"
"$bin/saegrid" check --results "$work/r"
