/* test_core_sim.c - the core with scripted agents on a virtual clock, over a network that drops,
 * delays, reorders and doubles datagrams; agents are lost and come back, the coordinator is
 * restarted from what it stored.  Every seed is one history; a failure names its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rng.h"
#include "coordinator/core.h"
#include "coordinator/job_state.h"

enum { N_JOBS = 40, N_RANKS = 5, N_NET = 4096, TERM_MS = 3000, STEP_MS = 50, N_SEEDS = 240,
       N_HELD = 8, STORM_MS = 60000, END_MS = 4000000 };

struct packet {
    int64_t at_ms;
    int from, to;
    struct buf data;
};

struct held {
    int64_t job, epoch, end_ms;
    bool is_reported;
    int outcome;
};

struct worker {
    bool is_dead;
    int64_t back_ms, next_beat_ms;
    struct held held[N_HELD];
    int n_held;
};

struct stored {                 /* what the manifest would hold */
    enum job_state state;
    int64_t epoch;
    int n_done, n_infra, n_lost;
};

struct sim {
    uint64_t seed;
    struct rng rng;
    int64_t now_ms;
    struct core core;
    struct core_out out;
    struct stored stored[N_JOBS + 1];
    struct job jobs[N_JOBS + 1];
    int64_t inputs[N_JOBS + 1][3];
    size_t n_inputs[N_JOBS + 1];
    struct worker workers[N_RANKS];
    struct packet net[N_NET];
    size_t n_net;
    bool is_stormy;
};

static bool chance(struct sim *s, int per_mille)
{
    return rng_below(&s->rng, 1000) < (uint64_t)per_mille;
}

static void put(struct sim *s, int from, int to, const struct msg *m)
{
    int copies = s->is_stormy && chance(s, 50) ? 0 : s->is_stormy && chance(s, 50) ? 2 : 1;

    for (int i = 0; i < copies && s->n_net < N_NET; i++) {
        struct packet *p = &s->net[s->n_net++];
        *p = (struct packet){.at_ms = s->now_ms + 1 + (int64_t)rng_below(&s->rng, s->is_stormy ? 700 : 5),
                             .from = from, .to = to};
        proto_add(&p->data, m);
    }
}

/* --- the coordinator and its store -------------------------------------------------------- */

static void load(struct sim *s)
{
    struct core_config config = {.n_ranks = N_RANKS, .term_ms = TERM_MS, .grace_ms = TERM_MS,
                                 .crash_limit = 5};

    core_init(&s->core, &config);
    for (int i = 1; i <= N_JOBS; i++) {
        struct job j = s->jobs[i];
        j.state = (uint8_t)s->stored[i].state;
        j.epoch = (uint32_t)s->stored[i].epoch;
        j.n_infra = (uint8_t)s->stored[i].n_infra;
        j.n_lost = (uint8_t)s->stored[i].n_lost;
        assert_int_equal(core_add_job(&s->core, &j, s->inputs[i], s->n_inputs[i], NULL), ERR_OK);
    }
    while (core_start(&s->core, s->now_ms, &s->out)) {
    }
}

static void store(struct sim *s)
{
    for (size_t i = 0; i < s->out.n_events; i++) {
        const struct event *ev = &s->out.events[i];
        enum job_state next;
        if (!ev->job || ev->type == EVENT_STALE)
            continue;
        struct stored *st = &s->stored[ev->job];
        if (!job_next(st->state, ev->type, &next))
            fail_msg("seed %llu: job %lld: %s in state %s", (unsigned long long)s->seed,
                     (long long)ev->job, event_type_name(ev->type), job_state_name(st->state));
        if (ev->type == EVENT_GRANT) {
            if (ev->epoch <= st->epoch)
                fail_msg("seed %llu: job %lld: epoch %lld after %lld", (unsigned long long)s->seed,
                         (long long)ev->job, (long long)ev->epoch, (long long)st->epoch);
            st->epoch = ev->epoch;
        }
        st->n_done += ev->type == EVENT_DONE;
        st->n_infra = ev->n_infra;
        st->n_lost = ev->n_lost;
        st->state = next;
    }
}

/* Replaying the events gave the states that the core has. */
static void check(struct sim *s)
{
    queue_check(&s->core.queue);
    for (int i = 1; i <= N_JOBS; i++) {
        uint32_t at = queue_find(&s->core.queue, i);
        if (s->core.queue.jobs[at].state != s->stored[i].state ||
            s->core.queue.jobs[at].epoch != s->stored[i].epoch || s->stored[i].n_done > 1)
            fail_msg("seed %llu: job %d: core %s, replay %s, done %d times",
                     (unsigned long long)s->seed, i,
                     job_state_name((enum job_state)s->core.queue.jobs[at].state),
                     job_state_name(s->stored[i].state), s->stored[i].n_done);
        for (size_t k = 0; k < s->n_inputs[i] && s->stored[i].state == JOB_LEASED; k++)
            assert_int_equal(s->stored[s->inputs[i][k]].state, JOB_DONE);
    }
}

