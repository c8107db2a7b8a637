/* adam.h - Adam and AdamW as torch.optim has them (Kingma & Ba 2015; Loshchilov & Hutter 2019).
 *
 * Parameters are rows: init, optimiser, clipping, checkpoints and gradient checks walk the same
 * list.  eps = 1e-8; t counts from 1; wd > 0 decays p -= lr*wd*p first, where `decay` is set.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "worker/num/real.h"

#include <stddef.h>

struct param {
    const char *name;      /* as in the checkpoint */
    real *data, *grad;     /* [n] */
    real *m, *v;           /* [n] moments */
    uint16_t *data16, *m16, *v16; /* [n] in bfloat16, in the place of the above; usually NULL */
    size_t n;
    int64_t shape[4];
    int n_dims;
    bool decay;
};

struct adam {
    double lr, beta1, beta2, eps, wd;
    int64_t t;             /* steps done */
};

/* The numbers of one step, for callers that fuse it with their own passes. */
struct adam_coef {
    real one_minus_b1, b2, one_minus_b2, eps;
    real step, root;       /* lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    real keep;             /* 1 - lr wd, where `decay` is set */
    real scale;            /* of the gradient: clipping */
};
/* Of step o->t, which the caller has counted up. */
struct adam_coef adam_coef(const struct adam *o, double lr_now, double grad_scale);
/* Entries [at, at + n) of one row. */
void adam_range(struct param *p, size_t at, size_t n, const struct adam_coef *c);
/* The same with gradients grad [n] that lie elsewhere. */
void adam_apply(struct param *p, size_t at, size_t n, const real *grad, const struct adam_coef *c);

void adam_step(struct adam *o, struct param *p, size_t n_params, double lr_now);
/* Global L2 norm of the gradients, in double; scales them by min(1, clip/(norm+1e-6)) if clip > 0. */
double grads_clip(struct param *p, size_t n_params, double clip);
double grads_norm(const struct param *p, size_t n_params);
double clip_scale(double norm, double clip); /* min(1, clip / (norm + 1e-6)); clip <= 0: 1 */
void grads_zero(struct param *p, size_t n_params);
/* lr * (t+1)/warmup, then constant, then linear to 0 over the last `decay` share */
double schedule_lr(double lr, int64_t t, int64_t n_steps, int64_t warmup, double decay);
