/* core.c - see core.h: moves, start, expiry, grants.  Messages are in core_msg.c.
 *
 * Every change of a job's state goes through core_move(), which asks job_state.c, keeps the
 * heap, the leases and the counts of waiting dependents, and writes the event.
 */
#include "coordinator/core_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_CHUNK = 4096 };

void core_init(struct core *c, const struct core_config *config)
{
    memset(c, 0, sizeof *c);
    c->config = *config;
    c->unclaimed = QUEUE_NONE;
    sched_init(&c->sched, config->n_ranks);
}

void core_free(struct core *c)
{
    queue_free(&c->queue);
    sched_free(&c->sched);
}

enum err_code core_add_job(struct core *c, const struct job *j, const int64_t *inputs,
                           size_t n_inputs, struct err *e)
{
    return queue_add(&c->queue, j, inputs, n_inputs, e);
}

/* --- moving a job ------------------------------------------------------------------------- */

struct lease *core_lease_of(struct core *c, uint32_t job)
{
    return &c->queue.leases[c->queue.jobs[job].at];
}

uint32_t *core_lease_head(struct core *c, int rank)
{
    return rank < 0 ? &c->unclaimed : &c->sched.ranks[rank].leases;
}

static void leave_state(struct core *c, uint32_t job)
{
    struct job *j = &c->queue.jobs[job];

    if (j->state == JOB_READY) {
        queue_remove(&c->queue, job);
        j->is_delayed = false;
    } else if (j->state == JOB_LEASED) {
        int rank = core_lease_of(c, job)->rank;
        queue_unlease(&c->queue, j->at, core_lease_head(c, rank));
        if (rank >= 0)
            sched_release(&c->sched, rank, j);
    }
}

struct event *core_move(struct core *c, uint32_t job, enum event_type type, struct core_out *o)
{
    struct job *j = &c->queue.jobs[job];
    enum job_state next;

    if (!job_next((enum job_state)j->state, type, &next)) {
        fprintf(stderr, "core: job %" PRId64 ": %s in state %s\n", j->id, event_type_name(type),
                job_state_name((enum job_state)j->state));
        abort();
    }
    leave_state(c, job);
    queue_set_state(&c->queue, job, next);
    struct event *ev = core_event(o, type, j->id);
    ev->epoch = j->epoch;
    return ev;
}

static uint32_t count_open_inputs(const struct queue *q, uint32_t job)
{
    const uint32_t *in;
    size_t n;
    uint32_t open = 0;

    queue_edges_in(q, job, &in, &n);
    for (size_t i = 0; i < n; i++) {
        enum job_state s = (enum job_state)q->jobs[QUEUE_EDGE(in[i])].state;

        open += in[i] & QUEUE_SOFT ? !job_state_is_final(s) : s != JOB_DONE;
    }
    return open;
}

static void make_ready(struct core *c, uint32_t job, struct core_out *o)
{
    core_move(c, job, EVENT_READY, o);
    queue_push(&c->queue, job);
}

/* Those that wait for the job wait for one less; if it has failed only those that do not need it. */
static void inputs_done(struct core *c, uint32_t job, bool soft_only, struct core_out *o)
{
    const uint32_t *out;
    size_t n;

    queue_edges_out(&c->queue, job, &out, &n);
    for (size_t i = 0; i < n; i++) {
        uint32_t at = QUEUE_EDGE(out[i]);
        struct job *d = &c->queue.jobs[at];

        if (soft_only && !(out[i] & QUEUE_SOFT))
            continue;
        if (d->state == JOB_WAITING && d->n_wait > 0 && --d->n_wait == 0)
            make_ready(c, at, o);
    }
}

/* Skips all that waits for `job`, and what waits for that: breadth first over the events that
 * this call itself adds. */
static void skip_dependents(struct core *c, uint32_t job, struct core_out *o)
{
    size_t at = o->n_events;
    const uint32_t *out;
    size_t n;

    for (;;) {
        queue_edges_out(&c->queue, job, &out, &n);
        for (size_t i = 0; i < n; i++)
            if (!(out[i] & QUEUE_SOFT) && c->queue.jobs[out[i]].state == JOB_WAITING)
                core_move(c, out[i], EVENT_SKIP, o)->cause = c->queue.jobs[job].id;
        inputs_done(c, job, true, o);
        while (at < o->n_events && o->events[at].type != EVENT_SKIP)
            at++;
        if (at == o->n_events)
            return;
        job = queue_find(&c->queue, o->events[at++].job);
    }
}