static void send_replies(struct sim *s)
{
    for (size_t i = 0; i < s->out.n_replies; i++) {
        const struct core_reply *r = &s->out.replies[i];
        struct msg m = {.type = r->type};
        if (r->type == MSG_BEAT)
            m.u.BEAT = (struct msg_BEAT){TERM_MS, r->arg};
        else if (r->type == MSG_GRANT)
            m.u.GRANT = (struct msg_GRANT){.job = r->job, .epoch = r->epoch};
        else if (r->type == MSG_ACK)
            m.u.ACK = (struct msg_ACK){r->job, r->epoch};
        else if (r->type == MSG_CANCEL)
            m.u.CANCEL = (struct msg_CANCEL){r->job, r->epoch};
        put(s, 0, r->rank, &m);
    }
}

static void coordinator_turn(struct sim *s)
{
    core_tick(&s->core, s->now_ms, &s->out);
    core_grant(&s->core, s->now_ms, &s->out);
    if (s->is_stormy && chance(s, 5)) { /* dies before the commit: the batch never was */
        core_out_reset(&s->out);
        core_free(&s->core);
        load(s);
    }
    store(s);
    check(s);
    if (s->is_stormy && chance(s, 5)) { /* dies after the commit, before it sends */
        core_out_reset(&s->out);
        core_free(&s->core);
        load(s);
        store(s);
    }
    send_replies(s);
    core_out_reset(&s->out);
}

/* --- the agents --------------------------------------------------------------------------- */

static void say_hello(struct sim *s, int rank)
{
    struct worker *w = &s->workers[rank];
    struct buf held = {0};
    struct msg m = {.type = MSG_HELLO};

    for (int i = 0; i < w->n_held; i++)
        proto_held_add(&held, w->held[i].job, w->held[i].epoch);
    m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC, PROTO_VERSION, "", rank < 3 ? "a" : "b", rank, 1, held.data};
    put(s, rank, 0, &m);
    m = (struct msg){.type = MSG_IDLE};
    m.u.IDLE.n_free = rank % 2 ? N_HELD : 1;
    put(s, rank, 0, &m);
    buf_free(&held);
}

static void say_result(struct sim *s, int rank, struct held *h)
{
    struct msg m = {.type = MSG_RESULT};

    h->is_reported = true;
    m.u.RESULT.job = h->job;
    m.u.RESULT.epoch = h->epoch;
    m.u.RESULT.outcome = h->outcome;
    put(s, rank, 0, &m);
}

static int draw_outcome(struct sim *s, int64_t job)
{
    if (job % 13 == 0)
        return ERR_CLASS_CODE;
    if (!s->is_stormy)
        return ERR_CLASS_NONE;
    return chance(s, 50) ? ERR_CLASS_EXTERNAL : chance(s, 30) ? ERR_CLASS_INFRA : ERR_CLASS_NONE;
}

static void drop_held(struct worker *w, int64_t job, int64_t epoch, bool only_reported)
{
    for (int i = 0; i < w->n_held; i++)
        if (w->held[i].job == job && w->held[i].epoch == epoch && (w->held[i].is_reported || !only_reported))
            w->held[i--] = w->held[--w->n_held];
}

static void worker_take(struct sim *s, struct worker *w, const struct msg *m)
{
    const struct msg_GRANT *g = &m->u.GRANT;

    for (int i = 0; i < w->n_held; i++)
        if (w->held[i].job == g->job && w->held[i].epoch == g->epoch)
            return;
    if (w->n_held == N_HELD)
        return;
    w->held[w->n_held++] = (struct held){g->job, g->epoch,
                                         s->now_ms + 20 + (int64_t)rng_below(&s->rng, 2000), false,
                                         draw_outcome(s, g->job)};
}

static void worker_message(struct sim *s, int rank, const struct msg *m)
{
    struct worker *w = &s->workers[rank];

    if (w->is_dead)
        return;
    if (m->type == MSG_GRANT)
        worker_take(s, w, m);
    else if (m->type == MSG_ACK)
        drop_held(w, m->u.ACK.job, m->u.ACK.epoch, true);
    else if (m->type == MSG_CANCEL)
        drop_held(w, m->u.CANCEL.job, m->u.CANCEL.epoch, false);
    else if (m->type == MSG_BEAT && !m->u.BEAT.is_known)
        say_hello(s, rank);
}

