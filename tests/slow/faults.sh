#!/usr/bin/env bash
# Every single failing write, sync, open, rename and SQL step in a manifest's life; and a malloc from each
# chain of calls there, between a sweep file and its jobs, and in jobs, some more by chance.  The default
# tests take one for each place of our own.  The last line of each says how many there are and were failed.
set -eu
bin=${SAEGRID_BIN:?}/../tests
export SAEGRID_FAULTS=all
"$bin/unit.coordinator.test_manifest_faults"
"$bin/unit.coordinator.test_plan_faults"
"$bin/unit.worker.test_job_mallocs"
