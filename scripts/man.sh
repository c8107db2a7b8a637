#!/usr/bin/env bash
# man.sh - manual pages from --help: saegrid.1 and saegrid-<command>.1.
#
#   scripts/man.sh [SAEGRID] [FOLDER]      default: build/release/bin/saegrid, build/release/man
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
saegrid=${1:-$root/build/release/bin/saegrid}
out=${2:-$root/build/release/man}
mkdir -p "$out"

# page TITLE SUMMARY < text: the text as it is, in a page
page() {
    printf '.TH %s 1 "" saegrid "saegrid manual"\n.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n.nf\n' \
        "${1^^}" "$1" "$2"
    sed -e 's/\\/\\e/g' -e "s/^[.']/\\\\\\&&/" -e 's/-/\\-/g'
    printf '.fi\n.SH SEE ALSO\n'
    if [ "$1" = saegrid ]; then printf 'sqlite3(1), mpirun(1)\n'; else printf 'saegrid(1)\n'; fi
}

"$saegrid" --help | page saegrid 'sweeps of sparse-autoencoder experiments over MPI' >"$out/saegrid.1"
n=1
while read -r command summary; do
    "$saegrid" "$command" --help | page "saegrid-$command" "$summary" >"$out/saegrid-$command.1"
    n=$((n + 1))
done < <("$saegrid" --help | sed -nE 's/^  ([a-z]+)  +(.*)/\1 \2/p')
printf 'man: %d pages in %s\n' "$n" "$out"
