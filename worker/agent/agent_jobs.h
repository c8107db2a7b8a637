/* agent_jobs.h - the jobs that an agent holds: take, run, report, forget.  See agent.h. */
#pragma once
#include "worker/agent/agent.h"

void agent_item_free(struct agent_item *it);
void agent_take(struct agent *a, const struct msg_GRANT *m);
void agent_acked(struct agent *a, int64_t job, int64_t epoch);
void agent_cancel(struct agent *a, int64_t job, int64_t epoch);
/* Begins, watches and ends jobs; adds RESULT and PROGRESS records. */
void agent_run(struct agent *a);
void agent_resend(struct agent *a);
void agent_held(const struct agent *a, struct buf *out);
void agent_drop_queued(struct agent *a); /* reports what has not begun as stopped */
/* Reports what it->result says, or instead of that an error. */
void agent_report(struct agent *a, struct agent_item *it);
void agent_report_error(struct agent *a, struct agent_item *it, const struct err *e);
