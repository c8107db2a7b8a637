/* serve.c - see serve.h. */
#include "coordinator/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/log.h"
#include "coordinator/job_state.h"

enum {
    DATAGRAMS_MAX = 4096,      /* a turn */
    OUTBOX_FLUSH = 1 << 20,
    BUSY_US = 20000,           /* after the last event: poll every 0.1 ms for so long, */
    WARM_US = 1000000,         /* then every ms, then every 5 ms, after 5 s every 10 ms */
    DRAIN_MS = 20000,          /* a drain becomes "now" after so long */
    LOOK_MS = 500,             /* between looks at our parent and at the number of agents */
    ALONE_MS = 30000,          /* without any agent: give up */
    STORAGE_RETRY_US = 1000000
};

static int64_t now_ms(const struct serve *s)
{
    return clock_ms(s->clock);
}

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
    };

    l->s->now.cost_total += mj->cost_s;
    if (job_state_is_final(mj->state))
        l->s->now.cost_done += mj->cost_s;
    return core_add_job(&l->s->core, &j, mj->inputs, mj->n_inputs, l->e);
}

static enum err_code load(struct serve *s, int64_t grace_ms, struct err *e)
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
    if (!s->outbox || !s->rank_job || load(s, 0, e)) {
        serve_close(s);
        return e->code ? e->code : err_set(e, ERR_NOMEM, "coordinator");
    }
    progress_init(&s->progress, config->out, config->progress, now_ms(s), progress_now(s));
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

/* --- sending ------------------------------------------------------------------------------ */

static void flush_rank(struct serve *s, int rank)
{
    struct buf *b = &s->outbox[rank];
    struct err e;

    if (b->len && s->link->ops->send(s->link, rank, b->data, b->len, &e))
        log_warn("serve.send", "rank=%d why=\"%s\"", rank, e.text);
    buf_reset(b);
}

static void add_message(struct serve *s, int rank, const struct msg *m)
{
    proto_add(&s->outbox[rank], m);
    if (s->outbox[rank].len > OUTBOX_FLUSH)
        flush_rank(s, rank);
}

static void tell_everybody(struct serve *s, bool is_known)
{
    struct msg m = {.type = MSG_BEAT};

    m.u.BEAT = (struct msg_BEAT){s->config.term_ms, is_known};
    for (int r = 1; r < s->link->size; r++) {
        add_message(s, r, &m);
        flush_rank(s, r);
    }
}

static void note_rank_job(struct serve *s, int rank)
{
    const char *slash = s->dir.len ? strrchr(s->dir.data, '/') : NULL;

    snprintf(s->rank_job[rank], sizeof s->rank_job[rank], "%s", slash ? slash + 1 : "");
}

static void send_grant(struct serve *s, const struct core_reply *r)
{
    uint32_t at = queue_find(&s->core.queue, r->job);
    const struct job *j = &s->core.queue.jobs[at];
    struct msg m = {.type = MSG_GRANT};
    struct err e = {0};
    const uint32_t *in;
    bool is_missed = false;
    int64_t cause = 0;
    size_t n_in;
    enum err_code rc = ERR_OK;

    if (j->state != JOB_LEASED || j->epoch != r->epoch)
        return; /* ended again within this very batch */
    queue_edges_in(&s->core.queue, at, &in, &n_in);
    if (n_in)
        rc = manifest_require_missed(s->manifest, r->job, &is_missed, &cause, &e);
    if (!rc && is_missed) {
        core_grant_skipped(&s->core, r->job, cause, &s->late);
        return;
    }
    buf_reset(&s->payload);
    buf_reset(&s->dir);
    if (!rc)
        rc = manifest_payload(s->manifest, r->job, r->epoch, &s->payload, &s->dir, &e);
    if (rc) {
        core_grant_failed(&s->core, r->job, &e, now_ms(s), &s->late);
        return;
    }
    m.u.GRANT = (struct msg_GRANT){r->job, r->epoch, s->config.term_ms, j->threads,
                                   (double)j->timeout_s, (int64_t)j->memory_kib * 1024,
                                   j->in_agent, s->dir.data, s->payload.data};
    note_rank_job(s, r->rank);
    add_message(s, r->rank, &m);
}

static void send_reply(struct serve *s, const struct core_reply *r)
{
    struct msg m = {.type = r->type};

    switch (r->type) {
    case MSG_GRANT:
        send_grant(s, r);
        return;
    case MSG_BEAT:
        m.u.BEAT = (struct msg_BEAT){s->config.term_ms, r->arg};
        break;
    case MSG_ACK:
        m.u.ACK = (struct msg_ACK){r->job, r->epoch};
        break;
    case MSG_CANCEL:
        m.u.CANCEL = (struct msg_CANCEL){r->job, r->epoch};
        break;
    case MSG_DRAIN:
        m.u.DRAIN.is_now = r->arg;
        break;
    case MSG_SHUTDOWN:
        m.u.SHUTDOWN.reason = r->arg;
        break;
    default:
        return;
    }
    add_message(s, r->rank, &m);
}

