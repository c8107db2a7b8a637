/* norm.h - layer normalisation, Ba et al. 2016 (arXiv:1607.06450).
 * Shapes, all row-major:  x, y, dx, dy [n,c]   gain, bias [c]   mean, rstd [n]
 * y = (x - mean) * rstd * gain + bias,  rstd = 1 / sqrt(biased variance + eps)
 * Backward ADDS into dx, dgain and dbias.
 */
#pragma once
#include <stddef.h>

#include "worker/num/real.h"

void layernorm_fwd(real *restrict y, real *restrict mean, real *restrict rstd,
                   const real *restrict x, const real *restrict gain, const real *restrict bias,
                   real eps, size_t n, size_t c);
void layernorm_bwd(real *restrict dx, real *restrict dgain, real *restrict dbias,
                   const real *restrict dy, const real *restrict x, const real *restrict mean,
                   const real *restrict rstd, const real *restrict gain, size_t n, size_t c);
