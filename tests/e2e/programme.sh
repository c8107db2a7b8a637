#!/usr/bin/env bash
# The sweep files of the programme: each has its hypothesis and can be planned; 4a to 4c, shrunken to
# modulus 13, run to the end with every control beside the trained dictionaries.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

for file in "$sweeps"/phase4*.yaml; do
    grep -q '^hypothesis:' "$file" || fail "$file states no hypothesis"
    grep -q '^expected:' "$file" || fail "$file states nothing expected"
    [ "$(sed -n 's/^sweep: //p' "$file")" = "$(basename "$file" .yaml)" ] || fail "$file: its sweep has another name"
    expect 0 sg plan "$file"
done
pass 'every sweep of the programme can be planned and says what it expects'

expect 0 sg plan "$sweeps/phase4_core.yaml"
says '[0-9]+ jobs \([0-9]+ listed, 1[0-9]+ of them repeats\)'
pass 'jobs that experiments share run once'

small=(--set modulus=13 --set epochs=4 --set steps=20 --set 'seeds=[1, 2, 3]')
expect 0 sg run "$sweeps/phase4a_replication.yaml" -j 2 "${small[@]}" --set sae.d_sae=64 --set naive_sae.d_sae=64
same 'controls beside chance' "$(sql "SELECT count(*) FROM stability WHERE sweep = 'phase4a_replication' AND random_mean > 0
    AND surrogate_mean > 0 AND untrained_mean > 0 AND shuffled_mean > 0")" 1
expect 0 sg table stability -s phase4a_replication
says 'random_mean +gaussian +untrained +shuffled'
pass '4a: random, gaussian, untrained and shuffled stand beside the trained ones'

expect 0 sg run "$sweeps/phase4c_dynamics.yaml" -j 2 "${small[@]}" --set 'at=[0, 20]' --set checkpoints="'0,20'" \
    --set sae.d_sae=32 --set sae.k=4
same 'stages of training' "$(sql "SELECT count(*) FROM stability WHERE sweep = 'phase4c_dynamics'")" 2
same 'agreement before training is chance' "$(sql "SELECT abs(pwmcc_mean - random_expected) < 0.03 FROM stability
    WHERE sweep = 'phase4c_dynamics' AND checkpoint = 0")" 1
pass '4c: stability over training, from checkpoints'

expect 0 sg run "$sweeps/husai_size.yaml" -j 2 --set model.modulus=13 --set sae.epochs=1 --set 'sae.seed=[1, 2]' \
    --set 'sae.d_sae=32' --set sae.k=4
says 'Beware: the base model leaks'
pass 'a model that is shown its answers is named'