/* What a job's new final state means for others. */
static void settle(struct core *c, uint32_t job, struct core_out *o)
{
    enum job_state s = (enum job_state)c->queue.jobs[job].state;

    if (s == JOB_DONE)
        inputs_done(c, job, false, o);
    else if (job_state_is_bad(s))
        skip_dependents(c, job, o);
}

static void fill_from_result(struct event *ev, const struct msg_RESULT *r, struct core_out *o)
{
    ev->exit_code = (int)r->exit_code;
    ev->signal = (int)r->signal;
    ev->wall_s = r->wall_s;
    ev->cpu_s = r->cpu_s;
    ev->maxrss_kib = r->maxrss_kib;
    ev->started_ms = r->started_ms;
    ev->pid = r->pid;
    ev->metrics = core_text(o, r->metrics);
}

void core_attempt_ended(struct core *c, uint32_t job, const struct core_end *end, int64_t now_ms,
                        struct core_out *o)
{
    struct job *j = &c->queue.jobs[job];
    int rank = core_lease_of(c, job)->rank;
    struct retry_facts facts = end->facts;
    bool is_result = facts.class == ERR_CLASS_NONE || facts.class == ERR_CLASS_SCIENCE;
    struct retry_verdict v = {EVENT_DONE, 0};

    facts.has_advanced = j->step_best > core_lease_of(c, job)->step_start;
    facts.retries = j->retries;
    facts.crash_limit = c->config.crash_limit;
    if (!is_result) {
        struct retry_counts n = {j->n_infra, j->n_oom, j->n_lost, j->n_free};
        v = retry_decide(&facts, &n);
        j->n_infra = (uint8_t)(n.n_infra < 255 ? n.n_infra : 255);
        j->n_oom = (uint8_t)(n.n_oom < 255 ? n.n_oom : 255);
        j->n_lost = (uint8_t)(n.n_lost < 255 ? n.n_lost : 255);
        j->n_free = (uint8_t)(n.n_free < 255 ? n.n_free : 255);
    }
    struct event *ev = core_move(c, job, v.event, o);
    ev->rank = rank;
    ev->class = facts.class;
    ev->n_infra = j->n_infra;
    ev->n_lost = j->n_lost;
    ev->n_oom = j->n_oom;
    ev->not_before_ms = v.delay_ms; /* the loop adds the wall clock */
    ev->message = core_text(o, end->message);
    ev->exit_code = facts.lost_alone ? -1 : 0; /* how the manifest tells a loss */
    if (end->result)
        fill_from_result(ev, end->result, o);
    if (v.event == EVENT_RETRY && v.delay_ms)
        queue_delay(&c->queue, job, now_ms + v.delay_ms);
    else if (v.event == EVENT_RETRY)
        queue_push(&c->queue, job);
    settle(c, job, o);
}

/* --- start -------------------------------------------------------------------------------- */

static void adopt_loaded_lease(struct core *c, uint32_t job, int64_t now_ms, struct core_out *o)
{
    uint32_t l = queue_lease(&c->queue, job, -1, &c->unclaimed);

    c->queue.leases[l].deadline_ms = now_ms + c->config.grace_ms;
    if (c->config.grace_ms == 0)
        core_attempt_ended(c, job,
                           &(struct core_end){.facts = {.class = ERR_CLASS_EXTERNAL},
                                              .message = "the coordinator had ended"},
                           now_ms, o);
}

bool core_has_bad_input(const struct queue *q, uint32_t job, uint32_t *cause)
{
    const uint32_t *in;
    size_t n;

    queue_edges_in(q, job, &in, &n);
    for (size_t i = 0; i < n; i++) {
        *cause = QUEUE_EDGE(in[i]);
        if (!(in[i] & QUEUE_SOFT) && job_state_is_bad((enum job_state)q->jobs[*cause].state))
            return true;
    }
    return false;
}

void core_start_job(struct core *c, uint32_t job, struct core_out *o)
{
    struct job *j = &c->queue.jobs[job];
    uint32_t cause;

    if (j->state == JOB_READY && j->at == QUEUE_NONE && !j->is_delayed)
        queue_push(&c->queue, job);
    if (j->state != JOB_WAITING)
        return;
    j->n_wait = count_open_inputs(&c->queue, job);
    if (core_has_bad_input(&c->queue, job, &cause))
        core_move(c, job, EVENT_SKIP, o)->cause = c->queue.jobs[cause].id;
    else if (j->n_wait == 0)
        make_ready(c, job, o);
}

