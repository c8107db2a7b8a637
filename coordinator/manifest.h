/* manifest.h - the door to SQLite for writing: results/manifest.sqlite, one writer.
 *
 * The coordinator opens it with the lock held (manifest_lock); everybody else reads through
 * manifest_query.h.  Row ids of jobs are 64-bit and stable.  All times are wall milliseconds.
 */
#pragma once
#include "coordinator/event.h"
#include "coordinator/expand.h"

struct manifest;

/* Takes results/manifest.sqlite.lock (an OFD lock; text: host, pid, since), trying for wait_ms.
 * ERR_BUSY names the holder.  Opens or creates the file, migrates it, makes the views.
 * A foreign file, a newer version, a damaged file: a clear error, nothing touched. */
MUST_CHECK enum err_code manifest_open(const char *results, int64_t wait_ms, struct manifest **out,
                                       struct err *e);
/* Links shared results of the sweep last added, checkpoints the WAL, releases the lock. */
void manifest_close(struct manifest *m);

/* Records a sweep and its jobs in transactions of a few thousand rows.  Jobs that exist keep
 * state, home and date.  A crash half way is mended by the same call again. */
MUST_CHECK enum err_code manifest_add_sweep(struct manifest *m, const struct spec *s, int64_t wall_ms,
                                            int64_t *sweep_id, int64_t *n_jobs, int64_t *n_new,
                                            struct err *e);

/* Loads what the core needs of every job of the sweep, inputs first. */
struct manifest_job {
    int64_t job;
    enum job_state state;
    int64_t epoch;             /* last one granted */
    int n_infra;               /* infra failures counted against retries */
    int n_lost;                /* agents lost with it, alone, in a row */
    int n_oom;                 /* ends for want of memory */
    int retries, priority, threads;
    double timeout_s, cost_s;
    int64_t memory;
    bool in_agent;
    const int64_t *inputs;     /* row ids it waits for, negative: only for their end (like: inputs are not among them) */
    size_t n_inputs;
};
MUST_CHECK enum err_code manifest_load(struct manifest *m, int64_t sweep_id,
                                       enum err_code (*each)(void *ctx, const struct manifest_job *j),
                                       void *ctx, struct err *e);

/* One transaction: all events, and for each EVENT_DONE with a folder its result.json, series and
 * digests (see ingest.h).  A result that cannot be read turns into a failure: bad_job is set to
 * it and nothing of the batch is applied. */
MUST_CHECK enum err_code manifest_apply(struct manifest *m, const struct event *events, size_t n,
                                        struct err *e);
/* The recorded sweep of this name if it is whole and of this text, else *sweep_id = 0. */
MUST_CHECK enum err_code manifest_find_sweep(struct manifest *m, const struct spec *s,
                                             int64_t *sweep_id, int64_t *n_jobs, struct err *e);

/* After a failed manifest_apply: the job whose result is unreadable (ERR_CORRUPT, ERR_NOT_FOUND),
 * else 0: the storage itself failed. */
int64_t manifest_bad_job(const struct manifest *m);

/* job.json of a job about to be granted, and its folder relative to results.  Values taken from
 * other jobs are resolved here. */
MUST_CHECK enum err_code manifest_payload(struct manifest *m, int64_t job, int64_t epoch,
                                          struct buf *payload, struct buf *dir, struct err *e);

/* Of an in-agent job without inputs: its knobs and its run name are all that its agent needs. */
MUST_CHECK enum err_code manifest_payload_inline(struct manifest *m, int64_t job,
                                                 struct buf *payload, struct buf *dir,
                                                 struct err *e);
/* Around many reads: one transaction, which costs less than one each. */
MUST_CHECK enum err_code manifest_read_begin(struct manifest *m, struct err *e);
MUST_CHECK enum err_code manifest_read_end(struct manifest *m, struct err *e);

/* At the start of a coordinator: jobs that a dead one left leased.  A complete result folder is
 * taken as done; everything else is ready again, free of charge. */
MUST_CHECK enum err_code manifest_recover(struct manifest *m, int64_t wall_ms, int64_t *n_done,
                                          int64_t *n_again, struct err *e);

