#!/usr/bin/env bash
# `saegrid-runner tokenize` as a filter: ids and back, chunks of a pipe, and what it refuses.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
runner=$SAEGRID_BIN/saegrid-runner
neox=$sweeps/data/tokenizer/20B_tokenizer.json.gz

printf 'Hello world' | "$runner" tokenize --tokenizer "$neox" >ids
same 'ids' "$(tr '\n' ' ' <ids)" '12092 1533 '
zcat "$sweeps/data/text/valid/time_machine.txt.gz" >book.txt
"$runner" tokenize --tokenizer "$neox" <book.txt >ids
"$runner" tokenize --tokenizer "$neox" --decode <ids | cmp - book.txt || fail 'decoding gives another text'
(head -c 1000 book.txt; sleep 0.2; tail -c +1001 book.txt) | "$runner" tokenize --tokenizer "$neox" | cmp - ids ||
    fail 'a pause in the input changes ids'
"$runner" tokenize --tokenizer "$neox" --vocab 4096 <book.txt >small
"$runner" tokenize --tokenizer "$neox" --vocab 4096 --decode <small | cmp - book.txt || fail 'small vocabulary'
same 'largest id' "$(sort -n small | tail -1 | awk '{ print ($1 < 4096) }')" 1
pass 'ids and back'

head -c 100000 /dev/urandom >noise
"$runner" tokenize --tokenizer bytes <noise | "$runner" tokenize --tokenizer bytes --decode | cmp - noise ||
    fail 'bytes do not come back'
"$runner" tokenize --tokenizer "$neox" <noise | "$runner" tokenize --tokenizer "$neox" --decode >once
"$runner" tokenize --tokenizer "$neox" <once | "$runner" tokenize --tokenizer "$neox" --decode | cmp - once ||
    fail 'repaired noise does not come back'
same 'nothing' "$("$runner" tokenize --tokenizer "$neox" </dev/null)" ''
pass 'any bytes'

expect 64 "$runner" tokenize
expect 64 "$runner" tokenize --tokenizer "$neox" --vocab many
expect 0 "$runner" tokenize --help
says 'usage: saegrid-runner tokenize'
expect 65 "$runner" tokenize --tokenizer nowhere.json
says 'nowhere.json'
expect 65 "$runner" tokenize --tokenizer book.txt
says 'book.txt: 1:1: JSON'
expect 65 "$runner" tokenize --tokenizer "$neox" --vocab 12
says '\[268, 50277\]'
printf '5\n50277\n' >bad
expect 65 bash -c "'$runner' tokenize --tokenizer '$neox' --decode <bad"
says 'line 2: id 50277'
printf '5\n6\n7x\n' >bad
expect 65 bash -c "'$runner' tokenize --tokenizer '$neox' --decode <bad"
says "line 3: .*decimal"
[ ! -e /dev/full ] || expect 74 bash -c "'$runner' tokenize --tokenizer '$neox' <book.txt >/dev/full"
pass 'what cannot be is refused with its reason'
