/* serve.h - the coordinator's loop: poll, decide, commit, send.
 *
 * Every turn takes all messages that are there, lets the core decide, stores the events in one
 * transaction, then sends the replies.  A storage error pauses: the same batch is tried again
 * every second, agents are told that we live, and nothing is lost; after storage_wait_ms it ends
 * the loop.  A result folder that cannot
 * be read is moved aside and counts as an infra failure of its attempt; since the batch it came
 * in was not stored, the state is loaded anew from the manifest and the agents say again what
 * they hold.
 */
#pragma once
#include <signal.h>
#include <sys/types.h>

#include "common/clock.h"
#include "common/link.h"
#include "coordinator/core.h"
#include "coordinator/live.h"
#include "coordinator/manifest.h"
#include "coordinator/progress.h"

struct serve_config {
    const char *results;
    int64_t sweep_id;
    int64_t term_ms;
    int64_t storage_wait_ms;              /* how long to wait for a full or broken disk */
    const char *build;                    /* agents of another are refused; NULL: any */
    enum progress_mode progress;
    FILE *out;                            /* progress and failures, for people */
    const volatile sig_atomic_t *drain;   /* 0; 1: drain; 2 and more: now */
    pid_t parent;                         /* stop when it has ended; 0: nobody */
};

struct serve {
    struct serve_config config;
    struct manifest *manifest;
    struct link *link;
    const struct clock *clock;
    struct core core;
    struct core_out out, late;            /* late: what sending the replies brought up */
    struct buf *outbox;                   /* a datagram in the making per rank */
    struct buf payload, dir;
    char (*rank_job)[128];                /* folder name of the job last granted to a rank */
    struct progress progress;
    struct progress_now now;
    char what[256];
    int64_t bad_job;                      /* its result folder was moved aside */
    char bad_why[1024];
    int64_t last_busy_us;
    int drain_seen;
    int64_t drain_ms, next_look_ms, alone_since_ms;
    bool is_starting, has_failed;
    struct live live;
    int64_t next_order_ms;
    struct buf order, order_said;         /* an order whose answer waits for the commit */
    bool is_order_ok;
};

/* Loads the sweep.  On failure nothing needs closing. */
MUST_CHECK enum err_code serve_open(struct serve *s, const struct serve_config *config,
                                    struct manifest *m, struct link *link,
                                    const struct clock *clock, struct err *e);
/* Until the sweep has settled (ERR_OK), is drained (ERR_STOPPED), no agent is left
 * (ERR_UNAVAILABLE), or storage stays broken. */
MUST_CHECK enum err_code serve_run(struct serve *s, struct err *e);
/* SHUTDOWN to every rank; waits up to `wait_ms` for those that are up to say BYE. */
void serve_shutdown(struct link *link, const struct clock *clock, int64_t wait_ms, struct serve *s);
void serve_close(struct serve *s);

/* serve_order.c: once a second a look into results/control; the answer goes out after the commit. */
void serve_take_order(struct serve *s);
void serve_answer_order(struct serve *s);
