/* sae.h - sparse autoencoders: parameters, one training step, encoding.
 *
 * n rows, d = d_model, f = d_sae features, k active features a row.  Feature f has an encoder row
 * w_f, a bias and a decoder row d_f (its direction): encoder and decoder are both [f,d] in memory;
 * checkpoints record their layout (sae_io.h).  With u = x - b_dec where the architecture centres,
 *
 *   z = W u + b_enc,   a = act(z),   x_hat = sum_f a_f d_f + b_dec,   e = x_hat - x.
 *
 * All memory comes from two arenas whose sizes sae_bytes() and sae_work_bytes() plan; a step
 * allocates nothing.  Same seed, batches and instruction set: same bits.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "worker/nn/adam.h"
#include "worker/num/topk.h"

enum sae_norm { SAE_NORM_NONE, SAE_NORM_RENORM, SAE_NORM_PROJECT };

struct sae_cfg {
    const struct sae_arch *arch;
    size_t d, f, k;
    double l1, clip;       /* clip 0: none */
    enum sae_norm norm;    /* renorm: unit d_f after a step; project: and no radial gradient */
    bool is_tied;          /* at init: encoder = decoder */
    struct adam adam;      /* lr is given to every step */
};

/* Order of the parameter rows. */
enum { SAE_ENCODER, SAE_B_ENC, SAE_DECODER, SAE_B_DEC, SAE_PARAMS_MAX };

struct sae {
    struct sae_cfg cfg;
    struct param p[SAE_PARAMS_MAX];
    size_t n_params;       /* 3 without b_dec */
    real *start;           /* [f,d] decoder at initialisation, for sae_cos_init() */
};

/* One batch on its way through the network; rows x are the caller's. */
struct sae_work {
    size_t n, n_max, n_tile;
    const real *x;          /* [n,d] */
    real *u, *xhat, *g;     /* [n,d] encoder input (x itself if not centred), x_hat, dL/dx_hat */
    real *z;                /* sparse: one tile [n_tile,f]; dense: a [n,f] */
    real *panel;            /* sparse: the encoder laid out for products, of this batch */
    real *dz;               /* dense only, [n,f] */
    uint32_t *idx, *n_act;  /* sparse: active features [n,k], their number a row [n] */
    real *val;              /* [n,k] */
    uint32_t *at, *row;     /* the same by feature: start [f+1], row [n*k] */
    real *by_f;             /* activation [n*k] */
    double *db_dec;         /* [d] */
    struct topk_scratch topk;
    double loss, recon, penalty; /* of the last batch: loss = recon + penalty */
    double l0, l1;          /* means over its rows of #{a_f != 0}, sum |a_f| */
};

/* An architecture: its traits, and four methods.  All are pure in (s, w). */
struct sae_arch {
    const char *name;
    bool is_sparse;         /* k active features: sparse products */
    bool is_centred;        /* u = x - b_dec; without it u = x */
    bool has_b_dec;
    bool has_relu;
    bool is_elem_mean;      /* error over n*d, else over n (sae.md: "elem-mean", "sum-mean") */
    bool has_l1;            /* l1 * mean_rows sum a_f, times |d_f| where the norm is free */
    bool clips_k;           /* k > f is taken as f; else it is an error */
    enum sae_norm norm;     /* what `auto` means */
    bool is_tied;
    /* Fills the activations of w->u, and w->l0, l1. False: not finite. */
    bool (*encode)(const struct sae *s, struct sae_work *w);
    void (*decode)(const struct sae *s, struct sae_work *w);
    /* Prepares and then writes (not adds) gradients of the features [f0, f1), given w->g. */
    void (*backward_begin)(const struct sae *s, struct sae_work *w);
    void (*backward)(const struct sae *s, struct sae_work *w, size_t f0, size_t f1);
};

const struct sae_arch *sae_arch_find(const char *name); /* NULL if unknown */

/* Checks, and sets k to f where the architecture clips it. */
MUST_CHECK enum err_code sae_cfg_check(struct sae_cfg *cfg, struct err *e);
size_t sae_bytes(const struct sae_cfg *cfg);
void sae_new(struct sae *s, const struct sae_cfg *cfg, struct arena *a);
/* Tied: isotropic unit rows.  Else encoder and decoder kaiming_uniform (fan-in d and f), decoder
 * rows normalised.  mean [d] fills b_dec if it has one; NULL: zero. */
void sae_init(struct sae *s, uint64_t seed, const double *mean);
size_t sae_work_bytes(const struct sae_cfg *cfg, size_t n_max);
void sae_work_new(struct sae_work *w, const struct sae_cfg *cfg, size_t n_max, struct arena *a);

/* x [n,d] -> w->xhat, activations, loss.  False if something is not finite. */
bool sae_forward(const struct sae *s, struct sae_work *w, const real *x, size_t n);
/* Gradients of all parameters after sae_forward(); projected if the norm is `project`. */
void sae_backward(struct sae *s, struct sae_work *w);
/* Forward, backward, clipping, Adam, decoder norm.  Returns NULL, or the term that is not finite
 * ("pre-activations", "loss"); then nothing is updated. */
const char *sae_step(struct sae *s, struct sae_work *w, const real *x, size_t n, double lr);

double sae_cos_init(const struct sae *s); /* mean_f |cos(d_f, d_f at initialisation)| */
bool sae_is_finite(const struct sae *s);
