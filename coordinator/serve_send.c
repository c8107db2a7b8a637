/* serve_send.c - replies of the core become datagrams, one a rank and turn. */
#include "coordinator/serve_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"

enum { OUTBOX_FLUSH = 1 << 20 };

void serve_flush(struct serve *s, int rank)
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
        serve_flush(s, rank);
}

void serve_tell_all(struct serve *s, bool is_known)
{
    struct msg m = {.type = MSG_BEAT};

    m.u.BEAT = (struct msg_BEAT){s->config.term_ms, is_known};
    for (int r = 1; r < s->link->size; r++) {
        add_message(s, r, &m);
        serve_flush(s, r);
    }
}

static void note_rank_job(struct serve *s, int rank)
{
    const char *slash = s->dir.len ? strrchr(s->dir.data, '/') : NULL;

    snprintf(s->rank_job[rank], sizeof s->rank_job[rank], "%s",
             slash ? slash + 1 : s->dir.len ? s->dir.data : "");
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
    if (!rc && j->in_agent && !n_in)
        rc = manifest_payload_inline(s->manifest, r->job, &s->payload, &s->dir, &e);
    else if (!rc)
        rc = manifest_payload(s->manifest, r->job, r->epoch, &s->payload, &s->dir, &e);
    if (rc) {
        core_grant_failed(&s->core, r->job, &e, serve_now_ms(s), &s->late);
        return;
    }
    m.u.GRANT = (struct msg_GRANT){r->job, r->epoch, s->config.term_ms, j->threads,
                                   (double)j->timeout_s, (int64_t)j->memory_kib * 1024,
                                   j->in_agent, s->dir.data, s->payload.data};
    note_rank_job(s, r->rank);
    add_message(s, r->rank, &m);
}

void serve_reply(struct serve *s, const struct core_reply *r)
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

