/* retry.c - see retry.h; the classes are those of err.h. */
#include "coordinator/retry.h"

int64_t retry_backoff_ms(int n)
{
    int64_t ms = 250;

    for (int i = 0; i < n && ms < 60000; i++)
        ms *= 2;
    return ms < 60000 ? ms : 60000;
}

static struct retry_verdict after_external(const struct retry_facts *f, struct retry_counts *c)
{
    struct retry_verdict v = {EVENT_RETRY, 0};

    if (f->lost_alone)
        c->n_lost++;
    else if (!f->never_began)
        c->n_lost = 0;
    if (f->lost_alone && c->n_lost >= f->crash_limit) {
        v.event = EVENT_QUARANTINE;
        return v;
    }
    if (f->has_advanced)
        c->n_free = 0;
    v.delay_ms = c->n_free ? retry_backoff_ms(c->n_free - 1) : 0;
    c->n_free++;
    return v;
}

static struct retry_verdict after_infra(const struct retry_facts *f, struct retry_counts *c)
{
    struct retry_verdict v = {EVENT_RETRY, 0};

    c->n_lost = 0;
    if (f->has_advanced)
        c->n_infra = 0;
    c->n_infra++;
    if (f->is_oom)
        c->n_oom++;
    if (c->n_infra > f->retries || c->n_oom >= RETRY_OOM_LIMIT)
        v.event = EVENT_QUARANTINE;
    else
        v.delay_ms = retry_backoff_ms(c->n_infra);
    return v;
}

struct retry_verdict retry_decide(const struct retry_facts *f, struct retry_counts *c)
{
    if (f->class == ERR_CLASS_EXTERNAL)
        return after_external(f, c);
    if (f->class == ERR_CLASS_INFRA)
        return after_infra(f, c);
    return (struct retry_verdict){EVENT_FAIL, 0};
}
