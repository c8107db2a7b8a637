/* point.h - numbers of a sweep by `$stage{axis: value}` and metric, each with its interval.
 *
 * Of a stage of comparisons a number is that of one job; its interval is over seeds where there is one
 * (pwmcc_mean, and ratio by the same; Student's of ev_mean and l0_mean), else the number stands alone.  Of any other stage it is the mean over
 * seeds of a condition, with Student's interval.
 */
#pragma once
#include "common/ytree.h"
#include "coordinator/manifest_query.h"

/* `$stage{axis: value | [values]}`, taken apart. */
struct point_ref {
    const char *stage;
    const struct ynode *select;  /* a mapping, or NULL */
};
/* Texts live in the pool; false: no such form. */
bool point_ref_read(struct pool *pool, const char *text, struct point_ref *out);

struct points {
    struct table t;              /* the rows of the view, with their knobs */
    double *v, *low, *high;      /* [t.n_rows]; NaN: no number; low and high: no interval */
};
/* Rows in the order of the knob `by`, if it is not NULL.  No row is no error. */
MUST_CHECK enum err_code points_load(struct points *p, struct query *q, const char *sweep, const struct point_ref *ref,
                                     const char *metric, const char *by, struct err *e);
/* Another number of the same rows: only of comparisons; NaN where a row has none. */
double points_also(const struct points *p, size_t row, const char *metric);
void points_free(struct points *p);

/* The sweep's text as it is stored, read; *root NULL if it holds nothing. */
MUST_CHECK enum err_code point_sweep_text(struct query *q, const char *sweep, struct pool *pool, struct ynode **root,
                                          struct err *e);
