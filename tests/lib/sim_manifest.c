/* sim_manifest.c - the manifest of sim.h: what events alone say about each job, and the rules that
 * they must keep.  It does not use job_state.c, so that it can disagree with it. */
#include "tests/lib/sim.h"

#include "tests/lib/check.h"

struct sim_job *sim_job(struct sim *s, int64_t id)
{
    if (id < 1 || id > (int64_t)s->n_jobs)
        sim_fail(s, "no job %lld", (long long)id);
    return &s->jobs[id - 1];
}

static bool is_bad(enum job_state st)
{
    return st == JOB_FAILED || st == JOB_QUARANTINED || st == JOB_SKIPPED || st == JOB_CANCELLED;
}

static size_t count_inputs(struct sim *s, const struct sim_job *j, bool (*is)(enum job_state))
{
    size_t n = 0;

    for (size_t i = 0; i < j->n_inputs; i++)
        n += is(sim_job(s, j->inputs[i])->state);
    return n;
}

static bool is_done(enum job_state st)
{
    return st == JOB_DONE;
}

#define RULE(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            sim_fail(s, "job %lld: %s in state %s, epoch %lld of %lld: against the rule: %s",      \
                     (long long)e->job, event_type_name(e->type), job_state_name(j->state),        \
                     (long long)e->epoch, (long long)j->epoch, #cond);                             \
    } while (0)

static void apply_grant(struct sim *s, struct sim_job *j, const struct event *e)
{
    RULE(!s->is_draining);
    RULE(!s->is_paused);
    RULE(s->config.n_hosts > 64 || !(s->held >> (s->agents[e->rank].host & 63) & 1));
    RULE(j->state == JOB_READY);
    RULE(e->epoch > j->epoch);
    RULE(count_inputs(s, j, is_done) == j->n_inputs);
    RULE(e->rank > 0 && e->rank <= s->config.n_agents);
    j->state = JOB_LEASED;
    j->epoch = e->epoch;
    j->rank = e->rank;
}

static bool has_begun(const struct sim_job *j, int64_t epoch)
{
    return (size_t)epoch / 64 >= ARRAY_LEN(j->begun) || (j->begun[epoch / 64] >> (epoch & 63) & 1);
}

static void apply_end(struct sim *s, struct sim_job *j, const struct event *e)
{
    RULE(j->state == JOB_LEASED);
    RULE(e->epoch == j->epoch);
    if (e->type == EVENT_DONE) {
        RULE(++j->n_done == 1);
        RULE(has_begun(j, e->epoch)); /* the result is of this very attempt */
        RULE(e->class == ERR_CLASS_NONE || e->class == ERR_CLASS_SCIENCE);
        j->state = JOB_DONE;
        return;
    }
    RULE(e->n_infra >= 0 && e->n_infra <= j->load.retries + 1);
    RULE(e->class != ERR_CLASS_EXTERNAL || e->n_infra == j->n_infra);
    RULE((e->class == ERR_CLASS_CODE || e->class == ERR_CLASS_CONFIG) == (e->type == EVENT_FAIL));
    j->n_infra = e->n_infra;
    j->n_lost = e->n_lost;
    s->n.retries += e->type == EVENT_RETRY;
    s->n.quarantines += e->type == EVENT_QUARANTINE;
    j->state = e->type == EVENT_RETRY  ? JOB_READY
               : e->type == EVENT_FAIL ? JOB_FAILED
                                       : JOB_QUARANTINED;
}

/* About hosts and the sweep: no job moves. */
static void apply_order(struct sim *s, const struct event *e)
{
    uint64_t host = e->host ? UINT64_C(1) << (atoi(e->host + 4) & 63) : 0; /* "node7" */

    if (e->type == EVENT_PAUSE || e->type == EVENT_RESUME) {
        s->is_paused = e->type == EVENT_PAUSE;
        s->n.pauses += s->is_paused;
    } else if (e->type == EVENT_PRIORITY) {
        sim_job(s, e->cause)->load.priority = (int16_t)atoi(e->message);
        s->n.priorities++;
    } else if (e->type == EVENT_HOST_HELD) {
        if (s->held & host)
            sim_fail(s, "%s: held twice", e->host);
        s->held |= host;
        s->n.holds++;
    } else if (e->type == EVENT_HOST_FREED) {
        s->held &= ~host;
    } else {
        sim_fail(s, "%s of no job", event_type_name(e->type));
    }
}

