#!/usr/bin/env bash
# Every process of a sweep under valgrind: coordinator, agents, the runner that they keep and its
# forks.  No error and no lost block with our code in its stack, but for those that Open MPI makes.
#   SAEGRID_VALGRIND_SPEC  another sweep than sweeps/smoke.yaml
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

command -v valgrind >/dev/null || { echo 'skipped: valgrind is not installed'; exit 77; }
mpirun --version | grep -Fq 'Open MPI) 4.' || { echo 'skipped: for the mpirun options of Open MPI 4'; exit 77; }
logs=$(mktemp -d "${TMPDIR:-/tmp}/saegrid-valgrind-XXXXXX") # without a space, for --log-file
options=(--trace-children=yes '--trace-children-skip=*gnuplot*,*/git,*/sh' --leak-check=full
    --show-leak-kinds=definite "--log-file=$logs/vg.%p")
suppressions=/usr/share/openmpi/openmpi-valgrind.supp
[ ! -f $suppressions ] || options+=("--suppressions=$suppressions")
expect 0 mpirun --enable-recovery --bind-to none --oversubscribe -n 3 valgrind "${options[@]}" \
    "$SAEGRID_BIN/saegrid" serve "${SAEGRID_VALGRIND_SPEC:-$sweeps/smoke.yaml}"
same 'jobs that are not done' "$(n_not_done)" 0
same 'attempts beyond one a job' "$(($(n_attempts) - $(sql 'SELECT count(*) FROM job')))" 0

# Records end with an empty line; a stack that passes through MPI is not ours.
ours() {
    awk -v RS='\n==[0-9]+== *\n' -v bin="$SAEGRID_BIN/" '
        (/definitely lost in/ || /uninit/ || /Invalid / || /depends on/) && index($0, "(in " bin) &&
        !/lib(mpi|open-pal|open-rte|pmix)/ { print FILENAME; print }' "$logs"/vg.*
}
n=$(grep -l 'ERROR SUMMARY' "$logs"/vg.* | wc -l)
runners=$(grep -l 'Command: .*saegrid-runner warm' "$logs"/vg.* | wc -l)
ours >"$log"
rm -rf "$logs"
[ "$runners" -gt 2 ] || fail "only $runners runners were seen"
[ ! -s "$log" ] || fail 'valgrind has found something'
pass "valgrind: $n processes with a summary, $runners of the runner, nothing of ours"
