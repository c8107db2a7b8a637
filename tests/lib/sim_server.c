/* sim_server.c - the coordinator of sim.h: one batch a step, committed, then sent; its deaths before the
 * commit, after it, and in the middle of sending; and a disk that takes up to two terms for a commit. */
#include "tests/lib/sim.h"

#include "tests/lib/check.h"

static struct core_config core_settings(const struct sim *s)
{
    return (struct core_config){.n_ranks = s->config.n_agents + 1,
                                .term_ms = s->config.term_ms,
                                .grace_ms = s->config.grace_ms,
                                .crash_limit = SIM_CRASH_LIMIT,
                                .build = "build"};
}

void sim_load(struct sim *s, struct core *c)
{
    struct core_config settings = core_settings(s);
    struct err e;

    core_init(c, &settings);
    for (size_t i = 0; i < s->n_jobs; i++) {
        const struct sim_job *j = &s->jobs[i];
        struct job load = j->load;
        load.state = (uint8_t)j->state;
        load.epoch = (uint32_t)j->epoch;
        load.n_infra = (uint8_t)j->n_infra;
        load.n_lost = (uint8_t)j->n_lost;
        assert_ok(core_add_job(c, &load, j->inputs, j->n_inputs, &e), e);
    }
}

static void commit(struct sim *s)
{
    sim_apply(s, s->out.events, s->out.n_events);
    s->n.batches++;
    if (!s->config.is_calm && s->config.n_disasters && s->out.n_events && sim_chance(s, 0.02)) {
        s->disk_until_us = s->now_us + sim_between(s, s->config.term_ms * 100, s->config.term_ms * 2000);
        s->n.slow_commits++;
    }
}

void sim_server_rise(struct sim *s)
{
    sim_load(s, &s->core);
    s->is_up = s->is_starting = true;
    s->core.is_paused = s->is_paused;
    s->held = 0;
    s->disk_until_us = 0;
    s->is_draining = s->is_step_due = false;
    sim_at(s, s->now_us + sim_between(s, 0, 50000), SIM_TICK, 0, 0); /* messages come before */
}

void sim_server_die(struct sim *s)
{
    s->is_up = false;
    s->server_life++;
    for (size_t i = 0; i < s->n_inbox; i++)
        free(s->inbox[i].data);
    s->n_inbox = 0;
    core_free(&s->core);
    s->n.restarts++;
    sim_at(s, s->now_us + sim_between(s, 1000, 2 * s->config.term_ms * 1000), SIM_SERVER_RISE, 0,
           0);
    for (int r = 1; r <= s->config.n_agents; r++)
        if (!s->agents_survive)
            sim_kill_agent(s, r, true);
}

void sim_server_wake(struct sim *s)
{
    if (s->is_up && !s->is_step_due) {
        s->is_step_due = true;
        sim_at(s, s->now_us + sim_between(s, 1, s->config.poll_us), SIM_STEP, 0, 0);
    }
}

static void read_inbox(struct sim *s)
{
    if ((long)s->n_inbox > s->n.turn_max)
        s->n.turn_max = (long)s->n_inbox;
    for (size_t i = 0; i < s->n_inbox; i++) {
        int64_t wait_us = s->now_us - s->inbox[i].us;
        s->n.heard++;
        s->n.wait_us += wait_us;
        s->n.wait_max_us = wait_us > s->n.wait_max_us ? wait_us : s->n.wait_max_us;
        struct proto_reader r = proto_read(s->inbox[i].data, s->inbox[i].n_data);
        struct msg m;
        struct err e;
        bool has_one = true;
        while (has_one) {
            if (proto_next(&r, &m, &has_one, &e))
                sim_fail(s, "coordinator: %s", e.text);
            if (has_one)
                core_message(&s->core, s->inbox[i].rank, &m, s->now_us / 1000, &s->out);
        }
        free(s->inbox[i].data); /* texts of events are copies, or this is a use after free */
    }
    s->n_inbox = 0;
}

