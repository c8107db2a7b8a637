/* manifest_apply.c - a batch of events becomes one transaction.
 *
 * Moves are those of job_state.h: replaying the event table in order over freshly recorded jobs
 * gives the same states.  An illegal move is our bug (the core acted on a state that the manifest
 * does not have) and refuses the whole batch.
 */
#include "coordinator/manifest_internal.h"

#include "common/rundir.h"
#include "coordinator/job_state.h"

/* Outcome of the attempt that an event ends; NULL: it ends none. */
static const char *const outcomes[EVENT_TYPE_COUNT] = {
    [EVENT_DONE] = "done",     [EVENT_RETRY] = "retry",           [EVENT_FAIL] = "failed",
    [EVENT_SKIP] = "skipped",  [EVENT_QUARANTINE] = "quarantined", [EVENT_CANCEL] = "cancelled",
};

static bool is_about_job(enum event_type t)
{
    return t <= EVENT_REQUEUE;
}

static const char *class_text(const struct event *ev)
{
    return ev->class == ERR_CLASS_NONE ? NULL : err_class_name(ev->class);
}

static enum err_code add_event(struct manifest *m, const struct event *ev, struct err *e)
{
    return db_run(m, ST_EVENT_ADD, e, "itziiztiiffiiiiiiittt", ev->wall_ms, event_type_name(ev->type), ev->job,
                  ev->epoch, (int64_t)ev->rank, ev->cause, class_text(ev), (int64_t)ev->exit_code,
                  (int64_t)ev->signal, ev->wall_s, ev->cpu_s, ev->maxrss_kib, ev->started_ms,
                  ev->not_before_ms, (int64_t)ev->n_infra, (int64_t)ev->n_lost, (int64_t)ev->n_oom, ev->pid,
                  ev->host, ev->message, ev->metrics);
}

struct now {
    enum job_state state;
    int64_t epoch;
    bool in_agent;
};

static enum err_code read_now(struct manifest *m, const struct event *ev, struct now *now, struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_JOB_STATE, &row, e, "i", ev->job);

    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_BUG, "event %s of job %lld: no such job", event_type_name(ev->type),
                       (long long)ev->job);
    now->state = manifest_state(db_text(row, 0));
    now->epoch = sqlite3_column_int64(row, 1);
    now->in_agent = sqlite3_column_int(row, 2);
    db_done(row);
    return ERR_OK;
}

static enum err_code move_job(struct manifest *m, const struct event *ev, const struct now *now,
                              struct err *e)
{
    bool is_grant = ev->type == EVENT_GRANT, is_leased = now->state == JOB_LEASED;
    bool clears = ev->type == EVENT_REQUEUE || ev->type == EVENT_DONE;
    bool counts = ev->type == EVENT_RETRY || ev->type == EVENT_FAIL || ev->type == EVENT_QUARANTINE ||
                  ev->type == EVENT_REQUEUE; /* the last one begins anew */
    enum job_state next;

    if (!job_next(now->state, ev->type, &next) || (is_grant && ev->epoch <= now->epoch) ||
        (is_leased && ev->epoch != now->epoch))
        return err_set(e, ERR_BUG, "event %s of job %lld, epoch %lld: the job is %s with epoch %lld",
                       event_type_name(ev->type), (long long)ev->job, (long long)ev->epoch,
                       job_state_name(now->state), (long long)now->epoch);
    return db_run(m, ST_JOB_MOVE, e, "itiittziiii", ev->job, job_state_name(next),
                  is_grant ? ev->epoch : now->epoch, ev->not_before_ms, clears ? NULL : class_text(ev),
                  clears ? NULL : ev->message, ev->type == EVENT_SKIP ? ev->cause : (int64_t)0, (int64_t)counts,
                  (int64_t)ev->n_infra, (int64_t)ev->n_lost, (int64_t)ev->n_oom);
}

static enum err_code end_attempt(struct manifest *m, const struct event *ev, const struct now *now,
                                 struct err *e)
{
    struct buf log = {0};
    enum err_code rc = ERR_OK;

    if (!now->in_agent)
        rc = manifest_job_dir(m, ev->job, &log, e);
    if (!rc && !now->in_agent)
        buf_fmt(&log, "%s/%s", ev->type == EVENT_DONE ? "" : ".tmp", RUN_LOG_FILE);
    if (!rc)
        rc = db_run(m, ST_ATTEMPT_END, e, "iitiztiiffitztt", ev->job, ev->epoch, outcomes[ev->type],
                    ev->wall_ms, ev->started_ms, class_text(ev), (int64_t)ev->exit_code,
                    (int64_t)ev->signal, ev->wall_s, ev->cpu_s, ev->maxrss_kib, ev->message, ev->pid,
                    ev->host, log.data);
    buf_free(&log);
    return rc;
}

