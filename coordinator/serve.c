/* serve.c - see serve.h. */
#include "coordinator/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "coordinator/job_state.h"
#include "coordinator/serve_internal.h"

enum {
    DATAGRAMS_MAX = 4096,      /* a turn; and not more events, so that agents compute while we */
    EVENTS_TURN = 1024,        /* store, each at its time */
    BUSY_US = 20000,           /* after the last event: poll every 0.1 ms for so long, */
    WARM_US = 1000000,         /* then every ms, after 1 s every 5 ms, after 5 s every 20 ms, */
    COLD_US = 30000000,        /* after 30 s every 50 ms */
    DRAIN_MS = 20000,          /* a drain becomes "now" after so long */
    LOOK_MS = 500,             /* between looks at our parent and at the number of agents */
    ALONE_MS = 30000           /* without any agent: give up */
};

/* --- loading ------------------------------------------------------------------------------ */

struct loading {
    struct serve *s;
    struct err *e;
};

static uint8_t small(int n)
{
    return (uint8_t)(n < 0 ? 0 : n > 255 ? 255 : n);
}

static enum err_code load_job(void *ctx, const struct manifest_job *mj)
{
    struct loading *l = ctx;
    struct job j = {
        .id = mj->job,
        .cost_s = (float)mj->cost_s,
        .timeout_s = (float)mj->timeout_s,
        .memory_kib = mj->memory > INT64_C(0xFFFFFFFF) * 1024 ? UINT32_MAX
                                                             : (uint32_t)((mj->memory + 1023) / 1024),
        .priority = (int16_t)mj->priority,
        .threads = (uint16_t)mj->threads,
        .retries = small(mj->retries),
        .in_agent = mj->in_agent,
        .state = (uint8_t)mj->state,
        .epoch = (uint32_t)mj->epoch,
        .n_infra = small(mj->n_infra),
        .n_lost = small(mj->n_lost),
        .n_oom = small(mj->n_oom),
    };

    l->s->now.cost_total += mj->cost_s;
    if (job_state_is_final(mj->state))
        l->s->now.cost_done += mj->cost_s;
    return core_add_job(&l->s->core, &j, mj->inputs, mj->n_inputs, l->e);
}

enum err_code serve_load(struct serve *s, int64_t grace_ms, struct err *e)
{
    struct core_config config = {.n_ranks = s->link->size,
                                 .term_ms = s->config.term_ms,
                                 .grace_ms = grace_ms,
                                 .crash_limit = 5,
                                 .build = s->config.build};
    struct loading loading = {s, e};

    core_init(&s->core, &config);
    s->now.cost_total = s->now.cost_done = 0;
    s->is_starting = true;
    buf_reset(&s->order); /* if one was not stored, it is taken again */
    if (manifest_is_paused(s->manifest, s->config.sweep_id, &s->core.is_paused, e))
        return e->code;
    return manifest_load(s->manifest, s->config.sweep_id, load_job, &loading, e);
}

static const struct progress_now *progress_now(struct serve *s)
{
    const struct core *c = &s->core;

    s->now.n_total = (int64_t)c->queue.n;
    s->now.n_done = (int64_t)core_n(c, JOB_DONE);
    s->now.n_failed = (int64_t)(core_n(c, JOB_FAILED) + core_n(c, JOB_QUARANTINED) +
                                core_n(c, JOB_CANCELLED));
    s->now.n_skipped = (int64_t)core_n(c, JOB_SKIPPED);
    s->now.n_running = (int64_t)core_n(c, JOB_LEASED);
    s->now.what = s->what[0] && s->now.n_running ? s->what : NULL;
    return &s->now;
}

enum err_code serve_open(struct serve *s, const struct serve_config *config, struct manifest *m,
                         struct link *link, const struct clock *clock, struct err *e)
{
    memset(s, 0, sizeof *s);
    s->config = *config;
    s->manifest = m;
    s->link = link;
    s->clock = clock;
    s->outbox = calloc((size_t)link->size, sizeof *s->outbox);
    s->rank_job = calloc((size_t)link->size, sizeof *s->rank_job);
    live_open(&s->live, link->size);
    if (!s->outbox || !s->rank_job || serve_load(s, 0, e)) {
        serve_close(s);
        return e->code ? e->code : err_set(e, ERR_NOMEM, "coordinator");
    }
    progress_init(&s->progress, config->out, config->progress, serve_now_ms(s), progress_now(s));
    return ERR_OK;
}

