#!/usr/bin/env bash
# Files below 500 lines, headers below 150 (tables of knobs aside), functions of at most 80.
set -u
cd "${SAEGRID_SOURCE:-$(dirname "$0")/../..}" || exit 1

find common coordinator worker tests -name '*.[ch]' -print0 | sort -z | xargs -0 awk '
    function finish() {
        if (lines >= 500) bad(file ": " lines " lines; the limit is 499")
        if (file ~ /\.h$/ && file !~ /^common\/kinds\// && lines >= 150)
            bad(file ": " lines " lines; the limit of a header is 149")
    }
    function bad(text) { print text; failed = 1 }
    FNR == 1 { if (file) finish(); file = FILENAME; start = 0 }
    { lines = FNR }
    /^\{/ { start = FNR; name = before }
    /^\}/ && start {
        if (FNR - start + 1 > 80)
            bad(file ":" start ": " FNR - start + 1 " lines in: " name)
        start = 0
    }
    { before = $0 }
    END { if (file) finish(); exit failed }'
