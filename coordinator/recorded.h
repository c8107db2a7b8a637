/* recorded.h - numbers that somebody recorded, beside ours: `recorded:` of a sweep.
 *
 * Each row names a number of ours by `of: $stage{axis: value}` and `metric`, less that of `minus: $stage{...}` if
 * given, the recorded value with its interval, how far apart the two may lie (`within`), where it was recorded
 * (`source`), and, where the recorded number is not what it seems, the `trap`.
 */
#pragma once
#include "coordinator/manifest_query.h"

/* table, of, metric, recorded, recorded_low, recorded_high, ours, ours_low, ours_high, difference, within, verdict,
 * trap, source, job.  Verdicts: same, differs, not run.  `sweep` NULL: every sweep that has records. */
MUST_CHECK enum err_code recorded_table(struct table *out, struct query *q, const char *sweep, struct err *e);
