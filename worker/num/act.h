/* act.h - activations of the MLP, with the bias that goes before them.
 * Shapes, row-major:  x [n,c], turned into y in place   slope, d [n,c]   bias [c]
 *
 * y = act(x + bias); slope = act'(x + bias), or NULL when no backward pass follows.
 * act_bwd works in place: d holds dy on entry and dx on return.
 * gelu is the exact form x * Phi(x), Phi by erf (float: error of erf below 2e-7).
 */
#pragma once
#include <stddef.h>

#include "worker/num/real.h"

void relu_fwd(real *restrict x, const real *restrict bias, size_t n, size_t c);
void relu_bwd(real *restrict d, const real *restrict y, size_t n); /* y: what relu_fwd gave */
void gelu_fwd(real *restrict x, real *restrict slope, const real *restrict bias, size_t n, size_t c);
void gelu_bwd(real *restrict d, const real *restrict slope, size_t n);

/* y rows = b: what a product is then added to */
void bias_rows(real *restrict y, const real *restrict b, size_t n, size_t c);
/* db += sum of the rows of dy */
void bias_bwd(real *restrict db, const real *restrict dy, size_t n, size_t c);
void bias_bwd_ld(real *restrict db, const real *restrict dy, size_t n, size_t c, size_t ld);
