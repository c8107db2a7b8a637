/* sae_model.h - an SAE as it is used, whoever trained it: what all file formats meet in.
 *
 * Shapes: d = d_model, o = dims of what is predicted (d but for transcoders), f = d_sae.  Encoder and
 * decoder are [f,d] and [f,o]: row i is feature i, whatever the layout of the file was (formats state
 * theirs; nothing is inferred from a shape).  For a row x
 *
 *   s = in(x)                      by `scale`, see below
 *   u = s - b_dec                  where `is_centred`, else u = s
 *   z = W u + b_enc
 *   a = act(z);  x_hat = out(sum_f a_f d_f + b_dec)          + W_skip x, where there is a skip
 *
 *   LINEAR    a = z                RELU      a = max(z, 0)
 *   TOPK      the k largest z, then max(., 0); `is_rescaled`: of z_f |d_f|, decoded along d_f/|d_f|
 *   TOPK_RAW  the k largest z, kept as they are (HUSAI)
 *   JUMPRELU  max(z, 0) where z > threshold_f
 *   GATED     max(W u exp(r_mag) + b_mag, 0) where z > 0; b_enc is the gate's bias
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "worker/num/real.h"
#include "worker/num/topk.h"

#define SAE_ACTS(X)                                                                                \
    X(LINEAR, "linear") X(RELU, "relu") X(TOPK, "topk") X(TOPK_RAW, "topk_raw")                    \
    X(JUMPRELU, "jumprelu") X(GATED, "gated")
#define X(name, text) SAE_ACT_##name,
enum sae_act { SAE_ACTS(X) SAE_ACT_COUNT };
#undef X
const char *sae_act_name(enum sae_act a);
bool sae_act_parse(const char *text, enum sae_act *out);

/* What happens to a row before and after, by SAELens' names. */
enum sae_scale {
    SAE_SCALE_NONE,
    SAE_SCALE_CONSTANT_NORM, /* s = x sqrt(d)/|x|; undone at the end */
    SAE_SCALE_LAYER_NORM     /* s = (x - mean)/(sd + 1e-5), sd with ddof 1; undone at the end */
};
const char *sae_scale_name(enum sae_scale s);

enum { SAE_NAME_MAX = 128 };

struct sae_model {
    enum sae_act act;
    enum sae_scale scale;
    bool is_centred, is_rescaled;
    bool is_transcoder;      /* predicts rows of another hook; never centred or scaled */
    bool has_skip;
    size_t d, f, k;          /* k of TOPK and TOPK_RAW, else 0 */
    size_t o;                /* in a shape 0: d */
    real *enc, *dir;         /* [f,d], [f,o] */
    real *b_enc;             /* [f] */
    real *b_dec;             /* [o], zero if there is none */
    real *skip;              /* [o,d] W_skip; of has_skip only */
    real *threshold;         /* [f] of JUMPRELU, else zero */
    real *r_mag, *b_mag;     /* [f] of GATED, else zero */
    int64_t seed;            /* -1: the file does not say */
    char arch[SAE_NAME_MAX]; /* as its trainer called it */
    char model[SAE_NAME_MAX], hook[SAE_NAME_MAX]; /* where its activations come from; "" unknown */
    char hook_out[SAE_NAME_MAX]; /* of a transcoder's target */
    real *memory;
};

/* Zeroed arrays for d, f of `shape`, whose other plain members are taken over. */
MUST_CHECK enum err_code sae_model_new(struct sae_model *m, const struct sae_model *shape,
                                       struct err *e);
void sae_model_free(struct sae_model *m); /* no-op after a failed new */
/* Finite, k in [1, f], thresholds not below 0, what a transcoder cannot be. */
MUST_CHECK enum err_code sae_model_check(const struct sae_model *m, struct err *e);

/* Exact rewritings: the reconstruction stays, up to rounding. */
/* Input centred by b_dec or not: W b_dec moves into the biases. */
void sae_model_centre(struct sae_model *m, bool is_centred);
/* Unit directions; |d_f| moves into the encoder.  Not for LINEAR with norms of 0. */
void sae_model_fold_norms(struct sae_model *m);
bool sae_model_has_b_dec(const struct sae_model *m);
double sae_model_norm(const struct sae_model *m, size_t f); /* |d_f| */

/* One batch through the model. */
struct sae_infer {
    const struct sae_model *m;
    size_t n_max, n;
    real *u, *xhat;          /* [n,d], [n,o] */
    real *a;                 /* [n,f] activations */
    real *norm;              /* [f] |d_f|; of is_rescaled only */
    real *mean, *sd;         /* [n] of the input scaling */
    uint32_t *idx;           /* [k] */
    real *val;               /* [k] */
    struct topk_scratch topk;
};
size_t sae_infer_bytes(const struct sae_model *m, size_t n_max);
void sae_infer_new(struct sae_infer *w, const struct sae_model *m, size_t n_max, struct arena *a);
/* x [n,d], n <= n_max, to w->a and w->xhat [n,o].  False: a pre-activation is not finite. */
bool sae_infer_run(struct sae_infer *w, const float *x, size_t n);
/* The same without x_hat. */
bool sae_infer_encode(struct sae_infer *w, const float *x, size_t n);
size_t sae_infer_rows(const struct sae_model *m, size_t n_rows); /* a good n_max */
