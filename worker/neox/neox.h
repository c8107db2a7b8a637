/* neox.h - GPT-NeoX (Pythia): configuration, parameters and where they lie.
 *
 *   h_0 = E[ids];  parallel:   h' = h + Attn(LN1(h)) + MLP(LN2(h))
 *                  sequential: a = h + Attn(LN1(h)),  h' = a + MLP(LN2(a))
 *   logits = LNf(h_L) U^T
 * Names and shapes are Hugging Face's; a linear layer is y = x W^T + b with W [out,in].  Rows of
 * W_qkv are grouped by head: q, k, v of head 0, then of head 1, ...
 *
 * Shapes: n tokens of a batch, d d_model, f d_mlp, v n_vocab, h n_heads, e d_head, q = 3d.
 * Memory comes from the caller's arena; neox_bytes and neox_acts_bytes say how much.  What to read
 * next: neox_batch.h (tokens), neox_acts.h (passes), neox_tap.h (hooks), neox_file.h (folders).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "worker/nn/adam.h"
#include "worker/num/real.h"

enum neox_act { NEOX_GELU, NEOX_GELU_TANH };

struct neox_cfg {
    size_t n_layers, d_model, n_heads, d_head, d_mlp, n_vocab;
    size_t n_rot;          /* dimensions of a head that turn, even */
    size_t n_ctx;          /* positions it was trained with; longer input is possible, not refused */
    double rope_base, ln_eps, init_range;
    enum neox_act act;
    bool is_parallel, is_tied, has_attn_bias;
    int64_t bos, eos;      /* -1: none; only written to files */
};

/* One row a parameter: member, name, how it begins, dims.  "qd" is [3d, d].
 * NEOX_IN: N(0, 2/(5d)) "small init"; NEOX_OUT: std 2/(L sqrt d) "wang init". */
enum neox_init_kind { NEOX_ZERO, NEOX_ONE, NEOX_IN, NEOX_OUT };
#define NEOX_BLOCK_ROWS(X)                                                                         \
    X(ln1_w, "input_layernorm.weight", NEOX_ONE, "d")                                              \
    X(ln1_b, "input_layernorm.bias", NEOX_ZERO, "d")                                               \
    X(ln2_w, "post_attention_layernorm.weight", NEOX_ONE, "d")                                     \
    X(ln2_b, "post_attention_layernorm.bias", NEOX_ZERO, "d")                                      \
    X(w_qkv, "attention.query_key_value.weight", NEOX_IN, "qd")                                    \
    X(b_qkv, "attention.query_key_value.bias", NEOX_ZERO, "q")  /* absent without attention bias */ \
    X(w_o, "attention.dense.weight", NEOX_OUT, "dd")                                               \
    X(b_o, "attention.dense.bias", NEOX_ZERO, "d")              /* absent without attention bias */ \
    X(w_in, "mlp.dense_h_to_4h.weight", NEOX_IN, "fd")                                             \
    X(b_in, "mlp.dense_h_to_4h.bias", NEOX_ZERO, "f")                                              \
    X(w_out, "mlp.dense_4h_to_h.weight", NEOX_OUT, "df")                                           \
    X(b_out, "mlp.dense_4h_to_h.bias", NEOX_ZERO, "d")
#define NEOX_ENDS_ROWS(X)                                                                          \
    X(w_e, "gpt_neox.embed_in.weight", NEOX_IN, "vd")                                              \
    X(lnf_w, "gpt_neox.final_layer_norm.weight", NEOX_ONE, "d")                                    \
    X(lnf_b, "gpt_neox.final_layer_norm.bias", NEOX_ZERO, "d")                                     \
    X(w_u, "embed_out.weight", NEOX_IN, "vd")                   /* tied: the same memory as w_e */

#define NEOX_MEMBER(member, name, init, dims) real *member;
struct neox_block {
    NEOX_BLOCK_ROWS(NEOX_MEMBER)
};
struct neox_ends {
    NEOX_ENDS_ROWS(NEOX_MEMBER)
};
#undef NEOX_MEMBER

struct neox_weights {
    struct neox_ends ends;
    struct neox_block *block; /* [n_layers]; absent parameters are NULL */
};

/* How a training holds its numbers; all false: float32, all at once.  Norms and biases are float32
 * always: they are a thousandth of a model. */