void serve_close(struct serve *s)
{
    for (int r = 0; s->outbox && r < s->link->size; r++)
        buf_free(&s->outbox[r]);
    free(s->outbox);
    free(s->rank_job);
    core_out_free(&s->out);
    core_out_free(&s->late);
    core_free(&s->core);
    buf_free(&s->payload);
    buf_free(&s->dir);
    buf_free(&s->order);
    buf_free(&s->order_said);
    live_close(&s->live, s->config.results);
}

/* --- receiving ---------------------------------------------------------------------------- */

static void note_progress(struct serve *s, int rank, const struct msg_PROGRESS *m)
{
    size_t n = (size_t)snprintf(s->what, sizeof s->what, "%s %" PRId64, s->rank_job[rank], m->step);

    if (m->total > 0 && n < sizeof s->what)
        n += (size_t)snprintf(s->what + n, sizeof s->what - n, "/%" PRId64, m->total);
    if (n < sizeof s->what)
        snprintf(s->what + n, sizeof s->what - n, " %s", m->text);
}

static void on_message(struct serve *s, int rank, struct msg *m)
{
    if (m->type == MSG_RESULT && s->bad_job && m->u.RESULT.job == s->bad_job &&
        m->u.RESULT.outcome == ERR_CLASS_NONE) {
        m->u.RESULT.outcome = ERR_CLASS_INFRA;
        m->u.RESULT.message = s->bad_why;
        s->bad_job = 0;
    }
    if (m->type == MSG_PROGRESS) {
        note_progress(s, rank, &m->u.PROGRESS);
        live_note(&s->live, rank, &m->u.PROGRESS);
    }
    core_message(&s->core, rank, m, serve_now_ms(s), &s->out);
}

static void receive(struct serve *s)
{
    const void *data;
    struct msg m;
    struct err e;
    bool has_one;
    size_t n;
    int from;

    for (int i = 0; i < DATAGRAMS_MAX && s->out.n_events < EVENTS_TURN &&
                    s->link->ops->poll(s->link, &from, &data, &n); i++) {
        struct proto_reader r = proto_read(data, n);
        if (from <= 0 || from >= s->link->size)
            continue;
        while (proto_next(&r, &m, &has_one, &e) == ERR_OK && has_one) {
            on_message(s, from, &m);
            if (m.type != MSG_HEARTBEAT && m.type != MSG_PROGRESS) /* signs of life are no work */
                s->last_busy_us = s->clock->mono_us(s->clock);
        }
        if (r.at != r.end)
            log_warn("serve.message", "rank=%d why=\"%s\"", from, e.text);
    }
    for (int r = s->link->ops->lost(s->link); r >= 0; r = s->link->ops->lost(s->link))
        core_rank_lost(&s->core, r, serve_now_ms(s), &s->out);
}

/* --- the loop ----------------------------------------------------------------------------- */

/* True if whoever started us is gone; also keeps since when there is no agent. */
static bool look_around(struct serve *s)
{
    if (serve_now_ms(s) < s->next_look_ms)
        return false;
    s->next_look_ms = serve_now_ms(s) + LOOK_MS;
    if (core_n_agents(&s->core) > 0 || s->is_starting)
        s->alone_since_ms = 0;
    else if (!s->alone_since_ms)
        s->alone_since_ms = serve_now_ms(s);
    return s->config.parent > 0 && kill(s->config.parent, 0) && errno == ESRCH;
}

