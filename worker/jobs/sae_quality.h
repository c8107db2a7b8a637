/* sae_quality.h - what is measured of a finished SAE, by the definitions of metric.def. */
#pragma once
#include "worker/eval/recon.h"
#include "worker/jobs/acts_pair.h"
#include "worker/runner/job.h"
#include "worker/sae/sae_model.h"

/* Arena that sae_quality_rows takes for n rows. */
size_t sae_quality_bytes(const struct sae_model *m, size_t n);

/* Of the weights alone: duplicates, effective rank of the decoder, and but for transcoders
 * alignment w_f . d_f. */
MUST_CHECK enum err_code sae_quality_weights(struct job *j, const struct sae_model *m,
                                             struct err *e);

struct sae_quality {
    struct recon_result recon;
    double l0, dead_pct;
};
/* Of the first n rows: reconstruction, sparsity, activation frequencies.  x_hat goes to keep [n,o]
 * unless it is NULL.  A pre-activation that is not finite: ERR_INVALID. */
MUST_CHECK enum err_code sae_quality_rows(struct job *j, const struct sae_model *m,
                                          const struct acts_pair *acts, size_t n, float *keep,
                                          struct sae_quality *out, struct err *e);
/* The rows fit the SAE? */
MUST_CHECK enum err_code sae_quality_fits(const struct sae_model *m, const struct acts_pair *acts,
                                          struct err *e);
