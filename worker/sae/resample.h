/* resample.h - dead features start anew where the reconstruction is worst (Bricken et al. 2023).
 *
 * Rows are drawn with probability proportional to the square of their squared error, without
 * replacement.  The new direction is the unit vector of x - b_dec; the new encoder row is that
 * vector times 0.2 of the mean encoder norm of live features; the bias is 0; Adam's moments of the
 * feature are zeroed.
 */
#pragma once
#include "common/rng.h"
#include "worker/sae/sae.h"

/* x [n,d] rows, weight [n] their squared errors, overwritten.  Features silent for `rows` rows or
 * more are replaced, at most n of them; returns how many. */
size_t sae_resample(struct sae *s, const real *x, double *weight, size_t n, int64_t rows,
                    struct rng *r);
