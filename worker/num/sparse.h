/* sparse.h - products with rows of which few are active.
 *
 * Shapes, row-major: dir [f,d] directions, out [d], idx and val [k].
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

/* out = base (NULL: 0) + sum_j val_j dir[idx_j], added in the order of j; base may be out. */
void sparse_decode(real *out, const real *base, const real *restrict dir,
                   const uint32_t *restrict idx, const real *restrict val, size_t k, size_t d);

/* dot_j = x . dir[idx_j] */
void sparse_dots(real *restrict dot, const real *restrict x, const real *restrict dir,
                 const uint32_t *restrict idx, size_t k, size_t d);

/* Rows on which one feature is active. */
struct sparse_feature {
    const uint32_t *row;
    const real *a; /* its activation there */
    size_t n;
};

/* Gradients of one feature f: with g [rows,d] the gradient of the reconstruction and u [rows,d] the
 * encoder's input, over the listed rows r
 *   ddir = sum a_r g_r,   dz_r = dir . g_r,   dw = sum dz_r u_r;   returns sum_r dz_r. */
real sparse_grad(real *restrict ddir, real *restrict dw, const struct sparse_feature *s,
                 const real *restrict dir, const real *restrict g, const real *restrict u, size_t d);
