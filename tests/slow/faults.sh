#!/usr/bin/env bash
# Every single failing write, sync, open, rename, SQL step and malloc in a manifest's life; the default
# tests take longer steps.
set -eu
SAEGRID_FAULTS=all "${SAEGRID_BIN:?}/../tests/unit.coordinator.test_manifest_faults"
