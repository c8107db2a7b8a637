/* sae_cfg.h - what an SAE is: its architecture, a row of archs.c, and its constants. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/nn/adam.h"

enum sae_norm { SAE_NORM_NONE, SAE_NORM_RENORM, SAE_NORM_PROJECT, SAE_NORM_WRONG_AXIS };
enum sae_l1_form { SAE_L1_AUTO, SAE_L1_PLAIN, SAE_L1_NORM_WEIGHTED };

/* Who decides which features of a row are active. */
enum sae_select {
    SAE_SELECT_EACH,  /* every feature by itself: a threshold */
    SAE_SELECT_ROW,   /* the k largest of the row */
    SAE_SELECT_BATCH  /* the k*n largest of n rows; one threshold when it is used */
};

/* Threshold in use: a moving average of the least value kept. */
enum sae_theta_rule {
    SAE_THETA_EMA,   /* rate 0.01; the first step sets it */
    SAE_THETA_DL,    /* rate 0.001; from step 1000, which sets it */
    SAE_THETA_MATSAE /* rate 0.01 from 0; SAELens has the same */
};

/* Losses of nested prefixes, by source. */
enum sae_prefix_rule {
    SAE_PREFIX_MEAN,           /* mean over the prefixes */
    SAE_PREFIX_MEAN_WITH_BIAS, /* and over the loss of b_dec alone: MatSAE */
    SAE_PREFIX_DL,             /* sum / G^2: dictionary_learning */
    SAE_PREFIX_SUM,            /* SAELens */
    SAE_PREFIX_HUSAI           /* whole + 0.2 * mean */
};

enum { SAE_PREFIX_MAX = 16 };

struct sae_prefixes {
    size_t end[SAE_PREFIX_MAX], n; /* ascending; the last is f */
    enum sae_prefix_rule rule;
};

struct sae_jump {
    double bandwidth, theta; /* theta: at initialisation */
    double target_l0;        /* > 0: l1 * (L0/target - 1)^2 instead of l1 * L0 */
    double tanh_scale;       /* > 0: l1 * sum tanh(scale * a |d_f|) instead */
    double dead_pull;        /* * mean sum relu(theta - z) |d_f| over dead features */
};

struct sae_aux {
    double alpha;            /* 0: none */
    size_t k;                /* 0: d/2 */
};

struct sae_cfg {
    const struct sae_arch *arch;
    size_t d, f, k;
    size_t d_out;            /* of the target; 0: d */
    double l1, clip;         /* clip 0: none */
    enum sae_l1_form l1_form;
    enum sae_norm norm;      /* renorm: unit d_f after a step; project: and no radial gradient */
    bool is_tied;            /* at init: encoder = decoder */
    bool is_bf16;            /* the encoder's product rounds its inputs to bfloat16 */
    bool is_aligned;         /* w_f . d_f = 1, kept by projection */
    int64_t dead_rows;       /* a feature that was silent for so many rows is dead */
    struct sae_aux aux;
    struct sae_jump jump;
    struct sae_prefixes prefixes;
    enum sae_theta_rule theta_rule;
    double jacobian;         /* off-diagonal |w_j . d_i| of co-active features */
    size_t n_ref;            /* directions of the reference that sae.pull holds; 0: none */
    struct adam adam;        /* lr is given to every step */
};

struct sae;
struct sae_work;

/* One feature on the rows of a batch where it may be active; all rows if `row` is NULL. */
struct sae_feature {
    size_t f, n;
    const uint32_t *row;
    const real *z, *a;       /* [n] pre-activation, activation */
    real *h, *h_aux;         /* [n] dL/dx_hat . d_f; slope turns h into dL/dz */
    double norm;             /* |d_f| */
    double d_norm;           /* out: dL/d|d_f| of the penalty */
};

/* An architecture: its traits, and what makes its encoder special.  All is pure in (s, w) but for
 * the gradients it adds to.  Methods that are NULL do what a ReLU does. */
struct sae_arch {
    const char *name;
    enum sae_select select;
    bool is_centred;         /* u = x - b_dec; without it u = x */
    bool has_b_dec;
    bool has_relu;
    bool is_elem_mean;       /* error over n*d, else over n ("elem-mean", "sum-mean") */
    bool has_l1;             /* l1 * mean_rows sum_f cost */
    bool clips_k;            /* k > f is taken as f; else it is an error */
    bool is_nested;          /* the error is that of prefixes of the features */
    bool has_gate;           /* a second reconstruction, from relu(z) */
    bool has_skip;           /* x_hat += W_skip x */
    bool is_transcoder;      /* made for rows of another hook as its target */
    bool is_pair;            /* two of them, at two hooks, coupled by jacobian.h */
    bool is_one_matrix;      /* d_f = scale_f w_f */
    bool has_frozen_bias;    /* b_enc is not trained by gradients */
    unsigned params;         /* of [f]: bits 1 << SAE_LOG_THETA and the like */
    enum sae_norm norm;      /* what `auto` means */
    bool is_tied;
    /* Least z that the lists of a batch must hold; -INFINITY: every row. */
    real (*least)(const struct sae *s, size_t f);
    void (*activate)(const struct sae *s, size_t f, const real *z, real *a, size_t n);
    /* Sum over the rows of what l1 multiplies. */
    double (*cost)(const struct sae *s, struct sae_work *w, const struct sae_feature *e);
    /* h -> dL/dz; adds to the gradients of the architecture's own parameters. */
    void (*slope)(struct sae *s, struct sae_work *w, struct sae_feature *e);
};

const struct sae_arch *sae_arch_find(const char *name); /* NULL if unknown */

/* Checks, and sets k to f where the architecture clips it. */
MUST_CHECK enum err_code sae_cfg_check(struct sae_cfg *cfg, struct err *e);
static inline size_t sae_out(const struct sae_cfg *c)
{
    return c->d_out ? c->d_out : c->d;
}
/* Whether the penalty counts a_f |d_f|, not a_f. */
static inline bool sae_l1_is_weighted(const struct sae_cfg *c)
{
    return c->l1_form == SAE_L1_NORM_WEIGHTED ||
           (c->l1_form == SAE_L1_AUTO && c->norm == SAE_NORM_NONE);
}
