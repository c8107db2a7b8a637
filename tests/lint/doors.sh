#!/usr/bin/env bash
# One door per library: who may include its header.
set -u
cd "${SAEGRID_SOURCE:-$(dirname "$0")/../..}" || exit 1
failed=0

# door HEADER FILES: only FILES (an extended regex) include HEADER (an extended regex)
door() {
    local bad
    bad=$(grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$1" \
        common coordinator worker | grep -vE "^($2):")
    if [ -n "$bad" ]; then
        echo "only $2 may include $1:"
        echo "$bad"
        failed=1
    fi
}

door 'mpi\.h' 'common/link_mpi\.c'
door 'sqlite3(ext)?\.h' 'coordinator/(manifest[^/]*|migrate|views)\.[ch]'
door 'yaml\.h' 'common/ytree\.c'
door '(cjson/)?cJSON' 'common/json\.c'
door '(openblas/)?(cblas|lapacke|openblas_config)\.h' 'worker/num/blas\.c'
door 'openssl/' 'common/sha256\.c'
exit $failed
