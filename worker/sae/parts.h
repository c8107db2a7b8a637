/* parts.h - terms of the loss beside reconstruction and sparsity; each does nothing if it is off. */
#pragma once
#include "worker/sae/sae.h"

/* Nested prefixes: fills prefix_g and xhat; returns the combined error. */
double prefixes_forward(const struct sae *s, struct sae_work *w, double per);
/* prefix_g becomes dL/dx_hat as the features of each group see it; db_dec starts. */
void prefixes_backward_begin(const struct sae *s, struct sae_work *w, double per);
size_t prefixes_group(const struct sae_prefixes *p, size_t f);

/* AuxK in the form of dictionary_learning: dead features explain the residual. */
void auxk_begin(const struct sae *s, struct sae_work *w);      /* who is dead */
/* Row r of the batch: its largest dead pre-activations; entry f of z is z[f * stride]. */
void auxk_select(struct sae_work *w, size_t r, const real *z, size_t stride);
void auxk_select_columns(struct sae_work *w);                  /* all rows of z [f,n] */
double auxk_forward(const struct sae *s, struct sae_work *w);  /* reads the residual in w->g */
void auxk_backward(struct sae *s, struct sae_work *w, size_t f0, size_t f1);

/* Jacobian-style penalty of one site:
 * c * mean_rows sum_{i != j active} |w_j . d_i| / (k(k-1)). */
double pairs_forward(const struct sae *s, struct sae_work *w);
void pairs_backward(struct sae *s, struct sae_work *w, size_t f0, size_t f1);

/* Pull to a reference dictionary; never detached. */
double pull_forward(const struct sae *s, struct sae_work *w);
void pull_backward(struct sae *s, struct sae_work *w, size_t f0, size_t f1);

/* w_f . d_f = 1: gradients along the constraint; and the projection on it. */
void aligned_grad(struct sae *s, size_t f);
void aligned_project(struct sae *s, size_t f);
/* d_f = scale_f w_f: gradients of the decoder go to w and scale; and the decoder made anew. */
void one_matrix_grad(struct sae *s, size_t f);
void one_matrix_set(struct sae *s, size_t f);
