#!/usr/bin/env bash
# The layers point one way: include edges of every C file against the table below.
set -u
cd "${SAEGRID_SOURCE:-$(dirname "$0")/../..}" || exit 1
failed=0

# check FOLDER ALLOWED: quoted includes below FOLDER must match the extended regex ALLOWED
check() {
    local bad
    bad=$(find "$1" -name '*.[ch]' -exec grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' {} + |
        grep -vE "include[[:space:]]*\"($2)")
    if [ -n "$bad" ]; then
        echo "$1 may include only $2:"
        echo "$bad"
        failed=1
    fi
}

rest='nn|lm|neox|sae|data|eval|jobs|runner'
check common 'common/'
check coordinator '(common|coordinator)/'
check worker/agent '(common|worker/agent)/'
check worker/num 'worker/num/'
for folder in nn data; do
    [ -d "worker/$folder" ] && check "worker/$folder" '(common|worker/(num|nn|data))/'
done
[ -d worker/neox ] && check worker/neox '(common|worker/(num|nn|neox))/'
for folder in lm sae eval; do
    [ -d "worker/$folder" ] && check "worker/$folder" '(common|worker/(num|nn|data|lm|neox|sae|eval))/'
done
for folder in jobs runner; do
    [ -d "worker/$folder" ] && check "worker/$folder" "(common|worker/(num|$rest))/"
done
# A folder that the table does not know would escape it.
for folder in worker/*/; do
    case $(basename "$folder") in
    agent | num | nn | data | lm | neox | sae | eval | jobs | runner) ;;
    *) echo "$folder has no row in layers.sh"; failed=1 ;;
    esac
done
exit $failed
