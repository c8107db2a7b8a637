/* arch.h - how encoders work inside: lists of active features, and the two ways to make them. */
#pragma once
#include "worker/sae/sae.h"

enum { SAE_BLOCK_F = 128 }; /* features a block of the dense products */

/* Row selection: z tile by tile, the k largest of each row. */
bool rows_encode(const struct sae *s, struct sae_work *w);
/* All others: z feature by feature, [f,n].  Fills the lists, or says is_dense. */
bool columns_encode(const struct sae *s, struct sae_work *w);
/* x_hat of dense activations; sums what columns_encode left to it. */
void columns_decode_dense(const struct sae *s, struct sae_work *w);
void columns_backward_dense(struct sae *s, struct sae_work *w, size_t f0, size_t f1);
/* Gradients of listed activations, for both ways. */
void lists_backward(struct sae *s, struct sae_work *w, size_t f0, size_t f1);
void lists_decode(const struct sae *s, struct sae_work *w);

/* The other view of the lists; entries stay ascending. */
void lists_by_feature(struct sae_work *w, size_t f);
void lists_by_row(struct sae_work *w, size_t f);
/* Counts one feature's activations into w->l0, l1 (sums), fired, peak and cost. */
void sae_tally(const struct sae *s, struct sae_work *w, const struct sae_feature *e);
/* The gradient of x_hat that feature f sees. */
const real *sae_g_of(const struct sae *s, const struct sae_work *w, size_t f);
/* |d_f|, where the penalty asks for it; else 1. */
double sae_weight(const struct sae *s, size_t f);
bool sae_is_dead(const struct sae *s, size_t f);

/* What a ReLU or a linear encoder does (NULL methods). */
void relu_activate(const struct sae *s, size_t f, const real *z, real *a, size_t n);
double relu_cost(const struct sae *s, struct sae_work *w, const struct sae_feature *e);
void relu_slope(struct sae *s, struct sae_work *w, struct sae_feature *e);
/* Others. */
real jump_least(const struct sae *s, size_t f);
void jump_activate(const struct sae *s, size_t f, const real *z, real *a, size_t n);
double jump_cost(const struct sae *s, struct sae_work *w, const struct sae_feature *e);
void jump_slope(struct sae *s, struct sae_work *w, struct sae_feature *e);
void gated_activate(const struct sae *s, size_t f, const real *z, real *a, size_t n);
double gated_cost(const struct sae *s, struct sae_work *w, const struct sae_feature *e);
void gated_slope(struct sae *s, struct sae_work *w, struct sae_feature *e);
void gated_decode(const struct sae *s, struct sae_work *w);   /* the second reconstruction */
double gated_aux(const struct sae *s, struct sae_work *w);    /* its error */
