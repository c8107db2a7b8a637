/* report_runs_of.h - the finished runs of a stage, put together by condition: all knobs but seeds; without controls. */
#pragma once
#include "coordinator/report.h"

struct runs_of {
    struct table t;       /* run_id, job, knobs: one row a finished run, those of a condition together */
    size_t *cols;         /* columns of the knobs that vary, seeds aside */
    size_t n_cols;
    size_t *first;        /* [n + 1] rows at which a condition begins */
    size_t n;             /* conditions */
};

MUST_CHECK enum err_code runs_of_load(struct runs_of *o, struct report *r, const char *stage, struct err *e);
void runs_of_free(struct runs_of *o);
/* "k = 4, d_sae = 64"; "all" if there is one condition. */
void runs_of_name(const struct runs_of *o, size_t i, struct buf *out);
/* "x'3fa9...', x'77...'": digests of at most `max` runs of a condition, for SQL. */
void runs_of_ids(const struct runs_of *o, size_t i, size_t max, struct buf *out);
/* Names and kinds of the sweep's stages in their order, those with a finished job. */
MUST_CHECK enum err_code runs_of_stages(struct report *r, struct table *out, struct err *e);
