/* core_msg.c - what each message of an agent means; see core.h. */
#include "coordinator/core_internal.h"

#include <string.h>

/* The job if its running lease has this epoch and is the rank's or nobody's, else QUEUE_NONE. */
static uint32_t held_job(struct core *c, int rank, int64_t id, int64_t epoch)
{
    uint32_t job = queue_find(&c->queue, id);

    if (job == QUEUE_NONE || c->queue.jobs[job].state != JOB_LEASED ||
        c->queue.jobs[job].epoch != epoch)
        return QUEUE_NONE;
    int holder = core_lease_of(c, job)->rank;
    return holder == rank || holder < 0 ? job : QUEUE_NONE;
}

/* Renews a lease; one that nobody has claimed since the start becomes the rank's. */
static void renew(struct core *c, int rank, uint32_t job, int64_t now_ms)
{
    if (core_lease_of(c, job)->rank < 0) {
        bool has_progress = core_lease_of(c, job)->has_progress;
        queue_unlease(&c->queue, c->queue.jobs[job].at, &c->unclaimed);
        queue_lease(&c->queue, job, rank, core_lease_head(c, rank));
        core_lease_of(c, job)->has_progress = has_progress;
        sched_hold(&c->sched, rank, &c->queue.jobs[job]);
    }
    core_lease_of(c, job)->deadline_ms = now_ms + c->config.term_ms;
    core_lease_of(c, job)->is_heard = true;
}

static void renew_held(struct core *c, int rank, const char *held, int64_t now_ms,
                       struct core_out *o)
{
    int64_t id, epoch;

    while (proto_held_next(&held, &id, &epoch)) {
        uint32_t job = held_job(c, rank, id, epoch);
        if (job != QUEUE_NONE)
            renew(c, rank, job, now_ms);
        else
            core_reply(o, (struct core_reply){.rank = rank, .type = MSG_CANCEL, .job = id,
                                              .epoch = epoch});
    }
}

static void on_hello(struct core *c, int rank, const struct msg_HELLO *m, int64_t now_ms,
                     struct core_out *o)
{
    struct rank *k = &c->sched.ranks[rank];
    struct core_reply refuse = {.rank = rank, .type = MSG_SHUTDOWN};

    if (m->magic != PROTO_MAGIC || m->version != PROTO_VERSION)
        refuse.arg = PROTO_REASON_VERSION;
    else if (c->config.build && strcmp(c->config.build, m->build) != 0)
        refuse.arg = PROTO_REASON_BUILD;
    if (refuse.arg) {
        k->is_refused = k->has_left = true;
        core_reply(o, refuse);
        return;
    }
    if (k->is_up && k->pid != m->pid) /* another process: the one that we knew is gone */
        core_rank_lost(c, rank, now_ms, o);
    if (!k->is_up) {
        struct event *ev = core_event(o, EVENT_AGENT_UP, 0);
        ev->rank = rank;
        ev->pid = m->pid;
        ev->host = core_text(o, m->host);
    }
    k->is_up = true;
    k->has_left = k->is_refused = false;
    k->seen_ms = now_ms;
    k->pid = m->pid;
    k->host = sched_host(&c->sched, m->host);
    renew_held(c, rank, m->held, now_ms, o);
    core_reply(o, (struct core_reply){.rank = rank, .type = MSG_BEAT, .arg = 1});
    if (c->is_draining)
        core_reply(o, (struct core_reply){.rank = rank, .type = MSG_DRAIN});
}

static void on_progress(struct core *c, int rank, const struct msg_PROGRESS *m, int64_t now_ms,
                        struct core_out *o)
{
    uint32_t job = held_job(c, rank, m->job, m->epoch);

    if (job == QUEUE_NONE) {
        core_reply(o, (struct core_reply){.rank = rank, .type = MSG_CANCEL, .job = m->job,
                                          .epoch = m->epoch});
        return;
    }
    renew(c, rank, job, now_ms);
    core_lease_of(c, job)->is_begun = true;
    int64_t step = m->step < UINT32_MAX ? m->step : UINT32_MAX;
    if (step > core_lease_of(c, job)->step_start) /* a resumed job starts with its old step */
        core_lease_of(c, job)->has_progress = true;
    if (step > c->queue.jobs[job].step_best)
        c->queue.jobs[job].step_best = (uint32_t)step;
}

