/* warm.h - the agent's side of `saegrid-runner warm` (worker/runner/warm.h): a process for each job
 * at the price of a fork.  It is started at the first use, again when it has died, and given up
 * after WARM_TRIES: then every job is spawned.
 */
#pragma once
#include <stddef.h>

#include "common/proc.h"

enum { WARM_TRIES = 3, WARM_WAIT_MS = 5000 };

struct warm {
    const char *runner;    /* NULL: never */
    struct proc proc;
    int fd;                /* our end of its socket; -1: not started */
    int n_failed;
};

void warm_init(struct warm *w, const char *runner);
/* A process that runs the job in `tmp`; false: there is none, spawn one. */
bool warm_run(struct warm *w, const char *tmp, int threads, int log_fd, int progress_fd,
              struct proc *p);
/* A process that settles these folders; false: there is none. */
bool warm_settle(struct warm *w, const char *const *tmp, size_t n, struct proc *p);
void warm_close(struct warm *w);
