/* event.h - what happened to a job, as the core decides it and the manifest stores it.
 *
 * Applying the events in order to an empty state rebuilds it exactly.  A batch of events is one
 * transaction; replies are sent after its commit.
 */
#pragma once
#include <stdint.h>

#include "common/err.h"

enum job_state {
    JOB_WAITING,     /* an input is not done */
    JOB_READY,
    JOB_LEASED,
    JOB_DONE,
    JOB_FAILED,
    JOB_QUARANTINED,
    JOB_SKIPPED,     /* an input failed, or a required gate did not pass */
    JOB_CANCELLED,
    JOB_STATE_COUNT
};

enum event_type {
    EVENT_READY,       /* inputs done */
    EVENT_GRANT,       /* epoch, rank: a new attempt */
    EVENT_DONE,        /* epoch, attempt facts; verdict comes from the ingested result */
    EVENT_RETRY,       /* attempt ended, goes back to ready; not_before_ms */
    EVENT_FAIL,        /* final */
    EVENT_QUARANTINE,
    EVENT_SKIP,        /* cause = the input's job */
    EVENT_CANCEL,
    EVENT_REQUEUE,     /* by hand or by the same command */
    EVENT_STALE,       /* a result of an old epoch: recorded, not applied */
    EVENT_AGENT_UP,    /* rank, host, pid */
    EVENT_AGENT_LOST,
    EVENT_PAUSE,       /* no job: message = sweep; no grants until EVENT_RESUME */
    EVENT_RESUME,
    EVENT_PRIORITY,    /* no job: cause = whose, message = the number; moves nothing */
    EVENT_HOST_HELD,   /* no job: host, not_before_ms = until when it gets no jobs */
    EVENT_HOST_FREED,
    EVENT_TYPE_COUNT
};

struct event {
    enum event_type type;
    int64_t job;               /* row id in the manifest; 0 for agent events */
    int64_t epoch;
    int rank;
    int64_t cause;             /* job id that made it skip */
    int64_t wall_ms;           /* filled in by the loop */
    enum err_class class;      /* of a failure; SCIENCE on DONE: an in-agent job's negative verdict */
    int exit_code, signal;
    double wall_s, cpu_s;
    int64_t maxrss_kib, started_ms, not_before_ms;
    int n_infra, n_lost, n_oom; /* the job's counters after a RETRY, FAIL or QUARANTINE */
    int64_t pid;
    const char *host;          /* borrowed until the batch is applied */
    const char *message;
    const char *metrics;       /* in-agent jobs: "name=value ..." */
    const char *fix, *who;     /* REQUEUE by hand: the commit that mends the job, or NULL; recorded */
};

const char *job_state_name(enum job_state s);     /* "ready" */
const char *event_type_name(enum event_type t);
