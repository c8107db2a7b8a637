#!/usr/bin/env bash
# The documentation is true: links lead somewhere, examples plan, queries run, commands exist.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

pages=("$SAEGRID_SOURCE"/*.md "$SAEGRID_SOURCE"/docs/*.md "$SAEGRID_SOURCE/results/README.md")
for page in "${pages[@]}"; do
    while IFS= read -r link; do
        [ -e "$(dirname "$page")/${link%%#*}" ] || fail "${page#"$SAEGRID_SOURCE"/} links to $link"
    done < <(grep -oE '\]\([^)]+\)' "$page" | sed -E 's/^\]\(//; s/\)$//' | grep -Ev '^(https?:|#)')
done
pass "links of ${#pages[@]} pages"

# Scripts that a page calls by their path, in a block or an indented line.
n=0
for page in "${pages[@]}"; do
    while IFS= read -r script; do
        [ -x "$SAEGRID_SOURCE/$script" ] || fail "${page#"$SAEGRID_SOURCE"/}: $script cannot be executed"
        n=$((n + 1))
    done < <(awk '/^```/ { inside = !inside } inside || /^    /' "$page" |
        grep -oE '^ *([A-Z_]+=[^ ]+ )*(tests|scripts)/[a-z_/-]+\.sh' | sed 's/.* //' | sort -u)
done
[ $n -ge 5 ] || fail "only $n scripts are called in the documentation"
pass "$n scripts of the documentation are executable"

# Fenced blocks of a page that begin with the given word: blocks LANGUAGE PAGE -> 1.LANGUAGE, ...
blocks() {
    rm -f ./*."$1"
    awk -v lang="$1" '
        $0 == "```" lang { n++; file = n "." lang; inside = 1; next }
        /^```/ { inside = 0 }
        inside { print > file }' "$2"
}
n=0
for page in "${pages[@]}"; do
    blocks yaml "$page"
    for spec in ./*.yaml; do
        [ -e "$spec" ] || continue
        if grep -q '^sweep:' "$spec" && grep -q '^stages:' "$spec" && ! grep -q '^include:' "$spec"; then
            expect 0 sg plan "$spec"
            n=$((n + 1))
        fi
    done
done
[ $n -ge 2 ] || fail "only $n whole sweeps in the documentation"
pass "$n sweeps of the documentation are valid"

expect 0 sg run "$sweeps/smoke.yaml" -j 2
n=0
for page in "${pages[@]}"; do
    blocks sql "$page"
    for query in ./*.sql; do
        [ -e "$query" ] || continue
        sqlite3 -readonly -bail "$SAEGRID_RESULTS/manifest.sqlite" <"$query" >"$log" 2>&1 ||
            fail "${page#"$SAEGRID_SOURCE"/}: $(cat "$query")"
        n=$((n + 1))
    done
done
[ $n -ge 10 ] || fail "only $n queries in the documentation"
pass "$n queries of the documentation run"

sg --help >help
while IFS= read -r command; do
    grep -Eq "^ +$command\\b" help || fail "the documentation names the command $command, the program does not"
done < <(cat "${pages[@]}" | grep -oE '`saegrid [a-z]+' | cut -d ' ' -f 2 | sort -u)
pass 'every command that the documentation names exists'
