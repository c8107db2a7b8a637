/* serve_order.c - the coordinator's side of control.h: looks once a second, lets the core decide,
 * and answers when the events are on disk. */
#include "coordinator/serve.h"

#include <stdlib.h>

#include "common/log.h"
#include "coordinator/control.h"

enum { LOOK_MS = 1000 };

/* Ids that the core knows go to the front; returns how many. */
static size_t known_first(const struct queue *q, int64_t *ids, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++)
        if (queue_find(q, ids[i]) != QUEUE_NONE) {
            int64_t id = ids[i];
            ids[i] = ids[k];
            ids[k++] = id;
        }
    return k;
}

static size_t n_cancelled(const struct core *c)
{
    return core_n(c, JOB_CANCELLED);
}

static enum err_code order_jobs(struct serve *s, const struct control_order *o, struct err *e)
{
    int64_t *ids, now = clock_ms(s->clock);
    size_t n, n_did = 0, n_other = 0, n_leased = core_n(&s->core, JOB_LEASED), before = n_cancelled(&s->core);
    enum err_code rc = manifest_target(s->manifest, &o->target, &ids, &n, e);
    size_t n_known = rc ? 0 : known_first(&s->core.queue, ids, n);

    for (size_t i = 0; i < n_known; i++) {
        if (o->what == CONTROL_CANCEL)
            core_cancel(&s->core, ids[i], now, &s->out);
        else
            n_did += core_priority(&s->core, ids[i], (int)o->priority, now, &s->out);
    }
    if (!rc && n > n_known) /* of other sweeps: nobody runs them */
        rc = control_apply_jobs(s->manifest, o, ids + n_known, n - n_known, &n_other, e);
    if (o->what == CONTROL_CANCEL)
        n_did = n_cancelled(&s->core) - before;
    if (!rc)
        control_say(o, n_did + n_other, n_leased - core_n(&s->core, JOB_LEASED), &s->order_said);
    free(ids);
    return rc;
}

/* Those of other sweeps first: what the core does is not in the manifest yet. */
static enum err_code order_requeue(struct serve *s, const struct control_order *o, struct err *e)
{
    struct manifest_wish w = control_wish(o);
    struct core_wish wish = {w.fix, w.who, w.note};
    size_t n, n_known = 0, n_did = 0;
    int64_t *ids;
    enum err_code rc = control_requeue_ids(s->manifest, o, &ids, &n, e);

    if (!rc) {
        n_known = known_first(&s->core.queue, ids, n);
        rc = control_requeue_still(s->manifest, o, ids + n_known, n - n_known, &n_did, e);
    }
    for (size_t i = 0; i < n_known && !rc; i++)
        n_did += core_requeue(&s->core, ids[i], &wish, clock_ms(s->clock), &s->out);
    if (!rc)
        control_say(o, n_did, 0, &s->order_said);
    free(ids);
    return rc;
}

static enum err_code obey(struct serve *s, const struct control_order *o, struct err *e)
{
    if (o->what == CONTROL_CANCEL || o->what == CONTROL_PRIORITY)
        return order_jobs(s, o, e);
    if (o->what == CONTROL_REQUEUE)
        return order_requeue(s, o, e);
    if (o->target.id != s->config.sweep_id)
        return control_apply_still(s->manifest, o, &s->order_said, e);
    core_pause(&s->core, o->what == CONTROL_PAUSE, o->name, &s->out);
    control_say(o, 0, 0, &s->order_said);
    return ERR_OK;
}

void serve_take_order(struct serve *s)
{
    int64_t now = clock_ms(s->clock);
    struct control_order o;
    struct err e = {0};

    if (s->order.len || now < s->next_order_ms)
        return;
    if (!control_next(s->config.results, s->clock->wall_ms(s->clock), &s->order, &o)) {
        buf_reset(&s->order);
        s->next_order_ms = now + LOOK_MS;
        return;
    }
    buf_reset(&s->order_said);
    s->is_order_ok = obey(s, &o, &e) == ERR_OK;
    if (!s->is_order_ok) {
        buf_reset(&s->order_said);
        buf_str(&s->order_said, e.text);
    }
}

void serve_answer_order(struct serve *s)
{
    struct buf line = {0};
    struct err e;

    if (!s->order.len)
        return;
    buf_fmt(&line, "saegrid: %s", s->order_said.data);
    progress_say(&s->progress, line.data);
    buf_free(&line);
    if (control_done(s->order.data, s->is_order_ok, s->order_said.data, &e)) {
        log_warn("serve.order", "why=\"%s\"", e.text);
        s->next_order_ms = clock_ms(s->clock) + LOOK_MS;
    }
    buf_reset(&s->order);
}
