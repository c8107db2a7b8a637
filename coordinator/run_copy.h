/* run_copy.h - a finished run's record as it stands in the manifest, as a folder of files: for exports when its own
 * folder is gone, or is not to be trusted.
 *
 * job.json, result.json (metrics, verdict, times, host) and series.csv; none of the artefacts.
 */
#pragma once
#include "coordinator/manifest_query.h"

#define RUN_COPY_PREFIX ".saegrid-"

/* Makes the folder <dest>/.saegrid-<8 digits of the id> and puts its path into `folder`.  `run` as query_job takes it. */
MUST_CHECK enum err_code run_copy_write(struct query *q, const char *run, const char *dest, struct buf *folder,
                                        struct err *e);
