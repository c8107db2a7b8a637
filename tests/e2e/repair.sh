#!/usr/bin/env bash
# `check --repair` mends what kills and accidents leave and deletes no result; `check --rebuild` makes
# a lost manifest from the folders.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >some.yaml <<'YAML'
sweep: some
stages:
  one: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 200}
  two: {kind: sae_train, acts: $one, d_sae: 12, k: 2, steps: 20, batch: 32, lr: 1e-3, grid: {seed: [1, 2]}}
  three: {kind: sae_compare, saes: $two, over: [seed], n_boot: 100, subspace_k: 2}
  four: {kind: mock, grid: {seed: [1, 2]}}
YAML
cat >other.yaml <<'YAML'
sweep: other
stages:
  again: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 200}
YAML
expect 0 sg run some.yaml -j 2
expect 0 sg run other.yaml -j 1
home=$SAEGRID_RESULTS/experiments
one=$(basename "$(find "$home/some" -maxdepth 1 -type d -name '*organism*' ! -name '*dsae*')")
two=$(basename "$(find "$home/some" -maxdepth 1 -type d -name '*dsae12*seed1*')")
[ -L "$home/other/$one" ] || fail 'a shared job has no link'
want=$(digest "$SAEGRID_RESULTS")
expect 0 sg check --repair
says '0 mended'
pass 'nothing is mended where nothing is broken'

mkdir "$home/some/$two.tmp" "$home/some/stranger" "$home/some/empty.tmp"
echo half >"$home/some/$two.tmp/log.txt"
cp "$home/some/$two/job.json" "$home/some/$two.tmp/"
echo mine >"$home/some/stranger/notes"
echo state >"$home/some/$two/checkpoints/state.pt"
rm "$home/other/$one"
ln -s ../some/nowhere "$home/other/$one"
expect 1 sg check
says 'stranger.*no job'
says 'leads nowhere'
expect 0 sg check --repair
says "$two.tmp.*half-written"
says "stranger.*quarantine/some/stranger"
expect 0 sg check
[ ! -e "$home/some/$two.tmp" ] || fail 'the half-written folder is there'
[ ! -e "$home/some/$two/checkpoints/state.pt" ] || fail 'the state for resuming is there'
[ "$(cat "$SAEGRID_RESULTS/quarantine/some/stranger/notes")" = mine ] || fail 'a file of somebody is lost'
[ -d "$home/other/$one/" ] || fail 'the link leads nowhere still'
same 'numbers' "$(digest "$SAEGRID_RESULTS")" "$want"
pass 'leftovers go, strangers are kept elsewhere, links are mended'

# a manifest from before the results: the folders are newer than it
cp -r "$SAEGRID_RESULTS" older
rm older/manifest.sqlite*
expect 0 sg check --rebuild --results "$work/older"
says 'taken in'
expect 0 sg run some.yaml -j 1 --results "$work/older"
same 'jobs that were computed again' \
    "$(sql older/manifest.sqlite 'SELECT count(*) FROM attempt a JOIN job j ON j.id = a.job WHERE a.rank > 0 AND NOT in_agent')" 0
expect 0 sg check --results "$work/older"
same 'numbers of the rebuilt manifest' "$(digest "$work/older")" "$want"
expect 65 sg check --rebuild --results "$work/older"
says 'move it away'
pass 'a lost manifest comes back from folders and sweep texts'

# folders made on another day have another day in their names; the digest decides
cp -r "$SAEGRID_RESULTS" yesterday
rm yesterday/manifest.sqlite*
today=$(date -u +%Y%m%d)
for dir in yesterday/experiments/*/*_"$today"*; do
    mv "$dir" "${dir/$today/20200101}"
done
rm yesterday/experiments/other/*20200101
expect 0 sg check --rebuild --results "$work/yesterday" some.yaml other.yaml
expect 0 sg run some.yaml -j 1 --results "$work/yesterday"
same 'numbers under yesterday'"'"'s names' "$(digest "$work/yesterday")" "$want"
same 'jobs that were computed again' \
    "$(sql yesterday/manifest.sqlite 'SELECT count(*) FROM attempt a JOIN job j ON j.id = a.job WHERE a.rank > 0 AND NOT in_agent')" 0
expect 0 sg check --results "$work/yesterday"
pass 'a folder is known by its digest, not by its name'

mkdir empty
expect 65 sg check --rebuild --results "$work/empty"
says 'sweep\.yaml'
[ ! -e empty/manifest.sqlite ] || fail 'a manifest was made of nothing'
expect 64 sg check some.yaml
pass 'nothing is made of nothing'
