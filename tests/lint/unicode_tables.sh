#!/usr/bin/env bash
# The Unicode tables in worker/data are what scripts/unicode-tables.py makes.
set -u
cd "${SAEGRID_SOURCE:-$(dirname "$0")/../..}" || exit 1
command -v python3 >/dev/null || { echo 'skipped: no python3'; exit 77; }
python3 scripts/unicode-tables.py --check
