/* queue.h - the jobs of a sweep in memory: records, edges, ready set, delayed set, leases.
 *
 * Storage and order only: who may go where is job_state.h, who gets what is sched.h, and why is
 * core.h.  Jobs are added with inputs first, then queue_link() is called once.  Running out of
 * memory aborts.  No call reads a clock.
 */
#pragma once
#include <stddef.h>

#include "coordinator/job.h"

#define QUEUE_NONE UINT32_MAX
/* An edge is the other job's index, and perhaps this bit: waited for until it has ended in any way, not needed. */
#define QUEUE_SOFT 0x80000000u
#define QUEUE_EDGE(edge) ((edge) & ~QUEUE_SOFT)

struct lease {
    uint32_t job;          /* QUEUE_NONE: free record */
    int rank;              /* -1: not claimed since the coordinator started */
    int64_t deadline_ms;
    uint32_t step_start;   /* job's step_best when granted */
    uint32_t next, prev;   /* others of the rank, or of the free list */
    bool is_heard;         /* the rank has named it since the grant */
    bool is_begun;         /* ... as running: a process that was granted ahead waits */
    bool has_progress;     /* a step beyond step_start */
};

struct queue_wake {
    int64_t not_before_ms;
    uint32_t job;
};

struct queue {
    struct job *jobs;
    size_t n, cap;
    uint32_t *in, *out;    /* edges: inputs of a job; jobs that wait for it */
    size_t n_in, cap_in;
    uint32_t *index;       /* id -> job + 1, open addressing */
    size_t n_index;
    uint32_t *ready;       /* heap */
    size_t n_ready, cap_ready;
    struct queue_wake *delayed; /* heap by time; may hold outdated entries */
    size_t n_delayed, cap_delayed;
    struct lease *leases;
    size_t n_leases, cap_leases;
    uint32_t free_lease;
    size_t n_state[JOB_STATE_COUNT];
    bool is_linked;
};

void queue_free(struct queue *q);

/* Copies *j (edges and `at` are set here).  `inputs` are ids, negative ones of soft edges; those of unknown jobs are
 * refused. */
MUST_CHECK enum err_code queue_add(struct queue *q, const struct job *j, const int64_t *inputs,
                                   size_t n_inputs, struct err *e);
void queue_link(struct queue *q);                      /* edges out and critical paths */
uint32_t queue_find(const struct queue *q, int64_t id); /* QUEUE_NONE if unknown */
void queue_edges_in(const struct queue *q, uint32_t job, const uint32_t **at, size_t *n);
void queue_edges_out(const struct queue *q, uint32_t job, const uint32_t **at, size_t *n);
void queue_set_state(struct queue *q, uint32_t job, enum job_state s);

/* Ready set: highest priority first, then longest way to the end, then lowest id. */
void queue_push(struct queue *q, uint32_t job);
uint32_t queue_top(const struct queue *q);             /* QUEUE_NONE if empty */
void queue_remove(struct queue *q, uint32_t job);      /* no-op if it is not in the heap */
void queue_delay(struct queue *q, uint32_t job, int64_t not_before_ms);
void queue_wake(struct queue *q, int64_t now_ms);      /* moves what is due into the ready set */
int64_t queue_next_wake(const struct queue *q);        /* INT64_MAX if nothing is delayed */

/* `head` is the first lease of the rank, QUEUE_NONE if it holds none. */
uint32_t queue_lease(struct queue *q, uint32_t job, int rank, uint32_t *head);
void queue_unlease(struct queue *q, uint32_t lease, uint32_t *head);

/* The invariants, for tests and debug builds; aborts on the first that is broken. */
void queue_check(const struct queue *q);