/* What serve does between grant and commit: payloads that cannot be made, gates. */
static void make_payloads(struct sim *s)
{
    struct err why;

    for (size_t i = 0; i < s->out.n_replies; i++) {
        struct core_reply *r = &s->out.replies[i];
        if (r->type != MSG_GRANT)
            continue;
        enum sim_script script = sim_job(s, r->job)->script;
        if (script == SIM_GATED) {
            core_grant_skipped(&s->core, r->job, 0, &s->out);
        } else if (script == SIM_NO_PAYLOAD) {
            err_set(&why, ERR_INVALID, "a value cannot be resolved");
            core_grant_failed(&s->core, r->job, &why, s->now_us / 1000, &s->out);
        } else {
            continue;
        }
        s->out.replies[i].type = MSG_NONE; /* not sent */
    }
}

static void send_reply(struct sim *s, const struct core_reply *r)
{
    struct msg m = {.type = r->type};
    struct buf b = {0};

    if (r->type == MSG_NONE)
        return;
    if (r->type == MSG_GRANT) {
        m.u.GRANT =
            (struct msg_GRANT){.job = r->job, .epoch = r->epoch, .term_ms = s->config.term_ms};
        s->n.grants++;
    } else if (r->type == MSG_BEAT)
        m.u.BEAT = (struct msg_BEAT){s->config.term_ms, r->arg};
    else if (r->type == MSG_ACK)
        m.u.ACK = (struct msg_ACK){r->job, r->epoch};
    else if (r->type == MSG_CANCEL)
        m.u.CANCEL = (struct msg_CANCEL){r->job, r->epoch};
    else if (r->type == MSG_DRAIN)
        m.u.DRAIN.is_now = r->arg;
    else
        sim_fail(s, "the core sends %s", msg_name(r->type));
    proto_add(&b, &m);
    sim_send(s, r->rank, true, &b);
    buf_free(&b);
}

/* A coordinator dies within its step in one of some hundred while disasters are left. */
static bool dies_here(struct sim *s, long *count)
{
    if (s->n_disasters_left <= 0 || !sim_chance(s, 0.004))
        return false;
    s->n_disasters_left--;
    ++*count;
    sim_server_die(s);
    return true;
}

static void orders(struct sim *s)
{
    if (s->is_draining && !s->core.is_draining) {
        core_drain(&s->core, sim_chance(s, 0.5), &s->out);
        s->n.drains++;
    }
    if (!s->config.is_calm && s->config.n_disasters && sim_chance(s, 0.0005)) {
        core_cancel(&s->core, sim_between(s, 1, (int64_t)s->n_jobs), s->now_us / 1000, &s->out);
        s->n.cancels++;
    }
    if (!s->config.is_calm && s->config.n_disasters && sim_chance(s, 0.002))
        core_priority(&s->core, sim_between(s, 1, (int64_t)s->n_jobs), (int)sim_between(s, -9, 9),
                      s->now_us / 1000, &s->out);
    if (!s->config.is_calm && s->config.n_disasters && sim_chance(s, 0.002)) {
        static const struct core_wish wish = {.note = "sim"};
        s->n.requeues += (long)core_requeue(&s->core, sim_between(s, 1, (int64_t)s->n_jobs), &wish,
                                            s->now_us / 1000, &s->out);
    }
    if (!s->config.is_calm && sim_chance(s, s->is_paused ? 0.05 : 0.0005 * (s->config.n_disasters > 0)))
        core_pause(&s->core, !s->is_paused, "sim", &s->out);
}

void sim_server_step(struct sim *s, bool is_tick)
{
    int64_t now_ms = s->now_us / 1000;

    s->is_step_due = s->is_step_due && is_tick;
    core_out_reset(&s->out);
    read_inbox(s);
    orders(s);
    if (s->is_starting)
        s->is_starting = core_start(&s->core, now_ms, &s->out);
    core_tick(&s->core, now_ms, &s->out);
    if (!s->is_starting)
        core_grant(&s->core, now_ms, &s->out);
    make_payloads(s);
    if (dies_here(s, &s->n.crashes_before))
        return;
    commit(s);
    if (!s->config.is_calm && !s->is_starting)
        sim_same(s);
    if (dies_here(s, &s->n.crashes_after))
        return;
    for (size_t i = 0; i < s->out.n_replies; i++) {
        if (dies_here(s, &s->n.crashes_after))
            return;
        send_reply(s, &s->out.replies[i]);
    }
    if (is_tick)
        sim_at(s, s->now_us + s->config.term_ms * 50, SIM_TICK, 0, 0);
    if (core_is_drained(&s->core))
        sim_server_die(s); /* the same command again, after a while */
}