/* The same command typed again: quarantined jobs (infra, external), jobs whose time limit was
 * raised since it stopped them, and what was skipped because of them, wait anew. */
MUST_CHECK enum err_code manifest_rearm(struct manifest *m, int64_t sweep_id, int64_t wall_ms, int64_t *n,
                                        struct err *e);

/* By hand: puts a failed, quarantined, skipped or cancelled job back, and what was skipped
 * because of it.  A job of class code needs the commit that mends it, which is recorded. */
struct manifest_wish {
    const char *fix, *who, *note; /* NULL: none */
    const char *class;            /* manifest_failed: only jobs that failed so; NULL: any */
};
MUST_CHECK enum err_code manifest_requeue(struct manifest *m, int64_t job, const struct manifest_wish *w,
                                          int64_t wall_ms, int64_t *n, struct err *e);
/* ERR_INVALID says why it would be refused; else *epoch is the job's. */
MUST_CHECK enum err_code manifest_may_requeue(struct manifest *m, int64_t job, const struct manifest_wish *w,
                                              int64_t *epoch, struct err *e);
/* Failed and quarantined jobs of a sweep (0: of all); those of class code only if asked for by class or
 * with a fix.  As manifest_target. */
MUST_CHECK enum err_code manifest_failed(struct manifest *m, int64_t sweep, const struct manifest_wish *w,
                                         int64_t **ids, size_t *n, struct err *e);

/* True if an input that `job` requires to pass is done with a negative verdict; *cause is it. */
MUST_CHECK enum err_code manifest_require_missed(struct manifest *m, int64_t job, bool *is_missed,
                                                 int64_t *cause, struct err *e);

/* Orders from outside.  A target is a job, a stage or a whole sweep, by row id. */
enum target_type { TARGET_JOB, TARGET_STAGE, TARGET_SWEEP };
struct job_target {
    enum target_type type;
    int64_t id;
};
/* Its jobs' row ids, ascending; *ids is the caller's to free, also on failure. */
MUST_CHECK enum err_code manifest_target(struct manifest *m, const struct job_target *t, int64_t **ids,
                                         size_t *n, struct err *e);
MUST_CHECK enum err_code manifest_is_paused(struct manifest *m, int64_t sweep_id, bool *out,
                                            struct err *e);
/* State, epoch and priority of one job; ERR_NOT_FOUND. */
MUST_CHECK enum err_code manifest_job_now(struct manifest *m, int64_t job, struct manifest_job *out,
                                          struct err *e);

/* Relative links in the sweep's folder to results that live in another sweep's. */
MUST_CHECK enum err_code manifest_links(struct manifest *m, int64_t sweep_id, struct err *e);

/* --- for `saegrid check --repair` (repair.h) --- */
struct manifest_owner {
    int64_t job;               /* 0: no job has this digest */
    int64_t epoch;
    enum job_state state;
    struct buf dir;            /* its folder relative to results; caller frees */
};
MUST_CHECK enum err_code manifest_owner(struct manifest *m, const char *job_hex,
                                        struct manifest_owner *out, struct err *e);
/* A job that never ran takes over a folder that is its own by digest but not by name. */
struct manifest_home {
    const char *sweep, *stage, *run_name;
};
MUST_CHECK enum err_code manifest_adopt(struct manifest *m, int64_t job, const struct manifest_home *home,
                                        bool *is_adopted, struct err *e);
/* Jobs that wait although their folder is complete are done; `tell` hears of each, with `bad` set
 * if the folder cannot be read. */
MUST_CHECK enum err_code manifest_take_up(struct manifest *m, int64_t wall_ms,
                                          void (*tell)(void *ctx, const char *dir, const char *bad),
                                          void *ctx, struct err *e);
/* Metrics of finished jobs that differ from an unchanged result.json are taken from it again. */
MUST_CHECK enum err_code manifest_mend_metrics_all(struct manifest *m, void (*tell)(void *ctx, const char *dir),
                                                   void *ctx, struct err *e);
MUST_CHECK enum err_code manifest_links_all(struct manifest *m, struct err *e);
