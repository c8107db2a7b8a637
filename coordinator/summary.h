/* summary.h - what a sweep came to: counts, the stability tables, and a sentence about each. */
#pragma once
#include "coordinator/manifest_query.h"

struct summary {
    int64_t n_jobs, n_done, n_open;       /* open: waiting, ready or leased */
    int64_t n_failed, n_skipped;          /* failed: failed, quarantined or cancelled */
    int64_t n_negative;                   /* done, with a negative verdict */
    int64_t n_stopped;                    /* done, and not among the best that go on */
    int64_t n_gates_failed;               /* negative where the gate says on_miss: fail */
};

MUST_CHECK enum err_code summary_load(struct query *q, int64_t sweep, struct summary *out,
                                      struct err *e);
/* 0, 1 (failures, or a gate with on_miss: fail), 75 (jobs are open). */
int summary_exit_code(const struct summary *s);
/* "48 jobs: 46 done (3 negative), 1 failed, 1 skipped" */
void summary_counts(const struct summary *s, struct buf *out);
/* The stability tables of the sweep and a sentence that says what each shows; nothing if the sweep
 * has no comparison. */
MUST_CHECK enum err_code summary_stability(struct query *q, const char *sweep, bool colour,
                                           struct buf *out, struct err *e);
/* A few lines about the first failures. */
MUST_CHECK enum err_code summary_failures(struct query *q, const char *sweep, struct buf *out,
                                          struct err *e);
/* The first missed gates that say on_miss: fail: stage, run and reason. */
MUST_CHECK enum err_code summary_gates(struct query *q, const char *sweep, struct buf *out,
                                       struct err *e);
