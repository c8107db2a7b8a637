/* sched.h - the agents as the coordinator sees them, and which of them takes a job.
 *
 * A narrow job goes to the least loaded agent with room: a process to one that holds nothing, an
 * in-agent job to one that runs no process, behind which it would wait.  While more jobs are ready
 * than there are agents, one that runs short processes gets some ahead: their estimates add up to
 * SCHED_AHEAD_S at most, so that none waits long behind another while an agent is free.  Tiny ones
 * (estimates of SCHED_TINY_S in all) are bounded by what the last one really took.  A job with threads = t
 * lends t - 1 further idle agents of the same host until it ends; a host that is chosen for it
 * but still busy is reserved, so that narrow jobs do not starve wide ones.  A host with fewer
 * than t agents in all counts as wide enough once all of it is idle.
 */
#pragma once
#include "coordinator/hold.h"
#include "coordinator/queue.h"

#define SCHED_AHEAD_S 4.0F
#define SCHED_TINY_S 0.4F
/* processes held at once; tiny ones: before one has ended there, and at most */
enum { SCHED_AHEAD = 2, SCHED_TINY_MIN = 8, SCHED_TINY_MAX = 128 };

struct rank {
    bool is_up;
    bool has_left;         /* said BYE */
    bool is_refused;       /* another version or build: never granted anything */
    int64_t seen_ms;
    int capacity;          /* jobs it may hold in all */
    int n_held;
    int n_process;         /* of them: jobs in a process of their own, which take all its time */
    float cost_s;          /* estimates of those */
    int n_tiny;            /* how many tiny processes it may hold */
    int n_lent;            /* agents that it counts too */
    int lent_to;           /* rank that counts this one's core, or -1 */
    int host;              /* index in sched.hosts */
    uint32_t leases;       /* first of its leases */
    int64_t pid;
};

struct sched_host {
    char *name;
    int n_up, n_idle;      /* counted anew in every pass */
    bool is_reserved;
    struct hold hold;      /* while held its agents are granted nothing */
};

struct sched {
    struct rank *ranks;    /* 0 is the coordinator */
    int n_ranks;
    struct sched_host *hosts;
    int n_hosts;
    int next_idle;         /* cursors of the pass: for a process; */
    int next_rank, level;  /* for in-agent jobs, and the load that they may find there; */
    int next_ahead, ahead; /* for a process ahead, and how many an agent may hold before it */
    uint32_t *aside;       /* wide jobs of this pass that wait for a reserved host */
    size_t n_aside;
};

void sched_init(struct sched *s, int n_ranks);
void sched_free(struct sched *s);
int sched_host(struct sched *s, const char *name); /* index, added if new */

/* A pass: begin, then sched_pick for the top of the ready set until it is -1, then end. */
void sched_begin(struct sched *s);
/* Rank for the ready set's top, or -1 when nothing more can be placed; moves wide jobs that
 * wait for a host out of the way.  *job is what to grant. */
int sched_pick(struct sched *s, struct queue *q, uint32_t *job);
void sched_end(struct sched *s, struct queue *q);

/* Tells that `rank` took `job`; lends what a wide one needs. */
void sched_took(struct sched *s, int rank, const struct job *job);
void sched_hold(struct sched *s, int rank, const struct job *job); /* ... it claims, lends none */
void sched_release(struct sched *s, int rank, const struct job *job); /* a lease of it ended */
void sched_ran(struct sched *s, int rank, double wall_s); /* what a process there took */