struct neox_store {
    bool weights16;        /* matrices in bfloat16; the passes see them widened, a block at a time */
    bool is_master;        /* float32 matrices that the passes see rounded to bfloat16 */
    bool moments16;        /* both moments of matrices in bfloat16 */
    bool grads_block;      /* gradients of the matrices of one block at a time, given to a sink */
    bool is_nearest;       /* rounds to nearest, not stochastically */
    uint64_t seed;         /* of stochastic rounding */
};

/* Told during a backward pass that the gradients of rows [first, first + n) are whole; behind the call
 * their memory serves other rows.  Every row comes once, and the pass reads those weights no more. */
struct neox;
struct neox_sink {
    void (*rows)(void *ctx, struct neox *m, size_t first, size_t n);
    void *ctx;
};

enum neox_part { NEOX_WEIGHTS, NEOX_GRADS, NEOX_MOMENT1, NEOX_MOMENT2, NEOX_PARTS };

struct neox {
    struct neox_cfg cfg;
    struct neox_store store;
    struct neox_weights w, g; /* g, and m and v of the rows: NULL unless made for training */
    struct param *param;      /* [n_params] in the order of files: ends' embedding, blocks, ends' rest */
    size_t n_params;
    real *flat[NEOX_PARTS];   /* each [n_part]: the rows one after another, at 64-byte boundaries */
    size_t n_part[NEOX_PARTS];
    size_t n_flat;            /* n_part of a part in which all rows lie */
    uint16_t *half[NEOX_PARTS]; /* the matrices of a part that are in bfloat16, not in flat; else NULL */
    size_t n_half;            /* [n_half] each */
    real *wide;               /* matrices of one block, or the unembedding, as the passes see them;
                                 NULL: they see flat[NEOX_WEIGHTS] */
    real keep;                /* 0: the next backward pass begins the gradients; 1: it adds */
    struct neox_sink sink;    /* with store.grads_block */
};

/* What no model of this kind can have: ERR_INVALID names the field. */
MUST_CHECK enum err_code neox_cfg_check(const struct neox_cfg *c, struct err *e);
size_t neox_n_weights(const struct neox_cfg *c);
size_t neox_n_flat(const struct neox_cfg *c);
size_t neox_bytes(const struct neox_cfg *c, bool is_training);
/* Zeroed parameters in `a`, which must outlive the model.  Every row decays. */
void neox_init(struct neox *m, const struct neox_cfg *c, bool is_training, struct arena *a);
/* The same for a training that holds its numbers in another way. */
size_t neox_bytes_stored(const struct neox_cfg *c, const struct neox_store *s);
void neox_init_stored(struct neox *m, const struct neox_cfg *c, const struct neox_store *s,
                      struct arena *a);
/* Entries of a part that lie in flat; matrices in bfloat16; entries of `wide` or of shared gradients. */
size_t neox_n_part(const struct neox_cfg *c, const struct neox_store *s, enum neox_part part);
size_t neox_n_half(const struct neox_cfg *c);
size_t neox_n_wide(const struct neox_cfg *c);
size_t neox_n_shared(const struct neox_cfg *c);
/* Before the passes read them: matrices of block l, the unembedding; nothing to do in float32. */
void neox_view_block(const struct neox *m, size_t l);
void neox_view_head(const struct neox *m);
void neox_view_embedding(const struct neox *m, real *to, size_t id); /* one row */
/* Decay of matrices and embeddings only, not of biases and norms, as Pythia was trained. */
void neox_decay_matrices(struct neox *m);
/* Each row from its own stream "neox.init.<name>"; biases 0, norms 1 and 0. */
void neox_randomise(struct neox *m, uint64_t seed);
/* std of a row of that kind */
double neox_init_std(const struct neox_cfg *c, enum neox_init_kind kind);

/* The parameters of a configuration, without memory: for files and plans. */
enum { NEOX_NAME_MAX = 80 };
struct neox_row {
    char name[NEOX_NAME_MAX];
    enum neox_init_kind init;
    int n_dims;
    size_t shape[2], n;
    size_t member;   /* offset in struct neox_block or neox_ends */
    ptrdiff_t layer; /* -1: ends */
};
size_t neox_n_rows(const struct neox_cfg *c);
void neox_row(struct neox_row *r, const struct neox_cfg *c, size_t i);
