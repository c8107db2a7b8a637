/* sim_agent.c - the scripted agent of sim.h: the states of worker/agent/agent.h with jobs that do
 * what their script says. */
#include "tests/lib/sim.h"

#include <stdio.h>

#include "tests/lib/check.h"

static void send(struct sim *s, int rank, const struct msg *m)
{
    struct buf b = {0};

    proto_add(&b, m);
    sim_send(s, rank, false, &b);
    buf_free(&b);
}

static void held(const struct sim_agent *a, struct buf *text)
{
    for (size_t i = 0; i < a->n_items; i++)
        proto_held_add(text, a->items[i].job, a->items[i].epoch);
}

static void say_hello(struct sim *s, int rank)
{
    struct sim_agent *a = &s->agents[rank];
    struct buf text = {0}, b = {0};
    struct msg m = {.type = MSG_HELLO};
    char host[16];

    snprintf(host, sizeof host, "node%d", a->host);
    held(a, &text);
    m.u.HELLO = (struct msg_HELLO){
        PROTO_MAGIC, PROTO_VERSION, "build", host, (int64_t)rank * 1000 + a->life, 1, text.data};
    proto_add(&b, &m);
    m = (struct msg){.type = MSG_IDLE};
    m.u.IDLE.n_free = s->config.capacity;
    proto_add(&b, &m);
    sim_send(s, rank, false, &b);
    buf_free(&text);
    buf_free(&b);
}

static void say_result(struct sim *s, int rank, const struct sim_item *it)
{
    struct msg m = {.type = MSG_RESULT};

    m.u.RESULT = (struct msg_RESULT){.job = it->job,
                                     .epoch = it->epoch,
                                     .outcome = it->outcome,
                                     .is_oom = it->is_oom,
                                     .pid = 1,
                                     .message = "scripted"};
    send(s, rank, &m);
}

static struct sim_item *find(struct sim_agent *a, int64_t job, int64_t epoch)
{
    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i].job == job && a->items[i].epoch == epoch)
            return &a->items[i];
    return NULL;
}

static struct sim_item *running(struct sim_agent *a)
{
    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i].phase == SIM_RUNNING)
            return &a->items[i];
    return NULL;
}

static void forget(struct sim_agent *a, struct sim_item *it)
{
    size_t i = (size_t)(it - a->items);

    memmove(it, it + 1, (a->n_items - i - 1) * sizeof *it);
    a->n_items--;
}

static void report(struct sim *s, int rank, struct sim_item *it, enum err_class outcome)
{
    it->phase = SIM_REPORTED;
    it->outcome = outcome;
    it->is_oom = sim_job(s, it->job)->script == SIM_OOM_EVER && outcome == ERR_CLASS_INFRA;
    say_result(s, rank, it);
}

static void say_step(struct sim *s, int rank, const struct sim_item *it, int64_t step)
{
    struct msg m = {.type = MSG_PROGRESS};

    m.u.PROGRESS = (struct msg_PROGRESS){it->job, it->epoch, step, 100, "step"};
    send(s, rank, &m);
}

/* Each epoch of a job is begun at most once in the whole history of the cluster. */
static void note_begun(struct sim *s, const struct sim_item *it)
{
    struct sim_job *j = sim_job(s, it->job);
    uint64_t bit = UINT64_C(1) << (it->epoch & 63);
    size_t word = (size_t)it->epoch / 64;

    if (word >= ARRAY_LEN(j->begun))
        return;
    if (j->begun[word] & bit)
        sim_fail(s, "job %lld: epoch %lld begun twice", (long long)it->job, (long long)it->epoch);
    j->begun[word] |= bit;
}

static bool is_bad_host(const struct sim *s, const struct sim_agent *a)
{
    return s->config.bad_host && a->host == s->config.bad_host - 1;
}