/* `is_plain`: of an in-agent job without a verdict. */
static enum err_code take_result(struct manifest *m, const struct event *ev, bool in_agent, struct err *e)
{
    bool is_plain = in_agent && ev->class == ERR_CLASS_NONE && !m->has_gates;
    int64_t is_negative;
    enum err_code rc = manifest_ingest(m, ev, in_agent, e);

    if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND || rc == ERR_INVALID)
        m->bad_job = ev->job;
    if (!rc)
        rc = manifest_gates(m, ev->job, ev->wall_ms, e);
    if (!rc && !is_plain)
        rc = db_i64(m, ST_VERDICT_NOW, 0, &is_negative, e, "i", ev->job);
    if (!rc && !is_plain && is_negative)
        rc = explog_note(m, ev->job, ev->epoch, "negative", ev->wall_ms, e);
    return rc;
}

/* The moves of a job that goes well, each one guarded statement.  *now is what it was before;
 * *is_moved is false if the guard did not hold: the long way then says why. */
static enum err_code move_fast(struct manifest *m, const struct event *ev, struct now *now, bool *is_moved,
                               struct err *e)
{
    enum err_code rc = ERR_OK;

    *is_moved = false;
    *now = (struct now){.epoch = ev->epoch};
    if (ev->type == EVENT_READY) {
        now->state = JOB_WAITING;
        rc = db_run(m, ST_MOVE_READY, e, "i", ev->job);
    } else if (ev->type == EVENT_GRANT) {
        now->state = JOB_READY;
        rc = db_run(m, ST_MOVE_GRANT, e, "ii", ev->job, ev->epoch);
    } else if (ev->type == EVENT_DONE) {
        now->state = JOB_LEASED;
        now->in_agent = true;
        rc = db_run(m, ST_MOVE_DONE, e, "ii", ev->job, ev->epoch);
    } else {
        return ERR_OK;
    }
    *is_moved = !rc && db_changes(m) == 1;
    return rc;
}

static enum err_code move(struct manifest *m, const struct event *ev, struct now *now, struct err *e)
{
    bool is_moved;
    enum err_code rc = move_fast(m, ev, now, &is_moved, e);

    if (rc || is_moved)
        return rc;
    rc = read_now(m, ev, now, e);
    return rc ? rc : move_job(m, ev, now, e);
}

static enum err_code apply_one(struct manifest *m, const struct event *ev, struct err *e)
{
    struct now now = {0};
    enum err_code rc = add_event(m, ev, e);

    if (!rc && (ev->type == EVENT_PAUSE || ev->type == EVENT_RESUME))
        rc = db_run(m, ST_SWEEP_PAUSE, e, "ti", ev->message, (int64_t)(ev->type == EVENT_PAUSE));
    else if (!rc && ev->type == EVENT_PRIORITY)
        rc = db_run(m, ST_JOB_PRIORITY, e, "it", ev->cause, ev->message);
    if (rc || !is_about_job(ev->type))
        return rc;
    rc = move(m, ev, &now, e);
    if (!rc && ev->type == EVENT_GRANT)
        rc = db_run(m, ST_ATTEMPT_ADD, e, "iiitzi", ev->job, ev->epoch, (int64_t)ev->rank, ev->host,
                    ev->pid, ev->wall_ms);
    if (!rc && outcomes[ev->type] && now.state == JOB_LEASED)
        rc = end_attempt(m, ev, &now, e);
    if (!rc && ev->type == EVENT_DONE)
        rc = take_result(m, ev, now.in_agent, e);
    if (!rc && ev->type == EVENT_SKIP) /* the last one that others are compared with */
        rc = manifest_gates(m, ev->job, ev->wall_ms, e);
    if (!rc && ev->type == EVENT_REQUEUE && ev->fix)
        rc = db_run(m, ST_FIX_ADD, e, "iittt", ev->job, ev->wall_ms, ev->fix, ev->who ? ev->who : "unknown",
                    ev->message);
    if (!rc && (ev->type == EVENT_FAIL || ev->type == EVENT_QUARANTINE))
        rc = explog_note(m, ev->job, now.epoch, outcomes[ev->type], ev->wall_ms, e);
    return rc;
}

enum err_code manifest_apply(struct manifest *m, const struct event *events, size_t n, struct err *e)
{
    enum err_code rc;

    m->bad_job = 0;
    if (n == 0)
        return ERR_OK;
    rc = db_begin(m, e);
    for (size_t i = 0; i < n && !rc; i++)
        rc = apply_one(m, &events[i], e);
    if (rc) {
        db_rollback(m);
        return rc;
    }
    rc = db_commit(m, e);
    if (!rc)
        (void)!explog_write(m, false, NULL); /* what cannot be written now stays noted */
    return rc;
}
