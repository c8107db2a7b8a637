/* core_internal.h - shared by the files of the core: core.c (start, tick, grants), core_msg.c
 * (messages), core_out.c (the batch). */
#pragma once
#include "coordinator/core.h"
#include "coordinator/job_state.h"

const char *core_text(struct core_out *o, const char *s); /* copy; NULL for an empty text */
struct event *core_event(struct core_out *o, enum event_type type, int64_t job);
void core_reply(struct core_out *o, struct core_reply r);

/* Moves a job by a legal event, with all that follows (heap, lease, waiting dependents), and
 * adds the event.  An illegal one is our bug and aborts. */
struct event *core_move(struct core *c, uint32_t job, enum event_type type, struct core_out *o);

/* Once, before anything else happens: edges, and the leases that were found. */
void core_prepare(struct core *c, int64_t now_ms, struct core_out *o);

/* What an attempt's end without a result means for its job. */
struct core_end {
    struct retry_facts facts;
    const struct msg_RESULT *result; /* NULL: the agent is gone */
    const char *message;
};
void core_attempt_ended(struct core *c, uint32_t job, const struct core_end *end, int64_t now_ms,
                        struct core_out *o);
/* core_hold.c: how an attempt ended on the rank's host; hosts whose time is over. */
void core_note_host(struct core *c, int rank, int64_t job, enum err_class class, int64_t now_ms,
                    struct core_out *o);
void core_free_hosts(struct core *c, int64_t now_ms, struct core_out *o);
/* True if an input failed for good; *cause is the first such. */
bool core_has_bad_input(const struct queue *q, uint32_t job, uint32_t *cause);
/* Puts a job that waits where it belongs: ready, skipped, or waiting for so many inputs. */
void core_start_job(struct core *c, uint32_t job, struct core_out *o);
struct lease *core_lease_of(struct core *c, uint32_t job);
uint32_t *core_lease_head(struct core *c, int rank);
