/* corefix.h - a core with a few agents and jobs, one message at a time. */
#pragma once
#include "tests/lib/check.h"

#include <stdio.h>

#include "coordinator/core.h"
#include "coordinator/job_state.h"

struct fix {
    struct core c;
    struct core_out o; /* of the last call */
    int64_t now;
};

enum { FIX_TERM = 30000 };

static UNUSED void fix_open(struct fix *f, int n_agents, int64_t grace_ms)
{
    struct core_config config = {.n_ranks = n_agents + 1,
                                 .term_ms = FIX_TERM,
                                 .grace_ms = grace_ms,
                                 .crash_limit = 5,
                                 .build = "b1"};

    memset(f, 0, sizeof *f);
    f->now = 1000;
    core_init(&f->c, &config);
}

static UNUSED void fix_close(struct fix *f)
{
    core_free(&f->c);
    core_out_free(&f->o);
}

static UNUSED void fix_add(struct fix *f, struct job j, const int64_t *inputs, size_t n)
{
    struct err e;

    j.threads = j.threads ? j.threads : 1;
    assert_ok(core_add_job(&f->c, &j, inputs, n, &e), e);
}

static UNUSED void fix_start(struct fix *f)
{
    core_out_reset(&f->o);
    while (core_start(&f->c, f->now, &f->o))
        ;
}

static UNUSED void fix_say(struct fix *f, int rank, const struct msg *m)
{
    core_out_reset(&f->o);
    core_message(&f->c, rank, m, f->now, &f->o);
}

static UNUSED void fix_hello(struct fix *f, int rank, const char *held)
{
    struct msg m = {.type = MSG_HELLO};

    m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC, PROTO_VERSION, "b1", "n0", 100 + rank, 1, held};
    fix_say(f, rank, &m);
    struct msg idle = {.type = MSG_IDLE};
    idle.u.IDLE.n_free = 256;
    core_message(&f->c, rank, &idle, f->now, &f->o);
}

static UNUSED void fix_beat(struct fix *f, int rank, const char *held)
{
    struct msg m = {.type = MSG_HEARTBEAT};

    m.u.HEARTBEAT.held = held;
    fix_say(f, rank, &m);
}

static UNUSED void fix_step(struct fix *f, int rank, int64_t job, int64_t epoch, int64_t step)
{
    struct msg m = {.type = MSG_PROGRESS};

    m.u.PROGRESS = (struct msg_PROGRESS){job, epoch, step, 100, "x"};
    fix_say(f, rank, &m);
}

static UNUSED void fix_result(struct fix *f, int rank, int64_t job, int64_t epoch, int64_t outcome)
{
    struct msg m = {.type = MSG_RESULT};

    m.u.RESULT = (struct msg_RESULT){.job = job,
                                     .epoch = epoch,
                                     .outcome = outcome,
                                     .exit_code = 3,
                                     .message = "why",
                                     .metrics = "a=1"};
    fix_say(f, rank, &m);
}

static UNUSED void fix_grant(struct fix *f)
{
    core_out_reset(&f->o);
    core_grant(&f->c, f->now, &f->o);
}

static UNUSED void fix_tick(struct fix *f, int64_t after_ms)
{
    f->now += after_ms;
    core_out_reset(&f->o);
    core_tick(&f->c, f->now, &f->o);
}

static UNUSED void fix_lost(struct fix *f, int rank)
{
    core_out_reset(&f->o);
    core_rank_lost(&f->c, rank, f->now, &f->o);
}

static UNUSED const struct event *fix_event(const struct fix *f, enum event_type t, int64_t job)
{
    for (size_t i = 0; i < f->o.n_events; i++)
        if (f->o.events[i].type == t && f->o.events[i].job == job)
            return &f->o.events[i];
    return NULL;
}

static UNUSED const struct core_reply *fix_reply(const struct fix *f, enum msg_type t, int rank)
{
    for (size_t i = 0; i < f->o.n_replies; i++)
        if (f->o.replies[i].type == t && f->o.replies[i].rank == rank)
            return &f->o.replies[i];
    return NULL;
}

static UNUSED void fix_state(const struct fix *f, int64_t job, enum job_state want)
{
    enum job_state s = (enum job_state)f->c.queue.jobs[queue_find(&f->c.queue, job)].state;

    if (s != want)
        fail_msg("job %lld is %s, wanted %s", (long long)job, job_state_name(s),
                 job_state_name(want));
    queue_check(&f->c.queue);
}
