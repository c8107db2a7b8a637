/* launch.h - one runner process: folder, environment, pipes, limits, end.
 *
 * The runner works in <results>/<dir>.tmp in a process group of its own.  Its output goes to
 * log.txt there (caplog.h), its progress lines come over fd 3.  The folder is locked while we
 * hold it: a second agent that is given the same job is refused (ERR_BUSY) until we let go.
 * Nothing here blocks save launch_start (creates a folder and a process).  A process of the warm
 * runner leaves a whole result, which settle.h makes durable.
 */
#pragma once
#include "common/buf.h"
#include "common/proc.h"
#include "worker/agent/caplog.h"
#include "worker/agent/outcome.h"
#include "worker/agent/warm.h"

enum { LAUNCH_GRACE_MS = 10000, LAUNCH_LOG_CAP = 16 << 20 };

struct launch_spec {
    struct warm *warm;     /* makes the process, if it can; else it is started from */
    const char *runner;    /* this path of saegrid-runner */
    const char *results;
    const char *dir;       /* relative to results */
    const char *payload;   /* job.json */
    int threads;
    double timeout_s;      /* 0: none */
    int64_t memory;        /* bytes resident; 0: no limit */
};

struct launch {
    struct proc proc;
    bool is_running;
    bool is_warm;          /* it leaves its result in the folder with ".tmp", not synced */
    int log_fd, progress_fd, lock_fd; /* our ends; -1 = closed */
    struct caplog log;
    struct buf tmp, final; /* folders */
    struct buf line;       /* progress line being read */
    int64_t step, total;
    char text[200];        /* of the last progress line */
    bool has_news;         /* a progress line came; cleared by the caller */
    int64_t start_ms, timeout_at_ms, kill_at_ms, next_watch_ms;
    int64_t memory;
    double cpu_limit_s;    /* what the shell or batch system allows it, as last seen: CPU time, */
    bool is_space_limited; /* and whether its address space has a limit */
    uint64_t oom_before;   /* kernel's count of OOM kills, */
    int64_t oom_read_ms;   /* at this time */
    enum outcome_cause cause;
};

struct launch_end {
    struct outcome outcome;
    struct proc_end proc;
    int64_t wall_ms;
    struct buf message;    /* caller frees */
    bool is_whole;         /* the result is complete, but to be settled (rundir.h): */
    char *tmp;             /* its folder, caller frees */
    int lock_fd;           /* and the lock on it, caller closes */
};

MUST_CHECK enum err_code launch_start(struct launch *l, const struct launch_spec *s, int64_t now_ms,
                                      struct err *e);
/* Reads the pipes, watches the limits.  True when it has ended: *end is filled, all is closed. */
bool launch_poll(struct launch *l, int64_t now_ms, struct launch_end *end);
/* Asks it to stop after a checkpoint (SIGTERM), 10 s later or with is_now at once: SIGKILL. */
void launch_stop(struct launch *l, int64_t now_ms, bool is_now);
