/* lm_eval_text.h - parts of lm_eval: samples, and the weighting of the published reference. */
#pragma once
#include "worker/data/tokens.h"
#include "worker/jobs/lm_scorer.h"
#include "worker/runner/job.h"

/* Generates texts, writes samples.txt, and reports the share of their words that occur in the training
 * split of the input `data`. */
MUST_CHECK enum err_code lm_eval_samples(struct job *j, struct lm_scorer *s, struct tokenizer *tok,
                                         struct err *e);
/* exp(sum over batches of (mean NLL of the batch * its ids) / sum of ids), batches of `batch` lines:
 * the reference counts one id more a line than it scores.  nll [t.n], NaN: not scored. */
double lm_ref_ppl(const double *nll, const struct tokens *t, size_t length, size_t batch);