void core_prepare(struct core *c, int64_t now_ms, struct core_out *o)
{
    if (c->queue.is_linked)
        return;
    queue_link(&c->queue);
    for (size_t i = 0; i < c->queue.n; i++)
        if (c->queue.jobs[i].state == JOB_LEASED)
            adopt_loaded_lease(c, (uint32_t)i, now_ms, o);
}

bool core_start(struct core *c, int64_t now_ms, struct core_out *o)
{
    core_prepare(c, now_ms, o);
    for (int i = 0; i < START_CHUNK && c->n_started < c->queue.n; i++)
        core_start_job(c, c->n_started++, o);
    return c->n_started < c->queue.n;
}

/* --- loss, expiry ------------------------------------------------------------------------- */

/* The lease that a rank's death may be blamed on: its only one, or of several processes the one
 * that it had begun. */
static uint32_t only_begun(const struct core *c, const struct rank *k)
{
    uint32_t found = QUEUE_NONE;

    if (k->n_held == 1)
        return k->leases;
    for (uint32_t l = k->leases; l != QUEUE_NONE; l = c->queue.leases[l].next) {
        if (!c->queue.leases[l].is_begun)
            continue;
        if (found != QUEUE_NONE)
            return QUEUE_NONE;
        found = l;
    }
    return found;
}

void core_rank_lost(struct core *c, int rank, int64_t now_ms, struct core_out *o)
{
    char message[64];

    if (rank <= 0 || rank >= c->sched.n_ranks || !c->sched.ranks[rank].is_up)
        return;
    struct rank *k = &c->sched.ranks[rank];
    uint32_t alone = only_begun(c, k);
    core_event(o, EVENT_AGENT_LOST, 0)->rank = rank;
    snprintf(message, sizeof message, "agent lost (rank %d)", rank);
    k->is_up = false;
    while (k->leases != QUEUE_NONE) {
        struct lease *l = &c->queue.leases[k->leases];
        struct core_end end = {.facts = {.class = ERR_CLASS_EXTERNAL,
                                         .never_began = !l->is_heard,
                                         .lost_alone = k->leases == alone && l->is_heard &&
                                                       !l->has_progress},
                               .message = message};
        core_attempt_ended(c, l->job, &end, now_ms, o);
    }
}

static void expire_lease(struct core *c, struct lease *l, int64_t now_ms, struct core_out *o)
{
    struct core_end end = {.facts = {.class = ERR_CLASS_EXTERNAL}, .message = "lease expired"};
    struct core_reply cancel = {.rank = l->rank, .type = MSG_CANCEL};

    cancel.job = c->queue.jobs[l->job].id;
    cancel.epoch = c->queue.jobs[l->job].epoch;
    if (l->rank >= 0)
        core_reply(o, cancel);
    core_attempt_ended(c, l->job, &end, now_ms, o);
}

void core_tick(struct core *c, int64_t now_ms, struct core_out *o)
{
    queue_wake(&c->queue, now_ms);
    if (now_ms < c->next_scan_ms)
        return;
    c->next_scan_ms = now_ms + c->config.term_ms / 20;
    core_free_hosts(c, now_ms, o);
    for (int r = 1; r < c->sched.n_ranks; r++)
        if (c->sched.ranks[r].is_up && now_ms - c->sched.ranks[r].seen_ms > c->config.term_ms)
            core_rank_lost(c, r, now_ms, o);
    for (size_t i = 0; i < c->queue.n_leases; i++) {
        struct lease *l = &c->queue.leases[i];
        if (l->job != QUEUE_NONE && now_ms > l->deadline_ms)
            expire_lease(c, l, now_ms, o);
    }
}

/* --- grants ------------------------------------------------------------------------------- */

