/* manifest_query.h - read-only questions to a manifest, also while a coordinator writes it.
 *
 * Needs no lock.  A manifest that is absent, foreign, newer or damaged is a clear error.
 */
#pragma once
#include "coordinator/table.h"

struct query;

MUST_CHECK enum err_code query_open(const char *results, struct query **out, struct err *e);
void query_close(struct query *q); /* NULL: no-op */

/* Adds the rows to an empty table.  Values by letters: t text (NULL allowed), i int64_t. */
MUST_CHECK enum err_code query_table(struct query *q, struct table *out, struct err *e, const char *sql,
                                     const char *fmt, ...);
/* First column of the first row, 0 if there is none. */
MUST_CHECK enum err_code query_i64(struct query *q, int64_t *out, struct err *e, const char *sql,
                                   const char *fmt, ...);

/* Row id of a job given by its hex id (at least 4 digits of it) or its run name (or the
 * beginning of one).  Several: ERR_INVALID lists them. */
MUST_CHECK enum err_code query_job(struct query *q, const char *text, int64_t *job, struct err *e);
/* A sweep's row; ERR_NOT_FOUND names the nearest. */
MUST_CHECK enum err_code query_sweep(struct query *q, const char *name, int64_t *sweep, struct err *e);

/* "host X pid Y since Z" of the coordinator that holds the manifest; no text if none does. */
void query_holder(const char *results, struct buf *out);

const char *manifest_sqlite_version(void);
/* PRAGMA integrity_check and foreign_key_check: the first complaint, "" if there is none. */
MUST_CHECK enum err_code query_integrity(struct query *q, struct buf *out, struct err *e);
