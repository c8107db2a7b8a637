#!/usr/bin/env bash
# What each program is linked with: the coordinator and the agent without BLAS, the runner
# without MPI and SQLite.
set -u
root=${SAEGRID_SOURCE:-$(dirname "$0")/../..}
bin=${SAEGRID_BIN:-$root/build/release/bin}
failed=0

# without PROGRAM LIBRARIES: none of LIBRARIES (an extended regex) is loaded by PROGRAM
without() {
    local libs
    if ! libs=$(ldd "$bin/$1" 2>&1); then
        echo "ldd $bin/$1: $libs"
        failed=1
    elif echo "$libs" | grep -E "$2"; then
        echo "$1 must not be linked with these"
        failed=1
    fi
}

without saegrid 'openblas|lapack|lib[a-z]*blas'
without saegrid-agent 'openblas|lapack|lib[a-z]*blas|sqlite'
without saegrid-runner 'libmpi|libopen-(rte|pal)|libpmix|sqlite'
exit $failed
