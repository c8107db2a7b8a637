#!/usr/bin/env bash
# SAEs go out and come back: export, import, a stage that imports, and what happens to its id.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >one.yaml <<'END'
sweep: one
stages:
  data: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 400}
  sae: {kind: sae_train, acts: $data, d_sae: 12, k: 2, steps: 40, batch: 64, seed: 3}
END
expect 0 sg run one.yaml -j 1
run=$(basename "$SAEGRID_RESULTS"/experiments/one/*_topk_*)
expect 0 sg export "$run" lens
expect 0 sg export lens dl --format dictionary_learning
expect 0 sg export lens flat.safetensors --format safetensors
expect 0 sg import dl back.pt
pass 'there and back'

expect 0 sg export "$run" wb --format wandb
says 'wb/offline-run-.*/run-[0-9a-f]*\.wandb'
[ "$(head -c 4 wb/offline-run-*/run-*.wandb)" = ':W&B' ] || fail 'not a log of W&B'
expect 0 sg export "$SAEGRID_RESULTS"/experiments/one/*data* wb --format wandb   # any kind of run
expect 65 sg export lens wb --format wandb
says 'not the folder of a finished run'
pass 'a run becomes an offline run of W&B'

expect 65 sg export "$run" h.pt --format husai
says 'decoder bias'
expect 65 sg export nothing x
says 'nothing'
expect 65 sg import nowhere x.pt
says 'nowhere'
expect 65 sg import one.yaml x.pt
says 'looks like none'
expect 65 sg export "$run" x --format sealens
says 'saelens'
expect 0 sg export --help
expect 0 sg import --help
pass 'what cannot be is refused with its reason'

mkdir sub
mv lens sub/lens
cat >sub/two.yaml <<'END'
sweep: two
include: [../one.yaml]
stages:
  theirs: {kind: sae_import, acts: $data, grid: {path: [lens, ../dl, ../flat.safetensors, ../back.pt]}}
  quality: {kind: sae_eval, sae: $theirs, acts: $data}
END
expect 0 sg run sub/two.yaml -j 2
expect 0 sg check
measured="FROM runs WHERE kind IN ('sae_import', 'sae_eval')"
same 'jobs that measured' "$(sql "SELECT count(ev) $measured")" 8
same 'reconstructions of all formats' "$(sql "SELECT max(ev) - min(ev) < 1e-6 $measured")" 1
pass 'every format gives the same numbers'

n_imports() { sql "SELECT count(*) FROM job j JOIN kind k ON k.id = j.kind WHERE k.name = 'sae_import'"; }
mv sub/lens moved
sed -i 's|path: \[lens|path: [../moved|' sub/two.yaml
expect 0 sg plan sub/two.yaml
expect 0 sg run sub/two.yaml -j 1
same 'jobs after the folder moved' "$(n_imports)" 4
printf ' ' >>moved/cfg.json
expect 0 sg run sub/two.yaml -j 1
same 'jobs after the folder changed' "$(n_imports)" 5
rm -r moved
expect 65 sg run sub/two.yaml -j 1
says 'two.yaml:4:.*moved'
pass 'the content is the identity'
