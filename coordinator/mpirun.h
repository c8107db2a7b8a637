/* mpirun.h - starts `mpirun saegrid serve` on this node, whose ranks from 1 on become agents, and
 * watches it to its end.  One program for all ranks, since mpirun of some builds of Open MPI 5
 * crashes on two (open-mpi/ompi issue 13303).
 *
 * mpirun ends when we do, and runs in a process group of its own, so that a terminal's Ctrl-C reaches only us.  Its
 * exit code says nothing in recovery mode, and on several nodes it may never end: the
 * coordinator writes its pid and exit code to a status file, and once the exit code is there
 * mpirun gets a few seconds, then SIGTERM, then SIGKILL.
 */
#pragma once
#include <signal.h>

#include "common/clock.h"
#include "common/err.h"
#include "coordinator/opts.h"

struct mpirun {
    const char *spec, *results, *profile;  /* results: absolute */
    const struct opts_list *sets;
    const char *progress;
    int n_agents;
    double storage_wait_s;
    int64_t term_ms;                       /* an agent that is silent for so long is lost */
    bool has_ulfm;                         /* mpirun --with-ft ulfm: link_mpi_has_ulfm() */
    bool goes_on;                          /* a restart: quarantined jobs stay so */
    const volatile sig_atomic_t *drain;    /* 0; 1: drain; 2: now */
};

/* *exit_code: the coordinator's; -1 if it died without one.  An error if mpirun cannot start. */
MUST_CHECK enum err_code mpirun_run(const struct mpirun *m, const struct clock *clock,
                                    int *exit_code, struct err *e);
/* The command line, for tests: NULL-terminated, caller frees with proc_env_free.  `mpi_version`
 * is the text of link_mpi_version. */
char **mpirun_argv(const struct mpirun *m, const char *mpirun, const char *bin,
                   const char *status, const char *mpi_version);