static void worker_beat(struct sim *s, int rank)
{
    struct worker *w = &s->workers[rank];
    struct buf held = {0};
    struct msg m = {.type = MSG_HEARTBEAT};

    w->next_beat_ms = s->now_ms + TERM_MS / 3;
    for (int i = 0; i < w->n_held; i++)
        proto_held_add(&held, w->held[i].job, w->held[i].epoch);
    m.u.HEARTBEAT.held = held.data;
    put(s, rank, 0, &m);
    m = (struct msg){.type = MSG_IDLE};
    m.u.IDLE.n_free = rank % 2 ? N_HELD : 1;
    put(s, rank, 0, &m);
    for (int i = 0; i < w->n_held; i++)
        if (w->held[i].is_reported)
            say_result(s, rank, &w->held[i]);
    buf_free(&held);
}

static void worker_turn(struct sim *s, int rank)
{
    struct worker *w = &s->workers[rank];

    if (w->is_dead && s->now_ms >= w->back_ms) {
        w->is_dead = false;
        w->n_held = chance(s, 500) ? w->n_held : 0; /* stopped and gone on, or started anew */
        say_hello(s, rank);
    }
    if (w->is_dead)
        return;
    if (s->is_stormy && chance(s, 3)) {
        w->is_dead = true;
        w->back_ms = s->now_ms + (int64_t)rng_below(&s->rng, 3 * TERM_MS);
        return;
    }
    for (int i = 0; i < w->n_held; i++)
        if (!w->held[i].is_reported && s->now_ms >= w->held[i].end_ms)
            say_result(s, rank, &w->held[i]);
    if (s->now_ms >= w->next_beat_ms)
        worker_beat(s, rank);
}

/* --- histories ---------------------------------------------------------------------------- */

static void deliver(struct sim *s)
{
    struct msg m;
    bool has_one;

    for (size_t i = 0; i < s->n_net; i++) {
        if (s->net[i].at_ms > s->now_ms)
            continue;
        struct packet p = s->net[i];
        s->net[i--] = s->net[--s->n_net]; /* also reorders */
        struct proto_reader r = proto_read(p.data.data, p.data.len);
        assert_int_equal(proto_next(&r, &m, &has_one, NULL), ERR_OK);
        assert_true(has_one);
        if (p.to == 0)
            core_message(&s->core, p.from, &m, s->now_ms, &s->out);
        else
            worker_message(s, p.to, &m);
        buf_free(&p.data);
    }
}

static void make_jobs(struct sim *s)
{
    for (int i = 1; i <= N_JOBS; i++) {
        s->jobs[i] = (struct job){.id = i, .cost_s = 1, .retries = 3, .in_agent = i % 3 != 0,
                                  .threads = (uint16_t)(i % 7 == 0 ? 2 : 1),
                                  .priority = (int16_t)rng_below(&s->rng, 3)};
        for (int k = 0; k < 3 && i > 4; k++)
            if (chance(s, 250))
                s->inputs[i][s->n_inputs[i]++] = 1 + (int64_t)rng_below(&s->rng, (uint64_t)(i - 1));
    }
}

static void history(struct sim *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->rng = rng_stream(seed, "test.core_sim");
    s->is_stormy = true;
    make_jobs(s);
    load(s);
    for (int r = 1; r < N_RANKS; r++)
        say_hello(s, r);
    while (!core_is_settled(&s->core) && s->now_ms < END_MS) {
        s->now_ms += STEP_MS;
        s->is_stormy = s->now_ms < STORM_MS;
        deliver(s);
        for (int r = 1; r < N_RANKS; r++)
            worker_turn(s, r);
        coordinator_turn(s);
    }
    if (!core_is_settled(&s->core))
        fail_msg("seed %llu: not settled after %lld s", (unsigned long long)seed,
                 (long long)s->now_ms / 1000);
    for (size_t i = 0; i < s->n_net; i++)
        buf_free(&s->net[i].data);
}

static void test_every_history_settles_and_no_job_is_done_twice(void **state)
{
    struct sim *s = calloc(1, sizeof *s);
    size_t n_done = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        history(s, seed);
        n_done += core_n(&s->core, JOB_DONE);
        for (int i = 1; i <= N_JOBS; i++) { /* a job is skipped only for a cause */
            bool has_bad = false;
            for (size_t k = 0; k < s->n_inputs[i]; k++)
                has_bad |= job_state_is_bad(s->stored[s->inputs[i][k]].state);
            assert_int_equal(s->stored[i].state == JOB_SKIPPED, has_bad);
        }
        core_free(&s->core);
        core_out_free(&s->out);
    }
    assert_true(n_done > N_SEEDS * N_JOBS / 2);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_history_settles_and_no_job_is_done_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
