/* lease.c - see lease.h. */
#include "worker/agent/lease.h"

void lease_start(struct lease *l, int64_t now_ms, int64_t term_ms)
{
    *l = (struct lease){term_ms, now_ms, now_ms + term_ms / 3};
}

void lease_heard(struct lease *l, int64_t now_ms)
{
    l->heard_ms = now_ms;
}

bool lease_beat_due(struct lease *l, int64_t now_ms)
{
    if (now_ms < l->next_beat_ms)
        return false;
    l->next_beat_ms = now_ms + l->term_ms / 3;
    return true;
}

bool lease_is_lost(const struct lease *l, int64_t now_ms)
{
    return now_ms - l->heard_ms > LEASE_SILENT_TERMS * l->term_ms;
}
