/* agent.c - see agent.h. */
#include "worker/agent/agent.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/agent/agent_jobs.h"

void agent_init(struct agent *a, const struct agent_config *config, struct link *link,
                const struct clock *clock)
{
    memset(a, 0, sizeof *a);
    a->config = *config;
    a->link = link;
    a->clock = clock;
    warm_init(&a->warm, config->is_warm ? config->runner : NULL);
    lease_start(&a->lease, clock_ms(clock), AGENT_TERM_MS);
    a->lease.next_beat_ms = 0; /* the first HELLO goes out at once */
}

static void add_hello(struct agent *a)
{
    struct buf held = {0};
    struct msg m = {.type = MSG_HELLO};

    agent_held(a, &held);
    m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC, PROTO_VERSION,  a->config.build, a->config.host,
                                   getpid(),    proc_cores(),   held.data};
    proto_add(&a->out, &m);
    m = (struct msg){.type = MSG_IDLE};
    m.u.IDLE.n_free = AGENT_CAPACITY;
    proto_add(&a->out, &m);
    buf_free(&held);
}

static void add_heartbeat(struct agent *a)
{
    struct buf held = {0};
    struct msg m = {.type = MSG_HEARTBEAT};

    agent_held(a, &held);
    m.u.HEARTBEAT.held = held.data;
    proto_add(&a->out, &m);
    buf_free(&held);
}

static void end(struct agent *a, enum err_code why)
{
    int64_t now_ms = clock_ms(a->clock);

    if (a->state == AGENT_END)
        return;
    a->state = AGENT_END;
    a->why = why;
    launch_stop(&a->launch, now_ms, why == ERR_OK);
}

void agent_drain(struct agent *a, bool is_now)
{
    if (a->state == AGENT_END)
        return;
    a->state = AGENT_DRAIN;
    agent_drop_queued(a);
    launch_stop(&a->launch, clock_ms(a->clock), is_now);
    for (size_t i = 0; i < a->n_items; i++)
        if (a->items[i]->phase == ITEM_RUNNING && a->items[i]->in_agent) {
            a->items[i]->phase = ITEM_QUEUED; /* it has no checkpoint: as if not begun */
            agent_drop_queued(a);
        }
}

static void on_beat(struct agent *a, const struct msg_BEAT *m)
{
    if (!m->is_known) {
        a->state = a->state == AGENT_WORK ? AGENT_HELLO : a->state;
        add_hello(a);
        agent_resend(a);
        return;
    }
    if (a->state == AGENT_HELLO)
        a->state = AGENT_WORK;
    if (m->term_ms > 0 && m->term_ms != a->lease.term_ms)
        lease_start(&a->lease, clock_ms(a->clock), m->term_ms);
}

static void on_shutdown(struct agent *a, int64_t reason)
{
    if (reason == PROTO_REASON_VERSION)
        log_error("agent.refused", "host=%s why=\"another protocol version\"", a->config.host);
    else if (reason == PROTO_REASON_BUILD)
        log_error("agent.refused", "host=%s build=%s why=\"another build\"", a->config.host,
                  a->config.build);
    end(a, reason == PROTO_REASON_END ? ERR_OK : ERR_INVALID);
}

static void on_message(struct agent *a, const struct msg *m)
{
    switch (m->type) {
    case MSG_BEAT:
        on_beat(a, &m->u.BEAT);
        break;
    case MSG_GRANT:
        if (a->state == AGENT_HELLO)
            a->state = AGENT_WORK;
        agent_take(a, &m->u.GRANT);
        if (a->state == AGENT_DRAIN)
            agent_drop_queued(a);
        break;
    case MSG_ACK:
        agent_acked(a, m->u.ACK.job, m->u.ACK.epoch);
        break;
    case MSG_CANCEL:
        agent_cancel(a, m->u.CANCEL.job, m->u.CANCEL.epoch);
        break;
    case MSG_DRAIN:
        agent_drain(a, m->u.DRAIN.is_now != 0);
        break;
    case MSG_SHUTDOWN:
        on_shutdown(a, m->u.SHUTDOWN.reason);
        break;
    default:
        break;
    }
}

static void read_messages(struct agent *a)
{
    const void *data;
    struct err e;
    size_t n;
    int from;

    while (a->link->ops->poll(a->link, &from, &data, &n)) {
        struct proto_reader r = proto_read(data, n);
        struct msg m;
        bool has_one;

        if (from != 0)
            continue;
        lease_heard(&a->lease, clock_ms(a->clock));
        while (proto_next(&r, &m, &has_one, &e) == ERR_OK && has_one) {
            on_message(a, &m);
            a->is_busy |= m.type != MSG_BEAT; /* a sign of life is no work */
        }
        if (r.at != r.end)
            log_warn("agent.message", "why=\"%s\"", e.text);
    }
}

static void beat(struct agent *a)
{
    int64_t now_ms = clock_ms(a->clock);

    if (lease_is_lost(&a->lease, now_ms)) {
        log_warn("agent.alone", "host=%s why=\"no word from the coordinator\"", a->config.host);
        end(a, ERR_STOPPED);
        return;
    }
    if (!lease_beat_due(&a->lease, now_ms))
        return;
    if (a->state == AGENT_HELLO)
        add_hello(a);
    else
        add_heartbeat(a);
    agent_resend(a);
}

static void flush(struct agent *a)
{
    struct err e;

    if (!a->out.len)
        return;
    if (a->link->ops->send(a->link, 0, a->out.data, a->out.len, &e))
        log_warn("agent.send", "why=\"%s\"", e.text);
    buf_reset(&a->out);
}

bool agent_has_process(const struct agent *a)
{
    return a->launch.is_running || a->is_settling || a->n_whole;
}

void agent_step(struct agent *a)
{
    a->is_busy = false;
    read_messages(a);
    if (a->state != AGENT_END)
        beat(a);
    agent_run(a);
    flush(a);
}

void agent_free(struct agent *a)
{
    struct msg m = {.type = MSG_BYE};

    m.u.BYE.n_held = (int64_t)a->n_items;
    proto_add(&a->out, &m);
    flush(a);
    while (a->n_items)
        agent_item_free(a->items[--a->n_items]);
    mock_inline_free(&a->mock);
    warm_close(&a->warm);
    buf_free(&a->out);
}
