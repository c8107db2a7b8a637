/* job_state.h - which event moves a job from which state to which; pure.
 *
 *              READY           GRANT           DONE
 *   waiting ----------> ready --------> leased -----> done
 *      |  ^               ^               |  |
 *      |  |               +---- RETRY ----+  +-- FAIL -> failed, QUARANTINE -> quarantined
 *      |  +-- REQUEUE -- failed, quarantined, skipped, cancelled
 *      +-- SKIP -> skipped         CANCEL: any live state -> cancelled
 *
 * Replaying a job's events through job_next from JOB_WAITING rebuilds its state.
 */
#pragma once
#include <stdbool.h>

#include "coordinator/event.h"

/* True and *next set when `event` is legal in `state`.  EVENT_STALE is legal everywhere and
 * moves nothing; events about agents are never legal for a job. */
bool job_next(enum job_state state, enum event_type event, enum job_state *next);

bool job_state_is_final(enum job_state s); /* nothing more happens by itself */
bool job_state_is_bad(enum job_state s);   /* final without a result: dependents are skipped */