static void begin_next(struct sim *s, int rank)
{
    struct sim_agent *a = &s->agents[rank];

    if (a->state != SIM_WORK || running(a))
        return;
    for (size_t i = 0; i < a->n_items; i++) {
        struct sim_item *it = &a->items[i];
        if (it->phase != SIM_QUEUED)
            continue;
        const struct sim_job *j = sim_job(s, it->job);
        it->phase = SIM_RUNNING;
        note_begun(s, it);
        a->run++;
        if (j->script == SIM_POISON && j->beats_steps)
            say_step(s, rank, it, 7); /* it goes on from its checkpoint, and no further */
        else if (!j->load.in_agent)
            say_step(s, rank, it, 0);
        if (j->script != SIM_POISON && j->beats_steps)
            sim_at(s, s->now_us + j->us / 2, SIM_HALF, rank, a->run);
        sim_at(s, s->now_us + (is_bad_host(s, a) ? 1000 : j->us), SIM_END, rank, a->run);
        return;
    }
}

static void stop_if_drained(struct sim *s, int rank)
{
    struct sim_agent *a = &s->agents[rank];
    struct msg m = {.type = MSG_BYE};

    if (a->state != SIM_DRAIN || a->n_items)
        return;
    send(s, rank, &m);
    a->life++;
    a->state = SIM_DOWN;
    sim_at(s, s->now_us + sim_between(s, 1000, 2000000), SIM_RISE, rank, 0);
}

void sim_agent_rise(struct sim *s, int rank)
{
    struct sim_agent *a = &s->agents[rank];

    a->state = SIM_HELLO;
    a->heard_us = s->now_us;
    say_hello(s, rank);
    sim_at(s, s->now_us + s->config.term_ms * 1000 / 3, SIM_BEAT, rank, 0);
}

void sim_agent_beat(struct sim *s, int rank)
{
    struct sim_agent *a = &s->agents[rank];
    struct buf text = {0};
    struct msg m = {.type = MSG_HEARTBEAT};

    if (s->now_us - a->heard_us > 3 * s->config.term_ms * 1000) {
        sim_kill_agent(s, rank, true); /* the coordinator is gone: it ends, another comes */
        return;
    }
    if (a->state == SIM_HELLO) {
        say_hello(s, rank);
    } else {
        held(a, &text);
        m.u.HEARTBEAT.held = text.data;
        send(s, rank, &m);
        buf_free(&text);
    }
    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i].phase == SIM_REPORTED)
            say_result(s, rank, &a->items[i]);
    sim_at(s, s->now_us + s->config.term_ms * 1000 / 3, SIM_BEAT, rank, 0);
}

void sim_agent_half(struct sim *s, int rank)
{
    struct sim_item *it = running(&s->agents[rank]);

    if (it)
        say_step(s, rank, it, sim_between(s, 1, 90));
}

void sim_agent_end(struct sim *s, int rank)
{
    struct sim_agent *a = &s->agents[rank];
    struct sim_item *it = running(a);

    if (!it)
        return;
    struct sim_job *j = sim_job(s, it->job);
    bool is_scripted = j->n_ran++ < j->n_script;
    s->n.busy_s += (double)j->us / 1e6;
    if (a->state == SIM_DRAIN)
        report(s, rank, it, ERR_CLASS_EXTERNAL);
    else if (is_bad_host(s, a)) {
        s->n.bad_ends++;
        report(s, rank, it, ERR_CLASS_INFRA);
    } else if (j->script == SIM_POISON) {
        s->n.deaths++;
        sim_kill_agent(s, rank, true);
        return;
    } else if (j->script == SIM_NEGATIVE)
        report(s, rank, it, ERR_CLASS_SCIENCE);
    else if (j->script == SIM_BAD_CONFIG)
        report(s, rank, it, ERR_CLASS_CONFIG);
    else if (j->script == SIM_BUG)
        report(s, rank, it, ERR_CLASS_CODE);
    else if (j->script == SIM_INFRA_EVER || j->script == SIM_OOM_EVER ||
             (j->script == SIM_INFRA_SOME && is_scripted))
        report(s, rank, it, ERR_CLASS_INFRA);
    else
        report(s, rank, it, ERR_CLASS_NONE);
    begin_next(s, rank);
}

