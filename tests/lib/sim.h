/* sim.h - a cluster on a virtual clock: the real core, a manifest that knows only events, a
 * network, and scripted agents whose jobs do what their script says.
 *
 * Everything random comes from the seed.  Messages of one pair of ranks keep their order, as in
 * MPI; a death loses what is under way or not, by chance.  The manifest checks every event
 * against its own idea of a job's life and aborts the test with the seed when one is wrong.
 * Files: sim.c (events, network, disasters), sim_agent.c, sim_server.c (core and commit),
 * sim_manifest.c (state from events alone), sim_jobs.c (graphs and the truth about them).
 */
#pragma once
#include <stdbool.h>

#include "common/buf.h"
#include "common/rng.h"
#include "coordinator/core.h"

enum { SIM_HELD_MAX = 256, SIM_CRASH_LIMIT = 5 };
enum sim_what { SIM_TO_SERVER, SIM_TO_AGENT, SIM_BEAT, SIM_HALF, SIM_END, SIM_RISE, SIM_STEP,
                SIM_TICK, SIM_SERVER_RISE, SIM_DISASTER };

/* What a job does, every time or until it has done it `n_script` times; then it succeeds. */
enum sim_script { SIM_WELL, SIM_NEGATIVE, SIM_BAD_CONFIG, SIM_BUG, SIM_INFRA_SOME, SIM_INFRA_EVER,
                  SIM_OOM_EVER, SIM_POISON, SIM_GATED, SIM_NO_PAYLOAD, SIM_SCRIPT_COUNT };

struct sim_job {
    struct job load; /* as the manifest gives it to the core */
    enum sim_script script;
    int n_script, n_ran; /* ends scripted; executions that came to an end */
    int64_t us;
    bool beats_steps; /* reports progress half way */
    int64_t inputs[64];
    size_t n_inputs;
    /* what the manifest knows, from events alone */
    enum job_state state;
    int64_t epoch;
    int n_infra, n_lost, rank, n_done, n_alone;
    uint64_t begun[8]; /* epochs that an agent has begun, each once */
};

struct sim_item {
    int64_t job, epoch;
    enum { SIM_QUEUED, SIM_RUNNING, SIM_REPORTED } phase;
    int outcome;
    bool is_oom;
};

struct sim_agent {
    enum { SIM_DOWN, SIM_HELLO, SIM_WORK, SIM_DRAIN } state;
    uint32_t life;       /* incarnation: messages and timers of older ones are void */
    uint32_t heard_from; /* the coordinator hears lives from this one on */
    uint32_t run;        /* timer of the running item */
    int64_t hung_until_us, heard_us, arrive_in_us, arrive_out_us;
    struct sim_item *items; /* SIM_HELD_MAX */
    size_t n_items;
    int host;
};

struct sim_event {
    int64_t us;
    uint64_t seq;
    enum sim_what what;
    int rank;
    uint32_t life, serial; /* who it is for, who sent it */
    void *data;
    size_t n_data;
};

struct sim_counts {
    long grants, deaths, hangs, stale, restarts, crashes_before, crashes_after, lost, retries,
        drains, cancels, messages, batches, quarantines, holds, pauses, priorities, requeues, bad_ends, slow_commits;
    double busy_s; /* of jobs that ended */
    int64_t wait_us, wait_max_us; /* of messages, from their arrival to the commit that answers them */
    long heard, turn_max;         /* of those messages; and those that one commit answered at most */
};

struct sim_config {
    uint64_t seed;
    int n_agents, n_hosts, n_jobs, n_disasters, capacity;
    int64_t term_ms, grace_ms, poll_us;
    int64_t width; /* layers of so many; 0: any shape */
    int bad_host;  /* 1 + the host on which every process fails at once, for infra causes; 0: none */
    bool is_calm;  /* few checks, no disasters: for scale */
};

struct sim {
    struct sim_config config;
    struct rng rng;
    struct core core;
    struct core_out out;
    bool is_up, is_starting, is_step_due, is_draining, agents_survive;
    bool is_paused;      /* as the manifest knows it */
    uint64_t held;       /* hosts (modulo 64) that are held, by events since the coordinator rose */
    uint32_t server_life;
    struct sim_job *jobs;
    size_t n_jobs;
    struct sim_agent *agents; /* 1..n_agents */
    struct sim_event *heap;
    size_t n_heap, cap_heap;
    uint64_t seq;
    int64_t now_us;
    int64_t disk_until_us; /* a commit is under way until then: nothing is read, replies leave after it */
    int n_disasters_left;
    struct sim_event *inbox; /* for the next step of the coordinator */
    size_t n_inbox, cap_inbox;
    struct sim_counts n;
};

/* sim.c */
void sim_open(struct sim *s, const struct sim_config *config);
void sim_close(struct sim *s);
void sim_run(struct sim *s); /* until every job has settled; fails after a virtual day */
void sim_at(struct sim *s, int64_t us, enum sim_what what, int rank, uint32_t serial);
void sim_send(struct sim *s, int rank, bool to_agent, const struct buf *data);
bool sim_chance(struct sim *s, double p);
int64_t sim_between(struct sim *s, int64_t low, int64_t high); /* both may come */
void sim_fail(const struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_kill_agent(struct sim *s, int rank, bool comes_back);

/* sim_agent.c */
void sim_agent_rise(struct sim *s, int rank);
void sim_agent_message(struct sim *s, int rank, const struct sim_event *e);
void sim_agent_beat(struct sim *s, int rank);
void sim_agent_half(struct sim *s, int rank);
void sim_agent_end(struct sim *s, int rank);

/* sim_server.c */
void sim_server_rise(struct sim *s);
void sim_server_die(struct sim *s);
void sim_server_step(struct sim *s, bool is_tick);
void sim_server_wake(struct sim *s); /* a step soon */

/* sim_manifest.c */
void sim_apply(struct sim *s, const struct event *events, size_t n);
void sim_same(struct sim *s); /* core and manifest agree, and a restart would change nothing */
void sim_load(struct sim *s, struct core *c);
void sim_truth(struct sim *s); /* every job ended as its script says */
struct sim_job *sim_job(struct sim *s, int64_t id);

/* sim_jobs.c */
void sim_make_jobs(struct sim *s);
