/* core_orders.c - what people ask for while a sweep runs; see core.h. */
#include "coordinator/core_internal.h"

static bool has_bad_input(const struct queue *q, uint32_t job)
{
    const uint32_t *in;
    size_t n;

    queue_edges_in(q, job, &in, &n);
    for (size_t i = 0; i < n; i++)
        if (job_state_is_bad((enum job_state)q->jobs[in[i]].state))
            return true;
    return false;
}

static void put_back(struct core *c, uint32_t job, const char *message, struct core_out *o)
{
    struct job *j = &c->queue.jobs[job];
    struct event *ev = core_move(c, job, EVENT_REQUEUE, o);

    ev->message = core_text(o, message);
    j->n_infra = j->n_lost = j->n_oom = j->n_free = 0;
    core_place(c, job, o);
}

/* Breadth first over the events that this call itself adds. */
void core_requeue(struct core *c, int64_t id, const char *message, int64_t now_ms, struct core_out *o)
{
    uint32_t job = queue_find(&c->queue, id);
    size_t at = o->n_events;

    core_prepare(c, now_ms, o);
    if (job == QUEUE_NONE || !job_state_is_bad((enum job_state)c->queue.jobs[job].state))
        return;
    put_back(c, job, message, o);
    for (; at < o->n_events; at++) {
        const uint32_t *out;
        size_t n;

        if (o->events[at].type != EVENT_REQUEUE)
            continue;
        queue_edges_out(&c->queue, queue_find(&c->queue, o->events[at].job), &out, &n);
        for (size_t i = 0; i < n; i++)
            if (c->queue.jobs[out[i]].state == JOB_SKIPPED && !has_bad_input(&c->queue, out[i]))
                put_back(c, out[i], "its inputs are tried again", o);
    }
}

void core_priority(struct core *c, int64_t id, int priority)
{
    uint32_t job = queue_find(&c->queue, id);

    if (job == QUEUE_NONE)
        return;
    struct job *j = &c->queue.jobs[job];
    bool is_in_heap = j->state == JOB_READY && !j->is_delayed && j->at != QUEUE_NONE;
    if (is_in_heap)
        queue_remove(&c->queue, job);
    j->priority = (int16_t)(priority < INT16_MIN ? INT16_MIN : priority > INT16_MAX ? INT16_MAX : priority);
    if (is_in_heap)
        queue_push(&c->queue, job);
}
