#!/usr/bin/env bash
# try-slurm.sh - runs a command inside a private Slurm of one node, this machine, and stops it again.
#
#   scripts/try-slurm.sh sbatch --wait -n2 contrib/slurm/saegrid.sbatch sweeps/smoke.yaml
#
# Needs root and, on Debian: apt-get install slurmctld slurmd slurm-client munge.  Everything is in
# a temporary folder: nothing of an installed Slurm is touched.  Exit 77: Slurm is not installed.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 64; }
for program in munged slurmctld slurmd sbatch scontrol; do
    if ! PATH=$PATH:/usr/sbin command -v $program >/dev/null; then
        echo "skipped: $program is not installed (apt-get install slurmctld slurmd slurm-client munge)" >&2
        exit 77
    fi
done
if [ "$(id -u)" != 0 ]; then
    echo 'skipped: slurmd needs root' >&2
    exit 77
fi
export PATH=$PATH:/usr/sbin
dir=$(mktemp -d "${TMPDIR:-/tmp}/saegrid-slurm-XXXXXX")
daemons=()
stop() {
    local status=$? pid
    scancel --user=root >/dev/null 2>&1 || true
    for pid in "${daemons[@]}"; do
        kill "$pid" 2>/dev/null || continue
    done
    for pid in "${daemons[@]}"; do
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    [ -n "${SAEGRID_KEEP:-}" ] || rm -rf "$dir"
    exit "$status"
}
trap stop EXIT

# wait_for COMMAND...: as long as the daemons live; a busy machine takes its time
wait_for() {
    local end=$((SECONDS + 180)) pid
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        for pid in "${daemons[@]}"; do
            kill -0 "$pid" 2>/dev/null || return 1
        done
        sleep 0.2
    done
}
is_idle() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }

chmod 755 "$dir"
mkdir -m 755 "$dir/state" "$dir/spool" "$dir/munge"
dd if=/dev/urandom of="$dir/munge/key" bs=1024 count=1 status=none
chmod 400 "$dir/munge/key"
port=$((10000 + $$ % 20000)) # below those that the system gives to others
cpus=$(nproc)
node=$(hostname -s)
cat >"$dir/slurm.conf" <<CONF
ClusterName=saegrid
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=30
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cpus State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$dir/slurm.conf

munged --force --foreground --key-file="$dir/munge/key" --socket="$dir/munge/socket" \
    --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" \
    >"$dir/munged.out" 2>&1 &
daemons+=($!)
is_up=
if wait_for test -S "$dir/munge/socket"; then
    slurmctld -D -c >"$dir/slurmctld.out" 2>&1 &
    daemons+=($!)
    slurmd -D -N "$node" >"$dir/slurmd.out" 2>&1 &
    daemons+=($!)
    ! wait_for is_idle || is_up=1
fi
if [ -z "$is_up" ]; then
    echo 'try-slurm.sh: the node did not come up:' >&2
    tail -n 5 "$dir"/*.out "$dir"/*.log >&2 || true
    exit 69
fi
"$@"