static void grant(struct core *c, uint32_t job, int rank, int64_t now_ms, struct core_out *o)
{
    struct job *j = &c->queue.jobs[job];

    j->epoch++;
    struct event *ev = core_move(c, job, EVENT_GRANT, o);
    uint32_t l = queue_lease(&c->queue, job, rank, core_lease_head(c, rank));
    c->queue.leases[l].deadline_ms = now_ms + c->config.term_ms;
    sched_took(&c->sched, rank, j);
    ev->rank = rank;
    ev->host = core_text(o, c->sched.hosts[c->sched.ranks[rank].host].name);
    ev->pid = c->sched.ranks[rank].pid;
    core_reply(o, (struct core_reply){.rank = rank, .type = MSG_GRANT, .job = j->id,
                                      .epoch = j->epoch});
}

void core_grant(struct core *c, int64_t now_ms, struct core_out *o)
{
    uint32_t job;

    if (c->is_draining || c->is_paused || !c->queue.n_ready)
        return;
    sched_begin(&c->sched);
    for (;;) {
        int rank = sched_pick(&c->sched, &c->queue, &job);
        if (rank < 0)
            break;
        grant(c, job, rank, now_ms, o);
    }
    sched_end(&c->sched, &c->queue);
}

void core_grant_failed(struct core *c, int64_t id, const struct err *why, int64_t now_ms,
                       struct core_out *o)
{
    uint32_t job = queue_find(&c->queue, id);
    struct core_end end = {.facts = {.class = err_class(why->code)}, .message = why->text};

    if (job != QUEUE_NONE && c->queue.jobs[job].state == JOB_LEASED)
        core_attempt_ended(c, job, &end, now_ms, o);
}

void core_grant_skipped(struct core *c, int64_t id, int64_t cause, struct core_out *o)
{
    uint32_t job = queue_find(&c->queue, id);

    if (job == QUEUE_NONE || c->queue.jobs[job].state != JOB_LEASED)
        return;
    struct event *ev = core_move(c, job, EVENT_SKIP, o);
    ev->cause = cause;
    ev->message = core_text(o, "a gate that it requires did not pass");
    settle(c, job, o);
}

/* --- orders from outside ------------------------------------------------------------------ */

void core_cancel(struct core *c, int64_t id, int64_t now_ms, struct core_out *o)
{
    uint32_t job = queue_find(&c->queue, id);

    core_prepare(c, now_ms, o);
    if (job == QUEUE_NONE || job_state_is_final((enum job_state)c->queue.jobs[job].state))
        return;
    if (c->queue.jobs[job].state == JOB_LEASED && core_lease_of(c, job)->rank >= 0)
        core_reply(o, (struct core_reply){.rank = core_lease_of(c, job)->rank, .type = MSG_CANCEL,
                                          .job = id, .epoch = c->queue.jobs[job].epoch});
    core_move(c, job, EVENT_CANCEL, o);
    settle(c, job, o);
}

static void tell_all(struct core *c, enum msg_type type, int64_t arg, struct core_out *o)
{
    for (int r = 1; r < c->sched.n_ranks; r++)
        if (c->sched.ranks[r].is_up)
            core_reply(o, (struct core_reply){.rank = r, .type = type, .arg = arg});
}

void core_drain(struct core *c, bool is_now, struct core_out *o)
{
    c->is_draining = true;
    tell_all(c, MSG_DRAIN, is_now, o);
}

void core_shutdown(struct core *c, struct core_out *o)
{
    tell_all(c, MSG_SHUTDOWN, PROTO_REASON_END, o);
}

bool core_is_settled(const struct core *c)
{
    return c->n_started == c->queue.n && !core_n(c, JOB_WAITING) && !core_n(c, JOB_READY) &&
           !core_n(c, JOB_LEASED);
}

bool core_is_drained(const struct core *c)
{
    return c->is_draining && !core_n(c, JOB_LEASED);
}

int core_n_agents(const struct core *c)
{
    int n = 0;

    for (int r = 1; r < c->sched.n_ranks; r++)
        n += c->sched.ranks[r].is_up && !c->sched.ranks[r].is_refused;
    return n;
}

bool core_all_left(const struct core *c)
{
    for (int r = 1; r < c->sched.n_ranks; r++)
        if (!c->sched.ranks[r].has_left)
            return false;
    return c->sched.n_ranks > 1;
}

int core_n_refused(const struct core *c)
{
    int n = 0;

    for (int r = 1; r < c->sched.n_ranks; r++)
        n += c->sched.ranks[r].is_refused;
    return n;
}

size_t core_n(const struct core *c, enum job_state s)
{
    return c->queue.n_state[s];
}
