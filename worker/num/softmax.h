/* softmax.h - softmax over rows.
 * Shapes, row-major:  x, y, dx, dy [n,c];  x and y of the forward pass may be the same.
 * Backward ADDS into dx.
 */
#pragma once
#include <stddef.h>

#include "worker/num/real.h"

void softmax_fwd(real *y, const real *x, size_t n, size_t c);
void softmax_bwd(real *restrict dx, const real *restrict dy, const real *restrict y, size_t n,
                 size_t c);