static void drain(struct sim *s, int rank, bool is_now)
{
    struct sim_agent *a = &s->agents[rank];

    a->state = SIM_DRAIN;
    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i].phase == SIM_QUEUED || (a->items[i].phase == SIM_RUNNING && is_now))
            report(s, rank, &a->items[i], ERR_CLASS_EXTERNAL);
}

static void on_ack(struct sim *s, int rank, const struct msg_ACK *m)
{
    struct sim_item *it = find(&s->agents[rank], m->job, m->epoch);
    const struct sim_job *j = sim_job(s, m->job);

    if (j->state == JOB_LEASED && j->epoch == m->epoch)
        sim_fail(s, "job %lld: ACK of a result that is not on disk", (long long)m->job);
    if (it && it->phase == SIM_REPORTED)
        forget(&s->agents[rank], it);
}

static void on_grant(struct sim *s, int rank, const struct msg_GRANT *m)
{
    struct sim_agent *a = &s->agents[rank];

    if (find(a, m->job, m->epoch))
        sim_fail(s, "job %lld: granted twice at epoch %lld", (long long)m->job,
                 (long long)m->epoch);
    if (a->n_items == SIM_HELD_MAX)
        return;
    if (a->state == SIM_HELLO)
        a->state = SIM_WORK;
    a->items[a->n_items++] = (struct sim_item){.job = m->job, .epoch = m->epoch};
    if (a->state == SIM_DRAIN)
        report(s, rank, &a->items[a->n_items - 1], ERR_CLASS_EXTERNAL);
}

static void on_beat(struct sim *s, int rank, const struct msg_BEAT *m)
{
    struct sim_agent *a = &s->agents[rank];

    if (m->is_known) {
        if (a->state == SIM_HELLO)
            a->state = SIM_WORK;
        return;
    }
    if (a->state == SIM_WORK)
        a->state = SIM_HELLO;
    say_hello(s, rank);
    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i].phase == SIM_REPORTED)
            say_result(s, rank, &a->items[i]);
}

static void on_message(struct sim *s, int rank, const struct msg *m)
{
    struct sim_agent *a = &s->agents[rank];
    struct sim_item *it;

    if (m->type == MSG_BEAT)
        on_beat(s, rank, &m->u.BEAT);
    else if (m->type == MSG_GRANT)
        on_grant(s, rank, &m->u.GRANT);
    else if (m->type == MSG_ACK)
        on_ack(s, rank, &m->u.ACK);
    else if (m->type == MSG_CANCEL) {
        it = find(a, m->u.CANCEL.job, m->u.CANCEL.epoch);
        if (it && it->phase == SIM_RUNNING)
            a->run++; /* its timers are void */
        if (it)
            forget(a, it);
    } else if (m->type == MSG_DRAIN)
        drain(s, rank, m->u.DRAIN.is_now != 0);
    else
        sim_fail(s, "agent %d: unexpected %s", rank, msg_name(m->type));
}

void sim_agent_message(struct sim *s, int rank, const struct sim_event *e)
{
    struct sim_agent *a = &s->agents[rank];
    struct proto_reader r = proto_read(e->data, e->n_data);
    uint32_t life = a->life;
    struct msg m;
    struct err err;
    bool has_one = true;

    a->heard_us = s->now_us;
    while (a->life == life && has_one) {
        if (proto_next(&r, &m, &has_one, &err))
            sim_fail(s, "agent %d: %s", rank, err.text);
        if (has_one)
            on_message(s, rank, &m);
    }
    if (a->life == life) {
        begin_next(s, rank);
        stop_if_drained(s, rank);
    }
}
