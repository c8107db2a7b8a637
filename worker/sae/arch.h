/* arch.h - the methods that rows of archs.c are made of; see struct sae_arch. */
#pragma once
#include "worker/sae/sae.h"

/* k active features a row: only the encoder's forward product is dense. */
bool sparse_sae_encode(const struct sae *s, struct sae_work *w);
void sparse_sae_decode(const struct sae *s, struct sae_work *w);
void sparse_sae_backward_begin(const struct sae *s, struct sae_work *w);
void sparse_sae_backward(const struct sae *s, struct sae_work *w, size_t f0, size_t f1);

/* Every feature takes part: five matrix products. */
bool dense_sae_encode(const struct sae *s, struct sae_work *w);
void dense_sae_decode(const struct sae *s, struct sae_work *w);
void dense_sae_backward_begin(const struct sae *s, struct sae_work *w);
void dense_sae_backward(const struct sae *s, struct sae_work *w, size_t f0, size_t f1);
