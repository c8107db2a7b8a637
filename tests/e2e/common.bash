# common.bash - what the end-to-end tests share; sourced first.
# A test gets an own folder (its name holds a space on purpose) that goes away at the end, and
# touches nothing outside of it.  Exit 0 passed, 77 skipped with the reason printed, else failed.
# shellcheck shell=bash
set -euo pipefail
: "${SAEGRID_BIN:?folder of the programs under test}" "${SAEGRID_SOURCE:?root of the source tree}"

work=$(mktemp -d "${TMPDIR:-/tmp}/saegrid e2e XXXXXX")
log=$work/output
background=()   # processes, and
mounts=()       # file systems of the test; both end with it
clean_up() {
    local status=$? pid mount
    for pid in "${background[@]}"; do
        kill -KILL "$pid" 2>/dev/null || continue
    done
    cd /
    for mount in "${mounts[@]}"; do
        umount -l "$mount"
    done
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
cd "$work"
export SAEGRID_RESULTS=$work/results
export NO_COLOR=1
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# shellcheck disable=SC2034  # for the tests
sweeps=$SAEGRID_SOURCE/sweeps

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    if [ -s "$log" ]; then
        printf -- '--- last output ---\n' >&2
        tail -n 60 "$log" >&2
    fi
    exit 1
}
pass() { printf 'ok: %s\n' "$*"; }

sg() { "$SAEGRID_BIN/saegrid" "$@"; }

# expect CODE COMMAND...: runs it, output in $log; fails unless it exits with CODE.
expect() {
    local want=$1 got=0
    shift
    "$@" >"$log" 2>&1 </dev/null || got=$?
    [ "$got" = "$want" ] || fail "exit $got instead of $want: $*"
}
# says PATTERN: the last output holds it (extended regular expression, any case).
says() { grep -Eiq -- "$1" "$log" || fail "the output does not say /$1/"; }
says_not() { ! grep -Eiq -- "$1" "$log" || fail "the output says /$1/"; }
same() { [ "$2" = "$3" ] || fail "$1: '$2' and '$3' differ"; }

# sql [FILE] QUERY: reads a manifest as any user would.
sql() {
    local file=$SAEGRID_RESULTS/manifest.sqlite
    if [ $# = 2 ]; then
        file=$1
        shift
    fi
    sqlite3 -readonly "$file" "$1"
}
is_json() {
    local ok
    cp "$1" "$work/json"
    ok=$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('json') AS TEXT))")
    [ "$ok" = 1 ] || fail "not valid JSON: $(head -c 300 "$1")"
}
# Every number of a manifest that may not differ from run to run, to the last bit.
digest() {
    sql "$1/manifest.sqlite" "SELECT job, stage, name, printf('%!.17g', value) FROM metrics
        WHERE NOT is_volatile ORDER BY 1, 2, 3" | sha256sum | cut -d ' ' -f 1
}
n_attempts() { sql 'SELECT count(*) FROM attempt'; }
n_not_done() { sql "SELECT count(*) FROM runs WHERE state <> 'done'"; }
now_ms() { date +%s%3N; }
# until_true SECONDS COMMAND...: polls; for what other processes do.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "waited in vain for: $*"
        sleep 0.1
    done
}
