#!/usr/bin/env bash
# Bad input gets `file:line:column: where: what: why` and exit 65; nothing is written, nothing dies.
# shellcheck disable=SC2016  # $stage is the sweep's, not the shell's
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

: >count
# bad WHAT PATTERN < spec: `run` refuses it within seconds and leaves no results behind.
bad() {
    cat >bad.yaml
    expect 65 timeout 20 "$SAEGRID_BIN/saegrid" run bad.yaml -j 1
    says "$2"
    [ ! -e "$SAEGRID_RESULTS" ] || fail "$1: results were written"
    echo "$1" >>count
}
stage() { printf 'sweep: bad\nstages:\n  one: %s\n' "$1"; }

# --- keys and values
stage '{kind: mock, sed: 1}' | bad 'unknown knob' 'bad\.yaml:3:[0-9]+: .*sed.*seed'
printf 'sweep: bad\nstagse:\n  one: {kind: mock}\n' | bad 'unknown key' 'bad\.yaml:2:1: .*stagse.*stages'
stage '{kind: sae_trian}' | bad 'unknown kind' 'bad\.yaml:3:.*sae_trian.*sae_train'
stage '{seed: 1}' | bad 'no kind' 'bad\.yaml:3:.*kind'
stage '{kind: mock, seed: many}' | bad 'word for a number' 'bad\.yaml:3:[0-9]+: .*seed.*many'
stage '{kind: mock, seed: 1.5}' | bad 'fraction for an integer' 'bad\.yaml:3:.*1\.5'
stage '{kind: mock, seed: [1, 2]}' | bad 'list for a number' 'bad\.yaml:3:.*seed'
stage '{kind: mock, seed: {a: 1}}' | bad 'mapping for a number' 'bad\.yaml:3:.*seed'
stage '{kind: mock, seed: 99999999999999999999}' | bad 'overflow' 'bad\.yaml:3:.*99999999999999999999'
stage '{kind: mock, sleep: .nan}' | bad 'NaN' 'bad\.yaml:3:.*nan'
stage '{kind: mock, process: perhaps}' | bad 'word for a boolean' 'bad\.yaml:3:.*perhaps'
stage '{kind: mock, fail: sometimes}' | bad 'unknown choice' 'bad\.yaml:3:.*sometimes.*none'
stage '{kind: mock, seed: -1}' | bad 'out of bounds' 'bad\.yaml:3:.*-1.*outside'
stage '{kind: mock, timeout: soon}' | bad 'no duration' 'bad\.yaml:3:.*soon'
stage 'mock' | bad 'stage that is no mapping' 'bad\.yaml:3'
printf 'stages:\n  one: {kind: mock}\n' | bad 'no name' 'sweep'
printf 'sweep: bad\n' | bad 'no stages' 'stages'
printf 'sweep: bad\nstages: {}\n' | bad 'empty stages' 'stages'
printf '' | bad 'empty file' 'bad\.yaml'
printf -- '- 1\n- 2\n' | bad 'list for a sweep' 'bad\.yaml'
stage '{kind: sae_train, k: 4}' | bad 'missing input' 'bad\.yaml:3:.*acts'
stage '{kind: lm_train, d_model: 30, n_heads: 4}' | bad 'rule across knobs' 'bad\.yaml:3:.*n_heads|bad\.yaml:3:.*d_model'

# --- structure of the YAML
printf 'sweep: bad\nsweep: bad\nstages:\n  one: {kind: mock}\n' | bad 'duplicate key' 'bad\.yaml:2:1: .*sweep'
printf 'sweep: bad\nstages:\n  one: {kind: mock}\n  one: {kind: mock}\n' | bad 'duplicate stage' 'bad\.yaml:4:.*one'
stage '{kind: mock, seed: 1, seed: 2}' | bad 'duplicate knob' 'bad\.yaml:3:.*seed'
printf 'sweep: bad\nstages: [\n' | bad 'broken syntax' 'bad\.yaml:[0-9]+'
printf 'sweep: bad\ntitle: caf\xe9\nstages:\n  one: {kind: mock}\n' | bad 'not UTF-8' 'bad\.yaml.*(utf-8|UTF-8|byte)'
printf 'sweep: "a\\0b"\nstages:\n  one: {kind: mock}\n' | bad 'NUL in a name' 'bad\.yaml'
head -c 4096 /dev/urandom >random.bin
bad 'noise' 'bad\.yaml' <random.bin
{
    echo 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]'
    for i in 1 2 3 4 5 6 7 8 9; do
        p="*a$((i - 1))"
        echo "a$i: &a$i [$p, $p, $p, $p, $p, $p, $p, $p, $p, $p]"
    done
    echo 'sweep: *a9'
} | bad 'aliases that explode' 'bad\.yaml.*alias'
{ printf 'sweep: bad\nstages: '; head -c 100000 /dev/zero | tr '\0' '['; } | bad 'deep nesting' 'bad\.yaml'

