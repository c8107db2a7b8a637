/* manifest_order.c - what orders from outside ask of the manifest: which jobs are meant, and how
 * they stand. */
#include "common/oom.h"
#include "coordinator/manifest_internal.h"

#include <stdlib.h>
#include <string.h>

/* First column of all rows; `rc` is what the first one gave. */
static enum err_code list_ids(struct manifest *m, sqlite3_stmt *row, enum err_code rc, int64_t **ids, size_t *n,
                              struct err *e)
{
    size_t cap = 0;

    *ids = NULL;
    *n = 0;
    for (; !rc && row; rc = db_next(m, &row, e)) {
        if (*n == cap) {
            cap = cap ? 2 * cap : 16;
            *ids = realloc(*ids, cap * sizeof **ids);
            if (!*ids)
                oom_exit("manifest_order");
        }
        (*ids)[(*n)++] = sqlite3_column_int64(row, 0);
    }
    return rc;
}

enum err_code manifest_target(struct manifest *m, const struct job_target *t, int64_t **ids, size_t *n,
                              struct err *e)
{
    static const enum statement find[] = {
        [TARGET_JOB] = ST_JOB_NOW, [TARGET_STAGE] = ST_TARGET_STAGE, [TARGET_SWEEP] = ST_TARGET_SWEEP};
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, find[t->type], &row, e, "i", t->id);

    rc = list_ids(m, row, rc, ids, n, e);
    for (size_t i = 0; t->type == TARGET_JOB && i < *n; i++)
        (*ids)[i] = t->id; /* that statement's first column is another */
    return rc;
}

enum err_code manifest_failed(struct manifest *m, int64_t sweep, const struct manifest_wish *w, int64_t **ids,
                              size_t *n, struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_FAILED_OF, &row, e, "zti", sweep, w->class, (int64_t)(w->fix != NULL));

    return list_ids(m, row, rc, ids, n, e);
}

enum err_code manifest_may_requeue(struct manifest *m, int64_t job, const struct manifest_wish *w, int64_t *epoch,
                                   struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_JOB_TROUBLE, &row, e, "i", job);

    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "job %lld: not in the manifest", (long long)job);
    *epoch = sqlite3_column_int64(row, 0);
    if (!sqlite3_column_int(row, 1))
        rc = err_set(e, ERR_INVALID, "%s is %s: only a failed, quarantined, skipped or cancelled job goes back",
                     db_text(row, 3), db_text(row, 2));
    else if (!w->fix && strcmp(db_text(row, 4), "code") == 0)
        rc = err_set(e, ERR_INVALID, "%s failed by a fault of the code: say what mends it with --fix COMMIT",
                     db_text(row, 3));
    db_done(row);
    return rc;
}

enum err_code manifest_is_paused(struct manifest *m, int64_t sweep_id, bool *out, struct err *e)
{
    int64_t paused = 0;
    enum err_code rc = db_i64(m, ST_SWEEP_PAUSED, 0, &paused, e, "i", sweep_id);

    *out = paused != 0;
    return rc;
}

enum err_code manifest_job_now(struct manifest *m, int64_t job, struct manifest_job *out, struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_JOB_NOW, &row, e, "i", job);

    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "job %lld: not in the manifest", (long long)job);
    *out = (struct manifest_job){.job = job,
                                 .state = manifest_state(db_text(row, 0)),
                                 .epoch = sqlite3_column_int64(row, 1),
                                 .priority = sqlite3_column_int(row, 2)};
    db_done(row);
    return ERR_OK;
}
