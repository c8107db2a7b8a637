/* core_hold.c - bad hosts: counts how attempts end on each host and holds one on which several
 * different jobs in a row failed for infra causes (hold.h), so that it cannot eat the sweep.
 *
 * The last host that could still work is never held: better slowly than not at all.  When
 * all others have gone, the held ones are let go at the next tick.
 */
#include "coordinator/core_internal.h"

#include <stdio.h>

/* Hosts with an agent that is up and usable, other than `except`, that are not held. */
static int n_others(const struct core *c, int except)
{
    int n = 0;

    for (int h = 0; h < c->sched.n_hosts; h++) {
        bool is_up = false;
        for (int r = 1; r < c->sched.n_ranks && !is_up; r++)
            is_up = c->sched.ranks[r].host == h && c->sched.ranks[r].is_up &&
                    !c->sched.ranks[r].is_refused;
        n += h != except && is_up && !c->sched.hosts[h].hold.is_held;
    }
    return n;
}

static void say(struct core *c, int host, const char *text, struct core_out *o)
{
    const struct hold *h = &c->sched.hosts[host].hold;
    struct event *ev = core_event(o, h->is_held ? EVENT_HOST_HELD : EVENT_HOST_FREED, 0);

    ev->host = core_text(o, c->sched.hosts[host].name);
    ev->message = core_text(o, text);
}

void core_note_host(struct core *c, int rank, int64_t job, enum err_class class, int64_t now_ms,
                    struct core_out *o)
{
    if (!c->sched.ranks[rank].is_up)
        return; /* it is not known where it came from */
    int host = c->sched.ranks[rank].host;
    struct hold *h = &c->sched.hosts[host].hold;
    char text[128];

    if (class == ERR_CLASS_NONE || class == ERR_CLASS_SCIENCE)
        hold_succeeded(h);
    if (class != ERR_CLASS_INFRA || !hold_failed(h, job) || n_others(c, host) == 0)
        return;
    hold_start(h, now_ms);
    snprintf(text, sizeof text, "%d different jobs in a row failed there for infra causes: no jobs for %d s",
             HOLD_JOBS, (int)((h->until_ms - now_ms) / 1000));
    say(c, host, text, o);
    o->events[o->n_events - 1].not_before_ms = h->until_ms - now_ms; /* the loop adds the wall clock */
}

void core_free_hosts(struct core *c, int64_t now_ms, struct core_out *o)
{
    bool is_last = false;
    int n_held = 0;

    for (int i = 0; i < c->sched.n_hosts; i++)
        n_held += c->sched.hosts[i].hold.is_held;
    if (n_held)
        is_last = n_others(c, -1) == 0;
    for (int i = 0; i < c->sched.n_hosts && n_held; i++) {
        struct hold *h = &c->sched.hosts[i].hold;
        if (!h->is_held || (!is_last && !hold_is_over(h, now_ms)))
            continue;
        hold_end(h);
        say(c, i, is_last ? "no other host is left" : "its time is over: it is tried again", o);
    }
}
