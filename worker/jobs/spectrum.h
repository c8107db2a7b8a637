/* spectrum.h - how many dimensions a job's rows fill: metrics and the figure plots/spectrum.png. */
#pragma once
#include "worker/eval/rank.h"
#include "worker/runner/job.h"

/* Reports n_rows, erank, erank_sq and participation of rows [n,d]; *rank gets the last three. */
MUST_CHECK enum err_code spectrum_report(struct job *j, struct rank *rank, const float *rows,
                                         size_t n, size_t d, struct err *e);