/* --- storing ------------------------------------------------------------------------------ */

static void say_failure(struct serve *s, const struct event *ev)
{
    struct buf text = {0};
    const char *name = "";

    buf_reset(&s->payload);
    buf_reset(&s->dir);
    if (manifest_payload(s->manifest, ev->job, ev->epoch, &s->payload, &s->dir, NULL) == ERR_OK &&
        s->dir.len && strrchr(s->dir.data, '/'))
        name = strrchr(s->dir.data, '/') + 1;
    buf_fmt(&text, "saegrid: job %" PRId64 "%s%s %s (%s): %s", ev->job, *name ? " " : "", name,
            ev->type == EVENT_FAIL ? "failed" : "was quarantined", err_class_name(ev->class),
            ev->message ? ev->message : "no message");
    progress_say(&s->progress, text.data);
    buf_free(&text);
}

static void say_host(struct serve *s, const struct event *ev)
{
    struct buf text = {0};

    buf_fmt(&text, "saegrid: host %s is %s: %s", ev->host ? ev->host : "?",
            ev->type == EVENT_HOST_HELD ? "held" : "free again", ev->message ? ev->message : "");
    progress_say(&s->progress, text.data);
    buf_free(&text);
}

/* After the commit: counts for the time left, and the first failure at once. */
static void note_events(struct serve *s, const struct core_out *o)
{
    for (size_t i = 0; i < o->n_events; i++) {
        const struct event *ev = &o->events[i];
        if (ev->type == EVENT_DONE || ev->type == EVENT_FAIL || ev->type == EVENT_QUARANTINE ||
            ev->type == EVENT_SKIP || ev->type == EVENT_CANCEL)
            s->now.cost_done +=
                (double)s->core.queue.jobs[queue_find(&s->core.queue, ev->job)].cost_s;
        if (ev->type == EVENT_HOST_HELD || ev->type == EVENT_HOST_FREED)
            say_host(s, ev);
        if ((ev->type == EVENT_FAIL || ev->type == EVENT_QUARANTINE) && !s->has_failed) {
            s->has_failed = true;
            say_failure(s, ev);
        }
        log_debug("job.event", "event=%s job=%" PRId64 " epoch=%" PRId64 " rank=%d",
                  event_type_name(ev->type), ev->job, ev->epoch, ev->rank);
    }
}

/* Moves the unreadable folder aside, so that the next attempt computes it again. */
static void set_aside(struct serve *s, int64_t job, const struct err *why)
{
    struct buf from = {0}, to = {0};
    struct err e;

    s->bad_job = job;
    snprintf(s->bad_why, sizeof s->bad_why, "%s", why->text);
    buf_reset(&s->payload);
    buf_reset(&s->dir);
    if (manifest_payload(s->manifest, job, 1, &s->payload, &s->dir, &e) == ERR_OK && s->dir.len) {
        buf_fmt(&from, "%s/%s", s->config.results, s->dir.data);
        buf_fmt(&to, "%s.bad", from.data);
        if (fs_remove_tree(to.data, &e) ||
            (fs_is_dir(from.data) && fs_rename_dir(from.data, to.data, &e)))
            log_warn("serve.set_aside", "why=\"%s\"", e.text);
    }
    buf_free(&from);
    buf_free(&to);
}

static bool is_storage(enum err_code rc)
{
    return rc == ERR_IO || rc == ERR_NO_SPACE || rc == ERR_BUSY || rc == ERR_NOMEM;
}

static enum err_code wait_for_storage(struct serve *s, const struct core_out *o, struct err *e)
{
    struct buf text = {0};
    int64_t next_beat = now_ms(s);
    enum err_code rc = e->code;

    buf_fmt(&text, "saegrid: paused, nothing is lost: %s; goes on by itself once that is mended",
            e->text);
    progress_say(&s->progress, text.data);
    buf_free(&text);
    while (rc && is_storage(rc) && !manifest_bad_job(s->manifest) && *s->config.drain == 0) {
        s->clock->sleep_us(s->clock, STORAGE_RETRY_US);
        if (now_ms(s) >= next_beat) {
            tell_everybody(s, true);
            next_beat = now_ms(s) + s->config.term_ms / 3;
        }
        rc = manifest_apply(s->manifest, o->events, o->n_events, e);
    }
    if (!rc)
        progress_say(&s->progress, "saegrid: goes on");
    return rc;
}

static void stamp(struct serve *s, struct core_out *o)
{
    int64_t wall_ms = s->clock->wall_ms(s->clock);

    for (size_t i = 0; i < o->n_events; i++) {
        struct event *ev = &o->events[i];
        ev->wall_ms = wall_ms;
        if (ev->not_before_ms && (ev->type == EVENT_RETRY || ev->type == EVENT_HOST_HELD))
            ev->not_before_ms += wall_ms;
    }
}

/* Stores a batch and sends its replies.  *was_lost: it was dropped, and the state loaded anew. */
static enum err_code commit(struct serve *s, struct core_out *o, bool *was_lost, struct err *e)
{
    enum err_code rc = ERR_OK;

