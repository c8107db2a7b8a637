/* job.h - one job as its code sees it: knobs, inputs, outputs, progress.
 *
 * A job writes files only below j->dir (the ".tmp" folder) through the helpers here, reports
 * metrics by short name, logs series points, and never prints.  Everything written is listed
 * with its digest in result.json.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/kinds/kind.h"

struct job_input {
    const char *name;   /* input row's name */
    const char *job;    /* hex id */
    const char *dir;    /* absolute result folder */
    const struct json *result; /* its result.json */
};

struct arena;
struct ckpt;
struct plot;

struct job_plan {
    size_t arena_bytes; /* of j->arena, opened by the frame between plan and run */
    size_t library_bytes; /* what libraries take for themselves: counted, not opened */
    int64_t n_steps;    /* for progress; 0 unknown */
};

struct job {
    const char *id, *run_id, *sweep, *stage;
    const char *dir;    /* absolute, ends in .tmp while running */
    const char *results;
    const struct job_kind *kind;
    const void *cfg;    /* the kind's struct, all knobs */
    struct job_knobs common;
    const struct json *context; /* knobs of the ancestors */
    const struct job_input *inputs;
    size_t n_inputs;
    const struct clock *clock;
    struct arena *arena; /* arena_bytes of the plan; empty if it asked for none */
    struct job_private *priv;
};

const struct job_input *job_input(const struct job *j, const char *name);   /* first of that name, or NULL */
/* i-th of that name, in order; NULL past the end */
const struct job_input *job_input_at(const struct job *j, const char *name, size_t i);
/* a number from an input's result.json: metrics.<short name>; false if absent */
bool job_input_metric(const struct job_input *in, const char *metric, double *out);

void job_progress(struct job *j, int64_t step, int64_t total, const char *fmt, ...) PRINTF_LIKE(4, 5);
bool job_stop_wanted(const struct job *j);          /* SIGTERM or SIGUSR1 was seen */
int64_t job_attempt(const struct job *j);           /* the lease's epoch: 1 for the first attempt */
bool job_checkpoint_due(struct job *j);             /* timer; true once per period */
/* Resuming (worker/nn/ckpt.h lists what to save).  The series logged so far travel along.
 *   load, then in the loop:  if (job_checkpoint_due(j) || job_stop_wanted(j)) save;
 *                            if (job_stop_wanted(j)) return err_set(e, ERR_STOPPED, ...);
 * The state lies in checkpoints/state.pt and is removed from a finished result. */
MUST_CHECK enum err_code job_checkpoint_save(struct job *j, struct ckpt *c, struct err *e);
/* True if a state was found, whole and ours; else memory is untouched: begin at step 0. */
bool job_checkpoint_load(struct job *j, struct ckpt *c);

void job_metric(struct job *j, const char *name, double value); /* unknown name: our bug, aborts; non-finite: listed as absent */
void job_metric_absent(struct job *j, const char *name, const char *why);
void job_series(struct job *j, const char *name, int64_t step, double value);
/* The points logged under a name: their number; step and value [that] are filled if not NULL. */
size_t job_series_copy(const struct job *j, const char *name, int64_t *step, double *value);
void job_series_unit(struct job *j, const char *unit); /* what steps count; "step" if not said */
void job_blob(struct job *j, const char *name, const char *media_type, const char *text);
void job_verdict(struct job *j, const char *verdict, const char *message); /* "pass" | "negative" */
void job_provenance(struct job *j, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* absolute path of a file below j->dir, folders made; borrowed until the next call */
const char *job_path(struct job *j, const char *relative);
void job_summary(struct job *j, const char *fmt, ...) PRINTF_LIKE(2, 3); /* a line of summary.md */

/* Figures.  Every series gets one without being asked (plots/<name>.png; train_x and val_x share
 * plots/x.png).  Arrays are copied.  Drawn after run(), by one gnuplot; without gnuplot, none. */
void job_plot(struct job *j, const char *name, const struct plot *p); /* plots/<name>.png */
/* plots/<name>.png and the blob "histogram.<name>" (text/csv: low,high,count); non-finite values
 * are left out. */
void job_histogram(struct job *j, const char *name, const double *values, size_t n);
