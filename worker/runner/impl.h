/* impl.h - what a job kind does: one `const struct job_impl` a file in worker/jobs/. */
#pragma once
#include "worker/runner/job.h"

struct job_impl {
    const char *kind;
    /* Reads knobs and inputs' headers, computes memory; touches no output. */
    enum err_code (*plan)(struct job *j, struct job_plan *plan, struct err *e);
    /* Does the work in j->dir.  ERR_STOPPED after a checkpoint when job_stop_wanted(). */
    enum err_code (*run)(struct job *j, struct err *e);
};

const struct job_impl *job_impl_find(const char *kind);