    *was_lost = false;
    stamp(s, o);
    if (o->n_events)
        rc = manifest_apply(s->manifest, o->events, o->n_events, e);
    if (rc && is_storage(rc) && !manifest_bad_job(s->manifest))
        rc = wait_for_storage(s, o, e);
    if (rc && manifest_bad_job(s->manifest)) {
        set_aside(s, manifest_bad_job(s->manifest), e);
        core_free(&s->core);
        core_out_reset(&s->out);
        core_out_reset(&s->late);
        *was_lost = true;
        rc = load(s, s->config.term_ms, e);
        tell_everybody(s, false);
        return rc;
    }
    if (rc)
        return rc;
    note_events(s, o);
    for (size_t i = 0; i < o->n_replies; i++)
        send_reply(s, &o->replies[i]);
    core_out_reset(o);
    return ERR_OK;
}

static enum err_code commit_all(struct serve *s, struct err *e)
{
    bool was_lost = false;

    if (!s->out.n_events && !s->out.n_replies)
        return ERR_OK;
    enum err_code rc = commit(s, &s->out, &was_lost, e);
    while (!rc && !was_lost && s->late.n_events) {
        struct core_out late = s->late;
        s->late = s->out;
        s->out = late;
        rc = commit(s, &s->out, &was_lost, e);
    }
    for (int r = 1; r < s->link->size; r++)
        flush_rank(s, r);
    s->last_busy_us = s->clock->mono_us(s->clock);
    return rc;
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
    core_message(&s->core, rank, m, now_ms(s), &s->out);
}

static void receive(struct serve *s)
{
    const void *data;
    struct msg m;
    struct err e;
    bool has_one;
    size_t n;
    int from;

    for (int i = 0; i < DATAGRAMS_MAX && s->link->ops->poll(s->link, &from, &data, &n); i++) {
        struct proto_reader r = proto_read(data, n);
        if (from <= 0 || from >= s->link->size)
            continue;
        while (proto_next(&r, &m, &has_one, &e) == ERR_OK && has_one)
            on_message(s, from, &m);
        if (r.at != r.end)
            log_warn("serve.message", "rank=%d why=\"%s\"", from, e.text);
        s->last_busy_us = s->clock->mono_us(s->clock);
    }
    for (int r = s->link->ops->lost(s->link); r >= 0; r = s->link->ops->lost(s->link))
        core_rank_lost(&s->core, r, now_ms(s), &s->out);
}

/* --- the loop ----------------------------------------------------------------------------- */

/* True if whoever started us is gone; also keeps since when there is no agent. */
static bool look_around(struct serve *s)
{
    if (now_ms(s) < s->next_look_ms)
        return false;
    s->next_look_ms = now_ms(s) + LOOK_MS;
    if (core_n_agents(&s->core) > 0 || s->is_starting)
        s->alone_since_ms = 0;
    else if (!s->alone_since_ms)
        s->alone_since_ms = now_ms(s);
    return s->config.parent > 0 && kill(s->config.parent, 0) && errno == ESRCH;
}

static void obey_signals(struct serve *s)
{
    int want = look_around(s) ? 2 : *s->config.drain;

    if (s->drain_seen == 1 && now_ms(s) - s->drain_ms > DRAIN_MS)
        want = 2;
    if (want <= s->drain_seen || (s->drain_seen >= 2 && want > 2))
        return;
    progress_say(&s->progress, want > 1 ? "saegrid: stopping now"
                                        : "saegrid: stopping; running jobs write a checkpoint");
    core_drain(&s->core, want > 1, &s->out);
    s->drain_seen = want;
    s->drain_ms = now_ms(s);
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
    if (s->alone_since_ms && now_ms(s) - s->alone_since_ms > ALONE_MS) {
        *why = err_set(e, ERR_UNAVAILABLE, "no agent is left, and %zu jobs are to go",
                       core_n(&s->core, JOB_WAITING) + core_n(&s->core, JOB_READY));
        return true;
    }
    bool is_late = s->drain_seen >= 2 && now_ms(s) - s->drain_ms > 3000;
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
                                                          : 10000);
}

enum err_code serve_run(struct serve *s, struct err *e)
{
    enum err_code rc, why = ERR_OK;

    do {
        receive(s);
        obey_signals(s);
        if (s->is_starting)
            s->is_starting = core_start(&s->core, now_ms(s), &s->out);
        serve_take_order(s);
        core_tick(&s->core, now_ms(s), &s->out);
        if (!s->is_starting)
            core_grant(&s->core, now_ms(s), &s->out);
        bool is_quiet = !s->out.n_events && !s->out.n_replies;
        rc = commit_all(s, e);
        if (rc)
            break;
        serve_answer_order(s);
        live_write(&s->live, s->config.results, now_ms(s));
        progress_show(&s->progress, progress_now(s), now_ms(s));
        if (is_over(s, &why, e))
            break;
        if (is_quiet)
            rest(s);
    } while (true);
    progress_end(&s->progress, progress_now(s), now_ms(s));
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
