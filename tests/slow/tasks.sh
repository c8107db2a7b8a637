#!/usr/bin/env bash
# The base models learn their tasks.
# shellcheck source=../e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.bash"

expect 0 sg run "$sweeps/tasks.yaml" -j 2
sql "SELECT task, val_acc, epochs, wall_s FROM runs WHERE kind = 'lm_train'"
same 'tasks below 0.99' "$(sql "SELECT count(*) FROM runs WHERE kind = 'lm_train' AND val_acc < 0.99")" 0
same 'modadd_husai within 5 epochs' "$(sql "SELECT val_acc = 1 AND epochs <= 5 FROM runs WHERE task = 'modadd_husai'")" 1
pass 'modadd, modadd_husai and copy are learnt'
