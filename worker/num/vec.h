/* vec.h - vectors: sums, products, scaling.  Shapes: x, y [n].
 *
 * Sums longer than 256 terms are accumulated in double where the name says sumsq or sum.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

real vec_dot(const real *a, const real *b, size_t n);
double vec_sumsq(const real *x, size_t n);
void vec_axpy(real *restrict y, const real *restrict x, real a, size_t n); /* y += a x */
void vec_scale(real *x, real a, size_t n);
bool vec_is_finite(const real *x, size_t n);
/* x /= |x|; returns the norm.  A zero vector stays. */
double vec_normalise(real *x, size_t n);
