/* retry.h - what becomes of a job whose attempt ended without a result; pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "coordinator/event.h"

enum { RETRY_OOM_LIMIT = 2 };

struct retry_facts {
    enum err_class class;  /* EXTERNAL, INFRA, CODE or CONFIG */
    bool is_oom;           /* INFRA: over its memory, or killed for it */
    bool never_began;      /* EXTERNAL: as far as we know; its agent may have been dead before */
    bool lost_alone;       /* EXTERNAL: the agent was lost, nothing else ran on it, no progress */
    bool has_advanced;     /* progress beyond every earlier attempt */
    int retries;           /* infra failures that are forgiven */
    int crash_limit;       /* lost agents in a row that make a job poison */
};

struct retry_counts {
    int n_infra, n_oom, n_lost; /* see struct manifest_job */
    int n_free;            /* external ends in a row, for the back-off */
};

struct retry_verdict {
    enum event_type event; /* EVENT_RETRY, EVENT_FAIL or EVENT_QUARANTINE */
    int64_t delay_ms;      /* of a RETRY */
};

/* Counts the failure in *c and decides. */
struct retry_verdict retry_decide(const struct retry_facts *f, struct retry_counts *c);

/* 250 ms doubled n times, at most a minute. */
int64_t retry_backoff_ms(int n);
