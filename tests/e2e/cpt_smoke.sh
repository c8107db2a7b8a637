#!/usr/bin/env bash
# Continued pretraining, every stage of sweeps/cpt_smoke.yaml, smaller; and an arm that is ruined.
# shellcheck source=common.bash
. "$(dirname "$0")/common.bash"

small=(--set size=32 --set steps=60 --set sae_steps=100 --set rows=2000 --set tokens=4096 --set max_ids=2000
    --set max_pairs=1)
stage() { sql "SELECT count(*) FROM runs WHERE stage = '$1' AND verdict = '$2'"; } # STAGE VERDICT

expect 0 sg run "$sweeps/cpt_smoke.yaml" "${small[@]}" -j 2
same "jobs that are not done" "$(n_not_done)" 0
for arm in l1 saeception random; do
    same "gate of $arm" "$(stage "tax_$arm" pass)" 1
done
same "rows of perplexity" "$(sql "SELECT group_concat(arm || n) FROM (SELECT arm, count(*) AS n FROM perplexity GROUP BY arm)")" \
    baseline1,control2,l12,random2,saeception2
same "change of the control against itself" "$(sql "SELECT max(abs(change_control_pct)) FROM perplexity WHERE arm = 'control'")" 0.0
same "rows of structure" "$(sql "SELECT group_concat(arm) FROM (SELECT arm FROM structure WHERE seeds = 2 ORDER BY 1)")" \
    control,random,saeception
same "paired comparisons" "$(sql "SELECT count(*) FROM runs WHERE kind = 'lm_pairs_compare'")" 2
expect 0 sg table arms --sweep cpt_smoke --latex
says 'saeception'
expect 0 sg table arms
says ' k_sharp '
expect 0 sg table checks --sweep cpt_smoke
says 'random targets do not ruin the model'
expect 0 sg table tokens --sweep cpt_smoke
says 'shift'
pass "from text to the tax, the structure and the pairs"

# A manifest that another version of the program left, with views of its own, is read through this one's and not changed.
sg table arms --csv >arms.csv
sqlite3 "$SAEGRID_RESULTS/manifest.sqlite" "DROP VIEW arms; DROP VIEW runs; CREATE VIEW runs AS SELECT 1 AS one; \
    UPDATE meta SET value = 'older' WHERE name = 'views'"
sg table arms --csv >again.csv
cmp arms.csv again.csv || fail "views of another version are in the way"
same "views of the file" "$(sql "SELECT * FROM runs")" 1
expect 0 sg run "$sweeps/cpt_smoke.yaml" "${small[@]}" -j 2
same "views made anew by a run" "$(sql "SELECT count(*) FROM arms")" 5
pass "an older manifest's views"

# The report: verdict first, every table and the coloured text, from the manifest alone.
expect 0 sg report cpt_smoke
page=$SAEGRID_RESULTS/reports/cpt_smoke.html
for section in arms structure ghost tokens curves; do
    grep -q "id=\"cpt_smoke.$section\"" "$page" || fail "the report has no section $section"
done
for text in 'Are fresh SAEs lazier?' 'What it costs' 'within the gate' 'random, norm_matched' '<td>saeception, lambda 0.1</td>' ' stages</summary>' 'blimp (sha256:' 'could have been found' \
    'class="passage"' 'lambda \* aux / lm' 'beyond seed noise'; do
    grep -q "$text" "$page" || fail "the report does not say: $text"
done
[ "$(grep -n 'Are fresh SAEs lazier' "$page" | head -1 | cut -d: -f1)" -lt "$(grep -n 'Perplexity of every arm' "$page" | head -1 | cut -d: -f1)" ] ||
    fail "the verdict does not come first"
cp "$page" before.html
mkdir aside
mv "$SAEGRID_RESULTS"/experiments/* aside/
expect 0 sg report cpt_smoke
cmp before.html "$page" || fail "the report needs more than the manifest"
mv aside/* "$SAEGRID_RESULTS"/experiments/
pass "the report is made from the manifest alone"

# Noise on the weights of the L1 arm: the gate of that arm misses, by name.
expect 1 sg run "$sweeps/cpt_smoke.yaml" "${small[@]}" --set l1.damage=0.5 -j 2
says '1 missed a gate that must pass'
says 'gate missed: tax_l1, '
grep -q 'stage tax_l1$' results/EXPERIMENT_LOG.md || fail "the log does not name the arm"
same "gate of the ruined arm" "$(stage tax_l1 negative)" 1
pass "an arm with noise on its weights makes the sweep fail and is named"
