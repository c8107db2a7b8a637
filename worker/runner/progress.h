/* progress.h - lines "step total text" to the agent's pipe, at most five a second.
 *
 * A line that comes too early is kept and replaces the one kept before; progress_flush() sends
 * it, so the last is never lost.  A pipe without reader is no error: the agent is gone, and the
 * kernel is about to end us.
 */
#pragma once
#include <stdint.h>

enum { PROGRESS_FD = 3, PROGRESS_LINE_MAX = 256, PROGRESS_GAP_MS = 200 };

struct progress {
    int fd;               /* -1: nobody listens */
    int64_t next_ms;      /* monotonic; earlier lines wait */
    char pending[PROGRESS_LINE_MAX];
    int n_pending;
};

/* fd 3 if the starter handed us one for writing (a pipe or a file), else -1. */
int progress_fd_inherited(void);
void progress_line(struct progress *p, int64_t now_ms, int64_t step, int64_t total,
                   const char *text);
void progress_flush(struct progress *p);
