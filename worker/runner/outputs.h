/* outputs.h - the files of a result, written when a job has run: config.yaml, metrics.json,
 * summary.md, series.csv, plots, and result.json as the last.
 */
#pragma once
#include "worker/runner/job_private.h"

void provenance_fill(struct job *j);      /* commit, build, libraries, host, command, times */
void provenance_warm(void);               /* reads ahead what is the same for every job of a host */
MUST_CHECK enum err_code figures_draw(struct job *j, struct err *e);
MUST_CHECK enum err_code out_config(struct job *j, struct err *e);
MUST_CHECK enum err_code out_metrics(struct job *j, struct err *e);
MUST_CHECK enum err_code out_summary(struct job *j, struct err *e);
MUST_CHECK enum err_code out_series(struct job *j, struct err *e);
MUST_CHECK enum err_code out_events(struct job *j, struct err *e); /* tb/, for TensorBoard */
/* Every metric that the kind declares was reported, or its absence explained. */
MUST_CHECK enum err_code out_promised(const struct job *j, struct err *e);
MUST_CHECK enum err_code out_result(struct job *j, struct err *e);
/* Writes and frees `text`.  Neither synced nor atomic: the whole folder is synced, then renamed. */
MUST_CHECK enum err_code out_file(struct job *j, const char *name, struct buf *text, struct err *e);
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

void job_state_drop(const char *dir); /* what job_checkpoint_save left in a result folder */
bool job_state_is_file(const char *rel); /* a path below the folder that belongs to that state */

/* Removes what an attempt that died left in the folder; keeps job.json, log.txt, checkpoints. */
MUST_CHECK enum err_code leftovers_remove(const char *dir, struct err *e);
