#!/usr/bin/env bash
# Threads of our own have one place: worker/num/par.c, the loops of a runner with `threads` above 1.
# Coordinator and agent start none (Open MPI has its own inside), so that what they do needs no locks and
# a posix_spawn meets none held elsewhere; the warm runner forks before any loop runs.
set -u
root=${SAEGRID_SOURCE:-$(dirname "$0")/../..}
bin=${SAEGRID_BIN:-$root/build/release/bin}
failed=0
for program in saegrid saegrid-agent; do
    if ! symbols=$(nm -D --undefined-only "$bin/$program" 2>&1); then
        echo "nm $bin/$program: $symbols"
        failed=1
    elif grep -E ' (pthread_create|thrd_create|clone3?|timer_create|GOMP_parallel.*)(@|$)' <<<"$symbols"; then
        echo "$program starts threads with these"
        failed=1
    fi
done
if grep -rnE --include='*.[ch]' --exclude=par.c '\b(pthread_|thrd_|GOMP_)|threads\.h|omp parallel|SIGEV_THREAD' \
    "$root/common" "$root/coordinator" "$root/worker"; then
    echo 'the sources above name threads; worker/num/par.c alone may'
    failed=1
fi
exit $failed
