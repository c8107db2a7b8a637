# lib.sh - what the scripts share; sourced, never run.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
die() {
    printf 'saegrid: %s\n' "$*" >&2
    exit 1
}

# find_tool NAME [MINIMUM]: prints the first NAME on PATH that runs and is new enough.
# A wrapper of another package manager may come first and be broken or old: it is passed over.
find_tool() {
    local name=$1 minimum=${2:-0} path version
    while IFS= read -r path; do
        version=$("$path" --version 2>/dev/null | grep -oEm1 '[0-9]+(\.[0-9]+)+') || continue
        if [ "$(printf '%s\n%s\n' "$minimum" "$version" | sort -V | head -n 1)" = "$minimum" ]; then
            printf '%s\n' "$path"
            return 0
        fi
    done < <(type -a -P "$name")
    return 1
}

# Open MPI refuses to start as root unless both are set; from 5.0 on they are named PRTE_.
allow_mpi_as_root() {
    if [ "$(id -u)" = 0 ]; then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
        export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
}

cores() { nproc 2>/dev/null || echo 1; }
