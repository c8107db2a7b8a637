#!/usr/bin/env bash
# Time comes from common/clock.c and random numbers from a seeded stream, nowhere else.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${SAEGRID_SOURCE:-$here/../..}" || exit 1
failed=0

code() {
    find common coordinator worker tests -name '*.[ch]' -exec awk -f "$here/strip.awk" {} +
}

# banned WHY REGEX FILE: REGEX in code outside FILE
banned() {
    local hits
    hits=$(code | grep -E -- "$2" | grep -vE "^$3:")
    if [ -n "$hits" ]; then
        echo "$1:"
        echo "$hits"
        failed=1
    fi
}

banned 'only common/clock.c reads a clock' \
    '\b(time|clock_gettime|gettimeofday|timespec_get|ftime)\(' '(common/clock.c|tests/lib/jumpy_clock.c)'
banned 'random numbers come from a seeded stream (common/rng.h)' \
    '\b(rand|srand|rand_r|random|srandom|[dlm]rand48|arc4random|getrandom|getentropy)\(' none
exit $failed
