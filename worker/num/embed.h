/* embed.h - gather and scatter-add of rows; token plus position embeddings.
 * Shapes, row-major:  x, dx [n,c]   w_tok, dw_tok [v,c]   w_pos, dw_pos [t,c]
 *                     tok [n] in [0, v), pos [n] in [0, t), row [m] in [0, n)
 * Backward and scatter_add ADD.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

void embed_fwd(real *restrict x, const real *restrict w_tok, const real *restrict w_pos,
               const int32_t *restrict tok, const int32_t *restrict pos, size_t n, size_t c);
void embed_bwd(real *restrict dw_tok, real *restrict dw_pos, const real *restrict dx,
               const int32_t *restrict tok, const int32_t *restrict pos, size_t n, size_t c);

/* y[i] = x[row[i]] */
void gather_rows(real *restrict y, const real *restrict x, const int32_t *restrict row, size_t m,
                 size_t c);
/* dx[row[i]] += dy[i] */
void scatter_add_rows(real *restrict dx, const real *restrict dy, const int32_t *restrict row,
                      size_t m, size_t c);
/* y = a + b, elementwise; with rows: y[i] = a[row[i]] + b[i] */
void residual_add(real *restrict y, const real *restrict a, const real *restrict b, size_t n);
void residual_add_rows(real *restrict y, const real *restrict a, const real *restrict b,
              const int32_t *restrict row, size_t m, size_t c);
