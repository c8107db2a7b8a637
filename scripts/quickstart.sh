#!/usr/bin/env bash
# quickstart.sh - from a fresh clone to a table: installs, builds, runs sweeps/quickstart.yaml.
#
#   scripts/quickstart.sh [options of `saegrid run`]      e.g. -j 1, --results DIR
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=lib.sh
. "$root/scripts/lib.sh"

"$root/scripts/deps.sh"
"$root/scripts/build.sh" release
allow_mpi_as_root
cd "$root"
exec build/release/bin/saegrid run sweeps/quickstart.yaml "$@"
