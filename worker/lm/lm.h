/* lm.h - a pre-LayerNorm transformer decoder: configuration, parameters, forward, backward.
 *
 * As HookedTransformer of the reference: learned positions added to the token
 * embedding; per block  mid = x + Attn(LN1(x)),  out = mid + MLP(LN2(mid));  final LayerNorm;
 * untied unembedding with bias.  Names and shapes in files are TransformerLens'.
 *
 * A batch is a forest of token prefixes (worker/data/batch.h): sequences that begin alike share
 * their nodes, which is exact under causal attention, and the read-outs are a list of nodes.
 * The last block computes queries and MLP at the read-outs only; a full pass is the batch whose
 * read-outs are all nodes.
 *
 * Shapes: n nodes, m read-outs, d d_model, f d_mlp, v n_vocab, t n_ctx, h n_heads, e d_head.
 * Memory comes from the caller's arena; lm_bytes and lm_acts_bytes say how much.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "worker/lm/lm_patch.h"
#include "worker/nn/adam.h"
#include "worker/num/real.h"

enum lm_act { LM_RELU, LM_GELU };

struct lm_cfg {
    size_t n_layers, d_model, n_heads, d_head, d_mlp, n_ctx, n_vocab;
    enum lm_act act;
    real ln_eps;
};

/* Parameters of one block and of the whole; a second set holds the gradients.  Rows:
 *   X(member, file name, kind, dims in file order, as letters of the shapes above)
 * W_Q, W_K, W_V are [d, h*e] in memory and [h, d, e] in files. */
#define LM_BLOCK_ROWS(X)                                                                           \
    X(ln1_w, "ln1.w", LM_ONE, "d")                                                                 \
    X(ln1_b, "ln1.b", LM_ZERO, "d")                                                                \
    X(w_q, "attn.W_Q", LM_NORMAL, "hde")                                                           \
    X(w_k, "attn.W_K", LM_NORMAL, "hde")                                                           \
    X(w_v, "attn.W_V", LM_NORMAL, "hde")                                                           \
    X(w_o, "attn.W_O", LM_NORMAL, "hed")                                                           \
    X(b_q, "attn.b_Q", LM_ZERO, "he")                                                              \
    X(b_k, "attn.b_K", LM_ZERO, "he")                                                              \
    X(b_v, "attn.b_V", LM_ZERO, "he")                                                              \
    X(b_o, "attn.b_O", LM_ZERO, "d")                                                               \
    X(ln2_w, "ln2.w", LM_ONE, "d")                                                                 \
    X(ln2_b, "ln2.b", LM_ZERO, "d")                                                                \
    X(w_in, "mlp.W_in", LM_NORMAL, "df")                                                           \
    X(b_in, "mlp.b_in", LM_ZERO, "f")                                                              \
    X(w_out, "mlp.W_out", LM_NORMAL, "fd")                                                         \
    X(b_out, "mlp.b_out", LM_ZERO, "d")
#define LM_ENDS_ROWS(X)                                                                            \
    X(w_e, "embed.W_E", LM_NORMAL, "vd")                                                           \
    X(w_pos, "pos_embed.W_pos", LM_NORMAL, "td")                                                   \
    X(lnf_w, "ln_final.w", LM_ONE, "d")                                                            \
    X(lnf_b, "ln_final.b", LM_ZERO, "d")                                                           \
    X(w_u, "unembed.W_U", LM_NORMAL, "dv")                                                         \
    X(b_u, "unembed.b_U", LM_ZERO, "v")

#define LM_MEMBER(member, name, init, dims) real *member;
struct lm_block {
    LM_BLOCK_ROWS(LM_MEMBER)
};
struct lm_ends {
    LM_ENDS_ROWS(LM_MEMBER)
};
#undef LM_MEMBER

struct lm_weights {
    struct lm_ends ends;
    struct lm_block *block; /* [n_layers] */
};

struct lm {
    struct lm_cfg cfg;
    struct lm_weights w, g; /* g, and m and v of the rows: NULL unless made for training */
    struct param *param;    /* [n_params] every parameter; shape as in files */
    size_t n_params;
    real *flat[4];          /* weights, gradients, first and second moments, each [n_flat]: */
    size_t n_flat;          /* the rows one after another, at 64-byte boundaries */
};

