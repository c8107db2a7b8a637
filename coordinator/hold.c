/* hold.c - see hold.h. */
#include "coordinator/hold.h"

bool hold_failed(struct hold *h, int64_t job)
{
    for (size_t i = 0; i < h->n_jobs; i++)
        if (h->jobs[i] == job)
            return false;
    if (h->n_jobs < HOLD_JOBS)
        h->jobs[h->n_jobs++] = job;
    return h->n_jobs == HOLD_JOBS && !h->is_held;
}

void hold_succeeded(struct hold *h)
{
    h->n_jobs = 0;
    h->n_times = 0;
}

void hold_start(struct hold *h, int64_t now_ms)
{
    int64_t ms = HOLD_FIRST_MS;

    for (int i = 0; i < h->n_times && ms < HOLD_MAX_MS; i++)
        ms *= 2;
    h->until_ms = now_ms + (ms < HOLD_MAX_MS ? ms : HOLD_MAX_MS);
    h->n_times++;
    h->is_held = true;
}

bool hold_is_over(const struct hold *h, int64_t now_ms)
{
    return h->is_held && now_ms >= h->until_ms;
}

void hold_end(struct hold *h)
{
    h->is_held = false;
    h->n_jobs = HOLD_JOBS - 1; /* on probation: the next failure of yet another job fills it */
}
