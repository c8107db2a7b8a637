/* embed.c - see embed.h. */
#include "worker/num/embed.h"

#include <string.h>

#include "worker/num/simd.h"

SIMD_INLINE void row_add(real *restrict y, const real *restrict a, const real *restrict b, size_t c)
{
#pragma omp simd
    for (size_t j = 0; j < c; j++)
        y[j] = a[j] + b[j];
}

SIMD_INLINE void row_acc(real *restrict y, const real *restrict a, size_t c)
{
#pragma omp simd
    for (size_t j = 0; j < c; j++)
        y[j] += a[j];
}

ISA_CLONES
void embed_fwd(real *restrict x, const real *restrict w_tok, const real *restrict w_pos,
               const int32_t *restrict tok, const int32_t *restrict pos, size_t n, size_t c)
{
    for (size_t i = 0; i < n; i++)
        row_add(x + i * c, w_tok + (size_t)tok[i] * c, w_pos + (size_t)pos[i] * c, c);
}

ISA_CLONES
void embed_bwd(real *restrict dw_tok, real *restrict dw_pos, const real *restrict dx,
               const int32_t *restrict tok, const int32_t *restrict pos, size_t n, size_t c)
{
    for (size_t i = 0; i < n; i++) {
        row_acc(dw_tok + (size_t)tok[i] * c, dx + i * c, c);
        row_acc(dw_pos + (size_t)pos[i] * c, dx + i * c, c);
    }
}

void gather_rows(real *restrict y, const real *restrict x, const int32_t *restrict row, size_t m,
                 size_t c)
{
    for (size_t i = 0; i < m; i++)
        memcpy(y + i * c, x + (size_t)row[i] * c, c * sizeof *x);
}

ISA_CLONES
void scatter_add_rows(real *restrict dx, const real *restrict dy, const int32_t *restrict row,
                      size_t m, size_t c)
{
    for (size_t i = 0; i < m; i++)
        row_acc(dx + (size_t)row[i] * c, dy + i * c, c);
}

ISA_CLONES
void residual_add(real *restrict y, const real *restrict a, const real *restrict b, size_t n)
{
    row_add(y, a, b, n);
}

ISA_CLONES
void residual_add_rows(real *restrict y, const real *restrict a, const real *restrict b,
              const int32_t *restrict row, size_t m, size_t c)
{
    for (size_t i = 0; i < m; i++)
        row_add(y + i * c, a + (size_t)row[i] * c, b + i * c, c);
}