# --- axes
stage '{kind: mock, grid: {seed: []}}' | bad 'empty axis' 'bad\.yaml:3:.*seed'
stage '{kind: mock, grid: {}}' | bad 'empty grid' 'bad\.yaml:3:.*grid'
stage '{kind: mock, zip: {seed: [1, 2], steps: [1, 2, 3]}}' | bad 'unequal zip' 'bad\.yaml:3:.*(zip|seed|steps)'
stage '{kind: mock, grid: {seed: {range: [0, 10000000000]}}}' | bad 'axis of 10^10 values' 'bad\.yaml:3:.*seed'
stage '{kind: mock, grid: {seed: {range: [0, 1000000]}, steps: {range: [1, 1000000]}}}' |
    bad 'product of 10^12 jobs' 'bad\.yaml'
stage '{kind: mock, grid: {seed: {range: [0, 10, 0]}}}' | bad 'step of zero' 'bad\.yaml:3:.*(range|seed)'
stage '{kind: mock, grid: {seed: {geom: [0, 10, 3]}}}' | bad 'geometric from zero' 'bad\.yaml:3:.*(geom|seed)'
stage '{kind: mock, grid: {seed: [1, 2, 1]}}' | bad 'the same value twice' 'bad\.yaml:3:.*seed'
stage '{kind: mock, seed: 1, grid: {seed: [1, 2]}}' | bad 'knob and axis' 'bad\.yaml:3:.*seed'
stage '{kind: mock, grid: {seed: [1, 2]}, zip: {seed: [3, 4]}}' | bad 'axis twice' 'bad\.yaml:3:.*seed'
stage '{kind: mock, grid: {speed: [1, 2]}}' | bad 'unknown axis' 'bad\.yaml:3:.*speed'
stage '{kind: mock, grid: {seed: [1, x]}}' | bad 'wrong value in an axis' 'bad\.yaml:3:.*x'

# --- references between stages
stage '{kind: acts_extract, model: $two}' | bad 'unknown stage' 'bad\.yaml:3:.*two'
stage '{kind: acts_extract, model: $one}' | bad 'a stage that needs itself' 'bad\.yaml:3:.*(cycle|itself)'
printf 'sweep: bad\nstages:\n  a: {kind: sae_train, acts: $b}\n  b: {kind: acts_extract, model: $a}\n' |
    bad 'a cycle of wrong kinds' 'bad\.yaml'
printf 'sweep: bad\nstages:\n  a: {kind: mock, after: $b, over: []}\n  b: {kind: mock, after: $a, over: []}\n' |
    bad 'a cycle' 'bad\.yaml:.*(cycle|circular)'
printf 'sweep: bad\nstages:\n  a: {kind: mock}\n  b: {kind: acts_extract, model: $a}\n' |
    bad 'input of a wrong kind' 'bad\.yaml:4:.*(mock|lm_train)'

# --- names that would leave the results folder
for name in '../../etc/x' '/etc/x' 'a/b' '..' '.' '""' '"a\nb"' '-x' "$(printf 'x%.0s' {1..300})"; do
    printf 'sweep: %s\nstages:\n  one: {kind: mock}\n' "$name" | bad "sweep named $name" 'bad\.yaml:1:.*sweep'
done
printf 'sweep: bad\nphase: ../x\nstages:\n  one: {kind: mock}\n' | bad 'phase' 'bad\.yaml:2:.*phase'
printf 'sweep: bad\nstages:\n  ../one: {kind: mock}\n' | bad 'stage' 'bad\.yaml:3:.*one'
pass "$(wc -l <count) bad sweeps are refused"

# --- all errors of a file at once
printf 'sweep: bad\nstages:\n  a: {kind: mock, sed: 1}\n  b: {kind: mock, seed: x}\n  c: {kind: mcok}\n' |
    bad 'three errors' 'bad\.yaml:3:'
says 'bad\.yaml:4:'
says 'bad\.yaml:5:'
pass 'every error of a file is reported at once'

# --- files
expect 65 sg plan "$work"
says 'folder|director'
expect 65 sg plan nosuch.yaml
says 'nosuch\.yaml'
stage '{kind: mock}' >good.yaml
expect 65 sg plan good.yaml --set one.sed=1
says 'sed'
expect 65 sg plan good.yaml --set one.seed=x
says 'seed'
expect 64 sg run good.yaml -j many
expect 64 sg run good.yaml good.yaml
pass 'files and options'
