/* cpt_arm.h - the auxiliary loss of continued pretraining, as a tap on one block's output.
 *
 * Forward: the target of the rows is made, the loss summed, and its gradient kept.  Backward: the
 * gradient, times lambda, is added to what arrives; the norms of both are taken there.  Nothing
 * above the block can feel it but through the shared clipping.
 *
 * Per step:  cpt_arm_step(a, lambda, n_tokens);  cpt_arm_batch(a, first key);  passes ...;
 * then a->sum holds the step.
 */
#pragma once
#include "common/kinds/lm_cpt.h"
#include "worker/neox/neox_acts.h"
#include "worker/sae/sharpen.h"

enum cpt_loss { CPT_NONE, CPT_L1, CPT_MSE, CPT_COSINE };

struct cpt_sums {
    double aux;              /* aux loss of the step, summed over its micro-batches */
    double g_aux, g_lm;      /* squared norms at the hook; g_aux with lambda */
    double cos, cos_sharp;   /* sums over tokens: cos(x, t), cos(t, sharpened target) */
    double n_tokens;
    bool is_bad;             /* an activation of the SAE is not finite */
};

struct cpt_arm {
    enum cpt_loss loss;
    enum sharpen_target target;
    size_t k, layer, d, n_max;
    const struct sae_model *sae;
    struct sharpen sharpen;
    struct neox_tap tap;
    real *grad;              /* [n_max,d] d aux / d x of the batch at hand, without lambda */
    real *sharp;             /* [n_max,d] sharpened target, for comparison: random arms */
    uint64_t *key;           /* [n_max] names of the rows */
    double lambda, per_token; /* per_token: 1 / tokens of the step */
    struct cpt_sums sum;
};

/* `k` of the reconstruction is the SAE's own.  ERR_INVALID: what the SAE cannot be, or k_sharp. */
MUST_CHECK enum err_code cpt_arm_open(struct cpt_arm *a, const struct lm_cpt_cfg *cfg,
                                      const struct sae_model *sae, size_t layer, struct err *e);
size_t cpt_arm_bytes(const struct cpt_arm *a, size_t n_max);
void cpt_arm_init(struct cpt_arm *a, size_t n_max, uint64_t seed, struct arena *arena);
void cpt_arm_step(struct cpt_arm *a, double lambda, size_t n_tokens);
/* Keys of the rows of the next batch: sequence `first` of the epochless order, then the next ... */
void cpt_arm_batch(struct cpt_arm *a, const struct neox_batch *b, const uint64_t *sequence);

/* What the auxiliary loss alone (lambda 1) does to the gradients of a batch: their norms below and
 * above the hook; and whether the whole loss with lambda 0 gives the bits of the gradients that the
 * language model's loss gives without the tap.  Leaves gradients in m->g. */
struct cpt_proof {
    double below, above;
    bool is_zero_control;
};
struct cpt_proof cpt_arm_prove(struct cpt_arm *a, struct neox *m, struct neox_acts *s,
                               const struct neox_batch *b);
