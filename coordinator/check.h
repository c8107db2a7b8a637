/* check.h - compares manifest, events, folders and digests with one another.  Writes nothing. */
#pragma once
#include "coordinator/manifest_query.h"

struct check_report {
    struct table found;         /* where, what: one row a discrepancy */
    int64_t n_jobs, n_artifacts, n_folders, bytes; /* looked at */
};

/* `digests`: also reads every artefact (else sizes only). */
MUST_CHECK enum err_code check_run(struct query *q, const char *results, bool digests,
                                   struct check_report *out, struct err *e);
void check_free(struct check_report *r);
