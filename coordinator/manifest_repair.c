/* manifest_repair.c - rows made to agree with complete result folders; see repair.h. */
#include "coordinator/manifest_internal.h"

#include "common/rundir.h"
#include "common/sha256.h"

enum err_code manifest_owner(struct manifest *m, const char *job_hex, struct manifest_owner *out,
                             struct err *e)
{
    uint8_t digest[32];
    sqlite3_stmt *row;
    enum err_code rc;

    *out = (struct manifest_owner){0};
    if (!job_hex || !hex_parse(digest, 32, job_hex))
        return ERR_OK;
    rc = db_row(m, ST_OWNER, &row, e, "b", (const void *)digest, 32);
    if (rc || !row)
        return rc;
    out->job = sqlite3_column_int64(row, 0);
    out->epoch = sqlite3_column_int64(row, 1);
    out->state = manifest_state(db_text(row, 2));
    buf_fmt(&out->dir, "experiments/%s/%s", db_text(row, 3), db_text(row, 4));
    db_done(row);
    return ERR_OK;
}

enum err_code manifest_adopt(struct manifest *m, int64_t job, const struct manifest_home *home,
                             bool *is_adopted, struct err *e)
{
    enum err_code rc = db_begin(m, e);

    if (!rc)
        rc = db_run(m, ST_ADOPT, e, "ittt", job, home->sweep, home->stage, home->run_name);
    *is_adopted = !rc && db_changes(m) > 0;
    if (!rc)
        return db_commit(m, e);
    db_rollback(m);
    return rc;
}

/* A job that waits although its result is there: the moves that a coordinator would have made. */
static enum err_code take_up(struct manifest *m, int64_t job, int64_t epoch, enum job_state state,
                             int64_t wall_ms, struct err *e)
{
    struct event ev[] = {
        {.type = EVENT_READY, .job = job, .epoch = epoch, .rank = -1, .wall_ms = wall_ms},
        {.type = EVENT_GRANT, .job = job, .epoch = epoch + 1, .rank = -1, .wall_ms = wall_ms},
        {.type = EVENT_DONE, .job = job, .epoch = epoch + 1, .rank = -1, .wall_ms = wall_ms,
         .message = "its result was found complete"},
    };
    size_t skip = state == JOB_READY ? 1 : 0;

    return manifest_apply(m, ev + skip, ARRAY_LEN(ev) - skip, e);
}

enum err_code manifest_take_up(struct manifest *m, int64_t wall_ms,
                               void (*tell)(void *ctx, const char *dir, const char *bad), void *ctx,
                               struct err *e)
{
    struct buf dir = {0}, path = {0};
    int64_t job = 0;
    enum err_code rc;

    for (;;) {
        sqlite3_stmt *row;

        rc = db_row(m, ST_OPEN_AFTER, &row, e, "i", job);
        if (rc || !row)
            break;
        job = sqlite3_column_int64(row, 0);
        int64_t epoch = sqlite3_column_int64(row, 1);
        enum job_state state = manifest_state(db_text(row, 2));
        db_done(row);
        buf_reset(&dir);
        buf_reset(&path);
        rc = manifest_job_dir(m, job, &dir, e);
        if (rc)
            break;
        buf_fmt(&path, "%s/%s", m->results, dir.data);
        if (!rundir_is_complete(path.data))
            continue;
        rc = take_up(m, job, epoch, state, wall_ms, e);
        if (!rc)
            tell(ctx, dir.data, NULL);
        else if (m->bad_job)
            tell(ctx, dir.data, e->text);
        if (rc && !m->bad_job)
            break;
    }
    buf_free(&dir);
    buf_free(&path);
    return rc;
}

enum err_code manifest_mend_metrics_all(struct manifest *m, void (*tell)(void *ctx, const char *dir), void *ctx,
                                        struct err *e)
{
    struct buf dir = {0};
    int64_t job = 0;
    enum err_code rc;

    do {
        bool is_mended = false;

        rc = db_i64(m, ST_DONE_AFTER, 0, &job, e, "i", job);
        if (!rc && job)
            rc = manifest_mend_metrics(m, job, &is_mended, e);
        if (rc || !is_mended)
            continue;
        buf_reset(&dir);
        rc = manifest_job_dir(m, job, &dir, e);
        if (!rc)
            tell(ctx, dir.data);
    } while (!rc && job);
    buf_free(&dir);
    return rc;
}

enum err_code manifest_links_all(struct manifest *m, struct err *e)
{
    int64_t sweep = 0;
    enum err_code rc;

    do {
        rc = db_i64(m, ST_SWEEP_AFTER, 0, &sweep, e, "i", sweep);
        if (!rc && sweep)
            rc = manifest_links(m, sweep, e);
    } while (!rc && sweep);
    return rc;
}