size_t lm_bytes(const struct lm_cfg *c, bool is_training);
/* Zeroed parameters in `a`, which must outlive the model. */
void lm_init(struct lm *m, const struct lm_cfg *c, bool is_training, struct arena *a);
/* W_* ~ N(0, (0.8/sqrt(d_model))^2), biases 0, LayerNorm 1 and 0, from stream "lm.init". */
void lm_randomise(struct lm *m, uint64_t seed);
/* True if the row is [h,d,e] in files and [d,h*e] in memory. */
bool lm_param_is_per_head(const struct param *p);
size_t lm_n_weights(const struct lm_cfg *c);
size_t lm_n_flat(const struct lm_cfg *c);

struct lm_batch {
    size_t n, n_out;        /* nodes, read-outs */
    size_t t;               /* row stride of path */
    const int32_t *tok, *pos; /* [n] */
    const int32_t *path;    /* [n,t] see num/attention.h; a parent comes before its children */
    const int32_t *out;     /* [n_out] nodes read out */
    const int32_t *target;  /* [n_out] tokens to be predicted; may be NULL without a loss */
};

/* What the forward pass leaves behind for the backward pass and for hooks, of one block.
 * rows: n_out in the last block that is run, n in the others; sel: their nodes, or NULL. */
struct lm_block_acts {
    size_t rows;
    const int32_t *sel;
    real *x;                  /* [n,d] stream that enters */
    real *mean1, *rstd1, *a1; /* [n], [n,d] */
    real *a1_sel;             /* [rows,d] a1 itself when sel is NULL */
    real *q, *z;              /* [rows,d] */
    real *k, *v;              /* [n,d] */
    real *p;                  /* [rows,h,t] */
    real *attn_out, *mid;     /* [rows,d] */
    real *mean2, *rstd2, *a2; /* [rows], [rows,d] */
    real *hidden, *slope;     /* [rows,f] */
    real *mlp_out;            /* [rows,d] */
    real *out;                /* [rows,d] stream that leaves: x of the next block */
};

struct lm_acts {
    size_t n_max, out_max;
    bool is_training;
    const struct lm_patch *patch; /* or NULL; for forward passes without a backward one */
    struct lm_block_acts *block; /* [n_layers] */
    real *meanf, *rstdf, *af;    /* [m], [m,d] */
    real *logits;                /* [m,v]; softmax after lm_loss */
    /* backward only */
    real *dlogits, *dx, *dmid, *dnorm, *dq, *dk, *dv, *dz, *dhidden, *score;
};

size_t lm_acts_bytes(const struct lm_cfg *c, size_t n_max, size_t out_max, bool is_training);
void lm_acts_init(struct lm_acts *s, const struct lm_cfg *c, size_t n_max, size_t out_max,
                  bool is_training, struct arena *a);

/* Row i of what the MLP of a block reads, before gain and bias of its LayerNorm. */
void lm_ln2_normalized(real *row, const struct lm_block_acts *s, size_t i, size_t d);
/* Runs blocks 0..n_layers-1 (<= cfg.n_layers), the last of them at the read-outs only. */
void lm_forward(const struct lm *m, struct lm_acts *s, const struct lm_batch *b, size_t n_layers);
/* All blocks and the unembedding: s->logits [n_out,v]. */
void lm_logits(const struct lm *m, struct lm_acts *s, const struct lm_batch *b);
/* Sum over the read-outs of the cross-entropy in nats; n_right may be NULL. */
double lm_loss(const struct lm *m, struct lm_acts *s, const struct lm_batch *b, size_t *n_right);
/* After lm_loss on the same batch: ADDS scale * d(that sum) into the gradients. */
void lm_backward(struct lm *m, struct lm_acts *s, const struct lm_batch *b, real scale);
/* Multiplications and additions, times two, of one training step's matrix products. */
double lm_step_flop(const struct lm_cfg *c, size_t n, size_t n_out);
