/* core_order.c - orders from outside while a sweep runs: pause, resume, priorities, requeue.  (Cancelling
 * moves jobs and is in core.c.)  All are events, so they last beyond this coordinator. */
#include "coordinator/core_internal.h"

#include <stdio.h>

#include "coordinator/job_state.h"

void core_pause(struct core *c, bool is_paused, const char *sweep, struct core_out *o)
{
    if (c->is_paused == is_paused)
        return;
    c->is_paused = is_paused;
    core_event(o, is_paused ? EVENT_PAUSE : EVENT_RESUME, 0)->message = core_text(o, sweep);
}

static void set_priority(struct core *c, uint32_t job, int priority, struct core_out *o)
{
    struct job *j = &c->queue.jobs[job];
    bool is_in_heap = j->state == JOB_READY && !j->is_delayed && j->at != QUEUE_NONE;
    char text[16];

    if (is_in_heap)
        queue_remove(&c->queue, job);
    j->priority = (int16_t)priority;
    if (is_in_heap)
        queue_push(&c->queue, job);
    snprintf(text, sizeof text, "%d", priority);
    struct event *ev = core_event(o, EVENT_PRIORITY, 0);
    ev->cause = j->id;
    ev->message = core_text(o, text);
}

/* Inputs come before the jobs that wait for them, so each call goes towards the beginning. */
static size_t raise_inputs(struct core *c, uint32_t job, int priority, struct core_out *o)
{
    const uint32_t *in;
    size_t n, n_set = 0;

    queue_edges_in(&c->queue, job, &in, &n);
    for (size_t i = 0; i < n; i++) {
        uint32_t at = QUEUE_EDGE(in[i]);
        const struct job *j = &c->queue.jobs[at];

        if (job_state_is_final((enum job_state)j->state) || j->priority >= priority)
            continue;
        set_priority(c, at, priority, o);
        n_set += 1 + raise_inputs(c, at, priority, o);
    }
    return n_set;
}

size_t core_priority(struct core *c, int64_t id, int priority, int64_t now_ms, struct core_out *o)
{
    uint32_t job = queue_find(&c->queue, id);

    core_prepare(c, now_ms, o);
    if (job == QUEUE_NONE || job_state_is_final((enum job_state)c->queue.jobs[job].state))
        return 0;
    bool is_raised = priority > c->queue.jobs[job].priority;
    if (c->queue.jobs[job].priority == priority)
        return 0;
    set_priority(c, job, priority, o);
    return 1 + (is_raised ? raise_inputs(c, job, priority, o) : 0);
}

/* --- putting back ------------------------------------------------------------------------- */

static void put_back(struct core *c, uint32_t job, const struct core_wish *w, struct core_out *o)
{
    struct event *ev = core_move(c, job, EVENT_REQUEUE, o);
    struct job *j = &c->queue.jobs[job];

    ev->rank = -1;
    ev->message = core_text(o, w->note);
    ev->fix = core_text(o, w->fix);
    ev->who = core_text(o, w->who);
    j->n_infra = j->n_lost = j->n_oom = j->n_free = 0;
}

/* What was skipped because of it, and because of that: breadth first over the events added here. */
static size_t put_back_skipped(struct core *c, size_t at, struct core_out *o)
{
    static const struct core_wish follows = {.note = "its inputs are tried again"};
    const uint32_t *out;
    size_t n, n_back = 0;
    uint32_t cause;

    for (; at < o->n_events; at++) {
        if (o->events[at].type != EVENT_REQUEUE)
            continue;
        queue_edges_out(&c->queue, queue_find(&c->queue, o->events[at].job), &out, &n);
        for (size_t i = 0; i < n; i++)
            if (!(out[i] & QUEUE_SOFT) && c->queue.jobs[out[i]].state == JOB_SKIPPED && !core_has_bad_input(&c->queue, out[i], &cause)) {
                put_back(c, out[i], &follows, o);
                n_back++;
            }
    }
    return n_back;
}

size_t core_requeue(struct core *c, int64_t id, const struct core_wish *w, int64_t now_ms, struct core_out *o)
{
    uint32_t job = queue_find(&c->queue, id);
    size_t first = o->n_events, end, n;

    core_prepare(c, now_ms, o);
    if (job == QUEUE_NONE || !job_state_is_bad((enum job_state)c->queue.jobs[job].state))
        return 0;
    put_back(c, job, w, o);
    n = 1 + put_back_skipped(c, first, o);
    end = o->n_events;
    for (size_t i = first; i < end; i++)
        if (o->events[i].type == EVENT_REQUEUE)
            core_start_job(c, queue_find(&c->queue, o->events[i].job), o);
    return n;
}
