/* serve_control.c - orders of people to the running coordinator (control.h).
 *
 * Looked for at the beginning of a turn, when the core and the manifest agree; answered after the
 * commit of that turn.  If the turn's batch is dropped, the order stays and is applied again.
 */
#include "coordinator/serve_control.h"

#include "common/log.h"
#include "coordinator/orders.h"

enum { LOOK_MS = 500 };

static void look_at_pause(struct serve *s)
{
    struct buf why = {0}, text = {0};
    bool is_paused = control_is_paused(s->config.results, &why);

    if (is_paused && !s->is_paused)
        buf_fmt(&text, "saegrid: paused by %s: nothing new begins until `saegrid resume`",
                why.len ? why.data : "somebody");
    else if (!is_paused && s->is_paused)
        buf_str(&text, "saegrid: resumed");
    if (text.len)
        progress_say(&s->progress, text.data);
    s->is_paused = is_paused;
    buf_free(&why);
    buf_free(&text);
}

void serve_control_look(struct serve *s)
{
    struct control_order order;
    struct buf text = {0};
    struct err e = {0};

    if (s->is_starting || s->order.len || s->out.n_events || clock_ms(s->clock) < s->next_order_ms)
        return;
    look_at_pause(s);
    if (!control_next(s->config.results, &s->order)) {
        s->next_order_ms = clock_ms(s->clock) + LOOK_MS;
        return;
    }
    buf_reset(&s->answer);
    if (control_read(s->config.results, s->order.data, &order, &e)) {
        buf_fmt(&s->answer, "error: %s", e.text);
    } else {
        struct orders_place at = {s->manifest, &s->core, &s->out, s->clock};
        if (orders_apply(&at, &order, &s->answer, &e))
            log_warn("serve.order", "name=%s why=\"%s\"", s->order.data, e.text);
        buf_fmt(&text, "saegrid: %s of %s: %s", control_verb_name(order.verb), order.who ? order.who : "somebody",
                s->answer.data);
        progress_say(&s->progress, text.data);
        control_free(&order);
    }
    buf_free(&text);
}

void serve_control_answer(struct serve *s)
{
    struct err e;

    if (!s->order.len)
        return;
    if (control_done(s->config.results, s->order.data, s->answer.data, &e)) {
        log_warn("serve.order", "name=%s why=\"%s\"", s->order.data, e.text);
        s->next_order_ms = clock_ms(s->clock) + LOOK_MS; /* it is tried again */
    }
    buf_reset(&s->order);
}
