/* job_state.c - see job_state.h. */
#include "coordinator/job_state.h"

#define TO(state) ((unsigned char)(state) + 1) /* 0 = illegal */

static const unsigned char next_state[JOB_STATE_COUNT][EVENT_TYPE_COUNT] = {
    [JOB_WAITING] = {[EVENT_READY] = TO(JOB_READY),
                     [EVENT_SKIP] = TO(JOB_SKIPPED),
                     [EVENT_CANCEL] = TO(JOB_CANCELLED)},
    [JOB_READY] = {[EVENT_GRANT] = TO(JOB_LEASED),
                   [EVENT_SKIP] = TO(JOB_SKIPPED),
                   [EVENT_CANCEL] = TO(JOB_CANCELLED)},
    [JOB_LEASED] = {[EVENT_DONE] = TO(JOB_DONE),
                    [EVENT_RETRY] = TO(JOB_READY),
                    [EVENT_FAIL] = TO(JOB_FAILED),
                    [EVENT_QUARANTINE] = TO(JOB_QUARANTINED),
                    [EVENT_SKIP] = TO(JOB_SKIPPED),
                    [EVENT_CANCEL] = TO(JOB_CANCELLED)},
    [JOB_FAILED] = {[EVENT_REQUEUE] = TO(JOB_WAITING)},
    [JOB_QUARANTINED] = {[EVENT_REQUEUE] = TO(JOB_WAITING)},
    [JOB_SKIPPED] = {[EVENT_REQUEUE] = TO(JOB_WAITING)},
    [JOB_CANCELLED] = {[EVENT_REQUEUE] = TO(JOB_WAITING)},
};

bool job_next(enum job_state state, enum event_type event, enum job_state *next)
{
    *next = state;
    if (state >= JOB_STATE_COUNT || event >= EVENT_TYPE_COUNT)
        return false;
    if (event == EVENT_STALE)
        return true;
    if (!next_state[state][event])
        return false;
    *next = (enum job_state)(next_state[state][event] - 1);
    return true;
}

bool job_state_is_final(enum job_state s)
{
    return s >= JOB_DONE;
}

bool job_state_is_bad(enum job_state s)
{
    return s > JOB_DONE;
}

const char *job_state_name(enum job_state s)
{
    static const char *const names[JOB_STATE_COUNT] = {"waiting",     "ready",   "leased",
                                                       "done",        "failed",  "quarantined",
                                                       "skipped",     "cancelled"};

    return s < JOB_STATE_COUNT ? names[s] : "?";
}

const char *event_type_name(enum event_type t)
{
    static const char *const names[EVENT_TYPE_COUNT] = {
        "ready", "grant",  "done",    "retry", "fail",     "quarantine",
        "skip",  "cancel", "requeue", "stale", "agent_up", "agent_lost",
        "pause", "resume", "priority", "host_held", "host_freed"};

    return t < EVENT_TYPE_COUNT ? names[t] : "?";
}
