/* manifest_jobs.c - what the core asks about jobs: load, payload, folders, repair. */
#include "common/oom.h"
#include "coordinator/manifest_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/rundir.h"

enum err_code manifest_job_dir(struct manifest *m, int64_t job, struct buf *out, struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_JOB_DIR, &row, e, "i", job);

    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_BUG, "job %lld: not in the manifest", (long long)job);
    buf_fmt(out, "experiments/%s/%s", db_text(row, 0), db_text(row, 1));
    db_done(row);
    return ERR_OK;
}

/* --- load --- */

enum job_state manifest_state(const char *name)
{
    int s = 0;

    while (s < JOB_STATE_COUNT - 1 && strcmp(job_state_name((enum job_state)s), name) != 0)
        s++;
    return (enum job_state)s;
}

/* A walk over all edges beside that over the jobs, both in the order of jobs. */
struct inputs {
    int64_t *v;
    size_t n, cap;
    sqlite3_stmt *row;
};

static void add_input(struct inputs *in, int64_t input)
{
    for (size_t i = 0; i < in->n; i++)
        if (in->v[i] == input)
            return;
    if (in->n == in->cap) {
        in->cap = in->cap ? 2 * in->cap : 64;
        in->v = realloc(in->v, in->cap * sizeof *in->v);
        if (!in->v)
            oom_exit("manifest_jobs");
    }
    in->v[in->n++] = input;
}

static enum err_code load_inputs(struct manifest *m, int64_t job, struct inputs *in, struct err *e)
{
    enum err_code rc = ERR_OK;

    in->n = 0;
    while (!rc && in->row && sqlite3_column_int64(in->row, 0) <= job) {
        if (sqlite3_column_int64(in->row, 0) == job)
            add_input(in, sqlite3_column_int64(in->row, 1));
        rc = db_next(m, &in->row, e);
    }
    return rc;
}

static void read_job(sqlite3_stmt *row, struct manifest_job *j)
{
    *j = (struct manifest_job){
        .job = sqlite3_column_int64(row, 0),
        .state = manifest_state(db_text(row, 1)),
        .epoch = sqlite3_column_int64(row, 2),
        .n_infra = sqlite3_column_int(row, 3),
        .n_lost = sqlite3_column_int(row, 4),
        .n_oom = sqlite3_column_int(row, 5),
        .retries = sqlite3_column_int(row, 6),
        .priority = sqlite3_column_int(row, 7),
        .threads = sqlite3_column_int(row, 8),
        .timeout_s = sqlite3_column_double(row, 9),
        .cost_s = sqlite3_column_double(row, 10),
        .memory = sqlite3_column_int64(row, 11),
        .in_agent = sqlite3_column_int(row, 12),
    };
}

enum err_code manifest_load(struct manifest *m, int64_t sweep_id,
                            enum err_code (*each)(void *ctx, const struct manifest_job *j), void *ctx,
                            struct err *e)
{
    struct inputs in = {0};
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_INPUTS_LOAD, &in.row, e, "");

    if (!rc)
        rc = db_row(m, ST_JOB_LOAD, &row, e, "i", sweep_id);
    while (!rc && row) {
        struct manifest_job j;

        read_job(row, &j);
        rc = load_inputs(m, j.job, &in, e);
        j.inputs = in.v;
        j.n_inputs = in.n;
        if (!rc && each(ctx, &j))
            rc = err_set(e, ERR_NOMEM, "job %lld: not taken", (long long)j.job);
        if (rc)
            db_done(row);
        else
            rc = db_next(m, &row, e);
    }
    if (in.row)
        db_done(in.row);
    free(in.v);
    return rc;
}

/* --- repair --- */

static enum err_code is_complete(struct manifest *m, int64_t job, bool *out, struct err *e)
{
    struct buf dir = {0};
    enum err_code rc;

    buf_fmt(&dir, "%s/", m->results);
    rc = manifest_job_dir(m, job, &dir, e);
    *out = !rc && rundir_is_complete(dir.data);
    buf_free(&dir);
    return rc;
}

static void stopped(struct event *ev)
{
    ev->type = EVENT_RETRY;
    ev->class = ERR_CLASS_EXTERNAL;
    ev->exit_code = 75; /* stopped: free */
    ev->message = "the coordinator ended";
}

/* What became of every job that was leased; caller frees. */
static enum err_code find_leased(struct manifest *m, int64_t wall_ms, struct event **events, size_t *n,
                                 struct err *e)
{
    sqlite3_stmt *row;
    size_t cap = 0;
    enum err_code rc = db_row(m, ST_LEASED, &row, e, "");

