/* neox_pass.h - what the files of the passes share; not for callers. */
#pragma once
#include "worker/neox/neox_acts.h"

bool neox_has_tap(const struct neox_acts *s, size_t layer, enum neox_hook hook);
void neox_taps_fwd(const struct neox_acts *s, size_t layer, enum neox_hook hook, real *x,
                   const struct neox_batch *b, bool is_again);
void neox_taps_bwd(const struct neox_acts *s, size_t layer, enum neox_hook hook, real *dx,
                   const struct neox_batch *b);

/* Block l from s->x[l] into its acts; `out` NULL: only what the backward pass needs, again. */
void neox_block_fwd(const struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l,
                    real *out);
/* s->u = LN1 or LN2 of block l, with its taps; `is_again` in the backward pass. */
void neox_attn_in(const struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l,
                  bool is_again);
void neox_mlp_in(const struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l,
                 bool is_again);

/* Rows [first, first + n) to the sink, if gradients are shared. */
void neox_give(struct neox *m, size_t first, size_t n);

/* --- loops split over threads (neox_ops.c) --- */
void op_stats(real *mean, real *rstd, const real *x, double eps, size_t n, size_t c);
struct op_norm {
    const real *x, *mean, *rstd, *gain, *bias;
};
void op_norm(real *y, const struct op_norm *p, size_t n, size_t c);
/* dx += ...; dgain, dbias of one or two branches */
struct op_norm_grad {
    const real *dy, *gain, *dy2, *gain2; /* the second ones may be NULL */
    real *dgain, *dbias, *dgain2, *dbias2;
};
void op_norm_bwd(real *dx, const struct op_norm_grad *g, const struct op_norm *p, size_t n, size_t c);
void op_gelu_fwd(real *y, const real *a, size_t n, bool is_tanh);
void op_gelu_bwd(real *d, real *y, const real *a, size_t n, bool is_tanh);
void op_rope(const struct neox *m, const struct neox_acts *s, const struct neox_batch *b, real *qkv,
             real sign);
void op_copy(real *y, const real *x, size_t n);
void op_add(real *y, const real *x, size_t n); /* y += x */
void op_zero(real *y, size_t n);
void op_round(real *x, uint16_t *keep, size_t n); /* to bfloat16, in place; `keep` may be NULL */
void op_widen(real *x, const uint16_t *kept, size_t n);
