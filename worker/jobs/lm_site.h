/* lm_site.h - an SAE at its place in a language model: the block whose output it was trained on. */
#pragma once
#include "worker/neox/neox.h"
#include "worker/runner/job.h"
#include "worker/sae/sae_model.h"

struct lm_site {
    struct sae_model sae;
    size_t layer;            /* the stream after this block */
};
/* Reads the job's input `sae`; the block is that of its activations, from the knobs of its ancestors.
 * ERR_INVALID: another hook than resid_post, or a shape that is not the model's. */
MUST_CHECK enum err_code lm_site_open(struct lm_site *s, const struct job *j, const struct neox_cfg *c,
                                      struct err *e);
void lm_site_close(struct lm_site *s); /* no-op if not open */
