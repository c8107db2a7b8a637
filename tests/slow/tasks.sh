#!/usr/bin/env bash
# The base models learn their tasks.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

expect 0 sg run "$sweeps/tasks.yaml" -j 2
sql "SELECT task, val_acc, wall_s FROM runs WHERE kind = 'lm_train'; SELECT stage, value FROM metrics WHERE name = 'epochs'"
same 'tasks below 0.99' "$(sql "SELECT count(*) FROM runs WHERE kind = 'lm_train' AND val_acc < 0.99")" 0
same 'modadd_husai within 5 epochs' "$(sql "SELECT value = 1 FROM metrics WHERE stage = 'modadd_husai' AND name = 'val_acc'")" 1
pass 'modadd, modadd_husai and copy are learnt'
