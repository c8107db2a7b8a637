#!/usr/bin/env bash
# An installed saegrid runs from where it is, without the tree it was built from.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

prefix="$work/a prefix"
expect 0 cmake --install "$SAEGRID_BIN/.." --prefix "$prefix"
for program in saegrid saegrid-agent saegrid-runner; do
    [ -x "$prefix/bin/$program" ] || fail "$program is not installed"
done
[ -f "$prefix/share/saegrid/sweeps/quickstart.yaml" ] || fail 'the sweeps are not installed'
[ -s "$prefix/share/man/man1/saegrid-run.1" ] || fail 'the manual pages are not installed'
mv "$prefix" "$work/moved"
cat >one.yaml <<'YAML'
sweep: one
stages:
  inside: {kind: mock, seed: 1}
  outside: {kind: mock, seed: 2, process: true}
YAML
expect 0 "$work/moved/bin/saegrid" run one.yaml -j 1
same 'jobs that are not done' "$(n_not_done)" 0
if strings -a "$work/moved/bin/saegrid" >strings.txt 2>/dev/null; then
    ! grep -Fq "$SAEGRID_SOURCE/schema" strings.txt || fail 'the program still looks into the source tree'
fi
pass 'installed, moved, and it runs'
