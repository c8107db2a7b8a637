/* core.h - decides: (state, message or tick, now) -> events to store, replies to send.
 *
 * Pure: no clock, no I/O; `now_ms` is monotonic and never decreases.  The caller stores the
 * events of a batch in one transaction, then sends its replies, then resets the batch: an ACK
 * therefore means "durable", and a GRANT is never seen by an agent before it is on disk.
 * Applying the events in order rebuilds the state of every job (job_state.h).
 *
 * Leases: a grant raises the job's epoch; the lease ends `term_ms` after the last HEARTBEAT that
 * names it or PROGRESS of it.  A rank that is silent for a term is lost with all its leases.
 * A RESULT counts only for the running lease's epoch; any other is EVENT_STALE and ACKed, so
 * that its sender forgets it.
 */
#pragma once
#include "common/proto.h"
#include "coordinator/retry.h"
#include "coordinator/sched.h"

struct core_config {
    int n_ranks;           /* with the coordinator */
    int64_t term_ms;       /* of a lease; > 0 */
    int64_t grace_ms;      /* for leases found at the start to be claimed; 0: none is waited for */
    int crash_limit;
    const char *build;     /* agents of another build are refused; NULL: any */
};

struct core_reply {
    int rank;
    enum msg_type type;    /* BEAT GRANT ACK CANCEL DRAIN SHUTDOWN */
    int64_t job, epoch;
    int64_t arg;           /* BEAT: is_known; DRAIN: is_now; SHUTDOWN: reason */
};

/* One batch.  Texts of events are copied here. */
struct core_out {
    struct event *events;
    size_t n_events, cap_events;
    struct core_reply *replies;
    size_t n_replies, cap_replies;
    struct core_text *texts;
};

void core_out_reset(struct core_out *o); /* empty, keeps the memory */
void core_out_free(struct core_out *o);

struct core {
    struct core_config config;
    struct queue queue;
    struct sched sched;
    bool is_draining, is_paused;
    uint32_t unclaimed;    /* first lease of no rank */
    uint32_t n_started;    /* jobs that core_start has looked at */
    int64_t next_scan_ms;
};

void core_init(struct core *c, const struct core_config *config);
void core_free(struct core *c);

/* A job as loaded; inputs first.  In `j`: id, cost, timeout, memory, priority, threads, retries,
 * in_agent, state, epoch and counters. */
MUST_CHECK enum err_code core_add_job(struct core *c, const struct job *j, const int64_t *inputs,
                                      size_t n_inputs, struct err *e);

/* Puts the loaded jobs in order, a few thousand a call; true while there is more to do.  Messages
 * may come before and between. */
bool core_start(struct core *c, int64_t now_ms, struct core_out *o);

/* One message of one rank.  What makes no sense is dropped. */
void core_message(struct core *c, int rank, const struct msg *m, int64_t now_ms,
                  struct core_out *o);
void core_rank_lost(struct core *c, int rank, int64_t now_ms, struct core_out *o);

/* Expiry and back-off; cheap between its scans, of which there are twenty a term: call it in every
 * turn of the loop. */
void core_tick(struct core *c, int64_t now_ms, struct core_out *o);

/* Gives ready jobs to agents with room: once at the end of every batch. */
void core_grant(struct core *c, int64_t now_ms, struct core_out *o);

/* A granted job that could not be handed out: its payload could not be made. */
void core_grant_failed(struct core *c, int64_t job, const struct err *why, int64_t now_ms,
                       struct core_out *o);
/* ... because a gate that it requires did not pass, that of job `cause`. */
void core_grant_skipped(struct core *c, int64_t job, int64_t cause, struct core_out *o);

void core_cancel(struct core *c, int64_t job, int64_t now_ms,
                 struct core_out *o);                             /* no-op if final */
/* No more grants until it is taken back; running jobs go on.  No-op if it is so already. */
void core_pause(struct core *c, bool is_paused, const char *sweep, struct core_out *o);
/* A raised priority raises that of what the job waits for; how many changed. */
size_t core_priority(struct core *c, int64_t job, int priority, int64_t now_ms, struct core_out *o);
/* Puts a failed, quarantined, skipped or cancelled job back, and what was skipped because of it;
 * how many.  Whether it may go back (a fault of the code needs a fix) is the caller's to know. */
struct core_wish {
    const char *fix, *who, *note; /* see struct event; NULL: none */
};
size_t core_requeue(struct core *c, int64_t job, const struct core_wish *w, int64_t now_ms, struct core_out *o);
void core_drain(struct core *c, bool is_now, struct core_out *o);
void core_shutdown(struct core *c, struct core_out *o);            /* SHUTDOWN to every agent */

bool core_is_settled(const struct core *c);  /* no job can move any more */
bool core_is_drained(const struct core *c);  /* draining, and nothing runs */
int core_n_agents(const struct core *c);     /* up and usable */
bool core_all_left(const struct core *c);    /* every agent has said BYE */
int core_n_refused(const struct core *c); /* of another version or build */
size_t core_n(const struct core *c, enum job_state s);
