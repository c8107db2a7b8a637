/* frame.h - one attempt at one job: from FOLDER.tmp with its job.json to FOLDER with its result. */
#pragma once
#include <signal.h>
#include <stdbool.h>

#include "common/clock.h"
#include "common/err.h"

struct frame_opts {
    const char *dir;                    /* FOLDER.tmp */
    const struct clock *clock;
    const volatile sig_atomic_t *stop;  /* set by a signal; NULL: never */
    int progress_fd;                    /* -1: none */
    bool leaves_sync;                   /* the starter makes it durable and renames it */
};

/* Runs the job, makes the result durable and renames FOLDER.tmp to FOLDER.  If FOLDER already holds the result of the same
 * job, does nothing and succeeds.  On failure FOLDER.tmp keeps the checkpoints and an error.json,
 * and the error names the run.  A run that diverged (class science) is a result: ERR_OK. */
MUST_CHECK enum err_code frame_run(const struct frame_opts *o, struct err *e);
