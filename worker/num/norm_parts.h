/* norm_parts.h - layer normalisation in pieces, for layers that keep the input and its statistics and
 * make the normalised rows again, and for two norms of one input (the parallel residual).
 * Shapes, row-major: x, y, dx, dy [n,c]   gain, bias, dgain, dbias [c]   mean, rstd [n]
 */
#pragma once
#include <stddef.h>

#include "worker/num/real.h"

void norm_stats(real *restrict mean, real *restrict rstd, const real *restrict x, real eps, size_t n,
                size_t c);
/* y = (x - mean) rstd gain + bias */
void norm_apply(real *restrict y, const real *restrict x, const real *restrict mean,
                const real *restrict rstd, const real *restrict gain, const real *restrict bias,
                size_t n, size_t c);
/* dx += rstd (g - mean(g) - xhat mean(g xhat)),  g = dy gain + dy2 gain2 (dy2 NULL: none) */
struct norm_grads {
    const real *dy, *gain, *dy2, *gain2;
};
void norm_dx(real *restrict dx, const struct norm_grads *grads, const real *restrict x,
             const real *restrict mean, const real *restrict rstd, size_t n, size_t c);
/* dgain += sum of dy xhat, dbias += sum of dy over all n rows, columns [from, to) only */
void norm_dgain(real *restrict dgain, real *restrict dbias, const real *restrict dy,
                const real *restrict x, const real *restrict mean, const real *restrict rstd, size_t n,
                size_t c, size_t from, size_t to);
