/* check_metrics.h - compares the metric rows of a job with what the job reported, to the bit.
 *
 * Adds one text that names every difference; none if they agree.
 */
#pragma once
#include "common/buf.h"
#include "common/json.h"
#include "coordinator/manifest_query.h"

/* `root`: of its result.json */
MUST_CHECK enum err_code check_metrics(struct query *q, int64_t job, const struct json *root, struct buf *what,
                                       struct err *e);
/* "name=value name=value" of a job that has no folder */
MUST_CHECK enum err_code check_metrics_inline(struct query *q, int64_t job, const char *text, struct buf *what,
                                              struct err *e);
