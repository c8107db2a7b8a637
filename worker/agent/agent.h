/* agent.h - one agent: asks for work, runs what it is granted, reports, beats.
 *
 *   HELLO ---BEAT---> WORK ---DRAIN---> DRAIN ---nothing held---> END
 *     |                 |                 |
 *     +---- SHUTDOWN, refused, or no word from the coordinator for three terms ---> END
 *
 * Jobs held are in `items`, in the order of their grants: QUEUED, then RUNNING (one process, or
 * one in-agent job, at a time), with a whole result on disk WHOLE and SETTLING (settle.h), then
 * REPORTED until the coordinator says ACK.  A RESULT is sent again every beat until then.  All records of a step leave as one datagram.
 */
#pragma once
#include "common/clock.h"
#include "common/link.h"
#include "common/proto.h"
#include "worker/agent/launch.h"
#include "worker/agent/lease.h"
#include "worker/agent/mock_inline.h"

enum agent_state { AGENT_HELLO, AGENT_WORK, AGENT_DRAIN, AGENT_END };
enum item_phase { ITEM_QUEUED, ITEM_RUNNING, ITEM_WHOLE, ITEM_SETTLING, ITEM_REPORTED };
enum { AGENT_CAPACITY = 1024, AGENT_TERM_MS = 30000 };

struct agent_config {
    const char *results;
    const char *runner;       /* path of saegrid-runner */
    bool is_warm;             /* it may be kept and forked (warm.h) */
    const char *build;        /* commit; the coordinator refuses another */
    const char *host;
};

struct agent_item {
    int64_t job, epoch;
    enum item_phase phase;
    bool in_agent, is_cancelled;
    int threads;
    double timeout_s;
    int64_t memory;
    int64_t started_ms;       /* wall clock; 0: not begun */
    char *dir, *payload;
    char *tmp;                /* WHOLE, SETTLING: its folder, */
    int lock_fd;              /* and the lock on it, or -1 */
    struct buf result;        /* encoded RESULT */
};

struct agent {
    struct agent_config config;
    struct link *link;
    const struct clock *clock;
    enum agent_state state;
    struct lease lease;
    struct agent_item *items[AGENT_CAPACITY]; /* owned; the first n_reported are REPORTED */
    size_t n_items, n_reported;
    int64_t newest_job;       /* highest id ever taken: beyond it no grant can be a copy */
    struct warm warm;         /* where processes come from */
    struct launch launch;     /* of the running process, if any */
    struct proc settler;      /* the process that settles, */
    bool is_settling;         /* if there is one; */
    size_t n_whole;           /* items that wait for the next, */
    int64_t settle_due_ms;    /* which is to begin by then */
    struct mock_inline mock;  /* the running in-agent job: what it will do, and when it ends; */
    struct err mock_err;      /* or why it cannot */
    int64_t inline_end_us;
    int64_t started_us;
    int64_t next_progress_ms;
    struct buf out;           /* records of this step */
    enum err_code why;        /* at the end: OK, STOPPED (coordinator gone), INVALID (refused) */
    bool is_busy;             /* the last step did something */
};

void agent_init(struct agent *a, const struct agent_config *config, struct link *link,
                const struct clock *clock);
/* Reads all messages, advances the jobs, sends what is due. */
void agent_step(struct agent *a);
/* Ends all jobs at once (is_now) or after a checkpoint; no new ones are begun. */
void agent_drain(struct agent *a, bool is_now);
/* A process of it runs, or has left a result that is not durable yet. */
bool agent_has_process(const struct agent *a);
/* Says BYE and drops what is held. */
void agent_free(struct agent *a);
