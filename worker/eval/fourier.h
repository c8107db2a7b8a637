/* fourier.h - is an embedding of residues made of few frequencies?
 *
 * Rows 0..p-1 of an embedding [p,d], columns centred, are a signal over the cyclic group.  Its power
 * is split over the frequencies 1..p/2; a circuit that adds modulo p by rotations uses few of them.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/num/real.h"

/* Share of the power in the `top` strongest frequencies, in [0, 1]; p >= 3.  Without power: 0. */
MUST_CHECK enum err_code fourier_concentration(double *out, const real *x, size_t p, size_t d,
                                               size_t top, struct err *e);
/* The same, mean over `n_draws` matrices of N(0,1): what no structure gives. */
MUST_CHECK enum err_code fourier_random(double *out, size_t p, size_t d, size_t top, size_t n_draws,
                                        uint64_t seed, struct err *e);
