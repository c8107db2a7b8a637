/* target.h - what people name: a sweep, a stage or a job, as ranges of row ids. */
#pragma once
#include "coordinator/control.h"
#include "coordinator/manifest_query.h"

struct target {
    struct control_range *jobs;
    size_t n, cap;
    struct buf what;           /* "stage smoke.sae, 12 jobs" */
};

/* Adds the jobs of a sweep NAME, a stage STAGE or SWEEP.STAGE, or one job (hex id, run name, or the
 * beginning of one). */
MUST_CHECK enum err_code target_add(struct query *q, const char *text, struct target *t, struct err *e);
/* Adds one job. */
MUST_CHECK enum err_code target_add_job(struct query *q, const char *text, struct target *t, struct err *e);
/* Adds failed and quarantined jobs, of the class if it is not NULL. */
MUST_CHECK enum err_code target_add_failed(struct query *q, const char *class, struct target *t, struct err *e);
void target_free(struct target *t);
