#!/bin/bash
# A Slurm of one machine, without systemd and cgroups, for the tests of `cargo xtask bench --slurm`.
#
#   apt-get install slurm-wlm            # Debian 12: Slurm 22.05, with munge
#   xtask/tests/main/slurm/cluster.sh start DIR
#   export SLURM_CONF=DIR/slurm.conf
#   cargo test -p xtask --test main -- --ignored
#   xtask/tests/main/slurm/cluster.sh stop DIR
#
# Run as root. Everything lies in DIR (an absolute path); nothing under /etc is changed. Two partitions: `batch` (the default), and `urgent`,
# whose jobs put running jobs of `batch` back into the queue. DIR/completed.txt has a line for every job that ended.
set -euo pipefail

[ $# -eq 2 ] || { sed -n '2,12p' "$0" >&2; exit 2; }
command=$1
dir=$2
case $dir in /*) ;; *) echo "expected an absolute path, received $dir" >&2; exit 2 ;; esac

configure() {
    local host cpus memory
    host=$(hostname -s)
    cpus=$(nproc)
    memory=$(awk '/MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
    cat > "$dir/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/completed.txt
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=30
MinJobAge=86400
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=batch Nodes=$host Default=YES MaxTime=1:00:00 DefaultTime=10 PriorityTier=1 PreemptMode=REQUEUE GraceTime=20 State=UP
PartitionName=urgent Nodes=$host MaxTime=1:00:00 DefaultTime=10 PriorityTier=10 PreemptMode=OFF State=UP
CONF
}

start() {
    mkdir -p "$dir/state" "$dir/spool"
    chmod 755 "$dir"
    configure
    export SLURM_CONF=$dir/slurm.conf
    # A munge of its own, with a key of its own: the machine's is left alone.
    (umask 077; head -c 1024 /dev/urandom > "$dir/munge.key")
    munged --force --key-file "$dir/munge.key" --socket "$dir/munge.socket" --pid-file "$dir/munged.pid" \
        --log-file "$dir/munged.log" --seed-file "$dir/munged.seed"
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if [ "$(sinfo -h -p batch -o %T 2>/dev/null)" = idle ]; then
            sinfo
            return
        fi
        sleep 1
    done
    echo "the node did not become idle within a minute; the logs are in $dir" >&2
    exit 1
}

stop() {
    local name pid
    for name in slurmd slurmctld munged; do
        pid=$(cat "$dir/$name.pid" 2>/dev/null) || continue
        kill "$pid" 2>/dev/null || true
        rm -f "$dir/$name.pid"
    done
}

case $command in
    start) start ;;
    stop) stop ;;
    *) echo "expected start or stop, received $command" >&2; exit 2 ;;
esac
