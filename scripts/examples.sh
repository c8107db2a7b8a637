#!/usr/bin/env bash
# examples.sh - makes results/examples/ again: sweeps, their tables and reports; no weights.
#
#   scripts/examples.sh [SWEEP..]   needs build/release; about 25 minutes on two quiet cores
#   SAEGRID_RESULTS=DIR             where the sweeps are run, or are finished already
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
saegrid=$root/build/release/bin/saegrid
export SAEGRID_RESULTS=${SAEGRID_RESULTS:-$root/results}
out=$root/results/examples
mkdir -p "$out"
cd "$root"
wanted=" ${*:-quickstart organism husai_replication phase4_core phase4_all} "
is_wanted() { [[ $wanted == *" $1 "* ]]; }

# README's table of the quickstart is of these kernels.
for sweep in quickstart organism; do
    is_wanted "$sweep" || continue
    OPENBLAS_CORETYPE=Haswell "$saegrid" run "sweeps/$sweep.yaml" -j 2
    "$saegrid" report "$sweep" -o "$out/$sweep.html"
    for table in stability pareto; do
        "$saegrid" table "$table" --sweep "$sweep" --csv --all >"$out/${sweep}_$table.csv"
    done
    "$saegrid" table stability --sweep "$sweep" --md >"$out/${sweep}_stability.md"
    "$saegrid" table stability --sweep "$sweep" --latex \
        --columns k,steps,n_seeds,pwmcc_mean,seed_ci_low,seed_ci_high,random_mean,ratio,ev_mean >"$out/${sweep}_stability.tex"
    "$saegrid" table summary --sweep "$sweep" --where "stage = 'sae'" --csv \
        --columns k,steps,metric,n,mean,std,ci_low,ci_high >"$out/${sweep}_summary.csv"
done

# The recorded tables of the replicated study; phases 4a to 4c; the whole programme.
for sweep in husai_replication phase4_core phase4_all; do
    is_wanted "$sweep" || continue
    "$saegrid" run "sweeps/$sweep.yaml" -j 2
    "$saegrid" table stability --sweep "$sweep" >"$out/${sweep}_stability.txt"
    "$saegrid" table checks --sweep "$sweep" >"$out/${sweep}_checks.txt"
    "$saegrid" table time --sweep "$sweep" --md >"$out/${sweep}_time.md"
done
if is_wanted husai_replication; then
    "$saegrid" report husai_replication --max-figures 8 -o "$out/husai_replication.html"
    "$saegrid" table replication --sweep husai_replication >"$out/husai_replication.txt"
    "$saegrid" table replication --sweep husai_replication --csv >"$out/husai_replication.csv"
fi
for sweep in phase4_core phase4_all; do
    is_wanted "$sweep" || continue
    "$saegrid" table hypotheses --sweep "$sweep" >"$out/${sweep}_hypotheses.txt"
    cp "$SAEGRID_RESULTS/analysis/trained_vs_random_pwmcc.json" "$out/"
done
if is_wanted phase4_core; then
    "$saegrid" report phase4_core --max-figures 8 -o "$out/phase4_core.html"
fi
if is_wanted phase4_all; then
    "$saegrid" table promotions --sweep phase4_all >"$out/phase4_all_promotions.txt"
fi
# Where the files of a sweep lay on the machine that ran it says nothing elsewhere.
sed -i 's#/[^" <]*/sweeps/data/#sweeps/data/#g' "$out"/*.html
