/* settle.h - whole results become durable: many at once, in a process of their own, while the next
 * jobs run.  One fsync of a folder's files after the other would cost more than a brief job itself.
 *
 * Results of brief jobs wait up to SETTLE_WINDOW_MS for others; those of longer ones, and all
 * once there is nothing else to do, for nobody.  Only then is a job reported.
 */
#pragma once
#include "worker/agent/agent.h"

enum { SETTLE_MAX = 128, SETTLE_FULL = 64, SETTLE_WINDOW_MS = 50, SETTLE_BRIEF_MS = 100 };

/* The job's process has ended with a whole result; it->result is what to report. */
void settle_add(struct agent *a, struct agent_item *it, int64_t wall_ms, int64_t now_ms);
/* Ends and starts such processes.  `is_idle`: the agent has nothing else to do. */
void settle_step(struct agent *a, bool is_idle, int64_t now_ms);
