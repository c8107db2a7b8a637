/* linear.h - y = x w^T + b and its gradients, split over the threads of par.h.
 * Shapes, row-major:  x, dx [n,in]   y, dy [n,out]   w, dw [out,in]   b, db [out]
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "worker/num/real.h"

/* y = x w^T + b (NULL: none); with `add`, that is added to y. */
void linear_fwd(real *y, const real *x, const real *w, const real *b, size_t n, size_t out, size_t in,
                bool add);
/* dx = dy w */
void linear_dx(real *dx, const real *dy, const real *w, size_t n, size_t out, size_t in);
/* dw = beta dw + dy^T x;  db (NULL: none) += column sums of dy */
void linear_dw(real *dw, real *db, const real *dy, const real *x, size_t n, size_t out, size_t in,
               real beta);
