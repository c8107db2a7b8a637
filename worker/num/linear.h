/* linear.h - y = x w^T + b and its gradients, split over the threads of par.h.
 * Shapes, row-major:  x, dx [n,in]   y, dy [n,out]   w, dw [out,in]   b, db [out]
 *
 * A context says how products are made: in float32 by the library, or with both operands rounded to
 * bfloat16 (bf16mm.h), whose bits do not depend on the number of threads.  Sums of biases are float32.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

struct linear {
    uint32_t *room; /* [linear_room(threads)]: bfloat16; NULL: float32 */
};
/* Words for as many threads as par_threads_set() is told, at most. */
size_t linear_room(int threads);

/* y = x w^T + b (NULL: none); with `add`, that is added to y. */
void linear_fwd(const struct linear *l, real *y, const real *x, const real *w, const real *b, size_t n, size_t out,
                size_t in, bool add);
/* dx = dy w */
void linear_dx(const struct linear *l, real *dx, const real *dy, const real *w, size_t n, size_t out, size_t in);
/* dw = beta dw + dy^T x, beta 0 or 1;  db (NULL: none) += column sums of dy */
void linear_dw(const struct linear *l, real *dw, real *db, const real *dy, const real *x, size_t n, size_t out,
               size_t in, real beta);
