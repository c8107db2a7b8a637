#!/usr/bin/env bash
# Marks of unfinished work, paths of one machine, and checks that cannot fail.
set -u
cd "${SAEGRID_SOURCE:-$(dirname "$0")/../..}" || exit 1
failed=0

sources() {
    find common coordinator worker tests schema scripts docs sweeps contrib .ci .github \
        CMakeLists.txt CMakePresets.json CITATION.cff ./*.md \
        -path tests/lint/words.sh -prune -o -type f -print0 2>/dev/null
}

# banned WHY REGEX
banned() {
    local hits
    hits=$(sources | xargs -0 grep -nIE -- "$2")
    if [ -n "$hits" ]; then
        echo "$1:"
        echo "$hits"
        failed=1
    fi
}

banned 'marks of unfinished work' '\b(TODO|FIXME|XXX|HACK)\b|\b[Ss]tub(s|bed)?\b'
banned 'paths of one machine' '(^|[^A-Za-z0-9_.*}-])/(work|root)/'
banned 'a check that cannot fail' 'assert_true\((true|1)\)|assert_false\((false|0)\)|assert_int_equal\(([0-9]+), \3\)'
exit $failed
