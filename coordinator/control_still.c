/* control_still.c - orders for a manifest that no coordinator works on; see control.h.  What
 * follows from them (jobs that are skipped, say) is left to the next coordinator's start. */
#include "coordinator/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "coordinator/job_state.h"

void control_say(const struct control_order *o, size_t n, size_t n_ran, struct buf *said)
{
    const char *jobs = n == 1 ? "job" : "jobs";

    switch (o->what) {
    case CONTROL_CANCEL:
        buf_fmt(said, "%s: %zu %s cancelled", o->name, n, jobs);
        if (n_ran)
            buf_fmt(said, ", %zu of them running", n_ran);
        break;
    case CONTROL_PAUSE:
        buf_fmt(said, "%s: paused; running jobs end, no others begin", o->name);
        break;
    case CONTROL_RESUME:
        buf_fmt(said, "%s: goes on", o->name);
        break;
    case CONTROL_PRIORITY:
        buf_fmt(said, "%s: priority %" PRId64 " for %zu %s that had another", o->name, o->priority, n, jobs);
        break;
    case CONTROL_REQUEUE:
        if (n == 0)
            buf_fmt(said, "no job has failed%s%s", *o->class ? " by class " : "", o->class);
        else
            buf_fmt(said, "%s: %zu %s back in the queue%s", o->name, n, jobs,
                    n > 1 ? ", with those that were skipped because of others" : "");
        break;
    }
}

static enum err_code make_event(struct manifest *m, const struct control_order *o, int64_t job,
                                struct event *ev, bool *is_needed, struct err *e)
{
    struct manifest_job now;
    enum err_code rc = manifest_job_now(m, job, &now, e);

    *is_needed = !rc && !job_state_is_final(now.state) &&
                 (o->what == CONTROL_CANCEL || now.priority != o->priority);
    if (o->what == CONTROL_CANCEL) {
        ev->type = EVENT_CANCEL;
        ev->job = job;
        ev->epoch = now.epoch;
    } else {
        ev->type = EVENT_PRIORITY;
        ev->cause = job;
    }
    return rc;
}

enum err_code control_apply_jobs(struct manifest *m, const struct control_order *o, const int64_t *ids,
                                 size_t n, size_t *n_did, struct err *e)
{
    struct event *events = calloc(n + 1, sizeof *events);
    enum err_code rc = events ? ERR_OK : err_set(e, ERR_NOMEM, "%zu jobs", n);
    char number[32];
    bool is_needed;

    *n_did = 0;
    snprintf(number, sizeof number, "%" PRId64, o->priority);
    for (size_t i = 0; i < n && !rc; i++) {
        struct event *ev = &events[*n_did];
        *ev = (struct event){.rank = -1, .wall_ms = o->wall_ms,
                             .message = o->what == CONTROL_PRIORITY ? number : "by hand"};
        rc = make_event(m, o, ids[i], ev, &is_needed, e);
        *n_did += !rc && is_needed;
    }
    if (!rc)
        rc = manifest_apply(m, events, *n_did, e);
    free(events);
    return rc;
}

/* --- requeue ------------------------------------------------------------------------------ */

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

struct manifest_wish control_wish(const struct control_order *o)
{
    return (struct manifest_wish){or_null(o->fix), or_null(o->who), *o->note ? o->note : "put back by hand",
                                  or_null(o->class)};
}

enum err_code control_requeue_ids(struct manifest *m, const struct control_order *o, int64_t **ids, size_t *n,
                                  struct err *e)
{
    struct manifest_wish w = control_wish(o);
    enum err_code rc = o->target.type == TARGET_JOB ? manifest_target(m, &o->target, ids, n, e)
                                                    : manifest_failed(m, o->target.id, &w, ids, n, e);
    int64_t epoch;

    for (size_t i = 0; i < *n && !rc; i++)
        rc = manifest_may_requeue(m, (*ids)[i], &w, &epoch, e);
    return rc;
}

enum err_code control_requeue_still(struct manifest *m, const struct control_order *o, const int64_t *ids,
                                    size_t n, size_t *n_did, struct err *e)
{
    struct manifest_wish w = control_wish(o);
    enum err_code rc = ERR_OK;
    int64_t n_back;

    *n_did = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = manifest_requeue(m, ids[i], &w, o->wall_ms, &n_back, e);
        *n_did += (size_t)n_back;
    }
    return rc;
}

static enum err_code apply_to_jobs(struct manifest *m, const struct control_order *o, size_t *n_did,
                                   struct err *e)
{
    bool is_requeue = o->what == CONTROL_REQUEUE;
    int64_t *ids = NULL;
    size_t n = 0;
    enum err_code rc =
        is_requeue ? control_requeue_ids(m, o, &ids, &n, e) : manifest_target(m, &o->target, &ids, &n, e);

    if (!rc)
        rc = is_requeue ? control_requeue_still(m, o, ids, n, n_did, e)
                        : control_apply_jobs(m, o, ids, n, n_did, e);
    free(ids);
    return rc;
}

enum err_code control_apply_still(struct manifest *m, const struct control_order *o, struct buf *said,
                                  struct err *e)
{
    size_t n_did = 0;
    enum err_code rc;

    if (o->what == CONTROL_PAUSE || o->what == CONTROL_RESUME) {
        struct event ev = {.type = o->what == CONTROL_PAUSE ? EVENT_PAUSE : EVENT_RESUME,
                           .rank = -1, .wall_ms = o->wall_ms, .message = o->name};
        rc = manifest_apply(m, &ev, 1, e);
    } else {
        rc = apply_to_jobs(m, o, &n_did, e);
    }
    if (!rc)
        control_say(o, n_did, 0, said);
    return rc;
}
