/* orders.c - see orders.h. */
#include "coordinator/orders.h"

#include "coordinator/job_state.h"

struct applying {
    struct manifest *m;
    struct core *core;
    struct core_out *out;
    const struct control_order *o;
    int64_t now_ms, wall_ms;
    struct buf message;
    int64_t n, n_running, n_skipped; /* done; of them running; skipped because of them */
};

static bool is_of_core(const struct applying *a, int64_t job)
{
    return a->core && queue_find(&a->core->queue, job) != QUEUE_NONE;
}

static void cancel_in_core(struct applying *a, int64_t id)
{
    const struct job *j = &a->core->queue.jobs[queue_find(&a->core->queue, id)];
    size_t before = a->out->n_events;

    a->n_running += j->state == JOB_LEASED;
    core_cancel(a->core, id, a->now_ms, a->out);
    if (a->out->n_events > before) { /* the cancel, then what is skipped because of it */
        a->n++;
        a->n_skipped += (int64_t)(a->out->n_events - before) - 1;
    }
}

/* Jobs of the core through it; each run of others at once. */
static enum err_code cancel(struct applying *a, int64_t from, int64_t to, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (int64_t id = from; a->core && id <= to && !rc; id++) {
        if (!is_of_core(a, id))
            continue;
        cancel_in_core(a, id);
        if (id > from)
            rc = manifest_cancel(a->m, from, id - 1, a->message.data, a->wall_ms, &a->n, e);
        from = id + 1;
    }
    if (rc || from > to)
        return rc;
    return manifest_cancel(a->m, from, to, a->message.data, a->wall_ms, &a->n, e);
}

static void requeue_in_core(struct applying *a, int64_t id)
{
    size_t at = a->out->n_events;

    core_requeue(a->core, id, a->o->note ? a->o->note : "put back by hand", a->now_ms, a->out);
    for (a->n_skipped--; at < a->out->n_events; at++)
        a->n_skipped += a->out->events[at].type == EVENT_REQUEUE;
}

static enum err_code requeue(struct applying *a, int64_t from, int64_t to, struct err *e)
{
    enum err_code rc = ERR_OK;
    int64_t n;

    for (int64_t id = from; id <= to && !rc; id++) {
        if (!is_of_core(a, id)) {
            rc = manifest_requeue(a->m, id, a->o->fix, a->o->note, a->wall_ms, &n, e);
            a->n_skipped += rc ? 0 : n - 1;
        } else if (job_state_is_bad((enum job_state)a->core->queue.jobs[queue_find(&a->core->queue, id)].state)) {
            rc = manifest_may_requeue(a->m, id, a->o->fix, a->o->note, a->wall_ms, e);
            if (!rc)
                requeue_in_core(a, id);
        } else {
            continue; /* an earlier one of this order has put it back */
        }
        a->n += !rc;
    }
    return rc;
}

static enum err_code prioritise(struct applying *a, int64_t from, int64_t to, struct err *e)
{
    for (int64_t id = from; a->core && id <= to; id++)
        core_priority(a->core, id, (int)a->o->priority);
    return manifest_priority(a->m, from, to, a->o->priority, &a->n, e);
}

static void say(const struct applying *a, struct buf *answer)
{
    const char *what = a->o->what ? a->o->what : "jobs";

    switch (a->o->verb) {
    case CONTROL_CANCEL:
        buf_fmt(answer, "%s: %lld cancelled", what, (long long)a->n);
        if (a->n_running)
            buf_fmt(answer, ", %lld of them while running", (long long)a->n_running);
        if (a->n_skipped)
            buf_fmt(answer, "; skipped because of them: %lld", (long long)a->n_skipped);
        if (!a->n)
            buf_str(answer, ": all had ended before");
        break;
    case CONTROL_REQUEUE:
        buf_fmt(answer, "%s: %lld wait%s again", what, (long long)a->n, a->n == 1 ? "s" : "");
        if (a->n_skipped)
            buf_fmt(answer, ", and so does what was skipped because of them: %lld", (long long)a->n_skipped);
        break;
    default:
        buf_fmt(answer, "%s: priority %lld for %lld jobs", what, (long long)a->o->priority, (long long)a->n);
        break;
    }
}

enum err_code orders_apply(const struct orders_place *at, const struct control_order *o, struct buf *answer,
                           struct err *e)
{
    static enum err_code (*const verbs[CONTROL_VERB_COUNT])(struct applying *, int64_t, int64_t, struct err *) = {
        [CONTROL_CANCEL] = cancel, [CONTROL_REQUEUE] = requeue, [CONTROL_PRIORITY] = prioritise};
    struct applying a = {.m = at->m, .core = at->core, .out = at->out, .o = o, .now_ms = clock_ms(at->clock),
                         .wall_ms = at->clock->wall_ms(at->clock)};
    enum err_code rc = ERR_OK;

    buf_fmt(&a.message, "cancelled by %s%s%s", o->who ? o->who : "somebody", o->note ? ": " : "",
            o->note ? o->note : "");
    for (size_t i = 0; i < o->n_jobs && !rc; i++)
        rc = verbs[o->verb](&a, o->jobs[i].from, o->jobs[i].to, e);
    if (!rc && o->verb == CONTROL_CANCEL)
        rc = manifest_skip(a.m, a.wall_ms, &a.n_skipped, e);
    if (rc)
        buf_fmt(answer, "error: %s", e->text);
    else
        say(&a, answer);
    buf_free(&a.message);
    return rc;
}

enum err_code orders_apply_alone(struct manifest *m, const struct control_order *o, struct buf *answer,
                                 struct err *e)
{
    struct orders_place at = {.m = m, .clock = &clock_system};
    int64_t n_done, n_again;
    enum err_code rc = manifest_recover(m, clock_system.wall_ms(&clock_system), &n_done, &n_again, e);

    return rc ? rc : orders_apply(&at, o, answer, e);
}
