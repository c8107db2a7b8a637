/* sim.c - see sim.h: the virtual clock, the network, disasters. */
#include "tests/lib/sim.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/lib/check.h"

void sim_fail(const struct sim *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fail_msg("SIM_SEED=%llu at %.3f s: %s", (unsigned long long)s->config.seed,
             (double)s->now_us / 1e6, text);
}

bool sim_chance(struct sim *s, double p)
{
    return rng_f64(&s->rng) < p;
}

int64_t sim_between(struct sim *s, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(&s->rng, (uint64_t)(high - low + 1));
}

/* --- events in order of time, then of their making -------------------------------------------- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->us != b->us ? a->us < b->us : a->seq < b->seq;
}

static void push(struct sim *s, struct sim_event e)
{
    size_t i = s->n_heap++;

    if (s->n_heap > s->cap_heap) {
        s->cap_heap = s->cap_heap ? 2 * s->cap_heap : 1024;
        s->heap = realloc(s->heap, s->cap_heap * sizeof *s->heap);
        assert_non_null(s->heap);
    }
    e.seq = s->seq++;
    for (; i > 0 && is_before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = e;
}

static struct sim_event pop(struct sim *s)
{
    struct sim_event top = s->heap[0], last = s->heap[--s->n_heap];
    size_t i = 0;

    for (size_t c = 1; c < s->n_heap; c = 2 * i + 1) {
        if (c + 1 < s->n_heap && is_before(&s->heap[c + 1], &s->heap[c]))
            c++;
        if (!is_before(&s->heap[c], &last))
            break;
        s->heap[i] = s->heap[c];
        i = c;
    }
    s->heap[i] = last;
    return top;
}

void sim_at(struct sim *s, int64_t us, enum sim_what what, int rank, uint32_t serial)
{
    uint32_t life = rank > 0 ? s->agents[rank].life : s->server_life;

    push(s,
         (struct sim_event){.us = us, .what = what, .rank = rank, .life = life, .serial = serial});
}

/* Deliveries are at even times and hung agents wake at odd ones, so none overtakes another. */
void sim_send(struct sim *s, int rank, bool to_agent, const struct buf *data)
{
    struct sim_agent *a = &s->agents[rank];
    int64_t *last = to_agent ? &a->arrive_in_us : &a->arrive_out_us;
    int64_t max_us = sim_chance(s, 0.02) ? s->config.term_ms * 300 : 2000;
    int64_t from_us = to_agent && s->disk_until_us > s->now_us ? s->disk_until_us : s->now_us;
    int64_t us = from_us + (s->config.is_calm ? 20 : sim_between(s, 20, max_us));

    us += us & 1;
    if (us < *last)
        us = *last;
    *last = us;
    struct sim_event e = {.us = us,
                          .what = to_agent ? SIM_TO_AGENT : SIM_TO_SERVER,
                          .rank = rank,
                          .life = a->life,
                          .serial = s->server_life};
    e.data = malloc(data->len);
    assert_non_null(e.data);
    memcpy(e.data, data->data, data->len);
    e.n_data = data->len;
    push(s, e);
    s->n.messages++;
}

/* --- disasters -------------------------------------------------------------------------------- */

/* Random deaths spare an agent whose jobs had bad luck before: five losses of one job in a row
 * are what poison looks like, and no core could tell them apart. */
static bool is_unlucky(struct sim *s, int rank)
{
    for (size_t i = 0; i < s->n_jobs; i++)
        if (s->jobs[i].state == JOB_LEASED && s->jobs[i].rank == rank &&
            s->jobs[i].script != SIM_POISON && s->jobs[i].n_alone >= SIM_CRASH_LIMIT - 3)
            return true;
    return false;
}

static void count_alone(struct sim *s, int rank)
{
    for (size_t i = 0; i < s->n_jobs; i++)
        if (s->jobs[i].state == JOB_LEASED && s->jobs[i].rank == rank)
            s->jobs[i].n_alone++;
}

void sim_kill_agent(struct sim *s, int rank, bool comes_back)
{
    struct sim_agent *a = &s->agents[rank];

    count_alone(s, rank);
    a->life++;
    a->state = SIM_DOWN;
    a->n_items = 0;
    a->hung_until_us = 0;
    if (sim_chance(s, 0.5))
        a->heard_from = a->life; /* what it had sent is lost with it */
    if (comes_back)
        sim_at(s, s->now_us + sim_between(s, 1000, 3 * s->config.term_ms * 1000), SIM_RISE, rank,
               0);
}

static void disaster(struct sim *s)
{
    int rank = (int)sim_between(s, 1, s->config.n_agents);
    struct sim_agent *a = &s->agents[rank];
    int64_t term_us = s->config.term_ms * 1000;

    switch (sim_between(s, 0, 9)) {
    case 0:
        if (s->is_up)
            sim_server_die(s);
        return;
    case 1:
        if (s->is_up && sim_chance(s, 0.5)) {
            s->is_draining = true; /* at the next step */
            sim_server_wake(s);
        }
        return;
    case 2:
    case 3:
    case 4:
        if (a->state == SIM_DOWN || is_unlucky(s, rank))
            return;
        count_alone(s, rank);
        a->hung_until_us = (s->now_us + sim_between(s, term_us / 4, 3 * term_us)) | 1;
        s->n.hangs++;
        return;
    default:
        if (a->state == SIM_DOWN || is_unlucky(s, rank))
            return;
        s->n.deaths++;
        sim_kill_agent(s, rank, rank == 1 || sim_chance(s, 0.8));
    }
}

