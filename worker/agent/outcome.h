/* outcome.h - from the way a runner ended to a failure class; pure. */
#pragma once
#include <stdbool.h>

#include "common/buf.h"
#include "common/proc.h"

enum outcome_cause {   /* what was done to it */
    CAUSE_NONE,
    CAUSE_STOPPED,     /* asked to stop: drain, cancel */
    CAUSE_TIMEOUT,
    CAUSE_MEMORY,      /* over its limit: killed by us */
    CAUSE_OOM,         /* killed while the kernel was killing for want of memory */
    CAUSE_CPU,         /* killed by the kernel at a hard limit of CPU time (RLIMIT_CPU) */
    CAUSE_SPACE        /* out of memory below a limit of its address space (RLIMIT_AS) */
};

struct outcome {
    enum err_class class; /* NONE: a result was written */
    bool is_oom;
};

/* `has_result`: the folder is complete.  A result counts whatever we did to its process. */
struct outcome outcome_of(const struct proc_end *end, enum outcome_cause cause, bool has_result);

/* What a person reads: the cause, else the text of error.json, else the log's last line, else
 * the bare exit code or signal. */
void outcome_message(struct buf *out, const struct proc_end *end, enum outcome_cause cause,
                     const char *error_text, const char *last_line);
