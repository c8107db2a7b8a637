/* outputs.h - the files of a result, written when a job has run: config.yaml, metrics.json,
 * summary.md, series.csv, plots, and result.json as the last.
 */
#pragma once
#include "worker/runner/job_private.h"

void provenance_fill(struct job *j);      /* commit, build, libraries, host, command, times */
MUST_CHECK enum err_code figures_draw(struct job *j, struct err *e);
MUST_CHECK enum err_code out_config(struct job *j, struct err *e);
MUST_CHECK enum err_code out_metrics(struct job *j, struct err *e);
MUST_CHECK enum err_code out_summary(struct job *j, struct err *e);
MUST_CHECK enum err_code out_series(struct job *j, struct err *e);
MUST_CHECK enum err_code out_result(struct job *j, struct err *e);
/* Writes <dir>/error.json; best effort. */
void out_error(const char *dir, const struct err *why);

struct artifact {
    char *path;             /* below the folder */
    uint64_t bytes;
    uint8_t sha256[32];
    bool is_volatile;
};
struct artifact_list {
    struct artifact *items; /* sorted by path, bytewise */
    size_t n, cap;
};
MUST_CHECK enum err_code artifacts_list(struct artifact_list *l, const char *dir, struct err *e);
void artifacts_free(struct artifact_list *l);

void job_checkpoint_drop(struct job *j); /* the state of a job that has finished */

/* Removes what an attempt that died left in the folder; keeps job.json, log.txt, checkpoints. */
MUST_CHECK enum err_code leftovers_remove(const char *dir, struct err *e);
