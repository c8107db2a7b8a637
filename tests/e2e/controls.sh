#!/usr/bin/env bash
# Controls beside the trained dictionaries, base models that miss their gate, the L0 finder, every architecture on the organism.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

small=(--set modulus=13 --set epochs=4 --set steps=20 --set 'seeds=[1, 2]')
expect 0 sg run "$sweeps/phase4c_k.yaml" -j 2 "${small[@]}" --set 'k=[2, 4]' --set sae.d_sae=32
same 'all four controls of each k' "$(sql "SELECT count(*) FROM stability WHERE sweep = 'phase4c_k' AND random_mean > 0
    AND surrogate_mean > 0 AND untrained_mean > 0 AND shuffled_mean > 0")" 2
same 'the untrained model is no stage of its own' "$(sql "SELECT count(*) FROM runs WHERE sweep = 'phase4c_k' AND kind = 'lm_gate'")" 1
says 'Beware: the base model .* did not pass its gate: accuracy 0'
expect 0 sg table summary -s phase4c_k
says 'Beware: the base model .* did not pass its gate: accuracy 0'
for table in stability runs summary pareto pairs checks; do
    for form in csv json md latex; do
        expect 0 sg table "$table" -s phase4c_k --$form
        says 'the base model .* did not pass its gate: accuracy 0'
    done
done
expect 0 sg table stability --latex --columns k,ratio
says '^% Beware: the base model'
says 'footnotesize Beware: the base model phase4c'
same 'what is made with it has its name; random decoders have not' "$(sg table runs -s phase4c_k --csv --columns stage,kind --where "kind IN ('sae_train', 'sae_random')" |
    awk -F, '$2 == "sae_train" {t += NF > 2 && $3 != ""} $2 == "sae_random" {r += $3 != ""} END {print (t > 0), r + 0}')" '1 0'
same 'nor has a table of what does not leak' "$(sg table definitions --csv | grep -c beware)" 0
expect 0 sg report phase4c_k -o page.html
same 'a seed stands once in a condition: SAEs of the untrained model are a control' "$(grep -cE '>1</a>,? ?<a [^>]*>1</a>' page.html)" 0
same 'two seeds a condition' "$(grep -qE '>1</a>,? ?<a [^>]*>2</a>' page.html && echo yes)" yes
pass '4c: the core set has every control; a model that missed its gate is named in each table, in every format'

expect 0 sg run "$sweeps/phase4c_decnorm.yaml" -j 2 "${small[@]}" --set k=4 --set sae.d_sae=32 --set 'sae.decoder_norm=[none, renorm]'
says '^untrained -: not asked for \(2 conditions\)'
says '^Controls: chance only here; all four controls run on the core set'
pass '4c: a control that is absent has a column, and a reason below it'

cat >l0.yaml <<'SPEC'
sweep: l0
stages:
  organism: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 400}
  scan: {kind: sae_train, acts: $organism, d_sae: 12, batch: 64, steps: 30, grid: {k: [1, 2, 4, 8]}}
  find: {kind: sae_l0, saes: $scan, coef: k, target_l0: 4, over: [k]}
  there: {kind: sae_train, acts: $organism, d_sae: 12, batch: 64, steps: 30, k: $find.k_pick, seed: 1}
SPEC
expect 0 sg run l0.yaml -j 2
same 'the L0 asked for, within half a feature' "$(sql "SELECT abs(l0 - 4) < 0.5 FROM runs WHERE sweep = 'l0' AND stage = 'there'")" 1
pass 'the L0 finder finds it'

expect 0 sg run "$sweeps/organism_archs.yaml" -j 2 --set 'seeds=[1, 2]' --set steps=10 --set organism.n_rows=500
same 'GT-MCC beside PW-MCC for every architecture' "$(sql "SELECT count(DISTINCT arch) FROM stability WHERE sweep = 'organism_archs'
    AND gt_mcc > 0 AND hungarian_mean > 0")" 12
pass 'organism: every architecture against the truth'
