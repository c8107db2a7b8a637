#!/usr/bin/env bash
# try-nfs.sh - runs a command in a folder that is a kernel's NFS mount, on a machine whose own kernel has none:
# a user-mode Linux exports a disk image and mounts it from itself, NFS 4.2 over TCP.
#
#   scripts/try-nfs.sh build/release/bin/saegrid run sweeps/smoke.yaml --results results
#
# The command starts in the mounted folder ($SAEGRID_NFS holds its name); the files of this machine are
# seen as they are.  There is one processor, and system calls are slow.  Needs root and, on Debian: apt-get
# install user-mode-linux nfs-kernel-server kmod e2fsprogs.  Exit 77: they are not installed.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 64; }
export PATH=$PATH:/usr/sbin:/sbin
for program in linux.uml rpc.nfsd exportfs rpcbind modprobe mkfs.ext4; do
    if ! command -v $program >/dev/null; then
        echo "skipped: $program is missing (apt-get install user-mode-linux nfs-kernel-server kmod e2fsprogs)" >&2
        exit 77
    fi
done
if [ "$(id -u)" != 0 ]; then
    echo 'skipped: mounting needs root' >&2
    exit 77
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/saegrid-nfs-XXXXXX")
trap 'rm -rf "$dir"' EXIT
truncate -s 2G "$dir/disk"
mkfs.ext4 -qF "$dir/disk"
export -p >"$dir/environment"
printf '%q ' "$@" >"$dir/command"

# Process 1 of the other Linux.  What it mounts over folders of ours is seen by it alone.
cat >"$dir/init" <<'INIT'
#!/bin/bash
dir=$(dirname "$0")
end() { # sysrq needs a moment
    sync
    echo o >/proc/sysrq-trigger
    sleep 30
}
trap end EXIT
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /run/disk /run/nfs /run/tmp /run/rpcbind /run/lib /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs state /var/lib/nfs
mkdir -p /var/lib/nfs/{v4recovery,sm,sm.bak,rpc_pipefs}
touch /var/lib/nfs/{etab,rmtab}
ip link set lo up
hostname nfs
ln -s /usr/lib/uml/modules /run/lib/modules
modprobe -a -d /run nfsv4 nfsd
mount -t ext4 /dev/ubda /run/disk
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind -w
exportfs -o rw,sync,no_root_squash,no_subtree_check,fsid=0 127.0.0.1:/run/disk
rpc.nfsd 4
rpc.mountd 2>/dev/null # says that there is no IPv6
mount -t nfs -o vers=4.2 127.0.0.1:/ /run/nfs || exit 1
. "$dir/environment"
export TMPDIR=/run/tmp SAEGRID_NFS=/run/nfs
cd /run/nfs && eval "$(<"$dir/command")"
echo $? >"$dir/status"
cd / && umount /run/nfs
INIT
chmod +x "$dir/init"
linux.uml mem=1500M rootfstype=hostfs rootflags=/ rw ubda="$dir/disk" init="$dir/init" con=null con0=fd:0,fd:1 quiet \
    </dev/null | grep -v -e SELinux -e mmapper_init || true
[ -s "$dir/status" ] || { echo 'try-nfs.sh: the other Linux ended without a word' >&2; exit 70; }
exit "$(<"$dir/status")"