static void apply_one(struct sim *s, const struct event *e)
{
    if (e->type == EVENT_AGENT_UP || e->type == EVENT_AGENT_LOST) {
        s->n.lost += e->type == EVENT_AGENT_LOST;
        return;
    }
    if (!e->job) {
        apply_order(s, e);
        return;
    }
    struct sim_job *j = sim_job(s, e->job);
    switch (e->type) {
    case EVENT_READY:
        RULE(j->state == JOB_WAITING && count_inputs(s, j, is_done) == j->n_inputs);
        j->state = JOB_READY;
        break;
    case EVENT_GRANT:
        apply_grant(s, j, e);
        break;
    case EVENT_SKIP:
        RULE(j->state == JOB_WAITING || j->script == SIM_GATED);
        RULE(j->script == SIM_GATED || count_inputs(s, j, is_bad) > 0);
        RULE(!e->cause || is_bad(sim_job(s, e->cause)->state));
        j->state = JOB_SKIPPED;
        break;
    case EVENT_CANCEL:
        RULE(j->state == JOB_WAITING || j->state == JOB_READY || j->state == JOB_LEASED);
        j->state = JOB_CANCELLED;
        break;
    case EVENT_REQUEUE:
        RULE(is_bad(j->state));
        j->state = JOB_WAITING;
        j->n_infra = j->n_lost = 0;
        break;
    case EVENT_STALE:
        RULE(j->state != JOB_LEASED || e->epoch != j->epoch || e->rank != j->rank);
        s->n.stale++;
        break;
    default:
        apply_end(s, j, e);
    }
}

void sim_apply(struct sim *s, const struct event *events, size_t n)
{
    for (size_t i = 0; i < n; i++)
        apply_one(s, &events[i]);
}

static void same_jobs(struct sim *s, const struct core *c, const char *what)
{
    for (size_t i = 0; i < s->n_jobs; i++) {
        const struct sim_job *j = &s->jobs[i];
        const struct job *k = &c->queue.jobs[i];
        if (k->id != j->load.id || k->state != j->state || k->epoch != j->epoch ||
            k->n_infra != j->n_infra || k->n_lost != j->n_lost)
            sim_fail(
                s, "job %zu: %s has %s epoch %u infra %u lost %u, its events say %s %lld %d %d",
                i + 1, what, job_state_name((enum job_state)k->state), k->epoch, k->n_infra,
                k->n_lost, job_state_name(j->state), (long long)j->epoch, j->n_infra, j->n_lost);
    }
}

/* Agents' books: leases of a rank that is up, and as many as it is said to hold. */
static void check_ranks(struct sim *s)
{
    const struct core *c = &s->core;

    for (int r = 1; r < c->sched.n_ranks; r++) {
        const struct rank *k = &c->sched.ranks[r];
        int n = 0;
        for (uint32_t l = k->leases; l != QUEUE_NONE; l = c->queue.leases[l].next) {
            if (c->queue.leases[l].rank != r)
                sim_fail(s, "rank %d lists a lease of rank %d", r, c->queue.leases[l].rank);
            n++;
        }
        if (n != k->n_held || (n && !k->is_up))
            sim_fail(s, "rank %d: %d leases, %d counted, up %d", r, n, k->n_held, k->is_up);
        if (k->lent_to >= 0 && (n || c->sched.ranks[k->lent_to].n_held == 0))
            sim_fail(s, "rank %d: lent to rank %d, and holds %d", r, k->lent_to, n);
    }
}

void sim_same(struct sim *s)
{
    struct core fresh;
    struct core_out out = {0};

    queue_check(&s->core.queue);
    check_ranks(s);
    same_jobs(s, &s->core, "the core");
    if (!s->config.grace_ms || !sim_chance(s, 0.1))
        return;
    sim_load(s, &fresh);
    while (core_start(&fresh, s->now_us / 1000, &out))
        ;
    for (size_t i = 0; i < out.n_events; i++)
        sim_fail(s, "a restart would say %s of job %lld", event_type_name(out.events[i].type),
                 (long long)out.events[i].job);
    queue_check(&fresh.queue);
    same_jobs(s, &fresh, "a restarted core");
    core_out_free(&out);
    core_free(&fresh);
}

void sim_truth(struct sim *s)
{
    static const enum job_state ends[SIM_SCRIPT_COUNT] = {[SIM_WELL] = JOB_DONE,
                                                          [SIM_NEGATIVE] = JOB_DONE,
                                                          [SIM_BAD_CONFIG] = JOB_FAILED,
                                                          [SIM_BUG] = JOB_FAILED,
                                                          [SIM_INFRA_SOME] = JOB_DONE,
                                                          [SIM_INFRA_EVER] = JOB_QUARANTINED,
                                                          [SIM_OOM_EVER] = JOB_QUARANTINED,
                                                          [SIM_POISON] = JOB_QUARANTINED,
                                                          [SIM_GATED] = JOB_SKIPPED,
                                                          [SIM_NO_PAYLOAD] = JOB_FAILED};

    for (size_t i = 0; i < s->n_jobs; i++) {
        const struct sim_job *j = &s->jobs[i];
        enum job_state want = count_inputs(s, j, is_bad) ? JOB_SKIPPED : ends[j->script];
        if (j->state != want && j->state != JOB_CANCELLED)
            sim_fail(s, "job %zu (script %d): %s, and in truth %s", i + 1, (int)j->script,
                     job_state_name(j->state), job_state_name(want));
    }
}
