#!/usr/bin/env bash
# A real Slurm of one node: the batch script drains before the wall time, puts itself back, goes on
# and finishes; every job is computed once and drained attempts are free.  Then srun starts the
# ranks itself (--mpi=pmix --multi-prog).
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

if [ "${1:-}" != inside ]; then
    got=0
    "$SAEGRID_SOURCE/scripts/try-slurm.sh" bash "$SAEGRID_SOURCE/tests/slow/slurm.sh" inside || got=$?
    exit "$got"
fi
export SAEGRID_BIN

# One agent, 120 s of jobs at least, in slices of two minutes.  Slurm looks every 30 s, so the signal
# comes 40 to 70 s before the end of a slice: the first never suffices, and on a busy machine, where
# a job takes longer, there are only more of them.
n_jobs=60
cat >days.yaml <<YAML
sweep: days
stages:
  long: {kind: mock, process: true, sleep: 2, steps: 20, grid: {seed: {range: [0, $n_jobs]}}}
YAML
job=$(sbatch --parsable --nodes=1 --ntasks-per-node=2 --time=2 --signal=B:USR1@40 --output="$work/batch.log" \
    "$SAEGRID_SOURCE/contrib/slurm/saegrid.sbatch" days.yaml --term 60s)
has_settled() {
    if [ "$(squeue -h -j "$job" -o %T 2>/dev/null)" = PENDING ]; then
        scontrol update JobId="$job" StartTime=now 2>/dev/null || true # do not wait two minutes
    fi
    grep -q "days: $n_jobs jobs: $n_jobs done" "$work/batch.log" 2>/dev/null
}
log=$work/batch.log
until_true 1500 has_settled
says 'saegrid.sbatch: draining'
says 'saegrid.sbatch: requeueing job'
says 'stopped: the same command goes on'
says_not 'DUE TO TIME LIMIT'
same 'jobs that are not done' "$(n_not_done)" 0
same 'failures' "$(sql 'SELECT count(*) FROM failures')" 0
same 'jobs done twice' "$(sql "SELECT count(*) FROM (SELECT job FROM attempt WHERE outcome = 'done' GROUP BY job HAVING count(*) > 1)")" 0
same 'attempts charged to a job' "$(sql 'SELECT coalesce(sum(n_infra + n_lost), 0) FROM job')" 0
pass "drained $(grep -c 'saegrid.sbatch: draining' "$log") time(s), put back, finished; $(n_attempts) attempts of $n_jobs jobs"

log=$work/output
if ! srun --mpi=list 2>&1 | grep -q pmix; then
    echo 'skipped: this srun knows no pmix'
    exit 0
fi
cat >ranks.conf <<CONF
0 $SAEGRID_BIN/saegrid serve ranks.yaml --results $work/srun
1-2 $SAEGRID_BIN/saegrid-agent --results $work/srun
CONF
sed -e 's/sweep: days/sweep: ranks/' -e 's/sleep: 2/sleep: 0.1/' days.yaml >ranks.yaml
link=$(mktemp -u "${TMPDIR:-/tmp}/saegrid-srun-XXXXXX") # a path without a space, for --multi-prog
ln -s "$work" "$link"
sed -i "s|$work|$link|" ranks.conf
expect 0 timeout 300 srun --mpi=pmix -n3 --overcommit --overlap --multi-prog ranks.conf
rm -f "$link"
same 'jobs not done under srun' "$(sql "$work/srun/manifest.sqlite" "SELECT count(*) FROM job WHERE state <> 'done'")" 0
pass 'srun --mpi=pmix --multi-prog'
