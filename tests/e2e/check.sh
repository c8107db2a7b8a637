#!/usr/bin/env bash
# `check` notices what was changed by hand, in the manifest and in the folders, and names it; what an
# unchanged result.json can give back, `check --repair` takes from it.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

cat >some.yaml <<'YAML'
sweep: some
stages:
  one: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 200}
  two: {kind: sae_train, acts: $one, d_sae: 12, k: 2, steps: 20, batch: 32, lr: 1e-3, grid: {seed: [1, 2]}}
  three: {kind: mock, grid: {seed: [1, 2]}}
YAML
cat >other.yaml <<'YAML'
sweep: other
stages:
  again: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 200}
YAML
expect 0 sg run some.yaml -j 2
expect 0 sg run other.yaml -j 1
expect 0 sg check
home=$SAEGRID_RESULTS/experiments
one=$(basename "$(find "$home/some" -maxdepth 1 -type d -name '*organism*' ! -name '*dsae*')")
two=$(basename "$(find "$home/some" -maxdepth 1 -type d -name '*dsae12*seed1*')")
want=$(digest "$SAEGRID_RESULTS")
change() { sqlite3 "$SAEGRID_RESULTS/manifest.sqlite" "PRAGMA foreign_keys = ON; $1"; }
two_id=$(sql "SELECT id FROM job WHERE run_name = '$two'")
of_two="job = $two_id AND name = (SELECT id FROM metric_name WHERE name = 'ev')"
mended() { # what `check` said is put right by --repair, to the last bit
    expect 0 sg check --repair
    says "$two.*metrics taken from its result.json again"
    says '1 mended'
    expect 0 sg check
    same 'numbers' "$(digest "$SAEGRID_RESULTS")" "$want"
}

change "UPDATE metric SET value = 0.123 WHERE $of_two"
for flag in '' --sizes-only; do
    # shellcheck disable=SC2086
    expect 1 sg check $flag
    says "$two +metric ev: the manifest says 0.123, result.json [0-9.-]+"
    says '1 discrepancy'
done
mended
change "UPDATE metric SET value = value * (1 + 2.3e-16) WHERE $of_two"
expect 1 sg check
says "metric ev: the manifest says"
mended
pass 'a metric changed by hand is named, by its last bit too, and comes back'

change "DELETE FROM metric WHERE $of_two"
expect 1 sg check
says "$two +metric ev: in result.json, not in the manifest"
mended
change "INSERT INTO metric (job, name, value) SELECT $two_id, id, 1 FROM metric_name WHERE name = 'pwmcc_mean'"
expect 1 sg check
says "$two +metric pwmcc_mean: in the manifest, not in result.json"
mended
pass 'a metric that is missing or too many is named and mended'

mock=$(sql 'SELECT run_name FROM job WHERE in_agent ORDER BY id LIMIT 1')
mock_rows="job = (SELECT id FROM job WHERE run_name = '$mock')"
[ "$(sql "SELECT count(*) FROM metric WHERE $mock_rows")" -gt 0 ] || fail 'a mock has no metric'
change "UPDATE metric SET value = value + 1 WHERE $mock_rows"
expect 1 sg check
says "$mock +metric .*its event"
change "UPDATE metric SET value = value - 1 WHERE $mock_rows"
expect 0 sg check --repair
pass 'so are those of a job without a folder'

result=$home/some/$two/result.json
cp -p "$result" kept.json
ev=$(sql "SELECT printf('%!.17g', value) FROM metric WHERE $of_two")
[ "$(grep -c '"ev":' "$result")" -ge 1 ] || fail 'result.json has no ev'
sed -E 's/("ev": *)[-0-9.e]+/\10.5/' kept.json >"$result"
expect 1 sg check --repair
says 'metric ev: the manifest says .*, result.json 0.5'
says "$two/result.json .*the manifest says"
same 'the value in the manifest' "$(sql "SELECT printf('%!.17g', value) FROM metric WHERE $of_two")" "$ev"
printf ' \n' | cat kept.json - >"$result"
expect 1 sg check --sizes-only
says "$two/result.json .*bytes, the manifest says"
sed 's/"format"/"FORMAT"/' kept.json >"$result"
same 'sizes' "$(stat -c %s "$result")" "$(stat -c %s kept.json)"
expect 1 sg check
says "$two/result.json .*SHA-256 is"
says '1 discrepancy'
cp -p kept.json "$result"
expect 0 sg check
pass 'an edited result.json is named and never taken in'

[ -L "$home/other/$one" ] || fail 'a shared job has no link'
cp -r "$home/some/$two" "$home/other/$two"
expect 1 sg check
says "experiments/other/$two +a folder that no job"
says '1 discrepancy'
rm "$home/other/$one"
cp -r "$home/some/$one" "$home/other/$one"
expect 1 sg check
says "experiments/other/$one +a folder that no job"
says '2 discrepancies'
expect 0 sg check --repair
says "quarantine/other/$two"
[ -L "$home/other/$one" ] || fail 'the link was not made again'
same 'numbers' "$(digest "$SAEGRID_RESULTS")" "$want"
pass 'a folder of a job of another sweep is a stray; a link is not'
