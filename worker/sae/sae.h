/* sae.h - sparse autoencoders: parameters, one training step, encoding.
 *
 * n rows, d = d_model, o = dims of the target (d but for transcoders), f = d_sae features, k active
 * features a row.  Feature f has an encoder row w_f, a bias and a decoder row d_f (its direction):
 * encoder [f,d] and decoder [f,o] in memory; checkpoints record their layout (sae_io.h).  With
 * u = x - b_dec where the architecture centres,
 *
 *   z = W u + b_enc,   a = act(z),   x_hat = sum_f a_f d_f + b_dec,   e = x_hat - target.
 *
 * All memory comes from two arenas whose sizes sae_bytes() and sae_work_bytes() plan; a step
 * allocates nothing.  Same seed, batches and instruction set: same bits.
 */
#pragma once
#include "common/arena.h"
#include "worker/num/shortlist.h"
#include "worker/sae/sae_cfg.h"

/* Order of the parameter rows; one that an architecture does not have has n = 0. */
enum {
    SAE_ENCODER,
    SAE_B_ENC,
    SAE_DECODER,
    SAE_B_DEC,
    SAE_LOG_THETA, /* [f] jumprelu */
    SAE_R_MAG,     /* [f] gated */
    SAE_B_MAG,     /* [f] gated */
    SAE_SCALE,     /* [f] gba: d_f = scale_f w_f */
    SAE_SKIP,      /* [o,d] */
    SAE_PARAMS_MAX
};

/* A pull of every direction to one direction of a reference dictionary. */
enum sae_pull_rule { SAE_PULL_NEAREST, SAE_PULL_ASSIGNED, SAE_PULL_MUTUAL };
struct sae_pull {
    const real *ref;       /* [cfg.n_ref,o] unit rows; NULL: no pull */
    double lambda;
    enum sae_pull_rule rule;
    uint32_t *partner;     /* [f]; UINT32_MAX: none.  Assigned: the caller's; else the nearest */
};

struct sae {
    struct sae_cfg cfg;
    struct param p[SAE_PARAMS_MAX];
    size_t n_params;
    real *start;           /* [f,o] decoder at initialisation, for sae_cos_init() */
    size_t grad_from;      /* feature whose gradients come first, see sae_dw(); 0 but within a step */
    int64_t *quiet;        /* [f] rows since the feature was active */
    double theta;          /* batch selection: threshold in use; -1 before the first */
    double l1_scale;       /* warm-up of the penalty: 1 */
    struct sae_pull pull;
};

/* One batch on its way through the network; rows x and target are the caller's. */
struct sae_work {
    size_t n, n_max, n_tile, cap;
    const real *x, *target; /* [n,d], [n,o] */
    bool is_use;            /* not training: batch selection by threshold, no penalties */
    real *u, *xhat, *g;     /* [n,d], [n,o], [n,o]: encoder input, x_hat, dL/dx_hat */
    real *z;                /* row selection: a tile [n_tile,f]; else all, [f,n] */
    real *panel;            /* row selection: the encoder laid out for products, of this batch */
    struct shortlist brief; /* row selection with AVX-512: who may be chosen; its layout and lengths
                             * serve is_bf16 as well */
    bool has_list;          /* it is in use */
    bool has_brief;         /* in bfloat16 where it proves; a caller may clear it: same bits */
    size_t brief_rest;      /* steps without bfloat16, after one whose rows it could not prove */
    bool is_dense;          /* too many active features for lists: activations come from z */
    uint32_t *row_at, *idx; /* active features by row: start [n+1], feature [cap], ascending */
    real *val;              /* activation [cap] */
    uint32_t *at, *row;     /* the same by feature: start [f+1], row [cap], ascending */
    real *by_f;             /* [cap] */
    real *block[3];         /* [block_f, n] activations, h, h_aux of some features */
    real *xhat_aux, *g_aux; /* [n,o] gate: its reconstruction, gradient; AuxK: of the residual */
    real *prefix_g;         /* [prefixes,n,o] gradient of each x_hat */
    double *db_dec;         /* [d] */
    const real *add_enc, *add_dec; /* [f,d], [f,o] or NULL: gradients from outside (jacobian.h) */
    real *dz_sum;           /* [f] sum over rows of dL/dz */
    uint32_t *pair_n, *pair_id; /* [f] rows on which another feature is active too; which */
    uint32_t *dead;         /* [n_dead] at the start of the step */
    size_t n_dead, aux_k, aux_stride;
    real *aux_z, *aux_val, *aux_by_f;        /* [f], [n,aux_stride] twice */
    uint32_t *aux_idx, *aux_n, *aux_at, *aux_row;
    struct topk_scratch topk;
    double lambda;          /* the penalty's slope */
    real *pull_c, *pull_cos;     /* [tile,n_ref]; [f] cosine with the partner */
    real *back_cos;              /* [n_ref] of the nearest feature, and which: mutual pull */
    uint32_t *back, *fired;      /* [n_ref]; [f] rows on which a feature is active */
    real *peak;                  /* [f] its largest activation */
    double least_kept;      /* batch selection: least positive value kept, 0 if none */
    double loss, recon, penalty; /* of the last batch: loss = recon + penalty */
    double aux, pull_loss, extra;     /* parts of the penalty: AuxK, consistency, others */
    double l0, l1;          /* means over its rows of #{a_f != 0}, sum |a_f| */
    double cost;            /* sum over rows of what l1 multiplies */
};

