/* jacobian.h - the penalty of a pair of TopK SAEs around an MLP (Farnik et al. 2025, arXiv:2502.18147).
 *
 * SAE 1 is trained on the MLP's input x, SAE 2 on its output.  How SAE 2's active features S2 move
 * with SAE 1's, S1, through the true MLP is, of one row,
 *
 *   J_ji = sum_h (w2_j . W_out,h) phi'_h (W_in,h . d1_i),    i in S1, j in S2,
 *
 * phi' at the MLP's hidden units for the true x: a constant, since x is given, whatever the activation.
 *   loss = c * mean_rows sum |J| / (k1 k2)
 * Gradients go to SAE 1's decoder and SAE 2's encoder.  Shapes: d, o dims of x and of the output,
 * h hidden units, f1, f2 features.
 */
#pragma once
#include "worker/sae/sae.h"

enum mlp_act { MLP_RELU, MLP_GELU, MLP_GELU_TANH };

struct mlp {
    size_t d, h, o;
    const real *w_in;       /* [h,d] gain of a LayerNorm before it folded in */
    const real *b_in;       /* [h] */
    const real *w_out;      /* [h,o] */
    enum mlp_act act;
};

struct jacobian {
    struct mlp mlp;
    double c;               /* weight of the penalty */
    real *p, *q, *dp, *dq;  /* [f2,h] w2_j W_out^T, [f1,h] W_in d1_i, and gradients */
    real *hidden, *slope;   /* [n,h] phi' of the batch */
    real *left, *right;     /* [k2,h], [k1,h] rows of p and q of one row's features */
    real *back;             /* [max(k1,k2),h] */
    real *j;                /* [k2,k1] */
    real *add_enc, *add_dec; /* [f2,o], [f1,d] gradients, for sae_work.add_enc and add_dec */
    double mean;            /* of the last batch: mean over rows of sum |J| / (k1 k2) */
};

size_t jacobian_bytes(const struct mlp *m, const struct sae_cfg *one, const struct sae_cfg *two,
                      size_t n_max);
void jacobian_new(struct jacobian *g, const struct mlp *m, const struct sae_cfg *one,
                  const struct sae_cfg *two, size_t n_max, struct arena *a);
/* After the forward passes of both on the batch x [n,d]: returns c * mean.  With c > 0 the
 * gradients are made too. */
double jacobian_run(struct jacobian *g, const struct sae *one, const struct sae_work *w1,
                    const struct sae *two, const struct sae_work *w2, const real *x, size_t n);
