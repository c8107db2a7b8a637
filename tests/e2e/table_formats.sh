#!/usr/bin/env bash
# `table` prints the same rows in every format.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

expect 0 sg run "$sweeps/smoke.yaml" -j 2
rows=$(sql 'SELECT count(*) FROM stability')
for view in runs summary stability pareto failures metrics pairs series; do
    expect 0 sg table "$view"
done

sg table stability --json >table.json
is_json table.json
same 'rows in JSON' "$(sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('table.json') AS TEXT))")" "$rows"

sg table stability --csv >table.csv
sqlite3 read.db '.import --csv table.csv t'
same 'rows in CSV' "$(sqlite3 read.db 'SELECT count(*) FROM t')" "$rows"
same 'a number read back from CSV' \
    "$(sqlite3 read.db "SELECT printf('%!.17g', CAST(pwmcc_mean AS REAL)) FROM t ORDER BY 1")" \
    "$(sql "SELECT printf('%!.17g', pwmcc_mean) FROM stability ORDER BY 1")"

sg table stability --md >table.md
same 'lines in Markdown' "$(grep -c '^|' table.md)" $((rows + 2))
sg table stability --latex >table.tex
grep -q 'begin{tabular}' table.tex && grep -q toprule table.tex || fail 'no booktabs tabular in LaTeX'
grep -q 'pwmcc\\_mean\|pwmcc mean\|PWMCC' table.tex || fail 'LaTeX names are not escaped'

expect 65 sg table nosuchview
says 'nosuchview'
says 'stability'
pass "$rows rows in every format"