/* --- the loop --------------------------------------------------------------------------------- */

static void to_inbox(struct sim *s, struct sim_event e)
{
    if (!s->is_up || e.serial != s->server_life || e.life < s->agents[e.rank].heard_from) {
        free(e.data);
        return;
    }
    if (s->n_inbox == s->cap_inbox) {
        s->cap_inbox = s->cap_inbox ? 2 * s->cap_inbox : 64;
        s->inbox = realloc(s->inbox, s->cap_inbox * sizeof *s->inbox);
        assert_non_null(s->inbox);
    }
    s->inbox[s->n_inbox++] = e;
    sim_server_wake(s);
}

static void for_agent(struct sim *s, struct sim_event e)
{
    struct sim_agent *a = &s->agents[e.rank];

    if (e.life == a->life && s->now_us < a->hung_until_us) {
        e.us = a->hung_until_us;
        push(s, e);
        return;
    }
    if (e.life == a->life && e.what == SIM_TO_AGENT)
        sim_agent_message(s, e.rank, &e);
    else if (e.life == a->life && e.what == SIM_BEAT)
        sim_agent_beat(s, e.rank);
    else if (e.life == a->life && e.what == SIM_HALF && e.serial == a->run)
        sim_agent_half(s, e.rank);
    else if (e.life == a->life && e.what == SIM_END && e.serial == a->run)
        sim_agent_end(s, e.rank);
    free(e.data);
}

static void handle(struct sim *s, struct sim_event e)
{
    bool is_ours = e.life == s->server_life;

    if (e.what == SIM_TO_SERVER)
        to_inbox(s, e);
    else if (e.what == SIM_TO_AGENT || e.what == SIM_BEAT || e.what == SIM_HALF ||
             e.what == SIM_END)
        for_agent(s, e);
    else if (e.what == SIM_RISE && e.life == s->agents[e.rank].life)
        sim_agent_rise(s, e.rank);
    else if (e.what == SIM_SERVER_RISE)
        sim_server_rise(s);
    else if (e.what == SIM_DISASTER)
        disaster(s);
    else if ((e.what == SIM_STEP || e.what == SIM_TICK) && is_ours && s->now_us < s->disk_until_us) {
        e.us = s->disk_until_us;
        push(s, e);
    } else if ((e.what == SIM_STEP || e.what == SIM_TICK) && is_ours && s->is_up)
        sim_server_step(s, e.what == SIM_TICK);
}

void sim_open(struct sim *s, const struct sim_config *config)
{
    memset(s, 0, sizeof *s);
    s->config = *config;
    s->rng = rng_stream(config->seed, "sim");
    s->agents = calloc((size_t)config->n_agents + 1, sizeof *s->agents);
    s->jobs = calloc((size_t)config->n_jobs, sizeof *s->jobs);
    assert_true(s->agents && s->jobs);
    sim_make_jobs(s);
    s->agents_survive = sim_chance(s, 0.5);
    s->n_disasters_left = config->n_disasters;
    for (int r = 1; r <= config->n_agents; r++) {
        s->agents[r].items = calloc(SIM_HELD_MAX, sizeof *s->agents[r].items);
        assert_non_null(s->agents[r].items);
        s->agents[r].host = (r - 1) % config->n_hosts;
        sim_at(s, sim_between(s, 0, 200000), SIM_RISE, r, 0);
    }
    for (int i = 0; i < config->n_disasters; i++)
        sim_at(s, sim_between(s, 1000, config->term_ms * 1000 * 12), SIM_DISASTER, 0, 0);
    sim_at(s, 0, SIM_SERVER_RISE, 0, 0);
}

void sim_run(struct sim *s)
{
    while (!s->is_up || !core_is_settled(&s->core)) {
        if (!s->n_heap)
            sim_fail(s, "nothing left to happen, and jobs are open");
        struct sim_event e = pop(s);
        s->now_us = e.us;
        if (s->now_us > INT64_C(86400000000))
            sim_fail(s, "not settled after a day: %zu waiting, %zu ready, %zu leased",
                     core_n(&s->core, JOB_WAITING), core_n(&s->core, JOB_READY),
                     core_n(&s->core, JOB_LEASED));
        handle(s, e);
    }
}

void sim_close(struct sim *s)
{
    for (size_t i = 0; i < s->n_heap; i++)
        free(s->heap[i].data);
    for (size_t i = 0; i < s->n_inbox; i++)
        free(s->inbox[i].data);
    for (int r = 1; r <= s->config.n_agents; r++)
        free(s->agents[r].items);
    if (s->is_up)
        core_free(&s->core);
    core_out_free(&s->out);
    free(s->heap);
    free(s->inbox);
    free(s->agents);
    free(s->jobs);
    memset(s, 0, sizeof *s);
}