    for (*n = 0; !rc && row; ++*n) {
        bool in_agent = sqlite3_column_int(row, 2), whole = false;

        if (*n == cap) {
            cap = cap ? 2 * cap : 64;
            *events = realloc(*events, cap * sizeof **events);
            if (!*events)
                oom_exit("manifest_jobs");
        }
        struct event *ev = *events + *n;
        *ev = (struct event){.job = sqlite3_column_int64(row, 0), .epoch = sqlite3_column_int64(row, 1),
                             .rank = -1, .wall_ms = wall_ms, .type = EVENT_DONE,
                             .message = "its result was complete when the coordinator came back"};
        if (!in_agent)
            rc = is_complete(m, ev->job, &whole, e);
        if (!whole)
            stopped(ev);
        if (rc)
            db_done(row);
        else
            rc = db_next(m, &row, e);
    }
    return rc;
}

/* The job whose result could not be taken in runs again. */
static bool give_up_bad(struct manifest *m, struct event *events, size_t n)
{
    for (size_t i = 0; m->bad_job && i < n; i++)
        if (events[i].job == m->bad_job && events[i].type == EVENT_DONE) {
            stopped(&events[i]);
            return true;
        }
    return false;
}

enum err_code manifest_recover(struct manifest *m, int64_t wall_ms, int64_t *n_done, int64_t *n_again,
                               struct err *e)
{
    struct event *events = NULL;
    size_t n = 0;
    enum err_code rc = find_leased(m, wall_ms, &events, &n, e);

    if (!rc)
        rc = manifest_apply(m, events, n, e);
    while (rc && give_up_bad(m, events, n))
        rc = manifest_apply(m, events, n, e);
    *n_done = *n_again = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        *n_done += events[i].type == EVENT_DONE;
        *n_again += events[i].type == EVENT_RETRY;
    }
    free(events);
    return rc;
}

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
    /* also without any: whoever put the others back may have died before these */
    return rc ? rc : rearm_skipped(m, wall_ms, n, e);
}

enum err_code manifest_requeue(struct manifest *m, int64_t job, const struct manifest_wish *w, int64_t wall_ms,
                               int64_t *n, struct err *e)
{
    struct event ev = {.type = EVENT_REQUEUE, .job = job, .rank = -1, .wall_ms = wall_ms, .message = w->note,
                       .fix = w->fix, .who = w->who};
    enum err_code rc = manifest_may_requeue(m, job, w, &ev.epoch, e);

    *n = 0;
    if (!rc)
        rc = manifest_apply(m, &ev, 1, e);
    if (rc)
        return rc;
    *n = 1;
    return rearm_skipped(m, wall_ms, n, e);
}

enum err_code manifest_require_missed(struct manifest *m, int64_t job, bool *is_missed, int64_t *cause,
                                      struct err *e)
{
    enum err_code rc = db_i64(m, ST_REQUIRE_MISSED, 0, cause, e, "ii", job, m->sweep);

    *is_missed = *cause != 0;
    return rc;
}

/* --- links --- */

static enum err_code make_link(const char *at, const char *to, struct err *e)
{
    struct buf parent = {0}, rel = {0};
    enum err_code rc = ERR_OK;

    buf_add(&parent, at, (size_t)(strrchr(at, '/') - at));
    fs_relative(&rel, parent.data, to);
    if (symlink(rel.data, at) != 0 && errno != EEXIST)
        rc = err_errno(e, errno, "link %s", at);
    buf_free(&parent);
    buf_free(&rel);
    return rc;
}

enum err_code manifest_links(struct manifest *m, int64_t sweep_id, struct err *e)
{
    struct buf folder = {0}, at = {0}, to = {0};
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_SWEEP_NAME, &row, e, "i", sweep_id);

    if (rc || !row)
        return rc;
    buf_fmt(&folder, "%s/experiments/%s", m->results, db_text(row, 0));
    db_done(row);
    rc = db_row(m, ST_LINKS, &row, e, "i", sweep_id);
    if (!rc && row)
        rc = fs_mkdirs(folder.data, e);
    while (!rc && row) {
        buf_reset(&at);
        buf_reset(&to);
        buf_fmt(&at, "%s/%s", folder.data, db_text(row, 1));
        buf_fmt(&to, "%s/experiments/%s/%s", m->results, db_text(row, 0), db_text(row, 1));
        rc = make_link(at.data, to.data, e);
        if (rc)
            db_done(row);
        else
            rc = db_next(m, &row, e);
    }
    buf_free(&folder);
    buf_free(&at);
    buf_free(&to);
    return rc;
}