size_t sae_bytes(const struct sae_cfg *cfg);
void sae_new(struct sae *s, const struct sae_cfg *cfg, struct arena *a);
/* Tied: isotropic unit rows.  Else encoder and decoder kaiming_uniform (fan-in d and f), decoder
 * rows normalised.  mean [o] fills b_dec if it has one; NULL: zero. */
void sae_init(struct sae *s, uint64_t seed, const double *mean);
static inline bool sae_has(const struct sae *s, int param)
{
    return s->p[param].n > 0;
}

/* Gradients of feature f.  A step that does not clip uses each as soon as it is made, and the next
 * few features' go to the same place, which stays in cache; after it no gradients are left. */
static inline real *sae_dw(const struct sae *s, size_t f)
{
    return s->p[SAE_ENCODER].grad + (f - s->grad_from) * s->cfg.d;
}
static inline real *sae_ddir(const struct sae *s, size_t f)
{
    return s->p[SAE_DECODER].grad + (f - s->grad_from) * sae_out(&s->cfg);
}

size_t sae_work_bytes(const struct sae_cfg *cfg, size_t n_max);
void sae_work_new(struct sae_work *w, const struct sae_cfg *cfg, size_t n_max, struct arena *a);

/* x [n,d] -> w->xhat, activations, loss.  False if something is not finite.  For training: batch
 * selection is by rank, penalties count. */
bool sae_forward(const struct sae *s, struct sae_work *w, const real *x, size_t n);
bool sae_forward_to(const struct sae *s, struct sae_work *w, const real *x, const real *target,
                    size_t n);
/* The same as it is used after training: batch selection by threshold, recon alone. */
bool sae_use(const struct sae *s, struct sae_work *w, const real *x, const real *target, size_t n);
/* Gradients of all parameters after sae_forward(); projected if the norm is `project`. */
void sae_backward(struct sae *s, struct sae_work *w);
/* Forward, backward, clipping, Adam, decoder norm.  Returns NULL, or the term that is not finite
 * ("pre-activations", "reconstruction", "penalty"); then nothing is updated. */
const char *sae_step(struct sae *s, struct sae_work *w, const real *x, size_t n, double lr);
const char *sae_step_to(struct sae *s, struct sae_work *w, const real *x, const real *target,
                        size_t n, double lr);

/* The rest of a step after sae_backward(), gradients times `scale`: for losses that couple SAEs. */
void sae_update(struct sae *s, struct sae_work *w, double lr, double scale);
/* Which term of the last forward pass is not finite. */
const char *sae_not_finite(const struct sae_work *w);

double sae_cos_init(const struct sae *s); /* mean_f |cos(d_f, d_f at initialisation)| */
bool sae_is_finite(const struct sae *s);
