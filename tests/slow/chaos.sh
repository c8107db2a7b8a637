#!/usr/bin/env bash
# The killer of tests/e2e/chaos.sh for longer: 600 kills from three seeds.
set -eu
for i in 1 2 3; do
    seed=$(((10#$(date +%N) + i) % 32768))
    SAEGRID_CHAOS_SEED=${SAEGRID_CHAOS_SEED:-$seed} SAEGRID_CHAOS_KILLS=${SAEGRID_CHAOS_KILLS:-200} \
        bash "$(dirname "${BASH_SOURCE[0]}")/../e2e/chaos.sh"
done