/* A result that is not the running lease's: news only if it was not applied already. */
static void on_stale(struct core *c, int rank, const struct msg_RESULT *m, struct core_out *o)
{
    uint32_t job = queue_find(&c->queue, m->job);

    if (job == QUEUE_NONE)
        return;
    const struct job *j = &c->queue.jobs[job];
    if (m->epoch == j->epoch && j->state != JOB_LEASED)
        return; /* a copy of the one that ended the lease, or it came after the lease's end */
    struct event *ev = core_event(o, EVENT_STALE, m->job);
    ev->epoch = m->epoch;
    ev->rank = rank;
    ev->class = m->outcome >= 0 && m->outcome < ERR_CLASS_COUNT ? (enum err_class)m->outcome
                                                                : ERR_CLASS_CODE;
    ev->message = core_text(o, m->message);
}

static void on_result(struct core *c, int rank, const struct msg_RESULT *m, int64_t now_ms,
                      struct core_out *o)
{
    uint32_t job = held_job(c, rank, m->job, m->epoch);
    struct core_end end = {.result = m, .message = m->message};

    if (m->outcome < 0 || m->outcome >= ERR_CLASS_COUNT)
        return;
    core_reply(o, (struct core_reply){.rank = rank, .type = MSG_ACK, .job = m->job,
                                      .epoch = m->epoch});
    if (job == QUEUE_NONE) {
        on_stale(c, rank, m, o);
        return;
    }
    renew(c, rank, job, now_ms);
    if (!c->queue.jobs[job].in_agent)
        sched_ran(&c->sched, rank, m->wall_s);
    end.facts.class = (enum err_class)m->outcome;
    end.facts.is_oom = m->is_oom != 0;
    core_attempt_ended(c, job, &end, now_ms, o);
    if (!end.facts.is_oom && c->queue.jobs[job].n_infra <= 1) /* else it may be the job's fault */
        core_note_host(c, rank, m->job, end.facts.class, now_ms, o);
}

static void on_bye(struct core *c, int rank, int64_t now_ms, struct core_out *o)
{
    struct rank *k = &c->sched.ranks[rank];

    while (k->leases != QUEUE_NONE) {
        struct core_end end = {.facts = {.class = ERR_CLASS_EXTERNAL}, .message = "agent left"};
        core_attempt_ended(c, c->queue.leases[k->leases].job, &end, now_ms, o);
    }
    k->is_up = false;
    k->has_left = true;
    k->capacity = 0;
}

void core_message(struct core *c, int rank, const struct msg *m, int64_t now_ms,
                  struct core_out *o)
{
    if (rank <= 0 || rank >= c->sched.n_ranks)
        return;
    struct rank *k = &c->sched.ranks[rank];
    core_prepare(c, now_ms, o);
    if (m->type == MSG_HELLO) {
        on_hello(c, rank, &m->u.HELLO, now_ms, o);
        return;
    }
    if (k->is_refused)
        return;
    if (!k->is_up) { /* it was given up, or we are new: it says HELLO again */
        if (m->type == MSG_BYE)
            k->has_left = true;
        else
            core_reply(o, (struct core_reply){.rank = rank, .type = MSG_BEAT, .arg = 0});
        if (m->type != MSG_RESULT)
            return;
    }
    k->seen_ms = now_ms;
    switch (m->type) {
    case MSG_IDLE:
        k->capacity = m->u.IDLE.n_free > 0 && m->u.IDLE.n_free < 65536 ? (int)m->u.IDLE.n_free : 0;
        break;
    case MSG_PROGRESS:
        on_progress(c, rank, &m->u.PROGRESS, now_ms, o);
        break;
    case MSG_HEARTBEAT:
        renew_held(c, rank, m->u.HEARTBEAT.held, now_ms, o);
        core_reply(o, (struct core_reply){.rank = rank, .type = MSG_BEAT, .arg = 1});
        break;
    case MSG_RESULT:
        on_result(c, rank, &m->u.RESULT, now_ms, o);
        break;
    case MSG_BYE:
        on_bye(c, rank, now_ms, o);
        break;
    default:
        break;
    }
}