static void obey_signals(struct serve *s)
{
    int want = look_around(s) ? 2 : *s->config.drain;

    if (s->drain_seen == 1 && serve_now_ms(s) - s->drain_ms > DRAIN_MS)
        want = 2;
    if (want <= s->drain_seen || (s->drain_seen >= 2 && want > 2))
        return;
    progress_say(&s->progress, want > 1 ? "saegrid: stopping now"
                                        : "saegrid: stopping; running jobs write a checkpoint");
    core_drain(&s->core, want > 1, &s->out);
    s->drain_seen = want;
    s->drain_ms = serve_now_ms(s);
}

static bool is_over(const struct serve *s, enum err_code *why, struct err *e)
{
    *why = ERR_OK;
    if (s->is_starting)
        return false;
    if (core_is_settled(&s->core))
        return true;
    if (core_n_refused(&s->core) == s->link->size - 1) {
        *why = err_set(e, ERR_INVALID, "every agent is of another version or build than this "
                       "coordinator: install the same on all nodes");
        return true;
    }
    if (core_all_left(&s->core) ||
        (s->alone_since_ms && serve_now_ms(s) - s->alone_since_ms > ALONE_MS)) {
        *why = err_set(e, ERR_UNAVAILABLE, "no agent is left, and %zu jobs are to go",
                       core_n(&s->core, JOB_WAITING) + core_n(&s->core, JOB_READY));
        return true;
    }
    bool is_late = s->drain_seen >= 2 && serve_now_ms(s) - s->drain_ms > 3000;
    if (!core_is_drained(&s->core) && !is_late)
        return false;
    *why = err_set(e, ERR_STOPPED, "stopped; the same command goes on");
    return true;
}

static void rest(struct serve *s)
{
    int64_t quiet_us = s->clock->mono_us(s->clock) - s->last_busy_us;

    if (s->is_starting)
        return;
    s->clock->sleep_us(s->clock, quiet_us < BUSY_US       ? 100
                                 : quiet_us < WARM_US     ? 1000
                                 : quiet_us < 5 * WARM_US ? 5000
                                 : quiet_us < COLD_US     ? 20000
                                                          : 50000);
}

enum err_code serve_run(struct serve *s, struct err *e)
{
    enum err_code rc, why = ERR_OK;

    do {
        receive(s);
        obey_signals(s);
        if (s->is_starting)
            s->is_starting = core_start(&s->core, serve_now_ms(s), &s->out);
        serve_take_order(s);
        core_tick(&s->core, serve_now_ms(s), &s->out);
        if (!s->is_starting)
            core_grant(&s->core, serve_now_ms(s), &s->out);
        bool is_quiet = !s->out.n_events && !s->out.n_replies;
        rc = serve_commit(s, e);
        if (rc)
            break;
        serve_answer_order(s);
        live_write(&s->live, s->config.results, serve_now_ms(s));
        progress_show(&s->progress, progress_now(s), serve_now_ms(s));
        if (is_over(s, &why, e))
            break;
        if (is_quiet)
            rest(s);
    } while (true);
    progress_end(&s->progress, progress_now(s), serve_now_ms(s));
    return rc ? rc : why;
}

void serve_shutdown(struct link *link, const struct clock *clock, int64_t wait_ms, struct serve *s)
{
    int64_t end_ms = clock_ms(clock) + wait_ms;
    struct buf out = {0};
    struct msg m = {.type = MSG_SHUTDOWN};
    struct err e;

    m.u.SHUTDOWN.reason = PROTO_REASON_END;
    proto_add(&out, &m);
    for (int r = 1; r < link->size; r++)
        if (link->ops->send(link, r, out.data, out.len, &e))
            log_warn("serve.shutdown", "rank=%d why=\"%s\"", r, e.text);
    buf_free(&out);
    while (s && core_n_agents(&s->core) > 0 && clock_ms(clock) < end_ms) {
        receive(s);
        core_out_reset(&s->out);
        clock->sleep_us(clock, 500);
    }
    while (link->ops->pending(link) && clock_ms(clock) < end_ms)
        clock->sleep_us(clock, 500);
    for (int r = 1; s && r < link->size; r++)
        if (s->core.sched.ranks[r].seen_ms && !s->core.sched.ranks[r].has_left)
            link->ops->forget(link, r); /* lost, or it did not answer: nobody waits for it */
}
