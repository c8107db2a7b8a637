/* manifest_orders.c - jobs put back, cancelled or moved forward by hand; the same command again. */
#include "coordinator/manifest_internal.h"

#include <stdlib.h>
#include <string.h>

static enum err_code requeue(struct manifest *m, int64_t job, int64_t epoch, int64_t wall_ms,
                             const char *why, struct err *e)
{
    struct event ev = {.type = EVENT_REQUEUE, .job = job, .epoch = epoch, .rank = -1, .wall_ms = wall_ms,
                       .message = why};

    return manifest_apply(m, &ev, 1, e);
}

/* Every skipped job whose inputs no longer stand in its way, in order, so chains follow. */
static enum err_code rearm_skipped(struct manifest *m, int64_t wall_ms, int64_t *n, struct err *e)
{
    int64_t after = 0, epoch;
    enum err_code rc;

    for (;;) {
        sqlite3_stmt *row;

        rc = db_row(m, ST_REARM_SKIPPED, &row, e, "i", after);
        if (rc || !row)
            return rc;
        after = sqlite3_column_int64(row, 0);
        epoch = sqlite3_column_int64(row, 1);
        db_done(row);
        rc = requeue(m, after, epoch, wall_ms, "its inputs are tried again", e);
        if (rc)
            return rc;
        ++*n;
    }
}

enum err_code manifest_rearm(struct manifest *m, int64_t sweep_id, int64_t wall_ms, int64_t *n, struct err *e)
{
    int64_t job, epoch;
    enum err_code rc;

    for (*n = 0;; ++*n) {
        sqlite3_stmt *row;

        rc = db_row(m, ST_REARM, &row, e, "i", sweep_id);
        if (rc || !row)
            break;
        job = sqlite3_column_int64(row, 0);
        epoch = sqlite3_column_int64(row, 1);
        db_done(row);
        rc = requeue(m, job, epoch, wall_ms, "the sweep was started again", e);
        if (rc)
            break;
    }
    return rc || *n == 0 ? rc : rearm_skipped(m, wall_ms, n, e);
}

static enum err_code record_fix(struct manifest *m, int64_t job, const char *fix, const char *note,
                                int64_t wall_ms, struct err *e)
{
    const char *who = getenv("USER");
    enum err_code rc = db_begin(m, e);

    if (!rc)
        rc = db_run(m, ST_FIX_ADD, e, "iittt", job, wall_ms, fix, who ? who : "unknown", note);
    if (!rc)
        return db_commit(m, e);
    db_rollback(m);
    return rc;
}

enum err_code manifest_may_requeue(struct manifest *m, int64_t job, const char *fix, const char *note,
                                   int64_t wall_ms, struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_JOB_TROUBLE, &row, e, "i", job);

    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "job %lld: not in the manifest", (long long)job);
    if (!sqlite3_column_int(row, 1))
        rc = err_set(e, ERR_INVALID, "%s is %s: only a failed, quarantined, skipped or cancelled job goes back",
                     db_text(row, 3), db_text(row, 2));
    else if (!fix && strcmp(db_text(row, 4), "code") == 0)
        rc = err_set(e, ERR_INVALID, "%s failed by a fault of the code: say what mends it with --fix COMMIT",
                     db_text(row, 3));
    db_done(row);
    return rc || !fix ? rc : record_fix(m, job, fix, note, wall_ms, e);
}

enum err_code manifest_requeue(struct manifest *m, int64_t job, const char *fix, const char *note,
                               int64_t wall_ms, int64_t *n, struct err *e)
{
    sqlite3_stmt *row;
    int64_t epoch = 0;
    enum err_code rc = manifest_may_requeue(m, job, fix, note, wall_ms, e);

    *n = 0;
    if (!rc)
        rc = db_row(m, ST_JOB_TROUBLE, &row, e, "i", job);
    if (rc)
        return rc;
    epoch = sqlite3_column_int64(row, 0);
    db_done(row);
    rc = requeue(m, job, epoch, wall_ms, note ? note : "put back by hand", e);
    if (rc)
        return rc;
    *n = 1;
    return rearm_skipped(m, wall_ms, n, e);
}

/* --- cancelling --------------------------------------------------------------------------- */

enum err_code manifest_cancel(struct manifest *m, int64_t from, int64_t to, const char *message,
                              int64_t wall_ms, int64_t *n, struct err *e)
{
    struct event *events = NULL;
    size_t count = 0, cap = 0;
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_OPEN_IN, &row, e, "ii", from, to);

    for (; !rc && row; rc = db_next(m, &row, e)) {
        if (count == cap) {
            cap = cap ? 2 * cap : 64;
            events = realloc(events, cap * sizeof *events);
            if (!events)
                abort();
        }
        events[count++] = (struct event){.type = EVENT_CANCEL, .job = sqlite3_column_int64(row, 0),
                                         .epoch = sqlite3_column_int64(row, 1), .rank = -1,
                                         .wall_ms = wall_ms, .message = message};
    }
    if (!rc)
        rc = manifest_apply(m, events, count, e);
    if (!rc)
        *n += (int64_t)count;
    free(events);
    return rc;
}

enum err_code manifest_skip(struct manifest *m, int64_t wall_ms, int64_t *n, struct err *e)
{
    struct event ev = {.type = EVENT_SKIP, .rank = -1, .wall_ms = wall_ms};
    enum err_code rc;

    for (;;) { /* inputs have smaller ids: one pass follows every chain */
        sqlite3_stmt *row;

        rc = db_row(m, ST_SKIP_NEXT, &row, e, "i", ev.job);
        if (rc || !row)
            return rc;
        ev.job = sqlite3_column_int64(row, 0);
        ev.epoch = sqlite3_column_int64(row, 1);
        ev.cause = sqlite3_column_int64(row, 2);
        db_done(row);
        rc = manifest_apply(m, &ev, 1, e);
        if (rc)
            return rc;
        ++*n;
    }
}

enum err_code manifest_priority(struct manifest *m, int64_t from, int64_t to, int64_t priority, int64_t *n,
                                struct err *e)
{
    enum err_code rc = db_begin(m, e);

    if (!rc)
        rc = db_run(m, ST_PRIORITY_SET, e, "iii", from, to, priority);
    if (!rc)
        *n += db_changes(m);
    if (!rc)
        return db_commit(m, e);
    db_rollback(m);
    return rc;
}
